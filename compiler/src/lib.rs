//! Compiles a WebAssembly module into an artifact.
//!
//! The steps: identify the bytes (`input`), validate them and report errors with their places (`validate`, `place`), gather the
//! envelope's facts (`facts`), run the exports that are to run now (`initialise`), insert the budget guard (`guard`), let Cranelift
//! generate code (`generate`), wrap it in the envelope.
//!
//! Not for real-time threads: everything here allocates, and may take long.

pub mod capi;
mod facts;
mod generate;
mod guard;
mod initialise;
mod input;
mod libm;
pub mod limits;
mod need;
mod options;
mod place;
#[cfg(feature = "planted")]
pub mod planted;
mod slow;
mod validate;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use limits::{Deadline, Limits};
use rtwasm::engine::artifact::{self, Description, Metadata, Part};
use rtwasm::engine::cpu_features;
use rtwasm::engine::profile::{Interruption, Settings, Variations};
use rtwasm::status::{Error, RTW_ERR_INTERNAL, Result};
use sha2::{Digest, Sha256};

pub use initialise::Init;
pub use options::{Cpu, INTERRUPTIONS, Opt, Options, Reservation, Target, interruption_from_name};

/// The phase of a compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Validating,
    Initialising,
    Compiling,
    Writing,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Validating => "validating",
            Phase::Initialising => "initialising",
            Phase::Compiling => "compiling",
            Phase::Writing => "writing",
        }
    }
}

/// The progress of a compilation. The code generator does not report the number of finished functions, so there are only the
/// sizes and the elapsed time.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub phase: Phase,
    /// Functions defined in the module; 0 until it has been validated.
    pub function_count: u32,
    /// The size of the phase's input or output: the module's while validating and compiling, the code's while writing.
    pub bytes: u64,
    /// Time since the call began.
    pub elapsed: Duration,
}

/// The program name and version that artifacts carry as their producer.
pub const PRODUCER: &str = concat!("rtwasm ", env!("CARGO_PKG_VERSION"));

/// Compiles a module in binary or text form into an artifact. Calls `progress` on the calling thread: when a phase begins, and
/// several times a second while code is generated.
pub fn compile(input: &[u8], options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Vec<u8>> {
    compile_varied(input, options, Variations::default(), progress)
}

/// Compiles with other engine settings than the product's, for tools: only a runtime with the same variations loads the result.
pub fn compile_varied(
    input: &[u8],
    options: &Options,
    variations: Variations,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>> {
    caught(|| compile_unguarded(input, options, variations, progress))
}

fn compile_unguarded(
    input: &[u8],
    options: &Options,
    variations: Variations,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>> {
    let start = Instant::now();
    let mut report = |phase, function_count, bytes: usize| {
        progress(Progress { phase, function_count, bytes: bytes as u64, elapsed: start.elapsed() });
    };
    let cpu_features = options.cpu_features()?;
    let deadline = Deadline::new(&options.limits);
    limits::check_size(input.len(), &options.limits)?;
    let module = generate::on_own_stack(|| input::binary(input))??;

    report(Phase::Validating, 0, module.len());
    let examine = |module: &[u8]| {
        generate::on_own_stack(|| -> Result<_> {
            limits::check(module, &options.limits)?;
            let checked = validate::module(module)?;
            let facts = facts::gather(module, &checked)?;
            Ok((checked, facts))
        })?
    };
    let (mut checked, mut facts) = examine(&module)?;
    deadline.check()?;
    let initialised = match options.init.as_slice() {
        [] => None,
        _ => {
            let mut tick = || report(Phase::Initialising, facts.function_count, module.len());
            let made = initialise::run(&module, &facts, options, &cpu_features, &deadline, &mut tick)?;
            (checked, facts) = examine(&made.module)?;
            Some(made)
        }
    };
    let module = initialised.as_ref().map_or(module, |made| Cow::Borrowed(made.module.as_slice()));

    let settings = Settings {
        interruption: options.interruption,
        memory_reservation_bytes: options.reservation.bytes(&facts.memories)?,
        deterministic: options.deterministic,
        ..Settings::new(options.profile)
    };
    let job = generate::Job {
        settings: &settings,
        target: options.target,
        cpu_features: &cpu_features,
        opt: options.opt,
        variations,
    };
    if options.deterministic {
        generate::on_own_stack(|| slow::refuse_undetermined(&module, options.target, &cpu_features))??;
    }
    let slow = generate::on_own_stack(|| slow::find(&module, options.target, &cpu_features))??;
    let (module, edits) = match options.interruption {
        Interruption::Guard => {
            let guarded = generate::on_own_stack(|| guard::insert(&module, &checked, options.profile, &facts.hidden))??;
            (Cow::Owned(guarded.module), guarded.edits)
        }
        Interruption::None | Interruption::Epoch | Interruption::Fuel if facts.hidden.is_empty() => (module, Vec::new()),
        Interruption::None | Interruption::Epoch | Interruption::Fuel => {
            let exposed = guard::expose(&module, &facts.hidden)?;
            (Cow::Owned(exposed.module), exposed.edits)
        }
    };
    let edits = match &initialised {
        Some(made) => made.original(edits),
        None => edits,
    };
    deadline.check()?;
    let code = generate::code(&module, &job, &deadline, &mut || report(Phase::Compiling, facts.function_count, module.len()))?;

    report(Phase::Writing, facts.function_count, code.len());
    let architecture = options.target.triple().split('-').next().unwrap_or("");
    let description = Description {
        target: options.target.triple().into(),
        cpu_level: cpu_features::level_of(architecture, &cpu_features).unwrap_or("").into(),
        cpu_features,
        settings,
        opt_level: options.opt.name().into(),
        ..Description::default()
    };
    let metadata = Metadata {
        description,
        producer: PRODUCER.into(),
        imports: facts.imports,
        exports: facts.exports,
        memories: facts.memories,
        hidden: facts.hidden,
        slow,
        need: need::of(&code, options.interruption == Interruption::Guard)?,
        function_count: facts.function_count,
        has_start: facts.has_start,
        initialised: initialised.map_or_else(Vec::new, |made| made.calls),
        edits,
        // Of the given bytes, so that `sha256sum` of the file agrees.
        source_bytes: input.len() as u64,
        source_sha256: Sha256::digest(input).into(),
    };
    artifact::write(&[Part { metadata, code, more: Vec::new() }], &[])
}

/// The proposals that a module in binary or text form uses, by name.
pub fn proposals(input: &[u8]) -> Result<Vec<String>> {
    caught(|| {
        limits::check_size(input.len(), &Limits::DEFAULT)?;
        generate::on_own_stack(|| {
            let module = input::binary(input)?;
            limits::check(&module, &Limits::DEFAULT)?;
            validate::module(&module)?;
            Ok(validate::used_proposals(&module))
        })?
    })
}

/// Catches a panic, which is a defect of the compiler or of the engine, and must not end the host.
fn caught<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Err(Error::new(RTW_ERR_INTERNAL, format!("internal error in the compiler: {text}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_named_where_they_are_used() {
        let used = |text: &str| proposals(text.as_bytes()).unwrap().join(" ");
        assert_eq!(used("(module (func (param f32)))"), "");
        assert_eq!(used("(module (func (result i32 i32) i32.const 0 i32.const 0))"), "multi-value");
        assert_eq!(used("(module (memory 1) (memory 1) (func v128.const i64x2 0 0 drop))"), "simd multi-memory");
        assert!(proposals(b"(module (func i32.add))").is_err());
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        for panicking in [(|| panic!("plain")) as fn() -> Result<()>, || panic!("made {}", "up")] {
            let error = caught(panicking).unwrap_err();
            assert_eq!(error.status, RTW_ERR_INTERNAL);
            assert!(error.message.contains("plain") || error.message.contains("made up"), "{error}");
        }
    }
}
