#!/bin/sh
# Compiles the benchmark's guests and runs it; the figures go to target/bench/results.json. Then the first call in fresh
# processes, prepared and not.
#   ONLY   only the cases whose names begin so, such as fir128/ or call-empty/plugin; without the first calls
set -eu
cd "$(dirname "$0")/.."
out=target/bench
mkdir -p $out/kernels
for profile in standalone plugin; do
    for guest in bench/guests/calls.wat bench/guests/tail.wat bench/guests/slot.wat; do
        target/tools/rtwasm compile --quiet --profile $profile $guest -o $out/"$(basename $guest .wat)"-$profile.rtw
    done
    target/tools/rtwasm compile --quiet --profile $profile tests/proofs/guests/work.wat -o $out/work.$profile.rtw
    for source in guests/kernels/*.c; do
        kernel=$(basename "$source" .c)
        for budget in off guard epoch fuel; do
            target/tools/rtwasm compile --quiet --profile $profile --budget $budget guests/built/"$kernel".wasm \
                -o $out/kernels/"$kernel".$profile.$budget.rtw
        done
    done
done
"${CC:-cc}" -std=gnu99 -O2 -Iinclude tests/proofs/first_call.c tests/proofs/guest.c tests/proofs/harness.c -o $out/first_call \
    -Ltarget/release -lrtwasm -pthread -Wl,-z,lazy -Wl,-rpath,"$PWD/target/release"

target/bench-host/rtwasm-bench "$PWD/target/release/librtwasm.so" $out $out/results.json ${ONLY:+--only "$ONLY"}
if [ -z "${ONLY:-}" ]; then
    echo
    $out/first_call $out
fi
