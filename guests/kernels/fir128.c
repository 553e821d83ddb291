/* An FIR filter of 128 taps over 64 samples: eight outputs at a time, two taps per iteration, all walking forward. */
#include "kernel.h"

enum { FRAMES = 64, TAPS = 128 };

/* The taps in reverse order, so that they and the samples go the same way. */
static float taps[TAPS], input[FRAMES + TAPS - 1], output[FRAMES];

EXPORT(init) void init(void)
{
    fill_with_noise(taps, TAPS, 4);
    fill_with_noise(input, FRAMES + TAPS - 1, 5);
}

static inline void eight_outputs(const float *x, float *to)
{
    const float *tap = taps;
    vector_t low = splat(0), high = splat(0);
    HIDE_ORIGIN(tap);
#pragma clang loop unroll(disable)
    for (const float *end = tap + TAPS; tap != end; tap += 2, x += 2) {
        low += splat(tap[0]) * load_vector(x);
        high += splat(tap[0]) * load_vector(x + 4);
        low += splat(tap[1]) * load_vector(x + 1);
        high += splat(tap[1]) * load_vector(x + 5);
    }
    store_vector(to, low);
    store_vector(to + 4, high);
}

EXPORT(run) void run(void)
{
    const float *from = input;
    float *to = output;
    HIDE_ORIGIN(from);
    HIDE_ORIGIN(to);
#pragma clang loop unroll(disable)
    for (const float *end = to + FRAMES; to != end; from += 8, to += 8) eight_outputs(from, to);
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(output, sizeof output);
}
