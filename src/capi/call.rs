//! The call.

use super::handle;
use super::instance::rtw_func_t;
use super::value::rtw_value_t;
use crate::engine::call;
use crate::engine::instance::Func;
use crate::rt::unwind;
use crate::status::*;

/// Runs one call of `func` on the calling thread.
///
/// [rt & attached & prepared]  One thread at a time per instance; different instances run in parallel. Host functions may call
/// the instance that called them, on the stack that they were called on.
/// Use it for every call of one instance that stays in place; where instances are exchanged, calls go through a slot.
/// values       in: the arguments; out: the results, on RTW_OK only. Not converted: 16 bytes each, as the signature says.
/// value_count  how many values there are: at least the larger of the function's parameter and result counts; values may be
///              NULL where both are 0.
/// returns  RTW_OK; RTW_ERR_TRAP_... or RTW_ERR_HOST when the guest's call ended early (the instance is then faulted);
///          RTW_ERR_BUDGET when it was cut off (likewise); RTW_ERR_FAULTED when it already was; RTW_ERR_ARENA when it faulted
///          and the reason did not fit; RTW_ERR_NO_MEMORY when a table was to grow (RTW_GROWTH_ALLOWED) and there was no memory;
///          RTW_ERR_FORKED in a child process; RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_VALUES,
///          RTW_ERR_BUSY (it is in a call, or is being reset), RTW_ERR_SIGNALS (standalone: a trap would end the process, see
///          rtw_runtime_signals), RTW_ERR_POISONED, RTW_ERR_INTERNAL: then the guest was not entered, or is not entered again.
///          RTW_ERR_NOT_ATTACHED: the thread is not attached to the instance's runtime (and see attach_on_call in
///          rtw_runtime_config_t). RTW_ERR_STACK_SIZE: guest_stack_bytes and 32 KiB are not left of the stack that the thread
///          is on, or that stack is neither its own nor declared (rtw_thread_config_t, stacks); from a host function: the stack
///          is not the one that the guest runs on, or the guest's part of it is used up. The guest was not entered either.
/// real time: allocates 0, locks 0, system calls 0, page faults 0 once attached and prepared; two clock reads with statistics
///          on. The first call of an instance on another thread or stack than its last one looks the thread up, which takes some
///          tens of ns; on a thread whose cancellations are held off (on_cancel in rtw_thread_config_t) every call does.
///          A fault takes some hundred bytes of the thread's arena instead of malloc's memory and gives them back; in the
///          standalone profile it is delivered as a signal, whose handler takes a read lock on the engine's list of loaded code
///          (see docs/real-time-contract.md). RTW_ERR_ARENA: the fault's reason did not fit into the arena. With RTW_SIGNALS_ASK
///          every call makes five system calls; so does, otherwise, one that the housekeeper has told to ask.
/// cbindgen:postfix=RTW_NONBLOCKING
// The declaration for the header alone: the function is `engine::call::entry`, whose exported name this is.
#[cfg(header)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_invoke(
    func: *mut rtw_func_t,
    values: *mut rtw_value_t,
    value_count: usize,
) -> rtw_status_t {
    unreachable!()
}

/// As rtw_invoke, with a budget for this one call in place of the instance's: a call that takes longer is cut off, or counted,
/// as the instance's on_budget says.
///
/// [rt & attached & prepared]  As rtw_invoke.
/// Use it where one call may take longer than the others of its instance, or less: a preset that is loaded, a shorter block.
/// values, value_count  as for rtw_invoke.
/// budget_ns  the most that this call may take, in ns; 0: no limit. How soon after it a call is cut off depends on the
///            watchdog's tick (rtw_runtime_config_t). A call that a host function makes runs under the budget of the one that
///            called the host.
/// returns  as rtw_invoke; RTW_ERR_BUDGET: cut off, the instance is then faulted; RTW_ERR_UNSUPPORTED: budget_ns is not 0 and
///          the instance was created without a budget, so nobody watches it.
/// real time: as rtw_invoke.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_invoke_budget(
    func: *mut rtw_func_t,
    values: *mut rtw_value_t,
    value_count: usize,
    budget_ns: u64,
) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    let func: &Func = match unsafe { handle::borrow(func) } {
        Ok(func) => func,
        Err(status) => return status,
    };
    let timing = func.timing();
    if budget_ns != 0 && !timing.limited {
        return RTW_ERR_UNSUPPORTED;
    }
    let budget = timing.ticks(budget_ns.min(LONGEST_BUDGET_NS));
    // SAFETY: the values are as many as the caller says; both value types are the same 16 bytes.
    let status = unsafe { call::invoke_apart(func, values.cast(), value_count, Some(budget)) };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    status
}

/// A day: no conversion overflows.
const LONGEST_BUDGET_NS: u64 = 86_400_000_000_000;
