//! Panics of this library, which its entries catch: nothing is printed.

use std::sync::atomic::{AtomicBool, Ordering::*};

use super::fork;

/// Keeps panics from printing. A shared library has a copy of the standard library to itself, so no other code has this hook.
/// Call it inside an entry's guard.
pub fn silence() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    if !SILENT.load(Acquire) {
        // No child may find the hook half set.
        fork::undisturbed(|| std::panic::set_hook(Box::new(|_| {})));
        SILENT.store(true, Release);
    }
}
