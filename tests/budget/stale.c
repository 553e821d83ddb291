/* Verdicts that come too late. A call may end just when the watchdog has seen that its budget is used up: whatever the watchdog
 * then does must not touch the next call, nor change what any call works out.
 *   BUDGET_STALE   how many late verdicts are planted, and how many calls end about when their budget does; 2000 otherwise */
#include "budget.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUDGET_NS (100 * US)

/* ---- planting: the watchdog is held up between its verdict and what follows from it ---- */

enum { ASIDE, HOLD_CLOSING, HOLD_REOPENING };
static atomic_int mode = ASIDE;
static atomic_bool closing;      /* the watchdog is about to close a page */
static atomic_bool next_runs;    /* and may, since the next call runs */
static atomic_uint closed;       /* pages closed by the watchdog */
static atomic_uint opened_again; /* and opened by the call that found them closed */
static pthread_t caller;

static void wait_for(atomic_bool *flag) {
    while (!atomic_load(flag)) sched_yield();
}

/* The library's calls come here: the linker exports this function to shared objects that import it. Signal handlers call it too. */
int mprotect(void *start, size_t length, int rights) {
    bool by_caller = pthread_equal(pthread_self(), caller) != 0;
    if (!by_caller && rights == PROT_NONE && atomic_load(&mode) == HOLD_CLOSING) {
        atomic_store(&closing, true);
        wait_for(&next_runs);
    }
    if (by_caller && atomic_load(&mode) == HOLD_REOPENING) {
        unsigned before = atomic_load(&closed);
        while (atomic_load(&closed) == before) sched_yield();
    }
    int answer = (int)syscall(SYS_mprotect, start, length, rights);
    if (!by_caller && rights == PROT_NONE) {
        unsigned before = atomic_load(&opened_again);
        atomic_fetch_add(&closed, 1);
        /* Without this wait, the watchdog would open the page itself if the call came late to its first poll. */
        while (atomic_load(&mode) == HOLD_CLOSING && atomic_load(&opened_again) == before) sched_yield();
    }
    if (by_caller && rights != PROT_NONE) atomic_fetch_add(&opened_again, 1);
    return answer;
}

static bool until_closing(void) {
    return !atomic_load(&closing);
}

/* Lets the watchdog close the page while the next call is in the guest. */
static void let_it_close(void) {
    unsigned before = atomic_load(&closed);
    atomic_store(&next_runs, true);
    while (atomic_load(&closed) == before) sched_yield();
}

/* A call that ends when the watchdog has given its verdict, but not acted yet. Whether it ended by itself. */
static bool expire_late(spinner_t *spinner, rtw_func_t *wait_for_host) {
    atomic_store(&closing, false);
    atomic_store(&next_runs, false);
    atomic_store(&mode, HOLD_CLOSING);
    if (rtw_invoke_budget(wait_for_host, NULL, 0, BUDGET_NS) == RTW_OK) return true;
    atomic_store(&mode, ASIDE);
    atomic_store(&next_runs, true);
    rtw_instance_reset(spinner->instance, NULL);
    return false;
}

static void check_planted(void) {
    unsigned count = (unsigned)number_from_environment("BUDGET_STALE", 2000), ended_badly = 0, cut = 0, wrong = 0, opened = 0;
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    spinner.go_on = until_closing;
    spinner.nothing = let_it_close;
    rtw_func_t *wait_for_host = look_up(spinner.instance, "wait_for_host", NULL);
    rtw_func_t *work = look_up(spinner.instance, "work_after_host", NULL);
    for (unsigned i = 0; i < count; i++) {
        if (!expire_late(&spinner, wait_for_host)) {
            ended_badly++;
            continue;
        }
        rtw_value_t values[2] = {{.u32 = 100 + i % 1000}, {.u32 = i + 1}};
        unsigned before = atomic_load(&opened_again);
        rtw_status_t status = rtw_invoke_budget(work, values, 2, AMPLE);
        opened += atomic_load(&opened_again) - before;
        atomic_store(&mode, ASIDE);
        cut += status != RTW_OK;
        wrong += status == RTW_OK && values[0].u32 != worked(100 + i % 1000, i + 1);
        if (status != RTW_OK) rtw_instance_reset(spinner.instance, NULL);
    }
    check(ended_badly == 0, "%u calls end by themselves while their page is about to be closed (%u do not)", count, ended_badly);
    check(cut == 0 && wrong == 0, "the calls after them work as ever (%u cut off, %u wrong)", cut, wrong);
    check(opened == count, "all of them found the page closed, and opened it (%u of %u)", opened, count);
    rtw_func_destroy(wait_for_host);
    rtw_func_destroy(work);
    close_spinner(&spinner);
}

/* The call that opens the page expires itself before it has: the page would stay open, and the guest in its loop. */
static void spin_while_reopening(void *data) {
    (void)data;
    alarm(60); /* it does not end by itself if it is not cut off */
    caller = pthread_self();
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    spinner.go_on = until_closing;
    spinner.nothing = let_it_close;
    rtw_func_t *wait_for_host = look_up(spinner.instance, "wait_for_host", NULL);
    rtw_func_t *spin = look_up(spinner.instance, "spin_after_host", NULL);
    unsigned cut = 0;
    for (unsigned i = 0; i < 20; i++) {
        if (!expire_late(&spinner, wait_for_host)) continue;
        atomic_store(&mode, HOLD_REOPENING);
        cut += rtw_invoke_budget(spin, NULL, 0, BUDGET_NS) == RTW_ERR_BUDGET;
        atomic_store(&mode, ASIDE);
        rtw_instance_reset(spinner.instance, NULL);
    }
    check(cut == 20, "calls that expire while they open the page are cut off (%u of 20)", cut);
    rtw_func_destroy(wait_for_host);
    rtw_func_destroy(spin);
    close_spinner(&spinner);
}

/* ---- what is said of one call is not said of another ---- */

static uint64_t busy_until;

/* Long enough that the way to the host function never uses it up, even in an emulated machine. */
#define FOR_ENTERING (10 * 1000 * US)

/* Longer than the budget and several ticks: the watchdog gives its verdict, and the guest comes to no poll any more. */
static bool until_expired(void) {
    if (busy_until == 0) busy_until = now_ns() + 3 * FOR_ENTERING;
    while (now_ns() < busy_until) {}
    return false;
}

static void check_verdict_of_the_past(void) {
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    spinner.go_on = until_expired;
    rtw_func_t *wait_for_host = look_up(spinner.instance, "wait_for_host", NULL);
    rtw_func_t *call_work = look_up(spinner.instance, "host_calls_work", NULL);
    rtw_func_t *trap = look_up(spinner.instance, "trap", NULL);
    check_status(rtw_invoke_budget(wait_for_host, NULL, 0, FOR_ENTERING), RTW_OK, "a call expires, but ends by itself before it comes to a poll");
    check(works(&spinner, 1000, 1, AMPLE, NULL), "the next one works");
    busy_until = 0;
    check_status(rtw_invoke_budget(wait_for_host, NULL, 0, FOR_ENTERING), RTW_OK, "another one expires");
    check(works(&spinner, 1000, 1, 0, NULL), "one without a budget works after it");
    check_status(rtw_invoke_budget(call_work, NULL, 0, 0), RTW_OK, "and may call the guest again from its host function");
    check_status(spinner.inner_status, RTW_OK, "which works, too");
    check_status(rtw_invoke_budget(trap, NULL, 0, 0), RTW_ERR_TRAP_UNREACHABLE, "and a trap in one is a trap");
    rtw_func_destroy(wait_for_host);
    rtw_func_destroy(call_work);
    rtw_func_destroy(trap);
    close_spinner(&spinner);
}

/* ---- verdicts while a host function runs ---- */

static rtw_runtime_t *watched_runtime;
static uint64_t expiries_before;

static uint64_t expiries(void) {
    rtw_watchdog_stats_t stats;
    rtw_watchdog_stats_init(&stats);
    require(rtw_runtime_watchdog(watched_runtime, &stats), NULL, "the watchdog's statistics");
    return stats.expiries;
}

static void until_verdict(void) {
    while (expiries() == expiries_before) sched_yield();
}

/* Calls a function whose host function does not go on before the call has expired. */
static rtw_status_t expire_in_host(spinner_t *spinner, const char *name, rtw_fault_t *fault) {
    expiries_before = expiries();
    rtw_status_t status = call(spinner->instance, name, NULL, 0);
    rtw_fault_init(fault);
    (void)rtw_instance_fault(spinner->instance, fault, NULL); /* says no where there is none */
    return status;
}

static void check_verdict_in_host(void) {
    static const rtw_status_t own = -12345, fine = RTW_OK;
    spinner_t spinner;
    rtw_fault_t fault;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    watched_runtime = spinner.runtime;
    spinner.nothing = until_verdict;
    for (int passes_on = 1; passes_on >= 0; passes_on--) {
        const char *how = passes_on ? "passes that on" : "answers something of its own";
        spinner.answer = passes_on ? NULL : &own;
        check_status(expire_in_host(&spinner, "host_calls_work", &fault), RTW_ERR_BUDGET,
                     "a call is cut off that expires in a host function, which is refused another call and %s", how);
        check_status(spinner.inner_status, RTW_ERR_BUDGET, "the other call was refused for that reason");
        check(fault.status == RTW_ERR_BUDGET && fault.host_status == (passes_on ? RTW_ERR_BUDGET : own),
              "its fault says so, and what the host function answered (%s, %d)", rtw_status_name(fault.status), fault.host_status);
        check_status(rtw_instance_reset(spinner.instance, NULL), RTW_OK, "reset");
        check(works(&spinner, 1000, 1, AMPLE, NULL), "it works");
    }
    rtw_watchdog_stats_t stats;
    rtw_watchdog_stats_init(&stats);
    check_status(rtw_runtime_watchdog(spinner.runtime, &stats), RTW_OK, "the watchdog's statistics");
    check(stats.cut_offs == 2, "both are counted as cut off (%llu)", (unsigned long long)stats.cut_offs);

    spinner.answer = &fine;
    check_status(expire_in_host(&spinner, "host_calls_work", &fault), RTW_OK,
                 "where the host function says that all is well, and no poll follows, the call ends by itself");
    check(fault.status == RTW_OK, "there is no fault then");
    check(works(&spinner, 1000, 1, AMPLE, NULL), "the next call works");
    check_status(expire_in_host(&spinner, "host_error", &fault), RTW_ERR_HOST,
                 "a host function that fails without having been refused anything fails for itself");
    check(fault.host_status == own, "with its own status (%d)", fault.host_status);
    close_spinner(&spinner);
}

/* ---- calls that end about when their budget does ---- */

static uint32_t random_below(uint32_t limit) {
    static uint32_t state = 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % limit;
}

/* The number of turns of `work` that take that long, in the best case. */
static uint32_t turns_in(spinner_t *spinner, uint64_t ns) {
    enum { TURNS = 10000 };
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t started = now_ns();
        works(spinner, TURNS, 1, AMPLE, NULL);
        uint64_t took = now_ns() - started;
        if (took < best) best = took;
    }
    return (uint32_t)(ns * TURNS / (best != 0 ? best : 1)) + 1;
}

static void check_straddling(void) {
    unsigned count = (unsigned)number_from_environment("BUDGET_STALE", 2000), cut = 0, early = 0, wrong = 0, other = 0, late = 0;
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    uint32_t whole = turns_in(&spinner, BUDGET_NS);
    unsigned i = 0;
    /* More of them where the machine is so busy that none came to one of both ends. */
    for (; i < count || cut == 0 || late == 0; i++) {
        /* Half the budget to four times; then a short one, which is what a late verdict would meet. */
        uint32_t turns = whole / 2 + random_below(whole * 7 / 2);
        rtw_status_t status;
        uint64_t started = now_ns();
        bool right = works(&spinner, turns, i + 1, BUDGET_NS, &status);
        uint64_t took = now_ns() - started;
        cut += status == RTW_ERR_BUDGET;
        early += status == RTW_ERR_BUDGET && took < BUDGET_NS;
        late += status == RTW_OK && took > BUDGET_NS;
        wrong += status == RTW_OK && !right;
        other += status != RTW_OK && status != RTW_ERR_BUDGET;
        if (status != RTW_OK) rtw_instance_reset(spinner.instance, NULL);
        wrong += !works(&spinner, 50, i + 1, AMPLE, NULL);
    }
    check(wrong == 0, "%u calls about as long as their budget, each followed by a short one: no wrong result (%u)", i, wrong);
    check(other == 0, "they end by themselves or are cut off (%u otherwise)", other);
    check(early == 0, "none is cut off while there is budget left (%u are)", early);
    printf("    %u are cut off, and %u end past their budget before that\n", cut, late);
    close_spinner(&spinner);
}

/* ---- neighbours ---- */

typedef struct neighbour_t {
    pthread_t thread;
    atomic_bool stop, ready;
    unsigned long calls, failed;
} neighbour_t;

/* Works with a budget of its own, in a runtime of its own. */
static void *work_beside(void *data) {
    neighbour_t *own = data;
    spinner_t spinner;
    open_spinner(&spinner, "spin", AMPLE, 0);
    atomic_store(&own->ready, true);
    while (!atomic_load(&own->stop)) {
        own->failed += !works(&spinner, 1000, (uint32_t)++own->calls, AMPLE, NULL);
    }
    close_spinner(&spinner);
    return NULL;
}

static void check_neighbours(void) {
    enum { CUT_OFFS = 200 };
    neighbour_t neighbour = {0};
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    rtw_func_t *empty = look_up(spinner.instance, "empty", NULL);
    pthread_create(&neighbour.thread, NULL, work_beside, &neighbour);
    wait_for(&neighbour.ready);
    unsigned cut = 0;
    for (int i = 0; i < CUT_OFFS; i++) {
        cut += rtw_invoke(empty, NULL, 0) == RTW_ERR_BUDGET;
        rtw_instance_reset(spinner.instance, NULL);
    }
    atomic_store(&neighbour.stop, true);
    pthread_join(neighbour.thread, NULL);
    check(cut == CUT_OFFS, "%u of %d cut-offs beside another runtime at work", cut, CUT_OFFS);
    check(neighbour.calls > 0 && neighbour.failed == 0, "which they do not disturb: %lu calls, %lu not as they should be", neighbour.calls,
          neighbour.failed);
    rtw_func_destroy(empty);
    close_spinner(&spinner);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    caller = pthread_self();
    /* The plugin profile closes no pages. */
    if (profile == RTW_PROFILE_STANDALONE) {
        check_in_child("calls that expire while they open the page", spin_while_reopening, NULL);
        check_planted();
    }
    check_verdict_of_the_past();
    check_verdict_in_host();
    check_straddling();
    check_neighbours();
    return check_summary();
}
