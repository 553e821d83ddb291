/* A program of another version than the library: built against a header whose structs are smaller (OLDER) or larger (NEWER) than the
 * library's, or as they are. Whatever it is, the library reads and writes no more than both know. Uses no field that OLDER lacks. */
#include <rtwasm.h>
#include <rtwasm_compiler.h>

#include "../support/check.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static rtw_error_t err;

static void see(bool good, const char *what, const char *how) {
    check(good, "%s: %s", what, how);
    if (!good && err.message[0]) printf("    %s\n", err.message);
}

static void need(rtw_status_t status, const char *what) { require(status, &err, "%s", what); }

static bool untouched(const unsigned char *canary) {
    for (int i = 0; i < 64; i++)
        if (canary[i] != 0xa5) return false;
    return true;
}

#if defined(NEWER)
#define PLANT(x, value) ((x)->planted = (value))
#define CHECK_REFUSED(name, x, call)                                                      \
    do {                                                                                  \
        PLANT(x, 1);                                                                      \
        see((call) == RTW_ERR_STRUCT_SIZE, name, "a field that the library does not know is refused"); \
        PLANT(x, 0);                                                                      \
    } while (0)
#define CHECK_ZEROED(name, x) see((x)->planted == 0, name, "what the library does not know is zeroed")
#else
#define PLANT(x, value) (void)(x)
#define CHECK_REFUSED(name, x, call) (void)(x)
#define CHECK_ZEROED(name, x) (void)(x)
#endif

/* Something in a struct of the caller's size, `it`, with a canary behind it. */
#define BOX(noun)                                                                                \
    struct {                                                                                     \
        noun##_t it;                                                                             \
        unsigned char canary[64];                                                                \
    } box;                                                                                       \
    noun##_t *const it = &box.it;                                                                \
    memset(&box, 0xa5, sizeof box);                                                              \
    noun##_init(it);                                                                             \
    see(untouched(box.canary) && it->struct_size == sizeof *it, #noun "_t", "_init writes the caller's struct and no more")

/* A configuration: `set` fills it in, `call` returns RTW_OK. */
#define IN(noun, set, call)                                          \
    do {                                                             \
        BOX(noun);                                                   \
        set;                                                         \
        CHECK_REFUSED(#noun "_t", it, call);                         \
        see((call) == RTW_OK, #noun "_t", "it is taken");          \
    } while (0)

/* An output: `call` returns RTW_OK, and then `told` holds. */
#define OUT(noun, call, told)                                                                    \
    do {                                                                                         \
        BOX(noun);                                                                               \
        PLANT(it, 7);                                                                            \
        see((call) == RTW_OK && (told), #noun "_t", #call);                                    \
        see(untouched(box.canary) && it->struct_size == sizeof *it, #noun "_t", "no more than the caller's size is written"); \
        CHECK_ZEROED(#noun "_t", it);                                                            \
    } while (0)

static const char guest[] =
    "(module (memory (export \"memory\") 1 2)"
    " (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))"
    " (func (export \"grow\") (result i32) (memory.grow (i32.const 1)))"
    " (func (export \"trap\") unreachable))";

static rtw_func_t *look_up(rtw_instance_t *instance, const char *name) {
    rtw_func_t *func;
    need(rtw_instance_func(instance, name, NULL, &func, &err), name);
    return func;
}

static void test_slot(rtw_runtime_t *runtime, rtw_module_t *module) {
    const rtw_wanted_func_t add = {"add", NULL, 0};
    rtw_slot_t *slot = NULL;
    IN(rtw_slot_config, (it->funcs = &add, it->func_count = 1), (rtw_slot_destroy(slot), rtw_slot_create(runtime, it, &slot, &err)));
    rtw_instance_t *instance;
    need(rtw_instance_create(module, NULL, NULL, &instance, &err), "the slot's instance");
    need(rtw_slot_publish(slot, instance, NULL, &err), "publish");
    rtw_instance_destroy(instance);
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    need(rtw_slot_invoke(slot, 0, values, 2, NULL), "a block");
    OUT(rtw_slot_stats, rtw_slot_stats(slot, it), it->blocks == 1 && it->publications == 1);
    OUT(rtw_func_stats, rtw_slot_func_stats(slot, 0, it), it->call.count == 1);
    rtw_slot_destroy(slot);
}

static void test_worker(rtw_runtime_t *runtime, rtw_func_t *add) {
    rtw_worker_t *worker = NULL;
    IN(rtw_worker_config, it->kind = RTW_WORKER_QUEUE, (rtw_worker_destroy(worker), rtw_worker_create(runtime, it, &worker, &err)));
    need(rtw_worker_start(worker, &err), "the worker starts");
    const rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    need(rtw_worker_submit(worker, add, values, 2, 5), "submit");
    OUT(rtw_completion, rtw_worker_wait(worker, it, RTW_FOREVER), it->status == RTW_OK && it->tag == 5);
    need(rtw_worker_submit(worker, add, values, 2, 6), "submit");
    while (rtw_worker_stop(worker) != RTW_OK) {}
    OUT(rtw_completion, rtw_worker_poll(worker, it), it->tag == 6);
    OUT(rtw_worker_info, rtw_worker_info(worker, it), it->thread_id > 0);
    OUT(rtw_worker_stats, rtw_worker_stats(worker, it), it->ticks >= 1 && it->submitted == 2);
    rtw_worker_destroy(worker);
}

static void test_statistics(rtw_instance_t *instance, rtw_func_t *add) {
    rtw_interval_t *interval;
    need(rtw_func_interval(add, &interval, &err), "an interval");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    need(rtw_invoke(add, values, 2), "a call");
    OUT(rtw_func_stats, rtw_func_stats(add, it), it->call.count == 1);
    OUT(rtw_func_stats, rtw_instance_stats(instance, it), it->call.count == 1);
    OUT(rtw_func_stats, rtw_interval_read(interval, it), it->call.count == 1);
    IN(rtw_export_config, it->format = RTW_EXPORT_CSV, rtw_func_export(add, it, NULL, &err));
    IN(rtw_export_config, (void)0, rtw_instance_export(instance, it, NULL, &err));
    IN(rtw_export_config, (void)0, rtw_interval_export(interval, it, NULL, &err));

    /* An array, whose stride is the caller's. */
    rtw_export_subject_t subjects[2];
    memset(subjects, 0, sizeof subjects);
    subjects[0].func = add;
    rtw_func_t *grow = look_up(instance, "grow");
    subjects[1].func = grow;
    const size_t stride = sizeof subjects[0];
    IN(rtw_export_config, (void)0, rtw_export(subjects, 2, stride, it, NULL, &err));
    rtw_export_config_t config;
    rtw_export_config_init(&config);
#if defined(NEWER)
    subjects[1].planted = 1;
    see(rtw_export(subjects, 2, stride, &config, NULL, &err) == RTW_ERR_STRUCT_SIZE, "rtw_export_subject_t", "a field that the library does not know is refused");
    subjects[1].planted = 0;
#endif
    see(rtw_export(subjects, 2, stride + 1, &config, NULL, &err) == RTW_ERR_STRUCT_SIZE, "rtw_export_subject_t", "a stride that no struct has is refused");
    /* A recorder reports in the struct of funcs, and is exported like one. */
    rtw_runtime_t *runtime;
    rtw_recorder_t *recorder;
    need(rtw_runtime_create(NULL, &runtime, &err), "a runtime");
    need(rtw_recorder_create(runtime, "chain", &recorder, &err), "a recorder");
    need(rtw_recorder_record_ns(recorder, 1000), "a time");
    OUT(rtw_func_stats, rtw_recorder_stats(recorder, it), it->call.count == 1);
    subjects[1].func = NULL, subjects[1].recorder = recorder;
    IN(rtw_export_config, (void)0, rtw_export(subjects, 2, stride, it, NULL, &err));
    rtw_recorder_destroy(recorder), rtw_runtime_destroy(runtime);
    rtw_func_destroy(grow);
    rtw_interval_destroy(interval);
}

static void test_faults(rtw_instance_t *instance) {
    rtw_func_t *trap = look_up(instance, "trap"), *grow = look_up(instance, "grow");
    rtw_value_t value = {.i32 = 0};
    need(rtw_invoke(grow, &value, 1), "a growth");
    OUT(rtw_growth, rtw_instance_growth(instance, it), it->granted + it->refused == 1);
    see(rtw_invoke(trap, NULL, 0) == RTW_ERR_TRAP_UNREACHABLE, "trap", "it traps");
    OUT(rtw_fault, rtw_instance_fault(instance, it, &err), it->status == RTW_ERR_TRAP_UNREACHABLE && it->function_index == 2);
    rtw_func_destroy(trap), rtw_func_destroy(grow);
}

/* Older than anything that will be released: what these programs do not know has its default, also where that is not zero. */
static void test_oldest(rtw_module_t *module, const void *artifact, size_t length) {
    uint32_t words[4] = {9, 9, 9, 9};
    rtw_runtime_config_init_sized((rtw_runtime_config_t *)(void *)words, 8);
    see(words[0] == 8 && words[2] == 9 && words[3] == 9, "the oldest", "_init_sized writes two words");
    words[1] = RTW_PROFILE_PLUGIN;
    rtw_runtime_t *runtime;
    need(rtw_runtime_create((const rtw_runtime_config_t *)(void *)words, &runtime, &err), "a runtime");
    need(rtw_module_load(runtime, artifact, length, &module, &err), "a module");
    rtw_instance_t *instance;
    need(rtw_instance_create(module, NULL, NULL, &instance, &err), "an instance");
    rtw_func_t *add = look_up(instance, "add");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    see(rtw_func_stats(add, &stats) == RTW_OK, "the oldest", "statistics are on by default");
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    rtw_thread_config_init_sized((rtw_thread_config_t *)(void *)words, 8);
    need(rtw_thread_attach(runtime, (const rtw_thread_config_t *)(void *)words, &err), "attach");
    sched_getaffinity(0, sizeof after, &after);
    see(CPU_EQUAL(&before, &after), "the oldest", "the affinity is left alone by default");
    need(rtw_thread_detach(runtime, &err), "detach");
    rtw_func_destroy(add), rtw_instance_destroy(instance), rtw_module_destroy(module), rtw_runtime_destroy(runtime);
}

/* The canary detects this: a library that takes this program for a newer one writes over it. */
static void test_canary(void) {
    struct {
        rtw_func_stats_t it;
        unsigned char canary[64];
    } box;
    memset(&box, 0xa5, sizeof box);
    rtw_func_stats_init_sized(&box.it, sizeof box.it + 8);
    see(!untouched(box.canary), "twin", "what is written behind a struct is found");
}

int main(void) {
    void *artifact = NULL;
    size_t length = 0;
    IN(rtw_compile_options, it->profile = RTW_PROFILE_PLUGIN,
       (rtw_compile_free(artifact, length), rtw_compile(guest, sizeof guest - 1, it, &artifact, &length, &err)));
    rtw_runtime_t *runtime = NULL;
    IN(rtw_runtime_config, it->profile = RTW_PROFILE_PLUGIN, (rtw_runtime_destroy(runtime), rtw_runtime_create(it, &runtime, &err)));
    IN(rtw_thread_config, (void)0, rtw_thread_attach(runtime, it, &err));
    OUT(rtw_module_info, rtw_module_probe(runtime, artifact, length, it, &err), it->export_count == 4);
    rtw_module_t *module;
    need(rtw_module_load(runtime, artifact, length, &module, &err), "a module");
    rtw_instance_t *instance = NULL;
    IN(rtw_instance_config, (void)0, (rtw_instance_destroy(instance), rtw_instance_create(module, NULL, it, &instance, &err)));
    IN(rtw_prepare_config, (void)0, rtw_instance_prepare(instance, it, NULL, &err));
    OUT(rtw_prepare_report, rtw_instance_prepare(instance, NULL, it, &err), it->touched_bytes > 0);
    OUT(rtw_runtime_stats, rtw_runtime_stats(runtime, it), it->attached_threads == 1);
    OUT(rtw_watchdog_stats, rtw_runtime_watchdog(runtime, it), it->sched_policy <= RTW_SCHED_RR && it->late.count == 0);
    OUT(rtw_signals, rtw_runtime_signals(runtime, it), it->status == RTW_OK);
    rtw_func_t *add = look_up(instance, "add");
    test_statistics(instance, add);
    test_slot(runtime, module);
    test_worker(runtime, add);
    test_faults(instance);
    rtw_host_report_t *report = NULL;
    IN(rtw_host_config, it->cpu = RTW_HOST_CPU_ANY, (rtw_host_report_destroy(report), rtw_host_check(it, &report, &err)));
    OUT(rtw_host_finding, rtw_host_report_finding(report, 0, it), it->state <= RTW_HOST_SKIPPED);
    rtw_host_report_destroy(report);
    test_oldest(module, artifact, length);
    test_canary();
    rtw_func_destroy(add), rtw_instance_destroy(instance), rtw_module_destroy(module), rtw_runtime_destroy(runtime);
    rtw_compile_free(artifact, length);
    return check_summary();
}
