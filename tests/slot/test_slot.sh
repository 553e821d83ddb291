#!/bin/sh
# Slots: what they refuse, instances exchanged while a real-time thread runs, and going on after faults. Run by `make test`.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CLANG; SLOT_SWAPS, SLOT_PUBLICATIONS for more than
# the usual (see swaps.c, leaks.c).
#   tests/slot/test_slot.sh [PROGRAM ...]    only these of errors, going, state, swaps and leaks
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/slot
. ../lib.sh
use_uninstalled_library
build=$scratch/build
artifacts=$scratch/artifacts
mkdir -p "$build" "$artifacts"
wanted=" ${*:-errors going state swaps leaks} "

# ---- programs and artifacts ----
# No fused multiply and add: the samples are to be the guest's to the last bit.
C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -ffp-contract=off -I$root/include -pthread"
objects=$build/slot.o
for source in $harness; do objects="$objects $build/$(basename $source .c).o"; done
for source in $harness slot.c errors.c going.c state.c swaps.c leaks.c; do
    $CC $C_FLAGS -c $source -o "$build/$(basename $source .c).o" || fail "$source compiles"
    check "$(basename $source) with clang" $CLANG $C_FLAGS -fsyntax-only $source
done
# The observers of the real-time thread, as in the proofs.
$CC -std=gnu99 -D_GNU_SOURCE -O2 -fno-builtin -shared -fPIC -Wl,-z,now -I$root/include ../proofs/interpose.c -o "$scratch/lib/libinterpose.so" || fail "interpose.c compiles"
$CC -std=gnu99 -D_GNU_SOURCE -O2 -I$root/include -c ../proofs/section.c -o "$build/section.o" || fail "section.c compiles"
for program in errors going state leaks; do
    $CC -pthread "$build/$program.o" $objects -o "$build/$program" "$RTWASM_LIBDIR/librtwasm.so" || fail "$program links"
done
$CC -pthread -Wl,-z,now "$build/swaps.o" "$build/section.o" $objects -L"$scratch/lib" -linterpose -o "$build/swaps" "$RTWASM_LIBDIR/librtwasm.so" || fail "swaps links"

for version in 1 2; do
    sed "s/VERSION/$version/g" guests/voice.wat >"$scratch/voice$version.wat"
done
for profile in standalone plugin; do
    for guest in "$scratch"/voice?.wat guests/state.wat guests/grown.wat guests/plain.wat guests/mistyped.wat guests/spare_fails.wat; do
        "$RTWASM" compile -q --profile $profile "$guest" -o "$artifacts/$(basename "$guest" .wat).$profile.rtw" || fail "$guest for $profile"
    done
done
[ "$failed" -eq 0 ] || { finish; exit 1; }

for profile in standalone plugin; do
    for program in errors going state swaps leaks; do
        case "$wanted" in *" $program "*) ;; *) continue ;; esac
        adopt "$program $profile" "$build/$program" $profile "$artifacts"
    done
done
finish
