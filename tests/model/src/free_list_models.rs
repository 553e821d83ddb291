//! A model of unused records that threads take and return.

use std::ptr::null_mut;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicPtr;
use loom::thread;

use super::subject::{FreeList, Linked};

/// A record whose use is seen by loom: two threads that have it at once, or one that does not see what its last user did, have touched
/// the cell at once.
struct Record {
    next: AtomicPtr<Record>,
    uses: UnsafeCell<usize>,
}

// SAFETY: the record belongs to the thread that has taken it; this is what the model is to show.
unsafe impl Sync for Record {}

impl Linked for Record {
    fn next(&self) -> &AtomicPtr<Record> {
        &self.next
    }
}

impl Record {
    fn make() -> &'static Record {
        Box::leak(Box::new(Record { next: AtomicPtr::new(null_mut()), uses: UnsafeCell::new(0) }))
    }

    /// Uses the record as its owner does, who may link it to others.
    fn count(&self) -> usize {
        // SAFETY: as above.
        self.uses.with_mut(|uses| unsafe {
            *uses += 1;
            *uses
        })
    }
}

/// Takes a record, or makes one if there is none, uses it, and returns it to the list. The result is 1 if it has made one.
fn visit(list: &FreeList<Record>) -> usize {
    let found = list.take();
    let record = found.unwrap_or_else(Record::make);
    record.count();
    list.give_back(record);
    usize::from(found.is_none())
}

/// Two threads beside a third one, with `records` unused at first: each record belongs to one thread at a time, which sees what the last
/// one did with it; in the end all are in the list once, with all uses.
pub fn visits(records: usize) {
    let list = Arc::new(FreeList::new());
    (0..records).for_each(|_| list.give_back(Record::make()));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let list = list.clone();
            thread::spawn(move || visit(&list))
        })
        .collect();
    let mut made = visit(&list);
    for other in others {
        made += other.join().unwrap();
    }
    let mut found: Vec<&'static Record> = std::iter::from_fn(|| list.take()).collect();
    let uses: usize = found.iter().map(|record| record.count() - 1).sum();
    assert_eq!(uses, 3, "each use counts once");
    found.sort_by_key(|record| std::ptr::from_ref(*record));
    found.dedup_by_key(|record| std::ptr::from_ref(*record));
    assert_eq!(found.len(), records + made, "no record is lost");
}
