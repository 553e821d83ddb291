//! The boundary to C: pointers, statuses, panics. One file per C noun; no logic of its own.
//!
//! Types carry their C names, and their comments are the C user's documentation: cbindgen copies both into the header, in
//! the order in which the Makefile names these files (`HEADER_SOURCES`).
#![allow(non_camel_case_types)]
// The header's comments are these functions' contract, in a form of their own.
#![allow(clippy::missing_safety_doc)]

pub mod call;
pub mod doctor;
pub mod error;
pub mod export;
pub mod global;
mod guard;
pub mod guest;
pub mod imports;
pub mod instance;
pub mod interval;
#[cfg(test)]
mod layout;
pub mod module;
pub mod prepare;
pub mod recorder;
pub mod runtime;
pub mod slot;
pub mod stats;
pub mod table;
pub mod thread;
pub mod value;
pub mod version;
pub mod wasi;
pub mod worker;

use crate::engine::handle;

#[test]
fn every_kind_of_handle_has_a_magic_word_of_its_own() {
    use handle::Noun;
    let kinds = [
        runtime::rtw_runtime_t::MAGIC,
        module::rtw_module_t::MAGIC,
        imports::rtw_imports_t::MAGIC,
        instance::rtw_instance_t::MAGIC,
        instance::rtw_func_t::MAGIC,
        worker::rtw_worker_t::MAGIC,
        doctor::rtw_host_report_t::MAGIC,
        slot::rtw_slot_t::MAGIC,
        interval::rtw_interval_t::MAGIC,
        recorder::rtw_recorder_t::MAGIC,
    ]
    .map(|magic| magic & 0xff);
    assert!((1..).zip(kinds).all(|(number, kind)| number == kind), "{kinds:?}");
}
