/* A chain of effects for one format: a rate and a period of JACK's. The main thread makes chains; the audio thread uses one. */
#ifndef RTWASM_EXAMPLE_CHAIN_H
#define RTWASM_EXAMPLE_CHAIN_H

#include "../audio/effect.h"

#define CHAIN_CHANNELS 2
#define CHAIN_LONGEST 8

/* An effect of the command line. */
typedef struct link_t {
    const char *name; /* "eq", "reverb" or "compressor" */
    const char *path; /* its artifact */
} link_t;

typedef struct chain_t {
    uint32_t rate_hz, frames;
    size_t count;
    effect_t effects[CHAIN_LONGEST];
    /* Set by the audio thread: a failed effect is left out of the following periods. */
    rtw_status_t failed[CHAIN_LONGEST];
} chain_t;

/* [setup] Loads, configures and prepares the effects; a call of one may take `budget_ns`, or any time if that is 0. NULL on failure.
 * The calling thread is attached. */
chain_t *chain_create(rtw_runtime_t *runtime, const link_t *links, size_t count, uint32_t rate_hz, uint32_t frames, uint64_t budget_ns,
                      failure_t *failure);
/* [setup] NULL does nothing. */
void chain_destroy(chain_t *chain);

/* [rt & attached] From `in` to `out`, `frames` samples of each channel, at most chain->frames. Returns how many effects failed in this
 * call. */
uint32_t chain_process(chain_t *chain, const float *const *in, float *const *out, uint32_t frames);

#endif
