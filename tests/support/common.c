#include "common.h"
#include "clock.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

rtw_runtime_config_t runtime_config(void) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    return config;
}

static rtw_runtime_t *make_runtime_with(const rtw_runtime_config_t *config) {
    rtw_runtime_t *runtime = NULL;
    rtw_error_t err;
    require(rtw_runtime_create(config, &runtime, &err), &err, "a %s runtime", profile_name);
    return runtime;
}

rtw_runtime_t *make_runtime(void) { return make_locking_runtime(RTW_LOCK_OFF); }

rtw_runtime_t *make_locking_runtime(uint32_t memory_lock) {
    rtw_runtime_config_t config = runtime_config();
    config.memory_lock = memory_lock;
    return make_runtime_with(&config);
}

rtw_module_t *load(rtw_runtime_t *runtime, const char *guest) {
    rtw_module_t *module = NULL;
    rtw_error_t err;
    require(rtw_module_load_file(runtime, artifact_path(guest), &module, &err), &err, "load %s", guest);
    return module;
}

void attach_here(rtw_runtime_t *runtime) {
    rtw_error_t err;
    rtw_status_t status = rtw_thread_attach(runtime, NULL, &err);
    if (status != RTW_ERR_ATTACHED) require(status, &err, "the calling thread is attached");
}

void settle_clock(void) {
    rtw_clock_step_ns();
    for (const uint64_t end_ns = now_ns() + 21 * MS; now_ns() < end_ns;) rtw_clock_step_ns();
}

guest_t open_guest(const char *guest, rtw_imports_t *imports) {
    guest_t made = open_unattached(guest, imports);
    attach_here(made.runtime);
    return made;
}

guest_t open_with(const char *guest, const rtw_runtime_config_t *config) {
    guest_t made = {make_runtime_with(config), NULL, NULL};
    attach_here(made.runtime);
    made.module = load(made.runtime, guest);
    renew(&made, NULL);
    return made;
}

guest_t open_locking(const char *guest, uint32_t memory_lock) {
    rtw_runtime_config_t config = runtime_config();
    config.memory_lock = memory_lock;
    return open_with(guest, &config);
}

guest_t open_unattached(const char *guest, rtw_imports_t *imports) {
    guest_t made = {make_runtime(), NULL, NULL};
    made.module = load(made.runtime, guest);
    renew(&made, imports);
    return made;
}

void renew(guest_t *guest, rtw_imports_t *imports) {
    rtw_instance_destroy(guest->instance);
    guest->instance = new_instance(guest->module, imports, 0);
}

rtw_instance_t *new_instance(rtw_module_t *module, rtw_imports_t *imports, uint64_t budget_ns) {
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = budget_ns;
    rtw_instance_t *instance = NULL;
    rtw_error_t err;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "an instance");
    return instance;
}

void close_guest(guest_t *guest) {
    (void)rtw_thread_detach(guest->runtime, NULL);
    rtw_instance_destroy(guest->instance);
    rtw_module_destroy(guest->module);
    rtw_runtime_destroy(guest->runtime);
    memset(guest, 0, sizeof *guest);
}

rtw_func_t *look_up(rtw_instance_t *instance, const char *name, const char *signature) {
    rtw_func_t *func = NULL;
    rtw_error_t err;
    require(rtw_instance_func(instance, name, signature, &func, &err), &err, "look up %s", name);
    return func;
}

rtw_slot_t *new_slot(rtw_runtime_t *runtime, const char *name, const char *type, const rtw_slot_config_t *config) {
    const rtw_wanted_func_t func = {name, type, 0};
    rtw_slot_config_t own;
    rtw_slot_config_init(&own);
    if (config != NULL) own = *config;
    own.funcs = &func;
    own.func_count = 1;
    rtw_slot_t *slot = NULL;
    rtw_error_t err;
    require(rtw_slot_create(runtime, &own, &slot, &err), &err, "a slot");
    return slot;
}

void wait_for_spares(rtw_slot_t *slot, uint64_t count) {
    while (stats_of_slot(slot).spares_ready != count) sched_yield();
}

rtw_worker_t *start_worker(rtw_runtime_t *runtime, const rtw_worker_config_t *config) {
    rtw_worker_t *worker = NULL;
    rtw_error_t err;
    require(rtw_worker_create(runtime, config, &worker, &err), &err, "a worker");
    require(rtw_worker_start(worker, &err), &err, "the worker starts");
    return worker;
}

rtw_func_stats_t stats_of_func(const rtw_func_t *func) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    require(rtw_func_stats(func, &stats), NULL, "a func's statistics");
    return stats;
}

rtw_func_stats_t stats_of_interval(rtw_interval_t *interval) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    require(rtw_interval_read(interval, &stats), NULL, "an interval's statistics");
    return stats;
}

rtw_slot_stats_t stats_of_slot(rtw_slot_t *slot) {
    rtw_slot_stats_t stats;
    rtw_slot_stats_init(&stats);
    require(rtw_slot_stats(slot, &stats), NULL, "a slot's statistics");
    return stats;
}

rtw_status_t call(rtw_instance_t *instance, const char *name, rtw_value_t *values, size_t count) {
    rtw_func_t *func = look_up(instance, name, NULL);
    rtw_status_t status = rtw_invoke(func, values, count);
    rtw_func_destroy(func);
    return status;
}

rtw_status_t call_with(rtw_instance_t *instance, const char *name, int32_t a, int32_t b, int32_t *result) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = a;
    values[1].i32 = b;
    const rtw_status_t status = call(instance, name, values, 2);
    if (result != NULL) *result = values[0].i32;
    return status;
}

int32_t call_i32(rtw_instance_t *instance, const char *name, int32_t a, int32_t b) {
    int32_t result;
    return call_with(instance, name, a, b, &result) == RTW_OK ? result : INT32_MIN;
}

void prepare_instance(rtw_instance_t *instance) {
    rtw_error_t err;
    require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
}

void limit_memlock(uint64_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) check(false, "the limit on locked memory can be set to %llu bytes", (unsigned long long)bytes);
}

void drop_rights(uint64_t memlock_bytes) {
    struct rlimit memlock = {memlock_bytes, memlock_bytes}, none = {0, 0};
    if (setrlimit(RLIMIT_RTPRIO, &none) != 0 || setrlimit(RLIMIT_MEMLOCK, &memlock) != 0 || (getuid() == 0 && setuid(65534) != 0))
        check(false, "rights are dropped, with %llu bytes of memory to be locked", (unsigned long long)memlock_bytes);
    /* A process that changed its user may not read its own /proc otherwise. */
    prctl(PR_SET_DUMPABLE, 1);
}

#if defined(ON_A_THREAD)
#undef main
typedef struct command_line_t {
    int argc;
    char **argv;
    int answer;
} command_line_t;

static void *run_test(void *data) {
    command_line_t *line = data;
    line->answer = test_main(line->argc, line->argv);
    return NULL;
}

int main(int argc, char **argv) {
    command_line_t line = {argc, argv, 2};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 8 << 20);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, run_test, &line) != 0) return 2;
    pthread_join(thread, NULL);
    return line.answer;
}
#endif
