//! What serves this library's allocations when the system has no more memory: set aside beforehand, so that a [setup] function
//! comes to its end, gives back what it made, and answers RTW_ERR_NO_MEMORY.
//!
//! Much of the standard library and some of the engine end the process when an allocation fails. So no small one does: it is served
//! from here, and the section that it was made in (a [setup] function, a job of a thread of ours) is marked as exhausted. What
//! such a section makes is not handed out. What it leaves behind all the same, in a table of the engine's say, stays here until
//! it is given back; before the next section begins, as much is set aside anew. Never on a real-time thread.

use std::alloc::Layout;
use std::cell::Cell;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use super::fork::Whole;
use super::locked_heap::Bins;
use crate::status::*;
use crate::sys::{errno, memory};

/// What is set aside.
pub const BYTES: usize = 1 << 20;
/// A section does not begin with less.
pub const LEAST_BYTES: usize = BYTES / 4 * 3;
/// A section that may need more than this sets aside room of its own.
const LITTLE_BYTES: usize = BYTES / 4;
/// Mappings; the first has `BYTES`, each other what had to be set aside anew, or a section's own room.
const REGIONS: usize = 256;

/// Where each region lies: 0 until it is there, empty when it is gone. Written with the reserve locked.
static PLACES: [AtomicU64; REGIONS] = [const { AtomicU64::new(0) }; REGIONS];
/// What is there to be taken; the same as in the reserve, to be looked at without its lock.
static FREE: AtomicUsize = AtomicUsize::new(0);
/// How much of it sections have for themselves.
static LENT: AtomicUsize = AtomicUsize::new(0);
/// How often it was asked, on any thread.
static ASKED: AtomicU64 = AtomicU64::new(0);
/// How many blocks of it are out.
static OUT: AtomicUsize = AtomicUsize::new(0);
pub(super) static RESERVE: Whole<Reserve> = Whole::new(Reserve { bins: Bins::new() });

pub(super) struct Reserve {
    bins: Bins,
}

/// A region in one word, so that it is read in one piece: the number of its first page, then how many it has.
const COUNT_BITS: u32 = 28;
/// Pages as they are counted here, whatever the system's are.
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
    /// Adds fresh memory as a region; refused where there are too many, or it is beyond all measure.
    fn add(&mut self, bytes: usize, map: impl FnOnce(usize) -> std::io::Result<usize>) -> std::io::Result<usize> {
        let unused = |place: &AtomicU64| matches!(place.load(Relaxed), 0 | GONE);
        let number = PLACES.iter().position(unused).filter(|_| bytes >> PAGE_BITS < 1 << COUNT_BITS);
        let Some(number) = number else {
            return Err(std::io::Error::from_raw_os_error(errno::ENOMEM));
        };
        let start = map(bytes)?;
        // SAFETY: our own fresh mapping.
        unsafe { self.bins.add(start..start + bytes, false) };
        PLACES[number].store(place(&(start..start + bytes)), Release);
        FREE.fetch_add(bytes, Relaxed);
        Ok(number)
    }

    /// Gives a region back to the system, where nothing of it is out.
    fn remove(&mut self, number: usize) {
        let range = region(PLACES[number].load(Relaxed));
        // SAFETY: a region of the bins'.
        if unsafe { self.bins.remove_whole(range.clone()) } {
            PLACES[number].store(GONE, Release);
            FREE.fetch_sub(range.len(), Relaxed);
            // SAFETY: nobody has anything of it, nor will.
            unsafe { memory::unmap(range) };
        }
    }
}

thread_local! {
    /// How it stands with the section that the thread is in.
    static SECTION: Cell<Section> = const { Cell::new(Section { exhausted: false, committed: false }) };
}

/// How it stands with a section.
#[derive(Clone, Copy, Default)]
pub struct Section {
    /// Whether it was served from here.
    pub exhausted: bool,
    /// Whether what it does was done, or became known to others, before it was.
    pub committed: bool,
}

/// Sees to it that a section can be served. False where that takes memory that there is not.
#[inline]
pub fn is_ready() -> bool {
    free() >= LEAST_BYTES || fill()
}

/// What is there for everybody.
fn free() -> usize {
    FREE.load(Relaxed).saturating_sub(LENT.load(Relaxed))
}

#[cold]
fn fill() -> bool {
    let mut reserve = RESERVE.lock_known();
    let free = free();
    if free >= LEAST_BYTES {
        return true;
    }
    let added = reserve.add((BYTES - free).next_multiple_of(memory::page_size()), memory::map);
    if let Ok(number) = added {
        // Present, so that it is there when the system has no more.
        // SAFETY: in the bins, which are locked: nobody else writes there.
        unsafe { memory::touch_for_writing(region(PLACES[number].load(Relaxed))) };
    }
    added.is_ok()
}

/// Whether the memory is from here.
#[inline]
pub fn owns(memory: *const u8) -> bool {
    // Whoever has one knows that it is out.
    OUT.load(Relaxed) != 0 && is_from_here(memory)
}

#[cold]
fn is_from_here(memory: *const u8) -> bool {
    for place in &PLACES {
        let place = place.load(Acquire);
        if place == 0 {
            return false;
        }
        if region(place).contains(&(memory as usize)) {
            return true;
        }
    }
    false
}

/// Runs what a file, a guest or a host sizes: it takes at most so many bytes at a time. Where that is much, room for it is set aside
/// until it is done; RTW_ERR_NO_MEMORY where there is none. The system gives pages of it only where they are needed.
pub fn with_room<T>(bytes: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Room {
        region: usize,
        bytes: usize,
    }
    impl Drop for Room {
        fn drop(&mut self) {
            let mut reserve = RESERVE.lock_known();
            LENT.fetch_sub(self.bytes, Relaxed);
            reserve.remove(self.region);
        }
    }
    if bytes <= LITTLE_BYTES {
        return run();
    }
    let bytes = bytes.checked_next_multiple_of(memory::page_size()).ok_or_else(exhausted)?;
    let added = {
        let mut reserve = RESERVE.lock_known();
        reserve.add(bytes, memory::map_on_demand).inspect(|_| _ = LENT.fetch_add(bytes, Relaxed))
    };
    let _room = match added {
        Ok(region) => Some(Room { region, bytes }),
        // All that the process maps is locked, and it may not lock more: that says nothing about memory.
        Err(error) if error.raw_os_error() == Some(errno::EAGAIN) => None,
        Err(_) => return Err(exhausted()),
    };
    run()
}

/// How often the system refused memory to this library so far, on whatever thread.
pub fn times_asked() -> u64 {
    ASKED.load(Relaxed)
}

/// Memory for the layout, not cleared; null where there is not so much. The calling thread's section is exhausted from here on.
#[cold]
pub fn take(layout: Layout) -> *mut u8 {
    let _ = SECTION.try_with(|section| section.set(Section { exhausted: true, ..section.get() }));
    ASKED.fetch_add(1, Relaxed);
    let taken = RESERVE.lock_known().bins.take(layout).unwrap_or(null_mut());
    if !taken.is_null() {
        // SAFETY: just taken.
        FREE.fetch_sub(unsafe { Bins::size_of_block(taken) }, Relaxed);
        OUT.fetch_add(1, Relaxed);
    }
    taken
}

/// Takes memory back.
///
/// # Safety
/// It was taken here, and is given back once.
#[cold]
pub unsafe fn give_back(memory: *mut u8) {
    let mut reserve = RESERVE.lock_known();
    // SAFETY: passed on.
    unsafe {
        FREE.fetch_add(Bins::size_of_block(memory), Relaxed);
        reserve.bins.give_back(memory);
        OUT.fetch_sub(1, Relaxed);
    }
}

/// Runs a section, or what is one within another: whether it was exhausted concerns itself alone.
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

/// The same for what can tell of it.
pub fn fallible<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    if !is_ready() {
        return Err(exhausted());
    }
    match section(run) {
        (Err(error), section) if section.exhausted && error.status != RTW_ERR_NO_MEMORY => Err(exhausted()),
        (done, _) => done,
    }
}

/// To be asked before what a section has made becomes known to others, or what it does is done: nothing is handed out that lies
/// here.
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

/// Room for `more` in a vector, without the help of the reserve: for what a file or a guest sizes, and for what stays.
pub fn room<T>(vector: &mut Vec<T>, more: usize) -> Result<()> {
    without(|| vector.try_reserve(more)).map_err(|_| exhausted())
}

thread_local! {
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs what can do without memory: allocations that the system refuses fail.
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

/// Whether the calling thread is in [`without`].
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
        // What is still out keeps its place until it is given back.
        let kept = with_room(MUCH, || Ok(take(layout(MUCH / 2)))).unwrap();
        // SAFETY: taken above.
        unsafe {
            assert!(owns(kept));
            kept.write_bytes(7, MUCH / 2);
            give_back(kept);
        }
        assert_eq!(with_room(usize::MAX, || Ok(())).unwrap_err().status, RTW_ERR_NO_MEMORY);
        assert_eq!(with_room(1 << 50, || Ok(())).unwrap_err().status, RTW_ERR_NO_MEMORY);
    }
}
