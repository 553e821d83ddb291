//! The rules that a worker's configuration must keep: one row a rule, with the field, the test and the refusal. Nothing here
//! reads through a pointer. What a func, a dry call or the thread's scheduling must be is checked where they are read.

use super::config::*;
use crate::ffi::out_of_range;
use crate::status::*;

/// Periods of control loops, in ns.
const PERIODS_NS: std::ops::RangeInclusive<u64> = 10_000..=3_600_000_000_000;
/// The shortest runtime that sched_setattr(2) accepts, in ns.
const LEAST_RUNTIME_NS: u64 = 1024;
const MOST_SPIN_NS: u64 = 1_000_000_000;
const MOST_QUEUED: u32 = 65_536;

/// The way in which a field breaks its rule, which the message tells.
enum Refusal {
    /// Its value is out of range.
    Range(u64),
    /// It is set, and belongs to something else.
    OnlyFor(&'static str),
    /// The whole message.
    Says(rtw_status_t, &'static str),
}

use Refusal::*;

/// Returns the first rule's refusal that the configuration breaks.
pub(super) fn validate(c: &rtw_worker_config_t) -> Result<()> {
    let periodic = c.kind == RTW_WORKER_PERIODIC;
    let queue = !periodic;
    let by_deadline = c.sched_policy == RTW_SCHED_DEADLINE;
    let deadline_ns = if c.deadline_ns == 0 { c.period_ns } else { c.deadline_ns };
    let (no_func, no_warm_func) = (c.func.is_null(), c.warm_func.is_null());
    const PERIODIC: &str = "RTW_WORKER_PERIODIC";
    const QUEUE: &str = "RTW_WORKER_QUEUE";
    const DEADLINE: &str = "RTW_SCHED_DEADLINE";
    let rules: &[(&str, bool, Refusal)] = &[
        ("kind", c.kind <= RTW_WORKER_QUEUE, Range(c.kind.into())),
        ("memory_lock", c.memory_lock <= 1, Range(c.memory_lock.into())),
        ("strict", c.strict <= 1, Range(c.strict.into())),
        ("statistics", c.statistics <= 1, Range(c.statistics.into())),
        ("dma_latency_us", c.dma_latency_us >= -1, Says(RTW_ERR_ARGUMENT, "dma_latency_us must be -1 or more")),
        // SCHED_DEADLINE.
        ("deadline_runtime_ns", by_deadline || c.deadline_runtime_ns == 0, OnlyFor(DEADLINE)),
        ("deadline_ns", by_deadline || c.deadline_ns == 0, OnlyFor(DEADLINE)),
        ("cpu", !by_deadline || c.cpu == -1, Says(RTW_ERR_ARGUMENT, "cpu must be -1 with RTW_SCHED_DEADLINE")),
        // Periods.
        ("period_ns", periodic || by_deadline || c.period_ns == 0, OnlyFor("RTW_WORKER_PERIODIC or RTW_SCHED_DEADLINE")),
        ("period_ns", !(periodic || by_deadline) || PERIODS_NS.contains(&c.period_ns), Range(c.period_ns.into())),
        ("deadline_ns", !by_deadline || deadline_ns <= c.period_ns, Range(c.deadline_ns.into())),
        (
            "deadline_runtime_ns",
            !by_deadline || (LEAST_RUNTIME_NS..=deadline_ns).contains(&c.deadline_runtime_ns),
            Range(c.deadline_runtime_ns.into()),
        ),
        // Fields of periodic workers.
        ("early_ns", periodic || c.early_ns == 0, OnlyFor(PERIODIC)),
        ("early_ns", queue || c.early_ns <= c.period_ns / 2, Range(c.early_ns.into())),
        ("warm_func", periodic || no_warm_func, OnlyFor(PERIODIC)),
        ("warm_func", queue || no_warm_func || c.early_ns != 0, OnlyFor("early_ns")),
        ("missed", periodic || c.missed == 0, OnlyFor(PERIODIC)),
        ("missed", c.missed <= RTW_MISSED_CATCH_UP, Range(c.missed.into())),
        ("on_fault", periodic || c.on_fault == 0, OnlyFor(PERIODIC)),
        ("on_fault", c.on_fault <= RTW_ON_FAULT_CONTINUE, Range(c.on_fault.into())),
        ("period_limit", periodic || c.period_limit == 0, OnlyFor(PERIODIC)),
        ("step", periodic || c.step.is_none(), OnlyFor(PERIODIC)),
        ("func", periodic || no_func, OnlyFor(PERIODIC)),
        ("step", queue || c.step.is_some() || !no_func, Says(RTW_ERR_NULL, "a periodic worker needs a step or a func")),
        (
            "step",
            queue || c.step.is_none() || no_func,
            Says(RTW_ERR_ARGUMENT, "a periodic worker has a step or a func, not both"),
        ),
        // Fields of queues.
        ("queue_capacity", queue || c.queue_capacity == 0, OnlyFor(QUEUE)),
        ("queue_capacity", c.queue_capacity <= MOST_QUEUED, Range(c.queue_capacity.into())),
        ("spin_ns", queue || c.spin_ns == 0, OnlyFor("RTW_WORKER_QUEUE; a periodic worker has early_ns")),
        ("spin_ns", c.spin_ns <= MOST_SPIN_NS, Range(c.spin_ns.into())),
    ];
    match rules.iter().find(|(_, holds, _)| !holds) {
        None => Ok(()),
        Some((field, _, Range(value))) => Err(out_of_range(field, *value)),
        Some((field, _, OnlyFor(what))) => Err(Error::new(RTW_ERR_ARGUMENT, format!("{field} is only for {what}"))),
        Some((_, _, Says(status, message))) => Err(Error::new(*status, *message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::guard::Sized32;
    use std::ptr::{dangling_mut, null_mut};

    unsafe extern "C" fn step(_: *mut std::ffi::c_void, _: *const rtw_tick_t) -> rtw_status_t {
        RTW_OK
    }

    const STEP: rtw_step_t = Some(step);
    type Change = fn(&mut rtw_worker_config_t);

    fn changed(base: Change, change: Change) -> std::result::Result<(), (rtw_status_t, String)> {
        let mut config = rtw_worker_config_t::defaults();
        base(&mut config);
        change(&mut config);
        validate(&config).map_err(|error| (error.status, error.message))
    }

    const PERIODIC: Change = |c| (c.period_ns, c.step) = (1_000_000, STEP);
    const QUEUE: Change = |c| c.kind = RTW_WORKER_QUEUE;
    const BY_DEADLINE: Change =
        |c| (c.period_ns, c.step, c.sched_policy, c.deadline_runtime_ns) = (1_000_000, STEP, RTW_SCHED_DEADLINE, 100_000);
    const QUEUE_BY_DEADLINE: Change = |c| {
        (c.kind, c.period_ns, c.sched_policy, c.deadline_runtime_ns) = (RTW_WORKER_QUEUE, 1_000_000, RTW_SCHED_DEADLINE, 1024)
    };

    #[test]
    fn what_keeps_every_rule_is_accepted() {
        let accepted: &[(Change, Change)] = &[
            (PERIODIC, |_| ()),
            (PERIODIC, |c| c.period_ns = 10_000),
            (PERIODIC, |c| c.period_ns = 3_600_000_000_000),
            (PERIODIC, |c| (c.early_ns, c.warm_func) = (500_000, dangling_mut())),
            (PERIODIC, |c| (c.step, c.func) = (None, dangling_mut())),
            (PERIODIC, |c| (c.missed, c.on_fault, c.period_limit) = (1, 1, u64::MAX)),
            (PERIODIC, |c| (c.memory_lock, c.strict, c.statistics, c.dma_latency_us) = (0, 1, 0, 0)),
            (QUEUE, |_| ()),
            (QUEUE, |c| (c.queue_capacity, c.spin_ns) = (65_536, 1_000_000_000)),
            (BY_DEADLINE, |_| ()),
            (BY_DEADLINE, |c| (c.deadline_ns, c.deadline_runtime_ns) = (500_000, 500_000)),
            (QUEUE_BY_DEADLINE, |_| ()),
        ];
        for (row, (base, change)) in accepted.iter().enumerate() {
            assert_eq!(changed(*base, *change), Ok(()), "row {row}");
        }
    }

    #[test]
    fn every_rule_refuses_what_breaks_it() {
        let out = |field: &str, value: u64| format!("{field} is {value}, which is out of range");
        let only = |field: &str, what: &str| format!("{field} is only for {what}");
        let refused: &[(Change, Change, String)] = &[
            (PERIODIC, |c| c.kind = 2, out("kind", 2)),
            (PERIODIC, |c| c.memory_lock = 2, out("memory_lock", 2)),
            (PERIODIC, |c| c.strict = 2, out("strict", 2)),
            (PERIODIC, |c| c.statistics = 2, out("statistics", 2)),
            (PERIODIC, |c| c.dma_latency_us = -2, "dma_latency_us must be -1 or more".into()),
            (PERIODIC, |c| c.deadline_runtime_ns = 1, only("deadline_runtime_ns", "RTW_SCHED_DEADLINE")),
            (PERIODIC, |c| c.deadline_ns = 1, only("deadline_ns", "RTW_SCHED_DEADLINE")),
            (BY_DEADLINE, |c| c.cpu = 0, "cpu must be -1 with RTW_SCHED_DEADLINE".into()),
            (QUEUE, |c| c.period_ns = 1, only("period_ns", "RTW_WORKER_PERIODIC or RTW_SCHED_DEADLINE")),
            (PERIODIC, |c| c.period_ns = 9_999, out("period_ns", 9_999)),
            (QUEUE_BY_DEADLINE, |c| c.period_ns = 3_600_000_000_001, out("period_ns", 3_600_000_000_001)),
            (BY_DEADLINE, |c| c.deadline_ns = 1_000_001, out("deadline_ns", 1_000_001)),
            (BY_DEADLINE, |c| c.deadline_runtime_ns = 1023, out("deadline_runtime_ns", 1023)),
            (BY_DEADLINE, |c| c.deadline_runtime_ns = 1_000_001, out("deadline_runtime_ns", 1_000_001)),
            (BY_DEADLINE, |c| c.deadline_ns = 99_999, out("deadline_runtime_ns", 100_000)),
            (QUEUE, |c| c.early_ns = 1, only("early_ns", "RTW_WORKER_PERIODIC")),
            (PERIODIC, |c| c.early_ns = 500_001, out("early_ns", 500_001)),
            (QUEUE, |c| c.warm_func = dangling_mut(), only("warm_func", "RTW_WORKER_PERIODIC")),
            (PERIODIC, |c| c.warm_func = dangling_mut(), only("warm_func", "early_ns")),
            (QUEUE, |c| c.missed = 1, only("missed", "RTW_WORKER_PERIODIC")),
            (PERIODIC, |c| c.missed = 2, out("missed", 2)),
            (QUEUE, |c| c.on_fault = 1, only("on_fault", "RTW_WORKER_PERIODIC")),
            (PERIODIC, |c| c.on_fault = 2, out("on_fault", 2)),
            (QUEUE, |c| c.period_limit = 1, only("period_limit", "RTW_WORKER_PERIODIC")),
            (QUEUE, |c| c.step = STEP, only("step", "RTW_WORKER_PERIODIC")),
            (QUEUE, |c| c.func = dangling_mut(), only("func", "RTW_WORKER_PERIODIC")),
            (PERIODIC, |c| (c.step, c.func) = (None, null_mut()), "a periodic worker needs a step or a func".into()),
            (PERIODIC, |c| c.func = dangling_mut(), "a periodic worker has a step or a func, not both".into()),
            (PERIODIC, |c| c.queue_capacity = 1, only("queue_capacity", "RTW_WORKER_QUEUE")),
            (QUEUE, |c| c.queue_capacity = 65_537, out("queue_capacity", 65_537)),
            (PERIODIC, |c| c.spin_ns = 1, only("spin_ns", "RTW_WORKER_QUEUE; a periodic worker has early_ns")),
            (QUEUE, |c| c.spin_ns = 1_000_000_001, out("spin_ns", 1_000_000_001)),
        ];
        for (base, change, message) in refused {
            let status = if message.contains("needs a step") { RTW_ERR_NULL } else { RTW_ERR_ARGUMENT };
            assert_eq!(changed(*base, *change), Err((status, message.clone())));
        }
    }
}
