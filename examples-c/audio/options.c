#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/export.h"
#include "effect.h"

static const char USAGE[] =
    "usage: audio [options] in.wav out.wav\n"
    "\n"
    "Plays a WAV file through effects that are WebAssembly, on a real-time thread, at the pace of the sample clock.\n"
    "in.wav may be - for the standard input, out.wav - for the standard output; what is printed then goes to standard\n"
    "error. Of more than two channels the first two are played. What a program wrote to a pipe, or what is cut off, is\n"
    "read as far as it goes, with a note.\n"
    "\n"
    "  --artifacts DIR       where eq.standalone.rtw (or eq.plugin.rtw, or eq.rtw) and so on lie; default: the current folder\n"
    "  --profile NAME        standalone (default) or plugin; the artifacts must be compiled for the same\n"
    "  --chain LIST          effects in their order (default: eq,reverb,compressor)\n"
    "  --set E.PARAM=VALUE   a parameter of an effect, such as eq.3.gain=6, reverb.room=0.8, compressor.threshold=-24;\n"
    "                        may be repeated; README.md lists them\n"
    "  --block N             frames a block, 16 to 4096 (default 128)\n"
    "  --fast                offline: no pacing, no real-time priority\n"
    "  --priority N          SCHED_FIFO priority, 1 to 98 (default 70)\n"
    "  --cpu N               keep the real-time thread on this CPU\n"
    "  --seconds N           use only the first N seconds of the input\n"
    "  --tail N              seconds of silence after it, for what still rings (default 2)\n"
    "  --format NAME         of the output: pcm16 (default), pcm24, float32\n"
    "  --dither              triangular dither for pcm16\n"
    "  --budget MS           cut an effect off that takes longer than this for a block; 0: never (default: ten blocks, at\n"
    "                        least 100 ms)\n"
    "  --standby N           spares that are ready to go on after a fault, 0 to 16 for each effect (default 2)\n"
    "  --on-failure NAME     what is heard instead of an effect that has failed: dry (default), silence, hold\n"
    "  --fade MS             how one follows the other without a click (default 5)\n"
    "  --watch               play new versions of the artifacts when they change\n"
    "  --report FILE         write all times: a page with plots (FILE.html), or as .json, .csv, .hlog, .prom\n"
    "  --help                this text\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 done, but an effect failed.\n";

/* The example's default settings; the user's --set options come after these. */
static const char *const PRESET[] = {
    "eq.1.gain=2",    "eq.4.gain=2.5",  "eq.6.gain=2",
    "reverb.room=0.7", "reverb.wet=0.25", "reverb.dry=0.8",
    "compressor.threshold=-20", "compressor.ratio=3", "compressor.makeup=5",
};

static bool wrong(const char *what, const char *value) {
    fprintf(stderr, "audio: %s '%s'; --help lists the options\n", what, value);
    return false;
}

static bool parse_number(const char *name, const char *text, double least, double most, double *out) {
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= least && value <= most)) {
        fprintf(stderr, "audio: %s wants a number from %g to %g, not '%s'\n", name, least, most, text);
        return false;
    }
    *out = value;
    return true;
}

static bool parse_integer(const char *name, const char *text, double least, double most, int32_t *out) {
    double value;
    if (!parse_number(name, text, least, most, &value)) {
        return false;
    }
    if (value != floor(value)) {
        fprintf(stderr, "audio: %s wants a whole number, not '%s'\n", name, text);
        return false;
    }
    *out = (int32_t)value;
    return true;
}

/* The index of `text` among names that end with NULL, or -1. */
static int find_name(const char *const *names, const char *text) {
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

static bool parse_chain(const char *text, options_t *out) {
    out->chain_length = 0;
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        const char *name = effect_find(at, length);
        if (name == NULL) {
            return wrong("unknown effect in --chain", text);
        }
        if (out->chain_length == MAX_CHAIN) {
            return wrong("too many effects in --chain", text);
        }
        out->chain[out->chain_length++] = name;
        at += length;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool parse_setting(const char *text, options_t *out) {
    char param[32];
    const size_t effect_length = strcspn(text, ".");
    const char *effect = effect_find(text, effect_length);
    const char *equals = strchr(text, '=');
    if (effect == NULL || equals == NULL || text[effect_length] != '.') {
        return wrong("--set wants EFFECT.PARAM=VALUE, not", text);
    }
    const char *start = text + effect_length + 1;
    const size_t length = equals > start ? (size_t)(equals - start) : 0;
    param_setting_t *setting = &out->settings[out->setting_count];
    if (out->setting_count == MAX_SETTINGS || length >= sizeof param) {
        return wrong("too much for --set", text);
    }
    memcpy(param, start, length);
    param[length] = '\0';
    double value;
    if (!effect_param_id(effect, param, &setting->id)) {
        return wrong("unknown parameter in --set", text);
    }
    /* The effect itself knows the range and will say so. */
    if (!parse_number("--set", equals + 1, -1e6, 1e6, &value)) {
        return false;
    }
    setting->effect = effect;
    setting->value = (float)value;
    out->setting_count++;
    return true;
}

static bool parse_profile(const char *text, options_t *out) {
    static const char *const NAMES[] = {"standalone", "plugin", NULL};
    static const uint32_t PROFILES[] = {RTW_PROFILE_STANDALONE, RTW_PROFILE_PLUGIN};
    const int index = find_name(NAMES, text);
    if (index < 0) {
        return wrong("unknown profile", text);
    }
    out->profile = PROFILES[index];
    return true;
}

static bool parse_format(const char *text, options_t *out) {
    static const char *const NAMES[] = {"pcm16", "pcm24", "float32", NULL};
    static const wav_format_t FORMATS[] = {WAV_PCM16, WAV_PCM24, WAV_FLOAT32};
    const int index = find_name(NAMES, text);
    if (index < 0) {
        return wrong("unknown format", text);
    }
    out->format = FORMATS[index];
    return true;
}

static bool parse_on_failure(const char *text, options_t *out) {
    static const char *const NAMES[] = {"dry", "silence", "hold", NULL};
    static const fallback_policy_t POLICIES[] = {FALLBACK_DRY, FALLBACK_SILENCE, FALLBACK_HOLD};
    const int index = find_name(NAMES, text);
    if (index < 0) {
        return wrong("unknown way to go on", text);
    }
    out->on_failure = POLICIES[index];
    return true;
}

static bool parse_flag(const char *name, options_t *out) {
    if (strcmp(name, "--fast") == 0) {
        out->fast = true;
    } else if (strcmp(name, "--dither") == 0) {
        out->dither = true;
    } else if (strcmp(name, "--watch") == 0) {
        out->watch = true;
    } else {
        return false;
    }
    return true;
}

/* An option with a value. */
static bool parse_option(const char *name, const char *value, options_t *out) {
    static const char *const NAMES[] = {"--artifacts", "--profile", "--chain",   "--set",  "--block",  "--priority", "--cpu",
                                        "--seconds",   "--tail",    "--format", "--report", "--budget", "--standby",
                                        "--on-failure", "--fade",   NULL};
    enum {
        ARTIFACTS, PROFILE, CHAIN, SET, BLOCK, PRIORITY, CPU, SECONDS, TAIL, FORMAT, REPORT, BUDGET, STANDBY, ON_FAILURE, FADE
    };
    const int which = find_name(NAMES, name);
    int32_t block;
    if (which < 0) {
        return wrong("unknown option", name);
    }
    if (value == NULL) {
        return wrong("a value is missing after", name);
    }
    switch (which) {
        case ARTIFACTS:
            out->artifacts = value;
            return true;
        case PROFILE:
            return parse_profile(value, out);
        case CHAIN:
            return parse_chain(value, out);
        case SET:
            return parse_setting(value, out);
        case BLOCK:
            if (!parse_integer(name, value, MIN_BLOCK_FRAMES, MAX_BLOCK_FRAMES, &block)) {
                return false;
            }
            out->block_frames = (uint32_t)block;
            return true;
        case PRIORITY:
            return parse_integer(name, value, 1, 98, &out->priority);
        case CPU:
            return parse_integer(name, value, 0, 1023, &out->cpu);
        case SECONDS:
            return parse_number(name, value, 0.001, 86400, &out->limit_s);
        case TAIL:
            return parse_number(name, value, 0, 3600, &out->tail_s);
        case FORMAT:
            return parse_format(value, out);
        case BUDGET:
            return parse_number(name, value, 0, 1e6, &out->budget_ms);
        case STANDBY:
            return parse_integer(name, value, 0, 16, &out->standby);
        case ON_FAILURE:
            return parse_on_failure(value, out);
        case FADE:
            return parse_number(name, value, 0, 1000, &out->fade_ms);
        default: /* REPORT */
            out->report_path = value;
            return export_is_possible(value) || wrong("--report wants a name that ends in " EXPORT_ENDINGS ", not", value);
    }
}

static void set_defaults(options_t *out) {
    memset(out, 0, sizeof *out);
    out->artifacts = ".";
    out->block_frames = 128;
    out->profile = RTW_PROFILE_STANDALONE;
    out->priority = 70;
    out->cpu = -1;
    out->tail_s = 2.0;
    out->format = WAV_PCM16;
    out->on_failure = FALLBACK_DRY;
    out->fade_ms = 5.0;
    out->standby = 2;
    out->budget_ms = -1.0;
    parse_chain("eq,reverb,compressor", out);
    for (size_t i = 0; i < sizeof PRESET / sizeof PRESET[0]; i++) {
        parse_setting(PRESET[i], out);
    }
}

static bool parse_path(const char *text, options_t *out) {
    if (out->in_path == NULL) {
        out->in_path = text;
    } else if (out->out_path == NULL) {
        out->out_path = text;
    } else {
        return wrong("one file too many:", text);
    }
    return true;
}

options_result_t options_parse(int argc, char **argv, options_t *out) {
    set_defaults(out);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(USAGE, stdout);
            return OPTIONS_HELP;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            if (!parse_path(argv[i], out)) {
                return OPTIONS_WRONG;
            }
        } else if (!parse_flag(argv[i], out)) {
            const char *value = i + 1 < argc ? argv[i + 1] : NULL;
            if (!parse_option(argv[i], value, out)) {
                return OPTIONS_WRONG;
            }
            i++;
        }
    }
    if (out->out_path == NULL) {
        fputs(USAGE, stderr);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}
