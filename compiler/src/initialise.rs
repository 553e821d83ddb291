//! Runs chosen exports of a module at compile time, and makes a module that starts with the state that they leave behind.
//!
//! The engine's own tool (wasmtime-wizer) makes the state reachable and writes it into the new module. Running is done here: in an
//! engine that installs no signal handlers, within the compiler's time limit. The code section of the new module is the given one's,
//! byte for byte, so that each place in the code keeps its name.

use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use rtwasm::engine::artifact::{Edit, Extern as Imported};
use rtwasm::engine::profile::{self, DEFAULT_GUEST_STACK_BYTES, Interruption, Profile, Settings};
use rtwasm::engine::signature::{Signature, Type};
use rtwasm::status::*;
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, Extern, Func, Instance, Memory, Module, OptLevel, Store, StoreLimits, Val, WasmBacktrace};
use wasmtime_wizer::{InstanceState, ModuleContext, SnapshotVal, Wizer};

use crate::facts::Facts;
use crate::generate;
use crate::limits::Deadline;
use crate::options::{Options, Target};
use crate::{libm, place};

/// The export that runs a toolchain's constructors: called once, before all others.
const CONSTRUCTORS: &str = "_initialize";
/// A command's main program, which ends its guest.
const MAIN: &str = "_start";
/// Frames in the report of a trap.
const FRAMES: usize = 4;

/// An export that is called at compile time, with its arguments as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    pub export: String,
    arguments: Vec<String>,
}

impl Init {
    /// Reads `EXPORT` or `EXPORT=ARGS`, such as `setup=48000,f32:0.5`. The types are the export's own; a type before a number is
    /// compared with them.
    pub fn from_text(text: &str) -> Result<Init> {
        let (export, list) = text.split_once('=').map_or((text, None), |(export, list)| (export, Some(list)));
        let arguments: Vec<String> =
            list.into_iter().flat_map(|list| list.split(',')).map(|word| word.trim().to_owned()).collect();
        if export.is_empty() || arguments.iter().any(String::is_empty) {
            return Err(Error::new(
                RTW_ERR_ARGUMENT,
                format!("init {text:?}: expected EXPORT or EXPORT=ARGS, such as \"setup\" or \"setup=48000,0.5\""),
            ));
        }
        Ok(Init { export: export.into(), arguments })
    }

    /// As `from_text` reads it.
    pub fn text(&self) -> String {
        let equals = if self.arguments.is_empty() { "" } else { "=" };
        format!("{}{equals}{}", self.export, self.arguments.join(","))
    }

    fn values(&self, signature: &Signature) -> Result<Vec<Val>> {
        let wrong = |why: String| Error::new(RTW_ERR_SIGNATURE, format!("init: {} {why}", place::quoted(&self.export)));
        if self.arguments.len() != signature.params.len() {
            return Err(wrong(format!("takes {} arguments, and {} were given", signature.params.len(), self.arguments.len())));
        }
        let pairs = self.arguments.iter().zip(&signature.params);
        pairs
            .map(|(text, ty)| {
                value(text, *ty).ok_or_else(|| wrong(format!("takes a value of type {} where {text:?} was given", ty.name())))
            })
            .collect()
    }
}

impl std::fmt::Display for Init {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.export, self.arguments.join(","))
    }
}

/// A number of that type, with or without the type's name before it.
fn value(text: &str, ty: Type) -> Option<Val> {
    let number = match text.split_once(':') {
        Some((name, number)) => Some(number).filter(|_| name == ty.name())?,
        None => text,
    };
    match ty {
        Type::I32 => integer(number, 32).map(|bits| Val::I32(bits as i32)),
        Type::I64 => integer(number, 64).map(|bits| Val::I64(bits as i64)),
        Type::F32 => number.parse().ok().map(|value: f32| Val::F32(value.to_bits())),
        Type::F64 => number.parse().ok().map(|value: f64| Val::F64(value.to_bits())),
        Type::V128 => None,
    }
}

/// The bits of a number that fits, signed or unsigned.
fn integer(text: &str, bits: u32) -> Option<u64> {
    let value: i128 = match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    (-(1i128 << (bits - 1))..1i128 << bits).contains(&value).then_some(value as u64)
}

/// A module that starts where the calls ended.
pub struct Initialised {
    pub module: Vec<u8>,
    /// The calls with their results, in words.
    pub calls: Vec<String>,
    /// The code sections' contents, which are the same bytes: in the new module, in the given one.
    code: (Range<usize>, usize),
}

/// Runs `_initialize`, if there is one, and then the chosen exports of a valid module, in one instance and in this order.
pub fn run(
    module: &[u8],
    facts: &Facts,
    options: &Options,
    cpu_features: &[String],
    deadline: &Deadline,
    tick: &mut dyn FnMut(),
) -> Result<Initialised> {
    let calls = planned(facts, &options.init)?;
    if let Some(import) = facts.imports.iter().find(|import| !import.ty.starts_with('(')) {
        return Err(Error::new(
            RTW_ERR_UNSUPPORTED,
            format!(
                "init: the module imports {} ({}), whose content is the host's and does not exist at compile time",
                place::quoted(&format!("{}.{}", import.module, import.name)),
                import.ty
            ),
        ));
    }
    let engine = engine(cpu_features, options.deterministic)?;
    let job = Job {
        module: module.to_vec(),
        calls,
        imports: facts.imports.clone(),
        engine: engine.clone(),
        memory_bytes: options.limits.module_bytes,
    };
    let current = Arc::new(Mutex::new(String::from("the module")));
    let named = current.clone();
    let outcome =
        generate::ticking(move || generate::with_pool(|pool| pool.install(|| initialised(&job, &named)))?, deadline, tick);
    // A call that still runs is over its time; it ends at its next loop or call, and its thread with it.
    engine.increment_epoch();
    let (made, calls) = outcome.map_err(|error| match error.status {
        RTW_ERR_LIMIT if deadline.left().is_none() => {
            let current = current.lock().unwrap_or_else(PoisonError::into_inner);
            Error::new(RTW_ERR_LIMIT, format!("init: {current} did not end: {}", error.message))
        }
        _ => error,
    })?;
    let code = match (code_section(module), code_section(&made)) {
        (Some(given), Some(new)) if module[given.clone()] == made[new.clone()] => (new, given.start),
        (None, None) => (0..0, 0),
        _ => return Err(Error::new(RTW_ERR_INTERNAL, "init: the code has changed")),
    };
    Ok(Initialised { module: made, calls, code })
}

/// Calls an export of a valid module, of type `()->(i32)`, and returns the text at the address that it returns. `_initialize` comes
/// first, if there is one.
pub fn text(
    module: &[u8],
    facts: &Facts,
    options: &Options,
    export: &str,
    deadline: &Deadline,
    tick: &mut dyn FnMut(),
) -> Result<Vec<u8>> {
    let wanted = Init { export: export.into(), arguments: Vec::new() };
    let calls = planned(facts, &[wanted])?;
    if let Some(import) = facts.imports.iter().find(|import| !import.ty.starts_with('(')) {
        let name = place::quoted(&format!("{}.{}", import.module, import.name));
        let what =
            format!("{export} cannot run at compile time: the module imports {name}; put its text into a custom section");
        return Err(Error::new(RTW_ERR_UNSUPPORTED, what));
    }
    let engine = engine(&[], options.deterministic)?;
    let memory_bytes = options.limits.module_bytes;
    let job = Job { module: module.to_vec(), calls, imports: facts.imports.clone(), engine: engine.clone(), memory_bytes };
    let outcome = generate::ticking(move || generate::with_pool(|pool| pool.install(|| read_text(&job)))?, deadline, tick);
    engine.increment_epoch();
    outcome
}

fn read_text(job: &Job) -> Result<Vec<u8>> {
    let module = Module::new(&job.engine, &job.module)
        .map_err(|error| Error::new(RTW_ERR_UNSUPPORTED, format!("cannot generate code for this module: {error:#}")))?;
    let (mut store, imports) = surroundings(job, &module);
    let told = |error: &wasmtime::Error, what: &str| failure(&job.module, &job.module, what, error);
    let instance = Instance::new(&mut store, &module, &imports).map_err(|error| told(&error, "creating an instance"))?;
    let mut address = 0;
    for (call, signature) in &job.calls {
        let func = instance.get_func(&mut store, &call.export).expect("a checked export");
        let mut results = vec![Val::I32(0); signature.results.len()];
        func.call(&mut store, &[], &mut results).map_err(|error| told(&error, &call.to_string()))?;
        address = results.first().and_then(Val::i32).unwrap_or(0) as u32 as usize;
    }
    let memory = module.exports().find_map(|export| instance.get_memory(&mut store, export.name()));
    let text =
        memory.and_then(|memory| memory.data(&store).get(address..)?.split(|byte| *byte == 0).next().map(<[u8]>::to_vec));
    let nothing =
        || Error::new(RTW_ERR_BOUNDS, format!("there is no text at {address}, which the guest's description is to be"));
    text.filter(|text| address != 0 && !text.is_empty()).ok_or_else(nothing)
}

impl Initialised {
    /// Makes edits that refer to this module refer to the given one. No edits: the whole module, unchanged.
    pub fn original(&self, edits: Vec<Edit>) -> Vec<Edit> {
        let whole = || vec![Edit { length: self.module.len() as u32, original: 0, verbatim: true }];
        let edits = if edits.is_empty() { whole() } else { edits };
        let (code, given_start) = (self.code.0.start as u32..self.code.0.end as u32, self.code.1 as u32);
        let moved = |offset: u32| offset.clamp(code.start, code.end) - code.start + given_start;
        let mut out = Vec::with_capacity(edits.len() + 2);
        for edit in edits {
            if !edit.verbatim {
                out.push(Edit { original: moved(edit.original), ..edit });
                continue;
            }
            // Before, in and after the code: only the code is the given module's.
            let end = edit.original + edit.length;
            let cuts = [edit.original, code.start.clamp(edit.original, end), code.end.clamp(edit.original, end), end];
            for part in cuts.windows(2).filter(|part| part[0] < part[1]) {
                let verbatim = code.contains(&part[0]);
                out.push(Edit { length: part[1] - part[0], original: moved(part[0]), verbatim });
            }
        }
        out
    }
}

/// The calls to make, each with its type: constructors first, and once.
fn planned(facts: &Facts, inits: &[Init]) -> Result<Vec<(Init, Signature)>> {
    let mut calls = Vec::new();
    let has_constructors = facts.exports.iter().any(|export| export.name == CONSTRUCTORS && export.ty == "()->()");
    let constructors = Init { export: CONSTRUCTORS.into(), arguments: Vec::new() };
    let first = has_constructors.then_some(&constructors);
    for init in first.into_iter().chain(inits.iter().filter(|init| !has_constructors || init.export != CONSTRUCTORS)) {
        let name = place::quoted(&init.export);
        let export = facts.exports.iter().find(|export| export.name == init.export).ok_or_else(|| {
            let funcs = facts.exports.iter().filter(|export| export.ty.starts_with('(')).map(|export| export.name.as_str());
            Error::new(
                RTW_ERR_NO_EXPORT,
                format!("init: the module does not export {name}; it exports {}", rtwasm::engine::naming::few(funcs)),
            )
        })?;
        if !export.ty.starts_with('(') {
            return Err(Error::new(
                RTW_ERR_EXPORT_KIND,
                format!("init: the export {name} is not a function, but {}", export.ty),
            ));
        }
        if init.export == MAIN {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                format!("init: {name} is a command's main program, after which its guest is at its end: name other exports"),
            ));
        }
        let signature = Signature::parse(&export.ty).map_err(|_| {
            Error::new(RTW_ERR_SIGNATURE, format!("init: {name} has the type {}, which no host can call", export.ty))
        })?;
        init.values(&signature)?;
        calls.push((init.clone(), signature));
    }
    Ok(calls)
}

/// Those of the features that this machine has.
pub fn features_here(features: &[String]) -> Vec<String> {
    let native = rtwasm::engine::cpu_features::native();
    features.iter().filter(|feature| native.contains(feature)).cloned().collect()
}

/// An engine of this machine that checks bounds in the code, so that it needs no signal handlers.
fn engine(cpu_features: &[String], deterministic: bool) -> Result<Engine> {
    let settings = Settings { interruption: Interruption::Epoch, deterministic, ..Settings::new(Profile::Plugin) };
    let mut config = profile::config(&settings, DEFAULT_GUEST_STACK_BYTES);
    // A compiler's address space may be limited, and nobody keeps a pointer into this memory.
    config.memory_reservation(0).memory_may_move(true).memory_reservation_for_growth(1 << 20);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES));
    config.cranelift_opt_level(OptLevel::None).parallel_compilation(true);
    // Instructions that round differently, which relaxed SIMD permits, then do so now as they will later.
    if let Some(triple) = Target::host().map(Target::triple) {
        config.target(triple).map_err(|error| Error::new(RTW_ERR_INTERNAL, format!("init: {error}")))?;
        for feature in features_here(cpu_features) {
            // SAFETY: this machine has the feature.
            unsafe { config.cranelift_flag_enable(&feature) };
        }
    }
    Engine::new(&config)
        .map_err(|error| Error::new(RTW_ERR_INTERNAL, format!("init: the engine refuses its settings: {error:#}")))
}

struct Job {
    module: Vec<u8>,
    calls: Vec<(Init, Signature)>,
    /// The imported functions, in the module's order.
    imports: Vec<Imported>,
    engine: Engine,
    /// Beyond this size a memory does not grow.
    memory_bytes: u64,
}

/// A store within the job's limits, and what provides the module's imports in it.
fn surroundings(job: &Job, module: &Module) -> (Store<StoreLimits>, Vec<Extern>) {
    let limits = wasmtime::StoreLimitsBuilder::new().memory_size(job.memory_bytes as usize).build();
    let mut store = Store::new(&job.engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    store.set_epoch_deadline(1);
    let imports = module
        .imports()
        .zip(&job.imports)
        .map(|(import, described)| {
            let ty = import.ty().unwrap_func().clone();
            let name = format!("{}.{}", described.module, described.name);
            let libm = libm::find(described);
            let func = Func::new(&mut store, ty, move |_, arguments, results| match libm {
                Some(libm) => {
                    results[0] = libm.call(arguments);
                    Ok(())
                }
                None => Err(wasmtime::Error::new(NotProvided(name.clone()))),
            });
            func.into()
        })
        .collect();
    (store, imports)
}

fn initialised(job: &Job, current: &Mutex<String>) -> Result<(Vec<u8>, Vec<String>)> {
    let now = |text: String| *current.lock().unwrap_or_else(PoisonError::into_inner) = text;
    let mut wizer = Wizer::new();
    // Every chosen export stays: a host may call it again. The constructors do not; wizer takes them away by itself.
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument(&job.module).map_err(|error| {
        Error::new(RTW_ERR_UNSUPPORTED, format!("init: the state of this module cannot be kept: {}", error.root_cause()))
    })?;
    let module = Module::new(&job.engine, &instrumented)
        .map_err(|error| Error::new(RTW_ERR_UNSUPPORTED, format!("init: cannot generate code for this module: {error:#}")))?;

    let (mut store, imports) = surroundings(job, &module);
    let told = |error: &wasmtime::Error, what: &str| failure(&job.module, &instrumented, what, error);
    now("the start function".into());
    let instance = Instance::new(&mut store, &module, &imports).map_err(|error| told(&error, "creating an instance"))?;
    let mut calls = Vec::new();
    for (init, signature) in &job.calls {
        now(init.to_string());
        let func = instance.get_func(&mut store, &init.export).expect("a checked export");
        let arguments = init.values(signature)?;
        let mut results = vec![Val::I32(0); signature.results.len()];
        func.call(&mut store, &arguments, &mut results).map_err(|error| told(&error, &init.to_string()))?;
        let results: Vec<String> = results.iter().map(shown).collect();
        let equals = if results.is_empty() { String::new() } else { format!(" = {}", results.join(",")) };
        calls.push(format!("{init}{equals}"));
    }
    now("keeping the state".into());
    Ok((kept(&wizer, &context, State { store: &mut store, instance })?, calls))
}

fn shown(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => format!("{:#x}", value.as_u128()),
        _ => "a reference".into(),
    }
}

/// An import was called that nobody provides before there is a host.
#[derive(Debug)]
struct NotProvided(String);

impl std::fmt::Display for NotProvided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it calls the import {}, which is not provided at compile time", place::quoted(&self.0))
    }
}

impl std::error::Error for NotProvided {}

/// Why a call ended, and where, in the given module.
fn failure(given: &[u8], instrumented: &[u8], what: &str, error: &wasmtime::Error) -> Error {
    let status = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => status_of(*trap),
        None if error.downcast_ref::<NotProvided>().is_some() => RTW_ERR_IMPORT_MISSING,
        None => RTW_ERR_UNSUPPORTED,
    };
    let shift = |offset: usize| Some(offset - code_section(instrumented)?.start + code_section(given)?.start);
    let frame = error.downcast_ref::<WasmBacktrace>().and_then(|trace| trace.frames().first());
    let place = frame.and_then(|frame| shift(frame.module_offset()?)).map(|offset| format!(", {}", place::find(given, offset)));
    Error::new(status, format!("init: {what} failed: {}{}", error.root_cause(), place.unwrap_or_default()))
}

fn status_of(trap: wasmtime::Trap) -> rtw_status_t {
    use wasmtime::Trap::*;
    match trap {
        UnreachableCodeReached => RTW_ERR_TRAP_UNREACHABLE,
        MemoryOutOfBounds => RTW_ERR_TRAP_MEMORY,
        HeapMisaligned => RTW_ERR_TRAP_MISALIGNED,
        TableOutOfBounds => RTW_ERR_TRAP_TABLE,
        IndirectCallToNull | BadSignature => RTW_ERR_TRAP_INDIRECT_CALL,
        IntegerDivisionByZero => RTW_ERR_TRAP_DIVIDE_BY_ZERO,
        IntegerOverflow => RTW_ERR_TRAP_INTEGER_OVERFLOW,
        BadConversionToInteger => RTW_ERR_TRAP_BAD_CONVERSION,
        StackOverflow => RTW_ERR_TRAP_STACK,
        Interrupt => RTW_ERR_LIMIT,
        _ => RTW_ERR_TRAP_OTHER,
    }
}

/// The content of the code section.
fn code_section(module: &[u8]) -> Option<Range<usize>> {
    Parser::new(0).parse_all(module).flatten().find_map(|payload| match payload {
        Payload::CodeSectionStart { range, .. } => Some(range),
        _ => None,
    })
}

/// The state of an instance, for wizer.
struct State<'a> {
    store: &'a mut Store<StoreLimits>,
    instance: Instance,
}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _: wasmparser::ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name).expect("wizer exports it");
        match global.get(&mut *self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(bits) => SnapshotVal::F32(bits),
            Val::F64(bits) => SnapshotVal::F64(bits),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => unreachable!("wizer refuses globals that change and hold references"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory: Memory = self.instance.get_memory(&mut *self.store, name).expect("wizer exports it");
        contents(memory.data(&self.store))
    }
}

/// The new module. Wizer's interface is asynchronous, for engines that are; this state never waits.
fn kept(wizer: &Wizer, context: &ModuleContext<'_>, mut state: State<'_>) -> Result<Vec<u8>> {
    let made = pin!(wizer.snapshot(context, &mut state)).poll(&mut Context::from_waker(Waker::noop()));
    match made {
        Poll::Ready(Ok(module)) => Ok(module),
        Poll::Ready(Err(error)) => Err(Error::new(RTW_ERR_UNSUPPORTED, format!("init: the state cannot be kept: {error:#}"))),
        Poll::Pending => Err(Error::new(RTW_ERR_INTERNAL, "init: the state is not there")),
    }
}
