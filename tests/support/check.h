/* Reports of tests in C: one line for each check, a summary as the last line. The checks of statuses call the library (statuses.c);
 * the others do not. */
#ifndef RTWASM_TEST_CHECK_H
#define RTWASM_TEST_CHECK_H

#include <rtwasm.h>

#include <stdarg.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define CHECK_FORMAT(text, rest) __attribute__((format(printf, text, rest)))
#else
#define CHECK_FORMAT(text, rest)
#endif

#ifdef __cplusplus
extern "C" {
#endif

void check(bool good, const char *what, ...) CHECK_FORMAT(2, 3);
void check_list(bool good, const char *what, va_list arguments) CHECK_FORMAT(2, 0);

/* The status is the expected one. With STATUSES_FILE in the environment, the names of the statuses that were expected and seen are
 * added to that file when the program ends, one a line. */
void check_status(rtw_status_t got, rtw_status_t expected, const char *what, ...) CHECK_FORMAT(3, 4);

/* The error struct holds the expected status, and a message with `part` in it; "" where it must be empty. */
void check_error(const rtw_error_t *err, rtw_status_t expected, const char *part, const char *what, ...) CHECK_FORMAT(4, 5);

/* A step that the rest of the test stands on: on failure the test ends here. */
void require(rtw_status_t got, const rtw_error_t *err, const char *what, ...) CHECK_FORMAT(3, 4);

/* Runs `body` in a process of its own, whose checks become ours; `what` fails if it does not end by itself. */
void check_in_child(const char *what, void (*body)(void *), void *data);

/* Prints the counts; returns the exit status. */
int check_summary(void);

#ifdef __cplusplus
}
#endif

#endif
