//! Threads that measure, and pauses between measurements.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::rt::thread;
use crate::sys::{affinity, sched, sleeper};

const PROBE_STACK_BYTES: usize = 2 << 20;

/// Runs on a thread of its own, pinned if `cpu` names one, with SCHED_FIFO if permitted; returns true if it was.
pub fn on_fifo_thread<T: Send + 'static>(
    cpu: Option<usize>,
    priority: i32,
    run: impl FnOnce() -> T + Send + 'static,
) -> Option<(T, bool)> {
    let body = move || {
        if cpu.is_some_and(|cpu| !affinity::pin(cpu)) {
            return None;
        }
        let fifo = sched::set_fifo(priority);
        Some((run(), fifo))
    };
    let outcome = Arc::new(Mutex::new(None));
    let told = outcome.clone();
    let tell = move || *told.lock().unwrap_or_else(PoisonError::into_inner) = body();
    thread::start("rtwasm-probe", PROBE_STACK_BYTES, tell).ok()?.join();
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    outcome.take()
}

/// Sleeps, so that other threads can run.
pub fn rest(time: Duration) {
    sleeper::sleep_for(time);
}
