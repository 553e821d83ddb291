#include "report.h"

#include <stdio.h>
#include <string.h>

#include "../common/export.h"

#define NS_PER_US 1000.0

/* ---- tables ---- */

static void print_header(void) {
    printf("%-12s %8s %9s %9s %9s %9s %9s %9s %9s %8s %8s\n", "us", "calls", "min", "mean", "p50", "p90", "p99", "p99.9",
           "max", "mean %", "max %");
}

static void print_row(const char *name, const rtw_distribution_t *s, double period_ns) {
    printf("%-12s %8llu %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f %8.2f %8.2f\n", name, (unsigned long long)s->count,
           s->min_ns / NS_PER_US, s->mean_ns / NS_PER_US, s->p50_ns / NS_PER_US, s->p90_ns / NS_PER_US, s->p99_ns / NS_PER_US,
           s->p999_ns / NS_PER_US, s->max_ns / NS_PER_US, 100.0 * s->mean_ns / period_ns, 100.0 * s->max_ns / period_ns);
}

static bool print_effect(const live_t *effect, double period_ns, failure_t *failure) {
    rtw_func_stats_t stats;
    rtw_slot_stats_t slot;
    if (!live_stats(effect, &stats, &slot, failure)) {
        return false;
    }
    print_row(effect->name, &stats.call, period_ns);
    return true;
}

static bool print_recorder(const char *name, const rtw_recorder_t *recorder, double period_ns, failure_t *failure) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    const rtw_status_t status = rtw_recorder_stats(recorder, &stats);
    if (status != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "statistics of '%s': %s", name, rtw_status_string(status));
        return false;
    }
    print_row(name, &stats.call, period_ns);
    return true;
}

static bool print_times(const stream_t *stream, failure_t *failure) {
    const double period_ns = stream_period_ns(stream);
    print_header();
    for (size_t i = 0; i < stream->effect_count; i++) {
        if (!print_effect(&stream->effects[i], period_ns, failure)) {
            return false;
        }
    }
    return print_recorder("whole chain", stream->chain, period_ns, failure) &&
           (!stream->paced || print_recorder("wake-up late", stream->lateness, period_ns, failure));
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

/* ---- files ---- */

bool report_write(const stream_t *stream, const char *path, failure_t *failure) {
    rtw_export_subject_t subjects[MAX_CHAIN + 2];
    char names[MAX_CHAIN][32]; /* with its place: an effect may be in the chain twice */
    rtw_error_t error;
    size_t count = stream->effect_count;
    memset(subjects, 0, sizeof subjects);
    for (size_t i = 0; i < count; i++) {
        subjects[i].slot = stream->effects[i].slot;
        subjects[i].func_index = LIVE_PROCESS;
        snprintf(names[i], sizeof names[i], "%zu %s", i + 1, stream->effects[i].name);
        subjects[i].name = names[i];
    }
    subjects[count++].recorder = stream->chain;
    if (stream->paced) {
        subjects[count++].recorder = stream->lateness;
    }
    if (export_file(subjects, count, path, &error) != RTW_OK) {
        snprintf(failure->message, sizeof failure->message, "the statistics: %s", error.message);
        return false;
    }
    return true;
}
