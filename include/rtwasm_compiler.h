/*
 * The compiler of rtwasm: compiles WebAssembly to artifacts for rtwasm.h. It is a library of its own, librtwasm_compiler;
 * programs that only run artifacts do not need it.
 *
 * Generated from compiler/src/capi.rs by cbindgen (make header); do not edit. The first comment of rtwasm.h has the rules,
 * and says what the roles in brackets mean.
 */


#ifndef RTWASM_COMPILER_H
#define RTWASM_COMPILER_H

#include "rtwasm.h"

/// Compiles fast; the code is slow.
#define RTW_COMPILE_OPT_NONE 0

/// Generates the fastest code.
#define RTW_COMPILE_OPT_SPEED 1

/// Generates fast code, and smaller code if that costs little speed.
#define RTW_COMPILE_OPT_SIZE 2

/// Calls cannot be cut off.
#define RTW_COMPILE_INTERRUPTION_NONE 0

/// The engine's epoch checks, for comparison.
#define RTW_COMPILE_INTERRUPTION_EPOCH 1

/// The engine's fuel counting, for comparison.
#define RTW_COMPILE_INTERRUPTION_FUEL 2

/// The budget guard: polls at loop headers, through which the watchdog cuts off a call over its budget.
#define RTW_COMPILE_INTERRUPTION_GUARD 3

/// Each linear memory reserves 4 GiB of address space, so that code of the standalone profile needs no bounds checks; there
/// each memory also has 64 MiB of guard pages, and so has the memory that the budget guard adds. rtw_module_probe of rtwasm.h
/// reports the sum.
#define RTW_COMPILE_RESERVATION_FULL 0

/// Each linear memory reserves the maximum that the module declares: for processes whose locked or total memory is limited.
/// The code then checks accesses in both profiles.
#define RTW_COMPILE_RESERVATION_DECLARED 1

/// In `profile`: a part of the artifact for each profile, beside RTW_PROFILE_STANDALONE and RTW_PROFILE_PLUGIN of rtwasm.h.
#define RTW_COMPILE_PROFILE_BOTH 2

/// Compiler options. Call rtw_compile_options_init first.
typedef struct rtw_compile_options_t {
    /// sizeof(rtw_compile_options_t), set by rtw_compile_options_init.
    uint32_t struct_size;
    /// Profile of the runtime that will load the artifact: RTW_PROFILE_STANDALONE (default), RTW_PROFILE_PLUGIN or
    /// RTW_COMPILE_PROFILE_BOTH.
    uint32_t profile;
    /// RTW_COMPILE_OPT_SPEED (default), RTW_COMPILE_OPT_SIZE or RTW_COMPILE_OPT_NONE.
    uint32_t opt_level;
    /// By what means calls can be cut off: RTW_COMPILE_INTERRUPTION_GUARD (default) or another.
    uint32_t interruption;
    /// Target: "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu". NULL (default): this machine.
    const char *target;
    /// CPU features to use. "native": those of this machine; the artifact does not load where one is missing. "x86-64-v2",
    /// "x86-64-v3", "x86-64-v4": the levels of the x86-64 psABI, for artifacts that are distributed. "baseline", "x86-64" or
    /// "aarch64": no optional ones. Otherwise a list such as "avx2,fma", to which the features that they need are added, or a
    /// processor such as "cortex-a53", "cortex-a72" or "cortex-a76" for all its features. Several levels or
    /// processors, such as "x86-64-v2,x86-64-v4,aarch64": a part of the artifact for each, of the target that the name belongs to;
    /// rtw_module_load takes the best that runs. NULL (default): native if the target is this machine, else x86-64-v2 or aarch64.
    const char *cpu;
    /// RTW_COMPILE_RESERVATION_FULL (default) or RTW_COMPILE_RESERVATION_DECLARED.
    uint32_t reservation;
    /// Most functions that the module may define. 0 (default): 500,000.
    uint32_t max_functions;
    /// Longest module in bytes, both as given and in binary form. 0 (default): 256 MiB.
    uint64_t max_module_bytes;
    /// Most blocks, loops and ifs inside each other in one function. 0 (default): 10,000.
    uint32_t max_nesting;
    /// Most locals of one function, without parameters, at most 50,000. 0 (default): 50,000.
    uint32_t max_locals;
    /// Longest time to compile, in ms. 0 (default): ten minutes. The code generator cannot be stopped: after this time
    /// rtw_compile returns, and its helper threads finish the module in the background. max_branches and max_function_bytes limit
    /// the time of a single function.
    uint64_t max_time_ms;
    /// Most branches in one function: blocks, loops, ifs, elses and conditional branches. 0 (default): 250,000. The time for a
    /// function grows with the product of its branches and bytes: 10,000 short loops, which are 20,000 branches, took 2 s, and
    /// 100,000 took 4 minutes. The default limits allow eight minutes.
    uint32_t max_branches;
    /// Longest body of one function, in bytes. 0 (default): 2 MiB.
    uint32_t max_function_bytes;
    /// 1: results are the same on every machine and at every CPU level: NaNs are canonical, and relaxed SIMD has one meaning, which is
    /// slow where a processor has other instructions. Modules that need a higher level for that are refused with RTW_ERR_UNSUPPORTED.
    /// 0 (default): each machine's fastest.
    uint32_t deterministic;
    /// 1: keeps the module in the artifact, so that rtw_recompile needs nothing else. 0 (default): does not.
    uint32_t embed_source;
    /// Exports to run now, each as "EXPORT" or "EXPORT=ARGS" with numbers of the export's types ("setup=48000,0.5"). Instances,
    /// resets and spares start with the state that they leave behind: memories, globals. They run one after the other in one
    /// instance, after the module's _initialize, which is not exported any more. NULL (default): none. Functions of
    /// the host are not provided then, but for those of libm on numbers (sinf, pow). max_time_ms limits the calls, too.
    const char *const *init;
    /// The number of texts in init.
    size_t init_count;
} rtw_compile_options_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Sets compiler options to their defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_compile_options_t) in the caller's header; rtw_compile_options_init passes it in C and C++.
void rtw_compile_options_init_sized(struct rtw_compile_options_t *options, size_t struct_size);

/// Sets compiler options to their defaults. NULL does nothing.
///
/// [any]
static inline void rtw_compile_options_init(struct rtw_compile_options_t *options)
{
    rtw_compile_options_init_sized(options, sizeof *options);
}

/// Compiles a WebAssembly module, in binary or text form, to an artifact for rtw_module_load.
///
/// [setup]  Any number of threads at once. Helper threads are ordinary ones, with all signals blocked, and end before the
///          call returns, except after max_time_ms. They have their own stacks; the caller's may be small. Do not make the
///          first call while another thread installs signal handlers, as rtw_runtime_create does: it restores the handlers
///          that it found.
/// wasm_or_wat, length  the module; read only during the call.
/// options          NULL for the defaults; read only during the call.
/// artifact         receives the artifact, to be freed with rtw_compile_free; NULL on failure.
/// artifact_length  receives its length in bytes; 0 on failure.
/// err              NULL, or filled: what is wrong with the module, and where.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; an unknown CPU feature),
///         RTW_ERR_WASM (malformed, invalid, or not WebAssembly), RTW_ERR_PROPOSAL (a proposal that is disabled),
///         RTW_ERR_UNSUPPORTED (an unknown target; a limit of the code generator; a name with a zero byte), RTW_ERR_LIMIT
///         (one of the max_ fields, which the message names), RTW_ERR_INTERNAL. Of init: RTW_ERR_NO_EXPORT,
///         RTW_ERR_EXPORT_KIND, RTW_ERR_SIGNATURE (other types than the export's), RTW_ERR_IMPORT_MISSING (it calls an import
///         that is not provided at compile time), RTW_ERR_TRAP_... (it traps), RTW_ERR_UNSUPPORTED (state that cannot be kept:
///         tables that change, imported memories, tables and globals).
rtw_status_t rtw_compile(const void *wasm_or_wat,
                         size_t length,
                         const struct rtw_compile_options_t *options,
                         void **artifact,
                         size_t *artifact_length,
                         rtw_error_t *err);

/// Compiles the module of an artifact again, by this compiler. Use it if rtw_module_load returns RTW_ERR_ENGINE or
/// RTW_ERR_COMPILER. rtw_module_info_t says in needs_recompile whether it helps, and in has_source whether the artifact
/// contains its module. The new artifact has the guest's description, and the module if it was inside. It is not signed, since
/// its code is new: sign it with `rtwasm sign`.
///
/// [setup]  As rtw_compile.
/// artifact, length       the artifact; read only during the call.
/// source, source_length  the module that it was made from, as rtw_compile got it. NULL: the one inside.
/// options                NULL: each part is compiled with the options that it has. Otherwise these options replace them.
/// out                    receives the new artifact, to be freed with rtw_compile_free; NULL on failure.
/// out_length             receives its length in bytes; 0 on failure.
/// err                    NULL, or filled.
/// errors: those of rtw_compile; RTW_ERR_ARGUMENT (source is NULL and no module is inside; source is another module),
///         RTW_ERR_NOT_ARTIFACT, RTW_ERR_TRUNCATED, RTW_ERR_ENVELOPE_VERSION, RTW_ERR_DIGEST, RTW_ERR_ARTIFACT,
///         RTW_ERR_PLAIN_WASM (about the artifact).
rtw_status_t rtw_recompile(const void *artifact,
                           size_t length,
                           const void *source,
                           size_t source_length,
                           const struct rtw_compile_options_t *options,
                           void **out,
                           size_t *out_length,
                           rtw_error_t *err);

/// Frees an artifact that rtw_compile or rtw_recompile has returned. Modules that were loaded from it do not need it. NULL does nothing.
///
/// [setup]
/// artifact, length  as it returned them.
void rtw_compile_free(void *artifact,
                      size_t length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RTWASM_COMPILER_H */
