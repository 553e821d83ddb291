#!/bin/sh
# Tests the states that a real host puts a call in: kept, refused by name, or the process ends with one line that says
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
here_only() { # here_only GROUP WHAT: whether the group is to run; where programs run in the emulated machine, it cannot
    in_group "$1" || return
    [ -n "$INSIDE" ] || return 0
    skip "$2"
    return 1
}

C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
common="common.c $harness"
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

if here_only beside "a second Rust library, a second engine, other allocators: the emulated machine has no such libraries"; then
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

    # An allocator that the loader puts in front of the C library's.
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

# --- host functions that do not return

if in_group leave; then
    CXX_FLAGS="-std=c++17 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
    objects=
    for source in $common; do
        object=$build/$(echo "$source" | tr / .).o
        $CC $C_FLAGS -c "$source" -o "$object" || fail "$source compiles"
        objects="$objects $object"
    done
    check "leave.cpp" $CXX $CXX_FLAGS leave.cpp $objects -o "$build/leave" \
        "$RTWASM_LIBDIR/librtwasm.so"
    both leave
    check "callbacks.cpp" $CXX $CXX_FLAGS callbacks.cpp $objects -o "$build/callbacks" \
        "$RTWASM_LIBDIR/librtwasm.so"
    both callbacks
    check "placed.cpp" $CXX $CXX_FLAGS placed.cpp $objects -o "$build/placed" \
        "$RTWASM_LIBDIR/librtwasm.so"
    both placed
fi

# --- threads that are cancelled at any instruction

if in_group cancel; then
    # Functions with handlers can be unwound at their calls only. rtw_instance_memory_at has, see docs/hosts.md.
    no_handlers() { python3 handlers.py "$1" rtw_ | grep -v '^rtw_instance_memory_at: handlers$' | tee "$scratch/handlers" && [ "$(wc -l <"$scratch/handlers")" -eq 1 ]; }
    check "no function of the library's but one has handlers" no_handlers "$RTWASM_LIBDIR/librtwasm.so"
    echo 'void other(void (*f)(void)); extern "C" void rtw_planted(void (*f)(void)) { try { f(); } catch (int) {} }' >"$scratch/planted.cpp"
    check "a function with handlers" $CXX -O1 -shared -fPIC "$scratch/planted.cpp" -o "$scratch/libplanted.so"
    refuses "twin: such a function is found" "rtw_planted: handlers" no_handlers "$scratch/libplanted.so"
fi

# --- JACK, which cancels its clients' threads

if here_only jack "JACK: the emulated machine has none"; then
    program jack -ljack
    adopt "JACK" ./jack_storm.sh "$build/jack" "$scratch" 5
    refuses "twin: with RTW_CANCEL_IGNORE, closing a client breaks the call off" "clients closed in the middle" \
        env JACK_TWIN=1 ./jack_storm.sh "$build/jack" "$scratch" 2
fi
if [ "$wanted" = " storm " ]; then # 50 of each, whose counts are committed
    program jack -ljack
    exec ./jack_storm.sh "$build/jack" "$scratch" 50 "$(pwd)/jack-storm.txt"
fi

# --- the floating-point environment; registers; policies; rights and limits; forks; preempted calls

for group in float registers cancel policy rights fork groups preempted; do
    if in_group $group; then
        program $group
        both $group
    fi
done

if in_group preempted; then
    for profile in standalone plugin; do
        adopt "preempted, membarrier refused, $profile" env PREEMPTED=refused "$build/preempted" $profile "$scratch"
    done
fi

# --- system calls: counted, and refused; code that one CPU loads and another runs

call_names() { # the numbers of this machine's system calls, for C
    echo '#include <sys/syscall.h>' | $CC -E -dM - | sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/{__NR_\1, "\1"},/p' >"$scratch/call_names.h"
    test -s "$scratch/call_names.h"
}
runs_here() { # runs_here GROUP: whether the group is to run
    case $1 in
    refused) here_only refused "each system call refused in turn: an emulator takes half an hour for these some 300 processes" ;;
    *) in_group "$1" ;;
    esac
}
for group in counted refused publish; do
    if runs_here $group; then
        check "the names of system calls" call_names
        C_FLAGS="$C_FLAGS -I$scratch" common="$common tracer.c" program $group
        both $group
    fi
done

# --- debuggers, dumps, profilers

if here_only observed "debuggers, dumps, profilers: the emulated machine has neither gdb nor perf"; then
    program observed
    [ -x "$build/life" ] || program life
    for profile in standalone plugin; do
        adopt "profiler $profile" env OBSERVED=storm "$build/observed" $profile "$scratch"
    done

    dumped() { # dumped HOW: has gdb make a dump of a process with ten guests; where it is said, it goes on afterwards
        rm -f "$scratch"/dump.* "$scratch/go"
        mkfifo "$scratch/go" || return
        env OBSERVED="$1" "$build/observed" $profile "$scratch" <"$scratch/go" >"$scratch/observed.out" &
        observed=$!
        exec 9>"$scratch/go"
        while ! grep -q waiting "$scratch/observed.out" && kill -0 $observed; do sleep 0.05; done
        gcore -o "$scratch/dump" $observed >/dev/null 2>&1
        echo go >&9
        exec 9>&-
        wait $observed || { cat "$scratch/observed.out"; return 1; }
        stat -c '%s bytes' "$scratch/dump.$observed"
        mv "$scratch/dump.$observed" "$scratch/dump"
    }
    small() { # small HOW: its dump is small, although so much address space is reserved
        dumped "$1" || return
        size=$(stat -c %s "$scratch/dump")
        [ "$size" -lt 536870912 ] || { echo "the dump has $size bytes"; return 1; }
    }
    for profile in standalone plugin; do
        check "gcore, $profile: a dump holds no address space that is only reserved, and the process goes on" small wait
        check "gcore, $profile: it holds the guests' memory" grep -qa gan/in/the/guest "$scratch/dump"
        refuses "twin: address space that dumps hold is seen, $profile" "the dump has" small planted
        rm -f "$scratch/dump"
    done

    under_gdb() { # under_gdb PROFILE
        gdb -q -batch -nx -ex 'handle SIGSEGV SIGILL SIGFPE nostop noprint pass' -ex run --args "$build/life" $1 "$scratch" >"$scratch/gdb.log" 2>&1
        grep -E '^FAIL|SIG[A-Z]+,' "$scratch/gdb.log" && return 1
        grep -q 'exited normally' "$scratch/gdb.log" || { tail -n 5 "$scratch/gdb.log"; return 1; }
    }
    for profile in standalone plugin; do
        check "under gdb, $profile: guests run, trap and are cut off" under_gdb $profile
    done
    if perf record -q -e cpu-clock -o "$scratch/perf.data" true >/dev/null 2>&1; then
        for profile in standalone plugin; do
            adopt "under perf, $profile" perf record -q -F 5000 -e cpu-clock -g -o "$scratch/perf.data" "$build/life" $profile "$scratch"
        done
    else
        ok "perf is not permitted here"
    fi
fi

finish
