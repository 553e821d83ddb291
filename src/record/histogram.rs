//! Histograms of call times: fixed log-linear buckets, which one thread writes with relaxed stores and any other thread reads.
//!
//! Values are clock ticks. Below 64 every value has its own bucket; above, each power of two is divided into 64, so that a
//! bucket is at most 1/64 of its value wide and its middle is within 0.8 % of every value in it. The writer always does two
//! loads and three stores, no read-modify-write, and touches at most three cache lines. The construction is that of
//! HdrHistogram (Gil Tene), with a fixed sub-bucket count and totals that readers compute.
//!
//! A bucket's counter has 32 bits. When it is full, which takes 4 billion calls, the writer clears it and counts a carry in one of a
//! few words, under a version number by which readers notice that they have seen half of that.
//!
//! Recordings are never cleared. A reader that wants the values since some moment keeps a snapshot of that moment and subtracts
//! it; a reset does the same. So readers cannot take anything from each other, and the writer takes part in none of this.

use super::seqlock::Version;
use super::snapshot::{CallCounters, Extremes, Snapshot};
use crate::rt::sync::{AtomicU32, AtomicU64, Ordering::*, Owned};

#[cfg(not(loom))]
const SUB_BITS: u32 = 6;
/// Histograms keep values of this number of bits: 2^39 ticks are 100 s at 5.4 GHz.
#[cfg(not(loom))]
pub(super) const VALUE_BITS: u32 = 39;
// A model checker tries every order of every access, so it gets only six buckets.
#[cfg(loom)]
const SUB_BITS: u32 = 1;
#[cfg(loom)]
pub(super) const VALUE_BITS: u32 = 3;
/// The largest count of a bucket's counter.
#[cfg(not(loom))]
const FULL: u32 = u32::MAX;
#[cfg(loom)]
const FULL: u32 = 1;
/// The number of buckets that can have carries of their own. The carries of others count for the nearest of these buckets: that moves
/// values only after 10^11 calls whose times are scattered over more buckets than that.
const CARRIES: usize = if cfg!(loom) { 1 } else { 16 };
const SUB: u64 = 1 << SUB_BITS;
pub const BUCKETS: usize = ((VALUE_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

/// The bucket that holds `value`, which must be below 2^39.
#[inline(always)]
pub(super) fn bucket_of(value: u64) -> usize {
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

/// A histogram with one writer and many readers.
#[repr(C, align(64))]
pub struct Histogram {
    last: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    pub(super) max: AtomicU64,
    pub(super) overflows: AtomicU64,
    faults: AtomicU64,
    cut_offs: AtomicU64,
    overruns: AtomicU64,
    misses: AtomicU64,
    arena_peak: AtomicU64,
    pub(super) buckets: [AtomicU32; BUCKETS],
    /// Odd while a counter is cleared and its carry counted.
    version: Version,
    /// Each the number of a bucket, plus one, in the upper half, and how often its counter was full in the lower half; 0: unused.
    carries: [AtomicU64; CARRIES],
}

impl Histogram {
    /// One that nobody reads.
    #[cfg(not(loom))]
    pub(super) const ZERO: Histogram = Histogram {
        last: AtomicU64::new(0),
        sum: AtomicU64::new(0),
        min: AtomicU64::new(0),
        max: AtomicU64::new(0),
        overflows: AtomicU64::new(0),
        faults: AtomicU64::new(0),
        cut_offs: AtomicU64::new(0),
        overruns: AtomicU64::new(0),
        misses: AtomicU64::new(0),
        arena_peak: AtomicU64::new(0),
        buckets: [const { AtomicU32::new(0) }; BUCKETS],
        version: Version::new(),
        carries: [const { AtomicU64::new(0) }; CARRIES],
    };

    #[cfg(not(loom))]
    pub fn new() -> Box<Histogram> {
        // SAFETY: all-zero is a valid value of every field; the minimum is set below. Written in place: 9 KiB do not
        // belong on a stack that may be small.
        let mut histogram: Box<Histogram> = unsafe { Box::new_zeroed().assume_init() };
        *histogram.min.get_mut() = u64::MAX;
        histogram
    }

    #[cfg(loom)]
    pub fn new() -> Box<Histogram> {
        let zero = || AtomicU64::new(0);
        let (last, sum, max, overflows, faults, arena_peak) = (zero(), zero(), zero(), zero(), zero(), zero());
        let (cut_offs, overruns, misses) = (zero(), zero(), zero());
        let (min, buckets) = (AtomicU64::new(u64::MAX), std::array::from_fn(|_| AtomicU32::new(0)));
        let (version, carries) = (Version::new(), std::array::from_fn(|_| zero()));
        Box::new(Histogram {
            last,
            sum,
            min,
            max,
            overflows,
            faults,
            cut_offs,
            overruns,
            misses,
            arena_peak,
            buckets,
            version,
            carries,
        })
    }

    /// Records one value. One thread at a time; allocates, locks and calls nothing.
    #[inline(always)]
    pub fn record(&self, value: u64) {
        self.last.store(value, Relaxed);
        self.sum.store(self.sum.own().wrapping_add(value), Relaxed);
        if value < self.min.load(Relaxed) {
            self.min.store(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.store(value, Relaxed);
        }
        if value >> VALUE_BITS != 0 {
            return self.overflows.store(self.overflows.own() + 1, Relaxed);
        }
        let bucket = bucket_of(value);
        // SAFETY: the last value of this number of bits is in the last bucket, as a test shows.
        let counter = unsafe { self.buckets.get_unchecked(bucket) };
        match counter.own() {
            FULL => self.carry(bucket, counter),
            count => counter.store(count + 1, Relaxed),
        }
    }

    /// Counts one more value in a bucket whose counter is full. Cannot panic: its callers would need handlers for that.
    #[cold]
    #[inline(never)]
    fn carry(&self, bucket: usize, counter: &AtomicU32) {
        let of = |word: &AtomicU64| (word.own() >> 32).checked_sub(1).map(|bucket| bucket as usize);
        let own = self.carries.iter().find(|word| of(word).is_none_or(|other| other == bucket));
        let nearest = || self.carries.iter().min_by_key(|word| of(word).map_or(0, |other| other.abs_diff(bucket)));
        let Some(word) = own.or_else(nearest) else { return };
        let carried = match word.own() {
            0 => (bucket as u64 + 1) << 32 | 1,
            carried => carried + 1,
        };
        self.version.change(|| {
            counter.store(0, Relaxed);
            word.store(carried, Relaxed);
        });
    }

    /// The number of values in each bucket.
    fn counts(&self) -> Vec<u64> {
        self.version.look(|| {
            let mut counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed).into()).collect();
            for word in self.carries.iter().map(|word| word.load(Relaxed)).filter(|word| *word != 0) {
                counts[(word >> 32) as usize - 1] += (word & u64::from(u32::MAX)) * (u64::from(FULL) + 1);
            }
            counts
        })
    }

    /// Reads the memory that recording a value near this one will touch, so that it is in the caches.
    pub fn look_at(&self, value: u64) {
        // The bucket's cache line and its neighbours: values scatter.
        const LINE: usize = 16;
        let bucket = bucket_of(value.min((1 << VALUE_BITS) - 1));
        for near in (bucket.saturating_sub(2 * LINE)..=bucket + LINE).step_by(LINE).filter(|near| *near < BUCKETS) {
            std::hint::black_box(self.buckets[near].load(Relaxed));
        }
        std::hint::black_box((self.last.load(Relaxed), self.max.load(Relaxed)));
    }

    /// Counts a call that ended in a fault, and the bytes that it took of its thread's arena; its time is recorded as well.
    pub fn record_fault(&self, arena_bytes: u64, cut_off: bool) {
        self.faults.store(self.faults.own() + 1, Relaxed);
        self.cut_offs.store(self.cut_offs.own() + u64::from(cut_off), Relaxed);
        if arena_bytes > self.arena_peak.own() {
            self.arena_peak.store(arena_bytes, Relaxed);
        }
    }

    /// Counts a call that took longer than its budget and was not cut off.
    pub fn record_overrun(&self) {
        self.overruns.store(self.overruns.own() + 1, Relaxed);
    }

    /// Counts a call that took longer than its deadline and was not cut off.
    pub fn record_miss(&self) {
        self.misses.store(self.misses.own() + 1, Relaxed);
    }

    /// True if nothing was recorded and no extremes were taken: every recorded value is the smallest at first.
    pub fn is_untouched(&self) -> bool {
        self.min.load(Relaxed) == u64::MAX
    }

    /// Copies the current recordings. A call that ends at the same time may be in some figures and not yet in others; the
    /// number of values always equals the sum of the copied buckets and overflows.
    pub fn copy(&self) -> Snapshot {
        let buckets = self.counts();
        let overflows = self.overflows.load(Relaxed);
        Snapshot {
            count: buckets.iter().sum::<u64>() + overflows,
            buckets,
            overflows,
            last: self.last.load(Relaxed),
            sum: self.sum.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
            calls: CallCounters {
                faults: self.faults.load(Relaxed),
                cut_offs: self.cut_offs.load(Relaxed),
                overruns: self.overruns.load(Relaxed),
                misses: self.misses.load(Relaxed),
                arena_peak: self.arena_peak.load(Relaxed),
            },
        }
    }

    /// Takes the extremes out, so that later values get extremes of their own.
    pub(super) fn take_extremes(&self) -> Extremes {
        Extremes {
            min: self.min.swap(u64::MAX, Relaxed),
            max: self.max.swap(0, Relaxed),
            arena_peak: self.arena_peak.swap(0, Relaxed),
        }
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
    fn full_counters_are_carried_and_the_last_carries_go_to_the_nearest_bucket() {
        let histogram = Histogram::new();
        let fill = |value: u64| {
            histogram.buckets[bucket_of(value)].store(FULL, Relaxed);
            histogram.record(value);
        };
        let count_of = |value: u64| histogram.copy().buckets[bucket_of(value)];
        const CARRY: u64 = 1 << 32;
        for round in 1..=3 {
            (0..CARRIES as u64).for_each(|value| fill(10 * value));
            assert!((0..CARRIES as u64).all(|value| count_of(10 * value) == round * CARRY));
        }
        fill(44);
        assert_eq!((count_of(44), count_of(40), count_of(50)), (0, 4 * CARRY, 3 * CARRY));
        histogram.record(44);
        fill(1_000_000);
        assert_eq!((count_of(44), count_of(10 * (CARRIES as u64 - 1))), (1, 4 * CARRY));
        assert_eq!(histogram.copy().count, (3 * CARRIES as u64 + 2) * CARRY + 1);
    }
}
