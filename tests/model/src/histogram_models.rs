//! Models of a writer whose counters are full while a reader copies them.

use std::sync::Arc;

use loom::thread;

use super::subject::Histogram;
use crate::Kept;

/// Values that are recorded before another thread copies the counts, and meanwhile: the copy has at least the first, and at most all.
fn recorded(before: &'static [u64], meanwhile: &'static [u64]) {
    let histogram = Arc::new(Kept::new(Histogram::new()));
    before.iter().for_each(|value| histogram.record(*value));
    let reader = {
        let histogram = histogram.clone();
        thread::spawn(move || histogram.copy().count)
    };
    meanwhile.iter().for_each(|value| histogram.record(*value));
    let seen = reader.join().unwrap() as usize;
    let all = before.len() + meanwhile.len();
    assert!((before.len()..=all).contains(&seen), "{seen} of {} to {all} values", before.len());
    assert_eq!(histogram.copy().count, all as u64);
}

/// The bucket's counter is full before the reader comes.
pub fn carries() {
    recorded(&[1], &[1]);
}

/// There is one carry for two buckets, so the second one's values count for the first.
pub fn carries_of_two() {
    recorded(&[1, 1, 6], &[6]);
}
