//! Recorders: times that the host has measured itself.

use crate::record::recorder::{Began, Recorder};
use crate::record::snapshot::Snapshot;
use crate::rt::{fork, locked_heap};
use crate::stats::{Counter, Report, Series};
use crate::status::*;
use crate::sys::clock;
use crate::sys::memory::{self, Lock};

pub struct Recorded {
    pub name: String,
    ticks_per_ns: f64,
    recorder: Recorder,
}

impl Recorded {
    /// Creates a recorder whose memory is prefaulted, and locked as wanted.
    pub fn new(name: &str, lock: Lock) -> Result<Recorded> {
        let ns_per_tick = fork::undisturbed(clock::calibration).ns_per_tick;
        let (recorder, _) = locked_heap::keep(lock, Recorder::new);
        let range = recorder.range();
        // SAFETY: the recorder's own memory, which no other thread uses yet.
        unsafe { memory::touch_for_writing(range.clone()) };
        memory::lock_as(lock, range)?;
        Ok(Recorded { name: name.to_owned(), ticks_per_ns: 1.0 / ns_per_tick, recorder })
    }

    /// Records a time. One thread at a time; allocates, locks and calls nothing.
    pub fn record_ns(&self, ns: u64) {
        self.recorder.active().record((ns as f64 * self.ticks_per_ns + 0.5) as u64);
    }

    pub fn snapshot_since(&self) -> (Snapshot, Began) {
        self.recorder.snapshot_since()
    }

    /// Everything ever recorded.
    pub fn ever(&self) -> Snapshot {
        self.recorder.ever()
    }

    pub fn report(&self) -> Report {
        let (snapshot, began) = self.snapshot_since();
        let overflows = Counter { name: "overflows", help: "Times longer than the buckets reach", value: snapshot.overflows };
        Report {
            kind: "recorder",
            name: self.name.clone(),
            since_realtime_ns: began.realtime_ns(),
            duration_ns: began.elapsed().as_nanos() as u64,
            counters: vec![overflows],
            series: vec![Series { name: "recorded_time", help: "As the host has measured it", snapshot }],
            timeline: vec![],
            worst: vec![],
        }
    }
}
