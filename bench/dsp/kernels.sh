#!/bin/sh
# Times the kernels of guests/dsp beside the same source natively, of the same vector width, and beside the stock engine; counts their
# instructions under callgrind; writes bench/dsp/kernels.txt. Run by `make kernels`. All take turns of some 20 us, and the least time
# counts: so ratios hold on a busy machine as well. The artifacts are those that `rtwasm compile` makes; statistics are off.
# Environment: ROUNDS (300), CLANG, WASMTIME (the stock engine's library).
set -eu
cd "$(dirname "$0")/../.."
out=target/bench/dsp
CLANG=${CLANG:-clang-19}
rm -rf $out
mkdir -p $out/lib
ln -s "$(realpath target/release/librtwasm.so)" $out/lib/librtwasm.so.0.1
LD_LIBRARY_PATH=$PWD/$out/lib
export LD_LIBRARY_PATH
build() { # build NAME CPU-OF-CLANG OPTION-OF-COMPILE...: a host with native kernels, and the artifacts, for one kind of processor
    name=$1
    march=$2
    shift 2
    mkdir $out/$name
    # Vectors of the guests' width. Fused operations would change the bits.
    "$CLANG" -std=c99 -O3 -march="$march" -mprefer-vector-width=128 -ffp-contract=off -c guests/dsp/dsp.c -o $out/$name/dsp.o
    "${CC:-cc}" -std=gnu99 -D_GNU_SOURCE -O2 -Iinclude bench/dsp/host.c tests/support/check.c tests/support/child.c tests/support/start.c $out/$name/dsp.o \
        target/release/librtwasm.so -lm -ldl -pthread -o $out/$name/host
    for profile in standalone plugin; do
        target/tools/rtwasm compile -q --profile $profile "$@" guests/built/dsp.wasm -o $out/$name/$profile.rtw
        target/tools/rtwasm compile -q --profile $profile --budget off "$@" guests/built/dsp.wasm -o $out/$name/$profile-off.rtw
        $out/$name/host check $profile $out/$name/$profile.rtw >$out/check.log || { cat $out/check.log; exit 1; }
    done
}
build here native
# A processor that valgrind knows.
build counted x86-64-v3 --cpu x86-64-v3
stock=
STOCK=$(bench/stock.sh) && stock="stock=guests/built/dsp.wasm" || STOCK=
export STOCK
for profile in standalone plugin; do
    $out/here/host time $profile "${ROUNDS:-300}" $stock guard=$out/here/$profile.rtw off=$out/here/$profile-off.rtw >$out/$profile.times
    valgrind -q --tool=callgrind --collect-atstart=no --callgrind-out-file=$out/dump.$profile \
        $out/counted/host count $profile guard=$out/counted/$profile.rtw off=$out/counted/$profile-off.rtw
    python3 tests/bench-check/figures.py gather instructions $out/dump.$profile.* >$out/$profile.counts
done
{
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    echo "# make kernels, $(date -u +%Y-%m-%d), commit $(git rev-parse --short=12 HEAD), $processor;"
    echo "# native: $("$CLANG" --version | head -n 1) -O3 -march=native, vectors of 128 bits;"
    echo "# instructions: x86-64-v3, $(valgrind --version)."
    python3 bench/dsp/table.py $out
} >$out/table
cp $out/table bench/dsp/kernels.txt
cat bench/dsp/kernels.txt
