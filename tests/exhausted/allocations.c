/* Fails the n-th allocation, for every n, or every allocation from the n-th on, over the life of a host, and tells what it saw as
 * one row of a table.
 *   allocations PROFILE FOLDER first|later|large|doctor|compile once|on [FROM [TO [STEP]]]
 *     first   each life in a process of its own, so that what is done once a process meets it too
 *     later   life after life in one process, with statistics written in all formats; each is to leave as many blocks as before
 *     large   as `first`, of a guest and a host that have much of everything
 *     compile as `later`, of the compiler
 *     doctor  as `later`, of rtw_host_check
 * ALLOCATIONS_PLANT in the environment plants what has to be found: "leak", "abort", "print" or "hang" at position 7. */
#include "exhaust.h"
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
static life_t life = {RTW_PROFILE_STANDALONE, NULL, "life", &injector, false, false, RTW_LOCK_OFF, NULL, NULL};
static bool (*lived)(const life_t *) = live;
static row_t *row;
static bool on, verbose;
static int printed_to = -1;

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
    for (int i = 0; many && i < WARM_UP; i++) live_with(UINT64_MAX);
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

/* Lives these lives in a process of its own. */
static void live_apart(uint64_t from, uint64_t to, uint64_t step, bool many)
{
    if (printed_to < 0) printed_to = memfd_create("printed", 0);
    if (ftruncate(printed_to, 0) != 0) exit(2);
    row->at = from;
    const pid_t child = fork();
    if (child == 0) {
        lseek(printed_to, 0, SEEK_SET);
        dup2(1, 3), dup2(printed_to, 1), dup2(printed_to, 2);
        live_on(from, to, step, many);
        _exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (!WIFEXITED(status)) {
        row->positions++;
        const bool hung = WTERMSIG(status) == SIGALRM;
        *(hung ? &row->hangs : &row->aborts) += 1;
        tell(hung ? "hang" : strsignal(WTERMSIG(status)));
    }
    char text[161] = "";
    if (pread(printed_to, text, sizeof text - 1, 0) > 0) {
        row->printed++;
        text[strcspn(text, "\n")] = 0;
        dprintf(3, "    printed: %s\n", text);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) return 2;
    const bool large = strcmp(argv[3], "large") == 0, compile = strcmp(argv[3], "compile") == 0;
    const bool many = !large && strcmp(argv[3], "first") != 0;
    const uint64_t to = argc > 6 ? strtoull(argv[6], NULL, 0) : UINT64_MAX - 1;
    const uint64_t step = argc > 7 ? strtoull(argv[7], NULL, 0) : 1;
    on = strcmp(argv[4], "on") == 0;
    verbose = getenv("EXHAUSTED_VERBOSE") != NULL;
    dup2(1, 3);
    const size_t bytes = sizeof *life.report + sizeof *row + sizeof *life.listed * EXHAUST_LISTED;
    char *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    life.report = (void *)shared;
    row = (void *)(shared + sizeof *life.report);
    life.listed = (void *)(shared + sizeof *life.report + sizeof *row);
    life.profile = strcmp(argv[1], "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    life.folder = argv[2];
    if (large) life.guest = "large", lived = live_large;
    if (compile) life.guest = "guests/life.wat", lived = live_compile;
    if (!prepare_lives(&life)) return 2;
    life.exports = many;
    if (strcmp(argv[3], "doctor") == 0) lived = live_doctor;

    for (uint64_t at = argc > 5 ? strtoull(argv[5], NULL, 0) : 0; at <= to && !row->done; at = row->at + step) live_apart(at, to, step, many);
    printf("row\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", argv[1], argv[3], argv[4], (unsigned long long)row->positions,
           (unsigned long long)row->no_memory, (unsigned long long)row->well, (unsigned long long)row->other, (unsigned long long)row->wrong,
           (unsigned long long)row->aborts, (unsigned long long)row->hangs, (unsigned long long)row->printed, (unsigned long long)row->leaks);
    for (int i = 0; exhaust_listed()[i].function != NULL; i++)
        if (life.listed[i].calls != 0) printf("listed\t%s\t%llu\n", exhaust_listed()[i].function, (unsigned long long)life.listed[i].largest_bytes);
    return 0;
}
