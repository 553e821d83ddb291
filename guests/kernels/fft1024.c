/* A complex FFT of 1024 points: Stockham's radix 4, in five passes between two buffers. The first pass is scalar, the others
 * work on vectors of four. */
#include "kernel.h"

enum { POINTS = 1024 };

/* The real parts, then the imaginary ones. */
typedef float signal_t[2 * POINTS];

typedef struct {
    float re, im;
} complex_t;

static signal_t input, work, output;
static complex_t roots[POINTS]; /* exp(-2 pi i k / POINTS) */

/* By repeated multiplication, which in double leaves nothing that a float would show. */
static void make_roots(void)
{
    const double step_re = 0.99998117528260111, step_im = -0.0061358846491544753;
    double re = 1, im = 0;
    for (size_t k = 0; k < POINTS; k++) {
        roots[k] = (complex_t){(float)re, (float)im};
        const double next = re * step_re - im * step_im;
        im = re * step_im + im * step_re;
        re = next;
    }
}

EXPORT(init) void init(void)
{
    fill_with_noise(input, 2 * POINTS, 6);
    make_roots();
}

/* One butterfly of four, for floats and for vectors of them: inputs are a quarter of the points apart, outputs `stride`. */
#define BUTTERFLY(value_t, load, store, broadcast)                                                                          \
    const value_t a_re = load(in), a_im = load(in + POINTS);                                                                \
    const value_t b_re = load(in + POINTS / 4), b_im = load(in + POINTS + POINTS / 4);                                      \
    const value_t c_re = load(in + POINTS / 2), c_im = load(in + POINTS + POINTS / 2);                                      \
    const value_t d_re = load(in + POINTS / 4 * 3), d_im = load(in + POINTS + POINTS / 4 * 3);                              \
    const value_t ac_re = a_re + c_re, ac_im = a_im + c_im, a_c_re = a_re - c_re, a_c_im = a_im - c_im;                     \
    const value_t bd_re = b_re + d_re, bd_im = b_im + d_im, b_d_re = b_re - d_re, b_d_im = b_im - d_im;                     \
    const value_t u_re = a_c_re + b_d_im, u_im = a_c_im - b_d_re;                                                           \
    const value_t v_re = ac_re - bd_re, v_im = ac_im - bd_im;                                                               \
    const value_t w_re = a_c_re - b_d_im, w_im = a_c_im + b_d_re;                                                           \
    store(out, ac_re + bd_re);                                                                                              \
    store(out + POINTS, ac_im + bd_im);                                                                                     \
    store(out + stride, u_re * broadcast(w1.re) - u_im * broadcast(w1.im));                                                 \
    store(out + POINTS + stride, u_re * broadcast(w1.im) + u_im * broadcast(w1.re));                                        \
    store(out + stride * 2, v_re * broadcast(w2.re) - v_im * broadcast(w2.im));                                             \
    store(out + POINTS + stride * 2, v_re * broadcast(w2.im) + v_im * broadcast(w2.re));                                    \
    store(out + stride * 3, w_re * broadcast(w3.re) - w_im * broadcast(w3.im));                                             \
    store(out + POINTS + stride * 3, w_re * broadcast(w3.im) + w_im * broadcast(w3.re));

#define LOAD_ONE(from) (*(from))
#define STORE_ONE(to, value) (*(to) = (value))
#define AS_IT_IS(value) (value)

static void first_pass(const float *in, float *out)
{
    const size_t stride = 1;
    HIDE_ORIGIN(in);
    HIDE_ORIGIN(out);
#pragma clang loop unroll(disable) vectorize(disable)
    for (size_t p = 0; p < POINTS / 4; p++, in++, out += 4) {
        const complex_t w1 = roots[p], w2 = roots[2 * p], w3 = roots[3 * p];
        BUTTERFLY(float, LOAD_ONE, STORE_ONE, AS_IT_IS)
    }
}

static void pass(const float *in, float *out, size_t stride)
{
    HIDE_ORIGIN(in);
    HIDE_ORIGIN(out);
#pragma clang loop unroll(disable)
    for (size_t p = 0; p < POINTS / 4; p += stride, out += 3 * stride) {
        const complex_t w1 = roots[p], w2 = roots[2 * p], w3 = roots[3 * p];
#pragma clang loop unroll(disable)
        for (size_t q = 0; q < stride; q += 4, in += 4, out += 4) {
            BUTTERFLY(vector_t, load_vector, store_vector, splat)
        }
    }
}

EXPORT(run) void run(void)
{
    first_pass(input, output);
    pass(output, work, 4);
    pass(work, output, 16);
    pass(output, work, 64);
    pass(work, output, 256);
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(output, sizeof output);
}
