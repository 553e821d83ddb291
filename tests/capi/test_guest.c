/* Guests for audio and control: what they say of themselves, and the loader that drives them. */
#include "../support/common.h"

#include <math.h>
#include <string.h>

static rtw_error_t err;

enum { LENGTH = 1000 };
static float left[LENGTH], right[LENGTH], other_left[LENGTH], other_right[LENGTH];

static rtw_guest_t *drive(const guest_t *of, double rate, uint32_t max_frames) {
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.sample_rate = rate;
    config.max_frames = max_frames;
    rtw_guest_t *guest = NULL;
    require(rtw_guest_create(of->module, of->instance, NULL, &config, &guest, &err), &err, "a guest");
    require(rtw_guest_prepare(guest, 8, &err), &err, "is prepared");
    return guest;
}

static rtw_event_t change(uint32_t frame, uint16_t index, double value) {
    rtw_event_t event;
    memset(&event, 0, sizeof event);
    event.frame = frame;
    event.kind = RTW_EVENT_PARAM;
    event.index = index;
    event.data.value = value;
    return event;
}

static rtw_event_t midi(uint32_t frame, uint8_t status, uint8_t key, uint8_t velocity) {
    rtw_event_t event = change(frame, 3, 0);
    event.kind = RTW_EVENT_MIDI;
    event.data.midi[0] = status;
    event.data.midi[1] = key;
    event.data.midi[2] = velocity;
    return event;
}

static void ramp(void) {
    for (int n = 0; n < LENGTH; n++) {
        left[n] = (float)n / (float)LENGTH;
        right[n] = -left[n];
        other_left[n] = other_right[n] = 99;
    }
}

static double value_of(const rtw_guest_t *guest, uint32_t index) {
    double value = NAN;
    check_status(rtw_guest_get(guest, index, &value), RTW_OK, "a parameter's value");
    return value;
}

static double meter_of(const rtw_guest_t *guest, uint32_t index) {
    double value = NAN;
    check_status(rtw_guest_read_meter(guest, index, &value), RTW_OK, "a meter");
    return value;
}

/* ---- descriptions ---- */

/* Ends the program if a description was refused: there is no text to compare. */
static void told(rtw_status_t status, const char *what) { NEED(status == RTW_OK, "%s: %s", what, rtw_status_name(status)); }

static void test_description(const guest_t *of) {
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    told(rtw_guest_info(of->module, &info), "what the guest is");
    check(info.kind == RTW_GUEST_OWN && info.flags == RTW_GUEST_STATELESS, "kind and flags");
    check(strcmp(info.name, "Drive") == 0 && strcmp(info.meta, "author=rtwasm\nlicense=Apache-2.0") == 0, "name and other facts");
    check(info.input_count == 2 && info.output_count == 2 && info.port_count == 2, "channels and ports");
    check(info.param_count == 2 && info.meter_count == 1 && info.latency_frames == 0 && info.voice_count == 0, "numbers");
    rtw_guest_port_t port;
    told(rtw_guest_port(of->module, 1, &port), "a port");
    check(port.is_output == 1 && port.channel_count == 2 && strcmp(port.name, "Out") == 0, "is the output");
    check_status(rtw_guest_port(of->module, 2, &port), RTW_ERR_BOUNDS, "no such port");
    check_status(rtw_guest_port(of->module, 0, NULL), RTW_ERR_NULL, "no place for it");
    rtw_guest_param_t param;
    rtw_guest_param_init(&param);
    told(rtw_guest_param(of->module, 0, &param), "a parameter");
    check(strcmp(param.id, "gain") == 0 && strcmp(param.name, "Gain") == 0 && strcmp(param.group, "Level") == 0, "its names");
    check(param.min_value == 0 && param.max_value == 8 && param.default_value == 1 && param.flags == 0, "its range");
    told(rtw_guest_param(of->module, 1, &param), "another parameter");
    check(param.flags == RTW_PARAM_TOGGLE && strcmp(param.labels, "off\non") == 0 && *param.unit == 0 && *param.meta == 0, "a toggle");
    check_status(rtw_guest_param(of->module, 2, &param), RTW_ERR_BOUNDS, "no such parameter");
    check_status(rtw_guest_param(of->module, 0, NULL), RTW_ERR_NULL, "no place for it");
    told(rtw_guest_meter(of->module, 0, &param), "a meter");
    check(strcmp(param.id, "peak") == 0 && param.max_value == 8, "is the peak");
    check_status(rtw_guest_meter(of->module, 1, &param), RTW_ERR_BOUNDS, "no such meter");
    check_status(rtw_guest_info(NULL, &info), RTW_ERR_NULL, "no module");
    check_status(rtw_guest_info(of->module, NULL), RTW_ERR_NULL, "no place");
    info.struct_size = 3;
    check_status(rtw_guest_info(of->module, &info), RTW_ERR_STRUCT_SIZE, "a struct of no size");
    rtw_guest_info_init(NULL);
    rtw_guest_param_init(NULL);
    rtw_guest_config_init(NULL);
}

static void test_without_description(const guest_t *of) {
    rtw_module_t *plain = load(of->runtime, "slot");
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    check_status(rtw_guest_info(plain, &info), RTW_ERR_UNSUPPORTED, "a module that says nothing");
    rtw_guest_t *guest = (rtw_guest_t *)&info;
    check_status(rtw_guest_create(plain, of->instance, NULL, NULL, &guest, &err), RTW_ERR_UNSUPPORTED, "is not driven");
    check_error(&err, RTW_ERR_UNSUPPORTED, "does not describe its guest", "and says why");
    check(guest == NULL, "and there is no handle");
    rtw_slot_t *slot = NULL;
    check_status(rtw_guest_slot_create(plain, NULL, NULL, &slot, &err), RTW_ERR_UNSUPPORTED, "nor behind a slot");
    rtw_module_destroy(plain);
}

/* ---- blocks ---- */

static void test_blocks(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 64);
    ramp();
    const float *inputs[] = {left, right};
    float *outputs[] = {other_left, other_right};
    check_status(rtw_guest_set(guest, 0, 2), RTW_OK, "a parameter is set");
    check_status(rtw_guest_process(guest, inputs, outputs, LENGTH, NULL, 0), RTW_OK, "a block of 16 pieces");
    int wrong = 0;
    for (int n = 0; n < LENGTH; n++) wrong += other_left[n] != 2 * left[n] || other_right[n] != 2 * right[n];
    check(wrong == 0, "every frame of both channels");
    check(meter_of(guest, 0) == 2 * (double)left[LENGTH - 1], "the meter has the last piece's peak");
    /* In place, in pieces of every length. */
    const uint32_t lengths[] = {0, 1, 63, 64, 65, 7, 800};
    uint32_t done = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const float *in[] = {left + done, right + done};
        float *out[] = {left + done, right + done};
        check_status(rtw_guest_process(guest, in, out, lengths[i], NULL, 0), RTW_OK, "in place, %u frames", lengths[i]);
        done += lengths[i];
    }
    check(done == LENGTH && memcmp(left, other_left, sizeof left) == 0 && memcmp(right, other_right, sizeof right) == 0, "the same");
    /* Missing buffers. */
    const float *half[] = {NULL, right};
    float *none[] = {other_left, NULL};
    check_status(rtw_guest_process(guest, half, none, 10, NULL, 0), RTW_OK, "channels without buffers");
    check(other_left[0] == 0 && other_left[9] == 0 && other_left[10] == left[10], "are silence, and left out");
    check_status(rtw_guest_process(guest, NULL, NULL, 10, NULL, 0), RTW_OK, "no buffers at all");
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 1), RTW_ERR_NULL, "events that are not there");
    check_status(rtw_guest_process(NULL, inputs, outputs, 10, NULL, 0), RTW_ERR_NULL, "no guest");
    check(rtw_guest_func(guest) != NULL && rtw_guest_func(NULL) == NULL, "its function");
    check(stats_of_func(rtw_guest_func(guest)).call.count >= 16 + 20, "has the calls' times");
    rtw_guest_destroy(guest);
    rtw_guest_destroy(NULL);
    check_status(rtw_guest_set(guest, 0, 1), RTW_ERR_HANDLE, "a destroyed one");
}

static void test_params(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 1024);
    check(value_of(guest, 0) == 1 && value_of(guest, 1) == 0, "the defaults");
    check_status(rtw_guest_set(guest, 0, 100), RTW_OK, "beyond the range");
    check(value_of(guest, 0) == 8, "is limited");
    check_status(rtw_guest_set(guest, 0, NAN), RTW_ERR_ARGUMENT, "not a number");
    check_status(rtw_guest_set(guest, 2, 0), RTW_ERR_BOUNDS, "no such parameter");
    check_status(rtw_guest_set(NULL, 0, 0), RTW_ERR_NULL, "of no guest");
    double value;
    check_status(rtw_guest_get(guest, 2, &value), RTW_ERR_BOUNDS, "nor is it read");
    check_status(rtw_guest_get(guest, 0, NULL), RTW_ERR_NULL, "nowhere to read it to");
    check_status(rtw_guest_read_meter(guest, 1, &value), RTW_ERR_BOUNDS, "no such meter");
    check_status(rtw_guest_read_meter(NULL, 0, &value), RTW_ERR_NULL, "of no guest");

    /* Changes at frames, for a guest that takes no events: the block is divided. */
    ramp();
    const float *inputs[] = {left, right};
    float *outputs[] = {other_left, other_right};
    rtw_guest_set(guest, 0, 1);
    const rtw_event_t events[] = {change(0, 0, 2),    midi(5, 0x90, 60, 1), change(100, 0, 3),   change(100, 0, 4),
                                  change(999, 0, 5),  change(999, 9, 1),    change(999, 1, NAN), change(5000, 0, 6)};
    check_status(rtw_guest_process(guest, inputs, outputs, LENGTH, events, sizeof events / sizeof events[0]), RTW_OK, "automation");
    int wrong = 0;
    for (int n = 0; n < LENGTH; n++) wrong += other_left[n] != left[n] * (n < 100 ? 2.0f : n < 999 ? 4.0f : 6.0f);
    check(wrong == 0, "each change at its frame, and those behind the end with the last one");
    check(value_of(guest, 0) == 6, "the last value stays");
    check_status(rtw_guest_process(guest, inputs, outputs, 0, events, 1), RTW_OK, "an event in an empty block");
    check(value_of(guest, 0) == 2, "counts");
    rtw_guest_destroy(guest);
}

static void test_events(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 256);
    float *outputs[] = {left};
    /* More notes than the guest has room for at a time; one that begins at each tenth frame and ends five later. */
    static rtw_event_t events[400];
    size_t count = 0;
    for (uint32_t n = 0; n < 100; n++) {
        events[count++] = midi(n * 10, 0x90, 60, 100);
        events[count++] = change(n * 10, 0, n % 2 ? 1 : 0.25);
        events[count++] = midi(n * 10 + 5, 0x80, 60, 0);
    }
    check_status(rtw_guest_process(guest, NULL, outputs, LENGTH, events, count), RTW_OK, "300 events in a block");
    int wrong = 0;
    for (int n = 0; n < LENGTH; n++) wrong += fabsf(left[n]) != (n % 10 >= 5 ? 0.0f : n / 10 % 2 ? 1.0f : 0.25f);
    check(wrong == 0, "each at its frame");
    check(meter_of(guest, 0) == -1 && value_of(guest, 0) == 1, "the meter and the value at the end");
    /* All at one frame. */
    for (size_t n = 0; n < 400; n++) events[n] = change(3, 0, (double)n / 400);
    events[399] = midi(3, 0x90, 69, 1);
    check_status(rtw_guest_process(guest, NULL, outputs, 8, events, 400), RTW_OK, "400 events at a frame");
    check(left[2] == 0 && fabsf(left[3]) == (float)(398.0 / 400), "the last one counts");
    check_status(rtw_guest_reset(guest), RTW_OK, "reset");
    check_status(rtw_guest_process(guest, NULL, outputs, 8, NULL, 0), RTW_OK, "a block after it");
    check(left[0] == 0 && value_of(guest, 0) == 398.0 / 400, "is silent, with the parameters as they were");
    check_status(rtw_guest_reset(NULL), RTW_ERR_NULL, "of no guest");
    rtw_guest_destroy(guest);
}

/* ---- state ---- */

static void test_state(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 256);
    float *outputs[] = {left}, *others[] = {right};
    const rtw_event_t on = midi(0, 0x90, 57, 100);
    rtw_guest_set(guest, 0, 0.75);
    check_status(rtw_guest_process(guest, NULL, outputs, 100, &on, 1), RTW_OK, "a note");
    size_t needed = 0;
    check_status(rtw_guest_save_state(guest, NULL, 0, &needed, &err), RTW_ERR_LIMIT, "how large the state is");
    uint8_t bytes[256];
    check(needed > 16 && needed <= sizeof bytes, "is told");
    check_status(rtw_guest_save_state(guest, bytes, sizeof bytes, &needed, &err), RTW_OK, "the state");
    check_status(rtw_guest_save_state(guest, NULL, 1, &needed, &err), RTW_ERR_NULL, "nowhere to save it");

    guest_t fresh = *of;
    fresh.instance = new_instance(of->module, NULL, 0);
    rtw_guest_t *next = drive(&fresh, 48000, 256);
    check_status(rtw_guest_load_state(next, bytes, needed, &err), RTW_OK, "in another instance");
    check(value_of(next, 0) == 0.75, "the parameters are there");
    check_status(rtw_guest_process(guest, NULL, outputs, 500, NULL, 0), RTW_OK, "the first goes on");
    check_status(rtw_guest_process(next, NULL, others, 500, NULL, 0), RTW_OK, "and so does the other");
    check(fabsf(left[0]) == 0.75f && memcmp(left, right, 500 * sizeof *left) == 0, "alike");

    for (size_t cut = 0; cut < needed; cut++) {
        check_status(rtw_guest_load_state(next, bytes, cut, &err), RTW_ERR_STATE, "a state of %zu bytes", cut);
    }
    bytes[needed - 5] = 0x7f; /* the highest byte of its note */
    rtw_guest_set(next, 0, 0.5);
    check_status(rtw_guest_load_state(next, bytes, needed, &err), RTW_ERR_STATE, "one that the guest refuses");
    check(value_of(next, 0) == 0.5, "changes no parameter");
    check_status(rtw_guest_load_state(NULL, bytes, needed, &err), RTW_ERR_NULL, "no guest");
    check_status(rtw_guest_save_state(NULL, bytes, needed, &needed, &err), RTW_ERR_NULL, "none to save");
    rtw_guest_destroy(next);
    rtw_instance_destroy(fresh.instance);
    rtw_guest_destroy(guest);
}

/* ---- faults and refusals ---- */

static void test_faults(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 100);
    check(rtw_guest_latency(guest) == 7 && rtw_guest_latency(NULL) == 0, "the latency");
    ramp();
    const float *inputs[] = {left};
    float *outputs[] = {other_left};
    rtw_guest_set(guest, 0, 3);
    const rtw_event_t trap = change(250, 1, 1);
    check_status(rtw_guest_process(guest, inputs, outputs, LENGTH, &trap, 1), RTW_ERR_TRAP_UNREACHABLE, "a trap in the block");
    check(other_left[249] == left[249] + 3 && other_left[250] == 0 && other_left[LENGTH - 1] == 0, "silence from there on");
    other_left[0] = 9;
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_ERR_FAULTED, "the next block");
    check(other_left[0] == 0, "is silent as well");
    rtw_guest_set(guest, 1, 0);
    check_status(rtw_guest_renew(guest, &err), RTW_OK, "made anew");
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_OK, "it runs again");
    check(other_left[5] == left[5] + 3, "with its parameters");
    check_status(rtw_guest_renew(NULL, &err), RTW_ERR_NULL, "no guest");
    check_status(rtw_guest_set_budget(guest, 1000), RTW_OK, "a budget where there is none");
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_OK, "has no effect");
    check_status(rtw_guest_set_budget(NULL, 0), RTW_ERR_NULL, "of no guest");
    check_status(rtw_guest_prepare(guest, 2000000, &err), RTW_ERR_ARGUMENT, "too many dry calls");
    check_status(rtw_guest_prepare(NULL, 0, &err), RTW_ERR_NULL, "of no guest");
    rtw_guest_destroy(guest);

    static const struct {
        double rate;
        uint32_t frames;
        rtw_status_t status;
        const char *text;
    } wrong[] = {
        {900, 100, RTW_ERR_ARGUMENT, "the guest refuses 900 Hz and 100 frames: rtw_init returned 1"},
        {48000, 1000, RTW_ERR_ARGUMENT, "refuses 48000 Hz and 1000 frames"},
        {2000, 100, RTW_ERR_BOUNDS, "outside its memory"},
        {NAN, 100, RTW_ERR_ARGUMENT, "sample_rate"},
        {-1, 100, RTW_ERR_ARGUMENT, "sample_rate"},
        {48000, 2000000, RTW_ERR_ARGUMENT, "max_frames"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rtw_guest_config_t config;
        rtw_guest_config_init(&config);
        config.sample_rate = wrong[i].rate;
        config.max_frames = wrong[i].frames;
        guest = NULL;
        check_status(rtw_guest_create(of->module, of->instance, NULL, &config, &guest, &err), wrong[i].status, "what is refused, %d", (int)i);
        check_error(&err, wrong[i].status, wrong[i].text, "and says why");
    }
    rtw_slot_t *slot = NULL;
    require(rtw_guest_slot_create(of->module, NULL, NULL, &slot, &err), &err, "a slot");
    check_status(rtw_guest_create(of->module, of->instance, slot, NULL, &guest, &err), RTW_ERR_ARGUMENT, "both");
    check_status(rtw_guest_create(of->module, NULL, NULL, NULL, &guest, &err), RTW_ERR_NULL, "neither");
    rtw_slot_destroy(slot);
}

/* ---- behind a slot ---- */

static void publish(const guest_t *of, rtw_slot_t *slot) {
    rtw_instance_t *instance = new_instance(of->module, NULL, 0);
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "an instance is published");
    rtw_instance_destroy(instance);
}

/* The slot calls rtw_init, and refuses what that refuses, as rtw_guest_create does. */
static void test_refused_behind_slot(const guest_t *of) {
    static const struct {
        double rate;
        uint32_t frames;
        rtw_status_t status;
        const char *text;
    } tried[] = {
        {48000, 512, RTW_OK, ""},
        {48000, 513, RTW_ERR_ARGUMENT, "the guest refuses 48000 Hz and 513 frames: rtw_init returned 1"},
        {900, 512, RTW_ERR_ARGUMENT, "the guest refuses 900 Hz and 512 frames: rtw_init returned 1"},
    };
    rtw_instance_t *instance = new_instance(of->module, NULL, 0);
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        rtw_guest_config_t config;
        rtw_guest_config_init(&config);
        config.sample_rate = tried[i].rate;
        config.max_frames = tried[i].frames;
        rtw_slot_t *slot = NULL;
        rtw_guest_t *guest = NULL;
        require(rtw_guest_slot_create(of->module, &config, NULL, &slot, &err), &err, "a slot");
        require(rtw_guest_create(of->module, NULL, slot, &config, &guest, &err), &err, "a guest behind it");
        const rtw_status_t status = rtw_slot_publish(slot, instance, NULL, &err);
        check_status(status, tried[i].status, "a publication for %g Hz and %u frames", tried[i].rate, tried[i].frames);
        if (status != RTW_OK) check_error(&err, tried[i].status, tried[i].text, "and says why");
        const rtw_status_t after = tried[i].status == RTW_OK ? RTW_OK : RTW_ERR_EMPTY;
        check_status(rtw_guest_process(guest, NULL, (float *[]){other_left}, 10, NULL, 0), after, "the next block");
        check(stats_of_slot(slot).refused == (tried[i].status != RTW_OK), "a refusal is counted");
        rtw_guest_destroy(guest);
        rtw_slot_destroy(slot);
    }
    rtw_instance_destroy(instance);
}

static void test_slot(const guest_t *of, const guest_t *another) {
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.max_frames = 128;
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.standby = 1;
    rtw_slot_t *slot = NULL;
    require(rtw_guest_slot_create(of->module, &config, &slot_config, &slot, &err), &err, "a slot");
    rtw_guest_t *guest = NULL;
    require(rtw_guest_create(of->module, NULL, slot, &config, &guest, &err), &err, "a guest behind it");
    check(rtw_guest_func(guest) == NULL, "has no function of its own");
    check_status(rtw_guest_prepare(guest, 8, &err), RTW_OK, "nothing to prepare");
    check_status(rtw_guest_renew(guest, &err), RTW_ERR_UNSUPPORTED, "nor to renew");
    ramp();
    const float *inputs[] = {left};
    float *outputs[] = {other_left};
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_ERR_EMPTY, "an empty slot");
    check(other_left[0] == 0 && other_left[10] == 99, "is silent");
    publish(of, slot);
    check_status(rtw_guest_set(guest, 0, 4), RTW_OK, "a parameter");
    check_status(rtw_guest_process(guest, inputs, outputs, LENGTH, NULL, 0), RTW_OK, "a block");
    check(other_left[500] == left[500] + 4 && rtw_guest_latency(guest) == 7, "by the instance");
    wait_for_spares(slot, 1);
    const rtw_event_t trap = change(5, 1, 1);
    check_status(rtw_guest_process(guest, inputs, outputs, 10, &trap, 1), RTW_ERR_TRAP_UNREACHABLE, "a fault");
    check(other_left[4] == left[4] + 4 && other_left[5] == 0, "silence from there on");
    rtw_guest_set(guest, 1, 0);
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_OK, "the spare takes over");
    check(other_left[5] == left[5] + 4, "with the parameters");
    publish(of, slot);
    check_status(rtw_guest_process(guest, inputs, outputs, 10, NULL, 0), RTW_OK, "a new version");
    check(other_left[5] == left[5] + 4, "has the parameters as well");
    check(stats_of_slot(slot).publications == 2, "both were taken");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_slot_func_stats(slot, RTW_GUEST_FUNC_PROCESS, &stats), RTW_OK, "the statistics");
    check(stats.call.count >= 11 && stats.faults == 1, "count all");
    uint8_t bytes[64];
    size_t needed = 0;
    check_status(rtw_guest_save_state(guest, bytes, sizeof bytes, &needed, &err), RTW_OK, "the state is saved");
    rtw_guest_set(guest, 0, 1);
    check_status(rtw_guest_load_state(guest, bytes, needed, &err), RTW_OK, "and loaded");
    check(value_of(guest, 0) == 4, "with the parameters");
    check_status(rtw_guest_reset(guest), RTW_OK, "and reset");
    check_status(rtw_guest_set_budget(guest, UINT64_MAX), RTW_OK, "and has the instance's budget");
    rtw_guest_destroy(guest);

    /* A driver for another shape than the instance's. */
    require(rtw_guest_create(another->module, NULL, slot, &config, &guest, &err), &err, "a guest of another module");
    float *stereo[] = {other_left, other_right};
    check_status(rtw_guest_process(guest, NULL, stereo, 10, NULL, 0), RTW_ERR_SIGNATURE, "does not drive what is there");
    rtw_guest_destroy(guest);
    rtw_slot_destroy(slot);
    slot_config.func_count = 1;
    check_status(rtw_guest_slot_create(of->module, NULL, &slot_config, &slot, &err), RTW_ERR_ARGUMENT, "functions of the host's");
    check_error(&err, RTW_ERR_ARGUMENT, "the library adds them", "are none of its business");
}

/* ---- what a host does wrong ---- */

/* Calls every function that takes a guest's handle; each has to return `status`. */
static void refuse_all(rtw_guest_t *guest, rtw_status_t status, const char *what) {
    double value;
    size_t needed = 0;
    uint8_t bytes[64] = {0};
    check_status(rtw_guest_process(guest, NULL, NULL, 10, NULL, 0), status, "%s: process", what);
    check_status(rtw_guest_set(guest, 0, 1), status, "%s: set", what);
    check_status(rtw_guest_get(guest, 0, &value), status, "%s: get", what);
    check_status(rtw_guest_read_meter(guest, 0, &value), status, "%s: a meter", what);
    check_status(rtw_guest_set_budget(guest, 0), status, "%s: a budget", what);
    check_status(rtw_guest_reset(guest), status, "%s: reset", what);
    check_status(rtw_guest_prepare(guest, 1, &err), status, "%s: prepare", what);
    check_status(rtw_guest_renew(guest, &err), status, "%s: renew", what);
    check_status(rtw_guest_save_state(guest, bytes, sizeof bytes, &needed, &err), status, "%s: save", what);
    check_status(rtw_guest_load_state(guest, bytes, sizeof bytes, &err), status, "%s: load", what);
    check(rtw_guest_latency(guest) == 0 && rtw_guest_func(guest) == NULL, "%s: no latency, no function", what);
}

static void test_handles(const guest_t *of) {
    refuse_all(NULL, RTW_ERR_NULL, "no guest");
    refuse_all((rtw_guest_t *)of->instance, RTW_ERR_HANDLE, "an instance");
    rtw_guest_t *guest = drive(of, 48000, 64);
    rtw_guest_destroy(guest);
    refuse_all(guest, RTW_ERR_HANDLE, "a destroyed guest");

    rtw_guest_info_t info;
    rtw_guest_port_t port;
    rtw_guest_param_t param;
    rtw_guest_info_init(&info);
    rtw_guest_param_init(&param);
    const rtw_module_t *none = (const rtw_module_t *)of->instance;
    rtw_slot_t *slot = NULL;
    check_status(rtw_guest_info(none, &info), RTW_ERR_HANDLE, "info of an instance");
    check_status(rtw_guest_port(none, 0, &port), RTW_ERR_HANDLE, "a port of an instance");
    check_status(rtw_guest_param(none, 0, &param), RTW_ERR_HANDLE, "a parameter of an instance");
    check_status(rtw_guest_meter(none, 0, &param), RTW_ERR_HANDLE, "a meter of an instance");
    check_status(rtw_guest_slot_create(none, NULL, NULL, &slot, &err), RTW_ERR_HANDLE, "a slot of an instance");
    check_status(rtw_guest_create(none, of->instance, NULL, NULL, &guest, &err), RTW_ERR_HANDLE, "a guest of an instance");
    param.struct_size = 3;
    check_status(rtw_guest_param(of->module, 0, &param), RTW_ERR_STRUCT_SIZE, "a parameter of no size");
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.struct_size = 3;
    check_status(rtw_guest_create(of->module, of->instance, NULL, &config, &guest, &err), RTW_ERR_STRUCT_SIZE, "a configuration of no size");
    check_status(rtw_guest_slot_create(of->module, &config, NULL, &slot, &err), RTW_ERR_STRUCT_SIZE, "also of a slot's");
    check(guest == NULL && slot == NULL, "and there is no handle");

    /* Slots that are not of rtw_guest_slot_create, and one that is gone. */
    slot = new_slot(of->runtime, "rtw_process", "(i32)->()", NULL);
    check_status(rtw_guest_create(of->module, NULL, slot, NULL, &guest, &err), RTW_ERR_ARGUMENT, "a slot of one function");
    check_error(&err, RTW_ERR_ARGUMENT, "rtw_guest_slot_create", "says what made it");
    rtw_slot_destroy(slot);
    check_status(rtw_guest_create(of->module, NULL, slot, NULL, &guest, &err), RTW_ERR_HANDLE, "a slot that is gone");
    require(rtw_guest_slot_create(of->module, NULL, NULL, &slot, &err), &err, "a slot");
    require(rtw_guest_create(of->module, NULL, slot, NULL, &guest, &err), &err, "a guest behind it");
    rtw_slot_destroy(slot);
    ramp();
    float *outputs[] = {other_left, other_right};
    check_status(rtw_guest_process(guest, NULL, outputs, 10, NULL, 0), RTW_ERR_HANDLE, "a block behind a slot that is gone");
    check(other_left[9] == 0 && other_right[9] == 0 && other_left[10] == 99, "is silent");
    check_status(rtw_guest_reset(guest), RTW_ERR_HANDLE, "its reset");
    rtw_guest_destroy(guest);
}

/* A guest that the parent made is the parent's. */
typedef struct inherited_t {
    const guest_t *of;
    rtw_guest_t *own, *behind;
    uint8_t bytes[256];
    size_t length;
} inherited_t;

static void in_child(void *data) {
    const inherited_t *has = data;
    float *outputs[] = {other_left};
    rtw_guest_t *const both[] = {has->own, has->behind};
    for (int i = 0; i < 2; i++) {
        size_t needed;
        uint8_t bytes[256];
        ramp();
        check_status(rtw_guest_process(both[i], NULL, outputs, 10, NULL, 0), RTW_ERR_FORKED, "fork: a block, %d", i);
        check(other_left[0] == 0 && other_left[9] == 0 && other_left[10] == 99, "fork: is silent");
        check_status(rtw_guest_reset(both[i]), RTW_ERR_FORKED, "fork: reset");
        check_status(rtw_guest_save_state(both[i], bytes, sizeof bytes, &needed, &err), RTW_ERR_STATE, "fork: save");
        check_error(&err, RTW_ERR_STATE, "RTW_ERR_FORKED", "fork: the message says why");
        check_status(rtw_guest_load_state(both[i], has->bytes, has->length, &err), RTW_ERR_STATE, "fork: load");
        check_error(&err, RTW_ERR_STATE, "RTW_ERR_FORKED", "fork: the message says why");
        check_status(rtw_guest_set(both[i], 0, 0.5), RTW_OK, "fork: a parameter is a number");
        check(value_of(both[i], 0) == 0.5, "fork: which can be read");
    }
    check_status(rtw_guest_renew(has->own, &err), RTW_ERR_FORKED, "fork: renew");
    check_status(rtw_guest_prepare(has->own, 1, &err), RTW_ERR_FORKED, "fork: prepare");
    rtw_guest_destroy(has->own);
    rtw_guest_destroy(has->behind);
}

static void test_fork(const guest_t *of) {
    inherited_t has = {.of = of, .own = drive(of, 48000, 64)};
    rtw_slot_t *slot = NULL;
    require(rtw_guest_slot_create(of->module, NULL, NULL, &slot, &err), &err, "a slot");
    require(rtw_guest_create(of->module, NULL, slot, NULL, &has.behind, &err), &err, "a guest behind it");
    publish(of, slot);
    require(rtw_guest_save_state(has.own, has.bytes, sizeof has.bytes, &has.length, &err), &err, "a state");
    float *outputs[] = {other_left};
    check_status(rtw_guest_process(has.behind, NULL, outputs, 10, NULL, 0), RTW_OK, "a block before the fork");
    check_in_child("fork", in_child, &has);
    check_status(rtw_guest_process(has.own, NULL, outputs, 10, NULL, 0), RTW_OK, "the parent's guest goes on");
    check_status(rtw_guest_process(has.behind, NULL, outputs, 10, NULL, 0), RTW_OK, "also behind its slot");
    rtw_guest_destroy(has.behind);
    rtw_slot_destroy(slot);
    rtw_guest_destroy(has.own);
}

/* A state of parameters alone. */
static void test_short_state(const guest_t *of) {
    rtw_guest_t *guest = drive(of, 48000, 64);
    uint8_t bytes[64] = {0};
    size_t needed = 0;
    rtw_guest_set(guest, 0, 3);
    require(rtw_guest_save_state(guest, bytes, sizeof bytes - 1, &needed, &err), &err, "a state");
    rtw_guest_set(guest, 0, 4);
    for (size_t length = 0; length <= needed + 1; length++) {
        if (length == needed) continue;
        check_status(rtw_guest_load_state(guest, bytes, length, &err), RTW_ERR_STATE, "%zu bytes of it", length);
    }
    for (size_t at = 0; at < 12; at++) {
        bytes[at] ^= 1;
        check_status(rtw_guest_load_state(guest, bytes, needed, &err), RTW_ERR_STATE, "another byte %zu", at);
        bytes[at] ^= 1;
    }
    check(value_of(guest, 0) == 4, "changes no parameter");
    check_status(rtw_guest_load_state(guest, NULL, needed, &err), RTW_ERR_NULL, "no bytes");
    check_status(rtw_guest_load_state(guest, bytes, needed, &err), RTW_OK, "all of it");
    check(value_of(guest, 0) == 3, "is loaded");
    rtw_guest_destroy(guest);
}

/* The guest that a host function uses while its block runs, and the calls of it so far. */
typedef struct visitor_t {
    rtw_guest_t *guest;
    int visits;
} visitor_t;

static rtw_status_t visit(void *data, rtw_instance_t *caller, rtw_value_t *values) {
    visitor_t *visitor = data;
    (void)caller, (void)values;
    if (visitor->guest == NULL || visitor->visits++ != 0) return RTW_OK;
    uint8_t bytes[64];
    size_t needed;
    float *outputs[] = {right};
    check_status(rtw_guest_set(visitor->guest, 0, 3), RTW_OK, "inside: a parameter");
    check(value_of(visitor->guest, 0) == 3, "inside: has its value");
    check_status(rtw_guest_renew(visitor->guest, &err), RTW_ERR_BUSY, "inside: renew");
    check_status(rtw_guest_save_state(visitor->guest, bytes, sizeof bytes, &needed, &err), RTW_OK, "inside: save");
    rtw_guest_set(visitor->guest, 0, 5);
    check_status(rtw_guest_process(visitor->guest, NULL, outputs, 10, NULL, 0), RTW_OK, "inside: another block");
    check(right[9] == 5, "inside: has the parameter");
    check_status(rtw_guest_load_state(visitor->guest, bytes, needed, &err), RTW_OK, "inside: load");
    return RTW_OK;
}

static void test_inside(void) {
    visitor_t visitor = {NULL, 0};
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "visit", "()->()", visit, &visitor, NULL, 0, &err), &err, "a host function");
    guest_t of = open_guest("inside", imports);
    rtw_imports_destroy(imports);
    rtw_guest_t *guest = drive(&of, 48000, 64);
    float *outputs[] = {left};
    rtw_guest_set(guest, 0, 2);
    visitor.guest = guest;
    check_status(rtw_guest_process(guest, NULL, outputs, 200, NULL, 0), RTW_OK, "a block of four calls, the first with a visit");
    check(visitor.visits == 5, "each call visits the host, and so does the block inside: %d", visitor.visits);
    check(left[0] == 5 && left[63] == 5, "the block inside has given the guest its parameter: %g, %g", (double)left[0], (double)left[63]);
    check(left[64] == 3 && left[199] == 3, "the next call has what was loaded: %g, %g", (double)left[64], (double)left[199]);
    rtw_guest_destroy(guest);
    close_guest(&of);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t of_drive = open_guest("drive", NULL);
    test_description(&of_drive);
    test_without_description(&of_drive);
    test_blocks(&of_drive);
    test_params(&of_drive);
    guest_t driven = open_guest("driven", NULL);
    test_refused_behind_slot(&driven);
    test_slot(&driven, &of_drive);
    test_faults(&driven);
    test_handles(&of_drive);
    renew(&driven, NULL);
    test_short_state(&driven);
    test_inside();
    guest_t tone = open_guest("tone", NULL);
    test_events(&tone);
    renew(&tone, NULL);
    test_state(&tone);
    renew(&tone, NULL);
    test_fork(&tone);
    close_guest(&tone);
    close_guest(&driven);
    close_guest(&of_drive);
    return check_summary();
}
