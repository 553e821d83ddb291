//! Where call times go: fixed log-linear buckets, written by one thread with relaxed stores and read by any other.
//!
//! Values are clock ticks. Below 64 every value has its own bucket; above, each power of two is divided into 64, so that a
//! bucket is at most 1/64 of its value wide and its middle is within 0.8 % of every value in it. The writer does two loads and
//! three stores that are always taken, no read-modify-write, and touches at most three cache lines. The construction is that of
//! HdrHistogram (Gil Tene), with the sub-bucket count fixed and the totals derived on reading.
//!
//! What is recorded is never cleared: who wants to know what happened since some moment keeps a snapshot of that moment and
//! subtracts it, a reset included. So readers cannot take anything from each other, and the writer takes part in nothing.

#[cfg(not(loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU64, Ordering::*},
};
use std::time::{Duration, Instant, SystemTime};

#[cfg(loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU64, Ordering::*},
};

#[cfg(not(loom))]
const SUB_BITS: u32 = 6;
/// Values of this many bits are kept: 2^39 ticks are 100 s at 5.4 GHz.
#[cfg(not(loom))]
const VALUE_BITS: u32 = 39;
// A model checker goes through every order of every access: it gets six buckets.
#[cfg(loom)]
const SUB_BITS: u32 = 1;
#[cfg(loom)]
const VALUE_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
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
    #[cfg(not(loom))]
    fn new() -> Box<Histogram> {
        // SAFETY: all-zero is a valid value of every field; the minimum is set below. Written in place: 17 KiB do not
        // belong on a stack that may be small.
        let mut histogram: Box<Histogram> = unsafe { Box::new_zeroed().assume_init() };
        *histogram.min.get_mut() = u64::MAX;
        histogram
    }

    #[cfg(loom)]
    fn new() -> Box<Histogram> {
        let zero = || AtomicU64::new(0);
        let (last, sum, max, overflows, faults, arena_peak) = (zero(), zero(), zero(), zero(), zero(), zero());
        let (cut_offs, overruns, misses) = (zero(), zero(), zero());
        let (min, buckets) = (AtomicU64::new(u64::MAX), std::array::from_fn(|_| zero()));
        Box::new(Histogram { last, sum, min, max, overflows, faults, cut_offs, overruns, misses, arena_peak, buckets })
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
            // SAFETY: the last value of so many bits is in the last bucket, as a test shows.
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

    /// A copy of what is recorded now. A call that ends meanwhile may be in some figures and not yet in others; the
    /// number of values always equals the sum of the copied buckets and overflows.
    fn copy(&self) -> Snapshot {
        let buckets: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        let overflows = self.overflows.load(Relaxed);
        Snapshot {
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
        }
    }

    /// Takes the extremes away, so that what comes next has its own.
    fn take_extremes(&self) -> Extremes {
        Extremes {
            min: self.min.swap(u64::MAX, Relaxed),
            max: self.max.swap(0, Relaxed),
            arena_peak: self.arena_peak.swap(0, Relaxed),
        }
    }
}

/// What cannot be told from counts.
#[derive(Clone, Copy)]
struct Extremes {
    min: u64,
    max: u64,
    arena_peak: u64,
}

impl Extremes {
    const NONE: Extremes = Extremes { min: u64::MAX, max: 0, arena_peak: 0 };

    fn with(self, other: Extremes) -> Extremes {
        Extremes {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            arena_peak: self.arena_peak.max(other.arena_peak),
        }
    }
}

/// What a histogram held at one moment, or what came into it between two; in ticks.
#[derive(Debug, Clone, PartialEq)]
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
    /// 0 where it is not known: several histograms added up.
    pub last: u64,
    pub sum: u64,
    /// `u64::MAX` while nothing is recorded.
    pub min: u64,
    pub max: u64,
    buckets: Vec<u64>,
}

impl Snapshot {
    /// Of nothing.
    pub fn empty() -> Snapshot {
        let buckets = vec![0; BUCKETS];
        Snapshot {
            count: 0,
            overflows: 0,
            faults: 0,
            cut_offs: 0,
            overruns: 0,
            misses: 0,
            arena_peak: 0,
            last: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
            buckets,
        }
    }

    /// Puts values into the bucket that begins with `low`: for what was written to a file and is read again. False where no
    /// bucket begins there. Sum and extremes are the caller's.
    pub fn fill(&mut self, low: u64, count: u64) -> bool {
        let known = low >> VALUE_BITS == 0 && bounds_of(bucket_of(low)).0 == low;
        let sum = self.count.checked_add(count);
        if let (true, Some(sum)) = (known, sum) {
            self.buckets[bucket_of(low)] += count;
            self.count = sum;
        }
        known && sum.is_some()
    }

    /// What came in after `before`, an earlier snapshot of the same. Counts and sum are exact. The extremes are where they can
    /// be told (a single value; a new extreme of all), else the outer ends of the outermost buckets, and never beyond the
    /// extremes of all.
    pub fn since(&self, before: &Snapshot) -> Snapshot {
        let buckets: Vec<u64> = self.buckets.iter().zip(&before.buckets).map(|(now, then)| now.saturating_sub(*then)).collect();
        let overflows = self.overflows.saturating_sub(before.overflows);
        let count = buckets.iter().sum::<u64>() + overflows;
        let faults = self.faults.saturating_sub(before.faults);
        let mut since = Snapshot {
            count,
            buckets,
            overflows,
            faults,
            cut_offs: self.cut_offs.saturating_sub(before.cut_offs),
            overruns: self.overruns.saturating_sub(before.overruns),
            misses: self.misses.saturating_sub(before.misses),
            arena_peak: if faults == 0 { 0 } else { self.arena_peak },
            last: if count == 0 { 0 } else { self.last },
            sum: self.sum.wrapping_sub(before.sum),
            min: self.min,
            max: self.max,
        };
        since.reconcile();
        since
    }

    /// Takes the values of another one in.
    pub fn add(&mut self, other: &Snapshot) {
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.last = match (self.count, other.count) {
            (_, 0) => self.last,
            (0, _) => other.last,
            _ => 0,
        };
        self.count += other.count;
        self.overflows += other.overflows;
        self.faults += other.faults;
        self.cut_offs += other.cut_offs;
        self.overruns += other.overruns;
        self.misses += other.misses;
        self.sum = self.sum.wrapping_add(other.sum);
        let extremes = self.extremes().with(other.extremes());
        (self.min, self.max, self.arena_peak) = (extremes.min, extremes.max, extremes.arena_peak);
    }

    /// What would have been recorded if a late call had not kept others from starting, for calls that are due at a fixed
    /// period: a value longer than the period stands for one that is a period shorter as well, that one for the next, down to
    /// the period itself. This is HdrHistogram's copyCorrectedForCoordinatedOmission; a bucket counts as its middle.
    pub fn corrected(&self, period: u64) -> Snapshot {
        let mut corrected = self.clone();
        if period == 0 {
            return corrected;
        }
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count != 0) {
            let (low, high) = bounds_of(bucket);
            let value = ((low + high - 1) / 2).clamp(self.min.min(high - 1), self.max.max(low));
            // How many multiples of the period can be taken away so that at least `least` is left.
            let steps = |least: u64| value.checked_sub(least.max(period)).map_or(0, |room| room / period);
            let all = steps(0);
            if all == 0 {
                continue;
            }
            for (at, into) in corrected.buckets.iter_mut().enumerate().take(bucket + 1) {
                let (low, high) = bounds_of(at);
                *into = into.saturating_add(count.saturating_mul(steps(low) - steps(high)));
            }
            corrected.count = corrected.count.saturating_add(count.saturating_mul(all));
            let sum = u128::from(all) * u128::from(value) - u128::from(period) * u128::from(all) * u128::from(all + 1) / 2;
            corrected.sum = corrected.sum.saturating_add(u64::try_from(sum * u128::from(count)).unwrap_or(u64::MAX));
        }
        corrected.reconcile();
        corrected
    }

    /// The same in the ticks of another clock; a bucket goes where its middle belongs.
    pub fn scaled(&self, factor: f64) -> Snapshot {
        if factor == 1.0 {
            return self.clone();
        }
        const BEYOND: u64 = 1 << VALUE_BITS;
        let scale = |ticks: f64| (ticks * factor).round() as u64;
        let mut scaled = Snapshot::empty();
        for (low, high, count) in self.occupied() {
            match scale(self.middle((low, high))) {
                value @ 0..BEYOND => scaled.buckets[bucket_of(value)] += count,
                _ => scaled.overflows += count,
            }
        }
        scaled.overflows += self.overflows;
        (scaled.count, scaled.faults, scaled.arena_peak) = (self.count, self.faults, self.arena_peak);
        (scaled.cut_offs, scaled.overruns, scaled.misses) = (self.cut_offs, self.overruns, self.misses);
        scaled.last = scale(self.last as f64);
        scaled.sum = scale(self.sum as f64);
        scaled.min = scale(self.min as f64);
        scaled.max = scale(self.max as f64);
        scaled.reconcile();
        scaled
    }

    fn extremes(&self) -> Extremes {
        Extremes { min: self.min, max: self.max, arena_peak: self.arena_peak }
    }

    /// Brings the extremes into the outermost buckets, where they are unless a value was being recorded meanwhile, or the
    /// extremes known are those of a longer time.
    pub fn reconcile(&mut self) {
        let outermost = |bucket: Option<usize>| bucket.map(bounds_of).map(|(low, high)| (low, high - 1));
        let beyond = (self.overflows != 0).then_some((1 << VALUE_BITS, u64::MAX));
        let first = outermost(self.buckets.iter().position(|count| *count != 0)).or(beyond);
        let last = beyond.or(outermost(self.buckets.iter().rposition(|count| *count != 0)));
        let (Some(first), Some(last)) = (first, last) else {
            (self.min, self.max) = (u64::MAX, 0);
            return;
        };
        if self.count == 1 && (first.0..=first.1).contains(&self.sum) {
            // A single value is its sum.
            (self.min, self.max) = (self.sum, self.sum);
        }
        self.min = self.min.clamp(first.0, first.1);
        self.max = self.max.clamp(last.0, last.1).max(self.min);
    }

    /// The values at the given quantiles, which must ascend and lie in 0..=1. A quantile is the smallest recorded value
    /// that at least that share of all values does not exceed (nearest rank), told by the middle of its bucket and kept between
    /// minimum and maximum.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        let mut answers = [0.0; N];
        self.quantiles_into(&quantiles, &mut answers);
        answers
    }

    /// The same for any number of them.
    pub fn quantiles_into(&self, quantiles: &[f64], answers: &mut [f64]) {
        if self.count == 0 {
            answers.fill(0.0);
            return;
        }
        let mut filled = 0;
        let mut seen = 0u64;
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count != 0) {
            seen += count;
            while filled < quantiles.len() && seen >= rank(quantiles[filled], self.count) {
                answers[filled] = self.middle(bounds_of(bucket));
                filled += 1;
            }
        }
        // What is beyond the last bucket can only be told by the maximum.
        answers[filled..].fill(self.max as f64);
    }

    /// What a value of a bucket counts as.
    pub fn middle(&self, (low, high): (u64, u64)) -> f64 {
        ((low + high - 1) as f64 / 2.0).clamp(self.min as f64, self.max as f64)
    }

    /// A call that is ending may be in the sum and not yet in the count, so it is kept between the extremes.
    pub fn mean(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => (self.sum as f64 / count as f64).clamp(self.min as f64, self.max as f64),
        }
    }

    /// The standard deviation, a bucket counting as its middle and what is beyond the last one as the maximum.
    pub fn deviation(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let mean = self.mean();
        let square = |value: f64, count: u64| (value - mean) * (value - mean) * count as f64;
        let inside: f64 = self.occupied().map(|(low, high, count)| square(self.middle((low, high)), count)).sum();
        ((inside + square(self.max as f64, self.overflows)) / self.count as f64).sqrt()
    }

    /// The non-empty buckets in ascending order: bounds in ticks (upper exclusive) and count.
    pub fn occupied(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, count)| **count != 0).map(|(bucket, &count)| {
            let (low, high) = bounds_of(bucket);
            (low, high, count)
        })
    }
}

/// Returns the rank, from 1, of the value at a quantile of `count` ascending values: the nearest rank, which is the first that at
/// least that share of the values does not exceed. All quantiles of the project are taken by it; tests/support/numbers.h is the
/// same in C.
pub fn rank(quantile: f64, count: u64) -> u64 {
    // A product that is a whole number but for its rounding is that number.
    let rank = quantile * count as f64;
    ((rank - rank * 1e-12).ceil() as u64).clamp(1, count)
}

/// Returns the value at a quantile of ascending values, of which there is at least one.
pub fn quantile<T: Copy>(ascending: &[T], quantile: f64) -> T {
    ascending[rank(quantile, ascending.len() as u64) as usize - 1]
}

/// A histogram as its readers see it, who may start it anew while its writer runs.
pub struct Recorder {
    /// Where the writer records: the one that counts, but for a while the other.
    active: AtomicPtr<Histogram>,
    counted: Box<Histogram>,
    aside: Box<Histogram>,
    /// Readers' business; the writer never looks.
    past: Mutex<Past>,
}

/// What was before the last reset.
struct Past {
    /// None without a reset.
    recorded: Option<Snapshot>,
    extremes: Extremes,
    began: Began,
}

/// When something began, by both clocks.
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

    /// How long ago that was.
    pub fn elapsed(&self) -> Duration {
        self.monotonic.elapsed()
    }

    /// From an earlier moment to this one.
    pub fn since(&self, earlier: &Began) -> Duration {
        self.monotonic.duration_since(earlier.monotonic)
    }
}

impl Recorder {
    pub fn new() -> Recorder {
        let (counted, aside) = (Histogram::new(), Histogram::new());
        Recorder {
            active: AtomicPtr::new(&*counted as *const Histogram as *mut _),
            counted,
            aside,
            past: Mutex::new(Past { recorded: None, extremes: Extremes::NONE, began: Began::now() }),
        }
    }

    /// The histogram to record into now.
    #[inline(always)]
    pub fn active(&self) -> &Histogram {
        // SAFETY: always one of the two, which live as long as self.
        unsafe { &*self.active.load(Acquire) }
    }

    /// What was recorded since the last reset. Any thread but a real-time one.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_since().0
    }

    /// The same, and since when.
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

    /// What was recorded ever, resets or not: what an asker of its own takes the difference of.
    pub fn ever(&self) -> Snapshot {
        let past = self.past();
        let mut now = self.counted.copy();
        let extremes = now.extremes().with(past.extremes);
        (now.min, now.max, now.arena_peak) = (extremes.min, extremes.max, extremes.arena_peak);
        now.reconcile();
        now
    }

    /// Starts anew. Any thread but a real-time one. A value that is being recorded at that moment is counted once, before or
    /// after; if it is an extreme, that one is then told to within its bucket.
    pub fn reset(&self) {
        let mut past = self.past();
        past.extremes = past.extremes.with(self.counted.take_extremes());
        past.recorded = Some(self.counted.copy());
        past.began = Began::now();
    }

    /// Runs something whose recordings do not count, on the writer's thread.
    pub fn aside<T>(&self, run: impl FnOnce() -> T) -> T {
        let record_into = |histogram: &Histogram| self.active.store(histogram as *const Histogram as *mut _, Release);
        record_into(&self.aside);
        let outcome = run();
        record_into(&self.counted);
        outcome
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The memory that the writer touches, for prefaulting.
    pub fn ranges(&self) -> [std::ops::Range<usize>; 2] {
        [&self.counted, &self.aside].map(|histogram| {
            let start = &**histogram as *const Histogram as usize;
            start..start + size_of::<Histogram>()
        })
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

#[cfg(all(test, not(loom)))]
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
    fn ranks_are_not_rounded_up_by_accident() {
        for (quantile, share) in [(0.9, 9u128), (0.99, 99), (0.999, 999), (0.9999, 9999)] {
            let whole = share + 1;
            for count in (1..200_000u64).step_by(7) {
                let exact = (u128::from(count) * share).div_ceil(whole) as u64;
                assert_eq!(rank(quantile, count), exact, "{quantile} of {count}");
            }
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
        // A writer that was interrupted in the middle of recording by a reset: its extremes are before it, its bucket is not.
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

    /// One writer, until a reader has done its part.
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
        assert_eq!((since.count, since.min, since.max, since.faults, since.arena_peak), (1, 5, 5, 0, 0));
        assert_eq!((ever.count, ever.min, ever.max, ever.faults, ever.arena_peak), (2, 5, 1_000_003, 1, 77));
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
        // As recordValueWithExpectedInterval has it: value by value.
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

    #[test]
    fn buckets_can_be_filled_again_and_only_as_they_are() {
        let mut snapshot = Snapshot::empty();
        assert!(snapshot.fill(bounds_of(bucket_of(5_000)).0, 3) && snapshot.fill(7, 1));
        assert!(!snapshot.fill(bounds_of(bucket_of(5_000)).0 + 1, 1));
        assert!(!snapshot.fill(1 << VALUE_BITS, 1) && !snapshot.fill(7, u64::MAX));
        assert_eq!((snapshot.count, snapshot.occupied().count()), (4, 2));
    }
}
