//! Time budgets of an instance: the limits of its calls, their announcement to the watchdog, and the check if the watchdog
//! ended the current one. `limits` has the limits, `call_word` the state that a call and the watchdog share, `registration`
//! puts an instance on the watchdog's list, `watchdog` is the thread.
//!
//! Calls that a host function makes into the instance run under the budget of the outer call.

mod limits;
mod registration;
pub mod watchdog;

pub use limits::{LONGEST_NS, Limits, OnBudget};
pub use registration::Registration;

use std::cell::Cell;
use std::num::NonZeroU64;
use wasmtime::Trap;

pub use crate::rt::call_word;
use crate::sys::clock;
use call_word::{CallWord, Page};
use rtwasm_enter::Bounds;
use watchdog::GuardPage;

/// The number of ticks that stands for no limit.
pub const NEVER: u64 = u64::MAX;

/// The limits in the form that the call path needs: it uses the bounds itself.
#[repr(C)]
pub struct Timing {
    pub bounds: Bounds,
    /// True if calls may have budgets of their own.
    pub limited: bool,
    /// In units of 2^-32: an integer, since floating-point exceptions may trap on the calling thread.
    ticks_per_ns: u64,
    /// True if a call was cut off since the guest was created.
    cut_off: Cell<bool>,
    /// The last announced call whose host function was refused another call because the budget was used up; 0 for none.
    refused: Cell<u64>,
    /// The page that polls load from, if closing it ends a call.
    page: Cell<Option<GuardPage>>,
}

const FRACTION: f64 = (1u64 << 32) as f64;

impl Timing {
    pub fn new(limits: &Limits) -> Timing {
        let mut timing = Timing {
            bounds: Bounds {
                word: Cell::new(std::ptr::null()),
                budget: Cell::new(NEVER),
                deadline: NEVER,
                number: Cell::new(0),
            },
            limited: limits.budget_ns.is_some(),
            ticks_per_ns: (FRACTION / clock::calibration().ns_per_tick) as u64,
            cut_off: Cell::new(false),
            refused: Cell::new(0),
            page: Cell::new(None),
        };
        timing.bounds.budget.set(timing.ticks(limits.budget_ns));
        timing.bounds.deadline = timing.ticks(limits.deadline_ns);
        timing
    }

    /// The budget of calls without one of their own, in ticks.
    #[inline(always)]
    pub fn budget(&self) -> u64 {
        self.bounds.budget.get()
    }

    /// A limit in ticks.
    #[inline]
    pub fn ticks(&self, limit_ns: Option<NonZeroU64>) -> u64 {
        limit_ns
            .map_or(NEVER, |ns| u64::try_from((u128::from(ns.get()) * u128::from(self.ticks_per_ns)) >> 32).unwrap_or(NEVER))
    }

    /// True if calls are announced, with or without a budget: every call has a number.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        !self.bounds.word.get().is_null()
    }

    /// Announces a call, if it can be cut off. Only stores.
    #[inline(always)]
    pub fn begin(&self, started: u64, budget: u64) {
        self.bounds.begin(started, budget);
    }

    #[inline(always)]
    pub fn end(&self) {
        // SAFETY: as in `begin`.
        if let Some(word) = unsafe { self.bounds.word.get().as_ref() } {
            word.end();
        }
    }

    fn word(&self) -> Option<&CallWord> {
        // SAFETY: as in `begin`.
        unsafe { self.bounds.word.get().as_ref() }
    }

    /// True if the last announced call has expired, by the given check of its word.
    fn last_has_expired(&self, has: impl FnOnce(&CallWord, u64) -> bool) -> bool {
        let number = self.bounds.number.get();
        self.cut_off.get() || self.word().is_some_and(|word| number != 0 && has(word, number))
    }

    /// True if the last announced call has expired.
    pub fn has_expired(&self) -> bool {
        self.last_has_expired(CallWord::has_expired)
    }

    /// True if a call from inside the last announced one has to be refused, because its budget is used up. Notes the refusal.
    pub fn refuses(&self) -> bool {
        let expired = self.has_expired();
        if expired {
            self.refused.set(self.bounds.number.get());
        }
        expired
    }

    /// True if the last announced call failed because it was cut off. `trap` is the engine's, if there was one; `in_host` says that
    /// a host function or the guest itself ended the call.
    pub fn failed_by_cut_off(&self, trap: Option<Trap>, in_host: bool) -> bool {
        match trap {
            _ if in_host => self.ended_in_host(),
            Some(Trap::UnreachableCodeReached) => self.trapped_in_poll(),
            _ => self.was_cut_off(),
        }
    }

    /// True if a host function's error ended a call that is over its budget: one that was cut off further inside, or that was
    /// refused another call for that reason. The host function's own status does not matter then.
    fn ended_in_host(&self) -> bool {
        let number = self.bounds.number.get();
        if self.is_watched() && number != 0 && self.refused.get() == number {
            self.cut_off.set(true);
        }
        self.cut_off.get()
    }

    /// A poll found its page closed. Runs in signal context. Returns true if the load has to be repeated: the verdict concerned
    /// an earlier call.
    pub fn meets_closed_page(&self, address: usize) -> bool {
        let Some(page) = self.page.get().filter(|page| page.contains(address)) else { return false };
        let ends = self.word().is_some_and(|word| word.ends_at_closed_page(&page));
        if ends {
            self.cut_off.set(true);
        }
        !ends
    }

    /// True if an `unreachable` that ended a call was a poll's.
    fn trapped_in_poll(&self) -> bool {
        if self.page.get().is_none() && self.last_has_expired(CallWord::has_trapped) {
            self.cut_off.set(true);
        }
        self.cut_off.get()
    }

    pub fn was_cut_off(&self) -> bool {
        self.cut_off.get()
    }

    /// Runs code during which calls have a budget of at least `ns`.
    pub fn with_at_least<T>(&self, ns: NonZeroU64, run: impl FnOnce() -> T) -> T {
        let usual = self.bounds.budget.get();
        self.bounds.budget.set(usual.max(self.ticks(Some(ns))));
        let outcome = run();
        self.bounds.budget.set(usual);
        outcome
    }

    /// Ends the matter of a call that was cut off, so that another may follow. Opens the page that was closed for it.
    pub fn begin_anew(&self) {
        if self.cut_off.replace(false)
            && let Some(page) = self.page.get()
        {
            page.open();
        }
    }

    /// Announces the calls of a new guest in this word, if in any.
    fn announce_to(&self, word: *const CallWord, page: Option<GuardPage>) {
        self.cut_off.set(false);
        self.page.set(page);
        self.bounds.word.set(word);
    }
}
