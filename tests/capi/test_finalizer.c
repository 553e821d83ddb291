/* Finalizers of host functions: called once each, when nothing can call the function any more, on whichever thread that is. */
#include "../support/common.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

static rtw_runtime_t *runtime;
static rtw_module_t *module;
static rtw_error_t err;

/* The data of a host function. */
struct owner {
    int calls, ends; /* atomic */
    pthread_t thread; /* that the last end came on */
    sem_t ended;
};

static rtw_status_t host_call(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance, (void)values;
    struct owner *owner = user_data;
    if (owner != NULL) __atomic_fetch_add(&owner->calls, 1, __ATOMIC_SEQ_CST);
    return RTW_OK;
}

static void end_owner(void *user_data) {
    struct owner *owner = user_data;
    owner->thread = pthread_self();
    __atomic_fetch_add(&owner->ends, 1, __ATOMIC_SEQ_CST);
    sem_post(&owner->ended);
}

static int ends(struct owner *owner) { return __atomic_load_n(&owner->ends, __ATOMIC_SEQ_CST); }

static void begin(struct owner *owner) {
    memset(owner, 0, sizeof *owner);
    sem_init(&owner->ended, 0, 0);
}

static void add(rtw_imports_t *imports, struct owner *owner) {
    require(rtw_imports_func(imports, "env", "silent", "()->()", host_call, owner, end_owner, 0, &err), &err, "silent");
}

/* All that the guest imports; `silent` is the owner's. */
static rtw_imports_t *make_imports(struct owner *owner) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "note", "(i32,f32)->(f32)", host_call, NULL, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", host_call, NULL, NULL, 0, &err), &err, "turn");
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", host_call, NULL, NULL, 0, &err), &err, "enter");
    add(imports, owner);
    return imports;
}

static void test_list(void) {
    struct owner first, second;
    begin(&first), begin(&second);
    rtw_imports_t *imports = make_imports(&first);
    check(ends(&first) == 0, "list: not called while the function is in the list");
    add(imports, &second);
    check(ends(&first) == 1, "list: a function that is replaced is finalized");
    check(pthread_equal(first.thread, pthread_self()), "list: on the thread that replaces it");
    check(ends(&second) == 0, "list: and the one that replaces it is not");
    rtw_imports_destroy(imports);
    check(ends(&first) == 1 && ends(&second) == 1, "list: the end of the list is the end of its functions");

    /* A function that is not added stays the caller's. */
    struct owner third;
    begin(&third);
    imports = make_imports(&third);
    check_status(rtw_imports_func(imports, "env", "f", "()->(", host_call, &third, end_owner, 0, &err), RTW_ERR_SIGNATURE_SYNTAX, "list: half a signature");
    check_status(rtw_imports_func(imports, "env", "f", "()->()", host_call, &third, end_owner, 4, &err), RTW_ERR_ARGUMENT, "list: an unknown flag");
    check_status(rtw_imports_func(imports, "env", "f", "()->()", NULL, &third, end_owner, 0, &err), RTW_ERR_NULL, "list: no function");
    check_status(rtw_imports_func(NULL, "env", "f", "()->()", host_call, &third, end_owner, 0, &err), RTW_ERR_NULL, "list: no list");
    check(ends(&third) == 0, "list: no finalizer is called for what was not added");
    check_status(rtw_imports_func(imports, "env", "f", "()->()", host_call, NULL, NULL, 0, &err), RTW_OK, "list: without a finalizer");
    rtw_imports_destroy(imports);
    check(ends(&third) == 1, "list: and once for what was");
}

static void test_instance(void) {
    struct owner owner, later;
    begin(&owner), begin(&later);
    rtw_imports_t *imports = make_imports(&owner);
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
    rtw_func_t *func = look_up(instance, "silent", "()->()");
    add(imports, &later);
    check(ends(&owner) == 0, "instance: a function that is replaced lives on in the instance");
    rtw_imports_destroy(imports);
    check(ends(&owner) == 0 && ends(&later) == 1, "instance: so it does when the list is destroyed");
    check_status(rtw_invoke(func, NULL, 0), RTW_OK, "instance: and is called");
    for (int i = 0; i < 3; i++) check_status(rtw_instance_reset(instance, &err), RTW_OK, "instance: a reset");
    check(ends(&owner) == 0, "instance: a reset finalizes nothing");
    check_status(call(instance, "trap", &(rtw_value_t){.i32 = 0}, 1), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "instance: a fault");
    check(ends(&owner) == 0, "instance: a fault finalizes nothing");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "instance: a reset after it");
    rtw_instance_destroy(instance);
    check(ends(&owner) == 0, "instance: a func keeps it");
    check_status(rtw_invoke(func, NULL, 0), RTW_OK, "instance: which still calls");
    rtw_func_destroy(func);
    check(ends(&owner) == 1 && owner.calls == 2, "instance: the last func's end is the function's");
    check(pthread_equal(owner.thread, pthread_self()), "instance: on the thread that destroys it");
}

static void test_failed_instance(void) {
    struct owner owner;
    begin(&owner);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    add(imports, &owner);
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_ERR_IMPORT_MISSING, "failed: imports are missing");
    check(ends(&owner) == 0, "failed: the list still has the function");
    rtw_imports_destroy(imports);
    check(ends(&owner) == 1, "failed: and ends it once");
}

static int spares(rtw_slot_t *slot) {
    rtw_slot_stats_t stats;
    rtw_slot_stats_init(&stats);
    require(rtw_slot_stats(slot, &stats), &err, "a slot's statistics");
    return (int)stats.spares_ready;
}

static void await_spares(rtw_slot_t *slot, int count) {
    const struct timespec pause = {0, 1000000};
    while (spares(slot) < count) nanosleep(&pause, NULL);
}

static void test_slot(void) {
    struct owner old, new;
    begin(&old), begin(&new);
    const rtw_wanted_func_t funcs[] = {{"silent", "()->()", 0}, {"trap", "(i32)->(i32)", 0}};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = funcs, config.func_count = 2, config.standby = 2;
    rtw_slot_t *slot = NULL;
    require(rtw_slot_create(runtime, &config, &slot, &err), &err, "a slot");
    struct owner *owners[] = {&old, &new};
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    for (int i = 0; i < 2; i++) {
        rtw_imports_t *imports = make_imports(owners[i]);
        rtw_instance_t *instance = NULL;
        require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
        rtw_imports_destroy(imports);
        require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
        rtw_instance_destroy(instance);
        await_spares(slot, 2);
        check_status(rtw_slot_invoke(slot, 0, NULL, 0, NULL), RTW_OK, "slot: the instance is taken");
        check_status(rtw_slot_invoke(slot, 1, &value, 1, NULL), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "slot: it faults");
        check_status(rtw_slot_invoke(slot, 0, NULL, 0, NULL), RTW_OK, "slot: a spare serves");
        await_spares(slot, 2);
        check(ends(owners[i]) == 0 && owners[i]->calls == 2, "slot: neither the end of the faulted instance nor of list and handle is the function's");
    }
    /* The housekeeper ends the old instance and its spares some time after the new one was taken. */
    sem_wait(&old.ended);
    check(!pthread_equal(old.thread, pthread_self()), "slot: what is exchanged is ended on the housekeeper's thread");
    rtw_slot_destroy(slot);
    sem_wait(&new.ended);
    check(ends(&old) == 1 && ends(&new) == 1, "slot: each function is ended once, with all its spares");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    module = load(runtime, "host");
    test_list();
    test_instance();
    test_failed_instance();
    test_slot();
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
