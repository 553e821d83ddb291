#!/bin/sh
# Compiles the benchmark's guests and runs it; the figures go to target/bench/results.json.
set -eu
cd "$(dirname "$0")/.."
out=target/bench
mkdir -p $out
for profile in standalone plugin; do
    for guest in calls tail; do
        target/tools/rtwasm compile --quiet --profile $profile bench/guests/$guest.wat -o $out/$guest-$profile.rtw
    done
done
exec target/bench-host/rtwasm-bench "$PWD/target/release/librtwasm.so" $out $out/results.json
