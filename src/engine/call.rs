//! The call: stamp, enter, leave, stamp, record. Every line here runs on somebody's real-time thread.

use std::sync::atomic::Ordering::Relaxed;
use wasmtime::{Trap, ValRaw};

use super::instance::{Func, GATE_FREE, GATE_IN_CALL, trap_status};
use crate::rt::clock;
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
    if gate != GATE_FREE {
        return gate;
    }
    if count < func.value_count {
        return RTW_ERR_VALUES;
    }
    if values.is_null() && func.value_count != 0 {
        return RTW_ERR_NULL;
    }
    core.gate.store(GATE_IN_CALL, Relaxed);
    let values = std::ptr::slice_from_raw_parts_mut(values, func.value_count);
    // SAFETY: the gate was open, so no other call uses the store; the values are as many as the type has.
    let result = unsafe {
        match &func.recorder {
            None => func.func.call_unchecked(core.context(), values),
            Some(recorder) => {
                let started = clock::ticks();
                let result = func.func.call_unchecked(core.context(), values);
                let ended = clock::ticks();
                recorder.active().record(ended.wrapping_sub(started));
                result
            }
        }
    };
    match result {
        Ok(()) => {
            core.gate.store(GATE_FREE, Relaxed);
            RTW_OK
        }
        Err(error) => fault(func, error),
    }
}

/// A call ended early: says why, and closes the gate for good.
#[cold]
#[inline(never)]
fn fault(func: &Func, error: wasmtime::Error) -> rtw_status_t {
    // SAFETY: as in `invoke`.
    let core = unsafe { &*func.core };
    if let Some(recorder) = &func.recorder {
        recorder.active().record_fault();
    }
    let status = match (core.host_status.replace(RTW_OK), error.downcast_ref::<Trap>()) {
        (RTW_OK, Some(trap)) => trap_status(*trap),
        (RTW_OK, None) => RTW_ERR_TRAP_OTHER,
        (_, _) => RTW_ERR_HOST,
    };
    core.gate.store(RTW_ERR_FAULTED, Relaxed);
    status
}
