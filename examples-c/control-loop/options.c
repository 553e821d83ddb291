#define _GNU_SOURCE /* sched_getaffinity, CPU_ISSET */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/export.h"

#include "rtwasm.h"

#define MIN_RATE_HZ 200.0 /* below this the tunings are not good */
#define MAX_RATE_HZ 10000.0
#define MAX_PERIODS 50e6 /* the wake-up latency of each is kept */

static int last_allowed_cpu(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return CPU_NONE;
    for (size_t cpu = CPU_SETSIZE; cpu-- > 0;) {
        if (CPU_ISSET(cpu, &allowed)) return (int)cpu;
    }
    return CPU_NONE;
}

void options_print_help(void)
{
    puts("usage: control_loop [options]\n"
         "Controls a simulated machine from a real-time thread; the controller is a WebAssembly guest.\n"
         "  --plant motor|pendulum         the machine (default: motor)\n"
         "  --controller pid|lqr           the guest (default: lqr; the pendulum needs lqr)\n"
         "  --artifacts DIR                where pid.PROFILE.rtw and lqr_kalman.PROFILE.rtw are (default: .)\n"
         "  --profile standalone|plugin    which of them to load (default: standalone)\n"
         "  --seconds N                    how long (default: 5)\n"
         "  --rate HZ                      200 to 10000 (default: 1000)\n"
         "  --cpu N                        pin the real-time thread to CPU N; -1: do not pin (default: the last one allowed)\n"
         "  --priority N                   of SCHED_FIFO, 1 to 99; 0: normal scheduling (default: 80)\n"
         "  --fast                         do not wait for the clock: simulated time only, normal scheduling\n"
         "  --report FILE                  write all times: a page with plots (FILE.html), or as .json, .csv, .hlog, .prom\n"
         "  --csv FILE                     write what happened in each period\n"
         "  --help\n"
         "exit status: 0 done, 1 could not run, 2 wrong command line, 3 the guest failed");
}

static options_result_t refuse(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "control_loop: %s %s: expected %s\n", option, value, expected);
    return OPTIONS_WRONG;
}

static bool parse_number(const char *text, double low, double high, double *out)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= low && value <= high)) return false;
    *out = value;
    return true;
}

static bool parse_integer(const char *text, int low, int high, int *out)
{
    double value;
    if (!parse_number(text, low, high, &value) || value != floor(value)) return false;
    *out = (int)value;
    return true;
}

static bool parse_profile(options_t *options, const char *value)
{
    options->profile_name = value;
    options->profile = strcmp(value, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    return strcmp(value, "plugin") == 0 || strcmp(value, "standalone") == 0;
}

static bool is_one_of(const char *value, const char *first, const char *second)
{
    return strcmp(value, first) == 0 || strcmp(value, second) == 0;
}

static options_result_t parse_valued(options_t *options, const char *option, const char *value)
{
    if (strcmp(option, "--controller") == 0) {
        options->controller = value;
        return is_one_of(value, "pid", "lqr") ? OPTIONS_RUN : refuse(option, value, "pid or lqr");
    }
    if (strcmp(option, "--plant") == 0) {
        options->plant = value;
        return is_one_of(value, "motor", "pendulum") ? OPTIONS_RUN : refuse(option, value, "motor or pendulum");
    }
    if (strcmp(option, "--profile") == 0) {
        return parse_profile(options, value) ? OPTIONS_RUN : refuse(option, value, "standalone or plugin");
    }
    if (strcmp(option, "--seconds") == 0) {
        return parse_number(value, 0.001, 1e6, &options->seconds) ? OPTIONS_RUN : refuse(option, value, "seconds, at least 0.001");
    }
    if (strcmp(option, "--rate") == 0) {
        return parse_number(value, MIN_RATE_HZ, MAX_RATE_HZ, &options->rate_hz) ? OPTIONS_RUN : refuse(option, value, "200 to 10000 Hz");
    }
    if (strcmp(option, "--cpu") == 0) {
        return parse_integer(value, CPU_NONE, 1023, &options->cpu) ? OPTIONS_RUN : refuse(option, value, "a CPU's number, or -1");
    }
    if (strcmp(option, "--priority") == 0) {
        return parse_integer(value, 0, 99, &options->priority) ? OPTIONS_RUN : refuse(option, value, "0 to 99");
    }
    if (strcmp(option, "--report") == 0) {
        options->report = value;
        return export_is_possible(value) ? OPTIONS_RUN : refuse(option, value, "a name that ends in " EXPORT_ENDINGS);
    }
    if (strcmp(option, "--artifacts") == 0) options->artifacts = value;
    else if (strcmp(option, "--csv") == 0) options->csv = value;
    else {
        fprintf(stderr, "control_loop: unknown option %s; --help lists them\n", option);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

options_result_t options_parse(options_t *options, int argc, char **argv)
{
    *options = (options_t){
        .controller = "lqr", .plant = "motor", .artifacts = ".", .profile_name = "standalone", .profile = RTW_PROFILE_STANDALONE,
        .seconds = 5.0, .rate_hz = 1000.0, .cpu = last_allowed_cpu(), .priority = 80,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return OPTIONS_HELP;
        if (strcmp(argv[i], "--fast") == 0) {
            options->fast = true;
            continue;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "control_loop: %s: unknown option, or its value is missing; --help lists them\n", argv[i]);
            return OPTIONS_WRONG;
        }
        options_result_t result = parse_valued(options, argv[i], argv[i + 1]);
        if (result != OPTIONS_RUN) return result;
        i++;
    }
    if (options->seconds * options->rate_hz > MAX_PERIODS) {
        fprintf(stderr, "control_loop: --seconds %g at --rate %g are more than %.0f periods\n", options->seconds, options->rate_hz, MAX_PERIODS);
        return OPTIONS_WRONG;
    }
    if (options->seconds * options->rate_hz < 1.0) {
        fprintf(stderr, "control_loop: --seconds %g at --rate %g are less than one period\n", options->seconds, options->rate_hz);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}
