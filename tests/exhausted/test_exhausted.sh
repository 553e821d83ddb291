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
every() { # every STEP [WHOLE]: of so many positions one is tried
    if [ -n "$whole" ]; then echo $((${2:-1} * whole)); else echo "$1"; fi
}
# A line of its own a process that ends is enough.
RUST_BACKTRACE=0
export RUST_BACKTRACE

compiler=$(dirname "$RTWASM")/librtwasm_compiler.so
# Found by the name that it was linked with.
ln -s "$(realpath "$compiler")" "$scratch/lib/$(readelf -d "$compiler" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"

# C11, for atomic words that the interposer shares with the program.
C_FLAGS="-std=gnu11 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread"
$CC $C_FLAGS -fno-builtin -shared -fPIC exhaust.c -o "$scratch/lib/libexhaust.so" || fail "exhaust.c compiles"
for program in allocations calls; do
    $CC $C_FLAGS $program.c life.c -o "$scratch/$program" -L"$scratch/lib" -lexhaust "$RTWASM_LIBDIR/librtwasm.so" \
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
planted() { # planted WHAT COLUMN LIVES: one in the seventh life is in that column of the row
    ALLOCATIONS_PLANT=$1 "$scratch/allocations" plugin "$scratch" "$3" once 6 8 >"$scratch/planted" 2>&1
    if [ "$(awk -F'\t' -v c="$2" '$1 == "row" { print $c }' "$scratch/planted")" = 1 ]; then
        ok "a planted $1 is found"
    else
        fail "a planted $1 is found"
        sed 's/^/    /' "$scratch/planted"
    fi
}
planted abort 10 first
planted hang 11 first
planted print 12 first
planted leak 13 later
planted_call() { # planted_call WHAT COLUMN: one with each error of the kind is in that column
    CALLS_STEP=2 CALLS_TO=4 CALLS_PLANT=$1 "$scratch/calls" standalone "$scratch" sigaltstack >"$scratch/planted" 2>&1
    if [ "$(awk -F'\t' -v c="$2" '$1 == "call" { print $c }' "$scratch/planted" | tr '\n' ' ')" = "1 1 " ]; then
        ok "a planted $1 where system calls fail is found"
    else
        fail "a planted $1 where system calls fail is found"
        sed 's/^/    /' "$scratch/planted"
    fi
}
planted_call abort 9
planted_call hang 10
planted_call print 11

# ---- the rows
rows=$scratch/rows
run() { # run PROFILE ROW MODE STEP [STEP WHERE ALL ARE TRIED]
    one_of=$(every "$4" "$5")
    "$scratch/allocations" "$1" "$scratch" "$2" "$3" 0 1000000 "$one_of" >"$scratch/$1.$2.$3" 2>&1 || echo "row	$1	$2	$3	0	0	0	0	1	0	0	0	0" >>"$scratch/$1.$2.$3"
    sed -i "/^row/s/\$/	$one_of/" "$scratch/$1.$2.$3"
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
cat "$scratch"/standalone.*.* "$scratch"/plugin.*.* >"$scratch/all"
grep -v '^row\|^listed' "$scratch/all"
grep '^row' "$scratch/all" >"$rows"
{
    echo 'Allocations that fail: once, and all from one on'
    echo
    echo 'profile     lives   fails  positions  one of  NO_MEMORY  went well  other  wrong  aborts  hangs  printed  leaks'
    awk -F'\t' '{ printf "%-11s %-7s %-5s %10d %7d %10d %10d %6d %6d %7d %6d %8d %6d\n", $2, $3, $4, $5, $14, $6, $7, $8, $9, $10, $11, $12, $13 }' "$rows"
} >"$scratch/table"
echo
cat "$scratch/table"
echo

sum() { awk -F'\t' -v c="$1" '{ n += $c } END { print n + 0 }' "$rows"; }
none() { # none COLUMN WHAT
    if [ "$(sum "$1")" -eq 0 ]; then ok "$2"; else fail "$2: $(sum "$1")"; fi
}
for row in first later large doctor compile; do
    if awk -F'\t' -v row="$row" '$3 == row && $5 > 20 { n++ } END { exit n != 4 }' "$rows"; then
        ok "$row: allocations were there to fail, in both profiles, once and from then on"
    else
        fail "$row: allocations were there to fail, in both profiles, once and from then on"
    fi
done
none 8 "no other status than RTW_ERR_NO_MEMORY"
none 9 "the same call succeeds afterwards, and the life goes on to its end"
none 10 "nothing ends the process"
none 11 "nothing hangs"
none 12 "nothing is printed"
none 13 "nothing leaks"
# Some calls succeed without memory: functions that destroy something, and work that the library's threads repeat until there is memory.
if [ $(($(sum 7) * 20)) -le "$(sum 5)" ]; then ok "RTW_ERR_NO_MEMORY is told"; else fail "RTW_ERR_NO_MEMORY is told: $(sum 7) of $(sum 5) went well"; fi

# ---- system calls that fail, each in a life of its own; the kernel asks the program which
for profile in standalone plugin; do
    CALLS_STEP=$(every 7) "$scratch/calls" $profile "$scratch" >"$scratch/calls-$profile" 2>&1 &
done
CALLS_STEP=$(every 2) "$scratch/calls" compiler "$scratch" mmap mprotect munmap madvise clone open read futex >"$scratch/calls-compiler" 2>&1 &
wait
{
    echo
    echo "System calls that fail, one at a time; of $(every 7) positions one is tried"
    echo
    echo 'profile     call         error    positions  told  went well  wrong  aborts  hangs  printed'
    awk -F'\t' '$1 == "call" { printf "%-11s %-12s %-8s %9d %5d %10d %6d %7d %6d %8d\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 }' "$scratch"/calls-*
} >>"$scratch/table"
grep -hv '^call' "$scratch"/calls-*
sed -n '/^System calls/,$p' "$scratch/table"
echo
[ -z "$whole" ] || cp "$scratch/table" result.txt
kinds_with_none() { awk -F'\t' '$1 == "call" { seen[$3] += $5 } END { for (kind in seen) if (seen[kind] == 0) print kind }' "$scratch"/calls-*; }
if [ -z "$(kinds_with_none)" ]; then ok "calls of each kind were there to fail"; else fail "calls of each kind were there to fail:" $(kinds_with_none); fi
if awk -F'\t' '$1 == "call" { bad += $8 } END { exit bad != 0 }' "$scratch"/calls-*; then
    ok "after a system call that fails the same call succeeds, and the life goes on to its end"
else
    fail "after a system call that fails the same call succeeds, and the life goes on to its end"
fi
if awk -F'\t' '$1 == "call" { n++; bad += $9 + $10 + $11 } END { exit !(n > 40 && bad == 0) }' "$scratch"/calls-*; then
    ok "no system call that fails ends the process, hangs it or prints"
else
    fail "no system call that fails ends the process, hangs it or prints"
fi
if grep -q 'RTW_ERR_INTERNAL\|RTW_ERR_POISONED' "$scratch"/calls-*; then fail "none is told as RTW_ERR_INTERNAL"; else ok "none is told as RTW_ERR_INTERNAL"; fi

# ---- what ends the process all the same, and is not ours: listed with its size
for file in "$scratch"/*.first.*; do grep '^listed' "$file"; done | sort -u | while read -r _ function bytes; do
    if grep -q "^| \`$function\`.*| $bytes |" $root/docs/hosts.md; then
        echo "ok docs/hosts.md lists $function with $bytes bytes"
    else
        echo "FAIL docs/hosts.md lists $function with $bytes bytes"
    fi
done >"$scratch/listed"
cat "$scratch/listed"
passed=$((passed + $(grep -c '^ok' "$scratch/listed")))
failed=$((failed + $(grep -c '^FAIL' "$scratch/listed")))
finish
