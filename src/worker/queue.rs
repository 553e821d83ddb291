//! A worker that is fed: others hand it invocations, and take their outcomes.
//!
//! An invocation lives in one of a fixed number of places. Who has a place is told by its state: it is free; queued, and then
//! the worker's, unless a canceller is faster; running; or done, and then its taker's. Places travel as numbers: free ones
//! through a queue between threads that may wait for each other, those towards the worker and back through rings that never
//! wait. The ends of the rings that face the others are shared by them behind locks that the worker never touches.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*, fence};
use std::sync::{Arc, Mutex, MutexGuard};

use crossbeam_queue::ArrayQueue;
use wasmtime::ValRaw;

use super::statistics::{Book, Step};
use super::{Shared, Target};
use crate::rt::reserve;
use crate::rt::spsc::{Consumer, Producer, ring};
use crate::status::*;
use crate::sys::{clock, futex};

/// The most values that an invocation may have.
pub const VALUES: usize = 16;

/// What a place's state says.
const FREE: u32 = 0;
const QUEUED: u32 = 1;
const RUNNING: u32 = 2;
const CANCELLED: u32 = 3;
const DONE: u32 = 4;

struct Place {
    state: AtomicU32,
    /// Whether somebody waits for this very invocation, instead of its becoming a completion.
    awaited: AtomicBool,
    tag: AtomicU64,
    invocation: UnsafeCell<Invocation>,
}

struct Invocation {
    target: Option<Target>,
    value_count: usize,
    outcome: Completion,
}

/// How an invocation went.
#[derive(Clone, Copy)]
pub struct Completion {
    pub tag: u64,
    pub status: rtw_status_t,
    /// CLOCK_MONOTONIC; those of the worker are 0 where it never began.
    pub submitted_ns: u64,
    pub started_ns: u64,
    pub ended_ns: u64,
    /// Arguments, then results.
    pub values: [ValRaw; VALUES],
}

/// What is counted on the others' side.
#[derive(Default)]
struct Counters {
    submitted: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    refused: AtomicU64,
}

struct Hall {
    places: Box<[Place]>,
    free: ArrayQueue<u32>,
    /// Towards the worker. The thread that holds it may submit and cancel.
    entrance: Mutex<Entrance>,
    /// From the worker.
    exit: Mutex<Consumer<u32>>,
    /// 1 while the worker sleeps, or is about to.
    bell: AtomicU32,
    /// Counts completions, for those who wait for one.
    completions: AtomicU32,
    waiting: AtomicU32,
    /// Whether more completions may come.
    served: AtomicBool,
    counters: Counters,
}

struct Entrance {
    open: bool,
    producer: Producer<u32>,
}

// SAFETY: an invocation is used only by whoever its place's state gives it to.
unsafe impl Send for Hall {}
// SAFETY: as for Send.
unsafe impl Sync for Hall {}

/// The others' side.
#[derive(Clone)]
pub struct Queue(Arc<Hall>);

/// The worker's side.
pub struct Lane {
    hall: Arc<Hall>,
    coming: Consumer<u32>,
    going: Producer<u32>,
    /// How long the thread looks for work before it sleeps.
    spin_ns: u64,
}

/// Makes a queue with `capacity` places, and returns the worker's side of it.
pub fn queue(capacity: usize, spin_ns: u64) -> Result<Lane> {
    /// Of a place, and of its number in three lists.
    const BYTES: usize = size_of::<Place>() + 64;
    reserve::with_room(capacity * BYTES, || Ok(with_places(capacity, spin_ns)))
}

fn with_places(capacity: usize, spin_ns: u64) -> Lane {
    let empty = || Place {
        state: AtomicU32::new(FREE),
        awaited: AtomicBool::new(false),
        tag: AtomicU64::new(0),
        invocation: UnsafeCell::new(Invocation { target: None, value_count: 0, outcome: Completion::new(0) }),
    };
    let free = ArrayQueue::new(capacity);
    for place in 0..capacity as u32 {
        let _ = free.push(place);
    }
    let (producer, coming) = ring(capacity);
    let (going, consumer) = ring(capacity);
    let hall = Arc::new(Hall {
        places: (0..capacity).map(|_| empty()).collect(),
        free,
        entrance: Mutex::new(Entrance { open: false, producer }),
        exit: Mutex::new(consumer),
        bell: AtomicU32::new(0),
        completions: AtomicU32::new(0),
        waiting: AtomicU32::new(0),
        served: AtomicBool::new(false),
        counters: Counters::default(),
    });
    Lane { hall, coming, going, spin_ns }
}

impl Completion {
    fn new(tag: u64) -> Completion {
        let values = [ValRaw::v128(0); VALUES];
        Completion { tag, status: RTW_OK, submitted_ns: 0, started_ns: 0, ended_ns: 0, values }
    }
}

impl Hall {
    fn entrance(&self) -> MutexGuard<'_, Entrance> {
        self.entrance.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// # Safety
    /// The place's state gives it to the caller.
    #[allow(clippy::mut_from_ref)]
    unsafe fn invocation(&self, place: u32) -> &mut Invocation {
        // SAFETY: passed on.
        unsafe { &mut *self.places[place as usize].invocation.get() }
    }

    /// Wakes the worker if it sleeps.
    fn ring_the_bell(&self) {
        fence(SeqCst);
        if self.bell.swap(0, SeqCst) == 1 {
            futex::wake(&self.bell, 1);
        }
    }

    /// Wakes those who wait for completions, if there are any. The worker's thread only.
    fn announce(&self) {
        self.completions.store(self.completions.load(Relaxed).wrapping_add(1), SeqCst);
        fence(SeqCst);
        if self.waiting.load(SeqCst) != 0 {
            futex::wake(&self.completions, i32::MAX);
        }
    }

    /// Takes the outcome out of a place that is done, and frees it.
    fn clear_out(&self, place: u32) -> Completion {
        // SAFETY: it is done, and its number came to us alone.
        let invocation = unsafe { self.invocation(place) };
        let outcome = invocation.outcome;
        drop(invocation.target.take());
        self.places[place as usize].state.store(FREE, Relaxed);
        self.counters.completed.fetch_add(1, Relaxed);
        let _ = self.free.push(place);
        outcome
    }
}

impl Queue {
    /// Submissions since the beginning, how many of them are completed, and how many cancelled; then those refused for want of
    /// places.
    pub fn counted(&self) -> [u64; 4] {
        let counters = &self.0.counters;
        [&counters.submitted, &counters.completed, &counters.cancelled, &counters.refused].map(|counter| counter.load(Relaxed))
    }

    pub fn ring_the_bell(&self) {
        self.0.ring_the_bell();
    }

    /// Queues an invocation; `target` makes its own handle, once there is a place for it. Its outcome is a completion.
    pub fn submit(
        &self,
        target: impl FnOnce() -> std::result::Result<Target, rtw_status_t>,
        values: &[ValRaw],
        tag: u64,
    ) -> std::result::Result<(), rtw_status_t> {
        self.enter(target, values, tag, false).map(|_| ())
    }

    fn enter(
        &self,
        target: impl FnOnce() -> std::result::Result<Target, rtw_status_t>,
        values: &[ValRaw],
        tag: u64,
        awaited: bool,
    ) -> std::result::Result<u32, rtw_status_t> {
        let hall = &*self.0;
        if values.len() > VALUES {
            return Err(RTW_ERR_LIMIT);
        }
        let Some(number) = hall.free.pop() else {
            hall.counters.refused.fetch_add(1, Relaxed);
            return Err(RTW_ERR_FULL);
        };
        let place = &hall.places[number as usize];
        // SAFETY: free, and its number came to us alone.
        let invocation = unsafe { hall.invocation(number) };
        match target() {
            Ok(target) => invocation.target = Some(target),
            Err(status) => {
                let _ = hall.free.push(number);
                return Err(status);
            }
        }
        invocation.value_count = values.len();
        invocation.outcome = Completion::new(tag);
        invocation.outcome.values[..values.len()].copy_from_slice(values);
        place.tag.store(tag, Relaxed);
        place.awaited.store(awaited, Relaxed);
        let mut entrance = hall.entrance();
        if !entrance.open {
            drop(entrance);
            drop(invocation.target.take());
            let _ = hall.free.push(number);
            return Err(RTW_ERR_STOPPED);
        }
        invocation.outcome.submitted_ns = clock::monotonic_ns();
        place.state.store(QUEUED, Release);
        // There is room: as many as there are places.
        entrance.producer.push(number);
        drop(entrance);
        hall.counters.submitted.fetch_add(1, Relaxed);
        hall.ring_the_bell();
        Ok(number)
    }

    /// Submits, waits, and copies the results back.
    pub fn invoke(
        &self,
        target: impl FnOnce() -> std::result::Result<Target, rtw_status_t>,
        values: &mut [ValRaw],
    ) -> rtw_status_t {
        let hall = &*self.0;
        let number = match self.enter(target, values, 0, true) {
            Ok(number) => number,
            Err(status) => return status,
        };
        let state = &hall.places[number as usize].state;
        loop {
            match state.load(Acquire) {
                DONE => break,
                other => futex::while_equal(state, other, None),
            }
        }
        let outcome = hall.clear_out(number);
        if outcome.status == RTW_OK {
            values.copy_from_slice(&outcome.values[..values.len()]);
        }
        outcome.status
    }

    /// The oldest completion that nobody has taken.
    pub fn poll(&self) -> Option<Completion> {
        let mut exit = self.0.exit.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = exit.pop()?;
        drop(exit);
        Some(self.0.clear_out(number))
    }

    /// The oldest completion that nobody has taken; waits for one as long as one may come.
    pub fn wait(&self, timeout_ns: Option<u64>) -> std::result::Result<Completion, rtw_status_t> {
        let hall = &*self.0;
        let until_ns = timeout_ns.map(|timeout| clock::monotonic_ns().saturating_add(timeout));
        hall.waiting.fetch_add(1, SeqCst);
        fence(SeqCst);
        let found = loop {
            // In this order: what comes after the look at the completions changes this word.
            let seen = hall.completions.load(SeqCst);
            let served = hall.served.load(SeqCst);
            if let Some(completion) = self.poll() {
                break Ok(completion);
            }
            if !served {
                break Err(RTW_ERR_STOPPED);
            }
            if until_ns.is_some_and(|until| clock::monotonic_ns() >= until) {
                break Err(RTW_ERR_TIMEOUT);
            }
            futex::while_equal(&hall.completions, seen, until_ns);
        };
        hall.waiting.fetch_sub(1, SeqCst);
        found
    }

    /// Cancels what has not begun of all invocations with this tag, and tells how many those are. Their completions come in
    /// their turn.
    pub fn cancel(&self, tag: u64) -> usize {
        let hall = &*self.0;
        // Nobody submits meanwhile: a place that is queued under this tag is so until the worker or we take it.
        let _entrance = hall.entrance();
        let cancelled = hall
            .places
            .iter()
            .filter(|place| place.tag.load(Relaxed) == tag && !place.awaited.load(Relaxed))
            .filter(|place| place.state.compare_exchange(QUEUED, CANCELLED, AcqRel, Relaxed).is_ok())
            .count();
        hall.counters.cancelled.fetch_add(cancelled as u64, Relaxed);
        cancelled
    }
}

impl Lane {
    pub fn queue(&self) -> Queue {
        Queue(self.hall.clone())
    }

    /// Runs until it is stopped.
    pub(super) fn run(&mut self, worker: &Shared) -> rtw_status_t {
        let ticks_per_ns = 1.0 / clock::calibration().ns_per_tick;
        let mut book = worker.config.statistics.then(|| Book::new(&worker.statistics));
        let mut sleeps = 0;
        while worker.goes_on() {
            match self.coming.pop() {
                Some(number) => {
                    self.serve(number, book.as_mut(), sleeps, ticks_per_ns);
                    sleeps = 0;
                }
                None => {
                    self.rest(worker, ticks_per_ns);
                    sleeps += 1;
                }
            }
        }
        RTW_OK
    }

    /// Opens the entrance. Before the thread is told to run.
    pub(super) fn open(&self) {
        self.hall.served.store(true, SeqCst);
        self.hall.entrance().open = true;
    }

    /// Nothing enters any more; what has not begun never will.
    pub(super) fn abandon(&mut self) {
        self.hall.entrance().open = false;
        while let Some(number) = self.coming.pop() {
            let state = &self.hall.places[number as usize].state;
            if state.compare_exchange(QUEUED, CANCELLED, AcqRel, Relaxed).is_ok() {
                self.hall.counters.cancelled.fetch_add(1, Relaxed);
            }
            self.finish(number);
        }
        self.hall.served.store(false, SeqCst);
        self.hall.announce();
    }

    /// Runs one invocation, unless it was cancelled.
    fn serve(&mut self, number: u32, book: Option<&mut Book<'_>>, sleeps: u64, ticks_per_ns: f64) {
        let state = &self.hall.places[number as usize].state;
        if state.compare_exchange(QUEUED, RUNNING, AcqRel, Relaxed).is_err() {
            return self.finish(number);
        }
        // SAFETY: it is running, so it is ours.
        let invocation = unsafe { self.hall.invocation(number) };
        let count = invocation.value_count;
        let started_ns = clock::monotonic_ns();
        let started = clock::ticks();
        let status = match &invocation.target {
            // SAFETY: the values were checked when it was submitted; the guest is this thread's by the API's rules.
            Some(target) => unsafe { target.call(&mut invocation.outcome.values[..count]) },
            None => RTW_ERR_INTERNAL,
        };
        let call = clock::ticks().wrapping_sub(started);
        let outcome = &mut invocation.outcome;
        outcome.status = status;
        outcome.started_ns = started_ns;
        outcome.ended_ns = started_ns + (call as f64 / ticks_per_ns) as u64;
        let step = Step {
            index: outcome.tag,
            status,
            actual_ns: started_ns,
            wake_up: (started_ns.saturating_sub(outcome.submitted_ns) as f64 * ticks_per_ns) as u64,
            call,
            period: 0,
            missed: 0,
            jitter: None,
        };
        // First: who has the outcome finds it in the statistics.
        if let Some(book) = book {
            book.enter(&step, sleeps);
        }
        self.finish(number);
    }

    /// Hands an invocation that ran, or never will, to whoever waits for it.
    fn finish(&mut self, number: u32) {
        let hall = &*self.hall;
        let place = &hall.places[number as usize];
        if place.state.load(Acquire) == CANCELLED {
            // SAFETY: cancelled, and its number came to us alone.
            unsafe { hall.invocation(number) }.outcome.status = RTW_ERR_CANCELLED;
        }
        if place.awaited.load(Relaxed) {
            place.state.store(DONE, Release);
            futex::wake(&place.state, 1);
            return;
        }
        place.state.store(DONE, Release);
        // There is room: as many as there are places.
        self.going.push(number);
        hall.announce();
    }

    /// Waits for the bell.
    fn rest(&mut self, worker: &Shared, ticks_per_ns: f64) {
        let until = clock::ticks() + (self.spin_ns as f64 * ticks_per_ns) as u64;
        while self.spin_ns != 0 && clock::ticks() < until {
            if !self.coming.is_empty() || !worker.goes_on() {
                return;
            }
            std::hint::spin_loop();
        }
        let bell = &self.hall.bell;
        bell.store(1, SeqCst);
        fence(SeqCst);
        if self.coming.is_empty() && worker.goes_on() {
            futex::while_equal(bell, 1, None);
        }
        bell.store(0, SeqCst);
    }
}
