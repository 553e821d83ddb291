/* The start of a test program in C: its command line, the guests' artifacts, files; and its end if it cannot continue. Nothing
 * here calls the library. */
#ifndef RTWASM_TEST_START_H
#define RTWASM_TEST_START_H

#include <rtwasm.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From the command line: PROFILE ARTIFACTS. */
extern uint32_t profile;         /* RTW_PROFILE_... */
extern const char *profile_name; /* "standalone" or "plugin" */
extern const char *artifacts;    /* the folder of NAME.PROFILE.rtw */

/* Reads the command line, whose further arguments are the program's own; ends the program if it is wrong. */
void read_command_line(int argc, char **argv);

/* The path of a guest's artifact for the profile; static, until the next call. */
const char *artifact_path(const char *guest);

/* A whole file, to be freed; ends the program if it cannot be read. */
unsigned char *read_file(const char *path, size_t *length);

/* Ends the program with a message and exit status 2 unless the condition holds. */
#define NEED(condition, ...)                                                                                                      \
    do {                                                                                                                          \
        if (!(condition)) give_up(__FILE__, __LINE__, __VA_ARGS__);                                                               \
    } while (0)
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 3, 4)))
#endif
void give_up(const char *file, int line, const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
