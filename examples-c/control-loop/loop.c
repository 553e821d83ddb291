#include "loop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define REHEARSAL_PERIODS 20

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
static double control_step(loop_t *loop, size_t period, const plant_task_t *task, uint64_t wake_up_ns)
{
    const plant_t *plant = &loop->plant;
    trace_t entry = {.ran = true, .reference = task->reference, .output = plant_output(plant), .wake_up_ns = wake_up_ns};
    for (size_t i = 0; i < plant->model->sensor_count; i++) entry.measurement[i] = plant_sense(plant, i);
    entry.control = decide(loop, period, task->reference, entry.measurement);
    record_error(&loop->error, task->reference - entry.output, task->since_event_s >= plant->model->settle_s);
    trace(loop, period, &entry);
    loop->counts.executed++;
    return entry.control;
}

/* The plant moves on to the period, with the actuator held; then comes the period's step. */
static void run_period(loop_t *loop, size_t period, uint64_t wake_up_ns)
{
    const double period_s = (double)loop->period_ns * 1e-9;
    for (; loop->simulated < period; loop->simulated++) {
        plant_task_t task = plant_task_at(loop->plant_model, (double)loop->simulated * period_s);
        plant_advance(&loop->plant, loop->control, task.disturbance, period_s);
    }
    plant_task_t task = plant_task_at(loop->plant_model, (double)period * period_s);
    loop->control = control_step(loop, period, &task, wake_up_ns);
}

/* The worker's step. */
static rtw_status_t on_tick(void *user_data, const rtw_tick_t *tick)
{
    run_period(user_data, tick->index, tick->actual_ns - tick->intended_ns);
    return RTW_OK;
}

/* Without a clock. */
static void run_at_once(loop_t *loop, size_t periods)
{
    for (size_t period = 0; period < periods; period++) run_period(loop, period, 0);
}

/* ---- before the run ---- */

static void begin(loop_t *loop)
{
    memset(&loop->counts, 0, sizeof loop->counts);
    memset(&loop->error, 0, sizeof loop->error);
    if (loop->trace) memset(loop->trace, 0, loop->periods * sizeof *loop->trace);
    plant_reset(&loop->plant, loop->plant_model);
    loop->control = SAFE_CONTROL;
    loop->simulated = 0;
}

/* The step's own code has its first time too: a few periods for practice, of which all is forgotten. */
static rtw_status_t rehearse(loop_t *loop)
{
    begin(loop);
    run_at_once(loop, loop->periods < REHEARSAL_PERIODS ? loop->periods : REHEARSAL_PERIODS);
    if (loop->counts.faults > 0) {
        loop->setup_error.os_error = 0;
        snprintf(loop->setup_error.message, sizeof loop->setup_error.message, "the guest's step failed in rehearsal: %s",
                 loop->counts.fault_status == RTW_OK ? "not a number" : rtw_status_string(loop->counts.fault_status));
        return loop->counts.fault_status == RTW_OK ? RTW_ERR_ARGUMENT : loop->counts.fault_status;
    }
    begin(loop);
    return controller_restart(loop->controller, &loop->setup_error);
}

/* On the attached thread that will run the loop. */
static rtw_status_t set_up(void *user_data)
{
    loop_t *loop = user_data;
    double period_s = (double)loop->period_ns * 1e-9;
    rtw_prepare_report_init(&loop->prepared);
    rtw_status_t status = controller_prepare(loop->controller, loop->tuning, period_s, &loop->prepared, &loop->setup_error);
    if (status == RTW_OK) status = controller_restart(loop->controller, &loop->setup_error);
    if (status == RTW_OK) status = rehearse(loop);
    loop->setup_status = status;
    return status;
}

/* ---- the worker ---- */

static rtw_status_t create_worker(loop_t *loop, uint32_t sched_policy, int priority, rtw_error_t *err)
{
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.name = "control-loop";
    config.sched_policy = sched_policy;
    config.priority = priority;
    config.cpu = loop->cpu;
    config.strict = 1;
    config.memory_lock = 0; /* as the runtime says: where permitted */
    config.setup = set_up;
    config.step = on_tick;
    config.user_data = loop;
    config.period_ns = loop->period_ns;
    config.period_limit = loop->periods;
    return rtw_worker_create(loop->runtime, &config, &loop->worker, err);
}

static rtw_status_t create_worker_as_permitted(loop_t *loop, rtw_error_t *err)
{
    if (loop->priority == 0) return create_worker(loop, RTW_SCHED_KEEP, 0, err);
    rtw_status_t status = create_worker(loop, RTW_SCHED_FIFO, loop->priority, err);
    loop->fifo_refused = status == RTW_ERR_PERMISSION;
    if (!loop->fifo_refused) return status;
    loop->fifo_error = *err;
    return create_worker(loop, RTW_SCHED_KEEP, 0, err);
}

static rtw_status_t run_worker(loop_t *loop, void (*started)(const loop_t *loop, void *data), void *data, rtw_error_t *err)
{
    rtw_status_t status = create_worker_as_permitted(loop, err);
    if (status == RTW_OK) status = rtw_worker_start(loop->worker, err);
    if (loop->setup_status != RTW_OK) *err = loop->setup_error;
    if (status != RTW_OK) return status;
    started(loop, data);
    status = rtw_worker_join(loop->worker, RTW_FOREVER);
    return status == RTW_OK ? rtw_worker_stats(loop->worker, &loop->stats) : status;
}

/* On the calling thread, with normal scheduling: it never sleeps, and the kernel throttles a SCHED_FIFO thread that does not. */
static rtw_status_t run_fast(loop_t *loop, void (*started)(const loop_t *loop, void *data), void *data, rtw_error_t *err)
{
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.cpu = loop->cpu;
    rtw_status_t status = rtw_thread_attach(loop->runtime, &config, err);
    if (status != RTW_OK) return status;
    status = set_up(loop);
    if (status == RTW_OK) {
        started(loop, data);
        run_at_once(loop, loop->periods);
    } else {
        *err = loop->setup_error;
    }
    (void)rtw_thread_detach(loop->runtime, NULL);
    return status;
}

rtw_status_t loop_run(loop_t *loop, void (*started)(const loop_t *loop, void *data), void *data, rtw_error_t *err)
{
    rtw_worker_stats_init(&loop->stats);
    return loop->fast ? run_fast(loop, started, data, err) : run_worker(loop, started, data, err);
}

void loop_close(loop_t *loop)
{
    rtw_worker_destroy(loop->worker);
    loop->worker = NULL;
}
