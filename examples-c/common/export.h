/* Statistics as a file, written by the library in the format that the file's name asks for. Not for a real-time thread. */
#ifndef RTWASM_EXAMPLES_EXPORT_H
#define RTWASM_EXAMPLES_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "rtwasm.h"

#define EXPORT_ENDINGS ".html, .json, .csv, .hlog or .prom"

/* True if the name ends in one of EXPORT_ENDINGS: a page with tables and plots, everything there is, the buckets as a table,
 * HdrHistogram's interval log, OpenMetrics text. */
bool export_is_possible(const char *path);
/* Writes the subjects' statistics to `path`, all together. Errors: those of rtw_export, and RTW_ERR_ARGUMENT where
 * export_is_possible returns false. */
rtw_status_t export_file(const rtw_export_subject_t *subjects, size_t count, const char *path, rtw_error_t *err);

#endif
