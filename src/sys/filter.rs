//! Detects filters of system calls (seccomp), as in containers and sandboxes, that fail calls with an error. Before a runtime
//! is created, this module tries the calls that everything depends on: the engine panics if its own calls are refused, a
//! refused sleep does not sleep, and the C library ends the process if a lock cannot wait. If a filter refuses another call,
//! the function that needs it reports that later.

use std::io;
use std::ptr::{null, null_mut};

use crate::status::*;

/// The errors with which filters refuse.
const REFUSALS: [libc::c_int; 3] = [libc::EPERM, libc::EACCES, libc::ENOSYS];

/// Returns an error if a filter refuses one of these calls. Makes a few system calls.
pub fn check() -> Result<()> {
    let word = 0u32;
    // The system refuses it as an argument, at once; a time in the past would set a timer first.
    let never = libc::timespec { tv_sec: 0, tv_nsec: -1 };
    let mut byte = 0u8;
    // SAFETY: these calls only query, or change nothing: a time that does not exist, a word that no thread waits on; the pointers
    // are to live values.
    unsafe {
        refused(libc::syscall(libc::SYS_gettid), &REFUSALS, "gettid, which tells threads apart")?;
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        refused(libc::syscall(libc::SYS_futex, &raw const word, wake, 1), &REFUSALS, "futex, which threads wait with")?;
        let (clock, until) = (libc::CLOCK_MONOTONIC, &raw const never);
        let slept = libc::syscall(libc::SYS_clock_nanosleep, clock, libc::TIMER_ABSTIME, until, null_mut::<libc::timespec>());
        refused(slept, &REFUSALS, "clock_nanosleep, which periodic threads and the watchdog sleep with")?;
        // On any other error, the standard library uses another source.
        let random = libc::syscall(libc::SYS_getrandom, &raw mut byte, 1, libc::GRND_NONBLOCK);
        refused(random, &[libc::EACCES], "getrandom, which tables are seeded with")?;
        let stack = libc::sigaltstack(null(), &mut std::mem::zeroed());
        refused(stack.into(), &REFUSALS, "sigaltstack, which the engine asks on every thread")?;
    }
    Ok(())
}

/// Returns an error if a filter refuses the call with which the engine installs its signal handlers.
pub fn check_handlers() -> Result<()> {
    // SAFETY: queries, and fills in a live struct.
    let handler = unsafe { libc::sigaction(libc::SIGSEGV, null(), &mut std::mem::zeroed()) };
    refused(handler.into(), &REFUSALS, "rt_sigaction, which the standalone profile catches guests' faults with")
}

/// Returns an error that names the call if the call failed with one of the refusals.
fn refused(answer: libc::c_long, refusals: &[libc::c_int], what: &str) -> Result<()> {
    let cause = io::Error::last_os_error();
    if answer >= 0 || !cause.raw_os_error().is_some_and(|error| refusals.contains(&error)) {
        return Ok(());
    }
    Err(Error::os(RTW_ERR_PERMISSION, format_args!("a filter of system calls refuses {what}; let it through"), &cause))
}
