#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/export.h"

void report_start(const loop_t *loop, const options_t *options)
{
    printf("control loop: %s controls %s, %g Hz for %g s, profile %s\n", options->controller, options->plant, options->rate_hz,
           options->seconds, options->profile_name);
    if (loop->fifo_refused) {
        printf("SCHED_FIFO not permitted here: %s; running with normal scheduling; latencies will be worse\n", loop->fifo_error.message);
    } else if (options->fast) {
        printf("scheduling: normal, and no pacing (--fast): simulated time only\n");
    } else if (options->priority == 0) {
        printf("scheduling: normal (--priority 0)\n");
    } else {
        printf("scheduling: SCHED_FIFO, priority %d\n", options->priority);
    }
    if (options->cpu == CPU_NONE) printf("pinned to: no CPU\n");
    else printf("pinned to: CPU %d\n", options->cpu);
    printf("prepared: %" PRIu64 " KiB touched, %" PRIu64 " KiB locked, first call %.0f ns, warm call %.0f ns\n\n",
           loop->prepared.touched_bytes / 1024, loop->prepared.locked_bytes / 1024, loop->prepared.first_call_ns,
           loop->prepared.steady_call_ns);
    fflush(stdout);
}

static void print_latency_row(const char *name, double min_ns, double mean_ns, double p50_ns, double p99_ns, double p999_ns, double max_ns)
{
    printf("%-14s %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f\n", name, min_ns / 1e3, mean_ns / 1e3, p50_ns / 1e3, p99_ns / 1e3, p999_ns / 1e3,
           max_ns / 1e3);
}

static void print_control_error(const loop_t *loop)
{
    const control_error_t *error = &loop->error;
    const char *unit = loop->plant_model->output_unit;
    double rms = loop->counts.executed > 0 ? sqrt(error->sum_of_squares / (double)loop->counts.executed) : 0.0;
    printf("control error: RMS %.6f %s, ", rms, unit);
    if (error->settled_steps > 0) printf("max after settling %.6f %s, ", error->max_settled, unit);
    else printf("max after settling: run too short, ");
    printf("final %.6f %s\n", error->final, unit);
}

static void print_fault(const loop_t *loop)
{
    const loop_counts_t *counts = &loop->counts;
    printf("GUEST FAULT at step %" PRIu64 " (%.4f s): %s\n", counts->fault_step, (double)(counts->fault_step * loop->period_ns) * 1e-9,
           counts->fault_status == RTW_OK ? "it returned a control that is not a number" : rtw_status_string(counts->fault_status));
    if (counts->fault_status != RTW_OK) printf("status %s; ", rtw_status_name(counts->fault_status));
    printf("actuator in the safe state (%g %s) for the %" PRIu64 " steps since\n", SAFE_CONTROL, loop->plant_model->control_unit,
           counts->safe_steps);
}

void report_run(const loop_t *loop, const options_t *options, const rtw_func_stats_t *call)
{
    const rtw_distribution_t *wake_up = &loop->stats.wake_up;
    printf("%-14s %9s %9s %9s %9s %9s %9s\n", "latency in us", "min", "mean", "p50", "p99", "p99.9", "max");
    if (!options->fast)
        print_latency_row("wake-up", wake_up->min_ns, wake_up->mean_ns, wake_up->p50_ns, wake_up->p99_ns, wake_up->p999_ns, wake_up->max_ns);
    print_latency_row("call", call->call.min_ns, call->call.mean_ns, call->call.p50_ns, call->call.p99_ns, call->call.p999_ns, call->call.max_ns);
    printf("\nsteps %" PRIu64 ", misses %" PRIu64 " (%" PRIu64 " of them skipped periods), guest calls %" PRIu64 ", guest faults %" PRIu64 "\n",
           loop->counts.executed, loop->stats.misses, loop->stats.skipped, call->call.count, loop->counts.faults);
    if (!options->fast)
        printf("page faults of the real-time thread while it ran: %" PRIu64 "\n", loop->stats.minor_faults + loop->stats.major_faults);
    print_control_error(loop);
    if (loop->counts.faults > 0) print_fault(loop);
}

static int complain(const char *path)
{
    fprintf(stderr, "control_loop: %s: %s\n", path, strerror(errno));
    return -1;
}

int report_csv(const loop_t *loop, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) return complain(path);
    fputs("time_s,reference,output,control", out);
    for (size_t i = 0; i < loop->plant_model->sensor_count; i++) fprintf(out, ",measurement_%zu", i);
    fputs(",wake_up_us\n", out);
    for (size_t period = 0; period < loop->periods; period++) {
        const trace_t *entry = &loop->trace[period];
        if (!entry->ran) continue; /* a skipped period */
        fprintf(out, "%.6f,%.9g,%.9g,%.9g", (double)(period * loop->period_ns) * 1e-9, entry->reference, entry->output, entry->control);
        for (size_t i = 0; i < loop->plant_model->sensor_count; i++) fprintf(out, ",%.9g", entry->measurement[i]);
        fprintf(out, ",%.3f\n", (double)entry->wake_up_ns / 1e3);
    }
    int write_error = ferror(out) ? EIO : 0;
    if (fclose(out) != 0 && write_error == 0) write_error = errno;
    errno = write_error;
    return write_error == 0 ? 0 : complain(path);
}

int report_write(const loop_t *loop, const char *path)
{
    rtw_export_subject_t subjects[2];
    rtw_error_t err;
    memset(subjects, 0, sizeof subjects);
    subjects[0].func = loop->controller->step;
    subjects[1].worker = loop->worker;
    if (export_file(subjects, loop->fast ? 1 : 2, path, &err) == RTW_OK) return 0;
    fprintf(stderr, "control_loop: the statistics: %s\n", err.message);
    return -1;
}
