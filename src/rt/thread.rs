//! Threads of the library's own, and what they may do to real-time threads by being slow.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::unwind;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::{sched, thread};

pub use crate::sys::thread::{Thread, id};

/// How many attachments there are of threads with real-time scheduling.
static REAL_TIME: AtomicUsize = AtomicUsize::new(0);

/// Counts one of them; a thread that ends without detaching takes its own with it.
pub struct RealTime;

impl RealTime {
    /// For the calling thread, if it is one.
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

/// Runs something short for whose end a real-time thread may have to wait. Where one is attached, the calling thread has the
/// lowest real-time priority meanwhile, if it may: so that no thread but a real-time one takes the CPU from it in the middle.
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

/// Gives the calling thread, which is ours, ordinary scheduling and the CPUs of the process's first thread without those to
/// avoid: it has inherited what the thread has that started it. What is refused stays as it is.
pub fn become_ordinary(avoid: Option<&CpuSet>) {
    sched::become_ordinary();
    affinity::become_ordinary(avoid);
}
