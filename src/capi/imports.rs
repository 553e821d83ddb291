//! Imports: the host functions that guests can call.

use std::ffi::{c_char, c_void};

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle::{self, Noun, Pool};
use super::instance::rtw_instance_t;
use super::module::rtw_module_t;
use super::value::rtw_value_t;
use crate::engine::imports::{self, Finalizer, HostFunc, Imports, Limits, Provided, Stubs, What};
use crate::engine::signature::Signature;
use crate::ffi;
use crate::ffi::out_of_range;
use crate::status::*;
use wasmtime::ValRaw;

/// A list of host functions that instances are linked against.
pub struct rtw_imports_t {
    _private: [u8; 0],
}

/// Flag: the host function may block, or call system functions that are cancellation points, or pthread_exit. If its thread
/// is cancelled or exits in it, even if calls defer cancellation (on_cancel of rtw_thread_config_t): the function's frames
/// are unwound; the guest's call ends as if the function had returned RTW_ERR_CANCELLED, and the instance is faulted; then
/// the thread ends where rtw_invoke would return. A call of the function takes about 12 ns longer.
pub const RTW_HOST_MAY_BLOCK: u32 = 1;
/// Flag: the host function may leave the floating-point environment (rounding, exceptions, denormals) changed. The guest is
/// not affected. In this version it is not affected without the flag either.
pub const RTW_HOST_CHANGES_FLOAT: u32 = 2;

/// A host function. Runs on the thread that called the guest. On a real-time thread it must keep the same rules: no
/// allocation, no lock, no system call.
///
/// user_data  what was given to rtw_imports_func or rtw_instance_table_set.
/// instance   the calling guest. The function may use its memory and call rtw_invoke on it. While the guest's start function
///            runs it may not: functions return RTW_ERR_HANDLE in rtw_instance_create, and RTW_ERR_BUSY in
///            rtw_instance_reset.
/// values     in: the arguments; out: the results. The array holds the larger number of the two.
/// returns    RTW_OK, or any other number to end the guest's call with RTW_ERR_HOST. The function must return. If a C++
///            exception leaves it, or (without RTW_HOST_MAY_BLOCK) pthread_exit or a cancellation, the library writes a line
///            with the function's name to stderr and aborts. It does the same after a longjmp out of it, when that thread
///            next uses the instance.
pub type rtw_host_func_t = Option<
    unsafe extern "C" fn(user_data: *mut c_void, instance: *mut rtw_instance_t, values: *mut rtw_value_t) -> rtw_status_t,
>;

/// Frees the user data of a host function: called once, when nothing can call the function any more. That is after the
/// function was replaced or its list destroyed, and all instances that were linked against it, or have it in a table, are gone.
/// Runs on the thread that destroys or replaces the last of these, in rtw_imports_func, rtw_imports_destroy,
/// rtw_instance_table_set, rtw_instance_table_set_func, rtw_instance_destroy, rtw_func_destroy or rtw_slot_destroy, or on the
/// runtime's housekeeper thread if a slot had the instance. It must return, and must not call this library.
///
/// user_data  what was given to rtw_imports_func or rtw_instance_table_set.
pub type rtw_finalizer_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

impl Noun for rtw_imports_t {
    type Value = Imports;
    const MAGIC: u64 = 0x0073_7472_6f70_6d03;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Creates an empty list of host functions.
///
/// [setup]
/// out  receives the list, to be destroyed with rtw_imports_destroy; NULL on failure.
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

/// Adds a host function. It replaces one of the same module and name, for instances that are created later.
///
/// [setup]
/// module, name  the names under which guests import it, such as "env" "log_level"; copied.
/// signature     its type, such as "(i32,f32)->(f32)", of i32, i64, f32, f64 and v128.
/// func          called on the thread that called the guest.
/// user_data     passed to func; must stay valid until the finalizer is called.
/// finalizer     NULL, or called with user_data when nothing can call func any more. If this function fails, it does not call
///               the finalizer: user_data still belongs to the caller.
/// flags         0, or the sum of RTW_HOST_ flags.
/// err           NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_ARGUMENT (a string is not UTF-8; a flag is
///         unknown).
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
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let imports = guard::named(imports, "imports")?;
            let name = (ffi::required(module, "module")?, ffi::required(name, "name")?);
            imports.add(host_func(name, signature, func, user_data, finalizer, flags)?)
        })
    }
}

/// A host function under a module and a name.
///
/// # Safety
/// `signature` is NULL or a text; the host vouches for the functions.
pub(super) unsafe fn host_func(
    (module, name): (&str, &str),
    signature: *const c_char,
    func: rtw_host_func_t,
    user_data: *mut c_void,
    finalizer: rtw_finalizer_t,
    flags: u32,
) -> Result<HostFunc> {
    let func = func.ok_or_else(|| Error::new(RTW_ERR_NULL, "func is NULL"))?;
    if flags & !(RTW_HOST_MAY_BLOCK | RTW_HOST_CHANGES_FLOAT) != 0 {
        return Err(out_of_range("flags", flags));
    }
    // SAFETY: passed on; the function types differ in pointer types, and in what happens if they are unwound.
    unsafe {
        Ok(HostFunc {
            module: module.to_owned(),
            name: name.to_owned(),
            signature: Signature::parse(ffi::required(signature, "signature")?)?,
            func: std::mem::transmute::<
                unsafe extern "C" fn(*mut c_void, *mut rtw_instance_t, *mut rtw_value_t) -> rtw_status_t,
                crate::engine::imports::HostFn,
            >(func),
            user_data,
            may_block: flags & RTW_HOST_MAY_BLOCK != 0,
            finalizer: finalizer.map(|finalizer| {
                let call = std::mem::transmute::<unsafe extern "C" fn(*mut c_void), unsafe extern "C-unwind" fn(*mut c_void)>(
                    finalizer,
                );
                Finalizer::new(call, user_data)
            }),
        })
    }
}

/// Provides C99's mathematics to guests, in double and single precision: the functions of the host's C library, with its
/// results. Under the module "env", by their names in C ("sin", "sinf") and with an underscore before them ("_sinf"), as Faust
/// imports them. Also exp10, sincos and lgamma_r. A `long` has 32 bits; lgamma keeps no sign. In a program that is linked
/// statically, cbrt may differ in the last bit, and fmax and fmin in the sign of a zero. If the list has a host function of the
/// same name, guests call that instead. The functions run in the guest's own floating-point environment, without the gate that
/// host functions need.
///
/// [setup]
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_libm(imports: *mut rtw_imports_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            guard::named(imports, "imports")?.provide(|sets| sets.libm = true);
            Ok(())
        })
    }
}

/// There are no stubs: an instance whose imports are not all provided is not created.
pub const RTW_STUBS_NONE: u32 = 0;
/// A stub ends the guest's call with RTW_ERR_STUB; rtw_instance_fault names the import.
pub const RTW_STUBS_TRAP: u32 = 1;
/// A stub of a system's function reports that there is no such thing: WASI's fd_ and path_ functions return EBADF, its others
/// ENOSYS, Emscripten's system calls -ENOSYS. A libc then gives up what it tried. proc_exit ends the guest as its comment at
/// RTW_ERR_EXITED says, abort with RTW_ERR_ABORTED. All others are as with RTW_STUBS_TRAP.
pub const RTW_STUBS_LIBC: u32 = 2;

/// Says what happens with functions that a guest imports and nobody provides. A function that is provided with another type is
/// no such function.
///
/// [setup]
/// kind  one of the RTW_STUBS_ constants; RTW_STUBS_NONE is the default.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_stubs(
    imports: *mut rtw_imports_t,
    kind: u32,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let imports = guard::named(imports, "imports")?;
            let kind = match kind {
                RTW_STUBS_NONE => Stubs::None,
                RTW_STUBS_TRAP => Stubs::Trap,
                RTW_STUBS_LIBC => Stubs::Libc,
                other => return Err(out_of_range("kind", other)),
            };
            imports.provide(|sets| sets.stubs = kind);
            Ok(())
        })
    }
}

/// Lists the imports of a module that are not provided, or provided with another type: those for which rtw_instance_create
/// would fail. err names them as well.
///
/// [setup]
/// imports   NULL: nothing is provided.
/// indices   receives the first `capacity` of them, as indices for rtw_module_import; NULL if capacity is 0.
/// capacity  number of elements of indices.
/// count     receives the number of all of them.
/// err       NULL, or filled.
/// returns   RTW_OK if everything is provided. RTW_ERR_IMPORT_MISSING or RTW_ERR_IMPORT_TYPE if not; indices and count are
///           filled then as well. Else RTW_ERR_NULL, RTW_ERR_HANDLE, or RTW_ERR_UNSUPPORTED (reference types in an import).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_missing(
    imports: *const rtw_imports_t,
    module: *const rtw_module_t,
    indices: *mut u32,
    capacity: usize,
    count: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let imports = match imports.is_null() {
                true => None,
                false => Some(guard::named(imports, "imports")?),
            };
            let metadata = &guard::named(module, "module")?.module.metadata;
            if count.is_null() || indices.is_null() && capacity != 0 {
                return Err(Error::new(RTW_ERR_NULL, "indices or count is NULL"));
            }
            let lacking = imports::link(metadata, imports)?.err().unwrap_or_default();
            count.write(lacking.indices.len());
            for (at, index) in lacking.indices.iter().take(capacity).enumerate() {
                indices.add(at).write(*index);
            }
            if lacking.indices.is_empty() { Ok(()) } else { Err(lacking.error(metadata)) }
        })
    }
}

/// Size of a memory in pages of 64 KiB, or of a table in entries. Its layout is final.
#[repr(C)]
pub struct rtw_limits_t {
    /// Size from the start.
    pub min: u64,
    /// Largest size; UINT64_MAX: no maximum.
    pub max: u64,
    /// 1: the guest addresses it with 64-bit numbers. 0: with 32-bit numbers, as nearly all guests do.
    pub index_64: u32,
}

/// The type with these limits; None: each module's own.
fn limited<T>(limits: Option<&rtw_limits_t>, what: &str, make: impl FnOnce(Limits) -> Option<T>) -> Result<Option<T>> {
    let Some(limits) = limits else { return Ok(None) };
    let is_64 = match limits.index_64 {
        0 | 1 => limits.index_64 == 1,
        other => return Err(out_of_range("index_64", other)),
    };
    let max = Some(limits.max).filter(|max| *max != u64::MAX);
    let impossible = || format!("limits: there is no {what} from {} to {}", limits.min, limits.max);
    make(Limits { min: limits.min, max, is_64 }).map(Some).ok_or_else(|| Error::new(RTW_ERR_ARGUMENT, impossible()))
}

/// Provides a memory that guests import. The library makes one for each guest, also at a reset and for a slot's spares: two
/// instances never share one. Prepare, growth, budgets and limits treat it as a memory that the module defines, but
/// RTW_GROWTH_AHEAD is not available, and growth does not prefault. It replaces one of the same module and name, for instances
/// that are created later.
///
/// [setup]
/// module, name  the names under which guests import it, such as "env" "memory"; copied.
/// limits        its size; NULL: as each module declares it.
/// err           NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8; limits that no memory has).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_memory(
    imports: *mut rtw_imports_t,
    module: *const c_char,
    name: *const c_char,
    limits: *const rtw_limits_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { provide(imports, module, name, err, || Ok(What::Memory(limited(limits.as_ref(), "memory", Limits::memory)?))) }
}

/// Provides a table of functions that guests import, in the same way as rtw_imports_memory. Its entries are empty until the
/// module or the host fills them.
///
/// [setup]
/// module, name  the names under which guests import it, such as "env" "__indirect_function_table"; copied.
/// limits        its size; NULL: as each module declares it.
/// err           NULL, or filled.
/// errors: those of rtw_imports_memory.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_table(
    imports: *mut rtw_imports_t,
    module: *const c_char,
    name: *const c_char,
    limits: *const rtw_limits_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { provide(imports, module, name, err, || Ok(What::Table(limited(limits.as_ref(), "table", Limits::table)?))) }
}

/// Provides a global that guests import, in the same way as rtw_imports_memory.
///
/// [setup]
/// module, name  the names under which guests import it, such as "env" "sample_rate"; copied.
/// ty            its type: "i32", "i64", "f32", "f64" or "v128", after "mut " if it can change.
/// value         its value in every new guest, in the member of that type; copied.
/// err           NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_ARGUMENT (a string is not UTF-8).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_global(
    imports: *mut rtw_imports_t,
    module: *const c_char,
    name: *const c_char,
    ty: *const c_char,
    value: *const rtw_value_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    unsafe {
        provide(imports, module, name, err, || {
            let ty = ffi::required(ty, "ty")?;
            if value.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "value is NULL"));
            }
            What::global(ty, value.cast::<ValRaw>().read())
        })
    }
}

/// # Safety
/// Pointers are NULL or valid.
unsafe fn provide(
    imports: *mut rtw_imports_t,
    module: *const c_char,
    name: *const c_char,
    err: *mut rtw_error_t,
    what: impl FnOnce() -> Result<What>,
) -> rtw_status_t {
    // SAFETY: passed on.
    unsafe {
        setup_apart(err, || {
            let imports = guard::named(imports, "imports")?;
            let module = ffi::required(module, "module")?.to_owned();
            let name = ffi::required(name, "name")?.to_owned();
            imports.provide_made(Provided { module, name, what: what()? })
        })
    }
}

/// Destroys a list of imports. Instances keep what they were linked against. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_destroy(imports: *mut rtw_imports_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(imports) });
}
