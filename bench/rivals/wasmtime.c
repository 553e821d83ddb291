/* The stock engine's C API, with its defaults. Arguments: ARTIFACT, as `PROGRAM compile MODULE.wat ARTIFACT` makes it. */
#include "rival.h"
#include "wasmtime_c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wasm_engine_t *engine;
static const char *path;

static void need(wasmtime_error_t *error, const char *what) {
    if (error == NULL) return;
    wasm_byte_vec_t message;
    wasmtime_error_message(error, &message);
    fprintf(stderr, "%.*s\n", (int)message.size, message.data);
    rival_fail(what, "refused");
}

void rival_open(char **arguments) {
    path = arguments[0];
    engine = wasm_engine_new();
}

uint64_t rival_load(void) {
    wasmtime_module_t *module;
    const uint64_t before = rival_now();
    wasmtime_error_t *error = wasmtime_module_deserialize_file(engine, path, &module);
    const uint64_t ns = rival_now() - before;
    need(error, "load");
    wasmtime_module_delete(module);
    return ns;
}

static int32_t result(wasmtime_module_t *module, rival_step_t *steps) {
    uint64_t at = rival_now();
    wasmtime_context_t *context = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    need(wasmtime_instance_new(context, module, NULL, 0, &instance, &trap), "instance");
    wasmtime_extern_t run;
    if (trap != NULL || !wasmtime_instance_export_get(context, &instance, "run", 3, &run) || run.kind != 0) rival_fail("run", "is not there");
    steps[0] = (rival_step_t){"instance", rival_now() - at};
    wasmtime_val_raw_t value = {.i32 = 3};
    at = rival_now();
    need(wasmtime_func_call_unchecked(context, &run.of.func, &value, 1, &trap), "call");
    if (trap != NULL) rival_fail("call", "a trap");
    steps[1] = (rival_step_t){"call", rival_now() - at};
    return value.i32;
}

int32_t rival_check(void) {
    wasmtime_module_t *module;
    rival_step_t steps[2];
    need(wasmtime_module_deserialize_file(engine, path, &module), "load");
    return result(module, steps);
}

int rival_first(char **arguments, rival_step_t *steps) {
    uint64_t at = rival_now();
    rival_open(arguments);
    steps[0] = (rival_step_t){"create", rival_now() - at};
    wasmtime_module_t *module;
    at = rival_now();
    need(wasmtime_module_deserialize_file(engine, path, &module), "load");
    steps[1] = (rival_step_t){"load", rival_now() - at};
    result(module, steps + 2);
    return 4;
}

static char *read_text(const char *name, size_t *length) {
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) rival_fail(name, "cannot be read");
    const long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) rival_fail(name, "cannot be read");
    fclose(file);
    *length = (size_t)size;
    return text;
}

int rival_other(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "compile") != 0) return -1;
    size_t length;
    char *text = read_text(argv[2], &length);
    engine = wasm_engine_new();
    wasm_byte_vec_t binary, made;
    need(wasmtime_wat2wasm(text, length, &binary), argv[2]);
    wasmtime_module_t *module;
    need(wasmtime_module_new(engine, (const uint8_t *)binary.data, binary.size, &module), argv[2]);
    need(wasmtime_module_serialize(module, &made), argv[2]);
    FILE *file = fopen(argv[3], "wb");
    if (file == NULL || fwrite(made.data, 1, made.size, file) != made.size || fclose(file) != 0) rival_fail(argv[3], "cannot be written");
    wasmtime_module_delete(module);
    wasm_byte_vec_delete(&made);
    wasm_byte_vec_delete(&binary);
    free(text);
    return 0;
}
