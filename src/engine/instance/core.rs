//! The part of an instance that calls and host functions work with, and its gate: the word that says what a call has to know first.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, fence};
use wasmtime::StoreContextMut;

use super::guest::Data;
use super::link::left;
use crate::engine::budget::Timing;
use crate::engine::fault::FaultRecord;
use crate::engine::growth::Counters;
use crate::engine::held::Account;
use crate::engine::imports::HostFunc;
use crate::rt::permit::{self, Pass};
use crate::rt::{arena, cancel, traps};
use crate::status::*;
use crate::sys::fpu;
use crate::sys::{membarrier, thread};

/// What a call stores on its way in and takes away on its way out.
pub const GATE_FREE: rtw_status_t = RTW_OK;
pub const GATE_IN_CALL: rtw_status_t = RTW_ERR_BUSY;
/// A host function runs: the thread that it runs on may call, all others are told that the instance is busy.
pub const GATE_IN_HOST: rtw_status_t = 1;
/// The guest is being made, or made anew: everybody is told that the instance is busy.
pub(super) const GATE_MAKING: rtw_status_t = 2;
/// No guest is being made.
pub(super) const NOT_MAKING: u8 = 0;
/// A reset has closed the gate, and has yet to see whether a call that found it open comes in.
const CLOSING: u8 = 1;
/// Such a call came in: the reset gives up.
const OVERTAKEN: u8 = 2;
/// No call comes in any more. A host function that the start function calls cannot use the guest yet.
pub(super) const MAKING: u8 = 3;
/// As free, but whoever calls has to ask first whether faults would arrive on its thread.
pub const GATE_ASK: rtw_status_t = 3;

/// The part that calls and host functions work with.
pub struct Core {
    pub gate: AtomicI32,
    /// Lets in calls of threads that are attached, on stacks with room for the guest.
    pub pass: Pass,
    /// The stack pointer at the beginning of the call that runs, calls that its host functions make left aside.
    pub entered_at: Cell<usize>,
    /// How far below that guests may go, those called from host functions included.
    pub(super) guest_stack_bytes: usize,
    /// The store as it may be used now: between calls our own view of it, in a host function the one the engine handed to it,
    /// so that a call made from inside continues the outer one's.
    pub(super) context: Cell<Option<Context>>,
    /// What a host function answered, for the call that it ended.
    pub host_status: Cell<rtw_status_t>,
    /// The thread that the innermost host function runs on, which one it is, and where on the stack it was called.
    pub(super) host_thread: AtomicUsize,
    pub(super) host: Cell<*const HostFunc>,
    pub(super) host_at: Cell<usize>,
    /// Whether it may block, and a cancellation is let in for that time which is held off otherwise.
    pub lets_in: Cell<bool>,
    /// How far the making of a guest is: NOT_MAKING, CLOSING, MAKING or OVERTAKEN.
    pub(super) making: AtomicU8,
    /// What the gate says after a reset.
    pub(super) after: AtomicI32,
    /// What its calls compute in, and what the thread did when the innermost that runs was made.
    pub float: fpu::Wanted,
    pub host_float: fpu::Host,
    pub timing: Timing,
    /// What the instance holds.
    pub held: Arc<Account>,
    /// Whether the instance has been prepared since it was made or reset.
    pub(super) prepared: AtomicBool,
    /// Where the last fault happened that came as a signal; 0 where there was none.
    pub fault_address: Cell<usize>,
    /// Where the engine notes the address that a guest traps at without a signal; null where no function is exported.
    pub(super) exit_word: Cell<*const usize>,
    /// To the arena of the thread that calls.
    pub(super) arena: arena::Link,
    pub growth: Counters,
    /// What the fault was that closed the gate.
    pub fault: Cell<Option<FaultRecord>>,
    /// What host functions are given as their instance; the C API's handle.
    pub(super) handle: Cell<*mut c_void>,
}

pub(super) type Context = StoreContextMut<'static, Data>;

// SAFETY: one thread at a time has an instance, by the API's rules; the cells are not used beyond it.
unsafe impl Send for Core {}
// SAFETY: as for Send.
unsafe impl Sync for Core {}

impl Core {
    /// While the answer lives the address is noted of a trap without a signal. On an attached thread; no-op on others.
    #[inline(always)]
    pub fn watch_exit(&self) -> arena::Watching<'_> {
        // SAFETY: the word lives as long as the store, which outlives the call.
        unsafe { self.arena.watch(self.exit_word.get()) }
    }

    /// The address of the trap that has just ended a call; 0 where it is not known.
    pub fn take_fault_address(&self) -> usize {
        // Without a signal: where the guest would have gone on.
        match (self.fault_address.replace(0), self.arena.take_noted()) {
            (0, 0) => 0,
            (0, noted) => noted - 1,
            (signalled, _) => signalled,
        }
    }

    /// Closes the instance to all further calls: something in this library went wrong during one.
    pub fn poison(&self) {
        self.gate.store(RTW_ERR_POISONED, Relaxed);
    }

    /// Closes the gate to everybody, for the guest to be made anew.
    ///
    /// A call reads the gate, stores that it is in a call and only then compares the pass; no fence keeps it from having found the gate
    /// open long ago. So the pass is taken away first, and every thread put through a barrier: who stored before it is seen here,
    /// who stores after it meets no pass and asks in `come_in`, where one word decides between the two.
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
        // Where this unwinds, half a guest may be there.
        Ok(Making { core: self, before, after: RTW_ERR_POISONED, pass })
    }

    /// Whether a call that found the gate open, and has stored that it is in a call, may go on. Else the gate is the reset's again.
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

    /// Whether a guest is being made.
    #[inline(always)]
    pub(super) fn is_making(&self) -> bool {
        self.making.load(Relaxed) == MAKING
    }

    /// Whether a gate that is not free lets a call of this thread through all the same, or what to answer.
    #[cold]
    pub fn reenter(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        self.admit(gate)?;
        match gate {
            GATE_ASK if !traps::arrive_here() => Err(RTW_ERR_SIGNALS),
            GATE_IN_HOST if self.timing.refuses() => Err(RTW_ERR_BUDGET),
            _ => Ok(()),
        }
    }

    /// Ends the process where the calling thread was in a host function and is behind it now, on the same stack: longjmp has taken
    /// it there, past a guest and the engine's records of it. `here` is the stack pointer. A place further down tells nothing.
    #[cold]
    pub fn has_not_left(&self, here: usize) {
        let is_this_threads = self.gate.load(Relaxed) == GATE_IN_HOST && self.host_thread.load(Relaxed) == thread::token();
        if is_this_threads && self.pass.is_behind(self.host_at.get(), here) {
            // SAFETY: the guest's, which cannot have gone: nobody gets past here.
            let host = unsafe { &*self.host.get() };
            left(host, b"longjmp");
        }
    }

    /// The same for the instance whose gate this is.
    ///
    /// # Safety
    /// It is one's.
    pub unsafe fn has_not_left_behind(gate: *const AtomicI32, here: usize) {
        // SAFETY: part of a core.
        unsafe { (*gate.byte_sub(std::mem::offset_of!(Core, gate)).cast::<Core>()).has_not_left(here) }
    }

    /// Whether the calling thread may look at the guest, or what to answer.
    pub(super) fn admit(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        match gate {
            GATE_FREE | GATE_ASK => Ok(()),
            GATE_IN_HOST if self.host_thread.load(Relaxed) == thread::token() => Ok(()),
            GATE_IN_HOST | GATE_MAKING => Err(RTW_ERR_BUSY),
            status => Err(status),
        }
    }

    /// Whether a call that a host function makes is on the stack of the call that called it, above where guests have to stop: the
    /// engine holds it to the outer call's limit, wherever it is.
    pub fn is_within_outer_call(&self, here: usize) -> bool {
        self.entered_at.get().wrapping_sub(here) < self.guest_stack_bytes
    }

    /// The store, for the thread that has the instance now.
    ///
    /// # Safety
    /// One thread at a time, and the returned view is not kept beyond the call it was taken for.
    #[inline(always)]
    pub unsafe fn context(&self) -> Context {
        // SAFETY: a view is one reference; the copy replaces the original until it goes out of use. It is set while the
        // instance lives.
        unsafe { (*self.context.as_ptr()).as_ref().map(|c| std::ptr::read(c)).unwrap_unchecked() }
    }
}

/// The gate is closed while it lives.
pub(super) struct Making<'a> {
    pub(super) core: &'a Core,
    pub(super) before: rtw_status_t,
    /// What the gate says then.
    pub(super) after: rtw_status_t,
    /// What let the last caller in.
    pub(super) pass: permit::Taken,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let core = self.core;
        if self.after == RTW_ERR_POISONED {
            // Nobody comes in before another reset has made a guest.
            core.gate.store(RTW_ERR_POISONED, Release);
            return;
        }
        core.after.store(self.after, Relaxed);
        // The guest is whole: from here on calls that found the gate open before may come in, and keep it.
        core.making.store(NOT_MAKING, SeqCst);
        core.pass.put_back(self.pass);
        // Nothing where one did, is being turned away, or where a child process was told that the instance is its parent's.
        let _ = core.gate.compare_exchange(GATE_MAKING, self.after, SeqCst, Relaxed);
    }
}

pub(super) fn busy() -> Error {
    Error::new(RTW_ERR_BUSY, "the instance is in a call, or is being reset")
}

pub(super) fn forked() -> Error {
    Error::new(RTW_ERR_FORKED, "the instance belongs to the parent process")
}
