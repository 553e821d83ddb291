//! The way into a guest. The engine's part of a call is compiled anew for each type that a store holds. It is compiled here, for the
//! one type that the library's stores hold, so that a call is optimised for speed while the packages around it are optimised for size.

use std::any::Any;
use wasmtime::{Func, Result, StoreContextMut, ValRaw};

/// The content of a store. The package above knows its type: see `engine::instance::Data`.
pub struct Content(pub Box<dyn Any>);

/// Runs a function of a guest. `values` holds its arguments and receives its results, without conversion.
///
/// # Safety
/// As for [`Func::call_unchecked`]: `values` has room for the arguments and for the results, and the arguments have the function's
/// types.
#[inline(never)]
pub unsafe fn enter(func: Func, context: StoreContextMut<'_, Content>, values: *mut [ValRaw]) -> Result<()> {
    // SAFETY: passed on.
    unsafe { func.call_unchecked(context, values) }
}
