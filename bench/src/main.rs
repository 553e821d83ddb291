//! What a call costs: rtwasm's shared library beside the bare engine, interleaved in one run on one pinned thread.
//!
//! `rtwasm-bench LIBRTWASM.SO ARTIFACT-DIR OUT.JSON`. Means come from batches of a million untimed calls, subjects taking turns in
//! every round, so that a change of the machine's speed meets all of them; ratios are medians over rounds. The
//! distribution beside them comes from calls timed one by one, with the clock's own two readings in it. Nothing here judges:
//! the figures are printed and written, a reader compares.

mod cases;
mod library;
mod measure;
mod report;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, artifacts, out] = arguments.as_slice() else {
        eprintln!("usage: rtwasm-bench LIBRTWASM.SO ARTIFACT-DIR OUT.JSON");
        return ExitCode::from(2);
    };
    match run(library, artifacts, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("rtwasm-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(library: &str, artifacts: &str, out: &str) -> Result<(), String> {
    let cpu = measure::pin_to_last_cpu()?;
    report::print_conditions(cpu);
    let library = library::Library::open(library)?;
    let mut rows = workers::all(artifacts)?;
    for profile in ["standalone", "plugin"] {
        rows.extend(cases::calls(&library, artifacts, profile)?);
    }
    rows.extend(cases::denormal_tail(&library, artifacts)?);
    rows.extend(cases::recording());
    rows.extend(cases::reading(&library, artifacts)?);
    report::print(&rows);
    report::write(&rows, out)?;
    println!("\nwritten to {out}");
    Ok(())
}
