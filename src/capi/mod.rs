//! The boundary to C: pointers, statuses, panics. One file per C noun; no logic of its own.
//!
//! Types carry their C names, and their comments are the C user's documentation: cbindgen copies both into the header, in
//! the order in which these files are named in `tools/headergen`.
#![allow(non_camel_case_types)]
// The header's comments are these functions' contract, in a form of their own.
#![allow(clippy::missing_safety_doc)]

pub mod call;
pub mod error;
pub mod export;
mod guard;
mod handle;
pub mod host;
pub mod imports;
pub mod instance;
pub mod interval;
#[cfg(test)]
mod layout;
pub mod module;
pub mod prepare;
pub mod runtime;
pub mod slot;
pub mod stats;
mod text;
pub mod thread;
pub mod version;
pub mod worker;
