#!/bin/sh
# Proves the real-time contract (docs/real-time-contract.md) on this machine, for both profiles, and ends with a table, promise by
# promise, and the line `N passed, N failed`.
#   PROOF_CALLS   calls of each kind that succeeds, 10000000 otherwise
#   PROOF_FAULTS  faults, 100000 otherwise
#   PROOF_ONLY    only these programs, such as "promises faults"
#   CLANG_RTSAN   a clang with RealtimeSanitizer, clang-22 otherwise; without one that proof is left out, which the run says
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd) || exit 1
here=$root/tests/proofs
scratch=$root/target/proofs
. ../lib.sh
out=$scratch
library=$RTWASM_LIBDIR/librtwasm.so
profiles="standalone plugin"

stop() { # stop WHY: the proofs cannot be made
    fail "$*"
    finish
    exit 1
}

[ -x "$RTWASM" ] || stop "$RTWASM is not there: make command"
[ -f "$library" ] || stop "$library is not there: make lib"

# ---- build

flags="-std=gnu99 -D_GNU_SOURCE -O2 -g $C_WARNINGS -I$root/include"
build() { # build OUTPUT ARGUMENTS...
    output=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    $CC $flags "$@" -o "$output" || stop "cannot build $output"
}

mkdir -p "$out/lib" "$out/core"
# Copies of their own: pages that other processes map as well are not reclaimed.
soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
[ -n "$soname" ] || stop "$library has no SONAME"
cp "$library" "$out/lib/$soname" && cp "$library" "$out/lib/second-copy.so" || stop "cannot copy $library"
sync "$out/lib/$soname"

build "$out/libinterpose.so" -fno-builtin -shared -fPIC -Wl,-z,now "$here/interpose.c"
linked="-L$out -linterpose $out/lib/$soname -Wl,-rpath,\$ORIGIN:\$ORIGIN/lib -Wl,-z,now -pthread"
for program in promises prepared locked faults manners first_call; do
    extra=
    [ $program = promises ] && extra=$(echo "$here"/promises/*.c)
    [ $program = faults ] && extra=$here/place.c
    [ $program = first_call ] && extra=-Wl,-z,lazy
    # shellcheck disable=SC2086
    build "$out/$program" "$here/$program.c" "$here/section.c" "$here/proof.c" $harness $linked $extra
done
# This one is not linked to the library.
build "$out/copies" "$here/copies.c" "$here/proof.c" "$support/check.c" "$support/child.c" "$support/start.c" -ldl

# shellcheck disable=SC2086 # a list of words
$INSIDE "$out/faults" standalone "$out" emit || stop "cannot write place.wasm"
"$here/guests/large.sh" >"$out/large.wat" || stop "cannot write large.wat"
cp "$here"/guests/*.wat "$here/../../guests/built/drive.wasm" "$here/../../guests/built/tone.wasm" "$out/"
for profile in $profiles; do
    for guest in work.wat back.wat cold.wat anew.wat locked.wat quiet.wat large.wat place.wasm drive.wasm tone.wasm; do
        "$RTWASM" compile --quiet --profile "$profile" "$out/$guest" -o "$out/${guest%.*}.$profile.rtw" || stop "cannot compile $guest"
    done
done

# ---- run

rows=$out/rows
: >"$rows"

prove() { # prove PROGRAM PROFILE [ARGUMENTS...]: its checks and its rows are added
    program=$1
    profile=$2
    shift 2
    case " ${PROOF_ONLY:-$program} " in *" $program "*) ;; *) return ;; esac
    started=$(date +%s)
    mode=$program
    case "${1:-}" in "" | /*) ;; *) mode="$program $1" ;; esac
    PROGRAM_HANG_SECONDS=${PROGRAM_HANG_SECONDS:-1800} adopt "$mode $profile" "$out/$program" "$profile" "$out" "$@" >"$out/adopted"
    grep -v '^row\|^measured' "$out/adopted"
    grep '^row\|^measured' "$out/adopt.out" >>"$rows"
    echo "$mode, $profile: $(grep -c '^row' "$out/adopt.out") rows, $(($(date +%s) - started)) s"
}

tell() { # tell PROMISE HOW CALLS PROFILE KEPT CAUGHT: a check of this script, with its row; the last two are empty where they failed
    if [ -z "$5" ]; then
        fail "$4: $1 ($2)"
    elif [ -z "$6" ]; then
        fail "$4: $1 ($2) [the planted violation was not caught]"
    else
        ok "$4: $1 ($2)"
    fi
    printf 'row\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5:-BROKEN}" "${6:-no}" >>"$rows"
}

stack_of_crash() { # stack_of_crash PROFILE MODE: the stack that the core dump of a crash shows
    rm -f "$out"/core/core*
    (cd "$out/core" && ulimit -c unlimited && exec "$out/manners" "$1" "$out" "$2") >/dev/null 2>&1
    for core in "$out"/core/core*; do
        [ -f "$core" ] && gdb -batch -nx -ex bt "$out/manners" "$core" 2>/dev/null
    done
    rm -f "$out"/core/core*
}

shows_host() { # shows_host STACK: whether the stack has the crash and what led to it
    echo "$1" | grep -q 'host_crashes_here' && echo "$1" | grep -q 'host_work_that_crashes' && echo "$1" | grep -q ' main '
}

core_dumps() { # core_dumps PROFILE
    [ -z "$INSIDE" ] || return # there is no gdb in it
    case " ${PROOF_ONLY:-manners} " in *" manners "*) ;; *) return ;; esac
    promise="a host crash shows the host's stack"
    case $(cat /proc/sys/kernel/core_pattern) in
    "|"* | /*)
        printf 'measured\t%s: no proof that %s: core dumps go elsewhere (kernel.core_pattern)\n' "$1" "$promise" >>"$rows"
        return
        ;;
    esac
    command -v gdb >/dev/null || {
        fail "$promise, $1: gdb is not there"
        return
    }
    # The shell reports the crashes that are wanted here.
    stack=$(stack_of_crash "$1" crash 2>/dev/null)
    other=$(stack_of_crash "$1" crash-early 2>/dev/null)
    held=
    shows_host "$stack" && held=kept
    caught=
    echo "$other" | grep -q abort && ! shows_host "$other" && caught=yes
    tell "$promise" "core dump after a trap, gdb" 1 "$1" "$held" "$caught"
    [ -n "$held" ] || echo "$stack" | grep '^#' | head -3 | sed 's/^/    /'
}

# RealtimeSanitizer came with clang 20.
rtsan_compiler=${CLANG_RTSAN:-clang-22}
if [ -n "$INSIDE" ]; then
    echo "skipped: RealtimeSanitizer: the emulated machine has no compiler"
    echo "skipped: a host crash shows the host's stack: the emulated machine has no gdb"
elif command -v "$rtsan_compiler" >/dev/null; then
    # shellcheck disable=SC2086
    $rtsan_compiler $flags -fsanitize=realtime "$here/rtsan.c" "$here/proof.c" $harness "$out/lib/$soname" -pthread \
        '-Wl,-rpath,$ORIGIN/lib' -o "$out/rtsan" || stop "cannot build rtsan"
else
    printf 'measured\tno RealtimeSanitizer: %s is not there\n' "$rtsan_compiler" >>"$rows"
fi

rtsan() { # rtsan PROFILE
    case " ${PROOF_ONLY:-rtsan} " in *" rtsan "*) ;; *) return ;; esac
    [ -x "$out/rtsan" ] || return
    started=$(date +%s)
    before=$failed
    adopt "rtsan $1" "$out/rtsan" "$1" "$out"
    held=
    [ "$failed" -ne "$before" ] || held=kept
    caught=
    PROOF_CALLS=100 PROOF_FAULTS=100 "$out/rtsan" "$1" "$out" violate 2>&1 | grep -q 'real-time unsafe function .malloc. in real-time context' && caught=yes
    # Calls that called the host, each of which called the guest; then the faults.
    tell "neither allocates nor blocks" "RealtimeSanitizer, good and failing calls" \
        $((${PROOF_CALLS:-10000000} + ${PROOF_FAULTS:-100000})) "$1" "$held" "$caught"
    echo "rtsan, $1: 1 rows, $(($(date +%s) - started)) s"
}

for profile in $profiles; do
    prove promises "$profile"
    prove promises "$profile" pressed
    prove promises "$profile" beside
    prove prepared "$profile"
    prove locked "$profile"
    prove faults "$profile"
    prove manners "$profile"
    core_dumps "$profile"
    rtsan "$profile"
    prove copies "$profile" "$out/lib/$soname" "$out/lib/second-copy.so"
done

# ---- the table

awk -F '\t' '
    $1 == "measured" { measured[++notes] = $2; next }
    {
        rows++
        for (i = 2; i <= 7; i++) {
            cell[rows, i] = $i
            if (length($i) > width[i]) width[i] = length($i)
        }
    }
    function line(promise, how, calls, profile, result, planted) {
        printf "%-" width[2] "s  %-" width[3] "s  %" width[4] "s  %-10s  %-6s  %s\n", promise, how, calls, profile, result, planted
    }
    END {
        print ""
        if (width[4] < 5) width[4] = 5
        line("promise", "shown by", "calls", "profile", "result", "planted violation caught")
        for (r = 1; r <= rows; r++)
            line(cell[r, 2], cell[r, 3], cell[r, 4], cell[r, 5], cell[r, 6], cell[r, 7])
        print ""
        for (n = 1; n <= notes; n++) print "measured: " measured[n]
    }' "$rows"
finish
