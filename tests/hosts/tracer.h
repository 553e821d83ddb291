/* System calls that a process makes, seen by its parent. */
#ifndef RTWASM_TEST_TRACER_H
#define RTWASM_TEST_TRACER_H

#include <stdbool.h>

enum { SYSTEM_CALLS = 512 };

/* The number of each system call, by all threads, and by threads between their mark(true) and mark(false). */
typedef struct calls_t {
    unsigned all[SYSTEM_CALLS];
    unsigned marked[SYSTEM_CALLS];
} calls_t;

/* Runs `body` in a process of its own and counts, from its begin(). Returns how it ended, as waitpid does; -1 where it cannot be traced. */
int traced(void (*body)(void *), void *data, calls_t *calls);
/* In the traced process: counts from here on. */
void begin(void);
/* In the traced process: the calling thread's calls are marked from here on, or no more. */
void mark(bool on);

unsigned sum_of(const unsigned counts[SYSTEM_CALLS]);
/* "read", or its number. Static, until the next call. */
const char *call_name(int number);

#endif
