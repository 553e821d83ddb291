// wasi-libc: printf, malloc, its clock and mathematics of the host's, and an assertion that fails.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXPORT(name) __attribute__((export_name(name)))

// The host's, not wasi-libc's.
__attribute__((import_module("env"), import_name("powf"))) float host_powf(float base, float exponent);
__attribute__((import_module("env"), import_name("sin"))) double host_sin(double angle);

// Joins the numbers below n, prints them, and returns the sum of their characters, each times its place.
EXPORT("work") int work(int n) {
    char *text = malloc((size_t)n * 12 + 1);
    if (!text) return -1;
    int length = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++) length += sprintf(text + length, i ? ",%d" : "%d", i);
    printf("work %d: %s\n", n, text);
    int sum = 0;
    for (int at = 0; at < length; at++) sum += text[at] * (at + 1);
    free(text);
    return sum;
}

EXPORT("timed") int timed(void) {
    struct timespec now;
    return time(NULL) > 1577836800 && clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec + now.tv_nsec > 0;
}

EXPORT("power") float power(float base, float exponent) { return host_powf(base, exponent); }
EXPORT("sine") double sine(double angle) { return host_sin(angle); }
EXPORT("complain") void complain(void) { fprintf(stderr, "an error\n"); }
EXPORT("fail") void fail(void) { assert(!"the guest gives up"); }
