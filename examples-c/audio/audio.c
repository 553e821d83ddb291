/* A WAV file through WebAssembly effects on a real-time thread: the example's main program.
 *
 *   audio [options] in.wav out.wav
 *
 * The order of things is the one that a real host has. Slow and fallible things come first, on the main thread: read the
 * file, create the runtime, load the artifacts, set the parameters, publish the effects in the slots that they play from
 * (live.c). Then a thread of its own attaches itself and runs the cycle (stream.c). The main thread waits, looks for new
 * versions of the effects if an option says so (watch.c), and afterwards reports the measurements (report.c).
 */
/* For dup2 and fdopen. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "effect.h"
#include "live.h"
#include "options.h"
#include "report.h"
#include "stream.h"
#include "watch.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_EFFECT_FAILED 3

typedef struct program_t {
    options_t options;
    wav_audio_t in;
    rtw_runtime_t *runtime;
    effect_t effects[MAX_CHAIN];
    live_t live[MAX_CHAIN];
    watch_t watches[MAX_CHAIN];
    stream_t stream;
    FILE *sound_out; /* the standard output, where the sound goes there; what is printed then goes to standard error */
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
    if (p->in.note[0] != '\0') {
        complain(p->options.in_path, p->in.note);
    }
    if (p->in.channels > EFFECT_MAX_CHANNELS) {
        fprintf(stderr, "audio: %s: of its %u channels the first %d are played\n", p->options.in_path, (unsigned)p->in.channels,
                EFFECT_MAX_CHANNELS);
        p->in.channels = EFFECT_MAX_CHANNELS;
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

/* Prints what effects print and log. Runs on the runtime's housekeeper thread, which empties the guests' logs: it may write to a file. */
static void print_log(void *user_data, rtw_instance_t *instance, uint32_t level, const char *text, size_t length) {
    (void)user_data, (void)instance;
    fprintf(stderr, "audio: an effect %s: %.*s\n", level >= RTW_LOG_WARNING ? "warns" : "says", (int)length, text);
}

static bool create_runtime(program_t *p) {
    rtw_runtime_config_t config;
    rtw_error_t error;
    rtw_runtime_config_init(&config);
    config.profile = p->options.profile;
    config.on_log = print_log;
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

/* A preempted thread's time runs on, so that without real-time scheduling a budget of one block would cut off the innocent. */
static uint64_t budget_ns(const program_t *p) {
    const double ten_blocks_ms = 10.0 * 1000.0 * p->options.block_frames / p->in.rate_hz;
    const double chosen_ms = ten_blocks_ms > 100.0 ? ten_blocks_ms : 100.0;
    return (uint64_t)((p->options.budget_ms < 0 ? chosen_ms : p->options.budget_ms) * 1e6);
}

static bool load_effects(program_t *p) {
    for (size_t i = 0; i < p->options.chain_length; i++) {
        char path[4096];
        failure_t failure;
        if (!artifact_path(&p->options, p->options.chain[i], path, sizeof path)) {
            return false;
        }
        if (!effect_load(&p->effects[i], p->runtime, p->options.chain[i], path, budget_ns(p), &failure)) {
            return complain("", failure.message);
        }
        watch_begin(&p->watches[i], path);
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
        if (!live_open(&p->live[i], p->runtime, &p->effects[i], &p->options, p->in.rate_hz, &failure)) {
            return complain("", failure.message);
        }
        live_wait(&p->live[i], &p->options);
    }
    return true;
}

/* Calls into guests need an attached thread; this one is attached for as long as it configures, as it is. */
static bool attach_main(const program_t *p) {
    rtw_thread_config_t config;
    rtw_error_t error;
    rtw_thread_config_init(&config);
    config.sched_policy = RTW_SCHED_KEEP;
    return rtw_thread_attach(p->runtime, &config, &error) == RTW_OK || complain("cannot attach the main thread", error.message);
}

static bool configure_attached(program_t *p) {
    if (!attach_main(p)) {
        return false;
    }
    const bool ok = configure_effects(p);
    rtw_thread_detach(p->runtime, NULL);
    return ok;
}

/* Configures a new version as the old one was, and publishes it. If that fails, says so, and the old one plays on. */
static bool exchange(program_t *p, size_t i) {
    failure_t failure;
    effect_t fresh;
    if (!effect_load(&fresh, p->runtime, p->options.chain[i], p->watches[i].path, budget_ns(p), &failure)) {
        return complain("not exchanged", failure.message);
    }
    const bool good = configure_effect(p, &fresh, &failure) && live_exchange(&p->live[i], &fresh, &failure);
    effect_unload(&fresh); /* the slot keeps what it has taken */
    return good || complain("not exchanged", failure.message);
}

static void look_for_versions(void *data) {
    program_t *p = data;
    for (size_t i = 0; i < p->options.chain_length; i++) {
        if (watch_changed(&p->watches[i]) && attach_main(p)) {
            exchange(p, i);
            rtw_thread_detach(p->runtime, NULL);
        }
    }
}

static bool run(program_t *p) {
    failure_t failure;
    if (p->options.watch) {
        puts("watching the artifacts");
        fflush(stdout);
    }
    if (!stream_create(&p->stream, p->runtime, p->live, &p->options, &p->in, &failure) ||
        !stream_run(&p->stream, p->options.watch ? look_for_versions : NULL, p, &failure)) {
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
    const bool written =
        p->sound_out != NULL ? wav_write_to(p->sound_out, &view, p->options.format, p->options.dither, &clipped, &error)
                             : wav_write(p->options.out_path, &view, p->options.format, p->options.dither, &clipped, &error);
    if (!written) {
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
    if (p->options.report_path != NULL) {
        if (!report_write(&p->stream, p->options.report_path, &failure)) {
            return complain("", failure.message);
        }
        printf("report: %s\n", p->options.report_path);
    }
    return true;
}

static bool any_failed(const stream_t *stream) {
    for (size_t i = 0; i < stream->effect_count; i++) {
        if (stream->effects[i].status != RTW_OK) {
            return true;
        }
    }
    return false;
}

/* Sound and tables cannot both go to the standard output. */
static bool open_output(program_t *p) {
    if (strcmp(p->options.out_path, "-") != 0) {
        return true;
    }
    const int sound = dup(STDOUT_FILENO);
    p->sound_out = sound < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? NULL : fdopen(sound, "wb");
    return p->sound_out != NULL || complain("standard output", strerror(errno));
}

static int run_program(program_t *p) {
    if (!open_output(p) || !read_input(p) || !create_runtime(p) || !load_effects(p) || !configure_attached(p) || !run(p) || !report(p)) {
        return EXIT_FAILED;
    }
    return any_failed(&p->stream) ? EXIT_EFFECT_FAILED : 0;
}

static void clean_up(program_t *p) {
    stream_free(&p->stream);
    for (size_t i = 0; i < MAX_CHAIN; i++) {
        live_close(&p->live[i]);
    }
    for (size_t i = 0; i < MAX_CHAIN; i++) {
        effect_unload(&p->effects[i]);
    }
    rtw_runtime_destroy(p->runtime);
    wav_free(&p->in);
    if (p->sound_out != NULL) {
        fclose(p->sound_out);
    }
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
