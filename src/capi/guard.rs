//! The guard around every entry: a panic becomes RTW_ERR_INTERNAL and poisons what the entry was changing, and nothing is printed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{clear, fill, fill_with, rtw_error_t};
use super::handle::{Noun, borrow, poison};
use crate::rt::{arena, cancel, reserve};
use crate::sized;
pub use crate::sized::{Element, Sized32, init, output as output_struct};
use crate::status::{self, *};
use crate::sys::fpu::Standard;

/// Runs a setup entry that changes `object`, and reports its outcome in `err`. A panic poisons the object, which may be half changed.
///
/// # Safety
/// `err` is NULL or writable; `object` is NULL or a handle.
pub unsafe fn setup<N: Noun>(object: *const N, err: *mut rtw_error_t, entry: impl FnOnce() -> Result<()>) -> rtw_status_t {
    let mut entry = Some(entry);
    // SAFETY: passed on; the entry is called once.
    unsafe { reported(err, &|| poison(object), &mut || entry.take().unwrap_unchecked()()) }
}

/// Runs a setup entry that makes something or reads something, and reports its outcome in `err`. A panic poisons nothing: what the
/// entry was about is shared by others, and has not been changed by it.
///
/// # Safety
/// `err` is NULL or writable.
pub unsafe fn setup_apart(err: *mut rtw_error_t, entry: impl FnOnce() -> Result<()>) -> rtw_status_t {
    let mut entry = Some(entry);
    // SAFETY: passed on; the entry is called once.
    unsafe { reported(err, &|| (), &mut || entry.take().unwrap_unchecked()()) }
}

/// Runs an entry that has no error struct and is not for real-time threads. Returns `on_panic` after a panic.
pub fn plain<T>(on_panic: T, entry: impl FnOnce() -> T) -> T {
    let (mut entry, mut done) = (Some(entry), None);
    section(false, &mut || done = entry.take().map(|entry| entry()));
    done.unwrap_or(on_panic)
}

/// Runs an entry of that kind that only reads.
pub fn look(entry: impl FnOnce() -> rtw_status_t) -> rtw_status_t {
    let (mut entry, mut done) = (Some(entry), None);
    match section(true, &mut || done = entry.take().map(|entry| entry())) {
        Some(section) if !section.exhausted || section.committed => done.unwrap_or(RTW_ERR_INTERNAL),
        _ => RTW_ERR_NO_MEMORY,
    }
}

// The two functions below stand around every entry that is not for real-time threads: the guest's floating-point environment is
// the standard one, allocations are the system's or the reserve's, and cancellation is held off, since an entry takes locks and
// memory. A cancellation may unwind from their end, see `cancel`. They are no generic functions: a copy in each entry takes 2 KB.

/// # Safety
/// `err` is NULL or writable.
#[inline(never)]
unsafe fn reported(err: *mut rtw_error_t, poison: &dyn Fn(), entry: &mut dyn FnMut() -> Result<()>) -> rtw_status_t {
    let mut status = RTW_ERR_INTERNAL;
    cancel::held(&mut || {
        let _float = Standard::set();
        // SAFETY: passed on.
        status = arena::in_setup(|| unsafe { outcome(err, poison, entry) });
    });
    status
}

/// # Safety
/// `err` is NULL or writable.
unsafe fn outcome(err: *mut rtw_error_t, poison: &dyn Fn(), entry: &mut dyn FnMut() -> Result<()>) -> rtw_status_t {
    if !reserve::is_ready() {
        // SAFETY: passed on.
        unsafe { fill_with(err, RTW_ERR_NO_MEMORY, 0, "the system has no more memory") };
        return RTW_ERR_NO_MEMORY;
    }
    let (outcome, section) = reserve::section(|| catch_unwind(AssertUnwindSafe(entry)));
    let error = match outcome {
        // The entry only reports something, in memory that it frees.
        Ok(Ok(())) if section.exhausted && !section.committed => reserve::exhausted(),
        Ok(Ok(())) => {
            // SAFETY: passed on.
            unsafe { clear(err) };
            return RTW_OK;
        }
        Ok(Err(error)) if section.exhausted && error.status != RTW_ERR_NO_MEMORY => reserve::exhausted(),
        Ok(Err(error)) => error,
        // Whatever gave up did so because it got no memory.
        Err(_) if section.exhausted => reserve::exhausted(),
        Err(panic) => {
            poison();
            Error::new(RTW_ERR_INTERNAL, format!("internal error: {}", panic_text(&panic)))
        }
    };
    // SAFETY: passed on.
    unsafe { fill(err, &error) };
    error.status
}

/// Runs `entry`, whose panic ends here. None if `entry` needs room in the reserve and there is none: then it was not called.
#[inline(never)]
fn section(needs_room: bool, entry: &mut dyn FnMut()) -> Option<reserve::Section> {
    let mut section = None;
    cancel::held(&mut || {
        let _float = Standard::set();
        section = arena::in_setup(|| {
            let ready = reserve::is_ready();
            (ready || !needs_room).then(|| reserve::section(|| drop(catch_unwind(AssertUnwindSafe(&mut *entry)))).1)
        });
    });
    section
}

/// Runs an [rt] entry. If it panics, it returns `on_panic`.
#[inline(always)]
pub fn real_time<T>(on_panic: T, entry: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(entry)).unwrap_or(on_panic)
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// For entries whose failure has a status and nothing to say about it.
pub fn status_of(result: std::result::Result<(), rtw_status_t>) -> rtw_status_t {
    result.map_or_else(|status| status, |()| RTW_OK)
}

/// A bare status as an error with its sentence.
pub fn bare(status: rtw_status_t, what: &str) -> Error {
    Error::new(status, format!("{what}: {}", status::sentence(status)))
}

/// An output pointer, which is set to NULL at once: outputs are written only on success.
///
/// # Safety
/// NULL or writable.
pub unsafe fn output<'a, T>(out: *mut *mut T, what: &str) -> Result<&'a mut *mut T> {
    // SAFETY: writable as the caller promises.
    let out = unsafe { out.as_mut() }.ok_or_else(|| Error::new(RTW_ERR_NULL, format!("{what} is NULL")))?;
    *out = std::ptr::null_mut();
    Ok(out)
}

/// The value behind a handle, or an error that names the argument.
///
/// # Safety
/// As for [`borrow`].
pub unsafe fn named<'a, N: Noun>(handle: *const N, what: &str) -> Result<&'a N::Value> {
    // SAFETY: passed on.
    unsafe { borrow(handle) }.map_err(|status| bare(status, what))
}

/// A struct that grows and may be NULL: the fields that caller and library both know.
///
/// # Safety
/// NULL or readable for as long as its own first field says.
pub unsafe fn optional_struct<T: Sized32>(from: *const T, what: &str) -> Result<Option<T>> {
    // SAFETY: passed on.
    if from.is_null() { Ok(None) } else { unsafe { sized::read(from, what) }.map(Some) }
}

#[cfg(test)]
mod tests {
    use super::super::handle::{Pool, borrow, create};
    use super::*;

    struct Thing;
    static POOL: Pool = Pool::new();
    impl Noun for Thing {
        type Value = u32;
        const MAGIC: u64 = 0xc;
        fn pool() -> &'static Pool {
            &POOL
        }
    }

    #[test]
    fn a_panic_is_told_and_poisons() {
        let thing: *mut Thing = create(1).unwrap();
        let mut err = rtw_error_t::empty();
        // SAFETY: a live handle and a live struct.
        unsafe {
            assert_eq!(setup(thing, &mut err, || panic!("planted {}", 7)), RTW_ERR_INTERNAL);
            assert_eq!(err.status, RTW_ERR_INTERNAL);
            assert!(err.text().contains("planted 7"), "{}", err.text());
            assert_eq!(borrow(thing).unwrap_err(), RTW_ERR_POISONED);
        }
        let other: *mut Thing = create(1).unwrap();
        // SAFETY: as above.
        unsafe {
            assert_eq!(setup_apart(&mut err, || panic!("planted {}", borrow(other).unwrap())), RTW_ERR_INTERNAL);
            assert!(err.text().contains("planted 1"), "{}", err.text());
            assert!(borrow(other).is_ok(), "what was only read is not poisoned");
        }
        assert_eq!(plain(5, || panic!("planted")), 5);
    }
}
