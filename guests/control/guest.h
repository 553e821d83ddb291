/* Shared by the controller guests. A guest imports nothing. */
#ifndef RTWASM_GUESTS_CONTROL_GUEST_H
#define RTWASM_GUESTS_CONTROL_GUEST_H

#include <stdbool.h>

#include "control.h"

/* The same source compiles natively, to be compared with the guest: a C file then includes it, and the exports are its own. */
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name) static
#endif

static inline bool is_number(double value)
{
    return value - value == 0.0; /* false for NaN and the infinities */
}

static inline double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static inline double magnitude(double value)
{
    return value < 0.0 ? -value : value;
}

#endif
