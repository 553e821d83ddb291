/* The command line of control_loop. */
#ifndef CONTROL_LOOP_OPTIONS_H
#define CONTROL_LOOP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_NONE (-1) /* not pinned */

typedef struct {
    const char *controller, *plant, *artifacts, *report, *csv; /* report, csv: NULL when not asked for */
    const char *profile_name;
    uint32_t profile; /* RTW_PROFILE_... */
    double seconds, rate_hz;
    int cpu;
    int priority; /* 0: normal scheduling */
    bool fast;
} options_t;

typedef enum { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_result_t;

/* OPTIONS_WRONG: the reason has been written to standard error. */
options_result_t options_parse(options_t *options, int argc, char **argv);
void options_print_help(void);

#endif
