//! An instance with what a cycle calls, ready to be called on the thread that it was made on.

use std::ffi::c_void;
use std::sync::Arc;

use rtwasm::engine::artifact::Metadata;
use rtwasm::engine::call::{self, ValRaw};
use rtwasm::engine::imports::{HostFunc, Imports};
use rtwasm::engine::instance::{self, Func, Instance};
use rtwasm::engine::module::Module;
use rtwasm::engine::prepare::{DryCall, Report};
use rtwasm::engine::profile::DEFAULT_GUEST_STACK_BYTES;
use rtwasm::engine::runtime::{Config, Runtime};
use rtwasm::engine::signature::Signature;
use rtwasm::rt::alloc;
use rtwasm::rt::float::Denormals;
use rtwasm::rt::memory::{self, Lock};
use rtwasm::rt::thread::{CPU_SET_WORDS, CpuSet, Policy};
use rtwasm::status::*;

use super::describe::{self, Call, Scenario, Setup, Workload};
use super::source::Code;

/// A runtime whose threads get what `setup` says.
pub fn runtime(code: &Metadata, setup: &Setup) -> Result<Arc<Runtime>> {
    let config = Config {
        profile: code.settings.profile,
        cpus: setup.cpu.map(only_cpu).transpose()?,
        scheduling: setup.fifo.map(|priority| (Policy::Fifo, priority)),
        // As hosts have it, so that its cost is in the figures.
        statistics: true,
        lock: if setup.lock { Lock::Required } else { Lock::Off },
        guest_stack_bytes: DEFAULT_GUEST_STACK_BYTES,
        watchdog_tick_ns: 0,
        ask_at_every_call: false,
    };
    Runtime::varied(config, setup.variations())
}

fn only_cpu(cpu: u32) -> Result<CpuSet> {
    let mut set = [0; CPU_SET_WORDS];
    let word = set
        .get_mut(cpu as usize / 64)
        .ok_or_else(|| Error::new(RTW_ERR_ARGUMENT, format!("CPU {cpu} is beyond what a set of CPUs can hold")))?;
    *word = 1 << (cpu % 64);
    Ok(set)
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
        // It was attached, on this thread.
        let _ = self.0.detach();
    }
}

/// Runs what is not measured: on an attached thread, everything outside allocates from the small arena for failing calls.
pub fn aside<T>(run: impl FnOnce() -> T) -> T {
    alloc::in_setup(run)
}

pub struct Guest {
    calls: Vec<Bound>,
    audio: Option<Audio>,
    instance: Arc<Instance>,
}

/// A function with its arguments, and the array that calls use.
struct Bound {
    /// Boxed: prepare knows it by its address.
    func: Box<Func>,
    arguments: Vec<ValRaw>,
    values: Vec<ValRaw>,
}

/// Where the sound goes in.
struct Audio {
    /// Addresses in the guest's memory.
    inputs: Vec<u64>,
    frames: u32,
    rate: u32,
    /// How many frames have been played.
    at: u64,
}

impl Guest {
    /// Loads and instantiates, and makes the calls that come before the first cycle. Does not prepare.
    pub fn new(runtime: &Arc<Runtime>, code: &Code, workload: &Workload, setup: &Setup) -> Result<Guest> {
        let module = Module::load(runtime, &code.bytes)?;
        Guest::of(&module, workload, setup)
    }

    pub fn of(module: &Arc<Module>, workload: &Workload, setup: &Setup) -> Result<Guest> {
        let denormals = if setup.flush_denormals { Denormals::Flush } else { Denormals::Keep };
        let config = instance::Config { denormals, ..instance::Config::default() };
        let imports = stubs(&module.metadata)?;
        let instance = Arc::new(Instance::new(module, Some(&imports), config, std::ptr::null_mut())?);
        let bind = |call: &Call| Bound::new(&instance, call);
        for call in &workload.before {
            bind(call)?.run().map_err(|status| ended(&instance, &call.func, status))?;
        }
        let calls = workload.calls.iter().map(bind).collect::<Result<_>>()?;
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
        match audio.inputs.iter().find(|address| self.instance.memory_at(**address, bytes).is_null()) {
            Some(address) => Err(Error::new(
                RTW_ERR_ARGUMENT,
                format!("the input buffer at {address}, of {} frames, is not inside the guest's memory", audio.frames),
            )),
            None => Ok(()),
        }
    }

    /// Makes it warm, with cycles of its own as dry calls; then, where the guest can, its past is forgotten.
    pub fn prepare(&mut self, repeats: u32) -> Result<Report> {
        self.touch_engine_memory();
        let dry: Vec<DryCall<'_>> = self
            .calls
            .iter()
            .map(|call| DryCall {
                func: &call.func,
                handle: (&raw const *call.func).cast_mut().cast(),
                values: &call.arguments,
                repeats,
            })
            .collect();
        let report = self.instance.prepare(&dry, enter).map_err(|error| match self.instance.fault() {
            Some(_) => self.ended(error.status),
            None => error,
        })?;
        if self.audio.is_some() {
            self.reset()?;
        }
        Ok(report)
    }

    /// Where the memory is the engine's own, prepare does not know of it.
    fn touch_engine_memory(&self) {
        if let Ok((base, bytes)) = self.instance.memory(None) {
            // SAFETY: the guest's memory, accessible up to there; populating changes no content.
            unsafe { memory::touch_for_writing(base as usize..base as usize + bytes) };
        }
    }

    fn reset(&self) -> Result<()> {
        let has_reset = self.instance.module.metadata.exports.iter().any(|e| e.name == "reset" && e.ty == "()->()");
        if !has_reset {
            return Ok(());
        }
        let call = Call { func: "reset".into(), arguments: Vec::new() };
        Bound::new(&self.instance, &call)?.run().map_err(|status| ended(&self.instance, "reset", status))
    }

    /// What has to be there before a cycle: the next block of sound. Allocates nothing.
    pub fn feed(&mut self) {
        let Some(audio) = &mut self.audio else { return };
        for address in &audio.inputs {
            let samples: *mut f32 = self.instance.memory_at(*address, u64::from(audio.frames) * 4).cast();
            if samples.is_null() {
                continue;
            }
            for frame in 0..audio.frames {
                // SAFETY: as many samples as were asked for are inside the memory; guests' addresses need not be aligned.
                unsafe { samples.add(frame as usize).write_unaligned(sample(audio.at + u64::from(frame), audio.rate)) };
            }
        }
        audio.at += u64::from(audio.frames);
    }

    /// One cycle. Allocates nothing.
    #[inline]
    pub fn cycle(&mut self) -> std::result::Result<(), rtw_status_t> {
        for call in &mut self.calls {
            call.run()?;
        }
        Ok(())
    }

    /// What ended a cycle.
    pub fn ended(&self, status: rtw_status_t) -> Error {
        let names: Vec<&str> = self.calls.iter().map(|call| call.func.shared.name.as_str()).collect();
        ended(&self.instance, &names.join(", "), status)
    }
}

/// A burst of noise at the beginning of each second, then silence: what is left is the effect's own tail.
fn sample(at: u64, rate: u32) -> f32 {
    let within = at % u64::from(rate);
    if within * 20 >= u64::from(rate) {
        return 0.0;
    }
    let noise = (within + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    noise as f32 / (1u32 << 24) as f32 - 0.5
}

impl Bound {
    fn new(instance: &Arc<Instance>, call: &Call) -> Result<Bound> {
        let func = Box::new(instance.func(&call.func, None)?);
        let given: Vec<(_, ValRaw)> = call
            .arguments
            .iter()
            .map(|text| describe::value(text).map_err(|why| Error::new(RTW_ERR_ARGUMENT, why)))
            .collect::<Result<_>>()?;
        let signature = &func.shared.signature;
        if !given.iter().map(|(ty, _)| ty).eq(&signature.params) {
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!(
                    "function \"{}\" has type {signature}; give its arguments with --args, such as {}",
                    call.func,
                    example(signature)
                ),
            ));
        }
        let mut arguments: Vec<ValRaw> = given.into_iter().map(|(_, value)| value).collect();
        arguments.resize(signature.value_count(), ValRaw::i64(0));
        Ok(Bound { func, values: arguments.clone(), arguments })
    }

    #[inline]
    fn run(&mut self) -> std::result::Result<(), rtw_status_t> {
        self.values.copy_from_slice(&self.arguments);
        let handle = (&raw const *self.func).cast_mut().cast();
        // SAFETY: the handle is a func of this thread's instance, and there are as many values as it needs.
        match unsafe { enter(handle, self.values.as_mut_ptr(), self.values.len()) } {
            RTW_OK => Ok(()),
            status => Err(status),
        }
    }
}

fn example(signature: &Signature) -> String {
    let words: Vec<String> = signature.params.iter().map(|ty| format!("{}:0", ty.name())).collect();
    if words.is_empty() { "none at all".into() } else { words.join(",") }
}

/// The entry that dry calls and measured ones share.
unsafe extern "C" fn enter(func: *mut c_void, values: *mut ValRaw, count: usize) -> rtw_status_t {
    // SAFETY: passed on; the handle is a func's address.
    unsafe { call::invoke_apart(&*func.cast::<Func>(), values, count, None) }
}

/// Says in which function and where a call ended.
fn ended(instance: &Instance, name: &str, status: rtw_status_t) -> Error {
    let place = instance.fault().and_then(|fault| fault.place);
    let place = place.map_or_else(String::new, |place| {
        let name = place.function_name.map_or_else(String::new, |name| format!(" ({})", name.escape_debug()));
        format!(", in function {}{name}", place.function_index)
    });
    Error::new(status, format!("{}{place}: {}", name.escape_debug(), sentence(status)))
}

fn sentence(status: rtw_status_t) -> &'static str {
    rtwasm::status::describe(status).1.trim_end_matches('\0')
}

/// The address of each channel's input, where the guest has such.
fn inputs(instance: &Arc<Instance>) -> Result<Vec<u64>> {
    let has_input = instance.module.metadata.exports.iter().any(|e| e.name == "input" && e.ty == "(i32)->(i32)");
    if !has_input {
        return Ok(Vec::new());
    }
    let mut addresses = Vec::new();
    for channel in 0..2 {
        let call = Call { func: "input".into(), arguments: vec![format!("i32:{channel}")] };
        let mut input = Bound::new(instance, &call)?;
        input.run().map_err(|status| ended(instance, "input", status))?;
        let address = input.values[0].get_u32();
        if address != 0 {
            addresses.push(u64::from(address));
        }
    }
    Ok(addresses)
}

/// Answers for everything that the module imports.
fn stubs(metadata: &Metadata) -> Result<Imports> {
    let imports = Imports::default();
    for import in metadata.imports.iter().filter(|import| import.ty.starts_with('(')) {
        // A type that cannot cross into C is refused when the instance is made, with its name.
        if let Ok(signature) = Signature::parse(&import.ty) {
            let results = signature.results.len();
            imports.add(HostFunc {
                module: import.module.clone(),
                name: import.name.clone(),
                signature,
                func: zeros,
                user_data: std::ptr::without_provenance_mut(results),
            });
        }
    }
    Ok(imports)
}

/// A host function all of whose results are zero; how many there are is what its user data says.
unsafe extern "C" fn zeros(results: *mut c_void, _instance: *mut c_void, values: *mut c_void) -> rtw_status_t {
    // SAFETY: the engine gives room for all results, 16 bytes each.
    unsafe { values.cast::<u8>().write_bytes(0, results.addr() * size_of::<ValRaw>()) };
    RTW_OK
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
