//! A worker's statistics.

use super::{ours, rtw_worker_t};
use crate::capi::error::rtw_error_t;
use crate::capi::guard::{self, setup_apart, status_of};
use crate::capi::interval::{self, rtw_interval_t};
use crate::capi::stats::{buckets, distribution, list, rtw_bucket_t, rtw_distribution_t};
use crate::ffi::out_of_range;
use crate::stats::cause;
use crate::status::*;
use crate::sys::clock;
use crate::worker::{DISTRIBUTIONS, Worker, with_counters};

/// Selects wake_up of rtw_worker_stats_t in rtw_worker_buckets and rtw_worker_interval: how late steps began.
pub const RTW_SERIES_WAKE_UP: u32 = 0;
/// Selects call of rtw_worker_stats_t: how long steps took from their actual start.
pub const RTW_SERIES_CALL: u32 = 1;
/// Selects response of rtw_worker_stats_t: how long steps took from their intended start, including skipped periods.
pub const RTW_SERIES_RESPONSE: u32 = 2;
/// Selects jitter of rtw_worker_stats_t: by how much the time between two starts differed from the period.
pub const RTW_SERIES_JITTER: u32 = 3;

/// The thread took page faults between the previous step and the end of this one.
pub const RTW_CAUSE_PAGE_FAULT: u32 = 1;
/// Another thread took the CPU between the previous step and the end of this one.
pub const RTW_CAUSE_INVOLUNTARY_SWITCH: u32 = 2;
/// The thread slept or waited more often than the worker itself does: something in the step blocked.
pub const RTW_CAUSE_VOLUNTARY_SWITCH: u32 = 4;
/// The call exceeded its budget and was cut off.
pub const RTW_CAUSE_BUDGET: u32 = 8;
/// The step failed in another way: a trap, or a host function's error.
pub const RTW_CAUSE_TRAP: u32 = 16;
/// The step ended after the next one was due, or periods were skipped before it.
pub const RTW_CAUSE_DEADLINE: u32 = 32;
/// The thread woke up late: more than half of the response time passed before the step began.
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

/// Statistics of a worker since it was created or reset. Call rtw_worker_stats_init first. For a queue, the intended start of
/// an invocation is its submission, and figures about periods are 0.
#[repr(C)]
pub struct rtw_worker_stats_t {
    /// sizeof(rtw_worker_stats_t), set by rtw_worker_stats_init.
    pub struct_size: u32,
    /// When these statistics began, in ns of CLOCK_REALTIME.
    pub since_realtime_ns: u64,
    /// Time since these statistics began, in ns.
    pub duration_ns: u64,
    /// Steps or invocations that ran.
    pub ticks: u64,
    /// Periods that were skipped.
    pub skipped: u64,
    /// Steps that ended after the next one was due.
    pub overruns: u64,
    /// Periods whose step had not ended when the next one was due: overruns and skipped together.
    pub misses: u64,
    /// Largest number of consecutive misses.
    pub longest_miss_run: u64,
    /// Steps or invocations that failed.
    pub faults: u64,
    /// Page faults of the thread without I/O.
    pub minor_faults: u64,
    /// Page faults of the thread with I/O.
    pub major_faults: u64,
    /// Number of times that the thread slept or waited, including its sleeps between steps.
    pub voluntary_switches: u64,
    /// Number of times that another thread took the CPU.
    pub involuntary_switches: u64,
    /// Queue: invocations accepted since the worker was created.
    pub submitted: u64,
    /// Queue: accepted invocations whose completion was taken.
    pub completed: u64,
    /// Queue: accepted invocations that never began.
    pub cancelled: u64,
    /// Queue: submissions that returned RTW_ERR_FULL.
    pub refused: u64,
    /// Time from the intended to the actual start. A skipped period counts with the time that its own step would have had;
    /// otherwise a stall of many periods would look like one late call (coordinated omission).
    pub wake_up: rtw_distribution_t,
    /// Time from the actual start to the end of the step.
    pub call: rtw_distribution_t,
    /// Time from the intended start to the end of the step. Skipped periods count as in wake_up.
    pub response: rtw_distribution_t,
    /// By how much the time between two actual starts differed from that between their intended starts.
    pub jitter: rtw_distribution_t,
}

/// One of the slowest steps or invocations. Its layout is final.
#[repr(C)]
pub struct rtw_worst_t {
    /// When it ended, in ns of CLOCK_REALTIME.
    pub at_realtime_ns: u64,
    /// The tick's index, or the invocation's tag.
    pub index: u64,
    /// Time from the intended start to the actual start, ns. If periods were skipped just before, from the intended start of
    /// the first skipped one.
    pub wake_up_ns: f64,
    /// Time from the actual start to the end, ns.
    pub call_ns: f64,
    /// wake_up_ns and call_ns together, ns.
    pub response_ns: f64,
    /// The status that it returned.
    pub status: rtw_status_t,
    /// The sum of RTW_CAUSE_ flags: what happened at the same time.
    pub causes: u32,
}

/// The slowest step or invocation of one second. Its layout is final.
#[repr(C)]
pub struct rtw_second_t {
    /// Beginning of the second, in ns since the statistics began.
    pub at_ns: u64,
    /// Number of steps or invocations in that second.
    pub count: u64,
    /// Longest response time in that second, ns.
    pub max_ns: u64,
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_worker_stats_t {}

/// Initialises a worker statistics struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_stats_t) in the caller's header; rtw_worker_stats_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_stats_init_sized(stats: *mut rtw_worker_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a worker's statistics without disturbing it. A step that ends during the read may be in some figures and not in
/// others. The thread records a step after its end, and then asks the system for its page faults and switches, once a step.
///
/// [any] but a real-time thread: it copies about 80 KiB.
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

/// Starts a worker's statistics over, except the queue's counters (submitted, completed, cancelled, refused), which count
/// since the worker was created. The worker may run meanwhile; a step that is just ending counts before the reset.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stats_reset(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(|worker| worker.shared.statistics.reset())))
}

/// Reads the histogram of one of a worker's distributions: its non-empty buckets in ascending order.
///
/// [any] but a real-time thread.
/// series    RTW_SERIES_WAKE_UP, RTW_SERIES_CALL, RTW_SERIES_RESPONSE or RTW_SERIES_JITTER.
/// out       receives the first `capacity` buckets; NULL if capacity is 0.
/// count     receives the number of non-empty buckets, which may exceed capacity, and grow from one read to the next.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_ARGUMENT (no such series).
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

/// Reads the steps or invocations with the longest response times since the statistics began, slowest first; the worker keeps
/// 32.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` of them; NULL if capacity is 0.
/// count     receives their number, which may exceed capacity.
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
            let clock = clock::calibration();
            let worst = worker.shared.statistics.worst().into_iter().map(|bad| rtw_worst_t {
                at_realtime_ns: bad.at_realtime_ns,
                index: bad.index,
                wake_up_ns: clock.ns(bad.wake_up),
                call_ns: clock.ns(bad.call),
                response_ns: clock.ns(bad.response),
                status: bad.status,
                causes: bad.causes,
            });
            list(worst, out, capacity, count)
        }))
    })
}

/// Reads the longest response time of each second in which something ran, oldest first; the worker keeps the last ten
/// minutes.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` seconds; NULL if capacity is 0.
/// count     receives their number, which may exceed capacity.
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

/// Creates an interval of one of a worker's distributions; it begins now. Its reads return that distribution in call; faults,
/// cut-offs and misses are in rtw_worker_stats_t only.
///
/// [setup]
/// worker  the interval keeps its records alive.
/// series  RTW_SERIES_WAKE_UP, RTW_SERIES_CALL, RTW_SERIES_RESPONSE or RTW_SERIES_JITTER.
/// out     receives the interval, to be destroyed with rtw_interval_destroy; NULL on failure.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (no such series).
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
    // Every counter has a field of its name.
    macro_rules! copy {
        ($($field:ident),*) => { $(stats.$field = all.counts.$field;)* };
    }
    with_counters!(copy);
    if let Some(queue) = &worker.shared.queue {
        [stats.submitted, stats.completed, stats.cancelled, stats.refused] = queue.counted();
    }
    stats.wake_up = distribution(&all.wake_up);
    stats.call = distribution(&all.call);
    stats.response = distribution(&all.response);
    stats.jitter = distribution(&all.jitter);
}
