#!/bin/sh
# Tests a system without memory, and failing system calls: the n-th allocation fails, for every n, once or from
# then on, over the life of a host; then its system calls, one by one, with the errors that they can give. Run by `make test`.
# Ends with a table of what was seen, in which nothing may have ended the process, hung, printed or leaked.
# Environment: RTWASM, RTWASM_LIBDIR, CC, CLANG.
#   tests/exhausted/test_exhausted.sh              some positions of every row, the same ones each time
#   tests/exhausted/test_exhausted.sh whole [N]    every position, but where there are tens of thousands, or one of N as many; what
#                                                  was seen goes to result.txt (`make exhausted`)
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/exhausted
. ../lib.sh
use_uninstalled_library
whole=
[ "$1" = whole ] && whole=${2:-1}
# Hundreds of lives follow each other in one process then: handles have to be reused from the start.
[ -z "$whole" ] || export ALLOCATIONS_WARM_UP=330
every() { # every STEP [WHOLE]: of so many positions one is tried
    if [ -n "$whole" ]; then echo $((${2:-1} * whole)); else echo "$1"; fi
}
# A line of its own a process that ends is enough.
RUST_BACKTRACE=0
export RUST_BACKTRACE

compiler=$(dirname "$RTWASM")/librtwasm_compiler.so
# Found by the name that it was linked with.
ln -s "$(realpath "$compiler")" "$scratch/lib/$(readelf -d "$compiler" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"

own_harness="$support/check.c $support/child.c $support/start.c"
# C11, for atomic words that the interposer shares with the program.
C_FLAGS="-std=gnu11 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
$CC $C_FLAGS -fno-builtin -shared -fPIC exhaust.c -o "$scratch/lib/libexhaust.so" || fail "exhaust.c compiles"
for program in allocations calls; do
    $CC $C_FLAGS $program.c life.c $own_harness -o "$scratch/$program" -L"$scratch/lib" -lexhaust "$RTWASM_LIBDIR/librtwasm.so" \
        "$compiler" -Wl,-z,now || fail "$program.c compiles"
    check "$program.c with clang" $CLANG $C_FLAGS -fsyntax-only $program.c life.c exhaust.c
done
awk -f large.awk >"$scratch/large.wat"
for profile in standalone plugin; do
    "$RTWASM" compile -q --profile $profile guests/life.wat -o "$scratch/life.$profile.rtw" || fail "life.wat for $profile"
    "$RTWASM" compile -q --profile $profile "$scratch/large.wat" -o "$scratch/large.$profile.rtw" || fail "large.wat for $profile"
done
[ "$failed" -eq 0 ] || { finish; exit 1; }

# ---- what has to be found, planted: a check that finds nothing there finds nothing anywhere
finds() { # finds WHAT CHECK PROGRAM ARGUMENTS...: that check fails, and no other but those that need all positions
    what=$1
    wanted=$2
    shift 2
    "$@" >"$scratch/planted" 2>&1
    if grep -q "^FAIL .*: $wanted" "$scratch/planted" && ! grep '^FAIL ' "$scratch/planted" | grep -qv ": $wanted"; then
        ok "$what is found"
    else
        fail "$what is found"
        sed 's/^/    /' "$scratch/planted"
    fi
}
planted() { # planted WHAT CHECK LIVES: one in the seventh life
    finds "a planted $1" "$2" env ALLOCATIONS_PLANT="$1" "$scratch/allocations" plugin "$scratch" "$3" once 6 8
}
planted abort 'nothing ends the process' first
planted hang 'nothing hangs' first
planted print 'nothing is printed' first
planted leak 'nothing leaks' later
planted_call() { # planted_call WHAT CHECK: one with each error of the kind
    finds "a planted $1 where system calls fail" "$2" \
        env CALLS_STEP=2 CALLS_TO=4 CALLS_PLANT="$1" "$scratch/calls" standalone "$scratch" host sigaltstack
}
planted_call abort 'nothing ends the process'
planted_call hang 'nothing hangs'
planted_call print 'nothing is printed'

# ---- the rows; programs run side by side, so each writes to files, and is adopted when it has ended
to_file() { # to_file FILE COMMAND...: runs a test program
    file=$1
    shift
    "$TEST_PYTHON" "$guard" run --limit "${PROGRAM_HANG_SECONDS:-1800}" --log "$file" --errors "$file.err" -- "$@" >"$file.guard"
}
adopt_file() { # adopt_file NAME FILE: what it said becomes ours, but the rows
    adopt "$1" cat "$2" >"$scratch/adopted"
    grep -v '^row\|^listed\|^call' "$scratch/adopted"
    cat "$2.err" "$2.guard"
}
run() { # run PROFILE LIVES MODE STEP [STEP WHERE ALL ARE TRIED]
    to_file "$scratch/$1.$2.$3" "$scratch/allocations" "$1" "$scratch" "$2" "$3" 0 18446744073709551614 "$(every "$4" "$5")"
}
for profile in standalone plugin; do
    (
        for mode in once on; do
            run $profile first $mode 30
            run $profile later $mode 130
            run $profile large $mode 1500 50
            run $profile doctor $mode 40
            run $profile compile $mode 200 5
        done
    ) &
done
wait
rows=$scratch/rows
: >"$rows"
for profile in standalone plugin; do
    for lives in first later large doctor compile; do
        for mode in once on; do
            file=$scratch/$profile.$lives.$mode
            adopt_file "allocations $profile" "$file"
            grep '^row' "$file" >>"$rows"
        done
    done
done
{
    echo 'Allocations that fail: once, and all from one on'
    echo
    echo 'profile     lives   fails  positions  one of  NO_MEMORY  went well  other  wrong  aborts  hangs  printed  leaks'
    awk -F'\t' '{ printf "%-11s %-7s %-5s %10d %7d %10d %10d %6d %6d %7d %6d %8d %6d\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 }' "$rows"
} >"$scratch/table"
echo
cat "$scratch/table"
echo

# ---- system calls that fail, each in a life of its own; the kernel asks the program which
for profile in standalone plugin; do
    to_file "$scratch/calls.$profile" env CALLS_STEP="$(every 7)" "$scratch/calls" $profile "$scratch" host &
done
to_file "$scratch/calls.compiler" env CALLS_STEP="$(every 2)" \
    "$scratch/calls" standalone "$scratch" compiler mmap mprotect munmap madvise clone open read futex &
wait
for whose in standalone plugin compiler; do
    adopt_file "calls $whose" "$scratch/calls.$whose"
done
{
    echo
    echo "System calls that fail, one at a time; of $(every 7) positions one is tried"
    echo
    echo 'profile     call         error    positions  told  went well  wrong  aborts  hangs  printed'
    awk -F'\t' '$1 == "call" { printf "%-11s %-12s %-8s %9d %5d %10d %6d %7d %6d %8d\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 }' "$scratch/calls.compiler" "$scratch/calls.plugin" "$scratch/calls.standalone"
} >>"$scratch/table"
sed -n '/^System calls/,$p' "$scratch/table"
echo
[ -z "$whole" ] || cp "$scratch/table" result.txt

# ---- what ends the process all the same, and is not ours: listed with its size
for file in "$scratch"/*.first.once "$scratch"/*.first.on; do grep '^listed' "$file"; done | sort -u >"$scratch/listed"
while read -r _ function bytes; do
    if grep -q "^| \`$function\`.*| $bytes |" $root/docs/hosts.md; then
        ok "docs/hosts.md lists $function with $bytes bytes"
    else
        fail "docs/hosts.md lists $function with $bytes bytes"
    fi
done <"$scratch/listed"
finish
