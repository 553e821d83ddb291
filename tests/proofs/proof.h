/* Shared by all proof programs, beside tests/support: checks that are rows of a table. */
#ifndef RTWASM_PROOF_H
#define RTWASM_PROOF_H

#include "../support/child.h"
#include "../support/common.h"

/* The third word of the command line: PROFILE ARTIFACTS [MODE]; "" where there is none. */
extern const char *mode;
/* Reads the command line. */
void begin_proof(int argc, char **argv);

/* Ends the program unless the status is RTW_OK. */
#define OK(call, err) require((call), &(err), "%s", #call)

/* True if the planted violation of a row was found. */
typedef enum planted_t { PLANTED_MISSED, PLANTED_CAUGHT, PLANTED_NONE } planted_t;
planted_t caught(bool found);

/* Checks one promise, and writes its row of the table: promise, how it is shown, over how many calls, whether it holds, and whether the
 * planted violation was caught, without which the check fails as well; then a remark, which a broken promise explains itself with. */
void row(const char *promise, const char *how, uint64_t calls, bool holds, planted_t planted, const char *remark, ...)
    __attribute__((format(printf, 6, 7)));

/* The number of calls; an environment variable sets a smaller one for a quick look. */
uint64_t proof_calls(void);  /* PROOF_CALLS, 10000000 */
uint64_t proof_faults(void); /* PROOF_FAULTS, 100000 */

#endif
