//! Finds the address at which a guest trapped without a signal.
//!
//! With explicit checks a trap is a call out of the guest. The engine notes the address of that call in a record of the store,
//! which is overwritten before the call has failed. The record is not part of the engine's interface: the engine's own
//! `wasmtime-environ`, of the same version to the patch, describes its layout, and `Func::to_raw` returns the function
//! reference that leads to it. The engine's first act on a trap is an allocation, which on an attached thread reaches the
//! library's arena while the note is intact: the arena copies it.

use std::ptr::NonNull;
use wasmtime::{AsContextMut, Func};
use wasmtime_environ::{HostPtr, PtrSize, VMCONTEXT_MAGIC};

/// The word in which the engine keeps the address at which a guest's code was last left; None for a function that is not the
/// guest's own.
///
/// The word lives as long as the store.
pub fn word(func: &Func, store: impl AsContextMut) -> Option<NonNull<usize>> {
    let reference = NonNull::new(func.to_raw(store).cast::<u8>())?;
    // SAFETY: the engine's own records, read at the offsets that its compiler uses, on the thread that has the store. The magic
    // distinguishes a guest's context from a host function's, whose layout differs.
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
