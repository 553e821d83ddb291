/* The stock engine's C API, with its defaults. Arguments: ARTIFACT, as `PROGRAM compile MODULE.wat ARTIFACT` makes it. */
#include "rival.h"
#include "wasmtime_c.h"

#include <stdbool.h>
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

static wasmtime_module_t *kept[RIVAL_MOST_KEPT];
static int kept_count;

uint64_t rival_load(void) {
    const uint64_t before = rival_now();
    wasmtime_error_t *error = wasmtime_module_deserialize_file(engine, path, &kept[kept_count]);
    const uint64_t ns = rival_now() - before;
    need(error, "load");
    kept_count++;
    return ns;
}

void rival_unload(void) {
    while (kept_count > 0) wasmtime_module_delete(kept[--kept_count]);
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

/* ---- the cases beside loading */

static wasmtime_module_t *loaded;

typedef struct {
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_func_t run, trap;
} guest_t;

static guest_t make(void) {
    if (loaded == NULL) need(wasmtime_module_deserialize_file(engine, path, &loaded), "load");
    guest_t guest;
    guest.store = wasmtime_store_new(engine, NULL, NULL);
    guest.context = wasmtime_store_context(guest.store);
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    need(wasmtime_instance_new(guest.context, loaded, NULL, 0, &instance, &trap), "instance");
    wasmtime_extern_t run, end;
    if (!wasmtime_instance_export_get(guest.context, &instance, "run", 3, &run) || !wasmtime_instance_export_get(guest.context, &instance, "trap", 4, &end))
        rival_fail("run and trap", "are not there");
    guest.run = run.of.func, guest.trap = end.of.func;
    return guest;
}

static void call_one(const guest_t *guest, int argument) {
    wasm_trap_t *trap = NULL;
    wasmtime_val_raw_t value = {.i32 = argument};
    need(wasmtime_func_call_unchecked(guest->context, &guest->run, &value, 1, &trap), "call");
}

static void trap_one(const guest_t *guest) {
    wasm_trap_t *trap = NULL;
    wasmtime_val_raw_t value = {.i32 = 0};
    wasmtime_error_t *error = wasmtime_func_call_unchecked(guest->context, &guest->trap, &value, 1, &trap);
    if (error == NULL && trap == NULL) rival_fail("trap", "no trap");
    if (error != NULL) wasmtime_error_delete(error);
    if (trap != NULL) wasm_trap_delete(trap);
}

int rival_case(const char *name, int count, uint64_t *ns) {
    enum { MANY = 1024 };
    static guest_t many[MANY], one;
    const bool is_reset = strcmp(name, "reset") == 0;
    if (strcmp(name, "prepared") == 0) return -1;
    if (is_reset || strcmp(name, "stateless") == 0) {
        if (one.store == NULL) one = make();
        for (int i = 0; i < count; i++) {
            const uint64_t at = rival_now();
            trap_one(&one);
            if (is_reset) {
                wasmtime_store_delete(one.store);
                one = make();
            }
            ns[i] = rival_now() - at;
            call_one(&one, i);
        }
        return 0;
    }
    if (strcmp(name, "turn") == 0) {
        for (int i = 0; i < MANY && many[i].store == NULL; i++) many[i] = make(), call_one(&many[i], i);
        for (int i = 0; i < count; i++) {
            const uint64_t at = rival_now();
            for (int k = 0; k < MANY; k++) call_one(&many[k], k);
            ns[i] = (rival_now() - at) / MANY;
        }
        return 0;
    }
    for (int i = 0; i < count; i++) {
        uint64_t at = rival_now();
        const guest_t guest = make();
        const uint64_t made = rival_now() - at;
        at = rival_now();
        wasmtime_store_delete(guest.store);
        ns[i] = strcmp(name, "end") == 0 ? rival_now() - at : made;
    }
    return 0;
}

/* A call each, so that what the engine leaves until then is there, as in a prepared one. */
void rival_many(int count) {
    for (int i = 0; i < count; i++) {
        const guest_t guest = make();
        call_one(&guest, i);
    }
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
