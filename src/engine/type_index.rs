//! Compares the types of two functions without the engine's lock: by the number that the engine gives each type, which its function
//! references hold, as `trap_pc` reads other records of it.

use wasmtime::{AsContextMut, Func};
use wasmtime_environ::{HostPtr, PtrSize};

/// True if both functions, which are of this store, have the same type.
#[inline]
pub fn same(one: Func, other: Func, mut store: impl AsContextMut) -> bool {
    let mut number = |func: Func| {
        let reference = func.to_raw(&mut store).cast::<u8>();
        // SAFETY: a function's reference lives as long as its store; the offset is the one that the engine's compiler uses.
        unsafe { reference.add(HostPtr.vm_func_ref().type_index().into()).cast::<u32>().read() }
    };
    number(one) == number(other)
}
