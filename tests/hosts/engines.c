/* Two copies of rtwasm in one process, one linked into the program and one loaded: each runs its guests and catches its traps,
 * whichever was there first, and a handler of the program's own is still told from theirs.
 *
 *   engines standalone|plugin ARTIFACTS, with LIBRARY in the environment: the one to be loaded */
#include "../support/copies.h"
#include "common.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static copy_t linked(void) {
    copy_t copy;
    memset(&copy, 0, sizeof copy);
    copy.name = "linked";
#define TAKE(function) copy.function = function;
    COPY_FUNCTIONS(TAKE)
    return copy;
}

static copy_t loaded(void) {
    copy_t copy;
    const char *wrong = load_copy(&copy, getenv("LIBRARY"));
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        exit(2);
    }
    copy.name = "loaded";
    return copy;
}

static void begin(copy_t *copy) {
    rtw_error_t err;
    require(begin_copy(copy, profile, artifact_path("states"), 20000000, &err), &err, "the %s copy", copy->name);
}

static void attach(copy_t *copy) {
    rtw_error_t err;
    require(ready_copy(copy, &err), &err, "%s: attach and prepare", copy->name);
}

static void runs(copy_t *copy) {
    static const struct {
        const char *name;
        rtw_status_t status;
    } calls[] = {{"add", RTW_OK},
                 {"outside", RTW_ERR_TRAP_MEMORY},
                 {"unreachable", RTW_ERR_TRAP_UNREACHABLE},
                 {"recurse", RTW_ERR_TRAP_STACK},
                 {"spin", RTW_ERR_BUDGET}};
    int wrong = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        rtw_error_t err;
        rtw_status_t reset;
        wrong += call_copy(copy, calls[i].name, 0, &reset, &err) != calls[i].status;
        require(reset, &err, "%s: reset", copy->name);
    }
    check(wrong == 0, "the %s copy computes, traps and is cut off", copy->name);
}

enum { LINKED_FIRST = 1, TOGETHER = 2 };

static void both(void *data) {
    const int how = *(const int *)data;
    copy_t copies[2] = {how & LINKED_FIRST ? linked() : loaded(), how & LINKED_FIRST ? loaded() : linked()};
    check(copies[0].rtw_invoke != copies[1].rtw_invoke, "they are two");
    begin(&copies[0]);
    if (how & TOGETHER) begin(&copies[1]);
    attach(&copies[0]);
    if (!(how & TOGETHER)) begin(&copies[1]);
    attach(&copies[1]);
    for (int i = 0; i < 2; i++) runs(&copies[0]), runs(&copies[1]);
    end_copy(&copies[0]);
    runs(&copies[1]);
    end_copy(&copies[1]);
}

static void own_handler(int signal) {
    (void)signal;
    _exit(3);
}

/* The twin: a handler of the program's own, which holds a copy, is not taken for that copy's. */
static void foreign(void *data) {
    copy_t copy = *(const int *)data & LINKED_FIRST ? linked() : loaded();
    begin(&copy);
    signal(SIGSEGV, own_handler);
    rtw_error_t err;
    const rtw_status_t status = copy.rtw_thread_attach(copy.runtime, NULL, &err);
    check_status(status, profile == RTW_PROFILE_STANDALONE ? RTW_ERR_SIGNALS : RTW_OK, "twin: the program's own handler is noticed by the %s copy",
                 copy.name);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    for (int how = 0; how < 4; how++) {
        char what[128];
        snprintf(what, sizeof what, "the %s copy first, %s", how & LINKED_FIRST ? "linked" : "loaded",
                 how & TOGETHER ? "both made before a thread is attached" : "one after the other");
        check_in_child(what, both, &how);
    }
    for (int how = 0; how < 2; how++) check_in_child("a handler of the program's own", foreign, &how);
    return check_summary();
}
