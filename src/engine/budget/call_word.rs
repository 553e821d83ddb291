//! What a call says of itself to the watchdog: which one it is, when it began, how long it may take. The real-time thread only
//! stores; the watchdog reads, and writes one word of its own.
//!
//! Every call has a number, each of an instance's calls the next. The watchdog's verdict is the number after that of the call
//! which it saw expire: calls below it are to end. A verdict that comes too late concerns a call that is over, and the calls
//! after it are not below. A page of zeros is a call word that nothing has happened to.
//!
//! There are two ways for a guest's polls to notice. In the plugin profile the watchdog also marks the number itself, in its
//! highest byte, if that number still stands there: so a poll reads one byte, and the next call's number takes the mark away. In
//! the standalone profile the watchdog closes the page that polls load from, and a call that meets it closed asks for the verdict.
//!
//! `tests/model` runs this file under loom.

use crate::rt::sync::{AtomicU64, Ordering::*, fence};

/// In the plugin profile these words stand at the start of the guard's page, where the guest's polls read one byte.
#[repr(C, align(64))]
#[derive(Default)]
pub struct CallWord {
    /// Number of the call that is running, with the mark if it has expired; 0 if none is.
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
#[cfg(not(loom))]
const _: () = assert!(std::mem::offset_of!(CallWord, current) == 0 && (MARK >> (8 * MARK_OFFSET)) == 1);

/// The page that polls load from.
pub trait Page {
    fn open(&self);
    fn close(&self);
}

/// A call, as the watchdog sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub number: u64,
    pub started: u64,
    pub budget: u64,
}

/// The last call that the watchdog has ended, so that it closes the page once for each. The watchdog's own.
#[derive(Default)]
pub struct LastEnded(AtomicU64);

impl CallWord {
    // ---- the caller's thread

    /// A call begins.
    #[inline(always)]
    pub fn begin(&self, number: u64, started: u64, budget: u64) {
        // Each after the call before has been taken away, and before this one is there.
        self.started.store(started, Release);
        self.budget.store(budget, Release);
        self.set_current(number);
    }

    /// It is over.
    #[inline(always)]
    pub fn end(&self) {
        self.set_current(0);
    }

    /// A store. The model checker orders it with the watchdog's exchange only if it is an exchange as well.
    #[inline(always)]
    fn set_current(&self, number: u64) {
        #[cfg(not(loom))]
        self.current.store(number, Release);
        #[cfg(loom)]
        self.current.swap(number, Release);
    }

    /// Whether the call with this number has been seen to expire.
    #[inline(always)]
    pub fn has_expired(&self, number: u64) -> bool {
        number < self.verdict.load(Relaxed)
    }

    /// What a poll reads in the plugin profile.
    #[cfg(any(test, loom))]
    pub fn is_marked(&self) -> bool {
        self.current.load(Relaxed).to_le_bytes()[MARK_OFFSET] != 0
    }

    /// Whether the call with this number has been seen to expire, asked when one of its polls has trapped, which may have seen the
    /// mark.
    pub fn has_trapped(&self, number: u64) -> bool {
        // Who has seen the mark sees the verdict.
        fence(Acquire);
        self.has_expired(number)
    }

    /// A poll has met the page closed: whether the call that runs now is to end. Otherwise the page is open again, as the verdict
    /// concerned a call that is over. In signal context.
    pub fn ends_at_closed_page(&self, page: &impl Page) -> bool {
        if self.current_has_expired() {
            return true;
        }
        page.open();
        // If the watchdog has closed it meanwhile for the call that runs now, that has undone it, and the watchdog closes it once.
        self.current_has_expired()
    }

    fn current_has_expired(&self) -> bool {
        let current = self.number();
        current != 0 && current < self.verdict.load(SeqCst)
    }

    // ---- the watchdog's thread

    /// The call that runs now.
    pub fn running(&self) -> Option<Running> {
        let number = self.number();
        let (started, budget) = (self.started.load(Acquire), self.budget.load(Acquire));
        // The words belong together if the call is still the same.
        (number != 0 && self.number() == number).then_some(Running { number, started, budget })
    }

    /// Of the call that is running, whether it has expired or not; 0 for none.
    fn number(&self) -> u64 {
        self.current.load(Acquire) & !MARK
    }

    /// The verdict: the call with this number is to end.
    fn expire(&self, number: u64) {
        // First the verdict: who meets the mark looks at it.
        self.verdict.store(number + 1, SeqCst);
        // It fails if the call is over, and then there is nobody to be told.
        let _ = self.current.compare_exchange(number, number | MARK, SeqCst, Relaxed);
    }

    /// Ends the call that runs if it has used up its budget at `now`, and returns how many ticks ago that was. Opens the page that
    /// was closed for a call that has ended by itself; a call that finds it closed does that, too.
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
    /// How much longer than its budget the call has been running, if it has, in ticks.
    pub fn overdue(&self, now: u64) -> Option<u64> {
        // Counters of different CPUs may be a little apart.
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
