#include "rival.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LOADS = 4096, MOST_STEPS = 16 };

const char *const rival_cases[] = {"instantiate", "prepared", "end", "reset", "stateless", "turn", NULL};

uint64_t rival_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void rival_fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* Keeps all modules until the last is loaded, or one at a time. */
static void load(int count, int most, int keeps) {
    static uint64_t ns[MOST_LOADS];
    if (count < 1 || count > most) rival_fail("load", "too often");
    const long before = faults();
    for (int i = 0; i < count; i++) {
        ns[i] = rival_load();
        if (!keeps) rival_unload();
    }
    printf("%ld", faults() - before);
    rival_unload();
    for (int i = 0; i < count; i++) printf(" %" PRIu64, ns[i]);
    printf("\n");
}

static void time_case(const char *name, int count) {
    static uint64_t ns[MOST_LOADS];
    if (count < 1 || count > MOST_LOADS) rival_fail(name, "1 to 4096 times");
    const long before = faults();
    if (rival_case(name, count, ns) != 0) {
        printf("none\n");
        return;
    }
    printf("%ld", faults() - before);
    for (int i = 0; i < count; i++) printf(" %" PRIu64, ns[i]);
    printf("\n");
}

/* The memory that this process has present, in bytes. */
static long present(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) rival_fail("/proc/self/statm", "cannot be read");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void measure_memory(int count) {
    rival_many(16); /* what comes with the first */
    const long before = present();
    rival_many(count);
    printf("%ld\n", present() - before);
}

static bool is_case(const char *name) {
    for (int i = 0; rival_cases[i] != NULL; i++)
        if (strcmp(rival_cases[i], name) == 0) return true;
    return false;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "empty") == 0) return 0;
    if (argc >= 3 && strcmp(argv[1], "first") == 0) {
        rival_step_t steps[MOST_STEPS];
        const int count = rival_first(argv + 2, steps);
        for (int i = 0; i < count; i++) printf("%s %" PRIu64 "%s", steps[i].name, steps[i].ns, i + 1 < count ? " " : "\n");
        return 0;
    }
    if (argc >= 4 && strcmp(argv[1], "load") == 0) {
        rival_open(argv + 3);
        for (int left = atoi(argv[2]); left > 0; left--) {
            rival_load();
            rival_unload();
        }
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "serve") == 0) {
        rival_open(argv + 2);
        char line[64];
        while (fgets(line, sizeof line, stdin) != NULL) {
            int count = 0;
            char name[32];
            if (sscanf(line, "load %d", &count) == 1) load(count, MOST_LOADS, 0);
            else if (sscanf(line, "keep %d", &count) == 1) load(count, RIVAL_MOST_KEPT, 1);
            else if (sscanf(line, "memory %d", &count) == 1) measure_memory(count);
            else if (sscanf(line, "%31s %d", name, &count) == 2 && is_case(name)) time_case(name, count);
            else if (strcmp(line, "check\n") == 0) printf("%" PRId32 "\n", rival_check());
            else rival_fail("unknown line", line);
            fflush(stdout);
        }
        return 0;
    }
    const int status = rival_other(argc, argv);
    if (status < 0) rival_fail(argv[0], "usage: see rival.h");
    return status;
}
