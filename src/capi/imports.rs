//! Imports: the host functions that guests may call.

use std::ffi::{c_char, c_void};

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle::{self, Noun, Pool};
use super::instance::rtw_instance_t;
use super::runtime::out_of_range;
use super::text;
use super::value::rtw_value_t;
use crate::engine::imports::{Finalizer, HostFunc, Imports};
use crate::engine::signature::Signature;
use crate::status::*;

/// The host functions that instances are linked against.
pub struct rtw_imports_t {
    _private: [u8; 0],
}

/// The host function may block: it waits for somebody, or calls functions of the system that are cancellation points. The thread that
/// runs it may be cancelled in it, or end in it by pthread_exit, also where calls hold a cancellation off (on_cancel in
/// rtw_thread_config_t): the function's own frames are unwound, the guest's call ends as if the function had answered RTW_ERR_CANCELLED,
/// which leaves the instance faulted, and the thread goes on ending where rtw_invoke would return. A call takes about 12 ns more for it.
pub const RTW_HOST_MAY_BLOCK: u32 = 1;
/// The host function may leave the floating-point environment (rounding, exceptions, denormals) other than it has found it. The guest
/// computes as before all the same. In this version that holds without the flag, too.
pub const RTW_HOST_CHANGES_FLOAT: u32 = 2;

/// A host function. It runs on the thread that called the guest, so on a real-time thread it keeps the same rules: no
/// allocation, no lock, no system call.
///
/// user_data  what was given to rtw_imports_func.
/// instance   the guest that calls; memory functions and rtw_invoke may be used on it. In a start function it
///            is not to be used: functions answer RTW_ERR_HANDLE while it is made, and RTW_ERR_BUSY while it is reset.
/// values     in: the arguments; out: the results. As many as the larger of the two counts.
/// returns    RTW_OK, or anything else to end the guest's call, which then answers RTW_ERR_HOST. Must return: where a C++
///            exception leaves it, or, without RTW_HOST_MAY_BLOCK, pthread_exit or a cancellation of the thread, the process ends
///            with a line on stderr that names the function. longjmp must not leave it either: the process ends with such a line
///            when that is noticed, at the next use of the instance by that thread.
pub type rtw_host_func_t = Option<
    unsafe extern "C" fn(user_data: *mut c_void, instance: *mut rtw_instance_t, values: *mut rtw_value_t) -> rtw_status_t,
>;

/// Frees a host function's user_data: called once, when nothing can call the function any more. That is after the function was replaced
/// or its list destroyed, and every instance linked against it is gone. It runs on the thread that destroys the last of these:
/// in rtw_imports_func, rtw_imports_destroy, rtw_instance_destroy, rtw_func_destroy or rtw_slot_destroy, or on the runtime's housekeeper
/// thread if a slot had the instance. It must return, and must not call this library.
///
/// user_data  what was given to rtw_imports_func.
pub type rtw_finalizer_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

impl Noun for rtw_imports_t {
    type Value = Imports;
    const MAGIC: u64 = 0x0073_7472_6f70_6d03;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Makes an empty list of imports.
///
/// [setup]
/// out  receives the list, to be ended with rtw_imports_destroy; NULL on failure.
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_create(out: *mut *mut rtw_imports_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            *out = handle::create(Imports::default())?;
            Ok(())
        })
    }
}

/// Adds a host function; one of the same module and name is replaced for instances made afterwards.
///
/// [setup]
/// module, name  what guests import it as, such as "env" "log_level"; copied.
/// signature     such as "(i32,f32)->(f32)"; types are i32, i64, f32, f64, v128.
/// func          called on the thread that called the guest.
/// user_data     passed to func; must stay valid until the finalizer is called.
/// finalizer     NULL, or called with user_data when nothing can call func any more. Not called if this function fails: user_data is
///               then still the caller's.
/// flags         0, or RTW_HOST_ constants added up.
/// err           NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_ARGUMENT (a string is not UTF-8; a flag is not known).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_func(
    imports: *mut rtw_imports_t,
    module: *const c_char,
    name: *const c_char,
    signature: *const c_char,
    func: rtw_host_func_t,
    user_data: *mut c_void,
    finalizer: rtw_finalizer_t,
    flags: u32,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; the function types differ in pointer types, and in what
    // happens if they are unwound.
    unsafe {
        setup_apart(err, || {
            let imports = guard::named(imports, "imports")?;
            let func = func.ok_or_else(|| Error::new(RTW_ERR_NULL, "func is NULL"))?;
            if flags & !(RTW_HOST_MAY_BLOCK | RTW_HOST_CHANGES_FLOAT) != 0 {
                return Err(out_of_range("flags", flags));
            }
            imports.add(HostFunc {
                module: text::required(module, "module")?.to_owned(),
                name: text::required(name, "name")?.to_owned(),
                signature: Signature::parse(text::required(signature, "signature")?)?,
                func: std::mem::transmute::<
                    unsafe extern "C" fn(*mut c_void, *mut rtw_instance_t, *mut rtw_value_t) -> rtw_status_t,
                    crate::engine::imports::HostFn,
                >(func),
                user_data,
                may_block: flags & RTW_HOST_MAY_BLOCK != 0,
                finalizer:
                    finalizer.map(|finalizer| {
                        let call = std::mem::transmute::<
                            unsafe extern "C" fn(*mut c_void),
                            unsafe extern "C-unwind" fn(*mut c_void),
                        >(finalizer);
                        Finalizer::new(call, user_data)
                    }),
            })
        })
    }
}

/// Ends the list; instances made with it keep what they need. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_destroy(imports: *mut rtw_imports_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(imports) });
}
