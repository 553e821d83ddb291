//! A bounded ring between two threads, one at each end, which leads to a pinned thread or away from it. Neither end ever waits
//! for the other or retries: a push is two loads and two stores, and so is a pop. (A queue with more ends may have to wait for
//! a thread that was preempted half-way, so it is not for real-time threads.)
//!
//! The values are small and plain (`Copy`), so that nothing has to be dropped. `tests/model` runs this file under loom.

use super::sync::{Arc, AtomicUsize, Ordering::*, Owned, UnsafeCell};

/// An index in a cache line of its own.
#[repr(align(128))]
struct Index(AtomicUsize);

struct Ring<T> {
    /// The number of slots is a power of two, so that an index stays valid when it wraps.
    slots: Box<[UnsafeCell<Option<T>>]>,
    /// The number of values ever pushed, and popped.
    pushed: Index,
    popped: Index,
}

// SAFETY: a slot belongs to the producer until it is pushed, and to the consumer from then until it is popped; there is one of
// each.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    #[inline(always)]
    fn slot(&self, index: usize) -> &UnsafeCell<Option<T>> {
        &self.slots[index & (self.slots.len() - 1)]
    }
}

/// The end that pushes. Used by one thread at a time.
pub struct Producer<T>(Arc<Ring<T>>);

/// The end that pops. Used by one thread at a time.
pub struct Consumer<T>(Arc<Ring<T>>);

/// Creates a ring for at least `capacity` values. It allocates all the memory that it will ever use.
pub fn ring<T: Copy>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let ring = Arc::new(Ring {
        slots: (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(None)).collect(),
        pushed: Index(AtomicUsize::new(0)),
        popped: Index(AtomicUsize::new(0)),
    });
    (Producer(ring.clone()), Consumer(ring))
}

impl<T: Copy> Producer<T> {
    /// Pushes a value. Returns false if there was no room. Wait-free.
    #[inline]
    pub fn push(&mut self, value: T) -> bool {
        let ring = &*self.0;
        let pushed = ring.pushed.0.own();
        // Acquire, with the consumer's release: it has read the slot before this thread writes it again.
        if pushed.wrapping_sub(ring.popped.0.load(Acquire)) == ring.slots.len() {
            return false;
        }
        // SAFETY: the slot is free, and this is the only producer.
        ring.slot(pushed).with_mut(|slot| unsafe { *slot = Some(value) });
        ring.pushed.0.store(pushed.wrapping_add(1), Release);
        true
    }
}

impl<T: Copy> Producer<T> {
    /// A number of pushes that have room for certain.
    #[inline]
    pub fn room(&self) -> usize {
        self.0.slots.len() - self.0.pushed.0.own().wrapping_sub(self.0.popped.0.load(Acquire))
    }
}

impl<T: Copy> Consumer<T> {
    /// Pops the oldest value. Wait-free.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let ring = &*self.0;
        let popped = ring.popped.0.own();
        // Acquire, with the producer's release: the value is in the slot.
        if popped == ring.pushed.0.load(Acquire) {
            return None;
        }
        // SAFETY: the slot is filled, and this is the only consumer.
        let value = ring.slot(popped).with(|slot| unsafe { *slot });
        ring.popped.0.store(popped.wrapping_add(1), Release);
        value
    }

    /// True if there is nothing to pop.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.popped.0.own() == self.0.pushed.0.load(Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_and_full_is_told() {
        let (mut producer, mut consumer) = ring(3);
        assert!(consumer.is_empty() && consumer.pop().is_none());
        for round in 0..10 {
            assert!((0..4).all(|i| producer.push(round * 4 + i)), "four is the next power of two");
            assert!(!producer.push(99));
            assert!(!consumer.is_empty());
            assert!((0..4).all(|i| consumer.pop() == Some(round * 4 + i)));
            assert_eq!(consumer.pop(), None);
        }
    }

    #[test]
    fn nothing_is_lost_between_two_threads() {
        let (mut producer, mut consumer) = ring(8);
        const COUNT: u64 = 1_000_000;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for value in 0..COUNT {
                    while !producer.push(value) {
                        std::hint::spin_loop();
                    }
                }
            });
            for expected in 0..COUNT {
                let value = loop {
                    match consumer.pop() {
                        Some(value) => break value,
                        None => std::hint::spin_loop(),
                    }
                };
                assert_eq!(value, expected);
            }
            assert!(consumer.is_empty());
        });
    }
}
