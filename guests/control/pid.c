/* A PID controller as one would put it into a machine, after Astrom & Murray, "Feedback Systems", chapter "PID Control"
 * (the discrete form with back-calculation):
 *   - the derivative acts on the measurement, through a first-order filter: a step of the set-point does not kick, and an
 *     encoder's steps are smoothed;
 *   - the control is limited, and while it is, the integral is led back by the excess (anti-windup by back-calculation);
 *   - changes of gains, of the set-point weight and of the limits do not jump: the integral takes up the difference;
 *   - the set-point may be rate-limited, starting from where the plant is, so that a new set-point does not bump it. */
#include "../include/rtw_guest.h"

/* Before <stdbool.h>, which would make a number of `true`. */
RTWG_DESCRIPTION({
    "name": "PID controller",
    "inputs": [{"name": "Set-point"}, {"name": "Measurement"}],
    "outputs": [{"name": "Control"}],
    "parameters": [
        {"id": "kp", "name": "Proportional gain", "min": -1e6, "max": 1e6, "default": 1},
        {"id": "ki", "name": "Integral gain", "unit": "1/s", "min": -1e6, "max": 1e6, "default": 0},
        {"id": "kd", "name": "Derivative gain", "unit": "s", "min": -1e6, "max": 1e6, "default": 0},
        {"id": "filter", "name": "Derivative filter", "unit": "s", "min": 0, "max": 1000, "default": 0},
        {"id": "limit-low", "name": "Lower limit", "min": -1e6, "max": 1e6, "default": -1},
        {"id": "limit-high", "name": "Upper limit", "min": -1e6, "max": 1e6, "default": 1},
        {"id": "tracking", "name": "Tracking time", "unit": "s", "min": 1e-6, "max": 1e6, "default": 1, "flags": ["logarithmic"]},
        {"id": "weight", "name": "Set-point weight", "min": 0, "max": 1, "default": 1},
        {"id": "reference-rate", "name": "Rate of the set-point", "unit": "1/s", "min": 0, "max": 1e6, "default": 0}
    ],
    "events": true,
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

#include "guest.h"

typedef struct {
    double kp, ki, kd, filter_s, limit_low, limit_high, tracking_s, weight, reference_rate;
} pid_params_t;

typedef struct {
    bool started; /* false until the first step after reset */
    double integral, derivative, reference, measurement, control;
} pid_state_t;

static pid_params_t params = {1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 1.0, 1.0, 0.0};
static pid_state_t state;
static double period_s = 1e-3;
static control_io_t signals;

static void start_at(double reference, double measurement)
{
    state.started = true;
    state.measurement = measurement;
    state.reference = params.reference_rate > 0.0 ? measurement : reference;
}

static double limit_reference_rate(double wanted)
{
    if (params.reference_rate <= 0.0) return wanted;
    double largest_change = params.reference_rate * period_s;
    return state.reference + clamp(wanted - state.reference, -largest_change, largest_change);
}

/* Backward difference of kd s / (1 + filter_s s): stable for any filter_s >= 0. */
static double filtered_derivative(double measurement)
{
    double change = measurement - state.measurement;
    return (params.filter_s * state.derivative - params.kd * change) / (params.filter_s + period_s);
}

static double proportional(const pid_params_t *with)
{
    return with->kp * (with->weight * state.reference - state.measurement);
}

/* Takes the new parameters over; the integral absorbs what the proportional part would jump by. The derivative part holds
 * kd already and is scaled. */
static void change_params(const pid_params_t *to)
{
    if (state.started) {
        state.integral += proportional(&params) - proportional(to);
        if (params.kd != 0.0) state.derivative *= to->kd / params.kd;
    }
    params = *to;
}

static double *param_address(pid_params_t *of, int32_t id)
{
    switch (id) {
    case PID_KP: return &of->kp;
    case PID_KI: return &of->ki;
    case PID_KD: return &of->kd;
    case PID_FILTER_S: return &of->filter_s;
    case PID_LIMIT_LOW: return &of->limit_low;
    case PID_LIMIT_HIGH: return &of->limit_high;
    case PID_TRACKING_S: return &of->tracking_s;
    case PID_WEIGHT: return &of->weight;
    case PID_REFERENCE_RATE: return &of->reference_rate;
    default: return 0;
    }
}

static bool are_valid(const pid_params_t *p)
{
    return p->filter_s >= 0.0 && p->limit_low < p->limit_high && p->tracking_s > 0.0 && p->weight >= 0.0 && p->weight <= 1.0 &&
           p->reference_rate >= 0.0;
}

EXPORT(reset) void reset(void)
{
    state = (pid_state_t){false, 0, 0, 0, 0, 0};
    signals = (control_io_t){{0}, {0}, {0}};
}

EXPORT(init) int32_t init(double period)
{
    if (!(period > 0.0) || !is_number(period)) return CONTROL_ERR_VALUE;
    period_s = period;
    reset();
    return CONTROL_OK;
}

EXPORT(set_param) int32_t set_param(int32_t id, double value)
{
    pid_params_t changed = params;
    double *param = param_address(&changed, id);
    if (!param) return CONTROL_ERR_PARAM;
    *param = value;
    if (!is_number(value) || !are_valid(&changed)) return CONTROL_ERR_VALUE;
    change_params(&changed);
    return CONTROL_OK;
}

EXPORT(io) control_io_t *io(void)
{
    return &signals;
}

EXPORT(step) double step(double reference, double measurement)
{
    if (!is_number(reference) || !is_number(measurement)) return state.control; /* a lost sample: hold */
    if (!state.started) start_at(reference, measurement);
    state.reference = limit_reference_rate(reference);
    state.derivative = filtered_derivative(measurement);
    state.measurement = measurement;

    double wanted = proportional(&params) + state.integral + state.derivative;
    state.control = clamp(wanted, params.limit_low, params.limit_high);
    state.integral += period_s * (params.ki * (state.reference - measurement) + (state.control - wanted) / params.tracking_s);

    signals.measurement[0] = measurement;
    signals.control[0] = state.control;
    return state.control;
}

/* ---- the interface for any host ---- */

#define SENSORS 1
#define METERS signals.estimate
#define METER_COUNT 0
static const int32_t PARAM_IDS[] = {
    PID_KP, PID_KI, PID_KD, PID_FILTER_S, PID_LIMIT_LOW, PID_LIMIT_HIGH, PID_TRACKING_S, PID_WEIGHT, PID_REFERENCE_RATE,
};

static void take_over(void) {} /* set_param does */

#include "interface.h"
