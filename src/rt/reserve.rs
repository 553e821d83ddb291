//! A reserve that serves this library's allocations when the system has no more memory, so that a [setup] function can finish,
//! free what it created, and return RTW_ERR_NO_MEMORY.
//!
//! Much of the standard library and some of the engine end the process when an allocation fails. So no small allocation fails:
//! the reserve serves it, and marks the section that made it (a [setup] function, a job of one of the library's threads) as
//! exhausted. An exhausted section hands out nothing that it created. Memory that it leaves in use, for example in a table of
//! the engine's, stays in the reserve until it is freed; before the next section begins, the reserve is filled up again. Never
//! on a real-time thread.

use std::alloc::Layout;
use std::cell::Cell;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering::*};

use super::fork::Whole;
use super::locked_heap::Bins;
use crate::status::*;
use crate::sys::{errno, memory};

/// The size of the reserve.
pub const BYTES: usize = 1 << 20;
/// The least free memory with which a section begins.
pub const LEAST_BYTES: usize = BYTES / 4 * 3;
/// A section that may need more than this reserves room of its own.
const LITTLE_BYTES: usize = BYTES / 4;
/// The largest number of mappings. The first has `BYTES`; each other one fills the reserve up, or is a section's own room.
const REGIONS: usize = 256;

/// The place of each region: 0 until it exists, empty when it is unmapped. Written with the reserve locked. Without the lock it is read
/// to tell whether a block is from here. A thread that has a block has synchronised with the thread that allocated it, and so sees its
/// region; a region is empty here before it is unmapped, and so before the system can hand its addresses out again. For any other
/// address a stale word gives the right answer as well. So all orderings are relaxed.
static PLACES: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];
/// The free bytes that any section may use: the reserve's own count, without the room that sections have for themselves. Negative if
/// those have taken more than their rooms. Written with the reserve locked, and read without the lock: a count that is out of date is
/// as good as one that was read a moment earlier, and a thread that reads too little reads it again with the lock. So all orderings are
/// relaxed.
static FREE: AtomicIsize = AtomicIsize::new(0);
/// The number of allocations, on any thread.
static ASKED: AtomicU64 = AtomicU64::new(0);
/// The number of blocks in use.
static OUT: AtomicUsize = AtomicUsize::new(0);
pub(super) static RESERVE: Whole<Reserve> = Whole::new(Reserve { bins: Bins::new(), spare: 0..0 });

pub(super) struct Reserve {
    bins: Bins,
    /// The latest room, if it is not larger than the reserve: no region now, but mapped, for the next section that needs room. Empty if
    /// there is none.
    spare: Range<usize>,
}

/// A region in one word, so that it is read at once: the number of its first page, then its number of pages.
const COUNT_BITS: u32 = 28;
/// The page size of these numbers, whatever the system's is.
const PAGE_BITS: u32 = 12;
const GONE: u64 = 1 << COUNT_BITS;

fn place(region: &Range<usize>) -> u64 {
    ((region.start as u64 >> PAGE_BITS) << COUNT_BITS) | (region.len() as u64 >> PAGE_BITS)
}

fn region(place: u64) -> Range<usize> {
    let start = (place >> COUNT_BITS << PAGE_BITS) as usize;
    start..start + ((place & ((1 << COUNT_BITS) - 1)) << PAGE_BITS) as usize
}

impl Reserve {
    /// Adds fresh memory as a region, whose bytes the caller counts. Returns an error if there are too many regions, or the size is out
    /// of range.
    fn add(&mut self, bytes: usize, map: impl FnOnce(usize) -> std::io::Result<usize>) -> std::io::Result<usize> {
        let unused = |place: &AtomicU64| matches!(place.load(Relaxed), 0 | GONE);
        let number = PLACES.iter().position(unused).filter(|_| bytes >> PAGE_BITS < 1 << COUNT_BITS);
        let Some(number) = number else {
            return Err(std::io::Error::from_raw_os_error(errno::ENOMEM));
        };
        let start = map(bytes)?;
        // SAFETY: a fresh mapping of the reserve's own.
        unsafe { self.bins.add(start..start + bytes, false) };
        PLACES[number].store(place(&(start..start + bytes)), Relaxed);
        Ok(number)
    }

    /// Adds a region of `bytes` or more for a section. Returns its number and its size.
    fn add_room(&mut self, bytes: usize) -> std::io::Result<(usize, usize)> {
        if self.spare.len() < bytes {
            return Ok((self.add(bytes, memory::map_on_demand)?, bytes));
        }
        let spare = self.spare.clone();
        let number = self.add(spare.len(), |_| Ok(spare.start))?;
        self.spare = 0..0;
        Ok((number, spare.len()))
    }

    /// Takes out a section's region, if none of it is in use, and keeps it as the spare one or returns it to the system. Returns true if
    /// it did.
    fn remove(&mut self, number: usize, keep: bool) -> bool {
        let mut range = region(PLACES[number].load(Relaxed));
        // SAFETY: one of the reserve's regions.
        let is_unused = unsafe { self.bins.remove_whole(range.clone()) };
        if is_unused {
            PLACES[number].store(GONE, Relaxed);
            if keep && range.len() <= BYTES {
                std::mem::swap(&mut self.spare, &mut range);
            }
            if !range.is_empty() {
                // SAFETY: none of it is in use, and it cannot be allocated any more.
                unsafe { memory::unmap(range) };
            }
        }
        is_unused
    }
}

thread_local! {
    /// The state of the section that the thread is in.
    static SECTION: Cell<Section> = const { Cell::new(Section { exhausted: false, committed: false }) };
}

/// The state of a section.
#[derive(Clone, Copy, Default)]
pub struct Section {
    /// True if the reserve has served the section.
    pub exhausted: bool,
    /// True if the section's effect was complete, or visible to others, before the reserve served it.
    pub committed: bool,
}

/// Fills the reserve for a section. Returns false if the system has no memory for that.
#[inline]
pub fn is_ready() -> bool {
    free() >= LEAST_BYTES || fill()
}

/// The free bytes that any section may use.
fn free() -> usize {
    FREE.load(Relaxed).max(0) as usize
}

#[cold]
fn fill() -> bool {
    let mut reserve = RESERVE.lock_known();
    let free = free();
    if free >= LEAST_BYTES {
        return true;
    }
    let bytes = (BYTES - free).next_multiple_of(memory::page_size());
    let added = reserve.add(bytes, memory::map);
    // Not present yet: prefaulting it would be a third of what a process's first runtime costs. A system that refuses memory refuses
    // mappings, and counts this one as used; when it lacks pages for mappings that it has granted, it ends processes.
    if added.is_ok() {
        FREE.fetch_add(bytes as isize, Relaxed);
    }
    added.is_ok()
}

/// True if the memory belongs to the reserve.
#[inline]
pub fn owns(memory: *const u8) -> bool {
    // A thread that has a block sees that it is in use.
    OUT.load(Relaxed) != 0 && is_from_here(memory)
}

#[cold]
fn is_from_here(memory: *const u8) -> bool {
    for place in &PLACES {
        let place = place.load(Relaxed);
        if place == 0 {
            return false;
        }
        if region(place).contains(&(memory as usize)) {
            return true;
        }
    }
    false
}

/// Runs work whose size a file, a guest or a host decides, which allocates at most `bytes` at a time. If that is much, reserves
/// room for it until the work has ended; returns RTW_ERR_NO_MEMORY if there is none. The system supplies pages of the room only
/// as they are used.
pub fn with_room<T>(bytes: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Room {
        region: usize,
        bytes: usize,
        asked: u64,
    }
    impl Drop for Room {
        fn drop(&mut self) {
            let mut reserve = RESERVE.lock_known();
            // A block in it that is still in use keeps it: then it belongs to all. If it was used, it has pages that the system lacks.
            if !reserve.remove(self.region, self.asked == times_asked()) {
                FREE.fetch_add(self.bytes as isize, Relaxed);
            }
        }
    }
    if bytes <= LITTLE_BYTES {
        return run();
    }
    let bytes = bytes.checked_next_multiple_of(memory::page_size()).ok_or_else(exhausted)?;
    let added = RESERVE.lock_known().add_room(bytes);
    let _room = match added {
        Ok((region, bytes)) => Some(Room { region, bytes, asked: times_asked() }),
        // The process locks all its mappings, and may not lock more: that is not a shortage of memory.
        Err(error) if error.raw_os_error() == Some(errno::EAGAIN) => None,
        Err(_) => return Err(exhausted()),
    };
    run()
}

/// The number of times that the system has refused memory to this library, on any thread.
pub fn times_asked() -> u64 {
    ASKED.load(Relaxed)
}

/// Allocates memory for the layout, not cleared; null if there is not enough. The calling thread's section is exhausted from
/// now on.
#[cold]
pub fn take(layout: Layout) -> *mut u8 {
    let _ = SECTION.try_with(|section| section.set(Section { exhausted: true, ..section.get() }));
    ASKED.fetch_add(1, Relaxed);
    let mut reserve = RESERVE.lock_known();
    let taken = reserve.bins.take(layout).unwrap_or(null_mut());
    if !taken.is_null() {
        // SAFETY: just taken.
        FREE.fetch_sub(unsafe { Bins::size_of_block(taken) } as isize, Relaxed);
        OUT.fetch_add(1, Relaxed);
    }
    taken
}

/// Frees memory.
///
/// # Safety
/// It was allocated here, and is freed once.
#[cold]
pub unsafe fn give_back(memory: *mut u8) {
    let mut reserve = RESERVE.lock_known();
    // SAFETY: passed on.
    unsafe {
        FREE.fetch_add(Bins::size_of_block(memory) as isize, Relaxed);
        reserve.bins.give_back(memory);
        OUT.fetch_sub(1, Relaxed);
    }
}

/// Runs a section, also within another one, and returns its own state.
pub fn section<T>(run: impl FnOnce() -> T) -> (T, Section) {
    struct Leave(Section);
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = SECTION.try_with(|section| section.set(self.0));
        }
    }
    let _leave = Leave(SECTION.try_with(|section| section.take()).unwrap_or_default());
    let done = run();
    (done, SECTION.try_with(Cell::get).unwrap_or_default())
}

/// Runs a section that can return an error: RTW_ERR_NO_MEMORY if the reserve has served it.
pub fn fallible<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    if !is_ready() {
        return Err(exhausted());
    }
    match section(run) {
        (Err(error), section) if section.exhausted && error.status != RTW_ERR_NO_MEMORY => Err(exhausted()),
        (done, _) => done,
    }
}

/// Returns an error if the section is exhausted. Call it before others can see what the section has created, or before its
/// effect is complete: nothing in the reserve is handed out.
pub fn check() -> Result<()> {
    let section = SECTION.try_with(Cell::get).unwrap_or_default();
    if section.exhausted {
        return Err(exhausted());
    }
    let _ = SECTION.try_with(|known| known.set(Section { committed: true, ..section }));
    Ok(())
}

#[cold]
pub fn exhausted() -> Error {
    Error::new(RTW_ERR_NO_MEMORY, "the system has no more memory")
}

/// Makes room for `more` elements in a vector, without the reserve: for sizes that a file or a guest decides, and for lasting
/// memory.
pub fn room<T>(vector: &mut Vec<T>, more: usize) -> Result<()> {
    without(|| vector.try_reserve(more)).map_err(|_| exhausted())
}

thread_local! {
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs code that can work without memory: allocations that the system refuses fail.
pub fn without<T>(run: impl FnOnce() -> T) -> T {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = WITHOUT.try_with(|without| without.set(self.0));
        }
    }
    let _leave = Leave(WITHOUT.try_with(|without| without.replace(true)).unwrap_or(false));
    run()
}

/// True if the calling thread is in [`without`].
pub fn is_without() -> bool {
    WITHOUT.try_with(Cell::get).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 16).unwrap()
    }

    #[test]
    fn a_section_that_was_served_from_here_is_exhausted_and_no_other() {
        assert!(is_ready());
        let ((inner, outside), outer) = section(|| {
            let inner = section(|| {
                let taken = take(layout(1000));
                assert!(owns(taken));
                assert_eq!(check().unwrap_err().status, RTW_ERR_NO_MEMORY);
                // SAFETY: taken above.
                unsafe { give_back(taken) };
            });
            (inner.1, check())
        });
        assert!(inner.exhausted && !inner.committed);
        assert!(outside.is_ok() && !outer.exhausted && outer.committed);
        let told = fallible(|| -> Result<()> {
            let taken = take(layout(1000));
            // SAFETY: taken above.
            unsafe { give_back(taken) };
            Err(Error::new(RTW_ERR_IO, "not the cause"))
        });
        assert_eq!(told.unwrap_err().status, RTW_ERR_NO_MEMORY);
    }

    #[test]
    fn room_is_there_while_it_is_asked_for_and_gone_afterwards() {
        const MUCH: usize = 64 << 20;
        assert!(take(layout(MUCH / 2)).is_null(), "there is not so much");
        let place = with_room(MUCH, || {
            let taken = take(layout(MUCH / 2));
            assert!(owns(taken));
            // SAFETY: taken above.
            unsafe {
                taken.write_bytes(7, MUCH / 2);
                give_back(taken);
            }
            Ok(taken)
        });
        assert!(take(layout(MUCH / 2)).is_null());
        assert!(!is_from_here(place.unwrap()), "it was given back to the system");
        // A block that is still in use keeps its region until it is freed.
        let kept = with_room(MUCH, || Ok(take(layout(MUCH / 2)))).unwrap();
        // SAFETY: taken above.
        unsafe {
            assert!(owns(kept));
            kept.write_bytes(7, MUCH / 2);
            give_back(kept);
        }
        // A small room stays mapped for the next section, unless the section has used it.
        const LITTLE: usize = BYTES / 2;
        let spare = || RESERVE.lock_known().spare.clone();
        let kept = loop {
            with_room(LITTLE, || Ok(())).unwrap();
            let kept = spare();
            // If another test was served from the reserve meanwhile, it was not kept.
            if !kept.is_empty() {
                break kept;
            }
        };
        assert_eq!(kept.len(), LITTLE);
        assert!(!is_from_here(kept.start as *mut u8), "nothing is taken from it between sections");
        with_room(LITTLE, || {
            assert!(is_from_here(kept.start as *mut u8) && spare().is_empty());
            // SAFETY: taken from the reserve.
            unsafe { give_back(take(layout(1))) };
            Ok(())
        })
        .unwrap();
        assert!(spare().is_empty());
        assert_eq!(with_room(usize::MAX, || Ok(())).unwrap_err().status, RTW_ERR_NO_MEMORY);
        assert_eq!(with_room(1 << 50, || Ok(())).unwrap_err().status, RTW_ERR_NO_MEMORY);
    }
}
