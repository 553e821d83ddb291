//! A barrier that one side pays for: the rare side makes the kernel put every running thread of the process through a full
//! memory barrier (membarrier(2)), so that the frequent side needs none.

use std::sync::atomic::{Ordering::SeqCst, compiler_fence};

use once_cell::sync::Lazy;

const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

static REGISTERED: Lazy<bool> = Lazy::new(|| command(REGISTER_PRIVATE_EXPEDITED));

fn command(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers the process for the barrier. Returns true if the system offers it. [setup]
pub fn register() -> bool {
    *REGISTERED
}

/// Puts every thread of the process through a full barrier before it returns. Returns false if the system refused.
pub fn all_threads() -> bool {
    command(PRIVATE_EXPEDITED)
}

/// The other side's part, which costs nothing: what the thread did before this comes before what it does after it, as seen by
/// whoever returns from [`all_threads`]. The compiler keeps the order of the program, and the kernel puts the barrier somewhere
/// into that order.
#[inline(always)]
pub fn light() {
    compiler_fence(SeqCst);
}
