/* Workers under load: nothing lost, nothing run twice, however many submit, cancel, start and stop. The number of submissions can
 * be set: test_stress PROFILE ARTIFACTS, WORKER_SUBMISSIONS in the environment. */
#include "../support/common.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { SUBMITTERS = 4, CAPACITY = 256 };

static uint64_t submissions_each(void) {
    const char *text = getenv("WORKER_SUBMISSIONS");
    return (text != NULL ? strtoull(text, NULL, 10) : 1000000) / SUBMITTERS;
}

/* The guest of the run answers 1 + its argument, and counts its calls in its memory. */
typedef struct load_t {
    rtw_worker_t *worker;
    rtw_func_t *add;
    uint64_t each;
    unsigned char *answers; /* per tag, how often it was answered */
    uint64_t ran, cancelled, wrong;
} load_t;

typedef struct submitter_t {
    load_t *load;
    uint64_t number, said_cancelled, refused;
    pthread_t thread;
} submitter_t;

/* Submits its share, each under a tag of its own, and now and then cancels the last one. */
static void *submit(void *argument) {
    submitter_t *self = argument;
    load_t *load = self->load;
    for (uint64_t i = 0; i < load->each; i++) {
        uint64_t tag = self->number * load->each + i;
        rtw_value_t values[2] = {{.i32 = (int32_t)tag}, {.i32 = 1}};
        rtw_status_t status;
        while ((status = rtw_worker_submit(load->worker, load->add, values, 2, tag)) == RTW_ERR_FULL) {
            self->refused++;
            sched_yield();
        }
        if (status != RTW_OK) check(false, "submission %llu: %s", (unsigned long long)tag, rtw_status_name(status));
        if (i % 3 == 0) {
            size_t count;
            rtw_worker_cancel(load->worker, tag, &count);
            self->said_cancelled += count;
        }
    }
    return NULL;
}

static void take(load_t *load, const rtw_completion_t *completion) {
    load->answers[completion->tag]++;
    if (completion->status == RTW_OK) {
        load->ran++;
        load->wrong += completion->values[0].i32 != (int32_t)completion->tag + 1 || completion->started_ns == 0;
    } else {
        load->cancelled++;
        load->wrong += completion->status != RTW_ERR_CANCELLED || completion->started_ns != 0;
    }
}

static void *collect(void *argument) {
    load_t *load = argument;
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    for (uint64_t i = 0; i < SUBMITTERS * load->each; i++) {
        if (rtw_worker_wait(load->worker, &completion, RTW_FOREVER) != RTW_OK) {
            check(false, "waiting ends early");
            break;
        }
        take(load, &completion);
    }
    return NULL;
}

static void test_load(rtw_runtime_t *runtime, rtw_func_t *add, uint64_t spin_ns) {
    load_t load = {NULL, add, submissions_each(), NULL, 0, 0, 0};
    load.answers = calloc(SUBMITTERS * load.each, 1);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    config.queue_capacity = CAPACITY;
    config.spin_ns = spin_ns;
    load.worker = start_worker(runtime, &config);
    submitter_t submitters[SUBMITTERS];
    pthread_t collector;
    pthread_create(&collector, NULL, collect, &load);
    for (uint64_t i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (submitter_t){.load = &load, .number = i};
        pthread_create(&submitters[i].thread, NULL, submit, &submitters[i]);
    }
    uint64_t said_cancelled = 0, refused = 0;
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(submitters[i].thread, NULL);
        said_cancelled += submitters[i].said_cancelled;
        refused += submitters[i].refused;
    }
    pthread_join(collector, NULL);
    uint64_t all = SUBMITTERS * load.each, lost = 0, twice = 0;
    for (uint64_t tag = 0; tag < all; tag++) {
        lost += load.answers[tag] == 0;
        twice += load.answers[tag] > 1;
    }
    check(all > 0 && lost == 0, "of %llu submissions none is lost (%llu)", (unsigned long long)all, (unsigned long long)lost);
    check(twice == 0, "none is answered twice (%llu)", (unsigned long long)twice);
    check(load.wrong == 0, "every answer is right");
    check(said_cancelled == load.cancelled && load.ran + load.cancelled == all, "%llu were cancelled, and those only did not run",
          (unsigned long long)said_cancelled);
    rtw_worker_stats_t stats;
    rtw_worker_stats_init(&stats);
    require(rtw_worker_stats(load.worker, &stats), NULL, "stats");
    check(stats.ticks == load.ran && stats.call.count == load.ran && stats.submitted == all && stats.completed == all &&
              stats.cancelled == load.cancelled && stats.refused == refused, "the worker's own counts agree, exactly");
    rtw_worker_destroy(load.worker);
    free(load.answers);
}

/* Waiters beside waiters: each invocation comes back to the one who asked. */
static void *ask(void *argument) {
    submitter_t *self = argument;
    for (int32_t i = 0; i < 20000; i++) {
        rtw_value_t values[2] = {{.i32 = i}, {.i32 = (int32_t)self->number}};
        self->refused += rtw_worker_invoke(self->load->worker, self->load->add, values, 2) != RTW_OK ||
                         values[0].i32 != i + (int32_t)self->number;
    }
    return NULL;
}

static void test_askers(rtw_runtime_t *runtime, rtw_func_t *add) {
    load_t load = {NULL, add, 0, NULL, 0, 0, 0};
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    load.worker = start_worker(runtime, &config);
    submitter_t askers[SUBMITTERS];
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < SUBMITTERS; i++) {
        askers[i] = (submitter_t){.load = &load, .number = 1000 * i};
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(askers[i].thread, NULL);
        wrong += askers[i].refused;
    }
    check(wrong == 0, "80000 invocations from four threads come back to who asked");
    rtw_worker_destroy(load.worker);
}

static rtw_status_t count_step(void *user_data, const rtw_tick_t *tick) {
    (void)tick;
    __atomic_add_fetch((uint64_t *)user_data, 1, __ATOMIC_SEQ_CST);
    return RTW_OK;
}

static void *start_and_stop(void *argument) {
    rtw_worker_t *worker = argument;
    for (int i = 0; i < 250; i++) {
        rtw_worker_start(worker, NULL);
        rtw_worker_stop(worker);
    }
    return NULL;
}

static void test_starts(rtw_runtime_t *runtime) {
    uint64_t steps = 0;
    rtw_worker_config_t config;
    rtw_worker_t *worker;
    rtw_error_t err;
    rtw_worker_config_init(&config);
    config.period_ns = 10000;
    config.step = count_step;
    config.user_data = &steps;
    require(rtw_worker_create(runtime, &config, &worker, &err), &err, "a worker");
    int failed = 0, moved = 0;
    for (int i = 0; i < 1000; i++) {
        failed += rtw_worker_start(worker, &err) != RTW_OK;
        if (i % 10 == 0) {
            uint64_t before = __atomic_load_n(&steps, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&steps, __ATOMIC_SEQ_CST) == before) sched_yield();
        }
        failed += rtw_worker_stop(worker) != RTW_OK;
        uint64_t stopped = __atomic_load_n(&steps, __ATOMIC_SEQ_CST);
        sched_yield();
        moved += __atomic_load_n(&steps, __ATOMIC_SEQ_CST) != stopped;
    }
    check(failed == 0, "a worker starts and stops 1000 times");
    check(moved == 0, "and never runs after it was stopped");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, start_and_stop, worker);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    check(rtw_worker_start(worker, &err) == RTW_OK && rtw_worker_stop(worker) == RTW_OK, "also from four threads at once");
    rtw_worker_destroy(worker);
    for (int i = 0; i < 200; i++) {
        require(rtw_worker_create(runtime, &config, &worker, &err), &err, "a worker");
        if (i % 2 == 0) require(rtw_worker_start(worker, &err), &err, "start");
        rtw_worker_destroy(worker);
    }
    check(true, "200 workers come and go");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    rtw_func_t *add = look_up(guest.instance, "add", "(i32,i32)->(i32)");
    test_load(guest.runtime, add, 0);
    test_load(guest.runtime, add, 20000);
    test_askers(guest.runtime, add);
    test_starts(guest.runtime);
    rtw_func_destroy(add);
    close_guest(&guest);
    return check_summary();
}
