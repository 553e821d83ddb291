/* Copies of the library in one process, linked or loaded: each one's functions as pointers, and a guest of its own. */
#ifndef RTWASM_TEST_COPIES_H
#define RTWASM_TEST_COPIES_H

#include <rtwasm.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

/* The objects for calling a guest. */
#define COPY_FUNCTIONS(X)                                                                                                         \
    X(rtw_runtime_config_init_sized)                                                                                              \
    X(rtw_runtime_create)                                                                                                         \
    X(rtw_runtime_destroy)                                                                                                        \
    X(rtw_module_load_file)                                                                                                       \
    X(rtw_module_destroy)                                                                                                         \
    X(rtw_imports_create)                                                                                                         \
    X(rtw_imports_func)                                                                                                           \
    X(rtw_imports_destroy)                                                                                                        \
    X(rtw_instance_config_init_sized)                                                                                             \
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
#define FIELD(function) __typeof__(&function) function;
    COPY_FUNCTIONS(FIELD)
#undef FIELD
    void *handle; /* NULL for the one that is linked */
    rtw_runtime_t *runtime;
    rtw_instance_t *instance;
} copy_t;

/* Loads the library of that path. Returns NULL, or what dlerror says. */
static inline const char *load_copy(copy_t *copy, const char *path) {
    memset(copy, 0, sizeof *copy);
    copy->name = path;
    copy->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (copy->handle == NULL) return dlerror();
    /* POSIX has dlsym give functions as object pointers. */
#define FIND(function)                                                                                                            \
    *(void **)&copy->function = dlsym(copy->handle, #function);                                                                   \
    if (copy->function == NULL) return dlerror();
    COPY_FUNCTIONS(FIND)
#undef FIND
    return NULL;
}

static inline rtw_status_t answer_nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

/* Makes a runtime of that profile and an instance of the artifact, whose imports `visit` and `answer` do nothing. */
static inline rtw_status_t begin_copy(copy_t *copy, uint32_t profile, const char *artifact, uint64_t budget_ns, rtw_error_t *err) {
    rtw_runtime_config_t config;
    rtw_instance_config_t limits;
    rtw_module_t *module = NULL;
    rtw_imports_t *imports = NULL;
    copy->rtw_runtime_config_init_sized(&config, sizeof config);
    copy->rtw_instance_config_init_sized(&limits, sizeof limits);
    config.profile = profile;
    limits.budget_ns = budget_ns;
    rtw_status_t status = copy->rtw_runtime_create(&config, &copy->runtime, err);
    if (status == RTW_OK) status = copy->rtw_module_load_file(copy->runtime, artifact, &module, err);
    if (status == RTW_OK) status = copy->rtw_imports_create(&imports, err);
    if (status == RTW_OK) status = copy->rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", answer_nothing, NULL, NULL, 0, err);
    if (status == RTW_OK) status = copy->rtw_imports_func(imports, "env", "answer", "(i32)->()", answer_nothing, NULL, NULL, 0, err);
    if (status == RTW_OK) status = copy->rtw_instance_create(module, imports, &limits, &copy->instance, err);
    copy->rtw_imports_destroy(imports);
    copy->rtw_module_destroy(module);
    return status;
}

/* Attaches the calling thread, and prepares. */
static inline rtw_status_t ready_copy(copy_t *copy, rtw_error_t *err) {
    const rtw_status_t status = copy->rtw_thread_attach(copy->runtime, NULL, err);
    return status == RTW_OK ? copy->rtw_instance_prepare(copy->instance, NULL, NULL, err) : status;
}

/* The status of a call of an export with up to two i32; then the instance is reset. `reset` is the status of that. */
static inline rtw_status_t call_copy(copy_t *copy, const char *export, int32_t argument, rtw_status_t *reset, rtw_error_t *err) {
    rtw_func_t *func;
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = argument;
    rtw_status_t status = copy->rtw_instance_func(copy->instance, export, NULL, &func, err);
    if (status == RTW_OK) {
        status = copy->rtw_invoke(func, values, 2);
        copy->rtw_func_destroy(func);
    }
    *reset = copy->rtw_instance_reset(copy->instance, err);
    return status;
}

/* Detaches the calling thread, and ends what begin_copy has made. The library stays loaded. */
static inline void end_copy(copy_t *copy) {
    copy->rtw_thread_detach(copy->runtime, NULL);
    copy->rtw_instance_destroy(copy->instance);
    copy->rtw_runtime_destroy(copy->runtime);
}

#endif
