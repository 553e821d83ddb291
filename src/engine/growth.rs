//! How often a guest asked for more memory or larger tables, and what became of it: counted where the engine asks us, which a call
//! that does not grow never reaches. A guest whose growth is refused is seldom written for it, and traps soon after.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PAGE_BYTES: usize = 65536;

/// What a guest asked for: bytes of a memory, entries of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    Memory { from: usize, to: usize },
    Table { from: usize, to: usize },
}

/// Why it did not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RefusedBy {
    /// The instance is prepared, and growth is refused from then on.
    Prepared = 1,
    /// A limit of the instance's configuration.
    Limit = 2,
    /// The maximum that the module declares.
    Maximum = 3,
    /// The system, or the address space set aside.
    System = 4,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: Grown,
    pub by: RefusedBy,
}

/// Counted since the instance was made; its thread counts, any may read.
#[derive(Default)]
pub struct Counters {
    granted: AtomicU64,
    /// By the reasons' numbers, less 1.
    refused: [AtomicU64; 4],
    /// How many of them were refused before the guest was made that is there now.
    before: Cell<u64>,
    asked: Cell<Option<Grown>>,
    last: Cell<Option<Refusal>>,
}

/// A copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub granted: u64,
    pub refused: [u64; 4],
}

/// What belongs to a fault's story: how often growth was refused since the guest was made, and the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    pub refused: u64,
    pub last: Refusal,
}

fn count(counter: &AtomicU64, by: i64) {
    counter.store(counter.load(Relaxed).wrapping_add_signed(by), Relaxed);
}

impl Counters {
    /// Counts what the guest asks for; whether it gets it, as far as we are concerned.
    pub fn count(&self, what: Grown, refused: Option<RefusedBy>) -> bool {
        self.asked.set(Some(what));
        match refused {
            Some(by) => self.refuse(Refusal { what, by }),
            None => count(&self.granted, 1),
        }
        refused.is_none()
    }

    /// What was counted last did not succeed after all.
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

    /// There is a new guest, whose story begins here.
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
