//! The C library's words on cancellation of threads. The functions may unwind the frames of their callers, when a cancellation
//! comes in them.

use std::ffi::c_int;

pub const ENABLE: c_int = 0;
pub const DISABLE: c_int = 1;
pub const DEFERRED: c_int = 0;
pub const ASYNCHRONOUS: c_int = 1;

unsafe extern "C-unwind" {
    pub fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    pub fn pthread_setcanceltype(kind: c_int, before: *mut c_int) -> c_int;
}
