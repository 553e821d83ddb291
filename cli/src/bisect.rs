//! `rtwasm bisect`: runs one workload with variants that change one setting each, to find the settings that matter.

use std::io::IsTerminal;

use rtwasm::engine::profile::Variations;
use rtwasm::status::Error;
use rtwasm::sys::clock;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{self, Arg, Args, Failure};
use crate::bench;
use crate::text::put;
use crate::workload::cold::Phases;
use crate::workload::describe::{self, Compilation, Options, Workload};
use crate::workload::diagnosis::{self, Findings, Slowed, Suspect, nanoseconds};
use crate::workload::evidence::Evidence;
use crate::workload::guest::Guest;
use crate::workload::rounds::{self, Entrant, Figures, Plan, Race, Turn};
use crate::workload::source::{Code, Source};
use crate::workload::stats::{self, Estimate, Verdict};
use crate::workload::variants::{self, Skipped, Variant};

pub const HELP: &str = concat!(
    "rtwasm bisect: find out which setting makes a workload slow or late

Usage: rtwasm bisect MODULE [OPTIONS]

Runs the workload with the given options (the baseline), and with variants that each change one setting: optimisation,
budget, traps by signal or by checks, allocation on demand or from a pool, memory images copied or mapped
copy-on-write, tables filled at once or lazily, prepared or not, pinned or not, SCHED_FIFO or not, denormals kept or
flushed, growth of memories refused or allowed. The variants take turns in many short rounds, in shuffled order, so
that a change of the machine affects all of them. The report ranks the variants by their ratio to the baseline of the
same round, in the mean and in the tail, with an interval. The twin is the baseline a second time: its difference is
noise. A variant that is neither clearly different nor clearly within noise is inconclusive, and gets more rounds.

MODULE is a module (.wasm, .wat). For an artifact (.rtw), bisect tries only the settings that apply at run time.

",
    describe::options_help!(),
    "How long:
  --time S              approximate time of all rounds, above 0 and at most 1000000000; the last third is for
                        inconclusive variants; default 150
  --processes N         rounds of fresh processes, for settings that matter only at the start: 0 (none),
                        or from 11 to 1000 (fewer prove nothing); default 40

Other options:
  --only LIST           try only these settings, by their first word: denormals,scheduling
  --json                print JSON
  -q, --quiet           print no progress on a terminal
  -h, --help            print this text

bisect runs periodic and audio scenarios without pauses; `rtwasm bench` keeps their time.

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

/// A figure of a turn, and the difference that is of practical interest, however certain a smaller one is.
struct Metric {
    name: &'static str,
    of: fn(&Figures) -> f64,
    practical: f64,
}

/// The number of figures.
const COUNT: usize = 4;

/// The mean, the median, the tail and the maximum. The tail is the farthest percentile that a turn's cycles reach without being
/// their maximum.
fn metrics(cycles: usize) -> [Metric; COUNT] {
    let tail = if cycles < 100 {
        Metric { name: "p95", of: |figures| figures.p95, practical: 0.15 }
    } else {
        Metric { name: "p99", of: |figures| figures.p99, practical: 0.15 }
    };
    [
        Metric { name: "mean", of: |figures| figures.mean, practical: 0.05 },
        Metric { name: "p50", of: |figures| figures.p50, practical: 0.03 },
        tail,
        Metric { name: "max", of: |figures| figures.max, practical: 0.50 },
    ]
}

const PRACTICAL_FRESH: f64 = 0.25;

/// A figure of one variant compared with the baseline's.
#[derive(Clone, Copy, Debug, Serialize)]
struct Effect {
    #[serde(flatten)]
    ratio: Estimate,
    verdict: Verdict,
}

impl Effect {
    fn of(ratio: Estimate, floor: f64) -> Effect {
        Effect { ratio, verdict: Verdict::of(&ratio, floor) }
    }
}

const FRESH_METRICS: [&str; 2] = ["first cycle", "start to first cycle done"];
const FRESH_FIGURES: [fn(&Phases) -> f64; 2] = [|phases| phases.first_cycle, Phases::total];

/// A row of the result.
struct Row {
    name: String,
    /// In the order of [`metrics`].
    effects: [Effect; COUNT],
    at_full_speed: bool,
    /// In the order of [`FRESH_METRICS`].
    fresh: Option<[Effect; 2]>,
    meaning: &'static str,
}

struct More {
    rounds: usize,
    variants: usize,
}

struct Outcome {
    workload: Workload,
    baseline: String,
    metrics: [Metric; COUNT],
    /// The baseline's medians over rounds, in the order of [`metrics`].
    figures: [f64; COUNT],
    plan: Plan,
    /// The additional rounds of the baseline, its twin and inconclusive variants.
    more: Option<More>,
    processes: usize,
    rows: Vec<Row>,
    /// The smallest factors that count, in the order of [`metrics`] and [`FRESH_METRICS`]; they are smaller for variants with
    /// additional rounds.
    floors: Floors,
    fresh_floors: Option<[f64; 2]>,
    skipped: Vec<Skipped>,
    slowed: Slowed,
    suspects: Vec<Suspect>,
}

impl Outcome {
    fn names(&self) -> [&'static str; COUNT] {
        self.metrics.each_ref().map(|metric| metric.name)
    }
}

pub fn run(args: Args) -> Result<(), Failure> {
    let request = parse(args)?;
    let path = request.options.module.clone().ok_or_else(|| Failure::Usage("missing module".into()))?;
    let source = Source::read(&path)?;
    let Some(outcome) = find_out(&source, &request)? else { return Ok(()) };
    if request.json {
        return args::print(&format!("{:#}\n", to_json(&outcome)));
    }
    args::print(&to_text(&source.name, &outcome))
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let options = Options::new();
    let mut request = Request { options, time_s: 150.0, processes: 40, only: None, json: false, quiet: false };
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
            "--processes {}: expected 0 (none), or a whole number from {} to 1000: fewer rounds prove nothing",
            request.processes,
            stats::FEWEST
        )));
    }
    Ok(request)
}

fn find_out(source: &Source, request: &Request) -> Result<Option<Outcome>, Failure> {
    // A call that takes a tenth of the time leaves nothing to compare.
    let found = bench::code_and_workload(source, &request.options, request.time_s / 10.0)?;
    let Some((baseline, workload)) = found else { return Ok(None) };
    Guest::trial(&baseline, &workload, &request.options.setup).map_err(|error| source.failure(&error))?;
    let how = baseline.compilation();
    let (mut variants, mut skipped) = variants::matrix(source, how, &request.options.setup);
    if let Some(only) = &request.only {
        keep_only(only, &mut variants, &mut skipped)?;
    }
    let entrants = enter(source, variants, &mut skipped, &workload)?;

    let progress = Progress::new(request.quiet);
    let contest = contest(&entrants, &workload, request.time_s * 1e9, &progress).map_err(|error| source.failure(&error))?;
    let Contest { plan, metrics, turns, more } = contest;
    let fresh = rounds::run_fresh(&entrants, &workload, request.processes, |round| {
        progress.show("round of fresh processes", round, request.processes);
    })?;
    progress.end();

    let baseline = pairs(&turns[0], &turns[1]).pairs;
    let figures = metrics.each_ref().map(|metric| {
        let of_rounds: Vec<f64> = baseline.iter().map(|(baseline, _)| (metric.of)(baseline)).collect();
        stats::median(&of_rounds)
    });
    let floors = Floors::of(&metrics, &turns, plan.rounds);
    let fresh_floors = what_counts_fresh(&fresh);
    let rows = judge(&entrants, &metrics, &turns, &fresh, fresh_floors);
    Ok(Some(Outcome {
        workload,
        baseline: variants::text(how, &request.options.setup),
        metrics,
        figures,
        plan,
        more,
        processes: request.processes,
        rows,
        floors,
        fresh_floors,
        skipped,
        slowed: slowed(&turns),
        suspects: suspects(&entrants[0], &turns),
    }))
}

/// The results of all rounds.
struct Contest {
    /// The plan, with the actual number of rounds.
    plan: Plan,
    metrics: [Metric; COUNT],
    turns: Vec<Vec<Turn>>,
    more: Option<More>,
}

/// The share of the time for rounds of all variants; the rest is for inconclusive ones.
const FOR_ALL: f64 = 2.0 / 3.0;

fn contest(entrants: &[Entrant], workload: &Workload, time_ns: f64, progress: &Progress) -> Result<Contest, Error> {
    let begin_ns = clock::monotonic_ns();
    let end_ns = |share: f64| begin_ns + (time_ns * share) as u64;
    let cycles: Vec<f64> = entrants.iter().map(|entrant| entrant.cycle_ns).collect();
    let mut plan = Plan::new(time_ns * FOR_ALL, &cycles);
    let metrics = metrics(plan.cycles);
    let mut race = Race::new(entrants, workload, plan.cycles);
    let planned = rounds::FEWEST_ROUNDS..=plan.rounds;
    race.run((0..entrants.len()).collect(), planned, end_ns(FOR_ALL), |round| progress.show("round", round, plan.rounds))?;
    plan.rounds = race.turns[0].len();

    let floors = Floors::of(&metrics, &race.turns, plan.rounds);
    let unsure: Vec<usize> = (2..entrants.len())
        .filter(|at| {
            let compared = Compared::of(&metrics, &race.turns, *at);
            let is = |wanted: fn(Verdict) -> bool| compared.effects.iter().any(|effect| wanted(effect.verdict));
            let lacks_speed = floors.at_full_speed.is_some() && !compared.at_full_speed;
            is(|verdict| verdict == Verdict::Inconclusive) || lacks_speed && !is(Verdict::is_sure)
        })
        .collect();
    let variants = unsure.len();
    if variants > 0 {
        let most = MOST_TIMES * plan.rounds;
        race.run([vec![0, 1], unsure].concat(), 0..=most, end_ns(1.0), |round| {
            progress.show("round of inconclusive variants", round, most);
        })?;
    }
    let rounds = race.turns[0].len() - plan.rounds;
    Ok(Contest { plan, metrics, turns: race.turns, more: (rounds > 0).then_some(More { rounds, variants }) })
}

/// At most this many times the rounds of all variants; more would hardly resolve what is still inconclusive.
const MOST_TIMES: usize = 5;

/// Removes variants that were not selected; the baseline and its twin stay.
fn keep_only(only: &[String], variants: &mut Vec<Variant>, skipped: &mut Vec<Skipped>) -> Result<(), Failure> {
    let known = |word: &str| {
        variants.iter().skip(2).any(|v| v.choice == word) || skipped.iter().any(|s| s.name.split(' ').next() == Some(word))
    };
    if let Some(unknown) = only.iter().find(|word| !known(word)) {
        let mut choices: Vec<&str> = variants.iter().skip(2).map(|variant| variant.choice).collect();
        choices.dedup();
        return Err(Failure::Usage(format!("--only {unknown}: the settings are {}", choices.join(", "))));
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

/// Compiles and tries every variant. Skips one that cannot run, with the reason; the baseline must run.
fn enter(
    source: &Source,
    variants: Vec<Variant>,
    skipped: &mut Vec<Skipped>,
    workload: &Workload,
) -> Result<Vec<Entrant>, Failure> {
    let mut codes: Vec<(Compilation, Variations, Code)> = Vec::new();
    let mut entrants = Vec::new();
    for variant in variants {
        // The code does not depend on the way instances are allocated.
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

/// The reason without the module's name, which the output has already.
fn reason(failure: Failure, source: &Source) -> String {
    match failure {
        Failure::Usage(reason) | Failure::Failed(reason) => {
            reason.strip_prefix(&format!("{}: ", source.name)).unwrap_or(&reason).to_owned()
        }
        _ => "it failed".into(),
    }
}

/// Pairs of figures, of the baseline and of another variant, of the same round or of neighbouring ones.
struct Pairs<'a> {
    pairs: Vec<(&'a Figures, &'a Figures)>,
    at_full_speed: bool,
}

/// The number of rounds that gives a useful interval.
const ENOUGH_ROUNDS: usize = 15;

/// Pairs figures at the processor's full speed, if there are enough: the speed is then the same for all, so that pairs may come
/// from different rounds.
fn pairs<'a>(baseline: &'a [Turn], other: &'a [Turn]) -> Pairs<'a> {
    let of = |turns: &'a [Turn]| turns.iter().filter_map(|turn| turn.at_full_speed.as_ref());
    let at_full_speed: Vec<_> = of(baseline).zip(of(other)).collect();
    if at_full_speed.len() >= ENOUGH_ROUNDS {
        Pairs { pairs: at_full_speed, at_full_speed: true }
    } else {
        all_pairs(baseline, other)
    }
}

fn all_pairs<'a>(baseline: &'a [Turn], other: &'a [Turn]) -> Pairs<'a> {
    Pairs { pairs: baseline.iter().zip(other).map(|(a, b)| (&a.all, &b.all)).collect(), at_full_speed: false }
}

impl Pairs<'_> {
    fn ratios(&self, metric: &Metric) -> Estimate {
        let ratio = |(a, b): &(&Figures, &Figures)| (metric.of)(b) / (metric.of)(a).max(1.0);
        Estimate::of(self.pairs.iter().map(ratio).collect())
    }

    fn floors(&self, metrics: &[Metric; COUNT]) -> [f64; COUNT] {
        metrics.each_ref().map(|metric| stats::floor(metric.practical, &self.ratios(metric)))
    }
}

/// The smallest differences that count, which the twin (the second variant) determines.
struct Floors {
    at_full_speed: Option<[f64; COUNT]>,
    all: [f64; COUNT],
}

impl Floors {
    /// The floors of the first `rounds` rounds: a variant that took part in fewer rounds is as uncertain as the twin was after
    /// as many.
    fn of(metrics: &[Metric; COUNT], turns: &[Vec<Turn>], rounds: usize) -> Floors {
        let (baseline, twin) = (&turns[0][..rounds], &turns[1][..rounds]);
        let pairs = pairs(baseline, twin);
        Floors {
            at_full_speed: pairs.at_full_speed.then(|| pairs.floors(metrics)),
            all: all_pairs(baseline, twin).floors(metrics),
        }
    }

    /// The floors of most rows.
    fn usual(&self) -> &[f64; COUNT] {
        self.at_full_speed.as_ref().unwrap_or(&self.all)
    }
}

/// A variant compared with the baseline.
struct Compared {
    effects: [Effect; COUNT],
    at_full_speed: bool,
}

impl Compared {
    fn of(metrics: &[Metric; COUNT], turns: &[Vec<Turn>], at: usize) -> Compared {
        let floors = Floors::of(metrics, turns, turns[at].len());
        let (pairs, floors) = match (pairs(&turns[0], &turns[at]), &floors.at_full_speed) {
            (pairs @ Pairs { at_full_speed: true, .. }, Some(floors)) => (pairs, floors),
            _ => (all_pairs(&turns[0], &turns[at]), &floors.all),
        };
        let effects = std::array::from_fn(|i| Effect::of(pairs.ratios(&metrics[i]), floors[i]));
        Compared { effects, at_full_speed: pairs.at_full_speed }
    }
}

fn what_counts_fresh(fresh: &[Vec<Phases>]) -> Option<[f64; 2]> {
    let floor = |figure| stats::floor(PRACTICAL_FRESH, &fresh_ratios(&fresh[0], &fresh[1], figure));
    (!fresh[0].is_empty()).then(|| FRESH_FIGURES.map(floor))
}

/// Compares every variant with the baseline, which is the first.
fn judge(
    entrants: &[Entrant],
    metrics: &[Metric; COUNT],
    turns: &[Vec<Turn>],
    fresh: &[Vec<Phases>],
    fresh_floors: Option<[f64; 2]>,
) -> Vec<Row> {
    let row = |at: usize| {
        let Compared { effects, at_full_speed } = Compared::of(metrics, turns, at);
        let fresh = fresh_floors.filter(|_| !fresh[at].is_empty()).map(|floors| {
            std::array::from_fn(|i| Effect::of(fresh_ratios(&fresh[0], &fresh[at], FRESH_FIGURES[i]), floors[i]))
        });
        let variant = &entrants[at].variant;
        Row { name: variant.name(), effects, at_full_speed, fresh, meaning: meaning(variant, &effects, fresh.as_ref()) }
    };
    let mut rows: Vec<Row> = (1..entrants.len()).map(row).collect();
    rows.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    rows
}

fn fresh_ratios(baseline: &[Phases], other: &[Phases], figure: fn(&Phases) -> f64) -> Estimate {
    Estimate::of(baseline.iter().zip(other).map(|(base, other)| figure(other) / figure(base).max(1.0)).collect())
}

/// The meaning of the first verdict that is a difference.
fn meaning(variant: &Variant, effects: &[Effect; COUNT], fresh: Option<&[Effect; 2]>) -> &'static str {
    let first = effects.iter().chain(fresh.into_iter().flatten()).find(|effect| effect.verdict.is_sure());
    first.map_or("", |effect| variant.meaning(effect.verdict == Verdict::Faster))
}

impl Row {
    /// The order of rows: certain differences first, then by size.
    fn weight(&self) -> f64 {
        let weight = |effect: &Effect| effect.ratio.median.ln().abs();
        match self.all().filter(|effect| effect.verdict.is_sure()).map(weight).reduce(f64::max) {
            Some(most) => most,
            None => weight(&self.effects[0]) - 1000.0,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().chain(self.fresh.iter().flatten())
    }

    fn is_noise(&self) -> bool {
        self.all().all(|effect| effect.verdict == Verdict::Noise)
    }

    fn is_sure(&self) -> bool {
        self.all().any(|effect| effect.verdict.is_sure())
    }
}

/// Counts the samples at the beginning of turns, of all variants: samples between cycles are not taken at random times.
fn slowed(turns: &[Vec<Turn>]) -> Slowed {
    let looks = || turns.iter().flatten().map(|turn| turn.slowed);
    Slowed { looks: looks().count(), slowed: looks().filter(|slowed| *slowed).count() }
}

/// The suspects, from what the system counted during the baseline's turns and from the processor's speed.
fn suspects(baseline: &Entrant, turns: &[Vec<Turn>]) -> Vec<Suspect> {
    let evidence = turns[0].iter().fold(Evidence::default(), |sum, turn| sum.plus(&turn.evidence));
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
        slowed: Some(slowed(turns)),
    })
}

/// One line on the standard error, overwritten, if that is a terminal.
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
    let rows: Vec<Value> = outcome.rows.iter().map(|row| row_json(&outcome.names(), row)).collect();
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
        "baseline_ns": named(&outcome.names(), &outcome.figures),
        "rounds": outcome.plan.rounds,
        "cycles": outcome.plan.cycles,
        "more_rounds": outcome.more.as_ref().map_or(0, |more| more.rounds),
        "processes": outcome.processes,
        "confidence": stats::CONFIDENCE,
        "slowed": outcome.slowed,
        "noise": named(&outcome.names(), &factors(outcome.floors.usual())),
        "noise_fresh": outcome.fresh_floors.map(|floors| named(&FRESH_METRICS, &factors(&floors))),
        "variants": rows,
        "skipped": skipped,
        "suspects": outcome.suspects,
    })
}

fn row_json(names: &[&str], row: &Row) -> Value {
    let mut value = json!({ "name": row.name, "within_noise": row.is_noise(), "at_full_speed": row.at_full_speed });
    for (name, effect) in names.iter().zip(&row.effects) {
        value[*name] = json!(effect);
    }
    for (name, effect) in FRESH_METRICS.iter().zip(row.fresh.iter().flatten()) {
        value[name.replace(' ', "_")] = json!(effect);
    }
    value
}

fn to_text(name: &str, outcome: &Outcome) -> String {
    let names = outcome.names();
    let mut text = format!("{name}: {}\nbaseline: {}\n", outcome.workload.text(), outcome.baseline);
    let figures: Vec<String> =
        names.iter().zip(outcome.figures).map(|(name, ns)| format!("{name} {}", nanoseconds(ns))).collect();
    put(&mut text, format_args!("          {}: medians over rounds\n", figures.join(", ")));
    let more = outcome
        .more
        .as_ref()
        .map_or(String::new(), |more| format!(", and {} more for {} inconclusive ones", more.rounds, more.variants));
    put(
        &mut text,
        format_args!(
            "{} rounds of {} cycles for each{}. Ratios to the baseline:\nmedian over rounds [{:.1} % interval]; ~ within noise, ? inconclusive\n\n",
            outcome.plan.rounds,
            outcome.plan.cycles,
            more,
            stats::CONFIDENCE * 100.0
        ),
    );
    if outcome.plan.cycles < 20 {
        put(&mut text, format_args!("(with fewer than 20 cycles in a round, p95 is the maximum)\n"));
    }
    table(&mut text, &names, outcome.rows.iter().map(|row| (row.name.as_str(), &row.effects[..])));
    put_floors(&mut text, &names, outcome.floors.usual());
    text.push_str(&speed_text(outcome));
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

/// `~ 0.967 [0.733 1.136]`, padded to its width.
fn cell(effect: &Effect) -> String {
    let mark = match effect.verdict {
        Verdict::Faster | Verdict::Slower => " ",
        Verdict::Noise => "~",
        Verdict::Inconclusive => "?",
    };
    let Estimate { median, low, high } = effect.ratio;
    format!(" {mark} {:<23}", format!("{median:.3} [{low:.3} {high:.3}]"))
}

/// Says which cycles the figures cover, if not all.
fn speed_text(outcome: &Outcome) -> String {
    let Slowed { looks, slowed } = outcome.slowed;
    let (at_full_speed, others): (Vec<&Row>, Vec<&Row>) = outcome.rows.iter().partition(|row| row.at_full_speed);
    let seen = format!("other threads slowed the processor in {slowed} of {looks} samples");
    match (slowed, at_full_speed.len(), others.len()) {
        (0, ..) => String::new(),
        (_, 0, _) => format!("{seen}: too often to leave out the slowed cycles\n"),
        (_, _, 0) => format!("{seen}: the slowed cycles are left out\n"),
        _ => {
            let names: Vec<&str> = others.iter().map(|row| row.name.as_str()).collect();
            format!("{seen}: the slowed cycles are left out, except for {}\n", names.join(", "))
        }
    }
}

fn put_floors(text: &mut String, metrics: &[&str], floors: &[f64]) {
    let list: Vec<String> =
        metrics.iter().zip(floors).map(|(metric, floor)| format!("{metric} {:.0} %", floor.exp_m1() * 100.0)).collect();
    put(text, format_args!("noise, from the twin: {}\n", list.join(", ")));
}

fn conclusions(text: &mut String, outcome: &Outcome) {
    let (sure, others): (Vec<&Row>, Vec<&Row>) = outcome.rows.iter().partition(|row| row.is_sure());
    let (noise, unsure): (Vec<&Row>, Vec<&Row>) = others.into_iter().partition(|row| row.is_noise());
    put(
        text,
        format_args!("\nwhat matters, most first:{}\n", if sure.is_empty() { " none of the tried settings" } else { "" }),
    );
    for row in sure {
        let meaning = if row.meaning.is_empty() { String::new() } else { format!(": {}", row.meaning) };
        put(text, format_args!("  {} ({}){meaning}\n", row.name, effects_text(&outcome.names(), row, Verdict::is_sure)));
    }
    let names: Vec<&str> = noise.iter().map(|row| row.name.as_str()).collect();
    put(text, format_args!("within noise: {}\n", if names.is_empty() { "none".into() } else { names.join(", ") }));
    if !unsure.is_empty() {
        put(text, format_args!("inconclusive (more --time, more --processes or a quieter machine would decide):\n"));
    }
    for row in unsure {
        let effects = effects_text(&outcome.names(), row, |verdict| verdict == Verdict::Inconclusive);
        put(text, format_args!("  {} ({effects})\n", row.name));
    }
    for skipped in &outcome.skipped {
        put(text, format_args!("not tried: {}: {}\n", skipped.name, skipped.reason));
    }
    put(text, format_args!("\nthe baseline's turns, {}", bench::suspects_text(&outcome.suspects)));
}

/// `mean x0.41, p99 x0.45`.
fn effects_text(names: &[&str], row: &Row, wanted: impl Fn(Verdict) -> bool) -> String {
    let all = names.iter().zip(&row.effects).chain(FRESH_METRICS.iter().zip(row.fresh.iter().flatten()));
    let wanted = all.filter(|(_, effect)| wanted(effect.verdict));
    wanted.map(|(name, effect)| format!("{name} x{:.2}", effect.ratio.median)).collect::<Vec<_>>().join(", ")
}
