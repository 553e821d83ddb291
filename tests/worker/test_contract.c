/* The worker's thread between its first step and its last: it allocates nothing and takes no lock, and its system calls are
 * the ones that the header names. Watched by the observers of tests/proofs, from a step in the middle of the run to a later one;
 * with a twin for each observer, in which the step does what must not be done.
 *
 * A thread whose system calls are watched must not end, since the C library blocks the observer's signal then: each run has a
 * process of its own, and leaves its worker behind. */
#include "../support/common.h"
#include "../proofs/interpose.h"
#include "../proofs/section.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST = 20, LAST = 520, STEPS = LAST - FIRST };

typedef enum planted_t { NOTHING, ALLOCATION, LOCK, SYSTEM_CALL } planted_t;

typedef struct watch_t {
    rtw_func_t *func;
    planted_t planted;
    uint64_t steps;
    findings_t findings;
} watch_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile allocated;

static void misbehave(planted_t planted) {
    switch (planted) {
    case NOTHING:
        break;
    case ALLOCATION:
        allocated = malloc(100);
        free(allocated);
        break;
    case LOCK:
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
        break;
    case SYSTEM_CALL:
        syscall(SYS_getppid);
        break;
    }
}

static rtw_status_t begin_watching(void *user_data) {
    (void)user_data;
    watch_system_calls();
    return RTW_OK;
}

static rtw_status_t watched_step(void *user_data, const rtw_tick_t *tick) {
    watch_t *watch = user_data;
    (void)tick;
    if (watch->steps == FIRST) section_begin();
    if (watch->steps > FIRST) misbehave(watch->planted);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_status_t status = rtw_invoke(watch->func, values, 2);
    if (watch->steps++ < LAST) return status;
    section_end(&watch->findings);
    return RTW_STEP_STOP;
}

static findings_t watch_periodic(rtw_runtime_t *runtime, rtw_instance_t *instance, planted_t planted, uint32_t statistics, uint64_t early_ns) {
    watch_t watch;
    memset(&watch, 0, sizeof watch);
    rtw_func_t *func = watch.func = look_up(instance, "add", NULL);
    watch.planted = planted;
    rtw_worker_config_t config;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_dry_call_t dry = {func, values, 2, 100, 0};
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = watched_step;
    config.setup = begin_watching;
    config.user_data = &watch;
    config.statistics = statistics;
    config.early_ns = early_ns;
    if (early_ns != 0) config.warm_func = look_up(instance, "nothing", NULL);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    rtw_worker_t *worker = start_worker(runtime, &config);
    rtw_worker_join(worker, RTW_FOREVER);
    if (watch.steps != LAST + 1) check(false, "the run ends at its end");
    return watch.findings;
}

/* 0: as usual; 1: without statistics; 2: woken early. */
static void check_periodic(void *data) {
    const int way = *(int *)data;
    const char *name = way == 0 ? "periodic" : way == 1 ? "periodic, without statistics" : "periodic, woken early";
    guest_t guest = open_guest("calls", NULL);
    findings_t found = watch_periodic(guest.runtime, guest.instance, NOTHING, way != 1, way == 2 ? 100000 : 0);
    check(found.allocations == 0, "%s: no allocation in %d steps (%s)", name, STEPS, found.first_allocation ? found.first_allocation : "-");
    check(found.locks == 0, "%s: no lock (%s)", name, found.first_lock ? found.first_lock : "-");
    uint64_t most = way == 1 ? STEPS : 2 * STEPS;
    check(found.system_calls <= most && found.system_calls > 0, "%s: %s a step (%llu)", name,
          way == 1 ? "one sleep" : "one sleep and one look at the thread's usage", (unsigned long long)found.system_calls);
    check(found.mask_changes == 0, "%s: signals stay as they are", name);
}

static void check_planted(void *data) {
    const planted_t planted = *(planted_t *)data;
    guest_t guest = open_guest("calls", NULL);
    findings_t found = watch_periodic(guest.runtime, guest.instance, planted, 1, 0);
    if (planted == ALLOCATION) check(found.allocations >= STEPS, "twin: a step that allocates is found");
    if (planted == LOCK) check(found.locks >= STEPS, "twin: one that locks");
    if (planted == SYSTEM_CALL) check(found.system_calls > 2 * STEPS, "twin: one that asks the system");
}

/* A queue's worker is watched from one call of this host function to the next. */
static rtw_status_t toggle(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    watch_t *watch = user_data;
    (void)instance, (void)values;
    if (watch->steps++ % 2 == 0)
        section_begin();
    else
        section_end(&watch->findings);
    return RTW_OK;
}

static rtw_status_t misbehaving(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    watch_t *watch = user_data;
    (void)instance, (void)values;
    misbehave(watch->planted);
    return RTW_OK;
}

static findings_t watch_queue(rtw_runtime_t *runtime, planted_t planted) {
    guest_t guest = {NULL, load(runtime, "host"), NULL};
    watch_t watch;
    memset(&watch, 0, sizeof watch);
    watch.planted = planted;
    rtw_imports_t *imports;
    rtw_error_t err;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "silent", "()->()", toggle, &watch, NULL, 0, &err), &err, "silent");
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", misbehaving, &watch, NULL, 0, &err), &err, "enter");
    require(rtw_imports_func(imports, "env", "note", "(i32,f32)->(f32)", misbehaving, &watch, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", misbehaving, &watch, NULL, 0, &err), &err, "turn");
    renew(&guest, imports);
    rtw_func_t *silent = look_up(guest.instance, "silent", NULL), *enter = look_up(guest.instance, "enter", NULL);
    rtw_worker_config_t config;
    rtw_completion_t completion;
    rtw_worker_config_init(&config);
    rtw_completion_init(&completion);
    config.kind = RTW_WORKER_QUEUE;
    config.setup = begin_watching;
    rtw_worker_t *worker = start_worker(runtime, &config);
    rtw_value_t value = {.i32 = 1};
    for (int i = 0; i < FIRST; i++) rtw_worker_invoke(worker, enter, &value, 1);
    rtw_worker_invoke(worker, silent, NULL, 0);
    int wrong = 0;
    for (int i = 0; i < STEPS; i++) {
        value.i32 = i;
        if (i % 2 == 0) {
            wrong += rtw_worker_invoke(worker, enter, &value, 1) != RTW_OK;
        } else {
            wrong += rtw_worker_submit(worker, enter, &value, 1, 1) != RTW_OK;
            if (i % 4 == 1) rtw_worker_cancel(worker, 1, NULL);
            wrong += rtw_worker_wait(worker, &completion, RTW_FOREVER) != RTW_OK;
        }
    }
    rtw_worker_invoke(worker, silent, NULL, 0);
    if (wrong != 0) check(false, "invocations go well");
    return watch.findings;
}

static void check_queue(void *data) {
    (void)data;
    findings_t found = watch_queue(make_runtime(), NOTHING);
    check(found.allocations == 0, "queue: no allocation in %d invocations (%s)", STEPS, found.first_allocation ? found.first_allocation : "-");
    check(found.locks == 0, "queue: no lock (%s)", found.first_lock ? found.first_lock : "-");
    check(found.system_calls <= 3 * (STEPS + 1), "queue: a sleep, a wake-up and a look at the thread's usage each (%llu)",
          (unsigned long long)found.system_calls);
}

static void check_planted_queue(void *data) {
    const planted_t planted = *(planted_t *)data;
    findings_t found = watch_queue(make_runtime(), planted);
    if (planted == ALLOCATION) check(found.allocations >= STEPS / 2, "twin: queue: a host function that allocates is found");
    if (planted == LOCK) check(found.locks >= STEPS / 2, "twin: queue: one that locks");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    for (int way = 0; way < 3; way++) check_in_child("periodic", check_periodic, &way);
    for (planted_t planted = ALLOCATION; planted <= SYSTEM_CALL; planted++) check_in_child("planted", check_planted, &planted);
    check_in_child("queue", check_queue, NULL);
    for (planted_t planted = ALLOCATION; planted <= LOCK; planted++) check_in_child("planted", check_planted_queue, &planted);
    return check_summary();
}
