/* Scheduling and CPUs as a host has them: threads that somebody else has promoted, priorities that leave none for the watchdog,
 * CPUs that are not there, limits on processes, files, stacks, address space and the time of real-time threads. */
#include "../support/child.h"
#include "common.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUDGET_NS = 20000000 };

static bool promote(int policy, int priority) {
    struct sched_param parameter = {.sched_priority = priority};
    return sched_setscheduler(0, policy, &parameter) == 0;
}

static bool pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static rtw_status_t attach_with(rtw_runtime_t *runtime, uint32_t policy, int32_t priority, rtw_error_t *err) {
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.sched_policy = policy;
    config.priority = priority;
    return rtw_thread_attach(runtime, &config, err);
}

/* ---- promoted by somebody else, as rtkit does it */

static void flag_is_kept(void *data) {
    (void)data;
    if (!promote(SCHED_FIFO | SCHED_RESET_ON_FORK, 10)) {
        check(false, "SCHED_FIFO: %s", strerror(errno));
        return;
    }
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_error_t err;
    require(attach_with(life.guest.runtime, RTW_SCHED_FIFO, 20, &err), &err, "attach");
    check(sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK), "reset-on-fork is kept while attached");
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    check(whole(&life, "promoted", true) == 0, "and guests run, trap and are cut off");
    require(rtw_thread_detach(life.guest.runtime, &err), &err, "detach");
    struct sched_param parameter;
    sched_getparam(0, &parameter);
    check(sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK) && parameter.sched_priority == 10, "and after detach, with the priority");
    end_life(&life);
}

static void promoted_without_rights(void *data) {
    (void)data;
    if (!promote(SCHED_FIFO | SCHED_RESET_ON_FORK, 10)) check(false, "SCHED_FIFO");
    drop_rights(1 << 20);
    life_t life = begin_life(NULL, NULL, 0);
    rtw_error_t err;
    attach_with(life.guest.runtime, RTW_SCHED_FIFO, 20, &err);
    check_error(&err, RTW_ERR_PERMISSION, "SCHED_RESET_ON_FORK", "without rights: more than the helper gave is refused, with the cause");
    check(strstr(err.message, "RTW_SCHED_KEEP") != NULL && err.os_error == EPERM, "and with the remedy");
    check(attach_with(life.guest.runtime, RTW_SCHED_FIFO, 10, &err) == RTW_OK, "what the helper gave is granted: %s", err.message);
    check(sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK), "with the flag");
    rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);
}

/* ---- a watchdog that would get no CPU */

static void no_priority_above(void *data) {
    (void)data;
    if (!pin(0)) check(false, "one CPU");
    rtw_error_t err;
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    attach_with(life.guest.runtime, RTW_SCHED_FIFO, 99, &err);
    check_error(&err, RTW_ERR_PERMISSION, "the watchdog has CPU 0 alone", "FIFO 99 on one CPU, with a budget: attach is refused");
    check(sched_getscheduler(0) == SCHED_OTHER, "and nothing was changed");
    require(attach_with(life.guest.runtime, RTW_SCHED_FIFO, 98, &err), &err, "FIFO 98");
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    check(whole(&life, "FIFO 98 on one CPU", true) == 0, "FIFO 98 on one CPU: an endless call is cut off");
    rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);

    life = begin_life(NULL, NULL, 0);
    require(attach_with(life.guest.runtime, RTW_SCHED_FIFO, 99, &err), &err, "FIFO 99 without a budget");
    rtw_instance_config_t limits;
    rtw_instance_t *instance;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    rtw_instance_create(life.guest.module, life.imports, &limits, &instance, &err);
    check_error(&err, RTW_ERR_PERMISSION, "the watchdog has CPU 0 alone", "and then an instance with a budget is refused");
    limits.on_budget = RTW_BUDGET_COUNT;
    check(rtw_instance_create(life.guest.module, life.imports, &limits, &instance, &err) == RTW_OK, "one whose overruns are counted is not");
    rtw_instance_destroy(instance);
    require(rtw_thread_detach(life.guest.runtime, &err), &err, "detach");
    limits.on_budget = RTW_BUDGET_CUT_OFF;
    check(rtw_instance_create(life.guest.module, life.imports, &limits, &instance, &err) == RTW_OK, "when the thread is an ordinary one again it is made: %s", err.message);
    rtw_instance_destroy(instance);
    end_life(&life);
}

static void *spin_at_99(void *data) {
    life_t *life = data;
    rtw_error_t err;
    pin(0);
    require(attach_with(life->guest.runtime, RTW_SCHED_FIFO, 99, &err), &err, "FIFO 99 on CPU 0, in a process that has more");
    require(rtw_instance_prepare(life->guest.instance, NULL, NULL, &err), &err, "prepare");
    check(whole(life, "FIFO 99", true) == 0, "an endless call at FIFO 99 is cut off by a watchdog on another CPU");
    rtw_thread_detach(life->guest.runtime, NULL);
    return NULL;
}

static void another_cpu(void *data) {
    (void)data;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        check(true, "there is one CPU only");
        return;
    }
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    pthread_t thread;
    pthread_create(&thread, NULL, spin_at_99, &life);
    pthread_join(thread, NULL);
    end_life(&life);
}

static void watchdog_without_rights(void *data) {
    (void)data;
    if (!pin(0) || !promote(SCHED_FIFO | SCHED_RESET_ON_FORK, 10)) check(false, "SCHED_FIFO on one CPU");
    drop_rights(1 << 20);
    rtw_error_t err;
    life_t life;
    if (try_life(&life, NULL, NULL, BUDGET_NS, &err) == RTW_OK) rtw_thread_attach(life.guest.runtime, NULL, &err);
    check_error(&err, RTW_ERR_PERMISSION, "the watchdog has CPU 0 alone", "promoted without rights, on one CPU: a budget is refused");
    end_life(&life);
}

static rtw_status_t no_step(void *user_data, const rtw_tick_t *tick) {
    (void)user_data, (void)tick;
    return RTW_OK;
}

static void worker_at_99(void *data) {
    (void)data;
    if (!pin(0)) check(false, "one CPU");
    rtw_error_t err;
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_worker_config_t config;
    rtw_worker_t *worker = NULL;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_PERIODIC;
    config.period_ns = 1000000;
    config.step = no_step;
    config.sched_policy = RTW_SCHED_FIFO;
    config.priority = 99;
    rtw_worker_create(life.guest.runtime, &config, &worker, &err);
    check_error(&err, RTW_ERR_PERMISSION, "the watchdog has CPU 0 alone", "a worker at FIFO 99 on one CPU, with a budget, is refused");
    end_life(&life);
    life = begin_life(NULL, NULL, BUDGET_NS);
    config.priority = 50;
    check(rtw_worker_create(life.guest.runtime, &config, &worker, &err) == RTW_OK, "one at FIFO 50 is not: %s", err.message);
    rtw_watchdog_stats_t stats;
    rtw_watchdog_stats_init(&stats);
    rtw_runtime_watchdog(life.guest.runtime, &stats);
    check(stats.sched_policy == RTW_SCHED_FIFO && stats.priority == 51, "and the watchdog is put above it: %d", stats.priority);
    rtw_worker_destroy(worker);
    end_life(&life);
}

/* ---- CPUs that are not there */

static void absent_cpus(void *data) {
    (void)data;
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_error_t err;
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.cpu_set[0] = 1;
    config.cpu_set[11] = 1; /* CPU 704 */
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime");
    rtw_thread_attach(runtime, NULL, &err);
    check_error(&err, RTW_ERR_PERMISSION, "CPU 704 is not there", "a CPU set that names one which is not there: attach is refused");
    sched_getaffinity(0, sizeof after, &after);
    check(CPU_EQUAL(&before, &after), "and the affinity is as it was");
    rtw_runtime_destroy(runtime);
    runtime = make_runtime();
    rtw_thread_config_t one;
    rtw_thread_config_init(&one);
    one.cpu = 704;
    rtw_thread_attach(runtime, &one, &err);
    check_error(&err, RTW_ERR_PERMISSION, "CPU 704", "one CPU that is not there: attach is refused");
    rtw_worker_config_t worker_config;
    rtw_worker_t *worker = NULL;
    rtw_worker_config_init(&worker_config);
    worker_config.kind = RTW_WORKER_QUEUE;
    worker_config.cpu = 704;
    require(rtw_worker_create(runtime, &worker_config, &worker, &err), &err, "a worker that is not strict");
    rtw_error_t warning;
    const rtw_status_t told = rtw_worker_warning(worker, 0, &warning);
    check(told == RTW_OK && strstr(warning.message, "CPU 704") != NULL, "a worker tells it as a warning");
    rtw_worker_destroy(worker);
    rtw_runtime_destroy(runtime);
}

/* ---- limits */

static bool limit(int resource, rlim_t value) {
    struct rlimit both;
    getrlimit((__rlimit_resource_t)resource, &both);
    both.rlim_cur = value;
    return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

static void address_space(void *data) {
    (void)data;
    rtw_error_t err;
    life_t life = begin_life(NULL, NULL, 0);
    ready(&life);
    /* Room for what is small, and for no memory. */
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%lu", &pages) != 1) check(false, "/proc/self/statm");
    if (statm != NULL) fclose(statm);
    limit(RLIMIT_AS, pages * (unsigned long)sysconf(_SC_PAGESIZE) + (1ul << 30));
    rtw_instance_t *instance = NULL;
    rtw_instance_create(life.guest.module, life.imports, NULL, &instance, &err);
    check_error(&err, RTW_ERR_NO_MEMORY, "address space", "RLIMIT_AS: an instance that does not fit is refused");
    check(call_i32(life.guest.instance, "add", 40, 2) == 42, "and what is there goes on computing");
    limit(RLIMIT_AS, RLIM_INFINITY);
    check(rtw_instance_create(life.guest.module, life.imports, NULL, &instance, &err) == RTW_OK, "and is made once there is room again");
    rtw_instance_destroy(instance);
    end_life(&life);
}

static void processes(void *data) {
    (void)data;
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = load(runtime, "states");
    drop_rights(1 << 20);
    if (!limit(RLIMIT_NPROC, 0)) check(false, "RLIMIT_NPROC");
    rtw_imports_t *imports;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    rtw_worker_config_t config;
    rtw_worker_t *worker = NULL;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    rtw_worker_create(runtime, &config, &worker, &err);
    check_error(&err, RTW_ERR_NO_MEMORY, "thread", "RLIMIT_NPROC: a worker is refused");
    check(err.os_error == EAGAIN && worker == NULL, "with its errno");
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    life_t life;
    try_life(&life, NULL, NULL, BUDGET_NS, &err);
    check_error(&err, RTW_ERR_NO_MEMORY, "watchdog", "and so is a budget, which nobody would watch");
    end_life(&life);
    rtw_runtime_destroy(runtime);
}

static void files(void *data) {
    (void)data;
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    limit(RLIMIT_NOFILE, 3);
    rtw_module_t *module = NULL;
    rtw_module_load_file(runtime, artifact_path("states"), &module, &err);
    check_error(&err, RTW_ERR_IO, "states", "RLIMIT_NOFILE: a load is refused");
    check(err.os_error == EMFILE, "with its errno");
    limit(RLIMIT_NOFILE, 64);
    life_t life;
    check(try_life(&life, NULL, NULL, BUDGET_NS, &err) == RTW_OK, "and goes once there are files again");
    limit(RLIMIT_NOFILE, 3);
    ready(&life);
    check(whole(&life, "without files", true) == 0, "attach, calls, traps and budgets take no file");
    end_life(&life);
    rtw_runtime_destroy(runtime);
}

static void stack(void *data) {
    limit(RLIMIT_STACK, *(rlim_t *)data);
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    ready(&life);
    check(whole(&life, "stack limit", true) == 0, "RLIMIT_STACK %ld KiB: guests recurse to their end and no further", (long)(*(rlim_t *)data / 1024));
    end_life(&life);
}

static void time_of_real_time_threads(void *data) {
    const bool with_budget = data == NULL;
    if (!limit(RLIMIT_RTTIME, 400000)) check(false, "RLIMIT_RTTIME");
    life_t life = begin_life(NULL, NULL, with_budget ? BUDGET_NS : 0);
    rtw_error_t err;
    require(attach_with(life.guest.runtime, RTW_SCHED_FIFO, 10, &err), &err, "FIFO 10");
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    rtw_func_t *spin = look_up(life.guest.instance, "spin", NULL);
    int cut = 0;
    for (int i = 0; i < 3; i++) {
        cut += rtw_invoke(spin, NULL, 0) == RTW_ERR_BUDGET;
        rtw_instance_reset(life.guest.instance, NULL);
        usleep(1000);
    }
    check(cut == 3, "RLIMIT_RTTIME: endless calls with a budget end before it");
    rtw_func_destroy(spin);
    end_life(&life);
}

/* A worker's thread is a real-time thread like others: its guests' budgets end before the limit, and if they do not, the library
 * reports it. */
static void time_of_workers(void *data) {
    const bool with_budget = data == NULL;
    if (!limit(RLIMIT_RTTIME, 400000)) check(false, "RLIMIT_RTTIME");
    life_t life = begin_life(NULL, NULL, with_budget ? BUDGET_NS : 0);
    rtw_error_t err;
    rtw_func_t *spin = look_up(life.guest.instance, "spin", NULL);
    rtw_worker_config_t config;
    rtw_worker_t *worker;
    rtw_worker_config_init(&config);
    config.sched_policy = RTW_SCHED_FIFO;
    config.priority = 10;
    config.func = spin;
    config.period_ns = 10000000;
    require(rtw_worker_create(life.guest.runtime, &config, &worker, &err), &err, "a worker at FIFO 10");
    for (int i = 0; i < 3; i++) {
        rtw_status_t status = rtw_worker_start(worker, &err); /* without a budget this is the end */
        if (status == RTW_OK) (void)rtw_worker_join(worker, RTW_FOREVER);
        rtw_worker_info_t info;
        rtw_worker_info_init(&info);
        check_status(rtw_worker_info(worker, &info), RTW_OK, "its state");
        check_status(info.ended_by, RTW_ERR_BUDGET, "RLIMIT_RTTIME: a worker's endless step with a budget ends before it");
        check(info.warning_count == 0, "and there is nothing to be told, %u", info.warning_count);
        require(rtw_instance_reset(life.guest.instance, &err), &err, "a reset");
    }
    rtw_worker_destroy(worker);
    rtw_func_destroy(spin);
    end_life(&life);
}

static void told_to_worker(void *data) {
    const uint64_t budget_ns = *(uint64_t *)data;
    if (!limit(RLIMIT_RTTIME, 400000)) check(false, "RLIMIT_RTTIME");
    life_t life = begin_life(NULL, NULL, budget_ns);
    rtw_error_t err;
    rtw_func_t *work = look_up(life.guest.instance, "work", NULL);
    const rtw_value_t steps = {.i32 = 10};
    rtw_worker_config_t config;
    rtw_worker_t *worker;
    rtw_worker_config_init(&config);
    config.sched_policy = RTW_SCHED_FIFO;
    config.priority = 10;
    config.func = work;
    config.values = &steps;
    config.value_count = 1;
    config.period_limit = 3;
    config.strict = 1;
    config.period_ns = 10000000;
    require(rtw_worker_create(life.guest.runtime, &config, &worker, &err), &err, "a worker at FIFO 10");
    require(rtw_worker_start(worker, &err), &err, "which runs");
    (void)rtw_worker_join(worker, RTW_FOREVER);
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    (void)rtw_worker_info(worker, &info);
    check(info.warning_count == 1, "RLIMIT_RTTIME: a worker whose guest has a budget of %llu ms is told, %u", (unsigned long long)budget_ns / 1000000,
          info.warning_count);
    if (info.warning_count == 1) {
        (void)rtw_worker_warning(worker, 0, &err);
        check_error(&err, RTW_ERR_LIMIT, "RLIMIT_RTTIME ends the process (SIGXCPU) when a step of this worker computes for 400 ms",
                    "RLIMIT_RTTIME: what is told to a worker");
    }
    rtw_worker_destroy(worker);
    rtw_func_destroy(work);
    end_life(&life);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check_in_child("promoted by somebody else", flag_is_kept, NULL);
    check_in_child("promoted without rights", promoted_without_rights, NULL);
    check_in_child("no priority above", no_priority_above, NULL);
    check_in_child("another CPU", another_cpu, NULL);
    check_in_child("a watchdog without rights", watchdog_without_rights, NULL);
    check_in_child("a worker at 99", worker_at_99, NULL);
    check_in_child("CPUs that are not there", absent_cpus, NULL);
    check_in_child("address space", address_space, NULL);
    check_in_child("processes", processes, NULL);
    check_in_child("files", files, NULL);
    rlim_t stacks[] = {1 << 20, 64 << 20, RLIM_INFINITY};
    for (size_t i = 0; i < 3; i++) check_in_child("a stack", stack, &stacks[i]);
    check_in_child("time of real-time threads", time_of_real_time_threads, NULL);
    int without = 0;
    const int status = status_of_child(time_of_real_time_threads, &without);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU, "twin: without a budget RLIMIT_RTTIME ends the process");
    check_in_child("time of workers", time_of_workers, NULL);
    const int of_worker = status_of_child(time_of_workers, &without);
    check(WIFSIGNALED(of_worker) && WTERMSIG(of_worker) == SIGXCPU, "twin: a worker's step without a budget, too");
    uint64_t budgets[] = {0, 500000000};
    for (size_t i = 0; i < 2; i++) check_in_child("what a worker is told", told_to_worker, &budgets[i]);
    return check_summary();
}
