//! Waits without a lock (futexes). These are system calls, which the library's own real-time threads make only between their
//! deadlines.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use super::clock::NS_PER_S;

pub(super) fn timespec(time_ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (time_ns / NS_PER_S) as libc::time_t, tv_nsec: (time_ns % NS_PER_S) as libc::c_long }
}

/// Sleeps while `word` is `value`, until another thread wakes it, at most until `until_ns` of CLOCK_MONOTONIC. May return
/// early: the caller checks the word again.
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

/// Wakes up to `threads` of the threads that sleep on the word.
pub fn wake(word: &AtomicU32, threads: i32) {
    // SAFETY: only the address is used.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, threads) };
}

/// Sets the word and wakes all threads that sleep on it.
pub fn set(word: &AtomicU32, value: u32) {
    word.store(value, SeqCst);
    wake(word, i32::MAX);
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::*;

    #[test]
    fn a_futex_wait_ends_at_its_time() {
        let word = AtomicU32::new(7);
        let until = clock::monotonic_ns() + 2_000_000;
        while clock::monotonic_ns() < until {
            while_equal(&word, 7, Some(until));
        }
        while_equal(&word, 8, None);
    }
}
