//! membarrier(2), as `src/sys/membarrier.rs` offers it, for one thread that pays nothing: the real-time thread.
//!
//! The system call puts every running thread through a full fence at some moment between its beginning and its end. So the
//! thread's fence can fall anywhere into the order of its program, and a model runs once for each place where it can fall: there
//! the thread waits until the call has begun, does the fence, and lets the call return. Everywhere else, and in all models
//! without a claimant, the real-time thread has no fence at all.

use std::cell::Cell;

use loom::sync::atomic::{Ordering::SeqCst, fence};
use loom::sync::{Condvar, Mutex};

/// A place in the real-time thread's program: in which block, and where there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Before,
    /// Between the thread's own word and its look at the claimant's.
    Between,
    Within,
}

struct Flag(Mutex<bool>, Condvar);

impl Flag {
    fn new() -> Flag {
        Flag(Mutex::new(false), Condvar::new())
    }

    fn set(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let mut is_set = self.0.lock().unwrap();
        while !*is_set {
            is_set = self.1.wait(is_set).unwrap();
        }
    }
}

loom::lazy_static! {
    static ref BEGUN: Flag = Flag::new();
    static ref PASSED: Flag = Flag::new();
}

std::thread_local! {
    // All threads of a model are coroutines of one thread.
    static FALLS: Cell<Option<(usize, At)>> = const { Cell::new(None) };
    static BLOCK: Cell<usize> = const { Cell::new(0) };
}

/// In this execution the fence falls here; for `None` the real-time thread is not running, and the call returns at once.
pub fn falls(place: Option<(usize, At)>) {
    FALLS.set(place);
}

/// The real-time thread comes by here.
pub fn passes(block: usize, at: At) {
    BLOCK.set(block);
    if FALLS.get() == Some((block, at)) {
        BEGUN.wait();
        fence(SeqCst);
        PASSED.set();
    }
}

/// The real-time thread's part of the library's module.
pub fn light() {
    passes(BLOCK.get(), At::Between);
}

/// The claimant's.
pub fn all_threads() -> bool {
    fence(SeqCst);
    if FALLS.get().is_some() {
        BEGUN.set();
        PASSED.wait();
    }
    fence(SeqCst);
    true
}
