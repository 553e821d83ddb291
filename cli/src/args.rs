//! Functions that the subcommands share: they read arguments and files, print, and fail.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rtwasm::engine::artifact;
use rtwasm::status::{self, Error, RTW_ERR_NOT_ARTIFACT};
use rtwasm::sys::file::{self, Refused};

use crate::faust;

pub enum Failure {
    /// The command line is wrong: exit status 2.
    Usage(String),
    /// The command failed, for this reason: exit status 1.
    Failed(String),
    /// The command failed and has already said why: exit status 1.
    Reported,
    /// The command has done its work, and its exit status reports the outcome.
    Outcome(u8),
}

impl Failure {
    /// A failure that concerns a file.
    pub fn about(path: &Path, cause: impl std::fmt::Display) -> Failure {
        Failure::Failed(format!("{}: {cause}", shown(path)))
    }

    /// The library's error that concerns a file.
    pub fn with_status(path: &Path, error: &Error) -> Failure {
        Failure::about(path, format_args!("{}: {}", status::name(error.status), error.message))
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        Failure::Usage(error.to_string())
    }
}

/// A subcommand's arguments.
pub struct Args {
    parser: lexopt::Parser,
}

pub enum Arg {
    /// An option, with its dashes.
    Option(String),
    /// A file name or another word.
    Value(OsString),
}

impl Args {
    pub fn new(words: Vec<OsString>) -> Args {
        Args { parser: lexopt::Parser::from_args(words) }
    }

    pub fn next(&mut self) -> Result<Option<Arg>, Failure> {
        Ok(self.parser.next()?.map(|arg| match arg {
            lexopt::Arg::Short(letter) => Arg::Option(format!("-{letter}")),
            lexopt::Arg::Long(name) => Arg::Option(format!("--{name}")),
            lexopt::Arg::Value(value) => Arg::Value(value),
        }))
    }

    /// The value of the option that `next` has just returned.
    pub fn value(&mut self) -> Result<OsString, Failure> {
        Ok(self.parser.value()?)
    }

    /// The number that may follow the option that `next` has just returned.
    pub fn optional_number(&mut self) -> Result<Option<f64>, Failure> {
        let is_number = |word: &std::ffi::OsStr| word.to_str().is_some_and(|word| word.parse::<f64>().is_ok());
        let attached = self.parser.optional_value();
        let word = attached.or_else(|| self.parser.try_raw_args()?.next_if(is_number));
        let Some(word) = word else { return Ok(None) };
        let number = word.to_str().and_then(|word| word.parse().ok());
        number.map(Some).ok_or_else(|| Failure::Usage(format!("{} is not a number", word.display())))
    }

    pub fn text(&mut self) -> Result<String, Failure> {
        self.value()?.into_string().map_err(|value| Failure::Usage(format!("{} is not UTF-8", value.display())))
    }

    /// The option's value, which has to be one of `names`.
    pub fn one_of<T>(&mut self, option: &str, names: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| Failure::Usage(format!("{option} {text}: expected one of {names}")))
    }
}

pub fn unknown_option(option: &str) -> Failure {
    Failure::Usage(format!("unknown option {option}"))
}

/// Keeps the one file name that a command takes.
pub fn set_once(slot: &mut Option<PathBuf>, value: OsString, what: &str) -> Result<(), Failure> {
    match slot {
        Some(first) => Err(Failure::Usage(format!("more than one {what}: {} and {}", first.display(), value.display()))),
        None => {
            *slot = Some(value.into());
            Ok(())
        }
    }
}

pub fn is_standard_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

pub fn shown(path: &Path) -> String {
    if is_standard_stream(path) { "standard input".into() } else { path.display().to_string() }
}

/// The longest input that the command reads, unless the file itself says how long it is.
const LONGEST_INPUT_BYTES: u64 = 1 << 30;

/// Reads the whole file, or the whole standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_or_error(path)?.map_err(|error| Failure::with_status(path, &error))
}

/// Reads the whole file; an artifact only if it is as long as its header says. Returns the library's error, for callers that have
/// their own words for it.
pub fn read_or_error(path: &Path) -> Result<Result<Vec<u8>, Error>, Failure> {
    if is_standard_stream(path) {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(LONGEST_INPUT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::about(path, error))?;
        return match bytes.len() as u64 {
            0..=LONGEST_INPUT_BYTES => Ok(Ok(bytes)),
            _ => Err(too_long(path)),
        };
    }
    let (mut file, length) = file::open_regular(path).map_err(|refused| match refused {
        Refused::Kind("a pipe") => Failure::about(path, "it is a pipe, not a file: use - and connect it to the standard input"),
        Refused::Kind(what) => Failure::about(path, format_args!("it is {what}, not a file")),
        Refused::System(error) => Failure::about(path, error),
    })?;
    let mut bytes = Vec::new();
    file::fill(&mut file, &mut bytes, artifact::MAGIC.len()).map_err(|error| Failure::about(path, error))?;
    if bytes == artifact::MAGIC {
        return Ok(artifact::read_file(path));
    }
    if length > LONGEST_INPUT_BYTES {
        return Err(too_long(path));
    }
    file::fill(&mut file, &mut bytes, length as usize).map_err(|error| Failure::about(path, error))?;
    Ok(Ok(bytes))
}

fn too_long(path: &Path) -> Failure {
    Failure::about(path, format_args!("it is longer than {} MiB", LONGEST_INPUT_BYTES >> 20))
}

/// Names the kind of a file that belongs to another command, and that command.
pub fn known_file(bytes: &[u8]) -> Option<&'static str> {
    const DIRECTLY: [(&[u8], &str); 6] = [
        (&artifact::MAGIC, "an rtwasm artifact: `rtwasm inspect` prints what is in it"),
        (b"\0asm", "a WebAssembly module: `rtwasm compile` makes an artifact of it"),
        (b"# rtwasm report", "a report for people: `rtwasm report --compare` reads two in JSON (report -o FILE.json)"),
        (b"#[StartTime", "an interval log for HdrHistogram's tools: `rtwasm stats` reads RTW_EXPORT_JSON"),
        (b"#[Interval", "an interval log for HdrHistogram's tools: `rtwasm stats` reads RTW_EXPORT_JSON"),
        (b"<!DOCTYPE html>", "a page for a browser: `rtwasm stats` reads RTW_EXPORT_JSON"),
    ];
    if let Some((_, what)) = DIRECTLY.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Some(what);
    }
    if bytes.trim_ascii_start().starts_with(b"(module") {
        return Some("a WebAssembly module in text form: `rtwasm compile` makes an artifact of it");
    }
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let has = |name: &str| json.get(name).is_some();
    if json["format"] == rtwasm::stats::export::JSON_FORMAT {
        Some("statistics: `rtwasm stats` shows, converts and compares them")
    } else if has("versions") && has("machine") && has("format") {
        Some("a report: `rtwasm report --compare` compares two")
    } else if has("findings") && has("verdicts") {
        Some("the output of `rtwasm doctor --json`, which no command reads")
    } else if has("workload") && (has("steady_ns") || has("variants")) {
        Some("the output of `rtwasm bench --json` or `bisect --json`; `rtwasm report` writes files that can be compared")
    } else {
        None
    }
}

/// Fails if the file is of a known kind that the command does not take.
pub fn refuse_known(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    known_file(bytes).map_or(Ok(()), |what| Err(Failure::about(path, format_args!("this is {what}"))))
}

/// The library's error about a file that is not an artifact, with the kind of the file if it is known.
pub fn no_artifact(path: &Path, error: &Error, bytes: &[u8]) -> Failure {
    // The library's message already names a plain module.
    let known = known_file(bytes).filter(|_| error.status == RTW_ERR_NOT_ARTIFACT);
    let known = known.map_or_else(String::new, |what| format!("; this is {what}"));
    Failure::about(path, format_args!("{}: {}{known}", status::name(error.status), error.message))
}

/// Reads a module to compile, in binary or text form, or has Faust make one of a program (.dsp). Refuses rtwasm's other files.
pub fn read_module(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.extension().is_some_and(|extension| extension == "dsp") {
        return faust::module(path);
    }
    let bytes = read(path)?;
    check_module(path, &bytes)?;
    Ok(bytes)
}

/// Refuses rtwasm's files of other kinds; the compiler judges the rest.
pub fn check_module(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let is_module = bytes.starts_with(b"\0asm") || bytes.trim_ascii_start().starts_with(b"(");
    // The compiler's message already names an artifact.
    let is_artifact = bytes.starts_with(&artifact::MAGIC);
    if is_module || is_artifact { Ok(()) } else { refuse_known(path, bytes) }
}

/// Prints to the standard output. A reader that closes the pipe early is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Failed(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// `512 bytes`, `12.3 kB`, `4.6 MB`.
pub fn human_bytes(bytes: u64) -> String {
    let count = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", count / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.1} GB", count / 1e9),
    }
}

pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let cases = [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (12_345, "12.3 kB"), (4_600_000, "4.6 MB")];
        for (bytes, text) in cases {
            assert_eq!(human_bytes(bytes), text);
        }
        assert_eq!(human_bytes(5_000_000_000), "5.0 GB");
    }

    #[test]
    fn nouns_are_counted() {
        assert_eq!([plural(0, "import"), plural(1, "import"), plural(2, "import")], ["0 imports", "1 import", "2 imports"]);
    }
}
