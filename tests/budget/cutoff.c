/* Guests that never end are cut off, each time, whatever they do endlessly; and can be used again afterwards.
 *   BUDGET_CUTOFFS   how many cut-offs, 1000 otherwise */
#include "budget.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUDGET_NS (1 * MS)

/* Their guests' names, and what the call answers. */
static const struct {
    const char *name;
    bool inside; /* the spinning call is made by a host function */
} spinning[] = {
    {"empty", false},      {"crowded_loop", false},        {"memory_loop", false},         {"nested_loops", false}, {"call_loop", false}, {"tree", false},
    {"counted_loops", false}, {"missed_end", false}, {"counter_set_back", false}, {"loop_passed_over", false},
    {"tail_calls", false}, {"indirect_tail_calls", false}, {"host_loop", false},    {"bulk_loop", false}, {"host_calls_again", true},
};
enum { KINDS = sizeof spinning / sizeof spinning[0] };

/* The findings of all cut-offs of one kind. */
typedef struct findings_t {
    unsigned cut, early, unexplained, entered_faulted, not_reset, unusable;
    times_t past;
} findings_t;

static bool is_cut(spinner_t *spinner, rtw_status_t status, bool inside) {
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    if (rtw_instance_fault(spinner->instance, &fault, NULL) != RTW_OK || fault.status != status) return false;
    /* The budget is the outer call's, so it is cut off as well, whatever the host function says. */
    return status == RTW_ERR_BUDGET && (!inside || spinner->inner_status == RTW_ERR_BUDGET);
}

/* One cut-off, by the instance's budget or the call's own. */
static void cut_off(spinner_t *spinner, unsigned kind, bool by_instance, findings_t *found) {
    rtw_func_t *func = look_up(spinner->instance, spinning[kind].name, "()->()");
    uint64_t started = now_ns();
    rtw_status_t status = by_instance ? rtw_invoke(func, NULL, 0) : rtw_invoke_budget(func, NULL, 0, BUDGET_NS);
    uint64_t took = now_ns() - started;
    found->cut += status != RTW_OK;
    found->unexplained += !is_cut(spinner, status, spinning[kind].inside);
    found->early += took < BUDGET_NS;
    if (took >= BUDGET_NS) add_time(&found->past, (double)(took - BUDGET_NS));
    found->entered_faulted += rtw_invoke(func, NULL, 0) != RTW_ERR_FAULTED;
    rtw_func_destroy(func);
    found->not_reset += rtw_instance_reset(spinner->instance, NULL) != RTW_OK;
    found->unusable += !works(spinner, 1000, kind + 1, AMPLE, NULL);
}

static void check_kind(spinner_t *spinner, unsigned kind, unsigned count, bool by_instance, times_t *all) {
    findings_t found;
    memset(&found, 0, sizeof found);
    for (unsigned i = 0; i < count; i++) cut_off(spinner, kind, by_instance, &found);
    const char *whose = by_instance ? "instance's" : "call's", *name = spinning[kind].name;
    check(found.cut == count, "%s, by the %s budget: all %u calls end", name, whose, count);
    check(found.unexplained == 0, "%s, by the %s budget: each says that it was cut off (%u do not)", name, whose, found.unexplained);
    check(found.early == 0, "%s, by the %s budget: none is cut off before the budget is used up (%u are)", name, whose, found.early);
    check(found.entered_faulted == 0, "%s, by the %s budget: the instance is faulted then (%u are not)", name, whose, found.entered_faulted);
    check(found.not_reset == 0 && found.unusable == 0, "%s, by the %s budget: reset, it works as before (%u not reset, %u wrong)", name, whose,
          found.not_reset, found.unusable);
    for (size_t i = 0; i < found.past.count; i++) add_time(all, found.past.values[i]);
    print_times(&found.past, "    past the budget");
    free(found.past.values);
}

static void check_all_kinds(void) {
    unsigned each = (unsigned)(number_from_environment("BUDGET_CUTOFFS", 1000) / (2 * KINDS));
    times_t all = {NULL, 0, 0};
    for (int by_instance = 0; by_instance < 2; by_instance++) {
        spinner_t spinner;
        open_spinner(&spinner, "spin", by_instance ? BUDGET_NS : AMPLE, by_instance ? 0 : BUDGET_NS / 4);
        for (unsigned kind = 0; kind < KINDS; kind++) check_kind(&spinner, kind, each, by_instance, &all);
        close_spinner(&spinner);
    }
    check(all.count == (size_t)each * 2 * KINDS, "%u cut-offs in all", each * 2 * KINDS);
    print_times(&all, "time past a budget of 1000.0 us");
    free(all.values);
}

/* ---- statistics ---- */

static void check_statistics(void) {
    spinner_t spinner;
    open_spinner(&spinner, "spin", BUDGET_NS, 0);
    rtw_func_t *empty = look_up(spinner.instance, "empty", NULL);
    for (int i = 0; i < 3; i++) {
        check_status(rtw_invoke(empty, NULL, 0), RTW_ERR_BUDGET, "cut off, time %d", i + 1);
        check_status(rtw_instance_reset(spinner.instance, NULL), RTW_OK, "reset, time %d", i + 1);
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check_status(rtw_func_stats(empty, &stats), RTW_OK, "its statistics");
    check(stats.call.count == 3 && stats.faults == 3, "statistics have 3 calls and 3 faults");
    check(stats.call.min_ns >= BUDGET_NS, "and none shorter than the budget");
    rtw_func_destroy(empty);
    close_spinner(&spinner);
}

/* ---- what is not guarded is not cut off ---- */

static int entered[2];

static void spin_unguarded(void) {
    spinner_t spinner;
    open_spinner(&spinner, "spin.off", 0, 0);
    rtw_func_t *empty = look_up(spinner.instance, "empty", NULL);
    (void)!write(entered[1], "i", 1);
    rtw_status_t status = rtw_invoke(empty, NULL, 0);
    printf("    it ended with %s\n", rtw_status_name(status));
    (void)!write(entered[1], "o", 1);
}

/* The test sees a guest that is not cut off: otherwise it would find cut-offs in anything that ends. */
static void check_control(void) {
    if (pipe(entered) != 0) {
        perror("pipe");
        exit(2);
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        spin_unguarded();
        _exit(0);
    }
    close(entered[1]);
    char said = 0;
    check(read(entered[0], &said, 1) == 1 && said == 'i', "a guest without a guard enters its loop");
    struct pollfd more = {entered[0], POLLIN, 0};
    check(poll(&more, 1, (int)(100 * BUDGET_NS / MS)) == 0, "and is still there a hundred budgets later");
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "and ends with its process only");
    close(entered[0]);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check_control();
    check_all_kinds();
    check_statistics();
    return check_summary();
}
