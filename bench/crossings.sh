#!/bin/sh
# Counts what the way between guest and host costs, in instructions (callgrind), beside Wasmtime's own C API and `Func::wrap`, and writes
# bench/crossings.txt. Run by `make crossings`. Counts depend neither on load nor on the processor's speed. What a guest's loop around a
# crossing costs is part of each figure: 3 instructions, and those of the budget guard in rtwasm's and Func::wrap's. Calls from outside
# include the benchmark's own loop.
#   RTWASM_LIBDIR   where librtwasm.so is, otherwise target/release
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

{
    echo "# make crossings, $(date -u +%Y-%m-%d), commit $(git rev-parse --short=12 HEAD): instructions of one crossing, the guest's loop included;"
    echo "# $LEVEL, $(valgrind --version), $(rustc --version | cut -d' ' -f1,2); Wasmtime's C API: PyPI's wasmtime 48.0.0. The ratio is to the first of each case."
    awk '{
        at = index($1, ":"); kind = substr($1, 1, at - 1); subject = substr($1, at + 1)
        gsub("-", " ", subject)
        figure[kind, subject] = $2
        if (!(kind in seen)) { seen[kind]; cases[++n] = kind }
    }
    END {
        m = split("Func::wrap|Wasmtime\47s C API, unchecked|rtwasm|an export|a bound entry|rtw_invoke_entry", subjects, "|")
        printf "%-32s %-28s %8s %7s\n", "# case", "subject", "count", "ratio"
        for (i = 1; i <= n; i++) {
            first = 0
            for (s = 1; s <= m; s++) if ((cases[i], subjects[s]) in figure) {
                own = figure[cases[i], subjects[s]]
                if (!first) first = own
                printf "%-32s %-28s %8.1f %7.3f\n", cases[i], subjects[s], own, own / first
            }
        }
    }' $out/figures
} >$out/table
cp $out/table bench/crossings.txt
cat bench/crossings.txt
