/* The control loop: a worker, which is a pinned SCHED_FIFO thread that wakes up at absolute times; at each it reads the sensors,
 * calls the guest and drives the actuator. While it runs it allocates nothing and prints nothing; all it found is in loop_t
 * afterwards. */
#ifndef CONTROL_LOOP_LOOP_H
#define CONTROL_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "controller.h"
#include "plant.h"

#define SAFE_CONTROL 0.0 /* what the actuator gets when the controller cannot be trusted: no voltage, no force */

typedef struct {
    bool ran;
    double reference, output, control;
    double measurement[PLANT_MAX_SENSORS];
    uint64_t wake_up_ns;
} trace_t;

typedef struct {
    uint64_t executed;  /* steps */
    uint64_t faults;    /* 1 once the guest failed; it is not called again */
    uint64_t safe_steps; /* steps with SAFE_CONTROL because of it */
    uint64_t fault_step;
    rtw_status_t fault_status; /* RTW_OK: it returned something that is not a number */
} loop_counts_t;

typedef struct {
    double sum_of_squares;
    double max_settled; /* largest after the plant's settling time */
    uint64_t settled_steps;
    double final;
} control_error_t;

typedef struct {
    /* set by the caller */
    rtw_runtime_t *runtime;
    controller_t *controller;
    const plant_model_t *plant_model;
    const tuning_t *tuning;
    uint64_t period_ns;
    size_t periods;
    bool fast;
    int priority, cpu;
    trace_t *trace; /* `periods` entries, or NULL */

    /* set by loop_run before it says that the loop has started */
    bool fifo_refused;
    rtw_error_t fifo_error;
    rtw_prepare_report_t prepared;

    /* set by the run */
    plant_t plant;
    double control;   /* what the actuator holds */
    size_t simulated; /* where the plant is, in periods */
    loop_counts_t counts;
    control_error_t error;
    rtw_status_t setup_status;
    rtw_error_t setup_error;

    /* of the worker, which is there until loop_close; with --fast there is none, and the figures are 0 */
    rtw_worker_t *worker;
    rtw_worker_stats_t stats;
} loop_t;

/* Runs the loop to its end. `started` is called once it is set up and about to run, or running. On failure `err` says why. */
rtw_status_t loop_run(loop_t *loop, void (*started)(const loop_t *loop, void *data), void *data, rtw_error_t *err);
void loop_close(loop_t *loop);

#endif
