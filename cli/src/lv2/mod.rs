//! `rtwasm lv2`: makes an LV2 plug-in of a guest: a bundle of the generic plug-in library, the artifact and its description in Turtle.

mod turtle;

use std::fs;
use std::path::{Path, PathBuf};

use rtwasm::artifact::guest::{Guest, flag};
use rtwasm::engine::artifact::{self, Input, Opened};
use rtwasm::engine::profile::Profile;
use rtwasm::sys::file;

use crate::args::{self, Args, Failure};
use crate::{compile, describe};

pub const HELP: &str = "rtwasm lv2: make an LV2 plug-in of a guest

Usage: rtwasm lv2 INPUT -o OUTPUT.lv2 [OPTIONS]

INPUT is an artifact (.rtw) of the profile plugin, or what `rtwasm compile` takes: a module (.wasm, .wat) or a
program of Faust (.dsp), which is compiled with that profile. It has to describe its guest: see
guests/include/rtw_guest.h; programs of Faust always do.

OUTPUT.lv2 is the bundle's folder, which a host finds below ~/.lv2 or in LV2_PATH. If it is there already, its files
are replaced; a plug-in that is running then loads the new artifact by itself, if its ports are the same.

The plug-in has the guest's audio channels, parameters and meters as ports, MIDI if the guest takes it, and ports for
bypass, freewheeling, latency, load, misses and faults.

Options:
  -o, --output FOLDER   write the bundle to FOLDER
  --uri URI             the plug-in's URI, by which hosts know it; default: \"uri\" of the guest's meta, otherwise
                        urn:rtwasm: and the guest's name
  --library FILE        the plug-in library to put into the bundle; default: RTWASM_LV2_LIBRARY, otherwise the one that
                        is installed or built with this command
  all options of `rtwasm compile` but --profile, if INPUT is not an artifact
  -h, --help            print this text

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm lv2 reverb.rtw -o ~/.lv2/reverb.lv2
  rtwasm lv2 reverb.dsp -o ~/.lv2/reverb.lv2 --uri https://example.org/reverb
";

/// The library's name in a bundle, and the environment variable that names another file.
const LIBRARY: &str = "rtwasm_lv2.so";
const LIBRARY_VARIABLE: &str = "RTWASM_LV2_LIBRARY";
/// The longest text in bundle.txt, by the plug-in library's buffers.
const LONGEST_TEXT: usize = 500;

pub fn run(args: Args) -> Result<(), Failure> {
    let (mut uri, mut library) = (None, None);
    let mut choices = compile::choices(
        args,
        |option, args| {
            match option {
                "--uri" => uri = Some(args.text()?),
                "--library" => library = Some(PathBuf::from(args.value()?)),
                _ => return Ok(false),
            }
            Ok(true)
        },
        |_, _| Ok(false),
    )?;
    let (Some(input), Some(folder)) = (choices.input.clone(), choices.output.clone()) else {
        return Err(Failure::Usage("missing file".into()));
    };
    if choices.profiles.replace(vec![Profile::Plugin]).is_some() {
        return Err(Failure::Usage("a plug-in always has the profile plugin: leave --profile out".into()));
    }
    if args::is_standard_stream(&folder) {
        return Err(Failure::Usage("the output is a folder: use -o FOLDER".into()));
    }
    let stem = if args::is_standard_stream(&input) { None } else { input.file_stem().and_then(|stem| stem.to_str()) };
    let stem = stem.filter(|stem| stem.len() < LONGEST_TEXT && !stem.contains(char::is_control)).unwrap_or("guest");
    let name = format!("{stem}.rtw");
    let quiet = choices.is_quiet();
    let bundle = Bundle { library: find_library(library)?, artifact: folder.join(&name), folder, name, uri, quiet };
    let is_program = input.extension().is_some_and(|extension| extension == "dsp");
    let bytes = if is_program { args::read_module(&input)? } else { args::read(&input)? };
    if bytes.starts_with(&artifact::MAGIC) {
        bundle.write(&input, &bytes)?;
        file::replace(&bundle.artifact, &bytes).map_err(|error| Failure::about(&bundle.artifact, error))?;
        return Ok(());
    }
    args::check_module(&input, &bytes)?;
    choices.output = Some(bundle.artifact.clone());
    let parts = choices.parts(Vec::new())?;
    let request = choices.request(parts, Default::default())?;
    compile::compile_module(&request, &bytes, |artifact| bundle.write(&input, &artifact).map(|()| artifact))
}

struct Bundle {
    folder: PathBuf,
    library: Vec<u8>,
    artifact: PathBuf,
    name: String,
    uri: Option<String>,
    quiet: bool,
}

impl Bundle {
    /// Writes everything but the artifact, which comes last: running plug-ins watch it.
    fn write(&self, input: &Path, artifact: &[u8]) -> Result<(), Failure> {
        let guest = guest_of(input, artifact)?;
        let uri = match &self.uri {
            Some(uri) => uri.clone(),
            None => default_uri(&guest),
        };
        if !turtle::is_uri(&uri) || uri.len() > LONGEST_TEXT {
            return Err(Failure::Usage(format!("{uri:?} is not a URI: use --uri, such as https://example.org/reverb")));
        }
        let has_files = fs::read_dir(&self.folder).is_ok_and(|mut files| files.next().is_some());
        if has_files && !self.folder.join("manifest.ttl").is_file() {
            return Err(Failure::about(&self.folder, "it is there, and is no LV2 bundle: name another folder"));
        }
        fs::create_dir_all(&self.folder).map_err(|error| Failure::about(&self.folder, error))?;
        let put = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            file::replace(&path, bytes).map_err(|error| Failure::about(&path, error))
        };
        put(LIBRARY, &self.library)?;
        put("bundle.txt", self.facts(&guest, &uri).as_bytes())?;
        put("plugin.ttl", turtle::plugin(&guest, &uri).as_bytes())?;
        put("manifest.ttl", turtle::manifest(&uri, LIBRARY).as_bytes())?;
        if !self.quiet {
            args::print(&format!("{}: LV2 plug-in {uri}\n", self.folder.display()))?;
        }
        Ok(())
    }

    /// The lines of bundle.txt, which plugins/lv2/rtwasm_lv2.c reads.
    fn facts(&self, guest: &Guest, uri: &str) -> String {
        format!(
            "uri {uri}\nartifact {}\ninputs {}\noutputs {}\nmidi {}\nparameters {}\nmeters {}\n",
            self.name,
            guest.channels(false),
            guest.channels(true),
            u32::from(takes_midi(guest)),
            guest.params.len(),
            guest.meters.len()
        )
    }
}

fn takes_midi(guest: &Guest) -> bool {
    guest.flags & flag::EVENTS != 0 && guest.flags & flag::MIDI != 0
}

/// The description of an artifact's guest, if a plug-in can run it.
fn guest_of(path: &Path, bytes: &[u8]) -> Result<Guest, Failure> {
    let failure = |error: rtwasm::status::Error| args::no_artifact(path, &error, bytes);
    let opened = Opened::new(Input::Memory(bytes)).map_err(failure)?;
    if !opened.parts.iter().any(|part| part.description.settings.profile == Profile::Plugin) {
        return Err(Failure::about(
            path,
            "the artifact has the profile standalone only, whose code needs signal handlers, which a plug-in must not install \
             in its host's process: compile the module with --profile plugin, or give this command the module",
        ));
    }
    let guest = describe::read(&opened).map_err(failure)?;
    guest.ok_or_else(|| {
        Failure::about(
            path,
            "the module does not describe its guest, so its ports are not known: describe it as guests/include/rtw_guest.h says, \
             or write it in Faust",
        )
    })
}

fn default_uri(guest: &Guest) -> String {
    let own = guest.meta.lines().find_map(|line| line.strip_prefix("uri="));
    own.map_or_else(|| format!("urn:rtwasm:{}", turtle::symbol(&guest.name)), str::to_owned)
}

fn find_library(named: Option<PathBuf>) -> Result<Vec<u8>, Failure> {
    let named = named.or_else(|| std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from));
    let places = match named {
        Some(path) => vec![path],
        None => {
            let command = std::env::current_exe().and_then(fs::canonicalize);
            let folder = command.ok().and_then(|path| Some(path.parent()?.parent()?.to_owned())).unwrap_or_default();
            vec![folder.join("lib/rtwasm").join(LIBRARY), folder.join("plugins").join(LIBRARY)]
        }
    };
    let Some(found) = places.iter().find(|path| path.is_file()) else {
        let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::Failed(format!(
            "the plug-in library is missing: {} (make plugins builds it; --library names another place)",
            places.join(", ")
        )));
    };
    let bytes = fs::read(found).map_err(|error| Failure::about(found, error))?;
    let is_one = bytes.starts_with(b"\x7fELF") && bytes.windows(15).any(|part| part == b"lv2_descriptor\0");
    if is_one { Ok(bytes) } else { Err(Failure::about(found, "it is no LV2 plug-in library")) }
}
