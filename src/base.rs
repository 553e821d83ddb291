//! The base of the library: statuses, the system, the structures of real-time threads, recording, and an artifact's description of
//! itself. It is a package of its own: the reports and the rest stand on it.

pub mod artifact;
pub mod record;
pub mod rt;
pub mod status;
pub mod sys;

/// The tests allocate as the library does.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: rt::global_alloc::Allocator = rt::global_alloc::Allocator;
