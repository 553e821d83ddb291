// Callbacks of the host's that do not return: a worker's step and setup, a slot's events and state. Where something unwinds them, the
// process ends with one line that names the callback; one that never ends holds up only threads that wait for it.
extern "C" {
#include "../support/child.h"
#include "common.h"
}

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum Way { RETURN, THROW, EXIT, CANCEL };
enum Which { STEP, SETUP, EVENT, STATE, NONE };
Way way;
Which which;
std::atomic<bool> told;

void leave(Which here) {
    if (here != which) return;
    switch (way) {
    case THROW: throw 42;
    case EXIT: pthread_exit(nullptr);
    case CANCEL:
        pthread_cancel(pthread_self());
        pthread_testcancel();
        break;
    case RETURN: break;
    }
}

rtw_status_t step(void *, const rtw_tick_t *tick) {
    leave(STEP);
    return tick->index < 2 ? RTW_OK : RTW_STEP_STOP;
}

rtw_status_t setup(void *) {
    leave(SETUP);
    return RTW_OK;
}

void event(void *, const rtw_slot_event_t *) {
    leave(EVENT);
    told = true;
}

rtw_status_t carry(void *, rtw_instance_t *, rtw_instance_t *) {
    leave(STATE);
    if (which == STATE) std::puts("went on"), std::fflush(stdout);
    return RTW_OK;
}

void with_worker(rtw_runtime_t *runtime) {
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = step;
    config.setup = setup;
    rtw_worker_t *worker = start_worker(runtime, &config);
    rtw_worker_join(worker, RTW_FOREVER);
    rtw_worker_destroy(worker);
}

void with_slot(life_t *life) {
    rtw_error_t err;
    static const rtw_wanted_func_t func = {"add", nullptr, 0};
    rtw_slot_config_t config;
    rtw_slot_t *slot;
    rtw_slot_config_init(&config);
    config.funcs = &func;
    config.func_count = 1;
    config.on_event = event;
    config.state = RTW_STATE_HOST;
    config.on_state = carry;
    require(rtw_slot_create(life->guest.runtime, &config, &slot, &err), &err, "a slot");
    require(rtw_slot_publish(slot, life->guest.instance, nullptr, &err), &err, "publish");
    rtw_value_t values[2] = {};
    rtw_slot_invoke(slot, 0, values, 2, nullptr);
    rtw_instance_t *next;
    require(rtw_instance_create(life->guest.module, life->imports, nullptr, &next, &err), &err, "another instance");
    require(rtw_slot_publish(slot, next, nullptr, &err), &err, "publish it");
    rtw_slot_invoke(slot, 0, values, 2, nullptr);
    while (!told) usleep(1000); // the housekeeper's, however long it takes
    rtw_slot_destroy(slot);
    rtw_instance_destroy(next);
}

void live(void *) {
    life_t life = begin_life(nullptr, nullptr, 0);
    ready(&life);
    if (which == STEP || which == SETUP || which == NONE) with_worker(life.guest.runtime);
    try {
        if (which == EVENT || which == STATE || which == NONE) with_slot(&life);
    } catch (int) {
        std::puts("caught behind the library");
    }
    rtw_thread_detach(life.guest.runtime, nullptr);
    end_life(&life);
}

// The process's exit status, and its output.
int outcome(Which callback, Way how, std::string &written) {
    which = callback;
    way = how;
    char text[4096];
    const int status = output_of_child(live, nullptr, text, sizeof text);
    written = text;
    return status;
}

std::atomic<bool> may_end;

rtw_status_t endless(void *, const rtw_tick_t *) {
    while (!may_end) usleep(1000);
    return RTW_STEP_STOP;
}

void never_returns() {
    life_t life = begin_life(nullptr, nullptr, 0);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = endless;
    rtw_worker_t *worker = start_worker(life.guest.runtime, &config);
    check_status(rtw_worker_join(worker, 1000000), RTW_ERR_TIMEOUT, "a step that does not end: who waits for it is told");
    may_end = true;
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "and once it has ended, that it has");
    rtw_worker_destroy(worker);
    end_life(&life);
}

} // namespace

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const struct {
        Which which;
        const char *name;
    } callbacks[] = {{STEP, "a periodic worker's step"}, {SETUP, "a worker's setup callback"}, {EVENT, "a slot's on_event"}, {STATE, "a slot's on_state"}};
    const struct {
        Way way;
        const char *name;
    } ways[] = {{THROW, "a C++ exception"}, {EXIT, "pthread_exit"}, {CANCEL, "a cancellation"}};
    std::string written;
    for (const auto &callback : callbacks) {
        for (const auto &how : ways) {
            const int status = outcome(callback.which, how.way, written);
            if (callback.which == STATE && how.way == CANCEL) { // the thread's own, in a [setup] function
                check(status == 0 && written == "went on\n", "a cancellation in a slot's on_state: held off until the publication is over");
                continue;
            }
            const std::string line = std::string("rtwasm: ") + callback.name +
                                     " was left by an exception, by pthread_exit or because the thread was cancelled, and has to return; "
                                     "the process ends\n";
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && written == line, "%s leaves %s: the process ends with one line that names it",
                  how.name, callback.name);
            if (written != line) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
        }
    }
    check(outcome(NONE, RETURN, written) == 0 && written.empty(), "twin: those that return end nothing%s", written.c_str());
    never_returns();
    return check_summary();
}
