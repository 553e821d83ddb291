//! What real-time threads record: one thread writes and never waits, others read copies.

pub mod histogram;
pub mod recorder;
pub mod seqlock;
pub mod snapshot;
