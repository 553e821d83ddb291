//! The system's numbers of errors that somebody here tells apart.

pub use libc::{EACCES, EAGAIN, ENOMEM, EPERM};
