//! Standby instances, which the housekeeper creates, or makes of instances that have faulted.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;

use super::Slot;
use super::events::EventKind;
use super::generation::{Generation, Place, Publication};
use crate::rt::reserve;
use crate::status::*;

impl Slot {
    /// Makes spares of the current publication until there are enough.
    pub(super) fn stock(&self) {
        loop {
            let back = self.lock();
            let Some(publication) = back.current.clone() else { return };
            let of_it = |known: &&Arc<Generation>| Arc::ptr_eq(&known.publication, &publication);
            let Some(like) = back.living.iter().find(of_it).map(|generation| generation.instance.clone()) else { return };
            // Spares, and one in use or on its way.
            let enough = back.living.iter().filter(of_it).count() > self.config.standby;
            drop(back);
            if enough || publication.failed.load(Relaxed) {
                return;
            }
            let made = reserve::fallible(|| {
                let spare = self.generation(&publication, Place::take(&like.another().map(Arc::new)?, &self.held)?, true)?;
                reserve::room(&mut self.lock().living, 1)?;
                reserve::check()?;
                Ok(spare)
            });
            match made {
                Ok(spare) => {
                    self.lock().living.push(spare.clone());
                    if !self.offer(&spare) {
                        let removed = self.remove(&mut self.lock(), Arc::as_ptr(&spare));
                        drop(removed);
                        return;
                    }
                }
                Err(error) => {
                    self.report_spare_failed(&publication, std::ptr::null_mut(), error.status);
                    return;
                }
            }
        }
    }

    /// Makes a spare of an instance that has faulted.
    pub(super) fn renew(&self, generation: &Arc<Generation>) -> bool {
        for flag in [&generation.taken, &generation.reported_taken, &generation.reported_fault] {
            flag.store(false, Relaxed);
        }
        generation.is_spare.store(true, Relaxed);
        let renewed = reserve::fallible(|| {
            // SAFETY: the real-time thread has given the instance back.
            unsafe { generation.instance.turn() }.reset().and_then(|()| self.warm_again(generation))
        });
        match renewed {
            Ok(()) => self.offer(generation),
            Err(error) => {
                self.report_spare_failed(&generation.publication, generation.handles.instance(), error.status);
                false
            }
        }
    }

    /// Prepares an instance that was reset, with the slot's dry calls.
    fn warm_again(&self, generation: &Generation) -> Result<()> {
        let calls = self.dry_calls(&generation.handles);
        // SAFETY: the real-time thread has given the instance back.
        unsafe { generation.instance.turn() }.prepare(&calls).map(|_| ())
    }

    /// Offers a spare to the real-time thread. Returns false if there is no room for it.
    fn offer(&self, generation: &Arc<Generation>) -> bool {
        let publication = &generation.publication;
        let pushed = publication.spares.offer(Arc::as_ptr(generation));
        if pushed {
            publication.reported_signals.store(false, Relaxed);
            self.report_event(EventKind::SpareReady, generation, RTW_OK);
        }
        pushed
    }

    /// Destroys the spares of a publication that the real-time thread has left, or will never take.
    pub(super) fn drop_spares(&self, publication: &Publication) {
        // SAFETY: the real-time thread takes no spare of this publication any more, and only the housekeeper calls this.
        while let Some(spare) = unsafe { publication.spares.take() } {
            let removed = self.remove(&mut self.lock(), spare);
            drop(removed);
        }
    }
}
