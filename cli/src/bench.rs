//! `rtwasm bench`: measures what calls of a module cost on this machine, cold, warm and steady, and names the likely causes.

use std::sync::Arc;

use rtwasm::engine::artifact;
use rtwasm::engine::module::Module;
use rtwasm::status::Error;
use serde_json::{Value, json};

use crate::args::{self, Arg, Args, Failure};
use crate::compile::budget_name;
use crate::rack;
use crate::text::put;
use crate::workload::cold::{Phases, Starter};
use crate::workload::describe::{self, Options, Setup, Workload};
use crate::workload::diagnosis::{self, DenormalCheck, Findings, Slowed, Suspect, nanoseconds};
use crate::workload::evidence::Evidence;
use crate::workload::guest::{self, Attached, Guest, aside};
use crate::workload::guest_log;
use crate::workload::provided;
use crate::workload::run::{self, Distribution, Figures, Length};
use crate::workload::source::{Code, Source};
use crate::workload::stats;

pub const HELP: &str = concat!(
    "rtwasm bench: measure what calls of a module cost on this machine

Usage: rtwasm bench MODULE [OPTIONS]
       rtwasm bench --rack N [--seconds S] [--block FRAMES] [--rate HZ] [--profile NAME] [--cpu N]
                    [--fifo PRIORITY] [--json]

MODULE is an artifact (.rtw) or a module (.wasm, .wat). Calls it as a host would, and reports:
  cold     a process from its start to its first cycle, in fresh processes
  warm     the first cycles of a new instance
  steady   all later cycles: percentiles, page faults, context switches, allocations, missed periods
  suspects the likely causes of lateness, each with evidence and a remedy
Measuring itself adds time to each figure: bench reports that time, and does not subtract it.

",
    describe::options_help!(),
    "How long:
  --seconds S           run steady cycles for this time, above 0 and at most 1000000000; default 2
  --calls N             run this number of steady cycles instead, 1 or more
  --processes N         fresh processes for the cold figures, from 0 (no cold figures) to 1000; default 5

A rack:
  --rack N              run N small effects in one period instead of a MODULE, from 1 to 4096: as functions of the
                        host, as guests behind slots, and as processes with shared memory. Reports CPU share, times
                        and missed periods, and what becomes of the host if one effect loops or traps. Default
                        block: 64 frames

Other options:
  --json                print JSON
  -h, --help            print this text

Exit status: 0 measured, whatever the figures; 1 failed; 2 wrong usage.

Examples:
  rtwasm bench gain.wasm --func gain --args i32:128,f32:0.5
  rtwasm bench reverb.rtw --scenario audio --block 64 --seconds 10 --cpu 3 --fifo 80
  rtwasm bench --rack 300 --seconds 10
  rtwasm bench pid.wasm --scenario periodic --period 1000 --before init --args f64:0.001 --func step --args f64:1,f64:0
"
);

struct Request {
    options: Options,
    seconds: f64,
    calls: Option<u64>,
    processes: u32,
    rack: Option<u32>,
    json: bool,
}

/// The number of first cycles that have figures of their own.
const WARM_CYCLES: usize = 64;

/// The results of a bench.
pub struct Results {
    pub workload: Workload,
    pub setup: Setup,
    pub code: Code,
    pub cold: Vec<Phases>,
    pub warm: Distribution,
    pub first_evidence: Evidence,
    pub steady: Figures,
    pub empty: Distribution,
    pub slowed: Slowed,
    pub denormals: Option<DenormalCheck>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let request = parse(args)?;
    if let Some(count) = request.rack {
        return rack::run(&request.options.rack(count, request.seconds, request.json)?);
    }
    let path = request.options.module.clone().ok_or_else(|| Failure::Usage("missing module".into()))?;
    let source = Source::read(&path)?;
    let _showing = guest_log::show(&source.name);
    let Some((code, workload)) = code_and_workload(&source, &request.options, request.seconds)? else { return Ok(()) };
    let length = match request.calls {
        Some(calls) => Length::Cycles(calls),
        None => Length::Ns((request.seconds * 1e9) as u64),
    };
    let results = measure(&source, code, workload, &request.options.setup, length, request.processes)?;
    if request.json {
        return args::print(&format!("{:#}\n", to_json(&results)));
    }
    args::print(&to_text(&source.name, &results))
}

/// Makes code and workload from a module and the options, for a run of `run_s`. None if the options only list the module's
/// functions.
pub fn code_and_workload(source: &Source, options: &Options, run_s: f64) -> Result<Option<(Code, Workload)>, Failure> {
    if let Some(option) = options.settled_by_artifact().filter(|_| source.is_artifact) {
        return Err(Failure::Usage(format!("{option} is fixed in an artifact: use the module that it was made from")));
    }
    let code = source.code(options.compilation())?;
    let funcs = code.funcs();
    if let Some(listing) = options.listing(&funcs) {
        args::print(&listing)?;
        return Ok(None);
    }
    let mut workload = options.workload(&funcs)?;
    workload.limit_ns = options.limit_ns(run_s);
    for warning in describe::warnings(&workload, &code.metadata.exports) {
        eprintln!("rtwasm: warning: {warning}");
    }
    Ok(Some((code, workload)))
}

fn parse(mut args: Args) -> Result<Request, Failure> {
    let mut request = Request { options: Options::new(), seconds: 2.0, calls: None, processes: 5, rack: None, json: false };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => request.options.set_module(value)?,
            Arg::Option(option) => match option.as_str() {
                "--seconds" => request.seconds = describe::positive(&option, &mut args)?,
                "--calls" => request.calls = Some(describe::number(&option, &mut args, 1, u64::MAX)?),
                "--processes" => request.processes = describe::number(&option, &mut args, 0, 1000)?,
                "--rack" => request.rack = Some(describe::number(&option, &mut args, 1, 4096)?),
                "--json" => request.json = true,
                _ if request.options.take(&option, &mut args)? => {}
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    Ok(request)
}

/// Measures everything, on this thread and in fresh processes.
pub fn measure(
    source: &Source,
    code: Code,
    workload: Workload,
    setup: &Setup,
    length: Length,
    processes: u32,
) -> Result<Results, Failure> {
    let cycle_ns = Guest::trial(&code, &workload, setup).map_err(|error| source.failure(&error))?;
    let extent = Extent::of(length, cycle_ns);
    let starter = Starter::new(&code, &workload, extent.dry_cycles)?;
    let cold = (0..processes).map(|_| starter.run(setup)).collect::<Result<_, _>>()?;
    let here = measure_here(&code, &workload, setup, length, &extent).map_err(|error| source.failure(&error))?;
    let Here { warm, first_evidence, steady, empty, slowed, denormals } = here;
    Ok(Results { workload, setup: setup.clone(), code, cold, warm, first_evidence, steady, empty, slowed, denormals })
}

/// The measurements within one process.
struct Here {
    warm: Distribution,
    first_evidence: Evidence,
    steady: Figures,
    empty: Distribution,
    slowed: Slowed,
    denormals: Option<DenormalCheck>,
}

/// The work beside the steady cycles: no more than these take, if a cycle takes long.
struct Extent {
    run_ns: f64,
    cycle_ns: f64,
    dry_cycles: u32,
    warm_cycles: usize,
}

impl Extent {
    fn of(length: Length, cycle_ns: f64) -> Extent {
        let cycle_ns = cycle_ns.max(1.0);
        let run_ns = match length {
            Length::Ns(ns) => ns as f64,
            Length::Cycles(cycles) => (cycles as f64 * cycle_ns).max(1e9),
        };
        let fit = (run_ns / cycle_ns) as usize;
        Extent {
            run_ns,
            cycle_ns,
            dry_cycles: fit.clamp(1, run::DRY_CYCLES as usize) as u32,
            warm_cycles: fit.clamp(2, WARM_CYCLES),
        }
    }

    /// True if the run has time for this number of cycles.
    fn affords(&self, cycles: f64, cycle_ns: f64) -> bool {
        cycles * cycle_ns <= (4.0 * self.run_ns).max(2e9)
    }

    /// The expected time of everything, without waiting for periods.
    fn expected_ns(&self) -> f64 {
        2.0 * self.run_ns + 200.0 * self.cycle_ns
    }
}

fn measure_here(code: &Code, workload: &Workload, setup: &Setup, length: Length, extent: &Extent) -> Result<Here, Error> {
    let paced_ns = match (length, workload.scenario.period_ns()) {
        (Length::Cycles(cycles), Some(period_ns)) => cycles as f64 * period_ns as f64,
        _ => 0.0,
    };
    let _alarm = guest::alarm(workload, &code.metadata, extent.expected_ns() + paced_ns);
    let runtime = guest::runtime(&code.metadata, setup)?;
    let module = Module::load(&runtime, artifact::Input::Memory(&code.bytes), Ok)?;
    let mut guest = Guest::of(&module, workload, setup)?;
    let _attached = Attached::new(&runtime)?;
    // On an attached thread, work outside of cycles allocates from the system.
    aside(|| {
        if setup.prepare {
            guest.prepare(extent.dry_cycles)?;
        }
        let (first, first_evidence) = run::first(&mut guest, 1).map_err(|status| guest.ended(status))?;
        let (mut warm, _) = run::first(&mut guest, extent.warm_cycles - 1).map_err(|status| guest.ended(status))?;
        warm.splice(0..0, first);
        let warm = Distribution::of_values(&warm);
        let steady = steady(&mut guest, workload, length)?;
        let empty = run::empty();
        let slowed = Slowed::look();
        let denormals = match extent.affords(DenormalCheck::LEAST_CYCLES, steady.call.p50) {
            true => check_denormals(&module, workload, setup, steady.call.p50)?,
            false => None,
        };
        Ok(Here { warm, first_evidence, steady, empty, slowed, denormals })
    })
}

fn steady(guest: &mut Guest, workload: &Workload, length: Length) -> Result<Figures, Error> {
    let figures = match (workload.scenario.period_ns(), length) {
        (None, _) => run::back_to_back(guest, length),
        (Some(period_ns), Length::Cycles(cycles)) => run::periodic(guest, period_ns, cycles),
        (Some(period_ns), Length::Ns(ns)) => run::periodic(guest, period_ns, (ns / period_ns).max(1)),
    };
    figures.map_err(|status| guest.ended(status))
}

/// None if denormals are flushed already, or if a cycle ends before the clock moves.
fn check_denormals(
    module: &Arc<Module>,
    workload: &Workload,
    setup: &Setup,
    cycle_ns: f64,
) -> Result<Option<DenormalCheck>, Error> {
    if setup.flush_denormals || cycle_ns < 100.0 {
        return Ok(None);
    }
    DenormalCheck::run(module, workload, setup, cycle_ns).map(Some)
}

impl Results {
    /// The fresh process whose first cycle took the median time.
    fn typical_cold(&self) -> Option<&Phases> {
        let mut phases: Vec<&Phases> = self.cold.iter().collect();
        phases.sort_by(|a, b| a.first_cycle.total_cmp(&b.first_cycle));
        phases.get(phases.len() / 2).copied()
    }

    pub fn suspects(&self) -> Vec<Suspect> {
        diagnosis::suspects(&Findings {
            metadata: &self.code.metadata,
            setup: &self.setup,
            period_ns: self.workload.scenario.period_ns(),
            first_evidence: Some(&self.first_evidence),
            steady: Some(&self.steady.call),
            wake_up: self.steady.wake_up.as_ref(),
            misses: self.steady.misses,
            evidence: &self.steady.evidence,
            fresh: self.typical_cold(),
            denormals: self.denormals,
            slowed: Some(self.slowed),
        })
    }

    /// Median and maximum of each phase over the fresh processes.
    fn cold_rows(&self) -> Vec<(&'static str, f64, f64)> {
        let column = |at: usize| -> Vec<f64> { self.cold.iter().map(|phases| phases.rows()[at].1).collect() };
        let names = Phases::default().rows().map(|(name, _)| name);
        let totals: Vec<f64> = self.cold.iter().map(Phases::total).collect();
        let mut rows: Vec<_> = names.into_iter().enumerate().map(|(at, name)| (name, column(at))).collect();
        rows.push(("start to first cycle done", totals));
        rows.into_iter()
            .filter(|(_, values)| values.iter().any(|value| *value > 0.0))
            .map(|(name, values)| (name, stats::median(&values), stats::quantile(&stats::sorted(values), 1.0)))
            .collect()
    }

    /// The distributions by name, in order.
    pub fn distributions(&self) -> Vec<(&'static str, &Distribution)> {
        let steady = &self.steady;
        let mut rows = vec![("warm", &self.warm), ("steady", &steady.call)];
        rows.extend(steady.response.as_ref().map(|response| ("response", response)));
        rows.extend(steady.wake_up.as_ref().map(|wake_up| ("wake-up", wake_up)));
        rows.push(("empty", &self.empty));
        rows
    }
}

pub fn to_json(results: &Results) -> Value {
    let settings = &results.code.metadata.settings;
    let cold: serde_json::Map<String, Value> = results
        .cold_rows()
        .into_iter()
        .map(|(name, median, max)| (name.replace(' ', "_") + "_ns", json!({ "median": median, "max": max })))
        .collect();
    let mut value = json!({
        "workload": results.workload.text(),
        "setup": results.setup,
        "profile": settings.profile.name(),
        "budget": budget_name(settings.interruption),
        "opt_level": results.code.metadata.opt_level,
        "processes": results.cold.len(),
        "cold": cold,
        "imports": provided::told(&results.code.metadata, results.setup.missing),
        "warnings": describe::warnings(&results.workload, &results.code.metadata.exports),
    });
    for (name, distribution) in results.distributions() {
        value[name.replace('-', "_") + "_ns"] = json!(distribution);
    }
    value["first_cycle_faults"] = json!(results.typical_cold().map(|phases| phases.first_cycle_faults));
    value["misses"] = json!(results.steady.misses);
    value["evidence"] = json!(results.steady.evidence);
    value["slowed"] = json!(results.slowed);
    value["denormals"] = json!(results.denormals);
    value["suspects"] = json!(results.suspects());
    value
}

fn to_text(name: &str, results: &Results) -> String {
    let settings = &results.code.metadata.settings;
    let mut text = format!("{name}: {}\n", results.workload.text());
    let code = format!(
        "profile {}, optimised for {}, budget {}",
        settings.profile.name(),
        results.code.metadata.opt_level,
        budget_name(settings.interruption)
    );
    put(&mut text, format_args!("{}\n{code}\n", results.setup.text()));
    if let Some(told) = provided::told(&results.code.metadata, results.setup.missing) {
        put(&mut text, format_args!("imports: {told}\n"));
    }
    put(&mut text, format_args!("{}", figures_text(results)));
    put(&mut text, format_args!("\n{}", suspects_text(&results.suspects())));
    text
}

/// Prints the tables and the counters.
pub fn figures_text(results: &Results) -> String {
    let mut text = String::new();
    if !results.cold.is_empty() {
        put(&mut text, format_args!("\ncold, in {}: median (worst)\n", processes(results.cold.len())));
        for (name, median, max) in results.cold_rows() {
            put(&mut text, format_args!("  {name:<26} {:>10} ({})\n", nanoseconds(median), nanoseconds(max)));
        }
    }
    let columns = ["count", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
    put(&mut text, format_args!("\n{:<9}", ""));
    columns.iter().for_each(|column| put(&mut text, format_args!(" {column:>10}")));
    for (name, d) in results.distributions() {
        put(&mut text, format_args!("\n{name:<9} {:>10}", d.count));
        for value in [d.mean, d.p50, d.p90, d.p95, d.p99, d.p999, d.max] {
            put(&mut text, format_args!(" {:>10}", nanoseconds(value)));
        }
    }
    put(&mut text, format_args!("\n{}", legend(results)));
    put(&mut text, format_args!("\n{}", evidence_text(&results.steady)));
    text
}

fn legend(results: &Results) -> String {
    let mut text = format!(
        "warm: the first {} cycles. empty: a cycle that does nothing, the time that measuring adds to each cycle\n\
         above; it is not subtracted. A cycle's own statistics, which hosts have too, are part of it.\n",
        results.warm.count
    );
    if results.steady.response.is_some() {
        text += "response: from the intended start to the end. wake-up: from the intended start to the actual one.\n";
    }
    text
}

fn evidence_text(steady: &Figures) -> String {
    let evidence = &steady.evidence;
    let known = |value: Option<u64>| value.map_or("unknown".into(), |ns| nanoseconds(ns as f64));
    let mut text = format!(
        "steady, {}: {} minor and {} major page faults, {} allocations, {} voluntary and {} involuntary switches,\n\
         ready but waiting for a CPU {}, stopped by a CPU quota {} times ({}), CPU time stolen {}\n",
        nanoseconds(evidence.elapsed_ns as f64),
        evidence.minor_faults,
        evidence.major_faults,
        evidence.allocations,
        evidence.voluntary_switches,
        evidence.involuntary_switches,
        known(evidence.wait_ns),
        evidence.throttled.map_or("unknown".into(), |count| count.to_string()),
        known(evidence.throttled_ns),
        known(evidence.steal_ns),
    );
    if steady.response.is_some() {
        put(&mut text, format_args!("missed: {} of {} periods\n", steady.misses, steady.call.count));
    }
    text
}

fn processes(count: usize) -> String {
    if count == 1 { "1 fresh process".into() } else { format!("{count} fresh processes") }
}

/// Prints the suspects, each with its evidence and its remedy.
pub fn suspects_text(suspects: &[Suspect]) -> String {
    if suspects.is_empty() {
        return "suspects: none\n".into();
    }
    let mut text = "suspects:\n".to_owned();
    for suspect in suspects {
        put(&mut text, format_args!("  {:<14} {}\n", suspect.id, suspect.evidence));
        put(&mut text, format_args!("  {:<14} remedy: {}\n", "", suspect.remedy));
    }
    text
}
