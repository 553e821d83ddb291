//! The compiler's C API: the boundary only. `include/rtwasm_compiler.h` is made from this file.
//!
//! librtwasm_compiler.so is a library of its own beside librtwasm.so, with an engine of its own; what passes between them
//! is the artifact.
#![allow(non_camel_case_types)]
// The entries' comments state their requirements, in the header's words.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_void};
use std::time::Duration;

use rtwasm::engine::profile::{self, DEFAULT_GUEST_STACK_BYTES, Interruption, Profile, Settings};
use rtwasm::ffi::{self, out_of_range};
use rtwasm::rt::fork::Whole;
use rtwasm::rt::{panics, reserve};
use rtwasm::sized::{self, Sized32};
use rtwasm::status::*;

use crate::limits::Limits;
use crate::{Extras, Init, Machine, Opt, Options, Reservation, Target};

/// Compiles fast; the code is slow.
pub const RTW_COMPILE_OPT_NONE: u32 = 0;
/// Generates the fastest code.
pub const RTW_COMPILE_OPT_SPEED: u32 = 1;
/// Generates fast code, and smaller code if that costs little speed.
pub const RTW_COMPILE_OPT_SIZE: u32 = 2;

/// Calls cannot be cut off.
pub const RTW_COMPILE_INTERRUPTION_NONE: u32 = 0;
/// The engine's epoch checks, for comparison.
pub const RTW_COMPILE_INTERRUPTION_EPOCH: u32 = 1;
/// The engine's fuel counting, for comparison.
pub const RTW_COMPILE_INTERRUPTION_FUEL: u32 = 2;
/// The budget guard: polls at loop headers, through which the watchdog cuts off a call over its budget.
pub const RTW_COMPILE_INTERRUPTION_GUARD: u32 = 3;

/// Each linear memory reserves 4 GiB of address space, so that code of the standalone profile needs no bounds checks; there
/// each memory also has 64 MiB of guard pages, and so has the memory that the budget guard adds. rtw_module_probe of rtwasm.h
/// reports the sum.
pub const RTW_COMPILE_RESERVATION_FULL: u32 = 0;
/// Each linear memory reserves the maximum that the module declares: for processes whose locked or total memory is limited.
/// The code then checks accesses in both profiles.
pub const RTW_COMPILE_RESERVATION_DECLARED: u32 = 1;

/// In `profile`: a part of the artifact for each profile, beside RTW_PROFILE_STANDALONE and RTW_PROFILE_PLUGIN of rtwasm.h.
pub const RTW_COMPILE_PROFILE_BOTH: u32 = 2;

/// Compiler options. Call rtw_compile_options_init first.
#[repr(C)]
pub struct rtw_compile_options_t {
    /// sizeof(rtw_compile_options_t), set by rtw_compile_options_init.
    pub struct_size: u32,
    /// Profile of the runtime that will load the artifact: RTW_PROFILE_STANDALONE (default), RTW_PROFILE_PLUGIN or
    /// RTW_COMPILE_PROFILE_BOTH.
    pub profile: u32,
    /// RTW_COMPILE_OPT_SPEED (default), RTW_COMPILE_OPT_SIZE or RTW_COMPILE_OPT_NONE.
    pub opt_level: u32,
    /// By what means calls can be cut off: RTW_COMPILE_INTERRUPTION_GUARD (default) or another.
    pub interruption: u32,
    /// Target: "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu". NULL (default): this machine.
    pub target: *const c_char,
    /// CPU features to use. "native": those of this machine; the artifact does not load where one is missing. "x86-64-v2",
    /// "x86-64-v3", "x86-64-v4": the levels of the x86-64 psABI, for artifacts that are distributed. "baseline", "x86-64" or
    /// "aarch64": no optional ones. Otherwise a list such as "avx2,fma", to which the features that they need are added, or a
    /// processor such as "cortex-a53", "cortex-a72" or "cortex-a76" for all its features. Several levels or
    /// processors, such as "x86-64-v2,x86-64-v4,aarch64": a part of the artifact for each, of the target that the name belongs to;
    /// rtw_module_load takes the best that runs. NULL (default): native if the target is this machine, else x86-64-v2 or aarch64.
    pub cpu: *const c_char,
    /// RTW_COMPILE_RESERVATION_FULL (default) or RTW_COMPILE_RESERVATION_DECLARED.
    pub reservation: u32,
    /// Most functions that the module may define. 0 (default): 500,000.
    pub max_functions: u32,
    /// Longest module in bytes, both as given and in binary form. 0 (default): 256 MiB.
    pub max_module_bytes: u64,
    /// Most blocks, loops and ifs inside each other in one function. 0 (default): 10,000.
    pub max_nesting: u32,
    /// Most locals of one function, without parameters, at most 50,000. 0 (default): 50,000.
    pub max_locals: u32,
    /// Longest time to compile, in ms. 0 (default): ten minutes. The code generator cannot be stopped: after this time
    /// rtw_compile returns, and its helper threads finish the module in the background. max_branches and max_function_bytes limit
    /// the time of a single function.
    pub max_time_ms: u64,
    /// Most branches in one function: blocks, loops, ifs, elses and conditional branches. 0 (default): 250,000. The time for a
    /// function grows with the product of its branches and bytes: 10,000 short loops, which are 20,000 branches, took 2 s, and
    /// 100,000 took 4 minutes. The default limits allow eight minutes.
    pub max_branches: u32,
    /// Longest body of one function, in bytes. 0 (default): 2 MiB.
    pub max_function_bytes: u32,
    /// 1: results are the same on every machine and at every CPU level: NaNs are canonical, and relaxed SIMD has one meaning, which is
    /// slow where a processor has other instructions. Modules that need a higher level for that are refused with RTW_ERR_UNSUPPORTED.
    /// 0 (default): each machine's fastest.
    pub deterministic: u32,
    /// 1: keeps the module in the artifact, so that rtw_recompile needs nothing else. 0 (default): does not.
    pub embed_source: u32,
    /// Exports to run now, each as "EXPORT" or "EXPORT=ARGS" with numbers of the export's types ("setup=48000,0.5"). Instances,
    /// resets and spares start with the state that they leave behind: memories, globals. They run one after the other in one
    /// instance, after the module's _initialize, which is not exported any more. NULL (default): none. Functions of
    /// the host are not provided then, but for those of libm on numbers (sinf, pow). max_time_ms limits the calls, too.
    pub init: *const *const c_char,
    /// The number of texts in init.
    pub init_count: usize,
}

/// The error struct of rtwasm.h.
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
const _: () = assert!(size_of::<rtw_compile_options_t>() == 4 * 4 + 4 * size_of::<usize>() + 2 * 4 + 5 * 8);

/// Sets compiler options to their defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_compile_options_t) in the caller's header; rtw_compile_options_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_compile_options_init_sized(options: *mut rtw_compile_options_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { sized::init(options, struct_size) };
}

/// Compiles a WebAssembly module, in binary or text form, to an artifact for rtw_module_load.
///
/// [setup]  Any number of threads at once. Helper threads are ordinary ones, with all signals blocked, and end before the
///          call returns, except after max_time_ms. They have their own stacks; the caller's may be small. Do not make the
///          first call while another thread installs signal handlers, as rtw_runtime_create does: it restores the handlers
///          that it found.
/// wasm_or_wat, length  the module; read only during the call.
/// options          NULL for the defaults; read only during the call.
/// artifact         receives the artifact, to be freed with rtw_compile_free; NULL on failure.
/// artifact_length  receives its length in bytes; 0 on failure.
/// err              NULL, or filled: what is wrong with the module, and where.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; an unknown CPU feature),
///         RTW_ERR_WASM (malformed, invalid, or not WebAssembly), RTW_ERR_PROPOSAL (a proposal that is disabled),
///         RTW_ERR_UNSUPPORTED (an unknown target; a limit of the code generator; a name with a zero byte), RTW_ERR_LIMIT
///         (one of the max_ fields, which the message names), RTW_ERR_INTERNAL. Of init: RTW_ERR_NO_EXPORT,
///         RTW_ERR_EXPORT_KIND, RTW_ERR_SIGNATURE (other types than the export's), RTW_ERR_IMPORT_MISSING (it calls an import
///         that is not provided at compile time), RTW_ERR_TRAP_... (it traps), RTW_ERR_UNSUPPORTED (state that cannot be kept:
///         tables that change, imported memories, tables and globals).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_compile(
    wasm_or_wat: *const c_void,
    length: usize,
    options: *const rtw_compile_options_t,
    artifact: *mut *mut c_void,
    artifact_length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        compiled(artifact, artifact_length, err, || {
            let input = input(wasm_or_wat, length, "wasm_or_wat")?;
            let (parts, whole) = read_options(options)?;
            reserve::with_room(room_bytes(length), || {
                keep_signal_handlers();
                crate::compile_parts(input, &parts, &whole, &mut |_| {})
            })
        })
    }
}

/// Compiles the module of an artifact again, by this compiler. Use it if rtw_module_load returns RTW_ERR_ENGINE or
/// RTW_ERR_COMPILER. rtw_module_info_t says in needs_recompile whether it helps, and in has_source whether the artifact
/// contains its module. The new artifact has the guest's description, and the module if it was inside. It is not signed, since
/// its code is new: sign it with `rtwasm sign`.
///
/// [setup]  As rtw_compile.
/// artifact, length       the artifact; read only during the call.
/// source, source_length  the module that it was made from, as rtw_compile got it. NULL: the one inside.
/// options                NULL: each part is compiled with the options that it has. Otherwise these options replace them.
/// out                    receives the new artifact, to be freed with rtw_compile_free; NULL on failure.
/// out_length             receives its length in bytes; 0 on failure.
/// err                    NULL, or filled.
/// errors: those of rtw_compile; RTW_ERR_ARGUMENT (source is NULL and no module is inside; source is another module),
///         RTW_ERR_NOT_ARTIFACT, RTW_ERR_TRUNCATED, RTW_ERR_ENVELOPE_VERSION, RTW_ERR_DIGEST, RTW_ERR_ARTIFACT,
///         RTW_ERR_PLAIN_WASM (about the artifact).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_recompile(
    artifact: *const c_void,
    length: usize,
    source: *const c_void,
    source_length: usize,
    options: *const rtw_compile_options_t,
    out: *mut *mut c_void,
    out_length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        compiled(out, out_length, err, || {
            let artifact = input(artifact, length, "artifact")?;
            let source = if source.is_null() { None } else { Some(input(source, source_length, "source")?) };
            let replaced = if options.is_null() { None } else { Some(read_options(options)?) };
            reserve::with_room(room_bytes(length.max(source_length)), || {
                keep_signal_handlers();
                let made = crate::of_artifact(artifact, source)?;
                let (parts, whole) = match replaced {
                    Some((parts, whole)) => (parts, Extras { source: whole.source || made.whole.source, ..made.whole }),
                    None => (made.parts, made.whole),
                };
                crate::compile_parts(&made.source, &parts, &whole, &mut |_| {})
            })
        })
    }
}

/// Runs `work` and hands its artifact over.
///
/// # Safety
/// As the entries' arguments.
unsafe fn compiled(
    artifact: *mut *mut c_void,
    artifact_length: *mut usize,
    err: *mut rtw_error_t,
    work: impl FnOnce() -> Result<Vec<u8>>,
) -> rtw_status_t {
    let outcome = fallible(|| {
        panics::silence();
        // SAFETY: NULL or writable, as the caller promises.
        let outputs = unsafe { outputs(artifact, artifact_length)? };
        Ok((work()?, outputs))
    });
    let outcome = outcome.and_then(|(compiled, outputs)| hand_over(&compiled, outputs));
    let error = outcome.map_or_else(|error| error, |()| Error::new(RTW_OK, ""));
    // SAFETY: as above.
    unsafe { fill(err, &error) };
    error.status
}

/// Frees an artifact that rtw_compile or rtw_recompile has returned. Modules that were loaded from it do not need it. NULL does nothing.
///
/// [setup]
/// artifact, length  as it returned them.
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

/// Creates an engine with the standalone profile's settings, and restores the signal handlers that were there before. The first
/// such engine installs handlers, which are for running code, and this library never does that: left in place they would come
/// between guests' faults and the handlers of librtwasm.so.
fn keep_signal_handlers() {
    static ARE_KEPT: Whole<bool> = Whole::new(false);
    let mut are_kept = ARE_KEPT.lock();
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
unsafe fn input<'a>(from: *const c_void, length: usize, what: &str) -> Result<&'a [u8]> {
    if from.is_null() {
        return Err(is_null(what));
    }
    if length > isize::MAX as usize {
        return Err(out_of_range("length", length));
    }
    // SAFETY: as the caller promises, and not longer than an object can be.
    Ok(unsafe { std::slice::from_raw_parts(from.cast(), length) })
}

/// The options of each part, and what else the artifact has.
type Request = (Vec<Options>, Extras);

/// # Safety
/// NULL or readable for as long as its own first field says, with strings as the header says.
unsafe fn read_options(from: *const rtw_compile_options_t) -> Result<Request> {
    if from.is_null() {
        // SAFETY: live, and its strings are NULL.
        return unsafe { options(&rtw_compile_options_t::defaults()) };
    }
    // SAFETY: passed on.
    unsafe { options(&sized::read(from, "options")?) }
}

/// # Safety
/// Its strings are NULL or NUL-terminated.
unsafe fn options(from: &rtw_compile_options_t) -> Result<Request> {
    let profiles = match from.profile {
        // rtwasm.h's RTW_PROFILE_STANDALONE and RTW_PROFILE_PLUGIN.
        0 => &[Profile::Standalone][..],
        1 => &[Profile::Plugin],
        RTW_COMPILE_PROFILE_BOTH => &Profile::ALL,
        other => return Err(out_of_range("profile", other)),
    };
    // SAFETY: passed on.
    let (target, cpu) = unsafe { (ffi::optional(from.target, "target")?, ffi::optional(from.cpu, "cpu")?) };
    let machines = Machine::from_text(cpu, target.map(Target::from_triple).transpose()?)?;
    let flag = |field: &str, value: u32| match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(out_of_range(field, other)),
    };
    let opt = match from.opt_level {
        RTW_COMPILE_OPT_NONE => Opt::None,
        RTW_COMPILE_OPT_SPEED => Opt::Speed,
        RTW_COMPILE_OPT_SIZE => Opt::SpeedAndSize,
        other => return Err(out_of_range("opt_level", other)),
    };
    let interruption = match from.interruption {
        RTW_COMPILE_INTERRUPTION_NONE => Interruption::None,
        RTW_COMPILE_INTERRUPTION_EPOCH => Interruption::Epoch,
        RTW_COMPILE_INTERRUPTION_FUEL => Interruption::Fuel,
        RTW_COMPILE_INTERRUPTION_GUARD => Interruption::Guard,
        other => return Err(out_of_range("interruption", other)),
    };
    let reservation = match from.reservation {
        RTW_COMPILE_RESERVATION_FULL => Reservation::Full,
        RTW_COMPILE_RESERVATION_DECLARED => Reservation::Declared,
        other => return Err(out_of_range("reservation", other)),
    };
    let deterministic = flag("deterministic", from.deterministic)?;
    let whole = Extras { source: flag("embed_source", from.embed_source)?, ..Extras::default() };
    // SAFETY: passed on.
    let (init, limits) = (unsafe { inits(from)? }, limits(from)?);
    let pairs = machines.iter().flat_map(|machine| profiles.iter().map(move |profile| (*profile, machine.clone())));
    let parts = pairs.map(|(profile, machine)| {
        let (init, limits) = (init.clone(), limits.clone());
        Options { opt, interruption, reservation, deterministic, init, limits, ..Options::for_machine(profile, machine) }
    });
    Ok((parts.collect(), whole))
}

/// # Safety
/// `init` is NULL, or as many NUL-terminated texts as `init_count` says.
unsafe fn inits(from: &rtw_compile_options_t) -> Result<Vec<Init>> {
    if from.init.is_null() {
        return if from.init_count == 0 { Ok(Vec::new()) } else { Err(is_null("init")) };
    }
    if from.init_count > MOST_INITS {
        return Err(out_of_range("init_count", from.init_count));
    }
    // SAFETY: as the caller promises.
    let texts = unsafe { std::slice::from_raw_parts(from.init, from.init_count) };
    // SAFETY: passed on.
    let text = |text: &*const c_char| unsafe { ffi::optional(*text, "init") }?.ok_or_else(|| is_null("a text of init"));
    texts.iter().map(|one| Init::from_text(text(one)?)).collect()
}

/// More calls than a setup has; a larger number is a mistake.
const MOST_INITS: usize = 10_000;

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
        branches: or(from.max_branches, DEFAULT.branches),
        function_bytes: or(from.max_function_bytes, DEFAULT.function_bytes),
        time: if from.max_time_ms == 0 { DEFAULT.time } else { Duration::from_millis(from.max_time_ms) },
    })
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
    ffi::copy(&ffi::printable(&error.message), &mut filled.message);
    // SAFETY: writable, as the caller promises.
    unsafe { err.write(filled) };
}
