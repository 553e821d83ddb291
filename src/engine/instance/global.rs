//! Globals of a guest: by name, or looked up once, and then read and written in real time.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};
use wasmtime::{Extern, Global as EngineGlobal, Mutability, Val, ValRaw};

use super::Instance;
use super::access::wrong_kind;
use super::turn::Turn;
use crate::engine::artifact::ExternKind;
use crate::engine::signature::Type;
use crate::rt::{cancel, reserve};
use crate::status::*;

/// A global that was looked up.
pub struct Global {
    instance: Arc<Instance>,
    found: Arc<Found>,
}

/// Shared by the instance and all handles of a global.
pub(super) struct Found {
    name: String,
    ty: Type,
    is_mutable: bool,
    /// Replaced by a reset, which has exclusive use.
    global: Cell<EngineGlobal>,
}

// SAFETY: as for `Instance`: the cell is that of one thread at a time.
unsafe impl Send for Found {}
// SAFETY: as for Send.
unsafe impl Sync for Found {}

impl Instance {
    fn lock_globals(&self) -> MutexGuard<'_, Vec<Arc<Found>>> {
        self.globals.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Turn<'_> {
    fn find_global(&self, name: &str) -> Result<Found> {
        let global = match self.export(name, ExternKind::Global)? {
            Extern::Global(global) => global,
            other => return Err(wrong_kind(name, "global", &other)),
        };
        // SAFETY: it is this thread's turn.
        let ty = global.ty(unsafe { self.core.context() });
        let is_mutable = ty.mutability() == Mutability::Var;
        let of = |ty| Found { name: name.to_owned(), ty, is_mutable, global: Cell::new(global) };
        Type::of(ty.content()).map(of).ok_or_else(|| {
            Error::new(RTW_ERR_UNSUPPORTED, format!("global \"{name}\" is a reference, which cannot cross into C"))
        })
    }

    /// Looks a global up and compares its type.
    pub fn global(&self, name: &str, wanted: Option<&str>) -> Result<Global> {
        let found = self.find_global(name)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found.ty.name()) {
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!("global \"{name}\" has type {}; {wanted} was asked for", found.ty.name()),
            ));
        }
        let mut globals = self.lock_globals();
        let known = globals.iter().find(|known| known.name == name).cloned();
        let found = match known {
            Some(known) => known,
            None => {
                reserve::room(&mut globals, 1)?;
                let found = self.keep(|| Arc::new(found));
                reserve::check()?;
                globals.push(found.clone());
                found
            }
        };
        Ok(Global { instance: self.instance().clone(), found })
    }

    /// A global's value, in the layout of calls' values.
    pub fn global_get(&self, name: &str) -> Result<ValRaw> {
        Ok(self.read(&self.find_global(name)?))
    }

    pub fn global_set(&self, name: &str, value: ValRaw) -> Result<()> {
        let found = self.find_global(name)?;
        match self.write(&found, value) {
            RTW_OK => Ok(()),
            status => Err(Error::new(status, format!("global \"{name}\" is immutable"))),
        }
    }

    fn read(&self, found: &Found) -> ValRaw {
        // SAFETY: it is this thread's turn.
        match found.global.get().get(unsafe { self.core.context() }) {
            Val::I32(v) => ValRaw::i32(v),
            Val::I64(v) => ValRaw::i64(v),
            Val::F32(v) => ValRaw::f32(v),
            Val::F64(v) => ValRaw::f64(v),
            Val::V128(v) => ValRaw::v128(v.as_u128()),
            // Not among the types.
            _ => ValRaw::i64(0),
        }
    }

    fn write(&self, found: &Found, value: ValRaw) -> rtw_status_t {
        if !found.is_mutable {
            return RTW_ERR_ARGUMENT;
        }
        // SAFETY: it is this thread's turn.
        let set = found.global.get().set(unsafe { self.core.context() }, found.ty.value(value));
        if set.is_ok() { RTW_OK } else { RTW_ERR_INTERNAL }
    }

    /// Connects the globals to the new guest after a reset.
    pub(super) fn find_globals_again(&self) {
        for found in self.lock_globals().iter() {
            // SAFETY: it is this thread's turn.
            let context = unsafe { self.core.context() };
            if let Some(Extern::Global(global)) = self.names().find(context, &found.name, ExternKind::Global) {
                found.global.set(global);
            }
        }
    }
}

impl Global {
    /// The value.
    ///
    /// # Safety
    /// The calling thread has the instance.
    pub unsafe fn get(&self) -> std::result::Result<ValRaw, rtw_status_t> {
        let mut value = Err(RTW_ERR_INTERNAL);
        // SAFETY: passed on.
        unsafe { self.access(&mut |turn| value = Ok(turn.read(&self.found))) }?;
        value
    }

    /// Sets the value.
    ///
    /// # Safety
    /// As for `get`.
    pub unsafe fn set(&self, value: ValRaw) -> rtw_status_t {
        let mut status = RTW_ERR_INTERNAL;
        // SAFETY: passed on.
        match unsafe { self.access(&mut |turn| status = turn.write(&self.found, value)) } {
            Ok(()) => status,
            Err(refused) => refused,
        }
    }

    /// Has nothing to clean up or to catch (see `cancel`).
    unsafe fn access(&self, work: &mut dyn FnMut(Turn<'_>)) -> std::result::Result<(), rtw_status_t> {
        let held = self.instance.core.hold();
        // SAFETY: passed on.
        let done = unsafe { self.caught(work) };
        if let Some(held) = held {
            cancel::let_in(held);
        }
        done
    }

    #[inline(never)]
    unsafe fn caught(&self, work: &mut dyn FnMut(Turn<'_>)) -> std::result::Result<(), rtw_status_t> {
        // SAFETY: passed on.
        let turn = unsafe { self.instance.turn() };
        // A faulted guest can still be read.
        if turn.may_read() == Err(RTW_ERR_BUSY) {
            return Err(RTW_ERR_BUSY);
        }
        catch_unwind(AssertUnwindSafe(|| work(turn))).map_err(|_| RTW_ERR_INTERNAL)
    }
}
