//! The state that a worker's thread shares with other threads: two words, through which they command it and follow its state, and the
//! outcome of a start.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};

use super::config::Config;
use super::queue::Queue;
use super::statistics::Statistics;
use crate::engine::runtime::Runtime;
use crate::rt::thread;
use crate::status::*;
use crate::sys::{clock, futex, sleeper};

/// The values of `command`.
pub(super) const IDLE: u32 = 0;
pub(super) const RUN: u32 = 1;
pub(super) const END: u32 = 2;

/// The values of `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The thread is attaching.
    New = 0,
    Stopped = 1,
    /// The thread is preparing.
    Starting = 2,
    Running = 3,
    /// The thread has ended.
    Ended = 4,
}

impl State {
    fn of(word: u32) -> State {
        [State::New, State::Stopped, State::Starting, State::Running, State::Ended][word as usize]
    }
}

/// State that other threads share with the worker's thread.
pub struct Shared {
    pub runtime: Arc<Runtime>,
    pub config: Config,
    pub statistics: Statistics,
    pub queue: Option<Queue>,
    /// Other threads write it, and the thread when it stops by itself, which also sleeps on it.
    pub(super) command: AtomicU32,
    /// The thread writes it, and start; other threads sleep on it.
    pub(super) state: AtomicU32,
    /// RTW_OK, or the status that every function returns: RTW_ERR_FORKED.
    pub(super) gate: AtomicI32,
    pub(super) thread: AtomicI32,
    /// The status that ended the last run.
    pub(super) ended_by: AtomicI32,
    pub(super) outcome: Mutex<Outcome>,
}

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) warnings: Vec<Error>,
    /// The number of warnings from the thread; those of a start come after them, and end with the next start.
    pub(super) of_thread: usize,
    /// The reason why there is no thread, or no run.
    pub(super) error: Option<Error>,
}

/// Information about a worker.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    pub state: State,
    /// The system's number of the thread.
    pub thread: i32,
    /// The current scheduling, in the system's numbers; 0 if the thread has ended.
    pub policy: i32,
    pub priority: i32,
    /// RTW_OK: it was stopped, or reached its limit.
    pub ended_by: rtw_status_t,
    pub warnings: usize,
}

impl Shared {
    pub(super) fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn state(&self) -> State {
        State::of(self.state.load(SeqCst))
    }

    pub(super) fn set_state(&self, state: State) {
        futex::set(&self.state, state as u32);
    }

    /// True if the thread has to continue its run.
    #[inline(always)]
    pub fn goes_on(&self) -> bool {
        self.command.load(Relaxed) == RUN
    }

    /// Sleeps until then, or until the run ends.
    pub fn sleep_until(&self, time_ns: u64) {
        sleeper::sleep_until(time_ns, &self.command, RUN);
    }

    /// True if the caller is the worker's own thread.
    pub fn is_own_thread(&self) -> bool {
        self.thread.load(Relaxed) == thread::id()
    }

    pub fn is_running(&self) -> bool {
        self.state() == State::Running
    }

    /// Returns an error for a refusal, or records a warning.
    pub(super) fn refused(&self, error: Error) -> Result<()> {
        if self.config.strict {
            return Err(error);
        }
        self.outcome().warnings.push(error);
        Ok(())
    }

    /// Waits while `is` holds for the worker's state. Returns false after the time.
    pub(super) fn wait_while(&self, is: impl Fn(State) -> bool, until_ns: Option<u64>) -> bool {
        loop {
            let state = self.state();
            if !is(state) {
                return true;
            }
            if until_ns.is_some_and(|until| clock::monotonic_ns() >= until) {
                return false;
            }
            futex::while_equal(&self.state, state as u32, until_ns);
        }
    }
}
