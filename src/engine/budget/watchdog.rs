//! The watchdog: one thread per runtime that wakes at a tick, looks at the calls that run, and ends those whose budget is used
//! up. It sleeps while no instance has a budget.
//!
//! It has a higher priority than the threads it watches over, as far as the system permits: a guest that spins under SCHED_FIFO
//! would otherwise keep it from running. It is watched itself: how late each tick came is recorded.
//!
//! The instances that it watches stand in a list that is replaced as a whole (`rt/rcu.rs`), so that the watchdog takes no lock; who
//! takes an instance off it waits until the watchdog has looked away.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};

use super::call_word::{CallWord, LastEnded, Page};
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::rt::rcu::Rcu;
use crate::rt::thread::{self, Thread};
use crate::status::*;
use crate::sys::memory::{self, Access};
use crate::sys::sched::{self, Policy};
use crate::sys::sleeper::{self, Sleeper};
use crate::sys::{affinity, clock, end, futex};

/// The shortest tick, as waking more often would cost more than it brings; the longest, so that a watchdog with long budgets
/// ends soon when it is told to.
pub const TICK_NS: RangeInclusive<u64> = 50_000..=250_000_000;

/// The page that a guest's polls load from, if closing it is what ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardPage(usize);

/// One instance, as the watchdog knows it.
pub struct Watched {
    word: *const CallWord,
    /// None if the polls look at the word.
    page: Option<GuardPage>,
    budget_ns: NonZeroU64,
    last_ended: LastEnded,
}

// SAFETY: the call word is atomic words that live until the entry is taken off the list.
unsafe impl Send for Watched {}
// SAFETY: as for Send.
unsafe impl Sync for Watched {}

type List = Vec<Arc<Watched>>;

struct Shared {
    list: Rcu<List>,
    tick_ns: AtomicU64,
    stop: AtomicBool,
    sleeper: Sleeper,
    statistics: Statistics,
    /// Where it runs, for being told another priority.
    thread_id: AtomicI32,
    /// 1 once it runs, and has been given what it asked for, or not.
    ready: AtomicU32,
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
    /// How late ticks came, in clock ticks.
    lateness: Recorder,
    /// How far past its budget a call was when it was seen.
    overdue: Recorder,
    expiries: AtomicU64,
    cut_offs: AtomicU64,
}

/// What the watchdog has seen so far.
#[derive(Debug, Clone)]
pub struct Report {
    /// 0 while it sleeps.
    pub tick_ns: u64,
    pub watched: usize,
    pub policy: Policy,
    pub priority: i32,
    /// Calls seen to be over their budget.
    pub expiries: u64,
    /// Those that were ended by it; the others ended by themselves just then.
    pub cut_offs: u64,
    pub lateness: Snapshot,
    pub overdue: Snapshot,
}

/// A runtime's watchdog.
pub struct Watchdog {
    shared: Arc<Shared>,
    control: Mutex<Control>,
    /// Set by the configuration; 0: a quarter of the smallest budget.
    wanted_tick_ns: u64,
    /// That the thread belongs to: a forked child has the object only.
    process: u32,
}

struct Control {
    thread: Option<Thread>,
    scheduling: Option<(Policy, i32)>,
    /// What the watchdog has been given.
    granted: Option<(Policy, i32)>,
    /// The threads that real-time scheduling keeps on the CPU, as the system numbers them.
    real_time: Vec<i32>,
}

impl Watchdog {
    /// The thread starts when there is something to watch. `scheduling` is that of the threads it will watch over, where it is
    /// known already.
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
    /// The word, and the page if there is one, live until the entry is given back to [`Watchdog::unwatch`].
    pub unsafe fn watch(&self, word: *const CallWord, page: Option<GuardPage>, budget_ns: NonZeroU64) -> Result<Arc<Watched>> {
        if std::process::id() != self.process {
            return Err(Error::new(
                RTW_ERR_FORKED,
                "the runtime belongs to the parent process, and so does the watchdog that would keep the budget: make a runtime in \
                 the child",
            ));
        }
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

    /// Ends that. When this returns the watchdog does not look at the instance any more.
    pub fn unwatch(&self, entry: &Arc<Watched>) {
        let control = self.lock();
        let mut list = self.list();
        list.retain(|known| !Arc::ptr_eq(known, entry));
        self.replace(list);
        drop(control);
    }

    /// The calling thread, which has this scheduling, is to be watched over: the watchdog is put above it, as far as is permitted.
    /// Refuses where the watchdog would get no CPU beside it, and something has a budget.
    pub fn rise_above(&self, scheduling: (Policy, i32)) -> Result<()> {
        if std::process::id() != self.process {
            // Nothing with a budget runs here, and the parent's watchdog is not to be touched.
            return Ok(());
        }
        let wanted = above(scheduling);
        let mut control = self.lock();
        if scheduling.0 != Policy::Other && !control.real_time.contains(&thread::id()) {
            control.real_time.push(thread::id());
        }
        if control.scheduling.is_none_or(|has| has.1 < wanted.1) {
            control.scheduling = Some(wanted);
            let thread_id = self.shared.thread_id.load(Acquire);
            if control.thread.is_some() && thread_id != 0 && sched::set_of(thread_id, wanted.0, wanted.1).is_ok() {
                control.granted = Some(wanted);
            }
        }
        match self.list().is_empty() {
            true => Ok(()),
            false => self.can_run(&mut control),
        }
    }

    /// Whether the watchdog gets a CPU whatever the threads do that it watches over: it is above them, or may run elsewhere.
    /// Otherwise a guest that spins would never be cut off, and nobody would be told.
    fn can_run(&self, control: &mut Control) -> Result<()> {
        let own = self.shared.thread_id.load(Acquire);
        if own == 0 || control.thread.is_none() {
            return Ok(());
        }
        let Some((_, own_priority)) = sched::of(own) else { return Ok(()) };
        let Some(only) = affinity::only_cpu(own) else { return Ok(()) };
        // Threads that are gone, or are no longer what they were, keep nobody away.
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

    /// A call was ended. On its own thread.
    pub fn count_cut_off(&self) {
        self.shared.statistics.cut_offs.fetch_add(1, Relaxed);
    }

    pub fn report(&self) -> Report {
        let control = self.lock();
        let statistics = &self.shared.statistics;
        let (policy, priority) = control.granted.unwrap_or((Policy::Other, 0));
        let watched = self.list().len();
        Report {
            tick_ns: if watched == 0 { 0 } else { self.shared.tick_ns.load(Relaxed) },
            watched,
            policy,
            priority,
            expiries: statistics.expiries.load(Relaxed),
            cut_offs: statistics.cut_offs.load(Relaxed),
            lateness: statistics.lateness.snapshot(),
            overdue: statistics.overdue.snapshot(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A copy of the list. With the control locked.
    fn list(&self) -> List {
        // SAFETY: it is replaced with the control locked only, which it is.
        unsafe { self.shared.list.current() }.clone()
    }

    /// Publishes a new list, and lets the old one go when the watchdog does not look at it. With the control locked.
    fn replace(&self, list: List) {
        let smallest = list.iter().map(|entry| entry.budget_ns.get()).min().unwrap_or(u64::MAX);
        let tick = if self.wanted_tick_ns != 0 { self.wanted_tick_ns } else { smallest / 4 };
        self.shared.tick_ns.store(tick.clamp(*TICK_NS.start(), *TICK_NS.end()), Relaxed);
        // Asleep rather than yielding: this thread's priority may be above the watchdog's.
        let pause = || sleeper::sleep_for(std::time::Duration::from_micros(20));
        // In a forked child there is no thread that could look.
        let has_reader = std::process::id() == self.process;
        // SAFETY: the control is locked.
        unsafe { self.shared.list.replace(Box::new(list), has_reader, pause) };
    }

    fn start(&self, control: &mut Control) -> Result<()> {
        if control.thread.is_some() {
            return Ok(());
        }
        let shared = self.shared.clone();
        let scheduling = control.scheduling;
        let watching = move || {
            // Not where the thread was kept that happened to start it: a guest may spin there.
            thread::become_ordinary(None);
            let granted = scheduling.filter(|(policy, priority)| sched::set(*policy, *priority).is_ok());
            sleeper::sleep_exactly();
            shared.granted.store(granted.is_some(), Relaxed);
            shared.thread_id.store(thread::id(), Release);
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
                self.shared.stop.store(true, Release);
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
    let to_ns = clock::calibration().ns_per_tick;
    loop {
        let intended = clock::monotonic_ns() + shared.tick_ns.load(Relaxed);
        let idle = !look(shared);
        if shared.stop.load(Acquire) {
            return;
        }
        let woken = shared.sleeper.sleep_until((!idle).then_some(intended));
        if !idle && !woken {
            let late_ns = clock::monotonic_ns().saturating_sub(intended);
            shared.statistics.lateness.active().record((late_ns as f64 / to_ns) as u64);
        }
    }
}

/// Looks at every instance once. Whether there is any.
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
            statistics.overdue.active().record(over);
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

/// Sets a page's access rights. Also called in signal context: a system call or two. Its content is of no account.
fn protect(page: usize, access: Access) {
    let page = page..page + memory::page_size();
    // SAFETY: the guard's page, which nothing but polls uses; whoever meets it closed is prepared for that. Where the one way is
    // refused, as a filter may that was installed later, another page takes its place.
    let done = unsafe { memory::protect(page.clone(), access).is_ok() || memory::replace(page, access) };
    if !done {
        // A guest would go on for ever, or trap in every poll.
        end::process(c"the system refuses mprotect and mmap to the watchdog, without which no budget can be kept");
    }
}
