//! Functions that run around every fork of the process.

/// Has the first run before a fork, the second after it in the parent, the third in the child: each on the thread that forks.
pub fn watch(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: functions without preconditions, which stay loaded, as the library is never unloaded.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}
