#include "slot.h"

#include <sched.h>
#include <string.h>

int starts;
rtw_instance_t *refused_by;

static rtw_status_t refuse(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)values;
    refused_by = instance;
    return REFUSAL;
}

static rtw_status_t start(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return starts-- > 0 ? RTW_OK : REFUSAL;
}

world_t open_world(void) {
    rtw_error_t err;
    world_t world = {make_runtime(), NULL};
    require(rtw_imports_create(&world.imports, &err), &err, "imports");
    require(rtw_imports_func(world.imports, "env", "refuse", "()->()", refuse, NULL, NULL, 0, &err), &err, "import refuse");
    require(rtw_imports_func(world.imports, "env", "start", "()->()", start, NULL, NULL, 0, &err), &err, "import start");
    return world;
}

void close_world(world_t *world) {
    rtw_imports_destroy(world->imports);
    rtw_runtime_destroy(world->runtime);
    memset(world, 0, sizeof *world);
}

rtw_instance_t *make(const world_t *world, rtw_module_t *module, uint64_t budget_ns) {
    return new_instance(module, world->imports, budget_ns);
}

rtw_slot_t *open_slot(const world_t *world, const char *name, const rtw_slot_config_t *config) {
    return new_slot(world->runtime, name, "(i32)->(i32)", config);
}

uint64_t publish(rtw_slot_t *slot, rtw_instance_t *instance) {
    uint64_t number = 0;
    rtw_error_t err;
    require(rtw_slot_publish(slot, instance, &number, &err), &err, "publish");
    rtw_instance_destroy(instance);
    return number;
}

rtw_status_t block(rtw_slot_t *slot, int32_t argument, int32_t *result, uint32_t *flags) {
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = argument;
    const rtw_status_t status = rtw_slot_invoke(slot, 0, &value, 1, flags);
    if (result != NULL) *result = value.i32;
    return status;
}

void wait_for_instances(rtw_slot_t *slot, uint64_t count) {
    while (stats_of_slot(slot).instances != count) sched_yield();
}

void set_mode(rtw_instance_t *instance, int32_t mode) {
    rtw_value_t value;
    rtw_error_t err;
    memset(&value, 0, sizeof value);
    value.i32 = mode;
    require(rtw_instance_global_set(instance, "mode", &value, &err), &err, "set the mode");
}

void tell(void *user_data, const rtw_slot_event_t *event) {
    told_t *told = user_data;
    pthread_mutex_lock(&told->lock);
    if (told->count < sizeof told->kinds / sizeof *told->kinds) {
        told->kinds[told->count] = event->kind;
        told->statuses[told->count] = event->status;
        told->publications[told->count] = event->publication;
        told->count++;
    }
    pthread_mutex_unlock(&told->lock);
}

size_t events_of(told_t *told, uint32_t kind) {
    size_t count = 0;
    pthread_mutex_lock(&told->lock);
    for (size_t i = 0; i < told->count; i++) count += told->kinds[i] == kind;
    pthread_mutex_unlock(&told->lock);
    return count;
}

size_t first_event(told_t *told, uint32_t kind) {
    size_t at = 0;
    pthread_mutex_lock(&told->lock);
    while (at < told->count && told->kinds[at] != kind) at++;
    if (at == told->count) at = (size_t)-1;
    pthread_mutex_unlock(&told->lock);
    return at;
}

rtw_status_t wait_for_event(told_t *told, uint32_t kind, size_t count) {
    while (events_of(told, kind) < count) sched_yield();
    rtw_status_t last = RTW_OK;
    pthread_mutex_lock(&told->lock);
    for (size_t i = 0; i < told->count; i++)
        if (told->kinds[i] == kind) last = told->statuses[i];
    pthread_mutex_unlock(&told->lock);
    return last;
}
