//! A worker that works at equal intervals: a control loop.
//!
//! Times are absolute, so that no drift accumulates: the intended start of tick n is that of the first tick plus n periods.

use std::ffi::c_void;

use super::statistics::{Step, StepRecorder};
use super::{Call, STEP_STOP, Shared};
use crate::rt::callback;
use crate::status::*;
use crate::sys::clock::{self, Calibration};

/// The treatment of ticks whose intended start has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Skips them: the machine did not wait either.
    Skip,
    /// Runs a step for every period, one after the other, until it has caught up.
    CatchUp,
}

/// The argument of a step.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    pub index: u64,
    pub intended_ns: u64,
    pub actual_ns: u64,
    pub missed: u64,
}

/// The work of each tick.
pub enum Task {
    /// A function of the host.
    Step { step: unsafe extern "C-unwind" fn(*mut c_void, *const Tick) -> rtw_status_t, user_data: *mut c_void },
    /// A guest's function.
    Call(Call),
}

// SAFETY: the host guarantees for its function and data.
unsafe impl Send for Task {}

pub struct Periodic {
    pub period_ns: u64,
    pub missed: Missed,
    /// The time before an intended start at which the thread wakes, to spin for the rest.
    pub early_ns: u64,
    /// A harmless call while the thread spins: it brings the way into the guest back into caches and predictors.
    pub warm_call: Option<Call>,
    /// The number of periods of a run; 0: no end.
    pub period_limit: u64,
    /// True if a failing step ends the run.
    pub stop_on_fault: bool,
    pub task: Task,
}

impl Task {
    #[inline(always)]
    fn run(&mut self, tick: &Tick) -> rtw_status_t {
        match self {
            Task::Step { step, user_data } => callback::returning(&"a periodic worker's step", || {
                // SAFETY: the host guarantees for its function.
                unsafe { step(*user_data, tick) }
            }),
            // SAFETY: the number of values was checked; this thread has the guest, by the API's rules.
            Task::Call(call) => unsafe { call.make() },
        }
    }
}

impl Periodic {
    /// Runs until it is stopped, and returns the status that ended the run.
    pub(super) fn run(&mut self, worker: &Shared) -> rtw_status_t {
        let clock = clock::settled_calibration();
        let mut recorder = worker.config.statistics.then(|| StepRecorder::new(&worker.statistics));
        let mut tick = Tick { index: 0, intended_ns: clock::monotonic_ns() + self.period_ns, actual_ns: 0, missed: 0 };
        let last_index = self.period_limit.wrapping_sub(1);
        let mut previous_ns: Option<u64> = None;
        loop {
            let slept = self.wait(worker, recorder.as_ref(), tick.intended_ns, &clock);
            if !worker.goes_on() {
                return RTW_OK;
            }
            self.begin(&mut tick, last_index);
            let (status, call) = self.step(&tick);
            if let Some(recorder) = &mut recorder {
                recorder.record_step(&self.measured(&tick, status, call, previous_ns, &clock), u64::from(slept));
            }
            if let Some(outcome) = self.outcome(status).or((tick.index == last_index).then_some(RTW_OK)) {
                return outcome;
            }
            previous_ns = Some(tick.actual_ns);
            tick.index += 1;
            tick.intended_ns += self.period_ns;
        }
    }

    /// Runs the step of a tick. Returns its status and its time in ticks of the clock.
    #[inline(always)]
    fn step(&mut self, tick: &Tick) -> (rtw_status_t, u64) {
        let started = clock::ticks();
        let status = self.task.run(tick);
        (status, clock::ticks().wrapping_sub(started))
    }

    /// A step in the units of the statistics. `previous_ns` is the actual start of the step before it.
    #[inline]
    fn measured(&self, tick: &Tick, status: rtw_status_t, call: u64, previous_ns: Option<u64>, clock: &Calibration) -> Step {
        let expected_ns = self.period_ns * (tick.missed + 1);
        Step {
            index: tick.index,
            status: if status == STEP_STOP { RTW_OK } else { status },
            actual_ns: tick.actual_ns,
            wake_up: clock.ticks(tick.actual_ns.saturating_sub(tick.intended_ns)),
            call,
            period: clock.ticks(self.period_ns),
            missed: tick.missed,
            jitter: previous_ns.map(|previous_ns| clock.ticks((tick.actual_ns - previous_ns).abs_diff(expected_ns))),
        }
    }

    /// The status with which a step ends the run; None if the run continues.
    #[inline]
    fn outcome(&self, status: rtw_status_t) -> Option<rtw_status_t> {
        match status {
            RTW_OK => None,
            STEP_STOP => Some(RTW_OK),
            fault => self.stop_on_fault.then_some(fault),
        }
    }

    /// Stamps the tick that begins now. If whole periods have passed since its intended start, it stands for the last of them.
    #[inline(always)]
    fn begin(&self, tick: &mut Tick, last_index: u64) {
        tick.actual_ns = clock::monotonic_ns();
        let late_ns = tick.actual_ns.saturating_sub(tick.intended_ns);
        tick.missed = match self.missed {
            // The last period of a run is not skipped.
            Missed::Skip => (late_ns / self.period_ns).min(last_index - tick.index),
            Missed::CatchUp => 0,
        };
        tick.index += tick.missed;
        tick.intended_ns += tick.missed * self.period_ns;
    }

    /// Sleeps until the intended start; or wakes early, touches the path, and spins for the rest. Returns true if it slept.
    #[inline]
    fn wait(&mut self, worker: &Shared, recorder: Option<&StepRecorder<'_>>, intended_ns: u64, clock: &Calibration) -> bool {
        let wake_ns = intended_ns - self.early_ns;
        let sleeps = clock::monotonic_ns() < wake_ns;
        if sleeps {
            worker.sleep_until(wake_ns);
        }
        if self.early_ns == 0 || !worker.goes_on() {
            return sleeps;
        }
        let left_ns = intended_ns.saturating_sub(clock::monotonic_ns());
        let until = clock::ticks() + clock.ticks(left_ns);
        if left_ns != 0 {
            self.touch(recorder);
        }
        while clock::ticks() < until {
            std::hint::spin_loop();
        }
        sleeps
    }

    /// Brings the next step's code and data back into the caches, without running it.
    fn touch(&mut self, recorder: Option<&StepRecorder<'_>>) {
        if let Some(recorder) = recorder {
            recorder.look_ahead();
        }
        if let Some(call) = &mut self.warm_call {
            // Ignores the result: the call serves only to warm the caches. SAFETY: as in `Task::run`.
            unsafe { call.make() };
        }
    }
}
