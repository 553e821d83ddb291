//! HdrHistogram's percentile distribution, in the form that its outputPercentileDistribution prints and its plotter reads.
//! Values are in microseconds.

use super::super::Series;
use super::super::document::Document;
use super::put;

/// Steps for each halving of the distance to 100 %, HdrHistogram's default.
const TICKS_PER_HALF_DISTANCE: f64 = 5.0;

pub fn write(series: &Series, document: &Document) -> String {
    let snapshot = &series.snapshot;
    let to_us = document.ns_per_tick / 1e3;
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let shares = shares(snapshot.count);
    let mut values = vec![0.0; shares.len()];
    snapshot.quantiles_into(&shares, &mut values);
    for (share, value) in shares.iter().zip(values) {
        let seen = ((share * snapshot.count as f64).ceil() as u64).clamp(1, snapshot.count);
        put!(&mut text, "{:12.3} {share:2.12} {seen:10} {:14.2}\n", value * to_us, 1.0 / (1.0 - share));
    }
    if snapshot.count != 0 {
        put!(&mut text, "{:12.3} {:2.12} {:10}\n", snapshot.max as f64 * to_us, 1.0, snapshot.count);
    }
    let (mean, deviation) = (snapshot.mean() * to_us, snapshot.deviation() * to_us);
    put!(&mut text, "#[Clock   = steps of {:.6}]\n", document.resolution_ns() / 1e3);
    // Readers expect the next three lines at the end.
    put!(&mut text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n");
    put!(&mut text, "#[Max     = {:12.3}, Total count    = {:12}]\n", snapshot.max as f64 * to_us, snapshot.count);
    put!(&mut text, "#[Buckets = {:12}, SubBuckets     = {:12}]\n", crate::record::histogram::BUCKETS / 64, 64);
    text
}

/// Shares of all values, ever closer to 1, until the rest is less than one value.
fn shares(count: u64) -> Vec<f64> {
    let mut shares = vec![];
    let mut share = 0.0f64;
    while count != 0 && (1.0 - share) * count as f64 >= 1.0 {
        shares.push(share);
        let halvings = (1.0 / (1.0 - share)).log2().trunc() + 1.0;
        share += 1.0 / (TICKS_PER_HALF_DISTANCE * halvings.exp2());
    }
    shares
}
