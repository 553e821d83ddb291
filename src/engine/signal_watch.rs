//! Checks at intervals what the standalone profile needs of other code: that the process's signal handlers are still the
//! engine's, and that no attached thread blocks the signals of guests' faults. A call cannot check that without system calls.
//! So the housekeeper checks; if something is wrong, the gates of the runtime's instances make every call check for itself, and
//! refuse it as long as its thread is affected.

use std::sync::atomic::{AtomicI32, Ordering::*};
use std::sync::{Mutex, MutexGuard};

use super::housekeeper::Tend;
use super::instance::{GATE_ASK, GATE_FREE};
use crate::sys::{handlers, sigmask, thread};

#[derive(Default)]
pub struct SignalWatch {
    /// True if calls always check.
    always: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Addresses of the gates of existing instances, each with true if its guest needs signals.
    gates: Vec<(usize, bool)>,
    /// Attached threads, by the kernel's numbers.
    threads: Vec<i32>,
    seen: Seen,
}

/// The result of the checks.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub looks: u64,
    /// The number of times that something was wrong that was right in the check before.
    pub troubles: u64,
    /// The current trouble.
    pub trouble: Option<String>,
    pub blocked_threads: u32,
    /// True if masks cannot be read: there is no /proc.
    pub masks_unknown: bool,
}

impl SignalWatch {
    pub fn new(always: bool) -> SignalWatch {
        SignalWatch { always, ..SignalWatch::default() }
    }

    /// The value of an instance's gate between calls.
    pub fn resting_gate(&self) -> i32 {
        if self.always { GATE_ASK } else { GATE_FREE }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// # Safety
    /// The gate lives until it is removed.
    pub unsafe fn add(&self, gate: *const AtomicI32, needs_signals: bool) {
        self.lock().gates.push((gate as usize, needs_signals));
    }

    pub fn take_back(&self, gate: *const AtomicI32) {
        self.lock().gates.retain(|(known, _)| *known != gate as usize);
    }

    /// Passes every gate to `see`; each lives meanwhile.
    pub fn each_gate(&self, mut see: impl FnMut(*const AtomicI32)) {
        self.lock().gates.iter().for_each(|(gate, _)| see(*gate as *const AtomicI32));
    }

    /// Adds the calling thread, which is attached from now on.
    pub fn add_thread(&self) {
        self.lock().threads.push(thread::id());
    }

    pub fn remove_thread(&self) {
        let this = thread::id();
        self.lock().threads.retain(|known| *known != this);
    }

    pub fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }
}

impl Tend for SignalWatch {
    fn tend(&self) {
        // May read files, and takes the loader's lock: without holding the library's own.
        let handlers = handlers::check();
        let threads = self.lock().threads.clone();
        let (mut gone, mut blocked, mut masks_unknown) = (Vec::new(), Vec::new(), false);
        for thread in threads {
            match sigmask::blocked_in(thread) {
                sigmask::Blocked::No => {}
                sigmask::Blocked::Yes(names) => blocked.push(format!("thread {thread} blocks {names}")),
                // The thread ended without detach.
                sigmask::Blocked::Gone => gone.push(thread),
                sigmask::Blocked::Unknown => masks_unknown = true,
            }
        }
        let blocked_threads = blocked.len() as u32;
        let trouble = match handlers {
            Err(error) => Some(error.message),
            Ok(()) => blocked.into_iter().next().map(|what| {
                format!(
                    "{what}: a guest's trap would end the process; unblock it, or let rtw_instance_prepare do so on that thread"
                )
            }),
        };
        let mut state = self.lock();
        state.threads.retain(|known| !gone.contains(known));
        let seen = &mut state.seen;
        seen.looks += 1;
        seen.troubles += u64::from(seen.trouble.is_none() && trouble.is_some());
        (seen.blocked_threads, seen.masks_unknown) = (blocked_threads, masks_unknown);
        let (from, to) = match trouble {
            Some(_) => (GATE_FREE, GATE_ASK),
            None => (GATE_ASK, self.resting_gate()),
        };
        seen.trouble = trouble;
        for (gate, _) in state.gates.iter().filter(|(_, needs_signals)| *needs_signals) {
            // SAFETY: it is removed, under this lock, before it is destroyed.
            let gate = unsafe { &*(*gate as *const AtomicI32) };
            // A gate that is in a call, or that a call has just found open, changes at a later check.
            let _ = gate.compare_exchange(from, to, AcqRel, Relaxed);
        }
    }
}
