/* Runs each guest of a folder with the same inputs everywhere, and prints a digest of what it works out: of each call's result, and of
 * the whole memory afterwards. Two machines agree on a guest if their lines are the same.
 *   kernels standalone|plugin ARTIFACTS NAME...
 * NAME:flush runs the guest with denormals flushed; otherwise they are kept as IEEE 754 has them. ROUNDS: how often each works, 100
 * otherwise. */
#include "../../guests/dsp/kernels.h"
#include "../support/common.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t digest;
static unsigned long calls;

/* FNV-1a, 64 bits. */
static void add_bytes(const void *data, size_t length) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++) digest = (digest ^ bytes[i]) * UINT64_C(1099511628211);
}

/* Marsaglia's xorshift: the inputs. At most one call an argument list: compilers for different machines work arguments out in another
 * order. */
static uint32_t state;
static uint32_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}
static double noise(void) { return (double)(int32_t)next_random() * 0x1p-31; }

static guest_t guest;

/* Calls a function; its result of `bytes` bytes, and how it ended, go into the digest. */
static rtw_value_t run(const char *name, rtw_value_t a, rtw_value_t b, rtw_value_t c, size_t bytes) {
    rtw_value_t values[3];
    values[0] = a, values[1] = b, values[2] = c;
    const rtw_status_t status = call(guest.instance, name, values, 3);
    add_bytes(&status, sizeof status);
    if (status == RTW_OK) add_bytes(&values[0], bytes);
    calls++;
    return values[0];
}
static rtw_value_t none(void) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    return value;
}
static rtw_value_t i32(int32_t number) {
    rtw_value_t value = none();
    value.i32 = number;
    return value;
}
static rtw_value_t f32(float number) {
    rtw_value_t value = none();
    value.f32 = number;
    return value;
}
static rtw_value_t f64(double number) {
    rtw_value_t value = none();
    value.f64 = number;
    return value;
}
static int32_t run_i32(const char *name, rtw_value_t a, rtw_value_t b, rtw_value_t c) { return run(name, a, b, c, 4).i32; }

static bool exports(const char *name) {
    for (size_t i = 0; i < rtw_module_export_count(guest.module); i++) {
        rtw_extern_t out;
        if (rtw_module_export(guest.module, i, &out) == RTW_OK && strcmp(out.name, name) == 0) return true;
    }
    return false;
}

static float *floats_at(int32_t address, size_t count) {
    float *at = rtw_instance_memory_at(guest.instance, (uint32_t)address, count * sizeof *at);
    NEED(at != NULL, "no memory at %" PRId32, address);
    return at;
}

/* Samples: noise, and from time to time what is no sample: infinities, NaNs, denormals. */
static float sample(bool strange) {
    static const uint32_t no_samples[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 0x00000001, 0x80400000};
    const uint32_t choice = next_random() % 97;
    float value = (float)noise();
    if (strange && choice < sizeof no_samples / sizeof no_samples[0]) memcpy(&value, &no_samples[choice], sizeof value);
    return value;
}

/* An audio effect (guests/audio). */
static void run_effect(unsigned rounds) {
    enum { FRAMES = 128 };
    for (int strange = 0; strange < 2; strange++) {
        (void)run_i32("init", f32(48000.0f), i32(2), i32(FRAMES));
        for (int32_t id = 0; id < 25; id++) (void)run_i32("set_param", i32(id), f32((float)(1.5 + noise())), none());
        for (unsigned round = 0; round < rounds; round++) {
            if (round % 16 == 15) {
                const int32_t id = (int32_t)(next_random() % 25);
                (void)run_i32("set_param", i32(id), f32((float)(3.0 * noise())), none());
            }
            for (int32_t channel = 0; channel < 2; channel++) {
                float *input = floats_at(run_i32("input", i32(channel), none(), none()), FRAMES);
                for (size_t i = 0; i < FRAMES; i++) input[i] = sample(strange != 0);
            }
            (void)run("process", i32(FRAMES), none(), none(), 0);
            for (int32_t channel = 0; channel < 2; channel++)
                add_bytes(floats_at(run_i32("output", i32(channel), none(), none()), FRAMES), FRAMES * sizeof(float));
        }
    }
}

/* A controller (guests/control). */
static void run_controller(unsigned rounds) {
    (void)run_i32("init", f64(0.001), none(), none());
    for (int32_t id = 0; id < 12; id++) (void)run_i32("set_param", i32(id), f64(0.5 + noise() * 0.4), none());
    const int32_t io = run_i32("io", none(), none(), none());
    for (unsigned round = 0; round < rounds * 10; round++) {
        double *block = (double *)(void *)floats_at(io, 8);
        for (int i = 0; i < 4; i++) block[i] = noise();
        const double reference = noise(), measurement = noise();
        (void)run("step", f64(reference), f64(measurement), none(), 8);
        add_bytes(floats_at(io, 8), 32);
    }
}

/* A kernel (guests/kernels). */
static void run_kernel(unsigned rounds) {
    (void)run("init", none(), none(), none(), 0);
    for (unsigned round = 0; round < rounds; round++) (void)run("run", none(), none(), none(), 0);
    (void)run_i32("checksum", none(), none(), none());
}

/* The kernels of guests/dsp, in both forms. */
static void run_dsp(unsigned rounds) {
    (void)run("init", none(), none(), none(), 0);
    const int32_t output = run_i32("output", none(), none(), none());
    for (unsigned round = 0; round < rounds; round += 10) {
#define RUN(name, has_header)                                                  \
    (void)run(#name "_plain", none(), none(), none(), 0);                      \
    add_bytes(floats_at(output, 2048), 2048 * sizeof(float));                  \
    if (has_header) (void)run(#name "_header", none(), none(), none(), 0);     \
    add_bytes(floats_at(output, 2048), 2048 * sizeof(float));
        DSP_KERNELS(RUN)
    }
}

/* A guest of the own interface (guests/interface), with a note in each block. */
static void run_driven(unsigned rounds) {
    enum { FRAMES = 128, MOST_CHANNELS = 2 };
    static float inputs[MOST_CHANNELS][FRAMES], outputs[MOST_CHANNELS][FRAMES];
    const float *from[] = {inputs[0], inputs[1]};
    float *to[] = {outputs[0], outputs[1]};
    rtw_error_t err;
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    NEED(rtw_guest_info(guest.module, &info) == RTW_OK, "the guest is not described");
    NEED(info.input_count <= MOST_CHANNELS && info.output_count <= MOST_CHANNELS, "%s: too many channels", info.name);
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.max_frames = FRAMES;
    rtw_guest_t *driven = NULL;
    require(rtw_guest_create(guest.module, guest.instance, NULL, &config, &driven, &err), &err, "%s is driven", info.name);
    require(rtw_guest_prepare(driven, 0, &err), &err, "%s is prepared", info.name);
    for (unsigned round = 0; round < 2 * rounds; round++) {
        for (uint32_t index = 0; index < info.param_count; index++) {
            rtw_guest_param_t param;
            rtw_guest_param_init(&param);
            NEED(rtw_guest_param(guest.module, index, &param) == RTW_OK, "%s: parameter %" PRIu32, info.name, index);
            NEED(rtw_guest_set(driven, index, param.min_value + (param.max_value - param.min_value) * fabs(noise())) == RTW_OK, "set");
        }
        for (uint32_t channel = 0; channel < info.input_count; channel++)
            for (size_t i = 0; i < FRAMES; i++) inputs[channel][i] = sample(round >= rounds);
        rtw_event_t note;
        memset(&note, 0, sizeof note);
        note.kind = RTW_EVENT_MIDI;
        note.frame = next_random() % FRAMES;
        note.data.midi[0] = (uint8_t)(round % 4 == 3 ? 0x80 : 0x90);
        note.data.midi[1] = (uint8_t)(36 + round / 4 * 7 % 48);
        note.data.midi[2] = 100;
        const rtw_status_t status = rtw_guest_process(driven, from, to, FRAMES, &note, 1);
        add_bytes(&status, sizeof status);
        for (uint32_t channel = 0; channel < info.output_count; channel++) add_bytes(outputs[channel], sizeof outputs[channel]);
        calls++;
    }
    rtw_guest_destroy(driven);
}

static void run_others(unsigned rounds) {
    for (unsigned round = 0; round < rounds; round++) {
        if (exports("gain")) { /* guests/minimal */
            const int32_t at = run_i32("buffer", none(), none(), none());
            for (size_t i = 0; i < 64; i++) floats_at(at, 64)[i] = sample(true);
            (void)run_i32("gain", i32(at), i32(64), f32((float)noise()));
        }
        if (exports("add")) { /* bench/guests/calls */
            const int32_t a = (int32_t)next_random(), b = (int32_t)next_random();
            (void)run_i32("add", i32(a), i32(b), none());
        }
        if (exports("call_host")) (void)run("call_host", none(), none(), none(), 0);
        if (exports("act")) (void)run_i32("act", i32(0), none(), none()); /* bench/guests/slot */
        if (exports("tail")) (void)run("tail", none(), none(), none(), 0); /* bench/guests/tail */
    }
}

static rtw_status_t nothing(void *user_data, struct rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static void run_guest(const char *name, unsigned rounds) {
    char guest_name[64];
    snprintf(guest_name, sizeof guest_name, "%.*s", (int)strcspn(name, ":"), name);
    rtw_error_t err;
    rtw_imports_t *imports = NULL;
    guest.runtime = make_runtime();
    guest.module = load(guest.runtime, guest_name);
    require(rtw_imports_create(&imports, &err), &err, "imports");
    if (rtw_module_import_count(guest.module) > 0)
        require(rtw_imports_func(imports, "host", "nop", "()->()", nothing, NULL, NULL, 0, &err), &err, "host.nop");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.denormals = strchr(name, ':') != NULL ? RTW_DENORMALS_FLUSH : RTW_DENORMALS_IEEE;
    require(rtw_instance_create(guest.module, imports, &config, &guest.instance, &err), &err, "an instance of %s", guest_name);
    attach_here(guest.runtime);
    digest = UINT64_C(14695981039346656037);
    calls = 0;
    state = 1;
    if (exports("process"))
        run_effect(rounds);
    else if (exports("step"))
        run_controller(rounds);
    else if (exports("rtw_process"))
        run_driven(rounds);
    else if (exports("fir_plain"))
        run_dsp(rounds);
    else if (exports("checksum"))
        run_kernel(rounds);
    else
        run_others(rounds);
    NEED(calls > 2, "%s: none of its functions is known here", guest_name);
    rtw_memory_view_t memory;
    require(rtw_instance_memory(guest.instance, NULL, &memory, &err), &err, "the memory of %s", guest_name);
    add_bytes(memory.base, (size_t)memory.size_bytes);
    const char *folder = getenv("DUMP"); /* where the memories go, to be compared by hand */
    if (folder != NULL) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s.%s", folder, name, profile_name);
        FILE *file = fopen(path, "wb");
        NEED(file != NULL && fwrite(memory.base, 1, (size_t)memory.size_bytes, file) == memory.size_bytes && fclose(file) == 0, "%s", path);
    }
    printf("%s %s %016" PRIx64 " of %lu calls and %" PRIu64 " bytes\n", name, profile_name, digest, calls, (uint64_t)memory.size_bytes);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const char *rounds = getenv("ROUNDS");
    for (int i = 3; i < argc; i++) run_guest(argv[i], rounds != NULL ? (unsigned)atoi(rounds) : 100);
    return 0;
}
