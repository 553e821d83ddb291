//! Statistics of calls: of a func, of an instance, since a previous read.

use std::time::Duration;

use super::guard::{self, status_of};
use super::handle;
use super::instance::{rtw_func_t, rtw_instance_t};
use crate::engine::instance::Func;
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::rt::fork;
use crate::status::*;
use crate::sys::clock;

/// A distribution of times, in ns. Percentiles are accurate to 1 % or one step of the clock (rtw_clock_step_ns), whichever is
/// more; min, mean and max to one step. If count is 0, all fields are 0. Its layout is final.
#[repr(C)]
#[derive(Default)]
pub struct rtw_distribution_t {
    /// Number of values.
    pub count: u64,
    /// Minimum, ns.
    pub min_ns: f64,
    /// Mean, ns.
    pub mean_ns: f64,
    /// Median, ns.
    pub p50_ns: f64,
    /// 90th percentile, ns.
    pub p90_ns: f64,
    /// 95th percentile, ns.
    pub p95_ns: f64,
    /// 99th percentile, ns.
    pub p99_ns: f64,
    /// 99.9th percentile, ns.
    pub p999_ns: f64,
    /// 99.99th percentile, ns.
    pub p9999_ns: f64,
    /// Maximum, ns.
    pub max_ns: f64,
}

/// Statistics of calls: of a func since it was looked up or reset, of an instance since it was created, of an interval since
/// its previous read. A call's time runs from just before the guest is entered to just after it returns. Call
/// rtw_func_stats_init first.
#[repr(C)]
pub struct rtw_func_stats_t {
    /// sizeof(rtw_func_stats_t), set by rtw_func_stats_init.
    pub struct_size: u32,
    /// Number and times of the calls that entered the guest, including those that faulted.
    pub call: rtw_distribution_t,
    /// Time of the last call, ns; 0 if unknown, as for several funcs together.
    pub last_ns: f64,
    /// Time that these statistics cover, ns.
    pub duration_ns: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
    /// Calls that were cut off at their budget; faults includes them.
    pub cut_offs: u64,
    /// Calls that exceeded their budget and were not cut off: with RTW_BUDGET_COUNT, or because they returned just then.
    pub overruns: u64,
    /// Calls that took longer than the instance's deadline_ns and were not cut off.
    pub deadline_misses: u64,
    /// Calls of 100 s or more: max_ns includes them, no bucket does.
    pub overflows: u64,
    /// Largest amount that a faulted call took from its thread's arena, in bytes.
    pub arena_peak_bytes: u64,
}

/// One bucket of a histogram: the number of values from low_ns (inclusive) to high_ns (exclusive). Its layout is final.
#[repr(C)]
pub struct rtw_bucket_t {
    /// Lower bound, ns, inclusive.
    pub low_ns: f64,
    /// Upper bound, ns, exclusive.
    pub high_ns: f64,
    /// Number of values in the bucket.
    pub count: u64,
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_func_stats_t {}

/// Returns one step of the clock that measures times, in ns: the resolution of all times. It is below 1 ns on most x86-64 processors and
/// 10 ns on some. On aarch64 it is 18 to 52 ns if the counter runs at 54 to 19 MHz, as on most boards, and 1 ns on newer processors.
///
/// [any] but a real-time thread: the first call of this function or of rtw_runtime_create measures the clock, which takes 0.1 ms; the first
/// call of this one finds out the step, 0.05 ms. Within 20 ms of that the value may still change by 0.05 %; then it stays.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rtw_clock_step_ns() -> f64 {
    guard::plain(0.0, || fork::undisturbed(clock::calibration).resolution_ns())
}

/// Initialises a statistics struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_func_stats_t) in the caller's header; rtw_func_stats_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_stats_init_sized(stats: *mut rtw_func_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a func's statistics without disturbing its calls. A call that ends during the read may be in some figures and not in
/// others.
///
/// [any] but a real-time thread: it copies 9 KiB.
/// stats   filled on success; all figures are 0 if there were no calls.
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

/// Reads the statistics of all calls of an instance's funcs since the instance was created. Includes funcs that were
/// destroyed; resets of funcs do not affect it. A nested call, which a host function makes, counts as a call of its own, and
/// its time is also part of the outer call's. Calls may continue meanwhile.
///
/// [any] but a real-time thread: it copies 9 KiB a func.
/// stats   filled on success; all figures are 0 if there were no calls.
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

/// Starts a func's statistics over, for all readers. Calls may continue meanwhile; one that is just ending counts once,
/// before or after. Does not affect intervals or the instance's statistics. To read what happened since the previous read,
/// use rtw_func_interval instead.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (the runtime's statistics are off).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_func_stats_reset(func: *mut rtw_func_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { recorder(func) }.map(Recorder::reset)))
}

/// Reads the histogram of a func's call times: its non-empty buckets in ascending order.
///
/// [any] but a real-time thread.
/// buckets   receives the first `capacity` buckets; NULL if capacity is 0.
/// count     receives the number of non-empty buckets, which may exceed capacity, and grow from one read to the next.
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
    let clock = clock::calibration();
    let [p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns] =
        snapshot.quantiles([0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]).map(|ticks| ticks * clock.ns_per_tick);
    rtw_distribution_t {
        count: snapshot.count,
        min_ns: clock.ns(snapshot.min),
        mean_ns: snapshot.mean() * clock.ns_per_tick,
        p50_ns,
        p90_ns,
        p95_ns,
        p99_ns,
        p999_ns,
        p9999_ns,
        max_ns: clock.ns(snapshot.max),
    }
}

/// The non-empty buckets of a snapshot.
pub(super) fn buckets(snapshot: &Snapshot) -> impl Iterator<Item = rtw_bucket_t> {
    let clock = clock::calibration();
    snapshot.occupied().map(move |(low, high, count)| rtw_bucket_t { low_ns: clock.ns(low), high_ns: clock.ns(high), count })
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
            // SAFETY: the caller says that there is room for `capacity`.
            unsafe { out.add(found).write(item) };
        }
        found += 1;
    }
    // SAFETY: writable as the caller promises.
    unsafe { count.write(found) };
    Ok(())
}

/// A func's snapshot in ns.
pub(super) fn fill(stats: &mut rtw_func_stats_t, snapshot: &Snapshot, duration: Duration) {
    stats.call = distribution(snapshot);
    stats.last_ns = clock::calibration().ns(snapshot.last);
    stats.duration_ns = duration.as_nanos() as u64;
    stats.faults = snapshot.calls.faults;
    stats.cut_offs = snapshot.calls.cut_offs;
    stats.overruns = snapshot.calls.overruns;
    stats.deadline_misses = snapshot.calls.misses;
    stats.overflows = snapshot.overflows;
    stats.arena_peak_bytes = snapshot.calls.arena_peak;
}
