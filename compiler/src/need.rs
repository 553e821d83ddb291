//! Computes what a guest makes its host hold, from the engine's own records in the generated code.
//!
//! The engine's own `wasmtime-environ`, of the same version to the patch, describes the records' form and their sizes at run
//! time.

use rtwasm::engine::artifact::Need;
use rtwasm::engine::held::TABLE_ENTRY_BYTES;
use rtwasm::status::*;
use wasmtime_environ::object::{Object, ObjectSection, read::elf::ElfFile64};
use wasmtime_environ::{CompiledFunctionsTable, CompiledModuleInfo, HostPtr, ModuleTypes, VMOffsets, obj};

/// The engine's size of a global.
const GLOBAL_BYTES: u64 = 16;

/// An entry of a segment of elements that a function may copy later.
const SEGMENT_ENTRY_BYTES: u64 = 16;

/// The engine's and the library's records for each, beside those that `VMOffsets` describes.
const MEMORY_BYTES: u64 = 256;
const TABLE_BYTES: u64 = 64;
const IMPORT_BYTES: u64 = 320;

/// The bytes that the engine allocates around a memory or table that a guest imports.
const APART_BYTES: u64 = 3072;

/// Computes the need. Imported memories and tables count as the module declares them; the library adds the rest if a host provides
/// larger ones. With the budget guard, the last memory is the guard's.
pub fn of(code: &[u8], guard: bool) -> Result<Need> {
    let unreadable = |what: String| Error::new(RTW_ERR_INTERNAL, format!("the code's records cannot be read: {what}"));
    let file = ElfFile64::<wasmtime_environ::object::Endianness>::parse(code).map_err(|e| unreadable(e.to_string()))?;
    let section = file.section_by_name(obj::ELF_WASMTIME_INFO).ok_or_else(|| unreadable("they are missing".into()))?;
    let records = section.data().map_err(|e| unreadable(e.to_string()))?;
    let (info, _, _): (CompiledModuleInfo, CompiledFunctionsTable, ModuleTypes) =
        postcard::from_bytes(records).map_err(|e| unreadable(e.to_string()))?;
    let module = &info.module;

    let memories = module.memories.len() - usize::from(guard);
    let page_bytes = |memory: &wasmtime_environ::Memory| 1u64 << memory.page_size_log2;
    let memory_bytes = module
        .memories
        .values()
        .take(memories)
        .fold(0, |sum: u64, memory| sum.saturating_add(memory.limits.min.saturating_mul(page_bytes(memory))));
    let entries = module.tables.values().fold(0, |sum: u64, table| sum.saturating_add(table.limits.min));
    let table_count = module.tables.len();

    let own_globals = (module.globals.len() - module.num_imported_globals) as u64;
    let segments = module.passive_elements.iter().fold(0, |sum: u64, (_, (_, length))| sum.saturating_add(*length as u64));
    let context = u64::from(VMOffsets::new(HostPtr, module).size_of_vmctx());
    let made_apart = (module.num_imported_memories + module.num_imported_tables) as u64;
    let noted = memories as u64 * MEMORY_BYTES
        + table_count as u64 * TABLE_BYTES
        + made_apart * APART_BYTES
        + (module.num_imported_funcs + module.num_imported_globals) as u64 * IMPORT_BYTES;
    Ok(Need {
        memory_bytes,
        table_bytes: entries.saturating_mul(TABLE_ENTRY_BYTES),
        global_bytes: module.globals.len() as u64 * GLOBAL_BYTES,
        record_bytes: context.saturating_sub(own_globals * GLOBAL_BYTES) + segments.saturating_mul(SEGMENT_ENTRY_BYTES) + noted,
        table_count: u32::try_from(table_count).unwrap_or(u32::MAX),
    })
}
