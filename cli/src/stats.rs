//! `rtwasm stats`: shows, converts and compares the statistics that programs have exported.

use std::path::{Path, PathBuf};

use rtwasm::record::snapshot::Snapshot;
use rtwasm::stats::document::Document;
use rtwasm::stats::export::{self, Format, JSON_FORMAT, JSON_VERSION};
use rtwasm::stats::{Counter, Point, Report, Series, Worst, cause};
use rtwasm::sys::file;
use serde_json::Value;

use crate::args::{self, Arg, Args, Failure};
use crate::table;

pub const HELP: &str = "rtwasm stats: show, convert and compare statistics

Usage: rtwasm stats INPUT.json... [OPTIONS]

Reads statistics that a program has exported with RTW_EXPORT_JSON, and prints a table, or writes another format. Shows
several inputs side by side; HTML overlays their curves. - reads the standard input.

Options:
  -f, --format FORMAT  write this format instead of the table:
                         html         a page with tables and plots, in one file
                         hgrm         HdrHistogram's percentile distribution, of the first series; in us
                         hlog         HdrHistogram's interval log, one line a series and input; in ns
                         openmetrics  the text format that Prometheus reads
                         csv          the buckets
                         json         everything; for one input, or with --merge
  -o, --output FILE    write to FILE; - (default) is the standard output
  --series NAME        show only this series, such as call_time
  --merge              add up the calls and counters of all inputs
  -h, --help           print this text

Exit status: 0 done, 1 an input is not valid, 2 wrong usage.

Examples:
  rtwasm stats run.json
  rtwasm stats run.json --format html -o report.html
  rtwasm stats before.json after.json -f html -o compared.html
  rtwasm stats monday.json tuesday.json --merge -f json -o both.json
";

struct Request {
    inputs: Vec<PathBuf>,
    output: PathBuf,
    format: Option<Format>,
    series: Option<String>,
    merge: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let request = parse(args)?;
    let mut documents = request.inputs.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    if request.merge {
        let merged = documents.into_iter().reduce(|mut sum, document| {
            sum.merge(document);
            sum
        });
        documents = merged.into_iter().collect();
    }
    for document in &mut documents {
        export::keep_series(document, request.series.as_deref()).map_err(|error| Failure::Failed(error.message))?;
    }
    if let [document] = &mut documents[..] {
        document.label.clear();
    }
    let text = match request.format {
        None => table::of(&documents),
        Some(format) => export::write(format, &documents).map_err(|error| Failure::Failed(error.message))?,
    };
    if args::is_standard_stream(&request.output) {
        return args::print(&text);
    }
    file::replace(&request.output, text.as_bytes()).map_err(|error| Failure::about(&request.output, error))
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let (mut inputs, mut output, mut format, mut series, mut merge) = (vec![], None, None, None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => inputs.push(PathBuf::from(value)),
            Arg::Option(option) => match option.as_str() {
                "-f" | "--format" => {
                    let names = Format::ALL.map(|(_, name)| name).join(", ");
                    format = Some(args.one_of(&option, &names, Format::named)?);
                }
                "-o" | "--output" => {
                    let value = args.value()?;
                    args::set_once(&mut output, value, "output")?;
                }
                "--series" => series = Some(args.text()?),
                "--merge" => merge = true,
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    if inputs.is_empty() {
        return Err(Failure::Usage("missing input".into()));
    }
    if format == Some(Format::Json) && inputs.len() > 1 && !merge {
        return Err(Failure::Usage("--format json writes one document: use --merge for several inputs".into()));
    }
    Ok(Request { inputs, output: output.unwrap_or_else(|| "-".into()), format, series, merge })
}

fn read(path: &Path) -> Result<Document, Failure> {
    let bytes = args::read(path)?;
    let json: Result<Value, _> = serde_json::from_slice(&bytes);
    if json.as_ref().ok().is_none_or(|json| json["format"] != JSON_FORMAT) {
        args::refuse_known(path, &bytes)?;
    }
    let json = json.map_err(|error| Failure::about(path, format_args!("not JSON: {error}")))?;
    let mut document = document(&json).map_err(|what| Failure::about(path, what))?;
    document.label = path.file_stem().unwrap_or(path.as_os_str()).display().to_string();
    Ok(document)
}

/// A result, or what is wrong with an input, in words.
type Read<T> = Result<T, String>;

fn document(json: &Value) -> Read<Document> {
    if json["format"] != JSON_FORMAT {
        return Err(format!("not statistics of rtwasm: \"format\" is {}, not \"{JSON_FORMAT}\"", json["format"]));
    }
    if json["version"] != JSON_VERSION {
        return Err(format!("unknown version {} of the statistics; this command reads {JSON_VERSION}", json["version"]));
    }
    let ns_per_tick = json["ns_per_tick"].as_f64().filter(|ns| ns.is_finite() && *ns > 0.0);
    // Files of older versions lack the step.
    let ticks_per_step = if json["ticks_per_step"].is_null() { 1 } else { number(json, "ticks_per_step")? };
    let environment = json["environment"].as_object().ok_or("\"environment\" is not an object")?;
    Ok(Document {
        label: String::new(),
        taken_realtime_ns: number(json, "taken_realtime_ns")?,
        ns_per_tick: ns_per_tick.ok_or("\"ns_per_tick\" is not a positive number")?,
        ticks_per_step,
        environment: environment.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect(),
        reports: each(json, "reports", report)?,
    })
}

fn report(json: &Value) -> Read<Report> {
    Ok(Report {
        kind: kept(json, "kind")?,
        name: text(json, "name")?.to_owned(),
        since_realtime_ns: number(json, "since_realtime_ns")?,
        duration_ns: number(json, "duration_ns")?,
        counters: each(json, "counters", |json| {
            Ok(Counter { name: kept(json, "name")?, help: kept(json, "help")?, value: number(json, "value")? })
        })?,
        series: each(json, "series", |json| {
            let name = kept(json, "name")?;
            let snapshot = snapshot(json).map_err(|what| format!("series \"{name}\": {what}"))?;
            Ok(Series { name, help: kept(json, "help")?, snapshot })
        })?,
        timeline: each(json, "timeline", |json| {
            let [at_ns, count, max_ns] = numbers(json)?;
            Ok(Point { at_ns, count, max_ns })
        })?,
        worst: each(json, "worst", |json| {
            Ok(Worst {
                at_realtime_ns: number(json, "at_realtime_ns")?,
                call_ns: number(json, "call_ns")?,
                response_ns: number(json, "response_ns")?,
                causes: each(json, "causes", cause_of)?.into_iter().sum(),
            })
        })?,
    })
}

fn snapshot(json: &Value) -> Read<Snapshot> {
    let mut snapshot = Snapshot::empty();
    for [low, high, count] in each(json, "buckets", numbers)? {
        if !snapshot.fill(low, count) {
            return Err(format!("no bucket begins with {low} and has room for {count} values"));
        }
        if snapshot.occupied().find(|(known, _, _)| *known == low).is_none_or(|(_, end, _)| end != high) {
            return Err(format!("the bucket that begins with {low} does not end with {high}"));
        }
    }
    snapshot.overflows = number(json, "overflows")?;
    snapshot.count = snapshot.count.checked_add(snapshot.overflows).ok_or("more values than can be counted")?;
    if snapshot.count != number(json, "count")? {
        return Err(format!("\"count\" is {}; the buckets hold {}", json["count"], snapshot.count));
    }
    snapshot.calls.faults = number(json, "faults")?;
    snapshot.calls.arena_peak = number(json, "arena_peak_bytes")?;
    snapshot.last = number(json, "last_ticks")?;
    snapshot.sum = number(json, "sum_ticks")?;
    if snapshot.count != 0 {
        (snapshot.min, snapshot.max) = (number(json, "min_ticks")?, number(json, "max_ticks")?);
        let (min, max) = (snapshot.min, snapshot.max);
        snapshot.reconcile();
        if (min, max) != (snapshot.min, snapshot.max) {
            return Err(format!("{min} to {max} is not the range of the values in the buckets"));
        }
    }
    Ok(snapshot)
}

fn number(json: &Value, name: &str) -> Read<u64> {
    json[name].as_u64().ok_or_else(|| format!("\"{name}\" is {}, not a whole number", json[name]))
}

fn numbers<const N: usize>(json: &Value) -> Read<[u64; N]> {
    let numbers = json.as_array().map(|list| list.iter().filter_map(Value::as_u64).collect::<Vec<_>>());
    numbers.and_then(|list| list.try_into().ok()).ok_or_else(|| format!("{json} is not a list of {N} whole numbers"))
}

fn text<'a>(json: &'a Value, name: &str) -> Read<&'a str> {
    json[name].as_str().ok_or_else(|| format!("\"{name}\" is {}, not a text", json[name]))
}

/// Report names are static in the program; a name from a file lives as long as the command.
fn kept(json: &Value, name: &str) -> Read<&'static str> {
    Ok(text(json, name)?.to_owned().leak())
}

fn each<T>(json: &Value, name: &str, of: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    json[name].as_array().ok_or_else(|| format!("\"{name}\" is not a list"))?.iter().map(of).collect()
}

fn cause_of(json: &Value) -> Read<u32> {
    let known = cause::NAMES.iter().find(|(_, name)| json == name);
    known.map(|(bit, _)| *bit).ok_or_else(|| format!("{json} is not a known cause"))
}
