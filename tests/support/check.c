#include "check.h"
#include "child.h"
#include "start.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { SEEN_MAX = 64 };

/* Shared with the processes that check_in_child makes. */
struct counts {
    int passed, failed;
    int seen_count;
    rtw_status_t seen[SEEN_MAX];
};
static struct counts *counts;

__attribute__((constructor)) static void share(void) {
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(counts != MAP_FAILED, "mmap: %s", strerror(errno));
}

static void report(bool good, const char *what, va_list arguments) {
    fputs(good ? "ok " : "FAIL ", stdout);
    vprintf(what, arguments);
    putchar('\n');
    counts->passed += good;
    counts->failed += !good;
}

void check(bool good, const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    report(good, what, arguments);
    va_end(arguments);
}

static void remember(rtw_status_t status) {
    for (int i = 0; i < counts->seen_count; i++)
        if (counts->seen[i] == status) return;
    if (counts->seen_count < SEEN_MAX) counts->seen[counts->seen_count++] = status;
}

void check_status(rtw_status_t got, rtw_status_t expected, const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    report(got == expected, what, arguments);
    va_end(arguments);
    if (got == expected)
        remember(got);
    else
        printf("    %s instead of %s\n", rtw_status_name(got), rtw_status_name(expected));
}

void check_error(const rtw_error_t *err, rtw_status_t expected, const char *part, const char *what, ...) {
    bool terminated = memchr(err->message, 0, sizeof err->message) != NULL;
    bool said = terminated && (part[0] == 0 ? err->message[0] == 0 : strstr(err->message, part) != NULL);
    bool good = err->status == expected && said;
    va_list arguments;
    va_start(arguments, what);
    report(good, what, arguments);
    va_end(arguments);
    if (!good)
        printf("    %s instead of %s; \"%.504s\" instead of \"%s\"\n", rtw_status_name(err->status), rtw_status_name(expected),
               err->message, part);
}

void require(rtw_status_t got, const rtw_error_t *err, const char *what, ...) {
    if (got == RTW_OK) return;
    va_list arguments;
    va_start(arguments, what);
    report(false, what, arguments);
    va_end(arguments);
    printf("    %s: %s\n", rtw_status_name(got), err != NULL ? err->message : rtw_status_string(got));
    exit(check_summary());
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
    const char *path = getenv("STATUSES_FILE");
    if (path != NULL) {
        FILE *file = fopen(path, "a");
        if (file == NULL) {
            perror(path);
            return 2;
        }
        for (int i = 0; i < counts->seen_count; i++) fprintf(file, "%s\n", rtw_status_name(counts->seen[i]));
        fclose(file);
    }
    printf("%d passed, %d failed\n", counts->passed, counts->failed);
    return counts->failed == 0 && counts->passed > 0 ? 0 : 1;
}
