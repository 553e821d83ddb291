//! The arena of a thread's allocations in real-time sections, and the bounds of these sections.
//!
//! A call that succeeds allocates nothing. A call that fails does: the engine allocates its trap, inside a signal handler in
//! the standalone profile, then its error. So every attached thread has an arena, mapped, present and locked in advance, and
//! serves all allocations of this library on that thread outside [setup] functions from it. A failing call frees everything
//! before it returns. So the arena allocates by moving one offset, and starts over once nothing is in use: O(1), no search, no
//! fragmentation. If the arena is exhausted, the allocation fails, which the engine's trap path can handle, and the call
//! returns RTW_ERR_ARENA.
//!
//! A table that the host allows to grow stays when the call returns, and would fill the arena: its memory comes from the
//! allocator that the table was created with (`allow_growth`).

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};

use super::fork::Whole;
use super::reserve;
use crate::status::*;
use crate::sys::memory::{self, Access, Lock};
use crate::sys::thread;

/// Address space of one arena, header included.
const SLOT_BYTES: usize = 64 << 10;
/// Regions of slots. Each is reserved when the earlier ones are used up, and is twice as large as the one before, so that a
/// process that locks all its mappings pays only for what it uses. Together they hold the arenas of 8176 threads.
const REGIONS: usize = 9;
const FIRST_REGION_SLOTS: usize = 16;
const HEADER_BYTES: usize = 128;
/// The largest size of an arena.
pub const MOST_ARENA_BYTES: usize = SLOT_BYTES - HEADER_BYTES;
/// The default size of an arena: several times what any fault was seen to take.
pub const DEFAULT_ARENA_BYTES: usize = (16 << 10) - HEADER_BYTES;

/// One thread's arena. Only its thread allocates from it; any thread may free.
#[repr(C, align(64))]
pub struct Arena {
    /// A word to copy at every allocation, or null. Only the owner uses it. First, since every call leads here.
    watched: Cell<*const usize>,
    /// The number of live allocations.
    live: AtomicUsize,
    /// The place of the next allocation, counted from the end of the header. Only the owner uses it.
    offset: Cell<usize>,
    /// Usable bytes after the header. Only the owner uses it.
    capacity: Cell<usize>,
    /// The most bytes that were in use at a time since the last query. Only the owner uses it.
    peak: Cell<usize>,
    /// The thread that may allocate here; 0 for none. For threads that a [`Link`] has led here: each compares it with its own token,
    /// which only that thread writes, so relaxed loads suffice.
    owner: AtomicUsize,
    /// The watched word's value at the last allocation; 0 if there was none. Only the owner uses it.
    noted: Cell<usize>,
    /// The allocation that may come from the system. Only the owner uses it.
    growth: Cell<Growth>,
    counters: Counters,
}

/// An allocation in a real-time section that the system serves, since it will stay.
#[derive(Clone, Copy)]
enum Growth {
    None,
    /// The next allocation.
    New,
    /// The next reallocation to at least this number of bytes of a block that is not the arena's.
    To(usize),
}

const _: () = assert!(size_of::<Arena>() <= HEADER_BYTES);

/// Counters of a thread's real-time sections since it was attached.
#[derive(Default)]
struct Counters {
    taken: AtomicU64,
    refused: AtomicU64,
    /// Frees of the system's memory in a section, each a call of `free`.
    system_frees: AtomicU64,
}

/// A copy of a thread's counters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Allocations that the arena served.
    pub taken: u64,
    /// Allocations that the arena could not serve.
    pub refused: u64,
    /// Frees of the system's memory.
    pub system_frees: u64,
}

/// The start of each region; 0 until it is reserved. A thread that has an arena's memory has synchronised with the thread that
/// allocated it, and so sees the region; for any other address a stale word gives the right answer as well. So they are loaded relaxed.
static BASES: [AtomicUsize; REGIONS] = [const { AtomicUsize::new(0) }; REGIONS];
static SLOTS: Whole<Slots> = Whole::new(Slots { free: Vec::new(), used: 0 });

struct Slots {
    /// Addresses of slots that have been used and are free again.
    free: Vec<usize>,
    /// The number of slots that have been used, counted through the regions.
    used: usize,
}

fn slots_of(region: usize) -> usize {
    FIRST_REGION_SLOTS << region
}

thread_local! {
    /// The arena of this thread's allocations outside [setup] functions; null if the thread is not attached.
    static ARENA: Cell<*const Arena> = const { Cell::new(null_mut()) };
    /// The number of nested [setup] functions that the thread is in.
    static SETUP_DEPTH: Cell<u32> = const { Cell::new(0) };
}

#[inline]
pub(super) fn section<'a>() -> Option<&'a Arena> {
    let arena = match SETUP_DEPTH.try_with(Cell::get) {
        Ok(0) => ARENA.try_with(Cell::get).unwrap_or(null_mut()),
        _ => null_mut(),
    };
    // SAFETY: an arena's memory is never unmapped, and a thread clears its pointer before it releases the arena.
    unsafe { arena.as_ref() }
}

/// The arena that an address belongs to.
#[inline]
pub(super) fn owner<'a>(memory: *mut u8) -> Option<&'a Arena> {
    for (region, base) in BASES.iter().enumerate() {
        let base = base.load(Relaxed);
        if base == 0 {
            // Regions are reserved in order, so all later ones are empty too.
            return None;
        }
        let distance = (memory as usize).wrapping_sub(base);
        if distance < slots_of(region) * SLOT_BYTES {
            // SAFETY: every allocation of an arena lies in a slot that has a header.
            return Some(unsafe { &*((base + distance / SLOT_BYTES * SLOT_BYTES) as *const Arena) });
        }
    }
    None
}

impl Arena {
    #[inline]
    pub(super) fn count_system_free(&self) {
        self.counters.system_frees.fetch_add(1, Relaxed);
    }

    pub(super) fn take(&self, layout: Layout) -> *mut u8 {
        self.note();
        // Acquires what other threads have released in `give_back`: they have finished with the memory that is used again.
        if self.live.load(Acquire) == 0 {
            self.offset.set(0);
        }
        let start = self as *const Arena as usize + HEADER_BYTES;
        let at = (start + self.offset.get()).next_multiple_of(layout.align());
        let end = at - start + layout.size();
        if end > self.capacity.get() {
            self.counters.refused.fetch_add(1, Relaxed);
            return null_mut();
        }
        self.offset.set(end);
        self.peak.set(self.peak.get().max(end));
        self.live.fetch_add(1, Relaxed);
        self.counters.taken.fetch_add(1, Relaxed);
        at as *mut u8
    }

    fn note(&self) {
        let word = self.watched.get();
        if !word.is_null() {
            // SAFETY: watched only during a call, and the word lives during the call.
            self.noted.set(unsafe { word.read() });
        }
    }

    /// True if the next allocation is one that will stay.
    pub(super) fn makes_new(&self) -> bool {
        matches!(self.growth.get(), Growth::New) && {
            self.growth.set(Growth::None);
            true
        }
    }

    /// True if a block of this new size is one that will stay.
    pub(super) fn grows(&self, bytes: usize) -> bool {
        matches!(self.growth.get(), Growth::To(least) if bytes >= least) && {
            self.growth.set(Growth::None);
            true
        }
    }

    /// Counts an allocation as freed, on any thread, which has finished with its memory.
    pub(super) fn give_back(&self) {
        self.live.fetch_sub(1, Release);
    }
}

/// Leads from a called object to the calling thread's arena, without reading a thread-local at every call. When another thread
/// calls, the arena is looked up again.
#[derive(Default)]
pub struct Link(AtomicPtr<Arena>);

impl Link {
    /// Takes the last copy; 0 if nothing was copied since the last call.
    pub fn take_noted(&self) -> usize {
        self.own().map_or(0, |arena| arena.noted.replace(0))
    }

    /// The arena, if it belongs to the calling thread.
    fn own(&self) -> Option<&Arena> {
        self.arena_of(thread::token())
    }

    /// The arena, if it belongs to the thread with this token.
    #[inline(always)]
    fn arena_of(&self, token: usize) -> Option<&Arena> {
        // SAFETY: null, or an arena; their memory is never unmapped.
        unsafe { self.0.load(Relaxed).as_ref() }.filter(|arena| arena.owner.load(Relaxed) == token)
    }

    /// The place for a word that is copied at the allocations of the thread with this token in real-time sections; none if the link does
    /// not lead to that thread's arena. While a word is there, it lives. Null copies nothing.
    #[inline(always)]
    pub fn watched_by(&self, token: usize) -> Option<&Cell<*const usize>> {
        Some(&self.arena_of(token)?.watched)
    }

    /// As [`Link::watched_by`], for the calling thread, to whose arena the link leads from now on if there is one.
    pub fn watched(&self) -> Option<&Cell<*const usize>> {
        Some(&self.own().or_else(|| self.find())?.watched)
    }

    /// Leads to the calling thread's arena from now on, if it has one.
    #[cold]
    #[inline(never)]
    pub fn find(&self) -> Option<&Arena> {
        let arena = ARENA.try_with(Cell::get).unwrap_or(null_mut());
        self.0.store(arena.cast_mut(), Relaxed);
        // SAFETY: as in `arena_of`.
        unsafe { arena.as_ref() }
    }
}

/// An attached thread's arena. Dropping it releases the arena.
pub struct Attached(NonNull<Arena>);

impl Attached {
    /// Prefaults an arena, and locks it as wanted.
    pub fn new(bytes: usize, lock: Lock) -> Result<Attached> {
        let start = free_slot()?;
        let bytes = bytes.min(MOST_ARENA_BYTES);
        let used = start..start + HEADER_BYTES + bytes;
        // SAFETY: the slot now belongs to this thread alone; its pages are mapped writable below.
        let arena = unsafe {
            memory::protect(start..start + SLOT_BYTES, Access::ReadWrite)
                .map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot map a thread's arena", &e))?;
            memory::touch_for_writing(used.clone());
            let arena = start as *mut Arena;
            (*arena).offset.set(0);
            (*arena).capacity.set(bytes);
            (*arena).peak.set(0);
            (*arena).watched.set(std::ptr::null());
            (*arena).noted.set(0);
            (*arena).growth.set(Growth::None);
            (*arena).counters = Counters::default();
            NonNull::new_unchecked(arena)
        };
        let attached = Attached(arena);
        memory::lock_as(lock, used)?;
        Ok(attached)
    }

    /// Serves the calling thread's allocations from this arena from now on, except in [`in_setup`].
    pub fn open(&self) {
        // SAFETY: mapped, and this thread's own.
        unsafe { self.0.as_ref() }.owner.store(thread::token(), Relaxed);
        ARENA.set(self.0.as_ptr());
    }

    /// Ends [`Attached::open`].
    pub fn close(&self) {
        // SAFETY: still mapped.
        unsafe { self.0.as_ref() }.owner.store(0, Relaxed);
        let _ = ARENA.try_with(|arena| {
            if arena.get() == self.0.as_ptr() {
                arena.set(null_mut());
            }
        });
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.close();
        // SAFETY: still mapped.
        let arena = unsafe { self.0.as_ref() };
        // An allocation that is still live is a defect of this library: then the memory is not reused. Acquires as `take` does.
        if arena.live.load(Acquire) == 0 {
            lock_slots().free.push(self.0.as_ptr() as usize);
        }
    }
}

/// Runs a [setup] function: the system serves its allocations, also on an attached thread.
pub fn in_setup<T>(run: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = SETUP_DEPTH.try_with(|depth| depth.set(depth.get() - 1));
        }
    }
    let entered = SETUP_DEPTH.try_with(|depth| depth.set(depth.get() + 1));
    let _leave = entered.map(|()| Leave);
    run()
}

/// Runs code with deadlines within a [setup] function: the system does not serve its allocations.
pub fn in_section<T>(run: impl FnOnce() -> T) -> T {
    struct Leave(u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = SETUP_DEPTH.try_with(|depth| depth.set(self.0));
        }
    }
    let _leave = SETUP_DEPTH.try_with(|depth| depth.replace(0)).map(Leave);
    run()
}

/// Lets the system serve the next growth from `now` to `wanted` bytes on the calling thread, also in a real-time section: the
/// memory stays after the call, and the host has allowed it. A block that has the room already needs no allocation; then the
/// next growth counts.
pub fn allow_growth(now: usize, wanted: usize) {
    if let Some(arena) = section() {
        arena.growth.set(if now == 0 { Growth::New } else { Growth::To(wanted) });
    }
}

/// Makes the calling thread's arena writable again without page faults: after a fork, its pages would be copied.
pub fn warm() {
    // SAFETY: null, or the calling thread's arena.
    if let Some(arena) = unsafe { ARENA.get().as_ref() } {
        let start = std::ptr::from_ref(arena) as usize;
        // SAFETY: an attached thread's arena is mapped writable, and its owner runs this.
        unsafe { memory::touch_for_writing(start..start + HEADER_BYTES + arena.capacity.get()) };
    }
}

/// The counters of this thread's arena since it was attached; zeros for a thread without one, and in [setup] functions.
pub fn counts() -> Counts {
    section().map_or(Counts::default(), |arena| Counts {
        taken: arena.counters.taken.load(Relaxed),
        refused: arena.counters.refused.load(Relaxed),
        system_frees: arena.counters.system_frees.load(Relaxed),
    })
}

/// The number of allocations that this thread's arena has served; 0 for a thread without one.
pub(super) fn taken() -> u64 {
    // SAFETY: as in `section`.
    ARENA.try_with(Cell::get).map_or(0, |arena| unsafe { arena.as_ref() }.map_or(0, |arena| arena.counters.taken.load(Relaxed)))
}

/// The most bytes in use at a time since the last call of this function, on this thread.
pub fn take_peak() -> usize {
    section().map_or(0, |arena| arena.peak.replace(0))
}

/// The number of allocations that the arena refused since the last call of this function, on this thread.
pub fn take_refused() -> u64 {
    section().map_or(0, |arena| arena.counters.refused.swap(0, Relaxed))
}

fn lock_slots() -> std::sync::MutexGuard<'static, Slots> {
    SLOTS.lock()
}

/// The address of an unused slot.
fn free_slot() -> Result<usize> {
    let mut slots = lock_slots();
    if let Some(slot) = slots.free.pop() {
        return Ok(slot);
    }
    let mut index = slots.used;
    for region in 0..REGIONS {
        if index < slots_of(region) {
            let slot = base(region)? + index * SLOT_BYTES;
            // Reserves the list's memory now, so that releasing a slot later allocates nothing.
            let used = slots.used;
            reserve::room(&mut slots.free, used + 1)?;
            slots.used += 1;
            return Ok(slot);
        }
        index -= slots_of(region);
    }
    Err(Error::new(RTW_ERR_LIMIT, format!("{} threads are attached already", slots.used)))
}

/// The start of a region, which is reserved now if it is not yet. The caller has locked the slots.
fn base(region: usize) -> Result<usize> {
    let known = BASES[region].load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    let fresh = memory::reserve(slots_of(region) * SLOT_BYTES)
        .map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot reserve address space for the threads' arenas", &e))?;
    BASES[region].store(fresh, Relaxed);
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::super::global_alloc::Allocator;
    use super::*;
    use std::alloc::GlobalAlloc;

    #[test]
    fn sections_take_from_the_arena_and_give_back() {
        std::thread::spawn(|| {
            let attached = Attached::new(DEFAULT_ARENA_BYTES, Lock::Off).unwrap();
            attached.open();
            let taken = Box::new([1u8; 100]);
            assert!(owner(&raw const *taken as *mut u8).is_some());
            let outside = in_setup(|| Box::new(7));
            assert!(owner(&raw const *outside as *mut u8).is_none());
            let mut grown = vec![1u64, 2, 3];
            grown.extend(0..100);
            assert_eq!(grown[..4], [1, 2, 3, 0]);
            assert_eq!(counts().system_frees, 0);
            drop(outside);
            assert_eq!(counts().system_frees, 1, "the planted free was seen");
            let peak = take_peak();
            assert!((100 + 8 * 103..4096).contains(&peak), "{peak}");
            drop((taken, grown));
            // Everything is free: the arena starts over.
            drop(Box::new([0u8; 16]));
            assert_eq!(take_peak(), 16);
            attached.close();
            let system = Box::new(1);
            assert!(owner(&raw const *system as *mut u8).is_none());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_may_grow_in_a_section_is_the_systems() {
        let is_arenas = |list: &Vec<u64>| owner(list.as_ptr() as *mut u8).is_some();
        std::thread::spawn(move || {
            let mut before = vec![1u64; 10];
            let attached = Attached::new(MOST_ARENA_BYTES, Lock::Off).unwrap();
            attached.open();
            allow_growth(0, 8);
            let mut new = vec![2u64];
            assert!(!is_arenas(&new));
            allow_growth(80, 800_000);
            // Later allocations come from the arena, also when they grow.
            let mut between = vec![3u64; 4];
            between.reserve_exact(200_000 / 8 / 8);
            assert!(is_arenas(&between));
            before.resize(100_000, 0);
            assert!(!is_arenas(&before) && before[9] == 1);
            // Once.
            assert!(new.try_reserve(100_000).is_err());
            assert!(is_arenas(&vec![4u64]));
            let counts = counts();
            attached.close();
            assert_eq!((counts.refused, counts.system_frees), (1, 0));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn an_exhausted_arena_refuses_and_counts() {
        std::thread::spawn(|| {
            let attached = Attached::new(1024, Lock::Off).unwrap();
            attached.open();
            // SAFETY: valid layouts; the block is freed with its own layout.
            unsafe {
                let (fits, large) = (Layout::from_size_align_unchecked(1024, 1), Layout::from_size_align_unchecked(1, 1));
                let block = Allocator.alloc(fits);
                assert!(!block.is_null());
                assert!(Allocator.alloc(large).is_null());
                Allocator.dealloc(block, fits);
                let counts = counts();
                attached.close();
                assert_eq!((counts.taken, counts.refused), (1, 1));
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn memory_may_be_given_back_by_another_thread() {
        let taken = std::thread::spawn(|| {
            let attached = Attached::new(DEFAULT_ARENA_BYTES, Lock::Off).unwrap();
            attached.open();
            let taken = Box::new(42u64);
            attached.close();
            taken
        })
        .join()
        .unwrap();
        assert_eq!(*taken, 42);
        drop(taken);
    }
}
