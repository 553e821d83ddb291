//! Handles: the objects behind pointers that other code keeps, such as C code, and the recognition of wrong pointers.
//!
//! A slot carries a magic word that names its kind while it is in use. Slots are never freed, so a stale handle is read from
//! memory that is still the library's; they are reused only after many others have been freed, so that a stale handle is
//! recognised for a while.

use std::alloc::{Layout, alloc};
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering::*};

use crate::rt::fork::Whole;
use crate::rt::{locked_heap, reserve};
use crate::status::*;

const FREED: u64 = 0x6465_6572_665f_7774;
/// In the magic word of an object that must not be used any more. No kind's magic word has it.
const POISONED: u64 = 1 << 63;

/// The number of freed slots of a kind that are kept unused.
const QUARANTINE: usize = 256;

#[repr(C)]
pub struct Slot<T> {
    magic: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The number of slots of a kind that are created at a time. Single ones would lie between larger objects that come and go, and keep
/// the heap from using that memory again.
const BATCH: usize = 64;

/// The slots of one kind that are not in use.
pub struct Pool(Whole<Unused>);

struct Unused {
    /// Number of slots. `freed` has room for all of them, so that returning one allocates nothing.
    made: usize,
    /// Oldest first.
    freed: VecDeque<usize>,
    /// Never used: those in the ordinary heap, and those in the locked one.
    never_used: [Vec<usize>; 2],
}

impl Pool {
    pub const fn new() -> Pool {
        Pool(Whole::new(Unused { made: 0, freed: VecDeque::new(), never_used: [Vec::new(), Vec::new()] }))
    }

    fn lock(&'static self) -> MutexGuard<'static, Unused> {
        self.0.lock()
    }
}

impl Unused {
    /// Reuses a slot that was freed long ago and is in the right place: a slot is in the locked heap, or not, and stays there.
    fn recycle(&mut self) -> Option<usize> {
        if self.freed.len() <= QUARANTINE {
            return None;
        }
        let address = self.freed.pop_front()?;
        if locked_heap::owns(address as *const u8) == locked_heap::keeping() {
            return Some(address);
        }
        self.freed.push_back(address);
        None
    }

    /// Slots are never freed, so they do not come from the reserve.
    fn make<T: 'static>(&mut self) -> Option<usize> {
        reserve::without(|| {
            let never_used = &mut self.never_used[usize::from(locked_heap::keeping())];
            if let Some(slot) = never_used.pop() {
                return Some(slot);
            }
            self.freed.try_reserve(self.made + BATCH - self.freed.len()).ok()?;
            never_used.try_reserve(BATCH).ok()?;
            // SAFETY: a layout with a size; each slot is written before any code knows of it.
            unsafe {
                let first: *mut Slot<T> = alloc(Layout::array::<Slot<T>>(BATCH).ok()?).cast();
                if first.is_null() {
                    return None;
                }
                (0..BATCH).for_each(|at| first.add(at).write(Slot::new()));
                self.made += BATCH;
                never_used.extend((1..BATCH).rev().map(|at| first.add(at) as usize));
                Some(first as usize)
            }
        })
    }
}

impl<T> Slot<T> {
    fn new() -> Slot<T> {
        Slot { magic: AtomicU64::new(FREED), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

/// Connects the type that a handle points to, for other code, with the type of the value behind it.
pub trait Noun: Sized + 'static {
    type Value: Send + Sync;
    const MAGIC: u64;
    fn pool() -> &'static Pool;
}

fn slot<N: Noun>(handle: *const N) -> *const Slot<N::Value> {
    handle.cast()
}

/// Reserves a handle that is not valid yet: its address can be passed on before its value exists.
pub fn reserve<N: Noun>() -> Result<*mut N> {
    let mut unused = N::pool().lock();
    let address = unused.recycle().or_else(|| unused.make::<N::Value>()).ok_or_else(reserve::exhausted)?;
    Ok(address as *mut N)
}

/// Makes a reserved handle valid.
pub fn publish<N: Noun>(handle: *mut N, value: N::Value) {
    // SAFETY: `reserve` made the slot, and no code uses it before its magic word is set.
    unsafe {
        let slot = &*slot(handle);
        (*slot.value.get()).write(value);
        slot.magic.store(N::MAGIC, Release);
    }
}

/// Returns a reserved handle that was never published.
pub fn cancel<N: Noun>(handle: *mut N) {
    N::pool().lock().freed.push_back(handle as usize);
}

/// Creates a handle for a value, as the last step of a section: an exhausted section hands out nothing.
pub fn create<N: Noun>(value: N::Value) -> Result<*mut N> {
    reserve::check()?;
    let handle = reserve::<N>()?;
    publish(handle, value);
    Ok(handle)
}

/// A handle of the library's own, beside the host's. Dropping it destroys the handle.
#[repr(transparent)]
pub struct Owned<N: Noun>(NonNull<N>);

// SAFETY: the value behind a handle is Send and Sync, and any thread may use a handle.
unsafe impl<N: Noun> Send for Owned<N> {}
// SAFETY: as for Send.
unsafe impl<N: Noun> Sync for Owned<N> {}

impl<N: Noun> Owned<N> {
    /// Creates a handle for a value, as [`create`] does.
    pub fn new(value: N::Value) -> Result<Owned<N>> {
        create(value).map(Owned::of_published)
    }

    fn of_published(handle: *mut N) -> Owned<N> {
        // SAFETY: handles from `reserve` are not null.
        Owned(unsafe { NonNull::new_unchecked(handle) })
    }

    pub fn as_ptr(&self) -> *mut N {
        self.0.as_ptr()
    }

    /// The handle itself, which [`destroy`] has to end from now on.
    pub fn into_raw(self) -> *mut N {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    pub fn as_ref(&self) -> Ref<'_, N> {
        Ref { handle: self.as_ptr(), value: self }
    }
}

impl<N: Noun> Deref for Owned<N> {
    type Target = N::Value;

    #[inline(always)]
    fn deref(&self) -> &N::Value {
        // SAFETY: a published slot, which stays one until this is dropped.
        unsafe { (*(*slot(self.as_ptr())).value.get()).assume_init_ref() }
    }
}

impl<N: Noun> Drop for Owned<N> {
    fn drop(&mut self) {
        // SAFETY: this value owns the handle, which is not in use any more.
        unsafe { destroy(self.as_ptr()) };
    }
}

/// A live handle of other code's, and the value behind it.
pub struct Ref<'a, N: Noun> {
    handle: *mut N,
    value: &'a N::Value,
}

impl<'a, N: Noun> Ref<'a, N> {
    /// # Safety
    /// As for [`borrow`].
    pub unsafe fn find(handle: *mut N) -> std::result::Result<Ref<'a, N>, rtw_status_t> {
        // SAFETY: passed on.
        unsafe { borrow(handle) }.map(|value| Ref { handle, value })
    }

    pub fn as_ptr(&self) -> *mut N {
        self.handle
    }
}

impl<N: Noun> Deref for Ref<'_, N> {
    type Target = N::Value;

    fn deref(&self) -> &N::Value {
        self.value
    }
}

/// The value behind a handle.
///
/// # Safety
/// A pointer that is neither NULL nor misaligned points to readable memory, and the object is not destroyed meanwhile.
#[inline(always)]
pub unsafe fn borrow<'a, N: Noun>(handle: *const N) -> std::result::Result<&'a N::Value, rtw_status_t> {
    if handle.is_null() {
        return Err(RTW_ERR_NULL);
    }
    if !(handle as usize).is_multiple_of(align_of::<Slot<N::Value>>()) {
        return Err(RTW_ERR_HANDLE);
    }
    // SAFETY: readable, as the caller promises; a magic word that fits says that it is a published slot.
    unsafe {
        let slot = &*slot(handle);
        match slot.magic.load(Acquire) {
            magic if magic == N::MAGIC => {}
            magic if magic == N::MAGIC | POISONED => return Err(RTW_ERR_POISONED),
            _ => return Err(RTW_ERR_HANDLE),
        }
        Ok((*slot.value.get()).assume_init_ref())
    }
}

/// Makes every later use of the handle return RTW_ERR_POISONED.
///
/// # Safety
/// As for [`borrow`].
pub unsafe fn poison<N: Noun>(handle: *const N) {
    // SAFETY: passed on.
    if unsafe { borrow(handle) }.is_ok() {
        // SAFETY: a handle that can be borrowed points to a slot, and slots are never freed.
        let magic = unsafe { &(*slot(handle)).magic };
        // No effect if another thread destroys it at this moment.
        let _ = magic.compare_exchange(N::MAGIC, N::MAGIC | POISONED, Relaxed, Relaxed);
    }
}

/// Destroys the object. Does nothing for a NULL, stale or foreign handle.
///
/// # Safety
/// As for [`borrow`], and no other thread uses the object.
pub unsafe fn destroy<N: Noun>(handle: *mut N) {
    if handle.is_null() || !(handle as usize).is_multiple_of(align_of::<Slot<N::Value>>()) {
        return;
    }
    // SAFETY: readable, as the caller promises; only the thread that removes the magic word drops the value.
    unsafe {
        let slot = &*slot(handle);
        let is_ended = |magic| slot.magic.compare_exchange(magic, FREED, AcqRel, Relaxed).is_ok();
        if is_ended(N::MAGIC) || is_ended(N::MAGIC | POISONED) {
            (*slot.value.get()).assume_init_drop();
            cancel(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    struct Apple;
    struct Pear;
    static APPLES: Pool = Pool::new();
    static PEARS: Pool = Pool::new();
    impl Noun for Apple {
        type Value = Arc<u32>;
        const MAGIC: u64 = 0xa;
        fn pool() -> &'static Pool {
            &APPLES
        }
    }
    impl Noun for Pear {
        type Value = u32;
        const MAGIC: u64 = 0xb;
        fn pool() -> &'static Pool {
            &PEARS
        }
    }

    #[test]
    fn wrong_handles_are_told() {
        let value = Arc::new(7);
        let apple: *mut Apple = create(value.clone()).unwrap();
        // SAFETY: all pointers are null, misaligned, or to slots.
        unsafe {
            assert_eq!(**borrow(apple).unwrap(), 7);
            assert_eq!(borrow::<Apple>(std::ptr::null()).unwrap_err(), RTW_ERR_NULL);
            assert_eq!(borrow::<Apple>(apple.byte_add(1)).unwrap_err(), RTW_ERR_HANDLE);
            assert_eq!(borrow::<Pear>(apple.cast()).unwrap_err(), RTW_ERR_HANDLE);
            poison(apple);
            assert_eq!(borrow(apple).unwrap_err(), RTW_ERR_POISONED);
            destroy(apple);
            assert_eq!(Arc::strong_count(&value), 1, "the value was dropped");
            assert_eq!(borrow(apple).unwrap_err(), RTW_ERR_HANDLE);
            destroy(apple);
            destroy::<Apple>(std::ptr::null_mut());
        }
    }

    #[test]
    fn slots_come_back_after_the_quarantine_and_not_before() {
        let first: *mut Pear = create(1).unwrap();
        let mut seen = std::collections::HashSet::new();
        // SAFETY: each handle is created here and destroyed once.
        unsafe { destroy(first) };
        for round in 0..10_000 {
            let pear: *mut Pear = create(round).unwrap();
            assert!(round as usize >= QUARANTINE || pear != first, "reused after {round}");
            seen.insert(pear as usize);
            // SAFETY: it was created here and is destroyed once.
            unsafe { destroy(pear) };
        }
        assert!(seen.len() <= QUARANTINE + 2, "slots are reused: {}", seen.len());
    }
}
