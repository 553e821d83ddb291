/* rtwasm. Arguments: ARTIFACT, then any of: plugin, no-statistics, stateless, key=PUBLIC-KEY-FILE. */
#include "rival.h"

#include <rtwasm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rival_func {
    rtw_func_t *func;
    size_t values;
};

struct rival_instance {
    rtw_instance_t *instance;
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
};

static rtw_runtime_t *runtime;
static rtw_imports_t *imports;
static rtw_module_t *kept[RIVAL_MOST_KEPT];
static int kept_count;
static const char *path;
static bool stateless;
static rtw_error_t err;

static void need(rtw_status_t status, const char *what) {
    if (status != RTW_OK) rival_fail(what, err.message);
}

/* Reads a key as `rtwasm keygen` writes it. */
static rtw_public_key_t read_key(const char *name) {
    rtw_public_key_t key = {{0}};
    char line[256], digits[65];
    FILE *file = fopen(name, "r");
    if (file == NULL) rival_fail(name, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "rtwasm-public-key %64s", digits) == 1)
            for (int i = 0; i < 32; i++) {
                const char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};
                key.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
            }
    fclose(file);
    return key;
}

unsigned rival_open(char **arguments) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    rtw_public_key_t key;
    path = *arguments++;
    for (; *arguments != NULL; arguments++) {
        if (strcmp(*arguments, "plugin") == 0) config.profile = RTW_PROFILE_PLUGIN;
        else if (strcmp(*arguments, "no-statistics") == 0) config.statistics = 0;
        else if (strcmp(*arguments, "stateless") == 0) stateless = true;
        else if (strncmp(*arguments, "key=", 4) == 0) {
            key = read_key(*arguments + 4);
            config.trusted_keys = &key;
            config.trusted_key_count = 1;
        } else rival_fail(*arguments, "no such argument");
    }
    need(rtw_runtime_create(&config, &runtime, &err), "runtime");
    return RIVAL_HAS_INSTANCES | RIVAL_KEEPS | RIVAL_PREPARES | RIVAL_ATTACHES | (stateless ? RIVAL_GOES_ON : 0);
}

void rival_load(void) { need(rtw_module_load_file(runtime, path, &kept[kept_count++], &err), "load"); }

void rival_unload(void) {
    while (kept_count > 0) rtw_module_destroy(kept[--kept_count]);
}

static rtw_status_t nop(void *user_data, rtw_instance_t *caller, rtw_value_t *values) {
    return (void)user_data, (void)caller, (void)values, RTW_OK;
}

static void offer_nop(void) {
    need(rtw_imports_create(&imports, &err), "imports");
    need(rtw_imports_func(imports, "host", "nop", "()->()", nop, NULL, NULL, 0, &err), "import");
}

rival_instance_t *rival_instantiate(void) {
    if (imports == NULL && rtw_module_import_count(kept[kept_count - 1]) != 0) offer_nop();
    rival_instance_t *instance = calloc(1, sizeof *instance);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.stateless = stateless;
    need(rtw_instance_create(kept[kept_count - 1], imports, &config, &instance->instance, &err), "instance");
    return instance;
}

void rival_end(rival_instance_t *instance) {
    for (int i = 0; i < instance->count; i++) rtw_func_destroy(instance->funcs[i].func);
    rtw_instance_destroy(instance->instance);
    free(instance);
}

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    static const char *const signatures[] = {"()->()", "()->(i32)", "(i32,i32)->(i32)"};
    rival_func_t *func = &instance->funcs[instance->count++];
    need(rtw_instance_func(instance->instance, name, signatures[shape], &func->func, &err), name);
    func->values = (size_t)shape;
    return func;
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    rtw_value_t values[2];
    while (count-- != 0) {
        values[0].i32 = first, values[1].i32 = second;
        need(rtw_invoke(func->func, values, func->values), "call");
    }
    return values[0].i32;
}

void rival_trap(rival_func_t *func) {
    if (rtw_invoke(func->func, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE) rival_fail("trap", "no trap");
}

bool rival_reset(rival_instance_t *instance) {
    if (!stateless) need(rtw_instance_reset(instance->instance, &err), "reset");
    return true;
}

void rival_prepare(rival_instance_t *instance) { need(rtw_instance_prepare(instance->instance, NULL, NULL, &err), "prepare"); }
void rival_attach(void) { need(rtw_thread_attach(runtime, NULL, &err), "attach"); }
void rival_detach(void) { need(rtw_thread_detach(runtime, &err), "detach"); }
