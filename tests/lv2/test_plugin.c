/* The LV2 plug-in in a host that tries everything: test_plugin BUNDLES ARTIFACTS, the folders that test_lv2.sh fills. The bundles
 * are read with lilv, as most hosts read them. */
#include "check.h"

#include <alloca.h>
#include <dirent.h>
#include <dlfcn.h>
#include <lilv/lilv.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <lv2/atom/util.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/log/log.h>
#include <lv2/midi/midi.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RATE 48000
#define LONGEST 8192
#define FRAMES 96000 /* of the signal that is compared */
#define MOST_PORTS 80
#define BLOCK 256

static const char *bundles, *artifacts;
static LilvWorld *world;

/* ---- what a host offers ---- */

static pthread_mutex_t uri_lock = PTHREAD_MUTEX_INITIALIZER;
static char *uris[256];

static LV2_URID map_uri(LV2_URID_Map_Handle handle, const char *uri) {
    (void)handle;
    LV2_URID urid = 0;
    pthread_mutex_lock(&uri_lock);
    while (uris[urid] != NULL && strcmp(uris[urid], uri) != 0) urid++;
    if (uris[urid] == NULL) uris[urid] = strdup(uri);
    pthread_mutex_unlock(&uri_lock);
    return urid + 1;
}

typedef struct plug_t {
    LilvInstance *instance;
    const LilvPlugin *plugin;
    float controls[MOST_PORTS];
    atomic_int asked; /* how often the plug-in has asked for its worker */
    char log[8192];
    LV2_URID_Map map;
    LV2_Log_Log log_feature;
    LV2_Worker_Schedule schedule;
} plug_t;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static int log_va(LV2_Log_Handle handle, LV2_URID type, const char *format, va_list arguments) {
    plug_t *plug = handle;
    (void)type;
    pthread_mutex_lock(&log_lock); /* threads of the library's write, too */
    const size_t length = strlen(plug->log);
    const int written = vsnprintf(plug->log + length, sizeof plug->log - length, format, arguments);
    pthread_mutex_unlock(&log_lock);
    return written;
}

static bool log_has(plug_t *plug, const char *text) {
    pthread_mutex_lock(&log_lock);
    const bool has = strstr(plug->log, text) != NULL;
    pthread_mutex_unlock(&log_lock);
    return has;
}

static int log_text(LV2_Log_Handle handle, LV2_URID type, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = log_va(handle, type, format, arguments);
    va_end(arguments);
    return length;
}

static LV2_Worker_Status schedule(LV2_Worker_Schedule_Handle handle, uint32_t size, const void *data) {
    (void)size, (void)data;
    ((plug_t *)handle)->asked++;
    return LV2_WORKER_SUCCESS;
}

static uint32_t port_of(const plug_t *plug, const char *symbol) {
    LilvNode *name = lilv_new_string(world, symbol);
    const LilvPort *port = lilv_plugin_get_port_by_symbol(plug->plugin, name);
    lilv_node_free(name);
    check(port != NULL, "there is a port %s", symbol);
    return port == NULL ? 0 : lilv_port_get_index(plug->plugin, port);
}

static float *control(plug_t *plug, const char *symbol) { return &plug->controls[port_of(plug, symbol)]; }

/* Makes an instance; false if the plug-in refuses, and `log` says why. Controls have their defaults. */
static bool open_plug(plug_t *plug, const char *uri) {
    memset(plug, 0, sizeof *plug);
    LilvNode *node = lilv_new_uri(world, uri);
    plug->plugin = lilv_plugins_get_by_uri(lilv_world_get_all_plugins(world), node);
    lilv_node_free(node);
    if (plug->plugin == NULL) return false;
    plug->map = (LV2_URID_Map){NULL, map_uri};
    plug->log_feature = (LV2_Log_Log){plug, log_text, log_va};
    plug->schedule = (LV2_Worker_Schedule){plug, schedule};
    const int32_t most = LONGEST, usual = BLOCK;
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, map_uri(NULL, LV2_BUF_SIZE__maxBlockLength), sizeof most, map_uri(NULL, LV2_ATOM__Int), &most},
        {LV2_OPTIONS_INSTANCE, 0, map_uri(NULL, LV2_BUF_SIZE__nominalBlockLength), sizeof usual, map_uri(NULL, LV2_ATOM__Int), &usual},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    const LV2_Feature features[] = {
        {LV2_URID__map, &plug->map},
        {LV2_LOG__log, &plug->log_feature},
        {LV2_WORKER__schedule, &plug->schedule},
        {LV2_OPTIONS__options, (void *)(uintptr_t)options},
    };
    const LV2_Feature *const list[] = {&features[0], &features[1], &features[2], &features[3], NULL};
    plug->instance = lilv_plugin_instantiate(plug->plugin, RATE, list);
    if (plug->instance == NULL) return false;
    lilv_plugin_get_port_ranges_float(plug->plugin, NULL, NULL, plug->controls);
    for (uint32_t port = 0; port < lilv_plugin_get_num_ports(plug->plugin); port++) {
        lilv_instance_connect_port(plug->instance, port, &plug->controls[port]);
    }
    lilv_instance_activate(plug->instance);
    return true;
}

static void close_plug(plug_t *plug) {
    if (plug->instance != NULL) {
        lilv_instance_deactivate(plug->instance);
        lilv_instance_free(plug->instance);
    }
}

static void run(plug_t *plug, float *const *audio, uint32_t count, uint32_t frames) {
    for (uint32_t port = 0; port < count; port++) lilv_instance_connect_port(plug->instance, port, audio[port]);
    lilv_instance_run(plug->instance, frames);
}

/* ---- blocks of any length ---- */

static float input[2][FRAMES], expected[2][FRAMES];

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

static void make_input(void) {
    uint32_t state = 1;
    for (int at = 0; at < FRAMES; at++) {
        for (int channel = 0; channel < 2; channel++) {
            input[channel][at] = at % 24000 < 12000 ? (float)(int32_t)next_random(&state) / 4294967296.0f : 0.0f;
        }
    }
}

typedef enum way_t { APART, IN_PLACE, CROSSED } way_t;

/* Sends the signal through the plug-in, in blocks of `length` frames, or of lengths from 0 to 8192 if that is 0. */
static bool same_output(plug_t *plug, way_t way, uint32_t length, bool keep) {
    static const uint32_t SPECIAL[] = {0, 8192, 1, 0, 4096, 1023, 1024, 1025, 3, 8191};
    static _Thread_local float in[2][LONGEST], out[2][LONGEST];
    uint32_t state = 7, at = 0;
    bool same = true;
    for (unsigned block = 0; at < FRAMES; block++) {
        uint32_t frames = length;
        if (length == 0) frames = block < 10 ? SPECIAL[block] : next_random(&state) % (block % 3 == 0 ? LONGEST + 1 : 300);
        frames = frames < FRAMES - at ? frames : FRAMES - at;
        for (int channel = 0; channel < 2; channel++) memcpy(in[channel], input[channel] + at, frames * sizeof(float));
        float *left = way == APART ? out[0] : way == IN_PLACE ? in[0] : in[1];
        float *right = way == APART ? out[1] : way == IN_PLACE ? in[1] : in[0];
        run(plug, (float *[]){in[0], in[1], left, right}, 4, frames);
        const float *const outputs[] = {left, right};
        for (int channel = 0; channel < 2; channel++) {
            if (keep) memcpy(expected[channel] + at, outputs[channel], frames * sizeof(float));
            same &= memcmp(expected[channel] + at, outputs[channel], frames * sizeof(float)) == 0;
        }
        at += frames;
    }
    return same;
}

static void test_blocks(void) {
    plug_t plug;
    make_input();
    check(open_plug(&plug, "urn:rtwasm:equaliser"), "the equaliser is there: %s", plug.log);
    *control(&plug, "_2_gain") = 9;
    *control(&plug, "_3_gain") = -12;
    same_output(&plug, APART, BLOCK, true);
    float sum = 0;
    for (int at = 0; at < FRAMES; at++) sum += fabsf(expected[0][at] - input[0][at]);
    check(sum > 1, "it does something");
    static const char *const WAYS[] = {"apart", "in place", "in place, crossed"};
    for (int way = APART; way <= CROSSED; way++) {
        lilv_instance_activate(plug.instance);
        check(same_output(&plug, (way_t)way, 0, false), "blocks of 0 to 8192 frames, %s: the output is the same", WAYS[way]);
    }
    lilv_instance_activate(plug.instance);
    *control(&plug, "freewheel") = 1;
    check(same_output(&plug, APART, 0, false), "offline as live");
    check(*control(&plug, "guest_misses") == 0 || *control(&plug, "guest_load") > 0, "the load is told");
    *control(&plug, "_3_gain") = -11;
    lilv_instance_activate(plug.instance);
    check(!same_output(&plug, APART, 0, false), "twin: with another parameter the output is another one");
    close_plug(&plug);
}

static void *run_parallel(void *data) {
    plug_t *plug = data;
    bool same = true;
    for (int round = 0; round < 3; round++) {
        lilv_instance_activate(plug->instance);
        same &= same_output(plug, round == 1 ? IN_PLACE : APART, 0, false);
    }
    return same ? plug : NULL;
}

static void test_parallel(void) {
    enum { COUNT = 6 };
    static plug_t plugs[COUNT];
    pthread_t threads[COUNT];
    for (int n = 0; n < COUNT; n++) {
        check(open_plug(&plugs[n], "urn:rtwasm:equaliser"), "an instance");
        *control(&plugs[n], "_2_gain") = 9;
        *control(&plugs[n], "_3_gain") = -12;
    }
    for (int n = 0; n < COUNT; n++) pthread_create(&threads[n], NULL, run_parallel, &plugs[n]);
    for (int n = 0; n < COUNT; n++) {
        void *same;
        pthread_join(threads[n], &same);
        check(same != NULL, "instance %d of %d in parallel: the output is the same", n + 1, COUNT);
        close_plug(&plugs[n]);
    }
}

/* ---- real time ---- */

static _Thread_local volatile bool counting;
static _Thread_local volatile int allocations;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void __libc_free(void *old);

static void count_one(void) { allocations = allocations + counting; }

/* The process's allocator, which the plug-in uses as well. */
void *malloc(size_t bytes) { return count_one(), __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return count_one(), __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { return count_one(), __libc_realloc(old, bytes); }
void free(void *old) { count_one(), __libc_free(old); }

/* Lets the calling thread make no system calls but those that end the process, and the one about its scheduling. */
static void permit_no_system_calls(void) {
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_getscheduler, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(3);
}

/* Runs blocks, with a parameter that changes and a bypass, in a child that is killed at a system call. `planted` makes one. Exit status:
 * 0, or 1 after an allocation. */
static int run_quietly(bool planted) {
    const pid_t child = fork();
    if (child == 0) {
        plug_t plug;
        static float in[2][BLOCK], out[2][BLOCK];
        float *const audio[] = {in[0], in[1], out[0], out[1]};
        if (!open_plug(&plug, "urn:rtwasm:equaliser")) _exit(2);
        float *gain = control(&plug, "_2_gain"), *enabled = control(&plug, "enabled");
        for (int block = 0; block < 10; block++) run(&plug, audio, 4, BLOCK);
        permit_no_system_calls();
        counting = true;
        for (int block = 0; block < 5000; block++) {
            *gain = (float)(block % 12);
            *enabled = block % 100 < 50;
            lilv_instance_run(plug.instance, (uint32_t)(block % (BLOCK + 1)));
        }
        if (planted) syscall(SYS_getppid);
        _exit(allocations != 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static void test_real_time(void) {
    check(run_quietly(false) == 0, "5000 blocks: no allocation and no system call");
    check(WIFSIGNALED(run_quietly(true)), "twin: a system call ends the child");
    counting = true;
    void *volatile some = malloc(16);
    free(some);
    counting = false;
    check(allocations == 2, "twin: an allocation is counted");
}

/* ---- faults, bypass, other versions ---- */

/* The largest step from one frame to the next since the last call. */
static float last_heard;
static float step_of(const float *samples, int frames) {
    float step = 0;
    for (int at = 0; at < frames; at++) {
        step = fmaxf(step, fabsf(samples[at] - last_heard));
        last_heard = samples[at];
    }
    return step;
}

#define SMOOTH 0.01f /* the largest step of a fade from 0.5 to 0, in 240 frames, and more */

/* Runs a block with a constant at the input; returns the largest step of the output. */
static float constant_block(plug_t *plug, float value, float *out) {
    float in[BLOCK];
    for (int at = 0; at < BLOCK; at++) in[at] = value;
    run(plug, (float *[]){in, out}, 2, BLOCK);
    return step_of(out, BLOCK);
}

static void sleep_ms(int ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL); }

/* Runs blocks until the output is `value` at its end; returns the largest step. The spare is made by a thread that needs its time. */
static float until(plug_t *plug, float value, float *out) {
    float step = 0;
    for (int block = 0; block < 20000; block++) {
        step = fmaxf(step, constant_block(plug, 1, out));
        if (out[BLOCK - 1] == value) return step;
        sleep_ms(1);
    }
    return INFINITY;
}

static void test_faults(void) {
    plug_t plug;
    float out[BLOCK];
    check(open_plug(&plug, "urn:rtwasm:faulty"), "the faulty guest is there: %s", plug.log);
    check(*control(&plug, "mode") == 0, "it works at first");
    float *mode = control(&plug, "mode"), *fault = control(&plug, "guest_fault"), *faults = control(&plug, "guest_faults");
    constant_block(&plug, 1, out);
    check(out[0] == 0.5f && *fault == 0 && *faults == 0, "no fault");
    last_heard = out[BLOCK - 1];
    for (int which = 1; which <= 2; which++) {
        const char *what = which == 1 ? "an illegal access" : "a call that does not end";
        *mode = (float)which;
        float step = constant_block(&plug, 1, out);
        check(*fault == 1 && *faults == (float)which, "%s: the flag is up, and there is a fault", what);
        check(out[BLOCK - 1] == 0 && out[0] > 0.49f && step < SMOOTH, "%s: a short fade (largest step %g)", what, step);
        *mode = 0;
        step = until(&plug, 0.5f, out);
        check(step < SMOOTH, "%s: a spare fades in (largest step %g)", what, step);
    }
    check(*fault == 1, "the flag is still up");
    for (int block = 0; block < 2 * RATE / BLOCK; block++) constant_block(&plug, 1, out);
    check(*fault == 0 && *faults == 2, "after a second of sound it is down");
    last_heard = 0.5f;
    check(step_of((float[]){0.5f, 0}, 2) > SMOOTH, "twin: a jump is seen");
    for (int wait = 0; wait < 2000 && !log_has(&plug, "out of bounds"); wait++) sleep_ms(5);
    check(log_has(&plug, "out of bounds"), "the host's log has the fault");

    /* It fails in each block, until no spare is left: silence, and then again sound. */
    *mode = 1;
    for (int block = 0; block < 300; block++) constant_block(&plug, 1, out);
    check(out[BLOCK - 1] == 0 && *fault == 1, "faults in each block: silence");
    *mode = 0;
    check(isfinite(until(&plug, 0.5f, out)), "and it comes back");
    check(!log_has(&plug, "there is no spare"), "each spare could be made");
    close_plug(&plug);
}

static const LV2_Worker_Interface *worker_of(const plug_t *plug) {
    return lilv_instance_get_extension_data(plug->instance, LV2_WORKER__interface);
}

typedef struct visit_t {
    plug_t *plug;
    size_t deeper; /* bytes of stack in use */
    float out[BLOCK];
} visit_t;

static void *run_one(void *data) {
    visit_t *visit = data;
    volatile char *deep = alloca(visit->deeper + 1);
    *deep = 1;
    constant_block(visit->plug, 1, visit->out);
    *deep = 0;
    return NULL;
}

/* Runs a block at the thread's beginning, and then one deeper in its stack. */
static void *run_shallow_and_deep(void *data) {
    visit_t *visit = data;
    const size_t deeper = visit->deeper;
    visit->deeper = 0;
    run_one(visit);
    check(visit->out[BLOCK - 1] == 0.5f, "at the thread's beginning there is room");
    visit->deeper = deeper;
    return run_one(visit);
}

static void on_thread(void *(*body)(void *), visit_t *visit, size_t stack_bytes) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    /* A stack of our own: otherwise the system hands out the larger one of a thread that has ended. */
    void *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_setstack(&attributes, stack, stack_bytes);
    check(pthread_create(&thread, &attributes, body, visit) == 0, "a thread with %zu KiB of stack", stack_bytes / 1024);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    munmap(stack, stack_bytes);
}

static int times_logged(plug_t *plug, const char *text) {
    int times = 0;
    pthread_mutex_lock(&log_lock);
    for (const char *at = plug->log; (at = strstr(at, text)) != NULL; at++) times++;
    pthread_mutex_unlock(&log_lock);
    return times;
}

static void look(plug_t *plug) { worker_of(plug)->work(lilv_instance_get_handle(plug->instance), NULL, NULL, 0, NULL); }

/* Threads whose stack has no room for guests: silence and the fault flag, and one sentence in the log, which a block does not write. */
static void test_small_stacks(void) {
    enum { SMALL = 300 << 10, LARGE = 2 << 20 };
    static const struct {
        const char *what;
        void *(*body)(void *);
        size_t stack_bytes, deeper;
    } PLACES[] = {{"a small stack", run_one, SMALL, 0}, {"deep in a large stack", run_shallow_and_deep, LARGE, LARGE - SMALL}};
    static const char SAID[] = "KiB of stack left and guests need";
    for (size_t n = 0; n < sizeof PLACES / sizeof PLACES[0]; n++) {
        const char *what = PLACES[n].what;
        plug_t plug;
        check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
        visit_t visit = {.plug = &plug, .deeper = PLACES[n].deeper};
        on_thread(PLACES[n].body, &visit, PLACES[n].stack_bytes);
        check(visit.out[BLOCK - 1] == 0 && *control(&plug, "guest_fault") == 1, "%s: silence, and the flag is up", what);
        check(*control(&plug, "guest_faults") == 0, "%s: no fault of the guest's", what);
        check(times_logged(&plug, SAID) == 0, "%s: a block logs nothing", what);
        look(&plug);
        check(times_logged(&plug, SAID) == 1, "%s: the worker logs why: %s", what, plug.log);
        on_thread(PLACES[n].body, &visit, PLACES[n].stack_bytes);
        look(&plug);
        lilv_instance_activate(plug.instance);
        check(times_logged(&plug, SAID) == 1, "%s: once", what);
        visit.deeper = 0;
        on_thread(run_one, &visit, LARGE);
        check(isfinite(until(&plug, 0.5f, visit.out)), "%s: where there is room, there is sound", what);
        close_plug(&plug);
    }
    plug_t plug;
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    visit_t visit = {.plug = &plug};
    on_thread(run_one, &visit, SMALL);
    lilv_instance_activate(plug.instance);
    check(times_logged(&plug, SAID) == 1, "without a worker activating logs it: %s", plug.log);
    close_plug(&plug);
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    on_thread(run_one, &visit, SMALL);
    close_plug(&plug);
    check(times_logged(&plug, SAID) == 1, "or the end does: %s", plug.log);
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    on_thread(run_one, &visit, LARGE);
    look(&plug);
    lilv_instance_activate(plug.instance);
    close_plug(&plug);
    check(visit.out[BLOCK - 1] == 0.5f && times_logged(&plug, SAID) == 0, "twin: with a usual stack there is sound, and nothing is logged");
}

/* Budgets: of offline blocks none, on ordinary threads at least half a second, on real-time threads the usual block's time. */
static void test_budgets(void) {
    plug_t plug;
    float out[BLOCK];
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    float *mode = control(&plug, "mode"), *faults = control(&plug, "guest_faults"), *misses = control(&plug, "guest_misses");
    constant_block(&plug, 1, out);
    *mode = 3;
    *control(&plug, "freewheel") = 1;
    const float missed = *misses;
    constant_block(&plug, 1, out);
    check(*faults == 0 && *misses == missed && out[0] == 0.5f, "a long call offline: no budget, no miss");
    *control(&plug, "freewheel") = 0;
    constant_block(&plug, 1, out);
    check(*faults == 1 && *misses == missed + 1, "twin: live it is cut off, and a miss");
    *mode = 0;
    check(isfinite(until(&plug, 0.5f, out)), "a spare goes on");
    struct sched_param priority = {.sched_priority = 5};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) != 0) {
        printf("skipped: budgets of real-time threads: SCHED_FIFO is not permitted\n");
    } else {
        /* The plug-in looks at the thread's scheduling once in 1024 blocks. */
        for (int block = 0; block < 1024; block++) constant_block(&plug, 1, out);
        *mode = 4;
        constant_block(&plug, 1, out);
        check(*faults == 2, "on a real-time thread a call has the usual block's time");
        priority.sched_priority = 0;
        pthread_setschedparam(pthread_self(), SCHED_OTHER, &priority);
    }
    close_plug(&plug);
}

static void test_bypass(void) {
    plug_t plug;
    float out[BLOCK], in[BLOCK];
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    float *enabled = control(&plug, "enabled");
    constant_block(&plug, 1, out);
    last_heard = out[BLOCK - 1];
    *enabled = 0;
    check(constant_block(&plug, 1, out) < SMOOTH && out[BLOCK - 1] == 1, "bypassed: it fades to the input");
    check(*control(&plug, "latency") == 32, "the latency is told");
    for (int at = 0; at < BLOCK; at++) in[at] = (float)at;
    run(&plug, (float *[]){in, in}, 2, BLOCK); /* in place */
    bool delayed = true;
    for (int at = 32; at < BLOCK; at++) delayed &= in[at] == (float)(at - 32);
    check(delayed && in[31] == 1, "the input comes as late as the guest's output");
    constant_block(&plug, 1, out);
    last_heard = out[BLOCK - 1];
    *enabled = 1;
    check(constant_block(&plug, 1, out) < SMOOTH && out[BLOCK - 1] == 0.5f, "and it fades back");
    close_plug(&plug);
}

/* Copies an artifact into its place as a compiler does, by a new file under the name. */
static void replace_artifact(const char *from) {
    char command[600];
    snprintf(command, sizeof command, "cd '%s/faulty.lv2' && cp '%s/%s' new && mv new faulty.rtw", bundles, artifacts, from);
    check(system(command) == 0, "the artifact is %s now", from);
}

/* Runs blocks until the plug-in has asked for its worker, which then works. */
static void let_look(plug_t *plug, float *out) {
    const int before = plug->asked;
    for (int block = 0; plug->asked == before && block < 10 * RATE / BLOCK; block++) constant_block(plug, 1, out);
    check(plug->asked > before, "it asks for its worker");
    check(worker_of(plug)->work(lilv_instance_get_handle(plug->instance), NULL, NULL, 0, NULL) == LV2_WORKER_SUCCESS, "which looks");
}

static void test_reload(void) {
    static const char *const REFUSED[][2] = {
        {"broken.rtw", "RTW_ERR_"}, {"standalone.rtw", "RTW_ERR_PROFILE"}, {"drive.rtw", "other ports"}, {"renamed.rtw", "other ports"}};
    plug_t plug;
    float out[BLOCK];
    check(open_plug(&plug, "urn:rtwasm:faulty"), "an instance");
    constant_block(&plug, 1, out);
    last_heard = out[BLOCK - 1];
    let_look(&plug, out);
    check(constant_block(&plug, 1, out) == 0, "nothing has changed");
    for (int n = 0; n < 4; n++) {
        plug.log[0] = 0;
        replace_artifact(REFUSED[n][0]);
        let_look(&plug, out);
        check(log_has(&plug, REFUSED[n][1]), "%s is refused: %s", REFUSED[n][0], plug.log);
        check(constant_block(&plug, 1, out) == 0 && out[0] == 0.5f, "and the guest stays");
    }
    replace_artifact("quarter.rtw");
    let_look(&plug, out);
    const float step = constant_block(&plug, 1, out);
    check(step < SMOOTH && out[BLOCK - 1] == 0.25f, "a new version fades in (largest step %g)", step);
    replace_artifact("half.rtw");
    let_look(&plug, out);
    check(constant_block(&plug, 1, out) < SMOOTH && out[BLOCK - 1] == 0.5f, "and the old one again");
    *control(&plug, "freewheel") = 1;
    const int before = plug.asked;
    for (int block = 0; block < 2 * RATE / BLOCK; block++) constant_block(&plug, 1, out);
    check(plug.asked == before, "offline it does not look");
    close_plug(&plug);
    replace_artifact("standalone.rtw");
    check(!open_plug(&plug, "urn:rtwasm:faulty") && log_has(&plug, "RTW_ERR_PROFILE"), "standalone is refused: %s", plug.log);
    replace_artifact("half.rtw");
}

/* ---- MIDI and state ---- */

typedef struct sequence_t {
    LV2_Atom_Sequence head;
    uint8_t room[256];
} sequence_t;

static void put_midi(sequence_t *sequence, int64_t frame, const uint8_t *bytes) {
    LV2_Atom_Event *event = (LV2_Atom_Event *)((uint8_t *)&sequence->head.body + sequence->head.atom.size);
    event->time.frames = frame;
    event->body.type = map_uri(NULL, LV2_MIDI__MidiEvent);
    event->body.size = 3;
    memcpy(event + 1, bytes, 3);
    sequence->head.atom.size += lv2_atom_pad_size((uint32_t)sizeof *event + 3);
}

static void clear_midi(sequence_t *sequence) {
    memset(sequence, 0, sizeof *sequence);
    sequence->head.atom.type = map_uri(NULL, LV2_ATOM__Sequence);
    sequence->head.atom.size = sizeof sequence->head.body;
}

typedef struct stored_t {
    LV2_URID key, type;
    size_t length;
    uint8_t bytes[1024];
} stored_t;

static LV2_State_Status store(LV2_State_Handle handle, uint32_t key, const void *value, size_t size, uint32_t type, uint32_t flags) {
    stored_t *stored = handle;
    stored->key = key;
    stored->type = type;
    stored->length = size;
    memcpy(stored->bytes, value, size < sizeof stored->bytes ? size : sizeof stored->bytes);
    return flags & LV2_STATE_IS_POD ? LV2_STATE_SUCCESS : LV2_STATE_ERR_BAD_FLAGS;
}

static const void *retrieve(LV2_State_Handle handle, uint32_t key, size_t *size, uint32_t *type, uint32_t *flags) {
    const stored_t *stored = handle;
    if (stored->key != key) return NULL;
    *size = stored->length;
    *type = stored->type;
    *flags = LV2_STATE_IS_POD;
    return stored->bytes;
}

static atomic_bool saving, refused;
static atomic_int saves;

static void *save_again_and_again(void *data) {
    plug_t *plug = data;
    const LV2_State_Interface *state = lilv_instance_get_extension_data(plug->instance, LV2_STATE__interface);
    for (stored_t stored; saving && !refused; saves++) {
        refused = state->save(lilv_instance_get_handle(plug->instance), store, &stored, 0, NULL) != LV2_STATE_SUCCESS;
    }
    return NULL;
}

static void test_midi_and_state(void) {
    static const uint8_t ON[] = {0x90, 69, 100}, OFF[] = {0x80, 69, 0};
    plug_t plug, other;
    float out[BLOCK], again[BLOCK];
    sequence_t events, none;
    clear_midi(&events);
    clear_midi(&none);
    check(open_plug(&plug, "urn:rtwasm:tone") && open_plug(&other, "urn:rtwasm:tone"), "two voices");
    const uint32_t port = port_of(&plug, "control");
    put_midi(&events, 100, ON);
    lilv_instance_connect_port(plug.instance, port, &events);
    run(&plug, (float *[]){out}, 1, BLOCK);
    check(out[99] == 0 && out[100] == 0.5f, "a note begins at its frame");
    check(*control(&plug, "note") == 69, "the meter shows it");
    clear_midi(&events);
    *control(&plug, "level") = 0.25f;
    run(&plug, (float *[]){out}, 1, BLOCK);
    check(fabsf(out[0]) == 0.25f, "the level is a parameter");

    stored_t stored = {.key = 0};
    const LV2_State_Interface *state = lilv_instance_get_extension_data(plug.instance, LV2_STATE__interface);
    const LV2_Handle one = lilv_instance_get_handle(plug.instance), two = lilv_instance_get_handle(other.instance);
    check(state->save(one, store, &stored, 0, NULL) == LV2_STATE_SUCCESS && stored.length != 0, "saved");
    check(state->restore(two, retrieve, &stored, 0, NULL) == LV2_STATE_SUCCESS, "and loaded");
    lilv_instance_connect_port(plug.instance, port, &none);
    lilv_instance_connect_port(other.instance, port, &none);
    *control(&other, "level") = 0.25f;
    run(&plug, (float *[]){out}, 1, BLOCK);
    run(&other, (float *[]){again}, 1, BLOCK);
    check(memcmp(out, again, sizeof out) == 0 && out[0] != 0, "the other voice goes on with the same wave");
    stored.bytes[0] ^= 1;
    check(state->restore(two, retrieve, &stored, 0, NULL) != LV2_STATE_SUCCESS, "a damaged state is refused");

    saving = true;
    pthread_t saver;
    pthread_create(&saver, NULL, save_again_and_again, &plug);
    /* On a busy machine the saver gets a CPU late. */
    for (int block = 0; block < 3000 || (saves < 2 && !refused); block++) run(&plug, (float *[]){out}, 1, BLOCK);
    saving = false;
    pthread_join(saver, NULL);
    check(!refused, "saved while it ran");
    check(*control(&plug, "guest_faults") == 0 && *control(&plug, "guest_fault") == 0, "without a fault");

    put_midi(&events, 10, OFF);
    lilv_instance_connect_port(plug.instance, port, &events);
    run(&plug, (float *[]){out}, 1, BLOCK);
    run(&plug, (float *[]){out}, 1, 16);
    check(out[10] == 0 && *control(&plug, "note") == -1, "the note ends");
    close_plug(&plug);
    close_plug(&other);
}

/* ---- scans ---- */

static int entries_of(const char *folder) {
    int count = 0;
    DIR *opened = opendir(folder);
    while (opened != NULL && readdir(opened) != NULL) count++;
    if (opened != NULL) closedir(opened);
    return count;
}

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file != NULL) fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool scan(const char *folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/rtwasm_lv2.so", folder);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return false;
    LV2_Descriptor_Function find;
    *(void **)&find = dlsym(library, "lv2_descriptor");
    const LV2_Descriptor *descriptor = find == NULL ? NULL : find(0);
    const LV2_Feature *const features[] = {NULL};
    LV2_Handle handle = descriptor == NULL ? NULL : descriptor->instantiate(descriptor, RATE, folder, features);
    if (handle != NULL) descriptor->cleanup(handle);
    return handle != NULL && find(1) == NULL && dlclose(library) == 0;
}

static void test_scans(void) {
    enum { SCANS = 1000, WARM = 100 };
    char folder[500];
    struct sigaction before, after;
    int done = 0, threads = 0, files = 0;
    long kib = 0;
    snprintf(folder, sizeof folder, "%s/echo.lv2", bundles); /* no other test has it loaded */
    FILE *discarded = freopen("/dev/null", "w", stderr);     /* without a log feature messages go there */
    sigaction(SIGSEGV, NULL, &before);
    for (int n = 0; n < SCANS; n++) {
        if (n == WARM) {
            threads = entries_of("/proc/self/task");
            files = entries_of("/proc/self/fd");
            kib = resident_kib();
        }
        done += scan(folder);
    }
    sigaction(SIGSEGV, NULL, &after);
    check(discarded != NULL && done == SCANS, "scanned and unloaded %d times of %d", done, SCANS);
    check(entries_of("/proc/self/task") == threads && entries_of("/proc/self/fd") == files, "no thread and no file is left over");
    check(resident_kib() - kib < 4096, "nor memory: %ld KiB more after %d scans", resident_kib() - kib, SCANS - WARM);
    check(before.sa_handler == after.sa_handler && before.sa_flags == after.sa_flags, "the process's signal handler is its own");
    check(dlsym(RTLD_DEFAULT, "rtw_runtime_create") == NULL, "the process sees no symbol of the library's");
    snprintf(folder, sizeof folder, "%s/incomplete.lv2", artifacts);
    check(!scan(folder), "twin: a bundle without its artifact does not load");
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    bundles = argv[1];
    artifacts = argv[2];
    world = lilv_world_new();
    lilv_world_load_all(world);
    test_blocks();
    test_parallel();
    test_real_time();
    test_faults();
    test_small_stacks();
    test_budgets();
    test_bypass();
    test_reload();
    test_midi_and_state();
    test_scans();
    lilv_world_free(world);
    return check_summary();
}
