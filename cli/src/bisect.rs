//! `rtwasm bisect`: one workload over many choices, one changed at a time, to find out which of them matters.

use std::fmt::Write;
use std::io::IsTerminal;

use rtwasm::engine::profile::Variations;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{self, Arg, Args, Failure};
use crate::bench;
use crate::workload::cold::Phases;
use crate::workload::describe::{self, Compilation, Options, Workload};
use crate::workload::diagnosis::{self, Findings, Suspect, nanoseconds};
use crate::workload::evidence::Evidence;
use crate::workload::rounds::{self, Entrant, Plan, Turn};
use crate::workload::source::{Code, Source};
use crate::workload::stats::{self, Estimate, Verdict};
use crate::workload::variants::{self, Skipped, Variant};

pub const HELP: &str = concat!(
    "rtwasm bisect: find out which choice makes a workload slow or late

Usage: rtwasm bisect MODULE [OPTIONS]

Runs the same workload as the options say (the baseline), and once for every other choice there is, one changed at a
time: optimisation, budget, traps by signal or by checks, allocation on demand or from a pool, memory images
copied or mapped copy-on-write, tables filled at once or lazily, prepared or not, pinned or not, SCHED_FIFO or not,
denormals kept or flushed. They take turns in many short rounds, in shuffled order, so that a machine that changes
changes for all. Each is told as a ratio to the baseline of the same round, in the mean and in the tail, with an
interval, and ranked. The baseline's twin, which is the same again, tells how much of all this is noise.

MODULE is a module (.wasm, .wat); of an artifact (.rtw) only what is chosen at run time can be tried.

",
    describe::options_help!(),
    "How long:
  --time S              of the rounds, about; default 100
  --processes N         rounds of fresh processes, for what shows there; default 20, 0 leaves them out

Other options:
  --only LIST           only these choices, by their first word: denormals,scheduling
  --json                as JSON
  -q, --quiet           no progress on a terminal
  -h, --help            this text

Periodic and audio scenarios run without pauses here; `rtwasm bench` keeps their time.

Exit status: 0 measured, whatever the figures; 1 failed; 2 wrong usage.

Examples:
  rtwasm bisect reverb.wasm
  rtwasm bisect gain.wasm --func gain --args i32:128,f32:0.5 --budget epoch --only budget
"
);

struct Request {
    options: Options,
    time_s: f64,
    processes: usize,
    only: Option<Vec<String>>,
    json: bool,
    quiet: bool,
}

/// Differences that are of no practical interest, however sure, by [`METRICS`].
const PRACTICAL: [f64; COUNT] = [0.03, 0.03, 0.10, 0.25];
const PRACTICAL_FRESH: f64 = 0.25;

/// A figure of one variant against the baseline's.
#[derive(Clone, Copy, Debug, Serialize)]
struct Effect {
    #[serde(flatten)]
    ratio: Estimate,
    verdict: Verdict,
}

/// Where an effect is looked for.
const METRICS: [&str; COUNT] = ["mean", "p50", "p99", "max"];
const COUNT: usize = 4;
const FIGURES: [fn(&Turn) -> f64; COUNT] = [|turn| turn.mean, |turn| turn.p50, |turn| turn.p99, |turn| turn.max];
const FRESH_METRICS: [&str; 2] = ["first cycle", "start to first cycle done"];
const FRESH_FIGURES: [fn(&Phases) -> f64; 2] = [|phases| phases.first_cycle, Phases::total];

/// A row of the result.
struct Row {
    name: String,
    /// By [`METRICS`].
    effects: [Effect; COUNT],
    /// By [`FRESH_METRICS`].
    fresh: Option<[Effect; 2]>,
    meaning: &'static str,
}

struct Outcome {
    workload: Workload,
    baseline: String,
    /// Of the baseline: the medians over rounds, by [`METRICS`].
    figures: [f64; COUNT],
    plan: Plan,
    processes: usize,
    rows: Vec<Row>,
    /// The smallest factors that count, by [`METRICS`] and [`FRESH_METRICS`].
    floors: [f64; COUNT],
    fresh_floors: Option<[f64; 2]>,
    skipped: Vec<Skipped>,
    suspects: Vec<Suspect>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let request = parse(args)?;
    let path = request.options.module.clone().ok_or_else(|| Failure::Usage("no module given".into()))?;
    let source = Source::read(&path)?;
    let outcome = find_out(&source, &request)?;
    if request.json {
        return args::print(&format!("{:#}\n", to_json(&outcome)));
    }
    args::print(&to_text(&source.name, &outcome))
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let options = Options::new();
    let mut request = Request { options, time_s: 100.0, processes: 20, only: None, json: false, quiet: false };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => request.options.set_module(value)?,
            Arg::Option(option) => match option.as_str() {
                "--time" => request.time_s = describe::positive(&option, &mut args)?,
                "--processes" => request.processes = describe::number(&option, &mut args, 0, 1000)?,
                "--only" => request.only = Some(args.text()?.split(',').map(|word| word.trim().to_owned()).collect()),
                "--json" => request.json = true,
                "-q" | "--quiet" => request.quiet = true,
                _ if request.options.take(&option, &mut args)? => {}
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    if (1..stats::FEWEST).contains(&request.processes) {
        return Err(Failure::Usage(format!(
            "--processes: fewer than {} rounds tell nothing; 0 leaves them out",
            stats::FEWEST
        )));
    }
    Ok(request)
}

fn find_out(source: &Source, request: &Request) -> Result<Outcome, Failure> {
    let (baseline, workload) = bench::code_and_workload(source, &request.options)?;
    let how = baseline.compilation();
    let (mut variants, mut skipped) = variants::matrix(source, how, &request.options.setup);
    if let Some(only) = &request.only {
        keep_only(only, &mut variants, &mut skipped)?;
    }
    let entrants = enter(source, variants, &mut skipped, &workload)?;

    let cycles: Vec<f64> = entrants.iter().map(|entrant| entrant.cycle_ns).collect();
    let mut plan = Plan::new(request.time_s * 1e9, &cycles);
    let progress = Progress::new(request.quiet);
    let turns =
        rounds::run(&entrants, &workload, plan, request.time_s * 1e9, |round| progress.show("round", round, plan.rounds));
    let turns = turns.map_err(|error| source.failure(&error))?;
    plan.rounds = turns[0].len();
    let fresh = rounds::run_fresh(&entrants, &workload, request.processes, |round| {
        progress.show("round of fresh processes", round, request.processes);
    })?;
    progress.end();

    let figures = FIGURES.map(|figure| stats::median(&turns[0].iter().map(figure).collect::<Vec<_>>()));
    let (floors, fresh_floors) = what_counts(&turns, &fresh);
    let rows = judge(&entrants, &turns, &fresh, &floors, fresh_floors);
    Ok(Outcome {
        workload,
        baseline: variants::text(how, &request.options.setup),
        figures,
        plan,
        processes: request.processes,
        rows,
        floors,
        fresh_floors,
        skipped,
        suspects: suspects(&entrants[0], &turns[0]),
    })
}

/// Leaves out what was not asked for; the baseline and its twin stay.
fn keep_only(only: &[String], variants: &mut Vec<Variant>, skipped: &mut Vec<Skipped>) -> Result<(), Failure> {
    let known = |word: &str| {
        variants.iter().skip(2).any(|v| v.choice == word) || skipped.iter().any(|s| s.name.split(' ').next() == Some(word))
    };
    if let Some(unknown) = only.iter().find(|word| !known(word)) {
        let mut choices: Vec<&str> = variants.iter().skip(2).map(|variant| variant.choice).collect();
        choices.dedup();
        return Err(Failure::Usage(format!("--only {unknown}: the choices are {}", choices.join(", "))));
    }
    let wanted = |choice: &str| only.iter().any(|word| word == choice);
    let mut at = 0;
    variants.retain(|variant| {
        at += 1;
        at <= 2 || wanted(variant.choice)
    });
    skipped.retain(|skipped| skipped.name.split(' ').next().is_some_and(wanted));
    Ok(())
}

/// Compiles and tries every variant; what cannot be run is skipped, with the reason. The baseline has to.
fn enter(
    source: &Source,
    variants: Vec<Variant>,
    skipped: &mut Vec<Skipped>,
    workload: &Workload,
) -> Result<Vec<Entrant>, Failure> {
    let mut codes: Vec<(Compilation, Variations, Code)> = Vec::new();
    let mut entrants = Vec::new();
    for variant in variants {
        // How instances are allocated does not enter the code.
        let variations = Variations { pooling: false, ..variant.setup.variations() };
        let known = codes.iter().find(|(how, varied, _)| (*how, *varied) == (variant.how, variations));
        let code = match known {
            Some((_, _, code)) => Ok(code.clone()),
            None => source.varied_code(variant.how, variations),
        };
        let name = variant.name();
        let entered = code.and_then(|code| {
            codes.push((variant.how, variations, code.clone()));
            Entrant::new(variant, code, workload).map_err(|error| source.failure(&error))
        });
        match entered {
            Ok(entrant) => entrants.push(entrant),
            Err(failure) if entrants.len() < 2 => return Err(failure),
            Err(failure) => skipped.push(Skipped { name, reason: reason(failure, source) }),
        }
    }
    Ok(entrants)
}

/// Why, without the module's name, which stands above.
fn reason(failure: Failure, source: &Source) -> String {
    match failure {
        Failure::Usage(reason) | Failure::Failed(reason) => {
            reason.strip_prefix(&format!("{}: ", source.name)).unwrap_or(&reason).to_owned()
        }
        _ => "it failed".into(),
    }
}

/// What counts, by [`METRICS`] and [`FRESH_METRICS`]: told by the twin, which is the second.
fn what_counts(turns: &[Vec<Turn>], fresh: &[Vec<Phases>]) -> ([f64; COUNT], Option<[f64; 2]>) {
    let floors = std::array::from_fn(|at| stats::floor(PRACTICAL[at], &ratios(&turns[0], &turns[1], FIGURES[at])));
    let of_fresh = |figure| stats::floor(PRACTICAL_FRESH, &ratios(&fresh[0], &fresh[1], figure));
    (floors, (!fresh[0].is_empty()).then(|| FRESH_FIGURES.map(of_fresh)))
}

/// Every variant against the baseline, which is the first.
fn judge(
    entrants: &[Entrant],
    turns: &[Vec<Turn>],
    fresh: &[Vec<Phases>],
    floors: &[f64; COUNT],
    fresh_floors: Option<[f64; 2]>,
) -> Vec<Row> {
    let effect = |ratio: Estimate, floor: f64| Effect { ratio, verdict: Verdict::of(&ratio, floor) };
    let row = |at: usize| {
        let effects = std::array::from_fn(|i| effect(ratios(&turns[0], &turns[at], FIGURES[i]), floors[i]));
        let fresh = fresh_floors
            .filter(|_| !fresh[at].is_empty())
            .map(|floors| std::array::from_fn(|i| effect(ratios(&fresh[0], &fresh[at], FRESH_FIGURES[i]), floors[i])));
        let variant = &entrants[at].variant;
        Row { name: variant.name(), effects, fresh, meaning: meaning(variant, &effects, fresh.as_ref()) }
    };
    let mut rows: Vec<Row> = (1..entrants.len()).map(row).collect();
    rows.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    rows
}

fn ratios<T>(baseline: &[T], other: &[T], figure: fn(&T) -> f64) -> Estimate {
    Estimate::of(baseline.iter().zip(other).map(|(base, other)| figure(other) / figure(base).max(1.0)).collect())
}

/// What the first verdict that is one means.
fn meaning(variant: &Variant, effects: &[Effect; COUNT], fresh: Option<&[Effect; 2]>) -> &'static str {
    let first = effects.iter().chain(fresh.into_iter().flatten()).find(|effect| effect.verdict != Verdict::Noise);
    first.map_or("", |effect| variant.meaning(effect.verdict == Verdict::Faster))
}

impl Row {
    /// For the order: what is sure comes first, then how much it is.
    fn weight(&self) -> f64 {
        let weight = |effect: &Effect| effect.ratio.median.ln().abs();
        let sure = self.effects.iter().chain(self.fresh.iter().flatten()).filter(|effect| effect.verdict != Verdict::Noise);
        match sure.map(weight).reduce(f64::max) {
            Some(most) => most,
            None => weight(&self.effects[0]) - 1000.0,
        }
    }

    fn is_noise(&self) -> bool {
        self.effects.iter().chain(self.fresh.iter().flatten()).all(|effect| effect.verdict == Verdict::Noise)
    }
}

/// What the system counted during the baseline's turns points to.
fn suspects(baseline: &Entrant, turns: &[Turn]) -> Vec<Suspect> {
    let evidence = turns.iter().fold(Evidence::default(), |sum, turn| sum.plus(&turn.evidence));
    diagnosis::suspects(&Findings {
        metadata: &baseline.code.metadata,
        setup: &baseline.variant.setup,
        period_ns: None,
        first_evidence: None,
        steady: None,
        wake_up: None,
        misses: 0,
        evidence: &evidence,
        fresh: None,
        denormals: None,
    })
}

/// One line on the standard error, overwritten, where somebody looks at it.
struct Progress {
    visible: bool,
}

impl Progress {
    fn new(quiet: bool) -> Progress {
        Progress { visible: !quiet && std::io::stderr().is_terminal() }
    }

    fn show(&self, what: &str, at: usize, of: usize) {
        if self.visible {
            eprint!("\r\x1b[K{what} {} of {of}", at + 1);
        }
    }

    fn end(&self) {
        if self.visible {
            eprint!("\r\x1b[K");
        }
    }
}

fn to_json(outcome: &Outcome) -> Value {
    let rows: Vec<Value> = outcome.rows.iter().map(row_json).collect();
    let skipped: Vec<Value> =
        outcome.skipped.iter().map(|skipped| json!({ "name": skipped.name, "reason": skipped.reason })).collect();
    let named = |names: &[&str], values: &[f64]| -> Value {
        names
            .iter()
            .zip(values)
            .map(|(name, value)| (name.replace(' ', "_"), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let factors = |floors: &[f64]| floors.iter().map(|floor| floor.exp()).collect::<Vec<_>>();
    json!({
        "workload": outcome.workload.text(),
        "baseline": outcome.baseline,
        "baseline_ns": named(&METRICS, &outcome.figures),
        "rounds": outcome.plan.rounds,
        "cycles": outcome.plan.cycles,
        "processes": outcome.processes,
        "confidence": stats::CONFIDENCE,
        "noise": named(&METRICS, &factors(&outcome.floors)),
        "noise_fresh": outcome.fresh_floors.map(|floors| named(&FRESH_METRICS, &factors(&floors))),
        "variants": rows,
        "skipped": skipped,
        "suspects": outcome.suspects,
    })
}

fn row_json(row: &Row) -> Value {
    let mut value = json!({ "name": row.name, "within_noise": row.is_noise() });
    for (name, effect) in METRICS.iter().zip(&row.effects) {
        value[*name] = json!(effect);
    }
    for (name, effect) in FRESH_METRICS.iter().zip(row.fresh.iter().flatten()) {
        value[name.replace(' ', "_")] = json!(effect);
    }
    value
}

fn to_text(name: &str, outcome: &Outcome) -> String {
    let mut text = format!("{name}: {}\nbaseline: {}\n", outcome.workload.text(), outcome.baseline);
    let figures: Vec<String> =
        METRICS.iter().zip(outcome.figures).map(|(name, ns)| format!("{name} {}", nanoseconds(ns))).collect();
    put(&mut text, format_args!("          {}: medians over rounds\n", figures.join(", ")));
    put(
        &mut text,
        format_args!(
            "{} rounds of {} cycles for each. Ratios to the baseline: median over rounds [{:.1} % interval]; ~ within noise\n",
            outcome.plan.rounds,
            outcome.plan.cycles,
            stats::CONFIDENCE * 100.0
        ),
    );
    if outcome.plan.cycles < 100 {
        put(&mut text, format_args!("(with fewer than 100 cycles in a round, p99 is the maximum)\n"));
    }
    text.push('\n');
    table(&mut text, &METRICS, outcome.rows.iter().map(|row| (row.name.as_str(), &row.effects[..])));
    put_floors(&mut text, &METRICS, &outcome.floors);
    if let Some(fresh_floors) = &outcome.fresh_floors {
        put(&mut text, format_args!("\nin {} fresh processes for each\n", outcome.processes));
        let rows = outcome.rows.iter().filter_map(|row| Some((row.name.as_str(), &row.fresh.as_ref()?[..])));
        table(&mut text, &FRESH_METRICS, rows);
        put_floors(&mut text, &FRESH_METRICS, fresh_floors);
    }
    conclusions(&mut text, outcome);
    text
}

fn table<'a>(text: &mut String, metrics: &[&str], rows: impl Iterator<Item = (&'a str, &'a [Effect])>) {
    let heading: String = metrics.iter().map(|metric| format!("   {metric:<23}")).collect();
    put(text, format_args!("{:<24}{}\n", "", heading.trim_end()));
    for (name, effects) in rows {
        let cells: String = effects.iter().map(cell).collect();
        put(text, format_args!("{name:<24}{}\n", cells.trim_end()));
    }
}

/// `~ 0.967 [0.733 1.136]`, at its width.
fn cell(effect: &Effect) -> String {
    let mark = if effect.verdict == Verdict::Noise { "~" } else { " " };
    let Estimate { median, low, high } = effect.ratio;
    format!(" {mark} {:<23}", format!("{median:.3} [{low:.3} {high:.3}]"))
}

fn put_floors(text: &mut String, metrics: &[&str], floors: &[f64]) {
    let list: Vec<String> =
        metrics.iter().zip(floors).map(|(metric, floor)| format!("{metric} {:.0} %", floor.exp_m1() * 100.0)).collect();
    put(text, format_args!("noise, from the twin: {}\n", list.join(", ")));
}

fn conclusions(text: &mut String, outcome: &Outcome) {
    let (noise, sure): (Vec<&Row>, Vec<&Row>) = outcome.rows.iter().partition(|row| row.is_noise());
    put(text, format_args!("\nwhat matters, most first:{}\n", if sure.is_empty() { " nothing that was tried" } else { "" }));
    for row in sure {
        let meaning = if row.meaning.is_empty() { String::new() } else { format!(": {}", row.meaning) };
        put(text, format_args!("  {} ({}){meaning}\n", row.name, verdicts(row)));
    }
    let names: Vec<&str> = noise.iter().map(|row| row.name.as_str()).collect();
    put(text, format_args!("within noise: {}\n", if names.is_empty() { "none".into() } else { names.join(", ") }));
    for skipped in &outcome.skipped {
        put(text, format_args!("not tried: {}: {}\n", skipped.name, skipped.reason));
    }
    put(text, format_args!("\nthe baseline's turns, {}", bench::suspects_text(&outcome.suspects)));
}

/// `mean x0.41 faster, p99 x0.45 faster`.
fn verdicts(row: &Row) -> String {
    let all = METRICS.iter().zip(&row.effects).chain(FRESH_METRICS.iter().zip(row.fresh.iter().flatten()));
    let sure = all.filter(|(_, effect)| effect.verdict != Verdict::Noise);
    sure.map(|(name, effect)| format!("{name} x{:.2}", effect.ratio.median)).collect::<Vec<_>>().join(", ")
}

/// Appends; a string takes everything.
fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
