#!/bin/sh
# Programs of Faust, compiled and run in both profiles, and compared with Node's engine bit by bit, both with the C library's mathematics;
# some also with what `faust -lang cpp` and g++ make of them: tolerance.txt has the largest distance of each in dB beside the loudest
# sample, or "same". Where both compute the same operations in the same order they are the same; g++ is free to take another order.
#   test_faust.sh        the programs of sample.txt, those marked g++ also with g++; compares with the table of docs/modules.md
#   test_faust.sh all    all examples of Debian's package, those of tolerance.txt also with g++; writes all.txt
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CXX.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/faust
. ../lib.sh
use_uninstalled_library
here=$(pwd)
scratch=$(realpath "$scratch")
examples=/usr/share/doc/faust-common/examples

# shellcheck disable=SC2086 # lists of words
check "the host compiles" $CC -std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -I$root/include host.c -o "$scratch/host" "$RTWASM_LIBDIR/librtwasm.so" -lm
# shellcheck disable=SC2086 # lists of words
check "the addon for Node compiles" $CC -O2 -D_GNU_SOURCE $C_WARNINGS -shared -fPIC libm.c -o "$scratch/libm.node" -lm
[ "$failed" -eq 0 ] || { finish; exit 1; }

same() { python3 "$here/compare.py" same "$1" "$2" >>"$work/said" 2>&1; }

# one PROGRAM [OPTION]: makes, runs and compares one. Sets `row`; the reason is in $work/said if it begins with FAIL.
one() {
    work=$scratch/$(echo "$1$2" | tr '/ ' '__')
    mkdir -p "$work"
    : >"$work/said"
    # Faust looks for what a program includes beside it.
    if ! (cd "$(dirname "$examples/$1")" && timeout 120 faust -lang wasm $2 "$examples/$1" -o "$work/program.wasm") >>"$work/said" 2>&1; then
        row="does-not-compile"
        return
    fi
    if ! timeout 120 "$RTWASM" compile -q --profile both "$work/program.wasm" -o "$work/program.rtw" >>"$work/said" 2>&1; then
        row="FAIL compile"
        return
    fi
    for profile in standalone plugin; do
        if ! timeout 120 "$scratch/host" $profile "$work/program.rtw" "$work/$profile.raw" "$1${2:+ $2}" "$work/rows" \
            >>"$work/said" 2>&1; then
            row="FAIL $profile"
            return
        fi
    done
    if ! timeout 120 node run.js "$scratch/libm.node" "$work/program.wasm" "$work/node.raw" >>"$work/said" 2>&1; then
        row="FAIL node"
    elif same "$work/standalone.raw" "$work/node.raw" && same "$work/plugin.raw" "$work/node.raw"; then
        row="same"
    else
        row="FAIL differs"
    fi
}

# native PROGRAM [OPTION]: after `one`, sets `row` to the distance in dB from what g++ makes.
native() {
    if ! (cd "$(dirname "$examples/$1")" && timeout 120 faust -lang cpp $2 -a "$here/native.cpp" "$examples/$1" -o "$work/program.cpp") >>"$work/said" 2>&1 ||
        ! timeout 300 $CXX -std=c++17 -O1 -ffp-contract=off ${2:+-DFAUSTFLOAT=double} "$work/program.cpp" -o "$work/native" >>"$work/said" 2>&1; then
        row="does-not-compile"
    elif timeout 120 "$work/native" "$work/native.raw" >>"$work/said" 2>&1; then
        row=$(python3 compare.py distance "$work/standalone.raw" "$work/native.raw" 2>&1)
    else
        row="FAIL native"
    fi
}

# within ROW LIMIT: whether a distance is at most the limit of the table.
within() {
    case $1 in
    same) true ;;
    not-finite) [ "$2" = not-finite ] ;;
    *[!-0-9]*) false ;;
    *) [ "$2" != same ] && [ "$2" != not-finite ] && [ "$1" -le "$2" ] ;;
    esac
}

# limit_of PROGRAM [OPTION]: what tolerance.txt says of it; nothing if it has no line.
limit_of() { sed -n "s|^$1${2:+ $2} \([^ ]*\)$|\1|p" tolerance.txt; }

# hold LIMIT PROGRAM [OPTION]: after `one`, compares with g++; a distance beyond the limit is a failure.
hold() {
    limit=$1
    shift
    native "$@"
    if within "$row" "$limit"; then
        ok "$*: $row, $limit dB at most from g++"
    else
        fail "$*: $row instead of $limit dB at most from g++"
        sed 's/^/    /' "$work/said"
    fi
}

# twin_of_hold PROGRAM: a limit that is one dB too small, and one that allows no difference, are noticed.
twin_of_hold() {
    one "$1"
    native "$1"
    distance=$row
    before=$failed
    hold $((distance - 1)) "$1" >"$scratch/twin.log"
    hold same "$1" >>"$scratch/twin.log"
    found=$((failed - before))
    failed=$before
    check "twin: $1 is $distance dB from g++, and both planted limits that are too small fail" test "$found" -eq 2
}

if [ "${1:-}" = all ]; then
    {
        echo "# Examples of Faust $(faust --version | head -n 1 | sed 's/.* //'): equal to Node $(node --version) bit by bit in both profiles; distance from g++ in dB, and its limit."
        echo "# By make faust-all, $(date -u +%F)."
    } >"$scratch/all.txt"
    count=0
    held=0
    for path in $(find "$examples" -name '*.dsp' | sort); do
        program=${path#"$examples/"}
        one "$program"
        equal=$row
        row=-
        limit=$(limit_of "$program")
        case $equal in
        same)
            ok "$program"
            count=$((count + 1))
            if [ -n "$limit" ]; then
                hold "$limit" "$program"
                held=$((held + 1))
            fi
            ;;
        FAIL*)
            fail "$program: $equal"
            sed 's/^/    /' "$work/said" | tail -n 3
            ;;
        esac
        echo "$program $equal $row${limit:+ $limit}" >>"$scratch/all.txt"
        rm -rf "$work"
    done
    check "at least 60 programs are held against what g++ makes: $held" test $held -ge 60
    twin_of_hold reverb/freeverb.dsp
    echo "# $count equal, $held of them held against g++, $failed failed, $(grep -c ' does-not-compile ' "$scratch/all.txt") that Faust does not compile" >>"$scratch/all.txt"
    cp "$scratch/all.txt" all.txt
    finish
    exit
fi

while read -r program words; do
    option=${words%g++}
    option=${option% }
    one "$program" "$option"
    subject=$program${option:+ $option}
    result="every bit as Node"
    if [ "$row" = same ]; then
        ok "$program $option: both profiles equal Node, bit by bit"
    else
        fail "$program $option: $row"
        sed 's/^/    /' "$work/said"
    fi
    # shellcheck disable=SC2086 # no argument where there is no option
    case $words in
    *g++)
        limit=$(limit_of "$program" "$option")
        hold "$limit" "$program" $option
        case $limit in same) result="$result and g++" ;; *) result="$result, g++ within $limit dB" ;; esac
        ;;
    esac
    sed "s/||/|$result|/" "$work/rows" >>"$scratch/rows"
    echo "$subject|$subject" >>"$scratch/names"
done <sample.txt
check "the profiles agree" python3 $support/table.py make "$scratch/rows" "$scratch/names" "$scratch/table.md"
check "the documented table is this one" python3 $support/table.py same "$scratch/table.md" $root/docs/modules.md

# ---- the twins ----
first=reverb/freeverb.dsp
twin_of_hold $first
cp "$work/node.raw" "$work/changed.raw"
printf '\001' | dd of="$work/changed.raw" bs=1 seek=100 conv=notrunc 2>"$scratch/dd.log"
refuses "twin: a changed bit is found" "floats differ, first 25" python3 compare.py same "$work/standalone.raw" "$work/changed.raw"

# ---- what the command says ----
cp "$examples/$first" "$scratch/program.dsp"
check "rtwasm compiles a .dsp" "$RTWASM" compile "$scratch/program.dsp" -o "$scratch/program.rtw"
cp "$scratch/check.log" "$scratch/compiled.log"
check "and says what it is" grep "a program of Faust" "$scratch/compiled.log"
check "inspect has it as JSON" sh -c "'$RTWASM' inspect --json '$scratch/program.rtw' | python3 -c 'import json, sys; guest = json.load(sys.stdin)[\"guest\"]; assert guest[\"kind\"] == \"faust\" and guest[\"parameters\"], guest'"
echo "process = nothing_of_that_name;" >"$scratch/wrong.dsp"
refuses "Faust's own message comes through" "undefined symbol" "$RTWASM" compile "$scratch/wrong.dsp" -o "$scratch/wrong.rtw"
mkdir -p "$scratch/nothing"
refuses "where Faust is missing, the command says how to get it" "apt-get install faust" env PATH="$scratch/nothing" "$RTWASM" compile "$scratch/program.dsp" -o "$scratch/program.rtw"
finish
