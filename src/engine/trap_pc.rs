//! Where a guest left its code when it trapped without a signal.
//!
//! With explicit checks a trap is a call out of the guest, and the engine notes the address it came from in a record of the
//! store; by the time that the call has failed the note is overwritten. The record is not part of the engine's interface. Its
//! layout is told by the engine's own `wasmtime-environ`, of the same version to the patch, and the function reference that
//! leads to it is what `Func::to_raw` answers. The first thing the engine does with a trap is to allocate, and on an attached
//! thread that reaches our arena while the note stands: there it is copied.

use std::ptr::NonNull;
use wasmtime::{AsContextMut, Func};
use wasmtime_environ::{HostPtr, PtrSize, VMCONTEXT_MAGIC};

/// The word in which the engine keeps the address that a guest's code was last left at; None for a function that is not the
/// guest's own.
///
/// The word lives as long as the store.
pub fn word(func: &Func, store: impl AsContextMut) -> Option<NonNull<usize>> {
    let reference = NonNull::new(func.to_raw(store).cast::<u8>())?;
    // SAFETY: the engine's own records, read at the offsets that its compiler uses, on the thread that has the store. The magic
    // tells a guest's context from a host function's, whose layout is another.
    unsafe {
        let context = pointer_at(reference, HostPtr.vm_func_ref().vmctx().into())?;
        if context.cast::<u32>().read() != VMCONTEXT_MAGIC {
            return None;
        }
        let store = pointer_at(context, HostPtr.vmcontext_store_context().into())?;
        Some(store.add(HostPtr.vm_store_context().last_wasm_exit_pc().into()).cast())
    }
}

unsafe fn pointer_at(record: NonNull<u8>, offset: usize) -> Option<NonNull<u8>> {
    // SAFETY: passed on.
    NonNull::new(unsafe { record.add(offset).cast::<*mut u8>().read() })
}
