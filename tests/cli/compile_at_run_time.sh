#!/bin/sh
# Compiling at run time: builds compile_at_run_time.c and compiler_limits.c and runs them; looks at what librtwasm_compiler.so exports
# and calls itself; compares the compiler's table of slow instructions with the code generator.
# Environment: RTWASM, RTWASM_LIBDIR, CC, CLANG.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/cli
. ../lib.sh
use_uninstalled_library
library=$RTWASM_LIBDIR/librtwasm.so
compiler=$(dirname "$RTWASM")/librtwasm_compiler.so
[ -f "$compiler" ] || { echo "FAIL $compiler is missing: build it first"; exit 1; }

exported=$(nm -D --defined-only "$compiler" | awk '{ print $3 }' | LC_ALL=C sort | tr '\n' ' ')
check "librtwasm_compiler.so exports: $exported" \
    test "$exported" = 'rtw_compile rtw_compile_free rtw_compile_options_init_sized rtw_recompile '
dynamic=$(readelf -d "$compiler")
soname=$(echo "$dynamic" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
case $soname in
librtwasm_compiler.so.*) ok "librtwasm_compiler.so has a SONAME" ;;
*) fail "librtwasm_compiler.so has SONAME '$soname'" ;;
esac
if echo "$dynamic" | grep -q 'FLAGS_1.*NOW.*NODELETE'; then
    ok "librtwasm_compiler.so is linked with -z now -z nodelete"
else
    fail "librtwasm_compiler.so is linked with -z now -z nodelete"
fi
# Under its SONAME, as an installation would have it.
ln -sf "$(realpath "$compiler")" "$scratch/lib/$soname"

C_FLAGS="-std=c99 $C_WARNINGS -I$root/include -pthread"
reports=
for source in check child start statuses; do
    $CC $C_FLAGS -D_GNU_SOURCE -c "$support/$source.c" -o "$scratch/$source.o" || fail "$source.c compiles"
    reports="$reports $scratch/$source.o"
done
for cc in $CC $CLANG; do
    command -v "$cc" >/dev/null || continue
    check "compile_at_run_time.c with $cc" "$cc" $C_FLAGS compile_at_run_time.c $reports -o "$scratch/compile_at_run_time" "$compiler" "$library"
    for order in compiler-first runtime-first; do
        # A setting that is compared on load has its default in this variable.
        for details in 0 1; do
            export WASMTIME_BACKTRACE_DETAILS=$details
            adopt "$cc, $order, WASMTIME_BACKTRACE_DETAILS=$details" "$scratch/compile_at_run_time" "$order"
        done
    done
done
unset WASMTIME_BACKTRACE_DETAILS
check "compiler_limits.c" $CC $C_FLAGS compiler_limits.c $reports -o "$scratch/compiler_limits" "$compiler" "$library"
adopt limits "$scratch/compiler_limits"

# The compiler's table of slow instructions is what the code generator does; a row that is wrong or missing is found.
if [ "$(uname -m)" = x86_64 ]; then
    table=$root/compiler/src/slow.rs
    check "slow.rs says what the code generator does" python3 slow_instructions.py "$RTWASM" "$scratch/slow" "$table"
    sed 's/"has_sse42", Long/"has_sse42", Call/' "$table" >"$scratch/wrong.rs"
    sed '/"f64x2.floor"/d' "$table" >"$scratch/missing.rs"
    for twin in wrong missing; do
        if python3 slow_instructions.py "$RTWASM" "$scratch/slow" "$scratch/$twin.rs" >"$scratch/log"; then
            fail "a row that is $twin is found"
        else
            ok "a row that is $twin is found"
        fi
    done
fi
finish
