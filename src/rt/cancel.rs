//! Cancellation of threads (`pthread_cancel`), which neither a guest nor this library survives: held off where it could come.
//!
//! A cancellation unwinds the stack, and nothing unwinds a guest. On a thread of the ordinary, deferred cancel type it comes in
//! certain functions of the system only ("cancellation points"), so a call of a guest is safe. On a thread of the asynchronous type, as JACK runs its
//! clients' callbacks on, it comes at any instruction. There is no way to ask whether one is waiting, so it is delivered where it is
//! let in again: in [`let_in`], which therefore may be left by unwinding. So may everything that calls it, up to the host.
//!
//! Code with something to clean up or to catch can be unwound at its calls only. So a function that is left, or interrupted, outside
//! of what holds a cancellation off has nothing of the kind: an entry of the C API holds it off, calls a function of its own that does
//! the work, and lets it in again. `tests/hosts` looks that no entry has tables of handlers, which only the former have.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::null_mut;

use super::unwind;
use crate::sys::cancellation::{ASYNCHRONOUS, DEFERRED, DISABLE, ENABLE, pthread_setcancelstate, pthread_setcanceltype};
use crate::sys::stack;

thread_local! {
    /// What the first of those that hold has found, on a thread of the asynchronous type.
    static OUTSIDE: Cell<Option<Held>> = const { Cell::new(None) };
    /// Where on the stack the innermost [`held`] is.
    static SECTION_AT: Cell<usize> = const { Cell::new(0) };
}

/// Where on the stack the [setup] function was called that runs, nearly; 0 where none does.
pub fn section_at() -> usize {
    SECTION_AT.get()
}

/// That cancellation is held off, and how it was before. Not let in again by itself: where that happens somebody may unwind.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Held {
    state: c_int,
    kind: c_int,
}

/// Holds off what would cancel the calling thread, until [`let_in`]. Changes of a word of the thread's own: no system call.
///
/// Disabling alone does not do: a cancellation that found it enabled is under way as a signal, whose handler in the C library looks at
/// the type only (glibc 2.36). And the other type alone would let one in at cancellation points, in host functions.
#[inline]
pub fn hold() -> Held {
    let (mut state, mut kind) = (DISABLE, DEFERRED);
    // SAFETY: changes a word of this thread's. What is under way may come in the first of the two, as anywhere before it.
    unsafe {
        pthread_setcanceltype(DEFERRED, &mut kind);
        pthread_setcancelstate(DISABLE, &mut state);
    }
    let held = Held { state, kind };
    if kind == ASYNCHRONOUS {
        OUTSIDE.set(Some(held));
    }
    held
}

/// Back to what it was before. If that lets a cancellation in that has come meanwhile, and the thread's type is asynchronous, this
/// does not return: the thread's stack is unwound from here.
#[inline]
pub fn let_in(held: Held) {
    // SAFETY: the callers' frames may be unwound, as the module says.
    unsafe {
        if held.state == ENABLE {
            pthread_setcancelstate(ENABLE, null_mut());
        }
        if held.kind == ASYNCHRONOUS {
            OUTSIDE.set(None);
            pthread_setcanceltype(ASYNCHRONOUS, null_mut());
        }
    }
}

/// Runs `work` with cancellation held off. A function of its own, that of which `work` is called, too.
#[inline(never)]
pub fn held(work: &mut dyn FnMut()) {
    let held = hold();
    let outer = SECTION_AT.replace(stack::pointer());
    unwind::awaited(work);
    SECTION_AT.set(outer);
    let_in(held);
    unwind::leave();
}

/// Lets a cancellation in at cancellation points, where the thread would be cancelled at any instruction were it not held off. False
/// where there is nothing to let in. To be taken back by [`hold_again`].
pub fn let_in_at_points() -> bool {
    let lets_in = OUTSIDE.get().is_some_and(|held| held.state == ENABLE);
    if lets_in {
        // SAFETY: the type is the deferred one: nothing comes here.
        unsafe { pthread_setcancelstate(ENABLE, null_mut()) };
    }
    lets_in
}

pub fn hold_again() {
    // SAFETY: as above.
    unsafe { pthread_setcancelstate(DISABLE, null_mut()) };
}

/// Whether the calling thread can be cancelled at any instruction, where that is not held off. There is no function that tells: the
/// type is set and set back.
pub fn is_asynchronous() -> bool {
    let held = hold();
    let_in(held);
    held.kind == ASYNCHRONOUS || OUTSIDE.get().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_told_and_stays() {
        std::thread::spawn(|| {
            assert!(!is_asynchronous());
            // SAFETY: nobody cancels this thread.
            unsafe { pthread_setcanceltype(ASYNCHRONOUS, null_mut()) };
            assert!(is_asynchronous() && is_asynchronous());
            let held = hold();
            let again = hold();
            assert_eq!((held.state, held.kind, again.state, again.kind), (ENABLE, ASYNCHRONOUS, DISABLE, DEFERRED));
            assert!(is_asynchronous(), "it is what it is outside");
            let_in(again);
            let third = hold();
            assert_eq!((third.state, third.kind), (DISABLE, DEFERRED), "it was held off before");
            let_in(held);
            let fourth = hold();
            assert_eq!((fourth.state, fourth.kind), (ENABLE, ASYNCHRONOUS));
            let_in(fourth);
            // SAFETY: as above.
            unsafe { pthread_setcanceltype(DEFERRED, null_mut()) };
            assert!(!is_asynchronous());
        })
        .join()
        .unwrap();
    }
}
