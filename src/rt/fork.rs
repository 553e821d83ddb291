//! Telling a forked child that it has no business with what its parent was running: words that say so are registered here and
//! set in the child.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

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

/// A lock of the whole process's that a forking thread takes before the fork and gives back after it, in the child as well: no child
/// finds it taken by a thread that is not there.
pub struct Whole<T: 'static> {
    value: Mutex<T>,
    /// The forking thread's, across a fork.
    held: UnsafeCell<Option<MutexGuard<'static, T>>>,
    /// Whether forks know of it.
    known: AtomicBool,
}

// SAFETY: the cell is used by the forking thread only, while it holds the lock.
unsafe impl<T: Send> Sync for Whole<T> {}

impl<T: Send> Whole<T> {
    pub const fn new(value: T) -> Whole<T> {
        Whole { value: Mutex::new(value), held: UnsafeCell::new(None), known: AtomicBool::new(false) }
    }

    /// Not to be called where another such lock is held, or inside of [`undisturbed`].
    pub fn lock(&'static self) -> MutexGuard<'static, T> {
        if !self.known.load(Acquire) {
            undisturbed(|| {
                if !self.known.swap(true, AcqRel) {
                    // SAFETY: forks wait for us, and so does whoever else adds to the list.
                    unsafe { (*LOCKS.0.get()).push(self) };
                }
            });
        }
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait AcrossForks: Sync {
    fn hold(&'static self);
    /// By the thread that holds it.
    fn release(&self);
}

impl<T: Send> AcrossForks for Whole<T> {
    fn hold(&'static self) {
        let held = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: whoever has the lock has the cell.
        unsafe { *self.held.get() = Some(held) };
    }

    fn release(&self) {
        // SAFETY: the forking thread has the lock since `hold`.
        drop(unsafe { (*self.held.get()).take() });
    }
}

/// All locks that are held across forks. Used by whoever holds [`WHOLE`].
struct Locks(UnsafeCell<Vec<&'static dyn AcrossForks>>);

// SAFETY: as said.
unsafe impl Sync for Locks {}

static LOCKS: Locks = Locks(UnsafeCell::new(Vec::new()));

impl Locks {
    /// # Safety
    /// The caller holds [`WHOLE`].
    unsafe fn each(&self, act: impl FnMut(&'static dyn AcrossForks)) {
        // SAFETY: passed on.
        unsafe { &*self.0.get() }.iter().copied().for_each(act);
    }
}

/// Runs something that changes what all threads of the process share: one thread at a time, and no fork meanwhile.
pub fn undisturbed<T>(run: impl FnOnce() -> T) -> T {
    watch_forks();
    let _whole = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    run()
}

extern "C" fn before_fork() {
    let whole = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // SAFETY: nobody else is here, as the lock is held.
    unsafe {
        *ACROSS_FORK.0.get() = Some(whole);
        LOCKS.each(AcrossForks::hold);
    }
    REGISTRY.lock();
    heap::hold();
}

extern "C" fn in_parent() {
    heap::release();
    REGISTRY.unlock();
    // SAFETY: the forking thread has them since `before_fork`.
    unsafe {
        LOCKS.each(|lock| lock.release());
        drop((*ACROSS_FORK.0.get()).take());
    }
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
    unsafe {
        LOCKS.each(|lock| lock.release());
        drop((*ACROSS_FORK.0.get()).take());
    }
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
    fn a_lock_that_another_thread_holds_is_free_in_every_child() {
        static LOCK: Whole<u64> = Whole::new(0);
        static DONE: AtomicBool = AtomicBool::new(false);
        *LOCK.lock() += 1;
        let busy = std::thread::spawn(|| {
            while !DONE.load(Relaxed) {
                *LOCK.lock() += 1;
            }
        });
        for _ in 0..200 {
            // SAFETY: the child looks at the lock and ends.
            match unsafe { libc::fork() } {
                0 => unsafe { libc::_exit(i32::from(LOCK.value.try_lock().is_err())) },
                child => {
                    let mut status = 0;
                    // SAFETY: the status is live.
                    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                    assert_eq!(status, 0, "the child can take the lock");
                }
            }
        }
        DONE.store(true, Relaxed);
        busy.join().unwrap();
    }

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
