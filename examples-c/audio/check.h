/* The audio tests' reports: one line for each check, a summary as the last line, the number of failures as the result. */
#ifndef RTWASM_EXAMPLE_CHECK_H
#define RTWASM_EXAMPLE_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int check_passed, check_failed;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline void check(bool ok, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs(ok ? "ok " : "FAIL ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    check_passed += ok;
    check_failed += !ok;
}

/* The test's exit status. No check at all is a failure too. */
static inline int check_summary(void) {
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed == 0 && check_passed > 0 ? 0 : 1;
}

#endif
