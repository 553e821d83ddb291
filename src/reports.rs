//! What the library reports: the doctor's findings, and statistics as data and as files. A package of its own, optimised for size,
//! as no real-time thread runs any of it.

pub mod doctor;
pub mod stats;

use rtwasm_base::{artifact, record, rt, status, sys};
