//! Runs variants of one workload in turn: many short rounds, each with every variant once in its own order, so that a change of
//! the machine affects all of them. Each turn has a new instance, so that all begin with the same state.
//!
//! A processor that is slower because another thread uses part of its core does not affect all alike: code that keeps its units
//! busy then takes twice as long, other code hardly slows down. So the speed is sampled between cycles, and the cycles at full
//! speed have figures of their own.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rtwasm::doctor::core_speed::{Pace, Speed};
use rtwasm::engine::runtime::Runtime;
use rtwasm::status::{Error, rtw_status_t};
use rtwasm::sys::clock;

use super::cold::{Phases, Starter};
use super::describe::Workload;
use super::evidence::{Evidence, Watch};
use super::guest::{self, Attached, Guest, aside};
use super::run::{self, Subject};
use super::source::Code;
use super::stats::{self, Shuffler};
use super::variants::Variant;
use crate::args::Failure;

/// A variant that can run.
pub struct Entrant {
    pub variant: Variant,
    pub code: Code,
    runtime: Arc<Runtime>,
    /// The approximate time of a cycle.
    pub cycle_ns: f64,
}

/// The results of one turn.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The figures of all planned cycles.
    pub all: Figures,
    /// The figures of the cycles at the processor's full speed; None if there are too few.
    pub at_full_speed: Option<Figures>,
    /// True if the processor was slowed when the turn began.
    pub slowed: bool,
    pub evidence: Evidence,
}

/// In ns.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Figures {
    fn of(times: &[f64]) -> Figures {
        let ascending = stats::sorted(times.to_vec());
        let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|at| stats::quantile(&ascending, at));
        Figures { mean: stats::mean(&ascending), p50, p95, p99, max }
    }

    /// A cycle that took longer than slowness explains was interrupted, whatever the processor's speed: it counts.
    fn with_interruption(self, longest: f64) -> Figures {
        let max = if Pace::of(longest / self.p50.max(1.0)) == Pace::Interrupted { longest } else { self.max };
        Figures { max, ..self }
    }
}

/// Dry cycles of prepare: only enough to be warm, since every turn makes them.
const DRY_CYCLES: u32 = 4;
/// The number of cycles of a trial.
const TRIAL_CYCLES: usize = 20;
/// An arbitrary fixed number: the same order in every run.
const SEED: u64 = 1;

impl Entrant {
    /// Creates everything once and tries a few cycles.
    pub fn new(variant: Variant, code: Code, workload: &Workload) -> Result<Entrant, Error> {
        let runtime = guest::runtime(&code.metadata, &variant.setup)?;
        let mut entrant = Entrant { variant, code, runtime, cycle_ns: 0.0 };
        let trial = |guest: &mut Guest| Ok(run::first(guest, TRIAL_CYCLES)?.0);
        // The median, so that other threads' work does not enter the plan.
        let expected_ns = workload.limit_ns as f64;
        entrant.cycle_ns = stats::median(&entrant.with_guest(workload, expected_ns, trial)?);
        Ok(entrant)
    }

    /// Creates a new instance on this thread, with the variant's set-up.
    fn with_guest<T>(
        &self,
        workload: &Workload,
        expected_ns: f64,
        run: impl FnOnce(&mut Guest) -> Result<T, rtw_status_t>,
    ) -> Result<T, Error> {
        let _alarm = guest::alarm(workload, &self.code.metadata, expected_ns);
        let mut guest = Guest::new(&self.runtime, &self.code, workload, &self.variant.setup)?;
        let _attached = Attached::new(&self.runtime)?;
        aside(|| {
            if self.variant.setup.prepare {
                guest.prepare(DRY_CYCLES)?;
            }
            run(&mut guest).map_err(|status| guest.ended(status))
        })
    }

    /// Runs the first cycles of a new instance: the planned number at the processor's full speed, or until it has taken too
    /// long.
    fn turn(&self, workload: &Workload, cycles: usize, speed: &mut Speed) -> Result<Turn, Error> {
        let chunk = ((CHUNK_NS / self.cycle_ns.max(1.0)) as usize).clamp(1, cycles);
        let patience_ns = (TURN_TAKES_AT_MOST * cycles as f64 * self.cycle_ns) as u64;
        self.with_guest(workload, patience_ns as f64, |guest| timed(guest, cycles, chunk, patience_ns, || speed.pace()))
    }
}

/// The time between two samples of the processor's speed; a cycle at least.
const CHUNK_NS: f64 = 500e3;
/// The longest turn, as a multiple of its time at full speed.
const TURN_TAKES_AT_MOST: f64 = 3.0;

fn timed(
    subject: &mut impl Subject,
    cycles: usize,
    chunk: usize,
    patience_ns: u64,
    mut pace: impl FnMut() -> Pace,
) -> Result<Turn, rtw_status_t> {
    // Allocates and touches everything before the counting begins.
    let most = TURN_TAKES_AT_MOST as usize * cycles + chunk;
    let [mut all, mut at_full_speed] = [(); 2].map(|()| vec![u64::MAX; most]);
    (all.clear(), at_full_speed.clear());
    let end_ns = clock::monotonic_ns() + patience_ns;
    let watch = Watch::begin();
    let slowed = pace() == Pace::Slowed;
    let mut is_slowed = slowed;
    while at_full_speed.len() < cycles && (all.len() < cycles || all.len() + chunk <= most && clock::monotonic_ns() < end_ns) {
        while is_slowed && clock::monotonic_ns() < end_ns {
            is_slowed = pace() == Pace::Slowed;
        }
        let began_slowed = is_slowed;
        let chunk_begin = all.len();
        for _ in 0..chunk {
            subject.feed();
            let started = clock::ticks();
            subject.cycle()?;
            all.push(clock::ticks().wrapping_sub(started));
        }
        is_slowed = pace() == Pace::Slowed;
        // The first cycles differ from others, and cannot be repeated.
        if chunk_begin == 0 || !(began_slowed || is_slowed) {
            at_full_speed.extend_from_slice(&all[chunk_begin..]);
        }
    }
    let evidence = watch.end();
    let ns = clock::calibration().ns_per_tick;
    let figures = |ticks: &[u64]| {
        let first = &ticks[..ticks.len().min(cycles)];
        Figures::of(&first.iter().map(|ticks| *ticks as f64 * ns).collect::<Vec<_>>())
    };
    let longest = all.iter().max().map_or(0.0, |ticks| *ticks as f64 * ns);
    let enough = at_full_speed.len() >= FEWEST_CYCLES.min(cycles);
    let at_full_speed = enough.then(|| figures(&at_full_speed).with_interruption(longest));
    Ok(Turn { all: figures(&all), at_full_speed, slowed, evidence })
}

/// The amount of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub rounds: usize,
    pub cycles: usize,
}

/// A verdict needs these, also on a machine so busy that they take longer than planned.
pub const FEWEST_ROUNDS: usize = 30;
/// The planned number: more than the fewest, also if turns take longer than planned.
const USUAL_ROUNDS: f64 = 100.0;
/// The planned number if turns would otherwise be short.
const LESS_ROUNDS: f64 = 40.0;
const TURN_NS: f64 = 30e6;
const MOST_ROUNDS: usize = 150;
const FEWEST_CYCLES: usize = 10;
const MOST_CYCLES: usize = 5000;
/// The time to see the processor at full speed once.
const LEARNING_NS: u64 = 500_000_000;
/// The time to create an instance, attach, prepare, and read the system's counters.
const TURN_OVERHEAD_NS: f64 = 3e6;

impl Plan {
    /// Plans as many cycles as fit into the usual number of rounds; if they are short, more rounds.
    pub fn new(time_ns: f64, cycle_ns: &[f64]) -> Plan {
        let all_cycles: f64 = cycle_ns.iter().sum();
        let overhead = TURN_OVERHEAD_NS * cycle_ns.len() as f64 + f64::from(DRY_CYCLES) * all_cycles;
        let cycles = |rounds: f64| ((time_ns / rounds - overhead) / all_cycles) as usize;
        // Shorter turns are interrupted or not by chance.
        let long = (TURN_NS * cycle_ns.len() as f64 / all_cycles) as usize;
        let usual = cycles(USUAL_ROUNDS);
        let cycles = if usual < long { cycles(LESS_ROUNDS).min(long) } else { usual }.clamp(FEWEST_CYCLES, MOST_CYCLES);
        let rounds = time_ns / (overhead + cycles as f64 * all_cycles);
        Plan { rounds: (rounds as usize).clamp(FEWEST_ROUNDS, MOST_ROUNDS), cycles }
    }
}

/// Entrants in turn, with their results so far.
pub struct Race<'a> {
    entrants: &'a [Entrant],
    workload: &'a Workload,
    cycles: usize,
    speed: Speed,
    shuffler: Shuffler,
    /// The turns of each entrant, by round; fewer for an entrant that was left out of the last rounds.
    pub turns: Vec<Vec<Turn>>,
}

impl<'a> Race<'a> {
    pub fn new(entrants: &'a [Entrant], workload: &'a Workload, cycles: usize) -> Race<'a> {
        let turns = entrants.iter().map(|_| Vec::new()).collect();
        Race { entrants, workload, cycles, speed: Speed::measure(LEARNING_NS), shuffler: Shuffler::new(SEED), turns }
    }

    /// Runs rounds of some of the entrants; an entrant that was left out once must not return. Ends when the time is over, but
    /// not before `fewest` rounds.
    pub fn run(
        &mut self,
        mut who: Vec<usize>,
        rounds: RangeInclusive<usize>,
        end_ns: u64,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        for round in 0..*rounds.end() {
            if round >= *rounds.start() && clock::monotonic_ns() >= end_ns {
                break;
            }
            progress(round);
            self.shuffler.shuffle(&mut who);
            for &at in &who {
                self.turns[at].push(self.entrants[at].turn(self.workload, self.cycles, &mut self.speed)?);
            }
        }
        Ok(())
    }
}

/// Runs rounds with a fresh process for every turn of the entrants that need one; the others get no turn.
pub fn run_fresh(
    entrants: &[Entrant],
    workload: &Workload,
    rounds: usize,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Vec<Phases>>, Failure> {
    let mut order: Vec<usize> = (0..entrants.len()).filter(|at| entrants[*at].variant.fresh).collect();
    let starters =
        entrants.iter().map(|entrant| Starter::new(&entrant.code, workload, run::DRY_CYCLES)).collect::<Result<Vec<_>, _>>()?;
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
        assert!(Plan::new(100e9, &[1e6; 16]).cycles >= 40);
    }

    /// Cycles that end when the clock says so; the first takes ten times as long.
    struct Timed(u64);

    impl Timed {
        fn new() -> Timed {
            // As runtimes do: until then ticks are nanoseconds.
            clock::calibration();
            Timed(0)
        }
    }

    impl Subject for Timed {
        fn feed(&mut self) {}
        fn cycle(&mut self) -> Result<(), rtw_status_t> {
            self.0 += 1;
            let end_ns = clock::monotonic_ns() + if self.0 == 1 { 1_000_000 } else { 100_000 };
            while clock::monotonic_ns() < end_ns {}
            Ok(())
        }
    }

    #[test]
    fn turns_have_the_first_cycle_and_as_many_as_planned() {
        let mut subject = Timed::new();
        let turn = timed(&mut subject, 20, 5, 1_000_000_000, || Pace::Full).unwrap();
        assert!(subject.0 == 20 && turn.all.p50 >= 1e5 && turn.all.max >= 1e6 && !turn.slowed, "{turn:?}");
        assert_eq!(turn.evidence.allocations, 0, "measuring is not to be taken for the engine");
        let at_full_speed = turn.at_full_speed.expect("it always was");
        assert_eq!([at_full_speed.p50, at_full_speed.max], [turn.all.p50, turn.all.max]);
    }

    #[test]
    fn cycles_beside_which_the_processor_was_slow_are_made_up_for() {
        // Slow at the end of every second stretch of five; an interruption does not count.
        let mut looks = [Pace::Full, Pace::Full, Pace::Slowed, Pace::Interrupted].into_iter().cycle();
        let mut subject = Timed::new();
        let turn = timed(&mut subject, 20, 5, 60_000_000_000, || looks.next().unwrap()).unwrap();
        assert_eq!(turn.evidence.allocations, 0, "nor when it takes longer");
        assert_eq!(subject.0, 30, "the first stretch, and three of the five that follow: {turn:?}");
        assert!(turn.at_full_speed.unwrap().max >= 1e6, "the first cycle is among them");
    }

    #[test]
    fn interruptions_are_not_left_out_and_slowness_is() {
        let figures = Figures { mean: 1.0, p50: 1.0, p95: 1.0, p99: 1.0, max: 1.2 };
        assert_eq!(
            [1.1, 2.0, 2.9, 3.0, 40.0].map(|longest| figures.with_interruption(longest).max),
            [1.2, 1.2, 1.2, 3.0, 40.0]
        );
    }

    #[test]
    fn a_processor_that_never_is_at_full_speed_is_not_waited_for() {
        let mut subject = Timed::new();
        let turn = timed(&mut subject, 20, 5, 1, || Pace::Slowed).unwrap();
        assert!(turn.all.p50 >= 1e5 && subject.0 == 20, "{turn:?} after {}", subject.0);
        assert!(turn.slowed && turn.at_full_speed.is_none(), "{turn:?}");
    }
}
