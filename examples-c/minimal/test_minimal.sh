#!/bin/sh
# The minimal example against a good artifact and several bad ones. Run by `make test`, which builds it.
# Environment: OUT (where the binary is), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/minimal}
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library

run() { # run ARGUMENT...: leaves status, $scratch/out and $scratch/err
    "$OUT/minimal" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}

check "the guest compiles" "$RTWASM" compile "$root/guests/built/minimal.wasm" -o "$scratch/minimal.rtw"
check "a guest without these exports compiles" "$RTWASM" compile "$root/guests/built/pid.wasm" -o "$scratch/other.rtw"

run "$scratch/minimal.rtw"
check "a good artifact: exit status 0" test $status -eq 0
check "the guest multiplied the samples" grep -qx "256 frames, the last one is 0.5" "$scratch/out"
check "the statistics count every call" grep -Eqx "1000 calls: p50 [0-9]+ ns, p99 [0-9]+ ns, max [0-9]+ ns" "$scratch/out"
check "nothing on standard error" test ! -s "$scratch/err"

run
check "no argument: exit status 2" test $status -eq 2
check "no argument: usage" grep -q "^usage: " "$scratch/err"

run "$scratch/missing.rtw"
check "a missing file: exit status 1" test $status -eq 1
check "a missing file: its status" grep -q "RTW_ERR_IO" "$scratch/err"
check "a missing file: its name" grep -q "missing.rtw" "$scratch/err"

run "$root/guests/built/minimal.wasm"
check "plain WebAssembly: exit status 1" test $status -eq 1
check "plain WebAssembly: its status" grep -q "RTW_ERR_PLAIN_WASM" "$scratch/err"

run "$scratch/other.rtw"
check "another guest: exit status 1" test $status -eq 1
check "another guest: its status" grep -q "RTW_ERR_NO_EXPORT" "$scratch/err"
check "another guest: the export that it lacks" grep -q "buffer" "$scratch/err"

head -c 100 "$scratch/minimal.rtw" >"$scratch/short.rtw"
run "$scratch/short.rtw"
check "a cut file: exit status 1" test $status -eq 1
check "a cut file: its status" grep -q "RTW_ERR_TRUNCATED" "$scratch/err"

check "the example stays under 60 lines" test "$(wc -l <minimal.c)" -lt 60

finish
