//! A histogram for readers: snapshots, and resets while the writer runs.

use std::time::{Duration, Instant, SystemTime};

use super::histogram::Histogram;
use super::snapshot::{Extremes, Snapshot};
use crate::rt::sync::{AtomicPtr, Mutex, MutexGuard, Ordering::*};

/// A histogram that readers can reset while its writer runs.
pub struct Recorder {
    /// The histogram that the writer records into: usually its own, for a while the one that does not count.
    active: AtomicPtr<Histogram>,
    counted: Box<Histogram>,
    /// Used by readers only; the writer never touches it.
    past: Mutex<Past>,
}

/// Takes what does not count, of all recorders.
#[cfg(not(loom))]
static ASIDE: Histogram = Histogram::ZERO;

fn range_of(histogram: &Histogram) -> std::ops::Range<usize> {
    let start = histogram as *const Histogram as usize;
    start..start + size_of::<Histogram>()
}

/// The values before the last reset.
struct Past {
    /// None if there was no reset.
    recorded: Option<Snapshot>,
    extremes: Extremes,
    began: Began,
}

/// The moment when something began, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    realtime: SystemTime,
    monotonic: Instant,
}

impl Began {
    pub fn now() -> Began {
        Began { realtime: SystemTime::now(), monotonic: Instant::now() }
    }

    /// In ns of CLOCK_REALTIME.
    pub fn realtime_ns(&self) -> u64 {
        self.realtime.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
    }

    /// The time since that moment.
    pub fn elapsed(&self) -> Duration {
        self.monotonic.elapsed()
    }

    /// The time from an earlier moment to this one.
    pub fn since(&self, earlier: &Began) -> Duration {
        self.monotonic.duration_since(earlier.monotonic)
    }
}

impl Recorder {
    pub fn new() -> Recorder {
        let counted = Histogram::new();
        Recorder {
            active: AtomicPtr::new(&*counted as *const Histogram as *mut _),
            counted,
            past: Mutex::new(Past { recorded: None, extremes: Extremes::NONE, began: Began::now() }),
        }
    }

    /// The histogram to record into now.
    #[inline(always)]
    pub fn active(&self) -> &Histogram {
        // Relaxed: only the writer's thread exchanges the pointer, and both histograms were whole before it began.
        // SAFETY: its own histogram, which lives as long as self, or one that lives for good.
        unsafe { &*self.active.load(Relaxed) }
    }

    /// The values since the last reset. For any thread but a real-time one.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_since().0
    }

    /// The values since the last reset, and the moment of that reset. For any thread but a real-time one.
    pub fn snapshot_since(&self) -> (Snapshot, Began) {
        let past = self.past();
        let mut now = self.counted.copy();
        let snapshot = match &past.recorded {
            Some(before) => now.since(before),
            None => {
                now.reconcile();
                now
            }
        };
        (snapshot, past.began)
    }

    /// True if nothing was ever recorded.
    pub fn is_untouched(&self) -> bool {
        self.past().recorded.is_none() && self.counted.is_untouched()
    }

    /// All values ever recorded, resets or not. A reader with its own interval subtracts two of these.
    pub fn ever(&self) -> Snapshot {
        let past = self.past();
        let mut now = self.counted.copy();
        let extremes = now.extremes().with(past.extremes);
        (now.min, now.max, now.calls.arena_peak) = (extremes.min, extremes.max, extremes.arena_peak);
        now.reconcile();
        now
    }

    /// Starts the statistics over. For any thread but a real-time one. A value that is being recorded at that moment counts
    /// once, before or after the reset; if it is an extreme, that extreme is then exact only to its bucket.
    pub fn reset(&self) {
        let mut past = self.past();
        past.extremes = past.extremes.with(self.counted.take_extremes());
        past.recorded = Some(self.counted.copy());
        past.began = Began::now();
    }

    /// Runs a function whose recordings do not count: they go where nobody looks, and where several threads may write at once. Call it
    /// on the writer's thread.
    #[cfg(not(loom))]
    pub fn aside<T>(&self, run: impl FnOnce() -> T) -> T {
        // SAFETY: it lives for good.
        unsafe { self.recording_into(&ASIDE, run) }
    }

    /// Runs a function whose recordings go into another histogram. Call it on the writer's thread.
    ///
    /// # Safety
    /// The histogram lives as long as self, or the function does not unwind.
    pub unsafe fn recording_into<T>(&self, other: &Histogram, run: impl FnOnce() -> T) -> T {
        let record_into = |histogram: &Histogram| self.active.store(histogram as *const Histogram as *mut _, Relaxed);
        record_into(other);
        let outcome = run();
        record_into(&self.counted);
        outcome
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The memory that the writer touches, for prefaulting.
    pub fn range(&self) -> std::ops::Range<usize> {
        range_of(&self.counted)
    }

    /// The memory that it touches while recordings do not count.
    #[cfg(not(loom))]
    pub fn range_aside() -> std::ops::Range<usize> {
        range_of(&ASIDE)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::histogram::{VALUE_BITS, bounds_of, bucket_of};
    use super::*;

    #[test]
    fn quantiles_match_sorting() {
        let recorder = Recorder::new();
        let mut values: Vec<u64> = Vec::new();
        let mut state = 88172645463325252u64;
        for _ in 0..100_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = 1 + (state >> (26 + state % 33));
            values.push(value);
            recorder.active().record(value);
        }
        values.sort();
        let snapshot = recorder.snapshot();
        assert_eq!(snapshot.count, 100_000);
        assert_eq!((snapshot.min, snapshot.max), (values[0], values[99_999]));
        assert_eq!(snapshot.sum, values.iter().sum::<u64>());
        let wanted = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];
        for (quantile, answer) in wanted.iter().zip(snapshot.quantiles(wanted)) {
            let exact = values[((quantile * 100_000f64).ceil() as usize).max(1) - 1] as f64;
            assert!((answer / exact - 1.0).abs() <= 0.01, "quantile {quantile}: {answer} for {exact}");
        }
    }

    #[test]
    fn overflow_is_counted_and_bounded_by_the_maximum() {
        let recorder = Recorder::new();
        recorder.active().record((1 << VALUE_BITS) - 1);
        recorder.active().record(1 << VALUE_BITS);
        recorder.active().record(u64::MAX);
        let snapshot = recorder.snapshot();
        assert_eq!((snapshot.count, snapshot.overflows, snapshot.max), (3, 2, u64::MAX));
        assert_eq!(snapshot.quantiles([1.0]), [u64::MAX as f64]);
    }

    #[test]
    fn a_value_that_arrives_in_pieces_does_no_harm() {
        // A reset interrupted the writer in the middle of recording: its extremes are before the reset, its bucket is not.
        let recorder = Recorder::new();
        recorder.counted.max.store(1000, Relaxed);
        recorder.reset();
        recorder.counted.buckets[bucket_of(1000)].store(1, Relaxed);
        let snapshot = recorder.snapshot();
        assert_eq!((snapshot.count, snapshot.min), (1, bounds_of(bucket_of(1000)).1 - 1));
        assert!(snapshot.quantiles([0.0, 0.5, 1.0]).iter().all(|value| (value / 1000.0 - 1.0).abs() < 0.02));
        recorder.counted.overflows.store(1, Relaxed);
        assert_eq!(recorder.snapshot().max, 1 << VALUE_BITS);
        assert_eq!(recorder.ever().count, 2);
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        let snapshot = Recorder::new().snapshot();
        assert_eq!(snapshot.quantiles([0.5, 1.0]), [0.0, 0.0]);
        assert_eq!(snapshot.occupied().count(), 0);
    }

    /// Runs one writer until a reader has finished.
    fn while_recording<T>(recorder: &Recorder, read: impl FnOnce() -> T) -> (T, u64, u64) {
        use std::sync::atomic::AtomicBool;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (mut count, mut sum) = (0, 0);
                while !stop.load(Relaxed) {
                    let value = count * 7919 % 1000 + 1;
                    recorder.active().record(value);
                    (count, sum) = (count + 1, sum + value);
                }
                (count, sum)
            });
            let read = read();
            stop.store(true, Relaxed);
            let (count, sum) = writer.join().expect("it writes");
            (read, count, sum)
        })
    }

    #[test]
    fn resets_lose_nothing_but_the_past_while_a_writer_runs() {
        let recorder = Recorder::new();
        let ((), count, sum) = while_recording(&recorder, || {
            for _ in 0..1000 {
                recorder.reset();
                let snapshot = recorder.snapshot();
                assert_eq!(snapshot.occupied().map(|(_, _, count)| count).sum::<u64>(), snapshot.count);
                assert!(snapshot.max <= 1007, "{}", snapshot.max);
            }
        });
        assert_eq!((recorder.ever().count, recorder.ever().sum), (count, sum));
        recorder.reset();
        assert_eq!(recorder.snapshot().count, 0);
        assert_eq!(recorder.ever().count, count);
    }

    #[test]
    fn intervals_add_up_to_the_total_while_a_writer_runs_and_others_ask_and_reset() {
        let recorder = Recorder::new();
        let ask = |rounds: usize| {
            let (mut last, mut total) = (Snapshot::empty(), Snapshot::empty());
            for _ in 0..rounds {
                let now = recorder.ever();
                let interval = now.since(&last);
                assert!(interval.count == 0 || interval.min <= interval.max);
                total.add(&interval);
                last = now;
            }
            (last, total)
        };
        let (askers, count, sum) = while_recording(&recorder, || {
            std::thread::scope(|scope| {
                let askers = [300, 500, 700].map(|rounds| scope.spawn(move || ask(rounds)));
                for _ in 0..100 {
                    recorder.reset();
                }
                askers.map(|asker| asker.join().expect("it asks"))
            })
        });
        for (last, mut total) in askers {
            total.add(&recorder.ever().since(&last));
            assert_eq!((total.count, total.sum), (count, sum));
            assert_eq!(total.buckets, recorder.ever().buckets);
            assert_eq!((total.min, total.max), (recorder.ever().min, recorder.ever().max));
        }
    }

    #[test]
    fn an_intervals_extremes_are_within_a_bucket_and_exact_where_they_can_be_told() {
        let recorder = Recorder::new();
        let record = |values: &[u64]| values.iter().for_each(|value| recorder.active().record(*value));
        record(&[100_000, 300_000]);
        let first = recorder.ever();
        record(&[200_001]);
        let second = recorder.ever();
        let single = second.since(&first);
        assert_eq!((single.count, single.min, single.max, single.sum, single.last), (1, 200_001, 200_001, 200_001, 200_001));
        record(&[150_000, 999_999, 200_000]);
        let third = recorder.ever().since(&second);
        assert_eq!(third.max, 999_999, "a new maximum of all");
        let (low, high) = bounds_of(bucket_of(150_000));
        assert!((low..high).contains(&third.min));
        let before = recorder.ever();
        record(&[999_998, 999_000]);
        let fourth = recorder.ever().since(&before);
        assert!(fourth.max >= 999_998 && fourth.max <= 999_999 && fourth.min <= 999_000);
        let nothing = recorder.ever().since(&recorder.ever());
        assert_eq!((nothing.count, nothing.last, nothing.max, nothing.min), (0, 0, 0, u64::MAX));
    }

    #[test]
    fn a_reset_takes_the_extremes_from_nobody_else() {
        let recorder = Recorder::new();
        recorder.active().record(1_000_003);
        recorder.active().record_fault(77, false);
        recorder.reset();
        recorder.active().record(5);
        let (since, ever) = (recorder.snapshot(), recorder.ever());
        assert_eq!((since.count, since.min, since.max, since.calls.faults, since.calls.arena_peak), (1, 5, 5, 0, 0));
        assert_eq!((ever.count, ever.min, ever.max, ever.calls.faults, ever.calls.arena_peak), (2, 5, 1_000_003, 1, 77));
    }

    #[test]
    fn what_is_recorded_aside_counts_for_nobody() {
        let recorder = Recorder::new();
        recorder.active().record(5);
        recorder.aside(|| recorder.active().record(7));
        recorder.active().record(9);
        let snapshot = recorder.snapshot();
        assert_eq!((snapshot.count, snapshot.sum, snapshot.last), (2, 14, 9));
    }

    #[test]
    fn correction_puts_in_what_a_late_call_kept_from_starting() {
        // The expected values, recorded one by one, as recordValueWithExpectedInterval would.
        let (recorder, expected) = (Recorder::new(), Recorder::new());
        for value in [3, 40, 41, 100, 100, 5_000, 63] {
            recorder.active().record(value);
            expected.active().record(value);
        }
        const PERIOD: u64 = 20;
        for (low, high, count) in recorder.snapshot().occupied() {
            let mut missing = ((low + high - 1) / 2).min(5_000);
            while missing >= 2 * PERIOD {
                missing -= PERIOD;
                (0..count).for_each(|_| expected.active().record(missing));
            }
        }
        let (corrected, expected) = (recorder.snapshot().corrected(PERIOD), expected.snapshot());
        assert_eq!(corrected.buckets, expected.buckets);
        assert_eq!((corrected.count, corrected.sum), (expected.count, expected.sum));
        assert_eq!((corrected.min, corrected.max), (3, 5_000));
        assert_eq!(recorder.snapshot().corrected(0), recorder.snapshot());
        assert_eq!(recorder.snapshot().corrected(10_000), recorder.snapshot());
    }
}
