/* The control loop: one pinned SCHED_FIFO thread that wakes up at absolute times, reads the sensors, calls the guest and
 * drives the actuator. While it runs it allocates nothing and prints nothing; all it found is in loop_t afterwards. */
#ifndef CONTROL_LOOP_LOOP_H
#define CONTROL_LOOP_LOOP_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller.h"
#include "plant.h"
#include "samples.h"

#define SAFE_CONTROL 0.0 /* what the actuator gets when the controller cannot be trusted: no voltage, no force */

typedef struct {
    bool ran;
    double reference, output, control;
    double measurement[PLANT_MAX_SENSORS];
    uint64_t wake_up_ns;
} trace_t;

typedef struct {
    uint64_t executed;  /* steps */
    uint64_t skipped;   /* periods that the thread slept or waited through */
    uint64_t misses;    /* periods whose step was not finished when the next one was due; the skipped ones included */
    uint64_t faults;    /* 1 once the guest failed; it is not called again */
    uint64_t safe_steps; /* steps with SAFE_CONTROL because of it */
    uint64_t fault_step;
    rtw_status_t fault_status; /* RTW_OK: it returned something that is not a number */
    uint64_t page_faults; /* of this thread while the loop ran, with and without input */
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
    samples_t wake_up;

    /* set by the thread before it posts `ready` */
    rtw_status_t setup_status;
    rtw_error_t setup_error;
    bool fifo_refused;
    rtw_error_t fifo_error;
    rtw_prepare_report_t prepared;

    /* set by the thread before it ends */
    loop_counts_t counts;
    control_error_t error;

    pthread_t thread;
    sem_t ready;
} loop_t;

/* Starts the thread and waits until it is set up: setup_status says how that went, and the loop is running if RTW_OK.
 * Returns 0, or an errno value if there is no thread. */
int loop_start(loop_t *loop);
/* Waits for the end of the run. */
void loop_join(loop_t *loop);

#endif
