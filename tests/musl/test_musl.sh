#!/bin/sh
# The C API's tests in programs for musl, which the static library is linked into: statically, so that nothing of glibc is near. And
# which glibc the shared libraries and the command need. Run by `make test-musl`.
# Environment: as for tests/capi/test_capi.sh.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/musl
. ../lib.sh
libdir=$(realpath "$RTWASM_LIBDIR")
shim=$(realpath "$root/packaging/musl/rtwasm_musl.c")

# ---- the oldest glibc ----
# For aarch64: tests/aarch64/test_glibc.sh.
. ../support/glibc.sh
check_glibc "$MACHINE" "$libdir/librtwasm.so" "$RTWASM" "$(dirname "$RTWASM")/librtwasm_compiler.so"

# ---- musl ----
if ! command -v musl-gcc >/dev/null; then
    skip "programs for musl: there is no musl-gcc"
    finish
    exit
fi
# A library that was built without optimisation at link time still names functions of glibc in what nobody calls.
# Panics need the table of frames, which gcc leaves out of static programs. musl gives threads 128 KiB of stack unless the program asks
# for more, which is too little for guests.
archive="$libdir/librtwasm.a $(realpath "$scratch")/rtwasm_musl.o -Wl,--eh-frame-hdr -Wl,--gc-sections -Wl,-z,stack-size=1048576 -lgcc_eh -lm"
link_alone() { musl-gcc -std=c99 -I$root/include $root/examples-c/minimal/minimal.c "$libdir/librtwasm.a" -lgcc_eh -lm -o "$scratch/alone"; }
refuses "twin: without rtwasm_musl.c it does not link" "_dl_find_object" link_alone
check "rtwasm_musl.c" musl-gcc -std=c11 $C_WARNINGS -O1 -c "$shim" -o "$scratch/rtwasm_musl.o"
programs=$(cd ../capi && ls test_*.c | sed 's/\.c$//' | grep -vx test_stack)
skip "test_stack: musl has no makecontext"

# ---- an artifact does not care which C library its host has ----
"$RTWASM" compile -q $root/guests/built/minimal.wasm -o "$scratch/same.rtw" || fail "the guest compiles"
build_host() { # build_host OUT LIBRARY COMPILER...
    out=$1 library=$2
    shift 2
    "$@" -std=c99 -I$root/include $root/examples-c/minimal/minimal.c $library -o "$scratch/$out"
}
check "a host with glibc" build_host host-glibc "$libdir/librtwasm.so -Wl,-rpath,$libdir" $CC
check "a host with musl" build_host host-musl "$archive" musl-gcc -static
for host in glibc musl; do
    check "it loads the artifact and calls it: $host" sh -c "'$scratch/host-$host' '$scratch/same.rtw' | head -n 1 >'$scratch/$host.out' && grep -q frames '$scratch/$host.out'"
done
check "both compute the same" cmp "$scratch/glibc.out" "$scratch/musl.out"
links_glibc() { nm "$scratch/host-$1" | grep -q 'GLIBC_' || { echo "no glibc"; return 1; }; }
check "the one has glibc" links_glibc glibc
refuses "twin: the other has not" "no glibc" links_glibc musl

# ---- the C API ----
adopt "the C API with musl" env CC="musl-gcc -static" CAPI_OUT="$root/target/tests/capi-musl" CAPI_ONLY="$(echo $programs)" \
    CAPI_LIBRARY="$archive" ../capi/test_capi.sh
finish
