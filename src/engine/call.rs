//! The call: stamp, enter, leave, stamp, record. Every line here runs on somebody's real-time thread.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::compiler_fence;
use wasmtime::Trap;
/// A value as calls take it: 16 bytes, not converted.
pub use wasmtime::ValRaw;

use super::fault::FaultRecord;
use super::instance::{Core, Func, FuncShared, GATE_ASK, GATE_FREE, GATE_IN_CALL, GATE_IN_HOST, trap_status};
use crate::rt::float::Modes;
use crate::rt::histogram::Histogram;
use crate::rt::{alloc, clock, permit};
use crate::status::*;

/// Runs one call on this thread. `values` holds the arguments and receives the results. `budget` in ticks, where the call has
/// one of its own; `u64::MAX` for none at all.
///
/// # Safety
/// `values` points to at least `count` values, unless `count` is 0; the instance is this thread's.
#[inline(always)]
pub unsafe fn invoke(func: &Func, values: *mut ValRaw, count: usize, budget: Option<u64>) -> rtw_status_t {
    // SAFETY: a func keeps its instance alive, and the core does not move.
    let core = unsafe { &*func.core };
    // With all that a reset on another thread has done.
    let gate = core.gate.load(Acquire);
    let here = permit::stack_pointer();
    if gate == GATE_FREE {
        // Before the pass is compared: see `Core::close`.
        core.gate.store(GATE_IN_CALL, Relaxed);
        compiler_fence(SeqCst);
    }
    if gate == GATE_FREE && core.pass.admits(here) {
        core.entered_at.set(here);
    } else if let Err(status) = admit(core, &func.shared, gate, here) {
        return status;
    }
    let shared = &*func.shared;
    if count < shared.value_count || (values.is_null() && shared.value_count != 0) {
        core.gate.store(gate, Relaxed);
        return if count < shared.value_count { RTW_ERR_VALUES } else { RTW_ERR_NULL };
    }
    let values = std::ptr::slice_from_raw_parts_mut(values, shared.value_count);
    // A call that a host function makes runs under the outer one's budget, which the watchdog has been told of.
    let announced = core.timing.is_watched() && gate != GATE_IN_HOST;
    let budget = budget.unwrap_or_else(|| core.timing.budget());
    let started = if announced || shared.recorder.is_some() { clock::ticks() } else { 0 };
    if announced {
        core.timing.begin(started, budget);
    }
    // The one place where guests are entered: the engine's part becomes one piece with this.
    // SAFETY: the gate was open, so no other call uses the store; the values are as many as the type has.
    let result = unsafe { enter(core, shared, values) };
    if announced {
        core.timing.end();
    }
    if let Some(recorder) = &shared.recorder {
        let took = clock::ticks().wrapping_sub(started);
        let histogram = recorder.active();
        histogram.record(took);
        if took > core.timing.deadline.min(budget) {
            late(core, histogram, took, budget, result.is_ok());
        }
    }
    match result {
        Ok(()) => {
            // Free, or a host function's again.
            core.gate.store(gate, Relaxed);
            RTW_OK
        }
        Err(error) => fault(core, shared, error),
    }
}

/// Lets a call in that comes from a host function, or with another permit than the last one, and closes the gate behind it; or says
/// why not.
#[cold]
#[inline(never)]
fn admit(core: &Core, shared: &FuncShared, gate: rtw_status_t, here: usize) -> std::result::Result<(), rtw_status_t> {
    if !matches!(gate, GATE_FREE | GATE_ASK) {
        core.reenter(gate)?;
        if !core.is_within_outer_call(here) {
            return Err(RTW_ERR_STACK_SIZE);
        }
        core.gate.store(GATE_IN_CALL, Relaxed);
        return Ok(());
    }
    core.gate.store(GATE_IN_CALL, Relaxed);
    core.come_in()?;
    let pass = || if core.pass.admits(here) { Ok(()) } else { shared.instance.module.runtime.admit(&core.pass, here) };
    // Closed again to none, where it is not let in.
    pass().and_then(|()| core.reenter(gate)).inspect_err(|_| core.gate.store(gate, Relaxed))?;
    core.entered_at.set(here);
    Ok(())
}

/// Counts a call that took longer than its budget or its deadline.
#[cold]
#[inline(never)]
fn late(core: &Core, histogram: &Histogram, took: u64, budget: u64, ended_well: bool) {
    if ended_well && took > budget {
        histogram.record_overrun();
    }
    if took > core.timing.deadline && !core.timing.was_cut_off() {
        histogram.record_miss();
    }
}

/// The same out of line, for entries beside the first: a second copy inside the library would keep the compiler from making
/// that one a single piece.
///
/// # Safety
/// As for [`invoke`].
#[inline(never)]
pub unsafe fn invoke_apart(func: &Func, values: *mut ValRaw, count: usize, budget: Option<u64>) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe { invoke(func, values, count, budget) }
}

/// Enters the guest, in the floating-point environment that it computes in.
#[inline(always)]
unsafe fn enter(core: &Core, shared: &FuncShared, values: *mut [ValRaw]) -> wasmtime::Result<()> {
    core.modes.set(Modes::enter(core.float));
    let watching = core.watch_exit();
    // SAFETY: passed on.
    let result = unsafe { shared.func.get().call_unchecked(core.context(), values) };
    drop(watching);
    // Not out of a register: those that survive a call are few, and host functions leave it as it was.
    core.modes.get().leave();
    result
}

/// A call ended early: says why, notes what a developer will ask, and closes the gate for good. What the error took of the
/// thread's arena is back when this returns.
#[cold]
#[inline(never)]
fn fault(core: &Core, shared: &FuncShared, error: wasmtime::Error) -> rtw_status_t {
    let host_status = core.host_status.replace(RTW_OK);
    let address = core.take_fault_address();
    let trap = error.downcast_ref::<Trap>().copied();
    let cut_off = match trap {
        Some(Trap::UnreachableCodeReached) if host_status == RTW_OK => core.timing.trapped_in_poll(),
        _ if host_status != RTW_OK => core.timing.ended_in_host(),
        _ => core.timing.was_cut_off(),
    };
    let status = match trap {
        _ if cut_off => RTW_ERR_BUDGET,
        _ if host_status != RTW_OK => RTW_ERR_HOST,
        Some(trap) => trap_status(trap),
        None if alloc::take_refused() != 0 => RTW_ERR_ARENA,
        // A table was to grow, and the host had allowed it.
        None if error.is::<wasmtime::error::OutOfMemory>() => RTW_ERR_NO_MEMORY,
        None => RTW_ERR_TRAP_OTHER,
    };
    drop(error);
    if let Some(recorder) = &shared.recorder {
        recorder.active().record_fault(alloc::take_peak() as u64, cut_off);
    }
    let record = match core.fault.get() {
        // The call that was cut off was made by a host function: the place is known from there.
        Some(inner) if cut_off && inner.status == RTW_ERR_BUDGET => inner,
        _ => FaultRecord { status, host_status, address, growth: core.growth.story() },
    };
    if cut_off && core.fault.get().is_none() {
        shared.instance.module.runtime.watchdog().count_cut_off();
    }
    core.fault.set(Some(record));
    // A child process keeps saying that it is one.
    if core.gate.load(Relaxed) == GATE_IN_CALL {
        // With what was noted before it, for whoever looks from another thread.
        core.gate.store(RTW_ERR_FAULTED, Release);
    }
    status
}
