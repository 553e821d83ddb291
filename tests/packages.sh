#!/bin/sh
# Makes sure that what the tests need is there: installs it where it may, and names it where it may not.
#   packages.sh [PACKAGE ...]    only these Debian packages, and nothing for Python
set -eu

packages="gcc g++ libc6-dev make cmake pkg-config binutils procps util-linux python3 python3-venv valgrind gdb
    clang-19 lld-19 llvm-19 wasi-libc libclang-rt-19-dev-wasm32 libclang-rt-19-dev clang-22 libclang-rt-22-dev sox alsa-utils luajit nodejs
    ffmpeg chromium libjemalloc2 libmimalloc2.0 jackd2 libjack-jackd2-dev abigail-tools
    gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm qemu-user cpio musl-tools libxxhash0 strace faust wabt
    lv2-dev liblilv-dev lilv-utils sordi jalv ecasound ladspa-sdk"

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

# Python packages, each list in an environment of its own below target/.
python_of() { # python_of FOLDER PACKAGE...: fails if they cannot be had
    folder=$(dirname "$0")/../target/$1
    shift
    [ "$(cat "$folder/packages" 2>/dev/null)" != "$*" ] || return 0
    rm -rf "$folder"
    python3 -m venv "$folder" && "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" && echo "$*" >"$folder/packages"
}
# Readers of exports in tests/statistics and of pictures in tests/pages.
python_of python hdrhistogram==0.10.8 prometheus_client==0.26.0 pillow==13.0.0
# Packages that the one for Python can use, and a checker of types. Without them tests/bindings/test_python.sh says so.
python_of python-bindings numpy==2.4.6 pandas==3.1.1 matplotlib==3.11.2 mypy==2.4.1 pandas-stubs==3.1.0.261029 ||
    echo "The packages for tests/bindings/test_python.sh cannot be had" >&2
