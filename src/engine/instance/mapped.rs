//! Pages of a guest's memory that are a host's file, shared with whoever else has the file mapped.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use wasmtime::{Extern, Memory};

use super::guest::{Data, Guest};
use super::names::Names;
use super::table::not_grown;
use super::turn::Turn;
use crate::engine::artifact::ExternKind;
use crate::engine::module::Module;
use crate::rt::reserve;
use crate::status::*;
use crate::sys::memory::{self as pages, Lock};
use crate::sys::{errno, file};

/// A part of a file in the place of a part of a memory. Bytes, in multiples of the system's pages.
#[derive(Clone)]
pub struct Mapped {
    pub memory: Option<String>,
    pub offset: u64,
    pub bytes: u64,
    pub file: Arc<File>,
    pub file_offset: u64,
}

impl Mapped {
    /// Checks what does not depend on a guest. `vouched`: the host promises that nobody shortens the file.
    pub fn check(&self, vouched: bool) -> Result<()> {
        let page = pages::page_size() as u64;
        if self.bytes == 0 || (self.offset | self.bytes | self.file_offset) % page != 0 {
            let text = format!(
                "offset, length and file_offset are to be multiples of the page size, {page}, and length at least one page"
            );
            return Err(Error::new(RTW_ERR_ARGUMENT, text));
        }
        let unknown = |error| Error::os(RTW_ERR_IO, "the descriptor cannot be examined", &error);
        let found = self.file.metadata().map_err(unknown)?;
        if let Some(kind) = file::kind(found.file_type()) {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                format!("the descriptor is {kind}: only files of memory can be mapped"),
            ));
        }
        if self.file_offset.checked_add(self.bytes).is_none_or(|end| end > found.len()) {
            return Err(Error::new(RTW_ERR_BOUNDS, format!("the file has only {} bytes", found.len())));
        }
        if !vouched && !file::keeps_its_size(&self.file) {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "the file could be shortened, and the next access would end the process: seal a memfd with F_SEAL_SHRINK, or \
                 vouch for the file's owner with RTW_MAP_VOUCHED",
            ));
        }
        Ok(())
    }

    /// The addresses of the part in a guest's memory of this base and size.
    fn within(&self, base: usize, size: usize) -> Option<Range<usize>> {
        let end = self.offset.checked_add(self.bytes).filter(|end| *end <= size as u64)?;
        Some(base + self.offset as usize..base + end as usize)
    }

    /// Puts the pages there, present and locked as wanted. True in an error: what was there may be lost.
    ///
    /// # Safety
    /// The range is a part of a guest's memory, and no call runs.
    unsafe fn place(&self, range: Range<usize>, lock: Lock) -> std::result::Result<(), (Error, bool)> {
        let refused = |error: std::io::Error| {
            let status = match error.raw_os_error() {
                Some(errno::EACCES | errno::EPERM) => RTW_ERR_PERMISSION,
                Some(errno::ENOMEM | errno::EAGAIN) => RTW_ERR_NO_MEMORY,
                _ => RTW_ERR_UNSUPPORTED,
            };
            Error::os(status, "the file cannot be mapped for reading and writing", &error)
        };
        let there = pages::map_file(&self.file, self.file_offset, range.len()).map_err(|error| (refused(error), false))?;
        let there = there..there + range.len();
        let locked = pages::lock_as(lock, there.clone()).map_err(|error| (error, false));
        // SAFETY: a fresh mapping goes where the caller wants it.
        let moved = locked
            .and_then(|_| unsafe { pages::move_over(there.clone(), range.start) }.map_err(|error| (refused(error), true)));
        if moved.is_err() {
            // SAFETY: just mapped, and nobody else's.
            unsafe { pages::unmap(there) };
        }
        moved
    }

    /// Puts the pages into a new guest, whose memory grows if need be.
    pub(super) fn apply(&self, module: &Module, guest: &mut Guest) -> Result<()> {
        let names = Names { instance: guest.instance, imported: &guest.imported, metadata: &module.metadata };
        let store = &mut guest.store;
        let memory = match &self.memory {
            Some(name) => names.find(&mut *store, name, ExternKind::Memory).and_then(Extern::into_memory),
            None => guest.memory,
        };
        let gone = || Error::new(RTW_ERR_LIMIT, "a mapped part is beyond the new guest's memory");
        let memory = memory.ok_or_else(gone)?;
        let more = self.offset.saturating_add(self.bytes).saturating_sub(memory.data_size(&*store) as u64);
        if more != 0 {
            let more = more.div_ceil(memory.page_size(&*store));
            let asked = Data::of(store.data()).core.growth.counts();
            memory.grow(&mut *store, more).map_err(|error| not_grown(&Data::of(store.data()).core.growth, asked, error))?;
        }
        let range = self.within(memory.data_ptr(&*store) as usize, memory.data_size(&*store)).ok_or_else(gone)?;
        // SAFETY: it is the memory of a guest that nobody has yet.
        unsafe { self.place(range.clone(), Lock::Off) }.map_err(|(error, _)| error)?;
        guest.note_mapped(range);
        Ok(())
    }
}

impl Guest {
    fn note_mapped(&mut self, range: Range<usize>) {
        self.memories.iter().for_each(|memory| memory.keep_apart());
        let place = self.mapped.partition_point(|known| known.start <= range.start);
        self.mapped.insert(place, range);
    }
}

impl Turn<'_> {
    /// Maps it in this guest and in every one that follows.
    pub fn map(&self, mapped: Mapped) -> Result<()> {
        let memory = self.engine_memory(mapped.memory.as_deref())?;
        self.while_closed(|| self.map_into(memory, mapped))
    }

    fn map_into(&self, memory: Memory, mapped: Mapped) -> Result<()> {
        // SAFETY: it is this thread's turn.
        let (context, guest) = unsafe { (self.core.context(), &mut *self.guest.get()) };
        let size = memory.data_size(&context);
        let beyond = || Error::new(RTW_ERR_BOUNDS, format!("the memory has only {size} bytes"));
        let range = mapped.within(memory.data_ptr(&context) as usize, size).ok_or_else(beyond)?;
        if guest.mapped.iter().any(|known| known.start < range.end && range.start < known.end) {
            return Err(Error::new(RTW_ERR_ARGUMENT, "a part of the range is mapped already"));
        }
        let lock = if self.is_prepared() { self.module.runtime.config.lock } else { Lock::Off };
        let mut added = self.lock_added();
        reserve::room(&mut added.mapped, 1)?;
        reserve::room(&mut guest.mapped, 1)?;
        reserve::check()?;
        // SAFETY: the guest's memory, and no call runs.
        if let Err((error, lost)) = unsafe { mapped.place(range.clone(), lock) } {
            if lost {
                // SAFETY: as above.
                unsafe { pages::replace(range, pages::Access::ReadWrite) };
                self.core.poison();
            }
            return Err(error);
        }
        guest.note_mapped(range);
        added.mapped.push(mapped);
        Ok(())
    }
}
