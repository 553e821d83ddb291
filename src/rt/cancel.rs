//! Holds off the cancellation of threads (`pthread_cancel`) where neither a guest nor this library would survive it.
//!
//! A cancellation unwinds the stack, and nothing can unwind a guest. On a thread of the ordinary, deferred cancel type it
//! happens only in certain functions of the system ("cancellation points"), so a call of a guest is safe. On a thread of the
//! asynchronous type, which JACK uses for its clients' callbacks, it happens at any instruction. No function reports if one is
//! waiting, so it is delivered in [`let_in`], which therefore may be left by unwinding. So may every caller of it, up to the
//! host.
//!
//! Code that has to clean up or to catch can be unwound only at its calls. So functions that are left, or interrupted, while
//! cancellation is not held off have no such code: an entry of the C API holds cancellation off, calls a function of its own
//! that does the work, and lets it in again. `tests/hosts` checks that no entry has tables of handlers, which only functions
//! with such code have.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::null_mut;

use super::{callback, unwind};
use crate::sys::cancellation::{ASYNCHRONOUS, DEFERRED, DISABLE, ENABLE, pthread_setcancelstate, pthread_setcanceltype};
use crate::sys::stack;

thread_local! {
    /// The state that the outermost [`hold`] found on a thread of the asynchronous type.
    static OUTSIDE: Cell<Option<Held>> = const { Cell::new(None) };
    /// The place on the stack of the innermost [`held`].
    static SECTION_AT: Cell<usize> = const { Cell::new(0) };
}

/// The approximate place on the stack of the running [setup] function's call; 0 if none runs.
pub fn section_at() -> usize {
    SECTION_AT.get()
}

/// Says that cancellation is held off, and holds the state before. It is not restored on drop, since the place of the
/// restoration may unwind.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Held {
    state: c_int,
    kind: c_int,
}

impl Held {
    /// True if the thread could be cancelled at any instruction, had not this held it off.
    #[inline]
    pub fn is_asynchronous(self) -> bool {
        self.kind == ASYNCHRONOUS
    }
}

/// Holds off a cancellation of the calling thread until [`let_in`]. Changes a word of the thread's own; no system call.
///
/// Disabling alone is not enough: a cancellation that found it enabled is on its way as a signal, whose handler in the C
/// library checks the type only (glibc 2.36). The deferred type alone would let a cancellation in at cancellation points, in
/// host functions.
#[inline]
pub fn hold() -> Held {
    let (mut state, mut kind) = (DISABLE, DEFERRED);
    // SAFETY: changes a word of this thread's. A cancellation that is on its way may happen in the first of the two calls, as
    // anywhere before it.
    unsafe {
        pthread_setcanceltype(DEFERRED, &mut kind);
        pthread_setcancelstate(DISABLE, &mut state);
    }
    let held = Held { state, kind };
    if held.is_asynchronous() {
        OUTSIDE.set(Some(held));
    }
    held
}

/// Restores the earlier state. If this lets in a cancellation that has arrived meanwhile, and the thread's type is
/// asynchronous, this does not return: the thread's stack is unwound from here.
#[inline]
pub fn let_in(held: Held) {
    // SAFETY: the callers' frames may be unwound, as the module's comment says.
    unsafe {
        if held.state == ENABLE {
            pthread_setcancelstate(ENABLE, null_mut());
        }
        if held.is_asynchronous() {
            OUTSIDE.set(None);
            pthread_setcanceltype(ASYNCHRONOUS, null_mut());
        }
    }
}

/// Runs `work` with cancellation held off. This is a function of its own, and so is the one that calls `work`.
#[inline(never)]
pub fn held(work: &mut dyn FnMut()) {
    let (held, here) = (hold(), stack::pointer());
    callback::none_was_left(here);
    let outer = SECTION_AT.replace(here);
    unwind::awaited(work);
    SECTION_AT.set(outer);
    let_in(held);
    unwind::leave();
}

/// Lets a cancellation in at cancellation points, on a thread that could be cancelled at any instruction if it were not held
/// off. Returns false if there is nothing to let in. [`hold_again`] reverses it.
pub fn let_in_at_points() -> bool {
    let lets_in = OUTSIDE.get().is_some_and(|held| held.state == ENABLE);
    if lets_in {
        // SAFETY: the type is deferred, so no cancellation happens here.
        unsafe { pthread_setcancelstate(ENABLE, null_mut()) };
    }
    lets_in
}

pub fn hold_again() {
    // SAFETY: as above.
    unsafe { pthread_setcancelstate(DISABLE, null_mut()) };
}

/// True if the calling thread can be cancelled at any instruction while nothing holds that off. No function returns the type,
/// so this sets it and restores it.
pub fn is_asynchronous() -> bool {
    let held = hold();
    let_in(held);
    held.is_asynchronous() || OUTSIDE.get().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_told_and_stays() {
        std::thread::spawn(|| {
            assert!(!is_asynchronous());
            // SAFETY: no other thread cancels this one.
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
