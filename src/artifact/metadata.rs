//! A part's metadata: its interface, and what a guest needs. The library reads it at every load, so its form takes little code to read.
//!
//! Numbers are unsigned LEB128, as in WebAssembly; a text is its length in bytes and UTF-8; a list is its length and its elements. A later
//! version appends.

use std::ops::Deref;

use super::{Description, Edit, Extern, ExternKind, MemoryFacts, Need};
use crate::status::*;

/// The first word of the metadata: the version of its layout. A later version appends to what this one has.
pub const VERSION: u32 = 2;

/// The description of a part, and what else the artifact says about it: its interface and its needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// In a section of its own.
    pub description: Description,
    /// The program that wrote the artifact, with its version.
    pub producer: String,
    pub imports: Vec<Extern>,
    pub exports: Vec<Extern>,
    pub memories: Vec<MemoryFacts>,
    pub need: Need,
    /// Functions defined in the module.
    pub function_count: u32,
    /// True if the module has a start function, which runs when an instance is created.
    pub has_start: bool,
    /// The changes that the compiler made to the module before it generated code; empty if there are none.
    pub edits: Edits,
    /// The module's size before compilation.
    pub source_bytes: u64,
    /// Why the part has no reset image: bits of `reset::OBSTACLES`. 0: it has one.
    pub reset_obstacles: u32,
    /// The bytes of the reset image that are not zero: what a reset has to copy.
    pub reset_bytes: u64,
}

/// A list of edits as an artifact has it: two numbers for each. Large modules have thousands, and only a fault's report reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    count: u64,
    encoded: Box<[u8]>,
}

impl Edits {
    pub fn new(edits: &[Edit]) -> Edits {
        let mut encoded = Vec::new();
        for edit in edits {
            put(&mut encoded, edit.length.into());
            put(&mut encoded, u64::from(edit.original) << 1 | u64::from(edit.verbatim));
        }
        Edits { count: edits.len() as u64, encoded: encoded.into() }
    }

    pub fn iter(&self) -> impl Iterator<Item = Edit> + '_ {
        let mut from = Reader { bytes: &self.encoded };
        std::iter::from_fn(move || {
            let (length, place) = (from.number().ok()? as u32, from.number().ok()?);
            Some(Edit { length, original: (place >> 1) as u32, verbatim: place & 1 != 0 })
        })
    }
}

/// In the order of their numbers.
const KINDS: [ExternKind; 5] = [ExternKind::Func, ExternKind::Memory, ExternKind::Global, ExternKind::Table, ExternKind::Tag];

impl Metadata {
    /// Address space, not memory, that an instance reserves.
    pub fn address_space_bytes(&self) -> u64 {
        self.settings.address_space_bytes(self.memories.iter().map(|memory| memory.min_bytes))
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        put_text(&mut out, &self.producer);
        for list in [&self.imports, &self.exports] {
            put(&mut out, list.len() as u64);
            for one in list {
                put(&mut out, KINDS.iter().position(|kind| *kind == one.kind).expect("all are there") as u64);
                [&one.module, &one.name, &one.ty].into_iter().for_each(|text| put_text(&mut out, text));
            }
        }
        put(&mut out, self.memories.len() as u64);
        for memory in &self.memories {
            put(&mut out, memory.min_bytes);
            put(&mut out, u64::from(memory.max_bytes.is_some()));
            put(&mut out, memory.max_bytes.unwrap_or(0));
        }
        let Need { memory_bytes, table_bytes, global_bytes, record_bytes, table_count } = self.need;
        for number in [memory_bytes, table_bytes, global_bytes, record_bytes, table_count.into()] {
            put(&mut out, number);
        }
        put(&mut out, self.function_count.into());
        put(&mut out, self.has_start.into());
        put(&mut out, self.edits.count);
        out.extend_from_slice(&self.edits.encoded);
        for number in [self.source_bytes, self.reset_obstacles.into(), self.reset_bytes] {
            put(&mut out, number);
        }
        out
    }

    /// The metadata without its description.
    pub fn decode(bytes: &[u8]) -> Result<Metadata> {
        let Some((version, rest)) = bytes.split_first_chunk::<4>() else { return Err(broken()) };
        // A later version appends, and this one does not look at what follows.
        if u32::from_le_bytes(*version) < VERSION {
            return Err(Error::new(
                RTW_ERR_ARTIFACT,
                "the artifact's metadata has a form of before 0.1: compile the module again",
            ));
        }
        let mut from = Reader { bytes: rest };
        // In the order of the bytes.
        let mut found = Metadata { producer: from.text()?, ..Metadata::default() };
        for list in [&mut found.imports, &mut found.exports] {
            for _ in 0..from.number()? {
                let kind = *KINDS.get(from.number()? as usize).ok_or_else(broken)?;
                list.push(Extern { kind, module: from.text()?, name: from.text()?, ty: from.text()? });
            }
        }
        for _ in 0..from.number()? {
            let (min_bytes, has_maximum, max_bytes) = (from.number()?, from.number()?, from.number()?);
            found.memories.push(MemoryFacts { min_bytes, max_bytes: (has_maximum != 0).then_some(max_bytes) });
        }
        found.need = Need {
            memory_bytes: from.number()?,
            table_bytes: from.number()?,
            global_bytes: from.number()?,
            record_bytes: from.number()?,
            table_count: from.small()?,
        };
        found.function_count = from.small()?;
        found.has_start = from.number()? != 0;
        let count = from.number()?;
        found.edits = Edits { count, encoded: from.skip(count.checked_mul(2).ok_or_else(broken)?)?.into() };
        found.source_bytes = from.number()?;
        found.reset_obstacles = from.small()?;
        found.reset_bytes = from.number()?;
        Ok(found)
    }
}

impl Deref for Metadata {
    type Target = Description;

    fn deref(&self) -> &Description {
        &self.description
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn broken() -> Error {
    Error::new(RTW_ERR_ARTIFACT, "the artifact's metadata cannot be read")
}

/// Bytes that are not read yet. Each element of a list takes a byte, so that a wrong length ends with them.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Passes over as many numbers as `numbers` says, and returns their bytes. Does not look at the values.
    fn skip(&mut self, numbers: u64) -> Result<&'a [u8]> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let (all, mut left, mut length) = (self.bytes, numbers, 0);
        // A number ends with a byte below 0x80; eight bytes have eight ends at most.
        while left >= 8 {
            let Some(eight) = all[length..].first_chunk() else { break };
            left -= (!u64::from_le_bytes(*eight) >> 7 & ONES).wrapping_mul(ONES) >> 56;
            length += 8;
        }
        while left > 0 {
            left -= u64::from(*all.get(length).ok_or_else(broken)? < 0x80);
            length += 1;
        }
        self.bytes = &all[length..];
        Ok(&all[..length])
    }

    #[inline(never)]
    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or_else(broken)?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(broken())
    }

    fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| broken())
    }

    /// A text without a zero byte, where C strings end; the compiler writes none.
    #[inline(never)]
    fn text(&mut self) -> Result<String> {
        let length = usize::try_from(self.number()?).map_err(|_| broken())?;
        let (text, rest) = self.bytes.split_at_checked(length).ok_or_else(broken)?;
        self.bytes = rest;
        match std::str::from_utf8(text) {
            Ok(text) if text.contains('\0') => {
                Err(Error::new(RTW_ERR_ARTIFACT, format!("the artifact's metadata has a zero byte in a text: {text:?}")))
            }
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(broken()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits() -> Vec<Edit> {
        let many =
            (0..100).map(|number: u32| Edit { length: number, original: number << (number % 32), verbatim: number % 3 == 0 });
        many.chain([Edit { length: u32::MAX, original: u32::MAX, verbatim: true }, Edit::default()]).collect()
    }

    fn sample() -> Metadata {
        let one =
            |kind, module: &str, name: &str, ty: &str| Extern { kind, module: module.into(), name: name.into(), ty: ty.into() };
        Metadata {
            producer: "test".into(),
            imports: vec![one(ExternKind::Global, "env", "\u{e9}", "global i32")],
            exports: vec![one(ExternKind::Func, "", "run", "()->()"), one(ExternKind::Tag, "", "", "tag ()->()")],
            memories: vec![
                MemoryFacts { min_bytes: 65536, max_bytes: None },
                MemoryFacts { min_bytes: 0, max_bytes: Some(u64::MAX) },
            ],
            need: Need { memory_bytes: u64::MAX, table_bytes: 1, global_bytes: 2, record_bytes: 3, table_count: 4 },
            function_count: 300,
            has_start: true,
            edits: Edits::new(&edits()),
            source_bytes: 5,
            reset_obstacles: 6,
            reset_bytes: 1 << 40,
            ..Metadata::default()
        }
    }

    #[test]
    fn what_is_written_is_read_also_with_more_behind_it() {
        let mut bytes = sample().encode();
        assert_eq!(Metadata::decode(&bytes).unwrap(), sample());
        bytes.extend_from_slice(b"later");
        assert_eq!(Metadata::decode(&bytes).unwrap(), sample());
    }

    #[test]
    fn edits_are_decoded_one_by_one() {
        for count in 0..edits().len() {
            let some = &edits()[..count];
            let made = Metadata { edits: Edits::new(some), ..sample() };
            let read = Metadata::decode(&made.encode()).unwrap();
            assert_eq!(read.edits.iter().collect::<Vec<_>>(), some);
            assert_eq!(read.reset_bytes, made.reset_bytes, "what follows them is in its place");
        }
    }

    #[test]
    fn every_prefix_and_every_wrong_length_is_refused_or_read_and_none_panics() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert_eq!(Metadata::decode(&bytes[..length]).unwrap_err().status, RTW_ERR_ARTIFACT, "prefix of {length}");
        }
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = Metadata::decode(&changed);
            }
        }
        let endless = [&2_u32.to_le_bytes()[..], &[0xff; 20]].concat();
        assert_eq!(Metadata::decode(&endless).unwrap_err().status, RTW_ERR_ARTIFACT);
    }
}
