#!/bin/sh
# Prints the compiler's flag that lets the linker keep one copy of functions with the same code, if the linker that Rust uses here can:
# rust-lld, the default on x86-64 since Rust 1.90, and lld can, GNU ld cannot. Without it the library is 16 KB larger, and works alike.
folded=$(mktemp -d) || exit
trap 'rm -rf "$folded"' EXIT
flag=-Clink-arg=-Wl,--icf=all
# shellcheck disable=SC2086 # a list of flags
if echo | ${RUSTC:-rustc} $RUSTFLAGS --crate-type cdylib --crate-name folds $flag -o "$folded/folds.so" - 2>"$folded/log"; then
    echo "$flag"
fi
