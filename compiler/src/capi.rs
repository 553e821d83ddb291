//! The compiler's C API: the boundary only. `include/rtwasm_compiler.h` is made from this file.
//!
//! librtwasm_compiler.so is a library of its own beside librtwasm.so, with an engine of its own; what passes between them
//! is the artifact.
#![allow(non_camel_case_types)]
// The entries' comments state their requirements, in the header's words.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use rtwasm::engine::profile::{self, DEFAULT_GUEST_STACK_BYTES, Interruption, Profile, Settings};
use rtwasm::rt::reserve;
use rtwasm::sized::{self, Sized32};
use rtwasm::status::*;

use crate::limits::Limits;
use crate::{Cpu, Opt, Options, Reservation, Target};

/// Compile fast; the code is slow.
pub const RTW_COMPILE_OPT_NONE: u32 = 0;
/// The fastest code.
pub const RTW_COMPILE_OPT_SPEED: u32 = 1;
/// Fast code, and smaller where that costs little.
pub const RTW_COMPILE_OPT_SIZE: u32 = 2;

/// Nothing is compiled in to interrupt the guest.
pub const RTW_COMPILE_INTERRUPTION_NONE: u32 = 0;
/// The engine's epoch checks: for comparison.
pub const RTW_COMPILE_INTERRUPTION_EPOCH: u32 = 1;
/// The engine's fuel counting: for comparison.
pub const RTW_COMPILE_INTERRUPTION_FUEL: u32 = 2;
/// The budget guard: polls at loop headers, through which the watchdog ends a call that runs too long.
pub const RTW_COMPILE_INTERRUPTION_GUARD: u32 = 3;

/// 4 GiB of address space are set aside for each linear memory, which lets the standalone profile leave bounds checks out; there,
/// 64 MiB of guard pages come to each, and as much again for the memory that the budget guard puts in. rtw_module_probe of
/// rtwasm.h tells the sum.
pub const RTW_COMPILE_RESERVATION_FULL: u32 = 0;
/// As much is set aside as the module declares as its maximum: for processes whose locked or total memory is limited.
/// Accesses are then checked in the code, in both profiles.
pub const RTW_COMPILE_RESERVATION_DECLARED: u32 = 1;

/// How a module is compiled. Call rtw_compile_options_init first.
#[repr(C)]
pub struct rtw_compile_options_t {
    /// sizeof(rtw_compile_options_t), set by rtw_compile_options_init.
    pub struct_size: u32,
    /// RTW_PROFILE_STANDALONE (default) or RTW_PROFILE_PLUGIN: that of the runtime which will load the artifact.
    pub profile: u32,
    /// RTW_COMPILE_OPT_SPEED (default), RTW_COMPILE_OPT_SIZE or RTW_COMPILE_OPT_NONE.
    pub opt_level: u32,
    /// RTW_COMPILE_INTERRUPTION_GUARD (default) or another: whether time budgets can be enforced, and by which means.
    pub interruption: u32,
    /// "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu"; NULL (default): this machine.
    pub target: *const c_char,
    /// "native": what this machine has. "baseline": runs on every machine of the target. Otherwise features such as "avx2,fma",
    /// which bring those they build on. NULL (default): native when the target is this machine, else baseline.
    pub cpu: *const c_char,
    /// RTW_COMPILE_RESERVATION_FULL (default) or RTW_COMPILE_RESERVATION_DECLARED.
    pub reservation: u32,
    /// The most functions that the module may define. 0 (default): 500,000.
    pub max_functions: u32,
    /// The longest module, as it is given and in binary form, in bytes. 0 (default): 256 MiB.
    pub max_module_bytes: u64,
    /// The most blocks, loops and ifs inside each other in one function. 0 (default): 10,000.
    pub max_nesting: u32,
    /// The most locals of one function, parameters not counted. 0 (default): 50,000, and there may not be more.
    pub max_locals: u32,
    /// The longest that compiling may take, in ms. 0 (default): ten minutes. The code generator cannot be stopped: past this the call
    /// returns, and the threads that help go on in the background until they are through with the module, and end then.
    /// The time grows with the square of the loops in one function: 10,000 short ones took 2 s with a budget and without one, 100,000
    /// took 4 minutes without one.
    pub max_time_ms: u64,
}

/// What went wrong, as rtwasm.h declares it.
#[repr(C)]
pub struct rtw_error_t {
    pub status: rtw_status_t,
    pub os_error: i32,
    pub message: [c_char; 504],
}

// SAFETY: its first field is its size, the others are numbers and pointers that may be NULL.
unsafe impl Sized32 for rtw_compile_options_t {
    fn set_defaults(&mut self) {
        self.opt_level = RTW_COMPILE_OPT_SPEED;
        self.interruption = RTW_COMPILE_INTERRUPTION_GUARD;
        self.reservation = RTW_COMPILE_RESERVATION_FULL;
    }
}

const _: () = assert!(size_of::<rtw_error_t>() == 512);
const _: () = assert!(size_of::<rtw_compile_options_t>() == 4 * 4 + 2 * size_of::<usize>() + 2 * 4 + 3 * 8);

/// Fills options with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_compile_options_t) as the caller knows it: rtw_compile_options_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_compile_options_init_sized(options: *mut rtw_compile_options_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { sized::init(options, struct_size) };
}

/// Compiles a WebAssembly module, in binary or text form, into an artifact for rtw_module_load.
///
/// [setup]  Any number of threads at once. The threads that help are ordinary ones with all signals blocked, and are gone when
///          the call returns, unless it returns because of max_time_ms. They have the stack that they need; the caller's may be
///          small. The process's signal handlers are as before; the first call, though, should not run while another thread
///          installs handlers (rtw_runtime_create does), since it restores those it found.
/// wasm_or_wat, length  the module; read only during the call.
/// options          NULL for the defaults; read only during the call.
/// artifact         receives the artifact, to be freed with rtw_compile_free; NULL on failure.
/// artifact_length  receives its length in bytes; 0 on failure.
/// err              NULL, or filled: what is wrong with the module, and where.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, a CPU feature is not known),
///         RTW_ERR_WASM (malformed or invalid, or no WebAssembly), RTW_ERR_PROPOSAL (needs something that is off),
///         RTW_ERR_UNSUPPORTED (no such target, beyond the code generator's limits, or a name with a zero byte in it), RTW_ERR_LIMIT
///         (one of the max_ fields, which the message names), RTW_ERR_NO_MEMORY, RTW_ERR_INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_compile(
    wasm_or_wat: *const c_void,
    length: usize,
    options: *const rtw_compile_options_t,
    artifact: *mut *mut c_void,
    artifact_length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    silence_panics();
    // SAFETY: pointers are NULL or valid by the API's contract.
    let outcome = fallible(|| unsafe {
        let outputs = outputs(artifact, artifact_length)?;
        let input = input(wasm_or_wat, length)?;
        let options = read_options(options)?;
        let compiled = reserve::with_room(room_bytes(length), || {
            keep_signal_handlers();
            crate::compile(input, &options, &mut |_| {})
        })?;
        Ok((compiled, outputs))
    });
    let outcome = outcome.and_then(|(compiled, outputs)| hand_over(&compiled, outputs));
    let error = outcome.map_or_else(|error| error, |()| Error::new(RTW_OK, ""));
    // SAFETY: as above.
    unsafe { fill(err, &error) };
    error.status
}

/// Frees an artifact made by rtw_compile. NULL does nothing. A module that was loaded from it does not need it any more.
///
/// [setup]
/// artifact, length  as rtw_compile returned them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_compile_free(artifact: *mut c_void, length: usize) {
    // For an allocator that will want to know; today's does not.
    let _ = length;
    // SAFETY: from `hand_over`, by the API's contract, or NULL.
    unsafe { libc::free(artifact) };
}

/// Runs code that allocates, on any threads: if the system refused memory to one of them, the code has ended by other means,
/// and returns RTW_ERR_NO_MEMORY. So do all compilations at that time, since the refusal does not say which one it concerned.
fn fallible<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    if !reserve::is_ready() {
        return Err(reserve::exhausted());
    }
    let before = reserve::times_asked();
    match crate::caught(work) {
        Err(error) if error.status == RTW_ERR_NO_MEMORY => Err(error),
        _ if reserve::times_asked() != before => Err(reserve::exhausted()),
        outcome => outcome,
    }
}

/// The most memory for compiling a module of that length, intermediate results included.
fn room_bytes(length: usize) -> usize {
    const LEAST: usize = 64 << 20;
    const TIMES: usize = 2048;
    const MOST: usize = 1 << 30;
    length.saturating_mul(TIMES).saturating_add(LEAST).min(MOST)
}

/// Keeps panics from printing. This library has a copy of the standard library to itself, so this hook is nobody else's.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Creates an engine with the standalone profile's settings, and restores the signal handlers that were there before. The first
/// such engine installs handlers, which are for running code, and this library never does that: left in place they would come
/// between guests' faults and the handlers of librtwasm.so.
fn keep_signal_handlers() {
    static ARE_KEPT: Mutex<bool> = Mutex::new(false);
    let mut are_kept = ARE_KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if *are_kept {
        return;
    }
    const SIGNALS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS];
    // SAFETY: all-zero is a valid sigaction to be filled in; the handlers are restored as they were.
    unsafe {
        let before = SIGNALS.map(|signal| {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut action);
            action
        });
        // If it cannot be made, compiling will say so, and the next call comes here again.
        let made = profile::engine(&Settings::new(Profile::Standalone), DEFAULT_GUEST_STACK_BYTES);
        for (signal, action) in SIGNALS.iter().zip(&before) {
            libc::sigaction(*signal, action, std::ptr::null_mut());
        }
        *are_kept = made.is_ok();
    }
}

type Outputs<'a> = (&'a mut *mut c_void, &'a mut usize);

/// # Safety
/// Both NULL or writable.
unsafe fn outputs<'a>(artifact: *mut *mut c_void, length: *mut usize) -> Result<Outputs<'a>> {
    // SAFETY: passed on.
    let (artifact, length) = unsafe { (artifact.as_mut(), length.as_mut()) };
    // An output is cleared even if the other one is missing, so that the caller does not free an unset pointer.
    let artifact = artifact.map(|artifact| {
        *artifact = std::ptr::null_mut();
        artifact
    });
    let length = length.map(|length| {
        *length = 0;
        length
    });
    Ok((artifact.ok_or_else(|| is_null("artifact"))?, length.ok_or_else(|| is_null("artifact_length"))?))
}

fn is_null(what: &str) -> Error {
    Error::new(RTW_ERR_NULL, format!("{what} is NULL"))
}

/// # Safety
/// `from` is NULL or readable for `length` bytes.
unsafe fn input<'a>(from: *const c_void, length: usize) -> Result<&'a [u8]> {
    if from.is_null() {
        return Err(is_null("wasm_or_wat"));
    }
    if length > isize::MAX as usize {
        return Err(out_of_range("length", length));
    }
    // SAFETY: as the caller promises, and not longer than an object can be.
    Ok(unsafe { std::slice::from_raw_parts(from.cast(), length) })
}

/// # Safety
/// NULL or readable for as long as its own first field says, with strings as the header says.
unsafe fn read_options(from: *const rtw_compile_options_t) -> Result<Options> {
    if from.is_null() {
        // SAFETY: live, and its strings are NULL.
        return unsafe { options(&rtw_compile_options_t::defaults()) };
    }
    // SAFETY: passed on.
    unsafe { options(&sized::read(from, "options")?) }
}

/// # Safety
/// Its strings are NULL or NUL-terminated.
unsafe fn options(from: &rtw_compile_options_t) -> Result<Options> {
    let profile = match from.profile {
        // rtwasm.h's RTW_PROFILE_STANDALONE and RTW_PROFILE_PLUGIN.
        0 => Profile::Standalone,
        1 => Profile::Plugin,
        other => return Err(out_of_range("profile", other)),
    };
    // SAFETY: passed on.
    let (target, cpu) = unsafe { (optional_text(from.target, "target")?, optional_text(from.cpu, "cpu")?) };
    let mut options = match target {
        Some(triple) => Options::for_target(profile, Target::from_triple(triple)?),
        None => Options::for_host(profile)?,
    };
    if let Some(cpu) = cpu {
        options.cpu = Cpu::from_text(cpu)?;
    }
    options.opt = match from.opt_level {
        RTW_COMPILE_OPT_NONE => Opt::None,
        RTW_COMPILE_OPT_SPEED => Opt::Speed,
        RTW_COMPILE_OPT_SIZE => Opt::SpeedAndSize,
        other => return Err(out_of_range("opt_level", other)),
    };
    options.interruption = match from.interruption {
        RTW_COMPILE_INTERRUPTION_NONE => Interruption::None,
        RTW_COMPILE_INTERRUPTION_EPOCH => Interruption::Epoch,
        RTW_COMPILE_INTERRUPTION_FUEL => Interruption::Fuel,
        RTW_COMPILE_INTERRUPTION_GUARD => Interruption::Guard,
        other => return Err(out_of_range("interruption", other)),
    };
    options.reservation = match from.reservation {
        RTW_COMPILE_RESERVATION_FULL => Reservation::Full,
        RTW_COMPILE_RESERVATION_DECLARED => Reservation::Declared,
        other => return Err(out_of_range("reservation", other)),
    };
    options.limits = limits(from)?;
    Ok(options)
}

fn limits(from: &rtw_compile_options_t) -> Result<Limits> {
    const DEFAULT: Limits = Limits::DEFAULT;
    if from.max_locals > DEFAULT.locals {
        return Err(out_of_range("max_locals", from.max_locals));
    }
    let or = |value: u32, default: u32| if value == 0 { default } else { value };
    Ok(Limits {
        module_bytes: if from.max_module_bytes == 0 { DEFAULT.module_bytes } else { from.max_module_bytes },
        functions: or(from.max_functions, DEFAULT.functions),
        nesting: or(from.max_nesting, DEFAULT.nesting),
        locals: or(from.max_locals, DEFAULT.locals),
        time: if from.max_time_ms == 0 { DEFAULT.time } else { Duration::from_millis(from.max_time_ms) },
    })
}

/// # Safety
/// NULL or NUL-terminated.
unsafe fn optional_text<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: NUL-terminated, as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| Error::new(RTW_ERR_ARGUMENT, format!("{what} is not UTF-8")))
}

fn out_of_range(field: &str, value: impl std::fmt::Display) -> Error {
    Error::new(RTW_ERR_ARGUMENT, format!("{field} is {value}, which is not one of its values"))
}

/// Into memory of malloc's, which a wrong length cannot corrupt when it is freed.
fn hand_over(compiled: &[u8], (artifact, length): Outputs<'_>) -> Result<()> {
    // SAFETY: the copy is as long as the allocation, which is checked.
    unsafe {
        let copy = libc::malloc(compiled.len());
        if copy.is_null() {
            return Err(Error::new(RTW_ERR_NO_MEMORY, format!("no memory for an artifact of {} bytes", compiled.len())));
        }
        copy.cast::<u8>().copy_from_nonoverlapping(compiled.as_ptr(), compiled.len());
        *artifact = copy;
    }
    *length = compiled.len();
    Ok(())
}

/// # Safety
/// `err` is NULL or writable.
unsafe fn fill(err: *mut rtw_error_t, error: &Error) {
    if err.is_null() {
        return;
    }
    let mut filled = rtw_error_t { status: error.status, os_error: error.os_error, message: [0; 504] };
    let room = filled.message.len() - 1;
    let mut end = error.message.len().min(room);
    while !error.message.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in filled.message.iter_mut().zip(&error.message.as_bytes()[..end]) {
        *to = *from as c_char;
    }
    // SAFETY: writable, as the caller promises.
    unsafe { err.write(filled) };
}
