/* Tests of the three effects.
 *
 *   test_effects standalone|plugin ARTIFACTS RECORDING.wav
 *
 * Each effect exists twice here: as an artifact that runs through the library, and as the same source compiled into this
 * program. Both must give the same samples. Whatever else an effect promises (its frequency response, its ceiling, its
 * curve, ...) is tested on both.
 *
 * How equal? All per-sample arithmetic is made of operations that IEEE 754 fixes to the bit, provided that the native
 * compiler does not fuse multiplications with additions: compile with -ffp-contract=off. Only coefficients come from libm
 * (tan, pow, exp in double, rounded to float), and there the two libms may differ in a double's last place, which about once
 * in 2^29 coefficients becomes one in a float's. So EQUALITY_TOLERANCE is what such a coefficient would do at full scale;
 * the difference that is found is printed, and on the machines tried so far it is 0.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../tests/support/check.h"
#include "../../tests/support/start.h"
#include "../common/wav.h"
#include "effect.h"

#define PI 3.14159265358979323846
#define EQUALITY_TOLERANCE 1e-5f
#define EQ_TOLERANCE_DB 0.05
#define CURVE_TOLERANCE_DB 0.25 /* at 8 kHz a sine's peaks fall between the samples */

/* ---- an effect on one of its two legs ---- */

typedef struct native_t {
    const char *name;
    int32_t (*init)(float, int32_t, int32_t);
    intptr_t (*input)(int32_t);
    intptr_t (*output)(int32_t);
    int32_t (*set_param)(int32_t, float);
    void (*process)(int32_t);
    int32_t (*latency)(void);
    void (*reset)(void);
} native_t;

#define DECLARE_NATIVE(name)                            \
    int32_t name##_init(float, int32_t, int32_t);       \
    intptr_t name##_input(int32_t);                     \
    intptr_t name##_output(int32_t);                    \
    int32_t name##_set_param(int32_t, float);           \
    void name##_process(int32_t);                       \
    int32_t name##_latency(void);                       \
    void name##_reset(void)
#define NATIVE(name) \
    { #name, name##_init, name##_input, name##_output, name##_set_param, name##_process, name##_latency, name##_reset }

DECLARE_NATIVE(eq);
DECLARE_NATIVE(reverb);
DECLARE_NATIVE(compressor);

enum { EQ, REVERB, COMPRESSOR, EFFECTS };
static const native_t NATIVES[EFFECTS] = {NATIVE(eq), NATIVE(reverb), NATIVE(compressor)};
static effect_t guests[EFFECTS];

typedef struct unit_t {
    const native_t *native; /* exactly one of the two is set */
    effect_t *guest;
} unit_t;

static unit_t native_unit(int which) { return (unit_t){&NATIVES[which], NULL}; }

static unit_t guest_unit(int which) { return (unit_t){NULL, &guests[which]}; }

static const char *leg(unit_t unit) { return unit.native != NULL ? "native" : "wasm"; }

/* A call that a test needs but does not test; there is no going on without it. */
static void need(rtw_status_t status, const char *what) {
    NEED(status == RTW_OK, "%s: %s (%s)", what, rtw_status_string(status), rtw_status_name(status));
}

static int32_t unit_init(unit_t unit, uint32_t rate_hz, uint32_t channels, uint32_t max_frames) {
    if (unit.native != NULL) {
        return unit.native->init((float)rate_hz, (int32_t)channels, (int32_t)max_frames);
    }
    failure_t failure;
    NEED(effect_init(unit.guest, rate_hz, channels, max_frames, &failure), "%s", failure.message);
    return EFFECT_OK;
}

static int32_t unit_set(unit_t unit, int32_t id, float value) {
    if (unit.native != NULL) {
        return unit.native->set_param(id, value);
    }
    rtw_value_t values[2] = {{.i32 = id}, {.f32 = value}};
    need(rtw_invoke(unit.guest->set_param_func, values, 2), "set_param");
    return values[0].i32;
}

static void unit_reset(unit_t unit) {
    if (unit.native != NULL) {
        unit.native->reset();
    } else {
        need(rtw_invoke(unit.guest->reset_func, NULL, 0), "reset");
    }
}

static uint32_t unit_latency(unit_t unit) {
    return unit.native != NULL ? (uint32_t)unit.native->latency() : unit.guest->latency_frames;
}

static float *unit_input(unit_t unit, uint32_t channel) {
    return unit.native != NULL ? (float *)unit.native->input((int32_t)channel) : unit.guest->input[channel];
}

static float *unit_output(unit_t unit, uint32_t channel) {
    return unit.native != NULL ? (float *)unit.native->output((int32_t)channel) : unit.guest->output[channel];
}

static void unit_process(unit_t unit, int32_t frames) {
    if (unit.native != NULL) {
        unit.native->process(frames);
        return;
    }
    rtw_value_t value = {.i32 = frames};
    need(rtw_invoke(unit.guest->process_func, &value, 1), "process");
}

/* ---- signals ---- */

static wav_audio_t new_audio(uint32_t rate_hz, uint32_t channels, size_t frames) {
    wav_audio_t audio;
    wav_error_t error;
    NEED(wav_create(&audio, rate_hz, channels, frames, &error), "%s", error.message);
    return audio;
}

typedef enum signal_t { NOISE, IMPULSE, SWEEP, SILENCE, RECORDING, SIGNALS } signal_t;
static const char *const SIGNAL_NAMES[SIGNALS] = {"noise", "impulse", "sweep", "silence", "recording"};

static wav_audio_t recording;

static float signal_sample(signal_t signal, uint32_t rate_hz, uint32_t channel, size_t frame, uint32_t *state) {
    const double at = (double)frame / rate_hz;
    switch (signal) {
        case NOISE:
            *state = *state * 1664525u + 1013904223u;
            return (float)(*state >> 8) / 8388608.0f - 1.0f;
        case IMPULSE:
            return frame == 7 ? 1.0f : 0.0f;
        case SWEEP: /* from 20 Hz up, two octaves in each tenth of a second, the right channel a quarter turn behind */
            return (float)(0.9 * sin(2.0 * PI * 20.0 * (exp2(20.0 * at) - 1.0) / (20.0 * log(2.0)) + channel * PI / 2));
        case RECORDING:
            return recording.channel[channel % recording.channels][(frame + 12000) % recording.frames];
        default:
            return 0.0f;
    }
}

static wav_audio_t make_signal(signal_t signal, uint32_t rate_hz, uint32_t channels, size_t frames) {
    wav_audio_t audio = new_audio(rate_hz, channels, frames);
    for (uint32_t channel = 0; channel < channels; channel++) {
        uint32_t state = channel + 1;
        for (size_t frame = 0; frame < frames; frame++) {
            audio.channel[channel][frame] = signal_sample(signal, rate_hz, channel, frame, &state);
        }
    }
    return audio;
}

static wav_audio_t make_sine(uint32_t rate_hz, uint32_t channels, size_t frames, double frequency_hz, double amplitude) {
    wav_audio_t audio = new_audio(rate_hz, channels, frames);
    for (size_t frame = 0; frame < frames; frame++) {
        const double sample = amplitude * sin(2.0 * PI * frequency_hz * (double)frame / rate_hz);
        for (uint32_t channel = 0; channel < channels; channel++) {
            audio.channel[channel][frame] = (float)sample;
        }
    }
    return audio;
}

/* Runs `in` through the unit, which is initialised, in blocks of `block` frames. */
static wav_audio_t render(unit_t unit, const wav_audio_t *in, uint32_t block) {
    wav_audio_t out = new_audio(in->rate_hz, in->channels, in->frames);
    for (size_t done = 0; done < in->frames;) {
        const size_t count = in->frames - done < block ? in->frames - done : block;
        for (uint32_t channel = 0; channel < in->channels; channel++) {
            memcpy(unit_input(unit, channel), in->channel[channel] + done, count * sizeof(float));
        }
        unit_process(unit, (int32_t)count);
        for (uint32_t channel = 0; channel < in->channels; channel++) {
            memcpy(out.channel[channel] + done, unit_output(unit, channel), count * sizeof(float));
        }
        done += count;
    }
    return out;
}

static size_t sample_count(const wav_audio_t *audio) { return audio->frames * audio->channels; }

/* Not-a-number counts as the largest difference there is. */
static float largest_difference(const wav_audio_t *a, const wav_audio_t *b) {
    float largest = 0.0f;
    for (size_t n = 0; n < sample_count(a); n++) {
        const float difference = fabsf(a->channel[0][n] - b->channel[0][n]);
        if (!(difference <= largest)) {
            largest = isnan(difference) ? INFINITY : difference;
        }
    }
    return largest;
}

static float largest_sample(const float *samples, size_t from, size_t to) {
    float largest = 0.0f;
    for (size_t n = from; n < to; n++) {
        largest = fabsf(samples[n]) > largest ? fabsf(samples[n]) : largest;
    }
    return largest;
}

static double mean_square(const float *samples, size_t from, size_t to) {
    double sum = 0.0;
    for (size_t n = from; n < to; n++) {
        sum += (double)samples[n] * (double)samples[n];
    }
    return sum / (double)(to - from);
}

/* Of one frequency within samples[from .. to), as the amplitude of a sine. */
static double amplitude_at(const float *samples, size_t from, size_t to, double frequency_hz, uint32_t rate_hz) {
    double real = 0.0, imaginary = 0.0;
    for (size_t n = from; n < to; n++) {
        const double angle = 2.0 * PI * frequency_hz * (double)n / rate_hz;
        real += (double)samples[n] * cos(angle);
        imaginary += (double)samples[n] * sin(angle);
    }
    return 2.0 * hypot(real, imaginary) / (double)(to - from);
}

/* The amplitude of a frequency within 10 ms around a frame of the first channel. */
static double amplitude_around(const wav_audio_t *audio, size_t frame, double frequency_hz) {
    const size_t half = audio->rate_hz / 200;
    return amplitude_at(audio->channel[0], frame - half, frame + half, frequency_hz, audio->rate_hz);
}

static double decibels(double ratio) { return 20.0 * log10(ratio); }

/* ---- equality of the two legs, whatever the block size ---- */

typedef struct setting_t {
    int32_t id;
    float value;
} setting_t;

#define MAX_SETTINGS 10
/* Settings under which every part of an effect is at work; each list ends with id -1. */
#define BAND(band, field) ((band) * EQ_BAND_STRIDE + (field))
static const setting_t BUSY_SETTINGS[EFFECTS][MAX_SETTINGS] = {
    {{BAND(0, EQ_GAIN_DB), 6.0f},
     {BAND(1, EQ_GAIN_DB), -4.0f},
     {BAND(2, EQ_TYPE), EQ_NOTCH},
     {BAND(3, EQ_GAIN_DB), 3.0f},
     {BAND(4, EQ_TYPE), EQ_HIGH_PASS},
     {BAND(4, EQ_FREQUENCY_HZ), 30.0f},
     {BAND(5, EQ_GAIN_DB), -5.0f},
     {EQ_OUTPUT_DB, -3.0f},
     {-1, 0.0f}},
    {{REVERB_ROOM, 0.8f},
     {REVERB_DAMPING, 0.3f},
     {REVERB_WIDTH, 0.7f},
     {REVERB_WET, 0.5f},
     {REVERB_DRY, 0.6f},
     {-1, 0.0f}},
    {{COMP_THRESHOLD_DB, -30.0f},
     {COMP_RATIO, 4.0f},
     {COMP_KNEE_DB, 10.0f},
     {COMP_MAKEUP_DB, 12.0f},
     {COMP_CEILING_DB, -1.0f},
     {-1, 0.0f}},
};
/* A change while the stream runs, so that the ramps are compared too. */
static const setting_t LATER[EFFECTS] = {
    {BAND(2, EQ_FREQUENCY_HZ), 1500.0f}, {REVERB_DAMPING, 0.8f}, {COMP_MAKEUP_DB, 3.0f}};

static void make_busy(unit_t unit, int which) {
    for (const setting_t *setting = BUSY_SETTINGS[which]; setting->id >= 0; setting++) {
        if (unit_set(unit, setting->id, setting->value) != EFFECT_OK) {
            check(false, "%s: setting %d accepted", NATIVES[which].name, (int)setting->id);
        }
    }
    unit_reset(unit);
}

/* Two passes over `in`: the first after a reset, the second, the stream running on, with a parameter on its way. */
static void render_twice(unit_t unit, int which, const wav_audio_t *in, uint32_t block, wav_audio_t out[2]) {
    unit_init(unit, in->rate_hz, in->channels, block);
    make_busy(unit, which);
    out[0] = render(unit, in, block);
    unit_set(unit, LATER[which].id, LATER[which].value);
    out[1] = render(unit, in, block);
}

typedef struct differences_t {
    float legs;   /* between wasm and native */
    float blocks; /* between a block size and the first one, both wasm */
    float loudest;
} differences_t;

static void keep_larger(float *largest, float value) { *largest = value > *largest ? value : *largest; }

static void compare_format(int which, signal_t signal, uint32_t rate_hz, uint32_t channels, differences_t *found) {
    static const uint32_t BLOCKS[] = {128, 1, 16, 100, 509, 4096};
    wav_audio_t in = make_signal(signal, rate_hz, channels, rate_hz / 4 + 13);
    wav_audio_t native[2], first[2], other[2];
    render_twice(native_unit(which), which, &in, BLOCKS[0], native);
    render_twice(guest_unit(which), which, &in, BLOCKS[0], first);
    for (int pass = 0; pass < 2; pass++) {
        keep_larger(&found->legs, largest_difference(&native[pass], &first[pass]));
        keep_larger(&found->loudest, largest_sample(first[pass].channel[0], 0, sample_count(&in)));
    }
    for (size_t i = 1; i < sizeof BLOCKS / sizeof BLOCKS[0]; i++) {
        render_twice(guest_unit(which), which, &in, BLOCKS[i], other);
        for (int pass = 0; pass < 2; pass++) {
            keep_larger(&found->blocks, largest_difference(&first[pass], &other[pass]));
            wav_free(&other[pass]);
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        wav_free(&native[pass]);
        wav_free(&first[pass]);
    }
    wav_free(&in);
}

static void test_equality(int which) {
    static const uint32_t RATES_HZ[] = {8000, 44100, 48000, 96000, 192000};
    for (signal_t signal = 0; signal < SIGNALS; signal++) {
        differences_t found = {0.0f, 0.0f, 0.0f};
        for (size_t i = 0; i < sizeof RATES_HZ / sizeof RATES_HZ[0]; i++) {
            compare_format(which, signal, RATES_HZ[i], 1, &found);
            compare_format(which, signal, RATES_HZ[i], 2, &found);
        }
        check(found.legs <= EQUALITY_TOLERANCE, "%s of %s: wasm and native differ by %g at most", NATIVES[which].name,
              SIGNAL_NAMES[signal], (double)found.legs);
        check(found.blocks == 0.0f, "%s of %s: the block size changes samples by %g", NATIVES[which].name,
              SIGNAL_NAMES[signal], (double)found.blocks);
        check((found.loudest > 0.01f) == (signal != SILENCE), "%s of %s: loudest sample %g", NATIVES[which].name,
              SIGNAL_NAMES[signal], (double)found.loudest);
    }
}

/* ---- the interface for any host, guests/include/rtw_guest.h, which the effects have beside their own functions ---- */

static rtw_guest_t *begin_guest(int which, uint32_t rate_hz, uint32_t max_frames, rtw_instance_t **instance) {
    rtw_guest_config_t config;
    rtw_error_t error;
    rtw_guest_t *guest = NULL;
    rtw_guest_config_init(&config);
    config.sample_rate = rate_hz;
    config.max_frames = max_frames;
    NEED(rtw_instance_create(guests[which].module, NULL, NULL, instance, &error) == RTW_OK, "instance: %s", error.message);
    NEED(rtw_guest_create(guests[which].module, *instance, NULL, &config, &guest, &error) == RTW_OK, "guest: %s", error.message);
    NEED(rtw_guest_prepare(guest, 16, &error) == RTW_OK, "prepare: %s", error.message);
    return guest;
}

/* As render_twice, with two channels; the late parameter is an event at the second pass's first frame. */
static void render_guest(int which, const wav_audio_t *in, uint32_t block, wav_audio_t out[2]) {
    rtw_instance_t *instance;
    rtw_guest_t *guest = begin_guest(which, in->rate_hz, block, &instance);
    for (const setting_t *setting = BUSY_SETTINGS[which]; setting->id >= 0; setting++) {
        need(rtw_guest_set(guest, (uint32_t)setting->id, (double)setting->value), "rtw_guest_set");
    }
    const rtw_event_t late = {.kind = RTW_EVENT_PARAM, .index = (uint16_t)LATER[which].id, .data.value = (double)LATER[which].value};
    for (int pass = 0; pass < 2; pass++) {
        out[pass] = new_audio(in->rate_hz, in->channels, in->frames);
        for (size_t done = 0; done < in->frames;) {
            const uint32_t count = (uint32_t)(in->frames - done < block ? in->frames - done : block);
            const float *const from[2] = {in->channel[0] + done, in->channel[1] + done};
            float *const to[2] = {out[pass].channel[0] + done, out[pass].channel[1] + done};
            need(rtw_guest_process(guest, from, to, count, &late, pass == 1 && done == 0), "rtw_guest_process");
            done += count;
        }
    }
    rtw_guest_destroy(guest);
    rtw_instance_destroy(instance);
}

static void test_guest_interface(int which) {
    static const uint32_t BLOCKS[] = {128, 1, 509};
    wav_audio_t in = make_signal(NOISE, 48000, 2, 12013);
    wav_audio_t raw[2], driven[2];
    for (size_t i = 0; i < sizeof BLOCKS / sizeof BLOCKS[0]; i++) {
        render_twice(guest_unit(which), which, &in, BLOCKS[i], raw);
        render_guest(which, &in, BLOCKS[i], driven);
        const float first = largest_difference(&raw[0], &driven[0]), second = largest_difference(&raw[1], &driven[1]);
        check(first == 0.0f && second == 0.0f, "%s: rtw_guest_process in blocks of %u gives the samples of its own functions (%g, %g)",
              NATIVES[which].name, (unsigned)BLOCKS[i], (double)first, (double)second);
        for (int pass = 0; pass < 2; pass++) {
            wav_free(&raw[pass]);
            wav_free(&driven[pass]);
        }
    }
    wav_free(&in);
}

/* The description against the effect's own functions: number, default and range of each parameter, and the latency. */
static void test_guest_description(int which) {
    rtw_instance_t *instance;
    rtw_guest_t *guest = begin_guest(which, 48000, 64, &instance);
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    need(rtw_guest_info(guests[which].module, &info), "rtw_guest_info");
    const unit_t unit = guest_unit(which);
    unit_init(unit, 48000, 2, 64);
    check(unit_set(unit, (int32_t)info.param_count - 1, 0.5f) != EFFECT_BAD_PARAM &&
              unit_set(unit, (int32_t)info.param_count, 0.5f) == EFFECT_BAD_PARAM && rtw_guest_latency(guest) == unit_latency(unit),
          "%s: the %u parameters that are described are there, and the latency is its own", NATIVES[which].name,
          (unsigned)info.param_count);
    wav_audio_t in = make_signal(RECORDING, 48000, 2, 4000);
    wav_audio_t untouched, defaults;
    unit_init(unit, 48000, 2, 64);
    untouched = render(unit, &in, 64);
    uint32_t wrong_ranges = 0;
    for (uint32_t index = 0; index < info.param_count; index++) {
        rtw_guest_param_t param;
        rtw_guest_param_init(&param);
        need(rtw_guest_param(guests[which].module, index, &param), "rtw_guest_param");
        const int32_t id = (int32_t)index;
        const float outside = 1e-3f * (float)(param.max_value - param.min_value) + ((param.flags & RTW_PARAM_INTEGER) != 0 ? 1.0f : 0.0f);
        if (unit_set(unit, id, (float)param.min_value) != EFFECT_OK || unit_set(unit, id, (float)param.max_value) != EFFECT_OK ||
            unit_set(unit, id, (float)param.min_value - outside) != EFFECT_BAD_VALUE ||
            unit_set(unit, id, (float)param.max_value + outside) != EFFECT_BAD_VALUE) {
            wrong_ranges++;
        }
        unit_set(unit, id, (float)param.default_value);
    }
    unit_reset(unit);
    defaults = render(unit, &in, 64);
    check(wrong_ranges == 0, "%s: the ranges that are described are its own, but for %u", NATIVES[which].name, (unsigned)wrong_ranges);
    check(largest_difference(&untouched, &defaults) == 0.0f, "%s: the defaults that are described are its own", NATIVES[which].name);
    wav_free(&in);
    wav_free(&untouched);
    wav_free(&defaults);
    rtw_guest_destroy(guest);
    rtw_instance_destroy(instance);
}

/* The comparison itself must be able to see a difference. */
static void test_comparison(void) {
    wav_audio_t a = make_signal(NOISE, 48000, 2, 100);
    wav_audio_t b = make_signal(NOISE, 48000, 2, 100);
    check(largest_difference(&a, &b) == 0.0f, "equal signals compare as equal");
    b.channel[1][99] += 0.25f;
    check(largest_difference(&a, &b) == 0.25f, "a planted difference in the last sample is found");
    b.channel[1][99] = NAN;
    check(largest_difference(&a, &b) == INFINITY, "a planted not-a-number is found");
    wav_free(&a);
    wav_free(&b);
}

/* ---- what every effect promises ---- */

static void test_refusals(unit_t unit, int which) {
    const char *name = NATIVES[which].name;
    unit_init(unit, 48000, 1, 64);
    check(unit_set(unit, -1, 0.5f) == EFFECT_BAD_PARAM && unit_set(unit, 1000, 0.5f) == EFFECT_BAD_PARAM,
          "%s (%s): unknown parameters refused", name, leg(unit));
    const int32_t id = which == EQ ? EQ_GAIN_DB : 0;
    check(unit_set(unit, id, NAN) == EFFECT_BAD_VALUE && unit_set(unit, id, INFINITY) == EFFECT_BAD_VALUE &&
              unit_set(unit, id, -1e9f) == EFFECT_BAD_VALUE,
          "%s (%s): values out of range refused", name, leg(unit));
}

/* init's and input's refusals, which the host side of effect.c would not let through. */
static void test_native_refusals(int which) {
    const native_t *n = &NATIVES[which];
    check(n->init(7999.0f, 1, 64) == EFFECT_BAD_RATE && n->init(192001.0f, 1, 64) == EFFECT_BAD_RATE &&
              n->init(NAN, 1, 64) == EFFECT_BAD_RATE,
          "%s: sample rates out of range refused", n->name);
    check(n->init(48000.0f, 0, 64) == EFFECT_BAD_CHANNELS && n->init(48000.0f, 3, 64) == EFFECT_BAD_CHANNELS,
          "%s: channel counts refused", n->name);
    check(n->init(48000.0f, 1, 0) == EFFECT_BAD_FRAMES && n->init(48000.0f, 1, EFFECT_MAX_FRAMES + 1) == EFFECT_BAD_FRAMES,
          "%s: block lengths refused", n->name);
    check(n->init(48000.0f, 1, 64) == EFFECT_OK && n->input(0) != 0 && n->input(1) == 0 && n->output(-1) == 0,
          "%s: only existing channels have buffers", n->name);
}

static void test_host_refusal(int which) {
    failure_t failure = {""};
    check(!effect_init(&guests[which], 7999, 1, 64, &failure) && strstr(failure.message, "sample rate") != NULL,
          "%s: the host reports a refused format: %s", NATIVES[which].name, failure.message);
}

static void test_frame_limits(unit_t unit, int which) {
    unit_init(unit, 48000, 1, 64);
    for (int n = 0; n < 128; n++) {
        unit_input(unit, 0)[n] = 0.5f;
        unit_output(unit, 0)[n] = 77.0f;
    }
    unit_process(unit, -5);
    unit_process(unit, 0);
    const bool none = unit_output(unit, 0)[0] == 77.0f;
    unit_process(unit, 128);
    check(none && unit_output(unit, 0)[63] != 77.0f && unit_output(unit, 0)[64] == 77.0f,
          "%s (%s): process stays within 0 .. max_frames", NATIVES[which].name, leg(unit));
}

static void test_bad_samples(unit_t unit, int which) {
    unit_init(unit, 48000, 2, 256);
    make_busy(unit, which);
    wav_audio_t in = make_signal(NOISE, 48000, 2, 48000);
    in.channel[0][1000] = NAN;
    in.channel[1][2000] = INFINITY;
    in.channel[0][3000] = -3e38f;
    wav_audio_t out = render(unit, &in, 256);
    const float loudest = largest_sample(out.channel[0], 24000, 48000);
    bool finite = true;
    for (size_t n = 0; n < sample_count(&out); n++) {
        finite = finite && isfinite(out.channel[0][n]);
    }
    check(finite && loudest > 0.01f && loudest < 20.0f, "%s (%s): survives bad samples, then up to %g", NATIVES[which].name,
          leg(unit), (double)loudest);
    wav_free(&in);
    wav_free(&out);
}

static size_t count_denormals(const wav_audio_t *audio) {
    size_t count = 0;
    for (size_t n = 0; n < sample_count(audio); n++) {
        count += fpclassify(audio->channel[0][n]) == FP_SUBNORMAL;
    }
    return count;
}

static void test_tail_ends(unit_t unit, int which) {
    const uint32_t rate_hz = 8000; /* the tail is as long in seconds at any rate */
    unit_init(unit, rate_hz, 2, 512);
    make_busy(unit, which);
    wav_audio_t in = make_signal(IMPULSE, rate_hz, 2, 60 * rate_hz);
    wav_audio_t out = render(unit, &in, 512);
    check(count_denormals(&out) == 0, "%s (%s): no denormal comes out", NATIVES[which].name, leg(unit));
    check(largest_sample(out.channel[0], 59 * rate_hz, 60 * rate_hz) == 0.0f, "%s (%s): the tail ends in exact silence",
          NATIVES[which].name, leg(unit));
    out.channel[0][5] = 1e-40f;
    check(count_denormals(&out) == 1, "%s (%s): a planted denormal is found", NATIVES[which].name, leg(unit));
    wav_free(&in);
    wav_free(&out);
}

static void test_reset(unit_t unit, int which) {
    unit_init(unit, 44100, 2, 100);
    make_busy(unit, which);
    wav_audio_t in = make_signal(NOISE, 44100, 2, 20000);
    wav_audio_t first = render(unit, &in, 100);
    unit_reset(unit);
    wav_audio_t second = render(unit, &in, 100);
    check(largest_difference(&first, &second) == 0.0f, "%s (%s): after reset everything is as before", NATIVES[which].name,
          leg(unit));
    wav_free(&in);
    wav_free(&first);
    wav_free(&second);
}

/* ---- the equaliser: its response against the cookbook's formulas, written down independently ---- */

typedef struct biquad_t {
    double b[3], a[3];
} biquad_t;

static biquad_t cookbook(int32_t type, double frequency_hz, double gain_db, double q, double rate_hz) {
    const double a = pow(10.0, gain_db / 40.0);
    const double w = 2.0 * PI * frequency_hz / rate_hz;
    const double c = cos(w);
    const double alpha = sin(w) / (2.0 * q);
    const double r = 2.0 * sqrt(a) * alpha;
    switch (type) {
        case EQ_PEAK:
            return (biquad_t){{1 + alpha * a, -2 * c, 1 - alpha * a}, {1 + alpha / a, -2 * c, 1 - alpha / a}};
        case EQ_LOW_SHELF:
            return (biquad_t){{a * (a + 1 - (a - 1) * c + r), 2 * a * (a - 1 - (a + 1) * c), a * (a + 1 - (a - 1) * c - r)},
                              {a + 1 + (a - 1) * c + r, -2 * (a - 1 + (a + 1) * c), a + 1 + (a - 1) * c - r}};
        case EQ_HIGH_SHELF:
            return (biquad_t){{a * (a + 1 + (a - 1) * c + r), -2 * a * (a - 1 + (a + 1) * c), a * (a + 1 + (a - 1) * c - r)},
                              {a + 1 - (a - 1) * c + r, 2 * (a - 1 - (a + 1) * c), a + 1 - (a - 1) * c - r}};
        case EQ_LOW_PASS:
            return (biquad_t){{(1 - c) / 2, 1 - c, (1 - c) / 2}, {1 + alpha, -2 * c, 1 - alpha}};
        case EQ_HIGH_PASS:
            return (biquad_t){{(1 + c) / 2, -1 - c, (1 + c) / 2}, {1 + alpha, -2 * c, 1 - alpha}};
        default: /* EQ_NOTCH */
            return (biquad_t){{1, -2 * c, 1}, {1 + alpha, -2 * c, 1 - alpha}};
    }
}

/* |p(e^-iw)| */
static double polynomial_size(const double p[3], double w) {
    return hypot(p[0] + p[1] * cos(w) + p[2] * cos(2 * w), p[1] * sin(w) + p[2] * sin(2 * w));
}

static double response_db(const biquad_t *biquad, double frequency_hz, double rate_hz) {
    const double w = 2.0 * PI * frequency_hz / rate_hz;
    return decibels(polynomial_size(biquad->b, w) / polynomial_size(biquad->a, w));
}

/* The gain at one frequency from the response to an impulse. */
static double measured_db(const wav_audio_t *impulse_response, uint32_t channel, double frequency_hz) {
    const size_t frames = impulse_response->frames;
    const double amplitude =
        amplitude_at(impulse_response->channel[channel], 0, frames, frequency_hz, impulse_response->rate_hz);
    return decibels(amplitude * (double)frames / 2.0);
}

static void set_band(unit_t unit, int32_t band, int32_t type, double frequency_hz, double gain_db, double q) {
    const int32_t id = band * EQ_BAND_STRIDE;
    if (unit_set(unit, id + EQ_TYPE, (float)type) != EFFECT_OK ||
        unit_set(unit, id + EQ_FREQUENCY_HZ, (float)frequency_hz) != EFFECT_OK ||
        unit_set(unit, id + EQ_GAIN_DB, (float)gain_db) != EFFECT_OK || unit_set(unit, id + EQ_Q, (float)q) != EFFECT_OK) {
        check(false, "eq: band %d accepts type %d", (int)band, (int)type);
    }
}

static wav_audio_t eq_impulse_response(unit_t unit, uint32_t rate_hz) {
    unit_reset(unit);
    wav_audio_t in = make_signal(IMPULSE, rate_hz, 2, rate_hz);
    wav_audio_t out = render(unit, &in, 256);
    wav_free(&in);
    return out;
}

/* The largest deviation from the cookbook over frequencies around the band's, in either channel. */
static double band_deviation_db(unit_t unit, int32_t band, int32_t type, double frequency_hz, double gain_db,
                                uint32_t rate_hz) {
    static const double AROUND[] = {0.25, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0};
    const double q = 1.4;
    unit_init(unit, rate_hz, 2, 256);
    set_band(unit, band, type, frequency_hz, gain_db, q);
    wav_audio_t out = eq_impulse_response(unit, rate_hz);
    const biquad_t expected = cookbook(type, frequency_hz, gain_db, q, rate_hz);
    double largest = 0.0;
    for (size_t i = 0; i < sizeof AROUND / sizeof AROUND[0]; i++) {
        const double at_hz = frequency_hz * AROUND[i];
        const double expected_db = response_db(&expected, at_hz, rate_hz);
        if (at_hz < 0.45 * rate_hz && expected_db > -60.0) {
            for (uint32_t channel = 0; channel < 2; channel++) {
                const double deviation = fabs(measured_db(&out, channel, at_hz) - expected_db);
                largest = deviation > largest ? deviation : largest;
            }
        }
    }
    wav_free(&out);
    return largest;
}

static void test_eq_response(unit_t unit) {
    static const char *const TYPE_NAMES[EQ_TYPES] = {"off",      "peak",      "low shelf", "high shelf",
                                                     "low pass", "high pass", "notch"};
    static const double FREQUENCIES_HZ[] = {40.0, 250.0, 1000.0, 3000.0, 9000.0};
    static const uint32_t RATES_HZ[] = {8000, 44100, 192000};
    for (int32_t type = EQ_PEAK; type < EQ_TYPES; type++) {
        double largest = 0.0;
        for (int32_t i = 0; i < 15; i++) {
            const uint32_t rate_hz = RATES_HZ[i / 5];
            const double gain_db = i % 2 == 0 ? 9.0 : -12.0;
            if (FREQUENCIES_HZ[i % 5] < 0.45 * rate_hz) {
                const double deviation = band_deviation_db(unit, i % EQ_BANDS, type, FREQUENCIES_HZ[i % 5], gain_db, rate_hz);
                largest = deviation > largest ? deviation : largest;
            }
        }
        check(largest <= EQ_TOLERANCE_DB, "eq (%s): %s within %.4f dB of the cookbook's response", leg(unit), TYPE_NAMES[type],
              largest);
    }
}

/* A peak's gain at its centre is the one asked for, band by band; and the output gain. */
static void test_eq_gains(unit_t unit) {
    static const double GAINS_DB[EQ_BANDS] = {6.0, -6.0, 12.0, -12.0, 3.0, 24.0};
    for (int32_t band = 0; band < EQ_BANDS; band++) {
        unit_init(unit, 48000, 2, 256);
        set_band(unit, band, EQ_PEAK, 1000.0, GAINS_DB[band], 2.0);
        wav_audio_t out = eq_impulse_response(unit, 48000);
        const double measured = measured_db(&out, 0, 1000.0);
        check(fabs(measured - GAINS_DB[band]) <= EQ_TOLERANCE_DB, "eq (%s): band %d, asked for %g dB, has %.4f dB", leg(unit),
              (int)band + 1, GAINS_DB[band], measured);
        wav_free(&out);
    }
    unit_init(unit, 48000, 2, 256);
    unit_set(unit, EQ_OUTPUT_DB, -9.0f);
    wav_audio_t out = eq_impulse_response(unit, 48000);
    const double measured = measured_db(&out, 1, 5000.0);
    check(fabs(measured + 9.0) <= EQ_TOLERANCE_DB, "eq (%s): output, asked for -9 dB, has %.4f dB", leg(unit), measured);
    wav_free(&out);
}

/* A setting's change must not click: the wanted sine moves smoothly, so its second difference stays small. */
static void test_eq_change_is_smooth(unit_t unit) {
    unit_init(unit, 48000, 1, 128);
    wav_audio_t in = make_sine(48000, 1, 12000, 200.0, 0.5);
    wav_audio_t before = render(unit, &in, 128);
    set_band(unit, 1, EQ_PEAK, 250.0, 12.0, 1.0);
    wav_audio_t after = render(unit, &in, 128);
    /* The join of the two passes is continuous: 12000 frames are whole periods. */
    float largest = 0.0f;
    const float *s = after.channel[0];
    for (size_t n = 0; n < 6000; n++) {
        const float one_ago = n >= 1 ? s[n - 1] : before.channel[0][11999];
        const float two_ago = n >= 2 ? s[n - 2] : before.channel[0][11998 + n];
        keep_larger(&largest, fabsf(s[n] - 2.0f * one_ago + two_ago));
    }
    /* A sine of 200 Hz at full gain has second differences up to 0.5 * 4 * (2 pi 200 / 48000)^2 = 0.0014. */
    check(largest < 0.005f, "eq (%s): a 12 dB change bends the curve by %g at most", leg(unit), (double)largest);
    wav_free(&in);
    wav_free(&before);
    wav_free(&after);
}

/* ---- the reverb ---- */

static wav_audio_t reverb_impulse_response(unit_t unit, uint32_t rate_hz, uint32_t channels, float room, float seconds) {
    unit_init(unit, rate_hz, channels, 512);
    unit_set(unit, REVERB_ROOM, room);
    unit_set(unit, REVERB_WET, 1.0f);
    unit_set(unit, REVERB_DRY, 0.0f);
    unit_reset(unit);
    wav_audio_t in = make_signal(IMPULSE, rate_hz, channels, (size_t)(seconds * (float)rate_hz));
    wav_audio_t out = render(unit, &in, 512);
    wav_free(&in);
    return out;
}

/* The fall of the level from 0.2 .. 0.4 s to 1.0 .. 1.2 s. */
static double decay_db(const wav_audio_t *tail) {
    const size_t fifth = tail->rate_hz / 5;
    return 10.0 * log10(mean_square(tail->channel[0], fifth, 2 * fifth) / mean_square(tail->channel[0], 5 * fifth, 6 * fifth));
}

static void test_reverb_tail(unit_t unit) {
    wav_audio_t tail = reverb_impulse_response(unit, 48000, 2, 0.5f, 1.5f);
    const size_t fifth = 9600;
    bool falling = true;
    for (size_t part = 1; part < 6; part++) {
        falling = falling && mean_square(tail.channel[0], part * fifth, (part + 1) * fifth) <
                                 mean_square(tail.channel[0], (part - 1) * fifth, part * fifth);
    }
    const double early = 10.0 * log10(mean_square(tail.channel[0], fifth, 2 * fifth));
    check(falling, "reverb (%s): the tail falls from fifth to fifth of a second", leg(unit));
    check(early > -90.0, "reverb (%s): the tail is there, %.1f dB after 0.2 s", leg(unit), early);
    check(largest_sample(tail.channel[0], 0, 1000) == 0.0f, "reverb (%s): nothing before the first delay", leg(unit));
    wav_free(&tail);
}

static void test_reverb_rooms(unit_t unit) {
    double last = INFINITY;
    bool shorter_first = true;
    for (int step = 0; step <= 4; step++) {
        wav_audio_t tail = reverb_impulse_response(unit, 44100, 1, (float)step / 4.0f, 1.3f);
        const double decay = decay_db(&tail);
        shorter_first = shorter_first && decay < last;
        last = decay;
        wav_free(&tail);
    }
    check(shorter_first, "reverb (%s): the larger the room, the slower the decay", leg(unit));
}

static void test_reverb_rates(unit_t unit) {
    static const uint32_t RATES_HZ[] = {16000, 44100, 48000, 96000, 192000};
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < sizeof RATES_HZ / sizeof RATES_HZ[0]; i++) {
        wav_audio_t tail = reverb_impulse_response(unit, RATES_HZ[i], 2, 0.5f, 1.3f);
        const double decay = decay_db(&tail);
        least = decay < least ? decay : least;
        most = decay > most ? decay : most;
        wav_free(&tail);
    }
    check(most - least < 2.0, "reverb (%s): at every sample rate 0.8 s take %.1f .. %.1f dB away", leg(unit), least, most);
}

/* The loss of power around 3 kHz from 0.1 .. 0.3 s to 0.5 .. 0.7 s, with the loops fully damped. */
static double treble_decay_db(unit_t unit, uint32_t rate_hz) {
    unit_init(unit, rate_hz, 1, 512);
    unit_set(unit, REVERB_DAMPING, 1.0f);
    unit_set(unit, REVERB_DRY, 0.0f);
    unit_reset(unit);
    wav_audio_t in = make_signal(IMPULSE, rate_hz, 1, rate_hz);
    wav_audio_t out = render(unit, &in, 512);
    const size_t tenth = rate_hz / 10;
    double early = 0.0, late = 0.0;
    for (double frequency_hz = 2900.0; frequency_hz < 3100.0; frequency_hz += 5.0) {
        early += pow(amplitude_at(out.channel[0], tenth, 3 * tenth, frequency_hz, rate_hz), 2.0);
        late += pow(amplitude_at(out.channel[0], 5 * tenth, 7 * tenth, frequency_hz, rate_hz), 2.0);
    }
    wav_free(&in);
    wav_free(&out);
    return 10.0 * log10(early / late);
}

static void test_reverb_damping(unit_t unit) {
    const double low = treble_decay_db(unit, 44100);
    const double middle = treble_decay_db(unit, 96000);
    const double high = treble_decay_db(unit, 192000);
    check(fabs(middle - low) < 2.0 && fabs(high - low) < 2.0,
          "reverb (%s): treble falls alike at 44.1, 96 and 192 kHz: by %.1f, %.1f, %.1f dB", leg(unit), low, middle, high);
}

static void test_reverb_mix(unit_t unit) {
    unit_init(unit, 48000, 2, 128);
    unit_set(unit, REVERB_WET, 0.0f);
    unit_set(unit, REVERB_DRY, 1.0f);
    unit_reset(unit);
    wav_audio_t in = make_signal(NOISE, 48000, 2, 9600);
    wav_audio_t dry = render(unit, &in, 128);
    check(largest_difference(&in, &dry) == 0.0f, "reverb (%s): dry is the input to the bit", leg(unit));
    wav_free(&dry);
    for (int narrow = 0; narrow < 2; narrow++) {
        unit_set(unit, REVERB_WET, 1.0f);
        unit_set(unit, REVERB_DRY, 0.0f);
        unit_set(unit, REVERB_WIDTH, narrow ? 0.0f : 1.0f);
        unit_reset(unit);
        wav_audio_t wet = render(unit, &in, 128);
        float sides = 0.0f;
        for (size_t n = 0; n < wet.frames; n++) {
            keep_larger(&sides, fabsf(wet.channel[0][n] - wet.channel[1][n]));
        }
        check(narrow ? sides < 1e-5f : sides > 0.05f, "reverb (%s): width %d, the sides differ by %g", leg(unit), !narrow,
              (double)sides);
        wav_free(&wet);
    }
    wav_free(&in);
}

/* ---- the compressor and limiter ---- */

#define THRESHOLD_DB -24.0
#define RATIO 4.0
#define KNEE_DB 8.0

static double curve_db(double level_db) {
    const double over = level_db - THRESHOLD_DB;
    if (2.0 * over < -KNEE_DB) {
        return level_db;
    }
    if (2.0 * over > KNEE_DB) {
        return THRESHOLD_DB + over / RATIO;
    }
    const double into = over + KNEE_DB / 2.0;
    return level_db + (1.0 / RATIO - 1.0) * into * into / (2.0 * KNEE_DB);
}

static void set_curve(unit_t unit, uint32_t rate_hz, uint32_t channels) {
    unit_init(unit, rate_hz, channels, 256);
    unit_set(unit, COMP_THRESHOLD_DB, (float)THRESHOLD_DB);
    unit_set(unit, COMP_RATIO, (float)RATIO);
    unit_set(unit, COMP_KNEE_DB, (float)KNEE_DB);
    unit_set(unit, COMP_CEILING_DB, 0.0f);
    unit_reset(unit);
}

/* A steady sine's level after the compressor against the curve's formula, from below the knee to full scale. */
static void test_compressor_curve(unit_t unit, uint32_t rate_hz) {
    double largest = 0.0;
    for (double level_db = -48.0; level_db <= -0.5; level_db += 2.5) {
        set_curve(unit, rate_hz, 1);
        wav_audio_t in = make_sine(rate_hz, 1, rate_hz, 997.0, pow(10.0, level_db / 20.0));
        wav_audio_t out = render(unit, &in, 256);
        const double out_db = decibels(amplitude_at(out.channel[0], rate_hz / 2, rate_hz, 997.0, rate_hz));
        const double deviation = fabs(out_db - curve_db(level_db));
        largest = deviation > largest ? deviation : largest;
        wav_free(&in);
        wav_free(&out);
    }
    check(largest <= CURVE_TOLERANCE_DB, "compressor (%s): static curve at %u Hz within %.3f dB", leg(unit), (unsigned)rate_hz,
          largest);
}

static void test_compressor_times(unit_t unit) {
    const uint32_t rate_hz = 48000;
    set_curve(unit, rate_hz, 1);
    unit_set(unit, COMP_ATTACK_MS, 20.0f);
    unit_set(unit, COMP_RELEASE_MS, 200.0f);
    unit_reset(unit);
    wav_audio_t in = make_sine(rate_hz, 1, 2 * rate_hz, 997.0, 0.8);
    for (size_t n = rate_hz; n < in.frames; n++) {
        in.channel[0][n] *= 0.01f; /* below the threshold from one second on */
    }
    wav_audio_t out = render(unit, &in, 256);
    const size_t delay = unit_latency(unit);
    const double full_db = decibels(0.8) - curve_db(decibels(0.8));
    /* The reduction one time constant after a step. */
    const size_t attacked = delay + rate_hz / 50;
    const size_t released = delay + rate_hz + rate_hz / 5;
    const double after_attack = decibels(0.8 / amplitude_around(&out, attacked, 997.0));
    const double after_release = decibels(0.008 / amplitude_around(&out, released, 997.0));
    check(after_attack > 0.5 * full_db && after_attack < 0.75 * full_db,
          "compressor (%s): after its attack time %.0f %% of the reduction is there", leg(unit),
          100.0 * after_attack / full_db);
    check(after_release > 0.3 * full_db && after_release < 0.5 * full_db,
          "compressor (%s): after its release time %.0f %% of the reduction is left", leg(unit),
          100.0 * after_release / full_db);
    wav_free(&in);
    wav_free(&out);
}

/* Loud only on the left: the right channel is turned down by the same factor. */
static void test_compressor_link(unit_t unit) {
    set_curve(unit, 48000, 2);
    wav_audio_t in = make_sine(48000, 2, 48000, 997.0, 0.9);
    for (size_t n = 0; n < in.frames; n++) {
        in.channel[1][n] *= 0.01f;
    }
    wav_audio_t out = render(unit, &in, 256);
    const double left = decibels(amplitude_at(out.channel[0], 24000, 48000, 997.0, 48000) / 0.9);
    const double right = decibels(amplitude_at(out.channel[1], 24000, 48000, 997.0, 48000) / 0.009);
    check(left < -6.0 && fabs(left - right) < 0.01, "compressor (%s): both channels change by %.2f and %.2f dB", leg(unit), left,
          right);
    wav_free(&in);
    wav_free(&out);
}

/* Every signal, far too loud, at several rates and ceilings: no sample above the ceiling, and it is reached. */
static void test_limiter_ceiling(unit_t unit) {
    static const uint32_t RATES_HZ[] = {8000, 44100, 192000};
    static const float CEILINGS_DB[] = {0.0f, -1.0f, -12.0f};
    for (int i = 0; i < 3; i++) {
        const float ceiling = (float)pow(10.0, (double)CEILINGS_DB[i] / 20.0);
        float loudest = 0.0f;
        for (signal_t signal = 0; signal < SIGNALS; signal++) {
            unit_init(unit, RATES_HZ[i], 2, 128);
            unit_set(unit, COMP_RATIO, 1.0f);
            unit_set(unit, COMP_MAKEUP_DB, 24.0f);
            unit_set(unit, COMP_CEILING_DB, CEILINGS_DB[i]);
            unit_set(unit, COMP_LIMITER_RELEASE_MS, 5.0f);
            unit_reset(unit);
            wav_audio_t in = make_signal(signal, RATES_HZ[i], 2, RATES_HZ[i] / 2);
            wav_audio_t out = render(unit, &in, 128);
            keep_larger(&loudest, largest_sample(out.channel[0], 0, sample_count(&out)));
            wav_free(&in);
            wav_free(&out);
        }
        check(loudest <= ceiling && loudest > 0.99f * ceiling, "limiter (%s): ceiling %.7f at %u Hz, loudest sample %.7f",
              leg(unit), (double)ceiling, (unsigned)RATES_HZ[i], (double)loudest);
    }
}

/* The ceiling must come from the gain, not from clipping: a loud sine that the limiter has settled on stays a sine. */
static void test_limiter_is_no_clipper(unit_t unit) {
    unit_init(unit, 48000, 1, 128);
    unit_set(unit, COMP_RATIO, 1.0f);
    unit_set(unit, COMP_MAKEUP_DB, 12.0f);
    unit_reset(unit);
    wav_audio_t in = make_sine(48000, 1, 48000, 1000.0, 0.9);
    wav_audio_t out = render(unit, &in, 128);
    const double third = amplitude_at(out.channel[0], 24000, 48000, 3000.0, 48000);
    const double first = amplitude_at(out.channel[0], 24000, 48000, 1000.0, 48000);
    check(decibels(third / first) < -50.0, "limiter (%s): 12 dB over, third harmonic at %.1f dB", leg(unit),
          decibels(third / first));
    wav_free(&in);
    wav_free(&out);
}

/* The limiter clips as a last resort, which would hide a gain that is too high. The right channel, too quiet to be clipped,
 * shows the gain as it is: it must suffice for the left one by itself. */
static void test_limiter_gain(unit_t unit) {
    const float ceiling = 0.5f;
    unit_init(unit, 44100, 2, 128);
    unit_set(unit, COMP_RATIO, 1.0f);
    unit_set(unit, COMP_CEILING_DB, (float)decibels((double)ceiling));
    unit_set(unit, COMP_LIMITER_RELEASE_MS, 1.0f);
    unit_reset(unit);
    wav_audio_t in = make_signal(NOISE, 44100, 2, 44100);
    for (size_t n = 0; n < in.frames; n++) {
        in.channel[0][n] *= n % 997 < 200 ? 8.0f : 0.6f;
        in.channel[1][n] = 0.001f;
    }
    wav_audio_t out = render(unit, &in, 128);
    const size_t delay = unit_latency(unit);
    float loudest = 0.0f;
    for (size_t n = 0; n + delay < in.frames; n++) {
        keep_larger(&loudest, fabsf(in.channel[0][n]) * (out.channel[1][n + delay] / 0.001f));
    }
    check(loudest < ceiling * 1.000002f && loudest > ceiling * 0.999f, "limiter (%s): the gain alone keeps to %.7f of %g",
          leg(unit), (double)loudest, (double)ceiling);
    wav_free(&in);
    wav_free(&out);
}

/* One sample 18 dB over in a quiet signal: the gain is down when it comes out, and went there step by step. A clipper, or
 * a limiter that acts late, would change the gain at once. */
static void test_limiter_looks_ahead(unit_t unit) {
    const size_t peak = 5000;
    unit_init(unit, 48000, 1, 128);
    unit_set(unit, COMP_RATIO, 1.0f);
    unit_set(unit, COMP_CEILING_DB, 0.0f);
    unit_reset(unit);
    wav_audio_t in = new_audio(48000, 1, 48000);
    for (size_t n = 0; n < in.frames; n++) {
        in.channel[0][n] = n == peak ? 8.0f : 0.01f;
    }
    wav_audio_t out = render(unit, &in, 128);
    const size_t delay = unit_latency(unit);
    float largest_step = 0.0f;
    float gain = 1.0f;
    for (size_t n = 0; n + delay < in.frames; n++) {
        const float next = out.channel[0][n + delay] / in.channel[0][n];
        keep_larger(&largest_step, fabsf(next - gain));
        gain = next;
    }
    const float at_peak = out.channel[0][peak + delay] / 8.0f;
    check(at_peak > 0.12f && at_peak <= 0.125f && gain > 0.99f,
          "limiter (%s): a peak of 8 gets a gain of %g, which recovers to %g", leg(unit),
          (double)at_peak, (double)gain);
    check(largest_step < 1.1f / (float)(delay + 1), "limiter (%s): the gain changes by %g a frame at most", leg(unit),
          (double)largest_step);
    wav_free(&in);
    wav_free(&out);
}

static void test_compressor_transparency(unit_t unit) {
    unit_init(unit, 48000, 2, 128);
    unit_set(unit, COMP_THRESHOLD_DB, 0.0f);
    unit_set(unit, COMP_KNEE_DB, 0.0f);
    unit_set(unit, COMP_CEILING_DB, 0.0f);
    unit_reset(unit);
    const size_t delay = unit_latency(unit);
    wav_audio_t in = make_signal(NOISE, 48000, 2, 48000);
    for (size_t n = 0; n < sample_count(&in); n++) {
        in.channel[0][n] *= 0.5f;
    }
    wav_audio_t out = render(unit, &in, 128);
    bool same = delay > 0;
    for (uint32_t channel = 0; channel < 2; channel++) {
        same = same && memcmp(in.channel[channel], out.channel[channel] + delay, (48000 - delay) * sizeof(float)) == 0;
    }
    check(same, "compressor (%s): below its threshold it is a delay of %zu frames, bit for bit", leg(unit), delay);
    wav_free(&in);
    wav_free(&out);
}

/* ---- all of it ---- */

static void test_unit(unit_t unit, int which) {
    test_refusals(unit, which);
    test_frame_limits(unit, which);
    test_bad_samples(unit, which);
    test_tail_ends(unit, which);
    test_reset(unit, which);
    if (which == EQ) {
        test_eq_response(unit);
        test_eq_gains(unit);
        test_eq_change_is_smooth(unit);
    } else if (which == REVERB) {
        test_reverb_tail(unit);
        test_reverb_rooms(unit);
        test_reverb_rates(unit);
        test_reverb_damping(unit);
        test_reverb_mix(unit);
    } else {
        test_compressor_curve(unit, 8000);
        test_compressor_curve(unit, 48000);
        test_compressor_curve(unit, 192000);
        test_compressor_times(unit);
        test_compressor_link(unit);
        test_limiter_ceiling(unit);
        test_limiter_is_no_clipper(unit);
        test_limiter_gain(unit);
        test_limiter_looks_ahead(unit);
        test_compressor_transparency(unit);
    }
}

static void load_guests(rtw_runtime_t *runtime) {
    for (int which = 0; which < EFFECTS; which++) {
        failure_t failure;
        NEED(effect_load(&guests[which], runtime, NATIVES[which].name, artifact_path(NATIVES[which].name), 0, &failure), "%s", failure.message);
    }
}

static rtw_runtime_t *start(void) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    rtw_runtime_t *runtime = NULL;
    need(rtw_runtime_create(&config, &runtime, NULL), "runtime");
    rtw_thread_config_t thread;
    rtw_thread_config_init(&thread);
    thread.sched_policy = RTW_SCHED_KEEP;
    need(rtw_thread_attach(runtime, &thread, NULL), "attach");
    return runtime;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    NEED(argc == 4, "usage: test_effects standalone|plugin ARTIFACTS RECORDING.wav");
    wav_error_t error = {"no samples in it"};
    NEED(wav_read(argv[3], &recording, &error) && recording.frames != 0, "%s: %s", argv[3], error.message);
    rtw_runtime_t *runtime = start();
    load_guests(runtime);
    test_comparison();
    for (int which = 0; which < EFFECTS; which++) {
        test_equality(which);
        test_guest_interface(which);
        test_guest_description(which);
        test_native_refusals(which);
        test_host_refusal(which);
        test_unit(native_unit(which), which);
        test_unit(guest_unit(which), which);
    }
    for (int which = 0; which < EFFECTS; which++) {
        effect_unload(&guests[which]);
    }
    need(rtw_thread_detach(runtime, NULL), "detach");
    rtw_runtime_destroy(runtime);
    wav_free(&recording);
    return check_summary();
}
