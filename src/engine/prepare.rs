//! Prepare: making an instance warm, and showing by dry calls that it is.

use wasmtime::ValRaw;

use super::call;
use super::instance::{Func, Instance};
use crate::rt::thread::{FaultCount, faults};
use crate::rt::{alloc, clock};
use crate::status::*;

/// A function to be called before it matters.
pub struct DryCall<'a> {
    pub func: &'a Func,
    pub values: &'a [ValRaw],
    pub repeats: u32,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
    /// Whether all of it is locked.
    pub locked: bool,
    pub dry_calls: u64,
    /// The first of the dry calls.
    pub first_call_ns: f64,
    /// The median of the last half of them.
    pub steady_call_ns: f64,
    /// Faults of this thread during the last half of the dry calls.
    pub faults: FaultCount,
    /// Allocations of this library on this thread during all dry calls.
    pub allocations: u64,
}

impl Instance {
    /// Touches all that calls will touch, then makes the dry calls, whose times do not enter the funcs' statistics.
    pub fn prepare(self: &std::sync::Arc<Self>, calls: &[DryCall<'_>]) -> Result<Report> {
        self.module.runtime.check_signals()?;
        self.is_ours()?;
        let warmed_guest = self.warm()?;
        let mut warmed = warmed_guest;
        for (at, call) in calls.iter().enumerate() {
            if !std::sync::Arc::ptr_eq(&call.func.shared.instance, self) {
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: the func belongs to another instance")));
            }
            if call.values.len() < call.func.shared.value_count {
                return Err(Error::new(
                    RTW_ERR_VALUES,
                    format!(
                        "dry call {at}: \"{}\" {} needs {} values",
                        call.func.shared.name, call.func.shared.signature, call.func.shared.value_count
                    ),
                ));
            }
        }
        warmed += self.warm_funcs()?;
        let mut report = Report { touched_bytes: warmed.touched_bytes, locked_bytes: warmed.locked_bytes, ..Report::default() };
        let mut times = Vec::with_capacity(calls.iter().map(|c| c.repeats as usize).sum());
        for call in calls {
            let mut run = || dry_run(call, &mut times, &mut report);
            match &call.func.shared.recorder {
                Some(recorder) => recorder.aside(run),
                None => run(),
            }?;
        }
        // What the dry calls grew is not present yet.
        let grown = self.warm()?;
        report.touched_bytes += grown.touched_bytes - warmed_guest.touched_bytes;
        report.locked_bytes += grown.locked_bytes - warmed_guest.locked_bytes;
        report.locked = report.locked_bytes == report.touched_bytes;
        self.is_prepared();
        report.dry_calls = times.len() as u64;
        let to_ns = clock::calibration().ns_per_tick;
        report.first_call_ns = times.first().map_or(0.0, |ticks| *ticks as f64 * to_ns);
        let steady = times.len() / 2;
        times[steady..].sort_unstable();
        report.steady_call_ns = times.get(steady + (times.len() - steady) / 2).map_or(0.0, |ticks| *ticks as f64 * to_ns);
        Ok(report)
    }
}

fn dry_run(call: &DryCall<'_>, times: &mut Vec<u64>, report: &mut Report) -> Result<()> {
    let mut values = call.values.to_vec();
    let mut before = faults();
    for round in 0..call.repeats {
        if round == call.repeats / 2 {
            before = faults();
        }
        values.copy_from_slice(call.values);
        let allocations = alloc::allocations();
        let started = clock::ticks();
        // SAFETY: there are as many values as the function needs; prepare has the instance.
        let status = unsafe { call::invoke(call.func, values.as_mut_ptr(), values.len()) };
        times.push(clock::ticks().wrapping_sub(started));
        report.allocations += alloc::allocations() - allocations;
        if status != RTW_OK {
            let name = describe(status).0.trim_end_matches('\0');
            return Err(Error::new(status, format!("dry call {round} of \"{}\" ended with {name}", call.func.shared.name)));
        }
    }
    let after = faults();
    report.faults.minor += after.minor - before.minor;
    report.faults.major += after.major - before.major;
    Ok(())
}
