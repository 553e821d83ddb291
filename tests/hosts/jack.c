/* A JACK client whose callback calls a guest. JACK runs callbacks on a thread with the asynchronous cancel type, which it cancels
 * when the client is closed and when the server dies: at any instruction, also one of a guest. Attaching notes the type, and calls
 * hold the cancellation off until they return.
 *
 *   jack standalone|plugin ARTIFACTS, with jackd running under the name in JACK_SERVER, its process in JACK_PID, and JACK_HOW: close
 *   or death. Ends when the client is closed. With JACK_TWIN the thread is attached with RTW_CANCEL_IGNORE. */
#include "common.h"

#include <jack/jack.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static life_t life;
static rtw_func_t *work;
static uint32_t on_cancel = RTW_CANCEL_DEFER;
static atomic_int cycles, failures, asynchronous, gone;

static int process(jack_nframes_t frames, void *data) {
    (void)frames, (void)data;
    static bool attached;
    if (!attached) {
        int type;
        pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
        pthread_setcanceltype(type, NULL);
        atomic_store(&asynchronous, type == PTHREAD_CANCEL_ASYNCHRONOUS);
        rtw_thread_config_t config;
        rtw_error_t err;
        rtw_thread_config_init(&config);
        config.on_cancel = on_cancel;
        if (rtw_thread_attach(life.guest.runtime, &config, &err) != RTW_OK ||
            rtw_instance_prepare(life.guest.instance, NULL, NULL, &err) != RTW_OK)
            atomic_fetch_add(&failures, 1);
        attached = true;
    }
    /* Some of a cycle is spent in the guest, some on the way in and out. */
    for (int i = 0; i < 20000; i++) {
        rtw_value_t values[1] = {{.i32 = i % 100 == 0 ? 4000 : 1}};
        if (rtw_invoke(work, values, 1) != RTW_OK) atomic_fetch_add(&failures, 1);
    }
    atomic_fetch_add(&cycles, 1);
    /* The twin's last cycle does not end, so that the cancellation meets a guest. */
    while (on_cancel == RTW_CANCEL_IGNORE && atomic_load(&cycles) == 20) {
        rtw_value_t values[1] = {{.i32 = 4000}};
        (void)rtw_invoke(work, values, 1);
    }
    return 0;
}

static void shut_down(void *data) {
    (void)data;
    atomic_store(&gone, 1);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    /* A hang is a failure. */
    alarm(60);
    if (getenv("JACK_TWIN") != NULL) on_cancel = RTW_CANCEL_IGNORE;
    const bool death = strcmp(getenv("JACK_HOW"), "death") == 0;
    life = begin_life(NULL, NULL, 1000000000);
    work = look_up(life.guest.instance, "work", "(i32)->(i32)");
    jack_status_t status;
    jack_client_t *client = jack_client_open("rtwasm", JackNoStartServer | JackServerName, &status, getenv("JACK_SERVER"));
    if (client == NULL) {
        check(false, "jack_client_open: %#x", (unsigned)status);
        return check_summary();
    }
    jack_set_process_callback(client, process, NULL);
    jack_on_shutdown(client, shut_down, NULL);
    check(jack_activate(client) == 0, "the client is active");
    while (atomic_load(&cycles) < 20) usleep(500);
    if (death) {
        kill((pid_t)atoi(getenv("JACK_PID")), SIGKILL);
        /* Waits for the shutdown callback, which also comes if the server died in the middle of a cycle. */
        for (int i = 0; i < 2000 && !atomic_load(&gone); i++) usleep(1000);
    }
    jack_client_close(client);
    check(atomic_load(&asynchronous), "JACK's thread has the asynchronous cancel type");
    check(atomic_load(&failures) == 0, "all calls went well");
    check(true, "%s: the client is closed", death ? "the server died" : "in the middle of its cycles");
    rtw_error_t err;
    require(rtw_thread_attach(life.guest.runtime, NULL, &err), &err, "attach");
    rtw_value_t values[1] = {{.i32 = 1}};
    check_status(rtw_invoke(work, values, 1), RTW_OK, "another thread calls the instance on");
    (void)rtw_thread_detach(life.guest.runtime, NULL);
    rtw_func_destroy(work);
    end_life(&life);
    return check_summary();
}
