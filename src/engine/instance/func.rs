//! Functions of a guest that were looked up, and what their calls recorded.

use rtwasm_enter::Callee;
use std::cell::Cell;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use wasmtime::{Extern, Func as EngineFunc, Table};

use super::Instance;
use super::access::wrong_kind;
use super::core::Core;
use super::table::Entry;
use super::turn::Turn;
use crate::engine::artifact::ExternKind;
use crate::engine::budget::Timing;
use crate::engine::naming;
use crate::engine::signature::Signature;
use crate::engine::warmed::Warmed;
use crate::record::recorder::Recorder;
use crate::record::snapshot::Snapshot;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::reserve;
use crate::status::*;
use crate::sys::memory::{self as pages, Lock};

/// An upper bound for the records of one func: mostly a histogram.
pub const FUNC_BYTES: usize = 24 << 10;

/// A function to look up.
pub struct Wanted<'a> {
    pub name: &'a str,
    /// None: any.
    pub signature: Option<Signature>,
    pub optional: bool,
}

/// An export that was looked up and checked once, with the statistics of its calls. A clone is the same func.
#[derive(Clone)]
pub struct Func {
    pub(in crate::engine) core: *const Core,
    /// The beginning of `shared`, where calls find it without adding anything.
    pub(in crate::engine) callee: *const Callee,
    pub shared: Arc<FuncShared>,
}

/// State that a func's handle and its instance share. The part that calls touch is at its start.
#[repr(C)]
pub struct FuncShared {
    /// The part that every call touches.
    pub callee: Callee,
    pub signature: Signature,
    pub name: String,
    pub instance: Arc<Instance>,
    pub(super) origin: Origin,
    /// For a func of a table: what is called where no such function is. Replaced by a reset.
    pub(super) absent: Cell<EngineFunc>,
    kept: Kept,
}

/// The place in the guest from which a func comes, also after a reset.
pub(super) enum Origin {
    /// The export that is called like the func.
    Export,
    /// An entry of a table, with the table if each call names the entry.
    Table { entry: Entry, table: Cell<Option<Table>> },
}

// SAFETY: as for `Instance`; the statistics are atomic.
unsafe impl Send for Func {}
// SAFETY: as for Send.
unsafe impl Sync for Func {}

impl Deref for FuncShared {
    type Target = Callee;

    #[inline(always)]
    fn deref(&self) -> &Callee {
        &self.callee
    }
}

// SAFETY: as for `Func`, which shares it.
unsafe impl Send for FuncShared {}
// SAFETY: as for Send.
unsafe impl Sync for FuncShared {}

impl Func {
    /// The part of its instance that calls use.
    pub(in crate::engine) fn core(&self) -> &Core {
        // SAFETY: a func keeps its instance alive, and the core does not move.
        unsafe { &*self.core }
    }

    /// The limits of its instance's calls.
    #[inline(always)]
    pub fn timing(&self) -> &Timing {
        // SAFETY: a func keeps its instance alive, and the core does not move.
        unsafe { &(*self.core).timing }
    }
}

impl Drop for FuncShared {
    /// Hands the figures over to the instance.
    fn drop(&mut self) {
        let mut funcs = self.instance.lock_funcs();
        funcs.retain(|func| !std::ptr::eq(func.as_ptr(), self));
        if let Some(recorder) = self.recorder.as_ref().filter(|recorder| !recorder.is_untouched()) {
            let ever = recorder.ever();
            match &mut *self.instance.lock_past_calls() {
                Some(past) => past.add(&ever),
                none => *none = Some(ever),
            }
        }
    }
}

impl FuncShared {
    fn warm(&self, lock: Lock) -> Result<Warmed> {
        let recorder: usize = self.recorder.iter().map(|recorder| recorder.range().len()).sum();
        // The recorder's bytes are counted below.
        let beside = Kept { bytes: self.kept.bytes.saturating_sub(recorder), ..self.kept };
        let mut warmed = Warmed::kept(beside, lock)?;
        for range in self.recorder.iter().map(Recorder::range) {
            // SAFETY: its own memory. A value that is recorded at the same time may be lost if the kernel cannot populate;
            // prepare comes before calls.
            unsafe { pages::touch_for_writing(range.clone()) };
            warmed.locked_bytes += pages::lock_as(lock, range.clone())?;
            warmed.touched_bytes += range.len();
        }
        Ok(warmed)
    }
}

impl Instance {
    pub(super) fn lock_funcs(&self) -> std::sync::MutexGuard<'_, Vec<Weak<FuncShared>>> {
        self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The funcs that were looked up and still exist. Dropping the last reference to one locks the list, so do not drop one
    /// while holding it.
    pub fn living_funcs(&self) -> Vec<Arc<FuncShared>> {
        self.lock_funcs().iter().filter_map(Weak::upgrade).collect()
    }

    /// Everything that this instance's funcs have ever recorded, destroyed funcs included; None if statistics are off.
    pub fn recorded(&self) -> Option<Snapshot> {
        if !self.module.runtime.config.statistics {
            return None;
        }
        loop {
            let funcs = self.lock_funcs();
            let living: Vec<Arc<FuncShared>> = funcs.iter().filter_map(Weak::upgrade).collect();
            // A func in the list that cannot be upgraded any more is about to hand in its figures, and waits for the list.
            let complete = living.len() == funcs.len();
            let mut sum = complete.then(|| self.lock_past_calls().clone().unwrap_or_else(Snapshot::empty));
            drop(funcs);
            if let Some(sum) = &mut sum {
                living.iter().filter_map(|func| func.recorder.as_ref()).for_each(|recorder| sum.add(&recorder.ever()));
                return Some(sum.clone());
            }
            drop(living);
            std::thread::yield_now();
        }
    }

    pub(super) fn lock_past_calls(&self) -> std::sync::MutexGuard<'_, Option<Snapshot>> {
        self.past_calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Turn<'_> {
    /// Looks up a function and compares its type with `wanted`.
    pub fn func(&self, name: &str, wanted: Option<&Signature>) -> Result<Func> {
        let func = match self.export(name, ExternKind::Func)? {
            Extern::Func(func) => func,
            other => return Err(wrong_kind(name, "function", &other)),
        };
        // SAFETY: it is this thread's turn.
        let ty = func.ty(unsafe { self.core.context() });
        let signature = Signature::of(&ty).ok_or_else(|| {
            Error::new(RTW_ERR_UNSUPPORTED, format!("function \"{name}\" uses reference types, which cannot cross into C"))
        })?;
        if let Some(wanted) = wanted.filter(|wanted| **wanted != signature) {
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!("function \"{name}\" has type {signature}; {wanted} was asked for"),
            ));
        }
        self.func_of(func, signature, name.to_owned(), Origin::Export)
    }

    /// Makes the func of a function, with statistics of its own.
    pub(super) fn func_of(&self, func: EngineFunc, signature: Signature, name: String, origin: Origin) -> Result<Func> {
        let config = &self.module.runtime.config;
        let (mut shared, kept) = locked_heap::keep(config.lock, || {
            Arc::new(FuncShared {
                callee: Callee {
                    func: Cell::new(func),
                    value_count: signature.value_count(),
                    recorder: config.statistics.then(Recorder::new),
                },
                signature,
                name,
                origin,
                absent: Cell::new(func),
                instance: self.instance().clone(),
                kept: Kept::default(),
            })
        });
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.kept = kept;
        }
        let mut funcs = self.lock_funcs();
        let room = reserve::room(&mut funcs, 1).and_then(|()| reserve::check());
        if room.is_ok() {
            funcs.push(Arc::downgrade(&shared));
        }
        drop(funcs);
        room?;
        Ok(Func { core: Arc::as_ptr(&self.core), callee: Arc::as_ptr(&shared).cast(), shared })
    }

    /// Looks up several functions; optional ones that are missing are None. The error names all missing functions, and the kind
    /// or type of those that do not match.
    pub fn funcs(&self, wanted: &[Wanted<'_>]) -> Result<Vec<Option<Func>>> {
        self.idle()?;
        let (mut missing, mut wrong) = (vec![], vec![]);
        let mut first = None;
        let mut look_up = |wanted: &Wanted<'_>| match self.func(wanted.name, wanted.signature.as_ref()) {
            Ok(func) => Some(func),
            Err(error) if error.status == RTW_ERR_NO_EXPORT && wanted.optional => None,
            Err(error) => {
                first.get_or_insert(error.status);
                match error.status {
                    RTW_ERR_NO_EXPORT => missing.push(format!("\"{}\"", naming::shown(wanted.name))),
                    _ => wrong.push(error.message),
                }
                None
            }
        };
        let funcs = wanted.iter().map(&mut look_up).collect();
        let Some(status) = first else { return Ok(funcs) };
        if !missing.is_empty() {
            wrong.insert(0, format!("there is no export {}", missing.join(", ")));
        }
        Err(Error::new(status, wrong.join("; ")))
    }

    /// Prefaults what recording the calls of this instance's funcs touches.
    pub(in crate::engine) fn warm_funcs(&self) -> Result<Warmed> {
        let mut warmed = Warmed::default();
        for func in self.living_funcs() {
            warmed += func.warm(self.module.runtime.config.lock)?;
        }
        Ok(warmed)
    }
}
