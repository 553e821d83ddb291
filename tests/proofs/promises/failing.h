/* Calls that fail, in every way in which a call can, and calls of what has failed. */
#ifndef RTWASM_PROMISES_FAILING_H
#define RTWASM_PROMISES_FAILING_H

#include "../section.h"

/* Makes an instance for each way to fail, and prepares it. */
void set_up_failing(rtw_module_t *module);
/* Makes `faults` faults, each with a call of what has faulted in its section; then resets the instance, which is not watched. */
void failing_calls(findings_t *findings, uint64_t faults);

/* Returns the most that a fault took of the thread's arena. */
uint64_t fault_peak_bytes(void);
/* Prints the times of the faults as measurements; `scheduling` is that of their thread. */
void print_fault_times(const char *scheduling);

#endif
