#!/bin/sh
# Time budgets: guests that never end are cut off, late verdicts touch nothing, and nothing of the guard is to be seen. Run by
# `make test`; `make soak` runs the soak alone, for the given time.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CLANG, and BUDGET_CUTOFFS, BUDGET_STALE,
# SOAK_MINUTES for more than the usual (see cutoff.c, stale.c, soak.c).
#   tests/budget/test_budget.sh [PROGRAM ...]    only these of cutoff, stale, long, soak and same
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/budget
. ../lib.sh
use_uninstalled_library
build=$scratch/build
artifacts=$scratch/artifacts
mkdir -p "$build" "$artifacts"
wanted=" ${*:-cutoff stale long soak same} "
is_wanted() { case "$wanted" in *" $1 "*) ;; *) return 1 ;; esac }

# ---- programs and artifacts ----
C_FLAGS="-std=c11 -D_GNU_SOURCE $C_WARNINGS -O2 -g -I$root/include -pthread"
objects=
for source in $harness; do objects="$objects $build/$(basename $source .c).o"; done
for source in $harness budget.c cutoff.c stale.c long.c soak.c outline.c; do
    $CC $C_FLAGS -c $source -o "$build/$(basename $source .c).o" || fail "$source compiles"
    check "$(basename $source) with clang" $CLANG $C_FLAGS -fsyntax-only $source
done
for program in cutoff stale long soak; do
    $CC -pthread "$build/$program.o" "$build/budget.o" $objects -o "$build/$program" "$RTWASM_LIBDIR/librtwasm.so" || fail "$program links"
done
$CC -pthread "$build/outline.o" $objects -o "$build/outline" "$RTWASM_LIBDIR/librtwasm.so" || fail "outline links"

compile() { # compile MODULE PROFILE BUDGET OUTPUT
    "$RTWASM" compile -q --profile "$2" --budget "$3" "$1" -o "$4"
}
for guest in long spin; do
    python3 rows.py guests/$guest.wat >"$scratch/$guest.wat" || fail "$guest.wat is written out"
done
for profile in standalone plugin; do
    compile "$scratch/long.wat" $profile guard "$artifacts/long.$profile.rtw" || fail "long.wat for $profile"
    compile "$scratch/spin.wat" $profile guard "$artifacts/spin.$profile.rtw" || fail "spin.wat for $profile"
    compile "$scratch/spin.wat" $profile off "$artifacts/spin.off.$profile.rtw" || fail "spin.wat for $profile, without guard"
done
[ "$failed" -eq 0 ] || { finish; exit 1; }

# ---- cut-offs, late verdicts, faults for a long time ----
run() { # run PROGRAM PROFILE [ARGUMENT]: what it says of times is for readers
    adopt "$*" "$build/$1" "$2" "$artifacts" $3
}
for profile in standalone plugin; do
    is_wanted cutoff && run cutoff $profile
    is_wanted stale && run stale $profile
    is_wanted long && run long $profile
done
if is_wanted soak && [ -n "$SOAK_MINUTES" ]; then
    # Both profiles side by side.
    for profile in standalone plugin; do
        { "$build/soak" $profile "$artifacts" >"$scratch/soak.$profile" 2>&1; echo $? >"$scratch/soak.$profile.status"; } &
    done
    wait
    for profile in standalone plugin; do
        adopt "soak $profile" sh -c 'cat "$1"; exit $(cat "$1.status")' sh "$scratch/soak.$profile"
    done
elif is_wanted soak; then
    for profile in standalone plugin; do
        run soak $profile
        for leak in memory threads descriptors; do run soak $profile $leak; done
    done
fi

# ---- guarded or not, a module is the same ----
outline() { # outline MODULE PROFILE BUDGET: into NAME.PROFILE.BUDGET.txt
    name=$(basename "${1%.*}").$2.$3
    compile "$1" "$2" "$3" "$artifacts/$name.rtw" && "$build/outline" "$2" "$artifacts/$name.rtw" >"$scratch/$name.txt"
}
same() { # same MODULE PROFILE
    both=$(basename "${1%.*}").$2
    outline "$1" "$2" off && outline "$1" "$2" guard && diff "$scratch/$both.off.txt" "$scratch/$both.guard.txt" &&
        grep -q "^instance: " "$scratch/$both.guard.txt"
}
inspected() { # inspected MODULE PROFILE BUDGET: without what is about the code's size, its digest, how it is cut off, and
# what an instance holds, the guard's memory included
    "$RTWASM" inspect "$artifacts/$(basename "${1%.*}").$2.$3.rtw" | grep -Eiv '^ *(artifact|file|code|digest|budget|interruption|address space|needs)' |
        sed "s/\.$3\.rtw//"
}
looks_same() { # looks_same MODULE PROFILE
    inspected "$1" "$2" off >"$scratch/off.inspect" && inspected "$1" "$2" guard >"$scratch/guard.inspect" &&
        [ -s "$scratch/off.inspect" ] && diff "$scratch/off.inspect" "$scratch/guard.inspect"
}
if is_wanted same; then
    for profile in standalone plugin; do
        for module in guests/many.wat "$root"/guests/built/*.wasm ../capi/guests/*.wat ../proofs/guests/*.wat; do
            # A module that cannot be instantiated has nothing to compare.
            case $module in */import_*) continue ;; esac
            check "$(basename "$module") for $profile does the same with and without the guard" same "$module" $profile
            check "$(basename "$module") for $profile looks the same" looks_same "$module" $profile
        done
    done
    # The comparison sees a difference.
    sed 's/i32.const 100)/i32.const 101)/' guests/many.wat >"$scratch/other.wat"
    outline "$scratch/other.wat" standalone guard
    refuses "another module does something else" "fill_all" diff "$scratch/many.standalone.off.txt" "$scratch/other.standalone.guard.txt"
    sed 's/(export "count")/(export "counts")/' guests/many.wat >"$scratch/renamed.wat"
    outline "$scratch/renamed.wat" standalone guard
    refuses "another interface is seen" '"counts"' diff "$scratch/many.standalone.off.txt" "$scratch/renamed.standalone.guard.txt"
fi
finish
