//! Gathers the envelope's facts about a module's interface from the module itself.

use rtwasm::engine::artifact::{Extern, ExternKind, Hidden, MemoryFacts, hidden};
use rtwasm::status::*;
use wasmparser::types::{CoreTypeId, EntityType, TypesRef};
use wasmparser::{FuncType, GlobalType, KnownCustom, MemoryType, Name, Parser, Payload, TableType, ValType};

use crate::place;
use crate::validate::Checked;

pub struct Facts {
    pub imports: Vec<Extern>,
    pub exports: Vec<Extern>,
    pub memories: Vec<MemoryFacts>,
    /// The memories, tables and globals that the library reaches without the module's help.
    pub hidden: Vec<Hidden>,
    /// Functions defined in the module.
    pub function_count: u32,
    pub has_start: bool,
}

/// Gathers the facts of a module that has passed validation.
pub fn gather(module: &[u8], checked: &Checked) -> Result<Facts> {
    let types = checked.types.as_ref();
    let unreadable = |error: wasmparser::Error| Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"));
    let mut facts = Facts {
        imports: Vec::new(),
        exports: Vec::new(),
        memories: (0..types.memory_count()).map(|index| memory_facts(&types.memory_at(index))).collect(),
        function_count: 0,
        has_start: false,
        hidden: Vec::new(),
    };
    let mut imported = Imported::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(unreadable)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import.map_err(unreadable)?;
                    refuse_zero("an import's module", import.module, || place::find(module, offset).to_string())?;
                    refuse_zero("an import's name", import.name, || place::find(module, offset).to_string())?;
                    let entity = types.entity_type_from_import(&import);
                    imported.count(entity);
                    facts.imports.push(described(types, import.module, import.name, entity)?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export.map_err(unreadable)?;
                    refuse_zero("an export's name", export.name, || place::find(module, offset).to_string())?;
                    let entity = types.entity_type_from_export(&export);
                    facts.exports.push(described(types, "", export.name, entity)?);
                }
            }
            Payload::CodeSectionStart { count, .. } => facts.function_count = count,
            Payload::StartSection { .. } => facts.has_start = true,
            Payload::CustomSection(section) => {
                // An unreadable name section is ignored: names are optional.
                let KnownCustom::Name(names) = section.as_known() else { continue };
                for part in names.into_iter().flatten() {
                    let Name::Function(functions) = part else { continue };
                    for naming in functions.into_iter().flatten() {
                        let place = || format!("for function {}, in the name section", naming.index);
                        refuse_zero("a function's name", naming.name, place)?;
                    }
                }
            }
            _ => {}
        }
    }
    facts.hidden = hidden(types, &imported, facts.exports.len());
    Ok(facts)
}

/// The number of imported memories, tables and globals.
#[derive(Default)]
struct Imported {
    memories: u32,
    tables: u32,
    globals: u32,
}

impl Imported {
    fn count(&mut self, entity: Option<EntityType>) {
        match entity {
            Some(EntityType::Memory(_)) => self.memories += 1,
            Some(EntityType::Table(_)) => self.tables += 1,
            Some(EntityType::Global(_)) => self.globals += 1,
            _ => {}
        }
    }
}

/// The most mutable globals that are exported in secret: at each access of code to a memory, table or global, the code generator looks
/// through all exports. A module may have at most 100 memories and 100 tables.
const MOST_HIDDEN_GLOBALS: usize = hidden::MOST_GLOBALS as usize;

/// The engine's limit.
const MOST_EXPORTS: usize = 1_000_000;

/// Lists what the module defines and code can change: its memories, tables and mutable globals. Leaves all globals out if they are too
/// many, and everything if the module has as many exports as the engine takes.
fn hidden(types: TypesRef<'_>, imported: &Imported, exports: usize) -> Vec<Hidden> {
    // For a compiler that `make kernel-costs` compares with.
    if cfg!(ablation = "hidden") {
        return Vec::new();
    }
    let memories = (imported.memories..types.memory_count()).map(|index| {
        let ty = memory_text(&types.memory_at(index));
        Hidden { kind: ExternKind::Memory, index, ty }
    });
    let tables = (imported.tables..types.table_count()).map(|index| {
        let ty = table_text(&types.table_at(index));
        Hidden { kind: ExternKind::Table, index, ty }
    });
    let globals = (imported.globals..types.global_count()).map(|index| (index, types.global_at(index)));
    let mutable = globals.filter(|(_, ty)| ty.mutable);
    let mut globals: Vec<Hidden> =
        mutable.map(|(index, ty)| Hidden { kind: ExternKind::Global, index, ty: global_text(&ty) }).collect();
    if globals.len() > MOST_HIDDEN_GLOBALS {
        globals.clear();
    }
    let all: Vec<Hidden> = memories.chain(tables).chain(globals).collect();
    if exports + all.len() > MOST_EXPORTS { Vec::new() } else { all }
}

/// Refuses a name with a zero byte: C reads names up to a zero byte, and could not distinguish two such names.
fn refuse_zero(what: &str, name: &str, place: impl FnOnce() -> String) -> Result<()> {
    match name.contains('\0') {
        true => Err(Error::new(
            RTW_ERR_UNSUPPORTED,
            format!("{what} contains a zero byte, where C ends a string: {}, {}", place::quoted(name), place()),
        )),
        false => Ok(()),
    }
}

fn described(types: TypesRef<'_>, module: &str, name: &str, entity: Option<EntityType>) -> Result<Extern> {
    let entity =
        entity.ok_or_else(|| Error::new(RTW_ERR_INTERNAL, format!("the type of {name:?} is missing from a valid module")))?;
    let (kind, ty) = match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => (ExternKind::Func, func_text(func_type(types, id))),
        EntityType::Memory(ty) => (ExternKind::Memory, memory_text(&ty)),
        EntityType::Global(ty) => (ExternKind::Global, global_text(&ty)),
        EntityType::Table(ty) => (ExternKind::Table, table_text(&ty)),
        EntityType::Tag(id) => (ExternKind::Tag, format!("tag {}", func_text(func_type(types, id)))),
    };
    Ok(Extern { kind, module: module.into(), name: name.into(), ty })
}

fn func_type(types: TypesRef<'_>, id: CoreTypeId) -> &FuncType {
    types.get(id).expect("the id comes from these types").unwrap_func()
}

fn func_text(ty: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(",");
    format!("({})->({})", list(ty.params()), list(ty.results()))
}

/// `1..4`, or `1..` without a maximum.
fn limits_text(minimum: u64, maximum: Option<u64>) -> String {
    format!("{minimum}..{}", maximum.map_or_else(String::new, |maximum| maximum.to_string()))
}

/// The text format's prefix for limits of a memory or table with 64-bit indices.
fn index_text(is_64: bool) -> &'static str {
    if is_64 { "i64 " } else { "" }
}

fn memory_text(ty: &MemoryType) -> String {
    format!("memory {}{} pages", index_text(ty.memory64), limits_text(ty.initial, ty.maximum))
}

fn global_text(ty: &GlobalType) -> String {
    format!("global {}{}", if ty.mutable { "mut " } else { "" }, ty.content_type)
}

fn table_text(ty: &TableType) -> String {
    format!("table {}{} {}", index_text(ty.table64), limits_text(ty.initial, ty.maximum), ty.element_type)
}

fn memory_facts(ty: &MemoryType) -> MemoryFacts {
    let page_bytes = 1u64 << ty.page_size_log2.unwrap_or(16);
    // A 64-bit memory may declare all of the address space, which is one byte more than fits.
    let bytes = |pages: u64| pages.saturating_mul(page_bytes);
    MemoryFacts { min_bytes: bytes(ty.initial), max_bytes: ty.maximum.map(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;

    fn facts(text: &str) -> Facts {
        let module = wat::parse_str(text).unwrap();
        gather(&module, &validate::module(&module).unwrap()).unwrap()
    }

    fn listed(externs: &[Extern]) -> Vec<String> {
        externs.iter().map(|e| format!("{} {}.{} {}", e.kind.name(), e.module, e.name, e.ty)).collect()
    }

    #[test]
    fn every_kind_is_described() {
        let facts = facts(
            r#"(module
                (import "env" "log" (func (param i32 f32) (result f32)))
                (import "env" "none" (func))
                (import "env" "g" (global i64))
                (import "env" "t" (table 0 funcref))
                (import "env" "m" (memory 1 4))
                (memory (export "mine") 2)
                (memory (export "wide") i64 1 3)
                (table (export "table") 3 3 funcref)
                (global (export "counter") (mut i32) (i32.const 0))
                (func (export "many") (param v128 f64) (result i32 i64) i32.const 0 i64.const 0)
                (func))"#,
        );
        assert_eq!(
            listed(&facts.imports),
            [
                "func env.log (i32,f32)->(f32)",
                "func env.none ()->()",
                "global env.g global i64",
                "table env.t table 0.. funcref",
                "memory env.m memory 1..4 pages",
            ]
        );
        assert_eq!(
            listed(&facts.exports),
            [
                "memory .mine memory 2.. pages",
                "memory .wide memory i64 1..3 pages",
                "table .table table 3..3 funcref",
                "global .counter global mut i32",
                "func .many (v128,f64)->(i32,i64)",
            ]
        );
        let hidden: Vec<_> = facts.hidden.iter().map(|h| format!("{} {} {}", h.kind.name(), h.index, h.ty)).collect();
        assert_eq!(
            hidden,
            [
                "memory 1 memory 2.. pages",
                "memory 2 memory i64 1..3 pages",
                "table 1 table 3..3 funcref",
                "global 1 global mut i32",
            ]
        );
        assert_eq!((facts.function_count, facts.has_start), (2, false));
        let page = 65536;
        let sizes: Vec<_> = facts.memories.iter().map(|m| (m.min_bytes, m.max_bytes)).collect();
        assert_eq!(sizes, [(page, Some(4 * page)), (2 * page, None), (page, Some(3 * page))]);
    }

    #[test]
    fn names_with_a_zero_byte_are_refused_with_their_place() {
        for (text, parts) in [
            (r#"(module (func (export "a\00b")))"#, ["an export's name", r#""a\0b", in the export section at offset"#]),
            (r#"(module (import "m" "a\00" (func)))"#, ["an import's name", r#""a\0", in the import section at offset"#]),
            (r#"(module (import "\00" "a" (func)))"#, ["an import's module", r#""\0", in the import section"#]),
            (r#"(module (func $"x\00y"))"#, ["a function's name", r#""x\0y", for function 0"#]),
        ] {
            let module = wat::parse_str(text).unwrap();
            let error = gather(&module, &validate::module(&module).unwrap()).err().expect(text);
            assert_eq!(error.status, RTW_ERR_UNSUPPORTED);
            assert!(parts.iter().all(|part| error.message.contains(part)), "{error}");
        }
    }

    #[test]
    fn globals_are_hidden_exports_up_to_a_number() {
        let hidden = |mutable: usize| {
            let globals = "(global (mut i64) (i64.const 0))".repeat(mutable);
            facts(&format!("(module (memory 1) (global i32 (i32.const 0)) {globals})")).hidden.len()
        };
        assert_eq!([0, 3, MOST_HIDDEN_GLOBALS, MOST_HIDDEN_GLOBALS + 1].map(hidden), [1, 4, MOST_HIDDEN_GLOBALS + 1, 1]);
    }

    #[test]
    fn the_empty_module_has_nothing() {
        let facts = facts("(module)");
        assert!(facts.imports.is_empty() && facts.exports.is_empty() && facts.memories.is_empty() && facts.hidden.is_empty());
        assert_eq!(facts.function_count, 0);
    }

    #[test]
    fn the_largest_memory_does_not_overflow() {
        let facts = facts("(module (memory i64 0 0x1000000000000))");
        assert_eq!(facts.memories[0].max_bytes, Some(u64::MAX));
    }
}
