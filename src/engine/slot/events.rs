//! The events of a slot, each of which the host gets once: on the housekeeper's thread, or on the publisher's.

use std::ffi::c_void;
use std::sync::atomic::Ordering::*;

use super::Slot;
use super::generation::{Generation, Publication};
use crate::status::*;

/// An event for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The real-time thread runs the published instance.
    Taken,
    /// The real-time thread runs a spare.
    SpareTaken,
    /// An instance faulted; it is as the fault left it.
    Faulted,
    /// A spare is ready.
    SpareReady,
    /// A spare could not be created; the next attempt is after the next publication.
    SpareFailed,
}

#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub publication: u64,
    /// The instance's handle, valid during the callback.
    pub instance: *mut c_void,
    /// The reason of a failure.
    pub status: rtw_status_t,
}

impl Slot {
    pub(super) fn report_event(&self, kind: EventKind, generation: &Generation, status: rtw_status_t) {
        if let Some(on_event) = &self.config.on_event {
            let instance = generation.handles.instance();
            on_event(Event { kind, publication: generation.publication.spares.number, instance, status });
        }
    }

    /// Reports that a spare of this publication could not be created, unless that needs no report.
    pub(super) fn report_spare_failed(&self, publication: &Publication, instance: *mut c_void, status: rtw_status_t) {
        if publication.fails(status)
            && let Some(on_event) = &self.config.on_event
        {
            on_event(Event { kind: EventKind::SpareFailed, publication: publication.spares.number, instance, status });
        }
    }

    /// Reports once that a generation is in use.
    pub(super) fn report_if_taken(&self, generation: &Generation) {
        if generation.taken.load(Relaxed) && !generation.reported_taken.swap(true, Relaxed) {
            let kind = if generation.is_spare.load(Relaxed) { EventKind::SpareTaken } else { EventKind::Taken };
            self.report_event(kind, generation, RTW_OK);
        }
    }

    /// Reports once that a generation has faulted.
    pub(super) fn report_if_faulted(&self, generation: &Generation) {
        if generation.instance.is_faulted() && !generation.reported_fault.swap(true, Relaxed) {
            self.report_if_taken(generation);
            let status = generation.instance.fault().map_or(RTW_ERR_FAULTED, |fault| fault.record.status);
            self.report_event(EventKind::Faulted, generation, status);
        }
    }
}
