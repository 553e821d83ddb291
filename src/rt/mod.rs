//! What a real-time thread needs from the machine: time, warm memory, scheduling, a place to record into. Knows nothing of
//! WebAssembly. System calls live here, behind plain functions, so that a port touches this folder and `host`.

pub mod alloc;
pub mod barrier;
pub mod cancel;
pub mod clock;
pub mod end;
pub mod file;
pub mod filter;
pub mod float;
pub mod fork;
pub mod heap;
pub mod histogram;
pub mod latency;
pub mod memory;
pub mod permit;
pub mod reserve;
pub mod ring;
pub mod signals;
pub mod sleep;
pub mod speed;
pub mod thread;
pub mod traps;
pub mod unwind;
pub mod usage;
pub mod version;
pub mod wait;
