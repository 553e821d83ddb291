//! Sleeps until a point in time, or until another thread wakes the sleeper: for threads that must be punctual. Not for
//! real-time sections: the waking side makes a system call.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, SeqCst},
};

use super::{clock, futex};

/// One thread sleeps, any thread wakes it. A wake-up is not lost if it comes before the sleep.
#[derive(Default)]
pub struct Sleeper {
    woken: AtomicU32,
}

impl Sleeper {
    pub const fn new() -> Sleeper {
        Sleeper { woken: AtomicU32::new(0) }
    }

    /// Sleeps until `deadline_ns` of CLOCK_MONOTONIC, or until woken; without a deadline, only until woken. Returns true if it
    /// was woken.
    pub fn sleep_until(&self, deadline_ns: Option<u64>) -> bool {
        loop {
            if self.woken.swap(0, Acquire) != 0 {
                return true;
            }
            if deadline_ns.is_some_and(|deadline| clock::monotonic_ns() >= deadline) {
                return false;
            }
            futex::while_equal(&self.woken, 0, deadline_ns);
        }
    }

    pub fn wake(&self) {
        futex::set(&self.woken, 1);
    }
}

/// The word that [`sleep_until`] takes ends only sleeps that are longer than this.
const DEAF_NS: u64 = 20_000_000;

/// Sleeps until `time_ns` of CLOCK_MONOTONIC, or until `word` is no longer `value`. It notices a change at once while the time
/// is far off, and within 20 ms near to it: the last stretch is a plain sleep to an absolute time, which is the most exact
/// sleep.
pub fn sleep_until(time_ns: u64, word: &AtomicU32, value: u32) {
    while word.load(SeqCst) == value && clock::monotonic_ns() + DEAF_NS < time_ns {
        futex::while_equal(word, value, Some(time_ns - DEAF_NS));
    }
    if word.load(SeqCst) != value {
        return;
    }
    sleep_to(time_ns);
}

/// Sleeps for that time, and cannot be woken. Uses an absolute time: the rest of an interrupted relative sleep includes the
/// timer's slack, so that a sleep that a profiler interrupts every 50 us would never end.
pub fn sleep_for(time: std::time::Duration) {
    sleep_to(clock::monotonic_ns() + time.as_nanos() as u64);
}

/// Sleeps until `time_ns` of CLOCK_MONOTONIC, and cannot be woken; returns at once if that time has passed.
pub fn sleep_to(time_ns: u64) {
    let until = futex::timespec(time_ns);
    // SAFETY: the pointer is to a live timespec; with an absolute time nothing is written back. Interrupted by a signal it begins
    // again, with the same end.
    while unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, std::ptr::null_mut()) }
        == libc::EINTR
    {}
}

/// Makes the system end the calling thread's sleeps on time. Otherwise a thread without real-time scheduling may sleep 50 us
/// longer, so that the kernel can combine wake-ups.
pub fn sleep_exactly() {
    // SAFETY: changes a number of this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

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

    #[test]
    fn a_sleep_lasts_until_its_time() {
        let word = AtomicU32::new(0);
        for length_ns in [1_000_000, 30_000_000] {
            let until = clock::monotonic_ns() + length_ns;
            sleep_until(until, &word, 0);
            assert!(clock::monotonic_ns() >= until);
        }
    }

    #[test]
    fn a_long_sleep_ends_when_the_word_changes() {
        let word = Arc::new(AtomicU32::new(0));
        let sleeper = std::thread::spawn({
            let word = word.clone();
            // A year: the test would never end.
            move || sleep_until(clock::monotonic_ns() + 31_536_000 * clock::NS_PER_S, &word, 0)
        });
        futex::set(&word, 1);
        sleeper.join().unwrap();
    }

    #[test]
    fn sleeping_ends_at_the_time_and_not_before() {
        let until = clock::monotonic_ns() + 3_000_000;
        sleep_to(until);
        assert!(clock::monotonic_ns() >= until);
        // A time in the past does not wait, however far back it is.
        sleep_to(1);
    }
}
