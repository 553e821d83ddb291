/* Shared by the audio guests: the export macro, a portable four-lane vector, parameter ramps, and the two guards
 * (against bad input, against denormals). Compiles to wasm32 with SIMD and natively, with clang and gcc, so that a test can
 * run the very same source on both sides and compare.
 *
 * Two rules keep the results independent of how the host cuts the stream into blocks, and nearly independent of the
 * compiler:
 *  - whatever happens "now and then" (ramps, flushing) happens on a grid of GRID frames counted from reset, never per block;
 *  - per-sample arithmetic uses + - * / and comparisons only, which IEEE 754 fixes to the bit. Functions of libm appear only
 *    where a parameter is turned into a coefficient, in double, rounded to float at the end.
 */
#ifndef RTWASM_GUEST_DSP_H
#define RTWASM_GUEST_DSP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../include/rtw_guest.h"
#include "effects.h"

#ifdef __wasm__
#define GUEST_EXPORT(name) __attribute__((export_name(name)))
#else
#define GUEST_EXPORT(name)
#endif

/* An address as the host sees it: 32 bits in a guest, a whole pointer where the source is compiled natively. */
typedef intptr_t guest_address_t;

/* Frames between two ticks of the control grid. */
#define GRID 32
#define QUAD 4
#define PI 3.14159265358979323846
/* 20 * log10(2) dB are one power of two; levels inside the guests are powers of two, decibels exist at the edge only. */
#define LOG2_PER_DB 0.16609640474436813

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

static inline f32x4 splat(float x) { return (f32x4){x, x, x, x}; }

static inline i32x4 splat_int(int32_t x) { return (i32x4){x, x, x, x}; }

/* memcpy, because a quad of a stream is aligned to 4 bytes only; it becomes one v128.load or v128.store. */
static inline f32x4 load4(const float *from) {
    f32x4 v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store4(float *to, f32x4 v) { memcpy(to, &v, sizeof v); }

static inline f32x4 select4(i32x4 mask, f32x4 yes, f32x4 no) {
    return (f32x4)(((i32x4)yes & mask) | ((i32x4)no & ~mask));
}

static inline f32x4 min4(f32x4 a, f32x4 b) { return select4(a < b, a, b); }

static inline f32x4 max4(f32x4 a, f32x4 b) { return select4(a > b, a, b); }

static inline f32x4 abs4(f32x4 x) { return (f32x4)((i32x4)x & splat_int(0x7fffffff)); }

/* Not-a-number, infinity and levels no signal has count as silence: one such sample would live in a feedback loop endlessly. */
#define INPUT_LIMIT 1048576.0f

static inline f32x4 sane4(f32x4 x) { return select4(abs4(x) <= splat(INPUT_LIMIT), x, splat(0.0f)); }

static inline float sane(float x) { return x >= -INPUT_LIMIT && x <= INPUT_LIMIT ? x : 0.0f; }

/* Denormals: a decaying loop ends in numbers below 1.2e-38, which many processors handle in microcode, tens of times
 * slower, and WebAssembly has no flush-to-zero mode to ask for. So states and delay lines drop to an exact zero already below
 * 1e-20 (-400 dB), early enough that nothing computed from them before the next flush is denormal. Cutting off, and not the
 * usual adding and taking away of a tiny constant: that rounds, and a loop can hold a rounded value endlessly. */
#ifndef FLUSH_LIMIT
#define FLUSH_LIMIT 1e-20f /* the benchmark builds a guest without */
#endif

static inline f32x4 flush4(f32x4 x) { return (f32x4)((i32x4)x & (abs4(x) >= splat(FLUSH_LIMIT))); }

static inline float flush(float x) { return x >= FLUSH_LIMIT || x <= -FLUSH_LIMIT ? x : 0.0f; }

/* log2 of positive, normal numbers; the error stays below 2e-7 absolute plus half a unit in the last place.
 * x = 2^e * m with m within sqrt(1/2) .. sqrt(2), and log2 m = 2/ln 2 * artanh((m - 1) / (m + 1)) by its series. */
static inline f32x4 log2_4(f32x4 x) {
    const i32x4 bits = (i32x4)x;
    i32x4 exponent = (bits >> 23) - splat_int(127);
    f32x4 m = (f32x4)((bits & splat_int(0x007fffff)) | splat_int(0x3f800000));
    const i32x4 upper = m > splat(1.41421356f);
    m = select4(upper, m * splat(0.5f), m);
    exponent -= upper; /* a true lane is -1 */
    const f32x4 s = (m - splat(1.0f)) / (m + splat(1.0f));
    const f32x4 s2 = s * s;
    f32x4 series = splat(1.0f / 9.0f);
    series = series * s2 + splat(1.0f / 7.0f);
    series = series * s2 + splat(1.0f / 5.0f);
    series = series * s2 + splat(1.0f / 3.0f);
    series = series * s2 + splat(1.0f);
    return __builtin_convertvector(exponent, f32x4) + splat(2.885390082f) * s * series;
}

/* 2 to the x for x within -60 .. 60 (clamped), relative error below 3e-7, and exactly 1 for 0.
 * x = n + f with |f| about a half at most; 2^f = e^(f ln 2) by its series, 2^n by writing the exponent. */
static inline f32x4 exp2_4(f32x4 x) {
    x = min4(max4(x, splat(-60.0f)), splat(60.0f));
    const i32x4 n = __builtin_convertvector(x + splat(64.5f), i32x4) - splat_int(64);
    const f32x4 t = (x - __builtin_convertvector(n, f32x4)) * splat(0.693147181f);
    f32x4 series = splat(1.0f / 5040.0f);
    series = series * t + splat(1.0f / 720.0f);
    series = series * t + splat(1.0f / 120.0f);
    series = series * t + splat(1.0f / 24.0f);
    series = series * t + splat(1.0f / 6.0f);
    series = series * t + splat(0.5f);
    series = series * t + splat(1.0f);
    series = series * t + splat(1.0f);
    return series * (f32x4)((n + splat_int(127)) << 23);
}

/* A parameter on its way to a new value: a straight line over whole ticks, so that it arrives exactly. A new target is taken
 * up at the next tick's start; within a tick the line never bends. */
typedef struct ramp_t {
    float now;  /* at the start of the running tick */
    float next; /* at its end */
    float target;
    int32_t ticks_left;
} ramp_t;

static inline void ramp_jump(ramp_t *ramp) {
    ramp->now = ramp->target;
    ramp->next = ramp->target;
    ramp->ticks_left = 0;
}

static inline void ramp_to(ramp_t *ramp, float target, int32_t ticks) {
    ramp->target = target;
    ramp->ticks_left = ticks;
}

/* To be called at the start of each tick. */
static inline void ramp_tick(ramp_t *ramp) {
    ramp->now = ramp->next;
    if (ramp->ticks_left > 1) {
        ramp->next += (ramp->target - ramp->next) / (float)ramp->ticks_left;
        ramp->ticks_left -= 1;
    } else {
        ramp->next = ramp->target;
        ramp->ticks_left = 0;
    }
}

static inline float ramp_step(const ramp_t *ramp) { return (ramp->next - ramp->now) / (float)GRID; }

/* The number of ticks that lasts about 20 ms, which is long enough for no click and short enough to feel immediate. */
static inline int32_t ramp_ticks(float rate_hz) { return (int32_t)(0.020f * rate_hz / (float)GRID) + 1; }

static inline int32_t min_int(int32_t a, int32_t b) { return a < b ? a : b; }

/* The checks that every init does first. */
static inline int32_t check_format(float rate_hz, int32_t channels, int32_t max_frames) {
    if (!(rate_hz >= EFFECT_MIN_RATE_HZ && rate_hz <= EFFECT_MAX_RATE_HZ)) {
        return EFFECT_BAD_RATE;
    }
    if (channels < 1 || channels > EFFECT_MAX_CHANNELS) {
        return EFFECT_BAD_CHANNELS;
    }
    if (max_frames < 1 || max_frames > EFFECT_MAX_FRAMES) {
        return EFFECT_BAD_FRAMES;
    }
    return EFFECT_OK;
}

/* The buffers that the host writes and reads, one set per guest. */
typedef struct ports_t {
    int32_t channels;
    int32_t max_frames;
    float input[EFFECT_MAX_CHANNELS][EFFECT_MAX_FRAMES];
    float output[EFFECT_MAX_CHANNELS][EFFECT_MAX_FRAMES];
} ports_t;

static inline guest_address_t port_address(float port[][EFFECT_MAX_FRAMES], int32_t channel, int32_t channels) {
    return channel >= 0 && channel < channels ? (guest_address_t)port[channel] : 0;
}

/* process must stay inside the buffers whatever the host asks for. */
static inline int32_t clamp_frames(const ports_t *ports, int32_t frames) {
    return frames < 0 ? 0 : min_int(frames, ports->max_frames);
}

/* Processes a block: `tick` at each multiple of GRID frames since reset, `run` for the frames from `first` on between them.
 * `frame_in_tick` is where on the grid the next frame lies. Inlined, so that tick and run are too. */
__attribute__((always_inline)) static inline void process_on_grid(const ports_t *ports, int32_t frames, int32_t *frame_in_tick, void (*tick)(void),
                                   void (*run)(int32_t first, int32_t count)) {
    const int32_t total = clamp_frames(ports, frames);
    for (int32_t done = 0; done < total;) {
        if (*frame_in_tick == 0) {
            tick();
        }
        const int32_t count = min_int(total - done, GRID - *frame_in_tick);
        run(done, count);
        *frame_in_tick = (*frame_in_tick + count) % GRID;
        done += count;
    }
}

/* The exports "input" and "output" of an effect: where its ports are. */
#define EXPORT_PORTS(effect, ports)                                                                                               \
    GUEST_EXPORT("input") guest_address_t effect##_input(int32_t channel) {                                                       \
        return port_address((ports).input, channel, (ports).channels);                                                            \
    }                                                                                                                             \
    GUEST_EXPORT("output") guest_address_t effect##_output(int32_t channel) {                                                     \
        return port_address((ports).output, channel, (ports).channels);                                                           \
    }

/* Sets the parameters that the host has changed since the last time, and returns whether there were any. A value that is refused is
 * not tried again. */
static inline bool take_params(const float *params, float *taken, int32_t count, int32_t (*set_param)(int32_t id, float value)) {
    bool changed = false;
    for (int32_t id = 0; id < count; id++) {
        if (params[id] != taken[id]) {
            taken[id] = params[id];
            changed = set_param(id, params[id]) == EFFECT_OK || changed;
        }
    }
    return changed;
}

/* The exports of rtw_guest.h beside the effect's own, over the functions effect_init, effect_set_param, ...: two channels, and `count`
 * parameters by their numbers. effect_param(id) returns a parameter's value; effect_settle() lets parameters be at once where they
 * were set, which is how those that come before the first frame arrive. */
#define EXPORT_GUEST(effect, ports, count)                                                                                        \
    static float effect##_params[count], effect##_taken[count];                                                                   \
    static float *effect##_inputs[EFFECT_MAX_CHANNELS] = {(ports).input[0], (ports).input[1]};                                    \
    static float *effect##_outputs[EFFECT_MAX_CHANNELS] = {(ports).output[0], (ports).output[1]};                                 \
    static rtwg_io_t effect##_places = {.inputs = effect##_inputs, .outputs = effect##_outputs, .params = effect##_params};       \
    static bool effect##_is_fresh;                                                                                                \
                                                                                                                                  \
    RTWG_EXPORT(rtw_init) int32_t effect##_guest_init(double rate_hz, int32_t max_frames) {                                       \
        const int32_t result = effect##_init((float)rate_hz, EFFECT_MAX_CHANNELS, max_frames);                                    \
        for (int32_t id = 0; id < (count); id++) {                                                                                \
            effect##_params[id] = effect##_taken[id] = effect##_param(id);                                                        \
        }                                                                                                                         \
        effect##_places.latency = (uint32_t)effect##_latency();                                                                   \
        effect##_is_fresh = true;                                                                                                 \
        return result;                                                                                                            \
    }                                                                                                                             \
                                                                                                                                  \
    RTWG_EXPORT(rtw_io) const rtwg_io_t *effect##_guest_io(void) { return &effect##_places; }                                     \
                                                                                                                                  \
    RTWG_EXPORT(rtw_reset) void effect##_guest_reset(void) {                                                                      \
        take_params(effect##_params, effect##_taken, count, effect##_set_param);                                                  \
        effect##_reset();                                                                                                         \
        effect##_is_fresh = true;                                                                                                 \
    }                                                                                                                             \
                                                                                                                                  \
    RTWG_EXPORT(rtw_process) void effect##_guest_process(int32_t frames) {                                                        \
        if (take_params(effect##_params, effect##_taken, count, effect##_set_param) && effect##_is_fresh) {                       \
            effect##_settle();                                                                                                    \
        }                                                                                                                         \
        effect##_is_fresh = effect##_is_fresh && frames <= 0;                                                                     \
        effect##_process(frames);                                                                                                 \
    }

#endif
