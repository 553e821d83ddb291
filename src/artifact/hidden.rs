//! Hidden exports: the compiler makes a module's own memories, tables and mutable globals reachable for the library, whether the
//! module exports them or not. No guest and no host can name them, and lists of exports leave them out.

use serde::{Deserialize, Serialize};

use super::ExternKind;

/// One hidden export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// A memory, a table or a global.
    pub kind: ExternKind,
    /// Its index in the module, imports counted.
    pub index: u32,
    /// Its type, in the words of `Extern::ty`.
    pub ty: String,
}

impl Hidden {
    pub fn name(&self) -> String {
        name(self.kind, self.index)
    }
}

/// The name under which the engine knows a hidden export. It begins with a zero byte: the compiler refuses such names in modules, and a
/// C string cannot contain one.
pub fn name(kind: ExternKind, index: u32) -> String {
    let letter = match kind {
        ExternKind::Memory => 'm',
        ExternKind::Table => 't',
        ExternKind::Global => 'g',
        ExternKind::Func => 'f',
        ExternKind::Tag => 'e',
    };
    format!("\0{letter}{index}")
}

/// A module with more mutable globals than this has no hidden exports for them.
pub const MOST_GLOBALS: u64 = 1000;

/// True if the library reaches all mutable globals of a module with these exports, by their engine's names. `global_bytes`: what the
/// artifact counts for all globals.
pub fn reaches_globals<'a>(mut exports: impl Iterator<Item = &'a str>, global_bytes: u64) -> bool {
    const BYTES_EACH: u64 = 16;
    global_bytes <= MOST_GLOBALS * BYTES_EACH || exports.any(|name| name.starts_with("\0g"))
}

/// True if the engine's name of an export is one of these.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_begin_with_a_zero_byte() {
        let hidden = Hidden { kind: ExternKind::Table, index: 12, ty: "table 1.. funcref".into() };
        assert_eq!(hidden.name(), "\0t12");
        assert_ne!(name(ExternKind::Memory, 0), name(ExternKind::Global, 0));
        assert!(is_hidden(&hidden.name()) && !is_hidden("t12") && !is_hidden(""));
    }
}
