//! `rtwasm compile`: compiles a module's file into an artifact.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rtwasm::engine::artifact::{self, Input, Opened};
use rtwasm::engine::imports;
use rtwasm::engine::profile::{Interruption, Profile};
use rtwasm::sys::file;
use rtwasm_compiler::limits::Limits;
use rtwasm_compiler::{Extras, Init, Machine, Opt, Options, Phase, Progress, Reservation, Target, interruption_from_name};

use crate::args::{self, Arg, Args, Failure};
use crate::{describe, needs};

pub const HELP: &str = "rtwasm compile: compile a WebAssembly module into an artifact

Usage: rtwasm compile INPUT -o OUTPUT [OPTIONS]

INPUT is a module in binary (.wasm) or text form (.wat), or a program of Faust (.dsp), of which `faust` makes one;
- reads the standard input.

Options:
  -o, --output FILE     write the artifact (.rtw) to FILE; - is the standard output. FILE appears complete or
                        not at all
  --profile NAME        both: a part of the artifact for each of these
                        standalone (default): guard pages and signal handlers, the fastest code, for a process
                        of your own
                        plugin: checks in the code and no signal handler, for plug-ins in another program's
                        process
  --target TRIPLE       x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu; default: this machine
  --cpu WHICH           native: the features of this machine; the default if this machine is the target
                        x86-64-v2, x86-64-v3, x86-64-v4: the levels of the x86-64 psABI. For artifacts that you
                        distribute: v2 loads on processors since 2009 and is the default for x86-64 from
                        another machine; v3 needs AVX2 and FMA, which some Atom, Celeron and Pentium lack
                        x86-64, aarch64, baseline: no optional features; the default for aarch64 from another
                        machine
                        LIST: features such as avx2,fma and those that they imply, or a processor such as
                        cortex-a53, cortex-a72 or cortex-a76 for all its features
                        A machine that lacks a level or a feature refuses the artifact and names it
                        Several levels or processors, such as x86-64-v2,x86-64-v4,aarch64: a part of the artifact for
                        each. The library loads the best that runs (`rtwasm inspect` lists them)
  --opt LEVEL           speed (default), size, or none, which compiles faster
  --reservation HOW     address space for each linear memory
                        full (default): 4 GiB, in the standalone profile with guard pages and the budget guard's
                        memory beside it (`rtwasm inspect` prints the sum)
                        declared: the maximum that the module declares, for processes whose locked or total
                        memory is limited
  --deterministic       results are the same on every machine: NaNs are canonical, and relaxed SIMD has one meaning.
                        Refuses a module that needs a higher --cpu level for that, and names the level
  --budget HOW          how the host can end a call that has used up its time budget
                        guard (default): polls in loops, at almost no cost
                        off: not at all
                        epoch, fuel: the engine's own checks, for comparison only; budgets do not work with them
  --init EXPORT[=ARGS]  run this export now, and keep the state that it leaves behind: instances, resets and spares
                        start with it. ARGS are numbers of the export's types: --init setup=48000,0.5. Given several
                        times: one call after the other. The module's _initialize runs first, and not again at run
                        time. Functions of the host are not provided then, but for libm's
  --embed-source        keep the module in the artifact, so that `rtwasm recompile` needs nothing else
  --max-module-bytes N  refuse a longer module; default 268435456
  --max-functions N     refuse a module that defines more functions; default 500000
  --max-nesting N       refuse a function with more nested blocks; default 10000
  --max-locals N        refuse a function with more locals; default 50000
  --max-branches N      refuse a function with more blocks and conditional branches; default 250000
  --max-function-bytes N
                        refuse a longer function; default 2097152
  --max-time-ms N       stop compiling after this time; default 600000
  -v, --verbose         report progress even if standard error is not a terminal
  -q, --quiet           print nothing except errors
  -h, --help            print this text

Says what the module asks of its host: who provides its imports (`rtwasm inspect` lists each), how it starts,
whether it can grow, and which proposals it uses.

The same input with the same options makes the same artifact, byte for byte. --cpu native makes the machine an
option.

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm compile gain.wasm -o gain.rtw
  rtwasm compile gain.wat -o gain.rtw --profile plugin --cpu avx2,fma
  rtwasm compile reverb.dsp -o reverb.rtw
  rtwasm compile control.wasm -o control-arm.rtw --target aarch64-unknown-linux-gnu --cpu cortex-a72
  rtwasm compile eq.wasm -o eq.rtw --cpu x86-64-v2,x86-64-v3,aarch64 --profile both --embed-source
";

pub struct Request {
    pub input: PathBuf,
    pub output: PathBuf,
    options: Vec<Options>,
    whole: Extras,
    talk: Talk,
}

impl Request {
    pub fn is_quiet(&self) -> bool {
        self.talk == Talk::Quiet
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Talk {
    Quiet,
    Normal,
    Verbose,
}

pub fn run(args: Args) -> Result<(), Failure> {
    compile(&parse(args, |_, _| Ok(false))?)
}

/// Compiles the input, and writes or prints the artifact.
pub fn compile(request: &Request) -> Result<(), Failure> {
    let input = args::read_module(&request.input)?;
    refuse_own_input(&request.input, &request.output)?;
    compile_module(request, &input, Ok)
}

/// Compiles a module that was read from the input, and writes or prints what `finish` makes of the artifact.
pub fn compile_module(
    request: &Request,
    input: &[u8],
    finish: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let mut reporter = Reporter::new(request.talk);
    let compiled =
        rtwasm_compiler::compile_parts(input, &request.options, &request.whole, &mut |progress| reporter.update(progress));
    reporter.finish();
    let artifact = finish(compiled.map_err(|error| Failure::with_status(&request.input, &error))?)?;

    if !request.is_quiet() {
        warn_of_imports(request, &artifact);
        warn_of_slow_instructions(request, &artifact);
    }
    if args::is_standard_stream(&request.output) {
        return args::print_bytes(&artifact);
    }
    file::replace(&request.output, &artifact).map_err(|error| Failure::about(&request.output, error))?;
    if !request.is_quiet() {
        args::print(&(summary(request, artifact.len() as u64, &reporter) + &host_text(&artifact)))?;
    }
    Ok(())
}

/// The values of `--budget`.
pub const BUDGETS: &str = "guard, off, epoch, fuel";

pub fn budget_from_name(name: &str) -> Option<Interruption> {
    match name {
        "off" => Some(Interruption::None),
        "none" => None,
        other => interruption_from_name(other),
    }
}

pub fn budget_name(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::None => "off",
        other => other.name(),
    }
}

/// The options of a command line; `None` where it names none.
#[derive(Default)]
pub struct Choices {
    pub input: Option<PathBuf>,
    pub output: Option<PathBuf>,
    pub profiles: Option<Vec<Profile>>,
    target: Option<Target>,
    cpu: Option<String>,
    opt: Option<Opt>,
    interruption: Option<Interruption>,
    reservation: Option<Reservation>,
    deterministic: bool,
    init: Vec<Init>,
    limits: Option<Limits>,
    embed_source: bool,
    talk: Option<Talk>,
}

fn usage(error: rtwasm::status::Error) -> Failure {
    Failure::Usage(error.message)
}

/// Reads the command line. `own` takes the calling command's own options, and returns true for these.
pub fn parse(args: Args, own: impl FnMut(&str, &mut Args) -> Result<bool, Failure>) -> Result<Request, Failure> {
    let choices = choices(args, own, |_, _| Ok(false))?;
    let parts = choices.parts(Vec::new())?;
    choices.request(parts, Extras::default())
}

/// Reads the command line. `more` takes a value beyond the input, and returns true for it.
pub fn choices(
    mut args: Args,
    mut own: impl FnMut(&str, &mut Args) -> Result<bool, Failure>,
    mut more: impl FnMut(&mut Choices, &OsStr) -> Result<bool, Failure>,
) -> Result<Choices, Failure> {
    let mut made = Choices::default();
    let mut limits = Limits::DEFAULT;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) if made.input.is_some() && more(&mut made, &value)? => {}
            Arg::Value(value) => args::set_once(&mut made.input, value, "input")?,
            Arg::Option(option) => match option.as_str() {
                "-o" | "--output" => {
                    let value = args.value()?;
                    args::set_once(&mut made.output, value, "output")?;
                }
                "--profile" => made.profiles = Some(args.one_of(&option, "standalone, plugin, both", profiles_from_name)?),
                "--target" => made.target = Some(Target::from_triple(&args.text()?).map_err(usage)?),
                "--cpu" => made.cpu = Some(args.text()?),
                "--reservation" => {
                    made.reservation = Some(args.one_of(&option, "full, declared", Reservation::from_name)?);
                }
                "--deterministic" => made.deterministic = true,
                "--embed-source" => made.embed_source = true,
                "--opt" => made.opt = Some(args.one_of(&option, "none, speed, size", Opt::from_name)?),
                "--budget" => made.interruption = Some(args.one_of(&option, BUDGETS, budget_from_name)?),
                "--init" => made.init.push(Init::from_text(&args.text()?).map_err(usage)?),
                "--max-module-bytes" => limits.module_bytes = number(&option, &mut args, u64::MAX)?,
                "--max-functions" => limits.functions = number(&option, &mut args, u32::MAX.into())? as u32,
                "--max-nesting" => limits.nesting = number(&option, &mut args, u32::MAX.into())? as u32,
                "--max-locals" => limits.locals = number(&option, &mut args, Limits::DEFAULT.locals.into())? as u32,
                "--max-branches" => limits.branches = number(&option, &mut args, u32::MAX.into())? as u32,
                "--max-function-bytes" => limits.function_bytes = number(&option, &mut args, u32::MAX.into())? as u32,
                "--max-time-ms" => limits.time = Duration::from_millis(number(&option, &mut args, u64::MAX)?),
                "-q" | "--quiet" => made.talk = Some(Talk::Quiet),
                "-v" | "--verbose" => made.talk = Some(Talk::Verbose),
                other if own(other, &mut args)? => {}
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    made.limits = Some(limits);
    if made.input.is_none() {
        return Err(Failure::Usage("missing input file".into()));
    }
    if made.output.is_none() {
        return Err(Failure::Usage("missing output file: use -o FILE".into()));
    }
    if made.output.as_deref().is_some_and(args::is_standard_stream) && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "cannot write an artifact to a terminal: use -o FILE, or redirect the standard output".into(),
        ));
    }
    Ok(made)
}

fn profiles_from_name(name: &str) -> Option<Vec<Profile>> {
    match name {
        "both" => Some(Profile::ALL.to_vec()),
        one => Some(vec![Profile::from_name(one)?]),
    }
}

impl Choices {
    pub fn is_quiet(&self) -> bool {
        self.talk == Some(Talk::Quiet)
    }

    /// The options of each part. `before`: the parts of an artifact that is compiled again, of which the command line changes something.
    pub fn parts(&self, before: Vec<Options>) -> Result<Vec<Options>, Failure> {
        let names_machine = self.cpu.is_some() || self.target.is_some();
        let mut parts = if before.is_empty() || names_machine || self.profiles.is_some() {
            let machines = if before.is_empty() || names_machine {
                Machine::from_text(self.cpu.as_deref(), self.target).map_err(usage)?
            } else {
                distinct(before.iter().map(|part| Machine { target: part.target, cpu: part.cpu.clone() }))
            };
            let profiles = match &self.profiles {
                Some(profiles) => profiles.clone(),
                None if before.is_empty() => vec![Profile::Standalone],
                None => distinct(before.iter().map(|part| part.profile)),
            };
            let pairs = machines.iter().flat_map(|machine| profiles.iter().map(move |profile| (*profile, machine.clone())));
            let like = before.first();
            pairs
                .map(|(profile, machine)| {
                    let own = Options::for_machine(profile, machine);
                    match like {
                        Some(like) => Options { profile, target: own.target, cpu: own.cpu, ..like.clone() },
                        None => own,
                    }
                })
                .collect()
        } else {
            before
        };
        for part in &mut parts {
            part.opt = self.opt.unwrap_or(part.opt);
            part.interruption = self.interruption.unwrap_or(part.interruption);
            part.reservation = self.reservation.unwrap_or(part.reservation);
            part.deterministic |= self.deterministic;
            if !self.init.is_empty() {
                part.init = self.init.clone();
            }
            part.limits = self.limits.clone().unwrap_or(Limits::DEFAULT);
        }
        // A wrong feature name is a wrong usage, whatever the input.
        rtwasm_compiler::check_parts(&parts).map_err(usage)?;
        Ok(parts)
    }

    pub fn request(self, options: Vec<Options>, whole: Extras) -> Result<Request, Failure> {
        let (Some(input), Some(output)) = (self.input, self.output) else {
            return Err(Failure::Usage("missing file".into()));
        };
        let whole = Extras { source: whole.source || self.embed_source, ..whole };
        Ok(Request { input, output, options, whole, talk: self.talk.unwrap_or(Talk::Normal) })
    }
}

/// Without what was there before.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in all.into_iter() {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// The module's demands on its host, a line each.
fn host_text(artifact: &[u8]) -> String {
    let Ok(artifact) = artifact::read(artifact) else { return String::new() };
    let notes = artifact.opened.notes(artifact.part).unwrap_or_default();
    let sentences = needs::sentences(&artifact.metadata, notes.needs.as_ref());
    let guest = describe::read(&artifact.opened).ok().flatten();
    let guest = guest.map(|guest| format!("  guest: {}\n", describe::summary(&guest))).unwrap_or_default();
    sentences.iter().map(|(subject, sentence)| format!("  {subject}: {sentence}\n")).collect::<String>() + &guest
}

/// Warns if the module compiles, but imports what no host can provide.
fn warn_of_imports(request: &Request, artifact: &[u8]) {
    let refused = artifact::read(artifact).and_then(|artifact| imports::check_kinds(&artifact.metadata)).err();
    if let Some(error) = refused {
        eprintln!("rtwasm: warning: {}: no host can create an instance: {}", args::shown(&request.input), error.message);
    }
}

/// The most slow instructions that a warning names.
const FEW: usize = 4;

/// Warns of instructions that take a call, which a higher CPU level would not need; `inspect` names the long sequences as well. Of several
/// parts, only the one that has fewest tells what no part is free of.
fn warn_of_slow_instructions(request: &Request, artifact: &[u8]) {
    let Ok(opened) = Opened::new(Input::Memory(artifact)) else { return };
    let calls = |part: u32| -> Vec<String> {
        let notes = opened.notes(part).unwrap_or_default();
        notes.slow.iter().filter(|slow| slow.calls).map(crate::inspect::slow_text).collect()
    };
    let x86 = (1..).zip(&opened.parts).filter(|(_, part)| part.description.target == Target::X86_64Linux.triple());
    let calls = x86.map(|(part, _)| calls(part)).min_by_key(Vec::len).unwrap_or_default();
    if !calls.is_empty() {
        let more = calls.len().saturating_sub(FEW);
        let more = if more == 0 { String::new() } else { format!("; and {more} more, see `rtwasm inspect`") };
        let few = calls[..calls.len().min(FEW)].join("; ");
        eprintln!("rtwasm: warning: {}: slow at this CPU level: {few}{more}", args::shown(&request.input));
    }
}

/// An option's value, from 1 up.
fn number(option: &str, args: &mut Args, most: u64) -> Result<u64, Failure> {
    let text = args.text()?;
    match text.parse() {
        Ok(value) if (1..=most).contains(&value) => Ok(value),
        _ => Err(Failure::Usage(format!("{option} {text}: expected a number from 1 to {most}"))),
    }
}

/// Refuses an output that is the input's own file, also through a link.
fn refuse_own_input(input: &Path, output: &Path) -> Result<(), Failure> {
    if args::is_standard_stream(input) || args::is_standard_stream(output) {
        return Ok(());
    }
    match (fs::metadata(input), fs::metadata(output)) {
        (Ok(a), Ok(b)) if a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()) => {
            Err(Failure::about(output, "the output is the input: name another file with -o"))
        }
        _ => Ok(()),
    }
}

fn summary(request: &Request, artifact_bytes: u64, reporter: &Reporter) -> String {
    let parts = match request.options.as_slice() {
        [one] => format!("{}, profile {}", one.target.triple(), one.profile.name()),
        several => format!("{} parts", several.len()),
    };
    format!(
        "{}: {} for {parts}, {}, {:.1} s\n",
        request.output.display(),
        args::plural(reporter.function_count.into(), "function"),
        args::human_bytes(artifact_bytes),
        reporter.elapsed.as_secs_f64(),
    )
}

/// A compilation that is shorter reports no progress.
const SILENT: Duration = Duration::from_millis(500);
/// Time between two lines about the same phase, if lines cannot be overwritten.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Reports the progress of a long compilation on the standard error.
struct Reporter {
    style: Style,
    last: Option<(Phase, Duration)>,
    line_is_open: bool,
    function_count: u32,
    elapsed: Duration,
}

enum Style {
    Silent,
    /// One line, overwritten.
    Terminal,
    Lines,
}

impl Reporter {
    fn new(talk: Talk) -> Reporter {
        let style = match talk {
            Talk::Quiet => Style::Silent,
            _ if io::stderr().is_terminal() => Style::Terminal,
            Talk::Normal => Style::Silent,
            Talk::Verbose => Style::Lines,
        };
        Reporter { style, last: None, line_is_open: false, function_count: 0, elapsed: Duration::ZERO }
    }

    fn update(&mut self, progress: Progress) {
        self.function_count = progress.function_count;
        self.elapsed = progress.elapsed;
        match self.style {
            Style::Silent => {}
            Style::Terminal if progress.elapsed >= SILENT => {
                eprint!("\r\x1b[K{}", line(&progress));
                self.line_is_open = true;
            }
            Style::Terminal => {}
            Style::Lines => {
                let is_due =
                    self.last.is_none_or(|(phase, at)| phase != progress.phase || progress.elapsed - at >= LINE_INTERVAL);
                if is_due {
                    eprintln!("{}", line(&progress));
                    self.last = Some((progress.phase, progress.elapsed));
                }
            }
        }
    }

    fn finish(&mut self) {
        if self.line_is_open {
            eprint!("\r\x1b[K");
        }
    }
}

fn line(progress: &Progress) -> String {
    let functions = match progress.function_count {
        0 => String::new(),
        count => format!(" {},", args::plural(count.into(), "function")),
    };
    let bytes = args::human_bytes(progress.bytes);
    format!("{}:{functions} {bytes}, {:.1} s", progress.phase.name(), progress.elapsed.as_secs_f64())
}
