//! Intervals: each read returns what was recorded since the previous read. Every reader has its own interval, which keeps the
//! snapshot of its last read. So readers take nothing from each other, and the reads of each add up to the total. Not for
//! real-time threads.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::subject;
use crate::engine::instance::{FuncShared, Instance};
use crate::record::recorder::Began;
use crate::record::snapshot::Snapshot;
use crate::rt::reserve;
use crate::stats::{Point, Report};
use crate::status::*;
use crate::sys::clock;

/// Number of reads that the time line has room for; when it is full, neighbours are merged.
const TIMELINE: usize = 1024;

/// The subject of an interval.
pub enum Source {
    Func(Arc<FuncShared>),
    Instance(Arc<Instance>),
    /// A distribution of another object.
    Other {
        kind: &'static str,
        name: String,
        ever: Box<dyn Fn() -> Snapshot + Send + Sync>,
    },
}

impl Source {
    /// Everything ever recorded; None if statistics are off.
    fn ever(&self) -> Option<Snapshot> {
        match self {
            Source::Func(func) => func.recorder.as_ref().map(|recorder| recorder.ever()),
            Source::Instance(instance) => instance.recorded(),
            Source::Other { ever, .. } => Some(ever()),
        }
    }
}

/// An interval of one reader.
pub struct Interval {
    source: Source,
    state: Mutex<State>,
}

struct State {
    /// The recordings at the last read.
    last: Snapshot,
    last_read: Began,
    began: Began,
    /// The sum of all reads.
    total: Snapshot,
    duration: Duration,
    timeline: Vec<Point>,
}

impl Interval {
    /// Creates an interval that begins now. None if statistics are off.
    pub fn new(source: Source) -> Option<Interval> {
        let last = source.ever()?;
        let began = Began::now();
        let state =
            State { last, last_read: began, began, total: Snapshot::empty(), duration: Duration::ZERO, timeline: Vec::new() };
        Some(Interval { source, state: Mutex::new(state) })
    }

    /// Returns what was recorded since the last read, and the time since then.
    pub fn read(&self) -> Result<(Snapshot, Duration)> {
        let mut state = self.lock();
        let now = self.source.ever().expect("statistics stay on");
        let read = Began::now();
        let since = now.since(&state.last);
        let at = state.duration;
        let length = read.since(&state.last_read);
        // If there is no memory, this read fails before it changes anything, and the next one returns the values.
        reserve::room(&mut state.timeline, 1)?;
        reserve::check()?;
        state.total.add(&since);
        if since.count != 0 {
            state.total.last = since.last;
            let max_ns = clock::calibration().ns(since.max).round() as u64;
            state.note(Point { at_ns: at.as_nanos() as u64, count: since.count, max_ns });
        }
        state.duration += length;
        (state.last, state.last_read) = (now, read);
        Ok((since, length))
    }

    /// All reads so far together, with a time line of one point for each read. Does not read.
    pub fn report(&self, name: Option<&str>) -> Report {
        let state = self.lock();
        let (kind, own_name) = match &self.source {
            Source::Func(func) => ("func", func.name.as_str()),
            Source::Instance(_) => ("instance", "instance"),
            Source::Other { kind, name, .. } => (*kind, name.as_str()),
        };
        let mut report = subject::calls(kind, name.unwrap_or(own_name).to_owned(), state.began, state.total.clone());
        report.duration_ns = state.duration.as_nanos() as u64;
        report.timeline = state.timeline.clone();
        report
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn note(&mut self, point: Point) {
        if self.timeline.len() == TIMELINE {
            let pairs = self.timeline.chunks(2).map(|pair| {
                let together = |sum: Point, next: &Point| Point {
                    at_ns: sum.at_ns,
                    count: sum.count + next.count,
                    max_ns: sum.max_ns.max(next.max_ns),
                };
                pair[1..].iter().fold(pair[0], together)
            });
            self.timeline = pairs.collect();
        }
        self.timeline.push(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_time_line_keeps_every_call_and_every_maximum() {
        let began = Began::now();
        let mut state = State {
            last: Snapshot::empty(),
            last_read: began,
            began,
            total: Snapshot::empty(),
            duration: Duration::ZERO,
            timeline: Vec::new(),
        };
        for at in 0..10_000 {
            state.note(Point { at_ns: at, count: 1, max_ns: if at == 1234 { 5_000 } else { 7 } });
            assert!(state.timeline.len() <= TIMELINE);
        }
        assert_eq!(state.timeline.iter().map(|point| point.count).sum::<u64>(), 10_000);
        let worst = state.timeline.iter().max_by_key(|point| point.max_ns).expect("there are points");
        assert!(worst.max_ns == 5_000 && (worst.at_ns..worst.at_ns + worst.count).contains(&1234));
        assert!(state.timeline.windows(2).all(|pair| pair[0].at_ns < pair[1].at_ns));
    }
}
