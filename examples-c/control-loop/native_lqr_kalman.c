#include "../../guests/control/lqr_kalman.c"

#include "native.h"

const native_controller_t native_lqr_kalman = {"lqr_kalman", init, set_param, step, reset, io};

/* The iteration that solve_riccati doubles: P = a' P (I + g P)^-1 a + q, one pass after the other until P stands still. */
static bool iterate_riccati(const matrix_t *a, const matrix_t *g, const matrix_t *q, matrix_t *solution)
{
    const matrix_t unit = identity(), a_transposed = transpose(a);
    *solution = *q;
    for (int pass = 0; pass < 2000000; pass++) {
        matrix_t product = multiply(g, solution), sum = add(&unit, &product), inverse;
        if (!invert(&sum, &inverse)) return false;
        matrix_t next = multiply(solution, &inverse);
        next = multiply(&a_transposed, &next);
        next = multiply(&next, a);
        next = add(&next, q);
        next = symmetric(&next);
        matrix_t negative = scale(solution, -1.0), change = add(&next, &negative);
        *solution = next;
        if (largest_element(&change) <= 1e-15 * largest_element(&next)) return true;
    }
    return false;
}

static double relative_difference(const matrix_t *a, const matrix_t *b)
{
    matrix_t negative = scale(b, -1.0), difference = add(a, &negative);
    return largest_element(&difference) / largest_element(a);
}

static double solver_error(matrix_t a, matrix_t g, matrix_t q)
{
    matrix_t doubled, iterated;
    if (!solve_riccati(a, g, q, &doubled) || !iterate_riccati(&a, &g, &q, &iterated)) return 1.0;
    return relative_difference(&doubled, &iterated);
}

double native_lqr_solver_error(double period_s)
{
    matrix_t weights = zero(), information = zero();
    for (int i = 0; i < design.state_count; i++) weights.column[i][i] = 1.0 / (params.max_state[i] * params.max_state[i]);
    for (int i = 0; i < design.sensor_count; i++) {
        information.column[design.sensed_state[i]][design.sensed_state[i]] = 1.0 / (params.sensor_noise[i] * params.sensor_noise[i]);
    }
    matrix_t reach = outer_product(&design.input, params.max_control * params.max_control);
    double regulator = solver_error(plant_only(&design), reach, weights);
    double filter = solver_error(transpose(&design.transition), information, process_noise(&design, period_s));
    return regulator > filter ? regulator : filter;
}
