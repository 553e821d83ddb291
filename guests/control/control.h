/* The interface between a controller guest and its host: both include this file. README.md describes it.
 *
 * Everything that crosses is a double, an int32_t or a pointer into the guest's memory, so the layout below is the same on
 * both sides (WebAssembly is little-endian; so is every machine rtwasm runs on). */
#ifndef RTWASM_GUESTS_CONTROL_H
#define RTWASM_GUESTS_CONTROL_H

#include <stdint.h>

/* The results of init and set_param. */
#define CONTROL_OK 0
#define CONTROL_ERR_PARAM (-1)    /* no parameter has this number */
#define CONTROL_ERR_VALUE (-2)    /* the value is out of range, or not a number */
#define CONTROL_ERR_NO_GAINS (-3) /* the gains could not be computed from these parameters */

#define CONTROL_SIGNALS 8

/* Where io() points. step() copies its arguments' measurement into measurement[0]; further sensors are written by the host
 * before the call. The guest writes control[] and estimate[]. */
typedef struct control_io_t {
    double measurement[CONTROL_SIGNALS]; /* host -> guest */
    double control[CONTROL_SIGNALS];     /* guest -> host; [0] is also what step() returns */
    double estimate[CONTROL_SIGNALS];    /* guest -> host: the observer's state, for a trace; 0 where there is none */
} control_io_t;

/* Parameters of `pid`. They take effect at the next step, without a jump of the control. */
enum {
    PID_KP = 0,           /* control per unit of error; any sign, so that reverse-acting plants work */
    PID_KI = 1,           /* control per unit of error and second */
    PID_KD = 2,           /* control per unit of measurement per second */
    PID_FILTER_S = 3,     /* time constant of the derivative's filter, s; >= 0 */
    PID_LIMIT_LOW = 4,    /* of the control; must stay below PID_LIMIT_HIGH */
    PID_LIMIT_HIGH = 5,
    PID_TRACKING_S = 6,   /* back-calculation time constant of the anti-windup, s; > 0 */
    PID_WEIGHT = 7,       /* set-point weight of the proportional part, 0..1 */
    PID_REFERENCE_RATE = 8, /* largest change of the set-point per second; 0: not limited */
};

/* Parameters of `lqr_kalman`. They take effect at the next init, which computes the gains from them. */
enum {
    LQR_MODEL = 0,         /* LQR_MODEL_MOTOR or LQR_MODEL_PENDULUM */
    LQR_LIMIT = 1,         /* largest magnitude of the control; > 0 */
    LQR_MAX_STATE = 2,     /* 2..5: the deviation of state 0..3 that is as bad as LQR_MAX_CONTROL; > 0 */
    LQR_MAX_CONTROL = 6,   /* > 0 */
    LQR_SENSOR_NOISE = 7,  /* 7..8: standard deviation of measurement 0..1; > 0 */
    LQR_INPUT_NOISE = 9,   /* noise on the control, as a density (control / sqrt(Hz)); > 0 */
    LQR_DISTURBANCE_DRIFT = 10, /* how fast the unknown load may wander (control / sqrt(s)); > 0 */
    LQR_PHYSICAL = 16,     /* 16..21: the model's physical constants, in the order below */
};

enum { LQR_MODEL_MOTOR = 0, LQR_MODEL_PENDULUM = 1 };

/* LQR_PHYSICAL + ..., for the motor; states: angle (rad), speed (rad/s), current (A); measurement 0: angle; control: V */
enum {
    MOTOR_RESISTANCE = 0, /* ohm */
    MOTOR_INDUCTANCE = 1, /* H */
    MOTOR_CONSTANT = 2,   /* N m / A, and V s / rad */
    MOTOR_INERTIA = 3,    /* kg m^2, the load included */
    MOTOR_FRICTION = 4,   /* N m s / rad */
};

/* LQR_PHYSICAL + ..., for the pendulum; states: cart position (m), cart speed (m/s), angle from upright (rad), angular speed
 * (rad/s); measurements: 0 position, 1 angle; control: force on the cart, N */
enum {
    PENDULUM_CART_MASS = 0,     /* kg */
    PENDULUM_POLE_MASS = 1,     /* kg */
    PENDULUM_LENGTH = 2,        /* m, from the pivot to the pole's centre of mass */
    PENDULUM_INERTIA = 3,       /* kg m^2, of the pole about its centre of mass */
    PENDULUM_CART_FRICTION = 4, /* N s / m */
    PENDULUM_POLE_FRICTION = 5, /* N m s / rad */
};

#endif
