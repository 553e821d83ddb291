//! Intervals: what happened since one last asked.

use super::error::rtw_error_t;
use super::guard::{self, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::stats::{fill, rtw_func_stats_t};
use crate::status::*;
use crate::subjects::interval::{Interval, Source};

/// A reader of statistics: each read returns what was recorded since its previous read. The reads add up exactly to what was
/// recorded since the interval was created. Intervals do not affect each other or the calls, and resets do not affect
/// intervals.
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

/// Creates an interval of a func's calls; it begins now.
///
/// [setup]
/// func  the interval keeps it alive, with its statistics.
/// out   receives the interval, to be destroyed with rtw_interval_destroy; NULL on failure.
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

/// Creates an interval of the calls of all of an instance's funcs, including later ones; it begins now.
///
/// [setup]
/// instance  the interval keeps it alive.
/// out       receives the interval, to be destroyed with rtw_interval_destroy; NULL on failure.
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

/// Reads what was recorded since the previous read, or since the interval was created, and begins the next interval. The
/// count and the buckets are exact. min_ns and max_ns are exact if the interval has one call or a new extreme; otherwise they
/// are the outer bounds of their buckets, which are at most 1.6 % wide: min_ns is never too long, max_ns never too short.
///
/// [any] but a real-time thread: it copies 9 KiB a func. Threads that share an interval take turns.
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

/// Destroys an interval. NULL does nothing.
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
