//! The call: stamp, enter, leave, stamp, record. Every line here runs on somebody's real-time thread.

use std::sync::atomic::Ordering::Relaxed;
use wasmtime::Trap;
/// A value as calls take it: 16 bytes, not converted.
pub use wasmtime::ValRaw;

use super::fault::FaultRecord;
use super::instance::{Core, Func, FuncShared, GATE_FREE, GATE_IN_CALL, trap_status};
use crate::rt::float::{self, Denormals};
use crate::rt::{alloc, clock};
use crate::status::*;

/// Runs one call on this thread. `values` holds the arguments and receives the results.
///
/// # Safety
/// `values` points to at least `count` values, unless `count` is 0; the instance is this thread's.
#[inline(always)]
pub unsafe fn invoke(func: &Func, values: *mut ValRaw, count: usize) -> rtw_status_t {
    // SAFETY: a func keeps its instance alive, and the core does not move.
    let core = unsafe { &*func.core };
    let gate = core.gate.load(Relaxed);
    if gate != GATE_FREE
        && let Err(status) = core.reenter(gate)
    {
        return status;
    }
    let shared = &*func.shared;
    if count < shared.value_count {
        return RTW_ERR_VALUES;
    }
    if values.is_null() && shared.value_count != 0 {
        return RTW_ERR_NULL;
    }
    core.gate.store(GATE_IN_CALL, Relaxed);
    let values = std::ptr::slice_from_raw_parts_mut(values, shared.value_count);
    // SAFETY: the gate was open, so no other call uses the store; the values are as many as the type has.
    let result = unsafe {
        match &shared.recorder {
            None => enter(core, shared, values),
            Some(recorder) => {
                let started = clock::ticks();
                let result = enter(core, shared, values);
                recorder.active().record(clock::ticks().wrapping_sub(started));
                result
            }
        }
    };
    match result {
        Ok(()) => {
            // Free, or a host function's again.
            core.gate.store(gate, Relaxed);
            RTW_OK
        }
        Err(error) => fault(core, shared, error),
    }
}

/// Enters the guest, in the floating-point mode that the instance wants.
#[inline(always)]
unsafe fn enter(core: &Core, shared: &FuncShared, values: *mut [ValRaw]) -> wasmtime::Result<()> {
    // SAFETY: passed on.
    let call = || unsafe { shared.func.get().call_unchecked(core.context(), values) };
    if core.denormals == Denormals::Keep {
        return call();
    }
    let before = float::set(core.denormals);
    let result = call();
    float::restore(before);
    result
}

/// A call ended early: says why, notes what a developer will ask, and closes the gate for good. What the error took of the
/// thread's arena is back when this returns.
#[cold]
#[inline(never)]
fn fault(core: &Core, shared: &FuncShared, error: wasmtime::Error) -> rtw_status_t {
    let host_status = core.host_status.replace(RTW_OK);
    let address = core.fault_address.replace(0);
    let status = match error.downcast_ref::<Trap>() {
        _ if host_status != RTW_OK => RTW_ERR_HOST,
        Some(trap) => trap_status(*trap),
        None if alloc::take_refused() != 0 => RTW_ERR_ARENA,
        None => RTW_ERR_TRAP_OTHER,
    };
    drop(error);
    if let Some(recorder) = &shared.recorder {
        recorder.active().record_fault(alloc::take_peak() as u64);
    }
    core.fault.set(Some(FaultRecord { status, host_status, address }));
    // A child process keeps saying that it is one.
    if core.gate.load(Relaxed) == GATE_IN_CALL {
        core.gate.store(RTW_ERR_FAULTED, Relaxed);
    }
    status
}
