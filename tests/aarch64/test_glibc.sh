#!/bin/sh
# Which glibc the binaries for aarch64 need: the library, and where `make aarch64-command` has built them the command and the compiler's
# library. Started by suites.sh, which sets CC and RTWASM_LIBDIR for the other machine.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/glibc
. ../lib.sh
. ../support/glibc.sh
is_for_aarch64() { readelf -h "$1" | grep Machine: | grep -q AArch64; }
check "the library is one for aarch64" is_for_aarch64 "$RTWASM_LIBDIR/librtwasm.so"
tools=$(dirname "$RTWASM_LIBDIR")/tools
binaries="$RTWASM_LIBDIR/librtwasm.so"
for binary in "$tools/rtwasm" "$tools/librtwasm_compiler.so"; do
    # An older one says nothing of today's.
    if [ -n "$(find "$binary" -newer "$RTWASM_LIBDIR/librtwasm.so" 2>/dev/null)" ]; then
        binaries="$binaries $binary"
    else
        skip "the oldest glibc of $(basename "$binary") for aarch64: it is not built with this library (make aarch64-command)"
    fi
done
# shellcheck disable=SC2086 # a list of words
check_glibc aarch64 $binaries
finish
