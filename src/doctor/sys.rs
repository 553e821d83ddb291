//! The doctor's own system calls, for facts that no file contains, behind plain functions. Each is harmless and leaves nothing
//! behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::rt::thread;
use crate::sys::sleeper;

/// The resolution of CLOCK_MONOTONIC.
pub fn clock_resolution_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    let refused = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC, &mut time) };
    (refused == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// The unit of the times in /proc/stat.
pub fn ticks_per_second() -> Option<u64> {
    // SAFETY: sysconf has no preconditions.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)
}

/// Returns an error if memory that was written to may not become executable.
pub fn executable_memory() -> std::io::Result<()> {
    with_mapping(1 << 12, |address, bytes| {
        // SAFETY: the mapping is this function's own, and no thread executes it.
        match unsafe { libc::mprotect(address, bytes, libc::PROT_READ | libc::PROT_EXEC) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    })?
}

/// Returns the result of `look`, which runs while `bytes` more bytes are mapped.
pub fn while_mapped<T>(bytes: usize, look: impl FnOnce() -> T) -> std::io::Result<T> {
    with_mapping(bytes, |_, _| look())
}

fn with_mapping<T>(bytes: usize, run: impl FnOnce(*mut libc::c_void, usize) -> T) -> std::io::Result<T> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping of this function's own, unmapped below.
    unsafe {
        let address = libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0);
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let result = run(address, bytes);
        libc::munmap(address, bytes);
        Ok(result)
    }
}

/// Size of the calling thread's alternate signal stack; `None` if it has none.
pub fn signal_stack_bytes() -> Option<usize> {
    // SAFETY: all-zero is a valid stack_t to be filled in; querying changes nothing.
    let stack = unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut stack);
        stack
    };
    (stack.ss_flags & libc::SS_DISABLE == 0 && !stack.ss_sp.is_null()).then_some(stack.ss_size)
}

/// The file that contains a signal's handler, and true if it is this library's file; `None` for no handler.
pub fn handler_owner(signal: libc::c_int) -> Option<(String, bool)> {
    // SAFETY: all-zero is a valid sigaction to be filled in; querying changes nothing.
    let handler = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action);
        action.sa_sigaction
    };
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return None;
    }
    let own = object_of(handler_owner as *const () as usize);
    Some(match object_of(handler) {
        Some((base, name)) => (name, own.is_some_and(|(ours, _)| ours == base)),
        None => (format!("code at {handler:#x}, which belongs to no library"), false),
    })
}

/// The start and the file of the loaded object that contains an address.
fn object_of(address: usize) -> Option<(usize, String)> {
    // SAFETY: all-zero is a valid Dl_info; dladdr takes any address and fills it only on success; its strings live as long as
    // the object stays loaded, and are copied at once.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const _, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let name = std::ffi::CStr::from_ptr(info.dli_fname).to_string_lossy().into_owned();
        Some((info.dli_fbase as usize, name))
    }
}

/// Pins the calling thread; returns `false` if it may not run there.
pub fn pin(cpu: usize) -> bool {
    // SAFETY: all-zero is a valid set; CPU_SET ignores numbers beyond it; the call reads it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if cpu >= 8 * size_of::<libc::cpu_set_t>() {
            return false;
        }
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Gives the calling thread SCHED_FIFO with that priority; returns `false` if that is not permitted.
pub fn set_fifo(priority: i32) -> bool {
    // SAFETY: all-zero is a valid sched_param; the call reads it only.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = priority;
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &parameter) == 0
    }
}

const PROBE_STACK_BYTES: usize = 2 << 20;

/// Runs on a thread of its own, pinned if `cpu` names one, with SCHED_FIFO if permitted; returns true if it was.
pub fn on_fifo_thread<T: Send + 'static>(
    cpu: Option<usize>,
    priority: i32,
    run: impl FnOnce() -> T + Send + 'static,
) -> Option<(T, bool)> {
    let body = move || {
        if cpu.is_some_and(|cpu| !pin(cpu)) {
            return None;
        }
        let fifo = set_fifo(priority);
        Some((run(), fifo))
    };
    let outcome = Arc::new(Mutex::new(None));
    let told = outcome.clone();
    let tell = move || *told.lock().unwrap_or_else(PoisonError::into_inner) = body();
    thread::start("rtwasm-probe", PROBE_STACK_BYTES, tell).ok()?.join();
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    outcome.take()
}

/// Sleeps, so that other threads can run.
pub fn rest(time: Duration) {
    sleeper::sleep_for(time);
}
