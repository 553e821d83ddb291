//! A module's reset image: the state in which each of its guests starts, as the compiler has computed it. docs/artifacts.md shows its
//! layout. A reset writes it back instead of creating a guest anew.

use std::ops::Range;
use wasmtime::{ModuleExport, Val};

use super::artifact::{ExternKind, MemoryFacts, hidden};
use super::memory::Region;
use crate::status::*;

/// Bytes of the image's first numbers, and of the record of an extent or a global.
const FRONT_BYTES: usize = 16;
const RECORD_BYTES: usize = 24;
const VERSION: u32 = 1;

/// A part of a memory that is not zero at the start.
struct Extent {
    memory: usize,
    offset: usize,
    length: usize,
}

pub struct Image {
    bytes: Box<[u8]>,
    /// Where the extents' records are in them, and what they consist of.
    extents: Range<usize>,
    data: usize,
    memory_count: usize,
    /// The mutable globals, with their values at the start.
    pub globals: Box<[(ModuleExport, Val)]>,
}

impl Image {
    /// Understands an image. None if the module does not let the library reach its globals, or the image is of a later version.
    pub fn new(bytes: Box<[u8]>, memories: &[MemoryFacts], code: &wasmtime::Module) -> Result<Option<Image>> {
        let small = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let counted = |at: usize| small(at).map(|count| count as usize);
        if small(0).ok_or_else(broken)? > VERSION {
            return Ok(None);
        }
        let [memory_count, extent_count, global_count] = [4, 8, 12].map(counted);
        let (Some(memory_count), Some(extent_count), Some(global_count)) = (memory_count, extent_count, global_count) else {
            return Err(broken());
        };
        let extents = FRONT_BYTES + 8 * memory_count;
        let globals = extents + RECORD_BYTES * extent_count;
        let data = globals + RECORD_BYTES * global_count;
        if memory_count != memories.len() || data > bytes.len() {
            return Err(broken());
        }
        let mut reached = Vec::with_capacity(global_count);
        for record in bytes[globals..data].chunks_exact(RECORD_BYTES) {
            let (index, ty, value) = (word(record, 0) as u32, (word(record, 0) >> 32) as u32, word(record, 8));
            let value = match ty {
                0x7f => Val::I32(value as i32),
                0x7e => Val::I64(value as i64),
                0x7d => Val::F32(value as u32),
                0x7c => Val::F64(value),
                0x7b => Val::V128((u128::from(word(record, 16)) << 64 | u128::from(value)).into()),
                _ => return Err(broken()),
            };
            let Some(export) = code.get_export_index(&hidden::name(ExternKind::Global, index)) else { return Ok(None) };
            reached.push((export, value));
        }
        let image = Image { extents: extents..globals, data, memory_count, globals: reached.into(), bytes };
        image.check(memories).map(|()| Some(image))
    }

    /// Extents follow each other, within their memories, and their bytes are all there.
    fn check(&self, memories: &[MemoryFacts]) -> Result<()> {
        let (mut memory, mut at, mut left) = (0, 0, self.bytes.len() - self.data);
        for extent in self.extents() {
            if extent.memory != memory {
                at = 0;
            }
            let end = extent.offset.checked_add(extent.length).filter(|_| extent.memory >= memory && extent.offset >= at);
            let most = memories.get(extent.memory).map_or(0, |memory| memory.min_bytes);
            at = end.filter(|end| *end as u64 <= most).ok_or_else(broken)?;
            left = left.checked_sub(extent.length).ok_or_else(broken)?;
            memory = extent.memory;
        }
        Ok(())
    }

    fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        let extent = |record: &[u8]| {
            let [memory, offset, length] = [0, 8, 16].map(|at| word(record, at) as usize);
            Extent { memory, offset, length }
        };
        self.bytes[self.extents.clone()].chunks_exact(RECORD_BYTES).map(extent)
    }

    /// True if these memories are those of the image.
    pub fn fits(&self, memories: &[std::sync::Arc<Region>]) -> bool {
        memories.len() == self.memory_count
    }

    /// Writes the memories' first content, but not to `mapped`, the addresses of pages that are a host's, in their order. Allocates
    /// nothing.
    ///
    /// # Safety
    /// The memories are a guest's of this module, that fit, and no call runs.
    pub unsafe fn write(&self, memories: &[std::sync::Arc<Region>], mapped: &[Range<usize>]) {
        let mut extents = self.extents().peekable();
        let mut data = &self.bytes[self.data..];
        for (index, memory) in memories.iter().enumerate() {
            let range = memory.of_guest();
            let mut at = range.start;
            while let Some(extent) = extents.next_if(|extent| extent.memory == index) {
                let (bytes, rest) = data.split_at(extent.length);
                let start = range.start + extent.offset;
                // SAFETY: within the guest's memory, as the caller promises and `check` has seen.
                unsafe {
                    put(at..start, None, mapped);
                    put(start..start + bytes.len(), Some(bytes), mapped);
                }
                (at, data) = (start + bytes.len(), rest);
            }
            // SAFETY: as above.
            unsafe { put(at..range.end, None, mapped) };
        }
    }
}

/// Fills a range of addresses, but for the mapped parts of it, with these bytes, which are as many, or with zeros.
///
/// # Safety
/// The range is writable, and nobody else uses it.
unsafe fn put(range: Range<usize>, bytes: Option<&[u8]>, mapped: &[Range<usize>]) {
    let mut at = range.start;
    let beyond = range.end..range.end;
    for hole in mapped.iter().filter(|hole| hole.end > range.start && hole.start < range.end).chain([&beyond]) {
        let end = hole.start.max(at);
        let to = at as *mut u8;
        // SAFETY: within the range.
        unsafe {
            match bytes {
                Some(bytes) => to.copy_from_nonoverlapping(bytes[at - range.start..].as_ptr(), end - at),
                None => to.write_bytes(0, end - at),
            }
        }
        at = hole.end.min(range.end);
    }
}

fn word(record: &[u8], at: usize) -> u64 {
    record[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn broken() -> Error {
    Error::new(RTW_ERR_ARTIFACT, "the artifact's reset image contradicts itself or the module")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_left_out() {
        let mut memory = [1_u8; 10];
        let start = memory.as_mut_ptr() as usize;
        let hole = |from: usize, to: usize| start + from..start + to;
        // SAFETY: its own memory.
        unsafe { put(start..start + 10, None, &[hole(0, 1), hole(3, 5), hole(9, 12)]) };
        assert_eq!(memory, [1, 0, 0, 1, 1, 0, 0, 0, 0, 1]);
        let bytes = [2, 3, 4, 5, 6, 7];
        // SAFETY: as above.
        unsafe { put(start + 2..start + 8, Some(&bytes), &[hole(0, 3), hole(4, 5), hole(8, 9)]) };
        assert_eq!(memory, [1, 0, 0, 3, 1, 5, 6, 7, 0, 1]);
        // SAFETY: as above.
        unsafe { put(start..start + 10, Some(&[9; 10]), &[hole(0, 10)]) };
        assert_eq!(memory, [1, 0, 0, 3, 1, 5, 6, 7, 0, 1]);
    }
}
