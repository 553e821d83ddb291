//! A queue worker's invocations and their completions.

use std::sync::Arc;
use wasmtime::ValRaw;

use super::config::raw;
use super::{ours, rtw_worker_t, timeout};
use crate::capi::guard::{self, status_of};
use crate::capi::handle;
use crate::capi::instance::rtw_func_t;
use crate::capi::value::rtw_value_t;
use crate::engine::instance::Func;
use crate::engine::own::OwnFunc;
use crate::status::*;
use crate::worker::Worker;
use crate::worker::queue::{self, Completion};

/// Most values that an invocation for a worker can have.
pub const RTW_WORKER_VALUES: usize = 16;

const _: () = assert!(RTW_WORKER_VALUES == queue::VALUES);

/// Result of an invocation that was submitted to a worker. Call rtw_completion_init first.
#[repr(C)]
pub struct rtw_completion_t {
    /// sizeof(rtw_completion_t), set by rtw_completion_init.
    pub struct_size: u32,
    /// The status that rtw_invoke returned, or RTW_ERR_CANCELLED.
    pub status: rtw_status_t,
    /// The tag that was given to rtw_worker_submit.
    pub tag: u64,
    /// Time of the submission, in ns of CLOCK_MONOTONIC.
    pub submitted_ns: u64,
    /// Time at which the call began, in ns of CLOCK_MONOTONIC; 0 if it did not.
    pub started_ns: u64,
    /// Time at which the call ended, in ns of CLOCK_MONOTONIC; 0 if it did not begin.
    pub ended_ns: u64,
    /// The results if status is RTW_OK; otherwise the arguments.
    pub values: [rtw_value_t; RTW_WORKER_VALUES],
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_completion_t {}

/// Submits an invocation to a queue worker and returns at once. Each accepted invocation gives exactly one completion, which
/// rtw_worker_poll or rtw_worker_wait takes. The worker runs invocations in the order of submission.
///
/// [any] but a real-time thread: submitters take turns at a lock, which the worker never touches.
/// func         may be destroyed after this call.
/// values       the arguments; copied.
/// value_count  as for rtw_invoke, at most RTW_WORKER_VALUES.
/// tag          the completion has it, too; need not be unique.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_POISONED, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
///         RTW_ERR_VALUES, RTW_ERR_LIMIT (more than RTW_WORKER_VALUES), RTW_ERR_ARGUMENT (a func of another runtime),
///         RTW_ERR_FULL (queue_capacity invocations are not taken yet), RTW_ERR_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_submit(
    worker: *mut rtw_worker_t,
    func: *mut rtw_func_t,
    values: *const rtw_value_t,
    value_count: usize,
    tag: u64,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(worker, queue)| {
            let func = callable(worker, func, values, value_count)?;
            queue.submit(|| OwnFunc::new(func.clone()).map_err(|e| e.status), raw(values, value_count), tag)
        }))
    })
}

/// Runs an invocation on a queue worker and waits for its end: rtw_invoke on another thread. It gives no completion. The calling thread
/// polls for 5 us, then sleeps.
///
/// [any] but a real-time thread, and not the worker's own.
/// values  in: the arguments; out: the results, on RTW_OK only.
/// errors: those of rtw_worker_submit and rtw_invoke; RTW_ERR_CANCELLED (the worker was stopped first); RTW_ERR_BUSY (on the
///         worker's own thread).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_invoke(
    worker: *mut rtw_worker_t,
    func: *mut rtw_func_t,
    values: *mut rtw_value_t,
    value_count: usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(worker, queue)| {
            let func = callable(worker, func, values, value_count)?;
            if worker.shared.is_own_thread() {
                return Err(RTW_ERR_BUSY);
            }
            let values = match value_count {
                0 => &mut [],
                count => std::slice::from_raw_parts_mut(values.cast::<ValRaw>(), count),
            };
            match queue.invoke(|| OwnFunc::new(func.clone()).map_err(|e| e.status), values) {
                RTW_OK => Ok(()),
                status => Err(status),
            }
        }))
    })
}

/// Initialises a completion. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_completion_t) in the caller's header; rtw_completion_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_completion_init_sized(completion: *mut rtw_completion_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(completion, struct_size) };
}

/// Takes the oldest completion of a queue worker, if there is one. Only one caller gets it.
///
/// [any] but a real-time thread.
/// out  filled on success; call rtw_completion_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
///         RTW_ERR_EMPTY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_poll(worker: *mut rtw_worker_t, out: *mut rtw_completion_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let out = guard::output_struct(out)?;
            let completion = queue.poll().ok_or(RTW_ERR_EMPTY)?;
            out.fill(|out| write(out, &completion));
            Ok(())
        }))
    })
}

/// Waits for a completion of a queue worker and takes the oldest one.
///
/// [any] but a real-time thread.
/// out         filled on success; call rtw_completion_init first.
/// timeout_ns  longest time to wait, in ns; RTW_FOREVER: no limit.
/// errors: those of rtw_worker_poll except RTW_ERR_EMPTY; RTW_ERR_TIMEOUT; RTW_ERR_STOPPED (the worker is stopped, and all
///         its completions are taken).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_wait(
    worker: *mut rtw_worker_t,
    out: *mut rtw_completion_t,
    timeout_ns: u64,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let out = guard::output_struct(out)?;
            let completion = queue.wait(timeout(timeout_ns))?;
            out.fill(|out| write(out, &completion));
            Ok(())
        }))
    })
}

/// Cancels all invocations with a tag that have not begun. Their completions come in their order, with RTW_ERR_CANCELLED.
///
/// [any] but a real-time thread.
/// count  NULL, or receives the number of invocations cancelled; it may be 0.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker), RTW_ERR_EMPTY (no
///         invocation with that tag was waiting).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_cancel(worker: *mut rtw_worker_t, tag: u64, count: *mut usize) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let cancelled = queue.cancel(tag);
            if let Some(count) = count.as_mut() {
                *count = cancelled;
            }
            if cancelled == 0 { Err(RTW_ERR_EMPTY) } else { Ok(()) }
        }))
    })
}

/// A queue worker of this process.
unsafe fn fed<'a>(worker: *const rtw_worker_t) -> std::result::Result<(&'a Worker, &'a queue::Queue), rtw_status_t> {
    // SAFETY: passed on.
    let worker = unsafe { ours(worker) }?;
    let queue = worker.shared.queue.as_ref().ok_or(RTW_ERR_UNSUPPORTED)?;
    Ok((worker, queue))
}

/// A func that the worker can call with `value_count` values.
unsafe fn callable<'a>(
    worker: &Worker,
    func: *mut rtw_func_t,
    values: *const rtw_value_t,
    value_count: usize,
) -> std::result::Result<&'a Func, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let func: &'a Func = unsafe { handle::borrow(func) }?;
    if !Arc::ptr_eq(&func.shared.instance.module.runtime, &worker.shared.runtime) {
        return Err(RTW_ERR_ARGUMENT);
    }
    if value_count < func.shared.value_count {
        return Err(RTW_ERR_VALUES);
    }
    if value_count > RTW_WORKER_VALUES {
        return Err(RTW_ERR_LIMIT);
    }
    if values.is_null() && value_count != 0 {
        return Err(RTW_ERR_NULL);
    }
    Ok(func)
}

fn write(out: &mut rtw_completion_t, completion: &Completion) {
    out.status = completion.status;
    out.tag = completion.tag;
    out.submitted_ns = completion.submitted_ns;
    out.started_ns = completion.started_ns;
    out.ended_ns = completion.ended_ns;
    // SAFETY: both value types are the same 16 bytes, and there are equally many.
    out.values = unsafe { std::mem::transmute_copy(&completion.values) };
}
