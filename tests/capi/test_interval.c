/* Intervals and the statistics of whole instances. */
#include "../support/common.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static rtw_error_t err;

static rtw_interval_t *interval_of_func(const rtw_func_t *func) {
    rtw_interval_t *interval = NULL;
    require(rtw_func_interval(func, &interval, &err), &err, "an interval of a func");
    return interval;
}

static rtw_interval_t *interval_of_instance(const rtw_instance_t *instance) {
    rtw_interval_t *interval = NULL;
    require(rtw_instance_interval(instance, &interval, &err), &err, "an interval of an instance");
    return interval;
}

static rtw_func_stats_t of_instance(const rtw_instance_t *instance) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    require(rtw_instance_stats(instance, &stats), NULL, "an instance's statistics");
    return stats;
}

static void call_often(rtw_func_t *func, int times) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    for (int i = 0; i < times; i++) (void)rtw_invoke(func, values, 2);
}

static double sum_ns(const rtw_func_stats_t *stats) {
    return stats->call.mean_ns * (double)stats->call.count;
}

static void test_readings(rtw_instance_t *instance) {
    rtw_func_t *func = look_up(instance, "add", NULL);
    call_often(func, 100);
    rtw_interval_t *one = interval_of_func(func), *other = interval_of_func(func);
    rtw_func_stats_t stats = stats_of_interval(one);
    check(stats.call.count == 0 && stats.call.max_ns == 0 && stats.call.min_ns == 0 && stats.last_ns == 0 && stats.duration_ns > 0,
          "an interval begins when it is made");
    call_often(func, 1);
    stats = stats_of_interval(one);
    check(stats.call.count == 1 && stats.call.min_ns == stats.call.max_ns && stats.last_ns == stats.call.max_ns && stats.call.mean_ns == stats.call.max_ns,
          "of a single call everything is exact");
    call_often(func, 30);
    check_status(rtw_func_stats_reset(func), RTW_OK, "somebody resets the statistics");
    call_often(func, 12);
    rtw_func_stats_t first = stats_of_interval(one);
    check(first.call.count == 42, "a reset takes nothing from an interval: %llu calls", (unsigned long long)first.call.count);
    check(stats_of_func(func).call.count == 12, "the func's own statistics are since the reset");
    call_often(func, 7);
    rtw_func_stats_t second = stats_of_interval(one), all = stats_of_interval(other);
    check(second.call.count == 7 && all.call.count == 50, "each interval has its own readings: 7 and 1 + 42 + 7");
    double total = stats.call.max_ns + sum_ns(&first) + sum_ns(&second);
    check(fabs(total - sum_ns(&all)) <= 1e-9 * total, "the readings' times add up: %.1f of %.1f ns", total, sum_ns(&all));
    double max = fmax(fmax(stats.call.max_ns, first.call.max_ns), second.call.max_ns), min = fmin(fmin(stats.call.min_ns, first.call.min_ns), second.call.min_ns);
    check(fabs(max - all.call.max_ns) <= 0.017 * max + 1 && fabs(min - all.call.min_ns) <= 0.017 * min + 1,
          "so do the extremes, to within a bucket: %.1f to %.1f and %.1f to %.1f ns", min, max, all.call.min_ns, all.call.max_ns);
    check(second.call.p50_ns >= second.call.min_ns && second.call.p9999_ns <= second.call.max_ns, "percentiles are between the extremes");
    rtw_func_destroy(func);
    stats = stats_of_interval(one);
    check(stats.call.count == 0, "an interval outlives its func");
    rtw_interval_destroy(one);
    rtw_interval_destroy(other);
}

static void test_instances(guest_t *guest) {
    renew(guest, NULL);
    check(of_instance(guest->instance).call.count == 0 && of_instance(guest->instance).call.max_ns == 0, "an instance without calls");
    rtw_interval_t *interval = interval_of_instance(guest->instance);
    rtw_func_t *add = look_up(guest->instance, "add", NULL), *again = look_up(guest->instance, "add", NULL);
    rtw_func_t *nothing = look_up(guest->instance, "nothing", NULL);
    call_often(add, 10);
    call_often(again, 20);
    call_often(nothing, 30);
    rtw_func_stats_t stats = of_instance(guest->instance);
    check(stats.call.count == 60, "an instance has the calls of all its funcs");
    rtw_func_stats_t parts[] = {stats_of_func(add), stats_of_func(again), stats_of_func(nothing)};
    double sum = sum_ns(&parts[0]) + sum_ns(&parts[1]) + sum_ns(&parts[2]);
    check(fabs(sum_ns(&stats) - sum) <= 1e-9 * sum, "their times, too");
    check(stats.call.max_ns == fmax(fmax(parts[0].call.max_ns, parts[1].call.max_ns), parts[2].call.max_ns) &&
              stats.call.min_ns == fmin(fmin(parts[0].call.min_ns, parts[1].call.min_ns), parts[2].call.min_ns) && stats.last_ns == 0,
          "their extremes are exact, which was last is not known");
    rtw_func_destroy(nothing);
    check_status(rtw_func_stats_reset(add), RTW_OK, "a func's reset");
    call_often(add, 5);
    stats = of_instance(guest->instance);
    check(stats.call.count == 65, "funcs that are destroyed or reset stay in: %llu calls", (unsigned long long)stats.call.count);
    check(stats.call.max_ns >= fmax(parts[0].call.max_ns, parts[2].call.max_ns), "and so do their maxima");
    check(stats_of_interval(interval).call.count == 65, "an instance's interval has them all");
    rtw_func_destroy(add);
    rtw_func_destroy(again);
    check(stats_of_interval(interval).call.count == 0, "destroying a func is no call");
    check(of_instance(guest->instance).call.count == 65, "all funcs destroyed: the calls are still known");
    rtw_interval_destroy(interval);
}

/* Readers on other threads while calls go on, funcs come and go, and somebody resets. */
struct asker {
    pthread_t thread;
    rtw_interval_t *interval;
    uint64_t calls, readings;
    double sum_ns;
    int *stop;
};

static void *ask(void *data) {
    struct asker *asker = data;
    while (!__atomic_load_n(asker->stop, __ATOMIC_ACQUIRE)) {
        rtw_func_stats_t stats = stats_of_interval(asker->interval);
        asker->calls += stats.call.count;
        asker->sum_ns += sum_ns(&stats);
        __atomic_fetch_add(&asker->readings, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void test_concurrent(guest_t *guest) {
    renew(guest, NULL);
    rtw_func_t *func = look_up(guest->instance, "add", NULL);
    int stop = 0;
    struct asker askers[3];
    for (int i = 0; i < 3; i++) {
        askers[i] = (struct asker){.stop = &stop};
        askers[i].interval = i == 0 ? interval_of_instance(guest->instance) : interval_of_func(func);
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    uint64_t own = 0, others = 0;
    for (uint64_t enough = 0; enough < 300; own += 100) {
        call_often(func, 100);
        rtw_func_t *shortly = look_up(guest->instance, "add", NULL);
        call_often(shortly, 1);
        others++;
        rtw_func_destroy(shortly);
        if (others % 16 == 0) (void)rtw_func_stats_reset(func);
        enough = UINT64_MAX;
        for (int i = 0; i < 3; i++) {
            uint64_t readings = __atomic_load_n(&askers[i].readings, __ATOMIC_ACQUIRE);
            enough = readings < enough ? readings : enough;
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) {
        pthread_join(askers[i].thread, NULL);
        rtw_func_stats_t rest = stats_of_interval(askers[i].interval);
        uint64_t calls = askers[i].calls + rest.call.count, expected = own + (i == 0 ? others : 0);
        check(calls == expected, "concurrent: %llu readings add up to %llu of %llu calls", (unsigned long long)askers[i].readings,
              (unsigned long long)calls, (unsigned long long)expected);
        rtw_interval_destroy(askers[i].interval);
    }
    check(of_instance(guest->instance).call.count == own + others, "concurrent: the instance's total is exact");
    rtw_func_destroy(func);
}

static void test_errors(guest_t *guest) {
    rtw_func_t *func = look_up(guest->instance, "add", NULL);
    rtw_interval_t *interval = (rtw_interval_t *)(void *)&profile;
    check_status(rtw_func_interval(NULL, &interval, &err), RTW_ERR_NULL, "interval: func is NULL");
    check(interval == NULL, "interval: *out is NULL on failure");
    check_error(&err, RTW_ERR_NULL, "func", "interval: the message names the argument");
    check_status(rtw_func_interval(func, NULL, &err), RTW_ERR_NULL, "interval: out is NULL");
    check_status(rtw_instance_interval(NULL, &interval, NULL), RTW_ERR_NULL, "interval: instance is NULL");
    check_status(rtw_instance_interval((rtw_instance_t *)(void *)func, &interval, &err), RTW_ERR_HANDLE, "interval: not an instance");
    interval = interval_of_func(func);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_interval_read(NULL, &stats), RTW_ERR_NULL, "reading: interval is NULL");
    check_status(rtw_interval_read(interval, NULL), RTW_ERR_NULL, "reading: stats is NULL");
    call_often(func, 3);
    stats.struct_size = 0;
    check_status(rtw_interval_read(interval, &stats), RTW_ERR_STRUCT_SIZE, "reading: without _init");
    check(stats_of_interval(interval).call.count == 3, "a refused reading takes nothing away");
    check_status(rtw_instance_stats(NULL, &stats), RTW_ERR_NULL, "instance statistics: instance is NULL");
    check_status(rtw_instance_stats(guest->instance, NULL), RTW_ERR_NULL, "instance statistics: stats is NULL");
    check_status(rtw_instance_stats(guest->instance, &stats), RTW_ERR_STRUCT_SIZE, "instance statistics: without _init");
    rtw_interval_destroy(interval);
    check_status(rtw_interval_read(interval, &stats), RTW_ERR_HANDLE, "reading: destroyed");
    rtw_interval_destroy(NULL);
    rtw_func_destroy(func);
}

static void test_off(void) {
    rtw_runtime_config_t config = runtime_config();
    config.statistics = 0;
    guest_t guest = open_with("calls", &config);
    rtw_func_t *func = look_up(guest.instance, "add", NULL);
    rtw_interval_t *interval = NULL;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_func_interval(func, &interval, &err), RTW_ERR_UNSUPPORTED, "statistics off: rtw_func_interval");
    check_status(rtw_instance_interval(guest.instance, &interval, &err), RTW_ERR_UNSUPPORTED, "statistics off: rtw_instance_interval");
    check_status(rtw_instance_stats(guest.instance, &stats), RTW_ERR_UNSUPPORTED, "statistics off: rtw_instance_stats");
    rtw_func_destroy(func);
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    settle_clock();
    test_readings(guest.instance);
    test_instances(&guest);
    test_concurrent(&guest);
    test_errors(&guest);
    test_off();
    close_guest(&guest);
    return check_summary();
}
