//! What has recordings: funcs, instances, workers and the host's recorders; and those who read them again and again. As data they
//! are `stats`.

pub mod interval;
pub mod recorded;
pub mod subject;
