//! The loops of a function: finds those that need a poll, and unrolls short ones around one poll.
//!
//! A loop that nothing branches back to is only a block. Two kinds of loops that repeat need no poll:
//!
//! - a *counted* loop, whose turns are few and known: a local starts with a constant, changes by a constant, and is compared with a
//!   constant. All its turns count as straight code (`counted`).
//! - a *covered* loop, each turn of which passes another loop's poll (`covered`).
//!
//! A short innermost loop without parameters becomes
//!
//! ```text
//! block $exit
//!   loop $again
//!     poll
//!     block $next  BODY  br $exit  end
//!     block $next  BODY  br $exit  end
//!     …
//!     BODY
//!   end
//! end
//! ```
//!
//! where a branch back to the loop's beginning continues with the next copy, and from the last one with the first. Falling out of
//! the body leaves the loop, as before. The copies are the original's bytes, except for the branches out of the body, which count
//! more labels now.

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{BlockType, FunctionBody, Operator};

use super::STRETCH;
use super::poll::{CROWDED, Polls};
use super::splice::{Splicer, push_leb};
use super::unreadable;
use super::weight;

mod counted;
mod covered;

/// The numbers of copies, each with the most instructions that all copies together have. More copies save little: of four, each bears a
/// quarter of the poll. What they cost is registers, and loops of few turns that leave in the middle. Two copies of a long body cost more
/// than the half of a poll that they save.
const COPIES: [(usize, usize); 2] = [(4, 96), (3, 192)];
/// A counted loop longer than this is not unrolled: it does without a poll.
const LONG_OPS: usize = 32;
/// The most that all turns of a counted loop may run. The rest of a stretch is for what comes before and after it.
const MOST_COUNTED: u64 = STRETCH / 10 * 9;
/// The most instructions that are added to one function. The code generator's time grows at least with a function's size, and
/// it has limits: so in functions with very many loops only the innermost ones are unrolled, and the first of those.
const MOST_ADDED_OPS: usize = 4096;
/// The most instructions that are added to a crowded function.
const MOST_ADDED_TO_CROWDED: usize = 512;

/// A function's instructions.
pub struct Code<'a> {
    /// The place of the first instruction, after the locals.
    pub start: usize,
    pub ops: Vec<Op<'a>>,
    loops: Vec<Loop>,
    /// True if a block is put around all of it, which branches that leave the function have to leave, too.
    pub is_wrapped: bool,
}

pub struct Op<'a> {
    pub start: usize,
    pub end: usize,
    pub operator: Operator<'a>,
    /// The number of labels around it, without its own.
    depth: u32,
}

struct Loop {
    /// Index of the instruction.
    at: usize,
    /// Index of its `end`.
    end: usize,
    /// True if a branch leads back to it.
    repeats: bool,
    /// Index of the only branch that leads back to it, if there is only one.
    branch: Option<usize>,
    /// Index of the innermost loop around it, among the loops.
    around: Option<usize>,
    /// The weight of its instructions outside of the loops in it; None with a long operation or a call.
    weight: Option<u64>,
    kind: Kind,
    /// Without loops, long operations or calls in it.
    is_plain: bool,
    has_parameters: bool,
    /// The number of loops around it.
    nesting: u32,
    /// The number of copies of its body; 1 if it is not unrolled.
    copies: usize,
}

/// The reason why a loop that repeats can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a poll at its head.
    Polled,
    /// It has few turns; the number is the weight of all but one of them.
    Counted(u64),
    /// Each turn passes the poll of a loop in it.
    Covered,
}

/// A label while its block is open.
struct Label {
    /// Its index among the loops, if it is one.
    of_loop: Option<usize>,
    /// True if no loop, long operation or call is in it.
    is_plain: bool,
}

impl<'a> Code<'a> {
    pub fn read(body: &FunctionBody<'a>, types: &TypesRef<'_>) -> Result<Code<'a>> {
        let mut reader = body.get_operators_reader().map_err(unreadable)?;
        let start = reader.original_position();
        let mut code = Code { start, ops: Vec::new(), loops: Vec::new(), is_wrapped: false };
        let mut labels: Vec<Label> = Vec::new();
        // The open loops, by their indices.
        let mut open: Vec<usize> = Vec::new();
        while !reader.eof() {
            let (operator, start) = reader.read_with_offset().map_err(unreadable)?;
            let at = code.ops.len();
            if matches!(operator, Operator::End | Operator::Else)
                && let Some(closed) = labels.pop()
            {
                if let Some(index) = closed.of_loop {
                    open.pop();
                    let found = &mut code.loops[index];
                    (found.end, found.is_plain) = (at, closed.is_plain);
                }
                if let Some(outer) = labels.last_mut() {
                    outer.is_plain &= closed.is_plain && closed.of_loop.is_none();
                }
            }
            if matches!(operator, Operator::Else) {
                labels.push(Label { of_loop: None, is_plain: true });
            }
            // An `else` has the depth of its `if`: that of the block.
            let depth = labels.len() as u32;
            for label in branches(&operator) {
                let target = labels.len().checked_sub(1 + label as usize).and_then(|at| labels[at].of_loop);
                if let Some(target) = target {
                    let found = &mut code.loops[target];
                    found.branch = (!found.repeats).then_some(at);
                    found.repeats = true;
                }
            }
            let cost = weight::cost(&operator);
            if let Some(around) = open.last() {
                let weight = &mut code.loops[*around].weight;
                *weight = weight.zip(cost.constant()).map(|(sum, weight)| sum + weight);
            }
            match &operator {
                Operator::Block { .. } | Operator::If { .. } => labels.push(Label { of_loop: None, is_plain: true }),
                Operator::Loop { blockty } => {
                    labels.push(Label { of_loop: Some(code.loops.len()), is_plain: true });
                    let has_parameters = has_parameters(*blockty, types);
                    let (around, nesting) = (open.last().copied(), open.len() as u32);
                    open.push(code.loops.len());
                    code.loops.push(Loop {
                        at,
                        end: at,
                        repeats: false,
                        branch: None,
                        around,
                        weight: Some(0),
                        kind: Kind::Polled,
                        is_plain: true,
                        has_parameters,
                        nesting,
                        copies: 1,
                    });
                }
                _ if cost.constant().is_none() => {
                    if let Some(around) = labels.last_mut() {
                        around.is_plain = false;
                    }
                }
                _ => {}
            }
            code.ops.push(Op { start, end: reader.original_position(), operator, depth });
        }
        let counted = code.counted();
        code.choose_unrolled(&counted);
        code.choose_counted(&counted);
        code.choose_covered();
        Ok(code)
    }

    /// Chooses the number of copies of each body. If there are more loops than may be unrolled, takes those with the most loops
    /// around them, from the function's start.
    fn choose_unrolled(&mut self, turns: &[Option<u64>]) {
        let mut wanted = Vec::new();
        for (index, found) in self.loops.iter().enumerate() {
            let ops = found.end - found.at - 1;
            let needs_no_poll = ops > LONG_OPS && found.counted(turns[index], found.weight).is_some();
            let copies = COPIES.iter().find(|(copies, most)| ops * copies <= *most).map_or(1, |(copies, _)| *copies);
            if found.repeats && found.is_plain && !found.has_parameters && !needs_no_poll && copies > 1 {
                wanted.push((index, copies, ops * (copies - 1)));
            }
        }
        wanted.sort_by_key(|(index, _, _)| std::cmp::Reverse(self.loops[*index].nesting));
        let repeating = self.loops.iter().filter(|found| found.repeats).count();
        let most = if repeating > CROWDED { MOST_ADDED_TO_CROWDED } else { MOST_ADDED_OPS };
        let mut added = 0;
        for (index, copies, more) in wanted {
            added += more;
            if added > most {
                break;
            }
            self.loops[index].copies = copies;
        }
    }

    /// True if the instruction at this index is a loop with a poll.
    pub fn is_polled_loop(&self, at: usize) -> bool {
        self.find(at).is_some_and(Loop::is_polled)
    }

    /// The kind of the loop at this index, if it is one that repeats.
    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.find(at).filter(|found| found.repeats).map(|found| found.kind)
    }

    /// The number of loops with a poll.
    pub fn polled_loops(&self) -> usize {
        self.loops.iter().filter(|found| found.is_polled()).count()
    }

    /// The number of labels around the place directly before the instruction.
    pub fn labels_before(&self, at: usize) -> u32 {
        let Op { operator, depth, .. } = &self.ops[at];
        // The label that it closes; the last one closes the function.
        let closes = matches!(operator, Operator::End) && at + 1 != self.ops.len();
        depth + u32::from(closes)
    }

    /// The number of labels around the place directly after the instruction.
    pub fn labels_after(&self, at: usize) -> u32 {
        let Op { operator, depth, .. } = &self.ops[at];
        depth + u32::from(matches!(operator, Operator::Block { .. } | Operator::If { .. } | Operator::Loop { .. }))
    }

    /// Converts a label from inside the instruction to one outside of all copies; a block around the function changes the
    /// function's own label.
    fn outermost(&self, op: &Op<'_>, label: u32) -> u32 {
        label + u32::from(self.is_wrapped && label == op.depth)
    }

    /// The branch at this index with changed labels, if it needs any.
    pub fn rewrapped(&self, at: usize) -> Option<Vec<u8>> {
        let op = &self.ops[at];
        let target = |label| self.outermost(op, label);
        branches(&op.operator).any(|label| target(label) != label).then(|| branch(&op.operator, target))
    }

    /// The plan for unrolling the loop at this index, if it is unrolled.
    pub fn unrolled(&self, at: usize) -> Option<Unrolled> {
        let found = self.find(at)?;
        (found.copies > 1).then_some(Unrolled { at: found.at, end: found.end, copies: found.copies })
    }

    /// The weight of what the copies of the loop at this index run between two polls, beyond that of one copy.
    pub fn repeated_weight(&self, at: usize) -> u64 {
        self.find(at).map_or(0, |found| found.weight.unwrap_or(0) * (found.copies as u64 - 1))
    }

    fn find(&self, at: usize) -> Option<&Loop> {
        if !matches!(self.ops[at].operator, Operator::Loop { .. }) {
            return None;
        }
        self.loops.binary_search_by_key(&at, |found| found.at).ok().map(|index| &self.loops[index])
    }
}

impl Kind {
    /// The weight of the turns that no poll follows, beyond that of one turn.
    pub fn other_turns(self) -> u64 {
        match self {
            Kind::Counted(others) => others,
            Kind::Polled | Kind::Covered => 0,
        }
    }
}

impl Loop {
    /// The weight of all turns, if they are few enough to need no poll; `one`: that of one turn.
    fn counted(&self, turns: Option<u64>, one: Option<u64>) -> Option<u64> {
        turns?.checked_mul(one?).filter(|most| self.repeats && *most <= MOST_COUNTED)
    }

    fn is_polled(&self) -> bool {
        self.repeats && self.kind == Kind::Polled
    }
}

/// A loop that becomes several copies of its body.
pub struct Unrolled {
    at: usize,
    end: usize,
    copies: usize,
}

const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const END: u8 = 0x0b;
const BR: u8 = 0x0c;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;
const NO_RESULT: u8 = 0x40;

impl Unrolled {
    /// Index of the instruction after its `end`.
    pub fn after(&self) -> usize {
        self.end + 1
    }

    pub fn write(&self, splicer: &mut Splicer<'_>, code: &Code<'_>, polls: &Polls<'_>) {
        let first = &code.ops[self.at];
        splicer.copy_to(first.start);
        // The block and the loop have the type that the loop had; its bytes follow its one-byte instruction.
        for opcode in [BLOCK, LOOP] {
            splicer.insert(&[opcode]);
            splicer.repeat(first.start + 1..first.end);
        }
        splicer.insert(&polls.at(first.depth + 2));
        for _ in 1..self.copies {
            splicer.insert(&[BLOCK, NO_RESULT]);
            let more = 2;
            #[cfg(feature = "planted")]
            let more = if crate::planted::has(crate::planted::Defect::LeavesTooFar) { 1 } else { more };
            self.copy(splicer, code, more);
            // Out of this block and of the loop, to the end of the outermost.
            splicer.insert_for(code.ops[self.end].start, &[BR, 2, END]);
        }
        self.copy(splicer, code, 1);
        splicer.insert_for(code.ops[self.end].start, &[END, END]);
        splicer.skip_to(code.ops[self.end].end);
    }

    /// The body, with `more` labels between the loop's own and those around it.
    fn copy(&self, splicer: &mut Splicer<'_>, code: &Code<'_>, more: u32) {
        let inside = code.ops[self.at].depth + 1;
        let mut copied = code.ops[self.at].end;
        for op in &code.ops[self.at + 1..self.end] {
            let labels_inside = op.depth - inside;
            let target = |label: u32| code.outermost(op, label) + if label > labels_inside { more } else { 0 };
            if branches(&op.operator).all(|label| target(label) == label) {
                continue;
            }
            splicer.repeat(copied..op.start);
            splicer.insert_for(op.start, &branch(&op.operator, target));
            copied = op.end;
        }
        splicer.repeat(copied..code.ops[self.end].start);
    }
}

/// The labels that an instruction may branch to.
pub fn branches<'a>(operator: &'a Operator<'_>) -> impl Iterator<Item = u32> + 'a {
    let (one, table) = match operator {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => (Some(*relative_depth), None),
        Operator::BrTable { targets } => (Some(targets.default()), Some(targets)),
        _ => (None, None),
    };
    // The module is valid, so the table can be read.
    one.into_iter().chain(table.into_iter().flat_map(|table| table.targets()).flatten())
}

/// The branch with new labels.
fn branch(operator: &Operator<'_>, target: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    match operator {
        Operator::BrTable { targets } => {
            bytes.push(BR_TABLE);
            push_leb(&mut bytes, targets.len());
            for label in targets.targets().flatten().chain([targets.default()]) {
                push_leb(&mut bytes, target(label));
            }
        }
        Operator::Br { relative_depth } => {
            bytes.push(BR);
            push_leb(&mut bytes, target(*relative_depth));
        }
        Operator::BrIf { relative_depth } => {
            bytes.push(BR_IF);
            push_leb(&mut bytes, target(*relative_depth));
        }
        other => unreachable!("{other:?} is no branch"),
    }
    bytes
}

fn has_parameters(ty: BlockType, types: &TypesRef<'_>) -> bool {
    match ty {
        BlockType::Empty | BlockType::Type(_) => false,
        BlockType::FuncType(index) => !types[types.core_type_at_in_module(index)].unwrap_func().params().is_empty(),
    }
}
