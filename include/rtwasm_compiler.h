/*
 * rtwasm's compiler: from WebAssembly to the artifacts that rtwasm.h loads. A library of its own, librtwasm_compiler: a
 * program that only runs artifacts does not need it.
 *
 * Generated from compiler/src/capi.rs by cbindgen (make header); do not edit. The rules and the roles in brackets are
 * rtwasm.h's.
 */


#ifndef RTWASM_COMPILER_H
#define RTWASM_COMPILER_H

#include "rtwasm.h"

/*
 Compile fast; the code is slow.
 */
#define RTW_COMPILE_OPT_NONE 0

/*
 The fastest code.
 */
#define RTW_COMPILE_OPT_SPEED 1

/*
 Fast code, and smaller where that costs little.
 */
#define RTW_COMPILE_OPT_SIZE 2

/*
 Nothing is compiled in to interrupt the guest.
 */
#define RTW_COMPILE_INTERRUPTION_NONE 0

/*
 The engine's epoch checks: for comparison.
 */
#define RTW_COMPILE_INTERRUPTION_EPOCH 1

/*
 The engine's fuel counting: for comparison.
 */
#define RTW_COMPILE_INTERRUPTION_FUEL 2

/*
 The budget guard: polls at loop headers, through which the watchdog ends a call that runs too long.
 */
#define RTW_COMPILE_INTERRUPTION_GUARD 3

/*
 4 GiB of address space are set aside for each linear memory, which lets the standalone profile leave bounds checks out.
 */
#define RTW_COMPILE_RESERVATION_FULL 0

/*
 As much is set aside as the module declares as its maximum: for processes whose locked or total memory is limited.
 Accesses are then checked in the code, in both profiles.
 */
#define RTW_COMPILE_RESERVATION_DECLARED 1

/*
 How a module shall be compiled. Call rtw_compile_options_init first.
 */
typedef struct rtw_compile_options_t {
    /*
     sizeof(rtw_compile_options_t), set by rtw_compile_options_init.
     */
    uint32_t struct_size;
    /*
     RTW_PROFILE_STANDALONE (default) or RTW_PROFILE_PLUGIN: that of the runtime which will load the artifact.
     */
    uint32_t profile;
    /*
     RTW_COMPILE_OPT_SPEED (default), RTW_COMPILE_OPT_SIZE or RTW_COMPILE_OPT_NONE.
     */
    uint32_t opt_level;
    /*
     RTW_COMPILE_INTERRUPTION_GUARD (default) or another: whether time budgets can be enforced, and by which means.
     */
    uint32_t interruption;
    /*
     "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu"; NULL (default): this machine.
     */
    const char *target;
    /*
     "native": what this machine has. "baseline": runs on every machine of the target. Otherwise features such as "avx2,fma",
     which bring those they build on. NULL (default): native when the target is this machine, else baseline.
     */
    const char *cpu;
    /*
     RTW_COMPILE_RESERVATION_FULL (default) or RTW_COMPILE_RESERVATION_DECLARED.
     */
    uint32_t reservation;
    /*
     Zero.
     */
    uint32_t reserved0;
    /*
     Zero.
     */
    uint64_t reserved[8];
} rtw_compile_options_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Fills options with the defaults. NULL does nothing.

 [any]
 */
void rtw_compile_options_init(struct rtw_compile_options_t *options);

/*
 Compiles a WebAssembly module, in binary or text form, into an artifact for rtw_module_load.

 [setup]  Any number of threads at once. The threads that help are ordinary ones with all signals blocked, and are gone when
          the call returns. The process's signal handlers are as before; the first call, though, should not run while another
          thread installs handlers (rtw_runtime_create does), since it puts back those it found.
 wasm_or_wat, length  the module; read only during the call.
 options          NULL for the defaults; read only during the call.
 artifact         receives the artifact, to be freed with rtw_compile_free; NULL on failure.
 artifact_length  receives its length in bytes; 0 on failure.
 err              NULL, or filled: what is wrong with the module, and where.
 errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, a CPU feature is not known, reserved is
         not zero), RTW_ERR_WASM (malformed or invalid, or no WebAssembly), RTW_ERR_PROPOSAL (needs something that is off),
         RTW_ERR_UNSUPPORTED (no such target, or beyond the code generator's limits), RTW_ERR_LIMIT, RTW_ERR_NO_MEMORY,
         RTW_ERR_INTERNAL.
 */
rtw_status_t rtw_compile(const void *wasm_or_wat,
                         size_t length,
                         const struct rtw_compile_options_t *options,
                         void **artifact,
                         size_t *artifact_length,
                         rtw_error_t *err);

/*
 Frees an artifact made by rtw_compile. NULL does nothing. A module that was loaded from it does not need it any more.

 [setup]
 artifact, length  as rtw_compile returned them.
 */
void rtw_compile_free(void *artifact, size_t length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RTWASM_COMPILER_H */
