//! The housekeeper's visits to a slot: it reports events, collects instances that are no longer used, and keeps spares ready. It
//! polls, since the real-time thread wakes nobody.

use std::sync::Arc;

use super::generation::Generation;
use super::{Back, Slot};
use crate::engine::housekeeper::Tend;

impl Tend for Slot {
    fn tend(&self) {
        let closed = self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *closed {
            return;
        }
        let living = self.lock().living.clone();
        living.iter().for_each(|generation| self.report_if_faulted(generation));
        living.iter().for_each(|generation| self.report_if_taken(generation));
        drop(living);
        self.collect();
        self.stock();
        // `stock` makes spares of the current publication only, so no thread adds spares to these any more.
        let given_up = std::mem::take(&mut self.lock().given_up);
        given_up.iter().for_each(|publication| self.drop_spares(publication));
    }
}

impl Slot {
    /// Collects what the real-time thread has returned since the last time.
    fn collect(&self) {
        loop {
            let mut back = self.lock();
            let Some(pointer) = back.retired.pop() else { return };
            let Some(generation) = back.living.iter().find(|known| Arc::as_ptr(known) == pointer).cloned() else { continue };
            let is_current = back.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &generation.publication));
            drop(back);
            self.report_if_taken(&generation);
            self.report_if_faulted(&generation);
            if is_current && generation.instance.is_faulted() && self.config.standby != 0 && self.renew(&generation) {
                continue;
            }
            let mut back = self.lock();
            // If the real-time thread continues with a spare of the same publication, the used instance comes back later.
            if self.exchange.is_through_with(generation.publication.spares.number) {
                back.given_up.push(generation.publication.clone());
            }
            let removed = self.remove(&mut back, pointer);
            drop(back);
            drop(removed);
        }
    }

    /// Removes a generation whose pointer is not in use any more. Drop the result with the lock released: destroying an
    /// instance takes time.
    pub(super) fn remove(&self, back: &mut Back, pointer: *const Generation) -> Option<Arc<Generation>> {
        let at = back.living.iter().position(|known| Arc::as_ptr(known) == pointer)?;
        let gone = back.living.swap_remove(at);
        for (past, func) in back.past.iter_mut().zip(&gone.funcs) {
            if let Some(recorder) = &func.shared.recorder {
                past.add(&recorder.snapshot());
            }
        }
        Some(gone)
    }

    /// When this returns, the host gets no more events, and no other thread uses the slot.
    pub fn close(self: &Arc<Self>) {
        // A forked child has no housekeeper, but may have inherited its lock.
        if std::process::id() == self.process {
            *self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
            while Arc::strong_count(self) > 1 {
                std::thread::yield_now();
            }
        }
    }
}
