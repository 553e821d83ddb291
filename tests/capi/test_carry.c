/* A bucket's counter has 32 bits: what happens when it is full. The test makes one full as a debugger would, by the file of the process's
 * memory, since 4 billion calls take minutes. */
#include "../support/common.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FULL UINT64_C(0xffffffff)
/* A counter below this might be found in many places. */
#define RARE 100000

static rtw_error_t err;

/* A func's times, or a recorder's. */
typedef struct times_t {
    const rtw_func_t *func;
    const rtw_recorder_t *recorder;
} times_t;

/* The number of times; 0 where they cannot be read. */
static uint64_t count_of(times_t times) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    const rtw_status_t status = times.func != NULL ? rtw_func_stats(times.func, &stats) : rtw_recorder_stats(times.recorder, &stats);
    return status == RTW_OK ? stats.call.count : 0;
}

/* Makes the counter at a place full if it is one of these times'; otherwise leaves the place as it was. */
static bool fill_at(int memory, off_t place, uint32_t counter, times_t times, uint64_t wanted) {
    const uint32_t full = (uint32_t)FULL;
    if (pwrite(memory, &full, sizeof full, place) != sizeof full) return false;
    if (count_of(times) == wanted) return true;
    if (pwrite(memory, &counter, sizeof counter, place) != sizeof counter) check(false, "another word of that value stays as it was");
    return false;
}

static bool fill_in(int memory, off_t from, off_t to, uint32_t counter, times_t times, uint64_t wanted) {
    static uint32_t words[1 << 16];
    for (off_t at = from; at < to; at += (off_t)sizeof words) {
        const ssize_t bytes = pread(memory, words, to - at < (off_t)sizeof words ? (size_t)(to - at) : sizeof words, at);
        for (ssize_t word = 0; word < bytes / 4; word++) {
            if (words[word] == counter && fill_at(memory, at + word * 4, counter, times, wanted)) return true;
        }
    }
    return false;
}

/* Finds the only counter of these times with that value in the process's memory, and makes it full. */
static bool fill(uint32_t counter, times_t times) {
    enum { LARGEST = 64 << 20 }; /* the heap is smaller */
    const uint64_t wanted = count_of(times) - counter + FULL;
    const int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    bool done = false;
    char line[512], rights[5];
    uintmax_t from, to;
    while (!done && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%jx-%jx %4s", &from, &to, rights) == 3 && strcmp(rights, "rw-p") == 0 && to - from <= LARGEST) {
            done = fill_in(memory, (off_t)from, (off_t)to, counter, times, wanted);
        }
    }
    if (maps != NULL) fclose(maps);
    close(memory);
    return done;
}

static uint64_t read_count(rtw_interval_t *interval) {
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_interval_read(interval, &stats), RTW_OK, "the interval");
    return stats.call.count;
}

static void test_recorder(rtw_runtime_t *runtime) {
    enum { TIMES = 123457 };
    rtw_recorder_t *recorder;
    rtw_interval_t *interval;
    require(rtw_recorder_create(runtime, "full", &recorder, &err), &err, "a recorder");
    for (int n = 0; n < TIMES; n++) (void)rtw_recorder_record_ns(recorder, 1000);
    const times_t times = {NULL, recorder};
    check(count_of(times) == TIMES && fill(TIMES, times) && count_of(times) == FULL, "a recorder's counter is full");
    require(rtw_recorder_interval(recorder, &interval, &err), &err, "an interval");
    check_status(rtw_recorder_record_ns(recorder, 1000), RTW_OK, "one time more");
    check(count_of(times) == FULL + 1, "is counted: %" PRIu64, count_of(times));
    for (int n = 0; n < 5; n++) (void)rtw_recorder_record_ns(recorder, 1000);
    check(count_of(times) == FULL + 6, "and so are those that follow: %" PRIu64, count_of(times));
    check(read_count(interval) == 6, "the interval has them");
    rtw_interval_destroy(interval);
    rtw_recorder_destroy(recorder);
}

/* The count of a func's fullest bucket; 0 where the buckets cannot be read. */
static uint64_t fullest(const rtw_func_t *func) {
    static rtw_bucket_t buckets[3000];
    size_t count = 0;
    uint64_t most = 0;
    if (rtw_func_buckets(func, buckets, sizeof buckets / sizeof buckets[0], &count) != RTW_OK) return 0;
    for (size_t at = 0; at < count; at++) most = buckets[at].count > most ? buckets[at].count : most;
    return most;
}

/* Calls until the fullest bucket has more than `wanted` calls; returns the number of calls, 0 after one that fails or too many. */
static uint64_t call_until(rtw_func_t *func, uint64_t wanted) {
    uint64_t calls = 0;
    for (; fullest(func) <= wanted; calls += 1000) {
        if (calls == 1000 * 1000 * 1000) return 0;
        for (int n = 0; n < 1000; n++) {
            if (rtw_invoke(func, NULL, 0) != RTW_OK) return 0;
        }
    }
    return calls;
}

static void test_func(const guest_t *guest) {
    rtw_func_t *func;
    rtw_interval_t *interval;
    require(rtw_instance_func(guest->instance, "nothing", "()->()", &func, &err), &err, "a func");
    prepare_instance(guest->instance);
    check(call_until(func, RARE) != 0, "many calls take the same time");
    const times_t times = {func, NULL};
    const uint64_t counter = fullest(func), others = count_of(times) - counter;
    check(fill((uint32_t)counter, times) && fullest(func) == FULL && count_of(times) == FULL + others, "a func's counter is full");
    require(rtw_func_interval(func, &interval, &err), &err, "an interval");
    const uint64_t calls = call_until(func, FULL);
    check(calls != 0 && fullest(func) > FULL, "a call of that time succeeds, and is counted: %" PRIu64, fullest(func));
    check(count_of(times) == FULL + others + calls, "so are all others: %" PRIu64 " of %" PRIu64, count_of(times) - FULL - others, calls);
    check(read_count(interval) == calls, "the interval has them");
    rtw_interval_destroy(interval);
    rtw_func_destroy(func);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    test_recorder(guest.runtime);
    test_func(&guest);
    close_guest(&guest);
    return check_summary();
}
