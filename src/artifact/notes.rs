//! The compiler's notes: what an artifact says for people and for the compiler. The library never reads them, so that it carries no decoder
//! for them; the command and the compiler do.

use serde::{Deserialize, Serialize};

use super::hidden::Hidden;

/// Notes of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The memories, tables and globals that the library reaches although the module need not export them.
    pub hidden: Vec<Hidden>,
    /// The instructions that would be faster at a higher CPU level.
    pub slow: Vec<Slow>,
    /// The calls that the compiler has made, with their results, in words: a guest starts with the state that they left behind.
    pub initialised: Vec<String>,
    /// The same calls, as the compiler's option has them.
    pub init: Vec<String>,
    /// SHA-256 of the module before compilation, as it was given.
    pub source_sha256: [u8; 32],
    /// The module's demands on an engine; None if the compiler that made the artifact did not say. Encoded after the rest.
    #[serde(skip)]
    pub needs: Option<Needs>,
}

/// A module's demands on an engine and on a host, beyond its imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The proposals that it uses, by name.
    pub proposals: Vec<String>,
    /// True if it has an instruction that lets a memory grow.
    pub grows_memory: bool,
    /// True if it has one that lets a table grow.
    pub grows_tables: bool,
}

/// An instruction for which the code needs a call or a long sequence, since the features that it was compiled for lack a better one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// Its name in the text format.
    pub instruction: String,
    /// Its uses in the module.
    pub count: u32,
    /// True if it takes a call, false if a long sequence.
    pub calls: bool,
    /// The first function with it, such as `function 3 "mix"`.
    pub first: String,
    /// The lowest CPU level that has a better instruction.
    pub mended_by: String,
}
