/* An interpreter, spacewasm. It has no instances apart from loaded modules: each instance here is a module loaded anew.
 * Arguments: MODULE.wasm. */
#include "files.h"

#include <spacewasm.h>
#include <string.h>

struct rival_func {
    rival_instance_t *of;
    uint32_t index;
    rival_shape_t shape;
};

struct rival_instance {
    spacewasm_t *engine;
    uint32_t module;
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
};

/* In words of four bytes; as much as rtwasm gives a guest by default. */
enum { STACK_WORDS = 64 * 1024 };

static const char *path;
static spacewasm_allocator_t *memories;
static rival_instance_t *kept[RIVAL_MOST_KEPT];
static int kept_count;

static void need(spacewasm_status_t status, const char *what) {
    char number[32];
    snprintf(number, sizeof number, "status %d", (int)status);
    if (status != SPACEWASM_OK) rival_fail(what, number);
}

/* The interpreter's heap: its own takes nothing back. */
uint8_t *__spacewasm_alloc(size_t size, size_t align, uint32_t *error);
void __spacewasm_dealloc(uint8_t *from, size_t size, size_t align);
uint8_t *__spacewasm_alloc(size_t size, size_t align, uint32_t *error) {
    (void)error;
    uint8_t *got = aligned_alloc(align, (size + align - 1) / align * align);
    if (got == NULL) rival_fail("heap", "used up");
    return got;
}
void __spacewasm_dealloc(uint8_t *from, size_t size, size_t align) { (void)size, (void)align, free(from); }

static void deallocate(void *data, uint8_t *from, size_t size, size_t align) {
    (void)data, (void)size, (void)align;
    free(from);
}

/* Memories begin as zeros. */
static uint8_t *allocate_memory(void *data, size_t size, size_t align) { return (void)data, (void)align, calloc(1, size); }

static uint8_t *reallocate(void *data, uint8_t *from, size_t before, size_t size, size_t align) {
    return (void)data, (void)before, (void)align, realloc(from, size);
}

unsigned rival_open(char **arguments) {
    path = arguments[0];
    memories = spacewasm_allocator_new(allocate_memory, reallocate, deallocate, NULL);
    return RIVAL_HAS_INSTANCES | RIVAL_KEEPS;
}

static char *bytes;
static size_t length;
static bool ended;

static spacewasm_read_result_t read_all(void *data, const uint8_t **from, size_t *size) {
    (void)data;
    *from = (const uint8_t *)bytes;
    *size = ended ? 0 : length;
    ended = true;
    return SPACEWASM_READ_OK;
}

static spacewasm_hostcall_result_t nop(spacewasm_caller_t *caller, void *data, const spacewasm_value_t *params, size_t count, spacewasm_value_t *result) {
    return (void)caller, (void)data, (void)params, (void)count, (void)result, SPACEWASM_CONTINUE_NONE;
}

rival_instance_t *rival_instantiate(void) {
    rival_instance_t *instance = calloc(1, sizeof *instance);
    spacewasm_host_t host;
    uint32_t at;
    need(spacewasm_host_new(1, &host), "host");
    need(spacewasm_add_host_module(&host, "host", 1, 0, &at), "host");
    need(spacewasm_add_host_function(&host, at, "nop", "", "", nop, NULL), "host");
    const spacewasm_compiler_options_t options = {.max_code_pages = 4096};
    need(spacewasm_new(&host, STACK_WORDS, 1, options, &instance->engine), "engine");
    ended = false;
    bytes = read_file(path, &length);
    need(spacewasm_load_module(instance->engine, "guest", read_all, NULL, memories, &instance->module), path);
    free(bytes);
    return instance;
}

void rival_end(rival_instance_t *instance) {
    spacewasm_destroy(instance->engine);
    free(instance);
}

void rival_load(void) { kept[kept_count++] = rival_instantiate(); }

void rival_unload(void) {
    while (kept_count > 0) rival_end(kept[--kept_count]);
}

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    rival_func_t *func = &instance->funcs[instance->count++];
    *func = (rival_func_t){instance, 0, shape};
    need(spacewasm_find_export_func(instance->engine, instance->module, name, &func->index), name);
    return func;
}

static spacewasm_run_status_t run(rival_func_t *func, const spacewasm_value_t *params, size_t count) {
    spacewasm_trap_t trap;
    need(spacewasm_invoke(func->of->engine, func->of->module, func->index, params, count), "call");
    return spacewasm_run(func->of->engine, SIZE_MAX, &trap);
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    spacewasm_value_t result = {SPACEWASM_I32, {0}};
    const spacewasm_value_t params[2] = {{SPACEWASM_I32, {first}}, {SPACEWASM_I32, {second}}};
    while (count-- != 0) {
        if (run(func, params, func->shape == RIVAL_BINARY ? 2 : 0) != SPACEWASM_RUN_FINISHED) rival_fail("call", "a trap");
        if (func->shape != RIVAL_PLAIN) need(spacewasm_get_result(func->of->engine, SPACEWASM_I32, &result), "result");
    }
    return result.u.i32_;
}

void rival_trap(rival_func_t *func) {
    if (run(func, NULL, 0) != SPACEWASM_RUN_TRAP) rival_fail("trap", "no trap");
}

_Noreturn void spacewasm_panic(const uint8_t *file, size_t file_length, uint32_t line, const uint8_t *message, size_t message_length);
_Noreturn void spacewasm_panic(const uint8_t *file, size_t file_length, uint32_t line, const uint8_t *message, size_t message_length) {
    fprintf(stderr, "%.*s:%u: ", (int)file_length, (const char *)file, line);
    fprintf(stderr, "%.*s\n", (int)message_length, (const char *)message);
    exit(1);
}
