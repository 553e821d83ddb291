/* The cost of workers beside native twins: the same loop, the same wake-up, the same controller, written in C against the system
 * alone. Subjects take turns in every round, on one CPU and with one scheduling. Run by rtwasm-bench, which reads the rows:
 *   workers FOLDER     FOLDER holds pid.rtw, an artifact of guests/built/pid.wasm
 *   row TAB case TAB subject TAB baseline TAB n TAB mean TAB min TAB p50 TAB p99 TAB p99.9 TAB max TAB ratio
 * in ns, where the ratio is that of the p99 to the baseline's of the same round: the median over rounds. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

#include "../examples-c/control-loop/native.h"
#include "../tests/support/clock.h"
#include "../tests/support/numbers.h"
#include "rtwasm.h"

enum { ROUNDS = 10, TICKS = 300, PRIORITY = 50, PERIOD_NS = 1000000, EARLY_NS = 200000, SUBMISSIONS = 300, WARM = 20 };

static int cpu, other_cpu;
static rtw_runtime_t *runtime;
static rtw_instance_t *instance;
static rtw_func_t *guest_step, *guest_io;

static uint64_t thread_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns) {
    struct timespec until = {(time_t)(time_ns / 1000000000u), (long)(time_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static void need(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "workers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void must(rtw_status_t status, const rtw_error_t *err) {
    if (status == RTW_OK) return;
    fprintf(stderr, "workers: %s: %s\n", rtw_status_name(status), err->message);
    exit(1);
}

static void run_on(int wanted) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)wanted, &set);
    need(sched_setaffinity(0, sizeof set, &set) == 0, "affinity");
}

/* ---- figures ---- */

typedef struct subject_t {
    const char *name;
    void (*run)(struct subject_t *self, double *out, size_t count);
    uint64_t early_ns;
    bool warm_call, statistics;
    rtw_worker_t *worker;
    double *samples; /* of all rounds */
    double p99[ROUNDS];
    /* what a run has */
    double *out;
    size_t count, at;
} subject_t;

static void print_row(const char *what, subject_t *subject, const subject_t *baseline, size_t count) {
    double ratios[ROUNDS], sum = 0;
    for (int round = 0; round < ROUNDS; round++) ratios[round] = subject->p99[round] / baseline->p99[round];
    sort_numbers(ratios, ROUNDS);
    for (size_t i = 0; i < count; i++) sum += subject->samples[i];
    sort_numbers(subject->samples, count);
    printf("row\t%s\t%s\t%s\t%zu\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.3f\n", what, subject->name, baseline->name, count,
           sum / (double)count, subject->samples[0], quantile(subject->samples, count, 0.5), quantile(subject->samples, count, 0.99),
           quantile(subject->samples, count, 0.999), subject->samples[count - 1], (ratios[ROUNDS / 2 - 1] + ratios[ROUNDS / 2]) / 2);
    fflush(stdout);
}

/* Every round has one run of each; the first one is the baseline. */
static void in_turns(const char *what, subject_t *subjects, size_t subject_count, size_t per_round) {
    double *round_samples = malloc(per_round * sizeof *round_samples);
    for (size_t s = 0; s < subject_count; s++) subjects[s].samples = malloc(ROUNDS * per_round * sizeof(double));
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t turn = 0; turn < subject_count; turn++) {
            subject_t *subject = &subjects[(round + turn) % subject_count];
            double *out = subject->samples + round * per_round;
            subject->run(subject, out, per_round);
            memcpy(round_samples, out, per_round * sizeof *out);
            sort_numbers(round_samples, per_round);
            subject->p99[round] = quantile(round_samples, per_round, 0.99);
        }
    }
    for (size_t s = 0; s < subject_count; s++) print_row(what, &subjects[s], &subjects[0], ROUNDS * per_round);
    for (size_t s = 0; s < subject_count; s++) {
        rtw_worker_destroy(subjects[s].worker);
        free(subjects[s].samples);
    }
    free(round_samples);
}

/* ---- the native thread ---- */

/* Runs a body on a thread like a worker's, to its end. */
static void on_native_thread(void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    struct sched_param parameter = {.sched_priority = PRIORITY};
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &parameter);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, body, argument) != 0) {
        /* As the worker does without rights. */
        pthread_attr_setinheritsched(&attributes, PTHREAD_INHERIT_SCHED);
        need(pthread_create(&thread, &attributes, body, argument) == 0, "a thread");
    }
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static void worker_config(rtw_worker_config_t *config) {
    rtw_worker_config_init(config);
    config->sched_policy = RTW_SCHED_FIFO;
    config->priority = PRIORITY;
    config->cpu = cpu;
}

/* ---- wake-up ---- */

static void *native_wake_ups(void *argument) {
    subject_t *self = argument;
    uint64_t due_ns = now_ns() + PERIOD_NS;
    for (size_t tick = 0; tick < self->count + WARM; tick++, due_ns += PERIOD_NS) {
        sleep_until(due_ns);
        const uint64_t late_ns = now_ns() - due_ns;
        if (tick >= WARM) self->out[tick - WARM] = (double)late_ns;
    }
    return NULL;
}

static void run_native_wake_ups(subject_t *self, double *out, size_t count) {
    self->out = out;
    self->count = count;
    memset(out, 0, count * sizeof *out);
    on_native_thread(native_wake_ups, self);
}

static rtw_status_t note_wake_up(void *user_data, const rtw_tick_t *tick) {
    subject_t *self = user_data;
    const size_t at = self->at++;
    if (at >= WARM) self->out[at - WARM] = (double)(tick->actual_ns - tick->intended_ns);
    return at + 1 == self->count + WARM ? RTW_STEP_STOP : RTW_OK;
}

static void run_worker(subject_t *self, rtw_step_t step, double *out, size_t count) {
    rtw_error_t err;
    if (self->worker == NULL) {
        rtw_worker_config_t config;
        worker_config(&config);
        config.period_ns = PERIOD_NS;
        config.step = step;
        config.user_data = self;
        config.early_ns = self->early_ns;
        config.statistics = self->statistics;
        rtw_value_t value = {.u64 = 0};
        if (self->warm_call) {
            config.warm_func = guest_io;
            config.warm_values = &value;
            config.warm_value_count = 1;
        }
        rtw_value_t at_rest[2] = {{.f64 = 0}, {.f64 = 0}};
        rtw_dry_call_t dry = {guest_step, at_rest, 2, 200, 0};
        config.dry_calls = &dry;
        config.dry_call_count = 1;
        must(rtw_worker_create(runtime, &config, &self->worker, &err), &err);
    }
    self->out = out;
    self->count = count;
    self->at = 0;
    memset(out, 0, count * sizeof *out);
    must(rtw_worker_start(self->worker, &err), &err);
    rtw_worker_join(self->worker, RTW_FOREVER);
}

static void run_worker_wake_ups(subject_t *self, double *out, size_t count) { run_worker(self, note_wake_up, out, count); }

/* ---- one call a millisecond ---- */

static double reference(size_t tick) { return tick % 100 < 50 ? 0.5 : -0.5; }

static void *native_calls(void *argument) {
    subject_t *self = argument;
    double measurement = 0;
    uint64_t due_ns = now_ns() + PERIOD_NS;
    for (size_t tick = 0; tick < self->count + WARM; tick++, due_ns += PERIOD_NS) {
        sleep_until(due_ns - self->early_ns);
        while (now_ns() < due_ns) {
        }
        const uint64_t started_ns = now_ns();
        const double control = native_pid.step(reference(tick), measurement);
        const uint64_t ended_ns = now_ns();
        measurement += 0.01 * (control - measurement);
        if (tick >= WARM) self->out[tick - WARM] = (double)(ended_ns - started_ns);
    }
    return NULL;
}

static void run_native_calls(subject_t *self, double *out, size_t count) {
    self->out = out;
    self->count = count;
    memset(out, 0, count * sizeof *out);
    on_native_thread(native_calls, self);
}

static double guest_measurement;

static rtw_status_t call_guest(void *user_data, const rtw_tick_t *tick) {
    (void)tick;
    subject_t *self = user_data;
    const size_t at = self->at++;
    rtw_value_t values[2] = {{.f64 = reference(at)}, {.f64 = guest_measurement}};
    const uint64_t started_ns = now_ns();
    const rtw_status_t status = rtw_invoke(guest_step, values, 2);
    const uint64_t ended_ns = now_ns();
    guest_measurement += 0.01 * (values[0].f64 - guest_measurement);
    if (at >= WARM) self->out[at - WARM] = (double)(ended_ns - started_ns);
    if (status != RTW_OK) return status;
    return at + 1 == self->count + WARM ? RTW_STEP_STOP : RTW_OK;
}

static void run_worker_calls(subject_t *self, double *out, size_t count) { run_worker(self, call_guest, out, count); }

/* ---- what statistics cost ---- */

static double cpu_ns_at_start;

/* The thread's CPU time from one tick to the next, the sleep's own included. */
static rtw_status_t note_cpu_time(void *user_data, const rtw_tick_t *tick) {
    (void)tick;
    subject_t *self = user_data;
    const size_t at = self->at++;
    const double now = (double)thread_ns();
    if (at >= WARM) self->out[at - WARM] = now - cpu_ns_at_start;
    cpu_ns_at_start = now;
    return at + 1 == self->count + WARM ? RTW_STEP_STOP : RTW_OK;
}

static void run_worker_cpu_time(subject_t *self, double *out, size_t count) { run_worker(self, note_cpu_time, out, count); }

static void run_snapshot(subject_t *self, double *out, size_t count) {
    (void)self;
    rtw_worker_stats_t stats;
    rtw_func_stats_t func_stats;
    rtw_worst_t worst[32];
    rtw_second_t seconds[600];
    size_t found;
    rtw_worker_stats_init(&stats);
    rtw_func_stats_init(&func_stats);
    for (size_t i = 0; i < count; i++) {
        const uint64_t started_ns = now_ns();
        rtw_worker_stats(self->worker, &stats);
        rtw_worker_worst(self->worker, worst, 32, &found);
        rtw_worker_timeline(self->worker, seconds, 600, &found);
        rtw_func_stats(guest_step, &func_stats);
        out[i] = (double)(now_ns() - started_ns);
    }
}

/* ---- from submission to start ---- */

typedef struct bell_t {
    uint32_t word, answer;
    int event;
    uint64_t rung_ns;
    subject_t *subject;
} bell_t;

static void futex_wait(uint32_t *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

/* Gives the thread that is woken next the time to go to sleep. */
static void pause_a_little(void) { sleep_until(now_ns() + 100000); }

static void *ring_the_bell(void *argument) {
    bell_t *bell = argument;
    for (uint32_t i = 1; i <= bell->subject->count; i++) {
        pause_a_little();
        bell->rung_ns = now_ns();
        if (bell->event >= 0) {
            const uint64_t one = 1;
            need(write(bell->event, &one, sizeof one) == sizeof one, "eventfd");
        } else {
            __atomic_store_n(&bell->word, i, __ATOMIC_SEQ_CST);
            futex_wake(&bell->word);
        }
        while (__atomic_load_n(&bell->answer, __ATOMIC_SEQ_CST) != i) futex_wait(&bell->answer, i - 1);
    }
    return NULL;
}

static void *hear_the_bell(void *argument) {
    bell_t *bell = argument;
    for (uint32_t i = 1; i <= bell->subject->count; i++) {
        if (bell->event >= 0) {
            uint64_t rung;
            need(read(bell->event, &rung, sizeof rung) == sizeof rung, "eventfd");
        } else {
            while (__atomic_load_n(&bell->word, __ATOMIC_SEQ_CST) != i) futex_wait(&bell->word, i - 1);
        }
        bell->subject->out[i - 1] = (double)(now_ns() - bell->rung_ns);
        __atomic_store_n(&bell->answer, i, __ATOMIC_SEQ_CST);
        futex_wake(&bell->answer);
    }
    return NULL;
}

static void run_bell(subject_t *self, double *out, size_t count, int event) {
    bell_t bell = {0, 0, event, 0, self};
    pthread_t ringer;
    self->out = out;
    self->count = count;
    memset(out, 0, count * sizeof *out);
    need(pthread_create(&ringer, NULL, ring_the_bell, &bell) == 0, "a thread");
    on_native_thread(hear_the_bell, &bell);
    pthread_join(ringer, NULL);
}

static void run_futex(subject_t *self, double *out, size_t count) { run_bell(self, out, count, -1); }

static void run_eventfd(subject_t *self, double *out, size_t count) {
    const int event = eventfd(0, 0);
    need(event >= 0, "eventfd");
    run_bell(self, out, count, event);
    close(event);
}

static void run_submissions(subject_t *self, double *out, size_t count) {
    rtw_error_t err;
    rtw_value_t value = {.u64 = 0};
    if (self->worker == NULL) {
        rtw_worker_config_t config;
        worker_config(&config);
        config.kind = RTW_WORKER_QUEUE;
        config.spin_ns = self->early_ns;
        rtw_dry_call_t dry = {guest_io, &value, 1, 200, 0};
        config.dry_calls = &dry;
        config.dry_call_count = 1;
        must(rtw_worker_create(runtime, &config, &self->worker, &err), &err);
    }
    must(rtw_worker_start(self->worker, &err), &err);
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    for (size_t i = 0; i < count; i++) {
        pause_a_little();
        need(rtw_worker_submit(self->worker, guest_io, &value, 1, i) == RTW_OK, "submit");
        need(rtw_worker_wait(self->worker, &completion, RTW_FOREVER) == RTW_OK, "wait");
        out[i] = (double)(completion.started_ns - completion.submitted_ns);
    }
    rtw_worker_stop(self->worker);
}

/* ---- all of it ---- */

static void open_guest(const char *folder) {
    char path[4096];
    rtw_error_t err;
    rtw_module_t *module;
    rtw_func_t *init;
    rtw_value_t value = {.f64 = 1e-3};
    snprintf(path, sizeof path, "%s/pid.rtw", folder);
    must(rtw_runtime_create(NULL, &runtime, &err), &err);
    must(rtw_module_load_file(runtime, path, &module, &err), &err);
    must(rtw_instance_create(module, NULL, NULL, &instance, &err), &err);
    must(rtw_instance_func(instance, "step", "(f64,f64)->(f64)", &guest_step, &err), &err);
    must(rtw_instance_func(instance, "io", "()->(i32)", &guest_io, &err), &err);
    must(rtw_instance_func(instance, "init", "(f64)->(i32)", &init, &err), &err);
    must(rtw_thread_attach(runtime, NULL, &err), &err);
    must(rtw_invoke(init, &value, 1), &err);
    must(rtw_thread_detach(runtime, &err), &err);
    need(native_pid.init(1e-3) == 0, "init");
    rtw_func_destroy(init);
    rtw_module_destroy(module);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    const int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    cpu = cpus - 1;
    other_cpu = cpus > 1 ? cpus - 2 : 0;
    run_on(other_cpu);
    open_guest(argv[1]);

    subject_t wake_ups[] = {{.name = "native", .run = run_native_wake_ups},
                            {.name = "worker", .run = run_worker_wake_ups, .statistics = true},
                            {.name = "worker, woken early", .run = run_worker_wake_ups, .statistics = true, .early_ns = EARLY_NS}};
    in_turns("wake-up", wake_ups, sizeof wake_ups / sizeof *wake_ups, TICKS);

    subject_t calls[] = {
        {.name = "native", .run = run_native_calls},
        {.name = "worker", .run = run_worker_calls, .statistics = true},
        {.name = "worker, woken early", .run = run_worker_calls, .statistics = true, .early_ns = EARLY_NS},
        {.name = "worker, woken early, warm call", .run = run_worker_calls, .statistics = true, .early_ns = EARLY_NS, .warm_call = true},
        {.name = "native, woken early", .run = run_native_calls, .early_ns = EARLY_NS},
    };
    in_turns("call-per-ms", calls, sizeof calls / sizeof *calls, TICKS);

    subject_t bells[] = {{.name = "futex", .run = run_futex},
                         {.name = "eventfd", .run = run_eventfd},
                         {.name = "worker", .run = run_submissions},
                         {.name = "worker, spinning", .run = run_submissions, .early_ns = 1000000}};
    in_turns("submit", bells, sizeof bells / sizeof *bells, SUBMISSIONS);

    subject_t costs[] = {{.name = "CPU time a tick, without", .run = run_worker_cpu_time},
                         {.name = "CPU time a tick, with", .run = run_worker_cpu_time, .statistics = true}};
    in_turns("worker-statistics", costs, 2, TICKS);

    /* A worker that has something to tell. */
    subject_t snapshot = {.name = "a worker and a func, all of it", .run = run_snapshot, .statistics = true};
    double first_run[TICKS];
    run_worker(&snapshot, note_wake_up, first_run, TICKS);
    in_turns("worker-snapshot", &snapshot, 1, 1000);
    rtw_func_destroy(guest_step), rtw_func_destroy(guest_io), rtw_instance_destroy(instance), rtw_runtime_destroy(runtime);
    return 0;
}
