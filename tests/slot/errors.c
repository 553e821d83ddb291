/* Refusals of the slot's functions, an empty slot, and destruction in any order. */
#include "slot.h"

#include <string.h>

static rtw_status_t carry(void *user_data, rtw_instance_t *from, rtw_instance_t *to) {
    (void)user_data, (void)from, (void)to;
    return RTW_OK;
}

/* A configuration that is good, to be spoilt. */
static const rtw_wanted_func_t act = {"act", "(i32)->(i32)", 0};
static rtw_slot_config_t good(void) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = &act;
    config.func_count = 1;
    return config;
}

static void refused(const world_t *world, const rtw_slot_config_t *config, rtw_status_t status, const char *part, const char *what) {
    rtw_error_t err;
    rtw_slot_t *slot = (rtw_slot_t *)&err;
    check_status(rtw_slot_create(world->runtime, config, &slot, &err), status, "refused: %s", what);
    check_error(&err, status, part, "says why: %s", what);
    check(slot == NULL, "no slot comes of it: %s", what);
}

static void configurations(const world_t *world) {
    rtw_slot_config_t config = good();
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    refused(world, NULL, RTW_ERR_NULL, "functions", "no configuration");
    config.struct_size = 4;
    refused(world, &config, RTW_ERR_STRUCT_SIZE, "config", "a size that is none");
    config = good(), config.func_count = 0;
    refused(world, &config, RTW_ERR_ARGUMENT, "func_count is 0", "no function");
    config = good(), config.func_count = 1025;
    refused(world, &config, RTW_ERR_ARGUMENT, "func_count is 1025", "too many functions");
    config = good(), config.funcs = NULL;
    refused(world, &config, RTW_ERR_NULL, "funcs", "functions at NULL");
    const rtw_wanted_func_t nameless = {NULL, NULL, 0}, wrong = {"act", "(i32)->(i33)", 0};
    config = good(), config.funcs = &nameless;
    refused(world, &config, RTW_ERR_NULL, "name", "a function without a name");
    config = good(), config.funcs = &wrong;
    refused(world, &config, RTW_ERR_SIGNATURE_SYNTAX, "i33", "a type that is none");
    const rtw_wanted_func_t optional = {"act", NULL, 1};
    config = good(), config.funcs = &optional;
    refused(world, &config, RTW_ERR_ARGUMENT, "optional", "a function that may be missing");
    config = good(), config.standby = 65;
    refused(world, &config, RTW_ERR_ARGUMENT, "standby is 65", "too many spares");
    config = good(), config.state = 3;
    refused(world, &config, RTW_ERR_ARGUMENT, "state", "an unknown way of state");
    config = good(), config.state = RTW_STATE_HOST;
    refused(world, &config, RTW_ERR_NULL, "on_state", "the host's way without a callback");
    config = good(), config.on_state = carry;
    refused(world, &config, RTW_ERR_ARGUMENT, "on_state", "a callback without the host's way");
    config = good(), config.dry_call_count = 1;
    refused(world, &config, RTW_ERR_NULL, "dry_calls", "dry calls at NULL");
    rtw_dry_call_t dry = {NULL, &value, 1, 1, 1};
    config.dry_calls = &dry;
    refused(world, &config, RTW_ERR_ARGUMENT, "dry call 0: the slot has no function 1", "a dry call of no function");
    dry.func_index = 0, dry.repeats = 0;
    refused(world, &config, RTW_ERR_ARGUMENT, "repeats is 0", "a dry call made never");
    dry.repeats = 1, dry.values = NULL;
    refused(world, &config, RTW_ERR_NULL, "values", "a dry call with values at NULL");
    rtw_error_t err;
    config = good();
    rtw_slot_t *slot = NULL;
    check_status(rtw_slot_create(NULL, &config, &slot, &err), RTW_ERR_NULL, "refused: no runtime");
    check_status(rtw_slot_create((rtw_runtime_t *)world->imports, &config, &slot, &err), RTW_ERR_HANDLE, "refused: imports for a runtime");
    check_status(rtw_slot_create(world->runtime, &config, NULL, &err), RTW_ERR_NULL, "refused: nowhere to put it");
    rtw_slot_config_init(NULL);
    rtw_slot_stats_init(NULL);
    rtw_slot_destroy(NULL);
}

static void handles(const world_t *world) {
    rtw_slot_t *const wrong[] = {NULL, (rtw_slot_t *)world->imports};
    const rtw_status_t statuses[] = {RTW_ERR_NULL, RTW_ERR_HANDLE};
    rtw_slot_t *slot = open_slot(world, "act", NULL);
    rtw_block_t begun;
    rtw_slot_stats_t stats;
    rtw_func_stats_t func_stats;
    rtw_error_t err;
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    rtw_slot_stats_init(&stats);
    rtw_func_stats_init(&func_stats);
    for (int i = 0; i < 2; i++) {
        check_status(rtw_slot_begin(wrong[i], &begun), statuses[i], "begin with a wrong handle");
        check_status(rtw_slot_end(wrong[i]), statuses[i], "end with a wrong handle");
        uint32_t flags = 99;
        check_status(rtw_slot_invoke(wrong[i], 0, &value, 1, &flags), statuses[i], "invoke with a wrong handle");
        check(flags == 0, "and flags are 0");
        check_status(rtw_slot_stats(wrong[i], &stats), statuses[i], "statistics with a wrong handle");
        check_status(rtw_slot_func_stats(wrong[i], 0, &func_stats), statuses[i], "a function's statistics with a wrong handle");
        check_status(rtw_slot_publish(wrong[i], NULL, NULL, &err), statuses[i], "publish with a wrong handle");
        check_status(rtw_slot_publish(slot, (rtw_instance_t *)wrong[i], NULL, &err), statuses[i], "publish no instance");
    }
    check_status(rtw_slot_begin(slot, NULL), RTW_ERR_NULL, "begin without a block to fill");
    check_status(rtw_slot_stats(slot, NULL), RTW_ERR_NULL, "statistics into NULL");
    stats.struct_size = 3;
    check_status(rtw_slot_stats(slot, &stats), RTW_ERR_STRUCT_SIZE, "statistics of no known size");
    check_status(rtw_slot_func_stats(slot, 1, &func_stats), RTW_ERR_BOUNDS, "statistics of no function");
    check_status(rtw_slot_func_stats(slot, 0, NULL), RTW_ERR_NULL, "a function's statistics into NULL");
    check_status(rtw_slot_invoke(slot, 1, &value, 1, NULL), RTW_ERR_BOUNDS, "invoke no function");
    rtw_slot_destroy(slot);
    check_status(rtw_slot_begin(slot, &begun), RTW_ERR_HANDLE, "begin with a slot that was destroyed");
    rtw_slot_destroy(slot);
}

static void empty(const world_t *world) {
    rtw_slot_t *slot = open_slot(world, "act", NULL);
    rtw_block_t begun;
    uint32_t flags = 99;
    check_status(rtw_slot_begin(slot, &begun), RTW_ERR_EMPTY, "an empty slot begins no block");
    check_status(rtw_slot_end(slot), RTW_ERR_EMPTY, "nor is there one to end");
    check_status(block(slot, 0, NULL, &flags), RTW_ERR_EMPTY, "nor a function to be called");
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    check(flags == 0 && stats.blocks == 2 && stats.unserved == 2 && stats.taken == 0 && stats.instances == 0, "both are counted");
    rtw_slot_destroy(slot);
}

static void publications(const world_t *world) {
    rtw_error_t err;
    rtw_module_t *voice = load(world->runtime, "voice1"), *plain = load(world->runtime, "plain");
    rtw_slot_t *slot = open_slot(world, "act", NULL);
    rtw_instance_t *instance = make(world, plain, 0);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_NO_EXPORT, "an instance without the function");
    check_error(&err, RTW_ERR_NO_EXPORT, "\"act\"", "the function is named");
    rtw_slot_t *several = NULL;
    rtw_slot_config_t lacking = good();
    const rtw_wanted_func_t wanted[] = {{"absent", NULL, 0}, {"step", "(f32)->(i32)", 0}, {"act", NULL, 0}, {"gone", "()->()", 0}};
    lacking.funcs = wanted, lacking.func_count = 4;
    require(rtw_slot_create(world->runtime, &lacking, &several, &err), &err, "a slot");
    check_status(rtw_slot_publish(several, instance, NULL, &err), RTW_ERR_NO_EXPORT, "an instance without several functions");
    check_error(&err, RTW_ERR_NO_EXPORT, "\"absent\", \"act\", \"gone\"", "all that are missing are named");
    check_error(&err, RTW_ERR_NO_EXPORT, "(f32)->(i32)", "and what is of another type");
    rtw_slot_destroy(several);
    rtw_slot_t *typed = NULL, *memory = NULL;
    rtw_slot_config_t config = good();
    const rtw_wanted_func_t other_type = {"step", "(f32)->(i32)", 0}, no_func = {"memory", NULL, 0};
    config.funcs = &other_type;
    require(rtw_slot_create(world->runtime, &config, &typed, &err), &err, "a slot");
    check_status(rtw_slot_publish(typed, instance, NULL, &err), RTW_ERR_SIGNATURE, "a function of another type");
    check_error(&err, RTW_ERR_SIGNATURE, "step", "the function is named");
    config.funcs = &no_func;
    require(rtw_slot_create(world->runtime, &config, &memory, &err), &err, "a slot");
    check_status(rtw_slot_publish(memory, instance, NULL, &err), RTW_ERR_EXPORT_KIND, "an export that is no function");
    rtw_slot_destroy(memory);
    rtw_slot_destroy(typed);
    check(call_i32(instance, "step", 3, 0) == 3, "an instance that was refused is the host's");
    rtw_instance_destroy(instance);

    world_t other = open_world();
    rtw_module_t *other_voice = load(other.runtime, "voice1");
    instance = make(&other, other_voice, 0);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_ARGUMENT, "an instance of another runtime");
    check_error(&err, RTW_ERR_ARGUMENT, "runtime", "the message says so");
    rtw_instance_destroy(instance);
    rtw_module_destroy(other_voice);
    close_world(&other);

    instance = make(world, voice, 0);
    call_i32(instance, "act", 1, 0);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_FAULTED, "an instance that has faulted");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    uint64_t number = 0;
    check_status(rtw_slot_publish(slot, instance, &number, &err), RTW_OK, "the same after a reset");
    check(number == 1, "the first publication has number 1");
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_ARGUMENT, "the same once more");
    check_error(&err, RTW_ERR_ARGUMENT, "already", "the message says so");
    rtw_slot_t *second = open_slot(world, "act", NULL);
    check_status(rtw_slot_publish(second, instance, NULL, &err), RTW_ERR_ARGUMENT, "the same in another slot");
    int32_t version = 0;
    uint32_t flags = 0;
    check(block(slot, 0, &version, &flags) == RTW_OK && version == 1 && flags == RTW_BLOCK_NEW, "it serves");
    check(block(slot, 0, &version, &flags) == RTW_OK && version == 1 && flags == 0, "and is new once");
    /* An instance that the slot has released may be published again. */
    publish(slot, make(world, voice, 0));
    check(block(slot, 0, NULL, &flags) == RTW_OK && flags == RTW_BLOCK_NEW, "another takes its place");
    wait_for_instances(slot, 1);
    rtw_status_t again;
    while ((again = rtw_slot_publish(second, instance, NULL, &err)) == RTW_ERR_ARGUMENT) continue;
    check_status(again, RTW_OK, "what a slot has let go another can have");
    check(block(second, 0, &version, NULL) == RTW_OK && version == 1, "and it serves there");
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    check(stats.publications == 2 && stats.refused == 4 && stats.taken == 2, "publications and refusals are counted");

    rtw_block_t begun, inner;
    require(rtw_slot_begin(slot, &begun), NULL, "begin");
    check_status(rtw_slot_begin(slot, &inner), RTW_ERR_BUSY, "no block inside a block");
    check_status(block(slot, 0, NULL, NULL), RTW_ERR_BUSY, "nor a call through the slot");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    check(rtw_invoke(begun.funcs[0], &value, 1) == RTW_OK && value.i32 == 1, "the block goes on");
    check_status(rtw_slot_end(slot), RTW_OK, "and ends");
    check_status(rtw_slot_end(slot), RTW_ERR_EMPTY, "once");
    check(block(slot, 0, NULL, NULL) == RTW_OK, "the next one is served");
    check_status(rtw_slot_invoke(slot, 0, NULL, 1, NULL), RTW_ERR_NULL, "values at NULL");
    check_status(rtw_slot_invoke(slot, 0, &value, 0, NULL), RTW_ERR_VALUES, "too few values");
    check(block(slot, 0, NULL, NULL) == RTW_OK, "which harms nothing");

    rtw_func_stats_t func_stats;
    rtw_func_stats_init(&func_stats);
    check_status(rtw_slot_func_stats(slot, 0, &func_stats), RTW_OK, "the function's statistics");
    /* Two before the exchange, then one by itself and three around the refusals. Faults before publication are the func's own. */
    check(func_stats.call.count == 6 && func_stats.faults == 0, "count the calls on both instances: %llu", (unsigned long long)func_stats.call.count);
    rtw_slot_destroy(second);
    rtw_slot_destroy(slot);
    check(call_i32(instance, "act", 0, 0) == 1, "an instance that the host has kept is its own again");
    rtw_instance_destroy(instance);
    rtw_module_destroy(plain);
    rtw_module_destroy(voice);
}

/* Host functions are given the slot's handle while the slot has the instance, and the host's before and afterwards. */
static void handles_of_host_functions(const world_t *world) {
    rtw_error_t err;
    rtw_module_t *voice = load(world->runtime, "voice1");
    rtw_value_t fault;
    memset(&fault, 0, sizeof fault);
    fault.i32 = 3;
    const rtw_dry_call_t dry = {NULL, &fault, 1, 1, 0};
    rtw_slot_config_t config = good();
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    rtw_slot_t *strict = open_slot(world, "act", &config), *slot = open_slot(world, "act", NULL);
    rtw_instance_t *instance = make(world, voice, 0);
    check_status(rtw_slot_publish(strict, instance, NULL, &err), RTW_ERR_HOST, "refused: a dry call that fails");
    check(refused_by != NULL && refused_by != instance, "its host function was given the slot's handle");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    call_i32(instance, "act", 3, 0);
    check(refused_by == instance, "refused, the instance has the host's handle again");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
    check_status(block(slot, 3, NULL, NULL), RTW_ERR_HOST, "a host function's error in a block");
    check(refused_by != instance, "it was given the slot's handle");
    rtw_slot_destroy(slot);
    require(rtw_instance_reset(instance, &err), &err, "reset");
    call_i32(instance, "act", 3, 0);
    check(refused_by == instance, "after the slot's end the instance has the host's handle again");
    rtw_slot_destroy(strict);
    rtw_instance_destroy(instance);
    rtw_module_destroy(voice);
}

/* Makes one thing of each noun and ends them in the order of `order`, a permutation of 0 to 4. */
static void ends_in_order(const int *order) {
    world_t world = open_world();
    require(rtw_thread_attach(world.runtime, NULL, NULL), NULL, "attach");
    rtw_module_t *voice = load(world.runtime, "voice1");
    rtw_slot_config_t config = good();
    config.standby = 1;
    rtw_slot_t *slot = open_slot(&world, "act", &config);
    rtw_instance_t *instance = make(&world, voice, AMPLE);
    rtw_error_t err;
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
    int32_t version = 0;
    bool good_calls = block(slot, 0, &version, NULL) == RTW_OK && version == 1;
    bool slot_lives = true;
    for (int i = 0; i < 5; i++) {
        switch (order[i]) {
        case 0: rtw_runtime_destroy(world.runtime); break;
        case 1: rtw_imports_destroy(world.imports); break;
        case 2: rtw_module_destroy(voice); break;
        case 3: rtw_instance_destroy(instance); break;
        default: rtw_slot_destroy(slot), slot_lives = false;
        }
        if (slot_lives) good_calls &= block(slot, 0, &version, NULL) == RTW_OK && version == 1;
    }
    if (!good_calls) check(false, "a slot serves until its end, whatever ends before: %d%d%d%d%d", order[0], order[1], order[2], order[3], order[4]);
}

static void permute(int *order, int from, int *count) {
    if (from == 5) {
        ends_in_order(order);
        ++*count;
        return;
    }
    for (int i = from; i < 5; i++) {
        const int first = order[from], other = order[i];
        order[from] = other, order[i] = first;
        permute(order, from + 1, count);
        order[from] = first, order[i] = other;
    }
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    world_t world = open_world();
    rtw_error_t err;
    require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    configurations(&world);
    handles(&world);
    empty(&world);
    publications(&world);
    handles_of_host_functions(&world);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    close_world(&world);
    int order[5] = {0, 1, 2, 3, 4}, count = 0;
    permute(order, 0, &count);
    check(count == 120, "runtime, imports, module, instance and slot end in any order");
    return check_summary();
}
