/* A chain of effects for one format: a rate and a period of JACK's. The main thread makes chains; the audio thread uses one. An effect is
 * any artifact that describes its guest, with two inputs and two outputs: of guests/include/rtw_guest.h, or a program of Faust. */
#ifndef RTWASM_EXAMPLE_CHAIN_H
#define RTWASM_EXAMPLE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "rtwasm.h"

#define CHAIN_CHANNELS 2
#define CHAIN_LONGEST 8

typedef struct failure_t {
    char message[768];
} failure_t;

typedef struct effect_t {
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_guest_t *guest;
    /* Set by the audio thread: a failed effect is left out of the following periods. */
    rtw_status_t failed;
} effect_t;

typedef struct chain_t {
    uint32_t rate_hz, frames;
    size_t count;
    effect_t effects[CHAIN_LONGEST];
    float *buffers[2][CHAIN_CHANNELS]; /* the effects write to the one and the other in turn */
} chain_t;

/* [setup] Loads and prepares the effects, `count` artifacts; a call of one may take `budget_ns`, or any time if that is 0. NULL on failure.
 * The calling thread is attached. */
chain_t *chain_create(rtw_runtime_t *runtime, const char *const *paths, size_t count, uint32_t rate_hz, uint32_t frames, uint64_t budget_ns,
                      failure_t *failure);
/* [setup] NULL does nothing. */
void chain_destroy(chain_t *chain);

/* [rt & attached] From `in` to `out`, `frames` samples of each channel, at most chain->frames. Returns how many effects failed in this
 * call. */
uint32_t chain_process(chain_t *chain, const float *const *in, float *const *out, uint32_t frames);

#endif
