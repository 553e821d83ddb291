/* A low pass in the interface of rtw_guest.h. clang without a libc, wasi-libc and Emscripten build it as it stands, each by its line in the
 * Makefile; compiled natively, it is what the tests compare every template with. */
#include "rtw_guest.h"

#define CHANNELS 2
#define MAX_FRAMES 4096

RTWG_DESCRIPTION({
    "name": "Low pass",
    "inputs": 2,
    "outputs": 2,
    "parameters": [
        {"id": "frequency", "name": "Frequency", "unit": "Hz", "min": 20, "max": 20000, "default": 1000, "flags": ["logarithmic"]},
        {"id": "q", "name": "Q", "min": 0.1, "max": 18, "default": 0.7}
    ]
})

enum { FREQUENCY, Q, PARAMS };

/* Declared here because a build without a libc has no <math.h>. There the host provides them: rtw_imports_libm. */
double sin(double);
double cos(double);

static float in[CHANNELS][MAX_FRAMES], out[CHANNELS][MAX_FRAMES];
static float *inputs[CHANNELS] = {in[0], in[1]};
static float *outputs[CHANNELS] = {out[0], out[1]};
static float params[PARAMS] = {1000, 0.7f};
static const rtwg_io_t io = {.inputs = inputs, .outputs = outputs, .params = params};

static double rate_hz;
static struct {
    float frequency, q; /* the parameters that the coefficients are of */
    float b0, b1, b2, a1, a2;
} filter;
static struct {
    float s1, s2;
} states[CHANNELS];

RTWG_EXPORT(rtw_reset) void biquad_reset(void) {
    for (int channel = 0; channel < CHANNELS; channel++) {
        states[channel].s1 = states[channel].s2 = 0;
    }
}

RTWG_EXPORT(rtw_init) int32_t biquad_init(double rate, int32_t max_frames) {
    rate_hz = rate;
    filter.frequency = 0; /* computes the coefficients in the next block */
    biquad_reset();
    return rate > 0 && max_frames > 0 && max_frames <= MAX_FRAMES ? 0 : 1;
}

RTWG_EXPORT(rtw_io) const rtwg_io_t *biquad_io(void) { return &io; }

/* The low pass of the Audio EQ Cookbook. Double precision keeps the last bits of another libm out of the coefficients. */
static void tune(float frequency, float q) {
    const double highest = 0.49 * rate_hz;
    const double w = 2 * 3.141592653589793 * (frequency < highest ? (double)frequency : highest) / rate_hz;
    const double alpha = sin(w) / (2 * (double)q), cosine = cos(w), a0 = 1 + alpha;
    filter.frequency = frequency;
    filter.q = q;
    filter.b0 = filter.b2 = (float)((1 - cosine) / 2 / a0);
    filter.b1 = (float)((1 - cosine) / a0);
    filter.a1 = (float)(-2 * cosine / a0);
    filter.a2 = (float)((1 - alpha) / a0);
}

RTWG_EXPORT(rtw_process) void biquad_process(int32_t frames) {
    if (params[FREQUENCY] != filter.frequency || params[Q] != filter.q) {
        tune(params[FREQUENCY], params[Q]);
    }
    for (int channel = 0; channel < CHANNELS; channel++) {
        float s1 = states[channel].s1, s2 = states[channel].s2;
        for (int32_t frame = 0; frame < frames; frame++) {
            const float x = in[channel][frame], y = filter.b0 * x + s1;
            s1 = filter.b1 * x - filter.a1 * y + s2;
            s2 = filter.b2 * x - filter.a2 * y;
            out[channel][frame] = y;
        }
        states[channel].s1 = s1;
        states[channel].s2 = s2;
    }
}
