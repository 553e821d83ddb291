//! The limits of an instance's calls.

use std::num::NonZeroU64;

use crate::status::*;

/// The effect of a used-up budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBudget {
    /// Ends the call; the instance is then faulted.
    CutOff,
    /// Lets the call continue, and counts it when it has ended.
    Count,
}

/// The limits, in ns.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub budget_ns: Option<NonZeroU64>,
    pub on_budget: OnBudget,
    /// Calls that take longer, and are not cut off, are counted.
    pub deadline_ns: Option<NonZeroU64>,
}

/// The longest limit, a day, so that no conversion overflows.
pub const LONGEST_NS: u64 = 86_400_000_000_000;

impl Limits {
    pub const NONE: Limits = Limits { budget_ns: None, on_budget: OnBudget::CutOff, deadline_ns: None };

    pub fn cuts_off_within(&self, time_ns: u64) -> bool {
        self.cut_off_ns().is_some_and(|budget| budget.get() < time_ns)
    }

    /// The budget of calls that are cut off.
    pub fn cut_off_ns(&self) -> Option<NonZeroU64> {
        self.budget_ns.filter(|_| self.on_budget == OnBudget::CutOff)
    }

    /// Returns an error for limits that the module's code cannot keep.
    pub fn check(&self, guarded: bool) -> Result<()> {
        if self.cut_off_ns().is_some() && !guarded {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "calls of this module cannot be cut off: it was compiled without the budget guard (rtwasm compile --budget guard)",
            ));
        }
        Ok(())
    }
}
