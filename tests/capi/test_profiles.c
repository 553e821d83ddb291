/* One runtime for both profiles, and runtimes that may not install signal handlers. Handlers are the process's, so each test has a
 * process of its own. */
#include "../support/common.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static rtw_error_t err;

/* The state of the process and this thread that the standalone profile needs. */
typedef struct state_t {
    struct sigaction handlers[ENGINE_SIGNALS];
    stack_t stack;
    sigset_t mask;
} state_t;

static state_t look(void) {
    state_t state;
    memset(&state, 0, sizeof state);
    for (int i = 0; i < ENGINE_SIGNALS; i++) sigaction(engine_signals[i], NULL, &state.handlers[i]);
    sigaltstack(NULL, &state.stack);
    pthread_sigmask(SIG_BLOCK, NULL, &state.mask);
    return state;
}

static bool same_handlers(const state_t *one, const state_t *other) {
    for (int i = 0; i < ENGINE_SIGNALS; i++)
        if (one->handlers[i].sa_sigaction != other->handlers[i].sa_sigaction) return false;
    return true;
}

static bool same_thread(const state_t *one, const state_t *other) {
    /* Where there is no signal stack, its address means nothing: valgrind reports the last one. */
    return one->stack.ss_flags == other->stack.ss_flags &&
           ((one->stack.ss_flags & SS_DISABLE) != 0 || one->stack.ss_sp == other->stack.ss_sp) &&
           sigismember(&one->mask, SIGSEGV) == sigismember(&other->mask, SIGSEGV);
}

static const char *path_of(const char *guest, const char *of_profile) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s.rtw", artifacts, guest, of_profile);
    return path;
}

static rtw_instance_t *instance_of(rtw_runtime_t *runtime, const char *guest, const char *of_profile) {
    rtw_module_t *module;
    rtw_instance_t *instance;
    require(rtw_module_load_file(runtime, path_of(guest, of_profile), &module, &err), &err, "load %s for %s", guest, of_profile);
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance of %s for %s", guest, of_profile);
    rtw_module_destroy(module);
    return instance;
}

static rtw_runtime_t *runtime_with(uint32_t which, uint32_t allow) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = which;
    config.allow_signal_handlers = allow;
    rtw_runtime_t *runtime;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime");
    return runtime;
}

/* By default a runtime takes both, and installs handlers when the first artifact comes that needs them. */
static void both(void *unused) {
    (void)unused;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    check(config.profile == RTW_PROFILE_ANY && config.allow_signal_handlers == 1, "both profiles are the default, and handlers are allowed");
    const state_t before = look();
    rtw_runtime_t *runtime;
    require(rtw_runtime_create(NULL, &runtime, &err), &err, "a runtime by default");
    rtw_instance_t *plugin = instance_of(runtime, "traps", "plugin");
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    require(rtw_instance_prepare(plugin, NULL, NULL, &err), &err, "prepare");
    check_status(call(plugin, "unreachable", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a trap in the plugin profile");
    state_t now = look();
    check(same_handlers(&before, &now), "until then no handler is installed");
    check(!same_thread(&before, &now), "the thread is ready for signals already");

    rtw_instance_t *standalone = instance_of(runtime, "traps", "standalone");
    now = look();
    check(!same_handlers(&before, &now), "twin: the first artifact of the standalone profile installs them");
    check_status(call(standalone, "unreachable", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a trap in the standalone profile, on a thread attached before");
    for (int i = 0; i < 100; i++) {
        require(rtw_instance_reset(i % 2 ? plugin : standalone, &err), &err, "reset");
        if (call(i % 2 ? plugin : standalone, "unreachable", NULL, 0) != RTW_ERR_TRAP_UNREACHABLE) check(false, "traps in turn: %d", i);
    }
    check(true, "traps of both in turn on one thread");
    require(rtw_thread_detach(runtime, &err), &err, "detach");
    now = look();
    check(same_thread(&before, &now), "detach puts back what attach changed");
    rtw_instance_destroy(plugin), rtw_instance_destroy(standalone);
    rtw_runtime_destroy(runtime);
}

/* Nothing of a runtime that may not install handlers touches a signal. */
static void none_allowed(void *unused) {
    (void)unused;
    const state_t before = look();
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    rtw_runtime_t *runtime = NULL;
    config.allow_signal_handlers = 2;
    check_status(rtw_runtime_create(&config, &runtime, &err), RTW_ERR_ARGUMENT, "allow_signal_handlers is 2");
    check_error(&err, RTW_ERR_ARGUMENT, "allow_signal_handlers is 2", "it is named");
    config.allow_signal_handlers = 0;
    config.profile = RTW_PROFILE_STANDALONE;
    check_status(rtw_runtime_create(&config, &runtime, &err), RTW_ERR_SIGNALS, "a standalone runtime that may not install handlers");
    check_error(&err, RTW_ERR_SIGNALS, "allow_signal_handlers", "the field is named");

    runtime = runtime_with(RTW_PROFILE_ANY, 0);
    rtw_module_t *module = NULL;
    check_status(rtw_module_load_file(runtime, path_of("traps", "standalone"), &module, &err), RTW_ERR_SIGNALS, "an artifact that needs handlers");
    check_error(&err, RTW_ERR_SIGNALS, "--profile plugin", "what to do about it is told");
    size_t length;
    unsigned char *bytes = read_file(path_of("traps", "standalone"), &length);
    check_status(rtw_module_probe(runtime, bytes, length, NULL, &err), RTW_ERR_SIGNALS, "rtw_module_probe says so, too");
    free(bytes);
    rtw_instance_t *plugin = instance_of(runtime, "traps", "plugin");
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    state_t now = look();
    check(same_handlers(&before, &now) && same_thread(&before, &now), "attaching leaves handlers, mask and signal stack alone");
    check_status(call(plugin, "unreachable", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a trap");
    now = look();
    check(same_handlers(&before, &now), "no handler was installed by any of this");
    require(rtw_thread_detach(runtime, &err), &err, "detach");
    rtw_instance_destroy(plugin);
    rtw_runtime_destroy(runtime);
}

static void wait_for_trouble(rtw_runtime_t *runtime) {
    rtw_signals_t seen;
    rtw_signals_init(&seen);
    while (rtw_runtime_signals(runtime, &seen) == RTW_OK && seen.status == RTW_OK) {
        const struct timespec moment = {0, 1000000};
        nanosleep(&moment, NULL);
    }
}

/* Where signals would not arrive, only guests are refused that need them. */
static void blocked(void *unused) {
    (void)unused;
    rtw_runtime_t *runtime = runtime_with(RTW_PROFILE_ANY, 1);
    rtw_instance_t *plugin = instance_of(runtime, "calls", "plugin"), *standalone = instance_of(runtime, "calls", "standalone");
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    rtw_func_t *one = look_up(plugin, "nothing", NULL), *other = look_up(standalone, "nothing", NULL);
    sigset_t segv;
    sigemptyset(&segv);
    sigaddset(&segv, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &segv, NULL);
    wait_for_trouble(runtime);
    check_status(rtw_invoke(other, NULL, 0), RTW_ERR_SIGNALS, "SIGSEGV is blocked: a guest that needs it is refused");
    check_status(rtw_invoke(one, NULL, 0), RTW_OK, "and one that does not is not");
    pthread_sigmask(SIG_UNBLOCK, &segv, NULL);
    rtw_func_destroy(one), rtw_func_destroy(other);
    rtw_instance_destroy(plugin), rtw_instance_destroy(standalone);
    require(rtw_thread_detach(runtime, &err), &err, "detach");
    rtw_runtime_destroy(runtime);
}

typedef struct late_t {
    rtw_func_t *nothing, *trap;
    rtw_status_t first, second, third;
} late_t;

static void *call_late(void *data) {
    late_t *late = data;
    late->first = rtw_invoke(late->nothing, NULL, 0);
    late->second = rtw_invoke(late->trap, NULL, 0);
    late->third = rtw_invoke(late->nothing, NULL, 0);
    return NULL;
}

/* With both profiles in one runtime, each call asks whether its own guest's faults would become traps; and a thread that a call
 * attaches is ready for both. */
static void asked(void *unused) {
    (void)unused;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.signal_checks = RTW_SIGNALS_ASK;
    config.attach_on_call = 1;
    rtw_runtime_t *runtime;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime that asks and attaches");
    rtw_instance_t *plugin = instance_of(runtime, "calls", "plugin"), *standalone = instance_of(runtime, "calls", "standalone");
    rtw_func_t *one = look_up(plugin, "nothing", NULL), *other = look_up(standalone, "nothing", NULL);
    check_status(rtw_invoke(one, NULL, 0), RTW_OK, "asked: a call attaches the thread for the plugin profile");
    check_status(rtw_invoke(other, NULL, 0), RTW_OK, "asked: and for the standalone one");
    sigset_t segv;
    sigemptyset(&segv);
    sigaddset(&segv, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &segv, NULL);
    check_status(rtw_invoke(other, NULL, 0), RTW_ERR_SIGNALS, "asked: the very next call of a guest that needs SIGSEGV is refused");
    check_status(rtw_invoke(one, NULL, 0), RTW_OK, "asked: and one that does not need it is not");
    pthread_sigmask(SIG_UNBLOCK, &segv, NULL);
    check_status(rtw_invoke(other, NULL, 0), RTW_OK, "asked: unblocked, it is let in at once");

    /* Threads that a call of either profile attaches: a trap of the standalone one arrives there. */
    rtw_instance_t *traps[] = {instance_of(runtime, "traps", "plugin"), instance_of(runtime, "traps", "standalone")};
    rtw_func_t *first[] = {one, other};
    for (int i = 0; i < 4; i++) {
        late_t late = {first[i / 2], look_up(traps[i % 2], "unreachable", NULL), 0, 0, 0};
        require(rtw_instance_reset(traps[i % 2], &err), &err, "reset");
        pthread_t thread;
        pthread_create(&thread, NULL, call_late, &late);
        pthread_join(thread, NULL);
        check(late.first == RTW_OK && late.second == RTW_ERR_TRAP_UNREACHABLE && late.third == RTW_OK,
              "asked: a thread first attached by a %s guest, and a trap of a %s one: %d, %d, %d", i / 2 ? "standalone" : "plugin",
              i % 2 ? "standalone" : "plugin", late.first, late.second, late.third);
        rtw_func_destroy(late.trap);
    }
    rtw_runtime_stats_t stats;
    rtw_runtime_stats_init(&stats);
    check(rtw_runtime_stats(runtime, &stats) == RTW_OK && stats.late_attaches == 5 && stats.attached_threads == 1,
          "asked: five threads were attached by calls, %d are still there", (int)stats.attached_threads);
    rtw_func_destroy(one), rtw_func_destroy(other);
    rtw_instance_destroy(plugin), rtw_instance_destroy(standalone), rtw_instance_destroy(traps[0]), rtw_instance_destroy(traps[1]);
    rtw_runtime_destroy(runtime);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    /* Under AddressSanitizer SIGSEGV is somebody else's from the start. */
    if (!sanitized) {
        check_in_child("both profiles", both, NULL);
        check_in_child("blocked signals", blocked, NULL);
        check_in_child("signals that calls ask about", asked, NULL);
    }
    check_in_child("no handlers", none_allowed, NULL);
    return check_summary();
}
