//! The library's own linear memories: present from the start, at a known address even if the module does not export them, and,
//! if configured, committed ahead up to a size below which growth only changes a number.
//!
//! The engine requests a memory while the calling thread creates an instance. A thread-local holds the wishes of that instance
//! meanwhile, and collects the memories that were created.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::held::Share;
use super::warmed::Warmed;
use crate::status::*;
use crate::sys::memory::{self, Access, Lock};

/// One linear memory's address space.
pub struct Region {
    /// Start and size of the whole mapping, with guards.
    mapping: usize,
    mapping_bytes: usize,
    base: usize,
    reserved_bytes: usize,
    /// The guest's current size.
    size: AtomicUsize,
    /// The accessible size, never less than the guest's.
    committed: AtomicUsize,
    /// The account that growth is taken from.
    share: Option<Arc<Share>>,
}

/// An instance's wishes for its memories.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// Commits this much ahead, up to the memory's maximum.
    pub ahead_bytes: usize,
    /// The most that all memories together may commit beyond their initial sizes.
    pub ahead_left_bytes: usize,
    /// The index of the budget guard's memory, which no code of the guest's own reaches.
    pub guard_index: Option<usize>,
    /// True if faults arrive as signals. The engine then finds the memory of an address by its address range, and assumes that
    /// each memory has all the address space that it requested.
    pub signals: bool,
}

/// The wishes of the instance that is being created, and the results.
#[derive(Default)]
struct Making {
    wanted: Wanted,
    /// The account that growth is to be taken from.
    share: Option<Arc<Share>>,
    made: Vec<Arc<Region>>,
    guard: Option<Arc<Region>>,
    /// The reason why a memory could not be created: the engine passes on only a text.
    refused: Option<Error>,
}

thread_local! {
    static MAKING: RefCell<Making> = const {
        RefCell::new(Making {
            wanted: Wanted { ahead_bytes: 0, ahead_left_bytes: 0, guard_index: None, signals: false },
            share: None,
            made: Vec::new(),
            guard: None,
            refused: None,
        })
    };
}

/// The memories of an instance that was created.
pub struct Collected {
    /// Without the guard's.
    pub made: Vec<Arc<Region>>,
    pub guard: Option<Arc<Region>>,
    /// The reason why a memory could not be created.
    pub refused: Option<Error>,
}

/// Runs `make`, which creates an instance, and returns its memories. The share already contains their initial sizes;
/// without one, they do not take their growth from it.
pub fn collect<T>(wanted: Wanted, share: Option<&Arc<Share>>, make: impl FnOnce() -> T) -> (T, Collected) {
    let outer = MAKING.replace(Making { wanted, share: share.cloned(), ..Making::default() });
    let outcome = make();
    let mine = MAKING.replace(outer);
    (outcome, Collected { made: mine.made, guard: mine.guard, refused: mine.refused })
}

impl Region {
    fn new(
        size: usize,
        committed: usize,
        reserved_bytes: usize,
        guard_bytes: usize,
        share: Option<Arc<Share>>,
    ) -> Result<Region> {
        // An empty memory still needs an address.
        let mapping_bytes = (guard_bytes + reserved_bytes + guard_bytes).max(memory::page_size());
        let mapping = memory::reserve(mapping_bytes).map_err(|e| memory::reservation_refused(mapping_bytes, &e))?;
        memory::dump(mapping..mapping + mapping_bytes, false);
        let region = Region {
            mapping,
            mapping_bytes,
            base: mapping + guard_bytes,
            reserved_bytes,
            size: AtomicUsize::new(size),
            committed: AtomicUsize::new(0),
            share,
        };
        region.commit(committed)?;
        Ok(region)
    }

    /// Makes the memory accessible and present up to `bytes`.
    fn commit(&self, bytes: usize) -> Result<()> {
        let before = self.committed.load(Relaxed);
        if bytes <= before {
            return Ok(());
        }
        let start = self.base + before;
        // SAFETY: inside the region's own reservation.
        unsafe { memory::protect(start..start + bytes - before, Access::ReadWrite) }
            .map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot make a linear memory accessible", &e))?;
        memory::dump(start..start + bytes - before, true);
        // SAFETY: just made writable; zeros, and not in use yet.
        unsafe { memory::touch_for_writing(start..start + bytes - before) };
        self.committed.store(bytes, Relaxed);
        Ok(())
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.base..self.base + self.committed.load(Relaxed)
    }

    /// The addresses that the guest may use now.
    pub fn of_guest(&self) -> std::ops::Range<usize> {
        self.base..self.base + self.size.load(Relaxed)
    }

    /// The guard's page. A page of zeros is a `Watch` to which nothing has happened.
    pub fn page(&self) -> usize {
        self.base
    }

    /// Prefaults the memory, with what is committed ahead, and locks it as wanted. `shared`: the addresses of pages in it that others
    /// write to.
    pub fn warm(&self, lock: Lock, shared: &[std::ops::Range<usize>]) -> Result<Warmed> {
        let range = self.range();
        // SAFETY: accessible up to there; populating changes no content, and the instance is not in a call.
        unsafe { memory::touch_around(range.clone(), shared) };
        Ok(Warmed { touched_bytes: range.len(), locked_bytes: memory::lock_as(lock, range)? })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the region's own mapping; the engine has released the memory.
        unsafe { memory::unmap(self.mapping..self.mapping + self.mapping_bytes) };
    }
}

struct Linear(Arc<Region>);

// SAFETY: the region is mapped as long as the value lives, and never moves. Between its size and the end of reservation and
// guard there is no access, unless more is committed ahead, which is done only for code that checks its accesses itself.
unsafe impl LinearMemory for Linear {
    fn byte_size(&self) -> usize {
        self.0.size.load(Relaxed)
    }

    fn byte_capacity(&self) -> usize {
        self.0.reserved_bytes
    }

    fn grow_to(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if bytes > self.0.reserved_bytes {
            return Err(wasmtime::Error::msg("the memory's reservation is used up"));
        }
        let more = bytes.saturating_sub(self.0.committed.load(Relaxed)) as u64;
        if let Some(share) = self.0.share.as_deref().filter(|_| more != 0) {
            share.take(more).map_err(|_| wasmtime::Error::msg("a limit on what guests hold"))?;
            self.0.commit(bytes).inspect_err(|_| share.give(more)).map_err(|e| wasmtime::Error::msg(e.message))?;
        }
        self.0.commit(bytes).map_err(|e| wasmtime::Error::msg(e.message))?;
        self.0.size.store(bytes, Relaxed);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.base as *mut u8
    }
}

/// Supplies the engine's memories.
pub struct Creator;

// SAFETY: memories are fresh mappings of zeros, with the reservation and the guards that the engine requests.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> std::result::Result<Box<dyn LinearMemory>, String> {
        let wanted = MAKING.with_borrow(|making| making.wanted);
        let is_guard = MAKING.with_borrow(|making| wanted.guard_index == Some(making.made.len()));
        // Only polls use their memory, and only its first words: its one page is enough, unless the engine assumes a full
        // reservation.
        let (reserved, guard_bytes) = match is_guard && !wanted.signals {
            true => (minimum, 0),
            false => (reserved_bytes.unwrap_or(0).max(minimum), guard_bytes),
        };
        let most = maximum.unwrap_or(usize::MAX).min(reserved);
        MAKING.with_borrow_mut(|making| {
            let committed = match is_guard {
                true => memory::page_size(),
                false => {
                    let ahead = making.wanted.ahead_bytes.min(most).saturating_sub(minimum).min(making.wanted.ahead_left_bytes);
                    making.wanted.ahead_left_bytes -= ahead;
                    minimum.next_multiple_of(memory::page_size()) + ahead / memory::page_size() * memory::page_size()
                }
            };
            let share = making.share.clone();
            let region = Region::new(minimum, committed, reserved, guard_bytes, share).map_err(|error| {
                let text = error.message.clone();
                making.refused = Some(error);
                text
            })?;
            let region = Arc::new(region);
            match is_guard {
                true => making.guard = Some(region.clone()),
                false => making.made.push(region.clone()),
            }
            Ok(Box::new(Linear(region)) as Box<dyn LinearMemory>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::{Account, Pool};
    use super::*;

    #[test]
    fn growth_within_what_is_committed_touches_nothing_new() {
        let region = Arc::new(Region::new(65536, 4 * 65536, 1 << 20, 1 << 16, None).unwrap());
        let mut linear = Linear(region.clone());
        assert_eq!((linear.byte_size(), region.range().len()), (65536, 4 * 65536));
        linear.grow_to(3 * 65536).unwrap();
        assert_eq!((linear.byte_size(), region.range().len()), (3 * 65536, 4 * 65536));
        linear.grow_to(6 * 65536).unwrap();
        assert_eq!((linear.byte_size(), region.range().len()), (6 * 65536, 6 * 65536));
        // SAFETY: committed.
        unsafe { linear.as_ptr().add(6 * 65536 - 1).write(1) };
        assert!(linear.grow_to((1 << 20) + 1).is_err());
    }

    #[test]
    fn the_guards_memory_overlaps_no_other_as_far_as_the_engine_counts() {
        const RESERVED: usize = 1 << 32;
        const GUARD: usize = 1 << 20;
        for signals in [true, false] {
            let wanted = Wanted { guard_index: Some(1), signals, ..Wanted::default() };
            let share = Share::open(&Account::new(0, &Pool::new("runtime", 0), None), 0).unwrap();
            let ((), made) = collect(wanted, Some(&share), || {
                for _ in 0..2 {
                    let ty = MemoryType::new(1, Some(1));
                    let memory = Creator.new_memory(ty, 65536, Some(65536), Some(RESERVED), GUARD).unwrap();
                    assert_eq!(memory.byte_size(), 65536);
                }
            });
            let guard = made.guard.unwrap();
            assert_eq!(made.made.len(), 1);
            assert_eq!(guard.mapping_bytes, if signals { RESERVED + 2 * GUARD } else { 65536 });
        }
    }
}
