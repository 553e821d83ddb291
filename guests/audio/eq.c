/* A parametric equaliser: six bands in series, each of any type; mono or stereo; no latency.
 *
 * Each band has the transfer function of the "Audio EQ Cookbook" biquads (R. Bristow-Johnson), realised as a state-variable
 * filter with trapezoidal integrators (A. Simper) and not in direct form, for two reasons. In direct form a 20 Hz band at
 * 192 kHz needs coefficients closer to 2 than a float can say. And coefficients may move here: the state's update matrix is a
 * contraction for every setting, and a mixture of contractions is one, so a filter on its way from one setting to another
 * cannot blow up.
 *
 * SIMD: one vector is {left, right} of a band and {left, right} of the band after it. The second band works on the first
 * one's previous sample; at the ends of a run the half that has nothing to do keeps its state, which is why there is no
 * latency. The cost is the same whatever the bands' types are.
 */
#include <math.h>

#include "dsp.h"

RTWG_DESCRIPTION({
    "name": "Equaliser",
    "inputs": 2,
    "outputs": 2,
    "parameters": [
        {"id": "1.type", "name": "Type", "group": "Band 1", "max": 6, "default": 2, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "1.frequency", "name": "Frequency", "group": "Band 1", "unit": "Hz", "min": 10, "max": 40000, "default": 80,
         "flags": ["logarithmic"]},
        {"id": "1.gain", "name": "Gain", "group": "Band 1", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "1.q", "name": "Q", "group": "Band 1", "min": 0.1, "max": 18, "default": 0.7, "flags": ["logarithmic"]},
        {"id": "2.type", "name": "Type", "group": "Band 2", "max": 6, "default": 1, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "2.frequency", "name": "Frequency", "group": "Band 2", "unit": "Hz", "min": 10, "max": 40000, "default": 250,
         "flags": ["logarithmic"]},
        {"id": "2.gain", "name": "Gain", "group": "Band 2", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "2.q", "name": "Q", "group": "Band 2", "min": 0.1, "max": 18, "default": 1, "flags": ["logarithmic"]},
        {"id": "3.type", "name": "Type", "group": "Band 3", "max": 6, "default": 1, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "3.frequency", "name": "Frequency", "group": "Band 3", "unit": "Hz", "min": 10, "max": 40000, "default": 800,
         "flags": ["logarithmic"]},
        {"id": "3.gain", "name": "Gain", "group": "Band 3", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "3.q", "name": "Q", "group": "Band 3", "min": 0.1, "max": 18, "default": 1, "flags": ["logarithmic"]},
        {"id": "4.type", "name": "Type", "group": "Band 4", "max": 6, "default": 1, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "4.frequency", "name": "Frequency", "group": "Band 4", "unit": "Hz", "min": 10, "max": 40000, "default": 2500,
         "flags": ["logarithmic"]},
        {"id": "4.gain", "name": "Gain", "group": "Band 4", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "4.q", "name": "Q", "group": "Band 4", "min": 0.1, "max": 18, "default": 1, "flags": ["logarithmic"]},
        {"id": "5.type", "name": "Type", "group": "Band 5", "max": 6, "default": 1, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "5.frequency", "name": "Frequency", "group": "Band 5", "unit": "Hz", "min": 10, "max": 40000, "default": 6000,
         "flags": ["logarithmic"]},
        {"id": "5.gain", "name": "Gain", "group": "Band 5", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "5.q", "name": "Q", "group": "Band 5", "min": 0.1, "max": 18, "default": 1, "flags": ["logarithmic"]},
        {"id": "6.type", "name": "Type", "group": "Band 6", "max": 6, "default": 3, "flags": ["integer"],
         "labels": ["Off", "Peak", "Low shelf", "High shelf", "Low pass", "High pass", "Notch"]},
        {"id": "6.frequency", "name": "Frequency", "group": "Band 6", "unit": "Hz", "min": 10, "max": 40000, "default": 10000,
         "flags": ["logarithmic"]},
        {"id": "6.gain", "name": "Gain", "group": "Band 6", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "6.q", "name": "Q", "group": "Band 6", "min": 0.1, "max": 18, "default": 0.7, "flags": ["logarithmic"]},
        {"id": "output", "name": "Output", "unit": "dB", "min": -24, "max": 24, "default": 0}
    ],
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

#define PAIRS (EQ_BANDS / 2)
#define MAX_FREQUENCY_RATIO 0.49 /* of the sample rate; a band above it is placed there */

/* v1 and v2 are the band-pass and low-pass outputs; out = m0 * in + m1 * v1 + m2 * v2. */
enum { A1, A2, A3, M0, M1, M2, COEFFICIENTS };
typedef struct coefficients_t {
    f32x4 of[COEFFICIENTS];
} coefficients_t;

typedef struct band_t {
    int32_t type;
    float frequency_hz, gain_db, q;
} band_t;

typedef struct state_t {
    f32x4 ic1, ic2;
} state_t;

/* Two bands that run as one vector, and their way from one setting to another: straight lines from tick to tick. */
typedef struct pair_t {
    coefficients_t now, step; /* at the running frame, and per frame */
    coefficients_t next;      /* at the end of the running tick */
    coefficients_t target;
    state_t state;
} pair_t;

static ports_t ports;
static float sample_rate_hz;
static band_t bands[EQ_BANDS];
static float output_db;
static pair_t pairs[PAIRS];
static int32_t ticks_left; /* until all are at their targets */
static int32_t frame_in_tick;
static f32x4 work[GRID];

static const band_t DEFAULT_BANDS[EQ_BANDS] = {
    {EQ_LOW_SHELF, 80.0f, 0.0f, 0.7f}, {EQ_PEAK, 250.0f, 0.0f, 1.0f},  {EQ_PEAK, 800.0f, 0.0f, 1.0f},
    {EQ_PEAK, 2500.0f, 0.0f, 1.0f},    {EQ_PEAK, 6000.0f, 0.0f, 1.0f}, {EQ_HIGH_SHELF, 10000.0f, 0.0f, 0.7f},
};

/* ---- coefficients, in double: setting a parameter is rare ---- */

typedef struct shape_t {
    double g, k, m0, m1, m2;
} shape_t;

static shape_t band_shape(const band_t *band, double rate_hz) {
    const double limit_hz = MAX_FREQUENCY_RATIO * rate_hz;
    const double frequency_hz = band->frequency_hz < limit_hz ? (double)band->frequency_hz : limit_hz;
    const double g = tan(PI * frequency_hz / rate_hz);
    const double k = 1.0 / (double)band->q;
    const double a = pow(10.0, (double)band->gain_db / 40.0);
    switch (band->type) {
        case EQ_PEAK:
            return (shape_t){g, k / a, 1.0, k / a * (a * a - 1.0), 0.0};
        case EQ_LOW_SHELF:
            return (shape_t){g / sqrt(a), k, 1.0, k * (a - 1.0), a * a - 1.0};
        case EQ_HIGH_SHELF:
            return (shape_t){g * sqrt(a), k, a * a, k * (1.0 - a) * a, 1.0 - a * a};
        case EQ_LOW_PASS:
            return (shape_t){g, k, 0.0, 0.0, 1.0};
        case EQ_HIGH_PASS:
            return (shape_t){g, k, 1.0, -k, -1.0};
        case EQ_NOTCH:
            return (shape_t){g, k, 1.0, -k, 0.0};
        default:
            return (shape_t){g, k, 1.0, 0.0, 0.0};
    }
}

static void set_lanes(f32x4 *vector, int32_t lane, double value) {
    (*vector)[lane] = (float)value;
    (*vector)[lane + 1] = (float)value;
}

static void aim_band(int32_t index) {
    const shape_t s = band_shape(&bands[index], (double)sample_rate_hz);
    /* The output gain costs nothing inside the last band. */
    const double gain = index == EQ_BANDS - 1 ? pow(10.0, (double)output_db / 20.0) : 1.0;
    const double a1 = 1.0 / (1.0 + s.g * (s.g + s.k));
    const int32_t lane = (index % 2) * 2;
    coefficients_t *c = &pairs[index / 2].target;
    set_lanes(&c->of[A1], lane, a1);
    set_lanes(&c->of[A2], lane, s.g * a1);
    set_lanes(&c->of[A3], lane, s.g * s.g * a1);
    set_lanes(&c->of[M0], lane, s.m0 * gain);
    set_lanes(&c->of[M1], lane, s.m1 * gain);
    set_lanes(&c->of[M2], lane, s.m2 * gain);
}

/* ---- processing ---- */

static void tick_pair(pair_t *pair) {
    const f32x4 part = splat(1.0f / (float)(ticks_left > 0 ? ticks_left : 1));
    for (int32_t i = 0; i < COEFFICIENTS; i++) {
        const f32x4 way = pair->target.of[i] - pair->next.of[i];
        pair->now.of[i] = pair->next.of[i];
        pair->next.of[i] = ticks_left > 1 ? pair->now.of[i] + way * part : pair->target.of[i];
        pair->step.of[i] = (pair->next.of[i] - pair->now.of[i]) * splat(1.0f / (float)GRID);
    }
    pair->state.ic1 = flush4(pair->state.ic1);
    pair->state.ic2 = flush4(pair->state.ic2);
}

static void tick(void) {
    for (int32_t pair = 0; pair < PAIRS; pair++) {
        tick_pair(&pairs[pair]);
    }
    if (ticks_left > 0) {
        ticks_left -= 1;
    }
}

static inline f32x4 filter(const coefficients_t *c, state_t *s, f32x4 in) {
    const f32x4 v3 = in - s->ic2;
    const f32x4 v1 = c->of[A1] * s->ic1 + c->of[A2] * v3;
    const f32x4 v2 = s->ic2 + c->of[A2] * s->ic1 + c->of[A3] * v3;
    s->ic1 = v1 + v1 - s->ic1;
    s->ic2 = v2 + v2 - s->ic2;
    return c->of[M0] * in + c->of[M1] * v1 + c->of[M2] * v2;
}

static inline f32x4 low_half(f32x4 low, f32x4 high) { return __builtin_shufflevector(low, high, 0, 1, 6, 7); }

/* The pair's inputs at one step: this sample for its first band, the first band's previous output for its second. */
static inline f32x4 pair_input(f32x4 sample, f32x4 previous) {
    return __builtin_shufflevector(sample, previous, 0, 1, 4, 5);
}

static inline f32x4 second_band(f32x4 out) { return __builtin_shufflevector(out, out, 2, 3, 2, 3); }

static inline void advance(coefficients_t *c, const coefficients_t *step) {
    for (int32_t i = 0; i < COEFFICIENTS; i++) {
        c->of[i] += step->of[i];
    }
}

/* Of the first band only, or of the second band only. */
static inline void advance_half(coefficients_t *c, const coefficients_t *step, bool first) {
    for (int32_t i = 0; i < COEFFICIENTS; i++) {
        const f32x4 both = c->of[i] + step->of[i];
        c->of[i] = first ? low_half(both, c->of[i]) : low_half(c->of[i], both);
    }
}

/* Runs both bands of a pair over work[0 .. frames), in place. */
static void run_pair(pair_t *pair, int32_t frames) {
    coefficients_t c = pair->now;
    const coefficients_t step = pair->step;
    state_t s = pair->state;
    f32x4 out = filter(&c, &s, work[0]);
    s.ic1 = low_half(s.ic1, pair->state.ic1); /* the second band has not begun */
    s.ic2 = low_half(s.ic2, pair->state.ic2);
    advance_half(&c, &step, true);
    for (int32_t n = 1; n < frames; n++) {
        out = filter(&c, &s, pair_input(work[n], out));
        work[n - 1] = second_band(out);
        advance(&c, &step);
    }
    const state_t first_done = s;
    out = filter(&c, &s, pair_input(splat(0.0f), out));
    work[frames - 1] = second_band(out);
    pair->state.ic1 = low_half(first_done.ic1, s.ic1);
    pair->state.ic2 = low_half(first_done.ic2, s.ic2);
    advance_half(&c, &step, false);
    pair->now = c;
}

static void run(int32_t from, int32_t frames) {
    const float *left = ports.input[0] + from;
    const float *right = ports.input[ports.channels - 1] + from;
    for (int32_t n = 0; n < frames; n++) {
        work[n] = sane4((f32x4){left[n], right[n], 0.0f, 0.0f});
    }
    for (int32_t pair = 0; pair < PAIRS; pair++) {
        run_pair(&pairs[pair], frames);
    }
    for (int32_t n = 0; n < frames; n++) {
        ports.output[0][from + n] = work[n][0];
    }
    for (int32_t n = 0; n < frames && ports.channels == 2; n++) {
        ports.output[1][from + n] = work[n][1];
    }
}

/* ---- exports ---- */

static void eq_settle(void) {
    for (int32_t pair = 0; pair < PAIRS; pair++) {
        pairs[pair].next = pairs[pair].target; /* where the first tick starts */
    }
    ticks_left = 0;
}

GUEST_EXPORT("reset") void eq_reset(void) {
    eq_settle();
    for (int32_t pair = 0; pair < PAIRS; pair++) {
        pairs[pair].state = (state_t){splat(0.0f), splat(0.0f)};
    }
    frame_in_tick = 0;
}

GUEST_EXPORT("init") int32_t eq_init(float rate_hz, int32_t channels, int32_t max_frames) {
    const int32_t refusal = check_format(rate_hz, channels, max_frames);
    if (refusal != EFFECT_OK) {
        return refusal;
    }
    sample_rate_hz = rate_hz;
    ports.channels = channels;
    ports.max_frames = max_frames;
    memcpy(bands, DEFAULT_BANDS, sizeof bands);
    output_db = 0.0f;
    for (int32_t band = 0; band < EQ_BANDS; band++) {
        aim_band(band);
    }
    eq_reset();
    return EFFECT_OK;
}

EXPORT_PORTS(eq, ports)

static int32_t set_field(band_t *band, int32_t field, float value) {
    if (field == EQ_TYPE && value >= 0.0f && value < (float)EQ_TYPES) {
        band->type = (int32_t)value;
    } else if (field == EQ_FREQUENCY_HZ && value >= 10.0f && value <= 40000.0f) {
        band->frequency_hz = value;
    } else if (field == EQ_GAIN_DB && value >= -24.0f && value <= 24.0f) {
        band->gain_db = value;
    } else if (field == EQ_Q && value >= 0.1f && value <= 18.0f) {
        band->q = value;
    } else {
        return EFFECT_BAD_VALUE;
    }
    return EFFECT_OK;
}

static int32_t set_output_db(float value) {
    if (!(value >= -24.0f && value <= 24.0f)) {
        return EFFECT_BAD_VALUE;
    }
    output_db = value;
    return EFFECT_OK;
}

GUEST_EXPORT("set_param") int32_t eq_set_param(int32_t id, float value) {
    if (id < 0 || id > EQ_OUTPUT_DB) {
        return EFFECT_BAD_PARAM;
    }
    const int32_t band = id == EQ_OUTPUT_DB ? EQ_BANDS - 1 : id / EQ_BAND_STRIDE;
    const int32_t result = id == EQ_OUTPUT_DB ? set_output_db(value) : set_field(&bands[band], id % EQ_BAND_STRIDE, value);
    if (result == EFFECT_OK) {
        aim_band(band);
        ticks_left = ramp_ticks(sample_rate_hz);
    }
    return result;
}

GUEST_EXPORT("process") void eq_process(int32_t frames) {
    process_on_grid(&ports, frames, &frame_in_tick, tick, run);
}

GUEST_EXPORT("latency") int32_t eq_latency(void) { return 0; }

static float eq_param(int32_t id) {
    if (id == EQ_OUTPUT_DB) {
        return output_db;
    }
    const band_t *band = &bands[id / EQ_BAND_STRIDE];
    const float fields[EQ_BAND_STRIDE] = {(float)band->type, band->frequency_hz, band->gain_db, band->q};
    return fields[id % EQ_BAND_STRIDE];
}

EXPORT_GUEST(eq, ports, EQ_OUTPUT_DB + 1)
