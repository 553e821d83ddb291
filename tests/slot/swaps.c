/* Hot swaps under a running, paced real-time thread: every block is served, every sample is right to the last bit on each side of
 * each swap, and in its blocks the thread allocates nothing, locks nothing and makes no system call. SLOT_SWAPS swaps, 1000
 * otherwise. Everything that is looked for is planted once. */
#include "../support/child.h"
#include "slot.h"

#include "../proofs/interpose.h"
#include "../proofs/section.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 64, INPUT = 1024, OUTPUT = 2048 };
#define PERIOD_NS ((long)(250 * US))

typedef enum plant_t { NOTHING, ALLOCATION, LOCK, SYSTEM_CALL, SAMPLE, MISSED } plant_t;

typedef struct player_t {
    world_t *world;
    rtw_slot_t *slot;
    plant_t plant;
    uint64_t wanted;
    volatile bool stop, ended;
    /* The outcome. */
    findings_t findings;
    uint64_t blocks, missed, swaps, wrong_samples, wrong_versions, wrong_flags;
    rtw_slot_stats_t stats;
} player_t;

static void next_period(struct timespec *due) {
    due->tv_nsec += PERIOD_NS;
    if (due->tv_nsec >= 1000000000) due->tv_nsec -= 1000000000, due->tv_sec++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
}

static float sample(uint64_t block_number, int frame) {
    return (float)((block_number * 31 + (uint64_t)frame * 17) % 2003) / 2003.0F - 0.5F;
}

static uint32_t bits(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static volatile uintptr_t sink;
static void violate(plant_t plant) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (plant == ALLOCATION) {
        void *memory = malloc(32);
        sink = (uintptr_t)memory;
        free(memory);
    }
    if (plant == LOCK) pthread_mutex_lock(&lock), pthread_mutex_unlock(&lock);
    if (plant == SYSTEM_CALL) syscall(SYS_getppid);
}

/* One block in the guest that the slot gives, its output compared. `version` is what the blocks before ran on; 0 at first. */
static void play_block(player_t *player, uint64_t number, int32_t *version) {
    float in[FRAMES], out[FRAMES];
    rtw_block_t begun;
    rtw_value_t value;
    for (int i = 0; i < FRAMES; i++) in[i] = sample(number, i);
    memset(out, 0, sizeof out);
    memset(&value, 0, sizeof value);
    value.i32 = (int32_t)(number % 1000) + 1;
    const bool planted = number == 20;
    section_begin();
    const rtw_status_t began = rtw_slot_begin(player->slot, &begun);
    rtw_status_t status = began;
    if (began == RTW_OK) {
        void *input = rtw_instance_memory_at(begun.instance, INPUT, sizeof in);
        const void *output = rtw_instance_memory_at(begun.instance, OUTPUT, sizeof out);
        memcpy(input, in, sizeof in);
        status = rtw_invoke(begun.funcs[0], &value, 1);
        memcpy(out, output, sizeof out);
        rtw_slot_end(player->slot);
    }
    if (planted) violate(player->plant);
    section_end(&player->findings);
    player->blocks++;
    if (status != RTW_OK) {
        player->missed++;
        return;
    }
    const bool is_new = (begun.flags & RTW_BLOCK_NEW) != 0;
    const int32_t expected = !is_new ? *version : *version == 0 ? 1 : 3 - *version;
    player->wrong_versions += value.i32 != expected;
    player->wrong_flags += (begun.flags & ~(uint32_t)(RTW_BLOCK_NEW | RTW_BLOCK_HELD)) != 0;
    player->swaps += is_new;
    *version = value.i32;
    if (planted && player->plant == SAMPLE) out[7] += 1e-6F;
    const float gain = (float)*version + 0.3F, offset = 1.0F / (float)((int32_t)(number % 1000) + 1);
    for (int i = 0; i < FRAMES; i++) {
        const float product = in[i] * gain;
        player->wrong_samples += bits(product + offset) != bits(out[i]);
    }
}

/* The publisher's thread. */
static void *publish_in_turn(void *data) {
    player_t *player = data;
    rtw_module_t *voices[2] = {load(player->world->runtime, "voice1"), load(player->world->runtime, "voice2")};
    if (player->plant == MISSED) {
        while (stats_of_slot(player->slot).unserved == 0) sched_yield();
        publish(player->slot, make(player->world, voices[0], AMPLE));
    }
    for (uint64_t i = 1; i <= player->wanted; i++) {
        while (stats_of_slot(player->slot).taken != i) usleep(50);
        publish(player->slot, make(player->world, voices[i % 2], AMPLE));
    }
    while (stats_of_slot(player->slot).taken != player->wanted + 1) usleep(50);
    player->stats = stats_of_slot(player->slot);
    rtw_module_destroy(voices[0]);
    rtw_module_destroy(voices[1]);
    player->stop = true;
    return NULL;
}

static void play(player_t *player) {
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    int32_t version = 0;
    for (uint64_t number = 0; !player->stop || number < 40; number++) {
        next_period(&due);
        play_block(player, number, &version);
    }
}

/* In a process of its own, as a thread that is watched cannot end by itself; the playing thread is the first one. */
static void swap_here(void *data) {
    player_t *player = data;
    world_t world = open_world();
    player->world = &world;
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    rtw_value_t one;
    memset(&one, 0, sizeof one);
    one.i32 = 1;
    const rtw_dry_call_t dry = {NULL, &one, 1, 8, 0};
    config.standby = 1;
    config.hold_blocks = 4;
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    player->slot = open_slot(&world, "process", &config);
    rtw_module_t *voice = load(world.runtime, "voice1");
    if (player->plant != MISSED) publish(player->slot, make(&world, voice, AMPLE));
    rtw_thread_config_t thread_config;
    rtw_error_t err;
    rtw_thread_config_init(&thread_config);
    thread_config.sched_policy = RTW_SCHED_FIFO;
    thread_config.priority = 10;
    if (rtw_thread_attach(world.runtime, &thread_config, &err) != RTW_OK) require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    pthread_t thread;
    pthread_attr_t ordinary;
    const struct sched_param no_priority = {0};
    pthread_attr_init(&ordinary);
    pthread_attr_setinheritsched(&ordinary, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&ordinary, SCHED_OTHER);
    pthread_attr_setschedparam(&ordinary, &no_priority);
    if (pthread_create(&thread, &ordinary, publish_in_turn, player) != 0) abort();
    watch_system_calls();
    play(player);
    pthread_join(thread, NULL);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    rtw_slot_destroy(player->slot);
    rtw_module_destroy(voice);
    close_world(&world);
    player->ended = true;
}

/* The outcome is shared with the parent process. */
static const player_t *swap(uint64_t wanted, plant_t plant) {
    player_t *player = mmap(NULL, sizeof *player, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (player == MAP_FAILED) abort();
    player->wanted = wanted;
    player->plant = plant;
    const int status = status_of_child(swap_here, player);
    if (status != 0 || !player->ended) check(false, "the player came to its end: %d", status);
    /* Static strings: both processes have the same program. */
    return player;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const char *wanted = getenv("SLOT_SWAPS");
    const uint64_t swaps = wanted != NULL ? strtoull(wanted, NULL, 10) : 1000;
    const player_t *player = swap(swaps, NOTHING);
    const findings_t *found = &player->findings;
    printf("measured swaps %s: %llu swaps in %llu blocks of 250 us, page faults in blocks: %llu\n", profile_name,
           (unsigned long long)player->swaps, (unsigned long long)player->blocks, (unsigned long long)(found->minor_faults + found->major_faults));
    check(player->stats.taken == swaps + 1 && player->stats.publications == swaps + 1 && player->stats.refused == 0, "every publication was taken");
    check(player->stats.unserved == 0 && player->stats.busy == 0 && player->stats.faults == 0, "the slot counts no block as missed");
    check(player->swaps == swaps + 1, "%llu hot swaps under a running thread", (unsigned long long)swaps);
    check(player->missed == 0, "no block is missed");
    check(player->wrong_samples == 0 && player->wrong_versions == 0, "every sample is right to the last bit on each side of each swap: %llu wrong, %llu of the wrong version",
          (unsigned long long)player->wrong_samples, (unsigned long long)player->wrong_versions);
    check(player->wrong_flags == 0, "no block has other flags");
    check(found->allocations == 0, "no block allocates or frees: %s", found->first_allocation != NULL ? found->first_allocation : "none");
    check(found->locks == 0, "no block locks: %s", found->first_lock != NULL ? found->first_lock : "none");
    check(found->system_calls == 0, "no block makes a system call: %ld", found->first_system_call);
    check(swap(2, ALLOCATION)->findings.allocations != 0, "a planted allocation is found");
    check(swap(2, LOCK)->findings.locks != 0, "a planted lock is found");
    check(swap(2, SYSTEM_CALL)->findings.system_calls != 0, "a planted system call is found");
    check(swap(2, SAMPLE)->wrong_samples == 1, "a planted wrong sample is found");
    check(swap(2, MISSED)->missed != 0, "a planted miss is found");
    return check_summary();
}
