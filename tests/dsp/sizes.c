/* guests/include/rtw_dsp.h at all small sizes, natively: against the definitions in double precision, and blocks of any lengths against one
 * long block. Every array has just the floats that it needs, so that the sanitizers see what is read or written beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../guests/include/rtw_dsp.h"
#include "../support/check.h"

static float *floats(int32_t count) {
    float *made = malloc((size_t)count * sizeof *made + 1); /* an address even if there is no float */
    if (made == NULL) exit(2);
    return made;
}

static float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 4.656612873e-10f;
}

static float *noises(int32_t count, uint32_t seed) {
    float *made = floats(count);
    for (int32_t n = 0; n < count; n++) made[n] = noise(&seed);
    return made;
}

static bool same(const float *a, const float *b, int32_t count) {
    for (int32_t n = 0; n < count; n++) {
        if (a[n] != b[n]) return false;
    }
    return true;
}

/* The length of the next block, at most what is left. */
static int32_t next_block(int32_t left, uint32_t *state) {
    const int32_t block = (int32_t)((noise(state) + 1) * 11);
    return block < left ? block : left;
}

static void test_fft(void) {
    double worst = 0, worst_back = 0;
    for (int32_t points = 16; points <= 4096; points *= 2) {
        float *roots = floats(RTWD_FFT_ROOTS(points)), *in = noises(2 * points, 1), *out = floats(2 * points);
        float *work = floats(2 * points), *back = floats(2 * points);
        rtwd_fft_roots(roots, points);
        rtwd_fft(out, out + points, work, in, in + points, points, roots);
        rtwd_fft(back + points, back, work, out + points, out, points, roots);
        double furthest = 0, loudest = 0;
        for (int32_t k = 0; k < points; k += points > 512 ? 37 : 1) {
            double re = 0, im = 0;
            for (int32_t n = 0; n < points; n++) {
                const double angle = -2 * 3.14159265358979323846 * (double)((int64_t)k * n % points) / points;
                re += (double)in[n] * cos(angle) - (double)in[points + n] * sin(angle);
                im += (double)in[n] * sin(angle) + (double)in[points + n] * cos(angle);
            }
            furthest = fmax(furthest, hypot(re - (double)out[k], im - (double)out[points + k]));
            loudest = fmax(loudest, hypot(re, im));
        }
        worst = fmax(worst, furthest / loudest);
        for (int32_t n = 0; n < 2 * points; n++) worst_back = fmax(worst_back, fabs((double)back[n] / points - (double)in[n]));
        free(roots), free(in), free(out), free(work), free(back);
    }
    check(worst < 4e-7, "fft: 16 to 4096 points, as the definition (%g)", worst);
    check(worst_back < 1e-6, "fft: with the parts exchanged it is the inverse (%g)", worst_back);
}

static void test_fir(void) {
    double worst = 0;
    bool in_order = true, kept_past = true;
    for (int32_t taps = 1; taps <= 19; taps++) {
        for (int32_t frames = 0; frames <= 41; frames++) {
            float *tap = noises(taps, 2), *line = noises(taps - 1 + frames, 3), *out = floats(frames), *kept = floats(taps - 1);
            rtwd_fir(out, line + taps - 1, frames, tap, taps);
            for (int32_t n = 0; n < frames; n++) {
                double sum = 0;
                float rounded = 0;
                for (int32_t k = 0; k < taps; k++) {
                    sum += (double)tap[k] * (double)line[taps - 1 + n - k];
                    rounded += tap[k] * line[taps - 1 + n - k];
                }
                worst = fmax(worst, fabs(sum - (double)out[n]));
                in_order = in_order && rounded == out[n];
            }
            memcpy(kept, line + frames, (size_t)(taps - 1) * sizeof *kept);
            rtwd_keep(line, taps - 1, frames);
            kept_past = kept_past && same(kept, line, taps - 1);
            free(tap), free(line), free(out), free(kept);
        }
    }
    check(worst < 1e-5, "fir: 1 to 19 taps, 0 to 41 frames, as the definition (%g)", worst);
    check(in_order && kept_past, "fir: added up in order, and the past kept");
}

static void test_cascade(void) {
    enum { WHOLE = 997 };
    const rtwd_biquad_t biquads[3] = {{0.2f, 0.3f, 0.1f, -0.9f, 0.5f}, {0.5f, -0.2f, 0.3f, 0.3f, 0.4f}, {1.1f, 0.1f, -0.6f, -1.2f, 0.7f}};
    double worst = 0;
    bool all_same = true;
    for (int32_t count = 0; count <= 3; count++) {
        rtwd_cascade_t one, parts;
        rtwd_cascade_set(&one, biquads, count);
        rtwd_cascade_reset(&one);
        parts = one;
        float *in = noises(WHOLE, 4), *out = floats(WHOLE), *pieces = floats(WHOLE);
        rtwd_cascade(&one, out, in, WHOLE);
        memcpy(pieces, in, WHOLE * sizeof *in);
        uint32_t state = 5;
        for (int32_t done = 0; done < WHOLE;) {
            const int32_t block = next_block(WHOLE - done, &state);
            rtwd_cascade(&parts, pieces + done, pieces + done, block);
            done += block;
        }
        all_same = all_same && same(out, pieces, WHOLE);
        double x1[3] = {0}, x2[3] = {0}, y1[3] = {0}, y2[3] = {0};
        for (int32_t n = 0; n < WHOLE; n++) {
            double x = (double)in[n];
            for (int32_t i = 0; i < count; i++) {
                const rtwd_biquad_t *c = &biquads[i];
                double y = (double)c->b0 * x + (double)c->b1 * x1[i] + (double)c->b2 * x2[i];
                y -= (double)c->a1 * y1[i] + (double)c->a2 * y2[i];
                x2[i] = x1[i], x1[i] = x, y2[i] = y1[i], y1[i] = y;
                x = y;
            }
            worst = fmax(worst, fabs(x - (double)out[n]));
        }
        free(in), free(out), free(pieces);
    }
    check(worst < 1e-5, "cascade: 0 to 3 biquads, as the definition (%g)", worst);
    check(all_same, "cascade: blocks of 0 to 21 frames, in place, make the same as one block");
}

static void test_convolver(void) {
    double worst = 0;
    for (int32_t block = 8; block <= 64; block *= 2) {
        for (int32_t parts = 1; parts <= 5; parts += 2) {
            const int32_t length = block * parts - 3, whole = block * 12;
            float *memory = floats(RTWD_CONVOLVER_FLOATS(block, parts)), *response = noises(length, 6);
            float *left = noises(whole, 7), *right = noises(whole, 8), *out_left = floats(whole), *out_right = floats(whole);
            rtwd_convolver_t convolver;
            rtwd_convolver_begin(&convolver, memory, block, parts, response, length);
            for (int32_t at = 0; at < whole; at += block) {
                rtwd_convolver(&convolver, block, out_left + at, out_right + at, left + at, right + at);
            }
            for (int32_t n = 0; n < whole; n++) {
                double sums[2] = {0, 0};
                for (int32_t k = 0; k < length && k <= n; k++) {
                    sums[0] += (double)response[k] * (double)left[n - k];
                    sums[1] += (double)response[k] * (double)right[n - k];
                }
                worst = fmax(worst, fmax(fabs(sums[0] - (double)out_left[n]), fabs(sums[1] - (double)out_right[n])));
            }
            free(memory), free(response), free(left), free(right), free(out_left), free(out_right);
        }
    }
    check(worst < 1e-5, "convolver: blocks of 8 to 64, 1 to 5 parts, two channels, as the definition (%g)", worst);
}

static void test_matmul(void) {
    bool in_order = true;
    for (int32_t rows = 1; rows <= 6; rows++) {
        for (int32_t inner = 1; inner <= 9; inner++) {
            for (int32_t columns = 1; columns <= 19; columns++) {
                float *left = noises(rows * inner, 9), *right = noises(inner * columns, 10), *out = floats(rows * columns);
                rtwd_matmul(out, left, right, rows, inner, columns);
                for (int32_t i = 0; i < rows * columns; i++) {
                    float sum = 0;
                    for (int32_t k = 0; k < inner; k++) sum += left[i / columns * inner + k] * right[k * columns + i % columns];
                    in_order = in_order && sum == out[i];
                }
                free(left), free(right), free(out);
            }
        }
    }
    check(in_order, "matmul: all shapes up to 6 by 9 by 19, added up in order");
}

static void test_delay(void) {
    enum { WHOLE = 700 };
    bool delays = true;
    for (int32_t length = 1; length <= 40; length++) {
        float *line = floats(length), *in = noises(WHOLE, 11), *out = floats(WHOLE);
        rtwd_delay_t delay;
        rtwd_delay_begin(&delay, line, length);
        memcpy(out, in, WHOLE * sizeof *in);
        uint32_t state = 12;
        for (int32_t done = 0; done < WHOLE;) {
            const int32_t block = next_block(WHOLE - done, &state);
            rtwd_delay(&delay, out + done, out + done, block);
            done += block;
        }
        for (int32_t n = 0; n < WHOLE; n++) delays = delays && out[n] == (n < length ? 0 : in[n - length]);
        free(line), free(in), free(out);
    }
    check(delays, "delay: 1 to 40 frames, blocks of 0 to 21 in place");
}

static void test_combs(void) {
    enum { WHOLE = 700 };
    static const int32_t lengths[4] = {5, 31, 8, 77};
    bool all_same = true;
    rtwd_combs_t combs = {.damping = 0.3f, .feedback = 0.8f};
    float *lines[4], *rings[4], low[4] = {0}, *in = noises(WHOLE, 13), *out = noises(WHOLE, 14), *expected = floats(WHOLE);
    memcpy(expected, out, WHOLE * sizeof *out);
    for (int i = 0; i < 4; i++) {
        lines[i] = floats(lengths[i]);
        rings[i] = floats(lengths[i]);
        for (int32_t n = 0; n < lengths[i]; n++) rings[i][n] = 0;
        rtwd_delay_begin(&combs.delays[i], lines[i], lengths[i]);
    }
    uint32_t state = 15;
    for (int32_t done = 0; done < WHOLE;) {
        const int32_t block = next_block(WHOLE - done, &state);
        rtwd_combs(&combs, out + done, in + done, block);
        done += block;
    }
    for (int32_t n = 0; n < WHOLE; n++) {
        for (int i = 0; i < 4; i++) {
            float *at = &rings[i][n % lengths[i]];
            const float delayed = *at;
            expected[n] += delayed;
            low[i] = delayed + (low[i] - delayed) * 0.3f;
            *at = in[n] + low[i] * 0.8f;
        }
        all_same = all_same && expected[n] == out[n];
    }
    for (int i = 0; i < 4; i++) free(lines[i]), free(rings[i]);
    free(in), free(out), free(expected);
    check(all_same, "combs: blocks of 0 to 21 frames make what a loop over frames makes");
}

static void test_interpolation(void) {
    double worst = 0;
    bool all_same = true;
    for (int32_t frames = 0; frames <= 33; frames++) {
        const rtwd_place_t step = RTWD_PLACE(0.71), start = RTWD_PLACE(0.3);
        const int32_t last = (int32_t)((start + step * (rtwd_place_t)(frames > 0 ? frames - 1 : 0)) >> 32);
        float *in = floats(last + 4), *out = floats(frames), *one = floats(1);
        for (int32_t n = 0; n < last + 4; n++) in[n] = (float)(0.02 * (n - 1) * (n - 1) - 0.3 * (n - 1) + 1);
        const rtwd_place_t end = rtwd_interpolate(out, in + 1, frames, start, step);
        rtwd_place_t place = start;
        for (int32_t n = 0; n < frames; n++) {
            const double at = (double)place / 4294967296.0;
            worst = fmax(worst, fabs(0.02 * at * at - 0.3 * at + 1 - (double)out[n]));
            place = rtwd_interpolate(one, in + 1, 1, place, step);
            all_same = all_same && *one == out[n];
        }
        all_same = all_same && place == end;
        free(in), free(out), free(one);
    }
    check(worst < 1e-5, "interpolation: a parabola is met (%g)", worst);
    check(all_same, "interpolation: frame by frame it is the same as in one block");
}

int main(void) {
    test_fft();
    test_fir();
    test_cascade();
    test_convolver();
    test_matmul();
    test_delay();
    test_combs();
    test_interpolation();
    return check_summary();
}
