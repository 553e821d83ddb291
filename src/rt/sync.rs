//! Atomics, locks and cells for structures that threads share: the standard library's, or, in `tests/model`, those of the model
//! checker loom.

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
};
#[cfg(not(loom))]
pub use std::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
};

/// The standard cell with loom's interface.
#[cfg(not(loom))]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline(always)]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// A word that only one thread writes.
pub trait Owned {
    type Value;
    /// Reads the word on the thread that writes it: a relaxed load. loom counts a thread's own load before its store as the
    /// last access to the word, and would not try other threads' accesses before it; so for loom this is no access.
    fn own(&self) -> Self::Value;
}

macro_rules! owned {
    ($($atomic:ident: $value:ty),*) => {
        $(impl Owned for $atomic {
            type Value = $value;

            #[cfg(not(loom))]
            #[inline(always)]
            fn own(&self) -> $value {
                self.load(Ordering::Relaxed)
            }

            #[cfg(loom)]
            fn own(&self) -> $value {
                // SAFETY: no other thread writes it; loom checks that.
                unsafe { self.unsync_load() }
            }
        })*
    };
}
owned!(AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);
