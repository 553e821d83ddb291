#!/bin/sh
# What a real host brings about around a call, state by state: kept, refused by name, or the process ends with one line that says
# why. docs/hosts.md is the list. Each case runs in a process of its own; a crash is a failure.
#   test_hosts.sh [GROUP ...]    only those groups, by their names below
# shellcheck disable=SC2086 # lists of words
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/hosts
. ../lib.sh
use_uninstalled_library
build=$scratch/build
mkdir -p "$build"
wanted=" $* "
in_group() { # in_group NAME: whether it is to run
    case "$wanted" in "  " | *" $1 "*) ;; *) return 1 ;; esac
}

C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
common="common.c ../capi/check.c ../capi/common.c"
for profile in standalone plugin; do
    for guest in guests/*.wat; do
        check "$guest compiles for $profile" "$RTWASM" compile -q --profile $profile "$guest" \
            -o "$scratch/$(basename "$guest" .wat).$profile.rtw"
    done
done
program() { # program NAME [MORE...]: builds NAME.c against the shared library
    name=$1
    shift
    check "$name.c" $CC $C_FLAGS "$name.c" $common -o "$build/$name" "$RTWASM_LIBDIR/librtwasm.so" "$@"
    check "$name.c with clang" $CLANG $C_FLAGS -fsyntax-only "$name.c"
}
both() { # both NAME: runs it in both profiles
    for profile in standalone plugin; do
        adopt "$1 $profile" "$build/$1" $profile "$scratch"
    done
}

# --- a second Rust library, a second engine, other allocators

if in_group beside; then
    RUSTC=${RUSTC:-rustc}
    archive=$RTWASM_LIBDIR/librtwasm.a
    static_libraries=$(sed -n 's/^Libs: [^ ]* //p' $root/packaging/rtwasm-static.pc.in)
    global_only() { # global_only ARCHIVE: every global symbol that it defines is the C API's
        nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^rtw_/ { print "also global: " $3; found = 1 } END { exit found }'
    }
    check "librtwasm.a: only rtw_ symbols are global" global_only "$archive"
    refuses "twin: as Rust makes it, others are" "also global: " global_only "$RTWASM_LIBDIR/deps/librtwasm.a"
    functions_of() { nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort; }
    all_there() {
        python3 ../header/cheader.py function $root/include/rtwasm.h | LC_ALL=C sort >"$scratch/declared" || return
        functions_of "$archive" >"$scratch/defined"
        diff -U 0 "$scratch/declared" "$scratch/defined"
    }
    check "librtwasm.a: and all of the header's are" all_there
    check "another Rust static library" "$RUSTC" --edition 2024 --crate-type staticlib -C opt-level=1 beside.rs -o "$scratch/libbeside.a"
    link_beside() { # link_beside OUT RTWASM: both in one program
        $CC $C_FLAGS beside.c $common -o "$1" "$2" "$scratch/libbeside.a" $static_libraries
    }
    check "beside.c links with both" link_beside "$build/beside" "$archive"
    refuses "twin: with the library as Rust makes it, it does not" "multiple definition" \
        link_beside "$build/beside-twin" "$RTWASM_LIBDIR/deps/librtwasm.a"
    for profile in standalone plugin; do
        check "a damaged artifact, $profile" python3 damage.py "$scratch/states.$profile.rtw" "$scratch/damaged.$profile.rtw"
    done
    both beside

    check "engines.c links with the static library" $CC $C_FLAGS engines.c $common -o "$build/engines" "$archive" $static_libraries
    LIBRARY=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
    export LIBRARY
    both engines

    # What the loader puts in front of the C library's.
    program life
    check "an allocator of a host's own" $CC -std=gnu11 -O1 -Wall -Wextra -Werror -fno-builtin -shared -fPIC allocator.c -o "$scratch/liballocator.so"
    find_library() { ldconfig -p | awk -v name="$1" '$1 ~ "^" name { print $NF; exit }'; }
    for allocator in "$(realpath "$scratch/liballocator.so")" "$(find_library libjemalloc.so)" "$(find_library libmimalloc.so)"; do
        check "there is an allocator: $(basename "$allocator")" test -e "$allocator"
        for profile in standalone plugin; do
            adopt "life $profile with $(basename "$allocator")" env LD_PRELOAD="$allocator" "$build/life" $profile "$scratch"
        done
    done
    serves() { # serves LIBRARY: it was asked by the program
        env ALLOCATOR_TELL=1 LD_PRELOAD="$1" "$build/life" plugin "$scratch" 2>&1 | grep -F 'allocator: served'
    }
    check "the host's own allocator did serve it" serves "$(realpath "$scratch/liballocator.so")"
fi

finish
