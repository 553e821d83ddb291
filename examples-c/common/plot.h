/* Latency histograms as one self-contained SVG file: no script, no external font, no dependency but libc and libm.
 *
 * One panel per series, stacked over a common logarithmic latency axis so that the panels compare at a glance. The count
 * axis is logarithmic too: the one late call in a million is what a real-time reader looks for.
 *
 * Not for a real-time thread: it does file output. */
#ifndef RTWASM_EXAMPLES_PLOT_H
#define RTWASM_EXAMPLES_PLOT_H

#include <stddef.h>

#include "rtwasm.h"

typedef struct {
    const char *label;           /* UTF-8, any characters; NULL: "" */
    const rtw_bucket_t *buckets; /* as rtw_func_buckets writes them; may be NULL if bucket_count is 0 */
    size_t bucket_count;
    double p50_ns, p99_ns, p999_ns, max_ns; /* <= 0: not marked */
    double deadline_ns;                     /* 0: none */
} plot_series_t;

/* Writes `count` panels below `title` to `path`, replacing what is there.
 * Returns 0, or -1 with errno set: EINVAL for missing arguments, otherwise what opening or writing the file said. A file
 * that could not be written to the end is not a valid SVG. Numbers are formatted for the "C" locale. */
int plot_latency_svg(const char *path, const char *title, const plot_series_t *series, size_t count);

#endif
