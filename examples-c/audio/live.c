#define _GNU_SOURCE /* for nanosleep */

#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The slot's interface. */
enum { INIT, SET_PARAM, RESET, PROCESS = LIVE_PROCESS, FUNCS };
static const rtw_wanted_func_t INTERFACE[FUNCS] = {
    {"init", "(f32,i32,i32)->(i32)", 0},
    {"set_param", "(i32,f32)->(i32)", 0},
    {"reset", "()->()", 0},
    {"process", "(i32)->()", 0},
};

/* Dry calls are made in rounds; so often, each call is in every round, in the order of the list. */
#define IN_EVERY_ROUND 4
#define DRY_BLOCKS 200

static bool make_buffers(live_t *live, const options_t *options, uint32_t rate_hz) {
    for (uint32_t channel = 0; channel < live->channels; channel++) {
        live->wet[channel] = calloc(live->block_frames, sizeof(float));
        live->out[channel] = calloc(live->block_frames, sizeof(float));
        if (live->wet[channel] == NULL || live->out[channel] == NULL) {
            return false;
        }
    }
    const uint32_t fade_frames = (uint32_t)(options->fade_ms * rate_hz / 1000.0);
    return fallback_create(&live->fallback, options->on_failure, live->channels, live->block_frames, fade_frames);
}

/* A new instance is configured by the same calls as the first one: these are the slot's dry calls, which leave it as it is to
 * begin with. */
static rtw_status_t make_slot(live_t *live, rtw_runtime_t *runtime, const options_t *options, uint32_t rate_hz, rtw_error_t *error) {
    const rtw_value_t init[3] = {{.f32 = (float)rate_hz}, {.u32 = live->channels}, {.u32 = live->block_frames}};
    const rtw_value_t frames = {.u32 = live->block_frames};
    rtw_value_t params[MAX_SETTINGS][2];
    rtw_dry_call_t calls[MAX_SETTINGS + 3];
    uint32_t count = 0;
    calls[count++] = (rtw_dry_call_t){.func_index = INIT, .repeats = IN_EVERY_ROUND, .values = init, .value_count = 3};
    for (size_t i = 0; i < options->setting_count; i++) {
        if (options->settings[i].effect == live->name) {
            params[i][0] = (rtw_value_t){.i32 = options->settings[i].id};
            params[i][1] = (rtw_value_t){.f32 = options->settings[i].value};
            calls[count++] = (rtw_dry_call_t){.func_index = SET_PARAM, .repeats = IN_EVERY_ROUND, .values = params[i], .value_count = 2};
        }
    }
    calls[count++] = (rtw_dry_call_t){.func_index = PROCESS, .repeats = DRY_BLOCKS, .values = &frames, .value_count = 1};
    calls[count++] = (rtw_dry_call_t){.func_index = RESET, .repeats = IN_EVERY_ROUND, .values = NULL, .value_count = 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = INTERFACE;
    config.func_count = FUNCS;
    config.standby = (uint32_t)options->standby;
    config.dry_calls = calls;
    config.dry_call_count = count;
    return rtw_slot_create(runtime, &config, &live->slot, error);
}

static uint32_t address_of(const effect_t *effect, const float *buffer) {
    const char *base = rtw_instance_memory_at(effect->instance, 0, 0);
    return (uint32_t)((const char *)buffer - base);
}

bool live_open(live_t *live, rtw_runtime_t *runtime, const effect_t *effect, const options_t *options, uint32_t rate_hz, failure_t *failure) {
    rtw_error_t error = {RTW_ERR_NO_MEMORY, 0, "no memory for its buffers"};
    memset(live, 0, sizeof *live);
    live->name = effect->name;
    live->channels = effect->channels;
    live->block_frames = options->block_frames;
    live->latency_frames = effect->latency_frames;
    for (uint32_t channel = 0; channel < effect->channels; channel++) {
        live->input_at[channel] = address_of(effect, effect->input[channel]);
        live->output_at[channel] = address_of(effect, effect->output[channel]);
    }
    if (!make_buffers(live, options, rate_hz) || make_slot(live, runtime, options, rate_hz, &error) != RTW_OK ||
        rtw_slot_publish(live->slot, effect->instance, NULL, &error) != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "effect '%s': %s", effect->name, error.message);
        live_close(live);
        return false;
    }
    return true;
}

bool live_exchange(live_t *live, const effect_t *effect, failure_t *failure) {
    rtw_error_t error = {RTW_ERR_ARGUMENT, 0, "its buffers or its latency are others than before"};
    bool same = effect->latency_frames == live->latency_frames;
    for (uint32_t channel = 0; channel < live->channels; channel++) {
        same = same && address_of(effect, effect->input[channel]) == live->input_at[channel] &&
               address_of(effect, effect->output[channel]) == live->output_at[channel];
    }
    if (!same || rtw_slot_publish(live->slot, effect->instance, NULL, &error) != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "effect '%s': %s", live->name, error.message);
        return false;
    }
    return true;
}

void live_close(live_t *live) {
    rtw_slot_destroy(live->slot);
    for (uint32_t channel = 0; channel < EFFECT_MAX_CHANNELS; channel++) {
        free(live->wet[channel]);
        free(live->out[channel]);
    }
    fallback_free(&live->fallback);
    memset(live, 0, sizeof *live);
}

void live_wait(const live_t *live, const options_t *options) {
    const struct timespec while_it_works = {0, 1000000};
    rtw_slot_stats_t stats;
    rtw_slot_stats_init(&stats);
    /* A spare that cannot be made stays away: the sound begins without it. */
    for (int tries = 0; tries < 1000; tries++) {
        if (rtw_slot_stats(live->slot, &stats) != RTW_OK || stats.spares_ready == (uint64_t)options->standby) {
            return;
        }
        nanosleep(&while_it_works, NULL);
    }
}

bool live_start_anew(live_t *live, failure_t *failure) {
    rtw_block_t begun;
    rtw_status_t status = rtw_slot_begin(live->slot, &begun);
    if (status == RTW_OK) {
        status = rtw_func_stats_reset(begun.funcs[PROCESS]);
        const rtw_status_t reset = rtw_invoke(begun.funcs[RESET], NULL, 0);
        status = status == RTW_OK ? reset : status;
        rtw_slot_end(live->slot);
    }
    if (status != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "effect '%s': reset: %s", live->name, rtw_status_string(status));
        return false;
    }
    for (uint32_t channel = 0; channel < live->channels; channel++) {
        memset(live->fallback.heard[channel], 0, live->block_frames * sizeof(float));
    }
    live->fallback.failing = false;
    live->fallback.fade_left = 0;
    live->status = RTW_OK;
    live->blocks = 0;
    return true;
}

static rtw_status_t run_block(live_t *live, const float *const *in) {
    const size_t bytes = live->block_frames * sizeof(float);
    rtw_block_t begun;
    rtw_status_t status = rtw_slot_begin(live->slot, &begun);
    if (status != RTW_OK) {
        return status;
    }
    for (uint32_t channel = 0; channel < live->channels; channel++) {
        memcpy(rtw_instance_memory_at(begun.instance, live->input_at[channel], bytes), in[channel], bytes);
    }
    rtw_value_t frames = {.u32 = live->block_frames};
    status = rtw_invoke(begun.funcs[PROCESS], &frames, 1);
    if (status == RTW_OK) {
        for (uint32_t channel = 0; channel < live->channels; channel++) {
            memcpy(live->wet[channel], rtw_instance_memory_at(begun.instance, live->output_at[channel], bytes), bytes);
        }
    }
    rtw_slot_end(live->slot);
    return status;
}

void live_process(live_t *live, const float *const *in, size_t block) {
    const rtw_status_t status = run_block(live, in);
    if (status != RTW_OK) {
        if (live->blocks++ == 0) {
            live->status = status;
            live->first_block = block;
        }
    }
    fallback_mix(&live->fallback, status == RTW_OK, (const float *const *)live->wet, in, live->out);
}

bool live_stats(const live_t *live, rtw_func_stats_t *stats, rtw_slot_stats_t *slot, failure_t *failure) {
    rtw_func_stats_init(stats);
    rtw_slot_stats_init(slot);
    rtw_status_t status = rtw_slot_func_stats(live->slot, PROCESS, stats);
    if (status == RTW_OK) {
        status = rtw_slot_stats(live->slot, slot);
    }
    if (status != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "statistics of effect '%s': %s", live->name, rtw_status_string(status));
        return false;
    }
    return true;
}
