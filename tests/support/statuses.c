#include "check.h"
#include "start.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SEEN_MAX = 64 };

/* Shared with the processes that check_in_child makes. */
struct seen {
    int count;
    rtw_status_t statuses[SEEN_MAX];
};
static struct seen *seen;

__attribute__((constructor)) static void share(void) {
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(seen != MAP_FAILED, "mmap: %s", strerror(errno));
}

__attribute__((destructor)) static void write_seen(void) {
    const char *path = getenv("STATUSES_FILE");
    if (path == NULL) return;
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        perror(path);
        _exit(2);
    }
    for (int i = 0; i < seen->count; i++) fprintf(file, "%s\n", rtw_status_name(seen->statuses[i]));
    fclose(file);
}

static void remember(rtw_status_t status) {
    for (int i = 0; i < seen->count; i++)
        if (seen->statuses[i] == status) return;
    if (seen->count < SEEN_MAX) seen->statuses[seen->count++] = status;
}

void check_status(rtw_status_t got, rtw_status_t expected, const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    check_list(got == expected, what, arguments);
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
    check_list(good, what, arguments);
    va_end(arguments);
    if (!good)
        printf("    %s instead of %s; \"%.504s\" instead of \"%s\"\n", rtw_status_name(err->status), rtw_status_name(expected),
               err->message, part);
}

void require(rtw_status_t got, const rtw_error_t *err, const char *what, ...) {
    if (got == RTW_OK) return;
    va_list arguments;
    va_start(arguments, what);
    check_list(false, what, arguments);
    va_end(arguments);
    printf("    %s: %s\n", rtw_status_name(got), err != NULL ? err->message : rtw_status_string(got));
    exit(check_summary());
}
