// Host functions in a table, where rtw_instance_table_set has put them, that fail or do not return: an error status, a C++ exception,
// pthread_exit, a cancellation. The guest calls the entry, or the host does, by a func bound to it; in a new guest, after a reset, and in
// a slot's spare. The rules are those of an imported function. Where the process goes on, the function's finalizer runs once.
extern "C" {
#include "../support/child.h"
#include "common.h"
}

#include <csignal>
#include <cstdio>
#include <cstring>
#include <pthread.h>
#include <string>
#include <sys/wait.h>

namespace {

enum Way { RETURN, ANSWER, THROW, EXIT, CANCEL, NESTED, WAYS };
enum Route { GUEST, BOUND, ROUTES };
enum State { FRESH, RESET, SPARE, STATES };
const char *const route_names[] = {"the guest calls it", "the host calls it"};
const char *const state_names[] = {"in a new guest", "after a reset", "in a spare"};
Way way;
Route route;
State state;
uint32_t flags;
void *const value = &way;

rtw_runtime_t *runtime;
rtw_instance_t *instance;
rtw_slot_t *slot;
rtw_func_t *again; // what NESTED calls
rtw_error_t err;

struct Witness {
    const char *what;
    ~Witness() { std::puts(what); }
};

rtw_status_t leave(void *, rtw_instance_t *, rtw_value_t *values) {
    Witness witness = {"function unwound"};
    switch (way) {
    case RETURN: values[0].i32 += 1; break;
    case ANSWER: witness.what = "function returned"; return -77;
    case THROW: throw 42;
    case EXIT: pthread_exit(value);
    case CANCEL:
        pthread_cancel(pthread_self());
        pthread_testcancel();
        break;
    case NESTED: // several calls back, which come to an end before the function does
        for (int i = 0; i < 3; i++) {
            rtw_value_t nested = {};
            nested.i32 = 2;
            if (rtw_invoke(again, &nested, 1) != RTW_OK || nested.i32 != 4) std::puts("a call back fails");
        }
        throw 42;
    case WAYS: break;
    }
    witness.what = "function returned";
    return RTW_OK;
}

void finalizer(void *) { std::puts("finalized"); }

// Ends the block wherever the thread is on its way out.
struct Block {
    rtw_block_t block;
    Block() { require(rtw_slot_begin(slot, &block), nullptr, "a block"); }
    ~Block() { rtw_slot_end(slot); }
};

void tell(rtw_status_t status, rtw_value_t result) { std::printf("%s %d\n", rtw_status_name(status), status == RTW_OK ? result.i32 : 0); }

// Looks the function up in this instance, and calls it. Destroys the func wherever the thread is on its way out.
void call_by_route(rtw_instance_t *owner) {
    struct Owned {
        rtw_func_t *func;
        ~Owned() { rtw_func_destroy(func), rtw_func_destroy(again); }
    } owned = {nullptr};
    again = look_up(owner, "double", nullptr);
    if (route == GUEST) owned.func = look_up(owner, "call", nullptr);
    else require(rtw_instance_table_func(owner, "table", 1, "(i32)->(i32)", &owned.func, &err), &err, "the entry");
    rtw_value_t result = {};
    result.i32 = 6;
    const rtw_status_t status = rtw_invoke(owned.func, &result, 1);
    tell(status, result);
}

void *run(void *) {
    Witness witness = {"thread unwound"};
    attach_here(runtime);
    try {
        if (state == SPARE) {
            Block block;
            check((block.block.flags & RTW_BLOCK_SPARE) != 0, "the block is a spare's");
            call_by_route(block.block.instance);
        } else {
            call_by_route(instance);
        }
    } catch (int) {
        std::puts("caught behind the guest");
    }
    witness.what = "thread returned";
    return nullptr;
}

// The instance's fault, and whether it works again after a reset.
void look_after() {
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    attach_here(runtime);
    rtw_value_t result = {};
    result.i32 = 6;
    const rtw_status_t told = rtw_instance_fault(instance, &fault, nullptr), reset = rtw_instance_reset(instance, nullptr);
    way = RETURN;
    const rtw_status_t status = call(instance, "call", &result, 1);
    std::printf("%s %d; %s, %s: %d\n", rtw_status_name(told), fault.host_status, rtw_status_name(reset), rtw_status_name(status), result.i32);
}

void into_slot() {
    static const rtw_wanted_func_t funcs[] = {{"call", nullptr, 0}, {"fault", nullptr, 0}};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = funcs;
    config.func_count = 2;
    config.standby = 1;
    require(rtw_slot_create(runtime, &config, &slot, &err), &err, "a slot");
    require(rtw_slot_publish(slot, instance, nullptr, &err), &err, "publish");
    wait_for_spares(slot, 1);
    rtw_value_t values = {};
    check_status(rtw_slot_invoke(slot, 1, &values, 1, nullptr), RTW_ERR_TRAP_UNREACHABLE, "the first instance faults");
}

void live(void *) {
    runtime = make_runtime();
    rtw_module_t *module = load(runtime, "placed");
    attach_here(runtime);
    instance = new_instance(module, nullptr, 0);
    require(rtw_instance_table_set(instance, "table", 1, "(i32)->(i32)", leave, nullptr, finalizer, flags, &err), &err, "put it there");
    if (state == RESET) require(rtw_instance_reset(instance, &err), &err, "a reset");
    if (state == SPARE) into_slot();
    pthread_t thread;
    void *ended = nullptr;
    pthread_create(&thread, nullptr, run, nullptr);
    pthread_join(thread, &ended);
    std::puts(ended == PTHREAD_CANCELED ? "cancelled" : ended == value ? "exited" : "ended");
    if (state != SPARE) look_after();
    if (slot != nullptr) rtw_slot_destroy(slot);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    rtw_thread_detach(runtime, nullptr);
    rtw_runtime_destroy(runtime);
}

std::string run_all(int *status) {
    char text[4096];
    *status = output_of_child(live, nullptr, text, sizeof text);
    // Checks of the child's own that held.
    std::string written, line;
    for (const char *at = text; *at != 0; at++) {
        line += *at;
        if (*at != '\n') continue;
        if (line.compare(0, 2, "ok") != 0) written += line;
        line.clear();
    }
    return written + line;
}

void shows(const char *what, const std::string &expected, bool ends = false) {
    int status = 0;
    std::string written = run_all(&status);
    const bool as_expected = ends ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : status == 0;
    // The function's own frame may be unwound before the process ends, or not.
    const std::string unwound = "function unwound\n";
    if (ends && written.compare(0, unwound.size(), unwound) == 0) written.erase(0, unwound.size());
    check(as_expected && written == expected, "%s, %s, %s", what, route_names[route], state_names[state]);
    if (!as_expected || written != expected) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
}

} // namespace

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const std::string left = "rtwasm: the host function \"table\" \"1\" was left by ", over = ", which cannot pass through a guest; the process ends\n";
    const std::string by_any = left + "an exception, by pthread_exit or because the thread was cancelled" + over;
    for (int r = GUEST; r < ROUTES; r++) {
        for (int s = FRESH; s < STATES; s++) {
            route = static_cast<Route>(r), state = static_cast<State>(s);
            const auto after = [](const char *fault) { return state == SPARE ? std::string() : std::string(fault) + "; RTW_OK, RTW_OK: 7\n"; };
            const std::string goes_on = "RTW_OK -77", cancelled = "RTW_OK " + std::to_string(RTW_ERR_CANCELLED);
            for (const uint32_t may_block : {0u, uint32_t{RTW_HOST_MAY_BLOCK}}) {
                flags = may_block;
                way = RETURN;
                shows("twin: a function that returns", "function returned\nRTW_OK 7\nthread returned\nended\n" +
                      (state == SPARE ? std::string() : "function returned\n" + std::string(rtw_status_name(RTW_ERR_ARGUMENT)) + " 0; RTW_OK, RTW_OK: 7\n") + "finalized\n");
                way = ANSWER;
                shows("an error status", "function returned\nRTW_ERR_HOST 0\nthread returned\nended\n" +
                      (state == SPARE ? std::string() : "function returned\n") + after(goes_on.c_str()) + "finalized\n");
            }
            flags = 0;
            way = THROW;
            shows("a C++ exception", by_any, true);
            way = NESTED;
            shows("a C++ exception after calls back", by_any, true);
            way = EXIT;
            shows("pthread_exit", by_any, true);
            way = CANCEL;
            shows("a cancellation", by_any, true);
            flags = RTW_HOST_MAY_BLOCK;
            way = THROW;
            shows("a C++ exception in one that may block", left + "an exception" + over, true);
            const std::string gone = "function unwound\nthread unwound\n";
            const std::string later = (state == SPARE ? std::string() : "function returned\n") + after(cancelled.c_str()) + "finalized\n";
            way = EXIT;
            shows("pthread_exit in one that may block", gone + "exited\n" + later);
            way = CANCEL;
            shows("a cancellation in one that may block", gone + "cancelled\n" + later);
        }
    }
    return check_summary();
}
