//! Checks of the processor that the real-time thread runs on: its speed, its idle states, and its other users.

use std::time::Duration;

use super::machine::Machine;
use super::measure;
use super::parse::{CpuList, count, shown};
use super::severity::{
    AUDIO_INFO_CONTROL_MEDIUM, AUDIO_MEDIUM_CONTROL_HIGH, HIGH_BUT_FOR_LONG_BLOCKS, INFO, MEDIUM, MEDIUM_BUT_FOR_LONG_BLOCKS,
};
use super::table::Check;
use super::{Apply::*, Class, Outcome, Severity::*};

pub const CHECKS: &[Check] = &[
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
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
    Check {
        id: "thermal",
        title: "throttling by temperature or power",
        severity: MEDIUM,
        expected: "not throttled, no zone within 5 degrees of its limit",
        why: "a throttled processor takes longer for the same call",
        remedy: "Improve cooling or the power supply, or cap the frequency below where it throttles.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: thermal,
    },
];

/// The outcome for facts that a hypervisor hides.
fn hidden(machine: &Machine, what: &str) -> Outcome {
    match (machine.root.exists("sys/devices/system/cpu/cpu0"), machine.is_virtual()) {
        (false, _) => Outcome::unknown("no /sys/devices/system/cpu"),
        (true, Some(false)) => Outcome::good(format!("the kernel controls no {what} here")),
        (true, _) => Outcome::unknown(format!("{what} cannot be read inside a virtual machine")),
    }
}

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

/// The meaning of the bits of `get_throttled`: the firmware records if a board was too hot or had too little power.
const BOARD_THROTTLED: [(u32, &str); 8] = [
    (1 << 0, "under-voltage now"),
    (1 << 1, "frequency capped now"),
    (1 << 2, "throttled now"),
    (1 << 3, "soft temperature limit now"),
    (1 << 16, "under-voltage since boot"),
    (1 << 17, "frequency capped since boot"),
    (1 << 18, "throttled since boot"),
    (1 << 19, "soft temperature limit since boot"),
];

/// A zone this close to the temperature at which the kernel slows the machine down is hot, in thousandths of a degree.
const NEAR_TRIP_MILLIDEGREES: i64 = 5_000;

fn thermal(machine: &Machine) -> Outcome {
    let counts: Vec<u64> = machine
        .cpu_folders()
        .iter()
        .flat_map(|(_, folder)| ["core", "package"].map(|what| format!("{folder}/thermal_throttle/{what}_throttle_count")))
        .filter_map(|file| machine.root.number(&file))
        .collect();
    let throttled = counts.iter().copied().max();
    let zones = machine.root.numbered("sys/class/thermal", "thermal_zone");
    let temperatures: Vec<(i64, bool)> = zones
        .iter()
        .filter_map(|(_, zone)| {
            let temperature = machine.root.number(&format!("{zone}/temp"))?;
            let trip = slowing_trip(machine, zone);
            Some((temperature, trip.is_some_and(|trip| temperature >= trip - NEAR_TRIP_MILLIDEGREES)))
        })
        .collect();
    let board = board_throttled(machine);
    if throttled.is_none() && temperatures.is_empty() && board.is_none() {
        return Outcome::unknown("no throttle counts and no temperatures");
    }
    let mut trouble = Vec::new();
    if let Some(times) = throttled.filter(|times| *times > 0) {
        trouble.push(format!("throttled {} since boot", count(times as usize, "time")));
    }
    if let Some((hot, _)) = temperatures.iter().find(|(_, near)| *near) {
        trouble.push(format!("{} degrees, near the limit", hot / 1000));
    }
    trouble.extend(board.unwrap_or_default());
    let hottest = temperatures.iter().map(|(temperature, _)| *temperature).max();
    match trouble.is_empty() {
        true => Outcome::good(match hottest {
            Some(hottest) => format!("not throttled, hottest zone at {} degrees", hottest / 1000),
            None => "not throttled".into(),
        }),
        false => Outcome::bad(trouble.join(", ")),
    }
}

/// The lowest temperature at which the kernel slows down or switches off.
fn slowing_trip(machine: &Machine, zone: &str) -> Option<i64> {
    let trips = (0..16).map_while(|n| Some((machine.root.word(&format!("{zone}/trip_point_{n}_type"))?, n)));
    trips
        .filter(|(kind, _)| matches!(kind.as_str(), "passive" | "hot" | "critical"))
        .filter_map(|(_, n)| machine.root.number(&format!("{zone}/trip_point_{n}_temp")))
        .filter(|trip: &i64| *trip > 0)
        .min()
}

fn board_throttled(machine: &Machine) -> Option<Vec<String>> {
    let text = machine.root.word("sys/devices/platform/soc/soc:firmware/get_throttled")?;
    let bits = u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
    let set = BOARD_THROTTLED.iter().filter(|(bit, _)| bits & bit != 0);
    Some(set.map(|(_, meaning)| meaning.to_string()).collect())
}
