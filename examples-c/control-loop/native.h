/* The controllers' sources compiled into the test itself, to compare the guests with. */
#ifndef CONTROL_LOOP_NATIVE_H
#define CONTROL_LOOP_NATIVE_H

#include "../../guests/control/control.h"

typedef struct {
    const char *guest;
    int32_t (*init)(double period_s);
    int32_t (*set_param)(int32_t id, double value);
    double (*step)(double reference, double measurement);
    void (*reset)(void);
    control_io_t *(*io)(void);
} native_controller_t;

extern const native_controller_t native_pid, native_lqr_kalman;

/* The distance of the doubling algorithm's solutions of the two Riccati equations of the last init from those of plain iteration,
 * relative to their largest element; `period_s` is that init's. */
double native_lqr_solver_error(double period_s);

#endif
