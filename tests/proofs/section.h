/* A section: the stretch of a real-time thread in which nothing of what is promised not to happen may happen. While one is
 * open the thread is watched by all observers at once. */
#ifndef RTWASM_PROOF_SECTION_H
#define RTWASM_PROOF_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtwasm.h"

/* Bits of what a call changed and should not have. */
enum {
    CHANGED_RBX = 1,
    CHANGED_RBP = 2,
    CHANGED_R12 = 4,
    CHANGED_R13 = 8,
    CHANGED_R14 = 16,
    CHANGED_R15 = 32,
    CHANGED_MXCSR = 64,
    CHANGED_X87 = 128,
    CHANGED_DIRECTION = 256,
    CHANGED_REGISTERS = 63
};

/* Events in sections. */
typedef struct findings_t {
    uint64_t calls;
    uint64_t allocations;
    const char *first_allocation;
    uint64_t locks;
    const char *first_lock;
    uint64_t system_calls;
    long first_system_call;
    uint64_t minor_faults;
    uint64_t major_faults;
    uint64_t switches;    /* voluntary ones */
    uint64_t errno_changes;
    uint64_t mask_changes;
    uint32_t changed;     /* CHANGED_ bits */
    uint64_t wrong;       /* calls that did not answer what they should */
} findings_t;

/* Watches the calling thread's system calls from now on; there is no way back. Threads are made before. */
void watch_system_calls(void);

/* Opens and closes a section; what happened in between is added up. */
void section_begin(void);
void section_end(findings_t *findings);

typedef rtw_status_t (*called_t)(rtw_func_t *func, rtw_value_t *values, size_t count);

/* Calls, and adds to `changed` what is different afterwards: the registers that a callee must save, the control bits of MXCSR,
 * the x87 control word, the direction flag. */
rtw_status_t guarded_call(called_t call, rtw_func_t *func, rtw_value_t *values, size_t count, uint32_t *changed);

/* Calls that break the rule, one for each register. */
extern const called_t clobbering[6];

/* Page faults and switches of the calling thread, not counted as system calls. */
typedef struct usage_t {
    uint64_t minor_faults, major_faults, switches;
} usage_t;
usage_t usage(void);

#endif
