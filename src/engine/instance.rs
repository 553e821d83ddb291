//! One guest with its own memory, and the functions looked up in it.
//!
//! An instance belongs to one thread at a time. Its `gate` says what a call has to know first, in one word: free, in a call,
//! or a status that every further call is answered with.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use wasmtime::{
    AsContextMut, Caller, Extern, ExternType, Func as EngineFunc, Global, Memory, Mutability, Store, StoreContextMut,
    Trap, Val, ValRaw,
};

use super::imports::{HostFunc, Imports, missing};
use super::module::{Module, lock_as_configured};
use super::signature::Signature;
use crate::rt::histogram::Recorder;
use crate::rt::memory as pages;
use crate::status::*;

/// What a call stores on its way in and takes away on its way out.
pub const GATE_FREE: rtw_status_t = RTW_OK;
pub const GATE_IN_CALL: rtw_status_t = RTW_ERR_BUSY;

/// What the engine carries for us.
pub struct Data {
    /// How much memory the guest may have.
    memory_limit_bytes: usize,
    core: Arc<Core>,
}

impl wasmtime::ResourceLimiter for Data {
    fn memory_growing(&mut self, _now: usize, wanted: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= self.memory_limit_bytes)
    }

    fn table_growing(&mut self, _now: usize, _wanted: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// The part that calls and host functions work with.
pub struct Core {
    pub gate: AtomicI32,
    /// The store as it may be used now: between calls our own view of it, in a host function the one the engine handed to it,
    /// so that a call made from inside continues the outer one's.
    context: Cell<Option<Context>>,
    /// What a host function answered, for the call that it ended.
    pub host_status: Cell<rtw_status_t>,
    /// What host functions are given as their instance; the C API's handle.
    handle: *mut c_void,
}

type Context = StoreContextMut<'static, Data>;

// SAFETY: one thread at a time has an instance, by the API's rules; the cells are not used beyond it.
unsafe impl Send for Core {}
unsafe impl Sync for Core {}

pub struct Instance {
    pub core: Arc<Core>,
    pub module: Arc<Module>,
    instance: Option<wasmtime::Instance>,
    memory: Option<Memory>,
    store: Store<Data>,
}

// SAFETY: the API allows one thread at a time; the cells are not shared beyond it.
unsafe impl Send for Instance {}
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        // The view of the store must not outlive it.
        self.core.context.set(None);
    }
}

impl Core {
    /// The store, for the thread that has the instance now.
    ///
    /// # Safety
    /// One thread at a time, and the returned view is not kept beyond the call it was taken for.
    #[inline(always)]
    pub unsafe fn context(&self) -> Context {
        // SAFETY: a view is one reference; the copy replaces the original until it goes out of use. It is set while the
        // instance lives.
        unsafe { (*self.context.as_ptr()).as_ref().map(|c| std::ptr::read(c)).unwrap_unchecked() }
    }
}

impl Instance {
    /// Instantiates, which runs the start function. `handle` is what host functions are given.
    pub fn new(module: &Arc<Module>, imports: Option<&Imports>, memory_limit_bytes: Option<u64>, handle: *mut c_void) -> Result<Instance> {
        let engine = module.code.engine();
        let limit = memory_limit_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        check_memory_limit(module, limit)?;
        let core = Arc::new(Core {
            gate: AtomicI32::new(GATE_FREE),
            context: Cell::new(None),
            host_status: Cell::new(RTW_OK),
            handle,
        });
        let mut instance = Instance {
            core: core.clone(),
            module: module.clone(),
            instance: None,
            memory: None,
            store: Store::new(engine, Data { memory_limit_bytes: limit, core }),
        };
        instance.store.limiter(|data| data);
        let externs = instance.link(imports)?;
        instance.core.gate.store(GATE_IN_CALL, Relaxed);
        let made = wasmtime::Instance::new(&mut instance.store, &module.code, &externs);
        instance.core.gate.store(GATE_FREE, Relaxed);
        let made = made.map_err(|e| instance.instantiation_error(&e))?;
        instance.instance = Some(made);
        instance.memory = instance.default_memory();
        // SAFETY: the store is boxed inside, so the view stays valid when the instance moves; `drop` takes it back.
        let context: Context = unsafe { std::mem::transmute(instance.store.as_context_mut()) };
        instance.core.context.set(Some(context));
        Ok(instance)
    }

    fn link(&mut self, imports: Option<&Imports>) -> Result<Vec<Extern>> {
        let module = self.module.clone();
        module
            .code
            .imports()
            .map(|import| {
                let ExternType::Func(ty) = import.ty() else {
                    return Err(Error::new(
                        RTW_ERR_IMPORT_MISSING,
                        format!("import \"{}\" \"{}\" is not a function; only functions can be provided", import.module(), import.name()),
                    ));
                };
                let wanted = Signature::of(&ty).ok_or_else(|| {
                    Error::new(
                        RTW_ERR_UNSUPPORTED,
                        format!("import \"{}\" \"{}\" uses reference types, which cannot cross into C", import.module(), import.name()),
                    )
                })?;
                let host = match imports {
                    Some(imports) => imports.find(import.module(), import.name(), &wanted)?,
                    None => return Err(missing(import.module(), import.name(), &wanted)),
                };
                let call = move |caller: Caller<'_, Data>, values: &mut [MaybeUninit<ValRaw>]| call_host(&host, caller, values);
                // SAFETY: the type is the import's own, and `call_host` passes the values on untouched.
                Ok(unsafe { EngineFunc::new_unchecked(&mut self.store, ty, call) }.into())
            })
            .collect()
    }

    fn instantiation_error(&self, error: &wasmtime::Error) -> Error {
        let host = self.core.host_status.get();
        if host != RTW_OK {
            return Error::new(RTW_ERR_HOST, format!("the start function ended because a host function answered {host}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(trap) => Error::new(trap_status(*trap), format!("the start function or an initialiser trapped: {trap}")),
            None => Error::new(RTW_ERR_NO_MEMORY, format!("the instance cannot be made: {error:#}")),
        }
    }

    fn default_memory(&mut self) -> Option<Memory> {
        let instance = self.instance?;
        instance.get_memory(&mut self.store, "memory").or_else(|| {
            let name = self.module.code.exports().find(|e| matches!(e.ty(), ExternType::Memory(_)))?.name().to_owned();
            instance.get_memory(&mut self.store, &name)
        })
    }

    /// Refuses while a call runs on the instance, except from inside its host functions.
    fn idle(&self) -> Result<()> {
        match self.core.gate.load(Relaxed) {
            GATE_IN_CALL => Err(Error::new(RTW_ERR_BUSY, "the instance is in a call")),
            _ => Ok(()),
        }
    }

    fn export(&self, name: &str, kind: &str) -> Result<Extern> {
        self.idle()?;
        // SAFETY: the API gives us the instance's thread, and the gate is open.
        let context = unsafe { self.core.context() };
        let instance = self.instance.expect("a made instance has one");
        instance.get_export(context, name).ok_or_else(|| {
            let there: Vec<&str> =
                self.module.metadata.exports.iter().filter(|e| e.kind.name() == kind).map(|e| e.name.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Error::new(RTW_ERR_NO_EXPORT, format!("there is no export \"{name}\"; exports of this kind: {there}"))
        })
    }

    /// Base address and size in bytes of an exported memory; of the default one without a name.
    pub fn memory(&self, name: Option<&str>) -> Result<(*mut u8, usize)> {
        let memory = match name {
            None => {
                self.idle()?;
                self.memory.ok_or_else(|| Error::new(RTW_ERR_NO_EXPORT, "the module exports no memory"))?
            }
            Some(name) => match self.export(name, "memory")? {
                Extern::Memory(memory) => memory,
                other => return Err(wrong_kind(name, "memory", &other)),
            },
        };
        // SAFETY: as in `export`.
        let context = unsafe { self.core.context() };
        Ok((memory.data_ptr(&context), memory.data_size(&context)))
    }

    /// A pointer to `length` bytes at `offset` of the default memory, or null if they are not all inside.
    #[inline]
    pub fn memory_at(&self, offset: u64, length: u64) -> *mut u8 {
        let Some(memory) = self.memory else { return std::ptr::null_mut() };
        // SAFETY: the API gives us the instance's thread.
        let context = unsafe { self.core.context() };
        match offset.checked_add(length) {
            Some(end) if end <= memory.data_size(&context) as u64 => memory.data_ptr(&context).wrapping_add(offset as usize),
            _ => std::ptr::null_mut(),
        }
    }

    pub fn global(&self, name: &str) -> Result<Global> {
        match self.export(name, "global")? {
            Extern::Global(global) => Ok(global),
            other => Err(wrong_kind(name, "global", &other)),
        }
    }

    /// A global's value, in the layout that calls use.
    pub fn global_get(&self, name: &str) -> Result<ValRaw> {
        let global = self.global(name)?;
        // SAFETY: as in `export`.
        let value = global.get(unsafe { self.core.context() });
        match value {
            Val::I32(v) => Ok(ValRaw::i32(v)),
            Val::I64(v) => Ok(ValRaw::i64(v)),
            Val::F32(v) => Ok(ValRaw::f32(v)),
            Val::F64(v) => Ok(ValRaw::f64(v)),
            Val::V128(v) => Ok(ValRaw::v128(v.as_u128())),
            _ => Err(Error::new(RTW_ERR_UNSUPPORTED, format!("global \"{name}\" is a reference, which cannot cross into C"))),
        }
    }

    pub fn global_set(&self, name: &str, value: ValRaw) -> Result<()> {
        let global = self.global(name)?;
        // SAFETY: as in `export`.
        let context = unsafe { self.core.context() };
        let ty = global.ty(&context);
        if ty.mutability() == Mutability::Const {
            return Err(Error::new(RTW_ERR_ARGUMENT, format!("global \"{name}\" is immutable")));
        }
        let value = match ty.content() {
            wasmtime::ValType::I32 => Val::I32(value.get_i32()),
            wasmtime::ValType::I64 => Val::I64(value.get_i64()),
            wasmtime::ValType::F32 => Val::F32(value.get_f32()),
            wasmtime::ValType::F64 => Val::F64(value.get_f64()),
            wasmtime::ValType::V128 => Val::V128(value.get_v128().into()),
            wasmtime::ValType::Ref(_) => {
                return Err(Error::new(RTW_ERR_UNSUPPORTED, format!("global \"{name}\" is a reference, which cannot cross into C")));
            }
        };
        global.set(context, value).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("global \"{name}\": {e:#}")))
    }

    /// Looks up a function and holds its type against `wanted`.
    pub fn func(self: &Arc<Self>, name: &str, wanted: Option<&Signature>) -> Result<Func> {
        let func = match self.export(name, "func")? {
            Extern::Func(func) => func,
            other => return Err(wrong_kind(name, "function", &other)),
        };
        // SAFETY: as in `export`.
        let ty = func.ty(unsafe { self.core.context() });
        let signature = Signature::of(&ty).ok_or_else(|| {
            Error::new(RTW_ERR_UNSUPPORTED, format!("function \"{name}\" uses reference types, which cannot cross into C"))
        })?;
        if let Some(wanted) = wanted.filter(|wanted| **wanted != signature) {
            return Err(Error::new(RTW_ERR_SIGNATURE, format!("function \"{name}\" has type {signature}; {wanted} was asked for")));
        }
        let recorder = self.module.runtime.config.statistics.then(|| Box::new(Recorder::new()));
        Ok(Func {
            core: Arc::as_ptr(&self.core),
            func,
            value_count: signature.value_count(),
            recorder,
            signature,
            name: name.to_owned(),
            instance: self.clone(),
        })
    }

    /// Makes the guest's memories and code present, and locked where the runtime wants it.
    pub fn warm(&self) -> Result<Warmed> {
        self.idle()?;
        let mut warmed = self.module.warm_code()?;
        let instance = self.instance.expect("a made instance has one");
        for export in self.module.code.exports().filter(|e| matches!(e.ty(), ExternType::Memory(_))) {
            // SAFETY: as in `export`.
            let mut context = unsafe { self.core.context() };
            let memory = instance.get_memory(&mut context, export.name()).expect("the module says that it is there");
            let start = memory.data_ptr(&context) as usize;
            let range = start..start + memory.data_size(&context);
            // SAFETY: the guest's memory is mapped writable up to its size and nobody runs in it.
            unsafe { pages::touch_for_writing(range.clone()) };
            warmed.locked_bytes += lock_as_configured(self.module.runtime.config.lock, range.clone())?;
            warmed.touched_bytes += range.len();
        }
        Ok(warmed)
    }
}

/// What was made present.
#[derive(Debug, Default, Clone, Copy)]
pub struct Warmed {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
}

impl std::ops::AddAssign for Warmed {
    fn add_assign(&mut self, more: Warmed) {
        self.touched_bytes += more.touched_bytes;
        self.locked_bytes += more.locked_bytes;
    }
}

/// An export that was looked up and checked once, with the figures of its calls.
pub struct Func {
    pub(super) core: *const Core,
    pub(super) func: EngineFunc,
    pub(super) value_count: usize,
    /// Boxed: a call needs one of its words, and only with statistics on.
    pub recorder: Option<Box<Recorder>>,
    pub signature: Signature,
    pub name: String,
    pub instance: Arc<Instance>,
}

// SAFETY: as for `Instance`; the statistics are atomic.
unsafe impl Send for Func {}
unsafe impl Sync for Func {}

impl Func {
    /// Makes present what recording touches.
    pub fn warm(&self) -> Result<Warmed> {
        let mut warmed = Warmed::default();
        let Some(recorder) = &self.recorder else { return Ok(warmed) };
        for range in recorder.ranges() {
            // SAFETY: our own memory. A value that is recorded meanwhile may be lost where the kernel cannot populate; prepare
            // comes before calls.
            unsafe { pages::touch_for_writing(range.clone()) };
            warmed.locked_bytes += lock_as_configured(self.instance.module.runtime.config.lock, range.clone())?;
            warmed.touched_bytes += range.len();
        }
        Ok(warmed)
    }

    /// Closes the instance to all further calls: something in this library went wrong during one.
    pub fn poison(&self) {
        self.instance.core.gate.store(RTW_ERR_POISONED, Relaxed);
    }
}

fn check_memory_limit(module: &Module, limit: usize) -> Result<()> {
    match module.metadata.memories.iter().map(|m| m.min_bytes).max() {
        Some(need) if need > limit as u64 => Err(Error::new(
            RTW_ERR_LIMIT,
            format!("the module's memory starts with {need} bytes; the instance's limit is {limit}"),
        )),
        _ => Ok(()),
    }
}

fn wrong_kind(name: &str, wanted: &str, found: &Extern) -> Error {
    let found = match found {
        Extern::Func(_) => "function",
        Extern::Memory(_) | Extern::SharedMemory(_) => "memory",
        Extern::Global(_) => "global",
        Extern::Table(_) => "table",
        Extern::Tag(_) => "tag",
    };
    Error::new(RTW_ERR_EXPORT_KIND, format!("export \"{name}\" is a {found}, not a {wanted}"))
}

/// A guest's call into the host. The gate opens for the time of it, so that the host may call back into the guest.
fn call_host(host: &HostFunc, mut caller: Caller<'_, Data>, values: &mut [MaybeUninit<ValRaw>]) -> wasmtime::Result<()> {
    let core: *const Core = &*caller.data().core;
    // SAFETY: the store that is calling holds its core.
    let core = unsafe { &*core };
    // SAFETY: the view is taken back below, before the engine's own becomes usable again.
    let inner: Context = unsafe { std::mem::transmute(caller.as_context_mut()) };
    let outer = core.context.replace(Some(inner));
    core.gate.store(GATE_FREE, Relaxed);
    // SAFETY: the host vouches for its function; the values are an array of 16-byte unions, as it expects.
    let answer = unsafe { (host.func)(host.user_data, core.handle, values.as_mut_ptr().cast()) };
    // A call that the host function made may have faulted: then the guest's state is broken, whatever the host answers.
    let status = if answer == RTW_OK { core.gate.load(Relaxed) } else { answer };
    core.gate.store(GATE_IN_CALL, Relaxed);
    core.context.set(outer);
    if status == RTW_OK {
        return Ok(());
    }
    core.host_status.set(status);
    Err(Trap::UnreachableCodeReached.into())
}

/// The status for a trap of the engine.
pub fn trap_status(trap: Trap) -> rtw_status_t {
    match trap {
        Trap::UnreachableCodeReached => RTW_ERR_TRAP_UNREACHABLE,
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => RTW_ERR_TRAP_MEMORY,
        Trap::TableOutOfBounds => RTW_ERR_TRAP_TABLE,
        Trap::IndirectCallToNull | Trap::BadSignature => RTW_ERR_TRAP_INDIRECT_CALL,
        Trap::IntegerDivisionByZero => RTW_ERR_TRAP_DIVIDE_BY_ZERO,
        Trap::IntegerOverflow => RTW_ERR_TRAP_INTEGER_OVERFLOW,
        Trap::BadConversionToInteger => RTW_ERR_TRAP_BAD_CONVERSION,
        Trap::StackOverflow => RTW_ERR_TRAP_STACK,
        Trap::Interrupt | Trap::OutOfFuel => RTW_ERR_BUDGET,
        _ => RTW_ERR_TRAP_OTHER,
    }
}
