//! Threads of the library's own, and what they may do to real-time threads by being slow.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::unwind;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::{sched, thread};

pub use crate::sys::thread::{Thread, id};

/// The number of attachments of threads with real-time scheduling.
static REAL_TIME: AtomicUsize = AtomicUsize::new(0);

/// Counts one such attachment; a thread that ends without detach also ends its count.
pub struct RealTime;

impl RealTime {
    /// Counts the calling thread, if it has real-time scheduling.
    pub fn count() -> Option<RealTime> {
        sched::is_real_time_here().then(|| {
            REAL_TIME.fetch_add(1, Relaxed);
            RealTime
        })
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        REAL_TIME.fetch_sub(1, Relaxed);
    }
}

/// Runs a short piece of work that a real-time thread may have to wait for. If a real-time thread is attached, gives the
/// calling thread the lowest real-time priority meanwhile, if the system permits it, so that no ordinary thread takes the CPU
/// from it.
pub fn ahead_of_ordinary<T>(run: impl FnOnce() -> T) -> T {
    let _raised = if REAL_TIME.load(Relaxed) == 0 { None } else { sched::raise() };
    run()
}

/// Starts a thread of the library's own, as `sys::thread` does. Nobody ends it but the library.
pub fn start(name: &str, stack_bytes: usize, run: impl FnOnce() + Send + 'static) -> std::io::Result<Thread> {
    thread::start(name, stack_bytes, move || {
        unwind::is_own();
        run()
    })
}

/// Gives the calling thread, one of the library's own, ordinary scheduling, and the CPUs of the process's first thread except
/// those to avoid: it has inherited these from the thread that started it. Ignores refusals.
pub fn become_ordinary(avoid: Option<&CpuSet>) {
    sched::become_ordinary();
    affinity::become_ordinary(avoid);
}
