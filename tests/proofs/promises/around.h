/* The process and the threads that run beside the calls. One thread always reads statistics of the calls. In the mode `pressed`, a process
 * fills memory, and a thread has the library's pages reclaimed where they can be. In the mode `beside`, a thread loads and drops modules
 * and instances. */
#ifndef RTWASM_PROMISES_AROUND_H
#define RTWASM_PROMISES_AROUND_H

#include "../proof.h"

#include <sys/types.h>

/* The program's modes; at rest: without one. */
bool pressed(void);
bool beside(void);
bool at_rest(void);

/* Starts a process that fills memory, and has the kernel drop the page cache where it may. To be called before anything is made present:
 * a fork turns every private page into one that the next write has to copy. */
pid_t press_memory(void);
void stop_pressing(pid_t presser);

/* Starts the mode's threads; `read` is the func whose statistics are read. */
void start_around(rtw_runtime_t *runtime, rtw_func_t *read);
/* Ends and joins them. */
void end_around(void);
/* Returns when the housekeeper has found the signals in order. A thread that starts another has all signals blocked for a moment: if the
 * housekeeper looks just then, calls check for themselves until one of its next looks. */
void wait_for_quiet_signals(const rtw_runtime_t *runtime);

#endif
