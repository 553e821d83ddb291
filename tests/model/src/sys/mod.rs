//! What the sources take from the system, in the model checker's form.

pub mod futex;
pub mod membarrier;
