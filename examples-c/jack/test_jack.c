/* Compares the client's output with what the chain makes of its input, sample for sample: test_jack SERVER CLIENT FRAMES
 * ARTIFACT... plays noise from a JACK client of its own through CLIENT into another one, and compares it with a chain that it
 * computes itself. Exit status 3: the server skipped a period, so there is nothing to compare. */
#include "../../tests/support/check.h"
#include "chain.h"

#include <jack/jack.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 24, MOST_FRAMES = 2048 };

static float played[CHAIN_CHANNELS][BLOCKS * MOST_FRAMES], heard[CHAIN_CHANNELS][BLOCKS * MOST_FRAMES];
static jack_client_t *source, *sink;
static jack_port_t *outs[CHAIN_CHANNELS], *ins[CHAIN_CHANNELS];
static uint32_t block_frames;
static atomic_bool armed, disturbed;
static _Atomic jack_nframes_t began; /* the server's time at the first block; 0: not yet */
static int block_played;
static int block_heard;
static sem_t all_heard;

static int play(jack_nframes_t frames, void *data) {
    (void)data;
    const jack_nframes_t now = jack_last_frame_time(source);
    const bool plays = atomic_load(&armed) && block_played < BLOCKS && frames == block_frames;
    if (plays && block_played == 0) atomic_store(&began, now);
    if (plays && now != atomic_load(&began) + (jack_nframes_t)block_played * frames) atomic_store(&disturbed, true);
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
        float *out = jack_port_get_buffer(outs[channel], frames);
        memset(out, 0, frames * sizeof *out);
        if (plays) memcpy(out, played[channel] + (size_t)block_played * frames, frames * sizeof *out);
    }
    block_played += plays;
    return 0;
}

static int hear(jack_nframes_t frames, void *data) {
    (void)data;
    const jack_nframes_t now = jack_last_frame_time(sink), first = atomic_load(&began);
    if (first == 0 || block_heard == BLOCKS || frames != block_frames) return 0;
    if (now != first + (jack_nframes_t)block_heard * frames) atomic_store(&disturbed, true);
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++)
        memcpy(heard[channel] + (size_t)block_heard * frames, jack_port_get_buffer(ins[channel], frames), frames * sizeof(float));
    if (++block_heard == BLOCKS) sem_post(&all_heard);
    return 0;
}

static int xrun(void *data) {
    (void)data;
    atomic_store(&disturbed, true);
    return 0;
}

static jack_client_t *open_client(const char *server, const char *name) {
    jack_status_t status;
    jack_client_t *client = jack_client_open(name, JackNoStartServer | JackServerName, &status, server);
    if (client == NULL) fprintf(stderr, "no server %s\n", server), exit(1);
    return client;
}

static void connect_to(const char *client_name) {
    char port[64];
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
        snprintf(port, sizeof port, "%s:in_%d", client_name, channel + 1);
        check(jack_connect(source, jack_port_name(outs[channel]), port) == 0, "%s is connected", port);
        snprintf(port, sizeof port, "%s:out_%d", client_name, channel + 1);
        check(jack_connect(source, port, jack_port_name(ins[channel])) == 0, "%s is connected", port);
    }
}

/* Computes what a chain makes of the noise. */
static void compute(rtw_runtime_t *runtime, const char *const *paths, size_t count, uint32_t rate_hz, float (*out)[BLOCKS * MOST_FRAMES]) {
    failure_t failure;
    chain_t *chain = chain_create(runtime, paths, count, rate_hz, block_frames, 0, &failure);
    if (chain == NULL) fprintf(stderr, "%s\n", failure.message), exit(1);
    for (size_t block = 0; block < BLOCKS; block++) {
        const float *from[CHAIN_CHANNELS];
        float *to[CHAIN_CHANNELS];
        for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
            from[channel] = played[channel] + block * block_frames;
            to[channel] = out[channel] + block * block_frames;
        }
        chain_process(chain, from, to, block_frames);
    }
    chain_destroy(chain);
}

static bool same(float (*one)[BLOCKS * MOST_FRAMES], float (*other)[BLOCKS * MOST_FRAMES]) {
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++)
        if (memcmp(one[channel], other[channel], BLOCKS * block_frames * sizeof(float)) != 0) return false;
    return true;
}

int main(int argc, char **argv) {
    const char *paths[CHAIN_LONGEST];
    size_t count = 0;
    if (argc < 5 || argc - 4 > CHAIN_LONGEST) return 2;
    block_frames = (uint32_t)atoi(argv[3]);
    for (int i = 4; i < argc; i++) paths[count++] = argv[i];
    uint32_t random = 1;
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++)
        for (size_t n = 0; n < BLOCKS * block_frames; n++) {
            random = random * 1664525u + 1013904223u;
            played[channel][n] = (float)(int32_t)random / 4294967296.0f;
        }
    sem_init(&all_heard, 0, 0);
    source = open_client(argv[1], "test-source");
    sink = open_client(argv[1], "test-sink");
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
        outs[channel] = jack_port_register(source, channel ? "2" : "1", JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0);
        ins[channel] = jack_port_register(sink, channel ? "2" : "1", JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
    }
    jack_set_process_callback(source, play, NULL);
    jack_set_process_callback(sink, hear, NULL);
    jack_set_xrun_callback(sink, xrun, NULL);
    check(jack_activate(source) == 0 && jack_activate(sink) == 0, "source and sink are active");
    connect_to(argv[2]);
    atomic_store(&armed, true);
    struct timespec patience;
    clock_gettime(CLOCK_REALTIME, &patience);
    patience.tv_sec += 60;
    check(sem_timedwait(&all_heard, &patience) == 0, "everything is heard");
    const uint32_t rate_hz = jack_get_sample_rate(sink);
    jack_client_close(source);
    jack_client_close(sink);
    if (atomic_load(&disturbed)) return 3;

    static float expected[CHAIN_CHANNELS][BLOCKS * MOST_FRAMES];
    rtw_runtime_t *runtime;
    rtw_error_t err;
    require(rtw_runtime_create(NULL, &runtime, &err), &err, "runtime");
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    compute(runtime, paths, count, rate_hz, expected);
    check(same(expected, heard), "%d blocks of %u frames at %u Hz are what the chain makes, bit for bit", BLOCKS, (unsigned)block_frames, (unsigned)rate_hz);
    compute(runtime, paths, count - 1, rate_hz, expected);
    check(!same(expected, heard), "twin: a chain without its last effect makes something else");
    check(!same(played, heard), "twin: and so does no chain");
    (void)rtw_thread_detach(runtime, NULL);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
