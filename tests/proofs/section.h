/* A section: the stretch of a real-time thread in which nothing of what is promised not to happen may happen. While one is
 * open the thread is watched by all observers at once. */
#ifndef RTWASM_PROOF_SECTION_H
#define RTWASM_PROOF_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtwasm.h"

/* Bits of what a call changed and should not have. The lowest ones are the registers that a callee must save: on x86-64 rbx, rbp and
 * r12 to r15, on aarch64 x19 to x29 and d8 to d15. */
#if defined(__x86_64__)
enum { SAVED_REGISTERS = 6 };
#else
enum { SAVED_REGISTERS = 19 };
#endif
enum {
    CHANGED_REGISTERS = (1 << SAVED_REGISTERS) - 1,
    CHANGED_FLOAT = 1 << 24, /* the control bits of MXCSR, or FPCR */
    CHANGED_X87 = 1 << 25,
    CHANGED_DIRECTION = 1 << 26
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

/* Calls, and adds to `changed` what is different afterwards: the registers that a callee must save, how floating-point numbers are
 * computed; on x86-64 also the x87 control word and the direction flag. */
rtw_status_t guarded_call(called_t call, rtw_func_t *func, rtw_value_t *values, size_t count, uint32_t *changed);

/* Calls that break the rule, one for each register. */
extern const called_t clobbering[SAVED_REGISTERS];

/* Page faults and switches of the calling thread, not counted as system calls. */
typedef struct usage_t {
    uint64_t minor_faults, major_faults, switches;
} usage_t;
usage_t usage(void);

#endif
