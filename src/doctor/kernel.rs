//! Checks of the kernel itself: its preemption, its hypervisor, and its additional work.

use super::machine::Machine;
use super::parse::{count, shown};
use super::severity::{AUDIO_INFO_CONTROL_MEDIUM, AUDIO_MEDIUM_CONTROL_HIGH, HIGH, INFO, MEDIUM};
use super::table::{Check, check};
use super::{Apply::*, ByClass, Outcome, Severity::*};
use crate::sys::clock;

pub const CHECKS: &[Check] = &[
    check! {
        id: "preemption",
        title: "preemption model",
        severity: AUDIO_MEDIUM_CONTROL_HIGH,
        expected: "PREEMPT_RT; full preemption is enough for audio",
        why: "until the kernel can be preempted, a woken thread waits for any system call or interrupt that runs",
        remedy: "Install a kernel with PREEMPT_RT (6.12 and later have it: CONFIG_PREEMPT_RT), or boot with preempt=full.",
        commands: "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&preempt=full /' /etc/default/grub && update-grub",
        apply: Reboot,
        needs_root: true,
        run: preemption,
    },
    check! {
        id: "threaded-irqs",
        title: "threaded interrupt handlers",
        severity: AUDIO_INFO_CONTROL_MEDIUM,
        expected: "PREEMPT_RT, or threadirqs on the kernel's command line",
        why: "a handler in a thread can have a lower priority than a real-time thread; any other handler interrupts it",
        remedy: "Boot with threadirqs.",
        commands: "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&threadirqs /' /etc/default/grub && update-grub",
        apply: Reboot,
        needs_root: true,
        run: threaded_irqs,
    },
    check! {
        id: "virtualised",
        title: "hypervisor",
        severity: AUDIO_MEDIUM_CONTROL_HIGH,
        expected: "none",
        why: "the hypervisor decides when this kernel runs; figures from a virtual machine prove nothing about real time",
        remedy: "Measure on the machine itself, or pin virtual CPUs to physical ones and give the host a real-time kernel.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: virtualised,
    },
    check! {
        id: "steal",
        title: "time stolen by the hypervisor",
        severity: HIGH,
        expected: "none",
        why: "while the hypervisor runs another machine, nothing runs on this one",
        remedy: "Give this virtual machine CPUs of its own, on the host.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: steal,
    },
    check! {
        id: "kernel-debug",
        title: "debugging options of the kernel",
        severity: HIGH,
        expected: "none of PROVE_LOCKING, LOCKDEP, KASAN, KCSAN, DEBUG_PREEMPT and similar options",
        why: "checks in every lock and allocation lengthen the stretches in which the kernel cannot be preempted",
        remedy: "Install a kernel without these debugging options.",
        commands: "",
        apply: Reboot,
        needs_root: true,
        run: kernel_debug,
    },
    check! {
        id: "tracing",
        title: "kernel tracing",
        severity: MEDIUM,
        expected: "the tracer nop, no events",
        why: "a tracer adds time to every function or event that it records",
        remedy: "Switch the tracer off.",
        commands: "echo nop > /sys/kernel/tracing/current_tracer\necho 0 > /sys/kernel/tracing/events/enable",
        apply: Now,
        needs_root: true,
        run: tracing,
    },
    check! {
        id: "watchdogs",
        title: "lockup detectors",
        severity: INFO,
        expected: "off on a controller",
        why: "they wake every CPU regularly, isolated ones as well, and the NMI detector takes a performance counter",
        remedy: "Switch them off if the machine has a hardware watchdog.",
        commands: "sysctl -w kernel.watchdog=0 kernel.nmi_watchdog=0",
        apply: WithThought,
        needs_root: true,
        run: watchdogs,
    },
    check! {
        id: "mitigations",
        title: "mitigations of processor vulnerabilities",
        severity: INFO,
        expected: "none in force on a closed controller",
        why: "they make each entry into the kernel more expensive, wake-ups included",
        remedy: "On a machine that runs trusted code only, measure with mitigations=off.",
        commands: "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&mitigations=off /' /etc/default/grub && update-grub",
        apply: Reboot,
        needs_root: true,
        run: mitigations,
    },
    check! {
        id: "kernel-warnings",
        title: "kernel warnings since boot",
        severity: INFO,
        expected: "none",
        why: "after a warning or an oops, the kernel is no longer in a tested state",
        remedy: "Read the kernel's log, and reboot.",
        commands: "dmesg --level=emerg,alert,crit,err,warn",
        apply: WithThought,
        needs_root: true,
        run: kernel_taint,
    },
];

/// The preemption model of a kernel without PREEMPT_RT.
enum Preemption {
    /// Real-time threads preempt kernel code except spinlocks, interrupts and softirqs. The lazy model differs for other
    /// threads only.
    Full,
    /// Kernel code runs until it checks for waiting threads.
    AtItsLeisure,
}

const FULL_PREEMPTION_COSTS: ByClass = [None, Some(Info), Some(Medium), Some(High)];

fn preemption(machine: &Machine) -> Outcome {
    match machine.is_preempt_rt() {
        None => return Outcome::unknown("neither /sys/kernel/realtime nor a kernel version can be read"),
        Some(true) => return Outcome::good("PREEMPT_RT"),
        Some(false) => {}
    }
    match preemption_model(machine) {
        None => Outcome::unknown("not PREEMPT_RT; the model cannot be read (/sys/kernel/debug needs root)"),
        Some((Preemption::Full, found)) => Outcome::bad(found).severity(FULL_PREEMPTION_COSTS),
        Some((Preemption::AtItsLeisure, found)) => Outcome::bad(found),
    }
}

/// The preemption model: the current one, the requested one, or the built-in one, in this order.
fn preemption_model(machine: &Machine) -> Option<(Preemption, String)> {
    let of = |name: &str, source: &str| {
        let model = match name {
            "full" | "lazy" => Preemption::Full,
            "voluntary" | "none" => Preemption::AtItsLeisure,
            _ => return None,
        };
        Some((model, format!("preemption: {name} ({source})")))
    };
    // `none voluntary (full) lazy`
    let now = machine.root.word("sys/kernel/debug/sched/preempt");
    let now = now.as_deref().and_then(|text| text.split_once('(')?.1.split_once(')')).map(|(name, _)| name);
    if let Some(model) = now.and_then(|name| of(name, "/sys/kernel/debug/sched/preempt")) {
        return Some(model);
    }
    if let Some(model) = machine.parameter("preempt").and_then(|name| of(name, "kernel command line")) {
        return Some(model);
    }
    let built = [
        ("CONFIG_PREEMPT_LAZY", "lazy"),
        ("CONFIG_PREEMPT", "full"),
        ("CONFIG_PREEMPT_VOLUNTARY", "voluntary"),
        ("CONFIG_PREEMPT_NONE", "none"),
    ];
    if let Some((_, name)) = built.iter().find(|(option, _)| machine.kernel_has(option) == Some(true)) {
        return of(name, "kernel configuration");
    }
    // A kernel that cannot change its model has it in its version.
    let version = machine.root.word("proc/sys/kernel/version").or_else(|| machine.root.word("proc/version"))?;
    let words: Vec<&str> = version.split_whitespace().collect();
    match () {
        () if words.contains(&"PREEMPT_DYNAMIC") => None,
        () if words.contains(&"PREEMPT") => of("full", "version"),
        () if machine.kernel_config().is_some() || words.contains(&"SMP") => {
            Some((Preemption::AtItsLeisure, "preemption: voluntary or none (version)".into()))
        }
        () => None,
    }
}

fn virtualised(machine: &Machine) -> Outcome {
    match machine.is_virtual() {
        None => Outcome::unknown("neither DMI nor CPU flags"),
        Some(false) => Outcome::good("no hypervisor"),
        Some(true) => {
            let product = machine.root.word("sys/class/dmi/id/product_name");
            Outcome::bad(product.map_or("a hypervisor".into(), |product| format!("a hypervisor: {}", shown(&product))))
        }
    }
}

/// The share of all time since boot that the hypervisor took, in thousandths of a percent.
const STEAL_HIGH: u64 = 100;

/// The stolen time since boot and all time, in ticks of usually 10 ms, of the chosen CPU or of all CPUs.
fn stolen_of_all(machine: &Machine) -> Option<(u64, u64)> {
    let stat = machine.root.word("proc/stat")?;
    let line = machine.options.cpu.map_or("cpu".into(), |cpu| format!("cpu{cpu}"));
    let times = stat.lines().find_map(|text| {
        let mut words = text.split_whitespace();
        (words.next()? == line).then(|| words.map_while(|word| word.parse::<u64>().ok()).collect::<Vec<u64>>())
    })?;
    // user nice system idle iowait irq softirq steal; user and nice already include guest times.
    let times = times.first_chunk::<8>()?;
    Some((times[7], times.iter().fold(0u64, |sum, time| sum.saturating_add(*time))))
}

fn steal(machine: &Machine) -> Outcome {
    let Some((stolen, all)) = stolen_of_all(machine) else { return Outcome::unknown("no steal time in /proc/stat") };
    let share = (u128::from(stolen) * 100_000 / u128::from(all.max(1))) as u64;
    let found = format!("{}.{:03} % of the time since boot", share / 1000, share % 1000);
    match stolen {
        0 => Outcome::good("none since boot"),
        _ if share >= STEAL_HIGH => Outcome::bad(found),
        _ => Outcome::bad(found).severity(MEDIUM),
    }
}

/// The stolen time since boot, in ms.
pub fn stolen_ms(machine: &Machine) -> Option<u64> {
    Some(stolen_of_all(machine)?.0.saturating_mul(1000) / clock::accounting_ticks_per_second()?)
}

/// Options of kernels that are built for finding errors; the first four lengthen critical sections by themselves.
const DEBUG_OPTIONS: [&str; 10] = [
    "CONFIG_PROVE_LOCKING",
    "CONFIG_LOCKDEP",
    "CONFIG_KASAN",
    "CONFIG_KCSAN",
    "CONFIG_DEBUG_PREEMPT",
    "CONFIG_DEBUG_OBJECTS",
    "CONFIG_DEBUG_ATOMIC_SLEEP",
    "CONFIG_SLUB_DEBUG_ON",
    "CONFIG_DEBUG_PAGEALLOC_ENABLE_DEFAULT",
    "CONFIG_DEBUG_KMEMLEAK",
];
const WORST_DEBUG_OPTIONS: usize = 4;

fn kernel_debug(machine: &Machine) -> Outcome {
    if machine.kernel_config().is_none() {
        return Outcome::unknown("no /proc/config.gz and no configuration in /boot").severity(MEDIUM);
    }
    let on = |options: &[&str]| -> Vec<String> {
        let on = options.iter().filter(|option| machine.kernel_has(option) == Some(true));
        on.map(|option| option.trim_start_matches("CONFIG_").to_owned()).collect()
    };
    let all = on(&DEBUG_OPTIONS);
    match (all.is_empty(), on(&DEBUG_OPTIONS[..WORST_DEBUG_OPTIONS]).is_empty()) {
        (true, _) => Outcome::good("none of them"),
        (false, true) => Outcome::bad(all.join(", ")).severity(MEDIUM),
        (false, false) => Outcome::bad(all.join(", ")),
    }
}

fn tracing(machine: &Machine) -> Outcome {
    let folders = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];
    let Some(tracer) = folders.iter().find_map(|folder| machine.root.word(&format!("{folder}/current_tracer"))) else {
        return Outcome::unknown("/sys/kernel/tracing cannot be read (it needs root)");
    };
    let events = folders.iter().find_map(|folder| machine.root.word(&format!("{folder}/events/enable")));
    match (tracer.as_str(), events.as_deref()) {
        ("nop", None | Some("0")) => Outcome::good("no tracer"),
        ("nop", Some(_)) => Outcome::bad("trace events are on").severity(INFO),
        _ => Outcome::bad(format!("the tracer {}", shown(&tracer))),
    }
}

fn watchdogs(machine: &Machine) -> Outcome {
    let value = |name: &str| machine.root.number::<u32>(&format!("proc/sys/kernel/{name}"));
    let on: Vec<&str> = ["watchdog", "nmi_watchdog"].into_iter().filter(|name| value(name).is_some_and(|v| v != 0)).collect();
    match (value("watchdog"), value("nmi_watchdog"), on.as_slice()) {
        (None, None, _) => Outcome::unknown("no /proc/sys/kernel/watchdog"),
        (_, _, []) => Outcome::good("off"),
        _ => Outcome::bad(format!("on: {}", on.join(", "))),
    }
}

fn mitigations(machine: &Machine) -> Outcome {
    const FOLDER: &str = "sys/devices/system/cpu/vulnerabilities";
    let names = machine.root.names(FOLDER);
    let text = |name: &String| machine.root.word(&format!("{FOLDER}/{name}")).unwrap_or_default();
    let on: Vec<&String> = names.iter().filter(|name| text(name).starts_with("Mitigation")).collect();
    match (names.len(), on.len()) {
        (0, _) => Outcome::unknown("no /sys/devices/system/cpu/vulnerabilities"),
        (_, 0) => Outcome::good("none in force"),
        (_, number) => Outcome::bad(format!("{} in force", count(number, "mitigation"))),
    }
}

/// Checks that interrupt handlers are threads with priorities, which without PREEMPT_RT they are only if the command line says
/// so.
fn threaded_irqs(machine: &Machine) -> Outcome {
    match (machine.is_preempt_rt(), machine.command_line.as_deref()) {
        (Some(true), _) => Outcome::good("PREEMPT_RT: all handlers are threads"),
        (_, None) => Outcome::unknown("no /proc/cmdline"),
        (_, Some(line)) if line.split_whitespace().any(|word| word == "threadirqs") => Outcome::good("threadirqs"),
        (None, _) => Outcome::unknown("no kernel version"),
        _ => Outcome::bad("handlers run in interrupt context").severity(AUDIO_INFO_CONTROL_MEDIUM),
    }
}

/// Checks the kernel's flags for warnings and errors since boot.
fn kernel_taint(machine: &Machine) -> Outcome {
    const OOPS: u64 = 1 << 7;
    const WARNING: u64 = 1 << 9;
    const SOFT_LOCKUP: u64 = 1 << 14;
    match machine.root.number::<u64>("proc/sys/kernel/tainted") {
        None => Outcome::unknown("no /proc/sys/kernel/tainted"),
        Some(bits) if bits & (OOPS | SOFT_LOCKUP) != 0 => Outcome::bad("an oops or a soft lockup since boot").severity(HIGH),
        Some(bits) if bits & WARNING != 0 => Outcome::bad("a kernel warning since boot"),
        Some(_) => Outcome::good("no warning since boot"),
    }
}
