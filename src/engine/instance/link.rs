//! Host functions: which of them an instance is linked to, and how guests call them.

use rtwasm_enter::Content;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;
use wasmtime::{
    AsContextMut, Caller, Extern, ExternType, Func as EngineFunc, FuncType, Global, ImportType, Memory, Ref, Store,
    StoreContextMut, Table, Trap, ValRaw,
};

use super::core::{Context, Core, GATE_IN_CALL, GATE_IN_HOST};
use super::guest::Data;
use crate::engine::artifact::{Extern as Listed, ExternKind};
use crate::engine::imports::{self, Callable, HostFunc, Imports, Linked};
use crate::engine::module::Module;
use crate::engine::signature::Signature;
use crate::rt::locked_heap;
use crate::rt::permit::Opened;
use crate::rt::unwind::{self, Came, Mark};
use crate::status::*;
use crate::sys::{end, stack, thread};

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
    // SAFETY: as the caller promises; `call_host` passes the values on untouched.
    unsafe {
        match host.may_block {
            false => EngineFunc::new_unchecked(store, ty, move |caller, values| call_host::<false>(&host, caller, values)),
            true => EngineFunc::new_unchecked(store, ty, move |caller, values| call_host::<true>(&host, caller, values)),
        }
    }
}

/// A guest's call into the host. The gate opens to this thread meanwhile, so that the host may call back into the guest.
///
/// `BLOCKS`: the function may block, and a thread may end in it.
pub(super) fn call_host<const BLOCKS: bool>(
    host: &HostFunc,
    mut caller: Caller<'_, Content>,
    values: &mut [MaybeUninit<ValRaw>],
) -> wasmtime::Result<()> {
    let core: *const Core = &*Data::of(caller.data()).core;
    // SAFETY: the calling store holds its core.
    let core = unsafe { &*core };
    // The host function has the thread's floating-point environment; its changes are undone.
    let modes = core.host_float.modes(core.float);
    let mut call = || {
        modes.enter_host();
        if BLOCKS {
            let answer = call_blocking(host, core, values);
            modes.leave_host();
            core.host_float.restore(modes);
            return answer;
        }
        // This catch makes an unwinder find a handler in this frame, and unwind to it.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let left = Left { host };
            // SAFETY: the host guarantees for its function; the values are an array of 16-byte unions, as it expects.
            let answer = unsafe { (host.func)(host.user_data, core.handle.get(), values.as_mut_ptr().cast()) };
            std::mem::forget(left);
            answer
        }))
        .unwrap_or(RTW_ERR_INTERNAL);
        modes.leave_host();
        // Calls from inside it had environments of their own.
        core.host_float.restore(modes);
        answer
    };
    if core.is_making() {
        core.host.set(host);
        // A start function: the gate stays closed, since there is no guest yet to call back into.
        let answer = call();
        return if answer == RTW_OK { Ok(()) } else { Err(host_error(core, answer)) };
    }
    // SAFETY: the view is removed below, before the engine's own becomes usable again.
    let inner: Context = unsafe { std::mem::transmute(caller.as_context_mut()) };
    let outer = core.context.replace(Some(inner));
    core.host_thread.store(thread::token(), Relaxed);
    core.host.set(host);
    core.host_at.set(stack::pointer());
    compiler_fence(SeqCst);
    core.gate.store(GATE_IN_HOST, Relaxed);
    let answer = call();
    // A signal handler may call between any two of these lines: the gate closes before the view changes, and opens after it.
    let gate = core.gate.load(Relaxed);
    if gate == GATE_IN_HOST {
        core.gate.store(GATE_IN_CALL, Relaxed);
    }
    compiler_fence(SeqCst);
    core.context.set(outer);
    // A call from inside the host function may have faulted, or the process may have forked: then the gate is closed, whatever
    // the host returned.
    if gate == GATE_IN_HOST && answer == RTW_OK {
        return Ok(());
    }
    Err(host_error(core, if answer == RTW_OK { gate } else { answer }))
}

/// Dropped if a host function does not return: an unwinding of the stack, which cannot pass through a guest.
struct Left<'a> {
    host: &'a HostFunc,
}

impl Drop for Left<'_> {
    #[cold]
    fn drop(&mut self) {
        left(self.host, b"an exception, by pthread_exit or because the thread was cancelled")
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
fn call_blocking(host: &HostFunc, core: &Core, values: &mut [MaybeUninit<ValRaw>]) -> rtw_status_t {
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
fn host_error(core: &Core, answer: rtw_status_t) -> wasmtime::Error {
    core.host_status.set(answer);
    Trap::UnreachableCodeReached.into()
}
