//! A page for people: tables and plots of all recordings, in one file that needs no other file and no scripts. It overlays
//! several documents.

use super::super::document::Document;
use super::super::{Report, Series, Worst, cause};
use super::plot::{self, Axis, Curve, Marks};
use super::{put, time};
use crate::record::snapshot::Snapshot;
use crate::status::is_unprintable;

const STYLE: &str = include_str!("report.css");
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// The largest number of bars in a histogram.
const BARS: f64 = 90.0;
/// The largest number of worst calls in one table.
const WORST: usize = 50;

/// One subject, in all documents that contain it.
struct Subject<'a> {
    kind: &'a str,
    name: &'a str,
    found: Vec<(&'a Document, &'a Report)>,
}

/// One series of a subject, with the number of its colour.
struct Line<'a> {
    class: usize,
    label: String,
    document: &'a Document,
    series: &'a Series,
}

impl Line<'_> {
    fn ns(&self, ticks: f64) -> f64 {
        ticks * self.document.ns_per_tick
    }

    fn snapshot(&self) -> &Snapshot {
        &self.series.snapshot
    }
}

pub fn write(documents: &[Document]) -> String {
    let subjects = subjects(documents);
    let title = title(&subjects);
    let mut text = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    text.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    text.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    put!(&mut text, "<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n", escaped(&title));
    put!(&mut text, "<h1>{}</h1>\n", escaped(&title));
    documents.iter().for_each(|document| conditions(&mut text, document));
    for subject in &subjects {
        section(&mut text, subject, documents.len() > 1);
    }
    text.push_str(NOTES);
    text.push_str("</body>\n</html>\n");
    text
}

/// Names the subjects of the first one's kind for the page's title: a worker's or an instance's funcs belong to it.
fn title(subjects: &[Subject<'_>]) -> String {
    let Some(first) = subjects.first() else { return "rtwasm statistics".to_owned() };
    let alike: Vec<&str> = subjects.iter().filter(|subject| subject.kind == first.kind).map(|subject| subject.name).collect();
    let more = if alike.len() > 4 { format!(" and {} more", alike.len() - 3) } else { String::new() };
    let named = if alike.len() > 4 { 3 } else { alike.len() };
    format!("rtwasm statistics: {} {}{more}", first.kind, alike[..named].join(", "))
}

const NOTES: &str = "\
    <footer>\n<p>A percentile is the time that this share of all calls did not exceed, told to within 1&nbsp;% or one step of \
    the clock, whichever is more; minimum and maximum are exact to the clock's resolution where they are totals, within \
    1.6&nbsp;% where they belong to an interval. Both \
    plots have logarithmic scales: a straight tail to the right of the percentile curve means that ten times rarer costs a \
    constant factor, a step means that something else than the call took the time. Call times are measured from the actual \
    start, response times from the intended one.</p>\n</footer>\n";

fn subjects(documents: &[Document]) -> Vec<Subject<'_>> {
    let mut subjects: Vec<Subject<'_>> = vec![];
    for document in documents {
        for report in &document.reports {
            let known = subjects.iter_mut().find(|subject| (subject.kind, subject.name) == (report.kind, report.name.as_str()));
            match known {
                Some(subject) => subject.found.push((document, report)),
                None => subjects.push(Subject { kind: report.kind, name: &report.name, found: vec![(document, report)] }),
            }
        }
    }
    subjects
}

/// Prints the library and the machine of the measurement.
fn conditions(text: &mut String, document: &Document) {
    text.push_str("<div class=\"wide\">\n<table class=\"conditions\">\n");
    if !document.label.is_empty() {
        put!(text, "<caption>{}</caption>\n", escaped(&document.label));
    }
    put!(text, "<tr><th>taken</th><td>{}</td></tr>\n", time::utc(document.taken_realtime_ns));
    for (name, value) in &document.environment {
        put!(text, "<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
    }
    text.push_str("</table>\n</div>\n");
}

fn section(text: &mut String, subject: &Subject<'_>, compared: bool) {
    put!(text, "<section>\n<h2>{} {}</h2>\n", escaped(subject.kind), escaped(subject.name));
    let lines: Vec<Line<'_>> = subject
        .found
        .iter()
        .flat_map(|(document, report)| report.series.iter().map(move |series| (*document, series)))
        .enumerate()
        .map(|(class, (document, series))| {
            let name = series.name.replace('_', " ");
            let label = if compared { format!("{}: {name}", document.label) } else { name };
            Line { class, label, document, series }
        })
        .collect();
    for (document, report) in &subject.found {
        let whose = if compared { format!("{}: since", escaped(&document.label)) } else { "Since".to_owned() };
        let (since, length) = (time::utc(report.since_realtime_ns), duration(report.duration_ns as f64));
        put!(text, "<p class=\"span\">{whose} {since}, for {length}.</p>\n");
    }
    summary(text, &lines);
    let filled: Vec<&Line<'_>> = lines.iter().filter(|line| line.snapshot().count != 0).collect();
    if filled.is_empty() {
        text.push_str("<p>Nothing has been recorded.</p>\n");
    } else {
        figure(text, "Percentiles", &percentiles(&filled));
        figure(text, "Histogram", &histogram(&filled));
    }
    // Each time line has the colour of its document's first series.
    let timelines: Vec<(usize, &Report)> = subject
        .found
        .iter()
        .scan(0, |class, (_, report)| {
            let first = *class;
            *class += report.series.len();
            Some((first, *report))
        })
        .filter(|(_, report)| !report.timeline.is_empty())
        .collect();
    if !timelines.is_empty() {
        figure(text, "Maxima over time", &timeline(&timelines));
    }
    counters(text, subject, compared);
    for (document, report) in subject.found.iter().filter(|(_, report)| !report.worst.is_empty()) {
        worst(text, if compared { &document.label } else { "" }, report);
    }
    text.push_str("</section>\n");
}

/// Lets content that is wider than a narrow window scroll on its own.
fn figure(text: &mut String, caption: &str, drawing: &str) {
    put!(text, "<figure>\n<figcaption>{caption}</figcaption>\n<div class=\"wide\">\n{drawing}</div>\n</figure>\n");
}

fn summary(text: &mut String, lines: &[Line<'_>]) {
    text.push_str("<div class=\"wide\">\n<table class=\"figures\">\n<caption>Times</caption>\n<tr><th></th><th>count</th><th>min</th><th>mean</th>");
    QUANTILES.iter().for_each(|(name, _)| put!(text, "<th>{name}</th>"));
    text.push_str("<th>max</th></tr>\n");
    for line in lines {
        let snapshot = line.snapshot();
        put!(text, "<tr><th><span class=\"key c{}\"></span> {}", line.class % 8, escaped(&line.label));
        put!(text, "<small>{}</small></th><td>{}</td>", escaped(line.series.help), grouped(snapshot.count));
        if snapshot.count == 0 {
            text.push_str(&"<td>&ndash;</td>".repeat(QUANTILES.len() + 3));
        } else {
            for ticks in figures(snapshot) {
                put!(text, "<td>{}</td>", duration(line.ns(ticks)));
            }
        }
        text.push_str("</tr>\n");
    }
    // For two documents, the ratio of the second to the first.
    if let [first, second] = lines
        && first.series.name == second.series.name
        && first.snapshot().count != 0
        && second.snapshot().count != 0
    {
        text.push_str("<tr><th>second to first</th><td></td>");
        for (one, other) in figures(first.snapshot()).iter().zip(figures(second.snapshot())) {
            put!(text, "<td>{:.2}</td>", second.ns(other) / first.ns(*one).max(f64::MIN_POSITIVE));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n</div>\n");
}

/// Minimum, mean, quantiles, maximum, in ticks.
fn figures(snapshot: &Snapshot) -> Vec<f64> {
    let quantiles = snapshot.quantiles(QUANTILES.map(|(_, quantile)| quantile));
    let mut figures = vec![snapshot.min as f64, snapshot.mean()];
    figures.extend(quantiles);
    figures.push(snapshot.max as f64);
    figures
}

/// The shortest and the longest of all, in ns, for an axis.
fn range(lines: &[&Line<'_>]) -> (f64, f64) {
    let low = lines.iter().map(|line| line.ns(line.snapshot().min as f64)).fold(f64::MAX, f64::min).max(0.1);
    let high = lines.iter().map(|line| line.ns(line.snapshot().max as f64)).fold(low, f64::max);
    (low, high)
}

/// Plots time over the share of calls that took longer: 90 %, 99 %, 99.9 % are equally far apart.
fn percentiles(lines: &[&Line<'_>]) -> String {
    let (low, high) = range(lines);
    let most = lines.iter().map(|line| line.snapshot().count).max().unwrap_or(1);
    let end = (most as f64).log10().max(1.0);
    let names = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %", "99.99999 %", "99.999999 %"];
    let ticks = names.iter().enumerate().map(|(decade, name)| (decade as f64, (*name).to_owned()));
    let ticks = ticks.chain([(0.5f64.recip().log10(), "50 %".to_owned())]).filter(|(at, _)| *at <= end).collect();
    let x = Axis { title: "share of calls that took no longer", low: 0.0, high: end, ticks };
    let y = Axis::logarithmic("time", low, high, duration);
    let curves: Vec<Curve> = lines
        .iter()
        .map(|line| {
            let snapshot = line.snapshot();
            // A share is shown no further than one call allows.
            let rarity = |seen: u64| -((1.0 - seen as f64 / snapshot.count as f64).max(1.0 / snapshot.count as f64)).log10();
            let mut seen = 0;
            let mut points = vec![];
            for (low, high, count) in snapshot.occupied() {
                let value = line.ns(snapshot.middle((low, high))).max(0.1).log10();
                points.push((rarity(seen), value, 0.0));
                seen += count;
                points.push((rarity(seen), value, 0.0));
            }
            let longest = line.ns(snapshot.max as f64).max(0.1);
            points.push((rarity(snapshot.count), longest.log10(), 0.0));
            let values = snapshot.quantiles(QUANTILES.map(|(_, quantile)| quantile));
            let mut notes: Vec<(f64, f64, String)> = QUANTILES
                .iter()
                .zip(values)
                .filter(|((_, quantile), _)| (1.0 - quantile) * snapshot.count as f64 >= 1.0)
                .map(|((name, quantile), ticks)| {
                    let note = format!("{}, {name}: {}", line.label, duration(line.ns(ticks)));
                    (-(1.0 - quantile).log10(), line.ns(ticks).max(0.1).log10(), note)
                })
                .collect();
            let note = format!("{}, max: {}", line.label, duration(longest));
            notes.push((rarity(snapshot.count), longest.log10(), note));
            Curve { class: line.class, marks: Marks::Line, points, notes }
        })
        .collect();
    plot::svg("Percentiles of the times, on logarithmic axes", &x, &y, &curves)
}

/// Plots counts over time, both logarithmic, in bars of equal width if the clock's resolution allows it.
fn histogram(lines: &[&Line<'_>]) -> String {
    let (low, high) = range(lines);
    let factor = (high / low).powf(1.0 / BARS).max(1.02);
    let curves: Vec<Curve> = lines
        .iter()
        .map(|line| {
            let snapshot = line.snapshot();
            let mut bars: Vec<(u64, u64, u64)> = vec![];
            let mut bar = (0, 0, 0);
            for (low, high, count) in snapshot.occupied() {
                if bar.1 <= low {
                    bars.extend(Some(bar).filter(|(_, _, count)| *count != 0));
                    bar = (low, high.max((low as f64 * factor).ceil() as u64), 0);
                }
                bar.2 += count;
            }
            bars.push(bar);
            let top = snapshot.overflows;
            bars.extend(Some((bar.1, snapshot.max, top)).filter(|_| top != 0));
            let points = bars.iter().filter(|(_, _, count)| *count != 0).map(|(low, high, count)| {
                let (left, right) = (line.ns(*low as f64).max(0.1).log10(), line.ns(*high as f64).max(0.1).log10());
                (left, (*count as f64).log10(), right - left)
            });
            Curve { class: line.class, marks: Marks::Bars, points: points.collect(), notes: vec![] }
        })
        .collect();
    let most = curves.iter().flat_map(|curve| &curve.points).map(|(_, count, _)| *count).fold(0.0, f64::max);
    let x = Axis::logarithmic("time", low, high, duration);
    let y = Axis { low: -0.3, ..Axis::logarithmic("calls", 1.0, 10f64.powf(most).max(10.0), |count| grouped(count as u64)) };
    plot::svg("Histogram of the times, on logarithmic axes", &x, &y, &curves)
}

fn timeline(reports: &[(usize, &Report)]) -> String {
    let points = || reports.iter().flat_map(|(_, report)| &report.timeline);
    let low = points().map(|point| point.max_ns).min().unwrap_or(1).max(1) as f64;
    let high = points().map(|point| point.max_ns).max().unwrap_or(1).max(1) as f64;
    let end = points().map(|point| point.at_ns).max().unwrap_or(0) as f64 / 1e9;
    let x = Axis::linear("since the beginning", end, |s| if s == 0.0 { "0".to_owned() } else { duration(s * 1e9) });
    let y = Axis::logarithmic("longest", low, high, duration);
    let curves: Vec<Curve> = reports
        .iter()
        .map(|(class, report)| {
            let points =
                report.timeline.iter().map(|point| (point.at_ns as f64 / 1e9, (point.max_ns.max(1) as f64).log10(), 0.0));
            let longest = report.timeline.iter().max_by_key(|point| point.max_ns);
            let notes = longest.map(|point| {
                let note = format!("after {}: {}", duration(point.at_ns as f64), duration(point.max_ns as f64));
                (point.at_ns as f64 / 1e9, (point.max_ns.max(1) as f64).log10(), note)
            });
            Curve { class: *class, marks: Marks::Dots, points: points.collect(), notes: notes.into_iter().collect() }
        })
        .collect();
    plot::svg("The longest time of each stretch of time", &x, &y, &curves)
}

fn counters(text: &mut String, subject: &Subject<'_>, compared: bool) {
    let mut names: Vec<(&str, &str)> = vec![];
    for counter in subject.found.iter().flat_map(|(_, report)| &report.counters) {
        if !names.contains(&(counter.name, counter.help)) {
            names.push((counter.name, counter.help));
        }
    }
    if names.is_empty() {
        return;
    }
    text.push_str("<div class=\"wide\">\n<table class=\"counters\">\n<caption>Counters</caption>\n");
    if compared {
        text.push_str("<tr><th></th>");
        subject.found.iter().for_each(|(document, _)| put!(text, "<th>{}</th>", escaped(&document.label)));
        text.push_str("</tr>\n");
    }
    for (name, help) in names {
        put!(text, "<tr><th>{}<small>{}</small></th>", escaped(&name.replace('_', " ")), escaped(help));
        for (_, report) in &subject.found {
            let value = report.counters.iter().find(|counter| counter.name == name);
            put!(text, "<td>{}</td>", value.map_or("&ndash;".into(), |counter| grouped(counter.value)));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n</div>\n");
}

fn worst(text: &mut String, label: &str, report: &Report) {
    let separator = if label.is_empty() { "" } else { ": " };
    put!(text, "<div class=\"wide\">\n<table class=\"worst\">\n<caption>{}{separator}worst calls</caption>\n", escaped(label));
    text.push_str("<tr><th>when</th><th>after</th><th>call</th><th>response</th><th class=\"words\">along with</th></tr>\n");
    for Worst { at_realtime_ns, call_ns, response_ns, causes } in report.worst.iter().take(WORST) {
        let after = duration(at_realtime_ns.saturating_sub(report.since_realtime_ns) as f64);
        let (call, response) = (duration(*call_ns as f64), duration(*response_ns as f64));
        let causes = cause::names(*causes).map(|name| name.replace('_', " ")).collect::<Vec<_>>().join(", ");
        put!(text, "<tr><td>{}</td><td>{after}</td><td>{call}</td><td>{response}</td>", time::utc(*at_realtime_ns));
        put!(text, "<td class=\"words\">{causes}</td></tr>\n");
    }
    text.push_str("</table>\n</div>\n");
}

/// `812 ns`, `1.24 µs`, `3.20 ms`, `1.50 s`: three digits.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 999.5 => (ns, "ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "µs"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = match value {
        value if value == value.trunc() => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// `1 234 567`, with non-breaking spaces.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A guest's names must not change the direction of the page's text.
            c if is_unprintable(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let cases =
            [(0.0, "0 ns"), (3.25, "3.25 ns"), (42.123, "42.1 ns"), (999.4, "999 ns"), (999.6, "1.00 µs"), (1e3, "1 µs")];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
        assert_eq!((duration(12_345_678.0), duration(1.5e9)), ("12.3 ms".into(), "1.50 s".into()));
        assert_eq!(grouped(1_234_567).replace('\u{202f}', " "), "1 234 567");
        assert_eq!(grouped(12), "12");
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
        assert_eq!(escaped("é\u{1b}[31m\u{202e}x"), "é\\u{1b}[31m\\u{202e}x");
    }
}
