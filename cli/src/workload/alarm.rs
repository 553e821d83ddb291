//! The last resort against a guest that does not return: after a time, the process prints a message and exits.
//!
//! A trial run (see `Guest::trial`) finds endless loops before, and names the place if the code can be cut off. Measured calls
//! have no budget, so that their figures contain only the guest; this alarm costs nothing until it is due.

use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// An alarm that is set until it is dropped. One at a time.
pub struct Alarm;

static MESSAGE: AtomicPtr<String> = AtomicPtr::new(std::ptr::null_mut());

const EXIT_ERROR: i32 = 1;

impl Alarm {
    pub fn after(ns: u64, message: String) -> Alarm {
        set_message(Box::into_raw(Box::new(format!("rtwasm: error: {message}\n"))));
        // SAFETY: all zero is a valid action; the handler does only what signal handlers may do.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ring as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        }
        start_timer(ns.max(1_000));
        Alarm
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        start_timer(0);
        set_message(std::ptr::null_mut());
    }
}

fn set_message(message: *mut String) {
    let old = MESSAGE.swap(message, Relaxed);
    if !old.is_null() {
        // SAFETY: it came from a box, and the timer that could read it has stopped.
        drop(unsafe { Box::from_raw(old) });
    }
}

fn start_timer(ns: u64) {
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // A hundred years are enough.
    let seconds = (ns / 1_000_000_000).min(3_153_600_000);
    let value = libc::timeval { tv_sec: seconds as libc::time_t, tv_usec: (ns % 1_000_000_000 / 1_000) as libc::suseconds_t };
    // SAFETY: a plain system call with the values of this function.
    unsafe {
        libc::setitimer(libc::ITIMER_REAL, &libc::itimerval { it_interval: none, it_value: value }, std::ptr::null_mut())
    };
}

extern "C" fn ring(_signal: libc::c_int) {
    // SAFETY: the message lives while the timer runs; handlers may call write and _exit.
    unsafe {
        if let Some(message) = MESSAGE.load(Relaxed).as_ref() {
            libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        }
        libc::_exit(EXIT_ERROR);
    }
}
