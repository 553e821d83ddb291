//! Measures what happens once: the time of a fresh process until the end of its first cycle.
//!
//! The command runs itself again, with a hidden subcommand, which answers in JSON.

use std::io::Read;
use std::process::{Command, Stdio};

use rtwasm::engine::artifact::{self, Input};
use rtwasm::engine::module::Module;
use rtwasm::status::Error;
use rtwasm::sys::clock;
use serde::{Deserialize, Serialize};

use super::describe::{Setup, Workload};
use super::guest::{self, Attached, Guest, aside};
use super::os::Nameless;
use super::run;
use super::source::Code;
use crate::args::{self, Args, Failure};

/// A hidden subcommand.
pub const COMMAND: &str = "measure-fresh-process";

#[derive(Serialize, Deserialize)]
struct Task {
    workload: Workload,
    setup: Setup,
    dry_cycles: u32,
    /// The time when the parent began to start the process.
    spawned_ns: u64,
}

/// In ns, in this order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Phases {
    /// From the parent's start to the program's beginning.
    pub process: f64,
    pub runtime: f64,
    /// From the artifact's bytes to mapped code.
    pub load: f64,
    /// Creating the instance, and the calls before the first cycle.
    pub instance: f64,
    pub attach: f64,
    pub prepare: f64,
    pub first_cycle: f64,
    pub second_cycle: f64,
    /// Page faults in the first cycle.
    pub first_cycle_faults: u64,
}

impl Phases {
    /// From the parent's start until the end of the first cycle.
    pub fn total(&self) -> f64 {
        self.process + self.runtime + self.load + self.instance + self.attach + self.prepare + self.first_cycle
    }

    /// Names and figures, in order.
    pub fn rows(&self) -> [(&'static str, f64); 8] {
        [
            ("process start", self.process),
            ("runtime", self.runtime),
            ("load", self.load),
            ("instance", self.instance),
            ("attach", self.attach),
            ("prepare", self.prepare),
            ("first cycle", self.first_cycle),
            ("second cycle", self.second_cycle),
        ]
    }
}

/// Starts processes for the same code.
pub struct Starter {
    artifact: Nameless,
    workload: Workload,
    dry_cycles: u32,
}

impl Starter {
    pub fn new(code: &Code, workload: &Workload, dry_cycles: u32) -> Result<Starter, Failure> {
        let artifact = Nameless::new(&code.bytes).map_err(|error| Failure::Failed(format!("a file in memory: {error}")))?;
        Ok(Starter { artifact, workload: workload.clone(), dry_cycles })
    }

    /// Runs one fresh process, from its start to its second cycle.
    pub fn run(&self, setup: &Setup) -> Result<Phases, Failure> {
        let failed = |what: String| Failure::Failed(format!("a fresh process: {what}"));
        let input = self.artifact.open().map_err(|error| failed(error.to_string()))?;
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let (workload, dry_cycles) = (self.workload.clone(), self.dry_cycles);
        let task = Task { workload, setup: setup.clone(), dry_cycles, spawned_ns: clock::monotonic_ns() };
        let task = serde_json::to_string(&task).map_err(|error| failed(error.to_string()))?;
        let output = Command::new(program)
            .args([COMMAND, &task])
            .stdin(Stdio::from(input))
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(failed(told.trim().trim_start_matches("rtwasm: error: ").to_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
    }
}

/// The child's side: does what the parent wants and prints the figures.
pub fn run_as_child(mut args: Args) -> Result<(), Failure> {
    let began_ns = clock::monotonic_ns();
    let wrong = || Failure::Usage(format!("{COMMAND} is for the command itself"));
    let Some(args::Arg::Value(task)) = args.next()? else { return Err(wrong()) };
    let task: Task = serde_json::from_slice(task.as_encoded_bytes()).map_err(|_| wrong())?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut phases = measure(&task, bytes).map_err(|error| Failure::Failed(error.to_string()))?;
    phases.process = began_ns.saturating_sub(task.spawned_ns) as f64;
    args::print(&serde_json::to_string(&phases).map_err(|error| Failure::Failed(error.to_string()))?)
}

fn measure(task: &Task, bytes: Vec<u8>) -> Result<Phases, Error> {
    let metadata = artifact::read(&bytes)?.metadata;
    let code = Code { bytes, metadata };
    let mut phases = Phases::default();
    // Dry cycles are as many as fit into the time that one may take.
    let _alarm = guest::alarm(&task.workload, &code.metadata, task.workload.limit_ns as f64);
    let runtime = timed(&mut phases.runtime, || guest::runtime(&code.metadata, &task.setup))?;
    let module = timed(&mut phases.load, || Module::load(&runtime, Input::Memory(&code.bytes), Ok))?;
    let mut guest = timed(&mut phases.instance, || Guest::of(&module, &task.workload, &task.setup))?;
    let _attached = timed(&mut phases.attach, || Attached::new(&runtime))?;
    if task.setup.prepare {
        timed(&mut phases.prepare, || aside(|| guest.prepare(task.dry_cycles)))?;
    }
    for (slot, faults) in [(&mut phases.first_cycle, Some(&mut phases.first_cycle_faults)), (&mut phases.second_cycle, None)] {
        let (times, evidence) = run::first(&mut guest, 1).map_err(|status| aside(|| guest.ended(status)))?;
        *slot = times[0];
        if let Some(faults) = faults {
            *faults = evidence.minor_faults + evidence.major_faults;
        }
        aside(|| drop(times));
    }
    Ok(phases)
}

fn timed<T>(slot: &mut f64, run: impl FnOnce() -> T) -> T {
    let began_ns = clock::monotonic_ns();
    let result = run();
    *slot = (clock::monotonic_ns() - began_ns) as f64;
    result
}
