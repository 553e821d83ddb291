/* An effect while it plays: behind a slot, so that another instance of it can come in, after a fault or because there is a newer
 * version, while the audio thread goes on.
 */
#ifndef RTWASM_EXAMPLE_LIVE_H
#define RTWASM_EXAMPLE_LIVE_H

#include "effect.h"
#include "fallback.h"
#include "options.h"
#include "rtwasm.h"

/* Where `process` is among the slot's functions. */
enum { LIVE_PROCESS = 3 };

typedef struct live_t {
    const char *name;
    rtw_slot_t *slot;
    uint32_t channels, block_frames, latency_frames;
    uint32_t input_at[EFFECT_MAX_CHANNELS], output_at[EFFECT_MAX_CHANNELS]; /* addresses in the guest */
    float *wet[EFFECT_MAX_CHANNELS], *out[EFFECT_MAX_CHANNELS];
    fallback_t fallback;
    /* Written by the audio thread. */
    rtw_status_t status; /* of the first block that failed; RTW_OK: none has */
    size_t first_block;
    size_t blocks; /* that were not the effect's work */
} live_t;

/* [setup] Makes the slot, and publishes the effect, which has been configured: its instance is the slot's from here on. Spares
 * configure themselves by the slot's dry calls. On failure nothing is left to close. */
bool live_open(live_t *live, rtw_runtime_t *runtime, const effect_t *effect, const options_t *options, uint32_t rate_hz, failure_t *failure);
/* [setup] Does nothing for one that is all zeros. */
void live_close(live_t *live);

/* [setup] Publishes another version, configured as the first one was; the audio thread takes it at its next block. Refused where its
 * buffers or its latency are not those of the first one. */
bool live_exchange(live_t *live, const effect_t *effect, failure_t *failure);
/* [setup & attached] Waits until the spares are ready. */
void live_wait(const live_t *live, const options_t *options);
/* [attached] Forgets what was heard and measured. */
bool live_start_anew(live_t *live, failure_t *failure);
/* [rt & attached] From `in` to live->out, in any case. */
void live_process(live_t *live, const float *const *in, size_t block);

/* [any but rt] Of all its instances. */
bool live_stats(const live_t *live, rtw_func_stats_t *stats, rtw_slot_stats_t *slot, failure_t *failure);

#endif
