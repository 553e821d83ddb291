/* Shared by the tests of a host's states. */
#ifndef RTWASM_TEST_HOSTS_H
#define RTWASM_TEST_HOSTS_H

#include "../support/common.h"

/* The guest `states` with everything that a call needs. `visit` is its host function, or NULL for one that answers its argument. */
typedef struct life_t {
    guest_t guest;
    rtw_imports_t *imports;
} life_t;

/* `budget_ns` 0: none. */
life_t begin_life(rtw_host_func_t visit, void *user_data, uint64_t budget_ns);
/* Begins a life; returns the status of a failure instead of ending the test. `life` has to be ended in any case. */
rtw_status_t try_life(life_t *life, rtw_host_func_t visit, void *user_data, uint64_t budget_ns, rtw_error_t *err);
void end_life(life_t *life);

/* Attaches and prepares. */
void ready(life_t *life);

/* Everything that is promised of a guest: it computes, each kind of trap is a status, a reset brings it back. `who` is put in
 * front. With `budget`, an endless loop is cut off as well. Returns the number of things that went wrong, and says each. */
int whole(life_t *life, const char *who, bool budget);

#endif
