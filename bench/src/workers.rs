//! Workers beside native twins. The measuring is done by a program in C, `bench/workers.c`, which is to the library what any host
//! is, and whose twins are to be as close to it as can be; here its rows are read.

use std::process::Command;

use super::measure::Row;

/// Its cases, all or none of which run.
const CASES: [&str; 5] = ["wake-up", "call-per-ms", "submit", "worker-statistics", "worker-snapshot"];

/// True if `--only` selects any of them.
fn wanted() -> bool {
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    only.is_none_or(|prefix| CASES.iter().any(|case| case.starts_with(prefix.as_str())))
}

/// Runs `workers` of the artifacts' folder. The ratio of its rows is that of the p99s, not of the means.
pub fn all(artifacts: &str) -> Result<Vec<Row>, String> {
    if !wanted() {
        return Ok(vec![]);
    }
    let program = format!("{artifacts}/workers");
    let ran = Command::new(&program).arg(artifacts).output().map_err(|e| format!("{program}: {e}"))?;
    if !ran.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&ran.stderr)));
    }
    println!("{}: ratio of the p99 to the baseline's, the median over rounds", CASES.join(", "));
    String::from_utf8_lossy(&ran.stdout).lines().filter_map(|line| line.strip_prefix("row\t")).map(row).collect()
}

fn row(line: &str) -> Result<Row, String> {
    let wrong = || format!("workers: not a row: {line}");
    let fields: Vec<&str> = line.split('\t').collect();
    let [case, subject, baseline, n, figures @ ..] = fields.as_slice() else { return Err(wrong()) };
    let figures: Vec<f64> = figures.iter().map(|figure| figure.parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [mean_ns, min_ns, p50_ns, p99_ns, p999_ns, max_ns, ratio] = figures[..] else { return Err(wrong()) };
    Ok(Row {
        case: (*case).to_owned(),
        // As long as the program.
        subject: subject.to_string().leak(),
        baseline: baseline.to_string().leak(),
        n: n.parse().map_err(|_| wrong())?,
        mean_ns,
        min_ns,
        p50_ns,
        p99_ns,
        p999_ns,
        max_ns,
        ratio,
        at_full_speed: false,
        ratio_slowed: None,
    })
}
