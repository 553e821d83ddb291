//! Timing: batches for means, single calls for the distribution, rivals in turn.

use rtwasm::doctor::core_speed::{Pace, Speed};
use rtwasm::record::snapshot;
use rtwasm::sys::clock;

/// Calls in a batch whose mean is taken.
pub const BATCH: u64 = 1_000_000;
/// Rounds, each with one batch of every subject.
pub const ROUNDS: usize = 15;
/// Calls timed one by one for the distribution.
const SINGLE: usize = 200_000;

/// The cases to run: those whose names begin with this text; `None` runs all.
pub struct Only(pub Option<String>);

impl Only {
    pub fn wants(&self, case: &str) -> bool {
        self.0.as_ref().is_none_or(|prefix| case.starts_with(prefix.as_str()))
    }
}

/// Something to be timed. `run(n)` makes n calls.
pub struct Subject<'a> {
    pub name: &'static str,
    pub run: Box<dyn FnMut(u64) + 'a>,
}

/// One subject's figures.
pub struct Row {
    pub case: String,
    pub subject: &'static str,
    pub baseline: &'static str,
    pub n: u64,
    pub mean_ns: f64,
    pub min_ns: f64,
    pub p50_ns: f64,
    pub p99_ns: f64,
    pub p999_ns: f64,
    pub max_ns: f64,
    /// Mean against the baseline's: the median over rounds. Of those rounds that found the processor at full speed before and after
    /// both batches, if there are enough of them.
    pub ratio: f64,
    pub at_full_speed: bool,
    /// The ratio of rounds in which another thread had part of the core.
    pub ratio_slowed: Option<f64>,
}

/// A batch's mean, and what it met; nothing where that changed meanwhile.
struct Batch {
    mean_ns: f64,
    pace: Option<Pace>,
}

/// Rounds for a median that is of use.
const ENOUGH: usize = 30;
/// To see the processor at full speed once.
const LEARNING_NS: u64 = 200_000_000;

/// Times the subjects in turn; the first is the baseline. `batch` calls a round.
pub fn interleaved(case: &str, batch: u64, subjects: Vec<Subject<'_>>) -> Vec<Row> {
    interleaved_rounds(case, batch, ROUNDS, SINGLE.min(batch as usize), subjects)
}

/// Times the subjects in turn, as [`interleaved`] does, with the given numbers of rounds and of single calls.
pub fn interleaved_rounds(
    case: &str,
    batch: u64,
    rounds: usize,
    single_calls: usize,
    mut subjects: Vec<Subject<'_>>,
) -> Vec<Row> {
    let ns_per_tick = clock::calibration().ns_per_tick;
    for subject in &mut subjects {
        (subject.run)(batch / 10 + 1);
    }
    let mut speed = Speed::measure(LEARNING_NS);
    let mut batches: Vec<Vec<Batch>> = subjects.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..subjects.len() {
            // Nobody always comes after the same one.
            let which = (round + turn) % subjects.len();
            let before = speed.pace();
            let started = clock::ticks();
            (subjects[which].run)(batch);
            let mean_ns = (clock::ticks() - started) as f64 * ns_per_tick / batch as f64;
            batches[which].push(Batch { mean_ns, pace: (speed.pace() == before).then_some(before) });
        }
    }
    let baseline = subjects[0].name;
    let distributions = singles(&mut subjects, single_calls);
    let rows = subjects.iter().zip(&batches).zip(distributions).map(|((subject, own), mut single)| {
        single.sort_unstable();
        let at = |quantile: f64| snapshot::quantile(&single, quantile) as f64 * ns_per_tick;
        let ratio = |wanted| ratio(own, &batches[0], wanted);
        let at_full_speed = ratio(Some(Pace::Full));
        Row {
            case: case.to_owned(),
            subject: subject.name,
            baseline,
            n: batch * rounds as u64,
            mean_ns: own.iter().map(|batch| batch.mean_ns).sum::<f64>() / own.len() as f64,
            min_ns: at(0.0),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: at(1.0),
            ratio: at_full_speed.or_else(|| ratio(None)).unwrap_or(f64::NAN),
            at_full_speed: at_full_speed.is_some(),
            ratio_slowed: ratio(Some(Pace::Slowed)),
        }
    });
    rows.collect()
}

/// Of the rounds in which both batches met that, if they are enough; of all rounds where nothing is asked for.
fn ratio(own: &[Batch], baseline: &[Batch], wanted: Option<Pace>) -> Option<f64> {
    let met = |batch: &Batch| wanted.is_none() || batch.pace == wanted;
    let rounds = own.iter().zip(baseline).filter(|(own, base)| met(own) && met(base));
    let ratios: Vec<f64> = rounds.map(|(own, base)| own.mean_ns / base.mean_ns).collect();
    (wanted.is_none() || ratios.len() >= ENOUGH).then(|| median(ratios))
}

/// Single calls of every subject, in turn.
fn singles(subjects: &mut [Subject<'_>], count: usize) -> Vec<Vec<u64>> {
    const TURN: usize = 1000;
    let mut times: Vec<Vec<u64>> = subjects.iter().map(|_| Vec::with_capacity(count)).collect();
    for _ in 0..count.div_ceil(TURN) {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            for _ in 0..TURN.min(count) {
                let started = clock::ticks();
                (subject.run)(1);
                times.push(clock::ticks() - started);
            }
        }
    }
    times
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Keeps this thread on the last CPU it may use, which on most machines has least to do with interrupts.
pub fn pin_to_last_cpu() -> Result<usize, String> {
    // SAFETY: all-zero is a valid set; the calls read and write it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        let cpu = (0..libc::CPU_SETSIZE as usize).rev().find(|cpu| libc::CPU_ISSET(*cpu, &set)).ok_or("no CPU to run on")?;
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(cpu, &mut set);
        match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) {
            0 => Ok(cpu),
            _ => Err(format!("cannot pin to CPU {cpu}: {}", std::io::Error::last_os_error())),
        }
    }
}
