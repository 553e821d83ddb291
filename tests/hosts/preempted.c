/* A thread that is preempted anywhere in a call, for the time of a reset on another thread: one of the two gets the status that the
 * instance is busy. The call is stopped after each of its instructions (the processor's trap flag), and let go while the reset makes the
 * new guest, whose start function calls the host. */
#include "common.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

enum { TRAP_FLAG = 0x100, MOST_STEPS = 20000 };

static rtw_runtime_t *runtime;
static rtw_instance_t *instance;
static rtw_func_t *func;

static volatile int steps, stop_after; /* of the thread that calls */
static sem_t stopped, go, ended;
static volatile bool is_over; /* the call had returned when it was stopped */
static rtw_status_t called;
static int32_t answer;

static __thread bool lets_go; /* this thread's next start function lets the call go on and waits for its end */
static volatile bool let_go;

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

static void let_the_call_go(void) {
    lets_go = false;
    let_go = true;
    sem_post(&go);
    wait_for(&ended);
}

static void on_step(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    if (++steps < stop_after) return;
    ucontext_t *interrupted = context;
    interrupted->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    sem_post(&stopped);
    wait_for(&go);
}

static void begin_steps(void) { __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc"); }
static void end_steps(void) { __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc"); }

static void *caller(void *data) {
    (void)data;
    rtw_error_t err;
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    require(rtw_invoke(func, values, 2), NULL, "a first call");
    for (;;) {
        wait_for(&go);
        if (stop_after == 0) break;
        values[0].i32 = 40;
        values[1].i32 = 2;
        steps = 0;
        is_over = false;
        begin_steps();
        called = rtw_invoke(func, values, 2);
        is_over = true;
        end_steps();
        if (steps < stop_after) { /* the call has fewer instructions */
            sem_post(&stopped);
            wait_for(&go);
        }
        answer = values[0].i32;
        sem_post(&ended);
    }
    (void)rtw_thread_detach(runtime, NULL);
    return NULL;
}

static rtw_status_t visit(void *user_data, rtw_instance_t *caller_instance, rtw_value_t *values) {
    (void)user_data, (void)caller_instance, (void)values;
    if (lets_go) let_the_call_go();
    return RTW_OK;
}

/* The twin has a second call in place of the reset, which nothing keeps apart from the first. */
static void every_instruction(bool ask, bool twin) {
    const char *const what = ask ? "asking at every call" : "a call";
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.signal_checks = ask ? RTW_SIGNALS_ASK : RTW_SIGNALS_LOOK;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime");
    life_t life;
    memset(&life, 0, sizeof life);
    life.guest.module = load(runtime, "starts");
    require(rtw_imports_create(&life.imports, &err), &err, "imports");
    require(rtw_imports_func(life.imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), &err, "visit");
    require(rtw_instance_create(life.guest.module, life.imports, NULL, &instance, &err), &err, "an instance");
    func = look_up(instance, "add", "(i32,i32)->(i32)");
    sem_init(&stopped, 0, 0), sem_init(&go, 0, 0), sem_init(&ended, 0, 0);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, NULL);
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    pthread_t thread;
    stop_after = 1;
    pthread_create(&thread, NULL, caller, NULL);

    /* First the reset closes the gate on a call that has not begun, then it meets one, then one that is over. */
    enum { CALL_BUSY, RESET_BUSY, OVER, KINDS };
    int counts[KINDS] = {0}, wrong = 0, before = CALL_BUSY, at = 0;
    for (stop_after = 1; stop_after < MOST_STEPS; stop_after++) {
        sem_post(&go);
        wait_for(&stopped);
        const bool over = is_over;
        lets_go = true;
        let_go = false;
        rtw_value_t beside[2] = {{.i32 = 1}, {.i32 = 2}};
        const rtw_status_t reset = twin ? rtw_invoke(func, beside, 2) : rtw_instance_reset(instance, &err);
        lets_go = false;
        if (!let_go) {
            sem_post(&go);
            wait_for(&ended);
        }
        int kind = OVER;
        bool good = called == RTW_OK && answer == 42 && reset == RTW_OK;
        if (called == RTW_ERR_BUSY) {
            kind = CALL_BUSY;
            good = reset == RTW_OK && let_go;
        } else if (reset == RTW_ERR_BUSY) {
            kind = RESET_BUSY;
            good = called == RTW_OK && answer == 42;
        } else {
            /* Both succeeded: the call must have ended before the reset began. */
            good = good && before != CALL_BUSY;
        }
        if ((!good || kind < before) && wrong++ < 5 && !twin)
            printf("    after %d instructions: the call answers %s (%d), the reset %s\n", stop_after, rtw_status_name(called), answer, rtw_status_name(reset));
        before = kind;
        counts[kind]++;
        at = stop_after;
        if (over) break;
    }
    if (twin)
        check(wrong > 0, "twin: two calls that both go well are seen, %d times", wrong);
    else {
        check(wrong == 0, "%s, stopped after each of %d instructions: it or the reset is told that the instance is busy", what, at);
        check(counts[CALL_BUSY] > 10 && counts[RESET_BUSY] > 10 && counts[OVER] > 0, "%s: %d are turned away, %d keep the reset away, %d are over",
              what, counts[CALL_BUSY], counts[RESET_BUSY], counts[OVER]);
    }
    stop_after = 0;
    sem_post(&go);
    pthread_join(thread, NULL);
    rtw_value_t values[2] = {{.i32 = 20}, {.i32 = 3}};
    check(rtw_invoke(func, values, 2) == RTW_OK && values[0].i32 == 23, "%s: afterwards the instance works", what);
    (void)rtw_thread_detach(runtime, NULL);
    rtw_func_destroy(func);
    life.guest.instance = instance;
    life.guest.runtime = runtime;
    end_life(&life);
}

/* As in a sandbox. */
static void refuse_membarrier(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    const bool set = prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
    check(set && syscall(SYS_membarrier, 0, 0, 0) == -1 && errno == EPERM, "membarrier is refused");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    if (getenv("PREEMPTED") != NULL) refuse_membarrier();
    every_instruction(false, false);
    if (profile == RTW_PROFILE_STANDALONE) every_instruction(true, false);
    every_instruction(false, true);
    return check_summary();
}

#else

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check(true, "skipped: threads are stepped on x86-64 only");
    return check_summary();
}

#endif
