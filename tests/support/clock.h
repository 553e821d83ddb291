/* Time in C, for tests and benchmarks: units, and a clock to read. In ns. */
#ifndef RTWASM_TEST_CLOCK_H
#define RTWASM_TEST_CLOCK_H

#include <stdint.h>
#include <time.h>

#define US ((uint64_t)1000)
#define MS (1000 * US)
#define SECOND (1000 * MS)

/* For calls that have to end by themselves: no machine is that slow. */
#define AMPLE (100 * SECOND)

/* CLOCK_MONOTONIC. */
static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

#endif
