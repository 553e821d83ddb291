/* Attaching threads and detaching them: what changes, and that detach restores it. */
#include "../support/common.h"
#include "../support/float_mode.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static rtw_error_t err;

/* Everything about a thread that an attachment may change, asked of the kernel. */
struct state {
    int policy;
    struct sched_param priority;
    cpu_set_t affinity;
    stack_t signal_stack;
    sigset_t blocked;
    unsigned float_mode;
    int nice;
};

/* Without the exception flags, which are in the same word on x86-64. */
static unsigned float_mode(void) { return read_float_mode() & ~0x3fu; }

/* The C library fills only as much of a mask as there are signals. */
static bool same_mask(const sigset_t *one, const sigset_t *other) {
    for (int signal = 1; signal <= 64; signal++)
        if (sigismember(one, signal) != sigismember(other, signal)) return false;
    return true;
}

static struct state look(void) {
    struct state state;
    memset(&state, 0, sizeof state);
    state.policy = sched_getscheduler(0);
    sched_getparam(0, &state.priority);
    sched_getaffinity(0, sizeof state.affinity, &state.affinity);
    sigaltstack(NULL, &state.signal_stack);
    pthread_sigmask(SIG_SETMASK, NULL, &state.blocked);
    state.float_mode = float_mode();
    state.nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    return state;
}

static void check_same(const struct state *before, const char *what) {
    struct state now = look();
    check(now.policy == before->policy && now.priority.sched_priority == before->priority.sched_priority && now.nice == before->nice,
          "%s: scheduling is as before (policy %d priority %d)", what, now.policy, now.priority.sched_priority);
    check(memcmp(&now.affinity, &before->affinity, sizeof now.affinity) == 0, "%s: affinity is as before", what);
    bool none = (now.signal_stack.ss_flags & before->signal_stack.ss_flags & SS_DISABLE) != 0; /* then the rest says nothing */
    check(none || (now.signal_stack.ss_sp == before->signal_stack.ss_sp && now.signal_stack.ss_size == before->signal_stack.ss_size &&
                   now.signal_stack.ss_flags == before->signal_stack.ss_flags),
          "%s: the signal stack is as before (flags %x, were %x)", what, (unsigned)now.signal_stack.ss_flags,
          (unsigned)before->signal_stack.ss_flags);
    check(same_mask(&now.blocked, &before->blocked), "%s: the signal mask is as before", what);
    check(now.float_mode == before->float_mode, "%s: the floating-point mode is as before", what);
}

/* Each test runs on a thread of its own, so that none inherits what another left. */
static void on_thread(void *(*body)(void *), void *data, size_t stack_bytes) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, body, data) != 0) {
        check(false, "a thread with %zu bytes of stack", stack_bytes);
        return;
    }
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static bool may_be_fifo(void) {
    struct sched_param parameter = {.sched_priority = 1};
    struct sched_param old;
    int policy = sched_getscheduler(0);
    sched_getparam(0, &old);
    bool may = sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
    if (may) sched_setscheduler(0, policy, &old);
    return may;
}

static int first_cpu(void) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &set)) return cpu;
    return 0;
}

static void *plain(void *data) {
    rtw_runtime_t *runtime = data;
    struct state before = look();
    check_status(rtw_thread_detach(runtime, NULL), RTW_ERR_NOT_ATTACHED, "detach: not attached");
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach: defaults");
    check_error(&err, RTW_OK, "", "attach: no message");
    struct state during = look();
    check(during.policy == before.policy && during.priority.sched_priority == before.priority.sched_priority &&
              memcmp(&during.affinity, &before.affinity, sizeof during.affinity) == 0 && during.float_mode == before.float_mode &&
              same_mask(&during.blocked, &before.blocked),
          "attach: defaults change neither scheduling nor affinity nor signal mask nor floating-point mode");
    if (profile == RTW_PROFILE_STANDALONE)
        check((during.signal_stack.ss_flags & SS_DISABLE) == 0 && during.signal_stack.ss_size >= 64 * 1024, "attach: there is a signal stack");
    else
        check((during.signal_stack.ss_flags & SS_DISABLE) != 0, "attach: no signal stack in the plugin profile");
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_ERR_ATTACHED, "attach: twice");
    check_error(&err, RTW_ERR_ATTACHED, "attached", "attach: twice: the message says so");
    struct state unchanged = look();
    check(memcmp(&unchanged.signal_stack.ss_sp, &during.signal_stack.ss_sp, sizeof(void *)) == 0, "attach: twice changes nothing");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach");
    check_same(&before, "detach");
    check_status(rtw_thread_detach(runtime, NULL), RTW_ERR_NOT_ATTACHED, "detach: twice");
    for (int i = 0; i < 20; i++) {
        if (rtw_thread_attach(runtime, NULL, NULL) != RTW_OK || rtw_thread_detach(runtime, NULL) != RTW_OK) check(false, "attach and detach, round %d", i);
    }
    check_same(&before, "twenty attachments");
    return NULL;
}

static void *with_everything(void *data) {
    rtw_runtime_t *runtime = data;
    bool fifo = may_be_fifo();
    /* A signal stack of the host's own. */
    stack_t own = {.ss_sp = malloc(32768), .ss_size = 32768, .ss_flags = 0};
    sigaltstack(&own, NULL);
    struct state before = look();
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.cpu = first_cpu();
    config.denormals = RTW_DENORMALS_FLUSH;
    if (fifo) {
        config.sched_policy = RTW_SCHED_FIFO;
        config.priority = 7;
    }
    check_status(rtw_thread_attach(runtime, &config, &err), RTW_OK, "attach: CPU, denormals%s", fifo ? ", FIFO 7" : "");
    struct state during = look();
    check(CPU_COUNT(&during.affinity) == 1 && CPU_ISSET((size_t)config.cpu, &during.affinity), "attach: pinned to CPU %d", config.cpu);
    if (fifo) check(during.policy == SCHED_FIFO && during.priority.sched_priority == 7, "attach: FIFO 7");
    volatile float small = 1.17549435e-38f;
    small = small * 0.5f;
    check(small == 0, "attach: denormals are flushed");
    if (profile == RTW_PROFILE_PLUGIN)
        check(during.signal_stack.ss_sp == own.ss_sp, "attach: the host's signal stack stays in force in the plugin profile");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach");
    check_same(&before, "detach from everything");
    small = 1.17549435e-38f;
    small = small * 0.5f;
    check(small != 0, "detach: denormals are kept again");
    own.ss_flags = SS_DISABLE;
    sigaltstack(&own, NULL);
    free(own.ss_sp);
    return NULL;
}

/* A signal stack with SS_AUTODISARM, as run-times with user-level threads have. */
static void *autodisarm(void *data) {
    rtw_runtime_t *runtime = data;
    stack_t own = {.ss_sp = malloc(32768), .ss_size = 32768, .ss_flags = (int)SS_AUTODISARM};
    if (sigaltstack(&own, NULL) != 0) {
        check(errno == EINVAL, "this system has no SS_AUTODISARM");
        free(own.ss_sp);
        return NULL;
    }
    struct state before = look();
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach: with SS_AUTODISARM");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach");
    check_same(&before, "SS_AUTODISARM");
    own.ss_flags = SS_DISABLE;
    sigaltstack(&own, NULL);
    free(own.ss_sp);
    return NULL;
}

/* Scheduling that was set behind the C library's back, as rtkit and chrt do it. */
static void *set_from_outside(void *data) {
    rtw_runtime_t *runtime = data;
    int policy;
    struct sched_param parameter;
    pthread_getschedparam(pthread_self(), &policy, &parameter); /* which the C library may remember */
    parameter.sched_priority = 11;
    if (sched_setscheduler(0, SCHED_RR, &parameter) != 0) {
        check(true, "scheduling set from outside: not permitted here");
        return NULL;
    }
    struct state before = look();
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach: scheduling set from outside");
    check_same(&(struct state){.policy = before.policy, .priority = before.priority, .affinity = before.affinity,
                               .signal_stack = look().signal_stack, .blocked = before.blocked, .float_mode = before.float_mode,
                               .nice = before.nice},
               "attach: scheduling set from outside");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach: scheduling set from outside");
    check_same(&before, "detach: scheduling set from outside");
    return NULL;
}

/* SCHED_BATCH and a nice value are none of the library's policies, and come back all the same. */
static void *batch(void *data) {
    rtw_runtime_t *runtime = data;
    struct sched_param parameter = {.sched_priority = 0};
    sched_setscheduler(0, SCHED_BATCH, &parameter);
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 5);
    struct state before = look();
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.sched_policy = RTW_SCHED_OTHER;
    check_status(rtw_thread_attach(runtime, &config, &err), RTW_OK, "attach: from SCHED_BATCH to SCHED_OTHER");
    check(look().policy == SCHED_OTHER, "attach: it is SCHED_OTHER");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach: back to SCHED_BATCH");
    check_same(&before, "detach: back to SCHED_BATCH");
    return NULL;
}

static void *two_runtimes(void *data) {
    rtw_runtime_t *first = data, *second = make_runtime();
    struct state before = look();
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.cpu = first_cpu();
    for (int first_ends_first = 0; first_ends_first < 2; first_ends_first++) {
        check_status(rtw_thread_attach(first, NULL, &err), RTW_OK, "two runtimes: attached to the first");
        config.denormals = RTW_DENORMALS_FLUSH;
        check_status(rtw_thread_attach(second, &config, &err), RTW_OK, "two runtimes: and to the second");
        check_status(rtw_thread_detach(first_ends_first ? first : second, NULL), RTW_OK, "two runtimes: %s ends first", first_ends_first ? "the first" : "the second");
        if (first_ends_first) {
            struct state now = look();
            check(CPU_COUNT(&now.affinity) == 1 && now.float_mode != before.float_mode, "two runtimes: what the second asked for stays");
        }
        check_status(rtw_thread_detach(first_ends_first ? first : second, NULL), RTW_ERR_NOT_ATTACHED, "two runtimes: which is not attached then");
        check_status(rtw_thread_detach(first_ends_first ? second : first, NULL), RTW_OK, "two runtimes: then the other");
        check_same(&before, first_ends_first ? "two runtimes, first in first out" : "two runtimes, last in first out");
    }
    rtw_runtime_destroy(second);
    return NULL;
}

/* Calls work whatever the order of the attachments was. */
static void *call_between(void *data) {
    (void)data;
    guest_t one = open_unattached("traps", NULL), other = open_unattached("traps", NULL);
    (void)rtw_thread_attach(one.runtime, NULL, NULL);
    (void)rtw_thread_attach(other.runtime, NULL, NULL);
    (void)rtw_thread_detach(one.runtime, NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    check_status(call(other.instance, "div", values, 2), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "two runtimes: a trap when one has ended");
    (void)rtw_thread_detach(other.runtime, NULL);
    (void)rtw_thread_attach(one.runtime, NULL, NULL);
    check_status(call(one.instance, "recurse", values, 1), RTW_ERR_TRAP_STACK, "two runtimes: a stack overflow after attaching anew");
    (void)rtw_thread_detach(one.runtime, NULL);
    close_guest(&one);
    close_guest(&other);
    return NULL;
}

static void *too_small(void *data) {
    rtw_runtime_t *runtime = data;
    struct state before = look();
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_ERR_STACK_SIZE, "stack: 128 KiB are refused");
    check_error(&err, RTW_ERR_STACK_SIZE, "320 KiB", "stack: the message says what is needed");
    check_error(&err, RTW_ERR_STACK_SIZE, "pthread_attr_setstacksize", "stack: and how to get it");
    unsigned left = 0;
    check(sscanf(err.message, "this thread has %u KiB", &left) == 1 && left > 64 && left <= 128, "stack: and what there is: %u KiB", left);
    check_same(&before, "stack: refused");
    check_status(rtw_thread_detach(runtime, NULL), RTW_ERR_NOT_ATTACHED, "stack: it is not attached");
    /* A smaller guest stack fits. */
    rtw_runtime_config_t config = runtime_config();
    config.guest_stack_bytes = 32 * 1024;
    rtw_runtime_t *modest = NULL;
    require(rtw_runtime_create(&config, &modest, &err), &err, "a runtime with 32 KiB of guest stack");
    check_status(rtw_thread_attach(modest, NULL, &err), RTW_OK, "stack: a runtime with a smaller guest stack takes it");
    check_status(rtw_thread_detach(modest, NULL), RTW_OK, "stack: and lets it go");
    rtw_runtime_destroy(modest);
    return NULL;
}

static void *leaves_without_detaching(void *data) {
    guest_t *guest = data;
    if (rtw_thread_attach(guest->runtime, NULL, &err) != RTW_OK) check(false, "a thread that will not detach is attached");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    (void)call(guest->instance, "add", values, 2);
    return NULL;
}

static long mapped_pages(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &pages) != 1) pages = -1;
    if (file != NULL) fclose(file);
    return pages;
}

static void test_exit_without_detach(void) {
    guest_t guest = open_unattached("calls", NULL);
    for (int i = 0; i < 20; i++) on_thread(leaves_without_detaching, &guest, 0);
    long before = mapped_pages();
    for (int i = 0; i < 200; i++) on_thread(leaves_without_detaching, &guest, 0);
    long after = mapped_pages();
    check(after - before < 200, "threads that end without detaching leak no mapping: %ld pages more after 200", after - before);
    close_guest(&guest);
}

static void check_config(rtw_runtime_t *runtime, const rtw_thread_config_t *config, rtw_status_t expected, const char *part, const char *what) {
    struct state before = look();
    rtw_status_t status = rtw_thread_attach(runtime, config, &err);
    check_status(status, expected, "attach: %s", what);
    check_error(&err, expected, part, "attach: %s: the message says \"%s\"", what, part);
    if (status == RTW_OK) (void)rtw_thread_detach(runtime, NULL);
    check_same(&before, what);
}

static void *configurations(void *data) {
    rtw_runtime_t *runtime = data;
    rtw_thread_config_t good;
    rtw_thread_config_init(&good);
    check_config(runtime, &good, RTW_OK, "", "defaults by a configuration");
#define WITH(field, value, expected, part)                                    \
    do {                                                                      \
        rtw_thread_config_t config = good;                                    \
        config.field = value;                                                 \
        check_config(runtime, &config, expected, part, #field " = " #value);  \
    } while (0)
    WITH(struct_size, 0, RTW_ERR_STRUCT_SIZE, "config");
    WITH(struct_size, (uint32_t)sizeof good - 1, RTW_ERR_STRUCT_SIZE, "struct_size");
    WITH(struct_size, 8192, RTW_ERR_STRUCT_SIZE, "struct_size");
    WITH(sched_policy, 4, RTW_ERR_ARGUMENT, "sched_policy is 4");
    WITH(sched_policy, RTW_SCHED_FIFO, RTW_ERR_ARGUMENT, "priority is 0");
    WITH(sched_policy, RTW_SCHED_KEEP, RTW_OK, "");
    WITH(sched_policy, RTW_SCHED_OTHER, RTW_OK, "");
    WITH(priority, 5, RTW_ERR_ARGUMENT, "priority is 5");
    WITH(cpu, -2, RTW_ERR_ARGUMENT, "cpu is -2");
    WITH(cpu, 1024, RTW_ERR_ARGUMENT, "cpu is 1024");
    WITH(cpu, INT32_MIN, RTW_ERR_ARGUMENT, "cpu is -2147483648");
    WITH(cpu, 1023, RTW_ERR_PERMISSION, "CPU 1023");
    check(err.os_error == EINVAL, "attach: cpu = 1023: os_error is EINVAL");
    WITH(denormals, 3, RTW_ERR_ARGUMENT, "denormals is 3");
    WITH(denormals, RTW_DENORMALS_IEEE, RTW_OK, "");
    WITH(arena_bytes, 65536, RTW_ERR_ARGUMENT, "arena_bytes is 65536");
    WITH(arena_bytes, 1, RTW_OK, "");
    return NULL;
}

/* Threads without a configuration of their own get the runtime's. */
static void *from_runtime(void *data) {
    (void)data;
    bool fifo = may_be_fifo();
    int cpu = first_cpu();
    rtw_runtime_config_t config = runtime_config();
    config.cpu_set[cpu / 64] = UINT64_C(1) << (cpu % 64);
    if (fifo) {
        config.sched_policy = RTW_SCHED_RR;
        config.priority = 3;
    }
    rtw_runtime_t *runtime = NULL;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime that pins");
    struct state before = look();
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach: as the runtime says");
    struct state during = look();
    check(CPU_COUNT(&during.affinity) == 1 && CPU_ISSET((size_t)cpu, &during.affinity), "attach: on the runtime's CPU");
    if (fifo) check(during.policy == SCHED_RR && during.priority.sched_priority == 3, "attach: with the runtime's scheduling");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "detach");
    check_same(&before, "detach from a runtime that pins");
    rtw_thread_config_t own;
    rtw_thread_config_init(&own);
    own.sched_policy = RTW_SCHED_KEEP;
    check_status(rtw_thread_attach(runtime, &own, &err), RTW_OK, "attach: keeping what the thread has");
    check(look().policy == before.policy, "attach: the thread's own scheduling stays");
    (void)rtw_thread_detach(runtime, NULL);
    rtw_runtime_destroy(runtime);
    return NULL;
}

/* A runtime that is gone, and one that may come to lie in its place. */
static void *reborn(void *data) {
    (void)data;
    int refused = 0, detached = 0;
    for (int i = 0; i < 50; i++) {
        rtw_runtime_t *gone = make_runtime();
        if (rtw_thread_attach(gone, NULL, &err) != RTW_OK) refused++;
        rtw_runtime_destroy(gone);
        rtw_runtime_t *next = make_runtime();
        if (rtw_thread_detach(next, NULL) == RTW_OK) detached++;
        rtw_runtime_destroy(next);
    }
    check(refused == 0, "attach: a new runtime is never taken for one that is gone (%d refusals)", refused);
    check(detached == 0, "detach: a new runtime is never taken for one that is gone (%d detachments)", detached);
    return NULL;
}

/* Without the right to it; in a process of its own. */
static void unprivileged(void *data) {
    (void)data;
    rtw_runtime_t *runtime = make_runtime();
    drop_rights(8 << 20);
    struct state before = look();
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.cpu = first_cpu();
    config.sched_policy = RTW_SCHED_FIFO;
    config.priority = 10;
    config.denormals = RTW_DENORMALS_FLUSH;
    check_status(rtw_thread_attach(runtime, &config, &err), RTW_ERR_PERMISSION, "unprivileged: SCHED_FIFO");
    check_error(&err, RTW_ERR_PERMISSION, "RLIMIT_RTPRIO", "unprivileged: the message says what it takes");
    check(err.os_error == EPERM, "unprivileged: os_error is EPERM");
    check_same(&before, "unprivileged: refused");
    check_status(rtw_thread_detach(runtime, NULL), RTW_ERR_NOT_ATTACHED, "unprivileged: it is not attached");

    rtw_runtime_t *strict = make_locking_runtime(RTW_LOCK_REQUIRED);
    limit_memlock(65536); /* which the library itself has used up already */
    before = look();
    if (sanitized) return;
    check_status(rtw_thread_attach(strict, NULL, &err), RTW_ERR_MEMLOCK, "unprivileged: locking that is required");
    check_error(&err, RTW_ERR_MEMLOCK, "64 KiB", "unprivileged: the message has the limit");
    check_same(&before, "unprivileged: refused to lock");
    rtw_runtime_t *lenient = make_locking_runtime(RTW_LOCK_ON);
    check_status(rtw_thread_attach(lenient, NULL, &err), RTW_OK, "unprivileged: locking where it is permitted");
    check_error(&err, RTW_OK, "", "unprivileged: no message");
    check_status(rtw_thread_detach(lenient, NULL), RTW_OK, "unprivileged: detached");
    rtw_runtime_destroy(lenient);
    rtw_runtime_destroy(strict);
    rtw_runtime_destroy(runtime);
}

/* A stack that is locked stays attachable: locking splits it in the list of mappings, which is where the C library looks for the
 * main thread's. */
static void *attach_locked_again(void *data) {
    const char *where = data;
    rtw_runtime_t *runtime = make_locking_runtime(RTW_LOCK_REQUIRED), *second = make_locking_runtime(RTW_LOCK_REQUIRED);
    for (int round = 0; round < 3; round++) {
        check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "locked stack, %s: attached, round %d", where, round);
        check_error(&err, RTW_OK, "", "locked stack, %s: no message", where);
        check_status(rtw_thread_attach(second, NULL, &err), RTW_OK, "locked stack, %s: attached to a second runtime, round %d", where, round);
        check_error(&err, RTW_OK, "", "locked stack, %s: no message", where);
        (void)rtw_thread_detach(second, NULL);
        (void)rtw_thread_detach(runtime, NULL);
    }
    rtw_runtime_destroy(runtime);
    rtw_runtime_destroy(second);
    return NULL;
}

static void locked_main_thread(void *data) { (void)attach_locked_again(data); }

/* Returns how many KiB of this thread's stack are left, as the refusal to attach for guests with a larger stack says; 0 if it does not
 * refuse. */
static unsigned told_kib(void) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.guest_stack_bytes = 64 << 20;
    rtw_runtime_t *runtime;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime of guests with large stacks");
    unsigned kib = 0;
    if (rtw_thread_attach(runtime, NULL, &err) != RTW_ERR_STACK_SIZE || sscanf(err.message, "this thread has %u KiB", &kib) != 1) kib = 0;
    rtw_runtime_destroy(runtime);
    return kib;
}

/* The library finds the main thread's stack without the C library, and has to come to the same end. In a child that another thread
 * forked, the one thread is the main one, and its stack is not the process's. */
static void same_stack(void *data) {
    const char *where = data;
    pthread_attr_t attributes;
    size_t bytes = 0;
    void *base = NULL;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &bytes);
    pthread_attr_destroy(&attributes);
    const unsigned left = (unsigned)(((uintptr_t)__builtin_frame_address(0) - (uintptr_t)base) / 1024), told = told_kib();
#if defined(__GLIBC__) && !defined(ON_A_THREAD)
    if (bytes <= 64 << 20) check(told <= left && told + 32 >= left, "%s: %u KiB of stack are left, %u are told", where, left, told);
#else
    (void)left;
#endif
    check(told > 0 || bytes > 64 << 20, "%s: what is left is told: %u KiB", where, told);
    rtw_runtime_t *runtime = make_runtime();
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "%s: attached", where);
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "%s: detached", where);
    rtw_runtime_destroy(runtime);
}

static void *forking(void *data) { return check_in_child(data, same_stack, data), NULL; }

/* An arena too small for what a trap needs; the reason is lost, the call fails all the same. */
static void *tiny_arena(void *data) {
    (void)data;
    guest_t guest = open_unattached("traps", NULL);
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.arena_bytes = 1;
    check_status(rtw_thread_attach(guest.runtime, &config, &err), RTW_OK, "arena: of one byte");
    rtw_func_t *div = look_up(guest.instance, "div", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    check_status(rtw_invoke(div, values, 2), RTW_ERR_ARENA, "arena: a trap that does not fit");
    check_status(rtw_invoke(div, values, 2), RTW_ERR_FAULTED, "arena: the instance has faulted");
    (void)rtw_thread_detach(guest.runtime, NULL);
    rtw_thread_config_init(&config);
    check_status(rtw_thread_attach(guest.runtime, &config, &err), RTW_OK, "arena: the usual one");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "arena: a reset");
    memset(values, 0, sizeof values);
    check_status(rtw_invoke(div, values, 2), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "arena: a trap that fits");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(div, &stats) == RTW_OK && stats.arena_peak_bytes > 0 && stats.arena_peak_bytes < 4096,
          "arena: it took %llu bytes", (unsigned long long)stats.arena_peak_bytes);
    (void)rtw_thread_detach(guest.runtime, NULL);
    rtw_func_destroy(div);
    close_guest(&guest);
    return NULL;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    on_thread(plain, runtime, 0);
    on_thread(with_everything, runtime, 0);
    on_thread(autodisarm, runtime, 0);
    on_thread(set_from_outside, runtime, 0);
    on_thread(batch, runtime, 0);
    on_thread(two_runtimes, runtime, 0);
    on_thread(call_between, runtime, 0);
    on_thread(too_small, runtime, 128 * 1024);
    on_thread(configurations, runtime, 0);
    on_thread(from_runtime, runtime, 0);
    on_thread(reborn, runtime, 0);
    on_thread(tiny_arena, runtime, 0);
    static char main_thread[] = "main thread", other_thread[] = "another thread";
    on_thread(attach_locked_again, other_thread, 0);
    check_in_child("locked stack", locked_main_thread, main_thread);
    static char forked[] = "a fork of another thread";
    same_stack(main_thread);
    on_thread(forking, forked, 0);
    test_exit_without_detach();
    check_in_child("unprivileged", unprivileged, NULL);
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "the main thread is attached");
    check_status(rtw_thread_detach(runtime, NULL), RTW_OK, "and detached");
    rtw_runtime_destroy(runtime);
    return check_summary();
}
