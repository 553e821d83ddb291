//! An instance's side of time budgets: how long its calls may take, how they are announced to the watchdog, and whether the
//! running one was ended by it.
//!
//! Calls that a host function makes into the instance run under the budget of the call that called the host.

use std::cell::Cell;
use std::sync::Arc;

use super::memory::Region;
use super::runtime::Runtime;
use super::watch::Watch;
use super::watchdog::{self, Means, Watched};
use crate::status::*;
use crate::sys::clock;
use crate::sys::memory::{Access, page_size};

/// What happens to a call that has used up its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBudget {
    /// It is ended; the instance is then faulted.
    CutOff,
    /// It goes on, and is counted when it has ended.
    Count,
}

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// 0: as long as they like.
    pub budget_ns: u64,
    pub on_budget: OnBudget,
    /// Calls that take longer, and are not cut off, are counted. 0: none is.
    pub deadline_ns: u64,
}

impl Limits {
    pub const NONE: Limits = Limits { budget_ns: 0, on_budget: OnBudget::CutOff, deadline_ns: 0 };

    pub fn cuts_off_within(&self, time_ns: u64) -> bool {
        self.cuts_off() && self.budget_ns < time_ns
    }

    fn cuts_off(&self) -> bool {
        self.budget_ns != 0 && self.on_budget == OnBudget::CutOff
    }
}

/// What the call path knows of its instance's limits.
pub struct Timing {
    /// Where calls are announced; null where none is cut off.
    watch: Cell<*const Watch>,
    /// For calls that name no budget of their own, in ticks; `u64::MAX` for none.
    budget: Cell<u64>,
    /// In ticks; `u64::MAX` for none.
    pub deadline: u64,
    /// Whether calls may name a budget.
    pub limited: bool,
    /// In units of 2^-32: an integer, since the thread that asks may have floating-point exceptions trap.
    ticks_per_ns: u64,
    /// Of the last call that was announced.
    number: Cell<u64>,
    /// Whether a call was ended since the guest was made.
    cut_off: Cell<bool>,
    /// The last announced call whose host function was refused another one because the budget was used up; 0 for none.
    refused: Cell<u64>,
    /// The page that polls load from, where closing it is what ends a call; 0 otherwise.
    page: Cell<usize>,
}

const FRACTION: f64 = (1u64 << 32) as f64;

#[inline]
fn ticks(ns: u64, per_ns: u64) -> u64 {
    match ns {
        0 => u64::MAX,
        _ => u64::try_from((u128::from(ns) * u128::from(per_ns)) >> 32).unwrap_or(u64::MAX),
    }
}

impl Timing {
    pub fn new(limits: &Limits) -> Timing {
        let ticks_per_ns = (FRACTION / clock::calibration().ns_per_tick) as u64;
        let ticks = |ns: u64| ticks(ns, ticks_per_ns);
        Timing {
            watch: Cell::new(std::ptr::null()),
            budget: Cell::new(ticks(limits.budget_ns)),
            deadline: ticks(limits.deadline_ns),
            limited: limits.budget_ns != 0,
            ticks_per_ns,
            number: Cell::new(0),
            cut_off: Cell::new(false),
            refused: Cell::new(0),
            page: Cell::new(0),
        }
    }

    /// The budget of calls that name none, in ticks.
    #[inline(always)]
    pub fn budget(&self) -> u64 {
        self.budget.get()
    }

    /// A budget in ticks; 0 ns is none.
    #[inline]
    pub fn ticks(&self, ns: u64) -> u64 {
        ticks(ns, self.ticks_per_ns)
    }

    /// Whether calls are announced, those without a budget included: every call takes a number.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        !self.watch.get().is_null()
    }

    /// Announces a call, where it can be cut off. Stores only.
    #[inline(always)]
    pub fn begin(&self, started: u64, budget: u64) {
        // SAFETY: null, or alive as long as the guest.
        if let Some(watch) = unsafe { self.watch.get().as_ref() } {
            let number = self.number.get() + 1;
            self.number.set(number);
            watch.begin(number, started, budget);
        }
    }

    #[inline(always)]
    pub fn end(&self) {
        // SAFETY: as in `begin`.
        if let Some(watch) = unsafe { self.watch.get().as_ref() } {
            watch.end();
        }
    }

    /// Whether the call that was announced last has been seen to expire.
    pub fn has_expired(&self) -> bool {
        // SAFETY: as in `begin`.
        let watch = unsafe { self.watch.get().as_ref() };
        self.cut_off.get() || watch.is_some_and(|watch| self.number.get() != 0 && watch.has_expired(self.number.get()))
    }

    /// Whether a call from inside the one that was announced last is to be refused: its budget is used up. Notes the refusal.
    pub fn refuses(&self) -> bool {
        let expired = self.has_expired();
        if expired {
            self.refused.set(self.number.get());
        }
        expired
    }

    /// Whether a host function's error ended a call that is over its budget: one that was cut off further inside, or that was
    /// refused another call for that reason. What the host function then answers does not matter.
    pub fn ended_in_host(&self) -> bool {
        let number = self.number.get();
        if self.is_watched() && number != 0 && self.refused.get() == number {
            self.cut_off.set(true);
        }
        self.cut_off.get()
    }

    /// A poll's page was found closed. In signal context. Whether the load is to be done again: the verdict concerned a call
    /// that is over.
    pub fn meets_closed_page(&self, address: usize) -> bool {
        let page = self.page.get();
        if page == 0 || address.wrapping_sub(page) >= page_size() {
            return false;
        }
        // SAFETY: as in `begin`.
        let watch = unsafe { self.watch.get().as_ref() };
        let has_expired = || watch.is_some_and(Watch::current_has_expired);
        if !has_expired() {
            watchdog::protect(page, Access::ReadWrite);
            // Where the watchdog has closed it meanwhile for the call that runs now, that has undone it, and it is done once.
            if !has_expired() {
                return true;
            }
        }
        self.cut_off.set(true);
        false
    }

    /// Whether an `unreachable` that ended a call was a poll's.
    pub fn trapped_in_poll(&self) -> bool {
        if self.page.get() == 0 && self.has_expired() {
            self.cut_off.set(true);
        }
        self.cut_off.get()
    }

    pub fn was_cut_off(&self) -> bool {
        self.cut_off.get()
    }

    /// Runs something during which calls get `ns` instead of what they usually have, where they have less.
    pub fn with_at_least<T>(&self, ns: u64, run: impl FnOnce() -> T) -> T {
        let usual = self.budget.get();
        self.budget.set(usual.max(self.ticks(ns)));
        let outcome = run();
        self.budget.set(usual);
        outcome
    }
}

/// An instance that the watchdog looks at. Ends with the guest, before the guest's memory does.
pub struct Watching {
    runtime: Arc<Runtime>,
    entry: Arc<Watched>,
    watch: *const Watch,
    page: usize,
    /// Where the watch is, if not in the guard's page.
    _own: Option<Box<Watch>>,
}

impl Watching {
    /// For a guest that is being made; its calls are announced from [`Watching::take_over`] on.
    pub fn new(runtime: &Arc<Runtime>, guard: &Region, in_page: bool, limits: &Limits) -> Result<Option<Watching>> {
        if !limits.cuts_off() {
            return Ok(None);
        }
        let own = (!in_page).then(|| Box::<Watch>::default());
        let watch: *const Watch = own.as_deref().map_or(guard.page() as *const Watch, |watch| watch);
        let (means, page) = match in_page {
            true => (Means::Verdict, 0),
            false => (Means::ClosePage { page: guard.page() }, guard.page()),
        };
        // SAFETY: both live until this value is dropped, which gives the entry back.
        let entry = unsafe { runtime.watchdog().watch(watch, means, limits.budget_ns) }?;
        Ok(Some(Watching { runtime: runtime.clone(), entry, watch, page, _own: own }))
    }

    /// Points an instance's call path here.
    pub fn take_over(watching: Option<&Watching>, timing: &Timing) {
        timing.cut_off.set(false);
        timing.page.set(watching.map_or(0, |watching| watching.page));
        timing.watch.set(watching.map_or(std::ptr::null(), |watching| watching.watch));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.runtime.watchdog().unwatch(&self.entry);
    }
}

/// Refuses limits that the module's code cannot keep.
pub fn check(limits: &Limits, guarded: bool) -> Result<()> {
    if limits.cuts_off() && !guarded {
        return Err(Error::new(
            RTW_ERR_UNSUPPORTED,
            "calls of this module cannot be cut off: it was compiled without the budget guard (rtwasm compile --budget guard)",
        ));
    }
    Ok(())
}
