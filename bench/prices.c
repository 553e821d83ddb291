/* The cost of a call that attaches its thread (attach_on_call), and of one that checks if traps would arrive (RTW_SIGNALS_ASK).
 * Run by bench/run.sh; the system calls are counted by tests/hosts/counted.c.
 *   prices PROFILE ARTIFACT */
#include <rtwasm.h>

#include "../tests/support/clock.h"
#include "../tests/support/numbers.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 500, ROUNDS = 2000, CALLS = 50 };

static rtw_func_t *func;
static double took[ROUNDS]; /* ns */

static void row(const char *profile, const char *what, size_t count, double per, const char *unit) {
    sort_numbers(took, count);
    printf("%-10s  %-44s %9.2f %9.2f %9.2f  %s\n", profile, what, took[0] / per, quantile(took, count, 0.5) / per,
           quantile(took, count, 0.99) / per, unit);
}

static void call(void) {
    rtw_value_t values[16];
    memset(values, 0, sizeof values);
    const rtw_status_t status = rtw_invoke(func, values, 16);
    if (status != RTW_OK) {
        fprintf(stderr, "prices: a call: %s\n", rtw_status_name(status));
        exit(1);
    }
}

static void *first_call(void *data) {
    const uint64_t began = now_ns();
    call();
    *(double *)data = (double)(now_ns() - began);
    return NULL;
}

static void *calls(void *data) {
    if (rtw_thread_attach(data, NULL, NULL) != RTW_OK) exit(1);
    call();
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t began = now_ns();
        for (int k = 0; k < CALLS; k++) call();
        took[i] = (double)(now_ns() - began);
    }
    return NULL;
}

static void in_thread(void *(*body)(void *), void *data) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, data) != 0) exit(1);
    pthread_join(thread, NULL);
}

static rtw_status_t nop(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static void with(const char *profile, const char *artifact, uint32_t checks, uint32_t late) {
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_imports_t *imports;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(profile, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    config.signal_checks = checks;
    config.attach_on_call = late;
    if (rtw_runtime_create(&config, &runtime, &err) != RTW_OK || rtw_module_load_file(runtime, artifact, &module, &err) != RTW_OK ||
        rtw_imports_create(&imports, &err) != RTW_OK || rtw_imports_func(imports, "host", "nop", "()->()", nop, NULL, NULL, 0, &err) != RTW_OK ||
        rtw_instance_create(module, imports, NULL, &instance, &err) != RTW_OK ||
        rtw_instance_func(instance, "empty", NULL, &func, &err) != RTW_OK) {
        fprintf(stderr, "prices: %s\n", err.message);
        exit(1);
    }
    if (late) {
        for (int i = 0; i < THREADS; i++) in_thread(first_call, &took[i]);
        row(profile, "a first call that attaches its thread", THREADS, 1e3, "us");
    } else {
        in_thread(calls, runtime);
        row(profile, checks == RTW_SIGNALS_ASK ? "a call, RTW_SIGNALS_ASK" : "a call, RTW_SIGNALS_LOOK", ROUNDS, CALLS, "ns");
    }
    rtw_func_destroy(func);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    printf("%-10s  %-44s %9s %9s %9s\n", "profile", "", "min", "median", "p99");
    with(argv[1], argv[2], RTW_SIGNALS_LOOK, 0);
    with(argv[1], argv[2], RTW_SIGNALS_ASK, 0);
    with(argv[1], argv[2], RTW_SIGNALS_LOOK, 1);
    return 0;
}
