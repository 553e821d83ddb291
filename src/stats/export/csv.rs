//! The buckets as a table (RFC 4180), for spreadsheets and plotting programs.

use super::super::document::Document;
use super::put;

pub fn write(documents: &[Document]) -> String {
    let mut text =
        String::from("source,kind,name,series,low_ns,high_ns,count,cumulative_count,cumulative_share,clock_step_ns\r\n");
    for document in documents {
        let step = document.resolution_ns();
        for (report, series) in document.series() {
            let names = [document.label.as_str(), report.kind, &report.name, series.name].map(field).join(",");
            let snapshot = &series.snapshot;
            let mut seen = 0;
            let mut row = |low: f64, high: f64, count: u64| {
                seen += count;
                let share = seen as f64 / snapshot.count as f64;
                let (low, high) = (low * document.ns_per_tick, high * document.ns_per_tick);
                put!(&mut text, "{names},{low:.3},{high:.3},{count},{seen},{share:.9},{step:.3}\r\n");
            };
            let mut end = 0;
            for (low, high, count) in snapshot.occupied() {
                row(low as f64, high as f64, count);
                end = high;
            }
            if snapshot.overflows != 0 {
                row(end as f64, snapshot.max as f64, snapshot.overflows);
            }
        }
    }
    text
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
