#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S 1000000000u
#define REHEARSAL_PERIODS 20

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Absolute, so that the time spent in a step never adds up to drift. */
static void sleep_until(uint64_t time_ns)
{
    const struct timespec until = {(time_t)(time_ns / NS_PER_S), (long)(time_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static uint64_t page_faults_so_far(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* ---- attaching ---- */

static rtw_status_t attach(loop_t *loop, uint32_t sched_policy, int priority, rtw_error_t *err)
{
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.sched_policy = sched_policy;
    config.priority = priority;
    config.cpu = loop->cpu;
    return rtw_thread_attach(loop->runtime, &config, err);
}

/* --fast never sleeps, and a SCHED_FIFO thread that never sleeps is throttled by the kernel: it keeps the normal class. */
static rtw_status_t attach_as_permitted(loop_t *loop)
{
    if (loop->fast || loop->priority == 0) return attach(loop, RTW_SCHED_KEEP, 0, &loop->setup_error);
    rtw_status_t status = attach(loop, RTW_SCHED_FIFO, loop->priority, &loop->fifo_error);
    loop->fifo_refused = status == RTW_ERR_PERMISSION;
    if (loop->fifo_refused) return attach(loop, RTW_SCHED_KEEP, 0, &loop->setup_error);
    loop->setup_error = loop->fifo_error;
    return status;
}

/* ---- [rt] one period ---- */

static void record_error(control_error_t *error, double value, bool settled)
{
    error->sum_of_squares += value * value;
    error->final = value;
    if (!settled) return;
    error->settled_steps++;
    error->max_settled = fmax(error->max_settled, fabs(value));
}

/* The guest's control, or the safe one from the guest's first fault on. */
static double decide(loop_t *loop, size_t period, double reference, const double *measurements)
{
    if (loop->counts.faults == 0) {
        double control = SAFE_CONTROL;
        rtw_status_t status = controller_step(loop->controller, reference, measurements, loop->plant_model->sensor_count, &control);
        if (status == RTW_OK && isfinite(control)) return control;
        loop->counts.faults = 1;
        loop->counts.fault_step = period;
        loop->counts.fault_status = status;
    }
    loop->counts.safe_steps++;
    return SAFE_CONTROL;
}

static void trace(loop_t *loop, size_t period, const trace_t *entry)
{
    if (loop->trace) loop->trace[period] = *entry;
}

/* Sensors to actuator. Returns what the actuator holds until the next period. */
static double control_step(loop_t *loop, const plant_t *plant, size_t period, const plant_task_t *task, uint64_t wake_up_ns)
{
    trace_t entry = {.ran = true, .reference = task->reference, .output = plant_output(plant), .wake_up_ns = wake_up_ns};
    for (size_t i = 0; i < plant->model->sensor_count; i++) entry.measurement[i] = plant_sense(plant, i);
    entry.control = decide(loop, period, task->reference, entry.measurement);
    record_error(&loop->error, task->reference - entry.output, task->since_event_s >= plant->model->settle_s);
    trace(loop, period, &entry);
    loop->counts.executed++;
    return entry.control;
}

/* Sleeps until `period` is due and returns how late it became, in ns. Whole periods that went by meanwhile are passed over,
 * as a machine does not wait, but each with the latency that its own step would have had: leaving those samples out
 * (coordinated omission) would make a stall look like one late call. */
static uint64_t wait_for_period(loop_t *loop, uint64_t start_ns, size_t *period, size_t periods)
{
    uint64_t due_ns = start_ns + *period * loop->period_ns;
    sleep_until(due_ns);
    uint64_t late_ns = now_ns() - due_ns;
    samples_add(&loop->wake_up, late_ns);
    while (late_ns >= loop->period_ns && *period + 1 < periods) {
        late_ns -= loop->period_ns;
        samples_add(&loop->wake_up, late_ns);
        (*period)++;
        loop->counts.skipped++;
        loop->counts.misses++;
    }
    return late_ns;
}

/* ---- [rt] the run ---- */

static void run(loop_t *loop, size_t periods)
{
    const double period_s = (double)loop->period_ns * 1e-9;
    plant_t plant;
    plant_reset(&plant, loop->plant_model);
    double control = SAFE_CONTROL;
    size_t simulated = 0; /* where the plant is */
    uint64_t start_ns = now_ns() + loop->period_ns;
    for (size_t period = 0; period < periods; period++) {
        uint64_t late_ns = loop->fast ? 0 : wait_for_period(loop, start_ns, &period, periods);
        for (; simulated < period; simulated++) {
            plant_advance(&plant, control, plant_task_at(plant.model, (double)simulated * period_s).disturbance, period_s);
        }
        plant_task_t task = plant_task_at(plant.model, (double)period * period_s);
        control = control_step(loop, &plant, period, &task, late_ns);
        if (!loop->fast && now_ns() > start_ns + (period + 1) * loop->period_ns) loop->counts.misses++;
    }
}

/* ---- the thread ---- */

static void forget(loop_t *loop)
{
    memset(&loop->counts, 0, sizeof loop->counts);
    memset(&loop->error, 0, sizeof loop->error);
    if (loop->trace) memset(loop->trace, 0, loop->periods * sizeof *loop->trace);
    loop->wake_up.count = 0;
}

/* The loop's own code, stack and system calls have their first time too. A few periods for practice take the page faults
 * that would otherwise fall into the run; then all is forgotten. */
static rtw_status_t rehearse(loop_t *loop)
{
    run(loop, loop->periods < REHEARSAL_PERIODS ? loop->periods : REHEARSAL_PERIODS);
    if (loop->counts.faults > 0) {
        loop->setup_error.os_error = 0;
        snprintf(loop->setup_error.message, sizeof loop->setup_error.message, "the guest's step failed in rehearsal: %s",
                 loop->counts.fault_status == RTW_OK ? "not a number" : rtw_status_string(loop->counts.fault_status));
        return loop->counts.fault_status == RTW_OK ? RTW_ERR_ARGUMENT : loop->counts.fault_status;
    }
    forget(loop);
    return controller_restart(loop->controller, &loop->setup_error);
}

static rtw_status_t prepare(loop_t *loop)
{
    double period_s = (double)loop->period_ns * 1e-9;
    rtw_prepare_report_init(&loop->prepared);
    rtw_status_t status = controller_prepare(loop->controller, loop->tuning, period_s, &loop->prepared, &loop->setup_error);
    if (status == RTW_OK) status = controller_restart(loop->controller, &loop->setup_error);
    return status == RTW_OK ? rehearse(loop) : status;
}

static void set_up(loop_t *loop)
{
    loop->setup_status = attach_as_permitted(loop);
    if (loop->setup_status != RTW_OK) return;
    loop->setup_status = prepare(loop);
    if (loop->setup_status != RTW_OK) (void)rtw_thread_detach(loop->runtime, NULL);
}

static void *thread_main(void *argument)
{
    loop_t *loop = argument;
    set_up(loop);
    bool is_set_up = loop->setup_status == RTW_OK; /* the caller owns the fields above once it has been told */
    sem_post(&loop->ready);
    if (!is_set_up) return NULL;
    uint64_t page_faults_before = page_faults_so_far();
    run(loop, loop->periods);
    loop->counts.page_faults = page_faults_so_far() - page_faults_before;
    (void)rtw_thread_detach(loop->runtime, NULL);
    return NULL;
}

int loop_start(loop_t *loop)
{
    if (sem_init(&loop->ready, 0, 0) != 0) return errno;
    int error = pthread_create(&loop->thread, NULL, thread_main, loop);
    if (error != 0) {
        sem_destroy(&loop->ready);
        return error;
    }
    while (sem_wait(&loop->ready) != 0) { /* interrupted by a signal */
    }
    return 0;
}

void loop_join(loop_t *loop)
{
    pthread_join(loop->thread, NULL);
    sem_destroy(&loop->ready);
}
