#include "fallback.h"

#include <stdlib.h>
#include <string.h>

bool fallback_create(fallback_t *fallback, fallback_policy_t policy, uint32_t channels, uint32_t block_frames, uint32_t fade_frames) {
    memset(fallback, 0, sizeof *fallback);
    fallback->policy = policy;
    fallback->channels = channels;
    fallback->block_frames = block_frames;
    fallback->fade_frames = fade_frames;
    for (uint32_t channel = 0; channel < channels; channel++) {
        fallback->heard[channel] = calloc(block_frames, sizeof(float));
        fallback->tail[channel] = calloc(block_frames, sizeof(float));
        if (fallback->heard[channel] == NULL || fallback->tail[channel] == NULL) {
            fallback_free(fallback);
            return false;
        }
    }
    return true;
}

void fallback_free(fallback_t *fallback) {
    for (uint32_t channel = 0; channel < EFFECT_MAX_CHANNELS; channel++) {
        free(fallback->heard[channel]);
        free(fallback->tail[channel]);
    }
    memset(fallback, 0, sizeof *fallback);
}

/* The tail backwards, then forwards, and so on: a loop without a jump. */
static float tail_sample(const fallback_t *fallback, uint32_t channel, size_t at) {
    const size_t frames = fallback->block_frames, in_loop = at % (2 * frames);
    return fallback->tail[channel][in_loop < frames ? frames - 1 - in_loop : in_loop - frames];
}

static void change_source(fallback_t *fallback, bool failing) {
    fallback->failing = failing;
    fallback->fade_left = fallback->fade_frames;
    fallback->tail_at = 0;
    for (uint32_t channel = 0; channel < fallback->channels; channel++) {
        memcpy(fallback->tail[channel], fallback->heard[channel], fallback->block_frames * sizeof(float));
    }
}

static float source_sample(const fallback_t *fallback, const float *wet, const float *dry, size_t frame, float tail) {
    if (!fallback->failing) {
        return wet[frame];
    }
    switch (fallback->policy) {
        case FALLBACK_DRY:
            return dry[frame];
        case FALLBACK_HOLD:
            return tail;
        default:
            return 0.0f;
    }
}

static void mix_channel(const fallback_t *fallback, uint32_t channel, const float *wet, const float *dry, float *out) {
    for (size_t frame = 0; frame < fallback->block_frames; frame++) {
        const float tail = tail_sample(fallback, channel, fallback->tail_at + frame);
        const float source = source_sample(fallback, wet, dry, frame, tail);
        const float left = frame < fallback->fade_left ? (float)(fallback->fade_left - frame) / (float)(fallback->fade_frames + 1) : 0.0f;
        out[frame] = source + (tail - source) * left;
    }
}

void fallback_mix(fallback_t *fallback, bool worked, const float *const *wet, const float *const *dry, float *const *out) {
    const size_t bytes = fallback->block_frames * sizeof(float);
    if (worked == fallback->failing) {
        change_source(fallback, !worked);
    }
    for (uint32_t channel = 0; channel < fallback->channels; channel++) {
        if (!fallback->failing && fallback->fade_left == 0) {
            memcpy(out[channel], wet[channel], bytes); /* as nearly always */
        } else {
            mix_channel(fallback, channel, wet[channel], dry[channel], out[channel]);
        }
        memcpy(fallback->heard[channel], out[channel], bytes);
    }
    const uint32_t faded = fallback->block_frames < fallback->fade_left ? fallback->block_frames : fallback->fade_left;
    fallback->fade_left -= faded;
    fallback->tail_at = (fallback->tail_at + fallback->block_frames) % (2 * (size_t)fallback->block_frames);
}
