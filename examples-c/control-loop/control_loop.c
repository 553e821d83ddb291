/* A control loop whose controller is a WebAssembly guest: see README.md. This file puts the parts together:
 * options.c (command line), plant.c (the simulated machine), tuning.c (parameters), controller.c (the guest through rtwasm),
 * loop.c (the real-time thread), report.c (how what was measured is shown). */
#define _POSIX_C_SOURCE 200809L /* mlock */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loop.h"
#include "options.h"
#include "report.h"

enum { EXIT_RAN = 0, EXIT_COULD_NOT_RUN = 1, EXIT_USAGE = 2, EXIT_GUEST_FAULT = 3 };

static int report_failure(const char *what, rtw_status_t status, const rtw_error_t *err)
{
    fprintf(stderr, "control_loop: %s: %s (%s)\n", what, err->message, rtw_status_name(status));
    return EXIT_COULD_NOT_RUN;
}

static int write_files(const loop_t *loop, const options_t *options)
{
    int result = EXIT_RAN;
    if (options->csv && report_csv(loop, options->csv) != 0) result = EXIT_COULD_NOT_RUN;
    if (options->report && report_write(loop, options->report) != 0) result = EXIT_COULD_NOT_RUN;
    return result;
}

static int evaluate(loop_t *loop, const options_t *options)
{
    rtw_func_stats_t call;
    rtw_func_stats_init(&call);
    rtw_status_t status = rtw_func_stats(loop->controller->step, &call);
    if (status != RTW_OK) {
        fprintf(stderr, "control_loop: statistics of step: %s\n", rtw_status_string(status));
        return EXIT_COULD_NOT_RUN;
    }
    report_run(loop, options, &call);
    int result = write_files(loop, options);
    return loop->counts.faults > 0 ? EXIT_GUEST_FAULT : result;
}

static void on_start(const loop_t *loop, void *options)
{
    report_start(loop, options);
}

static int run_loop(loop_t *loop, options_t options)
{
    rtw_error_t err;
    rtw_status_t status = loop_run(loop, on_start, &options, &err);
    int result = status == RTW_OK ? evaluate(loop, &options) : report_failure("setting up the real-time thread", status, &err);
    loop_close(loop);
    return result;
}

/* Memory that the real-time thread will write to: touched, and locked where the limits allow it. */
static void *resident_calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    void *memory = malloc(count * size);
    if (!memory) return NULL;
    memset(memory, 0xFF, count * size); /* not calloc: its pages would be taken at their first use, in the loop */
    memset(memory, 0, count * size);
    (void)mlock(memory, count * size); /* a refusal costs nothing unless memory runs short */
    return memory;
}

static int run_with_memory(loop_t *loop, const options_t *options)
{
    if (options->csv) loop->trace = resident_calloc(loop->periods, sizeof *loop->trace);
    if (options->csv && !loop->trace) {
        fprintf(stderr, "control_loop: no memory for the trace of %zu periods\n", loop->periods);
        return EXIT_COULD_NOT_RUN;
    }
    int result = run_loop(loop, *options);
    free(loop->trace);
    return result;
}

static int run_with_controller(rtw_runtime_t *runtime, const tuning_t *tuning, const options_t *options)
{
    char path[4096];
    rtw_error_t err;
    controller_t controller;
    if (snprintf(path, sizeof path, "%s/%s.%s.rtw", options->artifacts, tuning->guest, options->profile_name) >= (int)sizeof path) {
        fprintf(stderr, "control_loop: --artifacts: the path is too long\n");
        return EXIT_USAGE;
    }
    rtw_status_t status = controller_open(&controller, runtime, path, &err);
    if (status != RTW_OK) return report_failure(path, status, &err);

    loop_t loop = {
        .runtime = runtime,
        .controller = &controller,
        .plant_model = plant_find(options->plant),
        .tuning = tuning,
        .period_ns = (uint64_t)llround(1e9 / options->rate_hz),
        .periods = (size_t)llround(options->seconds * options->rate_hz),
        .fast = options->fast,
        .priority = options->priority,
        .cpu = options->cpu,
    };
    int result = run_with_memory(&loop, options);
    controller_close(&controller);
    return result;
}

/* Prints what controllers log. Runs on the runtime's housekeeper thread, which empties the guests' logs: it may write to a file. */
static void print_log(void *user_data, rtw_instance_t *instance, uint32_t level, const char *text, size_t length)
{
    (void)user_data, (void)instance;
    fprintf(stderr, "control_loop: the controller %s: %.*s\n", level >= RTW_LOG_WARNING ? "warns" : "says", (int)length, text);
}

static int run(const tuning_t *tuning, const options_t *options)
{
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_error_t err;
    rtw_runtime_config_init(&config);
    config.profile = options->profile;
    config.on_log = print_log;
    config.memory_lock = RTW_LOCK_ON; /* a refusal is no error: report_start shows how much is locked */
    rtw_status_t status = rtw_runtime_create(&config, &runtime, &err);
    if (status != RTW_OK) return report_failure("runtime", status, &err);
    int result = run_with_controller(runtime, tuning, options);
    rtw_runtime_destroy(runtime);
    return result;
}

int main(int argc, char **argv)
{
    options_t options;
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP: options_print_help(); return EXIT_RAN;
    case OPTIONS_WRONG: return EXIT_USAGE;
    case OPTIONS_RUN: break;
    }
    const tuning_t *tuning = tuning_find(options.controller, options.plant);
    if (!tuning) {
        fprintf(stderr, "control_loop: %s cannot control the %s: it sees one sensor, so the cart would run away; use --controller lqr\n",
                options.controller, options.plant);
        return EXIT_USAGE;
    }
    return run(tuning, &options);
}
