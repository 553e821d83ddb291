//! The module: artifacts, looked at and loaded.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::runtime::{RTW_PROFILE_PLUGIN, RTW_PROFILE_STANDALONE, rtw_runtime_t};
use super::text;
use crate::engine::artifact::{self, Extern, ExternKind, Metadata};
use crate::engine::held;
use crate::engine::imports;
use crate::engine::module::{self, Module};
use crate::engine::profile::Profile;
use crate::engine::runtime::Runtime;
use crate::rt::reserve;
use crate::status::*;

/// A loaded artifact; immutable, to be shared between threads.
pub struct rtw_module_t {
    _private: [u8; 0],
}

/// What an artifact's envelope says. Call rtw_module_info_init first.
#[repr(C)]
pub struct rtw_module_info_t {
    /// sizeof(rtw_module_info_t), set by rtw_module_info_init.
    pub struct_size: u32,
    /// Version of the envelope.
    pub envelope_version: u32,
    /// RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN.
    pub profile: u32,
    /// Number of imports.
    pub import_count: u32,
    /// Number of exports.
    pub export_count: u32,
    /// Functions defined in the module.
    pub function_count: u32,
    /// Size of the compiled code, in bytes.
    pub code_bytes: u64,
    /// Size of the module before compilation, in bytes.
    pub source_bytes: u64,
    /// What all linear memories have at the start, in bytes.
    pub memory_min_bytes: u64,
    /// What they can grow to, in bytes; UINT64_MAX where one declares no maximum.
    pub memory_max_bytes: u64,
    /// Target triple, such as "x86_64-unknown-linux-gnu".
    pub target: [c_char; 64],
    /// The engine that made the code, such as "wasmtime 48.0.8".
    pub engine: [c_char; 32],
    /// The program that wrote the artifact.
    pub producer: [c_char; 32],
    /// Optimisation level: "none", "speed" or "speed_and_size".
    pub opt_level: [c_char; 32],
    /// How calls can be interrupted: "guard", "none", "epoch" or "fuel".
    pub interruption: [c_char; 32],
    /// CPU features that the code needs, separated by commas.
    pub cpu_features: [c_char; 512],
    /// What a guest makes the host hold from the start, in bytes: what memory_limit_bytes of rtw_instance_config_t is held against
    /// when an instance is made. The sum of memory_min_bytes and the three below.
    pub guest_bytes: u64,
    /// Of that: tables, in bytes.
    pub table_bytes: u64,
    /// Of that: globals, in bytes.
    pub global_bytes: u64,
    /// Of that: the engine's and the library's records of functions, imports, segments, the instance itself, in bytes.
    pub record_bytes: u64,
    /// Address space, not memory, that an instance sets aside for its linear memories, in bytes; RLIMIT_AS counts it.
    pub address_space_bytes: u64,
}

/// The export or import is a function.
pub const RTW_EXTERN_FUNC: u32 = 1;
/// The export or import is a linear memory.
pub const RTW_EXTERN_MEMORY: u32 = 2;
/// The export or import is a global.
pub const RTW_EXTERN_GLOBAL: u32 = 3;
/// The export or import is a table.
pub const RTW_EXTERN_TABLE: u32 = 4;
/// The export or import is an exception tag.
pub const RTW_EXTERN_TAG: u32 = 5;

/// One export or import. The strings belong to the module and live as long as its handle.
#[repr(C)]
pub struct rtw_extern_t {
    /// RTW_EXTERN_FUNC, RTW_EXTERN_MEMORY, RTW_EXTERN_GLOBAL, RTW_EXTERN_TABLE or RTW_EXTERN_TAG.
    pub kind: u32,
    /// The module that an import is asked of; "" for exports.
    pub module: *const c_char,
    /// Its name.
    pub name: *const c_char,
    /// Its type: "(i32,f32)->(f32)", "memory 1..4 pages", "global mut i32", "table 3..3 funcref".
    pub ty: *const c_char,
}

/// What stands behind a module's handle.
pub struct Loaded {
    pub module: Arc<Module>,
    exports: Vec<Listed>,
    imports: Vec<Listed>,
}

struct Listed {
    kind: u32,
    module: CString,
    name: CString,
    ty: CString,
}

impl Noun for rtw_module_t {
    type Value = Loaded;
    const MAGIC: u64 = 0x0065_6c75_646f_6d02;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_module_info_t {}

/// Prepares an info struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_module_info_t) as the caller knows it: rtw_module_info_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_info_init_sized(info: *mut rtw_module_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Tells from the envelope alone what an artifact is, whether it would load here, and whether instances can be made of it. Maps
/// no code.
///
/// [setup]
/// runtime  the runtime it would be loaded into; NULL: any runtime on this machine (the profile is then not judged).
/// bytes    the artifact, `length` bytes; read only during the call.
/// info     NULL, or filled as soon as the envelope can be read, also where the artifact would not load.
/// err      NULL, or filled with the reason.
/// returns  RTW_OK where it would load, or why it would not: RTW_ERR_PLAIN_WASM, RTW_ERR_NOT_ARTIFACT, RTW_ERR_TRUNCATED,
///          RTW_ERR_ENVELOPE_VERSION, RTW_ERR_DIGEST, RTW_ERR_ARTIFACT, RTW_ERR_ENGINE, RTW_ERR_TARGET,
///          RTW_ERR_CPU_FEATURE, RTW_ERR_PROFILE, RTW_ERR_SIGNALS (it needs signal handlers, and the runtime's
///          allow_signal_handlers is 0); where it would load, and no instance can be made of it whatever is provided:
///          RTW_ERR_IMPORT_MISSING (it imports a memory, a table or a global), RTW_ERR_UNSUPPORTED (it imports a function with
///          reference types); or RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT
///          (length is larger than any object).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_probe(
    runtime: *const rtw_runtime_t,
    bytes: *const c_void,
    length: usize,
    info: *mut rtw_module_info_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let runtime = match runtime.is_null() {
                true => None,
                false => Some(guard::named(runtime, "runtime")?),
            };
            let bytes = slice(bytes, length)?;
            let info = match info.is_null() {
                true => None,
                false => Some(guard::output_struct(info).map_err(|s| bare(s, "info"))?),
            };
            reserve::with_room(artifact::room_bytes(bytes), || {
                let artifact = artifact::read(bytes)?;
                if let Some(info) = info {
                    info.fill(|info| describe_artifact(info, &artifact.metadata, artifact.code.len()));
                }
                module::check(runtime.map(|r| &**r), &artifact.metadata)?;
                imports::check_kinds(&artifact.metadata)
            })
        })
    }
}

/// Loads an artifact. The digest and whether it fits this machine and runtime are checked before any of its code is mapped;
/// that its maker is to be trusted with native code is the caller's decision.
///
/// [setup]  One thread at a time loads or drops code in a process; others wait. In the standalone profile a trap on another thread
///          may meet the engine's lock meanwhile (see docs/real-time-contract.md).
/// runtime  is kept alive by the module.
/// bytes    the artifact, `length` bytes; copied.
/// out      receives the module, to be ended with rtw_module_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: those of rtw_module_probe, but for the two that concern imports, and RTW_ERR_PERMISSION (this process may not make
///         memory executable).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_load(
    runtime: *const rtw_runtime_t,
    bytes: *const c_void,
    length: usize,
    out: *mut *mut rtw_module_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            *out = loaded(runtime, slice(bytes, length)?)?;
            Ok(())
        })
    }
}

/// The same from a file. Reads the header first, and the rest only where the file is exactly as long as its header says.
///
/// [setup]
/// path  NUL-terminated UTF-8. Names a regular file, or a link to one: pipes, sockets, devices and directories are refused at once.
/// errors: RTW_ERR_IO (the message says why), RTW_ERR_NO_MEMORY (there is no room for what the header says), RTW_ERR_ARGUMENT (the
///         path is not UTF-8), and those of rtw_module_load.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_load_file(
    runtime: *const rtw_runtime_t,
    path: *const c_char,
    out: *mut *mut rtw_module_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            let path = text::required(path, "path")?;
            *out = artifact::read_file(path.as_ref())
                .and_then(|bytes| loaded(runtime, &bytes))
                .map_err(|e| Error { message: format!("{path}: {}", e.message), ..e })?;
            Ok(())
        })
    }
}

/// Ends the use of a module by its owner; instances keep it alive. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_destroy(module: *mut rtw_module_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(module) });
}

/// How many exports the module has; 0 for a handle that is none.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_export_count(module: *const rtw_module_t) -> usize {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(module) }.map_or(0, |m| m.exports.len())
}

/// One export, in the module's order.
///
/// [any]
/// out  receives it; its strings live as long as the module's handle.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_export(module: *const rtw_module_t, index: usize, out: *mut rtw_extern_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe { handle::borrow(module) }.and_then(|m| unsafe { list(&m.exports, index, out) }))
}

/// How many imports the module has; 0 for a handle that is none.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_import_count(module: *const rtw_module_t) -> usize {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(module) }.map_or(0, |m| m.imports.len())
}

/// One import, in the module's order.
///
/// [any]
/// out  receives it; its strings live as long as the module's handle.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_import(module: *const rtw_module_t, index: usize, out: *mut rtw_extern_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe { handle::borrow(module) }.and_then(|m| unsafe { list(&m.imports, index, out) }))
}

pub(super) unsafe fn slice<'a>(bytes: *const c_void, length: usize) -> Result<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(Error::new(RTW_ERR_NULL, "bytes is NULL"));
    }
    if length > isize::MAX as usize {
        return Err(Error::new(RTW_ERR_ARGUMENT, "length is larger than any object can be"));
    }
    // SAFETY: readable by the caller's word.
    Ok(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
}

fn loaded(runtime: &Arc<Runtime>, bytes: &[u8]) -> Result<*mut rtw_module_t> {
    reserve::with_room(artifact::room_bytes(bytes), || {
        let module = Module::load(runtime, bytes)?;
        let list = |externs: &[Extern]| externs.iter().map(Listed::new).collect();
        let (exports, imports) = (list(&module.metadata.exports), list(&module.metadata.imports));
        handle::create(Loaded { module, exports, imports })
    })
}

impl Listed {
    fn new(from: &Extern) -> Listed {
        // None has a zero byte in it: `artifact::read` refuses them.
        let c = |text: &str| CString::new(text).unwrap_or_default();
        let kind = match from.kind {
            ExternKind::Func => RTW_EXTERN_FUNC,
            ExternKind::Memory => RTW_EXTERN_MEMORY,
            ExternKind::Global => RTW_EXTERN_GLOBAL,
            ExternKind::Table => RTW_EXTERN_TABLE,
            ExternKind::Tag => RTW_EXTERN_TAG,
        };
        Listed { kind, module: c(&from.module), name: c(&from.name), ty: c(&from.ty) }
    }
}

unsafe fn list(all: &[Listed], index: usize, out: *mut rtw_extern_t) -> std::result::Result<(), rtw_status_t> {
    let listed = all.get(index).ok_or(RTW_ERR_BOUNDS)?;
    if out.is_null() {
        return Err(RTW_ERR_NULL);
    }
    let answer =
        rtw_extern_t { kind: listed.kind, module: listed.module.as_ptr(), name: listed.name.as_ptr(), ty: listed.ty.as_ptr() };
    // SAFETY: writable by the caller's word.
    unsafe { out.write(answer) };
    Ok(())
}

fn describe_artifact(info: &mut rtw_module_info_t, metadata: &Metadata, code_bytes: usize) {
    info.envelope_version = artifact::VERSION;
    info.profile = match metadata.settings.profile {
        Profile::Standalone => RTW_PROFILE_STANDALONE,
        Profile::Plugin => RTW_PROFILE_PLUGIN,
    };
    info.import_count = metadata.imports.len() as u32;
    info.export_count = metadata.exports.len() as u32;
    info.function_count = metadata.function_count;
    info.code_bytes = code_bytes as u64;
    info.source_bytes = metadata.source_bytes;
    info.memory_min_bytes = metadata.memories.iter().fold(0, |sum: u64, m| sum.saturating_add(m.min_bytes));
    info.memory_max_bytes = metadata.memories.iter().fold(0, |sum: u64, m| sum.saturating_add(m.max_bytes.unwrap_or(u64::MAX)));
    let need = held::need(metadata);
    info.guest_bytes = need.total();
    info.table_bytes = need.table_bytes;
    info.global_bytes = need.global_bytes;
    info.record_bytes = need.record_bytes;
    info.address_space_bytes = metadata.address_space_bytes();
    text::copy(&metadata.target, &mut info.target);
    text::copy(&metadata.engine, &mut info.engine);
    text::copy(&metadata.producer, &mut info.producer);
    text::copy(&metadata.opt_level, &mut info.opt_level);
    text::copy(metadata.settings.interruption.name(), &mut info.interruption);
    text::copy(&metadata.cpu_features.join(","), &mut info.cpu_features);
}
