//! A value that one thread reads again and again while others replace it as a whole: read-copy-update with a single reader. The
//! reader takes no lock; who replaces the value waits until the reader has looked away from the old one.
//!
//! `tests/model` runs this file under loom.

use super::sync::{AtomicPtr, AtomicU64, Ordering::*, Owned, fence};

pub struct Rcu<T> {
    value: AtomicPtr<T>,
    /// Odd while the reader looks.
    looking: AtomicU64,
}

impl<T> Rcu<T> {
    pub fn new(value: Box<T>) -> Rcu<T> {
        Rcu { value: AtomicPtr::new(Box::into_raw(value)), looking: AtomicU64::new(0) }
    }

    /// Looks at the value.
    ///
    /// # Safety
    /// One thread alone is the reader, and does not look within a look.
    pub unsafe fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let looking = self.looking.own();
        // What the look before has read comes before this, too: a waiting thread may see this number and not the even one.
        self.looking.store(looking + 1, Release);
        // Either the one who replaces the value sees that we look, or we see the new value.
        fence(SeqCst);
        // SAFETY: the value stays until `looking` is even again.
        let result = look(unsafe { &*self.value.load(Acquire) });
        self.looking.store(looking + 2, Release);
        result
    }

    /// Reads the value to make another one of it.
    ///
    /// # Safety
    /// The caller has kept others from replacing it, and keeps them until it is done.
    pub unsafe fn current(&self) -> &T {
        // SAFETY: passed on.
        unsafe { &*self.value.load(Acquire) }
    }

    /// Replaces the value, and drops the old one when the reader does not look at it: `pause` is called while it does. There
    /// is no reader in a forked child, which does not wait.
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
        // SAFETY: made by a box, and out of everybody's sight now.
        drop(unsafe { Box::from_raw(old) });
    }
}

impl<T> Drop for Rcu<T> {
    fn drop(&mut self) {
        // SAFETY: made by a box, and nobody looks any more.
        drop(unsafe { Box::from_raw(self.value.load(Acquire)) });
    }
}
