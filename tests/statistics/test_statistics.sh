#!/bin/sh
# Reads exports of real calls with other projects' readers: HdrHistogram's and Prometheus' own Python packages. Then the
# command, which makes the other formats of the JSON.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CLANG, RTWASM_PYTHON (a Python that has the packages).
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/statistics
. "$root/tests/lib.sh"
python=${RTWASM_PYTHON:-$root/target/python/bin/python}
[ -x "$python" ] || { echo "FAIL $python is missing: make packages"; exit 1; }
use_uninstalled_library
cd "$scratch" || exit 1

read_exports() { # read_exports COMMAND...: the helper
    "$python" "$root/tests/statistics/read_exports.py" "$@"
}
stats() { # stats ARGUMENT...: the command
    "$RTWASM" stats "$@"
}

# ---- exports of real calls ----

# shellcheck disable=SC2086 # the warnings are words
compilers="$CC $CLANG"
[ -z "$INSIDE" ] || compilers=$CC # one links for another machine
for compiler in $compilers; do
    check "exports.c compiles with $compiler" $compiler -std=c99 $C_WARNINGS -O1 -I"$root/include" \
        "$root/tests/statistics/exports.c" -o exports "$RTWASM_LIBDIR/librtwasm.so"
done
for profile in standalone plugin; do
    mkdir $profile
    check "the guest for $profile" "$RTWASM" compile -q --profile $profile "$root/tests/statistics/work.wat" -o $profile/work.rtw
    check "calls and exports, $profile" $INSIDE ./exports $profile $profile/work.rtw $profile
    adopt $profile read_exports all $profile
done
check "nothing half-written is left" sh -c '! find . -name "*.tmp" | grep .'

# ---- quantiles of the tests and benchmarks in C ----

# shellcheck disable=SC2086 # the warnings are words
check "test_numbers.c compiles" $CC -std=c99 $C_WARNINGS -O1 "$root/tests/support/test_numbers.c" -o test_numbers
check "quantiles in C are by nearest rank" $INSIDE ./test_numbers
refuses "twin: quantiles by another definition are found" "0.9 of 2: 1 instead of 2" $INSIDE ./test_numbers planted

# ---- the readers say no ----

file=standalone/many
sed '$d' $file.om >planted.om
refuses "twin: OpenMetrics without its end is found" "Missing # EOF" read_exports openmetrics planted.om
sed 's/_bucket{\(.*\),le="1e-08"} 0/_bucket{\1,le="1e-08"} 999999/' $file.om >planted.om
refuses "twin: buckets that descend are found" "Bucket values out of order" read_exports openmetrics planted.om
sed 's/,HISTF\(.\{60\}\)./,HISTF\1/' $file.hlog >planted.hlog
cmp -s $file.hlog planted.hlog && fail "nothing was planted in the log"
refuses "twin: a damaged log is found" "Error" read_exports hlog planted.hlog
sed 's|</table>||' $file.html >planted.html
refuses "twin: an element that is not closed is found" "closes" read_exports html planted.html
sed 's|<footer>|<footer><img src="x.png">|' $file.html >planted.html
refuses "twin: a picture from elsewhere is found" "elsewhere" read_exports html planted.html
sed 's|font: 15px|background: url(x.png); font: 15px|' $file.html >planted.html
refuses "twin: a style from elsewhere is found" "elsewhere" read_exports html planted.html
mkdir wrong
cp standalone/* wrong
sed -i 's/"p99_ns": \([0-9]\)/"p99_ns": 9\1/' wrong/many.stats
refuses "twin: a percentile that is wrong is found" "FAIL many, log: percentiles are within 1 %; p99 is" read_exports all wrong
cp standalone/* wrong
sed -i 's/"calls": \([0-9]\)/"calls": 9\1/' wrong/many.stats
refuses "twin: a count that is wrong is found" "FAIL many, log: all calls are in it" read_exports all wrong

# ---- the command ----

same() { # same FORMAT EXTENSION SUBJECT: what the command makes of the JSON is what the library has written
    stats "standalone/$3.json" --format "$1" -o "made.$2" && cmp "made.$2" "standalone/$3.$2"
}
for subject in many unused late interval instance; do
    check "$subject: JSON comes out as it went in" same json json $subject
    for format in hgrm csv openmetrics; do
        extension=$format
        [ $format = openmetrics ] && extension=om
        check "$subject: $format of the JSON is the library's own" same $format $extension $subject
    done
    check "$subject: a log of the JSON can be read" sh -c '"$1" stats "$2" -f hlog >made.hlog' - "$RTWASM" standalone/$subject.json
    check "$subject: it is the log" read_exports hlog made.hlog
    check "$subject: a page of the JSON" stats standalone/$subject.json -f html -o made.html
    check "$subject: it is a page" read_exports html made.html
done
sed 's/"count": /"count": 1/' standalone/many.json >planted.json
refuses "twin: another count is refused" "\"count\" is 1" stats planted.json
check "a table" sh -c '"$1" stats "$2" >table && grep -E "^  call time +20000 " table && grep -q "^func work$" table' - "$RTWASM" standalone/many.json
check "of the standard input" sh -c '"$1" stats - <"$2" | grep -q "^func work$"' - "$RTWASM" standalone/many.json
check "one series of several" sh -c '"$1" stats "$2" --series call_time_corrected -f csv | tail -n +2 | grep -c call_time_corrected' - \
    "$RTWASM" standalone/late.json
refuses "a series that is not there" "there are: call_time, call_time_corrected" stats standalone/late.json --series jitter

# Two runs beside each other, and as one.
cp standalone/many.json before.json
cp plugin/many.json after.json
check "a page of two" stats before.json after.json --format html -o compared.html
check "it shows both curves" read_exports page compared.html 2 "before: call time" "after: call time" "second to first"
check "one page alone shows one" read_exports page standalone/many.html 1 "call time"
refuses "twin: a curve that is missing is found" "1 curves" read_exports page standalone/many.html 2
check "a table of two" sh -c '"$1" stats before.json after.json | grep -c ": call time  *20000 " | grep -qx 2' - "$RTWASM"
check "OpenMetrics of two" sh -c '"$1" stats before.json after.json -f openmetrics >compared.om' - "$RTWASM"
check "it has a source for each" read_exports openmetrics compared.om
check "two are merged" stats before.json after.json --merge -f json -o merged.json
check "to the sum of both" sh -c '"$1" stats merged.json | grep -E "^  call time +40000 "' - "$RTWASM"
refuses "two are no one JSON" "--merge" stats before.json after.json -f json

refused() { # refused MESSAGE SED-SCRIPT: a JSON that is changed so
    sed "$2" standalone/many.json >planted.json
    cmp -s planted.json standalone/many.json && fail "nothing was planted with $2"
    refuses "refused: $1" "$1" stats planted.json
}
refused "not JSON" 's/^{/[/'
refused "not statistics of rtwasm" 's/rtwasm-statistics/other-statistics/'
refused "unknown version 2 of the statistics" 's/"version": 1/"version": 2/'
refused "\"ns_per_tick\" is not a positive number" 's/"ns_per_tick": .*,$/"ns_per_tick": 0,/'
refused "no bucket begins with" 's/"buckets": \[\[[0-9]*/"buckets": [[3000001/'
refused "is not the range of the values in the buckets" 's/"max_ticks": \([0-9]*\)/"max_ticks": 9\1/'
refused "\"sum_ticks\" is" 's/"sum_ticks": /"sum_ticks": -/'
refuses "a file that is not there" "nowhere.json" stats nowhere.json
refuses "without an input" "missing input" stats

finish
