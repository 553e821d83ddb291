/* A step of a Kalman filter with six states: three axes' positions and speeds, of which the positions are measured, one by one. */
#include "../../../guests/kernels/kernel.h"

enum { STATES = 6, AXES = 3 };

static const double period = 1e-3, drift = 1e-4, noise = 1e-2;
static double state[STATES], covariance[STATES][STATES];
static uint32_t seed;

EXPORT(init) void init(void)
{
    seed = 12;
    for (size_t i = 0; i < STATES; i++) {
        state[i] = 0.0;
        for (size_t k = 0; k < STATES; k++) covariance[i][k] = i == k ? 1.0 : 0.0;
    }
}

/* Positions come first, then the speeds. */
static void predict(void)
{
    for (size_t i = 0; i < AXES; i++) state[i] += period * state[AXES + i];
    for (size_t i = 0; i < AXES; i++)
        for (size_t k = 0; k < STATES; k++) covariance[i][k] += period * covariance[AXES + i][k];
    for (size_t i = 0; i < STATES; i++)
        for (size_t k = 0; k < AXES; k++) covariance[i][k] += period * covariance[i][AXES + k];
    for (size_t i = AXES; i < STATES; i++) covariance[i][i] += drift;
}

static void correct(size_t axis, double measured)
{
    double row[STATES];
    for (size_t k = 0; k < STATES; k++) row[k] = covariance[axis][k];
    const double scale = 1.0 / (row[axis] + noise), error = measured - state[axis];
    for (size_t i = 0; i < STATES; i++) {
        const double gain = covariance[i][axis] * scale;
        state[i] += gain * error;
        for (size_t k = 0; k < STATES; k++) covariance[i][k] -= gain * row[k];
    }
}

EXPORT(run) void run(void)
{
    predict();
    for (size_t axis = 0; axis < AXES; axis++) correct(axis, (double)(int32_t)next_random(&seed) * 0x1p-31);
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(state, sizeof state) ^ checksum_of(covariance, sizeof covariance);
}
