//! What a call says of itself to the watchdog: which one it is, when it began, how long it may take. The real-time thread only
//! stores; the watchdog reads, and writes one word of its own.
//!
//! Every call has a number, each of an instance's calls the next. The watchdog's verdict is the number after that of the call
//! which it saw expire: calls below it are to end. A verdict that comes too late concerns a call that is over, and the calls
//! after it are not below. A page of zeros is a watch that nothing has happened to.
//!
//! For the polls of the plugin profile the watchdog also marks the number itself, in its highest byte, where that number still
//! stands there: so a poll reads one byte, and the next call's number takes the mark away.

use std::sync::atomic::{AtomicU64, Ordering, Ordering::*};

/// In the plugin profile these words stand at the start of the guard's page, where the guest's polls read one byte.
#[repr(C, align(64))]
#[derive(Default)]
pub struct Watch {
    /// Number of the call that is running, with the mark where it has expired; 0 where none is.
    current: AtomicU64,
    /// Calls with numbers below this one have expired.
    verdict: AtomicU64,
    /// Clock ticks.
    started: AtomicU64,
    /// Clock ticks; `u64::MAX` for none.
    budget: AtomicU64,
}

/// Set in the number of a call that has expired. Numbers never reach it: that takes two years of a call each nanosecond.
const MARK: u64 = 1 << 56;
/// The byte of the number that is 0 until the call has expired. The targets are little-endian.
pub const MARK_OFFSET: usize = 7;
const _: () = assert!(std::mem::offset_of!(Watch, current) == 0 && (MARK >> (8 * MARK_OFFSET)) == 1);

/// A call, as the watchdog sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub number: u64,
    pub started: u64,
    pub budget: u64,
}

impl Watch {
    /// A call begins. The caller's thread.
    #[inline(always)]
    pub fn begin(&self, number: u64, started: u64, budget: u64) {
        // Each after the call before has been taken away, and before this one is there.
        self.started.store(started, Release);
        self.budget.store(budget, Release);
        self.current.store(number, Release);
    }

    /// It is over. The caller's thread.
    #[inline(always)]
    pub fn end(&self) {
        self.current.store(0, Release);
    }

    /// The call that runs now, read by another thread.
    pub fn running(&self) -> Option<Running> {
        let number = self.number(Acquire);
        let (started, budget) = (self.started.load(Acquire), self.budget.load(Acquire));
        // The words belong together if the call is still the same.
        (number != 0 && self.number(Acquire) == number).then_some(Running { number, started, budget })
    }

    /// Of the call that is running, whether it has expired or not; 0 for none.
    fn number(&self, ordering: Ordering) -> u64 {
        self.current.load(ordering) & !MARK
    }

    /// The watchdog's verdict.
    pub fn expire(&self, number: u64) {
        // First the verdict: who meets the mark looks at it.
        self.verdict.store(number + 1, SeqCst);
        // It fails where the call is over, and then there is nobody to be told.
        let _ = self.current.compare_exchange(number, number | MARK, SeqCst, Relaxed);
    }

    /// Whether the call with this number has been seen to expire.
    #[inline(always)]
    pub fn has_expired(&self, number: u64) -> bool {
        number < self.verdict.load(Relaxed)
    }

    /// Whether the call that runs now has expired: asked by whoever finds the poll's page closed.
    pub fn current_has_expired(&self) -> bool {
        let current = self.number(SeqCst);
        current != 0 && current < self.verdict.load(SeqCst)
    }
}

impl Running {
    /// How much longer than its budget the call has been running, if it has, in ticks.
    pub fn overdue(&self, now: u64) -> Option<u64> {
        // Counters of different CPUs may be a little apart.
        let elapsed = now.wrapping_sub(self.started) as i64;
        u64::try_from(elapsed).ok().and_then(|elapsed| elapsed.checked_sub(self.budget)).filter(|over| *over != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_concerns_one_call_only() {
        let watch = Watch::default();
        assert!(watch.running().is_none() && !watch.current_has_expired());
        watch.begin(1, 100, 50);
        let seen = watch.running().unwrap();
        assert_eq!(
            (seen, seen.overdue(150), seen.overdue(151)),
            (Running { number: 1, started: 100, budget: 50 }, None, Some(1))
        );
        assert_eq!(seen.overdue(99), None, "another CPU's counter is behind");
        watch.end();
        watch.expire(1);
        assert!(!watch.current_has_expired());
        watch.begin(2, 200, 50);
        assert!(!watch.current_has_expired() && watch.has_expired(1) && !watch.has_expired(2));
        watch.expire(2);
        assert!(watch.current_has_expired());
    }

    #[test]
    fn the_mark_stands_in_the_number_of_a_call_that_runs_and_has_expired() {
        let watch = Watch::default();
        // What a poll reads.
        let is_marked = || watch.current.load(SeqCst).to_le_bytes()[MARK_OFFSET] != 0;
        assert!(!is_marked());
        watch.begin(1, 100, 50);
        assert!(!is_marked());
        watch.expire(1);
        assert!(is_marked());
        assert_eq!(watch.running().map(|call| call.number), Some(1), "it is the same call still");
        watch.end();
        assert!(!is_marked());
        watch.expire(1);
        assert!(!is_marked(), "no call is running");
        watch.begin(2, 200, 50);
        watch.expire(1);
        assert!(!is_marked(), "the verdict concerned another call");
    }
}
