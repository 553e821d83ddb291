#include "guests.h"

#include "calls.h"
#include "paths.h"

#include <stdatomic.h>
#include <string.h>

/* ---- guests for audio and control */

/* One for which the library divides a block, one that takes events, one behind a slot. */
enum { DRIVEN = 3, DRIVEN_FRAMES = 64 };
static rtw_guest_t *driven[DRIVEN];
static float samples[2][DRIVEN_FRAMES];
static host_t player;

/* Runs a block on each of the guests, and writes and reads their parameters and meters. */
static rtw_status_t use_guests(rtw_func_t *none, rtw_value_t *values, size_t count)
{
    (void)none, (void)count;
    if (player.violation != NONE)
        violate(&player);
    float *outputs[] = {samples[0], samples[1]};
    const float *inputs[] = {samples[0], samples[1]};
    rtw_event_t events[3];
    memset(events, 0, sizeof events);
    events[0].kind = RTW_EVENT_PARAM, events[0].data.value = 2;
    events[1].frame = 20, events[1].kind = RTW_EVENT_MIDI, events[1].index = 3;
    memcpy(events[1].data.midi, "\x90\x3c\x40", 3);
    events[2].frame = 40, events[2].kind = RTW_EVENT_PARAM, events[2].data.value = values[0].f64;
    for (int i = 0; i < DRIVEN; i++) {
        double value = 0;
        for (int n = 0; n < DRIVEN_FRAMES; n++)
            samples[0][n] = samples[1][n] = 0.25f;
        rtw_status_t status = rtw_guest_set(driven[i], 1, 0);
        if (status == RTW_OK)
            status = rtw_guest_process(driven[i], inputs, outputs, DRIVEN_FRAMES, events, 3);
        if (status == RTW_OK)
            status = rtw_guest_read_meter(driven[i], 0, &value);
        if (status == RTW_OK)
            status = rtw_guest_get(driven[i], 0, &value);
        if (status == RTW_OK && rtw_guest_latency(driven[i]) == 0 && value == values[0].f64)
            status = rtw_guest_set_budget(driven[i], UINT64_MAX);
        if (status != RTW_OK || samples[0][DRIVEN_FRAMES - 1] == 0.25f)
            return status == RTW_OK ? RTW_ERR_INTERNAL : status;
    }
    return rtw_guest_reset(driven[0]);
}

static void uses_guests(rtw_func_t *none, findings_t *findings, uint64_t i)
{
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].f64 = i % 2 == 0 ? 0.5 : 0.75;
    expect(findings, guarded_call(use_guests, none, values, 2, &findings->changed) == RTW_OK);
}

static void set_up_driven(rtw_runtime_t *runtime)
{
    ready_host(&player);
    memset(samples, 1, sizeof samples); /* so that the pages are there */
    rtw_error_t err;
    rtw_module_t *drive = load(runtime, "drive"), *tone = load(runtime, "tone");
    rtw_slot_t *slot;
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.max_frames = DRIVEN_FRAMES;
    OK(rtw_guest_create(drive, new_instance(drive, NULL, 0), NULL, &config, &driven[0], &err), err);
    OK(rtw_guest_create(tone, new_instance(tone, NULL, 0), NULL, &config, &driven[1], &err), err);
    OK(rtw_guest_slot_create(drive, &config, NULL, &slot, &err), err);
    OK(rtw_slot_publish(slot, new_instance(drive, NULL, 0), NULL, &err), err);
    OK(rtw_guest_create(drive, NULL, slot, &config, &driven[2], &err), err);
    for (int i = 0; i < DRIVEN; i++)
        OK(rtw_guest_prepare(driven[i], 64, &err), err);
}

/* ---- a guest with WASI, libm and a log */

static rtw_func_t *speak;
static host_t speaker;
static atomic_uint heard;

static void hear(void *user_data, rtw_instance_t *who, uint32_t level, const char *text, size_t length)
{
    (void)user_data, (void)who, (void)level, (void)text, (void)length;
    atomic_fetch_add(&heard, 1);
}

static rtw_status_t spoken(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    if (speaker.violation != NONE)
        violate(&speaker);
    return rtw_invoke(func, values, count);
}

/* Calls a guest that prints and logs into a log which is mostly full, reads clocks, takes random numbers and computes. */
static void speaks(rtw_func_t *func, findings_t *findings, uint64_t i)
{
    (void)i;
    rtw_value_t value;
    expect(findings, guarded_call(spoken, func, &value, 1, &findings->changed) == RTW_OK && value.i32 == 0);
}

static void set_up_speaker(void)
{
    ready_host(&speaker);
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_imports_t *imports;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.on_log = hear;
    OK(rtw_runtime_create(&config, &runtime, &err), err);
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_libm(imports, &err), err);
    OK(rtw_imports_wasi(imports, NULL, &err), err);
    attach_here(runtime);
    rtw_instance_t *made = new_instance(load(runtime, "quiet"), imports, 0);
    speak = look_up(made, "speak", NULL);
    prepare_instance(made);
}

/* ---- both */

void set_up_guests(rtw_runtime_t *runtime)
{
    set_up_driven(runtime);
    set_up_speaker();
}

void prove_guests(uint64_t calls)
{
    prove_path(&(path_t){"blocks of guests for audio and control", uses_guests, NULL, &player, false}, calls);
    prove_path(&(path_t){"WASI, libm and the log", speaks, speak, &speaker, false}, calls);
    NEED(atomic_load(&heard) > 0, "the host has heard nothing of its guest");
}
