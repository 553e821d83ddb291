#!/bin/sh
# The lints of Cargo.toml, by clippy, over all packages: every unsafe block and impl says why it is sound, and an unsafe function's
# body is no unsafe block. Where clippy is not in the toolchain, that part is left out, which the run says.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/lint
. "$root/tests/lib.sh"
cd "$root" || exit 1

inherits() { # inherits ROOT: every package of the workspace takes the workspace's lints
    python3 -c 'import sys, tomllib
from pathlib import Path
root = Path(sys.argv[1])
read = lambda folder: tomllib.loads((root / folder / "Cargo.toml").read_text())
workspace = read(".")["workspace"]
lints = {**workspace["lints"]["rust"], **workspace["lints"]["clippy"]}
wrong = [lint for lint in ("unsafe_op_in_unsafe_fn", "undocumented_unsafe_blocks") if lints.get(lint) != "deny"]
wrong += [member for member in workspace["members"] if not read(member).get("lints", {}).get("workspace")]
sys.exit(f"not denied, or not inherited: {wrong}" if wrong else 0)' "$1"
}
check "the lints are denied, and every package has them" inherits .
cp --parents Cargo.toml ./*/Cargo.toml ./*/*/Cargo.toml ./*/*/*/Cargo.toml "$scratch" 2>/dev/null
sed -i '/^\[lints\]$/,$d' "$scratch/cli/Cargo.toml"
refuses "twin: a package without them is found" "'cli'" inherits "$scratch"

layers() { python3 tests/lint/layers.py "$1"; }
check "each folder of src uses those below it only, and src/sys alone names the C library" layers .
mkdir -p "$scratch/layers"
plant_line() { # plant_line FILE LINE: a copy of src with that line in front of that file
    rm -rf "$scratch/layers/src"
    cp -r src "$scratch/layers/src"
    { echo "$2" && cat "src/$1"; } >"$scratch/layers/src/$1"
}
plant_line rt/permit.rs 'use libc::c_int;'
refuses "twin: the C library named outside of src/sys is found" "src/rt/permit.rs:1: only src/sys names the C library" layers "$scratch/layers"
plant_line sys/clock.rs 'use crate::rt::arena;'
refuses "twin: a folder that uses one above it is found" "src/sys/clock.rs:1: src/sys uses src/rt" layers "$scratch/layers"
plant_line stats/document.rs 'use crate::{status, worker::queue};'
refuses "twin: a folder among several is found" "src/stats/document.rs:1: src/stats uses src/worker" layers "$scratch/layers"

# Test programs in C count and report through tests/support/check.c alone.
counts_once() { # counts_once FOLDER: no other C file below it prints a summary, or an outcome
    others=$(cd "$1" && grep -rlE '"([^"]*[^"a-z])?passed, %|"(ok|FAIL) ' --include='*.c' --include='*.h' --include='*.cpp' tests examples-c bench |
        grep -vx tests/support/check.c)
    [ -z "$others" ] || { echo "a count of their own: $others"; return 1; }
}
check "test programs in C have one harness" counts_once .
mkdir -p "$scratch/counting/tests/support" "$scratch/counting/examples-c" "$scratch/counting/bench"
echo 'printf("%d passed, %d failed", passed, failed);' >"$scratch/counting/bench/planted.c"
refuses "twin: a second one is found" "bench/planted.c" counts_once "$scratch/counting"

if ! cargo clippy --version >"$scratch/version" 2>&1; then
    echo "clippy is not in this toolchain: the sources were not looked at (rustup component add clippy)"
    finish
    exit
fi
# Other warnings of clippy are advice, and not part of this test.
clippy() { cargo clippy --locked --quiet "$@" -- --allow clippy::all; }
# One run cannot check all packages: the library's entry points and the command exclude each other, see the features in Cargo.toml.
for packages in "rtwasm rtwasm-base rtwasm-enter rtwasm-reports" "rtwasm-compiler rtwasm-cli" "rtwasm-bench rtwasm-headergen rtwasm-model" "rtwasm-property rtwasm-smith"; do
    # shellcheck disable=SC2046 # the options are words
    check "clippy finds nothing that is denied: $packages" clippy --all-targets $(printf -- '-p %s ' $packages)
done
planted=$scratch/planted
mkdir -p "$planted/src"
{
    printf '[package]\nname = "planted"\nversion = "0.0.0"\nedition = "2024"\n\n[lints]\nworkspace = true\n\n'
    sed -n '/^\[workspace\.lints/,/^$/p' Cargo.toml
} >"$planted/Cargo.toml"
plant() { # plant SOURCE: clippy over a package of that source, with the lints of this workspace
    echo "$1" >"$planted/src/lib.rs"
    (cd "$planted" && CARGO_TARGET_DIR=$scratch/target cargo clippy --offline --quiet)
}
check "twin: a block that says why it is sound passes" \
    plant '/// # Safety
/// Readable.
pub unsafe fn f(p: *const u8) -> u8 {
    // SAFETY: the caller sees to it.
    unsafe { *p }
}'
refuses "twin: a block that says nothing is found" "unsafe block missing a safety comment" plant 'pub fn f(p: &u8) -> u8 { unsafe { *(p as *const u8) } }'
refuses "twin: an impl that says nothing is found" "unsafe impl missing a safety comment" plant 'pub struct S(*const u8); unsafe impl Send for S {}'
refuses "twin: an unsafe function without a block is found" "requires unsafe block" plant '/// # Safety
/// Readable.
pub unsafe fn f(p: *const u8) -> u8 { *p }'
finish
