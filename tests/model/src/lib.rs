//! The model checker's tests: sources of the library that threads share, compiled with loom's atomics and locks. loom runs each
//! test in every order that its threads can take, and shows them every value that memory may. What can be wrong has a twin that
//! is wrong and must be found. `make loom`.
#![cfg(test)]

#[path = "../../../src/record/histogram.rs"]
#[allow(dead_code)]
mod histogram;
#[path = "../../../src/record/seqlock.rs"]
#[allow(dead_code)]
mod seqlock;
#[path = "../../../src/rt/spsc.rs"]
#[allow(dead_code)]
mod spsc;

mod queue;
mod recorder;
