/* Workers: what they refuse, what the system gives them, and in which order they may be destroyed. */
#include "worker.h"

#include <sched.h>
#include <string.h>

/* ---- what is refused ---- */

static void test_refusals(void) {
    guest_t guest = open_guest("calls", NULL), other = open_guest("calls", NULL);
    rtw_func_t *add = look_up(guest.instance, "add", NULL), *foreign = look_up(other.instance, "nothing", NULL);
    const rtw_worker_config_t good = periodic_config(step_nothing, NULL);
    rtw_worker_config_t bad;
#define REFUSE(from, change, status, message) (bad = (from), (change), refuse(guest.runtime, &bad, status, message, #change))
    refuse(guest.runtime, NULL, RTW_ERR_NULL, "config", "config NULL");
    refuse(NULL, &good, RTW_ERR_NULL, "runtime", "runtime NULL");
    check_status(rtw_worker_create(guest.runtime, &good, NULL, NULL), RTW_ERR_NULL, "out NULL");
    REFUSE(good, bad.struct_size--, RTW_ERR_STRUCT_SIZE, "_init");
    REFUSE(good, bad.kind = 2, RTW_ERR_ARGUMENT, "kind");
    REFUSE(good, bad.step = NULL, RTW_ERR_NULL, "step or a func");
    REFUSE(good, (bad.step = NULL, bad.func = add), RTW_ERR_VALUES, "needs 2 values");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    REFUSE(good, (bad.func = add, bad.values = values, bad.value_count = 2), RTW_ERR_ARGUMENT, "not both");
    REFUSE(good, (bad.step = NULL, bad.func = add, bad.value_count = 2), RTW_ERR_NULL, "values");
    REFUSE(good, (bad.step = NULL, bad.func = foreign), RTW_ERR_ARGUMENT, "another runtime");
    REFUSE(good, (bad.step = NULL, bad.func = (rtw_func_t *)guest.runtime), RTW_ERR_HANDLE, "func");
    REFUSE(good, bad.period_ns = 0, RTW_ERR_ARGUMENT, "period_ns");
    REFUSE(good, bad.period_ns = 3600000000001u, RTW_ERR_ARGUMENT, "period_ns");
    REFUSE(good, bad.early_ns = PERIOD_NS / 2 + 1, RTW_ERR_ARGUMENT, "early_ns");
    REFUSE(good, (bad.warm_func = add, bad.warm_values = values, bad.warm_value_count = 2), RTW_ERR_ARGUMENT, "early_ns");
    REFUSE(good, (bad.warm_func = add, bad.early_ns = 1000), RTW_ERR_VALUES, "warm_func");
    REFUSE(good, bad.missed = 2, RTW_ERR_ARGUMENT, "missed");
    REFUSE(good, bad.on_fault = 2, RTW_ERR_ARGUMENT, "on_fault");
    REFUSE(good, bad.name = "sixteen letters!", RTW_ERR_LIMIT, "15");
    REFUSE(good, bad.name = "\xff", RTW_ERR_ARGUMENT, "UTF-8");
    REFUSE(good, bad.sched_policy = 9, RTW_ERR_ARGUMENT, "sched_policy");
    REFUSE(good, bad.priority = 3, RTW_ERR_ARGUMENT, "priority");
    REFUSE(good, bad.cpu = -2, RTW_ERR_ARGUMENT, "cpu");
    REFUSE(good, bad.denormals = 3, RTW_ERR_ARGUMENT, "denormals");
    REFUSE(good, bad.strict = 2, RTW_ERR_ARGUMENT, "strict");
    REFUSE(good, bad.memory_lock = 2, RTW_ERR_ARGUMENT, "memory_lock");
    REFUSE(good, bad.statistics = 2, RTW_ERR_ARGUMENT, "statistics");
    REFUSE(good, bad.dma_latency_us = -2, RTW_ERR_ARGUMENT, "dma_latency_us");
    REFUSE(good, bad.dry_call_count = 1, RTW_ERR_NULL, "dry_calls");
    REFUSE(good, bad.deadline_runtime_ns = 5000, RTW_ERR_ARGUMENT, "RTW_SCHED_DEADLINE");
    REFUSE(good, bad.deadline_ns = 5000, RTW_ERR_ARGUMENT, "RTW_SCHED_DEADLINE");
    REFUSE(good, bad.sched_policy = RTW_SCHED_DEADLINE, RTW_ERR_ARGUMENT, "deadline_runtime_ns");
    REFUSE(good, (bad.sched_policy = RTW_SCHED_DEADLINE, bad.deadline_runtime_ns = 5000, bad.cpu = 0), RTW_ERR_ARGUMENT, "cpu must be -1");
    REFUSE(good, (bad.sched_policy = RTW_SCHED_DEADLINE, bad.deadline_ns = PERIOD_NS + 1), RTW_ERR_ARGUMENT, "deadline_ns");
    REFUSE(good, bad.queue_capacity = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_QUEUE");
    REFUSE(good, bad.spin_ns = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_QUEUE");
    rtw_dry_call_t dry = {foreign, NULL, 0, 1, 0};
    REFUSE(good, (bad.dry_calls = &dry, bad.dry_call_count = 1), RTW_ERR_ARGUMENT, "another runtime");
    dry.func = add;
    REFUSE(good, (bad.dry_calls = &dry, bad.dry_call_count = 1), RTW_ERR_VALUES, "needs 2 values");

    const rtw_worker_config_t queue = queue_config();
    REFUSE(queue, bad.step = step_nothing, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.func = add, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.warm_func = add, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.period_ns = PERIOD_NS, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.early_ns = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.missed = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.on_fault = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.period_limit = 1, RTW_ERR_ARGUMENT, "RTW_WORKER_PERIODIC");
    REFUSE(queue, bad.queue_capacity = 65537, RTW_ERR_ARGUMENT, "queue_capacity");
    REFUSE(queue, bad.spin_ns = 1000000001, RTW_ERR_ARGUMENT, "spin_ns");
#undef REFUSE
    rtw_func_destroy(add);
    rtw_func_destroy(foreign);
    close_guest(&guest);
    close_guest(&other);
}

static void test_pointers(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_worker_config_t config = periodic_config(step_nothing, NULL);
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_worker_t *wrong = (rtw_worker_t *)guest.runtime;
    rtw_func_t *func = look_up(guest.instance, "nothing", NULL);
    rtw_completion_t completion;
    rtw_worker_info_t info;
    rtw_worker_stats_t stats;
    rtw_error_t err;
    size_t count;
    rtw_worker_config_init(NULL), rtw_worker_info_init(NULL), rtw_worker_stats_init(NULL), rtw_completion_init(NULL);
    rtw_completion_init(&completion), rtw_worker_info_init(&info), rtw_worker_stats_init(&stats);
    for (int i = 0; i < 2; i++) {
        rtw_worker_t *handle = i == 0 ? NULL : wrong;
        rtw_status_t status = i == 0 ? RTW_ERR_NULL : RTW_ERR_HANDLE;
        check_status(rtw_worker_start(handle, &err), status, "start: handle");
        check_status(rtw_worker_stop(handle), status, "stop: handle");
        check_status(rtw_worker_join(handle, 0), status, "join: handle");
        check_status(rtw_worker_info(handle, &info), status, "info: handle");
        check_status(rtw_worker_warning(handle, 0, &err), status, "warning: handle");
        check_status(rtw_worker_submit(handle, func, NULL, 0, 0), status, "submit: handle");
        check_status(rtw_worker_invoke(handle, func, NULL, 0), status, "invoke: handle");
        check_status(rtw_worker_poll(handle, &completion), status, "poll: handle");
        check_status(rtw_worker_wait(handle, &completion, 0), status, "wait: handle");
        check_status(rtw_worker_cancel(handle, 0, NULL), status, "cancel: handle");
        check_status(rtw_worker_stats(handle, &stats), status, "stats: handle");
        check_status(rtw_worker_stats_reset(handle), status, "reset: handle");
        check_status(rtw_worker_buckets(handle, RTW_SERIES_CALL, NULL, 0, &count), status, "buckets: handle");
        check_status(rtw_worker_worst(handle, NULL, 0, &count), status, "worst: handle");
        check_status(rtw_worker_timeline(handle, NULL, 0, &count), status, "timeline: handle");
        rtw_worker_destroy(handle);
    }
    check_status(rtw_worker_info(worker, NULL), RTW_ERR_NULL, "info: NULL");
    check_status(rtw_worker_stats(worker, NULL), RTW_ERR_NULL, "stats: NULL");
    info.struct_size--, stats.struct_size--, completion.struct_size--;
    check_status(rtw_worker_info(worker, &info), RTW_ERR_STRUCT_SIZE, "info: size");
    check_status(rtw_worker_stats(worker, &stats), RTW_ERR_STRUCT_SIZE, "stats: size");
    check_status(rtw_worker_warning(worker, 1000, &err), RTW_ERR_BOUNDS, "warning: bounds");
    check_status(rtw_worker_worst(worker, NULL, 1, &count), RTW_ERR_NULL, "worst: array");
    check_status(rtw_worker_buckets(worker, RTW_SERIES_CALL, NULL, 1, &count), RTW_ERR_NULL, "buckets: array");
    check_status(rtw_worker_buckets(worker, 4, NULL, 0, &count), RTW_ERR_ARGUMENT, "buckets: no such series");
    check_status(rtw_worker_timeline(worker, NULL, 0, NULL), RTW_ERR_NULL, "timeline: count");
    check_status(rtw_worker_submit(worker, func, NULL, 0, 0), RTW_ERR_UNSUPPORTED, "submit: a periodic worker");
    check_status(rtw_worker_invoke(worker, func, NULL, 0), RTW_ERR_UNSUPPORTED, "invoke: a periodic worker");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_UNSUPPORTED, "poll: a periodic worker");
    check_status(rtw_worker_wait(worker, &completion, 0), RTW_ERR_UNSUPPORTED, "wait: a periodic worker");
    check_status(rtw_worker_cancel(worker, 0, NULL), RTW_ERR_UNSUPPORTED, "cancel: a periodic worker");
    rtw_worker_destroy(worker);
    check_status(rtw_worker_stop(worker), RTW_ERR_HANDLE, "stop: destroyed");
    rtw_worker_destroy(worker);

    config = queue_config();
    worker = make_worker(guest.runtime, &config);
    check_status(rtw_worker_poll(worker, NULL), RTW_ERR_NULL, "poll: NULL");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_STRUCT_SIZE, "poll: size");
    check_status(rtw_worker_wait(worker, &completion, 0), RTW_ERR_STRUCT_SIZE, "wait: size");
    rtw_worker_destroy(worker);
    rtw_func_destroy(func);
    close_guest(&guest);
}

/* ---- what the system gives ---- */

static void with_rights(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_worker_config_t config = periodic_config(step_nothing, NULL);
    config.sched_policy = RTW_SCHED_FIFO;
    config.priority = 3;
    config.cpu = sched_getcpu();
    config.period_limit = 2;
    config.dma_latency_us = 100;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_worker_info_t info = info_of(worker);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    check(sched_getaffinity(info.thread_id, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1 && CPU_ISSET((size_t)config.cpu, &cpus), "it has its CPU");
    rtw_error_t err;
    bool refused = info.warning_count > 0 && rtw_worker_warning(worker, 0, &err) == RTW_OK && err.status == RTW_ERR_PERMISSION;
    check(refused || (info.sched_policy == RTW_SCHED_FIFO && info.priority == 3), "and its priority, where it may");
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it runs");
    rtw_worker_destroy(worker);

    /* The machine decides if SCHED_DEADLINE is available; the library reports it in both cases. */
    config = periodic_config(step_nothing, NULL);
    config.sched_policy = RTW_SCHED_DEADLINE;
    config.deadline_runtime_ns = 100000;
    config.period_limit = 2;
    worker = make_worker(guest.runtime, &config);
    info = info_of(worker);
    refused = info.warning_count > 0 && rtw_worker_warning(worker, 0, &err) == RTW_OK && strstr(err.message, "SCHED_DEADLINE") != NULL;
    check(refused != (info.sched_policy == RTW_SCHED_DEADLINE), "SCHED_DEADLINE is there, or refused and told");
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it runs");
    rtw_worker_destroy(worker);

    config = periodic_config(step_nothing, NULL);
    config.cpu = 1023;
    worker = make_worker(guest.runtime, &config);
    check_status(rtw_worker_warning(worker, 0, &err), RTW_OK, "a CPU that is not there is a warning");
    check_error(&err, RTW_ERR_PERMISSION, "CPU 1023", "which names it");
    rtw_worker_destroy(worker);
    config.strict = 1;
    refuse(guest.runtime, &config, RTW_ERR_PERMISSION, "CPU 1023", "or an error, where strict");
    close_guest(&guest);
}

static void without_rights(void *data) {
    (void)data;
    drop_rights(0);
    guest_t guest = open_guest("calls", NULL);
    rtw_worker_config_t config = periodic_config(step_nothing, NULL);
    config.sched_policy = RTW_SCHED_RR;
    config.priority = 10;
    config.dma_latency_us = 0;
    config.period_limit = 2;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_error_t err;
    check(info_of(worker).warning_count == 2 && info_of(worker).sched_policy == RTW_SCHED_OTHER, "an ordinary user's worker has warnings");
    check_status(rtw_worker_warning(worker, 0, &err), RTW_OK, "the first");
    check_error(&err, RTW_ERR_MEMLOCK, "RLIMIT_MEMLOCK", "is about locked memory");
    check_status(rtw_worker_warning(worker, 1, &err), RTW_OK, "the second");
    check_error(&err, RTW_ERR_PERMISSION, "SCHED_RR with priority 10", "about its priority");
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it runs all the same");
    check_status(rtw_worker_warning(worker, 2, &err), RTW_OK, "the third");
    check(strstr(err.message, "/dev/cpu_dma_latency") != NULL, "comes with the start");
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check(info_of(worker).warning_count == 3, "and does not add up");
    rtw_worker_destroy(worker);
    config.strict = 1;
    refuse(guest.runtime, &config, RTW_ERR_MEMLOCK, "RLIMIT_MEMLOCK", "strict: locked memory");
    config.memory_lock = 0;
    refuse(guest.runtime, &config, RTW_ERR_PERMISSION, "SCHED_RR", "strict: priority");
    config.sched_policy = RTW_SCHED_KEEP;
    config.priority = 0;
    worker = make_worker(guest.runtime, &config);
    check(rtw_worker_start(worker, &err) != RTW_OK && strstr(err.message, "/dev/cpu_dma_latency") != NULL, "strict: idling");
    rtw_worker_destroy(worker);
    config.dma_latency_us = -1;
    config.sched_policy = RTW_SCHED_DEADLINE;
    config.deadline_runtime_ns = 100000;
    refuse(guest.runtime, &config, RTW_ERR_PERMISSION, "SCHED_DEADLINE", "strict: SCHED_DEADLINE");
    close_guest(&guest);
}

/* ---- orders ---- */

static void test_orders(void) {
    for (int worker_last = 0; worker_last < 2; worker_last++) {
        guest_t guest = open_guest("calls", NULL);
        rtw_func_t *count = look_up(guest.instance, "count", NULL);
        rtw_value_t value = {.i32 = 0};
        rtw_worker_config_t config = periodic_config(NULL, NULL);
        config.func = count;
        config.values = &value;
        config.value_count = 1;
        rtw_worker_t *worker = make_worker(guest.runtime, &config);
        start(worker);
        if (!worker_last) rtw_worker_destroy(worker);
        rtw_func_destroy(count);
        close_guest(&guest);
        if (worker_last) {
            uint64_t before = stats_of(worker).ticks;
            while (stats_of(worker).ticks < before + 3) sched_yield();
            check(info_of(worker).running == 1, "a worker keeps alive what it calls");
            rtw_worker_destroy(worker);
        }
        check(true, "destroyed while it runs, %s", worker_last ? "last" : "first");
    }
    guest_t guest = open_guest("calls", NULL);
    rtw_worker_config_t config = queue_config();
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    rtw_func_t *add = look_up(guest.instance, "add", NULL);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    for (int i = 0; i < 20; i++) require(rtw_worker_submit(worker, add, values, 2, 0), NULL, "submit");
    rtw_func_destroy(add);
    close_guest(&guest);
    int right = 0;
    for (int i = 0; i < 20; i++) {
        rtw_completion_t completion = wait_for_one(worker);
        right += completion.status == RTW_OK && completion.values[0].i32 == 3;
    }
    check(right == 20, "a func may be destroyed once it is submitted");
    rtw_worker_destroy(worker);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_refusals();
    test_pointers();
    if (!sanitized) {
        with_rights();
        check_in_child("without rights", without_rights, NULL);
    }
    test_orders();
    return check_summary();
}
