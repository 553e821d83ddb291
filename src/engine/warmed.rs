//! Counts of the memory that preparing has prefaulted and locked.

use crate::rt::locked_heap::{self, Kept};
use crate::status::*;
use crate::sys::memory::Lock;

/// Bytes that were prefaulted, and bytes of them that were locked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Warmed {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
}

impl Warmed {
    /// Memory of the locked heap: present already, locked now.
    pub(super) fn kept(kept: Kept, lock: Lock) -> Result<Warmed> {
        if kept.elsewhere_bytes != 0 && lock == Lock::Required {
            return Err(Error::new(
                RTW_ERR_MEMLOCK,
                format!("{} bytes that calls touch are in memory that cannot be locked", kept.elsewhere_bytes),
            ));
        }
        let locked = kept.bytes != 0 && locked_heap::lock(lock)?;
        Ok(Warmed { touched_bytes: kept.bytes + kept.elsewhere_bytes, locked_bytes: if locked { kept.bytes } else { 0 } })
    }
}

impl std::ops::AddAssign for Warmed {
    fn add_assign(&mut self, more: Warmed) {
        self.touched_bytes += more.touched_bytes;
        self.locked_bytes += more.locked_bytes;
    }
}
