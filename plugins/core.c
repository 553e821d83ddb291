#include "core.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Most frames that the guest gets in one call; longer blocks run in pieces. A guest that refuses 1024 gets fewer. */
#define PIECE_FRAMES 1024
#define FEWEST_FRAMES 16
/* The time that a change of the source fades. */
#define FADE_S 0.005
/* The time that the fault flag stays up, in sound. */
#define FLAG_S 1
/* The time over which the load is averaged. */
#define LOAD_S 0.3
/* The longest delay of a guest for which the bypassed signal is delayed as well. */
#define LONGEST_DELAY_S 4
/* The longest artifact that is loaded. */
#define LONGEST_ARTIFACT (256 << 20)
/* The most memory that one guest may hold. */
#define GUEST_BYTES (UINT64_C(1) << 30)
/* The least budget of a call on a thread without real-time scheduling: the system may take the CPU away from it for that long. */
#define ORDINARY_BUDGET_NS UINT64_C(500000000)
/* The number of blocks for which a thread's scheduling is taken to stay the same. */
#define SCHEDULING_BLOCKS 1024
/* The most faults that the log gets from one version of a guest. */
#define FAULTS_LOGGED 8

#define UNDESCRIBED "the artifact does not describe its guest: it exports no description, and is no program of Faust"

enum { NONE, KEPT, LOGGED };

/* One state of the artifact, and its guest behind a slot. */
typedef struct version_t {
    plugin_t *plugin;
    rtw_module_t *module;
    rtw_guest_info_t info;
    uint32_t max_frames, latency;
    rtw_slot_t *slot;
    rtw_guest_t *guest;
    atomic_uint faults_logged;
} version_t;

struct plugin_t {
    char *artifact;
    double rate_hz;
    uint64_t usual_ns; /* a usual block lasts that long */
    plugin_shape_t shape;
    plugin_log_t log;
    void *log_data;
    rtw_runtime_t *runtime;

    /* Held while `current` is used: by the thread that computes, for a block, or by one that saves or loads state. */
    atomic_bool held;
    version_t *current;
    /* A new version that the next block is to take, and the one that it has replaced. */
    _Atomic(version_t *) next, replaced;
    /* The artifact's file and its content when they were looked at last. */
    struct stat seen;
    uint8_t digest[32];

    double *params, *given; /* as the host has set them, and as the guest has them */
    double *meters;
    uint32_t latency;
    bool offline, bypassed, used;
    uint64_t misses, faults;
    double load_percent;
    uint64_t flag_frames; /* frames until the fault flag goes down */

    /* Why the thread that computes could not call the guest, for the log: the first reason. Blocks must not log. */
    rtw_error_t refusal;
    atomic_int refusal_is; /* NONE, KEPT, LOGGED */

    /* The guest's last samples, and their copy that fades out while another source fades in: fade_frames for each output. */
    uint32_t fade_frames;
    bool failing;
    uint32_t tail_at; /* fade_frames: nothing fades */
    uint32_t heard_at;
    float **heard, **tail;

    /* The inputs, delayed as the guest delays them; a ring for each. */
    uint32_t dry_frames, dry_at;
    float **dry;
    uint32_t wet_at; /* 0: bypassed; fade_frames: not */

    /* A piece's buffers. */
    const float **in;
    float **out;
};

/* ---- messages ---- */

static void say_to(plugin_log_t log, void *data, plugin_level_t level, const char *format, va_list arguments) {
    char text[1200];
    vsnprintf(text, sizeof text, format, arguments);
    log(data, level, text);
}

static void say(const plugin_t *plugin, plugin_level_t level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say_to(plugin->log, plugin->log_data, level, format, arguments);
    va_end(arguments);
}

/* Logs an error of the library's; returns false. */
static bool refuse(const plugin_t *plugin, const rtw_error_t *error, const char *what) {
    const char *name = rtw_status_name(error->status);
    if (strstr(error->message, name) != NULL) {
        say(plugin, PLUGIN_ERROR, "%s: %s: %s", plugin->artifact, what, error->message);
    } else {
        say(plugin, PLUGIN_ERROR, "%s: %s: %s (%s)", plugin->artifact, what, error->message, name);
    }
    return false;
}

static bool refuse_for(const plugin_t *plugin, const char *why) {
    say(plugin, PLUGIN_ERROR, "%s: %s", plugin->artifact, why);
    return false;
}

/* ---- the runtime ---- */

/* All plug-ins of a process share one runtime, which is never destroyed: threads that have called stay attached to it. */
static rtw_runtime_t *shared_runtime(rtw_error_t *error) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static rtw_runtime_t *runtime;
    static pid_t owner;
    pthread_mutex_lock(&lock);
    if (runtime == NULL || owner != getpid()) { /* a forked child cannot use its parent's */
        rtw_runtime_config_t config;
        rtw_runtime_config_init(&config);
        config.profile = RTW_PROFILE_PLUGIN;
        config.allow_signal_handlers = 0;
        owner = getpid();
        if (rtw_runtime_create(&config, &runtime, error) != RTW_OK) {
            runtime = NULL;
        }
    }
    rtw_runtime_t *found = runtime;
    pthread_mutex_unlock(&lock);
    return found;
}

/* Attaches the calling thread and leaves its scheduling alone. Returns whether it was attached before. */
static rtw_status_t attach(const rtw_runtime_t *runtime, bool *was_attached, rtw_error_t *error) {
    *was_attached = rtw_thread_is_attached(runtime) != 0;
    if (*was_attached) {
        return RTW_OK;
    }
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.sched_policy = RTW_SCHED_KEEP;
    return rtw_thread_attach(runtime, &config, error);
}

/* Keeps the reason why a block's thread cannot call the guest. */
static void keep_refusal(plugin_t *plugin, const rtw_error_t *error) {
    if (atomic_load_explicit(&plugin->refusal_is, memory_order_relaxed) == NONE) {
        plugin->refusal = *error;
        atomic_store_explicit(&plugin->refusal_is, KEPT, memory_order_release);
    }
}

/* Logs that reason, once. Not for the thread that computes. */
static void log_refusal(plugin_t *plugin) {
    int kept = KEPT;
    if (atomic_compare_exchange_strong(&plugin->refusal_is, &kept, LOGGED)) {
        refuse(plugin, &plugin->refusal, "silent, since the host's thread cannot call the guest");
    }
}

/* Keeps how much stack is left, where a block's thread is attached and is too deep in it: attaching it anew tells that. */
static rtw_status_t keep_depth(plugin_t *plugin) {
    bool was_attached;
    rtw_error_t error;
    rtw_thread_detach(plugin->runtime, NULL);
    const rtw_status_t status = attach(plugin->runtime, &was_attached, &error);
    if (status != RTW_OK) {
        keep_refusal(plugin, &error);
    }
    return status;
}

/* ---- who has the guest ---- */

static void hold(plugin_t *plugin) {
    while (atomic_exchange_explicit(&plugin->held, true, memory_order_acquire)) {
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

static void let_go(plugin_t *plugin) {
    atomic_store_explicit(&plugin->held, false, memory_order_release);
}

/* ---- loading ---- */

/* Reads a whole file. NULL on failure, with the reason. */
static uint8_t *read_file(const char *path, size_t *length, struct stat *seen, const char **why) {
    FILE *file = fopen(path, "rbe");
    *why = strerror(errno);
    if (file == NULL) {
        return NULL;
    }
    uint8_t *bytes = NULL;
    if (fstat(fileno(file), seen) != 0 || !S_ISREG(seen->st_mode) || seen->st_size <= 0 || seen->st_size > LONGEST_ARTIFACT) {
        *why = "it is no file of a possible size";
    } else if ((bytes = malloc((size_t)seen->st_size)) == NULL) {
        *why = "not enough memory";
    } else {
        *length = fread(bytes, 1, (size_t)seen->st_size, file);
    }
    fclose(file);
    return bytes;
}

static void on_slot_event(void *data, const rtw_slot_event_t *event) {
    version_t *version = data;
    if (event->kind == RTW_SLOT_EVENT_SPARE_FAILED) {
        say(version->plugin, PLUGIN_WARNING, "%s: there is no spare for the next fault: %s", version->info.name,
            rtw_status_string(event->status));
    }
    if (event->kind != RTW_SLOT_EVENT_FAULTED) {
        return;
    }
    const unsigned logged = atomic_fetch_add(&version->faults_logged, 1);
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    if (logged < FAULTS_LOGGED && rtw_instance_fault(event->instance, &fault, NULL) == RTW_OK) {
        say(version->plugin, PLUGIN_ERROR, "%s: %s; a spare goes on%s", version->info.name, fault.message,
            logged + 1 == FAULTS_LOGGED ? "; further faults are only counted" : "");
    }
}

static void version_destroy(version_t *version) {
    if (version == NULL) {
        return;
    }
    rtw_guest_destroy(version->guest);
    rtw_slot_destroy(version->slot);
    rtw_module_destroy(version->module);
    free(version);
}

/* Provides what guests from any toolchain import; what nobody knows gets a stub, which ends the call. */
static rtw_imports_t *imports_for(const version_t *version, rtw_error_t *error) {
    rtw_imports_t *imports;
    if (rtw_imports_create(&imports, error) != RTW_OK) {
        return NULL;
    }
    if (rtw_imports_libm(imports, error) == RTW_OK && rtw_imports_wasi(imports, NULL, error) == RTW_OK) {
        size_t count;
        if (rtw_imports_missing(imports, version->module, NULL, 0, &count, error) == RTW_OK) {
            return imports;
        }
        say(version->plugin, PLUGIN_WARNING, "%s: a call of it ends in a fault: %s", version->plugin->artifact, error->message);
        if (rtw_imports_stubs(imports, RTW_STUBS_LIBC, error) == RTW_OK) {
            return imports;
        }
    }
    rtw_imports_destroy(imports);
    return NULL;
}

/* Finds how many frames the guest takes in one call, and its latency, in an instance. */
static bool find_frames(version_t *version, rtw_instance_t *instance, rtw_guest_config_t *config) {
    rtw_error_t error;
    for (config->max_frames = PIECE_FRAMES; config->max_frames >= FEWEST_FRAMES; config->max_frames /= 2) {
        rtw_guest_t *trial;
        const rtw_status_t status = rtw_guest_create(version->module, instance, NULL, config, &trial, &error);
        if (status == RTW_OK) {
            version->max_frames = config->max_frames;
            version->latency = rtw_guest_latency(trial);
            rtw_guest_destroy(trial);
            return true;
        }
        if (status != RTW_ERR_ARGUMENT) {
            break;
        }
    }
    return refuse(version->plugin, &error, "the guest does not start");
}

static bool put_behind_slot(version_t *version, rtw_instance_t *instance, const rtw_guest_config_t *config) {
    rtw_error_t error;
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.standby = 1;
    slot_config.on_event = on_slot_event;
    slot_config.user_data = version;
    if (rtw_guest_slot_create(version->module, config, &slot_config, &version->slot, &error) != RTW_OK ||
        rtw_guest_create(version->module, NULL, version->slot, config, &version->guest, &error) != RTW_OK ||
        rtw_slot_publish(version->slot, instance, NULL, &error) != RTW_OK) {
        return refuse(version->plugin, &error, "the guest cannot be prepared");
    }
    return true;
}

static bool start(version_t *version) {
    plugin_t *plugin = version->plugin;
    rtw_error_t error;
    rtw_imports_t *imports = imports_for(version, &error);
    if (imports == NULL) {
        return refuse(plugin, &error, "no imports");
    }
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    config.memory_limit_bytes = GUEST_BYTES;
    config.denormals = RTW_DENORMALS_FLUSH;
    config.budget_ns = plugin->usual_ns;
    rtw_instance_t *instance;
    const rtw_status_t status = rtw_instance_create(version->module, imports, &config, &instance, &error);
    rtw_imports_destroy(imports);
    if (status != RTW_OK) {
        return refuse(plugin, &error, "no instance can be created");
    }
    rtw_guest_config_t guest_config;
    rtw_guest_config_init(&guest_config);
    guest_config.sample_rate = plugin->rate_hz;
    const bool done = find_frames(version, instance, &guest_config) && put_behind_slot(version, instance, &guest_config);
    if (done) {
        const uint64_t own_kb = rtw_instance_held_bytes(instance) / 1000, all_kb = rtw_runtime_held_bytes(plugin->runtime) / 1000;
        say(plugin, PLUGIN_NOTE,
            "%s: %u in, %u out, %u parameters; up to %u frames a call; uses %llu kB; all rtwasm guests in this process: %llu kB",
            version->info.name, version->info.input_count, version->info.output_count, version->info.param_count, version->max_frames,
            (unsigned long long)own_kb, (unsigned long long)all_kb);
    }
    rtw_instance_destroy(instance);
    return done;
}

/* Compares the ids of two modules' parameters, of which there are as many. */
static bool has_same_params(const rtw_module_t *one, const rtw_module_t *other) {
    rtw_guest_param_t first, second;
    rtw_guest_param_init(&first);
    rtw_guest_param_init(&second);
    for (uint32_t index = 0; rtw_guest_param(one, index, &first) == RTW_OK && rtw_guest_param(other, index, &second) == RTW_OK; index++) {
        if (strcmp(first.id, second.id) != 0) {
            return false;
        }
    }
    return true;
}

/* Compares a version's ports with those that the host knows, and with those of the version in use if there is one. */
static bool has_shape(const version_t *version, const version_t *current) {
    const plugin_shape_t *wanted = &version->plugin->shape;
    const rtw_guest_info_t *info = &version->info;
    if (info->input_count == wanted->inputs && info->output_count == wanted->outputs && info->param_count == wanted->params &&
        info->meter_count == wanted->meters && (current == NULL || has_same_params(version->module, current->module))) {
        return true;
    }
    return refuse_for(version->plugin, "the artifact has other ports than the plug-in: make the bundle anew, and load it again");
}

/* Loads the artifact's content, unless that is what was loaded last. */
static version_t *version_load(plugin_t *plugin) {
    size_t length = 0;
    const char *why;
    uint8_t digest[32];
    uint8_t *bytes = read_file(plugin->artifact, &length, &plugin->seen, &why);
    version_t *version = calloc(1, sizeof *version);
    bool loaded = false;
    rtw_error_t error;
    if (bytes == NULL || version == NULL) {
        refuse_for(plugin, bytes == NULL ? why : "not enough memory");
        goto done;
    }
    version->plugin = plugin;
    rtw_guest_info_init(&version->info);
    /* Refused before anything of it is loaded, with the reason. */
    if (rtw_module_probe(plugin->runtime, bytes, length, NULL, &error) != RTW_OK) {
        refuse(plugin, &error, "the artifact is refused");
    } else if (rtw_module_digest(bytes, length, digest, &error) != RTW_OK) {
        refuse(plugin, &error, "the artifact is refused");
    } else if (memcmp(plugin->digest, digest, sizeof digest) == 0) {
        /* Nothing but the file's date has changed, or its signatures. */
    } else if (rtw_module_load(plugin->runtime, bytes, length, &version->module, &error) != RTW_OK) {
        refuse(plugin, &error, "the artifact is refused");
    } else if (rtw_guest_info(version->module, &version->info) != RTW_OK) {
        refuse_for(plugin, UNDESCRIBED);
    } else {
        hold(plugin); /* `current` stays */
        loaded = has_shape(version, plugin->current);
        let_go(plugin);
        loaded = loaded && start(version);
    }
    if (loaded) {
        memcpy(plugin->digest, digest, sizeof digest);
    }
done:
    free(bytes);
    if (!loaded) {
        version_destroy(version);
        return NULL;
    }
    return version;
}

/* ---- a plug-in's life ---- */

static void free_channels(float **channels, uint32_t count) {
    for (uint32_t channel = 0; channels != NULL && channel < count; channel++) {
        free(channels[channel]);
    }
    free(channels);
}

static float **new_channels(uint32_t count, uint32_t frames) {
    float **channels = calloc((size_t)count + 1, sizeof *channels);
    for (uint32_t channel = 0; channels != NULL && channel < count; channel++) {
        channels[channel] = malloc(frames * sizeof(float));
        if (channels[channel] == NULL) {
            free_channels(channels, channel);
            return NULL;
        }
        memset(channels[channel], 0, frames * sizeof(float)); /* a block must not be the first to touch it */
    }
    return channels;
}

static void read_params(plugin_t *plugin) {
    for (uint32_t index = 0; index < plugin->shape.params; index++) {
        rtw_guest_get(plugin->current->guest, index, &plugin->params[index]);
        plugin->given[index] = plugin->params[index];
    }
}

static bool allocate(plugin_t *plugin) {
    const plugin_shape_t *shape = &plugin->shape;
    const double longest = LONGEST_DELAY_S * plugin->rate_hz;
    const double delay = plugin->current->latency;
    plugin->dry_frames = PIECE_FRAMES + (uint32_t)(delay < longest ? delay : longest);
    plugin->heard = new_channels(shape->outputs, plugin->fade_frames);
    plugin->tail = new_channels(shape->outputs, plugin->fade_frames);
    plugin->dry = new_channels(shape->inputs, plugin->dry_frames);
    plugin->in = calloc((size_t)shape->inputs + 1, sizeof *plugin->in);
    plugin->out = calloc((size_t)shape->outputs + 1, sizeof *plugin->out);
    plugin->params = calloc((size_t)shape->params + 1, sizeof *plugin->params);
    plugin->given = calloc((size_t)shape->params + 1, sizeof *plugin->given);
    plugin->meters = calloc((size_t)shape->meters + 1, sizeof *plugin->meters);
    if (plugin->heard == NULL || plugin->tail == NULL || plugin->dry == NULL || plugin->in == NULL || plugin->out == NULL ||
        plugin->params == NULL || plugin->given == NULL || plugin->meters == NULL) {
        return refuse_for(plugin, "not enough memory");
    }
    plugin->latency = plugin->current->latency;
    read_params(plugin);
    return true;
}

plugin_t *plugin_create(const plugin_config_t *config) {
    plugin_t *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL) {
        config->log(config->log_data, PLUGIN_ERROR, "not enough memory");
        return NULL;
    }
    const uint32_t usual = config->usual_frames == 0 ? PIECE_FRAMES : config->usual_frames;
    plugin->log = config->log;
    plugin->log_data = config->log_data;
    plugin->artifact = strdup(config->artifact);
    plugin->rate_hz = config->rate_hz;
    plugin->usual_ns = (uint64_t)(usual * 1e9 / config->rate_hz);
    plugin->shape = *config->shape;
    plugin->fade_frames = (uint32_t)ceil(FADE_S * config->rate_hz);
    plugin->tail_at = plugin->wet_at = plugin->fade_frames;
    rtw_error_t error;
    plugin->runtime = shared_runtime(&error);
    if (plugin->runtime == NULL) {
        refuse(plugin, &error, "no runtime");
    } else if (plugin->artifact != NULL) {
        plugin->current = version_load(plugin);
    }
    if (plugin->current == NULL || !allocate(plugin)) {
        plugin_destroy(plugin);
        return NULL;
    }
    return plugin;
}

void plugin_destroy(plugin_t *plugin) {
    if (plugin == NULL) {
        return;
    }
    log_refusal(plugin);
    version_destroy(plugin->current);
    version_destroy(atomic_load(&plugin->next));
    version_destroy(atomic_load(&plugin->replaced));
    free_channels(plugin->heard, plugin->shape.outputs);
    free_channels(plugin->tail, plugin->shape.outputs);
    free_channels(plugin->dry, plugin->shape.inputs);
    free(plugin->in);
    free(plugin->out);
    free(plugin->params);
    free(plugin->given);
    free(plugin->meters);
    free(plugin->artifact);
    free(plugin);
}

rtw_module_t *plugin_open(const char *artifact, rtw_guest_info_t *info, plugin_log_t log, void *log_data) {
    const plugin_t teller = {.artifact = (char *)(uintptr_t)artifact, .log = log, .log_data = log_data};
    rtw_error_t error;
    rtw_module_t *module = NULL;
    rtw_runtime_t *runtime = shared_runtime(&error);
    if (runtime == NULL || rtw_module_load_file(runtime, artifact, &module, &error) != RTW_OK) {
        refuse(&teller, &error, "the artifact is refused");
        return NULL;
    }
    rtw_guest_info_init(info);
    if (rtw_guest_info(module, info) != RTW_OK) {
        refuse_for(&teller, UNDESCRIBED);
        rtw_module_destroy(module);
        return NULL;
    }
    return module;
}

/* ---- changes from outside blocks ---- */

void plugin_start_anew(plugin_t *plugin) {
    log_refusal(plugin);
    hold(plugin);
    bool was_attached;
    rtw_error_t error;
    if (plugin->used && attach(plugin->runtime, &was_attached, &error) == RTW_OK) {
        rtw_guest_set_budget(plugin->current->guest, 0);
        rtw_guest_reset(plugin->current->guest);
        if (!was_attached) {
            rtw_thread_detach(plugin->runtime, NULL);
        }
    }
    for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
        memset(plugin->heard[channel], 0, plugin->fade_frames * sizeof(float));
    }
    for (uint32_t channel = 0; channel < plugin->shape.inputs; channel++) {
        memset(plugin->dry[channel], 0, plugin->dry_frames * sizeof(float));
    }
    plugin->tail_at = plugin->fade_frames;
    plugin->wet_at = plugin->bypassed ? 0 : plugin->fade_frames;
    plugin->used = plugin->failing = false;
    let_go(plugin);
}

/* Saves the state of a version's guest. The calling thread is attached. */
static void *save(const plugin_t *plugin, const version_t *version, size_t *length) {
    rtw_error_t error;
    void *bytes = NULL;
    size_t needed = 0;
    rtw_status_t status = rtw_guest_save_state(version->guest, NULL, 0, &needed, &error);
    while (status == RTW_ERR_LIMIT) { /* it may have grown meanwhile */
        free(bytes);
        *length = needed;
        bytes = malloc(needed);
        status = bytes == NULL ? RTW_ERR_NO_MEMORY : rtw_guest_save_state(version->guest, bytes, *length, &needed, &error);
        *length = status == RTW_OK ? needed : *length;
    }
    if (status != RTW_OK) {
        say(plugin, PLUGIN_ERROR, "%s: the state is not saved: %s", version->info.name, rtw_status_string(status));
        free(bytes);
        return NULL;
    }
    return bytes;
}

static bool load(const plugin_t *plugin, const version_t *version, const void *bytes, size_t length) {
    rtw_error_t error;
    if (rtw_guest_load_state(version->guest, bytes, length, &error) == RTW_OK) {
        return true;
    }
    return refuse(plugin, &error, "the guest does not take the state");
}

bool plugin_has_state(plugin_t *plugin) {
    hold(plugin); /* `current` stays */
    const bool has = (plugin->current->info.flags & RTW_GUEST_STATE) != 0;
    let_go(plugin);
    return has;
}

void *plugin_save(plugin_t *plugin, size_t *length) {
    bool was_attached;
    rtw_error_t error;
    if (attach(plugin->runtime, &was_attached, &error) != RTW_OK) {
        refuse(plugin, &error, "the state is not saved");
        return NULL;
    }
    hold(plugin);
    void *bytes = save(plugin, plugin->current, length);
    let_go(plugin);
    if (!was_attached) {
        rtw_thread_detach(plugin->runtime, NULL);
    }
    return bytes;
}

bool plugin_load(plugin_t *plugin, const void *bytes, size_t length) {
    bool was_attached;
    rtw_error_t error;
    if (attach(plugin->runtime, &was_attached, &error) != RTW_OK) {
        return refuse(plugin, &error, "the state is not loaded");
    }
    hold(plugin);
    const bool done = load(plugin, plugin->current, bytes, length);
    read_params(plugin);
    let_go(plugin);
    if (!was_attached) {
        rtw_thread_detach(plugin->runtime, NULL);
    }
    return done;
}

void plugin_look(plugin_t *plugin) {
    log_refusal(plugin);
    version_destroy(atomic_exchange(&plugin->replaced, NULL));
    struct stat now;
    if (stat(plugin->artifact, &now) != 0 ||
        (now.st_ino == plugin->seen.st_ino && now.st_size == plugin->seen.st_size && now.st_mtim.tv_sec == plugin->seen.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == plugin->seen.st_mtim.tv_nsec)) {
        return;
    }
    version_t *made = version_load(plugin);
    if (made == NULL) {
        return;
    }
    if ((made->info.flags & RTW_GUEST_STATE) != 0 && plugin_has_state(plugin)) {
        size_t length;
        void *bytes = plugin_save(plugin, &length);
        bool was_attached;
        rtw_error_t error;
        if (bytes != NULL && attach(plugin->runtime, &was_attached, &error) == RTW_OK) {
            load(plugin, made, bytes, length); /* a version that refuses it begins anew */
            if (!was_attached) {
                rtw_thread_detach(plugin->runtime, NULL);
            }
        }
        free(bytes);
    }
    version_destroy(atomic_exchange(&plugin->next, made));
}

/* ---- blocks ---- */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void plugin_set(plugin_t *plugin, uint32_t index, double value) {
    plugin->params[index] = value;
}

void plugin_set_offline(plugin_t *plugin, bool offline) {
    plugin->offline = offline;
}

void plugin_set_bypassed(plugin_t *plugin, bool bypassed) {
    plugin->bypassed = bypassed;
}

/* True if the calling thread has real-time scheduling. The system is asked once in a while only, since that takes a system call. */
static bool is_real_time(void) {
    static _Thread_local uint32_t blocks_left;
    static _Thread_local bool known;
    if (blocks_left == 0) {
        const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
        known = policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
        blocks_left = SCHEDULING_BLOCKS;
    }
    blocks_left--;
    return known;
}

/* The budget of one call: a block's time, and no less than the usual block's, since hosts divide blocks where parameters change. */
static uint64_t budget_ns(const plugin_t *plugin, uint64_t block_ns) {
    if (plugin->offline) {
        return 0;
    }
    const uint64_t least = is_real_time() || plugin->usual_ns > ORDINARY_BUDGET_NS ? plugin->usual_ns : ORDINARY_BUDGET_NS;
    return block_ns > least ? block_ns : least;
}

/* Gets the guest, for which it waits a quarter of the block at most: somebody may be saving its state. */
static bool try_hold(plugin_t *plugin, uint64_t begun_ns, uint64_t block_ns) {
    while (atomic_exchange_explicit(&plugin->held, true, memory_order_acquire)) {
        if (now_ns() - begun_ns >= block_ns / 4) {
            return false;
        }
    }
    return true;
}

/* From now on, what was heard last fades out. It is played backwards, so that it joins without a jump. */
static void change_source(plugin_t *plugin) {
    const uint32_t fade = plugin->fade_frames;
    plugin->tail_at = 0;
    for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
        for (uint32_t at = 0; at < fade; at++) {
            plugin->tail[channel][at] = plugin->heard[channel][(plugin->heard_at + fade - 1 - at) % fade];
        }
    }
}

/* Hands the guest the parameters that have changed, or all. Returns whether there were any. */
static bool give_params(plugin_t *plugin, bool all) {
    bool any = false;
    for (uint32_t index = 0; index < plugin->shape.params; index++) {
        if (all || plugin->params[index] != plugin->given[index]) {
            plugin->given[index] = plugin->params[index];
            any = rtw_guest_set(plugin->current->guest, index, plugin->params[index]) == RTW_OK;
        }
    }
    return any;
}

/* Hands the guest the parameters of the first block. It begins with them, rather than to glide there from its defaults. */
static void give_first_params(plugin_t *plugin) {
    rtw_guest_t *guest = plugin->current->guest;
    if (give_params(plugin, false)) {
        rtw_guest_set_budget(guest, ORDINARY_BUDGET_NS); /* clearing the past may take longer than a block */
        if (rtw_guest_process(guest, NULL, NULL, 0, NULL, 0) == RTW_OK) {
            rtw_guest_reset(guest);
        }
    }
}

/* Takes the new version if there is one, and there is room for the old one. */
static void take_next(plugin_t *plugin) {
    if (atomic_load_explicit(&plugin->next, memory_order_relaxed) == NULL || atomic_load(&plugin->replaced) != NULL) {
        return;
    }
    version_t *next = atomic_exchange(&plugin->next, NULL);
    if (next == NULL) {
        return;
    }
    version_t *old = plugin->current;
    plugin->current = next;
    atomic_store(&plugin->replaced, old);
    change_source(plugin);
    give_params(plugin, true);
}

/* Keeps the piece's inputs, before the outputs, which may be the same buffers, are written. */
static void keep_inputs(plugin_t *plugin, uint32_t frames) {
    for (uint32_t channel = 0; channel < plugin->shape.inputs; channel++) {
        const float *from = plugin->in[channel];
        float *ring = plugin->dry[channel];
        const uint32_t room = plugin->dry_frames - plugin->dry_at, first = frames < room ? frames : room;
        if (from == NULL) {
            memset(ring + plugin->dry_at, 0, first * sizeof(float));
            memset(ring, 0, (frames - first) * sizeof(float));
        } else {
            memcpy(ring + plugin->dry_at, from, first * sizeof(float));
            memcpy(ring, from + first, (frames - first) * sizeof(float));
        }
    }
}

static void fade_tail(plugin_t *plugin, uint32_t frames) {
    const uint32_t left = plugin->fade_frames - plugin->tail_at, count = frames < left ? frames : left;
    for (uint32_t channel = 0; count != 0 && channel < plugin->shape.outputs; channel++) {
        float *out = plugin->out[channel];
        const float *tail = plugin->tail[channel] + plugin->tail_at;
        for (uint32_t frame = 0; out != NULL && frame < count; frame++) {
            out[frame] += (tail[frame] - out[frame]) * ((float)(left - frame) / (float)(plugin->fade_frames + 1));
        }
    }
    plugin->tail_at += count;
}

/* Keeps the last of what the piece has made. */
static void keep_heard(plugin_t *plugin, uint32_t frames) {
    const uint32_t fade = plugin->fade_frames, skip = frames > fade ? frames - fade : 0;
    const uint32_t count = frames - skip, room = fade - plugin->heard_at, first = count < room ? count : room;
    for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
        if (plugin->out[channel] != NULL) {
            const float *from = plugin->out[channel] + skip;
            memcpy(plugin->heard[channel] + plugin->heard_at, from, first * sizeof(float));
            memcpy(plugin->heard[channel], from + first, (count - first) * sizeof(float));
        }
    }
    plugin->heard_at = (plugin->heard_at + count) % fade;
}

/* Mixes the delayed inputs in, if the plug-in is bypassed or is just being. An output has the input of its number; if there are fewer
 * inputs, they repeat. */
static void bypass(plugin_t *plugin, uint32_t frames) {
    const uint32_t fade = plugin->fade_frames, target = plugin->bypassed ? 0 : fade;
    if (plugin->wet_at == fade && target == fade) {
        return;
    }
    const uint32_t most = plugin->dry_frames - PIECE_FRAMES, delay = plugin->latency < most ? plugin->latency : most;
    uint32_t wet_at = plugin->wet_at;
    for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
        float *out = plugin->out[channel];
        const float *ring = plugin->shape.inputs == 0 ? NULL : plugin->dry[channel % plugin->shape.inputs];
        uint32_t at = (plugin->dry_at + plugin->dry_frames - delay) % plugin->dry_frames;
        wet_at = plugin->wet_at;
        for (uint32_t frame = 0; frame < frames; frame++) {
            wet_at += wet_at < target ? 1 : 0;
            wet_at -= wet_at > target ? 1 : 0;
            const float dry = ring == NULL ? 0.0f : ring[at];
            at = at + 1 == plugin->dry_frames ? 0 : at + 1;
            if (out != NULL) {
                out[frame] = wet_at == 0 ? dry : dry + (out[frame] - dry) * ((float)wet_at / (float)fade);
            }
        }
    }
    plugin->wet_at = wet_at;
}

static void silence(plugin_t *plugin, uint32_t frames) {
    for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
        if (plugin->out[channel] != NULL) {
            memset(plugin->out[channel], 0, frames * sizeof(float));
        }
    }
}

/* Computes the piece that `in` and `out` point to; `status` is that of the block so far. */
static rtw_status_t process_piece(plugin_t *plugin, rtw_status_t status, uint32_t frames, const rtw_event_t *events, size_t event_count) {
    keep_inputs(plugin, frames);
    if (status == RTW_OK) {
        status = rtw_guest_process(plugin->current->guest, plugin->in, plugin->out, frames, events, event_count);
        /* RTW_ERR_FAULTED, RTW_ERR_EMPTY and RTW_ERR_BUSY say that there was no guest to call, RTW_ERR_STACK_SIZE that
         * the thread has no room for it. */
        plugin->faults += status != RTW_OK && status != RTW_ERR_FAULTED && status != RTW_ERR_EMPTY && status != RTW_ERR_BUSY &&
                          status != RTW_ERR_STACK_SIZE;
    }
    if (status != RTW_OK) {
        silence(plugin, frames); /* also what the guest has made of the piece before it failed */
    }
    if (status != RTW_OK && status != RTW_ERR_BUSY) {
        plugin->flag_frames = (uint64_t)(FLAG_S * plugin->rate_hz);
    }
    if (plugin->failing != (status != RTW_OK)) {
        plugin->failing = !plugin->failing;
        change_source(plugin);
    }
    fade_tail(plugin, frames);
    keep_heard(plugin, frames);
    bypass(plugin, frames);
    plugin->dry_at = (plugin->dry_at + frames) % plugin->dry_frames;
    if (status == RTW_OK) {
        plugin->flag_frames -= plugin->flag_frames < frames ? plugin->flag_frames : frames;
    }
    return status;
}

static void measure(plugin_t *plugin, uint64_t took_ns, uint64_t block_ns) {
    const double share = (double)took_ns / (double)block_ns, weight = fmin(1.0, (double)block_ns / (LOAD_S * 1e9));
    plugin->load_percent += (100.0 * share - plugin->load_percent) * weight;
    plugin->misses += share > 1.0 && !plugin->offline;
}

void plugin_process(plugin_t *plugin, const float *const *inputs, float *const *outputs, uint32_t frames, const rtw_event_t *events,
                    size_t event_count) {
    bool was_attached;
    rtw_error_t error;
    rtw_status_t attached = attach(plugin->runtime, &was_attached, &error);
    if (attached != RTW_OK) {
        keep_refusal(plugin, &error);
    }
    const uint64_t begun_ns = now_ns(), block_ns = (uint64_t)(frames * 1e9 / plugin->rate_hz);
    const bool has_guest = try_hold(plugin, begun_ns, block_ns);
    if (has_guest) {
        take_next(plugin);
        if (plugin->used) {
            give_params(plugin, false);
        } else {
            give_first_params(plugin);
        }
        rtw_guest_set_budget(plugin->current->guest, budget_ns(plugin, block_ns));
        plugin->used = true;
    }
    uint32_t at = 0;
    do {
        const uint32_t left = frames - at, most = plugin->current->max_frames, piece = left < most ? left : most;
        rtw_event_t due[32];
        size_t count = 0;
        for (; count < 32 && event_count != 0 && (events->frame < at + piece || piece == left); events++, event_count--, count++) {
            due[count] = *events;
            due[count].frame = events->frame < at ? 0 : events->frame - at;
        }
        /* More events than there is room for: the piece ends where the next one is. */
        const uint32_t end = count == 32 && event_count != 0 && events->frame < at + piece ? events->frame : at + piece;
        const uint32_t length = end > at ? end - at : 0;
        for (uint32_t channel = 0; channel < plugin->shape.inputs; channel++) {
            plugin->in[channel] = inputs[channel] == NULL ? NULL : inputs[channel] + at;
        }
        for (uint32_t channel = 0; channel < plugin->shape.outputs; channel++) {
            plugin->out[channel] = outputs[channel] == NULL ? NULL : outputs[channel] + at;
        }
        if (length != 0 || count != 0) {
            const rtw_status_t status = process_piece(plugin, !has_guest ? RTW_ERR_BUSY : attached, length, due, count);
            if (status == RTW_ERR_STACK_SIZE && attached == RTW_OK) {
                attached = keep_depth(plugin);
            }
        }
        at += length;
    } while (at < frames || event_count != 0);
    if (has_guest) {
        plugin->latency = rtw_guest_latency(plugin->current->guest);
        for (uint32_t index = 0; index < plugin->shape.meters; index++) {
            rtw_guest_read_meter(plugin->current->guest, index, &plugin->meters[index]);
        }
        let_go(plugin);
    }
    if (frames != 0 && was_attached) {
        measure(plugin, now_ns() - begun_ns, block_ns);
    }
}

void plugin_figures(const plugin_t *plugin, plugin_figures_t *out) {
    *out = (plugin_figures_t){plugin->load_percent, plugin->misses, plugin->faults, plugin->flag_frames != 0, plugin->latency};
}

double plugin_meter(const plugin_t *plugin, uint32_t index) {
    return plugin->meters[index];
}
