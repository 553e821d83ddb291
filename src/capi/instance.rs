//! The instance: one guest with its own memory, and what can be reached in it.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup, setup_apart};
use super::handle::{self, Noun, Pool};
use super::imports::rtw_imports_t;
use super::module::rtw_module_t;
use super::runtime::{denormals, not_built, out_of_range};
use super::text;
use super::value::rtw_value_t;
use crate::engine::budget::{Limits, OnBudget};
use crate::engine::fault::Fault;
use crate::engine::growth::Grown;
use crate::engine::instance::{Config, FUNC_BYTES, Func, Growth, Instance, Wanted};
use crate::engine::own::{self, FuncNoun, InstanceNoun};
use crate::engine::signature::Signature;
use crate::rt::reserve;
use crate::status::*;

/// One guest with its own memory. Used by one thread at a time; different instances run in parallel.
pub struct rtw_instance_t {
    _private: [u8; 0],
}

/// An exported function, looked up and checked once, called many times, with the statistics of its calls.
pub struct rtw_func_t {
    _private: [u8; 0],
}

/// An exported function that a host wants of a guest: for rtw_instance_funcs and for slots. Its layout is final.
#[repr(C)]
pub struct rtw_wanted_func_t {
    /// The export's name.
    pub name: *const c_char,
    /// Its type, such as "(i32,f32)->(f32)"; NULL: any.
    pub signature: *const c_char,
    /// 1: it may be missing. 0: it may not, as in a slot.
    pub optional: u32,
}

/// Once the instance is prepared, growing a memory or table fails inside the guest: it would take a system call.
pub const RTW_GROWTH_REFUSED: u32 = 0;
/// Memories and tables may grow at any time, as far as their limits allow. Growth costs what this library promises against: a memory
/// takes system calls and page faults, a table takes the system's allocator, which may wait for a lock, and copies its entries.
/// Nothing of it comes from the thread's arena. rtw_instance_growth counts it. A table for which there is no memory ends the call
/// with RTW_ERR_NO_MEMORY.
pub const RTW_GROWTH_ALLOWED: u32 = 1;
/// Memories are there up to growth_ahead_bytes from the start, and growing so far takes no system call; beyond that, and for
/// tables, growth is refused once the instance is prepared. Plugin profile only.
pub const RTW_GROWTH_AHEAD: u32 = 2;

/// A call that has used up its budget is cut off: it ends with RTW_ERR_BUDGET, and the instance is faulted.
pub const RTW_BUDGET_CUT_OFF: u32 = 0;
/// It goes on, and is counted in the func's statistics when it has ended.
pub const RTW_BUDGET_COUNT: u32 = 1;

/// How an instance shall be. Call rtw_instance_config_init first.
#[repr(C)]
pub struct rtw_instance_config_t {
    /// sizeof(rtw_instance_config_t), set by rtw_instance_config_init.
    pub struct_size: u32,
    /// RTW_GROWTH_REFUSED (default), RTW_GROWTH_ALLOWED or RTW_GROWTH_AHEAD.
    pub growth: u32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: what holds while this instance's guest runs. With
    /// each of them it rounds to nearest and floating-point exceptions do not trap. Host functions run in the thread's own
    /// floating-point environment, as it was when the guest was called; it is put back after each of them and after each call.
    pub denormals: u32,
    /// RTW_BUDGET_CUT_OFF (default) or RTW_BUDGET_COUNT: what happens to a call that has used up its budget.
    pub on_budget: u32,
    /// The most that the guest may make the host hold, in bytes: all its linear memories, its tables at 8 bytes an entry, its
    /// globals at 16, and the engine's and the library's records of it; rtw_module_probe tells what it needs from the start. An
    /// instance that needs more is refused with RTW_ERR_LIMIT before anything is made; growth beyond it fails inside the guest.
    /// While an instance is reset, the new guest is counted beside the old one by slot and runtime, and by this limit each on its
    /// own. 0 (default): what the module declares.
    pub memory_limit_bytes: u64,
    /// With RTW_GROWTH_AHEAD: how large each memory can become without a system call, in bytes; no more than its maximum and what
    /// memory_limit_bytes leaves are used. It counts from the start. Otherwise 0.
    pub growth_ahead_bytes: u64,
    /// The most that one call may take, in ns; rtw_invoke_budget may name another for one call. 0 (default): no limit, and nobody
    /// watches. With RTW_BUDGET_CUT_OFF the module must have been compiled with the budget guard, which is the default; inside
    /// one bulk memory operation or host function nothing is cut off, only after it. The start function has no budget, dry
    /// calls have at least a second.
    pub budget_ns: u64,
    /// Calls that take longer and are not cut off are counted as deadline misses, in ns. 0 (default): no deadline. Needs the
    /// runtime's statistics.
    pub deadline_ns: u64,
    /// Not built: leave 0. 1: the guest keeps no state between calls, so that calls go on after a trap without a reset.
    pub stateless: u32,
    /// Not built: leave 0. Size of the buffer for what the guest prints and logs until on_log of rtw_runtime_config_t has it, in bytes.
    pub log_bytes: u32,
}

/// What ended a call. Call rtw_fault_init first.
#[repr(C)]
pub struct rtw_fault_t {
    /// sizeof(rtw_fault_t), set by rtw_fault_init.
    pub struct_size: u32,
    /// What the call answered.
    pub status: rtw_status_t,
    /// What the host function answered that ended the call, or 0.
    pub host_status: rtw_status_t,
    /// Index of the guest's function in the module, imports counted; -1 where it is not known: for a trap without a signal
    /// in a call that a [setup] function made on a thread that is not attached.
    pub function_index: i32,
    /// Offset in bytes of the instruction in the module that was given to the compiler; of the function's first instruction where
    /// the stack was used up, which is found out on entering it, and where the plugin profile cut the call off in a function with
    /// more than 512 polls. -1 where it is not known.
    pub wasm_offset: i64,
    /// The function's name from the module's name section; "" where there is none.
    pub function_name: [c_char; 128],
    /// How often the guest was refused more memory, or a larger table, since it was made; see rtw_instance_growth.
    pub refused_growths: u64,
    /// The last time: what it had, in bytes of a memory or entries of a table; 0 where nothing was refused.
    pub refused_from: u64,
    /// What it wanted to have.
    pub refused_to: u64,
    /// Why: one of the RTW_REFUSED_ constants; 0 where nothing was refused.
    pub refused_by: u32,
    /// 1: it was a table that was to grow, 0: a memory.
    pub refused_table: u32,
    /// All of this in a sentence: what, where, and what growth was refused before.
    pub message: [c_char; 512],
}

/// Growth was refused since the instance is prepared.
pub const RTW_REFUSED_PREPARED: u32 = 1;
/// A limit of the instance's configuration was reached.
pub const RTW_REFUSED_LIMIT: u32 = 2;
/// The maximum that the module declares was reached.
pub const RTW_REFUSED_MAXIMUM: u32 = 3;
/// The system refused, or the address space that was set aside was used up.
pub const RTW_REFUSED_SYSTEM: u32 = 4;

/// How often a guest asked for more memory or larger tables (memory.grow, table.grow), and what became of it. Call
/// rtw_growth_init first.
#[repr(C)]
pub struct rtw_growth_t {
    /// sizeof(rtw_growth_t), set by rtw_growth_init.
    pub struct_size: u32,
    /// Times it got what it asked for.
    pub granted: u64,
    /// Times it did not: the four below together.
    pub refused: u64,
    /// Since the instance is prepared. A guest that needs this growth wants RTW_GROWTH_AHEAD or RTW_GROWTH_ALLOWED, or to grow
    /// before prepare.
    pub refused_prepared: u64,
    /// Because of a limit of the instance's configuration.
    pub refused_limit: u64,
    /// Because of the maximum that the module declares.
    pub refused_maximum: u64,
    /// By the system, or because the address space that was set aside was used up.
    pub refused_system: u64,
}

/// Where a linear memory is.
#[repr(C)]
pub struct rtw_memory_view_t {
    /// Its first byte. It does not move until the instance is reset or destroyed.
    pub base: *mut c_void,
    /// Its size now, in bytes; it changes only when it grows.
    pub size_bytes: u64,
}

impl Noun for rtw_instance_t {
    type Value = Arc<Instance>;
    const MAGIC: u64 = InstanceNoun::MAGIC;
    fn pool() -> &'static Pool {
        InstanceNoun::pool()
    }
}

impl Noun for rtw_func_t {
    type Value = Func;
    const MAGIC: u64 = FuncNoun::MAGIC;
    fn pool() -> &'static Pool {
        FuncNoun::pool()
    }
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_instance_config_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_fault_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_growth_t {}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_instance_config_t) as the caller knows it: rtw_instance_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_config_init_sized(config: *mut rtw_instance_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Makes an instance: memory, tables and globals initialised, imports linked, the start function run.
///
/// [setup]
/// module   is kept alive by the instance.
/// imports  NULL where the module imports nothing; read only during the call.
/// config   NULL for the defaults; read only during the call.
/// out      receives the instance, to be ended with rtw_instance_destroy; NULL on failure.
/// err      NULL, or filled, naming the import or limit concerned.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range),
///         RTW_ERR_IMPORT_MISSING, RTW_ERR_IMPORT_TYPE, RTW_ERR_UNSUPPORTED (reference types at the boundary;
///         RTW_GROWTH_AHEAD in the standalone profile; a budget for a module without the guard; a field is set that is not
///         built), RTW_ERR_LIMIT,
///         RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK (the process locks all it maps, and may not lock the reservation),
///         RTW_ERR_SIGNALS (see rtw_instance_prepare), RTW_ERR_STACK_SIZE (the module has a start function, and
///         guest_stack_bytes and 32 KiB are not left of the thread's stack), RTW_ERR_TRAP_... and RTW_ERR_HOST (the start
///         function ended so);
///         with a budget that cuts off RTW_ERR_PERMISSION (an attached thread's priority leaves the watchdog no CPU) and
///         RTW_ERR_FORKED (the runtime is the parent process's, and so is its watchdog).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_create(
    module: *const rtw_module_t,
    imports: *const rtw_imports_t,
    config: *const rtw_instance_config_t,
    out: *mut *mut rtw_instance_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let module = &guard::named(module, "module")?.module;
            let imports = match imports.is_null() {
                true => None,
                false => Some(guard::named(imports, "imports")?),
            };
            let config = guard::optional_struct(config, "config")?.map_or(Ok(Config::default()), |config| read(&config))?;
            *out = own::instantiate(module, imports, config)?.cast();
            Ok(())
        })
    }
}

/// Ends the use of an instance by its owner; funcs keep it alive. NULL does nothing.
///
/// [setup]  No other thread uses the handle, and it is not in a call.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_destroy(instance: *mut rtw_instance_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(instance) });
}

/// Makes the guest new behind the same handle, after a fault or at any other time: memories, tables and globals as the module
/// has them, the start function run. Funcs stay valid, with their statistics. Pointers into the guest's memory do not: ask
/// for them again. Where the instance was prepared, its memory is made present again; dry calls are not repeated. Who calls the
/// instance meanwhile, from a signal handler or a worker's queue, is answered with RTW_ERR_BUSY.
///
/// [setup]  On the thread that has the instance, and not while it is in a call.
/// err  NULL, or filled. On failure the instance stays as it was.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BUSY, RTW_ERR_FORKED, RTW_ERR_LIMIT (the slot or the runtime may not hold two
///         guests for the time of it), RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK, RTW_ERR_SIGNALS (see rtw_instance_prepare),
///         RTW_ERR_STACK_SIZE (as for rtw_instance_create), RTW_ERR_TRAP_... and RTW_ERR_HOST (the start function ended so).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_reset(instance: *mut rtw_instance_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup(instance, err, || guard::named(instance, "instance")?.reset()) }
}

/// What the instance makes the host hold now, in bytes, while it is reset its next guest included; 0 for a handle that is none. It
/// is what the limits of instance, slot and runtime are held against.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_held_bytes(instance: *const rtw_instance_t) -> u64 {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(instance) }.map_or(0, |instance| instance.core.held.used())
}

/// Tells what the fault was that ended the instance's last call.
///
/// [setup]  On the thread that has the instance, or on another while no call runs.
/// out  filled on success; call rtw_fault_init first.
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (the instance has not faulted).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_fault(
    instance: *mut rtw_instance_t,
    out: *mut rtw_fault_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let instance = guard::named(instance, "instance")?;
            let out = guard::output_struct(out).map_err(|s| bare(s, "out"))?;
            let fault = instance.fault().ok_or_else(|| Error::new(RTW_ERR_ARGUMENT, "the instance has not faulted"))?;
            out.fill(|out| fill_fault(out, &fault));
            Ok(())
        })
    }
}
/// Prepares a fault struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_fault_t) as the caller knows it: rtw_fault_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_fault_init_sized(fault: *mut rtw_fault_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(fault, struct_size) };
}

/// Prepares a growth struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_growth_t) as the caller knows it: rtw_growth_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_growth_init_sized(growth: *mut rtw_growth_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(growth, struct_size) };
}

/// How often the instance's guest asked for more memory or larger tables since the instance was made, resets included, and what
/// became of it. Any thread may ask, also while calls go on.
///
/// [any]
/// out  filled on success; call rtw_growth_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_growth(instance: *const rtw_instance_t, out: *mut rtw_growth_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::real_time(RTW_ERR_INTERNAL, || unsafe {
        guard::status_of(handle::borrow(instance).and_then(|instance| {
            guard::output_struct(out)?.fill(|out| {
                let counts = instance.core.growth.counts();
                out.granted = counts.granted;
                out.refused = counts.refused.iter().sum();
                [out.refused_prepared, out.refused_limit, out.refused_maximum, out.refused_system] = counts.refused;
            });
            Ok(())
        }))
    })
}

/// Where an exported linear memory is and how large it is now.
///
/// [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
/// name  NULL: the one exported as "memory", else the first exported one.
/// out   receives base and size.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_memory(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    out: *mut rtw_memory_view_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let instance = guard::named(instance, "instance")?;
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
/// Use it to hand a guest a block of samples or a record, and to follow a pointer that it returns or passes to a host function.
/// offset, length  in bytes.
/// returns  valid until the instance is reset or destroyed; the memory does not move.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_memory_at(instance: *mut rtw_instance_t, offset: u64, length: u64) -> *mut c_void {
    // SAFETY: a handle by the API's contract.
    match unsafe { handle::borrow(instance) } {
        Ok(instance) => guard::real_time(std::ptr::null_mut(), || instance.memory_at(offset, length).cast()),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Reads an exported global.
///
/// [setup]  On the thread that has the instance, and not while it is in a call, except from its host functions.
/// name  the export.
/// out   receives the value.
/// err   NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_UNSUPPORTED (a reference), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_global_get(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    out: *mut rtw_value_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    unsafe {
        setup_apart(err, || {
            let instance = guard::named(instance, "instance")?;
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
pub unsafe extern "C-unwind" fn rtw_instance_global_set(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    value: *const rtw_value_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    unsafe {
        setup(instance, err, || {
            let instance = guard::named(instance, "instance")?;
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
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a string is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_SIGNATURE, RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_UNSUPPORTED (a reference type), RTW_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_func(
    instance: *mut rtw_instance_t,
    name: *const c_char,
    signature: *const c_char,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let instance = guard::named(instance, "instance")?;
            let name = text::required(name, "name")?;
            let signature = text::optional(signature, "signature")?.map(Signature::parse).transpose()?;
            let func = instance.func(name, signature.as_ref())?;
            *out = instance.keep(|| handle::create(func))?;
            Ok(())
        })
    }
}

/// Looks up several exported functions in one call, each as rtw_instance_func does: all that a host wants of a guest.
///
/// [setup]  On the thread that has the instance, and not while it is in a call.
/// wanted  the functions, as many as `count` says; read only during the call.
/// count   how many there are.
/// out     receives as many funcs, each to be ended with rtw_func_destroy; NULL for an optional one that is not there. All are
///         NULL on failure.
/// err     NULL, or filled, naming all exports that are missing or of another type than wanted.
/// errors: those of rtw_instance_func, for the first function that is missing or of another type; RTW_ERR_ARGUMENT (optional is
///         neither 0 nor 1).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_funcs(
    instance: *mut rtw_instance_t,
    wanted: *const rtw_wanted_func_t,
    count: usize,
    out: *mut *mut rtw_func_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            if count == 0 {
                return guard::named(instance, "instance").map(|_| ());
            }
            if out.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "out is NULL"));
            }
            let out = std::slice::from_raw_parts_mut(out, count);
            out.fill(std::ptr::null_mut());
            let instance = guard::named(instance, "instance")?;
            let made = reserve::with_room(count.saturating_mul(FUNC_BYTES), || {
                let wanted = read_wanted("wanted", wanted, count)?.collect::<Result<Vec<_>>>()?;
                let funcs = instance.funcs(&wanted)?;
                instance.keep(|| {
                    for (out, func) in out.iter_mut().zip(funcs) {
                        *out = func.map(handle::create).transpose()?.unwrap_or(std::ptr::null_mut());
                    }
                    Ok(())
                })
            });
            if made.is_err() {
                for func in out {
                    handle::destroy(std::mem::replace(func, std::ptr::null_mut()));
                }
            }
            made
        })
    }
}

/// # Safety
/// There are so many, and their strings are NULL or NUL-terminated.
pub(super) unsafe fn read_wanted<'a>(
    what: &str,
    wanted: *const rtw_wanted_func_t,
    count: usize,
) -> Result<impl Iterator<Item = Result<Wanted<'a>>>> {
    if wanted.is_null() {
        return Err(Error::new(RTW_ERR_NULL, format!("{what} is NULL")));
    }
    // SAFETY: as many as the caller says.
    let wanted: &'a [rtw_wanted_func_t] = unsafe { std::slice::from_raw_parts(wanted, count) };
    Ok(wanted.iter().map(|func| {
        // SAFETY: passed on.
        let (name, signature) = unsafe {
            (text::required(func.name, "a function's name")?, text::optional(func.signature, "a function's signature")?)
        };
        let signature = signature.map(Signature::parse).transpose()?;
        match func.optional {
            0 | 1 => Ok(Wanted { name, signature, optional: func.optional == 1 }),
            other => Err(out_of_range("optional", other)),
        }
    }))
}

/// Ends a func. NULL does nothing.
///
/// [setup]  No other thread uses the handle, and no call of it is under way: not from a host function that it called.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_func_destroy(func: *mut rtw_func_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(func) });
}

fn fill_fault(out: &mut rtw_fault_t, fault: &Fault) {
    out.status = fault.record.status;
    out.host_status = fault.record.host_status;
    out.function_index = fault.place.as_ref().map_or(-1, |place| place.function_index as i32);
    out.wasm_offset = fault.place.as_ref().and_then(|place| place.wasm_offset).map_or(-1, i64::from);
    if let Some(story) = &fault.record.growth {
        let (from, to, is_table) = match story.last.what {
            Grown::Memory { from, to } => (from, to, 0),
            Grown::Table { from, to } => (from, to, 1),
        };
        (out.refused_from, out.refused_to, out.refused_table) = (from as u64, to as u64, is_table);
        (out.refused_growths, out.refused_by) = (story.refused, story.last.by as u32);
    }
    text::copy(&fault.to_string(), &mut out.message);
    text::copy(fault.place.as_ref().and_then(|place| place.function_name.as_deref()).unwrap_or(""), &mut out.function_name);
}

fn read(config: &rtw_instance_config_t) -> Result<Config> {
    not_built("stateless", config.stateless != 0, "call on after a trap without a reset")?;
    not_built("log_bytes", config.log_bytes != 0, "deliver logs")?;
    if config.growth != RTW_GROWTH_AHEAD && config.growth_ahead_bytes != 0 {
        return Err(Error::new(RTW_ERR_ARGUMENT, "growth_ahead_bytes goes with RTW_GROWTH_AHEAD"));
    }
    Ok(Config {
        memory_limit_bytes: Some(config.memory_limit_bytes).filter(|bytes| *bytes != 0),
        growth: match config.growth {
            RTW_GROWTH_REFUSED => Growth::Refused,
            RTW_GROWTH_ALLOWED => Growth::Allowed,
            RTW_GROWTH_AHEAD => Growth::Ahead { bytes: config.growth_ahead_bytes },
            other => return Err(out_of_range("growth", other)),
        },
        denormals: denormals(config.denormals)?,
        limits: Limits {
            budget_ns: limit("budget_ns", config.budget_ns)?,
            on_budget: match config.on_budget {
                RTW_BUDGET_CUT_OFF => OnBudget::CutOff,
                RTW_BUDGET_COUNT => OnBudget::Count,
                other => return Err(out_of_range("on_budget", other)),
            },
            deadline_ns: limit("deadline_ns", config.deadline_ns)?,
        },
    })
}

/// A time limit: up to a day, so that no conversion overflows.
fn limit(field: &str, ns: u64) -> Result<u64> {
    match ns {
        0..=86_400_000_000_000 => Ok(ns),
        other => Err(out_of_range(field, other)),
    }
}
