/* The doctor: what rtw_host_check finds on this machine and on copies of others, and how it is read. What each check finds on
 * which machine is the affair of tests/doctor. */
#include "../support/common.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The folder of a machine that tests/doctor/fixtures describes, unpacked beside the artifacts; static, until the next call. */
static const char *machine(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/machines/%s", artifacts, name);
    return path;
}

static rtw_host_report_t *examine(const rtw_host_config_t *config, const char *what) {
    rtw_error_t err;
    rtw_host_report_t *report = NULL;
    require(rtw_host_check(config, &report, &err), &err, "%s", what);
    return report;
}

static rtw_host_report_t *examine_fixture(const char *root, uint32_t host_class) {
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.root = root;
    config.host_class = host_class;
    return examine(&config, root);
}

static rtw_host_finding_t finding_at(const rtw_host_report_t *report, size_t index) {
    rtw_host_finding_t finding;
    rtw_host_finding_init(&finding);
    require(rtw_host_report_finding(report, index, &finding), NULL, "finding %zu", index);
    return finding;
}

/* The finding of that name; its state is 99 where there is none. */
static rtw_host_finding_t find(const rtw_host_report_t *report, const char *id) {
    for (size_t i = 0; i < rtw_host_report_count(report); i++) {
        rtw_host_finding_t finding = finding_at(report, i);
        if (strcmp(finding.id, id) == 0) return finding;
    }
    rtw_host_finding_t none;
    rtw_host_finding_init(&none);
    none.state = 99;
    none.found = "nothing of that name";
    return none;
}

static uint32_t verdict(const rtw_host_report_t *report, uint32_t host_class) {
    uint32_t answer = 99;
    check_status(rtw_host_report_verdict(report, host_class, &answer), RTW_OK, "the verdict for class %u", host_class);
    return answer;
}

/* Every finding is whole, and they come in order. */
static void check_whole(const rtw_host_report_t *report, const char *what) {
    size_t count = rtw_host_report_count(report);
    static const uint32_t rank[] = {2, 0, 1, 3}; /* of good, bad, unknown, skipped */
    bool whole = count >= 35, in_order = true, consistent = true;
    uint32_t last_rank = 0, last_severity = RTW_HOST_SEVERITY_FATAL;
    for (size_t i = 0; i < count; i++) {
        rtw_host_finding_t f = finding_at(report, i);
        whole = whole && f.state <= RTW_HOST_SKIPPED && f.severity >= RTW_HOST_SEVERITY_INFO && f.severity <= RTW_HOST_SEVERITY_FATAL &&
                f.apply <= RTW_HOST_APPLY_REBOOT && f.needs_root <= 1 && *f.id && *f.title && *f.found &&
                *f.expected && *f.why && *f.remedy && f.commands != NULL;
        if (!whole) {
            check(false, "%s: finding %zu (%s) is whole", what, i, f.id);
            return;
        }
        uint32_t this_rank = rank[f.state];
        in_order = in_order && this_rank >= last_rank && (f.state != RTW_HOST_BAD || f.severity <= last_severity);
        last_rank = this_rank;
        last_severity = f.severity;
        for (size_t n = 0; n < RTW_HOST_CLASSES; n++)
            consistent = consistent && f.class_severity[n] <= RTW_HOST_SEVERITY_FATAL &&
                         (f.state == RTW_HOST_BAD || f.state == RTW_HOST_UNKNOWN || f.class_severity[n] == RTW_HOST_SEVERITY_NONE);
    }
    check(whole, "%s: %zu findings, all whole", what, count);
    check(in_order, "%s: the worst come first", what);
    check(consistent, "%s: only what is bad or unknown costs a class", what);
}

static void test_here(void) {
    rtw_host_report_t *report = examine(NULL, "this machine");
    check_whole(report, "this machine");
    check(verdict(report, RTW_HOST_CLASS_ALL) <= RTW_HOST_NOT_READY, "this machine: a verdict");
    check(find(report, "exec-memory").state == RTW_HOST_GOOD, "this machine: it runs guests, so memory may become executable");
    check(find(report, "wakeup").state == RTW_HOST_SKIPPED, "this machine: nothing is measured unasked");
    check(find(report, "artifact").state == RTW_HOST_SKIPPED, "this machine: no artifact was given");
    rtw_host_report_destroy(report);
}

static void test_machines(void) {
    static const char *const machines[] = {"controller", "laptop", "container", "vm", "board", "industrial"};
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        rtw_host_report_t *report = examine_fixture(machine(machines[i]), RTW_HOST_CLASS_ALL);
        check_whole(report, machines[i]);
        uint32_t worst = RTW_HOST_READY;
        for (uint32_t n = 1; n <= RTW_HOST_CLASSES; n++) {
            uint32_t one = verdict(report, n);
            if (one > worst) worst = one;
        }
        check(verdict(report, RTW_HOST_CLASS_ALL) == worst, "%s: the verdict is the worst of all classes'", machines[i]);
        rtw_host_report_destroy(report);
    }
    rtw_host_report_t *report = examine_fixture(machine("container"), RTW_HOST_CLASS_ALL);
    rtw_host_finding_t quota = find(report, "cpu-quota");
    check(quota.state == RTW_HOST_BAD && quota.severity == RTW_HOST_SEVERITY_HIGH, "container: the quota is found: %s", quota.found);
    check(strstr(quota.found, "50000 us in 100000 us") != NULL && strstr(quota.commands, "cpu.max") != NULL,
          "container: the quota has its figures and a command");
    rtw_host_report_destroy(report);
}

static void test_classes(void) {
    rtw_host_report_t *report = examine_fixture(machine("laptop"), RTW_HOST_CLASS_AUDIO_128);
    rtw_host_finding_t idle = find(report, "idle-states");
    check(idle.severity == RTW_HOST_SEVERITY_MEDIUM, "for audio a deep idle state is of medium severity");
    check(idle.class_severity[RTW_HOST_CLASS_CONTROL_10KHZ - 1] == RTW_HOST_SEVERITY_HIGH, "for control it is high");
    uint32_t unused = 99;
    check_status(rtw_host_report_verdict(report, RTW_HOST_CLASS_CONTROL_1KHZ, &unused), RTW_ERR_ARGUMENT, "a class that was not judged");
    check_status(rtw_host_report_verdict(report, 77, &unused), RTW_ERR_ARGUMENT, "no class at all");
    check_status(rtw_host_report_verdict(report, RTW_HOST_CLASS_ALL, NULL), RTW_ERR_NULL, "verdict is NULL");
    check(unused == 99, "nothing is written on failure");
    check(verdict(report, RTW_HOST_CLASS_ALL) == verdict(report, RTW_HOST_CLASS_AUDIO_128), "one class: its verdict is that of all");
    rtw_host_report_destroy(report);

    report = examine_fixture(machine("container"), RTW_HOST_CLASS_AUDIO_128);
    check_whole(report, "one class");
    check(find(report, "idle-states").state == RTW_HOST_GOOD, "what is bad for another class only is good");
    rtw_host_report_destroy(report);

    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.root = machine("laptop");
    config.period_ns = 10000000000;
    report = examine(&config, "a period of ten seconds");
    check(find(report, "idle-states").state == RTW_HOST_GOOD, "a long period bears a deep idle state");
    rtw_host_report_destroy(report);
}

static void *examine_as_real_time_thread(void *data) {
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.calling_thread = 1;
    rtw_host_report_t **report = data;
    *report = examine(&config, "the calling thread");
    return NULL;
}

static void test_thread(size_t stack_bytes, uint32_t expected) {
    rtw_host_report_t *report = NULL;
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_create(&thread, &attributes, examine_as_real_time_thread, &report);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    rtw_host_finding_t policy = find(report, "thread-policy");
    check(policy.state == RTW_HOST_BAD && strstr(policy.found, "SCHED_OTHER") != NULL, "an ordinary thread is found out: %s",
          policy.found);
    rtw_host_finding_t stack = find(report, "stack-size");
    check(stack.state == expected, "a thread with a stack of %zu KiB: %s", stack_bytes / 1024, stack.found);
    rtw_host_report_destroy(report);
}

static void test_probes(void) {
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.host_class = RTW_HOST_CLASS_CONTROL_1KHZ;
    config.probe_ms = 10;
    rtw_host_report_t *report = examine(&config, "with probes");
    static const char *const probes[] = {"wakeup", "gaps", "clock-cost", "shared-core"};
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        rtw_host_finding_t found = find(report, probes[i]);
        check(found.state == RTW_HOST_GOOD || found.state == RTW_HOST_BAD, "%s is measured: %s", probes[i], found.found);
    }
    rtw_host_report_destroy(report);
}

static void test_artifact(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.artifact = bytes;
    config.artifact_length = length;
    rtw_host_report_t *report = examine(&config, "an artifact");
    rtw_host_finding_t found = find(report, "artifact");
    check(found.state == RTW_HOST_GOOD, "an artifact of this machine runs here: %s", found.found);
    rtw_host_report_destroy(report);

    rtw_error_t err;
    report = (void *)&config;
    config.artifact_length = length - 1;
    check_status(rtw_host_check(&config, &report, &err), RTW_ERR_TRUNCATED, "a cut artifact");
    check_error(&err, RTW_ERR_TRUNCATED, "artifact", "a cut artifact");
    check(report == NULL, "a cut artifact: *out is NULL");
    config.artifact_length = 0;
    check_status(rtw_host_check(&config, &report, &err), RTW_ERR_NOT_ARTIFACT, "an empty artifact");
    free(bytes);

    char other[512];
    snprintf(other, sizeof other, "%s/calls.other-target.rtw", artifacts);
    bytes = read_file(other, &length);
    config.artifact = bytes;
    config.artifact_length = length;
    report = examine(&config, "another machine's artifact");
    found = find(report, "artifact");
    check(found.state == RTW_HOST_BAD && found.severity == RTW_HOST_SEVERITY_FATAL, "another machine's artifact is fatal: %s", found.found);
    check(verdict(report, RTW_HOST_CLASS_ALL) == RTW_HOST_NOT_READY, "and the verdict follows");
    rtw_host_report_destroy(report);
    free(bytes);
}

static void refused(const rtw_host_config_t *config, rtw_status_t expected, const char *part) {
    rtw_error_t err;
    rtw_host_report_t *report = (void *)&err;
    check_status(rtw_host_check(config, &report, &err), expected, "refused: %s", part);
    check_error(&err, expected, part, "refused: %s: the message names it", part);
    check(report == NULL, "refused: %s: *out is NULL", part);
}

static void test_errors(void) {
    rtw_error_t err;
    check_status(rtw_host_check(NULL, NULL, &err), RTW_ERR_NULL, "out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "out is NULL: the message names it");
    rtw_host_config_t config;
#define REFUSED(field, value, expected, part)  \
    do {                                       \
        rtw_host_config_init(&config);         \
        config.field = (value);                \
        refused(&config, expected, part);      \
    } while (0)
    REFUSED(struct_size, 4, RTW_ERR_STRUCT_SIZE, "config");
    REFUSED(host_class, 5, RTW_ERR_ARGUMENT, "host_class is 5");
    REFUSED(cpu, -2, RTW_ERR_ARGUMENT, "cpu is -2");
    REFUSED(probe_ms, 60001, RTW_ERR_ARGUMENT, "probe_ms is 60001");
    REFUSED(period_ns, 9999, RTW_ERR_ARGUMENT, "period_ns is 9999");
    REFUSED(period_ns, 10000000001, RTW_ERR_ARGUMENT, "period_ns is 10000000001");
    REFUSED(calling_thread, 2, RTW_ERR_ARGUMENT, "calling_thread is 2");
    REFUSED(root, "\xff\xfe", RTW_ERR_ARGUMENT, "root is not UTF-8");
    REFUSED(root, "test_doctor.c", RTW_ERR_IO, "not a directory");
    REFUSED(root, machine("nowhere"), RTW_ERR_IO, "nowhere");

    rtw_host_report_t *report = examine_fixture(".", RTW_HOST_CLASS_ALL);
    rtw_host_finding_t finding;
    rtw_host_finding_init(&finding);
    check_status(rtw_host_report_finding(report, rtw_host_report_count(report), &finding), RTW_ERR_BOUNDS, "beyond the last finding");
    check_status(rtw_host_report_finding(report, 0, NULL), RTW_ERR_NULL, "out is NULL");
    finding.struct_size--;
    check_status(rtw_host_report_finding(report, 0, &finding), RTW_ERR_STRUCT_SIZE, "without _init");
    check(finding.id == NULL, "nothing is written on failure");
    check(verdict(report, RTW_HOST_CLASS_ALL) == RTW_HOST_READY_WITH_WARNINGS, "where nothing can be read there are warnings");
    rtw_host_report_destroy(report);
    check(rtw_host_report_count(NULL) == 0, "no report has no findings");
    rtw_host_report_destroy(NULL);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_host_config_init(NULL);
    rtw_host_finding_init(NULL);
    /* The C library hands a larger stack of a thread that has ended to the next one: so the small one comes first. */
    test_thread(300 << 10, RTW_HOST_BAD);
    test_thread(1 << 20, RTW_HOST_GOOD);
    test_here();
    test_machines();
    test_classes();
    test_probes();
    test_artifact();
    test_errors();
    return check_summary();
}
