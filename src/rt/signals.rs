//! The process's handlers for the faults that the standalone profile turns into traps: whether they are still the ones that
//! were there after the engine installed its own, and whose they are if not.

use crate::status::*;
use once_cell::sync::OnceCell;

const SIGNALS: [(libc::c_int, &str); 3] = [(libc::SIGSEGV, "SIGSEGV"), (libc::SIGILL, "SIGILL"), (libc::SIGFPE, "SIGFPE")];

static INSTALLED: OnceCell<[usize; SIGNALS.len()]> = OnceCell::new();

fn current() -> [usize; SIGNALS.len()] {
    SIGNALS.map(|(signal, _)| {
        // SAFETY: all-zero is a valid sigaction to be filled in; asking changes nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut action);
            action.sa_sigaction
        }
    })
}

/// Remembers the handlers that are in place now. To be called right after the engine installed its own; later calls change
/// nothing, since the engine installs them once a process.
pub fn remember_engine_handlers() {
    INSTALLED.get_or_init(current);
}

/// Whether guests' faults still reach the engine.
pub fn check() -> Result<()> {
    let Some(installed) = INSTALLED.get() else { return Ok(()) };
    for ((_, name), (now, ours)) in SIGNALS.iter().zip(current().iter().zip(installed)) {
        if now != ours && !passes_on(*now) {
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

/// Whether the handler is that of another copy of this library, whose engine hands on what is not its own guests'.
fn passes_on(handler: usize) -> bool {
    let Some(file) = file_of(handler) else { return false };
    // SAFETY: the file is loaded already and only asked whether it has a name of ours; the handle is given back.
    unsafe {
        let object = libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if object.is_null() {
            return false;
        }
        let entry = libc::dlsym(object, c"rtw_instance_prepare".as_ptr());
        libc::dlclose(object);
        // A host that links against us finds the name too, but in our file and not in its own.
        !entry.is_null() && file_of(entry as usize).is_some_and(|its| its == file)
    }
}

/// The file that holds the handler's code, for a message.
fn owner(handler: usize) -> String {
    match handler {
        libc::SIG_DFL => "the default action".into(),
        libc::SIG_IGN => "ignoring it".into(),
        _ => match file_of(handler) {
            Some(file) => file.to_string_lossy().into_owned(),
            None => format!("code at {handler:#x}, which belongs to no library"),
        },
    }
}

/// The loaded object that an address belongs to.
fn file_of(address: usize) -> Option<std::ffi::CString> {
    // SAFETY: all-zero is a valid Dl_info; dladdr takes any address and fills it only on success; its strings live as long as
    // the object stays loaded, and are copied at once.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = libc::dladdr(address as *const _, &mut info) != 0 && !info.dli_fname.is_null();
        found.then(|| std::ffi::CStr::from_ptr(info.dli_fname).to_owned())
    }
}
