#!/bin/sh
# The live client against jackd's dummy driver. Run by `make test`, which builds it. JACK_NAME: of the servers.
# Environment: OUT (where the binaries are), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/jack}
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library
for guest in eq reverb compressor; do
    check "$guest compiles" "$RTWASM" compile -q "$root/guests/built/$guest.wasm" -o "$scratch/$guest.rtw" --profile plugin
done
check "the effect that fails compiles" "$RTWASM" compile -q test_faulty.wat -o "$scratch/faulty.rtw" --profile plugin
check "the effect that is late compiles" "$RTWASM" compile -q test_busy.wat -o "$scratch/busy.rtw" --profile plugin
adopt jack "$TEST_PYTHON" test_jack.py "$OUT" "$scratch"
finish
