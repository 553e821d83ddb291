/* A WAV file through WebAssembly effects on a real-time thread: the example's main program.
 *
 *   audio [options] in.wav out.wav
 *
 * The order of things is the one that a real host has. Slow and fallible things come first, on the main thread: read the
 * file, create the runtime, load the artifacts, set the parameters. Then a thread of its own attaches itself, makes the
 * effects warm, and runs the cycle (stream.c). The main thread only waits, and afterwards tells what was measured (report.c).
 */
#include <stdio.h>
#include <string.h>

#include "effect.h"
#include "options.h"
#include "report.h"
#include "stream.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_BYPASSED 3

typedef struct program_t {
    options_t options;
    wav_audio_t in;
    rtw_runtime_t *runtime;
    effect_t effects[MAX_CHAIN];
    stream_t stream;
} program_t;

static bool complain(const char *what, const char *message) {
    fprintf(stderr, "audio: %s%s%s\n", what, what[0] != '\0' ? ": " : "", message);
    return false;
}

static bool read_input(program_t *p) {
    wav_error_t error;
    if (!wav_read(p->options.in_path, &p->in, &error)) {
        return complain(p->options.in_path, error.message);
    }
    if (p->in.channels > EFFECT_MAX_CHANNELS) {
        return complain(p->options.in_path, "only mono and stereo files can be processed");
    }
    const double limit = p->options.limit_s * p->in.rate_hz;
    if (limit > 0.0 && limit < (double)p->in.frames) {
        p->in.frames = (size_t)limit;
    }
    if (p->in.frames == 0) {
        return complain(p->options.in_path, "there is no sound in it");
    }
    return true;
}

static bool create_runtime(program_t *p) {
    rtw_runtime_config_t config;
    rtw_error_t error;
    rtw_runtime_config_init(&config);
    config.profile = p->options.profile;
    if (rtw_runtime_create(&config, &p->runtime, &error) != RTW_OK) {
        return complain("cannot create the runtime", error.message);
    }
    return true;
}

static bool exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        fclose(file);
    }
    return file != NULL;
}

/* Where artifacts of both profiles lie side by side, the name tells them apart: eq.plugin.rtw; otherwise eq.rtw will do. */
static bool artifact_path(const options_t *options, const char *effect, char *out, size_t size) {
    const char *profile = options->profile == RTW_PROFILE_PLUGIN ? "plugin" : "standalone";
    if (snprintf(out, size, "%s/%s.%s.rtw", options->artifacts, effect, profile) >= (int)size) {
        return complain(options->artifacts, "the path is too long");
    }
    if (!exists(out)) {
        snprintf(out, size, "%s/%s.rtw", options->artifacts, effect); /* shorter, so it fits */
    }
    return true;
}

static bool load_effects(program_t *p) {
    for (size_t i = 0; i < p->options.chain_length; i++) {
        char path[4096];
        failure_t failure;
        if (!artifact_path(&p->options, p->options.chain[i], path, sizeof path)) {
            return false;
        }
        if (!effect_load(&p->effects[i], p->runtime, p->options.chain[i], path, &failure)) {
            return complain("", failure.message);
        }
    }
    return true;
}

static bool configure_effect(const program_t *p, effect_t *effect, failure_t *failure) {
    if (!effect_init(effect, p->in.rate_hz, p->in.channels, p->options.block_frames, failure)) {
        return false;
    }
    for (size_t i = 0; i < p->options.setting_count; i++) {
        const param_setting_t *setting = &p->options.settings[i];
        if (setting->effect == effect->name && !effect_set_param(effect, setting->id, setting->value, failure)) {
            return false;
        }
    }
    return true;
}

static bool configure_effects(program_t *p) {
    failure_t failure;
    for (size_t i = 0; i < p->options.chain_length; i++) {
        if (!configure_effect(p, &p->effects[i], &failure)) {
            return complain("", failure.message);
        }
    }
    return true;
}

/* Calls into guests need an attached thread; this one is attached for as long as it configures, as it is. */
static bool configure_attached(program_t *p) {
    rtw_thread_config_t config;
    rtw_error_t error;
    rtw_thread_config_init(&config);
    config.sched_policy = RTW_SCHED_KEEP;
    if (rtw_thread_attach(p->runtime, &config, &error) != RTW_OK) {
        return complain("cannot attach the main thread", error.message);
    }
    const bool ok = configure_effects(p);
    rtw_thread_detach(p->runtime, NULL);
    return ok;
}

static bool run(program_t *p) {
    failure_t failure;
    if (!stream_create(&p->stream, p->runtime, p->effects, &p->options, &p->in, &failure) ||
        !stream_run(&p->stream, &failure)) {
        return complain("", failure.message);
    }
    return true;
}

/* The effects' latency is cut off at the start, so that input and output lie on top of each other. */
static bool write_output(const program_t *p) {
    const size_t latency = stream_latency_frames(&p->stream);
    const size_t tail = (size_t)(p->options.tail_s * p->in.rate_hz);
    wav_audio_t view = p->stream.out;
    wav_error_t error;
    size_t clipped;
    view.frames = p->in.frames + tail;
    for (uint32_t channel = 0; channel < view.channels; channel++) {
        view.channel[channel] += latency;
    }
    if (!wav_write(p->options.out_path, &view, p->options.format, p->options.dither, &clipped, &error)) {
        return complain(p->options.out_path, error.message);
    }
    if (clipped > 0) {
        printf("clipped samples: %zu\n", clipped);
    }
    printf("output: %s, %zu frames\n", p->options.out_path, view.frames);
    return true;
}

static bool report(const program_t *p) {
    failure_t failure;
    if (!report_print(&p->stream, &failure)) {
        return complain("", failure.message);
    }
    if (!write_output(p)) {
        return false;
    }
    if (p->options.plot_path != NULL) {
        if (!report_plot(&p->stream, p->options.plot_path, &failure)) {
            return complain("", failure.message);
        }
        printf("plot: %s\n", p->options.plot_path);
    }
    if (p->options.report_path != NULL) {
        if (!report_page(&p->stream, p->options.report_path, &failure)) {
            return complain("", failure.message);
        }
        printf("report: %s\n", p->options.report_path);
    }
    return true;
}

static bool any_bypassed(const stream_t *stream) {
    for (size_t i = 0; i < stream->effect_count; i++) {
        if (stream->bypasses[i].status != RTW_OK) {
            return true;
        }
    }
    return false;
}

static int run_program(program_t *p) {
    if (!read_input(p) || !create_runtime(p) || !load_effects(p) || !configure_attached(p) || !run(p) || !report(p)) {
        return EXIT_FAILED;
    }
    return any_bypassed(&p->stream) ? EXIT_BYPASSED : 0;
}

static void clean_up(program_t *p) {
    stream_free(&p->stream);
    for (size_t i = 0; i < MAX_CHAIN; i++) {
        effect_unload(&p->effects[i]);
    }
    rtw_runtime_destroy(p->runtime);
    wav_free(&p->in);
}

int main(int argc, char **argv) {
    static program_t program;
    switch (options_parse(argc, argv, &program.options)) {
        case OPTIONS_HELP:
            return 0;
        case OPTIONS_WRONG:
            return EXIT_USAGE;
        default:
            break;
    }
    const int status = run_program(&program);
    clean_up(&program);
    return status;
}
