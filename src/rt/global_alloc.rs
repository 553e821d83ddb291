//! The library's own allocator: the system's, except in real-time sections, which use the thread's arena (`arena`). Memory that
//! calls touch comes from the locked heap (`locked_heap`) if it is to be locked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

use super::arena::{self, owner, section};
use super::{locked_heap, reserve};
use crate::sys::memory;

/// The smallest page size of any supported system.
const SYSTEM_PAGE_BYTES: usize = 4096;

thread_local! {
    /// Allocations of this library on this thread that the system served.
    static FROM_SYSTEM: Cell<u64> = const { Cell::new(0) };
}

pub struct Allocator;

// SAFETY: memory comes from the arena or from the system, and returns to the one that its address belongs to.
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
                    // Large zeroed blocks are pages that are not present yet: without this, the guest's first indirect calls
                    // would fetch a table's pages one by one.
                    let start = memory as usize;
                    // SAFETY: just allocated, and not in use elsewhere.
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
            // SAFETY: the heap handed it out.
            return unsafe { locked_heap::give_back(memory, layout) };
        }
        if reserve::owns(memory) {
            // SAFETY: the reserve handed it out.
            return unsafe { reserve::give_back(memory) };
        }
        // SAFETY: the system handed it out.
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
            // SAFETY: passed on; if the system refuses, the block does not change, and belongs to the caller until it has been
            // copied.
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
        // SAFETY: the new size and the old alignment make a layout, as the caller promises; the two blocks do not overlap.
        unsafe {
            let larger = Layout::from_size_align_unchecked(new_size, layout.align());
            // A block that is kept remains in the heap, also when it grows later.
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

/// Allocates from the locked heap while this thread creates what calls will touch. If the heap is exhausted, the caller uses
/// the system's memory.
#[inline]
fn kept(layout: Layout) -> Option<NonNull<u8>> {
    if locked_heap::keeping() { NonNull::new(locked_heap::take(layout)) } else { None }
}

/// Allocates from the reserve what the system has refused, unless the caller can do without, like a call that makes a table
/// grow.
#[cold]
fn refused(layout: Layout) -> *mut u8 {
    if reserve::is_without() || section().is_some() { null_mut() } else { reserve::take(layout) }
}

#[inline]
fn count_system() {
    let _ = FROM_SYSTEM.try_with(|count| count.set(count.get() + 1));
}

/// The number of allocations of this library on this thread, arena or not.
pub fn allocations() -> u64 {
    FROM_SYSTEM.try_with(Cell::get).unwrap_or(0) + arena::taken()
}
