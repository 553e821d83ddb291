/* A controller that works for FAULT_AFTER_STEPS steps and then divides by zero: what a host's handling of a guest's fault is
 * tested with. Steps with the set-point 0 do not count, so that dry calls at rest pass. The interface is that of the others. */
#include "guest.h"

#define FAULT_AFTER_STEPS 100

static volatile int32_t steps_left = FAULT_AFTER_STEPS; /* volatile: the division must happen, not be reasoned away */
static volatile int32_t quotient;
static control_io_t signals;

EXPORT(reset) void reset(void)
{
    steps_left = FAULT_AFTER_STEPS;
}

EXPORT(init) int32_t init(double period)
{
    reset();
    return period > 0.0 ? CONTROL_OK : CONTROL_ERR_VALUE;
}

EXPORT(set_param) int32_t set_param(int32_t id, double value)
{
    (void)id, (void)value;
    return CONTROL_OK;
}

EXPORT(io) control_io_t *io(void)
{
    return &signals;
}

EXPORT(step) double step(double reference, double measurement)
{
    quotient = FAULT_AFTER_STEPS / steps_left;
    if (reference != 0.0) steps_left = steps_left - 1;
    return reference - measurement;
}
