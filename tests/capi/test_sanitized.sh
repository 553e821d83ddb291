#!/bin/sh
# The C API's tests once more, with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer on the C side: what the library
# is handed is watched, also that it frees what it allocates. Run by `make test`.
# Three things do not go together with a sanitizer's own signal stacks, handlers and terabytes of shadow, and are set or left out:
# signal stacks (use_sigaltstack=0), the default action for SIGSEGV, and limits on address space and locked memory.
cd "$(dirname "$0")" || exit 1
root=../..
CAPI_OUT=$root/target/tests/capi-sanitized
CAPI_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
ASAN_OPTIONS=use_sigaltstack=0:allow_user_segv_handler=1:detect_stack_use_after_return=0:abort_on_error=0
UBSAN_OPTIONS=print_stacktrace=1
mkdir -p $root/target/tests
export CAPI_OUT CAPI_FLAGS ASAN_OPTIONS UBSAN_OPTIONS
sh ./test_capi.sh >"$root/target/tests/capi-sanitized.log" 2>&1
status=$?

scratch=$root/target/tests/capi-sanitizers
. ../lib.sh
grep -E '^FAIL |^    ' "$root/target/tests/capi-sanitized.log"
counts=$(tail -n 1 "$root/target/tests/capi-sanitized.log")
passed=$(expr "$counts" : '\([0-9]*\) passed')
failed=$(expr "$counts" : '.* \([0-9]*\) failed')
check "the tests end well under the sanitizers" test $status -eq 0
# The sanitizers are really in: each finds what is planted for it.
planted() { # planted NAME MESSAGE BODY
    printf '#include <rtwasm.h>\n#include <stdlib.h>\nint main(int argc, char **argv) {\n    (void)argv;\n    %s\n}\n' "$3" >"$scratch/$1.c"
    if $CC -std=c99 $CAPI_FLAGS -g -I$root/include "$scratch/$1.c" -o "$scratch/$1" "$RTWASM_LIBDIR/librtwasm.so"; then
        refuses "a planted $1 is found" "$2" "$scratch/$1"
    else
        fail "the planted $1 compiles"
    fi
}
use_uninstalled_library
planted overflow "heap-buffer-overflow" 'char *bytes = malloc(8); rtw_error_t *err = (rtw_error_t *)(void *)bytes; int answer = err->message[argc]; free(bytes); return answer;'
planted leak "LeakSanitizer" 'void *volatile lost = malloc(100); lost = NULL; return rtw_version() == 0 || lost != NULL;'
planted undefined "signed integer overflow" 'int most = 2147483647; return rtw_status_name(most + argc)[0] == 0;'
finish
