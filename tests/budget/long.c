/* Single instructions that take long, in rows and in trees of calls without a loop: a call is cut off long before it has done them
 * all. What is judged is how many the guest has counted, not the time. */
#include "budget.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET_NS (20 * MS)

/* The number of operations of each function. All of them take seconds. */
static const struct {
    const char *name;
    int32_t operations;
} rows[] = {
    {"table_fill", 2000},     {"table_copy", 2000}, {"table_init", 4000}, {"memory_init", 20000}, {"memory_copy_between_widths", 4000},
    {"tree_of_calls", 100000},
};

static void check_row(rtw_instance_t *instance, const char *name, int32_t operations) {
    rtw_func_t *func = look_up(instance, name, "()->()");
    rtw_status_t status = rtw_invoke(func, NULL, 0);
    check_status(status, RTW_ERR_BUDGET, "%s is cut off", name);
    rtw_value_t done;
    check_status(rtw_instance_global_get(instance, "done", &done, NULL), RTW_OK, "%s: what it has counted can be read", name);
    printf("    %d of %d operations\n", done.i32, operations);
    check(done.i32 < operations / 2, "%s has done less than half of what it was to do (%d of %d)", name, done.i32, operations);
    rtw_func_destroy(func);
    check_status(rtw_instance_reset(instance, NULL), RTW_OK, "%s: reset", name);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_error_t err;
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = load(runtime, "long");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = BUDGET_NS;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, NULL, &config, &instance, &err), &err, "an instance of long");
    require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
    require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(instance, rows[i].name, rows[i].operations);
    require(rtw_thread_detach(runtime, &err), &err, "detach");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
