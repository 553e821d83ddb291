//! Somebody else's Rust static library, with a standard library of its own: threads, allocation, panics, thread-locals.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::catch_unwind;

thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });

/// The sum that it counts to with four threads and a map.
#[unsafe(no_mangle)]
pub extern "C" fn beside_works(until: u32) -> u32 {
    CALLS.set(CALLS.get() + 1);
    let threads: Vec<_> = (0..4u32)
        .map(|at| std::thread::spawn(move || (0..until).filter(|n| n % 4 == at).map(|n| (n, 1)).collect::<HashMap<u32, u32>>()))
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap().values().sum::<u32>()).sum()
}

/// True if a panic of its own is caught, without another effect.
#[unsafe(no_mangle)]
pub extern "C" fn beside_panics() -> bool {
    let caught = catch_unwind(|| {
        if CALLS.get() < u32::MAX {
            panic!("beside");
        }
    });
    caught.is_err_and(|panic| panic.downcast_ref::<&str>() == Some(&"beside"))
}
