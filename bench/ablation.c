/* Calls of an empty function through copies of the library in one process, in turn. Run by bench/ablation.py, in many processes.
 *   ablation PROFILE ARTIFACT STATISTICS LIBRARY...     STATISTICS 1 or 0; prints the smallest and the median batch of each, in ns a call
 * Batches go in both orders, so that whatever else runs here meets all alike. */
#include <rtwasm.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 8, ROUNDS = 801, CALLS = 2000 };

typedef struct copy_t {
    rtw_func_t *func;
    __typeof__(&rtw_invoke) invoke;
    double took[ROUNDS];
} copy_t;

static copy_t copies[MOST];

static void *entry(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "ablation: %s\n", dlerror());
        exit(1);
    }
    return found;
}

#define ENTRY(name) __typeof__(&rtw_##name) name = (__typeof__(&rtw_##name))entry(library, "rtw_" #name)

static void open_copy(copy_t *copy, const char *path, const char *profile, const char *artifact, uint32_t statistics) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "ablation: %s\n", dlerror());
        exit(1);
    }
    ENTRY(runtime_config_init_sized);
    ENTRY(runtime_create);
    ENTRY(module_load_file);
    ENTRY(imports_create);
    ENTRY(imports_func);
    ENTRY(instance_create);
    ENTRY(instance_func);
    ENTRY(thread_attach);
    ENTRY(instance_prepare);
    copy->invoke = (__typeof__(&rtw_invoke))entry(library, "rtw_invoke");
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_imports_t *imports;
    runtime_config_init_sized(&config, sizeof config);
    config.profile = strcmp(profile, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    config.statistics = statistics;
    /* Its only import is never called. */
    if (runtime_create(&config, &runtime, &err) != RTW_OK || module_load_file(runtime, artifact, &module, &err) != RTW_OK ||
        imports_create(&imports, &err) != RTW_OK ||
        imports_func(imports, "host", "nop", "()->()", (rtw_host_func_t)abort, NULL, NULL, 0, &err) != RTW_OK ||
        instance_create(module, imports, NULL, &instance, &err) != RTW_OK ||
        instance_func(instance, "empty", NULL, &copy->func, &err) != RTW_OK || thread_attach(runtime, NULL, &err) != RTW_OK ||
        instance_prepare(instance, NULL, NULL, &err) != RTW_OK) {
        fprintf(stderr, "ablation: %s: %s\n", path, err.message);
        exit(1);
    }
}

static double batch(const copy_t *copy) {
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < CALLS; i++) {
        if (copy->invoke(copy->func, NULL, 0) != RTW_OK) {
            fprintf(stderr, "ablation: a call failed\n");
            exit(1);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return ((double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec)) / CALLS;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const int count = argc - 4;
    if (count < 1 || count > MOST) return 2;
    const uint32_t statistics = strcmp(argv[3], "0") != 0;
    for (int c = 0; c < count; c++) open_copy(&copies[c], argv[4 + c], argv[1], argv[2], statistics);
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < count; k++) {
            const int c = round % 2 ? k : count - 1 - k;
            copies[c].took[round] = batch(&copies[c]);
        }
    }
    for (int c = 0; c < count; c++) {
        qsort(copies[c].took, ROUNDS, sizeof copies[c].took[0], by_size);
        printf("%.3f %.3f\n", copies[c].took[0], copies[c].took[ROUNDS / 2]);
    }
    return 0;
}
