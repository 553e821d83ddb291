//! `rtwasm recompile`: compiles the module of an artifact again.

use std::path::{Path, PathBuf};

use rtwasm::engine::artifact::signature::{self, Signature};
use rtwasm::engine::artifact::{self, Input, Opened};

use crate::args::{self, Args, Failure};
use crate::inspect::hex;
use crate::{compile, keys};

pub const HELP: &str = "rtwasm recompile: compile the module of an artifact again

Usage: rtwasm recompile INPUT OUTPUT [OPTIONS]

Takes the module out of the artifact INPUT, compiles it with this command's compiler and the options that INPUT was
compiled with, and writes the artifact OUTPUT, which may be INPUT. This is the remedy where a library refuses an
artifact with RTW_ERR_ENGINE or RTW_ERR_COMPILER. Keeps the guest's description, and the module if it was inside.
Signatures do not stay, since they are of the old code: names those that are gone. Sign OUTPUT with --key, or
afterwards with `rtwasm sign`.

Options:
  --source FILE         the module, if it is not inside INPUT; it has to be the one that INPUT was made from
  --key FILE            sign OUTPUT with this secret key (rtwasm keygen); may be repeated
  all options of `rtwasm compile`, which replace those of INPUT. --cpu or --target replace all machines, --profile
                        replaces all profiles, --init all calls. The limits are not in an artifact
  -h, --help            print this text

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm recompile eq.rtw eq.rtw
  rtwasm recompile eq.rtw new.rtw --source eq.wasm --cpu x86-64-v2,x86-64-v3
  rtwasm recompile eq.rtw eq.rtw --key release.key
";

pub fn run(args: Args) -> Result<(), Failure> {
    let mut source: Option<PathBuf> = None;
    let mut signers = Vec::new();
    let choices = compile::choices(
        args,
        |option, args| {
            match option {
                "--source" => {
                    let value = args.value()?;
                    args::set_once(&mut source, value, "source")?;
                }
                "--key" => signers.push(keys::secret_key(Path::new(&args.value()?))?),
                _ => return Ok(false),
            }
            Ok(true)
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
    let request = choices.request(parts, made.whole)?;
    let before = signers_of(&bytes);
    compile::compile_module(&request, &made.source, |artifact| {
        let artifact = match signers.as_slice() {
            [] => artifact,
            signers => keys::sign_new(&artifact, signers).map_err(|error| Failure::with_status(&request.output, &error))?,
        };
        let now = signers_of(&artifact);
        let gone: Vec<String> = before.into_iter().filter(|key| !now.contains(key)).collect();
        if !gone.is_empty() && !request.is_quiet() {
            let what = if now.is_empty() { "not signed any more" } else { "not signed any more by all" };
            let output =
                if args::is_standard_stream(&request.output) { "the output".into() } else { args::shown(&request.output) };
            eprintln!(
                "rtwasm: warning: {output}: {what}: the signature by {} was of the old code (rtwasm sign)",
                gone.join(", ")
            );
        }
        Ok(artifact)
    })
}

/// The public keys that an artifact names as its signers, in hexadecimal digits.
fn signers_of(artifact: &[u8]) -> Vec<String> {
    let signatures = Opened::new(Input::Memory(artifact)).and_then(|opened| signature::decode(&opened.signatures));
    signatures.unwrap_or_default().iter().filter_map(Signature::key).map(|key| hex(key)).collect()
}
