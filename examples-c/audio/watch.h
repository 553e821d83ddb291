/* Detects changes of a file: its time, its size, or its identity. [setup] */
#ifndef RTWASM_EXAMPLE_WATCH_H
#define RTWASM_EXAMPLE_WATCH_H

#include <stdbool.h>

typedef struct watch_t {
    char path[4096];
    long long stamp[4];
} watch_t;

void watch_begin(watch_t *watch, const char *path);
/* Since the last look; a file that is not there has not. */
bool watch_changed(watch_t *watch);

#endif
