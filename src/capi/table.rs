//! Tables: calls of their entries, growth of tables and memories by the host.

use std::ffi::{c_char, c_void};

use super::error::rtw_error_t;
use super::guard::{self, setup, setup_apart};
use super::handle;
use super::imports::{self, rtw_finalizer_t, rtw_host_func_t};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::value::rtw_value_t;
use crate::engine::instance::{Entry, Func, Put, Turn};
use crate::engine::signature::Signature;
use crate::ffi;
use crate::rt::unwind;
use crate::status::*;

/// Looks up the function in an entry of a table and checks its type once: calls then cost what calls of an export cost. The func keeps
/// calling this function, whatever is written to the entry later. After a reset, it calls what the new guest has in the entry; if
/// that is nothing, or a function of another type, a call ends with RTW_ERR_TRAP_INDIRECT_CALL and faults the instance, as the
/// guest's own call would. Each look-up creates a func with statistics of its own. A slot's spares have entries of their own: look
/// them up in each instance. A host function that rtw_instance_table_set replaces is replaced for such a func, too.
///
/// [setup]  On the thread that uses the instance, not while it is in a call.
/// table      name of the exported or imported table; NULL: the module's first table, even if it is not exported.
/// index      number of the entry. A function pointer of C, C++ or Rust is this number.
/// signature  type of the function, such as "(i32,f32)->()".
/// out        receives the func, to be destroyed with rtw_func_destroy; NULL on failure. It keeps the instance alive.
/// err        NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8), RTW_ERR_NO_EXPORT (there is no such table, or the
///         entry is empty), RTW_ERR_EXPORT_KIND, RTW_ERR_BOUNDS (the table has fewer entries), RTW_ERR_SIGNATURE (the function has
///         another type), RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_UNSUPPORTED (the entries are not functions), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_table_func(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    index: u64,
    signature: *const c_char,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe { look_up(instance, table, Some(index), signature, out, err) }
}

/// Makes a func for all entries of a table that have one type: rtw_invoke_entry names the entry in each call. Its statistics count
/// the calls of all entries. It stays valid after a reset, and then calls the new guest's entries. rtw_invoke with it ends with
/// RTW_ERR_TRAP_INDIRECT_CALL, since there is no entry to call.
///
/// [setup]  On the thread that uses the instance, not while it is in a call.
/// table, signature, out, err  as for rtw_instance_table_func.
/// errors: those of rtw_instance_table_func, but none about an entry.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_table_func_dynamic(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    signature: *const c_char,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe { look_up(instance, table, None, signature, out, err) }
}

/// # Safety
/// Pointers are NULL or valid.
unsafe fn look_up(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    index: Option<u64>,
    signature: *const c_char,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let instance = guard::named(instance, "instance")?;
            let table = ffi::optional(table, "table")?.map(str::to_owned);
            let signature = Signature::parse(ffi::required(signature, "signature")?)?;
            *out = instance.keep(|| handle::create(instance.turn().table_func(Entry { table, index }, &signature)?))?;
            Ok(())
        })
    }
}

/// Calls the function that is in an entry of a table now, after checking its type.
///
/// [rt & attached & prepared]  As rtw_invoke.
/// Use it to follow a function pointer that a guest has returned or stored, such as a callback.
/// func   from rtw_instance_table_func_dynamic.
/// index  number of the entry.
/// values, value_count  as for rtw_invoke.
/// returns  as rtw_invoke; or the guest was not entered: RTW_ERR_BOUNDS (the table has fewer entries), RTW_ERR_NO_EXPORT (the entry is
///          empty), RTW_ERR_SIGNATURE (its function has another type), RTW_ERR_UNSUPPORTED (func is of another kind).
/// real time: as rtw_invoke, and the reading of the entry. Where calls take longer to hold a cancellation off (on_cancel in
///            rtw_thread_config_t), this one does so twice.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_invoke_entry(
    func: *mut rtw_func_t,
    index: u64,
    values: *mut rtw_value_t,
    value_count: usize,
) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    let func: &Func = match unsafe { handle::borrow(func) } {
        Ok(func) => func,
        Err(status) => return status,
    };
    // SAFETY: the values are as many as the caller says; both value types are the same 16 bytes.
    let status = unsafe { func.call_entry(index, values.cast(), value_count) };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    status
}

/// Puts a host function into an entry of a table, where the guest finds it as it finds its own functions: through a function pointer
/// with this number. A call from a guest obeys the rules of host functions that guests import (rtw_host_func_t), and one with
/// another type ends with RTW_ERR_TRAP_INDIRECT_CALL. Replaces what is in the entry. A reset puts the function into the new guest's
/// entry again, after the start function, and so do a slot's spares if it was put there before the instance was published; their
/// tables grow for that if need be. If a guest has copied the entry elsewhere, the copy calls the function that is in the entry
/// last with this type, and ends with RTW_ERR_HOST when there is none any more (host_status RTW_ERR_NO_EXPORT). Replacing a
/// function by one of the same type and flags takes no more memory.
///
/// [setup]  On the thread that uses the instance, not while it is in a call, nor from its host functions.
/// table      name of the exported or imported table; NULL: the module's first table, even if it is not exported.
/// index      number of the entry, less than the table's size.
/// signature, func, user_data, finalizer, flags  as for rtw_imports_func.
/// err        NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8; a flag is unknown), RTW_ERR_NO_EXPORT,
///         RTW_ERR_EXPORT_KIND, RTW_ERR_BOUNDS (the table has fewer entries), RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_UNSUPPORTED (the
///         entries are not functions), RTW_ERR_BUSY, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_table_set(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    index: u64,
    signature: *const c_char,
    func: rtw_host_func_t,
    user_data: *mut c_void,
    finalizer: rtw_finalizer_t,
    flags: u32,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let instance = guard::named(instance, "instance")?;
            let table = ffi::optional(table, "table")?;
            let name = (table.unwrap_or("table"), &*index.to_string());
            let host = imports::host_func(name, signature, func, user_data, finalizer, flags)?;
            instance.turn().put(table, index, Put::Host(host))
        })
    }
}

/// Puts a function of the guest's own into an entry of a table, or empties the entry. The host function that
/// rtw_instance_table_set has put there, if any, is taken away, also for guests that follow. A reset takes this back: the new guest
/// has in the entry what its module puts there.
///
/// [setup]  On the thread that uses the instance, not while it is in a call, nor from its host functions.
/// table, index  as for rtw_instance_table_set.
/// func   a func of this instance, not one from rtw_instance_table_func_dynamic; NULL empties the entry.
/// err    NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8; the func is another instance's),
///         RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND, RTW_ERR_BOUNDS (the table has fewer entries), RTW_ERR_UNSUPPORTED (the entries
///         are not functions; the func is of all entries), RTW_ERR_BUSY, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_table_set_func(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    index: u64,
    func: *const rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let instance = guard::named(instance, "instance")?;
            let what = if func.is_null() { Put::Nothing } else { Put::Guest(guard::named(func, "func")?) };
            instance.turn().put(ffi::optional(table, "table")?, index, what)
        })
    }
}

/// Grows a table by empty entries, under the rules of the guest's own growth: up to the table's maximum and the limits of the
/// configuration, and after prepare only with RTW_GROWTH_ALLOWED. rtw_instance_growth counts it. A reset undoes it.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// table    as for rtw_instance_table_func.
/// entries  number of entries to add.
/// before   NULL, or receives the number of entries before: the index of the first new one.
/// err      NULL, or filled: why it does not grow.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_UNSUPPORTED (the entries are not functions), RTW_ERR_LIMIT (it may not grow that far), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_table_grow(
    instance: *mut rtw_instance_t,
    table: *const c_char,
    entries: u64,
    before: *mut u64,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { grow(instance, before, err, |turn| turn.grow_table(ffi::optional(table, "table")?, entries)) }
}

/// Grows a memory by zeroed pages of 64 KiB, under the rules of the guest's own growth, as rtw_instance_table_grow does.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// name    as for rtw_instance_memory.
/// pages   number of pages to add.
/// before  NULL, or receives the size before, in pages.
/// err     NULL, or filled: why it does not grow.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_LIMIT (it may not grow that far), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_memory_grow(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    pages: u64,
    before: *mut u64,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { grow(instance, before, err, |turn| turn.grow_memory(ffi::optional(name, "name")?, pages)) }
}

/// # Safety
/// Pointers are NULL or valid.
unsafe fn grow(
    instance: *mut rtw_instance_t,
    before: *mut u64,
    err: *mut rtw_error_t,
    by: impl FnOnce(Turn<'_>) -> Result<u64>,
) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe {
        setup(instance, err, || {
            let grown = by(guard::named(instance, "instance")?.turn())?;
            if let Some(before) = before.as_mut() {
                *before = grown;
            }
            Ok(())
        })
    }
}
