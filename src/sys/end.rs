//! Ends the process with one line that names the cause, if a promise can be neither kept nor refused.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes one line to stderr and ends the process. Allocates nothing; works in signal context.
#[cold]
pub fn process(why: &CStr) -> ! {
    process_of(&[why.to_bytes()])
}

/// Writes one line of several parts to stderr and ends the process. Allocates nothing; works in signal context.
#[cold]
pub fn process_of(why: &[&[u8]]) -> ! {
    let parts = [b"rtwasm: " as &[u8]].into_iter().chain(why.iter().copied()).chain([b"; the process ends\n" as &[u8]]);
    for part in parts {
        // SAFETY: a live range; a failed write has no effect.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: always possible.
    unsafe { libc::abort() }
}

/// Runs a callback of the host's that has to return. If it is unwound instead, the process ends with a line that names it.
#[inline(always)]
pub fn unless_left<T>(callback: &'static str, call: impl FnOnce() -> T) -> T {
    struct Left(&'static str);
    impl Drop for Left {
        #[cold]
        fn drop(&mut self) {
            process_of(&[
                self.0.as_bytes(),
                b" was left by an exception, by pthread_exit or because the thread was cancelled, and has to return",
            ])
        }
    }
    // This catch makes an unwinder find a handler in this frame, and unwind to it.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let left = Left(callback);
        let answer = call();
        std::mem::forget(left);
        answer
    }));
    outcome.unwrap_or_else(|_| process(c"a callback was left"))
}
