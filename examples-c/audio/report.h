/* The audio example's report on a finished stream: tables on the standard output, statistics as a file. */
#ifndef RTWASM_EXAMPLE_REPORT_H
#define RTWASM_EXAMPLE_REPORT_H

#include <stdbool.h>

#include "stream.h"

/* False when the library refuses a statistic; `failure` says which. */
bool report_print(const stream_t *stream, failure_t *failure);
/* Writes the times of the effects, of the whole chain and of the wake-ups; the file's name says in which format (export.h). */
bool report_write(const stream_t *stream, const char *path, failure_t *failure);

#endif
