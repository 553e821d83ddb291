//! Recordings of real-time threads: one thread writes and never waits, other threads read copies.

pub mod histogram;
pub mod order;
pub mod recorder;
pub mod seqlock;
pub mod snapshot;
