/* Publishers from several threads at once, most of whose publications are overtaken: nothing stays behind. SLOT_PUBLICATIONS of
 * them, 2000 otherwise. */
#include "slot.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PUBLISHERS = 3 };

typedef struct publisher_t {
    const world_t *world;
    rtw_slot_t *slot;
    rtw_module_t *module;
    uint64_t count;
    rtw_instance_t **leaked; /* instances that are not ended, where this is not NULL */
    pthread_t thread;
} publisher_t;

static void *publish_all(void *data) {
    publisher_t *publisher = data;
    rtw_error_t err;
    for (uint64_t i = 0; i < publisher->count; i++) {
        rtw_instance_t *instance = make(publisher->world, publisher->module, AMPLE);
        require(rtw_slot_publish(publisher->slot, instance, NULL, &err), &err, "publish");
        if (publisher->leaked != NULL)
            publisher->leaked[i] = instance;
        else
            rtw_instance_destroy(instance);
    }
    return NULL;
}

/* Blocks go on meanwhile, with a fault now and then; whether every one answered what it should. */
static bool publish_from_all(const world_t *world, rtw_slot_t *slot, rtw_module_t *const *voices, uint64_t count, rtw_instance_t **leaked) {
    publisher_t publishers[PUBLISHERS];
    bool good = true;
    uint64_t blocks = 0;
    const uint64_t before = stats_of_slot(slot).publications;
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (publisher_t){world, slot, voices[i % 2], count, leaked != NULL ? leaked + (uint64_t)i * count : NULL, 0};
        pthread_create(&publishers[i].thread, NULL, publish_all, &publishers[i]);
    }
    while (stats_of_slot(slot).publications < before + PUBLISHERS * count) {
        const bool to_fault = ++blocks % 64 == 0;
        int32_t version = 0;
        const rtw_status_t status = block(slot, to_fault, &version, NULL);
        if (status == RTW_OK)
            good &= !to_fault && (version == 1 || version == 2);
        else
            good &= status == RTW_ERR_FAULTED || status == RTW_ERR_EMPTY || (to_fault && status == RTW_ERR_TRAP_UNREACHABLE);
    }
    for (int i = 0; i < PUBLISHERS; i++) pthread_join(publishers[i].thread, NULL);
    return good;
}

static long number_in(const char *path, const char *key) {
    FILE *file = fopen(path, "r");
    char line[256];
    long number = -1;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) number = strtol(line + strlen(key), NULL, 10);
    if (file != NULL) fclose(file);
    return number;
}

static long descriptors(void) {
    long count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) count++;
    if (folder != NULL) closedir(folder);
    return count;
}

typedef struct held_t {
    long resident_kib, threads, descriptors;
} held_t;

static held_t holds(void) {
    return (held_t){number_in("/proc/self/status", "VmRSS:"), number_in("/proc/self/status", "Threads:"), descriptors()};
}

/* An instance is worth some hundred KiB with its statistics: so much would be seen of a few in a hundred. */
static bool flat(held_t before, held_t after) {
    return after.resident_kib - before.resident_kib < 16 * 1024 && after.threads == before.threads && after.descriptors == before.descriptors;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const char *wanted = getenv("SLOT_PUBLICATIONS");
    const uint64_t each = (wanted != NULL ? strtoull(wanted, NULL, 10) : 2000) / PUBLISHERS + 1;
    world_t world = open_world();
    rtw_error_t err;
    require(rtw_thread_attach(world.runtime, NULL, &err), &err, "attach");
    rtw_module_t *voices[2] = {load(world.runtime, "voice1"), load(world.runtime, "voice2")};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 1;
    config.hold_blocks = 2;
    rtw_slot_t *slot = open_slot(&world, "act", &config);

    /* After a first round the allocator's own memory does not grow. */
    bool good = publish_from_all(&world, slot, voices, each / 4, NULL);
    while (stats_of_slot(slot).instances > 2 || stats_of_slot(slot).spares_ready != 1) block(slot, 0, NULL, NULL), sched_yield();
    const held_t before = holds();
    good &= publish_from_all(&world, slot, voices, each, NULL);
    while (stats_of_slot(slot).instances > 2 || stats_of_slot(slot).spares_ready != 1) block(slot, 0, NULL, NULL), sched_yield();
    const held_t after = holds();
    const rtw_slot_stats_t stats = stats_of_slot(slot);
    printf("measured leaks %s: %llu publications from %d threads, %llu taken, %llu faults, RSS %+ld KiB\n", profile_name,
           (unsigned long long)stats.publications, PUBLISHERS, (unsigned long long)stats.taken, (unsigned long long)stats.faults, after.resident_kib - before.resident_kib);
    check(good, "every block ran on one of the versions, or faulted as it was to");
    check(stats.publications == PUBLISHERS * (each + each / 4) && stats.refused == 0, "every publication was accepted");
    check(stats.taken <= stats.publications && stats.faults > 0, "some were taken, some faulted");
    check(stats.instances == 2, "one instance and one spare are left");
    check(flat(before, after), "memory, threads and descriptors stay: %ld to %ld KiB, %ld to %ld, %ld to %ld", before.resident_kib, after.resident_kib, before.threads,
          after.threads, before.descriptors, after.descriptors);

    /* Planted: the host keeps its instances. */
    rtw_instance_t **leaked = calloc(PUBLISHERS * each, sizeof *leaked);
    if (leaked == NULL) abort();
    const held_t clean = holds();
    publish_from_all(&world, slot, voices, each, leaked);
    check(!flat(clean, holds()), "planted instances that stay are seen");
    rtw_slot_destroy(slot);
    for (uint64_t i = 0; i < PUBLISHERS * each; i++) rtw_instance_destroy(leaked[i]);
    free(leaked);
    rtw_module_destroy(voices[0]);
    rtw_module_destroy(voices[1]);
    require(rtw_thread_detach(world.runtime, &err), &err, "detach");
    close_world(&world);
    return check_summary();
}
