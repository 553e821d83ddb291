//! OpenMetrics text, version 1.0.0, which Prometheus and others scrape. Histograms have fixed bounds from 10 ns to 100 s, so
//! that those of different processes add up; a bucket of this library counts on the side of its middle. Quantiles and extremes,
//! which are more exact, follow as metrics of their own.

use super::super::document::Document;
use super::super::{Report, Series};
use super::put;

/// Bounds in s, as Go prints them, and in ns.
const BOUNDS: [(&str, f64); 31] = [
    ("1e-08", 1e1),
    ("2e-08", 2e1),
    ("5e-08", 5e1),
    ("1e-07", 1e2),
    ("2e-07", 2e2),
    ("5e-07", 5e2),
    ("1e-06", 1e3),
    ("2e-06", 2e3),
    ("5e-06", 5e3),
    ("1e-05", 1e4),
    ("2e-05", 2e4),
    ("5e-05", 5e4),
    ("0.0001", 1e5),
    ("0.0002", 2e5),
    ("0.0005", 5e5),
    ("0.001", 1e6),
    ("0.002", 2e6),
    ("0.005", 5e6),
    ("0.01", 1e7),
    ("0.02", 2e7),
    ("0.05", 5e7),
    ("0.1", 1e8),
    ("0.2", 2e8),
    ("0.5", 5e8),
    ("1.0", 1e9),
    ("2.0", 2e9),
    ("5.0", 5e9),
    ("10.0", 1e10),
    ("20.0", 2e10),
    ("50.0", 5e10),
    ("100.0", 1e11),
];
const QUANTILES: [(&str, f64); 6] =
    [("0.5", 0.5), ("0.9", 0.9), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999), ("0.9999", 0.9999)];

/// A series and its origin.
struct Source<'a> {
    document: &'a Document,
    report: &'a Report,
    series: &'a Series,
    labels: String,
}

pub fn write(documents: &[Document]) -> String {
    let mut text = String::new();
    let sources: Vec<Source<'_>> = documents
        .iter()
        .flat_map(|document| document.series().map(move |(report, series)| (document, report, series)))
        .map(|(document, report, series)| Source { document, report, series, labels: labels(document, report) })
        .collect();
    // A family has all its samples in one place, whatever their origin.
    for name in sorted(sources.iter().map(|source| source.series.name)) {
        let sources: Vec<&Source<'_>> = sources.iter().filter(|source| source.series.name == name).collect();
        let help = escaped(sources[0].series.help);
        histogram(&mut text, &format!("rtwasm_{name}_seconds"), &help, &sources);
        quantiles(&mut text, &format!("rtwasm_{name}_quantiles_seconds"), &help, &sources);
        extremes(&mut text, name, &help, &sources);
    }
    counters(&mut text, documents);
    resolution(&mut text, documents);
    text.push_str("# EOF\n");
    text
}

fn histogram(text: &mut String, family: &str, help: &str, sources: &[&Source<'_>]) {
    put!(text, "# TYPE {family} histogram\n# UNIT {family} seconds\n# HELP {family} {help}.\n");
    for Source { document, report, series, labels } in sources {
        let snapshot = &series.snapshot;
        let mut buckets = snapshot.occupied().peekable();
        let mut seen = 0;
        for (bound, bound_ns) in BOUNDS {
            let below = |low, high| snapshot.middle((low, high)) * document.ns_per_tick <= bound_ns;
            while let Some((_, _, count)) = buckets.next_if(|(low, high, _)| below(*low, *high)) {
                seen += count;
            }
            put!(text, "{family}_bucket{{{labels},le=\"{bound}\"}} {seen}\n");
        }
        put!(text, "{family}_bucket{{{labels},le=\"+Inf\"}} {}\n", snapshot.count);
        put!(text, "{family}_count{{{labels}}} {}\n", snapshot.count);
        put!(text, "{family}_sum{{{labels}}} {}\n", seconds(snapshot.sum as f64, document));
        put!(text, "{family}_created{{{labels}}} {:.3}\n", report.since_realtime_ns as f64 / 1e9);
    }
}

fn quantiles(text: &mut String, family: &str, help: &str, sources: &[&Source<'_>]) {
    put!(
        text,
        "# TYPE {family} summary\n# UNIT {family} seconds\n# HELP {family} {help}: within 1 % or one step of the clock.\n"
    );
    for Source { document, series, labels, .. } in sources {
        let values = series.snapshot.quantiles(QUANTILES.map(|(_, quantile)| quantile));
        for ((quantile, _), value) in QUANTILES.iter().zip(values) {
            put!(text, "{family}{{{labels},quantile=\"{quantile}\"}} {}\n", seconds(value, document));
        }
    }
}

fn extremes(text: &mut String, name: &str, help: &str, sources: &[&Source<'_>]) {
    for which in ["min", "max"] {
        let family = format!("rtwasm_{name}_{which}_seconds");
        put!(text, "# TYPE {family} gauge\n# UNIT {family} seconds\n# HELP {family} {help}: the {which}imum.\n");
        for Source { document, series, labels, .. } in sources.iter().filter(|source| source.series.snapshot.count != 0) {
            let ticks = if which == "min" { series.snapshot.min } else { series.snapshot.max };
            put!(text, "{family}{{{labels}}} {}\n", seconds(ticks as f64, document));
        }
    }
}

/// Each name once, sorted. There are few.
fn sorted<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in all {
        if let Err(place) = names.binary_search(&name) {
            names.insert(place, name);
        }
    }
    names
}

fn counters(text: &mut String, documents: &[Document]) {
    let all = || {
        documents
            .iter()
            .flat_map(|document| document.reports.iter().map(move |report| (document, report)))
            .flat_map(|(document, report)| report.counters.iter().map(move |counter| (document, report, counter)))
    };
    for name in sorted(all().map(|(_, _, counter)| counter.name)) {
        let mut samples = all().filter(|(_, _, counter)| counter.name == name).peekable();
        let Some((_, _, first)) = samples.peek() else { continue };
        let (family, unit, per_unit) = match name {
            name if name.ends_with("_bytes") => (format!("rtwasm_{name}"), Some("bytes"), 1.0),
            name => match name.strip_suffix("_ns") {
                Some(stem) => (format!("rtwasm_{stem}_seconds"), Some("seconds"), 1e9),
                None => (format!("rtwasm_{name}"), None, 1.0),
            },
        };
        let level = first.is_level();
        put!(text, "# TYPE {family} {}\n", if level { "gauge" } else { "counter" });
        if let Some(unit) = unit {
            put!(text, "# UNIT {family} {unit}\n");
        }
        put!(text, "# HELP {family} {}.\n", escaped(first.help));
        for (document, report, counter) in samples {
            let labels = labels(document, report);
            let value = counter.value as f64 / per_unit;
            put!(text, "{family}{}{{{labels}}} {value}\n", if level { "" } else { "_total" });
            if !level {
                put!(text, "{family}_created{{{labels}}} {:.3}\n", report.since_realtime_ns as f64 / 1e9);
            }
        }
    }
}

fn resolution(text: &mut String, documents: &[Document]) {
    let family = "rtwasm_clock_step_seconds";
    put!(text, "# TYPE {family} gauge\n# UNIT {family} seconds\n# HELP {family} The resolution of times.\n");
    for (at, document) in documents.iter().enumerate() {
        // Samples differ in their labels.
        if documents[..at].iter().any(|before| before.label == document.label) {
            continue;
        }
        let source =
            if document.label.is_empty() { String::new() } else { format!("{{source=\"{}\"}}", escaped(&document.label)) };
        put!(text, "{family}{source} {}\n", document.resolution_ns() / 1e9);
    }
}

fn seconds(ticks: f64, document: &Document) -> f64 {
    ticks * document.ns_per_tick / 1e9
}

fn labels(document: &Document, report: &Report) -> String {
    let mut labels = format!("kind=\"{}\",name=\"{}\"", escaped(report.kind), escaped(&report.name));
    if !document.label.is_empty() {
        put!(&mut labels, ",source=\"{}\"", escaped(&document.label));
    }
    labels
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
