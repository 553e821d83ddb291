//! Statistics as a table for a terminal.

use std::fmt::Write;

use rtwasm::stats::document::Document;
use rtwasm::stats::export::shown_duration;
use rtwasm::stats::{Report, cause};

const HEADINGS: [&str; 9] = ["count", "min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
/// The largest number of worst calls.
const WORST: usize = 10;

pub fn of(documents: &[Document]) -> String {
    let mut text = String::new();
    let mut seen: Vec<(&str, &str)> = vec![];
    for report in documents.iter().flat_map(|document| &document.reports) {
        let subject = (report.kind, report.name.as_str());
        if !seen.contains(&subject) {
            seen.push(subject);
            let found: Vec<(&Document, &Report)> = documents
                .iter()
                .flat_map(|document| document.reports.iter().map(move |report| (document, report)))
                .filter(|(_, report)| (report.kind, report.name.as_str()) == subject)
                .collect();
            section(&mut text, subject, &found);
        }
    }
    text
}

fn section(text: &mut String, (kind, name): (&str, &str), found: &[(&Document, &Report)]) {
    let mut line = |content: String| writeln!(text, "{}", content.trim_end()).expect("a string takes everything");
    // Names come from the module and may contain anything; on a terminal they are escaped.
    line(format!("{kind} {}", name.escape_debug()));
    let headings: String = HEADINGS.iter().map(|heading| format!(" {heading:>9}")).collect();
    line(format!("  {:<34}{headings}", ""));
    for (document, report) in found {
        for series in &report.series {
            let snapshot = &series.snapshot;
            let ticks: Vec<f64> = match snapshot.count {
                0 => vec![],
                _ => [snapshot.min as f64, snapshot.mean()]
                    .into_iter()
                    .chain(snapshot.quantiles(QUANTILES))
                    .chain([snapshot.max as f64])
                    .collect(),
            };
            let times: String =
                ticks.iter().map(|ticks| format!(" {:>9}", shown_duration(ticks * document.ns_per_tick))).collect();
            line(format!("  {:<34} {:>9}{times}", labelled(document, series.name), snapshot.count));
        }
    }
    for (document, report) in found {
        for counter in report.counters.iter().filter(|counter| counter.value != 0) {
            line(format!("  {:<34} {:>9}", labelled(document, counter.name), counter.value));
        }
        for worst in report.worst.iter().take(WORST) {
            let after = shown_duration(worst.at_realtime_ns.saturating_sub(report.since_realtime_ns) as f64);
            let (call, response) = (shown_duration(worst.call_ns as f64), shown_duration(worst.response_ns as f64));
            let causes = cause::names(worst.causes).map(|name| name.replace('_', " ")).collect::<Vec<_>>().join(", ");
            line(format!("  after {after:>9}: call {call:>9}, response {response:>9}  {causes}"));
        }
    }
    line(String::new());
}

fn labelled(document: &Document, name: &str) -> String {
    let name = name.replace('_', " ");
    if document.label.is_empty() { name } else { format!("{}: {name}", document.label) }
}
