/* Makes calls and exports their statistics in all formats: `exports PROFILE ARTIFACT FOLDER`. What rtw_func_stats says of the same
 * goes to the folder as well, for the readers to be held against. */
#include <rtwasm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rtw_error_t err;
static const char *folder;

static void require(rtw_status_t status, const char *what) {
    if (status == RTW_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, rtw_status_name(status), err.message);
    exit(1);
}

static const char *in_folder(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void call(rtw_func_t *func, uint32_t rounds) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.u32 = rounds;
    require(rtw_invoke(func, &value, 1), "a call");
}

/* Times from half a microsecond to some hundred, most of them short. */
static void call_in_many_ways(rtw_func_t *work) {
    uint32_t state = 12345;
    for (int i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        uint32_t octaves = (state >> 28) > 10 ? (state >> 24) % 8 : 0;
        call(work, 500u + (state >> 16) % 500u + (400u << octaves));
    }
}

static void write_stats(const char *name, const rtw_func_stats_t *stats, const double *maxima_ns, int count) {
    FILE *file = fopen(in_folder(name), "w");
    if (file == NULL) {
        perror(in_folder(name));
        exit(1);
    }
    fprintf(file, "{\"calls\": %llu, \"faults\": %llu, \"overflows\": %llu, \"arena_peak_bytes\": %llu,\n", (unsigned long long)stats->call.count,
            (unsigned long long)stats->faults, (unsigned long long)stats->overflows, (unsigned long long)stats->arena_peak_bytes);
    fprintf(file, "\"cut_offs\": %llu, \"overruns\": %llu, \"deadline_misses\": %llu,\n", (unsigned long long)stats->cut_offs,
            (unsigned long long)stats->overruns, (unsigned long long)stats->deadline_misses);
    fprintf(file, " \"min_ns\": %.9g, \"mean_ns\": %.12g, \"max_ns\": %.9g, \"duration_ns\": %llu,\n", stats->call.min_ns, stats->call.mean_ns,
            stats->call.max_ns, (unsigned long long)stats->duration_ns);
    fprintf(file, " \"maxima_ns\": [");
    for (int i = 0; i < count; i++) fprintf(file, "%s%.9g", i == 0 ? "" : ", ", maxima_ns[i]);
    fprintf(file, "],\n \"p50_ns\": %.9g, \"p90_ns\": %.9g, \"p95_ns\": %.9g, \"p99_ns\": %.9g, \"p999_ns\": %.9g, \"p9999_ns\": %.9g,\n \"clock_step_ns\": %.9g}\n",
            stats->call.p50_ns, stats->call.p90_ns, stats->call.p95_ns, stats->call.p99_ns, stats->call.p999_ns, stats->call.p9999_ns, rtw_clock_step_ns());
    fclose(file);
}

static const struct {
    uint32_t format;
    const char *extension;
} formats[] = {
    {RTW_EXPORT_JSON, "json"}, {RTW_EXPORT_HTML, "html"},      {RTW_EXPORT_HGRM, "hgrm"},
    {RTW_EXPORT_HLOG, "hlog"}, {RTW_EXPORT_OPENMETRICS, "om"}, {RTW_EXPORT_CSV, "csv"},
};
enum { format_count = sizeof formats / sizeof formats[0] };

static rtw_export_config_t to_file(int format, const char *subject) {
    static char name[64];
    snprintf(name, sizeof name, "%s.%s", subject, formats[format].extension);
    rtw_export_config_t config;
    rtw_export_config_init(&config);
    config.format = formats[format].format;
    config.path = in_folder(name);
    return config;
}

static void export_func(const char *subject, const rtw_func_t *func, const char *called, uint64_t expected_interval_ns) {
    for (int i = 0; i < format_count; i++) {
        rtw_export_config_t config = to_file(i, subject);
        config.name = called;
        config.expected_interval_ns = expected_interval_ns;
        require(rtw_func_export(func, &config, NULL, &err), subject);
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    require(rtw_func_stats(func, &stats), "rtw_func_stats");
    char name[64];
    snprintf(name, sizeof name, "%s.stats", subject);
    write_stats(name, &stats, NULL, 0);
}

/* Readings of an interval after every thousand calls, one of which is slow. */
static void export_interval(rtw_func_t *work) {
    rtw_interval_t *interval;
    require(rtw_func_interval(work, &interval, &err), "rtw_func_interval");
    rtw_func_stats_t stats, sum;
    rtw_func_stats_init(&stats);
    rtw_func_stats_init(&sum);
    double sum_ns = 0, maxima_ns[10];
    for (int reading = 0; reading < 10; reading++) {
        for (int i = 0; i < 1000; i++) call(work, reading == 6 && i == 500 ? 2000000u : 1000u);
        require(rtw_interval_read(interval, &stats), "rtw_interval_read");
        maxima_ns[reading] = stats.call.max_ns;
        sum.call.count += stats.call.count;
        sum_ns += stats.call.mean_ns * (double)stats.call.count;
        sum.call.max_ns = stats.call.max_ns > sum.call.max_ns ? stats.call.max_ns : sum.call.max_ns;
        sum.call.min_ns = reading == 0 || stats.call.min_ns < sum.call.min_ns ? stats.call.min_ns : sum.call.min_ns;
        sum.duration_ns += stats.duration_ns;
    }
    sum.call.mean_ns = sum_ns / (double)sum.call.count;
    write_stats("interval.stats", &sum, maxima_ns, 10);
    for (int i = 0; i < format_count; i++) {
        rtw_export_config_t config = to_file(i, "interval");
        require(rtw_interval_export(interval, &config, NULL, &err), "interval");
    }
    rtw_interval_destroy(interval);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s standalone|plugin ARTIFACT FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[3];
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(argv[1], "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *work, *late, *nothing, *trap, *unused;
    require(rtw_runtime_create(&config, &runtime, &err), "rtw_runtime_create");
    require(rtw_module_load_file(runtime, argv[2], &module, &err), "rtw_module_load_file");
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), "rtw_instance_create");
    require(rtw_instance_func(instance, "work", NULL, &work, &err), "work");
    require(rtw_instance_func(instance, "work", NULL, &late, &err), "work again");
    require(rtw_instance_func(instance, "nothing", NULL, &nothing, &err), "nothing");
    require(rtw_instance_func(instance, "nothing", NULL, &unused, &err), "nothing again");
    require(rtw_instance_func(instance, "trap", NULL, &trap, &err), "trap");
    require(rtw_thread_attach(runtime, NULL, &err), "rtw_thread_attach");
    require(rtw_instance_prepare(instance, NULL, NULL, &err), "rtw_instance_prepare");

    call_in_many_ways(work);
    export_func("many", work, NULL, 0);
    export_func("unused", unused, NULL, 0);
    /* One that is late, for the correction: what would have been due meanwhile at a period of 20 us. */
    for (int i = 0; i < 5000; i++) call(late, i == 2500 ? 5000000u : 1000u);
    export_func("late", late, "a \"late\" <func> & co, \\", 20000);
    export_interval(work);

    for (int i = 0; i < 100; i++) require(rtw_invoke(nothing, NULL, 0), "nothing");
    if (rtw_invoke(trap, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE) return 1;
    for (int i = 0; i < format_count; i++) {
        rtw_export_config_t export = to_file(i, "instance");
        require(rtw_instance_export(instance, &export, NULL, &err), "instance");
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    require(rtw_instance_stats(instance, &stats), "rtw_instance_stats");
    write_stats("instance.stats", &stats, NULL, 0);

    rtw_func_destroy(work), rtw_func_destroy(late), rtw_func_destroy(nothing), rtw_func_destroy(unused), rtw_func_destroy(trap);
    require(rtw_thread_detach(runtime, &err), "rtw_thread_detach");
    rtw_instance_destroy(instance), rtw_module_destroy(module), rtw_runtime_destroy(runtime);
    return 0;
}
