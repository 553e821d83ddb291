//! What shall be called and how, as options and as what a child process is told.

use std::ffi::OsString;
use std::path::PathBuf;

use rtwasm::engine::profile::{Interruption, Profile, Variations};
use rtwasm::engine::signature::Type;
use rtwasm_compiler::Opt;
use serde::{Deserialize, Serialize};

use crate::args::{self, Args, Failure};
use crate::compile::{BUDGETS, budget_from_name};

/// One export with its arguments, each as `type:value`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub func: String,
    pub arguments: Vec<String>,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.func.escape_debug(), self.arguments.join(","))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scenario {
    /// Cycles follow each other without a pause.
    Call,
    /// A cycle is a block of sound, and there is one every block's length.
    Audio { frames: u32, rate: u32 },
    /// A cycle every period.
    Periodic { period_ns: u64 },
}

impl Scenario {
    /// Between the starts of two cycles, where they are not to follow each other at once.
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

/// What a cycle is, and what comes before the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub before: Vec<Call>,
    pub calls: Vec<Call>,
    pub scenario: Scenario,
}

impl Workload {
    pub fn text(&self) -> String {
        let list = |calls: &[Call]| calls.iter().map(Call::to_string).collect::<Vec<_>>().join(", ");
        let before = if self.before.is_empty() { String::new() } else { format!(" after {}", list(&self.before)) };
        format!("{}{before}, {}", list(&self.calls), self.scenario.text())
    }
}

/// How an instance and its thread are set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    pub cpu: Option<u32>,
    pub fifo: Option<i32>,
    pub lock: bool,
    pub flush_denormals: bool,
    pub prepare: bool,
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
        ]
        .join(", ")
    }
}

/// How a module is made into code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compilation {
    pub profile: Profile,
    pub opt: Opt,
    pub interruption: Interruption,
}

/// The part of a command's help that tells of [`Options`]; a literal, so that it can be part of one.
macro_rules! options_help {
    () => {
        "\
What is called:
  --func NAME           an export to call; several are called one after the other, and make one cycle. Default: the only
                        exported function, if it has no parameters
  --before NAME         an export to call once, before the first cycle
  --args LIST           arguments of the --func or --before that it follows: i32:5,i64:-1,f32:0.5,f64:1e-3
  --scenario NAME       call: cycles without a pause (default)
                        audio: a block of sound each cycle, through an effect as guests/README.md describes it:
                        process(frames), and where they are there init, input, reset; the default where no --func is
                        given and process is exported
                        periodic: a cycle every period, from an absolute sleep
  --block FRAMES        of the audio scenario: 128
  --rate HZ             of the audio scenario: 48000
  --period US           of the periodic scenario, in microseconds: 1000
  Functions that the module imports are answered with zeros.

How (a .wasm or .wat is compiled for it; of an artifact, what concerns the code is settled):
  --profile NAME        standalone (default) or plugin
  --opt LEVEL           speed (default), size, none
  --budget HOW          how a call could be cut off: guard (default), off, epoch, fuel
  --cpu N               pin the thread to this CPU
  --fifo PRIORITY       SCHED_FIFO with this priority
  --lock                lock memory
  --flush-denormals     count denormal numbers as zero
  --unprepared          without rtw_instance_prepare, as a host that leaves it out
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
    scenario: Option<String>,
    frames: u32,
    rate: u32,
    period_us: Option<f64>,
    profile: Option<Profile>,
    opt: Option<Opt>,
    interruption: Option<Interruption>,
    pub setup: Setup,
}

/// Which list the last `--func` or `--before` has gone to.
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
            scenario: None,
            frames: 128,
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
            "--scenario" => {
                self.scenario = Some(args.one_of(option, "call, audio, periodic", |name| {
                    ["call", "audio", "periodic"].contains(&name).then(|| name.to_owned())
                })?);
            }
            "--block" => self.frames = number(option, args, 1, 65_536)?,
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
        let call = Call { func: args.text()?, arguments: Vec::new() };
        self.last = Some(place);
        self.list(place).push(call);
        Ok(())
    }

    fn set_arguments(&mut self, list: &str) -> Result<(), Failure> {
        let arguments: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        for argument in &arguments {
            value(argument).map_err(Failure::Usage)?;
        }
        let call = self.last.and_then(|place| self.list(place).last_mut());
        let call = call.ok_or_else(|| Failure::Usage("--args belongs behind a --func or --before".into()))?;
        call.arguments = arguments;
        Ok(())
    }

    fn list(&mut self, place: Place) -> &mut Vec<Call> {
        match place {
            Place::Before => &mut self.before,
            Place::Calls => &mut self.calls,
        }
    }

    /// How the module is to be compiled, where it is not an artifact.
    pub fn compilation(&self) -> Compilation {
        Compilation {
            profile: self.profile.unwrap_or(Profile::Standalone),
            opt: self.opt.unwrap_or(Opt::Speed),
            interruption: self.interruption.unwrap_or(Interruption::Guard),
        }
    }

    /// The first option that an artifact has settled already.
    pub fn settled_by_artifact(&self) -> Option<&'static str> {
        [("--profile", self.profile.is_some()), ("--opt", self.opt.is_some()), ("--budget", self.interruption.is_some())]
            .into_iter()
            .find_map(|(option, given)| given.then_some(option))
    }

    /// The workload, for a module with these exported functions (name and type).
    pub fn workload(&self, funcs: &[(String, String)]) -> Result<Workload, Failure> {
        let exports = |name: &str| funcs.iter().find(|(known, _)| known == name).map(|(_, ty)| ty.as_str());
        let is_effect = exports("process") == Some("(i32)->()");
        let name = match &self.scenario {
            Some(name) => name.as_str(),
            None if self.calls.is_empty() && is_effect => "audio",
            None => "call",
        };
        if self.period_us.is_some() && name != "periodic" {
            return Err(Failure::Usage("--period belongs to --scenario periodic".into()));
        }
        let (mut before, mut calls) = (self.before.clone(), self.calls.clone());
        let scenario = match name {
            "audio" => {
                if !calls.is_empty() {
                    return Err(Failure::Usage("--func: the audio scenario calls process".into()));
                }
                if !is_effect {
                    return Err(Failure::Failed(
                        "the audio scenario calls an export process(frames) of type (i32)->(), and the module has none".into(),
                    ));
                }
                let call = |func: &str, arguments: Vec<String>| Call { func: func.into(), arguments };
                if before.is_empty() && exports("init") == Some("(f32,i32,i32)->(i32)") {
                    let arguments = [format!("f32:{}", self.rate), "i32:2".into(), format!("i32:{}", self.frames)];
                    before.push(call("init", arguments.into()));
                }
                calls.push(call("process", vec![format!("i32:{}", self.frames)]));
                Scenario::Audio { frames: self.frames, rate: self.rate }
            }
            "periodic" => Scenario::Periodic { period_ns: (self.period_us.unwrap_or(1000.0) * 1e3) as u64 },
            _ => Scenario::Call,
        };
        if calls.is_empty() {
            calls.push(only_func(funcs)?);
        }
        Ok(Workload { before, calls, scenario })
    }
}

/// The function to call where none is named.
fn only_func(funcs: &[(String, String)]) -> Result<Call, Failure> {
    match funcs {
        [(name, ty)] if ty.starts_with("()") => Ok(Call { func: name.clone(), arguments: Vec::new() }),
        [] => Err(Failure::Failed("the module exports no function that could be called".into())),
        several => {
            let list: Vec<String> = several.iter().map(|(name, ty)| format!("{} {ty}", name.escape_debug())).collect();
            Err(Failure::Usage(format!("name what to call with --func, and its arguments with --args: {}", list.join(", "))))
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
        .ok_or_else(|| Failure::Usage(format!("{option} {text}: expected a number above 0")))
}

/// An argument of the form `type:value`, as a call takes it.
pub fn value(text: &str) -> Result<(Type, rtwasm::engine::call::ValRaw), String> {
    use rtwasm::engine::call::ValRaw;
    let wrong = || format!("argument {text:?}: expected something like i32:5, i64:-1, f32:0.5 or f64:1e-3");
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
        assert!(message(self::options(&["--args", "i32:1"])).contains("behind a --func"));
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
