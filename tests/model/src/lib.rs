//! The model checker's tests: sources of the library that threads share, compiled with loom's atomics and locks. loom runs each
//! test in every order that its threads can take, and shows them every value that memory may. What can be wrong has a twin that
//! is wrong and must be found: most twins are the source itself with one thing changed, which `build.rs` does. `make loom`.
//!
//! Two limits of loom shape the sources. It has sequentially consistent fences, but treats a SeqCst load or store like an
//! acquire or a release: where the order of two words matters, there is a fence. And it knows no system calls: what they use of
//! `src/sys` has a stand-in in `sys` here.
#![cfg(test)]

#[path = "../../../src/rt/call_word.rs"]
#[allow(dead_code)]
mod call_word;
#[path = "../../../src/rt/exchange.rs"]
#[allow(dead_code)]
mod exchange;
#[path = "../../../src/rt/free_list.rs"]
#[allow(dead_code)]
mod free_list;
#[path = "../../../src/record/histogram.rs"]
#[allow(dead_code)]
mod histogram;
#[path = "../../../src/rt/mailbox.rs"]
#[allow(dead_code)]
mod mailbox;
#[path = "../../../src/rt/rcu.rs"]
#[allow(dead_code)]
mod rcu;
#[path = "../../../src/record/recorder.rs"]
#[allow(dead_code)]
mod recorder;
#[path = "../../../src/record/seqlock.rs"]
#[allow(dead_code)]
mod seqlock;
#[path = "../../../src/record/snapshot.rs"]
#[allow(dead_code)]
mod snapshot;
#[path = "../../../src/rt/spsc.rs"]
#[allow(dead_code)]
mod spsc;
#[path = "../../../src/rt/sync.rs"]
#[allow(unused_imports)]
mod sync;

/// As the sources know it.
mod rt {
    pub(crate) use crate::sync;
}

mod array_queue;
mod sys;

/// The sources with one thing wrong.
// Their comments are left out: why each block is sound stands in the source itself.
#[allow(dead_code, unused_imports, unused_mut, unused_variables, clippy::undocumented_unsafe_blocks)]
mod twins {
    use crate::{seqlock, snapshot, spsc, sync};
    include!(concat!(env!("OUT_DIR"), "/twins.rs"));
}

/// The models of one source, run with it and with its twins.
macro_rules! models {
    ($models:ident: $file:literal, $($subject:ident)::+) => {
        #[path = "."]
        #[allow(clippy::duplicate_mod, dead_code)]
        mod $models {
            use crate::$($subject)::+ as subject;
            #[path = $file]
            mod models;
            pub use models::*;
        }
    };
}

mod budget;
mod carries;
mod permits;
mod queue;
mod recording;
mod slot;

/// Runs a model in all orders with at most `switches` involuntary switches from one thread to another, in all orders at all
/// for `None`; prints how many there were.
fn explore(name: &str, switches: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed};
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches.into();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        sys::futex::begin();
        model();
    });
    println!("{name}: {} executions", executions.load(Relaxed));
}

/// True if a model finds an error, which it reports by a panic.
fn finds(switches: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) -> bool {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches.into();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        builder.check(move || {
            sys::futex::begin();
            model();
        })
    }))
    .is_err()
}

/// A value that stays where a model has failed: its end would ask loom, which is not there any more.
struct Kept<T>(std::mem::ManuallyDrop<T>);

impl<T> Kept<T> {
    fn new(value: T) -> Kept<T> {
        Kept(std::mem::ManuallyDrop::new(value))
    }
}

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: once, and nobody uses it after.
            unsafe { std::mem::ManuallyDrop::drop(&mut self.0) };
        }
    }
}
