//! Host functions: which of them an instance is linked to, and how guests call them.

use rtwasm_enter::Content;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;
use wasmtime::{
    AsContextMut, Extern, ExternType, Func as EngineFunc, FuncType, Global, ImportType, Memory, Ref, Store, StoreContextMut,
    Table, Trap,
};

use super::core::{Core, GATE_IN_CALL, GATE_IN_HOST};
use super::guest::Data;
use crate::engine::artifact::{Extern as Listed, ExternKind};
use crate::engine::imports::{self, Callable, HostFunc, Imports, Linked};
use crate::engine::module::Module;
use crate::engine::native::Values;
use crate::engine::signature::Signature;
use crate::rt::locked_heap;
use crate::rt::permit::Opened;
use crate::rt::unwind::{self, Came, Mark};
use crate::status::*;
use crate::sys::{end, fpu, stack};

/// The function that each of the module's imports is linked to.
pub(super) fn host_functions(module: &Module, imports: Option<&Imports>) -> Result<Vec<Linked>> {
    let same = |(import, listed): (ImportType<'_>, &Listed)| match import.ty() {
        ExternType::Func(ty) => Signature::of(&ty).is_none_or(|ty| ty.to_string() == listed.ty),
        _ => listed.kind != ExternKind::Func,
    };
    let (imported, listed) = (module.code.imports(), &module.metadata.imports);
    if imported.len() != listed.len() || !imported.zip(listed).all(same) {
        return Err(Error::new(RTW_ERR_INTERNAL, "the imports are not what the artifact says"));
    }
    imports::link(&module.metadata, imports)?.map_err(|lacking| lacking.error(&module.metadata))
}

/// Makes what an import is linked to.
pub(super) fn made(store: &mut Store<Content>, ty: ExternType, linked: &Linked) -> wasmtime::Result<Extern> {
    Ok(match (linked, ty) {
        (Linked::Memory(ty), _) => Memory::new(store, ty.clone())?.into(),
        (Linked::Table(ty), _) => Table::new(store, ty.clone(), Ref::Func(None))?.into(),
        (Linked::Global(ty, value), _) => Global::new(store, ty.clone(), *value)?.into(),
        (Linked::Host(_) | Linked::Native(_), ExternType::Func(ty)) => engine_function(store, ty, linked)?.into(),
        _ => return Err(wasmtime::Error::msg("an import is not what the artifact says")),
    })
}

/// A function of the engine's for an import.
fn engine_function(store: &mut Store<Content>, ty: FuncType, linked: &Linked) -> wasmtime::Result<EngineFunc> {
    // SAFETY: the type is the import's own; a host's function has it, and a native has been chosen by it.
    Ok(unsafe {
        match linked {
            Linked::Native(native) => match native.calculation() {
                Some(calculation) => EngineFunc::new_unchecked(store, ty, move |_, values| {
                    calculation.call(values);
                    Ok(())
                }),
                None => {
                    let native = *native;
                    EngineFunc::new_unchecked(store, ty, move |caller, values| native.call(caller, values))
                }
            },
            // Calls read it. The list's own may lie anywhere; where memory is locked, the guest has a copy that is locked.
            Linked::Host(host) if locked_heap::keeping() => {
                host_function(store.as_context_mut(), ty, Callable::new(HostFunc::clone(host)))
            }
            Linked::Host(host) => host_function(store.as_context_mut(), ty, host.clone()),
            Linked::Memory(_) | Linked::Table(_) | Linked::Global(..) => {
                return Err(wasmtime::Error::msg("an import is no function"));
            }
        }
    })
}

/// A function of the engine's for a host function.
///
/// # Safety
/// It has this type.
pub(super) unsafe fn host_function(store: StoreContextMut<'_, Content>, ty: FuncType, host: Arc<Callable>) -> EngineFunc {
    let core: *const Core = Data::of(store.data()).core();
    let may_block = host.may_block;
    // SAFETY: the store has the core and the function, so that both outlive every call.
    let bound = unsafe { Bound { core: &*core, host: &*Arc::as_ptr(&host), _keeps: host } };
    // SAFETY: as the caller promises; `call_host` passes the values on untouched.
    unsafe {
        match may_block {
            false => EngineFunc::new_unchecked(store, ty, move |_, values| call_host::<false>(&bound, values)),
            true => EngineFunc::new_unchecked(store, ty, move |_, values| call_host::<true>(&bound, values)),
        }
    }
}

/// The engine's record of a host function: all that a call of it reads.
struct Bound {
    /// Of the store that the function is in.
    core: &'static Core,
    /// Kept by `_keeps`.
    host: &'static Callable,
    _keeps: Arc<Callable>,
}

/// A guest's call into the host. The gate opens to this thread meanwhile, so that the host may call back into the guest.
///
/// `BLOCKS`: the function may block, and a thread may end in it.
#[inline(always)]
fn call_host<const BLOCKS: bool>(bound: &Bound, values: Values<'_>) -> wasmtime::Result<()> {
    let core = bound.core;
    if core.differs.get() {
        return call_host_otherwise(bound, values, BLOCKS);
    }
    // SAFETY: as the core's type says.
    unsafe { stack::note::<Core, { offset_of!(Core, host_at) }>(core) };
    core.host.set(&**bound.host);
    // A signal handler may call between any two lines: what its call notes is taken back before the gate opens again.
    compiler_fence(SeqCst);
    core.gate.store(GATE_IN_HOST, Relaxed);
    let answer = answer(bound, values, BLOCKS);
    // The guest has the thread's environment, as it was when the guest was called: the function's changes are undone. SAFETY: as the
    // core's type says.
    unsafe { fpu::Host::set_again::<Core, { offset_of!(Core, hot.host_float) }>(core) };
    close(core, answer)
}

/// Such a call in a guest that has another floating-point environment than the thread, or that is being created.
#[cold]
#[inline(never)]
fn call_host_otherwise(bound: &Bound, values: Values<'_>, blocks: bool) -> wasmtime::Result<()> {
    let core = bound.core;
    // The host function has the thread's floating-point environment; its changes are undone.
    let modes = core.host_float.modes(core.float);
    core.host_at.set(stack::pointer());
    core.host.set(&**bound.host);
    compiler_fence(SeqCst);
    // In a start function the gate stays closed, since there is no guest yet to call back into.
    let is_making = core.is_making();
    if !is_making {
        core.gate.store(GATE_IN_HOST, Relaxed);
    }
    modes.enter_host();
    let answer = answer(bound, values, blocks);
    modes.leave_host();
    match (is_making, answer) {
        (true, RTW_OK) => Ok(()),
        (true, answer) => Err(host_error(core, answer)),
        (false, answer) => close(core, answer),
    }
}

/// Closes the gate to the host again. A call from inside the host function may have faulted, or the process may have forked: then the
/// gate is closed already, and the guest's call ends, whatever the host returned.
#[inline(always)]
fn close(core: &Core, answer: rtw_status_t) -> wasmtime::Result<()> {
    let gate = core.gate.load(Relaxed);
    if gate != GATE_IN_HOST {
        return Err(host_error(core, if answer == RTW_OK { gate } else { answer }));
    }
    core.gate.store(GATE_IN_CALL, Relaxed);
    if answer != RTW_OK {
        return Err(host_error(core, answer));
    }
    Ok(())
}

/// The host function's answer.
#[inline(always)]
fn answer(bound: &Bound, values: Values<'_>, blocks: bool) -> rtw_status_t {
    let Bound { core, host, .. } = *bound;
    if blocks {
        return call_blocking(host, core, values);
    }
    // This catch makes an unwinder find a handler in this frame, and unwind to it.
    catch_unwind(AssertUnwindSafe(|| {
        let left = Left { core };
        // SAFETY: the host guarantees for its function; the values are an array of 16-byte unions, as it expects.
        let answer = unsafe { (host.func)(host.user_data, core.handle.get(), values.as_mut_ptr().cast()) };
        std::mem::forget(left);
        answer
    }))
    .unwrap_or(RTW_ERR_INTERNAL)
}

/// Dropped if a host function does not return: an unwinding of the stack, which cannot pass through a guest.
struct Left<'a> {
    core: &'a Core,
}

impl Drop for Left<'_> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the function whose call this is: calls from inside it have restored it.
        let host = unsafe { &*self.core.host.get() };
        left(host, b"an exception, by pthread_exit or because the thread was cancelled")
    }
}

/// A host function did not return; reports what left it.
#[cold]
pub(super) fn left(host: &HostFunc, by: &[u8]) -> ! {
    end::process_of(&[
        b"the host function \"",
        host.module.as_bytes(),
        b"\" \"",
        host.name.as_bytes(),
        b"\" was left by ",
        by,
        b", which cannot pass through a guest",
    ])
}

/// Calls a host function that may block. If the thread ends in it, the guest's call ends first, as if the function had returned
/// RTW_ERR_CANCELLED; then the caller of the guest resumes the thread's end.
#[inline(never)]
fn call_blocking(host: &HostFunc, core: &Core, values: Values<'_>) -> rtw_status_t {
    let mark = Mark::here();
    let let_in = Opened::let_in();
    core.lets_in.set(let_in.is_some());
    // SAFETY: as for one that does not block.
    let came = unsafe { unwind::call(host.func, host.user_data, core.handle.get(), values.as_mut_ptr().cast()) };
    core.lets_in.set(false);
    if let Some(let_in) = let_in {
        let_in.hold_again();
    }
    match came {
        Came::Back(answer) => answer,
        Came::Leaving if unwind::may_leave() => {
            mark.stop();
            RTW_ERR_CANCELLED
        }
        Came::Leaving => left(host, b"pthread_exit, or because the thread was cancelled, which is the library's own"),
        Came::Thrown => left(host, b"an exception"),
    }
}

/// Notes the host function's status, and gives the engine a reason to end the call.
#[cold]
#[inline(never)]
fn host_error(core: &Core, answer: rtw_status_t) -> wasmtime::Error {
    core.host_status.set(answer);
    Trap::UnreachableCodeReached.into()
}
