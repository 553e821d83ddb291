//! What all of the library stands on: statuses, the system, what real-time threads use and record, and what an artifact says of
//! itself. A package of its own, so that it is optimised for speed while the packages above it are optimised for size.

pub mod artifact;
pub mod record;
pub mod rt;
pub mod status;
pub mod sys;
