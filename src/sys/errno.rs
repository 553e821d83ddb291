//! The system's error numbers that other modules distinguish.

pub use libc::{EACCES, EAGAIN, ENOMEM, EPERM};
