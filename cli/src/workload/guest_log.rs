//! Shows what guests print and log, on the standard error, with the guest's name. A line that a guest repeats is shown once: workloads
//! run many times, in several instances.

use std::collections::HashSet;
use std::ffi::c_void;
use std::sync::Mutex;

use rtwasm::engine::log::{DROPPED, ERROR, Sink, WARNING};

/// The most different lines that are shown.
const MOST: usize = 20;

/// The lines of this process's guests. `None`: they are not shown.
static SHOWN: Mutex<Option<Shown>> = Mutex::new(None);

struct Shown {
    name: String,
    seen: HashSet<String>,
    /// The number of lines that came after the last that is shown.
    left_out: u64,
    /// The number of messages that found the log full.
    dropped: u64,
}

/// Shows the lines until the result is dropped, which tells the number of those that were left out. One at a time.
pub fn show(name: &str) -> Showing {
    lock().replace(Shown { name: name.into(), seen: HashSet::new(), left_out: 0, dropped: 0 });
    Showing
}

pub struct Showing;

impl Drop for Showing {
    fn drop(&mut self) {
        let Some(Shown { name, left_out, dropped, .. }) = lock().take() else { return };
        if left_out != 0 {
            eprintln!("rtwasm: {name} printed {left_out} more lines that differ from these {MOST}");
        }
        if dropped != 0 {
            eprintln!("rtwasm: {name} printed {dropped} messages faster than the log takes them: they were dropped");
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Shown>> {
    SHOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The receiver of runtimes' logs.
pub fn sink() -> Sink {
    Sink { call: receive, user_data: std::ptr::null_mut() }
}

/// Runs on the housekeeper's thread.
unsafe extern "C-unwind" fn receive(_: *mut c_void, _instance: *mut c_void, level: u32, text: *const u8, length: usize) {
    let mut shown = lock();
    let Some(shown) = shown.as_mut() else { return };
    // SAFETY: the library passes a text of this length.
    let text = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    if let Some(line) = shown.line(level, &text) {
        eprintln!("{line}");
    }
}

impl Shown {
    /// The line to be printed; None if it was before, or too many were.
    fn line(&mut self, level: u32, text: &str) -> Option<String> {
        if level == WARNING
            && let Some(count) = text.strip_suffix(DROPPED).and_then(|count| count.trim_end().parse::<u64>().ok())
        {
            self.dropped += count;
            return None;
        }
        let mark = match level {
            ERROR.. => "[error] ",
            WARNING => "[warning] ",
            _ => "",
        };
        // A terminal gets no control characters.
        let text: String =
            text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect();
        let line = format!("{}: {mark}{text}", self.name);
        if self.seen.contains(&line) {
            return None;
        }
        if self.seen.len() == MOST {
            self.left_out += 1;
            return None;
        }
        self.seen.insert(line.clone());
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_lines_are_shown_once_and_not_too_many() {
        let mut shown = Shown { name: "g.wasm".into(), seen: HashSet::new(), left_out: 0, dropped: 0 };
        assert_eq!(shown.line(0, "hello"), Some("g.wasm: hello".into()));
        assert_eq!(shown.line(0, "hello"), None);
        assert_eq!(shown.line(WARNING, "hello"), Some("g.wasm: [warning] hello".into()));
        assert_eq!(shown.line(ERROR, "a\u{1b}[31m"), Some("g.wasm: [error] a\u{fffd}[31m".into()));
        assert_eq!((shown.line(WARNING, &format!("12 {DROPPED}")), shown.dropped), (None, 12));
        let more = (0..MOST as u32).filter_map(|n| shown.line(0, &n.to_string())).count();
        assert_eq!((more, shown.left_out), (MOST - 3, 3));
    }
}
