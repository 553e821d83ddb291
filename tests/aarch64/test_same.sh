#!/bin/sh
# Artifacts that the compiler makes on aarch64 are those that it makes on x86-64, byte for byte: three guests, both profiles, for both
# targets. Run by `make aarch64-same`, inside the emulated machine, where compiling takes minutes; what it has shown is committed.
# Environment: as for suites.sh; and SAME_RESULT, the file that the result goes into.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/same
. ../lib.sh
there=$root/target/aarch64/aarch64-unknown-linux-gnu/tools/rtwasm
here=$root/target/tools/rtwasm
[ -x "$there" ] || { fail "$there is not built: make aarch64-command"; finish; exit 1; }
export INSIDE_HANG_SECONDS=1200
: >"$scratch/result"
same() { # same GUEST PROFILE ARCHITECTURE CPU
    name=$1.$2.$3
    options="--quiet --profile $2 --target $3-unknown-linux-gnu --cpu $4"
    # shellcheck disable=SC2086 # lists of words
    "$here" compile $options "$root/guests/built/$1.wasm" -o "$scratch/$name.here" &&
        $INSIDE "$there" compile $options "$root/guests/built/$1.wasm" -o "$scratch/$name.there" &&
        cmp "$scratch/$name.here" "$scratch/$name.there" || return 1
    echo "$1, $2, for $3 ($4): $(stat -c %s "$scratch/$name.here") bytes, sha256 $(sha256sum <"$scratch/$name.here" | cut -c 1-16)" >>"$scratch/result"
}
for guest in eq compressor lqr_kalman; do
    for profile in standalone plugin; do
        check "$guest, $profile, for aarch64" same $guest $profile aarch64 cortex-a76
        check "$guest, $profile, for x86-64" same $guest $profile x86_64 avx2
    done
done
refuses "twin: another level makes another artifact" "differ" \
    cmp "$scratch/eq.plugin.aarch64.here" "$scratch/eq.plugin.x86_64.here"
[ -z "$SAME_RESULT" ] || [ "$failed" -ne 0 ] || cp "$scratch/result" "$SAME_RESULT"
finish
