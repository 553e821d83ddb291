/* Shared by the programs about budgets. */
#ifndef RTWASM_TEST_BUDGET_H
#define RTWASM_TEST_BUDGET_H

#include "../support/common.h"
#include "../support/clock.h"

/* The guest `spin`, with an instance whose calls have `budget_ns` where nothing else is said, on this attached thread. The
 * watchdog looks every `tick_ns`; 0 leaves that to the library. */
typedef struct spinner_t {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_func_t *work;
    rtw_status_t inner_status; /* what the last call made from inside answered */
    void (*nothing)(void);     /* what `nothing` does all the same, and `refuse` and `call_work` do first; where not NULL */
    const rtw_status_t *answer; /* what `call_work` answers instead of inner_status, where not NULL */
    bool (*go_on)(void);       /* whether `wait_for_host` is to go on */
} spinner_t;

void open_spinner(spinner_t *spinner, const char *artifact, uint64_t budget_ns, uint64_t tick_ns);
void close_spinner(spinner_t *spinner);

/* The result of the guest's `work`. */
uint32_t worked(uint32_t turns, uint32_t seed);

/* Calls `work` with the given budget; whether it answered that. By `status` where not NULL how the call ended. */
bool works(spinner_t *spinner, uint32_t turns, uint32_t seed, uint64_t budget_ns, rtw_status_t *status);

/* Times in ns, to be told as a distribution. */
typedef struct times_t {
    double *values;
    size_t count, capacity;
} times_t;

void add_time(times_t *times, double value_ns);
/* Prints median, 99th percentile and maximum in us after `what`. Sorts. */
void print_times(times_t *times, const char *what);

/* A number from the environment, or `otherwise`. */
uint64_t number_from_environment(const char *name, uint64_t otherwise);

#endif
