#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/plot.h"

#define NS_PER_US 1000.0
/* Of our own histogram: 16 buckets an octave from 1 ns to 4 s. */
#define BUCKETS_PER_OCTAVE 16
#define OWN_BUCKETS (32 * BUCKETS_PER_OCTAVE)
#define MAX_BUCKETS 4096

typedef struct summary_t {
    uint64_t calls;
    double min_ns, mean_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
} summary_t;

/* ---- figures ---- */

static int compare_times(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest value that at least this part of all values does not exceed. */
static double quantile(const uint64_t *sorted, size_t count, double part) {
    const size_t rank = (size_t)ceil(part * (double)count);
    return (double)sorted[rank > 0 ? rank - 1 : 0];
}

/* Of times that we measured ourselves; false when memory is short. */
static bool summarise(const uint64_t *times_ns, size_t count, summary_t *out) {
    memset(out, 0, sizeof *out);
    uint64_t *sorted = malloc((count > 0 ? count : 1) * sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    double sum = 0.0;
    for (size_t n = 0; n < count; n++) {
        sorted[n] = times_ns[n];
        sum += (double)times_ns[n];
    }
    qsort(sorted, count, sizeof *sorted, compare_times);
    if (count > 0) {
        *out = (summary_t){count,
                           (double)sorted[0],
                           sum / (double)count,
                           quantile(sorted, count, 0.5),
                           quantile(sorted, count, 0.9),
                           quantile(sorted, count, 0.99),
                           quantile(sorted, count, 0.999),
                           (double)sorted[count - 1]};
    }
    free(sorted);
    return true;
}

/* Of an effect, as the library has measured it, on whichever instance. */
static bool effect_summary(const live_t *effect, summary_t *out, failure_t *failure) {
    rtw_func_stats_t s;
    rtw_slot_stats_t slot;
    if (!live_stats(effect, &s, &slot, failure)) {
        return false;
    }
    *out = (summary_t){s.call.count, s.call.min_ns, s.call.mean_ns, s.call.p50_ns, s.call.p90_ns, s.call.p99_ns, s.call.p999_ns, s.call.max_ns};
    return true;
}

static bool own_summary(const uint64_t *times_ns, const stream_t *stream, summary_t *out, failure_t *failure) {
    if (!summarise(times_ns, stream->blocks, out)) {
        snprintf(failure->message, sizeof failure->message, "no memory for the statistics");
        return false;
    }
    return true;
}

/* ---- tables ---- */

static void print_header(void) {
    printf("%-12s %8s %9s %9s %9s %9s %9s %9s %9s %8s %8s\n", "us", "calls", "min", "mean", "p50", "p90", "p99", "p99.9",
           "max", "mean %", "max %");
}

static void print_row(const char *name, const summary_t *s, double period_ns) {
    printf("%-12s %8llu %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f %8.2f %8.2f\n", name, (unsigned long long)s->calls,
           s->min_ns / NS_PER_US, s->mean_ns / NS_PER_US, s->p50_ns / NS_PER_US, s->p90_ns / NS_PER_US, s->p99_ns / NS_PER_US,
           s->p999_ns / NS_PER_US, s->max_ns / NS_PER_US, 100.0 * s->mean_ns / period_ns, 100.0 * s->max_ns / period_ns);
}

static bool print_times(const stream_t *stream, failure_t *failure) {
    const double period_ns = stream_period_ns(stream);
    summary_t summary;
    print_header();
    for (size_t i = 0; i < stream->effect_count; i++) {
        if (!effect_summary(&stream->effects[i], &summary, failure)) {
            return false;
        }
        print_row(stream->effects[i].name, &summary, period_ns);
    }
    if (!own_summary(stream->work_ns, stream, &summary, failure)) {
        return false;
    }
    print_row("whole chain", &summary, period_ns);
    if (stream->paced) {
        if (!own_summary(stream->late_ns, stream, &summary, failure)) {
            return false;
        }
        print_row("wake-up late", &summary, period_ns);
    }
    return true;
}

static bool print_failures(const stream_t *stream, failure_t *failure) {
    for (size_t i = 0; i < stream->effect_count; i++) {
        const live_t *effect = &stream->effects[i];
        rtw_func_stats_t func;
        rtw_slot_stats_t slot;
        if (!live_stats(effect, &func, &slot, failure)) {
            return false;
        }
        if (effect->status != RTW_OK) {
            printf("effect '%s' failed in block %zu: %s (%s); %llu faults, %llu spares taken, %zu blocks without it\n", effect->name,
                   effect->first_block, rtw_status_string(effect->status), rtw_status_name(effect->status),
                   (unsigned long long)slot.faults, (unsigned long long)slot.spares_used, effect->blocks);
        }
        if (slot.taken > 1) {
            printf("effect '%s': %llu new versions taken while it played\n", effect->name, (unsigned long long)slot.taken - 1);
        }
    }
    return true;
}

bool report_print(const stream_t *stream, failure_t *failure) {
    printf("%u Hz, %u channel%s, %u frames a block: a period of %.1f us, %zu blocks, %s\n", (unsigned)stream->in.rate_hz,
           (unsigned)stream->in.channels, stream->in.channels == 1 ? "" : "s", (unsigned)stream->block_frames,
           stream_period_ns(stream) / NS_PER_US, stream->blocks,
           !stream->paced      ? "unpaced"
           : stream->real_time ? "paced, SCHED_FIFO"
                               : "paced, ordinary scheduling");
    if (stream->paced && !stream->real_time) {
        printf("no real-time scheduling, expect late blocks on a busy machine: %s\n", stream->scheduling_refusal.message);
    }
    if (!print_times(stream, failure)) {
        return false;
    }
    if (stream->paced) {
        printf("missed deadlines: %zu of %zu\n", stream->missed, stream->blocks);
    }
    printf("page faults: %ld minor, %ld major\n", stream->minor_faults, stream->major_faults);
    printf("latency: %zu frames, taken out of the output\n", stream_latency_frames(stream));
    return print_failures(stream, failure);
}

/* ---- the plot ---- */

static double bucket_low_ns(size_t index) { return exp2((double)index / BUCKETS_PER_OCTAVE); }

static size_t bucket_of(uint64_t time_ns) {
    const double octaves = time_ns > 1 ? log2((double)time_ns) : 0.0;
    const size_t index = (size_t)(octaves * BUCKETS_PER_OCTAVE);
    return index < OWN_BUCKETS ? index : OWN_BUCKETS - 1;
}

/* Non-empty buckets only, ascending; room for OWN_BUCKETS. */
static size_t own_buckets(const uint64_t *times_ns, size_t count, rtw_bucket_t *out) {
    uint64_t counts[OWN_BUCKETS] = {0};
    size_t used = 0;
    for (size_t n = 0; n < count; n++) {
        counts[bucket_of(times_ns[n])]++;
    }
    for (size_t index = 0; index < OWN_BUCKETS; index++) {
        if (counts[index] > 0) {
            out[used++] = (rtw_bucket_t){
                .low_ns = bucket_low_ns(index), .high_ns = bucket_low_ns(index + 1), .count = counts[index]};
        }
    }
    return used;
}

static plot_series_t make_series(const char *label, const rtw_bucket_t *buckets, size_t count, const summary_t *summary,
                                 double deadline_ns) {
    plot_series_t series;
    memset(&series, 0, sizeof series);
    series.label = label;
    series.buckets = buckets;
    series.bucket_count = count;
    series.p50_ns = summary->p50_ns;
    series.p99_ns = summary->p99_ns;
    series.p999_ns = summary->p999_ns;
    series.max_ns = summary->max_ns;
    series.deadline_ns = deadline_ns;
    return series;
}

static bool effect_series(const live_t *effect, rtw_bucket_t *buckets, double deadline_ns, plot_series_t *out,
                          failure_t *failure) {
    summary_t summary;
    if (!effect_summary(effect, &summary, failure)) {
        return false;
    }
    *out = make_series(effect->name, buckets, live_buckets(effect, buckets, MAX_BUCKETS), &summary, deadline_ns);
    return true;
}

static bool own_series(const stream_t *stream, const uint64_t *times_ns, const char *label, rtw_bucket_t *buckets,
                       plot_series_t *out, failure_t *failure) {
    summary_t summary;
    if (!own_summary(times_ns, stream, &summary, failure)) {
        return false;
    }
    const size_t count = own_buckets(times_ns, stream->blocks, buckets);
    *out = make_series(label, buckets, count, &summary, stream_period_ns(stream));
    return true;
}

/* `buckets` has MAX_BUCKETS for each series. */
static bool collect_series(const stream_t *stream, rtw_bucket_t *buckets, plot_series_t *series, size_t *count,
                           failure_t *failure) {
    const double deadline_ns = stream_period_ns(stream);
    size_t used = 0;
    for (; used < stream->effect_count; used++) {
        if (!effect_series(&stream->effects[used], buckets + used * MAX_BUCKETS, deadline_ns, &series[used], failure)) {
            return false;
        }
    }
    if (!own_series(stream, stream->work_ns, "whole chain", buckets + used * MAX_BUCKETS, &series[used], failure)) {
        return false;
    }
    used++;
    if (stream->paced) {
        if (!own_series(stream, stream->late_ns, "wake-up lateness", buckets + used * MAX_BUCKETS, &series[used], failure)) {
            return false;
        }
        used++;
    }
    *count = used;
    return true;
}

bool report_plot(const stream_t *stream, const char *path, failure_t *failure) {
    plot_series_t series[MAX_CHAIN + 2];
    char title[128];
    size_t count = 0;
    rtw_bucket_t *buckets = calloc((MAX_CHAIN + 2) * MAX_BUCKETS, sizeof *buckets);
    if (buckets == NULL) {
        snprintf(failure->message, sizeof failure->message, "no memory for the histograms");
        return false;
    }
    snprintf(title, sizeof title, "audio: %u frames at %u Hz, %zu blocks", (unsigned)stream->block_frames,
             (unsigned)stream->in.rate_hz, stream->blocks);
    bool ok = collect_series(stream, buckets, series, &count, failure);
    if (ok && plot_latency_svg(path, title, series, count) != 0) {
        snprintf(failure->message, sizeof failure->message, "cannot write %s: %s", path, strerror(errno));
        ok = false;
    }
    free(buckets);
    return ok;
}

/* ---- the page ---- */

bool report_page(const stream_t *stream, const char *path, failure_t *failure) {
    rtw_export_subject_t subjects[MAX_CHAIN];
    char names[MAX_CHAIN][32]; /* with its place: an effect may be in the chain twice */
    rtw_export_config_t config;
    rtw_error_t error;
    memset(subjects, 0, sizeof subjects);
    for (size_t i = 0; i < stream->effect_count; i++) {
        subjects[i].slot = stream->effects[i].slot;
        subjects[i].func_index = LIVE_PROCESS;
        snprintf(names[i], sizeof names[i], "%zu %s", i + 1, stream->effects[i].name);
        subjects[i].name = names[i];
    }
    rtw_export_config_init(&config);
    config.format = RTW_EXPORT_HTML;
    config.path = path;
    if (rtw_export(subjects, stream->effect_count, sizeof *subjects, &config, NULL, &error) != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "the page of statistics: %s", error.message);
        return false;
    }
    return true;
}
