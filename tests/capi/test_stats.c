/* The statistics of calls. */
#include "../support/common.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool ordered(const rtw_func_stats_t *s) {
    /* The shortest may be 0: shorter than a step of the counter. */
    return 0 <= s->call.min_ns && 0 < s->call.max_ns && s->call.min_ns <= s->call.p50_ns && s->call.p50_ns <= s->call.p90_ns && s->call.p90_ns <= s->call.p95_ns && s->call.p95_ns <= s->call.p99_ns &&
           s->call.p99_ns <= s->call.p999_ns && s->call.p999_ns <= s->call.p9999_ns && s->call.p9999_ns <= s->call.max_ns && s->call.min_ns <= s->call.mean_ns &&
           s->call.mean_ns <= s->call.max_ns && s->call.min_ns <= s->last_ns && s->last_ns <= s->call.max_ns;
}

static bool empty(const rtw_func_stats_t *s) {
    return s->call.count == 0 && s->faults == 0 && s->overflows == 0 && s->arena_peak_bytes == 0 && s->last_ns == 0 && s->call.min_ns == 0 &&
           s->call.mean_ns == 0 && s->call.p50_ns == 0 && s->call.p90_ns == 0 && s->call.p95_ns == 0 && s->call.p99_ns == 0 && s->call.p999_ns == 0 &&
           s->call.p9999_ns == 0 && s->call.max_ns == 0;
}

static bool in_steps(double ns) {
    const double steps = ns / rtw_clock_step_ns();
    return fabs(steps - nearbyint(steps)) < 1e-3;
}

#if defined(__aarch64__)
/* True if a step is a whole number of counts of that frequency. */
static bool whole_counts(double step_ns, uint64_t frequency_hz) {
    const double counts = step_ns * (double)frequency_hz / 1e9;
    return counts > 0.999 && fabs(counts - nearbyint(counts)) < 1e-3;
}
#endif

static void test_clock(rtw_instance_t *instance) {
    const double step = rtw_clock_step_ns();
    check(step > 0 && step < 1e5, "clock: its step is %.3f ns", step);
    check(rtw_clock_step_ns() == step, "clock: and stays");
#if defined(__aarch64__)
    /* The generic timer counts at the frequency that this register holds. Some counters are scaled: they advance by several counts at
     * once, so that a step is a whole number of counts. */
    uint64_t frequency_hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency_hz));
    const double counts = step * (double)frequency_hz / 1e9;
    check(frequency_hz > 0 && whole_counts(step, frequency_hz), "clock: a step is %.3f counts of CNTFRQ, %llu Hz", counts,
          (unsigned long long)frequency_hz);
    uint64_t now, next, smallest = UINT64_MAX;
    for (int i = 0; i < 10000; i++) {
        __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(now));
        do __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(next));
        while (next == now);
        if (next - now < smallest) smallest = next - now;
    }
    check(smallest % (uint64_t)nearbyint(counts) == 0, "clock: the counter advances by such steps (%llu)", (unsigned long long)smallest);
    check(!whole_counts(step, frequency_hz + frequency_hz / 100), "twin: a counter that is 1 %% faster does not fit");
#endif
    rtw_func_t *func = look_up(instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    bool whole = true;
    for (int i = 0; i < 1000; i++) {
        (void)rtw_invoke(func, values, 2);
        const rtw_func_stats_t stats = stats_of_func(func);
        whole = whole && in_steps(stats.last_ns) && in_steps(stats.call.min_ns) && in_steps(stats.call.max_ns);
    }
    check(whole, "clock: times are told in whole steps");
    check(!in_steps(1.5 * step), "twin: half a step is not");
    rtw_func_destroy(func);
}

static void test_counting(rtw_instance_t *instance) {
    rtw_func_t *func = look_up(instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    rtw_func_stats_t stats = stats_of_func(func);
    check(empty(&stats), "no calls: all figures are 0");
    check(rtw_invoke(func, values, 2) == RTW_OK, "a call");
    stats = stats_of_func(func);
    check(stats.call.count == 1 && stats.call.min_ns == stats.call.max_ns && stats.last_ns == stats.call.max_ns && stats.call.mean_ns == stats.call.max_ns &&
              stats.call.p50_ns == stats.call.max_ns && stats.call.p9999_ns == stats.call.max_ns,
          "one call: every figure is its time");
    for (int i = 1; i < 10000; i++) (void)rtw_invoke(func, values, 2);
    stats = stats_of_func(func);
    check(stats.call.count == 10000 && stats.faults == 0, "ten thousand calls are counted: %llu", (unsigned long long)stats.call.count);
    check(ordered(&stats), "percentiles ascend: %.0f %.0f %.0f %.0f ns", stats.call.p50_ns, stats.call.p99_ns, stats.call.p9999_ns, stats.call.max_ns);
    check(stats.call.mean_ns > 0 && stats.call.p50_ns < 1e6, "the median of an addition is below 1 ms: %.1f ns, the mean above 0: %.1f ns", stats.call.p50_ns,
          stats.call.mean_ns);
    (void)rtw_invoke(func, values, 1);
    check(stats_of_func(func).call.count == 10000, "refused calls are not counted");
    check_status(rtw_func_stats_reset(func), RTW_OK, "reset");
    stats = stats_of_func(func);
    check(empty(&stats), "reset: all figures are 0");
    (void)rtw_invoke(func, values, 2);
    check(stats_of_func(func).call.count == 1, "reset: counting goes on");
    rtw_func_destroy(func);
}

static void test_buckets(rtw_instance_t *instance) {
    rtw_func_t *func = look_up(instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    size_t count = 77;
    check_status(rtw_func_buckets(func, NULL, 0, &count), RTW_OK, "buckets: no calls");
    check(count == 0, "buckets: no calls, no buckets");
    for (int i = 0; i < 5000; i++) (void)rtw_invoke(func, values, 2);
    check_status(rtw_func_buckets(func, NULL, 0, &count), RTW_OK, "buckets: how many there are");
    rtw_bucket_t *buckets = calloc(count + 1, sizeof *buckets);
    buckets[count].count = 4711;
    size_t again = 0;
    check_status(rtw_func_buckets(func, buckets, count, &again), RTW_OK, "buckets: all of them");
    check(again == count && buckets[count].count == 4711, "buckets: as many as were said, and no more");
    rtw_func_stats_t stats = stats_of_func(func);
    uint64_t sum = 0, below = 0;
    bool ascending = true, narrow = true;
    rtw_bucket_t half = {0, 0, 0}; /* that the median is in */
    for (size_t i = 0; i < count; i++) {
        sum += buckets[i].count;
        ascending = ascending && buckets[i].low_ns < buckets[i].high_ns && buckets[i].count > 0 &&
                    (i == 0 || buckets[i - 1].high_ns <= buckets[i].low_ns);
        const double width = buckets[i].high_ns - buckets[i].low_ns;
        narrow = narrow && (width <= buckets[i].low_ns / 64 * 1.001 || width <= rtw_clock_step_ns() * 1.001);
        if (half.count == 0 && below + buckets[i].count >= stats.call.count / 2) half = buckets[i];
        below += buckets[i].count;
    }
    check(sum == stats.call.count && sum == 5000, "buckets: their counts sum up to the calls");
    check(ascending, "buckets: ascending, none empty, none across another");
    check(narrow, "buckets: no wider than 1/64 of their value, or one step of the clock");
    check(buckets[0].low_ns <= stats.call.min_ns && stats.call.min_ns < buckets[0].high_ns, "buckets: the first one holds the minimum");
    check(buckets[count - 1].low_ns <= stats.call.max_ns && stats.call.max_ns < buckets[count - 1].high_ns, "buckets: the last one holds the maximum");
    /* However wide it is: where the counter steps coarsely a bucket may be one step. */
    check(half.low_ns <= stats.call.p50_ns && stats.call.p50_ns < half.high_ns, "buckets: the median is where they say: %.1f in %.1f to %.1f ns",
          stats.call.p50_ns, half.low_ns, half.high_ns);
    if (count > 1) {
        memset(buckets, 0, count * sizeof *buckets);
        check_status(rtw_func_buckets(func, buckets, 1, &again), RTW_OK, "buckets: room for one");
        check(again == count && buckets[0].count > 0 && buckets[1].count == 0, "buckets: one is written, all are counted");
    }
    check_status(rtw_func_buckets(func, NULL, 1, &again), RTW_ERR_NULL, "buckets: NULL with room");
    check_status(rtw_func_buckets(func, buckets, count, NULL), RTW_ERR_NULL, "buckets: count is NULL");
    free(buckets);
    rtw_func_destroy(func);
}

static void test_errors(rtw_instance_t *instance) {
    rtw_func_t *func = look_up(instance, "add", NULL);
    rtw_func_stats_t stats;
    check_status(rtw_func_stats(func, NULL), RTW_ERR_NULL, "statistics: stats is NULL");
    rtw_func_stats_init(&stats);
    stats.struct_size = 0;
    check_status(rtw_func_stats(func, &stats), RTW_ERR_STRUCT_SIZE, "statistics: without _init");
    stats.struct_size = 4;
    check_status(rtw_func_stats(func, &stats), RTW_ERR_STRUCT_SIZE, "statistics: struct_size too small");
    stats.struct_size = 4100;
    check_status(rtw_func_stats(func, &stats), RTW_ERR_STRUCT_SIZE, "statistics: struct_size too large");
    rtw_func_destroy(func);
}

static void test_off(void) {
    rtw_runtime_config_t config = runtime_config();
    config.statistics = 0;
    guest_t guest = open_with("calls", &config);
    rtw_func_t *func = look_up(guest.instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = 1, values[1].i32 = 2;
    check(rtw_invoke(func, values, 2) == RTW_OK && values[0].i32 == 3, "statistics off: calls work");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    size_t count;
    check_status(rtw_func_stats(func, &stats), RTW_ERR_UNSUPPORTED, "statistics off: rtw_func_stats");
    check_status(rtw_func_stats_reset(func), RTW_ERR_UNSUPPORTED, "statistics off: rtw_func_stats_reset");
    check_status(rtw_func_buckets(func, NULL, 0, &count), RTW_ERR_UNSUPPORTED, "statistics off: rtw_func_buckets");
    rtw_func_destroy(func);
    close_guest(&guest);
}

/* Readers and resetters on another thread while calls go on. */
struct watching {
    rtw_func_t *func;
    int stop;
    uint64_t readings;
    bool sound;
};

static void *watch(void *data) {
    struct watching *watching = data;
    rtw_bucket_t buckets[64];
    while (!__atomic_load_n(&watching->stop, __ATOMIC_ACQUIRE)) {
        rtw_func_stats_t stats;
        rtw_func_stats_init(&stats);
        size_t count = 0;
        watching->sound = watching->sound && rtw_func_stats(watching->func, &stats) == RTW_OK &&
                          rtw_func_buckets(watching->func, buckets, 64, &count) == RTW_OK && stats.call.p50_ns <= stats.call.p99_ns &&
                          stats.faults == 0;
        if (watching->readings % 16 == 15) watching->sound = watching->sound && rtw_func_stats_reset(watching->func) == RTW_OK;
        __atomic_fetch_add(&watching->readings, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void test_concurrent(rtw_instance_t *instance) {
    rtw_func_t *func = look_up(instance, "add", NULL);
    struct watching watching = {func, 0, 0, true};
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    pthread_t thread;
    pthread_create(&thread, NULL, watch, &watching);
    bool all = true;
    for (int i = 0; i < 200000 || __atomic_load_n(&watching.readings, __ATOMIC_ACQUIRE) < 100; i++)
        all = rtw_invoke(func, values, 2) == RTW_OK && all;
    __atomic_store_n(&watching.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    check(all, "concurrent: calls are not disturbed");
    check(watching.sound, "concurrent: %llu readings are sound", (unsigned long long)watching.readings);
    check_status(rtw_func_stats_reset(func), RTW_OK, "concurrent: a last reset");
    for (int i = 0; i < 10; i++) (void)rtw_invoke(func, values, 2);
    check(stats_of_func(func).call.count == 10, "concurrent: afterwards counts are exact");
    rtw_func_destroy(func);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    settle_clock();
    test_counting(guest.instance);
    test_clock(guest.instance);
    test_buckets(guest.instance);
    test_errors(guest.instance);
    test_concurrent(guest.instance);
    test_off();
    close_guest(&guest);
    return check_summary();
}
