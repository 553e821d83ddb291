#include "controller.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DRY_CALLS 1000
/* Generous: time that the kernel takes the thread away counts as well. A step that never ends is cut off all the same. */
#define BUDGET_NS 100000000u

static rtw_status_t fail(rtw_error_t *err, rtw_status_t status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    err->status = status;
    err->os_error = 0;
    return status;
}

static rtw_status_t look_up(controller_t *controller, rtw_error_t *err)
{
    static const rtw_wanted_func_t wanted[] = {
        {"init", "(f64)->(i32)", 0}, {"set_param", "(i32,f64)->(i32)", 0}, {"step", "(f64,f64)->(f64)", 0}, {"reset", "()->()", 0},
        {"io", "()->(i32)", 0},
    };
    rtw_func_t *funcs[sizeof wanted / sizeof wanted[0]];
    rtw_status_t status = rtw_instance_funcs(controller->instance, wanted, sizeof wanted / sizeof wanted[0], funcs, err);
    if (status != RTW_OK) return status;
    controller->init = funcs[0];
    controller->set_param = funcs[1];
    controller->step = funcs[2];
    controller->reset = funcs[3];
    controller->io = funcs[4];
    return RTW_OK;
}

rtw_status_t controller_open(controller_t *controller, rtw_runtime_t *runtime, const char *path, rtw_error_t *err)
{
    memset(controller, 0, sizeof *controller);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = BUDGET_NS;
    rtw_status_t status = rtw_module_load_file(runtime, path, &controller->module, err);
    if (status == RTW_OK) status = rtw_instance_create(controller->module, NULL, &config, &controller->instance, err);
    if (status == RTW_OK) status = look_up(controller, err);
    if (status != RTW_OK) controller_close(controller);
    return status;
}

static rtw_status_t invoke(rtw_func_t *func, const char *name, rtw_value_t *values, size_t value_count, rtw_error_t *err)
{
    rtw_status_t status = rtw_invoke(func, values, value_count);
    return status == RTW_OK ? RTW_OK : fail(err, status, "the guest's %s: %s", name, rtw_status_string(status));
}

static rtw_status_t apply_tuning(controller_t *controller, const tuning_t *tuning, rtw_error_t *err)
{
    for (size_t i = 0; i < tuning->param_count; i++) {
        rtw_value_t values[2] = {{.i32 = tuning->params[i].id}, {.f64 = tuning->params[i].value}};
        rtw_status_t status = invoke(controller->set_param, "set_param", values, 2, err);
        if (status != RTW_OK) return status;
        if (values[0].i32 != CONTROL_OK) {
            return fail(err, RTW_ERR_ARGUMENT, "the guest refused parameter %" PRId32 " = %g with %" PRId32, tuning->params[i].id,
                        tuning->params[i].value, values[0].i32);
        }
    }
    return RTW_OK;
}

static rtw_status_t initialise(controller_t *controller, double period_s, rtw_error_t *err)
{
    rtw_value_t value = {.f64 = period_s};
    rtw_status_t status = invoke(controller->init, "init", &value, 1, err);
    if (status != RTW_OK) return status;
    return value.i32 == CONTROL_OK ? RTW_OK : fail(err, RTW_ERR_ARGUMENT, "the guest's init returned %" PRId32, value.i32);
}

static rtw_status_t find_signals(controller_t *controller, rtw_error_t *err)
{
    rtw_value_t value = {.u64 = 0};
    rtw_status_t status = invoke(controller->io, "io", &value, 1, err);
    if (status != RTW_OK) return status;
    controller->signals = rtw_instance_memory_at(controller->instance, value.u32, sizeof *controller->signals);
    return controller->signals ? RTW_OK : fail(err, RTW_ERR_BOUNDS, "the guest's io points outside its memory");
}

/* Dry calls of step warm code, data and branch predictors. */
static rtw_status_t warm_up(controller_t *controller, rtw_prepare_report_t *report, rtw_error_t *err)
{
    const rtw_value_t at_rest[2] = {{.f64 = 0.0}, {.f64 = 0.0}};
    const rtw_dry_call_t dry_call = {.func = controller->step, .values = at_rest, .value_count = 2, .repeats = DRY_CALLS};
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = &dry_call;
    config.dry_call_count = 1;
    return rtw_instance_prepare(controller->instance, &config, report, err);
}

rtw_status_t controller_prepare(controller_t *controller, const tuning_t *tuning, double period_s, rtw_prepare_report_t *report,
                                rtw_error_t *err)
{
    rtw_status_t status = apply_tuning(controller, tuning, err);
    if (status == RTW_OK) status = initialise(controller, period_s, err);
    if (status == RTW_OK) status = find_signals(controller, err);
    if (status == RTW_OK) status = warm_up(controller, report, err);
    return status;
}

rtw_status_t controller_restart(controller_t *controller, rtw_error_t *err)
{
    rtw_status_t status = invoke(controller->reset, "reset", NULL, 0, err);
    if (status != RTW_OK) return status;
    status = rtw_func_stats_reset(controller->step);
    return status == RTW_OK ? RTW_OK : fail(err, status, "resetting step's statistics: %s", rtw_status_string(status));
}

rtw_status_t controller_step(controller_t *controller, double reference, const double *measurements, size_t sensor_count,
                             double *control)
{
    for (size_t i = 1; i < sensor_count; i++) controller->signals->measurement[i] = measurements[i];
    rtw_value_t values[2] = {{.f64 = reference}, {.f64 = measurements[0]}};
    rtw_status_t status = rtw_invoke(controller->step, values, 2);
    if (status == RTW_OK) *control = values[0].f64;
    return status;
}

void controller_close(controller_t *controller)
{
    rtw_func_destroy(controller->init);
    rtw_func_destroy(controller->set_param);
    rtw_func_destroy(controller->step);
    rtw_func_destroy(controller->reset);
    rtw_func_destroy(controller->io);
    rtw_instance_destroy(controller->instance);
    rtw_module_destroy(controller->module);
    memset(controller, 0, sizeof *controller);
}
