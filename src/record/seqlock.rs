//! Words that one thread changes together and other threads read together, without either waiting for the other: a version
//! number is odd during a change. The words themselves are atomic, so that a reader at the wrong moment sees a mixture of old
//! and new values, and notices it.
//!
//! `tests/model` runs this file under loom.

use crate::rt::sync::{AtomicU64, Ordering::*, Owned, fence};

pub struct Version(AtomicU64);

/// The number of times that a reader tries again if it meets a change: at first at once, then after yielding the CPU, since the
/// writer may have been interrupted during a change.
#[cfg(not(loom))]
const TRIES: [usize; 2] = [64, 10_000];

impl Version {
    #[cfg(not(loom))]
    pub const fn new() -> Version {
        Version(AtomicU64::new(0))
    }

    #[cfg(loom)]
    pub fn new() -> Version {
        Version(AtomicU64::new(0))
    }

    /// Changes the words. Only one thread at a time may call this.
    #[inline]
    pub fn change(&self, change: impl FnOnce()) {
        let version = self.0.own();
        self.0.store(version.wrapping_add(1), Relaxed);
        // With the reader's fence: a reader that sees one of the changes also sees the odd number, or a later one.
        fence(Release);
        change();
        // Release, with the reader's first load: a reader that begins with this number sees all changes.
        self.0.store(version.wrapping_add(2), Release);
    }

    /// Reads the words once. Returns None if they were being changed.
    pub fn look_once<T>(&self, look: impl FnOnce() -> T) -> Option<T> {
        let before = self.0.load(Acquire);
        let seen = look();
        fence(Acquire);
        (before.is_multiple_of(2) && self.0.load(Relaxed) == before).then_some(seen)
    }

    /// Reads the words. Not for real-time threads. Gives up after a number of tries if the writer is always in the middle of a
    /// change; the values may then be of two moments.
    #[cfg(not(loom))]
    pub fn look<T>(&self, look: impl Fn() -> T) -> T {
        for attempt in 0..TRIES.iter().sum() {
            if let Some(seen) = self.look_once(&look) {
                return seen;
            }
            match attempt < TRIES[0] {
                true => std::hint::spin_loop(),
                false => std::thread::yield_now(),
            }
        }
        look()
    }
}

#[cfg(loom)]
impl Version {
    /// As above, and never gives up: a model has only a few changes.
    pub fn look<T>(&self, look: impl Fn() -> T) -> T {
        loop {
            if let Some(seen) = self.look_once(&look) {
                return seen;
            }
            loom::thread::yield_now();
        }
    }
}

impl Default for Version {
    fn default() -> Self {
        Version::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_no_mixture() {
        let version = Version::new();
        let words: [AtomicU64; 8] = Default::default();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for value in 1..=100_000 {
                    version.change(|| words.iter().for_each(|word| word.store(value, Relaxed)));
                }
            });
            while !writer.is_finished() {
                let seen = version.look_once(|| std::array::from_fn::<u64, 8, _>(|i| words[i].load(Relaxed)));
                assert!(seen.is_none_or(|seen| seen.iter().all(|value| *value == seen[0])), "{seen:?}");
            }
        });
        assert_eq!(version.look(|| words[0].load(Relaxed)), 100_000);
    }
}
