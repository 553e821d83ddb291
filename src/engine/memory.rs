//! The library's own linear memories: present from the start, at a known address even if the module does not export them, and,
//! if configured, committed ahead up to a size below which growth only changes a number.
//!
//! The engine requests a memory while the calling thread creates an instance. A thread-local holds the wishes of that instance
//! meanwhile, and collects the memories that were created.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::held::Share;
use super::warmed::Warmed;
use crate::status::*;
use crate::sys::memory::{self, Access, Lock};

/// A mapping with guards, of which a part is accessible and present.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mapping {
    start: usize,
    form: Form,
}

/// The properties that a mapping shares with those that may take its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Form {
    bytes: usize,
    guard_bytes: usize,
    committed_bytes: usize,
}

/// Mappings of guests that have ended, with zeros in them, for guests to come: making one takes six system calls. A runtime has them.
#[derive(Default)]
pub struct Spares(Mutex<Vec<Mapping>>);

/// The most that the spares keep, and of what size.
const MOST_SPARES: usize = 16;
const MOST_SPARE_BYTES: usize = 256 << 10;

impl Spares {
    /// A lock that somebody holds is passed over: a forked child may have inherited it.
    fn take(&self, form: Form) -> Option<Mapping> {
        let mut list = self.0.try_lock().ok()?;
        let at = list.iter().rposition(|spare| spare.form == form)?;
        Some(list.swap_remove(at))
    }

    /// Returns false if there is no room.
    fn give(&self, mapping: Mapping) -> bool {
        let Ok(mut list) = self.0.try_lock() else { return false };
        let fits = list.len() < MOST_SPARES && (list.len() < list.capacity() || list.try_reserve_exact(MOST_SPARES).is_ok());
        if fits {
            list.push(mapping);
        }
        fits
    }

    /// Gives all of them back to the system. False if there are none.
    fn clear(&self) -> bool {
        let Ok(mut list) = self.0.try_lock() else { return false };
        let found = !list.is_empty();
        list.drain(..).for_each(Mapping::unmap);
        found
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Mapping {
    fn new(form: Form) -> Result<Mapping> {
        let refused = |e| memory::reservation_refused(form.bytes, &e);
        let start = memory::reserve(form.bytes).map_err(refused)?;
        memory::dump(start..start + form.bytes, false);
        Ok(Mapping { start, form })
    }

    fn unmap(self) {
        // SAFETY: its own mapping, which nobody uses any more.
        unsafe { memory::unmap(self.start..self.start + self.form.bytes) };
    }
}

/// One linear memory's address space.
pub struct Region {
    /// The whole of it, as it was at first.
    mapping: Mapping,
    base: usize,
    reserved_bytes: usize,
    /// Where it may go when the guest has ended; none if something about it is the guest's own.
    spares: Option<Arc<Spares>>,
    is_own: AtomicBool,
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
        spares: Option<Arc<Spares>>,
    ) -> Result<Region> {
        // An empty memory still needs an address.
        let bytes = (guard_bytes + reserved_bytes + guard_bytes).max(memory::page_size());
        let form = Form { bytes, guard_bytes, committed_bytes: committed };
        let spare = spares.as_ref().and_then(|spares| spares.take(form));
        let is_spare = spare.is_some();
        let mapping = match spare {
            Some(mapping) => mapping,
            // Those of another form take address space.
            None => Mapping::new(form).or_else(|error| match &spares {
                Some(spares) if spares.clear() => Mapping::new(form),
                _ => Err(error),
            })?,
        };
        let region = Region {
            mapping,
            base: mapping.start + guard_bytes,
            reserved_bytes,
            spares,
            is_own: AtomicBool::new(false),
            size: AtomicUsize::new(size),
            committed: AtomicUsize::new(if is_spare { committed } else { 0 }),
            share,
        };
        region.commit(committed)?;
        Ok(region)
    }

    /// Says that something about it is not as it was mapped: it will be no spare.
    pub fn keep_apart(&self) {
        self.is_own.store(true, Relaxed);
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
        if lock != Lock::Off {
            self.keep_apart();
        }
        // SAFETY: accessible up to there; populating changes no content, and the instance is not in a call.
        unsafe { memory::touch_around(range.clone(), shared) };
        Ok(Warmed { touched_bytes: range.len(), locked_bytes: memory::lock_as(lock, range)? })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A memory that has grown is of another form.
        let as_before = !*self.is_own.get_mut() && *self.committed.get_mut() == self.mapping.form.committed_bytes;
        if let Some(spares) = self.spares.take().filter(|_| as_before && self.mapping.form.committed_bytes <= MOST_SPARE_BYTES)
        {
            // SAFETY: accessible so far; the engine has released the memory.
            unsafe { (self.base as *mut u8).write_bytes(0, self.mapping.form.committed_bytes) };
            if spares.give(self.mapping) {
                return;
            }
        }
        self.mapping.unmap();
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
pub struct Creator(pub Arc<Spares>);

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
            let region =
                Region::new(minimum, committed, reserved, guard_bytes, share, Some(self.0.clone())).map_err(|error| {
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
        let region = Arc::new(Region::new(65536, 4 * 65536, 1 << 20, 1 << 16, None, None).unwrap());
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
    fn a_memory_that_is_as_before_becomes_a_spare_of_zeros() {
        let spares: Arc<Spares> = Arc::default();
        let region = |committed: usize| Region::new(65536, committed, 1 << 20, 1 << 16, None, Some(spares.clone())).unwrap();
        let count = || spares.0.lock().unwrap().len();
        let first = region(65536);
        let base = first.base;
        // SAFETY: committed.
        unsafe { (base as *mut u8).write_bytes(1, 65536) };
        drop(first);
        assert_eq!(count(), 1);
        drop(region(2 * 65536));
        assert_eq!(count(), 2, "one of another size is another");
        let again = region(65536);
        assert_eq!((again.base, count()), (base, 1));
        // SAFETY: committed.
        assert!((0..65536).all(|at| unsafe { *((base + at) as *const u8) } == 0));
        let mut linear = Linear(Arc::new(again));
        linear.grow_to(2 * 65536).unwrap();
        drop(linear);
        assert_eq!(count(), 1, "what has grown is given back");
        let apart = region(65536);
        apart.keep_apart();
        drop(apart);
        assert_eq!(count(), 1);
        let large = region(MOST_SPARE_BYTES + 65536);
        drop(large);
        assert_eq!(count(), 1);
        let many: Vec<Region> = (0..MOST_SPARES + 3).map(|_| region(65536)).collect();
        drop(many);
        assert_eq!(count(), MOST_SPARES);
        assert!(spares.clear() && !spares.clear());
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
                    let memory = Creator(Arc::default()).new_memory(ty, 65536, Some(65536), Some(RESERVED), GUARD).unwrap();
                    assert_eq!(memory.byte_size(), 65536);
                }
            });
            let guard = made.guard.unwrap();
            assert_eq!(made.made.len(), 1);
            assert_eq!(guard.mapping.form.bytes, if signals { RESERVED + 2 * GUARD } else { 65536 });
        }
    }
}
