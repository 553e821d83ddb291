/* Faults for a long time: a trap, a cut-off and a host function's error in turn, a reset after each, then work. Memory, threads
 * and descriptors must not grow.
 *   SOAK_MINUTES   how long, with a fault every second; otherwise 300 faults in a row
 * With the argument memory, threads or descriptors some of that is leaked at each fault, which must be found. */
#include "budget.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUDGET_NS (1 * MS)
enum { FAULTS = 300, WARM_UP = 60 };
/* Memory that the C library's allocator may take without a leak. */
enum { SLACK_KB = 256 };

static const struct {
    const char *name;
    rtw_status_t status;
} kinds[] = {{"trap", RTW_ERR_TRAP_UNREACHABLE}, {"empty", RTW_ERR_BUDGET}, {"host_error", RTW_ERR_HOST}, {"tree", RTW_ERR_BUDGET}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The process's resources. */
typedef struct usage_t {
    long resident_kb, threads, descriptors;
} usage_t;

static long from_status(const char *key) {
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) value = strtol(line + strlen(key), NULL, 10);
    fclose(file);
    return value;
}

static usage_t usage(void) {
    usage_t now = {from_status("VmRSS:"), from_status("Threads:"), 0};
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return now;
    while (readdir(directory) != NULL) now.descriptors++;
    closedir(directory);
    return now;
}

static void print_usage(const char *when, usage_t now) {
    printf("%s: %ld KiB resident, %ld threads, %ld descriptors\n", when, now.resident_kb, now.threads, now.descriptors);
}

/* The resource that has grown, or NULL. */
static const char *grown(usage_t before, usage_t after) {
    if (after.threads > before.threads) return "threads";
    if (after.descriptors > before.descriptors) return "descriptors";
    return after.resident_kb > before.resident_kb + SLACK_KB ? "memory" : NULL;
}

/* One fault, the reset, and work as if nothing had been. */
static bool fault_once(spinner_t *spinner, unsigned long number) {
    unsigned kind = (unsigned)(number % KINDS);
    rtw_status_t status = call(spinner->instance, kinds[kind].name, NULL, 0);
    if (status != kinds[kind].status) printf("    %s: %s\n", kinds[kind].name, rtw_status_name(status));
    return status == kinds[kind].status && rtw_instance_reset(spinner->instance, NULL) == RTW_OK &&
           works(spinner, 1000, (uint32_t)number + 1, AMPLE, NULL);
}

static void *wait_for_ever(void *data) {
    for (;;) pause();
    return data;
}

static void leak(const char *what) {
    static void *volatile lost;
    pthread_t thread;
    if (strcmp(what, "memory") == 0) {
        enum { BYTES = 16 * 1024 };
        lost = malloc(BYTES);
        if (lost != NULL) memset(lost, 1, BYTES);
    } else if (strcmp(what, "threads") == 0) {
        pthread_create(&thread, NULL, wait_for_ever, NULL);
    } else {
        (void)!dup(0);
    }
}

static void wait_until(uint64_t when_ns) {
    struct timespec when = {(time_t)(when_ns / SECOND), (long)(when_ns % SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0) {}
}

static void soak(spinner_t *spinner, const char *leaked) {
    unsigned long minutes = getenv("SOAK_MINUTES") != NULL ? (unsigned long)number_from_environment("SOAK_MINUTES", 1) : 0;
    unsigned long faults = minutes != 0 ? minutes * 60 : FAULTS, failed = 0;
    unsigned long warm_up = faults > 2 * WARM_UP ? WARM_UP : faults / 2;
    uint64_t started = now_ns();
    usage_t before = usage();
    for (unsigned long i = 0; i < faults; i++) {
        if (i == warm_up) print_usage("warm", before = usage());
        failed += !fault_once(spinner, i);
        if (leaked != NULL) leak(leaked);
        if (minutes != 0) wait_until(started + (i + 1) * SECOND);
        if (minutes != 0 && i % 600 == 599) print_usage("so far", usage());
    }
    usage_t after = usage();
    print_usage("at the end", after);
    const char *found = grown(before, after);
    if (leaked != NULL) {
        check(found != NULL && strcmp(found, leaked) == 0, "%s lost at each fault are found", leaked);
        return;
    }
    check(failed == 0, "%lu faults in turn, each as it should be, reset, and work after it (%lu not)", faults, failed);
    check(found == NULL, "memory, threads and descriptors stay as they were (%s)", found != NULL ? found : "all do");
}

int main(int argc, char **argv) {
    const char *leaked = argc == 4 ? argv[3] : NULL;
    read_command_line(leaked != NULL ? 3 : argc, argv);
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    soak(&spinner, leaked);
    close_spinner(&spinner);
    return check_summary();
}
