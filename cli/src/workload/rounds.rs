//! Variants of one workload in turn: many short rounds, each with every variant once in an order of its own, so that a machine
//! that changes changes for all of them. Each turn has a new instance, which begins where the others began.

use std::sync::Arc;

use rtwasm::engine::runtime::Runtime;
use rtwasm::rt::clock;
use rtwasm::status::Error;

use super::cold::{Phases, Starter};
use super::describe::Workload;
use super::evidence::Evidence;
use super::guest::{self, Attached, Guest, aside};
use super::run;
use super::source::Code;
use super::stats::{self, Shuffler};
use super::variants::Variant;
use crate::args::Failure;

/// A variant that can be run.
pub struct Entrant {
    pub variant: Variant,
    pub code: Code,
    runtime: Arc<Runtime>,
    /// About what a cycle takes.
    pub cycle_ns: f64,
}

/// What one turn has found.
#[derive(Clone, Debug)]
pub struct Turn {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub evidence: Evidence,
}

/// Dry cycles of prepare: enough to be warm, and no more, as they are made for every turn.
const DRY_CYCLES: u32 = 4;
/// Cycles of a trial.
const TRIAL_CYCLES: usize = 20;
/// Any fixed number: the same order in every run.
const SEED: u64 = 1;

impl Entrant {
    /// Makes everything once and tries a few cycles.
    pub fn new(variant: Variant, code: Code, workload: &Workload) -> Result<Entrant, Error> {
        let runtime = guest::runtime(&code.metadata, &variant.setup)?;
        let mut entrant = Entrant { variant, code, runtime, cycle_ns: 0.0 };
        // The median: others' work is not to enter the plan.
        entrant.cycle_ns = entrant.turn(workload, TRIAL_CYCLES)?.p50;
        Ok(entrant)
    }

    /// A new instance on this thread, set up as the variant says, and its first cycles.
    fn turn(&self, workload: &Workload, cycles: usize) -> Result<Turn, Error> {
        let mut guest = Guest::new(&self.runtime, &self.code, workload, &self.variant.setup)?;
        let _attached = Attached::new(&self.runtime)?;
        aside(|| {
            if self.variant.setup.prepare {
                guest.prepare(DRY_CYCLES)?;
            }
            let (times, evidence) = run::first(&mut guest, cycles).map_err(|status| guest.ended(status))?;
            let ascending = stats::sorted(times);
            Ok(Turn {
                mean: stats::mean(&ascending),
                p50: stats::quantile(&ascending, 0.5),
                p99: stats::quantile(&ascending, 0.99),
                max: stats::quantile(&ascending, 1.0),
                evidence,
            })
        })
    }
}

/// How much shall be run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub rounds: usize,
    pub cycles: usize,
}

/// Needed for a verdict, also where the machine is so busy that it takes longer than planned.
pub const FEWEST_ROUNDS: usize = 30;
/// As they are planned for, so that more than the fewest are there as a rule.
const USUAL_ROUNDS: usize = 60;
const MOST_ROUNDS: usize = 100;
const FEWEST_CYCLES: usize = 10;
const MOST_CYCLES: usize = 5000;
/// Making an instance, attaching, preparing, reading what the system counts.
const TURN_OVERHEAD_NS: f64 = 3e6;

impl Plan {
    /// As many cycles as fit, in as many rounds as usual; where they are short, more rounds.
    pub fn new(time_ns: f64, cycle_ns: &[f64]) -> Plan {
        let all_cycles: f64 = cycle_ns.iter().sum();
        let overhead = TURN_OVERHEAD_NS * cycle_ns.len() as f64 + f64::from(DRY_CYCLES) * all_cycles;
        let round = time_ns / USUAL_ROUNDS as f64 - overhead;
        let cycles = ((round / all_cycles) as usize).clamp(FEWEST_CYCLES, MOST_CYCLES);
        let rounds = time_ns / (overhead + cycles as f64 * all_cycles);
        Plan { rounds: (rounds as usize).clamp(FEWEST_ROUNDS, MOST_ROUNDS), cycles }
    }
}

/// For every entrant its turns, by round. Ends after the time, once there are enough rounds.
pub fn run(
    entrants: &[Entrant],
    workload: &Workload,
    plan: Plan,
    time_ns: f64,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Vec<Turn>>, Error> {
    let end_ns = clock::monotonic_ns() + time_ns as u64;
    let mut order: Vec<usize> = (0..entrants.len()).collect();
    let mut turns: Vec<Vec<Turn>> = entrants.iter().map(|_| Vec::with_capacity(plan.rounds)).collect();
    let mut shuffler = Shuffler::new(SEED);
    for round in 0..plan.rounds {
        if round >= FEWEST_ROUNDS && clock::monotonic_ns() >= end_ns {
            break;
        }
        progress(round);
        shuffler.shuffle(&mut order);
        for &at in &order {
            turns[at].push(entrants[at].turn(workload, plan.cycles)?);
        }
    }
    Ok(turns)
}

/// The same with a fresh process for every turn, for those that it matters to; the others get none.
pub fn run_fresh(
    entrants: &[Entrant],
    workload: &Workload,
    rounds: usize,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Vec<Phases>>, Failure> {
    let mut order: Vec<usize> = (0..entrants.len()).filter(|at| entrants[*at].variant.fresh).collect();
    let starters = entrants.iter().map(|entrant| Starter::new(&entrant.code, workload)).collect::<Result<Vec<_>, _>>()?;
    let mut phases = vec![Vec::new(); entrants.len()];
    let mut shuffler = Shuffler::new(SEED);
    for round in 0..rounds {
        progress(round);
        shuffler.shuffle(&mut order);
        for &at in &order {
            phases[at].push(starters[at].run(&entrants[at].variant.setup)?);
        }
    }
    Ok(phases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_fit_the_time() {
        for (time_s, cycle_ns, count) in [(60.0, 1e6, 16), (20.0, 1e5, 10), (60.0, 5e6, 16), (10.0, 50.0, 16)] {
            let plan = Plan::new(time_s * 1e9, &vec![cycle_ns; count]);
            let round = count as f64 * (TURN_OVERHEAD_NS + (plan.cycles as f64 + f64::from(DRY_CYCLES)) * cycle_ns);
            let takes_s = plan.rounds as f64 * round / 1e9;
            assert!(
                takes_s <= time_s * 1.01 || plan == Plan { rounds: FEWEST_ROUNDS, cycles: FEWEST_CYCLES },
                "{plan:?} takes {takes_s} s of {time_s}"
            );
        }
        assert!(Plan::new(60e9, &[1e6; 16]).cycles >= 40);
    }
}
