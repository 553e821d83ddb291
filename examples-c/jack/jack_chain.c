/* A live client of JACK: its ports play through a chain of effects, each of which is an artifact.
 *
 * The main thread makes a chain for the server's rate and period, and again when the period changes, when an effect has failed, or when
 * another server is there. The audio thread takes it at its next period, and hands the old one back. Until then it plays the input.
 */
#include "chain.h"

#include <jack/jack.h>
#include <jack/statistics.h>

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000u

typedef struct options_t {
    const char *server;
    const char *name;
    bool connect; /* to the system's ports */
    bool again;   /* waits for another server when the server ends */
    int budget_percent; /* of a period, for the whole chain; 0: no limit */
    const char *paths[CHAIN_LONGEST]; /* the effects */
    size_t count;
} options_t;

/* Written by the audio thread, but for `period` and `xruns`. */
typedef struct counters_t {
    atomic_ullong periods, bypassed, late, failures;
    atomic_ullong xruns; /* that the server reports */
} counters_t;

static options_t options;
static rtw_runtime_t *runtime;
static rtw_recorder_t *recorder;
static jack_client_t *client;
static jack_port_t *in_ports[CHAIN_CHANNELS], *out_ports[CHAIN_CHANNELS];
static counters_t counters;
static sem_t news;                      /* something for the main thread */
static atomic_uint wanted_frames;       /* the server's period */
static atomic_bool server_gone, ended, chain_failed;
static _Atomic(chain_t *) offered, returned; /* from the main thread to the audio thread, and back */
static chain_t *current;                /* the audio thread's */
static atomic_int attach_status;

/* ---- the audio thread ---- */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* JACK's thread has the asynchronous cancel type: by default, calls of an attached thread defer a cancellation. */
static void thread_begins(void *data) {
    (void)data;
    rtw_error_t error;
    const rtw_status_t status = rtw_thread_attach(runtime, NULL, &error);
    atomic_store(&attach_status, status == RTW_ERR_ATTACHED ? RTW_OK : status);
}

static void take_offer(void) {
    if (current != NULL && atomic_load(&returned) != NULL) {
        return; /* the main thread has not fetched the one before */
    }
    chain_t *offer = atomic_exchange(&offered, NULL);
    if (offer != NULL) {
        atomic_store(&returned, current);
        current = offer;
        sem_post(&news); /* a system call, once a chain */
    }
}

static int process(jack_nframes_t frames, void *data) {
    (void)data;
    const uint64_t begun = now_ns();
    const float *in[CHAIN_CHANNELS];
    float *out[CHAIN_CHANNELS];
    for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
        in[channel] = jack_port_get_buffer(in_ports[channel], frames);
        out[channel] = jack_port_get_buffer(out_ports[channel], frames);
    }
    take_offer();
    atomic_fetch_add(&counters.periods, 1);
    if (current == NULL || frames > current->frames || atomic_load(&attach_status) != RTW_OK) {
        for (int channel = 0; channel < CHAIN_CHANNELS; channel++) {
            memcpy(out[channel], in[channel], frames * sizeof(float));
        }
        atomic_fetch_add(&counters.bypassed, 1);
        return 0;
    }
    const uint32_t failures = chain_process(current, in, out, frames);
    if (failures > 0) {
        atomic_fetch_add(&counters.failures, failures);
        atomic_store(&chain_failed, true);
        sem_post(&news);
    }
    const uint64_t took = now_ns() - begun;
    rtw_recorder_record_ns(recorder, took);
    if (took > (uint64_t)frames * NS_PER_S / current->rate_hz) {
        atomic_fetch_add(&counters.late, 1);
        sem_post(&news);
    }
    return 0;
}

/* ---- JACK's other callbacks ---- */

static int period_changes(jack_nframes_t frames, void *data) {
    (void)data;
    atomic_store(&wanted_frames, frames);
    sem_post(&news);
    return 0;
}

static int xrun(void *data) {
    (void)data;
    atomic_fetch_add(&counters.xruns, 1);
    sem_post(&news);
    return 0;
}

static void shut_down(void *data) {
    (void)data;
    atomic_store(&server_gone, true);
    sem_post(&news);
}

static void end(int signal) {
    (void)signal;
    atomic_store(&ended, true);
    sem_post(&news);
}

/* ---- the main thread ---- */

static bool complain(const char *what, const char *why) {
    fprintf(stderr, "jack_chain: %s%s%s\n", what, why[0] ? ": " : "", why);
    return false;
}

/* Makes a chain for a format and offers it. */
static bool offer_chain(uint32_t rate_hz, uint32_t frames) {
    failure_t failure;
    const uint64_t period_ns = (uint64_t)frames * NS_PER_S / rate_hz;
    const uint64_t budget_ns = period_ns / options.count * (uint64_t)options.budget_percent / 100;
    chain_t *chain = chain_create(runtime, options.paths, options.count, rate_hz, frames, budget_ns, &failure);
    if (chain == NULL) {
        return complain("no chain", failure.message);
    }
    chain_destroy(atomic_exchange(&offered, chain));
    return true;
}

static bool connect_ports(void) {
    const char **sources = jack_get_ports(client, NULL, JACK_DEFAULT_AUDIO_TYPE, JackPortIsPhysical | JackPortIsOutput);
    const char **sinks = jack_get_ports(client, NULL, JACK_DEFAULT_AUDIO_TYPE, JackPortIsPhysical | JackPortIsInput);
    bool good = sources != NULL && sinks != NULL;
    for (int channel = 0; channel < CHAIN_CHANNELS && good; channel++) {
        good = sources[channel] != NULL && sinks[channel] != NULL &&
               jack_connect(client, sources[channel], jack_port_name(in_ports[channel])) == 0 &&
               jack_connect(client, jack_port_name(out_ports[channel]), sinks[channel]) == 0;
    }
    jack_free(sources);
    jack_free(sinks);
    return good || complain("cannot connect to the system's ports", "");
}

static bool open_client(void) {
    jack_status_t status;
    client = jack_client_open(options.name, JackNoStartServer | JackServerName, &status, options.server);
    if (client == NULL) {
        return false;
    }
    atomic_store(&server_gone, false);
    atomic_store(&wanted_frames, jack_get_buffer_size(client));
    jack_set_thread_init_callback(client, thread_begins, NULL);
    jack_set_process_callback(client, process, NULL);
    jack_set_buffer_size_callback(client, period_changes, NULL);
    jack_set_xrun_callback(client, xrun, NULL);
    jack_on_shutdown(client, shut_down, NULL);
    bool good = true;
    for (unsigned channel = 0; channel < CHAIN_CHANNELS && good; channel++) {
        char in_name[8], out_name[8];
        snprintf(in_name, sizeof in_name, "in_%u", channel + 1);
        snprintf(out_name, sizeof out_name, "out_%u", channel + 1);
        in_ports[channel] = jack_port_register(client, in_name, JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
        out_ports[channel] = jack_port_register(client, out_name, JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0);
        good = in_ports[channel] != NULL && out_ports[channel] != NULL;
    }
    good = good && offer_chain(jack_get_sample_rate(client), jack_get_buffer_size(client)) && jack_activate(client) == 0;
    if (!good) {
        jack_client_close(client);
        client = NULL;
        return complain("cannot start the client", "");
    }
    if (options.connect) {
        connect_ports();
    }
    return true;
}

/* The audio thread has ended: its chains are this thread's again. */
static void close_client(void) {
    if (client != NULL) {
        jack_client_close(client);
        client = NULL;
    }
    chain_destroy(atomic_exchange(&offered, NULL));
    chain_destroy(atomic_exchange(&returned, NULL));
    chain_destroy(current);
    current = NULL;
}

/* Waits until there is a server again. Nothing tells when one begins, so this looks twice a second. */
static bool open_again(void) {
    while (!atomic_load(&ended)) {
        if (open_client()) {
            return true;
        }
        poll(NULL, 0, 500);
    }
    return false;
}

static void report(void) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    rtw_recorder_stats(recorder, &stats);
    printf("%llu periods: %llu xruns by JACK's count; by ours %llu late, %llu bypassed, %llu effects failed\n",
           (unsigned long long)atomic_load(&counters.periods), (unsigned long long)atomic_load(&counters.xruns),
           (unsigned long long)atomic_load(&counters.late), (unsigned long long)atomic_load(&counters.bypassed),
           (unsigned long long)atomic_load(&counters.failures));
    printf("whole chain: p50 %.1f us, p99 %.1f us, max %.1f us in %llu periods\n", stats.call.p50_ns / 1000, stats.call.p99_ns / 1000,
           stats.call.max_ns / 1000, (unsigned long long)stats.call.count);
}

/* Prints the counts of late periods if one has changed. */
static void tell_late(void) {
    static unsigned long long told;
    const unsigned long long xruns = atomic_load(&counters.xruns), late = atomic_load(&counters.late);
    if (xruns + late != told) {
        told = xruns + late;
        printf("%llu xruns by JACK's count, %llu late periods by ours\n", xruns, late);
    }
}

/* Until the end: what the other threads ask for, one thing at a time. Returns the exit status. */
static int serve(void) {
    uint32_t playing_frames = atomic_load(&wanted_frames);
    while (!atomic_load(&ended)) {
        if (sem_wait(&news) != 0) {
            continue;
        }
        tell_late();
        if (atomic_load(&server_gone)) {
            close_client();
            printf("the server has ended\n");
            if (!options.again) {
                return 3;
            }
            if (!open_again()) {
                return 0;
            }
            playing_frames = 0;
        }
        chain_t *old = atomic_exchange(&returned, NULL);
        if (old != NULL) {
            chain_destroy(old);
        }
        if (atomic_load(&attach_status) != RTW_OK) {
            complain("cannot attach JACK's thread", rtw_status_string(atomic_load(&attach_status)));
            return 1;
        }
        if (atomic_exchange(&chain_failed, false)) {
            printf("an effect has failed; the chain begins anew\n");
            if (!offer_chain(jack_get_sample_rate(client), atomic_load(&wanted_frames))) {
                return 1;
            }
        }
        const uint32_t frames = atomic_load(&wanted_frames);
        if (frames != playing_frames) {
            if (playing_frames != 0 && !offer_chain(jack_get_sample_rate(client), frames)) {
                return 1;
            }
            playing_frames = frames;
            printf("playing: %u Hz, %u frames\n", (unsigned)jack_get_sample_rate(client), (unsigned)frames);
        }
    }
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: jack_chain [--server NAME] [--name CLIENT] [--connect] [--again] [--budget PERCENT] ARTIFACT...\n"
                    "--connect: to the system's ports. --again: waits for another server when it ends.\n"
                    "--budget: of a period, for the whole chain; 100 otherwise, 0: no limit.\n");
    return 2;
}

static bool read_options(int argc, char **argv) {
    options.name = "rtwasm";
    options.budget_percent = 100;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--server") == 0 && i + 1 < argc) {
            options.server = argv[++i];
        } else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc) {
            options.name = argv[++i];
        } else if (strcmp(argv[i], "--budget") == 0 && i + 1 < argc) {
            char *rest;
            options.budget_percent = (int)strtol(argv[++i], &rest, 10);
            if (*rest != '\0' || options.budget_percent < 0 || options.budget_percent > 1000) {
                return false;
            }
        } else if (strcmp(argv[i], "--connect") == 0) {
            options.connect = true;
        } else if (strcmp(argv[i], "--again") == 0) {
            options.again = true;
        } else if (strncmp(argv[i], "--", 2) != 0 && options.count < CHAIN_LONGEST) {
            options.paths[options.count++] = argv[i];
        } else {
            return false;
        }
    }
    return options.count > 0;
}

int main(int argc, char **argv) {
    if (!read_options(argc, argv)) {
        return usage();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rtw_error_t error;
    if (sem_init(&news, 0, 0) != 0 || rtw_runtime_create(NULL, &runtime, &error) != RTW_OK ||
        rtw_recorder_create(runtime, "whole chain", &recorder, &error) != RTW_OK || rtw_thread_attach(runtime, NULL, &error) != RTW_OK) {
        complain("cannot begin", error.message);
        return 1;
    }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = 1;
    if (open_client()) {
        printf("playing: %u Hz, %u frames\n", (unsigned)jack_get_sample_rate(client), (unsigned)jack_get_buffer_size(client));
        status = serve();
        close_client();
        report();
    } else {
        complain("there is no server, or it refuses the client", options.server ? options.server : "");
    }
    rtw_thread_detach(runtime, NULL);
    rtw_recorder_destroy(recorder);
    rtw_runtime_destroy(runtime);
    return status;
}
