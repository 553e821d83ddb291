/* The output of control_loop after the run. Not for the real-time thread. */
#ifndef CONTROL_LOOP_REPORT_H
#define CONTROL_LOOP_REPORT_H

#include "loop.h"
#include "options.h"

void report_start(const loop_t *loop, const options_t *options);
/* Tables, misses, control error, fault. */
void report_run(const loop_t *loop, const options_t *options, const rtw_func_stats_t *call);
/* 0, or -1 when the file could not be written; the reason is then on standard error. */
int report_csv(const loop_t *loop, const char *path);
/* Writes the times of the guest's step, and of the worker if there is one; the file's name says in which format (export.h). */
int report_write(const loop_t *loop, const char *path);

#endif
