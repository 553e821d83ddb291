/* Shared by the programs about slots. */
#ifndef RTWASM_TEST_SLOT_H
#define RTWASM_TEST_SLOT_H

#include "../support/common.h"
#include "../support/clock.h"

#include <pthread.h>

/* For calls that are to be cut off soon. */
#define SHORT (5 * MS)

/* The host functions of `env`: `refuse` returns REFUSAL, `start` works as often as `starts` says. */
enum { REFUSAL = -12345 };
extern int starts;
/* The handle that `refuse` was last given as its instance. */
extern rtw_instance_t *refused_by;

/* A runtime with the guests' imports. */
typedef struct world_t {
    rtw_runtime_t *runtime;
    rtw_imports_t *imports;
} world_t;

world_t open_world(void);
void close_world(world_t *world);

/* A new instance, with a budget where it is not 0. */
rtw_instance_t *make(const world_t *world, rtw_module_t *module, uint64_t budget_ns);
/* A slot of one function, `name`: of type (i32)->(i32). The rest from `config`, where not NULL. */
rtw_slot_t *open_slot(const world_t *world, const char *name, const rtw_slot_config_t *config);
/* Publishes, and ends the test if that fails; the host's handle goes. */
uint64_t publish(rtw_slot_t *slot, rtw_instance_t *instance);
/* One block: calls the slot's function with `argument`; what it answered by `result`, the flags by `flags`, where not NULL. */
rtw_status_t block(rtw_slot_t *slot, int32_t argument, int32_t *result, uint32_t *flags);
/* Returns when only `count` instances are left. */
void wait_for_instances(rtw_slot_t *slot, uint64_t count);
void set_mode(rtw_instance_t *instance, int32_t mode);

/* The events of a slot. */
typedef struct told_t {
    pthread_mutex_t lock;
    uint32_t kinds[256];
    rtw_status_t statuses[256];
    uint64_t publications[256];
    size_t count;
} told_t;

#define TOLD_NOTHING {PTHREAD_MUTEX_INITIALIZER, {0}, {0}, {0}, 0}
/* For rtw_slot_config_t.on_event, with a told_t. */
void tell(void *told, const rtw_slot_event_t *event);
/* Returns when at least `count` events of the kind have arrived; the status of the last of them. */
rtw_status_t wait_for_event(told_t *told, uint32_t kind, size_t count);
size_t events_of(told_t *told, uint32_t kind);
/* Where the first event of the kind stands; (size_t)-1 where there is none. */
size_t first_event(told_t *told, uint32_t kind);

#endif
