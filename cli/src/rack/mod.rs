//! `rtwasm bench --rack`: many small effects in one period, three ways: as functions of the host, as guests behind slots, and as
//! processes of their own. Then one of them traps, or loops.

mod effect;
mod native;
mod processes;
mod slots;

use std::io;
use std::time::Duration;

use rtwasm::engine::profile::{Interruption, Profile};
use rtwasm::status::{self, rtw_status_t};
use rtwasm::sys::{affinity, clock, sched, sleeper};
use rtwasm_compiler::Opt;
use serde_json::{Value, json};

use crate::args::{self, Failure};
use crate::text::put;
use crate::workload::describe::Compilation;
use crate::workload::diagnosis::nanoseconds;
use crate::workload::guest::aside;
use crate::workload::os;
use crate::workload::run::Distribution;
use crate::workload::source::Source;
use effect::{Deed, MOST_FRAMES};
use native::Native;
use processes::Processes;
use slots::Slots;

/// Periods without a pause in which all three ways have to compute the same samples.
const COMPARED: u64 = 100;
/// Slots whose samples are compared.
const FEW: usize = 16;
/// Periods of a run with a fault, and the one in which the fault comes.
const FAULT_PERIODS: u64 = 200;
const FAULT_AT: u64 = 20;
/// A host that has not ended this long after its run should have, in s, hangs.
const HANGS_AFTER_S: f64 = 1.0;
/// The part of a period after which a guest's call is cut off.
const BUDGET_PART: u64 = 4;

/// The rack's options.
pub struct Request {
    pub count: u32,
    pub frames: u32,
    pub rate: u32,
    pub seconds: f64,
    pub profile: Option<Profile>,
    pub cpu: Option<u32>,
    pub fifo: Option<i32>,
    pub json: bool,
}

/// One way of running the effects.
trait Rack {
    fn count(&self) -> usize;

    /// Lets every effect process a block. `deed` says what each one does; `until_ns` is the end of the period. Says in `served`
    /// which of them have processed it.
    fn block(&mut self, input: &[f32], deed: &dyn Fn(usize) -> Deed, until_ns: u64, served: &mut [bool]);

    /// The samples of the last block of all effects, one after the other.
    fn outputs(&self) -> Vec<f32>;

    /// The status of the last block that was not processed.
    fn refused(&self) -> Option<rtw_status_t> {
        None
    }

    /// The CPU time of other processes that take part, in ns.
    fn others_cpu_ns(&self) -> u64 {
        0
    }
}

/// A run that keeps periods.
#[derive(Clone, Default)]
struct Run {
    /// From the beginning of a block of the whole rack to its end.
    block: Distribution,
    cpu_share: f64,
    /// Periods that began late, or not at all, because an earlier block had not ended.
    misses: u64,
    /// Blocks of single effects that were not processed.
    unserved: u64,
    /// Those of the effect with the fault alone.
    unserved_culprit: u64,
}

/// The host's fate after a fault.
enum Outcome {
    Goes(Box<Run>, String),
    /// The host itself has ended, or has to be ended.
    Ends(String),
}

struct Way {
    name: &'static str,
    count: usize,
    fewer: Option<String>,
    run: Run,
    outcomes: Vec<(Deed, Outcome)>,
}

const FAULTS: [Deed; 2] = [Deed::Loop, Deed::Trap];

fn name(deed: Deed) -> &'static str {
    match deed {
        Deed::Effect => "none",
        Deed::Trap => "trap",
        Deed::Loop => "loop",
    }
}

impl Request {
    pub fn check(&self) -> Result<(), Failure> {
        match self.frames {
            1..=MOST_FRAMES => Ok(()),
            _ => Err(Failure::Usage(format!("--block: a rack has blocks of at most {MOST_FRAMES} frames"))),
        }
    }

    fn period_ns(&self) -> u64 {
        u64::from(self.frames) * 1_000_000_000 / u64::from(self.rate)
    }

    /// The number of periods of a run without a fault.
    fn periods(&self) -> u64 {
        ((self.seconds * 1e9) as u64 / self.period_ns()).max(1)
    }

    fn budget_ns(&self) -> u64 {
        self.period_ns() / BUDGET_PART
    }

    /// A block of a low saw tooth.
    fn input(&self) -> Vec<f32> {
        (0..self.frames).map(|at| (at % 32) as f32 / 32.0 - 0.5).collect()
    }
}

pub fn run(request: &Request) -> Result<(), Failure> {
    let failed = |what: &str, cause: &dyn std::fmt::Display| Failure::Failed(format!("--rack: {what}: {cause}"));
    let source = Source { name: "the rack's effect".into(), bytes: effect::GUEST.to_vec(), is_artifact: false };
    let compilation = Compilation {
        profile: request.profile.unwrap_or(Profile::Standalone),
        opt: Opt::Speed,
        interruption: Interruption::Guard,
    };
    let code = source.code(compilation)?;
    let (count, frames) = (request.count as usize, request.frames as usize);
    // First, while this process has one thread, and before it is pinned.
    let mut processes = Processes::new(count, frames).map_err(|error| failed("cannot start a process", &error))?;
    if let Some(priority) = request.fifo {
        processes.set_fifo(priority).map_err(|error| failed("--fifo", &error.message))?;
        sched::set(sched::Policy::Fifo, priority).map_err(|error| failed("--fifo", &error.message))?;
    }
    if let Some(cpu) = request.cpu.filter(|cpu| !affinity::pin(*cpu as usize)) {
        return Err(failed("--cpu", &format!("this thread may not run on CPU {cpu}")));
    }

    let mut native = Native::new(count, frames);
    let expected = compared(&mut native, request);
    let run = pace(&mut native, request, request.periods(), Deed::Effect);
    let outcomes = FAULTS.map(|deed| in_a_child(request, deed).map(|outcome| (deed, outcome)));
    let outcomes = outcomes.into_iter().collect::<io::Result<_>>().map_err(|error| failed("cannot start a process", &error))?;
    let mut ways = vec![Way { name: "host functions", count, fewer: None, run, outcomes }];

    let same = |rack: &mut dyn Rack, what: &str| {
        let outputs = compared(rack, request);
        match rack.refused() {
            Some(status) => Err(failed(what, &format!("a block was not processed: {}", status::name(status)))),
            None if expected.starts_with(&outputs) => Ok(()),
            None => Err(failed(what, &"the samples differ from those of the host functions")),
        }
    };
    let make = |count, budget_ns| {
        Slots::new(&code, count, frames, budget_ns).map_err(|error| failed("cannot make a slot", &error.message))
    };
    // Without budgets: a machine that takes the CPU away for long cuts off guests that did nothing wrong.
    same(&mut make(count.min(FEW), 0)?, "slots")?;
    let mut slots = make(count, request.budget_ns())?;
    let run = pace(&mut slots, request, request.periods(), Deed::Effect);
    let outcomes = aside(|| FAULTS.map(|deed| (deed, with_fault(&mut slots, request, deed))).into());
    let fewer = slots.fewer.as_ref().map(|error| error.message.to_string());
    ways.push(Way { name: "rtwasm slots", count: slots.count(), fewer, run, outcomes });
    drop(slots);

    same(&mut processes, "processes")?;
    let run = pace(&mut processes, request, request.periods(), Deed::Effect);
    let outcomes = FAULTS.map(|deed| (deed, processes_with_fault(&mut processes, request, deed))).into();
    let fewer = processes.fewer.as_ref().map(|error| error.to_string());
    ways.push(Way { name: "processes", count: processes.count(), fewer, run, outcomes });
    drop(processes);

    args::print(&if request.json { format!("{:#}\n", to_json(request, &ways)) } else { to_text(request, &ways) })
}

/// The samples of all effects after the first periods.
fn compared(rack: &mut dyn Rack, request: &Request) -> Vec<f32> {
    let (input, mut served) = aside(|| (request.input(), vec![false; rack.count()]));
    for _ in 0..COMPARED {
        rack.block(&input, &|_| Deed::Effect, u64::MAX, &mut served);
    }
    rack.outputs()
}

/// Runs a block in every period. With a fault, one effect in the middle of the rack has it once.
fn pace(rack: &mut dyn Rack, request: &Request, periods: u64, fault: Deed) -> Run {
    let period_ns = request.period_ns();
    let (input, mut served, mut took) =
        aside(|| (request.input(), vec![false; rack.count()], Vec::<f64>::with_capacity(periods as usize)));
    let culprit = rack.count() / 2;
    let mut run = Run::default();
    let (cpu_before, began_ns) = (this_process_cpu_ns() + rack.others_cpu_ns(), clock::monotonic_ns());
    let mut due_ns = began_ns + period_ns;
    for period in 0..periods {
        sleeper::sleep_to(due_ns);
        let begun_ns = clock::monotonic_ns();
        let deed = |at: usize| if period == FAULT_AT && at == culprit { fault } else { Deed::Effect };
        rack.block(&input, &deed, due_ns + period_ns, &mut served);
        let ended_ns = clock::monotonic_ns();
        took.push((ended_ns - begun_ns) as f64);
        run.unserved += served.iter().filter(|served| !**served).count() as u64;
        run.unserved_culprit += u64::from(!served[culprit]);
        due_ns += period_ns;
        while due_ns < ended_ns {
            run.misses += 1;
            due_ns += period_ns;
        }
    }
    let cpu_ns = (this_process_cpu_ns() + rack.others_cpu_ns()).saturating_sub(cpu_before);
    run.cpu_share = cpu_ns as f64 / (clock::monotonic_ns() - began_ns) as f64;
    run.block = aside(|| Distribution::of_values(&took));
    run
}

/// The CPU time of all threads of this process, in ns.
fn this_process_cpu_ns() -> u64 {
    os::clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn with_fault(slots: &mut Slots, request: &Request, deed: Deed) -> Outcome {
    let (faults_before, spares_before) = slots.faults();
    let run = pace(slots, request, FAULT_PERIODS, deed);
    let (faults, spares) = slots.faults();
    let said = format!(
        "{} contained, {} of them followed by a spare",
        args::plural(faults - faults_before, "fault"),
        spares - spares_before
    );
    slots.wait_for_spares();
    Outcome::Goes(Box::new(run), said)
}

fn processes_with_fault(processes: &mut Processes, request: &Request, deed: Deed) -> Outcome {
    let before = processes.living();
    let run = pace(processes, request, FAULT_PERIODS, deed);
    Outcome::Goes(Box::new(run), format!("it ended {}", plural_of(before - processes.living())))
}

fn plural_of(processes: usize) -> String {
    match processes {
        1 => "1 process".into(),
        _ => format!("{processes} processes"),
    }
}

/// Runs the host's functions with a fault in a child, since it ends the host.
fn in_a_child(request: &Request, deed: Deed) -> io::Result<Outcome> {
    // SAFETY: this process has one thread here.
    let Some(child) = (unsafe { os::fork() })? else {
        let mut native = Native::new(request.count as usize, request.frames as usize);
        pace(&mut native, request, FAULT_PERIODS, deed);
        // SAFETY: ends this process without the parent's work at its end.
        unsafe { libc::_exit(0) };
    };
    let limit_s = request.period_ns() as f64 * FAULT_PERIODS as f64 / 1e9 + HANGS_AFTER_S;
    let until_ns = clock::monotonic_ns() + (limit_s * 1e9) as u64;
    let mut status = 0;
    // SAFETY: a child of this process, which is waited for once.
    unsafe {
        while libc::waitpid(child, &mut status, libc::WNOHANG) == 0 {
            if clock::monotonic_ns() > until_ns {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &mut status, 0);
                return Ok(Outcome::Ends(format!("the host hangs ({HANGS_AFTER_S} s after its end it was killed)")));
            }
            sleeper::sleep_for(Duration::from_millis(5));
        }
    }
    Ok(Outcome::Ends(match libc::WIFSIGNALED(status) {
        true => format!("the host ends by signal {}", libc::WTERMSIG(status)),
        false => format!("the host exits with status {}", libc::WEXITSTATUS(status)),
    }))
}

/// Adds a line to a text.
macro_rules! line {
    ($text:expr, $($format:tt)*) => {
        put($text, format_args!("{}\n", format_args!($($format)*)))
    };
}

fn to_text(request: &Request, ways: &[Way]) -> String {
    let mut text = String::new();
    put_request(&mut text, request);
    put_runs(&mut text, ways);
    for (at, deed) in FAULTS.iter().enumerate() {
        put_fault(&mut text, *deed, ways.iter().map(|way| (way.name, &way.outcomes[at].1)));
    }
    text
}

fn put_request(text: &mut String, request: &Request) {
    let placed = request.cpu.map_or("not pinned".into(), |cpu| format!("on CPU {cpu}"));
    let scheduled = request.fifo.map_or("ordinary scheduling".into(), |priority| format!("SCHED_FIFO {priority}"));
    line!(
        text,
        "rack of {} effects (8 biquads each), {} frames at {} Hz: a period of {}",
        request.count,
        request.frames,
        request.rate,
        nanoseconds(request.period_ns() as f64)
    );
    line!(
        text,
        "{} periods each, {placed}, {scheduled}; a guest's budget is {}; all three gave the same samples\n",
        request.periods(),
        nanoseconds(request.budget_ns() as f64)
    );
}

/// The table of the runs without a fault.
fn put_runs(text: &mut String, ways: &[Way]) {
    line!(
        text,
        "{:<22} {:>7} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "a block of all effects",
        "effects",
        "CPU",
        "p50",
        "p99.9",
        "max",
        "misses"
    );
    for way in ways {
        let block = &way.run.block;
        line!(
            text,
            "  {:<20} {:>7} {:>7.1} % {:>9} {:>9} {:>9} {:>7}",
            way.name,
            way.count,
            way.run.cpu_share * 100.0,
            nanoseconds(block.p50),
            nanoseconds(block.p999),
            nanoseconds(block.max),
            way.run.misses
        );
        if let Some(why) = &way.fewer {
            line!(text, "    no more than {}: {why}", way.count);
        }
        if way.run.unserved != 0 {
            line!(text, "    {} blocks of single effects were not processed", way.run.unserved);
        }
    }
}

fn put_fault<'a>(text: &mut String, deed: Deed, outcomes: impl Iterator<Item = (&'a str, &'a Outcome)>) {
    let what = if deed == Deed::Loop { "never returns" } else { "makes an illegal access" };
    line!(text, "\none effect {what}, in period {} of {FAULT_PERIODS}", FAULT_AT + 1);
    for (way, outcome) in outcomes {
        match outcome {
            Outcome::Ends(said) => line!(text, "  {way:<20} {said}"),
            Outcome::Goes(run, said) => line!(
                text,
                "  {way:<20} goes on: {said}; the faulty one missed {} blocks, the others {}; {} missed; longest block {}",
                run.unserved_culprit,
                run.unserved - run.unserved_culprit,
                args::plural(run.misses, "period"),
                nanoseconds(run.block.max)
            ),
        }
    }
}

fn to_json(request: &Request, ways: &[Way]) -> Value {
    let run = |run: &Run| {
        json!({
            "block_ns": run.block,
            "cpu_share": run.cpu_share,
            "misses": run.misses,
            "unserved_blocks": run.unserved,
        })
    };
    let outcome = |(deed, outcome): &(Deed, Outcome)| match outcome {
        Outcome::Ends(said) => json!({ "fault": name(*deed), "host_goes_on": false, "outcome": said }),
        Outcome::Goes(found, said) => json!({
            "fault": name(*deed),
            "host_goes_on": true,
            "outcome": said,
            "unserved_blocks_of_the_faulty": found.unserved_culprit,
            "run": run(found),
        }),
    };
    json!({
        "effects": request.count,
        "frames": request.frames,
        "rate_hz": request.rate,
        "period_ns": request.period_ns(),
        "budget_ns": request.budget_ns(),
        "periods": request.periods(),
        "cpu": request.cpu,
        "fifo": request.fifo,
        "ways": ways.iter().map(|way| json!({
            "name": way.name,
            "effects": way.count,
            "limit": way.fewer,
            "run": run(&way.run),
            "faults": way.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}
