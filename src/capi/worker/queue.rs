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

/// The most values that an invocation given to a worker may have.
pub const RTW_WORKER_VALUES: usize = 16;

const _: () = assert!(RTW_WORKER_VALUES == queue::VALUES);

/// How an invocation went that a worker was given. Call rtw_completion_init first.
#[repr(C)]
pub struct rtw_completion_t {
    /// sizeof(rtw_completion_t), set by rtw_completion_init.
    pub struct_size: u32,
    /// What rtw_invoke answered, or RTW_ERR_CANCELLED.
    pub status: rtw_status_t,
    /// As it was submitted.
    pub tag: u64,
    /// When it was submitted, in ns of CLOCK_MONOTONIC.
    pub submitted_ns: u64,
    /// When it began on the worker's thread; 0 where it never did.
    pub started_ns: u64,
    /// When it ended there; 0 where it never began.
    pub ended_ns: u64,
    /// The results, where the status is RTW_OK; otherwise the arguments.
    pub values: [rtw_value_t; RTW_WORKER_VALUES],
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_completion_t {}

/// Gives a worker of the kind RTW_WORKER_QUEUE an invocation to run, and returns at once. Every invocation that was accepted is
/// answered by exactly one completion: rtw_worker_poll, rtw_worker_wait. They run in the order of submission.
///
/// [any] but a real-time thread: submitters take turns at a lock, which the worker never touches.
/// func         may be destroyed once this has returned.
/// values       the arguments; copied.
/// value_count  as for rtw_invoke, and at most RTW_WORKER_VALUES.
/// tag          comes back in the completion; need not be unique.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_POISONED, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
///         RTW_ERR_VALUES, RTW_ERR_LIMIT (more than RTW_WORKER_VALUES), RTW_ERR_ARGUMENT (a func of another runtime),
///         RTW_ERR_FULL (queue_capacity invocations are under way or their completions not taken), RTW_ERR_STOPPED.
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

/// Has a worker of the kind RTW_WORKER_QUEUE run an invocation, and waits for its end: rtw_invoke on another thread. No
/// completion comes of it.
///
/// [any] but a real-time thread, nor the worker's own.
/// values  in: the arguments; out: the results, on RTW_OK only.
/// errors: those of rtw_worker_submit, and of rtw_invoke; RTW_ERR_CANCELLED (the worker was stopped first); RTW_ERR_BUSY (on
///         the worker's own thread).
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

/// Prepares a completion to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_completion_t) as the caller knows it: rtw_completion_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_completion_init_sized(completion: *mut rtw_completion_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(completion, struct_size) };
}

/// Takes the oldest completion, if there is one. Each is taken once, whoever asks.
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

/// The same, waiting for one.
///
/// [any] but a real-time thread.
/// out         filled on success; call rtw_completion_init first.
/// timeout_ns  how long to wait at most; RTW_FOREVER.
/// errors: those of rtw_worker_poll but RTW_ERR_EMPTY; RTW_ERR_TIMEOUT; RTW_ERR_STOPPED (the worker does not run, and its
///         completions are all taken).
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

/// Cancels all invocations with a tag that have not begun. Their completions, with RTW_ERR_CANCELLED, come in their turn.
///
/// [any] but a real-time thread.
/// count  NULL, or receives how many those are, also 0.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker), RTW_ERR_EMPTY (none with that
///         tag was waiting: it ran, runs, or never was).
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

/// The same, of the kind that can be given invocations.
unsafe fn fed<'a>(worker: *const rtw_worker_t) -> std::result::Result<(&'a Worker, &'a queue::Queue), rtw_status_t> {
    // SAFETY: passed on.
    let worker = unsafe { ours(worker) }?;
    let queue = worker.shared.queue.as_ref().ok_or(RTW_ERR_UNSUPPORTED)?;
    Ok((worker, queue))
}

/// A func that the worker can call with so many values.
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
