/* A controller guest, loaded and called through rtwasm. Its interface: guests/control/README.md. */
#ifndef CONTROL_LOOP_CONTROLLER_H
#define CONTROL_LOOP_CONTROLLER_H

#include "../../guests/control/control.h"
#include "rtwasm.h"
#include "tuning.h"

typedef struct {
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *init, *set_param, *step, *reset, *io;
    control_io_t *signals; /* in the guest's memory; known once prepared */
} controller_t;

/* [setup] Loads the artifact and looks every export up. On failure `controller` holds nothing and `err` says why. */
rtw_status_t controller_open(controller_t *controller, rtw_runtime_t *runtime, const char *path, rtw_error_t *err);
/* On the thread that will call step, attached: parameters, gains, warming up. controller_restart is to follow. */
rtw_status_t controller_prepare(controller_t *controller, const tuning_t *tuning, double period_s, rtw_prepare_report_t *report,
                                rtw_error_t *err);
/* Attached: as if step had never been called; its statistics are empty. */
rtw_status_t controller_restart(controller_t *controller, rtw_error_t *err);
/* [rt & attached] `measurements`: one per sensor. *control is written on RTW_OK only. */
rtw_status_t controller_step(controller_t *controller, double reference, const double *measurements, size_t sensor_count,
                             double *control);
void controller_close(controller_t *controller);

#endif
