//! A worker with a queue: other threads submit invocations and take their outcomes. `rt/mailbox.rs` passes them; this file
//! defines an invocation, and what the worker's thread does with it.

use wasmtime::ValRaw;

use super::Shared;
use super::statistics::{Step, StepRecorder};
use crate::engine::own::OwnFunc;
use crate::rt::mailbox::{self, Mailbox, NoOutcome, Receiver, Refused, Request};
use crate::rt::reserve;
use crate::status::*;
use crate::sys::clock::{self, Calibration};

/// The largest number of values of an invocation.
pub const VALUES: usize = 16;

/// The time that a thread polls for the outcome of its invocation before it sleeps: about what sleeping and being woken would take.
/// The worker makes no system call for a thread that polls.
const POLL_NS: u64 = 5_000;

struct Invocation {
    target: Option<OwnFunc>,
    value_count: usize,
    outcome: Completion,
}

/// The outcome of an invocation.
#[derive(Clone, Copy)]
pub struct Completion {
    pub tag: u64,
    pub status: rtw_status_t,
    /// Times of CLOCK_MONOTONIC; the worker's are 0 if the invocation never began.
    pub submitted_ns: u64,
    pub started_ns: u64,
    pub ended_ns: u64,
    /// Arguments, then results.
    pub values: [ValRaw; VALUES],
}

impl Completion {
    fn new(tag: u64) -> Completion {
        let values = [ValRaw::v128(0); VALUES];
        Completion { tag, status: RTW_OK, submitted_ns: 0, started_ns: 0, ended_ns: 0, values }
    }
}

impl Request for Invocation {
    fn on_queued(&mut self) {
        self.outcome.submitted_ns = clock::monotonic_ns();
    }

    fn on_cancelled(&mut self) {
        self.outcome.status = RTW_ERR_CANCELLED;
    }

    fn on_cleared(&mut self) {
        drop(self.target.take());
    }
}

/// The submitting side.
#[derive(Clone)]
pub struct Queue(Mailbox<Invocation>);

/// The worker's side.
pub struct WorkerEnd {
    receiver: Receiver<Invocation>,
    /// The time that the thread polls for work before it sleeps.
    spin_ns: u64,
}

/// Creates a queue with `capacity` places, and returns the worker's side of it.
pub fn queue(capacity: usize, spin_ns: u64) -> Result<WorkerEnd> {
    reserve::with_room(capacity * mailbox::place_bytes::<Invocation>(), || {
        let empty = || Invocation { target: None, value_count: 0, outcome: Completion::new(0) };
        Ok(WorkerEnd { receiver: mailbox::mailbox(capacity, empty), spin_ns })
    })
}

impl Queue {
    /// The numbers of invocations that were submitted, completed and cancelled, and of those refused because no place was free.
    pub fn counted(&self) -> [u64; 4] {
        self.0.counted()
    }

    /// Makes the worker's thread check if its run has ended.
    pub fn wake_worker(&self) {
        self.0.wake_receiver();
    }

    /// Queues an invocation; `target` makes its own handle once there is a place for it. The outcome becomes a completion.
    pub fn submit(
        &self,
        target: impl FnOnce() -> std::result::Result<OwnFunc, rtw_status_t>,
        values: &[ValRaw],
        tag: u64,
    ) -> std::result::Result<(), rtw_status_t> {
        self.post(target, values, tag, false).map(|_| ())
    }

    fn post(
        &self,
        target: impl FnOnce() -> std::result::Result<OwnFunc, rtw_status_t>,
        values: &[ValRaw],
        tag: u64,
        awaited: bool,
    ) -> std::result::Result<mailbox::Posted, rtw_status_t> {
        if values.len() > VALUES {
            return Err(RTW_ERR_LIMIT);
        }
        let fill = |invocation: &mut Invocation| {
            invocation.target = Some(target()?);
            invocation.value_count = values.len();
            invocation.outcome = Completion::new(tag);
            invocation.outcome.values[..values.len()].copy_from_slice(values);
            Ok(())
        };
        self.0.post(tag, awaited, fill).map_err(|refused| match refused {
            Refused::Full => RTW_ERR_FULL,
            Refused::Closed => RTW_ERR_STOPPED,
            Refused::Unfilled(status) => status,
        })
    }

    /// Submits, waits, and copies the results back.
    pub fn invoke(
        &self,
        target: impl FnOnce() -> std::result::Result<OwnFunc, rtw_status_t>,
        values: &mut [ValRaw],
    ) -> rtw_status_t {
        let posted = match self.post(target, values, 0, true) {
            Ok(posted) => posted,
            Err(status) => return status,
        };
        let until_ns = clock::monotonic_ns() + POLL_NS;
        let polls = || clock::monotonic_ns() < until_ns;
        self.0.wait_for(posted, polls, |invocation| {
            let outcome = &invocation.outcome;
            if outcome.status == RTW_OK {
                values.copy_from_slice(&outcome.values[..values.len()]);
            }
            outcome.status
        })
    }

    /// The oldest completion that was not taken yet.
    pub fn poll(&self) -> Option<Completion> {
        self.0.poll(|invocation| invocation.outcome)
    }

    /// The oldest completion that was not taken yet; waits as long as one may come.
    pub fn wait(&self, timeout_ns: Option<u64>) -> std::result::Result<Completion, rtw_status_t> {
        let until_ns = timeout_ns.map(|timeout| clock::monotonic_ns().saturating_add(timeout));
        self.0.wait(until_ns, clock::monotonic_ns, |invocation| invocation.outcome).map_err(|none| match none {
            NoOutcome::Closed => RTW_ERR_STOPPED,
            NoOutcome::TimedOut => RTW_ERR_TIMEOUT,
        })
    }

    /// Cancels the invocations with this tag that have not begun, and returns their number. Their completions come in turn.
    pub fn cancel(&self, tag: u64) -> usize {
        self.0.cancel(tag)
    }
}

impl WorkerEnd {
    pub fn queue(&self) -> Queue {
        Queue(self.receiver.mailbox())
    }

    /// Accepts invocations. Called before the thread starts to run.
    pub(super) fn open(&self) {
        self.receiver.open();
    }

    /// Accepts no more invocations, and cancels those that have not begun.
    pub(super) fn close(&mut self) {
        self.receiver.close();
    }

    /// Runs until it is stopped.
    pub(super) fn run(&mut self, worker: &Shared) -> rtw_status_t {
        let clock = clock::settled_calibration();
        let mut recorder = worker.config.statistics.then(|| StepRecorder::new(&worker.statistics));
        let mut sleeps = 0;
        while worker.goes_on() {
            let was_there = self.receiver.serve(|invocation| {
                let step = run_one(invocation, &clock);
                // Before the outcome is passed on: a thread that has it finds the call in the statistics.
                if let Some(recorder) = &mut recorder {
                    recorder.record_step(&step, sleeps);
                }
            });
            match was_there {
                true => sleeps = 0,
                false => {
                    self.rest(worker, &clock);
                    sleeps += 1;
                }
            }
        }
        RTW_OK
    }

    /// Waits for an invocation, or for the end of the run.
    fn rest(&mut self, worker: &Shared, clock: &Calibration) {
        let until = clock::ticks() + clock.ticks(self.spin_ns);
        while self.spin_ns != 0 && clock::ticks() < until {
            if !self.receiver.is_empty() || !worker.goes_on() {
                return;
            }
            std::hint::spin_loop();
        }
        self.receiver.sleep_while(|| worker.goes_on());
    }
}

/// Calls the guest, and measures the call as a step.
fn run_one(invocation: &mut Invocation, clock: &Calibration) -> Step {
    let count = invocation.value_count;
    let started_ns = clock::monotonic_ns();
    let started = clock::ticks();
    let status = match &invocation.target {
        // SAFETY: the values were checked at submission; this thread has the guest, by the API's rules.
        Some(target) => unsafe { target.call(&mut invocation.outcome.values[..count]) },
        None => RTW_ERR_INTERNAL,
    };
    let call = clock::ticks().wrapping_sub(started);
    let outcome = &mut invocation.outcome;
    outcome.status = status;
    outcome.started_ns = started_ns;
    outcome.ended_ns = started_ns + clock.ns(call) as u64;
    Step {
        index: outcome.tag,
        status,
        actual_ns: started_ns,
        wake_up: clock.ticks(started_ns.saturating_sub(outcome.submitted_ns)),
        call,
        period: 0,
        missed: 0,
        jitter: None,
    }
}
