//! `rtwasm doctor`: reports what about this machine costs latency, as text, as JSON, or as a script of remedies.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use rtwasm::doctor::{self, Apply, Artifact, ByClass, Class, Finding, Options, Report, Severity, State, Verdict};
use rtwasm::engine::artifact;
use serde_json::{Value, json};

use crate::args::{self, Arg, Args, Failure};

pub const HELP: &str = "rtwasm doctor: find out what about this machine costs latency, and how to fix it

Usage: rtwasm doctor [OPTIONS]

Reads the kernel's files about itself, the processor and this process, and judges them for four classes of work. Changes
nothing. What it cannot read is unknown, never a failure; as root it can read more. docs/doctor.md explains every check.

Options:
  --class CLASS      judge for one class only: audio-128 or audio-32 (frames at 48 kHz), control-1khz, control-10khz
  --cpu N            the CPU that the real-time thread will run on; default: any CPU that this process may use
  --thread           judge the doctor's own thread as the real-time one: its policy, affinity and locked memory. Use it
                     in a command like chrt --fifo 80 taskset --cpu-list 3 rtwasm doctor --thread
  --artifact FILE    check the CPU features and the memory that this artifact (.rtw) needs
  --probe [SECONDS]  also measure, each probe for this time (default 5, at most 60): how late sleeps end, as cyclictest
                     does, for every judged class; gaps in a busy loop; the processor's speed; the cost of a clock reading
  --static           only read (default)
  --root DIR         judge another machine by a copy of its files: DIR/proc, DIR/sys, ...
  -v, --verbose      also print what was found good
  --json             print JSON
  --fix              print a shell script of remedies; those that need thought or a reboot are commented out. The doctor
                     never runs it
  --list             print the checks: id, severity for each class, title
  -h, --help         print this text

Exit status: 0 ready; 1 ready with warnings; 2 not ready, or wrong usage (with a message on the standard error and
nothing on the standard output); 3 the doctor itself failed, for example because it cannot read the artifact.

Examples:
  rtwasm doctor
  rtwasm doctor --class control-1khz --cpu 3 --probe
  rtwasm doctor --fix > fix.sh
";

const EXIT_FAILED: u8 = 3;
const DEFAULT_PROBE_SECONDS: f64 = 5.0;
const MAX_PROBE_SECONDS: f64 = 60.0;

enum Output {
    Text,
    Json,
    Script,
    List,
}

struct Request {
    options: Options,
    artifact: Option<PathBuf>,
    output: Output,
    verbose: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let mut request = parse(args)?;
    examine(&mut request).map_err(|failure| match failure {
        // Exit status 1 is a verdict of the doctor's.
        Failure::Failed(message) => {
            eprintln!("rtwasm: error: {message}");
            Failure::Outcome(EXIT_FAILED)
        }
        other => other,
    })
}

fn examine(request: &mut Request) -> Result<(), Failure> {
    if let Output::List = request.output {
        return args::print(&list());
    }
    if let Some(path) = &request.artifact {
        let bytes = args::read(path)?;
        let read = artifact::read(&bytes).map_err(|error| args::no_artifact(path, &error, &bytes))?;
        request.options.artifact = Some(Artifact { code_bytes: read.code.len() as u64, metadata: read.metadata });
    }
    if let Some(root) = request.options.root.as_ref().filter(|root| !root.is_dir()) {
        return Err(Failure::about(root, "not a directory"));
    }
    let report = doctor::check(&request.options);
    args::print(&match request.output {
        Output::Json => format!("{:#}\n", to_json(&report)),
        Output::Script => to_script(&report),
        _ => to_text(&report, request.verbose),
    })?;
    match exit_status(report.verdict()) {
        0 => Ok(()),
        status => Err(Failure::Outcome(status)),
    }
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let mut options = Options::default();
    let mut artifact = None;
    let (mut only_read, mut verbose) = (false, false);
    let mut outputs = Vec::new();
    while let Some(arg) = args.next()? {
        let option = match arg {
            Arg::Option(option) => option,
            Arg::Value(value) => return Err(Failure::Usage(format!("unexpected argument {}", value.display()))),
        };
        match option.as_str() {
            "--class" => {
                let names = Class::ALL.map(Class::name).join(", ");
                options.class = Some(args.one_of("--class", &names, Class::from_name)?);
            }
            "--cpu" => {
                let text = args.text()?;
                let number = text.parse().map_err(|_| Failure::Usage(format!("--cpu {text}: expected a number")))?;
                options.cpu = Some(number);
            }
            "--thread" => options.thread = true,
            "--artifact" => artifact = Some(args.value()?.into()),
            "--probe" => options.probe = Some(probe_duration(args.optional_number()?)?),
            "--static" => only_read = true,
            "--root" => options.root = Some(args.value()?.into()),
            "-v" | "--verbose" => verbose = true,
            "--json" => outputs.push(Output::Json),
            "--fix" => outputs.push(Output::Script),
            "--list" => outputs.push(Output::List),
            other => return Err(args::unknown_option(other)),
        }
    }
    if only_read && options.probe.is_some() {
        return Err(Failure::Usage("--static and --probe exclude each other".into()));
    }
    if outputs.len() > 1 {
        return Err(Failure::Usage("--json, --fix and --list exclude each other".into()));
    }
    Ok(Request { options, artifact, output: outputs.pop().unwrap_or(Output::Text), verbose })
}

fn probe_duration(seconds: Option<f64>) -> Result<Duration, Failure> {
    let seconds = seconds.unwrap_or(DEFAULT_PROBE_SECONDS);
    if !(0.01..=MAX_PROBE_SECONDS).contains(&seconds) {
        return Err(Failure::Usage(format!("--probe {seconds}: expected 0.01 to {MAX_PROBE_SECONDS} seconds")));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn exit_status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ready => 0,
        Verdict::ReadyWithWarnings => 1,
        Verdict::NotReady => 2,
    }
}

fn severity_name(severity: Option<Severity>) -> &'static str {
    severity.map_or("-", Severity::name)
}

/// One line for each check: for people, and for the test that compares docs/doctor.md with it.
fn list() -> String {
    let row = |id: &str, severities: [&str; 4], title: &str| {
        let [a, b, c, d] = severities;
        format!("{id:<18} {a:<10} {b:<10} {c:<13} {d:<14} {title}\n")
    };
    let head = row("id", Class::ALL.map(Class::name), "title");
    let rows = doctor::checks().map(|check| row(check.id(), check.severity.map(severity_name), check.title()));
    head + &rows.collect::<String>()
}

// --- text

fn to_text(report: &Report, verbose: bool) -> String {
    let mut text = format!("{}\n\n", report.machine);
    let of_state = |state: State| -> Vec<&Finding> { report.findings.iter().filter(|f| f.state == state).collect() };
    for finding in of_state(State::Bad) {
        text += &in_full(finding, report.class);
    }
    for (state, heading) in [(State::Unknown, "unknown"), (State::Good, "good"), (State::Skipped, "skipped")] {
        let findings = of_state(state);
        if findings.is_empty() {
            continue;
        }
        text += &format!("{heading}: {}\n", findings.len());
        match verbose || state == State::Unknown {
            true => findings.iter().for_each(|f| text += &format!("  {:<18} {}\n", f.id, f.found)),
            false => text += &wrapped(findings.iter().map(|f| f.id)),
        }
        text.push('\n');
    }
    for class in report.classes() {
        let tally = report.tally(class);
        let counts = [
            (tally.fatal, "fatal"),
            (tally.high, "high"),
            (tally.medium, "medium"),
            (tally.info, "info"),
            (tally.unknown, "unknown but important"),
        ];
        let told: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let told = if told.is_empty() { "nothing found".into() } else { told.join(", ") };
        text += &format!(
            "{:<20} {:<56} {}
",
            tally.verdict().name().to_uppercase(),
            format!("{} ({})", class.title(), class.name()),
            told
        );
    }
    text
}

/// Wraps words to a terminal's width.
fn wrapped<'a>(words: impl Iterator<Item = &'a str>) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::from(" ")];
    for word in words {
        if lines[lines.len() - 1].len() + word.len() >= WIDTH {
            lines.push(" ".into());
        }
        let last = lines.len() - 1;
        lines[last] += &format!(" {word}");
    }
    lines.join("\n") + "\n"
}

fn in_full(finding: &Finding, class: Option<Class>) -> String {
    let mut text = format!("{:<7} {}: {}\n", finding.severity.name().to_uppercase(), finding.id, finding.title);
    let mut row = |label: &str, value: &str| {
        writeln!(text, "        {label:<9} {value}").expect("a string takes everything");
    };
    row("found", &finding.found);
    row("expected", &finding.expected);
    row("why", finding.why);
    if class.is_none() && finding.by_class.iter().any(|severity| *severity != finding.by_class[0]) {
        row("severity", &by_class_text(&finding.by_class));
    }
    row("remedy", &finding.remedy);
    for (at, line) in finding.commands.lines().enumerate() {
        let prompt = if finding.needs_root { '#' } else { '$' };
        row(if at == 0 { "commands" } else { "" }, &format!("{prompt} {line}"));
    }
    text + "\n"
}

fn by_class_text(by_class: &ByClass) -> String {
    let parts = Class::ALL
        .iter()
        .zip(by_class)
        .map(|(class, severity)| format!("{} {}", class.name(), severity.map_or("good", Severity::name)));
    parts.collect::<Vec<_>>().join(", ")
}

// --- JSON

/// The report as `--json` prints it.
pub fn to_json(report: &Report) -> Value {
    let findings: Vec<Value> = report.findings.iter().map(finding_json).collect();
    let verdicts: Vec<Value> = report
        .classes()
        .map(|class| {
            let tally = report.tally(class);
            json!({
                "class": class.name(),
                "title": class.title(),
                "verdict": tally.verdict().name(),
                "fatal": tally.fatal,
                "high": tally.high,
                "medium": tally.medium,
                "info": tally.info,
                "unknown": tally.unknown,
            })
        })
        .collect();
    json!({
        "machine": report.machine,
        "verdict": report.verdict().name(),
        "exit_status": exit_status(report.verdict()),
        "verdicts": verdicts,
        "findings": findings,
    })
}

fn finding_json(finding: &Finding) -> Value {
    let by_class: serde_json::Map<String, Value> = Class::ALL
        .iter()
        .zip(finding.by_class)
        .map(|(class, severity)| (class.name().to_owned(), json!(severity.map(Severity::name))))
        .collect();
    json!({
        "id": finding.id,
        "title": finding.title,
        "state": finding.state.name(),
        "severity": finding.severity.name(),
        "by_class": by_class,
        "found": finding.found,
        "expected": finding.expected,
        "why": finding.why,
        "remedy": finding.remedy,
        "commands": finding.commands.lines().collect::<Vec<_>>(),
        "apply": finding.apply.name(),
        "needs_root": finding.needs_root,
    })
}

// --- a script

fn to_script(report: &Report) -> String {
    let mut script = format!(
        "#!/bin/sh\n# Remedies for what `rtwasm doctor` found on {}.\n# Read it before you run it. Commands that need thought, \
         your own words for CAPITALS, or a reboot are commented out.\n# The others last until the next boot.\n",
        report.machine
    );
    let bad: Vec<&Finding> = report.findings.iter().filter(|finding| finding.state == State::Bad).collect();
    if bad.is_empty() {
        script += "\n# Nothing was found.\n";
    }
    for finding in bad {
        script += &format!(
            "\n# {}: {} ({})\n# found: {}\n# {}\n# {}\n",
            finding.id,
            finding.title,
            finding.severity.name(),
            finding.found,
            finding.why,
            finding.remedy
        );
        let note = match finding.apply {
            Apply::Now => None,
            Apply::WithThought => Some("with thought"),
            Apply::Reboot => Some("takes effect after a reboot"),
        };
        if finding.commands.is_empty() {
            continue;
        }
        if let Some(note) = note {
            script += &format!("# ({note}{})\n", if finding.needs_root { ", as root" } else { "" });
        }
        for line in finding.commands.lines() {
            script += &if note.is_some() { format!("# {line}\n") } else { format!("{line}\n") };
        }
    }
    script
}
