//! Checks of the process that will run guests, and of the artifact.

use super::machine::Machine;
use super::parse::{self, shown};
use super::severity::{FATAL, HIGH, INFO};
use super::table::{Check, check};
use super::{Apply::*, Outcome, Severity::*};
use crate::artifact;
use crate::artifact::settings::DEFAULT_GUEST_STACK_BYTES;
use crate::rt::attach::HOST_STACK_BYTES;
use crate::sys::{handlers, memory, sigstack, stack};

pub const CHECKS: &[Check] = &[
    check! {
        id: "exec-memory",
        title: "memory that becomes executable",
        severity: FATAL,
        expected: "permitted",
        why: "an artifact's code is written to memory and then made executable",
        remedy: "Permit it: MemoryDenyWriteExecute=no for a service, execmem in SELinux, mprotect in the seccomp filter.",
        commands: "",
        apply: WithThought,
        needs_root: true,
        run: exec_memory,
    },
    check! {
        id: "seccomp",
        title: "seccomp",
        severity: INFO,
        expected: "no filter, or one that permits real-time scheduling, mlock and mprotect",
        why: "a refused system call looks like a missing right",
        remedy: "If attach or locking is refused in spite of the right, permit sched_setscheduler, mlock2 and mprotect.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: seccomp,
    },
    check! {
        id: "signal-handlers",
        title: "handlers for faults",
        severity: INFO,
        expected: "no other handlers for SIGSEGV, SIGILL and SIGFPE",
        why: "in the standalone profile guests' traps arrive as these signals; a handler that is installed later gets them",
        remedy: "Create the runtime after other code has installed its handlers, or use the plugin profile, which needs none.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: signal_handlers,
    },
    check! {
        id: "signal-stack",
        title: "the thread's signal stack",
        severity: INFO,
        expected: "none yet, or at least 256 KiB",
        why: "attach replaces a smaller one until detach (standalone profile)",
        remedy: "No action is needed, unless a handler of yours needs its own stack.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: signal_stack,
    },
    check! {
        id: "stack-size",
        title: "stacks of new threads",
        severity: FATAL,
        expected: "enough for guests and the calls around them",
        why: "attach refuses a thread whose stack is too small for guests",
        remedy: "Raise the limit, create the thread with a larger stack (pthread_attr_setstacksize), or lower guest_stack_bytes.",
        commands: "ulimit -s 8192",
        apply: WithThought,
        needs_root: false,
        run: stack_size,
    },
    check! {
        id: "engines",
        title: "other engines in the process",
        severity: INFO,
        expected: "none",
        why: "each installs handlers for the same signals and has to pass on those that are not its own, which takes time",
        remedy: "Use the plugin profile, which installs no handlers.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: engines,
    },
    check! {
        id: "traced",
        title: "debugger",
        severity: INFO,
        expected: "none",
        why: "a traced process stops for every signal, guests' traps included",
        remedy: "Measure without gdb or strace.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: traced,
    },
    check! {
        id: "artifact",
        title: "artifact",
        severity: FATAL,
        expected: "one for this machine",
        why: "the library refuses to load an artifact for another engine, target or processor",
        remedy: "Compile the module again for this machine, with --target, and --cpu baseline or the features of its processor.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: artifact,
    },
];

fn exec_memory(machine: &Machine) -> Outcome {
    if machine.is_live() {
        return match memory::try_executable() {
            Ok(Ok(())) => Outcome::good("permitted"),
            Ok(Err(error)) | Err(error) => Outcome::bad(format!("refused: {error}")),
        };
    }
    // SELinux's refusals depend on the process's domain.
    match machine.root.number::<u32>("sys/fs/selinux/booleans/deny_execmem") {
        Some(1) => Outcome::bad("SELinux's deny_execmem is on"),
        _ => Outcome::skipped("only the running process shows this"),
    }
}

fn seccomp(machine: &Machine) -> Outcome {
    match machine.status_field("Seccomp") {
        Some("0") => Outcome::good("no filter"),
        Some("1") => Outcome::bad("strict: nearly every system call is refused").severity([Some(Fatal); 4]),
        Some("2") => Outcome::bad("a filter is in force: it may refuse real-time scheduling or locked memory"),
        Some(_) => Outcome::unknown("Seccomp in /proc/self/status is not understood"),
        None => Outcome::unknown("no Seccomp in /proc/self/status"),
    }
}

fn signal_handlers(machine: &Machine) -> Outcome {
    if !machine.is_live() {
        return caught_signals(machine);
    }
    if let Err(error) = handlers::check() {
        return Outcome::bad(error.message).severity(HIGH);
    }
    let foreign: Vec<String> = handlers::SIGNALS
        .iter()
        .filter_map(|(signal, name)| {
            let (owner, ours) = handlers::owner_of(*signal)?;
            (!ours).then(|| format!("{name} by {}", shown(&owner)))
        })
        .collect();
    match foreign.is_empty() {
        true => Outcome::good("no other handlers"),
        false => Outcome::bad(foreign.join(", ")),
    }
}

/// Files do not show the handlers' owners.
fn caught_signals(machine: &Machine) -> Outcome {
    let Some(mask) = machine.status_field("SigCgt").and_then(|mask| u64::from_str_radix(mask, 16).ok()) else {
        return Outcome::unknown("no SigCgt in /proc/self/status");
    };
    let caught = handlers::SIGNALS.iter().filter(|(signal, _)| mask >> (signal - 1) & 1 == 1);
    let caught: Vec<&str> = caught.map(|(_, name)| *name).collect();
    match caught.is_empty() {
        true => Outcome::good("none"),
        false => Outcome::bad(format!("{} caught", caught.join(", "))),
    }
}

/// The engine replaces a thread's smaller signal stack (standalone profile).
const SIGNAL_STACK_BYTES: usize = 256 << 10;

fn signal_stack(machine: &Machine) -> Outcome {
    if !machine.is_live() {
        return Outcome::skipped("only the thread itself shows this");
    }
    if !machine.options.thread {
        return Outcome::skipped("this is not declared the real-time thread");
    }
    match sigstack::in_force() {
        stack if stack.is_there() => {
            Outcome::good_if(stack.bytes() >= SIGNAL_STACK_BYTES, parse::mebibytes(stack.bytes() as u64))
        }
        _ => Outcome::good("none yet: attach sets one up"),
    }
}

fn stack_size(machine: &Machine) -> Outcome {
    let needed = (DEFAULT_GUEST_STACK_BYTES + HOST_STACK_BYTES) as u64;
    let expected = format!("at least {}", parse::mebibytes(needed));
    if machine.is_live() && machine.options.thread {
        return match stack::left() {
            Ok(left) => {
                let found = format!("{} left on the calling thread", parse::mebibytes(left as u64));
                Outcome::good_if(left as u64 >= needed, found).expected(expected)
            }
            Err(error) => Outcome::unknown(error.message),
        };
    }
    match machine.limit("Max stack size") {
        None => Outcome::unknown("no /proc/self/limits"),
        // With an unlimited stack, glibc uses 2 MiB or more.
        Some((u64::MAX, _)) => Outcome::good("unlimited"),
        Some((bytes, _)) => Outcome::good_if(bytes >= needed, parse::mebibytes(bytes)).expected(expected),
    }
}

/// The beginnings of the file names of engines that install handlers for the same signals.
const ENGINES: [&str; 6] = ["librtwasm.so", "libwasmtime", "libwasmer", "libwasmedge", "libiwasm", "libwasm3"];

fn engines(machine: &Machine) -> Outcome {
    let Some(maps) = machine.root.word("proc/self/maps") else { return Outcome::unknown("no /proc/self/maps") };
    let mut files: Vec<&str> = Vec::new();
    for file in maps.lines().filter_map(|line| Some(&line[line.find('/')?..])) {
        let name = file.rsplit('/').next().unwrap_or_default();
        if ENGINES.iter().any(|engine| name.starts_with(engine)) && !files.contains(&file) {
            files.push(file);
        }
    }
    let others = files.iter().any(|file| !file.rsplit('/').next().unwrap_or_default().starts_with(ENGINES[0]));
    match (files.len(), others) {
        (0 | 1, false) => Outcome::good("no other"),
        _ => Outcome::bad(shown(&files.join(", "))),
    }
}

/// The code generator's features, by the words of /proc/cpuinfo.
const CPUINFO_WORDS: [(&str, &str); 24] = [
    ("has_cmpxchg16b", "cx16"),
    ("has_sse3", "pni"),
    ("has_ssse3", "ssse3"),
    ("has_sse41", "sse4_1"),
    ("has_sse42", "sse4_2"),
    ("has_avx", "avx"),
    ("has_avx2", "avx2"),
    ("has_fma", "fma"),
    ("has_popcnt", "popcnt"),
    ("has_bmi1", "bmi1"),
    ("has_bmi2", "bmi2"),
    ("has_lzcnt", "abm"),
    ("has_avx512bitalg", "avx512_bitalg"),
    ("has_avx512dq", "avx512dq"),
    ("has_avx512f", "avx512f"),
    ("has_avx512vbmi", "avx512vbmi"),
    ("has_avx512vl", "avx512vl"),
    ("has_avx_vnni", "avx_vnni"),
    ("has_avx512vnni", "avx512_vnni"),
    ("has_lse", "atomics"),
    ("has_pauth", "paca"),
    ("has_fp16", "asimdhp"),
    ("has_dotprod", "asimddp"),
    ("has_i8mm", "i8mm"),
];

fn artifact(machine: &Machine) -> Outcome {
    let Some(wanted) = &machine.options.artifact else { return Outcome::skipped("none was given") };
    if machine.is_live() {
        return match artifact::check_host(&wanted.metadata) {
            Ok(()) => Outcome::good("runs here"),
            Err(error) => Outcome::bad(error.message),
        };
    }
    let Some(flags) = machine.cpu_flags() else { return Outcome::unknown("no CPU flags in /proc/cpuinfo") };
    let is_there = |feature: &String| {
        let word = CPUINFO_WORDS.iter().find(|(name, _)| name == feature).map(|(_, word)| word);
        word.is_some_and(|word| flags.contains(word))
    };
    let missing: Vec<&str> = wanted.metadata.cpu_features.iter().filter(|f| !is_there(f)).map(String::as_str).collect();
    match missing.is_empty() {
        true => Outcome::good("this machine has all CPU features that the artifact needs"),
        false => Outcome::bad(format!("this machine lacks {}", shown(&missing.join(", ")))),
    }
}

/// Checks for a tracer, which can stop the process at any time.
fn traced(machine: &Machine) -> Outcome {
    match machine.status_field("TracerPid") {
        None => Outcome::unknown("no TracerPid in /proc/self/status").severity(INFO),
        Some("0") => Outcome::good("no tracer"),
        Some(number) => Outcome::bad(format!("traced by process {}", shown(number))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::cpu_features;

    #[test]
    fn every_feature_has_its_word() {
        for architecture in ["x86_64", "aarch64"] {
            for feature in cpu_features::known(architecture) {
                assert!(CPUINFO_WORDS.iter().any(|(name, _)| name == feature), "{feature}");
            }
        }
    }

    /// The kernel hides features that it does not support; those that it shows exist.
    #[test]
    fn the_words_are_this_machines() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let line = info.lines().find(|line| line.starts_with("flags") || line.starts_with("Features")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        for feature in cpu_features::known(std::env::consts::ARCH) {
            let word = CPUINFO_WORDS.iter().find(|(name, _)| name == feature).unwrap().1;
            assert_eq!(words.contains(&word), cpu_features::detected(feature) == Some(true), "{feature} {word}");
        }
    }
}
