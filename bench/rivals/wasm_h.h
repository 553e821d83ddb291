/* The part of the engines' common C API, wasm.h, that the comparison calls, declared here so that it needs no headers. */
#ifndef WASM_H_H
#define WASM_H_H

#include <stddef.h>
#include <stdint.h>

typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_store_t wasm_store_t;
typedef struct wasm_module_t wasm_module_t;
typedef struct wasm_instance_t wasm_instance_t;
typedef struct wasm_func_t wasm_func_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_extern_t wasm_extern_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_exporttype_t wasm_exporttype_t;
typedef struct wasm_importtype_t wasm_importtype_t;

typedef struct {
    uint8_t kind; /* 0: an i32 */
    union {
        int32_t i32;
        int64_t i64;
        double f64;
        void *ref;
    } of;
} wasm_val_t;

#define WASM_VEC(name, type)                                                                                                             \
    typedef struct {                                                                                                                     \
        size_t size;                                                                                                                     \
        type *data;                                                                                                                      \
    } wasm_##name##_vec_t;                                                                                                               \
    void wasm_##name##_vec_delete(wasm_##name##_vec_t *);
WASM_VEC(byte, char)
WASM_VEC(val, wasm_val_t)
WASM_VEC(valtype, void *)
WASM_VEC(extern, wasm_extern_t *)
WASM_VEC(exporttype, wasm_exporttype_t *)
WASM_VEC(importtype, wasm_importtype_t *)

wasm_engine_t *wasm_engine_new(void);
wasm_store_t *wasm_store_new(wasm_engine_t *);
void wasm_store_delete(wasm_store_t *);
wasm_module_t *wasm_module_new(wasm_store_t *, const wasm_byte_vec_t *);
void wasm_module_serialize(const wasm_module_t *, wasm_byte_vec_t *);
wasm_module_t *wasm_module_deserialize(wasm_store_t *, const wasm_byte_vec_t *);
void wasm_module_imports(const wasm_module_t *, wasm_importtype_vec_t *);
void wasm_module_exports(const wasm_module_t *, wasm_exporttype_vec_t *);
void wasm_module_delete(wasm_module_t *);
const wasm_byte_vec_t *wasm_exporttype_name(const wasm_exporttype_t *);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *, wasm_valtype_vec_t *);
void wasm_functype_delete(wasm_functype_t *);
wasm_func_t *wasm_func_new(wasm_store_t *, const wasm_functype_t *, wasm_trap_t *(*)(const wasm_val_vec_t *, wasm_val_vec_t *));
wasm_trap_t *wasm_func_call(const wasm_func_t *, const wasm_val_vec_t *, wasm_val_vec_t *);
wasm_extern_t *wasm_func_as_extern(wasm_func_t *);
wasm_func_t *wasm_extern_as_func(wasm_extern_t *);
void wasm_func_delete(wasm_func_t *);
wasm_instance_t *wasm_instance_new(wasm_store_t *, const wasm_module_t *, const wasm_extern_vec_t *, wasm_trap_t **);
void wasm_instance_exports(const wasm_instance_t *, wasm_extern_vec_t *);
void wasm_instance_delete(wasm_instance_t *);
void wasm_trap_delete(wasm_trap_t *);

#endif
