//! Compiles a WebAssembly module into an artifact.
//!
//! The steps: identify the bytes (`input`), validate them and report errors with their places (`validate`, `place`), gather the
//! envelope's facts (`facts`), run the exports that are to run now (`initialise`), insert the budget guard (`guard`), let Cranelift
//! generate code (`generate`), wrap it in the envelope.
//!
//! Not for real-time threads: everything here allocates, and may take long.

#[cfg(test)]
mod abi;
pub mod capi;
mod describe;
mod facts;
mod generate;
mod guard;
mod initialise;
mod input;
mod lean;
mod libm;
pub mod limits;
mod need;
mod options;
mod place;
#[cfg(feature = "planted")]
pub mod planted;
mod recompile;
mod reset;
mod slow;
mod validate;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use limits::{Deadline, Limits};
use rtwasm::engine::artifact::{self, Description, Edit, Edits, Metadata, Needs, Notes, Part, Section, Slow, kind};
use rtwasm::engine::cpu_features;
use rtwasm::engine::profile::{Interruption, Settings, Variations};
use rtwasm::status::{Error, RTW_ERR_ARGUMENT, RTW_ERR_INTERNAL, Result};
use sha2::{Digest, Sha256};

pub use initialise::Init;
pub use options::{Cpu, INTERRUPTIONS, Machine, Opt, Options, Reservation, Target, interruption_from_name};
pub use recompile::{Recompile, of_artifact};

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
    caught(|| compile_unguarded(input, std::slice::from_ref(options), &Extras::default(), variations, progress))
}

/// The rest of an artifact, beside its parts.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// The module is kept inside, so that the artifact can be compiled again.
    pub source: bool,
    /// The description of the guest, for a module that does not describe it; none is written if it is empty.
    pub guest: Vec<u8>,
}

/// Compiles a module into an artifact of several parts, one for each of `parts` and in this order. Their limits are those of the first.
pub fn compile_parts(input: &[u8], parts: &[Options], whole: &Extras, progress: &mut dyn FnMut(Progress)) -> Result<Vec<u8>> {
    caught(|| compile_unguarded(input, parts, whole, Variations::default(), progress))
}

/// A module that was validated, and what it is.
struct Front<'a> {
    module: Cow<'a, [u8]>,
    checked: validate::Checked,
    facts: facts::Facts,
    reset: reset::Reset,
    initialised: Option<initialise::Initialised>,
}

/// A module as the code generator gets it.
struct Prepared<'a> {
    module: Cow<'a, [u8]>,
    edits: Vec<Edit>,
}

/// Results by what they depend on, so that parts share them. There are few.
struct Shared<K, V>(Vec<(K, V)>);

impl<K: PartialEq, V> Shared<K, V> {
    /// The place of the result for `key`, made if it is not there.
    fn place(&mut self, key: K, make: impl FnOnce() -> Result<V>) -> Result<usize> {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == key) {
            return Ok(at);
        }
        self.0.push((key, make()?));
        Ok(self.0.len() - 1)
    }
}

fn examined(module: &[u8], limits: &Limits) -> Result<(validate::Checked, facts::Facts, reset::Reset)> {
    generate::on_own_stack(|| -> Result<_> {
        limits::check(module, limits)?;
        let checked = validate::module(module)?;
        let facts = facts::gather(module, &checked)?;
        let reset = reset::image(module, &facts)?;
        Ok((checked, facts, reset))
    })?
}

fn prepared<'a>(front: &'a Front<'_>, options: &Options) -> Result<Prepared<'a>> {
    let module = &front.module;
    let (module, edits) = match options.interruption {
        Interruption::Guard => {
            let insert = || guard::insert(module, &front.checked, options.profile, &front.facts.hidden);
            let guarded = generate::on_own_stack(insert)??;
            (Cow::Owned(guarded.module), guarded.edits)
        }
        Interruption::None | Interruption::Epoch | Interruption::Fuel if front.facts.hidden.is_empty() => {
            (Cow::Borrowed(&**module), Vec::new())
        }
        Interruption::None | Interruption::Epoch | Interruption::Fuel => {
            let exposed = guard::expose(module, &front.facts.hidden)?;
            (Cow::Owned(exposed.module), exposed.edits)
        }
    };
    let edits = match &front.initialised {
        Some(made) => made.original(edits),
        None => edits,
    };
    Ok(Prepared { module, edits })
}

/// The module of one part as the code generator gets it, for tools that have another release of it.
pub fn prepare(input: &[u8], options: &Options) -> Result<Vec<u8>> {
    caught(|| {
        let module = generate::on_own_stack(|| input::binary(input))??;
        let (checked, facts, reset) = examined(&module, &options.limits)?;
        let front = Front { module, checked, facts, reset, initialised: None };
        Ok(prepared(&front, options)?.module.into_owned())
    })
}

fn compile_unguarded(
    input: &[u8],
    parts: &[Options],
    whole: &Extras,
    variations: Variations,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>> {
    let start = Instant::now();
    let mut report = |phase, function_count, bytes: usize| {
        progress(Progress { phase, function_count, bytes: bytes as u64, elapsed: start.elapsed() });
    };
    let features = parts.iter().map(Options::cpu_features).collect::<Result<Vec<_>>>()?;
    different(parts, &features)?;
    let limits = &parts[0].limits;
    let deadline = Deadline::new(limits);
    limits::check_size(input.len(), limits)?;
    let given = generate::on_own_stack(|| input::binary(input))??;

    report(Phase::Validating, 0, given.len());
    let (checked, facts, reset) = examined(&given, limits)?;
    let needs = generate::on_own_stack(|| validate::needs(&given))??;
    deadline.check()?;
    let mut run = |export: &str| {
        let mut tick = || report(Phase::Initialising, facts.function_count, given.len());
        initialise::text(&given, &facts, &parts[0], export, &deadline, &mut tick)
    };
    let guest = describe::of(&given, &facts, &mut run)?.map_or_else(|| whole.guest.clone(), |guest| guest.encode());
    let given = Front { module: given, checked, facts, reset, initialised: None };

    let (fronts, front_of) = initialised(&given, parts, &features, &deadline, &mut report)?;
    let mut modules = Shared(Vec::new());
    let mut written = Vec::with_capacity(parts.len());
    let mut images = Vec::with_capacity(parts.len());
    for ((options, cpu_features), place) in parts.iter().zip(features).zip(front_of) {
        let front = place.map_or(&given, |at| &fronts[at]);
        // Of the profiles, the guard's code alone depends on them.
        let at = modules.place((place, options.profile, options.interruption), || prepared(front, options))?;
        deadline.check()?;
        let making = Making { input, options, front, prepared: &modules.0[at].1, needs: &needs };
        images.push(&front.reset.image);
        written.push(making.part(cpu_features, variations, &deadline, &mut report)?);
    }

    let mut rest = Vec::new();
    keep_images(&images, &mut written, &mut rest);
    if !guest.is_empty() {
        rest.push(section(kind::GUEST, &guest));
    }
    if whole.source {
        rest.push(section(kind::SOURCE, input));
    }
    artifact::write(&written, &rest)
}

/// Reports a phase, its number of functions and its number of bytes.
type Report<'a> = &'a mut dyn FnMut(Phase, u32, usize);

/// Makes the module anew for each part with calls at compile time; parts that agree share one. Returns the modules, and the place of
/// each part's.
fn initialised(
    given: &Front<'_>,
    parts: &[Options],
    features: &[Vec<String>],
    deadline: &Deadline,
    report: Report<'_>,
) -> Result<(Vec<Front<'static>>, Vec<Option<usize>>)> {
    let mut fronts = Shared(Vec::new());
    let mut front_of = Vec::with_capacity(parts.len());
    for (options, features) in parts.iter().zip(features) {
        if options.init.is_empty() {
            front_of.push(None);
            continue;
        }
        // Calls at compile time round as the part's code will, where relaxed SIMD permits a choice.
        let key = (&options.init, initialise::features_here(features), options.deterministic);
        let make = || {
            let mut tick = || report(Phase::Initialising, given.facts.function_count, given.module.len());
            let made = initialise::run(&given.module, &given.facts, options, features, deadline, &mut tick)?;
            let (checked, facts, reset) = examined(&made.module, &parts[0].limits)?;
            Ok(Front { module: Cow::Owned(made.module.clone()), checked, facts, reset, initialised: Some(made) })
        };
        front_of.push(Some(fronts.place(key, make)?));
    }
    Ok((fronts.0.into_iter().map(|(_, front)| front).collect(), front_of))
}

/// The sources of a part.
struct Making<'a> {
    input: &'a [u8],
    options: &'a Options,
    front: &'a Front<'a>,
    prepared: &'a Prepared<'a>,
    needs: &'a Needs,
}

impl Making<'_> {
    fn part(&self, cpu_features: Vec<String>, variations: Variations, deadline: &Deadline, report: Report<'_>) -> Result<Part> {
        let Making { options, front, prepared: Prepared { module, .. }, .. } = *self;
        let facts = &front.facts;
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
            generate::on_own_stack(|| slow::refuse_undetermined(&front.module, options.target, &cpu_features))??;
        }
        let slow = generate::on_own_stack(|| slow::find(&front.module, options.target, &cpu_features))??;
        let mut tick = || report(Phase::Compiling, facts.function_count, module.len());
        let code = generate::code(module, &job, deadline, &mut tick)?;
        report(Phase::Writing, facts.function_count, code.len());
        let metadata = self.metadata(settings, cpu_features, &code)?;
        Ok(Part { metadata, notes: self.notes(slow), code, more: Vec::new() })
    }

    fn metadata(&self, settings: Settings, cpu_features: Vec<String>, code: &[u8]) -> Result<Metadata> {
        let Making { options, front: Front { facts, reset, .. }, .. } = *self;
        let level = cpu_features::level_of(options.target.architecture(), &cpu_features).unwrap_or("");
        let description = Description {
            target: options.target.triple().into(),
            cpu_level: level.into(),
            cpu_features,
            settings,
            opt_level: options.opt.name().into(),
            ..Description::default()
        };
        Ok(Metadata {
            description,
            producer: PRODUCER.into(),
            imports: facts.imports.clone(),
            exports: facts.exports.clone(),
            memories: facts.memories.clone(),
            need: need::of(code, options.interruption == Interruption::Guard)?,
            function_count: facts.function_count,
            has_start: facts.has_start,
            edits: Edits::new(&self.prepared.edits),
            source_bytes: self.input.len() as u64,
            reset_obstacles: reset.obstacles,
            reset_bytes: reset.bytes,
        })
    }

    fn notes(&self, slow: Vec<Slow>) -> Notes {
        Notes {
            hidden: self.front.facts.hidden.clone(),
            slow,
            initialised: self.front.initialised.as_ref().map_or_else(Vec::new, |made| made.calls.clone()),
            init: self.options.init.iter().map(Init::text).collect(),
            // Of the given bytes, so that `sha256sum` of the file agrees.
            source_sha256: Sha256::digest(self.input).into(),
            needs: Some(self.needs.clone()),
        }
    }
}

fn section(kind: u32, bytes: &[u8]) -> Section {
    Section { kind, required: false, bytes: bytes.to_vec() }
}

/// Keeps the parts' reset images: one for all if they are equal, otherwise each with its part.
fn keep_images(images: &[&Vec<u8>], parts: &mut [Part], whole: &mut Vec<Section>) {
    let kept = |image: &Vec<u8>| (!image.is_empty()).then(|| section(kind::RESET, image));
    if images.iter().all(|image| *image == images[0]) {
        whole.extend(kept(images[0]));
    } else {
        parts.iter_mut().zip(images).for_each(|(part, image)| part.more.extend(kept(image)));
    }
}

/// The most parts of an artifact.
const MOST_PARTS: usize = 64;

/// Returns an error if the options of parts are wrong, whatever the module: features that nobody has, no part, or the same part twice.
pub fn check_parts(parts: &[Options]) -> Result<()> {
    different(parts, &parts.iter().map(Options::cpu_features).collect::<Result<Vec<_>>>()?)
}

/// Refuses no part, too many, and two of which the library would never choose the second.
fn different(parts: &[Options], features: &[Vec<String>]) -> Result<()> {
    let wrong = |message: String| Err(Error::new(RTW_ERR_ARGUMENT, message));
    if parts.is_empty() || parts.len() > MOST_PARTS {
        return wrong(format!("an artifact has 1 to {MOST_PARTS} parts, not {}", parts.len()));
    }
    for (at, (one, own)) in parts.iter().zip(features).enumerate() {
        let same = |(other, theirs): &(&Options, &Vec<String>)| {
            (other.target, other.profile, other.deterministic) == (one.target, one.profile, one.deterministic) && *theirs == own
        };
        if let Some((other, _)) = parts.iter().zip(features).take(at).find(same) {
            let profile = one.profile.name();
            let (first, second) = (other.cpu.text(), one.cpu.text());
            let what = if first == second {
                format!("{first:?} twice")
            } else {
                format!("{first:?} and {second:?}, which are the same CPU")
            };
            return wrong(format!("two parts for {}, profile {profile}, name {what}: leave one out", one.target.triple()));
        }
    }
    Ok(())
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
    use rtwasm::engine::profile::Profile;

    #[test]
    fn proposals_are_named_where_they_are_used() {
        let used = |text: &str| validate::needs(&wat::parse_str(text).unwrap()).unwrap().proposals.join(" ");
        assert_eq!(used("(module (func (param f32)))"), "");
        assert_eq!(used("(module (func (result i32 i32) i32.const 0 i32.const 0))"), "multi-value");
        assert_eq!(used("(module (memory 1) (memory 1) (func v128.const i64x2 0 0 drop))"), "simd multi-memory");
        let several = "(module (memory i64 1) (func return_call 0) (func (param v128)) (func i32.const 0 i32.extend8_s drop))";
        assert_eq!(used(several), "sign-extension simd tail-call memory64");
    }

    #[test]
    fn growth_is_noted() {
        let grows = |code: &str| {
            let text = format!("(module (memory 1) (table 1 funcref) (func {code}))");
            let artifact = compile(text.as_bytes(), &Options::for_host(Profile::Plugin).unwrap(), &mut |_| {}).unwrap();
            let needs = artifact::read(&artifact).unwrap().opened.notes(1).unwrap().needs.unwrap();
            (needs.grows_memory, needs.grows_tables)
        };
        assert_eq!(grows(""), (false, false));
        assert_eq!(grows("(drop (memory.grow (i32.const 1)))"), (true, false));
        assert_eq!(grows("(drop (table.grow (ref.null func) (i32.const 1)))"), (false, true));
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
