/* A guest as an LV2 plug-in. The library is the same in all bundles that `rtwasm lv2` writes: the file bundle.txt beside it says which
 * plug-in it is, and which artifact it runs. */
#include "../core.h"

#include <dlfcn.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/log/log.h>
#include <lv2/midi/midi.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_KEY "urn:rtwasm:state"
/* Most MIDI messages of a block; further ones are left out. */
#define MOST_EVENTS 2048
/* The artifact is looked at after so much sound. */
#define LOOK_S 0.5

/* The ports behind those of the guest, in this order; the command writes the same (cli/src/lv2). */
enum { ENABLED, FREEWHEEL, LATENCY, LOAD, MISSES, FAULTS, FAULT, OWN_PORTS };

/* The contents of bundle.txt. The ports are: inputs, outputs, MIDI if there is one, parameters, meters, OWN_PORTS. */
typedef struct bundle_t {
    char folder[4096], uri[512], artifact[512];
    plugin_shape_t shape;
    uint32_t midi;
} bundle_t;

typedef struct instance_t {
    plugin_t *core;
    plugin_shape_t shape;
    uint32_t midi;
    uint32_t look_frames, frames_to_look;
    const float **inputs;
    float **outputs;
    const LV2_Atom_Sequence *events;
    const float **params;
    float **meters;
    float *own[OWN_PORTS];
    rtw_event_t *due;
    LV2_URID midi_event, state_key, chunk;
    const LV2_Worker_Schedule *schedule;
    const LV2_Log_Log *log;
    LV2_URID log_types[3]; /* by plugin_level_t */
} instance_t;

/* ---- the bundle ---- */

/* Reads bundle.txt, lines of a word and a value, in the folder that this library was loaded from. */
static bool read_bundle(bundle_t *bundle) {
    static const char HERE;
    Dl_info info;
    memset(bundle, 0, sizeof *bundle);
    if (dladdr(&HERE, &info) == 0) {
        return false;
    }
    const char *end = strrchr(info.dli_fname, '/');
    if (end == NULL) {
        strcpy(bundle->folder, ".");
    } else {
        snprintf(bundle->folder, sizeof bundle->folder, "%.*s", (int)(end - info.dli_fname), info.dli_fname);
    }
    char path[sizeof bundle->folder + 16], line[600];
    snprintf(path, sizeof path, "%s/bundle.txt", bundle->folder);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    plugin_shape_t *shape = &bundle->shape;
    int found = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        found += sscanf(line, "uri %511[^\n]", bundle->uri) == 1 || sscanf(line, "artifact %511[^\n]", bundle->artifact) == 1 ||
                 sscanf(line, "inputs %u", &shape->inputs) == 1 || sscanf(line, "outputs %u", &shape->outputs) == 1 ||
                 sscanf(line, "midi %u", &bundle->midi) == 1 || sscanf(line, "parameters %u", &shape->params) == 1 ||
                 sscanf(line, "meters %u", &shape->meters) == 1;
    }
    fclose(file);
    return found == 7;
}

/* ---- what the host offers ---- */

static const void *feature(const LV2_Feature *const *features, const char *uri) {
    for (; features != NULL && *features != NULL; features++) {
        if (strcmp((*features)->URI, uri) == 0) {
            return (*features)->data;
        }
    }
    return NULL;
}

static LV2_URID map_uri(const LV2_URID_Map *map, const char *uri) {
    return map == NULL ? 0 : map->map(map->handle, uri);
}

/* Returns the frames of the host's usual block: what it says is usual, otherwise the most that it gives, if that is no exaggeration. */
static uint32_t usual_frames(const LV2_Feature *const *features, const LV2_URID_Map *map) {
    const LV2_Options_Option *options = feature(features, LV2_OPTIONS__options);
    uint32_t usual = 0, most = 0;
    for (; map != NULL && options != NULL && options->key != 0; options++) {
        if (options->type == map_uri(map, LV2_ATOM__Int) && options->size == sizeof(int32_t) && *(const int32_t *)options->value > 0) {
            const uint32_t value = (uint32_t) * (const int32_t *)options->value;
            usual = options->key == map_uri(map, LV2_BUF_SIZE__nominalBlockLength) ? value : usual;
            most = options->key == map_uri(map, LV2_BUF_SIZE__maxBlockLength) ? value : most;
        }
    }
    return usual != 0 ? usual : most <= 4096 ? most : 0;
}

static void on_message(void *data, plugin_level_t level, const char *text) {
    const instance_t *instance = data;
    if (instance->log != NULL) {
        instance->log->printf(instance->log->handle, instance->log_types[level], "rtwasm: %s\n", text);
    } else {
        fprintf(stderr, "rtwasm: %s\n", text);
    }
}

/* ---- an instance ---- */

static void cleanup(LV2_Handle handle) {
    instance_t *instance = handle;
    plugin_destroy(instance->core);
    free(instance->inputs);
    free(instance->outputs);
    free(instance->params);
    free(instance->meters);
    free(instance->due);
    free(instance);
}

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *folder, const LV2_Feature *const *features) {
    bundle_t bundle;
    instance_t *instance = calloc(1, sizeof *instance);
    if (instance == NULL) {
        return NULL;
    }
    (void)descriptor;
    const LV2_URID_Map *map = feature(features, LV2_URID__map);
    instance->schedule = feature(features, LV2_WORKER__schedule);
    instance->log = map == NULL ? NULL : feature(features, LV2_LOG__log);
    instance->log_types[PLUGIN_NOTE] = map_uri(map, LV2_LOG__Note);
    instance->log_types[PLUGIN_WARNING] = map_uri(map, LV2_LOG__Warning);
    instance->log_types[PLUGIN_ERROR] = map_uri(map, LV2_LOG__Error);
    instance->midi_event = map_uri(map, LV2_MIDI__MidiEvent);
    instance->state_key = map_uri(map, STATE_KEY);
    instance->chunk = map_uri(map, LV2_ATOM__Chunk);
    if (!read_bundle(&bundle)) {
        on_message(instance, PLUGIN_ERROR, "bundle.txt is missing or incomplete: make the bundle anew with rtwasm lv2");
        cleanup(instance);
        return NULL;
    }
    const plugin_shape_t *shape = &bundle.shape;
    instance->shape = *shape;
    instance->midi = bundle.midi;
    instance->look_frames = instance->frames_to_look = (uint32_t)(LOOK_S * rate);
    instance->inputs = calloc((size_t)shape->inputs + 1, sizeof *instance->inputs);
    instance->outputs = calloc((size_t)shape->outputs + 1, sizeof *instance->outputs);
    instance->params = calloc((size_t)shape->params + 1, sizeof *instance->params);
    instance->meters = calloc((size_t)shape->meters + 1, sizeof *instance->meters);
    instance->due = malloc(MOST_EVENTS * sizeof *instance->due);
    char path[sizeof bundle.folder + sizeof bundle.artifact];
    /* The host's name of the folder, which may be a link's. */
    snprintf(path, sizeof path, "%s/%s", folder == NULL ? bundle.folder : folder, bundle.artifact);
    if (instance->inputs == NULL || instance->outputs == NULL || instance->params == NULL || instance->meters == NULL ||
        instance->due == NULL) {
        on_message(instance, PLUGIN_ERROR, "not enough memory");
    } else {
        memset(instance->due, 0, MOST_EVENTS * sizeof *instance->due);
        instance->core = plugin_create(&(plugin_config_t){
            .artifact = path,
            .rate_hz = rate,
            .usual_frames = usual_frames(features, map),
            .shape = shape,
            .log = on_message,
            .log_data = instance,
        });
    }
    if (instance->core == NULL) {
        cleanup(instance);
        return NULL;
    }
    return instance;
}

static void connect_port(LV2_Handle handle, uint32_t port, void *data) {
    instance_t *instance = handle;
    const plugin_shape_t *shape = &instance->shape;
    if (port < shape->inputs) {
        instance->inputs[port] = data;
    } else if ((port -= shape->inputs) < shape->outputs) {
        instance->outputs[port] = data;
    } else if ((port -= shape->outputs) < instance->midi) {
        instance->events = data;
    } else if ((port -= instance->midi) < shape->params) {
        instance->params[port] = data;
    } else if ((port -= shape->params) < shape->meters) {
        instance->meters[port] = data;
    } else if ((port -= shape->meters) < OWN_PORTS) {
        instance->own[port] = data;
    }
}

static void activate(LV2_Handle handle) {
    plugin_start_anew(((instance_t *)handle)->core);
}

/* Returns the number of MIDI messages in the host's sequence, which are in `due` then. */
static size_t collect(instance_t *instance) {
    size_t count = 0;
    if (instance->events == NULL) {
        return 0;
    }
    LV2_ATOM_SEQUENCE_FOREACH (instance->events, event) {
        const uint32_t size = event->body.size;
        if (count < MOST_EVENTS && event->body.type == instance->midi_event && size >= 1 && size <= 8) {
            rtw_event_t *due = &instance->due[count++];
            *due = (rtw_event_t){.frame = (uint32_t)event->time.frames, .kind = RTW_EVENT_MIDI, .index = (uint16_t)size};
            memcpy(due->data.midi, event + 1, size);
        }
    }
    return count;
}

static bool is_on(const float *port, bool otherwise) {
    return port == NULL ? otherwise : *port > 0.5f;
}

static void put(float *port, double value) {
    if (port != NULL) {
        *port = (float)value;
    }
}

static void run(LV2_Handle handle, uint32_t frames) {
    instance_t *instance = handle;
    plugin_t *core = instance->core;
    const bool offline = is_on(instance->own[FREEWHEEL], false);
    plugin_set_offline(core, offline);
    plugin_set_bypassed(core, !is_on(instance->own[ENABLED], true));
    for (uint32_t index = 0; index < instance->shape.params; index++) {
        if (instance->params[index] != NULL) {
            plugin_set(core, index, *instance->params[index]);
        }
    }
    plugin_process(core, instance->inputs, instance->outputs, frames, instance->due, collect(instance));
    for (uint32_t index = 0; index < instance->shape.meters; index++) {
        put(instance->meters[index], plugin_meter(core, index));
    }
    plugin_figures_t figures;
    plugin_figures(core, &figures);
    put(instance->own[LATENCY], figures.latency_frames);
    put(instance->own[LOAD], figures.load_percent);
    put(instance->own[MISSES], (double)figures.misses);
    put(instance->own[FAULTS], (double)figures.faults);
    put(instance->own[FAULT], figures.fault);
    if (instance->schedule != NULL && !offline) {
        instance->frames_to_look -= frames < instance->frames_to_look ? frames : instance->frames_to_look;
        if (instance->frames_to_look == 0) {
            instance->frames_to_look = instance->look_frames;
            /* jalv's worker ends at the second request that has no bytes. */
            static const char LOOK = 1;
            instance->schedule->schedule_work(instance->schedule->handle, sizeof LOOK, &LOOK);
        }
    }
}

/* ---- extensions ---- */

static LV2_Worker_Status work(LV2_Handle handle, LV2_Worker_Respond_Function respond, LV2_Worker_Respond_Handle to, uint32_t size,
                              const void *data) {
    (void)respond, (void)to, (void)size, (void)data;
    plugin_look(((instance_t *)handle)->core);
    return LV2_WORKER_SUCCESS;
}

static LV2_Worker_Status work_response(LV2_Handle handle, uint32_t size, const void *body) {
    (void)handle, (void)size, (void)body;
    return LV2_WORKER_SUCCESS;
}

/* The host keeps the ports' values; this keeps what the guest has beside its parameters. */
static LV2_State_Status save(LV2_Handle handle, LV2_State_Store_Function store, LV2_State_Handle to, uint32_t flags,
                             const LV2_Feature *const *features) {
    instance_t *instance = handle;
    (void)flags, (void)features;
    if (!plugin_has_state(instance->core)) {
        return LV2_STATE_SUCCESS;
    }
    size_t length;
    void *bytes = plugin_save(instance->core, &length);
    if (bytes == NULL) {
        return LV2_STATE_ERR_UNKNOWN;
    }
    const LV2_State_Status status =
        store(to, instance->state_key, bytes, length, instance->chunk, LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
    free(bytes);
    return status;
}

static LV2_State_Status restore(LV2_Handle handle, LV2_State_Retrieve_Function retrieve, LV2_State_Handle from, uint32_t flags,
                                const LV2_Feature *const *features) {
    instance_t *instance = handle;
    (void)flags, (void)features;
    size_t length;
    uint32_t type, kind;
    const void *bytes = plugin_has_state(instance->core) ? retrieve(from, instance->state_key, &length, &type, &kind) : NULL;
    if (bytes == NULL) {
        return LV2_STATE_SUCCESS; /* saved by a version without a state */
    }
    return type != instance->chunk                            ? LV2_STATE_ERR_BAD_TYPE
           : plugin_load(instance->core, bytes, length) ? LV2_STATE_SUCCESS
                                                              : LV2_STATE_ERR_UNKNOWN;
}

static const void *extension_data(const char *uri) {
    static const LV2_Worker_Interface WORKER = {work, work_response, NULL};
    static const LV2_State_Interface STATE = {save, restore};
    return strcmp(uri, LV2_WORKER__interface) == 0 ? (const void *)&WORKER : strcmp(uri, LV2_STATE__interface) == 0 ? &STATE : NULL;
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    static bundle_t bundle;
    static LV2_Descriptor descriptor = {
        .URI = bundle.uri,
        .instantiate = instantiate,
        .connect_port = connect_port,
        .activate = activate,
        .run = run,
        .cleanup = cleanup,
        .extension_data = extension_data,
    };
    return index == 0 && read_bundle(&bundle) ? &descriptor : NULL;
}
