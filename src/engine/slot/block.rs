//! The real-time thread's part of a slot: it is let in, and begins and ends blocks.

use super::Slot;
use super::generation::Generation;
use crate::rt::exchange::{self, Refused};
use crate::rt::permit::Opened;
use crate::status::*;
use crate::sys::stack;

/// A block that has begun.
pub type Block<'a> = exchange::Block<'a, Generation>;

impl Slot {
    /// True if the last permit that let a thread begin a block also lets this one.
    #[inline(always)]
    pub fn admits(&self) -> bool {
        self.pass.admits(stack::pointer())
    }

    /// Lets the thread in by another permit, or returns the status of a refusal. The caller holds cancellation off.
    pub fn admit(&self) -> std::result::Result<Option<Opened>, rtw_status_t> {
        self.runtime.admit(&self.pass, stack::pointer())
    }

    /// Begins a block: takes the published instance, or a spare if the instance in use has faulted. The instance does not
    /// change until the block has ended.
    ///
    /// # Safety
    /// One thread at a time begins and ends blocks, in turn, and was let in.
    #[inline(always)]
    pub unsafe fn begin(&self) -> std::result::Result<Block<'_>, rtw_status_t> {
        // SAFETY: passed on.
        unsafe { self.exchange.begin() }.map_err(|refused| match refused {
            Refused::InBlock | Refused::Claimed => RTW_ERR_BUSY,
            Refused::Empty => RTW_ERR_EMPTY,
            Refused::Broken => RTW_ERR_FAULTED,
        })
    }

    /// Marks the current block as one that has to end with cancellation held off.
    pub fn defer_end(&self) {
        self.exchange.defer_end();
    }

    /// `Some(true)` if the current block can end at once; `None` if none has begun.
    #[inline(always)]
    pub fn ends_at_once(&self) -> Option<bool> {
        self.exchange.ends_at_once()
    }

    /// Ends the block that has begun.
    ///
    /// # Safety
    /// As for [`Slot::begin`].
    #[inline]
    pub unsafe fn end(&self) {
        // SAFETY: passed on.
        unsafe { self.exchange.end() };
    }
}
