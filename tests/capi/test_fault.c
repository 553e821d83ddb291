/* Faults told, and instances reset after them. */
#include "../support/common.h"

#include <string.h>
#include <sys/resource.h>

static rtw_error_t err;

static void test_fault(guest_t *guest) {
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_ERR_ARGUMENT, "fault: there is none");
    check_error(&err, RTW_ERR_ARGUMENT, "not faulted", "fault: there is none: the message says so");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    check_status(call(guest->instance, "div", values, 2), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "fault: a call that traps");
    check_status(rtw_instance_fault(guest->instance, &fault, NULL), RTW_OK, "fault: it is told");
    check(fault.status == RTW_ERR_TRAP_DIVIDE_BY_ZERO && fault.host_status == 0, "fault: with its status");
    check(fault.function_index >= 0 && fault.wasm_offset > 0, "fault: in function %lld at offset %lld", (long long)fault.function_index,
          (long long)fault.wasm_offset);
    int64_t index = fault.function_index;
    renew(guest, NULL);
    (void)call(guest->instance, "unreachable", NULL, 0);
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_OK, "fault: another one");
    check(fault.function_index >= 0 && fault.function_index < index, "fault: in an earlier function, %lld", (long long)fault.function_index);
    renew(guest, NULL);
    memset(values, 0xff, sizeof values);
    (void)call(guest->instance, "load", values, 1);
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_OK, "fault: outside the memory");
    check(fault.function_index >= 0 && fault.wasm_offset > 0, "fault: outside the memory: it is found in function %lld", (long long)fault.function_index);
    check_status(rtw_instance_fault(guest->instance, NULL, &err), RTW_ERR_NULL, "fault: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "fault: out is NULL: the message names it");
    fault.struct_size = 0;
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_ERR_STRUCT_SIZE, "fault: without _init");
    fault.struct_size = 8192;
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_ERR_STRUCT_SIZE, "fault: struct_size too large");
    rtw_fault_init(&fault);
    check_status(rtw_instance_reset(guest->instance, &err), RTW_OK, "fault: a reset");
    check_status(rtw_instance_fault(guest->instance, &fault, &err), RTW_ERR_ARGUMENT, "fault: none after a reset");
}

/* ---- places, in both profiles */

/* Byte offsets are those in the module that the compiler was given: the function and an opcode are found in it again. */
static rtw_fault_t fault_of(rtw_instance_t *instance, const char *what) {
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    check_status(rtw_instance_fault(instance, &fault, &err), RTW_OK, "places: %s is told", what);
    return fault;
}

static void check_place(guest_t *guest, const char *name, rtw_status_t expected, int64_t function, int64_t after, int64_t before, const char *moment) {
    check_status(call(guest->instance, name, NULL, 0), expected, "places: %s, %s", name, moment);
    rtw_fault_t fault = fault_of(guest->instance, name);
    check(fault.status == expected && fault.function_index == function && fault.wasm_offset > after && (before == 0 || fault.wasm_offset < before),
          "places: %s, %s: in function %lld at offset %lld, after %lld", name, moment, (long long)fault.function_index, (long long)fault.wasm_offset,
          (long long)after);
    check(strstr(fault.message, "function") != NULL, "places: %s: in a sentence: %s", name, fault.message);
}

static const struct {
    const char *name;
    rtw_status_t expected;
} placed[] = {
    {"wait32", RTW_ERR_TRAP_OTHER},         {"wait64", RTW_ERR_TRAP_OTHER},
    {"notify_far", RTW_ERR_TRAP_MEMORY},    {"misaligned", RTW_ERR_TRAP_MISALIGNED},
    {"misaligned_store", RTW_ERR_TRAP_MISALIGNED}, {"misaligned_add", RTW_ERR_TRAP_MISALIGNED},
    {"misaligned_wait", 0 /* either */},    {"misaligned_far", 0},
    {"table_far", RTW_ERR_TRAP_TABLE},      {"table_fill_far", RTW_ERR_TRAP_TABLE},
    {"memory_far", RTW_ERR_TRAP_MEMORY},    {"grow_and_trap", RTW_ERR_TRAP_UNREACHABLE},
    {"grow_table_and_trap", RTW_ERR_TRAP_UNREACHABLE}, {"grow_much_and_trap", RTW_ERR_TRAP_UNREACHABLE},
};

static void places_with(guest_t *guest, uint32_t growth, bool prepared, const char *moment) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = growth;
    int64_t last = 0;
    for (size_t i = 0; i < sizeof placed / sizeof placed[0]; i++) {
        rtw_instance_destroy(guest->instance);
        require(rtw_instance_create(guest->module, NULL, &config, &guest->instance, &err), &err, "places: an instance");
        if (prepared) require(rtw_instance_prepare(guest->instance, NULL, NULL, &err), &err, "places: prepare");
        rtw_status_t expected = placed[i].expected;
        if (expected == 0) {
            /* The engine may find either of two faults first, but it has to be one of the two, at its place. */
            rtw_instance_t *other = NULL;
            require(rtw_instance_create(guest->module, NULL, &config, &other, &err), &err, "places: an instance");
            expected = call(other, placed[i].name, NULL, 0);
            check(expected == RTW_ERR_TRAP_MISALIGNED || expected == RTW_ERR_TRAP_MEMORY || expected == RTW_ERR_TRAP_OTHER, "places: %s: %s", placed[i].name, rtw_status_name(expected));
            rtw_instance_destroy(other);
        }
        check_place(guest, placed[i].name, expected, (int64_t)i + 1, last, 0, moment);
        int64_t here = fault_of(guest->instance, placed[i].name).wasm_offset;
        /* Between the two instructions lie 12 bytes; between those that grow, 11. */
        if (strcmp(placed[i].name, "grow_table_and_trap") == 0) check(here - last == 12, "places: it is the trap's, not that of growing");
        last = here;
        check_status(call(guest->instance, "alive", NULL, 0), RTW_ERR_FAULTED, "places: %s: faulted", placed[i].name);
    }
    renew(guest, NULL);
    if (prepared) require(rtw_instance_prepare(guest->instance, NULL, NULL, &err), &err, "places: prepare");
    check_place(guest, "deep", RTW_ERR_TRAP_STACK, (int64_t)(sizeof placed / sizeof placed[0]) + 2, last, 0, moment);
}

static void test_places(void) {
    guest_t guest = open_guest("places", NULL);
    places_with(&guest, RTW_GROWTH_REFUSED, false, "not prepared");
    places_with(&guest, RTW_GROWTH_REFUSED, true, "growth refused");
    places_with(&guest, RTW_GROWTH_ALLOWED, true, "growth allowed");
    require(rtw_thread_detach(guest.runtime, &err), &err, "places: detach");
    close_guest(&guest);
}

/* ---- growth that was refused is part of the story */

static rtw_growth_t growth_of(rtw_instance_t *instance) {
    rtw_growth_t growth;
    rtw_growth_init(&growth);
    check_status(rtw_instance_growth(instance, &growth), RTW_OK, "growth: counted");
    return growth;
}

static void test_growth_told(void) {
    guest_t guest = open_guest("places", NULL);
    rtw_growth_t growth = growth_of(guest.instance);
    check(growth.granted == 0 && growth.refused == 0, "growth: none at first");
    check_status(call(guest.instance, "grow_and_trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "growth: before prepare");
    rtw_fault_t fault = fault_of(guest.instance, "growth that was granted");
    check(fault.refused_growths == 0 && fault.refused_by == 0 && strstr(fault.message, "refused") == NULL, "growth: what was granted is not told: %s", fault.message);
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "growth: a reset");
    require(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "growth: prepare");
    check(call_i32(guest.instance, "grow", 1, 0) == -1 && call_i32(guest.instance, "grow", 0, 0) == 1, "growth: refused, but for none");
    check_status(call(guest.instance, "grow_and_trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "growth: refused, and it traps");
    fault = fault_of(guest.instance, "growth that was refused");
    check(fault.refused_growths == 2 && fault.refused_by == RTW_REFUSED_PREPARED && fault.refused_table == 0, "growth: refused twice, since it is prepared");
    check(fault.refused_from == 65536 && fault.refused_to == 2 * 65536, "growth: from %llu to %llu bytes", (unsigned long long)fault.refused_from,
          (unsigned long long)fault.refused_to);
    check(strstr(fault.message, "from 65536 to 131072 bytes") && strstr(fault.message, "prepared") && strstr(fault.message, "2 times"),
          "growth: in a sentence: %s", fault.message);
    growth = growth_of(guest.instance);
    check(growth.granted == 1 && growth.refused == 2 && growth.refused_prepared == 2, "growth: all that was counted, resets included");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "growth: another reset");
    check_status(call(guest.instance, "grow_table_and_trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "growth: a table");
    fault = fault_of(guest.instance, "a table's growth that was refused");
    check(fault.refused_growths == 1 && fault.refused_table == 1 && fault.refused_from == 2 && fault.refused_to == 3, "growth: of a table, told after a reset alone");
    check(strstr(fault.message, "table from 2 to 3 entries") && strstr(fault.message, "once"), "growth: of a table: %s", fault.message);

    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    config.memory_limit_bytes = rtw_instance_held_bytes(guest.instance) + 2 * 65536;
    rtw_instance_t *limited = NULL;
    require(rtw_instance_create(guest.module, NULL, &config, &limited, &err), &err, "growth: an instance with a limit");
    check(call_i32(limited, "grow", 3, 0) == -1 && call_i32(limited, "grow", 100, 0) == -1 && call_i32(limited, "grow", 2, 0) == 1, "growth: with a limit and a maximum");
    growth = growth_of(limited);
    check(growth.granted == 1 && growth.refused == 2 && growth.refused_limit == 1 && growth.refused_maximum == 1 && growth.refused_system == 0,
          "growth: refused by the limit, and by the maximum");
    rtw_instance_destroy(limited);
    check_status(rtw_instance_growth(NULL, &growth), RTW_ERR_NULL, "growth: of no instance");
    check_status(rtw_instance_growth(guest.instance, NULL), RTW_ERR_NULL, "growth: nowhere");
    growth.struct_size = 1;
    check_status(rtw_instance_growth(guest.instance, &growth), RTW_ERR_STRUCT_SIZE, "growth: without _init");
    rtw_growth_init(NULL);
    require(rtw_thread_detach(guest.runtime, &err), &err, "growth: detach");
    close_guest(&guest);
}

static void test_reset(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_func_t *count = look_up(guest.instance, "count", NULL);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    for (int i = 0; i < 5; i++) (void)rtw_invoke(count, &value, 1);
    check(value.i32 == 5, "reset: five calls before");
    unsigned char *bytes = rtw_instance_memory_at(guest.instance, 0, 65536);
    memset(bytes, 0xaa, 65536);
    value.i32 = 99;
    (void)rtw_instance_global_set(guest.instance, "g_i32", &value, NULL);
    check(call_i32(guest.instance, "grow", 1, 0) == 1, "reset: grown before");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "reset: an instance that has not faulted");
    check_error(&err, RTW_OK, "", "reset: no message");
    bytes = rtw_instance_memory_at(guest.instance, 0, 65536);
    check(bytes != NULL && memcmp(bytes + 16, "rtwasm", 6) == 0 && bytes[0] == 0, "reset: the memory is as the module has it");
    check(rtw_instance_memory_at(guest.instance, 0, 65537) == NULL, "reset: and as large");
    (void)rtw_instance_global_get(guest.instance, "g_i32", &value, NULL);
    check(value.i32 == -7, "reset: so are the globals");
    check_status(rtw_invoke(count, &value, 1), RTW_OK, "reset: funcs stay valid");
    check(value.i32 == 1, "reset: hidden globals are new too");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(count, &stats) == RTW_OK && stats.call.count == 6, "reset: statistics go on");
    check_status(rtw_instance_reset(guest.instance, NULL), RTW_OK, "reset: without an error struct");
    bool all = true;
    for (int i = 0; i < 50; i++) {
        all = rtw_instance_reset(guest.instance, NULL) == RTW_OK && rtw_invoke(count, &value, 1) == RTW_OK && value.i32 == 1 && all;
    }
    check(all, "reset: fifty in a row");
    /* The instance's handle gone, the func keeps all it needs. */
    rtw_instance_destroy(guest.instance);
    check_status(rtw_invoke(count, &value, 1), RTW_OK, "reset: the func outlives the handle");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_ERR_HANDLE, "reset: a stale instance");
    guest.instance = NULL;
    rtw_func_destroy(count);
    close_guest(&guest);
}

/* A start function that fails when it runs again leaves the instance as it was. */
struct start {
    int calls;
    rtw_status_t answer;
    rtw_instance_t *instance;
    rtw_status_t during_reset[4];
    bool memory_at;
};

static rtw_status_t host_init(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    struct start *start = user_data;
    rtw_value_t value;
    start->calls++;
    if (start->calls > 1) {
        rtw_func_t *func = NULL;
        rtw_memory_view_t view;
        start->during_reset[0] = rtw_instance_global_get(instance, "seen", &value, NULL);
        start->during_reset[1] = rtw_instance_memory(instance, NULL, &view, NULL);
        start->during_reset[2] = rtw_instance_func(instance, "seen", NULL, &func, NULL);
        start->during_reset[3] = rtw_instance_reset(instance, NULL);
        start->memory_at = rtw_instance_memory_at(instance, 0, 0) != NULL;
    }
    values[0].i32 = 100 + start->calls;
    return start->answer;
}

static void test_failing_reset(void) {
    struct start start;
    memset(&start, 0, sizeof start);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "init", "()->(i32)", host_init, &start, NULL, 0, &err), &err, "init");
    guest_t guest = open_guest("start_ok", imports);
    rtw_imports_destroy(imports);
    rtw_value_t value;
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "reset: the start function runs again");
    check(start.calls == 2, "reset: twice by now");
    for (int i = 0; i < 4; i++) check_status(start.during_reset[i], RTW_ERR_BUSY, "reset: while it runs the instance is busy (%d)", i);
    check(!start.memory_at, "reset: while it runs there is no memory");
    (void)rtw_instance_global_get(guest.instance, "seen", &value, NULL);
    check(value.i32 == 102, "reset: what it left is there");
    start.answer = -9;
    check_status(rtw_instance_reset(guest.instance, &err), RTW_ERR_HOST, "reset: the start function fails");
    check_error(&err, RTW_ERR_HOST, "-9", "reset: the start function fails: the message has the host's answer");
    check_status(rtw_instance_global_get(guest.instance, "seen", &value, NULL), RTW_OK, "reset: the instance stays usable");
    check(value.i32 == 102, "reset: as it was");
    start.answer = RTW_OK;
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "reset: and can be reset later");
    close_guest(&guest);

}

/* Growth is a matter of before and after prepare. */
static void test_growth(void) {
    guest_t guest = open_guest("unbounded", NULL);
    check(call_i32(guest.instance, "grow", 1, 0) == 2, "growth: before prepare");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "growth: prepare");
    check(call_i32(guest.instance, "grow", 1, 0) == -1, "growth: refused after prepare");
    check(call_i32(guest.instance, "grow", 0, 0) == 3, "growth: by nothing is no growth");
    check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "growth: a reset of a prepared instance");
    check(call_i32(guest.instance, "grow", 1, 0) == -1, "growth: it is prepared still");
    check(call_i32(guest.instance, "pages", 0, 0) == 2, "growth: with the memory that it starts with");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    rtw_instance_t *growing = NULL;
    require(rtw_instance_create(guest.module, NULL, &config, &growing, &err), &err, "an instance that may grow");
    check_status(rtw_instance_prepare(growing, NULL, NULL, &err), RTW_OK, "growth: prepare where it is allowed");
    check(call_i32(growing, "grow", 1, 0) == 2, "growth: allowed after prepare");
    rtw_instance_destroy(growing);
    close_guest(&guest);
}

/* The bytes that a trap takes of the thread's arena. */
static uint64_t peak_of_trap(rtw_instance_t *instance, const char *what) {
    rtw_func_t *trap = look_up(instance, "trap", "()->()");
    check_status(rtw_invoke(trap, NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "%s: a trap after it", what);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_func_stats(trap, &stats), RTW_OK, "%s: its statistics", what);
    rtw_func_destroy(trap);
    return stats.arena_peak_bytes;
}

/* Tables that may grow do so on an attached thread while there is memory; the thread's arena, which could hold some thousand
 * entries, is left alone. */
static void test_table_growth(uint32_t lock) {
    const char *const what = lock == RTW_LOCK_ON ? "tables, locked" : "tables";
    const int32_t step = 1000, steps = 100;
    guest_t guest = open_locking("tables", lock);
    require(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "prepare");
    check(call_i32(guest.instance, "grow_one", 1, 0) == -1 && call_i32(guest.instance, "grow_none", 1, 0) == -1,
          "%s: growth is refused after prepare", what);
    const uint64_t peak = peak_of_trap(guest.instance, what);
    rtw_instance_destroy(guest.instance);

    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    require(rtw_instance_create(guest.module, NULL, &config, &guest.instance, &err), &err, "an instance that may grow");
    require(rtw_instance_prepare(guest.instance, NULL, NULL, &err), &err, "prepare");
    for (int round = 0; round < 2; round++) {
        bool grew = true, kept = true;
        for (int32_t i = 0; i < steps; i++) {
            grew = grew && call_i32(guest.instance, "grow_one", step, 0) == 1 + i * step;
            grew = grew && call_i32(guest.instance, "grow_none", step, 0) == i * step;
            grew = grew && call_i32(guest.instance, "grow_memory", 1, 0) == 1 + i;
            kept = kept && call_i32(guest.instance, "ask_one", 0, 0) == 7 && call_i32(guest.instance, "ask_none", i * step + step - 1, 0) == 7;
        }
        check(grew, "%s: each grows by %d entries, step by step", what, step * steps);
        check(kept, "%s: and keeps what it holds", what);
        check(call_i32(guest.instance, "grow_one", 0, 0) == 1 + step * steps, "%s: all of it is there", what);
        rtw_growth_t growth;
        rtw_growth_init(&growth);
        check_status(rtw_instance_growth(guest.instance, &growth), RTW_OK, "%s: growth", what);
        check(growth.granted == (uint64_t)(3 * steps * (round + 1)) && growth.refused == 0, "%s: each step is counted, %llu", what,
              (unsigned long long)growth.granted);
        const uint64_t after = peak_of_trap(guest.instance, what);
        check(after == peak, "%s: a trap takes as much of the arena as ever: %llu of %llu bytes", what, (unsigned long long)after,
              (unsigned long long)peak);
        check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "%s: a reset", what);
    }
    close_guest(&guest);
}

/* A table for which there is no memory ends the call by its name; the same call succeeds once there is some. */
static void table_without_memory(void *data) {
    (void)data;
    guest_t guest = open_guest("tables", NULL);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(guest.module, NULL, &config, &instance, &err), &err, "an instance that may grow");
    require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
    rtw_func_t *grow_one = look_up(instance, "grow_one", NULL);
    struct rlimit before;
    check(getrlimit(RLIMIT_AS, &before) == 0, "the limit on address space");
    const struct rlimit none = {1 << 20, before.rlim_max};
    check(setrlimit(RLIMIT_AS, &none) == 0, "no more of it");
    rtw_value_t value = {.i32 = 20000000};
    check_status(rtw_invoke(grow_one, &value, 1), RTW_ERR_NO_MEMORY, "a table of 160 MB without memory");
    check(setrlimit(RLIMIT_AS, &before) == 0, "memory again");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset after it");
    rtw_func_destroy(grow_one);
    check(call_i32(instance, "grow_one", 20000000, 0) == 1, "a table of 160 MB with memory");
    rtw_instance_destroy(instance);
    close_guest(&guest);
}

/* Growth that was paid for beforehand. */
static void test_growth_ahead(void) {
    guest_t guest = open_guest("unbounded", NULL);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_AHEAD;
    config.growth_ahead_bytes = 5 * 65536;
    rtw_instance_t *instance = NULL;
    if (profile == RTW_PROFILE_STANDALONE) {
        check_status(rtw_instance_create(guest.module, NULL, &config, &instance, &err), RTW_ERR_UNSUPPORTED, "ahead: in the standalone profile");
        check_error(&err, RTW_ERR_UNSUPPORTED, "plugin profile", "ahead: the message says where it works");
        close_guest(&guest);
        return;
    }
    check_status(rtw_instance_create(guest.module, NULL, &config, &instance, &err), RTW_OK, "ahead: an instance");
    check(call_i32(instance, "pages", 0, 0) == 2, "ahead: the memory starts as the module says");
    check(rtw_instance_memory_at(instance, 0, 2 * 65536 + 1) == NULL, "ahead: what is not grown yet is outside");
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    check_status(rtw_instance_prepare(instance, NULL, &report, &err), RTW_OK, "ahead: prepare");
    check(report.touched_bytes >= 5 * 65536, "ahead: prepare touches all of it");
    void *base = rtw_instance_memory_at(instance, 0, 1);
    check(call_i32(instance, "grow", 3, 0) == 2, "ahead: it grows after prepare");
    unsigned char *last = rtw_instance_memory_at(instance, 5 * 65536 - 1, 1);
    check(last != NULL && *last == 0 && rtw_instance_memory_at(instance, 0, 1) == base, "ahead: in its place, with zeros");
    check(call_i32(instance, "grow", 1, 0) == -1, "ahead: and no further");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "ahead: a reset");
    check(call_i32(instance, "pages", 0, 0) == 2 && call_i32(instance, "grow", 3, 0) == 2 && call_i32(instance, "grow", 1, 0) == -1,
          "ahead: a reset keeps what was paid for");
    rtw_instance_destroy(instance);
    /* More than the memory can have is cut to that. */
    rtw_module_t *bounded = load(guest.runtime, "calls");
    config.growth_ahead_bytes = UINT64_MAX;
    check_status(rtw_instance_create(bounded, NULL, &config, &instance, &err), RTW_OK, "ahead: more than the maximum");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "ahead: prepare");
    check(call_i32(instance, "grow", 3, 0) == 1 && call_i32(instance, "grow", 1, 0) == -1, "ahead: the maximum holds");
    rtw_instance_destroy(instance);
    require(rtw_instance_create(bounded, NULL, NULL, &instance, &err), &err, "ahead: an instance that has none");
    config.memory_limit_bytes = rtw_instance_held_bytes(instance) + 65536;
    rtw_instance_destroy(instance);
    check_status(rtw_instance_create(bounded, NULL, &config, &instance, &err), RTW_OK, "ahead: more than the limit");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "ahead: prepare");
    check(call_i32(instance, "grow", 1, 0) == 1 && call_i32(instance, "grow", 1, 0) == -1, "ahead: the limit holds");
    rtw_instance_destroy(instance);
    rtw_module_destroy(bounded);
    close_guest(&guest);
}

/* Where memory cannot be locked again, a reset fails; "the instance stays as it was". */
static void reset_without_memlock(void *data) {
    (void)data;
    drop_rights(8 << 20);
    guest_t guest = open_locking("calls", RTW_LOCK_REQUIRED);
    rtw_func_t *count = look_up(guest.instance, "count", NULL);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "memlock: there is enough at first");
    (void)rtw_invoke(count, &value, 1);
    (void)rtw_invoke(count, &value, 1);
    limit_memlock(4096);
    check_status(rtw_instance_reset(guest.instance, &err), RTW_ERR_MEMLOCK, "memlock: a reset that cannot lock");
    check_error(&err, RTW_ERR_MEMLOCK, "RLIMIT_MEMLOCK", "memlock: the message names the limit");
    check_status(rtw_invoke(count, &value, 1), RTW_OK, "memlock: the instance goes on");
    check(value.i32 == 3, "memlock: as it was: %d", value.i32);
    rtw_func_destroy(count);
    close_guest(&guest);
}

/* A child process gets the status that the instance is its parent's. */
static void in_child(void *data) {
    guest_t *guest = data;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    rtw_func_t *func = look_up(guest->instance, "count", NULL);
    check_status(rtw_invoke(func, &value, 1), RTW_ERR_FORKED, "fork: rtw_invoke in the child");
    check_status(rtw_instance_reset(guest->instance, &err), RTW_ERR_FORKED, "fork: rtw_instance_reset in the child");
    check_error(&err, RTW_ERR_FORKED, "parent", "fork: the message says why");
    check_status(rtw_instance_prepare(guest->instance, NULL, NULL, NULL), RTW_ERR_FORKED, "fork: rtw_instance_prepare in the child");
    rtw_instance_t *own = NULL;
    check_status(rtw_instance_create(guest->module, NULL, NULL, &own, &err), RTW_OK, "fork: the child can make its own");
    check(call_i32(own, "count", 0, 0) == 1, "fork: which runs");
    rtw_instance_destroy(own);
    rtw_func_destroy(func);
    rtw_instance_destroy(guest->instance);
}

static void test_fork(void) {
    guest_t guest = open_guest("calls", NULL);
    check(call_i32(guest.instance, "count", 0, 0) == 1, "fork: a call before");
    check_in_child("fork", in_child, &guest);
    check(call_i32(guest.instance, "count", 0, 0) == 2, "fork: the parent goes on");
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("traps", NULL);
    test_fault(&guest);
    close_guest(&guest);
    test_reset();
    test_failing_reset();
    test_growth();
    test_table_growth(RTW_LOCK_OFF);
    test_table_growth(RTW_LOCK_ON);
    if (!sanitized) check_in_child("a table without memory", table_without_memory, NULL);
    test_growth_ahead();
    test_places();
    test_growth_told();
    test_fork();
    if (!sanitized) check_in_child("memlock", reset_without_memlock, NULL);
    return check_summary();
}
