/* What the audio example tells about a stream that has run: tables on the standard output, histograms as a picture. */
#ifndef RTWASM_EXAMPLE_REPORT_H
#define RTWASM_EXAMPLE_REPORT_H

#include <stdbool.h>

#include "stream.h"

/* False when the library refuses a statistic; `failure` says which. */
bool report_print(const stream_t *stream, failure_t *failure);
bool report_plot(const stream_t *stream, const char *path, failure_t *failure);
/* A page that the library writes of the effects' call times. */
bool report_page(const stream_t *stream, const char *path, failure_t *failure);

#endif
