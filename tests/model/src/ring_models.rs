//! A model of the ring between two threads.

use loom::thread;

use super::subject::ring;

/// A thread pushes three values, another pops them: each arrives whole, in order and once, and there is room for two.
pub fn values() {
    let (mut producer, mut consumer) = ring(2);
    let pushing = thread::spawn(move || (1..=3).filter(|value| producer.push(*value)).collect::<Vec<u64>>());
    let mut popped = Vec::new();
    for _ in 0..3 {
        popped.extend(consumer.pop());
    }
    let pushed = pushing.join().unwrap();
    while let Some(value) = consumer.pop() {
        popped.push(value);
    }
    assert_eq!(pushed, popped);
    assert!(pushed.len() >= 2, "there is room for two");
    assert!(consumer.is_empty());
}
