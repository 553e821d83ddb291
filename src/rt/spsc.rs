//! A bounded ring between two threads, one at each end: what leads to a pinned thread and away from it. Neither end ever waits
//! for the other, nor repeats anything: a push is two loads and two stores, and so is a pop. (A queue for many ends may have to
//! wait for whoever was preempted half-way: it has no place on a real-time thread.)
//!
//! The values are small and plain (`Copy`), so that nothing has to be dropped. `tests/model` runs this file under loom.

use super::sync::{Arc, AtomicUsize, Ordering::*, UnsafeCell};

/// An index that its neighbour's cache line does not slow down.
#[repr(align(128))]
struct Index(AtomicUsize);

struct Ring<T> {
    /// A power of two of them, so that an index stays meaningful when it wraps.
    slots: Box<[UnsafeCell<Option<T>>]>,
    /// How many have been pushed, and popped, ever.
    pushed: Index,
    popped: Index,
}

// SAFETY: a slot is the producer's until it is pushed and the consumer's from then until it is popped; there is one of each.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    #[inline(always)]
    fn slot(&self, index: usize) -> &UnsafeCell<Option<T>> {
        &self.slots[index & (self.slots.len() - 1)]
    }
}

/// The end that pushes. One thread at a time has it.
pub struct Producer<T>(Arc<Ring<T>>);

/// The end that pops. One thread at a time has it.
pub struct Consumer<T>(Arc<Ring<T>>);

/// A ring for at least `capacity` values. All the memory it will ever use is taken here.
pub fn ring<T: Copy>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let ring = Arc::new(Ring {
        slots: (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(None)).collect(),
        pushed: Index(AtomicUsize::new(0)),
        popped: Index(AtomicUsize::new(0)),
    });
    (Producer(ring.clone()), Consumer(ring))
}

impl<T: Copy> Producer<T> {
    /// Whether there was room. Wait-free.
    #[inline]
    pub fn push(&mut self, value: T) -> bool {
        let ring = &*self.0;
        let pushed = ring.pushed.0.load(Relaxed);
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
    /// How many pushes have room for certain.
    #[inline]
    pub fn room(&self) -> usize {
        self.0.slots.len() - self.0.pushed.0.load(Relaxed).wrapping_sub(self.0.popped.0.load(Acquire))
    }
}

impl<T: Copy> Consumer<T> {
    /// The oldest value. Wait-free.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let ring = &*self.0;
        let popped = ring.popped.0.load(Relaxed);
        if popped == ring.pushed.0.load(Acquire) {
            return None;
        }
        // SAFETY: the slot is filled, and this is the only consumer.
        let value = ring.slot(popped).with(|slot| unsafe { *slot });
        ring.popped.0.store(popped.wrapping_add(1), Release);
        value
    }

    /// Whether there is nothing to pop.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.popped.0.load(Relaxed) == self.0.pushed.0.load(Acquire)
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
