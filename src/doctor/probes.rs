//! Checks that measure. They run only on request, and only on the running system, each on a thread of its own: pinned to the
//! chosen CPU, with SCHED_FIFO if that is permitted.

use std::time::Duration;

use super::core_speed::{Pace, Speed};
use super::kernel;
use super::machine::Machine;
use super::measure;
use super::severity::{HIGH, INFO, MEDIUM, MEDIUM_BUT_FOR_LONG_BLOCKS};
use super::table::{Check, check};
use super::{Apply::*, ByClass, Class, Outcome, Severity, Severity::*};
use crate::sys::clock::monotonic_ns;
use crate::sys::sleeper;

pub const CHECKS: &[Check] = &[
    check! {
        id: "clock-cost",
        title: "cost of reading the clock (measured)",
        severity: MEDIUM,
        expected: "below 100 ns",
        why: "real-time loops read the clock often",
        remedy: "See clocksource.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: clock_cost,
    },
    check! {
        id: "wakeup",
        title: "lateness of wake-ups (measured)",
        severity: HIGH,
        expected: "at most 20 % of the period",
        why: "a late wake-up leaves less of the period for the call",
        remedy: "See preemption, idle-states, governor, irqs; rtla timerlat names the part of the kernel that caused it.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: wakeup,
    },
    check! {
        id: "gaps",
        title: "gaps in a busy loop (measured)",
        severity: MEDIUM,
        expected: "none longer than 10 us",
        why: "something took the processor from a thread that did not sleep: an interrupt, the firmware (SMI), the hypervisor",
        remedy: "See irqs and steal; hwlatdetect shows if it was the firmware.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: gaps,
    },
    check! {
        id: "shared-core",
        title: "speed of the processor (measured)",
        severity: MEDIUM_BUT_FOR_LONG_BLOCKS,
        expected: "full speed in 99 % of the samples",
        why: "another thread on the same core, which a hypervisor may hide, or a lowered clock: calls take up to twice as long",
        remedy: "See smt, governor and thermal; request whole cores from the operator of the hypervisor.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: shared_core,
    },
];

/// Above threaded interrupts, below the kernel's own threads.
const PRIORITY: i32 = 80;
/// Shares of the period: the harmless delay of a wake-up or a gap, and the delay that endangers the deadline.
const HARMLESS_PERCENT: u64 = 20;
const HARMFUL_PERCENT: u64 = 50;

fn duration(machine: &Machine) -> Result<Duration, Outcome> {
    match machine.options.probe {
        None => Err(Outcome::skipped("not asked for")),
        Some(_) if !machine.is_live() => Err(Outcome::skipped("only the running system can be measured")),
        Some(duration) => Ok(duration),
    }
}

fn on_probe_thread<T: Send + 'static>(
    machine: &Machine,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, &'static str), Outcome> {
    match measure::on_fifo_thread(machine.options.cpu, PRIORITY, run) {
        Some((result, true)) => Ok((result, "with SCHED_FIFO")),
        Some((result, false)) => Ok((result, "without SCHED_FIFO, which is not permitted")),
        None => Err(Outcome::unknown("the probe could not start its thread, or not on the chosen CPU")),
    }
}

fn share_of_period(ns: u64, period_ns: u64) -> Option<Severity> {
    match 100 * ns / period_ns.max(1) {
        percent if percent > HARMFUL_PERCENT => Some(High),
        percent if percent > HARMLESS_PERCENT => Some(Medium),
        _ => None,
    }
}

// --- the cost of reading the clock

/// The fastest of these batches gives the cost of a reading; other threads ran during the slower ones.
const CLOCK_BATCHES: usize = 100;
const READS_IN_BATCH: u64 = 1_000;
/// A reading in user space stays well below this, a system call above.
const QUICK_READ_NS: u64 = 100;
const SLOW_READ_NS: u64 = 500;

fn clock_cost(machine: &Machine) -> Outcome {
    if let Err(skipped) = duration(machine) {
        return skipped;
    }
    let batch = || {
        let start = monotonic_ns();
        for _ in 0..READS_IN_BATCH {
            std::hint::black_box(monotonic_ns());
        }
        (monotonic_ns() - start) / READS_IN_BATCH
    };
    let ns = (0..CLOCK_BATCHES).map(|_| batch()).min().unwrap_or(0);
    let found = format!("{ns} ns a reading of CLOCK_MONOTONIC");
    match ns {
        0..QUICK_READ_NS => Outcome::good(found),
        QUICK_READ_NS..SLOW_READ_NS => Outcome::bad(found).severity(INFO),
        _ => Outcome::bad(found).severity(MEDIUM),
    }
}

// --- lateness of wake-ups

/// For the median, wake-ups are counted by the microsecond up to this; the maximum covers all.
const COUNTED_US: usize = 10_000;

struct Wakeups {
    count: u32,
    median_us: u64,
    max_ns: u64,
}

fn wakeup(machine: &Machine) -> Outcome {
    let duration = match duration(machine) {
        Ok(duration) => duration,
        Err(skipped) => return skipped,
    };
    // A processor sleeps deeper the longer it may, so each class is measured at its own period.
    let mut classes: Vec<Class> =
        Class::ALL.into_iter().filter(|class| machine.options.class.is_none_or(|asked| asked == *class)).collect();
    if machine.options.period_ns.is_some() {
        classes.truncate(1);
    }
    let periods: Vec<u64> = classes.iter().map(|class| machine.period_ns(*class)).collect();
    let measure = move || periods.into_iter().map(|period_ns| sleep_and_wake(period_ns, duration)).collect::<Vec<Wakeups>>();
    let (measured, how) = match on_probe_thread(machine, measure) {
        Ok(measured) => measured,
        Err(outcome) => return outcome,
    };
    let mut by_class: ByClass = [None; 4];
    let mut texts = Vec::new();
    for (class, wakeups) in classes.iter().zip(&measured) {
        let period_ns = machine.period_ns(*class);
        by_class[*class as usize] = share_of_period(wakeups.max_ns, period_ns);
        let whose = if machine.options.period_ns.is_some() { "" } else { class.name() };
        texts.push(format!(
            "{whose} at most {} us late, median {} us, {} times every {} us",
            wakeups.max_ns / 1000,
            wakeups.median_us,
            wakeups.count,
            period_ns / 1000
        ));
    }
    if machine.options.period_ns.is_some() {
        by_class = [by_class[classes[0] as usize]; 4];
    }
    Outcome::bad(format!("{how}: {}", texts.join("; ").trim_start())).severity(by_class)
}

/// Sleeps until absolute times a period apart, like cyclictest, and measures the lateness of each wake-up.
fn sleep_and_wake(period_ns: u64, duration: Duration) -> Wakeups {
    let mut counts = vec![0u32; COUNTED_US];
    // Touches every page before the measurement.
    counts.fill(std::hint::black_box(0));
    let end = monotonic_ns() + duration.as_nanos() as u64;
    let mut next = monotonic_ns() + period_ns;
    let (mut count, mut max_ns) = (0, 0);
    while next <= end || count == 0 {
        sleeper::sleep_to(next);
        let late = monotonic_ns().saturating_sub(next);
        max_ns = max_ns.max(late);
        counts[(late / 1000).min(COUNTED_US as u64 - 1) as usize] += 1;
        count += 1;
        // Periods that were slept through count as one late wake-up, not many.
        next += period_ns * (1 + late / period_ns.max(1));
    }
    let mut below = 0;
    let median = counts.iter().position(|of_this| {
        below += of_this;
        below > count / 2
    });
    Wakeups { count, median_us: median.unwrap_or(0) as u64, max_ns }
}

// --- times at which the processor is taken from a busy thread

/// hwlatdetect's threshold.
const GAP_NS: u64 = 10_000;
/// A stretch of the loop, and the rest after it: short enough to avoid throttling, and to keep the machine usable.
const BUSY: Duration = Duration::from_millis(50);
const REST: Duration = Duration::from_millis(10);

struct Gaps {
    count: u64,
    max_ns: u64,
    looked_ns: u64,
}

fn gaps(machine: &Machine) -> Outcome {
    let duration = match duration(machine) {
        Ok(duration) => duration,
        Err(skipped) => return skipped,
    };
    let stolen_before_ms = kernel::stolen_ms(machine);
    let (gaps, how) = match on_probe_thread(machine, move || watch_the_clock(duration)) {
        Ok(measured) => measured,
        Err(outcome) => return outcome,
    };
    let found = format!(
        "{how}: at most {} us, {} longer than {} us in {} ms",
        gaps.max_ns / 1000,
        gaps.count,
        GAP_NS / 1000,
        gaps.looked_ns / 1_000_000
    );
    let stolen_ms = kernel::stolen_ms(machine).zip(stolen_before_ms).map_or(0, |(after, before)| after.saturating_sub(before));
    let found = if stolen_ms > 0 { format!("{found}; the hypervisor took {stolen_ms} ms") } else { found };
    let judge = |_: Class, period_ns: u64| match gaps.max_ns {
        ..=GAP_NS => None,
        ns => share_of_period(ns, period_ns).or(Some(Info)),
    };
    Outcome::bad(found).severity(machine.by_period(judge))
}

fn watch_the_clock(duration: Duration) -> Gaps {
    let end = monotonic_ns() + duration.as_nanos() as u64;
    let mut gaps = Gaps { count: 0, max_ns: 0, looked_ns: 0 };
    while monotonic_ns() < end {
        let start = monotonic_ns();
        let stop = end.min(start + BUSY.as_nanos() as u64);
        let mut last = start;
        while last < stop {
            let now = monotonic_ns();
            let gap = now - last;
            gaps.max_ns = gaps.max_ns.max(gap);
            gaps.count += u64::from(gap > GAP_NS);
            last = now;
        }
        gaps.looked_ns += last - start;
        measure::rest(REST);
    }
    gaps
}

// --- times at which the processor is slow

/// The shares of slowed samples from which it is info, and from which it costs.
const SLOWED_SHARE: f64 = 0.01;
const SLOWED_OFTEN: f64 = 0.1;

/// Samples of up to three times the best time count as slowed.
const PERCENTS: usize = 300;

struct Slowness {
    looks: u64,
    /// Slowed samples, by whole percents of the best time.
    slowed: [u64; PERCENTS],
}

fn shared_core(machine: &Machine) -> Outcome {
    let duration = match duration(machine) {
        Ok(duration) => duration,
        Err(skipped) => return skipped,
    };
    let measure = move || look_at_the_speed(&mut Speed::measure(BUSY.as_nanos() as u64), duration);
    match on_probe_thread(machine, measure) {
        Ok((slowness, how)) => slowness.judge(how),
        Err(outcome) => outcome,
    }
}

fn look_at_the_speed(speed: &mut Speed, duration: Duration) -> Slowness {
    let end = monotonic_ns() + duration.as_nanos() as u64;
    let mut slowness = Slowness { looks: 0, slowed: [0; PERCENTS] };
    while monotonic_ns() < end {
        let stop = end.min(monotonic_ns() + BUSY.as_nanos() as u64);
        while monotonic_ns() < stop {
            let factor = speed.look();
            slowness.looks += 1;
            if Pace::of(factor) == Pace::Slowed {
                slowness.slowed[((factor * 100.0) as usize).min(PERCENTS - 1)] += 1;
            }
        }
        measure::rest(REST);
    }
    slowness
}

impl Slowness {
    fn judge(&self, how: &str) -> Outcome {
        let count: u64 = self.slowed.iter().sum();
        let share = count as f64 / self.looks.max(1) as f64;
        let mut found = format!("{how}: slowed in {:.1} % of {} samples", share * 100.0, self.looks);
        let mut below = 0;
        let median = self.slowed.iter().position(|of_this| {
            below += of_this;
            2 * below > count
        });
        if let Some(percent) = median {
            found += &format!(", half of these to {percent} % of the best time or more");
        }
        match share {
            ..SLOWED_SHARE => Outcome::good(found),
            ..SLOWED_OFTEN => Outcome::bad(found).severity(INFO),
            _ => Outcome::bad(found).severity(MEDIUM_BUT_FOR_LONG_BLOCKS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, State, check};
    use super::*;

    #[test]
    fn probes_measure_where_asked() {
        let options = Options { probe: Some(Duration::from_millis(20)), class: Some(Class::Control1kHz), ..Options::default() };
        let report = check(&options);
        for id in ["clock-cost", "wakeup", "gaps", "shared-core"] {
            let finding = report.finding(id).unwrap();
            assert!(matches!(finding.state, State::Good | State::Bad), "{finding:?}");
            assert!(finding.found.contains(|c: char| c.is_ascii_digit()), "{finding:?}");
        }
        let unasked = check(&Options::default());
        assert!(
            ["clock-cost", "wakeup", "gaps", "shared-core"]
                .iter()
                .all(|id| unasked.finding(id).unwrap().state == State::Skipped)
        );
    }

    #[test]
    fn slowness_is_judged_by_how_often_it_is_there() {
        let judge = |slowed: u64, looks: u64| {
            let mut slowness = Slowness { looks, slowed: [0; PERCENTS] };
            (slowness.slowed[120], slowness.slowed[170]) = (slowed / 2, slowed - slowed / 2);
            slowness.judge("somehow")
        };
        assert_eq!(judge(9, 1000).state, State::Good);
        let some = judge(51, 1000);
        assert_eq!(some.state, State::Bad);
        assert_eq!(some.found, "somehow: slowed in 5.1 % of 1000 samples, half of these to 170 % of the best time or more");
        assert_eq!((judge(0, 0).state, judge(0, 0).found.as_str()), (State::Good, "somehow: slowed in 0.0 % of 0 samples"));
        let slowness = look_at_the_speed(&mut Speed::measure(1_000_000), Duration::from_millis(5));
        assert!(slowness.looks > 0 && slowness.slowed.iter().sum::<u64>() <= slowness.looks);
        assert!(slowness.slowed[..110].iter().all(|count| *count == 0));
    }

    #[test]
    fn a_planted_gap_is_seen_and_a_late_wakeup_counts_once() {
        assert_eq!(share_of_period(20, 100), None);
        assert_eq!(share_of_period(21, 100), Some(Medium));
        assert_eq!(share_of_period(51, 100), Some(High));
        let wakeups = sleep_and_wake(1_000_000, Duration::from_millis(20));
        assert!((1..=20).contains(&wakeups.count) && wakeups.median_us * 1000 <= wakeups.max_ns, "{}", wakeups.count);
    }
}
