/* Signal handlers: who has them, who gets what, and what is said when they are taken away. Every test runs in a process of its
 * own, since the engine installs its handlers once a process. */
#include "../support/child.h"
#include "../support/common.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static rtw_error_t err;

static const char *const trapping[] = {"unreachable", "load", "call_entry", "div", "truncate", "recurse"};

static void trap_all(guest_t *guest) {
    for (size_t i = 0; i < sizeof trapping / sizeof trapping[0]; i++) {
        rtw_value_t values[2];
        memset(values, 0xff, sizeof values);
        if (strcmp(trapping[i], "div") == 0) memset(values, 0, sizeof values);
        rtw_status_t status = call(guest->instance, trapping[i], values, 2);
        check(status <= RTW_ERR_TRAP_UNREACHABLE && status >= RTW_ERR_TRAP_OTHER, "%s traps: %s", trapping[i], rtw_status_name(status));
        renew(guest, NULL);
    }
}

enum { LAST_SIGNAL = 64 };

static void look(struct sigaction *actions) {
    memset(actions, 0, (LAST_SIGNAL + 1) * sizeof *actions);
    for (int signal = 1; signal <= LAST_SIGNAL; signal++) sigaction(signal, NULL, &actions[signal]);
}

static bool is_engines(int signal) { return profile == RTW_PROFILE_STANDALONE && is_engine_signal(signal); }

/* The C library fills only as much of a mask as there are signals. */
static bool same_mask(const sigset_t *one, const sigset_t *other) {
    for (int signal = 1; signal <= LAST_SIGNAL; signal++)
        if (sigismember(one, signal) != sigismember(other, signal)) return false;
    return true;
}

static void check_dispositions(const struct sigaction *before, const char *what) {
    struct sigaction now[LAST_SIGNAL + 1];
    look(now);
    int changed = 0, engines = 0;
    for (int signal = 1; signal <= LAST_SIGNAL; signal++) {
        bool same = now[signal].sa_sigaction == before[signal].sa_sigaction && now[signal].sa_flags == before[signal].sa_flags &&
                    same_mask(&now[signal].sa_mask, &before[signal].sa_mask);
        if (is_engines(signal))
            engines += !same;
        else
            changed += !same;
    }
    check(changed == 0, "dispositions: %s changes none that is the host's", what);
    if (profile == RTW_PROFILE_STANDALONE) check(engines == ENGINE_SIGNALS, "dispositions: %s: " ENGINE_SIGNAL_NAMES " are the engine's", what);
}

static void dispositions(void *data) {
    (void)data;
    struct sigaction before[LAST_SIGNAL + 1];
    sigset_t blocked, after;
    look(before);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    guest_t guest = open_unattached("traps", NULL);
    check_dispositions(before, "making a runtime, a module, an instance");
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "dispositions: attached");
    check_dispositions(before, "attaching");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "dispositions: prepared");
    trap_all(&guest);
    check_dispositions(before, "trapping");
    check_status(rtw_thread_detach(guest.runtime, NULL), RTW_OK, "dispositions: detached");
    close_guest(&guest);
    check_dispositions(before, "destroying");
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    check(same_mask(&blocked, &after), "dispositions: the signal mask is as before");
}

static volatile sig_atomic_t handled;
static sigjmp_buf back;

static void host_handler(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    handled = handled * 100 + signal;
    siglongjmp(back, 1);
}

static void install(int signal) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = host_handler;
    action.sa_flags = SA_SIGINFO;
    sigaction(signal, &action, NULL);
}

static volatile int *nowhere(void) {
    return mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The host's own handler, there before the runtime, keeps getting what is the host's. */
static void handler_before(void *data) {
    (void)data;
    install(SIGSEGV);
    install(SIGFPE);
    guest_t guest = open_unattached("traps", NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "handler before: the thread is attached");
    trap_all(&guest);
    check(handled == 0, "handler before: it sees none of the guest's traps");
    if (sigsetjmp(back, 1) == 0) {
        *nowhere() = 1;
        check(false, "handler before: a write to nowhere goes on");
    }
    check(handled == SIGSEGV, "handler before: it gets the host's own fault");
    handled = 0;
    if (sigsetjmp(back, 1) == 0) raise(SIGFPE);
    check(handled == SIGFPE, "handler before: and a signal that was sent");
    trap_all(&guest);
    check(handled == SIGFPE, "handler before: traps are traps afterwards");
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
}

/* Without a handler of the host's, its faults end it as they always did. */
static void crash(void *data) {
    (void)data;
    guest_t guest = open_unattached("traps", NULL);
    (void)rtw_thread_attach(guest.runtime, NULL, NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    (void)call(guest.instance, "div", values, 2);
    *nowhere() = 1;
}

static void check_taken(guest_t *guest, rtw_status_t expected, const char *part, const char *what) {
    check_status(rtw_thread_attach(guest->runtime, NULL, &err), expected, "handler after: attach with %s", what);
    check_error(&err, expected, part, "handler after: attach with %s: the message says \"%s\"", what, part);
    if (err.status == RTW_OK) (void)rtw_thread_detach(guest->runtime, NULL);
    check_status(rtw_instance_prepare(guest->instance, NULL, NULL, &err), expected, "handler after: prepare with %s", what);
    check_error(&err, expected, part, "handler after: prepare with %s: the message says \"%s\"", what, part);
}

static void handler_after(void *data) {
    (void)data;
    guest_t guest = open_unattached("calls", NULL);
    rtw_status_t expected = profile == RTW_PROFILE_STANDALONE ? RTW_ERR_SIGNALS : RTW_OK;
    for (int i = 0; i < ENGINE_SIGNALS; i++) {
        const char *const name = engine_signal_name(i);
        struct sigaction engines, other;
        sigaction(engine_signals[i], NULL, &engines);
        install(engine_signals[i]);
        check_taken(&guest, expected, expected == RTW_OK ? "" : name, name);
        check_taken(&guest, expected, expected == RTW_OK ? "" : OWN_NAME, name);
        memset(&other, 0, sizeof other);
        other.sa_handler = SIG_DFL;
        sigaction(engine_signals[i], &other, NULL);
        check_taken(&guest, expected, expected == RTW_OK ? "" : "default action", "SIG_DFL");
        other.sa_handler = SIG_IGN;
        sigaction(engine_signals[i], &other, NULL);
        check_taken(&guest, expected, expected == RTW_OK ? "" : "ignoring", "SIG_IGN");
        sigaction(engine_signals[i], &engines, NULL);
        check_taken(&guest, RTW_OK, "", "the engine's back");
    }
    /* A runtime made after that does not take the stranger's handler for the engine's. */
    install(SIGSEGV);
    rtw_runtime_t *second = make_runtime();
    check_status(rtw_thread_attach(second, NULL, &err), expected, "handler after: a second runtime sees it too");
    rtw_runtime_destroy(second);
    close_guest(&guest);
}

/* ---- blocked signals */

static bool is_needed(int signal) { return is_engine_signal(signal); }

static void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static sigset_t mask(void) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return now;
}

/* The signals of faults are blocked or not; all others are blocked. */
static void check_blocked(bool blocked, const char *when) {
    sigset_t now = mask();
    int wrong = 0;
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGKILL && signal != SIGSTOP) wrong += sigismember(&now, signal) != (is_needed(signal) ? blocked : 1);
    check(wrong == 0, "blocked: %s, what guests' faults come as is %s, and the rest is as before", when, blocked ? "blocked" : "not blocked");
}

static bool standalone(void) { return profile == RTW_PROFILE_STANDALONE; }

static rtw_instance_t *with_budget(rtw_module_t *module) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = 2000000;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, &config, &instance, &err), &err, "an instance with a budget");
    return instance;
}

/* Traps and budgets on a thread that blocked everything before it attached, as real-time hosts do. */
static void blocked_before_attach(void *data) {
    (void)data;
    block_all();
    guest_t guest = open_unattached("traps", NULL);
    check_blocked(true, "after an instance was made");
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "blocked before attach: attached");
    check_blocked(!standalone(), "while attached");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "blocked before attach: prepared");
    trap_all(&guest);
    rtw_module_t *endless = load(guest.runtime, "slot");
    rtw_instance_t *limited = with_budget(endless);
    rtw_value_t value = {.i32 = 2};
    check_status(call(limited, "act", &value, 1), RTW_ERR_BUDGET, "blocked before attach: a guest that never ends is cut off");
    rtw_instance_destroy(limited);
    rtw_module_destroy(endless);
    check_status(rtw_thread_detach(guest.runtime, &err), RTW_OK, "blocked before attach: detached");
    check_blocked(true, "after detach");
    close_guest(&guest);
}

/* Blocked at other moments, all of which a [setup] function follows. */
static void blocked_later(void *data) {
    (void)data;
    guest_t guest = open_unattached("traps", NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "blocked later: attached");
    block_all();
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "blocked later: prepare after that");
    check_blocked(!standalone(), "after prepare");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    check_status(call(guest.instance, "div", values, 2), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "blocked later: a trap");
    block_all();
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "blocked later: a reset after that");
    check_blocked(!standalone(), "after a reset");
    check_status(call(guest.instance, "unreachable", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "blocked later: another trap");
    block_all();
    renew(&guest, NULL);
    trap_all(&guest);
    check_status(rtw_thread_detach(guest.runtime, &err), RTW_OK, "blocked later: detached");
    check_blocked(true, "when what was blocked meanwhile is blocked again");
    close_guest(&guest);
}

/* Attachments of several runtimes, in every order of their ends: what they need stays as long as one of them is there. */
static void blocked_and_attached_thrice(void *data) {
    (void)data;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    guest_t guest = open_unattached("traps", NULL);
    rtw_runtime_t *runtimes[3] = {guest.runtime, make_runtime(), make_runtime()};
    for (int i = 0; i < 6; i++) {
        block_all();
        for (int k = 0; k < 3; k++) {
            require(rtw_thread_attach(runtimes[k], NULL, &err), &err, "blocked, attached thrice: attach");
            if (k == 1) block_all(); /* in between, too */
        }
        check_blocked(!standalone(), "with three attachments");
        for (int k = 0; k < 3; k++) {
            check_status(rtw_thread_detach(runtimes[orders[i][k]], &err), RTW_OK, "blocked, attached thrice: detach %d", orders[i][k]);
            check_blocked(!standalone() || k == 2, k == 2 ? "with the last one gone" : "with some left");
        }
    }
    /* The other profile's attachments neither need nor undo anything. */
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = standalone() ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    rtw_runtime_t *other = NULL;
    require(rtw_runtime_create(&config, &other, &err), &err, "a runtime of the other profile");
    block_all();
    require(rtw_thread_attach(other, NULL, &err), &err, "attach of the other profile");
    check_blocked(standalone(), "with one of the other profile");
    require(rtw_thread_attach(runtimes[0], NULL, &err), &err, "attach");
    require(rtw_thread_detach(other, &err), &err, "detach of the other profile");
    check_blocked(!standalone(), "with that gone");
    trap_all(&guest);
    require(rtw_thread_detach(runtimes[0], &err), &err, "detach");
    check_blocked(true, "with all gone");
    rtw_runtime_destroy(other);
    rtw_runtime_destroy(runtimes[1]);
    rtw_runtime_destroy(runtimes[2]);
    close_guest(&guest);
}

/* [setup] functions that run guests on a thread that is not attached: signals and the alternate stack are as before. */
static void blocked_and_not_attached(void *data) {
    (void)data;
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *starts = load(runtime, "start_traps");
    static char host_stack[1 << 16];
    stack_t mine = {.ss_sp = host_stack, .ss_size = sizeof host_stack}, now;
    sigaltstack(&mine, NULL);
    block_all();
    for (int i = 0; i < 3; i++) {
        rtw_instance_t *instance = NULL;
        check_status(rtw_instance_create(starts, NULL, NULL, &instance, &err), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "not attached: a start function that traps");
        check_blocked(true, "after it");
        sigaltstack(NULL, &now);
        check(now.ss_sp == host_stack && now.ss_size == sizeof host_stack, "not attached: the alternate signal stack is as before");
    }
    /* One that is too small for a handler is replaced meanwhile. */
    mine.ss_size = SMALLEST_SIGNAL_STACK;
    if (sigaltstack(&mine, NULL) != 0) check(false, "not attached: the smallest alternate signal stack there can be");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(starts, NULL, NULL, &instance, &err), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "not attached: with a small alternate stack");
    sigaltstack(NULL, &now);
    check(now.ss_sp == host_stack && now.ss_size == mine.ss_size, "not attached: which is as before");
    rtw_module_t *traps = load(runtime, "slot");
    rtw_instance_t *other = with_budget(traps);
    rtw_func_t *act = look_up(other, "act", NULL);
    rtw_value_t value = {.i32 = 1};
    rtw_dry_call_t dry = {.func = act, .values = &value, .value_count = 1, .repeats = 1};
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    check_status(rtw_instance_prepare(other, &config, NULL, &err), RTW_ERR_TRAP_UNREACHABLE, "not attached: a dry call that traps");
    check_blocked(true, "after it");
    rtw_func_destroy(act);
    rtw_instance_destroy(other);
    rtw_module_destroy(traps);
    rtw_module_destroy(starts);
    rtw_runtime_destroy(runtime);
}

/* Threads of the library's own that were started by a thread which blocks everything: a worker's calls trap, so do the dry calls
 * of spares, and a budget is kept. */
static rtw_status_t let_it_trap(void *user_data, const rtw_tick_t *tick) {
    (void)tick;
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    return rtw_invoke(user_data, values, 2);
}

static pthread_t publisher;

/* Traps on every thread but the publisher's: on the housekeeper's. */
static rtw_status_t tell_to_trap(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    values[0].i32 = pthread_equal(pthread_self(), publisher) ? 7 : 1;
    return RTW_OK;
}

static rtw_imports_t *telling(rtw_status_t (*func)(void *, rtw_instance_t *, rtw_value_t *), void *user_data) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "told", "()->(i32)", func, user_data, NULL, 0, &err), &err, "a host function");
    return imports;
}

static pthread_mutex_t told = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told_more = PTHREAD_COND_INITIALIZER;
static rtw_status_t failed_with;

static void on_event(void *user_data, const rtw_slot_event_t *event) {
    (void)user_data;
    if (event->kind != RTW_SLOT_EVENT_SPARE_FAILED) return;
    pthread_mutex_lock(&told);
    failed_with = event->status;
    pthread_cond_broadcast(&told_more);
    pthread_mutex_unlock(&told);
}

/* A slot for the export "alive" with one spare. */
static rtw_slot_t *slot_with_spare(rtw_runtime_t *runtime, rtw_slot_event_func_t on_slot_event) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    config.on_event = on_slot_event;
    return new_slot(runtime, "alive", "()->(i32)", &config);
}

static void own_threads(void *data) {
    (void)data;
    block_all();
    guest_t guest = open_unattached("traps", NULL);
    rtw_func_t *div = look_up(guest.instance, "div", NULL);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = let_it_trap;
    config.user_data = div;
    rtw_worker_t *worker = start_worker(guest.runtime, &config);
    check_status(rtw_worker_join(worker, UINT64_MAX), RTW_OK, "own threads: the worker ends");
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    check_status(rtw_worker_info(worker, &info), RTW_OK, "own threads: the worker is asked");
    check_status(info.ended_by, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "own threads: a worker's step traps");
    check_blocked(true, "on the thread that made a worker");
    rtw_worker_destroy(worker);
    rtw_func_destroy(div);
    close_guest(&guest);

    publisher = pthread_self();
    rtw_imports_t *imports = telling(tell_to_trap, NULL);
    guest = open_unattached("told", imports);
    rtw_slot_t *slot = slot_with_spare(guest.runtime, on_event);
    check_status(rtw_slot_publish(slot, guest.instance, NULL, &err), RTW_OK, "own threads: publish");
    pthread_mutex_lock(&told);
    while (failed_with == RTW_OK) pthread_cond_wait(&told_more, &told);
    check_status(failed_with, RTW_ERR_TRAP_UNREACHABLE, "own threads: a spare's start function traps on the housekeeper's thread");
    pthread_mutex_unlock(&told);
    check_blocked(true, "on the thread that published");
    rtw_slot_destroy(slot);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

/* The twins: a signal that is blocked where no [setup] function has seen it ends a process of the standalone profile, and no other;
 * a thread of the host's that inherits such a mask. */
static void blocked_unseen(void *data) {
    guest_t guest = open_unattached("traps", NULL);
    (void)rtw_thread_attach(guest.runtime, NULL, NULL);
    (void)rtw_instance_prepare(guest.instance, NULL, NULL, NULL);
    block_all();
    (void)call(guest.instance, data, NULL, 0);
}

static void test_blocked_unseen(void) {
    static char ill[] = "unreachable";
    int status = status_of_child(blocked_unseen, ill);
    if (standalone())
        check(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "blocked after prepare and unseen: killed, so that the others would be too");
    else
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "blocked after prepare: no concern of the plugin profile");
}

/* ---- alternate stacks that the host replaces */

static void replaced_stacks(void *data) {
    (void)data;
    static char large[1 << 17];
    guest_t guest = open_unattached("traps", NULL);
    stack_t before, now, none = {.ss_flags = SS_DISABLE}, small = {.ss_sp = large, .ss_size = SMALLEST_SIGNAL_STACK},
                     roomy = {.ss_sp = large, .ss_size = sizeof large};
    sigaltstack(&roomy, NULL);
    sigaltstack(NULL, &before);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "stacks: attached");
    sigaltstack(NULL, &now);
    check((now.ss_sp == before.ss_sp) == !standalone(), "stacks: the standalone profile has its own");
    rtw_status_t expected = standalone() ? RTW_ERR_SIGNALS : RTW_OK;
    if (sigaltstack(&small, NULL) != 0) check(false, "stacks: the smallest one there can be");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), expected, "stacks: prepare with one that is too small");
    check_error(&err, expected, standalone() ? "alternate signal stack" : "", "stacks: the message names it");
    check_status(rtw_instance_reset(guest.instance, &err), expected, "stacks: a reset with one that is too small");
    sigaltstack(&none, NULL);
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "stacks: prepare without one");
    trap_all(&guest);
    sigaltstack(&roomy, NULL);
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "stacks: prepare with one that is large enough");
    trap_all(&guest);
    check_status(rtw_thread_detach(guest.runtime, &err), RTW_OK, "stacks: detached");
    sigaltstack(NULL, &now);
    check(now.ss_sp == roomy.ss_sp && now.ss_size == roomy.ss_size, "stacks: what the host chose last stays");
    sigaltstack(&small, NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "stacks: attached again, over a small one");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "stacks: prepare then");
    trap_all(&guest);
    check_status(rtw_thread_detach(guest.runtime, &err), RTW_OK, "stacks: detached again");
    sigaltstack(NULL, &now);
    check(now.ss_size == small.ss_size && !(now.ss_flags & SS_DISABLE), "stacks: the small one is back");
    close_guest(&guest);
}

/* ---- calls while a guest is being made */

static rtw_func_t *volatile alive;
static volatile sig_atomic_t answered_ok, answered_busy, answered_otherwise;

static void call_from_handler(int signal) {
    (void)signal;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    rtw_func_t *func = alive;
    if (!func) return;
    rtw_status_t status = rtw_invoke(func, &value, 1);
    if (status == RTW_OK && value.i32 == 1)
        answered_ok++;
    else if (status == RTW_ERR_BUSY)
        answered_busy++;
    else
        answered_otherwise++;
}

static rtw_worker_t *volatile asked_worker;

/* The start function's host function: a caller now gets the status that the instance is busy. */
static rtw_status_t call_meanwhile(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data;
    values[0].i32 = 7;
    if (!alive) return RTW_OK;
    raise(SIGUSR1);
    check(rtw_instance_memory_at(instance, 0, 1) == NULL, "reset: there is no memory while the guest is made");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke(alive, &value, 1), RTW_ERR_BUSY, "reset: a call from the start function's host function");
    if (asked_worker) check_status(rtw_worker_invoke(asked_worker, alive, &value, 1), RTW_ERR_BUSY, "reset: a call by a worker");
    return RTW_OK;
}

static void while_it_is_made(void *data) {
    (void)data;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = call_from_handler;
    sigaction(SIGUSR1, &action, NULL);
    rtw_imports_t *imports = telling(call_meanwhile, NULL);
    guest_t guest = open_unattached("told", imports);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "reset: attached");
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    rtw_worker_t *worker = start_worker(guest.runtime, &config);
    asked_worker = worker;
    alive = look_up(guest.instance, "alive", NULL);
    raise(SIGUSR1);
    check(answered_ok == 1, "reset: a call from a signal handler before");
    for (int i = 0; i < 3; i++) {
        check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "reset: with calls meanwhile");
        check(answered_busy == i + 1 && answered_otherwise == 0, "reset: a call from a signal handler is told that it is busy");
    }
    raise(SIGUSR1);
    check(answered_ok == 2, "reset: and after it, that it is not");
    rtw_worker_destroy(worker);
    rtw_func_destroy(alive);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

static rtw_status_t tell_nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    values[0].i32 = 7;
    return RTW_OK;
}

static void start_storm(bool on) {
    const struct itimerval storm = {{0, on ? 73 : 0}, {0, on ? 73 : 0}};
    setitimer(ITIMER_REAL, &storm, NULL);
}

/* A guest in a storm. In another floating-point environment than its thread's, its calls do more before and after the guest. */
static guest_t open_in_storm(rtw_imports_t *imports, const uint32_t *denormals) {
    guest_t guest = open_unattached("told", imports);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.denormals = *denormals;
    rtw_instance_destroy(guest.instance);
    require(rtw_instance_create(guest.module, imports, &config, &guest.instance, &err), &err, "an instance");
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "storm: attached");
    return guest;
}

/* A timer's signals, in the middle of whatever the thread does: of resets, of calls, of calls into the host. */
static void storm(void *denormals) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = call_from_handler;
    sigaction(SIGALRM, &action, NULL);
    rtw_imports_t *imports = telling(tell_nothing, NULL);
    guest_t guest = open_in_storm(imports, denormals);
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "storm: prepared");
    rtw_func_t *act = look_up(guest.instance, "act", NULL);
    alive = look_up(guest.instance, "alive", NULL);
    int resets = 0, wrong = 0;
    start_storm(true);
    for (; resets < 200000 && (resets < 300 || answered_busy < 100 || answered_ok < 100); resets++) {
        wrong += rtw_instance_reset(guest.instance, NULL) != RTW_OK;
        for (int i = 0; i < 20; i++) {
            rtw_value_t value;
            memset(&value, 0, sizeof value);
            wrong += rtw_invoke(act, &value, 1) != RTW_OK || value.i32 != 7;
        }
    }
    start_storm(false);
    check(wrong == 0, "storm: %d resets and 20 calls after each do as they should", resets);
    check(answered_otherwise == 0, "storm: calls from the handler run or are told that it is busy (%d do not)", answered_otherwise);
    check(answered_busy >= 100 && answered_ok >= 100, "storm: of both there are many: %d and %d", answered_ok, answered_busy);
    rtw_func_destroy(act);
    rtw_func_destroy(alive);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

/* A worker's queue that is never empty, on an instance that is reset and reset. */
static void queue_storm(void *denormals) {
    rtw_imports_t *imports = telling(tell_nothing, NULL);
    guest_t guest = open_in_storm(imports, denormals);
    rtw_func_t *act = look_up(guest.instance, "act", NULL);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    rtw_worker_t *worker = start_worker(guest.runtime, &config);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    long resets = 0, refused = 0, ok = 0, busy = 0, otherwise = 0;
    for (long turn = 0; turn < 200000 && (resets < 300 || busy < 20 || ok < 20); turn++) {
        while (rtw_worker_submit(worker, act, &value, 1, 0) == RTW_OK) {
        }
        rtw_status_t status = rtw_instance_reset(guest.instance, NULL);
        resets += status == RTW_OK;
        refused += status == RTW_ERR_BUSY;
        otherwise += status != RTW_OK && status != RTW_ERR_BUSY;
        rtw_completion_t done;
        rtw_completion_init(&done);
        while (rtw_worker_poll(worker, &done) == RTW_OK) {
            ok += done.status == RTW_OK && done.values[0].i32 == 7;
            busy += done.status == RTW_ERR_BUSY;
            otherwise += done.status != RTW_OK && done.status != RTW_ERR_BUSY;
        }
    }
    check(resets >= 300 && ok >= 20 && busy >= 20, "queue storm: %ld resets, %ld refused; %ld calls, %ld told that it is busy", resets, refused, ok, busy);
    check(otherwise == 0, "queue storm: nothing else is answered (%ld are)", otherwise);
    rtw_worker_destroy(worker);
    rtw_func_destroy(act);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

/* ---- what the housekeeper finds between calls */

static rtw_signals_t signals_of(rtw_runtime_t *runtime) {
    rtw_signals_t signals;
    rtw_signals_init(&signals);
    require(rtw_runtime_signals(runtime, &signals), NULL, "what was seen of signals");
    return signals;
}

/* Calls until one returns another status; nothing that takes a signal happens in them. */
static rtw_status_t call_until_refused(rtw_func_t *func) {
    rtw_value_t value;
    rtw_status_t status;
    do {
        memset(&value, 0, sizeof value);
        status = rtw_invoke(func, &value, 1);
        sched_yield();
    } while (status == RTW_OK);
    return status;
}

static void wait_for_looks(rtw_runtime_t *runtime, uint64_t more) {
    const uint64_t before = signals_of(runtime).looks;
    while (signals_of(runtime).looks < before + more) sched_yield();
}

static rtw_status_t call_once(rtw_func_t *func) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    return rtw_invoke(func, &value, 1);
}

static rtw_func_t *beside_func;
static pthread_barrier_t barrier;

/* Another attached thread, with an instance of its own: what the first one blocks is no concern of its. */
static void *beside(void *data) {
    guest_t *guest = data;
    rtw_error_t error;
    require(rtw_thread_attach(guest->runtime, NULL, &error), &error, "beside: attached");
    pthread_barrier_wait(&barrier); /* the first one is refused now */
    int wrong = 0;
    for (int i = 0; i < 1000; i++) wrong += call_once(beside_func) != RTW_OK;
    check(wrong == 0, "watched: a thread that blocks nothing is not refused because of one that does");
    pthread_barrier_wait(&barrier);
    (void)rtw_thread_detach(guest->runtime, NULL);
    return NULL;
}

static void watched(void *data) {
    (void)data;
    guest_t guest = open_unattached("traps", NULL);
    rtw_instance_t *other = NULL;
    require(rtw_instance_create(guest.module, NULL, NULL, &other, &err), &err, "another instance");
    rtw_func_t *func = look_up(guest.instance, "alive", NULL);
    beside_func = look_up(other, "alive", NULL);
    rtw_signals_t seen = signals_of(guest.runtime);
    check(seen.looks == 0 && seen.status == RTW_OK && seen.interval_ns == 100000000, "watched: nobody looks before a thread is attached");
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "watched: attached");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "watched: prepared");
    wait_for_looks(guest.runtime, 2);
    seen = signals_of(guest.runtime);
    check(seen.status == RTW_OK && seen.troubles == 0 && seen.message[0] == '\0' && !seen.masks_unknown, "watched: all is in order");
    check_status(call_once(func), RTW_OK, "watched: and calls run");

    /* handlers, one after the other */
    for (int signal = 0; signal < ENGINE_SIGNALS; signal++) {
        const char *const name = engine_signal_name(signal);
        struct sigaction engines;
        sigaction(engine_signals[signal], NULL, &engines);
        install(engine_signals[signal]);
        check_status(call_until_refused(func), RTW_ERR_SIGNALS, "watched: a foreign handler of %s", name);
        check_status(call_once(func), RTW_ERR_SIGNALS, "watched: and again");
        seen = signals_of(guest.runtime);
        check(seen.status == RTW_ERR_SIGNALS && strstr(seen.message, name) && strstr(seen.message, OWN_NAME), "watched: it is named: %s", seen.message);
        check(seen.troubles == (uint64_t)signal + 1, "watched: and counted");
        check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_ERR_SIGNALS, "watched: prepare refuses, too");
        sigaction(engine_signals[signal], &engines, NULL);
        check_status(call_once(func), RTW_OK, "watched: with the engine's back the next call runs");
        wait_for_looks(guest.runtime, 2);
        check(signals_of(guest.runtime).status == RTW_OK, "watched: which is seen");
    }

    /* a mask */
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, beside, &guest) != 0) check(false, "a thread");
    block_all();
    check_status(call_until_refused(func), RTW_ERR_SIGNALS, "watched: a thread that blocks everything");
    seen = signals_of(guest.runtime);
    check(seen.blocked_threads == 1 && strstr(seen.message, "blocks " ENGINE_SIGNAL_NAMES), "watched: it is named: %s", seen.message);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    check_status(call_once(func), RTW_ERR_SIGNALS, "watched: it is refused still");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "watched: prepare unblocks");
    check_status(call_once(func), RTW_OK, "watched: and the next call runs");
    trap_all(&guest);
    rtw_func_destroy(func);
    rtw_func_destroy(beside_func);
    rtw_instance_destroy(other);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
}

/* Without /proc masks cannot be read, and the library says so; handlers can. */
static void watched_without_proc(void *data) {
    guest_t guest = open_unattached("traps", NULL);
    rtw_func_t *func = look_up(guest.instance, "alive", NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "without /proc: attached before");
    if (chroot(data) != 0) {
        check(geteuid() != 0, "without /proc: only root can leave it");
    } else {
        wait_for_looks(guest.runtime, 2);
        rtw_signals_t seen = signals_of(guest.runtime);
        check(seen.masks_unknown == 1 && seen.status == RTW_OK, "without /proc: it says that it does not know the masks");
        check_status(call_once(func), RTW_OK, "without /proc: calls run");
        install(SIGILL);
        check_status(call_until_refused(func), RTW_ERR_SIGNALS, "without /proc: a foreign handler is found");
    }
    rtw_func_destroy(func);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
}

/* Spares that could not be made while a handler was foreign come when it is not any more. */
static int spares_ready, spares_failed;

static void count_spares(void *user_data, const rtw_slot_event_t *event) {
    (void)user_data;
    pthread_mutex_lock(&told);
    spares_ready += event->kind == RTW_SLOT_EVENT_SPARE_READY;
    if (event->kind == RTW_SLOT_EVENT_SPARE_FAILED) {
        spares_failed++;
        failed_with = event->status;
    }
    pthread_cond_broadcast(&told_more);
    pthread_mutex_unlock(&told);
}

static void spares_afterwards(void *data) {
    (void)data;
    guest_t guest = open_unattached("traps", NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "spares: attached");
    rtw_slot_t *slot = slot_with_spare(guest.runtime, count_spares);
    /* The housekeeper makes spares when this returns: the handler is foreign from before its first attempt. */
    require(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "prepare");
    struct sigaction engines;
    sigaction(engine_signals[ENGINE_SIGNALS - 1], NULL, &engines);
    install(engine_signals[ENGINE_SIGNALS - 1]);
    check_status(rtw_slot_publish(slot, guest.instance, NULL, &err), RTW_OK, "spares: publish what is prepared");
    pthread_mutex_lock(&told);
    while (spares_failed == 0) pthread_cond_wait(&told_more, &told);
    check_status(failed_with, RTW_ERR_SIGNALS, "spares: none while a handler is foreign");
    pthread_mutex_unlock(&told);
    wait_for_looks(guest.runtime, 2);
    sigaction(engine_signals[ENGINE_SIGNALS - 1], &engines, NULL);
    pthread_mutex_lock(&told);
    while (spares_ready == 0) pthread_cond_wait(&told_more, &told);
    check(spares_failed == 1, "spares: which is told once, and there is one when it is not foreign any more");
    pthread_mutex_unlock(&told);
    rtw_slot_destroy(slot);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
}

static bool blocks_in_host;

static rtw_status_t block_inside(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    values[0].i32 = 7;
    if (blocks_in_host) block_all();
    return RTW_OK;
}

/* In a host function: the call goes on, and a later one is refused. */
static void watched_inside(void *data) {
    (void)data;
    rtw_imports_t *imports = telling(block_inside, NULL);
    guest_t guest = open_unattached("told", imports);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "watched inside: attached");
    rtw_func_t *act = look_up(guest.instance, "act", NULL), *func = look_up(guest.instance, "alive", NULL);
    blocks_in_host = true;
    check_status(call_once(act), RTW_OK, "watched inside: a host function blocks everything");
    blocks_in_host = false;
    check_status(call_until_refused(func), RTW_ERR_SIGNALS, "watched inside: which is found out");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "watched inside: a reset unblocks");
    check_status(call_once(func), RTW_OK, "watched inside: and calls run");
    rtw_func_destroy(act);
    rtw_func_destroy(func);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
    rtw_imports_destroy(imports);
}

/* Asked at every call: the very next one is refused, and the process lives. */
static void asked_at_every_call(void *data) {
    (void)data;
    rtw_runtime_config_t config = runtime_config();
    config.signal_checks = 2;
    rtw_runtime_t *none = NULL;
    check_status(rtw_runtime_create(&config, &none, &err), RTW_ERR_ARGUMENT, "asked: signal_checks out of range");
    config.signal_checks = RTW_SIGNALS_ASK;
    guest_t guest = {NULL, NULL, NULL};
    require(rtw_runtime_create(&config, &guest.runtime, &err), &err, "a runtime");
    guest.module = load(guest.runtime, "traps");
    guest.instance = with_budget(guest.module);
    require(rtw_thread_attach(guest.runtime, NULL, &err), &err, "attach");
    require(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "prepare");
    const rtw_status_t expected = standalone() ? RTW_ERR_SIGNALS : RTW_OK;
    static char small_stack[1 << 16];
    for (int round = 0; round < 3; round++) {
        rtw_func_t *func = look_up(guest.instance, "alive", NULL);
        check_status(call_once(func), RTW_OK, "asked: all is in order");
        sigset_t before = mask();
        block_all();
        check_status(call_once(func), expected, "asked: everything blocked");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        check_status(call_once(func), RTW_OK, "asked: and not blocked any more");
        struct sigaction engines;
        sigaction(engine_signals[ENGINE_SIGNALS - 1], NULL, &engines);
        install(engine_signals[ENGINE_SIGNALS - 1]);
        check_status(call_once(func), expected, "asked: a foreign handler");
        sigaction(engine_signals[ENGINE_SIGNALS - 1], &engines, NULL);
        check_status(call_once(func), RTW_OK, "asked: the engine's back");
        stack_t ours, small = {.ss_sp = small_stack, .ss_size = SMALLEST_SIGNAL_STACK};
        sigaltstack(&small, &ours);
        check_status(call_once(func), expected, "asked: a small alternate stack");
        sigaltstack(&ours, NULL);
        check_status(call_once(func), RTW_OK, "asked: a large one");
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        check_status(call(guest.instance, "div", values, 2), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "asked: a trap");
        check_status(call_once(func), RTW_ERR_FAULTED, "asked: faulted");
        check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "asked: a reset");
        rtw_func_destroy(func);
    }
    /* Where calls ask, a budget is kept as elsewhere. */
    rtw_module_t *endless = load(guest.runtime, "slot");
    rtw_instance_t *limited = with_budget(endless);
    rtw_value_t value = {.i32 = 2};
    check_status(call(limited, "act", &value, 1), RTW_ERR_BUDGET, "asked: a guest that never ends is cut off");
    rtw_instance_destroy(limited);
    rtw_module_destroy(endless);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
}

/* The plugin profile, with everything blocked, all handlers foreign and no room for a handler: nothing is different. */
static void ignore(int signal) { (void)signal; }

static void plugin_does_not_depend(void *data) {
    (void)data;
    static char small_stack[1 << 16];
    guest_t guest = open_unattached("traps", NULL);
    rtw_runtime_t *standalone_runtime = NULL; /* whose handlers are replaced */
    rtw_runtime_config_t standalone;
    rtw_runtime_config_init(&standalone);
    standalone.profile = RTW_PROFILE_STANDALONE;
    require(rtw_runtime_create(&standalone, &standalone_runtime, &err), &err, "a standalone runtime beside");
    for (int signal = 1; signal <= LAST_SIGNAL; signal++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = ignore;
        sigaction(signal, &action, NULL);
    }
    stack_t small = {.ss_sp = small_stack, .ss_size = SMALLEST_SIGNAL_STACK};
    sigaltstack(&small, NULL);
    block_all();
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "plugin: attached");
    check_blocked(true, "attached");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "plugin: prepared");
    trap_all(&guest);
    rtw_module_t *endless = load(guest.runtime, "slot");
    rtw_instance_t *limited = with_budget(endless);
    rtw_value_t value = {.i32 = 2};
    check_status(call(limited, "act", &value, 1), RTW_ERR_BUDGET, "plugin: a guest that never ends is cut off");
    rtw_instance_destroy(limited);
    rtw_module_destroy(endless);
    rtw_func_t *func = look_up(guest.instance, "alive", NULL);
    int wrong = 0;
    for (int i = 0; i < 100000; i++) wrong += call_once(func) != RTW_OK;
    check(wrong == 0, "plugin: calls run");
    rtw_signals_t seen = signals_of(guest.runtime);
    check(seen.looks == 0 && seen.status == RTW_OK, "plugin: nobody looks");
    check_status(rtw_runtime_signals(NULL, &seen), RTW_ERR_NULL, "signals: of no runtime");
    check_status(rtw_runtime_signals(guest.runtime, NULL), RTW_ERR_NULL, "signals: nowhere");
    rtw_func_destroy(func);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
    rtw_runtime_destroy(standalone_runtime);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check_in_child("dispositions", dispositions, NULL);
    check_in_child("handler before", handler_before, NULL);
    check_in_child("handler after", handler_after, NULL);
    if (!sanitized) {
        int status = status_of_child(crash, NULL);
        check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "a host's own fault without a handler ends it by SIGSEGV");
    }
    if (!sanitized) {
        check_in_child("blocked before attach", blocked_before_attach, NULL);
        check_in_child("blocked later", blocked_later, NULL);
        check_in_child("blocked, attached thrice", blocked_and_attached_thrice, NULL);
        check_in_child("blocked and not attached", blocked_and_not_attached, NULL);
        check_in_child("own threads", own_threads, NULL);
        test_blocked_unseen();
        check_in_child("stacks", replaced_stacks, NULL);
        if (standalone()) {
            check_in_child("watched", watched, NULL);
            check_in_child("watched inside", watched_inside, NULL);
            char empty[] = "/tmp/rtwasm-no-proc-XXXXXX";
            if (mkdtemp(empty)) check_in_child("watched without /proc", watched_without_proc, empty);
            rmdir(empty);
            check_in_child("spares afterwards", spares_afterwards, NULL);
        } else {
            check_in_child("plugin", plugin_does_not_depend, NULL);
        }
        check_in_child("asked", asked_at_every_call, NULL);
    }
    check_in_child("while it is made", while_it_is_made, NULL);
    static uint32_t kept = RTW_DENORMALS_KEEP, flushed = RTW_DENORMALS_FLUSH;
    check_in_child("storm", storm, &kept);
    check_in_child("storm, denormals flushed", storm, &flushed);
    check_in_child("queue storm", queue_storm, &kept);
    check_in_child("queue storm, denormals flushed", queue_storm, &flushed);
    return check_summary();
}
