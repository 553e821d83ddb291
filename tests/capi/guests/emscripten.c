// Emscripten's libc: printf, malloc, its clock, and an assertion that fails.
#include <assert.h>
#include <emscripten.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Joins the numbers below n, prints them, and returns the sum of their characters, each times its place.
EMSCRIPTEN_KEEPALIVE int work(int n) {
    char *text = malloc((size_t)n * 12 + 1);
    if (!text) return -1;
    size_t length = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++) length += (size_t)sprintf(text + length, i ? ",%d" : "%d", i);
    printf("work %d: %s\n", n, text);
    int sum = 0;
    for (size_t at = 0; at < length; at++) sum += text[at] * (int)(at + 1);
    free(text);
    return sum;
}

EMSCRIPTEN_KEEPALIVE int timed(void) { return time(NULL) > 1577836800 && emscripten_get_now() > 0; }

EMSCRIPTEN_KEEPALIVE void complain(void) { fprintf(stderr, "an error\n"); }

EMSCRIPTEN_KEEPALIVE void fail(void) { assert(!"the guest gives up"); }
