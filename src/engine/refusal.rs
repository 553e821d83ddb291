//! Interprets the engine's errors: finds what the system refused. `fault` interprets traps.

use crate::status::*;
use crate::sys::errno;

/// Converts an error of the engine's. Its status is that of the system's refusal if that is the cause, otherwise `status`.
pub fn refused(status: rtw_status_t, what: &str, error: &wasmtime::Error) -> Error {
    let message = format!("{what}: {error:#}");
    let Some(errno) = error.chain().find_map(|cause| cause.downcast_ref::<rustix::io::Errno>()) else {
        let status = if error.is::<wasmtime::error::OutOfMemory>() { RTW_ERR_NO_MEMORY } else { status };
        return Error::new(status, message);
    };
    let os_error = errno.raw_os_error();
    let status = match os_error {
        errno::ENOMEM => RTW_ERR_NO_MEMORY,
        errno::EAGAIN => RTW_ERR_MEMLOCK,
        errno::EACCES | errno::EPERM => RTW_ERR_PERMISSION,
        _ => status,
    };
    Error { status, os_error, message }
}

/// The error for guests of the standalone profile in a runtime that may install no handlers.
pub fn handlers_refused() -> Error {
    Error::new(
        RTW_ERR_SIGNALS,
        "the standalone profile needs signal handlers, and the runtime may install none (allow_signal_handlers is 0): compile \
         with --profile plugin",
    )
}
