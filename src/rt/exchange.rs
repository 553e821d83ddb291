//! A place whose item a real-time thread uses, block by block, while other threads exchange the item.
//!
//! *Publishers* offer an item through one pointer. *The real-time thread* takes it at the beginning of its next block; if its
//! item is broken, it takes a spare from the ring of that item's publication instead. It returns items through another ring. It
//! neither waits, nor allocates, nor frees, nor wakes another thread. *A claimant* keeps it out between two blocks, and bears
//! the whole cost: the real-time thread needs no memory barrier if the system has membarrier(2).
//!
//! The exchange passes pointers only. Its owner keeps every item alive from [`Exchange::offer`] or [`Spares::offer`] until the
//! pointer comes back: from `offer` as superseded, or through [`Retired`].
//!
//! `tests/model` runs this file under loom.

use super::spsc::{Consumer, Producer, ring};
use super::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering::*, Owned, UnsafeCell, fence};
use crate::sys::membarrier;

/// An item of an exchange.
pub trait Replaceable: Sized {
    /// True if a spare has to take its place.
    fn is_broken(&self) -> bool;
    /// The spares of its publication.
    fn spares(&self) -> &Spares<Self>;
    /// Notes that the real-time thread uses the item from now on. Called on that thread.
    fn mark_taken(&self);
}

/// The spares of one publication. They go to the real-time thread while it uses an item of that publication.
pub struct Spares<T> {
    /// The number of the publication; later ones have larger numbers.
    pub number: u64,
    towards: Mutex<Producer<usize>>,
    /// The consuming end. It belongs to the real-time thread, and, once that has left the publication, to the thread that
    /// drains it.
    end: UnsafeCell<Consumer<usize>>,
    /// The number of spares that were offered and not taken yet.
    ready: AtomicU32,
    _items: std::marker::PhantomData<*const T>,
}

// SAFETY: only pointers are passed, to items that the threads share; the consuming end belongs to one thread at a time.
unsafe impl<T: Send + Sync> Send for Spares<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send + Sync> Sync for Spares<T> {}

impl<T> Spares<T> {
    pub fn new(number: u64, capacity: usize) -> Spares<T> {
        let (towards, end) = ring(capacity.max(1));
        Spares {
            number,
            towards: Mutex::new(towards),
            end: UnsafeCell::new(end),
            ready: AtomicU32::new(0),
            _items: std::marker::PhantomData,
        }
    }

    /// Offers a spare. False if there is no room.
    pub fn offer(&self, spare: *const T) -> bool {
        let pushed = self.towards.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(spare as usize);
        if pushed {
            self.ready.fetch_add(1, Relaxed);
        }
        pushed
    }

    /// Takes the oldest spare.
    ///
    /// # Safety
    /// The caller is the real-time thread and uses an item of this publication; or that thread has left the
    /// publication, and the caller is the one that drains it.
    pub unsafe fn take(&self) -> Option<*const T> {
        // SAFETY: the consuming end belongs to the caller.
        let spare = self.end.with_mut(|end| unsafe { (*end).pop() })?;
        // Both sides change this word, so plain stores would be lost.
        self.ready.fetch_sub(1, Relaxed);
        Some(spare as *const T)
    }

    /// The number of spares that were offered and not taken.
    pub fn ready(&self) -> u32 {
        self.ready.load(Relaxed)
    }
}

/// The real-time thread's state.
struct Front<T> {
    active: *const T,
    /// The item that was exchanged last, which is held for some blocks.
    held: *const T,
    held_left: u32,
    retired: Producer<usize>,
}

/// The items that the real-time thread has returned, each once.
pub struct Retired<T>(Consumer<usize>, std::marker::PhantomData<*const T>);

// SAFETY: only pointers come out, to items that the threads share.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

impl<T> Retired<T> {
    pub fn pop(&mut self) -> Option<*const T> {
        self.0.pop().map(|item| item as *const T)
    }
}

/// The real-time thread's counters. Each word has one writer, so the real-time thread needs no read-modify-write.
#[derive(Default)]
pub struct Counters {
    pub blocks: AtomicU64,
    pub taken: AtomicU64,
    /// Blocks that ended with a broken item.
    pub broken: AtomicU64,
    pub spares_used: AtomicU64,
    /// Blocks without an item to run on.
    pub unserved: AtomicU64,
    /// Blocks that met a claim.
    pub claimed: AtomicU64,
}

pub struct Exchange<T> {
    /// The item that the real-time thread takes next.
    incoming: AtomicPtr<T>,
    front: UnsafeCell<Front<T>>,
    /// The number of the publication that the real-time thread uses; it has left earlier ones.
    in_use: AtomicU64,
    /// Says if the real-time thread is in a block: one of the `BLOCK_` constants.
    in_block: AtomicU32,
    /// True while a claimant has the item.
    claimed: AtomicBool,
    /// True if fences on both sides order the two words above, because the system has no membarrier.
    must_fence: bool,
    /// The number of blocks for which an exchanged item is held.
    hold_blocks: u32,
    pub counters: Counters,
}

// SAFETY: the front is used by the one thread that begins and ends blocks, and by a claimant while that thread is kept out.
unsafe impl<T: Send + Sync> Send for Exchange<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send + Sync> Sync for Exchange<T> {}

/// A block that has begun.
pub struct Block<'a, T> {
    pub active: &'a T,
    pub held: Option<&'a T>,
    /// True in the first block with a new publication.
    pub is_new: bool,
    /// True in the first block of a spare that has replaced a broken item.
    pub is_first_of_spare: bool,
}

/// The reason why no block has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The previous block has not ended.
    InBlock,
    /// A claimant has the item.
    Claimed,
    /// Nothing was published yet.
    Empty,
    /// The item is broken, and there is no spare.
    Broken,
}

const BLOCK_NONE: u32 = 0;
const BLOCK_OPEN: u32 = 1;
/// The block's end needs more than [`Exchange::end`].
const BLOCK_DEFERRED: u32 = 2;

#[cfg(not(loom))]
const RETIRED_CAPACITY: usize = 64;
#[cfg(loom)]
const RETIRED_CAPACITY: usize = 4;

impl<T: Replaceable> Exchange<T> {
    /// An exchange without an item. `must_fence`: a claimant cannot use [`membarrier::all_threads`].
    pub fn new(hold_blocks: u32, must_fence: bool) -> (Exchange<T>, Retired<T>) {
        let (retired, retired_end) = ring(RETIRED_CAPACITY);
        let front = Front { active: std::ptr::null(), held: std::ptr::null(), held_left: 0, retired };
        let exchange = Exchange {
            incoming: AtomicPtr::new(std::ptr::null_mut()),
            front: UnsafeCell::new(front),
            in_use: AtomicU64::new(0),
            in_block: AtomicU32::new(BLOCK_NONE),
            claimed: AtomicBool::new(false),
            must_fence,
            hold_blocks,
            counters: Counters::default(),
        };
        (exchange, Retired(retired_end, std::marker::PhantomData))
    }

    // ---- the real-time thread

    /// Begins a block: takes what was published, or a spare if the item in use is broken. The item stays the same until the
    /// block has ended.
    ///
    /// # Safety
    /// One thread at a time begins and ends blocks, in turn.
    #[inline(always)]
    pub unsafe fn begin(&self) -> Result<Block<'_, T>, Refused> {
        if self.in_block.own() != BLOCK_NONE {
            // Called from inside a block, whose item must not be exchanged.
            return Err(Refused::InBlock);
        }
        self.in_block.store(BLOCK_OPEN, Relaxed);
        // A claimant sets its word, puts all threads of the process through a barrier, and reads this thread's word; so either
        // it sees this block, or the block sees the claim.
        match self.must_fence {
            true => fence(SeqCst),
            false => membarrier::light(),
        }
        count(&self.counters.blocks);
        if self.claimed.load(Acquire) {
            self.in_block.store(BLOCK_NONE, Release);
            count(&self.counters.claimed);
            return Err(Refused::Claimed);
        }
        // SAFETY: this is the one thread, and no claimant has the front.
        self.front.with_mut(
            #[inline(always)]
            |front| self.enter(unsafe { &mut *front }),
        )
    }

    #[inline(always)]
    fn enter(&self, front: &mut Front<T>) -> Result<Block<'_, T>, Refused> {
        let is_new = !self.incoming.load(Relaxed).is_null() && self.take(front);
        // SAFETY: an item lives until its pointer comes back.
        let mut active = unsafe { front.active.as_ref() };
        let mut is_first_of_spare = false;
        if let Some(broken) = active.filter(|active| active.is_broken()) {
            is_first_of_spare = self.take_spare(front, broken);
            // SAFETY: as above.
            active = if is_first_of_spare { unsafe { front.active.as_ref() } } else { None };
        }
        match active {
            // SAFETY: as above.
            Some(active) => Ok(Block { active, held: unsafe { front.held.as_ref() }, is_new, is_first_of_spare }),
            None => {
                self.in_block.store(BLOCK_NONE, Release);
                count(&self.counters.unserved);
                Err(if front.active.is_null() { Refused::Empty } else { Refused::Broken })
            }
        }
    }

    /// Makes [`Exchange::ends_at_once`] return `Some(false)` for the current block.
    pub fn defer_end(&self) {
        self.in_block.store(BLOCK_DEFERRED, Relaxed);
    }

    /// `Some(true)` if the current block needs only [`Exchange::end`]; `None` if none has begun.
    #[inline(always)]
    pub fn ends_at_once(&self) -> Option<bool> {
        match self.in_block.own() {
            BLOCK_NONE => None,
            block => Some(block == BLOCK_OPEN),
        }
    }

    /// Ends the block that has begun.
    ///
    /// # Safety
    /// As for [`Exchange::begin`].
    #[inline]
    pub unsafe fn end(&self) {
        self.front.with_mut(|front| {
            // SAFETY: as in `begin`.
            let front = unsafe { &mut *front };
            if !front.held.is_null() {
                front.release(1);
            }
            // SAFETY: as in `enter`.
            if unsafe { front.active.as_ref() }.is_some_and(T::is_broken) {
                count(&self.counters.broken);
            }
        });
        self.in_block.store(BLOCK_NONE, Release);
    }

    /// Takes a published item. Returns false if there is no room to return the one that it replaces; then it stays for the next
    /// block.
    #[cold]
    #[inline(never)]
    fn take(&self, front: &mut Front<T>) -> bool {
        // Up to two items may be returned: the one in use, and the held one.
        if front.retired.room() < 2 {
            return false;
        }
        let taken = self.incoming.swap(std::ptr::null_mut(), AcqRel);
        if taken.is_null() {
            return false;
        }
        // SAFETY: as in `enter`.
        let new = unsafe { &*taken };
        new.mark_taken();
        self.in_use.store(new.spares().number, Release);
        let before = std::mem::replace(&mut front.active, taken);
        front.release(u32::MAX);
        // SAFETY: not retired yet.
        if let Some(old) = unsafe { before.as_ref() } {
            if self.hold_blocks != 0 && !old.is_broken() {
                front.held = before;
                front.held_left = self.hold_blocks;
            } else {
                front.retired.push(before as usize);
            }
        }
        count(&self.counters.taken);
        true
    }

    /// Replaces a broken item with a spare. Returns false if there is no spare, or no room to return the item.
    #[cold]
    #[inline(never)]
    fn take_spare(&self, front: &mut Front<T>, broken: &T) -> bool {
        if front.retired.room() == 0 {
            return false;
        }
        // SAFETY: this thread has an item of the publication in use.
        let Some(spare) = (unsafe { broken.spares().take() }) else { return false };
        front.active = spare;
        front.retired.push(broken as *const T as usize);
        // SAFETY: as in `enter`.
        unsafe { &*spare }.mark_taken();
        count(&self.counters.spares_used);
        true
    }

    // ---- publishers, and the collector

    /// Offers an item to the real-time thread. Returns the previous offer if it has not been taken, and will not be; NULL if
    /// there is none.
    pub fn offer(&self, item: *const T) -> *const T {
        self.incoming.swap(item.cast_mut(), AcqRel)
    }

    /// True if the real-time thread, which has used the publication with this number, will never take a spare of it again.
    pub fn is_through_with(&self, number: u64) -> bool {
        self.in_use.load(Acquire) > number
    }

    // ---- claimants

    /// True if the real-time thread is in a block; a claimant uses it to choose its time.
    pub fn is_in_block(&self) -> bool {
        self.in_block.load(Relaxed) != BLOCK_NONE
    }

    /// Tries to keep the real-time thread out of its blocks. `None`: it is in one, or another claimant was faster. Fails if
    /// the system refuses the barrier.
    pub fn try_claim(&self) -> std::io::Result<Option<Claim<'_, T>>> {
        if self.claimed.swap(true, SeqCst) {
            return Ok(None);
        }
        let claim = Claim(self);
        if self.must_fence {
            fence(SeqCst);
        } else if !membarrier::all_threads() {
            return Err(std::io::Error::last_os_error());
        }
        Ok((self.in_block.load(SeqCst) == BLOCK_NONE).then_some(claim))
    }
}

/// While this value lives, blocks are refused.
pub struct Claim<'a, T>(&'a Exchange<T>);

impl<T> Claim<'_, T> {
    /// The item in use, which belongs to the claimant meanwhile.
    pub fn active(&self) -> Option<&T> {
        // SAFETY: the real-time thread is kept out, so the item stays in use.
        self.0.front.with(|front| unsafe { (*front).active.as_ref() })
    }
}

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        self.0.claimed.store(false, SeqCst);
    }
}

impl<T> Front<T> {
    /// Returns the held item once `blocks` more have used up its time.
    fn release(&mut self, blocks: u32) {
        self.held_left = self.held_left.saturating_sub(blocks);
        if self.held_left == 0 && !self.held.is_null() && self.retired.push(self.held as usize) {
            self.held = std::ptr::null();
        }
    }
}

#[inline(always)]
fn count(counter: &AtomicU64) {
    counter.store(counter.own() + 1, Relaxed);
}
