//! A slot's counters, and the recordings of its functions over all instances.

use std::sync::atomic::Ordering::*;

use super::Slot;
use crate::record::snapshot::Snapshot;

/// A copy of the counters, and the current state.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub blocks: u64,
    pub publications: u64,
    pub taken: u64,
    pub faults: u64,
    pub spares_used: u64,
    pub unserved: u64,
    pub busy: u64,
    pub refused: u64,
    pub spares_ready: u64,
    /// Instances that exist behind the slot.
    pub living: u64,
    /// The bytes that they hold.
    pub held_bytes: u64,
}

impl Slot {
    pub fn report(&self) -> Report {
        let back = self.lock();
        let counters = &self.exchange.counters;
        Report {
            blocks: counters.blocks.load(Relaxed),
            publications: back.publications,
            taken: counters.taken.load(Relaxed),
            faults: counters.broken.load(Relaxed),
            spares_used: counters.spares_used.load(Relaxed),
            unserved: counters.unserved.load(Relaxed),
            busy: counters.claimed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            spares_ready: back.current.as_ref().map_or(0, |current| current.spares.ready().into()),
            living: back.living.len() as u64,
            held_bytes: self.held.used(),
        }
    }

    /// The recordings of one of the interface's functions over all instances; None if the runtime's statistics are off.
    pub fn recorded(&self, at: usize) -> Option<Snapshot> {
        let back = self.lock();
        let mut sum = back.past.get(at)?.clone();
        for generation in &back.living {
            sum.add(&generation.funcs[at].shared.recorder.as_ref()?.snapshot());
        }
        self.runtime.config.statistics.then_some(sum)
    }
}
