#include "plant.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define GRAVITY 9.80665
#define LONGEST_SUBSTEP_S 50e-6 /* a tenth of the fastest time constant, the motor's current */

/* ---- DC motor turning a load; control: volts; disturbance: load torque in N m ---- */

enum { MOTOR_ANGLE, MOTOR_SPEED, MOTOR_CURRENT };

static void motor_rates(const double *state, double volts, double load_torque, double *rate)
{
    const double resistance = 1.1, inductance = 0.55e-3, constant = 0.048, inertia = 2.1e-4;
    const double viscous = 1e-4, dry_torque = 0.006, dry_speed = 0.5; /* dry friction, smoothed around standstill */
    double torque = constant * state[MOTOR_CURRENT] - viscous * state[MOTOR_SPEED] -
                    dry_torque * tanh(state[MOTOR_SPEED] / dry_speed) - load_torque;
    rate[MOTOR_ANGLE] = state[MOTOR_SPEED];
    rate[MOTOR_SPEED] = torque / inertia;
    rate[MOTOR_CURRENT] = (volts - resistance * state[MOTOR_CURRENT] - constant * state[MOTOR_SPEED]) / inductance;
}

/* A square wave with the load coming on in the middle of each half. */
static const plant_event_t motor_events[] = {
    {0.0, 1.0, 0.0}, {0.5, 1.0, 0.05}, {1.0, -1.0, 0.0}, {1.5, -1.0, 0.05},
};

/* ---- inverted pendulum on a cart; control: force on the cart in N; disturbance: force on the pole's tip in N ---- */

enum { CART_POSITION, CART_SPEED, POLE_ANGLE, POLE_SPEED }; /* angle 0: upright; positive: leaning towards +x */

/* Lagrange's equations, without small angles:
 *   (M + m) x'' + m l cos(a) a'' = F - friction + m l sin(a) a'^2 + tip
 *   m l cos(a) x'' + (I + m l^2) a'' = m g l sin(a) - friction + 2 l cos(a) tip */
static void pendulum_rates(const double *state, double force, double tip_force, double *rate)
{
    const double cart_mass = 0.52, pole_mass = 0.21, length = 0.3, inertia = 0.0063; /* a uniform pole of 0.6 m */
    const double cart_viscous = 0.12, cart_dry = 0.15, dry_speed = 0.01, pole_viscous = 0.0012;
    double sine = sin(state[POLE_ANGLE]), cosine = cos(state[POLE_ANGLE]), moment = pole_mass * length;

    double mass_xx = cart_mass + pole_mass, mass_xa = moment * cosine, mass_aa = inertia + moment * length;
    double force_x = force - cart_viscous * state[CART_SPEED] - cart_dry * tanh(state[CART_SPEED] / dry_speed) +
                     moment * sine * state[POLE_SPEED] * state[POLE_SPEED] + tip_force;
    double torque_a = moment * GRAVITY * sine - pole_viscous * state[POLE_SPEED] + 2.0 * length * cosine * tip_force;

    double determinant = mass_xx * mass_aa - mass_xa * mass_xa;
    rate[CART_POSITION] = state[CART_SPEED];
    rate[CART_SPEED] = (mass_aa * force_x - mass_xa * torque_a) / determinant;
    rate[POLE_ANGLE] = state[POLE_SPEED];
    rate[POLE_SPEED] = (mass_xx * torque_a - mass_xa * force_x) / determinant;
}

/* Catch the falling pole, take a push at the tip, move the cart there and back. */
static const plant_event_t pendulum_events[] = {
    {0.0, 0.0, 0.0}, {2.0, 0.0, 0.8}, {2.05, 0.0, 0.0}, {4.0, 0.3, 0.0}, {6.0, 0.0, 0.0},
};

/* ---- both ---- */

static const plant_model_t models[] = {
    {
        .name = "motor",
        .control_unit = "V",
        .output_unit = "rad",
        .state_count = 3,
        .sensor_count = 1,
        .sensed_state = {MOTOR_ANGLE},
        .sensor_step = {2.0 * PI / 8192.0},
        .control_limit = 24.0,
        .rates = motor_rates,
        .events = motor_events,
        .event_count = sizeof motor_events / sizeof motor_events[0],
        .scenario_s = 2.0,
        .settle_s = 0.3,
    },
    {
        .name = "pendulum",
        .control_unit = "N",
        .output_unit = "m",
        .state_count = 4,
        .sensor_count = 2,
        .sensed_state = {CART_POSITION, POLE_ANGLE},
        .sensor_step = {0.1e-3, 2.0 * PI / 8192.0},
        .control_limit = 20.0,
        .initial_state = {0.0, 0.0, 0.2, 0.0},
        .rates = pendulum_rates,
        .events = pendulum_events,
        .event_count = sizeof pendulum_events / sizeof pendulum_events[0],
        .scenario_s = 8.0,
        .settle_s = 1.7,
    },
};

const plant_model_t *plant_find(const char *name)
{
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        if (strcmp(models[i].name, name) == 0) return &models[i];
    }
    return NULL;
}

void plant_reset(plant_t *plant, const plant_model_t *model)
{
    plant->model = model;
    memcpy(plant->state, model->initial_state, sizeof plant->state);
}

static void offset_state(double *to, const double *state, const double *rate, double step_s)
{
    for (size_t i = 0; i < PLANT_MAX_STATES; i++) to[i] = state[i] + step_s * rate[i];
}

/* The classical Runge-Kutta step of fourth order. */
static void runge_kutta_step(plant_t *plant, double control, double disturbance, double step_s)
{
    double k1[PLANT_MAX_STATES] = {0}, k2[PLANT_MAX_STATES] = {0}, k3[PLANT_MAX_STATES] = {0}, k4[PLANT_MAX_STATES] = {0};
    double middle[PLANT_MAX_STATES];
    plant->model->rates(plant->state, control, disturbance, k1);
    offset_state(middle, plant->state, k1, step_s / 2.0);
    plant->model->rates(middle, control, disturbance, k2);
    offset_state(middle, plant->state, k2, step_s / 2.0);
    plant->model->rates(middle, control, disturbance, k3);
    offset_state(middle, plant->state, k3, step_s);
    plant->model->rates(middle, control, disturbance, k4);
    for (size_t i = 0; i < PLANT_MAX_STATES; i++) {
        plant->state[i] += step_s / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
    }
}

void plant_advance(plant_t *plant, double control, double disturbance, double duration_s)
{
    double limit = plant->model->control_limit;
    double held = fmin(fmax(control, -limit), limit);
    int substeps = (int)ceil(duration_s / LONGEST_SUBSTEP_S * (1.0 - 1e-9)); /* not one more for a rounding error */
    for (int i = 0; i < substeps; i++) runge_kutta_step(plant, held, disturbance, duration_s / substeps);
}

double plant_sense(const plant_t *plant, size_t sensor)
{
    double step = plant->model->sensor_step[sensor];
    return step * floor(plant->state[plant->model->sensed_state[sensor]] / step);
}

double plant_output(const plant_t *plant)
{
    return plant->state[plant->model->sensed_state[0]];
}

plant_task_t plant_task_at(const plant_model_t *model, double time_s)
{
    const double slack_s = 1e-9; /* step times are multiples of a rounded period */
    double phase_s = fmod(time_s + slack_s, model->scenario_s);
    size_t current = 0;
    while (current + 1 < model->event_count && phase_s >= model->events[current + 1].at_s) current++;
    const plant_event_t *event = &model->events[current];
    return (plant_task_t){event->reference, event->disturbance, phase_s - event->at_s};
}
