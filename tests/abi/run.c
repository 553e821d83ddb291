/* Prints what an artifact's exported functions do: `run ARTIFACT`. Each runs in an instance of its own, in the module's order. */
#include "rtwasm.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int broken(const char *what, const rtw_error_t *err) {
    printf("%s: %s\n", what, err->message);
    return 1;
}

static uint64_t digest(rtw_instance_t *instance) {
    rtw_memory_view_t view;
    if (rtw_instance_memory(instance, NULL, &view, NULL) != RTW_OK) return 0;
    uint64_t sum = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < view.size_bytes; i++) sum = (sum ^ ((const unsigned char *)view.base)[i]) * 0x100000001b3u;
    return sum;
}

int main(int argc, char **argv) {
    rtw_runtime_t *runtime = NULL;
    rtw_module_t *module = NULL;
    rtw_error_t err;
    if (argc != 2) return 2;
    if (rtw_runtime_create(NULL, &runtime, &err) != RTW_OK || rtw_thread_attach(runtime, NULL, &err) != RTW_OK) return broken("runtime", &err);
    if (rtw_module_load_file(runtime, argv[1], &module, &err) != RTW_OK) return broken("load", &err);
    for (size_t i = 0; i < rtw_module_export_count(module); i++) {
        rtw_extern_t one;
        if (rtw_module_export(module, i, &one) != RTW_OK || one.kind != RTW_EXTERN_FUNC) continue;
        rtw_instance_config_t config;
        rtw_instance_config_init(&config);
        config.budget_ns = 20000000000;
        rtw_instance_t *instance = NULL;
        rtw_func_t *func = NULL;
        if (rtw_instance_create(module, NULL, &config, &instance, &err) != RTW_OK) return broken("instance", &err);
        if (rtw_instance_func(instance, one.name, NULL, &func, &err) != RTW_OK) return broken(one.name, &err);
        rtw_value_t values[16];
        memset(values, 0, sizeof values);
        size_t at = 0;
        for (const char *ty = strchr(one.ty, '(') + 1; *ty != ')' && at < 16; at++) {
            if (strncmp(ty, "i32", 3) == 0) values[at].i32 = (int32_t)(16 + at);
            else if (strncmp(ty, "i64", 3) == 0) values[at].i64 = (int64_t)(16 + at);
            else if (strncmp(ty, "f32", 3) == 0) values[at].f32 = 0.375f + (float)at;
            else values[at].f64 = 0.375 + (double)at;
            ty += strcspn(ty, ",)");
            if (*ty == ',') ty++;
        }
        rtw_status_t status = rtw_invoke(func, values, 16);
        printf("%s %s:", one.name, rtw_status_name(status));
        if (status == RTW_OK && strstr(one.ty, "->()") == NULL)
            /* Of a number, the value's other bytes mean nothing. */
            for (size_t byte = strstr(one.ty, "64)") != NULL ? 8 : 4; byte-- > 0;) printf("%02x", ((const unsigned char *)values)[byte]);
        printf(" %016llx\n", (unsigned long long)digest(instance));
        rtw_func_destroy(func);
        rtw_instance_destroy(instance);
    }
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return 0;
}
