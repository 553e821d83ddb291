/* The part of Wasmtime 48's C API that the comparison calls, declared here so that it needs no headers: Python's package has none. */
#ifndef WASMTIME_C_H
#define WASMTIME_C_H

#include "wasm_h.h"

typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_caller wasmtime_caller_t;

typedef struct {
    uint64_t store_id;
    size_t index;
} wasmtime_instance_t;

typedef struct {
    uint64_t store_id;
    void *private_;
} wasmtime_func_t;

typedef struct {
    uint8_t kind; /* 0: a function */
    union {
        wasmtime_func_t func;
        uint64_t room[4];
    } of;
} wasmtime_extern_t;

typedef union {
    int32_t i32;
    uint8_t v128[16];
} wasmtime_val_raw_t;

typedef wasm_trap_t *wasmtime_callback_t(void *, wasmtime_caller_t *, wasmtime_val_raw_t *, size_t);

wasmtime_error_t *wasmtime_module_new(wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_module_deserialize_file(wasm_engine_t *, const char *, wasmtime_module_t **);
void wasmtime_module_imports(const wasmtime_module_t *, wasm_importtype_vec_t *);
void wasmtime_module_delete(wasmtime_module_t *);
wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void (*)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_func_new_unchecked(wasmtime_context_t *, const wasm_functype_t *, wasmtime_callback_t *, void *, void (*)(void *), wasmtime_func_t *);
wasmtime_error_t *wasmtime_instance_new(wasmtime_context_t *, const wasmtime_module_t *, const wasmtime_extern_t *, size_t,
                                        wasmtime_instance_t *, wasm_trap_t **);
_Bool wasmtime_instance_export_get(wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *);
wasmtime_error_t *wasmtime_func_call_unchecked(wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *, size_t,
                                               wasm_trap_t **);
void wasmtime_store_delete(wasmtime_store_t *);
void wasmtime_error_delete(wasmtime_error_t *);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);

#endif
