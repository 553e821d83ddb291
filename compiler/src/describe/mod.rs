//! Finds the description of a guest for audio or control in its module: in a custom section or behind an export, as guests of the own
//! interface have it, or as the JSON of a Faust program. The artifact gets it in a form that the library reads without a parser.

mod faust;
mod own;

use rtwasm::artifact::guest::{Guest, MOST_CHANNELS, MOST_PARAMS, Param, flag, kind, param_flag};
use rtwasm::engine::artifact::ExternKind;
use rtwasm::engine::driver::{DESCRIBE as EXPORT, SECTION};
use rtwasm::status::*;
use serde_json::{Map, Value};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload, TypeRef};

use crate::facts::Facts;
use crate::place;

/// The longest description.
const MOST_BYTES: usize = 4 << 20;

/// Returns the description of a valid module; None if it has none. `run` calls an export of type `()->(i32)` and returns the text at
/// the address that it returns.
pub fn of(module: &[u8], facts: &Facts, run: &mut dyn FnMut(&str) -> Result<Vec<u8>>) -> Result<Option<Guest>> {
    let found =
        Module::read(module).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {e}")))?;
    let has = |name: &str, ty: &str| facts.exports.iter().any(|export| export.name == name && export.ty == ty);
    let guest = if let Some(text) = found.section {
        own::parse(text)?
    } else if let Some(export) = facts.exports.iter().find(|export| export.name == EXPORT) {
        if export.ty != "()->(i32)" {
            let what = format!("{EXPORT} has the type {}, not ()->(i32): it returns the address of the description", export.ty);
            return Err(Error::new(RTW_ERR_SIGNATURE, format!("the guest's description: {what}")));
        }
        let text = match found.constant.and_then(|address| found.text(address)) {
            Some(text) => text,
            None => run(EXPORT)?,
        };
        own::parse(&text)?
    } else if faust::EXPORTS.iter().all(|(name, ty)| has(name, ty)) {
        match found.text(0).filter(|text| text.starts_with(b"{")) {
            Some(text) => faust::parse(&text, has("setParamValue", "(i32,i32,f64)->()"))?,
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    check(&guest, facts)?;
    Ok(Some(guest))
}

/// Compares a description with the module's exports, and its parts with each other.
fn check(guest: &Guest, facts: &Facts) -> Result<()> {
    for (name, ty) in rtwasm::engine::driver::interface(guest.kind) {
        match facts.exports.iter().find(|export| export.name == *name) {
            None => {
                return Err(Error::new(
                    RTW_ERR_NO_EXPORT,
                    format!("the guest's description: the module does not export {name} {ty}"),
                ));
            }
            Some(export) if export.ty != *ty => {
                let what = format!("the guest's description: {name} has the type {}, not {ty}", export.ty);
                return Err(Error::new(RTW_ERR_SIGNATURE, what));
            }
            Some(_) => {}
        }
    }
    if !facts.exports.iter().any(|export| export.kind == ExternKind::Memory) {
        return Err(Error::new(RTW_ERR_NO_EXPORT, "the guest's description: the module does not export its memory"));
    }
    if guest.channels(false).max(guest.channels(true)) > MOST_CHANNELS {
        return Err(wrong(format!("there are more than {MOST_CHANNELS} channels")));
    }
    if guest.params.len().max(guest.meters.len()) > MOST_PARAMS as usize {
        return Err(wrong(format!("there are more than {MOST_PARAMS} parameters or meters")));
    }
    if guest.kind == kind::OWN && guest.flags & (flag::MIDI | flag::EVENTS) == flag::MIDI {
        return Err(wrong("\"midi\": true needs \"events\": true: MIDI arrives as events"));
    }
    let all: Vec<&Param> = guest.params.iter().chain(&guest.meters).collect();
    for (index, one) in all.iter().enumerate() {
        let name = place::quoted(&one.id);
        if one.id.is_empty() || all[..index].iter().any(|other| other.id == one.id) {
            return Err(wrong(format!("the id {name} is empty, or not the only one")));
        }
        let (min, max, default) = (one.min, one.max, one.default);
        if !(min.is_finite() && max.is_finite() && min <= max) {
            return Err(wrong(format!("{name} has the range {min} to {max}")));
        }
        if !(min..=max).contains(&default) && index < guest.params.len() {
            return Err(wrong(format!("{name} has the default {default}, outside its range of {min} to {max}")));
        }
        if one.flags & param_flag::LOGARITHMIC != 0 && min <= 0.0 && guest.kind == kind::OWN {
            return Err(wrong(format!("{name} is logarithmic, and its range begins at {min}")));
        }
    }
    let texts = all.iter().flat_map(|one| [&one.id, &one.name, &one.unit, &one.group, &one.labels, &one.meta]);
    if texts.chain([&guest.name, &guest.meta]).chain(guest.ports.iter().map(|port| &port.name)).any(|text| text.contains('\0'))
    {
        return Err(wrong("there is a zero byte in a text"));
    }
    Ok(())
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(RTW_ERR_WASM, format!("the guest's description: {what}"))
}

/// One line a fact. Line ends within a fact become blanks.
fn line(lines: &mut String, key: &str, value: &str) {
    let one = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines.push_str(&format!("{}={}", one(key), one(value)));
}

fn lines(facts: &Map<String, Value>) -> String {
    let mut all = String::new();
    for (key, value) in facts {
        line(&mut all, key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    all
}

/// The parts of a module that say something about its guest before any of its code runs.
#[derive(Default)]
struct Module<'a> {
    section: Option<&'a [u8]>,
    /// The result of the export, if its code is one constant.
    constant: Option<u32>,
    /// The data of the first memory, by address; later data comes later.
    data: Vec<(u32, &'a [u8])>,
}

impl<'a> Module<'a> {
    fn read(module: &'a [u8]) -> wasmparser::Result<Module<'a>> {
        let mut found = Module::default();
        let (mut imported, mut wanted) = (0, None);
        let mut index = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::CustomSection(section) if section.name() == SECTION => found.section = Some(section.data()),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.name == EXPORT && export.kind == ExternalKind::Func {
                            wanted = export.index.checked_sub(imported);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    if wanted == Some(index) {
                        let mut operators = body.get_operators_reader()?;
                        // A function without a result may have nothing but its end.
                        if let Operator::I32Const { value } = operators.read()?
                            && let Operator::End | Operator::Return = operators.read()?
                        {
                            found.constant = Some(value as u32);
                        }
                    }
                    index += 1;
                }
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data?;
                        let DataKind::Active { memory_index: 0, offset_expr } = data.kind else { continue };
                        if let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? {
                            found.data.push((value as u32, data.data));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The text at an address of the memory as it is at the start, up to its zero byte or the end of the data there.
    fn text(&self, address: u32) -> Option<Vec<u8>> {
        let byte = |at: u32| {
            let segment = self.data.iter().rev().find(|(from, data)| at >= *from && at - *from < data.len() as u32);
            segment.map(|(from, data)| data[(at - *from) as usize])
        };
        let text: Vec<u8> = (address..).take(MOST_BYTES).map_while(byte).take_while(|byte| *byte != 0).collect();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests;
