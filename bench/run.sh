#!/bin/sh
# Compiles the benchmark's guests and runs it; the figures go to target/bench/results.json. Then the first call in fresh
# processes, prepared and not; then what the budget guard costs the compiler.
#   ONLY   only the cases whose names begin so, such as fir128/ or call-empty/plugin; without what comes after the cases
set -eu
cd "$(dirname "$0")/.."
out=target/bench
mkdir -p $out/kernels
for profile in standalone plugin; do
    for guest in bench/guests/*.wat; do
        target/tools/rtwasm compile --quiet --profile $profile $guest -o $out/"$(basename $guest .wat)"-$profile.rtw
    done
    target/tools/rtwasm compile --quiet --profile $profile tests/proofs/guests/work.wat -o $out/work.$profile.rtw
    for source in guests/kernels/*.c; do
        kernel=$(basename "$source" .c)
        for budget in off guard epoch fuel; do
            target/tools/rtwasm compile --quiet --profile $profile --budget $budget guests/built/"$kernel".wasm \
                -o $out/kernels/"$kernel".$profile.$budget.rtw
        done
        target/tools/rtwasm compile --quiet --profile $profile --budget off --deterministic guests/built/"$kernel".wasm \
            -o $out/kernels/"$kernel".$profile.off-deterministic.rtw
    done
done
target/tools/rtwasm compile --quiet --profile standalone guests/built/reverb.wasm -o $out/reverb-standalone.rtw
# A second reverb, which does not clear small numbers itself. Most reverbs do not.
rm -f $out/reverb-plain-standalone.rtw
if command -v "${CLANG:-clang-19}" >/dev/null && command -v "${WASM_LD:-wasm-ld-19}" >/dev/null; then
    rm -f $out/reverb.wasm
    make -s -C guests OUT=../$out SCRATCH=../$out/guests CFLAGS_reverb=-DFLUSH_LIMIT=0.0f ../$out/reverb.wasm
    target/tools/rtwasm compile --quiet --profile standalone $out/reverb.wasm -o $out/reverb-plain-standalone.rtw
else
    echo "denormal-tail/reverb-plain is left out: clang-19 and wasm-ld-19 are not there"
fi
target/tools/rtwasm compile --quiet guests/built/pid.wasm -o $out/pid.rtw
"${CC:-cc}" -std=gnu99 -D_GNU_SOURCE -O2 -Iinclude bench/workers.c examples-c/control-loop/native_pid.c -o $out/workers \
    -Ltarget/release -lrtwasm -pthread -Wl,-rpath,"$PWD/target/release"
"${CC:-cc}" -std=gnu99 -O2 -Iinclude -D_GNU_SOURCE tests/proofs/first_call.c tests/proofs/proof.c \
    tests/support/check.c tests/support/child.c tests/support/common.c tests/support/start.c tests/support/statuses.c -o $out/first_call \
    -Ltarget/release -lrtwasm -pthread -Wl,-z,lazy -Wl,-rpath,"$PWD/target/release"

# The stock engine's library for the crossings, if PyPI's package is there (bench/stock.sh).
WASMTIME=$(bench/stock.sh) || WASMTIME=
export WASMTIME
cp bench/guests/crossings.wat $out
target/bench-host/rtwasm-bench "$PWD/target/release/librtwasm.so" $out $out/results.json ${ONLY:+--only "$ONLY"}
if [ -z "${ONLY:-}" ]; then
    echo
    $out/first_call $out
    echo
    # The cost of attaching at a call, and of checking at every call if traps would arrive.
    "${CC:-cc}" -std=gnu99 -D_GNU_SOURCE -O2 -Iinclude bench/prices.c -o $out/prices -Ltarget/release -lrtwasm -pthread \
        -Wl,-rpath,"$PWD/target/release"
    for profile in standalone plugin; do $out/prices $profile $out/calls-$profile.rtw; done
    echo
    python3 bench/compile.py target/tools/rtwasm $out/compile
fi
