#include "chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REHEARSALS 16

chain_t *chain_create(rtw_runtime_t *runtime, const link_t *links, size_t count, uint32_t rate_hz, uint32_t frames, uint64_t budget_ns,
                      failure_t *failure) {
    chain_t *chain = calloc(1, sizeof *chain);
    if (chain == NULL) {
        snprintf(failure->message, sizeof failure->message, "not enough memory");
        return NULL;
    }
    chain->rate_hz = rate_hz;
    chain->frames = frames;
    for (size_t i = 0; i < count; i++) {
        effect_t *effect = &chain->effects[i];
        if (!effect_load(effect, runtime, links[i].name, links[i].path, budget_ns, failure)) {
            chain_destroy(chain);
            return NULL;
        }
        chain->count++;
        if (!effect_init(effect, rate_hz, CHAIN_CHANNELS, frames, failure) || !effect_prepare(effect, frames, REHEARSALS, failure) ||
            !effect_start_anew(effect, failure)) {
            chain_destroy(chain);
            return NULL;
        }
    }
    return chain;
}

void chain_destroy(chain_t *chain) {
    if (chain == NULL) {
        return;
    }
    for (size_t i = 0; i < chain->count; i++) {
        effect_unload(&chain->effects[i]);
    }
    free(chain);
}

uint32_t chain_process(chain_t *chain, const float *const *in, float *const *out, uint32_t frames) {
    const float *signal[CHAIN_CHANNELS];
    const size_t bytes = frames * sizeof(float);
    uint32_t failures = 0;
    for (uint32_t channel = 0; channel < CHAIN_CHANNELS; channel++) {
        signal[channel] = in[channel];
    }
    for (size_t i = 0; i < chain->count; i++) {
        effect_t *effect = &chain->effects[i];
        if (chain->failed[i] != RTW_OK) {
            continue;
        }
        for (uint32_t channel = 0; channel < CHAIN_CHANNELS; channel++) {
            memcpy(effect->input[channel], signal[channel], bytes);
        }
        chain->failed[i] = effect_process(effect, frames);
        if (chain->failed[i] != RTW_OK) {
            failures++;
            continue;
        }
        for (uint32_t channel = 0; channel < CHAIN_CHANNELS; channel++) {
            signal[channel] = effect->output[channel];
        }
    }
    for (uint32_t channel = 0; channel < CHAIN_CHANNELS; channel++) {
        memcpy(out[channel], signal[channel], bytes);
    }
    return failures;
}
