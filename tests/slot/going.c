/* Continuing after faults: spares, events, held instances, a forked child, two runtimes beside each other. */
#include "slot.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { WELL = 0, TRAP = 1, SPIN = 2, REFUSE = 3, OUTSIDE = 4 };

static const struct {
    int32_t kind;
    rtw_status_t status;
    const char *what;
} failures[] = {
    {TRAP, RTW_ERR_TRAP_UNREACHABLE, "a trap"},
    {SPIN, RTW_ERR_BUDGET, "a cut-off"},
    {REFUSE, RTW_ERR_HOST, "a host function's error"},
    {OUTSIDE, RTW_ERR_TRAP_MEMORY, "an access outside the memory"},
};
enum { FAILURES = sizeof failures / sizeof *failures, ROUNDS = 5 };

static void spares_in_turn(const world_t *world, rtw_module_t *voice) {
    told_t told = TOLD_NOTHING;
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    rtw_value_t zero;
    memset(&zero, 0, sizeof zero);
    const rtw_dry_call_t dry = {NULL, &zero, 1, 8, 0};
    config.standby = 2;
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    config.on_event = tell;
    config.user_data = &told;
    rtw_slot_t *slot = open_slot(world, "act", &config);
    const uint64_t number = publish(slot, make(world, voice, SHORT));
    check(block(slot, WELL, NULL, NULL) == RTW_OK, "the instance serves");
    uint64_t faults = 0;
    for (int i = 0; i < FAILURES; i++) {
        bool failed_so = true, went_on = true, flagged = true, same = true;
        for (int round = 0; round < ROUNDS; round++) {
            wait_for_spares(slot, 2);
            uint32_t flags = 99;
            int32_t version = 0;
            failed_so &= block(slot, failures[i].kind, NULL, &flags) == failures[i].status && flags == 0;
            faults++;
            went_on &= block(slot, WELL, &version, &flags) == RTW_OK && version == 1;
            flagged &= flags == RTW_BLOCK_SPARE;
            went_on &= block(slot, WELL, &version, &flags) == RTW_OK && version == 1;
            flagged &= flags == 0;
            same &= wait_for_event(&told, RTW_SLOT_EVENT_FAULTED, (size_t)faults) == failures[i].status;
        }
        check(failed_so, "%s ends its block with its own status", failures[i].what);
        check(went_on, "%s: the next block runs on a spare", failures[i].what);
        check(flagged, "%s: that block has the flag, the others have not", failures[i].what);
        check(same, "%s: the host is told of what", failures[i].what);
    }
    wait_for_spares(slot, 2);
    wait_for_event(&told, RTW_SLOT_EVENT_SPARE_TAKEN, (size_t)faults);
    wait_for_event(&told, RTW_SLOT_EVENT_SPARE_READY, (size_t)faults + 2);
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    check(stats.faults == faults && stats.spares_used == faults && stats.unserved == 0, "faults and spares are counted");
    check(stats.taken == 1 && stats.instances == 3 && stats.spares_ready == 2, "one instance and two spares are there in the end");
    check(events_of(&told, RTW_SLOT_EVENT_TAKEN) == 1 && events_of(&told, RTW_SLOT_EVENT_SPARE_FAILED) == 0, "one was taken as published, none failed to come");
    check(first_event(&told, RTW_SLOT_EVENT_TAKEN) < first_event(&told, RTW_SLOT_EVENT_FAULTED), "an instance is told as taken before it is told as faulted");
    bool numbered = true;
    for (size_t i = 0; i < told.count; i++) numbered &= told.publications[i] == number;
    check(numbered, "all events name the publication");
    rtw_func_stats_t func_stats;
    rtw_func_stats_init(&func_stats);
    require(rtw_slot_func_stats(slot, 0, &func_stats), NULL, "statistics");
    check(func_stats.call.count == 1 + 3 * faults && func_stats.faults == faults && func_stats.cut_offs == ROUNDS,
          "the function's statistics count calls on all instances, and no dry calls");
    rtw_slot_destroy(slot);
    const size_t after = told.count;
    publish(slot = open_slot(world, "act", NULL), make(world, voice, SHORT));
    check(block(slot, TRAP, NULL, NULL) == RTW_ERR_TRAP_UNREACHABLE, "another slot's fault");
    check(told.count == after, "a slot that is destroyed tells nothing");
    rtw_slot_destroy(slot);
}

static volatile bool hold_housekeeper;
static void wait_there(void *user_data, const rtw_slot_event_t *event) {
    tell(user_data, event);
    while (hold_housekeeper) sched_yield();
}

/* The housekeeper is kept busy, so that no spare can come. */
static void no_spare(const world_t *world, rtw_module_t *voice) {
    told_t told = TOLD_NOTHING;
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    config.on_event = wait_there;
    config.user_data = &told;
    rtw_slot_t *slot = open_slot(world, "act", &config);
    publish(slot, make(world, voice, 0));
    wait_for_spares(slot, 1);
    hold_housekeeper = true;
    check(block(slot, TRAP, NULL, NULL) == RTW_ERR_TRAP_UNREACHABLE, "a fault with one spare");
    uint32_t flags = 99;
    check(block(slot, TRAP, NULL, &flags) == RTW_ERR_TRAP_UNREACHABLE && flags == RTW_BLOCK_SPARE, "the spare faults as well");
    bool refused = true;
    for (int i = 0; i < 1000; i++) refused &= block(slot, WELL, NULL, &flags) == RTW_ERR_FAULTED && flags == 0;
    check(refused, "no spare: RTW_ERR_FAULTED at once");
    rtw_block_t begun;
    check_status(rtw_slot_begin(slot, &begun), RTW_ERR_FAULTED, "and no block begins");
    hold_housekeeper = false;
    rtw_status_t status;
    while ((status = block(slot, WELL, NULL, &flags)) == RTW_ERR_FAULTED) sched_yield();
    check(status == RTW_OK && flags == RTW_BLOCK_SPARE, "until there is one");
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    check(stats.unserved >= 1001 && stats.faults == 2 && stats.spares_used == 2, "blocks without service are counted");
    rtw_slot_destroy(slot);

    rtw_slot_t *alone = open_slot(world, "act", NULL);
    publish(alone, make(world, voice, 0));
    check(block(alone, TRAP, NULL, NULL) == RTW_ERR_TRAP_UNREACHABLE, "a fault without standby");
    check_status(block(alone, WELL, NULL, NULL), RTW_ERR_FAULTED, "ends the service");
    publish(alone, make(world, voice, 0));
    check(block(alone, WELL, NULL, &flags) == RTW_OK && flags == RTW_BLOCK_NEW, "until the next publication");
    rtw_slot_destroy(alone);
}

static void spare_fails(const world_t *world) {
    told_t told = TOLD_NOTHING;
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 2;
    config.on_event = tell;
    config.user_data = &told;
    rtw_module_t *module = load(world->runtime, "spare_fails");
    rtw_slot_t *slot = open_slot(world, "step", &config);
    starts = 1;
    publish(slot, make(world, module, 0));
    check_status(wait_for_event(&told, RTW_SLOT_EVENT_SPARE_FAILED, 1), RTW_ERR_HOST, "a spare that cannot be made is told, and why");
    check(block(slot, 7, NULL, NULL) == RTW_OK && stats_of_slot(slot).instances == 1, "the instance serves all the same");
    starts = 3;
    publish(slot, make(world, module, 0));
    wait_for_spares(slot, 2);
    check(events_of(&told, RTW_SLOT_EVENT_SPARE_FAILED) == 1, "nothing was tried again before the next publication");
    rtw_slot_destroy(slot);
    rtw_module_destroy(module);
}

/* A spare of one publication is in use while the next one waits: its own spares are not to go before it does. */
static void fault_during_publication(const world_t *world, rtw_module_t *voice1, rtw_module_t *voice2) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 4;
    rtw_slot_t *slot = open_slot(world, "act", &config);
    bool good = true;
    for (int round = 0; round < 30; round++) {
        int32_t version = 0;
        publish(slot, make(world, voice1, 0));
        good &= block(slot, WELL, &version, NULL) == RTW_OK && version == 1;
        wait_for_spares(slot, 4);
        good &= block(slot, TRAP, NULL, NULL) == RTW_ERR_TRAP_UNREACHABLE;
        good &= block(slot, WELL, &version, NULL) == RTW_OK && version == 1;
        publish(slot, make(world, voice2, 0));
        uint32_t flags = 0;
        good &= block(slot, TRAP, NULL, &flags) == RTW_ERR_TRAP_UNREACHABLE && flags == RTW_BLOCK_NEW;
        wait_for_spares(slot, 4);
        good &= block(slot, WELL, &version, &flags) == RTW_OK && version == 2 && flags == RTW_BLOCK_SPARE;
    }
    check(good, "faults and publications in turn: every block runs on what it should");
    wait_for_instances(slot, 5);
    check(stats_of_slot(slot).instances == 5, "and one instance with its spares is left");
    rtw_slot_destroy(slot);
}

static void held(const world_t *world, rtw_module_t *voice1, rtw_module_t *voice2) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.hold_blocks = 8;
    rtw_slot_t *slot = open_slot(world, "process", &config);
    publish(slot, make(world, voice1, 0));
    int32_t version = 0;
    bool faded = block(slot, 1, &version, NULL) == RTW_OK;
    publish(slot, make(world, voice2, 0));
    uint32_t counted = 0;
    /* A crossfade: both are called with the same input, and the shares add up. */
    for (uint32_t number = 0; number < 12; number++) {
        rtw_block_t begun;
        rtw_value_t value;
        memset(&value, 0, sizeof value);
        value.i32 = 1;
        faded &= rtw_slot_begin(slot, &begun) == RTW_OK;
        faded &= rtw_invoke(begun.funcs[0], &value, 1) == RTW_OK && value.i32 == 2;
        faded &= (begun.flags & RTW_BLOCK_NEW) == (number == 0 ? RTW_BLOCK_NEW : 0);
        if ((begun.flags & RTW_BLOCK_HELD) != 0) {
            counted++;
            value.i32 = 1;
            faded &= begun.held_instance != NULL && rtw_invoke(begun.held_funcs[0], &value, 1) == RTW_OK && value.i32 == 1;
            const float *before = rtw_instance_memory_at(begun.held_instance, 2048, 256);
            const float *now = rtw_instance_memory_at(begun.instance, 2048, 256);
            const float share = (float)number / 8;
            const float mixed = before == NULL || now == NULL ? -1 : before[0] * (1 - share) + now[0] * share;
            faded &= mixed > 0.999F && mixed < 1.001F;
        } else {
            faded &= begun.held_instance == NULL && begun.held_funcs == NULL;
        }
        faded &= rtw_slot_end(slot) == RTW_OK;
    }
    check(faded, "a crossfade between the held instance and the new one");
    check(counted == 8, "the instance is held for as many blocks as was asked: %u", counted);
    wait_for_instances(slot, 1);
    publish(slot, make(world, voice1, 0));
    uint32_t flags = 0;
    check(block(slot, 1, &version, &flags) == RTW_OK && flags == (RTW_BLOCK_NEW | RTW_BLOCK_HELD), "rtw_slot_invoke tells of both");
    publish(slot, make(world, voice2, 0));
    check(block(slot, 1, &version, &flags) == RTW_OK && version == 2 && flags == (RTW_BLOCK_NEW | RTW_BLOCK_HELD), "another exchange during the hold");
    wait_for_instances(slot, 2);
    check(stats_of_slot(slot).instances == 2, "lets the first one go");
    rtw_slot_destroy(slot);
}

static void child(void *data) {
    rtw_slot_t *slot = ((rtw_slot_t **)data)[0];
    rtw_instance_t *instance = ((rtw_instance_t **)data)[1];
    rtw_error_t err;
    check_status(block(slot, WELL, NULL, NULL), RTW_ERR_FORKED, "a child's call through the slot");
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_ERR_FORKED, "a child's publication");
    rtw_slot_destroy(slot);
    check(true, "a child can destroy the slot");
}

static void forked(const world_t *world, rtw_module_t *voice) {
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    rtw_slot_t *slot = open_slot(world, "act", &config);
    publish(slot, make(world, voice, AMPLE));
    wait_for_spares(slot, 1);
    rtw_instance_t *instance = make(world, voice, 0);
    void *data[2] = {slot, instance};
    check_in_child("a forked child", child, data);
    uint32_t flags = 0;
    check(block(slot, TRAP, NULL, NULL) == RTW_ERR_TRAP_UNREACHABLE && block(slot, WELL, NULL, &flags) == RTW_OK && flags == RTW_BLOCK_SPARE,
          "the parent goes on, on a spare even");
    rtw_instance_destroy(instance);
    rtw_slot_destroy(slot);
}

/* ---- two runtimes ---- */

typedef struct other_t {
    volatile bool stop;
    bool good;
    uint64_t cut_offs;
    uint64_t thread_started;
} other_t;

/* Calls that never end, one after another, in a runtime of its own. */
static void *cut_off_again_and_again(void *data) {
    other_t *other = data;
    world_t world = open_world();
    rtw_error_t err;
    require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 2;
    rtw_module_t *voice = load(world.runtime, "voice2");
    rtw_slot_t *slot = open_slot(&world, "act", &config);
    publish(slot, make(&world, voice, MS / 2));
    other->good = true;
    while (!other->stop || other->cut_offs == 0) {
        wait_for_spares(slot, 2);
        other->good &= block(slot, SPIN, NULL, NULL) == RTW_ERR_BUDGET;
        other->cut_offs++;
    }
    rtw_slot_destroy(slot);
    rtw_module_destroy(voice);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    close_world(&world);
    return NULL;
}

static void two_runtimes(const world_t *world, rtw_module_t *voice) {
    other_t other = {false, false, 0, 0};
    pthread_t thread;
    rtw_slot_t *slot = open_slot(world, "process", NULL);
    publish(slot, make(world, voice, AMPLE));
    pthread_create(&thread, NULL, cut_off_again_and_again, &other);
    bool served = true;
    uint64_t blocks = 0;
    for (; blocks < 20000 || *(volatile uint64_t *)&other.cut_offs < 50; blocks++) {
        int32_t version = 0;
        served &= block(slot, 1, &version, NULL) == RTW_OK && version == 1;
    }
    other.stop = true;
    pthread_join(thread, NULL);
    check(other.good && other.cut_offs >= 50, "one runtime's budgets expire: %llu cut off", (unsigned long long)other.cut_offs);
    check(served && stats_of_slot(slot).faults == 0, "the other's calls are left alone: %llu of them", (unsigned long long)blocks);
    rtw_slot_destroy(slot);
}

/* ---- signals ---- */

enum { SIGNALS = 64 };
static void dispositions(struct sigaction *out) {
    for (int number = 1; number < SIGNALS; number++)
        if (sigaction(number, NULL, &out[number]) != 0) memset(&out[number], 0, sizeof out[number]);
}

static bool same_dispositions(const struct sigaction *a, const struct sigaction *b) {
    for (int number = 1; number < SIGNALS; number++)
        if (a[number].sa_sigaction != b[number].sa_sigaction || a[number].sa_flags != b[number].sa_flags) return false;
    return true;
}

static void on_signal(int number) { (void)number; }

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    static struct sigaction before[SIGNALS], after[SIGNALS];
    dispositions(before);
    world_t world = open_world();
    rtw_error_t err;
    require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    rtw_module_t *voice1 = load(world.runtime, "voice1"), *voice2 = load(world.runtime, "voice2");
    spares_in_turn(&world, voice1);
    if (profile == RTW_PROFILE_PLUGIN) {
        dispositions(after);
        check(same_dispositions(before, after), "the plugin profile leaves every signal alone, with watchdog and housekeeper running");
        signal(SIGUSR2, on_signal);
        dispositions(after);
        check(!same_dispositions(before, after), "a planted handler is seen");
        signal(SIGUSR2, SIG_DFL);
    }
    no_spare(&world, voice1);
    spare_fails(&world);
    fault_during_publication(&world, voice1, voice2);
    held(&world, voice1, voice2);
    forked(&world, voice1);
    two_runtimes(&world, voice1);
    rtw_module_destroy(voice1);
    rtw_module_destroy(voice2);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    close_world(&world);
    return check_summary();
}
