//! The end of the process where a promise can neither be kept nor refused: one line that says what was done.

use std::ffi::CStr;

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
