//! rtwasm: WebAssembly in threads that must never be late.
//!
//! The C API in `capi` is the product; Rust programs of this project (the compiler, the command, the benchmark) use the other
//! folders directly. Dependencies run one way: `capi -> worker -> subjects -> engine -> record -> rt -> sys`, with `stats` and
//! `doctor` beside them. The folders are three packages: `base.rs` and `reports.rs` say which, and this is the rest;
//! `enter.rs` is a fourth, for the engine's part of a call.

pub use rtwasm_base::{artifact, record, rt, status, sys};
pub use rtwasm_reports::{doctor, stats};

pub mod engine;
pub mod ffi;
pub mod sized;
pub mod subjects;
pub mod worker;

#[cfg(feature = "capi")]
pub mod capi;

/// The C library uses this allocator; Rust programs that use the engine part have their own.
#[cfg(feature = "capi")]
#[global_allocator]
static ALLOCATOR: rt::global_alloc::Allocator = rt::global_alloc::Allocator;
