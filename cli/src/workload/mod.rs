//! Workloads: which exports of a module are called, with what, how often and when; and what is found by doing so.
//!
//! `describe` is what the commands' options say, `source` the module, `guest` an instance of it that can be called in cycles,
//! `run` the calling, `evidence` what the system counted meanwhile, `cold` the same in fresh processes, `diagnosis` what all of it
//! points to; `variants` and `rounds` compare ways to run one workload. `stats` and `os` serve them, `stubs` answers for the
//! host, `alarm` ends what does not end. Everything happens through the library's own engine part: what is measured is what a
//! host would have.

pub mod alarm;
pub mod cold;
pub mod describe;
pub mod diagnosis;
pub mod evidence;
pub mod guest;
pub mod os;
pub mod rounds;
pub mod run;
pub mod source;
pub mod stats;
pub mod stubs;
pub mod variants;
