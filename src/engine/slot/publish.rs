//! Publishing, on [setup] threads: checks an instance, makes it warm, and offers it to the real-time thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

use super::generation::{Generation, Handles, Place, Publication};
use super::{Slot, StateTransfer};
use crate::engine::instance::{FUNC_BYTES, Func, Instance, Wanted};
use crate::engine::prepare::Ready;
use crate::rt::exchange::Spares;
use crate::rt::reserve;
use crate::status::*;

impl Slot {
    /// Publishes an instance: checks and prepares it, and transfers the state of the one in use; then the real-time thread
    /// takes it at its next block.
    pub fn publish(self: &Arc<Self>, instance: &Arc<Instance>) -> Result<u64> {
        if std::process::id() != self.process {
            return Err(Error::new(RTW_ERR_FORKED, "the slot belongs to the parent process"));
        }
        let published = {
            let _alone = self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.try_publish(instance)
        };
        if published.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        // The housekeeper has to make spares, or to destroy what was superseded.
        self.runtime.housekeeper().wake();
        published
    }

    fn try_publish(self: &Arc<Self>, instance: &Arc<Instance>) -> Result<u64> {
        if !Arc::ptr_eq(&instance.module.runtime, &self.runtime) {
            return Err(Error::new(RTW_ERR_ARGUMENT, "the instance belongs to another runtime than the slot"));
        }
        let place = Place::take(instance, &self.held)?;
        if instance.is_faulted() {
            return Err(Error::new(RTW_ERR_FAULTED, "the instance has faulted: reset it first"));
        }
        let number = self.lock().publications + 1;
        let publication = Arc::new(Publication {
            spares: Spares::new(number, self.config.standby),
            failed: AtomicBool::new(false),
            reported_signals: AtomicBool::new(false),
        });
        let calls_guests = !self.config.dry_calls.is_empty() || !matches!(self.config.state, StateTransfer::None);
        let _visit = if calls_guests { self.runtime.visit()? } else { None };
        let generation = self.generation(&publication, place, false)?;
        self.transfer_state(&generation)?;
        let mut back = self.lock();
        reserve::room(&mut back.living, 1)?;
        reserve::room(&mut back.given_up, 1)?;
        reserve::check()?;
        back.publications = number;
        back.current = Some(publication);
        let pointer = Arc::as_ptr(&generation);
        back.living.push(generation);
        // An earlier publication that has not been taken is never taken.
        let superseded = self.exchange.offer(pointer);
        if let Some(never_taken) = back.living.iter().find(|known| std::ptr::eq(Arc::as_ptr(known), superseded)) {
            let publication = never_taken.publication.clone();
            back.given_up.push(publication);
        }
        let removed = self.remove(&mut back, superseded);
        drop(back);
        drop(removed);
        Ok(number)
    }

    /// Looks the interface up and makes the instance warm.
    pub(super) fn generation(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation>> {
        let room = self.config.interface.len() * FUNC_BYTES + self.config.dry_calls.len() * size_of::<Ready<'_>>();
        reserve::with_room(room, || self.with_interface(publication, place, is_spare))
    }

    fn with_interface(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation>> {
        let instance = place.0.clone();
        // SAFETY: the place in the slot is this instance's alone, and the real-time thread does not have it yet.
        let turn = unsafe { instance.turn() };
        let interface = self.config.interface.iter();
        let wanted: Vec<Wanted<'_>> =
            interface.map(|(name, signature)| Wanted { name, signature: signature.clone(), optional: false }).collect();
        let funcs: Vec<Func> = turn.funcs(&wanted)?.into_iter().flatten().collect();
        let handles = Handles::new(&instance, &funcs)?;
        let calls = self.dry_calls(&handles);
        if !calls.is_empty() || !instance.is_prepared() {
            turn.prepare(&calls)?;
        }
        let publication = publication.clone();
        let not_yet = AtomicBool::default;
        Ok(Arc::new(Generation {
            publication,
            instance,
            funcs,
            handles,
            is_spare: is_spare.into(),
            taken: not_yet(),
            reported_taken: not_yet(),
            reported_fault: not_yet(),
            _place: place,
        }))
    }

    pub(super) fn dry_calls<'a>(&'a self, handles: &'a Handles) -> Vec<Ready<'a>> {
        self.config.dry_calls.iter().map(|call| call.of(handles.funcs[call.func].as_ref())).collect()
    }
}
