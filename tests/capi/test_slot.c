/* Budgets, the watchdog and slots on a single thread; tests/budget and tests/slot go further. */
#include "../support/common.h"

#include <string.h>

static void test_budget(const guest_t *guest) {
    rtw_instance_t *instance = new_instance(guest->module, NULL, 10000000000U);
    rtw_func_t *act = look_up(instance, "act", "(i32)->(i32)");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_invoke_budget(act, &value, 1, 0), RTW_OK, "a call without budget");
    value.i32 = 2;
    check_status(rtw_invoke_budget(act, &value, 1, 1000000), RTW_ERR_BUDGET, "a call that never ends");
    check_status(rtw_invoke_budget(act, &value, 1, 0), RTW_ERR_FAULTED, "the next one");
    check_status(rtw_invoke_budget(NULL, &value, 1, 0), RTW_ERR_NULL, "no func");
    rtw_watchdog_stats_t stats;
    rtw_watchdog_stats_init(&stats);
    check_status(rtw_runtime_watchdog(guest->runtime, &stats), RTW_OK, "the watchdog's statistics");
    check(stats.watched == 1 && stats.cut_offs == 1 && stats.tick_ns > 0, "one watched, one cut off");
    check_status(rtw_runtime_watchdog(NULL, &stats), RTW_ERR_NULL, "of no runtime");
    rtw_watchdog_stats_init(NULL);
    rtw_func_destroy(act);
    rtw_instance_destroy(instance);
    rtw_func_t *unwatched = look_up(guest->instance, "act", NULL);
    check_status(rtw_invoke_budget(unwatched, &value, 1, 1), RTW_ERR_UNSUPPORTED, "a budget where nobody watches");
    rtw_func_destroy(unwatched);
}

static void test_slot(const guest_t *guest) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    config.state = RTW_STATE_GUEST;
    rtw_slot_t *slot = new_slot(guest->runtime, "act", "(i32)->(i32)", &config);
    rtw_error_t err;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check_status(rtw_slot_invoke(slot, 0, &value, 1, NULL), RTW_ERR_EMPTY, "an empty slot");
    rtw_instance_t *instance = new_instance(guest->module, NULL, 0);
    uint64_t number = 0;
    check_status(rtw_slot_publish(slot, instance, &number, &err), RTW_OK, "publish");
    rtw_instance_destroy(instance);
    uint32_t flags = 0;
    value.i32 = 5;
    check_status(rtw_slot_invoke(slot, 0, &value, 1, &flags), RTW_OK, "a call through the slot");
    check(value.i32 == 6 && flags == RTW_BLOCK_NEW && number == 1, "answers what the guest does");
    wait_for_spares(slot, 1);
    value.i32 = 1;
    check_status(rtw_slot_invoke(slot, 0, &value, 1, &flags), RTW_ERR_TRAP_UNREACHABLE, "a fault");
    rtw_block_t block;
    check_status(rtw_slot_begin(slot, &block), RTW_OK, "the next block");
    check(block.flags == RTW_BLOCK_SPARE && block.held_instance == NULL, "runs on a spare");
    check_status(rtw_slot_end(slot), RTW_OK, "and ends");
    instance = new_instance(guest->module, NULL, 0);
    value.i32 = 1;
    require(rtw_instance_global_set(instance, "refuses", &value, &err), &err, "set");
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_STATE, "a version that refuses the state");
    check_error(&err, RTW_ERR_STATE, "refused", "says so");
    rtw_instance_destroy(instance);
    rtw_func_stats_t func_stats;
    rtw_func_stats_init(&func_stats);
    check_status(rtw_slot_func_stats(slot, 0, &func_stats), RTW_OK, "the function's statistics");
    check(func_stats.call.count == 2 && func_stats.faults == 1, "count both instances");
    rtw_slot_destroy(slot);
    rtw_slot_stats_init(NULL);
    rtw_slot_config_init(NULL);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("slot", NULL);
    rtw_error_t err;
    test_budget(&guest);
    test_slot(&guest);
    require(rtw_thread_detach(guest.runtime, &err), &err, "detach");
    close_guest(&guest);
    return check_summary();
}
