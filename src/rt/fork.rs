//! Marks a forked child's inherited objects as unusable: words are registered here, and set in the child.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{locked_heap, reserve};
use crate::status::*;
use crate::sys;

struct Registry {
    /// Held by a thread that uses the list, and across a fork, so that the child finds the list consistent.
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

/// Held by a thread whose work a fork must not interrupt, since its child would find a lock that nobody releases; and across a
/// fork.
static WHOLE: Whole<()> = Whole::new(());

/// A lock of the whole process that a forking thread takes before the fork and releases after it, in the child as well: no
/// child finds it taken by a thread that does not exist there.
pub struct Whole<T: 'static> {
    value: Mutex<T>,
    /// The forking thread's guard, across a fork: from [`AcrossForks::hold`] to [`AcrossForks::release`]. Otherwise zeros, which an
    /// `Option` would not be: a lock whose bytes are all zero takes no room in the library's file, and some are large.
    held: UnsafeCell<MaybeUninit<MutexGuard<'static, T>>>,
    /// True once forks know of the lock. Set after it was added to the list, so that a thread which sees it set takes the lock knowing
    /// that later forks hold it.
    known: AtomicBool,
    /// The lock that was added to the list before this one.
    next: UnsafeCell<Option<&'static dyn AcrossForks>>,
}

// SAFETY: only the forking thread uses `held`, while it has the lock; `next` is written once, by a thread that holds `WHOLE`,
// and read only by threads that hold it.
unsafe impl<T: Send> Sync for Whole<T> {}

impl<T: Send> Whole<T> {
    pub const fn new(value: T) -> Whole<T> {
        Whole {
            value: Mutex::new(value),
            held: UnsafeCell::new(MaybeUninit::zeroed()),
            known: AtomicBool::new(false),
            next: UnsafeCell::new(None),
        }
    }

    /// Takes the lock. The caller must not hold another such lock, nor be inside [`undisturbed`].
    pub fn lock(&'static self) -> MutexGuard<'static, T> {
        if !self.known.load(Acquire) {
            undisturbed(|| {
                // With `WHOLE` held, forks wait, and so does every other thread that adds to the list.
                if !self.known.load(Relaxed) {
                    // SAFETY: as above.
                    unsafe { *self.next.get() = (*LOCKS.0.get()).replace(self) };
                    self.known.store(true, Release);
                }
            });
        }
        self.lock_known()
    }

    /// Takes one of the few locks that [`before_fork`] names: these are in use before the list exists, or on the way to memory. The
    /// first of them is taken before anything else here is used, so it registers the handlers of forks.
    pub fn lock_known(&self) -> MutexGuard<'_, T> {
        watch_forks();
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Actions of the forking thread on a lock.
pub trait AcrossForks: Sync {
    fn hold(&'static self);
    /// Undoes [`hold`](AcrossForks::hold).
    ///
    /// # Safety
    /// The calling thread has called it, and has not released the lock since.
    unsafe fn release(&self);
    /// Called with [`WHOLE`] held.
    fn next(&self) -> Option<&'static dyn AcrossForks>;
}

impl<T: Send> AcrossForks for Whole<T> {
    fn hold(&'static self) {
        let held = self.lock_known();
        // SAFETY: the thread that holds the lock owns the cell.
        unsafe { (*self.held.get()).write(held) };
    }

    unsafe fn release(&self) {
        // SAFETY: passed on: `hold` has written it, and the thread that holds the lock owns the cell.
        unsafe { (*self.held.get()).assume_init_drop() };
    }

    fn next(&self) -> Option<&'static dyn AcrossForks> {
        // SAFETY: written before it was added to the list.
        unsafe { *self.next.get() }
    }
}

/// All locks that are held across forks, the last added first. Each leads to the next, so that adding one allocates nothing.
/// Used only by a thread that holds [`WHOLE`].
struct Locks(UnsafeCell<Option<&'static dyn AcrossForks>>);

// SAFETY: used with [`WHOLE`] held only.
unsafe impl Sync for Locks {}

static LOCKS: Locks = Locks(UnsafeCell::new(None));

impl Locks {
    /// # Safety
    /// The caller holds [`WHOLE`].
    unsafe fn each(&self, act: impl FnMut(&'static dyn AcrossForks)) {
        // SAFETY: passed on.
        std::iter::successors(unsafe { *self.0.get() }, |lock| lock.next()).for_each(act);
    }
}

/// Runs a change of state that all threads of the process share: one thread at a time, and no fork meanwhile.
pub fn undisturbed<T>(run: impl FnOnce() -> T) -> T {
    let _whole = WHOLE.lock_known();
    run()
}

/// Runs `read`, which goes through the loader's list of objects, with no fork meanwhile: a child would find the loader's own lock taken
/// by a thread that does not exist there. The caller must not hold another such lock, nor be inside [`undisturbed`].
pub fn reading_objects<T>(read: impl FnOnce() -> T) -> T {
    static LOADER: Whole<()> = Whole::new(());
    let _held = LOADER.lock();
    read()
}

/// Takes the locks in the same order as other code: code that allocates while it holds a lock takes the heap's, then the
/// reserve's.
extern "C" fn before_fork() {
    if FORKING.replace(FORKING.get() + 1) != 0 {
        return;
    }
    WHOLE.hold();
    // SAFETY: just taken.
    unsafe { LOCKS.each(AcrossForks::hold) };
    REGISTRY.lock();
    locked_heap::HEAP.hold();
    reserve::RESERVE.hold();
}

extern "C" fn in_parent() {
    FORKING.set(FORKING.get() - 1);
    if FORKING.get() != 0 {
        return;
    }
    // SAFETY: the forking thread holds them all since `before_fork`.
    unsafe {
        reserve::RESERVE.release();
        locked_heap::HEAP.release();
        REGISTRY.unlock();
        LOCKS.each(|lock| lock.release());
        WHOLE.release();
    }
}

extern "C" fn in_child() {
    // SAFETY: the forking thread holds the lock, and is the only thread here.
    for (word, value) in unsafe { &*REGISTRY.words.get() } {
        // SAFETY: registered words live until they are removed.
        unsafe { &**word }.store(*value, Relaxed);
    }
    in_parent();
}

thread_local! {
    /// Number of handlers that the forking thread has run before the fork, and not yet after it.
    static FORKING: Cell<u32> = const { Cell::new(0) };
}

/// Registers the handlers of forks when the library is loaded. The system runs handlers in a child in the order in which they were
/// registered, so a host's own handler in the child finds the locks released, if the host registered it later.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        watch_forks();
    }
    at_load
};

/// Registers the handlers of forks, in the first use of this library if its initialisers have not run. Threads that do so at the same
/// time register them several times, and all but one of them do nothing. No thread waits for another: it could be in a child, and the
/// other not.
#[inline]
fn watch_forks() {
    /// Released after the registration, so that a thread which sees it set and then forks finds the handlers registered.
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Acquire) {
        sys::fork::watch(before_fork, in_parent, in_child);
        WATCHED.store(true, Release);
    }
}

/// Sets `word` to `value` in every child that is forked from now on, until [`forget`].
///
/// # Safety
/// The word lives until then.
pub unsafe fn tell_children(word: *const AtomicI32, value: i32) -> Result<()> {
    watch_forks();
    REGISTRY.with(|words| {
        reserve::room(words, 1)?;
        words.push((word, value));
        Ok(())
    })
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
            // SAFETY: the child checks the lock and ends.
            match unsafe { libc::fork() } {
                // SAFETY: ends the child.
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
            tell_children(&told, 7).unwrap();
            tell_children(&forgotten, 7).unwrap();
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
