/* A compressor followed by a limiter. Mono or stereo (linked: both channels get the same gain); its latency is the limiter's
 * look-ahead, 1.5 ms.
 *
 * Compressor: feed-forward, in the log domain, soft knee, "smooth decoupled" peak detection (Giannoulis, Massberg, Reiss:
 * Digital Dynamic Range Compressor Design, 2012): the wanted reduction is held by the release, then smoothed by the attack,
 * which keeps the static curve true for a sine, whose samples pass through zero twice a cycle.
 *
 * Limiter: for each frame the gain that would bring its peak down to the ceiling; the smallest of these over the look-ahead;
 * its slow recovery; then the mean over the look-ahead, so that the gain is already down, gently, when the peak comes out. A
 * mean of numbers none of which exceeds the wanted gain does not exceed it either: no sample passes the ceiling. The mean's
 * running sum is kept in integers, so it does not drift however long the stream. Below threshold and ceiling, with no make-up
 * gain, the output is the input, delayed, bit for bit.
 *
 * SIMD: four frames at a time for levels, curve, gains and the limiter's division; the envelopes are chains of dependent
 * samples and stay scalar.
 */
#include <math.h>

#include "dsp.h"

RTWG_DESCRIPTION({
    "name": "Compressor",
    "inputs": 2,
    "outputs": 2,
    "parameters": [
        {"id": "threshold", "name": "Threshold", "unit": "dB", "min": -60, "max": 0, "default": -18},
        {"id": "ratio", "name": "Ratio", "min": 1, "max": 100, "default": 3, "flags": ["logarithmic"]},
        {"id": "knee", "name": "Knee", "unit": "dB", "min": 0, "max": 24, "default": 6},
        {"id": "attack", "name": "Attack", "unit": "ms", "min": 0.05, "max": 500, "default": 10, "flags": ["logarithmic"]},
        {"id": "release", "name": "Release", "unit": "ms", "min": 1, "max": 5000, "default": 120, "flags": ["logarithmic"]},
        {"id": "makeup", "name": "Make-up", "unit": "dB", "min": -24, "max": 24, "default": 0},
        {"id": "ceiling", "name": "Ceiling", "unit": "dB", "min": -24, "max": 0, "default": -0.3},
        {"id": "limiter-release", "name": "Limiter release", "unit": "ms", "min": 1, "max": 5000, "default": 80,
         "flags": ["logarithmic"]}
    ],
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

#define LOOKAHEAD_S 0.0015
#define RING 512 /* a power of two above the look-ahead's 288 frames at EFFECT_MAX_RATE_HZ */
#define RING_MASK (RING - 1)
#define GAIN_ONE 1073741824.0f /* 2^30: a gain of one as the running sum counts */
#define SMALLEST_LEVEL 1e-9f   /* -180 dB: what silence counts as */
#define SMALLEST_KNEE 1e-3f
#define MAKEUP_SMOOTHING_S 0.010

typedef struct settings_t {
    float threshold_db, ratio, knee_db, attack_ms, release_ms, makeup_db, ceiling_db, limiter_release_ms;
} settings_t;

/* The settings as the inner loops want them; levels are powers of two. */
typedef struct curve_t {
    float threshold, slope, knee, makeup, ceiling;
    float attack_part, release_part, makeup_part, limiter_release_part; /* of the remaining way, per frame */
} curve_t;

typedef struct envelope_t {
    float held, reduction, makeup;
} envelope_t;

/* The wanted gains of the last look-ahead + 1 frames that may still become the smallest, ascending. */
typedef struct minimum_t {
    float gain[RING];
    uint32_t frame[RING];
    uint32_t first, end; /* counted on for ever, masked on use */
} minimum_t;

typedef struct limiter_t {
    minimum_t minimum;
    float recovered;       /* the gain after the slow recovery */
    uint32_t window[RING]; /* that gain's last values, times GAIN_ONE */
    uint64_t sum;          /* of the last look-ahead + 1 of them */
} limiter_t;

static ports_t ports;
static float sample_rate_hz;
static uint32_t lookahead_frames;
static settings_t settings;
static curve_t curve;
static envelope_t envelope;
static limiter_t limiter;
static float delay[EFFECT_MAX_CHANNELS][RING];
static uint32_t frame_count; /* since reset; wraps around, as RING divides 2^32 */
static float signal[EFFECT_MAX_CHANNELS][GRID];
static float gains[GRID];

static const settings_t DEFAULT_SETTINGS = {-18.0f, 3.0f, 6.0f, 10.0f, 120.0f, 0.0f, -0.3f, 80.0f};

/* ---- settings to coefficients ---- */

static float part_per_frame(double seconds) { return (float)(1.0 - exp(-1.0 / (seconds * (double)sample_rate_hz))); }

static void aim(void) {
    curve.threshold = (float)((double)settings.threshold_db * LOG2_PER_DB);
    curve.slope = (float)(1.0 - 1.0 / (double)settings.ratio);
    const float knee = (float)((double)settings.knee_db * LOG2_PER_DB);
    curve.knee = knee > SMALLEST_KNEE ? knee : SMALLEST_KNEE;
    curve.makeup = (float)((double)settings.makeup_db * LOG2_PER_DB);
    curve.ceiling = (float)pow(10.0, (double)settings.ceiling_db / 20.0);
    curve.attack_part = part_per_frame((double)settings.attack_ms * 1e-3);
    curve.release_part = part_per_frame((double)settings.release_ms * 1e-3);
    curve.makeup_part = part_per_frame(MAKEUP_SMOOTHING_S);
    curve.limiter_release_part = part_per_frame((double)settings.limiter_release_ms * 1e-3);
}

/* ---- compressor ---- */

/* The louder channel, four frames at a time; arrays are whole quads, what lies past `frames` is ignored later. */
static inline f32x4 peak4(int32_t n) {
    return max4(abs4(load4(signal[0] + n)), abs4(load4(signal[ports.channels - 1] + n)));
}

/* By how much each frame's level asks to be reduced, >= 0. */
static void wanted_reductions(float *out, int32_t frames) {
    const f32x4 half_knee = splat(curve.knee * 0.5f);
    const f32x4 knee_factor = splat(0.5f / curve.knee);
    for (int32_t n = 0; n < frames; n += QUAD) {
        const f32x4 over = log2_4(max4(peak4(n), splat(SMALLEST_LEVEL))) - splat(curve.threshold);
        const f32x4 in_knee = min4(max4(over + half_knee, splat(0.0f)), splat(curve.knee));
        const f32x4 above = max4(over - half_knee, splat(0.0f));
        store4(out + n, (in_knee * in_knee * knee_factor + above) * splat(curve.slope));
    }
}

/* In: wanted reductions. Out: gains as powers of two. */
static void follow(float *levels, int32_t frames) {
    envelope_t e = envelope;
    for (int32_t n = 0; n < frames; n++) {
        const float wanted = levels[n];
        const float released = e.held + (wanted - e.held) * curve.release_part;
        e.held = wanted > released ? wanted : released;
        e.reduction += (e.held - e.reduction) * curve.attack_part;
        e.makeup += (curve.makeup - e.makeup) * curve.makeup_part;
        levels[n] = e.makeup - e.reduction;
    }
    envelope = e;
}

static void compress(int32_t frames) {
    wanted_reductions(gains, frames);
    follow(gains, frames);
    for (int32_t n = 0; n < frames; n += QUAD) {
        const f32x4 gain = exp2_4(load4(gains + n));
        for (int32_t channel = 0; channel < ports.channels; channel++) {
            store4(signal[channel] + n, load4(signal[channel] + n) * gain);
        }
    }
}

/* ---- limiter ---- */

static void wanted_gains(float *out, int32_t frames) {
    for (int32_t n = 0; n < frames; n += QUAD) {
        const f32x4 over = max4(peak4(n), splat(curve.ceiling));
        store4(out + n, splat(curve.ceiling) / over);
    }
}

/* The smallest gain of the look-ahead + 1 frames up to `frame`. */
static float sliding_minimum(minimum_t *m, uint32_t frame, float gain) {
    while (m->end != m->first && m->gain[(m->end - 1) & RING_MASK] >= gain) {
        m->end -= 1;
    }
    m->gain[m->end & RING_MASK] = gain;
    m->frame[m->end & RING_MASK] = frame;
    m->end += 1;
    if (frame - m->frame[m->first & RING_MASK] > lookahead_frames) {
        m->first += 1;
    }
    return m->gain[m->first & RING_MASK];
}

/* In: wanted gains. Out: the running sums that, divided by their full value, are the gains to apply. */
static void smooth_gains(float *levels, int32_t frames) {
    for (int32_t n = 0; n < frames; n++) {
        const uint32_t frame = frame_count + (uint32_t)n;
        const float smallest = sliding_minimum(&limiter.minimum, frame, levels[n]);
        const float recovered = limiter.recovered + (1.0f - limiter.recovered) * curve.limiter_release_part;
        limiter.recovered = smallest < recovered ? smallest : recovered;
        const uint32_t counted = (uint32_t)(limiter.recovered * GAIN_ONE); /* rounded down: never above the wanted gain */
        limiter.sum += counted;
        limiter.sum -= limiter.window[(frame - lookahead_frames - 1) & RING_MASK];
        limiter.window[frame & RING_MASK] = counted;
        levels[n] = (float)limiter.sum;
    }
}

/* Puts the compressed frame into the delay line and takes out the one to be limited now. */
static void delay_signal(float *line, float *samples, int32_t frames) {
    for (int32_t n = 0; n < frames; n++) {
        const uint32_t frame = frame_count + (uint32_t)n;
        line[frame & RING_MASK] = samples[n];
        samples[n] = line[(frame - lookahead_frames) & RING_MASK];
    }
}

static void limit(int32_t frames) {
    wanted_gains(gains, frames);
    smooth_gains(gains, frames);
    const f32x4 full = splat((float)(lookahead_frames + 1) * GAIN_ONE);
    const f32x4 ceiling = splat(curve.ceiling);
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        delay_signal(delay[channel], signal[channel], frames);
        for (int32_t n = 0; n < frames; n += QUAD) {
            const f32x4 limited = load4(signal[channel] + n) * (load4(gains + n) / full);
            /* For the last bit of rounding, and for a ceiling that was lowered while louder frames were on their way. */
            store4(signal[channel] + n, max4(min4(limited, ceiling), -ceiling));
        }
    }
}

/* ---- the whole ---- */

static void run(int32_t from, int32_t frames) {
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        for (int32_t n = 0; n < frames; n++) {
            signal[channel][n] = sane(ports.input[channel][from + n]);
        }
    }
    compress(frames);
    limit(frames);
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        memcpy(ports.output[channel] + from, signal[channel], (size_t)frames * sizeof(float));
    }
    frame_count += (uint32_t)frames;
}

static void tick(void) {
    envelope.held = flush(envelope.held);
    envelope.reduction = flush(envelope.reduction);
    envelope.makeup = flush(envelope.makeup);
}

/* ---- exports ---- */

static void compressor_settle(void) { envelope.makeup = curve.makeup; }

GUEST_EXPORT("reset") void compressor_reset(void) {
    envelope = (envelope_t){0.0f, 0.0f, curve.makeup};
    memset(delay, 0, sizeof delay);
    frame_count = 0;
    limiter.minimum.first = 0;
    limiter.minimum.end = 0;
    limiter.recovered = 1.0f;
    limiter.sum = (uint64_t)(lookahead_frames + 1) * (uint64_t)GAIN_ONE;
    for (int32_t n = 0; n < RING; n++) {
        limiter.window[n] = (uint32_t)GAIN_ONE;
    }
}

GUEST_EXPORT("init") int32_t compressor_init(float rate_hz, int32_t channels, int32_t max_frames) {
    const int32_t refusal = check_format(rate_hz, channels, max_frames);
    if (refusal != EFFECT_OK) {
        return refusal;
    }
    sample_rate_hz = rate_hz;
    ports.channels = channels;
    ports.max_frames = max_frames;
    lookahead_frames = (uint32_t)lround(LOOKAHEAD_S * (double)rate_hz);
    settings = DEFAULT_SETTINGS;
    aim();
    compressor_reset();
    return EFFECT_OK;
}

EXPORT_PORTS(compressor, ports)

typedef struct range_t {
    float *value;
    float least, most;
} range_t;

static const range_t PARAMS[COMP_PARAMS] = {
    {&settings.threshold_db, -60.0f, 0.0f}, {&settings.ratio, 1.0f, 100.0f},
    {&settings.knee_db, 0.0f, 24.0f},       {&settings.attack_ms, 0.05f, 500.0f},
    {&settings.release_ms, 1.0f, 5000.0f},  {&settings.makeup_db, -24.0f, 24.0f},
    {&settings.ceiling_db, -24.0f, 0.0f},   {&settings.limiter_release_ms, 1.0f, 5000.0f},
};

GUEST_EXPORT("set_param") int32_t compressor_set_param(int32_t id, float value) {
    if (id < 0 || id >= COMP_PARAMS) {
        return EFFECT_BAD_PARAM;
    }
    if (!(value >= PARAMS[id].least && value <= PARAMS[id].most)) {
        return EFFECT_BAD_VALUE;
    }
    *PARAMS[id].value = value;
    aim();
    return EFFECT_OK;
}

GUEST_EXPORT("process") void compressor_process(int32_t frames) {
    const int32_t total = clamp_frames(&ports, frames);
    for (int32_t done = 0; done < total;) {
        if (frame_count % GRID == 0) {
            tick();
        }
        const int32_t count = min_int(total - done, GRID - (int32_t)(frame_count % GRID));
        run(done, count);
        done += count;
    }
}

GUEST_EXPORT("latency") int32_t compressor_latency(void) { return (int32_t)lookahead_frames; }

static float compressor_param(int32_t id) { return *PARAMS[id].value; }

EXPORT_GUEST(compressor, ports, COMP_PARAMS)
