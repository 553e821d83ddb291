//! Checks of device interrupts on the real-time thread's CPU.

use std::time::Duration;

use super::machine::Machine;
use super::measure;
use super::parse::{CpuList, count, shown};
use super::severity::AUDIO_INFO_CONTROL_MEDIUM;
use super::table::{Check, check};
use super::{Apply::*, Outcome};

pub const CHECKS: &[Check] = &[
    check! {
        id: "irqs",
        title: "device interrupts on the thread's CPU",
        severity: AUDIO_INFO_CONTROL_MEDIUM,
        expected: "none",
        why: "each interrupt takes microseconds, or tens of them, from the thread that runs",
        remedy: "Direct them to other CPUs.",
        commands: "",
        apply: Now,
        needs_root: true,
        run: irqs,
    },
    check! {
        id: "irqbalance",
        title: "irqbalance",
        severity: AUDIO_INFO_CONTROL_MEDIUM,
        expected: "not running, or banned from the thread's CPU",
        why: "irqbalance moves interrupts back to the CPUs that you kept free of them",
        remedy: "Stop it, or name the thread's CPU in IRQBALANCE_BANNED_CPULIST.",
        commands: "systemctl disable --now irqbalance",
        apply: WithThought,
        needs_root: true,
        run: irqbalance,
    },
];

const MAX_NAMED_IRQS: usize = 4;
/// The longest time for counting arrivals, if measuring is wanted.
const COUNTED_FOR: Duration = Duration::from_secs(1);

struct Interrupt {
    number: u32,
    name: String,
    taken: u64,
}

/// Interrupts of devices that have arrived on a CPU; interrupts of the timer and between processors have no number.
fn device_interrupts(machine: &Machine, cpu: usize) -> Option<Vec<Interrupt>> {
    let table = machine.root.word("proc/interrupts")?;
    let mut lines = table.lines();
    let column = lines.next()?.split_whitespace().position(|name| name == format!("CPU{cpu}"))?;
    let read = |line: &str| {
        let (number, rest) = line.split_once(':')?;
        let mut words = rest.split_whitespace();
        let taken = words.nth(column)?.parse().ok()?;
        let name = words.next_back().unwrap_or("").to_owned();
        Some(Interrupt { number: number.trim().parse().ok()?, name, taken })
    };
    // The legacy timer is routed there, and silent.
    Some(lines.filter_map(read).filter(|interrupt| interrupt.taken > 0 && interrupt.name != "timer").collect())
}

fn may_arrive(machine: &Machine, interrupt: &Interrupt, cpu: usize) -> bool {
    let read = |file: &str| CpuList::parse(&machine.root.word(&format!("proc/irq/{}/{file}", interrupt.number))?);
    let affinity = read("effective_affinity_list").or_else(|| read("smp_affinity_list"));
    affinity.is_none_or(|cpus| cpus.contains(cpu))
}

fn irqs(machine: &Machine) -> Outcome {
    let Some(cpu) = machine.own_cpu() else { return Outcome::skipped("no CPU chosen") };
    let Some(mut here) = device_interrupts(machine, cpu) else {
        return Outcome::unknown(format!("no /proc/interrupts, or no CPU {cpu} in it"));
    };
    here.retain(|interrupt| may_arrive(machine, interrupt, cpu));
    if here.is_empty() {
        return Outcome::good(format!("none arrives on CPU {cpu}"));
    }
    let names = here.iter().take(MAX_NAMED_IRQS).map(|one| format!("{} ({})", one.number, shown(&one.name)));
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if here.len() > MAX_NAMED_IRQS { ", ..." } else { "" };
    let arrived = arrivals(machine, cpu, &here).unwrap_or_default();
    let found = format!("{} on CPU {cpu}: {names}{more}{arrived}", count(here.len(), "device interrupt"));
    let elsewhere = machine.online_cpus().and_then(|online| online.iter().find(|other| *other != cpu));
    let commands = elsewhere.map(|other| {
        let line = |one: &Interrupt| format!("echo {other} > /proc/irq/{}/smp_affinity_list", one.number);
        here.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Outcome { commands, ..Outcome::bad(found) }
}

/// The number of interrupts that arrive during a wait, if measuring is wanted.
fn arrivals(machine: &Machine, cpu: usize, interrupts: &[Interrupt]) -> Option<String> {
    let time = machine.options.probe.filter(|_| machine.is_live())?.min(COUNTED_FOR);
    measure::rest(time);
    let now = device_interrupts(machine, cpu)?;
    let taken = |number: u32| now.iter().find(|one| one.number == number).map(|one| one.taken);
    let arrived: u64 = interrupts.iter().filter_map(|one| Some(taken(one.number)?.saturating_sub(one.taken))).sum();
    Some(format!("; {arrived} of them in {} ms", time.as_millis()))
}

fn irqbalance(machine: &Machine) -> Outcome {
    if machine.processes().is_empty() {
        return Outcome::unknown("no other process can be seen");
    }
    match machine.processes().iter().find(|(_, task)| task.name == "irqbalance") {
        Some((number, _)) => Outcome::bad(format!("running as process {number}")),
        None => Outcome::good("not running"),
    }
}
