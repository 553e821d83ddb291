/* Shared by host and guest of an audio effect: result codes, limits, parameter numbers.
 *
 * Every effect exports the same seven functions; guests/README.md says what each of them promises.
 */
#ifndef RTWASM_GUEST_EFFECTS_H
#define RTWASM_GUEST_EFFECTS_H

#define EFFECT_MAX_CHANNELS 2
#define EFFECT_MAX_FRAMES 4096
#define EFFECT_MIN_RATE_HZ 8000.0f
#define EFFECT_MAX_RATE_HZ 192000.0f

/* The results of init and set_param. */
enum {
    EFFECT_OK = 0,
    EFFECT_BAD_RATE = 1,     /* init: outside EFFECT_MIN_RATE_HZ .. EFFECT_MAX_RATE_HZ */
    EFFECT_BAD_CHANNELS = 2, /* init: neither 1 nor 2 */
    EFFECT_BAD_FRAMES = 3,   /* init: max_frames outside 1 .. EFFECT_MAX_FRAMES */
    EFFECT_BAD_PARAM = 4,    /* set_param: no such id */
    EFFECT_BAD_VALUE = 5     /* set_param: outside the parameter's range, or not a number; the old value stays */
  };

/* eq: six bands; a band's parameter has the number band * EQ_BAND_STRIDE + field. */
#define EQ_BANDS 6
#define EQ_BAND_STRIDE 4
enum { EQ_TYPE = 0, EQ_FREQUENCY_HZ = 1, EQ_GAIN_DB = 2, EQ_Q = 3 };
enum { EQ_OUTPUT_DB = EQ_BANDS * EQ_BAND_STRIDE };
/* The values of EQ_TYPE. */
enum {
    EQ_OFF = 0,
    EQ_PEAK = 1,
    EQ_LOW_SHELF = 2,
    EQ_HIGH_SHELF = 3,
    EQ_LOW_PASS = 4,
    EQ_HIGH_PASS = 5,
    EQ_NOTCH = 6,
    EQ_TYPES = 7
  };

/* reverb */
enum { REVERB_ROOM = 0, REVERB_DAMPING = 1, REVERB_WIDTH = 2, REVERB_WET = 3, REVERB_DRY = 4, REVERB_PARAMS = 5 };

/* compressor */
enum {
    COMP_THRESHOLD_DB = 0,
    COMP_RATIO = 1,
    COMP_KNEE_DB = 2,
    COMP_ATTACK_MS = 3,
    COMP_RELEASE_MS = 4,
    COMP_MAKEUP_DB = 5,
    COMP_CEILING_DB = 6,
    COMP_LIMITER_RELEASE_MS = 7,
    COMP_PARAMS = 8
  };

#endif
