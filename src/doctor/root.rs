//! Reads files below a root: the running system's, or a folder with a copy of another machine's. What is missing, unreadable or
//! not a file is `None`, never an error: the checks report "unknown".

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::sys::file;

/// Larger than any file that the doctor reads; a planted endless file is cut here.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// More than the entries of any directory that the doctor reads: process numbers end at 4 Mi, but no machine runs nearly as many processes.
const MAX_ENTRIES: usize = 1 << 16;

pub struct Root {
    base: PathBuf,
    live: bool,
}

impl Root {
    /// The running system if `base` is `None` or `/`.
    pub fn new(base: Option<&Path>) -> Root {
        let base = base.unwrap_or(Path::new("/"));
        Root { base: base.to_owned(), live: base == Path::new("/") }
    }

    /// True for the running system, so that system calls describe the same machine as the files.
    pub fn is_live(&self) -> bool {
        self.live
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base.join(path.trim_start_matches('/'))
    }

    /// Opens a file without waiting, in case it is a planted pipe.
    fn open(&self, path: &str) -> Option<File> {
        file::open_without_waiting(&self.path(path)).ok()
    }

    /// A regular file's content.
    #[inline(never)]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.open(path)?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A regular file's content as text, trimmed.
    #[inline(never)]
    pub fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).trim().to_owned())
    }

    /// A regular file's content as text, trimmed; None if it is empty.
    #[inline(never)]
    pub fn word(&self, path: &str) -> Option<String> {
        self.text(path).filter(|text| !text.is_empty())
    }

    /// The number in a file.
    pub fn number<N: FromStr>(&self, path: &str) -> Option<N> {
        self.text(path)?.parse().ok()
    }

    /// The first four bytes of a device, as a number in this machine's byte order.
    #[inline(never)]
    pub fn device_i32(&self, path: &str) -> Option<i32> {
        let mut bytes = [0; 4];
        self.open(path)?.read_exact(&mut bytes).ok()?;
        Some(i32::from_ne_bytes(bytes))
    }

    #[inline(never)]
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The names in a directory, sorted; numbers by value.
    #[inline(never)]
    pub fn names(&self, directory: &str) -> Vec<String> {
        let mut sorted: Vec<(u64, String)> = Vec::new();
        for name in file::names(&self.path(directory), MAX_ENTRIES).into_iter().map(|name| (trailing_number(&name), name)) {
            // A name is in a directory once.
            let (Ok(place) | Err(place)) = sorted.binary_search(&name);
            sorted.insert(place, name);
        }
        sorted.into_iter().map(|(_, name)| name).collect()
    }

    /// The entries of a directory whose names are `prefix` and a number: `node0`, `state3`.
    #[inline(never)]
    pub fn numbered(&self, directory: &str, prefix: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for name in self.names(directory) {
            if let Some(Ok(number)) = name.strip_prefix(prefix).map(str::parse) {
                found.push((number, format!("{directory}/{name}")));
            }
        }
        found
    }
}

fn trailing_number(name: &str) -> u64 {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_file_is_none() {
        let root = Root::new(Some(Path::new("/nowhere/at/all")));
        assert!(!root.is_live());
        assert_eq!((root.text("proc/version"), root.names("proc"), root.exists("proc")), (None, vec![], false));
        let live = Root::new(None);
        assert!(live.is_live() && Root::new(Some(Path::new("/"))).is_live());
        assert_eq!((live.text("proc"), live.text("dev/null")), (None, None));
        assert!(live.text("proc/self/status").is_some_and(|status| status.starts_with("Name:")));
    }

    #[test]
    fn numbered_entries_come_in_order() {
        let folder = std::env::temp_dir().join(format!("rtwasm-root-{}", std::process::id()));
        for name in ["state10", "state2", "states", "other1"] {
            std::fs::create_dir_all(folder.join("d").join(name)).unwrap();
        }
        let found = Root::new(Some(&folder)).numbered("d", "state");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [(2, "d/state2".to_owned()), (10, "d/state10".to_owned())]);
    }
}
