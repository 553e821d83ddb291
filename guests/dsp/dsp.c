/* The kernels of guests/include/rtw_dsp.h, each beside its plain form: as one writes it without thought of any engine. Two kernels have
 * only that. Natively compiled, the same source is what both are compared with.
 *
 * Exports: init(); for each kernel NAME_plain() and NAME_header(), which compute a block; output() -> address of OUTPUT_FLOATS floats, of
 * which each kernel writes the first. */
#include "../include/rtw_dsp.h"

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name)
#endif

/* Kernels that do little get more of it, so that the call itself is no part of what is measured. */
enum { OUTPUT_FLOATS = 2048, FRAMES = 128, LONG = 2048 };

static float output[OUTPUT_FLOATS], noise[4096];

EXPORT(output) float *dsp_output(void) { return output; }

/* ---- gain: a gain that moves ---- */

static float gain_from, gain_to;

EXPORT(gain_plain) void gain_plain(void) {
    const float step = (gain_to - gain_from) / (float)LONG;
    for (int n = 0; n < LONG; n++) output[n] = noise[n] * (gain_from + step * (float)n);
}

/* ---- fir: 64 taps ---- */

enum { TAPS = 64 };
static float taps[TAPS], line[TAPS - 1 + FRAMES];

EXPORT(fir_plain) void fir_plain(void) {
    for (int n = 0; n < FRAMES; n++) line[TAPS - 1 + n] = noise[n];
    for (int n = 0; n < FRAMES; n++) {
        float sum = 0;
        for (int k = 0; k < TAPS; k++) sum += taps[k] * line[TAPS - 1 + n - k];
        output[n] = sum;
    }
    for (int n = 0; n < TAPS - 1; n++) line[n] = line[FRAMES + n];
}

EXPORT(fir_header) void fir_header(void) {
    rtwd_copy(line + TAPS - 1, noise, FRAMES);
    rtwd_fir(output, line + TAPS - 1, FRAMES, taps, TAPS);
    rtwd_keep(line, TAPS - 1, FRAMES);
}

/* ---- biquads: four in series ---- */

static const rtwd_biquad_t biquads[4] = {
    {0.003821f, 0.007642f, 0.003821f, -1.762786f, 0.778070f},
    {0.003912f, 0.007824f, 0.003912f, -1.804800f, 0.820448f},
    {0.004060f, 0.008119f, 0.004060f, -1.872899f, 0.889137f},
    {0.004205f, 0.008410f, 0.004205f, -1.940001f, 0.956821f},
};
static float biquad_state[4][2];
static rtwd_cascade_t cascade;

EXPORT(biquads_plain) void biquads_plain(void) {
    for (int n = 0; n < FRAMES; n++) {
        float x = noise[n];
        for (int i = 0; i < 4; i++) {
            const rtwd_biquad_t *c = &biquads[i];
            float *s = biquad_state[i];
            const float y = c->b0 * x + s[0];
            s[0] = c->b1 * x + s[1] - c->a1 * y;
            s[1] = c->b2 * x - c->a2 * y;
            x = y;
        }
        output[n] = x;
    }
}

EXPORT(biquads_header) void biquads_header(void) { rtwd_cascade(&cascade, output, noise, FRAMES); }

/* ---- fft: 1024 points ---- */

enum { POINTS = 1024 };
static float roots[RTWD_FFT_ROOTS(POINTS)], fft_work[2 * POINTS];
static float plain_roots[2 * POINTS]; /* exp(-2 pi i k / points), k from 0 to points / 2: real, then imaginary parts */

/* The roots of rtwd_fft_roots in their natural order. */
static void natural_roots(float *to, const float *from, int points) {
    for (int k = 0; k < points / 4; k++) {
        const float *at = from + k / 4 * 24 + k % 4;
        to[k] = at[0], to[points + k] = at[4];
        /* A quarter further: times -i. */
        to[points / 4 + k] = at[4], to[points + points / 4 + k] = -at[0];
    }
}

/* Two inputs a butterfly, in place, after the inputs are put into the bits' reverse order. */
static void plain_fft(float *re, float *im, const float *table, int points) {
    for (int i = 1, j = 0; i < points; i++) {
        int bit = points >> 1;
        for (; (j & bit) != 0; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            const float r = re[i], s = im[i];
            re[i] = re[j], im[i] = im[j];
            re[j] = r, im[j] = s;
        }
    }
    for (int half = 1; half < points; half *= 2) {
        const int stride = points / 2 / half;
        for (int first = 0; first < points; first += 2 * half) {
            for (int k = 0; k < half; k++) {
                const float c = table[k * stride], s = table[points + k * stride];
                float *a = re + first + k, *b = im + first + k;
                const float r = a[half] * c - b[half] * s, t = a[half] * s + b[half] * c;
                a[half] = a[0] - r, b[half] = b[0] - t;
                a[0] += r, b[0] += t;
            }
        }
    }
}

EXPORT(fft_plain) void fft_plain(void) {
    for (int n = 0; n < 2 * POINTS; n++) output[n] = noise[n];
    plain_fft(output, output + POINTS, plain_roots, POINTS);
}

EXPORT(fft_header) void fft_header(void) {
    rtwd_fft(output, output + POINTS, fft_work, noise, noise + POINTS, POINTS, roots);
}

/* ---- convolution: two channels with 1024 samples, in blocks of 64 ---- */

enum { BLOCK = 64, PARTS = 16 };
static float response[BLOCK * PARTS];
static float convolver_memory[RTWD_CONVOLVER_FLOATS(BLOCK, PARTS)];
static rtwd_convolver_t convolver;
static float block_roots[4 * BLOCK], past[2][2 * BLOCK], sum[2][2 * BLOCK];
static float parts[PARTS][2][2 * BLOCK], spectra[PARTS][2][2 * BLOCK];
static int newest;

EXPORT(convolution_plain) void convolution_plain(void) {
    for (int channel = 0; channel < 2; channel++) {
        for (int n = 0; n < BLOCK; n++) {
            past[channel][n] = past[channel][BLOCK + n];
            past[channel][BLOCK + n] = noise[channel * BLOCK + n];
        }
    }
    newest = (newest + PARTS - 1) % PARTS;
    for (int n = 0; n < 2 * BLOCK; n++) {
        spectra[newest][0][n] = past[0][n];
        spectra[newest][1][n] = past[1][n];
        sum[0][n] = sum[1][n] = 0;
    }
    plain_fft(spectra[newest][0], spectra[newest][1], block_roots, 2 * BLOCK);
    for (int part = 0; part < PARTS; part++) {
        float (*x)[2 * BLOCK] = spectra[(newest + part) % PARTS], (*h)[2 * BLOCK] = parts[part];
        for (int n = 0; n < 2 * BLOCK; n++) {
            sum[0][n] += x[0][n] * h[0][n] - x[1][n] * h[1][n];
            sum[1][n] += x[0][n] * h[1][n] + x[1][n] * h[0][n];
        }
    }
    plain_fft(sum[1], sum[0], block_roots, 2 * BLOCK);
    for (int n = 0; n < BLOCK; n++) {
        output[n] = sum[0][BLOCK + n];
        output[BLOCK + n] = sum[1][BLOCK + n];
    }
}

EXPORT(convolution_header) void convolution_header(void) {
    rtwd_convolver(&convolver, BLOCK, output, output + BLOCK, noise, noise + BLOCK);
}

/* ---- matmul: 8 by 8, for sixteen pairs ---- */

enum { SIZE = 8, PAIRS = 16 };

EXPORT(matmul_plain) void matmul_plain(void) {
    for (int pair = 0; pair < PAIRS; pair++) {
        const float(*left)[SIZE] = (const float(*)[SIZE])(noise + pair * 2 * SIZE * SIZE), (*right)[SIZE] = left + SIZE;
        float(*product)[SIZE] = (float(*)[SIZE])(output + pair * SIZE * SIZE);
        for (int i = 0; i < SIZE; i++) {
            for (int j = 0; j < SIZE; j++) {
                float element = 0;
                for (int k = 0; k < SIZE; k++) element += left[i][k] * right[k][j];
                product[i][j] = element;
            }
        }
    }
}

EXPORT(matmul_header) void matmul_header(void) {
    for (int pair = 0; pair < PAIRS; pair++) {
        const float *left = noise + pair * 2 * SIZE * SIZE;
        rtwd_matmul(output + pair * SIZE * SIZE, left, left + SIZE * SIZE, SIZE, SIZE, SIZE);
    }
}

/* ---- delay: 1000 frames ---- */

enum { DELAY = 1000 };
static float plain_line[DELAY], header_line[DELAY];
static int plain_at;
static rtwd_delay_t delay = {.line = header_line, .length = DELAY};

EXPORT(delay_plain) void delay_plain(void) {
    for (int n = 0; n < LONG; n++) {
        output[n] = plain_line[plain_at];
        plain_line[plain_at] = noise[n];
        if (++plain_at == DELAY) plain_at = 0;
    }
}

EXPORT(delay_header) void delay_header(void) { rtwd_delay(&delay, output, noise, LONG); }

/* ---- combs: a reverb's four ---- */

enum { COMB_FRAMES = 1422 };
static const int comb_lengths[4] = {1116, 1188, 1277, COMB_FRAMES};
static float plain_combs[4][COMB_FRAMES], comb_lines[4][COMB_FRAMES];
static float plain_low[4];
static int comb_at[4];
/* Rings of no length would never come round, if a test calls this before init. */
static rtwd_combs_t combs = {.delays = {{.line = comb_lines[0], .length = 1116},
                                        {.line = comb_lines[1], .length = 1188},
                                        {.line = comb_lines[2], .length = 1277},
                                        {.line = comb_lines[3], .length = COMB_FRAMES}}};

EXPORT(combs_plain) void combs_plain(void) {
    for (int n = 0; n < FRAMES; n++) output[n] = 0;
    for (int comb = 0; comb < 4; comb++) {
        for (int n = 0; n < FRAMES; n++) {
            float *at = &plain_combs[comb][comb_at[comb]];
            const float delayed = *at;
            plain_low[comb] = delayed + (plain_low[comb] - delayed) * combs.damping;
            *at = noise[n] + plain_low[comb] * combs.feedback;
            output[n] += delayed;
            if (++comb_at[comb] == comb_lengths[comb]) comb_at[comb] = 0;
        }
    }
}

EXPORT(combs_header) void combs_header(void) {
    for (int n = 0; n < FRAMES; n++) output[n] = 0;
    rtwd_combs(&combs, output, noise, FRAMES);
}

/* ---- interpolation: 1024 frames at 1.37 of the speed ---- */

static rtwd_place_t place[2];
#define STEP RTWD_PLACE(1.37)
#define AROUND RTWD_PLACE(2000.0)

EXPORT(interpolation_plain) void interpolation_plain(void) {
    rtwd_place_t at = place[0];
    for (int n = 0; n < LONG / 2; n++, at += STEP) {
        const float *x = noise + (at >> 32), t = (float)(int32_t)((uint32_t)at >> 8) * 0x1p-24f;
        const float a = 0.5f * (x[3] - x[0]) + 1.5f * (x[1] - x[2]);
        const float b = x[0] + 2.0f * x[2] - 2.5f * x[1] - 0.5f * x[3];
        const float c = 0.5f * (x[2] - x[0]);
        output[n] = ((a * t + b) * t + c) * t + x[1];
    }
    place[0] = at < AROUND ? at : at - AROUND;
}

EXPORT(interpolation_header) void interpolation_header(void) {
    const rtwd_place_t at = rtwd_interpolate(output, noise + 1, LONG / 2, place[1], STEP);
    place[1] = at < AROUND ? at : at - AROUND;
}

/* ---- pid: 64 steps of a controller and its plant ---- */

static double position, integral, before;

EXPORT(pid_plain) void pid_plain(void) {
    for (int n = 0; n < 64; n++) {
        const double error = (double)noise[n] - position;
        double control = 4.0 * error + integral - 0.5 * (position - before) / 0.01;
        const double wanted = control;
        control = control > 1 ? 1 : control < -1 ? -1 : control;
        integral += 0.01 * (8.0 * error + (control - wanted) / 0.03);
        before = position;
        position += 0.01 * (control - 0.2 * position);
        output[n] = (float)control;
    }
}

/* ---- all ---- */

EXPORT(init) void dsp_init(void) {
    uint32_t random = 1;
    for (int n = 0; n < 4096; n++) {
        random = random * 1664525u + 1013904223u;
        noise[n] = (float)(int32_t)random * 0x1p-31f;
    }
    for (int n = 0; n < OUTPUT_FLOATS; n++) output[n] = 0;
    gain_from = 0.25f, gain_to = 0.75f;
    for (int k = 0; k < TAPS; k++) taps[k] = noise[1000 + k] * 0.125f;
    for (int n = 0; n < TAPS - 1 + FRAMES; n++) line[n] = 0;
    rtwd_cascade_set(&cascade, biquads, 4);
    rtwd_cascade_reset(&cascade);
    for (int i = 0; i < 4; i++) biquad_state[i][0] = biquad_state[i][1] = 0;
    rtwd_fft_roots(roots, POINTS);
    natural_roots(plain_roots, roots, POINTS);
    for (int n = 0; n < BLOCK * PARTS; n++) response[n] = noise[2000 + n] / (float)(n + 16);
    rtwd_convolver_begin(&convolver, convolver_memory, BLOCK, PARTS, response, BLOCK * PARTS);
    natural_roots(block_roots, convolver.roots, 2 * BLOCK);
    newest = 0;
    for (int part = 0; part < PARTS; part++) {
        for (int n = 0; n < 2 * BLOCK; n++) {
            parts[part][0][n] = n < BLOCK ? response[part * BLOCK + n] / (float)(2 * BLOCK) : 0;
            parts[part][1][n] = spectra[part][0][n] = spectra[part][1][n] = 0;
        }
        plain_fft(parts[part][0], parts[part][1], block_roots, 2 * BLOCK);
    }
    for (int n = 0; n < 2 * BLOCK; n++) past[0][n] = past[1][n] = 0;
    rtwd_delay_begin(&delay, header_line, DELAY);
    for (int n = 0; n < DELAY; n++) plain_line[n] = 0;
    plain_at = 0;
    combs.damping = 0.2f, combs.feedback = 0.84f;
    for (int comb = 0; comb < 4; comb++) {
        rtwd_delay_begin(&combs.delays[comb], comb_lines[comb], comb_lengths[comb]);
        for (int n = 0; n < COMB_FRAMES; n++) plain_combs[comb][n] = 0;
        plain_low[comb] = combs.low[comb] = 0;
        comb_at[comb] = 0;
    }
    place[0] = place[1] = 0;
    position = integral = before = 0;
}
