/* Resets whose _initialize fails: the status says how, the guest from before stays as it was, budgets included, and the next reset
 * works. */
#include "../support/common.h"

#include <string.h>

enum { SUCCEED, TRAP, UNREACHABLE, NEVER_END, FAIL_IN_HOST };

static rtw_error_t err;

/* The behaviour of _initialize when it is called next, and the result of the host's own call of the guest meanwhile. */
static struct host {
    int32_t way;
    rtw_func_t *count;
    rtw_status_t nested;
} host;

static rtw_status_t host_way(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    struct host *in = user_data;
    rtw_value_t value = {.i32 = 0};
    in->nested = in->count == NULL ? RTW_OK : rtw_invoke(in->count, &value, 1);
    values[0].i32 = in->way;
    return in->way == FAIL_IN_HOST ? 77 : RTW_OK;
}

static const struct way {
    int32_t way;
    rtw_status_t status;
    const char *name;
} ways[] = {
    {TRAP, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "traps"},
    {NEVER_END, RTW_ERR_BUDGET, "never ends"},
    {UNREACHABLE, RTW_ERR_TRAP_UNREACHABLE, "is unreachable, which is a trap and no cut-off"},
    {FAIL_IN_HOST, RTW_ERR_HOST, "fails in a host function"},
};

/* The first guest after a reset that failed in the given way. */
static void test_failed_reset(rtw_instance_t *instance, const struct way *way) {
    host.way = SUCCEED;
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check(call_i32(instance, "count", 0, 0) == 1, "before a reset that %s", way->name);
    host.way = way->way;
    host.count = look_up(instance, "count", NULL);
    check_status(rtw_instance_reset(instance, &err), way->status, "a reset whose _initialize %s", way->name);
    check(strstr(err.message, "_initialize") != NULL, "the message names _initialize, which %s", way->name);
    check_status(host.nested, RTW_ERR_BUSY, "the host's call during a reset that %s", way->name);
    rtw_value_t value = {.i32 = 0};
    check_status(rtw_invoke(host.count, &value, 1), RTW_OK, "a func after a reset that %s", way->name);
    check(value.i32 == 2, "the guest from before goes on after a reset that %s", way->name);
    rtw_func_destroy(host.count);
    host.count = NULL;
    check_status(call(instance, "wait", NULL, 0), RTW_ERR_BUDGET, "the guest from before still has its budget after a reset that %s", way->name);
    check_status(call(instance, "count", &value, 1), RTW_ERR_FAULTED, "a guest that was cut off");
    check_status(rtw_instance_reset(instance, &err), way->status, "a second reset that %s", way->name);
    check_status(call(instance, "count", &value, 1), RTW_ERR_FAULTED, "a failed reset does not repair the guest: it %s", way->name);
    host.way = SUCCEED;
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check(call_i32(instance, "count", 0, 0) == 1, "a reset that works after one that %s", way->name);
    check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a trap after that is a trap");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check_status(call(instance, "wait", NULL, 0), RTW_ERR_BUDGET, "and its calls have their budget, as before a reset that %s", way->name);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    attach_here(runtime);
    rtw_module_t *module = load(runtime, "initialise");
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "host", "way", "()->(i32)", host_way, &host, NULL, 0, &err), &err, "way");
    rtw_instance_t *instance = new_instance(module, imports, 50000000);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) test_failed_reset(instance, &ways[i]);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
