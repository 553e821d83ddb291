//! The ring (`src/rt/spsc.rs`) and the version (`src/record/seqlock.rs`), and the two hand-overs that `src/worker/queue.rs` builds
//! on the ring.

use std::panic::AssertUnwindSafe;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::*, fence};
use loom::thread;

use crate::seqlock::Version;
use crate::spsc::ring;

/// What a model of it finds.
fn holds(model: impl Fn() + Sync + Send + 'static) -> bool {
    // One that fails panics.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| loom::model(model)));
    outcome.is_ok()
}

#[test]
fn values_arrive_whole_in_order_and_once() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let pushing = thread::spawn(move || (1..=3).filter(|value| producer.push(*value)).collect::<Vec<u64>>());
        let mut popped = Vec::new();
        for _ in 0..3 {
            popped.extend(consumer.pop());
        }
        let pushed = pushing.join().unwrap();
        while let Some(value) = consumer.pop() {
            popped.push(value);
        }
        assert_eq!(pushed, popped);
        assert!(pushed.len() >= 2, "there is room for two");
        assert!(consumer.is_empty());
    });
}

/// The worker goes to sleep while somebody submits: it must not sleep over what has been pushed. As `Lane::rest` and
/// `Hall::ring_the_bell` do it; a sleep is a return that says so, a wake-up a flag.
fn bell(order: std::sync::atomic::Ordering, fenced: bool) {
    let (mut producer, mut consumer) = ring(2);
    let bell = Arc::new(AtomicU32::new(0));
    let submitter = {
        let bell = bell.clone();
        thread::spawn(move || {
            assert!(producer.push(7u64));
            if fenced {
                fence(SeqCst);
            }
            // Whether it wakes the worker.
            if order == SeqCst { bell.swap(0, SeqCst) == 1 } else { bell.load(order) == 1 }
        })
    };
    bell.store(1, order);
    if fenced {
        fence(SeqCst);
    }
    let sleeps = consumer.is_empty();
    let woken = submitter.join().unwrap();
    assert!(!sleeps || woken, "it sleeps, and nobody wakes it");
    assert_eq!(consumer.pop(), Some(7));
}

#[test]
fn nobody_sleeps_over_a_submission() {
    assert!(holds(|| bell(SeqCst, true)));
    assert!(!holds(|| bell(Relaxed, false)), "twin: without the order somebody does");
}

/// A place that is cancelled while the worker reaches for it goes to one of the two. As `Queue::cancel` and `Lane::serve` do it.
fn claim(exchange: bool) {
    const QUEUED: u32 = 1;
    const RUNNING: u32 = 2;
    const CANCELLED: u32 = 3;
    let state = Arc::new(AtomicU32::new(QUEUED));
    let take = move |state: &AtomicU32, as_what| match exchange {
        true => state.compare_exchange(QUEUED, as_what, AcqRel, Relaxed).is_ok(),
        false => {
            let free = state.load(Acquire) == QUEUED;
            if free {
                state.store(as_what, Release);
            }
            free
        }
    };
    let canceller = {
        let state = state.clone();
        thread::spawn(move || take(&state, CANCELLED))
    };
    let runs = take(&state, RUNNING);
    let cancelled = canceller.join().unwrap();
    assert!(runs != cancelled, "it runs and is cancelled, or neither");
}

#[test]
fn an_invocation_runs_or_is_cancelled() {
    assert!(holds(|| claim(true)));
    assert!(!holds(|| claim(false)), "twin: without the exchange it can be both");
}

/// A worker enters a step while somebody reads its counters.
fn read_beside_a_change(guarded: bool) {
    let shared = Arc::new((Version::new(), AtomicU64::new(0), AtomicU64::new(0)));
    let writer = {
        let shared = shared.clone();
        thread::spawn(move || {
            let (version, ticks, misses) = &*shared;
            for value in 1..=2 {
                let write = || {
                    ticks.store(value, Relaxed);
                    misses.store(value, Relaxed);
                };
                if guarded { version.change(write) } else { write() }
            }
        })
    };
    let (version, ticks, misses) = &*shared;
    if let Some((ticks, misses)) = version.look_once(|| (ticks.load(Relaxed), misses.load(Relaxed))) {
        assert_eq!(ticks, misses, "they are of two moments");
    }
    writer.join().unwrap();
    assert_eq!(version.look(|| (ticks.load(Relaxed), misses.load(Relaxed))), (2, 2));
}

#[test]
fn counters_are_of_one_moment() {
    assert!(holds(|| read_beside_a_change(true)));
    assert!(!holds(|| read_beside_a_change(false)), "twin: without the version they are not");
}
