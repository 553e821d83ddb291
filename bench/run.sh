#!/bin/sh
# Compiles the benchmark's guests and runs it; the figures go to target/bench/results.json. Then the first call in fresh
# processes, prepared and not.
set -eu
cd "$(dirname "$0")/.."
out=target/bench
mkdir -p $out
for profile in standalone plugin; do
    for guest in bench/guests/calls.wat bench/guests/tail.wat; do
        target/tools/rtwasm compile --quiet --profile $profile $guest -o $out/"$(basename $guest .wat)"-$profile.rtw
    done
    target/tools/rtwasm compile --quiet --profile $profile tests/proofs/guests/work.wat -o $out/work.$profile.rtw
done
target/tools/rtwasm compile --quiet guests/built/pid.wasm -o $out/pid.rtw
"${CC:-cc}" -std=gnu99 -D_GNU_SOURCE -O2 -Iinclude bench/workers.c examples-c/control-loop/native_pid.c -o $out/workers \
    -Ltarget/release -lrtwasm -pthread -Wl,-rpath,"$PWD/target/release"
"${CC:-cc}" -std=gnu99 -O2 -Iinclude tests/proofs/first_call.c tests/proofs/guest.c tests/proofs/harness.c -o $out/first_call \
    -Ltarget/release -lrtwasm -pthread -Wl,-rpath,"$PWD/target/release"

target/bench-host/rtwasm-bench "$PWD/target/release/librtwasm.so" $out $out/results.json
echo
$out/first_call $out
