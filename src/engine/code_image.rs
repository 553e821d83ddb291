//! The memory of one module's code: it is read into its place, and made executable there, so that nothing is copied.
//!
//! The system takes longer to supply memory than the library takes to read code into it. So a runtime keeps the memory of its last few
//! modules that are gone, writable again and no longer executable, for the next ones: a host that hot-swaps loads again and again.

use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

use wasmtime::CustomCodeMemory;

use crate::status::*;
use crate::sys::memory::{Access, Lock};
use crate::sys::{errno, memory};

/// The largest number of mappings that a runtime keeps.
const MOST_KEPT: usize = 2;
/// The largest mapping that a runtime keeps.
const LARGEST_KEPT_BYTES: usize = 4 << 20;

/// Mappings that held code of a runtime's modules, for the next modules.
pub struct Kept {
    /// Each a mapping in one word ([`word`]), or 0. The thread that takes a word out owns the mapping.
    mappings: [AtomicU64; MOST_KEPT],
    /// True if the runtime locks memory: then images were locked, and are unlocked here, since the limit is for what is in use.
    locks: bool,
}

/// A mapping in one word: the number of its first page, and its number of pages.
fn word(mapped: &Range<usize>) -> u64 {
    (mapped.start / memory::page_size()) as u64 * LARGEST_KEPT_BYTES as u64 | (mapped.len() / memory::page_size()) as u64
}

fn mapping(word: u64) -> Range<usize> {
    let (first, count) = (word / LARGEST_KEPT_BYTES as u64, word % LARGEST_KEPT_BYTES as u64);
    let start = first as usize * memory::page_size();
    start..start + count as usize * memory::page_size()
}

impl Kept {
    pub fn new(lock: Lock) -> Arc<Kept> {
        Arc::new(Kept { mappings: [const { AtomicU64::new(0) }; MOST_KEPT], locks: lock != Lock::Off })
    }

    /// Takes out a mapping that has room for `bytes`, and not much more than four times that.
    fn take(&self, bytes: usize) -> Option<Range<usize>> {
        let most = 4 * bytes.next_multiple_of(64 << 10);
        let fits = |word: u64| word != 0 && (bytes..=most).contains(&mapping(word).len());
        self.mappings.iter().find_map(|kept| {
            let found = kept.load(Relaxed);
            // Another thread may have taken it meanwhile.
            (fits(found) && kept.compare_exchange(found, 0, Acquire, Relaxed).is_ok()).then(|| mapping(found))
        })
    }

    /// Keeps a mapping that nobody uses any more, instead of an older one if there is no place.
    fn put(&self, mapped: Range<usize>) {
        if mapped.len() > LARGEST_KEPT_BYTES || (self.locks && !memory::unlock(mapped.clone())) {
            // SAFETY: the caller's own, and not in use.
            return unsafe { memory::unmap(mapped) };
        }
        let mut kept = word(&mapped);
        // The newest comes first.
        for place in &self.mappings {
            kept = place.swap(kept, AcqRel);
            if kept == 0 {
                return;
            }
        }
        // SAFETY: just taken out.
        unsafe { memory::unmap(mapping(kept)) };
    }

    /// Returns all of them to the system.
    fn clear(&self) {
        for place in &self.mappings {
            let kept = place.swap(0, Acquire);
            if kept != 0 {
                // SAFETY: just taken out.
                unsafe { memory::unmap(mapping(kept)) };
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Code in the engine's form, in a mapping of its own. The engine keeps it as long as it may run.
pub struct CodeImage {
    mapped: Range<usize>,
    length: usize,
    kept: Arc<Kept>,
}

impl CodeImage {
    /// Maps room for `length` bytes, whose content is undefined, or takes a mapping that was kept.
    pub fn new(length: usize, kept: &Arc<Kept>) -> Result<CodeImage> {
        let mapped = match kept.take(length) {
            Some(mapped) => mapped,
            None => CodeImage::map(length.max(1), kept)?,
        };
        let mut image = CodeImage { mapped, length, kept: kept.clone() };
        // The rest of its last page may become executable.
        let end = length.next_multiple_of(memory::page_size());
        // SAFETY: mapped and writable, and nobody else's.
        unsafe { image.as_mut_ptr().add(length).write_bytes(0, end - length) };
        Ok(image)
    }

    fn map(length: usize, kept: &Kept) -> Result<Range<usize>> {
        let refused = |error: std::io::Error| {
            let status = if error.raw_os_error() == Some(errno::EAGAIN) { RTW_ERR_MEMLOCK } else { RTW_ERR_NO_MEMORY };
            Error::os(status, "cannot map memory for the artifact's code", &error)
        };
        memory::map_code(length)
            .or_else(|_| {
                kept.clear();
                memory::map_code(length)
            })
            .map_err(refused)
    }

    /// The memory, for an engine that was given this image as its code memory.
    pub fn memory(&self) -> NonNull<[u8]> {
        NonNull::from(&**self)
    }
}

impl Deref for CodeImage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped readable, and this long.
        unsafe { std::slice::from_raw_parts(self.mapped.start as *const u8, self.length) }
    }
}

impl DerefMut for CodeImage {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: an image that is not shared yet was not published, so it is writable.
        unsafe { std::slice::from_raw_parts_mut(self.mapped.start as *mut u8, self.length) }
    }
}

impl Drop for CodeImage {
    fn drop(&mut self) {
        // SAFETY: our own, and whoever could run it has gone: the engine holds the image.
        match unsafe { memory::protect(self.mapped.clone(), Access::ReadWrite) } {
            Ok(()) => self.kept.put(self.mapped.clone()),
            // SAFETY: as above.
            Err(_) => unsafe { memory::unmap(self.mapped.clone()) },
        }
    }
}

impl CustomCodeMemory for CodeImage {
    fn required_alignment(&self) -> usize {
        memory::page_size()
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        let start = code as usize;
        let code = start..(start + length).next_multiple_of(memory::page_size());
        let image = self.mapped.start..self.mapped.start + self.length.next_multiple_of(memory::page_size());
        if start < image.start || code.end > image.end {
            return Err(wasmtime::Error::msg("the code is not in its image"));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: within the image.
        unsafe {
            wasmtime_internal_jit_icache_coherence::clear_cache(start as *const _, length)?
        };
        // SAFETY: within the image, which nobody writes from now on; nothing runs before this returns.
        unsafe { memory::make_code(image, code) }
            .map_err(|error| rustix::io::Errno::from_io_error(&error).map_or_else(|| error.into(), wasmtime::Error::from))?;
        #[cfg(target_arch = "aarch64")]
        wasmtime_internal_jit_icache_coherence::pipeline_flush_mt()?;
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        // It is unmapped next.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns from smaps the rights of the mapping that holds the address, and the KiB of it that are locked.
    fn seen(address: usize) -> (String, String) {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines();
        let holds = |line: &&str| {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            let ends = range.and_then(|(start, end)| Some([start, end].map(|text| usize::from_str_radix(text, 16).ok())));
            matches!(ends, Some([Some(start), Some(end)]) if (start..end).contains(&address))
        };
        let rights = lines.find(holds).unwrap().split(' ').nth(1).unwrap().to_owned();
        (rights, lines.find(|line| line.starts_with("Locked:")).unwrap().split_ascii_whitespace().nth(1).unwrap().to_owned())
    }

    fn rights(address: usize) -> String {
        seen(address).0
    }

    /// An image whose second page is published as code.
    fn published(pages: usize, kept: &Arc<Kept>) -> CodeImage {
        let page = memory::page_size();
        let mut image = CodeImage::new(pages * page - 100, kept).unwrap();
        image.fill(7);
        image.publish_executable(image[page..].as_ptr(), page).unwrap();
        image
    }

    #[test]
    fn memory_that_was_kept_is_not_executable_and_becomes_another_image() {
        let (kept, page) = (Kept::new(Lock::Off), memory::page_size());
        let image = published(4, &kept);
        let start = image.as_ptr() as usize;
        let found = [0, 1, 2, 3].map(|number| rights(start + number * page));
        assert_eq!(found, ["r--p", "r-xp", "r--p", "r--p"]);
        drop(image);
        assert_eq!(rights(start + page), "rw-p");
        let image = published(3, &kept);
        assert_eq!(image.as_ptr() as usize, start);
        // SAFETY: the rest of the last page, which is readable.
        let rest = unsafe { std::slice::from_raw_parts(image.as_ptr().add(image.len()), 100) };
        assert_eq!(rest, [0; 100], "nothing of the earlier image is left in the page");
        assert_eq!(rights(start + 3 * page), "rw-p", "what the image does not use stays as it was");
        assert_ne!(published(4, &kept).as_ptr() as usize, start, "twin: a mapping that is in use is not given out");
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for_and_only_small_ones() {
        let kept = Kept::new(Lock::Off);
        let starts = |sizes: &[usize]| {
            let images: Vec<_> = sizes.iter().map(|pages| published(*pages, &kept)).collect();
            images.iter().map(|image| image.as_ptr() as usize).collect::<Vec<_>>()
        };
        let first = starts(&[2, 2, 2]);
        let is_kept = |start: &usize| kept.mappings.iter().any(|word| mapping(word.load(Relaxed)).start == *start);
        assert_eq!(first.iter().map(is_kept).collect::<Vec<_>>(), [false, true, true], "the oldest makes room");
        let large = starts(&[(LARGEST_KEPT_BYTES / memory::page_size()) * 2])[0];
        assert!(!is_kept(&large));
        assert!(kept.take(1 << 20).is_none(), "one that is too small is not taken");
        assert_eq!(kept.take(2 * memory::page_size()).map(|mapped| mapped.start), Some(first[2]), "the newest comes first");
        kept.clear();
        assert!(kept.take(memory::page_size()).is_none());
    }

    #[test]
    fn locked_memory_is_unlocked_when_it_is_kept() {
        let is_locked = |start: usize| seen(start).1 != "0";
        let kept = Kept::new(Lock::On);
        let image = published(4, &kept);
        let start = image.as_ptr() as usize;
        if !memory::try_lock(start..start + image.len()) {
            return; // This process may lock nothing.
        }
        assert!(is_locked(start), "twin: an image in use is locked");
        drop(image);
        assert!(!is_locked(start));
        assert_eq!(published(4, &kept).as_ptr() as usize, start);
    }
}
