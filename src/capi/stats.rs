//! The statistics of calls: of a func, of all of an instance's.

use std::time::Duration;

use super::guard::{self, status_of};
use super::handle;
use super::instance::{rtw_func_t, rtw_instance_t};
use crate::engine::instance::Func;
use crate::rt::clock;
use crate::rt::histogram::{Recorder, Snapshot};
use crate::status::*;

/// How long calls took: a func's since it was made or last reset, an instance's since it was made, an interval's since it was
/// last read. Call rtw_func_stats_init first. All times are in ns, from the moment before the guest is entered to the moment
/// after it is left; percentiles are within 1 %, last, min, mean and max exact to the clock's resolution (see rtw_interval_read
/// for its own).
#[repr(C)]
pub struct rtw_func_stats_t {
    /// sizeof(rtw_func_stats_t), set by rtw_func_stats_init.
    pub struct_size: u32,
    /// Calls that entered the guest, faulted ones included.
    pub calls: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
    /// Calls longer than the buckets reach (100 s and more); in max, but in no bucket.
    pub overflows: u64,
    /// The most bytes that one faulted call took of its thread's arena.
    pub arena_peak_bytes: u64,
    /// The last call; 0 where that is not known, as of several funcs together.
    pub last_ns: f64,
    /// The shortest.
    pub min_ns: f64,
    /// The mean.
    pub mean_ns: f64,
    /// Half of all calls took at most this long.
    pub p50_ns: f64,
    /// 90 %.
    pub p90_ns: f64,
    /// 95 %.
    pub p95_ns: f64,
    /// 99 %.
    pub p99_ns: f64,
    /// 99.9 %.
    pub p999_ns: f64,
    /// 99.99 %.
    pub p9999_ns: f64,
    /// The longest.
    pub max_ns: f64,
    /// How much time all this covers.
    pub duration_ns: f64,
    /// Calls that ended in a fault because their budget was used up.
    pub cut_offs: u64,
    /// Calls that took longer than their budget and were not cut off: RTW_BUDGET_COUNT, or they ended by themselves just then.
    pub overruns: u64,
    /// Calls that took longer than the instance's deadline_ns and were not cut off.
    pub deadline_misses: u64,
}

/// One bucket of the histogram: how many calls took from low_ns (inclusive) to high_ns (exclusive).
#[repr(C)]
pub struct rtw_bucket_t {
    /// Lower bound in ns, inclusive.
    pub low_ns: f64,
    /// Upper bound in ns, exclusive.
    pub high_ns: f64,
    /// Number of calls.
    pub count: u64,
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_func_stats_t {}

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_func_stats_t) as the caller knows it: rtw_func_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_stats_init_sized(stats: *mut rtw_func_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a func's statistics. Any thread may, at any time, also while the func is being called: the caller is not disturbed.
/// A call that ends meanwhile may be in some figures and not yet in others.
///
/// [any] but a real-time thread: it copies 17 KiB.
/// stats   filled on success; all figures are 0 while there are no calls.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_stats(func: *const rtw_func_t, stats: *mut rtw_func_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(recorder(func).and_then(|recorder| {
            let (snapshot, began) = recorder.snapshot_since();
            guard::output_struct(stats)?.fill(|stats| fill(stats, &snapshot, began.elapsed()));
            Ok(())
        }))
    })
}

/// Reads the statistics of all calls of an instance's funcs together since it was made: of those that are destroyed, too, and
/// whether or not they were reset meanwhile. A call that a host function makes from inside another counts, and so does the time
/// it takes, in both. Any thread may, also while calls go on.
///
/// [any] but a real-time thread: it copies 17 KiB a func.
/// stats   filled on success; all figures are 0 while there are no calls.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_stats(instance: *const rtw_instance_t, stats: *mut rtw_func_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(handle::borrow(instance).and_then(|instance| {
            let snapshot = instance.recorded().ok_or(RTW_ERR_UNSUPPORTED)?;
            guard::output_struct(stats)?.fill(|stats| fill(stats, &snapshot, instance.began().elapsed()));
            Ok(())
        }))
    })
}

/// Starts a func's statistics anew. Any thread may, also while the func is being called; a call that is just ending counts
/// once, before or after. Intervals and the instance's statistics know nothing of resets. Who wants to know what happened since
/// they last asked takes rtw_func_interval: a reset is for everybody.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_stats_reset(func: *mut rtw_func_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { recorder(func) }.map(Recorder::reset)))
}

/// The histogram behind the statistics: its non-empty buckets in ascending order.
///
/// [any] but a real-time thread.
/// buckets   receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity; while calls go on the next reading may have more.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_buckets(
    func: *const rtw_func_t,
    buckets: *mut rtw_bucket_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(recorder(func).and_then(|recorder| {
            if count.is_null() || (buckets.is_null() && capacity != 0) {
                return Err(RTW_ERR_NULL);
            }
            let to_ns = clock::calibration().ns_per_tick;
            let snapshot = recorder.snapshot();
            let mut found = 0;
            for (low, high, calls) in snapshot.occupied() {
                if found < capacity {
                    let bucket = rtw_bucket_t { low_ns: low as f64 * to_ns, high_ns: high as f64 * to_ns, count: calls };
                    buckets.add(found).write(bucket);
                }
                found += 1;
            }
            count.write(found);
            Ok(())
        }))
    })
}

unsafe fn recorder<'a>(func: *const rtw_func_t) -> std::result::Result<&'a Recorder, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let func: &'a Func = unsafe { handle::borrow(func) }?;
    func.shared.recorder.as_ref().ok_or(RTW_ERR_UNSUPPORTED)
}

/// A snapshot in ns.
pub(super) fn fill(stats: &mut rtw_func_stats_t, snapshot: &Snapshot, duration: Duration) {
    let to_ns = clock::calibration().ns_per_tick;
    let quantiles = snapshot.quantiles([0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]).map(|ticks| ticks * to_ns);
    stats.calls = snapshot.count;
    stats.faults = snapshot.faults;
    stats.overflows = snapshot.overflows;
    stats.cut_offs = snapshot.cut_offs;
    stats.overruns = snapshot.overruns;
    stats.deadline_misses = snapshot.misses;
    stats.arena_peak_bytes = snapshot.arena_peak;
    stats.last_ns = snapshot.last as f64 * to_ns;
    stats.min_ns = if snapshot.count == 0 { 0.0 } else { snapshot.min as f64 * to_ns };
    stats.mean_ns = snapshot.mean() * to_ns;
    [stats.p50_ns, stats.p90_ns, stats.p95_ns, stats.p99_ns, stats.p999_ns, stats.p9999_ns] = quantiles;
    stats.max_ns = snapshot.max as f64 * to_ns;
    stats.duration_ns = duration.as_nanos() as f64;
}
