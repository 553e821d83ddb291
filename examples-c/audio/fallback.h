/* The sound in place of a failed effect: silence, the sound before, or the signal without it; and how one follows the
 * other without a click.
 *
 * There is one rule for every change from one source to another, into a failure and out of it: what was heard last is played on,
 * mirrored, so that it joins without a jump, and fades out while the new source fades in.
 */
#ifndef RTWASM_EXAMPLE_FALLBACK_H
#define RTWASM_EXAMPLE_FALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../guests/audio/effects.h"

typedef enum fallback_policy_t { FALLBACK_DRY, FALLBACK_SILENCE, FALLBACK_HOLD } fallback_policy_t;

typedef struct fallback_t {
    fallback_policy_t policy;
    uint32_t channels, block_frames;
    uint32_t fade_frames;
    float *heard[EFFECT_MAX_CHANNELS]; /* the last block that was played without a fallback's help or with it */
    float *tail[EFFECT_MAX_CHANNELS];  /* what was heard when the source changed */
    size_t tail_at;                    /* where in the tail's mirrored loop: 0 is its last sample */
    uint32_t fade_left;                /* frames until the new source is alone */
    bool failing;                      /* which source it is */
} fallback_t;

/* [setup] False when memory is short. */
bool fallback_create(fallback_t *fallback, fallback_policy_t policy, uint32_t channels, uint32_t block_frames, uint32_t fade_frames);
void fallback_free(fallback_t *fallback);

/* [rt] Makes a block of output in `out`: of `wet` where the effect has worked, otherwise by the policy. */
void fallback_mix(fallback_t *fallback, bool worked, const float *const *wet, const float *const *dry, float *const *out);

#endif
