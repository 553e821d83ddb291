//! The library's own allocator: the system's everywhere but in real-time sections, and there the thread's arena (`arena`). What
//! calls touch comes from a heap of ours (`locked_heap`) where it is to be locked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

use super::arena::{self, owner, section};
use super::{locked_heap, reserve};
use crate::sys::memory;

/// The smallest page of any system we run on.
const SYSTEM_PAGE_BYTES: usize = 4096;

thread_local! {
    /// Allocations of this library on this thread that the system served.
    static FROM_SYSTEM: Cell<u64> = const { Cell::new(0) };
}

pub struct Allocator;

// SAFETY: memory comes from the arena or from the system, and goes back to where its address says that it came from.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match section().filter(|arena| !arena.makes_new()) {
            Some(arena) => arena.take(layout),
            None => {
                count_system();
                if let Some(kept) = kept(layout) {
                    return kept.as_ptr();
                }
                // SAFETY: passed on.
                let memory = unsafe { System.alloc(layout) };
                if memory.is_null() { refused(layout) } else { memory }
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match section() {
            Some(arena) => {
                let memory = arena.take(layout);
                if !memory.is_null() {
                    // SAFETY: just taken, as large as the layout says.
                    unsafe { memory.write_bytes(0, layout.size()) };
                }
                memory
            }
            None => {
                count_system();
                if let Some(kept) = kept(layout) {
                    // SAFETY: just taken, as large as the layout says.
                    unsafe { kept.write_bytes(0, layout.size()) };
                    return kept.as_ptr();
                }
                // SAFETY: passed on.
                let memory = unsafe { System.alloc_zeroed(layout) };
                if memory.is_null() {
                    let memory = refused(layout);
                    if !memory.is_null() {
                        // SAFETY: just taken, as large as the layout says.
                        unsafe { memory.write_bytes(0, layout.size()) };
                    }
                    return memory;
                }
                if layout.size() >= SYSTEM_PAGE_BYTES {
                    // Large zeroed blocks are pages that are not there yet: a table's would be fetched one by one by the
                    // guest's first indirect calls.
                    let start = memory as usize;
                    // SAFETY: just allocated, nobody else's.
                    unsafe { memory::touch_for_writing(start..start + layout.size()) };
                }
                memory
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(arena) = owner(memory) {
            arena.give_back();
            return;
        }
        if let Some(arena) = section() {
            arena.count_system_free();
        }
        if locked_heap::owns(memory) {
            // SAFETY: it was the heap's.
            return unsafe { locked_heap::give_back(memory, layout) };
        }
        if reserve::owns(memory) {
            // SAFETY: it was the reserve's.
            return unsafe { reserve::give_back(memory) };
        }
        // SAFETY: it was the system's.
        unsafe { System.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let ours = locked_heap::owns(memory);
        let theirs = owner(memory).is_none();
        let calling = section();
        let outside = calling.is_none_or(|arena| theirs && arena.grows(new_size));
        if !ours && theirs && outside && !reserve::owns(memory) {
            count_system();
            // SAFETY: passed on; where the system refuses, the block stays as it is, and is the caller's until it has been copied.
            unsafe {
                let new = System.realloc(memory, layout, new_size);
                if !new.is_null() {
                    return new;
                }
                let new = refused(Layout::from_size_align_unchecked(new_size, layout.align()));
                if !new.is_null() {
                    new.copy_from_nonoverlapping(memory, layout.size().min(new_size));
                    System.dealloc(memory, layout);
                }
                return new;
            }
        }
        // SAFETY: the new size and the old alignment make a layout by the caller's word; the two blocks do not overlap.
        unsafe {
            let larger = Layout::from_size_align_unchecked(new_size, layout.align());
            // What is kept stays so, also when it grows later.
            let stays = if ours && outside { NonNull::new(locked_heap::take(larger)) } else { None };
            let take = || match outside {
                true if calling.is_some() => reserve::without(|| arena::in_setup(|| self.alloc(larger))),
                _ => self.alloc(larger),
            };
            let new = stays.map_or_else(take, NonNull::as_ptr);
            if !new.is_null() {
                new.copy_from_nonoverlapping(memory, layout.size().min(new_size));
                self.dealloc(memory, layout);
            }
            new
        }
    }
}

/// Memory of the heap's, where this thread is making what calls will touch; the system's has to do where the heap is exhausted.
#[inline]
fn kept(layout: Layout) -> Option<NonNull<u8>> {
    if locked_heap::keeping() { NonNull::new(locked_heap::take(layout)) } else { None }
}

/// For what the system has refused: memory of the reserve's, but for a caller that can do without, as a call that makes a table grow.
#[cold]
fn refused(layout: Layout) -> *mut u8 {
    if reserve::is_without() || section().is_some() { null_mut() } else { reserve::take(layout) }
}

#[inline]
fn count_system() {
    let _ = FROM_SYSTEM.try_with(|count| count.set(count.get() + 1));
}

/// How often this library has allocated on this thread so far, arena or not.
pub fn allocations() -> u64 {
    FROM_SYSTEM.try_with(Cell::get).unwrap_or(0) + arena::taken()
}
