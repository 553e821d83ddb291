//! Telling a forked child that it has no business with what its parent was running: words that say so are registered here and
//! set in the child.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once};

use super::heap;

struct Registry {
    /// Held by whoever looks at the list, and across a fork, so that the child finds it whole.
    locked: AtomicBool,
    words: std::cell::UnsafeCell<Vec<(*const AtomicI32, i32)>>,
}

// SAFETY: the list is used with the lock held only.
unsafe impl Sync for Registry {}

static REGISTRY: Registry = Registry { locked: AtomicBool::new(false), words: std::cell::UnsafeCell::new(Vec::new()) };

impl Registry {
    fn lock(&self) {
        while self.locked.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            std::thread::yield_now();
        }
    }

    fn unlock(&self) {
        self.locked.store(false, Release);
    }

    fn with<T>(&self, use_list: impl FnOnce(&mut Vec<(*const AtomicI32, i32)>) -> T) -> T {
        self.lock();
        // SAFETY: the lock is held.
        let answer = use_list(unsafe { &mut *self.words.get() });
        self.unlock();
        answer
    }
}

/// Held by whoever does something that a fork is not to cut in two, as its child would find a lock taken for ever; and across a fork.
static WHOLE: Mutex<()> = Mutex::new(());

struct AcrossFork(UnsafeCell<Option<MutexGuard<'static, ()>>>);

// SAFETY: used by the forking thread only, while it holds the lock.
unsafe impl Sync for AcrossFork {}

static ACROSS_FORK: AcrossFork = AcrossFork(UnsafeCell::new(None));

/// Runs something that changes what all threads of the process share: one thread at a time, and no fork meanwhile.
pub fn undisturbed<T>(run: impl FnOnce() -> T) -> T {
    watch_forks();
    let _whole = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    run()
}

extern "C" fn before_fork() {
    let whole = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // SAFETY: nobody else is here, as the lock is held.
    unsafe { *ACROSS_FORK.0.get() = Some(whole) };
    REGISTRY.lock();
    heap::hold();
}

extern "C" fn in_parent() {
    heap::release();
    REGISTRY.unlock();
    // SAFETY: the forking thread has it since `before_fork`.
    drop(unsafe { (*ACROSS_FORK.0.get()).take() });
}

extern "C" fn in_child() {
    heap::release();
    // SAFETY: the forking thread holds the lock, and is the only one here.
    for (word, value) in unsafe { &*REGISTRY.words.get() } {
        // SAFETY: registered words live until they are taken back.
        unsafe { &**word }.store(*value, Relaxed);
    }
    REGISTRY.unlock();
    // SAFETY: as in the parent.
    drop(unsafe { (*ACROSS_FORK.0.get()).take() });
}

fn watch_forks() {
    static HANDLERS: Once = Once::new();
    // SAFETY: the handlers stay loaded, as the library is never unloaded.
    HANDLERS.call_once(|| unsafe {
        libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child));
    });
}

/// Sets `word` to `value` in every child that is forked from now on, until [`forget`].
///
/// # Safety
/// The word lives until then.
pub unsafe fn tell_children(word: *const AtomicI32, value: i32) {
    watch_forks();
    REGISTRY.with(|words| words.push((word, value)));
}

pub fn forget(word: *const AtomicI32) {
    REGISTRY.with(|words| words.retain(|(known, _)| !std::ptr::eq(*known, word)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_told_and_parents_are_not() {
        let (told, forgotten) = (AtomicI32::new(0), AtomicI32::new(0));
        // SAFETY: both words outlive the test; the child only reads them and ends.
        unsafe {
            tell_children(&told, 7);
            tell_children(&forgotten, 7);
            forget(&forgotten);
            match libc::fork() {
                0 => libc::_exit(told.load(Relaxed) * 10 + forgotten.load(Relaxed)),
                child => {
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &mut status, 0), child);
                    assert_eq!(libc::WEXITSTATUS(status), 70);
                }
            }
        }
        assert_eq!(told.load(Relaxed), 0);
        forget(&told);
    }
}
