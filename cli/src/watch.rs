//! `rtwasm watch`: compiles a module again whenever its file changes.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::args::{self, Args, Failure};
use crate::compile;

pub const HELP: &str = "rtwasm watch: compile a module again whenever it changes

Usage: rtwasm watch INPUT -o OUTPUT [OPTIONS]

Compiles at once, and again whenever INPUT was written or replaced, until you end it. Replaces OUTPUT only
with a complete artifact: if INPUT does not compile, reports the error and leaves OUTPUT unchanged. A host
that watches OUTPUT can play the new version while it runs, as the audio example does with --watch.

Options:
  --exec COMMAND        run COMMAND in a shell after each successful compilation
  all options of `rtwasm compile`
  -h, --help            print this text

Exit status: 1 INPUT cannot be watched, 2 wrong usage.

Example:
  rtwasm watch eq.wasm -o eq.rtw --profile plugin
";

pub fn run(args: Args) -> Result<(), Failure> {
    let mut command = None;
    let request = compile::parse(args, |option, args| {
        let is_ours = option == "--exec";
        if is_ours {
            command = Some(args.value()?);
        }
        Ok(is_ours)
    })?;
    if args::is_standard_stream(&request.input) || args::is_standard_stream(&request.output) {
        return Err(Failure::Usage("INPUT and OUTPUT have to be files".into()));
    }
    // Before the file is read, so that no change is missed.
    let watch = Watch::new(&request.input).map_err(|error| Failure::about(&request.input, error))?;
    loop {
        // A module that does not compile may compile after the next change.
        match compile::compile(&request) {
            Ok(()) => execute(command.as_ref()),
            Err(Failure::Failed(message) | Failure::Usage(message)) => eprintln!("rtwasm: error: {message}"),
            Err(_) => {}
        }
        watch.wait().map_err(|error| Failure::about(&request.input, error))?;
    }
}

fn execute(command: Option<&OsString>) {
    let Some(command) = command else { return };
    match Command::new("sh").arg("-c").arg(command).status() {
        Ok(status) if status.success() => {}
        Ok(status) => eprintln!("rtwasm: {}: {status}", command.display()),
        Err(error) => eprintln!("rtwasm: {}: {error}", command.display()),
    }
}

/// Watches a file's folder: editors and compilers put a new file in the old one's place.
struct Watch {
    events: OwnedFd,
    name: OsString,
}

/// A program may write a file in several steps: the longest time between two of them.
const SETTLED_AFTER: Duration = Duration::from_millis(20);

impl Watch {
    fn new(file: &Path) -> std::io::Result<Watch> {
        let name = file.file_name().ok_or(std::io::ErrorKind::InvalidInput)?.to_owned();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = CString::new(folder.as_os_str().as_bytes())?;
        // SAFETY: no pointers; then a descriptor that nobody else has, and a NUL-terminated path.
        unsafe {
            let events = libc::inotify_init1(libc::IN_CLOEXEC);
            if events < 0 {
                return Err(std::io::Error::last_os_error());
            }
            let events = OwnedFd::from_raw_fd(events);
            if libc::inotify_add_watch(events.as_raw_fd(), folder.as_ptr(), libc::IN_CLOSE_WRITE | libc::IN_MOVED_TO) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(Watch { events, name })
        }
    }

    /// Waits until the file has changed, and then has not changed for a moment.
    fn wait(&self) -> std::io::Result<()> {
        while !self.read()? {}
        let mut changed = Instant::now();
        // Events of other files in the folder do not prolong the wait.
        while let Some(left) = SETTLED_AFTER.checked_sub(changed.elapsed()) {
            if self.is_ready(left)? && self.read()? {
                changed = Instant::now();
            }
        }
        Ok(())
    }

    /// Waits for events. Returns true if one of them is about the file.
    fn read(&self) -> std::io::Result<bool> {
        let mut bytes = [0_u8; 4096];
        // SAFETY: the buffer has `bytes.len()` bytes.
        let count = unsafe { libc::read(self.events.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => Ok(names(&bytes[..count]).any(|name| name == self.name)),
            Err(_) => match std::io::Error::last_os_error() {
                error if error.kind() == std::io::ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
        }
    }

    fn is_ready(&self, within: Duration) -> std::io::Result<bool> {
        // Rounded up, so that less than a millisecond does not become a loop without sleep.
        let within_ms = within.as_micros().div_ceil(1000) as libc::c_int;
        let mut asked = libc::pollfd { fd: self.events.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid struct, and the count is 1.
        match unsafe { libc::poll(&mut asked, 1, within_ms) } {
            0 => Ok(false),
            1.. => Ok(true),
            _ => match std::io::Error::last_os_error() {
                error if error.kind() == std::io::ErrorKind::Interrupted => Ok(true),
                error => Err(error),
            },
        }
    }
}

/// The file names in the kernel's events. Each event is a header, whose last word is the length of the padded name after it.
fn names(mut bytes: &[u8]) -> impl Iterator<Item = &OsStr> {
    std::iter::from_fn(move || {
        const HEADER: usize = size_of::<libc::inotify_event>();
        let header = bytes.get(..HEADER)?;
        let length = u32::from_ne_bytes(header[HEADER - 4..].try_into().ok()?) as usize;
        let name = bytes.get(HEADER..HEADER + length)?;
        bytes = &bytes[HEADER + length..];
        Some(OsStr::from_bytes(name.split(|byte| *byte == 0).next().unwrap_or_default()))
    })
}
