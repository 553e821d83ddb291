//! The instance: one guest with its own memory, and what can be reached in it.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup};
use super::handle::{self, Noun, Pool};
use super::imports::rtw_imports_t;
use super::module::rtw_module_t;
use super::text;
use crate::engine::instance::{Func, Instance};
use crate::engine::signature::Signature;
use crate::status::*;

/// One guest with its own memory. Used by one thread at a time; different instances run in parallel.
pub struct rtw_instance_t {
    _private: [u8; 0],
}

/// An exported function, looked up and checked once, called many times, with the statistics of its calls.
pub struct rtw_func_t {
    _private: [u8; 0],
}

/// One argument, result or global: 16 bytes, read as the signature says. Little-endian in memory on every target.
#[repr(C)]
#[derive(Clone, Copy)]
pub union rtw_value_t {
    /// i32, signed.
    pub i32: i32,
    /// i32, unsigned.
    pub u32: u32,
    /// i64, signed.
    pub i64: i64,
    /// i64, unsigned.
    pub u64: u64,
    /// f32.
    pub f32: f32,
    /// f64.
    pub f64: f64,
    /// v128, as bytes.
    pub v128: [u8; 16],
    /// v128, as four floats.
    pub f32x4: [f32; 4],
}

const _: () = assert!(size_of::<rtw_value_t>() == size_of::<ValRaw>() && align_of::<rtw_value_t>() == align_of::<ValRaw>());

/// How an instance shall be. Call rtw_instance_config_init first.
#[repr(C)]
pub struct rtw_instance_config_t {
    /// sizeof(rtw_instance_config_t), set by rtw_instance_config_init.
    pub struct_size: u32,
    /// Zero.
    pub reserved0: u32,
    /// The most that one linear memory may have, in bytes; growth beyond it fails inside the guest. 0 (default): what the
    /// module declares.
    pub memory_limit_bytes: u64,
    /// Zero.
    pub reserved: [u64; 8],
}

/// Where a linear memory is.
#[repr(C)]
pub struct rtw_memory_view_t {
    /// Its first byte. It does not move while the instance lives.
    pub base: *mut c_void,
    /// Its size now, in bytes; it changes only when it grows.
    pub size_bytes: u64,
}

impl Noun for rtw_instance_t {
    type Value = Arc<Instance>;
    const MAGIC: u64 = 0x6365_6e61_7473_6904;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

impl Noun for rtw_func_t {
    type Value = Func;
    const MAGIC: u64 = 0x0000_0063_6e75_6605;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_instance_config_t {}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_config_init(config: *mut rtw_instance_config_t) {
    if !config.is_null() {
        // SAFETY: writable by the API's contract; all-zero is a valid value.
        unsafe {
            config.write_bytes(0, 1);
            (*config).struct_size = size_of::<rtw_instance_config_t>() as u32;
        }
    }
}

/// Makes an instance: memory, tables and globals initialised, imports linked, the start function run.
///
/// [setup]
/// module   is kept alive by the instance.
/// imports  NULL where the module imports nothing; read only during the call.
/// config   NULL for the defaults; read only during the call.
/// out      receives the instance, to be ended with rtw_instance_destroy; NULL on failure.
/// err      NULL, or filled, naming the import or limit concerned.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_IMPORT_MISSING, RTW_ERR_IMPORT_TYPE, RTW_ERR_UNSUPPORTED
///         (reference types at the boundary), RTW_ERR_LIMIT, RTW_ERR_NO_MEMORY, RTW_ERR_TRAP_... and RTW_ERR_HOST (the start
///         function ended so).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_create(
    module: *mut rtw_module_t,
    imports: *mut rtw_imports_t,
    config: *const rtw_instance_config_t,
    out: *mut *mut rtw_instance_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(module, err, || {
            let out = guard::output(out, "out")?;
            let module = &handle::borrow(module).map_err(|s| bare(s, "module"))?.module;
            let imports = match imports.is_null() {
                true => None,
                false => Some(handle::borrow(imports).map_err(|s| bare(s, "imports"))?),
            };
            let config = guard::optional_struct(config, "config")?;
            if let Some(config) = config {
                guard::reserved_is_zero(&config.reserved)?;
            }
            let limit = config.map(|c| c.memory_limit_bytes).filter(|bytes| *bytes != 0);
            let reserved = handle::reserve::<rtw_instance_t>();
            let instance = Instance::new(module, imports, limit, reserved.cast()).inspect_err(|_| handle::cancel(reserved))?;
            handle::publish(reserved, Arc::new(instance));
            *out = reserved;
            Ok(())
        })
    }
}

/// Ends the use of an instance by its owner; funcs keep it alive. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_destroy(instance: *mut rtw_instance_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(instance) });
}

/// Where an exported linear memory is and how large it is now.
///
/// [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
/// name  NULL: the one exported as "memory", else the first exported one.
/// out   receives base and size.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND, RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_memory(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    out: *mut rtw_memory_view_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let instance = handle::borrow(instance).map_err(|s| bare(s, "instance"))?;
            if out.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "out is NULL"));
            }
            let (base, size) = instance.memory(text::optional(name, "name")?)?;
            out.write(rtw_memory_view_t { base: base.cast(), size_bytes: size as u64 });
            Ok(())
        })
    }
}

/// A pointer to `length` bytes at `offset` of the default memory (see rtw_instance_memory), or NULL if they are not all
/// inside, or the handle is none. Guests' pointers are offsets: this is how a host follows one.
///
/// [rt]  On the thread that has the instance, also from its host functions.
/// offset, length  in bytes.
/// returns  valid until the instance is destroyed; the memory does not move.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_memory_at(instance: *mut rtw_instance_t, offset: u64, length: u64) -> *mut c_void {
    // SAFETY: a handle by the API's contract.
    match unsafe { handle::borrow(instance) } {
        Ok(instance) => guard::plain(std::ptr::null_mut(), || instance.memory_at(offset, length).cast()),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Reads an exported global.
///
/// [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
/// name  the export.
/// out   receives the value.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND, RTW_ERR_UNSUPPORTED (a reference), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_global_get(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    out: *mut rtw_value_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    unsafe {
        setup(instance, err, || {
            let instance = handle::borrow(instance).map_err(|s| bare(s, "instance"))?;
            if out.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "out is NULL"));
            }
            let value = instance.global_get(text::required(name, "name")?)?;
            out.cast::<ValRaw>().write(value);
            Ok(())
        })
    }
}

/// Writes an exported mutable global.
///
/// [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
/// name   the export.
/// value  read as the global's type says.
/// err    NULL, or filled.
/// errors: those of rtw_instance_global_get, and RTW_ERR_ARGUMENT (the global is immutable).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_global_set(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    value: *const rtw_value_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    unsafe {
        setup(instance, err, || {
            let instance = handle::borrow(instance).map_err(|s| bare(s, "instance"))?;
            if value.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "value is NULL"));
            }
            instance.global_set(text::required(name, "name")?, value.cast::<ValRaw>().read())
        })
    }
}

/// Looks up an exported function and checks its type once, so that calls need not. Two look-ups of one function are two funcs,
/// each with its own statistics.
///
/// [setup]  On the thread that has the instance, and not while it is in a call.
/// name       the export.
/// signature  such as "(i32,i32,f32)->()"; NULL: any.
/// out        receives the func, to be ended with rtw_func_destroy; NULL on failure. It keeps the instance alive.
/// err        NULL, or filled, naming what the type is and what was asked for.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND, RTW_ERR_SIGNATURE, RTW_ERR_SIGNATURE_SYNTAX,
///         RTW_ERR_UNSUPPORTED (a reference type), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_func(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    signature: *const c_char,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let out = guard::output(out, "out")?;
            let instance = handle::borrow(instance).map_err(|s| bare(s, "instance"))?;
            let name = text::required(name, "name")?;
            let signature = text::optional(signature, "signature")?.map(Signature::parse).transpose()?;
            *out = handle::create(instance.func(name, signature.as_ref())?);
            Ok(())
        })
    }
}

/// Ends a func. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_func_destroy(func: *mut rtw_func_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(func) });
}
