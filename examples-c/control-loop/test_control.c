/* The parts of the control loop: the plants against theory, the controllers' sources natively, and the guests through rtwasm
 * against both. Simulated time only.   usage: test_control ARTIFACTS standalone|plugin */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../tests/support/check.h"
#include "controller.h"
#include "native.h"
#include "plant.h"
#include "tuning.h"

/* ---- the plants ---- */

static void test_motor_against_theory(void)
{
    plant_t plant;
    plant_reset(&plant, plant_find("motor"));
    for (int i = 0; i < 3000; i++) plant_advance(&plant, 12.0, 0.02, 1e-3);
    /* torque balance at rest: k i = b w + dry + load, u = R i + k w */
    double speed = (12.0 * 0.048 - 1.1 * (0.006 + 0.02)) / (0.048 * 0.048 + 1.1 * 1e-4);
    check(fabs(plant.state[1] - speed) < 1e-6 * speed, "motor: steady speed is the torque balance's");
    plant_advance(&plant, 1000.0, 0.0, 1e-3);
    plant_t limited = plant;
    plant_advance(&plant, 1000.0, 0.0, 1e-3);
    plant_advance(&limited, 24.0, 0.0, 1e-3);
    check(plant.state[1] == limited.state[1], "motor: the actuator saturates at 24 V");
}

static void test_pendulum_against_theory(void)
{
    plant_t plant;
    plant_reset(&plant, plant_find("pendulum"));
    for (int i = 0; i < 150000; i++) plant_advance(&plant, 0.0, 0.0, 1e-3);
    check(cos(plant.state[2]) < -0.99 && fabs(plant.state[3]) < 1.0, "pendulum: left alone it falls and comes to hang");

    plant_t coarse, fine;
    plant_reset(&coarse, plant_find("pendulum"));
    plant_reset(&fine, plant_find("pendulum"));
    for (int i = 0; i < 100; i++) plant_advance(&coarse, 3.0, 0.0, 1e-3);
    for (int i = 0; i < 10000; i++) plant_advance(&fine, 3.0, 0.0, 1e-5);
    check(fabs(coarse.state[2] - fine.state[2]) < 1e-9, "pendulum: shorter sub-steps give the same motion");
}

static void test_sensors(void)
{
    plant_t plant;
    plant_reset(&plant, plant_find("pendulum"));
    plant.state[0] = 0.00057;
    check(fabs(plant_sense(&plant, 0) - 0.0005) < 1e-15, "encoder: the position comes in whole steps");
    plant.state[0] = -0.00001;
    check(fabs(plant_sense(&plant, 0) + 0.0001) < 1e-15, "encoder: steps below zero have the same width");
}

/* ---- the controllers, natively ---- */

static void configure_native(const native_controller_t *controller, const tuning_t *tuning, double period_s)
{
    for (size_t i = 0; i < tuning->param_count; i++) {
        if (controller->set_param(tuning->params[i].id, tuning->params[i].value) != CONTROL_OK) check(false, "a tuning is accepted");
    }
    if (controller->init(period_s) != CONTROL_OK) check(false, "init accepts a tuning");
}

/* A pure integrator as plant, reference 1 out of reach of the limited control for 2 s, then 0: how far does it undershoot? */
static double undershoot_after_saturation(double tracking_s)
{
    const native_controller_t *pid = &native_pid;
    configure_native(pid, tuning_find("pid", "motor"), 1e-3);
    pid->set_param(PID_KP, 4.0), pid->set_param(PID_KI, 8.0), pid->set_param(PID_KD, 0.0);
    pid->set_param(PID_LIMIT_LOW, -0.4), pid->set_param(PID_LIMIT_HIGH, 0.4);
    pid->set_param(PID_TRACKING_S, tracking_s);
    double position = 0.0, lowest = 0.0;
    for (int i = 0; i < 8000; i++) {
        position += 1e-3 * pid->step(i < 2000 ? 1.0 : 0.0, position);
        if (i >= 2000) lowest = fmin(lowest, position);
    }
    return -lowest;
}

static void test_pid_features(void)
{
    const native_controller_t *pid = &native_pid;
    const tuning_t *tuning = tuning_find("pid", "motor");
    double with = undershoot_after_saturation(0.05), without = undershoot_after_saturation(1e9);
    check(with < 0.25 * without && without > 0.05, "pid: back-calculation keeps the integral from winding up");

    configure_native(pid, tuning, 1e-3);
    for (int i = 0; i < 50; i++) pid->step(0.0, 0.1);
    double before = pid->step(0.0, 0.1);
    pid->set_param(PID_KP, 20.0);
    check(fabs(pid->step(0.0, 0.1) - before) < 0.2 && fabs(before) < 24.0, "pid: changing kp does not make the control jump");

    configure_native(pid, tuning, 1e-3);
    pid->step(0.0, 0.0);
    check(fabs(pid->step(0.1, 0.0) - 40.0 * 0.7 * 0.1) < 1e-9, "pid: a step of the set-point meets the proportional part only");

    configure_native(pid, tuning, 1e-3);
    pid->set_param(PID_REFERENCE_RATE, 1.0);
    pid->step(0.0, 0.0);
    check(fabs(pid->step(5.0, 0.0)) < 40.0 * 2e-3, "pid: a rate-limited set-point starts from where the plant is");

    configure_native(pid, tuning, 1e-3);
    double held = pid->step(0.1, 0.0);
    check(pid->step(0.1, NAN) == held && pid->step(INFINITY, 0.0) == held, "pid: a lost sample holds the control");
    configure_native(pid, tuning, 1e-3);
    pid->set_param(PID_REFERENCE_RATE, 0.0);
}

static void test_refusals(void)
{
    check(native_pid.set_param(99, 1.0) == CONTROL_ERR_PARAM, "pid: an unknown parameter is refused");
    check(native_pid.set_param(PID_KP, NAN) == CONTROL_ERR_VALUE, "pid: a parameter must be a number");
    check(native_pid.set_param(PID_TRACKING_S, 0.0) == CONTROL_ERR_VALUE, "pid: a tracking time of 0 is refused");
    check(native_pid.set_param(PID_LIMIT_LOW, 1e9) == CONTROL_ERR_VALUE, "pid: crossed limits are refused");
    check(native_pid.init(0.0) == CONTROL_ERR_VALUE && native_pid.init(NAN) == CONTROL_ERR_VALUE, "pid: a period must be above 0");
    check(native_lqr_kalman.set_param(99, 1.0) == CONTROL_ERR_PARAM, "lqr_kalman: an unknown parameter is refused");
    check(native_lqr_kalman.set_param(LQR_MODEL, 2.0) == CONTROL_ERR_VALUE, "lqr_kalman: an unknown model is refused");
    check(native_lqr_kalman.set_param(LQR_LIMIT, 0.0) == CONTROL_ERR_VALUE, "lqr_kalman: a limit of 0 is refused");
    check(native_lqr_kalman.init(-1.0) == CONTROL_ERR_VALUE, "lqr_kalman: a period must be above 0");

    configure_native(&native_lqr_kalman, tuning_find("lqr", "motor"), 1e-3);
    double before = native_lqr_kalman.step(0.1, 0.0);
    native_lqr_kalman.set_param(LQR_PHYSICAL + MOTOR_INDUCTANCE, 0.0);
    check(native_lqr_kalman.init(1e-3) == CONTROL_ERR_NO_GAINS, "lqr_kalman: a model without gains is refused");
    native_lqr_kalman.reset();
    check(native_lqr_kalman.step(0.1, 0.0) == before, "lqr_kalman: a refused init leaves the old gains");
}

static void test_riccati_solver(void)
{
    const char *const plants[] = {"motor", "pendulum"};
    for (int i = 0; i < 2; i++) {
        for (double rate_hz = 1000.0; rate_hz <= 10000.0; rate_hz *= 10.0) {
            char what[96];
            configure_native(&native_lqr_kalman, tuning_find("lqr", plants[i]), 1.0 / rate_hz);
            snprintf(what, sizeof what, "lqr_kalman: doubling and plain Riccati iteration agree, %s at %g Hz", plants[i], rate_hz);
            check(native_lqr_solver_error(1.0 / rate_hz) < 1e-9, "%s", what);
        }
    }
}

/* The angle sensor drops out for 30 ms while the pendulum is being caught. */
static void test_lost_sensor(void)
{
    const native_controller_t *lqr = &native_lqr_kalman;
    plant_t plant;
    plant_reset(&plant, plant_find("pendulum"));
    configure_native(lqr, tuning_find("lqr", "pendulum"), 1e-3);
    for (int i = 0; i < 3000; i++) {
        lqr->io()->measurement[1] = i >= 100 && i < 130 ? NAN : plant_sense(&plant, 1);
        plant_advance(&plant, lqr->step(0.0, plant_sense(&plant, 0)), 0.0, 1e-3);
    }
    check(fabs(plant.state[2]) < 0.02, "lqr_kalman: the pendulum stays up while a sensor is lost for 30 ms");
}

/* ---- guest and native side by side in one closed loop ---- */

typedef struct {
    double settled_after_s;  /* worst time from an event until the error stays within the bound */
    double max_settled;      /* largest error after the plant's settling time */
    double max_settled_angle; /* pendulum only */
    double largest_relative_difference;
    bool guest_failed;
} closed_loop_t;

static const native_controller_t *native_of(const tuning_t *tuning)
{
    return strcmp(tuning->guest, "pid") == 0 ? &native_pid : &native_lqr_kalman;
}

static void observe(closed_loop_t *result, const plant_t *plant, const plant_task_t *task, double bound)
{
    double error = fabs(task->reference - plant_output(plant));
    if (error > bound) result->settled_after_s = fmax(result->settled_after_s, task->since_event_s);
    if (task->since_event_s < plant->model->settle_s) return;
    result->max_settled = fmax(result->max_settled, error);
    if (plant->model->sensor_count > 1) result->max_settled_angle = fmax(result->max_settled_angle, fabs(plant->state[2]));
}

static double relative_difference(double a, double b)
{
    return a == b ? 0.0 : fabs(a - b) / fmax(fabs(a), fabs(b));
}

/* Both get the same measurements and the guest drives: else one encoder step's difference would lead them apart for good. */
static closed_loop_t run_closed_loop(controller_t *guest, const tuning_t *tuning, double rate_hz, double bound)
{
    const native_controller_t *native = native_of(tuning);
    closed_loop_t result = {0};
    plant_t plant;
    plant_reset(&plant, plant_find(tuning->plant));
    long steps = lround(plant.model->scenario_s * rate_hz);
    for (long i = 0; i < steps; i++) {
        plant_task_t task = plant_task_at(plant.model, (double)i / rate_hz);
        double measurements[PLANT_MAX_SENSORS], control = 0.0;
        for (size_t s = 0; s < plant.model->sensor_count; s++) measurements[s] = native->io()->measurement[s] = plant_sense(&plant, s);
        if (controller_step(guest, task.reference, measurements, plant.model->sensor_count, &control) != RTW_OK) {
            result.guest_failed = true;
            break;
        }
        double difference = relative_difference(control, native->step(task.reference, measurements[0]));
        result.largest_relative_difference = fmax(result.largest_relative_difference, difference);
        observe(&result, &plant, &task, bound);
        plant_advance(&plant, control, task.disturbance, 1.0 / rate_hz);
    }
    return result;
}

typedef struct {
    const char *controller, *plant;
    double bound;        /* of the error ... */
    double settled_in_s; /* ... which it must not leave any more this long after an event */
    double steady_bound; /* of the error after the plant's settling time */
} requirement_t;

static const requirement_t requirements[] = {
    {"pid", "motor", 0.02, 0.30, 0.010},     /* rad */
    {"lqr", "motor", 0.02, 0.10, 0.003},     /* rad */
    {"lqr", "pendulum", 0.03, 1.70, 0.030}, /* m */
};

static void check_for(const requirement_t *requirement, double rate_hz, bool condition, const char *what, double value)
{
    char text[640];
    snprintf(text, sizeof text, "%s on %s at %g Hz: %s (%.3g)", requirement->controller, requirement->plant, rate_hz, what, value);
    check(condition, "%s", text);
}

/* The guest's arithmetic is IEEE 754 double precision, as is the native one, in the same order: equal bits are expected. A
 * native compiler may fuse a multiplication and an addition into one rounding (gcc does where the processor can), hence the
 * tolerance. */
static void check_closed_loop(controller_t *guest, const requirement_t *required, double rate_hz)
{
    const tuning_t *tuning = tuning_find(required->controller, required->plant);
    closed_loop_t run = run_closed_loop(guest, tuning, rate_hz, required->bound);
    check_for(required, rate_hz, !run.guest_failed, "no guest fault", run.guest_failed);
    check_for(required, rate_hz, run.largest_relative_difference <= 1e-9, "the native controller's outputs within 1e-9",
              run.largest_relative_difference);
    check_for(required, rate_hz, run.settled_after_s <= required->settled_in_s, "settles in time, s", run.settled_after_s);
    check_for(required, rate_hz, run.max_settled < required->steady_bound, "steady error below its bound", run.max_settled);
    if (strcmp(required->plant, "pendulum") == 0) {
        check_for(required, rate_hz, run.max_settled_angle < 0.05, "stands upright again, rad", run.max_settled_angle);
    }
}

/* The bounds above must be able to fail: nobody at the control breaks all of them. */
static void test_bounds_catch_no_control(void)
{
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        closed_loop_t run = {0};
        plant_t plant;
        plant_reset(&plant, plant_find(requirements[i].plant));
        for (int step = 0; step < 4000; step++) {
            plant_task_t task = plant_task_at(plant.model, step * 1e-3);
            observe(&run, &plant, &task, requirements[i].bound);
            plant_advance(&plant, 0.0, task.disturbance, 1e-3);
        }
        check_for(&requirements[i], 1000.0, run.settled_after_s > requirements[i].settled_in_s && run.max_settled > requirements[i].steady_bound,
                  "without control the bounds are broken", run.max_settled);
    }
}

/* The comparison must be able to fail: a native controller with one parameter a millionth off differs. */
static void check_comparison(controller_t *guest, const requirement_t *required)
{
    const tuning_t *tuning = tuning_find(required->controller, required->plant);
    const native_controller_t *native = native_of(tuning);
    bool is_pid = strcmp(required->controller, "pid") == 0;
    int32_t id = is_pid ? PID_KP : LQR_PHYSICAL;
    native->set_param(id, (is_pid ? 40.0 : 1.0) * (1.0 + 1e-6));
    if (!is_pid) native->init(1e-3); /* it takes parameters over there */
    native->reset();
    rtw_error_t err;
    check_for(required, 1000.0, controller_restart(guest, &err) == RTW_OK, "restarted", 0.0);
    closed_loop_t run = run_closed_loop(guest, tuning, 1000.0, required->bound);
    check_for(required, 1000.0, run.largest_relative_difference > 1e-9, "a parameter that is a millionth off is noticed",
              run.largest_relative_difference);
}

static void test_closed_loop(rtw_runtime_t *runtime, const requirement_t *required, double rate_hz, const char *artifacts, const char *profile)
{
    const tuning_t *tuning = tuning_find(required->controller, required->plant);
    char path[1024];
    rtw_error_t err;
    controller_t guest;
    snprintf(path, sizeof path, "%s/%s.%s.rtw", artifacts, tuning->guest, profile);
    rtw_status_t status = controller_open(&guest, runtime, path, &err);
    if (status == RTW_OK) status = controller_prepare(&guest, tuning, 1.0 / rate_hz, NULL, &err);
    if (status == RTW_OK) status = controller_restart(&guest, &err);
    check_for(required, rate_hz, status == RTW_OK, status == RTW_OK ? "opened and prepared" : err.message, status);
    if (status == RTW_OK) {
        configure_native(native_of(tuning), tuning, 1.0 / rate_hz);
        check_closed_loop(&guest, required, rate_hz);
        if (strcmp(required->plant, "motor") == 0 && rate_hz == 1000.0) check_comparison(&guest, required);
    }
    controller_close(&guest);
}

/* ---- the interface for any host, guests/include/rtw_guest.h ---- */

/* The described parameter that has the number `id` in control.h. */
static uint32_t described_index(const tuning_t *tuning, int32_t id)
{
    bool has_gap = strcmp(tuning->guest, "lqr_kalman") == 0 && id >= LQR_PHYSICAL;
    return (uint32_t)(has_gap ? id - LQR_PHYSICAL + LQR_DISTURBANCE_DRIFT + 1 : id);
}

/* One period a frame, in blocks of `frames` periods, and at half time a change of parameters at its frame: the outputs are those of the
 * native controller's step, rounded to float, bit for bit. */
static void check_driven(rtw_guest_t *guest, const tuning_t *tuning, uint32_t frames)
{
    enum { STEPS = 1200, CHANGE_AT = 613, MOST_FRAMES = 64 };
    const native_controller_t *native = native_of(tuning);
    bool is_pid = strcmp(tuning->guest, "pid") == 0;
    const int32_t later = is_pid ? PID_KP : LQR_LIMIT;
    const double value = is_pid ? 55.5 : 3.25;
    configure_native(native, tuning, 1e-3);
    bool same = true, moves = false;
    for (uint32_t done = 0; done < STEPS && same;) {
        const uint32_t count = STEPS - done < frames ? STEPS - done : frames;
        float reference[MOST_FRAMES], measured[2][MOST_FRAMES], control[MOST_FRAMES];
        for (uint32_t i = 0; i < count; i++) {
            reference[i] = (done + i) % 400 < 200 ? 0.1f : 0.0f;
            measured[0][i] = 0.05f * sinf(0.01f * (float)(done + i));
            measured[1][i] = 0.02f * sinf(0.013f * (float)(done + i));
        }
        const float *const inputs[] = {reference, measured[0], measured[1]};
        float *const outputs[] = {control};
        const bool due = CHANGE_AT >= done && CHANGE_AT < done + count;
        const rtw_event_t change = {.frame = due ? CHANGE_AT - done : 0, .kind = RTW_EVENT_PARAM,
                                    .index = (uint16_t)described_index(tuning, later), .data.value = value};
        same = rtw_guest_process(guest, inputs, outputs, count, &change, due) == RTW_OK;
        for (uint32_t i = 0; i < count; i++) {
            if (done + i == CHANGE_AT) native->set_param(later, value);
            native->io()->measurement[1] = (double)measured[1][i];
            const float expected = (float)native->step((double)reference[i], (double)measured[0][i]);
            same = same && expected == control[i];
            moves = moves || (i > 0 && control[i] != control[i - 1]) || (done > 0 && expected != 0.0f);
        }
        done += count;
    }
    check(same && moves, "%s on %s: rtw_guest_process with %u frames gives the controls of step, bit for bit", tuning->guest, tuning->plant,
          (unsigned)frames);
}

static void test_driven(rtw_runtime_t *runtime, const tuning_t *tuning, const char *artifacts, const char *profile)
{
    char path[1024];
    rtw_error_t err = {0};
    rtw_module_t *module = NULL;
    rtw_instance_t *instance = NULL;
    rtw_guest_t *guest = NULL;
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.sample_rate = 1000.0;
    config.max_frames = 64;
    snprintf(path, sizeof path, "%s/%s.%s.rtw", artifacts, tuning->guest, profile);
    rtw_status_t status = rtw_module_load_file(runtime, path, &module, &err);
    if (status == RTW_OK) status = rtw_instance_create(module, NULL, NULL, &instance, &err);
    if (status == RTW_OK) status = rtw_guest_create(module, instance, NULL, &config, &guest, &err);
    if (status == RTW_OK) status = rtw_guest_prepare(guest, 2, &err);
    check(status == RTW_OK, "%s as a described guest: %s", tuning->guest, status == RTW_OK ? "prepared" : err.message);
    for (uint32_t frames = 1; status == RTW_OK && frames <= 64; frames *= 4) {
        for (size_t i = 0; i < tuning->param_count; i++) {
            status = rtw_guest_set(guest, described_index(tuning, tuning->params[i].id), tuning->params[i].value);
        }
        if (status == RTW_OK) status = rtw_guest_reset(guest);
        check_driven(guest, tuning, frames);
    }
    rtw_guest_destroy(guest), rtw_instance_destroy(instance), rtw_module_destroy(module);
}

static void test_guests(const char *artifacts, const char *profile)
{
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_error_t err;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(profile, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    rtw_status_t status = rtw_runtime_create(&config, &runtime, &err);
    if (status == RTW_OK) status = rtw_thread_attach(runtime, NULL, &err);
    check(status == RTW_OK, "a runtime, attached to%s%s", status == RTW_OK ? "" : ": ", status == RTW_OK ? "" : err.message);
    if (status != RTW_OK) return;
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        for (double rate_hz = 1000.0; rate_hz <= 10000.0; rate_hz *= 10.0) test_closed_loop(runtime, &requirements[i], rate_hz, artifacts, profile);
    }
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        test_driven(runtime, tuning_find(requirements[i].controller, requirements[i].plant), artifacts, profile);
    }
    check(rtw_thread_detach(runtime, NULL) == RTW_OK, "detached");
    rtw_runtime_destroy(runtime);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ARTIFACTS standalone|plugin\n", argv[0]);
        return 2;
    }
    test_motor_against_theory();
    test_pendulum_against_theory();
    test_sensors();
    test_pid_features();
    test_refusals();
    test_riccati_solver();
    test_lost_sensor();
    test_bounds_catch_no_control();
    test_guests(argv[1], argv[2]);
    return check_summary();
}
