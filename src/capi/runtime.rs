//! Runtimes: the engine, its threads, and what attached threads get.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle::{self, Noun, Pool};
use super::instance::rtw_instance_t;
use super::stats::{distribution, rtw_distribution_t};
use crate::engine::artifact::PublicKey;
use crate::engine::artifact::signature::is_key;
use crate::engine::budget::watchdog;
use crate::engine::housekeeper::LOOK_EVERY;
use crate::engine::log::{self, Sink};
use crate::engine::profile::{DEFAULT_GUEST_STACK_BYTES, Profile};
use crate::engine::runtime::{Config, Runtime};
use crate::ffi::{self, flag, out_of_range};
use crate::rt::panics;
use crate::status::*;
use crate::sys::affinity::CpuSet;
use crate::sys::fpu::Denormals;
use crate::sys::memory::Lock;
use crate::sys::sched::Policy;

/// Guard pages and signal handlers: the fastest code, for hosts that own their process.
pub const RTW_PROFILE_STANDALONE: u32 = 0;
/// Explicit checks and no signal handlers: for code in another program's process.
pub const RTW_PROFILE_PLUGIN: u32 = 1;
/// Loads artifacts of both profiles. For runtimes only; no artifact has it.
pub const RTW_PROFILE_ANY: u32 = 2;

/// Does not change the scheduling.
pub const RTW_SCHED_KEEP: u32 = 0;
/// SCHED_OTHER.
pub const RTW_SCHED_OTHER: u32 = 1;
/// SCHED_FIFO.
pub const RTW_SCHED_FIFO: u32 = 2;
/// SCHED_RR.
pub const RTW_SCHED_RR: u32 = 3;

/// Locks no memory.
pub const RTW_LOCK_OFF: u32 = 0;
/// Locks as much of the memory that calls touch as the system permits; rtw_prepare_report_t reports how much that is.
pub const RTW_LOCK_ON: u32 = 1;
/// Locks the memory that calls touch; a function that cannot lock it returns RTW_ERR_MEMLOCK.
pub const RTW_LOCK_REQUIRED: u32 = 2;

/// The housekeeper thread checks ten times a second that the engine's signal handlers are installed and their signals are not
/// blocked (docs/real-time-contract.md, Signals). Calls check nothing until it finds something wrong.
pub const RTW_SIGNALS_LOOK: u32 = 0;
/// Every call of a standalone guest checks signal handlers and mask itself, with five system calls: 3 sigaction (on aarch64 2),
/// 1 sigprocmask, 1 sigaltstack. Calls of plug-in guests check nothing.
pub const RTW_SIGNALS_ASK: u32 = 1;

/// The thread's mode for denormal numbers is not changed.
pub const RTW_DENORMALS_KEEP: u32 = 0;
/// Treats denormal numbers as zero (FTZ and DAZ on x86-64, FZ on aarch64). Without it, decaying filters and reverbs can
/// become many times slower.
pub const RTW_DENORMALS_FLUSH: u32 = 1;
/// Computes with denormal numbers, as IEEE 754 and WebAssembly require.
pub const RTW_DENORMALS_IEEE: u32 = 2;

/// Number of 64-bit words in a CPU set, for 1024 CPUs.
pub const RTW_CPU_SET_WORDS: usize = 16;

/// A runtime: the context of modules, instances, slots and workers, to which threads attach. It has the engine, the defaults
/// for attached threads, and two threads: the housekeeper, which looks after slots and signal handlers, and the watchdog,
/// which cuts off calls at their budget.
pub struct rtw_runtime_t {
    _private: [u8; 0],
}

/// Runtime configuration. Call rtw_runtime_config_init first.
#[repr(C)]
pub struct rtw_runtime_config_t {
    /// sizeof(rtw_runtime_config_t), set by rtw_runtime_config_init.
    pub struct_size: u32,
    /// RTW_PROFILE_ANY (default): loads artifacts of both profiles, and sets up each engine when it first loads one. If
    /// allow_signal_handlers is 1, rtw_thread_attach prepares the thread for both profiles. Compared with RTW_PROFILE_PLUGIN
    /// this costs 256 KiB per thread for a signal stack, four more system calls at attach and three at detach, and the
    /// housekeeper's checks of handlers and masks, ten times a second. RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN: loads
    /// artifacts of that profile; others return RTW_ERR_PROFILE.
    pub profile: u32,
    /// The CPUs for attached threads: bit n % 64 of word n / 64 is CPU n. All zero (default): affinity is not changed.
    pub cpu_set: [u64; RTW_CPU_SET_WORDS],
    /// Scheduling policy of attached threads and workers by default, above which the watchdog runs: RTW_SCHED_KEEP (default),
    /// RTW_SCHED_OTHER, RTW_SCHED_FIFO or RTW_SCHED_RR.
    pub sched_policy: u32,
    /// Priority for sched_policy: 1 to 99 for RTW_SCHED_FIFO and RTW_SCHED_RR, otherwise 0.
    pub priority: i32,
    /// 1 (default): the library times and records every call. 0: it does not, which saves two clock reads a call.
    pub statistics: u32,
    /// RTW_LOCK_OFF (default), RTW_LOCK_ON or RTW_LOCK_REQUIRED: whether memory that calls touch is locked.
    pub memory_lock: u32,
    /// Stack that a guest may use in one call, in bytes: 16 KiB to 64 MiB. 0 (default): 256 KiB. rtw_thread_attach needs 64
    /// KiB more of free stack. A call needs 32 KiB more, for host functions and signal handlers, else it returns
    /// RTW_ERR_STACK_SIZE.
    pub guest_stack_bytes: u64,
    /// Time between two checks of the watchdog for calls over their budget, in ns: 50,000 to 250,000,000. 0 (default): a
    /// quarter of the smallest budget of the runtime's instances.
    pub watchdog_tick_ns: u64,
    /// RTW_SIGNALS_LOOK (default) or RTW_SIGNALS_ASK: whether the housekeeper or every call checks that the signal handlers
    /// of the standalone profile are installed and their signals not blocked. If they are not, calls return RTW_ERR_SIGNALS.
    pub signal_checks: u32,
    /// 0 (default): a call on a thread that is not attached returns RTW_ERR_NOT_ATTACHED. 1: such a call first attaches its
    /// thread, as rtw_thread_attach does but without changing scheduling and affinity. For hosts that do not know their
    /// threads in advance, such as a thread pool that calls a plug-in. The thread's first call then takes locks, allocates,
    /// touches the stack and makes 16 (plugin profile) to 27 system calls, the first in a process about 16 more: 0.1 to 0.2
    /// ms on a virtual EPYC. late_attaches of rtw_runtime_stats_t counts these calls. If the thread cannot be attached, the
    /// call returns the error of rtw_thread_attach. The thread is detached when it ends, or by rtw_thread_detach. With this
    /// field set, do not call guests from signal handlers.
    pub attach_on_call: u32,
    /// 1 (default): the library installs the engine's handlers for SIGSEGV, SIGILL and SIGFPE, once a process, with the first
    /// standalone runtime or artifact. 0: this runtime never installs handlers and attach leaves the thread's signals alone;
    /// functions that would need them return RTW_ERR_SIGNALS. For plug-ins: whatever file the user picks, the host's process
    /// keeps its handlers.
    pub allow_signal_handlers: u32,
    /// Most memory that all guests of the runtime may hold together, in bytes, counted as for memory_limit_bytes of
    /// rtw_instance_config_t. Beyond it, creating or resetting an instance and making a spare return RTW_ERR_LIMIT, and
    /// growth fails inside the guest. 0 (default): no limit.
    pub memory_limit_bytes: u64,
    /// Ed25519 public keys; copied. The runtime loads only artifacts that one of them has signed (rtwasm sign). It returns
    /// RTW_ERR_UNSIGNED for others, and RTW_ERR_FORGED for those that were changed after signing. NULL (default): it loads any
    /// artifact.
    pub trusted_keys: *const rtw_public_key_t,
    /// Number of keys in trusted_keys: 1 to RTW_TRUSTED_KEYS_MOST; 0 (default) if trusted_keys is NULL.
    pub trusted_key_count: u32,
    /// The oldest compiler release whose artifacts load: major * 65536 + minor * 256 + patch. Others are refused with
    /// RTW_ERR_COMPILER. 0 (default): any.
    pub min_compiler_release: u32,
    /// Receives what guests print and log. NULL (default): it is discarded.
    pub on_log: rtw_log_func_t,
    /// Passed to on_log.
    pub log_user_data: *mut c_void,
}

/// The guest printed it to stdout.
pub const RTW_LOG_PRINTED: u32 = 0;
/// For the guest's own use: details.
pub const RTW_LOG_DEBUG: u32 = 1;
/// For the guest's own use: ordinary messages.
pub const RTW_LOG_INFO: u32 = 2;
/// The guest printed it to stderr, or messages were dropped.
pub const RTW_LOG_WARNING: u32 = 3;
/// The guest said why it ended itself.
pub const RTW_LOG_ERROR: u32 = 4;
/// Longest message of the log, in bytes.
pub const RTW_LOG_LONGEST: usize = 1000;
const _: () = assert!(RTW_LOG_LONGEST == log::LONGEST);

/// The most trusted_keys of a runtime.
pub const RTW_TRUSTED_KEYS_MOST: u32 = 256;

/// An Ed25519 public key. Its layout is final.
#[repr(C)]
pub struct rtw_public_key_t {
    /// The key, as RFC 8032 encodes it.
    pub bytes: [u8; 32],
}

/// Log callback: receives one message, or one printed line without its end. Runs on the housekeeper thread, some milliseconds
/// after the guest has logged; after the instance was destroyed, it receives what was left. It must return, and must not
/// destroy the runtime. A message that finds the log full is dropped whole; the callback then receives a message that counts
/// them, and rtw_instance_log_dropped does.
///
/// user_data  log_user_data of rtw_runtime_config_t.
/// instance   the instance whose guest has logged; NULL for a spare that has not been called. Compare it only: its thread may
///            be using it, or may have destroyed it.
/// level      one of the RTW_LOG_ constants, or another number that the guest chose; a larger number is more severe.
/// text       UTF-8, not NUL-terminated; what was not UTF-8 is replaced.
/// length     length of text in bytes. A message longer than RTW_LOG_LONGEST is cut there, and ends in U+2026, an ellipsis.
pub type rtw_log_func_t = Option<
    unsafe extern "C" fn(user_data: *mut c_void, instance: *mut rtw_instance_t, level: u32, text: *const c_char, length: usize),
>;

/// Statistics of a runtime. Call rtw_runtime_stats_init first.
#[repr(C)]
pub struct rtw_runtime_stats_t {
    /// sizeof(rtw_runtime_stats_t), set by rtw_runtime_stats_init.
    pub struct_size: u32,
    /// Threads that are attached now, including those of the runtime's workers.
    pub attached_threads: u32,
    /// Threads that a call has attached because attach_on_call is set. Each such call took 0.1 to 0.2 ms longer; statistics
    /// of calls do not include that time.
    pub late_attaches: u64,
}

/// Statistics of a runtime's watchdog, the thread that cuts off calls at their budget. Call rtw_watchdog_stats_init first.
#[repr(C)]
pub struct rtw_watchdog_stats_t {
    /// sizeof(rtw_watchdog_stats_t), set by rtw_watchdog_stats_init.
    pub struct_size: u32,
    /// Scheduling policy of the watchdog: RTW_SCHED_OTHER or RTW_SCHED_FIFO. It asks for a priority one above those of the
    /// attached threads. If the system does not permit that, a guest that spins in a real-time thread can keep the watchdog
    /// off its CPU.
    pub sched_policy: u32,
    /// Priority of the watchdog.
    pub priority: i32,
    /// Instances that it watches: those with a budget and RTW_BUDGET_CUT_OFF.
    pub watched: u32,
    /// Time between two checks, in ns; 0 while the watchdog has nothing to watch and sleeps.
    pub tick_ns: u64,
    /// Calls that it found over their budget.
    pub expiries: u64,
    /// Calls that it cut off; the other expiries returned by themselves just then.
    pub cut_offs: u64,
    /// Lateness of its ticks.
    pub late: rtw_distribution_t,
    /// Time by which calls were over their budget when the watchdog found them.
    pub over: rtw_distribution_t,
}

/// Result of the housekeeper's checks of the signal handlers and masks that the standalone profile needs. Call
/// rtw_signals_init first.
#[repr(C)]
pub struct rtw_signals_t {
    /// sizeof(rtw_signals_t), set by rtw_signals_init.
    pub struct_size: u32,
    /// RTW_OK, or RTW_ERR_SIGNALS if the last check found something wrong: calls that it concerns are refused.
    pub status: rtw_status_t,
    /// Number of checks; 0 in the plugin profile, and before the first thread was attached.
    pub looks: u64,
    /// Time from one check to the next, in ns.
    pub interval_ns: u64,
    /// Number of checks that found something wrong that was right at the check before.
    pub troubles: u64,
    /// Attached threads that block SIGSEGV, SIGILL or SIGFPE.
    pub blocked_threads: u32,
    /// 1: the library cannot read threads' masks, because there is no /proc; it checks handlers only.
    pub masks_unknown: u32,
    /// The trouble in words: which signal, whose handler, which thread blocks it. "" if there is none.
    pub message: [c_char; 512],
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_runtime_config_t {
    fn set_defaults(&mut self) {
        self.profile = RTW_PROFILE_ANY;
        self.allow_signal_handlers = 1;
        self.signal_checks = RTW_SIGNALS_LOOK;
        self.statistics = 1;
    }
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_signals_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_watchdog_stats_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_runtime_stats_t {}

impl Noun for rtw_runtime_t {
    type Value = Arc<Runtime>;
    const MAGIC: u64 = 0x656d_6974_6e75_7201;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Sets a runtime configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_runtime_config_t) in the caller's header; rtw_runtime_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_runtime_config_init_sized(config: *mut rtw_runtime_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Creates a runtime. Prefaults the library's own code and data, and locks them if memory_lock says so; calibrates the clock
/// meanwhile, once a process, for 0.1 ms in all. Budgets are then exact to 0.05 %; so are statistics that are read at once, while
/// those read 20 ms later, and the times of workers, are exact to some parts per million. With RTW_PROFILE_STANDALONE it also
/// installs the engine's handlers for SIGSEGV, SIGILL and SIGFPE, once a process, which pass signals that no guest caused to the
/// handlers that were there before; with RTW_PROFILE_ANY, loading the first standalone artifact does.
///
/// [setup]
/// config  NULL for the defaults; read only during the call.
/// out     receives the runtime, to be destroyed with rtw_runtime_destroy; NULL on failure.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range), RTW_ERR_UNSUPPORTED (a field is set
///         that is not implemented), RTW_ERR_ENGINE, RTW_ERR_MEMLOCK (RTW_LOCK_REQUIRED, and the library itself cannot be
///         locked), RTW_ERR_SIGNALS (RTW_PROFILE_STANDALONE, and allow_signal_handlers is 0), RTW_ERR_PERMISSION (a filter
///         refuses a system call that the library needs; the message names it).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_create(
    config: *const rtw_runtime_config_t,
    out: *mut *mut rtw_runtime_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            panics::silence();
            let out = guard::output(out, "out")?;
            let config = guard::optional_struct(config, "config")?.unwrap_or_else(guard::Sized32::defaults);
            *out = handle::create(Runtime::new(read(&config)?)?)?;
            Ok(())
        })
    }
}

/// Destroys the caller's handle of a runtime. Modules, instances, slots and workers keep the runtime alive, and attached
/// threads stay attached until they end. Signal handlers stay installed: the engine cannot remove them safely. NULL does
/// nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_destroy(runtime: *mut rtw_runtime_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(runtime) });
}

/// Initialises a runtime statistics struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_runtime_stats_t) in the caller's header; rtw_runtime_stats_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_runtime_stats_init_sized(stats: *mut rtw_runtime_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reports how many threads are attached to the runtime, and how many of its calls had to attach their thread.
///
/// [any] but a real-time thread.
/// stats   filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_stats(
    runtime: *const rtw_runtime_t,
    stats: *mut rtw_runtime_stats_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        guard::status_of(handle::borrow(runtime).and_then(|runtime: &Arc<Runtime>| {
            guard::output_struct(stats)?.fill(|stats| {
                stats.attached_threads = runtime.attached() as u32;
                stats.late_attaches = runtime.late_attaches();
            });
            Ok(())
        }))
    })
}

/// Initialises a watchdog statistics struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_watchdog_stats_t) in the caller's header; rtw_watchdog_stats_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_watchdog_stats_init_sized(stats: *mut rtw_watchdog_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reports what the runtime's watchdog has done since the runtime was created, and how late it woke up. Its lateness adds to
/// the time by which a call can exceed its budget.
///
/// [any] but a real-time thread.
/// stats   filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_watchdog(
    runtime: *const rtw_runtime_t,
    stats: *mut rtw_watchdog_stats_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        guard::status_of(handle::borrow(runtime).and_then(|runtime: &Arc<Runtime>| {
            guard::output_struct(stats)?.fill(|stats| fill_watchdog(stats, &runtime.watchdog().report()));
            Ok(())
        }))
    })
}

/// Initialises a signals struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_signals_t) in the caller's header; rtw_signals_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_signals_init_sized(signals: *mut rtw_signals_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(signals, struct_size) };
}

/// Reports the last check of the signal handlers and masks that the standalone profile needs. Call it to find out why a call
/// returned RTW_ERR_SIGNALS.
///
/// [any] but a real-time thread.
/// signals  filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_signals(
    runtime: *const rtw_runtime_t,
    signals: *mut rtw_signals_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        guard::status_of(handle::borrow(runtime).and_then(|runtime: &Arc<Runtime>| {
            guard::output_struct(signals)?.fill(|out| {
                let seen = runtime.signal_watch().seen();
                out.status = if seen.trouble.is_some() { RTW_ERR_SIGNALS } else { RTW_OK };
                (out.looks, out.troubles) = (seen.looks, seen.troubles);
                out.interval_ns = LOOK_EVERY.as_nanos() as u64;
                (out.blocked_threads, out.masks_unknown) = (seen.blocked_threads, seen.masks_unknown.into());
                ffi::copy(seen.trouble.as_deref().unwrap_or(""), &mut out.message);
            });
            Ok(())
        }))
    })
}

/// Returns how much memory all guests of the runtime hold now, in bytes, as memory_limit_bytes of rtw_runtime_config_t counts
/// it; 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_runtime_held_bytes(runtime: *const rtw_runtime_t) -> u64 {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(runtime) }.map_or(0, |runtime| runtime.held.used())
}

fn fill_watchdog(stats: &mut rtw_watchdog_stats_t, report: &watchdog::Report) {
    stats.sched_policy = match report.policy {
        Policy::Other => RTW_SCHED_OTHER,
        Policy::Fifo => RTW_SCHED_FIFO,
        Policy::RoundRobin => RTW_SCHED_RR,
    };
    stats.priority = report.priority;
    stats.watched = report.watched as u32;
    stats.tick_ns = report.tick_ns;
    stats.expiries = report.expiries;
    stats.cut_offs = report.cut_offs;
    stats.late = distribution(&report.lateness);
    stats.over = distribution(&report.overdue);
}

fn read(config: &rtw_runtime_config_t) -> Result<Config> {
    Ok(Config {
        profile: match config.profile {
            RTW_PROFILE_STANDALONE => Some(Profile::Standalone),
            RTW_PROFILE_PLUGIN => Some(Profile::Plugin),
            RTW_PROFILE_ANY => None,
            other => return Err(out_of_range("profile", other)),
        },
        allow_signal_handlers: flag("allow_signal_handlers", config.allow_signal_handlers)?,
        cpus: Some(CpuSet::from_words(config.cpu_set)).filter(|cpus| !cpus.is_empty()),
        scheduling: scheduling(config.sched_policy, config.priority)?,
        statistics: flag("statistics", config.statistics)?,
        lock: match config.memory_lock {
            RTW_LOCK_OFF => Lock::Off,
            RTW_LOCK_ON => Lock::On,
            RTW_LOCK_REQUIRED => Lock::Required,
            other => return Err(out_of_range("memory_lock", other)),
        },
        guest_stack_bytes: match config.guest_stack_bytes {
            0 => DEFAULT_GUEST_STACK_BYTES,
            bytes @ 0x4000..=0x400_0000 => bytes as usize,
            other => return Err(out_of_range("guest_stack_bytes", other)),
        },
        watchdog_tick_ns: match config.watchdog_tick_ns {
            ns if ns == 0 || watchdog::TICK_NS.contains(&ns) => ns,
            other => return Err(out_of_range("watchdog_tick_ns", other)),
        },
        ask_at_every_call: match config.signal_checks {
            RTW_SIGNALS_LOOK => false,
            RTW_SIGNALS_ASK => true,
            other => return Err(out_of_range("signal_checks", other)),
        },
        memory_limit_bytes: config.memory_limit_bytes,
        min_compiler_release: config.min_compiler_release,
        // SAFETY: readable as the caller promises.
        trusted_keys: unsafe { trusted_keys(config.trusted_keys, config.trusted_key_count) }?,
        attach_on_call: flag("attach_on_call", config.attach_on_call)?,
        log: sink(config),
    })
}

fn sink(config: &rtw_runtime_config_t) -> Option<Sink> {
    config.on_log.map(|call| Sink {
        // SAFETY: the types differ in pointer types, and in what happens if the function is unwound.
        call: unsafe {
            std::mem::transmute::<
                unsafe extern "C" fn(*mut c_void, *mut rtw_instance_t, u32, *const c_char, usize),
                unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, u32, *const u8, usize),
            >(call)
        },
        user_data: config.log_user_data,
    })
}

/// Copies the trusted keys. Refuses a list that would trust nobody or everybody by mistake.
unsafe fn trusted_keys(keys: *const rtw_public_key_t, count: u32) -> Result<Vec<PublicKey>> {
    match (keys.is_null(), count) {
        (true, 0) => Ok(Vec::new()),
        (true, _) => Err(Error::new(RTW_ERR_NULL, "trusted_keys is NULL, and trusted_key_count is not 0")),
        (false, 1..=RTW_TRUSTED_KEYS_MOST) => {
            // SAFETY: readable as the caller promises.
            let keys = unsafe { std::slice::from_raw_parts(keys, count as usize) };
            match keys.iter().position(|key| !is_key(&key.bytes)) {
                Some(index) => Err(Error::new(RTW_ERR_ARGUMENT, format!("trusted_keys[{index}] is not an Ed25519 public key"))),
                None => Ok(keys.iter().map(|key| key.bytes).collect()),
            }
        }
        (false, other) => Err(out_of_range("trusted_key_count", other)),
    }
}

/// A policy and its priority, as the system will accept them.
pub fn scheduling(policy: u32, priority: i32) -> Result<Option<(Policy, i32)>> {
    let (policy, allowed) = match policy {
        RTW_SCHED_KEEP => (None, 0..=0),
        RTW_SCHED_OTHER => (Some(Policy::Other), 0..=0),
        RTW_SCHED_FIFO => (Some(Policy::Fifo), 1..=99),
        RTW_SCHED_RR => (Some(Policy::RoundRobin), 1..=99),
        other => return Err(out_of_range("sched_policy", other)),
    };
    if !allowed.contains(&priority) {
        let takes = if allowed.end() == &0 { "0" } else { "1 to 99" };
        return Err(Error::new(RTW_ERR_ARGUMENT, format!("priority is {priority}; this sched_policy takes {takes}")));
    }
    Ok(policy.map(|policy| (policy, priority)))
}

/// One of the RTW_DENORMALS_ constants.
pub fn denormals(value: u32) -> Result<Denormals> {
    match value {
        RTW_DENORMALS_KEEP => Ok(Denormals::Keep),
        RTW_DENORMALS_FLUSH => Ok(Denormals::Flush),
        RTW_DENORMALS_IEEE => Ok(Denormals::Ieee),
        other => Err(out_of_range("denormals", other)),
    }
}
