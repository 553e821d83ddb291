//! Signal masks of threads.

use super::handlers::SIGNALS;

/// A set of [`SIGNALS`]: one bit for each, by its index.
pub type Set = u8;

fn system_set(set: Set) -> libc::sigset_t {
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        for (at, (signal, _)) in SIGNALS.iter().enumerate() {
            if set >> at & 1 == 1 {
                libc::sigaddset(&mut signals, *signal);
            }
        }
        signals
    }
}

pub const ALL: Set = (1 << SIGNALS.len()) - 1;

/// Blocks these signals on the calling thread.
pub fn block(set: Set) {
    change(libc::SIG_BLOCK, set);
}

/// Unblocks these signals on the calling thread. Returns those of [`SIGNALS`] that were blocked before.
pub fn unblock(set: Set) -> Set {
    change(libc::SIG_UNBLOCK, set)
}

/// Returns the signals among [`SIGNALS`] that the calling thread blocks.
pub fn blocked() -> Set {
    change(libc::SIG_BLOCK, 0)
}

/// Changes the calling thread's mask. Returns the signals that were blocked before.
fn change(how: libc::c_int, set: Set) -> Set {
    let set = system_set(set);
    // SAFETY: all-zero is a valid set to be filled in; this thread's mask only.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(how, &set, &mut before);
        let blocked = |signal| libc::sigismember(&before, signal) == 1;
        SIGNALS.iter().enumerate().map(|(at, (signal, _))| u8::from(blocked(*signal)) << at).sum()
    }
}

/// A whole mask, of all the system's signals.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

/// The signals that a thread does not cause itself.
pub fn of_others() -> Mask {
    let own = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for signal in own {
            libc::sigdelset(&mut set, signal);
        }
        Mask(set)
    }
}

/// Blocks more signals on the calling thread. Returns its earlier mask.
pub fn block_more(more: &Mask) -> Mask {
    // SAFETY: all-zero is a valid set to be filled in; this thread's mask only.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, &more.0, &mut before);
        Mask(before)
    }
}

/// Sets the calling thread's mask.
pub fn set(mask: &Mask) {
    // SAFETY: a live set; this thread's mask only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask.0, std::ptr::null_mut()) };
}

/// The answer to: does another thread block the signals of guests' faults?
pub enum Blocked {
    No,
    /// The thread blocks the signals that the text names.
    Yes(String),
    /// This process has no such thread.
    Gone,
    /// There is no /proc.
    Unknown,
}

pub fn blocked_in(thread: i32) -> Blocked {
    let Ok(status) = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")) else {
        return if std::path::Path::new("/proc/self/status").exists() { Blocked::Gone } else { Blocked::Unknown };
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let Some(mask) = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) else { return Blocked::Unknown };
    let names: Vec<&str> = SIGNALS.iter().filter(|(signal, _)| mask >> (signal - 1) & 1 == 1).map(|(_, name)| *name).collect();
    if names.is_empty() { Blocked::No } else { Blocked::Yes(names.join(", ")) }
}
