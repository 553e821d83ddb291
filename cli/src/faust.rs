//! Programs of Faust: the command has `faust` make a module of them.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::args::Failure;

/// Returns the module that Faust makes of a program. Faust's messages are part of the error.
pub fn module(program: &Path) -> Result<Vec<u8>, Failure> {
    let folder = std::env::temp_dir().join(format!("rtwasm-faust-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    let made = run(program, &folder.join("program.wasm"));
    // Faust writes a file in JavaScript beside the module.
    let _ = std::fs::remove_dir_all(&folder);
    made
}

fn run(program: &Path, module: &Path) -> Result<Vec<u8>, Failure> {
    let name = program.display();
    let output = Command::new("faust").args(["-lang", "wasm"]).arg(program).arg("-o").arg(module).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Failed(format!(
            "{name}: this is a program of Faust, and the command `faust` is not there: install it (Debian, Ubuntu: apt-get install \
             faust; others: see faust.grame.fr), or compile it elsewhere: faust -lang wasm {name} -o program.wasm"
        )),
        _ => Failure::Failed(format!("{name}: faust: {error}")),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Failed(format!("{name}: faust: {}", said.trim_end())));
    }
    std::fs::read(module).map_err(|error| Failure::Failed(format!("{name}: faust made no module: {error}")))
}
