/* State feedback (LQR) from a Kalman filter's estimate, with the load as one more estimated state, which gives integral
 * action without windup: the filter gets the limited control, so a saturated actuator never looks like a load.
 *
 * init does the design, for the period it is given:
 *   1. the plant is linear, x' = A x + B (u + d); A and B are sampled with the exponential of [A B; 0 0] T
 *      (Franklin, Powell & Workman, "Digital Control of Dynamic Systems", sampled-data systems);
 *   2. the weights come from the largest acceptable deviations, Q = diag(1/x_max^2), R = 1/u_max^2
 *      (Bryson's rule: Bryson & Ho, "Applied Optimal Control");
 *   3. both Riccati equations, the regulator's and (as its dual) the filter's, are solved by the doubling algorithm: one
 *      pass is as good as doubling the number of plain Riccati iterations, so about twenty passes do what would take a
 *      million (Anderson & Moore, "Optimal Filtering", chapter on computational aspects);
 *   4. the disturbance d is a random walk, estimated with the states and subtracted from the control
 *      (Franklin, Powell & Workman, disturbance estimation; also known as offset-free control).
 * step is then a time-invariant filter: predict, correct, feed back.
 *
 * All vectors and matrices have ORDER rows, an even number so that they fill 128-bit SIMD registers; unused ones are 0.
 * Matrices are stored by columns: column-wise sums vectorise without changing the order of any addition, so that the guest
 * gives the same bits as the same source compiled natively. */
#include "../include/rtw_guest.h"

/* Before <stdbool.h>, which would make a number of `true`. */
RTWG_DESCRIPTION({
    "name": "State feedback with an observer",
    "inputs": [{"name": "Set-point"}, {"name": "Measurements", "channels": 2}],
    "outputs": [{"name": "Control"}],
    "parameters": [
        {"id": "model", "name": "Model", "min": 0, "max": 1, "default": 0,
         "flags": ["integer", "not-automatable"], "labels": ["Motor", "Pendulum"]},
        {"id": "limit", "name": "Limit", "min": 1e-6, "max": 1e6, "default": 24},
        {"id": "max-state.0", "name": "Largest state 0", "group": "Weights", "min": 1e-9, "max": 1e9, "default": 0.05},
        {"id": "max-state.1", "name": "Largest state 1", "group": "Weights", "min": 1e-9, "max": 1e9, "default": 10},
        {"id": "max-state.2", "name": "Largest state 2", "group": "Weights", "min": 1e-9, "max": 1e9, "default": 10},
        {"id": "max-state.3", "name": "Largest state 3", "group": "Weights", "min": 1e-9, "max": 1e9, "default": 10},
        {"id": "max-control", "name": "Largest control", "group": "Weights", "min": 1e-9, "max": 1e9, "default": 24},
        {"id": "sensor-noise.0", "name": "Noise of measurement 0", "group": "Noise", "min": 1e-12, "max": 1e6, "default": 5e-4},
        {"id": "sensor-noise.1", "name": "Noise of measurement 1", "group": "Noise", "min": 1e-12, "max": 1e6, "default": 5e-4},
        {"id": "input-noise", "name": "Noise of the control", "group": "Noise", "min": 1e-12, "max": 1e6, "default": 0.05},
        {"id": "disturbance-drift", "name": "Drift of the load", "group": "Noise", "min": 1e-12, "max": 1e6, "default": 5},
        {"id": "physical.0", "name": "Resistance or cart mass", "group": "Plant", "min": 0, "max": 1e6, "default": 1},
        {"id": "physical.1", "name": "Inductance or pole mass", "group": "Plant", "min": 0, "max": 1e6, "default": 5e-4},
        {"id": "physical.2", "name": "Torque constant or pole length", "group": "Plant", "min": 0, "max": 1e6, "default": 0.05},
        {"id": "physical.3", "name": "Inertia", "group": "Plant", "min": 0, "max": 1e6, "default": 2e-4},
        {"id": "physical.4", "name": "Friction, of the cart", "group": "Plant", "min": 0, "max": 1e6, "default": 1e-4},
        {"id": "physical.5", "name": "Friction of the pole", "group": "Plant", "min": 0, "max": 1e6, "default": 0}
    ],
    "meters": [
        {"id": "estimate.0", "name": "Estimate of state 0", "min": -1e6, "max": 1e6},
        {"id": "estimate.1", "name": "Estimate of state 1", "min": -1e6, "max": 1e6},
        {"id": "estimate.2", "name": "Estimate of state 2", "min": -1e6, "max": 1e6},
        {"id": "estimate.3", "name": "Estimate of state 3", "min": -1e6, "max": 1e6},
        {"id": "estimate.4", "name": "Estimate of state 4", "min": -1e6, "max": 1e6}
    ],
    "events": true,
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

#include "guest.h"

#define ORDER 6
#define MAX_STATES 4
#define MAX_SENSORS 2
#define PHYSICAL_COUNT 6
#define MAX_DOUBLINGS 60
#define TAYLOR_TERMS 14
#define GRAVITY 9.80665

typedef struct {
    double column[ORDER][ORDER]; /* [column][row] */
} matrix_t;

typedef struct {
    double row[ORDER];
} vector_t;

typedef struct {
    int32_t model;
    double limit, max_state[MAX_STATES], max_control, sensor_noise[MAX_SENSORS], input_noise, disturbance_drift;
    double physical[PHYSICAL_COUNT];
} lqr_params_t;

/* The results of init. */
typedef struct {
    int state_count, sensor_count;
    int sensed_state[MAX_SENSORS]; /* which state each sensor measures */
    matrix_t transition;           /* of the states and the disturbance, which is state number state_count */
    vector_t input;                /* effect of the control */
    vector_t correction[MAX_SENSORS];
    vector_t feedback; /* the disturbance included */
} design_t;

static lqr_params_t params = {
    LQR_MODEL_MOTOR, 24.0, {0.05, 10.0, 10.0, 10.0}, 24.0, {5e-4, 5e-4}, 0.05, 5.0, {1.0, 5e-4, 0.05, 2e-4, 1e-4, 0.0},
};
static design_t design;
static double designed_for_s; /* the period */
static bool stale; /* parameters have changed since the design */
static bool started;
static vector_t estimate;
static double last_control, last_reference;
static control_io_t signals;

/* ---- small dense matrices ---- */

static matrix_t zero(void)
{
    matrix_t out = {{{0}}};
    return out;
}

static matrix_t identity(void)
{
    matrix_t out = zero();
    for (int i = 0; i < ORDER; i++) out.column[i][i] = 1.0;
    return out;
}

static matrix_t multiply(const matrix_t *a, const matrix_t *b)
{
    matrix_t out = zero();
    for (int c = 0; c < ORDER; c++) {
        for (int k = 0; k < ORDER; k++) {
            for (int r = 0; r < ORDER; r++) out.column[c][r] += a->column[k][r] * b->column[c][k];
        }
    }
    return out;
}

static matrix_t transpose(const matrix_t *a)
{
    matrix_t out;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) out.column[c][r] = a->column[r][c];
    }
    return out;
}

static matrix_t add(const matrix_t *a, const matrix_t *b)
{
    matrix_t out;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) out.column[c][r] = a->column[c][r] + b->column[c][r];
    }
    return out;
}

static matrix_t scale(const matrix_t *a, double factor)
{
    matrix_t out;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) out.column[c][r] = factor * a->column[c][r];
    }
    return out;
}

/* Rounding makes a product that ought to be symmetric drift; half the sum with its transpose is the nearest one that is. */
static matrix_t symmetric(const matrix_t *a)
{
    matrix_t transposed = transpose(a), sum = add(a, &transposed);
    return scale(&sum, 0.5);
}

static double largest_element(const matrix_t *a)
{
    double largest = 0.0;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) {
            if (!(magnitude(a->column[c][r]) <= largest)) largest = magnitude(a->column[c][r]); /* a NaN gets through */
        }
    }
    return largest;
}

static void swap_columns(matrix_t *a, int i, int j)
{
    for (int r = 0; r < ORDER; r++) {
        double kept = a->column[i][r];
        a->column[i][r] = a->column[j][r];
        a->column[j][r] = kept;
    }
}

/* Gauss-Jordan elimination by columns, with pivoting. False for a singular matrix. */
static bool invert(const matrix_t *of, matrix_t *out)
{
    matrix_t a = *of;
    *out = identity();
    for (int i = 0; i < ORDER; i++) {
        int pivot = i;
        for (int c = i + 1; c < ORDER; c++) {
            if (magnitude(a.column[c][i]) > magnitude(a.column[pivot][i])) pivot = c;
        }
        swap_columns(&a, i, pivot);
        swap_columns(out, i, pivot);
        double divisor = a.column[i][i];
        if (divisor == 0.0 || !is_number(divisor)) return false;
        for (int r = 0; r < ORDER; r++) {
            a.column[i][r] /= divisor;
            out->column[i][r] /= divisor;
        }
        for (int c = 0; c < ORDER; c++) {
            double factor = c == i ? 0.0 : a.column[c][i];
            for (int r = 0; r < ORDER; r++) {
                a.column[c][r] -= factor * a.column[i][r];
                out->column[c][r] -= factor * out->column[i][r];
            }
        }
    }
    return true;
}

/* exp(a): halved until small, a Taylor series, squared back. */
static matrix_t exponential(const matrix_t *a)
{
    int halvings = 0;
    double size = largest_element(a) * ORDER;
    for (; size > 0.5 && halvings < 60; halvings++) size *= 0.5;
    double factor = 1.0;
    for (int i = 0; i < halvings; i++) factor *= 0.5;

    matrix_t small = scale(a, factor), sum = identity(), term = identity();
    for (int k = 1; k <= TAYLOR_TERMS; k++) {
        matrix_t next = multiply(&term, &small);
        term = scale(&next, 1.0 / k);
        sum = add(&sum, &term);
    }
    for (int i = 0; i < halvings; i++) sum = multiply(&sum, &sum);
    return sum;
}

/* Solves P = a' P (I + g P)^-1 a + q for the stabilising P, by doubling. */
static bool solve_riccati(matrix_t a, matrix_t g, matrix_t q, matrix_t *solution)
{
    const matrix_t unit = identity();
    for (int pass = 0; pass < MAX_DOUBLINGS; pass++) {
        matrix_t product = multiply(&g, &q), sum = add(&unit, &product), inverse;
        if (!invert(&sum, &inverse)) return false;
        matrix_t a_transposed = transpose(&a);

        matrix_t a_inverse = multiply(&a, &inverse);        /* a (I + g q)^-1 */
        matrix_t g_step = multiply(&a_inverse, &g);         /* g += a (I + g q)^-1 g a' */
        g_step = multiply(&g_step, &a_transposed);
        matrix_t q_step = multiply(&q, &inverse);           /* q += a' q (I + g q)^-1 a */
        q_step = multiply(&a_transposed, &q_step);
        q_step = multiply(&q_step, &a);

        a = multiply(&a_inverse, &a);
        g = add(&g, &g_step);
        g = symmetric(&g);
        q = add(&q, &q_step);
        q = symmetric(&q);
        if (!is_number(largest_element(&q))) return false;
        if (largest_element(&q_step) <= 1e-14 * largest_element(&q)) {
            *solution = q;
            return true;
        }
    }
    return false;
}

/* ---- the plants, linear and in continuous time: x' = rates x + input u ---- */

static void motor_model(design_t *to, matrix_t *rates, vector_t *input)
{
    const double *p = params.physical;
    to->state_count = 3; /* angle, speed, current */
    to->sensor_count = 1;
    to->sensed_state[0] = 0;
    rates->column[1][0] = 1.0;
    rates->column[1][1] = -p[MOTOR_FRICTION] / p[MOTOR_INERTIA];
    rates->column[2][1] = p[MOTOR_CONSTANT] / p[MOTOR_INERTIA];
    rates->column[1][2] = -p[MOTOR_CONSTANT] / p[MOTOR_INDUCTANCE];
    rates->column[2][2] = -p[MOTOR_RESISTANCE] / p[MOTOR_INDUCTANCE];
    input->row[2] = 1.0 / p[MOTOR_INDUCTANCE];
}

/* Both equations of motion near the upright position, solved for the accelerations. */
static void pendulum_model(design_t *to, matrix_t *rates, vector_t *input)
{
    const double *p = params.physical;
    double total_mass = p[PENDULUM_CART_MASS] + p[PENDULUM_POLE_MASS];
    double moment = p[PENDULUM_POLE_MASS] * p[PENDULUM_LENGTH]; /* couples cart and pole */
    double pivot_inertia = p[PENDULUM_INERTIA] + moment * p[PENDULUM_LENGTH];
    double determinant = total_mass * pivot_inertia - moment * moment;
    to->state_count = 4; /* position, speed, angle, angular speed */
    to->sensor_count = 2;
    to->sensed_state[0] = 0;
    to->sensed_state[1] = 2;
    rates->column[1][0] = 1.0;
    rates->column[1][1] = -pivot_inertia * p[PENDULUM_CART_FRICTION] / determinant;
    rates->column[2][1] = -moment * moment * GRAVITY / determinant;
    rates->column[3][1] = moment * p[PENDULUM_POLE_FRICTION] / determinant;
    rates->column[3][2] = 1.0;
    rates->column[1][3] = moment * p[PENDULUM_CART_FRICTION] / determinant;
    rates->column[2][3] = total_mass * moment * GRAVITY / determinant;
    rates->column[3][3] = -total_mass * p[PENDULUM_POLE_FRICTION] / determinant;
    input->row[1] = pivot_inertia / determinant;
    input->row[3] = -moment / determinant;
}

/* ---- design ---- */

/* exp([rates input; 0 0] period): its left part is the sampled plant, its last column the effect of a held input. The input's
 * row stays 1: as a state it is the constant disturbance, which is what the filter needs. */
static void sample_model(design_t *to, const matrix_t *rates, const vector_t *input, double period)
{
    matrix_t joined = *rates;
    for (int r = 0; r < ORDER; r++) joined.column[to->state_count][r] = input->row[r];
    joined = scale(&joined, period);
    joined = exponential(&joined);
    for (int i = to->state_count + 1; i < ORDER; i++) joined.column[i][i] = 0.0; /* the exponential of nothing is 1 */
    to->transition = joined;
    for (int r = 0; r < ORDER; r++) to->input.row[r] = r < to->state_count ? joined.column[to->state_count][r] : 0.0;
}

static matrix_t outer_product(const vector_t *a, double factor)
{
    matrix_t out;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) out.column[c][r] = factor * a->row[r] * a->row[c];
    }
    return out;
}

static matrix_t plant_only(const design_t *of)
{
    matrix_t out = of->transition;
    for (int i = 0; i < ORDER; i++) out.column[of->state_count][i] = out.column[i][of->state_count] = 0.0;
    return out;
}

/* The regulator: feedback = (R + B' P B)^-1 B' P A, and 1 for the disturbance, which acts where the control does. */
static bool design_feedback(design_t *to)
{
    matrix_t a = plant_only(to), weights = zero(), p;
    for (int i = 0; i < to->state_count; i++) weights.column[i][i] = 1.0 / (params.max_state[i] * params.max_state[i]);
    double control_weight = 1.0 / (params.max_control * params.max_control);
    if (!solve_riccati(a, outer_product(&to->input, 1.0 / control_weight), weights, &p)) return false;

    vector_t p_input = {{0}};
    double denominator = control_weight;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) p_input.row[r] += p.column[c][r] * to->input.row[c];
    }
    for (int r = 0; r < ORDER; r++) denominator += to->input.row[r] * p_input.row[r];
    for (int c = 0; c < ORDER; c++) {
        to->feedback.row[c] = 0.0;
        for (int r = 0; r < ORDER; r++) to->feedback.row[c] += p_input.row[r] * a.column[c][r] / denominator;
    }
    to->feedback.row[to->state_count] = 1.0;
    return true;
}

/* The unknowns of the plant's model, per period: noise on the input, and the wandering of the disturbance. */
static matrix_t process_noise(const design_t *of, double period)
{
    matrix_t noise = outer_product(&of->input, params.input_noise * params.input_noise / period);
    noise.column[of->state_count][of->state_count] = params.disturbance_drift * params.disturbance_drift * period;
    return noise;
}

/* The steady-state filter: correction = P C' (C P C' + V)^-1, where C picks the sensed states. */
static bool design_correction(design_t *to, double period)
{
    matrix_t information = zero(), p;
    double variance[MAX_SENSORS];
    for (int i = 0; i < to->sensor_count; i++) {
        variance[i] = params.sensor_noise[i] * params.sensor_noise[i];
        information.column[to->sensed_state[i]][to->sensed_state[i]] = 1.0 / variance[i];
    }
    if (!solve_riccati(transpose(&to->transition), information, process_noise(to, period), &p)) return false;

    const double *first = p.column[to->sensed_state[0]], *second = p.column[to->sensed_state[to->sensor_count - 1]];
    double s00 = first[to->sensed_state[0]] + variance[0];
    double s01 = to->sensor_count == 2 ? first[to->sensed_state[1]] : 0.0;
    double s11 = to->sensor_count == 2 ? second[to->sensed_state[1]] + variance[1] : 1.0;
    double determinant = s00 * s11 - s01 * s01;
    if (!(determinant > 0.0)) return false;
    for (int r = 0; r < ORDER; r++) {
        to->correction[0].row[r] = (first[r] * s11 - (to->sensor_count == 2 ? second[r] : 0.0) * s01) / determinant;
        to->correction[1].row[r] = to->sensor_count == 2 ? (second[r] * s00 - first[r] * s01) / determinant : 0.0;
    }
    return true;
}

static bool make_design(double period, design_t *to)
{
    matrix_t rates = zero();
    vector_t input = {{0}};
    if (params.model == LQR_MODEL_MOTOR) motor_model(to, &rates, &input);
    else pendulum_model(to, &rates, &input);
    sample_model(to, &rates, &input, period);
    return design_feedback(to) && design_correction(to, period);
}

/* ---- the running controller ---- */

static void start_at_measurement(void)
{
    estimate = (vector_t){{0}};
    for (int i = 0; i < design.sensor_count; i++) estimate.row[design.sensed_state[i]] = signals.measurement[i];
    started = true;
}

static void predict(void)
{
    vector_t next = {{0}};
    for (int r = 0; r < ORDER; r++) next.row[r] = design.input.row[r] * last_control;
    for (int c = 0; c < ORDER; c++) {
        for (int r = 0; r < ORDER; r++) next.row[r] += design.transition.column[c][r] * estimate.row[c];
    }
    estimate = next;
}

/* A sensor whose value is not a number was lost: the model carries the estimate through. */
static void correct(void)
{
    double surprise[MAX_SENSORS] = {0};
    for (int i = 0; i < design.sensor_count; i++) {
        if (is_number(signals.measurement[i])) surprise[i] = signals.measurement[i] - estimate.row[design.sensed_state[i]];
    }
    for (int i = 0; i < MAX_SENSORS; i++) {
        for (int r = 0; r < ORDER; r++) estimate.row[r] += design.correction[i].row[r] * surprise[i];
    }
}

/* Rest at the reference is an equilibrium of both plants without control, so only state 0 has a set-point. */
static double feed_back(void)
{
    double wanted = design.feedback.row[0] * last_reference;
    for (int r = 0; r < ORDER; r++) wanted -= design.feedback.row[r] * estimate.row[r];
    return clamp(wanted, -params.limit, params.limit);
}

static bool is_first_sample_complete(void)
{
    for (int i = 0; i < design.sensor_count; i++) {
        if (!is_number(signals.measurement[i])) return false;
    }
    return true;
}

/* ---- exports ---- */

static bool is_positive(double value)
{
    return value > 0.0 && is_number(value);
}

EXPORT(reset) void reset(void)
{
    started = false;
    estimate = (vector_t){{0}};
    last_control = last_reference = 0.0;
    signals = (control_io_t){{0}, {0}, {0}};
}

EXPORT(init) int32_t init(double period)
{
    if (!is_positive(period)) return CONTROL_ERR_VALUE;
    design_t made = {0};
    if (!make_design(period, &made)) return CONTROL_ERR_NO_GAINS;
    design = made;
    designed_for_s = period;
    stale = false;
    reset();
    return CONTROL_OK;
}

static double *positive_param(int32_t id)
{
    if (id == LQR_LIMIT) return &params.limit;
    if (id >= LQR_MAX_STATE && id < LQR_MAX_STATE + MAX_STATES) return &params.max_state[id - LQR_MAX_STATE];
    if (id == LQR_MAX_CONTROL) return &params.max_control;
    if (id >= LQR_SENSOR_NOISE && id < LQR_SENSOR_NOISE + MAX_SENSORS) return &params.sensor_noise[id - LQR_SENSOR_NOISE];
    if (id == LQR_INPUT_NOISE) return &params.input_noise;
    if (id == LQR_DISTURBANCE_DRIFT) return &params.disturbance_drift;
    return 0;
}

EXPORT(set_param) int32_t set_param(int32_t id, double value)
{
    if (id == LQR_MODEL) {
        if (value != (double)LQR_MODEL_MOTOR && value != (double)LQR_MODEL_PENDULUM) return CONTROL_ERR_VALUE;
        stale = stale || params.model != (int32_t)value;
        params.model = (int32_t)value;
        return CONTROL_OK;
    }
    if (id >= LQR_PHYSICAL && id < LQR_PHYSICAL + PHYSICAL_COUNT) { /* frictions may be 0 */
        if (!is_number(value) || value < 0.0) return CONTROL_ERR_VALUE;
        stale = stale || params.physical[id - LQR_PHYSICAL] != value;
        params.physical[id - LQR_PHYSICAL] = value;
        return CONTROL_OK;
    }
    double *param = positive_param(id);
    if (!param) return CONTROL_ERR_PARAM;
    if (!is_positive(value)) return CONTROL_ERR_VALUE;
    stale = stale || *param != value;
    *param = value;
    return CONTROL_OK;
}

EXPORT(io) control_io_t *io(void)
{
    return &signals;
}

EXPORT(step) double step(double reference, double measurement)
{
    signals.measurement[0] = measurement;
    if (is_number(reference)) last_reference = reference;
    if (started) predict();
    else if (is_first_sample_complete()) start_at_measurement();
    else return 0.0; /* nothing is known yet */
    correct();
    last_control = feed_back();
    for (int r = 0; r < ORDER; r++) signals.estimate[r] = estimate.row[r];
    signals.control[0] = last_control;
    return last_control;
}

/* ---- the interface for any host ---- */

#define SENSORS MAX_SENSORS
#define METERS signals.estimate
#define METER_COUNT 5
static const int32_t PARAM_IDS[] = {
    LQR_MODEL, LQR_LIMIT, LQR_MAX_STATE, LQR_MAX_STATE + 1, LQR_MAX_STATE + 2, LQR_MAX_STATE + 3, LQR_MAX_CONTROL,
    LQR_SENSOR_NOISE, LQR_SENSOR_NOISE + 1, LQR_INPUT_NOISE, LQR_DISTURBANCE_DRIFT,
    LQR_PHYSICAL, LQR_PHYSICAL + 1, LQR_PHYSICAL + 2, LQR_PHYSICAL + 3, LQR_PHYSICAL + 4, LQR_PHYSICAL + 5,
};

/* New gains, which take some twenty passes: change parameters where time does not matter. The estimate goes on, unless the states are
 * others. Parameters that no gains can be computed from leave the old gains. */
static void take_over(void)
{
    if (!stale) return;
    stale = false;
    design_t made = {0};
    if (!make_design(designed_for_s, &made)) return;
    bool same_states = made.state_count == design.state_count;
    design = made;
    if (!same_states) reset();
}

#include "interface.h"
