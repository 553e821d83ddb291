//! Statuses in words, and the error struct that setup functions fill.

use std::ffi::c_char;

use crate::ffi;
use crate::status::*;

/// Describes why a [setup] function failed: which import, which byte, which limit. Belongs to the caller and needs no
/// initialisation; the function sets it to RTW_OK and an empty message on success. Its layout is final.
#[repr(C)]
pub struct rtw_error_t {
    /// The status that the function returned.
    pub status: rtw_status_t,
    /// errno of the system call that failed, or 0.
    pub os_error: i32,
    /// A sentence for the developer, NUL-terminated, truncated to this size.
    pub message: [c_char; 504],
}

const _: () = assert!(size_of::<rtw_error_t>() == 512);

/// Returns the name of a status, such as "RTW_ERR_NULL", or "RTW_ERR_?" for any other number. The text is static, never NULL.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub extern "C" fn rtw_status_name(status: rtw_status_t) -> *const c_char {
    describe(status).0.as_ptr().cast()
}

/// Describes a status in a few words, such as "a pointer that must not be NULL is NULL". The text is static, never NULL.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub extern "C" fn rtw_status_string(status: rtw_status_t) -> *const c_char {
    describe(status).1.as_ptr().cast()
}

/// # Safety
/// `err` is NULL or writable.
pub unsafe fn fill(err: *mut rtw_error_t, error: &Error) {
    // SAFETY: passed on.
    unsafe { fill_with(err, error.status, error.os_error, &ffi::printable(&error.message)) };
}

/// # Safety
/// As for [`fill`].
pub unsafe fn fill_with(err: *mut rtw_error_t, status: rtw_status_t, os_error: i32, message: &str) {
    if err.is_null() {
        return;
    }
    let mut filled = rtw_error_t { status, os_error, message: [0; 504] };
    ffi::copy(message, &mut filled.message);
    // SAFETY: writable as the caller promises.
    unsafe { err.write(filled) };
}

/// # Safety
/// As for [`fill`].
pub unsafe fn clear(err: *mut rtw_error_t) {
    // SAFETY: passed on.
    unsafe { fill_with(err, RTW_OK, 0, "") };
}

#[cfg(test)]
impl rtw_error_t {
    pub fn empty() -> rtw_error_t {
        rtw_error_t { status: RTW_OK, os_error: 0, message: [0; 504] }
    }

    pub fn text(&self) -> String {
        // SAFETY: always NUL-terminated.
        unsafe { std::ffi::CStr::from_ptr(self.message.as_ptr()) }.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut err = rtw_error_t::empty();
        // SAFETY: a live struct.
        unsafe { fill(&mut err, &Error::new(RTW_ERR_IO, "ä".repeat(400))) };
        assert_eq!(err.text(), "ä".repeat(251));
        // SAFETY: a live struct.
        unsafe { fill(&mut err, &Error::new(RTW_ERR_NO_EXPORT, "\"a\u{1b}[31m\u{202e}\"\nb")) };
        assert_eq!(err.text(), "\"a?[31m?\"\nb");
        // SAFETY: a live struct.
        unsafe { clear(&mut err) };
        assert_eq!((err.status, err.text().as_str()), (RTW_OK, ""));
    }

    #[test]
    fn statuses_have_words() {
        // SAFETY: static and NUL-terminated.
        unsafe {
            assert_eq!(CStr::from_ptr(rtw_status_name(RTW_ERR_NULL)), c"RTW_ERR_NULL");
            assert_eq!(CStr::from_ptr(rtw_status_name(12345)), c"RTW_ERR_?");
            assert_eq!(CStr::from_ptr(rtw_status_string(RTW_OK)), c"success");
        }
    }
}
