/* Signal handlers: who has them, who gets what, and what is said when they are taken away. Every test runs in a process of its
 * own, since the engine installs its handlers once a process. */
#include "common.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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

static bool is_engines(int signal) { return profile == RTW_PROFILE_STANDALONE && (signal == SIGSEGV || signal == SIGILL || signal == SIGFPE); }

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
    if (profile == RTW_PROFILE_STANDALONE) check(engines == 3, "dispositions: %s: SIGSEGV, SIGILL and SIGFPE are the engine's", what);
}

static void dispositions(void *data) {
    (void)data;
    struct sigaction before[LAST_SIGNAL + 1];
    sigset_t blocked, after;
    look(before);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    guest_t guest = open_guest("traps", NULL);
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
    guest_t guest = open_guest("traps", NULL);
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
    guest_t guest = open_guest("traps", NULL);
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
    guest_t guest = open_guest("calls", NULL);
    rtw_status_t expected = profile == RTW_PROFILE_STANDALONE ? RTW_ERR_SIGNALS : RTW_OK;
    const int signals[] = {SIGSEGV, SIGILL, SIGFPE};
    const char *const names[] = {"SIGSEGV", "SIGILL", "SIGFPE"};
    for (int i = 0; i < 3; i++) {
        struct sigaction engines, other;
        sigaction(signals[i], NULL, &engines);
        install(signals[i]);
        check_taken(&guest, expected, expected == RTW_OK ? "" : names[i], names[i]);
        check_taken(&guest, expected, expected == RTW_OK ? "" : "test_signals", names[i]);
        memset(&other, 0, sizeof other);
        other.sa_handler = SIG_DFL;
        sigaction(signals[i], &other, NULL);
        check_taken(&guest, expected, expected == RTW_OK ? "" : "default action", "SIG_DFL");
        other.sa_handler = SIG_IGN;
        sigaction(signals[i], &other, NULL);
        check_taken(&guest, expected, expected == RTW_OK ? "" : "ignoring", "SIG_IGN");
        sigaction(signals[i], &engines, NULL);
        check_taken(&guest, RTW_OK, "", "the engine's back");
    }
    /* A runtime made after that does not take the stranger's handler for the engine's. */
    install(SIGSEGV);
    rtw_runtime_t *second = make_runtime();
    check_status(rtw_thread_attach(second, NULL, &err), expected, "handler after: a second runtime sees it too");
    rtw_runtime_destroy(second);
    close_guest(&guest);
}

/* Signals that the thread blocks are no concern of the plugin profile. */
static void all_blocked(void *data) {
    (void)data;
    guest_t guest = open_guest("traps", NULL);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    check_status(rtw_thread_attach(guest.runtime, NULL, &err), RTW_OK, "all signals blocked: attached");
    trap_all(&guest);
    (void)rtw_thread_detach(guest.runtime, NULL);
    close_guest(&guest);
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
    if (profile == RTW_PROFILE_PLUGIN) check_in_child("all signals blocked", all_blocked, NULL);
    return check_summary();
}
