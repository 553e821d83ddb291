/* One life of a host: everything of the C API that may allocate, called once and ended again. Where a call says that there was no
 * memory, memory is there again and the same call is made once more. */
#ifndef RTWASM_TEST_LIFE_H
#define RTWASM_TEST_LIFE_H

#include "../support/check.h"
#include "../support/child.h"
#include "../support/start.h"
#include "exhaust.h"

/* Shared with the process that watches. */
typedef struct life_report_t {
    uint64_t failed;        /* that failed */
    char call[48];          /* the API call during which the first failed, or after which it was seen */
    rtw_status_t status;    /* what that call answered */
    int32_t os_error;
    char message[160];
    char place[64];         /* who asked */
    char wrong[160];        /* what went wrong; "" */
    bool lived;             /* the life was lived to its end */
} life_report_t;

/* The interface of the library that makes calls fail. */
typedef struct injector_t {
    uint64_t (*failed)(void);
    void (*stop)(void);
    /* True if a call may return this status when something failed in it. */
    bool (*allowed)(rtw_status_t status);
    void (*describe)(life_report_t *report);
} injector_t;

typedef struct life_t {
    const char *guest;    /* or the path of a module in text form */
    const injector_t *injector;
    bool exports; /* also writes statistics in all formats, which allocates most */
    bool carries; /* a slot's state is carried over, which waits for blocks that do not come */
    uint32_t memory_lock; /* RTW_LOCK_... */
    life_report_t *report;
    exhaust_listed_t *listed;
} life_t;

/* Reads what lives need; before anything fails. */
void prepare_lives(const life_t *life);
/* The whole API but the doctor. False where something is wrong, which the report says. */
bool live(const life_t *life);
/* Makes and ends handles of every kind, until those made from now on are used again ones, as in a host that has run for long. */
void live_long(const life_t *life);
void live_long_doctor(const life_t *life);
/* With a guest and a host that have much of everything. */
bool live_large(const life_t *life);
/* The compiler. */
bool live_compile(const life_t *life);
/* The doctor. */
bool live_doctor(const life_t *life);

#endif
