//! The operating system and the processor, behind plain functions: the only folder that names the C library, and most of what a
//! port touches. Knows nothing of real-time threads, let alone of WebAssembly.

pub mod clock;
pub mod end;
pub mod file;
pub mod filter;
pub mod fpu;
pub mod futex;
pub mod handlers;
pub mod membarrier;
pub mod memory;
pub mod pm_qos;
pub mod rusage;
pub mod sleeper;
