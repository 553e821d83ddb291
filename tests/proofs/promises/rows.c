#include "rows.h"

#include "../../support/float_mode.h"
#include "around.h"
#include "calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define FLOAT_CONTROL "MXCSR and x87 control"
#else
#define FLOAT_CONTROL "FPCR"
#endif

/* ---- planted violations */

static bool registers_caught(void)
{
    for (size_t i = 0; i < SAVED_REGISTERS; i++) {
        uint32_t changed = 0;
        guarded_call(clobbering[i], NULL, NULL, 0, &changed);
        if (changed != 1u << i)
            return false;
    }
    return true;
}

static rtw_status_t flip_flushing(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    (void)func, (void)values, (void)count;
    write_float_mode(read_float_mode() ^ FLUSH_BITS);
    return RTW_OK;
}

/* Plants the change beside the call, since a call undoes the changes of its host functions before it returns. */
static bool flushing_caught(void)
{
    uint32_t changed = 0;
    guarded_call(flip_flushing, NULL, NULL, 0, &changed);
    flip_flushing(NULL, NULL, 0);
    return changed == CHANGED_FLOAT;
}

/* True if the observers have seen the violation. */
static bool planted[NONE];

void plant_all(host_t *host)
{
    planted[ALLOCATE] = plant_in_call(host, ALLOCATE).allocations > 0;
    planted[LOCK] = plant_in_call(host, LOCK).locks > 0;
    planted[SYSTEM_CALL] = plant_in_call(host, SYSTEM_CALL).system_calls > 0;
    planted[TOUCH] = plant_in_call(host, TOUCH).minor_faults > 0;
    planted[TOUCH_FILE] = !host->file || plant_in_call(host, TOUCH_FILE).major_faults > 0;
    planted[SLEEP] = plant_in_call(host, SLEEP).switches > 0;
    planted[SET_ERRNO] = plant_in_call(host, SET_ERRNO).errno_changes > 0;
    planted[SET_MASK] = plant_in_call(host, SET_MASK).mask_changes > 0;
#if defined(__x86_64__)
    planted[SET_X87] = (plant_in_call(host, SET_X87).changed & CHANGED_X87) != 0;
#else
    planted[SET_X87] = true; /* there is none */
#endif
}

/* ---- rows */

/* All that was found, as a text. */
static const char *tell(const findings_t *f)
{
    static char evidence[512];
    snprintf(evidence, sizeof evidence,
             "allocations %" PRIu64 "%s%s, locks %" PRIu64 "%s%s, system calls %" PRIu64 " (first %ld), faults %" PRIu64 "+%" PRIu64
             ", switches %" PRIu64 ", errno %" PRIu64 ", mask %" PRIu64 ", registers %#x, wrong answers %" PRIu64,
             f->allocations, f->first_allocation ? " " : "", f->first_allocation ? f->first_allocation : "", f->locks,
             f->first_lock ? " " : "", f->first_lock ? f->first_lock : "", f->system_calls, f->first_system_call, f->minor_faults,
             f->major_faults, f->switches, f->errno_changes, f->mask_changes, f->changed, f->wrong);
    return evidence;
}

void warm_up_observers(void)
{
    findings_t none;
    memset(&none, 0, sizeof none);
    section_begin();
    section_end(&none);
    tell(&none);
}

void path_row(const char *path, const char *promise, const char *how, const findings_t *found, bool holds, bool seen)
{
    const bool kept = holds && found->wrong == 0;
    char what[128];
    snprintf(what, sizeof what, "%s, %s", path, how);
    row(promise, what, found->calls, kept, caught(seen), "%s", kept ? "" : tell(found));
}

void path_rows(const char *path, const findings_t *f)
{
    if (beside()) {
        path_row(path, "waits for no lock", "modules loaded beside", f, f->system_calls == 0 && f->switches == 0,
                 planted[SYSTEM_CALL] && planted[SLEEP]);
        return;
    }
    if (at_rest()) {
        path_row(path, "allocates nothing", "malloc interposer", f, f->allocations == 0, planted[ALLOCATE]);
        path_row(path, "locks nothing", "pthread interposer", f, f->locks == 0, planted[LOCK]);
        path_row(path, "no system call", "seccomp filter", f, f->system_calls == 0, planted[SYSTEM_CALL]);
        path_row(path, "errno as before", "sentinel", f, f->errno_changes == 0, planted[SET_ERRNO]);
        path_row(path, "signal mask as before", "rt_sigprocmask", f, f->mask_changes == 0, planted[SET_MASK]);
        path_row(path, FLOAT_CONTROL " as before", "assembly wrapper", f, (f->changed & (CHANGED_FLOAT | CHANGED_X87)) == 0,
                 flushing_caught() && planted[SET_X87]);
        path_row(path, "callee-saved registers as before", "assembly wrapper", f,
                 (f->changed & (CHANGED_REGISTERS | CHANGED_DIRECTION)) == 0, registers_caught());
    }
    path_row(path, pressed() ? "no page fault under memory pressure" : "no page fault", "getrusage of the thread", f,
             f->minor_faults == 0 && f->major_faults == 0, planted[TOUCH] && planted[TOUCH_FILE]);
    path_row(path, pressed() ? "keeps the CPU under memory pressure" : "keeps the CPU", "voluntary switches", f, f->switches == 0,
             planted[SLEEP]);
}
