//! The `rtwasm` command. Each subcommand has a file of its own, with its help text, and is one line in the table below.

mod args;
mod bench;
mod bisect;
mod compile;
mod describe;
mod doctor;
mod faust;
mod inspect;
mod keys;
mod lv2;
mod needs;
mod prepare;
mod rack;
mod recompile;
mod report;
mod stats;
mod table;
mod text;
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
    Command {
        name: "compile",
        summary: "compile a WebAssembly module into an artifact",
        help: compile::HELP,
        run: compile::run,
    },
    Command {
        name: "recompile",
        summary: "compile the module of an artifact again",
        help: recompile::HELP,
        run: recompile::run,
    },
    Command { name: "watch", summary: "compile a module again whenever it changes", help: watch::HELP, run: watch::run },
    Command {
        name: "inspect",
        summary: "print what an artifact is and whether it runs on this machine",
        help: inspect::HELP,
        run: inspect::run,
    },
    Command { name: "lv2", summary: "make an LV2 plug-in of a guest", help: lv2::HELP, run: lv2::run },
    Command {
        name: "keygen",
        summary: "make a pair of keys, to sign artifacts with",
        help: keys::KEYGEN_HELP,
        run: keys::keygen,
    },
    Command { name: "sign", summary: "sign an artifact, or remove signatures", help: keys::SIGN_HELP, run: keys::sign },
    Command {
        name: "verify",
        summary: "check all of an artifact, and who signed it",
        help: keys::VERIFY_HELP,
        run: keys::verify,
    },
    Command {
        name: "bench",
        summary: "measure what calls of a module cost on this machine",
        help: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "bisect",
        summary: "find out which setting makes a workload slow or late",
        help: bisect::HELP,
        run: bisect::run,
    },
    Command {
        name: "report",
        summary: "write one file about this machine and a module's speed on it",
        help: report::HELP,
        run: report::run,
    },
    Command {
        name: "doctor",
        summary: "find out what about this machine costs latency, and how to fix it",
        help: doctor::HELP,
        run: doctor::run,
    },
    Command { name: "stats", summary: "show, convert and compare statistics", help: stats::HELP, run: stats::run },
];

/// The library's allocator: counts what calls allocate, and allocates as it would in a host.
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

/// Runs the subcommand that the command line names. Returns it with the outcome, for the hint that follows wrong usage.
fn dispatch(mut words: Vec<std::ffi::OsString>) -> (Option<&'static Command>, Result<(), Failure>) {
    if words.is_empty() {
        return (None, Err(Failure::Usage("missing command".into())));
    }
    let first = words.remove(0);
    match first.to_str() {
        Some("--help" | "-h" | "help") => match words.first().map(|word| find(word)) {
            None => (None, args::print(&general_help())),
            Some(Ok(command)) => (Some(command), args::print(command.help)),
            Some(Err(failure)) => (None, Err(failure)),
        },
        Some("--version" | "-V") => (None, args::print(&version())),
        Some(prepare::COMMAND) => (None, prepare::run(Args::new(words))),
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
        Failure::Usage(format!("unknown command {}; the commands are {}", name.display(), known.join(", ")))
    })
}

fn version() -> String {
    format!("rtwasm {} ({})\n", env!("CARGO_PKG_VERSION"), rtwasm::engine::profile::ENGINE_VERSION)
}

fn general_help() -> String {
    let list: String = COMMANDS.iter().map(|command| format!("  {:<9} {}\n", command.name, command.summary)).collect();
    format!(
        "rtwasm: WebAssembly in real-time threads

Usage: rtwasm COMMAND [OPTIONS]

Commands:
{list}
Options:
  -h, --help     print this text; after a command, that command's help
  -V, --version  print the versions of the command and of its engine

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm compile gain.wasm -o gain.rtw --profile plugin
  rtwasm inspect gain.rtw
"
    )
}
