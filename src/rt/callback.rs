//! Runs callbacks of the host's, which have to return. If one does not, the process ends with a line that names it.
//!
//! A callback that is unwound is noticed at once. A `longjmp` out of one cannot be seen when it happens: nothing is unwound. So each
//! thread records the innermost callback that runs on it, and its place on the stack. A [setup] function that begins further up the
//! same stack, or an outer callback that returns, finds that the callback is gone. Further down, a [setup] function may be one that
//! the callback calls.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::permit;
use crate::sys::{end, stack};

/// The innermost callback that runs on a thread.
#[derive(Clone, Copy)]
struct Running {
    /// The stack pointer at its call.
    at: usize,
    /// Ends the process with a line that names the callback, which `longjmp` has left.
    left: unsafe fn(*const c_void),
    data: *const c_void,
}

/// The places of no callback: above every stack.
const NONE: usize = usize::MAX;
/// The thread has changed stacks inside callbacks, and returned from them in another order: nothing more can be concluded.
const UNKNOWN: usize = usize::MAX - 1;

thread_local! {
    static RUNNING: Cell<Running> = const { Cell::new(Running { at: NONE, left: nothing, data: std::ptr::null() }) };
}

unsafe fn nothing(_: *const c_void) {}

/// Runs a callback of the host's. If it is unwound instead of returning, the process ends with a line that has the name.
#[inline(always)]
pub fn returning<T>(name: &'static &'static str, call: impl FnOnce() -> T) -> T {
    struct Left(&'static str);
    impl Drop for Left {
        #[cold]
        fn drop(&mut self) {
            named(self.0, b"an exception, by pthread_exit or because the thread was cancelled")
        }
    }
    /// # Safety
    /// `name` points to a name.
    unsafe fn jumped(name: *const c_void) {
        // SAFETY: as the caller promises.
        named(unsafe { *name.cast::<&'static str>() }, b"longjmp")
    }
    let _record = Record::begin(jumped, std::ptr::from_ref(name).cast());
    // This catch makes an unwinder find a handler in this frame, and unwind to it.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let left = Left(name);
        let answer = call();
        std::mem::forget(left);
        answer
    }));
    outcome.unwrap_or_else(|_| end::process(c"a callback was left"))
}

#[cold]
fn named(name: &str, by: &[u8]) -> ! {
    end::process_of(&[name.as_bytes(), b" was left by ", by, b", and has to return"])
}

/// As long as this lives, something runs on the thread that calls a function of the host's.
pub struct Record {
    outer: Running,
    at: usize,
}

impl Record {
    /// `left(data)` ends the process with a line that names the function that `longjmp` has left.
    #[inline(always)]
    pub fn begin(left: unsafe fn(*const c_void), data: *const c_void) -> Record {
        let at = stack::pointer();
        RUNNING.with(|running| {
            let outer = running.get();
            if outer.at != UNKNOWN {
                running.set(Running { at, left, data });
            }
            Record { outer, at }
        })
    }
}

impl Drop for Record {
    #[inline(always)]
    fn drop(&mut self) {
        RUNNING.with(|running| {
            if running.get().at == self.at {
                running.set(self.outer);
            } else {
                ends_out_of_order(running);
            }
        });
    }
}

#[cold]
#[inline(never)]
fn ends_out_of_order(running: &Cell<Running>) {
    let inner = running.get();
    if inner.at != UNKNOWN {
        judge(inner, stack::pointer());
        running.set(Running { at: UNKNOWN, ..inner });
    }
}

/// Ends the process if a callback was left by `longjmp`: one is recorded as running on this thread, and `here`, the stack pointer
/// of a [setup] function that begins, is further up the same stack.
#[inline(always)]
pub fn none_was_left(here: usize) {
    let running = RUNNING.get();
    if running.at <= here {
        judge(running, here);
    }
}

#[cold]
#[inline(never)]
fn judge(running: Running, here: usize) {
    let both = [running.at, here];
    // A callback may run on another stack of the host's, and may have changed to another.
    let is_one_stack =
        stack::own().is_ok_and(|own| both.iter().all(|at| own.contains(at))) || permit::are_on_one_stack(running.at, here);
    if running.at < here && is_one_stack {
        // SAFETY: what was recorded belongs together, and still exists: whoever keeps it was left with the callback.
        unsafe { (running.left)(running.data) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_nested_and_end_with_what_they_are_for() {
        let at = || RUNNING.get().at;
        assert_eq!(at(), NONE);
        returning(&"an outer callback", || {
            let outer = at();
            assert!(outer < NONE);
            none_was_left(stack::pointer());
            returning(&"an inner callback", || assert!(at() < outer));
            assert_eq!(at(), outer);
            let panics = catch_unwind(|| {
                let _record = Record::begin(nothing, std::ptr::null());
                std::panic::resume_unwind(Box::new(()));
            });
            assert!(panics.is_err());
            assert_eq!(at(), outer, "a panic in between ends the record too");
        });
        assert_eq!(at(), NONE);
    }

    #[test]
    fn callbacks_on_several_stacks_that_end_in_another_order_prove_nothing() {
        std::thread::spawn(|| {
            // As if it were on another stack, further down and further up.
            let here = stack::pointer();
            let first = Record::begin(nothing, std::ptr::null());
            RUNNING.set(Running { at: 4096, left: ends, data: std::ptr::null() });
            none_was_left(here);
            drop(first);
            assert_eq!(RUNNING.get().at, UNKNOWN);
            returning(&"a callback", || none_was_left(usize::MAX / 2));
            assert_eq!(RUNNING.get().at, UNKNOWN);
        })
        .join()
        .unwrap();
        unsafe fn ends(_: *const c_void) {
            panic!("judged")
        }
    }

    #[test]
    fn one_that_was_left_is_found_from_further_up() {
        unsafe fn found(_: *const c_void) {
            FOUND.set(true);
        }
        thread_local!(static FOUND: Cell<bool> = const { Cell::new(false) });
        let here = stack::pointer();
        let _record = Record::begin(found, std::ptr::null());
        none_was_left(RUNNING.get().at - 64);
        assert!(!FOUND.get());
        // The frame of this test may be the record's own.
        none_was_left(here.max(RUNNING.get().at) + 64);
        assert!(FOUND.get());
    }
}
