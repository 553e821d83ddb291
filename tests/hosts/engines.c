/* Two copies of rtwasm in one process, one linked into the program and one loaded: each runs its guests and catches its traps,
 * whichever was there first, and a handler of the program's own is still told from theirs.
 *
 *   engines standalone|plugin ARTIFACTS, with LIBRARY in the environment: the one to be loaded */
#include "common.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The functions of one copy. */
#define FUNCTIONS(X)                                                                                                              \
    X(rtw_runtime_config_init)                                                                                                    \
    X(rtw_runtime_create)                                                                                                         \
    X(rtw_runtime_destroy)                                                                                                        \
    X(rtw_module_load_file)                                                                                                       \
    X(rtw_module_destroy)                                                                                                         \
    X(rtw_imports_create)                                                                                                         \
    X(rtw_imports_func)                                                                                                           \
    X(rtw_imports_destroy)                                                                                                        \
    X(rtw_instance_config_init)                                                                                                   \
    X(rtw_instance_create)                                                                                                        \
    X(rtw_instance_destroy)                                                                                                       \
    X(rtw_instance_reset)                                                                                                         \
    X(rtw_instance_prepare)                                                                                                       \
    X(rtw_instance_func)                                                                                                          \
    X(rtw_func_destroy)                                                                                                           \
    X(rtw_thread_attach)                                                                                                          \
    X(rtw_thread_detach)                                                                                                          \
    X(rtw_invoke)

typedef struct copy_t {
    const char *name;
#define FIELD(name) __typeof__(&name) name;
    FUNCTIONS(FIELD)
    rtw_runtime_t *runtime;
    rtw_instance_t *instance;
} copy_t;

static copy_t linked(void) {
    copy_t copy = {.name = "linked"};
#define TAKE(name) copy.name = name;
    FUNCTIONS(TAKE)
    return copy;
}

static copy_t loaded(void) {
    copy_t copy = {.name = "loaded"};
    void *handle = dlopen(getenv("LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    /* POSIX has dlsym give functions as object pointers. */
#define FIND(name) *(void **)&copy.name = dlsym(handle, #name);
    FUNCTIONS(FIND)
    return copy;
}

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static void begin(copy_t *copy) {
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_config_t limits;
    copy->rtw_runtime_config_init(&config);
    config.profile = profile;
    require(copy->rtw_runtime_create(&config, &copy->runtime, &err), &err, "%s: runtime", copy->name);
    require(copy->rtw_module_load_file(copy->runtime, artifact_path("states"), &module, &err), &err, "%s: module", copy->name);
    require(copy->rtw_imports_create(&imports, &err), &err, "%s: imports", copy->name);
    require(copy->rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, NULL, &err), &err, "%s: visit", copy->name);
    copy->rtw_instance_config_init(&limits);
    limits.budget_ns = 20000000;
    require(copy->rtw_instance_create(module, imports, &limits, &copy->instance, &err), &err, "%s: instance", copy->name);
    copy->rtw_imports_destroy(imports);
    copy->rtw_module_destroy(module);
}

static void attach(copy_t *copy) {
    rtw_error_t err;
    require(copy->rtw_thread_attach(copy->runtime, NULL, &err), &err, "%s: attach", copy->name);
    require(copy->rtw_instance_prepare(copy->instance, NULL, NULL, &err), &err, "%s: prepare", copy->name);
}

static void runs(copy_t *copy) {
    static const struct {
        const char *name;
        rtw_status_t status;
    } calls[] = {{"add", RTW_OK},
                 {"outside", RTW_ERR_TRAP_MEMORY},
                 {"unreachable", RTW_ERR_TRAP_UNREACHABLE},
                 {"recurse", RTW_ERR_TRAP_STACK},
                 {"spin", RTW_ERR_BUDGET}};
    int wrong = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        rtw_error_t err;
        rtw_func_t *func;
        rtw_value_t values[2];
        memset(values, 0, sizeof values);
        require(copy->rtw_instance_func(copy->instance, calls[i].name, NULL, &func, &err), &err, "%s: %s", copy->name, calls[i].name);
        wrong += copy->rtw_invoke(func, values, 2) != calls[i].status;
        copy->rtw_func_destroy(func);
        require(copy->rtw_instance_reset(copy->instance, &err), &err, "%s: reset", copy->name);
    }
    check(wrong == 0, "the %s copy computes, traps and is cut off", copy->name);
}

static void end(copy_t *copy) {
    copy->rtw_thread_detach(copy->runtime, NULL);
    copy->rtw_instance_destroy(copy->instance);
    copy->rtw_runtime_destroy(copy->runtime);
}

enum { LINKED_FIRST = 1, TOGETHER = 2 };

static void both(void *data) {
    const int how = *(const int *)data;
    copy_t copies[2] = {how & LINKED_FIRST ? linked() : loaded(), how & LINKED_FIRST ? loaded() : linked()};
    check(copies[0].rtw_invoke != copies[1].rtw_invoke, "they are two");
    begin(&copies[0]);
    if (how & TOGETHER) begin(&copies[1]);
    attach(&copies[0]);
    if (!(how & TOGETHER)) begin(&copies[1]);
    attach(&copies[1]);
    for (int i = 0; i < 2; i++) runs(&copies[0]), runs(&copies[1]);
    end(&copies[0]);
    runs(&copies[1]);
    end(&copies[1]);
}

static void own_handler(int signal) {
    (void)signal;
    _exit(3);
}

/* The twin: a handler of the program's own, which holds a copy, is not taken for that copy's. */
static void foreign(void *data) {
    copy_t copy = *(const int *)data & LINKED_FIRST ? linked() : loaded();
    begin(&copy);
    signal(SIGSEGV, own_handler);
    rtw_error_t err;
    const rtw_status_t status = copy.rtw_thread_attach(copy.runtime, NULL, &err);
    check_status(status, profile == RTW_PROFILE_STANDALONE ? RTW_ERR_SIGNALS : RTW_OK, "twin: the program's own handler is noticed by the %s copy",
                 copy.name);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    for (int how = 0; how < 4; how++) {
        char what[128];
        snprintf(what, sizeof what, "the %s copy first, %s", how & LINKED_FIRST ? "linked" : "loaded",
                 how & TOGETHER ? "both made before a thread is attached" : "one after the other");
        check_in_child(what, both, &how);
    }
    for (int how = 0; how < 2; how++) check_in_child("a handler of the program's own", foreign, &how);
    return check_summary();
}
