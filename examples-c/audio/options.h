/* The command line of the audio example. */
#ifndef RTWASM_EXAMPLE_OPTIONS_H
#define RTWASM_EXAMPLE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/wav.h"
#include "fallback.h"

#define MIN_BLOCK_FRAMES 16
#define MAX_BLOCK_FRAMES 4096
#define MAX_CHAIN 8
#define MAX_SETTINGS 64

typedef struct param_setting_t {
    const char *effect; /* as effect_find gives it, so that the pointer tells which it is */
    int32_t id;
    float value;
} param_setting_t;

typedef struct options_t {
    const char *in_path, *out_path;
    const char *artifacts; /* the folder of eq.standalone.rtw or eq.rtw, and so on */
    const char *report_path; /* NULL: no statistics as a file */
    uint32_t block_frames;
    bool fast;        /* no pacing: as fast as it goes */
    uint32_t profile; /* RTW_PROFILE_... */
    const char *chain[MAX_CHAIN];
    size_t chain_length;
    int32_t priority;
    int32_t cpu;         /* -1: any */
    double limit_s;      /* of the input; 0: all of it */
    double tail_s;       /* of silence after the input, for what still rings */
    wav_format_t format; /* of the output */
    bool dither;
    fallback_policy_t on_failure; /* what is heard of an effect that has failed */
    double fade_ms;               /* from one to the other */
    int32_t standby;              /* spares behind each effect */
    double budget_ms;             /* of a block in one effect; 0: as long as it likes; negative: chosen by the block's length */
    bool watch;                   /* play new versions of the artifacts as they come */
    param_setting_t settings[MAX_SETTINGS]; /* the example's own, then the user's */
    size_t setting_count;
} options_t;

typedef enum options_result_t { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_result_t;

/* Prints what is wrong, or the help. */
options_result_t options_parse(int argc, char **argv, options_t *out);

#endif
