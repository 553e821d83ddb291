//! The loops of a function: which of them need a poll, and which are short enough to be unrolled around one.
//!
//! A loop that nothing branches back to is only a block. An innermost loop without parameters becomes
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
//! where a branch back to the loop's beginning goes on with the next copy, and from the last one round again. Falling out of the
//! body leaves the loop, as it did before. The copies are the original's bytes but for the branches out of the body, which count
//! more labels now.

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{BlockType, FunctionBody, Operator};

use super::splice::{Splicer, push_leb};
use super::{bulk, unreadable};

/// Copies are made as long as they have no more instructions than this, all together.
const UNROLLED_OPS: usize = 96;
const MOST_COPIES: usize = 8;

/// A function's instructions.
pub struct Code<'a> {
    /// Where they begin: after the locals.
    pub start: usize,
    pub ops: Vec<Op<'a>>,
    loops: Vec<Loop>,
}

pub struct Op<'a> {
    pub start: usize,
    pub end: usize,
    pub operator: Operator<'a>,
    /// How many labels are around it, its own not counted.
    depth: u32,
}

struct Loop {
    /// Index of the instruction.
    at: usize,
    /// Of its `end`.
    end: usize,
    /// Whether anything branches back to it.
    repeats: bool,
    /// Without loops, long operations or calls in it.
    is_plain: bool,
    has_parameters: bool,
}

impl<'a> Code<'a> {
    pub fn read(body: &FunctionBody<'a>, types: &TypesRef<'_>) -> Result<Code<'a>> {
        let mut reader = body.get_operators_reader().map_err(unreadable)?;
        let start = reader.original_position();
        let mut code = Code { start, ops: Vec::new(), loops: Vec::new() };
        // What each label belongs to: an index into the loops, or nothing.
        let mut labels: Vec<Option<usize>> = Vec::new();
        while !reader.eof() {
            let (operator, start) = reader.read_with_offset().map_err(unreadable)?;
            let at = code.ops.len();
            if matches!(operator, Operator::End | Operator::Else) {
                let closed = labels.pop().flatten();
                match (&operator, closed) {
                    (Operator::Else, _) => labels.push(None),
                    (_, Some(closed)) => code.loops[closed].end = at,
                    (_, None) => {}
                }
            }
            let depth = labels.len() as u32;
            for label in branches(&operator) {
                if let Some(Some(target)) = labels.len().checked_sub(1 + label as usize).map(|at| labels[at]) {
                    code.loops[target].repeats = true;
                }
            }
            match &operator {
                Operator::Block { .. } | Operator::If { .. } => labels.push(None),
                Operator::Loop { blockty } => {
                    for outer in labels.iter().flatten() {
                        code.loops[*outer].is_plain = false;
                    }
                    labels.push(Some(code.loops.len()));
                    let has_parameters = has_parameters(*blockty, types);
                    code.loops.push(Loop { at, end: at, repeats: false, is_plain: true, has_parameters });
                }
                operator if bulk::is_bulk(operator) || is_call(operator) => {
                    for outer in labels.iter().flatten() {
                        code.loops[*outer].is_plain = false;
                    }
                }
                _ => {}
            }
            code.ops.push(Op { start, end: reader.original_position(), operator, depth });
        }
        Ok(code)
    }

    /// Whether the instruction at this index is a loop that goes round.
    pub fn is_polled_loop(&self, at: usize) -> bool {
        self.find(at).is_some_and(|found| found.repeats)
    }

    /// How the loop at this index is to be unrolled, if it is.
    pub fn unrolled(&self, at: usize) -> Option<Unrolled> {
        let found = self.find(at)?;
        let ops = found.end - found.at - 1;
        let copies = (UNROLLED_OPS / ops.max(1)).min(MOST_COPIES);
        let fits = found.repeats && found.is_plain && !found.has_parameters && copies > 1;
        fits.then_some(Unrolled { at: found.at, end: found.end, copies })
    }

    fn find(&self, at: usize) -> Option<&Loop> {
        self.loops.binary_search_by_key(&at, |found| found.at).ok().map(|index| &self.loops[index])
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
    /// Index of the instruction behind its `end`.
    pub fn after(&self) -> usize {
        self.end + 1
    }

    pub fn write(&self, splicer: &mut Splicer<'_>, code: &Code<'_>, poll: &[u8]) {
        let first = &code.ops[self.at];
        splicer.copy_to(first.start);
        // The block and the loop have the type that the loop had; its bytes follow its one-byte instruction.
        for opcode in [BLOCK, LOOP] {
            splicer.insert(&[opcode]);
            splicer.repeat(first.start + 1..first.end);
        }
        splicer.insert(poll);
        for _ in 1..self.copies {
            splicer.insert(&[BLOCK, NO_RESULT]);
            self.copy(splicer, code, 2);
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
            let target = |label: u32| if label > labels_inside { label + more } else { label };
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

/// The labels that an instruction may go to.
fn branches<'a>(operator: &'a Operator<'_>) -> impl Iterator<Item = u32> + 'a {
    let (one, table) = match operator {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => (Some(*relative_depth), None),
        Operator::BrTable { targets } => (Some(targets.default()), Some(targets)),
        _ => (None, None),
    };
    // The module is valid, so the table can be read.
    one.into_iter().chain(table.into_iter().flat_map(|table| table.targets()).flatten())
}

/// The branch with other labels.
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

fn is_call(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
    )
}

fn has_parameters(ty: BlockType, types: &TypesRef<'_>) -> bool {
    match ty {
        BlockType::Empty | BlockType::Type(_) => false,
        BlockType::FuncType(index) => !types[types.core_type_at_in_module(index)].unwrap_func().params().is_empty(),
    }
}
