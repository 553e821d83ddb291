/* The library as something that comes and goes: opened and closed a hundred times, and twice in one process.
 *
 *   copies PROFILE FOLDER LIBRARY COPY */
#include "../support/copies.h"
#include "proof.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *library, *copy;

static bool begin(copy_t *made, const char *path)
{
    rtw_error_t err;
    const char *wrong = load_copy(made, path);
    NEED(!wrong, "%s", wrong);
    EXPECT(begin_copy(made, profile, artifact_path("work"), 0, &err) == RTW_OK, "%s: %s", path, err.message);
    return true;
}

static bool attach_and_prepare(copy_t *made, const char *who)
{
    rtw_error_t err;
    EXPECT(ready_copy(made, &err) == RTW_OK, "%s: attach and prepare: %s", who, err.message);
    return true;
}

static bool runs_and_traps(copy_t *made, const char *who)
{
    static const struct {
        const char *function;
        rtw_status_t status;
    } calls[] = {{"add", RTW_OK},
                 {"outside", RTW_ERR_TRAP_MEMORY},
                 {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO},
                 {"unreachable", RTW_ERR_TRAP_UNREACHABLE},
                 {"recurse", RTW_ERR_TRAP_STACK}};
    rtw_error_t err;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        rtw_status_t reset;
        const rtw_status_t status = call_copy(made, calls[i].function, 1, &reset, &err);
        EXPECT(status == calls[i].status, "%s: %s answered %d", who, calls[i].function, (int)status);
        EXPECT(reset == RTW_OK, "%s: reset: %s", who, err.message);
    }
    return true;
}

static void finish(copy_t *made)
{
    end_copy(made);
    dlclose(made->handle);
}

/* ---- the host */

static sigjmp_buf recovery;
static volatile sig_atomic_t handled;

static void on_fault(int signal)
{
    handled = signal;
    siglongjmp(recovery, 1);
}

static bool host_recovers(void)
{
    handled = 0;
    if (sigsetjmp(recovery, 1) == 0)
#if defined(__x86_64__)
        __asm__ volatile("movl $1, 0" : : : "memory");
#else
        __asm__ volatile("str wzr, [%0]" : : "r"(0l) : "memory");
#endif
    return handled == SIGSEGV;
}

static bool mapped(const char *part)
{
    char line[4352];
    FILE *maps = fopen("/proc/self/maps", "r");
    NEED(maps, "/proc/self/maps: %s", strerror(errno));
    bool found = false;
    while (fgets(line, sizeof line, maps))
        found = found || strstr(line, part);
    fclose(maps);
    return found;
}

enum { TIMES = 100 };

static bool comes_and_goes(void *data)
{
    (void)data;
    signal(SIGSEGV, on_fault);
    for (int i = 0; i < TIMES; i++) {
        copy_t life;
        if (!begin(&life, library) || !attach_and_prepare(&life, library) || !runs_and_traps(&life, library))
            return false;
        finish(&life);
    }
    EXPECT(host_recovers(), "the host's fault did not reach its handler");
    /* Twice: the first one may have been lucky. */
    EXPECT(host_recovers(), "the host's second fault did not reach its handler");
    note("%s", mapped("/librtwasm") ? "the library stays mapped, as it must" : "the library was unmapped");
    return true;
}

/* A handler in a library that is gone: what the proof must be able to see. */
static bool handler_gone(void *data)
{
    (void)data;
    void *page = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    NEED(page, "%s", dlerror());
    struct sigaction gone;
    memset(&gone, 0, sizeof gone);
    /* An address that nothing is mapped at, as code of an unmapped library is. */
    memcpy(&gone.sa_handler, &(uintptr_t){0x1000}, sizeof(uintptr_t));
    sigaction(SIGSEGV, &gone, NULL);
    EXPECT(host_recovers(), "the host's fault did not reach its handler");
    return true;
}

typedef enum order_t { ONE_AFTER_THE_OTHER, RUNTIMES_FIRST } order_t;

static bool two_copies(void *data)
{
    const order_t order = *(const order_t *)data;
    signal(SIGSEGV, on_fault);
    copy_t a, b;
    if (order == ONE_AFTER_THE_OTHER) {
        if (!begin(&a, library) || !attach_and_prepare(&a, "first") || !begin(&b, copy) || !attach_and_prepare(&b, "second"))
            return false;
    } else {
        if (!begin(&a, library) || !begin(&b, copy) || !attach_and_prepare(&a, "first") || !attach_and_prepare(&b, "second"))
            return false;
    }
    EXPECT(a.rtw_invoke != b.rtw_invoke, "the copy is the same library");
    for (int i = 0; i < 3; i++)
        if (!runs_and_traps(&a, "first") || !runs_and_traps(&b, "second"))
            return false;
    EXPECT(host_recovers(), "the host's fault did not reach its handler");
    finish(&a);
    if (!runs_and_traps(&b, "second, the first being gone"))
        return false;
    finish(&b);
    EXPECT(host_recovers(), "the host's fault afterwards did not reach its handler");
    return true;
}

int main(int argc, char **argv)
{
    NEED(argc == 5, "usage: copies PROFILE FOLDER LIBRARY COPY");
    library = argv[3];
    copy = argv[4];
    read_command_line(3, argv);

    const bool gone = !in_child(handler_gone, NULL);
    bool held = in_child(comes_and_goes, NULL);
    row("comes and goes", "dlopen, use, dlclose 100 times, then a crash of the host", TIMES, held, caught(gone), "%s", remark());
    order_t order = ONE_AFTER_THE_OTHER;
    held = in_child(two_copies, &order);
    row("two copies in one process", "the second made after the first is attached", 15 * 2 + 5, held, PLANTED_NONE, "%s", remark());
    order = RUNTIMES_FIRST;
    held = in_child(two_copies, &order);
    row("two copies in one process", "both made, then both attached", 15 * 2 + 5, held, PLANTED_NONE, "%s", remark());
    return check_summary();
}
