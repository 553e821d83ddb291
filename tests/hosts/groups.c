/* Control groups around a host, of version 1 or 2, and CPUs that go: a cpuset that shrinks while threads run on what goes away, a quota
 * that throttles, a CPU that is taken offline. Each is skipped by its name where this machine does not let us make it. */
#include "common.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUDGET_NS = 20000000 };

static bool write_file(const char *folder, const char *name, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    bool good = fputs(text, file) >= 0;
    good = fclose(file) == 0 && good;
    return good;
}

static bool file_has(const char *path, const char *word) {
    char text[1000] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strstr(text, word) != NULL;
}

/* A new group with this controller, and whether it is of version 2. NULL where there can be none. */
static const char *make_group(const char *controller, bool *version_2) {
    static char folder[200];
    snprintf(folder, sizeof folder, "/sys/fs/cgroup/%s/rtwasm-hosts-%d", controller, (int)getpid());
    *version_2 = false;
    if (mkdir(folder, 0755) == 0) return folder;
    *version_2 = true;
    snprintf(folder, sizeof folder, "/sys/fs/cgroup/rtwasm-hosts-%d", (int)getpid());
    if (file_has("/sys/fs/cgroup/cgroup.subtree_control", controller) && mkdir(folder, 0755) == 0) return folder;
    return NULL;
}

static void enter(const char *folder) {
    char pid[20];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    check(write_file(folder, "cgroup.procs", pid), "the process enters %s", folder);
}

/* Empty once the child that was in it is gone, which the kernel may take a moment to see. */
static void remove_group(const char *folder) {
    for (int i = 0; rmdir(folder) != 0 && errno == EBUSY && i < 5000; i++) usleep(1000);
}

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static bool has_finding(const char *id) {
    rtw_error_t err;
    rtw_host_report_t *report = NULL;
    require(rtw_host_check(NULL, &report, &err), &err, "the doctor");
    bool bad = false;
    for (size_t i = 0; i < rtw_host_report_count(report); i++) {
        rtw_host_finding_t finding;
        rtw_host_finding_init(&finding);
        if (rtw_host_report_finding(report, i, &finding) == RTW_OK && strcmp(finding.id, id) == 0) bad = finding.state == RTW_HOST_BAD;
    }
    rtw_host_report_destroy(report);
    return bad;
}

/* A guest whose runtime's threads run on one CPU. */
static life_t begin_life_on(int cpu) {
    rtw_error_t err;
    life_t life;
    memset(&life, 0, sizeof life);
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.cpu_set[cpu / 64] = UINT64_C(1) << cpu % 64;
    require(rtw_runtime_create(&config, &life.guest.runtime, &err), &err, "a runtime on CPU %d", cpu);
    life.guest.module = load(life.guest.runtime, "states");
    require(rtw_imports_create(&life.imports, &err), &err, "imports");
    require(rtw_imports_func(life.imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), &err, "visit");
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    require(rtw_instance_create(life.guest.module, life.imports, &limits, &life.guest.instance, &err), &err, "an instance");
    return life;
}

static volatile int ticks, worker_cpu;

static rtw_status_t step(void *user_data, const rtw_tick_t *tick) {
    (void)user_data, (void)tick;
    worker_cpu = sched_getcpu();
    ticks++;
    return RTW_OK;
}

static void await_ticks(int more) {
    const int until = ticks + more;
    while (ticks < until) usleep(1000);
}

/* The ways to take the threads' CPU away. */
typedef struct loss_t {
    const char *group; /* NULL: the CPU goes offline */
    int cpu;
} loss_t;

static void a_cpu_goes(void *data) {
    const loss_t *loss = data;
    const char *const what = loss->group != NULL ? "a cpuset that shrinks" : "a CPU that goes offline";
    if (loss->group != NULL) enter(loss->group);
    rtw_error_t err;
    life_t life = begin_life_on(loss->cpu);
    require(rtw_thread_attach(life.guest.runtime, NULL, &err), &err, "attach on CPU %d", loss->cpu);
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    rtw_worker_config_t config;
    rtw_worker_t *periodic, *queue;
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = step;
    config.cpu = loss->cpu;
    require(rtw_worker_create(life.guest.runtime, &config, &periodic, &err), &err, "a worker on CPU %d", loss->cpu);
    require(rtw_worker_start(periodic, &err), &err, "start");
    await_ticks(5);
    check(sched_getcpu() == loss->cpu && worker_cpu == loss->cpu, "%s: the threads run on CPU %d", what, loss->cpu);

    char rest[20];
    snprintf(rest, sizeof rest, "0-%d", loss->cpu - 1);
    const bool gone = loss->group != NULL ? write_file(loss->group, "cpuset.cpus", rest) : write_file("/sys/devices/system/cpu/cpu1", "online", "0");
    check(gone, "%s: CPU %d goes", what, loss->cpu);
    check(whole(&life, what, true) == 0, "%s: guests run, trap and are cut off on what is left", what);
    await_ticks(20);
    check(sched_getcpu() < loss->cpu && worker_cpu < loss->cpu, "%s: the threads go on elsewhere, on CPU %d and %d", what, sched_getcpu(), worker_cpu);
    rtw_worker_destroy(periodic);
    require(rtw_thread_detach(life.guest.runtime, &err), &err, "%s: detach", what);
    (void)rtw_thread_attach(life.guest.runtime, NULL, &err);
    char number[20];
    snprintf(number, sizeof number, "CPU %d", loss->cpu);
    check_error(&err, RTW_ERR_PERMISSION, number, "%s: who asks for it now is refused, by its number", what);
    life_t other = begin_life(NULL, NULL, BUDGET_NS);
    ready(&other);
    check(whole(&other, what, true) == 0, "%s: whoever asks for no CPU goes on", what);
    require(rtw_thread_detach(other.guest.runtime, &err), &err, "detach");
    end_life(&other);
    config.kind = RTW_WORKER_QUEUE;
    config.step = NULL;
    config.period_ns = 0;
    require(rtw_worker_create(life.guest.runtime, &config, &queue, &err), &err, "a worker made afterwards");
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    require(rtw_worker_info(queue, &info), NULL, "its state");
    check(info.warning_count == 1, "%s: a worker that asks for it is told, %u", what, info.warning_count);
    require(rtw_worker_start(queue, &err), &err, "it runs");
    rtw_func_t *spin = look_up(life.guest.instance, "spin", NULL);
    check(rtw_worker_invoke(queue, spin, NULL, 0) == RTW_ERR_BUDGET, "%s: and is freed of an endless call", what);
    rtw_worker_destroy(queue);
    rtw_func_destroy(spin);
    end_life(&life);
}

static void cpuset(void) {
    bool version_2;
    const char *group = make_group("cpuset", &version_2);
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    loss_t loss = {group, (int)cpus - 1};
    char all[32];
    snprintf(all, sizeof all, "0-%d", (int)cpus - 1);
    if (group == NULL || cpus < 2 || !write_file(group, "cpuset.cpus", all) || !write_file(group, "cpuset.mems", "0"))
        check(true, "skipped: a cpuset that shrinks: no group with a cpuset of two CPUs can be made here");
    else
        check_in_child("a cpuset that shrinks", a_cpu_goes, &loss);
    if (group != NULL) remove_group(group);
}

static void offline(void) {
    loss_t loss = {NULL, 1};
    if (sysconf(_SC_NPROCESSORS_ONLN) != 2 || getenv("HOSTS_OFFLINE") == NULL || access("/sys/devices/system/cpu/cpu1/online", W_OK) != 0) {
        /* Every other program on the machine would lose it as well. */
        check(true, "skipped: a CPU that goes offline: set HOSTS_OFFLINE on a machine of one's own with two CPUs whose second may go");
        return;
    }
    check_in_child("a CPU that goes offline", a_cpu_goes, &loss);
    check(write_file("/sys/devices/system/cpu/cpu1", "online", "1"), "the CPU comes back");
}

/* ---- a quota */

static rtw_func_t *work;

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* 4 ms of each 10, in guests' calls. */
static rtw_status_t demanding_step(void *user_data, const rtw_tick_t *tick) {
    (void)user_data, (void)tick;
    const uint64_t until = cpu_ns() + 4000000;
    do {
        rtw_value_t value = {.i32 = 10000};
        const rtw_status_t status = rtw_invoke(work, &value, 1);
        if (status != RTW_OK) return status;
    } while (cpu_ns() < until);
    ticks++;
    return RTW_OK;
}

static void throttled(void *data) {
    check(!has_finding("cpu-quota"), "twin: without a quota the doctor finds none");
    enter(data);
    life_t life = begin_life(NULL, NULL, 0);
    work = look_up(life.guest.instance, "work", NULL);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = 10000000;
    config.step = demanding_step;
    rtw_worker_t *worker = start_worker(life.guest.runtime, &config);
    await_ticks(30);
    char path[300];
    snprintf(path, sizeof path, "%s/cpu.stat", (const char *)data);
    while (file_has(path, "nr_throttled 0\n")) await_ticks(1); /* however little the rest of the machine leaves of it */
    rtw_worker_stats_t stats;
    rtw_worker_stats_init(&stats);
    require(rtw_worker_stats(worker, &stats), NULL, "its statistics");
    check(stats.skipped + stats.overruns + stats.misses > 0,
          "a quota that throttles: steps that came late are counted: %llu skipped, %llu overrun, %llu missed of %llu", (unsigned long long)stats.skipped,
          (unsigned long long)stats.overruns, (unsigned long long)stats.misses, (unsigned long long)stats.ticks);
    rtw_worker_destroy(worker);
    check(has_finding("cpu-quota"), "a quota that throttles: the doctor names it");
    check(has_finding("cpu-throttled"), "a quota that throttles: and that it has");
    life_t limited = begin_life(NULL, NULL, BUDGET_NS);
    ready(&limited);
    check(whole(&limited, "throttled", true) == 0, "a quota that throttles: guests run, trap and are cut off");
    rtw_thread_detach(limited.guest.runtime, NULL);
    end_life(&limited);
    rtw_func_destroy(work);
    end_life(&life);
}

static void quota(void) {
    bool version_2;
    const char *group = make_group("cpu", &version_2);
    if (group == NULL || !(version_2 ? write_file(group, "cpu.max", "10000 100000") : write_file(group, "cpu.cfs_quota_us", "10000")))
        check(true, "skipped: a quota that throttles: no group with a quota can be made here");
    else
        check_in_child("a quota that throttles", throttled, (void *)group);
    if (group != NULL) remove_group(group);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    cpuset();
    quota();
    offline();
    return check_summary();
}
