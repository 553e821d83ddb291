//! Globals that were looked up, to read and write in real time.

use std::ffi::c_char;
use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle::{self, Noun, Pool};
use super::instance::rtw_instance_t;
use super::value::rtw_value_t;
use crate::engine::instance::Global;
use crate::ffi;
use crate::status::*;

/// A global, looked up and checked once, read and written many times.
pub struct rtw_global_t {
    _private: [u8; 0],
}

impl Noun for rtw_global_t {
    type Value = Global;
    const MAGIC: u64 = 0x006c_6162_6f6c_670d;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Looks up a global that the module exports or imports. The handle stays valid after a reset, and is then the new guest's global. A
/// slot's spares have globals of their own: look them up in each instance.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// name  name of the export, or of the import if nothing is exported under it.
/// ty    "i32", "i64", "f32", "f64" or "v128"; NULL: any.
/// out   receives the global, to be destroyed with rtw_global_destroy; NULL on failure. It keeps the instance alive.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_SIGNATURE (the global has another type), RTW_ERR_UNSUPPORTED (a reference), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_global(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    ty: *const c_char,
    out: *mut *mut rtw_global_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let instance = guard::named(instance, "instance")?;
            let global = instance.turn().global(ffi::required(name, "name")?, ffi::optional(ty, "ty")?)?;
            *out = instance.keep(|| handle::create(global))?;
            Ok(())
        })
    }
}

/// Reads a global.
///
/// [rt]  On the thread that uses the instance, also from its host functions.
/// Use it to read meters or other outputs that a guest keeps in globals, after a call.
/// out  receives the value, in the member of the global's type.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BUSY (the instance is in a call or being reset), RTW_ERR_INTERNAL.
/// real time: allocates 0, locks 0, system calls 0, page faults 0 once prepared.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_global_get(global: *const rtw_global_t, out: *mut rtw_value_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    let global: &Global = match unsafe { handle::borrow(global) } {
        Ok(_) if out.is_null() => return RTW_ERR_NULL,
        Ok(global) => global,
        Err(status) => return status,
    };
    // SAFETY: the thread has the instance, by the API's contract.
    match unsafe { global.get() } {
        Ok(value) => {
            // SAFETY: writable by the API's contract; both value types are the same 16 bytes.
            unsafe { out.cast::<ValRaw>().write(value) };
            RTW_OK
        }
        Err(status) => status,
    }
}

/// Writes a mutable global.
///
/// [rt]  On the thread that uses the instance, also from its host functions.
/// Use it to set parameters that a guest keeps in globals, before a call.
/// value  the new value, in the member of the global's type.
/// errors: those of rtw_global_get, and RTW_ERR_ARGUMENT (the global is immutable).
/// real time: as rtw_global_get.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_global_set(global: *mut rtw_global_t, value: *const rtw_value_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    let global: &Global = match unsafe { handle::borrow(global) } {
        Ok(_) if value.is_null() => return RTW_ERR_NULL,
        Ok(global) => global,
        Err(status) => return status,
    };
    // SAFETY: the thread has the instance, and the value is readable, by the API's contract; both types are the same 16 bytes.
    unsafe { global.set(value.cast::<ValRaw>().read()) }
}

/// Destroys a global's handle. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_global_destroy(global: *mut rtw_global_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(global) });
}
