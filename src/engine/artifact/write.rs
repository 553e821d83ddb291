//! Writes artifacts.

use super::{
    CHECKED_HEADER_BYTES, ENTRY_BYTES, Entry, HEADER_BYTES, MAGIC, MOST_ENTRIES, Metadata, Notes, REQUIRED, VERSION, checksum,
    kind,
};
use crate::status::*;

/// A section beside those that every part has.
#[derive(Clone, Debug)]
pub struct Section {
    /// One of [`kind`].
    pub kind: u32,
    /// True if a reader that does not know this kind must not use the part, or the file.
    pub required: bool,
    pub bytes: Vec<u8>,
}

/// The module, compiled for one kind of machine and one profile.
#[derive(Clone, Debug)]
pub struct Part {
    pub metadata: Metadata,
    pub notes: Notes,
    pub code: Vec<u8>,
    pub more: Vec<Section>,
}

/// Wraps parts, in the order in which equally good ones are preferred, and sections of the whole file in an envelope.
pub fn write(parts: &[Part], whole: &[Section]) -> Result<Vec<u8>> {
    // First, so that a part's code is at the end.
    let mut sections: Vec<_> = whole
        .iter()
        .map(|one| (one.kind, 0, u32::from(one.required), std::borrow::Cow::Borrowed(one.bytes.as_slice())))
        .collect();
    for (part, number) in parts.iter().zip(1..) {
        let encoded = postcard::to_stdvec(&part.notes).and_then(|mut notes| {
            if let Some(needs) = &part.notes.needs {
                notes.extend(postcard::to_stdvec(needs)?);
            }
            Ok(notes)
        });
        let notes = encoded.map_err(|error| Error::new(RTW_ERR_INTERNAL, format!("cannot encode the notes: {error}")))?;
        sections.push((kind::DESCRIPTION, number, REQUIRED, std::borrow::Cow::Owned(part.metadata.description.encode()?)));
        sections.push((kind::METADATA, number, REQUIRED, part.metadata.encode().into()));
        sections.push((kind::NOTES, number, 0, notes.into()));
        let more = part.more.iter().map(|one| (one.kind, number, u32::from(one.required), one.bytes.as_slice().into()));
        sections.extend(more);
        sections.push((kind::CODE, number, REQUIRED, part.code.as_slice().into()));
    }
    if sections.len() > MOST_ENTRIES as usize {
        return Err(Error::new(RTW_ERR_LIMIT, format!("an artifact has at most {MOST_ENTRIES} sections")));
    }

    let mut offset = (HEADER_BYTES + sections.len() * ENTRY_BYTES) as u64;
    let mut entries = Vec::with_capacity(sections.len());
    for (kind, part, flags, bytes) in &sections {
        let (kind, part, flags, length) = (*kind, *part, *flags, bytes.len() as u64);
        entries.push(Entry { kind, part, flags, offset, length, checksum: checksum(bytes), digest: [0; 32] });
        offset += length;
    }
    let mut file = front(&entries, offset, &[]);
    file.reserve_exact(offset as usize - file.len());
    sections.iter().for_each(|(_, _, _, bytes)| file.extend_from_slice(bytes));
    Ok(file)
}

/// The header and the table of a file whose sections end at `end`, where the signatures begin.
pub(super) fn front(entries: &[Entry], end: u64, signatures: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    file.extend_from_slice(&(end + signatures.len() as u64).to_le_bytes());
    file.extend_from_slice(&(signatures.len() as u32).to_le_bytes());
    file.resize(HEADER_BYTES, 0);
    entries.iter().for_each(|entry| file.extend_from_slice(&entry.encode()));
    let checksum = front_checksum(&file, signatures);
    file[CHECKED_HEADER_BYTES..CHECKED_HEADER_BYTES + 16].copy_from_slice(&checksum.to_le_bytes());
    file
}

/// The checksum of a header with its table, and of the signatures.
pub(super) fn front_checksum(front: &[u8], signatures: &[u8]) -> u128 {
    checksum(&[&front[..CHECKED_HEADER_BYTES], &front[HEADER_BYTES..], signatures].concat())
}
