/* Fails the n-th allocation, for every n, or every allocation from the n-th on, over the life of a host, and prints what it saw as
 * one row of a table, and as checks.
 *   allocations PROFILE ARTIFACTS first|later|large|doctor|compile once|on [FROM [TO [STEP]]]
 *     first   each life in a process of its own, so that what is done once a process meets it too
 *     later   life after life in one process, with statistics written in all formats; each is to leave as many blocks as before
 *     large   as `first`, of a guest and a host that have much of everything
 *     compile as `later`, of the compiler
 *     doctor  as `later`, of rtw_host_check
 * ALLOCATIONS_WARM_UP in the environment is the number of lives before those that are tried in one process. The slots of handles are
 * created 64 at a time until 256 of a kind wait to be used again: more than 320 lives are needed where more than 60 are tried.
 * ALLOCATIONS_PLANT in the environment plants what has to be found: "leak", "abort", "print" or "hang" at position 7. */
#include "exhaust.h"
#include "life.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Longer than any life takes, on a loaded machine too. */
enum { HANG_S = 60 };
/* The lives until tables have their size. */
enum { WARM_UP = 4 };
enum { PLANTED_AT = 7 };

typedef struct row_t {
    uint64_t at; /* the position that is being tried */
    bool done;   /* there is no such allocation any more */
    uint64_t positions, no_memory, well, other, wrong, aborts, hangs, printed, leaks;
} row_t;

static bool allowed(rtw_status_t status) { return status == RTW_ERR_NO_MEMORY; }

static void describe(life_report_t *report)
{
    const exhaust_place_t place = exhaust_place();
    snprintf(report->place, sizeof report->place, "%.16s %.20s+0x%lx %zu", place.thread, place.file, (unsigned long)place.offset, place.bytes);
}

static const injector_t injector = {exhaust_failed, exhaust_disarm, allowed, describe};
static life_t life = {"life", &injector, false, false, RTW_LOCK_OFF, NULL, NULL};
static bool (*lived)(const life_t *) = live;
static row_t *row;
static bool on, verbose;

static void plant(void)
{
    const char *what = getenv("ALLOCATIONS_PLANT");
    if (what == NULL || row->at != PLANTED_AT) return;
    if (strcmp(what, "leak") == 0) exhaust_take(100);
    if (strcmp(what, "abort") == 0) abort();
    if (strcmp(what, "print") == 0) fprintf(stderr, "planted\n");
    if (strcmp(what, "hang") == 0) alarm(1), pause();
}

static void tell(const char *what)
{
    const life_report_t *report = life.report;
    dprintf(3, "  %s at %llu: %s, %s, %s, %s\n", what, (unsigned long long)row->at, report->call, report->failed != 0 ? report->place : "-",
            rtw_status_name(report->status), report->wrong[0] != 0 ? report->wrong : report->message);
}

/* A life in which that allocation fails; what is seen goes into the row. */
static void live_with(uint64_t at)
{
    alarm(HANG_S);
    memset(life.report, 0, sizeof *life.report);
    exhaust_arm(at, on);
    life.report->lived = lived(&life);
    exhaust_disarm();
    plant();
    life.report->failed = exhaust_failed();
    if (at == UINT64_MAX) return;
    if (life.report->failed == 0) {
        row->done = true;
        if (!life.report->lived) row->wrong++, tell("a life without a failure went wrong");
        return;
    }
    if (life.report->place[0] == 0) describe(life.report);
    row->positions++;
    if (!life.report->lived)
        row->wrong++, tell("wrong");
    else if (life.report->status == RTW_ERR_NO_MEMORY)
        row->no_memory++;
    else if (life.report->status == RTW_OK) {
        row->well++;
        if (verbose) tell("well");
    } else
        row->other++, tell("other");
}

/* Lives from position `from` on, one, or as many as there are. */
static void live_on(uint64_t from, uint64_t to, uint64_t step, bool many)
{
    int64_t before = 0;
    alarm(2 * HANG_S);
    if (many && lived == live) live_long(&life);
    if (many && lived == live_doctor) live_long_doctor(&life);
    const char *const warm_up = getenv("ALLOCATIONS_WARM_UP");
    const int before_all = warm_up != NULL ? atoi(warm_up) : WARM_UP;
    for (int i = 0; many && i < before_all; i++) live_with(UINT64_MAX);
    before = exhaust_live();
    for (row->at = from; row->at <= to && !row->done; row->at += step) {
        live_with(row->at);
        const int64_t after = exhaust_live();
        if (many && after > before) {
            char text[80];
            snprintf(text, sizeof text, "leak of %lld blocks", (long long)(after - before));
            row->leaks++, tell(text);
        }
        before = after;
        if (!many) break;
    }
    for (int i = 0; exhaust_listed()[i].function != NULL; i++) {
        exhaust_listed_t *sum = &life.listed[i];
        sum->calls += exhaust_listed()[i].calls;
        if (exhaust_listed()[i].largest_bytes > sum->largest_bytes) sum->largest_bytes = exhaust_listed()[i].largest_bytes;
    }
}

typedef struct lives_t {
    uint64_t from, to, step;
    bool many;
} lives_t;

static void live_on_in_child(void *data)
{
    const lives_t *lives = data;
    live_on(lives->from, lives->to, lives->step, lives->many);
}

/* Lives these lives in a process of its own, which may print nothing. */
static void live_apart(lives_t lives)
{
    char text[161];
    row->at = lives.from;
    const int status = output_of_child(live_on_in_child, &lives, text, sizeof text);
    if (!WIFEXITED(status)) {
        row->positions++;
        const bool hung = WTERMSIG(status) == SIGALRM;
        *(hung ? &row->hangs : &row->aborts) += 1;
        tell(hung ? "hang" : strsignal(WTERMSIG(status)));
    }
    if (text[0] != '\0') {
        row->printed++;
        printf("    printed: %.*s\n", (int)strcspn(text, "\n"), text);
    }
}

/* The check that nothing was counted there. */
static void none(uint64_t count, const char *lives, const char *mode, const char *what)
{
    check(count == 0, "%s, %s: %s", lives, mode, what);
}

int main(int argc, char **argv)
{
    read_command_line(argc, argv);
    NEED(argc >= 5, "which lives, and once or on");
    const char *lives = argv[3], *mode = argv[4];
    const bool large = strcmp(lives, "large") == 0, compile = strcmp(lives, "compile") == 0;
    const bool many = !large && strcmp(lives, "first") != 0;
    const uint64_t from = argc > 5 ? strtoull(argv[5], NULL, 0) : 0;
    const uint64_t to = argc > 6 ? strtoull(argv[6], NULL, 0) : UINT64_MAX - 1;
    const uint64_t step = argc > 7 ? strtoull(argv[7], NULL, 0) : 1;
    on = strcmp(mode, "on") == 0;
    verbose = getenv("EXHAUSTED_VERBOSE") != NULL;
    dup2(1, 3);
    const size_t bytes = sizeof *life.report + sizeof *row + sizeof *life.listed * EXHAUST_LISTED;
    char *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(shared != MAP_FAILED, "mmap");
    life.report = (void *)shared;
    row = (void *)(shared + sizeof *life.report);
    life.listed = (void *)(shared + sizeof *life.report + sizeof *row);
    if (large) life.guest = "large", lived = live_large;
    if (compile) life.guest = "guests/life.wat", lived = live_compile;
    prepare_lives(&life);
    life.exports = many;
    if (strcmp(lives, "doctor") == 0) lived = live_doctor;

    for (uint64_t at = from; at <= to && !row->done; at = row->at + step) live_apart((lives_t){at, to, step, many});
    printf("row\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", profile_name, lives, mode, (unsigned long long)row->positions,
           (unsigned long long)step, (unsigned long long)row->no_memory, (unsigned long long)row->well, (unsigned long long)row->other, (unsigned long long)row->wrong,
           (unsigned long long)row->aborts, (unsigned long long)row->hangs, (unsigned long long)row->printed, (unsigned long long)row->leaks);
    for (int i = 0; exhaust_listed()[i].function != NULL; i++)
        if (life.listed[i].calls != 0) printf("listed\t%s\t%llu\n", exhaust_listed()[i].function, (unsigned long long)life.listed[i].largest_bytes);

    check(row->positions > 20 || to != UINT64_MAX - 1, "%s, %s: allocations were there to fail: %llu", lives, mode, (unsigned long long)row->positions);
    none(row->other, lives, mode, "no other status than RTW_ERR_NO_MEMORY");
    none(row->wrong, lives, mode, "the same call succeeds afterwards, and the life goes on to its end");
    none(row->aborts, lives, mode, "nothing ends the process");
    none(row->hangs, lives, mode, "nothing hangs");
    none(row->printed, lives, mode, "nothing is printed");
    none(row->leaks, lives, mode, "nothing leaks");
    /* Some calls succeed without memory: functions that destroy something, and work that the library's threads repeat until there is
     * memory. */
    check(row->well * 10 <= row->positions || to != UINT64_MAX - 1, "%s, %s: RTW_ERR_NO_MEMORY is returned; %llu calls of %llu went well", lives, mode,
          (unsigned long long)row->well, (unsigned long long)row->positions);
    return check_summary();
}
