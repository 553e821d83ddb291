#!/bin/sh
# The shared buffer with guests of two languages in both profiles, and what is refused. Run by `make test`, which builds it.
# Environment: OUT (where the binary is), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/shared-buffer}
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library

run() { # run ARGUMENT...: leaves status, $scratch/out and $scratch/err
    "$OUT/shared_buffer" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}

for profile in standalone plugin; do
    for guest in "$root/guests/built/shared.wasm" guest_rust.wasm; do
        name=$(basename "$guest" .wasm)
        check "$name compiles for $profile" "$RTWASM" compile -q --profile $profile "$guest" -o "$scratch/$name.$profile.rtw"
        run "$scratch/$name.$profile.rtw"
        check "$name, $profile: exit status 0" test $status -eq 0
        check "$name, $profile: both processes and the guest have seen each other's samples" grep -q "^1000 blocks of 256 samples" "$scratch/out"
        check "$name, $profile: nothing on standard error" test ! -s "$scratch/err"
    done
done

# ---- twin: a guest that leaves the samples alone is noticed by the other process ----
cat >"$scratch/idle.wat" <<'END'
(module
  (memory (export "memory") 2)
  (func (export "buffer") (result i32) (i32.const 65536))
  (func (export "buffer_bytes") (result i32) (i32.const 65536))
  (func (export "scale") (param i32 i32 f32)))
END
check "a guest that does nothing compiles" "$RTWASM" compile -q "$scratch/idle.wat" -o "$scratch/idle.rtw"
run "$scratch/idle.rtw"
check "a guest that does nothing: exit status 1" test $status -eq 1
check "a guest that does nothing: the other process notices" grep -q "the other process" "$scratch/err"
run
check "no argument: exit status 2" test $status -eq 2
check "another guest compiles" "$RTWASM" compile -q "$root/guests/built/pid.wasm" -o "$scratch/other.rtw"
run "$scratch/other.rtw"
check "another guest: its status" grep -q "RTW_ERR_NO_EXPORT" "$scratch/err"
finish
