/* Host functions: what they are given, what they may do, and how they fail. */
#include "../support/common.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

static rtw_runtime_t *runtime;
static rtw_module_t *module;
static rtw_error_t err;

/* The host's side of one instance. */
struct host {
    int notes, turns, enters, silents;
    int32_t noted;
    rtw_instance_t *seen;
    pthread_t thread;
    rtw_status_t answer;                     /* of every function that has nothing else to say */
    rtw_func_t *again;                       /* what `enter` calls */
    rtw_status_t inner;                      /* what that call answered */
    bool swallow;                            /* `enter` answers RTW_OK all the same */
    void (*inside)(struct host *, rtw_instance_t *); /* what `silent` does */
    void *data;
};

static rtw_status_t host_note(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    struct host *host = user_data;
    host->notes++;
    host->seen = instance;
    host->thread = pthread_self();
    host->noted = values[0].i32;
    values[0].f32 = values[1].f32 * 2;
    return host->answer;
}

static rtw_status_t host_turn(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    struct host *host = user_data;
    host->turns++;
    rtw_value_t in[5];
    memcpy(in, values, sizeof in);
    for (int i = 0; i < 5; i++) values[i] = in[4 - i];
    return host->answer;
}

/* Calls the guest again, one deeper. */
static rtw_status_t host_enter(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    struct host *host = user_data;
    host->enters++;
    if (values[0].i32 <= 0) return host->answer;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = values[0].i32 - 1;
    rtw_status_t inner = rtw_invoke(host->again, &value, 1);
    if (inner != RTW_OK && host->inner == RTW_OK) host->inner = inner;
    values[0].i32 = value.i32;
    return host->swallow ? RTW_OK : inner;
}

static rtw_status_t host_silent(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)values;
    struct host *host = user_data;
    host->silents++;
    if (host->inside != NULL) host->inside(host, instance);
    return host->answer;
}

static rtw_imports_t *make_imports(struct host *host) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "note", "(i32,f32)->(f32)", host_note, host, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", host_turn, host, NULL, 0, &err), &err, "turn");
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", host_enter, host, NULL, 0, &err), &err, "enter");
    require(rtw_imports_func(imports, "env", "silent", "()->()", host_silent, host, NULL, 0, &err), &err, "silent");
    return imports;
}

static rtw_instance_t *make_instance(struct host *host) {
    memset(host, 0, sizeof *host);
    rtw_imports_t *imports = make_imports(host);
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "an instance");
    rtw_imports_destroy(imports); /* the instance keeps what it needs */
    return instance;
}

static void test_imports(void) {
    rtw_imports_t *flagged = NULL;
    require(rtw_imports_create(&flagged, &err), &err, "imports");
    check_status(rtw_imports_func(flagged, "env", "f", "()->()", host_silent, NULL, NULL, RTW_HOST_MAY_BLOCK | RTW_HOST_CHANGES_FLOAT, &err), RTW_OK, "all flags");
    check_status(rtw_imports_func(flagged, "env", "f", "()->()", host_silent, NULL, NULL, 4, &err), RTW_ERR_ARGUMENT, "a flag that is not known");
    check_error(&err, RTW_ERR_ARGUMENT, "flags", "and the message names it");
    rtw_imports_destroy(flagged);

    rtw_imports_t *imports = NULL;
    check_status(rtw_imports_create(&imports, &err), RTW_OK, "imports: an empty list");
    rtw_imports_t *other = NULL;
    check_status(rtw_imports_create(&other, NULL), RTW_OK, "imports: without an error struct");
    rtw_imports_destroy(other);
    check_status(rtw_imports_create(NULL, &err), RTW_ERR_NULL, "imports: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "imports: out is NULL: the message names it");
    rtw_imports_destroy(NULL);
    check_status(rtw_imports_func(imports, NULL, "f", "()->()", host_silent, NULL, NULL, 0, &err), RTW_ERR_NULL, "imports: module is NULL");
    check_error(&err, RTW_ERR_NULL, "module", "imports: module is NULL: the message names it");
    check_status(rtw_imports_func(imports, "env", NULL, "()->()", host_silent, NULL, NULL, 0, &err), RTW_ERR_NULL, "imports: name is NULL");
    check_error(&err, RTW_ERR_NULL, "name", "imports: name is NULL: the message names it");
    check_status(rtw_imports_func(imports, "env", "f", NULL, host_silent, NULL, NULL, 0, &err), RTW_ERR_NULL, "imports: signature is NULL");
    check_error(&err, RTW_ERR_NULL, "signature", "imports: signature is NULL: the message names it");
    check_status(rtw_imports_func(imports, "env", "f", "()->()", NULL, NULL, NULL, 0, &err), RTW_ERR_NULL, "imports: func is NULL");
    check_error(&err, RTW_ERR_NULL, "func", "imports: func is NULL: the message names it");
    check_status(rtw_imports_func(imports, "env", "f", "()", host_silent, NULL, NULL, 0, &err), RTW_ERR_SIGNATURE_SYNTAX, "imports: half a signature");
    check_error(&err, RTW_ERR_SIGNATURE_SYNTAX, "\"()\"", "imports: half a signature: the message repeats it");
    check_status(rtw_imports_func(imports, "\xff", "f", "()->()", host_silent, NULL, NULL, 0, &err), RTW_ERR_ARGUMENT, "imports: a module that is not UTF-8");
    check_status(rtw_imports_func(imports, "env", "\xff", "()->()", host_silent, NULL, NULL, 0, &err), RTW_ERR_ARGUMENT, "imports: a name that is not UTF-8");
    check_status(rtw_imports_func(imports, "env", "f", "()->(\xff)", host_silent, NULL, NULL, 0, &err), RTW_ERR_ARGUMENT, "imports: a signature that is not UTF-8");
    check_status(rtw_imports_func(imports, "env", "f", "()->()", host_silent, NULL, NULL, 0, NULL), RTW_OK, "imports: without an error struct, without user data");
    check_status(rtw_imports_func(imports, "", "", "()->()", host_silent, NULL, NULL, 0, &err), RTW_OK, "imports: empty names");
    rtw_imports_destroy(imports);
}

static void test_linking(void) {
    struct host host;
    memset(&host, 0, sizeof host);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    rtw_instance_t *instance = (rtw_instance_t *)(void *)&host;
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_ERR_IMPORT_MISSING, "linking: an empty list");
    check_error(&err, RTW_ERR_IMPORT_MISSING, "\"env\" \"note\" (i32,f32)->(f32)", "linking: an empty list: the message has name and type");
    check(instance == NULL, "linking: an empty list: *out is NULL");
    rtw_imports_destroy(imports);

    imports = make_imports(&host);
    require(rtw_imports_func(imports, "env", "enter", "(i64)->(i32)", host_enter, &host, NULL, 0, &err), &err, "enter, wrongly");
    check_status(rtw_instance_create(module, imports, NULL, &instance, &err), RTW_ERR_IMPORT_TYPE, "linking: another type");
    check_error(&err, RTW_ERR_IMPORT_TYPE, "(i32)->(i32)", "linking: another type: the message has what is wanted");
    check_error(&err, RTW_ERR_IMPORT_TYPE, "(i64)->(i32)", "linking: another type: and what there is");
    check_error(&err, RTW_ERR_IMPORT_TYPE, "\"env\" \"enter\"", "linking: another type: and its name");
    /* A second function of a name replaces the first for instances made afterwards, and for them only. */
    struct host later;
    memset(&later, 0, sizeof later);
    require(rtw_imports_func(imports, "env", "enter", "(i32)->(i32)", host_enter, &host, NULL, 0, &err), &err, "enter, rightly");
    rtw_instance_t *before = NULL, *after = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &before, &err), RTW_OK, "linking: put right");
    require(rtw_imports_func(imports, "env", "silent", "()->()", host_silent, &later, NULL, 0, &err), &err, "another silent");
    check_status(rtw_instance_create(module, imports, NULL, &after, &err), RTW_OK, "linking: with a replaced function");
    (void)call(before, "silent", NULL, 0);
    check(host.silents == 1 && later.silents == 0, "linking: the instance made before has the first");
    (void)call(after, "silent", NULL, 0);
    check(host.silents == 1 && later.silents == 1, "linking: the instance made afterwards has the second");
    check_status(rtw_instance_reset(before, &err), RTW_OK, "linking: a reset");
    rtw_imports_destroy(imports);
    (void)call(before, "silent", NULL, 0);
    check(host.silents == 2 && later.silents == 1, "linking: keeps the functions that it was made with");
    rtw_instance_destroy(before);
    rtw_instance_destroy(after);
    /* More than is wanted does no harm. */
    imports = make_imports(&host);
    rtw_module_t *plain = load(runtime, "calls");
    check_status(rtw_instance_create(plain, imports, NULL, &instance, &err), RTW_OK, "linking: a module that imports nothing");
    rtw_instance_destroy(instance);
    rtw_module_destroy(plain);
    rtw_imports_destroy(imports);
}

static void test_values(void) {
    struct host host;
    rtw_instance_t *instance = make_instance(&host);
    rtw_value_t v[5];
    memset(v, 0, sizeof v);
    v[0].i32 = -9, v[1].f32 = 1.25f;
    check_status(call(instance, "note", v, 2), RTW_OK, "values: a call");
    check(host.notes == 1 && host.noted == -9 && v[0].f32 == 3.0f, "values: arguments in, result out");
    check(host.seen == instance, "values: the host function is given the instance's handle");
    check(pthread_equal(host.thread, pthread_self()), "values: it runs on the thread that called the guest");
    memset(v, 0, sizeof v);
    v[0].i32 = -1, v[1].i64 = INT64_MIN, v[2].f32 = 0.5f, v[3].f64 = 1e-300;
    for (int byte = 0; byte < 16; byte++) v[4].v128[byte] = (uint8_t)(255 - byte);
    check_status(call(instance, "turn", v, 5), RTW_OK, "values: five of every type");
    bool lanes = true;
    for (int byte = 0; byte < 16; byte++) lanes = lanes && v[0].v128[byte] == 255 - byte;
    check(lanes && v[1].f64 == 1e-300 && v[2].f32 == 0.5f && v[3].i64 == INT64_MIN && v[4].i32 == -1, "values: five results in their order");
    rtw_instance_destroy(instance);
}

static void test_failing(void) {
    static const rtw_status_t answers[] = {-1, 1, RTW_ERR_NULL, RTW_ERR_FAULTED, RTW_ERR_TRAP_STACK, INT32_MIN, INT32_MAX};
    struct host host;
    rtw_instance_t *instance = make_instance(&host);
    rtw_value_t v[2];
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        host.answer = answers[i];
        memset(v, 0, sizeof v);
        check_status(call(instance, "note", v, 2), RTW_ERR_HOST, "failing: the host answers %d", answers[i]);
        host.answer = RTW_OK;
        check_status(call(instance, "note", v, 2), RTW_ERR_FAULTED, "failing: the instance has faulted");
        rtw_fault_t fault;
        rtw_fault_init(&fault);
        check_status(rtw_instance_fault(instance, &fault, &err), RTW_OK, "failing: the fault is told");
        check(fault.status == RTW_ERR_HOST && fault.host_status == answers[i], "failing: with the host's answer, %d", fault.host_status);
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "failing: a reset");
        v[0].i32 = 5, v[1].f32 = 1;
        check_status(call(instance, "note", v, 2), RTW_OK, "failing: runs again");
    }
    rtw_instance_destroy(instance);
}

static void test_reentry(void) {
    struct host host;
    rtw_instance_t *instance = make_instance(&host);
    rtw_func_t *enter = look_up(instance, "enter", "(i32)->(i32)");
    rtw_func_t *twice = look_up(instance, "double", NULL);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    host.again = twice;
    value.i32 = 21;
    check_status(rtw_invoke(enter, &value, 1), RTW_OK, "re-entry: the host calls the guest that called it");
    check(value.i32 == 41, "re-entry: 2 * 20 + 1 is %d", value.i32);
    /* Down and up again. */
    host.again = enter;
    host.enters = 0;
    value.i32 = 20;
    check_status(rtw_invoke(enter, &value, 1), RTW_OK, "re-entry: twenty deep");
    check(value.i32 == 21 && host.enters == 21, "re-entry: every level added one");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(enter, &stats) == RTW_OK && stats.call.count == 22, "re-entry: every level is counted: %llu", (unsigned long long)stats.call.count);
    check_status(rtw_invoke(twice, &value, 1), RTW_OK, "re-entry: afterwards calls go on");

    /* A nested trap. */
    rtw_func_t *trap = look_up(instance, "trap", NULL);
    host.again = trap;
    value.i32 = 1;
    check_status(rtw_invoke(enter, &value, 1), RTW_ERR_HOST, "nested trap: the outer call ends as the host's failure");
    check_status(host.inner, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "nested trap: the inner call says why");
    check_status(rtw_invoke(twice, &value, 1), RTW_ERR_FAULTED, "nested trap: the instance has faulted");
    check_status(rtw_instance_reset(instance, &err), RTW_OK, "nested trap: a reset");
    host.inner = RTW_OK;
    host.swallow = true;
    value.i32 = 1;
    check_status(rtw_invoke(enter, &value, 1), RTW_ERR_HOST, "nested trap that the host hides: the outer call ends all the same");
    check_status(host.inner, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "nested trap that the host hides: the inner call said why");
    check_status(rtw_invoke(twice, &value, 1), RTW_ERR_FAULTED, "nested trap that the host hides: the instance has faulted");
    require(rtw_instance_reset(instance, &err), &err, "a reset");

    /* Endless recursion through the host ends at the guest's stack limit, with the host's frames in between. */
    host.again = enter;
    host.inner = RTW_OK;
    host.swallow = false;
    value.i32 = INT32_MAX;
    check_status(rtw_invoke(enter, &value, 1), RTW_ERR_HOST, "recursion through the host ends");
    /* Where it ends, in the guest or in the host's function, is a matter of both frames' sizes. */
    check(host.inner == RTW_ERR_TRAP_STACK || host.inner == RTW_ERR_STACK_SIZE, "recursion through the host: at the stack's limit: %s",
          rtw_status_name(host.inner));
    require(rtw_instance_reset(instance, &err), &err, "a reset");
    value.i32 = 3;
    check_status(rtw_invoke(twice, &value, 1), RTW_OK, "recursion through the host: after a reset it runs");
    check(value.i32 == 6, "recursion through the host: and counts right");
    rtw_func_destroy(trap);
    rtw_func_destroy(enter);
    rtw_func_destroy(twice);
    rtw_instance_destroy(instance);
}

/* A host function's permitted uses of the instance that calls it. */
static void look_around(struct host *host, rtw_instance_t *instance) {
    rtw_memory_view_t view;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_memory(instance, NULL, &view, NULL), RTW_OK, "inside: rtw_instance_memory");
    check(view.size_bytes == 65536 && rtw_instance_memory_at(instance, 65535, 1) == (char *)view.base + 65535, "inside: rtw_instance_memory_at");
    value.i32 = 5;
    check_status(rtw_instance_global_set(instance, "depth", &value, NULL), RTW_OK, "inside: rtw_instance_global_set");
    value.i32 = 0;
    check_status(rtw_instance_global_get(instance, "depth", &value, NULL), RTW_OK, "inside: rtw_instance_global_get");
    check(value.i32 == 5, "inside: the global is set");
    check_status(rtw_instance_reset(instance, &err), RTW_ERR_BUSY, "inside: rtw_instance_reset");
    check_error(&err, RTW_ERR_BUSY, "in a call", "inside: rtw_instance_reset: the message says why");
    /* Growth by a nested call is seen at once. */
    value.i32 = 1;
    check_status(rtw_invoke(host->again, &value, 1), RTW_OK, "inside: a nested call grows the memory");
    rtw_memory_view_t grown;
    check_status(rtw_instance_memory(instance, NULL, &grown, NULL), RTW_OK, "inside: the view after growth");
    check(grown.base == view.base && grown.size_bytes == 131072, "inside: the same place, more of it");
    check(rtw_instance_memory_at(instance, 131071, 1) != NULL, "inside: the last new byte");
}

static void test_inside(void) {
    struct host host;
    rtw_instance_t *instance = make_instance(&host);
    host.inside = look_around;
    host.again = look_up(instance, "grow", NULL);
    check_status(call(instance, "silent", NULL, 0), RTW_OK, "inside: the outer call ends well");
    check(host.silents == 1, "inside: it was there");
    check(rtw_instance_memory_at(instance, 131071, 1) != NULL, "inside: the growth stays");
    rtw_func_destroy(host.again);
    rtw_instance_destroy(instance);
}

/* Two instances calling each other: what one host function does on another instance. */
struct relay {
    rtw_func_t *other;
    rtw_status_t inner;
};

static void call_other(struct host *host, rtw_instance_t *instance) {
    (void)instance;
    struct relay *relay = host->data;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = 4;
    relay->inner = rtw_invoke(relay->other, &value, 1);
}

static void test_two_instances(void) {
    struct host one_host, other_host;
    rtw_instance_t *one = make_instance(&one_host), *other = make_instance(&other_host);
    struct relay relay = {look_up(other, "double", NULL), RTW_OK};
    one_host.inside = call_other;
    one_host.data = &relay;
    check_status(call(one, "silent", NULL, 0), RTW_OK, "two instances: one calls the other from its host function");
    check_status(relay.inner, RTW_OK, "two instances: the other answers");
    rtw_func_destroy(relay.other);
    relay.other = look_up(other, "trap", NULL);
    check_status(call(one, "silent", NULL, 0), RTW_OK, "two instances: a trap of the other leaves the one alone");
    check_status(relay.inner, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "two instances: the other trapped");
    check_status(call(one, "silent", NULL, 0), RTW_OK, "two instances: the one goes on");
    check_status(relay.inner, RTW_ERR_FAULTED, "two instances: the other does not");
    rtw_func_destroy(relay.other);
    rtw_instance_destroy(one);
    rtw_instance_destroy(other);
}

/* Calls the guest again and again, which calls another host function each time. */
static void call_often(struct host *host, rtw_instance_t *instance) {
    rtw_func_t *note = host->data;
    rtw_value_t values[2];
    for (int i = 0; i < 3; i++) {
        memset(values, 0, sizeof values);
        values[0].i32 = i, values[1].f32 = 2;
        const rtw_status_t status = rtw_invoke(note, values, 2);
        if (host->inner == RTW_OK) host->inner = values[0].f32 == 4.5f ? status : RTW_ERR_INTERNAL;
    }
    rtw_memory_view_t view;
    check_status(rtw_instance_memory(instance, NULL, &view, &err), RTW_OK, "again and again: and looks at the guest's memory");
}

/* In a process of its own: a library that takes the inner function for one that longjmp has left ends it. */
static void again_and_again(void *data) {
    (void)data;
    struct host host;
    rtw_instance_t *instance = make_instance(&host);
    rtw_func_t *note = look_up(instance, "note", NULL);
    host.inside = call_often;
    host.data = note;
    check_status(call(instance, "silent", NULL, 0), RTW_OK, "again and again: a host function calls the guest three times");
    check_status(host.inner, RTW_OK, "again and again: which calls another one each time");
    check(host.notes == 3 && host.seen == instance, "again and again: three times");
    rtw_func_destroy(note);
    rtw_instance_destroy(instance);
}

/* ---- another thread while a call runs ---- */
struct crossing {
    rtw_runtime_t *runtime;
    rtw_instance_t *instance;
    rtw_func_t *func;
    sem_t inside, answered;
};

/* The status that another thread gets while this one is in a call. */
static void check_busy(struct crossing *crossing, const char *where) {
    rtw_value_t value;
    rtw_memory_view_t view;
    rtw_func_t *found = NULL;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke(crossing->func, &value, 1), RTW_ERR_BUSY, "busy %s: rtw_invoke", where);
    check_status(rtw_instance_memory(crossing->instance, NULL, &view, &err), RTW_ERR_BUSY, "busy %s: rtw_instance_memory", where);
    check_error(&err, RTW_ERR_BUSY, "in a call", "busy %s: the message says why", where);
    check_status(rtw_instance_func(crossing->instance, "pages", NULL, &found, NULL), RTW_ERR_BUSY, "busy %s: rtw_instance_func", where);
    rtw_func_destroy(found);
    check_status(rtw_instance_global_get(crossing->instance, "depth", &value, NULL), RTW_ERR_BUSY, "busy %s: rtw_instance_global_get", where);
    check_status(rtw_instance_global_set(crossing->instance, "depth", &value, NULL), RTW_ERR_BUSY, "busy %s: rtw_instance_global_set", where);
    check_status(rtw_instance_prepare(crossing->instance, NULL, NULL, NULL), RTW_ERR_BUSY, "busy %s: rtw_instance_prepare", where);
    check_status(rtw_instance_reset(crossing->instance, NULL), RTW_ERR_BUSY, "busy %s: rtw_instance_reset", where);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_func_stats(crossing->func, &stats), RTW_OK, "busy %s: statistics can be read at any time", where);
}

static void wait_inside(struct host *host, rtw_instance_t *instance) {
    (void)instance;
    struct crossing *crossing = host->data;
    sem_post(&crossing->inside);
    sem_wait(&crossing->answered);
}

static void *call_silent(void *data) {
    struct crossing *crossing = data;
    attach_here(crossing->runtime);
    rtw_status_t status = call(crossing->instance, "silent", NULL, 0);
    return status == RTW_OK ? NULL : data;
}

/* The calling thread is in a host function. In a process of its own: a library that lets the other thread in may crash. */
static void busy_in_host(void *data) {
    (void)data;
    struct host host;
    struct crossing crossing;
    crossing.runtime = runtime;
    crossing.instance = make_instance(&host);
    crossing.func = look_up(crossing.instance, "double", NULL);
    sem_init(&crossing.inside, 0, 0);
    sem_init(&crossing.answered, 0, 0);
    host.inside = wait_inside;
    host.data = &crossing;
    pthread_t thread;
    pthread_create(&thread, NULL, call_silent, &crossing);
    sem_wait(&crossing.inside);
    check_busy(&crossing, "in a host function");
    sem_post(&crossing.answered);
    void *failed;
    pthread_join(thread, &failed);
    check(failed == NULL, "busy in a host function: the call ends well");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke(crossing.func, &value, 1), RTW_OK, "busy in a host function: afterwards this thread may call");
    rtw_func_destroy(crossing.func);
    rtw_instance_destroy(crossing.instance);
}

static void *call_wait(void *data) {
    struct crossing *crossing = data;
    attach_here(crossing->runtime);
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    rtw_status_t status = call(crossing->instance, "wait", &value, 1);
    return status == RTW_OK && value.i32 == 9 ? NULL : data;
}

/* The calling thread is in the guest. */
static void test_busy_in_guest(void) {
    guest_t guest = open_guest("calls", NULL);
    struct crossing crossing;
    crossing.runtime = guest.runtime;
    crossing.instance = guest.instance;
    crossing.func = look_up(guest.instance, "pages", NULL);
    int32_t *words = rtw_instance_memory_at(guest.instance, 0, 8);
    pthread_t thread;
    pthread_create(&thread, NULL, call_wait, &crossing);
    while (__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) == 0) sched_yield();
    check_busy(&crossing, "in the guest");
    __atomic_store_n(&words[1], 9, __ATOMIC_RELEASE);
    void *failed;
    pthread_join(thread, &failed);
    check(failed == NULL, "busy in the guest: the call ends well");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke(crossing.func, &value, 1), RTW_OK, "busy in the guest: afterwards this thread may call");
    rtw_func_destroy(crossing.func);
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    module = load(runtime, "host");
    test_imports();
    test_linking();
    test_values();
    test_failing();
    test_reentry();
    test_inside();
    test_two_instances();
    test_busy_in_guest();
    check_in_child("again and again", again_and_again, NULL);
    check_in_child("busy in a host function", busy_in_host, NULL);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
