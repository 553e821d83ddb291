/* Calls of a table's entries, also of a table that is not exported; growth of tables and memories by the host. */
#include "../support/common.h"

#include <string.h>

enum { PAGE = 65536 };

static rtw_error_t err;

/* The state of the host function: it calls an entry from inside. */
static rtw_func_t *inner;
static rtw_status_t inner_status;

static rtw_status_t host(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    if (inner != NULL) inner_status = rtw_invoke_entry(inner, 1, values, 1);
    values[0].i32 += 1000;
    return RTW_OK;
}

static int32_t call1(rtw_func_t *func, int32_t argument, const char *what) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = argument;
    check_status(rtw_invoke(func, &value, 1), RTW_OK, "%s", what);
    return value.i32;
}

static int32_t call_entry(rtw_func_t *func, uint64_t index, int32_t argument, const char *what) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = argument;
    check_status(rtw_invoke_entry(func, index, &value, 1), RTW_OK, "%s", what);
    return value.i32;
}

static rtw_func_t *entry(rtw_instance_t *instance, uint64_t index) {
    rtw_func_t *func = NULL;
    check_status(rtw_instance_table_func(instance, NULL, index, "(i32)->(i32)", &func, &err), RTW_OK, "entry %d", (int)index);
    return func;
}

static void test_refusals(rtw_instance_t *instance, rtw_func_t *dynamic, rtw_func_t *plain) {
    rtw_func_t *func = NULL;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    static const struct {
        const char *table, *signature, *text;
        uint64_t index;
        rtw_status_t status;
    } wrong[] = {
        {NULL, "(i32)->(i32)", "the table has 6 entries", 6, RTW_ERR_BOUNDS},
        {NULL, "(i32)->(i32)", "the table has 6 entries", UINT64_MAX, RTW_ERR_BOUNDS},
        {NULL, "(i32)->(i32)", "table entry 5: the entry is empty", 5, RTW_ERR_NO_EXPORT},
        {NULL, "(i32)->(i32)", "another type than (i32)->(i32)", 2, RTW_ERR_SIGNATURE},
        {NULL, "(i32)->", "should look like", 0, RTW_ERR_SIGNATURE_SYNTAX},
        {"shown", "(i32)->(i32)", "the entry is empty", 0, RTW_ERR_NO_EXPORT},
        {"memory", "(i32)->(i32)", "is a memory, not a table", 0, RTW_ERR_EXPORT_KIND},
        {"nothing", "(i32)->(i32)", "exports of this kind: ", 0, RTW_ERR_NO_EXPORT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_status(rtw_instance_table_func(instance, wrong[i].table, wrong[i].index, wrong[i].signature, &func, &err), wrong[i].status,
                     "entry that cannot be looked up, %d", (int)i);
        check_error(&err, wrong[i].status, wrong[i].text, "and says why");
        check(func == NULL, "and there is no func");
    }
    check_status(rtw_instance_table_func(instance, NULL, 0, NULL, &func, &err), RTW_ERR_NULL, "no signature");
    check_status(rtw_instance_table_func_dynamic(instance, "nothing", "()->()", &func, &err), RTW_ERR_NO_EXPORT, "no such table");
    check_status(rtw_invoke_entry(dynamic, 6, &value, 1), RTW_ERR_BOUNDS, "an entry that is not there");
    check_status(rtw_invoke_entry(dynamic, 5, &value, 1), RTW_ERR_NO_EXPORT, "an empty entry");
    check_status(rtw_invoke_entry(dynamic, 2, &value, 1), RTW_ERR_SIGNATURE, "an entry of another type");
    check_status(rtw_invoke_entry(dynamic, 0, &value, 0), RTW_ERR_VALUES, "too few values");
    check_status(rtw_invoke_entry(plain, 0, &value, 1), RTW_ERR_UNSUPPORTED, "a func that is of one function");
    check_status(rtw_invoke_entry(NULL, 0, &value, 1), RTW_ERR_NULL, "no func");
    check(call_entry(dynamic, 0, 4, "after refusals") == 8, "none of them enters or harms the guest");
}

static void test_calls(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
    rtw_func_t *twice = entry(instance, 0), *thrice = entry(instance, 1), *hosts = entry(instance, 3), *trap = entry(instance, 4);
    rtw_func_t *shown = NULL, *floats = NULL, *dynamic = NULL;
    check_status(rtw_instance_table_func(instance, "shown", 1, "(i32)->(i32)", &shown, &err), RTW_OK, "an exported table");
    check_status(rtw_instance_table_func(instance, NULL, 2, "(i64,f32)->(f32)", &floats, &err), RTW_OK, "another type");
    check_status(rtw_instance_table_func_dynamic(instance, NULL, "(i32)->(i32)", &dynamic, &err), RTW_OK, "any entry");
    rtw_func_t *swap = look_up(instance, "swap", "()->()");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");

    for (int round = 0; round < 3; round++) {
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        values[1].f32 = 2.5f;
        check(call1(twice, 21, "twice") == 42 && call1(thrice, 21, "thrice") == 63 && call1(shown, 5, "shown") == 15, "entries are called");
        check(rtw_invoke(floats, values, 2) == RTW_OK && values[0].f32 == 2.5f, "one of another type");
        check(call1(hosts, 5, "the host's") == 1005, "a host function that the guest has put there");
        check(call_entry(dynamic, 0, 21, "entry 0") == 42 && call_entry(dynamic, 1, 21, "entry 1") == 63, "entries by their numbers");
        inner = dynamic;
        check(call_entry(dynamic, 3, 2, "from inside") == 1006 && inner_status == RTW_OK, "an entry is called from another's host function");
        inner = NULL;
        check(call_entry(dynamic, 0, 1, "entry 0 after it") == 2, "and both calls were of their own entries");
        test_refusals(instance, dynamic, twice);

        check_status(rtw_invoke(swap, NULL, 0), RTW_OK, "the guest changes its table");
        check(call1(twice, 2, "bound") == 4 && call1(thrice, 2, "bound") == 6, "a func keeps the function that it was looked up with");
        rtw_value_t value;
        memset(&value, 0, sizeof value);
        check(call_entry(dynamic, 0, 2, "entry 0 now") == 6, "a call that names its entry reads the new one");
        check_status(rtw_invoke_entry(dynamic, 1, &value, 1), RTW_ERR_NO_EXPORT, "and finds the one that was emptied");
        if (round == 1) {
            check_status(rtw_invoke(trap, &value, 1), RTW_ERR_TRAP_UNREACHABLE, "an entry traps");
            check_status(rtw_invoke_entry(dynamic, 0, &value, 1), RTW_ERR_FAULTED, "the instance is faulted");
        }
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(dynamic, &stats) == RTW_OK && stats.call.count >= 15, "statistics of all entries together");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke(dynamic, &value, 1), RTW_ERR_TRAP_INDIRECT_CALL, "a call without an entry");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset after it");

    /* Looking up often takes no more of the guest's memory. */
    const uint64_t held = rtw_instance_held_bytes(instance);
    for (int i = 0; i < 1000; i++) rtw_func_destroy(entry(instance, (uint64_t)(i % 2)));
    check(rtw_instance_held_bytes(instance) == held, "look-ups leave nothing behind");
    rtw_func_t *const all[] = {twice, thrice, hosts, trap, shown, floats, dynamic, swap};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rtw_func_destroy(all[i]);
    rtw_instance_destroy(instance);
}

/* An entry beyond the new guest's table, after the host has grown it. */
static void test_gone(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_t *instance = NULL;
    uint64_t before = 0;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
    rtw_func_t *swap = look_up(instance, "swap", "()->()"), *size = look_up(instance, "size", "()->(i32)");
    check_status(rtw_instance_table_grow(instance, NULL, 2, &before, &err), RTW_OK, "a table that is not exported grows");
    check(before == 6 && call1(size, 0, "size") == 8, "by empty entries, which the guest sees");
    rtw_func_t *dynamic = NULL;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_table_func_dynamic(instance, NULL, "(i32)->(i32)", &dynamic, &err), RTW_OK, "any entry");
    check_status(rtw_invoke_entry(dynamic, 7, &value, 1), RTW_ERR_NO_EXPORT, "a new entry is empty");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check(call1(size, 0, "size") == 6, "takes growth back");
    check_status(rtw_invoke_entry(dynamic, 7, &value, 1), RTW_ERR_BOUNDS, "and the entry with it");
    rtw_func_destroy(dynamic), rtw_func_destroy(swap), rtw_func_destroy(size);
    rtw_instance_destroy(instance);
}

static void test_growth(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_t *instance = NULL;
    uint64_t before = 0;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
    const uint64_t held = rtw_instance_held_bytes(instance);
    check_status(rtw_instance_memory_grow(instance, "memory", 1, &before, &err), RTW_OK, "a memory grows");
    check(before == 1 && rtw_instance_memory_at(instance, 2 * PAGE - 1, 1) != NULL, "by a page");
    check(rtw_instance_held_bytes(instance) == held + PAGE, "which counts as held");
    check_status(rtw_instance_memory_grow(instance, NULL, 2, &before, &err), RTW_ERR_LIMIT, "not beyond its maximum");
    check_error(&err, RTW_ERR_LIMIT, "by the maximum that the module declares", "and says why");
    check_status(rtw_instance_table_grow(instance, "shown", 3, NULL, &err), RTW_ERR_LIMIT, "nor does a table");
    check_status(rtw_instance_table_grow(instance, "shown", 2, NULL, &err), RTW_OK, "which grows so far");
    check_status(rtw_instance_memory_grow(instance, "shown", 1, NULL, &err), RTW_ERR_EXPORT_KIND, "a table is no memory");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    check_status(rtw_instance_memory_grow(instance, NULL, 1, NULL, &err), RTW_ERR_LIMIT, "a prepared instance does not grow");
    check_error(&err, RTW_ERR_LIMIT, "since the instance is prepared", "and says why");
    check_status(rtw_instance_table_grow(instance, NULL, 1, NULL, &err), RTW_ERR_LIMIT, "nor does its table");
    rtw_growth_t growth;
    rtw_growth_init(&growth);
    check(rtw_instance_growth(instance, &growth) == RTW_OK && growth.granted == 2 && growth.refused == 4, "all of it is counted");
    rtw_instance_destroy(instance);

    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    config.memory_limit_bytes = held + PAGE;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "an instance that may grow");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    check_status(rtw_instance_memory_grow(instance, NULL, 1, NULL, &err), RTW_OK, "grows though it is prepared");
    check_status(rtw_instance_memory_grow(instance, NULL, 1, NULL, &err), RTW_ERR_LIMIT, "up to its limit");
    check_error(&err, RTW_ERR_LIMIT, "by the instance's memory limit", "and says why");
    rtw_instance_destroy(instance);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = load(runtime, "entries");
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "host", "(i32)->(i32)", host, NULL, NULL, 0, &err), &err, "a host function");
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach");
    test_calls(module, imports);
    test_gone(module, imports);
    test_growth(module, imports);
    check_status(rtw_thread_detach(runtime, &err), RTW_OK, "detach");
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
