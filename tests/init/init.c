/* A guest that was set up at compile time, beside the same guest set up at run time: their states, resets, spares, faults; files that
 * are mapped over kept state; and the compiler's refusals. The start-up of either can be counted: init PROFILE FOLDER GUEST count HOW. */
#include "../support/common.h"

#include <fcntl.h>
#include <rtwasm_compiler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const SET_UP[] = {"setup=48000,f32:0.5"};
static const char *guest_name;
/* The status of a division by zero: Rust asks before it divides. */
static rtw_status_t division_status = RTW_ERR_TRAP_DIVIDE_BY_ZERO;

/* The artifact of the guest, with some exports run at compile time. */
static rtw_status_t compile(const char *const *init, size_t count, void **artifact, size_t *length, rtw_error_t *err) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s.wasm", artifacts, guest_name);
    size_t wasm_length;
    unsigned char *wasm = read_file(path, &wasm_length);
    rtw_compile_options_t options;
    rtw_compile_options_init(&options);
    options.profile = profile;
    options.max_time_ms = 60000;
    options.init = init;
    options.init_count = count;
    rtw_status_t status = rtw_compile(wasm, wasm_length, &options, artifact, length, err);
    free(wasm);
    return status;
}

static rtw_module_t *module_with(const rtw_runtime_t *runtime, const char *const *init, size_t count) {
    void *artifact;
    size_t length;
    rtw_error_t err;
    require(compile(init, count, &artifact, &length, &err), &err, "compile with %zu calls", count);
    rtw_module_t *module;
    require(rtw_module_load(runtime, artifact, length, &module, &err), &err, "load");
    rtw_compile_free(artifact, length);
    return module;
}

static void set_up(rtw_instance_t *instance) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    if (call_i32(instance, "constructed", 0, 0) == 0) require(call(instance, "_initialize", values, 0), NULL, "constructors");
    values[0].i32 = 48000;
    values[1].f32 = 0.5F;
    require(call(instance, "setup", values, 2), NULL, "set up");
}

static float play(rtw_instance_t *instance, int32_t n) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = n;
    return call(instance, "play", &value, 1) == RTW_OK ? value.f32 : -1000.0F;
}

static bool same_memory(rtw_instance_t *a, rtw_instance_t *b) {
    rtw_memory_view_t of_a, of_b;
    rtw_error_t err;
    require(rtw_instance_memory(a, "memory", &of_a, &err), &err, "a memory");
    require(rtw_instance_memory(b, "memory", &of_b, &err), &err, "another memory");
    return of_a.size_bytes == of_b.size_bytes && memcmp(of_a.base, of_b.base, (size_t)of_a.size_bytes) == 0;
}

/* ---- states ---- */

static void test_state(rtw_module_t *plain, rtw_module_t *made) {
    rtw_instance_t *by_hand = new_instance(plain, NULL, 0), *given = new_instance(made, NULL, 0);
    check(!same_memory(by_hand, given), "twin: before it is set up, the other guest's memory differs");
    set_up(by_hand);
    check(same_memory(by_hand, given), "the memory is the one that the same calls leave at run time");
    check(call_i32(given, "constructed", 0, 0) == 1, "the constructors ran once");
    bool same = true;
    for (int32_t n = 0; n < 1000; n++) same = same && play(by_hand, n) == play(given, n);
    check(same && play(given, 25) != 0.0F, "it plays the same without being set up");
    rtw_func_t *none = NULL;
    check_status(rtw_instance_func(given, "_initialize", NULL, &none, NULL), RTW_ERR_NO_EXPORT, "its constructors are gone");

    rtw_instance_t *fresh = new_instance(made, NULL, 0);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = 44100;
    values[1].f32 = 1.0F;
    check_status(call(given, "setup", values, 2), RTW_OK, "it can be set up anew");
    check(!same_memory(fresh, given), "twin: which changes its memory");
    rtw_error_t err;
    check_status(rtw_instance_reset(given, &err), RTW_OK, "a reset");
    check(same_memory(fresh, given) && play(given, 25) == play(fresh, 25), "leads back to the state that was kept");
    rtw_instance_destroy(fresh);
    rtw_instance_destroy(given);
    rtw_instance_destroy(by_hand);
}

static void test_spare(rtw_runtime_t *runtime, rtw_module_t *made) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    const rtw_wanted_func_t funcs[] = {{"play", "(i32)->(f32)", 0}, {"divide", "(i32)->(i32)", 0}};
    config.funcs = funcs;
    config.func_count = 2;
    rtw_slot_t *slot = NULL;
    rtw_error_t err;
    require(rtw_slot_create(runtime, &config, &slot, &err), &err, "a slot");
    rtw_instance_t *instance = new_instance(made, NULL, 0);
    float expected = play(instance, 25);
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
    rtw_instance_destroy(instance);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = 25;
    check_status(rtw_slot_invoke(slot, 0, &value, 1, NULL), RTW_OK, "a call through the slot");
    wait_for_spares(slot, 1);
    value.i32 = 0;
    check_status(rtw_slot_invoke(slot, 1, &value, 1, NULL), division_status, "a fault");
    uint32_t flags = 0;
    value.i32 = 25;
    check_status(rtw_slot_invoke(slot, 0, &value, 1, &flags), RTW_OK, "the next call");
    check((flags & RTW_BLOCK_SPARE) != 0 && value.f32 == expected, "is a spare's, which starts with the kept state");
    rtw_slot_destroy(slot);
}

/* Where the guest keeps its table: the first page of 4 KiB that has nothing but the table's samples. 0: nowhere. */
static uint64_t page_of_samples(rtw_instance_t *instance) {
    rtw_memory_view_t view;
    rtw_error_t err;
    require(rtw_instance_memory(instance, "memory", &view, &err), &err, "a memory");
    for (uint64_t page = 4096; page + 4096 <= view.size_bytes; page += 4096) {
        const float *samples = (const float *)(const void *)((const char *)view.base + page);
        int found = 0;
        for (int n = 0; n < 1024; n++) found += samples[n] >= -0.5F && samples[n] <= 0.5F && samples[n] * samples[n] > 1e-9F;
        if (found > 1020) return page;
    }
    return 0;
}

/* A file in the place of a part of the state: there the guest has the file's bytes, everywhere else what was kept; likewise after a reset
 * and in a spare. Nothing writes the kept state into the file. */
static void test_mapped(rtw_runtime_t *runtime, rtw_module_t *made) {
    rtw_instance_t *instance = new_instance(made, NULL, 0), *untouched = new_instance(made, NULL, 0);
    const uint64_t page = page_of_samples(instance);
    check(page != 0, "the table's pages are found");
    const int file = memfd_create("samples", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, 4096) != 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0) check(false, "a memfd");
    float *const samples = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    check(samples != MAP_FAILED, "the host maps the file, too");
    for (int n = 0; n < 1024; n++) samples[n] = 3.0F;
    rtw_error_t err;
    check_status(rtw_instance_map(instance, "memory", page, 4096, file, 0, 0, &err), RTW_OK, "a file in the place of kept state");
    close(file);
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    for (int round = 0; round < 3; round++) {
        int of_file = 0, kept = 0;
        for (int32_t n = 0; n < 4096; n++) {
            const float sample = play(instance, n);
            of_file += sample == 3.0F + (float)round;
            kept += sample == play(untouched, n);
        }
        check(of_file > 900 && kept > 2900 && of_file + kept == 4096, "the guest has the file there, and what was kept elsewhere: %d and %d", of_file, kept);
        rtw_memory_view_t view, other;
        require(rtw_instance_memory(instance, "memory", &view, &err), &err, "a memory");
        require(rtw_instance_memory(untouched, "memory", &other, &err), &err, "another memory");
        check(memcmp(view.base, other.base, (size_t)page) == 0, "the memory below is the one that was kept");
        for (int n = 0; n < 1024; n++) samples[n] = 4.0F + (float)round;
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    check(samples[0] == 6.0F && samples[1023] == 6.0F, "no reset has written to the file");

    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    const rtw_wanted_func_t funcs[] = {{"play", "(i32)->(f32)", 0}, {"divide", "(i32)->(i32)", 0}};
    config.funcs = funcs;
    config.func_count = 2;
    rtw_slot_t *slot = NULL;
    require(rtw_slot_create(runtime, &config, &slot, &err), &err, "a slot");
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
    rtw_instance_destroy(instance);
    wait_for_spares(slot, 1);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_slot_invoke(slot, 1, &value, 1, NULL), division_status, "a fault");
    uint32_t flags = 0;
    int of_file = 0, kept = 0;
    for (int32_t n = 0; n < 4096; n++) {
        uint32_t on = 0;
        value.i32 = n;
        if (rtw_slot_invoke(slot, 0, &value, 1, &on) != RTW_OK) break;
        flags |= on;
        of_file += value.f32 == 6.0F;
        kept += value.f32 == play(untouched, n);
    }
    check((flags & RTW_BLOCK_SPARE) != 0 && of_file > 900 && of_file + kept == 4096, "so does a spare: %d and %d", of_file, kept);
    rtw_slot_destroy(slot);
    rtw_instance_destroy(untouched);
    munmap(samples, 4096);
}

static rtw_fault_t fault_of(rtw_module_t *module) {
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(call(instance, "divide", &value, 1), division_status, "a division by zero");
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    rtw_error_t err;
    require(rtw_instance_fault(instance, &fault, &err), &err, "the fault");
    rtw_instance_destroy(instance);
    return fault;
}

static void test_fault(rtw_module_t *plain, rtw_module_t *made) {
    rtw_fault_t expected = fault_of(plain), fault = fault_of(made);
    check(expected.wasm_offset > 0 && fault.wasm_offset == expected.wasm_offset, "a fault names the given module's offset: %lld, %lld",
          (long long)fault.wasm_offset, (long long)expected.wasm_offset);
    check(fault.function_index == expected.function_index, "and the same function");
}

/* ---- refusals ---- */

static void refused(const char *const *init, size_t count, rtw_status_t status, const char *part) {
    void *artifact = &artifact;
    size_t length = 1;
    rtw_error_t err;
    check_status(compile(init, count, &artifact, &length, &err), status, "init %s", count > 0 && init != NULL ? init[0] : "NULL");
    check_error(&err, status, part, "says why");
    check(artifact == NULL && length == 0, "and makes nothing");
}

static void test_refusals(void) {
    const struct {
        const char *init;
        rtw_status_t status;
        const char *part;
    } WRONG[] = {
        {"tune", RTW_ERR_NO_EXPORT, "does not export \"tune\""},
        {"memory", RTW_ERR_EXPORT_KIND, "\"memory\" is not a function"},
        {"setup", RTW_ERR_SIGNATURE, "takes 2 arguments, and 0 were given"},
        {"setup=f32:1,1", RTW_ERR_SIGNATURE, "a value of type i32 where \"f32:1\" was given"},
        {"setup=48000,loud", RTW_ERR_SIGNATURE, "a value of type f32 where \"loud\" was given"},
        {"divide=0", division_status, "divide(0) failed: wasm trap: "},
        {"play=1", RTW_ERR_TRAP_UNREACHABLE, "play(1) failed"},
        {"=1", RTW_ERR_ARGUMENT, "expected EXPORT or EXPORT=ARGS"},
        {"setup=1,", RTW_ERR_ARGUMENT, "expected EXPORT or EXPORT=ARGS"},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) refused(&WRONG[i].init, 1, WRONG[i].status, WRONG[i].part);
    refused(NULL, 1, RTW_ERR_NULL, "init is NULL");
    const char *const none[] = {NULL};
    refused(none, 1, RTW_ERR_NULL, "a text of init is NULL");
}

/* ---- start-up ---- */

/* The part that callgrind counts: a new guest until it has played its first sample. */
float count_start(rtw_module_t *module, bool has_to_be_set_up);
__attribute__((noinline)) float count_start(rtw_module_t *module, bool has_to_be_set_up) {
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    if (has_to_be_set_up) set_up(instance);
    float first = play(instance, 0);
    rtw_instance_destroy(instance);
    return first;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    NEED(argc == 4 || argc == 6, "usage: init PROFILE FOLDER GUEST [count plain|init]");
    guest_name = argv[3];
    if (strcmp(guest_name, "sine_rust") == 0) division_status = RTW_ERR_TRAP_UNREACHABLE;
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    if (argc == 6) {
        bool plain = strcmp(argv[5], "plain") == 0;
        rtw_module_t *module = module_with(runtime, plain ? NULL : SET_UP, plain ? 0 : 1);
        (void)count_start(module, plain);
        rtw_module_destroy(module);
        rtw_runtime_destroy(runtime);
        return 0;
    }
    rtw_module_t *plain = module_with(runtime, NULL, 0), *made = module_with(runtime, SET_UP, 1);
    test_state(plain, made);
    test_spare(runtime, made);
    test_mapped(runtime, made);
    test_fault(plain, made);
    test_refusals();
    rtw_module_destroy(plain);
    rtw_module_destroy(made);
    (void)rtw_thread_detach(runtime, NULL);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
