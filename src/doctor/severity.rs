//! The severity of a finding, alone and for each class of work.

use super::Class;
use Severity::*;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; affects the comparison of figures.
    Info,
    /// The program misses deadlines occasionally.
    Medium,
    /// The program misses deadlines regularly.
    High,
    /// The program does not run at all.
    Fatal,
}

impl Severity {
    pub fn name(self) -> &'static str {
        ["info", "medium", "high", "fatal"][self as usize]
    }
}

/// A severity for each class, in the order of [`Class::ALL`]; `None`: irrelevant there.
pub type ByClass = [Option<Severity>; Class::ALL.len()];

pub const NONE: ByClass = [None; Class::ALL.len()];
pub const INFO: ByClass = [Some(Info); Class::ALL.len()];
pub const MEDIUM: ByClass = [Some(Medium); Class::ALL.len()];
pub const HIGH: ByClass = [Some(High); Class::ALL.len()];
pub const FATAL: ByClass = [Some(Fatal); Class::ALL.len()];
pub const AUDIO_INFO_CONTROL_MEDIUM: ByClass = [Some(Info), Some(Info), Some(Medium), Some(Medium)];
pub const AUDIO_MEDIUM_CONTROL_HIGH: ByClass = [Some(Medium), Some(Medium), Some(High), Some(High)];
pub const HIGH_BUT_FOR_LONG_BLOCKS: ByClass = [Some(Medium), Some(High), Some(High), Some(High)];
pub const MEDIUM_BUT_FOR_LONG_BLOCKS: ByClass = [Some(Info), Some(Medium), Some(Medium), Some(Medium)];
