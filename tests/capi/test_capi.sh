#!/bin/sh
# The C API's tests: builds them, makes their artifacts, runs them in both profiles. Run by `make test`.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CXX, CLANG, CLANGXX; and for the variants
# (test_sanitized.sh, test_valgrind.sh): CAPI_FLAGS (more for the compiler), CAPI_OUT (where everything goes), CAPI_RUN (what
# programs are run under), CAPI_CPU (for which artifacts are made), CAPI_PROFILES, CAPI_ONLY (programs to run instead of all),
# CAPI_LIBRARY (what they are linked with instead of the shared library).
cd "$(dirname "$0")" || exit 1
root=../..
scratch=${CAPI_OUT:-$root/target/tests/capi}
. ../lib.sh
use_uninstalled_library
library=${CAPI_LIBRARY:-$RTWASM_LIBDIR/librtwasm.so}
build=$scratch/build
artifacts=$scratch/artifacts
mkdir -p "$build" "$artifacts"

programs=$(ls test_*.c | sed 's/\.c$//')
[ -z "$CAPI_ONLY" ] || programs=$(echo " $CAPI_ONLY " | sed 's/ test_cpp / /')
C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread $CAPI_FLAGS"
CXX_FLAGS="-std=c++17 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread $CAPI_FLAGS"

# ---- artifacts ----
for key in first second third; do
    "$RTWASM" keygen "$scratch/$key" >"$scratch/keygen.log" || fail "keys can be made"
    cp "$scratch/$key.pub" "$artifacts"
done
case $MACHINE in aarch64) other=x86_64 featured=lse ;; *) other=aarch64 featured=sse3 ;; esac
for profile in standalone plugin; do
    for guest in guests/*.wat guests/*.wasm "$root/guests/built/drive.wasm" "$root/guests/built/tone.wasm"; do
        "$RTWASM" compile -q --cpu "${CAPI_CPU:-native}" "$guest" -o "$artifacts/$(basename "${guest%.*}").$profile.rtw" --profile $profile || fail "$guest for $profile"
    done
    "$RTWASM" compile -q --cpu $featured guests/calls.wat -o "$scratch/featured.$profile.rtw" --profile $profile || fail "calls.wat for $featured"
    cp "$artifacts/calls.$profile.rtw" "$artifacts/signed.$profile.rtw"
    "$RTWASM" sign "$artifacts/signed.$profile.rtw" --key "$scratch/first.key" --key "$scratch/second.key" >"$scratch/sign.log" || fail "calls.wat is signed for $profile"
    python3 forge.py "$artifacts/calls.$profile.rtw" "$artifacts/forged.$profile" "$scratch/featured.$profile.rtw" "$artifacts/signed.$profile.rtw" ||
        fail "forged artifacts for $profile"
    # The emulated machine has no Python, and reads files slowly.
    if [ -n "$INSIDE" ]; then
        DAMAGED=300
        export DAMAGED
        python3 forge.py "$artifacts/calls.$profile.rtw" - $DAMAGED 1 >"$artifacts/damaged.$profile" || fail "damaged artifacts for $profile"
    fi
done
for tree in ../doctor/fixtures/*.tree; do
    python3 ../doctor/tree.py unpack $tree "$artifacts/machines/$(basename $tree .tree)" || fail "$tree is unpacked"
done
check "a guest compiles for $other" "$RTWASM" compile -q guests/calls.wat -o "$artifacts/calls.other-target.rtw" --target $other-unknown-linux-gnu

# ---- programs ----
objects=
for source in $harness; do
    object=$build/$(basename $source .c).o
    $CC $C_FLAGS -c $source -o "$object" || fail "$source compiles"
    objects="$objects $object"
done
for source in $programs; do
    $CC $C_FLAGS -c $source.c -o "$build/$source.o" || fail "$source.c compiles"
done
with_cpp() { case "${CAPI_ONLY:-test_cpp}" in *test_cpp*) ;; *) return 1 ;; esac }
for program in $programs; do
    $CC $CAPI_FLAGS -pthread "$build/$program.o" $objects -o "$build/$program" $library -lm || fail "$program links"
done
if with_cpp; then
    $CXX $CXX_FLAGS -c test_cpp.cpp -o "$build/test_cpp.o" || fail "test_cpp.cpp compiles"
    $CXX $CAPI_FLAGS -pthread "$build/test_cpp.o" $objects -o "$build/test_cpp" $library || fail "test_cpp links"
fi
[ "$failed" -eq 0 ] || { finish; exit 1; }

STATUSES_FILE=$scratch/statuses
export STATUSES_FILE
: >"$STATUSES_FILE"
for profile in ${CAPI_PROFILES:-standalone plugin}; do
    for program in ${CAPI_ONLY:-$programs test_cpp}; do
        adopt "$program $profile" $CAPI_RUN "$build/$program" $profile "$artifacts"
    done
done

# ---- what the tests leave out ----
if [ -z "$CAPI_ONLY$CAPI_FLAGS$CAPI_RUN$INSIDE" ]; then
    for source in $harness $(ls test_*.c); do
        check "$(basename $source) with clang" $CLANG $C_FLAGS -fsyntax-only $source
    done
    check "test_cpp.cpp with clang++" $CLANGXX $CXX_FLAGS -fsyntax-only test_cpp.cpp
    check "every function of the header is called" python3 check_coverage.py functions "$root/include/rtwasm.h" "$build"/*.o
    check "every status that can come was seen" python3 check_coverage.py statuses "$root/include/rtwasm.h" "$STATUSES_FILE" "$root"
    refuses "a function that no test calls is found" "rtw_invoke" python3 check_coverage.py functions "$root/include/rtwasm.h" "$build/test_runtime.o"
    grep -v RTW_ERR_BUSY "$STATUSES_FILE" >"$scratch/fewer"
    refuses "a status that no test saw is found" "RTW_ERR_BUSY" python3 check_coverage.py statuses "$root/include/rtwasm.h" "$scratch/fewer" "$root"
    { cat "$STATUSES_FILE" && echo RTW_ERR_WASM; } >"$scratch/more"
    refuses "a status that is left out and was seen is found" "RTW_ERR_WASM is seen here" \
        python3 check_coverage.py statuses "$root/include/rtwasm.h" "$scratch/more" "$root"
    refuses "so is one that the other suite does not see" "RTW_ERR_WASM is not seen in cli/tests" \
        python3 check_coverage.py statuses "$root/include/rtwasm.h" "$STATUSES_FILE" "$scratch"
fi
finish
