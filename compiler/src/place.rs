//! Finds the place of a byte in a module: section, function, offset in the function's body.
//!
//! Works on broken modules, since it is for errors. It reads the outer structure only, and takes names from the parts of the
//! module that can still be read.

use std::ops::Range;

use wasmparser::{BinaryReader, ExportSectionReader, ExternalKind, ImportSectionReader, Name, NameSectionReader, TypeRef};

const HEADER_BYTES: usize = 8;
const SECTION_CUSTOM: u8 = 0;
const SECTION_IMPORT: u8 = 2;
const SECTION_EXPORT: u8 = 7;
const SECTION_CODE: u8 = 10;
/// The longest piece of a name that an error shows: a C++ name alone could fill the message.
const SHOWN_NAME: usize = 80;

/// A byte's surroundings.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub offset: usize,
    /// `None`: before the first section or after the last.
    pub section: Option<String>,
    pub function: Option<FunctionPlace>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct FunctionPlace {
    /// Index in the module, imports first.
    pub index: u32,
    pub name: Option<String>,
    pub body_offset: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let offset = self.offset;
        match (&self.function, &self.section) {
            (Some(function), _) => {
                write!(f, "in {function} at offset {offset:#x}, {:#x} into its body", function.body_offset)
            }
            (None, Some(section)) => write!(f, "in the {section} section at offset {offset:#x}"),
            (None, None) => write!(f, "at offset {offset:#x}"),
        }
    }
}

impl std::fmt::Display for FunctionPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "function {}", self.index)?;
        match &self.name {
            Some(name) => write!(f, " {}", quoted(name)),
            None => Ok(()),
        }
    }
}

/// A name from a module in quotes, safe for a terminal and short enough for a line of text.
pub fn quoted(name: &str) -> String {
    let cut: String = name.chars().take(SHOWN_NAME).collect();
    if cut.len() < name.len() { format!("{cut:?}...") } else { format!("{cut:?}") }
}

/// Finds the surroundings of the byte at `offset`.
pub fn find(module: &[u8], offset: usize) -> Place {
    let sections = sections(module);
    let inside = sections.iter().find(|section| section.whole.contains(&offset)).or_else(|| {
        // If the last section is cut off, a byte after the end of the file belongs to it.
        sections.last().filter(|last| last.cut_off && offset >= last.whole.end)
    });
    let function =
        inside.filter(|section| section.id == SECTION_CODE).and_then(|code| function_at(module, &sections, code, offset));
    Place { offset, section: inside.map(|section| section.name(module)), function }
}

struct Section {
    id: u8,
    /// The section with its id and length.
    whole: Range<usize>,
    content: Range<usize>,
    /// True if the section's length reaches past the end of the file.
    cut_off: bool,
}

impl Section {
    fn reader<'a>(&self, module: &'a [u8]) -> BinaryReader<'a> {
        BinaryReader::new(&module[self.content.clone()], self.content.start)
    }

    fn name(&self, module: &[u8]) -> String {
        const NAMES: [&str; 14] = [
            "custom",
            "type",
            "import",
            "function",
            "table",
            "memory",
            "global",
            "export",
            "start",
            "element",
            "code",
            "data",
            "data count",
            "tag",
        ];
        match (self.id, self.reader(module).read_string()) {
            (SECTION_CUSTOM, Ok(name)) => format!("custom {}", quoted(name)),
            (id, _) => NAMES.get(usize::from(id)).map_or_else(|| format!("unknown ({id})"), |name| name.to_string()),
        }
    }
}

/// The sections that can be recognised.
fn sections(module: &[u8]) -> Vec<Section> {
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while at < module.len() {
        let mut reader = BinaryReader::new(&module[at..], at);
        let (Ok(id), Ok(length)) = (reader.read_u8(), reader.read_var_u32()) else { break };
        let start = reader.original_position();
        let announced = start.saturating_add(length as usize);
        let end = announced.min(module.len());
        found.push(Section { id, whole: at..end, content: start..end, cut_off: announced > module.len() });
        at = end;
    }
    found
}

fn function_at(module: &[u8], sections: &[Section], code: &Section, offset: usize) -> Option<FunctionPlace> {
    let (ordinal, body) = body_at(module, code, offset)?;
    let index = imported_functions(module, sections)?.checked_add(ordinal)?;
    let name = debug_name(module, sections, index).or_else(|| export_name(module, sections, index));
    Some(FunctionPlace { index, name, body_offset: offset - body.start })
}

/// The body that contains the byte, and its number in the section. An error at a body's end belongs to that body.
fn body_at(module: &[u8], code: &Section, offset: usize) -> Option<(u32, Range<usize>)> {
    let mut reader = code.reader(module);
    let count = reader.read_var_u32().ok()?;
    for ordinal in 0..count {
        let length = reader.read_var_u32().ok()? as usize;
        let start = reader.original_position();
        let body = start..start.saturating_add(length);
        if offset < start {
            return None;
        }
        if offset < body.end || (offset == body.end && reader.bytes_remaining() <= length) {
            return Some((ordinal, body));
        }
        reader.read_bytes(length).ok()?;
    }
    None
}

fn imported_functions(module: &[u8], sections: &[Section]) -> Option<u32> {
    let Some(section) = sections.iter().find(|section| section.id == SECTION_IMPORT) else { return Some(0) };
    let mut count = 0;
    for import in ImportSectionReader::new(section.reader(module)).ok()?.into_imports() {
        if matches!(import.ok()?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
            count += 1;
        }
    }
    Some(count)
}

fn debug_name(module: &[u8], sections: &[Section], index: u32) -> Option<String> {
    for section in sections.iter().filter(|section| section.id == SECTION_CUSTOM) {
        let mut reader = section.reader(module);
        if reader.read_string().ok() != Some("name") {
            continue;
        }
        let start = reader.original_position();
        let content = BinaryReader::new(&module[start..section.content.end], start);
        for subsection in NameSectionReader::new(content).flatten() {
            let Name::Function(names) = subsection else { continue };
            if let Some(naming) = names.into_iter().flatten().find(|naming| naming.index == index) {
                return Some(naming.name.to_string());
            }
        }
    }
    None
}

fn export_name(module: &[u8], sections: &[Section], index: u32) -> Option<String> {
    let section = sections.iter().find(|section| section.id == SECTION_EXPORT)?;
    let exports = ExportSectionReader::new(section.reader(module)).ok()?;
    let export = exports.into_iter().flatten().find(|export| export.kind == ExternalKind::Func && export.index == index)?;
    Some(export.name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two imports, so the functions below are 2, 3 and 4; only `second` has a debug name, `third` an export's.
    fn module() -> Vec<u8> {
        wat::parse_str(
            r#"(module
                (import "env" "a" (func)) (import "env" "b" (func))
                (func nop)
                (func $second nop nop)
                (func (export "third") nop nop nop)
                (data "tail"))"#,
        )
        .unwrap()
    }

    fn code_section(module: &[u8]) -> Section {
        sections(module).into_iter().find(|section| section.id == SECTION_CODE).unwrap()
    }

    #[test]
    fn every_byte_of_the_code_section_has_its_function() {
        let module = module();
        let code = code_section(&module);
        // Count, then for each body its size, the number of local groups, the nops and the end.
        let start = code.content.start;
        let expected = [(2, 3, None), (3, 4, Some("second")), (4, 5, Some("third"))];
        let mut at = start + 1;
        for (index, length, name) in expected {
            assert_eq!(find(&module, at).function, None, "the size belongs to no body");
            for body_offset in 0..length {
                let place = find(&module, at + 1 + body_offset);
                let function = FunctionPlace { index, name: name.map(str::to_string), body_offset };
                assert_eq!(place.function, Some(function));
            }
            at += 1 + length;
        }
        assert_eq!(at, code.content.end);
    }

    #[test]
    fn sections_and_their_edges() {
        let module = module();
        assert_eq!(find(&module, 4).to_string(), "at offset 0x4");
        assert_eq!(find(&module, 8).to_string(), "in the type section at offset 0x8");
        let code = code_section(&module);
        assert_eq!(find(&module, code.whole.start).section.as_deref(), Some("code"));
        assert_eq!(find(&module, code.whole.end).section.as_deref(), Some("data"));
        assert_eq!(find(&module, module.len() - 1).section.as_deref(), Some("custom \"name\""));
        assert_eq!(find(&module, module.len()).section, None);
    }

    #[test]
    fn what_is_missing_at_the_end_belongs_to_the_section_that_is_cut() {
        let module = module();
        let code = code_section(&module);
        let place = find(&module[..code.content.end - 1], code.content.end - 1);
        assert_eq!(place.section.as_deref(), Some("code"));
        assert_eq!(place.function.map(|function| function.index), Some(4));
    }

    #[test]
    fn odd_names_are_made_fit_to_print() {
        assert_eq!(quoted("a\"\n\u{1b}[31m"), r#""a\"\n\u{1b}[31m""#);
        let long = quoted(&"\u{e9}".repeat(200));
        assert_eq!(long.chars().count(), SHOWN_NAME + 2 + 3);
    }
}
