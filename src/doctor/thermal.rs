//! Checks of the processor's temperature, and what it does about it.

use super::machine::Machine;
use super::parse::count;
use super::severity::MEDIUM;
use super::table::{Check, check};
use super::{Apply::*, Outcome};

pub const CHECKS: &[Check] = &[check! {
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
}];

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
