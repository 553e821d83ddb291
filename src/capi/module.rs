//! Modules: loading artifacts, and reading what they are.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::runtime::{RTW_PROFILE_PLUGIN, RTW_PROFILE_STANDALONE, rtw_public_key_t, rtw_runtime_t};
use crate::engine::artifact::signature::{self, Digests, Signature};
use crate::engine::artifact::{self, Extern, ExternKind, Input, Limits, Metadata, Opened};
use crate::engine::held;
use crate::engine::imports;
use crate::engine::module::Module;
use crate::engine::profile::Profile;
use crate::engine::runtime::Runtime;
use crate::ffi;
use crate::rt::reserve;
use crate::status::*;

/// A loaded artifact. Immutable; threads may share it.
pub struct rtw_module_t {
    _private: [u8; 0],
}

/// Facts about an artifact, from its envelope. Call rtw_module_info_init first.
#[repr(C)]
pub struct rtw_module_info_t {
    /// sizeof(rtw_module_info_t), set by rtw_module_info_init.
    pub struct_size: u32,
    /// Version of the envelope's format.
    pub envelope_version: u32,
    /// RTW_PROFILE_STANDALONE or RTW_PROFILE_PLUGIN.
    pub profile: u32,
    /// Number of imports.
    pub import_count: u32,
    /// Number of exports.
    pub export_count: u32,
    /// Number of functions defined in the module.
    pub function_count: u32,
    /// Size of the compiled code, in bytes.
    pub code_bytes: u64,
    /// Size of the module before compilation, in bytes.
    pub source_bytes: u64,
    /// Initial size of all linear memories together, in bytes.
    pub memory_min_bytes: u64,
    /// Maximum size of all linear memories together, in bytes; UINT64_MAX if one of them declares no maximum.
    pub memory_max_bytes: u64,
    /// Target triple, such as "x86_64-unknown-linux-gnu".
    pub target: [c_char; 64],
    /// The engine that compiled the code, such as "wasmtime 48.0.8".
    pub engine: [c_char; 32],
    /// The program that wrote the artifact.
    pub producer: [c_char; 32],
    /// Optimisation level: "none", "speed" or "size".
    pub opt_level: [c_char; 32],
    /// The means by which a call can be cut off: "guard", "none", "epoch" or "fuel".
    pub interruption: [c_char; 32],
    /// CPU features that the code needs, comma-separated.
    pub cpu_features: [c_char; 512],
    /// Memory that a new guest holds, in bytes, as memory_limit_bytes of rtw_instance_config_t counts it: memory_min_bytes,
    /// table_bytes, global_bytes and record_bytes together.
    pub guest_bytes: u64,
    /// Part of guest_bytes: tables, in bytes.
    pub table_bytes: u64,
    /// Part of guest_bytes: globals, in bytes.
    pub global_bytes: u64,
    /// Part of guest_bytes: the engine's and the library's records of functions, imports, segments and the instance, in
    /// bytes.
    pub record_bytes: u64,
    /// Address space that an instance reserves for its linear memories, in bytes. It is not memory, but RLIMIT_AS counts it.
    pub address_space_bytes: u64,
    /// Number of the part that the other fields describe, from 1: the part that would be loaded; if none would, the one that
    /// comes nearest.
    pub part: u32,
    /// Number of parts of the artifact.
    pub part_count: u32,
    /// The artifact ABI of the code; a library loads one.
    pub artifact_abi: u32,
    /// The engine release whose compiler made the code: major * 65536 + minor * 256 + patch.
    pub compiler_release: u32,
    /// 1: this library refuses the artifact because of the compiler that made it (RTW_ERR_ENGINE, RTW_ERR_COMPILER), so compile
    /// the module again (rtw_recompile, `rtwasm recompile`). 0: it does not refuse it for that.
    pub needs_recompile: u32,
    /// 1: the artifact contains its module, so rtw_recompile needs no other file. 0: it does not.
    pub has_source: u32,
    /// Why the artifact has no reset image: bits RTW_RESET_NO_... . 0: it has one. A reset image is the state in which a guest
    /// starts: rtw_instance_reset writes it back, which is quick and allocates nothing. Without one, or if the guest has grown,
    /// a reset creates a new guest.
    pub reset_obstacles: u32,
    /// Number of linear memories, imported ones included.
    pub memory_count: u32,
    /// Size of what a reset copies, in bytes: the pages of the memories that are not zero at the start; it clears the other pages. 0 if
    /// there is no image.
    pub reset_bytes: u64,
    /// Number of signatures of the artifact.
    pub signature_count: u32,
    /// 1 if the runtime has trusted_keys, and the key in signed_by is one of them and has signed the artifact. 0 if the runtime
    /// has none: nothing was checked, and anybody may have written the key in signed_by.
    pub is_trusted: u32,
    /// The trusted key that has signed the artifact; without trusted_keys the first key that the artifact names; all zero if
    /// it names none.
    pub signed_by: rtw_public_key_t,
}

/// The module has a start function, which runs in each new guest. Modules that are compiled with init have none: it has run
/// then.
pub const RTW_RESET_NO_START: u32 = 1;
/// The module exports _initialize, which runs in each new guest. Modules that are compiled with init do not: it has run then.
pub const RTW_RESET_NO_INITIALISER: u32 = 2;
/// The module imports a memory, a table or a global.
pub const RTW_RESET_NO_IMPORTS: u32 = 4;
/// A mutable global holds a reference.
pub const RTW_RESET_NO_REFERENCES: u32 = 8;
/// The code changes a table.
pub const RTW_RESET_NO_TABLES: u32 = 16;
/// The code drops a data or an element segment.
pub const RTW_RESET_NO_DROPS: u32 = 32;
/// A data segment does not fit into its memory, so that no instance can be created.
pub const RTW_RESET_NO_SEGMENT: u32 = 64;
/// The memories exceed 4 GiB at the start.
pub const RTW_RESET_NO_SIZE: u32 = 128;
/// The module gives an initial value as an expression that only the engine evaluates.
pub const RTW_RESET_NO_VALUE: u32 = 256;

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

/// One export or import. The strings belong to the module and live as long as its handle. Its layout is final.
#[repr(C)]
pub struct rtw_extern_t {
    /// RTW_EXTERN_FUNC, RTW_EXTERN_MEMORY, RTW_EXTERN_GLOBAL, RTW_EXTERN_TABLE or RTW_EXTERN_TAG.
    pub kind: u32,
    /// The module that the import names, such as "env"; "" for exports.
    pub module: *const c_char,
    /// The name of the export or import.
    pub name: *const c_char,
    /// The type: "(i32,f32)->(f32)", "memory 1..4 pages", "global mut i32", "table 3..3 funcref".
    pub ty: *const c_char,
}

/// The value behind a module's handle.
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

/// Initialises a module info struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_module_info_t) in the caller's header; rtw_module_info_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_info_init_sized(info: *mut rtw_module_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Reads an artifact's header, and the part that would be loaded; reports what it is, whether it would load, and whether instances
/// can be created from it. Maps no code. If an artifact has several parts, it chooses as rtw_module_load does.
///
/// [setup]
/// runtime  the runtime that would load it; NULL: any runtime on this machine, whatever its profile.
/// bytes    the artifact, `length` bytes; read only during the call.
/// info     NULL, or filled if the envelope can be read, even if the artifact would not load.
/// err      NULL, or filled with the reason.
/// returns  RTW_OK if the artifact would load; else why it would not: RTW_ERR_PLAIN_WASM, RTW_ERR_NOT_ARTIFACT,
///          RTW_ERR_TRUNCATED, RTW_ERR_ENVELOPE_VERSION, RTW_ERR_DIGEST, RTW_ERR_ARTIFACT, RTW_ERR_UNSIGNED and
///          RTW_ERR_FORGED (only with trusted_keys in the runtime's configuration; info is then not filled), RTW_ERR_ENGINE or
///          RTW_ERR_COMPILER (compile the module again), RTW_ERR_TARGET, RTW_ERR_CPU_FEATURE, RTW_ERR_PROFILE,
///          RTW_ERR_SIGNALS (it needs signal handlers, and the runtime's allow_signal_handlers is 0). If it would load but no
///          instance can be created: RTW_ERR_UNSUPPORTED (it imports a function or a global with reference types). Also
///          RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (length is larger than any object).
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
            let keys = runtime.map_or(&[][..], |runtime| &runtime.config.trusted_keys);
            let opened = Opened::trusted(Input::Memory(bytes), keys)?;
            let (index, verdict) = opened.choose(&runtime.map_or_else(Limits::default, |runtime| runtime.limits()));
            // Metadata that cannot be read is reported only if nothing else keeps the artifact from loading, as in a load.
            let described = opened.part(index).and_then(|raw| {
                reserve::with_room(raw.room_bytes(), || {
                    let metadata = raw.metadata()?;
                    if let Some(info) = info {
                        info.fill(|info| {
                            describe_artifact(info, &metadata, raw.code.len());
                            (info.part, info.part_count) = (index as u32 + 1, opened.parts.len() as u32);
                            let refusal = verdict.as_ref().map_or_else(|error| error.status, |()| RTW_OK);
                            info.needs_recompile = u32::from(matches!(refusal, RTW_ERR_ENGINE | RTW_ERR_COMPILER));
                            info.has_source = u32::from(opened.find(artifact::kind::SOURCE, 0).is_some());
                            describe_signatures(info, &opened);
                        });
                    }
                    Ok(metadata)
                })
            });
            verdict?;
            imports::check_kinds(&described?)
        })
    }
}

/// Loads an artifact from memory. Checks that it is not damaged, and fits this machine and runtime, before it maps any code. Of an
/// artifact with several parts it checks and maps one: of those that can be loaded here, the standalone profile before the plugin
/// profile, then the one that uses most CPU features, then a deterministic one, then the first (docs/artifacts.md). If the
/// runtime has trusted_keys, it checks the signature first, when it has read only the header and the table. Without
/// trusted_keys nobody checks who made the artifact: load only those that you trust like a shared library.
///
/// [setup]  One thread at a time loads or unloads code in a process; others wait. In the standalone profile a trap on another
///          thread may have to wait meanwhile (see docs/real-time-contract.md).
/// runtime  the module keeps it alive.
/// bytes    the artifact, `length` bytes; copied. Nothing else writes them during the call.
/// out      receives the module, to be destroyed with rtw_module_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: those of rtw_module_probe except the one about imports; RTW_ERR_PERMISSION (this process may not make memory
///         executable).
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
            *out = loaded(runtime, Input::Memory(slice(bytes, length)?))?;
            Ok(())
        })
    }
}

/// Loads an artifact from a file. Reads the header first, and goes on only if the file has the length that the header states.
/// Reads only the part that it loads.
///
/// [setup]
/// path  a regular file or a link to one, as NUL-terminated UTF-8. Pipes, sockets, devices and directories are refused.
/// errors: those of rtw_module_load; RTW_ERR_IO (the message says why), RTW_ERR_ARGUMENT (the path is not UTF-8).
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
            let path = ffi::required(path, "path")?;
            *out = Input::open(path.as_ref())
                .and_then(|file| loaded(runtime, file))
                .map_err(|e| Error { message: format!("{path}: {}", e.message), ..e })?;
            Ok(())
        })
    }
}

/// Computes the digest of an artifact's content, 32 bytes. Signing the artifact does not change the digest; every other change
/// does. Reads every section, of all parts, and compares it with its checksum; maps no code. `rtwasm inspect --digest` prints
/// it.
///
/// [setup]
/// bytes    the artifact, `length` bytes; read only during the call.
/// out      receives 32 bytes: SHA-256 over what docs/artifacts.md says.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_ARGUMENT, and the errors of rtw_module_probe that are about damaged files.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_digest(
    bytes: *const c_void,
    length: usize,
    out: *mut u8,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            if out.is_null() {
                return Err(bare(RTW_ERR_NULL, "out"));
            }
            let digests = Digests::new(&Opened::new(Input::Memory(slice(bytes, length)?))?)?;
            out.cast::<[u8; 32]>().write_unaligned(digests.artifact);
            Ok(())
        })
    }
}

/// Destroys the caller's handle of a module. Instances keep the module alive. The runtime keeps the memory of up to two destroyed
/// modules' code, at most 4 MiB each, for the next modules, which then load faster; that memory is neither executable nor locked.
/// NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_module_destroy(module: *mut rtw_module_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(module) });
}

/// Returns the number of exports of a module; 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_export_count(module: *const rtw_module_t) -> usize {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(module) }.map_or(0, |m| m.exports.len())
}

/// Reads one export of a module, in the module's order.
///
/// [any]
/// out  receives the export; its strings live as long as the module's handle.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_export(module: *const rtw_module_t, index: usize, out: *mut rtw_extern_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe { handle::borrow(module) }.and_then(|m| unsafe { list(&m.exports, index, out) }))
}

/// Returns the number of imports of a module; 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_module_import_count(module: *const rtw_module_t) -> usize {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(module) }.map_or(0, |m| m.imports.len())
}

/// Reads one import of a module, in the module's order.
///
/// [any]
/// out  receives the import; its strings live as long as the module's handle.
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
    // SAFETY: readable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
}

fn loaded(runtime: &Arc<Runtime>, source: Input<'_>) -> Result<*mut rtw_module_t> {
    Module::load(runtime, source, |module| {
        let list = |externs: &[Extern]| externs.iter().map(Listed::new).collect();
        let (exports, imports) = (list(&module.metadata.exports), list(&module.metadata.imports));
        handle::create(Loaded { module, exports, imports })
    })
}

impl Listed {
    fn new(from: &Extern) -> Listed {
        // None has a zero byte in it: reading an artifact refuses them.
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
    // SAFETY: writable as the caller promises.
    unsafe { out.write(answer) };
    Ok(())
}

fn describe_signatures(info: &mut rtw_module_info_t, opened: &Opened<'_>) {
    // Nobody has checked them: they may be anything.
    let signatures = signature::decode(&opened.signatures).unwrap_or_default();
    let named = opened.signed_by.or_else(|| signatures.iter().find_map(Signature::key).copied());
    info.signature_count = signatures.len() as u32;
    info.is_trusted = opened.signed_by.is_some().into();
    info.signed_by = rtw_public_key_t { bytes: named.unwrap_or_default() };
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
    info.memory_count = metadata.memories.len() as u32;
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
    (info.reset_obstacles, info.reset_bytes) = (metadata.reset_obstacles, metadata.reset_bytes);
    (info.artifact_abi, info.compiler_release) = (metadata.abi, metadata.release);
    ffi::copy(&metadata.target, &mut info.target);
    ffi::copy(&metadata.engine(), &mut info.engine);
    ffi::copy(&metadata.producer, &mut info.producer);
    ffi::copy(&metadata.opt_level, &mut info.opt_level);
    ffi::copy(metadata.settings.interruption.name(), &mut info.interruption);
    ffi::copy(&metadata.cpu_features.join(","), &mut info.cpu_features);
}
