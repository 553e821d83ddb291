//! Writes a C header from the sources of an API, in the order in which they are given:
//! `headergen CONFIG OUT SOURCE...`. The order of the sources is the order of the functions in the header.

mod inits;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, out, sources @ ..] = arguments.as_slice() else {
        eprintln!("usage: headergen CONFIG OUT SOURCE...");
        return ExitCode::from(2);
    };
    match generate(config, out, sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("headergen: {message}");
            ExitCode::FAILURE
        }
    }
}

fn generate(config: &str, out: &str, sources: &[String]) -> Result<(), String> {
    let config = cbindgen::Config::from_file(config)?;
    let builder = sources.iter().fold(cbindgen::Builder::new().with_config(config), |b, source| b.with_src(source));
    let bindings = builder.generate().map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = inits::add(&String::from_utf8(text).map_err(|e| e.to_string())?)?;
    std::fs::write(out, text).map_err(|e| format!("{out}: {e}"))
}
