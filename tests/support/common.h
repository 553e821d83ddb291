/* Set-up that tests of the C API share. */
#ifndef RTWASM_TEST_COMMON_H
#define RTWASM_TEST_COMMON_H

#include "check.h"
#include "start.h"

#include <signal.h>
#include <stddef.h>

/* True if AddressSanitizer is in. It needs terabytes of address space and the last word on SIGSEGV, and makes a no-operation of
 * mlock, so what is about these is left to the plain build. */
#if defined(__SANITIZE_ADDRESS__)
enum { sanitized = 1 };
#else
enum { sanitized = 0 };
#endif

/* Where a program's main thread has no stack that attaching could know, as under valgrind, the test runs on another one. */
#if defined(ON_A_THREAD)
#if defined(__cplusplus)
extern "C"
#endif
int test_main(int argc, char **argv);
#define main test_main
#endif

/* The smallest alternate signal stack that the kernel accepts. On aarch64 that is 5120 bytes, whatever the C library says. */
#if defined(_SC_MINSIGSTKSZ)
#define TOLD_SIGNAL_STACK ((size_t)sysconf(_SC_MINSIGSTKSZ))
#else
#define TOLD_SIGNAL_STACK ((size_t)MINSIGSTKSZ)
#endif
#if defined(__aarch64__)
#define SMALLEST_SIGNAL_STACK (TOLD_SIGNAL_STACK < 5120 ? 5120 : TOLD_SIGNAL_STACK)
#else
#define SMALLEST_SIGNAL_STACK TOLD_SIGNAL_STACK
#endif

/* The signals that the engine takes in the standalone profile. On aarch64 the code itself looks for a division by zero. */
#if defined(__x86_64__)
enum { ENGINE_SIGNALS = 3 };
#define ENGINE_SIGNAL_NAMES "SIGSEGV, SIGILL, SIGFPE"
#else
enum { ENGINE_SIGNALS = 2 };
#define ENGINE_SIGNAL_NAMES "SIGSEGV, SIGILL"
#endif
static const int engine_signals[] = {SIGSEGV, SIGILL, SIGFPE};
static const char *const engine_signal_names[] = {"SIGSEGV", "SIGILL", "SIGFPE"};
/* True if it is among them. */
static inline bool is_engine_signal(int signal) {
    for (int i = 0; i < ENGINE_SIGNALS; i++)
        if (engine_signals[i] == signal) return true;
    return false;
}
/* The name of the one at that place. */
static inline const char *engine_signal_name(int i) { return engine_signal_names[i]; }

/* The name of the program's own code in messages. A static program for musl cannot tell whose code it is. */
#if defined(__GLIBC__)
#define OWN_NAME "test_signals"
#else
#define OWN_NAME "belongs to no library"
#endif

/* Everything that a call needs. */
typedef struct guest_t {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
} guest_t;

rtw_runtime_t *make_runtime(void);
rtw_module_t *load(rtw_runtime_t *runtime, const char *guest);
/* Returns when the library has measured its clock for 20 ms: from then on the same ticks are the same ns. */
void settle_clock(void);
/* Attaches the calling thread, unless it is attached. */
void attach_here(rtw_runtime_t *runtime);
/* Opens a guest with everything that a call needs, and attaches the calling thread. `imports` may be NULL. */
guest_t open_guest(const char *guest, rtw_imports_t *imports);
/* Opens a guest with everything that a call needs, without attaching the calling thread. `imports` may be NULL. */
guest_t open_unattached(const char *guest, rtw_imports_t *imports);
/* A new instance of the same module in place of the one there. */
void renew(guest_t *guest, rtw_imports_t *imports);
/* Prepares with the defaults, without dry calls. */
void prepare_instance(rtw_instance_t *instance);
/* Destroys the guest, and detaches the calling thread if it is attached. */
void close_guest(guest_t *guest);
/* The defaults, with the command line's profile. */
rtw_runtime_config_t runtime_config(void);
/* Everything that a call needs, in a runtime of that configuration. Attaches the calling thread. */
guest_t open_with(const char *guest, const rtw_runtime_config_t *config);
/* A runtime with one of the RTW_LOCK_ constants as its memory_lock, and everything that a call needs in one. */
rtw_runtime_t *make_locking_runtime(uint32_t memory_lock);
guest_t open_locking(const char *guest, uint32_t memory_lock);
/* An instance whose calls have a budget, where it is not 0. `imports` may be NULL. */
rtw_instance_t *new_instance(rtw_module_t *module, rtw_imports_t *imports, uint64_t budget_ns);
/* A slot of one function; everything else is as in `config`, where not NULL. */
rtw_slot_t *new_slot(rtw_runtime_t *runtime, const char *name, const char *type, const rtw_slot_config_t *config);
/* Returns when `count` of the slot's spares are ready. */
void wait_for_spares(rtw_slot_t *slot, uint64_t count);
/* Creates a worker and starts it. */
rtw_worker_t *start_worker(rtw_runtime_t *runtime, const rtw_worker_config_t *config);

/* Statistics; the test ends here if they cannot be read. */
rtw_func_stats_t stats_of_func(const rtw_func_t *func);
rtw_func_stats_t stats_of_interval(rtw_interval_t *interval);
rtw_slot_stats_t stats_of_slot(rtw_slot_t *slot);

/* Signature may be NULL. */
rtw_func_t *look_up(rtw_instance_t *instance, const char *name, const char *signature);

/* In a process of its own: becomes an ordinary user who may lock that much memory and set no real-time priority. Fails the test
 * where that cannot be done. */
void drop_rights(uint64_t memlock_bytes);
/* Lowers what may be locked from here on. */
void limit_memlock(uint64_t bytes);

/* Looks the function up, calls it and destroys the func. */
rtw_status_t call(rtw_instance_t *instance, const char *name, rtw_value_t *values, size_t count);
/* Calls a function of at most two i32; `result` receives its i32 result, and may be NULL. */
rtw_status_t call_with(rtw_instance_t *instance, const char *name, int32_t a, int32_t b, int32_t *result);
/* Calls an i32 function of at most two arguments; returns the result, or INT32_MIN when the call failed. */
int32_t call_i32(rtw_instance_t *instance, const char *name, int32_t a, int32_t b);

#endif
