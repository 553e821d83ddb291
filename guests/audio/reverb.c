/* A room reverberator of the Freeverb kind (after "Jezar at Dreampoint", public domain): for each output channel eight comb
 * filters with a damped loop side by side, then four all-passes in series. Mono or stereo; no latency.
 *
 * The well-known delays are given at 44.1 kHz and are scaled to the sample rate, and so is the damping filter's coefficient;
 * hence a room sounds and decays alike at any rate.
 *
 * SIMD: four combs are one vector where their loops run (each loop is a chain of dependent samples, so four chains go side
 * by side), and four consecutive samples are one vector where memory is touched; a 4 x 4 transposition lies between. An
 * all-pass needs its own output only a whole delay later, so it takes four samples at a time throughout.
 */
#include <math.h>

#include "dsp.h"

RTWG_DESCRIPTION({
    "name": "Reverb",
    "inputs": 2,
    "outputs": 2,
    "parameters": [
        {"id": "room", "name": "Room", "default": 0.5},
        {"id": "damping", "name": "Damping", "default": 0.5},
        {"id": "width", "name": "Width", "default": 1},
        {"id": "wet", "name": "Wet", "default": 0.33},
        {"id": "dry", "name": "Dry", "default": 1}
    ],
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

#define COMBS 8
#define BANKS (COMBS / QUAD)
#define ALLPASSES 4
#define SPREAD 23 /* by how many frames (at 44.1 kHz) the right channel's delays are longer */
#define REFERENCE_RATE_HZ 44100.0
/* The longest delays at EFFECT_MAX_RATE_HZ: (1617 + 23) and (556 + 23) times 192000 / 44100, rounded up to whole quads. */
#define COMB_FRAMES 7144
#define ALLPASS_FRAMES 2524

#define INPUT_GAIN 0.015f
#define WET_SCALE 3.0f
#define ROOM_SCALE 0.28f
#define ROOM_OFFSET 0.7f
#define DAMPING_SCALE 0.4
#define ALLPASS_FEEDBACK 0.5f

static const int32_t COMB_LENGTHS[COMBS] = {1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617};
static const int32_t ALLPASS_LENGTHS[ALLPASSES] = {556, 441, 341, 225};

/* Four combs that run as one vector. */
typedef struct bank_t {
    int32_t length[QUAD];
    int32_t position[QUAD];
    f32x4 store; /* the damping filters' state */
    float delay[QUAD][COMB_FRAMES];
} bank_t;

typedef struct allpass_t {
    int32_t length;
    int32_t position;
    float delay[ALLPASS_FRAMES];
} allpass_t;

/* The state of one output channel. */
typedef struct tank_t {
    bank_t banks[BANKS];
    allpass_t allpasses[ALLPASSES];
    float out[GRID];
} tank_t;

static ports_t ports;
static float sample_rate_hz;
static float room, damping, width, wet, dry;
static ramp_t feedback, damp, wet_same, wet_other, dry_gain;
static int32_t frame_in_tick;
static tank_t tanks[EFFECT_MAX_CHANNELS];
static float excitation[GRID];

/* ---- combs ---- */

static inline void transpose4(f32x4 v[QUAD]) {
    const f32x4 ab_low = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
    const f32x4 ab_high = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
    const f32x4 cd_low = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
    const f32x4 cd_high = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* One frame of four combs: takes their delayed samples, returns what goes back into their delays. */
static inline f32x4 comb_step(f32x4 *store, f32x4 delayed, float in, f32x4 damp1, f32x4 loop_gain) {
    *store = delayed + (*store - delayed) * damp1;
    return flush4(splat(in) + *store * loop_gain);
}

static inline void comb_quad(bank_t *bank, float *const delay[QUAD], const float *in, float *out, f32x4 damp1,
                             f32x4 loop_gain) {
    f32x4 v[QUAD];
    for (int32_t comb = 0; comb < QUAD; comb++) {
        v[comb] = load4(delay[comb]);
    }
    store4(out, load4(out) + ((v[0] + v[1]) + (v[2] + v[3])));
    transpose4(v);
    for (int32_t frame = 0; frame < QUAD; frame++) {
        v[frame] = comb_step(&bank->store, v[frame], in[frame], damp1, loop_gain);
    }
    transpose4(v);
    for (int32_t comb = 0; comb < QUAD; comb++) {
        store4(delay[comb], v[comb]);
    }
}

static inline void comb_single(bank_t *bank, float *const delay[QUAD], float in, float *out, f32x4 damp1, f32x4 loop_gain) {
    f32x4 v = {*delay[0], *delay[1], *delay[2], *delay[3]};
    *out += (v[0] + v[1]) + (v[2] + v[3]);
    v = comb_step(&bank->store, v, in, damp1, loop_gain);
    for (int32_t comb = 0; comb < QUAD; comb++) {
        *delay[comb] = v[comb];
    }
}

/* Frames until the first of the four delays comes round, at most `frames`. */
static int32_t bank_stretch(const bank_t *bank, int32_t frames) {
    for (int32_t comb = 0; comb < QUAD; comb++) {
        frames = min_int(frames, bank->length[comb] - bank->position[comb]);
    }
    return frames;
}

static void bank_advance(bank_t *bank, int32_t frames) {
    for (int32_t comb = 0; comb < QUAD; comb++) {
        bank->position[comb] += frames;
        if (bank->position[comb] == bank->length[comb]) {
            bank->position[comb] = 0;
        }
    }
}

/* Adds the bank's output to out[0 .. frames). */
static void run_bank(bank_t *bank, const float *in, float *out, int32_t frames) {
    const f32x4 damp1 = splat(damp.now);
    const f32x4 loop_gain = splat(feedback.now);
    for (int32_t done = 0; done < frames;) {
        const int32_t end = done + bank_stretch(bank, frames - done);
        float *delay[QUAD];
        for (int32_t comb = 0; comb < QUAD; comb++) {
            delay[comb] = bank->delay[comb] + bank->position[comb];
        }
        bank_advance(bank, end - done);
        while (done < end) {
            const int32_t step = end - done >= QUAD ? QUAD : 1;
            if (step == QUAD) {
                comb_quad(bank, delay, in + done, out + done, damp1, loop_gain);
            } else {
                comb_single(bank, delay, in[done], out + done, damp1, loop_gain);
            }
            for (int32_t comb = 0; comb < QUAD; comb++) {
                delay[comb] += step;
            }
            done += step;
        }
    }
}

/* ---- all-passes ---- */

static void run_allpass(allpass_t *allpass, float *signal, int32_t frames) {
    for (int32_t done = 0; done < frames;) {
        const int32_t end = done + min_int(frames - done, allpass->length - allpass->position);
        float *delay = allpass->delay + allpass->position;
        allpass->position = (allpass->position + end - done) % allpass->length;
        for (; done + QUAD <= end; done += QUAD, delay += QUAD) {
            const f32x4 in = load4(signal + done);
            const f32x4 delayed = load4(delay);
            store4(signal + done, delayed - in);
            store4(delay, flush4(in + delayed * splat(ALLPASS_FEEDBACK)));
        }
        for (; done < end; done++, delay++) {
            const float in = signal[done];
            const float delayed = *delay;
            signal[done] = delayed - in;
            *delay = flush(in + delayed * ALLPASS_FEEDBACK);
        }
    }
}

/* ---- the whole ---- */

static void run_tank(tank_t *tank, int32_t frames) {
    memset(tank->out, 0, sizeof tank->out);
    for (int32_t bank = 0; bank < BANKS; bank++) {
        run_bank(&tank->banks[bank], excitation, tank->out, frames);
    }
    for (int32_t allpass = 0; allpass < ALLPASSES; allpass++) {
        run_allpass(&tank->allpasses[allpass], tank->out, frames);
    }
}

/* `other` is the opposite channel's tank; a mono reverb has none. */
static void mix(int32_t channel, const float *same, const float *other, int32_t from, int32_t frames) {
    const float same_step = ramp_step(&wet_same);
    const float other_step = ramp_step(&wet_other);
    const float dry_step = ramp_step(&dry_gain);
    for (int32_t n = 0; n < frames; n++) {
        const float at = (float)(frame_in_tick + n);
        float sum = same[n] * (wet_same.now + same_step * at);
        sum += other[n] * (wet_other.now + other_step * at);
        sum += sane(ports.input[channel][from + n]) * (dry_gain.now + dry_step * at);
        ports.output[channel][from + n] = sum;
    }
}

static void run(int32_t from, int32_t frames) {
    const int32_t last = ports.channels - 1;
    for (int32_t n = 0; n < frames; n++) {
        excitation[n] = (sane(ports.input[0][from + n]) + sane(ports.input[last][from + n])) * INPUT_GAIN;
    }
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        run_tank(&tanks[channel], frames);
    }
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        mix(channel, tanks[channel].out, tanks[last - channel].out, from, frames);
    }
}

static void tick(void) {
    ramp_tick(&feedback);
    ramp_tick(&damp);
    ramp_tick(&wet_same);
    ramp_tick(&wet_other);
    ramp_tick(&dry_gain);
    for (int32_t channel = 0; channel < ports.channels; channel++) {
        for (int32_t bank = 0; bank < BANKS; bank++) {
            tanks[channel].banks[bank].store = flush4(tanks[channel].banks[bank].store);
        }
    }
}

/* ---- parameters ---- */

static void aim(void) {
    const int32_t ticks = ramp_ticks(sample_rate_hz);
    /* The same one-pole filter at another rate: its pole to the power of the rates' ratio. */
    const double pole = pow((double)damping * DAMPING_SCALE, REFERENCE_RATE_HZ / (double)sample_rate_hz);
    const float scaled_wet = wet * WET_SCALE;
    const float same = ports.channels == 2 ? 0.5f + 0.5f * width : 1.0f;
    ramp_to(&feedback, room * ROOM_SCALE + ROOM_OFFSET, ticks);
    ramp_to(&damp, (float)pole, ticks);
    ramp_to(&wet_same, scaled_wet * same, ticks);
    ramp_to(&wet_other, scaled_wet * (1.0f - same), ticks);
    ramp_to(&dry_gain, dry, ticks);
}

static int32_t scaled_length(int32_t frames_at_reference) {
    return (int32_t)lround(frames_at_reference * (double)sample_rate_hz / REFERENCE_RATE_HZ);
}

static void lay_out_tank(tank_t *tank, int32_t spread) {
    for (int32_t comb = 0; comb < COMBS; comb++) {
        tank->banks[comb / QUAD].length[comb % QUAD] = scaled_length(COMB_LENGTHS[comb] + spread);
    }
    for (int32_t allpass = 0; allpass < ALLPASSES; allpass++) {
        tank->allpasses[allpass].length = scaled_length(ALLPASS_LENGTHS[allpass] + spread);
    }
}

static void silence_tank(tank_t *tank) {
    for (int32_t bank = 0; bank < BANKS; bank++) {
        memset(tank->banks[bank].position, 0, sizeof tank->banks[bank].position);
        memset(tank->banks[bank].delay, 0, sizeof tank->banks[bank].delay);
        tank->banks[bank].store = splat(0.0f);
    }
    for (int32_t allpass = 0; allpass < ALLPASSES; allpass++) {
        tank->allpasses[allpass].position = 0;
        memset(tank->allpasses[allpass].delay, 0, sizeof tank->allpasses[allpass].delay);
    }
}

/* ---- exports ---- */

static void reverb_settle(void) {
    ramp_jump(&feedback);
    ramp_jump(&damp);
    ramp_jump(&wet_same);
    ramp_jump(&wet_other);
    ramp_jump(&dry_gain);
}

GUEST_EXPORT("reset") void reverb_reset(void) {
    for (int32_t channel = 0; channel < EFFECT_MAX_CHANNELS; channel++) {
        silence_tank(&tanks[channel]);
    }
    reverb_settle();
    frame_in_tick = 0;
}

GUEST_EXPORT("init") int32_t reverb_init(float rate_hz, int32_t channels, int32_t max_frames) {
    const int32_t refusal = check_format(rate_hz, channels, max_frames);
    if (refusal != EFFECT_OK) {
        return refusal;
    }
    sample_rate_hz = rate_hz;
    ports.channels = channels;
    ports.max_frames = max_frames;
    room = 0.5f;
    damping = 0.5f;
    width = 1.0f;
    wet = 0.33f;
    dry = 1.0f;
    for (int32_t channel = 0; channel < EFFECT_MAX_CHANNELS; channel++) {
        lay_out_tank(&tanks[channel], channel * SPREAD);
    }
    aim();
    reverb_reset();
    return EFFECT_OK;
}

EXPORT_PORTS(reverb, ports)

static float *const PARAMS[REVERB_PARAMS] = {&room, &damping, &width, &wet, &dry};

GUEST_EXPORT("set_param") int32_t reverb_set_param(int32_t id, float value) {
    if (id < 0 || id >= REVERB_PARAMS) {
        return EFFECT_BAD_PARAM;
    }
    if (!(value >= 0.0f && value <= 1.0f)) {
        return EFFECT_BAD_VALUE;
    }
    *PARAMS[id] = value;
    aim();
    return EFFECT_OK;
}

GUEST_EXPORT("process") void reverb_process(int32_t frames) {
    process_on_grid(&ports, frames, &frame_in_tick, tick, run);
}

GUEST_EXPORT("latency") int32_t reverb_latency(void) { return 0; }

static float reverb_param(int32_t id) { return *PARAMS[id]; }

EXPORT_GUEST(reverb, ports, REVERB_PARAMS)
