//! rtwasm: WebAssembly inside threads that must never be late.
//!
//! The C API in `capi` is the product; Rust programs of this project (the compiler, the command, the benchmark) use
//! `engine`, `rt` and `host` directly. Arrows run one way: `capi -> worker, stats -> engine -> rt`, with `host` beside them.

pub mod sized;
pub mod status;

pub mod engine;
pub mod host;
pub mod rt;
pub mod stats;
pub mod worker;

#[cfg(feature = "capi")]
pub mod capi;

/// The C library's own allocator; Rust programs that use the engine part have theirs.
#[cfg(feature = "capi")]
#[global_allocator]
static ALLOCATOR: rt::alloc::Allocator = rt::alloc::Allocator;
