/* Exports: where they go, and what is refused. What is in them is for tests/statistics. */
#include "../support/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static rtw_error_t err;

static rtw_export_config_t defaults(void) {
    rtw_export_config_t config;
    rtw_export_config_init(&config);
    return config;
}

static const struct {
    uint32_t format;
    const char *name, *part;
} formats[] = {
    {RTW_EXPORT_JSON, "JSON", "\"format\": \"rtwasm-statistics\""},
    {RTW_EXPORT_HTML, "HTML", "<!DOCTYPE html>"},
    {RTW_EXPORT_HGRM, "hgrm", "Total count    =            5]"},
    {RTW_EXPORT_HLOG, "log", "Tag=func.add.call_time,"},
    {RTW_EXPORT_OPENMETRICS, "OpenMetrics", "rtwasm_call_time_seconds_count{kind=\"func\",name=\"add\"} 5\n"},
    {RTW_EXPORT_CSV, "CSV", ",func,add,call_time,"},
};

static void call_five_times(rtw_func_t *func) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    for (int i = 0; i < 5; i++) (void)rtw_invoke(func, values, 2);
}

static void test_buffers(const rtw_func_t *func) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        rtw_export_config_t config = defaults();
        config.format = formats[i].format;
        size_t length = 0;
        check_status(rtw_func_export(func, &config, &length, &err), RTW_OK, "%s: how long it is", formats[i].name);
        /* Digits of the duration and of the moment may come and go. */
        size_t room = length + 64;
        char *text = malloc(room + 1);
        memset(text, 0x7f, room + 1);
        config.buffer = text;
        config.buffer_bytes = room;
        check_status(rtw_func_export(func, &config, &length, &err), RTW_OK, "%s: into a buffer", formats[i].name);
        check(length == strlen(text) && text[room] == 0x7f, "%s: a string of the length that is told", formats[i].name);
        check(strstr(text, formats[i].part) != NULL, "%s: it has %s", formats[i].name, formats[i].part);
        memset(text, 0x7f, room + 1);
        config.buffer_bytes = length / 2;
        size_t needed = 0;
        check_status(rtw_func_export(func, &config, &needed, &err), RTW_ERR_LIMIT, "%s: a buffer of half the size", formats[i].name);
        check(text[0] == 0x7f && needed > length / 2, "%s: nothing is written, the length is told", formats[i].name);
        check_error(&err, RTW_ERR_LIMIT, "bytes", "%s: the message says what it takes", formats[i].name);
        free(text);
    }
}

static void test_files(const rtw_func_t *func) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/export.%s.%ld.json", artifacts, profile_name, (long)getpid());
    rtw_export_config_t config = defaults();
    config.path = path;
    size_t length = 0;
    check_status(rtw_func_export(func, &config, &length, &err), RTW_OK, "a file");
    size_t size = 0;
    unsigned char *bytes = read_file(path, &size);
    check(size == length && size > 0 && bytes[0] == '{', "a file: as long as is told");
    free(bytes);
    config.format = RTW_EXPORT_CSV;
    check_status(rtw_func_export(func, &config, NULL, NULL), RTW_OK, "a file: another takes its place, without length and err");
    bytes = read_file(path, &size);
    check(size > 7 && memcmp(bytes, "source,", 7) == 0, "a file: it is the other one");
    free(bytes);
    unlink(path);
    config.path = "/dev/null";
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_OK, "a device is written to");
    struct stat status;
    check(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode), "and stays one");
    config.path = "/nowhere/at/all.json";
    check_status(rtw_func_export(func, &config, &length, &err), RTW_ERR_IO, "a file that cannot be written");
    check_error(&err, RTW_ERR_IO, "/nowhere/at/all.json", "a file that cannot be written: the message names it");
    check(err.os_error != 0, "a file that cannot be written: the system's reason is told");
}

/* A buffer that is large enough for everything here. */
static char *exported(rtw_status_t (*export)(const void *, const rtw_export_config_t *, size_t *, rtw_error_t *), const void *subject,
                      rtw_export_config_t config) {
    static char text[1 << 20];
    config.buffer = text;
    config.buffer_bytes = sizeof text;
    require(export(subject, &config, NULL, &err), &err, "an export");
    return text;
}

static rtw_status_t of_func(const void *func, const rtw_export_config_t *config, size_t *length, rtw_error_t *error) {
    return rtw_func_export(func, config, length, error);
}

static rtw_status_t of_instance(const void *instance, const rtw_export_config_t *config, size_t *length, rtw_error_t *error) {
    return rtw_instance_export(instance, config, length, error);
}

static rtw_status_t of_interval(const void *interval, const rtw_export_config_t *config, size_t *length, rtw_error_t *error) {
    return rtw_interval_export(interval, config, length, error);
}

static void test_choices(guest_t *guest, rtw_func_t *func) {
    rtw_export_config_t config = defaults();
    config.format = RTW_EXPORT_OPENMETRICS;
    config.name = "left";
    check(strstr(exported(of_func, func, config), "{kind=\"func\",name=\"left\"}") != NULL, "a func by another name");
    rtw_func_t *again = look_up(guest->instance, "add", NULL);
    call_five_times(again);
    char *text = exported(of_instance, guest->instance, config);
    check(strstr(text, "rtwasm_call_time_seconds_count{kind=\"instance\",name=\"left\"} 10\n") != NULL, "an instance has all its calls");
    check(strstr(text, "rtwasm_call_time_seconds_count{kind=\"func\",name=\"left/add\"} 10\n") != NULL,
          "two look-ups of a function are one function");
    rtw_func_destroy(again);
    config.expected_interval_ns = 1000;
    text = exported(of_func, func, config);
    check(strstr(text, "rtwasm_call_time_corrected_seconds_count") != NULL && strstr(text, "rtwasm_call_time_seconds_count") != NULL,
          "with an expected interval, both series are there");
    config.series = "call_time";
    check(strstr(exported(of_func, func, config), "rtwasm_call_time_corrected_seconds_count") == NULL, "the chosen series only");
    rtw_interval_t *interval = NULL;
    require(rtw_func_interval(func, &interval, &err), &err, "an interval");
    call_five_times(func);
    config = defaults();
    check(strstr(exported(of_interval, interval, config), "\"count\": 0") != NULL, "an interval that was not read is empty");
    (void)stats_of_interval(interval);
    text = exported(of_interval, interval, config);
    check(strstr(text, "\"count\": 5") != NULL && strstr(text, "\"timeline\": [[") != NULL, "an interval that was read has a time line");
    rtw_interval_destroy(interval);
}

static void test_errors(const rtw_func_t *func) {
    rtw_export_config_t config = defaults();
    check_status(rtw_func_export(NULL, &config, NULL, &err), RTW_ERR_NULL, "func is NULL");
    check_status(rtw_instance_export(NULL, &config, NULL, &err), RTW_ERR_NULL, "instance is NULL");
    check_status(rtw_interval_export(NULL, &config, NULL, &err), RTW_ERR_NULL, "interval is NULL");
    check_status(rtw_instance_export((const rtw_instance_t *)(const void *)func, &config, NULL, &err), RTW_ERR_HANDLE, "not an instance");
    check_status(rtw_func_export(func, NULL, NULL, &err), RTW_ERR_NULL, "config is NULL");
    config.struct_size = 4;
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_STRUCT_SIZE, "without _init");
    config = defaults();
    config = defaults();
    config.format = 77;
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_ARGUMENT, "format out of range");
    check_error(&err, RTW_ERR_ARGUMENT, "format", "format out of range: the message names it");
    config = defaults();
    config.buffer_bytes = 10;
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_NULL, "room, but no buffer");
    char text[4];
    config.buffer = text;
    config.path = "both";
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_ARGUMENT, "path and buffer");
    config = defaults();
    config.series = "jitter";
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_ARGUMENT, "a series that is not there");
    check_error(&err, RTW_ERR_ARGUMENT, "call_time", "a series that is not there: the message names those there are");
    config = defaults();
    config.name = "\xff";
    check_status(rtw_func_export(func, &config, NULL, &err), RTW_ERR_ARGUMENT, "a name that is not UTF-8");

    rtw_runtime_config_t silent = runtime_config();
    silent.statistics = 0;
    guest_t other = open_with("calls", &silent);
    config = defaults();
    check_status(rtw_instance_export(other.instance, &config, NULL, &err), RTW_ERR_UNSUPPORTED, "statistics off");
    close_guest(&other);
    rtw_export_config_init(NULL);
}

static rtw_status_t of_worker(const void *worker, const rtw_export_config_t *config, size_t *length, rtw_error_t *error) {
    return rtw_worker_export(worker, config, length, error);
}

static rtw_status_t of_all(const void *subjects, const rtw_export_config_t *config, size_t *length, rtw_error_t *error) {
    return rtw_export(subjects, 4, sizeof(rtw_export_subject_t), config, length, error);
}

static void test_several(guest_t *guest, rtw_func_t *func) {
    rtw_worker_config_t queue;
    rtw_worker_config_init(&queue);
    queue.kind = RTW_WORKER_QUEUE;
    queue.name = "behind";
    rtw_worker_t *worker = NULL;
    require(rtw_worker_create(guest->runtime, &queue, &worker, &err), &err, "a worker");
    require(rtw_worker_start(worker, &err), &err, "it starts");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    for (int i = 0; i < 7; i++) require(rtw_worker_invoke(worker, func, values, 2), NULL, "it calls");
    require(rtw_worker_stop(worker), NULL, "it stops");
    rtw_export_config_t config = defaults();
    config.format = RTW_EXPORT_OPENMETRICS;
    char *text = exported(of_worker, worker, config);
    check(strstr(text, "rtwasm_response_time_seconds_count{kind=\"worker\",name=\"behind\"} 7\n") != NULL, "a worker has its response times");
    config.name = "ahead";
    config.format = RTW_EXPORT_HTML;
    text = exported(of_worker, worker, config);
    check(strstr(text, "<h2>worker ahead</h2>") != NULL && strstr(text, "worst calls") != NULL, "a worker's page, by another name");
    check_status(rtw_worker_export(NULL, &config, NULL, &err), RTW_ERR_NULL, "worker is NULL");

    rtw_interval_t *interval = NULL;
    require(rtw_instance_interval(guest->instance, &interval, &err), &err, "an interval");
    rtw_export_subject_t subjects[4];
    memset(subjects, 0, sizeof subjects);
    subjects[0].func = func;
    subjects[0].name = "alone";
    subjects[1].instance = guest->instance;
    subjects[1].name = "left";
    subjects[2].interval = interval;
    subjects[2].name = "since";
    subjects[3].worker = worker;
    config = defaults();
    config.format = RTW_EXPORT_OPENMETRICS;
    text = exported(of_all, subjects, config);
    const char *type = strstr(text, "# TYPE rtwasm_call_time_seconds histogram\n");
    check(type != NULL && strstr(type + 1, "# TYPE rtwasm_call_time_seconds histogram\n") == NULL, "several: one family of call times");
    bool all = true;
    static const char *const labels[] = {"{kind=\"func\",name=\"alone\"}", "{kind=\"instance\",name=\"left\"}",
                                         "{kind=\"func\",name=\"left/add\"}", "{kind=\"instance\",name=\"since\"}",
                                         "{kind=\"worker\",name=\"behind\"}"};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        char sample[128];
        snprintf(sample, sizeof sample, "rtwasm_call_time_seconds_count%s", labels[i]);
        all = all && strstr(text, sample) != NULL;
    }
    check(all, "several: each is there by its name");
    subjects[2].name = "left";
    check_status(rtw_export(subjects, 4, sizeof *subjects, &config, NULL, &err), RTW_ERR_ARGUMENT, "several: two of a name");
    check_error(&err, RTW_ERR_ARGUMENT, "subject 2: there is another instance \"left\"", "several: the message says which");
    subjects[2].name = "since";
    subjects[1].func = func;
    check_status(rtw_export(subjects, 4, sizeof *subjects, &config, NULL, &err), RTW_ERR_ARGUMENT, "several: a subject with two handles");
    subjects[1].func = NULL;
    subjects[1].instance = NULL;
    check_status(rtw_export(subjects, 4, sizeof *subjects, &config, NULL, &err), RTW_ERR_ARGUMENT, "several: a subject without any");
    check_error(&err, RTW_ERR_ARGUMENT, "subject 1", "several: the message says which");
    subjects[1].instance = (const rtw_instance_t *)(const void *)func;
    check_status(rtw_export(subjects, 4, sizeof *subjects, &config, NULL, &err), RTW_ERR_HANDLE, "several: not an instance");
    config.name = "no";
    check_status(rtw_export(subjects, 1, sizeof *subjects, &config, NULL, &err), RTW_ERR_ARGUMENT, "several: a name in the configuration");
    config.name = NULL;
    check_status(rtw_export(subjects, 0, sizeof *subjects, &config, NULL, &err), RTW_ERR_ARGUMENT, "several: none");
    check_status(rtw_export(NULL, 1, sizeof(rtw_export_subject_t), &config, NULL, &err), RTW_ERR_NULL, "several: subjects is NULL");
    check_status(rtw_export(subjects, 1, sizeof *subjects, NULL, NULL, &err), RTW_ERR_NULL, "several: config is NULL");
    rtw_interval_destroy(interval);
    rtw_worker_destroy(worker);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    rtw_func_t *func = look_up(guest.instance, "add", NULL);
    call_five_times(func);
    test_buffers(func);
    test_files(func);
    test_choices(&guest, func);
    test_several(&guest, func);
    test_errors(func);
    rtw_func_destroy(func);
    close_guest(&guest);
    return check_summary();
}
