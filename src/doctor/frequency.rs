//! Checks of the processor's frequency: what sets it, and how far it may vary.

use super::cores::hidden;
use super::machine::Machine;
use super::parse::{CpuList, shown};
use super::severity::{HIGH_BUT_FOR_LONG_BLOCKS, INFO, MEDIUM_BUT_FOR_LONG_BLOCKS};
use super::table::{Check, check};
use super::{Apply::*, Outcome};

pub const CHECKS: &[Check] = &[
    check! {
        id: "governor",
        title: "frequency governor",
        severity: HIGH_BUT_FOR_LONG_BLOCKS,
        expected: "performance, or a fixed frequency",
        why: "a governor that follows the load reacts late: a call after a pause runs at the lowest frequency",
        remedy: "Set the governor to performance.",
        commands: "for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance > \"$file\"; done",
        apply: Now,
        needs_root: true,
        run: governor,
    },
    check! {
        id: "energy-preference",
        title: "energy preference",
        severity: MEDIUM_BUT_FOR_LONG_BLOCKS,
        expected: "performance or balance_performance",
        why: "the processor's own governor holds frequencies down to save energy",
        remedy: "Set the preference to performance.",
        commands: "for file in /sys/devices/system/cpu/cpu*/cpufreq/energy_performance_preference; do echo performance > \"$file\"; done",
        apply: Now,
        needs_root: true,
        run: energy_preference,
    },
    check! {
        id: "frequency-range",
        title: "range of frequencies",
        severity: INFO,
        expected: "minimum and maximum equal, turbo off",
        why: "if the frequency changes, measurements of different minutes cannot be compared",
        remedy: "Fix the frequency while you measure.",
        commands: "cpupower frequency-set --min 2GHz --max 2GHz  # a frequency that the processor can sustain",
        apply: WithThought,
        needs_root: true,
        run: frequency_range,
    },
];

fn governor(machine: &Machine) -> Outcome {
    let mut others: Vec<String> = Vec::new();
    let (mut slow, mut seen) = (CpuList::EMPTY, 0);
    for (cpu, folder) in machine.cpu_folders() {
        let read = |name: &str| machine.root.word(&format!("{folder}/cpufreq/{name}"));
        let Some(governor) = read("scaling_governor") else { continue };
        seen += 1;
        let fixed = read("scaling_min_freq").is_some_and(|min| read("scaling_max_freq") == Some(min));
        if governor != "performance" && !fixed {
            slow.insert(cpu);
            let name = shown(&governor);
            if !others.contains(&name) {
                others.push(name);
            }
        }
    }
    match (seen, slow.is_empty()) {
        (0, _) => hidden(machine, "processor frequency"),
        (_, true) => Outcome::good("performance, or a fixed frequency"),
        (_, false) => Outcome::bad(format!("{} on CPU {slow}", others.join(", "))),
    }
}

fn energy_preference(machine: &Machine) -> Outcome {
    let mut thrifty = CpuList::EMPTY;
    let mut seen = Vec::new();
    for (cpu, folder) in machine.cpu_folders() {
        let Some(preference) = machine.root.word(&format!("{folder}/cpufreq/energy_performance_preference")) else { continue };
        if !matches!(preference.as_str(), "performance" | "balance_performance" | "0") {
            thrifty.insert(cpu);
        }
        seen.push(preference);
    }
    match (seen.first(), thrifty.is_empty()) {
        (None, _) => Outcome::skipped("this processor has none, or its driver does not show it"),
        (Some(preference), true) => Outcome::good(shown(preference)),
        (Some(_), false) => Outcome::bad(format!("saves energy on CPU {thrifty}")),
    }
}

fn frequency_range(machine: &Machine) -> Outcome {
    let mut open = CpuList::EMPTY;
    let (mut range, mut seen) = (None, 0);
    for (cpu, folder) in machine.cpu_folders() {
        let read = |name: &str| machine.root.number::<u64>(&format!("{folder}/cpufreq/{name}"));
        let (Some(min), Some(max)) = (read("scaling_min_freq"), read("scaling_max_freq")) else { continue };
        seen += 1;
        if min != max {
            open.insert(cpu);
            range = Some((min / 1000, max / 1000));
        }
    }
    let no_turbo = machine.root.number::<u32>("sys/devices/system/cpu/intel_pstate/no_turbo").map(|off| off == 0);
    let turbo = no_turbo.or_else(|| machine.root.number::<u32>("sys/devices/system/cpu/cpufreq/boost").map(|on| on == 1));
    let turbo = if turbo == Some(true) { ", turbo on" } else { "" };
    match (seen, range) {
        (0, _) => Outcome { by_class: Some(INFO), ..hidden(machine, "processor frequency") },
        (_, None) => Outcome::good_if(turbo.is_empty(), format!("fixed{turbo}")),
        (_, Some((min, max))) => Outcome::bad(format!("{min} to {max} MHz on CPU {open}{turbo}")),
    }
}
