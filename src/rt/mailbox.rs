//! A mailbox with a fixed number of places: any threads post requests, one receiver serves them, and the outcomes come back.
//!
//! A request lives in a place, and the place's state decides who owns it: free; queued, and then the receiver's, unless a
//! canceller is faster; running; or done, and then the taker's. Places travel as numbers: free ones through a queue between
//! threads that may wait for each other, those to the receiver and back through rings that never wait. The senders share their
//! ends of the rings behind locks that the receiver never takes while it serves.
//!
//! The receiver sleeps on a doorbell, a word that both sides exchange: the later of two exchanges sees everything before the
//! earlier one. Senders that wait for outcomes sleep on a count of completions: they announce that they wait, the receiver
//! counts, and each passes a full fence before it reads the other's word. So no thread misses the other's action in its sleep.
//!
//! `tests/model` runs this file under loom.

#[cfg(loom)]
use crate::array_queue::ArrayQueue;
#[cfg(not(loom))]
use crossbeam_queue::ArrayQueue;

use super::spsc::{Consumer, Producer, ring};
use super::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering::*, Owned, UnsafeCell, fence};
use crate::sys::futex;

/// The content of a place: the request, and in the end its outcome.
pub trait Request: Send {
    /// The request enters the queue, in this order with all others. Called on the sender's thread.
    fn on_queued(&mut self);
    /// The request was cancelled, and will not be served. Called on the receiver's thread.
    fn on_cancelled(&mut self);
    /// The request is over, and its place becomes free. Called on the thread that took the outcome.
    fn on_cleared(&mut self);
}

/// The states of a place.
const FREE: u32 = 0;
const QUEUED: u32 = 1;
const RUNNING: u32 = 2;
const CANCELLED: u32 = 3;
const DONE: u32 = 4;

/// Nobody waits for the request.
const NOBODY: u32 = 0;
/// A thread will take the outcome, and does not sleep yet.
const AWAITED: u32 = 1;
/// This thread sleeps, or is about to: the receiver wakes it.
const ASLEEP: u32 = 2;
/// The request is over, and the outcome can be taken.
const OVER: u32 = 3;

struct Place<T> {
    state: AtomicU32,
    /// Says that a thread waits for this very request, so that it does not become a completion. Waiting has a word of its own, which
    /// changes only when the request is over: a sleeper on the state would wake up when the request begins.
    waiter: AtomicU32,
    tag: AtomicU64,
    request: UnsafeCell<T>,
}

/// The senders' counters.
#[derive(Default)]
struct Counters {
    submitted: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    refused: AtomicU64,
}

struct Shared<T> {
    places: Box<[Place<T>]>,
    free: ArrayQueue<u32>,
    /// The way to the receiver. The thread that holds it may post and cancel.
    sending: Mutex<Sending>,
    /// The way from the receiver.
    completed: Mutex<Consumer<u32>>,
    /// 1 while the receiver sleeps, or is about to.
    doorbell: AtomicU32,
    /// The number of completions, for threads that wait for one.
    completions: AtomicU32,
    waiting: AtomicU32,
    /// True if more completions may come.
    served: AtomicBool,
    counters: Counters,
}

struct Sending {
    open: bool,
    producer: Producer<u32>,
}

// SAFETY: only the thread that owns a request by its place's state uses it.
unsafe impl<T: Request> Send for Shared<T> {}
// SAFETY: as for Send.
unsafe impl<T: Request> Sync for Shared<T> {}

/// The senders' side.
pub struct Mailbox<T>(Arc<Shared<T>>);

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Mailbox(self.0.clone())
    }
}

/// The receiver's side.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    coming: Consumer<u32>,
    going: Producer<u32>,
}

/// A place with a request that a thread waits for.
#[derive(Debug)]
pub struct Posted(u32);

/// The reason why nothing was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<E> {
    /// No place is free.
    Full,
    /// The receiver has been closed.
    Closed,
    /// `fill` failed.
    Unfilled(E),
}

/// The reason why [`Mailbox::wait`] returns no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoOutcome {
    /// The receiver has been closed, and no outcome is left.
    Closed,
    TimedOut,
}

/// Bytes that a mailbox needs for each place: the place, and its number in three lists.
pub const fn place_bytes<T>() -> usize {
    size_of::<Place<T>>() + 64
}

/// Creates a closed mailbox, and returns the receiver's side of it.
pub fn mailbox<T: Request>(capacity: usize, mut empty: impl FnMut() -> T) -> Receiver<T> {
    let mut place = || Place {
        state: AtomicU32::new(FREE),
        waiter: AtomicU32::new(NOBODY),
        tag: AtomicU64::new(0),
        request: UnsafeCell::new(empty()),
    };
    let free = ArrayQueue::new(capacity);
    for place in 0..capacity as u32 {
        let _ = free.push(place);
    }
    let (producer, coming) = ring(capacity);
    let (going, completed) = ring(capacity);
    let shared = Arc::new(Shared {
        places: (0..capacity).map(|_| place()).collect(),
        free,
        sending: Mutex::new(Sending { open: false, producer }),
        completed: Mutex::new(completed),
        doorbell: AtomicU32::new(0),
        completions: AtomicU32::new(0),
        waiting: AtomicU32::new(0),
        served: AtomicBool::new(false),
        counters: Counters::default(),
    });
    Receiver { shared, coming, going }
}

impl<T: Request> Shared<T> {
    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn place(&self, number: u32) -> &Place<T> {
        &self.places[number as usize]
    }

    /// Wakes the receiver if it sleeps.
    fn ring_doorbell(&self) {
        if self.doorbell.swap(0, AcqRel) == 1 {
            futex::wake(&self.doorbell, 1);
        }
    }

    /// Wakes the threads that wait for completions, if there are any. Only for the receiver's thread.
    fn announce(&self) {
        self.completions.store(self.completions.own().wrapping_add(1), SeqCst);
        fence(SeqCst);
        if self.waiting.load(SeqCst) != 0 {
            futex::wake(&self.completions, i32::MAX);
        }
    }

    /// Takes the outcome out of a place that is done, and frees it.
    fn clear<R>(&self, number: u32, take: impl FnOnce(&mut T) -> R) -> R {
        let place = self.place(number);
        let outcome = place.request.with_mut(|request| {
            // SAFETY: it is done, and only this thread got its number.
            let request = unsafe { &mut *request };
            let outcome = take(request);
            request.on_cleared();
            outcome
        });
        place.state.store(FREE, Relaxed);
        self.counters.completed.fetch_add(1, Relaxed);
        let _ = self.free.push(number);
        outcome
    }
}

impl<T: Request> Mailbox<T> {
    /// The numbers of requests that were posted, completed and cancelled, and of those refused because no place was free.
    pub fn counted(&self) -> [u64; 4] {
        let counters = &self.0.counters;
        [&counters.submitted, &counters.completed, &counters.cancelled, &counters.refused].map(|counter| counter.load(Relaxed))
    }

    /// Wakes the receiver if it sleeps, so that it checks the condition that ends its sleep.
    pub fn wake_receiver(&self) {
        self.0.ring_doorbell();
    }

    /// Posts a request, which `fill` makes once there is a place for it. If it is awaited, the caller passes the result to
    /// [`Mailbox::wait_for`]; otherwise its outcome becomes a completion.
    pub fn post<E>(&self, tag: u64, awaited: bool, fill: impl FnOnce(&mut T) -> Result<(), E>) -> Result<Posted, Refused<E>> {
        let shared = &*self.0;
        let Some(number) = shared.free.pop() else {
            shared.counters.refused.fetch_add(1, Relaxed);
            return Err(Refused::Full);
        };
        let place = shared.place(number);
        // SAFETY: the place is free, and only this thread got its number.
        if let Err(error) = place.request.with_mut(|request| fill(unsafe { &mut *request })) {
            let _ = shared.free.push(number);
            return Err(Refused::Unfilled(error));
        }
        place.tag.store(tag, Relaxed);
        place.waiter.store(if awaited { AWAITED } else { NOBODY }, Relaxed);
        let mut sending = shared.sending();
        if !sending.open {
            drop(sending);
            // SAFETY: as above.
            place.request.with_mut(|request| unsafe { (*request).on_cleared() });
            let _ = shared.free.push(number);
            return Err(Refused::Closed);
        }
        // SAFETY: as above.
        place.request.with_mut(|request| unsafe { (*request).on_queued() });
        place.state.store(QUEUED, Release);
        // There is always room: the ring has as many slots as there are places.
        sending.producer.push(number);
        drop(sending);
        shared.counters.submitted.fetch_add(1, Relaxed);
        shared.ring_doorbell();
        Ok(Posted(number))
    }

    /// Waits until a request that was posted as awaited is over, and takes its outcome. Polls while `polls` is true, then sleeps.
    pub fn wait_for<R>(&self, posted: Posted, polls: impl Fn() -> bool, take: impl FnOnce(&mut T) -> R) -> R {
        let shared = &*self.0;
        let waiter = &shared.place(posted.0).waiter;
        while waiter.load(Relaxed) == AWAITED && polls() {
            std::hint::spin_loop();
        }
        // If this fails, the request is over, and nobody has to sleep or wake.
        if waiter.compare_exchange(AWAITED, ASLEEP, Acquire, Acquire).is_ok() {
            while waiter.load(Acquire) == ASLEEP {
                futex::while_equal(waiter, ASLEEP, None);
            }
        }
        shared.clear(posted.0, take)
    }

    /// Takes the oldest outcome that was not taken yet.
    pub fn poll<R>(&self, take: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut completed = self.0.completed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = completed.pop()?;
        drop(completed);
        Some(self.0.clear(number, take))
    }

    /// Takes the oldest outcome that was not taken yet. Waits as long as one may come, at most until `until_ns` of the clock
    /// that `now_ns` reads, CLOCK_MONOTONIC.
    pub fn wait<R>(
        &self,
        until_ns: Option<u64>,
        now_ns: impl Fn() -> u64,
        mut take: impl FnMut(&mut T) -> R,
    ) -> Result<R, NoOutcome> {
        let shared = &*self.0;
        shared.waiting.fetch_add(1, SeqCst);
        fence(SeqCst);
        let found = loop {
            // In this order: a completion that comes after the check changes this word.
            let seen = shared.completions.load(SeqCst);
            let served = shared.served.load(SeqCst);
            if let Some(outcome) = self.poll(&mut take) {
                break Ok(outcome);
            }
            if !served {
                break Err(NoOutcome::Closed);
            }
            if until_ns.is_some_and(|until| now_ns() >= until) {
                break Err(NoOutcome::TimedOut);
            }
            futex::while_equal(&shared.completions, seen, until_ns);
        };
        shared.waiting.fetch_sub(1, SeqCst);
        found
    }

    /// Cancels the requests with this tag that have not begun and are not awaited, and returns their number. Their completions
    /// come in turn.
    pub fn cancel(&self, tag: u64) -> usize {
        let shared = &*self.0;
        // With the lock held no thread posts: a place that is queued under this tag stays so until the receiver or this thread
        // takes it.
        let _sending = shared.sending();
        let cancelled = shared
            .places
            .iter()
            .filter(|place| place.tag.load(Relaxed) == tag && place.waiter.load(Relaxed) == NOBODY)
            .filter(|place| place.state.compare_exchange(QUEUED, CANCELLED, AcqRel, Relaxed).is_ok())
            .count();
        shared.counters.cancelled.fetch_add(cancelled as u64, Relaxed);
        cancelled
    }
}

impl<T: Request> Receiver<T> {
    pub fn mailbox(&self) -> Mailbox<T> {
        Mailbox(self.shared.clone())
    }

    /// Accepts requests from now on.
    pub fn open(&self) {
        self.shared.served.store(true, SeqCst);
        self.shared.sending().open = true;
    }

    /// Accepts no more requests, and cancels those that have not begun.
    pub fn close(&mut self) {
        self.shared.sending().open = false;
        while let Some(number) = self.coming.pop() {
            let state = &self.shared.place(number).state;
            if state.compare_exchange(QUEUED, CANCELLED, AcqRel, Relaxed).is_ok() {
                self.shared.counters.cancelled.fetch_add(1, Relaxed);
            }
            self.finish(number);
        }
        self.shared.served.store(false, SeqCst);
        self.shared.announce();
    }

    /// Serves the oldest request, unless it was cancelled, and passes it back. Returns false if there is none.
    #[inline]
    pub fn serve(&mut self, serve: impl FnOnce(&mut T)) -> bool {
        let Some(number) = self.coming.pop() else { return false };
        let place = self.shared.place(number);
        if place.state.compare_exchange(QUEUED, RUNNING, AcqRel, Relaxed).is_ok() {
            // SAFETY: it is running, so the receiver owns it.
            place.request.with_mut(|request| serve(unsafe { &mut *request }));
        }
        self.finish(number);
        true
    }

    /// Passes a request that was served, or never will be, to the thread that waits for it.
    fn finish(&mut self, number: u32) {
        let place = self.shared.place(number);
        if place.state.load(Acquire) == CANCELLED {
            // SAFETY: cancelled, and only this thread got its number.
            place.request.with_mut(|request| unsafe { (*request).on_cancelled() });
        }
        // Read before another thread owns the place.
        let awaited = place.waiter.load(Relaxed) != NOBODY;
        // Relaxed: the outcome reaches its taker by the waiter's word, or by the ring.
        place.state.store(DONE, Relaxed);
        if awaited {
            // From here on the waiting thread owns the place. If the place is used again before the wake-up, its next waiter
            // wakes up once too often, and goes on sleeping.
            if place.waiter.swap(OVER, Release) == ASLEEP {
                futex::wake(&place.waiter, 1);
            }
            return;
        }
        // There is always room: the ring has as many slots as there are places.
        self.going.push(number);
        self.shared.announce();
    }

    pub fn is_empty(&self) -> bool {
        self.coming.is_empty()
    }

    /// Sleeps until there is a request, or until [`Mailbox::wake_receiver`] after `goes_on` has become false. May return early.
    pub fn sleep_while(&self, goes_on: impl Fn() -> bool) {
        let doorbell = &self.shared.doorbell;
        doorbell.swap(1, AcqRel);
        if self.is_empty() && goes_on() {
            futex::while_equal(doorbell, 1, None);
        }
        doorbell.swap(0, AcqRel);
    }
}
