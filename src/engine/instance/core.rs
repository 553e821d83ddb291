//! The part of an instance that calls and host functions work with, and its gate: the word that says what a call has to know first.

pub(super) use rtwasm_enter::Context;
use rtwasm_enter::{Called, Hot};
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::offset_of;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, compiler_fence, fence};

use super::link::left;
use crate::engine::budget::Timing;
use crate::engine::fault::FaultRecord;
use crate::engine::growth::Counters;
use crate::engine::held::Account;
use crate::engine::imports::HostFunc;
use crate::engine::log::Log;
use crate::engine::native::Ended;
use crate::rt::permit;
use crate::rt::{callback, cancel, traps};
use crate::status::*;
use crate::sys::fpu;
use crate::sys::{membarrier, stack, thread};

/// A call stores another value on its way in, and restores this one on its way out.
pub const GATE_FREE: rtw_status_t = RTW_OK;
pub use rtwasm_enter::GATE_IN_CALL;
/// A host function runs: its thread may call, and other threads get the status that the instance is busy.
pub const GATE_IN_HOST: rtw_status_t = 1;
/// The guest is being created, or created again: every caller gets the status that the instance is busy.
pub(super) const GATE_MAKING: rtw_status_t = 2;
/// No guest is being created.
pub(super) const NOT_MAKING: u8 = 0;
/// A reset has closed the gate, and still has to see if a call that found it open comes in.
const CLOSING: u8 = 1;
/// Such a call came in: the reset gives up.
const OVERTAKEN: u8 = 2;
/// No call comes in any more. A host function that the start function calls cannot use the guest yet.
pub(super) const MAKING: u8 = 3;
/// Free, but a caller has to check first that faults would arrive on its thread.
pub const GATE_ASK: rtw_status_t = 3;

/// The part of an instance that calls and host functions use.
#[repr(C, align(64))]
pub struct Core {
    /// The part that every call touches. With the bounds of calls, which are the beginning of `timing`, it is what `Called` views.
    pub(super) hot: Hot,
    pub timing: Timing,
    /// The distance below `entered_at` that guests may use, with guests called from host functions.
    pub(super) guest_stack_bytes: usize,
    /// The status of the host function that ended the call.
    pub host_status: Cell<rtw_status_t>,
    /// The way in which a function of the library's own ended the call.
    pub ended: Cell<Ended>,
    /// The innermost host function, and the place of its call on the stack.
    pub(super) host: Cell<*const HostFunc>,
    pub(super) host_at: Cell<usize>,
    /// True if a host function's call takes more than the usual steps: the guest is being created, or its floating-point environment is
    /// not the thread's.
    pub(super) differs: Cell<bool>,
    /// True if the host function may block, and a cancellation that is otherwise held off is let in meanwhile.
    pub lets_in: Cell<bool>,
    /// The progress of the guest's creation: NOT_MAKING, CLOSING, MAKING or OVERTAKEN.
    pub(super) making: AtomicU8,
    /// The gate's value after a reset.
    pub(super) after: AtomicI32,
    /// The account of what the instance holds.
    pub held: Arc<Account>,
    /// True if the instance has been prepared since its creation or last reset.
    pub(super) prepared: AtomicBool,
    /// The place of the last fault that arrived as a signal; 0 if there was none.
    pub fault_address: Cell<usize>,
    /// Where the guest's messages go; none if nobody reads them.
    pub log: Option<Log>,
    pub growth: Counters,
    /// The fault that closed the gate.
    pub fault: Cell<Option<FaultRecord>>,
    /// The instance's handle for host functions, that of the C API.
    pub(super) handle: Cell<*mut c_void>,
}

const _: () =
    assert!(offset_of!(Core, hot) == offset_of!(Called, hot) && offset_of!(Core, timing) == offset_of!(Called, bounds));

impl Deref for Core {
    type Target = Hot;

    #[inline(always)]
    fn deref(&self) -> &Hot {
        &self.hot
    }
}

// SAFETY: one thread at a time has an instance, by the API's rules; the cells are not used beyond it.
unsafe impl Send for Core {}
// SAFETY: as for Send.
unsafe impl Sync for Core {}

impl Core {
    /// The core that a call knows by its beginning.
    ///
    /// # Safety
    /// It comes from [`Core::called`], and the instance is there.
    pub unsafe fn of<'a>(called: *const Called) -> &'a Core {
        // SAFETY: as the caller promises.
        unsafe { &*called.cast() }
    }

    /// This core in the form that calls know.
    #[inline(always)]
    pub fn called(&self) -> *const Called {
        std::ptr::from_ref(self).cast()
    }

    /// The address of the trap that has just ended a call; 0 if unknown.
    pub fn take_fault_address(&self) -> usize {
        // Without a signal: the address at which the guest would have continued.
        match (self.fault_address.replace(0), self.arena.take_noted()) {
            (0, 0) => 0,
            (0, noted) => noted - 1,
            (signalled, _) => signalled,
        }
    }

    /// Holds a cancellation off for what catches panics, on threads that could be cancelled at any instruction: these have no open
    /// permit (see `call::invoke`). Where none is known, the cancellation is held off as well.
    #[inline(always)]
    pub(super) fn hold(&self) -> Option<cancel::Held> {
        let ordinary = self.gate.load(Relaxed) == GATE_FREE && self.pass.admits(stack::pointer());
        (!ordinary).then(cancel::hold)
    }

    /// Closes the instance to all further calls, after a defect of this library during a call. Released, as a fault is: whoever sees it
    /// also sees that the real-time thread had taken the instance.
    pub fn poison(&self) {
        self.gate.store(RTW_ERR_POISONED, Release);
    }

    /// Closes the gate to all threads, so that the guest can be created again.
    ///
    /// A call reads the gate, stores that it is in a call, and only then compares the pass; without a fence, it may have found
    /// the gate open long ago. So this takes the pass away first, and puts every thread through a barrier: a thread that stored
    /// before is seen here, and a thread that stores later finds no pass and checks in `come_in`, where one word decides
    /// between the two.
    pub(super) fn close(&self) -> Result<Making<'_>> {
        let before = self.gate.load(Relaxed);
        self.has_not_left(cancel::section_at());
        match before {
            GATE_IN_CALL | GATE_IN_HOST | GATE_MAKING => return Err(busy()),
            RTW_ERR_FORKED => return Err(forked()),
            _ => {}
        }
        // A reset that unwound has left it closed.
        let open = if before == RTW_ERR_POISONED && self.is_making() { MAKING } else { NOT_MAKING };
        self.making.compare_exchange(open, CLOSING, SeqCst, Relaxed).map_err(|_| busy())?;
        if self.gate.compare_exchange(before, GATE_MAKING, SeqCst, Relaxed).is_err() {
            self.making.store(NOT_MAKING, SeqCst);
            return Err(busy());
        }
        let pass = self.pass.take();
        if membarrier::register() {
            membarrier::all_threads();
        }
        let is_closed =
            self.gate.load(SeqCst) == GATE_MAKING && self.making.compare_exchange(CLOSING, MAKING, SeqCst, Relaxed).is_ok();
        if !is_closed {
            self.making.store(NOT_MAKING, SeqCst);
            let _ = self.gate.compare_exchange(GATE_MAKING, before, Release, Relaxed);
            return Err(busy());
        }
        self.differs.set(true);
        // If this unwinds, the guest may be incomplete.
        Ok(Making { core: self, before, after: RTW_ERR_POISONED, pass })
    }

    /// Lets a call continue that found the gate open and has stored that it is in a call. Otherwise the gate belongs to the
    /// reset again.
    pub fn come_in(&self) -> std::result::Result<(), rtw_status_t> {
        fence(SeqCst);
        if self.making.compare_exchange(CLOSING, OVERTAKEN, SeqCst, SeqCst) != Err(MAKING) {
            return Ok(());
        }
        let _ = self.gate.compare_exchange(GATE_IN_CALL, GATE_MAKING, SeqCst, Relaxed);
        if self.making.load(SeqCst) != MAKING {
            // The reset has ended meanwhile, and may have found this call's word in the gate.
            let _ = self.gate.compare_exchange(GATE_MAKING, self.after.load(Relaxed), Release, Relaxed);
        }
        Err(RTW_ERR_BUSY)
    }

    /// True while a guest is being created.
    #[inline(always)]
    pub(super) fn is_making(&self) -> bool {
        self.making.load(Relaxed) == MAKING
    }

    /// Lets a call of this thread through a gate that is not free, or returns the status of a refusal.
    #[cold]
    pub fn reenter(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        self.admit(gate)?;
        match gate {
            GATE_ASK if !traps::arrive_here() => Err(RTW_ERR_SIGNALS),
            GATE_IN_HOST if self.timing.refuses() => Err(RTW_ERR_BUDGET),
            _ => Ok(()),
        }
    }

    /// Ends the process if the calling thread was in a host function and is now above it on the same stack: longjmp has taken
    /// it there, past a guest and the engine's records of it. `here` is the stack pointer. A place further down proves nothing.
    #[cold]
    pub fn has_not_left(&self, here: usize) {
        let is_this_threads = self.gate.load(Relaxed) == GATE_IN_HOST && self.caller.load(Relaxed) == thread::token();
        if is_this_threads && self.pass.is_behind(self.host_at.get(), here) {
            // SAFETY: the guest's, which still exists, since no thread gets past this check.
            let host = unsafe { &*self.host.get() };
            left(host, b"longjmp");
        }
    }

    /// As long as the returned value lives, a [setup] function runs the guest, whose host functions have to return.
    pub fn runs_in_setup(&self) -> callback::Record {
        /// # Safety
        /// `core` points to a core.
        unsafe fn jumped(core: *const c_void) {
            // SAFETY: as the caller promises. The host function is the guest's, which still exists, since its maker or user was left.
            if let Some(host) = unsafe { (*core.cast::<Core>()).host.get().as_ref() } {
                left(host, b"longjmp");
            }
        }
        callback::Record::begin(jumped, std::ptr::from_ref(self).cast())
    }

    /// Ends the process as `has_not_left` does, for the instance with this gate.
    ///
    /// # Safety
    /// It is the gate of an instance.
    pub unsafe fn has_not_left_behind(gate: *const AtomicI32, here: usize) {
        // SAFETY: part of a core.
        unsafe { (*gate.byte_sub(offset_of!(Core, hot.gate)).cast::<Core>()).has_not_left(here) }
    }

    /// Returns an error with the status if the calling thread may not read the guest now.
    pub(super) fn admit(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        match gate {
            GATE_FREE | GATE_ASK => Ok(()),
            GATE_IN_HOST if self.caller.load(Relaxed) == thread::token() => Ok(()),
            GATE_IN_HOST | GATE_MAKING => Err(RTW_ERR_BUSY),
            status => Err(status),
        }
    }

    /// True if a call from a host function is on the stack of the outer call, above the guests' limit: the engine applies the
    /// outer call's limit, wherever the inner call is.
    pub fn is_within_outer_call(&self, here: usize) -> bool {
        self.entered_at.get().wrapping_sub(here) < self.guest_stack_bytes
    }
}

/// The notes of a host function's own call, while a call from inside it runs.
pub struct Outer {
    host: *const HostFunc,
    host_at: usize,
    differs: bool,
    lets_in: bool,
    host_float: fpu::Host,
}

impl Core {
    /// Notes the thread's floating-point environment.
    #[inline(always)]
    pub fn note_float(&self) {
        // SAFETY: it is there.
        unsafe { fpu::Host::note_at::<Core, { offset_of!(Core, hot.host_float) }>(self) }
    }

    /// Says if the guest's floating-point environment is not the thread's, from now on.
    pub fn with_another_float(&self, differs: bool) {
        self.differs.set(differs);
    }

    /// Begins a call from a host function, behind the closed gate.
    #[cold]
    pub fn begin_inner(&self) -> Outer {
        Outer {
            host: self.host.get(),
            host_at: self.host_at.get(),
            differs: self.differs.replace(false),
            lets_in: self.lets_in.get(),
            host_float: self.host_float.clone(),
        }
    }

    /// Ends a call from a host function, and opens the gate to the function again unless the call has closed it for good.
    #[cold]
    pub fn end_inner(&self, outer: Outer) {
        self.host.set(outer.host);
        self.host_at.set(outer.host_at);
        self.differs.set(outer.differs);
        self.lets_in.set(outer.lets_in);
        self.host_float.restore(&outer.host_float);
        compiler_fence(SeqCst);
        if self.gate.load(Relaxed) == GATE_IN_CALL {
            self.gate.store(GATE_IN_HOST, Relaxed);
        }
    }
}

/// The gate is closed while this value lives.
pub(super) struct Making<'a> {
    pub(super) core: &'a Core,
    pub(super) before: rtw_status_t,
    /// The gate's value afterwards.
    pub(super) after: rtw_status_t,
    /// The permit that let the last caller in.
    pub(super) pass: permit::Taken,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let core = self.core;
        if self.after == RTW_ERR_POISONED {
            // No call comes in before another reset has created a guest.
            core.gate.store(RTW_ERR_POISONED, Release);
            return;
        }
        core.differs.set(false);
        core.after.store(self.after, Relaxed);
        // The guest is complete: from now on calls that found the gate open before may come in, and keep it.
        core.making.store(NOT_MAKING, SeqCst);
        core.pass.put_back(self.pass);
        // No effect if such a call is being refused, or if a forked child has marked the instance as its parent's.
        let _ = core.gate.compare_exchange(GATE_MAKING, self.after, SeqCst, Relaxed);
    }
}

pub(super) fn busy() -> Error {
    Error::new(RTW_ERR_BUSY, "the instance is in a call, or is being reset")
}

pub(super) fn forked() -> Error {
    Error::new(RTW_ERR_FORKED, "the instance belongs to the parent process")
}
