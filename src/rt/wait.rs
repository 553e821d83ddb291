//! Waiting without a lock: futexes, and sleeping to a point in time. System calls, which a real-time thread of ours makes
//! between its deadlines and nowhere else.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use super::clock;

const NS_PER_S: u64 = 1_000_000_000;

fn timespec(time_ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (time_ns / NS_PER_S) as libc::time_t, tv_nsec: (time_ns % NS_PER_S) as libc::c_long }
}

/// Sleeps while `word` is `value`, until it is woken, at most until `until_ns` of CLOCK_MONOTONIC. May return early: the caller
/// looks again.
pub fn while_equal(word: &AtomicU32, value: u32, until_ns: Option<u64>) {
    let until = until_ns.map(timespec);
    let until: *const libc::timespec = until.as_ref().map_or(std::ptr::null(), |until| until);
    // SAFETY: the word outlives the call, and the time is NULL or a live timespec.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            value,
            until,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

/// Wakes up to `threads` of those that sleep on the word.
pub fn wake(word: &AtomicU32, threads: i32) {
    // SAFETY: only the address is used.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, threads) };
}

/// Sets the word and wakes all who sleep on it.
pub fn set(word: &AtomicU32, value: u32) {
    word.store(value, SeqCst);
    wake(word, i32::MAX);
}

/// Longer sleeps than this can be ended through the word that [`sleep_until`] is given.
const DEAF_NS: u64 = 20_000_000;

/// Sleeps until `time_ns` of CLOCK_MONOTONIC, or until `word` is no longer `value`, which it learns at once while the time is
/// far off and within 20 ms near to it: the last stretch is a plain sleep to an absolute time, the most exact that there is.
pub fn sleep_until(time_ns: u64, word: &AtomicU32, value: u32) {
    while word.load(SeqCst) == value && clock::monotonic_ns() + DEAF_NS < time_ns {
        while_equal(word, value, Some(time_ns - DEAF_NS));
    }
    if word.load(SeqCst) != value {
        return;
    }
    sleep_to(time_ns);
}

/// Sleeps as long as that, whatever comes. Towards an absolute time: what a signal leaves of a relative sleep is reported with the
/// timer's slack added, so that one interrupted every 50 us, as by a profiler, never ends.
pub fn sleep_for(time: std::time::Duration) {
    sleep_to(clock::monotonic_ns() + time.as_nanos() as u64);
}

/// Sleeps until `time_ns` of CLOCK_MONOTONIC, whatever comes; not at all if that is past.
pub fn sleep_to(time_ns: u64) {
    let until = timespec(time_ns);
    // SAFETY: the pointer is to a live timespec; with an absolute time nothing is written back. Interrupted by a signal it begins
    // again, with the same end.
    while unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, std::ptr::null_mut()) }
        == libc::EINTR
    {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

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
            move || sleep_until(clock::monotonic_ns() + 31_536_000 * NS_PER_S, &word, 0)
        });
        set(&word, 1);
        sleeper.join().unwrap();
    }

    #[test]
    fn a_futex_wait_ends_at_its_time() {
        let word = AtomicU32::new(7);
        let until = clock::monotonic_ns() + 2_000_000;
        while clock::monotonic_ns() < until {
            while_equal(&word, 7, Some(until));
        }
        while_equal(&word, 8, None);
    }

    #[test]
    fn sleeping_ends_at_the_time_and_not_before() {
        let until = clock::monotonic_ns() + 3_000_000;
        sleep_to(until);
        assert!(clock::monotonic_ns() >= until);
        // What is past does not wait, however far past.
        sleep_to(1);
    }
}
