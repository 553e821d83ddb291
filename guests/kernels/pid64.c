/* 64 steps of a PID controller with filtered derivative and anti-windup, and of the plant that it controls. */
#include "kernel.h"

enum { STEPS = 64 };

static const double period = 1e-3, kp = 4.0, ki = 20.0, kd = 0.02, filter = 5e-3, tracking = 0.2, limit = 3.0;
static const double inertia = 0.05, friction = 0.3;

static struct {
    double reference, integral, derivative, position, speed, control;
} state;

EXPORT(init) void init(void)
{
    state.reference = 1.0;
    state.integral = state.derivative = state.position = state.speed = state.control = 0.0;
}

EXPORT(run) void run(void)
{
    double integral = state.integral, derivative = state.derivative, position = state.position, speed = state.speed;
    const double reference = state.reference;
#pragma clang loop unroll(disable)
    for (size_t i = 0; i < STEPS; i++) {
        const double wanted = kp * (reference - position) + integral + derivative;
        const double control = wanted < -limit ? -limit : wanted > limit ? limit : wanted;
        integral += period * (ki * (reference - position) + (control - wanted) / tracking);
        const double before = position;
        speed += period / inertia * (control - friction * speed);
        position += period * speed;
        derivative = (filter * derivative - kd * (position - before)) / (filter + period);
        state.control = control;
    }
    state.integral = integral, state.derivative = derivative, state.position = position, state.speed = speed;
    state.reference = -reference; /* there and back, so that nothing ever settles */
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(&state, sizeof state);
}
