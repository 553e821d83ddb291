//! Attaching and detaching threads.

use std::ffi::c_void;
use std::ops::Range;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle;
use super::runtime::{RTW_DENORMALS_KEEP, RTW_SCHED_KEEP, denormals, out_of_range, rtw_runtime_t, scheduling};
use crate::engine::runtime::Runtime;
use crate::rt::arena::DEFAULT_ARENA_BYTES;
use crate::rt::attach::Attach;
use crate::status::*;
use crate::sys::affinity::CpuSet;

/// Scheduling and affinity as the runtime's configuration says.
pub const RTW_SCHED_RUNTIME: u32 = 0x7fff_ffff;

/// The most stacks that a thread may declare.
pub const RTW_STACKS: u32 = 1024;

/// Calls hold off what would cancel the thread, where its cancel type is asynchronous when it is attached.
pub const RTW_CANCEL_DEFER: u32 = 0;
/// Calls do not: the host does, or nobody cancels the thread while it is in a call.
pub const RTW_CANCEL_IGNORE: u32 = 1;

/// A stack that is not the thread's own: a coroutine's, a signal handler's.
#[repr(C)]
pub struct rtw_stack_t {
    /// Its lowest address. Memory that is mapped and writable: a guard page below it is not part of it.
    pub base: *mut c_void,
    /// Its size: at least guest_stack_bytes and 32 KiB.
    pub bytes: u64,
}

/// What a thread shall get. Call rtw_thread_config_init first.
#[repr(C)]
pub struct rtw_thread_config_t {
    /// sizeof(rtw_thread_config_t), set by rtw_thread_config_init.
    pub struct_size: u32,
    /// RTW_SCHED_RUNTIME (default): as the runtime's configuration says; or RTW_SCHED_KEEP, _OTHER, _FIFO, _RR.
    pub sched_policy: u32,
    /// Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
    pub priority: i32,
    /// The one CPU to run on, or -1 (default): as the runtime's configuration says.
    pub cpu: i32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread treats denormal numbers until it
    /// is detached, the host's own code included.
    pub denormals: u32,
    /// How many stacks there are, at most RTW_STACKS.
    pub stack_count: u32,
    /// RTW_CANCEL_DEFER (default) or RTW_CANCEL_IGNORE. It concerns threads whose cancel type is asynchronous when they are
    /// attached, as JACK's are that run its clients' callbacks. With RTW_CANCEL_DEFER, rtw_invoke, rtw_invoke_budget,
    /// rtw_slot_begin, rtw_slot_end and rtw_slot_invoke hold a cancellation off; it happens when they return. That takes four
    /// changes of a word of the thread's own and no system call, about 42 ns (docs/hosts.md). Calls on other threads take no longer.
    pub on_cancel: u32,
    /// What a failing call may take from the thread's arena, in bytes: 0 (default) for 64 KiB less its header, which is also
    /// the most.
    pub arena_bytes: u64,
    /// Stacks beside the thread's own that guests are called on, for hosts with coroutines; NULL where there are none. Copied.
    /// They are made present, and locked as the runtime's configuration says; they lie apart from each other and from the
    /// thread's own stack, and stay mapped until the thread is detached. Several threads may declare the same one.
    pub stacks: *const rtw_stack_t,
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_thread_config_t {
    fn set_defaults(&mut self) {
        self.sched_policy = RTW_SCHED_RUNTIME;
        self.cpu = -1;
        self.denormals = RTW_DENORMALS_KEEP;
    }
}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_thread_config_t) as the caller knows it: rtw_thread_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_config_init_sized(config: *mut rtw_thread_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Prepares the calling thread for real-time calls: scheduling and affinity set where asked, the engine's per-thread state
/// set up, where the runtime may load the standalone profile an alternate signal stack put in force and SIGSEGV, SIGILL and
/// SIGFPE unblocked where the
/// thread blocks them, and the runtime's housekeeper started to look after that, the stack touched down to what guests may use,
/// an arena made
/// ready from which a failing call is served instead of from malloc. A thread may be attached to several runtimes, but only
/// once to each. A thread that ends without detaching leaks nothing. From here on guests of the runtime may be called on this
/// thread, on its own stack and on those that it declares.
///
/// [setup]  On the thread itself, on its own stack (not a coroutine's), before its deadlines matter.
/// config  NULL: as the runtime's configuration says.
/// err     NULL, or filled. Nothing is changed on failure.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; a stack overlaps
///         another one or the thread's own, or is not writable), RTW_ERR_ATTACHED, RTW_ERR_PERMISSION (scheduling;
///         a CPU that is not there, or not for this process; a priority that leaves the watchdog of the runtime's budgets no CPU),
///         RTW_ERR_STACK_SIZE (the thread's stack has too little left, with the numbers; it is on another stack; a declared one
///         is too small), RTW_ERR_MEMLOCK (only where locking is required),
///         RTW_ERR_NO_MEMORY, RTW_ERR_IO (the system does not tell where the stack is), RTW_ERR_SIGNALS (standalone: somebody
///         replaced the engine's handlers; the message names whose are there).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_thread_attach(
    runtime: *const rtw_runtime_t,
    config: *const rtw_thread_config_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let runtime = guard::named(runtime, "runtime")?;
            let wanted = match guard::optional_struct(config, "config")? {
                Some(config) => wanted(runtime, &config)?,
                None => runtime.default_attach(),
            };
            runtime.attach(&wanted)
        })
    }
}

/// Ends the calling thread's attachment and puts back what it found: scheduling, affinity, the treatment of denormals; with the last
/// attachment of the standalone profile the alternate signal stack, unless the host has set another meanwhile, and blocked
/// signals, those included that the host blocked while attached and a [setup] function unblocked. A stack that was locked stays
/// locked until the thread ends, since the host may have locked it too.
///
/// [setup]  On the thread itself.
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NOT_ATTACHED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_thread_detach(runtime: *const rtw_runtime_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup_apart(err, || guard::named(runtime, "runtime")?.detach()) }
}

/// Whether the calling thread is attached to the runtime, for assertions of the host's.
///
/// [any]
/// returns  1: it is; 0: it is not, or there is no such runtime.
/// real time: allocates 0, locks 0, system calls 0, page faults 0 on an attached thread; a comparison for each runtime that the
///            thread is attached to.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_is_attached(runtime: *const rtw_runtime_t) -> i32 {
    // SAFETY: a handle by the API's contract.
    guard::real_time(0, || i32::from(unsafe { handle::borrow(runtime) }.is_ok_and(|runtime| runtime.is_attached())))
}

/// What the configuration asks for, and the runtime's where it does not.
///
/// # Safety
/// There are as many stacks as it says.
pub unsafe fn wanted(runtime: &Runtime, config: &rtw_thread_config_t) -> Result<Attach> {
    let mut wanted = runtime.default_attach();
    wanted.defer_cancellation = match config.on_cancel {
        RTW_CANCEL_DEFER => true,
        RTW_CANCEL_IGNORE => false,
        other => return Err(out_of_range("on_cancel", other)),
    };
    if config.sched_policy != RTW_SCHED_RUNTIME {
        wanted.scheduling = scheduling(config.sched_policy, config.priority)?;
    } else if config.priority != 0 {
        // A priority without a policy is a policy forgotten.
        scheduling(RTW_SCHED_KEEP, config.priority)?;
    }
    wanted.denormals = denormals(config.denormals)?;
    match config.arena_bytes {
        0 => {}
        bytes if bytes <= DEFAULT_ARENA_BYTES as u64 => wanted.arena_bytes = bytes as usize,
        other => return Err(out_of_range("arena_bytes", other)),
    }
    // SAFETY: as many as the caller says.
    wanted.stacks = unsafe { stacks(config) }?;
    match usize::try_from(config.cpu) {
        Ok(cpu) => wanted.cpus = Some(CpuSet::only(cpu).ok_or_else(|| out_of_range("cpu", config.cpu))?),
        Err(_) if config.cpu == -1 => {}
        Err(_) => return Err(out_of_range("cpu", config.cpu)),
    }
    Ok(wanted)
}

/// The stacks that a thread declares.
unsafe fn stacks(config: &rtw_thread_config_t) -> Result<Vec<Range<usize>>> {
    if config.stack_count > RTW_STACKS {
        return Err(out_of_range("stack_count", config.stack_count));
    }
    if config.stack_count == 0 {
        return Ok(vec![]);
    }
    if config.stacks.is_null() {
        return Err(Error::new(RTW_ERR_NULL, format!("stacks is NULL, and stack_count is {}", config.stack_count)));
    }
    // SAFETY: as many as the caller says.
    let stacks = unsafe { std::slice::from_raw_parts(config.stacks, config.stack_count as usize) };
    let range = |(at, stack): (usize, &rtw_stack_t)| {
        let base = stack.base as usize;
        match usize::try_from(stack.bytes).ok().and_then(|bytes| base.checked_add(bytes)) {
            Some(end) if base != 0 => Ok(base..end),
            Some(_) => Err(Error::new(RTW_ERR_NULL, format!("stacks[{at}]: base is NULL"))),
            None => Err(Error::new(RTW_ERR_ARGUMENT, format!("stacks[{at}] ends beyond the address space"))),
        }
    };
    stacks.iter().enumerate().map(range).collect()
}
