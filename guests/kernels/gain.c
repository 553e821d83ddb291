/* Scalar gain: 512 samples, one by one, two per iteration. */
#include "kernel.h"

enum { FRAMES = 512 };

static float input[FRAMES], output[FRAMES], factor;

EXPORT(init) void init(void)
{
    fill_with_noise(input, FRAMES, 1);
    factor = 0.7f;
}

EXPORT(run) void run(void)
{
    const float *from = input, by = factor;
    float *to = output;
    HIDE_ORIGIN(from);
    HIDE_ORIGIN(to);
#pragma clang loop vectorize(disable) unroll(disable)
    for (const float *end = from + FRAMES; from != end; from += 2, to += 2) {
        to[0] = from[0] * by;
        to[1] = from[1] * by;
    }
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(output, sizeof output);
}
