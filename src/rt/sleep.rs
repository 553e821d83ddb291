//! Sleeping until a point in time, or until woken: the wait of threads that must be punctual. Not for real-time sections; the
//! waking side makes a system call.

use std::sync::atomic::{AtomicU32, Ordering::Acquire};

use super::{clock, wait};

/// One thread sleeps, any thread wakes it. A wake-up is not lost if it comes before the sleep.
#[derive(Default)]
pub struct Sleeper {
    woken: AtomicU32,
}

impl Sleeper {
    pub const fn new() -> Sleeper {
        Sleeper { woken: AtomicU32::new(0) }
    }

    /// Sleeps until `deadline_ns` of CLOCK_MONOTONIC, for ever without one, or until woken. Whether it was woken.
    pub fn sleep_until(&self, deadline_ns: Option<u64>) -> bool {
        loop {
            if self.woken.swap(0, Acquire) != 0 {
                return true;
            }
            if deadline_ns.is_some_and(|deadline| clock::monotonic_ns() >= deadline) {
                return false;
            }
            wait::while_equal(&self.woken, 0, deadline_ns);
        }
    }

    pub fn wake(&self) {
        wait::set(&self.woken, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_then_and_not_longer_than_woken() {
        let sleeper = Sleeper::new();
        let deadline = clock::monotonic_ns() + 1_000_000;
        assert!(!sleeper.sleep_until(Some(deadline)));
        assert!(clock::monotonic_ns() >= deadline);
        sleeper.wake();
        assert!(sleeper.sleep_until(None), "a wake-up that came first counts");
        std::thread::scope(|scope| {
            let asleep = scope.spawn(|| sleeper.sleep_until(None));
            sleeper.wake();
            assert!(asleep.join().unwrap());
        });
    }
}
