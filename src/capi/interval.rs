//! Intervals: what happened since one last asked.

use super::error::rtw_error_t;
use super::guard::{self, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::stats::{fill, rtw_func_stats_t};
use crate::stats::interval::{Interval, Source};
use crate::status::*;

/// Somebody who asks again and again what has happened since. Each has an interval of its own, and none takes anything from
/// another; nor does a reset, and calls are not disturbed by any of them. The readings of an interval add up exactly to what
/// was recorded since it was made.
pub struct rtw_interval_t {
    _private: [u8; 0],
}

impl Noun for rtw_interval_t {
    type Value = Interval;
    const MAGIC: u64 = 0x6c61_7672_6574_6e09;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Makes an interval of a func's calls; it begins now.
///
/// [setup]
/// func  is kept alive by the interval, with its statistics.
/// out   receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_func_interval(
    func: *const rtw_func_t,
    out: *mut *mut rtw_interval_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            *out = begin(Source::Func(guard::named(func, "func")?.shared.clone()))?;
            Ok(())
        })
    }
}

/// Makes an interval of the calls of all of an instance's funcs together, future ones included; it begins now.
///
/// [setup]
/// instance  is kept alive by the interval.
/// out       receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
/// err       NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_interval(
    instance: *const rtw_instance_t,
    out: *mut *mut rtw_interval_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            *out = begin(Source::Instance(guard::named(instance, "instance")?.clone()))?;
            Ok(())
        })
    }
}

/// Reads what happened since the last reading, or since the interval was made, and begins the next one. Calls and their times
/// are exact; the extremes are where they can be told (a single call, a new extreme of all), else they are the outer end of
/// their bucket, which is at most 1.6 % wide: min_ns is never too long, max_ns never too short.
///
/// [any] but a real-time thread: it copies 17 KiB a func. Threads that share an interval take turns.
/// stats   filled on success; call rtw_func_stats_init first. duration_ns is the interval's length.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_interval_read(interval: *mut rtw_interval_t, stats: *mut rtw_func_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(handle::borrow(interval).and_then(|interval| {
            // First what may fail: a reading that nobody gets is lost.
            let stats = guard::output_struct(stats)?;
            let (snapshot, duration) = interval.read().map_err(|error| error.status)?;
            stats.fill(|stats| fill(stats, &snapshot, duration));
            Ok(())
        }))
    })
}

/// Ends an interval. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_interval_destroy(interval: *mut rtw_interval_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(interval) });
}

pub(super) fn begin(source: Source) -> Result<*mut rtw_interval_t> {
    let interval = Interval::new(source);
    let interval = interval.ok_or_else(|| Error::new(RTW_ERR_UNSUPPORTED, "the runtime's statistics are off"))?;
    handle::create(interval)
}
