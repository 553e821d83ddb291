//! Counts a guest's requests for more memory or larger tables, and their outcomes. The engine calls this only for growth, so
//! that other calls are not affected. A guest seldom expects a refusal, and often traps soon after one.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PAGE_BYTES: usize = 65536;

/// The object of a request: a memory, in bytes, or a table, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    Memory { from: usize, to: usize },
    Table { from: usize, to: usize },
}

/// The reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RefusedBy {
    /// The instance is prepared, which refuses growth from then on.
    Prepared = 1,
    /// A limit of the instance's configuration.
    Limit = 2,
    /// The maximum that the module declares.
    Maximum = 3,
    /// The system, or the reserved address space.
    System = 4,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: Grown,
    pub by: RefusedBy,
}

/// Counters since the instance was created. Its thread counts; any thread may read.
#[derive(Default)]
pub struct Counters {
    granted: AtomicU64,
    /// Indexed by the reasons' numbers, less 1.
    refused: [AtomicU64; 4],
    /// The refusals before the current guest was created.
    before: Cell<u64>,
    asked: Cell<Option<Grown>>,
    last: Cell<Option<Refusal>>,
}

/// A copy of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub granted: u64,
    pub refused: [u64; 4],
}

/// The growth that belongs to a fault: how often it was refused since the guest was created, and the last refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    pub refused: u64,
    pub last: Refusal,
}

fn count(counter: &AtomicU64, by: i64) {
    counter.store(counter.load(Relaxed).wrapping_add_signed(by), Relaxed);
}

impl Counters {
    /// Counts a request. Returns true if this library does not refuse it.
    pub fn count(&self, what: Grown, refused: Option<RefusedBy>) -> bool {
        self.asked.set(Some(what));
        match refused {
            Some(by) => self.refuse(Refusal { what, by }),
            None => count(&self.granted, 1),
        }
        refused.is_none()
    }

    /// The request that was counted last has failed after all.
    pub fn failed(&self) {
        if let Some(what) = self.asked.take() {
            count(&self.granted, -1);
            self.refuse(Refusal { what, by: RefusedBy::System });
        }
    }

    fn refuse(&self, refusal: Refusal) {
        count(&self.refused[refusal.by as usize - 1], 1);
        self.asked.set(None);
        self.last.set(Some(refusal));
    }

    /// A new guest begins here.
    pub fn begin_anew(&self) {
        self.before.set(self.counts().refused.iter().sum());
        self.last.set(None);
    }

    pub fn counts(&self) -> Counts {
        Counts { granted: self.granted.load(Relaxed), refused: self.refused.each_ref().map(|counter| counter.load(Relaxed)) }
    }

    pub fn story(&self) -> Option<Story> {
        let refused = self.counts().refused.iter().sum::<u64>() - self.before.get();
        self.last.get().map(|last| Story { refused, last })
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = |count| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        match self.last.what {
            Grown::Memory { from, to } => write!(
                f,
                "growing a memory from {from} to {to} bytes ({} pages more) was refused before",
                (to - from) / PAGE_BYTES
            )?,
            Grown::Table { from, to } => write!(f, "growing a table from {from} to {to} entries was refused before")?,
        }
        let why = match self.last.by {
            RefusedBy::Prepared => {
                "since the instance is prepared: give it RTW_GROWTH_AHEAD or RTW_GROWTH_ALLOWED, or let it grow earlier"
            }
            RefusedBy::Limit => "by the instance's memory limit",
            RefusedBy::Maximum => "by the maximum that the module declares",
            RefusedBy::System => "by the system",
        };
        write!(f, ", {why} (refused {} in all)", times(self.refused))
    }
}
