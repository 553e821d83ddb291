//! A value that one thread reads repeatedly while others replace it as a whole: read-copy-update with a single reader. The
//! reader takes no lock; a thread that replaces the value waits until the reader does not read the old one.
//!
//! `tests/model` runs this file under loom.

use super::sync::{AtomicPtr, AtomicU64, Ordering::*, Owned, fence};

pub struct Rcu<T> {
    value: AtomicPtr<T>,
    /// Odd while the reader reads.
    looking: AtomicU64,
}

impl<T> Rcu<T> {
    pub fn new(value: Box<T>) -> Rcu<T> {
        Rcu { value: AtomicPtr::new(Box::into_raw(value)), looking: AtomicU64::new(0) }
    }

    /// Reads the value.
    ///
    /// # Safety
    /// Only one thread is the reader, and it does not read inside `look`.
    pub unsafe fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let looking = self.looking.own();
        // The previous reading also comes before this: a waiting thread may see this number and not the even one.
        self.looking.store(looking + 1, Release);
        // Either the replacing thread sees that this one reads, or this one sees the new value.
        fence(SeqCst);
        // SAFETY: the value stays until `looking` is even again.
        let result = look(unsafe { &*self.value.load(Acquire) });
        self.looking.store(looking + 2, Release);
        result
    }

    /// Reads the value, to make a new one from it.
    ///
    /// # Safety
    /// The caller keeps other threads from replacing it until it has finished.
    pub unsafe fn current(&self) -> &T {
        // SAFETY: passed on.
        unsafe { &*self.value.load(Acquire) }
    }

    /// Replaces the value, and drops the old one when the reader does not read it; calls `pause` while it does. There is no
    /// reader in a forked child, which does not wait.
    ///
    /// # Safety
    /// As for [`Rcu::current`].
    pub unsafe fn replace(&self, value: Box<T>, has_reader: bool, pause: impl Fn()) {
        let old = self.value.swap(Box::into_raw(value), AcqRel);
        fence(SeqCst);
        let looking = self.looking.load(Acquire);
        while has_reader && looking % 2 == 1 && self.looking.load(Acquire) == looking {
            pause();
        }
        // SAFETY: created by a box, and no thread can reach it now.
        drop(unsafe { Box::from_raw(old) });
    }
}

impl<T> Drop for Rcu<T> {
    fn drop(&mut self) {
        // SAFETY: created by a box, and no thread reads it any more.
        drop(unsafe { Box::from_raw(self.value.load(Acquire)) });
    }
}
