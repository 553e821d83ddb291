//! The rounds: who takes part, and for how long.

use std::io::IsTerminal;

use rtwasm::engine::profile::Variations;
use rtwasm::status::Error;
use rtwasm::sys::clock;

use super::judge::{COUNT, Compared, Floors, Metric, metrics};
use crate::args::Failure;
use crate::workload::describe::{Compilation, Workload};
use crate::workload::rounds::{self, Entrant, Plan, Race, Turn};
use crate::workload::source::{Code, Source};
use crate::workload::stats::Verdict;
use crate::workload::variants::{Skipped, Variant};

pub(super) struct More {
    pub(super) rounds: usize,
    pub(super) variants: usize,
}

/// The results of all rounds.
pub(super) struct Contest {
    /// The plan, with the actual number of rounds.
    pub(super) plan: Plan,
    pub(super) metrics: [Metric; COUNT],
    pub(super) turns: Vec<Vec<Turn>>,
    pub(super) more: Option<More>,
}

/// The share of the time for rounds of all variants; the rest is for inconclusive ones.
const FOR_ALL: f64 = 2.0 / 3.0;

pub(super) fn contest(entrants: &[Entrant], workload: &Workload, time_ns: f64, progress: &Progress) -> Result<Contest, Error> {
    let begin_ns = clock::monotonic_ns();
    let end_ns = |share: f64| begin_ns + (time_ns * share) as u64;
    let cycles: Vec<f64> = entrants.iter().map(|entrant| entrant.cycle_ns).collect();
    let mut plan = Plan::new(time_ns * FOR_ALL, &cycles);
    let metrics = metrics(plan.cycles);
    let mut race = Race::new(entrants, workload, plan.cycles);
    let planned = rounds::FEWEST_ROUNDS..=plan.rounds;
    race.run((0..entrants.len()).collect(), planned, end_ns(FOR_ALL), |round| progress.show("round", round, plan.rounds))?;
    plan.rounds = race.turns[0].len();

    let floors = Floors::of(&metrics, &race.turns, plan.rounds);
    let unsure: Vec<usize> = (2..entrants.len())
        .filter(|at| {
            let compared = Compared::of(&metrics, &race.turns, *at);
            let is = |wanted: fn(Verdict) -> bool| compared.effects.iter().any(|effect| wanted(effect.verdict));
            let lacks_speed = floors.at_full_speed.is_some() && !compared.at_full_speed;
            is(|verdict| verdict == Verdict::Inconclusive) || lacks_speed && !is(Verdict::is_sure)
        })
        .collect();
    let variants = unsure.len();
    if variants > 0 {
        let most = MOST_TIMES * plan.rounds;
        race.run([vec![0, 1], unsure].concat(), 0..=most, end_ns(1.0), |round| {
            progress.show("round of inconclusive variants", round, most);
        })?;
    }
    let rounds = race.turns[0].len() - plan.rounds;
    Ok(Contest { plan, metrics, turns: race.turns, more: (rounds > 0).then_some(More { rounds, variants }) })
}

/// At most this many times the rounds of all variants; more would hardly resolve what is still inconclusive.
const MOST_TIMES: usize = 5;

/// Removes variants that were not selected; the baseline and its twin stay.
pub(super) fn keep_only(only: &[String], variants: &mut Vec<Variant>, skipped: &mut Vec<Skipped>) -> Result<(), Failure> {
    let known = |word: &str| {
        variants.iter().skip(2).any(|v| v.choice == word) || skipped.iter().any(|s| s.name.split(' ').next() == Some(word))
    };
    if let Some(unknown) = only.iter().find(|word| !known(word)) {
        let mut choices: Vec<&str> = variants.iter().skip(2).map(|variant| variant.choice).collect();
        choices.dedup();
        return Err(Failure::Usage(format!("--only {unknown}: the settings are {}", choices.join(", "))));
    }
    let wanted = |choice: &str| only.iter().any(|word| word == choice);
    let mut at = 0;
    variants.retain(|variant| {
        at += 1;
        at <= 2 || wanted(variant.choice)
    });
    skipped.retain(|skipped| skipped.name.split(' ').next().is_some_and(wanted));
    Ok(())
}

/// Compiles and tries every variant. Skips one that cannot run, with the reason; the baseline must run.
pub(super) fn enter(
    source: &Source,
    variants: Vec<Variant>,
    skipped: &mut Vec<Skipped>,
    workload: &Workload,
) -> Result<Vec<Entrant>, Failure> {
    let mut codes: Vec<(Compilation, Variations, Code)> = Vec::new();
    let mut entrants = Vec::new();
    for variant in variants {
        // The code does not depend on the way instances are allocated.
        let variations = Variations { pooling: false, ..variant.setup.variations() };
        let known = codes.iter().find(|(how, varied, _)| (*how, *varied) == (variant.how, variations));
        let code = match known {
            Some((_, _, code)) => Ok(code.clone()),
            None => source.varied_code(variant.how, variations),
        };
        let name = variant.name();
        let entered = code.and_then(|code| {
            codes.push((variant.how, variations, code.clone()));
            Entrant::new(variant, code, workload).map_err(|error| source.failure(&error))
        });
        match entered {
            Ok(entrant) => entrants.push(entrant),
            Err(failure) if entrants.len() < 2 => return Err(failure),
            Err(failure) => skipped.push(Skipped { name, reason: reason(failure, source) }),
        }
    }
    Ok(entrants)
}

/// The reason without the module's name, which the output has already.
fn reason(failure: Failure, source: &Source) -> String {
    match failure {
        Failure::Usage(reason) | Failure::Failed(reason) => {
            reason.strip_prefix(&format!("{}: ", source.name)).unwrap_or(&reason).to_owned()
        }
        _ => "it failed".into(),
    }
}

/// One line on the standard error, overwritten, if that is a terminal.
pub(super) struct Progress {
    visible: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Progress {
        Progress { visible: !quiet && std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, what: &str, at: usize, of: usize) {
        if self.visible {
            eprint!("\r\x1b[K{what} {} of {of}", at + 1);
        }
    }

    pub(super) fn end(&self) {
        if self.visible {
            eprint!("\r\x1b[K");
        }
    }
}
