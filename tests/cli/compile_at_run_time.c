/*
 * Compiles and runs in one process: librtwasm_compiler.so beside librtwasm.so, each with an engine of its own.
 */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check.h"
#include "rtwasm_compiler.h"

static const char GUEST[] =
    "(module (memory (export \"memory\") 1 1)"
    " (func (export \"add\") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)"
    " (func (export \"load\") (param i32) (result i32) local.get 0 i32.load)"
    " (func (export \"divide\") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)"
    " (func (export \"stop\") unreachable)"
    /* Instructions that not every processor has: 2.5 rounds to 2, three bits are set, and 5 * 9 is the last lane's product. */
    " (func (export \"optional\") (result i32)"
    "  f32.const 2.5 f32.nearest i32.trunc_f32_s"
    "  i32.const 0x10101 i32.popcnt i32.add"
    "  i32.const 5 i32x4.splat i32.const 9 i32x4.splat i32x4.mul i32x4.extract_lane 3 i32.add))";
#define OPTIONAL_RESULT (2 + 3 + 45)

/* A page and a guest's first address behind it. */
#define BEHIND_MEMORY 65536

typedef struct {
    void *bytes;
    size_t length;
} artifact_t;

static artifact_t compile(uint32_t profile, const char *cpu) {
    rtw_compile_options_t options;
    rtw_error_t err;
    artifact_t artifact;
    rtw_compile_options_init(&options);
    options.profile = profile;
    options.cpu = cpu;
    require(rtw_compile(GUEST, strlen(GUEST), &options, &artifact.bytes, &artifact.length, &err), &err, "rtw_compile");
    return artifact;
}

/* ---- signal handlers ---- */

static const int SIGNALS[] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS};
#define SIGNAL_COUNT (sizeof SIGNALS / sizeof SIGNALS[0])

/* The C library adds one of its own when a handler is restored. */
#define FLAGS (SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER)

static void host_handler(int signal_number) {
    (void)signal_number;
    _Exit(3);
}

static void read_handlers(struct sigaction *actions) {
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        memset(&actions[i], 0, sizeof actions[i]);
        sigaction(SIGNALS[i], NULL, &actions[i]);
    }
}

static int same_handlers(const struct sigaction *a, const struct sigaction *b) {
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (a[i].sa_handler != b[i].sa_handler || (a[i].sa_flags & FLAGS) != (b[i].sa_flags & FLAGS)) {
            return 0;
        }
    }
    return 1;
}

/* ---- running ---- */

typedef struct {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
} guest_t;

static rtw_runtime_t *create_runtime(uint32_t profile) {
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_error_t err;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "rtw_runtime_create");
    return runtime;
}

static guest_t load(rtw_runtime_t *runtime, artifact_t artifact) {
    guest_t guest = {runtime, NULL, NULL};
    rtw_error_t err;
    require(rtw_module_load(runtime, artifact.bytes, artifact.length, &guest.module, &err), &err, "rtw_module_load");
    require(rtw_instance_create(guest.module, NULL, NULL, &guest.instance, &err), &err, "rtw_instance_create");
    return guest;
}

static void unload(guest_t guest) {
    rtw_instance_destroy(guest.instance);
    rtw_module_destroy(guest.module);
}

static rtw_status_t call(guest_t guest, const char *name, int32_t first, int32_t second, int32_t *result) {
    rtw_value_t values[2];
    rtw_func_t *func;
    rtw_error_t err;
    rtw_status_t status;
    require(rtw_instance_func(guest.instance, name, NULL, &func, &err), &err, "%s", name);
    memset(values, 0, sizeof values);
    values[0].i32 = first;
    values[1].i32 = second;
    status = rtw_invoke(func, values, 2);
    *result = values[0].i32;
    rtw_func_destroy(func);
    return status;
}

/* Every trap goes through the handlers of librtwasm.so in the standalone profile, so one gone astray ends the process. */
static void check_traps(rtw_runtime_t *runtime, artifact_t artifact) {
    static const struct {
        const char *name;
        int32_t first;
        int32_t second;
        rtw_status_t expected;
    } traps[] = {
        {"load", BEHIND_MEMORY, 0, RTW_ERR_TRAP_MEMORY},
        {"divide", 1, 0, RTW_ERR_TRAP_DIVIDE_BY_ZERO},
        {"stop", 0, 0, RTW_ERR_TRAP_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++) {
        guest_t guest = load(runtime, artifact);
        int32_t ignored;
        check(call(guest, traps[i].name, traps[i].first, traps[i].second, &ignored) == traps[i].expected, "%s", traps[i].name);
        unload(guest);
    }
}

static void check_running(rtw_runtime_t *runtime, artifact_t artifact) {
    rtw_error_t err;
    int32_t result = 0;
    guest_t guest;
    require(rtw_thread_attach(runtime, NULL, &err), &err, "rtw_thread_attach");
    guest = load(runtime, artifact);
    check(call(guest, "add", 40, 2, &result) == RTW_OK && result == 42, "add");
    check(call(guest, "optional", 0, 0, &result) == RTW_OK && result == OPTIONAL_RESULT, "optional instructions");
    unload(guest);
    check_traps(runtime, artifact);
    require(rtw_thread_detach(runtime, NULL), &err, "rtw_thread_detach");
}

static void compile_and_run(uint32_t profile, const char *name) {
    struct sigaction before[SIGNAL_COUNT];
    struct sigaction after[SIGNAL_COUNT];
    artifact_t early;
    artifact_t late;
    artifact_t baseline;
    rtw_runtime_t *runtime;
    printf("-- profile %s\n", name);

    read_handlers(before);
    early = compile(profile, NULL);
    read_handlers(after);
    check(same_handlers(before, after), "compiling leaves the signal handlers alone");

    runtime = create_runtime(profile);
    read_handlers(before);
    late = compile(profile, NULL);
    read_handlers(after);
    check(same_handlers(before, after), "compiling does so once there is a runtime, too");
    check(early.length == late.length && memcmp(early.bytes, late.bytes, early.length) == 0, "both artifacts are the same");
    rtw_compile_free(late.bytes, late.length);

    check_running(runtime, early);
    printf("-- the same for a baseline processor\n");
    baseline = compile(profile, "baseline");
    check(baseline.length != early.length || memcmp(baseline.bytes, early.bytes, early.length) != 0, "another artifact");
    check_running(runtime, baseline);
    rtw_compile_free(baseline.bytes, baseline.length);
    rtw_runtime_destroy(runtime);
    rtw_compile_free(early.bytes, early.length);
}

/* ---- off the main thread ---- */

#define THREADS 4

static void *compile_thread(void *argument) {
    artifact_t *artifact = argument;
    *artifact = compile(RTW_PROFILE_PLUGIN, NULL);
    return NULL;
}

static void compile_on_threads(void) {
    pthread_t threads[THREADS];
    artifact_t artifacts[THREADS];
    pthread_attr_t attributes;
    int same = 1;
    printf("-- %d threads with small stacks at once\n", THREADS);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], &attributes, compile_thread, &artifacts[i]) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_attr_destroy(&attributes);
    for (int i = 1; i < THREADS; i++) {
        same = same && artifacts[i].length == artifacts[0].length
               && memcmp(artifacts[i].bytes, artifacts[0].bytes, artifacts[0].length) == 0;
    }
    check(same, "all made the same artifact");
    rtw_runtime_t *runtime = create_runtime(RTW_PROFILE_PLUGIN);
    check_running(runtime, artifacts[0]);
    rtw_runtime_destroy(runtime);
    for (int i = 0; i < THREADS; i++) {
        rtw_compile_free(artifacts[i].bytes, artifacts[i].length);
    }
}

/* ---- errors ---- */

typedef struct {
    rtw_error_t err;
    void *bytes;
    size_t length;
} outcome_t;

static rtw_status_t try_compile(const char *text, const rtw_compile_options_t *options, outcome_t *outcome) {
    static char not_null;
    memset(outcome, 0xff, sizeof *outcome);
    outcome->bytes = &not_null;
    return rtw_compile(text, text == NULL ? 0 : strlen(text), options, &outcome->bytes, &outcome->length, &outcome->err);
}

static void check_refused(const char *text, const rtw_compile_options_t *options, rtw_status_t expected, const char *part) {
    outcome_t outcome;
    rtw_status_t status = try_compile(text, options, &outcome);
    int told = memchr(outcome.err.message, '\0', sizeof outcome.err.message) != NULL && strstr(outcome.err.message, part) != NULL;
    check(status == expected && outcome.err.status == expected && told, "%s", part);
    if (!told) {
        printf("    %s: %.504s\n", rtw_status_name(status), outcome.err.message);
    }
    check(outcome.bytes == NULL && outcome.length == 0, "the outputs are cleared");
}

static void check_options(void) {
    rtw_compile_options_t options;
    printf("-- options that are refused\n");
#define REFUSED(field, value, expected, part)                     \
    do {                                                          \
        rtw_compile_options_init(&options);                       \
        options.field = (value);                                  \
        check_refused("(module)", &options, (expected), (part));  \
    } while (0)
    REFUSED(struct_size, 0, RTW_ERR_STRUCT_SIZE, "struct_size is 0");
    REFUSED(struct_size, options.struct_size - 1, RTW_ERR_STRUCT_SIZE, "_init");
    REFUSED(profile, 3, RTW_ERR_ARGUMENT, "profile is 3");
    REFUSED(opt_level, 3, RTW_ERR_ARGUMENT, "opt_level is 3");
    REFUSED(interruption, 4, RTW_ERR_ARGUMENT, "interruption is 4");
    REFUSED(target, "m68k-unknown-linux-gnu", RTW_ERR_UNSUPPORTED, "m68k");
    REFUSED(cpu, "warp", RTW_ERR_ARGUMENT, "CPU feature \"warp\"");
    REFUSED(cpu, "\xff", RTW_ERR_ARGUMENT, "cpu is not UTF-8");
#undef REFUSED
}

static void check_modules(void) {
    outcome_t outcome;
    void *bytes = NULL;
    size_t length = 0;
    printf("-- modules and pointers that are refused\n");
    check_refused("(module (func $f (result i32) f32.const 1))", NULL, RTW_ERR_WASM, "in function 0 \"f\" at offset 0x1d");
    check_refused("(module (tag))", NULL, RTW_ERR_PROPOSAL, "exception handling");
    check_refused("", NULL, RTW_ERR_WASM, "empty");
    check_refused(NULL, NULL, RTW_ERR_NULL, "wasm_or_wat is NULL");
    check(rtw_compile("", SIZE_MAX, NULL, &bytes, &length, NULL) == RTW_ERR_ARGUMENT, "a length that cannot be");
    check(rtw_compile("(module)", 8, NULL, NULL, &length, NULL) == RTW_ERR_NULL, "no place for the artifact");
    check(rtw_compile("(module)", 8, NULL, &bytes, NULL, NULL) == RTW_ERR_NULL && bytes == NULL, "no place for its length");
    check(try_compile("(module)", NULL, &outcome) == RTW_OK && outcome.err.status == RTW_OK && outcome.err.message[0] == '\0',
          "a success clears the error");
    rtw_compile_free(outcome.bytes, outcome.length);
    rtw_compile_free(NULL, 0);
    rtw_compile_options_init(NULL);
}

int main(int argc, char **argv) {
    rtw_runtime_t *first = NULL;
    /* A host's own handler, so that "as before" is not merely the default. */
    struct sigaction host;
    memset(&host, 0, sizeof host);
    host.sa_handler = host_handler;
    sigaction(SIGFPE, &host, NULL);

    /* The engine of whichever library comes second finds the handlers of the first. */
    if (argc > 1 && strcmp(argv[1], "runtime-first") == 0) {
        first = create_runtime(RTW_PROFILE_STANDALONE);
    }
    compile_and_run(RTW_PROFILE_STANDALONE, "standalone");
    compile_and_run(RTW_PROFILE_PLUGIN, "plugin");
    compile_on_threads();
    check_options();
    check_modules();
    rtw_runtime_destroy(first);
    return check_summary();
}
