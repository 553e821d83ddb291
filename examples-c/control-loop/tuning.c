#include "tuning.h"

#include <string.h>

#include "../../guests/control/control.h"

/* The models' constants are round "data sheet" numbers: the simulated plants differ from them by up to 10 % and have dry
 * friction that no model knows, as real ones do. */

/* Gains for a closed loop of about 60 rad/s: with the motor as 20 / (s (0.09 s + 1)), kp = 60^2 * 0.09 / 20,
 * kd = (2 * 60 * 0.09 - 1) / 20. */
static const tuning_param_t pid_motor[] = {
    {PID_LIMIT_HIGH, 24.0}, {PID_LIMIT_LOW, -24.0}, {PID_KP, 40.0}, {PID_KI, 600.0}, {PID_KD, 1.0},
    {PID_FILTER_S, 2e-3}, {PID_TRACKING_S, 0.03}, {PID_WEIGHT, 0.7}, {PID_REFERENCE_RATE, 0.0},
};

static const tuning_param_t lqr_motor[] = {
    {LQR_MODEL, LQR_MODEL_MOTOR},
    {LQR_LIMIT, 24.0},
    {LQR_MAX_STATE + 0, 0.6}, /* rad */
    {LQR_MAX_STATE + 1, 60.0},
    {LQR_MAX_STATE + 2, 24.0},
    {LQR_MAX_CONTROL, 24.0},
    {LQR_SENSOR_NOISE + 0, 2.2e-4}, /* the encoder's step / sqrt(12) */
    {LQR_INPUT_NOISE, 0.01},
    {LQR_DISTURBANCE_DRIFT, 10.0},
    {LQR_PHYSICAL + MOTOR_RESISTANCE, 1.0},
    {LQR_PHYSICAL + MOTOR_INDUCTANCE, 0.5e-3},
    {LQR_PHYSICAL + MOTOR_CONSTANT, 0.05},
    {LQR_PHYSICAL + MOTOR_INERTIA, 2e-4},
    {LQR_PHYSICAL + MOTOR_FRICTION, 1e-4},
};

static const tuning_param_t lqr_pendulum[] = {
    {LQR_MODEL, LQR_MODEL_PENDULUM},
    {LQR_LIMIT, 20.0},
    {LQR_MAX_STATE + 0, 0.05}, /* m */
    {LQR_MAX_STATE + 1, 1.0},
    {LQR_MAX_STATE + 2, 0.2}, /* rad */
    {LQR_MAX_STATE + 3, 2.0},
    {LQR_MAX_CONTROL, 10.0},
    {LQR_SENSOR_NOISE + 0, 2.9e-5},
    {LQR_SENSOR_NOISE + 1, 2.2e-4},
    {LQR_INPUT_NOISE, 0.01},
    {LQR_DISTURBANCE_DRIFT, 2.0},
    {LQR_PHYSICAL + PENDULUM_CART_MASS, 0.5},
    {LQR_PHYSICAL + PENDULUM_POLE_MASS, 0.2},
    {LQR_PHYSICAL + PENDULUM_LENGTH, 0.3},
    {LQR_PHYSICAL + PENDULUM_INERTIA, 0.006},
    {LQR_PHYSICAL + PENDULUM_CART_FRICTION, 0.1},
    {LQR_PHYSICAL + PENDULUM_POLE_FRICTION, 0.001},
};

#define TABLE(params) params, sizeof params / sizeof params[0]

static const tuning_t tunings[] = {
    {"pid", "motor", "pid", TABLE(pid_motor)},
    {"lqr", "motor", "lqr_kalman", TABLE(lqr_motor)},
    {"lqr", "pendulum", "lqr_kalman", TABLE(lqr_pendulum)},
};

const tuning_t *tuning_find(const char *controller, const char *plant)
{
    for (size_t i = 0; i < sizeof tunings / sizeof tunings[0]; i++) {
        if (strcmp(tunings[i].controller, controller) == 0 && strcmp(tunings[i].plant, plant) == 0) return &tunings[i];
    }
    return NULL;
}
