/* The memory that guests make the host hold: reported before anything is created, counted while it exists, and compared with the limits of
 * instance, slot and runtime. */
#include "../support/common.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 65536 };

static rtw_error_t err;

static rtw_status_t note(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

/* Bytes that are allocated; always 0 if the C library does not report them (musl). */
static size_t heap_bytes(void) {
#if defined(__GLIBC__)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

static rtw_imports_t *make_imports(void) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "note", "(i32)->()", note, NULL, NULL, 0, &err), &err, "an import");
    return imports;
}

static rtw_runtime_t *limited_runtime(uint64_t limit) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    check(config.memory_limit_bytes == 0, "a runtime has no limit of its own accord");
    config.profile = profile;
    config.memory_limit_bytes = limit;
    rtw_runtime_t *runtime = NULL;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime with a limit");
    attach_here(runtime);
    return runtime;
}

static rtw_module_info_t probe(const char *guest) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path(guest), &length);
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    check_status(rtw_module_probe(NULL, bytes, length, &info, &err), RTW_OK, "probe: %s", guest);
    free(bytes);
    return info;
}

static rtw_status_t make(rtw_module_t *module, rtw_imports_t *imports, uint64_t limit, rtw_instance_t **instance) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    config.memory_limit_bytes = limit;
    return rtw_instance_create(module, imports, &config, instance, &err);
}

/* Address space of the process. */
static uint64_t mapped(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%llu", &pages) != 1) pages = 0;
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_told(rtw_imports_t *imports) {
    rtw_module_info_t info = probe("held");
    check(info.memory_min_bytes == 3 * PAGE, "told: memories");
    check(info.table_bytes == 107 * 8, "told: tables, %llu bytes", (unsigned long long)info.table_bytes);
    check(info.global_bytes == 2 * 16, "told: globals, %llu bytes", (unsigned long long)info.global_bytes);
    check(info.guest_bytes == info.memory_min_bytes + info.table_bytes + info.global_bytes + info.record_bytes, "told: the sum");
    static const char *const guests[] = {"held", "calls", "no_memory", "two_memories"};
    for (size_t i = 0; i < sizeof guests / sizeof guests[0]; i++) {
        info = probe(guests[i]);
        rtw_instance_t *instance = NULL;
        rtw_runtime_t *other = limited_runtime(0), *runtime = limited_runtime(0);
        rtw_module_t *module = load(other, guests[i]);
        require(make(module, imports, 0, &instance), &err, "%s", guests[i]);
        rtw_instance_destroy(instance);
        rtw_module_destroy(module);
        module = load(runtime, guests[i]);
        /* Memory that a process allocates once has been allocated; and this runtime has no spare memory of guests that have ended. */
        const size_t before = heap_bytes();
        uint64_t mapped_before = mapped();
        require(make(module, imports, info.guest_bytes, &instance), &err, "%s, with what it needs as its limit", guests[i]);
        uint64_t space = mapped() - mapped_before;
        const long long taken = (long long)heap_bytes() - (long long)before;
        long long records = (long long)(info.guest_bytes - info.memory_min_bytes);
        check(taken <= records, "%s: %lld bytes of the heap are taken, %lld told", guests[i], taken, records);
        check(records < 40000, "%s: which is not much", guests[i]);
        long long beside = (long long)(space - info.address_space_bytes);
        check(beside > -(1 << 20) && beside < 32 << 20, "%s: %llu bytes of address space are set aside, %llu told", guests[i],
              (unsigned long long)space, (unsigned long long)info.address_space_bytes);
        check(rtw_instance_held_bytes(instance) == info.guest_bytes, "%s: it holds what was told", guests[i]);
        check(rtw_runtime_held_bytes(runtime) == info.guest_bytes, "%s: so does the runtime", guests[i]);
        rtw_instance_destroy(instance);
        check(rtw_runtime_held_bytes(runtime) == 0, "%s: and nothing in the end", guests[i]);
        check_status(make(module, imports, info.guest_bytes - 1, &instance), RTW_ERR_LIMIT, "%s: a byte less", guests[i]);
        rtw_module_destroy(module);
        require(rtw_thread_detach(runtime, &err), &err, "detach");
        require(rtw_thread_detach(other, &err), &err, "detach");
        rtw_runtime_destroy(other), rtw_runtime_destroy(runtime);
    }
    check(rtw_instance_held_bytes(NULL) == 0 && rtw_runtime_held_bytes(NULL) == 0, "told: of nobody");
}

static void test_tables(rtw_runtime_t *runtime) {
    rtw_module_info_t info = probe("many_tables");
    check(info.table_bytes == 1600000000, "tables: 1.6 GB are told");
    rtw_module_t *module = load(runtime, "many_tables");
    rtw_instance_t *instance = (rtw_instance_t *)(void *)&profile;
    uint64_t before = mapped();
    check_status(make(module, NULL, 1 << 20, &instance), RTW_ERR_LIMIT, "tables: 20 of ten million entries, where 1 MiB is the limit");
    check(mapped() - before < 16 << 20, "tables: nothing of it was made");
    check(instance == NULL && rtw_runtime_held_bytes(runtime) == 0, "tables: nothing of it is counted");
    char part[64];
    snprintf(part, sizeof part, "needs %llu bytes", (unsigned long long)info.guest_bytes);
    check_error(&err, RTW_ERR_LIMIT, part, "tables: the message says what is needed");
    check_error(&err, RTW_ERR_LIMIT, "tables (1600000000)", "tables: which part is the largest");
    check_error(&err, RTW_ERR_LIMIT, "the instance's limit is 1048576", "tables: and what the limit is");
    rtw_module_destroy(module);
}

static void test_growth(rtw_runtime_t *runtime, rtw_imports_t *imports) {
    uint64_t need = probe("held").guest_bytes;
    rtw_module_t *module = load(runtime, "held");
    rtw_instance_t *instance = NULL;
    require(make(module, imports, need + 2 * PAGE + 8 * 50, &instance), &err, "an instance");
    check(call_i32(instance, "grow", 1, 0) == 1 && call_i32(instance, "grow_second", 1, 0) == 2, "growth: each memory a page");
    check(call_i32(instance, "grow", 1, 0) == -1 && call_i32(instance, "grow_second", 1, 0) == -1, "growth: none has more: they count together");
    check(call_i32(instance, "grow_table", 51, 0) == -1, "growth: a table, by what is not left");
    check(call_i32(instance, "grow_table", 50, 0) == 100, "growth: a table, by what is left");
    check(call_i32(instance, "grow_table", 1, 0) == -1, "growth: a table, not beyond");
    check(rtw_instance_held_bytes(instance) == need + 2 * PAGE + 400, "growth: it is counted");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "growth: a reset");
    check(rtw_instance_held_bytes(instance) == need, "growth: gives it back");
    rtw_instance_destroy(instance);

    require(make(module, imports, 0, &instance), &err, "an instance without a limit");
    check(call_i32(instance, "grow_table", 4901, 0) == -1 && call_i32(instance, "grow", 8, 0) == -1, "growth: beyond the maximum");
    check(rtw_instance_held_bytes(instance) == need, "growth: what failed is not counted");
    check(call_i32(instance, "grow_table", 4900, 0) == 100 && call_i32(instance, "grow", 7, 0) == 1, "growth: up to the maximum");
    check(rtw_runtime_held_bytes(runtime) == need + 4900 * 8 + 7 * PAGE, "growth: is counted by the runtime");
    rtw_instance_destroy(instance);
    check(rtw_runtime_held_bytes(runtime) == 0, "growth: all of it is given back");
    rtw_module_destroy(module);
}

static void test_ahead(rtw_runtime_t *runtime, rtw_imports_t *imports) {
    if (profile != RTW_PROFILE_PLUGIN) return;
    uint64_t need = probe("held").guest_bytes;
    rtw_module_t *module = load(runtime, "held");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_AHEAD;
    config.growth_ahead_bytes = 4 * PAGE;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "ahead: an instance");
    check(rtw_instance_held_bytes(instance) == need + 5 * PAGE, "ahead: what is committed counts from the start");
    require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "ahead: prepare");
    check(call_i32(instance, "grow", 3, 0) == 1, "ahead: growing so far");
    check(rtw_instance_held_bytes(instance) == need + 5 * PAGE, "ahead: takes no more");
    rtw_instance_destroy(instance);
    config.memory_limit_bytes = need + 3 * PAGE;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "ahead: with a limit that allows a part");
    check(rtw_instance_held_bytes(instance) == need + 3 * PAGE, "ahead: no more than the limit is committed");
    check(call_i32(instance, "grow", 3, 0) == 1 && call_i32(instance, "grow_second", 1, 0) == -1, "ahead: the first has it");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

static void test_runtime_limit(rtw_imports_t *imports) {
    uint64_t need = probe("held").guest_bytes;
    rtw_runtime_t *runtime = limited_runtime(2 * need + PAGE);
    rtw_module_t *module = load(runtime, "held");
    rtw_instance_t *first = NULL, *second = NULL, *third = NULL;
    require(make(module, imports, 0, &first), &err, "runtime: the first");
    require(make(module, imports, 0, &second), &err, "runtime: the second");
    check_status(make(module, imports, 0, &third), RTW_ERR_LIMIT, "runtime: no third");
    char part[128];
    snprintf(part, sizeof part, "the runtime's limit is %llu bytes, of which %llu are in use", (unsigned long long)(2 * need + PAGE),
             (unsigned long long)(2 * need));
    check_error(&err, RTW_ERR_LIMIT, part, "runtime: the message says why");
    check(call_i32(first, "grow", 2, 0) == -1 && call_i32(first, "grow", 1, 0) == 1, "runtime: growth, as far as there is room");
    check(call_i32(second, "grow_table", 1, 0) == -1, "runtime: of the others as well");
    check_status(rtw_instance_reset(second, &err), RTW_ERR_LIMIT, "runtime: a reset has two guests for a moment");
    check(call_i32(second, "act", 7, 0) == 7, "runtime: the old one goes on");
    rtw_instance_destroy(first);
    check_status(rtw_instance_reset(second, &err), RTW_OK, "runtime: a reset when there is room");
    check_status(make(module, imports, 0, &third), RTW_OK, "runtime: another when there is room");
    check(rtw_runtime_held_bytes(runtime) == 2 * need, "runtime: the count is right after all that");
    rtw_instance_destroy(second), rtw_instance_destroy(third);
    check(rtw_runtime_held_bytes(runtime) == 0, "runtime: nothing is left");
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
}

static unsigned failed_spares, ready_spares;
static rtw_status_t why;

static void on_event(void *user_data, const rtw_slot_event_t *event) {
    (void)user_data;
    if (event->kind == RTW_SLOT_EVENT_SPARE_FAILED) {
        __atomic_store_n(&why, event->status, __ATOMIC_RELAXED);
        __atomic_add_fetch(&failed_spares, 1, __ATOMIC_RELEASE);
    }
    if (event->kind == RTW_SLOT_EVENT_SPARE_READY) __atomic_add_fetch(&ready_spares, 1, __ATOMIC_RELEASE);
}

static rtw_slot_t *limited_slot(rtw_runtime_t *runtime, uint64_t limit, uint32_t standby) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = standby;
    config.memory_limit_bytes = limit;
    config.on_event = on_event;
    return new_slot(runtime, "act", "(i32)->(i32)", &config);
}

static void test_slot_limit(rtw_runtime_t *runtime, rtw_imports_t *imports) {
    uint64_t need = probe("held").guest_bytes;
    rtw_module_t *module = load(runtime, "held");
    rtw_instance_t *first = NULL, *second = NULL;
    require(make(module, imports, 0, &first), &err, "slot: the first");
    require(make(module, imports, 0, &second), &err, "slot: the second");
    rtw_slot_t *slot = limited_slot(runtime, need + PAGE, 0);
    check(stats_of_slot(slot).held_bytes == 0, "slot: it holds nothing at first");
    check_status(rtw_slot_publish(slot, first, NULL, &err), RTW_OK, "slot: one has room");
    check(stats_of_slot(slot).held_bytes == need, "slot: what it holds is told");
    check_status(rtw_slot_publish(slot, second, NULL, &err), RTW_ERR_LIMIT, "slot: a second has none");
    check_error(&err, RTW_ERR_LIMIT, "the slot's limit is", "slot: the message says so");
    check(stats_of_slot(slot).held_bytes == need, "slot: what was refused is not counted");
    rtw_slot_t *other = limited_slot(runtime, need, 0);
    check_status(rtw_slot_publish(other, second, NULL, &err), RTW_OK, "slot: another slot takes it");
    rtw_slot_destroy(other);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_slot_invoke(slot, 0, &value, 1, NULL), RTW_OK, "slot: the first goes on");
    check(rtw_instance_held_bytes(second) == need, "slot: what a slot lets go holds what it held");
    rtw_instance_destroy(second);
    rtw_slot_destroy(slot);
    check(call_i32(first, "grow", 3, 0) == 1, "slot: outside of it there is no such limit");

    /* Spares count too. */
    slot = limited_slot(runtime, 5 * need, 3);
    check_status(rtw_slot_publish(slot, first, NULL, &err), RTW_OK, "spares: published");
    while (__atomic_load_n(&failed_spares, __ATOMIC_ACQUIRE) == 0 && __atomic_load_n(&ready_spares, __ATOMIC_ACQUIRE) < 3)
        usleep(1000);
    check(stats_of_slot(slot).held_bytes <= 5 * need, "spares: never more than the limit");
    check(failed_spares == 0 || why == RTW_ERR_LIMIT, "spares: one that has no room is told with RTW_ERR_LIMIT");
    rtw_slot_destroy(slot);
    rtw_instance_destroy(first);

    failed_spares = ready_spares = 0;
    require(make(module, imports, 0, &first), &err, "spares: an instance");
    slot = limited_slot(runtime, 2 * need, 3);
    check_status(rtw_slot_publish(slot, first, NULL, &err), RTW_OK, "spares: published where there is room for one");
    while (__atomic_load_n(&failed_spares, __ATOMIC_ACQUIRE) == 0) usleep(1000);
    check(ready_spares == 1 && why == RTW_ERR_LIMIT, "spares: one is made, and one refused with RTW_ERR_LIMIT");
    check(stats_of_slot(slot).held_bytes == 2 * need, "spares: both are counted");
    rtw_slot_destroy(slot);
    rtw_instance_destroy(first);
    rtw_module_destroy(module);
    check(rtw_runtime_held_bytes(runtime) == 0, "spares: nothing is left");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
#if defined(__GLIBC__)
    /* The first allocation of another thread would reserve 64 MiB of address space, whenever it comes. */
    mallopt(M_ARENA_MAX, 1);
#endif
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_imports_t *imports = make_imports();
    test_told(imports);
    test_tables(runtime);
    test_growth(runtime, imports);
    test_ahead(runtime, imports);
    test_runtime_limit(imports);
    test_slot_limit(runtime, imports);
    rtw_imports_destroy(imports);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
