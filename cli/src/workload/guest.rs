//! An instance with the calls of a cycle, ready to be called on the thread that created it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use rtwasm::artifact::guest::{Described, flag, kind};
use rtwasm::engine::artifact::{Extern, Input, Metadata};
use rtwasm::engine::budget::Limits;
use rtwasm::engine::call::ValRaw;
use rtwasm::engine::fault::FaultRecord;
use rtwasm::engine::growth::RefusedBy;
use rtwasm::engine::imports;
use rtwasm::engine::instance::{self, Instance, Turn};
use rtwasm::engine::module::Module;
use rtwasm::engine::naming;
use rtwasm::engine::own::OwnFunc;
use rtwasm::engine::prepare::{Ready, Report, any};
use rtwasm::engine::profile::{DEFAULT_GUEST_STACK_BYTES, Interruption};
use rtwasm::engine::runtime::{Config, Runtime};
use rtwasm::engine::signature::{Signature, Type};
use rtwasm::rt::arena;
use rtwasm::status::{self, *};
use rtwasm::sys::affinity::CpuSet;
use rtwasm::sys::clock;
use rtwasm::sys::fpu::Denormals;
use rtwasm::sys::memory::{self, Lock};
use rtwasm::sys::sched::Policy;

use super::alarm::Alarm;
use super::describe::{self, Call, Scenario, Setup, Workload};
use super::guest_log;
use super::provided;
use super::source::Code;

/// Creates a runtime whose threads have the set-up `setup`.
pub fn runtime(code: &Metadata, setup: &Setup) -> Result<Arc<Runtime>> {
    let config = Config {
        profile: Some(code.settings.profile),
        allow_signal_handlers: true,
        cpus: setup.cpu.map(only_cpu).transpose()?,
        scheduling: setup.fifo.map(|priority| (Policy::Fifo, priority)),
        // As in hosts, so that the figures contain its cost.
        statistics: true,
        lock: if setup.lock { Lock::Required } else { Lock::Off },
        guest_stack_bytes: DEFAULT_GUEST_STACK_BYTES,
        watchdog_tick_ns: 0,
        ask_at_every_call: false,
        memory_limit_bytes: 0,
        attach_on_call: false,
        log: Some(guest_log::sink()),
        min_compiler_release: 0,
        trusted_keys: Vec::new(),
    };
    Runtime::varied(config, setup.variations())
}

fn only_cpu(cpu: u32) -> Result<CpuSet> {
    CpuSet::only(cpu as usize)
        .ok_or_else(|| Error::new(RTW_ERR_ARGUMENT, format!("CPU {cpu} is beyond what a set of CPUs can hold")))
}

/// The calling thread's attachment, ended on drop.
pub struct Attached(Arc<Runtime>);

impl Attached {
    pub fn new(runtime: &Arc<Runtime>) -> Result<Attached> {
        runtime.attach(&runtime.default_attach())?;
        Ok(Attached(runtime.clone()))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Attached before, on this thread.
        let _ = self.0.detach();
    }
}

/// Runs work that is not measured: on an attached thread, other allocations come from the small arena for failing calls.
pub fn aside<T>(run: impl FnOnce() -> T) -> T {
    arena::in_setup(run)
}

pub struct Guest {
    calls: Vec<Bound>,
    audio: Option<Audio>,
    instance: Arc<Instance>,
}

/// A function with its arguments, and the array that calls use.
struct Bound {
    func: OwnFunc,
    arguments: Vec<ValRaw>,
    values: Vec<ValRaw>,
}

/// The inputs of the audio scenario.
struct Audio {
    /// Addresses in the guest's memory.
    inputs: Vec<u64>,
    frames: u32,
    rate: u32,
    /// The number of frames played so far.
    at: u64,
}

/// The alarm for a workload that takes about `expected_ns`.
pub fn alarm(workload: &Workload, code: &Metadata, expected_ns: f64) -> Alarm {
    let calls = 1 + workload.before.len() as u64;
    let ns = workload.limit_ns.saturating_mul(calls).saturating_add((20.0 * expected_ns) as u64);
    let guarded = match code.settings.interruption {
        Interruption::Guard => "",
        _ => "; compiled with --budget guard, the command could cut it off and name the place",
    };
    Alarm::after(ns, format!("{}: a call did not return, or took longer than --limit allows{guarded}", workload.text()))
}

impl Guest {
    /// Creates one instance and runs one cycle, to check that they return, and to get the cycle's time in ns. Calls are cut off
    /// here; measured calls are not.
    pub fn trial(code: &Code, workload: &Workload, setup: &Setup) -> Result<f64> {
        let budget_ns = match code.metadata.settings.interruption {
            Interruption::Guard => NonZeroU64::new(workload.limit_ns),
            _ => None,
        };
        // The watchdog has to run beside it.
        let setup = Setup { cpu: None, fifo: None, lock: false, ..setup.clone() };
        let expected_ns = workload.limit_ns as f64 * if budget_ns.is_none() { 0.0 } else { 1.0 };
        let _alarm = alarm(workload, &code.metadata, expected_ns);
        let runtime = runtime(&code.metadata, &setup)?;
        let module = Module::load(&runtime, Input::Memory(&code.bytes), Ok)?;
        let mut guest = Guest::limited(&module, workload, &setup, Limits { budget_ns, ..Limits::NONE })?;
        let _attached = Attached::new(&runtime)?;
        aside(|| {
            if setup.prepare {
                guest.prepare(1)?;
            }
            guest.feed();
            let begin_ns = clock::monotonic_ns();
            guest.cycle().map_err(|status| guest.ended(status))?;
            Ok((clock::monotonic_ns() - begin_ns) as f64)
        })
    }

    /// Loads and instantiates, and makes the calls before the first cycle. Does not prepare.
    pub fn new(runtime: &Arc<Runtime>, code: &Code, workload: &Workload, setup: &Setup) -> Result<Guest> {
        let module = Module::load(runtime, Input::Memory(&code.bytes), Ok)?;
        Guest::of(&module, workload, setup)
    }

    pub fn of(module: &Arc<Module>, workload: &Workload, setup: &Setup) -> Result<Guest> {
        Guest::limited(module, workload, setup, Limits::NONE)
    }

    /// Instantiates, and makes the calls before the first cycle. Cuts off calls that exceed `limits`.
    pub fn limited(module: &Arc<Module>, workload: &Workload, setup: &Setup, limits: Limits) -> Result<Guest> {
        let denormals = if setup.flush_denormals { Denormals::Flush } else { Denormals::Keep };
        let config = instance::Config { denormals, growth: setup.growth.in_engine(), limits, ..instance::Config::default() };
        let imports = provided::imports(&module.metadata, setup.missing)?;
        let instance = Arc::new(Instance::new(module, Some(&imports), config, std::ptr::null_mut())?);
        // The workload's first calls may come before the thread is attached.
        let _visit = module.runtime.visit()?;
        // Results of earlier calls, by their names.
        let mut known = Known::new();
        for call in &workload.before {
            let mut bound = Bound::new(&instance, call, &known)?;
            bound.run().map_err(|status| ended(&instance, &call.func, status))?;
            if call.func == "rtw_init" && module.guest.is_some() && bound.values[0].get_i32() != 0 {
                let what = format!("the guest refuses: {call} returned {}", bound.values[0].get_i32());
                return Err(Error::new(RTW_ERR_ARGUMENT, what));
            }
            bound.name_results(call, &mut known)?;
        }
        let calls = workload.calls.iter().map(|call| Bound::new(&instance, call, &known)).collect::<Result<_>>()?;
        let audio = match workload.scenario {
            Scenario::Audio { frames, rate } => Some(Audio { inputs: inputs(&instance)?, frames, rate, at: 0 }),
            Scenario::Call | Scenario::Periodic { .. } => None,
        };
        let mut guest = Guest { calls, audio, instance };
        guest.check_inputs()?;
        Ok(guest)
    }

    fn check_inputs(&mut self) -> Result<()> {
        let Some(audio) = &self.audio else { return Ok(()) };
        let bytes = u64::from(audio.frames) * 4;
        match audio.inputs.iter().find(|address| self.turn().memory_at(**address, bytes).is_null()) {
            Some(address) => Err(Error::new(
                RTW_ERR_ARGUMENT,
                format!("the input buffer at {address}, of {} frames, is not inside the guest's memory", audio.frames),
            )),
            None => Ok(()),
        }
    }

    /// Makes the instance warm, with cycles as dry calls; then resets the guest's state, if the guest can.
    pub fn prepare(&mut self, repeats: u32) -> Result<Report> {
        self.touch_engine_memory();
        let calls = self.calls.iter();
        let dry: Vec<Ready<'_>> =
            calls.map(|call| Ready { func: call.func.as_ref(), values: &call.arguments, repeats, accepts: any }).collect();
        let report = self.turn().prepare(&dry).map_err(|error| match self.instance.fault() {
            Some(_) => self.ended(error.status),
            None => error,
        })?;
        if self.audio.is_some() {
            self.reset()?;
        }
        Ok(report)
    }

    /// Prepare does not know a memory that is the engine's own.
    fn touch_engine_memory(&self) {
        if let Ok((base, bytes)) = self.turn().memory(None) {
            // SAFETY: the guest's memory, accessible up to there; populating changes no content.
            unsafe { memory::touch_for_writing(base as usize..base as usize + bytes) };
        }
    }

    fn turn(&self) -> Turn<'_> {
        // SAFETY: a guest is used by one thread at a time, which has its instance.
        unsafe { self.instance.turn() }
    }

    fn reset(&self) -> Result<()> {
        let exports = &self.instance.module.metadata.exports;
        let is_reset = |e: &&Extern| (e.name == "reset" || e.name == "rtw_reset") && e.ty == "()->()";
        match exports.iter().find(is_reset) {
            Some(export) => call_once(&self.instance, &export.name, Vec::new()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Prepares a cycle: supplies the next block of sound. Allocates nothing.
    pub fn feed(&mut self) {
        let Some(audio) = &mut self.audio else { return };
        for address in &audio.inputs {
            // SAFETY: as in `turn`.
            let turn = unsafe { self.instance.turn() };
            let samples: *mut f32 = turn.memory_at(*address, u64::from(audio.frames) * 4).cast();
            if samples.is_null() {
                continue;
            }
            for frame in 0..audio.frames {
                // SAFETY: the block's samples are inside the memory; guests' addresses need not be aligned.
                unsafe { samples.add(frame as usize).write_unaligned(sample(audio.at + u64::from(frame), audio.rate)) };
            }
        }
        audio.at += u64::from(audio.frames);
    }

    /// Runs one cycle. Allocates nothing.
    #[inline]
    pub fn cycle(&mut self) -> std::result::Result<(), rtw_status_t> {
        for call in &mut self.calls {
            call.run()?;
        }
        Ok(())
    }

    /// The error that ended a cycle.
    pub fn ended(&self, status: rtw_status_t) -> Error {
        let names: Vec<&str> = self.calls.iter().map(|call| call.func.shared.name.as_str()).collect();
        ended(&self.instance, &names.join(", "), status)
    }
}

/// A burst of noise at the beginning of each second, then silence, which leaves the effect's own tail.
fn sample(at: u64, rate: u32) -> f32 {
    let within = at % u64::from(rate);
    if within * 20 >= u64::from(rate) {
        return 0.0;
    }
    let noise = (within + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    noise as f32 / (1u32 << 24) as f32 - 0.5
}

impl Bound {
    fn new(instance: &Arc<Instance>, call: &Call, known: &Known) -> Result<Bound> {
        let func = {
            // SAFETY: a guest's instance is used by the thread that has the guest.
            let turn = unsafe { instance.turn() };
            OwnFunc::new(turn.func(&call.func, None)?)?
        };
        let given: Vec<(_, ValRaw)> = call
            .arguments
            .iter()
            .map(|text| match describe::named(text) {
                Some((name, offset)) => earlier(known, name, offset),
                None => describe::value(text),
            })
            .map(|value| value.map_err(|why| Error::new(RTW_ERR_ARGUMENT, why)))
            .collect::<Result<_>>()?;
        let signature = &func.shared.signature;
        if !given.iter().map(|(ty, _)| ty).eq(&signature.params) {
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!(
                    "function \"{}\" has type {signature}; give its arguments with --args, such as {}",
                    naming::shown(&call.func),
                    example(signature)
                ),
            ));
        }
        let mut arguments: Vec<ValRaw> = given.into_iter().map(|(_, value)| value).collect();
        arguments.resize(signature.value_count(), ValRaw::i64(0));
        Ok(Bound { func, values: arguments.clone(), arguments })
    }

    /// Keeps the results of the call under the names that the workload gives them.
    fn name_results(&self, call: &Call, known: &mut Known) -> Result<()> {
        let signature = &self.func.shared.signature;
        if call.results.len() > signature.results.len() {
            let (func, count) = (naming::shown(&call.func), signature.results.len());
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!("--as {}: function \"{func}\" of type {signature} has {count} results", call.results.join(",")),
            ));
        }
        for ((name, ty), value) in call.results.iter().zip(&signature.results).zip(&self.values) {
            known.insert(name.clone(), (*ty, *value));
        }
        Ok(())
    }

    #[inline]
    fn run(&mut self) -> std::result::Result<(), rtw_status_t> {
        self.values.copy_from_slice(&self.arguments);
        // SAFETY: a func of this thread's instance, and there are as many values as it needs.
        match unsafe { self.func.call(&mut self.values) } {
            RTW_OK => Ok(()),
            status => Err(status),
        }
    }
}

/// The result of an earlier call, and its type.
type Known = HashMap<String, (Type, ValRaw)>;

/// A named result, with an offset added if it is an address.
fn earlier(known: &Known, name: &str, offset: i64) -> std::result::Result<(Type, ValRaw), String> {
    let (ty, value) = known.get(name).copied().ok_or_else(|| format!("argument {name}: no earlier --as defines this name"))?;
    match ty {
        _ if offset == 0 => Ok((ty, value)),
        Type::I32 => Ok((ty, ValRaw::i32(value.get_i32().wrapping_add(offset as i32)))),
        Type::I64 => Ok((ty, ValRaw::i64(value.get_i64().wrapping_add(offset)))),
        _ => Err(format!("argument {name}: an offset can be added to integers only, and it is an {}", ty.name())),
    }
}

fn example(signature: &Signature) -> String {
    let words: Vec<String> = signature.params.iter().map(|ty| format!("{}:0", ty.name())).collect();
    if words.is_empty() { "none at all".into() } else { words.join(",") }
}

/// Makes an error that names the function and the place where a call ended, and what may have caused it.
fn ended(instance: &Instance, name: &str, status: rtw_status_t) -> Error {
    let fault = instance.fault();
    let place = fault.as_ref().and_then(|fault| fault.place.as_ref()).map_or_else(String::new, |place| {
        let name = place.function_name.as_ref().map_or_else(String::new, |name| format!(" ({})", naming::shown(name)));
        format!(", in function {}{name}", place.function_index)
    });
    let mut why = status::sentence(status).to_owned();
    match (status, fault.as_ref().map(|fault| fault.record)) {
        (RTW_ERR_EXITED, Some(record)) => why = format!("the guest ended itself with exit code {}", record.host_status),
        (RTW_ERR_FAULTED, Some(record)) if record.status == RTW_ERR_EXITED => {
            why = format!("the guest has ended itself with exit code {}{COMMAND_ADVICE}", record.host_status);
        }
        (RTW_ERR_STUB, Some(FaultRecord { import: Some(index), .. })) => {
            let named = imports::named_one(&instance.module.metadata, index).unwrap_or_default();
            why = format!("{why}: {named}");
        }
        (RTW_ERR_BUDGET, _) => why += LIMIT_ADVICE,
        _ => {}
    }
    if let Some(story) = fault.and_then(|fault| fault.record.growth) {
        why += &format!("; {story}");
        if story.last.by == RefusedBy::Prepared {
            why += GROWTH_ADVICE;
        }
    }
    Error::new(status, format!("{}{place}: {why}", naming::shown(name)))
}

const COMMAND_ADVICE: &str = ": a command runs once; measure an export that can be called again";
const LIMIT_ADVICE: &str = ": a call may take as long as --limit says (the guest has an endless loop, or needs more time)";
const GROWTH_ADVICE: &str = "; --before can make it grow earlier, and --growth allowed permits it";

/// Calls an export, and returns the bits of its first result.
fn call_once(instance: &Arc<Instance>, name: &str, arguments: Vec<String>) -> Result<u32> {
    let mut bound = Bound::new(instance, &Call::new(name, arguments), &Known::new())?;
    bound.run().map_err(|status| ended(instance, name, status))?;
    Ok(bound.values.first().map_or(0, |value| value.get_u32()))
}

/// The address of each channel's input, if the guest has inputs.
fn inputs(instance: &Arc<Instance>) -> Result<Vec<u64>> {
    let has = |name: &str, ty: &str| instance.module.metadata.exports.iter().any(|e| e.name == name && e.ty == ty);
    if let Some(guest) = instance.module.guest.as_ref().filter(|guest| guest.kind() == kind::OWN) {
        let io = call_once(instance, "rtw_io", Vec::new())?;
        return described_inputs(instance, guest, io)
            .ok_or_else(|| Error::new(RTW_ERR_BOUNDS, "rtw_io of the guest names a place outside its memory, or NULL"));
    }
    if !has("input", "(i32)->(i32)") {
        return Ok(Vec::new());
    }
    let mut addresses = Vec::new();
    for channel in 0..2 {
        match call_once(instance, "input", vec![format!("i32:{channel}")])? {
            0 => {}
            address => addresses.push(u64::from(address)),
        }
    }
    Ok(addresses)
}

/// Reads the inputs' addresses in the record of `rtw_io`, and sets the parameters to their defaults, as the library does for hosts.
fn described_inputs(instance: &Arc<Instance>, guest: &Described, io: u32) -> Option<Vec<u64>> {
    // The word at an index behind a base, which must not be NULL.
    let place = |base: u64, index: u64| {
        // SAFETY: a guest's instance is used by the thread that has the guest.
        let at = unsafe { instance.turn() }.memory_at(base + 4 * index, 4).cast::<u32>();
        (base != 0 && !at.is_null()).then_some(at)
    };
    // SAFETY: inside the memory; guests' addresses need not be aligned.
    let word = |base, index| place(base, index).map(|at| u64::from(u32::from_le(unsafe { at.read_unaligned() })));
    let (list, params) = (word(io.into(), 0)?, word(io.into(), 2)?);
    // A guest with events gets changes of parameters as events, and has its own defaults until then.
    let count = if guest.flags() & flag::EVENTS == 0 { guest.param_count() } else { 0 };
    for index in 0..count {
        let ([_, at, ..], [_, _, default, _]) = guest.param(index);
        // SAFETY: as above.
        unsafe { place(params, at.into())?.write_unaligned((default as f32).to_bits().to_le()) };
    }
    (0..u64::from(guest.channels().0)).map(|channel| word(list, channel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_signal_is_a_burst_and_then_silence() {
        let second: Vec<f32> = (0..48_000).map(|at| sample(at, 48_000)).collect();
        assert!(second[..2400].iter().all(|sample| sample.abs() <= 0.5));
        assert!(second[..2400].iter().any(|sample| *sample > 0.4) && second[..2400].iter().any(|sample| *sample < -0.4));
        assert!(second[2400..].iter().all(|sample| *sample == 0.0));
        assert_eq!(sample(48_000 + 7, 48_000), second[7]);
    }
}
