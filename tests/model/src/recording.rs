//! The histogram and its readers, `src/record/recorder.rs`. It has six buckets here instead of 2176.

use crate::recorder::Recorder;
use crate::snapshot::Snapshot;
use loom::sync::Arc;
use loom::thread;

/// Runs all orders with at most `switches` involuntary switches from one thread to another: without a bound it takes hours.
fn model(switches: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches);
    model.check(run);
}

/// The recorder, with a writer of its own that records these values.
fn with_writer(values: &'static [u64], readers: impl FnOnce(&Arc<Recorder>) + Send + 'static) {
    let recorder = Arc::new(Recorder::new());
    let writer = {
        let recorder = recorder.clone();
        thread::spawn(move || values.iter().for_each(|value| recorder.active().record(*value)))
    };
    readers(&recorder);
    writer.join().unwrap();
    let ever = recorder.ever();
    assert_eq!((ever.count, ever.sum), (values.len() as u64, values.iter().sum()));
    assert_eq!((ever.min, ever.max), (*values.iter().min().unwrap(), *values.iter().max().unwrap()));
}

/// Whatever a reader sees is consistent in itself.
fn check(snapshot: &Snapshot) {
    assert_eq!(snapshot.occupied().map(|(_, _, count)| count).sum::<u64>() + snapshot.overflows, snapshot.count);
    assert!(snapshot.count == 0 || snapshot.min <= snapshot.max);
}

#[test]
fn intervals_add_up_whatever_the_writer_does_meanwhile() {
    model(2, || {
        with_writer(&[3, 6], |recorder| {
            let (mut last, mut total) = (Snapshot::empty(), Snapshot::empty());
            for _ in 0..2 {
                let now = recorder.ever();
                check(&now);
                total.add(&now.since(&last));
                last = now;
            }
            assert_eq!((total.count, total.sum), (last.count, last.sum));
        });
    });
}

#[test]
fn a_reset_loses_no_value_and_counts_none_twice() {
    model(2, || {
        with_writer(&[3, 6], |recorder| {
            recorder.reset();
            check(&recorder.snapshot());
        });
    });
}

#[test]
fn resets_on_two_threads_get_along() {
    model(1, || {
        with_writer(&[5], |recorder| {
            let other = {
                let recorder = recorder.clone();
                thread::spawn(move || recorder.reset())
            };
            recorder.reset();
            check(&recorder.snapshot());
            other.join().unwrap();
            check(&recorder.snapshot());
        });
    });
}

#[test]
fn what_is_recorded_aside_is_seen_by_nobody() {
    model(2, || {
        let recorder = Arc::new(Recorder::new());
        let writer = {
            let recorder = recorder.clone();
            thread::spawn(move || {
                recorder.active().record(3);
                let aside = Recorder::new();
                // SAFETY: the function does not unwind.
                unsafe { recorder.recording_into(aside.active(), || recorder.active().record(7)) };
            })
        };
        let seen = recorder.ever();
        check(&seen);
        assert!(seen.count <= 1 && seen.max <= 3);
        recorder.reset();
        writer.join().unwrap();
        assert_eq!((recorder.ever().count, recorder.ever().sum), (1, 3));
    });
}

/// The twin: a reset that clears the cells instead of subtracting, which is what the checker is there to find.
#[test]
#[should_panic(expected = "a value was lost or counted twice")]
fn a_reset_that_clears_is_found() {
    use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
    model(2, || {
        let cell = Arc::new(AtomicU64::new(0));
        let writer = {
            let cell = cell.clone();
            thread::spawn(move || (0..2).for_each(|_| cell.store(cell.load(Relaxed) + 1, Relaxed)))
        };
        let cleared = cell.swap(0, Relaxed);
        writer.join().unwrap();
        assert_eq!(cleared + cell.load(Relaxed), 2, "a value was lost or counted twice");
    });
}
