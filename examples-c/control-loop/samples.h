/* Latencies, one a period, kept in memory that was touched before the real-time part, and evaluated after it. */
#ifndef CONTROL_LOOP_SAMPLES_H
#define CONTROL_LOOP_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "rtwasm.h"

typedef struct {
    uint64_t *ns;
    size_t count, capacity;
} samples_t;

typedef struct {
    double min_ns, mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
} summary_t;

/* 0, or -1 when there is no memory. Every page is touched, and locked where the limits allow it. */
int samples_create(samples_t *samples, size_t capacity);
void samples_destroy(samples_t *samples);
/* [rt] One store. Past the capacity the sample is dropped. */
void samples_add(samples_t *samples, uint64_t ns);

/* Sorts the samples; percentiles are nearest-rank. All 0 without samples. */
summary_t samples_summarise(samples_t *samples);
/* Of sorted samples: the non-empty buckets, 16 to an octave, ascending, at most `capacity`; returns how many. */
size_t samples_buckets(const samples_t *samples, rtw_bucket_t *buckets, size_t capacity);
#define SAMPLES_MAX_BUCKETS 1024 /* 64 octaves of 16 */

/* Memory for `count` objects of `size` bytes, touched and if possible locked; NULL when there is none. */
void *resident_calloc(size_t count, size_t size);

#endif
