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

/// Compile fast; the code is slow.
#define RTW_COMPILE_OPT_NONE 0

/// The fastest code.
#define RTW_COMPILE_OPT_SPEED 1

/// Fast code, and smaller where that costs little.
#define RTW_COMPILE_OPT_SIZE 2

/// Nothing is compiled in to interrupt the guest.
#define RTW_COMPILE_INTERRUPTION_NONE 0

/// The engine's epoch checks: for comparison.
#define RTW_COMPILE_INTERRUPTION_EPOCH 1

/// The engine's fuel counting: for comparison.
#define RTW_COMPILE_INTERRUPTION_FUEL 2

/// The budget guard: polls at loop headers, through which the watchdog ends a call that runs too long.
#define RTW_COMPILE_INTERRUPTION_GUARD 3

/// 4 GiB of address space are set aside for each linear memory, which lets the standalone profile leave bounds checks out; there,
/// 64 MiB of guard pages come to each, and as much again for the memory that the budget guard puts in. rtw_module_probe of
/// rtwasm.h tells the sum.
#define RTW_COMPILE_RESERVATION_FULL 0

/// As much is set aside as the module declares as its maximum: for processes whose locked or total memory is limited.
/// Accesses are then checked in the code, in both profiles.
#define RTW_COMPILE_RESERVATION_DECLARED 1

/// How a module is compiled. Call rtw_compile_options_init first.
typedef struct rtw_compile_options_t {
    /// sizeof(rtw_compile_options_t), set by rtw_compile_options_init.
    uint32_t struct_size;
    /// RTW_PROFILE_STANDALONE (default) or RTW_PROFILE_PLUGIN: that of the runtime which will load the artifact.
    uint32_t profile;
    /// RTW_COMPILE_OPT_SPEED (default), RTW_COMPILE_OPT_SIZE or RTW_COMPILE_OPT_NONE.
    uint32_t opt_level;
    /// RTW_COMPILE_INTERRUPTION_GUARD (default) or another: whether time budgets can be enforced, and by which means.
    uint32_t interruption;
    /// "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu"; NULL (default): this machine.
    const char *target;
    /// "native": what this machine has. "baseline": runs on every machine of the target. Otherwise features such as "avx2,fma",
    /// which bring those they build on. NULL (default): native when the target is this machine, else baseline.
    const char *cpu;
    /// RTW_COMPILE_RESERVATION_FULL (default) or RTW_COMPILE_RESERVATION_DECLARED.
    uint32_t reservation;
    /// The most functions that the module may define. 0 (default): 500,000.
    uint32_t max_functions;
    /// The longest module, as it is given and in binary form, in bytes. 0 (default): 256 MiB.
    uint64_t max_module_bytes;
    /// The most blocks, loops and ifs inside each other in one function. 0 (default): 10,000.
    uint32_t max_nesting;
    /// The most locals of one function, parameters not counted. 0 (default): 50,000, and there may not be more.
    uint32_t max_locals;
    /// The longest that compiling may take, in ms. 0 (default): ten minutes. The code generator cannot be stopped: past this the call
    /// returns, and the threads that help go on in the background until they are through with the module, and end then.
    /// The time grows with the square of the loops in one function: 10,000 short ones took 2 s with a budget and without one, 100,000
    /// took 4 minutes without one.
    uint64_t max_time_ms;
} rtw_compile_options_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Fills options with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_compile_options_t) as the caller knows it: rtw_compile_options_init passes it, which only C and C++ have.
void rtw_compile_options_init_sized(struct rtw_compile_options_t *options,
                                    size_t struct_size);

/// Fills options with the defaults. NULL does nothing.
///
/// [any]
static inline void rtw_compile_options_init(struct rtw_compile_options_t *options)
{
    rtw_compile_options_init_sized(options, sizeof *options);
}

/// Compiles a WebAssembly module, in binary or text form, into an artifact for rtw_module_load.
///
/// [setup]  Any number of threads at once. The threads that help are ordinary ones with all signals blocked, and are gone when
///          the call returns, unless it returns because of max_time_ms. They have the stack that they need; the caller's may be
///          small. The process's signal handlers are as before; the first call, though, should not run while another thread
///          installs handlers (rtw_runtime_create does), since it restores those it found.
/// wasm_or_wat, length  the module; read only during the call.
/// options          NULL for the defaults; read only during the call.
/// artifact         receives the artifact, to be freed with rtw_compile_free; NULL on failure.
/// artifact_length  receives its length in bytes; 0 on failure.
/// err              NULL, or filled: what is wrong with the module, and where.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, a CPU feature is not known),
///         RTW_ERR_WASM (malformed or invalid, or no WebAssembly), RTW_ERR_PROPOSAL (needs something that is off),
///         RTW_ERR_UNSUPPORTED (no such target, beyond the code generator's limits, or a name with a zero byte in it), RTW_ERR_LIMIT
///         (one of the max_ fields, which the message names), RTW_ERR_NO_MEMORY, RTW_ERR_INTERNAL.
rtw_status_t rtw_compile(const void *wasm_or_wat,
                         size_t length,
                         const struct rtw_compile_options_t *options,
                         void **artifact,
                         size_t *artifact_length,
                         rtw_error_t *err);

/// Frees an artifact made by rtw_compile. NULL does nothing. A module that was loaded from it does not need it any more.
///
/// [setup]
/// artifact, length  as rtw_compile returned them.
void rtw_compile_free(void *artifact, size_t length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RTWASM_COMPILER_H */
