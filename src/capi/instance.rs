//! Instances: guests with their own memory; their functions, memories, globals and faults; preparing them.

use std::ffi::{c_char, c_int, c_void};
use std::num::NonZeroU64;
use std::sync::Arc;
use wasmtime::ValRaw;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup, setup_apart};
use super::handle::{self, Noun, Pool};
use super::imports::rtw_imports_t;
use super::module::rtw_module_t;
use super::runtime::denormals;
use super::value::rtw_value_t;
use crate::engine::budget::{LONGEST_NS, Limits, OnBudget};
use crate::engine::fault::Fault;
use crate::engine::growth::Grown;
use crate::engine::instance::{Config, FUNC_BYTES, Func, Growth, Instance, Mapped, Wanted};
use crate::engine::own::{self, FuncNoun, InstanceNoun};
use crate::engine::signature::Signature;
use crate::ffi;
use crate::ffi::out_of_range;
use crate::rt::reserve;
use crate::status::*;
use crate::sys::file;

/// One guest with its own memory. One thread at a time uses it; different instances run in parallel.
pub struct rtw_instance_t {
    _private: [u8; 0],
}

/// An exported function, looked up and checked once, called many times, with statistics of its calls.
pub struct rtw_func_t {
    _private: [u8; 0],
}

/// An exported function that the host needs, for rtw_instance_funcs and slots. Its layout is final.
#[repr(C)]
pub struct rtw_wanted_func_t {
    /// Name of the export.
    pub name: *const c_char,
    /// Type of the function, such as "(i32,f32)->(f32)"; NULL: any.
    pub signature: *const c_char,
    /// 1: the export may be missing. 0: it is required; slots need 0.
    pub optional: u32,
}

/// Once the instance is prepared, growing a memory or table fails inside the guest, because it would make system calls.
pub const RTW_GROWTH_REFUSED: u32 = 0;
/// Memories and tables may grow at any time, up to their limits. A growing memory makes system calls and takes page faults; a
/// growing table allocates from the system, which may wait for a lock, and copies its entries. Neither uses the thread's
/// arena. rtw_instance_growth counts growths. A call whose table gets no memory returns RTW_ERR_NO_MEMORY.
pub const RTW_GROWTH_ALLOWED: u32 = 1;
/// Memories up to growth_ahead_bytes are prefaulted, so that growing so far makes no system call. Once the instance is
/// prepared, further growth, and growth of tables, fails inside the guest. Plugin profile only, and not for modules that
/// import a memory.
pub const RTW_GROWTH_AHEAD: u32 = 2;

/// A call over its budget is cut off: it returns RTW_ERR_BUDGET, and the instance is faulted.
pub const RTW_BUDGET_CUT_OFF: u32 = 0;
/// A call over its budget continues; overruns in the func's statistics counts it.
pub const RTW_BUDGET_COUNT: u32 = 1;

/// The library calls "_initialize" in each new guest.
pub const RTW_INITIALIZE_CALL: u32 = 0;
/// The library does not call "_initialize".
pub const RTW_INITIALIZE_LEAVE: u32 = 1;

/// Instance configuration. Call rtw_instance_config_init first.
#[repr(C)]
pub struct rtw_instance_config_t {
    /// sizeof(rtw_instance_config_t), set by rtw_instance_config_init.
    pub struct_size: u32,
    /// RTW_GROWTH_REFUSED (default), RTW_GROWTH_ALLOWED or RTW_GROWTH_AHEAD: whether memories and tables may grow.
    pub growth: u32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the guest handles denormal numbers.
    /// Guests always round to nearest, without floating-point traps. Host functions run in the floating-point environment
    /// that the thread had when it called the guest; the library restores it after each host function and each call.
    pub denormals: u32,
    /// RTW_BUDGET_CUT_OFF (default) or RTW_BUDGET_COUNT: what happens to a call over its budget.
    pub on_budget: u32,
    /// Most memory that the guest may hold, in bytes: its linear memories, 8 bytes per table entry, 16 per global, and the
    /// engine's and the library's records. rtw_module_probe reports what a new guest needs; if that is more,
    /// rtw_instance_create returns RTW_ERR_LIMIT. Growth beyond the limit fails inside the guest. During a reset both the old
    /// and the new guest exist: the limits of slot and runtime count them together, this limit applies to each. 0 (default):
    /// what the module declares.
    pub memory_limit_bytes: u64,
    /// With RTW_GROWTH_AHEAD: size up to which each memory is prefaulted, in bytes, at most its maximum and what
    /// memory_limit_bytes permits. It counts as held from the start. Otherwise 0.
    pub growth_ahead_bytes: u64,
    /// Longest time of one call, in ns; rtw_invoke_budget sets another for one call. 0 (default): no limit and no watchdog.
    /// RTW_BUDGET_CUT_OFF needs a module that was compiled with the budget guard, as it is by default. A call is not cut off
    /// inside a host function or inside one memory.grow or table.grow, but after it. The start function has no budget; dry
    /// calls have at least one second.
    pub budget_ns: u64,
    /// Deadline of one call, in ns: a call that takes longer and is not cut off counts as a deadline miss. 0 (default): no
    /// deadline. Needs the runtime's statistics.
    pub deadline_ns: u64,
    /// 1: the guest keeps no state between calls, and goes on after a fault without a reset: the call returns its status, and the next
    /// call enters the guest. Its mutable globals then have the values that they had when the guest was created; its memories and
    /// tables stay as the fault left them. rtw_instance_fault describes the last fault. A slot's spares do not take over. Does not
    /// cover RTW_ERR_ARENA, RTW_ERR_NO_MEMORY and RTW_ERR_TRAP_OTHER, after which the instance is faulted. 0 (default): after a
    /// fault the instance has to be reset.
    pub stateless: u32,
    /// RTW_INITIALIZE_CALL (default) or RTW_INITIALIZE_LEAVE: whether the library calls the export "_initialize" of type "()->()",
    /// by which a WASI reactor initialises itself, once in each new guest: in rtw_instance_create, rtw_instance_reset and spares,
    /// after the start function and under its rules, but with the budget of a dry call.
    pub initialize: u32,
    /// Size of the buffer that holds what the guest prints and logs until on_log of rtw_runtime_config_t receives it, in bytes:
    /// 1 KiB to 16 MiB. A message takes 64 bytes for each 58 of its own. 0 (default): 16 KiB. No buffer is made without on_log,
    /// or if the guest imports nothing that prints or logs. Rounded up to a power of two; memory_limit_bytes does not count it.
    pub log_bytes: u64,
}

/// Describes the fault that ended a call. Call rtw_fault_init first.
#[repr(C)]
pub struct rtw_fault_t {
    /// sizeof(rtw_fault_t), set by rtw_fault_init.
    pub struct_size: u32,
    /// The status that the call returned.
    pub status: rtw_status_t,
    /// If a host function ended the call, the status that it returned; with RTW_ERR_EXITED the guest's exit code; otherwise 0.
    pub host_status: rtw_status_t,
    /// Index of the guest's function in the module, where imports count; -1 if unknown, as for a trap without a signal in a
    /// call of a [setup] function on a thread that is not attached.
    pub function_index: i32,
    /// Offset of the instruction in the module's bytes before compilation; -1 if unknown. It is the function's first
    /// instruction if the stack was exhausted, and in the plugin profile if the call was cut off in a function with more than
    /// 512 polls. In the standalone profile, an out-of-bounds load may report the instruction that uses the loaded value.
    pub wasm_offset: i64,
    /// Name of the function, from the module's name section; "" if there is none.
    pub function_name: [c_char; 128],
    /// Number of times that the guest was refused growth since it was created or reset; see rtw_instance_growth.
    pub refused_growths: u64,
    /// Size before the last refused growth, in bytes of a memory or entries of a table; 0 if none was refused.
    pub refused_from: u64,
    /// Size that the last refused growth asked for, in bytes of a memory or entries of a table; 0 if none was refused.
    pub refused_to: u64,
    /// Why the last growth was refused: one of the RTW_REFUSED_ constants; 0 if none was refused.
    pub refused_by: u32,
    /// 1: the last refused growth was of a table. 0: of a memory.
    pub refused_table: u32,
    /// The fault in one sentence: what, where, and which growth was refused before.
    pub message: [c_char; 512],
}

/// Growth was refused because the instance is prepared.
pub const RTW_REFUSED_PREPARED: u32 = 1;
/// Growth was refused because of a limit of the configuration.
pub const RTW_REFUSED_LIMIT: u32 = 2;
/// Growth was refused because of the maximum that the module declares.
pub const RTW_REFUSED_MAXIMUM: u32 = 3;
/// Growth was refused by the system, or because the reserved address space is used up.
pub const RTW_REFUSED_SYSTEM: u32 = 4;

/// Counts of a guest's attempts to grow its memories and tables (memory.grow, table.grow). Call rtw_growth_init first.
#[repr(C)]
pub struct rtw_growth_t {
    /// sizeof(rtw_growth_t), set by rtw_growth_init.
    pub struct_size: u32,
    /// Growths that succeeded.
    pub granted: u64,
    /// Growths that were refused: the four counts below together.
    pub refused: u64,
    /// Growths refused because the instance is prepared. A guest that needs them needs RTW_GROWTH_AHEAD or
    /// RTW_GROWTH_ALLOWED, or has to grow before prepare.
    pub refused_prepared: u64,
    /// Growths refused because of a limit of the configuration.
    pub refused_limit: u64,
    /// Growths refused because of the maximum that the module declares.
    pub refused_maximum: u64,
    /// Growths refused by the system, or because the reserved address space is used up.
    pub refused_system: u64,
}

/// Address and size of a linear memory. Its layout is final.
#[repr(C)]
pub struct rtw_memory_view_t {
    /// Address of its first byte. The memory does not move until the instance is reset or destroyed.
    pub base: *mut c_void,
    /// Its size now, in bytes; only growth changes it.
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

/// Sets an instance configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_instance_config_t) in the caller's header; rtw_instance_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_config_init_sized(config: *mut rtw_instance_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Creates an instance: initialises memories, tables and globals, links imports, and runs the start function.
///
/// [setup]
/// module   the instance keeps it alive.
/// imports  NULL if the module imports nothing; read only during the call.
/// config   NULL for the defaults; read only during the call.
/// out      receives the instance, to be destroyed with rtw_instance_destroy; NULL on failure.
/// err      NULL, or filled; names the import or limit.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range),
///         RTW_ERR_IMPORT_MISSING, RTW_ERR_IMPORT_TYPE, RTW_ERR_UNSUPPORTED (reference types in an import; RTW_GROWTH_AHEAD
///         in the standalone profile; a budget for a module without the guard; a field is set that is not implemented),
///         RTW_ERR_LIMIT, RTW_ERR_MEMLOCK (the process has called mlockall(MCL_FUTURE), and may not lock the address space
///         that a memory reserves), RTW_ERR_SIGNALS (see rtw_instance_prepare), RTW_ERR_STACK_SIZE (the module has a start
///         function, and the thread's stack has less than guest_stack_bytes and 32 KiB left), RTW_ERR_TRAP_... and
///         RTW_ERR_HOST (the start function ended so). With a budget that cuts off also RTW_ERR_PERMISSION (an attached
///         thread's priority leaves the watchdog no CPU) and RTW_ERR_FORKED (runtime and watchdog belong to the parent
///         process).
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

/// Destroys the caller's handle of an instance. Funcs keep the instance alive. NULL does nothing.
///
/// [setup]  No other thread uses the handle, and the instance is not in a call.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_destroy(instance: *mut rtw_instance_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(instance) });
}

/// Replaces the guest with a new one behind the same handle, after a fault or at any other time: initialises memories, tables
/// and globals, and runs the start function. Funcs stay valid and keep their statistics. Pointers into the guest's memory
/// become invalid: get them again. If the instance was prepared, the new memory is prefaulted; dry calls are not repeated.
/// If the artifact has a reset image (reset_obstacles of rtw_module_info_t is 0), no memory has grown and the host has changed no
/// table, the state is written back in place: that allocates nothing, and cannot fail for lack of memory.
/// Calls meanwhile, from a signal handler or a worker's queue, return RTW_ERR_BUSY.
///
/// [setup]  On the thread that uses the instance, not while it is in a call.
/// err  NULL, or filled. On failure the instance is unchanged.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BUSY, RTW_ERR_FORKED, RTW_ERR_LIMIT (the slot or the runtime may not hold
///         two guests meanwhile), RTW_ERR_MEMLOCK, RTW_ERR_SIGNALS (see rtw_instance_prepare), RTW_ERR_STACK_SIZE (as for
///         rtw_instance_create), RTW_ERR_TRAP_... and RTW_ERR_HOST (the start function ended so).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_reset(instance: *mut rtw_instance_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup(instance, err, || guard::named(instance, "instance")?.turn().reset()) }
}

/// Returns how much memory the instance holds now, in bytes, as the limits of instance, slot and runtime count it; during a
/// reset including the new guest. Returns 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_held_bytes(instance: *const rtw_instance_t) -> u64 {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(instance) }.map_or(0, |instance| instance.core.held.used())
}

/// Returns how many messages of the guest were dropped because the log was full; 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_log_dropped(instance: *const rtw_instance_t) -> u64 {
    // SAFETY: a handle by the API's contract.
    let instance = unsafe { handle::borrow(instance) };
    instance.ok().and_then(|instance| Some(instance.core.log.as_ref()?.drain.dropped())).unwrap_or(0)
}

/// Describes the fault that ended the instance's last call.
///
/// [setup]  On the thread that uses the instance, or on another while no call runs.
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
/// Initialises a fault struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_fault_t) in the caller's header; rtw_fault_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_fault_init_sized(fault: *mut rtw_fault_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(fault, struct_size) };
}

/// Initialises a growth struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_growth_t) in the caller's header; rtw_growth_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_growth_init_sized(growth: *mut rtw_growth_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(growth, struct_size) };
}

/// Counts the guest's attempts to grow memories and tables since the instance was created, including before resets. Calls may
/// continue meanwhile.
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

/// Returns address and size of a linear memory that the module exports or imports.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// name  name of the export, or of the import if nothing is exported under it. NULL: the memory exported as "memory", else the
///       first exported one, else the first imported one.
/// out   receives address and size.
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
            let (base, size) = instance.turn().memory(ffi::optional(name, "name")?)?;
            out.write(rtw_memory_view_t { base: base.cast(), size_bytes: size as u64 });
            Ok(())
        })
    }
}

/// Returns a pointer to `length` bytes at `offset` of the default memory (see rtw_instance_memory), or NULL if the range is
/// out of bounds or the handle is invalid. A guest's pointer is such an offset.
///
/// [rt]  On the thread that uses the instance, also from its host functions.
/// Use it to hand a guest a block of samples or a record, and to follow a pointer that it returns or passes to a host
/// function.
/// offset, length  in bytes.
/// returns  a pointer that is valid until the instance is reset or destroyed; the memory does not move.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_instance_memory_at(instance: *mut rtw_instance_t, offset: u64, length: u64) -> *mut c_void {
    // SAFETY: a handle by the API's contract.
    match unsafe { handle::borrow(instance) } {
        Ok(instance) => guard::real_time(std::ptr::null_mut(), || {
            // SAFETY: the thread has the instance, by the API's contract.
            unsafe { instance.turn() }.memory_at(offset, length).cast()
        }),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Flag: the host vouches that nobody shortens the file while the library has it mapped, whoever owns it.
pub const RTW_MAP_VOUCHED: u32 = 1;

/// Replaces pages of a guest's memory by pages of a file: a buffer that the host, other guests and other processes map as well.
/// The guest loses what it had there (what `rtwasm compile --init` has kept, too), and sees what the file has. Use an aligned
/// range of the guest's own, such as a static array, or pages that the host has added with rtw_instance_memory_grow. Guests that
/// are created later have the pages in the same place: the new guest after a reset, once it has initialised itself, and a slot's
/// spares, if this function was called before the instance was published. Memories that are too small for that grow. This
/// function prefaults the pages, and locks them if the rest of the memory is locked.
///
/// Other processes write to the pages at any time: what a guest has checked may have changed when it reads it again, and a guest's
/// loads and stores, but for atomic ones, are ordered for its own thread only. So hand a part of the buffer from one side to the
/// other: let the host look at a counter with acquire order before it calls the guest, and store it with release order afterwards.
/// A process that can write to the file can change what the guest computes, but nothing outside the guest's memory.
///
/// [setup]  On the thread that uses the instance, not while it is in a call, nor from its host functions.
/// memory       as name of rtw_instance_memory.
/// offset       place in the memory, in bytes; a multiple of the system's page size.
/// length       size in bytes; a multiple of the page size. The memory has at least offset + length bytes.
/// descriptor   a memfd sealed with F_SEAL_SHRINK, or with RTW_MAP_VOUCHED any regular file, which nobody may cut short: SIGBUS
///              would end the process. Open for reading and writing. The library keeps a copy; the caller may close its own.
/// file_offset  place in the file, in bytes; a multiple of the page size.
/// flags        0 or RTW_MAP_VOUCHED.
/// err          NULL, or filled: why it is not mapped. The memory is then as it was.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (a number is no multiple of the page size; a flag is unknown; the
///         range overlaps one that is mapped; the name is not UTF-8), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND, RTW_ERR_BOUNDS
///         (memory or file is too short), RTW_ERR_UNSUPPORTED (no regular file, such as a device's; the file could be
///         shortened; it cannot be mapped), RTW_ERR_PERMISSION (the file is not open for reading and writing, or is sealed
///         against writing), RTW_ERR_IO (no descriptor, or none left), RTW_ERR_MEMLOCK, RTW_ERR_BUSY,
///         RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_map(
    instance: *mut rtw_instance_t,
    memory: *const c_char,
    offset: u64,
    length: u64,
    descriptor: c_int,
    file_offset: u64,
    flags: u32,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let instance = guard::named(instance, "instance")?;
            let memory = ffi::optional(memory, "memory")?.map(str::to_owned);
            if flags & !RTW_MAP_VOUCHED != 0 {
                return Err(out_of_range("flags", flags));
            }
            let file = file::duplicate(descriptor).map_err(|error| Error::os(RTW_ERR_IO, "descriptor", &error))?;
            let mapped = Mapped { memory, offset, bytes: length, file: Arc::new(file), file_offset };
            mapped.check(flags & RTW_MAP_VOUCHED != 0)?;
            instance.turn().map(mapped)
        })
    }
}

/// Reads a global that the module exports or imports.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// name  name of the export, or of the import if nothing is exported under it.
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
            let value = instance.turn().global_get(ffi::required(name, "name")?)?;
            out.cast::<ValRaw>().write(value);
            Ok(())
        })
    }
}

/// Writes a mutable global that the module exports or imports.
///
/// [setup]  On the thread that uses the instance; not while it is in a call, except from its host functions.
/// name   as for rtw_instance_global_get.
/// value  the new value, in the member of the global's type.
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
            instance.turn().global_set(ffi::required(name, "name")?, value.cast::<ValRaw>().read())
        })
    }
}

/// Looks up an exported function and checks its type once, so that calls need not. Each look-up creates a func with
/// statistics of its own.
///
/// [setup]  On the thread that uses the instance, not while it is in a call.
/// name       name of the export.
/// signature  type of the function, such as "(i32,i32,f32)->()"; NULL: any.
/// out        receives the func, to be destroyed with rtw_func_destroy; NULL on failure. It keeps the instance alive.
/// err        NULL, or filled; names the type that the function has.
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
            let name = ffi::required(name, "name")?;
            let signature = ffi::optional(signature, "signature")?.map(Signature::parse).transpose()?;
            let func = instance.turn().func(name, signature.as_ref())?;
            *out = instance.keep(|| handle::create(func))?;
            Ok(())
        })
    }
}

/// Looks up several exported functions in one call, each as rtw_instance_func does.
///
/// [setup]  On the thread that uses the instance, not while it is in a call.
/// wanted  `count` functions; read only during the call.
/// count   number of functions.
/// out     receives `count` funcs, each to be destroyed with rtw_func_destroy; NULL for an optional one that is missing. All
///         are NULL on failure.
/// err     NULL, or filled; names all exports that are missing or of another type.
/// errors: those of rtw_instance_func, for the first function that is missing or of another type; RTW_ERR_ARGUMENT (optional
///         is neither 0 nor 1).
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
                let funcs = instance.turn().funcs(&wanted)?;
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
/// `wanted` has `count` elements, whose strings are NULL or NUL-terminated.
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
            (ffi::required(func.name, "a function's name")?, ffi::optional(func.signature, "a function's signature")?)
        };
        let signature = signature.map(Signature::parse).transpose()?;
        match func.optional {
            0 | 1 => Ok(Wanted { name, signature, optional: func.optional == 1 }),
            other => Err(out_of_range("optional", other)),
        }
    }))
}

/// Destroys a func. NULL does nothing.
///
/// [setup]  No other thread uses the handle, and it is not in a call: not from a host function that it called.
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
    ffi::copy(&fault.to_string(), &mut out.message);
    ffi::copy(fault.place.as_ref().and_then(|place| place.function_name.as_deref()).unwrap_or(""), &mut out.function_name);
}

fn read(config: &rtw_instance_config_t) -> Result<Config> {
    if config.growth != RTW_GROWTH_AHEAD && config.growth_ahead_bytes != 0 {
        return Err(Error::new(RTW_ERR_ARGUMENT, "growth_ahead_bytes is only for RTW_GROWTH_AHEAD"));
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
        initialise: match config.initialize {
            RTW_INITIALIZE_CALL => true,
            RTW_INITIALIZE_LEAVE => false,
            other => return Err(out_of_range("initialize", other)),
        },
        log_bytes: match config.log_bytes {
            0 | 1024..=0x100_0000 => config.log_bytes,
            other => return Err(out_of_range("log_bytes", other)),
        },
        stateless: match config.stateless {
            0 | 1 => config.stateless == 1,
            other => return Err(out_of_range("stateless", other)),
        },
        system: None,
    })
}

/// A time limit; 0 is none.
fn limit(field: &str, ns: u64) -> Result<Option<NonZeroU64>> {
    match ns {
        0..=LONGEST_NS => Ok(NonZeroU64::new(ns)),
        other => Err(out_of_range(field, other)),
    }
}
