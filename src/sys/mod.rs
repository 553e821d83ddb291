//! The operating system and the processor, behind plain functions. This is the only folder that names the C library, and most
//! of a port happens here. It knows nothing of real-time threads or WebAssembly.

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
pub mod math;
pub mod membarrier;
pub mod memory;
pub mod pm_qos;
pub mod random;
pub mod rusage;
pub mod sched;
pub mod sigmask;
pub mod sigstack;
pub mod sleeper;
pub mod stack;
pub mod thread;
