//! The call: stamp, enter, leave, stamp, record. Every line here runs on the host's real-time thread.

use rtwasm_enter::{Called, Callee, Ends, Took};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::compiler_fence;
use wasmtime::Trap;
/// A value of a call: 16 bytes, not converted.
pub use wasmtime::ValRaw;

use super::fault::{FaultRecord, trap_status};
use super::handle;
use super::instance::{Core, Func, FuncShared, GATE_ASK, GATE_FREE, GATE_IN_CALL, GATE_IN_HOST};
use super::native::Ended;
use super::own::FuncNoun;
use crate::rt::permit::Opened;
use crate::rt::{arena, cancel, unwind};
use crate::status::*;
use crate::sys::{stack, thread};

/// The entry of all calls of a func: the host's, who knows it as rtw_invoke, a worker's, and dry calls. There is one copy of it:
/// code that is the same but lies elsewhere would be warm in its place.
///
/// # Safety
/// `func` is a handle, NULL or stale ones included; `values` points to at least `count` values, unless `count` is 0; the instance
/// is this thread's.
#[cfg_attr(feature = "capi", unsafe(export_name = "rtw_invoke"))]
#[inline(never)]
pub unsafe extern "C-unwind" fn entry(func: *mut FuncNoun, values: *mut ValRaw, count: usize) -> rtw_status_t {
    // SAFETY: passed on.
    match unsafe { handle::borrow(func) } {
        // SAFETY: passed on.
        Ok(func) => unsafe { invoke(func, values, count) },
        Err(status) => status,
    }
}

/// Runs one call on this thread. `values` holds the arguments and receives the results. A panic does not leave this function,
/// and poisons the instance.
///
/// A cancellation of the thread may interrupt this function, which has nothing to clean up or to catch (see `cancel`). Threads
/// that can be cancelled at any instruction take `invoke_otherwise`, which holds the cancellation off.
///
/// # Safety
/// `values` points to at least `count` values, unless `count` is 0; the calling thread has the instance.
#[inline(always)]
pub unsafe fn invoke(func: &Func, values: *mut ValRaw, count: usize) -> rtw_status_t {
    let (here, token) = (stack::pointer(), thread::token());
    match enters(func, here, token) {
        // SAFETY: passed on; the call was let in.
        Ok(core) => unsafe { invoke_at_once(func, values, count, core, token) },
        // SAFETY: passed on.
        Err((core, gate)) => unsafe { invoke_otherwise(&func.shared, values, count, core, here, gate) },
    }
}

/// Runs one call for the entries other than the first, which share this copy. `budget` is in ticks if the call has a budget of
/// its own; `u64::MAX` means none. A caller that has nothing to clean up calls `unwind::leave` if this returns RTW_ERR_HOST.
///
/// # Safety
/// As for [`invoke`].
#[inline(always)]
pub unsafe fn invoke_apart(func: &Func, values: *mut ValRaw, count: usize, budget: Option<u64>) -> rtw_status_t {
    let here = stack::pointer();
    match enters(func, here, thread::token()) {
        // SAFETY: passed on; the call was let in.
        Ok(core) => unsafe { run(core, &func.shared, GATE_FREE, values, count, budget) },
        // SAFETY: passed on.
        Err((core, gate)) => unsafe { invoke_otherwise_within(&func.shared, values, count, core, here, gate, budget) },
    }
}

/// Returns the core, with its gate closed, if the gate was open and the last permit also lets this call in; otherwise the
/// gate's value.
#[inline(always)]
fn enters(func: &Func, here: usize, token: usize) -> std::result::Result<&Core, (&Core, rtw_status_t)> {
    // SAFETY: a func keeps its instance alive, and the core does not move.
    let core = unsafe { &*func.core };
    // Acquires everything that a reset on another thread has done.
    let gate = core.gate.load(Acquire);
    // A thread that can be cancelled here has no such permit, and does not touch the gate.
    if gate != GATE_FREE {
        return Err((core, gate));
    }
    let Some(permit) = core.pass.admitting(here, token) else { return Err((core, gate)) };
    // Before the pass is checked for a reset that has taken it: see `Core::close`.
    core.gate.store(GATE_IN_CALL, Relaxed);
    compiler_fence(SeqCst);
    if !core.pass.still_leads_to(permit) {
        return Err((core, gate));
    }
    core.note_float();
    core.entered_at.set(here);
    core.caller.store(token, Relaxed);
    Ok(core)
}

/// A call that was let in, and still needs something that most calls do not.
#[cold]
#[inline(never)]
unsafe fn run_otherwise(shared: &Arc<FuncShared>, values: *mut ValRaw, count: usize, core: &Core) -> rtw_status_t {
    // SAFETY: passed on.
    let status = unsafe { run(core, shared, GATE_FREE, values, count, None) };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    status
}

/// A call from a host function, or with another permit than the last one, or with a sealed permit.
#[cold]
#[inline(never)]
unsafe fn invoke_otherwise(
    shared: &Arc<FuncShared>,
    values: *mut ValRaw,
    count: usize,
    core: &Core,
    here: usize,
    gate: rtw_status_t,
) -> rtw_status_t {
    // SAFETY: passed on.
    let status = unsafe { invoke_otherwise_within(shared, values, count, core, here, gate, None) };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    status
}

#[cold]
#[inline(never)]
unsafe fn invoke_otherwise_within(
    shared: &Arc<FuncShared>,
    values: *mut ValRaw,
    count: usize,
    core: &Core,
    here: usize,
    gate: rtw_status_t,
    budget: Option<u64>,
) -> rtw_status_t {
    let mut held = None;
    // In a call from a host function, the outer call has held cancellation off, and lets it in at most while that function may
    // block.
    if gate != GATE_IN_HOST || core.lets_in.get() {
        held = Some(cancel::hold());
    }
    let admitted = admit(core, shared, gate, here);
    if let (Some(held), false) = (held, matches!(admitted, Ok(Some(_)))) {
        // Lets cancellation in here unless the call is admitted.
        cancel::let_in(held);
    }
    match admitted {
        // SAFETY: passed on.
        Ok(None) => unsafe { run_admitted(shared, values, count, core, gate, budget) },
        Ok(Some(opened)) => {
            // SAFETY: passed on.
            let status = unsafe { run_admitted(shared, values, count, core, gate, budget) };
            opened.seal();
            if let Some(held) = held {
                cancel::let_in(held);
            }
            status
        }
        Err(status) => status,
    }
}

/// Runs a call that a gate with the value `gate` let in, from a host function or not.
///
/// # Safety
/// As for [`invoke`].
#[inline(never)]
unsafe fn run_admitted(
    shared: &Arc<FuncShared>,
    values: *mut ValRaw,
    count: usize,
    core: &Core,
    gate: rtw_status_t,
    budget: Option<u64>,
) -> rtw_status_t {
    let outer = (gate == GATE_IN_HOST).then(|| core.begin_inner());
    // Without this, the mode that another call noted may still be there.
    core.host_float.note();
    let Some(outer) = outer else {
        // SAFETY: passed on.
        return unsafe { run(core, shared, gate, values, count, budget) };
    };
    // The gate stays closed until what the host function's call noted is there again. SAFETY: passed on.
    let status = unsafe { run(core, shared, GATE_IN_CALL, values, count, budget) };
    core.end_inner(outer);
    status
}

/// Runs a call that was let in, if it needs nothing more than most calls.
///
/// # Safety
/// As for [`invoke`]; an open gate let the call in. `token` is the calling thread's.
#[inline(always)]
unsafe fn invoke_at_once(func: &Func, mut values: *mut ValRaw, count: usize, core: &Core, token: usize) -> rtw_status_t {
    // SAFETY: a func keeps what it leads to.
    let value_count = unsafe { (*func.callee).value_count };
    if values.is_null() && value_count == 0 {
        values = std::ptr::dangling_mut();
    }
    if let Some(values) = NonNull::new(values)
        && count >= value_count
        && let Some(watched) = core.arena.watched_by(token)
        && !core.host_float.differs(core.float)
    {
        // SAFETY: passed on; it is the calling thread's arena.
        return unsafe { rtwasm_enter::call(func.callee, values, core.called(), watched, &ENDS) };
    }
    // SAFETY: passed on.
    unsafe { run_otherwise(&func.shared, values, count, core) }
}

/// Runs a call after the gate was closed behind it. `gate` is the gate's value afterwards: GATE_IN_CALL if this call was made
/// inside another one.
///
/// # Safety
/// As for [`invoke`].
#[inline(never)]
unsafe fn run(
    core: &Core,
    shared: &Arc<FuncShared>,
    gate: rtw_status_t,
    values: *mut ValRaw,
    count: usize,
    budget: Option<u64>,
) -> rtw_status_t {
    if shared.value_count != 0 {
        if count < shared.value_count {
            return refuse(core, gate, RTW_ERR_VALUES);
        }
        if values.is_null() {
            return refuse(core, gate, RTW_ERR_NULL);
        }
    }
    let values = NonNull::new(values).unwrap_or(NonNull::dangling());
    let nothing = Cell::new(std::ptr::null());
    let watched = core.arena.watched().unwrap_or(&nothing);
    // SAFETY: passed on; the word is the calling thread's.
    let call = || unsafe { rtwasm_enter::call(Arc::as_ptr(shared).cast(), values, core.called(), watched, &ENDS) };
    let (gate_after, is_inner) = (core.gate_after.replace(GATE_IN_CALL), core.is_inner.replace(gate == GATE_IN_CALL));
    let usual = core.timing.budget();
    core.timing.bounds.budget.set(budget.unwrap_or(usual));
    let status = if core.host_float.differs(core.float) { in_changed_float(core, call) } else { call() };
    core.timing.bounds.budget.set(usual);
    core.is_inner.set(is_inner);
    core.gate_after.set(gate_after);
    // Last of all: a reset on another thread, or a signal handler's call, may come as soon as the gate is open.
    if core.gate.load(Relaxed) == GATE_IN_CALL {
        core.gate.store(gate, Release);
    }
    status
}

/// Runs a call in the guest's floating-point environment, which is not the thread's.
fn in_changed_float(core: &Core, call: impl FnOnce() -> rtw_status_t) -> rtw_status_t {
    let modes = core.host_float.modes(core.float);
    core.with_another_float(true);
    modes.enter();
    let status = call();
    modes.leave();
    core.with_another_float(false);
    status
}

/// The guest is not entered, and the gate has its earlier value.
#[cold]
#[inline(never)]
fn refuse(core: &Core, gate: rtw_status_t, status: rtw_status_t) -> rtw_status_t {
    core.gate.store(gate, Relaxed);
    status
}

/// Lets such a call in and closes the gate behind it. Returns the permit to be sealed again, or the status of a refusal.
#[inline(never)]
fn admit(
    core: &Core,
    shared: &FuncShared,
    gate: rtw_status_t,
    here: usize,
) -> std::result::Result<Option<Opened>, rtw_status_t> {
    let admitted = catch_unwind(AssertUnwindSafe(|| {
        if !matches!(gate, GATE_FREE | GATE_ASK) {
            core.has_not_left(here);
            core.reenter(gate)?;
            if !core.is_within_outer_call(here) {
                return Err(RTW_ERR_STACK_SIZE);
            }
            core.gate.store(GATE_IN_CALL, Relaxed);
            // The stack may be too deep for another outer call.
            return Ok(if core.lets_in.get() { core.pass.look_up(here).unwrap_or(None) } else { None });
        }
        core.gate.store(GATE_IN_CALL, Relaxed);
        core.come_in()?;
        let mut opened = None;
        let mut allowed = Ok(());
        if !core.pass.admits(here) {
            allowed = shared.instance.module.runtime.admit(&core.pass, here).map(|found| opened = found);
        }
        if let Err(status) = allowed.and_then(|()| core.reenter(gate)) {
            // The gate returns to its earlier value.
            core.gate.store(gate, Relaxed);
            if let Some(opened) = opened {
                opened.seal();
            }
            return Err(status);
        }
        core.entered_at.set(here);
        core.caller.store(thread::token(), Relaxed);
        Ok(opened)
    }));
    admitted.unwrap_or_else(|_| {
        core.poison();
        Err(RTW_ERR_INTERNAL)
    })
}

static ENDS: Ends = Ends { late, fault: fault_and_leave, panicked };

/// Counts a call that took longer than its budget or its deadline.
///
/// # Safety
/// It is the start of a core.
#[cold]
#[inline(never)]
unsafe fn late(called: *const Called, took: Took<'_>) {
    // SAFETY: as the caller promises.
    let core = unsafe { Core::of(called) };
    if took.ended_well && took.ticks > took.budget {
        took.histogram.record_overrun();
    }
    if took.ticks > core.timing.bounds.deadline && !core.timing.was_cut_off() {
        took.histogram.record_miss();
    }
}

/// Poisons the instance after a panic.
///
/// # Safety
/// It is the start of a core.
#[cold]
unsafe fn panicked(called: *const Called, panic: Box<dyn Any + Send>) -> rtw_status_t {
    // Dropping the payload may free memory; a call that met a defect of this library is late already.
    drop(panic);
    // SAFETY: as the caller promises.
    unsafe { Core::of(called) }.poison();
    RTW_ERR_INTERNAL
}

/// As `fault`. A thread that was ending in a host function continues to end here, unless the call's caller will see to that.
///
/// # Safety
/// As for `fault`.
#[cold]
#[inline(never)]
unsafe fn fault_and_leave(
    called: *const Called,
    callee: *const Callee,
    error: wasmtime::Error,
    values: NonNull<ValRaw>,
) -> rtw_status_t {
    // SAFETY: passed on.
    let status = unsafe { fault(called, callee, error, values) };
    // SAFETY: as the caller promises.
    if status == RTW_ERR_HOST && unsafe { Core::of(called) }.gate_after.get() != GATE_IN_CALL {
        unwind::leave();
    }
    status
}

/// A call ended early: finds the status, notes what developers will query, and closes the gate for good, or opens it again for a guest
/// without state. The error's memory in the thread's arena is free again when this returns.
///
/// # Safety
/// It is the start of a core, and the callee that of a func; the values are writable.
unsafe fn fault(called: *const Called, callee: *const Callee, error: wasmtime::Error, values: NonNull<ValRaw>) -> rtw_status_t {
    // SAFETY: as the caller promises.
    let (core, shared) = unsafe { (Core::of(called), &*callee.cast::<FuncShared>()) };
    let mut host_status = core.host_status.replace(RTW_OK);
    let ended = core.ended.replace(Ended::No);
    let by_signal = core.fault_address.get() != 0;
    let address = core.take_fault_address();
    let trap = error.downcast_ref::<Trap>().copied();
    let in_host = host_status != RTW_OK || ended != Ended::No;
    let cut_off = core.timing.failed_by_cut_off(trap, in_host);
    let mut import = None;
    match ended {
        Ended::Exit(code) if !cut_off => host_status = code,
        Ended::Stub(index) if !cut_off => import = Some(index),
        _ => {}
    }
    let status = match (ended.status(), trap) {
        _ if cut_off => RTW_ERR_BUDGET,
        (Some(status), _) => status,
        _ if host_status != RTW_OK => RTW_ERR_HOST,
        (_, Some(trap)) => trap_status(trap),
        _ if arena::take_refused() != 0 => RTW_ERR_ARENA,
        // A table was to grow, which the host had allowed.
        _ if error.is::<wasmtime::error::OutOfMemory>() => RTW_ERR_NO_MEMORY,
        _ => RTW_ERR_TRAP_OTHER,
    };
    drop(error);
    let is_success = status == RTW_ERR_EXITED && host_status == 0;
    if let Some(recorder) = shared.recorder.as_ref().filter(|_| !is_success) {
        recorder.active().record_fault(arena::take_peak() as u64, cut_off);
    }
    let closed = core.gate.load(Relaxed);
    // A call from inside this one has faulted.
    let inner = core.fault.get().filter(|_| closed != GATE_IN_CALL);
    let record = match inner {
        // A host function made the call that was cut off: the place is known from there.
        Some(inner) if cut_off && inner.status == RTW_ERR_BUDGET => inner,
        _ => FaultRecord { status, host_status, import, address, by_signal, growth: core.growth.story() },
    };
    if cut_off && inner.is_none() {
        shared.instance.module.runtime.watchdog().count_cut_off();
    }
    core.fault.set(Some(record));
    // A child process keeps the status that says it is one.
    if matches!(closed, GATE_IN_CALL | RTW_ERR_FAULTED) {
        // SAFETY: the outermost call has ended.
        let goes_on = !core.is_inner.get() && record.leaves_engine_whole() && unsafe { shared.instance.goes_on() };
        // Releases what was noted before it to readers on other threads.
        core.gate.store(if goes_on { core.gate_after.get() } else { RTW_ERR_FAULTED }, Release);
    }
    if is_success {
        // SAFETY: passed on.
        unsafe { std::slice::from_raw_parts_mut(values.as_ptr(), shared.value_count) }.fill(ValRaw::i64(0));
        return RTW_OK;
    }
    status
}
