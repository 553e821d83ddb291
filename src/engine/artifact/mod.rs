//! The artifact: an envelope around precompiled code that says what the code is before any of it is trusted. docs/artifacts.md shows its
//! layout: a header, a table of sections, the sections, and signatures.
//!
//! A file holds one or more *parts*, each the same module compiled for another machine or profile. `read` checks and chooses, `write`
//! makes artifacts. Native code can do anything, so the order of the checks is part of the design: shape, version, the table's checksum,
//! and only then what the sections say. Nothing here maps code.

use twox_hash::XxHash3_128;

mod read;
pub mod signature;
mod write;

pub use crate::artifact::hidden::{self, Hidden};
pub use crate::artifact::release;
pub use crate::artifact::{
    Description, Edit, Edits, Extern, ExternKind, MemoryFacts, Metadata, Need, Needs, Notes, Slow, check_host, original_offset,
    reset,
};
pub use read::{Artifact, Input, Limits, Opened, read, read_file};
pub use signature::PublicKey;
pub use write::{Part, Section, write};

pub const MAGIC: [u8; 8] = *b"\x89RTW\r\n\x1a\n";
/// The version of the envelope. From now on this version loads for good; what comes later is more kinds of sections.
pub const VERSION: u32 = 5;

/// The kinds of sections. A number is never reused.
pub mod kind {
    /// A part's description: what the choice among parts depends on.
    pub const DESCRIPTION: u32 = 1;
    /// The module's interface, and what a guest needs.
    pub const METADATA: u32 = 2;
    /// Machine code, in the engine's form.
    pub const CODE: u32 = 3;
    /// The module before compilation.
    pub const SOURCE: u32 = 4;
    /// The facts about the guest that a host needs to use it; of the whole file.
    pub const GUEST: u32 = 5;
    /// Memories, tables and globals that the compiler made reachable for the library. Reserved: the notes list them today.
    pub const HIDDEN: u32 = 6;
    /// Memories and globals after instantiation.
    pub const RESET: u32 = 7;
    /// The compiler's notes and warnings.
    pub const NOTES: u32 = 8;

    /// A kind in words.
    pub fn name(kind: u32) -> &'static str {
        match kind {
            DESCRIPTION => "description",
            METADATA => "metadata",
            CODE => "code",
            SOURCE => "source",
            GUEST => "guest",
            HIDDEN => "hidden exports",
            RESET => "reset image",
            NOTES => "notes",
            _ => "unknown",
        }
    }
}

const HEADER_BYTES: usize = 64;
/// The header's bytes before its checksum, which covers them, the table and the signatures.
const CHECKED_HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 80;
/// The most sections of an artifact.
const MOST_ENTRIES: u32 = 1024;
/// The most bytes of signatures.
const MOST_SIGNATURE_BYTES: u32 = 64 << 10;

/// The flag of a section that a reader has to know. It refuses a file, or passes over a part, that has an unknown one.
const REQUIRED: u32 = 1;

/// One section, as the table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: u32,
    /// 0: belongs to the whole file; otherwise a part's number.
    pub part: u32,
    pub flags: u32,
    pub offset: u64,
    pub length: u64,
    /// XXH3-128 of the section.
    pub checksum: u128,
    /// The section's digest; zero if none was computed.
    pub digest: [u8; 32],
}

impl Entry {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.part.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.length.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[48..].copy_from_slice(&self.digest);
        bytes
    }

    /// The entry, and its reserved word.
    fn decode(bytes: &[u8; ENTRY_BYTES]) -> (Entry, u32) {
        let entry = Entry {
            kind: u32_at(bytes, 0),
            part: u32_at(bytes, 4),
            flags: u32_at(bytes, 8),
            offset: u64_at(bytes, 16),
            length: u64_at(bytes, 24),
            checksum: u128_at(bytes, 32),
            digest: bytes[48..].try_into().expect("the last 32 bytes"),
        };
        (entry, u32_at(bytes, 12))
    }
}

/// XXH3-128. In one piece: the streaming form is generic, so it would be compiled in this package, for size, and take three times as long.
fn checksum(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

fn u128_at(bytes: &[u8], offset: usize) -> u128 {
    u128::from_le_bytes(bytes[offset..offset + 16].try_into().expect("sixteen bytes"))
}

#[cfg(test)]
mod tests;
