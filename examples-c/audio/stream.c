/* For RUSAGE_THREAD; it brings the POSIX clocks with it. */
#define _GNU_SOURCE

#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S 1000000000u
#define REHEARSALS 16
#define MEANWHILE_NS 20000000u
#define LEAD_PERIODS 4 /* between getting ready and the first block */

/* ---- [setup] ---- */

double stream_period_ns(const stream_t *stream) {
    return (double)stream->block_frames * (double)NS_PER_S / (double)stream->in.rate_hz;
}

size_t stream_latency_frames(const stream_t *stream) {
    size_t sum = 0;
    for (size_t i = 0; i < stream->effect_count; i++) {
        sum += stream->effects[i].latency_frames;
    }
    return sum;
}

/* Memory that calloc gives is not there before it is written to; volatile keeps the writes. */
static void touch(void *memory, size_t bytes) {
    volatile unsigned char *at = memory;
    for (size_t n = 0; n < bytes; n += 1024) {
        at[n] = 0;
    }
}

static bool make_buffers(stream_t *stream, const wav_audio_t *in, size_t frames, failure_t *failure) {
    wav_error_t error;
    if (!wav_create(&stream->in, in->rate_hz, in->channels, stream->blocks * stream->block_frames, &error) ||
        !wav_create(&stream->out, in->rate_hz, in->channels, stream->blocks * stream->block_frames, &error)) {
        snprintf(failure->message, sizeof failure->message, "%s", error.message);
        stream_free(stream);
        return false;
    }
    const size_t bytes = stream->in.frames * in->channels * sizeof(float);
    touch(stream->in.channel[0], bytes);
    touch(stream->out.channel[0], bytes);
    for (uint32_t channel = 0; channel < in->channels; channel++) {
        memcpy(stream->in.channel[channel], in->channel[channel], frames * sizeof(float));
    }
    return true;
}

bool stream_create(stream_t *stream, rtw_runtime_t *runtime, live_t *effects, const options_t *options, const wav_audio_t *in,
                   failure_t *failure) {
    memset(stream, 0, sizeof *stream);
    stream->runtime = runtime;
    stream->effects = effects;
    stream->effect_count = options->chain_length;
    stream->block_frames = options->block_frames;
    stream->paced = !options->fast;
    stream->priority = options->priority;
    stream->cpu = options->cpu;
    const size_t tail = (size_t)(options->tail_s * in->rate_hz);
    const size_t total = in->frames + tail + stream_latency_frames(stream);
    stream->blocks = (total + options->block_frames - 1) / options->block_frames;
    return make_buffers(stream, in, in->frames, failure);
}

void stream_free(stream_t *stream) {
    wav_free(&stream->in);
    wav_free(&stream->out);
    rtw_recorder_destroy(stream->chain);
    rtw_recorder_destroy(stream->lateness);
    memset(stream, 0, sizeof *stream);
}

/* ---- [rt] the cycle ---- */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* no system call: the kernel's clock page */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns) {
    const struct timespec until = {(time_t)(time_ns / NS_PER_S), (long)(time_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

/* When a block begins by the sample clock, counted from the stream's start without adding up rounding errors. */
static uint64_t block_time_ns(const stream_t *stream, size_t block) {
    const uint64_t frames = (uint64_t)block * stream->block_frames;
    const uint64_t rate = stream->in.rate_hz;
    return frames / rate * NS_PER_S + frames % rate * NS_PER_S / rate;
}

/* From input to output through all effects; one that fails is heard as its fallback, until a spare or a new version is there. */
static void process_block(stream_t *stream, size_t block) {
    const uint32_t channels = stream->in.channels;
    const size_t bytes = stream->block_frames * sizeof(float);
    const size_t at = block * stream->block_frames;
    const float *signal[EFFECT_MAX_CHANNELS];
    for (uint32_t channel = 0; channel < channels; channel++) {
        signal[channel] = stream->in.channel[channel] + at;
    }
    for (size_t i = 0; i < stream->effect_count; i++) {
        live_t *effect = &stream->effects[i];
        live_process(effect, signal, block);
        for (uint32_t channel = 0; channel < channels; channel++) {
            signal[channel] = effect->out[channel];
        }
    }
    for (uint32_t channel = 0; channel < channels; channel++) {
        memcpy(stream->out.channel[channel] + at, signal[channel], bytes);
    }
}

static void run_paced(stream_t *stream) {
    const uint64_t start = now_ns() + LEAD_PERIODS * (uint64_t)stream_period_ns(stream);
    for (size_t block = 0; block < stream->blocks; block++) {
        const uint64_t due = start + block_time_ns(stream, block);
        sleep_until(due);
        const uint64_t woken = now_ns();
        process_block(stream, block);
        const uint64_t done = now_ns();
        rtw_recorder_record_ns(stream->lateness, woken - due);
        rtw_recorder_record_ns(stream->chain, done - woken);
        stream->missed += done > start + block_time_ns(stream, block + 1);
    }
}

static void run_unpaced(stream_t *stream) {
    for (size_t block = 0; block < stream->blocks; block++) {
        const uint64_t begun = now_ns();
        process_block(stream, block);
        rtw_recorder_record_ns(stream->chain, now_ns() - begun);
    }
}

/* ---- the thread ---- */

static bool attach(stream_t *stream, uint32_t policy, rtw_error_t *error) {
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.sched_policy = policy;
    config.priority = policy == RTW_SCHED_FIFO ? stream->priority : 0;
    config.cpu = stream->cpu;
    return rtw_thread_attach(stream->runtime, &config, error) == RTW_OK;
}

/* Real-time scheduling if it is granted; without pacing it is not asked for, as a thread that never sleeps must not have it. */
static bool attach_best(stream_t *stream) {
    rtw_error_t error;
    if (stream->paced) {
        stream->real_time = attach(stream, RTW_SCHED_FIFO, &error);
        if (stream->real_time) {
            return true;
        }
        snprintf(stream->scheduling_refusal.message, sizeof stream->scheduling_refusal.message, "%s", error.message);
    }
    if (!attach(stream, RTW_SCHED_KEEP, &error)) {
        snprintf(stream->failure.message, sizeof stream->failure.message, "cannot attach the audio thread: %s", error.message);
        return false;
    }
    return true;
}

/* Creates the recorders, which come with their memory present. */
static bool make_recorders(stream_t *stream) {
    rtw_error_t error;
    if (rtw_recorder_create(stream->runtime, "whole chain", &stream->chain, &error) != RTW_OK ||
        rtw_recorder_create(stream->runtime, "wake-up late", &stream->lateness, &error) != RTW_OK) {
        snprintf(stream->failure.message, sizeof stream->failure.message, "cannot make the recorders: %s", error.message);
        return false;
    }
    return true;
}

/* The effects are warm now; the cycle's own code becomes so by running the first block over and over. Left lazy otherwise: the
 * pages of this program's code, and the dynamic linker's first look for clock_nanosleep and others. There are no recorders yet,
 * so that the rehearsal's times are not recorded. */
static bool rehearse(stream_t *stream) {
    for (int n = 0; n < REHEARSALS; n++) {
        sleep_until(now_ns());
        process_block(stream, 0);
        rtw_recorder_record_ns(stream->chain, 0);
    }
    for (size_t i = 0; i < stream->effect_count; i++) {
        live_t *effect = &stream->effects[i];
        if (effect->status != RTW_OK) {
            snprintf(stream->failure.message, sizeof stream->failure.message, "effect '%s' failed before the start: %s",
                     effect->name, rtw_status_string(effect->status));
            return false;
        }
        if (!live_start_anew(effect, &stream->failure)) {
            return false;
        }
    }
    return true;
}

static void run_measured(stream_t *stream) {
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    if (stream->paced) {
        run_paced(stream);
    } else {
        run_unpaced(stream);
    }
    getrusage(RUSAGE_THREAD, &after);
    stream->minor_faults = after.ru_minflt - before.ru_minflt;
    stream->major_faults = after.ru_majflt - before.ru_majflt;
}

static void *thread_main(void *argument) {
    stream_t *stream = argument;
    if (!attach_best(stream)) {
        stream->failed = true;
    } else {
        if (rehearse(stream) && make_recorders(stream)) {
            run_measured(stream);
        } else {
            stream->failed = true;
        }
        rtw_thread_detach(stream->runtime, NULL);
    }
    stream->ended = true;
    return NULL;
}

bool stream_run(stream_t *stream, void (*meanwhile)(void *data), void *data, failure_t *failure) {
    pthread_t thread;
    const int refused = pthread_create(&thread, NULL, thread_main, stream);
    if (refused != 0) {
        snprintf(failure->message, sizeof failure->message, "cannot start the audio thread: %s", strerror(refused));
        return false;
    }
    while (meanwhile != NULL && !stream->ended) {
        sleep_until(now_ns() + MEANWHILE_NS);
        meanwhile(data);
    }
    pthread_join(thread, NULL);
    if (stream->failed) {
        *failure = stream->failure;
    }
    return !stream->failed;
}
