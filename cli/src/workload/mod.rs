//! Workloads: the exports of a module that are called, their arguments, and their times.
//!
//! `describe` has the commands' options, `source` the module, `guest` an instance with its cycle, `run` the calls, `evidence`
//! the system's counters, `cold` the same in fresh processes, `diagnosis` the likely causes; `variants` and `rounds` compare
//! ways to run one workload. `stats` and `os` serve them, `provided` replaces the host, `guest_log` shows what guests
//! print, `alarm` ends a call that does not return.
//! Everything uses the library's own engine part, so that the figures are those of a host.

pub mod alarm;
pub mod cold;
pub mod describe;
pub mod diagnosis;
pub mod evidence;
pub mod guest;
pub mod guest_log;
pub mod os;
pub mod provided;
pub mod rounds;
pub mod run;
pub mod source;
pub mod stats;
pub mod variants;
