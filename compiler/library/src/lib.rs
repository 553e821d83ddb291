//! librtwasm_compiler.so: the compiler with its C API and the library's own allocator. A package of its own, because programs that
//! compile have an allocator already.

pub use implementation::capi::*;

#[global_allocator]
static ALLOCATOR: rtwasm::rt::global_alloc::Allocator = rtwasm::rt::global_alloc::Allocator;
