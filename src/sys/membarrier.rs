//! A barrier that one side pays for: the rare side makes the kernel put every running thread of the process through a full
//! memory barrier (membarrier(2)), so that the frequent side needs none.

use std::sync::atomic::{AtomicU8, Ordering::*, compiler_fence};

const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

/// The answer of the system, once there is one.
static REGISTERED: AtomicU8 = AtomicU8::new(NOT_ASKED);
const NOT_ASKED: u8 = 0;
const REFUSED: u8 = 1;
const OFFERED: u8 = 2;

fn command(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers the process for the barrier. Returns true if the system offers it. Registering twice does no harm, so no thread waits for
/// another one, which a forked child would not have. [setup]
pub fn register() -> bool {
    if REGISTERED.load(Relaxed) == NOT_ASKED {
        REGISTERED.store(if command(REGISTER_PRIVATE_EXPEDITED) { OFFERED } else { REFUSED }, Relaxed);
    }
    REGISTERED.load(Relaxed) == OFFERED
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
