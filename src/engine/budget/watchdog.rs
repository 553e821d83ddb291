//! The watchdog: one thread for each runtime that wakes at a tick, checks the running calls, and ends those whose budget is
//! used up. It sleeps while no instance has a budget.
//!
//! It has a higher priority than the threads that it watches over, if the system permits it: otherwise a guest that spins under
//! SCHED_FIFO could keep it from running. Its own lateness at each tick is recorded.
//!
//! The watched instances are in a list that is replaced as a whole (`rt/rcu.rs`), so that the watchdog takes no lock; a thread
//! that removes an instance waits until the watchdog does not read the list.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock};

use super::call_word::{CallWord, LastEnded, Page};
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::rt::rcu::Rcu;
use crate::rt::thread::{self, Thread};
use crate::status::*;
use crate::sys::memory::{self, Access};
use crate::sys::sched::{self, Policy};
use crate::sys::sleeper::{self, Sleeper};
use crate::sys::{affinity, clock, end, filter, futex};

/// The range of ticks. Waking more often would cost more than it gains; a longer tick would delay the end of a watchdog with
/// long budgets.
pub const TICK_NS: RangeInclusive<u64> = 50_000..=250_000_000;

/// The page that a guest's polls load from, if closing it ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardPage(usize);

/// The watchdog's entry for an instance.
pub struct Watched {
    word: *const CallWord,
    /// None if the polls read the word.
    page: Option<GuardPage>,
    budget_ns: NonZeroU64,
    last_ended: LastEnded,
}

// SAFETY: the call word is atomic words that live until the entry is removed from the list.
unsafe impl Send for Watched {}
// SAFETY: as for Send.
unsafe impl Sync for Watched {}

type List = Vec<Arc<Watched>>;

struct Shared {
    list: Rcu<List>,
    /// Belongs to the list, but is no part of it: the watchdog may sleep once more for a tick that is out of date, unless it is woken,
    /// which it is when an instance is added.
    tick_ns: AtomicU64,
    /// Set before it is woken for the last time; the wake-up orders it.
    stop: AtomicBool,
    sleeper: Sleeper,
    statistics: Statistics,
    /// Its number in the system, for changing its priority; written before `ready`.
    thread_id: AtomicI32,
    /// 1 once it runs, and its request for a priority has been decided. The thread that starts it waits for this with the control locked,
    /// so threads that lock the control later see what was written before, and load it relaxed.
    ready: AtomicU32,
    /// True if it got the priority; written before `ready`.
    granted: AtomicBool,
}

impl Shared {
    fn new() -> Shared {
        Shared {
            list: Rcu::new(Box::default()),
            tick_ns: AtomicU64::default(),
            stop: AtomicBool::default(),
            sleeper: Sleeper::new(),
            statistics: Statistics::default(),
            thread_id: AtomicI32::default(),
            ready: AtomicU32::default(),
            granted: AtomicBool::default(),
        }
    }
}

#[derive(Default)]
struct Statistics {
    /// There once the watchdog runs.
    times: OnceLock<Times>,
    /// Counted relaxed: a report reads each counter for itself.
    expiries: AtomicU64,
    cut_offs: AtomicU64,
}

impl Statistics {
    /// On the watchdog's thread.
    fn record(&self, which: fn(&Times) -> &Recorder, ticks: u64) {
        if let Some(times) = self.times.get() {
            which(times).active().record(ticks);
        }
    }
}

#[derive(Default)]
struct Times {
    /// The lateness of ticks, in clock ticks.
    lateness: Recorder,
    /// The time by which a call had exceeded its budget when it was detected.
    overdue: Recorder,
}

/// The watchdog's statistics.
#[derive(Debug, Clone)]
pub struct Report {
    /// 0 while it sleeps.
    pub tick_ns: u64,
    pub watched: usize,
    pub policy: Policy,
    pub priority: i32,
    /// Calls that exceeded their budgets.
    pub expiries: u64,
    /// Calls that it cut off; the others ended by themselves at that moment.
    pub cut_offs: u64,
    pub lateness: Snapshot,
    pub overdue: Snapshot,
}

/// A runtime's watchdog.
pub struct Watchdog {
    shared: Arc<Shared>,
    control: Mutex<Control>,
    /// The configured tick; 0: a quarter of the smallest budget.
    wanted_tick_ns: u64,
    /// The process of the thread: a forked child has the object only.
    process: u32,
}

struct Control {
    thread: Option<Thread>,
    scheduling: Option<(Policy, i32)>,
    /// The scheduling that the system granted.
    granted: Option<(Policy, i32)>,
    /// The real-time threads that it watches over, in the system's numbers.
    real_time: Vec<i32>,
}

impl Watchdog {
    /// Creates a watchdog; its thread starts with the first watched instance. `scheduling` is that of the threads it will watch
    /// over, if known.
    pub fn new(tick_ns: u64, scheduling: Option<(Policy, i32)>) -> Watchdog {
        Watchdog {
            shared: Arc::new(Shared::new()),
            control: Mutex::new(Control {
                thread: None,
                scheduling: scheduling.map(above),
                granted: None,
                real_time: Vec::new(),
            }),
            wanted_tick_ns: tick_ns,
            process: std::process::id(),
        }
    }

    /// Watches an instance from now on.
    ///
    /// # Safety
    /// The word, and the page if there is one, live until the entry is passed to [`Watchdog::unwatch`].
    pub unsafe fn watch(&self, word: *const CallWord, page: Option<GuardPage>, budget_ns: NonZeroU64) -> Result<Arc<Watched>> {
        if std::process::id() != self.process {
            return Err(Error::new(
                RTW_ERR_FORKED,
                "the runtime belongs to the parent process, and so does the watchdog that would keep the budget: make a runtime in \
                 the child",
            ));
        }
        // The runtime may be older than the filter.
        filter::check()?;
        let mut control = self.lock();
        self.start(&mut control)?;
        self.can_run(&mut control)?;
        let entry = Arc::new(Watched { word, page, budget_ns, last_ended: LastEnded::default() });
        let mut list = self.list();
        list.push(entry.clone());
        self.replace(list);
        drop(control);
        self.shared.sleeper.wake();
        Ok(entry)
    }

    /// Stops watching. When this returns, the watchdog does not read the instance any more.
    pub fn unwatch(&self, entry: &Arc<Watched>) {
        let control = self.lock();
        let mut list = self.list();
        list.retain(|known| !Arc::ptr_eq(known, entry));
        self.replace(list);
        drop(control);
    }

    /// Puts the watchdog above the calling thread, which has this scheduling, if the system permits it. Returns an error if the
    /// watchdog would get no CPU beside it, and some instance has a budget.
    pub fn rise_above(&self, scheduling: (Policy, i32)) -> Result<()> {
        if std::process::id() != self.process {
            // No call with a budget runs here, and the parent's watchdog must not be touched.
            return Ok(());
        }
        let wanted = above(scheduling);
        let mut control = self.lock();
        if scheduling.0 != Policy::Other && !control.real_time.contains(&thread::id()) {
            control.real_time.push(thread::id());
        }
        if control.scheduling.is_none_or(|has| has.1 < wanted.1) {
            control.scheduling = Some(wanted);
            let thread_id = self.shared.thread_id.load(Relaxed);
            if control.thread.is_some() && thread_id != 0 && sched::set_of(thread_id, wanted.0, wanted.1).is_ok() {
                control.granted = Some(wanted);
            }
        }
        match self.list().is_empty() {
            true => Ok(()),
            false => self.can_run(&mut control),
        }
    }

    /// Returns an error if the watchdog might get no CPU beside the threads that it watches over: it has to be above them, or
    /// able to run elsewhere. Otherwise a guest that spins would never be cut off, without any report.
    fn can_run(&self, control: &mut Control) -> Result<()> {
        let own = self.shared.thread_id.load(Relaxed);
        if own == 0 || control.thread.is_none() {
            return Ok(());
        }
        let Some((_, own_priority)) = sched::of(own) else { return Ok(()) };
        let Some(only) = affinity::only_cpu(own) else { return Ok(()) };
        // Threads that have ended, or have changed, prevent nothing.
        control.real_time.retain(|watched| sched::of(*watched).is_some_and(|(policy, _)| sched::is_real_time(policy)));
        let over = control.real_time.iter().find(|watched| {
            let priority = sched::of(**watched).map_or(0, |(_, priority)| priority);
            priority >= own_priority && affinity::may_run_on(**watched, only)
        });
        match over.and_then(|watched| sched::of(*watched)) {
            None => Ok(()),
            Some((_, priority)) => Err(Error::new(
                RTW_ERR_PERMISSION,
                format!(
                    "budgets cannot be kept: the watchdog has CPU {only} alone, and there an attached thread of real-time priority \
                     {priority} is not below it (it has {own_priority}); use a priority of at most 98, permit one more \
                     (CAP_SYS_NICE, RLIMIT_RTPRIO), or let the process have another CPU"
                ),
            )),
        }
    }

    /// Counts a call that was cut off, on the call's own thread.
    pub fn count_cut_off(&self) {
        self.shared.statistics.cut_offs.fetch_add(1, Relaxed);
    }

    pub fn report(&self) -> Report {
        let control = self.lock();
        let statistics = &self.shared.statistics;
        let times = |which: fn(&Times) -> &Recorder| {
            statistics.times.get().map_or_else(Snapshot::empty, |times| which(times).snapshot())
        };
        let (policy, priority) = control.granted.unwrap_or((Policy::Other, 0));
        let watched = self.list().len();
        Report {
            tick_ns: if watched == 0 { 0 } else { self.shared.tick_ns.load(Relaxed) },
            watched,
            policy,
            priority,
            expiries: statistics.expiries.load(Relaxed),
            cut_offs: statistics.cut_offs.load(Relaxed),
            lateness: times(|times| &times.lateness),
            overdue: times(|times| &times.overdue),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A copy of the list. The caller has locked the control.
    fn list(&self) -> List {
        // SAFETY: replaced only with the control locked, which it is.
        unsafe { self.shared.list.current() }.clone()
    }

    /// Publishes a new list, and frees the old one when the watchdog does not read it. The caller has locked the control.
    fn replace(&self, list: List) {
        let smallest = list.iter().map(|entry| entry.budget_ns.get()).min().unwrap_or(u64::MAX);
        let tick = if self.wanted_tick_ns != 0 { self.wanted_tick_ns } else { smallest / 4 };
        self.shared.tick_ns.store(tick.clamp(*TICK_NS.start(), *TICK_NS.end()), Relaxed);
        // Sleeps instead of yielding: this thread's priority may be above the watchdog's.
        let pause = || sleeper::sleep_for(std::time::Duration::from_micros(20));
        // In a forked child no watchdog can read it.
        let has_reader = std::process::id() == self.process;
        // SAFETY: the control is locked.
        unsafe { self.shared.list.replace(Box::new(list), has_reader, pause) };
    }

    fn start(&self, control: &mut Control) -> Result<()> {
        if control.thread.is_some() {
            return Ok(());
        }
        self.shared.statistics.times.get_or_init(Times::default);
        let shared = self.shared.clone();
        let scheduling = control.scheduling;
        let watching = move || {
            // The watchdog leaves the CPUs of the thread that started it: a guest may spin there.
            thread::become_ordinary(None);
            let granted = scheduling.filter(|(policy, priority)| sched::set(*policy, *priority).is_ok());
            sleeper::sleep_exactly();
            shared.granted.store(granted.is_some(), Relaxed);
            shared.thread_id.store(thread::id(), Relaxed);
            futex::set(&shared.ready, 1);
            run(&shared);
        };
        let thread = thread::start("rtw-watchdog", STACK_BYTES, watching)
            .map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot start the watchdog's thread", &e))?;
        while self.shared.ready.load(Acquire) == 0 {
            futex::while_equal(&self.shared.ready, 0, None);
        }
        control.granted = scheduling.filter(|_| self.shared.granted.load(Relaxed));
        control.thread = Some(thread);
        Ok(())
    }
}

const STACK_BYTES: usize = 256 << 10;

/// One priority higher, in a real-time class.
fn above((policy, priority): (Policy, i32)) -> (Policy, i32) {
    match policy {
        Policy::Other => (Policy::Fifo, 1),
        Policy::Fifo | Policy::RoundRobin => (Policy::Fifo, (priority + 1).min(99)),
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let control = self.control.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        match control.thread.take() {
            Some(thread) if self.process == std::process::id() => {
                self.shared.stop.store(true, Relaxed);
                self.shared.sleeper.wake();
                thread.join();
            }
            // A thread that this process never had must not be touched.
            Some(parents) => std::mem::forget(parents),
            None => {}
        }
    }
}

/// The watchdog's life.
fn run(shared: &Shared) {
    loop {
        let intended = clock::monotonic_ns() + shared.tick_ns.load(Relaxed);
        let idle = !look(shared);
        if shared.stop.load(Relaxed) {
            return;
        }
        let woken = shared.sleeper.sleep_until((!idle).then_some(intended));
        if !idle && !woken {
            let late_ns = clock::monotonic_ns().saturating_sub(intended);
            shared.statistics.record(|times| &times.lateness, clock::calibration().ticks(late_ns));
        }
    }
}

/// Checks every instance once. Returns true if there is any.
fn look(shared: &Shared) -> bool {
    let look = |list: &List| {
        list.iter().for_each(|entry| entry.look(&shared.statistics));
        !list.is_empty()
    };
    // SAFETY: this is the watchdog's thread.
    unsafe { shared.list.look(look) }
}

impl Watched {
    fn look(&self, statistics: &Statistics) {
        // SAFETY: the word lives while the entry is on the list.
        let word = unsafe { &*self.word };
        if let Some(over) = word.look(&self.last_ended, clock::ticks, self.page.as_ref()) {
            statistics.expiries.fetch_add(1, Relaxed);
            statistics.record(|times| &times.overdue, over);
        }
    }
}

impl GuardPage {
    pub fn new(page: usize) -> GuardPage {
        GuardPage(page)
    }

    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.0) < memory::page_size()
    }
}

impl Page for GuardPage {
    fn open(&self) {
        protect(self.0, Access::ReadWrite);
    }

    fn close(&self) {
        protect(self.0, Access::None);
    }
}

/// Sets a page's access rights, with one or two system calls, also in signal context. The page's content does not matter.
fn protect(page: usize, access: Access) {
    let page = page..page + memory::page_size();
    // SAFETY: the guard's page, which only polls use; a poll that finds it closed can handle that. If one way is refused,
    // perhaps by a filter that was installed later, another page takes its place.
    let done = unsafe { memory::protect(page.clone(), access).is_ok() || memory::replace(page, access) };
    if !done {
        // Otherwise a guest would run endlessly, or trap in every poll.
        end::process(c"the system refuses mprotect and mmap to the watchdog, without which no budget can be kept");
    }
}
