//! Runs cycles and records the time of each.
//!
//! Between the two readings of the clock there is only the cycle; the same loop around nothing measures the cost of the
//! readings and of the loop.

use rtwasm::record::recorder::Recorder;
use rtwasm::record::snapshot::Snapshot;
use rtwasm::status::rtw_status_t;
use rtwasm::sys::{clock, sleeper};
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Watch};
use super::guest::{Guest, aside};
use super::stats;

/// The number of dry cycles of prepare.
pub const DRY_CYCLES: u32 = 16;

/// The subject of a measurement.
pub trait Subject {
    /// Work before a cycle that is not part of it.
    fn feed(&mut self);
    fn cycle(&mut self) -> Result<(), rtw_status_t>;
}

impl Subject for Guest {
    fn feed(&mut self) {
        Guest::feed(self);
    }

    #[inline]
    fn cycle(&mut self) -> Result<(), rtw_status_t> {
        Guest::cycle(self)
    }
}

/// An empty cycle, which measures the measuring itself.
pub struct Nothing;

impl Subject for Nothing {
    fn feed(&mut self) {}

    #[inline]
    fn cycle(&mut self) -> Result<(), rtw_status_t> {
        std::hint::black_box(());
        Ok(())
    }
}

/// The length of a run.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Cycles(u64),
    Ns(u64),
}

/// A distribution in ns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Distribution {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Distribution {
    /// Converts a histogram in ticks of `ns` each.
    fn of(snapshot: &Snapshot, ns: f64) -> Distribution {
        let [p50, p90, p95, p99, p999] = snapshot.quantiles([0.5, 0.9, 0.95, 0.99, 0.999]).map(|ticks| tenths(ticks * ns));
        let mean = if snapshot.count == 0 { 0.0 } else { snapshot.sum as f64 / snapshot.count as f64 * ns };
        Distribution {
            count: snapshot.count,
            mean: tenths(mean),
            p50,
            p90,
            p95,
            p99,
            p999,
            max: tenths(snapshot.max as f64 * ns),
        }
    }

    pub fn of_values(values: &[f64]) -> Distribution {
        if values.is_empty() {
            return Distribution::default();
        }
        let ascending = stats::sorted(values.to_vec());
        let [p50, p90, p95, p99, p999] = [0.5, 0.9, 0.95, 0.99, 0.999].map(|at| tenths(stats::quantile(&ascending, at)));
        let max = tenths(stats::quantile(&ascending, 1.0));
        Distribution { count: values.len() as u64, mean: tenths(stats::mean(values)), p50, p90, p95, p99, p999, max }
    }
}

/// Rounds to tenths: nothing finer was measured.
fn tenths(ns: f64) -> f64 {
    (ns * 10.0).round() / 10.0
}

/// The results of a run.
pub struct Figures {
    pub call: Distribution,
    /// With a period: from the intended start of a cycle to its end, and to its actual start.
    pub response: Option<Distribution>,
    pub wake_up: Option<Distribution>,
    /// Cycles that ended after the next should have begun.
    pub misses: u64,
    pub evidence: Evidence,
}

/// Times the first `count` cycles one by one, back to back. In ns.
pub fn first(subject: &mut impl Subject, count: usize) -> Result<(Vec<f64>, Evidence), rtw_status_t> {
    let mut ticks: Vec<u64> = aside(|| vec![0; count]);
    let watch = Watch::begin();
    for slot in &mut ticks {
        subject.feed();
        let started = clock::ticks();
        subject.cycle()?;
        *slot = clock::ticks().wrapping_sub(started);
    }
    let evidence = watch.end();
    let ns = clock::calibration().ns_per_tick;
    Ok((aside(|| ticks.iter().map(|ticks| *ticks as f64 * ns).collect()), evidence))
}

/// Runs cycles without a pause.
pub fn back_to_back(subject: &mut impl Subject, length: Length) -> Result<Figures, rtw_status_t> {
    let recorder = aside(Recorder::new);
    let ns = clock::calibration().ns_per_tick;
    let (most, duration) = match length {
        Length::Cycles(cycles) => (cycles, u64::MAX),
        Length::Ns(duration) => (u64::MAX, (duration as f64 / ns) as u64),
    };
    let watch = Watch::begin();
    let begin = clock::ticks();
    for _ in 0..most {
        subject.feed();
        let started = clock::ticks();
        subject.cycle()?;
        let ended = clock::ticks();
        recorder.active().record(ended.wrapping_sub(started));
        if ended.wrapping_sub(begin) >= duration {
            break;
        }
    }
    let evidence = watch.end();
    let call = aside(|| Distribution::of(&recorder.snapshot(), ns));
    Ok(Figures { call, response: None, wake_up: None, misses: 0, evidence })
}

/// Runs one cycle every period. Late cycles follow each other at once, and their lateness counts.
pub fn periodic(subject: &mut impl Subject, period_ns: u64, cycles: u64) -> Result<Figures, rtw_status_t> {
    let [call, response, wake_up] = aside(|| [Recorder::new(), Recorder::new(), Recorder::new()]);
    let mut misses = 0;
    let watch = Watch::begin();
    let begin = clock::monotonic_ns() + period_ns;
    for cycle in 0..cycles {
        let intended = begin + cycle * period_ns;
        sleeper::sleep_to(intended);
        let woken = clock::monotonic_ns();
        subject.feed();
        let started = clock::ticks();
        subject.cycle()?;
        call.active().record(clock::ticks().wrapping_sub(started));
        let ended = clock::monotonic_ns();
        wake_up.active().record(woken - intended);
        response.active().record(ended - intended);
        misses += u64::from(ended - intended > period_ns);
    }
    let evidence = watch.end();
    let ns = clock::calibration().ns_per_tick;
    aside(|| {
        let figures = |recorder: &Recorder, ns| Distribution::of(&recorder.snapshot(), ns);
        Ok(Figures {
            call: figures(&call, ns),
            response: Some(figures(&response, 1.0)),
            wake_up: Some(figures(&wake_up, 1.0)),
            misses,
            evidence,
        })
    })
}

/// The time that measuring adds to every figure of [`back_to_back`].
pub fn empty() -> Distribution {
    let figures = back_to_back(&mut Nothing, Length::Cycles(200_000));
    figures.map(|figures| figures.call).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counting {
        fed: u64,
        cycles: u64,
        fails_at: Option<u64>,
    }

    impl Subject for Counting {
        fn feed(&mut self) {
            self.fed += 1;
        }

        fn cycle(&mut self) -> Result<(), rtw_status_t> {
            self.cycles += 1;
            if self.fails_at == Some(self.cycles) { Err(-7) } else { Ok(()) }
        }
    }

    #[test]
    fn every_cycle_is_fed_and_recorded() {
        let mut subject = Counting::default();
        assert_eq!(back_to_back(&mut subject, Length::Cycles(1000)).ok().unwrap().call.count, 1000);
        let figures = periodic(&mut subject, 10_000, 50).ok().unwrap();
        assert_eq!((figures.call.count, figures.response.unwrap().count, figures.wake_up.unwrap().count), (50, 50, 50));
        assert_eq!(first(&mut subject, 8).ok().unwrap().0.len(), 8);
        assert_eq!((subject.fed, subject.cycles), (1058, 1058));
        let run = back_to_back(&mut subject, Length::Ns(1_000_000)).ok().unwrap();
        assert!(run.call.count > 1 && run.evidence.elapsed_ns >= 1_000_000);
    }

    #[test]
    fn a_cycle_that_fails_ends_the_run() {
        let failing = || Counting { fails_at: Some(3), ..Counting::default() };
        assert_eq!(back_to_back(&mut failing(), Length::Cycles(10)).err(), Some(-7));
        assert_eq!(periodic(&mut failing(), 1000, 10).err(), Some(-7));
        assert_eq!(first(&mut failing(), 10).err(), Some(-7));
    }

    #[test]
    fn a_cycle_as_long_as_two_periods_misses_and_answers_later_and_later() {
        struct Slow;
        impl Subject for Slow {
            fn feed(&mut self) {}
            fn cycle(&mut self) -> Result<(), rtw_status_t> {
                sleeper::sleep_to(clock::monotonic_ns() + 400_000);
                Ok(())
            }
        }
        let figures = periodic(&mut Slow, 200_000, 10).ok().unwrap();
        let (response, call) = (figures.response.unwrap(), figures.call);
        assert_eq!(figures.misses, 10);
        assert!(response.max > 2.0 * call.p50, "a backlog counts: {} against {}", response.max, call.p50);
        assert_eq!(periodic(&mut Nothing, 50_000_000, 2).ok().unwrap().call.count, 2);
    }

    #[test]
    fn few_values_have_a_distribution_too() {
        let distribution = Distribution::of_values(&[3.0, 1.0, 2.0]);
        assert_eq!((distribution.count, distribution.mean, distribution.p50, distribution.max), (3, 2.0, 2.0, 3.0));
        assert_eq!(Distribution::of_values(&[]).count, 0);
    }
}
