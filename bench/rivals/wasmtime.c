/* The stock engine's C API, with its defaults and its unchecked call. Arguments: ARTIFACT, as `PROGRAM compile MODULE.wasm ARTIFACT`
 * makes it. */
#include "files.h"
#include "wasmtime_c.h"

#include <string.h>

struct rival_func {
    rival_instance_t *of;
    wasmtime_func_t func;
    size_t values;
};

struct rival_instance {
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_instance_t instance;
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
};

static wasm_engine_t *engine;
static const char *path;
static wasmtime_module_t *kept[RIVAL_MOST_KEPT];
static int kept_count;
static bool imports;

static void need(wasmtime_error_t *error, const char *what) {
    if (error == NULL) return;
    wasm_byte_vec_t message;
    wasmtime_error_message(error, &message);
    fprintf(stderr, "%.*s\n", (int)message.size, message.data);
    rival_fail(what, "refused");
}

unsigned rival_open(char **arguments) {
    path = arguments[0];
    engine = wasm_engine_new();
    return RIVAL_HAS_INSTANCES | RIVAL_KEEPS | RIVAL_GOES_ON;
}

void rival_load(void) { need(wasmtime_module_deserialize_file(engine, path, &kept[kept_count++]), "load"); }

void rival_unload(void) {
    while (kept_count > 0) wasmtime_module_delete(kept[--kept_count]);
}

static wasm_trap_t *nop(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    return (void)data, (void)caller, (void)values, (void)count, NULL;
}

/* The guests import nothing, or host.nop. */
static bool look_for_imports(void) {
    wasm_importtype_vec_t types;
    wasmtime_module_imports(kept[kept_count - 1], &types);
    const bool found = types.size != 0;
    wasm_importtype_vec_delete(&types);
    return found;
}

rival_instance_t *rival_instantiate(void) {
    static bool looked;
    if (!looked) imports = look_for_imports();
    looked = true;
    rival_instance_t *instance = calloc(1, sizeof *instance);
    instance->store = wasmtime_store_new(engine, NULL, NULL);
    instance->context = wasmtime_store_context(instance->store);
    wasmtime_extern_t host = {0};
    if (imports) {
        wasm_valtype_vec_t none[2] = {{0}};
        wasm_functype_t *type = wasm_functype_new(&none[0], &none[1]);
        wasmtime_func_new_unchecked(instance->context, type, nop, NULL, NULL, &host.of.func);
        wasm_functype_delete(type);
    }
    wasm_trap_t *trap = NULL;
    need(wasmtime_instance_new(instance->context, kept[kept_count - 1], &host, imports, &instance->instance, &trap), "instance");
    if (trap != NULL) rival_fail("instance", "a trap");
    return instance;
}

void rival_end(rival_instance_t *instance) {
    wasmtime_store_delete(instance->store);
    free(instance);
}

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    wasmtime_extern_t found;
    if (!wasmtime_instance_export_get(instance->context, &instance->instance, name, strlen(name), &found) || found.kind != 0)
        rival_fail(name, "is not there");
    rival_func_t *func = &instance->funcs[instance->count++];
    *func = (rival_func_t){instance, found.of.func, (size_t)shape};
    return func;
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    wasmtime_val_raw_t values[2];
    wasm_trap_t *trap = NULL;
    while (count-- != 0) {
        values[0].i32 = first, values[1].i32 = second;
        need(wasmtime_func_call_unchecked(func->of->context, &func->func, values, func->values, &trap), "call");
        if (trap != NULL) rival_fail("call", "a trap");
    }
    return values[0].i32;
}

void rival_trap(rival_func_t *func) {
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = wasmtime_func_call_unchecked(func->of->context, &func->func, NULL, 0, &trap);
    if (error == NULL && trap == NULL) rival_fail("trap", "no trap");
    if (error != NULL) wasmtime_error_delete(error);
    if (trap != NULL) wasm_trap_delete(trap);
}

int rival_other(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "compile") != 0) return -1;
    size_t length;
    char *binary = read_file(argv[2], &length);
    engine = wasm_engine_new();
    wasmtime_module_t *module;
    wasm_byte_vec_t made;
    need(wasmtime_module_new(engine, (const uint8_t *)binary, length, &module), argv[2]);
    need(wasmtime_module_serialize(module, &made), argv[2]);
    write_file(argv[3], made.data, made.size);
    wasmtime_module_delete(module);
    wasm_byte_vec_delete(&made);
    free(binary);
    return 0;
}
