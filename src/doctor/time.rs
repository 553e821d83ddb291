//! Checks of clocks and timers.

use super::machine::Machine;
use super::parse::shown;
use super::severity::{HIGH, INFO};
use super::table::{Check, check};
use super::{Apply::*, Outcome};
use crate::sys::clock;

pub const CHECKS: &[Check] = &[
    check! {
        id: "clocksource",
        title: "clock source",
        severity: HIGH,
        expected: "one that is read in user space: tsc, arch_sys_counter, kvm-clock",
        why: "with any other, each reading of the clock is a slow system call",
        remedy: "Look in the kernel's log why the kernel rejected tsc; if it is sound, boot with clocksource=tsc tsc=reliable.",
        commands: "dmesg | grep -i clocksource",
        apply: WithThought,
        needs_root: true,
        run: clocksource,
    },
    check! {
        id: "counter",
        title: "invariant counter",
        severity: INFO,
        expected: "constant_tsc and nonstop_tsc",
        why: "without it the library times calls with CLOCK_MONOTONIC, which costs more than a call",
        remedy: "In a virtual machine, pass it through (invtsc); on old processors there is no remedy.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: counter,
    },
    check! {
        id: "timer-resolution",
        title: "resolution of timers",
        severity: HIGH,
        expected: "1 ns",
        why: "without high-resolution timers a sleep ends with the next tick, up to 10 ms late",
        remedy: "Use a kernel with CONFIG_HIGH_RES_TIMERS, without highres=off.",
        commands: "",
        apply: Reboot,
        needs_root: true,
        run: timer_resolution,
    },
    check! {
        id: "timer-slack",
        title: "timer slack",
        severity: INFO,
        expected: "at most 1000 ns, or real-time scheduling",
        why: "sleeps of ordinary threads may end late by this time",
        remedy: "Call prctl(PR_SET_TIMERSLACK, 1) in helper threads that keep time.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: timer_slack,
    },
];

/// Clock sources that user space reads without a system call.
const QUICK_SOURCES: [&str; 6] =
    ["tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page", "riscv_clocksource", "stp"];

fn clocksource(machine: &Machine) -> Outcome {
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    match machine.root.word(&format!("{FOLDER}/current_clocksource")) {
        None => Outcome::unknown("no current_clocksource in /sys"),
        Some(source) => Outcome::good_if(QUICK_SOURCES.contains(&source.as_str()), shown(&source)),
    }
}

/// Checks the counter that the library's own clock uses.
fn counter(machine: &Machine) -> Outcome {
    let Some(flags) = machine.cpu_flags() else { return Outcome::unknown("no CPU flags in /proc/cpuinfo") };
    // On aarch64 the architecture guarantees it, and the kernel does not show it.
    if !flags.contains(&"tsc") {
        return Outcome::good("the architecture's counter");
    }
    let missing: Vec<&str> = ["constant_tsc", "nonstop_tsc"].into_iter().filter(|flag| !flags.contains(flag)).collect();
    match missing.is_empty() {
        true => Outcome::good("constant_tsc, nonstop_tsc"),
        false => Outcome::bad(format!("the time-stamp counter lacks {}", missing.join(", "))),
    }
}

/// Checks for high-resolution timers: with them a sleep ends to the nanosecond, without them at the next tick.
fn timer_resolution(machine: &Machine) -> Outcome {
    let resolution_ns = match machine.is_live() {
        true => clock::resolution_ns(),
        false => resolution_told(machine),
    };
    match resolution_ns {
        None => Outcome::unknown("the resolution cannot be read"),
        Some(1) => Outcome::good("1 ns"),
        Some(ns) => Outcome::bad(format!("{ns} ns")),
    }
}

/// `  .resolution: 1 nsecs`
fn resolution_told(machine: &Machine) -> Option<u64> {
    let list = machine.root.word("proc/timer_list")?;
    let value = list.lines().find_map(|line| line.trim().strip_prefix(".resolution:"))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Sleeps of ordinary threads may end late by this time, so that the kernel can combine wake-ups.
const SLACK_NS: u64 = 1_000;

fn timer_slack(machine: &Machine) -> Outcome {
    match machine.own_task() {
        None => return Outcome::unknown("no /proc/thread-self/stat"),
        Some(task) if task.is_real_time() => return Outcome::good("no effect with real-time scheduling"),
        Some(_) => {}
    }
    match machine.root.number::<u64>("proc/self/timerslack_ns") {
        None => Outcome::unknown("no /proc/self/timerslack_ns"),
        Some(ns) => Outcome::good_if(ns <= SLACK_NS, format!("{ns} ns")),
    }
}
