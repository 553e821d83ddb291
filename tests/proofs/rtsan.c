/* The same calls under RealtimeSanitizer, which ends a process whose non-blocking functions allocate, lock or make system calls, in
 * this program and in all that it calls by way of the C library. For clang 20 or later with -fsanitize=realtime.
 *
 *   rtsan PROFILE FOLDER          good and failing calls
 *   rtsan PROFILE FOLDER violate  the same with a host function that allocates: the sanitizer must end it */
#include "proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__has_feature) || !__has_feature(realtime_sanitizer)
#error "build with clang -fsanitize=realtime"
#endif

static rtw_func_t *inner;
static bool violating;
static void *volatile kept;

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    int32_t *word = rtw_instance_memory_at(instance, 1024, 4);
    if (!word)
        return -1;
    if (violating) {
        kept = malloc(64);
        free(kept);
    }
    return rtw_invoke(inner, values, 1);
}

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    return values[0].i32;
}

/* A real-time thread's work in a period. */
static rtw_status_t period(rtw_func_t *func, rtw_value_t *values, size_t count) __attribute__((nonblocking))
{
    return rtw_invoke(func, values, count);
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    violating = strcmp(mode, "violate") == 0;
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_module_t *module = load(runtime, "work");
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", answer, NULL, NULL, 0, &err), err);
    rtw_instance_t *instance = new_instance(module, imports, 0);
    inner = look_up(instance, "inner", NULL);
    prepare_instance(instance);

    rtw_func_t *ask = look_up(instance, "ask", NULL);
    const uint64_t calls = proof_calls();
    uint64_t wrong = 0;
    rtw_value_t values[2];
    for (uint64_t i = 0; i < calls; i++) {
        values[0].i32 = 1;
        wrong += period(ask, values, 1) != RTW_OK || values[0].i32 != 2;
    }

    static const char *const names[] = {"unreachable", "outside", "divide", "call_null", "recurse", "refuse"};
    enum { KINDS = sizeof names / sizeof names[0] };
    rtw_func_t *failing[KINDS];
    for (int i = 0; i < KINDS; i++)
        failing[i] = look_up(instance, names[i], NULL);
    const uint64_t faults = proof_faults();
    for (uint64_t i = 0; i < faults; i++) {
        values[0].i32 = 1;
        wrong += period(failing[i % KINDS], values, 1) == RTW_OK;
        OK(rtw_instance_reset(instance, &err), err);
    }
    check(wrong == 0, "%" PRIu64 " calls and %" PRIu64 " faults under RealtimeSanitizer, %" PRIu64 " with a wrong answer", calls, faults, wrong);
    return check_summary();
}
