//! The runtime.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart, silence_panics};
use super::handle::{self, Noun, Pool};
use super::instance::rtw_instance_t;
use super::stats::{distribution, rtw_distribution_t};
use super::text;
use crate::engine::housekeeper::LOOK_EVERY;
use crate::engine::profile::{DEFAULT_GUEST_STACK_BYTES, Profile};
use crate::engine::runtime::{Config, Runtime};
use crate::engine::watchdog;
use crate::status::*;
use crate::sys::affinity::CpuSet;
use crate::sys::fpu::Denormals;
use crate::sys::memory::Lock;
use crate::sys::sched::Policy;

/// Guard pages and signal handlers: the fastest code, for a process of one's own.
pub const RTW_PROFILE_STANDALONE: u32 = 0;
/// Explicit checks and no signal handler at all: for code in somebody else's process.
pub const RTW_PROFILE_PLUGIN: u32 = 1;
/// A runtime that loads artifacts of both profiles. No artifact has it.
pub const RTW_PROFILE_ANY: u32 = 2;

/// Scheduling stays as it is.
pub const RTW_SCHED_KEEP: u32 = 0;
/// SCHED_OTHER.
pub const RTW_SCHED_OTHER: u32 = 1;
/// SCHED_FIFO.
pub const RTW_SCHED_FIFO: u32 = 2;
/// SCHED_RR.
pub const RTW_SCHED_RR: u32 = 3;

/// Nothing is locked into memory.
pub const RTW_LOCK_OFF: u32 = 0;
/// What calls touch is locked where the system permits it; rtw_prepare_report_t tells how much was.
pub const RTW_LOCK_ON: u32 = 1;
/// A refusal is RTW_ERR_MEMLOCK.
pub const RTW_LOCK_REQUIRED: u32 = 2;

/// The housekeeper looks ten times a second whether guests' faults still become traps; see docs/real-time-contract.md, Signals.
pub const RTW_SIGNALS_LOOK: u32 = 0;
/// Every call asks, with five system calls: 3 sigaction, 1 sigprocmask, 1 sigaltstack. Standalone profile only; in the other there is
/// nothing to ask.
pub const RTW_SIGNALS_ASK: u32 = 1;

/// Denormal numbers are treated as the thread treats them.
pub const RTW_DENORMALS_KEEP: u32 = 0;
/// Denormal numbers count as zero: FTZ and DAZ on x86-64, FZ on aarch64. Decaying filters and reverbs can cost many times
/// their usual price without it.
pub const RTW_DENORMALS_FLUSH: u32 = 1;
/// Denormal numbers are kept, as IEEE 754 and WebAssembly have it.
pub const RTW_DENORMALS_IEEE: u32 = 2;

/// Words in a CPU set: 1024 CPUs.
pub const RTW_CPU_SET_WORDS: usize = 16;

/// One engine configuration and what threads attached to it get.
pub struct rtw_runtime_t {
    _private: [u8; 0],
}

/// How a runtime shall be. Call rtw_runtime_config_init first.
#[repr(C)]
pub struct rtw_runtime_config_t {
    /// sizeof(rtw_runtime_config_t), set by rtw_runtime_config_init.
    pub struct_size: u32,
    /// RTW_PROFILE_ANY (default): artifacts of both profiles load, and each engine is set up when the first one comes that needs it.
    /// Where handlers are allowed, attach makes a thread ready for both profiles, since only the thread itself can. Compared with
    /// RTW_PROFILE_PLUGIN that takes 256 KiB of memory a thread for an alternate signal stack, four system calls more at attach and
    /// three at detach, and the housekeeper, which the first attach starts, looks at handlers and masks ten times a second.
    /// RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN: artifacts of that profile only,
    /// others return RTW_ERR_PROFILE.
    pub profile: u32,
    /// Bit n % 64 of word n / 64 stands for CPU n. All zero (default): affinity is left alone.
    pub cpu_set: [u64; RTW_CPU_SET_WORDS],
    /// Scheduling of the runtime's own threads and, unless they ask otherwise, of attached ones: RTW_SCHED_KEEP (default) ...
    pub sched_policy: u32,
    /// Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
    pub priority: i32,
    /// 1 (default): every call is timed and recorded. 0: calls are not timed, which saves two clock reads each.
    pub statistics: u32,
    /// RTW_LOCK_OFF (default), RTW_LOCK_ON or RTW_LOCK_REQUIRED.
    pub memory_lock: u32,
    /// Stack that guests may use in one call, in bytes: 16 KiB to 64 MiB. 0 (default): 256 KiB. An attached thread needs 64 KiB
    /// more, and a call finds at least 32 KiB more below it or answers RTW_ERR_STACK_SIZE: so much is there for host functions
    /// and signal handlers when the guest has used up its own.
    pub guest_stack_bytes: u64,
    /// How often the watchdog looks for calls whose budget is used up, in ns: 50,000 to 250,000,000. 0 (default): four times in
    /// the smallest budget of the runtime's instances.
    pub watchdog_tick_ns: u64,
    /// RTW_SIGNALS_LOOK (default) or RTW_SIGNALS_ASK: who finds out that somebody replaced the signal handlers which the standalone
    /// profile needs, or blocked the signals. Calls are then answered with RTW_ERR_SIGNALS.
    pub signal_checks: u32,
    /// 0 (default): a call on a thread that is not attached answers RTW_ERR_NOT_ATTACHED. 1: it attaches the thread first, for
    /// hosts that do not know their threads beforehand (a pool's that calls a plug-in, a graph's scheduler). Scheduling and
    /// affinity stay as they are; the rest is as rtw_thread_attach does it. That call takes locks, allocates, makes 14 (plugin
    /// profile) to 28 system calls, a process's first some 15 more, and touches the stack: 0.1 to 0.2 ms on a virtual EPYC
    /// (rtw_runtime_stats_t, late_attaches). Where the thread cannot be attached it answers what rtw_thread_attach would. Not for
    /// calls from signal handlers. What a call has attached is detached when the thread ends, or by rtw_thread_detach.
    pub attach_on_call: u32,
    /// 1 (default): the engine's handlers for SIGSEGV, SIGILL and SIGFPE are installed, once a process, with the first standalone
    /// runtime or the first artifact of the standalone profile. 0: never on behalf of this runtime; what would install them returns
    /// RTW_ERR_SIGNALS instead, and attach leaves the thread's signals alone. For plug-ins: whatever file the user picks, nothing in
    /// the host's process changes.
    pub allow_signal_handlers: u32,
    /// The most that all guests of the runtime together may make the host hold at one time, in bytes, counted as for
    /// memory_limit_bytes of rtw_instance_config_t. What would exceed it is refused with RTW_ERR_LIMIT (making or resetting an
    /// instance, a slot's spare) or fails inside the guest (growth). 0 (default): no limit.
    pub memory_limit_bytes: u64,
    /// Not built: leave NULL. The Ed25519 public keys of which one must have signed each artifact; else load fails. NULL (default): any.
    pub trusted_keys: *const rtw_public_key_t,
    /// Not built: leave 0. Number of keys in trusted_keys.
    pub trusted_key_count: u32,
    /// Not built: leave 0. The oldest compiler release whose artifacts load, as major * 65536 + minor * 256 + patch. 0 (default): any.
    pub min_compiler_release: u32,
    /// Not built: leave NULL. Receives what guests print and log. NULL (default): it is dropped.
    pub on_log: rtw_log_func_t,
    /// Not built: leave NULL. Passed to on_log.
    pub log_user_data: *mut c_void,
}

/// An Ed25519 public key. Its layout is final.
#[repr(C)]
pub struct rtw_public_key_t {
    /// The key, as RFC 8032 encodes it.
    pub bytes: [u8; 32],
}

/// Log callback, not called in this version. Runs on the housekeeper thread, some milliseconds after the guest has logged.
///
/// user_data  log_user_data of rtw_runtime_config_t.
/// instance   the instance whose guest has logged; valid during the callback.
/// level      0 for text that the guest printed, larger for what is more severe.
/// text       UTF-8, not NUL-terminated.
/// length     its length in bytes.
pub type rtw_log_func_t = Option<
    unsafe extern "C" fn(user_data: *mut c_void, instance: *mut rtw_instance_t, level: u32, text: *const c_char, length: usize),
>;

/// What has happened to a runtime. Call rtw_runtime_stats_init first.
#[repr(C)]
pub struct rtw_runtime_stats_t {
    /// sizeof(rtw_runtime_stats_t), set by rtw_runtime_stats_init.
    pub struct_size: u32,
    /// Threads that are attached now, those of the runtime's workers included.
    pub attached_threads: u32,
    /// Threads that a call has attached, because attach_on_call was set. Each such call took 0.1 to 0.2 ms longer, which is
    /// in no statistics of calls.
    pub late_attaches: u64,
}

/// The watchdog of a runtime: the thread that ends calls whose budget is used up. Call rtw_watchdog_stats_init first.
#[repr(C)]
pub struct rtw_watchdog_stats_t {
    /// sizeof(rtw_watchdog_stats_t), set by rtw_watchdog_stats_init.
    pub struct_size: u32,
    /// Its scheduling: RTW_SCHED_OTHER or RTW_SCHED_FIFO. It asks for one priority more than the threads that are attached have;
    /// where that is not permitted, a guest that spins in a real-time thread on its CPU keeps it from running.
    pub sched_policy: u32,
    /// Its priority.
    pub priority: i32,
    /// Instances that it watches: those with a budget whose calls are to be cut off.
    pub watched: u32,
    /// How often it looks, in ns; 0 while there is nothing to watch, and it sleeps.
    pub tick_ns: u64,
    /// Calls that it saw over their budget.
    pub expiries: u64,
    /// Those that were cut off; the others ended by themselves just then.
    pub cut_offs: u64,
    /// How late its ticks came.
    pub late: rtw_distribution_t,
    /// How far over its budget a call was when it was seen.
    pub over: rtw_distribution_t,
}

/// What the housekeeper saw of the signal handlers and masks that the standalone profile needs. Call rtw_signals_init first.
#[repr(C)]
pub struct rtw_signals_t {
    /// sizeof(rtw_signals_t), set by rtw_signals_init.
    pub struct_size: u32,
    /// RTW_OK, or RTW_ERR_SIGNALS: something was wrong at the last look, and calls that it concerns are refused.
    pub status: rtw_status_t,
    /// How often it has looked; 0 in the plugin profile, and before the first thread was attached.
    pub looks: u64,
    /// How often it looks, in ns.
    pub interval_ns: u64,
    /// How often it found something wrong that had been in order before.
    pub troubles: u64,
    /// Attached threads that block SIGSEGV, SIGILL or SIGFPE.
    pub blocked_threads: u32,
    /// 1: threads' masks cannot be told, for want of /proc; handlers are looked at all the same.
    pub masks_unknown: u32,
    /// What is wrong: which signal, whose handler is there, which thread blocks it. "" where nothing is.
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

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_runtime_config_t) as the caller knows it: rtw_runtime_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_runtime_config_init_sized(config: *mut rtw_runtime_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Makes a runtime. Makes the library's own code and data present, and locks them where asked; measures the clock (about 20 ms, once
/// a process). With RTW_PROFILE_STANDALONE it installs the engine's handlers for SIGSEGV, SIGILL and SIGFPE (once a process), which
/// pass on what is not a guest's; with RTW_PROFILE_ANY loading the first artifact of that profile does.
///
/// [setup]
/// config  NULL for the defaults; read only during the call.
/// out     receives the runtime, to be ended with rtw_runtime_destroy; NULL on failure.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range),
///         RTW_ERR_UNSUPPORTED (a field is set that is not built), RTW_ERR_ENGINE,
///         RTW_ERR_MEMLOCK (the library itself is to be locked and cannot be), RTW_ERR_SIGNALS (RTW_PROFILE_STANDALONE, and
///         allow_signal_handlers is 0), RTW_ERR_PERMISSION (a filter refuses a system call that nothing works without; the message
///         names it).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_create(
    config: *const rtw_runtime_config_t,
    out: *mut *mut rtw_runtime_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    silence_panics();
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let config = guard::optional_struct(config, "config")?.unwrap_or_else(guard::Sized32::defaults);
            *out = handle::create(Runtime::new(read(&config)?)?)?;
            Ok(())
        })
    }
}

/// Ends the use of a runtime by its owner. What was made from it keeps it alive, so the order does not matter. Threads that are
/// still attached stay so until they end. NULL does nothing. Signal handlers stay: the engine cannot take them back safely.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_runtime_destroy(runtime: *mut rtw_runtime_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(runtime) });
}

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_runtime_stats_t) as the caller knows it: rtw_runtime_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_runtime_stats_init_sized(stats: *mut rtw_runtime_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// How many threads are attached to the runtime, and how many of its calls had to attach theirs.
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

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_watchdog_stats_t) as the caller knows it: rtw_watchdog_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_watchdog_stats_init_sized(stats: *mut rtw_watchdog_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// What the runtime's watchdog has seen and done since the runtime was made, and how punctual it was: a budget is kept no better
/// than its watchdog wakes up.
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

/// Prepares a signals struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_signals_t) as the caller knows it: rtw_signals_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_signals_init_sized(signals: *mut rtw_signals_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(signals, struct_size) };
}

/// What was seen at the last look at the signal handlers and masks which the standalone profile needs, and what is wrong with them
/// where a call was answered with RTW_ERR_SIGNALS.
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
                text::copy(seen.trouble.as_deref().unwrap_or(""), &mut out.message);
            });
            Ok(())
        }))
    })
}

/// What all guests of the runtime together make the host hold now, in bytes; 0 for a handle that is none. It is what
/// memory_limit_bytes of rtw_runtime_config_t is held against.
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
    not_built("trusted_keys", !config.trusted_keys.is_null() || config.trusted_key_count != 0, "verify signatures")?;
    not_built("min_compiler_release", config.min_compiler_release != 0, "compare compiler releases")?;
    not_built("on_log", config.on_log.is_some() || !config.log_user_data.is_null(), "deliver logs")?;
    Ok(Config {
        profile: match config.profile {
            RTW_PROFILE_STANDALONE => Some(Profile::Standalone),
            RTW_PROFILE_PLUGIN => Some(Profile::Plugin),
            RTW_PROFILE_ANY => None,
            other => return Err(out_of_range("profile", other)),
        },
        allow_signal_handlers: match config.allow_signal_handlers {
            0 => false,
            1 => true,
            other => return Err(out_of_range("allow_signal_handlers", other)),
        },
        cpus: Some(CpuSet::from_words(config.cpu_set)).filter(|cpus| !cpus.is_empty()),
        scheduling: scheduling(config.sched_policy, config.priority)?,
        statistics: match config.statistics {
            0 => false,
            1 => true,
            other => return Err(out_of_range("statistics", other)),
        },
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
        attach_on_call: match config.attach_on_call {
            0 => false,
            1 => true,
            other => return Err(out_of_range("attach_on_call", other)),
        },
    })
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
        return Err(Error::new(
            RTW_ERR_ARGUMENT,
            format!("priority {priority} does not go with that policy: {} to {}", allowed.start(), allowed.end()),
        ));
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

/// Refuses a field that has its name, and nothing behind it yet.
pub fn not_built(field: &str, is_set: bool, what: &str) -> Result<()> {
    match is_set {
        false => Ok(()),
        true => Err(Error::new(RTW_ERR_UNSUPPORTED, format!("{field} is set, and this version does not {what} yet"))),
    }
}

pub fn out_of_range(field: &str, value: impl std::fmt::Display) -> Error {
    Error::new(RTW_ERR_ARGUMENT, format!("{field} is {value}, which is not one of its values"))
}
