/* Host functions that the guest `work` calls, and violations: host functions commit them inside calls, and the observers have to find
 * that. */
#ifndef RTWASM_PROMISES_HOST_H
#define RTWASM_PROMISES_HOST_H

#include "../proof.h"

#include <pthread.h>

typedef enum violation_t {
    ALLOCATE,
    LOCK,
    SYSTEM_CALL,
    TOUCH,      /* a fresh page */
    TOUCH_FILE, /* a page of a file that is not in memory */
    SLEEP,
    SET_ERRNO,
    SET_MASK,
    SET_X87,
    ASK_CANCEL_TYPE,
    NONE
} violation_t;

/* The data of host functions. */
typedef struct host_t {
    rtw_func_t *inner, *divide;
    violation_t violation;
    char *fresh;         /* pages nobody has touched: one for each path that uses this host */
    volatile char *file; /* a page of a file that is not in memory; NULL if there is none */
    int cancel_type;     /* that it found */
    pthread_mutex_t mutex;
} host_t;

/* Sets no violation, and provides what most of them need. */
void ready_host(host_t *host);
/* Provides what TOUCH_FILE needs, unless the file system keeps the page in memory. */
void map_absent_file(host_t *host);

/* Commits the host's violation. */
void violate(host_t *host);

/* The imports of `work`; the flags are those of `visit`, the function that calls the guest and violates. */
rtw_imports_t *imports_for(host_t *host, uint32_t flags);
/* Makes the host ready, and an instance of `work` with it. */
rtw_instance_t *instance_of(rtw_module_t *module, host_t *host, uint32_t flags);

#endif
