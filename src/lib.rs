//! rtwasm: WebAssembly in threads that must never be late.
//!
//! The C API in `capi` is the product; Rust programs of this project (the compiler, the command, the benchmark) use the other
//! folders directly. Dependencies run one way: `capi -> worker, stats -> engine -> record -> rt -> sys`, with `doctor` beside
//! them.

pub mod sized;
pub mod status;

pub mod doctor;
pub mod engine;
pub mod record;
pub mod rt;
pub mod stats;
pub mod sys;
pub mod worker;

#[cfg(feature = "capi")]
pub mod capi;

/// The C library uses this allocator; Rust programs that use the engine part have their own.
#[cfg(feature = "capi")]
#[global_allocator]
static ALLOCATOR: rt::global_alloc::Allocator = rt::global_alloc::Allocator;
