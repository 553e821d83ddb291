#!/bin/sh
# Counts what the kernels cost, in instructions of one run (callgrind), with --deterministic and without the hidden exports, beside the
# usual artifact. Writes bench/kernel-costs.txt. Run by `make kernel-costs`, which makes the compiler that leaves the hidden exports out.
# Counts depend neither on load nor on the processor, but on the compiler of the library: of each figure, some 300 are the call itself.
set -eu
cd "$(dirname "$0")/.."
out=target/bench/kernel-costs
rm -rf $out
mkdir -p $out
LEVEL=x86-64-v2
kernels=$(sed -n 's/^KERNELS := //p' guests/kernels/guest.mk)
mkdir -p $out/lib
libraries=$(realpath "${RTWASM_LIBDIR:-target/release}")
ln -s "$libraries/librtwasm.so" $out/lib/librtwasm.so.0.1
"${CC:-cc}" -std=gnu99 -D_GNU_SOURCE -O2 -fno-builtin -Iinclude -pthread tests/bench-check/counts.c -o $out/counts "$libraries/librtwasm.so"

count() { # count NAME COMMAND [OPTION...]: compiles and counts, into NAME.figures
    name=$1
    compiler=$2
    shift 2
    mkdir -p "$out/$name"
    for profile in standalone plugin; do
        for kernel in $kernels; do
            "$compiler" compile --quiet --profile $profile --cpu $LEVEL "$@" "guests/built/$kernel.wasm" -o "$out/$name/$kernel.$profile.rtw"
        done
        # shellcheck disable=SC2086 # a list of words
        LD_LIBRARY_PATH=$out/lib valgrind -q --tool=callgrind --collect-atstart=no --callgrind-out-file="$out/$name/dump.$profile" \
            "$out/counts" instructions $profile "$out/$name" $kernels
        python3 tests/bench-check/figures.py gather instructions "$out/$name/dump.$profile".*
    done >"$out/$name.figures"
}
count usual target/tools/rtwasm
count deterministic target/tools/rtwasm --deterministic
count without-hidden target/bench/rtwasm-without-hidden
# Equal counts say something of different code only.
for kernel in $kernels; do
    for other in deterministic without-hidden; do
        ! cmp -s "$out/usual/$kernel.plugin.rtw" "$out/$other/$kernel.plugin.rtw" ||
            { echo "kernel_costs.sh: $other makes the same artifact of $kernel" >&2; exit 1; }
    done
done

{
    echo "# make kernel-costs, $(date -u +%Y-%m-%d), commit $(git rev-parse --short=12 HEAD): instructions of a run of each kernel, the call included;"
    echo "# $LEVEL, $(valgrind --version), $(rustc --version | cut -d' ' -f1,2)."
    printf '%-26s %10s %14s %7s %15s %7s\n' "# kernel" usual deterministic ratio without-hidden ratio
    awk '
        FNR == 1 { file++ }
        { sub(/^kernel-/, "", $1); figure[file, $1] = $2; if (file == 1) order[++n] = $1 }
        END {
            for (i = 1; i <= n; i++) {
                k = order[i]
                if (!figure[2, k] || !figure[3, k]) exit 1
                printf "%-26s %10.0f %14.0f %7.3f %15.0f %7.3f\n", k, figure[1, k], figure[2, k], figure[2, k] / figure[1, k], figure[3, k], figure[3, k] / figure[1, k]
                d += log(figure[2, k] / figure[1, k]); h += log(figure[3, k] / figure[1, k])
            }
            printf "%-26s %10s %14s %7.3f %15s %7.3f\n", "geometric mean", "", "", exp(d / n), "", exp(h / n)
        }' "$out/usual.figures" "$out/deterministic.figures" "$out/without-hidden.figures"
} >"$out/table"
cp "$out/table" bench/kernel-costs.txt
cat bench/kernel-costs.txt
