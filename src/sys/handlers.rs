//! The process's handlers for the faults that the standalone profile turns into traps: checks that they are still those that
//! were in place after the engine installed its own, and names the owner of others.

use std::sync::atomic::{AtomicUsize, Ordering::*};

use crate::status::*;

/// The signals that the engine handles. A division by zero raises SIGFPE on x86-64; on aarch64 the guest's code checks the divisor.
#[cfg(target_arch = "x86_64")]
pub const SIGNALS: [(libc::c_int, &str); 3] = [(libc::SIGSEGV, "SIGSEGV"), (libc::SIGILL, "SIGILL"), (libc::SIGFPE, "SIGFPE")];
#[cfg(not(target_arch = "x86_64"))]
pub const SIGNALS: [(libc::c_int, &str); 2] = [(libc::SIGSEGV, "SIGSEGV"), (libc::SIGILL, "SIGILL")];

/// The handlers that were in place after the engine installed its own; 0 until then. Other copies of this library in the
/// process find this array through the note below.
static INSTALLED: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];

/// The note's name and type.
const NOTE_NAME: &[u8] = b"rtwasm\0";
const NOTE_TYPE: u32 = 1;

// A note in the file that contains this library, a shared library or the program. It holds the distance from its content to
// INSTALLED. It survives stripping and localising of symbols.
std::arch::global_asm!(
    ".pushsection .note.rtwasm,\"a\",@note",
    ".balign 4",
    ".long 7, 4, 1",
    ".asciz \"rtwasm\"",
    ".balign 4",
    ".long {installed} - .",
    ".popsection",
    installed = sym INSTALLED,
);

fn handler_of(signal: i32) -> usize {
    // SAFETY: all-zero is a valid sigaction to be filled in; querying changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action);
        action.sa_sigaction
    }
}

fn current() -> [usize; SIGNALS.len()] {
    SIGNALS.map(|(signal, _)| handler_of(signal))
}

/// Remembers the current handlers. Call it right after the engine installed its own; later calls change nothing, since the
/// engine installs them once in a process.
pub fn remember_engine_handlers() {
    if INSTALLED.iter().all(|installed| installed.load(Acquire) != 0) {
        return;
    }
    for (installed, now) in INSTALLED.iter().zip(current()) {
        let _ = installed.compare_exchange(0, now, Release, Relaxed);
    }
}

/// Foreign handlers that pass on signals that are not their own: the last one found for each signal.
static ACCEPTED: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];

/// Returns true if the engine's own handlers are in place. Does not check if other handlers pass on. Makes three system calls.
pub fn are_in_place() -> bool {
    INSTALLED[0].load(Acquire) == 0
        || (0..SIGNALS.len())
            .zip(current())
            .all(|(at, now)| now == INSTALLED[at].load(Acquire) || now == ACCEPTED[at].load(Acquire))
}

/// Returns an error if guests' faults do not reach the engine any more.
pub fn check() -> Result<()> {
    let installed: [usize; SIGNALS.len()] = std::array::from_fn(|at| INSTALLED[at].load(Acquire));
    if installed[0] == 0 {
        return Ok(());
    }
    for (at, ((_, name), (now, ours))) in SIGNALS.iter().zip(current().iter().zip(&installed)).enumerate() {
        if now != ours {
            if passes_on(at, *now) {
                ACCEPTED[at].store(*now, Release);
                continue;
            }
            return Err(Error::new(
                RTW_ERR_SIGNALS,
                format!(
                    "the {name} handler was replaced by {} after the runtime was created: a guest's trap would look like a \
                     crash of the host; install it before, or use the plugin profile, which needs no handlers",
                    owner(*now)
                ),
            ));
        }
    }
    Ok(())
}

/// Returns true if the handler of that signal is one that another copy of this library found installed by its engine, which
/// passes on signals that are not its own guests'.
fn passes_on(at: usize, handler: usize) -> bool {
    struct Search {
        at: usize,
        handler: usize,
        found: bool,
    }
    /// Callback for every loaded object.
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the loader passes valid tables; `search` is the caller's.
        let (base, headers, search) = unsafe {
            let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum as usize);
            ((*info).dlpi_addr as usize, headers, &mut *search.cast::<Search>())
        };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_NOTE && header.p_align <= 4) {
            let start = base + header.p_vaddr as usize;
            // SAFETY: a loaded object's notes are mapped readable.
            let notes = unsafe { std::slice::from_raw_parts(start as *const u8, header.p_memsz as usize) };
            if let Some(content) = note(notes) {
                // SAFETY: the note belongs to a copy of this library, and holds the distance from its content to its words.
                let installed = unsafe {
                    let offset = (notes.as_ptr().add(content)).cast::<i32>().read_unaligned();
                    &*notes.as_ptr().add(content).offset(offset as isize).cast::<[AtomicUsize; SIGNALS.len()]>()
                };
                search.found |= installed[search.at].load(Acquire) == search.handler;
            }
        }
        0
    }
    let mut search = Search { at, handler, found: false };
    // SAFETY: the callback has this signature, and the struct outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

/// The place in a list of notes where the library's own content begins.
fn note(notes: &[u8]) -> Option<usize> {
    let word = |at: usize| Some(u32::from_ne_bytes(notes.get(at..at + 4)?.try_into().ok()?));
    let mut at = 0;
    loop {
        let (name_bytes, content_bytes, kind) = (word(at)? as usize, word(at + 4)? as usize, word(at + 8)?);
        let content = at + 12 + name_bytes.next_multiple_of(4);
        if kind == NOTE_TYPE && content_bytes == 4 && notes.get(at + 12..at + 12 + name_bytes)? == NOTE_NAME {
            return notes.get(content..content + 4).map(|_| content);
        }
        at = content + content_bytes.next_multiple_of(4);
    }
}

/// The file that holds the handler's code, for a message.
fn owner(handler: usize) -> String {
    match handler {
        libc::SIG_DFL => "the default action".into(),
        libc::SIG_IGN => "ignoring it".into(),
        _ => object_of(handler).map_or_else(|| nobodys(handler), |(_, file)| file.to_string_lossy().into_owned()),
    }
}

fn nobodys(handler: usize) -> String {
    format!("code at {handler:#x}, which belongs to no library")
}

/// The loaded object that an address belongs to: where it starts, and its file.
fn object_of(address: usize) -> Option<(usize, std::ffi::CString)> {
    // SAFETY: all-zero is a valid Dl_info; dladdr takes any address and fills it only on success; its strings live as long as
    // the object stays loaded, and are copied at once.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = libc::dladdr(address as *const _, &mut info) != 0 && !info.dli_fname.is_null();
        found.then(|| (info.dli_fbase as usize, std::ffi::CStr::from_ptr(info.dli_fname).to_owned()))
    }
}

/// The file that contains a signal's handler, and true if it is this library's file; `None` for no handler.
pub fn owner_of(signal: i32) -> Option<(String, bool)> {
    let handler = handler_of(signal);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return None;
    }
    let own = object_of(owner_of as *const () as usize);
    Some(match object_of(handler) {
        Some((base, file)) => (file.to_string_lossy().into_owned(), own.is_some_and(|(ours, _)| ours == base)),
        None => (nobodys(handler), false),
    })
}

/// The address of the interrupted code, from a signal handler's context.
pub fn interrupted_at(context: *const std::ffi::c_void) -> usize {
    // SAFETY: the third argument of a handler installed with SA_SIGINFO is a ucontext_t.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] as usize
        }
        #[cfg(target_arch = "aarch64")]
        {
            (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc as usize
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let _ = context;
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_note_is_found_among_others_and_nothing_is_read_beyond_the_end() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let mut notes = words(&[4, 8, 1, 0x00554e47, 1, 2]);
        notes.extend(words(&[7, 4, 1]));
        notes.extend(b"rtwasm\0\0");
        notes.extend(words(&[9]));
        assert_eq!(note(&notes), Some(44));
        for length in 0..notes.len() {
            assert_eq!(note(&notes[..length]), None, "{length}");
        }
    }
}
