//! `rtwasm bisect`: runs one workload with variants that change one setting each, to find the settings that matter.

mod contest;
mod judge;
mod print;

use self::contest::{Contest, More, Progress};
use self::judge::{COUNT, Floors, Metric, Row};
use crate::args::{self, Arg, Args, Failure};
use crate::bench;
use crate::workload::describe::{self, Options, Workload};
use crate::workload::diagnosis::{Slowed, Suspect};
use crate::workload::guest::Guest;
use crate::workload::guest_log;
use crate::workload::rounds::{self, Plan};
use crate::workload::source::Source;
use crate::workload::stats;
use crate::workload::variants::{self, Skipped};

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
    let _showing = guest_log::show(&source.name);
    let Some(outcome) = find_out(&source, &request)? else { return Ok(()) };
    if request.json {
        return args::print(&format!("{:#}\n", print::to_json(&outcome)));
    }
    args::print(&print::to_text(&source.name, &outcome))
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
        contest::keep_only(only, &mut variants, &mut skipped)?;
    }
    let entrants = contest::enter(source, variants, &mut skipped, &workload)?;

    let progress = Progress::new(request.quiet);
    let contest =
        contest::contest(&entrants, &workload, request.time_s * 1e9, &progress).map_err(|error| source.failure(&error))?;
    let Contest { plan, metrics, turns, more } = contest;
    let fresh = rounds::run_fresh(&entrants, &workload, request.processes, |round| {
        progress.show("round of fresh processes", round, request.processes);
    })?;
    progress.end();

    let baseline = judge::pairs(&turns[0], &turns[1]).pairs;
    let figures = metrics.each_ref().map(|metric| {
        let of_rounds: Vec<f64> = baseline.iter().map(|(baseline, _)| (metric.of)(baseline)).collect();
        stats::median(&of_rounds)
    });
    let floors = Floors::of(&metrics, &turns, plan.rounds);
    let fresh_floors = judge::what_counts_fresh(&fresh);
    let rows = judge::judge(&entrants, &metrics, &turns, &fresh, fresh_floors);
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
        slowed: judge::slowed(&turns),
        suspects: judge::suspects(&entrants[0], &turns),
    }))
}
