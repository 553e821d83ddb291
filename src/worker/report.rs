//! A worker's statistics as a report for exporters.

use super::ledger::COUNTERS;
use super::statistics::Statistics;
use crate::stats::{Counter, Report, Series, Worst};
use crate::sys::clock;

/// The distributions of a worker's steps.
pub const DISTRIBUTIONS: [&str; 4] = ["wake_up_latency", "call_time", "response_time", "period_jitter"];

impl Statistics {
    /// Makes the report for exporters.
    pub fn report(&self, name: &str) -> Report {
        let clock = clock::calibration();
        let all = self.snapshot();
        Report {
            kind: "worker",
            name: name.to_owned(),
            since_realtime_ns: all.since_realtime_ns,
            duration_ns: all.duration_ns,
            counters: COUNTERS
                .into_iter()
                .zip(all.counts.to_array())
                .map(|((name, help), value)| Counter { name, help, value })
                .collect(),
            series: vec![
                Series { name: "call_time", help: "From the actual start to the end", snapshot: all.call },
                Series { name: "wake_up_latency", help: "From the intended to the actual start", snapshot: all.wake_up },
                Series {
                    name: "response_time",
                    help: "From the intended start to the end, skipped periods included",
                    snapshot: all.response,
                },
                Series {
                    name: "period_jitter",
                    help: "Difference between the distance of two starts and the period",
                    snapshot: all.jitter,
                },
            ],
            timeline: self.timeline(),
            worst: self
                .worst()
                .into_iter()
                .map(|step| Worst {
                    at_realtime_ns: step.at_realtime_ns,
                    call_ns: clock.ns(step.call).round() as u64,
                    response_ns: clock.ns(step.response).round() as u64,
                    causes: step.causes,
                })
                .collect(),
        }
    }
}
