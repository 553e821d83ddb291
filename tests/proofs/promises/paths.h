/* Paths beside the usual calls, each proved on a machine at rest with its own planted violations: calls on a thread that can be cancelled
 * at any instruction, host functions that may block, a host's own statistics, entries of tables, globals. */
#ifndef RTWASM_PROMISES_PATHS_H
#define RTWASM_PROMISES_PATHS_H

#include "../section.h"
#include "host.h"

typedef struct path_t {
    const char *name;
    /* Makes one call, the i-th. */
    void (*call)(rtw_func_t *func, findings_t *findings, uint64_t i);
    rtw_func_t *func;
    /* Is part of every call, so that it can violate. */
    host_t *host;
    /* True if the thread can be cancelled at any instruction meanwhile. */
    bool asynchronous;
} path_t;

/* Makes `calls` calls in one section, and one for each planted violation; writes the path's rows. */
void prove_path(const path_t *path, uint64_t calls);

/* Makes runtimes for the paths, and attaches the calling thread to them. Returns the first. */
rtw_runtime_t *set_up_paths(void);
void prove_paths(uint64_t calls);

#endif
