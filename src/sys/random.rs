//! Random numbers from the system.

use std::io;

/// Fills a few bytes, at most 256, with random numbers.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    // SAFETY: a live range.
    match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
        got if got == bytes.len() as isize => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
