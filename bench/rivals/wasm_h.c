/* An engine by the C API that engines have in common, wasm.h. Arguments: ARTIFACT, as `PROGRAM compile MODULE.wasm ARTIFACT` makes it. */
#include "wasm_h.h"
#include "files.h"

#include <string.h>

struct rival_func {
    wasm_func_t *func;
    size_t params, results;
};

struct rival_instance {
    wasm_store_t *store;
    wasm_module_t *module;
    wasm_instance_t *instance;
    wasm_func_t *host;
    wasm_extern_vec_t exports;
    rival_func_t funcs[RIVAL_MOST_FUNCS];
    int count;
};

static wasm_engine_t *engine;
static wasm_store_t *store;
static const char *path;
static wasm_module_t *kept[RIVAL_MOST_KEPT];
static int kept_count;

unsigned rival_open(char **arguments) {
    path = arguments[0];
    engine = wasm_engine_new();
    store = wasm_store_new(engine);
    return RIVAL_HAS_INSTANCES | RIVAL_KEEPS | RIVAL_GOES_ON;
}

static wasm_module_t *load_into(wasm_store_t *into) {
    wasm_byte_vec_t bytes;
    bytes.data = read_file(path, &bytes.size);
    wasm_module_t *module = wasm_module_deserialize(into, &bytes);
    if (module == NULL) rival_fail(path, "cannot be loaded");
    free(bytes.data);
    return module;
}

void rival_load(void) { kept[kept_count++] = load_into(store); }

void rival_unload(void) {
    while (kept_count > 0) wasm_module_delete(kept[--kept_count]);
}

static wasm_trap_t *nop(const wasm_val_vec_t *arguments, wasm_val_vec_t *results) { return (void)arguments, (void)results, NULL; }

/* Each has a store of its own: what a store holds goes with it only. */
rival_instance_t *rival_instantiate(void) {
    rival_instance_t *instance = calloc(1, sizeof *instance);
    instance->store = wasm_store_new(engine);
    instance->module = kept[kept_count - 1];
    wasm_importtype_vec_t types;
    wasm_module_imports(instance->module, &types);
    wasm_extern_t *host = NULL;
    if (types.size != 0) {
        wasm_valtype_vec_t none[2] = {{0}};
        wasm_functype_t *type = wasm_functype_new(&none[0], &none[1]);
        instance->host = wasm_func_new(instance->store, type, nop);
        host = wasm_func_as_extern(instance->host);
        wasm_functype_delete(type);
    }
    wasm_extern_vec_t imports = {types.size, &host};
    wasm_trap_t *trap = NULL;
    instance->instance = wasm_instance_new(instance->store, instance->module, &imports, &trap);
    if (instance->instance == NULL) rival_fail("instance", "cannot be made");
    wasm_importtype_vec_delete(&types);
    wasm_instance_exports(instance->instance, &instance->exports);
    return instance;
}

void rival_end(rival_instance_t *instance) {
    wasm_extern_vec_delete(&instance->exports);
    if (instance->host != NULL) wasm_func_delete(instance->host);
    wasm_instance_delete(instance->instance);
    wasm_store_delete(instance->store);
    free(instance);
}

/* The names of some engines end with a zero. */
static bool is_called(const wasm_byte_vec_t *name, const char *wanted) {
    return strnlen(name->data, name->size) == strlen(wanted) && memcmp(name->data, wanted, strlen(wanted)) == 0;
}

rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape) {
    wasm_exporttype_vec_t types;
    wasm_module_exports(instance->module, &types);
    size_t at = 0;
    while (at < types.size && !is_called(wasm_exporttype_name(types.data[at]), name)) at++;
    if (at == types.size) rival_fail(name, "is not there");
    wasm_exporttype_vec_delete(&types);
    rival_func_t *func = &instance->funcs[instance->count++];
    *func = (rival_func_t){wasm_extern_as_func(instance->exports.data[at]), shape == RIVAL_BINARY ? 2 : 0, shape != RIVAL_PLAIN};
    return func;
}

int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count) {
    wasm_val_t values[2], result = {0};
    const wasm_val_vec_t arguments = {func->params, values};
    wasm_val_vec_t results = {func->results, &result};
    while (count-- != 0) {
        values[0] = (wasm_val_t){0, {.i32 = first}};
        values[1] = (wasm_val_t){0, {.i32 = second}};
        if (wasm_func_call(func->func, &arguments, &results) != NULL) rival_fail("call", "a trap");
    }
    return result.of.i32;
}

void rival_trap(rival_func_t *func) {
    const wasm_val_vec_t arguments = {0};
    wasm_val_vec_t results = {0};
    wasm_trap_t *trap = wasm_func_call(func->func, &arguments, &results);
    if (trap == NULL) rival_fail("trap", "no trap");
    wasm_trap_delete(trap);
}

int rival_other(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "compile") != 0) return -1;
    wasm_byte_vec_t binary, made;
    binary.data = read_file(argv[2], &binary.size);
    store = wasm_store_new(wasm_engine_new());
    wasm_module_t *module = wasm_module_new(store, &binary);
    if (module == NULL) rival_fail(argv[2], "cannot be compiled");
    wasm_module_serialize(module, &made);
    write_file(argv[3], made.data, made.size);
    return 0;
}
