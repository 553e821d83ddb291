//! The ring (`src/rt/spsc.rs`), the version (`src/record/seqlock.rs`), and the mailbox of a worker's queue (`src/rt/mailbox.rs`).

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering::*};
use loom::thread;

use crate::seqlock::Version;
use crate::{explore, finds};

#[path = "."]
mod ring {
    use crate::spsc as subject;
    #[path = "ring_models.rs"]
    mod models;
    pub use models::*;
}
models!(pushes_relaxed: "ring_models.rs", twins::spsc_pushes_relaxed);
models!(pops_relaxed: "ring_models.rs", twins::spsc_pops_relaxed);

#[path = "."]
mod mailbox {
    use crate::mailbox as subject;
    #[path = "mailbox_models.rs"]
    mod models;
    pub use models::*;
}
models!(sleeps_relaxed: "mailbox_models.rs", twins::mailbox_sleeps_relaxed);
models!(without_completion_fence: "mailbox_models.rs", twins::mailbox_without_completion_fence);
models!(over_relaxed: "mailbox_models.rs", twins::mailbox_over_relaxed);
models!(sleeps_unsaid: "mailbox_models.rs", twins::mailbox_sleeps_unsaid);
models!(looks_late: "mailbox_models.rs", twins::mailbox_looks_late);
models!(without_exchange: "mailbox_models.rs", twins::mailbox_without_exchange);
models!(without_lock: "mailbox_models.rs", twins::mailbox_without_lock);
models!(without_closing: "mailbox_models.rs", twins::mailbox_without_closing);

#[test]
fn values_arrive_whole_in_order_and_once() {
    explore("ring", None, ring::values);
    assert!(finds(None, pushes_relaxed::values), "twin: a value is popped before it can be seen");
    assert!(finds(None, pops_relaxed::values), "twin: a value is pushed over one that is being read");
}

#[test]
fn nobody_sleeps_over_an_invocation() {
    explore("an invocation", 2, mailbox::invocation);
    assert!(finds(2, sleeps_relaxed::invocation), "twin: the worker sleeps over it");
    assert!(finds(2, over_relaxed::invocation), "twin: its outcome is not seen");
    assert!(finds(2, sleeps_unsaid::invocation), "twin: the waiting thread sleeps over its outcome");
    explore("two invocations", 2, mailbox::two_invocations);
}

#[test]
fn nobody_sleeps_over_a_completion() {
    explore("completions", 3, mailbox::completions);
    assert!(finds(3, without_completion_fence::completions), "twin: the waiting thread sleeps over it");
    assert!(finds(3, looks_late::completions), "twin: it takes the mailbox for closed with a completion in it");
}

#[test]
fn an_invocation_runs_or_is_cancelled() {
    explore("cancellation", None, mailbox::cancellation);
    assert!(finds(None, without_exchange::cancellation), "twin: it can be both");
    explore("cancellation beside a post", None, mailbox::cancellation_beside_a_post);
    assert!(finds(None, without_lock::cancellation_beside_a_post), "twin: another one is cancelled");
}

#[test]
fn what_is_posted_completes_or_is_refused() {
    explore("closing", None, mailbox::closing);
    assert!(finds(None, without_closing::closing), "twin: nobody will ever serve it");
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
    explore("version", None, || read_beside_a_change(true));
    assert!(finds(None, || read_beside_a_change(false)), "twin: without the version they are not");
}
