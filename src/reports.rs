//! The library's reports: the doctor's findings, and statistics as data and as files. They are a package of their own, optimised for
//! size, since no real-time thread runs any of it.

pub mod doctor;
pub mod stats;

use rtwasm_base::{artifact, record, rt, status, sys};
