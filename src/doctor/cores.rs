//! Checks of the cores: how deeply they sleep, what they share, and who else may use them.

use super::machine::Machine;
use super::parse::{CpuList, shown};
use super::severity::{AUDIO_INFO_CONTROL_MEDIUM, AUDIO_MEDIUM_CONTROL_HIGH, INFO, MEDIUM, MEDIUM_BUT_FOR_LONG_BLOCKS};
use super::table::{Check, check};
use super::{Apply::*, Class, Outcome, Severity::*};

pub const CHECKS: &[Check] = &[
    check! {
        id: "idle-states",
        title: "idle states",
        severity: AUDIO_MEDIUM_CONTROL_HIGH,
        expected: "no state that takes more than 10 % of the period to wake up from",
        why: "a processor that sleeps deeply delays every wake-up by the time that it needs to leave the state",
        remedy: "Write the latency that you accept, in us, or 0 to /dev/cpu_dma_latency, and keep it open; or switch deep states off.",
        commands: "for state in /sys/devices/system/cpu/cpu*/cpuidle/state*; do \
                   [ \"$(cat \"$state/latency\")\" -le 10 ] || echo 1 > \"$state/disable\"; done",
        apply: Now,
        needs_root: true,
        run: idle_states,
    },
    check! {
        id: "smt",
        title: "second threads of cores",
        severity: MEDIUM_BUT_FOR_LONG_BLOCKS,
        expected: "off, or the sibling isolated",
        why: "the other thread on the core takes half of its units and caches, and none of the kernel's figures shows it",
        remedy: "Switch them off, or keep other threads off the sibling.",
        commands: "echo off > /sys/devices/system/cpu/smt/control",
        apply: WithThought,
        needs_root: true,
        run: smt,
    },
    check! {
        id: "core-type",
        title: "kind of core",
        severity: MEDIUM,
        expected: "the fastest kind of this machine",
        why: "on a slower core the same call takes longer; a thread that moves between kinds has two sets of times",
        remedy: "Choose one of the fast CPUs (--cpu, cpu_set).",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: core_type,
    },
    check! {
        id: "affinity",
        title: "CPUs that the thread may use",
        severity: AUDIO_INFO_CONTROL_MEDIUM,
        expected: "one",
        why: "a thread that moves to another CPU finds cold caches there",
        remedy: "Pin the thread: cpu_set of the runtime, or taskset.",
        commands: "taskset --cpu-list N COMMAND",
        apply: WithThought,
        needs_root: false,
        run: affinity,
    },
    check! {
        id: "isolation",
        title: "isolated CPUs",
        severity: AUDIO_INFO_CONTROL_MEDIUM,
        expected: "the thread's CPU is isolated",
        why: "on other CPUs the scheduler moves threads, and the kernel runs work of other processes",
        remedy: "Boot with isolcpus=managed_irq,domain,N irqaffinity=0 rcu_nocbs=N.",
        commands: "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&isolcpus=managed_irq,domain,N irqaffinity=0 rcu_nocbs=N /' /etc/default/grub && update-grub",
        apply: Reboot,
        needs_root: true,
        run: isolation,
    },
    check! {
        id: "timer-tick",
        title: "timer tick",
        severity: INFO,
        expected: "none on the thread's CPU (nohz_full), if calls last for milliseconds",
        why: "the tick interrupts every few milliseconds; for short calls nohz_full costs more than it saves",
        remedy: "Boot with nohz_full=N for a thread that computes for long.",
        commands: "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&nohz_full=N /' /etc/default/grub && update-grub",
        apply: Reboot,
        needs_root: true,
        run: timer_tick,
    },
];

/// The outcome for facts that a hypervisor hides.
pub(super) fn hidden(machine: &Machine, what: &str) -> Outcome {
    match (machine.root.exists("sys/devices/system/cpu/cpu0"), machine.is_virtual()) {
        (false, _) => Outcome::unknown("no /sys/devices/system/cpu"),
        (true, Some(false)) => Outcome::good(format!("the kernel controls no {what} here")),
        (true, _) => Outcome::unknown(format!("{what} cannot be read inside a virtual machine")),
    }
}

/// The share of the period that waking from an idle state may take.
const EXIT_LATENCY_PERCENT: u64 = 10;

fn idle_states(machine: &Machine) -> Outcome {
    if machine.parameter("idle") == Some("poll") {
        return Outcome::good("idle=poll: the processor does not sleep");
    }
    // A value that a process holds open keeps the kernel out of deeper states.
    let held_us = machine.root.device_i32("dev/cpu_dma_latency").and_then(|us| u64::try_from(us).ok());
    let mut deepest: Option<(u64, usize, String)> = None;
    let mut seen = 0;
    for (cpu, folder) in machine.cpu_folders() {
        for (_, state) in machine.root.numbered(&format!("{folder}/cpuidle"), "state") {
            let Some(latency_us) = machine.root.number::<u64>(&format!("{state}/latency")) else { continue };
            seen += 1;
            let disabled = machine.root.number::<u64>(&format!("{state}/disable")).is_some_and(|value| value != 0);
            if !disabled
                && held_us.is_none_or(|held| latency_us <= held)
                && deepest.as_ref().is_none_or(|(us, ..)| latency_us > *us)
            {
                deepest = Some((latency_us, cpu, state));
            }
        }
    }
    let Some((latency_us, cpu, state)) = deepest else {
        return if seen > 0 { Outcome::good("all are off") } else { hidden(machine, "idle states") };
    };
    let name = machine.root.word(&format!("{state}/name")).map_or("the deepest".into(), |name| shown(&name));
    let judge = |class: Class, period_ns: u64| match latency_us.saturating_mul(1000) > period_ns / 100 * EXIT_LATENCY_PERCENT {
        false => None,
        true if matches!(class, Class::Audio128 | Class::Audio32) => Some(Medium),
        true => Some(High),
    };
    Outcome::bad(format!("{name} on CPU {cpu} needs {latency_us} us to wake up")).severity(machine.by_period(judge))
}

fn smt(machine: &Machine) -> Outcome {
    match machine.root.word("sys/devices/system/cpu/smt/active").as_deref() {
        Some("0") => return Outcome::good("off"),
        Some("1") => {}
        Some(_) => return Outcome::unknown("/sys/devices/system/cpu/smt/active is not understood"),
        None => return hidden(machine, "second threads of cores"),
    }
    let isolated = machine.isolated_cpus().unwrap_or(CpuList::EMPTY);
    let mut shared = CpuList::EMPTY;
    for (cpu, folder) in machine.cpu_folders() {
        let siblings = machine.root.word(&format!("{folder}/topology/thread_siblings_list"));
        let siblings = siblings.and_then(|text| CpuList::parse(&text)).unwrap_or(CpuList::EMPTY);
        if siblings.iter().any(|sibling| sibling != cpu && !isolated.contains(sibling)) {
            shared.insert(cpu);
        }
    }
    match shared.is_empty() {
        true => Outcome::good("on; the thread's core has no other CPU, or an isolated one"),
        false => Outcome::bad(format!("on: CPU {shared} share their cores with other CPUs")),
    }
}

fn affinity(machine: &Machine) -> Outcome {
    if let Some(cpu) = machine.options.cpu {
        return match (machine.online_cpus(), machine.allowed_cpus()) {
            (Some(online), _) if !online.contains(cpu) => {
                Outcome::bad(format!("CPU {cpu} is not online")).severity([Some(Fatal); 4])
            }
            (_, Some(allowed)) if !allowed.contains(cpu) => {
                Outcome::bad(format!("CPU {cpu} was chosen, but this process may use only CPU {allowed}"))
                    .severity([Some(High); 4])
            }
            (None, None) => Outcome::unknown("no /sys/devices/system/cpu/online"),
            _ => Outcome::good(format!("CPU {cpu}, as chosen")),
        };
    }
    match machine.allowed_cpus() {
        None => Outcome::unknown("no Cpus_allowed_list in /proc/self/status"),
        Some(cpus) if cpus.single().is_some() => Outcome::good(format!("CPU {cpus}")),
        Some(cpus) => {
            let severity = if machine.options.thread { AUDIO_INFO_CONTROL_MEDIUM } else { INFO };
            Outcome::bad(format!("CPU {cpus}")).severity(severity)
        }
    }
}

fn isolation(machine: &Machine) -> Outcome {
    let Some(isolated) = machine.isolated_cpus() else { return Outcome::unknown("no /sys/devices/system/cpu/isolated") };
    let Some(cpus) = machine.cpus() else { return Outcome::unknown("the CPUs of this thread are not known") };
    match (isolated.is_empty(), cpus.is_subset(&isolated)) {
        (true, _) if machine.online_cpus().is_some_and(|online| online.single().is_some()) => {
            Outcome::skipped("the only CPU of a machine cannot be isolated")
        }
        (true, _) => Outcome::bad("no CPU is isolated"),
        (false, true) => Outcome::good(format!("CPU {cpus}")),
        (false, false) => Outcome::bad(format!("CPU {isolated} is isolated, but the thread may run on CPU {cpus}")),
    }
}

/// Checks that the chosen CPU is not one of the slower kinds.
fn core_type(machine: &Machine) -> Outcome {
    let capacities: Vec<(usize, u64)> = machine
        .root
        .numbered("sys/devices/system/cpu", "cpu")
        .into_iter()
        .filter_map(|(cpu, folder)| {
            let frequency = || machine.root.number(&format!("{folder}/cpufreq/cpuinfo_max_freq"));
            Some((cpu, machine.root.number(&format!("{folder}/cpu_capacity")).or_else(frequency)?))
        })
        .collect();
    let Some(best) = capacities.iter().map(|(_, capacity)| *capacity).max() else {
        return Outcome::skipped("the kernel does not report how fast each CPU is");
    };
    let allowed = machine.cpus().unwrap_or(CpuList::EMPTY);
    let mut slow = CpuList::EMPTY;
    for (cpu, capacity) in capacities {
        // Turbo limits differ by some percent between the best and the other cores of one kind.
        if allowed.contains(cpu) && capacity < best / 4 * 3 {
            slow.insert(cpu);
        }
    }
    match slow.is_empty() {
        true => Outcome::good("the thread's CPUs are of the fastest kind"),
        false => Outcome::bad(format!("CPU {slow} are slower")).severity(MEDIUM),
    }
}

/// Checks for the tick, which matters if the thread computes for longer than its few milliseconds.
fn timer_tick(machine: &Machine) -> Outcome {
    let Some(cpu) = machine.own_cpu() else { return Outcome::skipped("no CPU chosen") };
    match machine.root.text("sys/devices/system/cpu/nohz_full") {
        None => Outcome::unknown("no /sys/devices/system/cpu/nohz_full"),
        Some(text) => match CpuList::parse(&text) {
            Some(cpus) if cpus.contains(cpu) => Outcome::good(format!("CPU {cpu} runs without it")),
            // The file holds `(null)` if the kernel supports nohz_full and the command line does not set it.
            _ => Outcome::bad(format!("CPU {cpu} has it")),
        },
    }
}
