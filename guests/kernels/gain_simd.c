/* SIMD gain: 2048 samples in vectors of four, two vectors per iteration. */
#include "kernel.h"

enum { FRAMES = 2048 };

static float input[FRAMES], output[FRAMES], factor;

EXPORT(init) void init(void)
{
    fill_with_noise(input, FRAMES, 2);
    factor = 0.7f;
}

EXPORT(run) void run(void)
{
    const vector_t by = splat(factor);
    const float *from = input;
    float *to = output;
    HIDE_ORIGIN(from);
    HIDE_ORIGIN(to);
#pragma clang loop unroll(disable)
    for (const float *end = from + FRAMES; from != end; from += 8, to += 8) {
        store_vector(to, load_vector(from) * by);
        store_vector(to + 4, load_vector(from + 4) * by);
    }
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(output, sizeof output);
}
