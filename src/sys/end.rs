//! Ends the process with one line that names the cause, if a promise can be neither kept nor refused.

use std::ffi::CStr;

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
