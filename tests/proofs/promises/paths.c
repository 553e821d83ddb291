#include "paths.h"

#include "calls.h"
#include "rows.h"

#include <string.h>

/* ---- proving one */

static void set_cancel_type(int type)
{
    int before;
    NEED(pthread_setcanceltype(type, &before) == 0, "pthread_setcanceltype");
}

static void make_calls(const path_t *path, findings_t *findings, uint64_t calls)
{
    if (path->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_ASYNCHRONOUS);
    section_begin();
    for (uint64_t i = 0; i < calls; i++)
        path->call(path->func, findings, i);
    section_end(findings);
    if (path->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_DEFERRED);
}

/* Returns what the observers see of one call that commits the violation. */
static findings_t plant(const path_t *path, violation_t violation)
{
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    path->host->violation = violation;
    make_calls(path, &findings, 1);
    path->host->violation = NONE;
    return findings;
}

void prove_path(const path_t *path, uint64_t calls)
{
    findings_t f;
    memset(&f, 0, sizeof f);
    make_calls(path, &f, calls);
    const char *name = path->name;
    path_row(name, "allocates nothing", "malloc interposer", &f, f.allocations == 0, plant(path, ALLOCATE).allocations > 0);
    path_row(name, "locks nothing", "pthread interposer", &f, f.locks == 0, plant(path, LOCK).locks > 0);
    path_row(name, "no system call", "seccomp filter", &f, f.system_calls == 0, plant(path, SYSTEM_CALL).system_calls > 0);
    path_row(name, "no page fault", "getrusage of the thread", &f, f.minor_faults == 0 && f.major_faults == 0,
             plant(path, TOUCH).minor_faults > 0);
    path_row(name, "keeps the CPU", "voluntary switches", &f, f.switches == 0, plant(path, SLEEP).switches > 0);
}

/* ---- cancellable threads, host functions that may block */

enum { DEFERRED, BLOCKING, DEFERRED_BLOCKING, CANCELLABLE };
static host_t hosts[CANCELLABLE];
static path_t cancellable[CANCELLABLE] = {
    {"calls that hold a cancellation off", host_call, NULL, &hosts[DEFERRED], true},
    {"host functions that may block", host_call, NULL, &hosts[BLOCKING], false},
    {"host functions that let a cancellation in", host_call, NULL, &hosts[DEFERRED_BLOCKING], true},
};
static const uint32_t visit_flags[CANCELLABLE] = {0, RTW_HOST_MAY_BLOCK, RTW_HOST_MAY_BLOCK};

/* Makes an instance in a runtime of its own: how a thread can be cancelled is noted when it attaches. */
static rtw_instance_t *set_up_cancellable(int which, rtw_runtime_t *runtime)
{
    path_t *path = &cancellable[which];
    if (path->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_ASYNCHRONOUS);
    attach_here(runtime);
    if (path->asynchronous)
        set_cancel_type(PTHREAD_CANCEL_DEFERRED);
    rtw_instance_t *made = instance_of(load(runtime, "work"), path->host, visit_flags[which]);
    path->func = look_up(made, "ask", NULL);
    prepare_instance(made);
    return made;
}

static void prove_cancellable(const path_t *path, uint64_t calls)
{
    if (path->asynchronous) {
        path->host->cancel_type = PTHREAD_CANCEL_ASYNCHRONOUS;
        plant(path, ASK_CANCEL_TYPE);
        NEED(path->host->cancel_type == PTHREAD_CANCEL_DEFERRED, "%s: nothing is held off", path->name);
    }
    prove_path(path, calls);
}

/* ---- statistics, tables and globals */

/* The host of these paths. */
static host_t host;

static void violate_if_planted(void)
{
    if (host.violation != NONE)
        violate(&host);
}

static rtw_recorder_t *recorder;

static rtw_status_t record(rtw_func_t *func, rtw_value_t *values, size_t ns)
{
    (void)func, (void)values;
    violate_if_planted();
    return rtw_recorder_record_ns(recorder, ns);
}

static void records(rtw_func_t *none, findings_t *findings, uint64_t i)
{
    expect(findings, guarded_call(record, none, NULL, (i * i) & 0xffffff, &findings->changed) == RTW_OK);
}

/* Calls an entry; one that is empty, and one of another type, which are refused. */
static rtw_status_t call_entries(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    violate_if_planted();
    if (rtw_invoke_entry(func, 1, values, count) != RTW_ERR_NO_EXPORT || rtw_invoke_entry(func, 2, values, count) != RTW_ERR_SIGNATURE)
        return RTW_ERR_INTERNAL;
    return rtw_invoke_entry(func, 0, values, count);
}

/* Adds two numbers with a function that is called that way. */
static void add(called_t how, rtw_func_t *func, findings_t *findings, uint64_t i, int32_t addend)
{
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = (int32_t)(i & 0xffff), values[1].i32 = addend;
    const int32_t sum = values[0].i32 + addend;
    expect(findings, guarded_call(how, func, values, 2, &findings->changed) == RTW_OK && values[0].i32 == sum);
}

static void calls_entries(rtw_func_t *func, findings_t *findings, uint64_t i) { add(call_entries, func, findings, i, 1); }

/* The host function in the table. */
static rtw_status_t add_in_host(void *user_data, rtw_instance_t *caller, rtw_value_t *values)
{
    (void)user_data, (void)caller;
    violate_if_planted();
    values[0].i32 += values[1].i32;
    return RTW_OK;
}

static void calls_placed(rtw_func_t *func, findings_t *findings, uint64_t i) { add(rtw_invoke, func, findings, i, 2); }

static rtw_global_t *level;

/* Writes a global and reads it. */
static rtw_status_t use_global(rtw_func_t *none, rtw_value_t *values, size_t count)
{
    (void)none, (void)count;
    violate_if_planted();
    const rtw_status_t status = rtw_global_set(level, &values[0]);
    return status == RTW_OK ? rtw_global_get(level, &values[1]) : status;
}

static void uses_global(rtw_func_t *none, findings_t *findings, uint64_t i)
{
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].f64 = (double)i;
    expect(findings, guarded_call(use_global, none, values, 2, &findings->changed) == RTW_OK && values[1].f64 == (double)i);
}

static path_t others[] = {
    {"times of the host's own", records, NULL, &host, false},
    {"calls of a table's entries", calls_entries, NULL, &host, false},
    {"host functions in a table", calls_placed, NULL, &host, false},
    {"globals that were looked up", uses_global, NULL, &host, false},
};
enum { TIMES, ENTRIES, PLACED, GLOBALS, OTHERS };

static void set_up_others(rtw_runtime_t *runtime, rtw_instance_t *first, rtw_instance_t *second)
{
    static const char *const type = "(i32,i32)->(i32)";
    rtw_error_t err;
    ready_host(&host);
    OK(rtw_recorder_create(runtime, "host", &recorder, &err), err);
    OK(rtw_instance_global(first, "level", "f64", &level, &err), err);
    OK(rtw_instance_table_set(first, "table", 0, type, add_in_host, NULL, NULL, 0, &err), err);
    others[PLACED].func = look_up(first, "bulk", NULL);
    OK(rtw_instance_table_func_dynamic(second, "table", type, &others[ENTRIES].func, &err), err);
}

/* ---- all of them */

rtw_runtime_t *set_up_paths(void)
{
    rtw_runtime_t *runtimes[CANCELLABLE];
    rtw_instance_t *instances[CANCELLABLE];
    for (int i = 0; i < CANCELLABLE; i++) {
        runtimes[i] = make_runtime();
        instances[i] = set_up_cancellable(i, runtimes[i]);
    }
    set_up_others(runtimes[DEFERRED], instances[DEFERRED], instances[BLOCKING]);
    return runtimes[DEFERRED];
}

void prove_paths(uint64_t calls)
{
    for (int i = 0; i < CANCELLABLE; i++)
        prove_cancellable(&cancellable[i], calls);
    for (int i = 0; i < OTHERS; i++)
        prove_path(&others[i], calls);
}
