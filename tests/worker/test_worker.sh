#!/bin/sh
# Workers beyond what tests/capi looks at: under load, watched by the observers of tests/proofs, and from languages that cannot be
# real-time themselves. Run by `make test`. WORKER_SUBMISSIONS: how many the stress test makes, 1000000 otherwise.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/worker
. ../lib.sh
use_uninstalled_library
build=$scratch/build
mkdir -p "$build"

for profile in standalone plugin; do
    for guest in calls host traps; do
        check "$guest.wat compiles for $profile" "$RTWASM" compile -q --profile $profile ../capi/guests/$guest.wat -o "$scratch/$guest.$profile.rtw"
    done
done

C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
awk '/^```c$/ { code = 1; next } /^```/ { code = 0; print "" } code' "$root/docs/workers.md" >"$scratch/document.h"
check "docs/workers.md shows code" test -s "$scratch/document.h"
for source in test_*.c; do
    check "$source with clang" $CLANG $C_FLAGS -I"$scratch" -fsyntax-only "$source"
done
check "test_document.c" $CC $C_FLAGS -I"$scratch" test_document.c $harness -o "$build/test_document" "$RTWASM_LIBDIR/librtwasm.so"
adopt "test_document" "$build/test_document" plugin "$scratch"
check "test_fork.c" $CC $C_FLAGS test_fork.c $harness -o "$build/test_fork" "$RTWASM_LIBDIR/librtwasm.so"
adopt "test_fork" "$build/test_fork" standalone "$scratch"
check "test_stress.c" $CC $C_FLAGS test_stress.c $harness -o "$build/test_stress" "$RTWASM_LIBDIR/librtwasm.so"
for profile in standalone plugin; do
    adopt "test_stress $profile" "$build/test_stress" $profile "$scratch"
done

# The observers look at registers and system calls of these.
if [ "$MACHINE" = x86_64 ] || [ "$MACHINE" = aarch64 ]; then
    check "the interposer" $CC -std=gnu99 -D_GNU_SOURCE -O2 -fno-builtin -shared -fPIC -Wl,-z,now -I$root/include ../proofs/interpose.c \
        -o "$scratch/lib/libinterpose.so"
    # Before the library, so that it serves it too.
    check "test_contract.c" $CC $C_FLAGS test_contract.c ../proofs/section.c $harness -o "$build/test_contract" \
        -L"$scratch/lib" -linterpose "$RTWASM_LIBDIR/librtwasm.so" -Wl,-z,now
    for profile in standalone plugin; do
        adopt "test_contract $profile" "$build/test_contract" $profile "$scratch"
    done
fi

if [ -n "$INSIDE" ]; then
    skip "Python and LuaJIT: the emulated machine has neither"
    finish
    exit
fi
library=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
adopt "Python" python3 test_queue.py "$library" "$scratch/calls.standalone.rtw"
# LuaJIT's FFI reads no preprocessor lines, no inline functions, no constants in array sizes and no attributes.
python3 ../header/cheader.py flat "$root/include/rtwasm.h" >"$scratch/flat.h"
sed -n 's/^#define \(RTW_[A-Z_0-9]*\) \([0-9]*\)$/s|\\[\1\\]|[\2]|/p' "$scratch/flat.h" >"$scratch/constants.sed"
sed -e '/^#/d' -e '/^static inline /,/^}/d' -e '/extern "C" {/d' -e '/^}  *\/\/ extern/d' -e 's/RTW_NONBLOCKING;/;/' -f "$scratch/constants.sed" \
    "$scratch/flat.h" >"$scratch/rtwasm.declarations"
adopt "LuaJIT" luajit test_queue.lua "$library" "$scratch/calls.standalone.rtw" "$scratch/rtwasm.declarations"
for profile in standalone plugin; do
    adopt "LuaJIT's coroutines $profile" luajit test_coroutines.lua "$library" "$scratch/traps.$profile.rtw" "$scratch/rtwasm.declarations" $profile
done
finish
