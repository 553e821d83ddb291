//! The end of the process where a promise can neither be kept nor refused: one line that says what was done.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes one line to stderr and ends the process. Allocates nothing; in signal context, too.
#[cold]
pub fn process(why: &CStr) -> ! {
    process_of(&[why.to_bytes()])
}

/// The same with a line of several parts.
#[cold]
pub fn process_of(why: &[&[u8]]) -> ! {
    let parts = [b"rtwasm: " as &[u8]].into_iter().chain(why.iter().copied()).chain([b"; the process ends\n" as &[u8]]);
    for part in parts {
        // SAFETY: a live range; what cannot be written is not.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: always possible.
    unsafe { libc::abort() }
}

/// Runs a callback of the host's that has to return: where it is unwound instead, the process ends with a line that names it.
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
    // Caught so that whoever looks for somebody to catch it finds this frame, and unwinds to it.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let left = Left(callback);
        let answer = call();
        std::mem::forget(left);
        answer
    }));
    outcome.unwrap_or_else(|_| process(c"a callback was left"))
}
