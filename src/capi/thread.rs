//! Attaching and detaching threads.

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::instance::{RTW_DENORMALS_KEEP, denormals};
use super::runtime::{RTW_SCHED_KEEP, out_of_range, rtw_runtime_t, scheduling};
use crate::engine::runtime::Runtime;
use crate::rt::alloc::DEFAULT_ARENA_BYTES;
use crate::rt::thread::{Attach, CPU_SET_WORDS};
use crate::status::*;

/// Scheduling and affinity as the runtime's configuration says.
pub const RTW_SCHED_RUNTIME: u32 = 0x7fff_ffff;

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
    /// What a failing call may take from the thread's arena, in bytes: 0 (default) for 64 KiB less its header, which is also
    /// the most.
    pub arena_bytes: u32,
    /// Zero.
    pub reserved: [u64; 8],
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_thread_config_t {}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_config_init(config: *mut rtw_thread_config_t) {
    if !config.is_null() {
        // SAFETY: writable by the API's contract.
        unsafe { config.write(defaults()) };
    }
}

pub fn defaults() -> rtw_thread_config_t {
    rtw_thread_config_t {
        struct_size: size_of::<rtw_thread_config_t>() as u32,
        sched_policy: RTW_SCHED_RUNTIME,
        priority: 0,
        cpu: -1,
        denormals: RTW_DENORMALS_KEEP,
        arena_bytes: 0,
        reserved: [0; 8],
    }
}

/// Prepares the calling thread for real-time calls: scheduling and affinity set where asked, the engine's per-thread state
/// set up, in the standalone profile an alternate signal stack put in force and SIGSEGV, SIGILL and SIGFPE unblocked where the
/// thread blocks them, and the runtime's housekeeper started to look after that, the stack touched down to what guests may use, an arena made
/// ready from which a failing call is served instead of from malloc. A thread may be attached to several runtimes, but only
/// once to each. A thread that ends without detaching leaks nothing.
///
/// [setup]  On the thread itself, before its deadlines matter.
/// config  NULL: as the runtime's configuration says.
/// err     NULL, or filled. Nothing is changed on failure.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT, RTW_ERR_ATTACHED, RTW_ERR_PERMISSION
///         (scheduling or affinity), RTW_ERR_STACK_SIZE (with the numbers), RTW_ERR_MEMLOCK (only where locking is required),
///         RTW_ERR_NO_MEMORY, RTW_ERR_SIGNALS (standalone: somebody replaced the engine's handlers; the message names whose are
///         there).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_attach(
    runtime: *mut rtw_runtime_t,
    config: *const rtw_thread_config_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let runtime = guard::named(runtime, "runtime")?;
            let wanted = match guard::optional_struct(config, "config")? {
                Some(config) => wanted(runtime, config)?,
                None => runtime.default_attach(),
            };
            runtime.attach(&wanted)
        })
    }
}

/// Ends the calling thread's attachment and puts back what it found: scheduling, affinity, the treatment of denormals; with the last
/// attachment of the standalone profile the alternate signal stack, unless the host has set another meanwhile, and blocked
/// signals, those included that the host blocked while attached and a [setup] function unblocked. A stack that was locked stays locked until the thread ends, since the host may have locked it too.
///
/// [setup]  On the thread itself.
/// err  NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_NOT_ATTACHED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_thread_detach(runtime: *mut rtw_runtime_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup_apart(err, || guard::named(runtime, "runtime")?.detach()) }
}

/// What the configuration asks for, and the runtime's where it does not.
pub fn wanted(runtime: &Runtime, config: &rtw_thread_config_t) -> Result<Attach> {
    guard::reserved_is_zero(&config.reserved)?;
    let mut wanted = runtime.default_attach();
    if config.sched_policy != RTW_SCHED_RUNTIME {
        wanted.scheduling = scheduling(config.sched_policy, config.priority)?;
    } else if config.priority != 0 {
        // A priority without a policy is a policy forgotten.
        scheduling(RTW_SCHED_KEEP, config.priority)?;
    }
    wanted.denormals = denormals(config.denormals)?;
    if config.arena_bytes != 0 {
        wanted.arena_bytes = config.arena_bytes as usize;
    }
    if wanted.arena_bytes > DEFAULT_ARENA_BYTES {
        return Err(out_of_range("arena_bytes", config.arena_bytes));
    }
    match usize::try_from(config.cpu) {
        Ok(cpu) if cpu < CPU_SET_WORDS * 64 => {
            let mut set = [0; CPU_SET_WORDS];
            set[cpu / 64] = 1 << (cpu % 64);
            wanted.cpus = Some(set);
        }
        Err(_) if config.cpu == -1 => {}
        _ => return Err(out_of_range("cpu", config.cpu)),
    }
    Ok(wanted)
}
