/* The rows of the proof's table: a promise about one path each, with the outcome of its planted violation. */
#ifndef RTWASM_PROMISES_ROWS_H
#define RTWASM_PROMISES_ROWS_H

#include "../section.h"
#include "host.h"

/* Has the observers watch and tell for the first time. */
void warm_up_observers(void);
/* Plants each violation in a call that succeeds, with this host. */
void plant_all(host_t *host);

/* Writes a row about a path: the promise is kept if it holds and no call had a wrong outcome; a broken one is explained by all that was
 * found. */
void path_row(const char *path, const char *promise, const char *how, const findings_t *found, bool holds, bool seen);
/* Writes all rows of the mode about a path, after plant_all. */
void path_rows(const char *path, const findings_t *found);

#endif
