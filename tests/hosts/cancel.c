/* Threads of the asynchronous cancel type, as JACK has them, cancelled in the middle of everything: calls hold it off and let it in
 * when they return, and nothing is broken for whoever calls next. */
#include "../support/child.h"
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 100000, STORMS = 200 };

typedef enum way_t { INVOKE, BUDGET, ENTRY, SLOT, BLOCK, NESTED, LATE, WAYS } way_t;
static const char *const way_names[] = {"rtw_invoke", "rtw_invoke_budget", "rtw_invoke_entry", "rtw_slot_invoke", "a slot's block",
                                        "a call from a host function", "a call that attaches"};

static life_t life;
static rtw_slot_t *slot;
static rtw_func_t *visit, *work, *add, *entries;
static atomic_int inside, cancelled, returned, cleaned_up, visits, wrong;
static rtw_value_t result[1];
static bool nests;
static uint32_t on_cancel;
static int cancel_type = PTHREAD_CANCEL_ASYNCHRONOUS;
static bool blocks;

/* Tells that the guest is in the middle of a call, and comes back when the thread has been cancelled. */
static rtw_status_t wait_for_cancellation(void *data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)data, (void)instance;
    if (nests && values[0].i32 > 0) {
        rtw_value_t nested[1] = {{.i32 = values[0].i32 - 1}};
        const rtw_status_t status = rtw_invoke(visit, nested, 1);
        values[0] = nested[0];
        atomic_fetch_add(&visits, 1);
        return status;
    }
    atomic_store(&inside, 1);
    while (!atomic_load(&cancelled)) sched_yield();
    /* A function that a cancellation of any type comes in. */
    pthread_testcancel();
    atomic_fetch_add(&visits, 1);
    values[0].i32 = 7;
    return RTW_OK;
}

/* One that waits for somebody who never comes. */
static sem_t never;
static rtw_status_t wait_for_ever(void *data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)data, (void)instance;
    if (nests && values[0].i32 > 0) {
        rtw_value_t nested[1] = {{.i32 = values[0].i32 - 1}};
        return rtw_invoke(visit, nested, 1);
    }
    atomic_store(&inside, 1);
    while (sem_wait(&never) != 0) {
    }
    atomic_fetch_add(&visits, 1);
    return RTW_OK;
}

static void clean_up(void *data) {
    (void)data;
    atomic_store(&cleaned_up, 1);
}

static void attach_here_as(uint32_t how) {
    rtw_thread_config_t config;
    rtw_error_t err;
    rtw_thread_config_init(&config);
    config.on_cancel = how;
    require(rtw_thread_attach(life.guest.runtime, &config, &err), &err, "attach");
}

static rtw_status_t call_by(way_t way, rtw_func_t *func, uint32_t index) {
    rtw_block_t block;
    switch (way) {
    case BUDGET: return rtw_invoke_budget(func, result, 1, 2000000000);
    case ENTRY: return rtw_invoke_entry(entries, index, result, 1);
    case SLOT: return rtw_slot_invoke(slot, index, result, 1, NULL);
    case BLOCK: {
        rtw_status_t status = rtw_slot_begin(slot, &block);
        if (status == RTW_OK) {
            status = rtw_invoke(block.funcs[index], result, 1);
            rtw_slot_end(slot);
        }
        return status;
    }
    default: return rtw_invoke(func, result, 1);
    }
}

static void *one_call(void *data) {
    const way_t way = *(const way_t *)data;
    pthread_setcanceltype(cancel_type, NULL);
    if (way != LATE) attach_here_as(on_cancel);
    result[0].i32 = way == NESTED ? 3 : 0;
    pthread_cleanup_push(clean_up, NULL);
    if (call_by(way, visit, 1) != RTW_OK) atomic_fetch_add(&wrong, 1);
    atomic_store(&returned, 1);
    pthread_cleanup_pop(0);
    return NULL;
}

static void begin(way_t way) {
    rtw_runtime_config_t config;
    rtw_instance_config_t limits;
    rtw_error_t err;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.attach_on_call = way == LATE;
    memset(&life, 0, sizeof life);
    require(rtw_runtime_create(&config, &life.guest.runtime, &err), &err, "runtime");
    require(rtw_module_load_file(life.guest.runtime, artifact_path("states"), &life.guest.module, &err), &err, "load");
    require(rtw_imports_create(&life.imports, &err), &err, "imports");
    require(rtw_imports_func(life.imports, "env", "visit", "(i32)->(i32)", blocks ? wait_for_ever : wait_for_cancellation, NULL, NULL,
                             blocks ? RTW_HOST_MAY_BLOCK : 0, &err),
            &err, "import");
    rtw_instance_config_init(&limits);
    limits.budget_ns = 5000000000;
    require(rtw_instance_create(life.guest.module, life.imports, &limits, &life.guest.instance, &err), &err, "instance");
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    const rtw_wanted_func_t funcs[] = {{"work", "(i32)->(i32)", 0}, {"visit", "(i32)->(i32)", 0}, {"add", "(i32,i32)->(i32)", 0}};
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.funcs = funcs, slot_config.func_count = 3;
    require(rtw_slot_create(life.guest.runtime, &slot_config, &slot, &err), &err, "slot");
    if (way == SLOT || way == BLOCK) require(rtw_slot_publish(slot, life.guest.instance, NULL, &err), &err, "publish");
    visit = look_up(life.guest.instance, "visit", NULL), work = look_up(life.guest.instance, "work", NULL), add = look_up(life.guest.instance, "add", NULL);
    require(rtw_instance_table_func_dynamic(life.guest.instance, NULL, "(i32)->(i32)", &entries, &err), &err, "entries");
    nests = way == NESTED;
    atomic_store(&inside, 0), atomic_store(&cancelled, 0), atomic_store(&returned, 0), atomic_store(&cleaned_up, 0), atomic_store(&visits, 0);
    atomic_store(&wrong, 0);
}

static void end(void) {
    rtw_func_destroy(visit), rtw_func_destroy(work), rtw_func_destroy(add), rtw_func_destroy(entries);
    rtw_slot_destroy(slot);
    end_life(&life);
}

/* Ignores the result of pthread_join: glibc 2.36 returns NULL for a thread that is cancelled where it lets cancellation in. */
static void cancel_in_call(way_t way) {
    static way_t given;
    given = way;
    pthread_t thread;
    pthread_create(&thread, NULL, one_call, &given);
    while (!atomic_load(&inside)) sched_yield();
    pthread_cancel(thread);
    atomic_store(&cancelled, 1);
    pthread_join(thread, NULL);
}

/* The next thread, of the ordinary type, finds everything as it is after a call. */
static bool usable(way_t way) {
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    attach_here_as(RTW_CANCEL_DEFER);
    rtw_status_t status = way == SLOT ? rtw_slot_invoke(slot, 2, values, 2, NULL) : rtw_invoke(add, values, 2);
    if (way == BLOCK) {
        rtw_block_t block;
        /* The block was not ended. */
        if (rtw_slot_begin(slot, &block) != RTW_ERR_BUSY || rtw_slot_end(slot) != RTW_OK || rtw_slot_begin(slot, &block) != RTW_OK) status = RTW_ERR_STATE;
        rtw_slot_end(slot);
    }
    rtw_thread_detach(life.guest.runtime, NULL);
    return status == RTW_OK && values[0].i32 == 42;
}

static void in_call(void *data) {
    const way_t way = *(const way_t *)data;
    begin(way);
    cancel_in_call(way);
    check(!atomic_load(&returned) && atomic_load(&cleaned_up) == 1,
          "cancelled in %s: the thread ends where it returns, by its cleanup handlers", way_names[way]);
    check(atomic_load(&visits) == (way == NESTED ? 4 : 1) && result[0].i32 == 7, "%s: the call went to its end", way_names[way]);
    check(usable(way), "%s: the next thread calls on", way_names[way]);
    if (way == ENTRY) {
        attach_here_as(RTW_CANCEL_DEFER);
        check_status(rtw_invoke(entries, result, 1), RTW_ERR_TRAP_INDIRECT_CALL, "a func for all entries keeps none of a cancelled call");
        rtw_thread_detach(life.guest.runtime, NULL);
    }
    end();
}

/* A host function that may block does not keep its thread from ending: its call ends, then the thread. */
static void in_blocking(void *data) {
    const way_t way = *(const way_t *)data;
    const char *const kind = cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS ? "asynchronous" : "deferred";
    rtw_fault_t fault;
    rtw_error_t err;
    blocks = true;
    begin(way);
    cancel_in_call(way);
    check(!atomic_load(&returned) && atomic_load(&cleaned_up) == 1 && atomic_load(&visits) == 0,
          "%s type, cancelled in a host function that may block, %s: the thread ends", kind, way_names[way]);
    rtw_fault_init(&fault);
    require(rtw_instance_fault(life.guest.instance, &fault, &err), &err, "fault");
    check(fault.status == RTW_ERR_HOST && fault.host_status == RTW_ERR_CANCELLED, "%s type, %s: the fault tells why", kind, way_names[way]);
    if (way == BLOCK) {
        attach_here_as(RTW_CANCEL_DEFER);
        rtw_slot_end(slot);
        rtw_thread_detach(life.guest.runtime, NULL);
    }
    if (way != SLOT && way != BLOCK) {
        check_status(rtw_instance_reset(life.guest.instance, NULL), RTW_OK, "%s type, %s: a reset", kind, way_names[way]);
        check(usable(way), "%s type, %s: the next thread calls on", kind, way_names[way]);
    }
    end();
}

/* The twin: without deferral. */
static void not_deferred(void *data) {
    (void)data;
    begin(INVOKE);
    on_cancel = RTW_CANCEL_IGNORE;
    cancel_in_call(INVOKE);
}

/* With the host holding it off itself, it is the host who lets it in. */
static atomic_int host_returned;
static void *held_by_host(void *data) {
    (void)data;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    attach_here_as(RTW_CANCEL_DEFER);
    result[0].i32 = 0;
    rtw_invoke(visit, result, 1);
    atomic_store(&returned, 1);
    int now;
    pthread_setcancelstate(state, &now);
    atomic_store(&host_returned, now == PTHREAD_CANCEL_DISABLE ? 1 : 2);
    return NULL;
}

static void by_host(void *data) {
    (void)data;
    begin(INVOKE);
    pthread_t thread;
    pthread_create(&thread, NULL, held_by_host, NULL);
    while (!atomic_load(&inside)) sched_yield();
    pthread_cancel(thread);
    atomic_store(&cancelled, 1);
    pthread_join(thread, NULL);
    check(atomic_load(&returned) == 1 && atomic_load(&host_returned) == 0,
          "held off by the host as well: it comes when the host lets it in");
    end();
}

/* At any instant: of calls, of blocks, of [setup] functions. */
static atomic_int rounds;
static void *storm_of_calls(void *data) {
    const way_t way = *(const way_t *)data;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    attach_here_as(RTW_CANCEL_DEFER);
    for (;;) {
        result[0].i32 = 50;
        if (call_by(way, work, 0) != RTW_OK) atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void *storm_of_setup(void *data) {
    (void)data;
    rtw_error_t err;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        rtw_imports_t *imports = NULL;
        rtw_func_t *func = NULL;
        if (rtw_thread_attach(life.guest.runtime, NULL, &err) != RTW_OK || rtw_instance_prepare(life.guest.instance, NULL, NULL, &err) != RTW_OK ||
            rtw_instance_reset(life.guest.instance, &err) != RTW_OK || rtw_thread_detach(life.guest.runtime, &err) != RTW_OK ||
            rtw_imports_create(&imports, &err) != RTW_OK || rtw_instance_func(life.guest.instance, "add", NULL, &func, &err) != RTW_OK)
            atomic_fetch_add(&wrong, 1);
        rtw_func_destroy(func);
        rtw_imports_destroy(imports);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void storm(void *(*body)(void *), way_t way, const char *what) {
    begin(way);
    static way_t given;
    given = way;
    unsigned random = 1;
    for (int i = 0; i < STORMS; i++) {
        pthread_t thread;
        const int before = atomic_load(&rounds);
        pthread_create(&thread, NULL, body, &given);
        while (atomic_load(&rounds) == before) sched_yield();
        random = random * 1103515245 + 12345;
        for (volatile unsigned n = random >> 16 & 0x3fff; n > 0; n--) {
        }
        pthread_cancel(thread);
        pthread_join(thread, NULL);
        /* The thread may have been cancelled between a block's beginning and its end. */
        if (way == BLOCK) {
            attach_here_as(RTW_CANCEL_DEFER);
            rtw_slot_end(slot);
            rtw_thread_detach(life.guest.runtime, NULL);
        }
    }
    check(atomic_load(&wrong) == 0, "%d threads cancelled at any instant of %s: each ends, no call fails", STORMS, what);
    check(usable(INVOKE), "and then calls go on");
    end();
}

static void storm_calls(void *data) {
    const way_t way = *(const way_t *)data;
    storm(storm_of_calls, way, way_names[way]);
}

static void storm_setup(void *data) {
    (void)data;
    storm(storm_of_setup, INVOKE, "attach, prepare, reset, detach");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    for (way_t way = INVOKE; way < WAYS; way++) check_in_child(way_names[way], in_call, &way);
    sem_init(&never, 0, 0);
    for (way_t way = INVOKE; way < WAYS; way++) check_in_child(way_names[way], in_blocking, &way);
    cancel_type = PTHREAD_CANCEL_DEFERRED;
    for (way_t way = INVOKE; way < WAYS; way++) check_in_child(way_names[way], in_blocking, &way);
    cancel_type = PTHREAD_CANCEL_ASYNCHRONOUS;
    check_in_child("held off by the host", by_host, NULL);
    check(status_of_child(not_deferred, NULL) != 0, "twin: with RTW_CANCEL_IGNORE the process ends");
    for (way_t way = INVOKE; way <= BLOCK; way++) check_in_child("a storm of calls", storm_calls, &way);
    check_in_child("a storm of [setup] functions", storm_setup, NULL);
    return check_summary();
}
