/* The counts for `make bench-check`: instructions, and what a cold call touches, under callgrind; and allocations, without.
 *   counts instructions|allocations standalone|plugin ARTIFACTS [KERNEL...]    with kernels: only these
 *   counts lines|pages standalone|plugin ARTIFACTS
 * Instructions: each figure's calls are collected by themselves and dumped under the figure's name and their number; the loop around them
 * is part of the figure. Allocations: printed, one figure a line.
 * Lines and pages: the simulated last-level cache has lines of 64 or 4096 bytes, and before each call everything else is written, so that
 * each miss is the first access to a line or page in this call. In front of it are caches of two lines, which hide nothing.
 * PLANTED_LINES, a number at compile time, has every cold call write as many lines more, each in a page of its own.
 * PLANTED_INSTRUCTIONS, a number at compile time, adds as many to every call. */
#include <rtwasm.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#define BUDGET_NS ((uint64_t)3600 * 1000000000)

#define TEXT_OF(token) #token
#define TEXT(token) TEXT_OF(token)
#ifdef PLANTED_INSTRUCTIONS
#define PLANT() __asm__ volatile(".rept " TEXT(PLANTED_INSTRUCTIONS) "\n nop\n .endr")
#else
#define PLANT() ((void)0)
#endif

#ifndef PLANTED_LINES
#define PLANTED_LINES 0
#endif

static const char *artifacts, *profile_name;
static bool instructions;
static size_t swept_line; /* bytes of a line of the simulated cache; 0: no call is cold */

/* ---- allocations: the library's come here, since the program's own definitions go before the C library's ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static unsigned long allocations; /* of all threads: the library's own make none meanwhile */

static void count(void) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    count();
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}

/* ---- figures ---- */

static void need(rtw_status_t status, const rtw_error_t *err, const char *what) {
    if (status == RTW_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, rtw_status_name(status), err != NULL ? err->message : "");
    exit(2);
}

static void begin(void) {
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
}

static void end(const char *name, unsigned calls) {
    CALLGRIND_TOGGLE_COLLECT;
    char text[128];
    snprintf(text, sizeof text, "%s.%s %u", name, profile_name, calls);
    CALLGRIND_DUMP_STATS_AT(text);
}

/* `what` is done a few times, so that all that comes with a first time is over; then its instructions are collected `calls` times, or
 * its allocations counted once. */
#define FIGURE(name, calls, what)                                                                 \
    do {                                                                                          \
        for (unsigned turn = 0; turn < 20; turn++) what;                                          \
        if (instructions) {                                                                       \
            begin();                                                                              \
            for (unsigned turn = 0; turn < (calls); turn++) {                                     \
                what;                                                                             \
                PLANT();                                                                          \
            }                                                                                     \
            end(name, calls);                                                                     \
        } else {                                                                                  \
            const unsigned long before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);         \
            what;                                                                                 \
            printf("%s.%s %lu allocations\n", name, profile_name,                                 \
                   __atomic_load_n(&allocations, __ATOMIC_RELAXED) - before);                     \
        }                                                                                         \
    } while (0)

/* Evicts everything from the simulated cache, which has half as many lines. */
static void sweep(void) {
    enum { LINES = 8192, LARGEST = 4096 };
    static char memory[LINES * LARGEST];
    for (size_t line = 0; line < LINES; line++) *(volatile char *)&memory[line * swept_line] = 1;
}

/* A function, since what stands in one block with the request to collect no more is not collected. */
static __attribute__((noinline)) void touch_planted(void) {
    static char planted[(PLANTED_LINES + 1) * 4096];
    for (int line = 0; line < PLANTED_LINES; line++) *(volatile char *)&planted[line * 4096] = 1;
}

/* As FIGURE, for the first accesses of cold calls. */
#define COLD_FIGURE(name, what)                                                          \
    do {                                                                                  \
        for (unsigned turn = 0; turn < 20; turn++) what;                                  \
        CALLGRIND_ZERO_STATS;                                                             \
        for (unsigned turn = 0; turn < 10; turn++) {                                      \
            sweep();                                                                      \
            CALLGRIND_TOGGLE_COLLECT;                                                     \
            what;                                                                         \
            touch_planted();                                                              \
            CALLGRIND_TOGGLE_COLLECT;                                                     \
        }                                                                                 \
        char text[128];                                                                   \
        snprintf(text, sizeof text, "%s.%s %u", name, profile_name, 10);                  \
        CALLGRIND_DUMP_STATS_AT(text);                                                    \
    } while (0)

/* ---- the library ---- */

typedef struct guest_t {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
} guest_t;

static rtw_error_t err;

static rtw_status_t nop(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static rtw_runtime_t *make_runtime(bool statistics) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(profile_name, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    config.statistics = statistics;
    rtw_runtime_t *runtime = NULL;
    need(rtw_runtime_create(&config, &runtime, &err), &err, "runtime");
    return runtime;
}

static rtw_module_t *load(rtw_runtime_t *runtime, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.%s.rtw", artifacts, name, profile_name);
    rtw_module_t *module = NULL;
    need(rtw_module_load_file(runtime, path, &module, &err), &err, path);
    return module;
}

static rtw_instance_t *instantiate(const guest_t *guest, uint64_t budget_ns) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = budget_ns;
    rtw_instance_t *instance = NULL;
    need(rtw_instance_create(guest->module, guest->imports, &config, &instance, &err), &err, "instance");
    return instance;
}

static guest_t open_guest(const char *name, bool statistics, uint64_t budget_ns) {
    guest_t guest = {make_runtime(statistics), NULL, NULL, NULL};
    guest.module = load(guest.runtime, name);
    need(rtw_imports_create(&guest.imports, &err), &err, "imports");
    need(rtw_imports_func(guest.imports, "host", "nop", "()->()", nop, NULL, NULL, 0, &err), &err, "import");
    guest.instance = instantiate(&guest, budget_ns);
    need(rtw_thread_attach(guest.runtime, NULL, &err), &err, "attach");
    need(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "prepare");
    return guest;
}

static void close_guest(guest_t *guest) {
    need(rtw_thread_detach(guest->runtime, &err), &err, "detach");
    rtw_instance_destroy(guest->instance);
    rtw_imports_destroy(guest->imports);
    rtw_module_destroy(guest->module);
    rtw_runtime_destroy(guest->runtime);
}

static rtw_func_t *look_up(rtw_instance_t *instance, const char *name) {
    rtw_func_t *func = NULL;
    need(rtw_instance_func(instance, name, NULL, &func, &err), &err, name);
    return func;
}

static void call(rtw_func_t *func, rtw_value_t *values, size_t number) {
    need(rtw_invoke(func, values, number), NULL, "call");
}

/* ---- what is counted ---- */

static void count_calls(const char *suffix, bool statistics, uint64_t budget_ns) {
    char name[64];
    guest_t guest = open_guest("calls", statistics, budget_ns);
    rtw_func_t *empty = look_up(guest.instance, "empty"), *add = look_up(guest.instance, "add"), *host = look_up(guest.instance, "call_host");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    snprintf(name, sizeof name, "invoke-empty%s", suffix);
    FIGURE(name, 1000, call(empty, NULL, 0));
    snprintf(name, sizeof name, "invoke-add%s", suffix);
    FIGURE(name, 1000, call(add, values, 2));
    snprintf(name, sizeof name, "invoke-host-function%s", suffix);
    FIGURE(name, 1000, call(host, NULL, 0));
    rtw_func_destroy(empty), rtw_func_destroy(add), rtw_func_destroy(host);
    close_guest(&guest);
}

/* The same function as an export, as a table's entry that was looked up, and as one that each call names; a host function in a table. */
static void count_table(void) {
    guest_t guest = open_guest("table", false, 0);
    rtw_func_t *add = look_up(guest.instance, "add"), *host = look_up(guest.instance, "call_host"), *bound = NULL, *any = NULL;
    rtw_global_t *level = NULL;
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    need(rtw_instance_table_func(guest.instance, NULL, 0, "(i32,i32)->(i32)", &bound, &err), &err, "entry");
    need(rtw_instance_table_func_dynamic(guest.instance, NULL, "(i32,i32)->(i32)", &any, &err), &err, "entries");
    need(rtw_instance_table_set(guest.instance, NULL, 1, "()->()", nop, NULL, NULL, 0, &err), &err, "host function");
    need(rtw_instance_global(guest.instance, "level", "f32", &level, &err), &err, "global");
    FIGURE("table-export", 1000, call(add, values, 2));
    FIGURE("table-entry-bound", 1000, call(bound, values, 2));
    FIGURE("table-entry-named", 1000, need(rtw_invoke_entry(any, 0, values, 2), NULL, "entry"));
    FIGURE("table-host-function", 1000, call(host, NULL, 0));
    FIGURE("global-get", 1000, need(rtw_global_get(level, values), NULL, "get"));
    FIGURE("global-set", 1000, need(rtw_global_set(level, values), NULL, "set"));
    FIGURE("table-set", 100, need(rtw_instance_table_set(guest.instance, NULL, 1, "()->()", nop, NULL, NULL, 0, &err), &err, "set"));
    rtw_global_destroy(level);
    rtw_func_destroy(add), rtw_func_destroy(host), rtw_func_destroy(bound), rtw_func_destroy(any);
    close_guest(&guest);
}

static void count_cold_calls(const char *suffix, bool statistics, uint64_t budget_ns) {
    char name[64];
    guest_t guest = open_guest("calls", statistics, budget_ns);
    rtw_func_t *add = look_up(guest.instance, "add");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    snprintf(name, sizeof name, "cold-invoke-add%s", suffix);
    COLD_FIGURE(name, call(add, values, 2));
    rtw_func_destroy(add);
    close_guest(&guest);
}

static void call_block(rtw_slot_t *slot, rtw_value_t *value) {
    rtw_block_t block;
    need(rtw_slot_begin(slot, &block), NULL, "begin");
    need(rtw_invoke(block.funcs[0], value, 1), NULL, "call in a block");
    need(rtw_slot_end(slot), NULL, "end");
}

static void count_slot(void) {
    guest_t guest = open_guest("slot", true, BUDGET_NS);
    static const rtw_wanted_func_t func = {"act", "(i32)->(i32)", 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = &func;
    config.func_count = 1;
    rtw_slot_t *slot = NULL;
    need(rtw_slot_create(guest.runtime, &config, &slot, &err), &err, "slot");
    need(rtw_slot_publish(slot, guest.instance, NULL, &err), &err, "publish");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    FIGURE("slot-invoke", 1000, need(rtw_slot_invoke(slot, 0, &value, 1, NULL), NULL, "slot call"));
    FIGURE("slot-block", 1000, call_block(slot, &value));
    rtw_slot_destroy(slot);
    close_guest(&guest);
}

static void renew(const guest_t *guest) {
    rtw_instance_destroy(instantiate(guest, BUDGET_NS));
}

static void load_again(const guest_t *guest) {
    rtw_module_destroy(load(guest->runtime, "calls"));
}

static void look_up_again(const guest_t *guest) {
    rtw_func_destroy(look_up(guest->instance, "add"));
}

static void count_setup(void) {
    guest_t guest = open_guest("calls", true, BUDGET_NS);
    FIGURE("load-and-destroy", 20, load_again(&guest));
    FIGURE("instantiate-and-destroy", 200, renew(&guest));
    FIGURE("look-up-and-destroy", 200, look_up_again(&guest));
    FIGURE("reset", 200, need(rtw_instance_reset(guest.instance, &err), &err, "reset"));
    close_guest(&guest);
}

static void count_kernel(const char *kernel) {
    char name[64];
    guest_t guest = open_guest(kernel, true, BUDGET_NS);
    rtw_func_t *init = look_up(guest.instance, "init"), *run = look_up(guest.instance, "run");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    call(init, &value, 1);
    snprintf(name, sizeof name, "kernel-%s", kernel);
    FIGURE(name, 100, call(run, &value, 1));
    rtw_func_destroy(init), rtw_func_destroy(run);
    close_guest(&guest);
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: counts instructions|allocations|lines|pages standalone|plugin ARTIFACTS [KERNEL...]\n"), 2;
    instructions = strcmp(argv[1], "instructions") == 0;
    profile_name = argv[2];
    artifacts = argv[3];
    swept_line = strcmp(argv[1], "lines") == 0 ? 64 : strcmp(argv[1], "pages") == 0 ? 4096 : 0;
    if (swept_line != 0) {
        count_cold_calls("", false, 0);
        count_cold_calls("-statistics", true, 0);
        count_cold_calls("-statistics-budget", true, BUDGET_NS);
        return 0;
    }
    for (int i = 4; i < argc; i++) count_kernel(argv[i]);
    if (argc > 4) return 0;
    count_calls("", false, 0);
    count_calls("-statistics", true, 0);
    count_calls("-statistics-budget", true, BUDGET_NS);
    count_table();
    count_slot();
    count_setup();
    static const char *const kernels[] = {"biquad", "fft1024", "fir128", "matmul16", "pid64"};
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) count_kernel(kernels[i]);
    return 0;
}
