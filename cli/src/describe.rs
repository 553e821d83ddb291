//! The description of a guest for audio or control, for `rtwasm inspect` and `rtwasm compile`.

use std::fmt::Write;

use rtwasm::artifact::guest::{Described, Guest, Param, flag, kind, param_flag};
use rtwasm::engine::artifact::{Opened, kind as section};
use rtwasm::status::Error;
use serde_json::{Map, Value, json};

use crate::args::plural;

/// Reads the description out of an artifact that has one.
pub fn read(artifact: &Opened<'_>) -> Result<Option<Guest>, Error> {
    let Some(entry) = artifact.find(section::GUEST, 0) else { return Ok(None) };
    Ok(Some(Described::new(&artifact.section(entry)?)?.whole()))
}

pub fn kind_name(guest: &Guest) -> &'static str {
    match guest.kind {
        kind::FAUST => "faust",
        kind::FAUST_DOUBLE => "faust-double",
        _ => "rtwasm",
    }
}

const FLAGS: [(u32, &str); 4] =
    [(flag::STATELESS, "stateless"), (flag::EVENTS, "events"), (flag::MIDI, "midi"), (flag::STATE, "state")];
const PARAM_FLAGS: [(u32, &str); 6] = [
    (param_flag::INTEGER, "integer"),
    (param_flag::TOGGLE, "toggle"),
    (param_flag::TRIGGER, "trigger"),
    (param_flag::LOGARITHMIC, "logarithmic"),
    (param_flag::NOT_AUTOMATABLE, "not-automatable"),
    (param_flag::HIDDEN, "hidden"),
];

fn names(flags: u32, all: &[(u32, &'static str)]) -> Vec<&'static str> {
    all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

fn meta(lines: &str) -> Map<String, Value> {
    lines.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

fn param_json(one: &Param) -> Value {
    json!({
        "id": one.id, "name": one.name, "unit": one.unit, "group": one.group,
        "min": one.min, "max": one.max, "default": one.default, "step": one.step,
        "labels": one.labels.lines().collect::<Vec<_>>(),
        "flags": names(one.flags, &PARAM_FLAGS),
        "meta": meta(&one.meta),
    })
}

pub fn to_json(guest: &Guest) -> Value {
    let ports = |outputs: bool| -> Vec<Value> {
        let ports = guest.ports.iter().filter(|port| port.is_output == outputs);
        ports.map(|port| json!({ "name": port.name, "channels": port.channels })).collect()
    };
    json!({
        "kind": kind_name(guest),
        "name": guest.name,
        "flags": names(guest.flags, &FLAGS),
        "inputs": ports(false),
        "outputs": ports(true),
        "parameters": guest.params.iter().map(param_json).collect::<Vec<_>>(),
        "meters": guest.meters.iter().map(param_json).collect::<Vec<_>>(),
        "latency": guest.latency_frames,
        "voices": guest.voices,
        "struct_bytes": guest.struct_bytes,
        "meta": meta(&guest.meta),
    })
}

/// In one line. Names come from the module, so a terminal gets them escaped.
pub fn summary(guest: &Guest) -> String {
    let what = match guest.kind {
        kind::FAUST => ", a program of Faust",
        kind::FAUST_DOUBLE => ", a program of Faust in double precision",
        _ => "",
    };
    let mut text = format!(
        "\"{}\"{what}: {} in, {} out, {}, {}",
        guest.name.escape_debug(),
        guest.channels(false),
        guest.channels(true),
        plural(guest.params.len() as u64, "parameter"),
        plural(guest.meters.len() as u64, "meter"),
    );
    for flag in names(guest.flags, &FLAGS) {
        write!(text, ", {flag}").expect("a string takes everything");
    }
    text
}

pub fn to_text(guest: &Guest) -> String {
    let mut text = format!("\n  guest {}\n", summary(guest));
    let mut line = |line: String| writeln!(text, "    {line}").expect("a string takes everything");
    for port in &guest.ports {
        let direction = if port.is_output { "output" } else { "input" };
        let name = if port.name.is_empty() { String::new() } else { format!(" \"{}\"", port.name.escape_debug()) };
        line(format!("{direction}{name}, {}", plural(port.channels.into(), "channel")));
    }
    for (index, one) in guest.params.iter().enumerate() {
        let flags = names(one.flags, &PARAM_FLAGS).iter().map(|flag| format!(", {flag}")).collect::<String>();
        let unit = if one.unit.is_empty() { String::new() } else { format!(" {}", one.unit.escape_debug()) };
        let id = one.id.escape_debug();
        line(format!("parameter {index} {id}: {} to {}{unit}, default {}{flags}", one.min, one.max, one.default));
    }
    for (index, one) in guest.meters.iter().enumerate() {
        line(format!("meter {index} {}: {} to {}", one.id.escape_debug(), one.min, one.max));
    }
    text
}
