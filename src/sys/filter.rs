//! Filters of system calls that answer errors (seccomp), as in containers and sandboxes. What nothing here can do without is asked
//! for once, before a runtime is made: the engine panics where its own are refused, a sleep that is refused is no sleep, and the C
//! library ends the process where a lock cannot wait. What else is refused later is told by the function that needed it.

use std::io;
use std::ptr::{null, null_mut};

use crate::status::*;

/// What a filter answers.
const REFUSALS: [libc::c_int; 3] = [libc::EPERM, libc::EACCES, libc::ENOSYS];

/// Refuses where a filter refuses one of them. A few system calls.
pub fn check() -> Result<()> {
    let word = 0u32;
    let past = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut byte = 0u8;
    // SAFETY: they ask, or change nothing: a time that is past, a word that nobody waits on; the pointers are to live values.
    unsafe {
        refused(libc::syscall(libc::SYS_gettid), &REFUSALS, "gettid, which tells threads apart")?;
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        refused(libc::syscall(libc::SYS_futex, &raw const word, wake, 1), &REFUSALS, "futex, which threads wait with")?;
        let (clock, until) = (libc::CLOCK_MONOTONIC, &raw const past);
        let slept = libc::syscall(libc::SYS_clock_nanosleep, clock, libc::TIMER_ABSTIME, until, null_mut::<libc::timespec>());
        refused(slept, &REFUSALS, "clock_nanosleep, which periodic threads and the watchdog sleep with")?;
        // The standard library does without where the answer is another one.
        let random = libc::syscall(libc::SYS_getrandom, &raw mut byte, 1, libc::GRND_NONBLOCK);
        refused(random, &[libc::EACCES], "getrandom, which tables are seeded with")?;
        let stack = libc::sigaltstack(null(), &mut std::mem::zeroed());
        refused(stack.into(), &REFUSALS, "sigaltstack, which the engine asks on every thread")?;
    }
    Ok(())
}

/// The same for what the engine installs its signal handlers with.
pub fn check_handlers() -> Result<()> {
    // SAFETY: asks, and fills in a live struct.
    let handler = unsafe { libc::sigaction(libc::SIGSEGV, null(), &mut std::mem::zeroed()) };
    refused(handler.into(), &REFUSALS, "rt_sigaction, which the standalone profile catches guests' faults with")
}

/// Names a call whose answer is one of the refusals.
fn refused(answer: libc::c_long, refusals: &[libc::c_int], what: &str) -> Result<()> {
    let cause = io::Error::last_os_error();
    if answer >= 0 || !cause.raw_os_error().is_some_and(|error| refusals.contains(&error)) {
        return Ok(());
    }
    Err(Error::os(RTW_ERR_PERMISSION, format_args!("a filter of system calls refuses {what}; let it through"), &cause))
}
