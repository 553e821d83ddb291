/* Which controllers can drive which plants, and the parameters that do it. */
#ifndef CONTROL_LOOP_TUNING_H
#define CONTROL_LOOP_TUNING_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int32_t id; /* of guests/control/control.h */
    double value;
} tuning_param_t;

typedef struct {
    const char *controller, *plant;
    const char *guest; /* the artifact's name without profile and ending */
    const tuning_param_t *params;
    size_t param_count;
} tuning_t;

/* NULL when there is none for the pair. */
const tuning_t *tuning_find(const char *controller, const char *plant);

#endif
