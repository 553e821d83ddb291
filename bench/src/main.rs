//! The cost of a call: rtwasm's shared library beside the bare engine, interleaved in one run on one pinned thread.
//!
//! `rtwasm-bench LIBRTWASM.SO ARTIFACT-DIR OUT.JSON [--only CASE-PREFIX]`. Means come from batches of a million untimed calls,
//! subjects taking turns in every round, so that a change of the machine's speed meets all of them; ratios are medians over rounds. The
//! distribution beside them comes from calls timed one by one, with the clock's own two readings in it. Nothing here judges:
//! the figures are printed and written, a reader compares.
//!
//! `rtwasm-bench --count LIBRTWASM.SO ARTIFACT-DIR`, under callgrind: the instructions of crossings between guest and host.
//! `rtwasm-bench --time LIBRTWASM.SO ARTIFACT-DIR`: the times of the same, a line for each: case, subject, ns, ratio to the case's first.
//! `WASMTIME` in the environment is the stock engine's shared library, which crossings are compared with.

mod cases;
mod crossings;
mod kernels;
mod library;
mod measure;
mod report;
mod slots;
mod snapshot;
mod workers;

use std::process::ExitCode;

use measure::Only;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (library, artifacts, out, only) = match words.as_slice() {
        ["--count", library, artifacts] => return outcome(count(library, artifacts)),
        ["--time", library, artifacts] => return outcome(time(library, artifacts)),
        [library, artifacts, out] => (library, artifacts, out, Only(None)),
        [library, artifacts, out, "--only", prefix] => (library, artifacts, out, Only(Some(prefix.to_string()))),
        _ => {
            eprintln!("usage: rtwasm-bench LIBRTWASM.SO ARTIFACT-DIR OUT.JSON [--only CASE-PREFIX]");
            return ExitCode::from(2);
        }
    };
    outcome(run(library, artifacts, out, &only))
}

fn outcome(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("rtwasm-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Counts the instructions of crossings, under callgrind.
fn count(library: &str, artifacts: &str) -> Result<(), String> {
    let stock = crossings::Stock::of_environment(artifacts)?;
    let library = library::Library::open(library)?;
    for profile in ["standalone", "plugin"] {
        crossings::all(&library, stock.as_ref(), artifacts, profile, &mut crossings::count)?;
    }
    Ok(())
}

/// Times crossings, subjects in turn.
fn time(library: &str, artifacts: &str) -> Result<(), String> {
    measure::pin_to_last_cpu()?;
    let stock = crossings::Stock::of_environment(artifacts)?;
    let library = library::Library::open(library)?;
    for profile in ["standalone", "plugin"] {
        crossings::all(&library, stock.as_ref(), artifacts, profile, &mut |case, subjects| {
            for row in measure::interleaved_rounds(case, TIMED, TIMED_ROUNDS, 1, subjects) {
                println!("{}:{} {:.3} {:.4}", row.case, row.subject.replace(' ', "-"), row.mean_ns, row.ratio);
            }
        })?;
    }
    Ok(())
}

/// Crossings in a batch, and batches of each subject: some milliseconds each, so that most meet a processor that nobody else uses.
const TIMED: u64 = 200_000;
const TIMED_ROUNDS: usize = 45;

fn run(library: &str, artifacts: &str, out: &str, only: &Only) -> Result<(), String> {
    let cpu = measure::pin_to_last_cpu()?;
    report::print_conditions(cpu);
    let stock = crossings::Stock::of_environment(artifacts)?;
    let library = library::Library::open(library)?;
    let mut rows = Vec::new();
    if ["wake-up", "call-per-ms", "submit"].iter().any(|case| only.wants(case)) {
        rows.extend(workers::all(artifacts)?);
    }
    for profile in ["standalone", "plugin"] {
        rows.extend(cases::calls(&library, artifacts, profile, only)?);
    }
    for profile in ["standalone", "plugin"] {
        crossings::all(&library, stock.as_ref(), artifacts, profile, &mut |case, subjects| {
            if only.wants(case) {
                rows.extend(measure::interleaved(case, measure::BATCH, subjects));
            }
        })?;
    }
    if only.wants("denormal-tail") {
        rows.extend(cases::denormal_tail(&library, artifacts)?);
        rows.extend(cases::reverb_tail(&library, artifacts, "reverb")?);
        // Needs a compiler for WebAssembly: see run.sh.
        if std::path::Path::new(artifacts).join("reverb-plain-standalone.rtw").exists() {
            rows.extend(cases::reverb_tail(&library, artifacts, "reverb-plain")?);
        }
    }
    if only.wants("recording") {
        rows.extend(cases::recording());
    }
    if only.wants("read-statistics") {
        rows.extend(cases::reading(&library, artifacts)?);
    }
    if only.wants("snapshot") {
        rows.extend(snapshot::snapshot(&library, artifacts)?);
    }
    for profile in ["standalone", "plugin"] {
        rows.extend(slots::all(&library, artifacts, profile, only)?);
    }
    let kernel_rows = kernels::all(&library, artifacts, only)?;
    let costs = kernels::costs(&kernel_rows);
    rows.extend(kernel_rows);
    if rows.is_empty() {
        return Err("no case's name begins so".into());
    }
    report::print(&rows);
    print!("{costs}");
    report::write(&rows, out)?;
    println!("\nwritten to {out}");
    Ok(())
}
