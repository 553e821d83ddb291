//! The whole document as JSON, which the `rtwasm stats` command reads. docs/statistics.md describes it.

use super::super::document::Document;
use super::super::{Report, Series, cause};
use super::put;

pub const FORMAT: &str = "rtwasm-statistics";
pub const VERSION: u64 = 1;

pub fn write(document: &Document) -> String {
    let mut text = String::new();
    put!(&mut text, "{{\n  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION},\n");
    put!(&mut text, "  \"taken_realtime_ns\": {},\n", document.taken_realtime_ns);
    put!(&mut text, "  \"ns_per_tick\": {:?},\n", document.ns_per_tick);
    put!(&mut text, "  \"ticks_per_step\": {},\n", document.ticks_per_step);
    let environment = document.environment.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
    put!(&mut text, "  \"environment\": {{{}}},\n", list(environment));
    put!(&mut text, "  \"reports\": [{}]\n}}\n", list(document.reports.iter().map(|report| of(report, document.ns_per_tick))));
    text
}

fn of(report: &Report, ns_per_tick: f64) -> String {
    let mut text = String::from("\n    {\n");
    put!(&mut text, "      \"kind\": {},\n      \"name\": {},\n", quoted(report.kind), quoted(&report.name));
    put!(&mut text, "      \"since_realtime_ns\": {},\n", report.since_realtime_ns);
    put!(&mut text, "      \"duration_ns\": {},\n", report.duration_ns);
    let counters = report.counters.iter().map(|counter| {
        let (name, help) = (quoted(counter.name), quoted(counter.help));
        format!("\n        {{\"name\": {name}, \"help\": {help}, \"value\": {}}}", counter.value)
    });
    put!(&mut text, "      \"counters\": [{}],\n", list(counters));
    put!(&mut text, "      \"series\": [{}],\n", list(report.series.iter().map(|series| series_of(series, ns_per_tick))));
    let points = report.timeline.iter().map(|point| format!("[{}, {}, {}]", point.at_ns, point.count, point.max_ns));
    put!(&mut text, "      \"timeline\": [{}],\n", list(points));
    let worst = report.worst.iter().map(|worst| {
        let causes = list(cause::names(worst.causes).map(quoted));
        format!(
            "\n        {{\"at_realtime_ns\": {}, \"call_ns\": {}, \"response_ns\": {}, \"causes\": [{causes}]}}",
            worst.at_realtime_ns, worst.call_ns, worst.response_ns
        )
    });
    put!(&mut text, "      \"worst\": [{}]\n    }}", list(worst));
    text
}

fn series_of(series: &Series, ns_per_tick: f64) -> String {
    let snapshot = &series.snapshot;
    let mut text = String::from("\n        {\n");
    put!(&mut text, "          \"name\": {},\n          \"help\": {},\n", quoted(series.name), quoted(series.help));
    put!(&mut text, "          \"count\": {}, \"overflows\": {},\n", snapshot.count, snapshot.overflows);
    put!(&mut text, "          \"faults\": {}, \"arena_peak_bytes\": {},\n", snapshot.calls.faults, snapshot.calls.arena_peak);
    put!(&mut text, "          \"last_ticks\": {}, \"sum_ticks\": {},\n", snapshot.last, snapshot.sum);
    if snapshot.count == 0 {
        text.push_str("          \"min_ticks\": null, \"max_ticks\": null,\n");
    } else {
        put!(&mut text, "          \"min_ticks\": {}, \"max_ticks\": {},\n", snapshot.min, snapshot.max);
        put!(&mut text, "          \"summary_ns\": {{{}}},\n", summary(series, ns_per_tick));
    }
    let buckets = snapshot.occupied().map(|(low, high, count)| format!("[{low}, {high}, {count}]"));
    put!(&mut text, "          \"buckets\": [{}]\n        }}", list(buckets));
    text
}

/// A summary for readers that do not evaluate buckets; `rtwasm stats` does not read it.
fn summary(series: &Series, ns_per_tick: f64) -> String {
    let snapshot = &series.snapshot;
    let names = ["p50", "p90", "p95", "p99", "p999", "p9999"];
    let quantiles = snapshot.quantiles([0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]);
    let figures = [("min", snapshot.min as f64), ("mean", snapshot.mean()), ("deviation", snapshot.deviation())]
        .into_iter()
        .chain(names.into_iter().zip(quantiles))
        .chain([("max", snapshot.max as f64)]);
    list(figures.map(|(name, ticks)| format!("\"{name}\": {:.3}", ticks * ns_per_tick)))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => put!(&mut quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
