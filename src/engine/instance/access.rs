//! The host's access to a guest: its exports, its memories.

use std::sync::atomic::Ordering::Relaxed;
use wasmtime::Extern;

use super::core::busy;
use super::names::Names;
use super::turn::Turn;
use crate::engine::artifact::ExternKind;
use crate::engine::naming;
use crate::rt::cancel;
use crate::status::*;

impl Turn<'_> {
    /// Returns an error while a call runs on the instance, except inside its host functions.
    pub(super) fn idle(&self) -> Result<()> {
        self.core.has_not_left(cancel::section_at());
        match self.core.admit(self.core.gate.load(Relaxed)) {
            Err(RTW_ERR_BUSY) => Err(busy()),
            // A faulted guest can still be read.
            _ => Ok(()),
        }
    }

    pub(super) fn export(&self, name: &str, kind: ExternKind) -> Result<Extern> {
        self.idle()?;
        // SAFETY: it is this thread's turn, and the gate is open.
        let context = unsafe { self.core.context() };
        self.names().find(context, name, kind).ok_or_else(|| {
            let exports = self.module.metadata.exports.iter().filter(|e| e.kind == kind);
            let there = naming::few(exports.map(|e| e.name.as_str()));
            let name = naming::shown(name);
            Error::new(RTW_ERR_NO_EXPORT, format!("there is no export \"{name}\"; exports of this kind: {there}"))
        })
    }

    /// The guest's names. A reset may call it, too.
    pub(super) fn names(&self) -> Names<'_> {
        // SAFETY: it is this thread's turn, and only a reset replaces the guest.
        let guest = unsafe { &*self.guest.get() };
        Names { instance: guest.instance, imported: &guest.imported, metadata: &self.module.metadata }
    }

    /// Returns the status of a refusal if the calling thread may not use the guest now.
    pub(super) fn may_read(&self) -> std::result::Result<(), rtw_status_t> {
        if self.core.is_making() {
            return Err(RTW_ERR_BUSY);
        }
        self.core.admit(self.core.gate.load(Relaxed))
    }

    /// An exported or imported memory; without a name, the default one.
    pub(super) fn engine_memory(&self, name: Option<&str>) -> Result<wasmtime::Memory> {
        Ok(match name {
            None => {
                self.idle()?;
                self.engine_parts()
                    .1
                    .ok_or_else(|| Error::new(RTW_ERR_NO_EXPORT, "the module exports no memory, and imports none"))?
            }
            Some(name) => match self.export(name, ExternKind::Memory)? {
                Extern::Memory(memory) => memory,
                other => return Err(wrong_kind(name, "memory", &other)),
            },
        })
    }

    /// Base address and size in bytes of such a memory.
    pub fn memory(&self, name: Option<&str>) -> Result<(*mut u8, usize)> {
        let memory = self.engine_memory(name)?;
        // SAFETY: it is this thread's turn.
        let context = unsafe { self.core.context() };
        Ok((memory.data_ptr(&context), memory.data_size(&context)))
    }

    /// A pointer to `length` bytes at `offset` of the default memory, or null if they are not all in bounds.
    #[inline]
    pub fn memory_at(&self, offset: u64, length: u64) -> *mut u8 {
        if self.core.is_making() {
            return std::ptr::null_mut();
        }
        let Some(memory) = self.engine_parts().1 else { return std::ptr::null_mut() };
        // SAFETY: it is this thread's turn, and the guest is complete.
        let context = unsafe { self.core.context() };
        match offset.checked_add(length) {
            Some(end) if end <= memory.data_size(&context) as u64 => memory.data_ptr(&context).wrapping_add(offset as usize),
            _ => std::ptr::null_mut(),
        }
    }

    /// Grows the default memory, prepared or not, and returns the place of the new part. The caller has the instance.
    pub(in crate::engine) fn grow_for_setup(&self, pages: u64) -> Result<u64> {
        let memory = self
            .engine_parts()
            .1
            .ok_or_else(|| Error::new(RTW_ERR_NO_EXPORT, "the module exports no memory, and imports none"))?;
        let was_prepared = self.core.prepared.swap(false, Relaxed);
        // SAFETY: it is this thread's turn.
        let grown = memory.grow(unsafe { self.core.context() }, pages);
        self.core.prepared.store(was_prepared, Relaxed);
        grown.map(|before| before * 65536).map_err(|e| Error::new(RTW_ERR_LIMIT, format!("{e:#}")))
    }
}

pub(super) fn wrong_kind(name: &str, wanted: &str, found: &Extern) -> Error {
    let found = match found {
        Extern::Func(_) => "function",
        Extern::Memory(_) | Extern::SharedMemory(_) => "memory",
        Extern::Global(_) => "global",
        Extern::Table(_) => "table",
        Extern::Tag(_) => "tag",
    };
    Error::new(RTW_ERR_EXPORT_KIND, format!("export \"{name}\" is a {found}, not a {wanted}"))
}
