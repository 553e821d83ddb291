//! Preparing instances.

use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::value::rtw_value_t;
use crate::engine::own::FuncRef;
use crate::engine::prepare::{self, Ready};
use crate::rt::reserve;
use crate::status::*;

/// A call before the real ones, with arguments that do no harm. rtw_instance_prepare makes it, a worker at each start, and a
/// slot with every instance before it is used. Its layout is final.
#[repr(C)]
pub struct rtw_dry_call_t {
    /// The func to call, for rtw_instance_prepare and workers. NULL for slots.
    pub func: *mut rtw_func_t,
    /// The arguments; not changed. At least as many as rtw_invoke needs.
    pub values: *const rtw_value_t,
    /// Number of values.
    pub value_count: u32,
    /// Number of calls, 1 to 1,000,000. They change the guest's state as any call does; if that matters, export a reset
    /// function and call it afterwards.
    pub repeats: u32,
    /// For slots: index of the function in the slot's funcs. Otherwise 0.
    pub func_index: u32,
}

/// Configuration of rtw_instance_prepare. Call rtw_prepare_config_init first.
#[repr(C)]
pub struct rtw_prepare_config_t {
    /// sizeof(rtw_prepare_config_t), set by rtw_prepare_config_init.
    pub struct_size: u32,
    /// Number of dry calls.
    pub dry_call_count: u32,
    /// The dry calls, in their order; NULL if there are none.
    pub dry_calls: *const rtw_dry_call_t,
}

/// Report of rtw_instance_prepare. Call rtw_prepare_report_init first.
#[repr(C)]
pub struct rtw_prepare_report_t {
    /// sizeof(rtw_prepare_report_t), set by rtw_prepare_report_init.
    pub struct_size: u32,
    /// 1: all prefaulted memory is locked. 0: locking is off, or was refused for a part.
    pub locked: u32,
    /// Code, memories and statistics that were prefaulted, in bytes. If memory is to be locked, this includes what calls
    /// touch on the heap: the engine's records of module and instance, globals, tables, funcs.
    pub touched_bytes: u64,
    /// Part of touched_bytes that is locked, in bytes.
    pub locked_bytes: u64,
    /// Number of dry calls made.
    pub dry_calls: u64,
    /// Time of the first dry call, ns.
    pub first_call_ns: f64,
    /// Median time of the second half of the dry calls, ns.
    pub steady_call_ns: f64,
    /// Allocations by this library in all dry calls; 0 if no call failed.
    pub allocations: u64,
    /// Page faults without I/O of this thread in the second half of the dry calls.
    pub minor_faults: u64,
    /// Page faults with I/O of this thread in the second half of the dry calls.
    pub major_faults: u64,
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_prepare_config_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_prepare_report_t {}

/// Sets a prepare configuration to its defaults: no dry calls. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_prepare_config_t) in the caller's header; rtw_prepare_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_prepare_config_init_sized(config: *mut rtw_prepare_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Initialises a prepare report. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_prepare_report_t) in the caller's header; rtw_prepare_report_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_prepare_report_init_sized(report: *mut rtw_prepare_report_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(report, struct_size) };
}

/// Prepares an instance for real-time calls. Prefaults its memories, its code and its funcs' statistics; locks them, with
/// globals, tables and the engine's records, as the runtime's configuration says; then makes the dry calls, which funcs'
/// statistics do not include.
///
/// [setup]  On the thread that will call, after rtw_thread_attach and before its deadlines matter; may be repeated. It also works
///          on a thread that is not attached; dry calls then need guest_stack_bytes and 32 KiB of its stack.
/// config  NULL: no dry calls.
/// report  NULL, or filled on success.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a func of another instance, repeats out of
///         range), RTW_ERR_VALUES, RTW_ERR_BUSY, RTW_ERR_MEMLOCK (only with RTW_LOCK_REQUIRED), RTW_ERR_SIGNALS (standalone:
///         the engine's handlers were replaced, or the attached thread's alternate signal stack by one that is too small; the
///         message says which), RTW_ERR_STACK_SIZE (there are dry calls, and the thread's stack has no room for guests),
///         RTW_ERR_FORKED; and the status of a dry call, which leaves the instance faulted as any call does.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_prepare(
    instance: *mut rtw_instance_t,
    config: *const rtw_prepare_config_t,
    report: *mut rtw_prepare_report_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let instance = guard::named(instance, "instance")?.turn();
            let report = match report.is_null() {
                true => None,
                false => Some(guard::output_struct(report).map_err(|s| bare(s, "report"))?),
            };
            let done = match guard::optional_struct(config, "config")? {
                Some(config) => with_room(config.dry_calls, config.dry_call_count, || {
                    instance.prepare(&read_dry_calls(config.dry_calls, config.dry_call_count)?)
                })?,
                None => instance.prepare(&[])?,
            };
            if let Some(report) = report {
                report.fill(|report| {
                    report.locked = u32::from(done.locked);
                    report.touched_bytes = done.touched_bytes as u64;
                    report.locked_bytes = done.locked_bytes as u64;
                    report.dry_calls = done.dry_calls;
                    report.first_call_ns = done.first_call_ns;
                    report.steady_call_ns = done.steady_call_ns;
                    report.allocations = done.allocations;
                    report.minor_faults = done.usage.minor_faults;
                    report.major_faults = done.usage.major_faults;
                });
            }
            Ok(())
        })
    }
}

/// Runs what takes memory for each dry call of an array.
///
/// # Safety
/// There are as many as `count` says.
pub unsafe fn with_room<T>(dry_calls: *const rtw_dry_call_t, count: u32, run: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Twice the record of a call, and of one of its values.
    const CALL_BYTES: usize = 512;
    const VALUE_BYTES: usize = 64;
    let calls: &[rtw_dry_call_t] = match count {
        0 => &[],
        _ if dry_calls.is_null() => &[],
        // SAFETY: as many as the caller says.
        count => unsafe { std::slice::from_raw_parts(dry_calls, count as usize) },
    };
    let bytes = calls.iter().map(|call| CALL_BYTES + VALUE_BYTES * call.value_count as usize).sum();
    reserve::with_room(bytes, run)
}

/// The dry calls of an array, each with its number and its arguments, after the checks that all users need.
///
/// # Safety
/// `dry_calls` has `count` elements, each with `value_count` values.
pub unsafe fn each_dry_call<'a>(
    dry_calls: *const rtw_dry_call_t,
    count: u32,
) -> Result<impl Iterator<Item = Result<(usize, &'a rtw_dry_call_t, &'a [ValRaw])>>> {
    if dry_calls.is_null() && count != 0 {
        return Err(Error::new(RTW_ERR_NULL, "dry_calls is NULL"));
    }
    let calls: &[rtw_dry_call_t] = match count {
        0 => &[],
        // SAFETY: as many as the caller says.
        count => unsafe { std::slice::from_raw_parts(dry_calls, count as usize) },
    };
    Ok(calls.iter().enumerate().map(|(at, call)| {
        if !(1..=1_000_000).contains(&call.repeats) {
            return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: repeats is {}, not 1 to 1000000", call.repeats)));
        }
        let values: &[ValRaw] = match (call.values.is_null(), call.value_count) {
            (_, 0) => &[],
            (true, _) => return Err(Error::new(RTW_ERR_NULL, format!("dry call {at}: values is NULL"))),
            // SAFETY: as many as the caller says; both value types are the same 16 bytes.
            (false, count) => unsafe { std::slice::from_raw_parts(call.values.cast(), count as usize) },
        };
        Ok((at, call, values))
    }))
}

/// Those that name funcs.
///
/// # Safety
/// `dry_calls` has `count` elements, each with a live handle and `value_count` values.
pub unsafe fn read_dry_calls<'a>(dry_calls: *const rtw_dry_call_t, count: u32) -> Result<Vec<Ready<'a>>> {
    // SAFETY: passed on.
    unsafe { each_dry_call(dry_calls, count) }?
        .map(|call| {
            let (at, call, values) = call?;
            // SAFETY: a handle by the API's contract.
            let func = unsafe { FuncRef::find(call.func.cast()) }.map_err(|s| bare(s, &format!("dry call {at}: func")))?;
            if call.func_index != 0 {
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: func_index is only for slots")));
            }
            Ok(Ready { func, values, repeats: call.repeats, accepts: prepare::any })
        })
        .collect()
}
