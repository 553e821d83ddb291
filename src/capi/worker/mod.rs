//! Workers: real-time threads of the library's own that call guests.

pub mod config;
pub mod queue;
mod rules;
pub mod stats;

use crate::capi::error::{self, rtw_error_t};
use crate::capi::guard::{self, bare, setup, setup_apart, status_of};
use crate::capi::handle::{self, Noun, Pool};
use crate::capi::prepare;
use crate::capi::runtime::{RTW_SCHED_FIFO, RTW_SCHED_KEEP, RTW_SCHED_OTHER, RTW_SCHED_RR, rtw_runtime_t};
use crate::status::*;
use crate::sys::sched::{self, Policy};
use crate::worker::{State, Worker};
use config::{RTW_SCHED_DEADLINE, read, rtw_worker_config_t};

/// A timeout that never passes.
pub const RTW_FOREVER: u64 = u64::MAX;
/// A pinned, prioritised, attached thread of the library's own that calls guests: every period, or on request.
pub struct rtw_worker_t {
    _private: [u8; 0],
}

/// State of a worker. Call rtw_worker_info_init first.
#[repr(C)]
pub struct rtw_worker_info_t {
    /// sizeof(rtw_worker_info_t), set by rtw_worker_info_init.
    pub struct_size: u32,
    /// 1: the worker is running. 0: it is stopped.
    pub running: u32,
    /// Thread ID of the worker (gettid).
    pub thread_id: i32,
    /// Scheduling policy in force: RTW_SCHED_OTHER, RTW_SCHED_FIFO, RTW_SCHED_RR or RTW_SCHED_DEADLINE; RTW_SCHED_KEEP for
    /// any other.
    pub sched_policy: u32,
    /// Priority in force.
    pub priority: i32,
    /// Why the last run ended: RTW_OK if it was stopped, reached period_limit or its step returned RTW_STEP_STOP; otherwise
    /// the status that the step returned.
    pub ended_by: rtw_status_t,
    /// Number of warnings that rtw_worker_warning can read.
    pub warning_count: u32,
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_worker_info_t {}

impl Noun for rtw_worker_t {
    type Value = Worker;
    const MAGIC: u64 = 0x7265_6b72_6f77_0006;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Creates a worker: creates its thread and attaches it, with scheduling, affinity and locked memory as configured. The
/// worker does nothing until it is started. Its thread blocks the process's signals, except those that a thread causes
/// itself.
///
/// [setup]
/// runtime  the worker keeps it alive, and the funcs that the configuration names.
/// config   read only during the call, with all that it points to; step, setup and user_data are used until the worker is
///          destroyed.
/// out      receives the worker, to be destroyed with rtw_worker_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range or belongs to the
///         other kind; a func of another runtime), RTW_ERR_VALUES, RTW_ERR_LIMIT (the name is too long), RTW_ERR_SIGNALS;
///         with strict also RTW_ERR_PERMISSION (scheduling or affinity), RTW_ERR_MEMLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_create(
    runtime: *const rtw_runtime_t,
    config: *const rtw_worker_config_t,
    out: *mut *mut rtw_worker_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            let config = guard::optional_struct(config, "config")?
                .ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL: a worker needs a step, a func or a queue"))?;
            *out = prepare::with_room(config.dry_calls, config.dry_call_count, || {
                let (settings, work) = read(runtime, &config)?;
                handle::create(Worker::new(runtime, settings, work)?)
            })?;
            Ok(())
        })
    }
}

/// Ends a worker: stops it if it runs, and ends its thread. NULL does nothing. In a forked child, which does not have the
/// thread, only the handle ends. On the worker's own thread it does not wait, and the thread ends when the step is over.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_destroy(worker: *mut rtw_worker_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(worker) });
}

/// Starts a worker. Its thread calls setup, prepares the guests and makes the dry calls; then the worker runs, and the first
/// tick is due one period later. Returns as soon as it runs. While it runs, only the worker calls its instances.
///
/// [setup]  On any thread but the worker's own.
/// err  NULL, or filled. On failure the worker stays stopped.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_RUNNING, RTW_ERR_POISONED; with strict RTW_ERR_PERMISSION
///         and RTW_ERR_UNSUPPORTED (dma_latency_us); those of rtw_instance_prepare, and the status that setup returned.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_start(worker: *mut rtw_worker_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(worker, err, || {
            let worker = guard::named(worker, "worker")?;
            worker.check().map_err(|status| bare(status, "worker"))?;
            worker.start()
        })
    }
}

/// Stops a worker and waits until its current step or invocation has ended; a stopped worker stays stopped. Cancels
/// invocations that have not begun. Other threads may then call its instances. On the worker's own thread it returns at once,
/// and the run ends with the step.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stop(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(Worker::stop)))
}

/// Waits until a worker is stopped, by rtw_worker_stop or by itself; ended_by of rtw_worker_info_t says why.
///
/// [any] but a real-time thread.
/// timeout_ns  longest time to wait, in ns; 0: returns at once; RTW_FOREVER: no limit.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_TIMEOUT, RTW_ERR_BUSY (on the worker's own thread).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_join(worker: *mut rtw_worker_t, timeout_ns: u64) -> rtw_status_t {
    guard::plain(RTW_ERR_INTERNAL, || {
        // SAFETY: a handle by the API's contract.
        status_of(unsafe { ours(worker) }.and_then(|worker| {
            if worker.shared.is_own_thread() {
                return Err(RTW_ERR_BUSY);
            }
            if worker.join(timeout(timeout_ns)) { Ok(()) } else { Err(RTW_ERR_TIMEOUT) }
        }))
    })
}

/// Initialises a worker info struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_info_t) in the caller's header; rtw_worker_info_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_info_init_sized(info: *mut rtw_worker_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Reports whether a worker runs, its scheduling in force, why its last run ended, and how many warnings it has.
///
/// [any] but a real-time thread.
/// info  filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_info(worker: *const rtw_worker_t, info: *mut rtw_worker_info_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            guard::output_struct(info)?.fill(|out| {
                let info = worker.info();
                out.running = u32::from(info.state == State::Running);
                out.thread_id = info.thread;
                out.sched_policy = policy(info.policy);
                out.priority = info.priority;
                out.ended_by = info.ended_by;
                out.warning_count = info.warnings as u32;
            });
            Ok(())
        }))
    })
}

/// Reads one warning of a worker: a setting that the system refused and that strict did not require. Those of the thread come
/// first, then those of the last start. One warning is no refusal: RLIMIT_RTTIME may end the process while a step computes. A
/// worker with RTW_SCHED_FIFO or RTW_SCHED_RR has it unless its instances' budgets end calls sooner.
///
/// [any] but a real-time thread.
/// index  0 to warning_count - 1 of rtw_worker_info_t.
/// out    receives the warning, as an error.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_BOUNDS (no such warning).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_warning(
    worker: *const rtw_worker_t,
    index: u32,
    out: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(ours(worker).and_then(|worker| {
            if out.is_null() {
                return Err(RTW_ERR_NULL);
            }
            let warning = worker.warning(index as usize).ok_or(RTW_ERR_BOUNDS)?;
            error::fill(out, &warning);
            Ok(())
        }))
    })
}

/// A worker of this process.
unsafe fn ours<'a>(worker: *const rtw_worker_t) -> std::result::Result<&'a Worker, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let worker: &'a Worker = unsafe { handle::borrow(worker) }?;
    worker.check()?;
    Ok(worker)
}

fn timeout(timeout_ns: u64) -> Option<u64> {
    Some(timeout_ns).filter(|timeout_ns| *timeout_ns != RTW_FOREVER)
}

fn policy(of_system: i32) -> u32 {
    match Policy::from_number(of_system) {
        Some(Policy::Other) => RTW_SCHED_OTHER,
        Some(Policy::Fifo) => RTW_SCHED_FIFO,
        Some(Policy::RoundRobin) => RTW_SCHED_RR,
        None if sched::is_deadline(of_system) => RTW_SCHED_DEADLINE,
        None => RTW_SCHED_KEEP,
    }
}
