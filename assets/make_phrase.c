/* Writes phrase.wav: a plucked cadence with bass, kick and hi-hat, 44.1 kHz, mono, 16 bits.
 *
 *   make_phrase phrase.wav
 *
 * Everything is computed in integers (no float, no libm, no shift of a negative number), so that every compiler and machine
 * writes the same bytes. A fraction is held as a multiple of 1/65536 (ONE).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../examples-c/common/wav.h"

#define RATE_HZ 44100
#define ONE 65536
#define EIGHTH_FRAMES 11025 /* 120 beats a minute */
#define FRAMES (19 * EIGHTH_FRAMES + 4410)
#define FADE_FRAMES 11025
#define PEAK 23197 /* -3 dB of full scale */
#define LONGEST_PERIOD 1024

static int32_t scaled(int32_t value, int32_t factor) { return (int32_t)((int64_t)value * factor / ONE); }

/* White noise within -ONE .. ONE. */
static int32_t noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (int32_t)(*state >> 15) - ONE;
}

/* ---- a plucked string: Karplus and Strong's loop with a tuning all-pass ---- */

typedef struct pluck_t {
    int32_t start; /* eighths */
    int32_t note;  /* MIDI number: 60 is middle C */
    int32_t level; /* of ONE */
} pluck_t;

/* A note's period in 1/65536 frames. The table holds the periods of the octave from A4 (440 Hz) on at 44.1 kHz. */
static int64_t period_of(int32_t note) {
    static const int64_t OCTAVE[12] = {6568495, 6199833, 5851863, 5523424, 5213418, 4920811,
                                       4644627, 4383944, 4137892, 3905650, 3686443, 3479539};
    const int32_t above_a0 = note - 21;
    int64_t period = OCTAVE[above_a0 % 12];
    for (int32_t octave = above_a0 / 12; octave < 4; octave++) {
        period *= 2;
    }
    for (int32_t octave = above_a0 / 12; octave > 4; octave--) {
        period /= 2;
    }
    return period;
}

/* The pick's noise, made softer by a mean of neighbours, and without the harmonics that a pick at 1/5 of the string lacks. */
static void excite(int32_t *string, int32_t length, uint32_t seed) {
    int32_t raw[LONGEST_PERIOD];
    for (int32_t n = 0; n < length; n++) {
        raw[n] = noise(&seed);
    }
    for (int32_t n = 0; n < length; n++) {
        const int32_t soft = (raw[n] + raw[(n + 1) % length]) / 2;
        const int32_t picked = (raw[(n + length / 5) % length] + raw[(n + length / 5 + 1) % length]) / 2;
        string[n] = soft - picked;
    }
}

static void add_pluck(int32_t *mix, const pluck_t *pluck) {
    int32_t string[LONGEST_PERIOD];
    const int64_t period = period_of(pluck->note);
    /* The loop's mean of two samples delays by half a frame; the all-pass makes up 0.5 .. 1.5 frames. */
    const int32_t length = (int32_t)((period - ONE) / ONE);
    const int32_t rest = (int32_t)(period - (int64_t)length * ONE) - ONE / 2;
    const int32_t allpass = (int32_t)((int64_t)(ONE - rest) * ONE / (ONE + rest));
    /* The loss per turn, so that every string falls by 60 dB in 3 s: 6.9 / (3 s * frequency). */
    const int32_t loss = ONE - (int32_t)((int64_t)ONE * 23 * length / (10 * RATE_HZ));
    int32_t previous = 0, allpass_in = 0, allpass_out = 0;
    excite(string, length, (uint32_t)(pluck->start * 128 + pluck->note));
    for (int32_t n = pluck->start * EIGHTH_FRAMES, at = 0; n < FRAMES; n++, at = (at + 1) % length) {
        const int32_t out = string[at];
        const int32_t damped = scaled((out + previous) / 2, loss);
        allpass_out = allpass_in + scaled(damped - allpass_out, allpass);
        allpass_in = damped;
        previous = out;
        string[at] = allpass_out;
        mix[n] += scaled(out, pluck->level);
    }
}

/* ---- percussion ---- */

/* A sine to within 6 % from a phase of 1/65536 turns: two parabolas. */
static int32_t rough_sine(int32_t phase) {
    const int32_t half = phase % 32768;
    const int32_t arc = (int32_t)((int64_t)half * (32768 - half) / 4096);
    return (phase % 65536 < 32768 ? arc : -arc);
}

/* A falling tone: from about 160 Hz down to 48 Hz. */
static void add_kick(int32_t *mix, int32_t start, int32_t level) {
    int32_t phase = 0, sweep = 170 * ONE, gain = level;
    for (int32_t n = start * EIGHTH_FRAMES; n < FRAMES && gain > 8; n++) {
        mix[n] += scaled(rough_sine(phase), gain);
        phase = (phase + 71 + sweep / ONE) % 65536;
        sweep = scaled(sweep, ONE - 90);
        gain = scaled(gain, ONE - 12);
    }
}

/* Noise, twice differentiated: only its high end is left. */
static void add_hat(int32_t *mix, int32_t start, int32_t level) {
    uint32_t seed = (uint32_t)start + 99;
    int32_t one_ago = 0, two_ago = 0, gain = level;
    for (int32_t n = start * EIGHTH_FRAMES; n < FRAMES && gain > 8; n++) {
        const int32_t now = noise(&seed);
        mix[n] += scaled(now - 2 * one_ago + two_ago, gain);
        two_ago = one_ago;
        one_ago = now;
        gain = scaled(gain, ONE - 50);
    }
}

/* ---- the phrase: A minor, F, C, G, and home to C ---- */

static const pluck_t PLUCKS[] = {
    /* bass */
    {0, 45, 30000}, {3, 45, 16000}, {4, 41, 30000}, {7, 41, 16000}, {8, 48, 30000}, {11, 48, 16000},
    {12, 43, 30000}, {14, 43, 18000}, {15, 47, 18000}, {16, 36, 32000},
    /* broken chords */
    {0, 57, 14000}, {1, 60, 13000}, {2, 64, 13000}, {3, 60, 12000}, {4, 57, 14000}, {5, 60, 13000},
    {6, 65, 13000}, {7, 60, 12000}, {8, 55, 14000}, {9, 60, 13000}, {10, 64, 13000}, {11, 60, 12000},
    {12, 55, 14000}, {13, 59, 13000}, {14, 62, 13000}, {15, 59, 12000}, {16, 55, 14000}, {16, 60, 13000}, {16, 64, 13000},
    /* melody */
    {0, 76, 24000}, {2, 72, 21000}, {3, 74, 21000}, {4, 72, 24000}, {6, 69, 22000}, {8, 67, 24000}, {9, 72, 20000},
    {10, 76, 23000}, {12, 74, 25000}, {13, 71, 20000}, {14, 67, 21000}, {15, 71, 21000}, {16, 72, 27000},
};
#define PLUCK_COUNT (sizeof PLUCKS / sizeof PLUCKS[0])

static void compose(int32_t *mix) {
    for (size_t i = 0; i < PLUCK_COUNT; i++) {
        add_pluck(mix, &PLUCKS[i]);
    }
    for (int32_t eighth = 0; eighth < 16; eighth += 4) {
        add_kick(mix, eighth, 20000);
    }
    add_kick(mix, 7, 12000);
    add_kick(mix, 16, 22000);
    for (int32_t eighth = 0; eighth < 16; eighth++) {
        add_hat(mix, eighth, eighth % 2 == 1 ? 2200 : 1000);
    }
}

/* Brings the loudest sample to PEAK and fades the end out; to samples of 1/32768, which a float holds exactly. */
static void finish(const int32_t *mix, float *out) {
    int32_t loudest = 1;
    for (int32_t n = 0; n < FRAMES; n++) {
        const int32_t size = mix[n] < 0 ? -mix[n] : mix[n];
        loudest = size > loudest ? size : loudest;
    }
    for (int32_t n = 0; n < FRAMES; n++) {
        const int64_t left = FRAMES - n < FADE_FRAMES ? FRAMES - n : FADE_FRAMES;
        const int64_t sample = (int64_t)mix[n] * PEAK / loudest * left / FADE_FRAMES;
        out[n] = (float)sample / 32768.0f;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: make_phrase out.wav\n");
        return 2;
    }
    static int32_t mix[FRAMES];
    wav_audio_t audio;
    wav_error_t error;
    if (!wav_create(&audio, RATE_HZ, 1, FRAMES, &error)) {
        fprintf(stderr, "make_phrase: %s\n", error.message);
        return 1;
    }
    compose(mix);
    finish(mix, audio.channel[0]);
    const bool written = wav_write(argv[1], &audio, WAV_PCM16, false, NULL, &error);
    wav_free(&audio);
    if (!written) {
        fprintf(stderr, "make_phrase: %s: %s\n", argv[1], error.message);
        return 1;
    }
    return 0;
}
