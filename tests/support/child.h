/* Child processes, to try dangerous things in. Nothing here calls the library. */
#ifndef RTWASM_TEST_CHILD_H
#define RTWASM_TEST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#if defined(__GNUC__)
#define CHILD_FORMAT __attribute__((format(printf, 1, 2)))
#else
#define CHILD_FORMAT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `body` in a process of its own and returns how it ended, as waitpid does. */
int status_of_child(void (*body)(void *), void *data);

/* Runs `body` in a process of its own and returns how it ended. `text` receives up to `room` - 1 bytes of its standard output
 * and standard error, and a NUL. */
int output_of_child(void (*body)(void *), void *data, char *text, size_t room);

/* The same in two steps, for a parent that has something to do while its child runs. */
typedef struct child_t {
    pid_t process;
    FILE *output;
} child_t;
child_t begin_child(void (*body)(void *), void *data);
int end_child(child_t child, char *text, size_t room);

/* Runs a trial in a process of its own. Its remark is what `note` was last given there, or how the process ended. */
typedef bool (*trial_t)(void *data);
bool in_child(trial_t trial, void *data);
void note(const char *format, ...) CHILD_FORMAT;
const char *remark(void);

/* For trials: unless the condition holds, notes what was wrong and returns false. */
#define EXPECT(condition, ...)                                                                                                    \
    do {                                                                                                                          \
        if (!(condition)) {                                                                                                       \
            note(__VA_ARGS__);                                                                                                    \
            return false;                                                                                                         \
        }                                                                                                                         \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
