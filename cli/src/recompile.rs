//! `rtwasm recompile`: compiles the module of an artifact again.

use std::path::PathBuf;

use rtwasm::engine::artifact;

use crate::args::{self, Args, Failure};
use crate::compile;

pub const HELP: &str = "rtwasm recompile: compile the module of an artifact again

Usage: rtwasm recompile INPUT OUTPUT [OPTIONS]

Takes the module out of the artifact INPUT, compiles it with this command's compiler and the options that INPUT was
compiled with, and writes the artifact OUTPUT, which may be INPUT. This is the remedy where a library refuses an
artifact with RTW_ERR_ENGINE or RTW_ERR_COMPILER. Keeps the guest's description, and the module if it was inside.
Signatures do not stay: sign OUTPUT again.

Options:
  --source FILE         the module, if it is not inside INPUT; it has to be the one that INPUT was made from
  all options of `rtwasm compile`, which replace those of INPUT. --cpu or --target replace all machines, --profile
                        replaces all profiles, --init all calls. The limits are not in an artifact
  -h, --help            print this text

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm recompile eq.rtw eq.rtw
  rtwasm recompile eq.rtw new.rtw --source eq.wasm --cpu x86-64-v2,x86-64-v3
";

pub fn run(args: Args) -> Result<(), Failure> {
    let mut source: Option<PathBuf> = None;
    let choices = compile::choices(
        args,
        |option, args| {
            let is_ours = option == "--source";
            if is_ours {
                let value = args.value()?;
                args::set_once(&mut source, value, "source")?;
            }
            Ok(is_ours)
        },
        |choices, value| args::set_once(&mut choices.output, value.to_owned(), "output").map(|()| true),
    )?;
    let input = choices.input.clone().ok_or_else(|| Failure::Usage("missing input file".into()))?;
    let bytes = args::read_or_error(&input)?.map_err(|error| args::no_artifact(&input, &error, &[]))?;
    let source = source.map(|path| args::read_module(&path)).transpose()?;
    let made =
        rtwasm_compiler::of_artifact(&bytes, source.as_deref()).map_err(|error| match bytes.starts_with(&artifact::MAGIC) {
            true => Failure::with_status(&input, &error),
            false => args::no_artifact(&input, &error, &bytes),
        })?;
    let parts = choices.parts(made.parts)?;
    compile::compile_module(&choices.request(parts, made.whole)?, &made.source)
}
