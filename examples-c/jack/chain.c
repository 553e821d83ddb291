#include "chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REHEARSALS 16

static bool fail(failure_t *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return false;
}

/* Makes an instance, with what effects from any toolchain import. */
static rtw_status_t instantiate(effect_t *effect, uint64_t budget_ns, rtw_error_t *error) {
    rtw_instance_config_t config;
    rtw_imports_t *imports;
    rtw_instance_config_init(&config);
    config.budget_ns = budget_ns;
    rtw_status_t status = rtw_imports_create(&imports, error);
    if (status != RTW_OK) {
        return status;
    }
    status = rtw_imports_libm(imports, error);
    if (status == RTW_OK) {
        status = rtw_imports_wasi(imports, NULL, error);
    }
    if (status == RTW_OK) {
        status = rtw_instance_create(effect->module, imports, &config, &effect->instance, error);
    }
    rtw_imports_destroy(imports);
    return status;
}

static bool load(effect_t *effect, rtw_runtime_t *runtime, const char *path, const chain_t *chain, uint64_t budget_ns, failure_t *failure) {
    rtw_error_t error;
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    if (rtw_module_load_file(runtime, path, &effect->module, &error) != RTW_OK) {
        return fail(failure, "cannot load %s: %s", path, error.message);
    }
    if (rtw_guest_info(effect->module, &info) != RTW_OK) {
        return fail(failure, "%s does not describe its guest", path);
    }
    if (info.input_count != CHAIN_CHANNELS || info.output_count != CHAIN_CHANNELS) {
        return fail(failure, "%s has %u inputs and %u outputs, and not two", path, (unsigned)info.input_count, (unsigned)info.output_count);
    }
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.sample_rate = chain->rate_hz;
    config.max_frames = chain->frames;
    if (instantiate(effect, budget_ns, &error) != RTW_OK ||
        rtw_guest_create(effect->module, effect->instance, NULL, &config, &effect->guest, &error) != RTW_OK ||
        rtw_guest_prepare(effect->guest, REHEARSALS, &error) != RTW_OK) {
        return fail(failure, "%s: %s", path, error.message);
    }
    return true;
}

static bool make_buffers(chain_t *chain) {
    for (int i = 0; i < 2 * CHAIN_CHANNELS; i++) {
        float **buffer = &chain->buffers[i / CHAIN_CHANNELS][i % CHAIN_CHANNELS];
        *buffer = calloc(chain->frames, sizeof(float));
        if (*buffer == NULL) {
            return false;
        }
    }
    return true;
}

chain_t *chain_create(rtw_runtime_t *runtime, const char *const *paths, size_t count, uint32_t rate_hz, uint32_t frames, uint64_t budget_ns,
                      failure_t *failure) {
    chain_t *chain = calloc(1, sizeof *chain);
    if (chain == NULL) {
        fail(failure, "not enough memory");
        return NULL;
    }
    chain->rate_hz = rate_hz;
    chain->frames = frames;
    bool good = make_buffers(chain) || fail(failure, "not enough memory");
    for (size_t i = 0; good && i < count; i++) {
        chain->count++;
        good = load(&chain->effects[i], runtime, paths[i], chain, budget_ns, failure);
    }
    if (!good) {
        chain_destroy(chain);
        return NULL;
    }
    return chain;
}

void chain_destroy(chain_t *chain) {
    if (chain == NULL) {
        return;
    }
    for (size_t i = 0; i < chain->count; i++) {
        rtw_guest_destroy(chain->effects[i].guest);
        rtw_instance_destroy(chain->effects[i].instance);
        rtw_module_destroy(chain->effects[i].module);
    }
    for (int i = 0; i < 2 * CHAIN_CHANNELS; i++) {
        free(chain->buffers[i / CHAIN_CHANNELS][i % CHAIN_CHANNELS]);
    }
    free(chain);
}

uint32_t chain_process(chain_t *chain, const float *const *in, float *const *out, uint32_t frames) {
    const float *signal[CHAIN_CHANNELS];
    uint32_t failures = 0, turn = 0;
    memcpy(signal, in, sizeof signal);
    for (size_t i = 0; i < chain->count; i++) {
        effect_t *effect = &chain->effects[i];
        if (effect->failed != RTW_OK) {
            continue;
        }
        float *const *to = chain->buffers[turn];
        effect->failed = rtw_guest_process(effect->guest, signal, to, frames, NULL, 0);
        if (effect->failed != RTW_OK) {
            failures++; /* the next one gets what this one got */
            continue;
        }
        memcpy(signal, to, sizeof signal);
        turn = 1 - turn;
    }
    for (uint32_t channel = 0; channel < CHAIN_CHANNELS; channel++) {
        memcpy(out[channel], signal[channel], frames * sizeof(float));
    }
    return failures;
}
