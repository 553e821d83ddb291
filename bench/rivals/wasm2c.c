/* wasm2c's C, compiled to a shared library with wasm2c_guest.c; the names are those of wabt 1.0.32. Arguments: LIBRARY. */
#include "rival.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "wasm-rt-impl.h"

typedef void plain_t(void *);
typedef int32_t result_t(void *);
typedef int32_t binary_t(void *, int32_t, int32_t);

struct rival_func {
    rival_shape_t shape;
    void *state;
    union {
        void *address;
        plain_t *plain;
        result_t *result;
        binary_t *binary;
    } of;
};

struct rival_instance {
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
    _Alignas(16) char state[];
};

static const char *path;
static void *library;
static size_t state_bytes;
static plain_t *start, *stop;

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) rival_fail(name, "is not there");
    return found;
}

unsigned rival_open(char **arguments) {
    path = arguments[0];
    wasm_rt_init();
    return RIVAL_HAS_INSTANCES | RIVAL_GOES_ON;
}

void rival_load(void) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) rival_fail(path, dlerror());
    state_bytes = *(size_t *)symbol("guest_bytes");
    *(void **)&start = symbol("guest_start");
    *(void **)&stop = symbol("guest_stop");
    void (*once)(void);
    *(void **)&once = symbol("guest_once");
    once();
}

void rival_unload(void) { dlclose(library); }

rival_instance_t *rival_instantiate(void) {
    rival_instance_t *instance = calloc(1, sizeof *instance + state_bytes);
    start(instance->state);
    return instance;
}

void rival_end(rival_instance_t *instance) {
    stop(instance->state);
    free(instance);
}

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    char mangled[64];
    snprintf(mangled, sizeof mangled, "Z_mZ_%s", name);
    rival_func_t *func = &instance->funcs[instance->count++];
    *func = (rival_func_t){shape, instance->state, {symbol(mangled)}};
    return func;
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    int32_t result = 0;
    switch (func->shape) {
    case RIVAL_PLAIN:
        while (count-- != 0) func->of.plain(func->state);
        break;
    case RIVAL_RESULT:
        while (count-- != 0) result = func->of.result(func->state);
        break;
    case RIVAL_BINARY:
        while (count-- != 0) result = func->of.binary(func->state, first, second);
        break;
    }
    return result;
}

void rival_trap(rival_func_t *func) {
    if (wasm_rt_impl_try() != 0) return;
    func->of.plain(func->state);
    rival_fail("trap", "no trap");
}
