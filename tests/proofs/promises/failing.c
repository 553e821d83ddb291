#include "failing.h"

#include "../../support/clock.h"
#include "../../support/numbers.h"
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

/* One way to fail. */
typedef struct failure_t {
    const char *function;
    rtw_status_t status;
    rtw_instance_t *instance;
    rtw_func_t *func;
} failure_t;

static failure_t failures[] = {
    {"unreachable", RTW_ERR_TRAP_UNREACHABLE, NULL, NULL},
    {"outside", RTW_ERR_TRAP_MEMORY, NULL, NULL},
    {"fill_outside", RTW_ERR_TRAP_MEMORY, NULL, NULL},
    {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO, NULL, NULL},
    {"overflow", RTW_ERR_TRAP_INTEGER_OVERFLOW, NULL, NULL},
    {"convert", RTW_ERR_TRAP_BAD_CONVERSION, NULL, NULL},
    {"too_large", RTW_ERR_TRAP_INTEGER_OVERFLOW, NULL, NULL},
    {"call_null", RTW_ERR_TRAP_INDIRECT_CALL, NULL, NULL},
    {"call_other", RTW_ERR_TRAP_INDIRECT_CALL, NULL, NULL},
    {"call_outside", RTW_ERR_TRAP_TABLE, NULL, NULL},
    {"recurse", RTW_ERR_TRAP_STACK, NULL, NULL},
    {"refuse", RTW_ERR_HOST, NULL, NULL},
    {"nested", RTW_ERR_HOST, NULL, NULL},
};
enum { FAILURES = sizeof failures / sizeof failures[0] };
static host_t hosts[FAILURES];

/* The times of faults, in ns; those that waited for the engine's lock, which takes a system call, are separate. */
static double *fault_ns, *waited_ns;
static size_t fault_count, waited_count;

void set_up_failing(rtw_module_t *module)
{
    for (size_t i = 0; i < FAILURES; i++) {
        failure_t *failure = &failures[i];
        failure->instance = instance_of(module, &hosts[i], 0);
        failure->func = look_up(failure->instance, failure->function, NULL);
        /* Nothing has failed yet: no dry call does. */
        prepare_instance(failure->instance);
    }
}

void failing_calls(findings_t *findings, uint64_t faults)
{
    fault_ns = calloc(faults, sizeof *fault_ns);
    waited_ns = calloc(faults, sizeof *waited_ns);
    NEED(fault_ns && waited_ns, "no memory");
    rtw_error_t err;
    for (uint64_t i = 0; i < faults; i++) {
        failure_t *failure = &failures[i % FAILURES];
        rtw_value_t value = {.i32 = 1};
        const uint64_t before = findings->system_calls;
        section_begin();
        const uint64_t started = now_ns();
        expect(findings, guarded_call(rtw_invoke, failure->func, &value, 1, &findings->changed) == failure->status);
        const double took = (double)(now_ns() - started);
        expect(findings, guarded_call(rtw_invoke, failure->func, &value, 1, &findings->changed) == RTW_ERR_FAULTED);
        section_end(findings);
        if (findings->system_calls == before)
            fault_ns[fault_count++] = took;
        else
            waited_ns[waited_count++] = took;
        OK(rtw_instance_reset(failure->instance, &err), err);
    }
}

uint64_t fault_peak_bytes(void)
{
    uint64_t peak = 0;
    for (size_t i = 0; i < FAILURES; i++) {
        const uint64_t bytes = stats_of_func(failures[i].func).arena_peak_bytes;
        if (bytes > peak)
            peak = bytes;
    }
    return peak;
}

void print_fault_times(const char *scheduling)
{
    sort_numbers(fault_ns, fault_count);
    sort_numbers(waited_ns, waited_count);
    printf("measured\t%s: %zu faults of a thread with %s scheduling, beside one that loads modules, without a wait: median %.1f us, "
           "99.9 %% %.1f us, most %.1f us\n",
           profile_name, fault_count, scheduling, quantile(fault_ns, fault_count, 0.5) / 1000,
           quantile(fault_ns, fault_count, 0.999) / 1000, quantile(fault_ns, fault_count, 1) / 1000);
    printf("measured\t%s: %zu that waited for the engine's lock: median %.1f us, most %.1f us\n", profile_name, waited_count,
           quantile(waited_ns, waited_count, 0.5) / 1000, quantile(waited_ns, waited_count, 1) / 1000);
}
