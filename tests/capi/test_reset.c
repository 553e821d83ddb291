/* Resets: what a reset leaves is what a new instance has, byte by byte, whether its state is written back or a new guest is made; which
 * of the two it is; and guests without a state, which go on after a fault. */
#include "../support/common.h"

#include <stdlib.h>
#include <string.h>

static rtw_error_t err;

/* The answers that the guest of reset.wat asks for. */
enum { ANSWER, TRAP_INSIDE, FAIL };
static int visits;

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data;
    visits++;
    const int32_t what = values[0].i32;
    values[0].i32 = 7;
    if (what == FAIL) return -11;
    if (what == TRAP_INSIDE) {
        check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a call from the host function traps");
        check_status(call_with(instance, "own", 0, 0, NULL), RTW_ERR_FAULTED, "and no other enters the guest, amid a call");
    }
    return RTW_OK;
}

static rtw_imports_t *visited(void) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), &err, "visit");
    return imports;
}

static rtw_instance_t *another(const guest_t *guest, const rtw_instance_config_t *config) {
    rtw_imports_t *imports = visited();
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(guest->module, imports, config, &instance, &err), &err, "another instance");
    rtw_imports_destroy(imports);
    return instance;
}

static guest_t open_visited(const char *name) {
    rtw_imports_t *imports = visited();
    const guest_t guest = open_guest(name, imports);
    rtw_imports_destroy(imports);
    return guest;
}

static const void *base_of(rtw_instance_t *instance) { return rtw_instance_memory_at(instance, 0, 0); }

static bool same_memory(rtw_instance_t *one, rtw_instance_t *other, const char *name) {
    rtw_memory_view_t a, b;
    require(rtw_instance_memory(one, name, &a, &err), &err, "memory %s", name);
    require(rtw_instance_memory(other, name, &b, &err), &err, "memory %s", name);
    return a.size_bytes == b.size_bytes && (a.size_bytes == 0 || memcmp(a.base, b.base, (size_t)a.size_bytes) == 0);
}

/* Compares only the bytes of the value that its type has. */
static bool same_global(rtw_instance_t *one, rtw_instance_t *other, const char *name, size_t bytes) {
    rtw_value_t a, b;
    memset(&a, 0, sizeof a), memset(&b, 0, sizeof b);
    require(rtw_instance_global_get(one, name, &a, &err), &err, "global %s", name);
    require(rtw_instance_global_get(other, name, &b, &err), &err, "global %s", name);
    return memcmp(&a, &b, bytes) == 0;
}

/* The status of an entry, with the number that its function returns. */
static int32_t entry(rtw_instance_t *instance, uint64_t index) {
    rtw_func_t *func = NULL;
    rtw_value_t value;
    const rtw_status_t status = rtw_instance_table_func(instance, "table", index, "()->(i32)", &func, &err);
    if (status != RTW_OK) return status;
    check_status(rtw_invoke(func, &value, 1), RTW_OK, "an entry of the table");
    rtw_func_destroy(func);
    return value.i32;
}

static bool same_globals(rtw_instance_t *one, rtw_instance_t *other) {
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const size_t bytes[] = {4, 8, 4, 8, 16};
    bool same = call_i32(one, "own", 0, 0) == call_i32(other, "own", 0, 0);
    for (int i = 0; i < 5; i++) same = same_global(one, other, names[i], bytes[i]) && same;
    return same;
}

static bool same_state(rtw_instance_t *one, rtw_instance_t *other) {
    bool same = same_globals(one, other);
    same = same_memory(one, other, "memory") && same_memory(one, other, "second") && same_memory(one, other, "none") && same;
    for (uint64_t i = 0; i < 5; i++) same = entry(one, i) == entry(other, i) && same;
    return same;
}

/* The ways in which the guest leaves its state: one call each, and its status. */
static const struct {
    const char *func;
    rtw_status_t status;
} ways[] = {{"scribble", RTW_OK}, {"trap", RTW_ERR_TRAP_UNREACHABLE}, {"outside", RTW_ERR_TRAP_MEMORY}, {"deep", RTW_ERR_TRAP_STACK},
            {"for_ever", RTW_ERR_BUDGET}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void use_up(rtw_instance_t *instance, int way) {
    if (way == 4 || way == 2 || way == 3) check_status(call(instance, "scribble", NULL, 0), RTW_OK, "%s: scribble", ways[way].func);
    check_status(call_with(instance, ways[way].func, 0, 0, NULL), ways[way].status, "%s", ways[way].func);
}

static void test_written_back(void) {
    guest_t guest = open_visited("reset");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = 20000000;
    rtw_instance_t *fresh = another(&guest, NULL);
    for (int prepared = 0; prepared < 2; prepared++) {
        rtw_instance_t *instance = another(&guest, &config);
        if (prepared) prepare_instance(instance);
        rtw_func_t *own = look_up(instance, "own", NULL);
        rtw_global_t *level = NULL;
        require(rtw_instance_global(instance, "a", "i32", &level, &err), &err, "a global");
        const void *base = base_of(instance);
        check(same_state(instance, fresh), "a new instance is as another one");
        for (int round = 0; round < 2 * WAYS; round++) {
            const int way = round % WAYS;
            use_up(instance, way);
            if (ways[way].status == RTW_OK) check(!same_state(instance, fresh), "what was changed is seen");
            check_status(rtw_instance_reset(instance, &err), RTW_OK, "%s: a reset", ways[way].func);
            check(base_of(instance) == base, "%s: which writes the state back", ways[way].func);
            check(same_state(instance, fresh), "%s: and leaves what a new instance has", ways[way].func);
            rtw_value_t value;
            check_status(rtw_invoke(own, &value, 1), RTW_OK, "%s: a func from before is called", ways[way].func);
            check(value.i32 == 42, "%s: and sees the new state", ways[way].func);
            check_status(rtw_global_get(level, &value), RTW_OK, "%s: a global from before", ways[way].func);
            check(value.i32 == -5, "%s: too", ways[way].func);
            rtw_fault_t fault;
            rtw_fault_init(&fault);
            check_status(rtw_instance_fault(instance, &fault, &err), RTW_ERR_ARGUMENT, "%s: there is no fault any more", ways[way].func);
        }
        check_status(call_with(instance, "ask", FAIL, 0, NULL), RTW_ERR_HOST, "a host function fails");
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
        check(base_of(instance) == base && same_state(instance, fresh), "writes back after that, too");
        rtw_global_destroy(level), rtw_func_destroy(own);
        rtw_instance_destroy(instance);
    }
    rtw_instance_destroy(fresh);
    close_guest(&guest);
}

/* The memories of an instance that has ended may become a new one's: nothing of the old one is in them. */
static void test_next(void) {
    guest_t guest = open_visited("reset");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = 20000000;
    bool reused = false;
    for (int round = 0; round < 2 * WAYS; round++) {
        rtw_instance_t *instance = another(&guest, &config);
        const void *base = base_of(instance);
        prepare_instance(instance);
        use_up(instance, round % WAYS);
        rtw_instance_destroy(instance);
        instance = another(&guest, round % 2 ? &config : NULL);
        reused = reused || base_of(instance) == base;
        check(same_state(instance, guest.instance), "an instance after one that has ended by %s is new", ways[round % WAYS].func);
        check_status(call(instance, "scribble", NULL, 0), RTW_OK, "and works");
        rtw_instance_destroy(instance);
    }
    check(reused, "memories were used again");
    close_guest(&guest);
}

/* A state that cannot be written back is made anew: in memory elsewhere, since the old guest still exists while the new one is made. */
static void test_grown(void) {
    guest_t guest = open_visited("reset");
    rtw_instance_t *fresh = another(&guest, NULL), *instance = guest.instance;
    const void *base = base_of(instance);
    check(call_i32(instance, "grow", 1, 0) == 3, "a memory grows");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset after growth");
    check(base_of(instance) != base && same_state(instance, fresh), "makes a new guest");
    base = base_of(instance);
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "the next one");
    check(base_of(instance) == base, "does not");
    uint64_t before = 0;
    require(rtw_instance_table_grow(instance, "table", 1, &before, &err), &err, "the host grows a table");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset after that");
    check(base_of(instance) != base && same_state(instance, fresh), "makes a new guest");
    base = base_of(instance);
    check_status(rtw_instance_table_set_func(instance, "table", 0, NULL, &err), RTW_OK, "the host empties an entry");
    check(entry(instance, 0) == RTW_ERR_NO_EXPORT, "which is empty then");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset after that");
    check(base_of(instance) != base && same_state(instance, fresh), "makes a new guest");
    rtw_instance_destroy(fresh);
    close_guest(&guest);
}

static rtw_module_info_t told(const char *guest) {
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    size_t length = 0;
    unsigned char *bytes = read_file(artifact_path(guest), &length);
    require(rtw_module_probe(NULL, bytes, length, &info, &err), &err, "%s", guest);
    free(bytes);
    return info;
}

/* Modules whose state has no image: a reset makes them anew, and their information says why. */
static void test_without_image(void) {
    static const struct {
        const char *guest;
        uint32_t obstacle;
        int32_t changed; /* what the entry is after `scribble`; 0: a trap */
    } guests[] = {{"reset_table", RTW_RESET_NO_TABLES, 2}, {"reset_drops", RTW_RESET_NO_DROPS | RTW_RESET_NO_TABLES, 0}, {"reset_funcref", RTW_RESET_NO_REFERENCES | RTW_RESET_NO_TABLES, 2}};
    for (int i = 0; i < 3; i++) {
        guest_t guest = open_guest(guests[i].guest, NULL);
        const rtw_module_info_t info = told(guests[i].guest);
        check(info.reset_obstacles == guests[i].obstacle, "%s: obstacles %#x", guests[i].guest, info.reset_obstacles);
        for (int round = 0; round < 2; round++) {
            const void *base = base_of(guest.instance);
            check(call_i32(guest.instance, "entry", 0, 0) == 1, "%s: the entry at first", guests[i].guest);
            check_status(call(guest.instance, "scribble", NULL, 0), RTW_OK, "%s: scribble", guests[i].guest);
            int32_t found = 0;
            const rtw_status_t status = call_with(guest.instance, "entry", 0, 0, &found);
            check(guests[i].changed ? status == RTW_OK && found == guests[i].changed : status < 0, "%s: is changed: %d", guests[i].guest, found);
            check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "%s: a reset", guests[i].guest);
            check(base_of(guest.instance) != base, "%s: makes a new guest", guests[i].guest);
        }
        close_guest(&guest);
    }
    const rtw_module_info_t info = told("reset");
    check(info.reset_obstacles == 0 && info.reset_bytes == 4 * 4096, "reset: %llu bytes are copied", (unsigned long long)info.reset_bytes);
}

/* Commands of toolchains: what one run leaves is gone after a reset. */
static void test_toolchains(void) {
    static const char *const guests[] = {"wasi_command", "rust_command", "rust_reactor", "rust_plain", "emscripten", "assembly", "wasi_work"};
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    rtw_wasi_config_t wasi;
    rtw_wasi_config_init(&wasi);
    wasi.seed = 5;
    require(rtw_imports_wasi(imports, &wasi, &err), &err, "WASI");
    require(rtw_imports_libm(imports, &err), &err, "mathematics");
    for (size_t i = 0; i < sizeof guests / sizeof guests[0]; i++) {
        rtw_module_t *module = load(runtime, guests[i]);
        rtw_instance_config_t config;
        rtw_instance_config_init(&config);
        config.growth = RTW_GROWTH_ALLOWED;
        rtw_instance_t *instance = NULL, *fresh = NULL;
        require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "%s", guests[i]);
        require(rtw_instance_create(module, imports, &config, &fresh, &err), &err, "%s", guests[i]);
        check(same_memory(instance, fresh, NULL), "%s: two instances are alike", guests[i]);
        for (int round = 0; round < 2; round++) {
            rtw_value_t value = {.i32 = 12};
            rtw_func_t *func = NULL;
            const bool is_command = rtw_instance_func(instance, "_start", "()->()", &func, NULL) == RTW_OK;
            rtw_func_destroy(func);
            const rtw_status_t status = is_command ? call(instance, "_start", NULL, 0) : call(instance, "work", &value, 1);
            check(status == RTW_OK || status == RTW_ERR_EXITED, "%s: runs: %s", guests[i], rtw_status_name(status));
            check(!same_memory(instance, fresh, NULL), "%s: and leaves something", guests[i]);
            check_status(rtw_instance_reset(instance, &err), RTW_OK, "%s: a reset", guests[i]);
            check(same_memory(instance, fresh, NULL), "%s: leaves what a new instance has", guests[i]);
        }
        rtw_instance_destroy(instance), rtw_instance_destroy(fresh);
        rtw_module_destroy(module);
    }
    rtw_imports_destroy(imports);
    require(rtw_thread_detach(runtime, &err), &err, "detach");
    rtw_runtime_destroy(runtime);
}

/* ---- guests without a state */

static void test_stateless(void) {
    guest_t guest = open_visited("reset");
    rtw_instance_t *fresh = another(&guest, NULL);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = 20000000;
    config.stateless = 1;
    rtw_instance_t *instance = another(&guest, &config);
    prepare_instance(instance);
    const void *base = base_of(instance);
    for (int round = 0; round < 2 * WAYS; round++) {
        const int way = round % WAYS;
        if (ways[way].status == RTW_OK) continue;
        use_up(instance, way);
        check(same_globals(instance, fresh), "stateless, %s: goes on, with its globals as they were", ways[way].func);
        check(base_of(instance) == base && call_i32(instance, "first", 0, 0) == 0xaa, "stateless, %s: its memory stays", ways[way].func);
        rtw_fault_t fault;
        rtw_fault_init(&fault);
        check_status(rtw_instance_fault(instance, &fault, &err), RTW_OK, "stateless, %s: the fault is described", ways[way].func);
        check(fault.status == ways[way].status, "stateless, %s: as what it was: %s", ways[way].func, rtw_status_name(fault.status));
    }
    check_status(call_with(instance, "ask", FAIL, 0, NULL), RTW_ERR_HOST, "stateless: a host function fails");
    check(same_globals(instance, fresh), "stateless: goes on after that");
    const int before = visits;
    check_status(call_with(instance, "ask", TRAP_INSIDE, 0, NULL), RTW_ERR_HOST, "stateless: a fault further inside ends the outer call");
    check(visits == before + 1 && same_globals(instance, fresh), "stateless: and only then the guest goes on");
    check(call_i32(instance, "ask", ANSWER, 0) == 107, "stateless: what calls change without a fault stays");
    check(call_i32(instance, "own", 0, 0) == 100, "stateless: for the next call");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "stateless: it can be reset");
    check(same_state(instance, fresh), "stateless: and is new then");
    check(call_i32(instance, "grow", 1, 0) == -1, "stateless: prepared still");
    check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "stateless: a trap after the reset");
    check(same_globals(instance, fresh), "stateless: goes on");
    rtw_instance_destroy(instance);
    /* A new guest has the same. */
    rtw_instance_config_init(&config);
    config.stateless = 1;
    config.growth = RTW_GROWTH_ALLOWED;
    instance = another(&guest, &config);
    check(call_i32(instance, "grow", 1, 0) == 3, "stateless: grows");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "stateless: a reset that makes a new guest");
    check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "stateless: a trap of that");
    check(same_globals(instance, fresh), "stateless: goes on");
    rtw_instance_destroy(instance);
    config.stateless = 2;
    check_status(rtw_instance_create(guest.module, NULL, &config, &instance, &err), RTW_ERR_ARGUMENT, "stateless is 0 or 1");
    check_error(&err, RTW_ERR_ARGUMENT, "stateless", "the field is named");
    /* The twin: a guest with a state does not go on. */
    check_status(call(guest.instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a trap");
    check_status(call_with(guest.instance, "own", 0, 0, NULL), RTW_ERR_FAULTED, "with a state, it does not go on");
    rtw_instance_destroy(fresh);
    close_guest(&guest);
    /* References among the globals. */
    guest = open_guest("reset_funcref", NULL);
    rtw_instance_config_init(&config);
    config.stateless = 1;
    require(rtw_instance_create(guest.module, NULL, &config, &instance, &err), &err, "an instance");
    check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "stateless: a trap with a function in a global");
    check(call_i32(instance, "entry", 0, 0) == 1, "stateless: which is what it was");
    rtw_instance_destroy(instance);
    close_guest(&guest);
}

static void test_stateless_slot(void) {
    guest_t guest = open_visited("reset");
    for (uint32_t stateless = 0; stateless < 2; stateless++) {
        rtw_instance_config_t config;
        rtw_instance_config_init(&config);
        config.stateless = stateless;
        rtw_instance_t *instance = another(&guest, &config);
        const rtw_wanted_func_t funcs[] = {{"own", "()->(i32)", 0}, {"trap", "()->()", 0}};
        rtw_slot_config_t slotted;
        rtw_slot_config_init(&slotted);
        slotted.funcs = funcs, slotted.func_count = 2, slotted.standby = 1;
        rtw_slot_t *slot = NULL;
        require(rtw_slot_create(guest.runtime, &slotted, &slot, &err), &err, "a slot");
        require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
        for (int round = 0; round < 3; round++) {
            wait_for_spares(slot, 1);
            rtw_value_t value;
            check_status(rtw_slot_invoke(slot, 0, &value, 1, NULL), RTW_OK, "slot, stateless %u: a call", stateless);
            check(value.i32 == 42, "slot, stateless %u: its global: %d", stateless, value.i32);
            check_status(rtw_slot_invoke(slot, 1, NULL, 0, NULL), RTW_ERR_TRAP_UNREACHABLE, "slot, stateless %u: a trap", stateless);
        }
        rtw_value_t value;
        wait_for_spares(slot, 1);
        check_status(rtw_slot_invoke(slot, 0, &value, 1, NULL), RTW_OK, "slot, stateless %u: the last call", stateless);
        const rtw_slot_stats_t stats = stats_of_slot(slot);
        check(stats.spares_used == (stateless ? 0 : 3), "slot, stateless %u: %llu spares took over", stateless, (unsigned long long)stats.spares_used);
        rtw_slot_destroy(slot);
        rtw_instance_destroy(instance);
    }
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_written_back();
    test_next();
    test_grown();
    test_without_image();
    test_toolchains();
    test_stateless();
    test_stateless_slot();
    return check_summary();
}
