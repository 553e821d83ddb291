/* State carried over: by the guests' exports, by the host's callback, and what happens when it cannot be. */
#include "slot.h"

#include <stdio.h>
#include <string.h>

static rtw_slot_t *slot_with(const world_t *world, uint32_t state, rtw_slot_state_func_t on_state, void *user_data) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.state = state;
    config.on_state = on_state;
    config.user_data = user_data;
    return open_slot(world, "step", &config);
}

/* The count after one more block. */
static int32_t step(rtw_slot_t *slot, int32_t by) {
    int32_t count = 0;
    const rtw_status_t status = block(slot, by, &count, NULL);
    return status == RTW_OK ? count : INT32_MIN;
}

static void carried(const world_t *world, const char *guest) {
    rtw_module_t *module = load(world->runtime, guest);
    rtw_slot_t *slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, make(world, module, 0));
    bool went_on = step(slot, 5) == 5 && step(slot, 2) == 7;
    for (int32_t round = 1; round <= 5; round++) {
        publish(slot, make(world, module, 0));
        went_on &= step(slot, 1) == 7 + round;
    }
    check(went_on, "%s: its count goes on over five exchanges", guest);
    rtw_slot_destroy(slot);
    slot = slot_with(world, RTW_STATE_NONE, NULL, NULL);
    publish(slot, make(world, module, 0));
    step(slot, 5);
    publish(slot, make(world, module, 0));
    check(step(slot, 1) == 1, "%s: without state it starts anew", guest);
    rtw_slot_destroy(slot);
    rtw_module_destroy(module);
}

/* Publishes an instance that misbehaves in `mode`, which is refused; the old one goes on. */
static void refused(rtw_slot_t *slot, rtw_instance_t *instance, const char *part, int32_t count, const char *what) {
    rtw_error_t err;
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_STATE, "refused: %s", what);
    check_error(&err, RTW_ERR_STATE, part, "says so: %s", what);
    check(step(slot, 1) == count + 1, "the old one goes on: %s", what);
    rtw_instance_destroy(instance);
}

static rtw_instance_t *in_mode(const world_t *world, rtw_module_t *module, int32_t mode) {
    rtw_instance_t *instance = make(world, module, 0);
    set_mode(instance, mode);
    return instance;
}

static void loads_that_fail(const world_t *world) {
    rtw_module_t *state = load(world->runtime, "state"), *plain = load(world->runtime, "plain");
    rtw_module_t *mistyped = load(world->runtime, "mistyped"), *grown = load(world->runtime, "grown");
    rtw_slot_t *slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, make(world, state, 0));
    step(slot, 10);
    refused(slot, in_mode(world, state, 6), "refused the state of 4 bytes", 10, "a version that refuses");
    refused(slot, in_mode(world, state, 7), "RTW_ERR_TRAP_UNREACHABLE", 11, "a load that traps");
    refused(slot, in_mode(world, state, 4), "no place for 4 bytes", 12, "a version without a place");
    refused(slot, in_mode(world, state, 5), "outside the guest's memory", 13, "a place outside the memory");
    refused(slot, make(world, plain, 0), "no rtw_state_load", 14, "a version that loads nothing");
    refused(slot, make(world, mistyped, 0), "(i32,i32)->(i32)", 15, "a load of another type");
    refused(slot, make(world, grown, 0), "refused", 16, "a version that expects more");
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    check(stats.refused == 7 && stats.publications == 1 && stats.instances == 1 && stats.faults == 0, "all of it is counted, and nothing stays behind");
    rtw_slot_destroy(slot);

    slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, make(world, grown, 0));
    step(slot, 3);
    rtw_instance_config_t cramped;
    rtw_instance_config_init(&cramped);
    rtw_instance_t *instance = make(world, grown, 0);
    cramped.memory_limit_bytes = rtw_instance_held_bytes(instance) + 100;
    rtw_instance_destroy(instance);
    instance = NULL;
    rtw_error_t err;
    require(rtw_instance_create(grown, NULL, &cramped, &instance, &err), &err, "a cramped instance");
    refused(slot, instance, "does not grow", 3, "a memory that cannot grow");
    rtw_slot_destroy(slot);
    rtw_module_destroy(state), rtw_module_destroy(plain), rtw_module_destroy(mistyped), rtw_module_destroy(grown);
}

static void saves_that_fail(const world_t *world) {
    rtw_module_t *state = load(world->runtime, "state"), *mistyped = load(world->runtime, "mistyped");
    rtw_module_t *plain = load(world->runtime, "plain");
    rtw_slot_t *slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, in_mode(world, state, 2));
    step(slot, 10);
    refused(slot, make(world, state, 0), "outside the guest's memory", 10, "a save outside the memory");
    rtw_slot_destroy(slot);
    slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, make(world, mistyped, 0));
    step(slot, 1);
    rtw_error_t err;
    rtw_instance_t *instance = make(world, state, 0);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_STATE, "refused: a save of another type");
    check_error(&err, RTW_ERR_STATE, "rtw_state_save", "which is named");
    rtw_instance_destroy(instance);
    rtw_slot_destroy(slot);

    /* One that has nothing to give hands nothing over. */
    slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    publish(slot, make(world, plain, 0));
    step(slot, 10);
    publish(slot, make(world, state, 0));
    check(step(slot, 1) == 1, "after a version without state the next one starts anew");
    rtw_slot_destroy(slot);

    told_t told = TOLD_NOTHING;
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.state = RTW_STATE_GUEST;
    config.standby = 1;
    config.on_event = tell;
    config.user_data = &told;
    slot = open_slot(world, "step", &config);
    publish(slot, in_mode(world, state, 1));
    step(slot, 10);
    wait_for_spares(slot, 1);
    instance = make(world, state, 0);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_STATE, "refused: a save that traps");
    check_error(&err, RTW_ERR_STATE, "rtw_state_save", "which is named");
    uint32_t flags = 0;
    int32_t count = 0;
    check(block(slot, 1, &count, &flags) == RTW_OK && count == 1 && flags == RTW_BLOCK_SPARE, "its instance has faulted, and a spare goes on");
    check_status(wait_for_event(&told, RTW_SLOT_EVENT_FAULTED, 1), RTW_ERR_TRAP_UNREACHABLE, "the host is told");
    rtw_instance_destroy(instance);
    rtw_slot_destroy(slot);

    /* Longer than a block may take, and done all the same. */
    slot = slot_with(world, RTW_STATE_GUEST, NULL, NULL);
    instance = make(world, state, 200 * US);
    set_mode(instance, 3);
    publish(slot, instance);
    bool first = false;
    while (!first) first = step(slot, 10) == 10;
    publish(slot, make(world, state, 0));
    check(step(slot, 1) == 11, "a save may take longer than the budget of a block");
    rtw_slot_destroy(slot);
    rtw_module_destroy(state), rtw_module_destroy(mistyped), rtw_module_destroy(plain);
}

/* ---- the host's way ---- */

typedef struct carrier_t {
    rtw_status_t answer;
    int calls;
    rtw_slot_t *slot;
    rtw_status_t meanwhile;
} carrier_t;

static rtw_status_t carry(void *user_data, rtw_instance_t *from, rtw_instance_t *to) {
    carrier_t *carrier = user_data;
    rtw_value_t value;
    rtw_error_t err;
    carrier->calls++;
    memset(&value, 0, sizeof value);
    carrier->meanwhile = block(carrier->slot, 1, NULL, NULL);
    require(rtw_instance_global_get(from, "count", &value, &err), &err, "read the count");
    require(rtw_instance_global_set(to, "count", &value, &err), &err, "write the count");
    return carrier->answer;
}

static void by_the_host(const world_t *world) {
    rtw_module_t *plain = load(world->runtime, "plain");
    carrier_t carrier = {RTW_OK, 0, NULL, RTW_OK};
    rtw_slot_t *slot = slot_with(world, RTW_STATE_HOST, carry, &carrier);
    carrier.slot = slot;
    publish(slot, make(world, plain, 0));
    check(carrier.calls == 0, "the first one has nobody to take over from");
    step(slot, 4);
    publish(slot, make(world, plain, 0));
    check(carrier.calls == 1 && step(slot, 1) == 5, "the host carries the count over");
    check_status(carrier.meanwhile, RTW_ERR_BUSY, "a block that begins meanwhile");
    check(stats_of_slot(slot).busy == 1, "is counted");
    carrier.answer = -9;
    rtw_instance_t *instance = make(world, plain, 0);
    refused(slot, instance, "-9", 5, "the host refuses");
    rtw_slot_destroy(slot);
    rtw_module_destroy(plain);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    world_t world = open_world();
    rtw_error_t err;
    require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    carried(&world, "state");
    carried(&world, "grown");
    loads_that_fail(&world);
    saves_that_fail(&world);
    by_the_host(&world);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    close_world(&world);
    return check_summary();
}
