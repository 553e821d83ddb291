//! A worker's statistics.

use super::{ours, rtw_worker_t};
use crate::capi::error::rtw_error_t;
use crate::capi::guard::{self, setup_apart, status_of};
use crate::capi::interval::{self, rtw_interval_t};
use crate::capi::runtime::out_of_range;
use crate::capi::stats::{buckets, distribution, list, rtw_bucket_t, rtw_distribution_t};
use crate::stats::cause;
use crate::status::*;
use crate::sys::clock;
use crate::worker::{DISTRIBUTIONS, Worker};

/// Selects wake_up of rtw_worker_stats_t in rtw_worker_buckets and rtw_worker_interval: how late steps began.
pub const RTW_SERIES_WAKE_UP: u32 = 0;
/// Selects call: how long steps took, from the actual start.
pub const RTW_SERIES_CALL: u32 = 1;
/// Selects response: how long steps took from the intended start, periods that went by included.
pub const RTW_SERIES_RESPONSE: u32 = 2;
/// Selects jitter: how far two starts were from a period apart.
pub const RTW_SERIES_JITTER: u32 = 3;

/// The thread took page faults between the step before and the end of this one.
pub const RTW_CAUSE_PAGE_FAULT: u32 = 1;
/// Another thread took the CPU in that time.
pub const RTW_CAUSE_INVOLUNTARY_SWITCH: u32 = 2;
/// The thread slept or waited in that time, beyond the worker's own sleep: something in the step blocked.
pub const RTW_CAUSE_VOLUNTARY_SWITCH: u32 = 4;
/// The call was cut off at its budget.
pub const RTW_CAUSE_BUDGET: u32 = 8;
/// The step failed in another way: a trap, a host function's error.
pub const RTW_CAUSE_TRAP: u32 = 16;
/// The step ended after the next one was due, or periods went by before it.
pub const RTW_CAUSE_DEADLINE: u32 = 32;
/// The thread woke up late: more than half of the response time went by before the step began.
pub const RTW_CAUSE_WAKE_UP: u32 = 64;

const _: () = assert!(
    RTW_CAUSE_PAGE_FAULT == cause::PAGE_FAULT
        && RTW_CAUSE_INVOLUNTARY_SWITCH == cause::INVOLUNTARY_SWITCH
        && RTW_CAUSE_VOLUNTARY_SWITCH == cause::VOLUNTARY_SWITCH
        && RTW_CAUSE_BUDGET == cause::BUDGET
        && RTW_CAUSE_TRAP == cause::TRAP
        && RTW_CAUSE_DEADLINE == cause::DEADLINE
        && RTW_CAUSE_WAKE_UP == cause::WAKE_UP
);

/// What a worker recorded since it was made or last reset. Call rtw_worker_stats_init first. For a queue, the intended start of
/// an invocation is its submission, and what is about periods is 0.
#[repr(C)]
pub struct rtw_worker_stats_t {
    /// sizeof(rtw_worker_stats_t), set by rtw_worker_stats_init.
    pub struct_size: u32,
    /// When that was, in ns of CLOCK_REALTIME.
    pub since_realtime_ns: u64,
    /// How long ago that was.
    pub duration_ns: u64,
    /// Steps or invocations that ran.
    pub ticks: u64,
    /// Periods that were passed over.
    pub skipped: u64,
    /// Steps that ended after the next one was due.
    pub overruns: u64,
    /// Periods whose step had not ended when the next one was due: overruns and skipped together.
    pub misses: u64,
    /// The longest run of periods in a row that missed.
    pub longest_miss_run: u64,
    /// Steps or invocations that failed.
    pub faults: u64,
    /// Page faults of the thread served from memory.
    pub minor_faults: u64,
    /// Page faults of the thread served by I/O.
    pub major_faults: u64,
    /// How often the thread slept or waited, its sleeps between steps included.
    pub voluntary_switches: u64,
    /// How often another thread took the CPU.
    pub involuntary_switches: u64,
    /// Queue: invocations accepted, since the worker was made.
    pub submitted: u64,
    /// Queue: of these, those whose completion was taken.
    pub completed: u64,
    /// Queue: of these, those that never began.
    pub cancelled: u64,
    /// Queue: submissions refused with RTW_ERR_FULL.
    pub refused: u64,
    /// From the intended to the actual start. Periods that were passed over count with what their own step would have had:
    /// leaving them out would make a stall of many periods look like one late call (coordinated omission).
    pub wake_up: rtw_distribution_t,
    /// From the actual start to the end of the step.
    pub call: rtw_distribution_t,
    /// From the intended start to the end. Periods that were passed over count as in wake_up.
    pub response: rtw_distribution_t,
    /// How far the distance of two actual starts was from that of their intended starts.
    pub jitter: rtw_distribution_t,
}

/// One of the worst steps or invocations. Its layout is final.
#[repr(C)]
pub struct rtw_worst_t {
    /// When it had ended, in ns of CLOCK_REALTIME.
    pub at_realtime_ns: u64,
    /// The tick's index, or the invocation's tag.
    pub index: u64,
    /// From the intended start of the first period that it stands for to the actual start.
    pub wake_up_ns: f64,
    /// From the actual start to the end.
    pub call_ns: f64,
    /// Both together.
    pub response_ns: f64,
    /// What it answered.
    pub status: rtw_status_t,
    /// RTW_CAUSE_ bits: what went along with it.
    pub causes: u32,
}

/// The worst of one second. Its layout is final.
#[repr(C)]
pub struct rtw_second_t {
    /// When it began, in ns after the statistics did.
    pub at_ns: u64,
    /// How many steps or invocations ran in it.
    pub count: u64,
    /// The longest response time.
    pub max_ns: u64,
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_worker_stats_t {}

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_stats_t) as the caller knows it: rtw_worker_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_stats_init_sized(stats: *mut rtw_worker_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a worker's statistics. Any thread may, at any time: the worker is not disturbed. A step that ends meanwhile may be in
/// some figures and not yet in others. The thread enters a step after its end, and asks the system then, once a step, for its
/// page faults and switches.
///
/// [any] but a real-time thread: it copies some 80 KiB.
/// stats  filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stats(worker: *const rtw_worker_t, stats: *mut rtw_worker_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            guard::output_struct(stats)?.fill(|stats| fill(stats, worker));
            Ok(())
        }))
    })
}

/// Starts a worker's statistics anew, but for what is counted since it was made. Any thread may, also while it runs; a step
/// that is just ending counts as before the reset.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stats_reset(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(|worker| worker.shared.statistics.reset())))
}

/// The histogram behind one of the distributions: its non-empty buckets in ascending order.
///
/// [any] but a real-time thread.
/// series    RTW_SERIES_WAKE_UP ...
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity; while the worker runs the next reading may have
/// more.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_ARGUMENT (there is no such series).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_buckets(
    worker: *const rtw_worker_t,
    series: u32,
    out: *mut rtw_bucket_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let all = worker.shared.statistics.snapshot();
            let snapshot = match series {
                RTW_SERIES_WAKE_UP => all.wake_up,
                RTW_SERIES_CALL => all.call,
                RTW_SERIES_RESPONSE => all.response,
                RTW_SERIES_JITTER => all.jitter,
                _ => return Err(RTW_ERR_ARGUMENT),
            };
            list(buckets(&snapshot), out, capacity, count)
        }))
    })
}

/// The steps or invocations with the longest response times since the statistics began, worst first; 32 are kept.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_worst(
    worker: *const rtw_worker_t,
    out: *mut rtw_worst_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let to_ns = clock::calibration().ns_per_tick;
            let worst = worker.shared.statistics.worst().into_iter().map(|bad| rtw_worst_t {
                at_realtime_ns: bad.at_realtime_ns,
                index: bad.index,
                wake_up_ns: bad.wake_up as f64 * to_ns,
                call_ns: bad.call as f64 * to_ns,
                response_ns: bad.response as f64 * to_ns,
                status: bad.status,
                causes: bad.causes,
            });
            list(worst, out, capacity, count)
        }))
    })
}

/// The longest response time of each second in which something ran, oldest first; the last ten minutes are kept.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_timeline(
    worker: *const rtw_worker_t,
    out: *mut rtw_second_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let points = worker.shared.statistics.timeline().into_iter();
            let seconds = points.map(|point| rtw_second_t { at_ns: point.at_ns, count: point.count, max_ns: point.max_ns });
            list(seconds, out, capacity, count)
        }))
    })
}

/// Makes an interval of one of a worker's distributions; it begins now. In its readings `call` is that
/// distribution; faults, cut-offs and misses are in rtw_worker_stats_t alone.
///
/// [setup]
/// worker  what it has recorded is kept alive by the interval.
/// series  RTW_SERIES_WAKE_UP, RTW_SERIES_CALL, RTW_SERIES_RESPONSE or RTW_SERIES_JITTER.
/// out     receives the interval, to be ended with rtw_interval_destroy; NULL on failure.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (there is no such series).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_interval(
    worker: *const rtw_worker_t,
    series: u32,
    out: *mut *mut rtw_interval_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let worker = guard::named(worker, "worker")?;
            if series as usize >= DISTRIBUTIONS.len() {
                return Err(out_of_range("series", series));
            }
            *out = interval::begin(worker.distribution(series as usize))?;
            Ok(())
        })
    }
}

fn fill(stats: &mut rtw_worker_stats_t, worker: &Worker) {
    let all = worker.shared.statistics.snapshot();
    stats.since_realtime_ns = all.since_realtime_ns;
    stats.duration_ns = all.duration_ns;
    stats.ticks = all.counts.ticks;
    stats.skipped = all.counts.skipped;
    stats.overruns = all.counts.overruns;
    stats.misses = all.counts.misses;
    stats.longest_miss_run = all.counts.longest_miss_run;
    stats.faults = all.counts.faults;
    stats.minor_faults = all.counts.minor_faults;
    stats.major_faults = all.counts.major_faults;
    stats.voluntary_switches = all.counts.voluntary_switches;
    stats.involuntary_switches = all.counts.involuntary_switches;
    if let Some(queue) = &worker.shared.queue {
        [stats.submitted, stats.completed, stats.cancelled, stats.refused] = queue.counted();
    }
    stats.wake_up = distribution(&all.wake_up);
    stats.call = distribution(&all.call);
    stats.response = distribution(&all.response);
    stats.jitter = distribution(&all.jitter);
}
