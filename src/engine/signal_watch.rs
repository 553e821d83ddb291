//! A look, every now and then, at what the standalone profile needs of others: that the process's signal handlers are still the
//! engine's, and that no attached thread blocks what guests' faults come as. A call cannot ask without system calls; so the
//! housekeeper asks, and where something is wrong, the gates of the runtime's instances have every call ask for itself: it is
//! refused as long as the trouble concerns its thread.

use std::sync::atomic::{AtomicI32, Ordering::*};
use std::sync::{Mutex, MutexGuard};

use super::housekeeper::Tend;
use super::instance::{GATE_ASK, GATE_FREE};
use crate::sys::{handlers, sigmask, thread};

#[derive(Default)]
pub struct SignalWatch {
    /// Whether calls ask at all times.
    always: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Addresses of the gates of instances that are there, and whether their guests need signals.
    gates: Vec<(usize, bool)>,
    /// Attached threads, as the kernel numbers them.
    threads: Vec<i32>,
    seen: Seen,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub looks: u64,
    /// How often something was found wrong that was in order the time before.
    pub troubles: u64,
    /// What is wrong now.
    pub trouble: Option<String>,
    pub blocked_threads: u32,
    /// Masks cannot be told: there is no /proc.
    pub masks_unknown: bool,
}

impl SignalWatch {
    pub fn new(always: bool) -> SignalWatch {
        SignalWatch { always, ..SignalWatch::default() }
    }

    /// What an instance's gate says between calls.
    pub fn resting_gate(&self) -> i32 {
        if self.always { GATE_ASK } else { GATE_FREE }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// # Safety
    /// The gate lives until it is taken back.
    pub unsafe fn add(&self, gate: *const AtomicI32, needs_signals: bool) {
        self.lock().gates.push((gate as usize, needs_signals));
    }

    pub fn take_back(&self, gate: *const AtomicI32) {
        self.lock().gates.retain(|(known, _)| *known != gate as usize);
    }

    /// Shows every gate, each of which lives meanwhile.
    pub fn each_gate(&self, mut see: impl FnMut(*const AtomicI32)) {
        self.lock().gates.iter().for_each(|(gate, _)| see(*gate as *const AtomicI32));
    }

    /// The calling thread is attached from now on.
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
        // May look through files, and takes the loader's lock: with ours released.
        let handlers = handlers::check();
        let threads = self.lock().threads.clone();
        let (mut gone, mut blocked, mut masks_unknown) = (Vec::new(), Vec::new(), false);
        for thread in threads {
            match sigmask::blocked_in(thread) {
                sigmask::Blocked::No => {}
                sigmask::Blocked::Yes(names) => blocked.push(format!("thread {thread} blocks {names}")),
                // It ended without detaching.
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
            // SAFETY: it is taken back, under this lock, before it goes.
            let gate = unsafe { &*(*gate as *const AtomicI32) };
            // One that is in a call, or was just found free by one, is met at a later look.
            let _ = gate.compare_exchange(from, to, AcqRel, Relaxed);
        }
    }
}
