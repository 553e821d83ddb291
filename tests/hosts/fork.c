/* fork, daemonising, vfork and exec, with runtimes, budgets, slots, workers and statistics made before or after: what a child makes
 * works whole, its watchdog, housekeeper and workers included; what it inherits is refused; the parent notices nothing. */
#include "../support/child.h"
#include "common.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { BUDGET_NS = 20000000 };

/* A slot over the guest, which goes on with a spare after a fault: the housekeeper has to make the next. */
static rtw_slot_t *make_slot(rtw_runtime_t *runtime, rtw_status_t *status, rtw_error_t *err) {
    static const rtw_wanted_func_t funcs[] = {{"add", "(i32,i32)->(i32)", 0}, {"spin", "()->()", 0}};
    rtw_slot_config_t config;
    rtw_slot_t *slot = NULL;
    rtw_slot_config_init(&config);
    config.funcs = funcs;
    config.func_count = 2;
    config.standby = 1;
    *status = rtw_slot_create(runtime, &config, &slot, err);
    return slot;
}

/* Everything there is, made here: budgets, a slot whose spares are made again, a worker, statistics. */
static void whole_life(const char *who) {
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_error_t err;
    rtw_status_t status;
    ready(&life);
    check(whole(&life, who, true) == 0, "%s: guests run, trap and are cut off", who);
    rtw_slot_t *slot = make_slot(life.guest.runtime, &status, &err);
    require(status, &err, "%s: a slot", who);
    require(rtw_slot_publish(slot, life.guest.instance, NULL, &err), &err, "%s: publish", who);
    int cut = 0, right = 0;
    for (int i = 0; i < 3; i++) {
        rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
        /* The housekeeper's spare is awaited, however long the machine takes. */
        while ((status = rtw_slot_invoke(slot, 0, values, 2, NULL)) == RTW_ERR_EMPTY || status == RTW_ERR_FAULTED) usleep(1000);
        right += status == RTW_OK && values[0].i32 == 42;
        cut += rtw_slot_invoke(slot, 1, NULL, 0, NULL) == RTW_ERR_BUDGET;
    }
    check(right == 3 && cut == 3, "%s: a slot goes on with spares after three endless calls", who);
    rtw_slot_destroy(slot);
    rtw_thread_detach(life.guest.runtime, NULL);

    rtw_instance_t *second;
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    require(rtw_instance_create(life.guest.module, life.imports, &limits, &second, &err), &err, "%s: a second instance", who);
    rtw_worker_config_t config;
    rtw_worker_t *worker;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    require(rtw_worker_create(life.guest.runtime, &config, &worker, &err), &err, "%s: a worker", who);
    require(rtw_worker_start(worker, &err), &err, "%s: start", who);
    rtw_func_t *add = look_up(second, "add", NULL), *spin = look_up(second, "spin", NULL);
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    check(rtw_worker_invoke(worker, add, values, 2) == RTW_OK && values[0].i32 == 42, "%s: a worker calls", who);
    check(rtw_worker_invoke(worker, spin, NULL, 0) == RTW_ERR_BUDGET, "%s: and is freed of an endless call", who);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(add, &stats) == RTW_OK && stats.call.count == 1, "%s: its calls are counted", who);
    rtw_worker_destroy(worker);
    rtw_func_destroy(add);
    rtw_func_destroy(spin);
    rtw_instance_destroy(second);
    end_life(&life);
}

static void child_makes_its_own(void *data) {
    (void)data;
    whole_life("child");
}

/* The objects that a child inherits. */
typedef struct inheritance_t {
    life_t *life;
    rtw_func_t *add, *spin;
    rtw_slot_t *slot;
    rtw_worker_t *worker;
} inheritance_t;

static void child_with_inheritance(void *data) {
    inheritance_t *has = data;
    rtw_error_t err;
    rtw_status_t status;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    check_status(rtw_invoke(has->add, values, 2), RTW_ERR_FORKED, "child: its parent's instance is refused");
    check_status(rtw_invoke(has->spin, NULL, 0), RTW_ERR_FORKED, "child: also one that would not end");
    check_status(rtw_instance_reset(has->life->guest.instance, &err), RTW_ERR_FORKED, "child: and its reset");
    check_status(rtw_slot_invoke(has->slot, 0, values, 2, NULL), RTW_ERR_FORKED, "child: its parent's slot is refused");
    check_status(rtw_worker_submit(has->worker, has->add, NULL, 0, 0), RTW_ERR_FORKED, "child: its parent's worker is refused");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(has->add, &stats) == RTW_OK && stats.call.count == 1, "child: statistics can be read");

    /* New things from the parent's runtime and module: with a budget somebody has to watch, who is not here. */
    rtw_instance_t *fresh = NULL;
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    rtw_instance_create(has->life->guest.module, has->life->imports, &limits, &fresh, &err);
    check_error(&err, RTW_ERR_FORKED, "make a runtime in the child", "child: an instance with a budget, from its parent's runtime");
    make_slot(has->life->guest.runtime, &status, &err);
    check_error(&err, RTW_ERR_FORKED, "make a runtime in the child", "child: a slot on its parent's runtime");
    limits.budget_ns = 0;
    status = rtw_instance_create(has->life->guest.module, has->life->imports, &limits, &fresh, &err);
    check(status == RTW_OK && call_i32(fresh, "add", 3, 4) == 7, "child: one without a budget, from its parent's module, works: %s", err.message);
    rtw_instance_destroy(fresh);

    whole_life("child beside its inheritance");
    /* The child can destroy all that it inherited. */
    rtw_slot_destroy(has->slot);
    rtw_worker_destroy(has->worker);
    rtw_func_destroy(has->add);
    rtw_func_destroy(has->spin);
    rtw_thread_detach(has->life->guest.runtime, NULL);
    end_life(has->life);
    check(true, "child: its inheritance can be ended");
    whole_life("child afterwards");
}

static void inherits(void *data) {
    (void)data;
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_error_t err;
    rtw_status_t status;
    ready(&life);
    inheritance_t has = {&life, look_up(life.guest.instance, "add", NULL), look_up(life.guest.instance, "spin", NULL), NULL, NULL};
    rtw_instance_t *in_slot;
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    require(rtw_instance_create(life.guest.module, life.imports, &limits, &in_slot, &err), &err, "an instance for the slot");
    has.slot = make_slot(life.guest.runtime, &status, &err);
    require(status, &err, "a slot");
    require(rtw_slot_publish(has.slot, in_slot, NULL, &err), &err, "publish");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    require(rtw_slot_invoke(has.slot, 0, values, 2, NULL), NULL, "a block");
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    has.worker = start_worker(life.guest.runtime, &config);
    values[0].i32 = 1;
    check(rtw_invoke(has.add, values, 2) == RTW_OK, "parent: a call before");
    check_in_child("a child with an inheritance", child_with_inheritance, &has);
    values[0].i32 = 40;
    check(rtw_invoke(has.add, values, 2) == RTW_OK && values[0].i32 == 42, "parent: goes on");
    check(whole(&life, "parent afterwards", true) == 0, "parent: traps and budgets go on");
    values[0].i32 = 1;
    check(rtw_slot_invoke(has.slot, 0, values, 2, NULL) == RTW_OK, "parent: its slot goes on");
    check(rtw_worker_invoke(has.worker, has.add, values, 2) == RTW_OK, "parent: its worker goes on");
    rtw_worker_destroy(has.worker);
    rtw_slot_destroy(has.slot);
    rtw_instance_destroy(in_slot);
    rtw_func_destroy(has.add);
    rtw_func_destroy(has.spin);
    end_life(&life);
}

/* Twice forked, with a session of its own and nothing open: as old daemons begin. */
static void daemonised(void *data) {
    (void)data;
    const pid_t first = fork();
    if (first == 0) {
        setsid();
        const pid_t second = fork();
        if (second == 0) {
            umask(0);
            whole_life("daemon");
            fflush(stdout);
            _exit(0);
        }
        int status = 1;
        waitpid(second, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    int status = 1;
    waitpid(first, &status, 0);
    check(status == 0, "a daemon comes to its end");
}

/* A child that takes this long waits for a lock that nobody releases. */
enum { HANG_SECONDS = 60 };

/* Forks while other threads load and end modules, make runtimes and are cut off: no child finds a lock that nobody releases. */
static atomic_bool over;
static void *busy(void *data) {
    (void)data;
    while (!atomic_load(&over)) {
        life_t life = begin_life(NULL, NULL, BUDGET_NS);
        end_life(&life);
    }
    return NULL;
}

static void one_of_many(void *data) {
    (void)data;
    alarm(HANG_SECONDS);
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_error_t err;
    require(rtw_thread_attach(life.guest.runtime, NULL, &err), &err, "attach");
    const rtw_status_t cut = call(life.guest.instance, "spin", NULL, 0);
    if (cut != RTW_ERR_BUDGET) check(false, "a child's budget: %s", rtw_status_name(cut));
    end_life(&life);
}

enum { FORKS = 60 };
static void fork_storm(void *data) {
    (void)data;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, busy, NULL);
    int ended = 0;
    for (int i = 0; i < FORKS; i++) ended += status_of_child(one_of_many, NULL) == 0;
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    check(ended == FORKS, "%d of %d children made in the middle of loads cut off their endless calls", ended, FORKS);
}

/* A host's own handler of forks, registered before the process's first call of the library, uses the library in the child. */
static atomic_bool handles_forks;
static void handle_fork(void) {
    if (!atomic_load(&handles_forks)) return;
    one_of_many(NULL);
    _exit(0);
}

static void forks_with_handler(void *data) {
    (void)data;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, busy, NULL);
    int ended = 0;
    atomic_store(&handles_forks, true);
    for (int i = 0; i < FORKS / 2; i++) ended += status_of_child(one_of_many, NULL) == 0;
    atomic_store(&handles_forks, false);
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    check(ended == FORKS / 2, "%d of %d children whose host uses the library in its handler of forks work", ended, FORKS / 2);
}

/* Forks while another thread's first call of the library fills its memory for bad times: each time in a process that has not used the
 * library, and some microseconds later. */
static void forked_at_first_use(void *data) {
    struct timespec now, begun;
    pthread_t thread;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pthread_create(&thread, NULL, busy, NULL);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begun.tv_sec) * 1000000000L + now.tv_nsec - begun.tv_nsec < *(const long *)data);
    const int status = status_of_child(one_of_many, NULL);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    if (status == 0) return;
    check(false, "a child made %ld us after its parent's first call", *(const long *)data / 1000);
    _exit(1);
}

enum { MOMENTS = 50, MOMENT_NS = 20000 };
static void fork_at_first_use(void) {
    int ended = 0;
    for (int i = 0; i < MOMENTS; i++) {
        long after_ns = i * (long)MOMENT_NS;
        ended += status_of_child(forked_at_first_use, &after_ns) == 0;
    }
    check(ended == MOMENTS, "%d of %d children made in the middle of the first call of a process work", ended, MOMENTS);
}

/* Programs that are started get nothing of ours: no file, no blocked signal. And the guests of other threads go on meanwhile. */
static void *call_on(void *data) {
    life_t *life = data;
    rtw_error_t err;
    require(rtw_thread_attach(life->guest.runtime, NULL, &err), &err, "attach");
    while (!atomic_load(&over))
        if (call_i32(life->guest.instance, "add", 40, 2) != 42) check(false, "a call beside vfork");
    rtw_thread_detach(life->guest.runtime, NULL);
    return NULL;
}

/* The number of a program's files, and its blocked signals. */
static char *const arguments[] = {"sh", "-c", "exit $(($(ls /proc/self/fd | wc -l) + 0$(sed -n 's/^SigBlk:\t0*//p' /proc/self/status | head -c 1) * 100))", NULL};

static int spawned(void) {
    pid_t child;
    int status = -1;
    if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0) waitpid(child, &status, 0);
    return status;
}

static int vforked(void) {
    int status = -1;
    const pid_t child = vfork();
    if (child == 0) {
        execv("/bin/sh", arguments);
        _exit(127);
    }
    waitpid(child, &status, 0);
    return status;
}

static void starts_programs(void *data) {
    (void)data;
    atomic_store(&over, false);
    const int before = spawned();
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    config.dma_latency_us = 0;
    rtw_worker_t *worker = start_worker(life.guest.runtime, &config);
    pthread_t thread;
    pthread_create(&thread, NULL, call_on, &life);
    int worked = 0;
    for (int i = 0; i < 10; i++) worked += (i % 2 == 0 ? spawned() : vforked()) == before;
    const int file = dup(0);
    check(spawned() != before, "twin: a file that programs get is seen");
    close(file);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    check(worked == 10, "vfork, posix_spawn and exec: programs get no file and no blocked signal of ours");
    rtw_worker_destroy(worker);
    end_life(&life);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    pthread_atfork(NULL, NULL, handle_fork);
    fork_at_first_use(); /* first: this process has not used the library */
    check_in_child("a child makes its own", child_makes_its_own, NULL);
    check_in_child("a child inherits", inherits, NULL);
    check_in_child("a daemon", daemonised, NULL);
    check_in_child("many forks", fork_storm, NULL);
    check_in_child("forks with a handler", forks_with_handler, NULL);
    check_in_child("programs are started", starts_programs, NULL);
    return check_summary();
}
