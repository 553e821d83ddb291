/* Calls that succeed: of functions of all sorts, with values and without, on the thread's own stack and on another one; calls of the
 * host from the guest and back; looks into the guest's memory. */
#ifndef RTWASM_PROMISES_CALLS_H
#define RTWASM_PROMISES_CALLS_H

#include "../section.h"
#include "host.h"

/* Attaches the calling thread with its other stack; with real-time scheduling, if that is wanted and permitted. Returns whether the
 * thread has that. */
bool attach_with_stack(rtw_runtime_t *runtime, bool real_time);
/* Makes the instance, and prepares it. Returns its func that calls the host. */
rtw_func_t *set_up_calls(rtw_module_t *module, host_t *host, rtw_prepare_report_t *report);

/* Makes `calls` calls of each sort, in one section. */
void good_calls(findings_t *findings, uint64_t calls);
/* Calls a func that calls the host, which looks into the guest's memory and calls the guest; the i-th such call. */
void host_call(rtw_func_t *ask, findings_t *findings, uint64_t i);
/* Makes one call in which the host commits a violation, and returns what the observers saw. */
findings_t plant_in_call(host_t *host, violation_t violation);

/* Counts a call, and whether its outcome is right. */
static inline void expect(findings_t *findings, bool held)
{
    findings->calls++;
    findings->wrong += !held;
}

#endif
