/* Workers: what they refuse, how they start, run and stop, what a queue answers, what they recorded. */
#include "../support/clock.h"
#include "../support/common.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 1000000 };

static void busy_until(uint64_t time_ns) {
    while (now_ns() < time_ns) {
    }
}

static rtw_worker_config_t periodic_config(rtw_step_t step, void *user_data) {
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = PERIOD_NS;
    config.step = step;
    config.user_data = user_data;
    return config;
}

static rtw_worker_config_t queue_config(void) {
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    return config;
}

static rtw_worker_t *make_worker(rtw_runtime_t *runtime, const rtw_worker_config_t *config) {
    rtw_worker_t *worker = NULL;
    rtw_error_t err;
    require(rtw_worker_create(runtime, config, &worker, &err), &err, "a worker");
    return worker;
}

static void start(rtw_worker_t *worker) {
    rtw_error_t err;
    require(rtw_worker_start(worker, &err), &err, "the worker starts");
}

static rtw_worker_info_t info_of(rtw_worker_t *worker) {
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    require(rtw_worker_info(worker, &info), NULL, "info");
    return info;
}

static rtw_worker_stats_t stats_of(rtw_worker_t *worker) {
    rtw_worker_stats_t stats;
    rtw_worker_stats_init(&stats);
    require(rtw_worker_stats(worker, &stats), NULL, "stats");
    return stats;
}

/* ---- what is refused ---- */

static rtw_status_t step_nothing(void *user_data, const rtw_tick_t *tick) {
    (void)user_data, (void)tick;
    return RTW_OK;
}

static void refuse(rtw_runtime_t *runtime, const rtw_worker_config_t *config, rtw_status_t status, const char *message, const char *what) {
    rtw_worker_t *worker = (rtw_worker_t *)runtime;
    rtw_error_t err;
    check_status(rtw_worker_create(runtime, config, &worker, &err), status, "refused: %s", what);
    check_error(&err, status, message, "and said: %s", what);
    check(worker == NULL, "and no worker: %s", what);
}

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
    REFUSE(good, bad.func = add, RTW_ERR_VALUES, "needs 2 values");
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
    REFUSE(good, (bad.sched_policy = RTW_SCHED_DEADLINE, bad.deadline_runtime_ns = 5000, bad.cpu = 0), RTW_ERR_ARGUMENT, "affinity");
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

/* ---- periodic workers ---- */

typedef struct run_t {
    rtw_worker_t *worker;
    rtw_func_t *count; /* called at each step where not NULL */
    pthread_t thread;
    uint64_t steps, skipped, last_index;
    uint64_t first_ns;
    int disorder;
    uint64_t stall_at, stall_ns; /* the first step from this index on takes so long */
    uint64_t stalled_index;
    uint64_t answer_at;          /* and this one answers so */
    rtw_status_t answer;
    rtw_status_t seen[4];
} run_t;

static rtw_status_t step(void *user_data, const rtw_tick_t *tick) {
    run_t *run = user_data;
    run->thread = pthread_self();
    if (run->steps == 0) run->first_ns = tick->intended_ns - tick->index * PERIOD_NS;
    run->disorder += tick->intended_ns != run->first_ns + tick->index * PERIOD_NS;
    run->disorder += tick->actual_ns < tick->intended_ns || now_ns() < tick->actual_ns;
    run->disorder += run->steps != 0 && tick->index != run->last_index + tick->missed + 1;
    run->steps++;
    run->skipped += tick->missed;
    run->last_index = tick->index;
    if (run->count != NULL) {
        rtw_value_t value;
        run->disorder += rtw_invoke(run->count, &value, 1) != RTW_OK;
    }
    if (run->stall_ns != 0 && tick->index >= run->stall_at) {
        busy_until(tick->intended_ns + run->stall_ns);
        run->stall_ns = 0;
        run->stalled_index = tick->index;
    }
    return run->answer != RTW_OK && tick->index >= run->answer_at ? run->answer : RTW_OK;
}

static void test_periods(void) {
    guest_t guest = open_guest("calls", NULL);
    run_t run = {.answer_at = 40, .answer = RTW_STEP_STOP};
    rtw_worker_config_t config = periodic_config(step, &run);
    config.name = "steady";
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    check(info_of(worker).running == 0, "a new worker does not run");
    check_status(rtw_worker_join(worker, 0), RTW_OK, "and need not be waited for");
    rtw_interval_t *interval[4], *none = (rtw_interval_t *)&none;
    rtw_error_t why;
    for (uint32_t i = RTW_SERIES_WAKE_UP; i <= RTW_SERIES_JITTER; i++) {
        require(rtw_worker_interval(worker, i, &interval[i], &why), &why, "interval");
    }
    check_status(rtw_worker_interval(worker, RTW_SERIES_JITTER + 1, &none, &why), RTW_ERR_ARGUMENT, "interval: no such series");
    check(none == NULL, "interval: none comes of it");
    check_error(&why, RTW_ERR_ARGUMENT, "series is 4", "interval: and says so");
    check_status(rtw_worker_interval(NULL, RTW_SERIES_CALL, &none, &why), RTW_ERR_NULL, "interval: NULL");
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it stops when its step says so");
    check(run.steps + run.skipped == run.last_index + 1 && run.last_index >= 40, "every period has had its step or was passed over");
    check(run.disorder == 0, "indices and times are in order");
    check(!pthread_equal(run.thread, pthread_self()), "steps run on another thread");
    rtw_worker_info_t info = info_of(worker);
    check(info.running == 0 && info.ended_by == RTW_OK && info.thread_id > 0 && info.thread_id != getpid(), "info tells so");
    rtw_worker_stats_t stats = stats_of(worker);
    check(stats.ticks == run.steps && stats.skipped == run.skipped, "the statistics count the same");
    check(stats.call.count == stats.ticks && stats.response.count == stats.ticks + stats.skipped, "and so do the distributions");
    check(stats.response.max_ns >= stats.call.max_ns && stats.response.max_ns >= stats.wake_up.max_ns, "the response time holds the others");
    check(stats.wake_up.p50_ns <= stats.wake_up.p99_ns && stats.wake_up.p99_ns <= stats.wake_up.max_ns, "percentiles ascend");
    check(stats.jitter.count == stats.ticks - 1, "jitter lies between two starts");
    check(stats.since_realtime_ns / 1000000000 <= (uint64_t)time(NULL) && stats.duration_ns >= 40 * (uint64_t)PERIOD_NS, "and since when");

    const uint64_t counts[4] = {stats.wake_up.count, stats.call.count, stats.response.count, stats.jitter.count};
    for (uint32_t i = RTW_SERIES_WAKE_UP; i <= RTW_SERIES_JITTER; i++) {
        rtw_func_stats_t since;
        rtw_func_stats_init(&since);
        check_status(rtw_interval_read(interval[i], &since), RTW_OK, "an interval is read");
        check(since.call.count == counts[i], "it has counted what the totals count");
        check_status(rtw_interval_read(interval[i], &since), RTW_OK, "and again");
        check(since.call.count == 0, "nothing since");
        rtw_interval_destroy(interval[i]);
    }

    run = (run_t){.answer = RTW_OK};
    start(worker);
    check(info_of(worker).running == 1, "it can be started again");
    rtw_error_t err;
    check_status(rtw_worker_start(worker, &err), RTW_ERR_RUNNING, "but not twice");
    check_error(&err, RTW_ERR_RUNNING, "runs", "and says so");
    check_status(rtw_worker_join(worker, 1000), RTW_ERR_TIMEOUT, "it goes on while nobody stops it");
    check_status(rtw_worker_stop(worker), RTW_OK, "stop");
    uint64_t steps = run.steps;
    check(info_of(worker).running == 0 && info_of(worker).ended_by == RTW_OK, "it does not run");
    check_status(rtw_worker_stop(worker), RTW_OK, "stop again");
    check(run.steps == steps && run.disorder == 0, "and nothing has happened since");
    rtw_worker_destroy(worker);
    close_guest(&guest);
}

static void test_direct_calls(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_func_t *count = look_up(guest.instance, "count", NULL), *nothing = look_up(guest.instance, "nothing", NULL);
    rtw_value_t value = {.i32 = 0};
    rtw_dry_call_t dry = {count, &value, 1, 10, 0};
    rtw_worker_config_t config = periodic_config(NULL, NULL);
    config.func = count;
    config.values = &value;
    config.value_count = 1;
    config.period_limit = 20;
    config.missed = RTW_MISSED_CATCH_UP; /* so that it is called so often */
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    config.early_ns = PERIOD_NS / 10;
    config.warm_func = nothing;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_func_destroy(nothing);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it stops at its limit");
    check(call_i32(guest.instance, "get_i32", 0, 0) == -7, "a worker that has stopped leaves its guest to others");
    check(rtw_func_stats(count, &stats) == RTW_OK && stats.call.count == 20, "the func was called once a tick");
    check(stats_of(worker).ticks == 20 && stats_of(worker).faults == 0, "and the worker knows");
    check(call(guest.instance, "count", &value, 1) == RTW_OK && value.i32 == 31, "dry calls came before");
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "and again");
    check(call(guest.instance, "count", &value, 1) == RTW_OK && value.i32 == 62, "at every start");
    rtw_worker_destroy(worker);
    rtw_func_destroy(count);
    close_guest(&guest);
}

static void test_missed_periods(void) {
    guest_t guest = open_guest("calls", NULL);
    for (uint32_t missed = RTW_MISSED_SKIP; missed <= RTW_MISSED_CATCH_UP; missed++) {
        const char *name = missed == RTW_MISSED_SKIP ? "skip" : "catch up";
        run_t run = {.stall_at = 10, .stall_ns = 10 * PERIOD_NS, .answer_at = 200, .answer = RTW_STEP_STOP};
        rtw_worker_config_t config = periodic_config(step, &run);
        config.missed = missed;
        rtw_worker_t *worker = make_worker(guest.runtime, &config);
        start(worker);
        check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "%s: it comes to its end", name);
        rtw_worker_stats_t stats = stats_of(worker);
        check(run.disorder == 0, "%s: indices and times are in order", name);
        check(missed == RTW_MISSED_SKIP ? run.skipped >= 9 : run.skipped == 0 && run.steps == 201, "%s: as it says", name);
        check(stats.misses >= 9 && stats.longest_miss_run >= 9, "%s: the periods that missed are counted, and in a row", name);
        check(stats.response.count == run.last_index + 1, "%s: every period has a response time", name);
        check(stats.response.max_ns >= 10 * PERIOD_NS * 0.99, "%s: the stall is in the maximum", name);
        check(stats.response.p99_ns >= 5 * PERIOD_NS, "%s: and in the p99, from the intended start", name);
        rtw_bucket_t buckets[2000];
        size_t bucket_count = 0;
        const uint64_t counts[] = {stats.wake_up.count, stats.call.count, stats.response.count, stats.jitter.count};
        for (uint32_t series = RTW_SERIES_WAKE_UP; series <= RTW_SERIES_JITTER; series++) {
            uint64_t sum = 0;
            bool ascending = rtw_worker_buckets(worker, series, buckets, 2000, &bucket_count) == RTW_OK && bucket_count > 0;
            for (size_t i = 0; i < bucket_count; i++) {
                sum += buckets[i].count;
                ascending = ascending && buckets[i].low_ns < buckets[i].high_ns && (i == 0 || buckets[i - 1].high_ns <= buckets[i].low_ns);
            }
            check(ascending && sum == counts[series], "%s: series %u has all its values in buckets", name, (unsigned)series);
        }
        rtw_worst_t worst[40];
        size_t count = 0;
        check(rtw_worker_worst(worker, worst, 40, &count) == RTW_OK && count == 32, "%s: the worst are kept", name);
        size_t at = 0;
        while (at < count && worst[at].index != run.stalled_index) at++;
        /* On a machine that stalls by itself there may be worse ones. */
        bool displaced = worst[31].response_ns > 10 * PERIOD_NS;
        bool known = at < count && worst[at].causes & RTW_CAUSE_DEADLINE && worst[at].response_ns >= 10 * PERIOD_NS * 0.99 && worst[at].status == RTW_OK;
        check(known || displaced, "%s: the stall is among them, with its cause", name);
        check(worst[0].response_ns >= worst[1].response_ns && worst[0].at_realtime_ns > stats.since_realtime_ns, "%s: worst first", name);
        rtw_second_t seconds[700];
        check(rtw_worker_timeline(worker, seconds, 700, &count) == RTW_OK && count >= 1, "%s: there is a time line", name);
        uint64_t longest = 0, steps = 0;
        for (size_t i = 0; i < count; i++) {
            longest = seconds[i].max_ns > longest ? seconds[i].max_ns : longest;
            steps += seconds[i].count;
        }
        check((double)longest >= 0.99 * stats.response.max_ns && steps == run.steps, "%s: which has the stall too", name);
        check_status(rtw_worker_stats_reset(worker), RTW_OK, "%s: reset", name);
        stats = stats_of(worker);
        check(stats.ticks == 0 && stats.response.count == 0 && stats.longest_miss_run == 0, "%s: starts anew", name);
        check(rtw_worker_worst(worker, NULL, 0, &count) == RTW_OK && count == 0, "%s: the worst as well", name);
        check(rtw_worker_timeline(worker, NULL, 0, &count) == RTW_OK && count == 0, "%s: and the time line", name);
        rtw_worker_destroy(worker);
    }

    run_t run = {.stall_at = 15, .stall_ns = 10 * PERIOD_NS};
    rtw_worker_config_t config = periodic_config(step, &run);
    config.period_limit = 20;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "it ends at its limit");
    check(run.last_index == 19 && run.steps + run.skipped == 20 && run.skipped >= 3, "the last period is not passed over");
    check(info_of(worker).ended_by == RTW_OK && stats_of(worker).response.count == 20, "and nothing comes after it");
    rtw_worker_destroy(worker);
    close_guest(&guest);
}

static void test_faults(void) {
    guest_t guest = open_guest("traps", NULL);
    run_t run = {.answer_at = 3, .answer = -4711};
    rtw_worker_config_t config = periodic_config(step, &run);
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check(info_of(worker).ended_by == -4711 && stats_of(worker).faults == 1, "a step that fails ends the run");
    rtw_worker_destroy(worker);

    run = (run_t){.answer_at = 0, .answer = -4711};
    config.on_fault = RTW_ON_FAULT_CONTINUE;
    config.missed = RTW_MISSED_CATCH_UP;
    config.period_limit = 20;
    worker = make_worker(guest.runtime, &config);
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check(run.steps == 20 && info_of(worker).ended_by == RTW_OK && stats_of(worker).faults == 20, "or is counted only");
    rtw_worker_destroy(worker);

    rtw_func_t *unreachable = look_up(guest.instance, "unreachable", NULL);
    config = periodic_config(NULL, NULL);
    config.func = unreachable;
    worker = make_worker(guest.runtime, &config);
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check_status(info_of(worker).ended_by, RTW_ERR_TRAP_UNREACHABLE, "a guest that traps ends the run");
    rtw_worst_t worst;
    size_t count;
    check(rtw_worker_worst(worker, &worst, 1, &count) == RTW_OK && count == 1 && worst.causes & RTW_CAUSE_TRAP &&
              worst.status == RTW_ERR_TRAP_UNREACHABLE, "and stands among the worst");
    rtw_error_t err;
    require(rtw_instance_reset(guest.instance, &err), &err, "reset");
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check_status(info_of(worker).ended_by, RTW_ERR_TRAP_UNREACHABLE, "after a reset it can run again");
    rtw_worker_destroy(worker);

    rtw_dry_call_t dry = {unreachable, NULL, 0, 1, 0};
    require(rtw_instance_reset(guest.instance, &err), &err, "reset");
    config = periodic_config(step_nothing, NULL);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    worker = make_worker(guest.runtime, &config);
    check_status(rtw_worker_start(worker, &err), RTW_ERR_TRAP_UNREACHABLE, "a dry call that fails keeps it from starting");
    check_error(&err, RTW_ERR_TRAP_UNREACHABLE, "dry call 0", "and is told");
    check(info_of(worker).running == 0, "it does not run");
    rtw_worker_destroy(worker);
    rtw_func_destroy(unreachable);
    close_guest(&guest);
}

typedef struct setup_t {
    rtw_instance_t *instance;
    rtw_status_t answer;
    int calls;
} setup_t;

static rtw_status_t set_up(void *user_data) {
    setup_t *setup = user_data;
    setup->calls++;
    return setup->answer != RTW_OK ? setup->answer : rtw_instance_prepare(setup->instance, NULL, NULL, NULL);
}

static void test_setup(void) {
    guest_t guest = open_guest("calls", NULL);
    setup_t setup = {guest.instance, -77, 0};
    rtw_worker_config_t config = periodic_config(step_nothing, &setup);
    config.setup = set_up;
    config.period_limit = 1;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_error_t err;
    check_status(rtw_worker_start(worker, &err), -77, "what setup answers is answered by start");
    check_error(&err, -77, "-77", "and told");
    check(setup.calls == 1 && stats_of(worker).ticks == 0, "nothing ran");
    setup.answer = RTW_OK;
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check(setup.calls == 2 && stats_of(worker).ticks == 1, "and with a setup that goes well it did");
    rtw_worker_destroy(worker);
    close_guest(&guest);
}

static rtw_status_t step_upon_itself(void *user_data, const rtw_tick_t *tick) {
    run_t *run = user_data;
    (void)tick;
    run->steps++;
    run->seen[0] = rtw_worker_start(run->worker, NULL);
    run->seen[1] = rtw_worker_join(run->worker, RTW_FOREVER);
    run->seen[2] = rtw_worker_stop(run->worker);
    return RTW_OK;
}

static rtw_status_t step_that_destroys(void *user_data, const rtw_tick_t *tick) {
    run_t *run = user_data;
    (void)tick;
    rtw_worker_destroy(run->worker);
    __atomic_store_n(&run->steps, 1, __ATOMIC_SEQ_CST);
    return RTW_OK;
}

static void test_own_thread(void) {
    guest_t guest = open_guest("calls", NULL);
    run_t run = {.steps = 0};
    rtw_worker_config_t config = periodic_config(step_upon_itself, &run);
    rtw_worker_t *worker = run.worker = make_worker(guest.runtime, &config);
    start(worker);
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "a step can stop its worker");
    check(run.steps == 1 && info_of(worker).ended_by == RTW_OK, "the run ended with that step");
    check_status(run.seen[0], RTW_ERR_RUNNING, "a step cannot start it");
    check_status(run.seen[1], RTW_ERR_BUSY, "nor wait for its end");
    check_status(run.seen[2], RTW_OK, "stop answers at once");
    rtw_worker_destroy(worker);

    run = (run_t){.steps = 0};
    config = periodic_config(step_that_destroys, &run);
    run.worker = make_worker(guest.runtime, &config);
    start(run.worker);
    while (__atomic_load_n(&run.steps, __ATOMIC_SEQ_CST) == 0) sched_yield();
    check_status(rtw_worker_stop(run.worker), RTW_ERR_HANDLE, "a step can destroy its worker");
    close_guest(&guest);
}

static void test_long_period(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_worker_config_t config = periodic_config(step_nothing, NULL);
    config.period_ns = 3600000000000u;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    check_status(rtw_worker_stop(worker), RTW_OK, "a worker can be stopped in the middle of an hour");
    start(worker);
    rtw_worker_destroy(worker);
    check(true, "and destroyed");
    close_guest(&guest);
}

static void test_without_statistics(void) {
    guest_t guest = open_guest("calls", NULL);
    run_t run = {.answer_at = 5, .answer = RTW_STEP_STOP};
    rtw_worker_config_t config = periodic_config(step, &run);
    config.statistics = 0;
    config.memory_lock = 0;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    rtw_worker_join(worker, RTW_FOREVER);
    check(run.steps > 0 && stats_of(worker).ticks == 0, "a worker without statistics records nothing");
    rtw_worker_destroy(worker);
    close_guest(&guest);
}

/* ---- queues ---- */

static rtw_completion_t wait_for_one(rtw_worker_t *worker) {
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    require(rtw_worker_wait(worker, &completion, RTW_FOREVER), NULL, "a completion");
    return completion;
}

static void test_queue(void) {
    guest_t guest = open_guest("calls", NULL), other = open_guest("calls", NULL);
    rtw_func_t *add = look_up(guest.instance, "add", NULL), *foreign = look_up(other.instance, "nothing", NULL);
    rtw_worker_config_t config = queue_config();
    config.queue_capacity = 8;
    rtw_value_t values[17];
    memset(values, 0, sizeof values);
    rtw_dry_call_t dry = {add, values, 2, 4, 0};
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    check_status(rtw_worker_submit(worker, add, values, 2, 1), RTW_ERR_STOPPED, "a worker that does not run accepts nothing");
    check_status(rtw_worker_invoke(worker, add, values, 2), RTW_ERR_STOPPED, "invoke neither");
    check_status(rtw_worker_wait(worker, &completion, RTW_FOREVER), RTW_ERR_STOPPED, "and there is nothing to wait for");
    start(worker);
    check_status(rtw_worker_submit(worker, add, values, 1, 1), RTW_ERR_VALUES, "too few values");
    check_status(rtw_worker_submit(worker, add, values, 17, 1), RTW_ERR_LIMIT, "too many");
    check_status(rtw_worker_submit(worker, add, NULL, 2, 1), RTW_ERR_NULL, "values NULL");
    check_status(rtw_worker_submit(worker, NULL, NULL, 0, 1), RTW_ERR_NULL, "func NULL");
    check_status(rtw_worker_submit(worker, (rtw_func_t *)worker, NULL, 0, 1), RTW_ERR_HANDLE, "func of another kind");
    check_status(rtw_worker_submit(worker, foreign, NULL, 0, 1), RTW_ERR_ARGUMENT, "a func of another runtime");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_EMPTY, "nothing is there yet");
    check_status(rtw_worker_wait(worker, &completion, 1000), RTW_ERR_TIMEOUT, "nor a microsecond later");
    bool in_order = true;
    for (int32_t i = 0; i < 8; i++) {
        values[0].i32 = i, values[1].i32 = 100;
        check_status(rtw_worker_submit(worker, add, values, 2, (uint64_t)i + 7), RTW_OK, "submission %d", i);
    }
    check_status(rtw_worker_submit(worker, add, values, 2, 99), RTW_ERR_FULL, "it is full until completions are taken");
    for (int32_t i = 0; i < 8; i++) {
        completion = wait_for_one(worker);
        in_order &= completion.tag == (uint64_t)i + 7 && completion.status == RTW_OK && completion.values[0].i32 == 100 + i;
        in_order &= completion.submitted_ns != 0 && completion.submitted_ns <= completion.started_ns && completion.started_ns <= completion.ended_ns;
    }
    check(in_order, "completions come in the order of submission, with tags, results and times");
    values[0].i32 = 20, values[1].i32 = 22;
    check_status(rtw_worker_invoke(worker, add, values, 2), RTW_OK, "invoke");
    check(values[0].i32 == 42, "waits for its result");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_EMPTY, "and leaves no completion");
    size_t count = 9;
    check_status(rtw_worker_cancel(worker, 7, &count), RTW_ERR_EMPTY, "what has run cannot be cancelled");
    check(count == 0, "none is");
    rtw_worker_stats_t stats = stats_of(worker);
    check(stats.ticks == 9 && stats.submitted == 9 && stats.completed == 9 && stats.cancelled == 0 && stats.refused == 1, "the statistics tell all that");
    check(stats.call.count == 9 && stats.response.max_ns >= stats.call.max_ns && stats.misses == 0, "with the times");
    check_status(rtw_worker_stop(worker), RTW_OK, "stop");
    rtw_worker_destroy(worker);
    rtw_func_destroy(add);
    rtw_func_destroy(foreign);
    close_guest(&guest);
    close_guest(&other);
}

static void *stop_it(void *worker) {
    rtw_worker_stop(worker);
    return NULL;
}

/* A guest that waits for a word in its memory. */
typedef struct gate_t {
    guest_t guest;
    rtw_func_t *wait;
    uint32_t *here, *go_on;
} gate_t;

static gate_t open_gate(void) {
    gate_t gate = {.guest = open_guest("calls", NULL)};
    gate.wait = look_up(gate.guest.instance, "wait", NULL);
    unsigned char *memory = rtw_instance_memory_at(gate.guest.instance, 0, 8);
    gate.here = (uint32_t *)(void *)memory;
    gate.go_on = (uint32_t *)(void *)(memory + 4);
    return gate;
}

static void close_gate(gate_t *gate) {
    rtw_func_destroy(gate->wait);
    close_guest(&gate->guest);
}

static void test_cancel(void) {
    gate_t gate = open_gate();
    rtw_func_t *nothing = look_up(gate.guest.instance, "nothing", NULL);
    rtw_worker_config_t config = queue_config();
    rtw_worker_t *worker = make_worker(gate.guest.runtime, &config);
    start(worker);
    rtw_value_t value = {.i32 = 0};
    require(rtw_worker_submit(worker, gate.wait, &value, 1, 1), NULL, "the first one blocks");
    while (__atomic_load_n(gate.here, __ATOMIC_SEQ_CST) == 0) sched_yield();
    for (uint64_t i = 0; i < 10; i++) require(rtw_worker_submit(worker, nothing, NULL, 0, 100 + i % 2), NULL, "others wait");
    size_t count = 0;
    check_status(rtw_worker_cancel(worker, 101, &count), RTW_OK, "what waits can be cancelled");
    check(count == 5, "all with that tag");
    check_status(rtw_worker_cancel(worker, 101, NULL), RTW_ERR_EMPTY, "once");
    check_status(rtw_worker_cancel(worker, 1, NULL), RTW_ERR_EMPTY, "what runs cannot");
    __atomic_store_n(gate.go_on, 1, __ATOMIC_SEQ_CST);
    rtw_completion_t first = wait_for_one(worker);
    check(first.tag == 1 && first.status == RTW_OK && first.values[0].i32 == 1, "the first one ends well");
    int ran = 0, cancelled = 0;
    for (int i = 0; i < 10; i++) {
        rtw_completion_t completion = wait_for_one(worker);
        ran += completion.tag == 100 && completion.status == RTW_OK && completion.started_ns != 0;
        cancelled += completion.tag == 101 && completion.status == RTW_ERR_CANCELLED && completion.started_ns == 0;
        if (completion.tag == 101 && cancelled == 1) check_status(completion.status, RTW_ERR_CANCELLED, "a cancelled one says so");
    }
    check(ran == 5 && cancelled == 5, "each is answered, once");

    /* Stopping: what runs ends, what waits is cancelled. */
    __atomic_store_n(gate.go_on, 0, __ATOMIC_SEQ_CST);
    require(rtw_worker_submit(worker, gate.wait, &value, 1, 1), NULL, "the first one blocks");
    while (__atomic_load_n(gate.here, __ATOMIC_SEQ_CST) == 0) sched_yield();
    for (uint64_t i = 0; i < 10; i++) require(rtw_worker_submit(worker, nothing, NULL, 0, 2), NULL, "others wait");
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_it, worker);
    __atomic_store_n(gate.go_on, 1, __ATOMIC_SEQ_CST);
    pthread_join(stopper, NULL);
    int answered = 0;
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    while (rtw_worker_wait(worker, &completion, RTW_FOREVER) == RTW_OK) answered++;
    check(answered == 11, "a stop leaves nothing unanswered");
    check_status(rtw_worker_submit(worker, nothing, NULL, 0, 2), RTW_ERR_STOPPED, "and accepts nothing more");
    rtw_worker_stats_t stats = stats_of(worker);
    check(stats.submitted == 22 && stats.completed == 22 && stats.ticks + stats.cancelled == 22, "the counts agree");
    rtw_worker_destroy(worker);
    rtw_func_destroy(nothing);
    close_gate(&gate);
}

typedef struct inside_t {
    rtw_worker_t *worker;
    rtw_func_t *func;
    rtw_status_t invoke, stop;
} inside_t;

static rtw_status_t from_inside(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    inside_t *inside = user_data;
    (void)instance, (void)values;
    if (inside->worker == NULL) return RTW_OK;
    inside->invoke = rtw_worker_invoke(inside->worker, inside->func, NULL, 0);
    inside->stop = rtw_worker_stop(inside->worker);
    return RTW_OK;
}

static rtw_status_t refuse_to(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return -5;
}

static void test_host_functions(void) {
    guest_t guest = {make_runtime(), NULL, NULL};
    guest.module = load(guest.runtime, "host");
    rtw_imports_t *imports;
    rtw_error_t err;
    inside_t inside = {NULL, NULL, RTW_OK, RTW_OK};
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "silent", "()->()", from_inside, &inside, NULL, 0, &err), &err, "silent");
    require(rtw_imports_func(imports, "env", "note", "(i32,f32)->(f32)", refuse_to, NULL, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", refuse_to, NULL, NULL, 0, &err), &err, "enter");
    require(rtw_imports_func(imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", refuse_to, NULL, NULL, 0, &err), &err, "turn");
    renew(&guest, imports);
    rtw_func_t *silent = look_up(guest.instance, "silent", NULL), *enter = look_up(guest.instance, "enter", NULL);
    rtw_worker_config_t config = queue_config();
    config.spin_ns = 100000;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    inside.worker = worker;
    inside.func = silent;
    check_status(rtw_worker_invoke(worker, silent, NULL, 0), RTW_OK, "a guest that calls its host on the worker");
    check_status(inside.invoke, RTW_ERR_BUSY, "which cannot have the worker wait for itself");
    check_status(inside.stop, RTW_OK, "but can stop it");
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "and it stops");
    start(worker);
    rtw_value_t value = {.i32 = 1};
    check_status(rtw_worker_invoke(worker, enter, &value, 1), RTW_ERR_HOST, "a host function's error comes back");
    check(value.i32 == 1, "and the arguments stay");
    check_status(rtw_worker_invoke(worker, enter, &value, 1), RTW_ERR_FAULTED, "the instance has faulted");
    check(stats_of(worker).faults == 2, "which is counted");
    check(info_of(worker).running == 1, "and the worker goes on");
    rtw_worker_destroy(worker);
    rtw_func_destroy(silent);
    rtw_func_destroy(enter);
    rtw_imports_destroy(imports);
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
    test_periods();
    test_direct_calls();
    test_missed_periods();
    test_faults();
    test_setup();
    test_own_thread();
    test_long_period();
    test_without_statistics();
    test_queue();
    test_cancel();
    test_host_functions();
    if (!sanitized) {
        with_rights();
        check_in_child("without rights", without_rights, NULL);
    }
    test_orders();
    return check_summary();
}
