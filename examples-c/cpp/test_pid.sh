#!/bin/sh
# The C++ example against a good artifact and bad ones. Run by `make test`, which builds it.
# Environment: OUT (where the binary is), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/cpp}
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library

run() { # run ARGUMENT...: leaves status, $scratch/out and $scratch/err
    "$OUT/pid" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}

for profile in standalone plugin; do
    check "the guest compiles for $profile" "$RTWASM" compile -q --profile $profile "$root/guests/built/pid.wasm" -o "$scratch/pid.$profile.rtw"
    run "$scratch/pid.$profile.rtw"
    check "$profile: exit status 0" test $status -eq 0
    check "$profile: the motor has its speed" grep -Eq '^(99|100)\.[0-9]+ rad/s after [0-9]+ steps \(RTW_OK\)$' "$scratch/out"
    check "$profile: the worker's figures" grep -Eq '^wake-up p99 [0-9.]+ us, step p99 [0-9.]+ us, [0-9]+ misses$' "$scratch/out"
    check "$profile: nothing on standard error" test ! -s "$scratch/err"
done

run
check "no argument: exit status 2" test $status -eq 2
run "$scratch/missing.rtw"
check "a missing file: exit status 1" test $status -eq 1
check "a missing file: its status and name" grep -q "missing.rtw.*RTW_ERR_IO" "$scratch/err"
check "another guest compiles" "$RTWASM" compile -q "$root/guests/built/minimal.wasm" -o "$scratch/other.rtw"
run "$scratch/other.rtw"
check "another guest: exit status 1" test $status -eq 1
check "another guest: what it lacks" grep -q "init.*RTW_ERR_NO_EXPORT" "$scratch/err"

finish
