//! The doctor: finds out what about this machine costs latency. Each check reads a few of the kernel's files, judges them for
//! four classes of work, and recommends a remedy.
//!
//! All files lie below a root that can be another folder, so that a copy of another machine's files can be judged, also in
//! tests. What is missing or cannot be understood is "unknown", never a failure. The doctor changes nothing: the probes, which
//! run only on request, only take time. Not for real-time threads.
//!
//! Functions that every check calls are kept out of line: inlined sixty times they would be the larger part of this folder's
//! code.

pub mod core_speed;
mod cores;
mod frequency;
mod inflate;
mod interrupts;
mod kernel;
mod machine;
mod measure;
mod memory;
mod parse;
mod probes;
mod process;
mod root;
mod scheduling;
mod severity;
mod table;
mod thermal;
mod time;

pub use machine::Artifact;
use machine::Machine;
pub use severity::{ByClass, Severity};
pub use table::{Check, checks};

use std::path::PathBuf;
use std::time::Duration;

/// The real-time thread's kind of work, which decides about the severity of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Audio128,
    Audio32,
    Control1kHz,
    Control10kHz,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Audio128, Class::Audio32, Class::Control1kHz, Class::Control10kHz];

    pub fn name(self) -> &'static str {
        ["audio-128", "audio-32", "control-1khz", "control-10khz"][self as usize]
    }

    pub fn title(self) -> &'static str {
        [
            "audio, blocks of 128 frames at 48 kHz",
            "audio, blocks of 32 frames at 48 kHz",
            "a control loop at 1 kHz",
            "a control loop at 10 kHz",
        ][self as usize]
    }

    pub fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name() == name)
    }

    pub fn period_ns(self) -> u64 {
        [2_666_667, 666_667, 1_000_000, 100_000][self as usize]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    Bad,
    /// Relevant, but cannot be determined.
    Unknown,
    /// Not requested, or meaningless here.
    Skipped,
}

impl State {
    pub fn name(self) -> &'static str {
        ["good", "bad", "unknown", "skipped"][self as usize]
    }
}

/// The time at which a remedy's commands take effect, and the care that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// At once, until the next boot; harms nothing else on the machine.
    Now,
    /// May harm something else, or has words to be filled in.
    WithThought,
    /// After a reboot.
    Reboot,
}

impl Apply {
    pub fn name(self) -> &'static str {
        ["now", "with thought", "reboot"][self as usize]
    }
}

/// The result of one check.
#[derive(Debug, Clone)]
pub struct Finding {
    pub id: &'static str,
    pub title: &'static str,
    pub state: State,
    /// For bad and unknown findings: the severity for each class, real or possible.
    pub by_class: ByClass,
    /// The worst severity for the judged classes; for good and skipped findings, the possible one.
    pub severity: Severity,
    pub found: String,
    pub expected: String,
    /// One line.
    pub why: &'static str,
    /// One or two sentences.
    pub remedy: String,
    /// Lines for a shell; empty if no command helps.
    pub commands: String,
    pub apply: Apply,
    /// True if the commands need root.
    pub needs_root: bool,
}

const RANKS: usize = 7;

impl Finding {
    /// The order in which findings are printed.
    fn rank(&self) -> usize {
        match (self.state, self.severity) {
            (State::Bad, severity) => Severity::Fatal as usize - severity as usize,
            (State::Unknown, _) => RANKS - 3,
            (State::Good, _) => RANKS - 2,
            (State::Skipped, _) => RANKS - 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ready,
    ReadyWithWarnings,
    NotReady,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        ["ready", "ready with warnings", "not ready"][self as usize]
    }
}

/// The findings against a class, which decide on its verdict.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub fatal: usize,
    pub high: usize,
    pub medium: usize,
    pub info: usize,
    /// Unknown findings that would be fatal or high if they were bad.
    pub unknown: usize,
}

impl Tally {
    pub fn verdict(&self) -> Verdict {
        match self {
            Tally { fatal: 0, high: 0, medium: 0, unknown: 0, .. } => Verdict::Ready,
            Tally { fatal: 0, high: 0, .. } => Verdict::ReadyWithWarnings,
            _ => Verdict::NotReady,
        }
    }
}

/// The doctor's options.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A folder that stands for `/`; `None`: the running system.
    pub root: Option<PathBuf>,
    /// The class to judge for; `None`: all of them.
    pub class: Option<Class>,
    /// Replaces the period of every class.
    pub period_ns: Option<u64>,
    /// The CPU that the real-time thread runs on; `None`: any that this thread may use.
    pub cpu: Option<usize>,
    /// True if the calling thread is the real-time thread, so that its own policy, affinity and stack are judged.
    pub thread: bool,
    /// The duration of each probe; `None`: no probes. Only on the running system.
    pub probe: Option<Duration>,
    /// The artifact that will run here.
    pub artifact: Option<Artifact>,
}

/// The findings: bad ones first, the worst of them first; then unknown, good and skipped ones.
#[derive(Debug, Clone)]
pub struct Report {
    /// `Linux 6.12.8, x86_64, 8 CPUs`, with unknown parts left out.
    pub machine: String,
    pub findings: Vec<Finding>,
    pub class: Option<Class>,
}

impl Report {
    /// The judged classes.
    pub fn classes(&self) -> impl Iterator<Item = Class> {
        let asked_for = self.class;
        Class::ALL.into_iter().filter(move |class| asked_for.is_none_or(|asked| asked == *class))
    }

    /// Counts the findings against a judged class.
    pub fn tally(&self, class: Class) -> Tally {
        let mut tally = Tally::default();
        for finding in &self.findings {
            match (finding.state, finding.by_class[class as usize]) {
                (State::Bad, Some(Severity::Fatal)) => tally.fatal += 1,
                (State::Bad, Some(Severity::High)) => tally.high += 1,
                (State::Bad, Some(Severity::Medium)) => tally.medium += 1,
                (State::Bad, Some(Severity::Info)) => tally.info += 1,
                (State::Unknown, Some(Severity::High | Severity::Fatal)) => tally.unknown += 1,
                _ => {}
            }
        }
        tally
    }

    /// The verdict of the worst judged class.
    pub fn verdict(&self) -> Verdict {
        self.classes().map(|class| self.tally(class).verdict()).max().unwrap_or(Verdict::NotReady)
    }

    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }
}

/// Runs all checks.
pub fn check(options: &Options) -> Report {
    let machine = Machine::new(options);
    let mut unsorted: Vec<Finding> = checks().map(|check| finding(check, &machine)).collect();
    let mut findings = Vec::new();
    // Within a rank, in the table's order.
    for rank in 0..RANKS {
        let (of_rank, rest) = unsorted.into_iter().partition(|finding| finding.rank() == rank);
        findings.extend::<Vec<Finding>>(of_rank);
        unsorted = rest;
    }
    Report { machine: machine.description(), findings, class: options.class }
}

fn finding(check: &Check, machine: &Machine) -> Finding {
    let outcome = (check.run)(machine);
    let worst = |severities: &ByClass| match machine.options.class {
        Some(class) => severities[class as usize],
        None => severities.iter().copied().max().flatten(),
    };
    let costs = outcome.by_class.unwrap_or(check.severity);
    let (state, by_class) = match outcome.state {
        // For the requested class it may be good enough.
        State::Bad if worst(&costs).is_none() => (State::Good, severity::NONE),
        state @ (State::Bad | State::Unknown) => (state, costs),
        state @ (State::Good | State::Skipped) => (state, severity::NONE),
    };
    Finding {
        id: check.id(),
        title: check.title(),
        state,
        by_class,
        severity: worst(&by_class).or_else(|| worst(&check.severity)).unwrap_or(Severity::Info),
        found: outcome.found,
        expected: outcome.expected.unwrap_or_else(|| check.expected().into()),
        why: check.why(),
        remedy: outcome.remedy.unwrap_or_else(|| check.remedy().into()),
        commands: outcome.commands.unwrap_or_else(|| check.commands().into()),
        apply: check.apply,
        needs_root: check.needs_root,
    }
}

/// A check's outcome; the table has the rest of the finding, unless the outcome replaces it.
struct Outcome {
    state: State,
    found: String,
    by_class: Option<ByClass>,
    expected: Option<String>,
    remedy: Option<String>,
    commands: Option<String>,
}

impl Outcome {
    #[inline(never)]
    fn new(state: State, found: impl Into<String>) -> Outcome {
        Outcome { state, found: found.into(), by_class: None, expected: None, remedy: None, commands: None }
    }

    fn good(found: impl Into<String>) -> Outcome {
        Outcome::new(State::Good, found)
    }

    fn bad(found: impl Into<String>) -> Outcome {
        Outcome::new(State::Bad, found)
    }

    fn good_if(good: bool, found: impl Into<String>) -> Outcome {
        Outcome::new(if good { State::Good } else { State::Bad }, found)
    }

    fn unknown(found: impl Into<String>) -> Outcome {
        Outcome::new(State::Unknown, found)
    }

    fn skipped(found: impl Into<String>) -> Outcome {
        Outcome::new(State::Skipped, found)
    }

    /// Replaces the table's severities. Good if all are `None`.
    #[inline(never)]
    fn severity(mut self, by_class: ByClass) -> Outcome {
        if self.state == State::Bad && by_class.iter().all(Option::is_none) {
            self.state = State::Good;
        }
        self.by_class = Some(by_class);
        self
    }

    fn expected(mut self, expected: impl Into<String>) -> Outcome {
        self.expected = Some(expected.into());
        self
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Outcome {
        self.remedy = Some(remedy.into());
        self
    }

    fn commands(mut self, commands: impl Into<String>) -> Outcome {
        self.commands = Some(commands.into());
        self
    }
}
