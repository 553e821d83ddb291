//! A heap for memory that calls touch, which holds nothing else, so that it can be locked: an instance's store, its globals and
//! tables, the records of its funcs.
//!
//! malloc puts such objects among others, on pages that change hands. So while a runtime that locks memory creates an object
//! that calls will touch, this library's allocations on that thread come from here: mappings of its own, present and locked.
//! Any thread may free them in any order; they are reused, and stay locked: the locked memory is the most that was in use at a
//! time, in steps of 64 KiB. Never on a real-time thread.
//!
//! Free blocks are kept by size in two levels of lists and joined with their neighbours (TLSF, Masmano and others, 2004): no
//! search, little waste, and no records except those beside the blocks.

use std::alloc::Layout;
use std::cell::Cell;
use std::ops::Range;
use std::ptr::{NonNull, null_mut};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use super::fork::Whole;
use crate::status::*;
use crate::sys::memory::{self, Access, Lock};

/// The largest number of mappings. Each is made when the earlier ones are used up, and is twice as large as the one before, or
/// larger if an allocation needs it.
const REGIONS: usize = 32;
const FIRST_REGION_BYTES: usize = 512 << 10;
/// The heap prefaults and locks this much at a time.
const STEP_BYTES: usize = 64 << 10;

/// Start and end of each region; 0 until it exists. Written with the heap locked. Without the lock they are read to tell
/// whether a block is from here. A thread that has a block has synchronised with the thread that allocated it, and so sees its region;
/// for any other address stale words give the right answer as well. So all orderings are relaxed.
static STARTS: [AtomicUsize; REGIONS] = [const { AtomicUsize::new(0) }; REGIONS];
static ENDS: [AtomicUsize; REGIONS] = [const { AtomicUsize::new(0) }; REGIONS];
pub(super) static HEAP: Whole<Heap> = Whole::new(Heap { bins: Bins::new(), regions: 0, committed: [0; REGIONS] });

pub(super) struct Heap {
    bins: Bins,
    /// The number of regions; all but the last are committed up to their usable end.
    regions: usize,
    /// The end of each region's accessible part.
    committed: [usize; REGIONS],
}

thread_local! {
    /// True if this thread's allocations now come from here.
    static KEEPING: Cell<bool> = const { Cell::new(false) };
    /// The bytes that the thread has allocated less those that it has freed, while [`KEEPING`].
    static KEPT: Cell<Kept> = const { Cell::new(Kept { bytes: 0, elsewhere_bytes: 0 }) };
}

/// The bytes of an object that are in this heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub bytes: usize,
    /// Bytes that come from elsewhere, because this heap had no more.
    pub elsewhere_bytes: usize,
}

impl std::ops::AddAssign for Kept {
    fn add_assign(&mut self, more: Kept) {
        self.bytes += more.bytes;
        self.elsewhere_bytes += more.elsewhere_bytes;
    }
}

/// Runs `make`, which creates what calls will touch, for an owner that wants it locked. Returns how much of it is in this heap:
/// nothing if nothing is to be locked, or in a program that has another allocator.
pub fn keep<T>(wanted: Lock, make: impl FnOnce() -> T) -> (T, Kept) {
    if wanted == Lock::Off {
        return (make(), Kept::default());
    }
    struct Leave(bool, Kept);
    impl Drop for Leave {
        fn drop(&mut self) {
            KEEPING.set(self.0);
            KEPT.set(self.1);
        }
    }
    let _leave = Leave(KEEPING.replace(true), KEPT.replace(Kept::default()));
    let made = make();
    (made, KEPT.get())
}

/// True if the calling thread is in [`keep`].
#[inline]
pub fn keeping() -> bool {
    KEEPING.try_with(Cell::get).unwrap_or(false)
}

/// True if the memory belongs to this heap.
#[inline]
pub fn owns(memory: *const u8) -> bool {
    for (start, end) in STARTS.iter().zip(&ENDS) {
        let start = start.load(Relaxed);
        if start == 0 {
            return false;
        }
        if (start..end.load(Relaxed)).contains(&(memory as usize)) {
            return true;
        }
    }
    false
}

/// Allocates memory for the layout, not cleared; null if there is none.
pub fn take(layout: Layout) -> *mut u8 {
    let mut heap = lock_heap();
    let taken = match heap.bins.take(layout) {
        Some(memory) => memory,
        None if heap.grow(layout) => heap.bins.take(layout).unwrap_or(null_mut()),
        None => null_mut(),
    };
    drop(heap);
    let _ = KEPT.try_with(|kept| {
        let (bytes, elsewhere_bytes) = if taken.is_null() { (0, layout.size()) } else { (layout.size(), 0) };
        let mut sum = kept.get();
        sum += Kept { bytes, elsewhere_bytes };
        kept.set(sum);
    });
    taken
}

/// Frees memory.
///
/// # Safety
/// It was allocated here with this layout, and is freed once.
pub unsafe fn give_back(memory: *mut u8, layout: Layout) {
    // SAFETY: passed on.
    unsafe { lock_heap().bins.give_back(memory) };
    if keeping() {
        let kept = KEPT.get();
        KEPT.set(Kept { bytes: kept.bytes.saturating_sub(layout.size()), ..kept });
    }
}

/// Locks the whole heap, as wanted. Returns true if it is locked.
pub fn lock(wanted: Lock) -> Result<bool> {
    let ranges = lock_heap().ranges();
    let bytes: usize = ranges.iter().map(Range::len).sum();
    let mut locked = 0;
    for range in ranges {
        locked += memory::lock_as(wanted, range)?;
    }
    Ok(locked == bytes)
}

fn lock_heap() -> MutexGuard<'static, Heap> {
    HEAP.lock_known()
}

impl Heap {
    /// The accessible ranges, on the stack: allocating would come back here.
    fn ranges(&self) -> [Range<usize>; REGIONS] {
        std::array::from_fn(|region| STARTS[region].load(Relaxed)..self.committed[region])
    }

    /// Makes more memory accessible, present and, if the system permits it, locked: enough for the layout.
    fn grow(&mut self, layout: Layout) -> bool {
        let Some(bytes) = room_for(layout).checked_next_multiple_of(STEP_BYTES) else { return false };
        let last = self.regions.wrapping_sub(1);
        if self.regions == 0 || ENDS[last].load(Relaxed) - self.committed[last] < bytes {
            return self.add_region(bytes) && self.commit(self.regions - 1, bytes);
        }
        self.commit(last, bytes)
    }

    fn add_region(&mut self, bytes: usize) -> bool {
        if self.regions == REGIONS {
            return false;
        }
        let bytes = bytes.max(FIRST_REGION_BYTES << self.regions);
        let Ok(start) = memory::reserve(bytes) else { return false };
        ENDS[self.regions].store(start + bytes, Relaxed);
        STARTS[self.regions].store(start, Relaxed);
        self.committed[self.regions] = start;
        self.regions += 1;
        true
    }

    fn commit(&mut self, region: usize, bytes: usize) -> bool {
        let range = self.committed[region]..self.committed[region] + bytes;
        // SAFETY: inside the heap's own reservation, in a part that is not in use yet.
        unsafe {
            if memory::protect(range.clone(), Access::ReadWrite).is_err() {
                return false;
            }
            memory::touch_for_writing(range.clone());
            // Prepare reports a refusal.
            memory::try_lock(range.clone());
            self.bins.add(range.clone(), range.start != STARTS[region].load(Relaxed));
        }
        self.committed[region] = range.end;
        true
    }
}

/// The amount of fresh memory that is sure to hold a block for the layout.
fn room_for(layout: Layout) -> usize {
    let bytes = layout.size().saturating_add(layout.align()).saturating_add(4 * MIN_BLOCK_BYTES);
    // The search rounds up by one sixteenth.
    bytes.saturating_add(bytes / SECOND as usize)
}

// ---- blocks

/// The header in front of every block; the block's memory follows it.
#[repr(C, align(16))]
struct Header {
    /// The size of the preceding block; 0 if there is none.
    before: usize,
    /// Size with this header, a multiple of 16; the lowest bit is set while the block is in use.
    size: usize,
}

/// A block that is not in use.
#[repr(C)]
struct Free {
    header: Header,
    next: *mut Free,
    previous: *mut Free,
}

const USED: usize = 1;
const HEADER_BYTES: usize = size_of::<Header>();
const MIN_BLOCK_BYTES: usize = size_of::<Free>();
const ALIGN: usize = align_of::<Header>();
/// Lists for each power of two.
const SECOND: u32 = 16;
/// From 32 bytes to 2^44.
const FIRST: usize = 40;

/// Free blocks, by size.
pub(super) struct Bins {
    /// The powers of two that have a block, and the lists of each.
    first: u64,
    second: [u16; FIRST],
    lists: [[*mut Free; SECOND as usize]; FIRST],
}

// SAFETY: the pointers are to the heap's own memory, used with the heap locked.
unsafe impl Send for Bins {}

/// The list for blocks of a size, and of sizes up to the next list's.
fn bin_of(size: usize) -> (usize, usize) {
    let log = size.ilog2();
    let shift = log - SECOND.ilog2();
    (log as usize - MIN_BLOCK_BYTES.ilog2() as usize, (size >> shift) & (SECOND as usize - 1))
}

impl Bins {
    pub(super) const fn new() -> Bins {
        Bins { first: 0, second: [0; FIRST], lists: [[null_mut(); SECOND as usize]; FIRST] }
    }

    /// Adds memory. `continues`: it follows the memory that was added last.
    ///
    /// # Safety
    /// The memory belongs to the heap, is accessible, aligned to 16 and larger than two headers.
    pub(super) unsafe fn add(&mut self, range: Range<usize>, continues: bool) {
        // SAFETY: the last header of the previous range ends it and belongs to no block; here it becomes the block's.
        unsafe {
            let start = if continues { range.start - HEADER_BYTES } else { range.start } as *mut Header;
            let before = if continues { (*start).before } else { 0 };
            let end = (range.end - HEADER_BYTES) as *mut Header;
            let size = end as usize - start as usize;
            start.write(Header { before, size: size | USED });
            end.write(Header { before: size, size: USED });
            self.give_back(start.add(1).cast());
        }
    }

    pub(super) fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        let size = layout.size().checked_add(HEADER_BYTES)?.checked_next_multiple_of(ALIGN)?.max(MIN_BLOCK_BYTES);
        // Room to move to an aligned address and leave a whole block in front of it.
        let slack = if layout.align() > ALIGN { layout.align().checked_add(MIN_BLOCK_BYTES)? } else { 0 };
        let found = self.find(size.checked_add(slack)?)?;
        // SAFETY: a free block of at least that size.
        unsafe {
            self.remove(found.as_ptr());
            let block = self.aligned(found.as_ptr().cast(), layout.align());
            self.trim(block, size);
            (*block).size |= USED;
            Some(block.add(1).cast())
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `memory` is that of a block in use, whose user no longer needs it.
    pub(super) unsafe fn give_back(&mut self, memory: *mut u8) {
        // SAFETY: blocks lie side by side up to a header that is always in use; only free neighbours are joined.
        unsafe {
            let mut block = memory.cast::<Header>().sub(1);
            (*block).size &= !USED;
            let next = after(block);
            if (*next).size & USED == 0 {
                self.remove(next.cast());
                (*block).size += (*next).size;
            }
            let before = (*block).before;
            if before != 0 {
                let previous = block.byte_sub(before);
                if (*previous).size & USED == 0 {
                    self.remove(previous.cast());
                    (*previous).size += (*block).size;
                    block = previous;
                }
            }
            self.insert(block);
        }
    }

    /// Removes memory that was added in one piece, if none of it is in use. Returns true if it did.
    ///
    /// # Safety
    /// The range was added, and no later range continued it.
    pub(super) unsafe fn remove_whole(&mut self, range: Range<usize>) -> bool {
        let first = range.start as *mut Header;
        // SAFETY: an added range begins with a block, and ends with a header.
        unsafe {
            let is_whole = (*first).size == range.len() - HEADER_BYTES;
            if is_whole {
                self.remove(first.cast());
            }
            is_whole
        }
    }

    /// The size of a block, its header included.
    ///
    /// # Safety
    /// `memory` is that of a block in use.
    pub(super) unsafe fn size_of_block(memory: *mut u8) -> usize {
        // SAFETY: the block's header lies before it.
        unsafe { (*memory.cast::<Header>().sub(1)).size & !USED }
    }

    /// Finds a free block of at least `size` bytes.
    fn find(&self, size: usize) -> Option<NonNull<Free>> {
        // Searches the lists whose blocks are all large enough.
        let rounded = size.checked_add((1 << (size.ilog2() - SECOND.ilog2())) - 1)?;
        let (level, list) = bin_of(rounded);
        let here = self.second.get(level)? & (u16::MAX << list);
        let (level, lists) = match here {
            0 => {
                let above = self.first & u64::MAX.checked_shl(level as u32 + 1)?;
                let level = above.trailing_zeros() as usize;
                (level, *self.second.get(level)?)
            }
            lists => (level, lists),
        };
        NonNull::new(self.lists[level][lists.trailing_zeros() as usize])
    }

    /// Moves a block that is in no list to the place where its memory is aligned; the part in front becomes a block of its own.
    unsafe fn aligned(&mut self, block: *mut Header, align: usize) -> *mut Header {
        // SAFETY: the caller's block is large enough for the gap and the wanted size.
        unsafe {
            let memory = block.add(1) as usize;
            let gap = match memory.next_multiple_of(align) - memory {
                0 => return block,
                gap if gap < MIN_BLOCK_BYTES => gap + align.max(MIN_BLOCK_BYTES),
                gap => gap,
            };
            let moved = block.byte_add(gap);
            moved.write(Header { before: gap, size: (*block).size - gap });
            (*after(moved)).before = (*moved).size;
            (*block).size = gap;
            self.insert(block);
            moved
        }
    }

    /// Shrinks a block that is in no list to the needed size.
    unsafe fn trim(&mut self, block: *mut Header, size: usize) {
        // SAFETY: the rest lies inside the block.
        unsafe {
            let rest_size = (*block).size - size;
            if rest_size < MIN_BLOCK_BYTES {
                return;
            }
            let rest = block.byte_add(size);
            rest.write(Header { before: size, size: rest_size });
            (*block).size = size;
            self.insert(rest);
        }
    }

    unsafe fn insert(&mut self, block: *mut Header) {
        // SAFETY: a free block in no list; the following header records its size.
        unsafe {
            (*after(block)).before = (*block).size;
            let (level, list) = bin_of((*block).size);
            let head = &mut self.lists[level][list];
            let block: *mut Free = block.cast();
            (*block).next = *head;
            (*block).previous = null_mut();
            if let Some(next) = head.as_mut() {
                next.previous = block;
            }
            *head = block;
            self.second[level] |= 1 << list;
            self.first |= 1 << level;
        }
    }

    unsafe fn remove(&mut self, block: *mut Free) {
        // SAFETY: a free block in its list.
        unsafe {
            let (level, list) = bin_of((*block).header.size);
            let (next, previous) = ((*block).next, (*block).previous);
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => self.lists[level][list] = next,
            }
            if self.lists[level][list].is_null() {
                self.second[level] &= !(1 << list);
                if self.second[level] == 0 {
                    self.first &= !(1 << level);
                }
            }
        }
    }
}

/// The header that follows a block.
unsafe fn after(block: *mut Header) -> *mut Header {
    // SAFETY: every block is followed by one.
    unsafe { block.byte_add((*block).size & !USED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A heap over a vector, for tests.
    struct Fixture {
        bins: Bins,
        memory: Vec<u128>,
    }

    impl Fixture {
        fn new(bytes: usize) -> Fixture {
            let mut fixture = Fixture { bins: Bins::new(), memory: vec![0; bytes / 16] };
            let start = fixture.memory.as_mut_ptr() as usize;
            // SAFETY: the vector's memory, in two parts, of which the second follows the first.
            unsafe {
                fixture.bins.add(start..start + bytes / 2, false);
                fixture.bins.add(start + bytes / 2..start + bytes, true);
            }
            fixture
        }

        /// The largest free block.
        fn largest(&self) -> usize {
            let blocks = self.bins.lists.iter().flatten().filter(|list| !list.is_null());
            // SAFETY: lists hold free blocks.
            blocks.map(|list| unsafe { (**list).header.size }).max().unwrap_or(0)
        }
    }

    #[test]
    fn blocks_are_apart_aligned_and_joined_again() {
        let bytes = 1 << 20;
        let mut heap = Fixture::new(bytes);
        let whole = heap.largest();
        assert_eq!(whole, bytes - HEADER_BYTES, "both parts are one block");
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        // A random number generator that is good enough here (Knuth's constants).
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for round in 0..50_000 {
            if live.len() > 100 || (!live.is_empty() && random(3) == 0) {
                let (memory, layout, mark) = live.swap_remove(random(live.len()));
                // SAFETY: live, and as large as the layout says.
                unsafe {
                    assert!((0..layout.size()).all(|at| *memory.add(at) == mark), "nobody else wrote there");
                    heap.bins.give_back(memory);
                }
                continue;
            }
            let layout = Layout::from_size_align(1 + random(6000), 1 << random(9)).unwrap();
            let memory = heap.bins.take(layout).unwrap();
            assert!((memory as usize).is_multiple_of(layout.align()));
            // SAFETY: just taken.
            unsafe { memory.write_bytes(round as u8, layout.size()) };
            live.push((memory, layout, round as u8));
        }
        for (memory, ..) in live {
            // SAFETY: live.
            unsafe { heap.bins.give_back(memory) };
        }
        assert_eq!(heap.largest(), whole, "all of it is one block again");
        assert!(heap.bins.take(Layout::from_size_align(bytes, 1).unwrap()).is_none());
    }

    #[test]
    fn what_is_kept_lies_here_and_what_is_not_does_not() {
        let (kept, bytes) = keep(Lock::On, || vec![7u8; 100_000]);
        assert!(owns(kept.as_ptr()));
        assert_eq!(bytes, Kept { bytes: 100_000, elsewhere_bytes: 0 });
        assert!(lock_heap().ranges().iter().any(|range| range.contains(&(kept.as_ptr() as usize + 99_999))));
        let (outside, bytes) = keep(Lock::Off, || vec![7u8; 100_000]);
        assert!(!owns(outside.as_ptr()));
        assert_eq!(bytes, Kept::default());
        let ((), bytes) = keep(Lock::On, || drop(vec![0u8; 1000]));
        assert_eq!(bytes, Kept::default());
        assert!(!keeping());
        std::thread::spawn(move || drop(kept)).join().unwrap();
    }

    #[test]
    fn what_is_kept_stays_here_when_it_grows() {
        let (mut kept, _) = keep(Lock::On, || vec![1u64, 2, 3]);
        kept.extend(0..10_000);
        assert!(owns(kept.as_ptr().cast()));
        assert_eq!(kept[..5], [1, 2, 3, 0, 1]);
        let (zeroed, _) = keep(Lock::On, || vec![0u64; 30_000]);
        assert!(zeroed.iter().all(|word| *word == 0));
    }

    #[test]
    fn more_than_a_region_fits() {
        let (large, _) = keep(Lock::On, || vec![3u8; 3 * FIRST_REGION_BYTES]);
        assert!(owns(large.as_ptr()) && owns(&large[large.len() - 1]));
    }
}
