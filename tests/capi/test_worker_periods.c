/* Periodic workers: how they start, run and stop, and what they recorded. */
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

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

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_periods();
    test_direct_calls();
    test_missed_periods();
    test_faults();
    test_setup();
    test_own_thread();
    test_long_period();
    test_without_statistics();
    return check_summary();
}
