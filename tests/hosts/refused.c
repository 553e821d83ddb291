/* Sandboxes whose filters return errors (seccomp): each system call that the library makes in its life is refused in turn: from before the
 * runtime is made, from then on, or once an instance is prepared; with EPERM, EACCES and ENOSYS. Each such life ends with statuses that
 * say why, or goes on as if nothing were; none crashes, hangs, prints, computes something else or lets an endless call run. Tracing one
 * life gives the list of calls. */
#include "../support/child.h"
#include "common.h"
#include "tracer.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUDGET_NS = 20000000, STEPS = 24, HANG_SECONDS = 120 };

/* The outcome of a life; written by the process that lives it. */
typedef struct fate_t {
    int at;           /* the step that it was last at */
    bool over;        /* it came to its end */
    int failed_count; /* steps that answered an error */
    int failed[STEPS];
    rtw_status_t status[STEPS];
    int os_error[STEPS];
    char message[STEPS][sizeof((rtw_error_t *)0)->message];
    int wrong; /* a step that went wrong without saying so; -1: none */
    char what[160];
} fate_t;
static fate_t *fate;

static const char *const steps[STEPS] = {"runtime", "load", "imports", "instance", "look-up", "attach", "prepare", "calls", "traps", "budget",
                                         "statistics", "signals", "export", "detach", "slot", "slot calls", "worker", "worker calls", "worker budget",
                                         "periodic worker", "doctor", "late thread", "reset", "end"};
enum { RUNTIME, LOAD, IMPORTS, INSTANCE, LOOK_UP, ATTACH, PREPARE, CALLS, TRAPS, BUDGET, STATISTICS, SIGNALS, EXPORT, DETACH, SLOT, SLOT_CALLS, WORKER,
       WORKER_CALLS, WORKER_BUDGET, PERIODIC, DOCTOR, LATE, RESET, END };

static void wrong(int step, const char *what, rtw_status_t status) {
    if (fate->wrong >= 0) return;
    fate->wrong = step;
    snprintf(fate->what, sizeof fate->what, "%s: %s", what, rtw_status_name(status));
}

/* Notes how a [setup] function ended. */
static bool went(int step, rtw_status_t status, const rtw_error_t *err) {
    fate->at = step;
    if (status == RTW_OK) return true;
    if (fate->failed_count < STEPS) {
        const int i = fate->failed_count++;
        fate->failed[i] = step;
        fate->status[i] = status;
        fate->os_error[i] = err->os_error;
        snprintf(fate->message[i], sizeof fate->message[i], "%s", err->message);
        if (status == RTW_ERR_INTERNAL) wrong(step, "taken for a defect", status);
        if (err->status != status || err->message[0] == '\0') wrong(step, "an error without a sentence", status);
    }
    return false;
}

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

/* A reset was refused: the instance stays faulted, and says so. */
static bool stays_faulted;

/* Calls that end as they have to. */
static void ends(int step, rtw_instance_t *instance, const char *name, rtw_status_t expected) {
    rtw_error_t err;
    rtw_func_t *func = NULL;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 0}};
    fate->at = step;
    if (!went(step, rtw_instance_func(instance, name, NULL, &func, &err), &err)) return;
    const rtw_status_t status = rtw_invoke(func, values, 2);
    if (stays_faulted && status == RTW_ERR_FAULTED) {
        rtw_func_destroy(func);
        return;
    }
    /* Signals that cannot be looked after are refused by name. */
    if (status != expected && status != RTW_ERR_SIGNALS) wrong(step, name, status);
    if (status == expected && expected == RTW_OK && values[0].i32 != 1) wrong(step, "a wrong result", status);
    rtw_func_destroy(func);
    if (status != expected || expected != RTW_OK) stays_faulted = !went(RESET, rtw_instance_reset(instance, &err), &err);
}

static rtw_status_t step_of_worker(void *user_data, const rtw_tick_t *tick) {
    (void)user_data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec < tick->intended_ns) wrong(PERIODIC, "a step before its time", RTW_OK);
    return tick->index < 3 ? RTW_OK : RTW_STEP_STOP;
}

static void periodic_ends(rtw_worker_t *worker) {
    const rtw_status_t status = rtw_worker_join(worker, RTW_FOREVER);
    if (status != RTW_OK) wrong(PERIODIC, "a periodic worker's end", status);
}

/* From when on: before anything is made, once the runtime is there, once an instance is prepared. */
enum { FIRST, ONCE_MADE, ONCE_PREPARED, MOMENTS };
static const char *const moments[MOMENTS] = {"from the start", "once the runtime is there", "once an instance is prepared"};

typedef struct refusal_t {
    int number, error, moment;
} refusal_t;

/* The one that is to come; NULL where none is. */
static const refusal_t *coming;

/* For all threads that there are. */
static void refuse_at(int moment) {
    if (coming == NULL || coming->moment != moment) return;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)coming->number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)coming->error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        _exit(98);
}

static void live(void *data) {
    const bool counted = data != NULL;
    rtw_error_t err;
    memset(&err, 0, sizeof err);
    life_t life;
    memset(&life, 0, sizeof life);
    rtw_func_t *add = NULL, *spin = NULL;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.memory_lock = RTW_LOCK_ON;
    config.attach_on_call = 1;
    if (counted) begin();
    refuse_at(FIRST);
    if (!went(RUNTIME, rtw_runtime_create(&config, &life.guest.runtime, &err), &err)) goto over;
    refuse_at(ONCE_MADE);
    if (!went(LOAD, rtw_module_load_file(life.guest.runtime, artifact_path("states"), &life.guest.module, &err), &err)) goto over;
    if (!went(IMPORTS, rtw_imports_create(&life.imports, &err), &err)) goto over;
    if (!went(IMPORTS, rtw_imports_func(life.imports, "env", "visit", "(i32)->(i32)", answer, NULL, NULL, 0, &err), &err)) goto over;
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = BUDGET_NS;
    rtw_instance_t *without = NULL;
    const bool budget = went(INSTANCE, rtw_instance_create(life.guest.module, life.imports, &limits, &life.guest.instance, &err), &err);
    if (!budget && !went(INSTANCE, rtw_instance_create(life.guest.module, life.imports, NULL, &without, &err), &err)) goto over;
    rtw_instance_t *const instance = budget ? life.guest.instance : without;
    if (!went(LOOK_UP, rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, &err), &err)) goto over;
    if (!went(LOOK_UP, rtw_instance_func(instance, "spin", "()->()", &spin, &err), &err)) goto over;
    const bool attached = went(ATTACH, rtw_thread_attach(life.guest.runtime, NULL, &err), &err);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    if (attached) {
        rtw_dry_call_t dry = {add, values, 2, 4, 0};
        rtw_prepare_config_t prepare;
        rtw_prepare_config_init(&prepare);
        prepare.dry_calls = &dry;
        prepare.dry_call_count = 1;
        (void)went(PREPARE, rtw_instance_prepare(instance, &prepare, NULL, &err), &err);
        refuse_at(ONCE_PREPARED);
        fate->at = CALLS;
        int good = 0;
        for (int i = 0; i < 100; i++) {
            values[0].i32 = i;
            values[1].i32 = 1;
            const rtw_status_t status = rtw_invoke(add, values, 2);
            good += status == RTW_OK && values[0].i32 == i + 1;
            if (status != RTW_OK && status != RTW_ERR_SIGNALS) wrong(CALLS, "a call", status);
        }
        fate->at = STATISTICS;
        rtw_func_stats_t stats;
        rtw_func_stats_init(&stats);
        const rtw_status_t told = rtw_func_stats(add, &stats);
        if (told != RTW_OK || stats.call.count != (uint64_t)good) wrong(STATISTICS, "calls that are not counted", told);
        ends(TRAPS, instance, "outside", RTW_ERR_TRAP_MEMORY);
        ends(TRAPS, instance, "divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO);
        ends(TRAPS, instance, "recurse", RTW_ERR_TRAP_STACK);
        ends(CALLS, instance, "add", RTW_OK);
        if (budget) ends(BUDGET, instance, "spin", RTW_ERR_BUDGET);
        rtw_signals_t signals;
        rtw_signals_init(&signals);
        fate->at = SIGNALS;
        (void)rtw_runtime_signals(life.guest.runtime, &signals);
    }
    char path[4200];
    snprintf(path, sizeof path, "%s/refused.json", artifacts);
    rtw_export_config_t to;
    rtw_export_config_init(&to);
    to.path = path;
    (void)went(EXPORT, rtw_func_export(add, &to, NULL, &err), &err);
    if (attached) (void)went(DETACH, rtw_thread_detach(life.guest.runtime, &err), &err);
    fate->at = LATE; /* attaches at the call, or says that it does not */
    const rtw_status_t late = rtw_invoke(add, values, 2);
    if (late == RTW_OK) (void)went(LATE, rtw_thread_detach(life.guest.runtime, &err), &err);

    static const rtw_wanted_func_t funcs[] = {{"add", "(i32,i32)->(i32)", 0}, {"spin", "()->()", 0}};
    rtw_slot_config_t slots;
    rtw_slot_t *slot = NULL;
    rtw_slot_config_init(&slots);
    slots.funcs = funcs;
    slots.func_count = 2;
    slots.standby = 1;
    rtw_instance_t *slotted = NULL;
    if (attached && went(SLOT, rtw_thread_attach(life.guest.runtime, NULL, &err), &err)) {
        if (went(SLOT, rtw_slot_create(life.guest.runtime, &slots, &slot, &err), &err) &&
            went(SLOT, rtw_instance_create(life.guest.module, life.imports, budget ? &limits : NULL, &slotted, &err), &err) &&
            went(SLOT, rtw_slot_publish(slot, slotted, NULL, &err), &err)) {
            fate->at = SLOT_CALLS;
            values[0].i32 = 40;
            values[1].i32 = 2;
            rtw_status_t status = rtw_slot_invoke(slot, 0, values, 2, NULL);
            if (status != RTW_ERR_SIGNALS && (status != RTW_OK || values[0].i32 != 42)) wrong(SLOT_CALLS, "a slot's call", status);
            if (budget && status == RTW_OK && (status = rtw_slot_invoke(slot, 1, NULL, 0, NULL)) != RTW_ERR_BUDGET) wrong(SLOT_CALLS, "a slot's endless call", status);
        }
        rtw_slot_destroy(slot);
        (void)went(SLOT, rtw_thread_detach(life.guest.runtime, &err), &err);
    }
    rtw_worker_config_t queue;
    rtw_worker_t *worker = NULL;
    rtw_worker_config_init(&queue);
    queue.kind = RTW_WORKER_QUEUE;
    if (went(WORKER, rtw_worker_create(life.guest.runtime, &queue, &worker, &err), &err) && went(WORKER, rtw_worker_start(worker, &err), &err)) {
        fate->at = WORKER_CALLS;
        values[0].i32 = 40;
        values[1].i32 = 2;
        rtw_status_t status = rtw_worker_invoke(worker, add, values, 2);
        if (status == RTW_OK && values[0].i32 != 42) wrong(WORKER_CALLS, "a worker's wrong result", status);
        fate->at = WORKER_BUDGET;
        if (budget && status == RTW_OK && (status = rtw_worker_invoke(worker, spin, NULL, 0)) != RTW_ERR_BUDGET && status != RTW_ERR_SIGNALS)
            wrong(WORKER_BUDGET, "a worker's endless call", status);
    }
    rtw_worker_destroy(worker);
    worker = NULL;
    rtw_worker_config_t periodic;
    rtw_worker_config_init(&periodic);
    periodic.period_ns = 1000000;
    periodic.step = step_of_worker;
    if (went(PERIODIC, rtw_worker_create(life.guest.runtime, &periodic, &worker, &err), &err) &&
        went(PERIODIC, rtw_worker_start(worker, &err), &err))
        periodic_ends(worker);
    rtw_worker_destroy(worker);
    fate->at = DOCTOR;
    rtw_host_report_t *report = NULL;
    (void)went(DOCTOR, rtw_host_check(NULL, &report, &err), &err);
    rtw_host_report_destroy(report);
    rtw_instance_destroy(slotted);
    rtw_instance_destroy(without);
over:
    fate->at = END;
    rtw_func_destroy(add);
    rtw_func_destroy(spin);
    end_life(&life);
    fate->over = true;
}

static int carried;

static rtw_status_t carry(void *user_data, rtw_instance_t *from, rtw_instance_t *to) {
    (void)user_data, (void)from, (void)to;
    carried++;
    return RTW_OK;
}

/* A slot that saves states: two publications, with membarrier refused from a moment on: `data` is FIRST (before the runtime), ONCE_PREPARED
 * (once the slot is in use) or MOMENTS (never). Prints how the second ends, and whether the slot goes on. */
static void live_with_states(void *data) {
    const int moment = *(const int *)data;
    static const refusal_t refusal[] = {{SYS_membarrier, EPERM, FIRST}, {0, 0, 0}, {SYS_membarrier, EPERM, ONCE_PREPARED}};
    rtw_error_t err;
    coming = moment == MOMENTS ? NULL : &refusal[moment];
    refuse_at(FIRST);
    life_t life = begin_life(NULL, NULL, 0);
    static const rtw_wanted_func_t add = {"add", "(i32,i32)->(i32)", 0};
    rtw_slot_config_t config;
    rtw_slot_t *slot;
    rtw_slot_config_init(&config);
    config.funcs = &add;
    config.func_count = 1;
    config.state = RTW_STATE_HOST;
    config.on_state = carry;
    ready(&life);
    require(rtw_slot_create(life.guest.runtime, &config, &slot, &err), &err, "a slot");
    require(rtw_slot_publish(slot, life.guest.instance, NULL, &err), &err, "publish");
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    require(rtw_slot_invoke(slot, 0, values, 2, NULL), &err, "a call");
    refuse_at(ONCE_PREPARED);
    rtw_instance_t *next;
    require(rtw_instance_create(life.guest.module, life.imports, NULL, &next, &err), &err, "another instance");
    const rtw_status_t status = rtw_slot_publish(slot, next, NULL, &err);
    const bool named = status == RTW_OK || (err.status == status && err.os_error == EPERM && strstr(err.message, "membarrier") != NULL);
    values[0].i32 = 40;
    const rtw_status_t call = rtw_slot_invoke(slot, 0, values, 2, NULL);
    printf("%s %s, carried %d, %s %d", rtw_status_name(status), named ? "named" : err.message, carried, rtw_status_name(call), values[0].i32);
    rtw_slot_destroy(slot);
    rtw_instance_destroy(next);
    rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);
}

static void states(int moment, const char *expected, const char *what) {
    char text[1000];
    const int status = output_of_child(live_with_states, &moment, text, sizeof text);
    check(status == 0 && strcmp(text, expected) == 0, "membarrier refused %s", what);
    if (status != 0 || strcmp(text, expected) != 0) printf("    %#x: %s\n", (unsigned)status, text);
}

enum { WELL, CRASHED, HUNG, PRINTED, WENT_WRONG };

/* Lives once; its output is in `written`. Killed if it does not end. */
static int outcome(const refusal_t *refusal, char *written, size_t room, int *status) {
    memset(fate, 0, sizeof *fate);
    fate->wrong = -1;
    int pipes[2];
    if (pipe(pipes) != 0) return WENT_WRONG;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        coming = refusal;
        live(NULL);
        _exit(0);
    }
    close(pipes[1]);
    size_t length = 0;
    bool hung = false;
    for (;;) { /* until its end is closed */
        struct pollfd end = {pipes[0], POLLIN, 0};
        if (poll(&end, 1, HANG_SECONDS * 1000) == 0) {
            hung = true;
            kill(child, SIGKILL);
            break;
        }
        const ssize_t more = read(pipes[0], written + length, room - 1 - length);
        if (more <= 0) break;
        length += (size_t)more;
    }
    written[length] = '\0';
    close(pipes[0]);
    waitpid(child, status, 0);
    if (hung) return HUNG;
    if (!fate->over || *status != 0) return CRASHED;
    if (length != 0) return PRINTED;
    return fate->wrong >= 0 ? WENT_WRONG : WELL;
}

/* Without these the C library cannot do what it does: no library keeps its promises over it. */
static const struct {
    int number;
    const char *why;
} beyond[] = {
    {SYS_exit, "threads cannot end"},
    {SYS_exit_group, "processes cannot end"},
    {SYS_rt_sigreturn, "signal handlers cannot return"},
    {SYS_brk, "the C library takes the error for an address, and crashes in malloc"},
    {SYS_rseq, "the C library ends the process with a line of its own when a thread begins"},
    {SYS_restart_syscall, "is the kernel's own"},
};

static const char *why_beyond(int number, int moment) {
    if (number == SYS_futex && moment != FIRST) return "the C library ends the process where a lock cannot wait";
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        if (beyond[i].number == number) return beyond[i].why;
    }
    return NULL;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    fate = mmap(NULL, sizeof *fate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fate->wrong = -1;
    static calls_t calls;
    int data = 1, status = traced(live, &data, &calls);
    check(status == 0 && fate->over && fate->failed_count == 0 && fate->wrong < 0, "a life without a filter, traced: %#x, %s %s", (unsigned)status,
          steps[fate->at], fate->wrong >= 0 ? fate->what : fate->failed_count > 0 ? fate->message[0] : "goes well");
    check(calls.all[SYS_mmap] > 0 && calls.all[SYS_clone3] + calls.all[SYS_clone] > 0, "its system calls were seen: %u", sum_of(calls.all));

    char path[4200];
    snprintf(path, sizeof path, "%s/refused.%s.txt", artifacts, profile_name);
    FILE *table = fopen(path, "w");
    static const struct {
        int error;
        const char *name;
    } errors[] = {{EPERM, "EPERM"}, {EACCES, "EACCES"}, {ENOSYS, "ENOSYS"}};
    static const char *const kinds[] = {"well", "crashed", "hung", "printed", "went wrong without a word"};
    const char *only = getenv("REFUSED_ONLY");
    int lives = 0, refused = 0;
    for (int number = 0; number < SYSTEM_CALLS; number++) {
        if (calls.all[number] == 0 || (only != NULL && strcmp(only, call_name(number)) != 0)) continue;
        for (int moment = FIRST; moment < MOMENTS; moment++) {
            bool all = true;
            if (why_beyond(number, moment) != NULL) {
                check(true, "%s %s: left out: %s", call_name(number), moments[moment], why_beyond(number, moment));
                fprintf(table, "%-18s %-28s  left out: %s\n", call_name(number), moments[moment], why_beyond(number, moment));
                continue;
            }
            for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
                /* Later ones meet the same functions: once for each is enough. */
                if (moment == ONCE_PREPARED && errors[e].error != EPERM) continue;
                const refusal_t refusal = {number, errors[e].error, moment};
                static char written[1000];
                const int kind = outcome(&refusal, written, sizeof written, &status);
                lives++;
                fprintf(table, "%-18s %-7s %-28s", call_name(number), errors[e].name, moments[moment]);
                for (int i = 0; i < fate->failed_count; i++) {
                    fprintf(table, " %s %s;", steps[fate->failed[i]], rtw_status_name(fate->status[i]));
                    refused++;
                }
                fprintf(table, fate->failed_count == 0 ? " goes on\n" : "\n");
                if (only != NULL) {
                    for (int i = 0; i < fate->failed_count; i++) printf("    %s: %s\n", steps[fate->failed[i]], fate->message[i]);
                }
                if (kind == WELL) continue;
                all = false;
                printf("    %s %s: %s (%#x) at %s; %s %s\n", call_name(number), errors[e].name, kinds[kind], (unsigned)status, steps[fate->at],
                       fate->what, written);
            }
            check(all, "%s refused %s: said by name, or gone without", call_name(number), moments[moment]);
        }
    }
    fclose(table);
    if (only == NULL || strcmp(only, "membarrier") == 0) {
        states(MOMENTS, "RTW_OK named, carried 1, RTW_OK 42", "never: a slot's state is carried over");
        states(FIRST, "RTW_OK named, carried 1, RTW_OK 42", "from the start: fences take its place");
        states(ONCE_PREPARED, "RTW_ERR_PERMISSION named, carried 0, RTW_OK 42",
               "once a slot that saves states is in use: the publication says so, and the slot goes on");
    }
    check(lives > 60 || only != NULL, "%d lives, %d steps refused; the table is %s", lives, refused, path);
    return check_summary();
}
