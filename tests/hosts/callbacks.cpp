// Callbacks of the host's that do not return: a worker's step and setup, a slot's events and state, finalizers. Where something unwinds
// them, or longjmp leaves them, the process ends with one line that names the callback; one that never ends holds up only threads that
// wait for it.
extern "C" {
#include "../support/child.h"
#include "common.h"
}

#include <atomic>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum Way { RETURN, THROW, EXIT, CANCEL, JUMP, WITHIN };
enum Which { STEP, SETUP, EVENT, STATE, FINALIZER, NONE };
Way way;
Which which;
std::atomic<bool> told;
std::jmp_buf behind;
bool in_step; // the slot is published, and the finalizer called, in a worker's step

void leave(Which here) {
    if (way == WITHIN) {
        std::jmp_buf within;
        if (setjmp(within) == 0) std::longjmp(within, 1);
        return;
    }
    if (here != which) return;
    switch (way) {
    case THROW: throw 42;
    case EXIT: pthread_exit(nullptr);
    case CANCEL:
        pthread_cancel(pthread_self());
        pthread_testcancel();
        break;
    case JUMP: std::longjmp(behind, 1);
    case WITHIN:
    case RETURN: break;
    }
}

void finalizer(void *) {
    leave(FINALIZER);
    if (which == FINALIZER) std::puts("went on"), std::fflush(stdout);
}

void end_imports() {
    rtw_imports_t *imports;
    rtw_imports_create(&imports, nullptr);
    const auto never = [](void *, rtw_instance_t *, rtw_value_t *) -> rtw_status_t { return RTW_OK; };
    rtw_imports_func(imports, "env", "never", "()->()", never, nullptr, finalizer, 0, nullptr);
    rtw_imports_destroy(imports);
}

void publish_behind();

rtw_status_t step(void *, const rtw_tick_t *tick) {
    leave(STEP);
    if (in_step) { // a frame of the host's on the worker's thread, which longjmp can return to
        if (setjmp(behind) == 0) publish_behind();
        return RTW_STEP_STOP;
    }
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

// The first thing that the thread does with the library after a longjmp.
enum Next { PUBLISH, CREATE, DETACH, LOOK, NOTHING };
Next next_use;
life_t *lived;

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
    if (config.on_event)
        while (!told) usleep(1000); // the housekeeper's, however long it takes
    rtw_slot_destroy(slot);
    rtw_instance_destroy(next);
}

void publish_behind() {
    try {
        if (which == EVENT || which == STATE || which == NONE) with_slot(lived);
        if (which == FINALIZER || which == NONE) end_imports();
    } catch (int) {
        std::puts("caught behind the library");
    }
}

// longjmp has returned to this thread's frame.
void go_on() {
    rtw_memory_view_t view;
    rtw_imports_t *imports;
    switch (next_use) {
    case PUBLISH: with_slot(lived); break;
    case CREATE: rtw_imports_create(&imports, nullptr); break;
    case DETACH: rtw_thread_detach(lived->guest.runtime, nullptr); break;
    case LOOK: rtw_instance_memory(lived->guest.instance, nullptr, &view, nullptr); break;
    case NOTHING: break;
    }
    std::puts("not noticed");
    std::fflush(stdout);
    _exit(3);
}

void live(void *) {
    life_t life = begin_life(nullptr, nullptr, 0);
    lived = &life;
    ready(&life);
    if (which == STEP || which == SETUP || which == NONE || in_step) with_worker(life.guest.runtime);
    if (!in_step) {
        if (setjmp(behind) != 0) go_on();
        publish_behind();
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
    } callbacks[] = {{STEP, "a periodic worker's step"}, {SETUP, "a worker's setup callback"}, {EVENT, "a slot's on_event"}, {STATE, "a slot's on_state"}, {FINALIZER, "a finalizer"}};
    const struct {
        Way way;
        const char *name;
    } ways[] = {{THROW, "a C++ exception"}, {EXIT, "pthread_exit"}, {CANCEL, "a cancellation"}};
    std::string written;
    for (const auto &callback : callbacks) {
        for (const auto &how : ways) {
            const int status = outcome(callback.which, how.way, written);
            if ((callback.which == STATE || callback.which == FINALIZER) && how.way == CANCEL) { // the thread's own, in a [setup] function
                check(status == 0 && written == "went on\n", "a cancellation in %s: held off until the [setup] function is over", callback.name);
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
    // On a thread of the host's, and in a worker's step, there is a frame that longjmp can return to.
    static const char *const uses[] = {"a slot", "imports", "detaching", "looking at memory"};
    const auto jumps = [&](Which callback, const char *name, const char *what) {
        const int status = outcome(callback, JUMP, written);
        const std::string line = std::string("rtwasm: ") + name + " was left by longjmp, and has to return; the process ends\n";
        check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && written == line,
              "longjmp leaves %s, then %s: the process ends with one line that names it", name, what);
        if (written != line) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
    };
    for (int use = PUBLISH; use <= LOOK; use++) {
        next_use = static_cast<Next>(use);
        jumps(STATE, "a slot's on_state", uses[use]);
        // To make a slot takes more of the stack than the finalizer's call took: such a use may be the finalizer's own.
        if (use != PUBLISH) jumps(FINALIZER, "a finalizer", uses[use]);
    }
    next_use = NOTHING;
    check(WEXITSTATUS(outcome(STATE, JUMP, written)) == 3 && written == "not noticed\n",
          "twin: a thread that uses the library no more after it is not ended");
    in_step = true;
    jumps(STATE, "a slot's on_state", "the worker's step around it returns");
    jumps(FINALIZER, "a finalizer", "the worker's step around it returns");
    check(outcome(NONE, RETURN, written) == 0 && written.empty(), "twin: in a worker's step, those that return end nothing%s", written.c_str());
    in_step = false;
    check(outcome(NONE, WITHIN, written) == 0 && written.empty(), "longjmp within each of them ends nothing%s", written.c_str());
    check(outcome(NONE, RETURN, written) == 0 && written.empty(), "twin: those that return end nothing%s", written.c_str());
    never_returns();
    return check_summary();
}
