//! The words by which a call announces itself to the watchdog: its number, its beginning, its budget. The real-time thread only
//! stores; the watchdog reads, and writes one word of its own.
//!
//! Each call of an instance has the next number. The watchdog's verdict is the number after that of the expired call: calls
//! below it have to end. A verdict that comes too late concerns a call that is over, and later calls are not below it. A page
//! of zeros is a call word to which nothing has happened.
//!
//! For the polls of the plugin profile the watchdog also marks the number itself, in its highest byte, if that number is still
//! there: so a poll reads one byte, and the next call's number removes the mark.
//!
//! `tests/model` runs this file under loom.

use crate::rt::sync::{AtomicU64, Ordering::*, fence};

/// In the plugin profile these words are at the start of the guard's page, where the guest's polls read one byte.
#[repr(C, align(64))]
#[derive(Default)]
pub struct CallWord {
    /// The number of the current call, with the mark if it has expired; 0 if there is none.
    current: AtomicU64,
    /// Calls with numbers below this one have expired.
    verdict: AtomicU64,
    /// Clock ticks.
    started: AtomicU64,
    /// Clock ticks; `u64::MAX` for none.
    budget: AtomicU64,
}

/// The mark in the number of an expired call. Numbers never reach it: that takes two years of one call each nanosecond.
const MARK: u64 = 1 << 56;
/// The byte of the number that is 0 until the call has expired. All targets are little-endian.
pub const MARK_OFFSET: usize = 7;
#[cfg(not(loom))]
const _: () = assert!(std::mem::offset_of!(CallWord, current) == 0 && (MARK >> (8 * MARK_OFFSET)) == 1);

/// The page that polls load from.
pub trait Page {
    fn open(&self);
    fn close(&self);
}

/// The watchdog's view of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub number: u64,
    pub started: u64,
    pub budget: u64,
}

/// The last call that the watchdog has ended, so that it closes the page once for each. Only the watchdog uses it.
#[derive(Default)]
pub struct LastEnded(AtomicU64);

impl CallWord {
    // ---- the caller's thread

    /// Announces the beginning of a call.
    #[inline(always)]
    pub fn begin(&self, number: u64, started: u64, budget: u64) {
        // Release: a watchdog that reads one of these words also sees that the previous call was removed, so it does not take the word
        // for that call's. The announcement is a release as well: who sees the number sees both words.
        self.started.store(started, Release);
        self.budget.store(budget, Release);
        self.set_current(number);
    }

    /// Announces the end of the call.
    #[inline(always)]
    pub fn end(&self) {
        self.set_current(0);
    }

    /// Stores the number. The model checker orders a store with the watchdog's exchange only if it is an exchange as well.
    #[inline(always)]
    fn set_current(&self, number: u64) {
        #[cfg(not(loom))]
        self.current.store(number, Release);
        #[cfg(loom)]
        self.current.swap(number, Release);
    }

    /// True if the call with this number has expired.
    #[inline(always)]
    pub fn has_expired(&self, number: u64) -> bool {
        number < self.verdict.load(Relaxed)
    }

    /// The byte that a poll reads in the plugin profile.
    #[cfg(any(test, loom))]
    pub fn is_marked(&self) -> bool {
        self.current.load(Relaxed).to_le_bytes()[MARK_OFFSET] != 0
    }

    /// True if the call with this number has expired. Called when one of its polls has trapped, which may have seen the mark.
    pub fn has_trapped(&self, number: u64) -> bool {
        // A thread that has seen the mark also sees the verdict.
        fence(Acquire);
        self.has_expired(number)
    }

    /// Called when a poll has met the page closed. Returns true if the current call has to end; otherwise the page is open
    /// again, as the verdict concerned an earlier call. Runs in signal context.
    pub fn ends_at_closed_page(&self, page: &impl Page) -> bool {
        if self.current_has_expired() {
            return true;
        }
        page.open();
        // If the watchdog has closed the page meanwhile for the current call, opening it has undone that, and the watchdog
        // closes it only once.
        self.current_has_expired()
    }

    fn current_has_expired(&self) -> bool {
        let current = self.number();
        current != 0 && current < self.verdict.load(SeqCst)
    }

    // ---- the watchdog's thread

    /// The current call.
    pub fn running(&self) -> Option<Running> {
        let number = self.number();
        let (started, budget) = (self.started.load(Acquire), self.budget.load(Acquire));
        // The words belong together if the call's number has not changed.
        (number != 0 && self.number() == number).then_some(Running { number, started, budget })
    }

    /// The number of the current call, expired or not; 0 if there is none.
    fn number(&self) -> u64 {
        self.current.load(Acquire) & !MARK
    }

    /// Stores the verdict: the call with this number has to end.
    fn expire(&self, number: u64) {
        // The verdict comes first: a thread that meets the mark reads it.
        self.verdict.store(number + 1, SeqCst);
        // Fails if the call is over; then the mark is not needed.
        let _ = self.current.compare_exchange(number, number | MARK, SeqCst, Relaxed);
    }

    /// Ends the current call if it has used up its budget at `now`, and returns the number of ticks by which it has. Opens the
    /// page that was closed for a call that has ended by itself; a call that finds it closed opens it, too.
    pub fn look(&self, last: &LastEnded, now: impl FnOnce() -> u64, page: Option<&impl Page>) -> Option<u64> {
        let ended = last.0.load(Relaxed);
        let running = self.running();
        if ended != 0 && running.is_none_or(|running| running.number != ended) {
            if let Some(page) = page {
                page.open();
            }
            last.0.store(0, Relaxed);
        }
        let running = running.filter(|running| running.number != ended)?;
        let over = running.overdue(now())?;
        last.0.store(running.number, Relaxed);
        self.expire(running.number);
        if let Some(page) = page {
            page.close();
        }
        Some(over)
    }
}

impl Running {
    /// The time in ticks by which the call has exceeded its budget, if it has.
    pub fn overdue(&self, now: u64) -> Option<u64> {
        // Counters of different CPUs may differ a little.
        let elapsed = now.wrapping_sub(self.started) as i64;
        u64::try_from(elapsed).ok().and_then(|elapsed| elapsed.checked_sub(self.budget)).filter(|over| *over != 0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct NoPage;

    impl Page for NoPage {
        fn open(&self) {}
        fn close(&self) {}
    }

    #[test]
    fn a_verdict_concerns_one_call_only() {
        let word = CallWord::default();
        assert!(word.running().is_none() && !word.current_has_expired());
        word.begin(1, 100, 50);
        let seen = word.running().unwrap();
        assert_eq!(
            (seen, seen.overdue(150), seen.overdue(151)),
            (Running { number: 1, started: 100, budget: 50 }, None, Some(1))
        );
        assert_eq!(seen.overdue(99), None, "another CPU's counter is behind");
        word.end();
        word.expire(1);
        assert!(!word.current_has_expired());
        word.begin(2, 200, 50);
        assert!(!word.current_has_expired() && word.has_expired(1) && !word.has_expired(2));
        word.expire(2);
        assert!(word.current_has_expired());
    }

    #[test]
    fn the_mark_stands_in_the_number_of_a_call_that_runs_and_has_expired() {
        let word = CallWord::default();
        assert!(!word.is_marked());
        word.begin(1, 100, 50);
        assert!(!word.is_marked());
        word.expire(1);
        assert!(word.is_marked());
        assert_eq!(word.running().map(|call| call.number), Some(1), "it is the same call still");
        word.end();
        assert!(!word.is_marked());
        word.expire(1);
        assert!(!word.is_marked(), "no call is running");
        word.begin(2, 200, 50);
        word.expire(1);
        assert!(!word.is_marked(), "the verdict concerned another call");
    }

    #[test]
    fn a_call_is_ended_once_and_the_next_one_by_itself() {
        let word = CallWord::default();
        let last = LastEnded::default();
        let look = |now| word.look(&last, || now, Some(&NoPage));
        assert_eq!(look(1000), None);
        word.begin(1, 100, 50);
        assert_eq!((look(150), look(160), look(170)), (None, Some(10), None));
        word.end();
        assert_eq!(look(180), None);
        word.begin(2, 200, 50);
        assert_eq!((look(240), look(251)), (None, Some(1)));
    }
}
