//! The operating system and the processor, behind plain functions: the only folder that names the C library, and most of what a
//! port touches. Knows nothing of real-time threads, let alone of WebAssembly.

pub mod affinity;
pub mod cancellation;
pub mod clock;
pub mod end;
pub mod errno;
pub mod file;
pub mod filter;
pub mod fork;
pub mod fpu;
pub mod futex;
pub mod handlers;
pub mod machine;
pub mod membarrier;
pub mod memory;
pub mod pm_qos;
pub mod rusage;
pub mod sched;
pub mod sigmask;
pub mod sigstack;
pub mod sleeper;
pub mod stack;
pub mod thread;
