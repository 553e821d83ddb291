//! Sleeping until a point in time, or until woken: the wait of threads that must be punctual. Not for real-time sections; the
//! waking side makes a system call.

use std::sync::atomic::{AtomicU32, Ordering::*};

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
        let deadline = deadline_ns.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        });
        loop {
            if self.woken.swap(0, Acquire) != 0 {
                return true;
            }
            let until = deadline.as_ref().map_or(std::ptr::null(), |deadline| deadline as *const libc::timespec);
            // SAFETY: the word and the time live; the operation reads them. The time is absolute, of CLOCK_MONOTONIC.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    &self.woken,
                    libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                    0,
                    until,
                    std::ptr::null::<u32>(),
                    libc::FUTEX_BITSET_MATCH_ANY,
                )
            };
            if answer != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT) {
                return self.woken.swap(0, Acquire) != 0;
            }
        }
    }

    pub fn wake(&self) {
        self.woken.store(1, Release);
        // SAFETY: the word lives; waking whoever waits on it changes no memory.
        unsafe { libc::syscall(libc::SYS_futex, &self.woken, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::clock;

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
