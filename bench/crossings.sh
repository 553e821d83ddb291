#!/bin/sh
# Counts what the way between guest and host costs, in instructions (callgrind), beside Wasmtime's own C API and `Func::wrap`, and writes
# bench/crossings.txt. Run by `make crossings`. Counts depend neither on load nor on the processor's speed. What a guest's loop around a
# crossing costs is part of each figure: 3 instructions, and those of the budget guard in rtwasm's and Func::wrap's. Calls from outside
# include the benchmark's own loop.
#   RTWASM_LIBDIR   where librtwasm.so is, otherwise target/release
#   TIMES=1         measures times as well, in columns of their own; on a quiet machine
set -eu
cd "$(dirname "$0")/.."
out=target/bench/crossings
rm -rf $out
mkdir -p $out
LEVEL=x86-64-v2
library=$(realpath "${RTWASM_LIBDIR:-target/release}/librtwasm.so")
for profile in standalone plugin; do
    for guest in crossings services; do
        target/tools/rtwasm compile --quiet --profile $profile --cpu $LEVEL bench/guests/$guest.wat -o $out/$guest-$profile.rtw
    done
done
cp bench/guests/crossings.wat $out
WASMTIME=$(bench/stock.sh) || WASMTIME=
export WASMTIME
valgrind -q --tool=callgrind --collect-atstart=no --callgrind-out-file=$out/dump target/bench-host/rtwasm-bench --count "$library" $out
python3 tests/bench-check/figures.py gather instructions $out/dump.* >$out/figures
: >$out/times
[ -z "${TIMES:-}" ] || target/bench-host/rtwasm-bench --time "$library" $out >$out/times

{
    echo "# make crossings, $(date -u +%Y-%m-%d), commit $(git rev-parse --short=12 HEAD): instructions of one crossing, the guest's loop included;"
    echo "# $LEVEL, $(valgrind --version), $(rustc --version | cut -d' ' -f1,2); Wasmtime's C API: PyPI's wasmtime 48.0.0."
    echo "# Ratios are to the C API, to Func::wrap, or to an export's call."
    if [ -n "${TIMES:-}" ]; then
        echo "# Times: ns, the mean of 45 batches of 200,000, subjects in turn; ratios of times: medians over batches.$(sed -n 's/^model name[^:]*: / /p;' /proc/cpuinfo | head -n 1), load $(cut -d' ' -f1 /proc/loadavg)."
    fi
    awk 'FILENAME ~ /times$/ {
        at = index($1, ":"); subject = substr($1, at + 1); gsub("-", " ", subject)
        ns[substr($1, 1, at - 1), subject] = $2; ns_ratio[substr($1, 1, at - 1), subject] = $3
        timed = 1
        next
    }
    {
        at = index($1, ":"); kind = substr($1, 1, at - 1); subject = substr($1, at + 1)
        gsub("-", " ", subject)
        figure[kind, subject] = $2
        if (!(kind in seen)) { seen[kind]; cases[++n] = kind }
    }
    END {
        stock = "Wasmtime\47s C API, unchecked"; wrap = "Func::wrap"
        m = split(stock "|" wrap "|rtwasm|an export|a bound entry|rtw_invoke_entry", subjects, "|")
        printf "%-32s %-28s %8s %9s %9s", "# case", "subject", "count", "to C API", "to wrap"
        print timed ? sprintf(" %8s %9s %9s", "ns", "to C API", "to wrap") : ""
        for (i = 1; i <= n; i++) for (s = 1; s <= m; s++) if ((cases[i], subjects[s]) in figure) {
            name = cases[i]; own = figure[name, subjects[s]]
            base = (name, "an export") in figure ? "an export" : stock
            printf "%-32s %-28s %8.1f %9s %9s", name, subjects[s], own, ratio(own, figure[name, base]), ratio(own, figure[name, wrap])
            if (timed) {
                own = ns_ratio[name, subjects[s]]
                printf " %8.2f %9s %9s", ns[name, subjects[s]], ratio(own, ns_ratio[name, base]), ratio(own, ns_ratio[name, wrap])
            }
            print ""
        }
    }
    function ratio(own, base) { return base ? sprintf("%.3f", own / base) : "" }' $out/times $out/figures
} >$out/table
cp $out/table bench/crossings.txt
cat bench/crossings.txt
