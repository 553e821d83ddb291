//! Prepare: makes an instance warm, and shows by dry calls that it is.

use std::num::NonZeroU64;
use std::sync::Arc;
use wasmtime::ValRaw;

use super::instance::{Instance, Turn};
use super::own::FuncRef;
use crate::record::recorder::Recorder;
use crate::rt::{arena, global_alloc, reserve};
use crate::status::{self, *};
use crate::sys::clock;
use crate::sys::memory as pages;
use crate::sys::rusage::{self, Usage};

/// The least budget of calls off the real-time thread, if calls have budgets: the first calls are slow, and an endless one must
/// end.
pub(in crate::engine) const SETUP_BUDGET_NS: NonZeroU64 = NonZeroU64::new(1_000_000_000).unwrap();

/// A call that is made before it matters. `F` says of what: a func, or what stands for one where the call is stored.
pub struct DryCall<F, V = Box<[ValRaw]>> {
    pub func: F,
    pub values: V,
    pub repeats: u32,
    /// Judges each call by its arguments and results.
    pub accepts: Accepts,
}

/// Returns an error if a call's results say that the guest has refused its arguments.
pub type Accepts = fn(&[ValRaw], &[ValRaw]) -> Result<()>;

/// Accepts whatever a call returns.
pub fn any(_: &[ValRaw], _: &[ValRaw]) -> Result<()> {
    Ok(())
}

/// One that can be made.
pub type Ready<'a> = DryCall<FuncRef<'a>, &'a [ValRaw]>;

impl<F> DryCall<F> {
    /// This call, of that func.
    pub fn of<'a>(&'a self, func: FuncRef<'a>) -> Ready<'a> {
        DryCall { func, values: &self.values, repeats: self.repeats, accepts: self.accepts }
    }
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
    /// True if all of it is locked.
    pub locked: bool,
    pub dry_calls: u64,
    /// The time of the first dry call.
    pub first_call_ns: f64,
    /// The median time of the second half of the dry calls.
    pub steady_call_ns: f64,
    /// Page faults and switches of this thread during the second half of the dry calls.
    pub usage: Usage,
    /// Allocations of this library on this thread during all dry calls.
    pub allocations: u64,
}

/// Returns the median, 0 of nothing: bit by bit, the largest number that no more than half of the others are below. The standard library's
/// selection takes 5 KB of code.
fn median(numbers: &[u64]) -> u64 {
    let middle = numbers.len() / 2;
    let mut found = 0;
    for bit in (0..u64::BITS).rev().filter(|_| !numbers.is_empty()) {
        let larger = found | 1 << bit;
        if numbers.iter().filter(|number| **number < larger).count() <= middle {
            found = larger;
        }
    }
    found
}

impl Turn<'_> {
    /// Touches everything that calls will touch, then makes the dry calls, whose times do not enter the funcs' statistics. The
    /// last of them come after all other work, since system calls leave caches and branch predictors cold.
    pub fn prepare(&self, calls: &[Ready<'_>]) -> Result<Report> {
        let _visit = if calls.is_empty() { None } else { self.module.runtime.visit()? };
        self.core.timing.with_at_least(SETUP_BUDGET_NS, || self.prepare_untimed(calls))
    }

    fn prepare_untimed(&self, calls: &[Ready<'_>]) -> Result<Report> {
        let _ready = self.module.runtime.ready_for_traps(self.module.profile())?;
        self.ensure_same_process()?;
        for (at, call) in calls.iter().enumerate() {
            check(self.instance(), at, call)?;
        }
        arena::warm();
        let mut warmed = self.warm()?;
        if !calls.is_empty() && self.module.runtime.config.statistics {
            // SAFETY: the library's own; what is recorded there meanwhile counts for nobody.
            unsafe { pages::touch_for_writing(Recorder::range_aside()) };
        }
        let total: usize = calls.iter().map(|call| call.repeats as usize).sum();
        let mut runs = Runs { times: Vec::new(), allocations: 0 };
        reserve::room(&mut runs.times, total)?;
        for call in calls {
            runs.make(call, 0..call.repeats / 2)?;
        }
        if !calls.is_empty() {
            // Memory that the first calls grew is not present yet.
            warmed = self.warm()?;
        }
        warmed += self.warm_funcs()?;
        let first_half = runs.times.len();
        let before = rusage::of_this_thread();
        for call in calls {
            runs.make(call, call.repeats / 2..call.repeats - last_calls(call))?;
        }
        let after = rusage::of_this_thread();
        reserve::check()?;
        self.mark_prepared();

        let clock = clock::calibration();
        let first = runs.times.first().copied().unwrap_or(0);
        let median = median(&runs.times[first_half..]);
        let report = Report {
            touched_bytes: warmed.touched_bytes,
            locked_bytes: warmed.locked_bytes,
            locked: warmed.locked_bytes == warmed.touched_bytes,
            dry_calls: total as u64,
            first_call_ns: clock.ns(first),
            steady_call_ns: clock.ns(median),
            // Without calls, this would count the two readings themselves.
            usage: if calls.is_empty() { Usage::default() } else { after.since(before) },
            allocations: runs.allocations,
        };
        drop(std::mem::take(&mut runs.times));
        for call in calls {
            runs.finish(call, median)?;
        }
        Ok(report)
    }
}

/// The number of dry calls that come last.
fn last_calls(call: &Ready<'_>) -> u32 {
    (call.repeats / 4).min(32)
}

fn check(instance: &Arc<Instance>, at: usize, call: &Ready<'_>) -> Result<()> {
    let func = &call.func.shared;
    if !Arc::ptr_eq(&func.instance, instance) {
        return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: the func belongs to another instance")));
    }
    if call.values.len() < func.value_count {
        return Err(Error::new(
            RTW_ERR_VALUES,
            format!("dry call {at}: \"{}\" {} needs {} values", func.name, func.signature, func.value_count),
        ));
    }
    Ok(())
}

/// The state of the dry calls.
struct Runs {
    /// In ticks; has room for all of them.
    times: Vec<u64>,
    allocations: u64,
}

impl Runs {
    fn make(&mut self, call: &Ready<'_>, rounds: std::ops::Range<u32>) -> Result<()> {
        match &call.func.shared.recorder {
            Some(recorder) => recorder.aside(|| self.make_kept(call, rounds)),
            None => self.make_kept(call, rounds),
        }
    }

    /// Makes the last calls, untimed, then touches the words that recording the next call will touch. Only the return comes
    /// after this.
    fn finish(&self, call: &Ready<'_>, ticks: u64) -> Result<()> {
        let mut values = call.values.to_vec();
        let mut calls = || {
            let _running = call.func.core().runs_in_setup();
            for round in call.repeats - last_calls(call)..call.repeats {
                values.copy_from_slice(call.values);
                // SAFETY: as in `make_unrecorded`.
                let status = unsafe { call.func.call(&mut values) };
                if status != RTW_OK {
                    return Err(refused(call, round, status));
                }
            }
            Ok(())
        };
        match &call.func.shared.recorder {
            Some(recorder) => {
                recorder.aside(&mut calls)?;
                recorder.active().look_at(ticks);
                Ok(())
            }
            None => calls(),
        }
    }

    /// Makes dry calls; what a first call leaves behind is kept for the later ones.
    fn make_kept(&mut self, call: &Ready<'_>, rounds: std::ops::Range<u32>) -> Result<()> {
        call.func.shared.instance.keep(|| self.make_unrecorded(call, rounds))
    }

    fn make_unrecorded(&mut self, call: &Ready<'_>, rounds: std::ops::Range<u32>) -> Result<()> {
        let mut values = call.values.to_vec();
        let _running = call.func.core().runs_in_setup();
        for round in rounds {
            values.copy_from_slice(call.values);
            let allocations = global_alloc::allocations();
            let started = clock::ticks();
            // SAFETY: there are as many values as it needs, and prepare has the instance.
            let status = unsafe { call.func.call(&mut values) };
            self.times.push(clock::ticks().wrapping_sub(started));
            self.allocations += global_alloc::allocations() - allocations;
            if status != RTW_OK {
                return Err(refused(call, round, status));
            }
            (call.accepts)(call.values, &values)?;
        }
        Ok(())
    }
}

fn refused(call: &Ready<'_>, round: u32, status: rtw_status_t) -> Error {
    let name = status::name(status);
    Error::new(status, format!("dry call {round} of \"{}\" ended with {name}", call.func.shared.name))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn half_of_the_numbers_are_below_the_median() {
        assert_eq!(median(&[]), 0);
        let mut numbers = Vec::new();
        for number in [7, 7, 0, u64::MAX, 3, u64::MAX, 1 << 63, 12, 12, 12, 5] {
            numbers.push(number);
            let mut sorted = numbers.clone();
            sorted.sort();
            assert_eq!(median(&numbers), sorted[sorted.len() / 2], "{numbers:?}");
        }
    }
}
