//! Verdicts on each choice, from the figures of the rounds.

use serde::Serialize;

use crate::workload::cold::Phases;
use crate::workload::diagnosis::{self, Findings, Slowed, Suspect};
use crate::workload::evidence::Evidence;
use crate::workload::rounds::{Entrant, Figures, Turn};
use crate::workload::stats::{self, Estimate, Verdict};
use crate::workload::variants::Variant;

/// A figure of a turn, and the difference that is of practical interest, however certain a smaller one is.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) of: fn(&Figures) -> f64,
    pub(super) practical: f64,
}

/// The number of figures.
pub(super) const COUNT: usize = 4;

/// The mean, the median, the tail and the maximum. The tail is the farthest percentile that a turn's cycles reach without being
/// their maximum.
pub(super) fn metrics(cycles: usize) -> [Metric; COUNT] {
    let tail = if cycles < 100 {
        Metric { name: "p95", of: |figures| figures.p95, practical: 0.15 }
    } else {
        Metric { name: "p99", of: |figures| figures.p99, practical: 0.15 }
    };
    [
        Metric { name: "mean", of: |figures| figures.mean, practical: 0.05 },
        Metric { name: "p50", of: |figures| figures.p50, practical: 0.03 },
        tail,
        Metric { name: "max", of: |figures| figures.max, practical: 0.50 },
    ]
}

const PRACTICAL_FRESH: f64 = 0.25;

/// A figure of one variant compared with the baseline's.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Effect {
    #[serde(flatten)]
    pub(super) ratio: Estimate,
    pub(super) verdict: Verdict,
}

impl Effect {
    fn of(ratio: Estimate, floor: f64) -> Effect {
        Effect { ratio, verdict: Verdict::of(&ratio, floor) }
    }
}

pub(super) const FRESH_METRICS: [&str; 2] = ["first cycle", "start to first cycle done"];
const FRESH_FIGURES: [fn(&Phases) -> f64; 2] = [|phases| phases.first_cycle, Phases::total];

/// A row of the result.
pub(super) struct Row {
    pub(super) name: String,
    /// In the order of [`metrics`].
    pub(super) effects: [Effect; COUNT],
    pub(super) at_full_speed: bool,
    /// In the order of [`FRESH_METRICS`].
    pub(super) fresh: Option<[Effect; 2]>,
    pub(super) meaning: &'static str,
}

/// Pairs of figures, of the baseline and of another variant, of the same round or of neighbouring ones.
pub(super) struct Pairs<'a> {
    pub(super) pairs: Vec<(&'a Figures, &'a Figures)>,
    pub(super) at_full_speed: bool,
}

/// The number of rounds that gives a useful interval.
const ENOUGH_ROUNDS: usize = 15;

/// Pairs figures at the processor's full speed, if there are enough: the speed is then the same for all, so that pairs may come
/// from different rounds.
pub(super) fn pairs<'a>(baseline: &'a [Turn], other: &'a [Turn]) -> Pairs<'a> {
    let of = |turns: &'a [Turn]| turns.iter().filter_map(|turn| turn.at_full_speed.as_ref());
    let at_full_speed: Vec<_> = of(baseline).zip(of(other)).collect();
    if at_full_speed.len() >= ENOUGH_ROUNDS {
        Pairs { pairs: at_full_speed, at_full_speed: true }
    } else {
        all_pairs(baseline, other)
    }
}

fn all_pairs<'a>(baseline: &'a [Turn], other: &'a [Turn]) -> Pairs<'a> {
    Pairs { pairs: baseline.iter().zip(other).map(|(a, b)| (&a.all, &b.all)).collect(), at_full_speed: false }
}

impl Pairs<'_> {
    fn ratios(&self, metric: &Metric) -> Estimate {
        let ratio = |(a, b): &(&Figures, &Figures)| (metric.of)(b) / (metric.of)(a).max(1.0);
        Estimate::of(self.pairs.iter().map(ratio).collect())
    }

    fn floors(&self, metrics: &[Metric; COUNT]) -> [f64; COUNT] {
        metrics.each_ref().map(|metric| stats::floor(metric.practical, &self.ratios(metric)))
    }
}

/// The smallest differences that count, which the twin (the second variant) determines.
pub(super) struct Floors {
    pub(super) at_full_speed: Option<[f64; COUNT]>,
    pub(super) all: [f64; COUNT],
}

impl Floors {
    /// The floors of the first `rounds` rounds: a variant that took part in fewer rounds is as uncertain as the twin was after
    /// as many.
    pub(super) fn of(metrics: &[Metric; COUNT], turns: &[Vec<Turn>], rounds: usize) -> Floors {
        let (baseline, twin) = (&turns[0][..rounds], &turns[1][..rounds]);
        let pairs = pairs(baseline, twin);
        Floors {
            at_full_speed: pairs.at_full_speed.then(|| pairs.floors(metrics)),
            all: all_pairs(baseline, twin).floors(metrics),
        }
    }

    /// The floors of most rows.
    pub(super) fn usual(&self) -> &[f64; COUNT] {
        self.at_full_speed.as_ref().unwrap_or(&self.all)
    }
}

/// A variant compared with the baseline.
pub(super) struct Compared {
    pub(super) effects: [Effect; COUNT],
    pub(super) at_full_speed: bool,
}

impl Compared {
    pub(super) fn of(metrics: &[Metric; COUNT], turns: &[Vec<Turn>], at: usize) -> Compared {
        let floors = Floors::of(metrics, turns, turns[at].len());
        let (pairs, floors) = match (pairs(&turns[0], &turns[at]), &floors.at_full_speed) {
            (pairs @ Pairs { at_full_speed: true, .. }, Some(floors)) => (pairs, floors),
            _ => (all_pairs(&turns[0], &turns[at]), &floors.all),
        };
        let effects = std::array::from_fn(|i| Effect::of(pairs.ratios(&metrics[i]), floors[i]));
        Compared { effects, at_full_speed: pairs.at_full_speed }
    }
}

pub(super) fn what_counts_fresh(fresh: &[Vec<Phases>]) -> Option<[f64; 2]> {
    let floor = |figure| stats::floor(PRACTICAL_FRESH, &fresh_ratios(&fresh[0], &fresh[1], figure));
    (!fresh[0].is_empty()).then(|| FRESH_FIGURES.map(floor))
}

/// Compares every variant with the baseline, which is the first.
pub(super) fn judge(
    entrants: &[Entrant],
    metrics: &[Metric; COUNT],
    turns: &[Vec<Turn>],
    fresh: &[Vec<Phases>],
    fresh_floors: Option<[f64; 2]>,
) -> Vec<Row> {
    let row = |at: usize| {
        let Compared { effects, at_full_speed } = Compared::of(metrics, turns, at);
        let fresh = fresh_floors.filter(|_| !fresh[at].is_empty()).map(|floors| {
            std::array::from_fn(|i| Effect::of(fresh_ratios(&fresh[0], &fresh[at], FRESH_FIGURES[i]), floors[i]))
        });
        let variant = &entrants[at].variant;
        Row { name: variant.name(), effects, at_full_speed, fresh, meaning: meaning(variant, &effects, fresh.as_ref()) }
    };
    let mut rows: Vec<Row> = (1..entrants.len()).map(row).collect();
    rows.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    rows
}

fn fresh_ratios(baseline: &[Phases], other: &[Phases], figure: fn(&Phases) -> f64) -> Estimate {
    Estimate::of(baseline.iter().zip(other).map(|(base, other)| figure(other) / figure(base).max(1.0)).collect())
}

/// The meaning of the first verdict that is a difference.
fn meaning(variant: &Variant, effects: &[Effect; COUNT], fresh: Option<&[Effect; 2]>) -> &'static str {
    let first = effects.iter().chain(fresh.into_iter().flatten()).find(|effect| effect.verdict.is_sure());
    first.map_or("", |effect| variant.meaning(effect.verdict == Verdict::Faster))
}

impl Row {
    /// The order of rows: certain differences first, then by size.
    fn weight(&self) -> f64 {
        let weight = |effect: &Effect| effect.ratio.median.ln().abs();
        match self.all().filter(|effect| effect.verdict.is_sure()).map(weight).reduce(f64::max) {
            Some(most) => most,
            None => weight(&self.effects[0]) - 1000.0,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().chain(self.fresh.iter().flatten())
    }

    pub(super) fn is_noise(&self) -> bool {
        self.all().all(|effect| effect.verdict == Verdict::Noise)
    }

    pub(super) fn is_sure(&self) -> bool {
        self.all().any(|effect| effect.verdict.is_sure())
    }
}

/// Counts the samples at the beginning of turns, of all variants: samples between cycles are not taken at random times.
pub(super) fn slowed(turns: &[Vec<Turn>]) -> Slowed {
    let looks = || turns.iter().flatten().map(|turn| turn.slowed);
    Slowed { looks: looks().count(), slowed: looks().filter(|slowed| *slowed).count() }
}

/// The suspects, from what the system counted during the baseline's turns and from the processor's speed.
pub(super) fn suspects(baseline: &Entrant, turns: &[Vec<Turn>]) -> Vec<Suspect> {
    let evidence = turns[0].iter().fold(Evidence::default(), |sum, turn| sum.plus(&turn.evidence));
    diagnosis::suspects(&Findings {
        metadata: &baseline.code.metadata,
        setup: &baseline.variant.setup,
        period_ns: None,
        first_evidence: None,
        steady: None,
        wake_up: None,
        misses: 0,
        evidence: &evidence,
        fresh: None,
        denormals: None,
        slowed: Some(slowed(turns)),
    })
}
