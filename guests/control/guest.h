/* Shared by the controller guests. A guest imports nothing. */
#ifndef RTWASM_GUESTS_CONTROL_GUEST_H
#define RTWASM_GUESTS_CONTROL_GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "../include/rtw_guest.h"
#include "control.h"

/* The same source compiles natively, to be compared with the guest: a C file then includes it, and the exports are its own. */
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
#define GUEST_EXPORT(name) RTWG_EXPORT(name)
#else
#define EXPORT(name) static
#define GUEST_EXPORT(name) static inline
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
