/* One audio effect: a guest that follows guests/README.md, seen from the host.
 *
 * [setup] functions may block and allocate; [attached] ones call into the guest and want a thread that is attached to the
 * runtime; [rt] ones are for the audio cycle: no allocation, no lock, no system call.
 */
#ifndef RTWASM_EXAMPLE_EFFECT_H
#define RTWASM_EXAMPLE_EFFECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../guests/audio/effects.h"
#include "rtwasm.h"

typedef struct failure_t {
    char message[768];
} failure_t;

typedef struct effect_t {
    const char *name; /* "eq", "reverb" or "compressor" */
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *init_func, *input_func, *output_func, *set_param_func, *process_func, *latency_func, *reset_func;
    uint32_t channels;
    uint32_t max_frames;
    uint32_t latency_frames;
    /* The guest's own buffers. Its memory never moves or grows, so these addresses hold as long as the instance. */
    float *input[EFFECT_MAX_CHANNELS];
    float *output[EFFECT_MAX_CHANNELS];
} effect_t;

/* [any] Whether there is an effect of this name; if so its name as static text, otherwise NULL. */
const char *effect_find(const char *name, size_t length);

/* [any] Looks up "param" of the effect, for example "threshold" or, for the equaliser's second band, "2.gain". */
bool effect_param_id(const char *effect, const char *param, int32_t *id);

/* [setup] Loads an artifact and makes an instance of it, whose calls may take `budget_ns`; 0: no limit. On failure nothing is left to
 * close. */
bool effect_load(effect_t *effect, rtw_runtime_t *runtime, const char *name, const char *path, uint64_t budget_ns,
                 failure_t *failure);
/* [setup] Does nothing for an effect that is all zeros. */
void effect_unload(effect_t *effect);

/* [attached] Chooses the stream's format; parameters are back at their defaults afterwards. */
bool effect_init(effect_t *effect, uint32_t rate_hz, uint32_t channels, uint32_t max_frames, failure_t *failure);
/* [attached] */
bool effect_set_param(effect_t *effect, int32_t id, float value, failure_t *failure);
/* [attached] Makes the instance warm, with `repeats` dry calls of one block. They leave traces in the effect's memory, so
 * effect_start_anew belongs after it. */
bool effect_prepare(effect_t *effect, uint32_t block_frames, uint32_t repeats, failure_t *failure);
/* [attached] Forgets what was heard and measured, and lets parameters be at once where they were set. */
bool effect_start_anew(effect_t *effect, failure_t *failure);

/* [rt & attached] From the input buffers to the output buffers. */
static inline rtw_status_t effect_process(const effect_t *effect, uint32_t frames) {
    rtw_value_t value = {.u32 = frames};
    return rtw_invoke(effect->process_func, &value, 1);
}

#endif
