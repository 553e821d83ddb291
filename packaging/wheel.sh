#!/bin/sh
# Builds the wheels for Python below target/wheel/dist: rtwasm with the library, rtwasm_compiler with the compiler. zig links them for an
# old glibc, so they run wherever that or a newer one is; what they ask the system for is checked, and written to RESULT.
#   wheel.sh [RESULT]
# Environment: WHEEL_LIB_FLAGS (the compiler's flags for the library), WHEEL_ONLY=library (without the compiler's wheel, which takes longest
# to build: the tests use the compiler in target/tools).
set -eu
cd "$(dirname "$0")/.."
result=${1:-}
glibc=2.28
machine=$(uname -m)
triple=$machine-unknown-linux-gnu
out=target/wheel
tools="cargo-zigbuild==0.24.1 ziglang==0.17.1 setuptools==80.9.0 wheel==0.45.1"
if [ "$(cat "$out/python/packages" 2>/dev/null)" != "$tools" ]; then
    rm -rf "$out/python"
    python3 -m venv "$out/python"
    # shellcheck disable=SC2086 # a list of words
    "$out/python/bin/python" -m pip install --quiet --disable-pip-version-check $tools
    echo "$tools" >"$out/python/packages"
fi
PATH=$(realpath "$out/python/bin"):$PATH
export PATH

# The system's unwinder, and not zig's in the library: exceptions and cancellations that reach a host function unwind through both.
unwinder="-C link-arg=$(${CC:-gcc} -print-file-name=libgcc_s.so.1)"
zig() { cargo-zigbuild rustc --locked --lib --target "$triple.$glibc" --target-dir "$out/build" "$@"; }
# shellcheck disable=SC2086 # lists of words
zig --release --crate-type cdylib -- ${WHEEL_LIB_FLAGS:-} $unwinder
# shellcheck disable=SC2086
[ -n "${WHEEL_ONLY:-}" ] || zig --profile tools -p rtwasm-compiler-library --crate-type cdylib -- $unwinder

# --- the wheels

built=$out/build/$triple
rm -rf "$out/dist" "$out/stage"
mkdir -p "$out/dist" "$out/stage"
cp -r bindings/python "$out/stage/rtwasm"
cp -r bindings/python-compiler "$out/stage/compiler"
for package in rtwasm compiler; do cp LICENSE "$out/stage/$package/"; done
find "$out/stage" -name __pycache__ -prune -exec rm -r {} +
mkdir -p "$out/stage/rtwasm/rtwasm/lib"
strip -o "$out/stage/rtwasm/rtwasm/lib/librtwasm.so.0.1" "$built/release/librtwasm.so"
[ -n "${WHEEL_ONLY:-}" ] || strip -o "$out/stage/compiler/rtwasm_compiler/librtwasm_compiler.so.0.1" "$built/tools/librtwasm_compiler.so"
packages="rtwasm compiler"
[ -z "${WHEEL_ONLY:-}" ] || packages=rtwasm
for package in $packages; do
    (cd "$out/stage/$package" && python -c 'import setuptools; setuptools.setup()' -q bdist_wheel --python-tag py3 \
        --plat-name "manylinux_$(echo $glibc | tr . _)_$machine" --dist-dir ../../dist) 2>"$out/$package.log" || { cat "$out/$package.log"; exit 1; }
done

# --- what they ask the system for

asks() { # asks LIBRARY: the newest version of glibc's symbols that it needs; what it needs beside glibc and libgcc_s is an error
    others=$(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }' | grep -Ev '^(lib(c|m|pthread|dl|rt)\.so\.[0-9]+|libgcc_s\.so\.1|ld-linux[a-z0-9_-]*\.so\.[0-9]+)$' || true)
    [ -z "$others" ] || { echo "$1 needs $others" >&2; return 1; }
    newest=$(objdump -T "$1" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -V | tail -n 1)
    [ "$(printf '%s\n' "$newest" $glibc | sort -V | tail -n 1)" = $glibc ] || { echo "$1 needs glibc $newest" >&2; return 1; }
    echo "$newest"
}
if asks target/release/librtwasm.so >/dev/null 2>"$out/twin.log" || ! grep -q 'needs glibc 2\.[3-9]' "$out/twin.log"; then
    echo "the check does not find that the usual library needs a newer glibc: $(cat "$out/twin.log")" >&2
    exit 1
fi
objdump -p "$out/stage/rtwasm/rtwasm/lib/librtwasm.so.0.1" | grep -q "NEEDED.*libgcc_s.so.1" || { echo "another unwinder is inside" >&2; exit 1; }
summary=$out/result.txt
: >"$summary"
find "$out/stage" -path '*/build/*' -prune -o -name '*.so.0.1' -print | sort >"$out/libraries"
while read -r library; do
    newest=$(asks "$library")
    header=$(basename "$library" .so.0.1 | sed 's/^lib//')
    python3 tests/header/cheader.py function "include/$header.h" >"$out/declared"
    nm -D --defined-only "$library" | awk '{ print $NF }' | LC_ALL=C sort >"$out/exported"
    diff "$out/declared" "$out/exported"
    objdump -p "$library" | grep -q "SONAME.*lib$header.so.0.1" || { echo "$library has no SONAME" >&2; exit 1; }
    needed=$(objdump -p "$library" | awk '$1 == "NEEDED" { printf "%s ", $2 }')
    echo "$(basename "$library"): $(stat -c %s "$library") bytes, needs glibc $newest and ${needed% }; exports the $(wc -l <"$out/declared") functions of $header.h" >>"$summary"
done <"$out/libraries"

# --- they work where they are installed, and nowhere else do the tests look for the libraries

uses=$(sed -n 's/^python_of python-bindings \(.*\) ||$/\1/p' tests/packages.sh)
wanted="rtwasm[compiler]"
[ -z "${WHEEL_ONLY:-}" ] || wanted=rtwasm
rm -rf "$out/installed"
python3 -m venv "$out/installed"
# shellcheck disable=SC2086 # a list of words
"$out/installed/bin/python" -m pip install --quiet --disable-pip-version-check $uses
"$out/installed/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$out/dist" "$wanted"
RTWASM_COMPILER_LIBRARY=$(realpath target/tools/librtwasm_compiler.so)
[ -n "${WHEEL_ONLY:-}" ] || RTWASM_COMPILER_LIBRARY=
export RTWASM_COMPILER_LIBRARY
env -u RTWASM_LIBRARY -u PYTHONPATH -u LD_LIBRARY_PATH timeout 600 "$out/installed/bin/python" \
    tests/bindings/test_python.py >"$out/test.log" || { grep -A 12 FAIL "$out/test.log"; exit 1; }
echo "tests/bindings/test_python.py in an environment with the wheels alone: $(tail -n 1 "$out/test.log")" >>"$summary"
cat "$summary"
ls -l "$out/dist"
if [ -n "$result" ]; then
    {
        echo "make wheel${WHEEL_ONLY:+ without the wheel of the compiler}, $(date -u +%Y-%m-%d), $machine, $(rustc --version | cut -d ' ' -f 1,2), $(echo "$tools" | cut -d ' ' -f 1,2)"
        echo
        cat "$summary"
    } >"$result"
fi
