//! Preparing instances.

use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::value::rtw_value_t;
use crate::engine::own::FuncRef;
use crate::engine::prepare::Ready;
use crate::rt::reserve;
use crate::status::*;

/// A call that is made before the real ones, with arguments that are safe then and leave the guest in a state to begin with: by
/// rtw_instance_prepare, by a worker at each start, by a slot with every instance before it is used. Its layout is final.
#[repr(C)]
pub struct rtw_dry_call_t {
    /// For rtw_instance_prepare and workers: a func. For slots: NULL.
    pub func: *mut rtw_func_t,
    /// Its arguments; read only. At least as many as rtw_invoke wants.
    pub values: *const rtw_value_t,
    /// How many values there are.
    pub value_count: u32,
    /// How often to call, 1 to 1000000. The guest's state changes as with every call: where that matters, let the guest have
    /// a reset function and call it afterwards.
    pub repeats: u32,
    /// For slots: which of the slot's functions. Otherwise 0.
    pub func_index: u32,
}

/// What prepare shall do. Call rtw_prepare_config_init first.
#[repr(C)]
pub struct rtw_prepare_config_t {
    /// sizeof(rtw_prepare_config_t), set by rtw_prepare_config_init.
    pub struct_size: u32,
    /// How many dry calls there are.
    pub dry_call_count: u32,
    /// The dry calls, made in this order; NULL where there are none.
    pub dry_calls: *const rtw_dry_call_t,
}

/// What prepare did and found. Call rtw_prepare_report_init first.
#[repr(C)]
pub struct rtw_prepare_report_t {
    /// sizeof(rtw_prepare_report_t), set by rtw_prepare_report_init.
    pub struct_size: u32,
    /// 1 where everything touched is locked into memory, 0 where locking was off or refused for a part.
    pub locked: u32,
    /// Code, memories and statistics made present, in bytes; where memory is to be locked also what calls touch on the heap:
    /// the engine's records of module and instance, globals, tables, funcs.
    pub touched_bytes: u64,
    /// How much of that is locked, in bytes.
    pub locked_bytes: u64,
    /// Dry calls made.
    pub dry_calls: u64,
    /// How long the first dry call took, in ns.
    pub first_call_ns: f64,
    /// Median of the second half of the dry calls, in ns.
    pub steady_call_ns: f64,
    /// Allocations of this library in all dry calls; 0 where none of them failed.
    pub allocations: u64,
    /// Page faults without I/O that this thread took in the second half of the dry calls.
    pub minor_faults: u64,
    /// Page faults with I/O that this thread took in the second half of the dry calls.
    pub major_faults: u64,
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_prepare_config_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_prepare_report_t {}

/// Fills a configuration with the defaults: no dry calls. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_prepare_config_t) as the caller knows it: rtw_prepare_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_prepare_config_init_sized(config: *mut rtw_prepare_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Prepares a report to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_prepare_report_t) as the caller knows it: rtw_prepare_report_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_prepare_report_init_sized(report: *mut rtw_prepare_report_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(report, struct_size) };
}

/// Makes an instance warm: its memories, its code and its funcs' statistics made present (by writing where they are written),
/// locked as the runtime's configuration says together with its globals, tables and the engine's records, then the dry calls.
/// Dry calls do not enter the funcs' statistics.
///
/// [setup]  On the attached thread that will call, before its deadlines matter; may be repeated. Dry calls need no attached
///          thread, but guest_stack_bytes and 32 KiB of the thread's stack.
/// config  NULL: no dry calls.
/// report  NULL, or filled on success.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a func of another instance, repeats out of
///         range), RTW_ERR_VALUES, RTW_ERR_BUSY, RTW_ERR_MEMLOCK (only where locking is required),
///         RTW_ERR_SIGNALS (standalone: somebody replaced the engine's handlers, or the host replaced the attached thread's alternate
///         signal stack by one that is too small; the message names whose or how large), RTW_ERR_STACK_SIZE (there
///         are dry calls, and no room for guests on the thread's stack), RTW_ERR_FORKED; and what a dry call answered, which
///         leaves the instance faulted as any call does.
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
            let instance = guard::named(instance, "instance")?;
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
    /// What is noted of a call, and of a value of its, twice.
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

/// The dry calls of an array, each with its number and its arguments, as far as they are right wherever they are used.
///
/// # Safety
/// There are so many, and as many values as they say.
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
/// There are so many, with live handles and as many values as they say.
pub unsafe fn read_dry_calls<'a>(dry_calls: *const rtw_dry_call_t, count: u32) -> Result<Vec<Ready<'a>>> {
    // SAFETY: passed on.
    unsafe { each_dry_call(dry_calls, count) }?
        .map(|call| {
            let (at, call, values) = call?;
            // SAFETY: a handle by the API's contract.
            let func = unsafe { FuncRef::find(call.func.cast()) }.map_err(|s| bare(s, &format!("dry call {at}: func")))?;
            if call.func_index != 0 {
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: func_index is for slots alone")));
            }
            Ok(Ready { func, values, repeats: call.repeats })
        })
        .collect()
}
