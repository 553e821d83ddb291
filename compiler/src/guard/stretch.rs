//! Plans the polls inside a function: computes, for every point of its code, the most that can have run since the last poll, on
//! any path. The code before the function and the functions that it calls count too.
//!
//! One pass over the code sees every path that leads forward. A path that leads back to a loop's head meets a poll there; or it belongs to
//! a counted loop, whose turns are all weighed before the first; or it has not run for longer than [`BACK`] since its last poll, and the
//! pass begins the loop as if that much had run.

use wasmparser::Operator;

use super::STRETCH;
use super::loops::{Code, Kind, branches};
use super::weight::{self, Cost};

/// The assumed cost of a call through the host, which is unknown: at most 16 such calls come between two polls.
const HOST: u64 = STRETCH / 16;
/// The cost of a call itself, by name or through a table.
const CALL: u64 = 8;
/// The most that may run without a poll between the return of a call on a cycle and the function's own return: when a deep
/// recursion unwinds, all of its functions return one after the other, and that adds up.
const UNWINDING: u64 = 50;

/// The most that may have run since the last poll at the end of a turn of a loop without a poll of its own.
const BACK: u64 = STRETCH / 4;

/// The polls of a function.
pub struct Plan {
    /// A poll at its entry.
    pub at_entry: bool,
    /// Indices of the instructions that get a poll before them, in their order.
    pub before: Vec<usize>,
}

/// The most that a call runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Called {
    /// Until its first poll, or its end.
    first: u64,
    /// From its start to its end, on paths without a poll.
    through: Option<u64>,
    /// From its last poll to its end, on paths with one.
    last: Option<u64>,
}

impl Called {
    pub const HOST: Called = Called { first: HOST, through: Some(HOST), last: None };

    /// The most of two calls.
    pub fn or(self, other: Called) -> Called {
        Called { first: self.first.max(other.first), through: self.through.max(other.through), last: self.last.max(other.last) }
    }
}

/// For a call: what it runs, and true if it may lead back to the function itself, which then has a poll at its entry.
pub type Callees<'a> = &'a mut dyn FnMut(&Operator<'_>) -> Option<(Called, bool)>;

/// The most that has run at some point of the code; all None if no path leads there.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Since the function's start, on paths without a poll.
    since_entry: Option<u64>,
    since_poll: Option<u64>,
    /// Since the return of a call on a cycle, on paths without a poll after it.
    since_return: Option<u64>,
}

impl Run {
    const POLLED: Run = Run { since_entry: None, since_poll: Some(0), since_return: None };

    fn or(self, other: Run) -> Run {
        Run {
            since_entry: self.since_entry.max(other.since_entry),
            since_poll: self.since_poll.max(other.since_poll),
            since_return: self.since_return.max(other.since_return),
        }
    }

    fn after(self, weight: u64) -> Run {
        let add = |run: Option<u64>| run.map(|run| run + weight);
        Run { since_entry: add(self.since_entry), since_poll: add(self.since_poll), since_return: add(self.since_return) }
    }

    fn after_call(self, called: Called, leads_round: bool) -> Run {
        if !self.is_reached() {
            return self;
        }
        let through = called.through.map_or(Run::default(), |through| self.after(through));
        let polled = Run { since_poll: called.last, ..Run::default() };
        let round = if leads_round { Run { since_return: Some(0), ..Run::POLLED } } else { Run::default() };
        through.or(polled).or(round)
    }

    fn is_reached(self) -> bool {
        self.since_entry.max(self.since_poll).is_some()
    }

    /// True if adding this weight is too much.
    fn is_too_long_with(self, weight: u64) -> bool {
        let too_long = |run: Option<u64>, limit| run.is_some_and(|run| run + weight > limit);
        too_long(self.since_entry.max(self.since_poll), STRETCH) || too_long(self.since_return, UNWINDING)
    }
}

/// A label while its block is open.
struct Label {
    /// The weight at its end, on paths that branch there from inside.
    at_end: Run,
    /// The weight at the start of an `if` that has no `else` yet.
    at_else: Run,
    /// The kind of its loop, if it is one that repeats.
    of_loop: Option<Kind>,
}

/// Plans a function's polls, and returns what a call of it then runs.
pub fn plan(
    code: &Code<'_>,
    is_circular: bool,
    callees: Callees<'_>,
    weigh: &dyn Fn(&Operator<'_>, Option<u64>) -> u64,
) -> (Plan, Called) {
    let (plan, called) = walk(code, is_circular, callees, weigh);
    // A function that needs polls inside also gets one at its entry, so that its callers need none because of it.
    if plan.before.is_empty() || is_circular { (plan, called) } else { walk(code, true, callees, weigh) }
}

fn walk(
    code: &Code<'_>,
    at_entry: bool,
    callees: Callees<'_>,
    weigh: &dyn Fn(&Operator<'_>, Option<u64>) -> u64,
) -> (Plan, Called) {
    let mut walk = Walk::new(at_entry);
    let mut last_constant = None;
    for (at, op) in code.ops.iter().enumerate() {
        let operator = &op.operator;
        let weight = match weight::cost(operator) {
            Cost::Constant(weight) => weight + code.kind(at).map_or(0, Kind::other_turns),
            Cost::Bytes | Cost::Entries => weigh(operator, last_constant),
            Cost::Call => CALL,
            Cost::Growth | Cost::Refused => 1,
        };
        // A branch back to a loop without a poll of its own.
        if walk.is_too_long_to_go_back(operator) {
            walk.poll_before(at);
        }
        walk.run_one(at, weight, callees(operator));
        walk.branch(operator);
        walk.go_on(code, at);
        last_constant = constant(operator);
    }
    let called = walk.called(at_entry);
    (Plan { at_entry, before: walk.before }, called)
}

/// A pass over a function's code, at some point of it.
struct Walk {
    run: Run,
    /// At the function's returns so far.
    exit: Run,
    /// The most that has run until the first poll.
    first: u64,
    labels: Vec<Label>,
    /// The instructions so far that get a poll before them.
    before: Vec<usize>,
}

impl Walk {
    fn new(at_entry: bool) -> Walk {
        let run = if at_entry { Run::POLLED } else { Run { since_entry: Some(0), ..Run::default() } };
        Walk { run, exit: Run::default(), first: 0, labels: Vec::new(), before: Vec::new() }
    }

    /// Adds an instruction, with all that it calls; before it a poll, if it would be too much without one.
    fn run_one(&mut self, at: usize, weight: u64, call: Option<(Called, bool)>) {
        let until_poll = weight + call.map_or(0, |(called, _)| called.first);
        if self.run.is_too_long_with(until_poll) {
            self.poll_before(at);
        }
        self.first = self.first.max(self.run.since_entry.map_or(0, |run| run + until_poll));
        self.run = self.run.after(weight);
        if let Some((called, leads_round)) = call {
            self.run = self.run.after_call(called, leads_round);
        }
    }

    fn poll_before(&mut self, at: usize) {
        self.before.push(at);
        self.run = Run::POLLED;
    }

    /// True if an instruction branches back to a covered loop after more than [`BACK`], or after a call on a cycle: what has run since its
    /// return would be forgotten.
    fn is_too_long_to_go_back(&self, operator: &Operator<'_>) -> bool {
        let is_covered = |label: u32| {
            let index = self.labels.len().checked_sub(1 + label as usize);
            index.is_some_and(|index| self.labels[index].of_loop == Some(Kind::Covered))
        };
        let is_long = self.run.since_poll.is_some_and(|run| run >= BACK) || self.run.since_return.is_some();
        is_long && branches(operator).any(is_covered)
    }

    /// Notes the paths that branch away.
    fn branch(&mut self, operator: &Operator<'_>) {
        for label in branches(operator) {
            match self.labels.len().checked_sub(1 + label as usize) {
                // The path continues at the loop's head.
                Some(index) if self.labels[index].of_loop.is_some() => {}
                Some(index) => self.labels[index].at_end = self.labels[index].at_end.or(self.run),
                None => self.exit = self.exit.or(self.run),
            }
        }
    }

    /// Follows the path that leads from an instruction to the next one, and opens and closes blocks.
    fn go_on(&mut self, code: &Code<'_>, at: usize) {
        match &code.ops[at].operator {
            Operator::Block { .. } => self.open(Run::default(), None),
            Operator::If { .. } => self.open(self.run, None),
            Operator::Loop { .. } => {
                let kind = code.kind(at);
                if self.run.is_reached() {
                    match kind {
                        Some(Kind::Polled) => self.run = Run::POLLED.after(code.repeated_weight(at)),
                        Some(Kind::Covered) => self.run.since_poll = self.run.since_poll.max(Some(BACK)),
                        Some(Kind::Counted(_)) | None => {}
                    }
                }
                self.open(Run::default(), kind);
            }
            Operator::Else => {
                if let Some(label) = self.labels.last_mut() {
                    label.at_end = label.at_end.or(self.run);
                    self.run = std::mem::take(&mut label.at_else);
                }
            }
            Operator::End => match self.labels.pop() {
                Some(label) => self.run = self.run.or(label.at_end).or(label.at_else),
                None => self.exit = self.exit.or(self.run),
            },
            Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                self.exit = self.exit.or(self.run);
                self.run = Run::default();
            }
            Operator::Br { .. } | Operator::BrTable { .. } | Operator::Unreachable => self.run = Run::default(),
            operator if is_polled_after(operator) && self.run.is_reached() => self.run = Run::POLLED,
            _ => {}
        }
    }

    fn open(&mut self, at_else: Run, of_loop: Option<Kind>) {
        self.labels.push(Label { at_end: Run::default(), at_else, of_loop });
    }

    /// At the end of the code: the most that a call of the function runs.
    fn called(&self, at_entry: bool) -> Called {
        Called {
            first: if at_entry { 0 } else { self.first },
            through: self.exit.since_entry,
            // When a recursion has unwound, it has run for a while.
            last: self.exit.since_poll.max(self.exit.since_return.map(|_| STRETCH / 2)),
        }
    }
}

/// True if an instruction is one long call of the engine: it gets a poll after it.
pub fn is_polled_after(operator: &Operator<'_>) -> bool {
    weight::cost(operator) == Cost::Growth
}

/// The constant that an instruction pushes, if it can be a length.
pub fn constant(operator: &Operator<'_>) -> Option<u64> {
    match operator {
        Operator::I32Const { value } => Some(u64::from(*value as u32)),
        Operator::I64Const { value } => Some(*value as u64),
        _ => None,
    }
}
