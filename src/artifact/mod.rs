//! The facts that an artifact states about its code, and the check that such code runs here. The engine reads the envelope around it
//! (`engine/artifact`).

pub mod cpu_features;
pub mod description;
pub mod guest;
pub mod hidden;
pub mod metadata;
pub mod notes;
pub mod release;
pub mod reset;
pub mod settings;

use serde::{Deserialize, Serialize};

pub use description::{Description, check_host};
pub use metadata::{Edits, Metadata};
pub use notes::{Needs, Notes, Slow};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternKind {
    Func,
    Memory,
    Global,
    Table,
    Tag,
}

impl ExternKind {
    pub fn name(self) -> &'static str {
        match self {
            ExternKind::Func => "func",
            ExternKind::Memory => "memory",
            ExternKind::Global => "global",
            ExternKind::Table => "table",
            ExternKind::Tag => "tag",
        }
    }
}

/// One import or export, which the envelope describes without loading the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extern {
    pub kind: ExternKind,
    /// The module of an import; empty for exports.
    pub module: String,
    pub name: String,
    /// `(i32,f32)->(f32)`, `memory 1..4 pages`, `global mut i32`, `table 3..3 funcref`.
    pub ty: String,
}

/// One linear memory of the module, imported or defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFacts {
    pub min_bytes: u64,
    /// `None`: the module declares no maximum.
    pub max_bytes: Option<u64>,
}

/// The bytes that a guest makes the host hold from the start; the library adds what every instance takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// All linear memories.
    pub memory_bytes: u64,
    /// All tables' entries.
    pub table_bytes: u64,
    pub global_bytes: u64,
    /// The engine's records: functions, types, imports, segments that were not copied yet.
    pub record_bytes: u64,
    /// The number of tables.
    pub table_count: u32,
}

impl Need {
    pub fn total(&self) -> u64 {
        let Need { memory_bytes, table_bytes, global_bytes, record_bytes, table_count: _ } = *self;
        memory_bytes.saturating_add(table_bytes).saturating_add(global_bytes).saturating_add(record_bytes)
    }

    /// The largest part, in words, and its bytes.
    pub fn largest(&self) -> (&'static str, u64) {
        let parts = [
            ("memories", self.memory_bytes),
            ("tables", self.table_bytes),
            ("globals", self.global_bytes),
            ("the engine's records", self.record_bytes),
        ];
        parts.into_iter().max_by_key(|(_, bytes)| *bytes).expect("there are four")
    }
}

/// A stretch of the module that was compiled, and its place in the module that the user gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    pub length: u32,
    /// Offset in the user's module.
    pub original: u32,
    /// True if the stretch is part of the user's module, byte for byte; otherwise all of it stands for one place there.
    pub verbatim: bool,
}

/// Converts an offset in the compiled module into one in the user's module.
pub fn original_offset(edits: impl IntoIterator<Item = Edit>, offset: u32) -> u32 {
    let mut left = offset;
    let mut last = None;
    for edit in edits {
        if left < edit.length {
            return edit.original.saturating_add(if edit.verbatim { left } else { 0 });
        }
        left -= edit.length;
        last = Some(edit);
    }
    // Modules that were not changed have no edits.
    last.map_or(offset, |last| last.original.saturating_add(if last.verbatim { last.length } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_before_in_and_after_an_edit() {
        let edit = |length, original, verbatim| Edit { length, original, verbatim };
        // Ten bytes, three inserted before the eleventh, five from the twelfth on, the same five again, two at the end.
        let edits = [edit(10, 0, true), edit(3, 10, false), edit(5, 11, true), edit(5, 11, true), edit(2, 16, false)];
        let told = |offset| original_offset(edits, offset);
        assert_eq!([0, 9, 10, 12, 13, 17, 18, 22, 23, 24, 25].map(told), [0, 9, 10, 10, 11, 15, 11, 15, 16, 16, 16]);
        assert_eq!(original_offset([], 7), 7);
    }
}
