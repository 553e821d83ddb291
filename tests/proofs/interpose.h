/* Counts what the C library is asked for while a thread is in a section. Linked before every other library, so that all of them
 * are counted, the library under test included. */
#ifndef RTWASM_PROOF_INTERPOSE_H
#define RTWASM_PROOF_INTERPOSE_H

#include <stdint.h>

/* One thread's. */
typedef struct interposed_t {
    int in_section;          /* set by the proof; nothing is counted while it is 0 */
    uint64_t allocations;    /* malloc, calloc, realloc, the aligned ones, free of something, mmap, munmap, mremap, mprotect, madvise, brk */
    uint64_t locks;          /* pthread mutexes, reader-writer locks, spin locks, condition variables, semaphores */
    const char *first_allocation;
    const char *first_lock;
} interposed_t;

/* The calling thread's. */
interposed_t *interposed(void);

#endif
