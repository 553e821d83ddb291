/* Kernels of signal processing for guests, written so that the engine's code generator makes good code of them. For C and C++, header
 * only; no libm, no allocation: all memory is the caller's. The same source compiles natively, so that a guest can be tested on its host,
 * and gives the same bits there (with -ffp-contract=off, where a compiler would fuse multiplications with additions).
 *
 *   rtwd_fir          an FIR filter                       rtwd_matmul       the product of two matrices
 *   rtwd_cascade      biquads in series                   rtwd_delay        a delay line
 *   rtwd_fft          a complex FFT                       rtwd_combs        four damped combs, as reverbs have them
 *   rtwd_convolver    convolution with a long response    rtwd_interpolate  reads a signal at fractional places
 *
 * Units: frames, sizes and strides are numbers of floats. Signals are arrays of one channel. No array needs more than the alignment of a
 * float. Only `_begin` functions keep pointers. Input and output must not overlap unless the comment allows it.
 *
 * Compile guests with -O3 -msimd128 -mbulk-memory. Without the last, clang makes calls of memcpy and memset of loops, which a guest without
 * a libc does not have. Vectors are the compilers' own (clang, gcc), which become the instructions of SIMD128; with other
 * compilers, or with RTWD_PLAIN defined, they are arrays of four floats, and the bits are the same.
 *
 * For kernels of your own:
 *  - Let pointers walk, and address by constant offsets from them. A 32-bit index that may wrap around does not fit into the machine's
 *    addressing, so each indexed load costs a shift and an addition.
 *  - Call RTWD_WALK on each pointer before the loop. If the loop has several pointers, call it again in each iteration: otherwise clang
 *    rewrites them into one index and several bases.
 *  - Keep at most about ten loaded vectors live per iteration; more spill to the stack. The code generator puts arithmetic as late as it
 *    can and leaves loads where they are: a loaded vector takes one of sixteen registers up to the next store or the iteration's end.
 *  - Keep few values from one iteration to the next, for the same reason. After a loop, do not use the pointers that walked in it.
 *  - Use several accumulators, so that additions do not wait for each other. If each belongs to a result of its own, the bits stay.
 *  - Load vectors of factors and shuffle them, rather than single floats to splat.
 */
#ifndef RTW_DSP_H
#define RTW_DSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- vectors of four floats ---- */

#if defined(__GNUC__)
/* Inlined, so that sizes that are constants at the call are constants in the loops. */
#define RTWD_INLINE __attribute__((always_inline)) static inline
#else
#define RTWD_INLINE static inline
#endif

#if (defined(__GNUC__) || defined(__clang__)) && !defined(RTWD_PLAIN)

/* Hides where a pointer comes from. For WebAssembly as a copy: clang 19 mistakes an empty instruction that changes its operand for the
 * result of a memset before it. */
#if defined(__wasm__)
#define RTWD_WALK(pointer) __asm__("local.get\t%1\n\tlocal.set\t%0" : "=r"(pointer) : "r"(pointer))
#else
#define RTWD_WALK(pointer) __asm__("" : "+r"(pointer))
#endif
/* The loop stays as it is written. */
#if defined(__clang__)
#define RTWD_ONE_BY_ONE _Pragma("clang loop unroll(disable) vectorize(disable)")
#else
#define RTWD_ONE_BY_ONE
#endif

typedef float rtwd_vector_t __attribute__((vector_size(16)));
typedef int32_t rtwd_lanes_t __attribute__((vector_size(16)));
/* The same at any float. */
typedef float rtwd_loose_t __attribute__((vector_size(16), aligned(4), may_alias));

static inline rtwd_vector_t rtwd_load(const float *from) { return *(const rtwd_loose_t *)from; }
static inline void rtwd_store(float *to, rtwd_vector_t v) { *(rtwd_loose_t *)to = v; }
static inline rtwd_vector_t rtwd_four(float a, float b, float c, float d) {
    const rtwd_vector_t v = {a, b, c, d};
    return v;
}
static inline rtwd_vector_t rtwd_splat(float x) { return rtwd_four(x, x, x, x); }
static inline rtwd_vector_t rtwd_from_ints(int32_t a, int32_t b, int32_t c, int32_t d) {
    const rtwd_lanes_t v = {a, b, c, d};
    return __builtin_convertvector(v, rtwd_vector_t);
}
static inline rtwd_vector_t rtwd_add(rtwd_vector_t a, rtwd_vector_t b) { return a + b; }
static inline rtwd_vector_t rtwd_sub(rtwd_vector_t a, rtwd_vector_t b) { return a - b; }
static inline rtwd_vector_t rtwd_mul(rtwd_vector_t a, rtwd_vector_t b) { return a * b; }
/* The lanes' order is a constant: 0 to 3 from a, 4 to 7 from b. */
#if defined(__clang__)
#define rtwd_shuffle(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
static inline rtwd_lanes_t rtwd_lanes(int32_t i, int32_t j, int32_t k, int32_t l) {
    const rtwd_lanes_t lanes = {i, j, k, l};
    return lanes;
}
#define rtwd_shuffle(a, b, i, j, k, l) __builtin_shuffle(a, b, rtwd_lanes(i, j, k, l))
#endif
#define RTWD_LANE(v, lane) (v)[lane]

#else

#define RTWD_WALK(pointer) ((void)0)
#define RTWD_ONE_BY_ONE

typedef struct rtwd_vector_t {
    float lane[4];
} rtwd_vector_t;

static inline rtwd_vector_t rtwd_four(float a, float b, float c, float d) {
    rtwd_vector_t v;
    v.lane[0] = a, v.lane[1] = b, v.lane[2] = c, v.lane[3] = d;
    return v;
}
static inline rtwd_vector_t rtwd_load(const float *from) { return rtwd_four(from[0], from[1], from[2], from[3]); }
static inline void rtwd_store(float *to, rtwd_vector_t v) {
    to[0] = v.lane[0], to[1] = v.lane[1], to[2] = v.lane[2], to[3] = v.lane[3];
}
static inline rtwd_vector_t rtwd_splat(float x) { return rtwd_four(x, x, x, x); }
static inline rtwd_vector_t rtwd_from_ints(int32_t a, int32_t b, int32_t c, int32_t d) {
    return rtwd_four((float)a, (float)b, (float)c, (float)d);
}
#define RTWD_EACH(name, op)                                                                                                       \
    static inline rtwd_vector_t name(rtwd_vector_t a, rtwd_vector_t b) {                                                          \
        return rtwd_four(a.lane[0] op b.lane[0], a.lane[1] op b.lane[1], a.lane[2] op b.lane[2], a.lane[3] op b.lane[3]);         \
    }
RTWD_EACH(rtwd_add, +)
RTWD_EACH(rtwd_sub, -)
RTWD_EACH(rtwd_mul, *)
static inline float rtwd_either(rtwd_vector_t a, rtwd_vector_t b, int i) { return i < 4 ? a.lane[i] : b.lane[i - 4]; }
#define rtwd_shuffle(a, b, i, j, k, l)                                                                                            \
    rtwd_four(rtwd_either(a, b, i), rtwd_either(a, b, j), rtwd_either(a, b, k), rtwd_either(a, b, l))
#define RTWD_LANE(v, at) (v).lane[at]

#endif

/* Rows become columns. */
static inline void rtwd_transpose(rtwd_vector_t v[4]) {
    const rtwd_vector_t ab_low = rtwd_shuffle(v[0], v[1], 0, 4, 1, 5), ab_high = rtwd_shuffle(v[0], v[1], 2, 6, 3, 7);
    const rtwd_vector_t cd_low = rtwd_shuffle(v[2], v[3], 0, 4, 1, 5), cd_high = rtwd_shuffle(v[2], v[3], 2, 6, 3, 7);
    v[0] = rtwd_shuffle(ab_low, cd_low, 0, 1, 4, 5);
    v[1] = rtwd_shuffle(ab_low, cd_low, 2, 3, 6, 7);
    v[2] = rtwd_shuffle(ab_high, cd_high, 0, 1, 4, 5);
    v[3] = rtwd_shuffle(ab_high, cd_high, 2, 3, 6, 7);
}

static inline int32_t rtwd_least(int32_t a, int32_t b) { return a < b ? a : b; }

/* Copies forward: the ranges may overlap where `to` is below `from`. */
static inline void rtwd_copy(float *to, const float *from, int32_t count) {
    const float *x = from, *end = from + (count & ~7);
    float *y = to;
    RTWD_WALK(end);
    RTWD_ONE_BY_ONE
    for (; x != end; x += 8, y += 8) {
        RTWD_WALK(x);
        RTWD_WALK(y);
        const rtwd_vector_t a = rtwd_load(x), b = rtwd_load(x + 4);
        rtwd_store(y, a);
        rtwd_store(y + 4, b);
    }
    RTWD_ONE_BY_ONE
    for (int32_t n = count & ~7; n < count; n++) to[n] = from[n];
}

/* ---- FIR ---- */

/* Adds the products of up to six taps, whose number is a constant: they stay in registers, while samples and sums walk past. */
RTWD_INLINE void rtwd_fir_part(float *out, const float *in, int32_t frames, const float *taps, int32_t count) {
    rtwd_vector_t tap[6];
    for (int32_t k = 0; k < count; k++) tap[k] = rtwd_splat(taps[k]);
    const int32_t whole = frames & ~7;
    const float *x = in - (count - 1);
    float *y = out, *end = out + whole;
    RTWD_WALK(end);
    RTWD_ONE_BY_ONE
    for (; y != end; x += 8, y += 8) {
        RTWD_WALK(x);
        RTWD_WALK(y);
        for (int32_t half = 0; half < 8; half += 4) {
            rtwd_vector_t sum = rtwd_load(y + half);
            for (int32_t k = 0; k < count; k++) sum = rtwd_add(sum, rtwd_mul(tap[k], rtwd_load(x + half + count - 1 - k)));
            rtwd_store(y + half, sum);
        }
    }
    for (int32_t n = whole; n < frames; n++) {
        float sum = out[n];
        for (int32_t k = 0; k < count; k++) sum += taps[k] * in[n - k];
        out[n] = sum;
    }
}

/* Filters `frames` samples: out[n] = taps[0] * in[n] + taps[1] * in[n - 1] + ..., added up in this order.
 *
 * `in` is preceded by tap_count - 1 samples of the past. Keep both in one array of tap_count - 1 + the largest block, zeros at first:
 * copy each block behind the past, filter, then call rtwd_keep.
 *
 * tap_count  1 or more; frames 0 or more */
static inline void rtwd_fir(float *out, const float *in, int32_t frames, const float *taps, int32_t tap_count) {
    for (int32_t n = 0; n < frames; n++) out[n] = 0;
    for (; tap_count >= 6; tap_count -= 6, taps += 6, in -= 6) rtwd_fir_part(out, in, frames, taps, 6);
    for (; tap_count >= 4; tap_count -= 4, taps += 4, in -= 4) rtwd_fir_part(out, in, frames, taps, 4);
    for (; tap_count >= 2; tap_count -= 2, taps += 2, in -= 2) rtwd_fir_part(out, in, frames, taps, 2);
    if (tap_count == 1) rtwd_fir_part(out, in, frames, taps, 1);
}

/* After a block of `frames`: moves the last `past` samples of line[0 .. past + frames) to its beginning, for the next block. */
static inline void rtwd_keep(float *line, int32_t past, int32_t frames) { rtwd_copy(line, line + frames, past); }

/* ---- biquads in series ---- */

/* Of y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]. */
typedef struct rtwd_biquad_t {
    float b0, b1, b2, a1, a2;
} rtwd_biquad_t;

/* Four biquads in series, in transposed direct form II. They run side by side in one vector, each one sample behind the one before it, so
 * that their chains of dependent operations overlap; at the ends of a block the others wait, so that there is no delay. */
typedef struct rtwd_cascade_t {
    float b0[4], b1[4], b2[4], a1[4], a2[4];
    float s1[4], s2[4]; /* state; zeros: silence */
} rtwd_cascade_t;

/* Sets coefficients; the state stays. count: 0 to 4 biquads; the others let everything through. For more than four, use more cascades. */
static inline void rtwd_cascade_set(rtwd_cascade_t *cascade, const rtwd_biquad_t *biquads, int32_t count) {
    for (int32_t i = 0; i < 4; i++) {
        const rtwd_biquad_t through = {1, 0, 0, 0, 0}, c = i < count ? biquads[i] : through;
        cascade->b0[i] = c.b0, cascade->b1[i] = c.b1, cascade->b2[i] = c.b2, cascade->a1[i] = c.a1, cascade->a2[i] = c.a2;
    }
}

static inline void rtwd_cascade_reset(rtwd_cascade_t *cascade) {
    for (int32_t i = 0; i < 4; i++) cascade->s1[i] = cascade->s2[i] = 0;
}

/* Filters a block of any length; out may be in. */
static inline void rtwd_cascade(rtwd_cascade_t *cascade, float *out, const float *in, int32_t frames) {
    const rtwd_vector_t b0 = rtwd_load(cascade->b0), b1 = rtwd_load(cascade->b1), b2 = rtwd_load(cascade->b2);
    const rtwd_vector_t a1 = rtwd_load(cascade->a1), a2 = rtwd_load(cascade->a2);
    rtwd_vector_t s1 = rtwd_load(cascade->s1), s2 = rtwd_load(cascade->s2), y = rtwd_splat(0);
    RTWD_WALK(in);
    RTWD_WALK(out);
/* One step: sample x goes into the first biquad, the last one's output is lane 3 of y. */
#define RTWD_STEP(x)                                                                                                              \
    do {                                                                                                                          \
        const rtwd_vector_t in4 = rtwd_shuffle(rtwd_splat(x), y, 0, 4, 5, 6);                                                     \
        y = rtwd_add(rtwd_mul(b0, in4), s1);                                                                                      \
        s1 = rtwd_sub(rtwd_add(rtwd_mul(b1, in4), s2), rtwd_mul(a1, y));                                                          \
        s2 = rtwd_sub(rtwd_mul(b2, in4), rtwd_mul(a2, y));                                                                        \
    } while (0)
/* Takes the state back in the lanes whose biquad had no sample at step `at`: it was not its turn yet, or any more. */
#define RTWD_PARTIAL_STEP(x, at)                                                                                                  \
    do {                                                                                                                          \
        float before1[4], before2[4], after1[4], after2[4];                                                                       \
        rtwd_store(before1, s1);                                                                                                  \
        rtwd_store(before2, s2);                                                                                                  \
        RTWD_STEP(x);                                                                                                             \
        rtwd_store(after1, s1);                                                                                                   \
        rtwd_store(after2, s2);                                                                                                   \
        for (int32_t i = 0; i < 4; i++) {                                                                                         \
            const bool had = (at) - i >= 0 && (at) - i < frames;                                                                  \
            after1[i] = had ? after1[i] : before1[i];                                                                             \
            after2[i] = had ? after2[i] : before2[i];                                                                             \
        }                                                                                                                         \
        s1 = rtwd_load(after1);                                                                                                   \
        s2 = rtwd_load(after2);                                                                                                   \
    } while (0)
    if (frames <= 0) return;
    int32_t at = 0;
    RTWD_ONE_BY_ONE
    for (; at < 3; at++) {
        const float x = at < frames ? in[at] : 0;
        RTWD_PARTIAL_STEP(x, at);
    }
    const float *x = in + 3;
    RTWD_ONE_BY_ONE
    for (; at + 2 <= frames; at += 2, x += 2, out += 2) {
        RTWD_WALK(x);
        RTWD_WALK(out);
        const float second = x[1];
        RTWD_STEP(x[0]);
        out[0] = RTWD_LANE(y, 3);
        RTWD_STEP(second);
        out[1] = RTWD_LANE(y, 3);
    }
    if (at < frames) {
        RTWD_STEP(*x);
        *out++ = RTWD_LANE(y, 3);
        at++;
    }
    RTWD_ONE_BY_ONE
    for (; at < frames + 3; at++) {
        RTWD_PARTIAL_STEP(0, at);
        if (at >= 3) *out++ = RTWD_LANE(y, 3);
    }
#undef RTWD_STEP
#undef RTWD_PARTIAL_STEP
    rtwd_store(cascade->s1, s1);
    rtwd_store(cascade->s2, s2);
}

/* ---- FFT ---- */

/* The number of floats that rtwd_fft_roots fills. */
#define RTWD_FFT_ROOTS(points) ((points) / 2 * 7)

/* Writes cosine and sine of a root's multiples by 1, 2 and 3, to to[0], to[4], to[8], ...; steps: exp(-2 pi i / 2^level). */
static inline void rtwd_fft_root(float *to, int32_t place, int32_t levels, const double *step_re, const double *step_im) {
    for (int32_t times = 1; times <= 3; times++, to += 8) {
        double re = 1, im = 0;
        for (int32_t level = 1; level <= levels; level++) {
            if ((place * times >> (levels - level) & 1) != 0) {
                const double next = re * step_re[level] - im * step_im[level];
                im = re * step_im[level] + im * step_re[level];
                re = next;
            }
        }
        to[0] = (float)re;
        to[4] = (float)im;
    }
}

/* Fills roots[0 .. RTWD_FFT_ROOTS(points)) for rtwd_fft. Computes in double, by halving angles, so that the roots are right to a float's
 * precision, and the same on every machine. Takes a while: call it where time does not matter. */
static inline void rtwd_fft_roots(float *roots, int32_t points) {
    double step_re[17], step_im[17];
    int32_t levels = 0;
    for (int32_t size = points; size > 1; size /= 2) levels++;
    step_re[0] = 1, step_im[0] = 0;
    step_re[1] = -1, step_im[1] = 0;
    step_re[2] = 0, step_im[2] = -1;
    for (int32_t level = 3; level <= levels; level++) {
        step_re[level] = __builtin_sqrt((1 + step_re[level - 1]) / 2);
        step_im[level] = step_im[level - 1] / (2 * step_re[level]);
    }
    for (int32_t place = 0; place < points / 4; place++) {
        rtwd_fft_root(roots + place / 4 * 24 + place % 4, place, levels, step_re, step_im);
    }
    roots += points / 16 * 24;
    /* The later passes have each root four times. */
    for (int32_t stride = 4; stride < points / 4; stride *= 4) {
        for (int32_t place = 0; place < points / 4; place += stride, roots += 24) {
            for (int32_t lane = 0; lane < 4; lane++) rtwd_fft_root(roots + lane, place, levels, step_re, step_im);
        }
    }
}

/* The sums and differences of a butterfly of four. */
#define RTWD_BUTTERFLY(x_re, x_im, quarter)                                                                                       \
    const rtwd_vector_t a_re = rtwd_load(x_re), a_im = rtwd_load(x_im);                                                           \
    const rtwd_vector_t c_re = rtwd_load(x_re + 2 * (quarter)), c_im = rtwd_load(x_im + 2 * (quarter));                           \
    const rtwd_vector_t b_re = rtwd_load(x_re + (quarter)), b_im = rtwd_load(x_im + (quarter));                                   \
    const rtwd_vector_t d_re = rtwd_load(x_re + 3 * (quarter)), d_im = rtwd_load(x_im + 3 * (quarter));                           \
    const rtwd_vector_t ac_re = rtwd_add(a_re, c_re), ac_im = rtwd_add(a_im, c_im);                                               \
    const rtwd_vector_t bd_re = rtwd_add(b_re, d_re), bd_im = rtwd_add(b_im, d_im);                                               \
    const rtwd_vector_t e_re = rtwd_sub(a_re, c_re), e_im = rtwd_sub(a_im, c_im);                                                 \
    const rtwd_vector_t f_re = rtwd_sub(b_re, d_re), f_im = rtwd_sub(b_im, d_im);                                                 \
    const rtwd_vector_t u_re = rtwd_add(e_re, f_im), u_im = rtwd_sub(e_im, f_re);                                                 \
    const rtwd_vector_t v_re = rtwd_sub(ac_re, bd_re), v_im = rtwd_sub(ac_im, bd_im);                                             \
    const rtwd_vector_t w_re = rtwd_sub(e_re, f_im), w_im = rtwd_add(e_im, f_re)
/* The real and the imaginary part of a product. */
#define RTWD_RE(re, im, cosine, sine) rtwd_sub(rtwd_mul(re, cosine), rtwd_mul(im, sine))
#define RTWD_IM(re, im, cosine, sine) rtwd_add(rtwd_mul(re, sine), rtwd_mul(im, cosine))

/* The first pass of Stockham's FFT, four butterflies at a time, whose outputs follow each other. */
RTWD_INLINE void rtwd_fft_first(float *to_re, float *to_im, const float *x_re, const float *x_im, int32_t points, const float *roots) {
    const float *end = x_re + points / 4;
    RTWD_WALK(end);
    RTWD_ONE_BY_ONE
    for (; x_re != end; x_re += 4, x_im += 4, to_re += 16, to_im += 16, roots += 24) {
        RTWD_WALK(x_re);
        RTWD_WALK(x_im);
        RTWD_WALK(to_re);
        RTWD_WALK(to_im);
        RTWD_WALK(roots);
        RTWD_BUTTERFLY(x_re, x_im, points / 4);
        rtwd_vector_t y[4];
        y[0] = rtwd_add(ac_re, bd_re);
        y[1] = RTWD_RE(u_re, u_im, rtwd_load(roots), rtwd_load(roots + 4));
        y[2] = RTWD_RE(v_re, v_im, rtwd_load(roots + 8), rtwd_load(roots + 12));
        y[3] = RTWD_RE(w_re, w_im, rtwd_load(roots + 16), rtwd_load(roots + 20));
        rtwd_transpose(y);
        for (int32_t i = 0; i < 4; i++) rtwd_store(to_re + 4 * i, y[i]);
        y[0] = rtwd_add(ac_im, bd_im);
        y[1] = RTWD_IM(u_re, u_im, rtwd_load(roots), rtwd_load(roots + 4));
        y[2] = RTWD_IM(v_re, v_im, rtwd_load(roots + 8), rtwd_load(roots + 12));
        y[3] = RTWD_IM(w_re, w_im, rtwd_load(roots + 16), rtwd_load(roots + 20));
        rtwd_transpose(y);
        for (int32_t i = 0; i < 4; i++) rtwd_store(to_im + 4 * i, y[i]);
    }
}

/* A later pass: `stride` butterflies share their roots, which are loaded where registers are free, after the first stores. */
RTWD_INLINE void rtwd_fft_pass(float *to_re, float *to_im, const float *x_re, const float *x_im, int32_t points, int32_t stride,
                               const float *roots) {
    const float *end = x_re + points / 4;
    RTWD_WALK(end);
    RTWD_ONE_BY_ONE
    for (; x_re != end; x_re += stride, x_im += stride, to_re += 4 * stride, to_im += 4 * stride, roots += 24) {
        const float *in_re = x_re, *in_im = x_im;
        float *out_re = to_re, *out_im = to_im;
        const float *row_end = x_re + stride;
        RTWD_WALK(row_end);
        RTWD_WALK(roots);
        RTWD_ONE_BY_ONE
        for (; in_re != row_end; in_re += 4, in_im += 4, out_re += 4, out_im += 4) {
            RTWD_WALK(in_re);
            RTWD_WALK(in_im);
            RTWD_WALK(out_re);
            RTWD_WALK(out_im);
            RTWD_BUTTERFLY(in_re, in_im, points / 4);
            rtwd_store(out_re, rtwd_add(ac_re, bd_re));
            rtwd_store(out_im, rtwd_add(ac_im, bd_im));
            const rtwd_vector_t cos1 = rtwd_load(roots), sin1 = rtwd_load(roots + 4);
            rtwd_store(out_re + stride, RTWD_RE(u_re, u_im, cos1, sin1));
            rtwd_store(out_im + stride, RTWD_IM(u_re, u_im, cos1, sin1));
            const rtwd_vector_t cos2 = rtwd_load(roots + 8), sin2 = rtwd_load(roots + 12);
            rtwd_store(out_re + 2 * stride, RTWD_RE(v_re, v_im, cos2, sin2));
            rtwd_store(out_im + 2 * stride, RTWD_IM(v_re, v_im, cos2, sin2));
            const rtwd_vector_t cos3 = rtwd_load(roots + 16), sin3 = rtwd_load(roots + 20);
            rtwd_store(out_re + 3 * stride, RTWD_RE(w_re, w_im, cos3, sin3));
            rtwd_store(out_im + 3 * stride, RTWD_IM(w_re, w_im, cos3, sin3));
        }
    }
}

/* The last pass, where all roots are 1: of four inputs a butterfly, or of two where the number of points is no power of four. */
RTWD_INLINE void rtwd_fft_last(float *to_re, float *to_im, const float *x_re, const float *x_im, int32_t points, bool by_two) {
    const float *end = x_re + points / (by_two ? 2 : 4);
    RTWD_WALK(end);
    RTWD_ONE_BY_ONE
    for (; x_re != end; x_re += 4, x_im += 4, to_re += 4, to_im += 4) {
        RTWD_WALK(x_re);
        RTWD_WALK(x_im);
        RTWD_WALK(to_re);
        RTWD_WALK(to_im);
        if (by_two) {
            const rtwd_vector_t a_re = rtwd_load(x_re), b_re = rtwd_load(x_re + points / 2);
            const rtwd_vector_t a_im = rtwd_load(x_im), b_im = rtwd_load(x_im + points / 2);
            rtwd_store(to_re, rtwd_add(a_re, b_re));
            rtwd_store(to_re + points / 2, rtwd_sub(a_re, b_re));
            rtwd_store(to_im, rtwd_add(a_im, b_im));
            rtwd_store(to_im + points / 2, rtwd_sub(a_im, b_im));
        } else {
            RTWD_BUTTERFLY(x_re, x_im, points / 4);
            rtwd_store(to_re, rtwd_add(ac_re, bd_re));
            rtwd_store(to_im, rtwd_add(ac_im, bd_im));
            rtwd_store(to_re + points / 4, u_re);
            rtwd_store(to_im + points / 4, u_im);
            rtwd_store(to_re + points / 2, v_re);
            rtwd_store(to_im + points / 2, v_im);
            rtwd_store(to_re + points / 4 * 3, w_re);
            rtwd_store(to_im + points / 4 * 3, w_im);
        }
    }
}

/* Transforms `points` complex numbers: out[k] = sum of in[n] exp(-2 pi i n k / points), not scaled. Real and imaginary parts are arrays of
 * their own. With the parts of both sides exchanged (im for re, re for im) it is the inverse transform, not scaled.
 *
 * work    room for 2 * points floats
 * points  a power of two from 16 to 65536; a constant makes better code
 * roots   as rtwd_fft_roots fills them for the same number */
RTWD_INLINE void rtwd_fft(float *out_re, float *out_im, float *work, const float *in_re, const float *in_im, int32_t points,
                          const float *roots) {
    int32_t later_passes = 0;
    for (int32_t stride = 4; stride < points; stride *= 4) later_passes++;
    /* The buffers take turns so that the last pass writes to `out`. */
    const bool is_even = later_passes % 2 == 0;
    float *const even_re = is_even ? out_re : work, *const even_im = is_even ? out_im : work + points;
    float *const odd_re = is_even ? work : out_re, *const odd_im = is_even ? work + points : out_im;
    rtwd_fft_first(even_re, even_im, in_re, in_im, points, roots);
    roots += points / 16 * 24;
/* One after the other and not as a loop, so that strides are constants. */
#define RTWD_PASS(stride, from, to)                                                                                               \
    if ((stride) * 4 < points) {                                                                                                  \
        rtwd_fft_pass(to##_re, to##_im, from##_re, from##_im, points, stride, roots);                                             \
        roots += points / 4 / (stride) * 24;                                                                                      \
    } else if ((stride) < points) {                                                                                               \
        rtwd_fft_last(to##_re, to##_im, from##_re, from##_im, points, (stride) * 2 == points);                                    \
    }
    RTWD_PASS(4, even, odd)
    RTWD_PASS(16, odd, even)
    RTWD_PASS(64, even, odd)
    RTWD_PASS(256, odd, even)
    RTWD_PASS(1024, even, odd)
    RTWD_PASS(4096, odd, even)
    RTWD_PASS(16384, even, odd)
#undef RTWD_PASS
}

/* ---- convolution ---- */

/* Convolves two channels with the same response of any length, block by block and without delay: both are one complex signal, which is
 * multiplied with the transforms of the response's parts. Its state are these parts, and the transforms of as many past blocks. */
typedef struct rtwd_convolver_t {
    int32_t parts, newest;
    float *roots;
    float *work;     /* for a transform; the sum; its transform */
    float *past;     /* the block before, and this one: real, then imaginary parts */
    float *response; /* for each part the transform */
    float *spectra;  /* for each of the last blocks the transform */
} rtwd_convolver_t;

/* The floats of memory that a convolver needs. */
#define RTWD_CONVOLVER_FLOATS(block, parts) ((block) * (7 + 12 + 4 + 8 * (parts)))

static inline void rtwd_convolver_reset(rtwd_convolver_t *c, int32_t block) {
    c->newest = 0;
    for (int32_t i = 0; i < 4 * block; i++) c->past[i] = 0;
    for (int32_t i = 0; i < 4 * block * c->parts; i++) c->spectra[i] = 0;
}

/* Sets a convolver up, which takes long, with silence as its past.
 *
 * memory  RTWD_CONVOLVER_FLOATS(block, parts) floats, which the convolver keeps
 * block   frames of each block, a power of two from 8 to 32768; the same in all calls
 * parts   1 or more; the response has at most block * parts samples */
static inline void rtwd_convolver_begin(rtwd_convolver_t *c, float *memory, int32_t block, int32_t parts, const float *response,
                                        int32_t response_length) {
    const int32_t points = 2 * block;
    c->parts = parts;
    c->roots = memory;
    c->work = c->roots + RTWD_FFT_ROOTS(points);
    c->past = c->work + 6 * points;
    c->response = c->past + 2 * points;
    c->spectra = c->response + 2 * points * parts;
    rtwd_fft_roots(c->roots, points);
    for (int32_t part = 0; part < parts; part++) {
        for (int32_t i = 0; i < 2 * points; i++) c->past[i] = 0;
        /* The inverse transform's scale is in here. */
        for (int32_t i = 0; i < block && part * block + i < response_length; i++) {
            c->past[i] = response[part * block + i] / (float)points;
        }
        float *to = c->response + 2 * points * part;
        rtwd_fft(to, to + points, c->work, c->past, c->past + points, points, c->roots);
    }
    rtwd_convolver_reset(c, block);
}

/* Adds up the products of the newest spectra and the response's parts, into `to`: points real, then points imaginary parts. */
RTWD_INLINE void rtwd_convolver_sum(const rtwd_convolver_t *c, float *to, int32_t points) {
    for (int32_t at = 0; at < points; at += 8) {
        rtwd_vector_t re = rtwd_splat(0), im = re, re2 = re, im2 = re;
        const float *h = c->response + at;
        for (int32_t half = 0; half < 2; half++) {
            /* Spectra from the newest to the end of the ring, then from its beginning to the oldest. */
            const float *x = c->spectra + at + (half == 0 ? 2 * points * c->newest : 0);
            const float *const end = x + 2 * points * (half == 0 ? c->parts - c->newest : c->newest);
            RTWD_WALK(x);
            RTWD_WALK(h);
            RTWD_ONE_BY_ONE
            for (; x != end; x += 2 * points, h += 2 * points) {
                RTWD_WALK(x);
                RTWD_WALK(h);
                const rtwd_vector_t x_re = rtwd_load(x), x_im = rtwd_load(x + points);
                const rtwd_vector_t h_re = rtwd_load(h), h_im = rtwd_load(h + points);
                re = rtwd_add(re, RTWD_RE(x_re, x_im, h_re, h_im));
                im = rtwd_add(im, RTWD_IM(x_re, x_im, h_re, h_im));
                const rtwd_vector_t y_re = rtwd_load(x + 4), y_im = rtwd_load(x + points + 4);
                const rtwd_vector_t g_re = rtwd_load(h + 4), g_im = rtwd_load(h + points + 4);
                re2 = rtwd_add(re2, RTWD_RE(y_re, y_im, g_re, g_im));
                im2 = rtwd_add(im2, RTWD_IM(y_re, y_im, g_re, g_im));
            }
        }
        rtwd_store(to + at, re);
        rtwd_store(to + at + 4, re2);
        rtwd_store(to + points + at, im);
        rtwd_store(to + points + at + 4, im2);
    }
}

/* Convolves one block of two channels, of exactly `block` frames, without delay; out_ may be in_. For one channel, give the other silence.
 * Hosts call with any number of frames: a guest has to gather `block` of them first, and to report the latency that this adds.
 *
 * block  as in rtwd_convolver_begin; a constant makes better code */
RTWD_INLINE void rtwd_convolver(rtwd_convolver_t *c, int32_t block, float *out_left, float *out_right, const float *in_left,
                                const float *in_right) {
    const int32_t points = 2 * block;
    float *const re = c->past, *const im = c->past + points;
    rtwd_copy(re, re + block, block);
    rtwd_copy(im, im + block, block);
    rtwd_copy(re + block, in_left, block);
    rtwd_copy(im + block, in_right, block);
    c->newest = (c->newest > 0 ? c->newest : c->parts) - 1;
    float *const spectrum = c->spectra + 2 * points * c->newest;
    float *const work = c->work, *const sum = c->work + 2 * points;
    rtwd_fft(spectrum, spectrum + points, work, re, im, points, c->roots);
    rtwd_convolver_sum(c, sum, points);
    /* The inverse, over the sum's own place: the parts are exchanged. */
    float *const result = c->work + 4 * points;
    rtwd_fft(result + points, result, work, sum + points, sum, points, c->roots);
    rtwd_copy(out_left, result + block, block);
    rtwd_copy(out_right, result + points + block, block);
}

/* ---- matrices ---- */

/* `height` rows of eight columns of a product, `depth` products each, added to what `out` has or to 0. */
RTWD_INLINE void rtwd_matmul_tile(float *out, const float *left, const float *right, int32_t inner, int32_t columns, int32_t height,
                                  int32_t depth, bool adds) {
    const rtwd_vector_t zero = rtwd_splat(0);
    for (int32_t i = 0; i < height; i++) {
        rtwd_vector_t low = adds ? rtwd_load(out + i * columns) : zero, high = adds ? rtwd_load(out + i * columns + 4) : zero;
        if (depth == 4) {
            const rtwd_vector_t by = rtwd_load(left + i * inner);
            const rtwd_vector_t by0 = rtwd_shuffle(by, by, 0, 0, 0, 0), by1 = rtwd_shuffle(by, by, 1, 1, 1, 1);
            const rtwd_vector_t by2 = rtwd_shuffle(by, by, 2, 2, 2, 2), by3 = rtwd_shuffle(by, by, 3, 3, 3, 3);
            low = rtwd_add(low, rtwd_mul(by0, rtwd_load(right)));
            low = rtwd_add(low, rtwd_mul(by1, rtwd_load(right + columns)));
            low = rtwd_add(low, rtwd_mul(by2, rtwd_load(right + 2 * columns)));
            low = rtwd_add(low, rtwd_mul(by3, rtwd_load(right + 3 * columns)));
            high = rtwd_add(high, rtwd_mul(by0, rtwd_load(right + 4)));
            high = rtwd_add(high, rtwd_mul(by1, rtwd_load(right + columns + 4)));
            high = rtwd_add(high, rtwd_mul(by2, rtwd_load(right + 2 * columns + 4)));
            high = rtwd_add(high, rtwd_mul(by3, rtwd_load(right + 3 * columns + 4)));
        } else {
            const rtwd_vector_t by = rtwd_splat(left[i * inner]);
            low = rtwd_add(low, rtwd_mul(by, rtwd_load(right)));
            high = rtwd_add(high, rtwd_mul(by, rtwd_load(right + 4)));
        }
        rtwd_store(out + i * columns, low);
        rtwd_store(out + i * columns + 4, high);
    }
}

/* All tiles, for `depth` columns of `left` and rows of `right`. */
RTWD_INLINE void rtwd_matmul_part(float *out, const float *left, const float *right, int32_t rows, int32_t inner, int32_t columns,
                                  int32_t depth, bool adds) {
    const float *const last = out + (columns & ~7);
    RTWD_WALK(right);
    RTWD_ONE_BY_ONE
    for (; out != last; out += 8, right += 8) {
        float *to = out;
        const float *from = left, *pairs_end = left + (rows & ~1) * inner;
        RTWD_WALK(pairs_end);
        RTWD_ONE_BY_ONE
        for (; from != pairs_end; from += 2 * inner, to += 2 * columns) {
            RTWD_WALK(from);
            RTWD_WALK(to);
            rtwd_matmul_tile(to, from, right, inner, columns, 2, depth, adds);
        }
        if ((rows & 1) != 0) {
            rtwd_matmul_tile(out + (rows - 1) * columns, left + (rows - 1) * inner, right, inner, columns, 1, depth, adds);
        }
    }
}

/* Multiplies matrices that are stored by rows: out[i][j] = left[i][0] * right[0][j] + left[i][1] * right[1][j] + ..., added up in this
 * order.
 *
 * rows, inner, columns  `left` is rows by inner, `right` is inner by columns; 1 or more; constants make better code, and multiples of eight
 *                       the best */
RTWD_INLINE void rtwd_matmul(float *out, const float *left, const float *right, int32_t rows, int32_t inner, int32_t columns) {
    /* Four products at a time: sums that stay in registers for longer would need more of them than there are. */
    int32_t k = 0;
    for (; k + 4 <= inner; k += 4) {
        if (k == 0) {
            rtwd_matmul_part(out, left, right, rows, inner, columns, 4, false);
        } else {
            rtwd_matmul_part(out, left + k, right + k * columns, rows, inner, columns, 4, true);
        }
    }
    for (; k < inner; k++) rtwd_matmul_part(out, left + k, right + k * columns, rows, inner, columns, 1, k > 0);
    for (int32_t column = columns & ~7; column < columns; column++) {
        for (int32_t row = 0; row < rows; row++) {
            float sum = 0;
            for (k = 0; k < inner; k++) sum += left[row * inner + k] * right[k * columns + column];
            out[row * columns + column] = sum;
        }
    }
}

/* ---- delay lines ---- */

/* A ring of samples. Its state is the ring's content. */
typedef struct rtwd_delay_t {
    float *line;
    int32_t length, at; /* at: the oldest sample, which is the next one out */
} rtwd_delay_t;

/* line: `length` floats, 1 or more, which the delay keeps; set to silence. The delay is `length` frames. */
static inline void rtwd_delay_begin(rtwd_delay_t *delay, float *line, int32_t length) {
    delay->line = line;
    delay->length = length;
    delay->at = 0;
    for (int32_t i = 0; i < length; i++) line[i] = 0;
}

/* Delays a block of any length; out may be in. */
static inline void rtwd_delay(rtwd_delay_t *delay, float *out, const float *in, int32_t frames) {
    while (frames > 0) {
        /* The frames until the ring comes round. */
        const int32_t count = rtwd_least(frames, delay->length - delay->at);
        float *const line = delay->line + delay->at;
        delay->at = delay->at + count == delay->length ? 0 : delay->at + count;
        frames -= count;
        const int32_t whole = count & ~7;
        const float *x = in, *end = in + whole;
        float *y = out, *ring = line;
        RTWD_WALK(end);
        RTWD_ONE_BY_ONE
        for (; x != end; x += 8, y += 8, ring += 8) {
            RTWD_WALK(x);
            RTWD_WALK(y);
            RTWD_WALK(ring);
            const rtwd_vector_t a = rtwd_load(ring), b = rtwd_load(ring + 4), c = rtwd_load(x), d = rtwd_load(x + 4);
            rtwd_store(ring, c);
            rtwd_store(ring + 4, d);
            rtwd_store(y, a);
            rtwd_store(y + 4, b);
        }
        RTWD_ONE_BY_ONE
        for (int32_t n = whole; n < count; n++) {
            const float delayed = line[n];
            line[n] = in[n];
            out[n] = delayed;
        }
        in += count;
        out += count;
    }
}

/* Four feedback combs side by side, each with a one-pole low pass in its loop, as in Freeverb: the sum of their delays is added to the
 * output, and each gets back in + feedback * low pass of what came out. */
typedef struct rtwd_combs_t {
    rtwd_delay_t delays[4]; /* set up by rtwd_delay_begin; all lengths 4 or more */
    float low[4];           /* the low passes' state */
    float damping;          /* 0: no low pass; below 1 */
    float feedback;         /* below 1 */
} rtwd_combs_t;

/* Adds the combs' output to out[0 .. frames): out[n] = (((out[n] + first) + second) + third) + fourth. */
static inline void rtwd_combs(rtwd_combs_t *combs, float *out, const float *in, int32_t frames) {
    const rtwd_vector_t damping = rtwd_splat(combs->damping), feedback = rtwd_splat(combs->feedback);
    rtwd_vector_t low = rtwd_load(combs->low);
    while (frames > 0) {
        /* The frames until the first of the rings comes round. */
        int32_t count = frames;
        for (int32_t i = 0; i < 4; i++) count = rtwd_least(count, combs->delays[i].length - combs->delays[i].at);
        float *line[4];
        for (int32_t i = 0; i < 4; i++) {
            rtwd_delay_t *delay = &combs->delays[i];
            line[i] = delay->line + delay->at;
            delay->at = delay->at + count == delay->length ? 0 : delay->at + count;
        }
        frames -= count;
/* One frame of all four: delayed samples go in, what goes back into the rings comes out. */
#define RTWD_COMB(v, x)                                                                                                           \
    do {                                                                                                                          \
        low = rtwd_add(v, rtwd_mul(rtwd_sub(low, v), damping));                                                                   \
        v = rtwd_add(x, rtwd_mul(low, feedback));                                                                                 \
    } while (0)
        const int32_t whole = count & ~3;
        const float *from = in, *end = in + whole;
        float *to = out, *first = line[0], *second = line[1], *third = line[2], *fourth = line[3];
        RTWD_WALK(end);
        RTWD_ONE_BY_ONE
        for (; from != end; from += 4, to += 4, first += 4, second += 4, third += 4, fourth += 4) {
            RTWD_WALK(from);
            RTWD_WALK(to);
            RTWD_WALK(first);
            RTWD_WALK(second);
            RTWD_WALK(third);
            RTWD_WALK(fourth);
            const rtwd_vector_t x = rtwd_load(from);
            rtwd_vector_t v[4] = {rtwd_load(first), rtwd_load(second), rtwd_load(third), rtwd_load(fourth)};
            rtwd_store(to, rtwd_add(rtwd_add(rtwd_add(rtwd_add(rtwd_load(to), v[0]), v[1]), v[2]), v[3]));
            rtwd_transpose(v);
            RTWD_COMB(v[0], rtwd_shuffle(x, x, 0, 0, 0, 0));
            RTWD_COMB(v[1], rtwd_shuffle(x, x, 1, 1, 1, 1));
            RTWD_COMB(v[2], rtwd_shuffle(x, x, 2, 2, 2, 2));
            RTWD_COMB(v[3], rtwd_shuffle(x, x, 3, 3, 3, 3));
            rtwd_transpose(v);
            rtwd_store(first, v[0]);
            rtwd_store(second, v[1]);
            rtwd_store(third, v[2]);
            rtwd_store(fourth, v[3]);
        }
        RTWD_ONE_BY_ONE
        for (int32_t n = whole; n < count; n++) {
            rtwd_vector_t v = rtwd_four(line[0][n], line[1][n], line[2][n], line[3][n]);
            out[n] = out[n] + line[0][n] + line[1][n] + line[2][n] + line[3][n];
            RTWD_COMB(v, rtwd_splat(in[n]));
            for (int32_t i = 0; i < 4; i++) line[i][n] = RTWD_LANE(v, i);
        }
        in += count;
        out += count;
#undef RTWD_COMB
    }
    rtwd_store(combs->low, low);
}

/* ---- interpolation ---- */

/* A place between two samples: the sample's number times 2^32, plus the fraction. It adds up without rounding. */
typedef uint64_t rtwd_place_t;
#define RTWD_PLACE(frames) ((rtwd_place_t)((frames) * 4294967296.0))

/* Reads a signal at `frames` places that are `step` apart, by the cubic through the four samples around each (Catmull and Rom): for
 * resampling, chorus, and players of recordings. Reads in[-1] to in[2 + the last place]. Returns the place after the last one. */
static inline rtwd_place_t rtwd_interpolate(float *out, const float *in, int32_t frames, rtwd_place_t place, rtwd_place_t step) {
    RTWD_WALK(out);
/* The fraction in 24 bits, which a float holds exactly; times 2^-24. */
#define RTWD_PART 5.9604644775390625e-8f
#define RTWD_AT(place) (in + (int32_t)((place) >> 32) - 1)
/* ((d t + c) t + b) t + x1, for floats and vectors. */
#define RTWD_CUBIC(add, sub, mul, constant, x0, x1, x2, x3, t)                                                                    \
    add(mul(add(mul(add(mul(add(mul(constant(0.5f), sub(x3, x0)), mul(constant(1.5f), sub(x1, x2))), t),                          \
                        sub(sub(add(x0, mul(constant(2.0f), x2)), mul(constant(2.5f), x1)), mul(constant(0.5f), x3))), t),        \
                mul(constant(0.5f), sub(x2, x0))), t), x1)
    for (; frames >= 4; frames -= 4, out += 4) {
        const rtwd_place_t second = place + step, third = second + step, fourth = third + step;
        rtwd_vector_t x[4] = {rtwd_load(RTWD_AT(place)), rtwd_load(RTWD_AT(second)), rtwd_load(RTWD_AT(third)), rtwd_load(RTWD_AT(fourth))};
        const rtwd_vector_t t = rtwd_mul(rtwd_from_ints((int32_t)((uint32_t)place >> 8), (int32_t)((uint32_t)second >> 8),
                                                        (int32_t)((uint32_t)third >> 8), (int32_t)((uint32_t)fourth >> 8)),
                                         rtwd_splat(RTWD_PART));
        rtwd_transpose(x);
        rtwd_store(out, RTWD_CUBIC(rtwd_add, rtwd_sub, rtwd_mul, rtwd_splat, x[0], x[1], x[2], x[3], t));
        place = fourth + step;
    }
#define RTWD_ADD(a, b) ((a) + (b))
#define RTWD_SUB(a, b) ((a) - (b))
#define RTWD_MUL(a, b) ((a) * (b))
    for (; frames > 0; frames--, out++, place += step) {
        const float *x = RTWD_AT(place), t = (float)(int32_t)((uint32_t)place >> 8) * RTWD_PART;
        *out = RTWD_CUBIC(RTWD_ADD, RTWD_SUB, RTWD_MUL, , x[0], x[1], x[2], x[3], t);
    }
#undef RTWD_PART
#undef RTWD_AT
#undef RTWD_CUBIC
#undef RTWD_ADD
#undef RTWD_SUB
#undef RTWD_MUL
    return place;
}

#undef RTWD_BUTTERFLY
#undef RTWD_RE
#undef RTWD_IM

#ifdef __cplusplus
}
#endif

#endif
