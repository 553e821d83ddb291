#!/bin/sh
# Builds compile_at_run_time.c with each C compiler that is there and runs it; looks at what librtwasm_compiler.so exports
# and calls itself.
#   RTWASM_LIB           directory of librtwasm.so           (default target/release)
#   RTWASM_COMPILER_LIB  directory of librtwasm_compiler.so  (default target/tools)
set -eu
cd "$(dirname "$0")/../.."
lib=${RTWASM_LIB:-target/release}
compiler_lib=${RTWASM_COMPILER_LIB:-target/tools}
out=target/tests-cli
mkdir -p "$out"

fail() {
    echo "compile_at_run_time: $*" >&2
    exit 1
}

for file in "$lib/librtwasm.so" "$compiler_lib/librtwasm_compiler.so"; do
    [ -f "$file" ] || fail "$file is missing: build it first"
done

exported=$(nm -D --defined-only "$compiler_lib/librtwasm_compiler.so" | awk '{ print $3 }' | LC_ALL=C sort | tr '\n' ' ')
expected='rtw_compile rtw_compile_free rtw_compile_options_init_sized rtw_recompile '
[ "$exported" = "$expected" ] || fail "exported symbols: $exported; expected: $expected"

dynamic=$(readelf -d "$compiler_lib/librtwasm_compiler.so")
soname=$(echo "$dynamic" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
case $soname in
    librtwasm_compiler.so.*) ;;
    *) fail "librtwasm_compiler.so has SONAME '$soname'" ;;
esac
echo "$dynamic" | grep -q 'FLAGS_1.*NOW.*NODELETE' || fail "librtwasm_compiler.so is not linked with -z now -z nodelete"

# Under their SONAMEs, as an installation would have them.
ln -sf "$(readlink -f "$lib/librtwasm.so")" "$out/$(readelf -d "$lib/librtwasm.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"
ln -sf "$(readlink -f "$compiler_lib/librtwasm_compiler.so")" "$out/$soname"

built=0
passed=0
for cc in gcc clang-19; do
    command -v "$cc" >/dev/null || continue
    "$cc" -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude tests/cli/compile_at_run_time.c \
        -o "$out/compile_at_run_time" -L"$compiler_lib" -L"$lib" -lrtwasm_compiler -lrtwasm -pthread
    for order in compiler-first runtime-first; do
        # A setting that is compared on load has its default in this variable.
        for details in 0 1; do
            WASMTIME_BACKTRACE_DETAILS=$details LD_LIBRARY_PATH=$out "$out/compile_at_run_time" "$order" >"$out/log" 2>&1 || {
                status=$?
                cat "$out/log" >&2
                fail "built with $cc, $order, WASMTIME_BACKTRACE_DETAILS=$details: status $status"
            }
            held=$(grep -c '^ok' "$out/log")
            passed=$((passed + held))
            echo "ok $cc, $order, WASMTIME_BACKTRACE_DETAILS=$details: $held checks hold"
        done
    done
    built=$((built + 1))
done
[ "$built" -gt 0 ] || fail "no C compiler found"

"$cc" -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude tests/cli/compiler_limits.c \
    -o "$out/compiler_limits" -L"$compiler_lib" -L"$lib" -lrtwasm_compiler -lrtwasm -pthread
LD_LIBRARY_PATH=$out "$out/compiler_limits" >"$out/log" 2>&1 || {
    status=$?
    cat "$out/log" >&2
    fail "compiler_limits: status $status"
}
held=$(grep -c '^ok' "$out/log")
passed=$((passed + held))
echo "ok limits: $held checks hold"

# The compiler's table of slow instructions is what the code generator does; a row that is wrong or missing is found.
if [ "$(uname -m)" = x86_64 ]; then
    table=compiler/src/slow.rs
    python3 tests/cli/slow_instructions.py target/tools/rtwasm "$out/slow" $table || fail "$table differs from the code generator"
    sed 's/"has_sse42", Long/"has_sse42", Call/' $table >"$out/wrong.rs"
    sed '/"f64x2.floor"/d' $table >"$out/missing.rs"
    for twin in wrong missing; do
        if python3 tests/cli/slow_instructions.py target/tools/rtwasm "$out/slow" "$out/$twin.rs" >"$out/log"; then
            fail "twin: a row that is $twin was not found"
        fi
    done
    passed=$((passed + 3))
fi
echo "$passed passed, 0 failed"
