//! Alternate signal stacks of threads.

use super::memory::{self, Access};
use crate::status::*;

/// The size of an attached thread's alternate signal stack. The engine creates none of its own if there is one of this size.
const STACK_BYTES: usize = 256 << 10;

/// Room for the engine's handler and the library's, beside the frame that the kernel writes. Frame and handlers together took
/// 3400 bytes for every kind of trap, on a processor whose largest frame has 3376.
const HANDLER_BYTES: usize = 4 << 10;

/// An alternate signal stack with an inaccessible page below it.
pub struct Stack {
    mapping: usize,
}

impl Stack {
    pub fn new() -> Result<Stack> {
        let guard = memory::page_size();
        let no_memory = |e| Error::os(RTW_ERR_NO_MEMORY, "cannot make the thread's alternate signal stack", &e);
        let mapping = memory::reserve(guard + STACK_BYTES).map_err(no_memory)?;
        let stack = Stack { mapping };
        // SAFETY: inside this stack's own reservation.
        unsafe { memory::protect(stack.range(), Access::ReadWrite) }.map_err(no_memory)?;
        Ok(stack)
    }

    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.mapping + memory::page_size();
        start..start + STACK_BYTES
    }

    /// Sets it as the calling thread's signal stack.
    pub fn put(&self) {
        InForce(libc::stack_t { ss_sp: self.range().start as *mut _, ss_flags: 0, ss_size: STACK_BYTES }).put_back()
    }

    /// True if this stack is in force: a disabled one may still be reported with its address.
    pub fn is(&self, stack: &InForce) -> bool {
        stack.is_there() && stack.start() == self.range().start
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.is(&in_force()) {
            InForce(libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: STACK_BYTES }).put_back();
        }
        // SAFETY: this stack's own mapping, which no signal uses any more.
        unsafe { memory::unmap(self.mapping..self.mapping + memory::page_size() + STACK_BYTES) };
    }
}

/// A description of an alternate signal stack, as the system keeps it.
#[derive(Clone, Copy)]
pub struct InForce(libc::stack_t);

impl InForce {
    pub fn start(&self) -> usize {
        self.0.ss_sp as usize
    }

    pub fn bytes(&self) -> usize {
        self.0.ss_size
    }

    /// True if there is an alternate stack.
    pub fn is_there(&self) -> bool {
        self.0.ss_flags & libc::SS_DISABLE == 0 && !self.0.ss_sp.is_null()
    }

    /// True if a handler has room. Without an alternate stack it runs on the guest's stack, below which a margin is kept.
    pub fn has_room(&self) -> bool {
        self.0.ss_flags & (libc::SS_DISABLE | libc::SS_ONSTACK) != 0 || self.0.ss_size >= needed_bytes()
    }

    /// Sets it again on the thread that had it.
    pub fn put_back(&self) {
        let mut stack = self.0;
        // The flag that it was in use is reported only, and must not be set.
        stack.ss_flags &= !libc::SS_ONSTACK;
        // SAFETY: the stack was the thread's before, or is the library's, or is disabled.
        unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    }
}

/// The calling thread's alternate signal stack.
pub fn in_force() -> InForce {
    // SAFETY: all-zero is a valid stack_t to be filled in.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut stack);
        InForce(stack)
    }
}

/// The least size of an alternate stack.
pub fn needed_bytes() -> usize {
    // SAFETY: returns a number.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    frame.max(libc::MINSIGSTKSZ) + HANDLER_BYTES
}
