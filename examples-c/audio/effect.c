#include "effect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(failure_t *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- names ---- */

typedef struct param_name_t {
    const char *effect;
    const char *param;
    int32_t id;
} param_name_t;

static const param_name_t PARAM_NAMES[] = {
    {"eq", "output", EQ_OUTPUT_DB},
    {"reverb", "room", REVERB_ROOM},
    {"reverb", "damping", REVERB_DAMPING},
    {"reverb", "width", REVERB_WIDTH},
    {"reverb", "wet", REVERB_WET},
    {"reverb", "dry", REVERB_DRY},
    {"compressor", "threshold", COMP_THRESHOLD_DB},
    {"compressor", "ratio", COMP_RATIO},
    {"compressor", "knee", COMP_KNEE_DB},
    {"compressor", "attack", COMP_ATTACK_MS},
    {"compressor", "release", COMP_RELEASE_MS},
    {"compressor", "makeup", COMP_MAKEUP_DB},
    {"compressor", "ceiling", COMP_CEILING_DB},
    {"compressor", "limiter-release", COMP_LIMITER_RELEASE_MS},
};
#define PARAM_NAME_COUNT (sizeof PARAM_NAMES / sizeof PARAM_NAMES[0])

/* In the order of the field numbers. */
static const char *const BAND_FIELDS[EQ_BAND_STRIDE] = {"type", "frequency", "gain", "q"};

const char *effect_find(const char *name, size_t length) {
    static const char *const NAMES[] = {"eq", "reverb", "compressor"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strlen(NAMES[i]) == length && memcmp(NAMES[i], name, length) == 0) {
            return NAMES[i];
        }
    }
    return NULL;
}

/* "3.gain": the third band's gain. */
static bool band_param_id(const char *param, int32_t *id) {
    if (param[0] < '1' || param[0] > '0' + EQ_BANDS || param[1] != '.') {
        return false;
    }
    for (int32_t field = 0; field < EQ_BAND_STRIDE; field++) {
        if (strcmp(param + 2, BAND_FIELDS[field]) == 0) {
            *id = (param[0] - '1') * EQ_BAND_STRIDE + field;
            return true;
        }
    }
    return false;
}

bool effect_param_id(const char *effect, const char *param, int32_t *id) {
    for (size_t i = 0; i < PARAM_NAME_COUNT; i++) {
        if (strcmp(PARAM_NAMES[i].effect, effect) == 0 && strcmp(PARAM_NAMES[i].param, param) == 0) {
            *id = PARAM_NAMES[i].id;
            return true;
        }
    }
    return strcmp(effect, "eq") == 0 && band_param_id(param, id);
}

/* ---- loading ---- */

static bool find_func(effect_t *effect, const char *export, const char *signature, rtw_func_t **out, failure_t *failure) {
    rtw_error_t error;
    if (rtw_instance_func(effect->instance, export, signature, out, &error) != RTW_OK) {
        return fail(failure, "effect '%s' has no usable export '%s': %s", effect->name, export, error.message);
    }
    return true;
}

static bool find_funcs(effect_t *effect, failure_t *failure) {
    return find_func(effect, "init", "(f32,i32,i32)->(i32)", &effect->init_func, failure) &&
           find_func(effect, "input", "(i32)->(i32)", &effect->input_func, failure) &&
           find_func(effect, "output", "(i32)->(i32)", &effect->output_func, failure) &&
           find_func(effect, "set_param", "(i32,f32)->(i32)", &effect->set_param_func, failure) &&
           find_func(effect, "process", "(i32)->()", &effect->process_func, failure) &&
           find_func(effect, "latency", "()->(i32)", &effect->latency_func, failure) &&
           find_func(effect, "reset", "()->()", &effect->reset_func, failure);
}

/* Makes an instance, with what effects from any toolchain import. The project's own import nothing. */
static rtw_status_t instantiate(effect_t *effect, const rtw_instance_config_t *config, rtw_error_t *error) {
    rtw_imports_t *imports;
    rtw_status_t status = rtw_imports_create(&imports, error);
    if (status != RTW_OK) {
        return status;
    }
    status = rtw_imports_libm(imports, error);
    if (status == RTW_OK) {
        status = rtw_imports_wasi(imports, NULL, error);
    }
    if (status == RTW_OK) {
        status = rtw_instance_create(effect->module, imports, config, &effect->instance, error);
    }
    rtw_imports_destroy(imports);
    return status;
}

bool effect_load(effect_t *effect, rtw_runtime_t *runtime, const char *name, const char *path, uint64_t budget_ns,
                 failure_t *failure) {
    memset(effect, 0, sizeof *effect);
    effect->name = name;
    rtw_error_t error;
    if (rtw_module_load_file(runtime, path, &effect->module, &error) != RTW_OK) {
        return fail(failure, "cannot load effect '%s': %s (%s)", name, error.message, rtw_status_name(error.status));
    }
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = budget_ns;
    if (instantiate(effect, &config, &error) != RTW_OK) {
        fail(failure, "cannot make an instance of effect '%s': %s", name, error.message);
        effect_unload(effect);
        return false;
    }
    if (!find_funcs(effect, failure)) {
        effect_unload(effect);
        return false;
    }
    return true;
}

void effect_unload(effect_t *effect) {
    rtw_func_destroy(effect->init_func);
    rtw_func_destroy(effect->input_func);
    rtw_func_destroy(effect->output_func);
    rtw_func_destroy(effect->set_param_func);
    rtw_func_destroy(effect->process_func);
    rtw_func_destroy(effect->latency_func);
    rtw_func_destroy(effect->reset_func);
    rtw_instance_destroy(effect->instance);
    rtw_module_destroy(effect->module);
    memset(effect, 0, sizeof *effect);
}

/* ---- calls ---- */

/* One call whose arguments and result are in `values`, on the way to or from the cycle itself. */
static bool call(const effect_t *effect, rtw_func_t *func, const char *what, rtw_value_t *values, size_t count,
                 failure_t *failure) {
    const rtw_status_t status = rtw_invoke(func, values, count);
    if (status != RTW_OK) {
        return fail(failure, "effect '%s': %s: %s", effect->name, what, rtw_status_string(status));
    }
    return true;
}

/* Where the guest keeps `channel`'s buffer: its address, checked against its memory. */
static bool find_buffer(effect_t *effect, rtw_func_t *func, const char *what, uint32_t channel, float **out,
                        failure_t *failure) {
    rtw_value_t value = {.u32 = channel};
    if (!call(effect, func, what, &value, 1, failure)) {
        return false;
    }
    *out = rtw_instance_memory_at(effect->instance, value.u32, effect->max_frames * sizeof(float));
    if (value.u32 == 0 || value.u32 % sizeof(float) != 0 || *out == NULL) {
        return fail(failure, "effect '%s': %s(%u) names address %u, which cannot hold %u samples", effect->name, what,
                    (unsigned)channel, (unsigned)value.u32, (unsigned)effect->max_frames);
    }
    return true;
}

static bool find_buffers(effect_t *effect, failure_t *failure) {
    for (uint32_t channel = 0; channel < effect->channels; channel++) {
        if (!find_buffer(effect, effect->input_func, "input", channel, &effect->input[channel], failure) ||
            !find_buffer(effect, effect->output_func, "output", channel, &effect->output[channel], failure)) {
            return false;
        }
    }
    return true;
}

static const char *refusal_text(int32_t code) {
    static const char *const TEXTS[] = {
        "accepted",           "sample rate out of range", "number of channels not supported", "block too long",
        "no such parameter", "value out of range",
    };
    return code >= 0 && code < (int32_t)(sizeof TEXTS / sizeof TEXTS[0]) ? TEXTS[code] : "refused";
}

bool effect_init(effect_t *effect, uint32_t rate_hz, uint32_t channels, uint32_t max_frames, failure_t *failure) {
    rtw_value_t values[3] = {{.f32 = (float)rate_hz}, {.u32 = channels}, {.u32 = max_frames}};
    if (!call(effect, effect->init_func, "init", values, 3, failure)) {
        return false;
    }
    if (values[0].i32 != EFFECT_OK) {
        return fail(failure, "effect '%s' refuses %u Hz, %u channels, %u frames: %s", effect->name, (unsigned)rate_hz,
                    (unsigned)channels, (unsigned)max_frames, refusal_text(values[0].i32));
    }
    effect->channels = channels;
    effect->max_frames = max_frames;
    if (!call(effect, effect->latency_func, "latency", values, 1, failure)) {
        return false;
    }
    effect->latency_frames = values[0].u32;
    return find_buffers(effect, failure);
}

bool effect_set_param(effect_t *effect, int32_t id, float value, failure_t *failure) {
    rtw_value_t values[2] = {{.i32 = id}, {.f32 = value}};
    if (!call(effect, effect->set_param_func, "set_param", values, 2, failure)) {
        return false;
    }
    if (values[0].i32 != EFFECT_OK) {
        return fail(failure, "effect '%s' refuses %g for parameter %d: %s", effect->name, (double)value, (int)id,
                    refusal_text(values[0].i32));
    }
    return true;
}

/* Silence would let a guest take its cheapest way through; a dry call should look like music. */
static void fill_with_noise(const effect_t *effect, uint32_t frames) {
    uint32_t state = 1;
    for (uint32_t channel = 0; channel < effect->channels; channel++) {
        for (uint32_t frame = 0; frame < frames; frame++) {
            state = state * 1664525u + 1013904223u;
            effect->input[channel][frame] = (float)(state >> 8) / 16777216.0f - 0.5f;
        }
    }
}

static void silence_buffers(const effect_t *effect) {
    for (uint32_t channel = 0; channel < effect->channels; channel++) {
        memset(effect->input[channel], 0, effect->max_frames * sizeof(float));
        memset(effect->output[channel], 0, effect->max_frames * sizeof(float));
    }
}

bool effect_prepare(effect_t *effect, uint32_t block_frames, uint32_t repeats, failure_t *failure) {
    const rtw_value_t frames = {.u32 = block_frames};
    const rtw_dry_call_t dry_calls[] = {
        {.func = effect->process_func, .values = &frames, .value_count = 1, .repeats = repeats},
    };
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = dry_calls;
    config.dry_call_count = sizeof dry_calls / sizeof dry_calls[0];
    fill_with_noise(effect, block_frames);
    rtw_error_t error;
    if (rtw_instance_prepare(effect->instance, &config, NULL, &error) != RTW_OK) {
        return fail(failure, "cannot prepare effect '%s': %s", effect->name, error.message);
    }
    return true;
}

bool effect_start_anew(effect_t *effect, failure_t *failure) {
    silence_buffers(effect);
    const rtw_status_t status = rtw_func_stats_reset(effect->process_func);
    if (status != RTW_OK) {
        return fail(failure, "effect '%s': statistics: %s", effect->name, rtw_status_string(status));
    }
    return call(effect, effect->reset_func, "reset", NULL, 0, failure);
}
