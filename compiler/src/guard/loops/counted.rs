//! Counts the turns of loops that a constant bounds, in the form that compilers give them:
//!
//! ```text
//! i32.const START  local.set $i
//! loop
//!   …
//!   local.get $i  i32.const STEP  i32.add  local.tee $i  i32.const LAST  i32.ne  br_if 0
//! end
//! ```
//!
//! The comparison can be missing (then the loop ends at 0), less-than can stand for it, and the changed local can be read again for it.

use wasmparser::Operator;

use super::{Code, Kind, MOST_COUNTED};

/// The most instructions between a counter's start and its loop.
const FARTHEST_START: usize = 256;

/// A condition for another turn.
#[derive(Clone, Copy)]
enum Until {
    Equal(u32),
    NotBelow(u32),
    NotBelowSigned(i32),
}

/// A local that changes once in each turn.
struct Counter {
    local: u32,
    step: i32,
}

impl Code<'_> {
    /// The number of turns of each loop, None if it is unknown; at most this many, if something else leaves the loop.
    pub(super) fn counted(&self) -> Vec<Option<u64>> {
        (0..self.loops.len()).map(|index| self.turns(index)).collect()
    }

    fn turns(&self, index: usize) -> Option<u64> {
        let found = &self.loops[index];
        // Each instruction weighs 1 at least.
        if found.weight.is_none() || (found.end - found.at) as u64 > MOST_COUNTED {
            return None;
        }
        let branch = found.branch?;
        if !matches!(self.ops[branch].operator, Operator::BrIf { .. }) || !self.is_at_top(index, branch) {
            return None;
        }
        let (until, value) = self.condition(branch)?;
        let counter = self.counter(index, value, branch)?;
        let start = self.start(found.at, counter.local)?;
        turns(start, counter.step, until)
    }

    /// True if an instruction is in the loop, and in no block within it: each turn that comes so far runs it.
    fn is_at_top(&self, index: usize, at: usize) -> bool {
        let found = &self.loops[index];
        (found.at..found.end).contains(&at) && self.ops[at].depth == self.ops[found.at].depth + 1
    }

    fn operator(&self, at: Option<usize>) -> Option<&Operator<'_>> {
        Some(&self.ops.get(at?)?.operator)
    }

    fn i32_constant(&self, at: Option<usize>) -> Option<i32> {
        match self.operator(at)? {
            Operator::I32Const { value } => Some(*value),
            _ => None,
        }
    }

    /// The condition of a branch back, and the index of the instruction that pushes the counter for it.
    fn condition(&self, branch: usize) -> Option<(Until, usize)> {
        let compare = branch.checked_sub(1)?;
        let last = self.i32_constant(compare.checked_sub(1));
        let until = match self.operator(Some(compare))? {
            Operator::I32Ne => Until::Equal(last? as u32),
            Operator::I32LtU => Until::NotBelow(last? as u32),
            Operator::I32LtS => Until::NotBelowSigned(last?),
            _ => return Some((Until::Equal(0), compare)),
        };
        Some((until, compare.checked_sub(2)?))
    }

    /// The local that the instruction at `value` pushes, if the loop changes it once, by a constant, before `branch`.
    fn counter(&self, index: usize, value: usize, branch: usize) -> Option<Counter> {
        let local = match self.operator(Some(value))? {
            Operator::LocalGet { local_index } | Operator::LocalTee { local_index } => *local_index,
            _ => return None,
        };
        let found = &self.loops[index];
        let mut changes = (found.at..found.end).filter(|at| self.sets(*at, local));
        let change = changes.next()?;
        if changes.next().is_some() || change >= branch || !self.is_at_top(index, change) {
            return None;
        }
        // Read before its change, it has the value of the turn before.
        if value < change {
            return None;
        }
        let step = self.i32_constant(change.checked_sub(2))?;
        let step = match self.operator(change.checked_sub(1))? {
            Operator::I32Add => step,
            Operator::I32Sub => step.checked_neg()?,
            _ => return None,
        };
        match self.operator(change.checked_sub(3))? {
            Operator::LocalGet { local_index } if *local_index == local => Some(Counter { local, step }),
            _ => None,
        }
    }

    fn sets(&self, at: usize, local: u32) -> bool {
        matches!(self.ops[at].operator, Operator::LocalSet { local_index } | Operator::LocalTee { local_index } if local_index == local)
    }

    /// The constant that a local has before the instruction at `at`, on every path there.
    fn start(&self, at: usize, local: u32) -> Option<u32> {
        let mut depth = self.ops[at].depth;
        for earlier in (at.saturating_sub(FARTHEST_START)..at).rev() {
            let op = &self.ops[earlier];
            if self.sets(earlier, local) {
                // Deeper, it is in a block that has ended, and perhaps was passed over.
                return self.i32_constant(earlier.checked_sub(1)).filter(|_| op.depth == depth).map(|start| start as u32);
            }
            if op.depth < depth {
                // The start of a block around.
                match op.operator {
                    Operator::Block { .. } | Operator::If { .. } => depth = op.depth,
                    _ => return None,
                }
            } else if op.depth == depth && matches!(op.operator, Operator::Else) {
                return None;
            }
        }
        None
    }

    /// Chooses the counted loops, inner ones first: those whose turns are few enough, with all that they contain.
    pub(super) fn choose_counted(&mut self, turns: &[Option<u64>]) {
        // The weight of one turn of each loop, with those of the loops in it.
        let mut whole: Vec<Option<u64>> = self.loops.iter().map(|found| found.weight).collect();
        for index in (0..self.loops.len()).rev() {
            let found = &mut self.loops[index];
            let mut all = if found.repeats { None } else { whole[index] };
            if found.copies == 1
                && let (Some(most), Some(one)) = (found.counted(turns[index], whole[index]), whole[index])
            {
                found.kind = Kind::Counted(most - one);
                all = Some(most);
            }
            if let Some(around) = found.around {
                whole[around] = whole[around].zip(all).map(|(sum, inside)| sum + inside);
            }
        }
    }
}

/// The number of turns until a counter that starts here ends its loop; None if it passes the end of its range before.
fn turns(start: u32, step: i32, until: Until) -> Option<u64> {
    let up = u64::try_from(step).ok().filter(|step| *step > 0);
    let counted = |start: i64, last: i64, most: i64| {
        let step = i64::try_from(up?).ok()?;
        let turns = ((last - start + step - 1) / step).max(1);
        (start + turns * step <= most).then_some(turns as u64)
    };
    match until {
        Until::Equal(last) => {
            let way = if step > 0 { last.wrapping_sub(start) } else { start.wrapping_sub(last) };
            (step != 0 && way != 0 && way % step.unsigned_abs() == 0).then(|| u64::from(way / step.unsigned_abs()))
        }
        Until::NotBelow(last) => counted(i64::from(start), i64::from(last), i64::from(u32::MAX)),
        Until::NotBelowSigned(last) => counted(i64::from(start as i32), i64::from(last), i64::from(i32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_those_of_the_loop_itself() {
        let continues = |until: Until, value: u32| match until {
            Until::Equal(last) => value != last,
            Until::NotBelow(last) => value < last,
            Until::NotBelowSigned(last) => (value as i32) < last,
        };
        let edges = [0u32, 1, 2, 7, 8, 64, 100, 0x7fff_fff0, 0x7fff_ffff, 0x8000_0000, 0xffff_ff00, 0xffff_fff8, 0xffff_ffff];
        let (mut counted, mut unknown) = (0, 0);
        for start in edges {
            for last in edges {
                for step in [-64, -8, -3, -1, 0, 1, 2, 3, 8, 64, i32::MAX, i32::MIN] {
                    for until in [Until::Equal(last), Until::NotBelow(last), Until::NotBelowSigned(last as i32)] {
                        let Some(found) = turns(start, step, until) else {
                            unknown += 1;
                            continue;
                        };
                        counted += 1;
                        let mut value = start;
                        let really = (1..=found.min(2000)).find(|_| {
                            value = value.wrapping_add(step as u32);
                            !continues(until, value)
                        });
                        let expected = (found <= 2000).then_some(found);
                        assert_eq!(really, expected, "from {start:#x} by {step} to {last:#x}");
                    }
                }
            }
        }
        assert!(counted > 300 && unknown > 300, "{counted} are counted, {unknown} are not");
    }
}
