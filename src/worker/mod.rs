//! Workers: threads of the library's own, pinned, prioritised and attached, which work at points in time (`periodic`) or on
//! requests (`queue`).
//!
//! A worker's thread lives as long as the worker. It attaches once. At each start it prepares the guests that it will call,
//! then runs until it is stopped or stops by itself, and then waits for the next start. Between a start and a stop it takes no
//! lock and allocates nothing; its system calls are sleeping, waking threads that wait for it, and one query of the system's
//! counters after every step. Other threads communicate with it through two words and, for queues, two rings.

mod config;
#[macro_use]
mod ledger;
mod life;
pub mod periodic;
pub mod queue;
mod report;
mod shared;
pub mod statistics;

pub use config::{Call, Config, Setup, Work};
#[cfg(feature = "capi")]
pub(crate) use ledger::with_counters;
pub use report::DISTRIBUTIONS;
pub use shared::{Info, Shared, State};

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::engine::runtime::Runtime;
use crate::rt::attach::HOST_STACK_BYTES;
use crate::rt::thread::{self, Thread};
use crate::rt::{arena, fork, reserve};
use crate::stats::Report;
use crate::status::*;
use crate::subjects::interval::Source;
use crate::sys::{clock, filter, futex, pm_qos, sched};
use life::live;
use shared::{END, IDLE, Outcome, RUN};
use statistics::Statistics;

/// The status with which a step ends the run regularly.
pub const STEP_STOP: rtw_status_t = 1;

/// Stack for callbacks of the host and for preparing, beyond the needs of guests and the calls around them.
const CALLBACK_STACK_BYTES: usize = 256 << 10;

/// The owner's side of a worker.
pub struct Worker {
    pub shared: Arc<Shared>,
    /// Makes start and stop take turns.
    control: Mutex<Control>,
}

struct Control {
    thread: Option<Thread>,
    promise: Option<pm_qos::Promise>,
}

impl Worker {
    /// Creates the thread, which attaches. When this returns, all refusals are known.
    pub fn new(runtime: &Arc<Runtime>, config: Config, work: Work) -> Result<Worker> {
        // The runtime may be older than the filter.
        filter::check()?;
        let statistics = Statistics::new();
        let queue = match &work {
            Work::Queue(end) => Some(end.queue()),
            Work::Periodic(_) => None,
        };
        let stack_bytes = config.attach.guest_stack_bytes + HOST_STACK_BYTES + CALLBACK_STACK_BYTES;
        let name = config.name.clone();
        let shared = Arc::new(Shared {
            runtime: runtime.clone(),
            config,
            statistics,
            queue,
            command: AtomicU32::new(IDLE),
            state: AtomicU32::new(State::New as u32),
            gate: AtomicI32::new(RTW_OK),
            thread: AtomicI32::new(0),
            ended_by: AtomicI32::new(RTW_OK),
            outcome: Mutex::new(Outcome::default()),
        });
        let own = shared.clone();
        let thread = thread::start(&name, stack_bytes, move || arena::in_setup(|| live(&own, work)))
            .map_err(|cause| Error::os(RTW_ERR_NO_MEMORY, "the worker's thread cannot be made", &cause))?;
        shared.wait_while(|state| state == State::New, None);
        if shared.state() == State::Ended {
            thread.join();
            let error = shared.outcome().error.take();
            return Err(error.unwrap_or_else(|| Error::new(RTW_ERR_INTERNAL, "the worker's thread ended at once")));
        }
        // SAFETY: removed when the worker is dropped, before the word is freed.
        let told = unsafe { fork::tell_children(&shared.gate, RTW_ERR_FORKED) };
        let worker = Worker { shared, control: Mutex::new(Control { thread: Some(thread), promise: None }) };
        told.map(|()| worker)
    }

    /// Returns an error in a forked child, which does not have the thread.
    pub fn check(&self) -> std::result::Result<(), rtw_status_t> {
        match self.shared.gate.load(Relaxed) {
            RTW_OK => Ok(()),
            status => Err(status),
        }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Prepares, then runs. Returns when the worker runs, or has run and stopped by itself.
    pub fn start(&self) -> Result<()> {
        let shared = &*self.shared;
        let running = || Error::new(RTW_ERR_RUNNING, "the worker runs already");
        if shared.is_own_thread() {
            return Err(running());
        }
        let mut control = self.control();
        match shared.state() {
            State::Stopped => {}
            State::Ended => return Err(Error::new(RTW_ERR_POISONED, "the worker's thread ended because of an internal error")),
            _ => return Err(running()),
        }
        {
            let mut outcome = shared.outcome();
            let of_thread = outcome.of_thread;
            outcome.warnings.truncate(of_thread);
            outcome.error = None;
        }
        control.promise = None;
        if let Some(latency_us) = shared.config.dma_latency_us {
            match pm_qos::limit(latency_us) {
                Ok(promise) => control.promise = Some(promise),
                Err(error) => shared.refused(error)?,
            }
        }
        reserve::check()?;
        shared.ended_by.store(RTW_OK, Relaxed);
        shared.set_state(State::Starting);
        futex::set(&shared.command, RUN);
        shared.wait_while(|state| state == State::Starting, None);
        let error = shared.outcome().error.take();
        match error {
            Some(error) => {
                control.promise = None;
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Ends the run after the current step. On the worker's own thread it returns at once, and the run ends after the step.
    pub fn stop(&self) {
        let shared = &*self.shared;
        if shared.is_own_thread() {
            let _ = shared.command.compare_exchange(RUN, IDLE, SeqCst, SeqCst);
            return;
        }
        let mut control = self.control();
        if shared.is_running() {
            if shared.command.compare_exchange(RUN, IDLE, SeqCst, SeqCst).is_ok() {
                futex::wake(&shared.command, i32::MAX);
            }
            if let Some(queue) = &shared.queue {
                queue.wake_worker();
            }
            shared.wait_while(|state| state == State::Running, None);
        }
        control.promise = None;
    }

    /// Waits until the worker has stopped. Returns false after the time.
    pub fn join(&self, timeout_ns: Option<u64>) -> bool {
        let until_ns = timeout_ns.map(|timeout| clock::monotonic_ns().saturating_add(timeout));
        self.shared.wait_while(|state| matches!(state, State::Running | State::Starting), until_ns)
    }

    pub fn info(&self) -> Info {
        let shared = &*self.shared;
        let thread = shared.thread.load(Relaxed);
        let state = shared.state();
        let (policy, priority) = match state {
            State::Ended => (0, 0),
            _ => sched::of(thread).unwrap_or((0, 0)),
        };
        let ended_by = shared.ended_by.load(Relaxed);
        Info { state, thread, policy, priority, ended_by, warnings: shared.outcome().warnings.len() }
    }

    /// A refusal of the system's that was only a warning.
    pub fn warning(&self, index: usize) -> Option<Error> {
        self.shared.outcome().warnings.get(index).cloned()
    }

    /// A source for intervals of one distribution, by its index in [`DISTRIBUTIONS`].
    pub fn distribution(&self, which: usize) -> Source {
        let shared = self.shared.clone();
        let name = format!("{} {}", shared.config.name, DISTRIBUTIONS[which]);
        Source::Other { kind: "worker", name, ever: Box::new(move || shared.statistics.ever(which)) }
    }

    pub fn report(&self) -> Report {
        self.shared.statistics.report(&self.shared.config.name)
    }
}

/// Objects that a forked child inherited from a thread that it does not have.
type Orphan = (Arc<Shared>, Option<Thread>);
static ORPHANS: fork::Whole<Vec<Orphan>> = fork::Whole::new(Vec::new());

impl Drop for Worker {
    fn drop(&mut self) {
        let shared = &*self.shared;
        let ours = self.check().is_ok();
        fork::forget(&shared.gate);
        let thread = self.control().thread.take();
        if !ours {
            // Objects of a thread that this process does not have stay as they are.
            ORPHANS.lock().push((self.shared.clone(), thread));
            return;
        }
        let own_thread = shared.is_own_thread();
        if !own_thread {
            self.stop();
        }
        futex::set(&shared.command, END);
        if let Some(thread) = thread.filter(|_| !own_thread) {
            thread.join();
        }
    }
}
