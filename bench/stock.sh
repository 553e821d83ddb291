#!/bin/sh
# Prints the path of the stock engine's shared library: WASMTIME if it is set, else that of PyPI's package `wasmtime`, which holds its C
# API, fetched below target/bench/rivals. Fails if there is none.
set -eu
cd "$(dirname "$0")/.."
# The release of the package that is nearest to the pinned engine's.
STOCK=48.0.0
out=target/bench/rivals
library=${WASMTIME:-$PWD/$out/wasmtime/linux-$(uname -m)/_libwasmtime.so}
if [ ! -e "$library" ]; then
    mkdir -p $out
    if ! python3 -m pip download --quiet --no-deps --only-binary=:all: -d $out wasmtime==$STOCK >$out/pip.log 2>&1; then
        echo "the stock engine is left out: pip has no wasmtime==$STOCK for this machine ($out/pip.log)" >&2
        exit 1
    fi
    python3 -m zipfile -e $out/wasmtime-$STOCK-*.whl $out
fi
echo "$library"
