//! Handles of funcs and instances: the host's, and the library's own, which a slot gives to the host in a block, and by which a
//! worker calls. One entry serves all of them, `call::entry`.

use std::sync::Arc;
use wasmtime::ValRaw;

use super::call;
use super::handle::{self, Noun, Owned, Pool, Ref};
use super::imports::Imports;
use super::instance::{Config, Func, Instance};
use super::module::Module;
use crate::rt::{locked_heap, reserve};
use crate::status::*;

/// The type that a func's handle points to, for other code.
pub enum FuncNoun {}

impl Noun for FuncNoun {
    type Value = Func;
    const MAGIC: u64 = 0x0000_0063_6e75_6605;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// The type that an instance's handle points to, for other code.
pub enum InstanceNoun {}

impl Noun for InstanceNoun {
    type Value = Arc<Instance>;
    const MAGIC: u64 = 0x6365_6e61_7473_6904;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

pub type OwnFunc = Owned<FuncNoun>;
pub type OwnInstance = Owned<InstanceNoun>;
pub type FuncRef<'a> = Ref<'a, FuncNoun>;

impl OwnFunc {
    /// Calls the func as the host does.
    ///
    /// # Safety
    /// There are as many values as the func needs; this thread has its guest.
    #[inline(always)]
    pub unsafe fn call(&self, values: &mut [ValRaw]) -> rtw_status_t {
        // SAFETY: passed on; the handle is live.
        unsafe { call::entry(self.as_ptr(), values.as_mut_ptr(), values.len()) }
    }
}

impl FuncRef<'_> {
    /// Calls the func as the host does.
    ///
    /// # Safety
    /// As for [`OwnFunc::call`].
    pub unsafe fn call(&self, values: &mut [ValRaw]) -> rtw_status_t {
        // SAFETY: passed on; the handle is live.
        unsafe { call::entry(self.as_ptr(), values.as_mut_ptr(), values.len()) }
    }
}

/// Instantiates behind a handle, which is the instance's handle for host functions.
pub fn instantiate(module: &Arc<Module>, imports: Option<&Imports>, config: Config) -> Result<*mut InstanceNoun> {
    let (made, kept) = locked_heap::keep(module.runtime.config.lock, || {
        let reserved = handle::reserve::<InstanceNoun>()?;
        let instance = Instance::new(module, imports, config, reserved.cast());
        let made = instance.map(Arc::new).and_then(|instance| reserve::check().map(|()| instance));
        Ok((reserved, made.inspect_err(|_| handle::cancel(reserved))?))
    });
    let (reserved, instance) = made?;
    instance.count_kept(kept);
    handle::publish(reserved, instance);
    Ok(reserved)
}
