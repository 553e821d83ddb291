//! Texts and errors about arguments, shared by the boundaries of the two C libraries, this one and the compiler's. The
//! entry points and the struct of errors are each library's own, so that no binary has a second copy of an exported symbol.

use std::ffi::{CStr, c_char};
use std::fmt::Display;

use crate::status::*;

/// A required C string; `what` names the argument in the error.
///
/// # Safety
/// NULL or NUL-terminated, and unchanged while it is used.
pub unsafe fn required<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: passed on.
    unsafe { optional(text, what) }?.ok_or_else(|| Error::new(RTW_ERR_NULL, format!("{what} is NULL")))
}

/// A C string that may be NULL.
///
/// # Safety
/// As for [`required`].
pub unsafe fn optional<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: NUL-terminated as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| Error::new(RTW_ERR_ARGUMENT, format!("{what} is not UTF-8")))
}

/// Copies into a fixed array, cut at a character's boundary where it is too long, always NUL-terminated.
pub fn copy(text: &str, array: &mut [c_char]) {
    let room = array.len() - 1;
    let mut end = text.len().min(room);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in array.iter_mut().zip(text.as_bytes()[..end].iter().chain(std::iter::repeat(&0))) {
        *to = *from as c_char;
    }
    array[room] = 0;
}

/// A message as it goes into an error: names of guests and of files come into messages, and these onto terminals.
pub fn printable(message: &str) -> String {
    message.chars().map(|c| if c != '\n' && is_unprintable(c) { '?' } else { c }).collect()
}

/// A field that is 1 or 0.
pub fn flag(field: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(out_of_range(field, other)),
    }
}

pub fn out_of_range(field: &str, value: impl Display) -> Error {
    Error::new(RTW_ERR_ARGUMENT, format!("{field} is {value}, which is out of range"))
}
