//! Makes the reports of funcs and instances.

use std::sync::Arc;

use crate::engine::instance::{FuncShared, Instance};
use crate::record::recorder::Began;
use crate::record::snapshot::Snapshot;
use crate::stats::{CALL_TIME, Counter, Report, Series};

/// Reports a func's calls since its creation or last reset; None if statistics are off.
pub fn func(func: &FuncShared) -> Option<Report> {
    let (snapshot, began) = func.recorder.as_ref()?.snapshot_since();
    Some(calls("func", func.name.clone(), began, snapshot))
}

/// Reports the calls of all of an instance's funcs together since its creation, then of each func that exists now, since its
/// creation or last reset; several look-ups of one function count as one. None if statistics are off. `name` replaces the
/// instance's name, also before its functions' names.
pub fn instance(instance: &Arc<Instance>, name: Option<&str>) -> Option<Vec<Report>> {
    let mut reports = vec![calls("instance", name.unwrap_or("instance").to_owned(), instance.began(), instance.recorded()?)];
    for shared in instance.living_funcs() {
        let Some(mut report) = func(&shared) else { continue };
        if let Some(name) = name {
            report.name = format!("{name}/{}", report.name);
        }
        match reports.iter().position(|known| known.kind == "func" && known.name == report.name) {
            Some(at) => reports[at] = together(&reports[at], &report),
            None => reports.push(report),
        }
    }
    Some(reports)
}

/// Makes a report about calls into guests.
pub fn calls(kind: &'static str, name: String, began: Began, snapshot: Snapshot) -> Report {
    Report {
        kind,
        name,
        since_realtime_ns: began.realtime_ns(),
        duration_ns: began.elapsed().as_nanos() as u64,
        counters: counters(&snapshot),
        series: vec![Series { name: CALL_TIME, help: "From before the call enters the guest to after it leaves", snapshot }],
        timeline: vec![],
        worst: vec![],
    }
}

fn counters(snapshot: &Snapshot) -> Vec<Counter> {
    vec![
        Counter { name: "faults", help: "Calls that ended in a fault", value: snapshot.calls.faults },
        Counter { name: "cut_offs", help: "Faults because the budget was used up", value: snapshot.calls.cut_offs },
        Counter {
            name: "overruns",
            help: "Calls longer than their budget that were not cut off",
            value: snapshot.calls.overruns,
        },
        Counter {
            name: "deadline_misses",
            help: "Calls longer than their deadline that were not cut off",
            value: snapshot.calls.misses,
        },
        Counter { name: "overflows", help: "Calls longer than the buckets reach", value: snapshot.overflows },
        Counter {
            name: "arena_peak_bytes",
            help: "The most that one faulted call took of its thread's arena",
            value: snapshot.calls.arena_peak,
        },
    ]
}

/// Merges the reports of two look-ups of one function.
fn together(one: &Report, other: &Report) -> Report {
    let mut sum = one.clone();
    sum.series[0].snapshot.add(&other.series[0].snapshot);
    sum.counters = counters(&sum.series[0].snapshot);
    sum.since_realtime_ns = one.since_realtime_ns.min(other.since_realtime_ns);
    sum.duration_ns = one.duration_ns.max(other.duration_ns);
    sum
}
