//! Wraps Wasmtime, from an artifact's bytes to a call. C handles that dry calls, slots and host functions need pass through
//! here as opaque pointers; nothing here dereferences them.

pub mod artifact;
pub mod budget;
pub mod call;
pub mod cpu_features;
pub mod fault;
pub mod growth;
pub mod held;
pub mod housekeeper;
pub mod imports;
pub mod instance;
pub mod memory;
pub mod module;
pub mod naming;
pub mod prepare;
pub mod profile;
pub mod refusal;
pub mod runtime;
pub mod signal_watch;
pub mod signature;
pub mod slot;
pub mod state;
pub mod trap_pc;
pub mod watch;
pub mod watchdog;
