/* A cascade of four biquads in transposed direct form II over 128 samples: each sample waits for the one before. */
#include "kernel.h"

enum { FRAMES = 128, SECTIONS = 4 };

typedef struct {
    float b0, b1, b2, a1, a2;
} coefficients_t;

typedef struct {
    float s1, s2;
} state_t;

/* Low passes at 1 kHz of 48 kHz: Butterworth of 8th order, section by section. */
static const coefficients_t sections[SECTIONS] = {
    {0.003821f, 0.007642f, 0.003821f, -1.762786f, 0.778070f},
    {0.003912f, 0.007824f, 0.003912f, -1.804800f, 0.820448f},
    {0.004060f, 0.008119f, 0.004060f, -1.872899f, 0.889137f},
    {0.004205f, 0.008410f, 0.004205f, -1.940001f, 0.956821f},
};
static state_t states[SECTIONS];
static float input[FRAMES], output[FRAMES];

EXPORT(init) void init(void)
{
    fill_with_noise(input, FRAMES, 3);
    for (size_t i = 0; i < SECTIONS; i++) states[i] = (state_t){0, 0};
}

static inline float filter(float x, const coefficients_t *c, state_t *s)
{
    float y = c->b0 * x + s->s1;
    s->s1 = c->b1 * x - c->a1 * y + s->s2;
    s->s2 = c->b2 * x - c->a2 * y;
    return y;
}

EXPORT(run) void run(void)
{
    state_t a = states[0], b = states[1], c = states[2], d = states[3];
    const float *from = input;
    float *to = output;
    HIDE_ORIGIN(from);
    HIDE_ORIGIN(to);
#pragma clang loop unroll(disable)
    for (const float *end = from + FRAMES; from != end; from++, to++) {
        float x = filter(*from, &sections[0], &a);
        x = filter(x, &sections[1], &b);
        x = filter(x, &sections[2], &c);
        *to = filter(x, &sections[3], &d);
    }
    states[0] = a, states[1] = b, states[2] = c, states[3] = d;
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(output, sizeof output);
}
