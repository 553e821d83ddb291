/* Version, statuses in words, the runtime's configuration. */
#include "../support/common.h"

#include <stdio.h>
#include <string.h>

static void test_version(void) {
    check(rtw_version() == RTW_VERSION_MAJOR * 65536 + RTW_VERSION_MINOR * 256 + RTW_VERSION_PATCH,
          "the library's version is the header's");
    char expected[64];
    snprintf(expected, sizeof expected, "rtwasm %d.%d.%d (wasmtime ", RTW_VERSION_MAJOR, RTW_VERSION_MINOR, RTW_VERSION_PATCH);
    check(strncmp(rtw_version_string(), expected, strlen(expected)) == 0, "the version string says \"%s\"", rtw_version_string());
    check(rtw_version_string() == rtw_version_string(), "the version string is static");
}

static void test_statuses(void) {
    static const struct {
        rtw_status_t status;
        const char *name;
    } known[] = {
#define NAMED(status) {status, #status}
        NAMED(RTW_OK), NAMED(RTW_ERR_NULL), NAMED(RTW_ERR_ARGUMENT), NAMED(RTW_ERR_HANDLE), NAMED(RTW_ERR_STRUCT_SIZE),
        NAMED(RTW_ERR_VALUES), NAMED(RTW_ERR_BOUNDS), NAMED(RTW_ERR_UNSUPPORTED), NAMED(RTW_ERR_NOT_ARTIFACT),
        NAMED(RTW_ERR_PLAIN_WASM), NAMED(RTW_ERR_TRUNCATED), NAMED(RTW_ERR_DIGEST), NAMED(RTW_ERR_ENVELOPE_VERSION),
        NAMED(RTW_ERR_ENGINE), NAMED(RTW_ERR_TARGET), NAMED(RTW_ERR_CPU_FEATURE), NAMED(RTW_ERR_PROFILE), NAMED(RTW_ERR_COMPILER),
        NAMED(RTW_ERR_UNSIGNED), NAMED(RTW_ERR_FORGED),
        NAMED(RTW_ERR_ARTIFACT), NAMED(RTW_ERR_WASM), NAMED(RTW_ERR_PROPOSAL), NAMED(RTW_ERR_NO_EXPORT),
        NAMED(RTW_ERR_EXPORT_KIND), NAMED(RTW_ERR_SIGNATURE), NAMED(RTW_ERR_SIGNATURE_SYNTAX), NAMED(RTW_ERR_IMPORT_MISSING),
        NAMED(RTW_ERR_IMPORT_TYPE), NAMED(RTW_ERR_NO_MEMORY), NAMED(RTW_ERR_MEMLOCK), NAMED(RTW_ERR_PERMISSION),
        NAMED(RTW_ERR_IO), NAMED(RTW_ERR_LIMIT), NAMED(RTW_ERR_STACK_SIZE), NAMED(RTW_ERR_ARENA), NAMED(RTW_ERR_NOT_ATTACHED),
        NAMED(RTW_ERR_ATTACHED), NAMED(RTW_ERR_FAULTED), NAMED(RTW_ERR_BUSY), NAMED(RTW_ERR_FORKED), NAMED(RTW_ERR_SIGNALS),
        NAMED(RTW_ERR_POISONED), NAMED(RTW_ERR_STATE), NAMED(RTW_ERR_TRAP_UNREACHABLE), NAMED(RTW_ERR_TRAP_MEMORY), NAMED(RTW_ERR_TRAP_TABLE),
        NAMED(RTW_ERR_TRAP_INDIRECT_CALL), NAMED(RTW_ERR_TRAP_DIVIDE_BY_ZERO), NAMED(RTW_ERR_TRAP_INTEGER_OVERFLOW),
        NAMED(RTW_ERR_TRAP_BAD_CONVERSION), NAMED(RTW_ERR_TRAP_STACK), NAMED(RTW_ERR_TRAP_OTHER), NAMED(RTW_ERR_TRAP_MISALIGNED), NAMED(RTW_ERR_STUB), NAMED(RTW_ERR_EXITED),
        NAMED(RTW_ERR_ABORTED), NAMED(RTW_ERR_HOST),
        NAMED(RTW_ERR_BUDGET), NAMED(RTW_ERR_FULL), NAMED(RTW_ERR_EMPTY), NAMED(RTW_ERR_TIMEOUT), NAMED(RTW_ERR_CANCELLED),
        NAMED(RTW_ERR_RUNNING), NAMED(RTW_ERR_STOPPED), NAMED(RTW_ERR_INTERNAL),
    };
    size_t count = sizeof known / sizeof known[0];
    bool names = true, words = true, negative = true;
    for (size_t i = 0; i < count; i++) {
        names = names && strcmp(rtw_status_name(known[i].status), known[i].name) == 0;
        words = words && rtw_status_string(known[i].status)[0] != 0;
        negative = negative && (known[i].status < 0) == (i > 0);
    }
    check(names, "every status has its name");
    check(words, "every status has its words");
    check(negative, "success is 0, errors are negative");

    size_t statuses = 0;
    for (rtw_status_t status = -2000; status <= 2000; status++)
        statuses += strcmp(rtw_status_name(status), "RTW_ERR_?") != 0;
    check(statuses == count, "no other number is a status: %zu have names", statuses);
    const rtw_status_t unknown[] = {1, -1, INT32_MIN, INT32_MAX};
    bool unknowns = true;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        unknowns = unknowns && strcmp(rtw_status_name(unknown[i]), "RTW_ERR_?") == 0 && rtw_status_string(unknown[i])[0] != 0;
    check(unknowns, "what is no status is RTW_ERR_?");
}

/* Each _init sets struct_size and leaves nothing of what was there before. */
static void test_inits(void) {
#define CHECK_INIT(type, init)                                                                                   \
    do {                                                                                                         \
        type twice[2], first;                                                                                    \
        memset(&first, 0x5a, sizeof first);                                                                      \
        memset(twice, 0xa5, sizeof twice);                                                                       \
        type guard = twice[1];                                                                                   \
        init(&twice[0]);                                                                                         \
        init(&first);                                                                                            \
        check(twice[0].struct_size == sizeof(type), #init " sets struct_size");                                  \
        check(memcmp(&twice[0], &first, sizeof first) == 0, #init " sets every byte");                           \
        check(memcmp(&twice[1], &guard, sizeof guard) == 0, #init " writes no further");                         \
        init(NULL);                                                                                              \
        check(true, #init "(NULL) does nothing");                                                                \
    } while (0)
    CHECK_INIT(rtw_runtime_config_t, rtw_runtime_config_init);
    CHECK_INIT(rtw_module_info_t, rtw_module_info_init);
    CHECK_INIT(rtw_instance_config_t, rtw_instance_config_init);
    CHECK_INIT(rtw_thread_config_t, rtw_thread_config_init);
    CHECK_INIT(rtw_prepare_config_t, rtw_prepare_config_init);
    CHECK_INIT(rtw_prepare_report_t, rtw_prepare_report_init);
    CHECK_INIT(rtw_func_stats_t, rtw_func_stats_init);
    CHECK_INIT(rtw_fault_t, rtw_fault_init);
    CHECK_INIT(rtw_host_config_t, rtw_host_config_init);
    CHECK_INIT(rtw_host_finding_t, rtw_host_finding_init);
    CHECK_INIT(rtw_worker_config_t, rtw_worker_config_init);
    CHECK_INIT(rtw_worker_info_t, rtw_worker_info_init);
    CHECK_INIT(rtw_completion_t, rtw_completion_init);
    CHECK_INIT(rtw_worker_stats_t, rtw_worker_stats_init);

    rtw_runtime_config_t runtime;
    rtw_runtime_config_init(&runtime);
    uint64_t cpus = 0;
    for (int word = 0; word < RTW_CPU_SET_WORDS; word++) cpus |= runtime.cpu_set[word];
    check(runtime.profile == RTW_PROFILE_ANY && runtime.allow_signal_handlers == 1 && cpus == 0 && runtime.sched_policy == RTW_SCHED_KEEP && runtime.priority == 0 &&
              runtime.statistics == 1 && runtime.memory_lock == RTW_LOCK_OFF && runtime.guest_stack_bytes == 0,
          "the runtime's defaults are those of the header");
    rtw_instance_config_t instance;
    rtw_instance_config_init(&instance);
    check(instance.memory_limit_bytes == 0 && instance.growth == RTW_GROWTH_REFUSED && instance.growth_ahead_bytes == 0 &&
              instance.denormals == RTW_DENORMALS_KEEP,
          "the instance's defaults are those of the header");
    rtw_thread_config_t thread;
    rtw_thread_config_init(&thread);
    check(thread.sched_policy == RTW_SCHED_RUNTIME && thread.priority == 0 && thread.cpu == -1 &&
              thread.denormals == RTW_DENORMALS_KEEP && thread.arena_bytes == 0,
          "the thread's defaults are those of the header");
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    check(prepare.dry_call_count == 0 && prepare.dry_calls == NULL, "prepare's defaults are those of the header");
    rtw_worker_config_t worker;
    rtw_worker_config_init(&worker);
    check(worker.kind == RTW_WORKER_PERIODIC && worker.sched_policy == RTW_SCHED_RUNTIME && worker.cpu == -1 && worker.strict == 0 &&
              worker.memory_lock == 1 && worker.statistics == 1 && worker.dma_latency_us == -1 && worker.missed == RTW_MISSED_SKIP &&
              worker.on_fault == RTW_ON_FAULT_STOP && worker.early_ns == 0 && worker.period_limit == 0,
          "the worker's defaults are those of the header");
}

/* The status for one changed configuration. */
static void check_config(const rtw_runtime_config_t *config, rtw_status_t expected, const char *part, const char *what) {
    rtw_runtime_t *runtime = (rtw_runtime_t *)(void *)&profile; /* anything but NULL */
    rtw_error_t err;
    memset(&err, 0x7f, sizeof err);
    check_status(rtw_runtime_create(config, &runtime, &err), expected, "runtime: %s", what);
    check_error(&err, expected, part, "runtime: %s: the message says \"%s\"", what, part);
    if (expected == RTW_OK)
        check(runtime != NULL, "runtime: %s: there is one", what);
    else
        check(runtime == NULL, "runtime: %s: *out is NULL", what);
    rtw_runtime_destroy(runtime);
}

static void test_config(void) {
    rtw_runtime_config_t good = runtime_config();
    check_config(&good, RTW_OK, "", "defaults");

#define WITH(field, value, expected, part)                                \
    do {                                                                  \
        rtw_runtime_config_t config = good;                               \
        config.field = value;                                             \
        check_config(&config, expected, part, #field " = " #value);       \
    } while (0)
    WITH(struct_size, 0, RTW_ERR_STRUCT_SIZE, "_init");
    WITH(struct_size, (uint32_t)sizeof(rtw_runtime_config_t) - 2, RTW_ERR_STRUCT_SIZE, "struct_size");
    WITH(struct_size, 4100, RTW_ERR_STRUCT_SIZE, "struct_size");
    WITH(struct_size, UINT32_MAX, RTW_ERR_STRUCT_SIZE, "4294967295");
    WITH(profile, RTW_PROFILE_ANY, RTW_OK, "");
    WITH(profile, 3, RTW_ERR_ARGUMENT, "profile is 3");
    WITH(sched_policy, 4, RTW_ERR_ARGUMENT, "sched_policy is 4");
    WITH(sched_policy, (uint32_t)RTW_SCHED_RUNTIME, RTW_ERR_ARGUMENT, "sched_policy");
    WITH(sched_policy, RTW_SCHED_FIFO, RTW_ERR_ARGUMENT, "priority is 0");
    WITH(sched_policy, RTW_SCHED_RR, RTW_ERR_ARGUMENT, "priority is 0");
    WITH(sched_policy, RTW_SCHED_OTHER, RTW_OK, "");
    WITH(priority, 1, RTW_ERR_ARGUMENT, "priority is 1");
    WITH(priority, -1, RTW_ERR_ARGUMENT, "priority is -1");
    WITH(statistics, 2, RTW_ERR_ARGUMENT, "statistics is 2");
    WITH(statistics, 0, RTW_OK, "");
    WITH(memory_lock, 3, RTW_ERR_ARGUMENT, "memory_lock is 3");
    WITH(memory_lock, RTW_LOCK_ON, RTW_OK, "");
    WITH(memory_lock, RTW_LOCK_REQUIRED, RTW_OK, "");
    WITH(guest_stack_bytes, 16383, RTW_ERR_ARGUMENT, "guest_stack_bytes is 16383");
    WITH(guest_stack_bytes, 16384, RTW_OK, "");
    WITH(guest_stack_bytes, 67108864, RTW_OK, "");
    WITH(guest_stack_bytes, 67108865, RTW_ERR_ARGUMENT, "guest_stack_bytes is 67108865");
    WITH(guest_stack_bytes, UINT64_MAX, RTW_ERR_ARGUMENT, "guest_stack_bytes");
    WITH(cpu_set[15], UINT64_C(1) << 63, RTW_OK, "");
    rtw_runtime_config_t fifo = good;
    fifo.sched_policy = RTW_SCHED_FIFO;
    fifo.priority = 99;
    check_config(&fifo, RTW_OK, "", "FIFO 99");
    fifo.priority = 100;
    check_config(&fifo, RTW_ERR_ARGUMENT, "100", "FIFO 100");
    fifo.sched_policy = RTW_SCHED_OTHER;
    fifo.priority = 1;
    check_config(&fifo, RTW_ERR_ARGUMENT, "priority is 1", "SCHED_OTHER with a priority");
}

/* Where the library itself is to be locked and cannot be; in a process of its own. */
static void without_memlock(void *data) {
    (void)data;
    drop_rights(65536);
    rtw_runtime_config_t config = runtime_config();
    config.memory_lock = RTW_LOCK_REQUIRED;
    check_config(&config, RTW_ERR_MEMLOCK, "64 KiB", "64 KiB of locked memory where locking is required");
    config.memory_lock = RTW_LOCK_ON;
    check_config(&config, RTW_OK, "", "64 KiB of locked memory where locking is wished for");
}

static void test_create(void) {
    rtw_error_t err;
    rtw_runtime_config_t config = runtime_config();
    check_status(rtw_runtime_create(&config, NULL, &err), RTW_ERR_NULL, "runtime: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "runtime: out is NULL: the message names it");
    rtw_runtime_t *runtime = NULL;
    check_status(rtw_runtime_create(&config, &runtime, NULL), RTW_OK, "runtime: without an error struct");
    rtw_runtime_destroy(runtime);
    check_status(rtw_runtime_create(&config, NULL, NULL), RTW_ERR_NULL, "runtime: nothing but NULL");
    check_status(rtw_runtime_create(NULL, &runtime, &err), RTW_OK, "runtime: without a configuration");
    rtw_runtime_destroy(runtime);
    rtw_runtime_t *many[20];
    bool all = true;
    for (int i = 0; i < 20; i++) all = rtw_runtime_create(&config, &many[i], NULL) == RTW_OK && all;
    check(all, "twenty runtimes at once");
    for (int i = 0; i < 20; i++) rtw_runtime_destroy(many[(i * 7) % 20]);
    rtw_runtime_destroy(NULL);
    check(true, "destroying NULL does nothing");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_version();
    test_statuses();
    test_inits();
    test_config();
    test_create();
    if (!sanitized) check_in_child("without memlock", without_memlock, NULL);
    return check_summary();
}
