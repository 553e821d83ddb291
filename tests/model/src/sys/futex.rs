//! The futex, as `src/sys/futex.rs` offers it: a thread sleeps while a word has a value, and whoever changed the word wakes it. A
//! sleep that nobody ends is a deadlock, which loom reports.
//!
//! The kernel looks at the word under a lock that wakers take as well. So here: a sleeper that looks after a wake-up sees what came
//! before that. A thread that neither sleeps nor wakes is ordered by nothing here.

use std::cell::RefCell;

use loom::sync::atomic::{AtomicU32, Ordering::*};
use loom::thread::{self, Thread};

std::thread_local! {
    // All threads of a model are coroutines of one thread. By the words' addresses.
    static SLEEPERS: RefCell<Vec<(usize, Thread)>> = const { RefCell::new(Vec::new()) };
}

loom::lazy_static! {
    // Stands for the kernel's lock: each change of it sees the one before.
    static ref TURN: AtomicU32 = AtomicU32::new(0);
}

/// A model begins: those of the last one are gone, which may have failed.
pub fn begin() {
    SLEEPERS.take();
}

fn address(word: &AtomicU32) -> usize {
    std::ptr::from_ref(word) as usize
}

/// With an end, which in a model has always come, it returns at once.
pub fn while_equal(word: &AtomicU32, value: u32, until_ns: Option<u64>) {
    if until_ns.is_some() {
        return thread::yield_now();
    }
    let own = thread::current();
    SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((address(word), own.clone())));
    TURN.fetch_add(1, AcqRel);
    if word.load(Relaxed) == value {
        thread::park();
    }
    SLEEPERS.with_borrow_mut(|sleepers| sleepers.retain(|(_, thread)| thread.id() != own.id()));
}

/// Wakes all who sleep on the word.
pub fn wake(word: &AtomicU32, _threads: i32) {
    TURN.fetch_add(1, AcqRel);
    let mut woken = Vec::new();
    SLEEPERS.with_borrow_mut(|sleepers| {
        sleepers.retain(|(on, thread)| {
            let is_woken = *on == address(word);
            if is_woken {
                woken.push(thread.clone());
            }
            !is_woken
        });
    });
    woken.iter().for_each(Thread::unpark);
}
