//! The subjects of statistics (funcs, instances, workers, the host's recorders), and the readers that ask them again and again. The
//! data that they return is in `stats`.

pub mod interval;
pub mod recorded;
pub mod subject;
