//! Statistics as they are read and passed on: copies of what was recorded, put together for a reader. Not for real-time
//! threads: everything here allocates. The recording side is `record`.

pub mod document;
pub mod export;

use crate::record::snapshot::Snapshot;

/// The series of the calls' own times, which every func and every worker has.
pub const CALL_TIME: &str = "call_time";
/// The series of call times, corrected by the calls that a late one kept from starting.
pub const CALL_TIME_CORRECTED: &str = "call_time_corrected";

/// The recordings of one subject (a func, an instance, a worker), as exporters take them. Times are in clock ticks until they
/// are written (`clock::calibration().ns_per_tick`).
#[derive(Debug, Clone)]
pub struct Report {
    /// "func", "instance", "worker", "recorder".
    pub kind: &'static str,
    /// The subject's own name.
    pub name: String,
    /// The time of the first recording, in ns of CLOCK_REALTIME.
    pub since_realtime_ns: u64,
    pub duration_ns: u64,
    pub counters: Vec<Counter>,
    pub series: Vec<Series>,
    pub timeline: Vec<Point>,
    /// The worst calls, worst first.
    pub worst: Vec<Worst>,
}

#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// A name in snake case, as metrics have: "deadline_misses". Counters whose names begin with "longest_" or end with a unit
    /// ("_ns", "_bytes") are levels; all others only grow.
    pub name: &'static str,
    pub help: &'static str,
    pub value: u64,
}

impl Counter {
    /// True if the value can decrease.
    pub fn is_level(&self) -> bool {
        self.name.starts_with("longest_") || self.name.ends_with("_ns") || self.name.ends_with("_bytes")
    }
}

/// One distribution.
#[derive(Debug, Clone)]
pub struct Series {
    /// "call_time", "wake_up_latency", "response_time".
    pub name: &'static str,
    pub help: &'static str,
    pub snapshot: Snapshot,
}

/// The maximum of one stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Since the report's beginning.
    pub at_ns: u64,
    pub count: u64,
    pub max_ns: u64,
}

/// One of the worst calls.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    pub at_realtime_ns: u64,
    /// From the actual start.
    pub call_ns: u64,
    /// From the intended start.
    pub response_ns: u64,
    /// Bits of [`cause`].
    pub causes: u32,
}

/// Likely causes of a slow call.
pub mod cause {
    pub const PAGE_FAULT: u32 = 1;
    pub const INVOLUNTARY_SWITCH: u32 = 2;
    pub const VOLUNTARY_SWITCH: u32 = 4;
    pub const BUDGET: u32 = 8;
    pub const TRAP: u32 = 16;
    pub const DEADLINE: u32 = 32;
    /// The thread woke up late.
    pub const WAKE_UP: u32 = 64;

    /// Every bit with its name in exports.
    pub const NAMES: [(u32, &str); 7] = [
        (PAGE_FAULT, "page_fault"),
        (INVOLUNTARY_SWITCH, "involuntary_switch"),
        (VOLUNTARY_SWITCH, "voluntary_switch"),
        (BUDGET, "budget"),
        (TRAP, "trap"),
        (DEADLINE, "deadline"),
        (WAKE_UP, "wake_up"),
    ];

    pub fn names(causes: u32) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(move |(bit, _)| causes & bit != 0).map(|(_, name)| name)
    }
}

impl Report {
    /// Adds a second series beside the call times: the times if the calls had started when they were due, every `period` ticks.
    /// The measured series does not change.
    pub fn correct(&mut self, period: u64) {
        let Some(calls) = self.series.iter().find(|series| series.name == CALL_TIME) else { return };
        let corrected = Series {
            name: CALL_TIME_CORRECTED,
            help: "Call times, with added values for the calls that a late call delayed, at the expected period",
            snapshot: calls.snapshot.corrected(period),
        };
        self.series.push(corrected);
    }
}
