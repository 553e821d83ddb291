//! The statistics of calls: of a func, of all of an instance's.

use std::time::Duration;

use super::guard::{self, status_of};
use super::handle;
use super::instance::{rtw_func_t, rtw_instance_t};
use crate::engine::instance::Func;
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::status::*;
use crate::sys::clock;

/// A distribution of times, in ns. Percentiles are within 1 %; min, mean and max are exact to the clock's resolution. If count is 0,
/// all fields are 0. Its layout is final.
#[repr(C)]
#[derive(Default)]
pub struct rtw_distribution_t {
    /// Number of values.
    pub count: u64,
    /// The shortest, in ns.
    pub min_ns: f64,
    /// The mean, in ns.
    pub mean_ns: f64,
    /// Median: half of all values are at most this, in ns.
    pub p50_ns: f64,
    /// 90th percentile, in ns.
    pub p90_ns: f64,
    /// 95th percentile, in ns.
    pub p95_ns: f64,
    /// 99th percentile, in ns.
    pub p99_ns: f64,
    /// 99.9th percentile, in ns.
    pub p999_ns: f64,
    /// 99.99th percentile, in ns.
    pub p9999_ns: f64,
    /// The longest, in ns.
    pub max_ns: f64,
}

/// How long calls took: a func's since it was made or last reset, an instance's since it was made, an interval's since it was
/// last read. Call rtw_func_stats_init first. All times are in ns, from the moment before the guest is entered to the moment
/// after it is left (see rtw_interval_read for its own extremes).
#[repr(C)]
pub struct rtw_func_stats_t {
    /// sizeof(rtw_func_stats_t), set by rtw_func_stats_init.
    pub struct_size: u32,
    /// Calls that entered the guest, faulted ones included: their number, and how long they took.
    pub call: rtw_distribution_t,
    /// The last call, in ns; 0 where that is not known, as of several funcs together.
    pub last_ns: f64,
    /// How much time all this covers, in ns.
    pub duration_ns: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
    /// Of these: calls that were cut off because their budget was used up.
    pub cut_offs: u64,
    /// Calls that took longer than their budget and were not cut off: RTW_BUDGET_COUNT, or they ended by themselves just then.
    pub overruns: u64,
    /// Calls that took longer than the instance's deadline_ns and were not cut off.
    pub deadline_misses: u64,
    /// Calls longer than the buckets reach (100 s and more); in max_ns, but in no bucket.
    pub overflows: u64,
    /// The most bytes that one faulted call took of its thread's arena.
    pub arena_peak_bytes: u64,
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
pub unsafe extern "C-unwind" fn rtw_func_stats(func: *const rtw_func_t, stats: *mut rtw_func_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
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
pub unsafe extern "C-unwind" fn rtw_instance_stats(
    instance: *const rtw_instance_t,
    stats: *mut rtw_func_stats_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
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
pub unsafe extern "C-unwind" fn rtw_func_stats_reset(func: *mut rtw_func_t) -> rtw_status_t {
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
pub unsafe extern "C-unwind" fn rtw_func_buckets(
    func: *const rtw_func_t,
    buckets: *mut rtw_bucket_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(recorder(func).and_then(|recorder| list(self::buckets(&recorder.snapshot()), buckets, capacity, count)))
    })
}

unsafe fn recorder<'a>(func: *const rtw_func_t) -> std::result::Result<&'a Recorder, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let func: &'a Func = unsafe { handle::borrow(func) }?;
    func.shared.recorder.as_ref().ok_or(RTW_ERR_UNSUPPORTED)
}

/// A snapshot in ns.
pub(super) fn distribution(snapshot: &Snapshot) -> rtw_distribution_t {
    if snapshot.count == 0 {
        return rtw_distribution_t::default();
    }
    let to_ns = clock::calibration().ns_per_tick;
    let [p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns] =
        snapshot.quantiles([0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]).map(|ticks| ticks * to_ns);
    rtw_distribution_t {
        count: snapshot.count,
        min_ns: snapshot.min as f64 * to_ns,
        mean_ns: snapshot.mean() * to_ns,
        p50_ns,
        p90_ns,
        p95_ns,
        p99_ns,
        p999_ns,
        p9999_ns,
        max_ns: snapshot.max as f64 * to_ns,
    }
}

/// The non-empty buckets of a snapshot.
pub(super) fn buckets(snapshot: &Snapshot) -> impl Iterator<Item = rtw_bucket_t> {
    let to_ns = clock::calibration().ns_per_tick;
    snapshot.occupied().map(move |(low, high, count)| rtw_bucket_t {
        low_ns: low as f64 * to_ns,
        high_ns: high as f64 * to_ns,
        count,
    })
}

/// Writes as many as there is room for, and how many there are.
///
/// # Safety
/// `out` is NULL or writable for `capacity` of them, `count` is NULL or writable.
pub(super) unsafe fn list<T>(
    items: impl Iterator<Item = T>,
    out: *mut T,
    capacity: usize,
    count: *mut usize,
) -> std::result::Result<(), rtw_status_t> {
    if count.is_null() || (out.is_null() && capacity != 0) {
        return Err(RTW_ERR_NULL);
    }
    let mut found = 0;
    for item in items {
        if found < capacity {
            // SAFETY: there is room for so many by the caller's word.
            unsafe { out.add(found).write(item) };
        }
        found += 1;
    }
    // SAFETY: writable by the caller's word.
    unsafe { count.write(found) };
    Ok(())
}

/// A func's snapshot in ns.
pub(super) fn fill(stats: &mut rtw_func_stats_t, snapshot: &Snapshot, duration: Duration) {
    stats.call = distribution(snapshot);
    stats.last_ns = snapshot.last as f64 * clock::calibration().ns_per_tick;
    stats.duration_ns = duration.as_nanos() as u64;
    stats.faults = snapshot.faults;
    stats.cut_offs = snapshot.cut_offs;
    stats.overruns = snapshot.overruns;
    stats.deadline_misses = snapshot.misses;
    stats.overflows = snapshot.overflows;
    stats.arena_peak_bytes = snapshot.arena_peak;
}
