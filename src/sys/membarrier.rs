//! A barrier that one side pays for: the side that comes seldom has the kernel put every running thread of the process through
//! a full memory barrier (membarrier(2)), so that the side that comes often needs none.

use once_cell::sync::Lazy;

const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

static REGISTERED: Lazy<bool> = Lazy::new(|| command(REGISTER_PRIVATE_EXPEDITED));

fn command(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Whether the system offers it to this process. [setup]
pub fn register() -> bool {
    *REGISTERED
}

/// When this returns, every thread of the process has passed a full barrier since it was called; false where the system refused.
pub fn all_threads() -> bool {
    command(PRIVATE_EXPEDITED)
}
