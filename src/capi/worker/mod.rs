//! Workers: threads of the library's own.

pub mod config;
pub mod queue;
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

/// For timeouts: for ever.
pub const RTW_FOREVER: u64 = u64::MAX;
/// A pinned, prioritised, attached thread of the library's own that calls guests: periodically, or as it is told.
pub struct rtw_worker_t {
    _private: [u8; 0],
}

/// What a worker is and has got. Call rtw_worker_info_init first.
#[repr(C)]
pub struct rtw_worker_info_t {
    /// sizeof(rtw_worker_info_t), set by rtw_worker_info_init.
    pub struct_size: u32,
    /// 1 while it runs.
    pub running: u32,
    /// The thread's number in the system (gettid).
    pub thread_id: i32,
    /// The scheduling in force: RTW_SCHED_OTHER, RTW_SCHED_FIFO, RTW_SCHED_RR, RTW_SCHED_DEADLINE; RTW_SCHED_KEEP for any
    /// other.
    pub sched_policy: u32,
    /// The priority in force.
    pub priority: i32,
    /// What ended the last run: RTW_OK where it was stopped, reached period_limit or its step answered RTW_STEP_STOP; otherwise
    /// what the step answered.
    pub ended_by: rtw_status_t,
    /// How many warnings rtw_worker_warning has.
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

/// Makes a worker: its thread is created and attached, with scheduling, affinity and locked memory as asked for. It does
/// nothing until it is started. The process's signals are blocked on it, but for those that a thread causes itself.
///
/// [setup]
/// runtime  is kept alive by the worker, as are the funcs that the configuration names.
/// config   read only during the call, with all that it points to; step, setup and user_data are used until the worker is
///          destroyed.
/// out      receives the worker, to be ended with rtw_worker_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range or belongs to the other
///         kind, a func of another runtime), RTW_ERR_VALUES, RTW_ERR_LIMIT (the name is too long),
///         RTW_ERR_NO_MEMORY, RTW_ERR_SIGNALS; and where strict: RTW_ERR_PERMISSION (scheduling or affinity), RTW_ERR_MEMLOCK.
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
                .ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL: a worker has no default work"))?;
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

/// Starts a worker: on its thread, setup is called, guests are prepared and the dry calls made; then it runs, and the first
/// tick is due one period later. Returns as soon as it runs. While it runs, the instances that it calls are the worker's.
///
/// [setup]  From any thread but the worker's own.
/// err  NULL, or filled. The worker stays stopped on failure.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_RUNNING, RTW_ERR_POISONED; where strict RTW_ERR_PERMISSION and
///         RTW_ERR_UNSUPPORTED (dma_latency_us); what rtw_instance_prepare and setup answered.
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

/// Stops a worker and waits until the step or invocation that is under way is over; a worker that does not run stays so. What a
/// queue has not begun is cancelled. The instances are then free for other threads. On the worker's own thread it returns at
/// once, and the run ends with the step.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stop(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(Worker::stop)))
}

/// Waits until a worker does not run: it was stopped, or stopped by itself (rtw_worker_info_t tells why).
///
/// [any] but a real-time thread.
/// timeout_ns  how long to wait at most; 0: not at all; RTW_FOREVER.
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

/// Prepares an info struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_info_t) as the caller knows it: rtw_worker_info_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_info_init_sized(info: *mut rtw_worker_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Tells whether a worker runs, what scheduling it has got, what ended it, and how many warnings there are.
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

/// Tells what the system refused that was asked for and not insisted on (strict), in words: first what the thread could not
/// get, then what the last start could not. One more is no refusal: that RLIMIT_RTTIME may end the process while a step computes,
/// told to a worker of SCHED_FIFO or SCHED_RR whose instances' budgets do not end before.
///
/// [any] but a real-time thread.
/// index  0 to warning_count - 1 of rtw_worker_info_t.
/// out    receives the refusal as it would have been told as an error.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_BOUNDS (there are not so many).
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
