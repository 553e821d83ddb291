//! The module of a workload: an artifact as it is, or a module that is compiled for each variant.

use std::path::Path;

use rtwasm::engine::artifact::{self, ExternKind, Metadata};
use rtwasm::engine::profile::Variations;
use rtwasm::status;
use rtwasm_compiler::{Opt, Options};

use super::describe::Compilation;
use crate::args::{self, Failure};

pub struct Source {
    /// The user's name for it.
    pub name: String,
    pub bytes: Vec<u8>,
    pub is_artifact: bool,
}

/// Code to load, and its metadata.
#[derive(Clone)]
pub struct Code {
    pub bytes: Vec<u8>,
    pub metadata: Metadata,
}

impl Source {
    pub fn read(path: &Path) -> Result<Source, Failure> {
        let bytes = args::read(path)?;
        let is_artifact = bytes.starts_with(&artifact::MAGIC);
        if !is_artifact {
            args::check_module(path, &bytes)?;
        }
        Ok(Source { name: args::shown(path), bytes, is_artifact })
    }

    /// The product's code: the artifact itself, or the compiled module.
    pub fn code(&self, how: Compilation) -> Result<Code, Failure> {
        self.varied_code(how, Variations::default())
    }

    /// The code for an engine with other settings: a module is compiled for them; an artifact does not change.
    pub fn varied_code(&self, how: Compilation, variations: Variations) -> Result<Code, Failure> {
        let bytes = if self.is_artifact { self.bytes.clone() } else { self.compile(how, variations)? };
        let metadata = artifact::read(&bytes)
            .and_then(|found| artifact::check_host(&found.metadata).map(|()| found.metadata))
            .map_err(|error| self.failure(&error))?;
        Ok(Code { bytes, metadata })
    }

    fn compile(&self, how: Compilation, variations: Variations) -> Result<Vec<u8>, Failure> {
        let options = Options { opt: how.opt, interruption: how.interruption, ..self.options(how)? };
        rtwasm_compiler::compile_varied(&self.bytes, &options, variations, &mut |_| {}).map_err(|error| self.failure(&error))
    }

    fn options(&self, how: Compilation) -> Result<Options, Failure> {
        Options::for_host(how.profile).map_err(|error| self.failure(&error))
    }

    /// A failure that concerns the module.
    pub fn failure(&self, error: &rtwasm::status::Error) -> Failure {
        Failure::Failed(format!("{}: {}: {}", self.name, status::name(error.status), error.message))
    }
}

impl Code {
    /// The options that it was compiled with, without settings that have no option.
    pub fn compilation(&self) -> Compilation {
        Compilation {
            profile: self.metadata.settings.profile,
            opt: Opt::from_name(&self.metadata.opt_level).unwrap_or(Opt::Speed),
            interruption: self.metadata.settings.interruption,
        }
    }

    /// Name and type of every exported function.
    pub fn funcs(&self) -> Vec<(String, String)> {
        let funcs = self.metadata.exports.iter().filter(|export| export.kind == ExternKind::Func);
        funcs.map(|export| (export.name.clone(), export.ty.clone())).collect()
    }
}
