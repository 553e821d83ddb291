#!/bin/sh
# The C API's tests once more under valgrind, in the plugin profile: no invalid access, no decision on a value that nobody wrote,
# no lost memory, in the library or in the tests. valgrind runs the guests' code as well, traps included. Run by `make test`.
# Left out: test_carry, which writes to memory that valgrind may have; test_thread, test_signals and test_stack, since under
# valgrind a main thread's stack seems as small as it has been used so far (so the others run on another thread), stacks are not to
# be switched, floating-point modes are ignored and signals are valgrind's; and the standalone profile, which is made of signals.
# Leaks are not looked for in forked children.
cd "$(dirname "$0")" || exit 1
root=../..
# The features that valgrind can emulate everywhere; it does not know AVX-512.
case $(uname -m) in aarch64) CAPI_CPU=lse ;; *) CAPI_CPU=ssse3 ;; esac
CAPI_OUT=$root/target/tests/capi-valgrind
CAPI_PROFILES=plugin
CAPI_ONLY="$(ls test_*.c test_*.cpp | sed 's/\.c[p]*$//' | grep -vxE 'test_carry|test_thread|test_signals|test_stack' | tr '\n' ' ')"
CAPI_RUN="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"
CAPI_FLAGS="-DON_A_THREAD -DUNDER_VALGRIND"
tool=valgrind
. ./variant.sh
# Valgrind checks the library too: it finds there the errors planted in the arguments.
# 64 bytes that speak of 144: an artifact's first 12 bytes, then one section, whose entry in the table is not there.
beginning=$(od -An -v -to1 -N12 "$CAPI_OUT/artifacts/calls.plugin.rtw" | tr -d '\n' | sed 's/ /\\/g')
planted "invalid-read" "Invalid read" "unsigned char header[25] = \"$beginning\\1\\0\\0\\0\\220\\0\\0\\0\\0\\0\\0\\0\"; unsigned char *bytes = calloc(1, 64); for (int i = 0; i < 24; i++) bytes[i] = header[i]; int answer = rtw_module_probe(NULL, bytes, 144, NULL, NULL); free(bytes); return answer == 0;"
planted "unset-value" "uninitialised" 'rtw_runtime_config_t *config = malloc(sizeof *config); rtw_runtime_t *runtime; config->struct_size = sizeof *config; int answer = rtw_runtime_create(config, &runtime, NULL); free(config); return answer == 0;'
planted "leak" "definitely lost" 'void *volatile lost = malloc(100); lost = NULL; return rtw_version() == 0 || lost != NULL;'
finish
