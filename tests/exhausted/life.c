#include "life.h"

#include <rtwasm_compiler.h>

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const life_t *own;
static uint64_t seen;
static bool repeated;
static rtw_error_t err;
static unsigned char *artifact;
static size_t artifact_bytes;
static char path[256];

#define WRONG(...) (own->report->wrong[0] == 0 ? (void)snprintf(own->report->wrong, sizeof own->report->wrong, __VA_ARGS__) : (void)0)

/* Looks at what a call answered. True where it is to be made again: something failed, and it said so. */
static bool again(const char *call, rtw_status_t status, rtw_status_t expected, const rtw_error_t *error)
{
    const uint64_t failed = own->injector->failed();
    const bool fresh = failed != seen;
    life_report_t *report = own->report;
    if (fresh && seen == 0) {
        snprintf(report->call, sizeof report->call, "%.*s", (int)strcspn(call, "("), call);
        report->status = status;
        report->os_error = error != NULL ? error->os_error : 0;
        snprintf(report->message, sizeof report->message, "%.159s", error != NULL && status != RTW_OK ? error->message : "");
        own->injector->describe(report);
    }
    seen = failed;
    if (fresh && status != expected && !repeated) {
        own->injector->stop();
        seen = own->injector->failed();
        if (!own->injector->allowed(status)) WRONG("%.60s answered %s: %.60s", call, rtw_status_name(status), error != NULL ? error->message : "");
        repeated = true;
        return true;
    }
    /* The call that meets a failure on another thread reports it; later calls succeed. */
    if (status != expected) {
        WRONG("%.50s answers %s%s: %.60s", call, rtw_status_name(status), repeated ? " again" : "", error != NULL ? error->message : "");
    }
    repeated = false;
    return false;
}

/* Makes a call of the API, once more if there was no memory. */
#define CALL(expression) do { err.message[0] = 0; } while (again(#expression, (expression), RTW_OK, &err))
#define PLAIN(expression) do {} while (again(#expression, (expression), RTW_OK, NULL))
#define ANSWERS(expected, expression) do {} while (again(#expression, (expression), (expected), NULL))
#define VOID(expression) do { (expression); } while (again(#expression, RTW_OK, RTW_OK, NULL))
/* The objects that all others need. */
#define HAVE(thing) if ((thing) == NULL) { WRONG("no " #thing); return false; } else (void)0

static rtw_status_t told(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)instance, (void)values;
    ++*(int *)user_data;
    return RTW_OK;
}

static _Atomic uint32_t spares_ready, spares_failed;
static _Atomic rtw_status_t spare_status;

static void on_event(void *user_data, const rtw_slot_event_t *event)
{
    (void)user_data;
    if (event->kind == RTW_SLOT_EVENT_SPARE_READY) atomic_fetch_add(&spares_ready, 1);
    if (event->kind == RTW_SLOT_EVENT_SPARE_FAILED) {
        atomic_store(&spare_status, event->status);
        atomic_fetch_add(&spares_failed, 1);
    }
}

/* The handles of a kind that are kept unused before the first is used again. */
enum { KEPT_UNUSED = 260 };
/* More than a life has of any kind at a time. */
enum { AT_A_TIME = 8 };

/* Waits for the housekeeper, as long as it takes. */
static bool wait_for_spare(uint32_t ready)
{
    while (atomic_load(&spares_ready) < ready && atomic_load(&spares_failed) == 0) poll(NULL, 0, 1);
    if (atomic_load(&spares_failed) == 0) return true;
    own->injector->stop();
    atomic_store(&spares_failed, 0);
    return false;
}

/* The call during which it failed may have been noted already, as one that succeeded. */
static void spare_has_failed(void)
{
    const rtw_status_t status = atomic_load(&spare_status);
    if (!own->injector->allowed(status)) WRONG("a spare failed with %s", rtw_status_name(status));
    if (own->report->status == RTW_OK) {
        snprintf(own->report->call, sizeof own->report->call, "RTW_SLOT_EVENT_SPARE_FAILED");
        own->report->status = status;
        own->injector->describe(own->report);
    }
    seen = own->injector->failed();
}

static rtw_status_t carry(void *user_data, rtw_instance_t *from, rtw_instance_t *to)
{
    (void)user_data;
    return from != NULL && to != NULL ? RTW_OK : RTW_ERR_INTERNAL;
}

static rtw_status_t step(void *user_data, const rtw_tick_t *tick)
{
    (void)user_data;
    return tick->index >= 3 ? RTW_STEP_STOP : RTW_OK;
}

static int buffer = -1;
static int spares_told;

/* Publishes an instance, and waits for the slot's spare. */
static bool publish_until_spare(rtw_slot_t *slot, rtw_module_t *module, rtw_imports_t *imports)
{
    for (int round = 0; round < 3; round++) {
        rtw_instance_t *instance = NULL;
        CALL(rtw_instance_create(module, imports, NULL, &instance, &err));
        HAVE(instance);
        CALL(rtw_instance_table_set(instance, "table", 1, "(i32)->()", told, &spares_told, NULL, 0, &err));
        CALL(rtw_instance_map(instance, NULL, 0, 4096, buffer, 0, 0, &err));
        atomic_store(&spares_ready, 0);
        CALL(rtw_slot_publish(slot, instance, NULL, &err));
        VOID(rtw_instance_destroy(instance));
        if (wait_for_spare(1)) break;
        spare_has_failed(); /* the next publication tries again */
    }
    return true;
}

static bool live_slot(rtw_runtime_t *runtime, rtw_module_t *module, rtw_imports_t *imports)
{
    const rtw_wanted_func_t funcs[] = {{.name = "work", .signature = "(i32)->(i32)"}, {.name = "add"}};
    rtw_value_t value = {.i32 = 1};
    const rtw_dry_call_t dry = {.values = &value, .value_count = 1, .repeats = 2, .func_index = 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = funcs;
    config.func_count = 2;
    config.standby = 1;
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    config.on_event = on_event;
    if (own->carries) {
        config.state = RTW_STATE_HOST;
        config.on_state = carry;
    }
    atomic_store(&spares_ready, 0);
    atomic_store(&spares_failed, 0);
    rtw_slot_t *slot = NULL;
    CALL(rtw_slot_create(runtime, &config, &slot, &err));
    HAVE(slot);
    if (!publish_until_spare(slot, module, imports)) return false;
    PLAIN(rtw_slot_invoke(slot, 0, &value, 1, NULL));
    value.i32 = 13;
    ANSWERS(RTW_ERR_TRAP_UNREACHABLE, rtw_slot_invoke(slot, 0, &value, 1, NULL));
    value.i32 = 1;
    PLAIN(rtw_slot_invoke(slot, 0, &value, 1, NULL));
    if (own->carries) {
        rtw_instance_t *instance = NULL;
        CALL(rtw_instance_create(module, imports, NULL, &instance, &err));
        HAVE(instance);
        CALL(rtw_slot_publish(slot, instance, NULL, &err));
        VOID(rtw_instance_destroy(instance));
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    PLAIN(rtw_slot_func_stats(slot, 0, &stats));
    rtw_slot_stats_t slot_stats;
    rtw_slot_stats_init(&slot_stats);
    PLAIN(rtw_slot_stats(slot, &slot_stats));
    VOID(rtw_slot_destroy(slot));
    return true;
}

static bool live_workers(rtw_runtime_t *runtime, rtw_instance_t *instance)
{
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_PERIODIC;
    config.period_ns = 200000;
    config.step = step;
    rtw_worker_t *worker = NULL;
    CALL(rtw_worker_create(runtime, &config, &worker, &err));
    HAVE(worker);
    CALL(rtw_worker_start(worker, &err));
    PLAIN(rtw_worker_join(worker, RTW_FOREVER));
    rtw_interval_t *interval = NULL;
    CALL(rtw_worker_interval(worker, RTW_SERIES_CALL, &interval, &err));
    HAVE(interval);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    PLAIN(rtw_interval_read(interval, &stats));
    rtw_worker_stats_t worker_stats;
    rtw_worker_stats_init(&worker_stats);
    PLAIN(rtw_worker_stats(worker, &worker_stats));
    rtw_worst_t worst[4];
    size_t count = 0;
    memset(worst, 0, sizeof worst);
    PLAIN(rtw_worker_worst(worker, worst, 4, &count));
    rtw_second_t seconds[4];
    memset(seconds, 0, sizeof seconds);
    PLAIN(rtw_worker_timeline(worker, seconds, 4, &count));
    size_t length = 0;
    rtw_export_config_t export_config;
    rtw_export_config_init(&export_config);
    if (own->exports) CALL(rtw_worker_export(worker, &export_config, &length, &err));
    VOID(rtw_interval_destroy(interval));
    VOID(rtw_worker_destroy(worker));

    rtw_func_t *add = NULL;
    CALL(rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, &err));
    HAVE(add);
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    config.queue_capacity = 4;
    worker = NULL;
    CALL(rtw_worker_create(runtime, &config, &worker, &err));
    HAVE(worker);
    CALL(rtw_worker_start(worker, &err));
    PLAIN(rtw_worker_submit(worker, add, values, 2, 7));
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    PLAIN(rtw_worker_wait(worker, &completion, RTW_FOREVER));
    if (completion.status != RTW_OK || completion.values[0].i32 != 42) WRONG("a completion says %s and %d", rtw_status_name(completion.status), completion.values[0].i32);
    PLAIN(rtw_worker_invoke(worker, add, values, 2));
    PLAIN(rtw_worker_stop(worker));
    VOID(rtw_worker_destroy(worker));
    VOID(rtw_func_destroy(add));
    return true;
}

/* Additions of the host's to a guest: functions in its table, a buffer in its memory, handles of its entries and globals. */
static bool live_additions(rtw_instance_t *instance, int *count)
{
    rtw_func_t *entry = NULL, *any = NULL, *through = NULL;
    rtw_global_t *level = NULL;
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    CALL(rtw_instance_table_grow(instance, "table", 1, NULL, &err));
    CALL(rtw_instance_memory_grow(instance, NULL, 1, NULL, &err));
    for (uint64_t index = 1; index <= 2; index++) CALL(rtw_instance_table_set(instance, "table", index, "(i32)->()", told, count, NULL, 0, &err));
    CALL(rtw_instance_table_set(instance, NULL, 2, "(i32)->()", told, count, NULL, RTW_HOST_MAY_BLOCK, &err));
    CALL(rtw_instance_table_func(instance, NULL, 0, "(i32,i32)->(i32)", &entry, &err));
    CALL(rtw_instance_table_func_dynamic(instance, NULL, "(i32)->()", &any, &err));
    CALL(rtw_instance_func(instance, "through", "(i32,i32)->()", &through, &err));
    CALL(rtw_instance_global(instance, "level", "i32", &level, &err));
    CALL(rtw_instance_map(instance, NULL, 65536, 65536, buffer, 0, 0, &err));
    HAVE(entry);
    HAVE(any);
    HAVE(through);
    HAVE(level);
    for (int round = 0; round < 2; round++) {
        const int before = *count;
        values[0].i32 = 40, values[1].i32 = 2;
        PLAIN(rtw_invoke(entry, values, 2));
        PLAIN(rtw_invoke_entry(any, 1, values, 1));
        values[0].i32 = 2, values[1].i32 = 5;
        PLAIN(rtw_invoke(through, values, 2));
        PLAIN(rtw_global_set(level, values));
        PLAIN(rtw_global_get(level, values + 1));
        if (*count != before + 2 || values[1].i32 != 2) WRONG("a guest has lost an addition");
        if (round == 0) CALL(rtw_instance_reset(instance, &err));
    }
    CALL(rtw_instance_table_set_func(instance, NULL, 1, entry, &err));
    CALL(rtw_instance_table_set_func(instance, NULL, 2, NULL, &err));
    VOID(rtw_global_destroy(level));
    VOID(rtw_func_destroy(through));
    VOID(rtw_func_destroy(any));
    VOID(rtw_func_destroy(entry));
    return true;
}

static bool live_calls(rtw_instance_t *instance)
{
    rtw_func_t *add = NULL, *work = NULL;
    CALL(rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, &err));
    CALL(rtw_instance_func(instance, "work", NULL, &work, &err));
    HAVE(add);
    HAVE(work);
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    const rtw_dry_call_t dry = {.func = add, .values = values, .value_count = 2, .repeats = 2};
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    prepare.dry_calls = &dry;
    prepare.dry_call_count = 1;
    rtw_prepare_report_t prepared;
    rtw_prepare_report_init(&prepared);
    CALL(rtw_instance_prepare(instance, &prepare, &prepared, &err));
    PLAIN(rtw_invoke(add, values, 2));
    values[0].i32 = 13;
    ANSWERS(RTW_ERR_TRAP_UNREACHABLE, rtw_invoke(work, values, 1));
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    CALL(rtw_instance_fault(instance, &fault, &err));
    CALL(rtw_instance_reset(instance, &err));
    values[0].i32 = 1;
    PLAIN(rtw_invoke(work, values, 1));
    rtw_memory_view_t view;
    CALL(rtw_instance_memory(instance, "memory", &view, &err));
    CALL(rtw_instance_global_get(instance, "level", values, &err));
    CALL(rtw_instance_global_set(instance, "level", values, &err));

    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    PLAIN(rtw_func_stats(work, &stats));
    PLAIN(rtw_instance_stats(instance, &stats));
    rtw_bucket_t buckets[8];
    size_t count = 0, length = 0;
    PLAIN(rtw_func_buckets(work, buckets, 8, &count));
    rtw_interval_t *of_func = NULL, *of_instance = NULL;
    CALL(rtw_func_interval(work, &of_func, &err));
    CALL(rtw_instance_interval(instance, &of_instance, &err));
    HAVE(of_func);
    HAVE(of_instance);
    PLAIN(rtw_invoke(work, values, 1));
    PLAIN(rtw_interval_read(of_func, &stats));
    PLAIN(rtw_interval_read(of_instance, &stats));
    rtw_export_config_t config;
    rtw_export_config_init(&config);
    for (uint32_t format = RTW_EXPORT_JSON; own->exports && format <= RTW_EXPORT_CSV; format++) {
        config.format = format;
        CALL(rtw_func_export(work, &config, &length, &err));
    }
    char written[256];
    snprintf(written, sizeof written, "%s/written.%s.json", artifacts, profile_name);
    config.format = RTW_EXPORT_JSON;
    config.expected_interval_ns = 1000000;
    if (own->exports) {
        config.path = written;
        CALL(rtw_instance_export(instance, &config, &length, &err));
        config.path = NULL;
        CALL(rtw_interval_export(of_func, &config, &length, &err));
    }
    rtw_export_subject_t subjects[2];
    memset(subjects, 0, sizeof subjects);
    subjects[0].func = work;
    subjects[1].instance = instance;
    subjects[1].name = "all";
    if (own->exports) CALL(rtw_export(subjects, 2, sizeof *subjects, &config, &length, &err));
    PLAIN(rtw_func_stats_reset(work));
    VOID(rtw_interval_destroy(of_func));
    VOID(rtw_interval_destroy(of_instance));
    VOID(rtw_func_destroy(work));
    VOID(rtw_func_destroy(add));
    return true;
}

void prepare_lives(const life_t *life)
{
    snprintf(path, sizeof path, "%s", strchr(life->guest, '/') != NULL ? life->guest : artifact_path(life->guest));
    artifact = read_file(path, &artifact_bytes);
    buffer = memfd_create("buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ftruncate(buffer, 65536) != 0 || fcntl(buffer, F_ADD_SEALS, F_SEAL_SHRINK) != 0) exit(2);
}

bool live(const life_t *life)
{
    own = life;
    seen = 0;
    repeated = false;
    int count = 0;

    rtw_imports_t *imports = NULL;
    CALL(rtw_imports_create(&imports, &err));
    HAVE(imports);
    CALL(rtw_imports_func(imports, "env", "told", "(i32)->()", told, &count, NULL, 0, &err));
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.guest_stack_bytes = 64 << 10;
    config.memory_lock = life->memory_lock;
    rtw_runtime_t *runtime = NULL;
    CALL(rtw_runtime_create(&config, &runtime, &err));
    HAVE(runtime);
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    CALL(rtw_module_probe(runtime, artifact, artifact_bytes, &info, &err));
    rtw_module_t *module = NULL, *again_from_file = NULL;
    CALL(rtw_module_load(runtime, artifact, artifact_bytes, &module, &err));
    HAVE(module);
    CALL(rtw_module_load_file(runtime, path, &again_from_file, &err));
    VOID(rtw_module_destroy(again_from_file));
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = 1000000000;
    limits.growth = RTW_GROWTH_ALLOWED;
    rtw_instance_t *instance = NULL;
    CALL(rtw_instance_create(module, imports, &limits, &instance, &err));
    HAVE(instance);
    CALL(rtw_thread_attach(runtime, NULL, &err));
    bool good = live_calls(instance) && live_additions(instance, &count) && live_workers(runtime, instance);
    good = good && live_slot(runtime, module, imports);
    CALL(rtw_thread_detach(runtime, &err));
    rtw_watchdog_stats_t watchdog;
    rtw_watchdog_stats_init(&watchdog);
    PLAIN(rtw_runtime_watchdog(runtime, &watchdog));
    VOID(rtw_instance_destroy(instance));
    VOID(rtw_module_destroy(module));
    VOID(rtw_imports_destroy(imports));
    VOID(rtw_runtime_destroy(runtime));
    return good && life->report->wrong[0] == 0;
}

bool live_large(const life_t *life)
{
    enum { IMPORTS = 200, FUNCS = 40, SLOT_FUNCS = 100, DRY_CALLS = 4000 };
    own = life;
    seen = 0;
    repeated = false;
    static char names[SLOT_FUNCS][64];
    static rtw_wanted_func_t slot_funcs[SLOT_FUNCS];
    int count = 0;
    char name[64];
    for (int i = 0; i < SLOT_FUNCS; i++) {
        snprintf(names[i], sizeof names[i], "a_function_with_a_long_name_and_the_number_%d", i);
        slot_funcs[i].name = names[i];
    }
    rtw_imports_t *imports = NULL;
    CALL(rtw_imports_create(&imports, &err));
    HAVE(imports);
    for (int i = 0; i < IMPORTS; i++) {
        snprintf(name, sizeof name, "a_function_of_the_host_with_the_number_%d", i);
        CALL(rtw_imports_func(imports, "env", name, "(i32)->()", told, &count, NULL, 0, &err));
    }
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    rtw_runtime_t *runtime = NULL;
    CALL(rtw_runtime_create(&config, &runtime, &err));
    HAVE(runtime);
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    CALL(rtw_module_probe(runtime, artifact, artifact_bytes, &info, &err));
    rtw_module_t *module = NULL;
    CALL(rtw_module_load_file(runtime, path, &module, &err));
    HAVE(module);
    rtw_instance_t *instance = NULL;
    CALL(rtw_instance_create(module, imports, NULL, &instance, &err));
    HAVE(instance);
    CALL(rtw_thread_attach(runtime, NULL, &err));
    rtw_func_t *funcs[FUNCS] = {NULL};
    rtw_value_t value = {.i32 = 1};
    for (int i = 0; i < FUNCS / 2; i++) {
        CALL(rtw_instance_func(instance, names[i], NULL, &funcs[i], &err));
        HAVE(funcs[i]);
    }
    CALL(rtw_instance_funcs(instance, slot_funcs + FUNCS / 2, FUNCS / 2, funcs + FUNCS / 2, &err));
    HAVE(funcs[FUNCS - 1]);
    static rtw_dry_call_t dry_calls[DRY_CALLS], slots_dry_calls[DRY_CALLS];
    for (int i = 0; i < DRY_CALLS; i++) {
        dry_calls[i].func = funcs[i % FUNCS];
        dry_calls[i].values = slots_dry_calls[i].values = &value;
        dry_calls[i].value_count = slots_dry_calls[i].value_count = 1;
        dry_calls[i].repeats = slots_dry_calls[i].repeats = 2;
        slots_dry_calls[i].func_index = (uint32_t)i % SLOT_FUNCS;
    }
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    prepare.dry_calls = dry_calls;
    prepare.dry_call_count = DRY_CALLS;
    CALL(rtw_instance_prepare(instance, &prepare, NULL, &err));
    for (int i = 0; i < FUNCS; i++) {
        value.i32 = 1;
        PLAIN(rtw_invoke(funcs[i], &value, 1));
    }
    CALL(rtw_instance_reset(instance, &err));
    rtw_export_config_t export_config;
    rtw_export_config_init(&export_config);
    size_t written = 0;
    CALL(rtw_instance_export(instance, &export_config, &written, &err));
    export_config.format = RTW_EXPORT_HTML;
    CALL(rtw_instance_export(instance, &export_config, &written, &err));
    rtw_worker_config_t worker_config;
    rtw_worker_config_init(&worker_config);
    worker_config.kind = RTW_WORKER_QUEUE;
    worker_config.queue_capacity = 8192;
    worker_config.dry_calls = dry_calls;
    worker_config.dry_call_count = DRY_CALLS;
    rtw_worker_t *worker = NULL;
    CALL(rtw_worker_create(runtime, &worker_config, &worker, &err));
    HAVE(worker);
    CALL(rtw_worker_start(worker, &err));
    PLAIN(rtw_worker_stop(worker));
    VOID(rtw_worker_destroy(worker));
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.funcs = slot_funcs;
    slot_config.func_count = SLOT_FUNCS;
    slot_config.standby = 1;
    slot_config.dry_calls = slots_dry_calls;
    slot_config.dry_call_count = DRY_CALLS;
    slot_config.on_event = on_event;
    rtw_slot_t *slot = NULL;
    CALL(rtw_slot_create(runtime, &slot_config, &slot, &err));
    HAVE(slot);
    if (!publish_until_spare(slot, module, imports)) return false;
    PLAIN(rtw_slot_invoke(slot, SLOT_FUNCS - 1, &value, 1, NULL));
    VOID(rtw_slot_destroy(slot));
    for (int i = 0; i < FUNCS; i++) VOID(rtw_func_destroy(funcs[i]));
    CALL(rtw_thread_detach(runtime, &err));
    VOID(rtw_instance_destroy(instance));
    VOID(rtw_module_destroy(module));
    VOID(rtw_imports_destroy(imports));
    VOID(rtw_runtime_destroy(runtime));
    return life->report->wrong[0] == 0;
}

/* One of everything that has a handle. */
typedef struct things_t {
    rtw_imports_t *imports;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *func[3];
    rtw_interval_t *interval;
    rtw_slot_t *slot;
    rtw_worker_t *worker;
} things_t;

static void make(things_t *things)
{
    static int count;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.guest_stack_bytes = 64 << 10;
    config.memory_lock = own->memory_lock;
    const rtw_wanted_func_t slot_func = {.name = "work", .signature = "(i32)->(i32)"};
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.funcs = &slot_func;
    slot_config.func_count = 1;
    rtw_worker_config_t worker_config;
    rtw_worker_config_init(&worker_config);
    worker_config.kind = RTW_WORKER_QUEUE;
    worker_config.queue_capacity = 1;
    CALL(rtw_imports_create(&things->imports, &err));
    CALL(rtw_imports_func(things->imports, "env", "told", "(i32)->()", told, &count, NULL, 0, &err));
    CALL(rtw_runtime_create(&config, &things->runtime, &err));
    CALL(rtw_module_load(things->runtime, artifact, artifact_bytes, &things->module, &err));
    CALL(rtw_instance_create(things->module, things->imports, NULL, &things->instance, &err));
    for (int n = 0; n < 3; n++) CALL(rtw_instance_func(things->instance, "work", NULL, &things->func[n], &err));
    CALL(rtw_func_interval(things->func[0], &things->interval, &err));
    CALL(rtw_slot_create(things->runtime, &slot_config, &things->slot, &err));
    CALL(rtw_worker_create(things->runtime, &worker_config, &things->worker, &err));
}

static void end(things_t *things)
{
    VOID(rtw_worker_destroy(things->worker));
    VOID(rtw_slot_destroy(things->slot));
    VOID(rtw_interval_destroy(things->interval));
    for (int n = 0; n < 3; n++) VOID(rtw_func_destroy(things->func[n]));
    VOID(rtw_instance_destroy(things->instance));
    VOID(rtw_module_destroy(things->module));
    VOID(rtw_runtime_destroy(things->runtime));
    VOID(rtw_imports_destroy(things->imports));
}

void live_long(const life_t *life)
{
    own = life;
    seen = 0;
    repeated = false;
    things_t more[AT_A_TIME], one;
    for (int i = 0; i < AT_A_TIME; i++) make(&more[i]);
    for (int i = 0; i < KEPT_UNUSED; i++) {
        make(&one);
        end(&one);
    }
    for (int i = 0; i < AT_A_TIME; i++) end(&more[i]);
}

bool live_compile(const life_t *life)
{
    own = life;
    seen = 0;
    repeated = false;
    rtw_compile_options_t options;
    rtw_compile_options_init(&options);
    options.profile = profile;
    void *compiled = NULL;
    size_t compiled_bytes = 0;
    CALL(rtw_compile(artifact, artifact_bytes, &options, &compiled, &compiled_bytes, &err));
    HAVE(compiled);
    VOID(rtw_compile_free(compiled, compiled_bytes));
    return life->report->wrong[0] == 0;
}

void live_long_doctor(const life_t *life)
{
    own = life;
    seen = 0;
    repeated = false;
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    config.root = artifacts; /* where there is nothing to be read, which is soon done */
    for (int i = 0; i < KEPT_UNUSED; i++) {
        rtw_host_report_t *report = NULL;
        CALL(rtw_host_check(&config, &report, &err));
        VOID(rtw_host_report_destroy(report));
    }
}

bool live_doctor(const life_t *life)
{
    own = life;
    seen = 0;
    repeated = false;
    rtw_host_config_t config;
    rtw_host_config_init(&config);
    rtw_host_report_t *report = NULL;
    CALL(rtw_host_check(&config, &report, &err));
    HAVE(report);
    uint32_t verdict;
    PLAIN(rtw_host_report_verdict(report, RTW_HOST_CLASS_CONTROL_1KHZ, &verdict));
    VOID(rtw_host_report_destroy(report));
    return life->report->wrong[0] == 0;
}
