//! Copies of histograms, and what they say: differences, sums, quantiles. For readers: it allocates, and calculates with fractions.

use super::histogram::{BUCKETS, VALUE_BITS, bounds_of, bucket_of};

/// The figures that counts cannot show.
#[derive(Clone, Copy)]
pub struct Extremes {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) arena_peak: u64,
}

/// Counters of calls, beside the histogram of their times.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CallCounters {
    pub faults: u64,
    /// Faults because of the budget.
    pub cut_offs: u64,
    /// Values above their call's budget, of calls that were not cut off.
    pub overruns: u64,
    /// Values above their deadline, of calls that were not cut off.
    pub misses: u64,
    /// The most bytes that one failing call took of its thread's arena.
    pub arena_peak: u64,
}

impl CallCounters {
    /// Returns the counts since `before`, an earlier state of the same counters.
    fn since(self, before: CallCounters) -> CallCounters {
        let faults = self.faults.saturating_sub(before.faults);
        CallCounters {
            faults,
            cut_offs: self.cut_offs.saturating_sub(before.cut_offs),
            overruns: self.overruns.saturating_sub(before.overruns),
            misses: self.misses.saturating_sub(before.misses),
            arena_peak: if faults == 0 { 0 } else { self.arena_peak },
        }
    }

    fn add(&mut self, other: CallCounters) {
        self.faults += other.faults;
        self.cut_offs += other.cut_offs;
        self.overruns += other.overruns;
        self.misses += other.misses;
        self.arena_peak = self.arena_peak.max(other.arena_peak);
    }
}

impl Extremes {
    pub(super) const NONE: Extremes = Extremes { min: u64::MAX, max: 0, arena_peak: 0 };

    pub(super) fn with(self, other: Extremes) -> Extremes {
        Extremes {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            arena_peak: self.arena_peak.max(other.arena_peak),
        }
    }
}

/// The content of a histogram at one moment, or the values recorded between two moments; in ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub count: u64,
    pub overflows: u64,
    /// All 0 if the values are not calls' times.
    pub calls: CallCounters,
    /// The last value; 0 if unknown, as for several histograms added up.
    pub last: u64,
    pub sum: u64,
    /// `u64::MAX` while nothing is recorded.
    pub min: u64,
    pub max: u64,
    pub(super) buckets: Vec<u64>,
}

impl Snapshot {
    /// A snapshot without values.
    pub fn empty() -> Snapshot {
        let buckets = vec![0; BUCKETS];
        Snapshot { count: 0, overflows: 0, calls: CallCounters::default(), last: 0, sum: 0, min: u64::MAX, max: 0, buckets }
    }

    /// Puts values into the bucket that begins with `low`, to restore values from a file. Returns false if no bucket begins
    /// there. The caller sets sum and extremes.
    pub fn fill(&mut self, low: u64, count: u64) -> bool {
        let known = low >> VALUE_BITS == 0 && bounds_of(bucket_of(low)).0 == low;
        let sum = self.count.checked_add(count);
        if let (true, Some(sum)) = (known, sum) {
            self.buckets[bucket_of(low)] += count;
            self.count = sum;
        }
        known && sum.is_some()
    }

    /// The values recorded after `before`, an earlier snapshot of the same histogram. Counts and sum are exact. The extremes
    /// are exact if they can be known (a single value, or a new extreme of all), otherwise they are the outer ends of the
    /// outermost buckets, but never beyond the extremes of all values.
    pub fn since(&self, before: &Snapshot) -> Snapshot {
        let buckets: Vec<u64> = self.buckets.iter().zip(&before.buckets).map(|(now, then)| now.saturating_sub(*then)).collect();
        let overflows = self.overflows.saturating_sub(before.overflows);
        let count = buckets.iter().sum::<u64>() + overflows;
        let mut since = Snapshot {
            count,
            buckets,
            overflows,
            calls: self.calls.since(before.calls),
            last: if count == 0 { 0 } else { self.last },
            sum: self.sum.wrapping_sub(before.sum),
            min: self.min,
            max: self.max,
        };
        since.reconcile();
        since
    }

    /// Adds the values of another snapshot.
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
        self.calls.add(other.calls);
        self.sum = self.sum.wrapping_add(other.sum);
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
    }

    /// The values that would have been recorded if late calls had not delayed others, for calls at a fixed period. A value
    /// longer than the period also stands for a value that is one period shorter, that one for the next, down to the period
    /// itself. This is HdrHistogram's copyCorrectedForCoordinatedOmission; a bucket counts as its middle.
    pub fn corrected(&self, period: u64) -> Snapshot {
        let mut corrected = self.clone();
        if period == 0 {
            return corrected;
        }
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count != 0) {
            let (low, high) = bounds_of(bucket);
            let value = ((low + high - 1) / 2).clamp(self.min.min(high - 1), self.max.max(low));
            // The number of multiples of the period that can be subtracted so that at least `least` remains.
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

    /// Converts to the ticks of another clock; a bucket goes to the place of its middle.
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
        (scaled.count, scaled.calls) = (self.count, self.calls);
        scaled.last = scale(self.last as f64);
        scaled.sum = scale(self.sum as f64);
        scaled.min = scale(self.min as f64);
        scaled.max = scale(self.max as f64);
        scaled.reconcile();
        scaled
    }

    pub(super) fn extremes(&self) -> Extremes {
        Extremes { min: self.min, max: self.max, arena_peak: self.calls.arena_peak }
    }

    /// Limits the extremes to the outermost buckets. They are already there, unless a value was being recorded during the copy,
    /// or the known extremes are those of a longer time.
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

    /// The values at the given quantiles, which must ascend and lie in 0..=1. A quantile is the smallest recorded value that at
    /// least that share of all values does not exceed (nearest rank); it is the middle of its bucket, limited by minimum and
    /// maximum.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        let mut answers = [0.0; N];
        self.quantiles_into(&quantiles, &mut answers);
        answers
    }

    /// Computes the values at any number of quantiles, which must ascend and lie in 0..=1; see [`Snapshot::quantiles`].
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
        // Values beyond the last bucket have no better figure than the maximum.
        answers[filled..].fill(self.max as f64);
    }

    /// The value that a bucket counts as.
    pub fn middle(&self, (low, high): (u64, u64)) -> f64 {
        ((low + high - 1) as f64 / 2.0).clamp(self.min as f64, self.max as f64)
    }

    /// The mean, limited by the extremes: a call that is ending may be in the sum and not yet in the count.
    pub fn mean(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => (self.sum as f64 / count as f64).clamp(self.min as f64, self.max as f64),
        }
    }

    /// The standard deviation; a bucket counts as its middle, and values beyond the last bucket as the maximum.
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

/// Returns the rank, from 1, of the value at a quantile of `count` ascending values. It is the nearest rank: the first that at
/// least that share of the values does not exceed. The whole project computes quantiles with it; tests/support/numbers.h is its
/// twin in C.
pub fn rank(quantile: f64, count: u64) -> u64 {
    // Rounds a product that is a whole number except for its rounding error.
    let rank = quantile * count as f64;
    ((rank - rank * 1e-12).ceil() as u64).clamp(1, count)
}

/// Returns the value at a quantile of at least one ascending value.
pub fn quantile<T: Copy>(ascending: &[T], quantile: f64) -> T {
    ascending[rank(quantile, ascending.len() as u64) as usize - 1]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
    fn buckets_can_be_filled_again_and_only_as_they_are() {
        let mut snapshot = Snapshot::empty();
        assert!(snapshot.fill(bounds_of(bucket_of(5_000)).0, 3) && snapshot.fill(7, 1));
        assert!(!snapshot.fill(bounds_of(bucket_of(5_000)).0 + 1, 1));
        assert!(!snapshot.fill(1 << VALUE_BITS, 1) && !snapshot.fill(7, u64::MAX));
        assert_eq!((snapshot.count, snapshot.occupied().count()), (4, 2));
    }
}
