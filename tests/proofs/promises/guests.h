/* Guests that use more of the library, proved as the other paths are: guests for audio and control, and one with WASI, mathematics and a
 * log. */
#ifndef RTWASM_PROMISES_GUESTS_H
#define RTWASM_PROMISES_GUESTS_H

#include "rtwasm.h"

/* Makes the guests for audio and control in that runtime, the other one in one of its own. */
void set_up_guests(rtw_runtime_t *runtime);
void prove_guests(uint64_t calls);

#endif
