//! `rtwasm report`: writes everything about a machine's figures into one file for another reader, and compares two such files.
//!
//! The report is one JSON value; the Markdown is written from it. It does not identify its author: see [`Names`].

use std::fs;
use std::path::{Path, PathBuf};

use rtwasm::doctor::{self, Artifact, Class, State};
use rtwasm::stats::export::base64;
use rtwasm::sys::{clock, file};
use serde_json::{Map, Value, json};

use crate::args::{self, Arg, Args, Failure};
use crate::text::put;
use crate::workload::describe::{self, Options};
use crate::workload::guest_log;
use crate::workload::run::Length;
use crate::workload::source::{Code, Source};
use crate::{bench, compile, inspect, needs};

pub const HELP: &str = concat!(
    "rtwasm report: write one file about this machine and a module's speed on it

Usage: rtwasm report [MODULE] [OPTIONS]
       rtwasm report --compare A.json B.json

The report contains versions, CPU, kernel and the doctor's findings. For a module (.rtw, .wasm, .wat) it also contains
the facts about it (imports, proposals, sizes), its setup, and its cold, warm and steady figures, as `rtwasm bench`
measures them. It contains the module's code only with --include-module. It leaves out the names of users, of the
host and of home folders.

Options:
  -o, --output FILE     write the report to FILE: JSON if it ends in .json, otherwise Markdown; default: standard output
  --json                print JSON to the standard output
  --include-module      also include the module itself, in base64
  --compare A B         print the differences of two reports in JSON; figures within 10 % of each other are only counted
  --seconds S           run steady cycles for this time, above 0 and at most 1000000000; default 2
  --processes N         fresh processes for the cold figures, from 0 (no cold figures) to 1000; default 5
  -h, --help            print this text

",
    describe::options_help!(),
    "
Exit status: 0 written, 1 failed, 2 wrong usage.

Examples:
  rtwasm report reverb.wasm -o report.md
  rtwasm report reverb.wasm -o before.json
  rtwasm report --compare before.json after.json
"
);

/// The report's own format.
const FORMAT: u32 = 1;

struct Request {
    options: Options,
    output: Option<PathBuf>,
    json: bool,
    include_module: bool,
    compare: bool,
    others: Vec<PathBuf>,
    seconds: f64,
    processes: u32,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let request = parse(args)?;
    if request.compare {
        let [a, b] = request.others.as_slice() else {
            return Err(Failure::Usage("--compare takes two reports".into()));
        };
        return args::print(&compare(&read_report(a)?, &read_report(b)?));
    }
    let Some(report) = make(&request)? else { return Ok(()) };
    let as_json = request.json || request.output.as_ref().is_some_and(|path| path.extension().is_some_and(|e| e == "json"));
    let text = if as_json { format!("{report:#}\n") } else { to_markdown(&report) };
    match &request.output {
        Some(path) if !args::is_standard_stream(path) => {
            file::replace(path, text.as_bytes()).map_err(|error| Failure::about(path, error))
        }
        _ => args::print(&text),
    }
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let mut request = Request {
        options: Options::new(),
        output: None,
        json: false,
        include_module: false,
        compare: false,
        others: Vec::new(),
        seconds: 2.0,
        processes: 5,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => request.others.push(value.into()),
            Arg::Option(option) => match option.as_str() {
                "-o" | "--output" => {
                    let value = args.value()?;
                    args::set_once(&mut request.output, value, "output")?;
                }
                "--json" => request.json = true,
                "--include-module" => request.include_module = true,
                "--compare" => request.compare = true,
                "--seconds" => request.seconds = describe::positive(&option, &mut args)?,
                "--processes" => request.processes = describe::number(&option, &mut args, 0, 1000)?,
                _ if request.options.take(&option, &mut args)? => {}
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    if !request.compare {
        for module in std::mem::take(&mut request.others) {
            request.options.set_module(module.into())?;
        }
    }
    if request.include_module && request.options.module.is_none() {
        return Err(Failure::Usage("--include-module: missing module".into()));
    }
    Ok(request)
}

/// Makes the report. None if the options only list the module's functions.
fn make(request: &Request) -> Result<Option<Value>, Failure> {
    let mut report = json!({
        "format": FORMAT,
        "versions": {
            "rtwasm": env!("CARGO_PKG_VERSION"),
            "engine": rtwasm::engine::profile::ENGINE_VERSION,
            "architecture": std::env::consts::ARCH,
        },
        "machine": machine(),
    });
    let measured = match request.options.module.as_deref() {
        Some(path) => match measure(request, path)? {
            Some(measured) => Some(measured),
            None => return Ok(None),
        },
        None => None,
    };
    let artifact = measured
        .as_ref()
        .map(|(_, results)| Artifact { code_bytes: results.code.bytes.len() as u64, metadata: results.code.metadata.clone() });
    let options =
        doctor::Options { artifact, cpu: request.options.setup.cpu.map(|cpu| cpu as usize), ..doctor::Options::default() };
    report["doctor"] = doctor(&doctor::check(&options));
    if let Some((source, results)) = &measured {
        report["module"] = module(source, &results.code, request.include_module);
        report["figures"] = bench::to_json(results);
    }
    Names::of_this_user().take_out(&mut report);
    Ok(Some(report))
}

fn measure(request: &Request, path: &Path) -> Result<Option<(Source, bench::Results)>, Failure> {
    let source = Source::read(path)?;
    let _showing = guest_log::show(&source.name);
    let Some((code, workload)) = bench::code_and_workload(&source, &request.options, request.seconds)? else { return Ok(None) };
    let length = Length::Ns((request.seconds * 1e9) as u64);
    let results = bench::measure(&source, code, workload, &request.options.setup, length, request.processes)?;
    Ok(Some((source, results)))
}

fn machine() -> Value {
    let first_line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let calibration = clock::calibration();
    json!({
        "cpu": cpu,
        "cpus": std::thread::available_parallelism().map(usize::from).ok(),
        "cpu_features": rtwasm::engine::cpu_features::native(),
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "kernel_build": first_line("/proc/sys/kernel/version"),
        "clock": format!("{:?}", calibration.source).to_lowercase(),
        "clock_ns_per_tick": (calibration.ns_per_tick * 1e4).round() / 1e4,
    })
}

/// The verdicts, and every finding that is not good, by its id.
fn doctor(report: &doctor::Report) -> Value {
    let verdicts: Map<String, Value> =
        Class::ALL.iter().map(|class| (class.name().into(), json!(report.tally(*class).verdict().name()))).collect();
    let telling = report.findings.iter().filter(|finding| matches!(finding.state, State::Bad | State::Unknown));
    let findings: Map<String, Value> = telling
        .map(|finding| {
            let told = json!({
                "state": finding.state.name(),
                "severity": finding.severity.name(),
                "found": finding.found,
                "expected": finding.expected,
            });
            (finding.id.to_owned(), told)
        })
        .collect();
    json!({ "verdicts": verdicts, "findings": findings })
}

/// The facts about the module, from its artifact and, if given, from the module itself.
fn module(source: &Source, code: &Code, with_it: bool) -> Value {
    let metadata = &code.metadata;
    let externs = |list: &[rtwasm::engine::artifact::Extern]| -> Vec<String> {
        let name = |item: &rtwasm::engine::artifact::Extern| match item.module.as_str() {
            "" => item.name.clone(),
            module => format!("{module}.{}", item.name),
        };
        list.iter().map(|item| format!("{} {} {}", item.kind.name(), name(item), item.ty)).collect()
    };
    let read = rtwasm::engine::artifact::read(&code.bytes).ok();
    let notes = read.and_then(|artifact| artifact.opened.notes(artifact.part).ok()).unwrap_or_default();
    json!({
        "bytes": metadata.source_bytes,
        "sha256": inspect::hex(&notes.source_sha256),
        "artifact_bytes": code.bytes.len(),
        "engine": metadata.engine(),
        "profile": metadata.settings.profile.name(),
        "opt_level": metadata.opt_level,
        "budget": compile::budget_name(metadata.settings.interruption),
        "memory_reservation_bytes": metadata.settings.memory_reservation_bytes,
        "code_cpu_features": metadata.cpu_features,
        "functions": metadata.function_count,
        "memories": metadata.memories.iter().map(|m| json!({ "min_bytes": m.min_bytes, "max_bytes": m.max_bytes })).collect::<Vec<_>>(),
        "imports": externs(&metadata.imports),
        "exports": externs(&metadata.exports),
        "needs": needs::to_json(metadata, notes.needs.as_ref()),
        "base64": with_it.then(|| base64(&source.bytes)),
    })
}

/// Names that identify a user, a host or a place.
struct Names(Vec<(String, &'static str)>);

impl Names {
    fn of_this_user() -> Names {
        let from_environment = |name: &str| std::env::var(name).ok();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let mut names = Vec::new();
        names.extend(from_environment("HOME").map(|home| (home, "(home)")));
        names.extend(["USER", "LOGNAME"].into_iter().filter_map(from_environment).map(|user| (user, "(user)")));
        names.extend(host.map(|host| (host.trim().to_owned(), "(host)")));
        Names::new(names)
    }

    /// Leaves out common words, which identify nobody, and whose removal would.
    fn new(mut names: Vec<(String, &'static str)>) -> Names {
        names.retain(|(name, _)| name.len() >= 3 && !["root", "/root", "localhost", "linux"].contains(&name.as_str()));
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Names(names)
    }

    /// Removes the names from every text of the value; the field names are rtwasm's own.
    fn take_out(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.without(text),
            Value::Array(list) => list.iter_mut().for_each(|item| self.take_out(item)),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, item)| self.take_out(item)),
            _ => {}
        }
    }

    fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, word) in &self.0 {
            text = replace_word(&text, name, word);
        }
        without_homes(&text)
    }
}

/// Replaces `name` if it is not a part of a longer word.
fn replace_word(text: &str, name: &str, by: &str) -> String {
    let is_inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let last_before = before.chars().last().or_else(|| done.chars().last());
        let stands_alone = !is_inside(last_before) && !is_inside(after.chars().next());
        done += before;
        done += if stands_alone { by } else { name };
        rest = after;
    }
    done + rest
}

/// Replaces `/home/somebody` by `/home/(user)`, and removes the number of `user-1000.slice`.
fn without_homes(text: &str) -> String {
    let mut text = text.to_owned();
    for (prefix, by) in [("/home/", "(user)"), ("user-", "(number)"), ("user@", "(number)")] {
        let (mut done, mut rest) = (String::new(), text.as_str());
        while let Some(at) = rest.find(prefix) {
            let end = at + prefix.len();
            let name =
                rest[end..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).map_or(rest.len(), |n| end + n);
            let is_name = prefix == "/home/" || rest[end..name].bytes().all(|byte| byte.is_ascii_digit());
            done += &rest[..end];
            done += if is_name && name > end { by } else { &rest[end..name] };
            rest = &rest[name..];
        }
        text = done + rest;
    }
    text
}

// ---- Markdown

fn to_markdown(report: &Value) -> String {
    let mut text = "# rtwasm report\n".to_owned();
    for (section, value) in report.as_object().into_iter().flatten() {
        if let Value::Object(fields) = value {
            put(&mut text, format_args!("\n## {}\n\n", title(section)));
            let (tables, lines): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| value["p50"].is_number());
            lines.into_iter().for_each(|(name, value)| put_field(&mut text, name, value));
            put_distributions(&mut text, &tables);
        }
    }
    text
}

fn put_field(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(fields) if name == "findings" => put_findings(text, fields),
        Value::Object(fields) => {
            let inner: Vec<String> = fields.iter().map(|(name, value)| format!("{} {}", title(name), plain(value))).collect();
            put(text, format_args!("- {}: {}\n", title(name), inner.join(", ")));
        }
        Value::Array(list) if name == "suspects" => {
            put(text, format_args!("- suspects: {}\n", if list.is_empty() { "none" } else { "" }));
            for suspect in list {
                let part = |key: &str| plain(&suspect[key]);
                put(text, format_args!("  - {}: {}. Remedy: {}\n", part("id"), part("evidence"), part("remedy")));
            }
        }
        Value::String(base64) if name == "base64" => put(text, format_args!("- module, in base64:\n\n```\n{base64}\n```\n")),
        Value::Null => {}
        value => put(text, format_args!("- {}: {}\n", title(name), plain(value))),
    }
}

/// Distributions in ns, one a row.
fn put_distributions(text: &mut String, rows: &[(&String, &Value)]) {
    if rows.is_empty() {
        return;
    }
    const COLUMNS: [&str; 8] = ["count", "mean", "p50", "p90", "p95", "p99", "p999", "max"];
    put(text, format_args!("\n| ns | {} |\n|---{}|\n", COLUMNS.join(" | "), "|---:".repeat(COLUMNS.len())));
    for (name, distribution) in rows {
        let figures = COLUMNS.map(|column| plain(&distribution[column]));
        put(text, format_args!("| {} | {} |\n", title(name.trim_end_matches("_ns")), figures.join(" | ")));
    }
}

fn put_findings(text: &mut String, findings: &Map<String, Value>) {
    put(text, format_args!("\n| finding | severity | found | expected |\n|---|---|---|---|\n"));
    for (id, finding) in findings {
        let part = |key: &str| plain(&finding[key]).replace('|', "\\|").replace('\n', " ");
        let severity = if finding["state"] == "unknown" { "unknown".into() } else { part("severity") };
        put(text, format_args!("| {id} | {severity} | {} | {} |\n", part("found"), part("expected")));
    }
}

/// A value as text in a line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown or not set".into(),
        Value::Array(list) if list.is_empty() => "none".into(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => fields.iter().map(|(k, v)| format!("{} {}", title(k), plain(v))).collect::<Vec<_>>().join(" "),
        Value::Number(number) => match number.as_f64() {
            Some(value) if !number.is_u64() && !number.is_i64() => format!("{}", (value * 10.0).round() / 10.0),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn title(name: &str) -> String {
    name.replace('_', " ")
}

// ---- comparison

fn read_report(path: &Path) -> Result<Value, Failure> {
    let bytes = args::read(path)?;
    let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
    if parsed.as_ref().ok().is_none_or(|json| json["format"].as_u64().is_none()) {
        args::refuse_known(path, &bytes)?;
    }
    let report = parsed
        .map_err(|error| Failure::about(path, format_args!("not a report in JSON (rtwasm report -o NAME.json): {error}")))?;
    match report["format"].as_u64() {
        Some(format) if format == u64::from(FORMAT) => Ok(report),
        Some(format) => Err(Failure::about(path, format_args!("a report of format {format}; this command knows {FORMAT}"))),
        None => Err(Failure::about(path, "not a report of rtwasm")),
    }
}

/// Figures with a smaller difference are only counted.
const NEAR: f64 = 0.10;

fn compare(a: &Value, b: &Value) -> String {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    flatten("", a, &mut first);
    flatten("", b, &mut second);
    let of =
        |list: &[(String, Value)], path: &str| list.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone());
    let mut paths: Vec<&String> = first.iter().map(|(path, _)| path).collect();
    paths.extend(second.iter().map(|(path, _)| path).filter(|path| of(&first, path).is_none()));
    let (mut text, mut near, mut same) = (String::new(), 0, 0);
    for path in paths {
        match difference(of(&first, path), of(&second, path)) {
            Difference::None => same += 1,
            Difference::Near => near += 1,
            Difference::Told(told) => put(&mut text, format_args!("{path}: {told}\n")),
        }
    }
    let begin = if text.is_empty() { "no difference; " } else { "" };
    put(&mut text, format_args!("{begin}{same} entries are the same, {near} figures within {:.0} %\n", NEAR * 100.0));
    text
}

enum Difference {
    None,
    Near,
    Told(String),
}

fn difference(a: Option<Value>, b: Option<Value>) -> Difference {
    if a == b {
        return Difference::None;
    }
    let figures = a.as_ref().and_then(Value::as_f64).zip(b.as_ref().and_then(Value::as_f64));
    let told = |value: Option<Value>| value.as_ref().map_or("(not there)".into(), plain);
    match figures {
        Some((a, b)) if (a - b).abs() <= NEAR * a.abs().max(b.abs()) => Difference::Near,
        Some((x, y)) if x > 0.0 && y > 0.0 => Difference::Told(format!("{} -> {} (x{:.2})", told(a), told(b), y / x)),
        _ => Difference::Told(format!("{} -> {}", told(a), told(b))),
    }
}

/// Lists every single value with its path: `figures.steady_ns.p99`.
fn flatten(path: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, into)),
        Value::Array(list) if list.iter().any(|item| item["id"].is_string()) => {
            // By name, so that the order does not matter.
            list.iter().for_each(|item| flatten(&below(item["id"].as_str().unwrap_or("?")), item, into));
        }
        value => into.push((path.to_owned(), value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_out_and_words_stay() {
        let names = Names::new(vec![
            ("ada".into(), "(user)"),
            ("/srv/people/ada".into(), "(home)"),
            ("workbench".into(), "(host)"),
            ("root".into(), "(user)"),
        ]);
        for (text, without) in [
            ("ada@workbench:/srv/people/ada/x", "(user)@(host):(home)/x"),
            ("an adagio on workbenches", "an adagio on workbenches"),
            ("needs root", "needs root"),
            ("/home/eve/src and /home/", "/home/(user)/src and /home/"),
            ("/user.slice/user-1000.slice/user@1000.service", "/user.slice/user-(number).slice/user@(number).service"),
            ("user-defined", "user-defined"),
        ] {
            assert_eq!(names.without(text), without);
        }
        let mut value = json!({ "a": ["ada", { "b": "by ada" }], "n": 1 });
        names.take_out(&mut value);
        assert_eq!(value, json!({ "a": ["(user)", { "b": "by (user)" }], "n": 1 }));
    }

    #[test]
    fn comparing_tells_what_differs_and_counts_the_rest() {
        let a = json!({ "format": 1, "machine": { "kernel": "6.1" }, "figures": { "p50": 100.0, "p99": 200.0, "misses": 0 } });
        let b = json!({ "format": 1, "machine": { "kernel": "6.12" }, "figures": { "p50": 105.0, "p99": 400.0, "misses": 3 } });
        let told = compare(&a, &b);
        assert!(told.contains("machine.kernel: 6.1 -> 6.12\n"), "{told}");
        assert!(told.contains("figures.p99: 200 -> 400 (x2.00)\n") && told.contains("figures.misses: 0 -> 3\n"), "{told}");
        assert!(!told.contains("p50") && told.ends_with("1 entries are the same, 1 figures within 10 %\n"), "{told}");
        assert!(compare(&a, &a).starts_with("no difference; "));
        let with = |suspects: Value| json!({ "figures": { "suspects": suspects } });
        let told = compare(&with(json!([])), &with(json!([{ "id": "quota", "evidence": "3 times" }])));
        assert!(told.contains("figures.suspects.quota.evidence: (not there) -> 3 times"), "{told}");
    }
}
