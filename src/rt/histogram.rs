//! Where call times go: fixed log-linear buckets, written by one thread with relaxed stores and read by any other.
//!
//! Values are clock ticks. Below 64 every value has its own bucket; above, each power of two is divided into 64, so that a
//! bucket is at most 1/64 of its value wide and its middle is within 0.8 % of every value in it. The writer does two loads and
//! three stores that are always taken, no read-modify-write, and touches at most three cache lines. The construction is that of
//! HdrHistogram (Gil Tene), with the sub-bucket count fixed and the totals derived on reading.

use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
/// Values of this many bits are kept: 2^39 ticks are 100 s at 5.4 GHz.
const VALUE_BITS: u32 = 39;
pub const BUCKETS: usize = ((VALUE_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

/// The bucket that holds `value`, which must be below 2^39.
#[inline(always)]
fn bucket_of(value: u64) -> usize {
    let exponent = (63 - SUB_BITS) - (value | SUB).leading_zeros();
    ((exponent as u64) * SUB + (value >> exponent)) as usize
}

/// The values of a bucket: from the first (inclusive) to the second (exclusive).
pub fn bounds_of(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return (bucket, bucket + 1);
    }
    let exponent = bucket / SUB - 1;
    let low = (bucket - exponent * SUB) << exponent;
    (low, low + (1 << exponent))
}

/// One writer, many readers.
#[repr(C, align(64))]
pub struct Histogram {
    last: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    overflows: AtomicU64,
    faults: AtomicU64,
    cut_offs: AtomicU64,
    overruns: AtomicU64,
    misses: AtomicU64,
    arena_peak: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Histogram {
    fn new() -> Box<Histogram> {
        // SAFETY: all-zero is a valid value of every field; the minimum is set below. Written in place: 17 KiB do not
        // belong on a stack that may be small.
        let mut histogram: Box<Histogram> = unsafe { Box::new_zeroed().assume_init() };
        *histogram.min.get_mut() = u64::MAX;
        histogram
    }

    /// Records one value. One thread at a time; allocates, locks and calls nothing.
    #[inline(always)]
    pub fn record(&self, value: u64) {
        self.last.store(value, Relaxed);
        self.sum.store(self.sum.load(Relaxed).wrapping_add(value), Relaxed);
        if value < self.min.load(Relaxed) {
            self.min.store(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.store(value, Relaxed);
        }
        let counter = match value >> VALUE_BITS {
            // SAFETY: the last value of 39 bits is in the last bucket, as a test shows.
            0 => unsafe { self.buckets.get_unchecked(bucket_of(value)) },
            _ => &self.overflows,
        };
        counter.store(counter.load(Relaxed) + 1, Relaxed);
    }

    /// Reads what recording a value near this one will touch, so that it is in the caches.
    pub fn look_at(&self, value: u64) {
        // The bucket's cache line and its neighbours: values scatter.
        const LINE: usize = 8;
        let bucket = bucket_of(value.min((1 << VALUE_BITS) - 1));
        for near in (bucket.saturating_sub(2 * LINE)..=bucket + LINE).step_by(LINE).filter(|near| *near < BUCKETS) {
            std::hint::black_box(self.buckets[near].load(Relaxed));
        }
        std::hint::black_box((self.last.load(Relaxed), self.max.load(Relaxed)));
    }

    /// Counts a call that ended in a fault, and what it took of its thread's arena; its time is recorded as well.
    pub fn record_fault(&self, arena_bytes: u64, cut_off: bool) {
        self.faults.store(self.faults.load(Relaxed) + 1, Relaxed);
        self.cut_offs.store(self.cut_offs.load(Relaxed) + u64::from(cut_off), Relaxed);
        if arena_bytes > self.arena_peak.load(Relaxed) {
            self.arena_peak.store(arena_bytes, Relaxed);
        }
    }

    /// Counts a call that took longer than its budget and was not cut off.
    pub fn record_overrun(&self) {
        self.overruns.store(self.overruns.load(Relaxed) + 1, Relaxed);
    }

    /// Counts a call that took longer than its deadline and was not cut off.
    pub fn record_miss(&self) {
        self.misses.store(self.misses.load(Relaxed) + 1, Relaxed);
    }

    /// Empties it. Not while it is written to.
    fn clear(&self) {
        for cell in
            [&self.last, &self.sum, &self.max, &self.overflows, &self.faults, &self.cut_offs, &self.overruns, &self.misses]
                .into_iter()
                .chain([&self.arena_peak])
                .chain(&self.buckets)
        {
            cell.store(0, Relaxed);
        }
        self.min.store(u64::MAX, Relaxed);
    }

    /// A copy of what is recorded now. A call that ends meanwhile may be in some figures and not yet in others; the
    /// number of values always equals the sum of the copied buckets and overflows.
    pub fn snapshot(&self) -> Snapshot {
        let buckets: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        let overflows = self.overflows.load(Relaxed);
        let mut snapshot = Snapshot {
            count: buckets.iter().sum::<u64>() + overflows,
            buckets,
            overflows,
            last: self.last.load(Relaxed),
            sum: self.sum.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
            faults: self.faults.load(Relaxed),
            cut_offs: self.cut_offs.load(Relaxed),
            overruns: self.overruns.load(Relaxed),
            misses: self.misses.load(Relaxed),
            arena_peak: self.arena_peak.load(Relaxed),
        };
        snapshot.reconcile();
        snapshot
    }
}

/// What a histogram held at one moment, in ticks.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub count: u64,
    pub overflows: u64,
    pub faults: u64,
    /// Faults that were the budget's.
    pub cut_offs: u64,
    /// Values above their call's budget, of calls that were not cut off.
    pub overruns: u64,
    /// Values above their deadline, of calls that were not cut off.
    pub misses: u64,
    /// The most bytes that one failing call took of its thread's arena.
    pub arena_peak: u64,
    pub last: u64,
    pub sum: u64,
    /// `u64::MAX` while nothing is recorded.
    pub min: u64,
    pub max: u64,
    buckets: Vec<u64>,
}

impl Snapshot {
    /// Brings the extremes into the outermost buckets, where they are unless a value was being recorded meanwhile, or one
    /// that was on its way during a reset arrived after it.
    fn reconcile(&mut self) {
        let outermost = |bucket: Option<usize>| bucket.map(bounds_of).map(|(low, high)| (low, high - 1));
        let beyond = (self.overflows != 0).then_some((1 << VALUE_BITS, u64::MAX));
        let first = outermost(self.buckets.iter().position(|count| *count != 0)).or(beyond);
        let last = beyond.or(outermost(self.buckets.iter().rposition(|count| *count != 0)));
        if let (Some(first), Some(last)) = (first, last) {
            self.min = self.min.clamp(first.0, first.1);
            self.max = self.max.clamp(last.0, last.1).max(self.min);
        }
    }

    /// The values at the given quantiles, which must ascend and lie in 0..=1. A quantile is the smallest recorded value
    /// that at least that share of all values does not exceed (nearest rank), told by the middle of its bucket and kept between
    /// the exact minimum and maximum.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        let mut answers = [0.0; N];
        if self.count == 0 {
            return answers;
        }
        let mut filled = 0;
        let mut seen = 0u64;
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count != 0) {
            seen += count;
            while filled < N && seen >= self.rank(quantiles[filled]) {
                let (low, high) = bounds_of(bucket);
                let middle = (low + high - 1) as f64 / 2.0;
                answers[filled] = middle.clamp(self.min as f64, self.max as f64);
                filled += 1;
            }
        }
        // What is beyond the last bucket can only be told by the maximum.
        answers[filled..].fill(self.max as f64);
        answers
    }

    fn rank(&self, quantile: f64) -> u64 {
        ((quantile * self.count as f64).ceil() as u64).clamp(1, self.count)
    }

    /// The non-empty buckets in ascending order: bounds in ticks (upper exclusive) and count.
    pub fn occupied(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, count)| **count != 0).map(|(bucket, &count)| {
            let (low, high) = bounds_of(bucket);
            (low, high, count)
        })
    }
}

/// A histogram that can be emptied while its writer runs: there are two, and a reset empties the idle one and exchanges them.
/// A value that is being recorded at that moment goes to the period before the reset.
pub struct Recorder {
    active: AtomicPtr<Histogram>,
    pair: [Box<Histogram>; 2],
    resetting: Mutex<()>,
}

impl Recorder {
    pub fn new() -> Recorder {
        let pair = [Histogram::new(), Histogram::new()];
        Recorder { active: AtomicPtr::new(&*pair[0] as *const Histogram as *mut _), pair, resetting: Mutex::new(()) }
    }

    /// The histogram to record into now.
    #[inline(always)]
    pub fn active(&self) -> &Histogram {
        // SAFETY: always one of the pair, which live as long as self.
        unsafe { &*self.active.load(Acquire) }
    }

    /// Starts anew. Any thread but a real-time one.
    pub fn reset(&self) {
        let _one_at_a_time = self.resetting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.exchange();
    }

    /// Runs something whose recordings do not count, on the writer's thread.
    pub fn aside<T>(&self, run: impl FnOnce() -> T) -> T {
        let _one_at_a_time = self.resetting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let counted = self.active();
        self.exchange();
        let outcome = run();
        self.active.store(counted as *const Histogram as *mut _, Release);
        outcome
    }

    /// Makes the idle histogram the active one, empty.
    fn exchange(&self) {
        let idle = self.pair.iter().find(|h| !std::ptr::eq(&***h, self.active())).expect("one of two is idle");
        idle.clear();
        self.active.store(&**idle as *const Histogram as *mut _, Release);
    }

    /// The memory that the writer touches, for prefaulting.
    pub fn ranges(&self) -> [std::ops::Range<usize>; 2] {
        [0, 1].map(|i| {
            let start = &*self.pair[i] as *const Histogram as usize;
            start..start + size_of::<Histogram>()
        })
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_their_values() {
        let mut expected_low = 0;
        for bucket in 0..BUCKETS {
            let (low, high) = bounds_of(bucket);
            assert_eq!(low, expected_low);
            assert_eq!((bucket_of(low), bucket_of(high - 1)), (bucket, bucket));
            let middle = (low + high - 1) as f64 / 2.0;
            assert!((high - 1) as f64 - middle <= 0.01 * low as f64, "bucket {bucket} is too wide");
            expected_low = high;
        }
        assert_eq!(expected_low, 1 << VALUE_BITS);
    }

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
        let snapshot = recorder.active().snapshot();
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
        let snapshot = recorder.active().snapshot();
        assert_eq!((snapshot.count, snapshot.overflows, snapshot.max), (3, 2, u64::MAX));
        assert_eq!(snapshot.quantiles([1.0]), [u64::MAX as f64]);
    }

    #[test]
    fn a_value_that_arrives_in_pieces_does_no_harm() {
        // A writer that was interrupted in the middle of recording, by two resets: its extremes are cleared, its bucket is not.
        let histogram = Histogram::new();
        histogram.buckets[bucket_of(1000)].store(1, Relaxed);
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.min), (1, bounds_of(bucket_of(1000)).1 - 1));
        assert!(snapshot.quantiles([0.0, 0.5, 1.0]).iter().all(|value| (value / 1000.0 - 1.0).abs() < 0.02));
        histogram.overflows.store(1, Relaxed);
        assert_eq!(histogram.snapshot().max, 1 << VALUE_BITS);
        histogram.buckets[bucket_of(1000)].store(0, Relaxed);
        let snapshot = histogram.snapshot();
        assert!(snapshot.min <= snapshot.max && snapshot.min >= 1 << VALUE_BITS);
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        let snapshot = Recorder::new().active().snapshot();
        assert_eq!(snapshot.quantiles([0.5, 1.0]), [0.0, 0.0]);
        assert_eq!(snapshot.occupied().count(), 0);
    }

    #[test]
    fn resets_lose_nothing_but_the_past_while_a_writer_runs() {
        use std::sync::atomic::AtomicBool;
        let recorder = Recorder::new();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut value = 1;
                while !stop.load(Relaxed) {
                    recorder.active().record(value % 1000 + 1);
                    value += 1;
                }
            });
            for _ in 0..1000 {
                recorder.reset();
                let snapshot = recorder.active().snapshot();
                assert_eq!(snapshot.occupied().map(|(_, _, count)| count).sum::<u64>(), snapshot.count);
                assert!(snapshot.max <= 1000);
            }
            stop.store(true, Relaxed);
        });
        recorder.reset();
        assert_eq!(recorder.active().snapshot().count, 0);
    }
}
