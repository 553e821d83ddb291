//! Checks of the kernel itself: how it preempts, whether it is a guest of another, what it does beside its work.

use super::machine::Machine;
use super::parse::{self, count, shown};
use super::table::{AUDIO_INFO_CONTROL_MEDIUM, HIGH, INFO, MEDIUM};
use super::{ByClass, Outcome, Severity::*};

/// How a kernel without PREEMPT_RT preempts.
enum Preemption {
    /// Real-time threads preempt kernel code, but for spinlocks, interrupts and softirqs. The lazy model differs for others only.
    Full,
    /// Kernel code runs until it asks itself whether somebody waits.
    AtItsLeisure,
}

const FULL_PREEMPTION_COSTS: ByClass = [None, Some(Info), Some(Medium), Some(High)];

pub fn preemption(machine: &Machine) -> Outcome {
    match machine.is_preempt_rt() {
        None => return Outcome::unknown("neither /sys/kernel/realtime nor a version"),
        Some(true) => return Outcome::good("PREEMPT_RT"),
        Some(false) => {}
    }
    match preemption_model(machine) {
        None => Outcome::unknown("not PREEMPT_RT; which other model cannot be read (/sys/kernel/debug takes root)"),
        Some((Preemption::Full, found)) => Outcome::bad(found).severity(FULL_PREEMPTION_COSTS),
        Some((Preemption::AtItsLeisure, found)) => Outcome::bad(found),
    }
}

/// The model in force: as it is now, as it was asked for, as it was built, in this order.
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

pub fn virtualised(machine: &Machine) -> Outcome {
    match machine.is_virtual() {
        None => Outcome::unknown("neither DMI nor CPU flags"),
        Some(false) => Outcome::good("no hypervisor"),
        Some(true) => {
            let product = machine.root.word("sys/class/dmi/id/product_name");
            Outcome::bad(product.map_or("a hypervisor".into(), |product| format!("a hypervisor: {}", shown(&product))))
        }
    }
}

/// Time that the hypervisor gave to others, as a share of all since boot.
const STEAL_HIGH_PERCENT: f64 = 0.1;

pub fn steal(machine: &Machine) -> Outcome {
    let Some(stat) = machine.root.word("proc/stat") else { return Outcome::unknown("no /proc/stat") };
    let line = machine.options.cpu.map_or("cpu".into(), |cpu| format!("cpu{cpu}"));
    let times = stat.lines().find_map(|text| {
        let mut words = text.split_whitespace();
        (words.next()? == line).then(|| words.map_while(|word| word.parse::<u64>().ok()).collect::<Vec<u64>>())
    });
    // user nice system idle iowait irq softirq steal; guest times are in user's and nice's already
    let Some([user, nice, system, idle, iowait, irq, softirq, steal]) =
        times.and_then(|times| times.first_chunk::<8>().copied())
    else {
        return Outcome::unknown(format!("no steal time of {line} in /proc/stat"));
    };
    let total =
        [user, nice, system, idle, iowait, irq, softirq, steal].iter().fold(0u64, |sum, time| sum.saturating_add(*time));
    let percent = 100.0 * steal as f64 / total.max(1) as f64;
    let found = format!("{percent:.3} % of the time since boot");
    match steal {
        0 => Outcome::good("none since boot"),
        _ if percent >= STEAL_HIGH_PERCENT => Outcome::bad(found),
        _ => Outcome::bad(found).severity(MEDIUM),
    }
}

/// Options of a kernel that is built for finding errors; the first four make critical sections longer by themselves.
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

pub fn kernel_debug(machine: &Machine) -> Outcome {
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

pub fn tracing(machine: &Machine) -> Outcome {
    let folders = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];
    let Some(tracer) = folders.iter().find_map(|folder| machine.root.word(&format!("{folder}/current_tracer"))) else {
        return Outcome::unknown("/sys/kernel/tracing cannot be read (it takes root)");
    };
    let events = folders.iter().find_map(|folder| machine.root.word(&format!("{folder}/events/enable")));
    match (tracer.as_str(), events.as_deref()) {
        ("nop", None | Some("0")) => Outcome::good("no tracer"),
        ("nop", Some(_)) => Outcome::bad("trace events are on").severity(INFO),
        _ => Outcome::bad(format!("the tracer {}", shown(&tracer))),
    }
}

pub fn watchdogs(machine: &Machine) -> Outcome {
    let value = |name: &str| machine.root.number::<u32>(&format!("proc/sys/kernel/{name}"));
    let on: Vec<&str> = ["watchdog", "nmi_watchdog"].into_iter().filter(|name| value(name).is_some_and(|v| v != 0)).collect();
    match (value("watchdog"), value("nmi_watchdog"), on.as_slice()) {
        (None, None, _) => Outcome::unknown("no /proc/sys/kernel/watchdog"),
        (_, _, []) => Outcome::good("off"),
        _ => Outcome::bad(format!("on: {}", on.join(", "))),
    }
}

pub fn mitigations(machine: &Machine) -> Outcome {
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

/// A share of the last ten seconds in which something waited; below it is ordinary housekeeping.
const PRESSURE_PERCENT: f64 = 1.0;

pub fn memory_pressure(machine: &Machine) -> Outcome {
    let read = |what: &str| parse::pressure_percent(&machine.root.word(&format!("proc/pressure/{what}"))?, "some");
    match (read("memory"), read("io")) {
        (None, _) => Outcome::unknown("no /proc/pressure/memory"),
        (Some(memory), io) => {
            let found =
                format!("something waited for memory {memory:.1} %, for I/O {:.1} % of the last 10 s", io.unwrap_or(0.0));
            Outcome::good_if(memory < PRESSURE_PERCENT, found)
        }
    }
}

/// The firmware's memory of a board that was too hot or had too little power: which bits of `get_throttled` mean what.
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

pub fn thermal(machine: &Machine) -> Outcome {
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

/// The lowest temperature from which the kernel slows down or switches off.
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

/// Interrupt handlers of a kernel without PREEMPT_RT are threads, with priorities, only where they are told to be.
pub fn threaded_irqs(machine: &Machine) -> Outcome {
    match (machine.is_preempt_rt(), machine.command_line.as_deref()) {
        (Some(true), _) => Outcome::good("PREEMPT_RT threads them all"),
        (_, None) => Outcome::unknown("no /proc/cmdline"),
        (_, Some(line)) if line.split_whitespace().any(|word| word == "threadirqs") => Outcome::good("threadirqs"),
        (None, _) => Outcome::unknown("no kernel version"),
        _ => Outcome::bad("handlers run in interrupt context").severity(AUDIO_INFO_CONTROL_MEDIUM),
    }
}

/// Preemption as the only thing that is asked about where the real-time thread computes for long: a tick every few milliseconds.
pub fn timer_tick(machine: &Machine) -> Outcome {
    let Some(cpu) = machine.own_cpu() else { return Outcome::skipped("no CPU chosen") };
    match machine.root.text("sys/devices/system/cpu/nohz_full") {
        None => Outcome::unknown("no /sys/devices/system/cpu/nohz_full"),
        Some(text) => match parse::CpuList::parse(&text) {
            Some(cpus) if cpus.contains(cpu) => Outcome::good(format!("CPU {cpu} runs without it")),
            // `(null)` where the kernel could and was not told to.
            _ => Outcome::bad(format!("CPU {cpu} has it")),
        },
    }
}

/// All of the kernel's own flags that it is in trouble already: warnings and worse have been printed since boot.
pub fn kernel_taint(machine: &Machine) -> Outcome {
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
