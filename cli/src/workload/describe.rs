//! Describes a workload and its set-up, as options of the command line and as the arguments of a child process.

use std::ffi::OsString;
use std::path::PathBuf;

use rtwasm::artifact::guest::kind;
use rtwasm::engine::artifact::{Extern, ExternKind};
use rtwasm::engine::driver;
use rtwasm::engine::instance;
use rtwasm::engine::naming;
use rtwasm::engine::profile::{Interruption, Profile, Variations};
use rtwasm::engine::signature::Type;
use rtwasm_compiler::Opt;
use serde::{Deserialize, Serialize};

use super::provided::Missing;
use crate::args::{self, Args, Failure};
use crate::compile::{BUDGETS, budget_from_name};
use crate::rack;

/// One export with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub func: String,
    /// Each as `type:value`, or as the name of an earlier result, also with an offset.
    pub arguments: Vec<String>,
    /// Names for the results.
    pub results: Vec<String>,
}

impl Call {
    pub fn new(func: &str, arguments: Vec<String>) -> Call {
        Call { func: func.into(), arguments, results: Vec::new() }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = if self.results.is_empty() { String::new() } else { format!("{} = ", self.results.join(",")) };
        write!(f, "{named}{}({})", naming::shown(&self.func), self.arguments.join(","))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scenario {
    /// Cycles follow each other without a pause.
    Call,
    /// A cycle is a block of sound; one starts every block's length.
    Audio { frames: u32, rate: u32 },
    /// A cycle every period.
    Periodic { period_ns: u64 },
}

impl Scenario {
    /// The time between the starts of two cycles, if they do not follow each other at once.
    pub fn period_ns(self) -> Option<u64> {
        match self {
            Scenario::Call => None,
            Scenario::Audio { frames, rate } => Some(u64::from(frames) * 1_000_000_000 / u64::from(rate)),
            Scenario::Periodic { period_ns } => Some(period_ns),
        }
    }

    pub fn text(self) -> String {
        match self {
            Scenario::Call => "back to back".into(),
            Scenario::Audio { frames, rate } => format!("audio, {frames} frames at {rate} Hz"),
            Scenario::Periodic { period_ns } => format!("every {} us", period_ns as f64 / 1e3),
        }
    }
}

/// The calls of a cycle, and those before the first cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub before: Vec<Call>,
    pub calls: Vec<Call>,
    pub scenario: Scenario,
    /// The longest time of one call.
    pub limit_ns: u64,
}

impl Workload {
    pub fn text(&self) -> String {
        let list = |calls: &[Call]| calls.iter().map(Call::to_string).collect::<Vec<_>>().join(", ");
        let before = if self.before.is_empty() { String::new() } else { format!(" after {}", list(&self.before)) };
        format!("{}{before}, {}", list(&self.calls), self.scenario.text())
    }
}

/// The growth of memories once the instance is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Growth {
    Refused,
    Allowed,
    /// Available up to that number of bytes, refused beyond.
    Ahead(u64),
}

impl Growth {
    fn from_text(text: &str) -> Option<Growth> {
        match text.split_once(':') {
            None if text == "refused" => Some(Growth::Refused),
            None if text == "allowed" => Some(Growth::Allowed),
            Some(("ahead", bytes)) => bytes.parse().ok().map(Growth::Ahead),
            _ => None,
        }
    }

    pub fn in_engine(self) -> instance::Growth {
        match self {
            Growth::Refused => instance::Growth::Refused,
            Growth::Allowed => instance::Growth::Allowed,
            Growth::Ahead(bytes) => instance::Growth::Ahead { bytes },
        }
    }
}

impl std::fmt::Display for Growth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Growth::Refused => f.write_str("refused"),
            Growth::Allowed => f.write_str("allowed"),
            Growth::Ahead(bytes) => write!(f, "ahead to {bytes} bytes"),
        }
    }
}

/// The set-up of an instance and its thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    pub cpu: Option<u32>,
    pub fifo: Option<i32>,
    pub lock: bool,
    pub flush_denormals: bool,
    pub prepare: bool,
    pub growth: Growth,
    pub missing: Missing,
    pub pooling: bool,
    pub copy_on_write: bool,
    pub lazy_tables: bool,
}

impl Setup {
    pub fn variations(&self) -> Variations {
        Variations { pooling: self.pooling, copy_on_write: self.copy_on_write, lazy_tables: self.lazy_tables }
    }

    pub fn text(&self) -> String {
        [
            self.cpu.map_or("not pinned".into(), |cpu| format!("pinned to CPU {cpu}")),
            self.fifo.map_or("ordinary scheduling".into(), |priority| format!("SCHED_FIFO {priority}")),
            if self.prepare { "prepared" } else { "not prepared" }.into(),
            if self.lock { "memory locked" } else { "memory not locked" }.into(),
            if self.flush_denormals { "denormals flushed" } else { "denormals kept" }.into(),
            format!("growth {}", self.growth),
        ]
        .join(", ")
    }
}

/// The choices for compiling a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compilation {
    pub profile: Profile,
    pub opt: Opt,
    pub interruption: Interruption,
}

/// The part of a command's help that describes [`Options`]; a literal, for use in `concat!`.
macro_rules! options_help {
    () => {
        "\
What to call:
  --func NAME           an export to call; several are called one after the other, and make one cycle. Default: the only
                        exported function, if it has no parameters
  --before NAME         an export to call once, before the first cycle
  --args LIST           arguments of the preceding --func or --before: i32:5,i64:-1,f32:0.5,f64:1e-3; or names from
                        --as, also with an offset: p,p+4096,i32:128
  --as NAMES            name the result of the preceding --before, as an argument for later calls; several names for
                        several results. Example, a buffer from the guest's own malloc:
                        --before malloc --args i32:4096 --as p --func process --args p,i32:128
  --list                print the exported functions with their types, and call nothing
  --scenario NAME       call: cycles without a pause (default)
                        audio: a block of sound each cycle, through a guest for audio and control (docs/guests.md), or
                        an effect as guests/README.md describes it: process(frames), and init, input, reset if they
                        exist; the default without --func if the module is one of them
                        periodic: a cycle every period, with absolute sleeps
  --block FRAMES        block of the audio scenario, from 1 to 65536; default 128
  --rate HZ             sample rate of the audio scenario, from 1000 to 768000; default 48000
  --period US           period of the periodic scenario, in microseconds, above 0 and at most 1000000000; default 1000
  --limit S             end the run if one call takes longer, in seconds, above 0 and at most 1000000000;
                        default: the time of all cycles (bisect: a tenth of --time), at least 1
  --missing HOW         functions that the module imports and only its own host has: zeros (default): they return
                        zeros; trap: a call of one ends the run; refuse: the run fails and names them
  The command provides the rest as the library does for hosts: mathematics, WASI and what language runtimes import,
  the log, memories, tables and globals. What the guest prints appears on the standard error, each line once.

How to run it (the command compiles a .wasm or .wat for this; an artifact has its profile, --opt and --budget already):
  --profile NAME        standalone (default) or plugin
  --opt LEVEL           speed (default), size, none
  --budget HOW          how the host could cut off a call: guard (default), off, epoch, fuel
  --cpu N               pin the thread to this CPU, from 0 to 1023
  --fifo PRIORITY       run with SCHED_FIFO at this priority, from 1 to 99
  --lock                lock memory
  --flush-denormals     treat denormal numbers as zero
  --unprepared          do not call rtw_instance_prepare, like a host that omits it
  --growth HOW          growth of memories once prepared, as RTW_GROWTH_...: refused (default), allowed, ahead:BYTES
                        (plugin profile: available up to BYTES, refused beyond)
"
    };
}
pub(crate) use options_help;

/// The options that all measuring commands take.
pub struct Options {
    pub module: Option<PathBuf>,
    before: Vec<Call>,
    calls: Vec<Call>,
    last: Option<Place>,
    /// True to print the functions that could be called, and nothing else.
    list: bool,
    limit_s: Option<f64>,
    scenario: Option<String>,
    frames: Option<u32>,
    rate: u32,
    period_us: Option<f64>,
    profile: Option<Profile>,
    opt: Option<Opt>,
    interruption: Option<Interruption>,
    pub setup: Setup,
}

/// The list that the last `--func` or `--before` belongs to.
#[derive(Clone, Copy)]
enum Place {
    Before,
    Calls,
}

impl Options {
    pub fn new() -> Options {
        Options {
            module: None,
            before: Vec::new(),
            calls: Vec::new(),
            last: None,
            list: false,
            limit_s: None,
            scenario: None,
            frames: None,
            rate: 48_000,
            period_us: None,
            profile: None,
            opt: None,
            interruption: None,
            setup: Setup {
                cpu: None,
                fifo: None,
                lock: false,
                flush_denormals: false,
                prepare: true,
                growth: Growth::Refused,
                missing: Missing::Zeros,
                pooling: false,
                copy_on_write: false,
                lazy_tables: false,
            },
        }
    }

    pub fn set_module(&mut self, value: OsString) -> Result<(), Failure> {
        args::set_once(&mut self.module, value, "module")
    }

    /// Takes an option if it is one of these.
    pub fn take(&mut self, option: &str, args: &mut Args) -> Result<bool, Failure> {
        match option {
            "--func" => self.add(Place::Calls, args)?,
            "--before" => self.add(Place::Before, args)?,
            "--args" => self.set_arguments(&args.text()?)?,
            "--as" => self.set_results(&args.text()?)?,
            "--list" => self.list = true,
            "--limit" => self.limit_s = Some(positive(option, args)?),
            "--growth" => {
                self.setup.growth = args.one_of(option, "refused, allowed, ahead:BYTES", Growth::from_text)?;
            }
            "--missing" => self.setup.missing = args.one_of(option, Missing::NAMES, Missing::from_name)?,
            "--scenario" => {
                self.scenario = Some(args.one_of(option, "call, audio, periodic", |name| {
                    ["call", "audio", "periodic"].contains(&name).then(|| name.to_owned())
                })?);
            }
            "--block" => self.frames = Some(number(option, args, 1, 65_536)?),
            "--rate" => self.rate = number(option, args, 1_000, 768_000)?,
            "--period" => self.period_us = Some(positive(option, args)?),
            "--profile" => self.profile = Some(args.one_of(option, "standalone, plugin", Profile::from_name)?),
            "--opt" => self.opt = Some(args.one_of(option, "none, speed, size", Opt::from_name)?),
            "--budget" => self.interruption = Some(args.one_of(option, BUDGETS, budget_from_name)?),
            "--cpu" => self.setup.cpu = Some(number(option, args, 0, 1023)?),
            "--fifo" => self.setup.fifo = Some(number::<i32>(option, args, 1, 99)?),
            "--lock" => self.setup.lock = true,
            "--flush-denormals" => self.setup.flush_denormals = true,
            "--unprepared" => self.setup.prepare = false,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn add(&mut self, place: Place, args: &mut Args) -> Result<(), Failure> {
        let call = Call::new(&args.text()?, Vec::new());
        self.last = Some(place);
        self.list(place).push(call);
        Ok(())
    }

    fn set_arguments(&mut self, list: &str) -> Result<(), Failure> {
        let arguments: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        for argument in &arguments {
            match named(argument) {
                Some((name, _)) if self.before.iter().any(|call| call.results.iter().any(|known| known == name)) => {}
                Some((name, _)) => return Err(Failure::Usage(format!("--args {name}: no earlier --as defines this name"))),
                None => drop(value(argument).map_err(Failure::Usage)?),
            }
        }
        let call = self.last.and_then(|place| self.list(place).last_mut());
        let call = call.ok_or_else(|| Failure::Usage("--args has to follow a --func or --before".into()))?;
        call.arguments = arguments;
        Ok(())
    }

    fn set_results(&mut self, list: &str) -> Result<(), Failure> {
        let names: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        if let Some(wrong) = names.iter().find(|name| named(name) != Some((name, 0))) {
            return Err(Failure::Usage(format!(
                "--as {wrong}: a name has letters, digits and _, and does not begin with a digit"
            )));
        }
        let call = match self.last {
            Some(Place::Before) => self.before.last_mut(),
            Some(Place::Calls) | None => None,
        };
        let call = call.ok_or_else(|| Failure::Usage("--as has to follow a --before, which is called once".into()))?;
        call.results = names;
        Ok(())
    }

    /// The longest time of one call, in ns, in a run of `run_s` seconds.
    pub fn limit_ns(&self, run_s: f64) -> u64 {
        (self.limit_s.unwrap_or(run_s.max(1.0)) * 1e9) as u64
    }

    /// The output of --list.
    pub fn listing(&self, funcs: &[(String, String)]) -> Option<String> {
        self.list.then(|| funcs.iter().map(|(name, ty)| format!("{} {ty}\n", name.escape_debug())).collect())
    }

    fn list(&mut self, place: Place) -> &mut Vec<Call> {
        match place {
            Place::Before => &mut self.before,
            Place::Calls => &mut self.calls,
        }
    }

    /// The choices for compiling the module, if it is not an artifact.
    pub fn compilation(&self) -> Compilation {
        Compilation {
            profile: self.profile.unwrap_or(Profile::Standalone),
            opt: self.opt.unwrap_or(Opt::Speed),
            interruption: self.interruption.unwrap_or(Interruption::Guard),
        }
    }

    /// The first given option that an artifact already decides.
    pub fn settled_by_artifact(&self) -> Option<&'static str> {
        [("--profile", self.profile.is_some()), ("--opt", self.opt.is_some()), ("--budget", self.interruption.is_some())]
            .into_iter()
            .find_map(|(option, given)| given.then_some(option))
    }

    /// The workload, for a module with these exported functions (name and type).
    pub fn workload(&self, funcs: &[(String, String)]) -> Result<Workload, Failure> {
        let exports = |name: &str| funcs.iter().find(|(known, _)| known == name).map(|(_, ty)| ty.as_str());
        let is_guest = driver::interface(kind::OWN).iter().all(|(name, ty)| exports(name) == Some(*ty));
        let is_effect = is_guest || exports("process") == Some("(i32)->()");
        let name = match &self.scenario {
            Some(name) => name.as_str(),
            None if self.calls.is_empty() && is_effect => "audio",
            None => "call",
        };
        if self.period_us.is_some() && name != "periodic" {
            return Err(Failure::Usage("--period needs --scenario periodic".into()));
        }
        let (mut before, mut calls) = (self.before.clone(), self.calls.clone());
        let frames = self.frames.unwrap_or(128);
        let scenario = match name {
            "audio" => {
                if !calls.is_empty() {
                    return Err(Failure::Usage("--func: the audio scenario calls process or rtw_process".into()));
                }
                if !is_effect {
                    return Err(Failure::Failed(
                        "the audio scenario calls an export process(frames) of type (i32)->(), and the module has none; nor is it \
                         a guest with rtw_init, rtw_io, rtw_process and rtw_reset"
                            .into(),
                    ));
                }
                let process = if is_guest { "rtw_process" } else { "process" };
                if before.is_empty() && is_guest {
                    before.push(Call::new("rtw_init", vec![format!("f64:{}", self.rate), format!("i32:{frames}")]));
                } else if before.is_empty() && exports("init") == Some("(f32,i32,i32)->(i32)") {
                    let arguments = [format!("f32:{}", self.rate), "i32:2".into(), format!("i32:{frames}")];
                    before.push(Call::new("init", arguments.into()));
                }
                calls.push(Call::new(process, vec![format!("i32:{frames}")]));
                Scenario::Audio { frames, rate: self.rate }
            }
            "periodic" => Scenario::Periodic { period_ns: (self.period_us.unwrap_or(1000.0) * 1e3) as u64 },
            _ => Scenario::Call,
        };
        if calls.is_empty() {
            calls.push(only_func(funcs)?);
        }
        Ok(Workload { before, calls, scenario, limit_ns: self.limit_ns(1.0) })
    }

    /// A rack of `count` effects instead of a workload. Refuses options that only a module of the user's needs.
    pub fn rack(&self, count: u32, seconds: f64, json: bool) -> Result<rack::Request, Failure> {
        let given = [
            ("MODULE", self.module.is_some()),
            ("--func", !self.calls.is_empty()),
            ("--before", !self.before.is_empty()),
            ("--list", self.list),
            ("--limit", self.limit_s.is_some()),
            ("--scenario", self.scenario.is_some()),
            ("--period", self.period_us.is_some()),
            ("--opt", self.opt.is_some()),
            ("--budget", self.interruption.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            return Err(Failure::Usage(format!("{option}: a rack has effects of its own")));
        }
        let Setup { cpu, fifo, .. } = self.setup;
        let (frames, rate) = (self.frames.unwrap_or(64), self.rate);
        let request = rack::Request { count, frames, rate, seconds, profile: self.profile, cpu, fifo, json };
        request.check().map(|()| request)
    }
}

/// The most exports that a message names.
const FEW: usize = 8;

/// The function to call if none is named.
fn only_func(funcs: &[(String, String)]) -> Result<Call, Failure> {
    match funcs {
        [(name, ty)] if ty.starts_with("()") => Ok(Call::new(name, Vec::new())),
        [] => Err(Failure::Failed("the module exports no function that could be called".into())),
        several => {
            let typed: Vec<String> =
                several.iter().take(FEW).map(|(name, ty)| format!("{} {ty}", naming::shown(name))).collect();
            let more = match several.len() - typed.len() {
                0 => String::new(),
                more => format!(" and {more} more (--list prints them all)"),
            };
            let list = typed.join(", ");
            Err(Failure::Usage(format!("name a function with --func, and its arguments with --args: {list}{more}")))
        }
    }
}

/// The option's value as a whole number in a range.
pub fn number<T>(option: &str, args: &mut Args, least: T, most: T) -> Result<T, Failure>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let text = args.text()?;
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| Failure::Usage(format!("{option} {text}: expected a whole number from {least} to {most}")))
}

/// The option's value as a number above 0.
pub fn positive(option: &str, args: &mut Args) -> Result<f64, Failure> {
    let text = args.text()?;
    text.parse()
        .ok()
        .filter(|value: &f64| *value > 0.0 && *value <= 1e9)
        .ok_or_else(|| Failure::Usage(format!("{option} {text}: expected a number above 0 and at most 1000000000")))
}

/// True for the exports of a libc's and other allocators: `malloc`, `_malloc`, `__wbindgen_malloc`, `alloc`, `__new`.
fn is_allocator(name: &str, ty: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_named_so = name.ends_with("alloc") && !["dealloc", "realloc", "calloc"].iter().any(|other| name.ends_with(other));
    (is_named_so || name == "__new") && ty.starts_with("(i32") && ty.ends_with("->(i32)")
}

/// Warnings about a workload that is probably not what the user meant.
pub fn warnings(workload: &Workload, exports: &[Extern]) -> Vec<String> {
    let has_memory = exports.iter().any(|export| export.kind == ExternKind::Memory);
    let Some(allocator) = exports.iter().find(|export| is_allocator(&export.name, &export.ty)).filter(|_| has_memory) else {
        return Vec::new();
    };
    let is_guessed = |call: &&Call| {
        let is_number = |argument: &String| argument.starts_with("i32:");
        call.func != allocator.name
            && call.arguments.iter().any(is_number)
            && !call.arguments.iter().any(|a| named(a).is_some())
    };
    workload
        .calls
        .iter()
        .filter(is_guessed)
        .map(|call| {
            format!(
                "{}: its i32 arguments are numbers, and the module exports {}: if one of them is an address, get it from there \
             (--before {1} --args i32:4096 --as p), or the call works on whatever is at that address",
                naming::shown(&call.func),
                naming::shown(&allocator.name)
            )
        })
        .collect()
}

/// An argument that is the name of an earlier result, and the offset that is added to it.
pub fn named(text: &str) -> Option<(&str, i64)> {
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (name, offset) = text.split_at(end);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let offset = if offset.is_empty() { Some(0) } else { offset.parse().ok() };
    is_name.then_some(name).zip(offset)
}

/// An argument of the form `type:value`, as a call takes it.
pub fn value(text: &str) -> Result<(Type, rtwasm::engine::call::ValRaw), String> {
    use rtwasm::engine::call::ValRaw;
    let wrong =
        || format!("argument {text:?}: expected something like i32:5, i64:-1, f32:0.5 or f64:1e-3, or a name from --as");
    let (ty, number) = text.split_once(':').ok_or_else(wrong)?;
    let parsed = match ty {
        "i32" => integer(number, 32).map(|bits| (Type::I32, ValRaw::i32(bits as i32))),
        "i64" => integer(number, 64).map(|bits| (Type::I64, ValRaw::i64(bits as i64))),
        "f32" => number.parse().ok().map(|value: f32| (Type::F32, ValRaw::f32(value.to_bits()))),
        "f64" => number.parse().ok().map(|value: f64| (Type::F64, ValRaw::f64(value.to_bits()))),
        _ => None,
    };
    parsed.ok_or_else(wrong)
}

/// The bits of a number that fits, signed or unsigned.
fn integer(text: &str, bits: u32) -> Option<u64> {
    let value: i128 = match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    (-(1i128 << (bits - 1))..1i128 << bits).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, Failure> {
        let mut args = Args::new(words.iter().map(OsString::from).collect());
        let mut options = Options::new();
        while let Some(arg) = args.next()? {
            match arg {
                args::Arg::Value(value) => options.set_module(value)?,
                args::Arg::Option(option) => assert!(options.take(&option, &mut args)?, "{option}"),
            }
        }
        Ok(options)
    }

    fn message(result: Result<impl Sized, Failure>) -> String {
        match result {
            Err(Failure::Usage(message) | Failure::Failed(message)) => message,
            _ => panic!("it was accepted"),
        }
    }

    fn funcs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, ty)| (name.to_string(), ty.to_string())).collect()
    }

    #[test]
    fn arguments_have_a_type_and_fit_it() {
        for text in
            ["i32:5", "i32:-2147483648", "i32:4294967295", "i32:0xffffffff", "i64:-1", "f32:0.5", "f64:nan", "f64:-1e-310"]
        {
            assert!(value(text).is_ok(), "{text}");
        }
        assert_eq!(value("i32:-1").unwrap().1.get_u32(), u32::MAX);
        assert_eq!(value("f32:0.5").unwrap().1.get_f32(), 0.5f32.to_bits());
        for text in ["5", "i32:", "i32:4294967296", "i32:1.5", "i64:0x10000000000000000", "v128:0", "f32:loud"] {
            assert!(value(text).unwrap_err().contains("expected something like"), "{text}");
        }
    }

    #[test]
    fn arguments_go_to_what_they_follow() {
        let options =
            options(&["--before", "init", "--args", "f64:0.001", "--func", "a", "--func", "b", "--args", "i32:1,i32:2"]);
        let workload = options.ok().unwrap().workload(&funcs(&[])).ok().unwrap();
        assert_eq!(workload.text(), "a(), b(i32:1,i32:2) after init(f64:0.001), back to back");
        assert!(message(self::options(&["--args", "i32:1"])).contains("follow a --func"));
    }

    #[test]
    fn results_have_names_that_later_calls_use() {
        let line = ["--before", "malloc", "--args", "i32:64", "--as", "p", "--func", "f", "--args", "p,p+32,p-1,i32:1"];
        let workload = options(&line).ok().unwrap().workload(&funcs(&[])).ok().unwrap();
        assert_eq!(workload.text(), "f(p,p+32,p-1,i32:1) after p = malloc(i32:64), back to back");
        assert_eq!([named("p"), named("p+32"), named("_a1-4")], [Some(("p", 0)), Some(("p", 32)), Some(("_a1", -4))]);
        assert_eq!([named("i32:5"), named("p+"), named("5"), named(""), named("p+q")], [None; 5]);
        for (line, part) in [
            (&["--func", "f", "--args", "p"][..], "no earlier --as defines this name"),
            (&["--func", "f", "--as", "p"], "follow a --before"),
            (&["--as", "p"], "follow a --before"),
            (&["--before", "f", "--as", "1p"], "a name has letters"),
            (&["--before", "f", "--as", "p+1"], "a name has letters"),
        ] {
            assert!(message(options(line)).contains(part), "{line:?}");
        }
    }

    #[test]
    fn numbers_where_addresses_are_likely_are_warned_of() {
        let export = |kind, name: &str, ty: &str| Extern { kind, module: String::new(), name: name.into(), ty: ty.into() };
        let memory = || export(ExternKind::Memory, "memory", "memory 1.. pages");
        let told = |exports: &[Extern], line: &[&str]| {
            warnings(&options(line).ok().unwrap().workload(&funcs(&[])).ok().unwrap(), exports)
        };
        let malloc = |name: &str| [memory(), export(ExternKind::Func, name, "(i32)->(i32)")];
        let by_number = ["--func", "f", "--args", "i32:0,f32:1"];
        for name in ["malloc", "_malloc", "__wbindgen_malloc", "alloc", "__new"] {
            let exports =
                if name == "__new" { [memory(), export(ExternKind::Func, name, "(i32,i32)->(i32)")] } else { malloc(name) };
            assert!(told(&exports, &by_number).concat().contains(&format!("--before {name} ")), "{name}");
        }
        let with_name = ["--before", "malloc", "--args", "i32:8", "--as", "p", "--func", "f", "--args", "p,i32:1"];
        assert!(told(&malloc("malloc"), &with_name).is_empty());
        assert!(told(&malloc("malloc"), &["--func", "malloc", "--args", "i32:8"]).is_empty());
        assert!(told(&malloc("malloc"), &["--func", "f", "--args", "f32:1"]).is_empty());
        assert!(told(&malloc("dealloc"), &by_number).is_empty() && told(&malloc("gain"), &by_number).is_empty());
        assert!(told(&malloc("malloc")[1..], &by_number).is_empty(), "no memory to have addresses in");
    }

    #[test]
    fn thousands_of_exports_are_not_all_named() {
        let many: Vec<(String, String)> = (0..5000).map(|n| (format!("function_{n}"), "(i32)->()".into())).collect();
        let told = message(options(&[]).ok().unwrap().workload(&many));
        assert!(told.len() < 400 && told.contains("and 4992 more (--list prints them all)"), "{told}");
        let listed = options(&["--list"]).ok().unwrap().listing(&many).unwrap();
        assert_eq!((listed.lines().count(), listed.lines().nth(4999)), (5000, Some("function_4999 (i32)->()")));
    }

    #[test]
    fn growth_is_chosen() {
        for (text, shown) in [("refused", "refused"), ("allowed", "allowed"), ("ahead:65536", "ahead to 65536 bytes")] {
            assert_eq!(options(&["--growth", text]).ok().unwrap().setup.growth.to_string(), shown);
        }
        for text in ["ahead", "ahead:", "ahead:-1", "sometimes"] {
            assert!(message(options(&["--growth", text])).contains("expected one of refused, allowed, ahead:BYTES"), "{text}");
        }
    }

    #[test]
    fn effects_are_known_by_their_exports() {
        let effect = funcs(&[("init", "(f32,i32,i32)->(i32)"), ("process", "(i32)->()"), ("reset", "()->()")]);
        let workload = options(&["--block", "64"]).ok().unwrap().workload(&effect).ok().unwrap();
        let text = "process(i32:64) after init(f32:48000,i32:2,i32:64), audio, 64 frames at 48000 Hz";
        assert_eq!(workload.text(), text);
        assert_eq!(workload.scenario.period_ns(), Some(1_333_333));
        let workload = options(&["--func", "reset"]).ok().unwrap().workload(&effect).ok().unwrap();
        assert_eq!(workload.scenario, Scenario::Call);
        assert!(
            message(options(&["--scenario", "audio"]).ok().unwrap().workload(&funcs(&[("f", "()->()")]))).contains("process")
        );
    }

    #[test]
    fn guests_for_audio_are_known_by_their_exports() {
        let mut guest = funcs(driver::interface(kind::OWN));
        let workload = options(&["--rate", "44100"]).ok().unwrap().workload(&guest).ok().unwrap();
        let text = "rtw_process(i32:128) after rtw_init(f64:44100,i32:128), audio, 128 frames at 44100 Hz";
        assert_eq!(workload.text(), text);
        guest.pop();
        assert!(message(options(&[]).ok().unwrap().workload(&guest)).contains("name a function"));
        assert!(message(options(&["--scenario", "audio"]).ok().unwrap().workload(&guest)).contains("nor is it a guest"));
    }

    #[test]
    fn without_a_name_only_one_function_will_do() {
        let none = options(&[]).ok().unwrap();
        assert_eq!(none.workload(&funcs(&[("run", "()->(i32)")])).ok().unwrap().calls[0].func, "run");
        assert!(message(none.workload(&funcs(&[("run", "(i32)->()")]))).contains("run (i32)->()"));
        assert!(message(none.workload(&funcs(&[("a", "()->()"), ("b", "()->()")]))).contains("a ()->(), b ()->()"));
        assert!(message(none.workload(&[])).contains("no function"));
    }

    #[test]
    fn numbers_have_ranges() {
        for (words, text) in [
            (["--cpu", "many"], "--cpu many: expected a whole number from 0 to 1023"),
            (["--fifo", "100"], "from 1 to 99"),
            (["--period", "0"], "above 0"),
            (["--block", "0"], "from 1 to"),
            (["--scenario", "video"], "expected one of call, audio, periodic"),
            (["--budget", "prayer"], "expected one of guard, off"),
        ] {
            assert!(message(options(&words)).contains(text), "{words:?}");
        }
    }
}
