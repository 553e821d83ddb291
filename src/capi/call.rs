//! Calls of guests in real time.

use std::num::NonZeroU64;

use super::handle;
use super::instance::rtw_func_t;
use super::value::rtw_value_t;
use crate::engine::budget::LONGEST_NS;
use crate::engine::call;
use crate::engine::instance::Func;
use crate::rt::unwind;
use crate::status::*;

/// Calls a guest's function on the calling thread.
///
/// [rt & attached & prepared]  One thread at a time per instance; different instances run in parallel. A host function may
///                             call the instance that called it, on the same stack.
/// Use it to call an instance that is not in a slot, and in a slot's block (rtw_slot_begin) to call the block's instance.
/// values       in: the arguments; out: the results, written on RTW_OK only. 16 bytes each. The call does not check types:
///              set the member that the signature names.
/// value_count  number of values: at least the larger of the function's numbers of parameters and results. If both are 0,
///              values may be NULL.
/// returns  RTW_OK; or the guest's call ended early and the instance is faulted, unless it is stateless: RTW_ERR_TRAP_..., RTW_ERR_HOST,
///          RTW_ERR_BUDGET (cut off), RTW_ERR_ARENA (the reason did not fit into the arena), RTW_ERR_NO_MEMORY
///          (RTW_GROWTH_ALLOWED, and a table got no memory); or the guest was not entered: RTW_ERR_FAULTED (it faulted
///          before), RTW_ERR_BUSY (it is in a call or being reset), RTW_ERR_NOT_ATTACHED (the thread is not attached to the
///          instance's runtime; see attach_on_call in rtw_runtime_config_t), RTW_ERR_STACK_SIZE (the stack has less than
///          guest_stack_bytes and 32 KiB left, or is neither the thread's own nor declared in rtw_thread_config_t; from a
///          host function: it is not the stack that the guest runs on, or the guest's part of it is used up), RTW_ERR_SIGNALS
///          (standalone: a trap would end the process; see rtw_runtime_signals), RTW_ERR_NULL, RTW_ERR_HANDLE,
///          RTW_ERR_VALUES, RTW_ERR_FORKED, RTW_ERR_POISONED, RTW_ERR_INTERNAL.
/// real time: allocates 0, locks 0, system calls 0, page faults 0 once attached and prepared; two clock reads with
///            statistics. The first call after the instance has moved to another thread or stack takes some tens of ns
///            longer; so does every call on a thread that defers cancellation (on_cancel in rtw_thread_config_t). A fault
///            takes some hundred bytes from the thread's arena, not from malloc, and returns them; in the standalone profile
///            it arrives as a signal, whose handler takes a read lock on the engine's list of loaded code
///            (docs/real-time-contract.md). With RTW_SIGNALS_ASK every call makes five system calls, on aarch64 four; with
///            RTW_SIGNALS_LOOK a call makes them only after the housekeeper has found a handler replaced or a signal blocked.
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

/// Calls a guest's function with a budget for this call instead of the instance's. A call that takes longer is cut off or
/// counted, as the instance's on_budget says.
///
/// [rt & attached & prepared]  As rtw_invoke.
/// Use it if one call may take longer or less than the instance's other calls: to load a preset, for a shorter block.
/// values, value_count  as for rtw_invoke.
/// budget_ns  longest time of this call, in ns; 0: no limit. How soon after it the call is cut off depends on the watchdog's
///            tick (rtw_runtime_config_t). A call from a host function runs under the budget of the call that called the
///            host.
/// returns  as rtw_invoke; RTW_ERR_UNSUPPORTED: budget_ns is not 0, and the instance was created without a budget, so it is
///          not watched.
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
    let budget = timing.ticks(NonZeroU64::new(budget_ns.min(LONGEST_NS)));
    // SAFETY: the values are as many as the caller says; both value types are the same 16 bytes.
    let status = unsafe { call::invoke_apart(func, values.cast(), value_count, Some(budget)) };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    status
}
