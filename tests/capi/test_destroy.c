/* Destroying in every order: a child keeps its parents alive. */
#include "../support/common.h"

#include <string.h>

enum { RUNTIME, MODULE, IMPORTS, INSTANCE, FUNC, THREAD, KINDS };

static rtw_status_t host_nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance, (void)values;
    ++*(int *)user_data;
    return RTW_OK;
}

static rtw_status_t host_other(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

struct objects {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_func_t *func;
    int calls;
    bool attached; /* the calling thread */
};

static struct objects make(void) {
    static int calls;
    struct objects made;
    memset(&made, 0, sizeof made);
    rtw_error_t err;
    made.runtime = make_runtime();
    attach_here(made.runtime);
    made.attached = true;
    made.module = load(made.runtime, "host");
    require(rtw_imports_create(&made.imports, &err), &err, "imports");
    require(rtw_imports_func(made.imports, "env", "silent", "()->()", host_nothing, &calls, NULL, 0, &err), &err, "silent");
    require(rtw_imports_func(made.imports, "env", "note", "(i32,f32)->(f32)", host_other, NULL, NULL, 0, &err), &err, "note");
    require(rtw_imports_func(made.imports, "env", "enter", "(i32)->(i32)", host_other, NULL, NULL, 0, &err), &err, "enter");
    require(rtw_imports_func(made.imports, "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", host_other, NULL, NULL, 0, &err), &err, "turn");
    require(rtw_instance_create(made.module, made.imports, NULL, &made.instance, &err), &err, "an instance");
    made.func = look_up(made.instance, "double", NULL);
    return made;
}

/* The remaining objects work: calls as long as the thread is attached. */
static bool works(const struct objects *o) {
    rtw_status_t expected = o->attached ? RTW_OK : RTW_ERR_NOT_ATTACHED;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    bool good = true;
    if (o->func != NULL) {
        value.i32 = 4;
        good = good && rtw_invoke(o->func, &value, 1) == expected && value.i32 == (o->attached ? 8 : 4);
    }
    if (o->instance != NULL) {
        rtw_func_t *silent = NULL;
        good = good && rtw_instance_func(o->instance, "silent", NULL, &silent, NULL) == RTW_OK && rtw_invoke(silent, NULL, 0) == expected &&
               rtw_instance_memory_at(o->instance, 0, 65536) != NULL;
        rtw_func_destroy(silent);
    }
    if (o->module != NULL) {
        rtw_extern_t one;
        good = good && rtw_module_export_count(o->module) > 0 && rtw_module_export(o->module, 0, &one) == RTW_OK;
        if (o->imports != NULL) {
            rtw_instance_t *another = NULL;
            good = good && rtw_instance_create(o->module, o->imports, NULL, &another, NULL) == RTW_OK;
            rtw_instance_destroy(another);
        }
    }
    return good;
}

static void destroy(struct objects *o, int kind, rtw_status_t *detached) {
    switch (kind) {
        case RUNTIME: rtw_runtime_destroy(o->runtime), o->runtime = NULL; break;
        case MODULE: rtw_module_destroy(o->module), o->module = NULL; break;
        case IMPORTS: rtw_imports_destroy(o->imports), o->imports = NULL; break;
        case INSTANCE: rtw_instance_destroy(o->instance), o->instance = NULL; break;
        case FUNC: rtw_func_destroy(o->func), o->func = NULL; break;
        case THREAD:
            *detached = rtw_thread_detach(o->runtime, NULL);
            if (*detached == RTW_OK) o->attached = false;
            break;
    }
}

/* Every order of the first `n` kinds, by Heap's algorithm. */
static int orders, failures, wrong_detachments;

static void try_order(const int *order, int n) {
    struct objects o = make();
    bool runtime_gone = false, good = true;
    good = works(&o) && good;
    for (int i = 0; i < n; i++) {
        rtw_status_t detached = RTW_OK;
        destroy(&o, order[i], &detached);
        runtime_gone = runtime_gone || order[i] == RUNTIME;
        if (order[i] == THREAD && detached != (runtime_gone ? RTW_ERR_NULL : RTW_OK)) wrong_detachments++;
        good = works(&o) && good;
    }
    orders++;
    failures += !good;
}

static void permute(int *order, int at, int n) {
    if (at == n) {
        try_order(order, n);
        return;
    }
    for (int i = at; i < n; i++) {
        int swapped = order[at];
        order[at] = order[i];
        order[i] = swapped;
        permute(order, at + 1, n);
        order[i] = order[at];
        order[at] = swapped;
    }
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    int order[KINDS] = {RUNTIME, MODULE, IMPORTS, INSTANCE, FUNC, THREAD};
    permute(order, 0, FUNC + 1);
    check(orders == 120 && failures == 0, "every order of runtime, module, imports, instance and func: %d, of which %d failed", orders, failures);
    orders = failures = 0;
    permute(order, 0, KINDS);
    check(orders == 720 && failures == 0, "the same with detaching: %d, of which %d failed", orders, failures);
    check(wrong_detachments == 0, "a thread is detached wherever the runtime's handle is still there");
    return check_summary();
}
