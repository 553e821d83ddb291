#include "common.h"

#include <stdio.h>
#include <string.h>

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

rtw_status_t try_life(life_t *life, rtw_host_func_t visit, void *user_data, uint64_t budget_ns, rtw_error_t *err) {
    memset(life, 0, sizeof *life);
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    rtw_status_t status = rtw_runtime_create(&config, &life->guest.runtime, err);
    char path[4096]; /* artifact_path has one for all threads */
    snprintf(path, sizeof path, "%s/states.%s.rtw", artifacts, profile_name);
    if (status == RTW_OK) status = rtw_module_load_file(life->guest.runtime, path, &life->guest.module, err);
    if (status == RTW_OK) status = rtw_imports_create(&life->imports, err);
    if (status == RTW_OK) status = rtw_imports_func(life->imports, "env", "visit", "(i32)->(i32)", visit ? visit : answer, user_data, NULL, 0, err);
    rtw_instance_config_t limits;
    rtw_instance_config_init(&limits);
    limits.budget_ns = budget_ns;
    if (status == RTW_OK) status = rtw_instance_create(life->guest.module, life->imports, &limits, &life->guest.instance, err);
    return status;
}

life_t begin_life(rtw_host_func_t visit, void *user_data, uint64_t budget_ns) {
    life_t life;
    rtw_error_t err;
    require(try_life(&life, visit, user_data, budget_ns, &err), &err, "a guest");
    return life;
}

void end_life(life_t *life) {
    rtw_instance_destroy(life->guest.instance);
    rtw_imports_destroy(life->imports);
    rtw_module_destroy(life->guest.module);
    rtw_runtime_destroy(life->guest.runtime);
    memset(life, 0, sizeof *life);
}

void ready(life_t *life) {
    rtw_error_t err;
    require(rtw_thread_attach(life->guest.runtime, NULL, &err), &err, "attach");
    require(rtw_instance_prepare(life->guest.instance, NULL, NULL, &err), &err, "prepare");
}

#define UNHURRIED_NS UINT64_C(60000000000)

int whole(life_t *life, const char *who, bool budget) {
    static const struct {
        const char *name;
        rtw_status_t status;
    } ends[] = {{"outside", RTW_ERR_TRAP_MEMORY},
                {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO},
                {"unreachable", RTW_ERR_TRAP_UNREACHABLE},
                {"recurse", RTW_ERR_TRAP_STACK},
                {"spin", RTW_ERR_BUDGET}};
    int wrong = 0;
    const int32_t sum = call_i32(life->guest.instance, "add", 40, 2);
    if (sum != 42) printf("    %s: 40 + 2 gave %d\n", who, sum), wrong++;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0] - (budget ? 0 : 1); i++) {
        rtw_value_t values[2];
        rtw_error_t err;
        memset(values, 0, sizeof values);
        rtw_func_t *func = look_up(life->guest.instance, ends[i].name, NULL);
        /* The others end by themselves, however slow the machine: only the endless loop is to use its budget up. */
        const bool endless = ends[i].status == RTW_ERR_BUDGET;
        const rtw_status_t status = endless || !budget ? rtw_invoke(func, values, 2) : rtw_invoke_budget(func, values, 2, UNHURRIED_NS);
        rtw_func_destroy(func);
        if (status != ends[i].status) {
            printf("    %s: %s: %s instead of %s\n", who, ends[i].name, rtw_status_name(status), rtw_status_name(ends[i].status));
            wrong++;
        }
        if (rtw_instance_reset(life->guest.instance, &err) != RTW_OK) {
            printf("    %s: reset: %s: %s\n", who, rtw_status_name(err.status), err.message);
            wrong++;
        }
    }
    return wrong;
}
