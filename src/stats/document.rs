//! An export's content: reports, and the facts about clock and machine that a reader elsewhere needs.

use super::{Report, Series};
use crate::artifact::settings::ENGINE_VERSION;
use crate::record::order::sort_by_number;
use crate::record::recorder::Began;
use crate::sys::clock::{self, Source};
use crate::sys::machine;

#[derive(Debug, Clone)]
pub struct Document {
    /// Distinguishes it from other documents in a comparison; empty if there are none.
    pub label: String,
    /// The time of the export, in ns of CLOCK_REALTIME.
    pub taken_realtime_ns: u64,
    pub ns_per_tick: f64,
    /// The clock counts in multiples of this number of ticks.
    pub ticks_per_step: u64,
    /// The library, machine and kernel of the measurement: names and values.
    pub environment: Vec<(String, String)>,
    pub reports: Vec<Report>,
}

impl Document {
    /// A document of reports that were measured in this process.
    pub fn here(reports: Vec<Report>) -> Document {
        Document {
            label: String::new(),
            taken_realtime_ns: Began::now().realtime_ns(),
            ns_per_tick: clock::calibration().ns_per_tick,
            ticks_per_step: clock::calibration().ticks_per_step(),
            environment: environment(),
            reports,
        }
    }

    /// The resolution of its times.
    pub fn resolution_ns(&self) -> f64 {
        self.ns_per_tick * self.ticks_per_step as f64
    }

    /// Adds a second series beside each series of call times: the times if the calls had started when they were due.
    pub fn correct(&mut self, period_ns: u64) {
        let period = (period_ns as f64 / self.ns_per_tick).round() as u64;
        self.reports.iter_mut().for_each(|report| report.correct(period));
    }

    /// Keeps only the series of that name. Returns false if there is none.
    pub fn keep_series(&mut self, name: &str) -> bool {
        self.reports.iter_mut().for_each(|report| report.series.retain(|series| series.name == name));
        self.reports.iter().any(|report| !report.series.is_empty())
    }

    pub fn series(&self) -> impl Iterator<Item = (&Report, &Series)> {
        self.reports.iter().flat_map(|report| report.series.iter().map(move |series| (report, series)))
    }

    /// Merges another document into this one: series of the same kind and name are added up, others are appended. The other
    /// document's ticks are converted; if the clocks differ, a bucket goes to the place of its middle.
    pub fn merge(&mut self, other: Document) {
        let scale = other.ns_per_tick / self.ns_per_tick;
        // The coarser clock counts, in whole ticks.
        self.ticks_per_step = self.ticks_per_step.max((other.ticks_per_step as f64 * scale).ceil() as u64);
        self.taken_realtime_ns = self.taken_realtime_ns.max(other.taken_realtime_ns);
        for mut report in other.reports {
            report.series.iter_mut().for_each(|series| series.snapshot = series.snapshot.scaled(scale));
            match self.reports.iter_mut().find(|own| (own.kind, &own.name) == (report.kind, &report.name)) {
                Some(own) => own.merge(report),
                None => self.reports.push(report),
            }
        }
    }
}

impl Report {
    fn merge(&mut self, other: Report) {
        let offset = |since: u64| since.saturating_sub(self.since_realtime_ns.min(other.since_realtime_ns));
        let (own_offset, other_offset) = (offset(self.since_realtime_ns), offset(other.since_realtime_ns));
        for counter in other.counters {
            match self.counters.iter_mut().find(|own| own.name == counter.name) {
                Some(own) if own.is_level() => own.value = own.value.max(counter.value),
                Some(own) => own.value = own.value.saturating_add(counter.value),
                None => self.counters.push(counter),
            }
        }
        for series in other.series {
            match self.series.iter_mut().find(|own| own.name == series.name) {
                Some(own) => own.snapshot.add(&series.snapshot),
                None => self.series.push(series),
            }
        }
        self.timeline.iter_mut().for_each(|point| point.at_ns += own_offset);
        self.timeline.extend(other.timeline.into_iter().map(|mut point| {
            point.at_ns += other_offset;
            point
        }));
        sort_by_number(&mut self.timeline, |point| point.at_ns);
        self.worst.extend(other.worst);
        sort_by_number(&mut self.worst, |worst| !worst.response_ns);
        self.since_realtime_ns = self.since_realtime_ns.min(other.since_realtime_ns);
        self.duration_ns = self.duration_ns.saturating_add(other.duration_ns);
    }
}

fn environment() -> Vec<(String, String)> {
    let calibration = clock::calibration();
    let source = match calibration.source {
        Source::Counter => format!("counter of the CPU, {:.0} MHz", 1e3 / calibration.ns_per_tick),
        Source::Monotonic => "CLOCK_MONOTONIC".to_owned(),
    };
    let clock = format!("{source}, in steps of {:.2} ns", calibration.resolution_ns());
    let known = [
        ("library", format!("rtwasm {}", env!("CARGO_PKG_VERSION"))),
        ("engine", ENGINE_VERSION.to_owned()),
        ("machine", std::env::consts::ARCH.to_owned()),
        ("CPU", machine::processor().unwrap_or_default()),
        ("kernel", machine::kernel()),
        ("clock", clock),
    ];
    known.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}
