/* Guests as LADSPA plug-ins: one for each artifact (.rtw) in the folder of this library, or in the folders of RTWASM_LADSPA_PATH. The ports
 * are the guest's audio channels, parameters and meters, then latency and figures. LADSPA has no place for MIDI, state and bypass. */
#include "../core.h"

#include <dirent.h>
#include <dlfcn.h>
#include <ladspa.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most plug-ins in one process. */
#define MOST_KINDS 512
/* LADSPA numbers plug-ins below 2^24. */
#define ID_MASK 0xffffff

/* The ports behind those of the guest, in this order. */
enum { LATENCY, LOAD, MISSES, FAULTS, FAULT, OWN_PORTS };
static const char *const OWN_NAMES[OWN_PORTS] = {"latency", "load (%)", "misses", "faults", "fault"};

/* A kind of plug-in: an artifact. */
typedef struct kind_t {
    LADSPA_Descriptor descriptor;
    plugin_shape_t shape;
    char *artifact;
} kind_t;

typedef struct instance_t {
    plugin_t *core;
    const kind_t *kind;
    LADSPA_Data **ports;
} instance_t;

static void on_message(void *data, plugin_level_t level, const char *text) {
    (void)data;
    if (level != PLUGIN_NOTE) {
        fprintf(stderr, "rtwasm: %s\n", text);
    }
}

/* ---- instances ---- */

static void cleanup(LADSPA_Handle handle) {
    instance_t *instance = handle;
    plugin_destroy(instance->core);
    free(instance->ports);
    free(instance);
}

static LADSPA_Handle instantiate(const LADSPA_Descriptor *descriptor, unsigned long rate) {
    const kind_t *kind = descriptor->ImplementationData;
    instance_t *instance = calloc(1, sizeof *instance);
    if (instance == NULL) {
        return NULL;
    }
    instance->kind = kind;
    instance->ports = calloc(descriptor->PortCount, sizeof *instance->ports);
    if (instance->ports != NULL) {
        instance->core = plugin_create(&(plugin_config_t){
            .artifact = kind->artifact,
            .rate_hz = (double)rate,
            .shape = &kind->shape,
            .log = on_message,
        });
    }
    if (instance->core == NULL) {
        cleanup(instance);
        return NULL;
    }
    return instance;
}

static void connect_port(LADSPA_Handle handle, unsigned long port, LADSPA_Data *data) {
    instance_t *instance = handle;
    if (port < instance->kind->descriptor.PortCount) {
        instance->ports[port] = data;
    }
}

static void activate(LADSPA_Handle handle) {
    instance_t *instance = handle;
    plugin_look(instance->core);
    plugin_start_anew(instance->core);
}

static void put(LADSPA_Data *port, double value) {
    if (port != NULL) {
        *port = (LADSPA_Data)value;
    }
}

static void run(LADSPA_Handle handle, unsigned long frames) {
    instance_t *instance = handle;
    plugin_t *core = instance->core;
    const plugin_shape_t *shape = &instance->kind->shape;
    LADSPA_Data **outputs = instance->ports + shape->inputs, **params = outputs + shape->outputs, **meters = params + shape->params;
    LADSPA_Data **own = meters + shape->meters;
    for (uint32_t index = 0; index < shape->params; index++) {
        if (params[index] != NULL) {
            plugin_set(core, index, *params[index]);
        }
    }
    plugin_process(core, (const float *const *)instance->ports, outputs, (uint32_t)frames, NULL, 0);
    for (uint32_t index = 0; index < shape->meters; index++) {
        put(meters[index], plugin_meter(core, index));
    }
    plugin_figures_t figures;
    plugin_figures(core, &figures);
    put(own[LATENCY], figures.latency_frames);
    put(own[LOAD], figures.load_percent);
    put(own[MISSES], (double)figures.misses);
    put(own[FAULTS], (double)figures.faults);
    put(own[FAULT], figures.fault);
}

/* ---- descriptions ---- */

/* Returns the hint that comes closest to a parameter's default. */
static LADSPA_PortRangeHintDescriptor default_hint(const rtw_guest_param_t *param, bool logarithmic) {
    static const struct {
        double value;
        LADSPA_PortRangeHintDescriptor hint;
    } EXACT[] = {{0, LADSPA_HINT_DEFAULT_0}, {1, LADSPA_HINT_DEFAULT_1}, {100, LADSPA_HINT_DEFAULT_100}, {440, LADSPA_HINT_DEFAULT_440}};
    for (size_t at = 0; at < sizeof EXACT / sizeof EXACT[0]; at++) {
        if (param->default_value == EXACT[at].value) {
            return EXACT[at].hint;
        }
    }
    const double span = logarithmic ? __builtin_log(param->max_value / param->min_value) : param->max_value - param->min_value;
    const double above = logarithmic ? __builtin_log(param->default_value / param->min_value) : param->default_value - param->min_value;
    const double share = span > 0 ? above / span : 0;
    return share < 0.125   ? LADSPA_HINT_DEFAULT_MINIMUM
           : share < 0.375 ? LADSPA_HINT_DEFAULT_LOW
           : share < 0.625 ? LADSPA_HINT_DEFAULT_MIDDLE
           : share < 0.875 ? LADSPA_HINT_DEFAULT_HIGH
                           : LADSPA_HINT_DEFAULT_MAXIMUM;
}

static LADSPA_PortRangeHint hint_of(const rtw_guest_param_t *param, bool has_default) {
    if ((param->flags & (RTW_PARAM_TOGGLE | RTW_PARAM_TRIGGER)) != 0 && param->min_value == 0 && param->max_value == 1) {
        const LADSPA_PortRangeHintDescriptor usual = param->default_value > 0.5 ? LADSPA_HINT_DEFAULT_1 : LADSPA_HINT_DEFAULT_0;
        return (LADSPA_PortRangeHint){LADSPA_HINT_TOGGLED | usual, 0, 1};
    }
    const bool logarithmic = (param->flags & RTW_PARAM_LOGARITHMIC) != 0 && param->min_value > 0;
    return (LADSPA_PortRangeHint){
        .HintDescriptor = LADSPA_HINT_BOUNDED_BELOW | LADSPA_HINT_BOUNDED_ABOVE | (logarithmic ? LADSPA_HINT_LOGARITHMIC : 0) |
                          ((param->flags & RTW_PARAM_INTEGER) != 0 ? LADSPA_HINT_INTEGER : 0) |
                          (has_default ? default_hint(param, logarithmic) : 0),
        .LowerBound = (float)param->min_value,
        .UpperBound = (float)param->max_value,
    };
}

/* The description of a kind's ports while it is made. */
typedef struct ports_t {
    LADSPA_PortDescriptor *descriptors;
    LADSPA_PortRangeHint *hints;
    const char **names;
    unsigned long count;
} ports_t;

static void add(ports_t *ports, LADSPA_PortDescriptor descriptor, LADSPA_PortRangeHint hint, const char *format, ...) {
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    ports->descriptors[ports->count] = descriptor;
    ports->hints[ports->count] = hint;
    ports->names[ports->count++] = strdup(name);
}

static void add_audio(ports_t *ports, const rtw_module_t *module, uint32_t port_count, bool outputs) {
    const LADSPA_PortDescriptor descriptor = LADSPA_PORT_AUDIO | (outputs ? LADSPA_PORT_OUTPUT : LADSPA_PORT_INPUT);
    for (uint32_t index = 0; index < port_count; index++) {
        rtw_guest_port_t port;
        if (rtw_guest_port(module, index, &port) != RTW_OK || (port.is_output != 0) != outputs) {
            continue;
        }
        const char *name = port.name[0] != 0 ? port.name : outputs ? "Out" : "In";
        for (uint32_t channel = 0; channel < port.channel_count; channel++) {
            add(ports, descriptor, (LADSPA_PortRangeHint){0, 0, 0}, port.channel_count == 1 ? "%s" : "%s %u", name, channel + 1);
        }
    }
}

static void add_control(ports_t *ports, const rtw_guest_param_t *param, bool is_param) {
    const char *name = param->name[0] != 0 ? param->name : param->id;
    const LADSPA_PortDescriptor descriptor = LADSPA_PORT_CONTROL | (is_param ? LADSPA_PORT_INPUT : LADSPA_PORT_OUTPUT);
    /* Bands of an equaliser have the same names in different groups. */
    add(ports, descriptor, hint_of(param, is_param), "%s%s%s%s%s%s", param->group, param->group[0] != 0 ? ": " : "", name,
        param->unit[0] != 0 ? " (" : "", param->unit, param->unit[0] != 0 ? ")" : "");
}

/* Copies a fact of the guest's, or returns `otherwise`. */
static char *fact_of(const rtw_guest_info_t *info, const char *key, const char *otherwise) {
    const size_t length = strlen(key);
    for (const char *line = info->meta; line != NULL && *line != 0; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            return strndup(line + length + 1, strcspn(line + length + 1, "\n"));
        }
    }
    return strdup(otherwise);
}

/* The library's number of a label. */
static unsigned long id_of(const char *label) {
    uint32_t hash = 2166136261u;
    for (; *label != 0; label++) {
        hash = (hash ^ (uint8_t)*label) * 16777619u;
    }
    return (hash ^ hash >> 24) & ID_MASK;
}

static char *label_of(const char *file) {
    char *label = strndup(file, strlen(file) - strlen(".rtw"));
    for (char *at = label; at != NULL && *at != 0; at++) {
        *at = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '-' ? *at : '_';
    }
    return label;
}

/* Describes an artifact's plug-in; false if there is none. */
static bool describe(kind_t *kind, const char *folder, const char *file) {
    if (asprintf(&kind->artifact, "%s/%s", folder, file) < 0) {
        return false;
    }
    rtw_guest_info_t info;
    rtw_module_t *module = plugin_open(kind->artifact, &info, on_message, NULL);
    if (module == NULL) {
        free(kind->artifact);
        return false;
    }
    kind->shape = (plugin_shape_t){info.input_count, info.output_count, info.param_count, info.meter_count};
    const size_t count = (size_t)info.input_count + info.output_count + info.param_count + info.meter_count + OWN_PORTS;
    ports_t ports = {calloc(count, sizeof *ports.descriptors), calloc(count, sizeof *ports.hints), calloc(count, sizeof *ports.names), 0};
    const bool done = ports.descriptors != NULL && ports.hints != NULL && ports.names != NULL;
    if (done) {
        add_audio(&ports, module, info.port_count, false);
        add_audio(&ports, module, info.port_count, true);
        rtw_guest_param_t param;
        rtw_guest_param_init(&param);
        for (uint32_t index = 0; rtw_guest_param(module, index, &param) == RTW_OK; index++) {
            add_control(&ports, &param, true);
        }
        for (uint32_t index = 0; rtw_guest_meter(module, index, &param) == RTW_OK; index++) {
            add_control(&ports, &param, false);
        }
        for (int port = 0; port < OWN_PORTS; port++) {
            add(&ports, LADSPA_PORT_CONTROL | LADSPA_PORT_OUTPUT, (LADSPA_PortRangeHint){0, 0, 0}, "%s", OWN_NAMES[port]);
        }
        char *label = label_of(file);
        kind->descriptor = (LADSPA_Descriptor){
            .UniqueID = id_of(label),
            .Label = label,
            .Properties = LADSPA_PROPERTY_HARD_RT_CAPABLE,
            .Name = strdup(info.name),
            .Maker = fact_of(&info, "author", "unknown"),
            .Copyright = fact_of(&info, "license", "unknown"),
            .PortCount = ports.count,
            .PortDescriptors = ports.descriptors,
            .PortNames = ports.names,
            .PortRangeHints = ports.hints,
            .ImplementationData = kind,
            .instantiate = instantiate,
            .connect_port = connect_port,
            .activate = activate,
            .run = run,
            .cleanup = cleanup,
        };
    }
    rtw_module_destroy(module);
    return done;
}

/* ---- the list ---- */

static kind_t *kinds[MOST_KINDS];
static unsigned long kind_count;

static int is_artifact(const struct dirent *entry) {
    const char *end = strrchr(entry->d_name, '.');
    return end != NULL && end != entry->d_name && strcmp(end, ".rtw") == 0;
}

static void list_folder(const char *folder) {
    struct dirent **entries;
    const int count = scandir(folder, &entries, is_artifact, alphasort);
    for (int n = 0; n < count; n++) {
        kind_t *kind = kind_count == MOST_KINDS ? NULL : calloc(1, sizeof *kind);
        if (kind != NULL && describe(kind, folder, entries[n]->d_name)) {
            kinds[kind_count++] = kind;
        } else {
            free(kind);
        }
        free(entries[n]);
    }
    if (count >= 0) {
        free(entries);
    }
}

/* The descriptions stay as long as the process does: hosts keep pointers to them. */
static void list_all(void) {
    static const char HERE;
    const char *named = getenv("RTWASM_LADSPA_PATH");
    Dl_info info;
    char *folders = NULL;
    if (named != NULL) {
        folders = strdup(named);
    } else if (dladdr(&HERE, &info) != 0) {
        const char *end = strrchr(info.dli_fname, '/');
        folders = end == NULL ? strdup(".") : strndup(info.dli_fname, (size_t)(end - info.dli_fname));
    }
    char *rest = folders;
    for (char *folder; rest != NULL && (folder = strsep(&rest, ":")) != NULL;) {
        list_folder(folder);
    }
    free(folders);
}

__attribute__((visibility("default"))) const LADSPA_Descriptor *ladspa_descriptor(unsigned long index) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, list_all);
    return index < kind_count ? &kinds[index]->descriptor : NULL;
}
