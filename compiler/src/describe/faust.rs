//! The JSON that Faust puts at the start of a program's memory.

use rtwasm::artifact::guest::{Guest, Param, Port, flag, kind, param_flag};
use rtwasm::status::*;
use serde::Deserialize;
use serde_json::Value;

use super::{line, wrong};

/// By these a program is recognised, together with the JSON.
pub const EXPORTS: [(&str, &str); 5] = [
    ("init", "(i32,i32)->()"),
    ("compute", "(i32,i32,i32,i32)->()"),
    ("instanceClear", "(i32)->()"),
    ("getNumInputs", "(i32)->(i32)"),
    ("getNumOutputs", "(i32)->(i32)"),
];

#[derive(Deserialize)]
struct Program {
    name: String,
    size: Number,
    inputs: Number,
    outputs: Number,
    #[serde(default)]
    meta: Vec<Value>,
    #[serde(default)]
    ui: Vec<Item>,
}

/// A group, a control, or a meter, by its type.
#[derive(Deserialize)]
struct Item {
    r#type: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    index: Number,
    #[serde(default)]
    meta: Vec<Value>,
    #[serde(default)]
    init: Number,
    #[serde(default)]
    min: Number,
    max: Option<Number>,
    #[serde(default)]
    step: Number,
    #[serde(default)]
    items: Vec<Item>,
}

/// A number, which some versions write as a text.
#[derive(Default, Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Number, D::Error> {
        let value = Value::deserialize(from)?;
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        number.map(Number).ok_or_else(|| serde::de::Error::custom(format!("{value} is no number")))
    }
}

impl Number {
    fn whole(self) -> Result<u32> {
        if self.0 >= 0.0 && self.0 <= f64::from(u32::MAX) && self.0.fract() == 0.0 {
            return Ok(self.0 as u32);
        }
        Err(wrong(format!("{} is no whole number", self.0)))
    }
}

/// A label that stands for none.
const NO_LABEL: &str = "0x00";

pub fn parse(text: &[u8], is_double: bool) -> Result<Guest> {
    let program: Program = serde_json::from_slice(text).map_err(|error| wrong(format!("Faust's JSON: {error}")))?;
    let mut guest = Guest {
        kind: if is_double { kind::FAUST_DOUBLE } else { kind::FAUST },
        struct_bytes: program.size.whole()?,
        name: program.name,
        ..Guest::default()
    };
    for (is_output, channels) in [(false, program.inputs.whole()?), (true, program.outputs.whole()?)] {
        if channels != 0 {
            guest.ports.push(Port { is_output, channels, name: String::new() });
        }
    }
    for (key, value) in pairs(&program.meta) {
        // Those of libraries have a slash.
        if !key.contains('/') && !matches!(key, "filename" | "compile_options" | "name") {
            line(&mut guest.meta, key, &value);
        }
        if key == "nvoices" || key == "options" {
            guest.voices = guest.voices.max(voices(key, &value));
            guest.flags |= if value.contains("midi:on") { flag::MIDI } else { 0 };
        }
    }
    for item in &program.ui {
        add(&mut guest, item, "")?;
    }
    Ok(guest)
}

/// `[nvoices:12]` in the options, or a number.
fn voices(key: &str, value: &str) -> u32 {
    let number = match key {
        "options" => value.split_once("nvoices:").map_or("", |(_, rest)| rest),
        _ => value,
    };
    number.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0).min(1024)
}

fn pairs(meta: &[Value]) -> impl Iterator<Item = (&str, String)> {
    meta.iter()
        .filter_map(Value::as_object)
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn add(guest: &mut Guest, item: &Item, group: &str) -> Result<()> {
    let mut inside = group.to_owned();
    if !item.items.is_empty() || item.r#type.ends_with("group") {
        if item.label != NO_LABEL && !item.label.is_empty() {
            inside = if group.is_empty() { item.label.clone() } else { format!("{group}/{}", item.label) };
        }
        return item.items.iter().try_for_each(|one| add(guest, one, &inside));
    }
    let (is_meter, flags) = match item.r#type.as_str() {
        "button" => (false, param_flag::TRIGGER),
        "checkbox" => (false, param_flag::TOGGLE),
        "hbargraph" | "vbargraph" => (true, 0),
        "hslider" | "vslider" | "nentry" => (false, 0),
        "soundfile" => return Err(wrong(format!("{:?} is a sound file, which nothing here loads", item.label))),
        other => return Err(wrong(format!("{:?} is of the unknown type {other:?}", item.label))),
    };
    let (min, max) = (item.min.0, item.max.map_or(1.0, |max| max.0));
    let mut one = Param {
        flags,
        place: item.index.whole()?,
        id: item.address.clone(),
        name: if item.label == NO_LABEL { String::new() } else { item.label.clone() },
        group: inside,
        min: min.min(max),
        max: max.max(min),
        default: item.init.0,
        step: item.step.0,
        ..Param::default()
    };
    for (key, value) in pairs(&item.meta) {
        match key {
            "unit" => one.unit = value,
            "hidden" if value != "0" => one.flags |= param_flag::HIDDEN,
            "scale" if value == "log" => one.flags |= param_flag::LOGARITHMIC,
            "style" if value.starts_with("menu{") || value.starts_with("radio{") => {
                one.labels = labels(&value, one.min).unwrap_or_default();
                line(&mut one.meta, key, &value);
            }
            "midi" => {
                guest.flags |= flag::MIDI;
                line(&mut one.meta, key, &value);
            }
            // Digits are for the order on the screen.
            _ if key.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => line(&mut one.meta, key, &value),
        }
    }
    // Faust starts with the initial value, even outside the range.
    (one.min, one.max) = if is_meter { (one.min, one.max) } else { (one.min.min(one.default), one.max.max(one.default)) };
    let taken = |id: &str| guest.params.iter().chain(&guest.meters).any(|other| other.id == id);
    if taken(&one.id) {
        one.id = (2..).map(|number| format!("{}#{number}", item.address)).find(|id| !taken(id)).expect("one of them is free");
    }
    if is_meter { &mut guest.meters } else { &mut guest.params }.push(one);
    Ok(())
}

/// The labels of `menu{'Noise':0;'Saw':1}`, if their values are min, min + 1, ...
fn labels(style: &str, min: f64) -> Option<String> {
    let list = style.split_once('{')?.1.strip_suffix('}')?;
    let mut labels = Vec::new();
    for (index, one) in list.split(';').enumerate() {
        let (name, value) = one.rsplit_once(':')?;
        if value.trim().parse::<f64>().ok()? != min + index as f64 {
            return None;
        }
        labels.push(name.trim().trim_matches('\'').to_owned());
    }
    Some(labels.join("\n"))
}
