//! The `rtwasm` command. Each subcommand has a file of its own, with its help text, and is one line in the table below.

mod args;
mod bench;
mod bisect;
mod compile;
mod doctor;
mod inspect;
mod report;
mod stats;
mod table;
mod watch;
mod workload;

use std::process::ExitCode;

use args::{Args, Failure};

struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(Args) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command { name: "compile", summary: "make an artifact of a WebAssembly module", help: compile::HELP, run: compile::run },
    Command { name: "watch", summary: "compile a module again whenever it changes", help: watch::HELP, run: watch::run },
    Command {
        name: "inspect",
        summary: "tell what an artifact is and whether it runs on this machine",
        help: inspect::HELP,
        run: inspect::run,
    },
    Command {
        name: "bench",
        summary: "measure what calls of a module cost on this machine",
        help: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "bisect",
        summary: "find out which choice makes a workload slow or late",
        help: bisect::HELP,
        run: bisect::run,
    },
    Command {
        name: "report",
        summary: "write one file about this machine and a module's figures on it",
        help: report::HELP,
        run: report::run,
    },
    Command {
        name: "doctor",
        summary: "tell what about this machine will cost latency, and what to do about it",
        help: doctor::HELP,
        run: doctor::run,
    },
    Command { name: "stats", summary: "show, convert and compare statistics", help: stats::HELP, run: stats::run },
];

/// As in the library, so that what calls allocate is counted, and comes from where it would come from in a host.
#[global_allocator]
static ALLOCATOR: rtwasm::rt::global_alloc::Allocator = rtwasm::rt::global_alloc::Allocator;

const EXIT_ERROR: u8 = 1;
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let (command, outcome) = dispatch(std::env::args_os().skip(1).collect());
    let hint = command.map_or("rtwasm --help".to_string(), |command| format!("rtwasm {} --help", command.name));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("rtwasm: error: {message}\nTry `{hint}`.");
            ExitCode::from(EXIT_USAGE)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("rtwasm: error: {message}");
            ExitCode::from(EXIT_ERROR)
        }
        Err(Failure::Reported) => ExitCode::from(EXIT_ERROR),
        Err(Failure::Outcome(status)) => ExitCode::from(status),
    }
}

/// Runs what the command line says; the command is for the hint that a wrong usage gets.
fn dispatch(mut words: Vec<std::ffi::OsString>) -> (Option<&'static Command>, Result<(), Failure>) {
    if words.is_empty() {
        return (None, Err(Failure::Usage("no command given".into())));
    }
    let first = words.remove(0);
    match first.to_str() {
        Some("--help" | "-h" | "help") => match words.first().map(|word| find(word)) {
            None => (None, args::print(&general_help())),
            Some(Ok(command)) => (Some(command), args::print(command.help)),
            Some(Err(failure)) => (None, Err(failure)),
        },
        Some("--version" | "-V") => (None, args::print(&version())),
        Some(workload::cold::COMMAND) => (None, workload::cold::run_as_child(Args::new(words))),
        _ => match find(&first) {
            Ok(command) if words.iter().any(|word| word == "--help" || word == "-h") => {
                (Some(command), args::print(command.help))
            }
            Ok(command) => (Some(command), (command.run)(Args::new(words))),
            Err(failure) => (None, Err(failure)),
        },
    }
}

fn find(name: &std::ffi::OsStr) -> Result<&'static Command, Failure> {
    COMMANDS.iter().find(|command| name == command.name).ok_or_else(|| {
        let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        Failure::Usage(format!("no command {}; there are: {}", name.display(), known.join(", ")))
    })
}

fn version() -> String {
    format!("rtwasm {} ({})\n", env!("CARGO_PKG_VERSION"), rtwasm::engine::profile::ENGINE_VERSION)
}

fn general_help() -> String {
    let list: String = COMMANDS.iter().map(|command| format!("  {:<9} {}\n", command.name, command.summary)).collect();
    format!(
        "rtwasm: WebAssembly inside real-time threads

Usage: rtwasm COMMAND [OPTIONS]

Commands:
{list}
Options:
  -h, --help     this text; after a command, that command's
  -V, --version  version of the command and of its engine

Exit status: 0 done, 1 failed, 2 wrong usage.

Example:
  rtwasm compile gain.wasm -o gain.rtw --profile plugin
  rtwasm inspect gain.rtw
"
    )
}
