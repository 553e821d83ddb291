/* Host functions that the host puts into a guest's tables: called by the guest, replaced, taken away, there again after a reset, in a
 * slot's spares and on workers. */
#include "worker.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 100000, DISTINCT = 20000 };

static rtw_error_t err;

/* The data of a host function: what it adds, what it returns, and how often it was called and ended. */
struct owner {
    int adds;
    rtw_status_t answer;
    int calls, ends; /* atomic */
    rtw_func_t *inner;
    bool sets;
};

static rtw_status_t add(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    struct owner *owner = user_data;
    __atomic_fetch_add(&owner->calls, 1, __ATOMIC_SEQ_CST);
    if (owner->inner != NULL) {
        rtw_value_t value;
        memset(&value, 0, sizeof value);
        value.i32 = 7;
        check(rtw_invoke(owner->inner, &value, 1) == RTW_OK && value.i32 == 14, "a call back into the guest");
    }
    if (owner->sets) {
        rtw_error_t why;
        check_status(rtw_instance_table_set(instance, NULL, 3, "(i32)->(i32)", add, owner, NULL, 0, &why), RTW_ERR_BUSY, "not from inside");
        check_status(rtw_instance_table_set_func(instance, NULL, 3, NULL, &why), RTW_ERR_BUSY, "nor emptied");
    }
    values[0].i32 += owner->adds;
    return owner->answer;
}

static rtw_status_t negate(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    values[0].i64 = -values[0].i64;
    return RTW_OK;
}

static void end_owner(void *user_data) { __atomic_fetch_add(&((struct owner *)user_data)->ends, 1, __ATOMIC_SEQ_CST); }
static int ends(struct owner *owner) { return __atomic_load_n(&owner->ends, __ATOMIC_SEQ_CST); }
static struct owner adding(int adds) {
    struct owner owner;
    memset(&owner, 0, sizeof owner);
    owner.adds = adds;
    return owner;
}

static void put(rtw_instance_t *instance, const char *table, uint64_t index, struct owner *owner, uint32_t flags) {
    check_status(rtw_instance_table_set(instance, table, index, "(i32)->(i32)", add, owner, end_owner, flags, &err), RTW_OK, "entry %d", (int)index);
}

static rtw_instance_t *make(rtw_module_t *module, uint64_t budget_ns) { return new_instance(module, NULL, budget_ns); }

static rtw_status_t call2(rtw_instance_t *instance, const char *name, int32_t index, int32_t argument, int32_t *result) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = index, values[1].i32 = argument;
    const rtw_status_t status = call(instance, name, values, 2);
    *result = values[0].i32;
    return status;
}

/* Returns the result of the guest's own indirect call. */
static int32_t calls(rtw_instance_t *instance, int32_t index, int32_t argument) { return call_i32(instance, "call", index, argument); }

static void test_calls(rtw_module_t *module) {
    struct owner first = adding(100), second = adding(200), third = adding(300), shown = adding(400);
    rtw_instance_t *instance = make(module, 0);
    int32_t result = 0;
    put(instance, NULL, 5, &first, 0);
    put(instance, NULL, 0, &second, RTW_HOST_MAY_BLOCK);
    put(instance, "shown", 0, &shown, 0);
    check_status(rtw_instance_table_set(instance, NULL, 4, "(i64)->(i64)", negate, NULL, NULL, 0, &err), RTW_OK, "another type");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    rtw_func_t *bound = NULL, *any = NULL;
    check_status(rtw_instance_table_func(instance, NULL, 5, "(i32)->(i32)", &bound, &err), RTW_OK, "the host may call it, too");
    check_status(rtw_instance_table_func_dynamic(instance, NULL, "(i32)->(i32)", &any, &err), RTW_OK, "any entry");
    for (int round = 0; round < 3; round++) {
        const int adds = round == 0 ? 100 : 300;
        check(calls(instance, 5, 1) == 1 + adds && calls(instance, 0, 1) == 201, "the guest calls the host's through its table");
        check(call_i32(instance, "call_shown", 0, 1) == 401, "in an exported table as well");
        rtw_value_t value;
        memset(&value, 0, sizeof value);
        value.i32 = 4;
        check(call(instance, "call_other", &value, 1) == RTW_OK && value.i64 == -5, "of another type");
        check(calls(instance, 1, 2) == 6, "its own functions are where they were");
        value.i32 = 1;
        check(rtw_invoke(bound, &value, 1) == RTW_OK && value.i32 == 1 + adds, "a bound func calls it");
        value.i32 = 1;
        check(rtw_invoke_entry(any, 0, &value, 1) == RTW_OK && value.i32 == 201, "so does one that names its entry");
        if (round == 0) {
            put(instance, NULL, 5, &third, 0);
            check(ends(&first) == 1 && ends(&third) == 0, "the replaced one ends at once");
            check(calls(instance, 5, 1) == 301, "and is not called any more");
        }
        if (round == 1) check(call2(instance, "call", 4, 1, &result) == RTW_ERR_TRAP_INDIRECT_CALL, "a call with another type traps");
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    check(ends(&first) == 1 && ends(&second) + ends(&third) + ends(&shown) == 0, "resets end none");
    rtw_func_destroy(bound), rtw_func_destroy(any);
    rtw_instance_destroy(instance);
    check(ends(&first) == 1 && ends(&second) == 1 && ends(&third) == 1 && ends(&shown) == 1, "each ends once");
}

/* The rules of host functions: status, budget, calls from inside. */
static void test_rules(rtw_module_t *module) {
    struct owner owner = adding(1);
    rtw_instance_t *instance = make(module, 2000000);
    rtw_func_t *twice = look_up(instance, "twice", "(i32)->(i32)");
    int32_t result = 0;
    put(instance, NULL, 2, &owner, 0);
    owner.inner = twice, owner.sets = true;
    check(calls(instance, 2, 1) == 2, "one that calls its guest, and may not change the table from inside");
    owner.inner = NULL, owner.sets = false;
    owner.answer = -77;
    check(call2(instance, "call", 2, 1, &result) == RTW_ERR_HOST, "its status ends the guest's call");
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    check(rtw_instance_fault(instance, &fault, &err) == RTW_OK && fault.host_status == -77, "and is reported");
    check(call2(instance, "call", 1, 1, &result) == RTW_ERR_FAULTED, "the instance is faulted");
    put(instance, NULL, 3, &owner, 0);
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    owner.answer = RTW_OK;
    check(calls(instance, 3, 1) == 2, "one that was put there after the fault is there after the reset");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = 2;
    const int before = owner.calls;
    check(call(instance, "for_ever", &value, 1) == RTW_ERR_BUDGET && owner.calls > before, "a guest that calls it for ever is cut off");
    rtw_func_destroy(twice);
    rtw_instance_destroy(instance);
    check(ends(&owner) == 2, "it was put into two entries and ends twice");
}

/* A function that is taken away, of which the guest has a copy. */
static void test_taken_away(rtw_module_t *module) {
    struct owner first = adding(100), second = adding(200), other = adding(300);
    rtw_instance_t *instance = make(module, 0), *stranger = make(module, 0);
    rtw_func_t *twice = look_up(instance, "twice", NULL), *strange = look_up(stranger, "twice", NULL), *any = NULL;
    int32_t result = 0;
    check_status(rtw_instance_table_func_dynamic(instance, NULL, "(i32)->(i32)", &any, &err), RTW_OK, "any entry");
    put(instance, NULL, 2, &first, 0);
    check_status(rtw_instance_table_set_func(instance, NULL, 2, twice, &err), RTW_OK, "the guest's own function in its place");
    check(ends(&first) == 1 && calls(instance, 2, 21) == 42, "the guest calls that");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check(call2(instance, "call", 2, 1, &result) == RTW_ERR_TRAP_INDIRECT_CALL, "takes it back, and the host's is not there any more");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");

    put(instance, NULL, 2, &second, 0);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = 3, values[1].i32 = 2;
    check_status(call(instance, "copy", values, 2), RTW_OK, "the guest copies the entry");
    put(instance, NULL, 2, &other, 0);
    check(ends(&second) == 1 && calls(instance, 3, 1) == 301, "the copy calls what is in the entry now");
    check_status(rtw_instance_table_set_func(instance, NULL, 2, NULL, &err), RTW_OK, "the entry is emptied");
    check(ends(&other) == 1, "which ends the host's function");
    check(call2(instance, "call", 3, 1, &result) == RTW_ERR_HOST, "the copy ends the guest's call");
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    check(rtw_instance_fault(instance, &fault, &err) == RTW_OK && fault.host_status == RTW_ERR_NO_EXPORT, "and says why");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check(call2(instance, "call", 2, 1, &result) == RTW_ERR_TRAP_INDIRECT_CALL, "after which the entry is the module's");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check_status(rtw_instance_table_set_func(instance, NULL, 1, NULL, &err), RTW_OK, "an entry of the module's is emptied");
    check(call2(instance, "call", 1, 1, &result) == RTW_ERR_TRAP_INDIRECT_CALL, "for this guest");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check(calls(instance, 1, 1) == 3, "and no other");

    check_status(rtw_instance_table_set_func(instance, NULL, 2, strange, &err), RTW_ERR_ARGUMENT, "another instance's func");
    check_status(rtw_instance_table_set_func(instance, NULL, 2, any, &err), RTW_ERR_UNSUPPORTED, "a func of all entries");
    check_status(rtw_instance_table_set_func(instance, NULL, 6, twice, &err), RTW_ERR_BOUNDS, "beyond the table");
    check_status(rtw_instance_table_set_func(instance, "nothing", 0, twice, &err), RTW_ERR_NO_EXPORT, "no such table");
    check_status(rtw_instance_table_set_func(NULL, NULL, 0, NULL, &err), RTW_ERR_NULL, "no instance");
    rtw_func_destroy(any), rtw_func_destroy(twice), rtw_func_destroy(strange);
    rtw_instance_destroy(instance), rtw_instance_destroy(stranger);
    check(ends(&first) == 1 && ends(&second) == 1 && ends(&other) == 1, "each ends once");
}

/* Bound funcs after a reset in which their entry has become another. */
static void test_changed(rtw_module_t *module) {
    struct owner same = adding(100), next = adding(200);
    rtw_instance_t *instance = make(module, 0);
    rtw_func_t *thrice = NULL, *hosts = NULL;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_table_func(instance, NULL, 1, "(i32)->(i32)", &thrice, &err), RTW_OK, "the guest's own");
    put(instance, NULL, 1, &same, 0);
    put(instance, NULL, 2, &next, 0);
    check_status(rtw_instance_table_func(instance, NULL, 2, "(i32)->(i32)", &hosts, &err), RTW_OK, "the host's");
    value.i32 = 2;
    check(rtw_invoke(thrice, &value, 1) == RTW_OK && value.i32 == 6, "a bound func keeps the function that it was looked up with");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    value.i32 = 2;
    check(rtw_invoke(thrice, &value, 1) == RTW_OK && value.i32 == 102, "and calls what is in its entry after a reset");
    check_status(rtw_instance_table_set(instance, NULL, 2, "(i64)->(i64)", negate, NULL, NULL, 0, &err), RTW_OK, "another type");
    value.i32 = 2;
    check(rtw_invoke(hosts, &value, 1) == RTW_ERR_HOST, "the host's that was bound is gone");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    value.i32 = 2;
    check_status(rtw_invoke(hosts, &value, 1), RTW_ERR_TRAP_INDIRECT_CALL, "an entry of another type");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check_status(rtw_instance_table_set_func(instance, NULL, 2, NULL, &err), RTW_OK, "emptied");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check_status(rtw_invoke(hosts, &value, 1), RTW_ERR_TRAP_INDIRECT_CALL, "an entry that is empty");
    put(instance, NULL, 2, &next, 0);
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    value.i32 = 2;
    check(rtw_invoke(hosts, &value, 1) == RTW_OK && value.i32 == 202, "and one that has the type again");
    rtw_func_destroy(thrice), rtw_func_destroy(hosts);
    rtw_instance_destroy(instance);
}

static void test_refusals(rtw_module_t *module) {
    struct owner owner = adding(1);
    rtw_instance_t *instance = make(module, 0);
    static const struct {
        const char *table, *signature, *text;
        uint64_t index;
        uint32_t flags;
        rtw_status_t status;
    } wrong[] = {
        {NULL, "(i32)->(i32)", "the table has 6 entries", 6, 0, RTW_ERR_BOUNDS},
        {NULL, "(i32)->(i32)", "the table has 6 entries", UINT64_MAX, 0, RTW_ERR_BOUNDS},
        {"shown", "(i32)->(i32)", "the table has 2 entries", 2, 0, RTW_ERR_BOUNDS},
        {NULL, "(i32)", "should look like", 0, 0, RTW_ERR_SIGNATURE_SYNTAX},
        {NULL, NULL, "signature is NULL", 0, 0, RTW_ERR_NULL},
        {NULL, "(i32)->(i32)", "flags", 0, 64, RTW_ERR_ARGUMENT},
        {"memory", "(i32)->(i32)", "is a memory, not a table", 0, 0, RTW_ERR_EXPORT_KIND},
        {"nothing", "(i32)->(i32)", "exports of this kind: ", 0, 0, RTW_ERR_NO_EXPORT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_status(rtw_instance_table_set(instance, wrong[i].table, wrong[i].index, wrong[i].signature, add, &owner, end_owner, wrong[i].flags, &err),
                     wrong[i].status, "what cannot be put there, %d", (int)i);
        check_error(&err, wrong[i].status, wrong[i].text, "and says why");
    }
    check_status(rtw_instance_table_set(instance, NULL, 0, "()->()", NULL, &owner, end_owner, 0, &err), RTW_ERR_NULL, "no function");
    check_status(rtw_instance_table_set(NULL, NULL, 0, "()->()", add, &owner, end_owner, 0, &err), RTW_ERR_NULL, "no instance");
    check(ends(&owner) == 0, "what fails leaves the user data to the caller");
    check(calls(instance, 0, 4) == 8, "and the table as it was");
    rtw_instance_destroy(instance);
}

static long resident_kib(void) {
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    }
    if (file != NULL) fclose(file);
    return kib;
}

/* Replacing takes nothing more, through whichever name the table has; functions in entries of their own, which nothing replaces, do,
 * and are seen. */
static void test_memory(rtw_module_t *module) {
    struct owner owner = adding(1);
    rtw_instance_t *instance = make(module, 0);
    for (int i = 0; i < 12; i++) put(instance, i % 2 == 0 ? NULL : "shown", 1, &owner, i % 3 == 0 ? RTW_HOST_MAY_BLOCK : 0);
    const uint64_t held = rtw_instance_held_bytes(instance);
    const long before = resident_kib();
    for (int i = 0; i < MANY; i++)
        if (rtw_instance_table_set(instance, NULL, 1, "(i32)->(i32)", add, &owner, end_owner, 0, &err) != RTW_OK) break;
    const long replaced = resident_kib() - before;
    check(ends(&owner) >= MANY, "each of %d ends when the next one comes", MANY);
    check(rtw_instance_held_bytes(instance) == held, "and the instance holds what it held");
    check_status(rtw_instance_table_grow(instance, NULL, DISTINCT, NULL, &err), RTW_OK, "a large table");
    const long start = resident_kib();
    for (int i = 0; i < DISTINCT; i++)
        if (rtw_instance_table_set(instance, NULL, 6 + (uint64_t)i, "(i32)->(i32)", add, &owner, end_owner, 0, &err) != RTW_OK) break;
    const long distinct = resident_kib() - start;
    check(calls(instance, 6 + DISTINCT - 1, 1) == 2, "functions in %d entries", DISTINCT);
#if !defined(ON_A_THREAD)
    if (!sanitized) check(distinct > 1000 && replaced < distinct / 4, "%d replaced take %ld KiB; %d that are kept take %ld", MANY, replaced, DISTINCT, distinct);
#else
    (void)replaced, (void)distinct;
#endif
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check(call_i32(instance, "size", 0, 0) == 6 + DISTINCT && calls(instance, 6 + DISTINCT - 1, 1) == 2, "grows the new table as far as they need");
    const int so_far = ends(&owner);
    rtw_instance_destroy(instance);
    check(ends(&owner) == so_far + DISTINCT + 2, "all end with the instance");
}

/* Behind a slot: the spare that takes over has the functions, too, and keeps its own when the first one's are replaced. */
static void test_slot(rtw_runtime_t *runtime, rtw_module_t *module, struct owner *owner) {
    rtw_instance_t *instance = make(module, 0);
    put(instance, NULL, 3, owner, 0);
    check_status(rtw_instance_table_grow(instance, NULL, 3, NULL, &err), RTW_OK, "a table that grows");
    put(instance, NULL, 8, owner, RTW_HOST_MAY_BLOCK);
    rtw_func_t *entry = NULL;
    check_status(rtw_instance_table_func(instance, NULL, 3, "(i32)->(i32)", &entry, &err), RTW_OK, "an entry before publication");
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    rtw_slot_t *slot = new_slot(runtime, "call", "(i32,i32)->(i32)", &config);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_OK, "publish");
    rtw_instance_destroy(instance);
    wait_for_spares(slot, 1);
    for (int round = 0; round < 4; round++) {
        rtw_block_t block;
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        check_status(rtw_slot_begin(slot, &block), RTW_OK, "a block");
        check(((block.flags & RTW_BLOCK_SPARE) != 0) == (round != 0), "on the first instance, then on spares");
        for (int index = 3; index <= 8; index += 5) {
            values[0].i32 = index, values[1].i32 = round;
            check(rtw_invoke(block.funcs[0], values, 2) == RTW_OK && values[0].i32 == 50 + round, "calls the host's through entry %d", index);
        }
        /* Entries of the block's own instance. */
        rtw_func_t *own = NULL;
        check_status(rtw_instance_table_func(block.instance, NULL, 3, "(i32)->(i32)", &own, &err), RTW_OK, "an entry in the block");
        values[0].i32 = 1;
        check(rtw_invoke(own, values, 1) == RTW_OK && values[0].i32 == 51, "is called in the block");
        rtw_func_destroy(own);
        if (round == 0) {
            values[0].i32 = 1;
            check(rtw_invoke(entry, values, 1) == RTW_OK && values[0].i32 == 51, "so is one that was looked up before");
        }
        values[0].i32 = 4, values[1].i32 = round;
        check(rtw_invoke(block.funcs[0], values, 2) == RTW_ERR_TRAP_INDIRECT_CALL, "the guest faults");
        check_status(rtw_slot_end(slot), RTW_OK, "the block's end");
        if (round == 0) rtw_func_destroy(entry);
        /* The instance that has faulted becomes a spare again. */
        wait_for_spares(slot, 1);
    }
    rtw_slot_destroy(slot);
}

static void test_worker(rtw_runtime_t *runtime, rtw_module_t *module) {
    struct owner owner = adding(9), next = adding(10);
    rtw_instance_t *instance = make(module, 0);
    put(instance, NULL, 2, &owner, 0);
    rtw_func_t *func = look_up(instance, "call", "(i32,i32)->(i32)");
    const rtw_worker_config_t config = queue_config();
    rtw_worker_t *worker = start_worker(runtime, &config);
    for (int round = 0; round < 3; round++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[0].i32 = 2, values[1].i32 = 1;
        check_status(rtw_worker_invoke(worker, func, values, 2), RTW_OK, "a worker's call");
        check(values[0].i32 == (round < 2 ? 10 : 11), "reaches the host's function");
        if (round == 0) check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset between its calls");
        if (round == 1) put(instance, NULL, 2, &next, 0);
    }
    rtw_worker_destroy(worker);
    rtw_func_destroy(func);
    rtw_instance_destroy(instance);
    check(ends(&owner) == 1 && ends(&next) == 1, "each ends once");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = load(runtime, "placed");
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach");
    test_calls(module);
    test_rules(module);
    test_taken_away(module);
    test_changed(module);
    test_refusals(module);
    test_memory(module);
    struct owner in_slot = adding(50);
    test_slot(runtime, module, &in_slot);
    test_worker(runtime, module);
    check_status(rtw_thread_detach(runtime, &err), RTW_OK, "detach");
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    check(ends(&in_slot) == 2, "the slot's functions have ended once when the runtime is gone");
    return check_summary();
}
