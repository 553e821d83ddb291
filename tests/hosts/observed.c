/* A process that is looked at: by profilers that interrupt it (`storm`), or by debuggers while it waits (`wait`).
 *
 *   observed standalone|plugin ARTIFACTS, with OBSERVED in the environment: storm, wait, or planted (as wait, with address space
 *   of its own that dumps are to hold) */
#include "common.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BUDGET_NS = 20000000, INSTANCES = 10, SIGNALS = 3000 };

static atomic_int seen;
static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&seen, 1);
}

static void storm(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(SIGPROF, &action, NULL);
    const struct itimerval profile_every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_PROF, &profile_every, NULL);
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGPROF;
    const struct itimerspec every = {{0, 50000}, {0, 50000}};
    check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &every, NULL) == 0, "a profiler interrupts every 50 us");
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    ready(&life);
    int rounds = 0, wrong = 0;
    while (atomic_load(&seen) < SIGNALS) wrong += whole(&life, "in a storm", true), rounds++;
    check(wrong == 0, "guests run, trap and are cut off through %d of its signals (%d rounds)", atomic_load(&seen), rounds);
    rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);
    timer_delete(timer);
}

static void waits(bool planted) {
    life_t life = begin_life(NULL, NULL, BUDGET_NS);
    rtw_instance_t *instances[INSTANCES];
    rtw_error_t err;
    ready(&life);
    for (int i = 0; i < INSTANCES; i++) require(rtw_instance_create(life.guest.module, life.imports, NULL, &instances[i], &err), &err, "an instance");
    /* The text appears in the guest's memory only, not in the program's own data. */
    char *text = rtw_instance_memory_at(instances[INSTANCES - 1], 100, 32);
    for (int i = 0; i < 16; i++) text[i] = (char)("f`m.hm.sgd.ftdrs"[i] + 1);
    if (planted && mmap(NULL, 1ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) abort();
    printf("waiting\n");
    fflush(stdout);
    char line[16];
    check(fgets(line, sizeof line, stdin) != NULL, "it was told to go on");
    check(whole(&life, "observed", true) == 0, "and goes on");
    for (int i = 0; i < INSTANCES; i++) rtw_instance_destroy(instances[i]);
    end_life(&life);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const char *how = getenv("OBSERVED");
    if (how != NULL && strcmp(how, "storm") == 0)
        storm();
    else
        waits(how != NULL && strcmp(how, "planted") == 0);
    return check_summary();
}
