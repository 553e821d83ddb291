//! Wraps Wasmtime, from an artifact's bytes to a call. Handles are made here (`handle`, `own`), since calls go by them; what C sees of
//! them and of everything else is `capi`'s.

pub use crate::artifact::cpu_features;

pub mod artifact;
pub mod budget;
pub mod call;
pub mod code_image;
pub mod driver;
pub mod fault;
pub mod growth;
pub mod handle;
pub mod held;
pub mod housekeeper;
mod image;
pub mod imports;
pub mod instance;
pub mod log;
pub mod memory;
pub mod module;
pub mod naming;
pub mod native;
pub mod own;
pub mod prepare;
pub mod profile;
pub mod refusal;
pub mod runtime;
pub mod signal_watch;
pub mod signature;
pub mod slot;
pub mod trap_pc;
mod type_index;
pub mod warmed;
