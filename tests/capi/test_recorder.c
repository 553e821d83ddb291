/* The host's own times: recorded, read, in intervals and in exports. */
#include "../support/common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static rtw_error_t err;

static rtw_func_stats_t stats_of(const rtw_recorder_t *recorder) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_recorder_stats(recorder, &stats), RTW_OK, "its statistics");
    return stats;
}

static bool near(double value, double expected) { return value > expected * 0.98 - 2 && value < expected * 1.02 + 2; }

static void test_times(rtw_runtime_t *runtime) {
    rtw_recorder_t *recorder;
    require(rtw_recorder_create(runtime, "chain", &recorder, &err), &err, "a recorder");
    rtw_func_stats_t stats = stats_of(recorder);
    check(stats.call.count == 0 && stats.call.max_ns == 0, "it begins empty");
    bool all = true;
    for (uint64_t us = 1; us <= 1000; us++) all = rtw_recorder_record_ns(recorder, us * 1000) == RTW_OK && all;
    check(all, "a thousand times are recorded");
    stats = stats_of(recorder);
    check(stats.call.count == 1000, "all are counted: %llu", (unsigned long long)stats.call.count);
    check(near(stats.call.min_ns, 1000) && near(stats.call.max_ns, 1e6) && near(stats.last_ns, 1e6), "the extremes: %g, %g", stats.call.min_ns, stats.call.max_ns);
    check(near(stats.call.mean_ns, 500500) && near(stats.call.p50_ns, 500e3) && near(stats.call.p99_ns, 990e3), "mean and percentiles: %g, %g, %g",
          stats.call.mean_ns, stats.call.p50_ns, stats.call.p99_ns);
    check(stats.faults == 0 && stats.cut_offs == 0 && stats.overflows == 0 && stats.duration_ns > 0, "and nothing else");
    check_status(rtw_recorder_record_ns(recorder, UINT64_MAX), RTW_OK, "a time that is too long for the buckets");
    stats = stats_of(recorder);
    check(stats.call.count == 1001 && stats.overflows == 1, "is counted");
    rtw_recorder_destroy(recorder);
}

static void test_interval(rtw_runtime_t *runtime) {
    rtw_recorder_t *recorder;
    require(rtw_recorder_create(runtime, "round trip", &recorder, &err), &err, "a recorder");
    rtw_recorder_record_ns(recorder, 5000);
    rtw_interval_t *interval;
    require(rtw_recorder_interval(recorder, &interval, &err), &err, "an interval");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_interval_read(interval, &stats) == RTW_OK && stats.call.count == 0, "what was before is not in it");
    rtw_recorder_record_ns(recorder, 7000);
    check(rtw_interval_read(interval, &stats) == RTW_OK && stats.call.count == 1 && near(stats.call.max_ns, 7000), "what comes is, once");
    check(rtw_interval_read(interval, &stats) == RTW_OK && stats.call.count == 0, "and not twice");
    rtw_recorder_record_ns(recorder, 9000);
    rtw_recorder_destroy(recorder);
    check(rtw_interval_read(interval, &stats) == RTW_OK && stats.call.count == 1, "the interval keeps what it reads");
    rtw_interval_destroy(interval);
}

static void test_export(rtw_runtime_t *runtime) {
    rtw_recorder_t *recorder;
    require(rtw_recorder_create(runtime, "chain", &recorder, &err), &err, "a recorder");
    for (int i = 0; i < 10; i++) rtw_recorder_record_ns(recorder, 20000);
    rtw_export_subject_t subjects[2];
    memset(subjects, 0, sizeof subjects);
    subjects[0].recorder = recorder;
    subjects[1].recorder = recorder;
    subjects[1].name = "again";
    static char text[1 << 16];
    rtw_export_config_t config;
    rtw_export_config_init(&config);
    config.buffer = text, config.buffer_bytes = sizeof text;
    require(rtw_export(subjects, 2, sizeof subjects[0], &config, NULL, &err), &err, "an export");
    check(strstr(text, "\"recorder\"") && strstr(text, "\"chain\"") && strstr(text, "\"again\"") && strstr(text, "recorded_time"), "names kind, name and series");
    const uint32_t formats[] = {RTW_EXPORT_HTML, RTW_EXPORT_HLOG, RTW_EXPORT_OPENMETRICS, RTW_EXPORT_CSV};
    for (int i = 0; i < 4; i++) {
        config.format = formats[i];
        check_status(rtw_export(subjects, 2, sizeof subjects[0], &config, NULL, &err), RTW_OK, "format %u", formats[i]);
    }
    rtw_recorder_destroy(recorder);
}

static void *write_times(void *recorder) {
    for (int i = 0; i < 200000; i++) (void)rtw_recorder_record_ns(recorder, 1000);
    return NULL;
}

static void test_two_threads(rtw_runtime_t *runtime) {
    rtw_recorder_t *recorder;
    require(rtw_recorder_create(runtime, "busy", &recorder, &err), &err, "a recorder");
    pthread_t writer;
    pthread_create(&writer, NULL, write_times, recorder);
    uint64_t last = 0;
    bool ascending = true;
    while (last < 200000 && ascending) {
        rtw_func_stats_t stats;
        rtw_func_stats_init(&stats);
        ascending = rtw_recorder_stats(recorder, &stats) == RTW_OK && stats.call.count >= last;
        last = stats.call.count;
    }
    pthread_join(writer, NULL);
    check(ascending && last == 200000, "a reader beside the writer loses nothing");
    rtw_recorder_destroy(recorder);
}

static void test_errors(rtw_runtime_t *runtime) {
    rtw_recorder_t *recorder;
    rtw_interval_t *interval;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_recorder_create(NULL, "x", &recorder, &err), RTW_ERR_NULL, "create: runtime is NULL");
    check_status(rtw_recorder_create(runtime, NULL, &recorder, &err), RTW_ERR_NULL, "create: name is NULL");
    check_status(rtw_recorder_create(runtime, "\xff", &recorder, &err), RTW_ERR_ARGUMENT, "create: a name that is not UTF-8");
    check(recorder == NULL, "create: *out is NULL on failure");
    check_status(rtw_recorder_create(runtime, "x", NULL, &err), RTW_ERR_NULL, "create: out is NULL");
    check_status(rtw_recorder_record_ns(NULL, 1), RTW_ERR_NULL, "record: NULL");
    check_status(rtw_recorder_record_ns((rtw_recorder_t *)(void *)runtime, 1), RTW_ERR_HANDLE, "record: another kind of handle");
    check_status(rtw_recorder_stats(NULL, &stats), RTW_ERR_NULL, "statistics: NULL");
    check_status(rtw_recorder_interval(NULL, &interval, &err), RTW_ERR_NULL, "interval: NULL");
    require(rtw_recorder_create(runtime, "x", &recorder, &err), &err, "a recorder");
    check_status(rtw_recorder_stats(recorder, NULL), RTW_ERR_NULL, "statistics: stats is NULL");
    check_status(rtw_recorder_interval(recorder, NULL, &err), RTW_ERR_NULL, "interval: out is NULL");
    stats.struct_size = 4;
    check_status(rtw_recorder_stats(recorder, &stats), RTW_ERR_STRUCT_SIZE, "statistics: struct_size");
    rtw_recorder_destroy(recorder);
    check_status(rtw_recorder_record_ns(recorder, 1), RTW_ERR_HANDLE, "record: after it was destroyed");
    rtw_recorder_destroy(NULL);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    test_times(runtime);
    test_interval(runtime);
    test_export(runtime);
    test_two_threads(runtime);
    test_errors(runtime);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
