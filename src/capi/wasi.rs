//! The system that guests see: WASI preview 1 and language runtimes' own names.

use std::ffi::c_char;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::imports::rtw_imports_t;
use crate::engine::native::Setup;
use crate::ffi;
use crate::status::*;

/// The system that guests see. Call rtw_wasi_config_init first.
#[repr(C)]
pub struct rtw_wasi_config_t {
    /// sizeof(rtw_wasi_config_t), set by rtw_wasi_config_init.
    pub struct_size: u32,
    /// Number of elements of args.
    pub arg_count: u32,
    /// The arguments of the program, its name first; copied.
    pub args: *const *const c_char,
    /// The environment, as "NAME=value"; copied.
    pub env: *const *const c_char,
    /// Number of elements of env.
    pub env_count: u32,
    /// Seed of the random numbers. 0 (default): rtw_imports_wasi takes a seed from the system, and no two guests get the same
    /// numbers. Otherwise every guest gets the same numbers, and whoever knows the seed knows them.
    pub seed: u64,
    /// NULL (default): guests' clocks show the time of the library's clock (see rtw_clock_step_ns). rtw_imports_wasi sets it to
    /// the system's time; later adjustments of the system's do not reach it. Otherwise a word of the host's, such as the time
    /// of the current block: all clocks of all guests show its value, in ns. It is aligned to 8 bytes, read atomically, and
    /// must stay valid as long as any instance that was linked against the list.
    pub time_ns: *const u64,
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_wasi_config_t {}

/// Sets a WASI configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_wasi_config_t) in the caller's header; rtw_wasi_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_wasi_config_init_sized(config: *mut rtw_wasi_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Provides WASI preview 1 to guests ("wasi_snapshot_preview1", "wasi_unstable"), and under "env" what the runtimes of AssemblyScript
/// (abort, trace, seed, console.log and its like, Date.now) and Emscripten (abort, exit, __assert_fail, emscripten_get_now and
/// others) import. All of it is quiet: no call of it allocates, blocks or makes a system call. What guests print goes to on_log of
/// rtw_runtime_config_t, line by line. proc_exit ends the guest: see RTW_ERR_EXITED. There are no files: standard input is at its
/// end, and other descriptors return EBADF. poll_oneoff reports every subscription as ready at once, so sleeping takes no time. All
/// other functions return ENOSYS. One call writes at most 64 KiB; random_get returns EINVAL for more. If the list has a host function
/// of the same name, guests call that. A second call of rtw_imports_wasi replaces the configuration for instances that are created
/// later.
///
/// [setup]  Without time_ns, waits until the library's clock is exact: 20 ms after the first rtw_runtime_create of the process.
/// config  NULL for the defaults; read only during the call, but for time_ns.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a string is not UTF-8; time_ns is not aligned), RTW_ERR_IO
///         (the system gives no random numbers).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_imports_wasi(
    imports: *mut rtw_imports_t,
    config: *const rtw_wasi_config_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let imports = guard::named(imports, "imports")?;
            let config = guard::optional_struct(config, "config")?.unwrap_or_else(guard::Sized32::defaults);
            if !config.time_ns.is_aligned() {
                return Err(Error::new(RTW_ERR_ARGUMENT, "time_ns is not aligned to 8 bytes"));
            }
            let args = strings(config.args, config.arg_count, "args")?;
            let env = strings(config.env, config.env_count, "env")?;
            let setup = Setup::new(args, env, config.seed, config.time_ns.cast())?;
            imports.provide(|sets| sets.system = Some(setup));
            Ok(())
        })
    }
}

/// # Safety
/// The list has `count` strings, which are NULL or NUL-terminated.
unsafe fn strings<'a>(list: *const *const c_char, count: u32, what: &str) -> Result<Vec<&'a str>> {
    if count != 0 && list.is_null() {
        return Err(Error::new(RTW_ERR_NULL, format!("{what} is NULL")));
    }
    // SAFETY: passed on.
    (0..count as usize).map(|at| unsafe { ffi::required(*list.add(at), what) }).collect()
}
