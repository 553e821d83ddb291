//! Threads: attaching them for real-time calls, and detaching them.

use std::ffi::c_void;
use std::ops::Range;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle;
use super::runtime::{RTW_DENORMALS_KEEP, RTW_SCHED_KEEP, denormals, rtw_runtime_t, scheduling};
use crate::engine::runtime::Runtime;
use crate::ffi::out_of_range;
use crate::rt::arena::MOST_ARENA_BYTES;
use crate::rt::attach::Attach;
use crate::status::*;
use crate::sys::affinity::CpuSet;

/// Uses the runtime's sched_policy and priority.
pub const RTW_SCHED_RUNTIME: u32 = 0x7fff_ffff;

/// Most stacks that a thread can declare.
pub const RTW_STACKS: u32 = 1024;

/// Calls defer a cancellation of the thread until they return, if its cancel type is asynchronous when it attaches.
pub const RTW_CANCEL_DEFER: u32 = 0;
/// Calls do not defer a cancellation: the host does, or no thread cancels this one while it is in a call.
pub const RTW_CANCEL_IGNORE: u32 = 1;

/// A stack other than the thread's own: a coroutine's, a signal handler's. Its layout is final.
#[repr(C)]
pub struct rtw_stack_t {
    /// Its lowest address. The memory must be mapped and writable; a guard page below does not belong to it.
    pub base: *mut c_void,
    /// Its size in bytes: at least guest_stack_bytes and 32 KiB.
    pub bytes: u64,
}

/// Configuration of an attachment. Call rtw_thread_config_init first.
#[repr(C)]
pub struct rtw_thread_config_t {
    /// sizeof(rtw_thread_config_t), set by rtw_thread_config_init.
    pub struct_size: u32,
    /// Scheduling policy of the thread: RTW_SCHED_RUNTIME (default), RTW_SCHED_KEEP, RTW_SCHED_OTHER, RTW_SCHED_FIFO or
    /// RTW_SCHED_RR.
    pub sched_policy: u32,
    /// Priority for sched_policy: 1 to 99 for RTW_SCHED_FIFO and RTW_SCHED_RR, otherwise 0.
    pub priority: i32,
    /// The one CPU to run on. -1 (default): the runtime's cpu_set.
    pub cpu: i32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread handles denormal numbers until
    /// it is detached, also in the host's own code.
    pub denormals: u32,
    /// Number of stacks, at most RTW_STACKS.
    pub stack_count: u32,
    /// RTW_CANCEL_DEFER (default) or RTW_CANCEL_IGNORE. Matters for threads whose cancel type is asynchronous when they
    /// attach, such as JACK's callback threads. With RTW_CANCEL_DEFER, rtw_invoke, rtw_invoke_budget, rtw_slot_begin,
    /// rtw_slot_end and rtw_slot_invoke defer a cancellation until they return, which takes about 42 ns and no system call
    /// (docs/hosts.md). Calls on other threads take no longer.
    pub on_cancel: u32,
    /// Most bytes that a failing call may take from the thread's arena. 0 (default): 16 KiB less a header of 128 bytes. At
    /// most 64 KiB less this header.
    pub arena_bytes: u64,
    /// Further stacks that guests are called on, for hosts with coroutines; NULL if there are none. Copied. The library
    /// prefaults them, and locks them as the runtime's configuration says. They must not overlap each other or the thread's
    /// own stack, and must stay mapped until the thread is detached. Several threads may declare the same stack.
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

/// Sets a thread configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_thread_config_t) in the caller's header; rtw_thread_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_config_init_sized(config: *mut rtw_thread_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Attaches the calling thread to a runtime, so that it can call guests in real time: on its own stack and on those that it
/// declares. Sets scheduling and affinity if configured; sets up the engine's state of the thread; prefaults the stack that
/// guests may use; reserves an arena from which failing calls allocate instead of from malloc. If the runtime may load
/// standalone artifacts, also installs an alternate signal stack, unblocks SIGSEGV, SIGILL and SIGFPE, and starts the
/// housekeeper, which checks them. A thread may attach to several runtimes, once to each. A thread that ends without
/// detaching leaks nothing.
///
/// [setup]  On the thread itself, on its own stack (not a coroutine's), before its deadlines matter.
/// config  NULL: as the runtime's configuration says.
/// err     NULL, or filled. On failure nothing is changed.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; a stack overlaps
///         another one or the thread's own, or is not writable), RTW_ERR_ATTACHED, RTW_ERR_PERMISSION (the system refuses the
///         scheduling; a CPU does not exist or is not for this process; instances have budgets, and the thread's priority
///         would leave the watchdog no CPU), RTW_ERR_STACK_SIZE (the thread's stack has too little left; the thread is on
///         another stack; a declared stack is too small), RTW_ERR_MEMLOCK (only with RTW_LOCK_REQUIRED), RTW_ERR_IO (the
///         system does not report where the stack is), RTW_ERR_SIGNALS (standalone: the engine's handlers were replaced; the
///         message says by whom).
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

/// Detaches the calling thread from a runtime, and restores its scheduling, affinity and denormals. The last detachment from
/// a runtime that may load the standalone profile also restores the alternate signal stack, unless the host has set another
/// meanwhile, and the blocked signals, including those that the host blocked while attached and a [setup] function unblocked.
/// A stack that was locked stays locked until the thread ends, because the host may have locked it too.
///
/// [setup]  On the thread itself.
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NOT_ATTACHED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_thread_detach(runtime: *const rtw_runtime_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup_apart(err, || guard::named(runtime, "runtime")?.detach()) }
}

/// Returns whether the calling thread is attached to a runtime, for the host's assertions.
///
/// [any]
/// returns  1 if it is; 0 if it is not or the handle is invalid.
/// real time: allocates 0, locks 0, system calls 0, page faults 0 on an attached thread; one comparison per attached runtime.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_is_attached(runtime: *const rtw_runtime_t) -> i32 {
    // SAFETY: a handle by the API's contract.
    guard::real_time(0, || i32::from(unsafe { handle::borrow(runtime) }.is_ok_and(|runtime| runtime.is_attached())))
}

/// The attachment that the configuration asks for, with the runtime's values for the rest.
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
        bytes if bytes <= MOST_ARENA_BYTES as u64 => wanted.arena_bytes = bytes as usize,
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
