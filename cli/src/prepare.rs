//! A command of this project's own, which no help names: writes modules as the code generator gets them, for `make abi`.

use std::path::{Path, PathBuf};

use rtwasm::engine::profile::Profile;
use rtwasm_compiler::Options;

use crate::args::{self, Arg, Args, Failure};

pub const COMMAND: &str = "prepare-modules";

/// `prepare-modules FOLDER MODULE.wasm ...`: writes NAME.PROFILE.wasm of each module for each profile.
pub fn run(mut args: Args) -> Result<(), Failure> {
    let mut folder: Option<PathBuf> = None;
    while let Some(arg) = args.next()? {
        let Arg::Value(value) = arg else { return Err(Failure::Usage("expected FOLDER MODULE ...".into())) };
        match &folder {
            None => folder = Some(value.into()),
            Some(folder) => prepare(folder, Path::new(&value))?,
        }
    }
    Ok(())
}

fn prepare(folder: &Path, module: &Path) -> Result<(), Failure> {
    let bytes = args::read_module(module)?;
    let name = module.file_stem().unwrap_or_default().to_string_lossy();
    for profile in Profile::ALL {
        let options = Options::for_host(profile).map_err(|error| Failure::with_status(module, &error))?;
        let prepared = rtwasm_compiler::prepare(&bytes, &options).map_err(|error| Failure::with_status(module, &error))?;
        let path = folder.join(format!("{name}.{}.wasm", profile.name()));
        std::fs::write(&path, prepared).map_err(|error| Failure::about(&path, error))?;
    }
    Ok(())
}
