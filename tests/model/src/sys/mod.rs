//! The model checker's form of the system functions that the sources use.

pub mod futex;
pub mod membarrier;
