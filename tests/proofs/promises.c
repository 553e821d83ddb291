/* The promises about a call, on good and on failing paths, each watched over all the calls: it allocates nothing, locks nothing,
 * makes no system call, takes no page fault, does not let go of the CPU, and leaves errno, the signal mask and the registers
 * as they were. On a machine at rest also calls on a thread that can be cancelled at any instruction, calls of host functions
 * that may block, and what is recorded in the host's own statistics.
 *
 *   promises PROFILE FOLDER          on a machine at rest
 *   promises PROFILE FOLDER pressed  while a process presses memory and the library's pages are reclaimed where they can be
 *   promises PROFILE FOLDER beside   beside a thread that loads and drops modules and instances all the time */
#include "../support/clock.h"
#include "../support/float_mode.h"
#include "../support/numbers.h"
#include "proof.h"
#include "interpose.h"
#include "section.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FLOATS = 16, FRESH_PAGES = 5 };

typedef enum violation_t {
    ALLOCATE,
    LOCK,
    SYSTEM_CALL,
    TOUCH,     /* a fresh page */
    TOUCH_FILE, /* a page of a file that is not in memory */
    SLEEP,
    SET_ERRNO,
    SET_MASK,
    SET_X87,
    ASK_CANCEL_TYPE,
    NONE
} violation_t;

/* One way to fail. */
typedef struct failure_t {
    const char *function;
    rtw_status_t status;
    rtw_instance_t *instance;
    rtw_func_t *func;
} failure_t;

static failure_t failures[] = {
    {"unreachable", RTW_ERR_TRAP_UNREACHABLE, NULL, NULL},
    {"outside", RTW_ERR_TRAP_MEMORY, NULL, NULL},
    {"fill_outside", RTW_ERR_TRAP_MEMORY, NULL, NULL},
    {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO, NULL, NULL},
    {"overflow", RTW_ERR_TRAP_INTEGER_OVERFLOW, NULL, NULL},
    {"convert", RTW_ERR_TRAP_BAD_CONVERSION, NULL, NULL},
    {"too_large", RTW_ERR_TRAP_INTEGER_OVERFLOW, NULL, NULL},
    {"call_null", RTW_ERR_TRAP_INDIRECT_CALL, NULL, NULL},
    {"call_other", RTW_ERR_TRAP_INDIRECT_CALL, NULL, NULL},
    {"call_outside", RTW_ERR_TRAP_TABLE, NULL, NULL},
    {"recurse", RTW_ERR_TRAP_STACK, NULL, NULL},
    {"refuse", RTW_ERR_HOST, NULL, NULL},
    {"nested", RTW_ERR_HOST, NULL, NULL},
};
enum { FAILURES = sizeof failures / sizeof failures[0] };

/* The data of host functions. */
typedef struct host_t {
    rtw_func_t *inner, *divide;
    violation_t violation;
    char *fresh;             /* pages nobody has touched: one for each path that uses this host */
    volatile char *file;     /* pages of a file */
    int cancel_type;         /* that it found */
    pthread_mutex_t mutex;
} host_t;

/* One for the good calls, one for each failing instance, and one for each of the paths beside those. */
enum { DEFERRED = 1 + FAILURES, BLOCKING, DEFERRED_BLOCKING, RECORDING, SPEAKING, HOSTS };
static host_t hosts[HOSTS];
static atomic_bool done;
static volatile uintptr_t sink;

static void violate(host_t *host)
{
    /* Long enough that a thread of any scheduling class lets go of the CPU for it. */
    struct timespec moment = {0, 20000000};
    sigset_t mask;
    switch (host->violation) {
    case ALLOCATE: {
        char *memory = malloc(64);
        sink = (uintptr_t)memory;
        free(memory);
        break;
    }
    case LOCK:
        pthread_mutex_lock(&host->mutex);
        pthread_mutex_unlock(&host->mutex);
        break;
    case SYSTEM_CALL: sink = (uintptr_t)getppid(); break;
    case TOUCH:
        host->fresh[0] = 1;
        host->fresh += PAGE;
        break;
    case TOUCH_FILE: sink = (uintptr_t)host->file[0]; break;
    case SLEEP: nanosleep(&moment, NULL); break;
    case SET_ERRNO: errno = ENOENT; break;
    case SET_MASK:
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &mask, NULL);
        break;
    case SET_X87: {
#if defined(__x86_64__)
        const unsigned short single = 0x007f;
        __asm__ volatile("fldcw %0" : : "m"(single));
#endif
        break;
    }
    case ASK_CANCEL_TYPE: pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &host->cancel_type); break;
    case NONE: break;
    }
}

/* Reads and writes the guest's memory and calls it again; with -1 so that it fails. */
static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    host_t *host = user_data;
    int32_t *word = rtw_instance_memory_at(instance, 1024, 4);
    if (!word)
        return -1;
    *word += 1;
    if (host->violation != NONE)
        violate(host);
    rtw_value_t inner = {.i32 = values[0].i32};
    if (values[0].i32 == -1)
        return rtw_invoke(host->divide, &inner, 1);
    const rtw_status_t status = rtw_invoke(host->inner, &inner, 1);
    values[0] = inner;
    return status;
}

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    return values[0].i32;
}

static rtw_imports_t *imports_for(host_t *host, uint32_t flags)
{
    rtw_error_t err;
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, host, NULL, flags, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", answer, host, NULL, 0, &err), err);
    return imports;
}

static rtw_instance_t *instance_of(rtw_module_t *module, host_t *host, uint32_t flags)
{
    host->violation = NONE;
    pthread_mutex_init(&host->mutex, NULL);
    rtw_imports_t *imports = imports_for(host, flags);
    rtw_instance_t *instance = new_instance(module, imports, 0);
    rtw_imports_destroy(imports);
    host->inner = look_up(instance, "inner", NULL);
    host->divide = look_up(instance, "divide", NULL);
    return instance;
}

/* ---- the workloads */

static rtw_func_t *empty, *add, *scale, *scale4, *bulk, *ask, *grow, *grow_table;
static rtw_instance_t *instance;

static void expect(findings_t *findings, bool held)
{
    findings->calls++;
    findings->wrong += !held;
}

/* A stack that the thread has declared: a call on it, and the one after it, has the thread looked up. */
enum { OTHER_STACK = 512 << 10 };
static char *other_stack;

static void add_there(void *data)
{
    findings_t *findings = data;
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    expect(findings, guarded_call(rtw_invoke, add, values, 2, &findings->changed) == RTW_OK && values[0].i32 == 42);
}

/* Without the system calls that swapcontext makes. */
static void on_other_stack(void (*body)(void *), void *data)
{
    char *top = other_stack + OTHER_STACK;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %[top], %%rsp\n\tcall *%[body]\n\tmov %%rbx, %%rsp"
                     : "+D"(data)
                     : [top] "r"(top), [body] "r"(body)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
#else
    register void *argument __asm__("x0") = data;
    __asm__ volatile("mov x19, sp\n\tmov sp, %[top]\n\tblr %[body]\n\tmov sp, x19"
                     : "+r"(argument)
                     : [top] "r"(top), [body] "r"(body)
                     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
                       "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                       "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc",
                       "memory");
#endif
}

/* Calls of all sorts, one after the other. */
static void plain_calls(findings_t *findings, uint64_t calls)
{
    rtw_value_t values[2];
    for (uint64_t i = 0; i < calls; i += 9) {
        on_other_stack(add_there, findings);
        const int32_t number = (int32_t)(i & 0xffff);
        expect(findings, guarded_call(rtw_invoke, empty, NULL, 0, &findings->changed) == RTW_OK);
        for (int twice = 0; twice < 2; twice++) {
            values[0].i32 = number;
            values[1].i32 = 3;
            expect(findings, guarded_call(rtw_invoke, add, values, 2, &findings->changed) == RTW_OK && values[0].i32 == number + 3);
        }
        values[0].i32 = FLOATS;
        expect(findings, guarded_call(rtw_invoke, scale, values, 1, &findings->changed) == RTW_OK);
        values[0].i32 = FLOATS;
        expect(findings, guarded_call(rtw_invoke, scale4, values, 1, &findings->changed) == RTW_OK);
        values[0].i32 = number;
        values[1].i32 = 4;
        expect(findings, guarded_call(rtw_invoke, bulk, values, 2, &findings->changed) == RTW_OK && values[0].i32 == number + 4);
        values[0].i32 = 1;
        expect(findings, guarded_call(rtw_invoke, grow, values, 1, &findings->changed) == RTW_OK && values[0].i32 == -1);
        values[0].i32 = 1;
        expect(findings, guarded_call(rtw_invoke, grow_table, values, 1, &findings->changed) == RTW_OK && values[0].i32 == -1);
    }
}

/* Calls that call the host, which looks into the guest's memory and calls the guest. */
static void host_calls(findings_t *findings, uint64_t calls)
{
    rtw_value_t value;
    for (uint64_t i = 0; i < calls; i++) {
        value.i32 = (int32_t)(i & 0xffff);
        expect(findings, guarded_call(rtw_invoke, ask, &value, 1, &findings->changed) == RTW_OK && value.i32 == (int32_t)(i & 0xffff) + 1);
    }
}

static rtw_status_t look(rtw_func_t *func, rtw_value_t *values, size_t offset)
{
    (void)func;
    (void)values;
    float *at = rtw_instance_memory_at(instance, offset, 8);
    if (!at)
        return RTW_ERR_BOUNDS;
    at[1] = at[0];
    return RTW_OK;
}

static void memory_access(findings_t *findings, uint64_t calls)
{
    for (uint64_t i = 0; i < calls; i++)
        expect(findings, guarded_call(look, NULL, NULL, (i * 8) & 0xffff, &findings->changed) == RTW_OK);
}

/* Calls on a thread that can be cancelled at any instruction, host functions that may block, both: each has a runtime and a func. */
typedef struct beside_t {
    const char *path;
    host_t *host;
    uint32_t flags;
    bool asynchronous;
    rtw_func_t *ask;
} beside_t;

static beside_t others[] = {
    {"calls that hold a cancellation off", &hosts[DEFERRED], 0, true, NULL},
    {"host functions that may block", &hosts[BLOCKING], RTW_HOST_MAY_BLOCK, false, NULL},
    {"host functions that let a cancellation in", &hosts[DEFERRED_BLOCKING], RTW_HOST_MAY_BLOCK, true, NULL},
};
enum { OTHERS = sizeof others / sizeof others[0] };

static void set_cancel_type(int type)
{
    int before;
    NEED(pthread_setcanceltype(type, &before) == 0, "pthread_setcanceltype");
}

static void other_calls(const beside_t *other, findings_t *findings, uint64_t calls)
{
    if (other->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_ASYNCHRONOUS);
    section_begin();
    rtw_func_t *const usual = ask;
    ask = other->ask;
    host_calls(findings, calls);
    ask = usual;
    section_end(findings);
    if (other->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_DEFERRED);
}

static rtw_recorder_t *recorder;

static rtw_status_t record(rtw_func_t *func, rtw_value_t *values, size_t ns)
{
    (void)func, (void)values;
    if (hosts[RECORDING].violation != NONE)
        violate(&hosts[RECORDING]);
    return rtw_recorder_record_ns(recorder, ns);
}

static void records(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    section_begin();
    for (uint64_t i = 0; i < calls; i++)
        expect(findings, guarded_call(record, NULL, NULL, (i * i) & 0xffffff, &findings->changed) == RTW_OK);
    section_end(findings);
}

static rtw_func_t *entries;

/* A call of a table's entry; of one that is empty, and of one of another type, which are refused. */
static rtw_status_t call_entries(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    if (hosts[RECORDING].violation != NONE)
        violate(&hosts[RECORDING]);
    if (rtw_invoke_entry(func, 1, values, count) != RTW_ERR_NO_EXPORT || rtw_invoke_entry(func, 2, values, count) != RTW_ERR_SIGNATURE)
        return RTW_ERR_INTERNAL;
    return rtw_invoke_entry(func, 0, values, count);
}

static void calls_entries(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    section_begin();
    for (uint64_t i = 0; i < calls; i++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[0].i32 = (int32_t)(i & 0xffff), values[1].i32 = 1;
        const int32_t sum = values[0].i32 + 1;
        expect(findings, guarded_call(call_entries, entries, values, 2, &findings->changed) == RTW_OK && values[0].i32 == sum);
    }
    section_end(findings);
}

static rtw_func_t *placed;

/* A host function that the host has put into a table. */
static rtw_status_t place_add(void *user_data, rtw_instance_t *caller, rtw_value_t *values)
{
    host_t *host = user_data;
    (void)caller;
    if (host->violation != NONE)
        violate(host);
    values[0].i32 += values[1].i32;
    return RTW_OK;
}

static void calls_placed(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    section_begin();
    for (uint64_t i = 0; i < calls; i++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[0].i32 = (int32_t)(i & 0xffff), values[1].i32 = 2;
        const int32_t sum = values[0].i32 + 2;
        expect(findings, guarded_call(rtw_invoke, placed, values, 2, &findings->changed) == RTW_OK && values[0].i32 == sum);
    }
    section_end(findings);
}

static rtw_global_t *looked_up;

/* Writes a global and reads it. */
static rtw_status_t use_global(rtw_func_t *none, rtw_value_t *values, size_t count)
{
    (void)none, (void)count;
    if (hosts[RECORDING].violation != NONE)
        violate(&hosts[RECORDING]);
    const rtw_status_t status = rtw_global_set(looked_up, &values[0]);
    return status == RTW_OK ? rtw_global_get(looked_up, &values[1]) : status;
}

static void uses_global(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    section_begin();
    for (uint64_t i = 0; i < calls; i++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[0].f64 = (double)i;
        expect(findings, guarded_call(use_global, NULL, values, 2, &findings->changed) == RTW_OK && values[1].f64 == (double)i);
    }
    section_end(findings);
}

/* Guests for audio and control: one for which the library divides a block, one that takes events, one behind a slot. */
enum { DRIVEN = 3, DRIVEN_FRAMES = 64 };
static rtw_guest_t *driven[DRIVEN];
static rtw_slot_t *driven_slot;

/* Runs a block on each of the guests, and writes and reads their parameters and meters. */
static rtw_status_t use_guests(rtw_func_t *none, rtw_value_t *values, size_t count)
{
    (void)none, (void)count;
    if (hosts[RECORDING].violation != NONE)
        violate(&hosts[RECORDING]);
    static float samples[2][DRIVEN_FRAMES];
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

static void uses_guests(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    section_begin();
    for (uint64_t i = 0; i < calls; i++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[0].f64 = i % 2 == 0 ? 0.5 : 0.75;
        expect(findings, guarded_call(use_guests, NULL, values, 2, &findings->changed) == RTW_OK);
    }
    section_end(findings);
}

static void set_up_guests(rtw_runtime_t *runtime)
{
    rtw_error_t err;
    rtw_module_t *drive = load(runtime, "drive"), *tone = load(runtime, "tone");
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.max_frames = DRIVEN_FRAMES;
    OK(rtw_guest_create(drive, new_instance(drive, NULL, 0), NULL, &config, &driven[0], &err), err);
    OK(rtw_guest_create(tone, new_instance(tone, NULL, 0), NULL, &config, &driven[1], &err), err);
    OK(rtw_guest_slot_create(drive, &config, NULL, &driven_slot, &err), err);
    OK(rtw_slot_publish(driven_slot, new_instance(drive, NULL, 0), NULL, &err), err);
    OK(rtw_guest_create(drive, NULL, driven_slot, &config, &driven[2], &err), err);
    for (int i = 0; i < DRIVEN; i++)
        OK(rtw_guest_prepare(driven[i], 64, &err), err);
}

static rtw_func_t *speak;

static rtw_status_t spoken(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    if (hosts[SPEAKING].violation != NONE)
        violate(&hosts[SPEAKING]);
    return rtw_invoke(func, values, count);
}

/* Calls of a guest that prints and logs into a log which is mostly full, reads clocks, takes random numbers and computes. */
static void speaks(const beside_t *none, findings_t *findings, uint64_t calls)
{
    (void)none;
    rtw_value_t value;
    section_begin();
    for (uint64_t i = 0; i < calls; i++)
        expect(findings, guarded_call(spoken, speak, &value, 1, &findings->changed) == RTW_OK && value.i32 == 0);
    section_end(findings);
}

static atomic_uint heard;

static void hear(void *user_data, rtw_instance_t *who, uint32_t level, const char *text, size_t length)
{
    (void)user_data, (void)who, (void)level, (void)text, (void)length;
    atomic_fetch_add(&heard, 1);
}

/* The times of faults, in ns; those that waited for the engine's lock, which takes a system call, are separate. */
static double *fault_ns, *waited_ns;
static size_t fault_count, waited_count;

/* One fault and one call of what has faulted, watched; then everything anew, which is not. */
static void failing_calls(findings_t *findings, uint64_t faults)
{
    rtw_error_t err;
    for (uint64_t i = 0; i < faults; i++) {
        failure_t *failure = &failures[i % FAILURES];
        rtw_value_t value = {.i32 = 1};
        const uint64_t before = findings->system_calls;
        section_begin();
        const uint64_t started = now_ns();
        expect(findings, guarded_call(rtw_invoke, failure->func, &value, 1, &findings->changed) == failure->status);
        const double took = (double)(now_ns() - started);
        expect(findings, guarded_call(rtw_invoke, failure->func, &value, 1, &findings->changed) == RTW_ERR_FAULTED);
        section_end(findings);
        if (findings->system_calls == before)
            fault_ns[fault_count++] = took;
        else
            waited_ns[waited_count++] = took;
        OK(rtw_instance_reset(failure->instance, &err), err);
    }
}

/* ---- around them */

static void *read_statistics(void *data)
{
    (void)data;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    uint64_t before = 0;
    while (!atomic_load(&done)) {
        NEED(rtw_func_stats(ask, &stats) == RTW_OK && stats.call.count >= before, "statistics went back");
        before = stats.call.count;
        sched_yield();
    }
    return NULL;
}

/* The mappings of files whose path holds `part` (or, inverted, does not): base and length to `act`. The loader leaves gaps that nothing
 * may read, where segments are 64 KiB apart; there are no pages in those. */
static void for_file_mappings(const char *part, bool holds, void (*act)(void *base, size_t length, const char *path))
{
    FILE *maps = fopen("/proc/self/maps", "r");
    NEED(maps, "/proc/self/maps: %s", strerror(errno));
    char line[4352], path[4096], readable;
    while (fgets(line, sizeof line, maps)) {
        uintptr_t low, high;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %c%*s %*s %*s %*s %4095s", &low, &high, &readable, path) == 4 && readable == 'r' &&
            path[0] == '/' && (strstr(path, part) != NULL) == holds)
            act((void *)low, high - low, path);
    }
    fclose(maps);
}

static void reclaim(void *base, size_t length, const char *path)
{
    (void)path;
    madvise(base, length, MADV_PAGEOUT);
}

static void lock_here(void *base, size_t length, const char *path)
{
    NEED(mlock(base, length) == 0, "cannot lock %s (%s): raise the limit on locked memory (ulimit -l)", path, strerror(errno));
}

/* Asks the kernel again and again to take the library's pages away, as it does itself when memory is short. */
static void *reclaim_library(void *data)
{
    (void)data;
    const struct timespec pause = {0, 20000000};
    while (!atomic_load(&done)) {
        for_file_mappings("/librtwasm", true, reclaim);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static uint64_t available_bytes(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    NEED(file, "/proc/meminfo: %s", strerror(errno));
    char line[256];
    uint64_t kib = 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

/* A process that fills memory, and has the kernel drop the page cache where it may. */
static pid_t press_memory(void)
{
    uint64_t bytes = available_bytes() / 10 * 6;
    if (bytes > (uint64_t)4 << 30)
        bytes = (uint64_t)4 << 30;
    const pid_t parent = getpid();
    const pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); // the parent had ended before, so no signal comes
    for (char round = 1;; round++) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            _exit(1);
        for (uint64_t at = 0; at < bytes; at += PAGE)
            memory[at] = round;
        const int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
        if (drop >= 0) {
            const ssize_t written = write(drop, "1", 1);
            (void)written;
            close(drop);
        }
        munmap(memory, bytes);
    }
}

static bool pressed(void) { return strcmp(mode, "pressed") == 0; }
static bool beside(void) { return strcmp(mode, "beside") == 0; }

/* Operations that take the engine's locks for writing. */
static void *load_and_drop(void *data)
{
    rtw_runtime_t *runtime = data;
    host_t host;
    memset(&host, 0, sizeof host);
    while (!atomic_load(&done)) {
        rtw_module_t *module = load(runtime, "work");
        rtw_imports_t *imports = imports_for(&host, 0);
        rtw_instance_destroy(new_instance(module, imports, 0));
        rtw_imports_destroy(imports);
        rtw_module_destroy(module);
    }
    return NULL;
}

/* Attaches with another stack; ahead: with real-time scheduling, where that is permitted: what a fault waits for is to be the
 * lock, not the CPU. Answers whether it has that. */
static bool attach_with_stack(rtw_runtime_t *runtime, bool real_time)
{
    rtw_error_t err;
    other_stack = mmap(NULL, OTHER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(other_stack != MAP_FAILED, "mmap: %s", strerror(errno));
    const rtw_stack_t stack = {other_stack, OTHER_STACK};
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.stacks = &stack;
    config.stack_count = 1;
    if (real_time) {
        config.sched_policy = RTW_SCHED_FIFO;
        config.priority = 10;
    }
    const rtw_status_t status = rtw_thread_attach(runtime, &config, &err);
    if (status == RTW_ERR_PERMISSION && real_time)
        return attach_with_stack(runtime, false) && false;
    OK(status, err);
    return real_time;
}

static bool ahead;

static void set_up(rtw_runtime_t *runtime)
{
    rtw_module_t *module = load(runtime, "work");
    ahead = attach_with_stack(runtime, beside());
    instance = instance_of(module, &hosts[0], 0);
    empty = look_up(instance, "empty", NULL);
    add = look_up(instance, "add", NULL);
    scale = look_up(instance, "scale", NULL);
    scale4 = look_up(instance, "scale4", NULL);
    bulk = look_up(instance, "bulk", NULL);
    ask = look_up(instance, "ask", NULL);
    grow = look_up(instance, "grow", NULL);
    grow_table = look_up(instance, "grow_table", NULL);
    rtw_value_t zeros[2] = {{.i32 = 0}, {.i32 = 0}};
    rtw_func_t *all[] = {empty, add, scale, scale4, bulk, ask, grow, grow_table, hosts[0].inner, hosts[0].divide};
    rtw_dry_call_t dry[9];
    memset(dry, 0, sizeof dry);
    for (size_t i = 0; i < 9; i++) {
        dry[i].func = all[i];
        dry[i].values = zeros;
        dry[i].value_count = 2;
        dry[i].repeats = 64;
    }
    rtw_error_t err;
    rtw_prepare_config_t config;
    rtw_prepare_report_t report;
    rtw_prepare_config_init(&config);
    rtw_prepare_report_init(&report);
    config.dry_calls = dry;
    config.dry_call_count = 9;
    OK(rtw_instance_prepare(instance, &config, &report, &err), err);
    if (!pressed() && !beside())
        row("allocates nothing", "prepare's report of the dry calls", report.dry_calls, report.allocations == 0 && report.minor_faults == 0,
        PLANTED_NONE, "%" PRIu64 " allocations, %" PRIu64 " faults", report.allocations, report.minor_faults + report.major_faults);
    for (size_t i = 0; i < FAILURES; i++) {
        failures[i].instance = instance_of(module, &hosts[1 + i], 0);
        failures[i].func = look_up(failures[i].instance, failures[i].function, NULL);
        /* Nothing has failed yet: no dry call does. */
        prepare_instance(failures[i].instance);
    }
}

/* A runtime each: how a thread can be cancelled is noted when it attaches. */
static void set_up_others(void)
{
    rtw_error_t err;
    for (size_t i = 0; i < OTHERS; i++) {
        beside_t *other = &others[i];
        rtw_runtime_t *runtime = make_runtime();
        if (other->asynchronous)
            set_cancel_type(PTHREAD_CANCEL_ASYNCHRONOUS);
        attach_here(runtime);
        if (other->asynchronous)
            set_cancel_type(PTHREAD_CANCEL_DEFERRED);
        rtw_instance_t *made = instance_of(load(runtime, "work"), other->host, other->flags);
        other->ask = look_up(made, "ask", NULL);
        prepare_instance(made);
        if (i == 1)
            OK(rtw_instance_table_func_dynamic(made, "table", "(i32,i32)->(i32)", &entries, &err), err);
        if (i == 0) {
            OK(rtw_recorder_create(runtime, "host", &recorder, &err), err);
            OK(rtw_instance_global(made, "level", "f64", &looked_up, &err), err);
            set_up_guests(runtime);
            OK(rtw_instance_table_set(made, "table", 0, "(i32,i32)->(i32)", place_add, &hosts[RECORDING], NULL, 0, &err), err);
            placed = look_up(made, "bulk", NULL);
        }
    }
}

static void set_up_speaker(void)
{
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

/* Starts a thread with ordinary scheduling, whatever this one has. */
static void start(pthread_t *thread, void *(*run)(void *), void *data)
{
    const struct sched_param none = {0};
    pthread_attr_t attributes;
    NEED(pthread_attr_init(&attributes) == 0 && pthread_attr_setschedpolicy(&attributes, SCHED_OTHER) == 0 &&
             pthread_attr_setschedparam(&attributes, &none) == 0 && pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0,
         "pthread_attr");
    NEED(pthread_create(thread, &attributes, run, data) == 0, "pthread_create");
    pthread_attr_destroy(&attributes);
}

/* A thread that starts another has all signals blocked for a moment. If the housekeeper looks just then, calls check for themselves until
 * one of its next looks. */
static void wait_for_quiet_signals(const rtw_runtime_t *runtime)
{
    const struct timespec pause = {0, 10000000};
    rtw_signals_t signals;
    rtw_signals_init(&signals);
    NEED(rtw_runtime_signals(runtime, &signals) == RTW_OK, "no figures of the signals");
    const uint64_t before = signals.looks;
    while (profile == RTW_PROFILE_STANDALONE && (signals.looks < before + 2 || signals.status != RTW_OK)) {
        nanosleep(&pause, NULL);
        NEED(rtw_runtime_signals(runtime, &signals) == RTW_OK, "no figures of the signals");
    }
}

/* Runs one violation inside a call of the host and says what the observers saw. */
static findings_t plant(violation_t violation)
{
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    hosts[0].violation = violation;
    section_begin();
    host_calls(&findings, 1);
    section_end(&findings);
    hosts[0].violation = NONE;
    return findings;
}

static char evidence[512];

static const char *tell(const findings_t *f)
{
    snprintf(evidence, sizeof evidence,
             "allocations %" PRIu64 "%s%s, locks %" PRIu64 "%s%s, system calls %" PRIu64 " (first %ld), faults %" PRIu64 "+%" PRIu64
             ", switches %" PRIu64 ", errno %" PRIu64 ", mask %" PRIu64 ", registers %#x, wrong answers %" PRIu64,
             f->allocations, f->first_allocation ? " " : "", f->first_allocation ? f->first_allocation : "", f->locks,
             f->first_lock ? " " : "", f->first_lock ? f->first_lock : "", f->system_calls, f->first_system_call, f->minor_faults,
             f->major_faults, f->switches, f->errno_changes, f->mask_changes, f->changed, f->wrong);
    return evidence;
}

static bool registers_caught(void)
{
    for (size_t i = 0; i < SAVED_REGISTERS; i++) {
        uint32_t changed = 0;
        guarded_call(clobbering[i], NULL, NULL, 0, &changed);
        if (changed != 1u << i)
            return false;
    }
    return true;
}

#if defined(__x86_64__)
#define FLOAT_CONTROL "MXCSR and x87 control"
#else
#define FLOAT_CONTROL "FPCR"
#endif

static rtw_status_t flip_flushing(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    (void)func, (void)values, (void)count;
    write_float_mode(read_float_mode() ^ FLUSH_BITS);
    return RTW_OK;
}

/* Plants the change beside the call, since a call undoes the changes of its host functions before it returns. */
static bool flushing_caught(void)
{
    uint32_t changed = 0;
    guarded_call(flip_flushing, NULL, NULL, 0, &changed);
    flip_flushing(NULL, NULL, 0);
    return changed == CHANGED_FLOAT;
}

/* Returns what the checks find when `work` commits the violation once. */
static findings_t plant_in(void (*work)(const beside_t *, findings_t *, uint64_t), const beside_t *other, host_t *host, violation_t violation)
{
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    host->violation = violation;
    work(other, &findings, 1);
    host->violation = NONE;
    return findings;
}

/* The promises of a path beside the calls, each with its planted violation. */
static void prove_beside(const char *path, void (*work)(const beside_t *, findings_t *, uint64_t), const beside_t *other, host_t *host,
                         uint64_t calls)
{
    findings_t f;
    memset(&f, 0, sizeof f);
    work(other, &f, calls);
    const char *found = tell(&f);
    char what[128];
#define ROW(promise, how, holds, seen)                                                                                            \
    snprintf(what, sizeof what, "%s, %s", path, how);                                                                             \
    row(promise, what, f.calls, (holds) && f.wrong == 0, caught(seen), "%s", (holds) && f.wrong == 0 ? "" : found)
    ROW("allocates nothing", "malloc interposer", f.allocations == 0, plant_in(work, other, host, ALLOCATE).allocations > 0);
    ROW("locks nothing", "pthread interposer", f.locks == 0, plant_in(work, other, host, LOCK).locks > 0);
    ROW("no system call", "seccomp filter", f.system_calls == 0, plant_in(work, other, host, SYSTEM_CALL).system_calls > 0);
    ROW("no page fault", "getrusage of the thread", f.minor_faults == 0 && f.major_faults == 0,
        plant_in(work, other, host, TOUCH).minor_faults > 0);
    ROW("keeps the CPU", "voluntary switches", f.switches == 0, plant_in(work, other, host, SLEEP).switches > 0);
#undef ROW
}

/* The rows of one path, with the planted violations' outcomes. */
static void tell_rows(const char *path, const findings_t *f)
{
    static bool planted[NONE];
    static bool have_planted;
    if (!have_planted) {
        have_planted = true;
        planted[ALLOCATE] = plant(ALLOCATE).allocations > 0;
        planted[LOCK] = plant(LOCK).locks > 0;
        planted[SYSTEM_CALL] = plant(SYSTEM_CALL).system_calls > 0;
        planted[TOUCH] = plant(TOUCH).minor_faults > 0;
        planted[TOUCH_FILE] = !hosts[0].file || plant(TOUCH_FILE).major_faults > 0;
        planted[SLEEP] = plant(SLEEP).switches > 0;
        planted[SET_ERRNO] = plant(SET_ERRNO).errno_changes > 0;
        planted[SET_MASK] = plant(SET_MASK).mask_changes > 0;
#if defined(__x86_64__)
        planted[SET_X87] = (plant(SET_X87).changed & CHANGED_X87) != 0;
#else
        planted[SET_X87] = true; /* there is none */
#endif
    }
    char what[128];
    const char *found = tell(f);
#define ROW(promise, how, holds, seen)                                                                                            \
    snprintf(what, sizeof what, "%s, %s", path, how);                                                                             \
    row(promise, what, f->calls, (holds) && f->wrong == 0, caught(seen), "%s", (holds) && f->wrong == 0 ? "" : found)
    if (beside()) {
        ROW("waits for no lock", "modules loaded beside", f->system_calls == 0 && f->switches == 0, planted[SYSTEM_CALL] && planted[SLEEP]);
        return;
    }
    if (!pressed()) {
        ROW("allocates nothing", "malloc interposer", f->allocations == 0, planted[ALLOCATE]);
        ROW("locks nothing", "pthread interposer", f->locks == 0, planted[LOCK]);
        ROW("no system call", "seccomp filter", f->system_calls == 0, planted[SYSTEM_CALL]);
        ROW("errno as before", "sentinel", f->errno_changes == 0, planted[SET_ERRNO]);
        ROW("signal mask as before", "rt_sigprocmask", f->mask_changes == 0, planted[SET_MASK]);
        ROW(FLOAT_CONTROL " as before", "assembly wrapper", (f->changed & (CHANGED_FLOAT | CHANGED_X87)) == 0,
            flushing_caught() && planted[SET_X87]);
        ROW("callee-saved registers as before", "assembly wrapper", (f->changed & (CHANGED_REGISTERS | CHANGED_DIRECTION)) == 0,
            registers_caught());
    }
    ROW(pressed() ? "no page fault under memory pressure" : "no page fault", "getrusage of the thread",
        f->minor_faults == 0 && f->major_faults == 0, planted[TOUCH] && planted[TOUCH_FILE]);
    ROW(pressed() ? "keeps the CPU under memory pressure" : "keeps the CPU", "voluntary switches", f->switches == 0, planted[SLEEP]);
#undef ROW
}

/* A file of one page that is not in memory; NULL where the file system keeps it there. */
static volatile char *absent_file(void)
{
    char path[4096], page[PAGE];
    snprintf(path, sizeof path, "%s/absent.%s%s", artifacts, profile_name, mode);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    NEED(file >= 0, "%s: %s", path, strerror(errno));
    memset(page, 7, sizeof page);
    NEED(write(file, page, sizeof page) == PAGE && fsync(file) == 0, "%s: %s", path, strerror(errno));
    NEED(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0, "%s cannot be dropped", path);
    volatile char *mapped = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    NEED(mapped != MAP_FAILED, "mmap of %s: %s", path, strerror(errno));
    close(file);
    unsigned char present = 0;
    NEED(mincore((void *)(uintptr_t)mapped, PAGE, &present) == 0, "mincore: %s", strerror(errno));
    if (present & 1) {
        printf("measured\t%s: no major fault could be planted: %s stays in memory\n", profile_name, path);
        return NULL;
    }
    return mapped;
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    char *fresh = mmap(NULL, FRESH_PAGES * HOSTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(fresh != MAP_FAILED && madvise(fresh, FRESH_PAGES * HOSTS * PAGE, MADV_NOHUGEPAGE) == 0, "mmap: %s", strerror(errno));
    for (size_t i = 0; i < HOSTS; i++)
        hosts[i].fresh = fresh + FRESH_PAGES * i * PAGE;
    /* Before anything is made present: a fork turns every private page into one that the next write has to copy. */
    const pid_t presser = pressed() ? press_memory() : 0;
    rtw_runtime_t *runtime = make_locking_runtime(pressed() ? RTW_LOCK_REQUIRED : RTW_LOCK_OFF);
    set_up(runtime);
    const bool at_rest = !pressed() && !beside();
    if (at_rest) {
        set_up_others();
        set_up_speaker();
    }

    pthread_t reader, reclaimer, loader;
    if (beside())
        start(&loader, load_and_drop, runtime);
    start(&reader, read_statistics, NULL);
    if (pressed()) {
        /* The host's own code is the host's to keep. */
        for_file_mappings("/librtwasm", false, lock_here);
        for_file_mappings("/librtwasm", true, reclaim);
        start(&reclaimer, reclaim_library, NULL);
    }
    hosts[0].file = absent_file();
    wait_for_quiet_signals(runtime);
    watch_system_calls();

    /* The observers' own first time. */
    findings_t warm_up;
    memset(&warm_up, 0, sizeof warm_up);
    section_begin();
    section_end(&warm_up);
    sink = (uintptr_t)tell(&warm_up);

    findings_t good, failing;
    memset(&good, 0, sizeof good);
    memset(&failing, 0, sizeof failing);
    const uint64_t calls = proof_calls(), faults = proof_faults();
    fault_ns = calloc(faults, sizeof *fault_ns);
    waited_ns = calloc(faults, sizeof *waited_ns);
    NEED(fault_ns && waited_ns, "no memory");
    section_begin();
    plain_calls(&good, calls);
    host_calls(&good, calls);
    memory_access(&good, calls);
    section_end(&good);
    failing_calls(&failing, faults);

    atomic_store(&done, true);
    pthread_join(reader, NULL);
    if (pressed())
        pthread_join(reclaimer, NULL);
    if (beside())
        pthread_join(loader, NULL);
    tell_rows("good calls", &good);
    /* In the standalone profile a trap looks its code up under a read lock that loading takes for writing: not promised. */
    if (!beside() || profile == RTW_PROFILE_PLUGIN)
        tell_rows("failing calls", &failing);

    if (at_rest) {
        for (size_t i = 0; i < OTHERS; i++) {
            if (others[i].asynchronous) {
                others[i].host->cancel_type = PTHREAD_CANCEL_ASYNCHRONOUS;
                plant_in(other_calls, &others[i], others[i].host, ASK_CANCEL_TYPE);
                NEED(others[i].host->cancel_type == PTHREAD_CANCEL_DEFERRED, "%s: nothing is held off", others[i].path);
            }
            prove_beside(others[i].path, other_calls, &others[i], others[i].host, calls);
        }
        pthread_mutex_init(&hosts[RECORDING].mutex, NULL);
        hosts[RECORDING].violation = NONE;
        prove_beside("times of the host's own", records, NULL, &hosts[RECORDING], calls);
        prove_beside("calls of a table's entries", calls_entries, NULL, &hosts[RECORDING], calls);
        prove_beside("host functions in a table", calls_placed, NULL, &hosts[RECORDING], calls);
        prove_beside("globals that were looked up", uses_global, NULL, &hosts[RECORDING], calls);
        prove_beside("blocks of guests for audio and control", uses_guests, NULL, &hosts[RECORDING], calls / 10);
        pthread_mutex_init(&hosts[SPEAKING].mutex, NULL);
        hosts[SPEAKING].violation = NONE;
        prove_beside("WASI, libm and the log", speaks, NULL, &hosts[SPEAKING], calls / 10);
        NEED(atomic_load(&heard) > 0, "the host has heard nothing of its guest");
    }

    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    uint64_t peak = 0;
    for (size_t i = 0; i < FAILURES; i++) {
        NEED(rtw_func_stats(failures[i].func, &stats) == RTW_OK, "statistics of %s", failures[i].function);
        if (stats.arena_peak_bytes > peak)
            peak = stats.arena_peak_bytes;
    }
    if (beside()) {
        sort_numbers(fault_ns, fault_count);
        sort_numbers(waited_ns, waited_count);
        printf("measured\t%s: %zu faults of a thread with %s scheduling, beside one that loads modules, without a wait: median %.1f us, 99.9 %% %.1f us, most %.1f us\n", profile_name,
               fault_count, ahead ? "real-time" : "ordinary", quantile(fault_ns, fault_count, 0.5) / 1000, quantile(fault_ns, fault_count, 0.999) / 1000,
               quantile(fault_ns, fault_count, 1) / 1000);
        printf("measured\t%s: %zu that waited for the engine's lock: median %.1f us, most %.1f us\n", profile_name, waited_count,
               quantile(waited_ns, waited_count, 0.5) / 1000, quantile(waited_ns, waited_count, 1) / 1000);
    }
    if (at_rest)
        row("a fault's memory is the arena's", "arena_peak_bytes", failing.calls / 2, peak > 0 && peak < 4096, PLANTED_NONE,
            "at most %" PRIu64 " bytes a fault", peak);
    if (presser) {
        int status;
        kill(presser, SIGKILL);
        NEED(waitpid(presser, &status, 0) == presser && WIFSIGNALED(status), "the process that presses memory ended early");
    }
    return check_summary();
}
