/* A guest that prints in its cycle, and takes buffers by their addresses: the imports of wasi-libc for that are stubbed by the
 * measuring commands. Built by the Makefile beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXPORT(name) __attribute__((export_name(name)))

static char *kept;

EXPORT("malloc") void *allocate(size_t bytes) { return malloc(bytes); }

/* Scales samples in place; the sum, so that nothing is left out. Traps where they are not what was allocated. */
EXPORT("process_frame") float process_frame(float *samples, int count) {
    if ((size_t)samples < 1024) {
        __builtin_trap();
    }
    float sum = 0.0f;
    for (int n = 0; n < count; n++) {
        samples[n] = samples[n] * 0.5f + 1.0f;
        sum += samples[n];
    }
    return sum;
}

EXPORT("talk") int talk(int number) {
    return printf("cycle %d\n", number) + fprintf(stderr, "and to the other stream\n") + fflush(stdout);
}

EXPORT("wait") long long wait_for_time(void) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_nsec == begin.tv_nsec);
    return now.tv_sec;
}

EXPORT("leave") void leave(int status) { exit(status); }

EXPORT("spin") void spin(int forever) {
    volatile int again = forever;
    while (again != 0) {
    }
}

/* Allocates late, gives nothing back, and gives up where it gets nothing. */
EXPORT("hoard") void hoard(int bytes) {
    char *block = malloc((size_t)bytes);
    if (block == NULL) {
        abort();
    }
    *(char *volatile *)&kept = block;
}
