//! One instance behind a slot, with what belongs to it: its publication, the slot's own handles, and its place.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

use crate::engine::held::Pool;
use crate::engine::instance::{Func, Instance};
use crate::engine::own::{OwnFunc, OwnInstance};
use crate::rt::exchange::{Replaceable, Spares};
use crate::status::*;

/// One instance that is, was or may come into use.
pub struct Generation {
    pub(super) publication: Arc<Publication>,
    pub instance: Arc<Instance>,
    pub funcs: Vec<Func>,
    pub handles: Handles,
    /// True if the housekeeper created it, or reset it.
    pub(super) is_spare: AtomicBool,
    /// Set by the real-time thread when it takes it, relaxed: nothing else that this thread wrote is read because of it. Cleared before the
    /// generation is offered again, which passes on what was written before.
    pub(super) taken: AtomicBool,
    /// The events that were reported to the host. Of threads that find an event at the same time one sets the flag, and reports it; the
    /// flags order nothing else.
    pub(super) reported_taken: AtomicBool,
    pub(super) reported_fault: AtomicBool,
    pub(super) _place: Place,
}

impl Replaceable for Generation {
    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.instance.is_faulted()
    }

    #[inline(always)]
    fn spares(&self) -> &Spares<Self> {
        &self.publication.spares
    }

    #[inline(always)]
    fn mark_taken(&self) {
        self.taken.store(true, Relaxed);
    }
}

/// One publication, and its spares.
pub(super) struct Publication {
    pub(super) spares: Spares<Generation>,
    /// The creation of a spare has failed. Written and read by the housekeeper.
    pub(super) failed: AtomicBool,
    /// The reason was that other code had replaced the signal handlers, which has been reported: it is tried again.
    pub(super) reported_signals: AtomicBool,
}

impl Publication {
    /// Notes that a spare could not be created. Returns true if that has to be reported.
    pub(super) fn fails(&self, status: rtw_status_t) -> bool {
        if status == RTW_ERR_SIGNALS {
            return !self.reported_signals.swap(true, Relaxed);
        }
        self.failed.store(true, Relaxed);
        true
    }
}

/// The slot's own handles of a generation: the host may destroy those that it made.
pub struct Handles {
    /// The instance that the handles point to. The handles alone do not keep it alive.
    of: Arc<Instance>,
    /// The earlier handle for host functions; the host has the instance again afterwards.
    former: *mut c_void,
    pub instance: OwnInstance,
    /// In the order of the interface.
    pub funcs: Box<[OwnFunc]>,
}

// SAFETY: handles may be used by any thread, one at a time.
unsafe impl Send for Handles {}
// SAFETY: as for Send.
unsafe impl Sync for Handles {}

impl Handles {
    pub(super) fn new(instance: &Arc<Instance>, funcs: &[Func]) -> Result<Handles> {
        let handles = instance.keep(|| {
            let (of, former) = (instance.clone(), instance.handle());
            let own = OwnInstance::new(instance.clone())?;
            let funcs = funcs.iter().map(|func| OwnFunc::new(func.clone())).collect::<Result<_>>()?;
            Ok::<_, Error>(Handles { of, former, instance: own, funcs })
        })?;
        // SAFETY: the slot has the instance, and no call runs yet.
        unsafe { instance.turn() }.set_handle(handles.instance.as_ptr().cast());
        Ok(handles)
    }

    pub(super) fn instance(&self) -> *mut c_void {
        self.instance.as_ptr().cast()
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // SAFETY: the slot still has the instance, and nobody calls it any more.
        unsafe { self.of.turn() }.set_handle(self.former);
    }
}

/// The place of an instance, which is in one slot at most, and there once.
pub(super) struct Place(pub(super) Arc<Instance>);

impl Place {
    /// Takes the instance, and counts what it holds in the slot's account from now on.
    pub(super) fn take(instance: &Arc<Instance>, held: &Arc<Pool>) -> Result<Place> {
        // Acquires what the slot that had it before has released: what that slot and its real-time thread wrote to the instance.
        if instance.in_slot.swap(true, Acquire) {
            return Err(Error::new(RTW_ERR_ARGUMENT, "the instance is in a slot already"));
        }
        let place = Place(instance.clone());
        instance.core.held.join(held).map_err(|full| full.error(&instance.need(), 0))?;
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.core.held.leave();
        self.0.in_slot.store(false, Release);
    }
}
