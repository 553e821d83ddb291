// Host functions that do not return: a C++ exception, pthread_exit, a cancellation, longjmp. The process ends with one line that names
// the function, in a call that a host function makes, too. Of a function that may block a thread may be on its way out.
extern "C" {
#include "../support/child.h"
#include "common.h"
}

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum Way { THROW, EXIT, CANCEL, JUMP, RETURN };
Way way;
int depth;
uint32_t flags;
rtw_func_t *inner, *add;
std::jmp_buf behind;
// The actions after a longjmp.
enum Next { CALL, RESET, DESTROY, DETACH, MEMORY, OTHER };
Next next;
// Where the host function is called: in the host's call, in a dry call, in a start function.
enum Where { INVOKE, DRY, START };
Where where;
void *const value = &depth;

struct Witness {
    const char *what;
    ~Witness() { std::puts(what); }
};

rtw_status_t leave(void *, rtw_instance_t *, rtw_value_t *values) {
    if (depth-- > 0) {
        Witness witness = {"outer function unwound"};
        rtw_value_t nested[1] = {};
        const rtw_status_t status = rtw_invoke(inner, nested, 1);
        witness.what = "outer function returned";
        values[0] = nested[0];
        return status;
    }
    Witness witness = {"function unwound"};
    switch (way) {
    case THROW: throw 42;
    case EXIT: pthread_exit(value);
    case JUMP: std::longjmp(behind, 1);
    case CANCEL:
        pthread_cancel(pthread_self());
        pthread_testcancel();
        break;
    case RETURN: values[0].i32 = 7; break;
    }
    witness.what = "function returned";
    return RTW_OK;
}

life_t life;
rtw_imports_t *imports;

void go_on() {
    rtw_value_t values[2] = {};
    rtw_memory_view_t view;
    rtw_imports_t *others;
    switch (next) {
    case CALL: rtw_invoke(add, values, 2); break;
    case RESET: rtw_instance_reset(life.guest.instance, nullptr); break;
    case DESTROY: rtw_func_destroy(inner), rtw_func_destroy(add), rtw_instance_destroy(life.guest.instance); break;
    case DETACH: rtw_thread_detach(life.guest.runtime, nullptr); break;
    case MEMORY: rtw_instance_memory(life.guest.instance, nullptr, &view, nullptr); break;
    case OTHER: rtw_imports_create(&others, nullptr); break;
    }
}

void *run(void *) {
    Witness witness = {"thread unwound"};
    rtw_thread_attach(life.guest.runtime, nullptr, nullptr);
    static rtw_value_t values[1];
    if (setjmp(behind) != 0) {
        go_on();
        std::puts("not noticed");
        return nullptr;
    }
    rtw_dry_call_t dry = {};
    rtw_prepare_config_t config;
    rtw_module_t *module = nullptr;
    rtw_instance_t *made = nullptr;
    dry.func = inner, dry.values = values, dry.value_count = 1, dry.repeats = 1;
    try {
        switch (where) {
        case INVOKE: rtw_invoke(inner, values, 1); break;
        case DRY:
            rtw_prepare_config_init(&config);
            config.dry_calls = &dry, config.dry_call_count = 1;
            rtw_instance_prepare(life.guest.instance, &config, nullptr, nullptr);
            break;
        case START:
            module = load(life.guest.runtime, "starts");
            rtw_instance_create(module, imports, nullptr, &made, nullptr);
            rtw_instance_destroy(made);
            rtw_module_destroy(module);
            break;
        }
    } catch (int) {
        std::puts("caught behind the guest");
    }
    std::printf("%d\n", values[0].i32);
    witness.what = "thread returned";
    return nullptr;
}

// The guest on which the thread ended.
void look_after() {
    rtw_fault_t fault;
    rtw_value_t values[2] = {};
    values[0].i32 = 40, values[1].i32 = 2;
    rtw_fault_init(&fault);
    attach_here(life.guest.runtime);
    const rtw_status_t called = rtw_invoke(add, values, 2), told = rtw_instance_fault(life.guest.instance, &fault, nullptr);
    const rtw_status_t reset = rtw_instance_reset(life.guest.instance, nullptr), again = rtw_invoke(add, values, 2);
    std::printf("%s %d %s, %s, then %s: %d\n", rtw_status_name(called), told, rtw_status_name(fault.status), rtw_status_name(fault.host_status),
                rtw_status_name(reset | again), values[0].i32);
}

void live(void *) {
    life = begin_life(nullptr, nullptr, 0);
    rtw_imports_create(&imports, nullptr);
    rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", leave, nullptr, nullptr, flags, nullptr);
    renew(&life.guest, imports);
    inner = look_up(life.guest.instance, "visit", nullptr), add = look_up(life.guest.instance, "add", nullptr);
    pthread_t thread;
    void *ended = nullptr;
    pthread_create(&thread, nullptr, run, nullptr);
    pthread_join(thread, &ended);
    if (flags == RTW_HOST_MAY_BLOCK) {
        std::puts(ended == PTHREAD_CANCELED ? "cancelled" : ended == value ? "exited" : "ended");
        look_after();
    }
}

// The process's exit status, and its output.
int outcome(Way how, int deep, std::string &written) {
    way = how;
    depth = deep;
    char text[4096];
    const int status = output_of_child(live, nullptr, text, sizeof text);
    written = text;
    return status;
}

void ends(Way how, int deep, const char *what, const char *by = "an exception, by pthread_exit or because the thread was cancelled") {
    std::string written, line;
    const int status = outcome(how, deep, written);
    line = std::string("rtwasm: the host function \"env\" \"visit\" was left by ") + by + ", which cannot pass through a guest; the process ends\n";
    // The function's own frame may be unwound before that.
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && (written == line || written == "function unwound\n" + line), "%s: the process ends with one line that names the function", what);
    if (written != line && written != "function unwound\n" + line) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
}

} // namespace

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    ends(THROW, 0, "a C++ exception leaves a host function");
    ends(EXIT, 0, "pthread_exit in a host function");
    ends(CANCEL, 0, "a cancellation in a host function");
    ends(THROW, 3, "a C++ exception in a call from a host function");
    ends(CANCEL, 3, "a cancellation in a call from a host function");
    std::string written;
    check(outcome(RETURN, 0, written) == 0 && written == "function returned\n7\nthread returned\n", "twin: one that returns ends nothing");

    static const char *const uses[] = {"a call", "a reset", "destroying it", "detaching", "looking at its memory"};
    for (int use = CALL; use <= MEMORY; use++) {
        next = static_cast<Next>(use);
        ends(JUMP, 0, (std::string("longjmp out of a host function, then ") + uses[use]).c_str(), "longjmp");
    }
    static const struct {
        Where where;
        const char *what;
    } setups[] = {{DRY, "longjmp out of a host function in a dry call, then "}, {START, "longjmp out of a host function in a start function, then "}};
    for (const auto &setup : setups) {
        where = setup.where;
        next = OTHER;
        ends(JUMP, 0, (setup.what + std::string("imports")).c_str(), "longjmp");
        next = DETACH;
        ends(JUMP, 0, (setup.what + std::string("detaching")).c_str(), "longjmp");
        check(outcome(RETURN, 0, written) == 0 && written.find("not noticed") == std::string::npos && written.find("rtwasm: ") == std::string::npos,
              "twin: one that returns there ends nothing");
    }
    where = INVOKE;
    next = CALL;
    ends(JUMP, 2, "longjmp out of a call from a host function", "longjmp");

    flags = RTW_HOST_MAY_BLOCK;
    ends(THROW, 0, "a C++ exception leaves a host function that may block", "an exception");
    const std::string after = "RTW_ERR_FAULTED 0 RTW_ERR_HOST, RTW_ERR_CANCELLED, then RTW_OK: 42\n";
    const std::string unwound = "function unwound\nthread unwound\n", nested = "function unwound\nouter function unwound\nthread unwound\n";
    const auto goes_on = [&](Way how, int deep, const std::string &expected, const char *what) {
        const int status = outcome(how, deep, written);
        check(status == 0 && written == expected, "%s", what);
        if (status != 0 || written != expected) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
    };
    goes_on(EXIT, 0, unwound + "exited\n" + after, "pthread_exit in a host function that may block: the thread ends, with its value");
    goes_on(CANCEL, 0, unwound + "cancelled\n" + after, "a cancellation in one: the thread ends, the guest's call before it");
    goes_on(EXIT, 1, nested + "exited\n" + after, "pthread_exit in a call from one: all frames of the host's are unwound");
    goes_on(CANCEL, 1, nested + "cancelled\n" + after, "a cancellation in a call from one: likewise");
    goes_on(RETURN, 0, "function returned\n7\nthread returned\nended\nRTW_OK -102 RTW_OK, RTW_OK, then RTW_OK: 44\n", "twin: one that returns");
    return check_summary();
}
