#include "check.h"
#include "child.h"
#include "start.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Shared with the processes that check_in_child makes. */
struct counts {
    int passed, failed;
};
static struct counts *counts;

__attribute__((constructor)) static void share(void) {
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(counts != MAP_FAILED, "mmap: %s", strerror(errno));
}

void check_list(bool good, const char *what, va_list arguments) {
    fputs(good ? "ok " : "FAIL ", stdout);
    vprintf(what, arguments);
    putchar('\n');
    counts->passed += good;
    counts->failed += !good;
}

void check(bool good, const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    check_list(good, what, arguments);
    va_end(arguments);
}

void check_in_child(const char *what, void (*body)(void *), void *data) {
    int status = status_of_child(body, data);
    if (WIFSIGNALED(status))
        check(false, "%s: ended by signal %d", what, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        check(false, "%s: ended with exit status %d", what, WEXITSTATUS(status));
    else
        check(true, "%s: came to its end", what);
}

int check_summary(void) {
    printf("%d passed, %d failed\n", counts->passed, counts->failed);
    return counts->failed == 0 && counts->passed > 0 ? 0 : 1;
}
