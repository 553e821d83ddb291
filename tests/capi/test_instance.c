/* Making instances, their memory and their globals. */
#include "../support/common.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static rtw_runtime_t *runtime;
static rtw_error_t err;

/* The status of creating an instance of a guest. */
static void check_create(const char *guest, rtw_imports_t *imports, const rtw_instance_config_t *config, rtw_status_t expected,
                         const char *part, const char *what) {
    rtw_module_t *module = load(runtime, guest);
    rtw_instance_t *instance = (rtw_instance_t *)(void *)&profile;
    memset(&err, 0x7f, sizeof err);
    check_status(rtw_instance_create(module, imports, config, &instance, &err), expected, "create: %s", what);
    check_error(&err, expected, part, "create: %s: the message says \"%s\"", what, part);
    check((instance != NULL) == (expected == RTW_OK), "create: %s: *out is %s", what, expected == RTW_OK ? "an instance" : "NULL");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

struct start {
    int calls;
    rtw_status_t answer;
    rtw_instance_t *seen;
    rtw_status_t memory, global, invoked;
    bool memory_at;
};

/* The start function's host function: nothing of the instance is valid yet. */
static rtw_status_t host_init(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    struct start *start = user_data;
    rtw_memory_view_t view;
    rtw_value_t value;
    rtw_func_t *func = NULL;
    start->calls++;
    start->seen = instance;
    start->memory = rtw_instance_memory(instance, NULL, &view, NULL);
    start->global = rtw_instance_global_get(instance, "seen", &value, NULL);
    start->invoked = rtw_instance_func(instance, "seen", NULL, &func, NULL);
    start->memory_at = rtw_instance_memory_at(instance, 0, 0) != NULL;
    values[0].i32 = 77;
    return start->answer;
}

static void test_create(void) {
    rtw_module_t *module = load(runtime, "calls");
    check_status(rtw_instance_create(module, NULL, NULL, NULL, &err), RTW_ERR_NULL, "create: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "create: out is NULL: the message names it");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, NULL, NULL, &instance, NULL), RTW_OK, "create: without configuration and error");
    rtw_instance_destroy(instance);
    check_create("calls", NULL, NULL, RTW_OK, "", "a good module");

    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    check_create("calls", NULL, &config, RTW_OK, "", "with a configuration");
    config.struct_size = 0;
    check_create("calls", NULL, &config, RTW_ERR_STRUCT_SIZE, "config", "struct_size 0");
    config.struct_size = (uint32_t)sizeof config - 1;
    check_create("calls", NULL, &config, RTW_ERR_STRUCT_SIZE, "config", "struct_size too small");
    config.struct_size = (uint32_t)sizeof config + 1;
    check_create("calls", NULL, &config, RTW_ERR_STRUCT_SIZE, "config", "struct_size too large");
    rtw_instance_config_init(&config);
    rtw_instance_config_init(&config);
    config.on_budget = 2;
    check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "on_budget is 2", "on_budget out of range");
    rtw_instance_config_init(&config);
    config.budget_ns = 86400000000001;
    check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "budget_ns", "a budget of more than a day");
    rtw_instance_config_init(&config);
    config.deadline_ns = UINT64_MAX;
    check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "deadline_ns", "a deadline of more than a day");
    rtw_instance_config_init(&config);
    config.growth = 3;
    check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "growth is 3", "growth out of range");
    for (uint32_t growth = RTW_GROWTH_REFUSED; growth <= RTW_GROWTH_ALLOWED; growth++) {
        rtw_instance_config_init(&config);
        config.growth = growth;
        config.growth_ahead_bytes = 65536;
        check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "growth_ahead_bytes", "growth_ahead_bytes without RTW_GROWTH_AHEAD");
    }
    rtw_instance_config_init(&config);
    config.denormals = 3;
    check_create("calls", NULL, &config, RTW_ERR_ARGUMENT, "denormals is 3", "denormals out of range");
    rtw_module_destroy(module);
}

static void test_imports_of_other_kinds(void) {
    check_create("host", NULL, NULL, RTW_ERR_IMPORT_MISSING, "\"env\" \"note\" (i32,f32)->(f32)", "imports missing");
    check_create("import_memory", NULL, NULL, RTW_ERR_IMPORT_MISSING, "\"env\" \"shared\"", "a memory imported");
    check_create("import_global", NULL, NULL, RTW_ERR_IMPORT_MISSING, "\"env\" \"rate\"", "a global imported");
    check_create("import_reference", NULL, NULL, RTW_ERR_UNSUPPORTED, "\"env\" \"hold\"", "a function with a reference imported");
}

static void test_start(void) {
    struct start start;
    memset(&start, 0, sizeof start);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "init", "()->(i32)", host_init, &start, NULL, 0, &err), &err, "env init");
    rtw_module_t *module = load(runtime, "start_ok");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_OK, "start: it runs");
    check(start.calls == 1, "start: once");
    check(start.seen == instance, "start: its host function is given the instance's handle");
    check_status(start.memory, RTW_ERR_HANDLE, "start: rtw_instance_memory on it");
    check_status(start.global, RTW_ERR_HANDLE, "start: rtw_instance_global_get on it");
    check_status(start.invoked, RTW_ERR_HANDLE, "start: rtw_instance_func on it");
    check(!start.memory_at, "start: rtw_instance_memory_at on it is NULL");
    rtw_value_t value;
    check_status(rtw_instance_global_get(instance, "seen", &value, &err), RTW_OK, "start: afterwards it is valid");
    check(value.i32 == 77, "start: what it did is there");
    rtw_instance_destroy(instance);
    start.answer = -5;
    instance = (rtw_instance_t *)(void *)&start;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_ERR_HOST, "start: its host function fails");
    check_error(&err, RTW_ERR_HOST, "-5", "start: its host function fails: the message has its answer");
    check(instance == NULL, "start: its host function fails: *out is NULL");
    check_status(rtw_instance_memory(start.seen, NULL, &(rtw_memory_view_t){0}, NULL), RTW_ERR_HANDLE,
                 "start: the handle that it was given stays invalid");
    start.answer = 1;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_ERR_HOST, "start: any answer but RTW_OK ends it");
    rtw_module_destroy(module);
    rtw_imports_destroy(imports);
    check_create("start_traps", NULL, NULL, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "start function", "a start function that traps");
    check_create("data_outside", NULL, NULL, RTW_ERR_TRAP_MEMORY, "initialiser", "data outside the memory");
    check_create("elements_outside", NULL, NULL, RTW_ERR_TRAP_TABLE, "initialiser", "elements outside the table");
}

static void test_limit(void) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.memory_limit_bytes = 65535;
    check_create("calls", NULL, &config, RTW_ERR_LIMIT, "memories (65536)", "a limit below what the memory starts with");
    check_create("no_memory", NULL, &config, RTW_OK, "", "a limit on a module without memory");
    config.memory_limit_bytes = 4 * 65536;
    check_create("two_memories", NULL, &config, RTW_ERR_LIMIT, "memories (262144)", "a limit that all memories and no more would fit in");
    config.memory_limit_bytes = 4 * 65536 + 32768;
    check_create("two_memories", NULL, &config, RTW_OK, "", "a limit that there is something beside the memories in");

    rtw_module_t *module = load(runtime, "unbounded");
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance without a limit");
    const uint64_t need = rtw_instance_held_bytes(instance);
    rtw_instance_destroy(instance);
    config.memory_limit_bytes = need + 3 * 65536;
    require(rtw_instance_create(module, NULL, &config, &instance, &err), &err, "an instance with a limit");
    check(call_i32(instance, "grow", 3, 0) == 2, "limit: it grows up to it");
    check(call_i32(instance, "grow", 1, 0) == -1, "limit: it does not grow beyond");
    check(call_i32(instance, "pages", 0, 0) == 5, "limit: the instance works on");
    rtw_instance_destroy(instance);
    config.memory_limit_bytes = need + 3 * 65536 + 1;
    require(rtw_instance_create(module, NULL, &config, &instance, &err), &err, "an instance with an odd limit");
    check(call_i32(instance, "grow", 3, 0) == 2 && call_i32(instance, "grow", 1, 0) == -1, "limit: half a page is none");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

/* Where address space is short; in a process of its own. */
static void short_of_memory(void *data) {
    (void)data;
    rtw_module_t *module = load(make_runtime(), "calls"); /* which has no spare memory of guests that have ended */
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = UINT64_C(3) << 30;
    if (setrlimit(RLIMIT_AS, &limit) != 0) perror("setrlimit");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, NULL, NULL, &instance, &err), RTW_ERR_NO_MEMORY, "create: 3 GiB of address space");
    check_error(&err, RTW_ERR_NO_MEMORY, "memory", "create: 3 GiB of address space: the message says what is short");
    check(instance == NULL, "create: 3 GiB of address space: *out is NULL");
    rtw_module_destroy(module);
}

/* Where the process locks all that it maps and may not lock that much. */
static void locked_future(void *data) {
    (void)data;
    rtw_module_t *module = load(make_runtime(), "calls");
    drop_rights(8 << 20);
    check(mlockall(MCL_FUTURE) == 0, "create: mlockall(MCL_FUTURE)");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, NULL, NULL, &instance, &err), RTW_ERR_MEMLOCK, "create: under mlockall(MCL_FUTURE)");
    check_error(&err, RTW_ERR_MEMLOCK, "mlockall", "create: under mlockall(MCL_FUTURE): the message names the cause");
    check(instance == NULL, "create: under mlockall(MCL_FUTURE): *out is NULL");
    rtw_module_destroy(module);
}

static void test_memory(void) {
    rtw_module_t *module = load(runtime, "calls");
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance");
    rtw_memory_view_t view = {NULL, 0};
    check_status(rtw_instance_memory(instance, NULL, &view, &err), RTW_OK, "memory: the default one");
    check_error(&err, RTW_OK, "", "memory: no message");
    check(view.size_bytes == 65536 && memcmp((char *)view.base + 16, "rtwasm", 6) == 0, "memory: size and content");
    rtw_memory_view_t named = {NULL, 0};
    check_status(rtw_instance_memory(instance, "memory", &named, NULL), RTW_OK, "memory: by its name");
    check(named.base == view.base && named.size_bytes == view.size_bytes, "memory: the same one");
    check_status(rtw_instance_memory(instance, "none", &named, &err), RTW_ERR_NO_EXPORT, "memory: no such export");
    check_error(&err, RTW_ERR_NO_EXPORT, "memory", "memory: no such export: the message names those there are");
    check_status(rtw_instance_memory(instance, "add", &named, &err), RTW_ERR_EXPORT_KIND, "memory: a function");
    check_error(&err, RTW_ERR_EXPORT_KIND, "\"add\" is a function", "memory: a function: the message says so");
    check_status(rtw_instance_memory(instance, NULL, NULL, &err), RTW_ERR_NULL, "memory: out is NULL");
    check_status(rtw_instance_memory(instance, "\xff", &named, &err), RTW_ERR_ARGUMENT, "memory: a name that is not UTF-8");

    /* The host writes, the guest reads, and the other way round. */
    ((unsigned char *)view.base)[100] = 200;
    check(call_i32(instance, "load8", 100, 0) == 200, "memory: the guest sees what the host wrote");
    call_i32(instance, "store8", 65535, 9);
    check(((unsigned char *)view.base)[65535] == 9, "memory: the host sees what the guest wrote");

    const struct {
        uint64_t offset, length;
        bool inside;
    } ranges[] = {
        {0, 0, true}, {0, 65536, true}, {65535, 1, true}, {65536, 0, true}, {65535, 2, false}, {65536, 1, false}, {0, 65537, false},
        {65537, 0, false}, {UINT64_MAX, 0, false}, {UINT64_MAX, 1, false}, {1, UINT64_MAX, false}, {UINT64_MAX, UINT64_MAX, false},
        {UINT64_C(1) << 32, 0, false}, {UINT64_C(1) << 63, UINT64_C(1) << 63, false},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        void *at = rtw_instance_memory_at(instance, ranges[i].offset, ranges[i].length);
        void *expected = ranges[i].inside ? (char *)view.base + ranges[i].offset : NULL;
        check(at == expected, "memory_at: %llu bytes at %llu", (unsigned long long)ranges[i].length, (unsigned long long)ranges[i].offset);
    }

    check(call_i32(instance, "grow", 2, 0) == 1, "growth: the guest grows its memory");
    rtw_memory_view_t grown = {NULL, 0};
    check_status(rtw_instance_memory(instance, NULL, &grown, NULL), RTW_OK, "growth: the view afterwards");
    check(grown.base == view.base && grown.size_bytes == 3 * 65536, "growth: the same place, more of it");
    check(rtw_instance_memory_at(instance, 65536, 131072) == (char *)view.base + 65536, "growth: the new part is reached");
    check(rtw_instance_memory_at(instance, 65536, 131073) == NULL, "growth: and no more");
    ((unsigned char *)grown.base)[196607] = 3;
    check(call_i32(instance, "load8", 196607, 0) == 3, "growth: the last byte is usable");
    check(call_i32(instance, "grow", 2, 0) == -1, "growth: the declared maximum holds");
    rtw_instance_destroy(instance);

    /* Two instances of one module are strangers. */
    rtw_instance_t *other = NULL;
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "one instance");
    require(rtw_instance_create(module, NULL, NULL, &other, &err), &err, "another");
    call_i32(instance, "store8", 50, 1);
    check(call_i32(other, "load8", 50, 0) == 0, "memory: instances do not share it");
    rtw_instance_destroy(instance);
    rtw_instance_destroy(other);
    rtw_module_destroy(module);
}

static void test_which_memory(void) {
    rtw_module_t *module = load(runtime, "two_memories");
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance");
    rtw_memory_view_t view = {NULL, 0};
    check_status(rtw_instance_memory(instance, NULL, &view, NULL), RTW_OK, "which memory: the default");
    check(view.size_bytes == 65536 && memcmp(view.base, "1st", 3) == 0, "which memory: the first exported one");
    check(rtw_instance_memory_at(instance, 0, 1) == view.base, "which memory: memory_at means the same one");
    check_status(rtw_instance_memory(instance, "second", &view, NULL), RTW_OK, "which memory: by its name");
    check(view.size_bytes == 2 * 65536 && memcmp(view.base, "2nd", 3) == 0, "which memory: the second");
    check_status(rtw_instance_memory(instance, "memory", &view, &err), RTW_ERR_NO_EXPORT, "which memory: none of that name");
    check_error(&err, RTW_ERR_NO_EXPORT, "first, second", "which memory: the message names those there are");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);

    module = load(runtime, "no_memory");
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance without memory");
    check_status(rtw_instance_memory(instance, NULL, &view, &err), RTW_ERR_NO_EXPORT, "no memory: rtw_instance_memory");
    check(rtw_instance_memory_at(instance, 0, 0) == NULL, "no memory: memory_at");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

static void test_globals(void) {
    rtw_module_t *module = load(runtime, "calls");
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance");
    rtw_value_t value;
#define CHECK_GLOBAL(name, field, first, next)                                                                          \
    do {                                                                                                                \
        memset(&value, 0x7f, sizeof value);                                                                             \
        check_status(rtw_instance_global_get(instance, name, &value, &err), RTW_OK, "global: get " name);               \
        check(value.field == (first), "global: " name " starts as it shall");                                           \
        memset(&value, 0x7f, sizeof value);                                                                             \
        value.field = (next);                                                                                           \
        check_status(rtw_instance_global_set(instance, name, &value, &err), RTW_OK, "global: set " name);               \
        memset(&value, 0, sizeof value);                                                                                \
        check_status(rtw_instance_global_get(instance, name, &value, NULL), RTW_OK, "global: get " name " again");      \
        check(value.field == (next), "global: " name " is what was set");                                               \
    } while (0)
    CHECK_GLOBAL("g_i32", i32, -7, INT32_MIN);
    check(call_i32(instance, "get_i32", 0, 0) == INT32_MIN, "global: the guest sees it");
    CHECK_GLOBAL("g_i64", u64, UINT64_C(0x123456789abcdef0), UINT64_MAX);
    CHECK_GLOBAL("g_f32", f32, 1.5f, -0.25f);
    CHECK_GLOBAL("g_f64", f64, -2.25, 1e300);
    CHECK_GLOBAL("g_v128", v128[4], 2, 255);
    memset(&value, 0, sizeof value);
    value.u32 = 0x7fa00001u; /* a signalling NaN must come back bit by bit */
    check_status(rtw_instance_global_set(instance, "g_f32", &value, NULL), RTW_OK, "global: a NaN");
    memset(&value, 0, sizeof value);
    rtw_instance_global_get(instance, "g_f32", &value, NULL);
    check(value.u32 == 0x7fa00001u, "global: a NaN keeps its bits");

    check_status(rtw_instance_global_get(instance, "g_const", &value, &err), RTW_OK, "global: get an immutable one");
    check(value.i32 == 42, "global: its value");
    value.i32 = 1;
    check_status(rtw_instance_global_set(instance, "g_const", &value, &err), RTW_ERR_ARGUMENT, "global: set an immutable one");
    check_error(&err, RTW_ERR_ARGUMENT, "immutable", "global: the message says so");
    rtw_instance_global_get(instance, "g_const", &value, NULL);
    check(value.i32 == 42, "global: it stays");
    check_status(rtw_instance_global_get(instance, "g_ref", &value, &err), RTW_ERR_UNSUPPORTED, "global: get a reference");
    check_status(rtw_instance_global_set(instance, "g_ref", &value, &err), RTW_ERR_UNSUPPORTED, "global: set a reference");
    check_error(&err, RTW_ERR_UNSUPPORTED, "g_ref", "global: the message names it");
    check_status(rtw_instance_global_get(instance, "none", &value, &err), RTW_ERR_NO_EXPORT, "global: no such export");
    check_error(&err, RTW_ERR_NO_EXPORT, "g_i32, g_i64", "global: the message names those there are");
    check_status(rtw_instance_global_get(instance, "memory", &value, &err), RTW_ERR_EXPORT_KIND, "global: a memory");
    check_status(rtw_instance_global_set(instance, "table", &value, &err), RTW_ERR_EXPORT_KIND, "global: set a table");
    check_error(&err, RTW_ERR_EXPORT_KIND, "\"table\" is a table", "global: the message says so");
    check_status(rtw_instance_global_get(instance, NULL, &value, &err), RTW_ERR_NULL, "global: get: name is NULL");
    check_status(rtw_instance_global_get(instance, "g_i32", NULL, &err), RTW_ERR_NULL, "global: get: out is NULL");
    check_status(rtw_instance_global_set(instance, NULL, &value, &err), RTW_ERR_NULL, "global: set: name is NULL");
    check_status(rtw_instance_global_set(instance, "g_i32", NULL, &err), RTW_ERR_NULL, "global: set: value is NULL");
    check_status(rtw_instance_global_get(instance, "\xc0", &value, &err), RTW_ERR_ARGUMENT, "global: a name that is not UTF-8");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    test_create();
    test_imports_of_other_kinds();
    test_start();
    test_limit();
    if (!sanitized) {
        check_in_child("create: 3 GiB of address space", short_of_memory, NULL);
        check_in_child("create: under mlockall(MCL_FUTURE)", locked_future, NULL);
    }
    test_memory();
    test_which_memory();
    test_globals();
    rtw_runtime_destroy(runtime);
    return check_summary();
}
