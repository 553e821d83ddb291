#!/bin/sh
# Makes sure that what the tests need is there: installs it where it may, and names it where it may not.
#   packages.sh [PACKAGE ...]    only these Debian packages, and nothing for Python
set -eu

packages="gcc g++ libc6-dev make cmake pkg-config binutils procps util-linux python3 python3-venv valgrind gdb
    clang-19 lld-19 llvm-19 wasi-libc libclang-rt-19-dev-wasm32 libclang-rt-19-dev clang-22 libclang-rt-22-dev sox alsa-utils luajit
    ffmpeg chromium libjemalloc2 libmimalloc2.0 jackd2 libjack-jackd2-dev abigail-tools
    gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm qemu-user cpio musl-tools libxxhash0 strace"

[ $# -eq 0 ] || packages=$*
missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
    echo "The tests need these Debian packages:$missing" >&2
    exit 1
fi
[ $# -eq 0 ] || exit 0

# Readers of exports in tests/statistics and of pictures in tests/pages, in a Python of its own below target/.
python_packages="hdrhistogram==0.10.8 prometheus_client==0.26.0 pillow==13.0.0"
python=$(dirname "$0")/../target/python
if [ "$(cat "$python/packages" 2>/dev/null)" != "$python_packages" ]; then
    rm -rf "$python"
    python3 -m venv "$python"
    # shellcheck disable=SC2086 # a list of words
    "$python/bin/python" -m pip install --quiet --disable-pip-version-check $python_packages
    echo "$python_packages" >"$python/packages"
fi
