#!/bin/sh
# The kernels of guests/include/rtw_dsp.h: the header alone in C and C++, all small sizes natively, and the kernels of guests/dsp in both
# profiles against the same source natively, bit by bit. Run by `make test`; times are for `make kernels`.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CXX, CLANG, CLANGXX.
cd "$(dirname "$0")" || exit 1
root=$(realpath ../..)
scratch=$root/target/tests/dsp
. ../lib.sh
use_uninstalled_library
exact=-ffp-contract=off # else compilers may fuse multiplications with additions

# ---- the header ----
echo '#include "rtw_dsp.h"' >"$scratch/alone.c"
cp "$scratch/alone.c" "$scratch/alone.cpp"
alone() { # alone FILE STANDARD COMPILER
    for plain in "" -DRTWD_PLAIN; do
        # shellcheck disable=SC2086 # lists of words
        check "$3 -std=$2 $plain" $3 -std=$2 $C_WARNINGS $plain -I$root/guests/include -c "$scratch/$1" -o "$scratch/alone.o"
    done
}
for compiler in "$CC" "$CLANG"; do
    for standard in c99 c11 c17; do alone alone.c $standard "$compiler"; done
done
for compiler in "$CXX" "$CLANGXX"; do
    for standard in c++11 c++17 c++20; do alone alone.cpp $standard "$compiler"; done
done

# ---- all sizes ----
sizes() { # sizes WHAT COMPILER OPTION...
    what=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    check "$what: compiles" "$@" -std=gnu99 -D_GNU_SOURCE $C_WARNINGS $exact -I$root/include sizes.c $harness \
        "$RTWASM_LIBDIR/librtwasm.so" -o "$scratch/sizes" -lm -pthread
    adopt "$what" "$scratch/sizes"
}
sizes "$CC" $CC -O2
sizes "$CLANG, with sanitizers" $CLANG -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
sizes "$CC, without vectors" $CC -O2 -DRTWD_PLAIN

# ---- guests ----
for profile in standalone plugin; do
    check "the kernels compile for $profile" \
        "$RTWASM" compile -q --profile $profile "$root/guests/built/dsp.wasm" -o "$scratch/$profile.rtw"
done
kernels() { # kernels NAME OPTION...: builds a program with the kernels compiled natively
    name=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    check "the host compiles: $*" $CC -std=gnu99 -D_GNU_SOURCE $C_WARNINGS $exact "$@" -I$root/include "$root/bench/dsp/host.c" \
        "$root/guests/dsp/dsp.c" $harness -o "$scratch/$name" "$RTWASM_LIBDIR/librtwasm.so" -lm -ldl -pthread
}
kernels host -O2
kernels plain -O2 -DRTWD_PLAIN
for profile in standalone plugin; do
    adopt "$profile" "$scratch/host" check $profile "$scratch/$profile.rtw"
done
adopt "standalone, beside code without vectors" "$scratch/plain" check standalone "$scratch/standalone.rtw"
PLANTED=1 "$scratch/host" check standalone "$scratch/standalone.rtw" >"$scratch/planted.log"
planted=$(grep -c '^FAIL .* native bits' "$scratch/planted.log")
forms=$(grep -c 'native bits' "$scratch/planted.log")
check "twin: one changed sample is found in each of the $forms forms" test "$planted" -eq "$forms" -a "$forms" -gt 10
finish
