/* The machines to be controlled, simulated: what would be hardware elsewhere. Real-time safe: no allocation, no input or
 * output, a bounded number of operations for a bounded duration. */
#ifndef CONTROL_LOOP_PLANT_H
#define CONTROL_LOOP_PLANT_H

#include <stddef.h>

#define PLANT_MAX_STATES 4
#define PLANT_MAX_SENSORS 2

/* From `at_s` of the scenario on, until the next event. */
typedef struct {
    double at_s;
    double reference;   /* for sensor 0 */
    double disturbance; /* the plant's own kind: see its description */
} plant_event_t;

typedef struct plant_model_t {
    const char *name;
    const char *control_unit, *output_unit; /* of the actuator; of sensor 0 and the reference */
    size_t state_count, sensor_count;
    size_t sensed_state[PLANT_MAX_SENSORS];
    double sensor_step[PLANT_MAX_SENSORS]; /* an encoder's resolution */
    double control_limit;                  /* the actuator saturates here */
    double initial_state[PLANT_MAX_STATES];
    void (*rates)(const double *state, double control, double disturbance, double *rate);
    const plant_event_t *events; /* ascending, the first at 0 */
    size_t event_count;
    double scenario_s; /* then it starts over */
    double settle_s;   /* what the controllers are given after an event before an error counts */
} plant_model_t;

typedef struct {
    const plant_model_t *model;
    double state[PLANT_MAX_STATES];
} plant_t;

/* The scenario's set-point at a time. */
typedef struct {
    double reference, disturbance;
    double since_event_s;
} plant_task_t;

/* "motor" or "pendulum"; NULL for another name. */
const plant_model_t *plant_find(const char *name);

void plant_reset(plant_t *plant, const plant_model_t *model);
/* Integrates over `duration_s` with the control held, as a converter holds it. */
void plant_advance(plant_t *plant, double control, double disturbance, double duration_s);
/* The encoder's reading. */
double plant_sense(const plant_t *plant, size_t sensor);
/* The true value of the controlled output, which no controller sees. */
double plant_output(const plant_t *plant);
plant_task_t plant_task_at(const plant_model_t *model, double time_s);

#endif
