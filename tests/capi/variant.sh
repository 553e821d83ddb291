# Runs the C API's tests once more, under a tool. To be sourced by a script that has set CAPI_OUT and others of test_capi.sh's
# variables, and `tool`, what it is called; then the script plants what the tool has to find, and calls `finish`.
: "${CAPI_OUT:?the sourcing script sets CAPI_OUT}" "${tool:?the sourcing script sets tool}"
export CAPI_FLAGS CAPI_CPU CAPI_OUT CAPI_PROFILES CAPI_ONLY CAPI_RUN
mkdir -p "$(dirname "$CAPI_OUT")"
sh ./test_capi.sh >"$CAPI_OUT.log" 2>&1
status=$?

scratch=$CAPI_OUT-planted
. ../lib.sh
grep -E '^FAIL |^    ' "$CAPI_OUT.log"
counts=$(tail -n 1 "$CAPI_OUT.log")
passed=$(expr "$counts" : '\([0-9]*\) passed')
failed=$(expr "$counts" : '.* \([0-9]*\) failed')
check "the tests end well under $tool" test $status -eq 0

use_uninstalled_library
planted() { # planted NAME MESSAGE BODY: the tool finds it in a program whose main is BODY
    printf '#include <rtwasm.h>\n#include <stdlib.h>\nint main(int argc, char **argv) {\n    (void)argc, (void)argv;\n    %s\n}\n' "$3" >"$scratch/$1.c"
    if $CC -std=c99 $CAPI_FLAGS -g -I$root/include "$scratch/$1.c" -o "$scratch/$1" "$RTWASM_LIBDIR/librtwasm.so"; then
        refuses "a planted $1 is found" "$2" $CAPI_RUN "$scratch/$1"
    else
        fail "the planted $1 compiles"
    fi
}
