//! Finds things of a guest by name: its exports, also hidden ones, and the memories, tables and globals that it imports.

use wasmtime::{AsContextMut, Extern};

use crate::artifact::hidden;
use crate::engine::artifact::{ExternKind, Metadata};

/// A guest's names. Finding something allocates nothing.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub instance: wasmtime::Instance,
    pub imported: &'a [Extern],
    pub metadata: &'a Metadata,
}

impl Names<'_> {
    /// The export of this name, or else the import of this kind, from whatever module. Exports may have another kind.
    pub fn find(self, store: impl AsContextMut, name: &str, kind: ExternKind) -> Option<Extern> {
        let imported = || {
            let is_it =
                |one: &crate::engine::artifact::Extern| kind != ExternKind::Func && one.kind == kind && one.name == name;
            self.imported.get(self.metadata.imports.iter().position(is_it)?).cloned()
        };
        self.instance.get_export(store, name).or_else(imported)
    }

    /// The table of this name, or the module's first table for none.
    pub fn table(self, store: impl AsContextMut, name: Option<&str>) -> Option<Extern> {
        if let Some(name) = name {
            return self.find(store, name, ExternKind::Table);
        }
        match self.metadata.imports.iter().position(|one| one.kind == ExternKind::Table) {
            Some(at) => self.imported.get(at).cloned(),
            None => self.instance.get_export(store, &hidden::name(ExternKind::Table, 0)),
        }
    }
}
