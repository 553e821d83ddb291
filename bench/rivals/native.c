/* The guest's source, compiled for this machine: a shared library. Arguments: LIBRARY. A trap is a signal and its handler, and nothing
 * else: the least that a trap by signal can take. */
#include "rival.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

typedef void plain_t(void);
typedef int32_t result_t(void);
typedef int32_t binary_t(int32_t, int32_t);

struct rival_func {
    rival_shape_t shape;
    union {
        void *address;
        plain_t *plain;
        result_t *result;
        binary_t *binary;
    } of;
};

/* There is one, so that functions can be looked up in it. */
struct rival_instance {
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
};

static const char *path;
static void *library;
static rival_instance_t only;

/* The function of the host that guests import. */
void host_nop(void);
void host_nop(void) { __asm__ volatile(""); }

static sigjmp_buf before_trap;

static void leave_trap(int number) {
    (void)number;
    siglongjmp(before_trap, 1);
}

unsigned rival_open(char **arguments) {
    path = arguments[0];
    const struct sigaction action = {.sa_handler = leave_trap, .sa_flags = SA_NODEFER};
    /* __builtin_trap raises one of them, depending on the processor. */
    if (sigaction(SIGILL, &action, NULL) != 0 || sigaction(SIGTRAP, &action, NULL) != 0) rival_fail("sigaction", "refused");
    return RIVAL_GOES_ON;
}

void rival_load(void) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) rival_fail(path, dlerror());
}

void rival_unload(void) { dlclose(library); }

rival_instance_t *rival_instantiate(void) { return &only; }

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    rival_func_t *func = &instance->funcs[instance->count++];
    func->shape = shape;
    func->of.address = dlsym(library, name);
    if (func->of.address == NULL) rival_fail(name, "is not there");
    return func;
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    int32_t result = 0;
    switch (func->shape) {
    case RIVAL_PLAIN:
        while (count-- != 0) func->of.plain();
        break;
    case RIVAL_RESULT:
        while (count-- != 0) result = func->of.result();
        break;
    case RIVAL_BINARY:
        while (count-- != 0) result = func->of.binary(first, second);
        break;
    }
    return result;
}

void rival_end(rival_instance_t *instance) { (void)instance; }

void rival_trap(rival_func_t *func) {
    if (sigsetjmp(before_trap, 0) != 0) return;
    func->of.plain();
    rival_fail("trap", "no trap");
}
