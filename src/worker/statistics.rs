//! A worker's recordings, measured from the intended start of its work as well as from the actual one.
//!
//! There is one writer, the worker's thread, which stores and never waits, and any number of readers. Distributions go to
//! recorders. A ledger (`ledger`) holds counters, worst calls and the time line; its version is odd during a change, and a reader that
//! meets a change reads again. A reset is a request: only the worker's thread writes, so it clears the ledger before it records
//! the next step, and until then readers see an empty ledger.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::*};

use super::ledger::{COUNTERS, Ledger, NS_PER_S, TIMELINE, read};
pub use super::ledger::{Counts, Step, WORST, WorstStep};
use crate::record::order::sort_by_number;
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::stats::{Point, cause};
use crate::status::*;
use crate::sys::clock;
use crate::sys::memory::{self as pages, Lock};
use crate::sys::rusage::{self, Usage};

/// The most missed periods that are recorded one by one after a stall; the counters count all of them.
const MOST_MISSED: u64 = 100_000;

pub struct Statistics {
    wake_up: Recorder,
    call: Recorder,
    response: Recorder,
    jitter: Recorder,
    ledger: Box<Ledger>,
    /// The number of requested resets, and the time of the last one.
    resets: AtomicU64,
    since_realtime_ns: AtomicU64,
    since_monotonic_ns: AtomicU64,
    resetting: Mutex<()>,
}

impl Statistics {
    pub fn new() -> Statistics {
        Statistics {
            wake_up: Recorder::new(),
            call: Recorder::new(),
            response: Recorder::new(),
            jitter: Recorder::new(),
            ledger: Ledger::new(),
            resets: AtomicU64::new(0),
            since_realtime_ns: AtomicU64::new(clock::realtime_ns()),
            since_monotonic_ns: AtomicU64::new(clock::monotonic_ns()),
            resetting: Mutex::new(()),
        }
    }

    /// StepsSnapshot that one of the distributions ever recorded: wake-up latency, call time, response time, period jitter.
    pub fn ever(&self, which: usize) -> Snapshot {
        self.recorders()[which].ever()
    }

    fn recorders(&self) -> [&Recorder; 4] {
        [&self.wake_up, &self.call, &self.response, &self.jitter]
    }

    /// Reads from the ledger; returns `default` while it has a reset to follow.
    fn look<T>(&self, default: T, look: impl Fn(&Ledger) -> T) -> T {
        let wished = self.resets.load(Acquire);
        let (followed, seen) = self.ledger.version.look(|| (self.ledger.resets.load(Relaxed), look(&self.ledger)));
        // The worker may have followed a later reset meanwhile.
        if followed < wished { default } else { seen }
    }

    /// Prefaults the memory, and locks it as wanted.
    pub fn warm(&self, lock: Lock) -> Result<()> {
        let start = &*self.ledger as *const Ledger as usize;
        let ledger = start..start + size_of::<Ledger>();
        for range in std::iter::once(ledger).chain(self.recorders().into_iter().map(Recorder::range)) {
            // SAFETY: its own memory, which no thread has written to yet.
            unsafe { pages::touch_for_writing(range.clone()) };
            pages::lock_as(lock, range)?;
        }
        Ok(())
    }

    /// Starts the statistics over. For any thread but a real-time one. A step that is just ending counts as before the reset.
    pub fn reset(&self) {
        let _one_at_a_time = self.resetting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.since_realtime_ns.store(clock::realtime_ns(), Relaxed);
        self.since_monotonic_ns.store(clock::monotonic_ns(), Relaxed);
        self.resets.fetch_add(1, Release);
        self.recorders().into_iter().for_each(Recorder::reset);
    }

    pub fn counts(&self) -> Counts {
        Counts::from_array(self.look([0; COUNTERS.len()], |ledger| read(&ledger.counts)))
    }

    /// StepsSnapshot except the worst calls and the time line.
    pub fn snapshot(&self) -> StepsSnapshot {
        StepsSnapshot {
            since_realtime_ns: self.since_realtime_ns.load(Relaxed),
            duration_ns: clock::monotonic_ns().saturating_sub(self.since_monotonic_ns.load(Relaxed)),
            counts: self.counts(),
            wake_up: snapshot(&self.wake_up),
            call: snapshot(&self.call),
            response: snapshot(&self.response),
            jitter: snapshot(&self.jitter),
        }
    }

    /// The worst calls, worst first.
    pub fn worst(&self) -> Vec<WorstStep> {
        let cells: [[u64; 6]; WORST] = self.look([[0; 6]; WORST], |ledger| std::array::from_fn(|i| read(&ledger.worst[i])));
        let mut worst: Vec<WorstStep> =
            cells.into_iter().map(WorstStep::from_array).filter(|step| step.at_realtime_ns != 0).collect();
        sort_by_number(&mut worst, |step| !step.response);
        worst
    }

    /// One point for each second with steps, oldest first.
    pub fn timeline(&self) -> Vec<Point> {
        let clock = clock::calibration();
        let cells: [[u64; 3]; TIMELINE] =
            self.look([[0; 3]; TIMELINE], |ledger| std::array::from_fn(|i| read(&ledger.timeline[i])));
        let mut seconds: Vec<[u64; 3]> = cells.into_iter().filter(|[second, ..]| *second != 0).collect();
        sort_by_number(&mut seconds, |[second, ..]| *second);
        let oldest = seconds.last().map_or(0, |[newest, ..]| newest.saturating_sub(TIMELINE as u64));
        seconds
            .into_iter()
            .filter(|[second, ..]| *second > oldest)
            .map(|[second, count, max]| Point { at_ns: (second - 1) * NS_PER_S, count, max_ns: clock.ns(max).round() as u64 })
            .collect()
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics::new()
    }
}

/// A copy of a ledger.
#[derive(Debug, Clone)]
pub struct StepsSnapshot {
    pub since_realtime_ns: u64,
    pub duration_ns: u64,
    pub counts: Counts,
    pub wake_up: Snapshot,
    pub call: Snapshot,
    pub response: Snapshot,
    pub jitter: Snapshot,
}

fn snapshot(recorder: &Recorder) -> Snapshot {
    recorder.snapshot()
}

/// The worker's thread's own state from one step to the next.
pub struct StepRecorder<'a> {
    statistics: &'a Statistics,
    usage: Usage,
    /// The current number of missed periods in a row.
    miss_run: u64,
    /// The last step's values, since the next one's will be near.
    last: [u64; 4],
}

impl<'a> StepRecorder<'a> {
    pub fn new(statistics: &'a Statistics) -> StepRecorder<'a> {
        StepRecorder { statistics, usage: rusage::of_this_thread(), miss_run: 0, last: [0; 4] }
    }

    /// Reads the words that recording a step like the last one will touch.
    pub fn look_ahead(&self) {
        for (recorder, last) in self.statistics.recorders().into_iter().zip(self.last) {
            recorder.active().look_at(last);
        }
    }

    /// Records a step. Called after the step's end, when there is time: it makes a system call, to get page faults and switches.
    /// `sleeps` counts the thread's own sleeps since the previous step.
    pub fn record_step(&mut self, step: &Step, sleeps: u64) {
        // A reset that comes after this load clears the ledger before the next step.
        let resets = self.statistics.resets.load(Acquire);
        let since_ns = self.statistics.since_monotonic_ns.load(Relaxed);
        let usage = rusage::of_this_thread();
        let since = usage.since(self.usage);
        self.usage = usage;
        self.record_distributions(step);
        let overrun = step.period != 0 && step.wake_up + step.call > step.period;
        let miss_run = self.miss_run + step.missed + u64::from(overrun);
        self.miss_run = if overrun { miss_run } else { 0 };
        let ledger = &self.statistics.ledger;
        ledger.version.change(|| {
            if ledger.resets.load(Relaxed) != resets {
                ledger.clear(resets);
            }
            ledger.account(step, &since, overrun, miss_run);
            let worst = WorstStep::of(step, causes(step, &since, sleeps, overrun));
            ledger.note_second(step.actual_ns.saturating_sub(since_ns), worst.response);
            if worst.response > ledger.bar.load(Relaxed) {
                ledger.keep(WorstStep { at_realtime_ns: clock::realtime_ns(), ..worst });
            }
        });
    }

    /// Records the step's times, and for each missed period before it the times that its own step would have had.
    #[inline]
    fn record_distributions(&mut self, step: &Step) {
        let recorded = self.statistics;
        recorded.wake_up.active().record(step.wake_up);
        recorded.call.active().record(step.call);
        recorded.response.active().record(step.wake_up + step.call);
        self.last = [step.wake_up, step.call, step.wake_up + step.call, step.jitter.unwrap_or(0)];
        if let Some(jitter) = step.jitter {
            recorded.jitter.active().record(jitter);
        }
        for earlier in 1..=step.missed.min(MOST_MISSED) {
            let wake_up = step.wake_up + earlier * step.period;
            recorded.wake_up.active().record(wake_up);
            recorded.response.active().record(wake_up + step.call);
        }
    }
}

/// The likely causes of a step's length.
fn causes(step: &Step, since: &Usage, sleeps: u64, overrun: bool) -> u32 {
    let failed = step.status != RTW_OK;
    let flags = [
        (since.minor_faults + since.major_faults != 0, cause::PAGE_FAULT),
        (since.involuntary_switches != 0, cause::INVOLUNTARY_SWITCH),
        (since.voluntary_switches > sleeps, cause::VOLUNTARY_SWITCH),
        (step.status == RTW_ERR_BUDGET, cause::BUDGET),
        (failed && step.status != RTW_ERR_BUDGET, cause::TRAP),
        (overrun || step.missed != 0, cause::DEADLINE),
        // Most of the response time passed before the step began.
        (step.missed != 0 || step.wake_up > step.call, cause::WAKE_UP),
    ];
    flags.into_iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 1000;

    fn step(index: u64, wake_up: u64, call: u64, missed: u64) -> Step {
        let actual_ns = clock::monotonic_ns();
        Step { index, status: RTW_OK, actual_ns, wake_up, call, period: PERIOD, missed, jitter: Some(wake_up) }
    }

    #[test]
    fn every_period_is_accounted_for_from_its_intended_start() {
        let statistics = Statistics::new();
        let mut recorder = StepRecorder::new(&statistics);
        recorder.record_step(&step(0, 10, 20, 0), 0);
        // The call takes ten periods; the next one that runs stands for nine skipped ones.
        recorder.record_step(&step(1, 10, 10 * PERIOD, 0), 0);
        recorder.record_step(&step(11, 10, 20, 9), 0);
        recorder.record_step(&step(12, 10, 20, 0), 0);
        let all = statistics.snapshot();
        assert_eq!((all.counts.ticks, all.counts.skipped, all.counts.overruns), (4, 9, 1));
        assert_eq!((all.counts.misses, all.counts.longest_miss_run), (10, 10));
        assert_eq!((all.call.count, all.wake_up.count, all.response.count), (4, 13, 13));
        assert_eq!(all.response.max, 10 * PERIOD + 10);
        assert_eq!(all.wake_up.max, 9 * PERIOD + 10);
        assert!(all.response.quantiles([0.5])[0] > 2.0 * PERIOD as f64, "a stall weighs as long as it lasted");
        assert!(all.call.quantiles([0.5])[0] < 30.0, "where the call alone does not tell");
    }

    #[test]
    fn the_worst_are_kept_with_their_causes() {
        let statistics = Statistics::new();
        let mut recorder = StepRecorder::new(&statistics);
        for index in 0..10 * WORST as u64 {
            recorder.record_step(&step(index, 1, (index * 7919) % 997, 0), 0);
        }
        recorder.record_step(&Step { status: RTW_ERR_TRAP_MEMORY, ..step(4711, 5, 5000, 0) }, 0);
        recorder.record_step(&Step { status: RTW_ERR_BUDGET, ..step(4712, 7000, 5, 2) }, 0);
        let worst = statistics.worst();
        assert_eq!(worst.len(), WORST);
        assert_eq!((worst[0].index, worst[0].response, worst[0].status), (4712, 9005, RTW_ERR_BUDGET));
        let expected = cause::BUDGET | cause::DEADLINE | cause::WAKE_UP;
        assert_eq!(worst[0].causes & (expected | cause::TRAP), expected);
        assert_eq!((worst[1].index, worst[1].status), (4711, RTW_ERR_TRAP_MEMORY));
        assert_eq!(worst[1].causes & (cause::TRAP | cause::DEADLINE | cause::WAKE_UP), cause::TRAP | cause::DEADLINE);
        let responses: Vec<u64> = worst.iter().map(|step| step.response).collect();
        assert!(responses.is_sorted_by(|a, b| a >= b) && responses[WORST - 1] > 850, "{responses:?}");
        assert!(worst.iter().all(|step| step.at_realtime_ns != 0));
    }

    #[test]
    fn the_time_line_has_a_maximum_a_second_and_forgets_the_oldest() {
        let statistics = Statistics::new();
        let mut recorder = StepRecorder::new(&statistics);
        let begin = clock::monotonic_ns();
        for second in 0..2 * TIMELINE as u64 {
            for call in [50, 100 + second, 20] {
                recorder.record_step(&Step { actual_ns: begin + second * NS_PER_S, ..step(0, 0, call, 0) }, 0);
            }
        }
        let points = statistics.timeline();
        assert!((TIMELINE - 1..=TIMELINE).contains(&points.len()), "{}", points.len());
        assert!(points.iter().all(|point| point.count == 3));
        assert!(points.is_sorted_by(|a, b| a.at_ns < b.at_ns && a.max_ns <= b.max_ns));
        assert_eq!(points.last().unwrap().at_ns, (2 * TIMELINE as u64 - 1) * NS_PER_S);
    }

    #[test]
    fn a_reset_starts_anew_while_the_writer_runs() {
        use std::sync::atomic::AtomicBool;
        let statistics = Statistics::new();
        let stop = AtomicBool::new(false);
        let wrong = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut recorder = StepRecorder::new(&statistics);
                while !stop.load(Relaxed) {
                    recorder.record_step(&step(1, 10, 20, 0), 0);
                }
            });
            let wrong: Vec<String> = (0..2000).filter_map(|_| reset_and_look(&statistics)).collect();
            stop.store(true, Relaxed);
            wrong
        });
        assert!(wrong.is_empty(), "{} times, such as {}", wrong.len(), wrong[0]);
        statistics.reset();
        assert_eq!(statistics.counts(), Counts::default());
        assert!(statistics.worst().is_empty() && statistics.timeline().is_empty());
        StepRecorder::new(&statistics).record_step(&step(2, 10, 20, 0), 0);
        assert_eq!((statistics.counts().ticks, statistics.worst().len(), statistics.timeline().len()), (1, 1, 1));
    }

    /// The first deviation from the state that a reset should leave.
    fn reset_and_look(statistics: &Statistics) -> Option<String> {
        statistics.reset();
        let all = statistics.snapshot();
        let worst = statistics.worst();
        let right =
            all.counts.misses == 0 && all.call.max <= 20 && worst.iter().all(|step| (step.index, step.response) == (1, 30));
        (!right).then(|| format!("{:?}, {worst:?}", all.counts))
    }

    #[test]
    fn a_report_has_all_of_it() {
        let statistics = Statistics::new();
        StepRecorder::new(&statistics).record_step(&step(0, 10, 20, 1), 0);
        let report = statistics.report("loop");
        assert_eq!((report.kind, report.name.as_str()), ("worker", "loop"));
        let counter = |name| report.counters.iter().find(|counter| counter.name == name).unwrap().value;
        assert_eq!((counter("ticks"), counter("skipped_periods"), counter("deadline_misses")), (1, 1, 1));
        let counts: Vec<(&str, u64)> = report.series.iter().map(|series| (series.name, series.snapshot.count)).collect();
        assert_eq!(counts, [("call_time", 1), ("wake_up_latency", 2), ("response_time", 2), ("period_jitter", 1)]);
        assert_eq!((report.timeline.len(), report.worst.len()), (1, 1));
    }
}
