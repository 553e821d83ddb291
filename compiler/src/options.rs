//! The compiler's options, and their names on a command line and in C.

use rtwasm::engine::artifact::MemoryFacts;
use rtwasm::engine::cpu_features;
use rtwasm::engine::profile::{FULL_RESERVATION_BYTES, Interruption, Profile};
use rtwasm::status::*;

use crate::initialise::Init;
use crate::limits::Limits;

/// A kind of machine that code can be generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    X86_64Linux,
    Aarch64Linux,
}

impl Target {
    pub const ALL: [Target; 2] = [Target::X86_64Linux, Target::Aarch64Linux];

    /// This machine, if code can be generated for it.
    pub fn host() -> Option<Target> {
        let on_linux = std::env::consts::OS == "linux";
        Target::ALL.into_iter().find(|target| on_linux && target.architecture() == std::env::consts::ARCH)
    }

    pub fn triple(self) -> &'static str {
        match self {
            Target::X86_64Linux => "x86_64-unknown-linux-gnu",
            Target::Aarch64Linux => "aarch64-unknown-linux-gnu",
        }
    }

    pub fn architecture(self) -> &'static str {
        match self {
            Target::X86_64Linux => "x86_64",
            Target::Aarch64Linux => "aarch64",
        }
    }

    pub fn from_triple(triple: &str) -> Result<Target> {
        Target::ALL.into_iter().find(|target| target.triple() == triple).ok_or_else(|| {
            let known = Target::ALL.map(Target::triple).join(", ");
            Error::new(RTW_ERR_UNSUPPORTED, format!("cannot compile for target {triple:?}; known targets: {known}"))
        })
    }
}

/// The target's optional instructions that the code may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// None: runs on every machine of the target's architecture, as the lowest level does.
    Baseline,
    /// The features of the machine that compiles.
    Native,
    /// The named features and those that they imply, with or without the leading `has_`; the name of a level or a processor means all its
    /// features.
    Features(Vec<String>),
}

impl Cpu {
    /// `baseline`, `native`, or names of features, levels and processors separated by commas.
    pub fn from_text(text: &str) -> Result<Cpu> {
        match text {
            "baseline" => Ok(Cpu::Baseline),
            "native" => Ok(Cpu::Native),
            list => {
                let names: Vec<String> = list.split(',').map(|name| name.trim().to_string()).collect();
                if names.iter().any(String::is_empty) {
                    return Err(Error::new(
                        RTW_ERR_ARGUMENT,
                        format!(
                            "CPU features {list:?}: expected baseline, native, a level such as x86-64-v2, a processor such as cortex-a72, or names separated by commas such as avx2,fma"
                        ),
                    ));
                }
                Ok(Cpu::Features(names))
            }
        }
    }
}

impl Cpu {
    /// As `from_text` reads it.
    pub fn text(&self) -> String {
        match self {
            Cpu::Baseline => "baseline".into(),
            Cpu::Native => "native".into(),
            Cpu::Features(names) => names.join(","),
        }
    }
}

/// A kind of machine: its target, and the instructions that the code may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub target: Target,
    pub cpu: Cpu,
}

impl Machine {
    /// The machines that a CPU option names, one for each part of the artifact: several if it is a list of levels and processors, each
    /// of which names its target; otherwise one, of `target` or of this machine.
    pub fn from_text(cpu: Option<&str>, target: Option<Target>) -> Result<Vec<Machine>> {
        let own = || target.map_or_else(this_machine, Ok);
        let Some(text) = cpu else { return Ok(vec![Machine::default_of(own()?)]) };
        let cpu = Cpu::from_text(text)?;
        let names = match &cpu {
            Cpu::Features(names) if names.len() > 1 => names,
            _ => return Ok(vec![Machine { target: own()?, cpu }]),
        };
        let wrong = |why: String| Error::new(RTW_ERR_ARGUMENT, format!("CPU list {text:?}: {why}"));
        for name in names {
            match name.as_str() {
                "native" | "host" => {
                    return Err(wrong(format!("{name:?} means this machine and stands alone: name levels such as x86-64-v3")));
                }
                "baseline" => return Err(wrong("\"baseline\" does not say of which target: name x86-64 or aarch64".into())),
                _ => {}
            }
        }
        let found: Vec<Option<Target>> = names.iter().map(|name| target_of(name)).collect();
        match found.iter().flatten().count() {
            0 => return Ok(vec![Machine { target: own()?, cpu }]),
            count if count < names.len() => {
                // One level and more features: one part.
                return match count {
                    1 => Ok(vec![Machine { target: own()?, cpu }]),
                    _ => {
                        Err(wrong("either all are levels or processors, and each gets a part, or features for one part".into()))
                    }
                };
            }
            _ => {}
        }
        let pairs = names.iter().zip(found.into_iter().flatten());
        pairs
            .map(|(name, found)| match target.filter(|target| *target != found) {
                Some(target) => Err(wrong(format!("{name} is of {}, but the target is {}", found.triple(), target.triple()))),
                None => Ok(Machine { target: found, cpu: Cpu::Features(vec![name.clone()]) }),
            })
            .collect()
    }

    /// This machine's features, if it is of that target; for another machine, what nearly every one of that architecture has: x86-64-v2,
    /// or no optional features on aarch64.
    fn default_of(target: Target) -> Machine {
        let cpu = match target {
            _ if Target::host() == Some(target) => Cpu::Native,
            Target::X86_64Linux => Cpu::Features(vec!["x86-64-v2".into()]),
            Target::Aarch64Linux => Cpu::Baseline,
        };
        Machine { target, cpu }
    }
}

/// The target that a level's or a processor's name belongs to.
fn target_of(name: &str) -> Option<Target> {
    let mut all = Target::ALL.into_iter();
    all.find(|target| {
        let sets = processors(*target).iter().chain(cpu_features::levels(target.architecture()));
        sets.into_iter().any(|(set, _)| *set == name)
    })
}

fn this_machine() -> Result<Target> {
    Target::host().ok_or_else(|| {
        let known = Target::ALL.map(Target::triple).join(", ");
        Error::new(RTW_ERR_UNSUPPORTED, format!("cannot compile for this machine; name a target: {known}"))
    })
}

/// The effort of the code generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opt {
    None,
    Speed,
    SpeedAndSize,
}

impl Opt {
    pub const ALL: [Opt; 3] = [Opt::None, Opt::Speed, Opt::SpeedAndSize];

    pub fn name(self) -> &'static str {
        match self {
            Opt::None => "none",
            Opt::Speed => "speed",
            Opt::SpeedAndSize => "size",
        }
    }

    pub fn from_name(name: &str) -> Option<Opt> {
        Opt::ALL.into_iter().find(|opt| opt.name() == name)
    }
}

pub const INTERRUPTIONS: [Interruption; 4] = [Interruption::None, Interruption::Epoch, Interruption::Fuel, Interruption::Guard];

pub fn interruption_from_name(name: &str) -> Option<Interruption> {
    INTERRUPTIONS.into_iter().find(|interruption| interruption.name() == name)
}

/// The address space to reserve for each linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// 4 GiB, with which the standalone profile needs no bounds checks.
    Full,
    /// The maximum that the module declares, for processes whose locked or total memory is limited. The code then checks
    /// accesses, in both profiles.
    Declared,
}

impl Reservation {
    pub fn from_name(name: &str) -> Option<Reservation> {
        match name {
            "full" => Some(Reservation::Full),
            "declared" => Some(Reservation::Declared),
            _ => None,
        }
    }

    /// The reservation in bytes, for a module with these memories.
    pub fn bytes(self, memories: &[MemoryFacts]) -> Result<u64> {
        if self == Reservation::Full {
            return Ok(FULL_RESERVATION_BYTES);
        }
        let mut largest = 0;
        for memory in memories {
            largest = largest.max(memory.max_bytes.ok_or_else(|| {
                Error::new(
                    RTW_ERR_ARGUMENT,
                    "a reservation of the declared size needs a declared maximum, but a memory has none",
                )
            })?);
        }
        Ok(largest.min(FULL_RESERVATION_BYTES))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub profile: Profile,
    pub target: Target,
    pub cpu: Cpu,
    pub opt: Opt,
    pub interruption: Interruption,
    pub reservation: Reservation,
    /// Generates code whose results are the same on every machine: NaNs are canonical, relaxed SIMD has one meaning.
    pub deterministic: bool,
    /// Exports to run at compile time; instances start with the state that they leave behind.
    pub init: Vec<Init>,
    /// Limits on the module and on the time.
    pub limits: Limits,
}

impl Options {
    /// Options for `target`, with the features that are its default.
    pub fn for_target(profile: Profile, target: Target) -> Options {
        Options::for_machine(profile, Machine::default_of(target))
    }

    pub fn for_machine(profile: Profile, machine: Machine) -> Options {
        Options {
            profile,
            target: machine.target,
            cpu: machine.cpu,
            opt: Opt::Speed,
            interruption: Interruption::Guard,
            reservation: Reservation::Full,
            deterministic: false,
            init: Vec::new(),
            limits: Limits::DEFAULT,
        }
    }

    /// Options for this machine.
    pub fn for_host(profile: Profile) -> Result<Options> {
        Ok(Options::for_target(profile, this_machine()?))
    }

    /// The chosen features by the code generator's names, sorted and complete: the code uses no others.
    pub fn cpu_features(&self) -> Result<Vec<String>> {
        let mut features = match &self.cpu {
            Cpu::Baseline => Vec::new(),
            Cpu::Native if Target::host() == Some(self.target) => cpu_features::native(),
            Cpu::Native => {
                return Err(Error::new(
                    RTW_ERR_ARGUMENT,
                    format!(
                        "CPU \"native\" means this machine, which is not of target {}: name the features or use \"baseline\"",
                        self.target.triple()
                    ),
                ));
            }
            Cpu::Features(names) => named_features(names, self.target)?,
        };
        features.sort();
        features.dedup();
        Ok(features)
    }
}

fn named_features(names: &[String], target: Target) -> Result<Vec<String>> {
    let known = cpu_features::known(target.architecture());
    let mut features = Vec::new();
    for name in names {
        let sets = || processors(target).iter().chain(cpu_features::levels(target.architecture()));
        if let Some((_, has)) = sets().find(|(set, _)| set == name) {
            features.extend(has.iter().map(|feature| feature.to_string()));
            continue;
        }
        let other = Target::ALL.into_iter().find(|other| processors(*other).iter().any(|(processor, _)| processor == name));
        if let Some(other) = other {
            return Err(Error::new(
                RTW_ERR_ARGUMENT,
                format!(
                    "{name} is a processor of {}, but the target is {}: set the target to {}",
                    other.architecture(),
                    target.triple(),
                    other.triple()
                ),
            ));
        }
        let full = format!("has_{}", name.strip_prefix("has_").unwrap_or(name));
        if !known.contains(&full.as_str()) {
            let list = known.iter().map(|name| name.trim_start_matches("has_"));
            let list: Vec<&str> = list.chain(sets().map(|(set, _)| *set)).collect();
            return Err(Error::new(
                RTW_ERR_ARGUMENT,
                format!("CPU feature {name:?} is not known for {}; known: {}", target.architecture(), list.join(", ")),
            ));
        }
        add_with_foundations(full, known, &mut features);
    }
    Ok(features)
}

/// The processors of boards, by the names that Arm and C compilers use, and the code generator's features that each has. Armv8.0 has
/// none; these cores of Armv8.2 have atomic instructions, half precision and dot products.
fn processors(target: Target) -> &'static [(&'static str, &'static [&'static str])] {
    const V8_0: &[&str] = &[];
    const V8_2: &[&str] = &["has_dotprod", "has_fp16", "has_lse"];
    match target {
        Target::X86_64Linux => &[],
        Target::Aarch64Linux => &[
            ("cortex-a35", V8_0),
            ("cortex-a53", V8_0),
            ("cortex-a57", V8_0),
            ("cortex-a72", V8_0),
            ("cortex-a73", V8_0),
            ("cortex-a55", V8_2),
            ("cortex-a75", V8_2),
            ("cortex-a76", V8_2),
            ("cortex-a78", V8_2),
        ],
    }
}

/// No processor has one of these features without the others, but the code generator checks each on its own: with AVX2 but
/// without SSE4.1 it would use the new instructions in one place and avoid the old ones in another.
const FOUNDATIONS: &[(&str, &[&str])] = &[
    ("has_ssse3", &["has_sse3"]),
    ("has_sse41", &["has_ssse3"]),
    ("has_sse42", &["has_sse41", "has_popcnt"]),
    ("has_avx", &["has_sse42"]),
    ("has_avx2", &["has_avx"]),
    ("has_fma", &["has_avx"]),
    ("has_avx_vnni", &["has_avx2"]),
    ("has_avx512f", &["has_avx2", "has_fma"]),
    ("has_avx512bitalg", &["has_avx512f"]),
    ("has_avx512dq", &["has_avx512f"]),
    ("has_avx512vbmi", &["has_avx512f"]),
    ("has_avx512vl", &["has_avx512f"]),
    ("has_avx512vnni", &["has_avx512f"]),
];

fn add_with_foundations(feature: String, known: &[&str], features: &mut Vec<String>) {
    if features.contains(&feature) || !known.contains(&feature.as_str()) {
        return;
    }
    let below = FOUNDATIONS.iter().find(|(name, _)| *name == feature).map_or(&[][..], |(_, below)| below);
    features.push(feature);
    for name in below {
        add_with_foundations(name.to_string(), known, features);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(target: Target, text: &str) -> Result<Vec<String>> {
        let mut options = Options::for_target(Profile::Plugin, target);
        options.cpu = Cpu::from_text(text)?;
        options.cpu_features()
    }

    #[test]
    fn names_are_read_back() {
        for opt in Opt::ALL {
            assert_eq!(Opt::from_name(opt.name()), Some(opt));
        }
        for interruption in INTERRUPTIONS {
            assert_eq!(interruption_from_name(interruption.name()), Some(interruption));
        }
        for target in Target::ALL {
            assert_eq!(Target::from_triple(target.triple()).unwrap(), target);
        }
        assert_eq!(Opt::from_name("fast"), None);
        let refused = Target::from_triple("riscv64gc-unknown-linux-gnu").unwrap_err();
        assert_eq!(refused.status, RTW_ERR_UNSUPPORTED);
        assert!(refused.message.contains("aarch64-unknown-linux-gnu"), "{refused}");
    }

    #[test]
    fn baseline_is_nothing_and_native_is_what_was_detected() {
        for target in Target::ALL {
            assert_eq!(features(target, "baseline").unwrap(), Vec::<String>::new());
        }
        let mut expected = cpu_features::native();
        expected.sort();
        assert_eq!(features(Target::host().unwrap(), "native").unwrap(), expected);
    }

    #[test]
    fn a_boards_processor_is_refused_for_another_target() {
        for (processor, _) in processors(Target::Aarch64Linux) {
            assert!(features(Target::Aarch64Linux, processor).is_ok());
            let refused = features(Target::X86_64Linux, processor).unwrap_err();
            assert_eq!(refused.status, RTW_ERR_ARGUMENT);
            assert!(refused.message.contains("set the target to aarch64-unknown-linux-gnu"), "{refused}");
        }
        let unknown = features(Target::Aarch64Linux, "cortex-a7").unwrap_err();
        assert!(unknown.message.contains("cortex-a53, cortex-a57, cortex-a72"), "{unknown}");
    }

    #[test]
    fn native_is_refused_for_another_machine() {
        let foreign = Target::ALL.into_iter().find(|target| Some(*target) != Target::host()).unwrap();
        assert_eq!(features(foreign, "native").unwrap_err().status, RTW_ERR_ARGUMENT);
    }

    #[test]
    fn the_prefix_is_optional_and_order_does_not_matter() {
        let both = features(Target::X86_64Linux, "avx2,has_fma").unwrap();
        assert_eq!(both, features(Target::X86_64Linux, "has_fma, avx2,fma").unwrap());
        assert!(both.is_sorted());
    }

    #[test]
    fn a_feature_brings_what_it_builds_on() {
        assert_eq!(features(Target::X86_64Linux, "sse3").unwrap(), ["has_sse3"]);
        let avx = ["has_avx", "has_popcnt", "has_sse3", "has_sse41", "has_sse42", "has_ssse3"];
        assert_eq!(features(Target::X86_64Linux, "avx").unwrap(), avx);
        assert_eq!(features(Target::Aarch64Linux, "lse").unwrap(), ["has_lse"]);
    }

    #[test]
    fn a_processor_stands_for_what_it_has() {
        for old in ["cortex-a53", "cortex-a72"] {
            assert_eq!(features(Target::Aarch64Linux, old).unwrap(), Vec::<String>::new(), "{old}");
        }
        assert_eq!(features(Target::Aarch64Linux, "cortex-a76").unwrap(), ["has_dotprod", "has_fp16", "has_lse"]);
        assert_eq!(
            features(Target::Aarch64Linux, "cortex-a76,i8mm").unwrap(),
            ["has_dotprod", "has_fp16", "has_i8mm", "has_lse"]
        );
        let unknown = features(Target::Aarch64Linux, "cortex-a9").unwrap_err();
        assert!(unknown.message.contains("cortex-a53") && unknown.message.contains("dotprod"), "{unknown}");
        assert_eq!(features(Target::X86_64Linux, "cortex-a72").unwrap_err().status, RTW_ERR_ARGUMENT);
    }

    #[test]
    fn a_level_stands_for_what_the_psabi_lists() {
        let v2 = ["has_cmpxchg16b", "has_popcnt", "has_sse3", "has_sse41", "has_sse42", "has_ssse3"];
        assert_eq!(features(Target::X86_64Linux, "x86-64-v2").unwrap(), v2);
        assert_eq!(features(Target::X86_64Linux, "x86-64").unwrap(), Vec::<String>::new());
        let v3 = features(Target::X86_64Linux, "x86-64-v3").unwrap();
        let named = "cmpxchg16b,popcnt,sse3,ssse3,sse41,sse42,avx,avx2,bmi1,bmi2,fma,lzcnt";
        assert_eq!(v3, features(Target::X86_64Linux, named).unwrap());
        let v4 = features(Target::X86_64Linux, "x86-64-v4").unwrap();
        assert_eq!(v4, features(Target::X86_64Linux, "x86-64-v3,avx512f,avx512dq,avx512vl").unwrap());
        assert_eq!(features(Target::Aarch64Linux, "aarch64").unwrap(), Vec::<String>::new());
        for (target, foreign) in [(Target::Aarch64Linux, "x86-64-v2"), (Target::X86_64Linux, "aarch64")] {
            let refused = features(target, foreign).unwrap_err();
            assert!(refused.message.contains(foreign) && refused.message.contains("known:"), "{refused}");
        }
        let foreign = Target::ALL.into_iter().find(|target| Some(*target) != Target::host()).unwrap();
        let default = Options::for_target(Profile::Plugin, foreign).cpu_features().unwrap();
        assert_eq!(default, if foreign == Target::X86_64Linux { &v2[..] } else { &[] });
    }

    #[test]
    fn a_list_of_levels_and_processors_is_one_part_each() {
        let told = |text: &str, target: Option<Target>| -> Vec<String> {
            let machines = Machine::from_text(Some(text), target).unwrap();
            machines.iter().map(|machine| format!("{} {}", machine.target.architecture(), machine.cpu.text())).collect()
        };
        assert_eq!(
            told("x86-64-v2, x86-64-v4,aarch64,cortex-a76", None),
            ["x86_64 x86-64-v2", "x86_64 x86-64-v4", "aarch64 aarch64", "aarch64 cortex-a76"]
        );
        let x86 = Some(Target::X86_64Linux);
        assert_eq!(told("x86-64,x86-64-v3", x86), ["x86_64 x86-64", "x86_64 x86-64-v3"]);
        assert_eq!(told("avx2,fma", x86), ["x86_64 avx2,fma"], "features are one part's");
        assert_eq!(told("x86-64-v3,avx512f", x86), ["x86_64 x86-64-v3,avx512f"]);
        assert_eq!(told("x86-64-v3", x86), ["x86_64 x86-64-v3"]);
        for (list, target, part) in [
            ("x86-64-v2,native", None, "stands alone"),
            ("host,aarch64", None, "stands alone"),
            ("x86-64-v2,baseline", None, "of which target"),
            ("x86-64-v2,x86-64-v3,avx512f", None, "either all are levels"),
            ("x86-64-v2,aarch64", x86, "aarch64 is of aarch64-unknown-linux-gnu, but the target is x86_64"),
            ("x86-64-v2,,aarch64", None, "expected"),
            ("", None, "expected"),
        ] {
            let error = Machine::from_text(Some(list), target).unwrap_err();
            assert!(error.status == RTW_ERR_ARGUMENT && error.message.contains(part), "{list}: {error}");
        }
    }

    #[test]
    fn every_processor_has_features_that_can_be_named() {
        for target in Target::ALL {
            for (name, has) in processors(target) {
                assert!(
                    has.is_sorted() && has.iter().all(|feature| cpu_features::known(target.architecture()).contains(feature)),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_code_generator_has_every_feature_that_can_be_named() {
        use cranelift_codegen::isa;
        use cranelift_codegen::settings::Configurable;
        for target in Target::ALL {
            for name in cpu_features::known(target.architecture()) {
                let mut builder = isa::lookup_by_name(target.triple()).unwrap();
                assert!(builder.enable(name).is_ok(), "{name} on {}", target.triple());
            }
        }
    }

    #[test]
    fn unknown_features_are_refused_with_the_known_ones() {
        let refused = features(Target::X86_64Linux, "avx2,warp").unwrap_err();
        assert_eq!(refused.status, RTW_ERR_ARGUMENT);
        assert!(refused.message.contains("\"warp\"") && refused.message.contains("avx512f"), "{refused}");
        let other_architecture = features(Target::Aarch64Linux, "avx2").unwrap_err();
        assert!(other_architecture.message.contains("lse"), "{other_architecture}");
        for malformed in ["", "avx2,", ",", " "] {
            assert_eq!(features(Target::X86_64Linux, malformed).unwrap_err().status, RTW_ERR_ARGUMENT, "{malformed:?}");
        }
    }
}
