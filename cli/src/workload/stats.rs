//! The statistics behind verdicts: quantiles of few values, and the confidence interval of the median of paired ratios.
//!
//! Ratios are taken within a round, where both sides met the same machine. The interval of their median assumes nothing about
//! their distribution: it comes from the sign test. A difference also has to exceed a floor, below which two runs of the very
//! same variant differ too. Noise has to be shown as well: an interval that is merely too wide to exclude noise shows nothing.

use serde::Serialize;

pub use rtwasm::record::snapshot::quantile;

pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

pub fn median(values: &[f64]) -> f64 {
    let values = sorted(values.to_vec());
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A median with the interval that it lies in at [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// High, because a table has dozens of intervals, and each one that misses by chance is a false accusation.
pub const CONFIDENCE: f64 = 0.999;

/// The fewest values for which the interval is narrower than everything.
pub const FEWEST: usize = 11;

impl Estimate {
    pub fn of(values: Vec<f64>) -> Estimate {
        let values = sorted(values);
        let skipped = outside(values.len(), CONFIDENCE);
        Estimate { median: median(&values), low: values[skipped], high: values[values.len() - 1 - skipped] }
    }

    /// The farthest distance of the ratio from 1, as a logarithm.
    pub fn farthest(&self) -> f64 {
        self.low.ln().abs().max(self.high.ln().abs())
    }
}

/// The number of the smallest, and of the largest, of `count` values outside the interval for the median: the most for which a
/// fair coin is that one-sided with at most the remaining probability.
fn outside(count: usize, confidence: f64) -> usize {
    let one_side = (1.0 - confidence) / 2.0;
    let mut term = 0.5f64.powi(count as i32);
    let mut sum = term;
    let mut skipped = 0;
    while sum <= one_side && skipped < count / 2 {
        skipped += 1;
        term *= (count - skipped + 1) as f64 / skipped as f64;
        sum += term;
    }
    skipped.saturating_sub(1)
}

/// The verdict on a ratio to the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Faster,
    Slower,
    #[serde(rename = "within noise")]
    Noise,
    Inconclusive,
}

/// The most floors that a noise interval may reach from 1; the twin's own reaches one.
const NOISE_REACHES: f64 = 2.0;

impl Verdict {
    /// `floor` is the smallest factor that counts, as a logarithm. The gap between a difference and noise is about an interval
    /// wide, so that two runs hardly ever contradict each other.
    pub fn of(ratio: &Estimate, floor: f64) -> Verdict {
        if ratio.high.ln() < -floor {
            Verdict::Faster
        } else if ratio.low.ln() > floor {
            Verdict::Slower
        } else if ratio.median.ln().abs() <= floor && ratio.farthest() <= NOISE_REACHES * floor {
            Verdict::Noise
        } else {
            Verdict::Inconclusive
        }
    }

    /// True for a difference.
    pub fn is_sure(self) -> bool {
        matches!(self, Verdict::Faster | Verdict::Slower)
    }
}

/// The smallest factor that counts, as a logarithm: the practical interest, or the twin's own difference.
pub fn floor(practical: f64, twin: &Estimate) -> f64 {
    practical.ln_1p().max(twin.farthest())
}

/// Pseudo-random numbers that are the same in every run.
pub struct Shuffler(u64);

impl Shuffler {
    pub fn new(seed: u64) -> Shuffler {
        Shuffler(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|q| quantile(&values, q)), [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    }

    #[test]
    fn intervals_are_those_of_the_sign_test() {
        // From tables of the binomial distribution: at 99.9 %, of 20 values the 2 outermost are outside on either side, of
        // 40 the 9, of 100 the 33; ten values cannot exclude anything.
        assert_eq!([10, FEWEST, 20, 40, 100].map(|count| outside(count, 0.999)), [0, 0, 2, 9, 33]);
        assert_eq!([6, 8, 12, 20].map(|count| outside(count, 0.95)), [0, 0, 2, 5]);
        let estimate = Estimate::of((1..=40).map(f64::from).collect());
        assert_eq!(estimate, Estimate { median: 20.5, low: 10.0, high: 31.0 });
    }

    #[test]
    fn intervals_hold_the_median_as_often_as_they_say() {
        let mut random = Shuffler::new(1);
        let mut missed = 0;
        for _ in 0..2000 {
            // Skewed, as times are: the median of exp(u) over u in 0..1 is exp(0.5).
            let values = (0..25).map(|_| ((random.next() >> 11) as f64 / (1u64 << 53) as f64).exp()).collect();
            let estimate = Estimate::of(values);
            missed += u32::from(!(estimate.low..=estimate.high).contains(&0.5f64.exp()));
        }
        assert!(missed <= 8, "{missed} of 2000 intervals missed; 2 are expected");
    }

    #[test]
    fn verdicts_need_the_interval_and_the_floor() {
        let ratio = |low, high| Estimate { median: (low + high) / 2.0, low, high };
        let floor = floor(0.02, &ratio(0.995, 1.005));
        assert_eq!(Verdict::of(&ratio(1.5, 1.7), floor), Verdict::Slower);
        assert_eq!(Verdict::of(&ratio(0.5, 0.6), floor), Verdict::Faster);
        assert_eq!(Verdict::of(&ratio(1.005, 1.015), floor), Verdict::Noise, "sure, and too small to matter");
        assert_eq!(Verdict::of(&ratio(0.97, 1.03), floor), Verdict::Noise);
        assert_eq!(Verdict::of(&ratio(0.9, 1.7), floor), Verdict::Inconclusive, "the interval holds 1, and much else");
        assert_eq!(Verdict::of(&ratio(0.9, 1.1), floor), Verdict::Inconclusive, "as likely 1 as not");
        assert_eq!(Verdict::of(&ratio(1.01, 1.07), floor), Verdict::Inconclusive, "it may be too small to matter, or not");
        // The twin differed: then as much counts for nothing.
        let noisy = super::floor(0.02, &ratio(0.8, 1.3));
        assert_eq!(Verdict::of(&ratio(1.2, 1.3), noisy), Verdict::Noise);
        assert_eq!(Verdict::of(&ratio(2.5, 2.7), noisy), Verdict::Slower);
    }

    #[test]
    fn two_runs_hardly_ever_contradict_each_other() {
        // Effects of every size, each measured in pairs of runs: what one calls noise is no difference in the other.
        let mut random = Shuffler::new(2);
        let mut normal = |centre: f64| {
            let uniform: f64 = (0..12).map(|_| (random.next() >> 11) as f64 / (1u64 << 53) as f64).sum();
            (centre + (uniform - 6.0) * 0.05).exp()
        };
        let mut verdicts = |effect: f64| {
            let twin = Estimate::of((0..60).map(|_| normal(0.0)).collect());
            Verdict::of(&Estimate::of((0..60).map(|_| normal(effect)).collect()), floor(0.02, &twin))
        };
        let mut seen = [0; 3];
        let mut contradictions = 0;
        for step in 0..2000 {
            let effect = f64::from(step) * 0.1 / 2000.0;
            let pair = [verdicts(effect), verdicts(effect)];
            let sure = pair.iter().any(|verdict| verdict.is_sure());
            contradictions += u32::from(sure && pair.contains(&Verdict::Noise));
            seen[if sure { 0 } else { 1 + usize::from(pair.contains(&Verdict::Noise)) }] += 1;
        }
        assert!(seen.iter().all(|count| *count > 200), "each kind was there: {seen:?}");
        assert!(contradictions <= 10, "{contradictions} of 2000 pairs, at most sizes none");
    }

    #[test]
    fn shuffling_keeps_all_and_repeats() {
        let shuffled = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            Shuffler::new(seed).shuffle(&mut list);
            list
        };
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        assert_eq!(sorted(shuffled(7).into_iter().map(f64::from).collect()), (0..50).map(f64::from).collect::<Vec<_>>());
    }
}
