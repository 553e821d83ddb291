//! Finds loops that need no poll of their own, since each turn passes the poll of a loop in it.

use wasmparser::Operator;

use super::{Code, Kind, branches};

/// A point of the code: the number of open loops, from the outermost, whose turn has passed a poll on every path there. None if no path
/// leads there.
type Passed = Option<usize>;

/// A label while its block is open.
struct Label {
    /// Its index among the loops, if it is one.
    of_loop: Option<usize>,
    /// At its end, on paths that branch there from inside.
    at_end: Passed,
    /// At the start of an `if` that has no `else` yet.
    at_else: Passed,
}

impl Code<'_> {
    /// Chooses the covered loops: one pass over the code, which sees every path forward.
    pub(super) fn choose_covered(&mut self) {
        // Loops with a poll in a loop in them; inner loops have higher indices.
        let mut has_polls = vec![false; self.loops.len()];
        for index in (0..self.loops.len()).rev() {
            if let Some(around) = self.loops[index].around {
                has_polls[around] |= has_polls[index] || self.loops[index].is_polled();
            }
        }
        let mut is_missed = vec![false; self.loops.len()];
        let (mut labels, mut open, mut next_loop) = (Vec::<Label>::new(), 0, 0);
        let mut passed: Passed = Some(0);
        for op in &self.ops {
            for label in branches(&op.operator) {
                let Some(label) = labels.len().checked_sub(1 + label as usize).map(|at| &mut labels[at]) else { continue };
                match label.of_loop {
                    Some(index) => {
                        is_missed[index] |= passed.is_some_and(|passed| passed <= self.loops[index].nesting as usize)
                    }
                    None => label.at_end = least(label.at_end, passed),
                }
            }
            match &op.operator {
                Operator::Block { .. } => labels.push(Label { of_loop: None, at_end: None, at_else: None }),
                Operator::If { .. } => labels.push(Label { of_loop: None, at_end: None, at_else: passed }),
                Operator::Loop { .. } => {
                    let index = next_loop;
                    next_loop += 1;
                    passed = passed.map(|passed| passed.min(open));
                    open += 1;
                    if self.loops[index].is_polled() && !has_polls[index] {
                        passed = passed.map(|_| open);
                    }
                    labels.push(Label { of_loop: Some(index), at_end: None, at_else: None });
                }
                Operator::Else => {
                    if let Some(label) = labels.last_mut() {
                        label.at_end = least(label.at_end, passed);
                        passed = label.at_else.take();
                    }
                }
                Operator::End => {
                    if let Some(label) = labels.pop() {
                        passed = least(least(passed, label.at_end), label.at_else);
                        open -= usize::from(label.of_loop.is_some());
                    }
                }
                Operator::Br { .. }
                | Operator::BrTable { .. }
                | Operator::Return
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::Unreachable => passed = None,
                _ => {}
            }
        }
        for (index, found) in self.loops.iter_mut().enumerate() {
            if found.is_polled() && has_polls[index] && !is_missed[index] {
                found.kind = Kind::Covered;
            }
        }
    }
}

/// Where two paths meet.
fn least(one: Passed, other: Passed) -> Passed {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
