//! The memory of one module's code: it is read into its place, and made executable there, so that nothing is copied.

use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use wasmtime::CustomCodeMemory;

use crate::status::*;
use crate::sys::{errno, memory};

/// Code in the engine's form, in a mapping of its own. The engine keeps it as long as it may run.
pub struct CodeImage {
    mapped: Range<usize>,
    length: usize,
}

impl CodeImage {
    /// Maps room for `length` bytes, all zero.
    pub fn new(length: usize) -> Result<CodeImage> {
        let mapped = memory::map_code(length.max(1)).map_err(|error| {
            let status = if error.raw_os_error() == Some(errno::EAGAIN) { RTW_ERR_MEMLOCK } else { RTW_ERR_NO_MEMORY };
            Error::os(status, "cannot map memory for the artifact's code", &error)
        })?;
        Ok(CodeImage { mapped, length })
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
        unsafe { memory::unmap(self.mapped.clone()) };
    }
}

impl CustomCodeMemory for CodeImage {
    fn required_alignment(&self) -> usize {
        memory::page_size()
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        let start = code as usize;
        let code = start..(start + length).next_multiple_of(memory::page_size());
        if start < self.mapped.start || code.end > self.mapped.end {
            return Err(wasmtime::Error::msg("the code is not in its image"));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: within the image.
        unsafe {
            wasmtime_internal_jit_icache_coherence::clear_cache(start as *const _, length)?
        };
        // SAFETY: within the image, which nobody writes from now on; nothing runs before this returns.
        unsafe { memory::make_code(self.mapped.clone(), code) }
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
