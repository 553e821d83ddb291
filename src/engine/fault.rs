//! Faults: a failing call notes a few words, which are resolved into names later and elsewhere.

use wasmtime::Trap;

use super::artifact;
use super::growth::Story;
use super::imports;
use super::module::Module;
use crate::status::{self, *};

/// The record that a failing call leaves.
#[derive(Clone, Copy, Debug)]
pub struct FaultRecord {
    /// The call's status.
    pub status: rtw_status_t,
    /// The status of the host function that ended the call, or the number that the guest ended itself with, or 0.
    pub host_status: rtw_status_t,
    /// The import that nobody provides, by its index, if its call ended the guest's.
    pub import: Option<u32>,
    /// The address of the instruction; 0 if unknown: after a trap without a signal on a thread that is not attached.
    pub address: usize,
    /// True if the fault arrived as a signal.
    pub by_signal: bool,
    /// Growth that the guest was refused before.
    pub growth: Option<Story>,
}

impl FaultRecord {
    /// True if the engine has ended the call in its ordinary way, so that the guest can go on with its state written back.
    pub fn leaves_engine_whole(&self) -> bool {
        !matches!(self.status, RTW_ERR_ARENA | RTW_ERR_NO_MEMORY | RTW_ERR_TRAP_OTHER)
    }
}

/// A fault for a developer.
#[derive(Clone, Debug)]
pub struct Fault {
    pub record: FaultRecord,
    /// The import of the record, for a message.
    import: Option<String>,
    pub place: Option<Place>,
}

impl std::fmt::Display for Fault {
    /// Prints one sentence: what, where, and what went before.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(status::sentence(self.record.status))?;
        if let Some(import) = &self.import {
            write!(f, ": {import}")?;
        }
        if self.record.status == RTW_ERR_EXITED {
            write!(f, " ({})", self.record.host_status)?;
        } else if self.record.host_status != RTW_OK {
            write!(f, " (it answered {})", self.record.host_status)?;
        }
        if let Some(place) = &self.place {
            write!(f, " in function {}", place.function_index)?;
            if let Some(name) = &place.function_name {
                write!(f, " \"{}\"", name.escape_debug())?;
            }
            if let Some(offset) = place.wasm_offset {
                write!(f, " at offset {offset:#x}")?;
            }
        }
        match &self.record.growth {
            Some(story) => write!(f, "; {story}"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index in the module, with imports counted.
    pub function_index: u32,
    /// From the module's name section.
    pub function_name: Option<String>,
    /// Byte offset of the instruction in the module that the compiler was given.
    pub wasm_offset: Option<u32>,
}

/// Finds the function and the instruction.
pub fn resolve(module: &Module, record: FaultRecord) -> Fault {
    let import = record.import.and_then(|index| imports::named_one(&module.metadata, index));
    Fault { record, import, place: place(module, &record) }
}

fn place(module: &Module, record: &FaultRecord) -> Option<Place> {
    let address = record.address;
    let text = module.code.text().as_ptr_range();
    let offset = address.checked_sub(text.start as usize).filter(|offset| *offset < module.code.text().len())?;
    let function = module.code.functions().find(|f| (f.offset..f.offset + f.len).contains(&offset))?;
    // The map has the start of each run of instructions: the last start at or before the address holds it.
    let wasm_offset = module
        .code
        .address_map()
        .and_then(|map| map.take_while(|(start, _)| *start <= offset).last())
        .and_then(|(_, wasm)| wasm)
        .or_else(|| if record.status == RTW_ERR_TRAP_STACK { first_offset(module, &function) } else { None });
    let wasm_offset = wasm_offset.map(|offset| artifact::original_offset(module.metadata.edits.iter(), offset));
    Some(Place { function_index: function.index.as_u32(), function_name: function.name, wasm_offset })
}

/// The first instruction of a function's own code. A stack overflow is detected before it, by code that belongs to no
/// instruction of the module.
fn first_offset(module: &Module, function: &wasmtime::ModuleFunction) -> Option<u32> {
    let code = function.offset..function.offset + function.len;
    module.code.address_map()?.filter(|(start, _)| code.contains(start)).filter_map(|(_, wasm)| wasm).min()
}

/// The status for an engine's trap.
pub fn trap_status(trap: Trap) -> rtw_status_t {
    match trap {
        Trap::UnreachableCodeReached => RTW_ERR_TRAP_UNREACHABLE,
        Trap::MemoryOutOfBounds => RTW_ERR_TRAP_MEMORY,
        Trap::HeapMisaligned => RTW_ERR_TRAP_MISALIGNED,
        Trap::TableOutOfBounds => RTW_ERR_TRAP_TABLE,
        Trap::IndirectCallToNull | Trap::BadSignature => RTW_ERR_TRAP_INDIRECT_CALL,
        Trap::IntegerDivisionByZero => RTW_ERR_TRAP_DIVIDE_BY_ZERO,
        Trap::IntegerOverflow => RTW_ERR_TRAP_INTEGER_OVERFLOW,
        Trap::BadConversionToInteger => RTW_ERR_TRAP_BAD_CONVERSION,
        Trap::StackOverflow => RTW_ERR_TRAP_STACK,
        Trap::Interrupt | Trap::OutOfFuel => RTW_ERR_BUDGET,
        _ => RTW_ERR_TRAP_OTHER,
    }
}
