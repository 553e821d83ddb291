#!/bin/sh
# Artifacts that the compiler makes on aarch64 are those that it makes on x86-64, byte for byte: every guest of guests/built, both
# profiles, for both architectures. Run by `make aarch64-same`; what it has shown is committed, in same.txt. The compiler for aarch64
# runs in QEMU's emulation of one process (qemu-user), since it asks nothing of the kernel but files and memory.
# Environment: SAME_RESULT, the file that the result goes into.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/same
. ../lib.sh
there=$root/target/aarch64/aarch64-unknown-linux-gnu/tools/rtwasm
here=$root/target/tools/rtwasm
emulator=qemu-aarch64
for needed in "$emulator" aarch64-linux-gnu-gcc; do
    is_program "$needed" || { fail "$needed is not there: the Debian packages qemu-user and gcc-aarch64-linux-gnu have it"; finish; exit 1; }
done
[ -x "$there" ] || { fail "$there is not built: make aarch64-command"; finish; exit 1; }
libraries=$(dirname "$(dirname "$(realpath "$(aarch64-linux-gnu-gcc -print-file-name=ld-linux-aarch64.so.1)")")")
is_for_aarch64() { readelf -h "$1" | grep Machine: && readelf -h "$1" | grep -q 'Machine:.*AArch64'; }
check "the compiler there is one for aarch64" is_for_aarch64 "$there"
refuses "twin: the compiler here is not" "Machine:" is_for_aarch64 "$here"
: >"$scratch/rows"
same() { # same GUEST PROFILE ARCHITECTURE CPU [OPTION...]: the options are given to the compiler there alone
    name=$1.$2.$3
    module=$root/guests/built/$1.wasm
    options="--quiet --profile $2 --target $3-unknown-linux-gnu --cpu $4"
    shift 4
    # shellcheck disable=SC2086 # a list of words
    "$here" compile $options "$module" -o "$scratch/$name.here" &&
        "$emulator" -L "$libraries" "$there" compile $options "$@" "$module" -o "$scratch/$name.there" &&
        cmp "$scratch/$name.here" "$scratch/$name.there" || return 1
    printf '%-36s %7d bytes, sha256 %s\n' "$name" "$(stat -c %s "$scratch/$name.here")" "$(sha256sum <"$scratch/$name.here" | cut -c 1-16)" >>"$scratch/rows"
}
for module in "$root"/guests/built/*.wasm; do
    guest=$(basename "$module" .wasm)
    for profile in standalone plugin; do
        check "$guest, $profile, for aarch64" same "$guest" $profile aarch64 cortex-a76
        check "$guest, $profile, for x86-64" same "$guest" $profile x86_64 x86-64-v3
    done
done
cp "$scratch/rows" "$scratch/shown"
for profile in standalone plugin; do
    for other in --deterministic "--opt size" "--cpu cortex-a72"; do
        # shellcheck disable=SC2086 # an option and its value
        refuses "twin: with $other there, the $profile artifact of eq is another" "differ" same eq $profile aarch64 cortex-a76 $other
    done
done
if [ -n "$SAME_RESULT" ] && [ "$failed" -eq 0 ]; then
    {
        echo "# What make aarch64-same has shown: the compiler for x86-64 and the one for aarch64 make these files, byte for byte."
        echo "# $(date -u +%Y-%m-%d), commit $(git -C $root rev-parse --short=12 HEAD); $("$emulator" --version | sed -n '1s/ (.*//p'), host $(uname -m)."
        echo "# For aarch64: cortex-a76; for x86-64: x86-64-v3. Checks passed: $passed; among them these twins: another option there, another file."
        cat "$scratch/shown"
    } >"$SAME_RESULT"
fi
finish
