//! Files: opens regular files only, and replaces a file only with a complete one.

use std::ffi::{CStr, CString};
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The reason why a file was not opened.
#[derive(Debug)]
pub enum Refused {
    /// The system refused.
    System(io::Error),
    /// The file is not a regular one; the text names its kind.
    Kind(&'static str),
}

impl Refused {
    /// The system's error for this refusal.
    pub fn cause(self) -> io::Error {
        match self {
            Refused::System(error) => error,
            Refused::Kind("a directory") => io::Error::from_raw_os_error(libc::EISDIR),
            Refused::Kind(_) => io::Error::from_raw_os_error(libc::EINVAL),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::System(error)
    }
}

/// Opens a regular file for reading, and returns its size. Never waits, as opening a pipe would, and opens no device, since
/// that can have effects.
pub fn open_regular(path: &Path) -> Result<(File, u64), Refused> {
    let is_regular = |file_type: FileType| match kind(file_type) {
        None => Ok(()),
        Some(what) => Err(Refused::Kind(what)),
    };
    is_regular(fs::metadata(path)?.file_type())?;
    let file = open_without_waiting(path)?;
    // The file of this name may have changed in between.
    let found = file.metadata()?;
    is_regular(found.file_type())?;
    Ok((file, found.len()))
}

/// Opens a file of any kind for reading. A pipe does not block the caller.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// The names in a directory, `most` of them at most; none if it cannot be read. The standard library would panic if a filter of
/// system calls refused to close it.
pub fn names(directory: &Path, most: usize) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else { return names };
    // SAFETY: the path ends with a zero.
    let stream = unsafe { libc::opendir(path.as_ptr()) };
    if stream.is_null() {
        return names;
    }
    while names.len() < most {
        // SAFETY: open, and nobody else's.
        let Some(entry) = (unsafe { libc::readdir64(stream).as_ref() }) else { break };
        // SAFETY: ends with a zero, and stays until the next is read.
        match unsafe { CStr::from_ptr(entry.d_name.as_ptr()) }.to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    // SAFETY: open, and not used again. There is nothing to do about a refusal.
    unsafe { libc::closedir(stream) };
    names
}

/// True if nobody can shorten the file: it is a memfd that is sealed against that.
pub fn keeps_its_size(file: &File) -> bool {
    // SAFETY: only asks.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & libc::F_SEAL_SHRINK != 0
}

/// A descriptor of the library's own for the same file. `descriptor` may be invalid.
pub fn duplicate(descriptor: i32) -> io::Result<File> {
    // SAFETY: creates a descriptor, or reports an error.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just created, and nobody else's.
        own => Ok(unsafe { File::from_raw_fd(own) }),
    }
}

/// The kind of a file in words; None for a regular file.
pub fn kind(file_type: FileType) -> Option<&'static str> {
    match file_type {
        _ if file_type.is_file() => None,
        _ if file_type.is_dir() => Some("a directory"),
        _ if file_type.is_fifo() => Some("a pipe"),
        _ if file_type.is_socket() => Some("a socket"),
        _ if file_type.is_block_device() || file_type.is_char_device() => Some("a device"),
        _ => Some("no regular file"),
    }
}

/// Reads until `bytes` has `length` bytes, or the file ends. Allocates all memory first; a refused allocation is an error.
pub fn fill(file: impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let more = length.saturating_sub(bytes.len());
    bytes.try_reserve_exact(more).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
    file.take(more as u64).read_to_end(bytes).map(|_| ())
}

/// Writes a new file beside the destination and renames it, so that no reader ever sees half a file.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Resolves a link first, so that the link remains a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
        // A device or a pipe cannot be replaced; writing to a directory fails by itself.
        return OpenOptions::new().write(true).open(&path)?.write_all(bytes);
    }
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary_name);

    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, &path));
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        // If the removal fails too, the temporary file remains.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let kind_of = |path: &str| match open_regular(Path::new(path)) {
            Ok(_) => "a file",
            Err(Refused::Kind(what)) => what,
            Err(Refused::System(_)) => "refused",
        };
        assert_eq!(kind_of("/dev/null"), "a device");
        assert_eq!(kind_of("/"), "a directory");
        assert_eq!(kind_of("/there/is/none"), "refused");
        assert_eq!(kind_of(std::env::current_exe().unwrap().to_str().unwrap()), "a file");
    }

    #[test]
    fn a_file_is_read_as_far_as_was_asked_for_and_is_there() {
        let (mut file, length) = open_regular(&std::env::current_exe().unwrap()).unwrap();
        let mut bytes = Vec::new();
        fill(&mut file, &mut bytes, 4).unwrap();
        assert_eq!(bytes, b"\x7fELF");
        fill(&mut file, &mut bytes, 100).unwrap();
        assert_eq!((bytes.len(), &bytes[..4]), (100, &b"\x7fELF"[..]));
        fill(&mut file, &mut bytes, length as usize + 1).unwrap();
        assert_eq!(bytes.len() as u64, length, "it has ended before");
        assert_eq!(fill(&mut file, &mut bytes, isize::MAX as usize).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }
}
