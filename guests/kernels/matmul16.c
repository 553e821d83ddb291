/* The product of two 16x16 matrices: a row of the result at a time, in four vectors. */
#include "kernel.h"

enum { SIZE = 16 };

static float left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];

EXPORT(init) void init(void)
{
    fill_with_noise(left[0], SIZE * SIZE, 8);
    fill_with_noise(right[0], SIZE * SIZE, 9);
}

EXPORT(run) void run(void)
{
    const float *factor = left[0];
    float *to = product[0];
    HIDE_ORIGIN(factor);
    HIDE_ORIGIN(to);
#pragma clang loop unroll(disable)
    for (const float *end = to + SIZE * SIZE; to != end; to += SIZE) {
        vector_t a = splat(0), b = splat(0), c = splat(0), d = splat(0);
        const float *row = right[0];
        HIDE_ORIGIN(row);
#pragma clang loop unroll(disable)
        for (const float *last = factor + SIZE; factor != last; factor += 2, row += 2 * SIZE) {
            a += splat(factor[0]) * load_vector(row);
            b += splat(factor[0]) * load_vector(row + 4);
            c += splat(factor[0]) * load_vector(row + 8);
            d += splat(factor[0]) * load_vector(row + 12);
            a += splat(factor[1]) * load_vector(row + SIZE);
            b += splat(factor[1]) * load_vector(row + SIZE + 4);
            c += splat(factor[1]) * load_vector(row + SIZE + 8);
            d += splat(factor[1]) * load_vector(row + SIZE + 12);
        }
        store_vector(to, a);
        store_vector(to + 4, b);
        store_vector(to + 8, c);
        store_vector(to + 12, d);
    }
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(product, sizeof product);
}
