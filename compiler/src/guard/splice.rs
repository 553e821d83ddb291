//! Copies a module with insertions, and records the origin of each byte.

use rtwasm::engine::artifact::Edit;
use rtwasm::status::*;
use std::ops::Range;

use super::Guarded;

/// A piece of the result.
enum Piece {
    /// Bytes of the original.
    From(Range<usize>),
    /// New bytes, which stand for a place in the original.
    New { bytes: Vec<u8>, at: usize },
}

/// A stretch of the original that is being copied.
pub struct Splicer<'a> {
    module: &'a [u8],
    /// The part that has not been copied or skipped yet.
    left: Range<usize>,
    pieces: Vec<Piece>,
}

impl<'a> Splicer<'a> {
    pub fn new(module: &'a [u8]) -> Splicer<'a> {
        Splicer { module, left: 0..module.len(), pieces: Vec::new() }
    }

    /// A splicer for a part of the module, to be appended in its place.
    pub fn of(module: &'a [u8], part: Range<usize>) -> Splicer<'a> {
        Splicer { module, left: part, pieces: Vec::new() }
    }

    /// Appends the result of another splicer, which has processed its whole part.
    pub fn append(&mut self, other: Splicer<'a>) {
        self.pieces.extend(other.pieces);
        self.left.start = other.left.start;
    }

    /// The number of bytes of the result.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// The part that has not been copied yet.
    fn rest(&self) -> &'a [u8] {
        &self.module[self.left.clone()]
    }

    fn at_end(&self) -> bool {
        self.left.is_empty()
    }

    pub fn copy_to(&mut self, to: usize) {
        debug_assert!(self.left.start <= to && to <= self.left.end);
        self.repeat(self.left.start..to);
        self.left.start = to;
    }

    pub fn copy_rest(&mut self) {
        self.copy_to(self.left.end);
    }

    /// Skips everything before `to`.
    pub fn skip_to(&mut self, to: usize) {
        debug_assert!(self.left.start <= to && to <= self.left.end);
        self.left.start = to;
    }

    /// Inserts a stretch of the original, from any place.
    pub fn repeat(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.pieces.push(Piece::From(range));
        }
    }

    pub fn insert(&mut self, bytes: &[u8]) {
        self.insert_for(self.left.start, bytes);
    }

    /// Inserts bytes that stand for the place `at` in the original.
    pub fn insert_for(&mut self, at: usize, bytes: &[u8]) {
        self.pieces.push(Piece::New { bytes: bytes.to_vec(), at });
    }

    pub fn insert_leb(&mut self, value: u32) {
        let mut bytes = Vec::new();
        push_leb(&mut bytes, value);
        self.insert(&bytes);
    }

    /// Appends `more` items to a section.
    pub fn insert_items(&mut self, more: u32, bytes: &[u8]) {
        let items = self.skip_leb();
        self.insert_leb(items + more);
        self.copy_rest();
        self.insert(bytes);
    }

    pub fn copy_leb(&mut self) -> u32 {
        let (value, length) = leb(self.rest());
        self.copy_to(self.left.start + length);
        value
    }

    /// Reads a number and skips it.
    pub fn skip_leb(&mut self) -> u32 {
        let (value, length) = leb(self.rest());
        self.left.start += length;
        value
    }

    /// Rewrites content that has its length before it.
    pub fn rewrite_sized(&mut self, rewrite: impl FnOnce(&mut Splicer<'a>) -> Result<()>) -> Result<()> {
        let length = self.skip_leb() as usize;
        let content = self.left.start..self.left.start + length;
        self.rewrite(content, rewrite)
    }

    fn rewrite(&mut self, content: Range<usize>, rewrite: impl FnOnce(&mut Splicer<'a>) -> Result<()>) -> Result<()> {
        let mut inside = Splicer::of(self.module, content.clone());
        rewrite(&mut inside)?;
        debug_assert!(inside.at_end());
        let length = u32::try_from(inside.len()).map_err(|_| {
            Error::new(RTW_ERR_LIMIT, "with the budget guard the module exceeds 4 GiB: compile without the guard")
        })?;
        self.insert_leb(length);
        self.pieces.extend(inside.pieces);
        self.left.start = content.end;
        Ok(())
    }

    /// Rewrites a section with the content `content`.
    pub fn rewrite_section(
        &mut self,
        id: u8,
        content: Range<usize>,
        rewrite: impl FnOnce(&mut Splicer<'a>) -> Result<()>,
    ) -> Result<()> {
        let start = section_start(self.module, self.left.start, content.start);
        self.copy_to(start);
        debug_assert_eq!(self.module[start], id);
        self.copy_to(start + 1);
        self.left.start = content.start;
        self.rewrite(content, rewrite)
    }

    /// Inserts a new section before the one whose content starts at `content_start`.
    pub fn insert_section_before(&mut self, content_start: usize, id: u8, content: &[u8]) {
        let start = section_start(self.module, self.left.start, content_start);
        self.copy_to(start);
        self.insert_section(id, content);
    }

    pub fn insert_section(&mut self, id: u8, content: &[u8]) {
        self.insert(&[id]);
        self.insert_leb(content.len() as u32);
        self.insert(content);
    }

    pub fn finish(mut self) -> Guarded {
        self.copy_rest();
        let mut module = Vec::with_capacity(self.pieces.iter().map(Piece::len).sum());
        let mut edits: Vec<Edit> = Vec::new();
        for piece in self.pieces {
            let length = piece.len() as u32;
            let (original, verbatim) = match piece {
                Piece::From(range) => {
                    module.extend_from_slice(&self.module[range.clone()]);
                    (range.start as u32, true)
                }
                Piece::New { bytes, at } => {
                    module.extend_from_slice(&bytes);
                    (at as u32, false)
                }
            };
            match edits.last_mut() {
                // The copy continues where the last edit stopped.
                Some(last) if verbatim && last.verbatim && last.original + last.length == original => last.length += length,
                Some(last) if !verbatim && !last.verbatim && last.original == original => last.length += length,
                _ => edits.push(Edit { length, original, verbatim }),
            }
        }
        Guarded { module, edits }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::From(range) => range.len(),
            Piece::New { bytes, .. } => bytes.len(),
        }
    }
}

/// The place of a section's id: the sections before it were copied up to `from` or lie between, each with its length.
fn section_start(module: &[u8], from: usize, content_start: usize) -> usize {
    const PREAMBLE: usize = 8;
    let mut start = from.max(PREAMBLE);
    loop {
        let (length, length_bytes) = leb(&module[start + 1..]);
        let content = start + 1 + length_bytes;
        if content >= content_start {
            return start;
        }
        start = content + length as usize;
    }
}

/// An unsigned number and its length in bytes, in a valid module.
fn leb(bytes: &[u8]) -> (u32, usize) {
    let mut value = 0u32;
    for (at, byte) in bytes.iter().enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (value, at + 1);
        }
    }
    unreachable!("a valid module's numbers end")
}

pub fn push_leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a signed number in the form of constants.
pub fn push_signed_leb(bytes: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value as u8 & 0x7f;
        value >>= 7;
        let ends = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
        bytes.push(if ends { byte } else { byte | 0x80 });
        if ends {
            return;
        }
    }
}
