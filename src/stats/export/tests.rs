use super::*;
use crate::record::recorder::{Began, Recorder};
use crate::record::snapshot::Snapshot;
use crate::stats::{Counter, Point, Report, Series, Worst, cause};

/// A thousand calls of 1 to 1000 us, one of 10 ms.
fn snapshot() -> Snapshot {
    let recorder = Recorder::new();
    (1..=1000).for_each(|us| recorder.active().record(us * 1000));
    recorder.active().record(10_000_000);
    recorder.snapshot()
}

/// A document with a clock of 1 ns, and names that need quoting everywhere.
fn document() -> Document {
    let report = Report {
        kind: "worker",
        name: "le \"mix\", <&>\n\\".to_owned(),
        since_realtime_ns: 1_000_000_000_000_000_000,
        duration_ns: 2_000_000_000,
        counters: vec![
            Counter { name: "deadline_misses", help: "Late ones", value: 3 },
            Counter { name: "longest_miss_run", help: "In a row", value: 2 },
            Counter { name: "late_by_ns", help: "At most", value: 1_500_000_000 },
        ],
        series: vec![
            Series { name: "call_time", help: "A", snapshot: snapshot() },
            Series { name: "wake_up_latency", help: "B", snapshot: Snapshot::empty() },
        ],
        timeline: (0..10).map(|at| Point { at_ns: at * 200_000_000, count: 100, max_ns: 1000 + at }).collect(),
        worst: vec![Worst {
            at_realtime_ns: 1_000_000_001_000_000_000,
            call_ns: 10_000_000,
            response_ns: 11_000_000,
            causes: cause::PAGE_FAULT | cause::WAKE_UP,
        }],
    };
    Document { ns_per_tick: 1.0, ..Document::here(vec![report]) }
}

fn written(format: Format) -> String {
    write(format, &[document()]).expect("it can be written")
}

#[test]
fn every_format_has_a_name() {
    for (format, name) in Format::ALL {
        assert_eq!(Format::named(name), Some(format));
        assert!(!written(format).is_empty());
    }
    assert_eq!(Format::named("xml"), None);
}

#[test]
fn percentile_distribution() {
    let text = written(Format::Hgrm);
    let rows: Vec<Vec<f64>> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ' ']) || line.trim_start().starts_with(char::is_numeric))
        .map(|line| line.split_whitespace().map(|word| word.parse().expect("a number")).collect())
        .collect();
    assert_eq!(rows.last().expect("rows"), &vec![10_000.0, 1.0, 1001.0]);
    assert!(rows.windows(2).all(|pair| pair[0][1] < pair[1][1] && pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
    let half = rows.iter().find(|row| row[1] == 0.5).expect("the median is there");
    assert!((half[0] / 501.0 - 1.0).abs() < 0.01 && half[2] == 501.0 && half[3] == 2.0, "{half:?}");
    assert!(text.contains("Total count    =         1001]"));
    let mut empty = document();
    assert!(empty.keep_series("wake_up_latency"));
    assert!(write(Format::Hgrm, &[empty]).expect("also of nothing").contains("Total count    =            0]"));
}

#[test]
fn the_open_metrics_text_ends_and_counts() {
    let text = written(Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n"));
    let labels = "kind=\"worker\",name=\"le \\\"mix\\\", <&>\\n\\\\\"";
    for line in [
        format!("rtwasm_call_time_seconds_bucket{{{labels},le=\"0.0005\"}} 501"),
        format!("rtwasm_call_time_seconds_bucket{{{labels},le=\"+Inf\"}} 1001"),
        format!("rtwasm_call_time_seconds_count{{{labels}}} 1001"),
        format!("rtwasm_deadline_misses_total{{{labels}}} 3"),
        format!("rtwasm_longest_miss_run{{{labels}}} 2"),
        format!("rtwasm_late_by_seconds{{{labels}}} 1.5"),
        "# TYPE rtwasm_longest_miss_run gauge".to_owned(),
    ] {
        let close = line.contains("0.0005");
        let (start, count) = line.rsplit_once(' ').expect("a value");
        let found = text.lines().find(|known| known.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
        let (value, wanted) = (found.rsplit_once(' ').expect("a value").1, count);
        assert!(
            value == wanted || close && (490..=510).contains(&value.parse::<u32>().expect("a number")),
            "{found}: not {line}"
        );
    }
}

#[test]
fn the_page_stands_alone_and_has_the_figures() {
    let text = written(Format::Html);
    for part in
        ["10 ms", "page fault, wake up", "deadline misses", "le &quot;mix&quot;, &lt;&amp;&gt;", "2001-09-09 01:46:40.000 UTC"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<svg ").count(), 3);
    for foreign in ["http:", "https:", "<script", "url(", "@import", "src=", "href="] {
        assert!(!text.contains(foreign), "{foreign}");
    }
}

#[test]
fn documents_are_laid_over_each_other() {
    let mut second = document();
    second.label = "after".to_owned();
    second.ns_per_tick = 2.0;
    let first = Document { label: "before".to_owned(), ..document() };
    let text = write(Format::Html, &[first.clone(), second.clone()]).expect("a page");
    assert!(text.contains("before: call time") && text.contains("after: call time"));
    let refused = write(Format::Json, &[first, second]).expect_err("one only");
    assert!(refused.message.contains("merged"));
}

#[test]
fn merging_adds_what_has_the_same_name() {
    let mut sum = document();
    let mut other = document();
    other.ns_per_tick = 2.0;
    other.reports[0].since_realtime_ns += 5_000_000_000;
    other.reports.push(Report { name: "another".to_owned(), ..other.reports[0].clone() });
    sum.merge(other);
    assert_eq!(sum.reports.len(), 2);
    let merged = &sum.reports[0];
    assert_eq!((merged.series[0].snapshot.count, merged.series[0].snapshot.max), (2002, 20_000_000));
    assert_eq!((merged.counters[0].value, merged.counters[1].value), (6, 2));
    assert_eq!((merged.timeline.len(), merged.timeline[10].at_ns), (20, 5_000_000_000));
    assert_eq!((merged.worst.len(), merged.duration_ns), (2, 4_000_000_000));
}

#[test]
fn a_correction_stands_beside_what_was_measured() {
    let mut document = document();
    document.correct(1_000_000);
    let report = &document.reports[0];
    let (measured, corrected) = (&report.series[0].snapshot, &report.series[2]);
    assert_eq!((report.series.len(), corrected.name), (3, "call_time_corrected"));
    // 10 ms at a period of 1 ms stands for calls of 9 to 1 ms as well.
    assert_eq!(corrected.snapshot.count, measured.count + 9);
    assert_eq!(measured.count, 1001);
}

#[test]
fn a_series_that_is_not_there_is_named() {
    let mut document = document();
    let refused = keep_series(&mut document, Some("jitter")).expect_err("there is none");
    assert!(refused.message.contains("call_time, wake_up_latency"), "{}", refused.message);
    let _ = Began::now();
}
