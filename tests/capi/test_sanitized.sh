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
export ASAN_OPTIONS UBSAN_OPTIONS
tool="the sanitizers"
. ./variant.sh
# The sanitizers are really in: each finds what is planted for it.
planted overflow "heap-buffer-overflow" 'char *bytes = malloc(8); rtw_error_t *err = (rtw_error_t *)(void *)bytes; int answer = err->message[argc]; free(bytes); return answer;'
planted leak "LeakSanitizer" 'void *volatile lost = malloc(100); lost = NULL; return rtw_version() == 0 || lost != NULL;'
planted undefined "signed integer overflow" 'int most = 2147483647; return rtw_status_name(most + argc)[0] == 0;'
finish
