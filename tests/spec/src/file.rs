//! Runs the directives of one file of the specification's tests, and counts what becomes of them.

use std::collections::{BTreeMap, HashMap};

use wast::core::{NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, QuoteWatTest, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

use crate::library::{Func, Host, Instance, Refused, Value};

/// Reasons why a directive cannot be expressed through the C ABI; such directives are counted apart.
const OTHER_GUESTS: &str = "links to another guest: guests share nothing";
const REFERENCES: &str = "passes a reference, which cannot cross into C";
const ZERO_BYTES: &str = "has a name with a zero byte, which the compiler refuses";
const PROPOSALS: &str = "is invalid in version 2 and valid with a proposal that is on";
const HOST_REFERENCES: &str = "needs references to host objects (externref), which are off";
const LATER_SYNTAX: &str = "is not accepted by this parser of the text format, which C never sees";

/// The outcome of one directive.
enum Outcome {
    Passed,
    Failed(String),
    Inexpressible(&'static str),
}

#[derive(Default)]
pub struct Counts {
    pub passed: usize,
    pub failed: Vec<String>,
    pub inexpressible: BTreeMap<&'static str, usize>,
}

/// An instance, and the calls that have led to its state: after a fault it is reset, and they are made again.
struct Guest<'a> {
    instance: Instance<'a>,
    funcs: HashMap<String, Func<'a>>,
    history: Vec<(String, Vec<Value>)>,
    faulted: bool,
}

/// The current state of a file.
struct Run<'a, 'h> {
    host: &'h Host<'a>,
    /// A guest, or why there is none.
    guests: Vec<Result<Guest<'a>, &'static str>>,
    names: HashMap<String, usize>,
    /// The guests that others may import from, by name.
    registered: HashMap<String, usize>,
    definitions: HashMap<String, Vec<u8>>,
    /// The modules so far that are accepted although a number in them is too long for version 2.
    long_numbers: usize,
}

/// The number of such modules in binary-leb128.wast: an alignment and an offset that are 64-bit numbers now.
const MOST_LONG_NUMBERS: usize = 2;

/// Expected results that are made wrong, every one of an i32: each of them has to be noticed.
#[derive(Clone, Copy, PartialEq)]
pub enum Planted {
    Nothing,
    WrongNumbers,
}

const STATUS_UNSUPPORTED: i32 = -107;
const STATUS_FAULTED: i32 = -503;
const STATUS_WASM: i32 = -211;
const STATUS_PROPOSAL: i32 = -212;
const STATUS_MISSING: i32 = -305;
const STATUS_TYPE: i32 = -306;
const STATUS_LIMIT: i32 = -405;
const STATUS_STACK: i32 = -608;

/// Runs a file; with something planted, only the assertions that it touches are counted.
pub fn run(host: &Host<'_>, name: &str, text: &str, planted: Planted) -> Counts {
    let mut counts = Counts::default();
    // Some names in the tests are meant to confuse.
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).unwrap_or_else(|error| panic!("{name}: {error}"));
    let wast: Wast = parser::parse(&buffer).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut run = Run {
        host,
        guests: Vec::new(),
        names: HashMap::new(),
        registered: HashMap::new(),
        definitions: HashMap::new(),
        long_numbers: 0,
    };
    for mut directive in wast.directives {
        let touched = planted != Planted::Nothing && make_wrong(&mut directive);
        let line = directive.span().linecol_in(text).0 + 1;
        let Some(outcome) = run.directive(directive) else { continue };
        if planted != Planted::Nothing && !touched {
            continue;
        }
        match outcome {
            Outcome::Passed => counts.passed += 1,
            Outcome::Failed(how) => counts.failed.push(format!("{name}:{line}: {how}")),
            Outcome::Inexpressible(why) => *counts.inexpressible.entry(why).or_default() += 1,
        }
    }
    counts
}

fn make_wrong(directive: &mut WastDirective<'_>) -> bool {
    match directive {
        WastDirective::AssertReturn { results, .. } => match &mut results[..] {
            [WastRet::Core(WastRetCore::I32(number))] => {
                *number ^= 1;
                true
            }
            _ => false,
        },
        _ => false,
    }
}

impl<'a> Run<'a, '_> {
    /// None: a directive that asserts nothing.
    fn directive(&mut self, directive: WastDirective<'_>) -> Option<Outcome> {
        Some(match directive {
            WastDirective::Module(mut module) => {
                let name = module.name().map(|id| id.name().to_owned());
                match encode(&mut module) {
                    Ok(bytes) => self.instantiate(name, &bytes),
                    Err(_) => self.gone(name, LATER_SYNTAX),
                }
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name().map(|id| id.name().to_owned()).unwrap_or_default();
                self.definitions.insert(name, encode(&mut module).ok()?);
                return None;
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let name = module.map(|id| id.name().to_owned()).unwrap_or_default();
                let bytes = self.definitions.get(&name)?.clone();
                self.instantiate(instance.map(|id| id.name().to_owned()), &bytes)
            }
            WastDirective::Register { name, module, .. } => {
                let at = module.map_or(self.guests.len().checked_sub(1), |id| self.names.get(id.name()).copied());
                self.registered.insert(name.to_owned(), at?);
                return None;
            }
            WastDirective::AssertMalformed { module, message, .. } | WastDirective::AssertInvalid { module, message, .. } => {
                self.refused(module, message)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => self.unlinkable(module, message),
            WastDirective::Invoke(invoke) => match self.invoke(&invoke) {
                Ok(Ok(_)) => Outcome::Passed,
                Ok(Err(status)) => Outcome::Failed(format!("{}: status {status}", invoke.name)),
                Err(outcome) => outcome,
            },
            WastDirective::AssertReturn { exec, results, .. } => self.returns(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message),
            WastDirective::AssertExhaustion { call, .. } => match self.invoke(&call) {
                Ok(Err(STATUS_STACK)) => Outcome::Passed,
                Ok(other) => Outcome::Failed(format!("{}: {:?} instead of an exhausted stack", call.name, other.err())),
                Err(outcome) => outcome,
            },
            // Of custom sections, and of proposals that are not run here.
            _ => return None,
        })
    }

    fn gone(&mut self, name: Option<String>, why: &'static str) -> Outcome {
        self.enter(name, Err(why));
        Outcome::Inexpressible(why)
    }

    fn enter(&mut self, name: Option<String>, guest: Result<Guest<'a>, &'static str>) {
        if let Some(name) = name {
            self.names.insert(name, self.guests.len());
        }
        self.guests.push(guest);
    }

    fn instantiate(&mut self, name: Option<String>, bytes: &[u8]) -> Outcome {
        if self.imports_a_guest(bytes) {
            return self.gone(name, OTHER_GUESTS);
        }
        match self.host.instantiate(bytes) {
            Ok(instance) => {
                self.enter(name, Ok(Guest { instance, funcs: HashMap::new(), history: Vec::new(), faulted: false }));
                Outcome::Passed
            }
            Err((_, Refused { status: STATUS_UNSUPPORTED, message })) if message.contains("reference") => {
                self.gone(name, REFERENCES)
            }
            Err((0, Refused { status: STATUS_UNSUPPORTED, message })) if message.contains("zero byte") => {
                self.gone(name, ZERO_BYTES)
            }
            Err((0, Refused { status: STATUS_PROPOSAL, message })) if message.contains("externref") => {
                self.gone(name, HOST_REFERENCES)
            }
            Err((_, error)) => {
                self.enter(name, Err("is in a module that failed"));
                Outcome::Failed(format!("the module: {error:?}"))
            }
        }
    }

    /// True if the module imports something of a guest that was registered under a name before. That guest's state depends on the
    /// module from now on.
    fn imports_a_guest(&mut self, bytes: &[u8]) -> bool {
        let mut found = false;
        for payload in wasmparser::Parser::new(0).parse_all(bytes) {
            let Ok(wasmparser::Payload::ImportSection(section)) = payload else { continue };
            for import in section.into_imports().flatten() {
                if let Some(at) = self.registered.get(import.module) {
                    self.guests[*at] = Err(OTHER_GUESTS);
                    found = true;
                }
            }
        }
        found
    }

    fn refused(&mut self, mut module: QuoteWat<'_>, message: &str) -> Outcome {
        let bytes = match module.to_test() {
            Ok(QuoteWatTest::Binary(bytes) | QuoteWatTest::Text(bytes)) => bytes,
            // The text is refused before it has a binary form.
            Err(_) => return Outcome::Inexpressible(LATER_SYNTAX),
        };
        match self.host.instantiate(&bytes) {
            Err((0, Refused { status: STATUS_WASM | STATUS_PROPOSAL, .. })) => Outcome::Passed,
            // More than the compiler's own limit, which it says first.
            Err((0, Refused { status: STATUS_LIMIT, .. })) if message == "too many locals" => Outcome::Passed,
            // Modules may have several memories, and memories with 64-bit numbers have longer ones.
            Err((2, Refused { status: STATUS_MISSING, .. })) if message == "multiple memories" => {
                Outcome::Inexpressible(PROPOSALS)
            }
            Ok(_)
                if matches!(message, "multiple memories" | "zero byte expected")
                    || message == "integer representation too long" && self.long_numbers < MOST_LONG_NUMBERS =>
            {
                self.long_numbers += usize::from(message == "integer representation too long");
                Outcome::Inexpressible(PROPOSALS)
            }
            Ok(_) => Outcome::Failed(format!("accepted: {message}")),
            Err((step, error)) => Outcome::Failed(format!("step {step}: {error:?} instead of \"{message}\"")),
        }
    }

    fn unlinkable(&mut self, mut module: Wat<'_>, message: &str) -> Outcome {
        let Ok(bytes) = module.encode() else { return Outcome::Inexpressible(LATER_SYNTAX) };
        if self.imports_a_guest(&bytes) {
            return Outcome::Inexpressible(OTHER_GUESTS);
        }
        match self.host.instantiate(&bytes) {
            Err((2, Refused { status: STATUS_MISSING | STATUS_TYPE, .. })) => Outcome::Passed,
            Err((2, Refused { status: STATUS_UNSUPPORTED, message })) if message.contains("reference") => {
                Outcome::Inexpressible(REFERENCES)
            }
            Err((0, Refused { status: STATUS_UNSUPPORTED, message })) if message.contains("zero byte") => {
                Outcome::Inexpressible(ZERO_BYTES)
            }
            Ok(_) => Outcome::Failed(format!("linked: {message}")),
            Err((step, error)) => Outcome::Failed(format!("step {step}: {error:?} instead of \"{message}\"")),
        }
    }

    fn guest(&mut self, name: Option<wast::token::Id<'_>>) -> Result<&mut Guest<'a>, Outcome> {
        let at = match name {
            Some(id) => self.names.get(id.name()).copied(),
            None => self.guests.len().checked_sub(1),
        };
        match at.map(|at| &mut self.guests[at]) {
            Some(Ok(guest)) => Ok(guest),
            Some(Err(why)) => Err(Outcome::Inexpressible(why)),
            None => Err(Outcome::Failed("there is no such module".into())),
        }
    }

    /// The results, or the status of a call that ends early; or the outcome if there is no such call.
    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Result<Vec<Value>, i32>, Outcome> {
        let guest = self.guest(invoke.module)?;
        let mut values =
            invoke.args.iter().map(argument).collect::<Option<Vec<Value>>>().ok_or(Outcome::Inexpressible(REFERENCES))?;
        if invoke.name.contains('\0') {
            return Err(Outcome::Inexpressible(ZERO_BYTES));
        }
        guest.call(invoke.name, &mut values)
    }

    fn returns(&mut self, exec: WastExecute<'_>, results: &[WastRet<'_>]) -> Outcome {
        let values = match exec {
            WastExecute::Invoke(invoke) => match self.invoke(&invoke) {
                Ok(Ok(values)) => values,
                Ok(Err(status)) => return Outcome::Failed(format!("{}: status {status}", invoke.name)),
                Err(outcome) => return outcome,
            },
            WastExecute::Get { module, global, .. } => match self.guest(module) {
                Ok(guest) => match guest.global(global) {
                    Ok(value) => vec![value],
                    Err(error) if error.status == STATUS_UNSUPPORTED => return Outcome::Inexpressible(REFERENCES),
                    Err(error) => return Outcome::Failed(format!("global {global}: {error:?}")),
                },
                Err(outcome) => return outcome,
            },
            WastExecute::Wat(_) => return Outcome::Failed("a module returns nothing".into()),
        };
        for (at, wanted) in results.iter().enumerate() {
            let WastRet::Core(wanted) = wanted else { return Outcome::Failed("no core value".into()) };
            match matches(wanted, &values[at]) {
                Some(true) => {}
                Some(false) => return Outcome::Failed(format!("{:?} instead of {wanted:?}", values[at].0)),
                None => return Outcome::Inexpressible(REFERENCES),
            }
        }
        Outcome::Passed
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str) -> Outcome {
        let status = match exec {
            WastExecute::Invoke(invoke) => match self.invoke(&invoke) {
                Ok(outcome) => outcome.err(),
                Err(outcome) => return outcome,
            },
            WastExecute::Wat(mut module) => {
                let Ok(bytes) = module.encode() else { return Outcome::Inexpressible(LATER_SYNTAX) };
                if self.imports_a_guest(&bytes) {
                    return Outcome::Inexpressible(OTHER_GUESTS);
                }
                match self.host.instantiate(&bytes) {
                    Ok(_) => None,
                    Err((_, error)) => Some(error.status),
                }
            }
            WastExecute::Get { .. } => return Outcome::Failed("a global does not trap".into()),
        };
        match status.filter(|status| means(*status, message)) {
            Some(_) => Outcome::Passed,
            None => Outcome::Failed(format!("{status:?} instead of \"{message}\"")),
        }
    }
}

impl<'a> Guest<'a> {
    fn call(&mut self, name: &str, values: &mut Vec<Value>) -> Result<Result<Vec<Value>, i32>, Outcome> {
        /// More than any function of the tests has.
        const MOST: usize = 32;
        self.revive();
        if !self.funcs.contains_key(name) {
            match self.instance.func(name) {
                Ok(func) => self.funcs.insert(name.to_owned(), func),
                Err(error) if error.status == STATUS_UNSUPPORTED => return Err(Outcome::Inexpressible(REFERENCES)),
                Err(error) => return Err(Outcome::Failed(format!("{name}: {error:?}"))),
            };
        }
        let arguments = values.clone();
        values.resize(MOST, Value::default());
        match self.funcs[name].call(values) {
            0 => {
                self.history.push((name.to_owned(), arguments));
                Ok(Ok(std::mem::take(values)))
            }
            status => {
                assert_ne!(status, STATUS_FAULTED, "it was reset");
                self.faulted = true;
                Ok(Err(status))
            }
        }
    }

    fn global(&mut self, name: &str) -> Result<Value, Refused> {
        self.revive();
        self.instance.global(name)
    }

    /// Brings a guest back to the state that it had before its fault.
    fn revive(&mut self) {
        if !std::mem::take(&mut self.faulted) {
            return;
        }
        self.instance.reset().expect("a reset");
        for (name, arguments) in &self.history {
            let mut values = arguments.clone();
            values.resize(32, Value::default());
            assert_eq!(self.funcs[name].call(&mut values), 0, "{name} again");
        }
    }
}

fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, wast::Error> {
    module.encode()
}

/// True if a status says what the specification's tests say of a trap.
fn means(status: i32, message: &str) -> bool {
    let wanted: &[(&str, i32)] = &[
        ("unreachable", -601),
        ("out of bounds memory access", -602),
        ("out of bounds table access", -603),
        ("undefined element", -603),
        ("uninitialized element", -604),
        ("indirect call type mismatch", -604),
        ("integer divide by zero", -605),
        ("integer overflow", -606),
        ("invalid conversion to integer", -607),
    ];
    wanted.iter().any(|(text, number)| message.starts_with(text) && *number == status)
}

fn value(bytes: &[u8]) -> Value {
    let mut value = Value::default();
    value.0[..bytes.len()].copy_from_slice(bytes);
    value
}

/// None: a reference.
fn argument(argument: &WastArg<'_>) -> Option<Value> {
    let WastArg::Core(argument) = argument else { return None };
    Some(match argument {
        WastArgCore::I32(number) => value(&number.to_le_bytes()),
        WastArgCore::I64(number) => value(&number.to_le_bytes()),
        WastArgCore::F32(number) => value(&number.bits.to_le_bytes()),
        WastArgCore::F64(number) => value(&number.bits.to_le_bytes()),
        WastArgCore::V128(lanes) => value(&lanes.to_le_bytes()),
        _ => return None,
    })
}

fn f32_matches(wanted: &NanPattern<wast::token::F32>, bits: u32) -> bool {
    match wanted {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(number) => bits == number.bits,
    }
}

fn f64_matches(wanted: &NanPattern<wast::token::F64>, bits: u64) -> bool {
    match wanted {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(number) => bits == number.bits,
    }
}

/// None: a reference.
fn matches(wanted: &WastRetCore<'_>, value: &Value) -> Option<bool> {
    let lane = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(&value.0[at * bytes..(at + 1) * bytes]);
        u64::from_le_bytes(number)
    };
    Some(match wanted {
        WastRetCore::I32(number) => lane(0, 4) == u64::from(*number as u32),
        WastRetCore::I64(number) => lane(0, 8) == *number as u64,
        WastRetCore::F32(number) => f32_matches(number, lane(0, 4) as u32),
        WastRetCore::F64(number) => f64_matches(number, lane(0, 8)),
        WastRetCore::V128(lanes) => match lanes {
            V128Pattern::I8x16(lanes) => (0..16).all(|at| lane(at, 1) == u64::from(lanes[at] as u8)),
            V128Pattern::I16x8(lanes) => (0..8).all(|at| lane(at, 2) == u64::from(lanes[at] as u16)),
            V128Pattern::I32x4(lanes) => (0..4).all(|at| lane(at, 4) == u64::from(lanes[at] as u32)),
            V128Pattern::I64x2(lanes) => (0..2).all(|at| lane(at, 8) == lanes[at] as u64),
            V128Pattern::F32x4(lanes) => (0..4).all(|at| f32_matches(&lanes[at], lane(at, 4) as u32)),
            V128Pattern::F64x2(lanes) => (0..2).all(|at| f64_matches(&lanes[at], lane(at, 8))),
        },
        WastRetCore::Either(all) => {
            let each = all.iter().map(|one| matches(one, value)).collect::<Option<Vec<bool>>>()?;
            each.contains(&true)
        }
        _ => return None,
    })
}
