/*
 * rtwasm: WebAssembly inside threads that must never be late.
 *
 * Generated from src/capi by cbindgen (make header); do not edit.
 *
 * Eight functions run a guest, in this order:
 *
 *   rtw_runtime_create     creates an engine, and what its threads share        rtwasm/runtime.h
 *   rtw_module_load_file   loads an artifact, which `rtwasm compile` writes     rtwasm/module.h
 *   rtw_instance_create    creates one guest with its own memory                rtwasm/instance.h
 *   rtw_instance_func      looks up an exported function and checks its type    rtwasm/instance.h
 *   rtw_thread_attach      makes the calling thread ready for real-time calls   rtwasm/thread.h
 *   rtw_instance_prepare   prefaults memory and code, and makes dry calls       rtwasm/instance.h
 *   rtw_invoke             calls the function, in real time                     rtwasm/call.h
 *   rtw_func_stats         reports how long the calls took                      rtwasm/stats.h
 *
 * docs/abi.md says who needs which of the others. This header includes all parts; each part can be included alone.
 *
 * Roles
 *
 * Each function's comment says what the function does, then in brackets on which threads it may be called:
 *
 *   [setup]  may block, allocate memory and do I/O. Do not call it from a thread while it has a deadline to keep.
 *   [rt]     for real-time threads: allocates nothing, takes no lock, makes no system call.
 *   [any]    on any thread, concurrently with every other function. "[any] but a real-time thread" may block or take long.
 *
 * A role may name the state that the function needs:
 *
 *   [rt & attached]             rtw_thread_attach has attached the calling thread.
 *   [rt & attached & prepared]  As above, and rtw_instance_prepare has prepared the instance. On another instance the function
 *                               works, but it may take page faults.
 *   [rt & in block]             between rtw_slot_begin and rtw_slot_end.
 *
 * After the role follow, in this order: when to use the function ([rt] only), its arguments with units and ownership, its errors,
 * and what it costs ([rt] only).
 *
 * Rules for all functions
 *
 * A function that can fail returns an rtw_status_t: 0 is success, errors are negative. It writes its outputs only on success; an
 * output that is a handle is NULL on failure. Destroying NULL does nothing. Destroy objects in any order: a child keeps its
 * parents alive. A NULL handle returns RTW_ERR_NULL, a wrong or stale one RTW_ERR_HANDLE.
 *
 * Functions that take a handle as a pointer to const may run on it at the same time, also beside one function that takes it as a
 * pointer to non-const. Two functions that take it as a pointer to non-const must not, unless one of them is [any]. Do not destroy
 * a handle while another thread uses it.
 *
 * Strings are NUL-terminated UTF-8. Functions do not set errno for the caller, and do not print.
 *
 * Every function that allocates memory can return RTW_ERR_NO_MEMORY, so the comments' lists of errors do not name it. The function
 * then has created nothing, and succeeds if it is called again when there is memory.
 *
 * Structs that begin with struct_size may get more fields at their end. Call a struct's _init function first: it is inline and
 * passes sizeof to the library's _init_sized, which other languages call with the size of their own declaration. The library
 * reads the fields that both sides know. A field that the caller's struct lacks has its default; a field that the library does not
 * know must be zero, else the function returns RTW_ERR_STRUCT_SIZE. The library writes no more than the caller's size, and zeroes
 * fields that it does not know. All other structs have their final layout, except rtw_export_subject_t, whose size is an argument.
 */

#ifndef RTWASM_H
#define RTWASM_H

#include "rtwasm/status.h"
#include "rtwasm/value.h"
#include "rtwasm/stats.h"
#include "rtwasm/runtime.h"
#include "rtwasm/module.h"
#include "rtwasm/imports.h"
#include "rtwasm/wasi.h"
#include "rtwasm/instance.h"
#include "rtwasm/thread.h"
#include "rtwasm/call.h"
#include "rtwasm/table.h"
#include "rtwasm/global.h"
#include "rtwasm/recorder.h"
#include "rtwasm/slot.h"
#include "rtwasm/guest.h"
#include "rtwasm/worker.h"
#include "rtwasm/export.h"
#include "rtwasm/doctor.h"

/// Major version of this header. Compare with rtw_version(), the version of the library found at run time.
#define RTW_VERSION_MAJOR 0

/// Minor version of this header.
#define RTW_VERSION_MINOR 1

/// Patch version of this header.
#define RTW_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Returns the library's version as one number: major * 65536 + minor * 256 + patch.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
uint32_t rtw_version(void) RTW_NONBLOCKING;

/// Returns the versions of library and engine, such as "rtwasm 0.1.0 (wasmtime 48.0.8)". The text is static, never NULL.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
const char *rtw_version_string(void) RTW_NONBLOCKING;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RTWASM_H */
