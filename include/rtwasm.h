/*
 * rtwasm: WebAssembly inside threads that must never be late.
 *
 * Generated from src/capi by cbindgen (make header); do not edit.
 *
 * Every function's comment starts with what it does, then its role in brackets:
 *
 *   [setup]          may block, allocate and do I/O; never on a real-time thread that has a deadline to keep.
 *   [rt]             on a real-time thread: allocates nothing, takes no lock, makes no system call.
 *   [any]            on any thread, concurrently with everything else.
 *
 * and with the state that it needs:
 *
 *   [rt & attached]             on a thread that rtw_thread_attach has prepared.
 *   [rt & attached & prepared]  and with an instance that rtw_instance_prepare has prepared, without which the call works and its
 *                               costs are not bounded.
 *   [rt & in block]             between rtw_slot_begin and rtw_slot_end.
 *
 * For [rt] the next line says when to use it. Then come its arguments with units and ownership, its errors, and for [rt] what it
 * costs.
 *
 * Rules that hold throughout. Functions that can fail return an rtw_status_t: 0 is success, errors are negative. Outputs are
 * written only on success; where an output is a handle, *out is NULL on failure. Destroying NULL does nothing, and objects
 * may be destroyed in any order: a child keeps its parents alive. A NULL, wrong or stale handle is answered with RTW_ERR_NULL
 * or RTW_ERR_HANDLE.
 *
 * A handle that a function takes as a pointer to const may be used by several threads at once: by this function, by others that
 * take it so, and by one that does not. A handle that is not const belongs to the calling thread for the time of the call, unless
 * the function is [any]. _destroy is never concurrent with another use of its handle.
 *
 * Strings are NUL-terminated UTF-8. No function changes errno on purpose, and none prints.
 * Where the system has no more memory, a function that is not for real-time threads answers RTW_ERR_NO_MEMORY, has handed out
 * nothing, and succeeds when it is called again and there is some.
 *
 * Structs that begin with struct_size may get more fields at their end. Their _init function is inline and passes sizeof to the
 * library's _init_sized, which other languages call with the size of their own declaration. Of a struct that it is given, the
 * library reads what both know: fields that a smaller struct lacks have their defaults; a field that the library does not know is
 * refused with RTW_ERR_STRUCT_SIZE unless it is zero. It fills no more than the caller's size, and zeroes what it does not know.
 * All other structs have their final layout.
 */


#ifndef RTWASM_H
#define RTWASM_H

#include <stddef.h>
#include <stdint.h>

/* Functions for real-time threads are marked for compilers that can check it (clang 20 and later: -Wfunction-effects). */
#if defined(__has_attribute) && !defined(RTW_NONBLOCKING)
#if defined(__clang__) && __clang_major__ >= 20
#define RTW_NONBLOCKING __attribute__((nonblocking))
#endif
#endif
#ifndef RTW_NONBLOCKING
#define RTW_NONBLOCKING
#endif

/**
 * Version of this header, to be compared with rtw_version() of the library found at run time.
 */
#define RTW_VERSION_MAJOR 0

/**
 * See RTW_VERSION_MAJOR.
 */
#define RTW_VERSION_MINOR 1

/**
 * See RTW_VERSION_MAJOR.
 */
#define RTW_VERSION_PATCH 0

/**
 * Guard pages and signal handlers: the fastest code, for a process of one's own.
 */
#define RTW_PROFILE_STANDALONE 0

/**
 * Explicit checks and no signal handler at all: for code in somebody else's process.
 */
#define RTW_PROFILE_PLUGIN 1

/**
 * A runtime that loads artifacts of both profiles. No artifact has it.
 */
#define RTW_PROFILE_ANY 2

/**
 * Scheduling stays as it is.
 */
#define RTW_SCHED_KEEP 0

/**
 * SCHED_OTHER.
 */
#define RTW_SCHED_OTHER 1

/**
 * SCHED_FIFO.
 */
#define RTW_SCHED_FIFO 2

/**
 * SCHED_RR.
 */
#define RTW_SCHED_RR 3

/**
 * Nothing is locked into memory.
 */
#define RTW_LOCK_OFF 0

/**
 * What calls touch is locked where the system permits it; rtw_prepare_report_t tells how much was.
 */
#define RTW_LOCK_ON 1

/**
 * A refusal is RTW_ERR_MEMLOCK.
 */
#define RTW_LOCK_REQUIRED 2

/**
 * The housekeeper looks ten times a second whether guests' faults still become traps; see docs/real-time-contract.md, Signals.
 */
#define RTW_SIGNALS_LOOK 0

/**
 * Every call asks, with five system calls: 3 sigaction, 1 sigprocmask, 1 sigaltstack. Standalone profile only; in the other there is
 * nothing to ask.
 */
#define RTW_SIGNALS_ASK 1

/**
 * Denormal numbers are treated as the thread treats them.
 */
#define RTW_DENORMALS_KEEP 0

/**
 * Denormal numbers count as zero: FTZ and DAZ on x86-64, FZ on aarch64. Decaying filters and reverbs can cost many times
 * their usual price without it.
 */
#define RTW_DENORMALS_FLUSH 1

/**
 * Denormal numbers are kept, as IEEE 754 and WebAssembly have it.
 */
#define RTW_DENORMALS_IEEE 2

/**
 * Words in a CPU set: 1024 CPUs.
 */
#define RTW_CPU_SET_WORDS 16

/**
 * The export or import is a function.
 */
#define RTW_EXTERN_FUNC 1

/**
 * The export or import is a linear memory.
 */
#define RTW_EXTERN_MEMORY 2

/**
 * The export or import is a global.
 */
#define RTW_EXTERN_GLOBAL 3

/**
 * The export or import is a table.
 */
#define RTW_EXTERN_TABLE 4

/**
 * The export or import is an exception tag.
 */
#define RTW_EXTERN_TAG 5

/**
 * The host function may block: it waits for somebody, or calls functions of the system that are cancellation points. The thread that
 * runs it may be cancelled in it, or end in it by pthread_exit, also where calls hold a cancellation off (on_cancel in
 * rtw_thread_config_t): the function's own frames are unwound, the guest's call ends as if the function had answered RTW_ERR_CANCELLED,
 * which leaves the instance faulted, and the thread goes on ending where rtw_invoke would return. A call takes about 12 ns more for it.
 */
#define RTW_HOST_MAY_BLOCK 1

/**
 * The host function may leave the floating-point environment (rounding, exceptions, denormals) other than it has found it. The guest
 * computes as before all the same. In this version that holds without the flag, too.
 */
#define RTW_HOST_CHANGES_FLOAT 2

/**
 * Once the instance is prepared, growing a memory or table fails inside the guest: it would take a system call.
 */
#define RTW_GROWTH_REFUSED 0

/**
 * Memories and tables may grow at any time, as far as their limits allow. Growth costs what this library promises against: a memory
 * takes system calls and page faults, a table takes the system's allocator, which may wait for a lock, and copies its entries.
 * Nothing of it comes from the thread's arena. rtw_instance_growth counts it. A table for which there is no memory ends the call
 * with RTW_ERR_NO_MEMORY.
 */
#define RTW_GROWTH_ALLOWED 1

/**
 * Memories are there up to growth_ahead_bytes from the start, and growing so far takes no system call; beyond that, and for
 * tables, growth is refused once the instance is prepared. Plugin profile only.
 */
#define RTW_GROWTH_AHEAD 2

/**
 * A call that has used up its budget is cut off: it ends with RTW_ERR_BUDGET, and the instance is faulted.
 */
#define RTW_BUDGET_CUT_OFF 0

/**
 * It goes on, and is counted in the func's statistics when it has ended.
 */
#define RTW_BUDGET_COUNT 1

/**
 * Growth was refused since the instance is prepared.
 */
#define RTW_REFUSED_PREPARED 1

/**
 * A limit of the instance's configuration was reached.
 */
#define RTW_REFUSED_LIMIT 2

/**
 * The maximum that the module declares was reached.
 */
#define RTW_REFUSED_MAXIMUM 3

/**
 * The system refused, or the address space that was set aside was used up.
 */
#define RTW_REFUSED_SYSTEM 4

/**
 * Scheduling and affinity as the runtime's configuration says.
 */
#define RTW_SCHED_RUNTIME 2147483647

/**
 * The most stacks that a thread may declare.
 */
#define RTW_STACKS 1024

/**
 * Calls hold off what would cancel the thread, where its cancel type is asynchronous when it is attached.
 */
#define RTW_CANCEL_DEFER 0

/**
 * Calls do not: the host does, or nobody cancels the thread while it is in a call.
 */
#define RTW_CANCEL_IGNORE 1

/**
 * The first block with what was published.
 */
#define RTW_BLOCK_NEW 1

/**
 * The instance before has faulted: the first block with a spare.
 */
#define RTW_BLOCK_SPARE 2

/**
 * The instance before is still at hand, in held_instance and held_funcs.
 */
#define RTW_BLOCK_HELD 4

/**
 * The instance that is published starts as it is.
 */
#define RTW_STATE_NONE 0

/**
 * It is given what the instance in use saves, by the guests' exports: rtw_state_save, of type ()->(i32,i32) (address and
 * length) or ()->(i64) (length in the upper half); rtw_state_load, of type (i32,i32)->(i32), which answers 0 if it refuses;
 * and, where the memory is not to be grown for it, rtw_state_buffer, of type (i32)->(i32), which is given the length and
 * answers an address. They have at least a second each. One that faults in rtw_state_save has faulted as in a block, and a
 * spare takes over.
 */
#define RTW_STATE_GUEST 1

/**
 * The host's callback carries the state over.
 */
#define RTW_STATE_HOST 2

/**
 * The real-time thread runs what was published.
 */
#define RTW_SLOT_EVENT_TAKEN 1

/**
 * An instance faulted; rtw_instance_fault tells of what.
 */
#define RTW_SLOT_EVENT_FAULTED 2

/**
 * The real-time thread runs a spare.
 */
#define RTW_SLOT_EVENT_SPARE_TAKEN 3

/**
 * A spare is ready.
 */
#define RTW_SLOT_EVENT_SPARE_READY 4

/**
 * A spare could not be made. The status says why: with RTW_ERR_SIGNALS it is tried again until it can be made, and told once;
 * otherwise no more is tried until the next publication.
 */
#define RTW_SLOT_EVENT_SPARE_FAILED 5

/**
 * For timeouts: for ever.
 */
#define RTW_FOREVER UINT64_MAX

/**
 * Works at equal distances in time.
 */
#define RTW_WORKER_PERIODIC 0

/**
 * Works on what it is given: rtw_worker_submit, rtw_worker_invoke.
 */
#define RTW_WORKER_QUEUE 1

/**
 * SCHED_DEADLINE, for workers only: the system sees to it that the thread gets deadline_runtime_ns of every period.
 */
#define RTW_SCHED_DEADLINE 4

/**
 * Periods that are over before their step could begin are passed over.
 */
#define RTW_MISSED_SKIP 0

/**
 * Every period gets its step, one after the other until time is made up for.
 */
#define RTW_MISSED_CATCH_UP 1

/**
 * A step that fails ends the run.
 */
#define RTW_ON_FAULT_STOP 0

/**
 * A step that fails is counted, and the next one comes as usual.
 */
#define RTW_ON_FAULT_CONTINUE 1

/**
 * The most values that an invocation given to a worker may have.
 */
#define RTW_WORKER_VALUES 16

/**
 * Selects wake_up of rtw_worker_stats_t in rtw_worker_buckets and rtw_worker_interval: how late steps began.
 */
#define RTW_SERIES_WAKE_UP 0

/**
 * Selects call: how long steps took, from the actual start.
 */
#define RTW_SERIES_CALL 1

/**
 * Selects response: how long steps took from the intended start, periods that went by included.
 */
#define RTW_SERIES_RESPONSE 2

/**
 * Selects jitter: how far two starts were from a period apart.
 */
#define RTW_SERIES_JITTER 3

/**
 * The thread took page faults between the step before and the end of this one.
 */
#define RTW_CAUSE_PAGE_FAULT 1

/**
 * Another thread took the CPU in that time.
 */
#define RTW_CAUSE_INVOLUNTARY_SWITCH 2

/**
 * The thread slept or waited in that time, beyond the worker's own sleep: something in the step blocked.
 */
#define RTW_CAUSE_VOLUNTARY_SWITCH 4

/**
 * The call was cut off at its budget.
 */
#define RTW_CAUSE_BUDGET 8

/**
 * The step failed in another way: a trap, a host function's error.
 */
#define RTW_CAUSE_TRAP 16

/**
 * The step ended after the next one was due, or periods went by before it.
 */
#define RTW_CAUSE_DEADLINE 32

/**
 * The thread woke up late: more than half of the response time went by before the step began.
 */
#define RTW_CAUSE_WAKE_UP 64

/**
 * All classes: the worst of them counts.
 */
#define RTW_HOST_CLASS_ALL 0

/**
 * Audio in blocks of 128 frames at 48 kHz: a period of 2667 us.
 */
#define RTW_HOST_CLASS_AUDIO_128 1

/**
 * Audio in blocks of 32 frames at 48 kHz: 667 us.
 */
#define RTW_HOST_CLASS_AUDIO_32 2

/**
 * A control loop at 1 kHz: 1000 us.
 */
#define RTW_HOST_CLASS_CONTROL_1KHZ 3

/**
 * A control loop at 10 kHz: 100 us.
 */
#define RTW_HOST_CLASS_CONTROL_10KHZ 4

/**
 * How many classes there are beside RTW_HOST_CLASS_ALL.
 */
#define RTW_HOST_CLASSES 4

/**
 * No CPU is chosen: any that the calling thread may use.
 */
#define RTW_HOST_CPU_ANY -1

/**
 * As it should be.
 */
#define RTW_HOST_GOOD 0

/**
 * Not as it should be; the severity tells how much that costs.
 */
#define RTW_HOST_BAD 1

/**
 * It matters and cannot be told, for want of a file or of the right to read it.
 */
#define RTW_HOST_UNKNOWN 2

/**
 * Not asked for, or without a meaning here.
 */
#define RTW_HOST_SKIPPED 3

/**
 * Of no importance.
 */
#define RTW_HOST_SEVERITY_NONE 0

/**
 * Worth knowing; shows in figures that are compared with others.
 */
#define RTW_HOST_SEVERITY_INFO 1

/**
 * Deadlines are missed now and then.
 */
#define RTW_HOST_SEVERITY_MEDIUM 2

/**
 * Deadlines are missed regularly.
 */
#define RTW_HOST_SEVERITY_HIGH 3

/**
 * It does not run at all.
 */
#define RTW_HOST_SEVERITY_FATAL 4

/**
 * The commands take effect at once, until the next boot, and nothing else suffers.
 */
#define RTW_HOST_APPLY_NOW 0

/**
 * The commands take thought: something else may suffer, or words have to be filled in.
 */
#define RTW_HOST_APPLY_WITH_THOUGHT 1

/**
 * The commands take effect with the next boot.
 */
#define RTW_HOST_APPLY_REBOOT 2

/**
 * Nothing of medium severity or worse was found.
 */
#define RTW_HOST_READY 0

/**
 * Something of medium severity was found, or something cannot be told that would be high or fatal.
 */
#define RTW_HOST_READY_WITH_WARNINGS 1

/**
 * Something high or fatal was found.
 */
#define RTW_HOST_NOT_READY 2

/**
 * JSON with everything in it, which `rtwasm stats` makes the other formats of.
 */
#define RTW_EXPORT_JSON 0

/**
 * A page with tables and plots, in one file that needs nothing from elsewhere.
 */
#define RTW_EXPORT_HTML 1

/**
 * HdrHistogram's percentile distribution (.hgrm), of one series; values are in us.
 */
#define RTW_EXPORT_HGRM 2

/**
 * HdrHistogram's interval log, version 2: one line a series; values are in ns.
 */
#define RTW_EXPORT_HLOG 3

/**
 * OpenMetrics text, as Prometheus reads it.
 */
#define RTW_EXPORT_OPENMETRICS 4

/**
 * The buckets as a table.
 */
#define RTW_EXPORT_CSV 5

/**
 * An exported function, looked up and checked once, called many times, with the statistics of its calls.
 */
typedef struct rtw_func_t rtw_func_t;

/**
 * What the doctor found, made by rtw_host_check; immutable.
 */
typedef struct rtw_host_report_t rtw_host_report_t;

/**
 * The host functions that instances are linked against.
 */
typedef struct rtw_imports_t rtw_imports_t;

/**
 * One guest with its own memory. Used by one thread at a time; different instances run in parallel.
 */
typedef struct rtw_instance_t rtw_instance_t;

/**
 * Somebody who asks again and again what has happened since. Each has an interval of its own, and none takes anything from
 * another; nor does a reset, and calls are not disturbed by any of them. The readings of an interval add up exactly to what
 * was recorded since it was made.
 */
typedef struct rtw_interval_t rtw_interval_t;

/**
 * A loaded artifact; immutable, to be shared between threads.
 */
typedef struct rtw_module_t rtw_module_t;

/**
 * The host's own times, in the histogram that funcs have: a whole chain, a wake-up, a device's round trip.
 */
typedef struct rtw_recorder_t rtw_recorder_t;

/**
 * One engine configuration and what threads attached to it get.
 */
typedef struct rtw_runtime_t rtw_runtime_t;

/**
 * The stable place that a real-time thread calls through, while the instances behind it are exchanged.
 */
typedef struct rtw_slot_t rtw_slot_t;

/**
 * A pinned, prioritised, attached thread of the library's own that calls guests: periodically, or as it is told.
 */
typedef struct rtw_worker_t rtw_worker_t;

/**
 * What a function answers: 0 is success, everything else is negative and one of the RTW_ERR_ constants.
 */
typedef int32_t rtw_status_t;

/**
 * How a runtime shall be. Call rtw_runtime_config_init first.
 */
typedef struct rtw_runtime_config_t {
    /**
     * sizeof(rtw_runtime_config_t), set by rtw_runtime_config_init.
     */
    uint32_t struct_size;
    /**
     * RTW_PROFILE_ANY (default): artifacts of both profiles load, and each engine is set up when the first one comes that needs it.
     * Where handlers are allowed, attach makes a thread ready for both profiles, since only the thread itself can. Compared with
     * RTW_PROFILE_PLUGIN that takes 256 KiB of memory a thread for an alternate signal stack, four system calls more at attach and
     * three at detach, and the housekeeper, which the first attach starts, looks at handlers and masks ten times a second.
     * RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN: artifacts of that profile only,
     * others return RTW_ERR_PROFILE.
     */
    uint32_t profile;
    /**
     * Bit n % 64 of word n / 64 stands for CPU n. All zero (default): affinity is left alone.
     */
    uint64_t cpu_set[RTW_CPU_SET_WORDS];
    /**
     * Scheduling of the runtime's own threads and, unless they ask otherwise, of attached ones: RTW_SCHED_KEEP (default) ...
     */
    uint32_t sched_policy;
    /**
     * Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
     */
    int32_t priority;
    /**
     * 1 (default): every call is timed and recorded. 0: calls are not timed, which saves two clock reads each.
     */
    uint32_t statistics;
    /**
     * RTW_LOCK_OFF (default), RTW_LOCK_ON or RTW_LOCK_REQUIRED.
     */
    uint32_t memory_lock;
    /**
     * Stack that guests may use in one call, in bytes: 16 KiB to 64 MiB. 0 (default): 256 KiB. An attached thread needs 64 KiB
     * more, and a call finds at least 32 KiB more below it or answers RTW_ERR_STACK_SIZE: so much is there for host functions
     * and signal handlers when the guest has used up its own.
     */
    uint64_t guest_stack_bytes;
    /**
     * How often the watchdog looks for calls whose budget is used up, in ns: 50,000 to 250,000,000. 0 (default): four times in
     * the smallest budget of the runtime's instances.
     */
    uint64_t watchdog_tick_ns;
    /**
     * RTW_SIGNALS_LOOK (default) or RTW_SIGNALS_ASK: who finds out that somebody replaced the signal handlers which the standalone
     * profile needs, or blocked the signals. Calls are then answered with RTW_ERR_SIGNALS.
     */
    uint32_t signal_checks;
    /**
     * 0 (default): a call on a thread that is not attached answers RTW_ERR_NOT_ATTACHED. 1: it attaches the thread first, for
     * hosts that do not know their threads beforehand (a pool's that calls a plug-in, a graph's scheduler). Scheduling and
     * affinity stay as they are; the rest is as rtw_thread_attach does it. That call takes locks, allocates, makes 14 (plugin
     * profile) to 28 system calls, a process's first some 15 more, and touches the stack: 0.1 to 0.2 ms on a virtual EPYC
     * (rtw_runtime_stats_t, late_attaches). Where the thread cannot be attached it answers what rtw_thread_attach would. Not for
     * calls from signal handlers. What a call has attached is detached when the thread ends, or by rtw_thread_detach.
     */
    uint32_t attach_on_call;
    /**
     * 1 (default): the engine's handlers for SIGSEGV, SIGILL and SIGFPE are installed, once a process, with the first standalone
     * runtime or the first artifact of the standalone profile. 0: never on behalf of this runtime; what would install them returns
     * RTW_ERR_SIGNALS instead, and attach leaves the thread's signals alone. For plug-ins: whatever file the user picks, nothing in
     * the host's process changes.
     */
    uint32_t allow_signal_handlers;
    /**
     * The most that all guests of the runtime together may make the host hold at one time, in bytes, counted as for
     * memory_limit_bytes of rtw_instance_config_t. What would exceed it is refused with RTW_ERR_LIMIT (making or resetting an
     * instance, a slot's spare) or fails inside the guest (growth). 0 (default): no limit.
     */
    uint64_t memory_limit_bytes;
} rtw_runtime_config_t;

/**
 * What went wrong in a [setup] function, in words: which import, which byte, which limit. The caller owns it; it needs no
 * initialisation, and every [setup] function that takes one fills it, with RTW_OK and an empty message on success. Its layout
 * is final.
 */
typedef struct rtw_error_t {
    /**
     * The status that the function also returned.
     */
    rtw_status_t status;
    /**
     * `errno` of the system call that was refused, or 0.
     */
    int32_t os_error;
    /**
     * A sentence for the developer, NUL-terminated, cut if it is longer than this.
     */
    char message[504];
} rtw_error_t;

/**
 * What has happened to a runtime. Call rtw_runtime_stats_init first.
 */
typedef struct rtw_runtime_stats_t {
    /**
     * sizeof(rtw_runtime_stats_t), set by rtw_runtime_stats_init.
     */
    uint32_t struct_size;
    /**
     * Threads that are attached now, those of the runtime's workers included.
     */
    uint32_t attached_threads;
    /**
     * Threads that a call has attached, because attach_on_call was set. Each such call took 0.1 to 0.2 ms longer, which is
     * in no statistics of calls.
     */
    uint64_t late_attaches;
} rtw_runtime_stats_t;

/**
 * A distribution of times, in ns. Percentiles are within 1 %; min, mean and max are exact to the clock's resolution. If count is 0,
 * all fields are 0. Its layout is final.
 */
typedef struct rtw_distribution_t {
    /**
     * Number of values.
     */
    uint64_t count;
    /**
     * The shortest, in ns.
     */
    double min_ns;
    /**
     * The mean, in ns.
     */
    double mean_ns;
    /**
     * Median: half of all values are at most this, in ns.
     */
    double p50_ns;
    /**
     * 90th percentile, in ns.
     */
    double p90_ns;
    /**
     * 95th percentile, in ns.
     */
    double p95_ns;
    /**
     * 99th percentile, in ns.
     */
    double p99_ns;
    /**
     * 99.9th percentile, in ns.
     */
    double p999_ns;
    /**
     * 99.99th percentile, in ns.
     */
    double p9999_ns;
    /**
     * The longest, in ns.
     */
    double max_ns;
} rtw_distribution_t;

/**
 * The watchdog of a runtime: the thread that ends calls whose budget is used up. Call rtw_watchdog_stats_init first.
 */
typedef struct rtw_watchdog_stats_t {
    /**
     * sizeof(rtw_watchdog_stats_t), set by rtw_watchdog_stats_init.
     */
    uint32_t struct_size;
    /**
     * Its scheduling: RTW_SCHED_OTHER or RTW_SCHED_FIFO. It asks for one priority more than the threads that are attached have;
     * where that is not permitted, a guest that spins in a real-time thread on its CPU keeps it from running.
     */
    uint32_t sched_policy;
    /**
     * Its priority.
     */
    int32_t priority;
    /**
     * Instances that it watches: those with a budget whose calls are to be cut off.
     */
    uint32_t watched;
    /**
     * How often it looks, in ns; 0 while there is nothing to watch, and it sleeps.
     */
    uint64_t tick_ns;
    /**
     * Calls that it saw over their budget.
     */
    uint64_t expiries;
    /**
     * Those that were cut off; the others ended by themselves just then.
     */
    uint64_t cut_offs;
    /**
     * How late its ticks came.
     */
    struct rtw_distribution_t late;
    /**
     * How far over its budget a call was when it was seen.
     */
    struct rtw_distribution_t over;
} rtw_watchdog_stats_t;

/**
 * What the housekeeper saw of the signal handlers and masks that the standalone profile needs. Call rtw_signals_init first.
 */
typedef struct rtw_signals_t {
    /**
     * sizeof(rtw_signals_t), set by rtw_signals_init.
     */
    uint32_t struct_size;
    /**
     * RTW_OK, or RTW_ERR_SIGNALS: something was wrong at the last look, and calls that it concerns are refused.
     */
    rtw_status_t status;
    /**
     * How often it has looked; 0 in the plugin profile, and before the first thread was attached.
     */
    uint64_t looks;
    /**
     * How often it looks, in ns.
     */
    uint64_t interval_ns;
    /**
     * How often it found something wrong that had been in order before.
     */
    uint64_t troubles;
    /**
     * Attached threads that block SIGSEGV, SIGILL or SIGFPE.
     */
    uint32_t blocked_threads;
    /**
     * 1: threads' masks cannot be told, for want of /proc; handlers are looked at all the same.
     */
    uint32_t masks_unknown;
    /**
     * What is wrong: which signal, whose handler is there, which thread blocks it. "" where nothing is.
     */
    char message[512];
} rtw_signals_t;

/**
 * What an artifact's envelope says. Call rtw_module_info_init first.
 */
typedef struct rtw_module_info_t {
    /**
     * sizeof(rtw_module_info_t), set by rtw_module_info_init.
     */
    uint32_t struct_size;
    /**
     * Version of the envelope.
     */
    uint32_t envelope_version;
    /**
     * RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN.
     */
    uint32_t profile;
    /**
     * Number of imports.
     */
    uint32_t import_count;
    /**
     * Number of exports.
     */
    uint32_t export_count;
    /**
     * Functions defined in the module.
     */
    uint32_t function_count;
    /**
     * Size of the compiled code, in bytes.
     */
    uint64_t code_bytes;
    /**
     * Size of the module before compilation, in bytes.
     */
    uint64_t source_bytes;
    /**
     * What all linear memories have at the start, in bytes.
     */
    uint64_t memory_min_bytes;
    /**
     * What they can grow to, in bytes; UINT64_MAX where one declares no maximum.
     */
    uint64_t memory_max_bytes;
    /**
     * Target triple, such as "x86_64-unknown-linux-gnu".
     */
    char target[64];
    /**
     * The engine that made the code, such as "wasmtime 48.0.8".
     */
    char engine[32];
    /**
     * The program that wrote the artifact.
     */
    char producer[32];
    /**
     * Optimisation level: "none", "speed" or "speed_and_size".
     */
    char opt_level[32];
    /**
     * How calls can be interrupted: "guard", "none", "epoch" or "fuel".
     */
    char interruption[32];
    /**
     * CPU features that the code needs, separated by commas.
     */
    char cpu_features[512];
    /**
     * What a guest makes the host hold from the start, in bytes: what memory_limit_bytes of rtw_instance_config_t is held against
     * when an instance is made. The sum of memory_min_bytes and the three below.
     */
    uint64_t guest_bytes;
    /**
     * Of that: tables, in bytes.
     */
    uint64_t table_bytes;
    /**
     * Of that: globals, in bytes.
     */
    uint64_t global_bytes;
    /**
     * Of that: the engine's and the library's records of functions, imports, segments, the instance itself, in bytes.
     */
    uint64_t record_bytes;
    /**
     * Address space, not memory, that an instance sets aside for its linear memories, in bytes; RLIMIT_AS counts it.
     */
    uint64_t address_space_bytes;
} rtw_module_info_t;

/**
 * One export or import. The strings belong to the module and live as long as its handle.
 */
typedef struct rtw_extern_t {
    /**
     * RTW_EXTERN_FUNC, RTW_EXTERN_MEMORY, RTW_EXTERN_GLOBAL, RTW_EXTERN_TABLE or RTW_EXTERN_TAG.
     */
    uint32_t kind;
    /**
     * The module that an import is asked of; "" for exports.
     */
    const char *module;
    /**
     * Its name.
     */
    const char *name;
    /**
     * Its type: "(i32,f32)->(f32)", "memory 1..4 pages", "global mut i32", "table 3..3 funcref".
     */
    const char *ty;
} rtw_extern_t;

/**
 * One argument, result or global: 16 bytes, read as the signature says. Little-endian in memory on every target.
 */
typedef union rtw_value_t {
    /**
     * i32, signed.
     */
    int32_t i32;
    /**
     * i32, unsigned.
     */
    uint32_t u32;
    /**
     * i64, signed.
     */
    int64_t i64;
    /**
     * i64, unsigned.
     */
    uint64_t u64;
    /**
     * f32.
     */
    float f32;
    /**
     * f64.
     */
    double f64;
    /**
     * v128, as bytes.
     */
    uint8_t v128[16];
    /**
     * v128, as 16 lanes of 8 bits.
     */
    int8_t i8x16[16];
    /**
     * v128, as eight lanes of 16 bits.
     */
    int16_t i16x8[8];
    /**
     * v128, as four lanes of 32 bits.
     */
    int32_t i32x4[4];
    /**
     * v128, as two lanes of 64 bits.
     */
    int64_t i64x2[2];
    /**
     * v128, as four floats.
     */
    float f32x4[4];
    /**
     * v128, as two doubles.
     */
    double f64x2[2];
} rtw_value_t;

/**
 * A host function. It runs on the thread that called the guest, so on a real-time thread it keeps the same rules: no
 * allocation, no lock, no system call.
 *
 * user_data  what was given to rtw_imports_func.
 * instance   the guest that calls; memory functions and rtw_invoke may be used on it. In a start function it
 *            is not to be used: functions answer RTW_ERR_HANDLE while it is made, and RTW_ERR_BUSY while it is reset.
 * values     in: the arguments; out: the results. As many as the larger of the two counts.
 * returns    RTW_OK, or anything else to end the guest's call, which then answers RTW_ERR_HOST. Must return: where a C++
 *            exception leaves it, or, without RTW_HOST_MAY_BLOCK, pthread_exit or a cancellation of the thread, the process ends
 *            with a line on stderr that names the function. longjmp must not leave it either: the process ends with such a line
 *            when that is noticed, at the next use of the instance by that thread.
 */
typedef rtw_status_t (*rtw_host_func_t)(void *user_data, struct rtw_instance_t *instance, union rtw_value_t *values);

/**
 * How an instance shall be. Call rtw_instance_config_init first.
 */
typedef struct rtw_instance_config_t {
    /**
     * sizeof(rtw_instance_config_t), set by rtw_instance_config_init.
     */
    uint32_t struct_size;
    /**
     * RTW_GROWTH_REFUSED (default), RTW_GROWTH_ALLOWED or RTW_GROWTH_AHEAD.
     */
    uint32_t growth;
    /**
     * RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: what holds while this instance's guest runs. With
     * each of them it rounds to nearest and floating-point exceptions do not trap. Host functions run in the thread's own
     * floating-point environment, as it was when the guest was called; it is put back after each of them and after each call.
     */
    uint32_t denormals;
    /**
     * RTW_BUDGET_CUT_OFF (default) or RTW_BUDGET_COUNT: what happens to a call that has used up its budget.
     */
    uint32_t on_budget;
    /**
     * The most that the guest may make the host hold, in bytes: all its linear memories, its tables at 8 bytes an entry, its
     * globals at 16, and the engine's and the library's records of it; rtw_module_probe tells what it needs from the start. An
     * instance that needs more is refused with RTW_ERR_LIMIT before anything is made; growth beyond it fails inside the guest.
     * While an instance is reset, the new guest is counted beside the old one by slot and runtime, and by this limit each on its
     * own. 0 (default): what the module declares.
     */
    uint64_t memory_limit_bytes;
    /**
     * With RTW_GROWTH_AHEAD: how large each memory can become without a system call, in bytes; no more than its maximum and what
     * memory_limit_bytes leaves are used. It counts from the start. Otherwise 0.
     */
    uint64_t growth_ahead_bytes;
    /**
     * The most that one call may take, in ns; rtw_invoke_budget may name another for one call. 0 (default): no limit, and nobody
     * watches. With RTW_BUDGET_CUT_OFF the module must have been compiled with the budget guard, which is the default; inside
     * one bulk memory operation or host function nothing is cut off, only after it. The start function has no budget, dry
     * calls have at least a second.
     */
    uint64_t budget_ns;
    /**
     * Calls that take longer and are not cut off are counted as deadline misses, in ns. 0 (default): no deadline. Needs the
     * runtime's statistics.
     */
    uint64_t deadline_ns;
} rtw_instance_config_t;

/**
 * What ended a call. Call rtw_fault_init first.
 */
typedef struct rtw_fault_t {
    /**
     * sizeof(rtw_fault_t), set by rtw_fault_init.
     */
    uint32_t struct_size;
    /**
     * What the call answered.
     */
    rtw_status_t status;
    /**
     * What the host function answered that ended the call, or 0.
     */
    rtw_status_t host_status;
    /**
     * Index of the guest's function in the module, imports counted; -1 where it is not known: for a trap without a signal
     * in a call that a [setup] function made on a thread that is not attached.
     */
    int32_t function_index;
    /**
     * Offset in bytes of the instruction in the module that was given to the compiler; of the function's first instruction where
     * the stack was used up, which is found out on entering it, and where the plugin profile cut the call off in a function with
     * more than 512 polls. -1 where it is not known.
     */
    int64_t wasm_offset;
    /**
     * The function's name from the module's name section; "" where there is none.
     */
    char function_name[128];
    /**
     * How often the guest was refused more memory, or a larger table, since it was made; see rtw_instance_growth.
     */
    uint64_t refused_growths;
    /**
     * The last time: what it had, in bytes of a memory or entries of a table; 0 where nothing was refused.
     */
    uint64_t refused_from;
    /**
     * What it wanted to have.
     */
    uint64_t refused_to;
    /**
     * Why: one of the RTW_REFUSED_ constants; 0 where nothing was refused.
     */
    uint32_t refused_by;
    /**
     * 1: it was a table that was to grow, 0: a memory.
     */
    uint32_t refused_table;
    /**
     * All of this in a sentence: what, where, and what growth was refused before.
     */
    char message[512];
} rtw_fault_t;

/**
 * How often a guest asked for more memory or larger tables (memory.grow, table.grow), and what became of it. Call
 * rtw_growth_init first.
 */
typedef struct rtw_growth_t {
    /**
     * sizeof(rtw_growth_t), set by rtw_growth_init.
     */
    uint32_t struct_size;
    /**
     * Times it got what it asked for.
     */
    uint64_t granted;
    /**
     * Times it did not: the four below together.
     */
    uint64_t refused;
    /**
     * Since the instance is prepared. A guest that needs this growth wants RTW_GROWTH_AHEAD or RTW_GROWTH_ALLOWED, or to grow
     * before prepare.
     */
    uint64_t refused_prepared;
    /**
     * Because of a limit of the instance's configuration.
     */
    uint64_t refused_limit;
    /**
     * Because of the maximum that the module declares.
     */
    uint64_t refused_maximum;
    /**
     * By the system, or because the address space that was set aside was used up.
     */
    uint64_t refused_system;
} rtw_growth_t;

/**
 * Where a linear memory is.
 */
typedef struct rtw_memory_view_t {
    /**
     * Its first byte. It does not move until the instance is reset or destroyed.
     */
    void *base;
    /**
     * Its size now, in bytes; it changes only when it grows.
     */
    uint64_t size_bytes;
} rtw_memory_view_t;

/**
 * An exported function that a host wants of a guest: for rtw_instance_funcs and for slots. Its layout is final.
 */
typedef struct rtw_wanted_func_t {
    /**
     * The export's name.
     */
    const char *name;
    /**
     * Its type, such as "(i32,f32)->(f32)"; NULL: any.
     */
    const char *signature;
    /**
     * 1: it may be missing. 0: it may not, as in a slot.
     */
    uint32_t optional;
} rtw_wanted_func_t;

/**
 * A stack that is not the thread's own: a coroutine's, a signal handler's.
 */
typedef struct rtw_stack_t {
    /**
     * Its lowest address. Memory that is mapped and writable: a guard page below it is not part of it.
     */
    void *base;
    /**
     * Its size: at least guest_stack_bytes and 32 KiB.
     */
    uint64_t bytes;
} rtw_stack_t;

/**
 * What a thread shall get. Call rtw_thread_config_init first.
 */
typedef struct rtw_thread_config_t {
    /**
     * sizeof(rtw_thread_config_t), set by rtw_thread_config_init.
     */
    uint32_t struct_size;
    /**
     * RTW_SCHED_RUNTIME (default): as the runtime's configuration says; or RTW_SCHED_KEEP, _OTHER, _FIFO, _RR.
     */
    uint32_t sched_policy;
    /**
     * Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
     */
    int32_t priority;
    /**
     * The one CPU to run on, or -1 (default): as the runtime's configuration says.
     */
    int32_t cpu;
    /**
     * RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread treats denormal numbers until it
     * is detached, the host's own code included.
     */
    uint32_t denormals;
    /**
     * How many stacks there are, at most RTW_STACKS.
     */
    uint32_t stack_count;
    /**
     * RTW_CANCEL_DEFER (default) or RTW_CANCEL_IGNORE. It concerns threads whose cancel type is asynchronous when they are
     * attached, as JACK's are that run its clients' callbacks. With RTW_CANCEL_DEFER, rtw_invoke, rtw_invoke_budget,
     * rtw_slot_begin, rtw_slot_end and rtw_slot_invoke hold a cancellation off; it happens when they return. That takes four
     * changes of a word of the thread's own and no system call, about 42 ns (docs/hosts.md). Calls on other threads take no longer.
     */
    uint32_t on_cancel;
    /**
     * What a failing call may take from the thread's arena, in bytes: 0 (default) for 64 KiB less its header, which is also
     * the most.
     */
    uint64_t arena_bytes;
    /**
     * Stacks beside the thread's own that guests are called on, for hosts with coroutines; NULL where there are none. Copied.
     * They are made present, and locked as the runtime's configuration says; they lie apart from each other and from the
     * thread's own stack, and stay mapped until the thread is detached. Several threads may declare the same one.
     */
    const struct rtw_stack_t *stacks;
} rtw_thread_config_t;

/**
 * A call that is made before the real ones, with arguments that are safe then and leave the guest in a state to begin with: by
 * rtw_instance_prepare, by a worker at each start, by a slot with every instance before it is used. Its layout is final.
 */
typedef struct rtw_dry_call_t {
    /**
     * For rtw_instance_prepare and workers: a func. For slots: NULL.
     */
    struct rtw_func_t *func;
    /**
     * Its arguments; read only. At least as many as rtw_invoke wants.
     */
    const union rtw_value_t *values;
    /**
     * How many values there are.
     */
    uint32_t value_count;
    /**
     * How often to call, 1 to 1000000. The guest's state changes as with every call: where that matters, let the guest have
     * a reset function and call it afterwards.
     */
    uint32_t repeats;
    /**
     * For slots: which of the slot's functions. Otherwise 0.
     */
    uint32_t func_index;
} rtw_dry_call_t;

/**
 * What prepare shall do. Call rtw_prepare_config_init first.
 */
typedef struct rtw_prepare_config_t {
    /**
     * sizeof(rtw_prepare_config_t), set by rtw_prepare_config_init.
     */
    uint32_t struct_size;
    /**
     * How many dry calls there are.
     */
    uint32_t dry_call_count;
    /**
     * The dry calls, made in this order; NULL where there are none.
     */
    const struct rtw_dry_call_t *dry_calls;
} rtw_prepare_config_t;

/**
 * What prepare did and found. Call rtw_prepare_report_init first.
 */
typedef struct rtw_prepare_report_t {
    /**
     * sizeof(rtw_prepare_report_t), set by rtw_prepare_report_init.
     */
    uint32_t struct_size;
    /**
     * 1 where everything touched is locked into memory, 0 where locking was off or refused for a part.
     */
    uint32_t locked;
    /**
     * Code, memories and statistics made present, in bytes; where memory is to be locked also what calls touch on the heap:
     * the engine's records of module and instance, globals, tables, funcs.
     */
    uint64_t touched_bytes;
    /**
     * How much of that is locked, in bytes.
     */
    uint64_t locked_bytes;
    /**
     * Dry calls made.
     */
    uint64_t dry_calls;
    /**
     * How long the first dry call took, in ns.
     */
    double first_call_ns;
    /**
     * Median of the second half of the dry calls, in ns.
     */
    double steady_call_ns;
    /**
     * Allocations of this library in all dry calls; 0 where none of them failed.
     */
    uint64_t allocations;
    /**
     * Page faults without I/O that this thread took in the second half of the dry calls.
     */
    uint64_t minor_faults;
    /**
     * Page faults with I/O that this thread took in the second half of the dry calls.
     */
    uint64_t major_faults;
} rtw_prepare_report_t;

/**
 * How long calls took: a func's since it was made or last reset, an instance's since it was made, an interval's since it was
 * last read. Call rtw_func_stats_init first. All times are in ns, from the moment before the guest is entered to the moment
 * after it is left (see rtw_interval_read for its own extremes).
 */
typedef struct rtw_func_stats_t {
    /**
     * sizeof(rtw_func_stats_t), set by rtw_func_stats_init.
     */
    uint32_t struct_size;
    /**
     * Calls that entered the guest, faulted ones included: their number, and how long they took.
     */
    struct rtw_distribution_t call;
    /**
     * The last call, in ns; 0 where that is not known, as of several funcs together.
     */
    double last_ns;
    /**
     * How much time all this covers, in ns.
     */
    uint64_t duration_ns;
    /**
     * Calls that ended in a fault.
     */
    uint64_t faults;
    /**
     * Of these: calls that were cut off because their budget was used up.
     */
    uint64_t cut_offs;
    /**
     * Calls that took longer than their budget and were not cut off: RTW_BUDGET_COUNT, or they ended by themselves just then.
     */
    uint64_t overruns;
    /**
     * Calls that took longer than the instance's deadline_ns and were not cut off.
     */
    uint64_t deadline_misses;
    /**
     * Calls longer than the buckets reach (100 s and more); in max_ns, but in no bucket.
     */
    uint64_t overflows;
    /**
     * The most bytes that one faulted call took of its thread's arena.
     */
    uint64_t arena_peak_bytes;
} rtw_func_stats_t;

/**
 * One bucket of the histogram: how many calls took from low_ns (inclusive) to high_ns (exclusive).
 */
typedef struct rtw_bucket_t {
    /**
     * Lower bound in ns, inclusive.
     */
    double low_ns;
    /**
     * Upper bound in ns, exclusive.
     */
    double high_ns;
    /**
     * Number of calls.
     */
    uint64_t count;
} rtw_bucket_t;

/**
 * What has happened behind a slot.
 */
typedef struct rtw_slot_event_t {
    /**
     * One of the RTW_SLOT_EVENT_ constants.
     */
    uint32_t kind;
    /**
     * Of the fault, or of what failed; otherwise RTW_OK.
     */
    rtw_status_t status;
    /**
     * Which publication it concerns: the number that rtw_slot_publish told.
     */
    uint64_t publication;
    /**
     * The instance; NULL where there is none. Valid during the callback, for [setup] functions that only look.
     */
    struct rtw_instance_t *instance;
} rtw_slot_event_t;

/**
 * Told what has happened, on the housekeeper's thread, some milliseconds after. May take its time, though nothing is tended to
 * meanwhile. Must not destroy the slot, nor unwind.
 *
 * user_data  what was given to rtw_slot_create.
 * event      valid during the callback.
 */
typedef void (*rtw_slot_event_func_t)(void *user_data, const struct rtw_slot_event_t *event);

/**
 * Carries the state of the instance in use over to the one being published, on the publisher's thread. Blocks that the
 * real-time thread begins meanwhile are answered with RTW_ERR_BUSY, so it is to be short. Anything but RTW_OK refuses: the
 * publication fails with RTW_ERR_STATE, and the old instance stays.
 *
 * user_data  what was given to rtw_slot_create.
 * from, to   the instances; rtw_invoke and memory functions may be used on both, on this thread, attached or not.
 */
typedef rtw_status_t (*rtw_slot_state_func_t)(void *user_data, struct rtw_instance_t *from, struct rtw_instance_t *to);

/**
 * How a slot shall be. Call rtw_slot_config_init first.
 */
typedef struct rtw_slot_config_t {
    /**
     * sizeof(rtw_slot_config_t), set by rtw_slot_config_init.
     */
    uint32_t struct_size;
    /**
     * How many functions; at most 1024.
     */
    uint32_t func_count;
    /**
     * The functions that calls name by their index here.
     */
    const struct rtw_wanted_func_t *funcs;
    /**
     * How many spares stand behind the instance in use, prepared; at most 64. 0 (default): a fault ends the service until the
     * next publication.
     */
    uint32_t standby;
    /**
     * For how many blocks the instance that was exchanged can still be called, for a crossfade. 0 (default): it goes at once.
     */
    uint32_t hold_blocks;
    /**
     * RTW_STATE_NONE (default), RTW_STATE_GUEST or RTW_STATE_HOST.
     */
    uint32_t state;
    /**
     * How many dry calls.
     */
    uint32_t dry_call_count;
    /**
     * Calls that every instance makes when it is prepared.
     */
    const struct rtw_dry_call_t *dry_calls;
    /**
     * Told what happens; NULL: nobody is.
     */
    rtw_slot_event_func_t on_event;
    /**
     * With RTW_STATE_HOST: carries the state over. Otherwise NULL.
     */
    rtw_slot_state_func_t on_state;
    /**
     * Passed to the callbacks.
     */
    void *user_data;
    /**
     * The most that the instances behind the slot together may make the host hold at one time, in bytes: the one in use, spares,
     * one that is held, one that waits to be taken. Counted as for memory_limit_bytes of rtw_instance_config_t. What would exceed
     * it is refused with RTW_ERR_LIMIT: a publication, a reset, a spare, which RTW_SLOT_EVENT_SPARE_FAILED tells; growth fails
     * inside the guest. 0 (default): no limit.
     */
    uint64_t memory_limit_bytes;
} rtw_slot_config_t;

/**
 * What a block runs on, from rtw_slot_begin to rtw_slot_end.
 */
typedef struct rtw_block_t {
    /**
     * The instance.
     */
    struct rtw_instance_t *instance;
    /**
     * Its functions, in the order of the slot's interface.
     */
    struct rtw_func_t *const *funcs;
    /**
     * The instance that was exchanged, while it is held; otherwise NULL.
     */
    struct rtw_instance_t *held_instance;
    /**
     * Its functions; otherwise NULL.
     */
    struct rtw_func_t *const *held_funcs;
    /**
     * RTW_BLOCK_ constants, added up.
     */
    uint32_t flags;
} rtw_block_t;

/**
 * What has happened behind a slot since it was made. Call rtw_slot_stats_init first.
 */
typedef struct rtw_slot_stats_t {
    /**
     * sizeof(rtw_slot_stats_t), set by rtw_slot_stats_init.
     */
    uint32_t struct_size;
    /**
     * Spares ready now.
     */
    uint32_t spares_ready;
    /**
     * Instances that exist behind the slot now.
     */
    uint32_t instances;
    /**
     * Blocks that were begun, those that were refused included.
     */
    uint64_t blocks;
    /**
     * Instances published.
     */
    uint64_t publications;
    /**
     * Publications refused.
     */
    uint64_t refused;
    /**
     * Publications that the real-time thread has taken; what was overtaken by the next one is not.
     */
    uint64_t taken;
    /**
     * Instances that faulted in a block.
     */
    uint64_t faults;
    /**
     * Spares that were taken in their place.
     */
    uint64_t spares_used;
    /**
     * Blocks refused because there was no instance: none published, or faulted and no spare ready.
     */
    uint64_t unserved;
    /**
     * Blocks refused because the state of the instance was being saved.
     */
    uint64_t busy;
    /**
     * What they make the host hold now, in bytes.
     */
    uint64_t held_bytes;
} rtw_slot_stats_t;

/**
 * What the host does on the worker's thread at each start, before any deadline: open a device, call rtw_instance_prepare.
 * [setup] functions may be called.
 *
 * user_data  what the worker's configuration says.
 * returns    RTW_OK, or another number, which rtw_worker_start then answers.
 */
typedef rtw_status_t (*rtw_worker_setup_t)(void *user_data);

/**
 * What a step is told. Its layout is final.
 */
typedef struct rtw_tick_t {
    /**
     * Number of the period since the start, beginning with 0; periods that were passed over are counted.
     */
    uint64_t index;
    /**
     * When the step was to begin, in ns of CLOCK_MONOTONIC: a whole number of periods after that of tick 0.
     */
    uint64_t intended_ns;
    /**
     * When the thread was ready to begin it, in ns of CLOCK_MONOTONIC.
     */
    uint64_t actual_ns;
    /**
     * How many periods were passed over just before this one.
     */
    uint64_t missed;
} rtw_tick_t;

/**
 * A step of a periodic worker: reads its inputs, calls the guest, writes its outputs. It runs on the worker's thread, which
 * has a deadline to keep: no allocation, no lock, no system call.
 *
 * user_data  what the worker's configuration says.
 * tick       which period, and when; valid during the call.
 * returns    RTW_OK; RTW_STEP_STOP to end the run regularly; any other number for a failure. Must return: neither longjmp
 *            nor a C++ exception may leave it.
 */
typedef rtw_status_t (*rtw_step_t)(void *user_data, const struct rtw_tick_t *tick);

/**
 * How a worker shall be. Call rtw_worker_config_init first. What belongs to the other kind of worker must be left alone.
 */
typedef struct rtw_worker_config_t {
    /**
     * sizeof(rtw_worker_config_t), set by rtw_worker_config_init.
     */
    uint32_t struct_size;
    /**
     * RTW_WORKER_PERIODIC (default) or RTW_WORKER_QUEUE.
     */
    uint32_t kind;
    /**
     * The thread's name, for tools: at most 15 bytes. NULL (default): "rtw-worker".
     */
    const char *name;
    /**
     * RTW_SCHED_RUNTIME (default): as the runtime's configuration says; or RTW_SCHED_KEEP, _OTHER, _FIFO, _RR, _DEADLINE.
     */
    uint32_t sched_policy;
    /**
     * Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
     */
    int32_t priority;
    /**
     * The one CPU to run on, or -1 (default): as the runtime's configuration says. RTW_SCHED_DEADLINE takes no affinity.
     */
    int32_t cpu;
    /**
     * RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread treats denormal numbers.
     */
    uint32_t denormals;
    /**
     * 0 (default): what the system refuses (scheduling, affinity, locked memory, dma_latency_us) is a warning, see
     * rtw_worker_warning. 1: it is an error.
     */
    uint32_t strict;
    /**
     * 1 (default): the thread's stack and the worker's statistics are locked into memory. 0: as the runtime's configuration
     * says.
     */
    uint32_t memory_lock;
    /**
     * 1 (default): the worker's statistics are kept. 0: they stay empty, which saves a system call and about a microsecond a
     * step.
     */
    uint32_t statistics;
    /**
     * While the worker runs, no CPU idles so deeply that waking it takes longer than this, in us (/dev/cpu_dma_latency); 0
     * keeps them from idling at all. -1 (default): left alone.
     */
    int32_t dma_latency_us;
    /**
     * With RTW_SCHED_DEADLINE: how long the thread may run in every period, in ns. Otherwise 0.
     */
    uint64_t deadline_runtime_ns;
    /**
     * With RTW_SCHED_DEADLINE: by when after the beginning of a period it gets that, in ns; 0 (default): by its end.
     */
    uint64_t deadline_ns;
    /**
     * Called on the thread at each start, before the dry calls; NULL (default): nothing is.
     */
    rtw_worker_setup_t setup;
    /**
     * What setup and step are given.
     */
    void *user_data;
    /**
     * Dry calls to be made at each start, see rtw_instance_prepare: the instances of their funcs are prepared on the thread.
     */
    const struct rtw_dry_call_t *dry_calls;
    /**
     * How many dry calls there are.
     */
    uint32_t dry_call_count;
    /**
     * Periodic: RTW_MISSED_SKIP (default) or RTW_MISSED_CATCH_UP.
     */
    uint32_t missed;
    /**
     * Periodic: the distance of intended starts in ns, 10 us to 1 h. For a queue only with RTW_SCHED_DEADLINE.
     */
    uint64_t period_ns;
    /**
     * Periodic: how long before an intended start the thread is woken, in ns, at most half a period; it spins for the rest,
     * which takes the wake-up latency out of the way and costs the CPU's time. 0 (default): it sleeps until the intended
     * start.
     */
    uint64_t early_ns;
    /**
     * Periodic: RTW_ON_FAULT_STOP (default) or RTW_ON_FAULT_CONTINUE.
     */
    uint32_t on_fault;
    /**
     * Queue: how many invocations there may be from their submission until their completion is taken, 1 to 65536; 0 (default):
     * 64.
     */
    uint32_t queue_capacity;
    /**
     * Periodic: how many periods a run has, after which the worker stops by itself. Periods that are passed over count; the
     * last one never is. 0 (default): no end.
     */
    uint64_t period_limit;
    /**
     * Periodic: the step, or NULL where func is given.
     */
    rtw_step_t step;
    /**
     * Periodic: a func to be called directly at each tick, or NULL where step is given. Its instance is prepared at each
     * start.
     */
    struct rtw_func_t *func;
    /**
     * The arguments of func, the same for every tick; copied. Results are not kept.
     */
    const union rtw_value_t *values;
    /**
     * How many values there are.
     */
    uint32_t value_count;
    /**
     * How many warm_values there are.
     */
    uint32_t warm_value_count;
    /**
     * With early_ns: a func that does no harm, called while the thread spins, so that the way into the guest is in the caches
     * and branch predictors when the step takes it; NULL (default): none is. A func of the instance that the step calls serves
     * best. Its calls have statistics of their own.
     */
    struct rtw_func_t *warm_func;
    /**
     * The arguments of warm_func; copied.
     */
    const union rtw_value_t *warm_values;
    /**
     * Queue: how long the thread looks for the next invocation before it sleeps, in ns, at most 1 s; 0 (default): not at all.
     */
    uint64_t spin_ns;
} rtw_worker_config_t;

/**
 * What a worker is and has got. Call rtw_worker_info_init first.
 */
typedef struct rtw_worker_info_t {
    /**
     * sizeof(rtw_worker_info_t), set by rtw_worker_info_init.
     */
    uint32_t struct_size;
    /**
     * 1 while it runs.
     */
    uint32_t running;
    /**
     * The thread's number in the system (gettid).
     */
    int32_t thread_id;
    /**
     * The scheduling in force: RTW_SCHED_OTHER, RTW_SCHED_FIFO, RTW_SCHED_RR, RTW_SCHED_DEADLINE; RTW_SCHED_KEEP for any
     * other.
     */
    uint32_t sched_policy;
    /**
     * The priority in force.
     */
    int32_t priority;
    /**
     * What ended the last run: RTW_OK where it was stopped, reached period_limit or its step answered RTW_STEP_STOP; otherwise
     * what the step answered.
     */
    rtw_status_t ended_by;
    /**
     * How many warnings rtw_worker_warning has.
     */
    uint32_t warning_count;
} rtw_worker_info_t;

/**
 * How an invocation went that a worker was given. Call rtw_completion_init first.
 */
typedef struct rtw_completion_t {
    /**
     * sizeof(rtw_completion_t), set by rtw_completion_init.
     */
    uint32_t struct_size;
    /**
     * What rtw_invoke answered, or RTW_ERR_CANCELLED.
     */
    rtw_status_t status;
    /**
     * As it was submitted.
     */
    uint64_t tag;
    /**
     * When it was submitted, in ns of CLOCK_MONOTONIC.
     */
    uint64_t submitted_ns;
    /**
     * When it began on the worker's thread; 0 where it never did.
     */
    uint64_t started_ns;
    /**
     * When it ended there; 0 where it never began.
     */
    uint64_t ended_ns;
    /**
     * The results, where the status is RTW_OK; otherwise the arguments.
     */
    union rtw_value_t values[RTW_WORKER_VALUES];
} rtw_completion_t;

/**
 * What a worker recorded since it was made or last reset. Call rtw_worker_stats_init first. For a queue, the intended start of
 * an invocation is its submission, and what is about periods is 0.
 */
typedef struct rtw_worker_stats_t {
    /**
     * sizeof(rtw_worker_stats_t), set by rtw_worker_stats_init.
     */
    uint32_t struct_size;
    /**
     * When that was, in ns of CLOCK_REALTIME.
     */
    uint64_t since_realtime_ns;
    /**
     * How long ago that was.
     */
    uint64_t duration_ns;
    /**
     * Steps or invocations that ran.
     */
    uint64_t ticks;
    /**
     * Periods that were passed over.
     */
    uint64_t skipped;
    /**
     * Steps that ended after the next one was due.
     */
    uint64_t overruns;
    /**
     * Periods whose step had not ended when the next one was due: overruns and skipped together.
     */
    uint64_t misses;
    /**
     * The longest run of periods in a row that missed.
     */
    uint64_t longest_miss_run;
    /**
     * Steps or invocations that failed.
     */
    uint64_t faults;
    /**
     * Page faults of the thread served from memory.
     */
    uint64_t minor_faults;
    /**
     * Page faults of the thread served by I/O.
     */
    uint64_t major_faults;
    /**
     * How often the thread slept or waited, its sleeps between steps included.
     */
    uint64_t voluntary_switches;
    /**
     * How often another thread took the CPU.
     */
    uint64_t involuntary_switches;
    /**
     * Queue: invocations accepted, since the worker was made.
     */
    uint64_t submitted;
    /**
     * Queue: of these, those whose completion was taken.
     */
    uint64_t completed;
    /**
     * Queue: of these, those that never began.
     */
    uint64_t cancelled;
    /**
     * Queue: submissions refused with RTW_ERR_FULL.
     */
    uint64_t refused;
    /**
     * From the intended to the actual start. Periods that were passed over count with what their own step would have had:
     * leaving them out would make a stall of many periods look like one late call (coordinated omission).
     */
    struct rtw_distribution_t wake_up;
    /**
     * From the actual start to the end of the step.
     */
    struct rtw_distribution_t call;
    /**
     * From the intended start to the end. Periods that were passed over count as in wake_up.
     */
    struct rtw_distribution_t response;
    /**
     * How far the distance of two actual starts was from that of their intended starts.
     */
    struct rtw_distribution_t jitter;
} rtw_worker_stats_t;

/**
 * One of the worst steps or invocations. Its layout is final.
 */
typedef struct rtw_worst_t {
    /**
     * When it had ended, in ns of CLOCK_REALTIME.
     */
    uint64_t at_realtime_ns;
    /**
     * The tick's index, or the invocation's tag.
     */
    uint64_t index;
    /**
     * From the intended start of the first period that it stands for to the actual start.
     */
    double wake_up_ns;
    /**
     * From the actual start to the end.
     */
    double call_ns;
    /**
     * Both together.
     */
    double response_ns;
    /**
     * What it answered.
     */
    rtw_status_t status;
    /**
     * RTW_CAUSE_ bits: what went along with it.
     */
    uint32_t causes;
} rtw_worst_t;

/**
 * The worst of one second. Its layout is final.
 */
typedef struct rtw_second_t {
    /**
     * When it began, in ns after the statistics did.
     */
    uint64_t at_ns;
    /**
     * How many steps or invocations ran in it.
     */
    uint64_t count;
    /**
     * The longest response time.
     */
    uint64_t max_ns;
} rtw_second_t;

/**
 * What the doctor shall look at. Call rtw_host_config_init first.
 */
typedef struct rtw_host_config_t {
    /**
     * sizeof(rtw_host_config_t), set by rtw_host_config_init.
     */
    uint32_t struct_size;
    /**
     * The class to judge for: RTW_HOST_CLASS_ALL (default) ...
     */
    uint32_t host_class;
    /**
     * The CPU that the real-time thread runs on, or RTW_HOST_CPU_ANY (default).
     */
    int32_t cpu;
    /**
     * 1: the calling thread is the real-time thread, so that its own policy, affinity and stack are judged. 0 (default).
     */
    uint32_t calling_thread;
    /**
     * How long each probe measures, in ms: one of wake-ups for each class that is judged, one of gaps, one of speed; 1 to
     * 60000. 0 (default): nothing is measured. Probes run on the running system only.
     */
    uint32_t probe_ms;
    /**
     * Stands for the period of every class, in ns: 10000 to 10000000000. 0 (default): each has its own.
     */
    uint64_t period_ns;
    /**
     * A directory that holds a copy of another machine's files, or NULL (default) for the running system. NUL-terminated
     * UTF-8.
     */
    const char *root;
    /**
     * The bytes of an artifact that shall run here, or NULL (default). Read only during the call.
     */
    const void *artifact;
    /**
     * How many they are.
     */
    uint64_t artifact_length;
} rtw_host_config_t;

/**
 * What one check has found. Call rtw_host_finding_init first. The strings belong to the report and live as long as its handle.
 */
typedef struct rtw_host_finding_t {
    /**
     * sizeof(rtw_host_finding_t), set by rtw_host_finding_init.
     */
    uint32_t struct_size;
    /**
     * RTW_HOST_GOOD, RTW_HOST_BAD, RTW_HOST_UNKNOWN or RTW_HOST_SKIPPED.
     */
    uint32_t state;
    /**
     * RTW_HOST_SEVERITY_INFO ... RTW_HOST_SEVERITY_FATAL: the worst for the classes that were judged; where nothing is bad,
     * what it would be.
     */
    uint32_t severity;
    /**
     * When the commands take effect: RTW_HOST_APPLY_NOW ...
     */
    uint32_t apply;
    /**
     * 1 where the commands take root.
     */
    uint32_t needs_root;
    /**
     * What a bad finding costs each class, or an unknown one would: of class n at n - 1; RTW_HOST_SEVERITY_NONE where it is
     * good.
     */
    uint32_t class_severity[RTW_HOST_CLASSES];
    /**
     * Its name, such as "governor"; names are never reused.
     */
    const char *id;
    /**
     * The name in a few words.
     */
    const char *title;
    /**
     * What was found.
     */
    const char *found;
    /**
     * What should have been.
     */
    const char *expected;
    /**
     * Why it matters, in one line.
     */
    const char *why;
    /**
     * What to do, in a sentence or two.
     */
    const char *remedy;
    /**
     * The same as lines of a shell's, to copy; "" where no command helps.
     */
    const char *commands;
} rtw_host_finding_t;

/**
 * What is to be written, and where to. Call rtw_export_config_init first.
 */
typedef struct rtw_export_config_t {
    /**
     * sizeof(rtw_export_config_t), set by rtw_export_config_init.
     */
    uint32_t struct_size;
    /**
     * One of the RTW_EXPORT_ constants; RTW_EXPORT_JSON by default.
     */
    uint32_t format;
    /**
     * The file to write, which takes the place of one that is there when it is complete; NULL: none.
     */
    const char *path;
    /**
     * Without a path: receives the text, NUL-terminated; NULL: the text's length is wanted only.
     */
    char *buffer;
    /**
     * Size of buffer in bytes; 0 where there is none.
     */
    uint64_t buffer_bytes;
    /**
     * What the subject is called; NULL: a function by its export, an instance "instance".
     */
    const char *name;
    /**
     * The one series to write, such as "call_time"; NULL: all, or the first where the format holds one.
     */
    const char *series;
    /**
     * Where calls are due at a fixed period: that period in ns. Beside "call_time" then stands "call_time_corrected", with
     * those calls put in that a late one kept from starting (docs/statistics.md says how). 0 (default): no such series.
     */
    uint64_t expected_interval_ns;
} rtw_export_config_t;

/**
 * Somebody whose statistics are written with those of others. One of the handles is set, the others are NULL. Begin with zeros:
 * rtw_export is told how large the struct is.
 */
typedef struct rtw_export_subject_t {
    /**
     * As for rtw_func_export.
     */
    const struct rtw_func_t *func;
    /**
     * As for rtw_instance_export.
     */
    const struct rtw_instance_t *instance;
    /**
     * As for rtw_interval_export.
     */
    const struct rtw_interval_t *interval;
    /**
     * As for rtw_worker_export.
     */
    const struct rtw_worker_t *worker;
    /**
     * A recorder.
     */
    const struct rtw_recorder_t *recorder;
    /**
     * One function of a slot, on all its instances: which one, func_index says.
     */
    const struct rtw_slot_t *slot;
    /**
     * With slot: index in its interface. Otherwise 0.
     */
    uint32_t func_index;
    /**
     * What it is called; NULL: as without a name in rtw_export_config_t. Subjects of a kind need different names.
     */
    const char *name;
} rtw_export_subject_t;

/**
 * Success.
 */
#define RTW_OK 0

/**
 * A pointer that must not be NULL is NULL.
 */
#define RTW_ERR_NULL -101

/**
 * An argument is outside what the function's comment allows.
 */
#define RTW_ERR_ARGUMENT -102

/**
 * A handle is of the wrong kind, already destroyed, or no handle at all.
 */
#define RTW_ERR_HANDLE -103

/**
 * A struct's struct_size was not set, which its _init function does; or a field is set that this library is too old to know.
 */
#define RTW_ERR_STRUCT_SIZE -104

/**
 * The value array is shorter than the larger of the function's parameter and result counts.
 */
#define RTW_ERR_VALUES -105

/**
 * An offset and length reach outside a memory, or an index outside a list.
 */
#define RTW_ERR_BOUNDS -106

/**
 * The request is understood but not available here.
 */
#define RTW_ERR_UNSUPPORTED -107

/**
 * The bytes are not an rtwasm artifact.
 */
#define RTW_ERR_NOT_ARTIFACT -201

/**
 * The bytes are a plain WebAssembly module: compile it first (rtwasm compile).
 */
#define RTW_ERR_PLAIN_WASM -202

/**
 * The artifact ends early.
 */
#define RTW_ERR_TRUNCATED -203

/**
 * The artifact's content does not match its digest.
 */
#define RTW_ERR_DIGEST -204

/**
 * The artifact's envelope has a version that this library does not read.
 */
#define RTW_ERR_ENVELOPE_VERSION -205

/**
 * The artifact was made by another engine version, or with settings that this engine does not accept.
 */
#define RTW_ERR_ENGINE -206

/**
 * The artifact was made for another architecture or operating system.
 */
#define RTW_ERR_TARGET -207

/**
 * The artifact needs a CPU feature that this machine lacks.
 */
#define RTW_ERR_CPU_FEATURE -208

/**
 * The artifact was compiled for another profile than the runtime's.
 */
#define RTW_ERR_PROFILE -209

/**
 * The artifact's envelope contradicts itself.
 */
#define RTW_ERR_ARTIFACT -210

/**
 * The WebAssembly module is malformed or invalid.
 */
#define RTW_ERR_WASM -211

/**
 * The WebAssembly module needs a proposal that is switched off.
 */
#define RTW_ERR_PROPOSAL -212

/**
 * There is no export of that name.
 */
#define RTW_ERR_NO_EXPORT -301

/**
 * The export exists but is of another kind.
 */
#define RTW_ERR_EXPORT_KIND -302

/**
 * The export's type is not the one asked for.
 */
#define RTW_ERR_SIGNATURE -303

/**
 * A signature string cannot be read.
 */
#define RTW_ERR_SIGNATURE_SYNTAX -304

/**
 * The module imports something that was not provided.
 */
#define RTW_ERR_IMPORT_MISSING -305

/**
 * An import was provided with another type.
 */
#define RTW_ERR_IMPORT_TYPE -306

/**
 * There is not enough memory or address space.
 */
#define RTW_ERR_NO_MEMORY -401

/**
 * Memory could not be locked.
 */
#define RTW_ERR_MEMLOCK -402

/**
 * The system does not permit it: priority, affinity or memory locking.
 */
#define RTW_ERR_PERMISSION -403

/**
 * A file could not be read or written.
 */
#define RTW_ERR_IO -404

/**
 * A configured limit is exceeded.
 */
#define RTW_ERR_LIMIT -405

/**
 * The stack that the thread is on has no room for guests, or is neither its own nor declared.
 */
#define RTW_ERR_STACK_SIZE -406

/**
 * The thread's arena could not hold what a failing call needed; the call failed all the same, for a reason that is lost.
 */
#define RTW_ERR_ARENA -407

/**
 * The thread is not attached to the runtime.
 */
#define RTW_ERR_NOT_ATTACHED -501

/**
 * The thread is attached already.
 */
#define RTW_ERR_ATTACHED -502

/**
 * The instance faulted in an earlier call and runs no more.
 */
#define RTW_ERR_FAULTED -503

/**
 * The instance is in a call.
 */
#define RTW_ERR_BUSY -504

/**
 * The process was forked after the object was made; the child cannot use it.
 */
#define RTW_ERR_FORKED -505

/**
 * Somebody replaced the signal handlers that the standalone profile needs, or the runtime may not install them.
 */
#define RTW_ERR_SIGNALS -506

/**
 * An earlier internal error made the object unusable.
 */
#define RTW_ERR_POISONED -507

/**
 * A guest's state could not be carried over: the one in use could not save it, or the new one refuses it.
 */
#define RTW_ERR_STATE -508

/**
 * The guest executed an unreachable instruction.
 */
#define RTW_ERR_TRAP_UNREACHABLE -601

/**
 * The guest reached outside a linear memory.
 */
#define RTW_ERR_TRAP_MEMORY -602

/**
 * The guest reached outside a table.
 */
#define RTW_ERR_TRAP_TABLE -603

/**
 * The guest called through an empty or differently typed table entry.
 */
#define RTW_ERR_TRAP_INDIRECT_CALL -604

/**
 * The guest divided an integer by zero.
 */
#define RTW_ERR_TRAP_DIVIDE_BY_ZERO -605

/**
 * The guest's integer division overflowed, or it converted a number outside an integer's range, an infinity included.
 */
#define RTW_ERR_TRAP_INTEGER_OVERFLOW -606

/**
 * The guest converted a NaN to an integer.
 */
#define RTW_ERR_TRAP_BAD_CONVERSION -607

/**
 * The guest used up its stack.
 */
#define RTW_ERR_TRAP_STACK -608

/**
 * The guest trapped for a reason without a status of its own.
 */
#define RTW_ERR_TRAP_OTHER -609

/**
 * A host function answered with an error.
 */
#define RTW_ERR_HOST -610

/**
 * The call used up its time budget and was cut off.
 */
#define RTW_ERR_BUDGET -611

/**
 * The guest made an atomic access at an address that is not a multiple of its size.
 */
#define RTW_ERR_TRAP_MISALIGNED -612

/**
 * A bounded queue has no place left.
 */
#define RTW_ERR_FULL -701

/**
 * There is nothing to take.
 */
#define RTW_ERR_EMPTY -702

/**
 * The time given for waiting is over.
 */
#define RTW_ERR_TIMEOUT -703

/**
 * The invocation was cancelled before it began; as a host function's status: its thread ended in it (RTW_HOST_MAY_BLOCK).
 */
#define RTW_ERR_CANCELLED -704

/**
 * The worker runs, and this takes one that does not.
 */
#define RTW_ERR_RUNNING -705

/**
 * The worker does not run, and this takes one that does.
 */
#define RTW_ERR_STOPPED -706

/**
 * A defect in this library; what the function was changing is poisoned.
 */
#define RTW_ERR_INTERNAL -901

/**
 * What a step answers to end the run regularly.
 */
#define RTW_STEP_STOP 1

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version as one number: major * 65536 + minor * 256 + patch.
 *
 * [any]
 * real time: allocates 0, locks 0, system calls 0.
 */
uint32_t rtw_version(void) RTW_NONBLOCKING;

/**
 * The library's version and its engine's as text, such as "rtwasm 0.1.0 (wasmtime 48.0.8)". Static, never NULL.
 *
 * [any]
 * real time: allocates 0, locks 0, system calls 0.
 */
const char *rtw_version_string(void) RTW_NONBLOCKING;

/**
 * The status's name, such as "RTW_ERR_NULL"; "RTW_ERR_?" for a number that is not a status. Static, never NULL.
 *
 * [any]
 * real time: allocates 0, locks 0, system calls 0.
 */
const char *rtw_status_name(rtw_status_t status) RTW_NONBLOCKING;

/**
 * The status in a few words, such as "a pointer that must not be NULL is NULL". Static, never NULL.
 *
 * [any]
 * real time: allocates 0, locks 0, system calls 0.
 */
const char *rtw_status_string(rtw_status_t status) RTW_NONBLOCKING;

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_runtime_config_t) as the caller knows it: rtw_runtime_config_init passes it, which only C and C++ have.
 */
void rtw_runtime_config_init_sized(struct rtw_runtime_config_t *config,
                                   size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_runtime_config_init(struct rtw_runtime_config_t *config)
{
    rtw_runtime_config_init_sized(config, sizeof *config);
}

/**
 * Makes a runtime. Makes the library's own code and data present, and locks them where asked; measures the clock (about 20 ms, once
 * a process). With RTW_PROFILE_STANDALONE it installs the engine's handlers for SIGSEGV, SIGILL and SIGFPE (once a process), which
 * pass on what is not a guest's; with RTW_PROFILE_ANY loading the first artifact of that profile does.
 *
 * [setup]
 * config  NULL for the defaults; read only during the call.
 * out     receives the runtime, to be ended with rtw_runtime_destroy; NULL on failure.
 * err     NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range), RTW_ERR_ENGINE,
 *         RTW_ERR_MEMLOCK (the library itself is to be locked and cannot be), RTW_ERR_SIGNALS (RTW_PROFILE_STANDALONE, and
 *         allow_signal_handlers is 0), RTW_ERR_PERMISSION (a filter refuses a system call that nothing works without; the message
 *         names it).
 */
rtw_status_t rtw_runtime_create(const struct rtw_runtime_config_t *config,
                                struct rtw_runtime_t **out,
                                struct rtw_error_t *err);

/**
 * Ends the use of a runtime by its owner. What was made from it keeps it alive, so the order does not matter. Threads that are
 * still attached stay so until they end. NULL does nothing. Signal handlers stay: the engine cannot take them back safely.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_runtime_destroy(struct rtw_runtime_t *runtime);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_runtime_stats_t) as the caller knows it: rtw_runtime_stats_init passes it, which only C and C++ have.
 */
void rtw_runtime_stats_init_sized(struct rtw_runtime_stats_t *stats, size_t struct_size);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_runtime_stats_init(struct rtw_runtime_stats_t *stats)
{
    rtw_runtime_stats_init_sized(stats, sizeof *stats);
}

/**
 * How many threads are attached to the runtime, and how many of its calls had to attach theirs.
 *
 * [any] but a real-time thread.
 * stats   filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 */
rtw_status_t rtw_runtime_stats(const struct rtw_runtime_t *runtime, struct rtw_runtime_stats_t *stats);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_watchdog_stats_t) as the caller knows it: rtw_watchdog_stats_init passes it, which only C and C++ have.
 */
void rtw_watchdog_stats_init_sized(struct rtw_watchdog_stats_t *stats,
                                   size_t struct_size);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_watchdog_stats_init(struct rtw_watchdog_stats_t *stats)
{
    rtw_watchdog_stats_init_sized(stats, sizeof *stats);
}

/**
 * What the runtime's watchdog has seen and done since the runtime was made, and how punctual it was: a budget is kept no better
 * than its watchdog wakes up.
 *
 * [any] but a real-time thread.
 * stats   filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 */
rtw_status_t rtw_runtime_watchdog(const struct rtw_runtime_t *runtime, struct rtw_watchdog_stats_t *stats);

/**
 * Prepares a signals struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_signals_t) as the caller knows it: rtw_signals_init passes it, which only C and C++ have.
 */
void rtw_signals_init_sized(struct rtw_signals_t *signals, size_t struct_size);

/**
 * Prepares a signals struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_signals_init(struct rtw_signals_t *signals)
{
    rtw_signals_init_sized(signals, sizeof *signals);
}

/**
 * What was seen at the last look at the signal handlers and masks which the standalone profile needs, and what is wrong with them
 * where a call was answered with RTW_ERR_SIGNALS.
 *
 * [any] but a real-time thread.
 * signals  filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 */
rtw_status_t rtw_runtime_signals(const struct rtw_runtime_t *runtime,
                                 struct rtw_signals_t *signals);

/**
 * What all guests of the runtime together make the host hold now, in bytes; 0 for a handle that is none. It is what
 * memory_limit_bytes of rtw_runtime_config_t is held against.
 *
 * [any]
 */
uint64_t rtw_runtime_held_bytes(const struct rtw_runtime_t *runtime);

/**
 * Prepares an info struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_module_info_t) as the caller knows it: rtw_module_info_init passes it, which only C and C++ have.
 */
void rtw_module_info_init_sized(struct rtw_module_info_t *info, size_t struct_size);

/**
 * Prepares an info struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_module_info_init(struct rtw_module_info_t *info)
{
    rtw_module_info_init_sized(info, sizeof *info);
}

/**
 * Tells from the envelope alone what an artifact is, whether it would load here, and whether instances can be made of it. Maps
 * no code.
 *
 * [setup]
 * runtime  the runtime it would be loaded into; NULL: any runtime on this machine (the profile is then not judged).
 * bytes    the artifact, `length` bytes; read only during the call.
 * info     NULL, or filled as soon as the envelope can be read, also where the artifact would not load.
 * err      NULL, or filled with the reason.
 * returns  RTW_OK where it would load, or why it would not: RTW_ERR_PLAIN_WASM, RTW_ERR_NOT_ARTIFACT, RTW_ERR_TRUNCATED,
 *          RTW_ERR_ENVELOPE_VERSION, RTW_ERR_DIGEST, RTW_ERR_ARTIFACT, RTW_ERR_ENGINE, RTW_ERR_TARGET,
 *          RTW_ERR_CPU_FEATURE, RTW_ERR_PROFILE, RTW_ERR_SIGNALS (it needs signal handlers, and the runtime's
 *          allow_signal_handlers is 0); where it would load, and no instance can be made of it whatever is provided:
 *          RTW_ERR_IMPORT_MISSING (it imports a memory, a table or a global), RTW_ERR_UNSUPPORTED (it imports a function with
 *          reference types); or RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT
 *          (length is larger than any object).
 */
rtw_status_t rtw_module_probe(const struct rtw_runtime_t *runtime,
                              const void *bytes,
                              size_t length,
                              struct rtw_module_info_t *info,
                              struct rtw_error_t *err);

/**
 * Loads an artifact. The digest and whether it fits this machine and runtime are checked before any of its code is mapped;
 * that its maker is to be trusted with native code is the caller's decision.
 *
 * [setup]  One thread at a time loads or drops code in a process; others wait. In the standalone profile a trap on another thread
 *          may meet the engine's lock meanwhile (see docs/real-time-contract.md).
 * runtime  is kept alive by the module.
 * bytes    the artifact, `length` bytes; copied.
 * out      receives the module, to be ended with rtw_module_destroy; NULL on failure.
 * err      NULL, or filled.
 * errors: those of rtw_module_probe, but for the two that concern imports, and RTW_ERR_PERMISSION (this process may not make
 *         memory executable).
 */
rtw_status_t rtw_module_load(const struct rtw_runtime_t *runtime,
                             const void *bytes,
                             size_t length,
                             struct rtw_module_t **out,
                             struct rtw_error_t *err);

/**
 * The same from a file. Reads the header first, and the rest only where the file is exactly as long as its header says.
 *
 * [setup]
 * path  NUL-terminated UTF-8. Names a regular file, or a link to one: pipes, sockets, devices and directories are refused at once.
 * errors: RTW_ERR_IO (the message says why), RTW_ERR_NO_MEMORY (there is no room for what the header says), RTW_ERR_ARGUMENT (the
 *         path is not UTF-8), and those of rtw_module_load.
 */
rtw_status_t rtw_module_load_file(const struct rtw_runtime_t *runtime,
                                  const char *path,
                                  struct rtw_module_t **out,
                                  struct rtw_error_t *err);

/**
 * Ends the use of a module by its owner; instances keep it alive. NULL does nothing.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_module_destroy(struct rtw_module_t *module);

/**
 * How many exports the module has; 0 for a handle that is none.
 *
 * [any]
 */
size_t rtw_module_export_count(const struct rtw_module_t *module);

/**
 * One export, in the module's order.
 *
 * [any]
 * out  receives it; its strings live as long as the module's handle.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
 */
rtw_status_t rtw_module_export(const struct rtw_module_t *module, size_t index, struct rtw_extern_t *out);

/**
 * How many imports the module has; 0 for a handle that is none.
 *
 * [any]
 */
size_t rtw_module_import_count(const struct rtw_module_t *module);

/**
 * One import, in the module's order.
 *
 * [any]
 * out  receives it; its strings live as long as the module's handle.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
 */
rtw_status_t rtw_module_import(const struct rtw_module_t *module, size_t index, struct rtw_extern_t *out);

/**
 * Makes an empty list of imports.
 *
 * [setup]
 * out  receives the list, to be ended with rtw_imports_destroy; NULL on failure.
 * err  NULL, or filled.
 * errors: RTW_ERR_NULL.
 */
rtw_status_t rtw_imports_create(struct rtw_imports_t **out, struct rtw_error_t *err);

/**
 * Adds a host function; one of the same module and name is replaced for instances made afterwards.
 *
 * [setup]
 * module, name  what guests import it as, such as "env" "log_level"; copied.
 * signature     such as "(i32,f32)->(f32)"; types are i32, i64, f32, f64, v128.
 * func          called on the thread that called the guest.
 * user_data     passed to func; must stay valid while instances linked against it exist.
 * flags         0, or RTW_HOST_ constants added up.
 * err           NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_ARGUMENT (a string is not UTF-8; a flag is not known).
 */
rtw_status_t rtw_imports_func(struct rtw_imports_t *imports,
                              const char *module,
                              const char *name,
                              const char *signature,
                              rtw_host_func_t func,
                              void *user_data,
                              uint32_t flags,
                              struct rtw_error_t *err);

/**
 * Ends the list; instances made with it keep what they need. NULL does nothing.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_imports_destroy(struct rtw_imports_t *imports);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_instance_config_t) as the caller knows it: rtw_instance_config_init passes it, which only C and C++ have.
 */
void rtw_instance_config_init_sized(struct rtw_instance_config_t *config,
                                    size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_instance_config_init(struct rtw_instance_config_t *config)
{
    rtw_instance_config_init_sized(config, sizeof *config);
}

/**
 * Makes an instance: memory, tables and globals initialised, imports linked, the start function run.
 *
 * [setup]
 * module   is kept alive by the instance.
 * imports  NULL where the module imports nothing; read only during the call.
 * config   NULL for the defaults; read only during the call.
 * out      receives the instance, to be ended with rtw_instance_destroy; NULL on failure.
 * err      NULL, or filled, naming the import or limit concerned.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range),
 *         RTW_ERR_IMPORT_MISSING, RTW_ERR_IMPORT_TYPE, RTW_ERR_UNSUPPORTED (reference types at the boundary;
 *         RTW_GROWTH_AHEAD in the standalone profile; a budget for a module without the guard), RTW_ERR_LIMIT,
 *         RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK (the process locks all it maps, and may not lock the reservation),
 *         RTW_ERR_SIGNALS (see rtw_instance_prepare), RTW_ERR_STACK_SIZE (the module has a start function, and
 *         guest_stack_bytes and 32 KiB are not left of the thread's stack), RTW_ERR_TRAP_... and RTW_ERR_HOST (the start
 *         function ended so);
 *         with a budget that cuts off RTW_ERR_PERMISSION (an attached thread's priority leaves the watchdog no CPU) and
 *         RTW_ERR_FORKED (the runtime is the parent process's, and so is its watchdog).
 */
rtw_status_t rtw_instance_create(const struct rtw_module_t *module,
                                 const struct rtw_imports_t *imports,
                                 const struct rtw_instance_config_t *config,
                                 struct rtw_instance_t **out,
                                 struct rtw_error_t *err);

/**
 * Ends the use of an instance by its owner; funcs keep it alive. NULL does nothing.
 *
 * [setup]  No other thread uses the handle, and it is not in a call.
 */
void rtw_instance_destroy(struct rtw_instance_t *instance);

/**
 * Makes the guest new behind the same handle, after a fault or at any other time: memories, tables and globals as the module
 * has them, the start function run. Funcs stay valid, with their statistics. Pointers into the guest's memory do not: ask
 * for them again. Where the instance was prepared, its memory is made present again; dry calls are not repeated. Who calls the
 * instance meanwhile, from a signal handler or a worker's queue, is answered with RTW_ERR_BUSY.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call.
 * err  NULL, or filled. On failure the instance stays as it was.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BUSY, RTW_ERR_FORKED, RTW_ERR_LIMIT (the slot or the runtime may not hold two
 *         guests for the time of it), RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK, RTW_ERR_SIGNALS (see rtw_instance_prepare),
 *         RTW_ERR_STACK_SIZE (as for rtw_instance_create), RTW_ERR_TRAP_... and RTW_ERR_HOST (the start function ended so).
 */
rtw_status_t rtw_instance_reset(struct rtw_instance_t *instance, struct rtw_error_t *err);

/**
 * What the instance makes the host hold now, in bytes, while it is reset its next guest included; 0 for a handle that is none. It
 * is what the limits of instance, slot and runtime are held against.
 *
 * [any]
 */
uint64_t rtw_instance_held_bytes(const struct rtw_instance_t *instance);

/**
 * Tells what the fault was that ended the instance's last call.
 *
 * [setup]  On the thread that has the instance, or on another while no call runs.
 * out  filled on success; call rtw_fault_init first.
 * err  NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (the instance has not faulted).
 */
rtw_status_t rtw_instance_fault(struct rtw_instance_t *instance, struct rtw_fault_t *out, struct rtw_error_t *err);

/**
 * Prepares a fault struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_fault_t) as the caller knows it: rtw_fault_init passes it, which only C and C++ have.
 */
void rtw_fault_init_sized(struct rtw_fault_t *fault, size_t struct_size);

/**
 * Prepares a fault struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_fault_init(struct rtw_fault_t *fault)
{
    rtw_fault_init_sized(fault, sizeof *fault);
}

/**
 * Prepares a growth struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_growth_t) as the caller knows it: rtw_growth_init passes it, which only C and C++ have.
 */
void rtw_growth_init_sized(struct rtw_growth_t *growth, size_t struct_size);

/**
 * Prepares a growth struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_growth_init(struct rtw_growth_t *growth)
{
    rtw_growth_init_sized(growth, sizeof *growth);
}

/**
 * How often the instance's guest asked for more memory or larger tables since the instance was made, resets included, and what
 * became of it. Any thread may ask, also while calls go on.
 *
 * [any]
 * out  filled on success; call rtw_growth_init first.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 * real time: allocates 0, locks 0, system calls 0, page faults 0.
 */
rtw_status_t rtw_instance_growth(const struct rtw_instance_t *instance, struct rtw_growth_t *out) RTW_NONBLOCKING;

/**
 * Where an exported linear memory is and how large it is now.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
 * name  NULL: the one exported as "memory", else the first exported one.
 * out   receives base and size.
 * err   NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
 *         RTW_ERR_BUSY.
 */
rtw_status_t rtw_instance_memory(struct rtw_instance_t *instance,
                                 const char *name,
                                 struct rtw_memory_view_t *out,
                                 struct rtw_error_t *err);

/**
 * A pointer to `length` bytes at `offset` of the default memory (see rtw_instance_memory), or NULL if they are not all
 * inside, or the handle is none. Guests' pointers are offsets: this is how a host follows one.
 *
 * [rt]  On the thread that has the instance, also from its host functions.
 * Use it to hand a guest a block of samples or a record, and to follow a pointer that it returns or passes to a host function.
 * offset, length  in bytes.
 * returns  valid until the instance is reset or destroyed; the memory does not move.
 * real time: allocates 0, locks 0, system calls 0, page faults 0.
 */
void *rtw_instance_memory_at(struct rtw_instance_t *instance, uint64_t offset, uint64_t length) RTW_NONBLOCKING;

/**
 * Reads an exported global.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
 * name  the export.
 * out   receives the value.
 * err   NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
 *         RTW_ERR_UNSUPPORTED (a reference), RTW_ERR_BUSY.
 */
rtw_status_t rtw_instance_global_get(struct rtw_instance_t *instance,
                                     const char *name,
                                     union rtw_value_t *out,
                                     struct rtw_error_t *err);

/**
 * Writes an exported mutable global.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
 * name   the export.
 * value  read as the global's type says.
 * err    NULL, or filled.
 * errors: those of rtw_instance_global_get, and RTW_ERR_ARGUMENT (the global is immutable).
 */
rtw_status_t rtw_instance_global_set(struct rtw_instance_t *instance,
                                     const char *name,
                                     const union rtw_value_t *value,
                                     struct rtw_error_t *err);

/**
 * Looks up an exported function and checks its type once, so that calls need not. Two look-ups of one function are two funcs,
 * each with its own statistics.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call.
 * name       the export.
 * signature  such as "(i32,i32,f32)->()"; NULL: any.
 * out        receives the func, to be ended with rtw_func_destroy; NULL on failure. It keeps the instance alive.
 * err        NULL, or filled, naming what the type is and what was asked for.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
 *         RTW_ERR_SIGNATURE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_UNSUPPORTED (a reference type), RTW_ERR_BUSY.
 */
rtw_status_t rtw_instance_func(struct rtw_instance_t *instance,
                               const char *name,
                               const char *signature,
                               struct rtw_func_t **out,
                               struct rtw_error_t *err);

/**
 * Looks up several exported functions in one call, each as rtw_instance_func does: all that a host wants of a guest.
 *
 * [setup]  On the thread that has the instance, and not while it is in a call.
 * wanted  the functions, as many as `count` says; read only during the call.
 * count   how many there are.
 * out     receives as many funcs, each to be ended with rtw_func_destroy; NULL for an optional one that is not there. All are
 *         NULL on failure.
 * err     NULL, or filled, naming all exports that are missing or of another type than wanted.
 * errors: those of rtw_instance_func, for the first function that is missing or of another type; RTW_ERR_ARGUMENT (optional is
 *         neither 0 nor 1).
 */
rtw_status_t rtw_instance_funcs(struct rtw_instance_t *instance,
                                const struct rtw_wanted_func_t *wanted,
                                size_t count,
                                struct rtw_func_t **out,
                                struct rtw_error_t *err);

/**
 * Ends a func. NULL does nothing.
 *
 * [setup]  No other thread uses the handle, and no call of it is under way: not from a host function that it called.
 */
void rtw_func_destroy(struct rtw_func_t *func);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_thread_config_t) as the caller knows it: rtw_thread_config_init passes it, which only C and C++ have.
 */
void rtw_thread_config_init_sized(struct rtw_thread_config_t *config, size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_thread_config_init(struct rtw_thread_config_t *config)
{
    rtw_thread_config_init_sized(config, sizeof *config);
}

/**
 * Prepares the calling thread for real-time calls: scheduling and affinity set where asked, the engine's per-thread state
 * set up, where the runtime may load the standalone profile an alternate signal stack put in force and SIGSEGV, SIGILL and
 * SIGFPE unblocked where the
 * thread blocks them, and the runtime's housekeeper started to look after that, the stack touched down to what guests may use,
 * an arena made
 * ready from which a failing call is served instead of from malloc. A thread may be attached to several runtimes, but only
 * once to each. A thread that ends without detaching leaks nothing. From here on guests of the runtime may be called on this
 * thread, on its own stack and on those that it declares.
 *
 * [setup]  On the thread itself, on its own stack (not a coroutine's), before its deadlines matter.
 * config  NULL: as the runtime's configuration says.
 * err     NULL, or filled. Nothing is changed on failure.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; a stack overlaps
 *         another one or the thread's own, or is not writable), RTW_ERR_ATTACHED, RTW_ERR_PERMISSION (scheduling;
 *         a CPU that is not there, or not for this process; a priority that leaves the watchdog of the runtime's budgets no CPU),
 *         RTW_ERR_STACK_SIZE (the thread's stack has too little left, with the numbers; it is on another stack; a declared one
 *         is too small), RTW_ERR_MEMLOCK (only where locking is required),
 *         RTW_ERR_NO_MEMORY, RTW_ERR_IO (the system does not tell where the stack is), RTW_ERR_SIGNALS (standalone: somebody
 *         replaced the engine's handlers; the message names whose are there).
 */
rtw_status_t rtw_thread_attach(const struct rtw_runtime_t *runtime,
                               const struct rtw_thread_config_t *config,
                               struct rtw_error_t *err);

/**
 * Ends the calling thread's attachment and puts back what it found: scheduling, affinity, the treatment of denormals; with the last
 * attachment of the standalone profile the alternate signal stack, unless the host has set another meanwhile, and blocked
 * signals, those included that the host blocked while attached and a [setup] function unblocked. A stack that was locked stays
 * locked until the thread ends, since the host may have locked it too.
 *
 * [setup]  On the thread itself.
 * err  NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NOT_ATTACHED.
 */
rtw_status_t rtw_thread_detach(const struct rtw_runtime_t *runtime,
                               struct rtw_error_t *err);

/**
 * Whether the calling thread is attached to the runtime, for assertions of the host's.
 *
 * [any]
 * returns  1: it is; 0: it is not, or there is no such runtime.
 * real time: allocates 0, locks 0, system calls 0, page faults 0 on an attached thread; a comparison for each runtime that the
 *            thread is attached to.
 */
int32_t rtw_thread_is_attached(const struct rtw_runtime_t *runtime) RTW_NONBLOCKING;

/**
 * Fills a configuration with the defaults: no dry calls. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_prepare_config_t) as the caller knows it: rtw_prepare_config_init passes it, which only C and C++ have.
 */
void rtw_prepare_config_init_sized(struct rtw_prepare_config_t *config,
                                   size_t struct_size);

/**
 * Fills a configuration with the defaults: no dry calls. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_prepare_config_init(struct rtw_prepare_config_t *config)
{
    rtw_prepare_config_init_sized(config, sizeof *config);
}

/**
 * Prepares a report to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_prepare_report_t) as the caller knows it: rtw_prepare_report_init passes it, which only C and C++ have.
 */
void rtw_prepare_report_init_sized(struct rtw_prepare_report_t *report,
                                   size_t struct_size);

/**
 * Prepares a report to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_prepare_report_init(struct rtw_prepare_report_t *report)
{
    rtw_prepare_report_init_sized(report, sizeof *report);
}

/**
 * Makes an instance warm: its memories, its code and its funcs' statistics made present (by writing where they are written),
 * locked as the runtime's configuration says together with its globals, tables and the engine's records, then the dry calls.
 * Dry calls do not enter the funcs' statistics.
 *
 * [setup]  On the attached thread that will call, before its deadlines matter; may be repeated. Dry calls need no attached
 *          thread, but guest_stack_bytes and 32 KiB of the thread's stack.
 * config  NULL: no dry calls.
 * report  NULL, or filled on success.
 * err     NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a func of another instance, repeats out of
 *         range), RTW_ERR_VALUES, RTW_ERR_BUSY, RTW_ERR_MEMLOCK (only where locking is required),
 *         RTW_ERR_SIGNALS (standalone: somebody replaced the engine's handlers, or the host replaced the attached thread's alternate
 *         signal stack by one that is too small; the message names whose or how large), RTW_ERR_STACK_SIZE (there
 *         are dry calls, and no room for guests on the thread's stack), RTW_ERR_FORKED; and what a dry call answered, which
 *         leaves the instance faulted as any call does.
 */
rtw_status_t rtw_instance_prepare(struct rtw_instance_t *instance,
                                  const struct rtw_prepare_config_t *config,
                                  struct rtw_prepare_report_t *report,
                                  struct rtw_error_t *err);

/**
 * Runs one call of `func` on the calling thread.
 *
 * [rt & attached & prepared]  One thread at a time per instance; different instances run in parallel. Host functions may call
 * the instance that called them, on the stack that they were called on.
 * Use it for every call of one instance that stays in place; where instances are exchanged, calls go through a slot.
 * values       in: the arguments; out: the results, on RTW_OK only. Not converted: 16 bytes each, as the signature says.
 * value_count  how many values there are: at least the larger of the function's parameter and result counts; values may be
 *              NULL where both are 0.
 * returns  RTW_OK; RTW_ERR_TRAP_... or RTW_ERR_HOST when the guest's call ended early (the instance is then faulted);
 *          RTW_ERR_BUDGET when it was cut off (likewise); RTW_ERR_FAULTED when it already was; RTW_ERR_ARENA when it faulted
 *          and the reason did not fit; RTW_ERR_NO_MEMORY when a table was to grow (RTW_GROWTH_ALLOWED) and there was no memory;
 *          RTW_ERR_FORKED in a child process; RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_VALUES,
 *          RTW_ERR_BUSY (it is in a call, or is being reset), RTW_ERR_SIGNALS (standalone: a trap would end the process, see
 *          rtw_runtime_signals), RTW_ERR_POISONED, RTW_ERR_INTERNAL: then the guest was not entered, or is not entered again.
 *          RTW_ERR_NOT_ATTACHED: the thread is not attached to the instance's runtime (and see attach_on_call in
 *          rtw_runtime_config_t). RTW_ERR_STACK_SIZE: guest_stack_bytes and 32 KiB are not left of the stack that the thread
 *          is on, or that stack is neither its own nor declared (rtw_thread_config_t, stacks); from a host function: the stack
 *          is not the one that the guest runs on, or the guest's part of it is used up. The guest was not entered either.
 * real time: allocates 0, locks 0, system calls 0, page faults 0 once attached and prepared; two clock reads with statistics
 *          on. The first call of an instance on another thread or stack than its last one looks the thread up, which takes some
 *          tens of ns; on a thread whose cancellations are held off (on_cancel in rtw_thread_config_t) every call does.
 *          A fault takes some hundred bytes of the thread's arena instead of malloc's memory and gives them back; in the
 *          standalone profile it is delivered as a signal, whose handler takes a read lock on the engine's list of loaded code
 *          (see docs/real-time-contract.md). RTW_ERR_ARENA: the fault's reason did not fit into the arena. With RTW_SIGNALS_ASK
 *          every call makes five system calls; so does, otherwise, one that the housekeeper has told to ask.
 */
rtw_status_t rtw_invoke(struct rtw_func_t *func, union rtw_value_t *values, size_t value_count) RTW_NONBLOCKING;

/**
 * As rtw_invoke, with a budget for this one call in place of the instance's: a call that takes longer is cut off, or counted,
 * as the instance's on_budget says.
 *
 * [rt & attached & prepared]  As rtw_invoke.
 * Use it where one call may take longer than the others of its instance, or less: a preset that is loaded, a shorter block.
 * values, value_count  as for rtw_invoke.
 * budget_ns  the most that this call may take, in ns; 0: no limit. How soon after it a call is cut off depends on the
 *            watchdog's tick (rtw_runtime_config_t). A call that a host function makes runs under the budget of the one that
 *            called the host.
 * returns  as rtw_invoke; RTW_ERR_BUDGET: cut off, the instance is then faulted; RTW_ERR_UNSUPPORTED: budget_ns is not 0 and
 *          the instance was created without a budget, so nobody watches it.
 * real time: as rtw_invoke.
 */
rtw_status_t rtw_invoke_budget(struct rtw_func_t *func,
                               union rtw_value_t *values,
                               size_t value_count,
                               uint64_t budget_ns)
RTW_NONBLOCKING;

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_func_stats_t) as the caller knows it: rtw_func_stats_init passes it, which only C and C++ have.
 */
void rtw_func_stats_init_sized(struct rtw_func_stats_t *stats, size_t struct_size);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_func_stats_init(struct rtw_func_stats_t *stats)
{
    rtw_func_stats_init_sized(stats, sizeof *stats);
}

/**
 * Reads a func's statistics. Any thread may, at any time, also while the func is being called: the caller is not disturbed.
 * A call that ends meanwhile may be in some figures and not yet in others.
 *
 * [any] but a real-time thread: it copies 17 KiB.
 * stats   filled on success; all figures are 0 while there are no calls.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_func_stats(const struct rtw_func_t *func, struct rtw_func_stats_t *stats);

/**
 * Reads the statistics of all calls of an instance's funcs together since it was made: of those that are destroyed, too, and
 * whether or not they were reset meanwhile. A call that a host function makes from inside another counts, and so does the time
 * it takes, in both. Any thread may, also while calls go on.
 *
 * [any] but a real-time thread: it copies 17 KiB a func.
 * stats   filled on success; all figures are 0 while there are no calls.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_instance_stats(const struct rtw_instance_t *instance, struct rtw_func_stats_t *stats);

/**
 * Starts a func's statistics anew. Any thread may, also while the func is being called; a call that is just ending counts
 * once, before or after. Intervals and the instance's statistics know nothing of resets. Who wants to know what happened since
 * they last asked takes rtw_func_interval: a reset is for everybody.
 *
 * [any] but a real-time thread.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_func_stats_reset(struct rtw_func_t *func);

/**
 * The histogram behind the statistics: its non-empty buckets in ascending order.
 *
 * [any] but a real-time thread.
 * buckets   receives the first `capacity` of them; NULL where capacity is 0.
 * count     receives how many there are, which may be more than capacity; while calls go on the next reading may have more.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_func_buckets(const struct rtw_func_t *func, struct rtw_bucket_t *buckets, size_t capacity, size_t *count);

/**
 * Makes a slot, empty. A slot looks after its instances by the runtime's housekeeper: a plain thread that destroys what has
 * gone, makes spares and calls back, and looks every 5 ms, since a real-time thread cannot wake it.
 *
 * [setup]
 * runtime  is kept alive by the slot.
 * config   read only during the call, with all it points to.
 * out      receives the slot, to be ended with rtw_slot_destroy; NULL on failure.
 * err      NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (no function; a field is out of range; a dry
 *         call of a function that is not there), RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_NO_MEMORY, RTW_ERR_FORKED (the
 *         runtime is the parent process's).
 */
rtw_status_t rtw_slot_create(const struct rtw_runtime_t *runtime,
                             const struct rtw_slot_config_t *config,
                             struct rtw_slot_t **out,
                             struct rtw_error_t *err);

/**
 * Ends a slot and its instances, those included that were published, as far as the host does not keep them itself. Nobody is
 * called back any more when this returns. NULL does nothing.
 *
 * [setup]  No other thread uses the slot, and no block is begun. Not from its callbacks.
 */
void rtw_slot_destroy(struct rtw_slot_t *slot);

/**
 * Puts an instance in: looks its functions up, prepares it with the slot's dry calls (without any, only where it is not
 * prepared yet), carries the state over, and leaves it to the real-time thread, which takes it at its next block. What was
 * published before and not yet taken goes. From here on the instance is the slot's: nobody else calls it.
 *
 * [setup]  On any thread but the real-time one; publishers may be several, of which one at a time is served. Not from the
 *          callback that carries the state over.
 * instance     of the slot's runtime; kept alive by the slot, so that the host may destroy its handle. Host functions are
 *              given the slot's own handle from here on. One that the slot has let go may be published again.
 * publication  NULL, or receives the number of this publication, for events.
 * err          NULL, or filled, naming the export that is missing or the reason of the refusal.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (of another runtime, or in a slot already), RTW_ERR_NO_EXPORT,
 *         RTW_ERR_EXPORT_KIND, RTW_ERR_SIGNATURE, RTW_ERR_FAULTED, RTW_ERR_STATE (the state cannot be carried over; the old
 *         instance stays), RTW_ERR_BUSY (the instance is in a call; or the real-time thread left no time to save the state),
 *         RTW_ERR_PERMISSION (the system no longer permits membarrier(2), which keeps blocks out meanwhile), RTW_ERR_FORKED,
 *         RTW_ERR_STACK_SIZE (there are dry calls, or a state is carried over, and there is no room for guests on the thread's
 *         stack); and what rtw_instance_prepare answers.
 */
rtw_status_t rtw_slot_publish(struct rtw_slot_t *slot,
                              struct rtw_instance_t *instance,
                              uint64_t *publication,
                              struct rtw_error_t *err);

/**
 * Begins a block: takes what was published, or a spare where the instance has faulted. The block's instance stays the same
 * until rtw_slot_end; its functions are called with rtw_invoke, its memory is reached as any instance's.
 *
 * [rt & attached]  One thread at a time, always in turn with rtw_slot_end.
 * Use it for a block of several calls or with access to the instance's memory; for a single call there is rtw_slot_invoke.
 * block    filled on success.
 * returns  RTW_OK; RTW_ERR_EMPTY: nothing was published yet; RTW_ERR_FAULTED: the instance has faulted, and no spare is ready;
 *          RTW_ERR_BUSY: the instance's state is being saved, or a block has begun and not ended; RTW_ERR_NOT_ATTACHED,
 *          RTW_ERR_STACK_SIZE: as for rtw_invoke; RTW_ERR_NULL, RTW_ERR_HANDLE. Then no block has begun.
 * real time: allocates 0, locks 0, system calls 0, page faults 0; taking an instance exchanges one pointer.
 */
rtw_status_t rtw_slot_begin(struct rtw_slot_t *slot, struct rtw_block_t *block) RTW_NONBLOCKING;

/**
 * Ends the block that was begun.
 *
 * [rt & in block]  The thread that began it.
 * Use it after the last call of a block, also where one has failed: what was published is taken at the next rtw_slot_begin.
 * returns  RTW_OK, RTW_ERR_NULL, RTW_ERR_HANDLE; RTW_ERR_EMPTY: no block has begun.
 * real time: allocates 0, locks 0, system calls 0, page faults 0.
 */
rtw_status_t rtw_slot_end(struct rtw_slot_t *slot) RTW_NONBLOCKING;

/**
 * A block of one call: rtw_slot_begin, rtw_invoke, rtw_slot_end.
 *
 * [rt & attached]  One thread at a time, not inside a block.
 * Use it where a block is one call with numbers alone: a controller's step.
 * func_index           which of the slot's functions.
 * values, value_count  as for rtw_invoke.
 * flags                NULL, or receives the block's RTW_BLOCK_ constants; 0 where no block began.
 * returns  what rtw_slot_begin or rtw_invoke answers; RTW_ERR_BOUNDS: there is no such function.
 * real time: allocates 0, locks 0, system calls 0, page faults 0, as rtw_slot_begin and rtw_invoke.
 */
rtw_status_t rtw_slot_invoke(struct rtw_slot_t *slot,
                             uint32_t func_index,
                             union rtw_value_t *values,
                             size_t value_count,
                             uint32_t *flags)
RTW_NONBLOCKING;

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_slot_stats_t) as the caller knows it: rtw_slot_stats_init passes it, which only C and C++ have.
 */
void rtw_slot_stats_init_sized(struct rtw_slot_stats_t *stats, size_t struct_size);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_slot_stats_init(struct rtw_slot_stats_t *stats)
{
    rtw_slot_stats_init_sized(stats, sizeof *stats);
}

/**
 * What has happened behind a slot.
 *
 * [any] but a real-time thread.
 * stats   filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 */
rtw_status_t rtw_slot_stats(const struct rtw_slot_t *slot, struct rtw_slot_stats_t *stats);

/**
 * How long the calls of one of the slot's functions took, on whichever of its instances; last_ns and duration_ns are 0.
 *
 * [any] but a real-time thread.
 * func_index  which of the slot's functions.
 * stats       filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_BOUNDS, RTW_ERR_UNSUPPORTED (the runtime's statistics are
 *         off).
 */
rtw_status_t rtw_slot_func_stats(const struct rtw_slot_t *slot, uint32_t func_index, struct rtw_func_stats_t *stats);

/**
 * Fills a configuration with the defaults; funcs has to be set. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_slot_config_t) as the caller knows it: rtw_slot_config_init passes it, which only C and C++ have.
 */
void rtw_slot_config_init_sized(struct rtw_slot_config_t *config, size_t struct_size);

/**
 * Fills a configuration with the defaults; funcs has to be set. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_slot_config_init(struct rtw_slot_config_t *config)
{
    rtw_slot_config_init_sized(config, sizeof *config);
}

/**
 * Makes a worker: its thread is created and attached, with scheduling, affinity and locked memory as asked for. It does
 * nothing until it is started. The process's signals are blocked on it, but for those that a thread causes itself.
 *
 * [setup]
 * runtime  is kept alive by the worker, as are the funcs that the configuration names.
 * config   read only during the call, with all that it points to; step, setup and user_data are used until the worker is
 *          destroyed.
 * out      receives the worker, to be ended with rtw_worker_destroy; NULL on failure.
 * err      NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range or belongs to the other
 *         kind, a func of another runtime), RTW_ERR_VALUES, RTW_ERR_LIMIT (the name is too long),
 *         RTW_ERR_NO_MEMORY, RTW_ERR_SIGNALS; and where strict: RTW_ERR_PERMISSION (scheduling or affinity), RTW_ERR_MEMLOCK.
 */
rtw_status_t rtw_worker_create(const struct rtw_runtime_t *runtime,
                               const struct rtw_worker_config_t *config,
                               struct rtw_worker_t **out,
                               struct rtw_error_t *err);

/**
 * Ends a worker: stops it if it runs, and ends its thread. NULL does nothing. In a forked child, which does not have the
 * thread, only the handle ends. On the worker's own thread it does not wait, and the thread ends when the step is over.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_worker_destroy(struct rtw_worker_t *worker);

/**
 * Starts a worker: on its thread, setup is called, guests are prepared and the dry calls made; then it runs, and the first
 * tick is due one period later. Returns as soon as it runs. While it runs, the instances that it calls are the worker's.
 *
 * [setup]  From any thread but the worker's own.
 * err  NULL, or filled. The worker stays stopped on failure.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_RUNNING, RTW_ERR_POISONED; where strict RTW_ERR_PERMISSION and
 *         RTW_ERR_UNSUPPORTED (dma_latency_us); what rtw_instance_prepare and setup answered.
 */
rtw_status_t rtw_worker_start(struct rtw_worker_t *worker, struct rtw_error_t *err);

/**
 * Stops a worker and waits until the step or invocation that is under way is over; a worker that does not run stays so. What a
 * queue has not begun is cancelled. The instances are then free for other threads. On the worker's own thread it returns at
 * once, and the run ends with the step.
 *
 * [any] but a real-time thread.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_stop(struct rtw_worker_t *worker);

/**
 * Waits until a worker does not run: it was stopped, or stopped by itself (rtw_worker_info_t tells why).
 *
 * [any] but a real-time thread.
 * timeout_ns  how long to wait at most; 0: not at all; RTW_FOREVER.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_TIMEOUT, RTW_ERR_BUSY (on the worker's own thread).
 */
rtw_status_t rtw_worker_join(struct rtw_worker_t *worker, uint64_t timeout_ns);

/**
 * Prepares an info struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_worker_info_t) as the caller knows it: rtw_worker_info_init passes it, which only C and C++ have.
 */
void rtw_worker_info_init_sized(struct rtw_worker_info_t *info, size_t struct_size);

/**
 * Prepares an info struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_worker_info_init(struct rtw_worker_info_t *info)
{
    rtw_worker_info_init_sized(info, sizeof *info);
}

/**
 * Tells whether a worker runs, what scheduling it has got, what ended it, and how many warnings there are.
 *
 * [any] but a real-time thread.
 * info  filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_info(const struct rtw_worker_t *worker, struct rtw_worker_info_t *info);

/**
 * Tells what the system refused that was asked for and not insisted on (strict), in words: first what the thread could not
 * get, then what the last start could not. One more is no refusal: that RLIMIT_RTTIME may end the process while a step computes,
 * told to a worker of SCHED_FIFO or SCHED_RR whose instances' budgets do not end before.
 *
 * [any] but a real-time thread.
 * index  0 to warning_count - 1 of rtw_worker_info_t.
 * out    receives the refusal as it would have been told as an error.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_BOUNDS (there are not so many).
 */
rtw_status_t rtw_worker_warning(const struct rtw_worker_t *worker,
                                uint32_t index,
                                struct rtw_error_t *out);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_worker_config_t) as the caller knows it: rtw_worker_config_init passes it, which only C and C++ have.
 */
void rtw_worker_config_init_sized(struct rtw_worker_config_t *config, size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_worker_config_init(struct rtw_worker_config_t *config)
{
    rtw_worker_config_init_sized(config, sizeof *config);
}

/**
 * Gives a worker of the kind RTW_WORKER_QUEUE an invocation to run, and returns at once. Every invocation that was accepted is
 * answered by exactly one completion: rtw_worker_poll, rtw_worker_wait. They run in the order of submission.
 *
 * [any] but a real-time thread: submitters take turns at a lock, which the worker never touches.
 * func         may be destroyed once this has returned.
 * values       the arguments; copied.
 * value_count  as for rtw_invoke, and at most RTW_WORKER_VALUES.
 * tag          comes back in the completion; need not be unique.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_POISONED, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
 *         RTW_ERR_VALUES, RTW_ERR_LIMIT (more than RTW_WORKER_VALUES), RTW_ERR_ARGUMENT (a func of another runtime),
 *         RTW_ERR_FULL (queue_capacity invocations are under way or their completions not taken), RTW_ERR_STOPPED.
 */
rtw_status_t rtw_worker_submit(struct rtw_worker_t *worker,
                               struct rtw_func_t *func,
                               const union rtw_value_t *values,
                               size_t value_count,
                               uint64_t tag);

/**
 * Has a worker of the kind RTW_WORKER_QUEUE run an invocation, and waits for its end: rtw_invoke on another thread. No
 * completion comes of it.
 *
 * [any] but a real-time thread, nor the worker's own.
 * values  in: the arguments; out: the results, on RTW_OK only.
 * errors: those of rtw_worker_submit, and of rtw_invoke; RTW_ERR_CANCELLED (the worker was stopped first); RTW_ERR_BUSY (on
 *         the worker's own thread).
 */
rtw_status_t rtw_worker_invoke(struct rtw_worker_t *worker,
                               struct rtw_func_t *func,
                               union rtw_value_t *values,
                               size_t value_count);

/**
 * Prepares a completion to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_completion_t) as the caller knows it: rtw_completion_init passes it, which only C and C++ have.
 */
void rtw_completion_init_sized(struct rtw_completion_t *completion, size_t struct_size);

/**
 * Prepares a completion to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_completion_init(struct rtw_completion_t *completion)
{
    rtw_completion_init_sized(completion, sizeof *completion);
}

/**
 * Takes the oldest completion, if there is one. Each is taken once, whoever asks.
 *
 * [any] but a real-time thread.
 * out  filled on success; call rtw_completion_init first.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
 *         RTW_ERR_EMPTY.
 */
rtw_status_t rtw_worker_poll(struct rtw_worker_t *worker, struct rtw_completion_t *out);

/**
 * The same, waiting for one.
 *
 * [any] but a real-time thread.
 * out         filled on success; call rtw_completion_init first.
 * timeout_ns  how long to wait at most; RTW_FOREVER.
 * errors: those of rtw_worker_poll but RTW_ERR_EMPTY; RTW_ERR_TIMEOUT; RTW_ERR_STOPPED (the worker does not run, and its
 *         completions are all taken).
 */
rtw_status_t rtw_worker_wait(struct rtw_worker_t *worker, struct rtw_completion_t *out, uint64_t timeout_ns);

/**
 * Cancels all invocations with a tag that have not begun. Their completions, with RTW_ERR_CANCELLED, come in their turn.
 *
 * [any] but a real-time thread.
 * count  NULL, or receives how many those are, also 0.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker), RTW_ERR_EMPTY (none with that
 *         tag was waiting: it ran, runs, or never was).
 */
rtw_status_t rtw_worker_cancel(struct rtw_worker_t *worker, uint64_t tag, size_t *count);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_worker_stats_t) as the caller knows it: rtw_worker_stats_init passes it, which only C and C++ have.
 */
void rtw_worker_stats_init_sized(struct rtw_worker_stats_t *stats, size_t struct_size);

/**
 * Prepares a stats struct to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_worker_stats_init(struct rtw_worker_stats_t *stats)
{
    rtw_worker_stats_init_sized(stats, sizeof *stats);
}

/**
 * Reads a worker's statistics. Any thread may, at any time: the worker is not disturbed. A step that ends meanwhile may be in
 * some figures and not yet in others. The thread enters a step after its end, and asks the system then, once a step, for its
 * page faults and switches.
 *
 * [any] but a real-time thread: it copies some 80 KiB.
 * stats  filled on success.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_stats(const struct rtw_worker_t *worker, struct rtw_worker_stats_t *stats);

/**
 * Starts a worker's statistics anew, but for what is counted since it was made. Any thread may, also while it runs; a step
 * that is just ending counts as before the reset.
 *
 * [any] but a real-time thread.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_stats_reset(struct rtw_worker_t *worker);

/**
 * The histogram behind one of the distributions: its non-empty buckets in ascending order.
 *
 * [any] but a real-time thread.
 * series    RTW_SERIES_WAKE_UP ...
 * out       receives the first `capacity` of them; NULL where capacity is 0.
 * count     receives how many there are, which may be more than capacity; while the worker runs the next reading may have
 * more.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_ARGUMENT (there is no such series).
 */
rtw_status_t rtw_worker_buckets(const struct rtw_worker_t *worker,
                                uint32_t series,
                                struct rtw_bucket_t *out,
                                size_t capacity,
                                size_t *count);

/**
 * The steps or invocations with the longest response times since the statistics began, worst first; 32 are kept.
 *
 * [any] but a real-time thread.
 * out       receives the first `capacity` of them; NULL where capacity is 0.
 * count     receives how many there are, which may be more than capacity.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_worst(const struct rtw_worker_t *worker, struct rtw_worst_t *out, size_t capacity, size_t *count);

/**
 * The longest response time of each second in which something ran, oldest first; the last ten minutes are kept.
 *
 * [any] but a real-time thread.
 * out       receives the first `capacity` of them; NULL where capacity is 0.
 * count     receives how many there are, which may be more than capacity.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
 */
rtw_status_t rtw_worker_timeline(const struct rtw_worker_t *worker, struct rtw_second_t *out, size_t capacity, size_t *count);

/**
 * Makes an interval of one of a worker's distributions; it begins now. In its readings `call` is that
 * distribution; faults, cut-offs and misses are in rtw_worker_stats_t alone.
 *
 * [setup]
 * worker  what it has recorded is kept alive by the interval.
 * series  RTW_SERIES_WAKE_UP, RTW_SERIES_CALL, RTW_SERIES_RESPONSE or RTW_SERIES_JITTER.
 * out     receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
 * err     NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (there is no such series).
 */
rtw_status_t rtw_worker_interval(const struct rtw_worker_t *worker,
                                 uint32_t series,
                                 struct rtw_interval_t **out,
                                 struct rtw_error_t *err);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_host_config_t) as the caller knows it: rtw_host_config_init passes it, which only C and C++ have.
 */
void rtw_host_config_init_sized(struct rtw_host_config_t *config, size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_host_config_init(struct rtw_host_config_t *config)
{
    rtw_host_config_init_sized(config, sizeof *config);
}

/**
 * Prepares a finding to be filled. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_host_finding_t) as the caller knows it: rtw_host_finding_init passes it, which only C and C++ have.
 */
void rtw_host_finding_init_sized(struct rtw_host_finding_t *finding, size_t struct_size);

/**
 * Prepares a finding to be filled. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_host_finding_init(struct rtw_host_finding_t *finding)
{
    rtw_host_finding_init_sized(finding, sizeof *finding);
}

/**
 * Examines this machine and process for what makes real-time threads late, as `rtwasm doctor` does. Reads files below /proc,
 * /sys and others, and changes nothing; what cannot be read is RTW_HOST_UNKNOWN and no error. Takes some milliseconds, and
 * with probes as long as they were asked to: they run on threads of their own.
 *
 * [setup]
 * config  NULL for the defaults; read only during the call.
 * out     receives the report, to be ended with rtw_host_report_destroy; NULL on failure.
 * err     NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, root is not UTF-8), RTW_ERR_IO (root is
 *          not a directory); for an artifact that is none, the errors of rtw_module_probe.
 */
rtw_status_t rtw_host_check(const struct rtw_host_config_t *config, struct rtw_host_report_t **out, struct rtw_error_t *err);

/**
 * Ends a report. NULL does nothing.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_host_report_destroy(struct rtw_host_report_t *report);

/**
 * How many findings the report has, one a check; 0 for a handle that is none.
 *
 * [any]
 */
size_t rtw_host_report_count(const struct rtw_host_report_t *report);

/**
 * One finding. Bad ones come first, the worst of them first, then unknown, good and skipped ones.
 *
 * [any]
 * out  filled on success; its strings live as long as the report's handle.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_BOUNDS.
 */
rtw_status_t rtw_host_report_finding(const struct rtw_host_report_t *report, size_t index, struct rtw_host_finding_t *out);

/**
 * Whether the machine is ready for a class of work.
 *
 * [any]
 * host_class  one that was judged, or RTW_HOST_CLASS_ALL for the worst of those.
 * verdict     receives RTW_HOST_READY, RTW_HOST_READY_WITH_WARNINGS or RTW_HOST_NOT_READY.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (no such class, or not one that was judged).
 */
rtw_status_t rtw_host_report_verdict(const struct rtw_host_report_t *report, uint32_t host_class, uint32_t *verdict);

/**
 * Makes an interval of a func's calls; it begins now.
 *
 * [setup]
 * func  is kept alive by the interval, with its statistics.
 * out   receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
 * err   NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_func_interval(const struct rtw_func_t *func, struct rtw_interval_t **out, struct rtw_error_t *err);

/**
 * Makes an interval of the calls of all of an instance's funcs together, future ones included; it begins now.
 *
 * [setup]
 * instance  is kept alive by the interval.
 * out       receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
 * err       NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
 */
rtw_status_t rtw_instance_interval(const struct rtw_instance_t *instance, struct rtw_interval_t **out, struct rtw_error_t *err);

/**
 * Reads what happened since the last reading, or since the interval was made, and begins the next one. Calls and their times
 * are exact; the extremes are where they can be told (a single call, a new extreme of all), else they are the outer end of
 * their bucket, which is at most 1.6 % wide: min_ns is never too long, max_ns never too short.
 *
 * [any] but a real-time thread: it copies 17 KiB a func. Threads that share an interval take turns.
 * stats   filled on success; call rtw_func_stats_init first. duration_ns is the interval's length.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
 */
rtw_status_t rtw_interval_read(struct rtw_interval_t *interval, struct rtw_func_stats_t *stats);

/**
 * Ends an interval. NULL does nothing.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_interval_destroy(struct rtw_interval_t *interval);

/**
 * Creates a recorder, with its memory present, and locked if the runtime's configuration says so.
 *
 * [setup]
 * runtime  whose memory_lock it follows; need not outlive it.
 * name     what exports call it, such as "chain"; copied.
 * out      receives the recorder, to be destroyed with rtw_recorder_destroy; NULL on failure.
 * err      NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK (only where
 *         locking is required).
 */
rtw_status_t rtw_recorder_create(const struct rtw_runtime_t *runtime,
                                 const char *name,
                                 struct rtw_recorder_t **out,
                                 struct rtw_error_t *err);

/**
 * Records one time.
 *
 * [rt]  One thread at a time per recorder.
 * Use it for times that the library does not see: from the device's interrupt to the last sample, around several calls.
 * ns  the time; 100 s and more are counted, and in max_ns, but in no bucket.
 * returns  RTW_OK, RTW_ERR_NULL, RTW_ERR_HANDLE.
 * real time: allocates 0, locks 0, system calls 0, page faults 0.
 */
rtw_status_t rtw_recorder_record_ns(struct rtw_recorder_t *recorder, uint64_t ns) RTW_NONBLOCKING;

/**
 * Reads a recorder's statistics, since it was created: `call` is the distribution of its times. Any thread may, at any time, also
 * while the recorder is used.
 *
 * [any] but a real-time thread: it copies 17 KiB.
 * stats   filled on success; call rtw_func_stats_init first.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_NO_MEMORY.
 */
rtw_status_t rtw_recorder_stats(const struct rtw_recorder_t *recorder,
                                struct rtw_func_stats_t *stats);

/**
 * Creates an interval of a recorder's times; it begins now.
 *
 * [setup]
 * recorder  is kept alive by the interval, with what it has recorded.
 * out       receives the interval, to be destroyed with rtw_interval_destroy; NULL on failure.
 * err       NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NO_MEMORY.
 */
rtw_status_t rtw_recorder_interval(const struct rtw_recorder_t *recorder, struct rtw_interval_t **out, struct rtw_error_t *err);

/**
 * Ends the use of a recorder by its owner; intervals keep it alive. NULL does nothing.
 *
 * [setup]  No other thread uses the handle.
 */
void rtw_recorder_destroy(struct rtw_recorder_t *recorder);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 * struct_size  sizeof(rtw_export_config_t) as the caller knows it: rtw_export_config_init passes it, which only C and C++ have.
 */
void rtw_export_config_init_sized(struct rtw_export_config_t *config, size_t struct_size);

/**
 * Fills a configuration with the defaults. NULL does nothing.
 *
 * [any]
 */
static inline void rtw_export_config_init(struct rtw_export_config_t *config)
{
    rtw_export_config_init_sized(config, sizeof *config);
}

/**
 * Writes a func's statistics, since it was made or last reset. Calls may go on meanwhile.
 *
 * [setup]
 * config  what to write, and where to; read only during the call.
 * length  NULL, or receives the text's length in bytes without the NUL; on RTW_ERR_LIMIT as well. While calls go on, the next
 *         text may be longer.
 * err     NULL, or filled.
 * errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, a string is not UTF-8,
 *         there is no such series), RTW_ERR_UNSUPPORTED (the runtime's statistics are off), RTW_ERR_LIMIT (the buffer is too
 *         small: nothing is written to it), RTW_ERR_IO (the file cannot be written; one that was there is as it was).
 */
rtw_status_t rtw_func_export(const struct rtw_func_t *func,
                             const struct rtw_export_config_t *config,
                             size_t *length,
                             struct rtw_error_t *err);

/**
 * Writes an instance's statistics: all its calls together, those of funcs that are destroyed included, since it was made; then
 * those of each function that has a func, since that was made or last reset.
 *
 * [setup]
 * config  what to write, and where to; read only during the call. A name also stands before those of the functions:
 *         "left/gain".
 * length  as for rtw_func_export.
 * err     NULL, or filled.
 * errors: those of rtw_func_export.
 */
rtw_status_t rtw_instance_export(const struct rtw_instance_t *instance,
                                 const struct rtw_export_config_t *config,
                                 size_t *length,
                                 struct rtw_error_t *err);

/**
 * Writes what an interval's readings have found so far, together, with a time line that has the maximum of each. It does not
 * read: what happened since the last reading is not in it.
 *
 * [setup]
 * config  what to write, and where to; read only during the call.
 * length  as for rtw_func_export.
 * err     NULL, or filled.
 * errors: those of rtw_func_export.
 */
rtw_status_t rtw_interval_export(const struct rtw_interval_t *interval,
                                 const struct rtw_export_config_t *config,
                                 size_t *length,
                                 struct rtw_error_t *err);

/**
 * Writes a worker's statistics, since it was made or last reset: call times, wake-up latencies, response times from the
 * intended start, period jitter; the longest of each second, and the worst calls with what went along with them.
 *
 * [setup]
 * config  what to write, and where to; read only during the call.
 * length  as for rtw_func_export.
 * err     NULL, or filled.
 * errors: those of rtw_func_export but RTW_ERR_UNSUPPORTED.
 */
rtw_status_t rtw_worker_export(const struct rtw_worker_t *worker,
                               const struct rtw_export_config_t *config,
                               size_t *length,
                               struct rtw_error_t *err);

/**
 * Writes the statistics of several subjects together: the effects of a chain on one page, everything that a process has for
 * one scraper. (OpenMetrics texts cannot be put one after the other.)
 *
 * [setup]
 * subjects      as many as `count` says; read only during the call.
 * count         how many there are, at least 1.
 * subject_size  sizeof(rtw_export_subject_t): how far apart they are.
 * config        what to write, and where to; its name is NULL, as each subject has its own; read only during the call.
 * length        as for rtw_func_export.
 * err           NULL, or filled.
 * errors: those of rtw_func_export, and RTW_ERR_ARGUMENT (a subject without a handle or with several, two of the same kind and
 *         name, a name in config).
 */
rtw_status_t rtw_export(const struct rtw_export_subject_t *subjects,
                        size_t count,
                        size_t subject_size,
                        const struct rtw_export_config_t *config,
                        size_t *length,
                        struct rtw_error_t *err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RTWASM_H */
