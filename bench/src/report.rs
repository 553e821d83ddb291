//! The table and the JSON.

use std::path::Path;

use super::measure::{BATCH, ROUNDS, Row};

#[derive(serde::Serialize)]
struct Entry<'a> {
    case: &'a str,
    subject: &'a str,
    n: u64,
    mean_ns: f64,
    min_ns: f64,
    p50_ns: f64,
    p99_ns: f64,
    p999_ns: f64,
    max_ns: f64,
    baseline: &'a str,
    ratio: f64,
    at_full_speed: bool,
    ratio_slowed: Option<f64>,
}

/// Facts that a reader needs for comparisons.
pub fn print_conditions(cpu: usize) {
    let cpu_name = first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".into());
    let virtual_machine = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("CPU        {cpu_name}{}", if virtual_machine { ", virtual machine" } else { "" });
    println!("kernel     {}", kernel.trim());
    println!("pinned to  CPU {cpu}, normal scheduling");
    println!("build      release: opt-level 3, fat LTO, one codegen unit");
    println!(
        "means      {ROUNDS} batches of {BATCH} calls, subjects in turn; ratio: median over batches, to the first subject"
    );
    println!("p50 to max single calls timed one by one, the clock's own two readings included\n");
}

fn first_value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

pub fn print(rows: &[Row]) {
    println!(
        "{:24} {:32} {:>9} {:>7} {:>8} {:>8} {:>8} {:>9} {:>10}",
        "case", "subject", "mean ns", "ratio", "min", "p50", "p99", "p99.9", "max"
    );
    let mut last = "";
    for row in rows {
        println!(
            "{:24} {:32} {:9.2} {:7.3} {:8.1} {:8.1} {:8.1} {:9.1} {:10.0}",
            if row.case == last { "" } else { &row.case },
            row.subject,
            row.mean_ns,
            row.ratio,
            row.min_ns,
            row.p50_ns,
            row.p99_ns,
            row.p999_ns,
            row.max_ns
        );
        last = &row.case;
    }
}

pub fn write(rows: &[Row], path: &str) -> Result<(), String> {
    let entries: Vec<Entry<'_>> = rows
        .iter()
        .map(|row| Entry {
            case: &row.case,
            subject: row.subject,
            n: row.n,
            mean_ns: row.mean_ns,
            min_ns: row.min_ns,
            p50_ns: row.p50_ns,
            p99_ns: row.p99_ns,
            p999_ns: row.p999_ns,
            max_ns: row.max_ns,
            baseline: row.baseline,
            ratio: row.ratio,
            at_full_speed: row.at_full_speed,
            ratio_slowed: row.ratio_slowed,
        })
        .collect();
    let json = serde_json::to_string_pretty(&entries).map_err(|e| e.to_string())?;
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::write(path, json).map_err(|e| format!("{path}: {e}"))
}
