//! The JSON of guests of the own interface (guests/include/rtw_guest.h). Fields that nobody knows are errors, which name those that
//! there are.

use rtwasm::artifact::guest::{Guest, Param, Port, flag, kind, param_flag};
use rtwasm::status::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{lines, wrong};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    #[serde(default)]
    inputs: Ports,
    #[serde(default)]
    outputs: Ports,
    #[serde(default)]
    parameters: Vec<One>,
    #[serde(default)]
    meters: Vec<One>,
    #[serde(default)]
    latency: u32,
    #[serde(default)]
    stateless: bool,
    #[serde(default)]
    events: bool,
    #[serde(default)]
    midi: bool,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    voices: u32,
    #[serde(default)]
    meta: Map<String, Value>,
}

/// A number of channels, or a list of ports.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of channels, or a list of ports such as {\"name\": \"Main\", \"channels\": 2}"
)]
enum Ports {
    Channels(u32),
    Several(Vec<OnePort>),
}

impl Default for Ports {
    fn default() -> Ports {
        Ports::Channels(0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnePort {
    #[serde(default)]
    name: String,
    #[serde(default = "one")]
    channels: u32,
}

fn one() -> u32 {
    1
}

/// A parameter or a meter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    id: String,
    name: Option<String>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    min: f64,
    #[serde(default = "whole")]
    max: f64,
    default: Option<f64>,
    #[serde(default)]
    step: f64,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    flags: Vec<Flag>,
    #[serde(default)]
    meta: Map<String, Value>,
}

fn whole() -> f64 {
    1.0
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Flag {
    Integer,
    Toggle,
    Trigger,
    Logarithmic,
    NotAutomatable,
    Hidden,
}

impl Flag {
    fn bit(self) -> u32 {
        match self {
            Flag::Integer => param_flag::INTEGER,
            Flag::Toggle => param_flag::TOGGLE,
            Flag::Trigger => param_flag::TRIGGER,
            Flag::Logarithmic => param_flag::LOGARITHMIC,
            Flag::NotAutomatable => param_flag::NOT_AUTOMATABLE,
            Flag::Hidden => param_flag::HIDDEN,
        }
    }
}

pub fn parse(text: &[u8]) -> Result<Guest> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let found: Described = serde_json::from_slice(text).map_err(wrong)?;
    let ports = |of: Ports, is_output: bool| -> Result<Vec<Port>> {
        let listed = match of {
            Ports::Channels(0) => Vec::new(),
            Ports::Channels(channels) => vec![OnePort { name: String::new(), channels }],
            Ports::Several(several) => several,
        };
        if listed.iter().any(|port| !(1..=256).contains(&port.channels)) {
            return Err(wrong("a port has 1 to 256 channels"));
        }
        Ok(listed.into_iter().map(|OnePort { name, channels }| Port { is_output, channels, name }).collect())
    };
    let mut all = ports(found.inputs, false)?;
    all.extend(ports(found.outputs, true)?);
    let params = |list: Vec<One>| (0..).zip(list).map(|(place, one)| param(place, one)).collect();
    let flags = [
        (found.stateless, flag::STATELESS),
        (found.events, flag::EVENTS),
        (found.midi, flag::MIDI),
        (found.state, flag::STATE),
    ];
    Ok(Guest {
        kind: kind::OWN,
        flags: flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum(),
        latency_frames: found.latency,
        struct_bytes: 0,
        voices: found.voices,
        name: found.name,
        meta: lines(&found.meta),
        ports: all,
        params: params(found.parameters),
        meters: params(found.meters),
    })
}

fn param(place: u32, one: One) -> Param {
    Param {
        flags: one.flags.iter().fold(0, |all, flag| all | flag.bit()),
        place,
        name: one.name.unwrap_or_else(|| one.id.clone()),
        id: one.id,
        unit: one.unit,
        group: one.group,
        labels: one.labels.join("\n"),
        meta: lines(&one.meta),
        min: one.min,
        max: one.max,
        default: one.default.unwrap_or(one.min),
        step: one.step,
    }
}
