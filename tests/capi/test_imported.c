/* Memories, tables and globals that guests import: made for each guest, in resets and spares too. */
#include "../support/common.h"

#include <string.h>

enum { PAGE = 65536 };

static rtw_error_t err;

static rtw_imports_t *make_imports(void) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    const rtw_limits_t memory = {.min = 2, .max = 3, .index_64 = 0}, table = {.min = 8, .max = 16, .index_64 = 0};
    rtw_value_t value;
    check_status(rtw_imports_memory(imports, "env", "memory", &memory, &err), RTW_OK, "a memory is provided");
    check_status(rtw_imports_table(imports, "env", "callbacks", &table, &err), RTW_OK, "a table is provided");
    memset(&value, 0, sizeof value);
    value.f64 = 48000;
    check_status(rtw_imports_global(imports, "env", "rate", "f64", &value, &err), RTW_OK, "a global is provided");
    memset(&value, 0, sizeof value);
    value.i32 = 5;
    check_status(rtw_imports_global(imports, "env", "level", "mut i32", &value, &err), RTW_OK, "a mutable global is provided");
    memset(&value, 0, sizeof value);
    value.i32x4[3] = 77;
    check_status(rtw_imports_global(imports, "env", "lanes", " v128 ", &value, &err), RTW_OK, "a vector is provided");
    return imports;
}

static int32_t call2(rtw_func_t *func, int32_t a, int32_t b, const char *what) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = a, values[1].i32 = b;
    check_status(rtw_invoke(func, values, 2), RTW_OK, "%s", what);
    return values[0].i32;
}

static int32_t level_of(rtw_instance_t *instance) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_global_get(instance, "level", &value, &err), RTW_OK, "an imported global is read");
    return value.i32;
}

/* Checks that a guest has a new guest's state: its segments, its global's value, and nothing else. */
static void check_new(rtw_instance_t *instance, rtw_func_t *peek, rtw_func_t *call, const char *what) {
    check(call2(peek, 16, 0, what) == 42 && call2(peek, 20, 0, what) == 0, "%s: the data segment is in the imported memory", what);
    check(call2(call, 1, 21, what) == 42, "%s: the element segment is in the imported table", what);
    check(call2(call, 2, 1, what) == 6 && level_of(instance) == 5, "%s: the global has its value", what);
}

static void test_one(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_OK, "an instance");
    if (instance == NULL) return;
    rtw_func_t *peek = look_up(instance, "peek", "(i32)->(i32)"), *poke = look_up(instance, "poke", "(i32,i32)->()");
    rtw_func_t *call = look_up(instance, "call", "(i32,i32)->(i32)"), *rate = look_up(instance, "get_rate", "()->(f64)");
    rtw_func_t *set_level = look_up(instance, "set_level", "(i32)->()"), *lane = look_up(instance, "lane", "()->(i32)");
    rtw_func_t *grow = look_up(instance, "grow", "(i32)->(i32)"), *grow_table = look_up(instance, "grow_table", "(i32)->(i32)");

    check_new(instance, peek, call, "new");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check(rtw_invoke(rate, &value, 1) == RTW_OK && value.f64 == 48000, "the guest reads the rate");
    check(call2(lane, 0, 0, "lane") == 77, "the guest reads the vector");

    rtw_memory_view_t view;
    check_status(rtw_instance_memory(instance, "memory", &view, &err), RTW_OK, "the imported memory by its name");
    check(view.size_bytes == 2 * PAGE, "has the size that the host gave it");
    rtw_memory_view_t own;
    check_status(rtw_instance_memory(instance, "own", &own, &err), RTW_OK, "the guest's own memory");
    check(own.base != view.base && own.size_bytes == PAGE, "is another one");
    check(rtw_instance_memory_at(instance, 0, PAGE) == own.base && rtw_instance_memory_at(instance, PAGE, 1) == NULL,
          "an exported memory is the default one");
    memset((char *)view.base + 2 * PAGE - 4, 1, 4);
    check(call2(peek, 2 * PAGE - 4, 0, "peek") == 0x01010101, "host and guest see the same bytes");

    /* Globals from both sides. */
    call2(set_level, 9, 0, "set_level");
    check(level_of(instance) == 9, "the host sees what the guest has set");
    value.i32 = 30;
    check_status(rtw_instance_global_set(instance, "level", &value, &err), RTW_OK, "an imported global is set");
    check(call2(call, 2, 1, "call") == 31, "and the guest sees it");
    check_status(rtw_instance_global_set(instance, "rate", &value, &err), RTW_ERR_ARGUMENT, "an immutable one is not");
    check_status(rtw_instance_global_get(instance, "memory", &value, &err), RTW_ERR_NO_EXPORT, "a memory is no global");
    check_status(rtw_instance_memory(instance, "level", &view, &err), RTW_ERR_NO_EXPORT, "a global is no memory");

    /* Growth, up to the limits that the host gave. */
    check(call2(grow, 1, 0, "grow") == 2 && call2(grow, 1, 0, "grow") == -1, "the memory grows to the host's maximum");
    check(call2(grow_table, 8, 0, "grow") == 8 && call2(grow_table, 1, 0, "grow") == -1, "and so does the table");
    call2(poke, 20, 1, "poke");

    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    check_new(instance, peek, call, "reset");
    check(rtw_instance_memory(instance, "memory", &view, &err) == RTW_OK && view.size_bytes == 2 * PAGE, "of the size from before");

    /* Once prepared, an imported memory does not grow either, and takes no page fault. */
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    check_status(rtw_instance_prepare(instance, NULL, &report, &err), RTW_OK, "prepare");
    check(report.touched_bytes >= 3 * PAGE, "prefaults both memories: %llu bytes", (unsigned long long)report.touched_bytes);
    check(call2(grow, 1, 0, "grow") == -1 && call2(grow_table, 1, 0, "grow") == -1, "and refuses growth");

    /* Two instances share nothing. */
    rtw_instance_t *other = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &other, &err), RTW_OK, "a second instance");
    call2(set_level, 1, 0, "set_level");
    call2(poke, 16, 1, "poke");
    rtw_func_t *other_peek = look_up(other, "peek", NULL), *other_call = look_up(other, "call", NULL);
    check_new(other, other_peek, other_call, "second");
    rtw_func_destroy(other_peek), rtw_func_destroy(other_call), rtw_instance_destroy(other);

    rtw_func_t *const all[] = {peek, poke, call, rate, set_level, lane, grow, grow_table};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rtw_func_destroy(all[i]);
    rtw_instance_destroy(instance);
}

static void test_budget(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_t *instance = new_instance(module, imports, 20000000);
    rtw_func_t *spin = look_up(instance, "spin", "()->()");
    check_status(rtw_invoke(spin, NULL, 0), RTW_ERR_BUDGET, "a guest with an imported memory is cut off");
    rtw_func_destroy(spin);
    rtw_instance_destroy(instance);
}

static void test_limits(rtw_module_t *module, rtw_imports_t *imports) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_OK, "without a limit");
    const uint64_t held = rtw_instance_held_bytes(instance);
    check(held >= 3 * PAGE + 8 * 8, "an imported memory and table count as held: %llu", (unsigned long long)held);
    rtw_instance_destroy(instance);
    config.memory_limit_bytes = held;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_OK, "a limit that is just enough");
    rtw_func_t *grow = look_up(instance, "grow", NULL);
    check(call2(grow, 1, 0, "grow") == -1, "leaves no room for growth");
    rtw_func_destroy(grow), rtw_instance_destroy(instance);
    config.memory_limit_bytes = held - 1;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_ERR_LIMIT, "a limit that is not");
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_AHEAD;
    config.growth_ahead_bytes = 3 * PAGE;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_ERR_UNSUPPORTED, "committed ahead");
    if (profile == RTW_PROFILE_PLUGIN) check_error(&err, RTW_ERR_UNSUPPORTED, "a memory that the module imports", "says why not");
    rtw_instance_config_init(&config);
    config.memory_limit_bytes = held + PAGE;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_OK, "a limit with room for a page");
    grow = look_up(instance, "grow", NULL);
    check(call2(grow, 1, 0, "grow") == 2 && rtw_instance_held_bytes(instance) == held + PAGE, "which growth takes");
    check(call2(grow, 1, 0, "grow") == -1, "and then no more");
    rtw_func_destroy(grow), rtw_instance_destroy(instance);
}

/* Provides one more thing, or another in its place, and creates. */
static void check_link(rtw_module_t *module, rtw_imports_t *imports, rtw_status_t status, const char *part, const char *what) {
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), status, "%s", what);
    check_error(&err, status, part, "%s", what);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
}

static void with_memory(rtw_module_t *module, uint64_t min, uint64_t max, uint32_t index_64, rtw_status_t status, const char *part) {
    rtw_imports_t *imports = make_imports();
    const rtw_limits_t limits = {.min = min, .max = max, .index_64 = index_64};
    check_status(rtw_imports_memory(imports, "env", "memory", &limits, &err), RTW_OK, "another memory");
    check_link(module, imports, status, part, "with another memory");
}

static void with_table(rtw_module_t *module, uint64_t min, uint64_t max, uint32_t index_64, rtw_status_t status, const char *part) {
    rtw_imports_t *imports = make_imports();
    const rtw_limits_t limits = {.min = min, .max = max, .index_64 = index_64};
    check_status(rtw_imports_table(imports, "env", "callbacks", &limits, &err), RTW_OK, "another table");
    check_link(module, imports, status, part, "with another table");
}

static void test_types(rtw_module_t *module) {
    with_memory(module, 1, 4, 0, RTW_OK, "");
    with_memory(module, 4, 4, 0, RTW_OK, "");
    with_memory(module, 0, 4, 0, RTW_ERR_IMPORT_TYPE, "\"env\" \"memory\" has type memory 1..4 pages, and was provided as 0..4");
    with_memory(module, 1, 5, 0, RTW_ERR_IMPORT_TYPE, "1..5");
    with_memory(module, 1, UINT64_MAX, 0, RTW_ERR_IMPORT_TYPE, "1..");
    with_memory(module, 1, 4, 1, RTW_ERR_IMPORT_TYPE, "i64 1..4");
    with_table(module, 4, UINT64_MAX, 0, RTW_OK, "");
    with_table(module, 3, UINT64_MAX, 0, RTW_ERR_IMPORT_TYPE, "\"env\" \"callbacks\" has type table 4.. funcref, and was provided as 3..");
    with_table(module, 4, 9, 1, RTW_ERR_IMPORT_TYPE, "i64 4..9");

    rtw_value_t value;
    memset(&value, 0, sizeof value);
    static const struct {
        const char *ty;
        rtw_status_t status;
    } globals[] = {{"mut i32", RTW_OK}, {"i32", RTW_ERR_IMPORT_TYPE}, {"mut i64", RTW_ERR_IMPORT_TYPE}};
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++) {
        rtw_imports_t *imports = make_imports();
        require(rtw_imports_global(imports, "env", "level", globals[i].ty, &value, &err), &err, "another global");
        check_link(module, imports, globals[i].status, globals[i].status == RTW_OK ? "" : globals[i].ty, "with another global");
    }

    /* As the module declares it. */
    rtw_imports_t *imports = make_imports();
    require(rtw_imports_memory(imports, "env", "memory", NULL, &err), &err, "a memory as declared");
    require(rtw_imports_table(imports, "env", "callbacks", NULL, &err), &err, "a table as declared");
    rtw_instance_t *instance = new_instance(module, imports, 0);
    rtw_memory_view_t view;
    check(rtw_instance_memory(instance, "memory", &view, &err) == RTW_OK && view.size_bytes == PAGE, "NULL: as the module declares it");
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);

    require(rtw_imports_create(&imports, &err), &err, "no imports");
    check_link(module, imports, RTW_ERR_IMPORT_MISSING, "\"env\" \"memory\" memory 1..4 pages", "nothing provided");
    require(rtw_imports_create(&imports, &err), &err, "no imports");
    require(rtw_imports_memory(imports, "env", "memory", NULL, &err), &err, "a memory");
    check_link(module, imports, RTW_ERR_IMPORT_MISSING, "\"env\" \"callbacks\" table 4.. funcref", "no table provided");
}

static void test_arguments(void) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    rtw_limits_t limits = {.min = 2, .max = 1, .index_64 = 0};
    check_status(rtw_imports_memory(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "a memory of less than its least");
    check_error(&err, RTW_ERR_ARGUMENT, "from 2 to 1", "says so");
    check_status(rtw_imports_table(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "such a table");
    limits.max = UINT64_MAX, limits.index_64 = 2;
    check_status(rtw_imports_memory(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "index_64 is 2");
    check_status(rtw_imports_table(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "index_64 is 2");
    limits.index_64 = 0, limits.min = 65537;
    check_status(rtw_imports_memory(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "a memory of more than 4 GiB");
    limits.min = (uint64_t)1 << 32;
    check_status(rtw_imports_table(imports, "a", "b", &limits, &err), RTW_ERR_ARGUMENT, "a table of more than 32 bits");
    check_status(rtw_imports_memory(NULL, "a", "b", NULL, &err), RTW_ERR_NULL, "no list");
    check_status(rtw_imports_memory(imports, NULL, "b", NULL, &err), RTW_ERR_NULL, "no module");
    check_status(rtw_imports_table(imports, "a", NULL, NULL, &err), RTW_ERR_NULL, "no name");
    check_status(rtw_imports_table(imports, "a", "\xff", NULL, &err), RTW_ERR_ARGUMENT, "a name that is not UTF-8");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_imports_global(imports, "a", "b", NULL, &value, &err), RTW_ERR_NULL, "no type");
    check_status(rtw_imports_global(imports, "a", "b", "i32", NULL, &err), RTW_ERR_NULL, "no value");
    static const char *const wrong[] = {"", "mut", "funcref", "mut mut i32", "i32 mut", "const i32"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_status(rtw_imports_global(imports, "a", "b", wrong[i], &value, &err), RTW_ERR_SIGNATURE_SYNTAX, "%s", wrong[i]);
    rtw_imports_destroy(imports);
}

static void test_spares(rtw_runtime_t *runtime, rtw_module_t *module, rtw_imports_t *imports) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    rtw_slot_t *slot = new_slot(runtime, "call", "(i32,i32)->(i32)", &config);
    rtw_instance_t *instance = new_instance(module, imports, 0);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = 50;
    require(rtw_instance_global_set(instance, "level", values, &err), &err, "set");
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_OK, "publish");
    rtw_instance_destroy(instance);
    wait_for_spares(slot, 1);
    values[0].i32 = 2, values[1].i32 = 1;
    check(rtw_slot_invoke(slot, 0, values, 2, NULL) == RTW_OK && values[0].i32 == 51, "the published instance");
    values[0].i32 = 3, values[1].i32 = 1;
    check_status(rtw_slot_invoke(slot, 0, values, 2, NULL), RTW_ERR_TRAP_INDIRECT_CALL, "an empty entry of the imported table");
    uint32_t flags = 0;
    values[0].i32 = 2, values[1].i32 = 1;
    check(rtw_slot_invoke(slot, 0, values, 2, &flags) == RTW_OK && flags == RTW_BLOCK_SPARE && values[0].i32 == 6, "the spare has memory, table and globals of its own");
    rtw_slot_destroy(slot);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_imports_t *imports = make_imports();
    guest_t guest = open_guest("imported", imports);
    test_one(guest.module, imports);
    test_budget(guest.module, imports);
    test_limits(guest.module, imports);
    test_types(guest.module);
    test_arguments();
    test_spares(guest.runtime, guest.module, imports);
    rtw_imports_destroy(imports);
    require(rtw_thread_detach(guest.runtime, &err), &err, "detach");
    close_guest(&guest);
    return check_summary();
}
