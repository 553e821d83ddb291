//! HdrHistogram's interval log: one line for each series, with the histogram in the V2 encoding, compressed, in base64. Values
//! are whole nanoseconds with three significant digits; a bucket counts as its middle.

use super::super::document::Document;
use super::super::{Report, Series};
use super::{base64, put, time, zlib};
use crate::record::order::sort_by_number;

const COOKIE: u32 = 0x1c84_9303 | 0x10;
const COMPRESSED_COOKIE: u32 = 0x1c84_9304 | 0x10;
const SIGNIFICANT_DIGITS: u32 = 3;
/// For three significant digits: 2048 sub-buckets, of which all but the first bucket use the upper half.
const HALF_BITS: u32 = 10;
const SUB_BUCKET_MASK: u64 = (2 << HALF_BITS) - 1;
/// One hour, in ns; more if a value is larger.
const HIGHEST_NS: u64 = 3_600_000_000_000;

pub fn write(documents: &[Document]) -> String {
    let reports = || documents.iter().flat_map(|document| &document.reports);
    let start = reports().map(|report| report.since_realtime_ns).min().unwrap_or(0);
    let mut text = String::from("#[Histogram of times in ns, written by rtwasm]\n#[Histogram log format version 1.3]\n");
    put!(&mut text, "#[StartTime: {:.3} (seconds since epoch), {}]\n", start as f64 / 1e9, time::utc(start));
    for document in documents {
        let of = if document.label.is_empty() {
            String::new()
        } else {
            format!(" of {}", document.label.replace(char::is_control, " "))
        };
        put!(&mut text, "#[Clock{of}: steps of {:.3} ns]\n", document.resolution_ns());
    }
    text.push_str("\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
    // Readers expect the lines in the order of their time stamps.
    let mut lines: Vec<(u64, String)> = Vec::new();
    for document in documents {
        for (report, series) in document.series() {
            let tag = tag(document, report, series);
            let (since, length) = (report.since_realtime_ns as f64 / 1e9, report.duration_ns as f64 / 1e9);
            let max_ms = series.snapshot.max as f64 * document.ns_per_tick / 1e6;
            let histogram = base64::encode(&compressed(series, document.ns_per_tick));
            lines.push((report.since_realtime_ns, format!("Tag={tag},{since:.3},{length:.3},{max_ms:.3},{histogram}\n")));
        }
    }
    sort_by_number(&mut lines, |(since, _)| *since);
    lines.iter().for_each(|(_, line)| text.push_str(line));
    text
}

/// The tag that distinguishes the lines. It contains neither commas nor blanks.
fn tag(document: &Document, report: &Report, series: &Series) -> String {
    let words = [document.label.as_str(), report.kind, &report.name, series.name];
    let words: Vec<String> = words
        .iter()
        .filter(|word| !word.is_empty())
        .map(|word| word.replace(|c: char| c == ',' || c.is_whitespace() || c.is_control(), "_"))
        .collect();
    words.join(".")
}

fn compressed(series: &Series, ns_per_tick: f64) -> Vec<u8> {
    let content = zlib::stored(&encoded(series, ns_per_tick));
    let mut bytes = COMPRESSED_COOKIE.to_be_bytes().to_vec();
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(content);
    bytes
}

/// The V2 encoding: a header, then the counts, with runs of zeros as negative numbers.
fn encoded(series: &Series, ns_per_tick: f64) -> Vec<u8> {
    let snapshot = &series.snapshot;
    let to_ns = |ticks: f64| (ticks * ns_per_tick).round() as u64;
    let mut counts: Vec<(usize, u64)> =
        snapshot.occupied().map(|(low, high, count)| (index_of(to_ns(snapshot.middle((low, high)))), count)).collect();
    if snapshot.overflows != 0 {
        counts.push((index_of(to_ns(snapshot.max as f64)), snapshot.overflows));
    }
    let highest = if snapshot.count == 0 { 0 } else { to_ns(snapshot.max as f64) };

    let mut payload = Vec::new();
    let (mut next, mut at) = (0, 0);
    while at < counts.len() {
        let (index, mut count) = counts[at];
        at += 1;
        while at < counts.len() && counts[at].0 == index {
            count += counts[at].1;
            at += 1;
        }
        if index > next {
            put_zigzag(&mut payload, -((index - next) as i64));
        }
        put_zigzag(&mut payload, i64::try_from(count).unwrap_or(i64::MAX));
        next = index + 1;
    }

    let mut bytes = Vec::new();
    for word in [COOKIE, payload.len() as u32, 0, SIGNIFICANT_DIGITS] {
        bytes.extend(word.to_be_bytes());
    }
    let lowest = 1u64;
    bytes.extend(lowest.to_be_bytes());
    bytes.extend(highest.next_power_of_two().max(HIGHEST_NS).to_be_bytes());
    bytes.extend(1f64.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The index where HdrHistogram counts a value.
fn index_of(value: u64) -> usize {
    let bucket = 63 - HALF_BITS - (value | SUB_BUCKET_MASK).leading_zeros();
    (((bucket as u64 + 1) << HALF_BITS) + (value >> bucket) - (1 << HALF_BITS)) as usize
}

/// ZigZag LEB128 in HdrHistogram's form: at most nine bytes, the ninth of eight bits.
fn put_zigzag(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            bytes.push(rest as u8);
            return;
        }
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_where_hdr_histogram_counts_them() {
        // Without gaps, and never further apart than a thousandth.
        assert_eq!((index_of(0), index_of(2047), index_of(2048), index_of(2049), index_of(2050)), (0, 2047, 2048, 2048, 2049));
        for value in [5_000u64, 123_456, 10_000_000, 1 << 40] {
            assert!(index_of(value + value / 1000 + 1) - index_of(value) <= 3, "{value}");
            assert!(index_of(value + value / 500) > index_of(value), "{value}");
        }
    }

    #[test]
    fn numbers_of_all_lengths() {
        let encoded = |value| {
            let mut bytes = vec![];
            put_zigzag(&mut bytes, value);
            bytes
        };
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(-1), [1]);
        assert_eq!(encoded(63), [126]);
        assert_eq!(encoded(64), [0x80, 1]);
        assert_eq!(encoded(-300), [0xd7, 4]);
        assert_eq!(encoded(i64::MIN), [0xff; 9]);
        assert_eq!(encoded(i64::MAX), [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }
}
