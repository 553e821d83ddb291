/* What all proof programs need: rows of the table, files, a child process to try dangerous things in. Nothing here calls the
 * library. */
#ifndef RTWASM_PROOF_HARNESS_H
#define RTWASM_PROOF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtwasm.h"

/* From the command line: PROFILE FOLDER [MODE]. FOLDER holds GUEST.PROFILE.rtw. */
extern uint32_t profile;
extern const char *profile_name;
extern const char *folder;
extern const char *mode;
void read_command_line(int argc, char **argv);

/* Whether the planted violation of a row was found. */
typedef enum planted_t { PLANTED_MISSED, PLANTED_CAUGHT, PLANTED_NONE } planted_t;
planted_t caught(bool found);

/* Writes one row of the table: promise, how it is shown, over how many calls, whether it holds, and whether the planted
 * violation was caught; then a remark, which a broken promise explains itself with. */
void row(const char *promise, const char *how, uint64_t calls, bool holds, planted_t planted, const char *remark, ...)
    __attribute__((format(printf, 6, 7)));

/* Ends the program with a message unless the condition holds: the proof itself cannot go on. */
#define NEED(condition, ...)                                                                                                      \
    do {                                                                                                                          \
        if (!(condition))                                                                                                         \
            give_up(__FILE__, __LINE__, __VA_ARGS__);                                                                             \
    } while (0)
void give_up(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));

/* How many calls: an environment variable scales them down for a quick look. */
uint64_t proof_calls(void);  /* PROOF_CALLS, 10000000 */
uint64_t proof_faults(void); /* PROOF_FAULTS, 100000 */

/* A whole file, to be freed. */
void *read_file(const char *path, size_t *length);
const char *artifact_path(const char *guest);

/* Runs a trial in a child process. Its remark is what `note` was last given there, or how the child ended. */
typedef bool (*trial_t)(void *data);
bool in_child(trial_t trial, void *data);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *remark(void);
/* For trials: notes what was not so and answers false. */
#define EXPECT(condition, ...)                                                                                                    \
    do {                                                                                                                          \
        if (!(condition)) {                                                                                                       \
            note(__VA_ARGS__);                                                                                                    \
            return false;                                                                                                         \
        }                                                                                                                         \
    } while (0)

#endif
