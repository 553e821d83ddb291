/* The library's behaviour in a host's process: signals, forks, small stacks, threads that come and go.
 *
 *   manners PROFILE FOLDER
 *   manners PROFILE FOLDER crash        crashes in the host after a guest's trap, for its core dump to be looked at
 *   manners PROFILE FOLDER crash-early  the same from another function: what the look must tell apart */
#include "proof.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool standalone(void) { return profile == RTW_PROFILE_STANDALONE; }

/* ---- a host with handlers of its own */

static sigjmp_buf recovery;
static volatile sig_atomic_t handled;
static char *repairable; /* a page that the host's handler makes accessible, as a garbage collector would */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    handled = signal;
    if (repairable && info->si_addr == repairable) {
        mprotect(repairable, 4096, PROT_READ | PROT_WRITE);
        return;
    }
    siglongjmp(recovery, 1);
}

/* Those that the engine takes; no instruction of aarch64's causes a SIGFPE. */
#if defined(__x86_64__)
static const int faults[] = {SIGSEGV, SIGFPE, SIGILL};
#define FAULT_NAMES "SIGILL, SIGFPE, SIGSEGV"
#else
static const int faults[] = {SIGSEGV, SIGILL};
#define FAULT_NAMES "SIGILL, SIGSEGV"
#endif
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void install_handlers(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < FAULTS; i++)
        NEED(sigaction(faults[i], &action, NULL) == 0, "sigaction: %s", strerror(errno));
}

/* Instructions, not kill: real faults carry an address. */
static void cause(int signal)
{
    switch (signal) {
#if defined(__x86_64__)
    case SIGSEGV: __asm__ volatile("movl $1, 0" : : : "memory"); break;
    case SIGFPE: __asm__ volatile("xorl %%ecx, %%ecx\n xorl %%edx, %%edx\n idivl %%ecx" : : "a"(1) : "ecx", "edx", "cc"); break;
    default: __asm__ volatile("ud2"); break;
#else
    case SIGSEGV: __asm__ volatile("str wzr, [%0]" : : "r"(0l) : "memory"); break;
    default: __asm__ volatile("udf #0"); break;
#endif
    }
}

/* True if the host gets all its faults and recovers from them. */
static bool host_recovers(const char *when)
{
    for (volatile int i = 0; i < FAULTS; i++) {
        handled = 0;
        if (sigsetjmp(recovery, 1) == 0) {
            cause(faults[i]);
            EXPECT(false, "%s: the host's %s went unnoticed", when, strsignal(faults[i]));
        }
        EXPECT(handled == faults[i], "%s: the host's %s came as %d", when, strsignal(faults[i]), (int)handled);
    }
    return true;
}

/* ---- a guest */

static rtw_status_t visits(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)instance;
    (void)values;
    void (*act)(void) = NULL;
    memcpy(&act, user_data, sizeof act);
    if (act)
        act();
    return RTW_OK;
}

static rtw_status_t answers(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    return values[0].i32;
}

/* The host's action when the guest calls. */
static void (*visit)(void);

static rtw_instance_t *open_work(rtw_runtime_t *runtime)
{
    rtw_error_t err;
    rtw_module_t *module = load(runtime, "work");
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visits, &visit, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", answers, NULL, NULL, 0, &err), err);
    rtw_instance_t *instance = new_instance(module, imports, 0);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    return instance;
}

static const struct {
    const char *function;
    rtw_status_t status;
} traps[] = {{"outside", RTW_ERR_TRAP_MEMORY},
             {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO},
             {"unreachable", RTW_ERR_TRAP_UNREACHABLE},
             {"recurse", RTW_ERR_TRAP_STACK}};
enum { TRAPS = sizeof traps / sizeof traps[0] };

/* True if all the guest's traps are statuses. */
static bool guest_traps(rtw_instance_t *instance, const char *when)
{
    rtw_error_t err;
    for (int i = 0; i < TRAPS; i++) {
        handled = 0;
        const rtw_status_t status = call_with(instance, traps[i].function, 1, 0, NULL);
        EXPECT(status == traps[i].status, "%s: %s answered %s", when, traps[i].function, rtw_status_name(status));
        EXPECT(handled == 0, "%s: %s reached the host's handler", when, traps[i].function);
        EXPECT(rtw_instance_reset(instance, &err) == RTW_OK, "%s: reset: %s", when, err.message);
    }
    return true;
}

/* ---- trials */

static void touch_repairable(void) { *(volatile char *)repairable = 1; }

static bool handlers_before(void *data)
{
    (void)data;
    install_handlers();
    rtw_runtime_t *runtime = make_runtime();
    if (!host_recovers("before attach"))
        return false;
    attach_here(runtime);
    rtw_instance_t *instance = open_work(runtime);
    prepare_instance(instance);
    if (!host_recovers("attached") || !guest_traps(instance, "between") || !host_recovers("after the guest's traps"))
        return false;
    /* A fault of the host under a guest's call, which the host's handler repairs. */
    repairable = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(repairable != MAP_FAILED, "mmap: %s", strerror(errno));
    visit = touch_repairable;
    handled = 0;
    const rtw_status_t status = call_with(instance, "ask", 1, 0, NULL);
    EXPECT(status == RTW_OK && handled == SIGSEGV && repairable[0] == 1, "inside a guest's call: %s", rtw_status_name(status));
    rtw_thread_detach(runtime, NULL);
    return host_recovers("detached");
}

static bool handlers_after(void *data)
{
    (void)data;
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    struct sigaction engine[FAULTS];
    for (int i = 0; i < FAULTS; i++)
        sigaction(faults[i], NULL, &engine[i]);
    rtw_instance_t *instance = open_work(runtime);
    attach_here(runtime);
    install_handlers();
    const rtw_status_t prepared = rtw_instance_prepare(instance, NULL, NULL, &err);
    if (!standalone()) {
        EXPECT(prepared == RTW_OK, "prepare: %s", err.message);
        rtw_thread_detach(runtime, NULL);
        attach_here(runtime);
        return guest_traps(instance, "handlers of the host") && host_recovers("plugin");
    }
    EXPECT(prepared == RTW_ERR_SIGNALS && strstr(err.message, "/manners"), "prepare: %s %s", rtw_status_name(prepared), err.message);
    rtw_thread_detach(runtime, NULL);
    const rtw_status_t attached = rtw_thread_attach(runtime, NULL, &err);
    EXPECT(attached == RTW_ERR_SIGNALS && strstr(err.message, "/manners") && strstr(err.message, "SIGSEGV"), "attach: %s %s",
           rtw_status_name(attached), err.message);
    if (!host_recovers("refused"))
        return false;
    for (int i = 0; i < FAULTS; i++)
        sigaction(faults[i], &engine[i], NULL);
    EXPECT(rtw_thread_attach(runtime, NULL, &err) == RTW_OK, "with the handlers back: %s", err.message);
    return guest_traps(instance, "with the handlers back");
}

/* One handler as the kernel has it. */
typedef struct disposition_t {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
} disposition_t;
enum { SIGNALS = 64 };

static void read_dispositions(disposition_t *all)
{
    memset(all, 0, SIGNALS * sizeof *all);
    for (int signal = 1; signal <= SIGNALS; signal++)
        syscall(SYS_rt_sigaction, signal, NULL, &all[signal - 1], 8);
}

/* True if a whole life of the library changes no signal's disposition; the remark lists those that it changes. */
static void *nothing(void *data) { return data; }

static bool dispositions_stay(void *data)
{
    (void)data;
    static disposition_t before[SIGNALS], after[SIGNALS];
    /* The C library takes a signal of its own when a process makes its first thread. */
    pthread_t first;
    NEED(pthread_create(&first, NULL, nothing, NULL) == 0 && pthread_join(first, NULL) == 0, "pthread_create");
    read_dispositions(before);
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_instance_t *instance = open_work(runtime);
    prepare_instance(instance);
    if (!guest_traps(instance, "on the way"))
        return false;
    rtw_instance_destroy(instance);
    rtw_thread_detach(runtime, NULL);
    rtw_runtime_destroy(runtime);
    read_dispositions(after);
    char changed[256] = "";
    for (int i = 0; i < SIGNALS; i++)
        if (memcmp(&before[i], &after[i], sizeof before[i]) != 0)
            snprintf(changed + strlen(changed), sizeof changed - strlen(changed), " %d", i + 1);
    EXPECT(!changed[0], "changed:%s", changed);
    return true;
}

static bool fork_attached(void *data)
{
    (void)data;
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_instance_t *instance = open_work(runtime);
    prepare_instance(instance);
    rtw_func_t *add = look_up(instance, "add", NULL);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    EXPECT(rtw_invoke(add, values, 2) == RTW_OK, "the parent's call before");
    const pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        const bool call = rtw_invoke(add, values, 2) == RTW_ERR_FORKED && rtw_invoke(add, values, 2) == RTW_ERR_FORKED;
        const bool reset = rtw_instance_reset(instance, &err) == RTW_ERR_FORKED;
        /* Objects that the child creates itself work. */
        rtw_runtime_t *own = make_runtime();
        attach_here(own);
        rtw_instance_t *fresh = open_work(own);
        int32_t sum = 0;
        const bool works = call_with(fresh, "add", 3, 4, &sum) == RTW_OK && sum == 7;
        _exit(call ? reset ? works ? 0 : 3 : 2 : 1);
    }
    int status;
    NEED(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    static const char *const wrong[] = {"", "a call", "a reset", "an instance of its own"};
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) <= 3, "the child ended with %#x", (unsigned)status);
    EXPECT(WEXITSTATUS(status) == 0, "in the child: %s", wrong[WEXITSTATUS(status)]);
    values[0].i32 = 1;
    values[1].i32 = 2;
    EXPECT(rtw_invoke(add, values, 2) == RTW_OK && values[0].i32 == 3, "the parent's call after");
    return guest_traps(instance, "the parent's traps after");
}

static rtw_func_t *inner_add;
static pid_t forked = -1;

static void fork_in_host(void)
{
    forked = fork();
    if (forked == 0) {
        rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
        handled = rtw_invoke(inner_add, values, 2) == RTW_ERR_FORKED;
    }
}

static bool fork_in_a_call(void *data)
{
    (void)data;
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_instance_t *instance = open_work(runtime);
    inner_add = look_up(instance, "add", NULL);
    rtw_func_t *ask = look_up(instance, "ask", NULL);
    prepare_instance(instance);
    visit = fork_in_host;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 0}};
    const rtw_status_t status = rtw_invoke(ask, values, 2);
    if (forked == 0) {
        /* In the child: the guest was not entered again, and the rest is refused. */
        const bool refused = handled && status != RTW_OK && rtw_invoke(inner_add, values, 2) == RTW_ERR_FORKED;
        _exit(refused ? 0 : 1);
    }
    int ended;
    NEED(waitpid(forked, &ended, 0) == forked, "waitpid: %s", strerror(errno));
    EXPECT(status == RTW_OK, "the parent's call: %s", rtw_status_name(status));
    EXPECT(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "the child ended with %#x", (unsigned)ended);
    visit = NULL;
    return guest_traps(instance, "the parent's traps after");
}

/* ---- small stacks */

typedef struct small_t {
    rtw_runtime_t *runtime;
    rtw_status_t attached;
    rtw_error_t err;
    bool trapped;
} small_t;

static void *on_small_stack(void *data)
{
    small_t *small = data;
    small->attached = rtw_thread_attach(small->runtime, NULL, &small->err);
    if (small->attached == RTW_OK) {
        rtw_instance_t *instance = open_work(small->runtime);
        small->trapped = guest_traps(instance, "on a small stack");
        rtw_thread_detach(small->runtime, NULL);
    }
    return NULL;
}

static small_t try_stack(uint64_t guest_stack_bytes, size_t stack_bytes)
{
    small_t small;
    memset(&small, 0, sizeof small);
    rtw_error_t err;
    rtw_runtime_config_t config = runtime_config();
    config.guest_stack_bytes = guest_stack_bytes;
    OK(rtw_runtime_create(&config, &small.runtime, &err), err);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    NEED(pthread_attr_setstacksize(&attributes, stack_bytes) == 0, "a stack of %zu bytes", stack_bytes);
    pthread_t thread;
    NEED(pthread_create(&thread, &attributes, on_small_stack, &small) == 0, "pthread_create");
    pthread_join(thread, NULL);
    return small;
}

static bool small_stacks(void *data)
{
    (void)data;
    /* No thread of aarch64's glibc has less than 128 KiB. */
    const size_t kib = 1 << 10, least = sysconf(_SC_THREAD_STACK_MIN) > 64 << 10 ? 128 * kib : 64 * kib;
    const small_t refused = try_stack(0, least);
    EXPECT(refused.attached == RTW_ERR_STACK_SIZE, "%zu KiB: %s", least / kib, rtw_status_name(refused.attached));
    EXPECT(strstr(refused.err.message, "need 320 KiB"), "the message lacks the numbers: %s", refused.err.message);
    const size_t guests = least - 48 * kib, enough = least + 32 * kib;
    const small_t still = try_stack(guests, least);
    EXPECT(still.attached == RTW_ERR_STACK_SIZE, "%zu KiB for guests of %zu KiB: %s", least / kib, guests / kib, rtw_status_name(still.attached));
    const small_t fits = try_stack(guests, enough);
    EXPECT(fits.attached == RTW_OK, "%zu KiB for guests of %zu KiB: %s", enough / kib, guests / kib, fits.err.message);
    note("%zu KiB for guests of %zu KiB refused, %zu KiB used", least / kib, guests / kib, enough / kib);
    return fits.trapped;
}

/* ---- threads that come and go */

/* Few and many threads: 1,000 and 10,000, or in short proofs a tenth. What the twin leaves behind comes to the same. */
enum { MANY = 10000, LEFT_BYTES = 256, ALLOWED_RSS_BYTES = 1 << 20, ALLOWED_MAPPINGS = 8 };

typedef struct footprint_t {
    long rss_bytes, mappings, files;
} footprint_t;

static int many(void) { return proof_faults() < MANY ? MANY / 10 : MANY; }
static int few(void) { return many() / 10; }

static long count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    NEED(file, "%s: %s", path, strerror(errno));
    long lines = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static footprint_t footprint(void)
{
    footprint_t now = {0, count_lines("/proc/self/maps"), 0};
    FILE *file = fopen("/proc/self/statm", "r");
    NEED(file && fscanf(file, "%*d %ld", &now.rss_bytes) == 1, "/proc/self/statm");
    fclose(file);
    now.rss_bytes *= sysconf(_SC_PAGESIZE);
    DIR *files = opendir("/proc/self/fd");
    NEED(files, "/proc/self/fd: %s", strerror(errno));
    while (readdir(files))
        now.files++;
    closedir(files);
    return now;
}

typedef struct passing_t {
    rtw_runtime_t *runtime;
    rtw_instance_t *instance;
    rtw_func_t *add, *outside;
    int number;
    rtw_status_t first_wrong;
} passing_t;

/* Attaches, calls, traps now and then, and leaves with or without detaching. */
static void *passes(void *data)
{
    passing_t *passing = data;
    rtw_error_t err;
    rtw_status_t status = rtw_thread_attach(passing->runtime, NULL, &err);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    if (status == RTW_OK)
        status = rtw_invoke(passing->add, values, 2);
    if (status == RTW_OK && passing->number % 8 == 0) {
        status = rtw_invoke(passing->outside, values, 2);
        if (status == RTW_ERR_TRAP_MEMORY)
            status = rtw_instance_reset(passing->instance, &err);
    }
    if (status == RTW_OK && passing->number % 2 == 0)
        status = rtw_thread_detach(passing->runtime, NULL);
    if (!passing->first_wrong)
        passing->first_wrong = status;
    return NULL;
}

static void *leaks(void *data)
{
    static char *volatile kept;
    const size_t left = (size_t)LEFT_BYTES * MANY / (size_t)many();
    kept = malloc(left);
    memset(kept, 1, left);
    return data;
}

typedef struct growth_t {
    footprint_t few, many;
    rtw_status_t first_wrong;
} growth_t;

static growth_t run_threads(void *(*body)(void *), passing_t *passing)
{
    growth_t growth;
    memset(&growth, 0, sizeof growth);
    for (passing->number = 1; passing->number <= many(); passing->number++) {
        pthread_t thread;
        NEED(pthread_create(&thread, NULL, body, passing) == 0, "pthread_create");
        pthread_join(thread, NULL);
        if (passing->number == few())
            growth.few = footprint();
    }
    growth.many = footprint();
    growth.first_wrong = passing->first_wrong;
    return growth;
}

static bool flat(const growth_t *growth)
{
    return growth->many.rss_bytes - growth->few.rss_bytes <= ALLOWED_RSS_BYTES &&
           growth->many.mappings - growth->few.mappings <= ALLOWED_MAPPINGS && growth->many.files == growth->few.files;
}

static bool passing_threads(void *data)
{
    (void)data;
    passing_t passing;
    memset(&passing, 0, sizeof passing);
    passing.runtime = make_runtime();
    passing.instance = open_work(passing.runtime);
    passing.add = look_up(passing.instance, "add", NULL);
    passing.outside = look_up(passing.instance, "outside", NULL);
    const growth_t growth = run_threads(passes, &passing);
    note("from thread %d to thread %d: %+ld KiB, %+ld mappings, %+ld files", few(), many(), (growth.many.rss_bytes - growth.few.rss_bytes) / 1024,
         growth.many.mappings - growth.few.mappings, growth.many.files - growth.few.files);
    EXPECT(growth.first_wrong == RTW_OK, "a thread got %s", rtw_status_name(growth.first_wrong));
    return flat(&growth);
}

static bool leaking_threads(void *data)
{
    (void)data;
    passing_t none;
    memset(&none, 0, sizeof none);
    const growth_t growth = run_threads(leaks, &none);
    return flat(&growth);
}

/* ---- a crash of the host, for its core dump */

__attribute__((noinline)) void host_crashes_here(void)
{
    cause(SIGSEGV);
    __asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) void host_work_that_crashes(void)
{
    host_crashes_here();
    __asm__ volatile("" : : : "memory");
}

static void crash(void (*way)(void))
{
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_instance_t *instance = open_work(runtime);
    prepare_instance(instance);
    NEED(guest_traps(instance, "before the crash"), "%s", remark());
    way();
}

/* ---- */

static void tell(const char *promise, const char *how, uint64_t calls, trial_t trial)
{
    const bool held = in_child(trial, NULL);
    row(promise, how, calls, held, PLANTED_NONE, "%s", remark());
}

/* True if a trial that relies on handlers fails without them: its faults end a host that has none. */
static bool recovers_without_handlers(void *data)
{
    (void)data;
    make_runtime();
    return host_recovers("no handlers");
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    if (strcmp(mode, "crash") == 0)
        crash(host_work_that_crashes);
    if (strcmp(mode, "crash-early") == 0)
        crash(abort);

    const bool unhandled = !in_child(recovers_without_handlers, NULL);
    bool held = in_child(handlers_before, NULL);
    row("the host gets its faults", "handlers installed before", FAULTS * 4 + 1, held, caught(unhandled), "%s", remark());
    held = in_child(handlers_after, NULL);
    row("the host gets its faults", standalone() ? "handlers installed after: RTW_ERR_SIGNALS" : "handlers installed after", FAULTS, held,
        caught(unhandled), "%s", remark());

    held = in_child(dispositions_stay, NULL);
    if (standalone()) {
        char taken[64];
        if (FAULTS == 3)
            snprintf(taken, sizeof taken, "changed: %d %d %d", SIGILL, SIGFPE, SIGSEGV);
        else
            snprintf(taken, sizeof taken, "changed: %d %d", SIGILL, SIGSEGV);
        row("signals: what the profile says", FAULT_NAMES " are taken, no other", SIGNALS, !held && strcmp(remark(), taken) == 0,
            PLANTED_NONE, "%s", remark());
    } else {
        char seen[256];
        snprintf(seen, sizeof seen, "%s", remark());
        profile = RTW_PROFILE_STANDALONE;
        profile_name = "standalone";
        const bool found = !in_child(dispositions_stay, NULL);
        profile = RTW_PROFILE_PLUGIN;
        profile_name = "plugin";
        row("signals: what the profile says", "all 64 dispositions stay", SIGNALS, held, caught(found), "%s", seen);
    }
    tell("a forked child is told", "fork while attached", 4, fork_attached);
    tell("a forked child is told", "fork inside a host function", 2, fork_in_a_call);
    tell("small stacks are refused", "the smallest refused, 32 KiB more used", 3, small_stacks);

    held = in_child(passing_threads, NULL);
    char seen[256];
    snprintf(seen, sizeof seen, "%s", remark());
    char how[64];
    snprintf(how, sizeof how, "%d, half without detach: memory flat", many());
    row("threads come and go", how, (uint64_t)many(), held, caught(!in_child(leaking_threads, NULL)), "%s", seen);
    return check_summary();
}
