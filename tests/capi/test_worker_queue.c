/* Workers with a queue: submissions, completions, what is cancelled, and host functions. */
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static void test_queue(void) {
    guest_t guest = open_guest("calls", NULL), other = open_guest("calls", NULL);
    rtw_func_t *add = look_up(guest.instance, "add", NULL), *foreign = look_up(other.instance, "nothing", NULL);
    rtw_worker_config_t config = queue_config();
    config.queue_capacity = 8;
    rtw_value_t values[17];
    memset(values, 0, sizeof values);
    rtw_dry_call_t dry = {add, values, 2, 4, 0};
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    check_status(rtw_worker_submit(worker, add, values, 2, 1), RTW_ERR_STOPPED, "a worker that does not run accepts nothing");
    check_status(rtw_worker_invoke(worker, add, values, 2), RTW_ERR_STOPPED, "invoke neither");
    check_status(rtw_worker_wait(worker, &completion, RTW_FOREVER), RTW_ERR_STOPPED, "and there is nothing to wait for");
    start(worker);
    check_status(rtw_worker_submit(worker, add, values, 1, 1), RTW_ERR_VALUES, "too few values");
    check_status(rtw_worker_submit(worker, add, values, 17, 1), RTW_ERR_LIMIT, "too many");
    check_status(rtw_worker_submit(worker, add, NULL, 2, 1), RTW_ERR_NULL, "values NULL");
    check_status(rtw_worker_submit(worker, NULL, NULL, 0, 1), RTW_ERR_NULL, "func NULL");
    check_status(rtw_worker_submit(worker, (rtw_func_t *)worker, NULL, 0, 1), RTW_ERR_HANDLE, "func of another kind");
    check_status(rtw_worker_submit(worker, foreign, NULL, 0, 1), RTW_ERR_ARGUMENT, "a func of another runtime");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_EMPTY, "nothing is there yet");
    check_status(rtw_worker_wait(worker, &completion, 1000), RTW_ERR_TIMEOUT, "nor a microsecond later");
    bool in_order = true;
    for (int32_t i = 0; i < 8; i++) {
        values[0].i32 = i, values[1].i32 = 100;
        check_status(rtw_worker_submit(worker, add, values, 2, (uint64_t)i + 7), RTW_OK, "submission %d", i);
    }
    check_status(rtw_worker_submit(worker, add, values, 2, 99), RTW_ERR_FULL, "it is full until completions are taken");
    for (int32_t i = 0; i < 8; i++) {
        completion = wait_for_one(worker);
        in_order &= completion.tag == (uint64_t)i + 7 && completion.status == RTW_OK && completion.values[0].i32 == 100 + i;
        in_order &= completion.submitted_ns != 0 && completion.submitted_ns <= completion.started_ns && completion.started_ns <= completion.ended_ns;
    }
    check(in_order, "completions come in the order of submission, with tags, results and times");
    values[0].i32 = 20, values[1].i32 = 22;
    check_status(rtw_worker_invoke(worker, add, values, 2), RTW_OK, "invoke");
    check(values[0].i32 == 42, "waits for its result");
    check_status(rtw_worker_poll(worker, &completion), RTW_ERR_EMPTY, "and leaves no completion");
    size_t count = 9;
    check_status(rtw_worker_cancel(worker, 7, &count), RTW_ERR_EMPTY, "what has run cannot be cancelled");
    check(count == 0, "none is");
    rtw_worker_stats_t stats = stats_of(worker);
    check(stats.ticks == 9 && stats.submitted == 9 && stats.completed == 9 && stats.cancelled == 0 && stats.refused == 1, "the statistics tell all that");
    check(stats.call.count == 9 && stats.response.max_ns >= stats.call.max_ns && stats.misses == 0, "with the times");
    check_status(rtw_worker_stop(worker), RTW_OK, "stop");
    rtw_worker_destroy(worker);
    rtw_func_destroy(add);
    rtw_func_destroy(foreign);
    close_guest(&guest);
    close_guest(&other);
}

static void *stop_it(void *worker) {
    rtw_worker_stop(worker);
    return NULL;
}

/* A guest that waits for a word in its memory. */
typedef struct gate_t {
    guest_t guest;
    rtw_func_t *wait;
    uint32_t *here, *go_on;
} gate_t;

static gate_t open_gate(void) {
    gate_t gate = {.guest = open_guest("calls", NULL)};
    gate.wait = look_up(gate.guest.instance, "wait", NULL);
    unsigned char *memory = rtw_instance_memory_at(gate.guest.instance, 0, 8);
    gate.here = (uint32_t *)(void *)memory;
    gate.go_on = (uint32_t *)(void *)(memory + 4);
    return gate;
}

static void close_gate(gate_t *gate) {
    rtw_func_destroy(gate->wait);
    close_guest(&gate->guest);
}

static void test_cancel(void) {
    gate_t gate = open_gate();
    rtw_func_t *nothing = look_up(gate.guest.instance, "nothing", NULL);
    rtw_worker_config_t config = queue_config();
    rtw_worker_t *worker = make_worker(gate.guest.runtime, &config);
    start(worker);
    rtw_value_t value = {.i32 = 0};
    require(rtw_worker_submit(worker, gate.wait, &value, 1, 1), NULL, "the first one blocks");
    while (__atomic_load_n(gate.here, __ATOMIC_SEQ_CST) == 0) sched_yield();
    for (uint64_t i = 0; i < 10; i++) require(rtw_worker_submit(worker, nothing, NULL, 0, 100 + i % 2), NULL, "others wait");
    size_t count = 0;
    check_status(rtw_worker_cancel(worker, 101, &count), RTW_OK, "what waits can be cancelled");
    check(count == 5, "all with that tag");
    check_status(rtw_worker_cancel(worker, 101, NULL), RTW_ERR_EMPTY, "once");
    check_status(rtw_worker_cancel(worker, 1, NULL), RTW_ERR_EMPTY, "what runs cannot");
    __atomic_store_n(gate.go_on, 1, __ATOMIC_SEQ_CST);
    rtw_completion_t first = wait_for_one(worker);
    check(first.tag == 1 && first.status == RTW_OK && first.values[0].i32 == 1, "the first one ends well");
    int ran = 0, cancelled = 0;
    for (int i = 0; i < 10; i++) {
        rtw_completion_t completion = wait_for_one(worker);
        ran += completion.tag == 100 && completion.status == RTW_OK && completion.started_ns != 0;
        cancelled += completion.tag == 101 && completion.status == RTW_ERR_CANCELLED && completion.started_ns == 0;
        if (completion.tag == 101 && cancelled == 1) check_status(completion.status, RTW_ERR_CANCELLED, "a cancelled one says so");
    }
    check(ran == 5 && cancelled == 5, "each is answered, once");

    /* Stopping: what runs ends, what waits is cancelled. */
    __atomic_store_n(gate.go_on, 0, __ATOMIC_SEQ_CST);
    require(rtw_worker_submit(worker, gate.wait, &value, 1, 1), NULL, "the first one blocks");
    while (__atomic_load_n(gate.here, __ATOMIC_SEQ_CST) == 0) sched_yield();
    for (uint64_t i = 0; i < 10; i++) require(rtw_worker_submit(worker, nothing, NULL, 0, 2), NULL, "others wait");
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_it, worker);
    __atomic_store_n(gate.go_on, 1, __ATOMIC_SEQ_CST);
    pthread_join(stopper, NULL);
    int answered = 0;
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    while (rtw_worker_wait(worker, &completion, RTW_FOREVER) == RTW_OK) answered++;
    check(answered == 11, "a stop leaves nothing unanswered");
    check_status(rtw_worker_submit(worker, nothing, NULL, 0, 2), RTW_ERR_STOPPED, "and accepts nothing more");
    rtw_worker_stats_t stats = stats_of(worker);
    check(stats.submitted == 22 && stats.completed == 22 && stats.ticks + stats.cancelled == 22, "the counts agree");
    rtw_worker_destroy(worker);
    rtw_func_destroy(nothing);
    close_gate(&gate);
}

typedef struct inside_t {
    rtw_worker_t *worker;
    rtw_func_t *func;
    rtw_status_t invoke, stop;
} inside_t;

static rtw_status_t from_inside(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    inside_t *inside = user_data;
    (void)instance, (void)values;
    if (inside->worker == NULL) return RTW_OK;
    inside->invoke = rtw_worker_invoke(inside->worker, inside->func, NULL, 0);
    inside->stop = rtw_worker_stop(inside->worker);
    return RTW_OK;
}

static rtw_status_t refuse_to(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return -5;
}

static void test_host_functions(void) {
    guest_t guest = {make_runtime(), NULL, NULL};
    guest.module = load(guest.runtime, "host");
    rtw_imports_t *imports;
    rtw_error_t err;
    inside_t inside = {NULL, NULL, RTW_OK, RTW_OK};
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "silent", "()->()", from_inside, &inside, NULL, 0, &err), &err, "silent");
    require(rtw_imports_func(imports, "env", "note", "(i32,f32)->(f32)", refuse_to, NULL, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", refuse_to, NULL, NULL, 0, &err), &err, "enter");
    require(rtw_imports_func(imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", refuse_to, NULL, NULL, 0, &err), &err, "turn");
    renew(&guest, imports);
    rtw_func_t *silent = look_up(guest.instance, "silent", NULL), *enter = look_up(guest.instance, "enter", NULL);
    rtw_worker_config_t config = queue_config();
    config.spin_ns = 100000;
    rtw_worker_t *worker = make_worker(guest.runtime, &config);
    start(worker);
    inside.worker = worker;
    inside.func = silent;
    check_status(rtw_worker_invoke(worker, silent, NULL, 0), RTW_OK, "a guest that calls its host on the worker");
    check_status(inside.invoke, RTW_ERR_BUSY, "which cannot have the worker wait for itself");
    check_status(inside.stop, RTW_OK, "but can stop it");
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_OK, "and it stops");
    start(worker);
    rtw_value_t value = {.i32 = 1};
    check_status(rtw_worker_invoke(worker, enter, &value, 1), RTW_ERR_HOST, "a host function's error comes back");
    check(value.i32 == 1, "and the arguments stay");
    check_status(rtw_worker_invoke(worker, enter, &value, 1), RTW_ERR_FAULTED, "the instance has faulted");
    check(stats_of(worker).faults == 2, "which is counted");
    check(info_of(worker).running == 1, "and the worker goes on");
    rtw_worker_destroy(worker);
    rtw_func_destroy(silent);
    rtw_func_destroy(enter);
    rtw_imports_destroy(imports);
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_queue();
    test_cancel();
    test_host_functions();
    return check_summary();
}
