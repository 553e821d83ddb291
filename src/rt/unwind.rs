//! Calls a host's function that may be left by unwinding, and reports how it was left.
//!
//! An exception can be caught, but forced unwinding (by `pthread_exit` or a cancellation) has to continue: code that stops it
//! must resume it. Rust cannot stop it for a while, so the function is called from a frame of its own, with a personality of
//! its own: once the frames above it are gone, execution continues there as if the function had returned. [`Mark`] remembers
//! the C library's cleanup handlers at that place, and resumes the unwinding later, from another place below it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use crate::status::rtw_status_t;

/// A host function: user data, the instance's handle, arguments in and results out.
pub type HostFn = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, *mut c_void) -> rtw_status_t;

/// The way in which a function was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    Back(rtw_status_t),
    /// `pthread_exit` or a cancellation, which has to be resumed.
    Leaving,
    /// An exception, which goes no further.
    Thrown,
}

/// Larger than every status.
const LEAVING: i64 = 1 << 32;
const THROWN: i64 = 2 << 32;

/// Calls the function in a frame at which unwinding stops.
///
/// # Safety
/// The function may be called with these arguments.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub unsafe fn call(func: HostFn, user_data: *mut c_void, instance: *mut c_void, values: *mut c_void) -> Came {
    // SAFETY: passed on.
    match unsafe { rtwasm_stopping_call(func, user_data, instance, values) } {
        LEAVING => Came::Leaving,
        THROWN => Came::Thrown,
        status => Came::Back(status as rtw_status_t),
    }
}

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.rtwasm_stopping_call,\"ax\",@progbits",
    ".globl rtwasm_stopping_call",
    ".hidden rtwasm_stopping_call",
    ".type rtwasm_stopping_call,@function",
    ".p2align 4",
    "rtwasm_stopping_call:",
    ".cfi_startproc",
    ".cfi_personality 0x1b, {personality}",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "call rax",
    "movsxd rax, eax",
    ".globl rtwasm_stopped",
    ".hidden rtwasm_stopped",
    "rtwasm_stopped:",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size rtwasm_stopping_call, .-rtwasm_stopping_call",
    ".popsection",
    personality = sym personality,
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.rtwasm_stopping_call,\"ax\",@progbits",
    ".globl rtwasm_stopping_call",
    ".hidden rtwasm_stopping_call",
    ".type rtwasm_stopping_call,@function",
    ".p2align 4",
    "rtwasm_stopping_call:",
    ".cfi_startproc",
    ".cfi_personality 0x1b, {personality}",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    ".cfi_def_cfa_register x29",
    "mov x9, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "blr x9",
    "sxtw x0, w0",
    ".globl rtwasm_stopped",
    ".hidden rtwasm_stopped",
    "rtwasm_stopped:",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa sp, 0",
    "ret",
    ".cfi_endproc",
    ".size rtwasm_stopping_call, .-rtwasm_stopping_call",
    ".popsection",
    personality = sym personality,
);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" {
    fn rtwasm_stopping_call(func: HostFn, user_data: *mut c_void, instance: *mut c_void, values: *mut c_void) -> i64;
    /// The place where the stopped call continues. It is not a function.
    fn rtwasm_stopped();
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
}

/// The personality of that frame, which the unwinder calls, by the Itanium C++ ABI.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    _class: u64,
    _exception: *mut c_void,
    context: *mut c_void,
) -> c_int {
    const SEARCH_PHASE: c_int = 1;
    const FORCE_UNWIND: c_int = 8;
    const HANDLER_FOUND: c_int = 6;
    const INSTALL_CONTEXT: c_int = 7;
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    let came = if actions & FORCE_UNWIND != 0 { LEAVING } else { THROWN };
    // SAFETY: the unwinder's own context; register 0 returns results, on both machines.
    unsafe {
        _Unwind_SetGR(context, 0, came as usize);
        _Unwind_SetIP(context, rtwasm_stopped as *const () as usize);
    }
    INSTALL_CONTEXT
}

/// The C library's `__pthread_unwind_buf_t`, of which it uses the last words only; large enough for every machine's.
#[repr(C, align(16))]
struct Buffer([usize; 48]);

unsafe extern "C-unwind" {
    fn __pthread_register_cancel(buffer: *mut Buffer);
    fn __pthread_unregister_cancel(buffer: *mut Buffer);
    fn __pthread_unwind_next(buffer: *mut Buffer) -> !;
}

thread_local! {
    /// True if the thread was ending, and was stopped.
    static STOPPED: Cell<bool> = const { Cell::new(false) };
    static OWN: Cell<bool> = const { Cell::new(false) };
    /// The number of callers above that will resume the unwinding.
    static AWAITED: Cell<u32> = const { Cell::new(0) };
}

/// The cleanup handlers that are registered at a place.
pub struct Mark(Buffer);

impl Mark {
    pub fn here() -> Mark {
        let mut mark = Mark(Buffer([0; 48]));
        // SAFETY: registering records the previous handlers, and this is unregistered at once.
        unsafe {
            __pthread_register_cancel(&mut mark.0);
            __pthread_unregister_cancel(&mut mark.0);
        }
        mark
    }

    /// The thread, which was ending, has come back to this place, and the handlers above it are gone. [`leave`] resumes the
    /// unwinding.
    pub fn stop(mut self) {
        // SAFETY: makes the handlers at this place the first ones.
        unsafe { __pthread_unregister_cancel(&mut self.0) };
        STOPPED.set(true);
    }
}

/// Resumes the unwinding of this thread if it was stopped, and no caller above will do so.
#[cold]
#[inline(never)]
pub fn leave() {
    if !STOPPED.get() || AWAITED.get() != 0 {
        return;
    }
    STOPPED.set(false);
    let mut buffer = Buffer([0; 48]);
    // SAFETY: the callers' frames may be unwound, as `cancel` explains.
    unsafe {
        __pthread_register_cancel(&mut buffer);
        __pthread_unwind_next(&mut buffer);
    }
}

/// Runs code that has destructors on the stack: a thread that is stopped inside continues ending after it.
pub fn awaited(run: &mut dyn FnMut()) {
    AWAITED.set(AWAITED.get() + 1);
    run();
    AWAITED.set(AWAITED.get() - 1);
}

/// Marks the calling thread as the library's own, which must not end in a callback.
pub fn is_own() {
    OWN.set(true);
}

/// True if the calling thread may end inside a host function.
pub fn may_leave() -> bool {
    !OWN.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C-unwind" fn adds(a: *mut c_void, b: *mut c_void, c: *mut c_void) -> rtw_status_t {
        -((a as usize + 10 * b as usize + 100 * c as usize) as rtw_status_t)
    }

    unsafe extern "C-unwind" fn throws(_: *mut c_void, _: *mut c_void, _: *mut c_void) -> rtw_status_t {
        std::panic::resume_unwind(Box::new(7))
    }

    #[test]
    fn a_function_returns_or_is_left() {
        let at = |address: usize| address as *mut c_void;
        // SAFETY: neither function follows its pointers.
        unsafe {
            assert_eq!(call(adds, at(3), at(2), at(1)), Came::Back(-123));
            assert_eq!(call(throws, at(0), at(0), at(0)), Came::Thrown);
            assert_eq!(call(adds, at(1), at(0), at(0)), Came::Back(-1));
        }
    }
}
