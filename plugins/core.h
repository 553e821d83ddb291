/* The part that plug-ins of every format share: a guest from an artifact in another program's process. It loads the artifact, runs the
 * guest behind a slot with a spare, and keeps the sound free of clicks where the guest fails, is replaced or is bypassed. A format's own
 * file, such as lv2/rtwasm_lv2.c, translates its host's ports into these calls.
 *
 * [setup] functions may allocate and wait; [rt] functions are for the thread that computes the sound. */
#ifndef RTWASM_PLUGIN_CORE_H
#define RTWASM_PLUGIN_CORE_H

#include <rtwasm.h>
#include <stdbool.h>

typedef enum plugin_level_t { PLUGIN_NOTE, PLUGIN_WARNING, PLUGIN_ERROR } plugin_level_t;

/* Takes a message for the host's log, without a line's end. Called by [setup] functions, and by a thread of the library's own that is no
 * real-time thread. */
typedef void (*plugin_log_t)(void *data, plugin_level_t level, const char *text);

/* The ports that the format's host knows. Of an artifact with others no plug-in is made. */
typedef struct plugin_shape_t {
    uint32_t inputs, outputs, params, meters;
} plugin_shape_t;

typedef struct plugin_config_t {
    const char *artifact; /* path of the artifact, which is watched for changes */
    double rate_hz;
    uint32_t usual_frames; /* frames of the host's usual block; 0: unknown */
    const plugin_shape_t *shape;
    plugin_log_t log;
    void *log_data;
} plugin_config_t;

/* Figures of a plug-in. Read them on the thread that calls plugin_process, after that. */
typedef struct plugin_figures_t {
    double load_percent; /* share of the blocks' time that computing took, averaged over some tenths of a second */
    uint64_t misses;     /* blocks that took longer than they last, but for those that were rendered offline */
    uint64_t faults;     /* times that the guest failed: it trapped, or used up its budget */
    bool fault;          /* it has failed within the last second of sound, or does not run */
    uint32_t latency_frames;
} plugin_figures_t;

typedef struct plugin_t plugin_t;

/* [setup] Loads the artifact and prepares the guest. NULL on failure, after a message that says why. */
plugin_t *plugin_create(const plugin_config_t *config);
/* [setup] NULL does nothing. */
void plugin_destroy(plugin_t *plugin);

/* [setup] Clears the guest's past to silence, unless it has none yet. */
void plugin_start_anew(plugin_t *plugin);

/* [rt] Sets a parameter from the next block on. */
void plugin_set(plugin_t *plugin, uint32_t index, double value);
/* [rt] Offline blocks have no budget, and no misses are counted. */
void plugin_set_offline(plugin_t *plugin, bool offline);
/* [rt] A bypassed plug-in fades over to its inputs, delayed as the guest delays them. The guest goes on with what it hears. */
void plugin_set_bypassed(plugin_t *plugin, bool bypassed);

/* [rt] Computes a block of any length. A buffer may be NULL, and outputs may be inputs. The first call on a thread attaches the thread,
 * which takes some 0.1 ms. */
void plugin_process(plugin_t *plugin, const float *const *inputs, float *const *outputs, uint32_t frames, const rtw_event_t *events,
                    size_t event_count);

/* [rt] */
void plugin_figures(const plugin_t *plugin, plugin_figures_t *out);
/* [rt] */
double plugin_meter(const plugin_t *plugin, uint32_t index);

/* [setup] Loads the artifact anew if its content has changed; the next block fades over to it. Keeps what there is if that fails. Also
 * releases what an earlier change has replaced. One thread at a time, at the same time as blocks. */
void plugin_look(plugin_t *plugin);

/* [setup] Returns true if the guest has a state of its own, beside its parameters. */
bool plugin_has_state(plugin_t *plugin);
/* [setup] Saves parameters and state, at the same time as blocks. NULL on failure, after a message. To be freed. */
void *plugin_save(plugin_t *plugin, size_t *length);
/* [setup] Loads what plugin_save has saved; false on failure, after a message. */
bool plugin_load(plugin_t *plugin, const void *bytes, size_t length);

/* [setup] Loads an artifact to describe its guest. NULL on failure, after a message. To be ended with rtw_module_destroy. */
rtw_module_t *plugin_open(const char *artifact, rtw_guest_info_t *info, plugin_log_t log, void *log_data);

#endif
