//! Workers: threads of the library's own, pinned, prioritised and attached, which work at points in time (`periodic`) or on
//! requests (`queue`).
//!
//! A worker's thread lives as long as the worker. It attaches once. At each start it prepares the guests that it will call,
//! then runs until it is stopped or stops by itself, and then waits for the next start. Between a start and a stop it takes no
//! lock and allocates nothing; its system calls are sleeping, waking threads that wait for it, and one query of the system's
//! counters after every step. Other threads communicate with it through two words and, for queues, two rings.

pub mod periodic;
pub mod queue;
pub mod statistics;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};
use wasmtime::ValRaw;

use crate::engine::instance::Instance;
use crate::engine::own::OwnFunc;
use crate::engine::prepare::DryCall;
use crate::engine::runtime::Runtime;
use crate::rt::attach::{Attach, HOST_STACK_BYTES};
use crate::rt::thread::{self, Thread};
use crate::rt::{arena, callback, fork, reserve};
use crate::stats::Report;
use crate::status::*;
use crate::subjects::interval::Source;
use crate::sys::memory::Lock;
use crate::sys::sched::{self, Deadline, Policy};
use crate::sys::{affinity, clock, filter, futex, pm_qos, sleeper};
use periodic::Periodic;
use queue::Queue;
use statistics::Statistics;

/// The status with which a step ends the run regularly.
pub const STEP_STOP: rtw_status_t = 1;

/// Stack for callbacks of the host and for preparing, beyond the needs of guests and the calls around them.
const CALLBACK_STACK_BYTES: usize = 256 << 10;

/// A repeated call: its arguments are written before each time.
pub struct Call {
    func: OwnFunc,
    arguments: Box<[ValRaw]>,
    values: Box<[ValRaw]>,
}

impl Call {
    pub fn new(func: OwnFunc, arguments: &[ValRaw]) -> Call {
        Call { func, arguments: arguments.into(), values: arguments.into() }
    }

    /// # Safety
    /// As for [`OwnFunc::call`].
    #[inline(always)]
    unsafe fn make(&mut self) -> rtw_status_t {
        self.values.copy_from_slice(&self.arguments);
        // SAFETY: passed on.
        unsafe { self.func.call(&mut self.values) }
    }
}

/// A callback of the host on the worker's thread at each start, before the dry calls.
#[derive(Clone, Copy)]
pub struct Setup {
    pub call: unsafe extern "C-unwind" fn(*mut c_void) -> rtw_status_t,
    pub user_data: *mut c_void,
}

// SAFETY: the host guarantees for its function and data.
unsafe impl Send for Setup {}
// SAFETY: as for Send.
unsafe impl Sync for Setup {}

pub struct Config {
    pub name: String,
    /// The thread's attachment; the runtime decides about its lock.
    pub attach: Attach,
    pub deadline: Option<Deadline>,
    /// True if stack and statistics are locked into memory, whatever the runtime's setting for guests.
    pub lock: bool,
    /// True if a refusal of the system's is an error; otherwise it is a warning.
    pub strict: bool,
    /// The longest time that the CPUs may take to wake from idling while the worker runs.
    pub dma_latency_us: Option<i32>,
    pub setup: Option<Setup>,
    /// Instances to be prepared at each start, with the dry calls below.
    pub instances: Vec<Arc<Instance>>,
    pub dry_calls: Vec<DryCall<OwnFunc>>,
    pub statistics: bool,
}

/// A worker's kind of work.
pub enum Work {
    Periodic(Box<Periodic>),
    Queue(queue::WorkerEnd),
}

/// The values of `command`.
const IDLE: u32 = 0;
const RUN: u32 = 1;
const END: u32 = 2;

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
    command: AtomicU32,
    /// The thread writes it, and start; other threads sleep on it.
    state: AtomicU32,
    /// RTW_OK, or the status that every function returns: RTW_ERR_FORKED.
    gate: AtomicI32,
    thread: AtomicI32,
    /// The status that ended the last run.
    ended_by: AtomicI32,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    warnings: Vec<Error>,
    /// The number of warnings from the thread; those of a start come after them, and end with the next start.
    of_thread: usize,
    /// The reason why there is no thread, or no run.
    error: Option<Error>,
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
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn state(&self) -> State {
        State::of(self.state.load(SeqCst))
    }

    fn set_state(&self, state: State) {
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
    fn refused(&self, error: Error) -> Result<()> {
        if self.config.strict {
            return Err(error);
        }
        self.outcome().warnings.push(error);
        Ok(())
    }

    /// Waits while `is` holds for the worker's state. Returns false after the time.
    fn wait_while(&self, is: impl Fn(State) -> bool, until_ns: Option<u64>) -> bool {
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

/// The distributions of a worker's steps.
pub const DISTRIBUTIONS: [&str; 4] = ["wake_up_latency", "call_time", "response_time", "period_jitter"];

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

/// The thread's life, from beginning to end.
fn live(shared: &Shared, mut work: Work) {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        if let Err(error) = reserve::fallible(|| become_real_time(shared)) {
            shared.outcome().error = Some(error);
            return;
        }
        shared.set_state(State::Stopped);
        while next_command(shared) == RUN {
            run(shared, &mut work);
        }
        let _ = shared.runtime.detach();
    }));
    if lived.is_err() {
        shared.ended_by.store(RTW_ERR_INTERNAL, Relaxed);
        shared.outcome().error = Some(Error::new(RTW_ERR_INTERNAL, "internal error on the worker's thread"));
    }
    if let Work::Queue(end) = &mut work {
        end.close();
    }
    shared.set_state(State::Ended);
}

fn next_command(shared: &Shared) -> u32 {
    loop {
        match shared.command.load(SeqCst) {
            IDLE => futex::while_equal(&shared.command, IDLE, None),
            command => return command,
        }
    }
}

/// One start and its run.
fn run(shared: &Shared, work: &mut Work) {
    match reserve::fallible(|| prepare(shared)) {
        Ok(()) => {
            if let Work::Queue(end) = work {
                end.open();
            }
            shared.set_state(State::Running);
            let ended_by = arena::in_section(|| match work {
                Work::Periodic(periodic) => periodic.run(shared),
                Work::Queue(end) => end.run(shared),
            });
            shared.ended_by.store(ended_by, Relaxed);
        }
        Err(error) => {
            shared.ended_by.store(error.status, Relaxed);
            shared.outcome().error = Some(error);
        }
    }
    if let Work::Queue(end) = work {
        end.close();
    }
    let _ = shared.command.compare_exchange(RUN, IDLE, SeqCst, SeqCst);
    shared.set_state(State::Stopped);
}

/// Requests real-time rights from the system.
fn become_real_time(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    shared.thread.store(thread::id(), Relaxed);
    sleeper::sleep_exactly();
    attach(shared)?;
    if let Some(cpus) = &config.attach.cpus {
        affinity::set(cpus).or_else(|error| shared.refused(error))?;
    }
    match (config.deadline, config.attach.scheduling) {
        (Some(deadline), _) => sched::set_deadline(deadline).or_else(|error| shared.refused(error))?,
        (None, Some((policy, priority))) => set_scheduling(shared, policy, priority)?,
        (None, None) => {}
    }
    // The thread attached before it had its priority.
    shared.runtime.watch_over()?;
    let mut outcome = shared.outcome();
    outcome.of_thread = outcome.warnings.len();
    Ok(())
}

fn set_scheduling(shared: &Shared, policy: Policy, priority: i32) -> Result<()> {
    sched::set(policy, priority).or_else(|error| shared.refused(error))
}

/// Attaches without scheduling and affinity, which are requested one by one afterwards.
fn attach(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    let lock = if config.lock { Lock::Required } else { shared.runtime.config.lock };
    let all = Attach { scheduling: None, cpus: None, lock, ..config.attach.clone() };
    let attached = shared.runtime.attach(&all).and_then(|()| {
        shared.statistics.warm(lock).inspect_err(|_| {
            let _ = shared.runtime.detach();
        })
    });
    match attached {
        Err(error) if error.status == RTW_ERR_MEMLOCK && config.lock && !config.strict => {
            shared.refused(error)?;
            let lock = shared.runtime.config.lock;
            shared.runtime.attach(&Attach { lock, ..all })?;
            shared.statistics.warm(lock)
        }
        other => other,
    }
}

/// Prepares the guests on the thread that will call them.
fn prepare(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    if let Some(setup) = &config.setup {
        // SAFETY: the host guarantees for its function.
        match callback::returning(&"a worker's setup callback", || unsafe { (setup.call)(setup.user_data) }) {
            RTW_OK => {}
            status => return Err(Error::new(status, format!("the setup callback returned {status}"))),
        }
    }
    if let Some(limit_ns) = sched::real_time_limit_ns() {
        let ends_before = |instance: &Arc<Instance>| instance.is_cut_off_within(limit_ns);
        if config.instances.is_empty() || !config.instances.iter().all(ends_before) {
            shared.outcome().warnings.push(Error::new(
                RTW_ERR_LIMIT,
                format!(
                    "RLIMIT_RTTIME ends the process (SIGXCPU) when a step of this worker computes for {} ms: give its instances \
                     budgets below that, or raise the limit",
                    limit_ns / 1_000_000
                ),
            ));
        }
    }
    for instance in &config.instances {
        let mut calls = Vec::new();
        reserve::room(&mut calls, config.dry_calls.len())?;
        let own = config.dry_calls.iter().filter(|call| Arc::ptr_eq(&call.func.shared.instance, instance));
        calls.extend(own.map(|call| call.of(call.func.as_ref())));
        // SAFETY: the worker's thread has the instances of its configuration, by the API's rules.
        unsafe { instance.turn() }.prepare(&calls)?;
    }
    Ok(())
}
