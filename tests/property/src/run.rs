//! One module in four forms: what it does in each, written down line by line, and where the lines differ.

use std::sync::Arc;

use rtwasm::engine::artifact::{ExternKind, Input};
use rtwasm::engine::call::{self, ValRaw};
use rtwasm::engine::fault::Place;
use rtwasm::engine::instance::{self, Func, Growth, Instance, Turn};
use rtwasm::engine::module::Module;
use rtwasm::engine::profile::{DEFAULT_GUEST_STACK_BYTES, Interruption, Profile};
use rtwasm::engine::runtime::{Config, Runtime};
use rtwasm::rt::arena;
use rtwasm::status::*;
use rtwasm::sys::memory::Lock;
use rtwasm_compiler::{Opt, Options};

use crate::random::Random;

/// The result of one module.
#[derive(Default)]
pub struct Outcome {
    pub difference: Option<String>,
    pub refused: bool,
    pub calls: usize,
    pub traps: usize,
}

/// The behaviour of a module.
#[derive(Default)]
struct Log {
    /// Makes calls in real-time sections, as the library does. Outside of them the plugin profile cannot note where a call ended.
    sections: bool,
    lines: Vec<Line>,
    calls: usize,
    traps: usize,
    refused: bool,
}

#[derive(PartialEq)]
struct Line {
    what: String,
    /// The instruction at which a call ended.
    place: Option<Place>,
}

/// The depth of a recursion depends on the code, so the behaviour after the end of the stack is not compared.
const STACK: &str = "the stack is at its end";

const MOST_NS: u64 = 10_000_000_000;

/// One runtime for each profile, on the thread that made them.
pub struct Runtimes {
    runtimes: Vec<Arc<Runtime>>,
    sections: bool,
}

fn profile_of(runtime: &Runtime) -> Profile {
    runtime.config.profile.expect("it has one")
}

impl Runtimes {
    /// `sections`: as in `Log`.
    pub fn new(sections: bool) -> Runtimes {
        let runtime = |profile| {
            Runtime::new(Config {
                profile: Some(profile),
                allow_signal_handlers: true,
                cpus: None,
                scheduling: None,
                statistics: false,
                lock: Lock::Off,
                guest_stack_bytes: DEFAULT_GUEST_STACK_BYTES,
                watchdog_tick_ns: 0,
                ask_at_every_call: false,
                memory_limit_bytes: 0,
                attach_on_call: false,
                log: None,
                min_compiler_release: 0,
                trusted_keys: Vec::new(),
            })
            .expect("a runtime can be made")
        };
        Runtimes { runtimes: Profile::ALL.map(runtime).into(), sections }
    }

    pub fn compare(&self, module: &[u8], arguments: Random, optimised: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let mut first: Option<[Log; 2]> = None;
        for runtime in &self.runtimes {
            let run = |interruption| {
                let log = Log { sections: self.sections, ..Log::default() };
                arena::in_setup(|| fill(log, runtime, module, interruption, arguments.clone(), optimised))
            };
            let (plain, guarded) = (run(Interruption::None), run(Interruption::Guard));
            let profile = profile_of(runtime).name();
            let mut difference =
                differs(&plain, &guarded, Line::eq).map(|at| format!("{profile}, without and with the guard: {at}"));
            for (budget, (one, other)) in ["without", "with"].iter().zip(first.iter().flatten().zip([&plain, &guarded])) {
                let at = || {
                    differs(one, other, same_in_both_profiles)
                        .map(|at| format!("standalone and plugin, {budget} the guard: {at}"))
                };
                difference = difference.or_else(at);
            }
            outcome.refused = plain.refused && guarded.refused;
            outcome.calls += plain.calls + guarded.calls;
            outcome.traps += plain.traps + guarded.traps;
            outcome.difference = outcome.difference.or(difference);
            first.get_or_insert([plain, guarded]);
        }
        outcome
    }
}

fn differs(left: &Log, right: &Log, same: fn(&Line, &Line) -> bool) -> Option<String> {
    for (nth, (left, right)) in left.lines.iter().zip(&right.lines).enumerate() {
        if left.what.contains(STACK) || right.what.contains(STACK) {
            return None;
        }
        if !same(left, right) {
            return Some(format!("line {nth}: {} {:?} / {} {:?}", left.what, left.place, right.what, right.place));
        }
    }
    let (left, right) = (left.lines.len(), right.lines.len());
    (left != right).then(|| format!("{left} lines / {right} lines"))
}

/// True if a line of the standalone profile and one of the plugin profile say the same. In the standalone profile the code generator can
/// make a load part of the later instruction that uses its value, which then is the place of the load's trap.
fn same_in_both_profiles(standalone: &Line, plugin: &Line) -> bool {
    let has_moved = || {
        let (Some(left), Some(right)) = (&standalone.place, &plugin.place) else { return false };
        standalone.what.ends_with(&format!("ends with {RTW_ERR_TRAP_MEMORY}"))
            && left.function_index == right.function_index
            && left.wasm_offset > right.wasm_offset
    };
    standalone.what == plugin.what && (standalone.place == plugin.place || has_moved())
}

impl Log {
    fn add(&mut self, what: String) {
        self.lines.push(Line { what, place: None });
    }
}

fn fill(
    mut log: Log,
    runtime: &Arc<Runtime>,
    module: &[u8],
    interruption: Interruption,
    mut arguments: Random,
    optimised: bool,
) -> Log {
    let mut options = Options::for_host(profile_of(runtime)).expect("code can be made for this machine");
    options.interruption = interruption;
    options.opt = if optimised { Opt::Speed } else { Opt::None };
    let artifact = match rtwasm_compiler::compile(module, &options, &mut |_| {}) {
        Ok(artifact) => artifact,
        Err(error) => {
            log.refused = true;
            log.add(format!("not compiled: {}", error.status));
            return log;
        }
    };
    let module = Module::load(runtime, Input::Memory(&artifact), Ok).expect("it was made for this runtime");
    runtime.attach(&runtime.default_attach()).expect("the thread is attached");
    let config = instance::Config { growth: Growth::Allowed, ..instance::Config::default() };
    match Instance::new(&module, None, config, std::ptr::null_mut()) {
        // The length of a message depends on its addresses.
        Err(error) => log.add(format!("not instantiated: {}", error.status)),
        Ok(instance) => {
            let instance = Arc::new(instance);
            // SAFETY: no other thread knows of it.
            calls(unsafe { instance.turn() }, &mut arguments, &mut log);
        }
    }
    runtime.detach().expect("it is detached");
    log
}

fn calls(instance: Turn<'_>, arguments: &mut Random, log: &mut Log) {
    let prepared = instance.prepare(&[]).map(|_| ());
    log.add(format!("prepared: {:?}", prepared.map_err(|error| error.status)));
    for _ in 0..2 {
        for export in &instance.module.metadata.exports {
            if export.kind == ExternKind::Func
                && let Ok(func) = instance.func(&export.name, None)
            {
                one_call(instance, &func, arguments, log);
            }
        }
    }
    contents(instance, log);
}

fn one_call(instance: Turn<'_>, func: &Func, arguments: &mut Random, log: &mut Log) {
    let signature = &func.shared.signature;
    let mut number = || match arguments.below(3) {
        0 => arguments.below(20),
        1 => arguments.below(70_000),
        _ => arguments.next(),
    };
    let mut values: Vec<ValRaw> = signature
        .params
        .iter()
        .map(|ty| match ty.name() {
            "i32" => ValRaw::i32(number() as i32),
            "f32" => ValRaw::f32((number() as f32).to_bits()),
            "f64" => ValRaw::f64((number() as f64).to_bits()),
            "v128" => ValRaw::v128(u128::from(number()) << 64 | u128::from(number())),
            _ => ValRaw::i64(number() as i64),
        })
        .collect();
    values.resize(signature.value_count(), ValRaw::i64(0));
    // Nothing that is right takes so long; what a planted defect makes endless comes back.
    let guarded = instance.module.metadata.settings.interruption == Interruption::Guard;
    let budget = guarded.then_some(MOST_NS);
    // SAFETY: the instance was made on this thread, which is attached, and there are as many values as the function needs.
    let mut call = || unsafe { call::invoke_apart(func, values.as_mut_ptr(), values.len(), budget) };
    let status = if log.sections { arena::in_section(call) } else { call() };
    log.calls += 1;
    let name = &func.shared.name;
    if status == RTW_OK {
        let results: Vec<String> = signature.results.iter().zip(&values).map(|(ty, value)| bits(ty.name(), value)).collect();
        return log.add(format!("{name}: {}", results.join(" ")));
    }
    log.traps += 1;
    let place = instance.fault().and_then(|fault| fault.place);
    let what = if status == RTW_ERR_TRAP_STACK { STACK.into() } else { format!("{name} ends with {status}") };
    log.lines.push(Line { what, place });
    contents(instance, log);
    let reset = instance.reset().map_err(|error| error.status);
    log.add(format!("reset: {reset:?}"));
}

fn bits(ty: &str, value: &ValRaw) -> String {
    match ty {
        "i32" | "f32" => format!("{ty} {:08x}", value.get_u32()),
        "v128" => format!("{ty} {:032x}", value.get_v128()),
        _ => format!("{ty} {:016x}", value.get_u64()),
    }
}

/// Memories and globals.
fn contents(instance: Turn<'_>, log: &mut Log) {
    for export in &instance.module.metadata.exports {
        match export.kind {
            ExternKind::Memory => {
                if let Ok((base, length)) = instance.memory(Some(&export.name)) {
                    // SAFETY: the guest's memory, accessible up to there, and nothing runs that could change it.
                    let bytes = unsafe { std::slice::from_raw_parts(base, length) };
                    log.add(format!("memory {}: {length} bytes, {:016x}", export.name, sum(bytes)));
                }
            }
            ExternKind::Global => {
                if let Ok(value) = instance.global_get(&export.name) {
                    let ty = export.ty.rsplit(' ').next().unwrap_or_default();
                    log.add(format!("global {}: {}", export.name, bits(ty, &value)));
                }
            }
            _ => {}
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    words.fold(0xcbf2_9ce4_8422_2325, |sum, word| (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95))
}
