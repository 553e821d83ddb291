/* Makes the n-th allocation of the process fail, or every one from the n-th on, as if memory were used up. The test program's own
 * are left alone, and so are those that glibc and the compiler's library end the process for: they are counted by name. */
#ifndef RTWASM_TEST_EXHAUST_H
#define RTWASM_TEST_EXHAUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXHAUST_LISTED = 4 };

typedef struct exhaust_listed_t {
    const char *function; /* what asks for memory and cannot be told that there is none */
    uint64_t calls;
    uint64_t largest_bytes;
} exhaust_listed_t;

/* Counts from here on; the call with number `at` (from 0) fails, and those after it if `on`. */
void exhaust_arm(uint64_t at, bool on);
/* Ends that; counting goes on until the next exhaust_arm. */
void exhaust_disarm(void);
/* Calls counted since exhaust_arm. */
uint64_t exhaust_calls(void);
/* Calls that have failed since exhaust_arm. */
uint64_t exhaust_failed(void);
/* Where the first of them was: the caller's address less the start of its file, the file, the thread's name. */
typedef struct exhaust_place_t {
    const char *file;
    uintptr_t offset;
    size_t bytes;
    char thread[16];
} exhaust_place_t;
exhaust_place_t exhaust_place(void);
/* Blocks that are out. */
int64_t exhaust_live(void);
int64_t exhaust_live_bytes(void);
const exhaust_listed_t *exhaust_listed(void);
/* A block that counts as out. */
void *exhaust_take(size_t bytes);

#endif
