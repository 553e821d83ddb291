//! A list of unused records that are never freed: any thread takes one from it, and returns it.
//!
//! A thread that needs a record takes the whole list away, and returns all but one: without a lock, which a fork could leave locked,
//! and without the ABA problem of taking the first record alone. Meanwhile another thread finds an empty list, and makes a record.
//!
//! `tests/model` runs this file under loom.

use std::ptr::{from_ref, null_mut};

use super::sync::{AtomicPtr, Ordering::*};

/// A record that can be in a list.
pub trait Linked: Sync + Sized + 'static {
    /// The record that follows this one while it is unused. The thread that has taken the record may use the word for a list of
    /// its own.
    fn next(&self) -> &AtomicPtr<Self>;
}

pub struct FreeList<T> {
    first: AtomicPtr<T>,
}

impl<T: Linked> FreeList<T> {
    #[cfg(not(loom))]
    pub const fn new() -> FreeList<T> {
        FreeList { first: AtomicPtr::new(null_mut()) }
    }

    #[cfg(loom)]
    pub fn new() -> FreeList<T> {
        FreeList { first: AtomicPtr::new(null_mut()) }
    }

    /// Takes a record. None if there is none, or if another thread has taken the list away and not yet returned the rest.
    pub fn take(&self) -> Option<&'static T> {
        // Acquires what `give_back` has released for each record of the list: the thread that returned it has finished with it.
        let all = self.first.swap(null_mut(), Acquire);
        // SAFETY: null, or a record, and none is ever freed; the list that was taken belongs to this thread alone now.
        let taken: &'static T = unsafe { all.as_ref() }?;
        // SAFETY: as above.
        if let Some(rest) = unsafe { taken.next().swap(null_mut(), Relaxed).as_ref() } {
            self.give_back_chain(rest, last_of(rest));
        }
        Some(taken)
    }

    /// Puts a record among the unused ones. Its user has finished with it.
    pub fn give_back(&self, record: &'static T) {
        self.give_back_chain(record, record);
    }

    /// Puts a chain of records back. The head is only compared here, never followed, so it is loaded relaxed.
    fn give_back_chain(&self, first: &'static T, last: &'static T) {
        let mut head = self.first.load(Relaxed);
        loop {
            last.next().store(head, Relaxed);
            match self.first.compare_exchange_weak(head, from_ref(first).cast_mut(), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

fn last_of<T: Linked>(first: &'static T) -> &'static T {
    let mut last = first;
    // SAFETY: null, or a record, and none is ever freed.
    while let Some(next) = unsafe { last.next().load(Relaxed).as_ref() } {
        last = next;
    }
    last
}
