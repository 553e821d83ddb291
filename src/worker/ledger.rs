//! The ledger of a worker's steps: counters, the worst steps and the time line. The worker's thread alone writes it; the ledger's version
//! is odd during a change, and a reader that meets a change reads again.

use std::sync::atomic::{AtomicU64, Ordering::*};

use crate::record::seqlock::Version;
use crate::status::*;
use crate::sys::rusage::Usage;

/// The number of worst calls that are kept.
pub const WORST: usize = 32;
/// The number of seconds in the time line.
pub const TIMELINE: usize = 600;
pub(super) const NS_PER_S: u64 = 1_000_000_000;

/// Passes the fields of [`Counts`] to a macro.
macro_rules! with_counters {
    ($then:ident) => {
        $then! {
            ticks, skipped, overruns, misses, longest_miss_run, faults, minor_faults, major_faults, voluntary_switches,
            involuntary_switches
        }
    };
}
#[cfg(feature = "capi")]
pub(crate) use with_counters;

macro_rules! define_counts {
    ($($field:ident),*) => {
        /// The counters, in the order of [`COUNTERS`].
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct Counts {
            $(pub $field: u64),*
        }

        impl Counts {
            pub(super) fn to_array(self) -> [u64; COUNTERS.len()] {
                [$(self.$field),*]
            }

            pub(super) fn from_array([$($field),*]: [u64; COUNTERS.len()]) -> Counts {
                Counts { $($field),* }
            }
        }
    };
}
with_counters!(define_counts);

/// Their names and descriptions in exports.
pub(super) const COUNTERS: [(&str, &str); 10] = [
    ("ticks", "Steps or invocations that ran"),
    ("skipped_periods", "Skipped periods"),
    ("overruns", "Steps that ended after the next one was due"),
    ("deadline_misses", "Periods whose step had not ended when the next one was due, skipped ones included"),
    ("longest_miss_run", "The longest run of periods that missed"),
    ("faults", "Steps or invocations that failed"),
    ("minor_faults", "Page faults served from memory"),
    ("major_faults", "Page faults served by I/O"),
    ("voluntary_switches", "The thread slept or waited, its sleeps between periods included"),
    ("involuntary_switches", "Another thread took the CPU"),
];

/// One of the worst calls, in ticks except for the stamp.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WorstStep {
    pub at_realtime_ns: u64,
    /// The tick's index, or the invocation's tag.
    pub index: u64,
    pub wake_up: u64,
    pub call: u64,
    /// From the intended start of the first period that the call stands for.
    pub response: u64,
    pub status: rtw_status_t,
    pub causes: u32,
}

impl WorstStep {
    /// A step that may be among the worst, without its stamp.
    #[inline]
    pub(super) fn of(step: &Step, causes: u32) -> WorstStep {
        let wake_up = step.wake_up + step.missed * step.period;
        let (index, call, status) = (step.index, step.call, step.status);
        WorstStep { at_realtime_ns: 0, index, wake_up, call, response: wake_up + call, status, causes }
    }

    pub(super) fn to_array(self) -> [u64; 6] {
        let outcome = u64::from(self.status as u32) << 32 | u64::from(self.causes);
        [self.at_realtime_ns, self.index, self.wake_up, self.call, self.response, outcome]
    }

    pub(super) fn from_array([at_realtime_ns, index, wake_up, call, response, outcome]: [u64; 6]) -> WorstStep {
        let (status, causes) = ((outcome >> 32) as u32 as rtw_status_t, outcome as u32);
        WorstStep { at_realtime_ns, index, wake_up, call, response, status, causes }
    }
}

/// Words that one thread writes and other threads read.
pub(super) type Cells<const N: usize> = [AtomicU64; N];

pub(super) fn write<const N: usize>(cells: &Cells<N>, values: [u64; N]) {
    cells.iter().zip(values).for_each(|(cell, value)| cell.store(value, Relaxed));
}

pub(super) fn read<const N: usize>(cells: &Cells<N>) -> [u64; N] {
    std::array::from_fn(|i| cells[i].load(Relaxed))
}

/// A step, as the worker's thread records it. Times are in ticks unless their names say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The tick's index, or the invocation's tag.
    pub index: u64,
    pub status: rtw_status_t,
    /// CLOCK_MONOTONIC.
    pub actual_ns: u64,
    /// The delay of the step's beginning after the intended start.
    pub wake_up: u64,
    pub call: u64,
    /// The time between two intended starts; 0 if there is none.
    pub period: u64,
    /// Periods before this one that passed without a step of their own.
    pub missed: u64,
    /// The difference between the distance to the previous start and the intended distance.
    pub jitter: Option<u64>,
}

/// The recordings since one reset.
#[repr(C)]
pub(super) struct Ledger {
    pub(super) version: Version,
    /// The number of resets that it has followed.
    pub(super) resets: AtomicU64,
    pub(super) counts: Cells<{ COUNTERS.len() }>,
    /// The response time that a call must exceed to be among the worst.
    pub(super) bar: AtomicU64,
    pub(super) worst: [Cells<6>; WORST],
    /// Second since the beginning plus one, count, maximum in ticks.
    pub(super) timeline: [Cells<3>; TIMELINE],
}

impl Ledger {
    pub(super) fn new() -> Box<Ledger> {
        // SAFETY: all-zero is a valid value of every field. Created in place, since it is too large for a stack.
        unsafe { Box::new_zeroed().assume_init() }
    }

    /// Clears everything for a reset.
    #[cold]
    pub(super) fn clear(&self, resets: u64) {
        self.resets.store(resets, Relaxed);
        write(&self.counts, [0; COUNTERS.len()]);
        self.bar.store(0, Relaxed);
        self.worst.iter().for_each(|cells| write(cells, [0; 6]));
        self.timeline.iter().for_each(|cells| write(cells, [0; 3]));
    }
}

impl Ledger {
    /// Counts a step. `miss_run` is the number of periods in a row, up to this step's, that missed their deadlines.
    #[inline]
    pub(super) fn account(&self, step: &Step, since: &Usage, overrun: bool, miss_run: u64) {
        let now = Counts::from_array(read(&self.counts));
        let counts = Counts {
            ticks: now.ticks + 1,
            skipped: now.skipped + step.missed,
            overruns: now.overruns + u64::from(overrun),
            misses: now.misses + step.missed + u64::from(overrun),
            longest_miss_run: now.longest_miss_run.max(miss_run),
            faults: now.faults + u64::from(step.status != RTW_OK),
            minor_faults: now.minor_faults + since.minor_faults,
            major_faults: now.major_faults + since.major_faults,
            voluntary_switches: now.voluntary_switches + since.voluntary_switches,
            involuntary_switches: now.involuntary_switches + since.involuntary_switches,
        };
        write(&self.counts, counts.to_array());
    }

    /// Adds a step to its second of the time line.
    pub(super) fn note_second(&self, at_ns: u64, response: u64) {
        let second = at_ns / NS_PER_S + 1;
        let cells = &self.timeline[(second % TIMELINE as u64) as usize];
        let [known, count, max] = read(cells);
        match known == second {
            true => write(cells, [second, count + 1, max.max(response)]),
            false => write(cells, [second, 1, response]),
        }
    }

    /// Replaces the least bad call, and raises the bar if all places are taken.
    pub(super) fn keep(&self, step: WorstStep) {
        const RESPONSE: usize = 4;
        let response = |cells: &Cells<6>| cells[RESPONSE].load(Relaxed);
        let least = self.worst.iter().min_by_key(|cells| response(cells)).expect("there are places");
        write(least, step.to_array());
        self.bar.store(self.worst.iter().map(response).min().unwrap_or(0), Relaxed);
    }
}
