//! Limits on what a module may demand of the compiler, so that no input harms its host. An error names the exceeded limit.

use std::time::{Duration, Instant};

use rtwasm::status::*;
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use crate::place;

/// The largest module, and the longest time to compile it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the module, in the given form and in binary form.
    pub module_bytes: u64,
    /// Functions defined in the module.
    pub functions: u32,
    /// Nested blocks, loops and ifs in one function.
    pub nesting: u32,
    /// Locals of one function, without parameters.
    pub locals: u32,
    /// Branches of one function: blocks, loops, ifs, elses and conditional branches.
    pub branches: u32,
    /// Size of one function's body.
    pub function_bytes: u32,
    pub time: Duration,
}

impl Limits {
    /// The code generator can be stopped between functions only. Its time for one function grows with the product of the function's
    /// branches and bytes, by up to 0.9 ns (bench/compile.py). `branches` and `function_bytes` limit that to eight minutes, within
    /// the time limit. The largest functions of esbuild, a module of 14 MB, have a 45th of the one and a tenth of the other.
    pub const DEFAULT: Limits = Limits {
        module_bytes: 256 << 20,
        functions: 500_000,
        nesting: 10_000,
        locals: 50_000,
        branches: 250_000,
        function_bytes: 2 << 20,
        time: Duration::from_secs(600),
    };
}

fn exceeded(what: std::fmt::Arguments<'_>, limit: impl std::fmt::Display, option: &str) -> Error {
    Error::new(RTW_ERR_LIMIT, format!("{what}; the compiler's limit is {limit} ({option})"))
}

/// Compares a length in bytes with the limit.
pub fn check_size(bytes: usize, limits: &Limits) -> Result<()> {
    match bytes as u64 > limits.module_bytes {
        true => Err(exceeded(format_args!("the module has {bytes} bytes"), limits.module_bytes, "max_module_bytes")),
        false => Ok(()),
    }
}

/// Compares a module in binary form with the limits. The validator reports malformed modules.
pub fn check(module: &[u8], limits: &Limits) -> Result<()> {
    check_size(module.len(), limits)?;
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::CodeSectionStart { count, .. }) if count > limits.functions => {
                return Err(exceeded(format_args!("the module has {count} functions"), limits.functions, "max_functions"));
            }
            Ok(Payload::CodeSectionEntry(body)) => check_function(module, &body, limits)?,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

fn check_function(module: &[u8], body: &FunctionBody<'_>, limits: &Limits) -> Result<()> {
    let place = |offset: usize| place::find(module, offset);
    let Ok(groups) = body.get_locals_reader() else { return Ok(()) };
    let locals = groups.into_iter().flatten().fold(0u64, |sum, (count, _)| sum + u64::from(count));
    if locals > u64::from(limits.locals) {
        let start = place(body.range().start);
        return Err(exceeded(format_args!("{locals} locals {start}"), limits.locals, "max_locals"));
    }
    let bytes = body.range().len();
    if bytes > limits.function_bytes as usize {
        let start = place(body.range().start);
        return Err(exceeded(format_args!("{bytes} bytes of code {start}"), limits.function_bytes, "max_function_bytes"));
    }
    // A nested block takes at least three bytes with its end, a branch at least one.
    if bytes / 3 <= limits.nesting as usize && bytes <= limits.branches as usize {
        return Ok(());
    }
    let Ok(operators) = body.get_operators_reader() else { return Ok(()) };
    let (mut depth, mut branches) = (0, 0);
    for operator in operators.into_iter_with_offsets() {
        if let Ok((operator, offset)) = &operator
            && branches_at(operator)
        {
            branches += 1;
            if branches > limits.branches {
                let here = place(*offset);
                return Err(exceeded(format_args!("{branches} blocks and branches {here}"), limits.branches, "max_branches"));
            }
        }
        match operator {
            Ok((Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }, offset)) => {
                depth += 1;
                if depth > limits.nesting {
                    let here = place(offset);
                    return Err(exceeded(format_args!("{depth} nested blocks {here}"), limits.nesting, "max_nesting"));
                }
            }
            Ok((Operator::End, _)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// True if the code generator begins a block there. The validator refuses the instructions of disabled proposals.
fn branches_at(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        operator,
        Block { .. } | Loop { .. } | If { .. } | Else | BrIf { .. } | BrTable { .. } | BrOnNull { .. } | BrOnNonNull { .. }
    )
}

/// The time by which compiling has to end.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Option<Instant>,
    time: Duration,
}

impl Deadline {
    pub fn new(limits: &Limits) -> Deadline {
        Deadline { at: Instant::now().checked_add(limits.time), time: limits.time }
    }

    /// The remaining time; None once it is over.
    pub fn left(&self) -> Option<Duration> {
        match self.at {
            Some(at) => Some(at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()),
            None => Some(Duration::MAX),
        }
    }

    pub fn check(&self) -> Result<()> {
        self.left().map(|_| ()).ok_or_else(|| self.passed())
    }

    pub fn passed(&self) -> Error {
        exceeded(
            format_args!("the module did not compile in time"),
            format_args!("{} ms", self.time.as_millis()),
            "max_time_ms",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, limits: Limits) -> String {
        match check(&wat::parse_str(text).unwrap(), &limits) {
            Ok(()) => String::new(),
            Err(error) => {
                assert_eq!(error.status, RTW_ERR_LIMIT);
                error.message
            }
        }
    }

    #[test]
    fn each_limit_is_named_and_what_is_just_inside_is_taken() {
        const D: Limits = Limits::DEFAULT;
        let text = "(module (func) (func (local i32 i32 i64) block loop block end end end block end))";
        assert_eq!(told(text, D), "");
        assert_eq!(told(text, Limits { functions: 2, nesting: 3, locals: 3, branches: 4, ..D }), "");
        for (limits, parts) in [
            (Limits { module_bytes: 20, ..D }, ["bytes; the compiler's limit is 20", "max_module_bytes"]),
            (Limits { functions: 1, ..D }, ["2 functions; the compiler's limit is 1", "max_functions"]),
            (Limits { nesting: 2, ..D }, ["3 nested blocks in function 1", "max_nesting"]),
            (Limits { locals: 2, ..D }, ["3 locals in function 1", "max_locals"]),
            (Limits { branches: 2, ..D }, ["3 blocks and branches in function 1", "max_branches"]),
            (Limits { function_bytes: 4, ..D }, ["bytes of code in function 1", "max_function_bytes"]),
        ] {
            let message = told(text, limits);
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        let deadline = Deadline::new(&Limits { time: Duration::ZERO, ..D });
        assert!(deadline.check().unwrap_err().message.contains("max_time_ms"));
        Deadline::new(&D).check().unwrap();
    }
}
